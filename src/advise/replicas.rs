//! Replica counts: min and max beside an HPA, the count itself where there is none.

use crate::advise::decide::{Decision, Enough, Unit, decide};
use crate::advise::lowering::{settled, whole};
use crate::advise::plan::{Action, Amount, Code, Reason, Recommendation, Setting};
use crate::advise::sizing::{Asked, Sizing};
use crate::advise::{BOUND_LEVELS, Known, Outlook, current, requests, runway, series, skipped};
use crate::history::{self, SeriesKey, Signal};
use crate::service::live::Least;
use crate::service::{Component, Current, Doubt};
use crate::units::counted;

/// The count that one setting wants of a load.
type Want = fn(&Asked) -> u32;

/// The settings of a component that the table counts in replicas.
pub fn of_table(
    known: &Known<'_>,
    component: &Component,
    current: Current,
    outlook: Result<&Outlook<'_>, &Reason>,
) -> Vec<Recommendation> {
    let settings = settings(current).into_iter();
    settings.map(|setting| one(known, component, setting, outlook)).collect()
}

/// Whether fewer pods would do for the load that lowering must leave room for, and the cluster lets there be fewer, or may, for all
/// that it told; an HPA's maximum is no number of pods. Whether they may go now is another matter.
pub fn fewer_may_do(
    known: &Known<'_>,
    component: &Component,
    current: Current,
    outlook: Result<&Outlook<'_>, &Reason>,
) -> bool {
    let sizing = sizing(known, &component.name);
    let counts = settings(current).into_iter();
    let mut counts = counts.filter(|(setting, ..)| *setting != Setting::MaxReplicas);
    counts.any(|(setting, in_force, want)| match (in_force, outlook) {
        (Some(now), Ok(outlook)) => {
            let least = current.least.map_or(0, Least::certain);
            by_load(&sizing, (setting, want), outlook).max(least) < now
        }
        _ => true,
    })
}

/// The counts of a component, what is in force of each, and what each wants of a load.
fn settings(current: Current) -> Vec<(Setting, Option<u32>, Want)> {
    if current.has_hpa() {
        vec![
            (Setting::MinReplicas, current.min_replicas, |asked| asked.row_min),
            (Setting::MaxReplicas, current.max_replicas, |asked| asked.row_max.max(asked.capped())),
        ]
    } else {
        vec![(Setting::Replicas, current.replicas, Asked::capped)]
    }
}

fn sizing<'a>(known: &Known<'a>, name: &'a str) -> Sizing<'a> {
    Sizing { table: &known.service.tiers, component: name, capacity: known.capacity.get(name) }
}

fn one(
    known: &Known<'_>,
    component: &Component,
    (setting, in_force, want): (Setting, Option<u32>, Want),
    outlook: Result<&Outlook<'_>, &Reason>,
) -> Recommendation {
    let name = component.name.as_str();
    let skip = |reason| Recommendation {
        current: in_force.map(Amount::Count),
        ..skipped(name, component.target.to_string(), setting, reason)
    };
    let sizing = sizing(known, name);
    let asked = |outlook: &Outlook<'_>| {
        let message = format!("the table has no replicas for `{name}`");
        sizing.replicas(outlook.planning).ok_or(Reason { code: Code::TierRow, message })
    };
    let known_need = outlook.map_err(Clone::clone);
    let (outlook, asked) = match known_need.and_then(|outlook| Ok((outlook, asked(outlook)?))) {
        Ok(both) => both,
        Err(reason) => return skip(reason),
    };
    let beyond = want(&asked) < asked.need && setting != Setting::MinReplicas;
    let uncapped_target = Some(Amount::Count(if beyond { asked.need } else { want(&asked) }));
    let doubt = known.current.get(name).and_then(|current| current.doubt);
    let Some(current) = in_force.filter(|_| doubt != Some(Doubt::Idle)) else {
        let unknown = skip(current_unknown(known, component, doubt, &asked, outlook));
        return Recommendation { uncapped_target, ..unknown };
    };
    if setting == Setting::MinReplicas && current == 0 {
        let message = "a minimum of 0 lets it scale to nothing, and it is let sleep".to_owned();
        let asleep = skip(Reason { code: Code::NotInForce, message });
        return Recommendation { uncapped_target, ..asleep };
    }
    let at = |load: f64| sizing.replicas(load).map_or(u32::MAX, |asked| want(&asked));
    let decision = decided(known, &sizing, (setting, current, want), (want(&asked), outlook));
    let target = u32::try_from(decision.target).unwrap_or(u32::MAX);
    let bound = |level| at(outlook.peak.quantile(level));
    let lasts_to = sizing.lasts_to(|load| at(load) <= current);
    Recommendation {
        component: name.to_owned(),
        object: component.target.to_string(),
        setting,
        current: Some(Amount::Count(current)),
        target: Some(Amount::Count(target)),
        uncapped_target,
        lower_bound: Some(Amount::Count(bound(BOUND_LEVELS.0).min(target))),
        upper_bound: Some(Amount::Count(bound(BOUND_LEVELS.1).max(target))),
        action: decision.action,
        reasons: reasons(known, name, setting, &asked, outlook, decision),
        lasts_until: lasts_to.map(|level| runway(known, outlook, level)),
    }
}

