//! CPU and memory requests of containers, from use across pods.
//!
//! CPU: the 95th percentile of the busiest pod plus 15 %; memory: the peak of the largest pod plus 15 %.
//! The margins are those of the Kubernetes VPA recommender (`pkg/recommender/logic`), as is the idea of
//! leaving alone what is near: between half and all of the request nothing is changed, because every
//! change of a request restarts pods and shifts an HPA's percentages.
//!
//! A lowered request must also hold the busiest day of the dwell time, carried to the load that lowering must leave room
//! for as if every pod's use grew with it: what eight weeks show says little of a level that is days old.

use std::ops::Range;

use crate::advise::coupled;
use crate::advise::decide::{Enough, Unit, decide};
use crate::advise::lowering::{Lowering, long_and_whole, not_killed, settled};
use crate::advise::memory::limit_under;
use crate::advise::plan::{Amount, Code, Reason, Recommendation, Setting};
use crate::advise::{Known, Outlook, seen_enough, series, skipped};
use crate::history::{self, Evidence, History, MarkKind, SeriesKey, Signal};
use crate::service::{Component, Current};
use crate::units::{Bytes, Millicores, Period};

/// What is added to the seen use.
pub const MARGIN: f64 = 1.15;
/// Quantile of the busiest pod's CPU that a request is to hold.
const CPU_LEVEL: f64 = 0.95;
/// Use below this share of the setting is worth a smaller one.
const IDLE: f64 = 0.5;
/// CPU is advised in steps of 25m, memory in steps of 32Mi, as people write them.
const CPU_STEP: u64 = 25;
/// See `CPU_STEP`.
const MEMORY_STEP: Bytes = Bytes(32 << 20);
/// What a kill adds to the limit: it shows that the need is higher, not how much (VPA: OOM bump-up ratio 1.2).
const OOM_MARGIN: f64 = 1.2;

/// Use of memory below which no process runs, in bytes, and of CPU below which none serves, in cores: a metric that
/// stopped, or one in another unit.
const NO_USE: (f64, f64) = (262_144.0, 0.000_5);

/// The requests and the memory limit of one component; none where neither the settings nor the metrics speak of any.
pub fn of_usage(
    known: &Known<'_>,
    component: &Component,
    current: Current,
    outlook: Result<&Outlook<'_>, &Reason>,
) -> Vec<Recommendation> {
    let case = Case { known, component, outlook };
    let watched = |signal| known.history.contains_key(&SeriesKey::of(&component.name, signal));
    let mut all = Vec::new();
    if current.cpu_request.is_some() || watched(Signal::CpuMax) {
        let need = cpu_need(known, &component.name);
        let in_force = current.cpu_request.map(Amount::Cpu);
        // throttling is looked for before anything is lowered
        let setting = (Setting::CpuRequest, [Signal::CpuMax].as_slice());
        let mut request = case.one(setting, in_force, need);
        let limits = [current.cpu_limit, current.ranges.limits.cpu];
        let [stated, given] = limits.map(|limit| limit.map(Amount::Cpu));
        coupled::within_limit(&mut request, stated, given);
        all.push(request);
    }
    let spoken_of = [Signal::Memory, Signal::MemoryLimit, Signal::MemoryRequest].map(watched);
    if spoken_of.contains(&true) || current.memory_limit.or(current.memory_request).is_some() {
        let mut request = memory_request(known, component, current, outlook);
        if has_memory_limit(known, component, current) {
            let need = limit_need(known, &component.name, current);
            let in_force = current.memory_limit.map(Amount::Bytes);
            let evidence = [Signal::Memory, Signal::OomKills];
            let setting = (Setting::MemoryLimit, evidence.as_slice());
            let mut limit = case.one(setting, in_force, need);
            coupled::counted_by_memory(&mut limit, current);
            if !current.is_unlimited() {
                coupled::request_within_limit(&mut request, &mut limit, current.guaranteed);
            }
            all.push(limit);
        }
        all.push(request);
    }
    all
}

