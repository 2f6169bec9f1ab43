//! The guards: each a stable code, a sentence, and a check that may refuse. All of them are asked, and one that cannot
//! know refuses.
//!
//! Pure: what a guard looks at stands in its [`Situation`].

mod evidence;
pub(super) mod object;
mod room;
#[cfg(test)]
mod scene;
mod timing;

use std::collections::BTreeMap;

pub use self::room::{Booked, books};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::advise::plan::{Code, SeenObject, ServicePlan, Setting, Severity};
use crate::apply::floor::Moved;
use crate::apply::{Found, Write};
use crate::history::{Evidence, History, SeriesKey};
use crate::render::objects::{Kind, ObjectChange};
use crate::service::live::Live;
use crate::service::rules::Rules;
use crate::service::{Policy, Service};

/// All that is known when one object is about to be changed.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The moment of the run.
    pub now: Timestamp,
    /// The settings' clock.
    pub zone: &'a TimeZone,
    /// What the team allows.
    pub rules: &'a Rules,
    /// How far one change may go.
    pub policy: &'a Policy,
    /// The moment of the plan, and the hash of its settings.
    pub plan: (Timestamp, &'a str),
    /// The hash of the settings now.
    pub settings: &'a str,
    /// What is to be changed.
    pub change: &'a ObjectChange,
    /// The object as the plan saw it; `None`: it did not.
    pub seen: Option<&'a SeenObject>,
    /// The object as it is.
    pub found: &'a Found,
    /// The fields that differ from what they should be.
    pub writes: &'a [Write],
    /// The advice of this moment for the service, whatever the age of the plan; `None`: there is none.
    pub fresh: Option<&'a ServicePlan>,
    /// The service, and what was seen of it up to now; `None`: it was not looked at.
    pub watched: Option<(&'a Service, &'a BTreeMap<SeriesKey, Evidence<History>>)>,
    /// What the cluster allows.
    pub live: &'a Live,
    /// When the record says that we changed the object last.
    pub last_change: Option<Timestamp>,
    /// What earlier changes of the run ask of quotas.
    pub booked: &'a [Booked],
    /// Where the loop moves a floor: what it goes by.
    pub floor: Option<&'a Moved>,
    /// Whether nobody looks on: the loop follows the plan by itself.
    pub unattended: bool,
}

/// A refusal: what speaks against it, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The guard's code.
    pub code: &'static str,
    /// What speaks against it.
    pub message: String,
    /// The way out.
    pub hint: String,
}

/// What a check found: the message and the hint of a refusal.
type Checked = Result<(), (String, String)>;