fn decided(
    known: &Known<'_>,
    sizing: &Sizing<'_>,
    (setting, current, want): (Setting, u32, Want),
    (wanted, outlook): (u32, &Outlook<'_>),
) -> Decision {
    let name = sizing.component;
    let above = above_what_ran(known, name, setting, wanted);
    let enough = enough(known, sizing, (setting, current, want), outlook);
    let may = outlook.lowering.clone().and(settled(known, name, setting)).and(above);
    let (now, wanted) = (current.into(), wanted.into());
    let mut decision = decide(now, wanted, enough, &may, known.policy.max_step, Unit::COUNT);
    let is_held = decision.action == Action::Lower && decision.target == enough.figure;
    if is_held && enough.why.0 != Code::NotLowered {
        decision.reason = Some(enough.reason());
    }
    decision
}

/// What a lowered count must still do for.
fn enough<'a>(
    known: &Known<'_>,
    sizing: &Sizing<'_>,
    (setting, current, want): (Setting, u32, Want),
    outlook: &'a Outlook<'_>,
) -> Enough<'a> {
    let load = Enough::by_load(by_load(sizing, (setting, want), outlook).into(), &outlook.lowering);
    let growth = requests::growth(known, Ok(outlook));
    let memory = match by_memory(known, sizing.component, current, growth) {
        _ if setting != Setting::Replicas => None,
        Some(count) => Some((count, "the memory of fewer pods would pass its limit")),
        None => Some((current, "what its pods use of their memory is not known")),
    };
    let least = known.current.get(sizing.component).and_then(|current| current.least);
    let least = least.filter(|_| setting != Setting::MaxReplicas);
    let memory = memory.map(|of| (Code::MemoryPerPod, of));
    let least = least.map(|least| (Code::Room, (least.pods, least.kept_by.words())));
    let held = [memory, least].into_iter().flatten();
    held.fold(load, |most, (code, (pods, why))| match u64::from(pods) {
        figure if figure > most.figure => Enough { figure, why: (code, why) },
        _ => most,
    })
}

/// The pods that do for the load that lowering must leave room for.
fn by_load(sizing: &Sizing<'_>, (setting, want): (Setting, Want), outlook: &Outlook<'_>) -> u32 {
    // a count is not lowered while more than the table can give may be needed
    let beyond = |asked: &Asked| setting != Setting::MinReplicas && asked.need > asked.ceiling;
    let enough = |asked: Asked| if beyond(&asked) { u32::MAX } else { want(&asked) };
    sizing.replicas(outlook.lowering.load).map_or(u32::MAX, enough)
}

/// The fewest pods whose memory stays within its limit: what moved within the dwell time is taken to move with the load of a pod,
/// and what did not to stay. 0 where there is no limit or nobody scrapes the use, `None` where it was scraped and is not told.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "memory lies far below 2^53, and a count of pods saturates"
)]
fn by_memory(known: &Known<'_>, name: &str, current: u32, growth: f64) -> Option<u32> {
    let limit = known.current.get(name).and_then(|current| current.memory_limit);
    let key = |signal| SeriesKey::of(name, signal);
    let Some(limit) = limit.filter(|_| !history::absent(known.history.get(&key(Signal::Memory))))
    else {
        return Some(0);
    };
    let lately = |signal| Some(series(known, &key(signal)).ok()?.last(known.policy.dwell));
    let most = |signal| history::peak(lately(signal)?);
    // with more pods than today each had less to do
    let pods = [Signal::Replicas, Signal::SpecReplicas].into_iter().filter_map(most);
    let pods = pods.fold(f64::from(current), f64::max);
    let used = lately(Signal::Memory)?.iter().copied().filter(|used| used.is_finite());
    let (least, most) = (used.clone().min_by(f64::total_cmp)?, used.max_by(f64::total_cmp)?);
    let room = limit.0 as f64 - least;
    let needed = if room > 0.0 { (most - least) * pods * growth / room } else { f64::INFINITY };
    Some((needed.ceil() as u32).min(current))
}