/// The memory request of one component by its use alone; see [`coupled::request_within_limit`].
pub fn memory_request(
    known: &Known<'_>,
    component: &Component,
    current: Current,
    outlook: Result<&Outlook<'_>, &Reason>,
) -> Recommendation {
    // what the kubelet evicts by; where a Redis has no such series, its own word
    let container = SeriesKey::of(&component.name, Signal::Memory);
    let silent = component.memory && series(known, &container).is_err();
    let used = if silent { Signal::RedisUsed } else { Signal::Memory };
    let need = memory_need(known, &component.name, used);
    let in_force = current.memory_request.map(Amount::Bytes);
    let evidence = [Signal::Memory, Signal::OomKills];
    let case = Case { known, component, outlook };
    let mut request = case.one((Setting::MemoryRequest, &evidence), in_force, need);
    coupled::counted_by_memory(&mut request, current);
    if current.is_unlimited() {
        coupled::within_limit(&mut request, None, current.ranges.limits.memory.map(Amount::Bytes));
    }
    request
}

/// Whether a container has a limit of its memory: none is only known where its object is.
fn has_memory_limit(known: &Known<'_>, component: &Component, current: Current) -> bool {
    let series = |signal| SeriesKey::of(&component.name, signal);
    let none = known.history.get(&series(Signal::MemoryLimit)) == Some(&Evidence::NoSeries)
        && super::series(known, &series(Signal::SpecReplicas)).is_ok();
    current.memory_limit.is_some() || !none
}

/// What the use asks of a setting, in its bare figure, and the sentence.
struct Need {
    /// The use with its margin.
    figure: u64,
    /// The use itself.
    used: u64,
    /// The figure by the busiest day of the dwell time, before it is carried to any load.
    lately: f64,
    /// What kills or throttling ask for whatever the use says; 0 for nothing.
    forced: u64,
    reasons: Vec<Reason>,
}

/// A component whose settings follow its use.
struct Case<'a> {
    known: &'a Known<'a>,
    component: &'a Component,
    outlook: Result<&'a Outlook<'a>, &'a Reason>,
}

impl Case<'_> {
    /// One setting; `evidence` is the use that it is sized by and what would show that it is too small.
    fn one(
        &self,
        (setting, evidence): (Setting, &[Signal]),
        current: Option<Amount>,
        need: Result<Need, Reason>,
    ) -> Recommendation {
        let Self { known, component, .. } = *self;
        let skip = |reason| Recommendation {
            current,
            ..skipped(&component.name, component.target.to_string(), setting, reason)
        };
        let need = match need {
            Ok(need) => need,
            Err(reason) => return skip(reason),
        };
        let amount = |figure: u64| match setting {
            Setting::CpuRequest => Amount::Cpu(Millicores(figure)),
            _ => Amount::Bytes(Bytes(figure)),
        };
        let Some(in_force) = current.map(Amount::figure) else {
            let message = format!("{} by use; what is in force is not known", amount(need.figure));
            let reason = Reason { code: Code::CurrentUnknown, message };
            return Recommendation { uncapped_target: Some(amount(need.figure)), ..skip(reason) };
        };
        // inside the dead band today's value is right: it holds the use, and is not twice as large
        let right = need.used <= in_force && need.figure > scaled(in_force, IDLE);
        let wanted = if right { in_force.max(need.forced) } else { need.figure };
        let unit = if setting == Setting::CpuRequest { Unit::CPU } else { Unit::BYTES };
        let may = self.lowering(evidence).and(settled(known, &component.name, setting));
        let enough = self.enough(setting, &need, in_force);
        let step = known.policy.max_step;
        let decision = decide(in_force, wanted, enough, &may, step, unit);
        let mut reasons = need.reasons;
        reasons.extend(decision.reason);
        Recommendation {
            target: Some(amount(decision.target)),
            uncapped_target: Some(amount(wanted)),
            lower_bound: Some(amount(setting_step(setting, need.used).min(decision.target))),
            upper_bound: Some(amount(need.figure.max(decision.target))),
            action: decision.action,
            reasons,
            ..skip(Reason { code: Code::Usage, message: String::new() })
        }
    }

    /// What a lowered setting must still do for.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive; a float above u64 saturates"
    )]
    fn enough(&self, setting: Setting, need: &Need, in_force: u64) -> Enough<'static> {
        let growth = growth(self.known, self.outlook);
        let figure = setting_step(setting, (need.lately * growth).ceil() as u64);
        let why = if setting_step(setting, need.lately.ceil() as u64) >= in_force {
            "the busiest of the last days used too much"
        } else {
            "more may be used at the load that may come"
        };
        Enough::new(figure, why)
    }

    /// Lowering a request needs the same complete, healthy, uncensored week as lowering anything else, and the
    /// whole week of its own evidence.
    fn lowering(&self, evidence: &[Signal]) -> Lowering {
        let (known, name) = (self.known, self.component.name.as_str());
        let forbidden =
            |reason| Lowering { load: f64::INFINITY, held_by: None, forbidden: Some(reason) };
        let load = self.outlook.map_err(Clone::clone).and_then(|_| super::load(known));
        let lowering = load.map_or_else(forbidden, |load| Lowering::from(known, load, 0.0));
        let seen =
            |signal: &Signal| long_and_whole(known, &SeriesKey::of(name, *signal)).map(|_| ());
        lowering.and(evidence.iter().try_for_each(seen)).and(not_killed(known, name))
    }
}

