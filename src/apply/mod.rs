//! The only place that writes to a cluster. It decides nothing but *whether*: what is written is what `render` put into
//! [`ObjectChange`]s, and it is written where every [`guard`] lets it pass.
//!
//! An object is read, judged, sent as a dry run of the server, compared, noted in the [`audit`], and sent. The patch
//! carries the `resourceVersion` of what was judged, so that nothing can come in between.

pub mod audit;
pub mod error;
pub mod field;
pub mod floor;
pub mod guard;
pub mod lease;
pub mod manifest;
pub mod server;
pub mod watch;

use jiff::Timestamp;
use serde_json::Value;

use crate::advise::plan::{Amount, Setting};
use crate::render::objects::{Kind, ObjectChange};
use crate::service::floor::Raised;
use crate::service::object::Path;
use crate::service::owner;

/// The field manager under which everything is written.
pub const MANAGER: &str = crate::service::live::MANAGER;

/// The annotations on objects: the kill switch, which people set, and what we note.
pub mod annotation {
    /// Anything but `false` keeps us away from an object, or from all in a namespace.
    pub const PAUSE: &str = "plimsoll.dev/pause";
    /// When we changed the object last.
    pub const APPLIED_AT: &str = "plimsoll.dev/applied-at";
    /// What our last change replaced, as JSON.
    pub const PREVIOUS: &str = "plimsoll.dev/previous";
    /// The floor that the loop raised, and what was there before, as JSON.
    pub const FLOOR: &str = crate::service::live::FLOOR_NOTE;
    /// Until when the loop watches what it changed: whoever acts then goes on with it.
    pub const WATCHED_UNTIL: &str = "plimsoll.dev/watched-until";
    /// When we undid our last change.
    pub const ROLLED_BACK_AT: &str = "plimsoll.dev/rolled-back-at";
    /// The change that we undid last, as JSON: the loop does not make it again.
    pub const TAKEN_BACK: &str = "plimsoll.dev/taken-back";
    /// All that we note.
    pub const NOTES: [&str; 6] =
        [APPLIED_AT, PREVIOUS, FLOOR, WATCHED_UNTIL, ROLLED_BACK_AT, TAKEN_BACK];
}

/// An object as it was just read, and what is around it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// The object; `None`: it is not there.
    pub object: Option<Value>,
    /// The Deployment or StatefulSet that runs the component: the object itself, or what it scales.
    pub workload: Option<Value>,
    /// Its namespace; `None`: not told.
    pub namespace: Option<Value>,
    /// The pods of the workload; `None`: not told.
    pub pods: Option<Vec<Value>>,
}

/// A field that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The setting.
    pub setting: Setting,
    /// Where the object holds it.
    pub path: Path,
    /// Its value now: of a minimum that the loop holds up, its base.
    pub from: Amount,
    /// The value to be.
    pub to: Amount,
    /// The floor of the loop above `from`; `None`: there is none.
    pub over: Option<Raised>,
    /// The codes of the reasons for it.
    pub reasons: Vec<String>,
    /// The managers it is taken from, by a person's word.
    pub took_over: Vec<String>,
}

impl Write {
    /// A write for no reason yet, that takes nothing from anybody.
    #[must_use]
    pub fn new(setting: Setting, path: Path, (from, to): (Amount, Amount)) -> Self {
        let (reasons, took_over) = (Vec::new(), Vec::new());
        Self { setting, path, from, to, over: None, reasons, took_over }
    }

    /// The value that is sent: a floor that the load asks for stays above a lower minimum.
    #[must_use]
    pub fn sent(&self) -> Amount {
        match (self.held(), self.to) {
            (Some(raised), _) => Amount::Count(raised.set),
            (None, to) => to,
        }
    }

    /// The floor of the loop that stays above the new value.
    #[must_use]
    pub fn held(&self) -> Option<Raised> {
        let Amount::Count(base) = self.to else { return None };
        self.over.filter(|raised| raised.set > base).map(|raised| Raised { base, ..raised })
    }
}

/// The fields of a change that are not as they should be yet. A value that cannot be read counts as another one.
#[must_use]
pub fn writes(change: &ObjectChange, object: &Value) -> Vec<Write> {
    let differs = |field: &&crate::render::objects::FieldChange| {
        floor::in_force(object, change.kind, field.setting, &field.path) != Some(field.to)
    };
    let write = |field: &crate::render::objects::FieldChange| {
        let from = floor::in_force(object, change.kind, field.setting, &field.path);
        let raised = floor::raised(object, change.kind).ok().flatten();
        Write {
            over: raised.filter(|_| field.setting == Setting::MinReplicas),
            reasons: field.reasons.iter().map(|reason| reason.code.name()).collect(),
            took_over: owner::others(object, &field.path),
            ..Write::new(field.setting, field.path.clone(), (from.unwrap_or(field.from), field.to))
        }
    };
    change.fields.iter().filter(differs).map(write).collect()
}

/// Where an autoscaler of a kind holds the fewest and the most pods.
#[must_use]
pub fn bounds(kind: Kind) -> [Path; 2] {
    match kind {
        Kind::ScaledObject => ["minReplicaCount", "maxReplicaCount"],
        _ => ["minReplicas", "maxReplicas"],
    }
    .map(|key| Path::keys(&["spec", key]))
}

/// Kind and name of what an autoscaler scales, as the object says; `None`: it scales nothing.
#[must_use]
pub fn scaled(object: &Value) -> Option<String> {
    let of = &object["spec"]["scaleTargetRef"];
    // absent or empty it is a Deployment by KEDA's own default
    let kind = of["kind"].as_str().filter(|kind| !kind.is_empty()).unwrap_or("Deployment");
    Some(format!("{kind}/{}", of["name"].as_str()?))
}

/// The changes that an annotation of the object holds; none where it holds none that we wrote.
#[must_use]
pub fn changes(object: &Value, key: &str) -> Vec<audit::Changed> {
    let text = object["metadata"]["annotations"][key].as_str();
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// The moment that an annotation of the object holds.
///
/// # Errors
///
/// Where it holds something else.
pub fn noted(object: &Value, key: &str) -> Result<Option<Timestamp>, String> {
    let text = object["metadata"]["annotations"][key].as_str();
    text.map(|text| text.parse().map_err(|_| format!("`{key}: {text}` is no time"))).transpose()
}