/// Whether a maximum stays above the pods that ran in the dwell time: an HPA that wanted them may want them again.
fn above_what_ran(
    known: &Known<'_>,
    name: &str,
    setting: Setting,
    wanted: u32,
) -> Result<(), Reason> {
    if setting != Setting::MaxReplicas {
        return Ok(());
    }
    let dwell = known.policy.dwell;
    let ran = whole(known, &SeriesKey::of(name, Signal::Replicas))?.last(dwell);
    let ran = history::peak(ran).unwrap_or(f64::INFINITY);
    // pods that the minimum holds there were wanted by nobody
    let held = known.current.get(name).and_then(|current| current.min_replicas).unwrap_or_default();
    if ran <= f64::from(wanted.max(held)) {
        return Ok(());
    }
    let message = format!("up to {ran:.0} pods ran in the last {dwell}");
    Err(Reason { code: Code::NotLowered, message })
}

fn current_unknown(
    known: &Known<'_>,
    component: &Component,
    doubt: Option<Doubt>,
    asked: &Asked,
    outlook: &Outlook<'_>,
) -> Reason {
    let row = known.service.tiers.row(outlook.planning);
    let name = component.name.as_str();
    let message = format!(
        "{:.1} rps is {} ({}): {}; {}",
        outlook.planning,
        row.name,
        row.range(),
        range(asked),
        current::unknown(doubt, &format!("components.{name}.current")),
    );
    let idle = doubt == Some(Doubt::Idle);
    Reason { code: if idle { Code::NotInForce } else { Code::CurrentUnknown }, message }
}

fn reasons(
    known: &Known<'_>,
    name: &str,
    setting: Setting,
    asked: &Asked,
    outlook: &Outlook<'_>,
    decision: Decision,
) -> Vec<Reason> {
    let mut reasons = vec![tier_row(known, setting, asked, outlook)];
    reasons.extend(capacity(known, name, setting, asked, outlook));
    if asked.need > asked.ceiling {
        let message = format!("{} asked for; the table ends at {}", asked.need, asked.ceiling);
        reasons.push(Reason { code: Code::BeyondTable, message });
    }
    // what bound the change comes first where it kept the setting from moving
    match decision.reason {
        Some(reason) if decision.action == Action::Keep => reasons.insert(0, reason),
        Some(reason) => reasons.push(reason),
        None => {}
    }
    reasons
}

fn tier_row(known: &Known<'_>, setting: Setting, asked: &Asked, outlook: &Outlook<'_>) -> Reason {
    let row = known.service.tiers.row(outlook.planning);
    let place = if setting == Setting::Replicas && asked.row_min < asked.row_max {
        format!(", {:.2} at this load", asked.by_row)
    } else {
        String::new()
    };
    let message = format!(
        "{:.1} rps at {} risk is {} ({}): {}{place}",
        outlook.planning,
        known.policy.risk,
        row.name,
        row.range(),
        range(asked),
    );
    Reason { code: Code::TierRow, message }
}

/// The measured need, where the setting depends on it.
fn capacity(
    known: &Known<'_>,
    name: &str,
    setting: Setting,
    asked: &Asked,
    outlook: &Outlook<'_>,
) -> Option<Reason> {
    let capacity = known.capacity.get(name).filter(|capacity| capacity.saturated)?;
    let by_capacity = asked.by_capacity.filter(|_| setting != Setting::MinReplicas)?;
    let message = format!(
        "{} needed for {:.1} rps at {:.1} rps a pod",
        by_capacity.ceil(),
        outlook.planning,
        capacity.per_replica
    );
    Some(Reason { code: Code::Capacity, message })
}

fn range(asked: &Asked) -> String {
    match (asked.row_min, asked.row_max) {
        (min, max) if min == max => counted(min, "pod"),
        (min, max) => format!("{min}-{max} pods"),
    }
}