/// How many times the load of the dwell time the load is that lowering must leave room for.
pub fn growth(known: &Known<'_>, outlook: Result<&Outlook<'_>, &Reason>) -> f64 {
    let load = super::load(known).ok();
    let seen = load.and_then(|load| history::peak(load.last(known.policy.dwell)));
    match (outlook, seen) {
        (Ok(outlook), Some(seen)) if seen > 0.0 => (outlook.lowering.load / seen).max(1.0),
        // nothing is lowered then
        _ => 1.0,
    }
}

/// A bare figure rounded up to the step in which its setting is advised.
fn setting_step(setting: Setting, figure: u64) -> u64 {
    let step = if setting == Setting::CpuRequest { CPU_STEP } else { MEMORY_STEP.0 };
    figure.div_ceil(step).saturating_mul(step)
}

/// CPU rounded up to the step in which it is advised, in millicores.
pub fn cpu_step(millicores: u64) -> u64 {
    setting_step(Setting::CpuRequest, millicores)
}

fn cpu_need(known: &Known<'_>, name: &str) -> Result<Need, Reason> {
    let key = SeriesKey::of(name, Signal::CpuMax);
    let history = series(known, &key)?;
    let used = quantile(known, &key, CPU_LEVEL)?;
    let lately = 1000.0 * MARGIN * busiest_day(known, history, CPU_LEVEL);
    let millicores = |cores: f64| Bytes::at_least(cores * 1000.0, Bytes(1)).0;
    let request = |cores: f64| millicores(cores * MARGIN).div_ceil(CPU_STEP) * CPU_STEP;
    let message = format!("{}m is the 95th percentile of the busiest pod", millicores(used));
    let mut reasons = vec![Reason { code: Code::Usage, message }];
    let mut forced = 0;
    if known.history.get(&SeriesKey::of(name, Signal::Throttled)).is_some_and(throttled) {
        forced = request(history::peak(&history.values).unwrap_or(used));
        let message = "CPU was throttled: use is a lower bound of need".to_owned();
        reasons.push(Reason { code: Code::Throttled, message });
    }
    Ok(Need { figure: request(used).max(forced), used: millicores(used), lately, forced, reasons })
}

/// Whether more than a quarter of the CFS periods were throttled at any time in the last week.
fn throttled(evidence: &Evidence<History>) -> bool {
    match evidence {
        Evidence::Series(history) => history.last(Period::WEEK).iter().any(|share| *share > 0.25),
        _ => false,
    }
}