/// One guard.
#[derive(Debug, Clone, Copy)]
pub struct Guard {
    /// What scripts match on; never given a new meaning.
    pub code: &'static str,
    /// What it holds, for people.
    pub sentence: &'static str,
    check: fn(&Situation<'_>) -> Checked,
}

const fn guard(
    code: &'static str,
    sentence: &'static str,
    check: fn(&Situation<'_>) -> Checked,
) -> Guard {
    Guard { code, sentence, check }
}

/// Every guard, in the order in which they are asked.
pub const GUARDS: [Guard; 20] = [
    guard("PLAN_AGE", "the plan is not older than `policy.maxPlanAge`", timing::plan_age),
    guard("SETTINGS", "the plan was made with these settings", timing::settings),
    guard("FREEZE", "no window of `policy.freeze` is open", timing::freeze),
    guard("COOLDOWN", "our last change is longer ago than `policy.cooldown`", timing::cooldown),
    guard("TAKEN_BACK", "the loop does not do again what was taken back", timing::taken_back),
    guard("GONE", "the object is there", object::gone),
    guard("PAUSED", "no kill switch is set", object::paused),
    guard("LIVE_CHANGED", "the object is what the plan saw", object::live_changed),
    guard("OWNED", "no other manager owns a field that is written", object::owned),
    guard("SCALER", "who scales it is known, awake, and nobody else's", object::scaler),
    guard("COUPLED", "no autoscaler counts pods by a request that changes", object::coupled),
    guard("VPA", "no VPA sets the size of its containers", object::vpa),
    guard("ROLLOUT", "no rollout is in progress", object::rollout),
    guard("PODS", "its pods run", object::pods),
    guard("OBJECTIVES", "the objectives are met, or only counts are raised", evidence::objectives),
    guard("EVIDENCE", "what is observed now asks for every lowering", evidence::evidence),
    guard("STEP", "no field moves further than `policy.maxStep`", evidence::step),
    guard("BOUNDS", "bounds, requests and limits still fit each other", room::bounds),
    guard("DISRUPTION", "budgets and zones still have enough replicas", room::disruption),
    guard("ROOM", "quota, limit range and nodes have room", room::room),
];

/// What all guards say: the codes of those that let it pass, and the refusals.
#[must_use]
pub fn judge(situation: &Situation<'_>) -> (Vec<&'static str>, Vec<Refusal>) {
    if let Err((message, hint)) = object::gone(situation) {
        // of what is not there nothing else can be said
        return (Vec::new(), vec![Refusal { code: "GONE", message, hint }]);
    }
    let (mut passed, mut refusals) = (Vec::new(), Vec::new());
    for Guard { code, check, .. } in GUARDS {
        match check(situation) {
            Ok(()) => passed.push(code),
            Err((message, hint)) => refusals.push(Refusal { code, message, hint }),
        }
    }
    (passed, refusals)
}

/// The guards of a rollback: the kill switch, whether anything is lost with pods that end, and whether the fields are still free
/// to be written.
///
/// # Errors
///
/// The first that refuses.
pub fn rollback(found: &Found, writes: &[Write], rules: &Rules) -> Result<(), Refusal> {
    let refusal = |code| move |(message, hint)| Refusal { code, message, hint };
    let Some(object) = &found.object else {
        return Err(refusal("GONE")(object::is_gone()));
    };
    object::pause_of(found).map_err(refusal("PAUSED"))?;
    let ends_pods = |write: &Write| {
        let count = matches!(write.setting, Setting::Replicas | Setting::MaxReplicas);
        let run = found.workload.as_ref().and_then(|of| of["status"]["replicas"].as_u64());
        count && run.unwrap_or(write.from.figure()) > write.to.figure()
    };
    if writes.iter().any(ends_pods) {
        room::claims_stay(found).map_err(refusal("DISRUPTION"))?;
    }
    object::owners_allow(object, writes, rules).map_err(refusal("OWNED"))
}

impl Situation<'_> {
    fn object(&self) -> Option<&Value> {
        self.found.object.as_ref()
    }

    fn fields(&self) -> impl Iterator<Item = &crate::render::objects::FieldChange> {
        let is_written = |field: &&crate::render::objects::FieldChange| {
            self.writes.iter().any(|write| write.path == field.path)
        };
        self.change.fields.iter().filter(is_written)
    }

    /// Whether nothing is done but to raise counts.
    fn only_raises_counts(&self) -> bool {
        self.writes.iter().all(|write| {
            let count = matches!(write.from, crate::advise::plan::Amount::Count(_));
            count && write.to.figure() > write.from.figure()
        })
    }

    /// Whether the size of a container changes, which starts its pods anew.
    fn resizes(&self) -> bool {
        let counted = |write: &Write| matches!(write.from, crate::advise::plan::Amount::Count(_));
        !self.writes.iter().all(counted)
    }

    fn in_severity2(&self) -> bool {
        self.fresh.is_some_and(|fresh| {
            fresh.findings.iter().any(|finding| {
                finding.code == Code::Severity2 && finding.severity == Severity::Critical
            })
        })
    }

    fn scales(&self) -> bool {
        matches!(self.change.kind, Kind::HorizontalPodAutoscaler | Kind::ScaledObject)
    }
}

/// A refusal's message and hint.
fn no(message: impl Into<String>, hint: impl Into<String>) -> Checked {
    Err((message.into(), hint.into()))
}