/// The peak of the largest pod, which the request must hold, with its margin.
fn memory_need(known: &Known<'_>, name: &str, used: Signal) -> Result<Need, Reason> {
    let key = SeriesKey::of(name, used);
    let peak = quantile(known, &key, 1.0)?;
    let message = format!("{:.0}Mi is the peak of the largest pod", peak / 1_048_576.0);
    Ok(Need {
        figure: Bytes::at_least(peak * MARGIN, MEMORY_STEP).0,
        used: Bytes::at_least(peak, Bytes(1)).0,
        lately: MARGIN * busiest_day(known, series(known, &key)?, 1.0),
        forced: 0,
        reasons: vec![Reason { code: Code::Usage, message }],
    })
}

/// The same of the limit, which a kill shows to be too small.
fn limit_need(known: &Known<'_>, name: &str, current: Current) -> Result<Need, Reason> {
    let mut need = memory_need(known, name, Signal::Memory)?;
    let ever = Period(i64::MAX);
    if let Some(limit) = limit_under(known, name, Signal::OomKills, current.memory_limit, ever) {
        need.forced = Bytes::at_least(limit * OOM_MARGIN, MEMORY_STEP).0;
        need.figure = need.figure.max(need.forced);
        let message = format!(
            "a container was killed for memory under a limit of {:.0}Mi",
            limit / 1_048_576.0
        );
        need.reasons.push(Reason { code: Code::OomKilled, message });
    }
    Ok(need)
}

/// The highest of the quantiles of each day of the dwell time; 0 without a sample.
fn busiest_day(known: &Known<'_>, history: &History, level: f64) -> f64 {
    let day = Period::DAY.steps(history.step).max(1);
    let (first, end) =
        (history.values.len() - history.last(known.policy.dwell).len(), history.values.len());
    let days = (first..end).step_by(day).map(|from| from..(from + day).min(end));
    days.filter_map(|day| at_level(&plain(history, day), level)).fold(0.0, f64::max)
}

/// The samples of some steps that no event hides, sorted.
fn plain(history: &History, steps: Range<usize>) -> Vec<f64> {
    let masked = |i: usize| {
        history.marked(MarkKind::Masked, history.time(i), history.time(i + 1)).next().is_some()
    };
    let is_plain = |i: &usize| history.values[*i].is_finite() && !masked(*i);
    let mut seen: Vec<f64> = steps.filter(is_plain).map(|i| history.values[i]).collect();
    seen.sort_by(f64::total_cmp);
    seen
}

/// The least of sorted values at or below which a share `level` of them lies.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rank"
)]
fn at_level(sorted: &[f64], level: f64) -> Option<f64> {
    sorted.get((sorted.len().checked_sub(1)? as f64 * level).ceil() as usize).copied()
}

/// A quantile of the plain part of a history; abstains under the dwell time of it, or where much of its last week is
/// missing: peaks would be too.
#[expect(clippy::cast_precision_loss, reason = "a count of samples")]
fn quantile(known: &Known<'_>, key: &SeriesKey, level: f64) -> Result<f64, Reason> {
    let history = series(known, key)?;
    let dwell = known.policy.dwell;
    let seen = plain(history, 0..history.values.len());
    let enough = dwell.steps(history.step) as f64 * known.policy.min_coverage.0;
    if (seen.len() as f64) < enough {
        let message = format!("less than {dwell} of `{key}` (`policy.dwell`)");
        return Err(Reason { code: Code::TooLittleHistory, message });
    }
    seen_enough(history, &key.to_string())?;
    let none = if key.signal == Signal::CpuMax { NO_USE.1 } else { NO_USE.0 };
    if history::peak(history.last(dwell)) <= Some(none) {
        let message = format!(
            "`{key}` was next to 0 throughout the last {dwell}: a metric that stopped, or one in another unit, looks the same"
        );
        return Err(Reason { code: Code::Coverage, message });
    }
    Ok(at_level(&seen, level).unwrap_or_default())
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "far below 2^53"
)]
fn scaled(figure: u64, factor: f64) -> u64 {
    (figure as f64 * factor) as u64
}
