//! Memory of a component that the table sizes by memory: the row's amount, raised by evidence.
//!
//! For Redis the evidence is the used memory that the planning load would bring (a robust line through
//! daily peaks of load and use), evictions, and kills. `maxmemory` should be at most three quarters of
//! the container's limit: the rest is for the copy-on-write of a fork, buffers and fragmentation
//! (Redis documentation, "Memory optimization" and "Persistence").

use crate::advise::decide::{Decision, Enough, Unit, decide};
use crate::advise::lowering::{long_and_whole, not_killed, settled, whole};
use crate::advise::plan::{Action, Amount, Code, Reason, Recommendation, Setting};
use crate::advise::sizing::Sizing;
use crate::advise::trend::Line;
use crate::advise::{
    BOUND_LEVELS, Known, Outlook, coupled, current, evidence, requests, runway, series, skipped,
};
use crate::history::{self, History, SeriesKey, Signal};
use crate::service::{Component, Current, Doubt};
use crate::units::{Bytes, Period};

/// Share of the container's limit that `maxmemory` may take.
pub const MAXMEMORY_SHARE: f64 = 0.75;
/// Memory is advised in steps of this size: finer ones are noise in a pull request.
pub const STEP: Bytes = Bytes(64 << 20);
/// What a kill or evictions add to the limit: they show that the need is higher, not how much.
const PRESSURE_MARGIN: f64 = 1.25;

/// What is known of the component's use of memory.
struct Use {
    /// Peak of the last seven days, in bytes.
    peak: f64,
    /// Daily peak use against daily peak load.
    line: Option<Line>,
    /// The largest working set of its container, with its margin, in bytes; 0 where nobody scrapes it.
    container: f64,
    /// A floor from evictions or kills, in bytes.
    pressed: Option<(f64, Reason)>,
}

impl Use {
    /// The bytes in use at `load` rps: at least what was seen.
    fn at(&self, load: f64) -> f64 {
        self.line
            .as_ref()
            .map_or(0.0, |line| line.intercept + line.slope.max(0.0) * load)
            .max(self.peak)
    }

    /// The limit that this use asks for at `load` rps.
    fn limit(&self, load: f64) -> Bytes {
        let pressed = self.pressed.as_ref().map_or(0.0, |(floor, _)| *floor);
        Bytes::at_least((self.at(load) / MAXMEMORY_SHARE).max(pressed).max(self.container), STEP)
    }
}

/// The memory of a component that the table gives memory, and its request where one is known.
pub fn of_component(
    known: &Known<'_>,
    component: &Component,
    current: Current,
    outlook: Result<&Outlook<'_>, &Reason>,
) -> Vec<Recommendation> {
    let mut limit = of_table(known, component, current, outlook);
    let mut request = requests::memory_request(known, component, current, outlook);
    let asked = known.history.contains_key(&SeriesKey::of(&component.name, Signal::MemoryRequest));
    coupled::counted_by_memory(&mut limit, current);
    if !current.is_unlimited() && (asked || request.current.is_some()) {
        coupled::request_within_limit(&mut request, &mut limit, current.guaranteed);
    }
    let request = Some(request).filter(|request| request.current.is_some());
    std::iter::once(limit).chain(request).collect()
}

/// What a component needs, by its row and by its use.
struct Need<'a> {
    sizing: Sizing<'a>,
    /// The row's amount at the planning load.
    row: Bytes,
    used: Result<Use, Reason>,
}

impl Need<'_> {
    /// The limit that a load asks for.
    fn at(&self, load: f64) -> Bytes {
        let by_use = self.used.as_ref().map_or(Bytes(0), |used| used.limit(load));
        self.sizing.memory(load).unwrap_or(self.row).max(by_use)
    }
}

fn of_table(
    known: &Known<'_>,
    component: &Component,
    current: Current,
    outlook: Result<&Outlook<'_>, &Reason>,
) -> Recommendation {
    let name = component.name.as_str();
    let in_force = current.memory_limit;
    let skip = |reason| Recommendation {
        current: in_force.map(Amount::Bytes),
        ..skipped(name, component.target.to_string(), Setting::Memory, reason)
    };
    let known_need = outlook.map_err(Clone::clone);
    let known_need =
        known_need.and_then(|outlook| Ok((outlook, need(known, name, in_force, outlook)?)));
    let (outlook, need) = match known_need {
        Ok(both) => both,
        Err(reason) => return skip(reason),
    };
    let uncapped_target = Some(Amount::Bytes(need.at(outlook.planning)));
    let Some(limit) = in_force else {
        let key = format!("components.{name}.current.memoryLimit");
        // a doubt about the count is none about memory
        let doubt = current.doubt.filter(|doubt| *doubt == Doubt::Object);
        let message = format!("{} by the table; {}", need.row, current::unknown(doubt, &key));
        let skipped = skip(Reason { code: Code::CurrentUnknown, message });
        return Recommendation { uncapped_target, ..skipped };
    };
    let decision = decided(known, name, limit, &need, outlook);
    let target = Bytes(decision.target);
    let bound = |level| need.at(outlook.peak.quantile(level));
    let lasts_to = need.sizing.lasts_to(|load| need.at(load) <= limit);
    Recommendation {
        component: name.to_owned(),
        object: component.target.to_string(),
        setting: Setting::Memory,
        current: Some(Amount::Bytes(limit)),
        target: Some(Amount::Bytes(target)),
        uncapped_target,
        lower_bound: Some(Amount::Bytes(bound(BOUND_LEVELS.0).min(target))),
        upper_bound: Some(Amount::Bytes(bound(BOUND_LEVELS.1).max(target))),
        action: decision.action,
        reasons: reasons(known, need.row, outlook, need.used.as_ref(), decision),
        lasts_until: lasts_to.map(|level| runway(known, outlook, level)),
    }
}

/// What the component needs; a reason where the table gives it no memory.
fn need<'a>(
    known: &Known<'a>,
    name: &'a str,
    in_force: Option<Bytes>,
    outlook: &Outlook<'_>,
) -> Result<Need<'a>, Reason> {
    let sizing = Sizing { table: &known.service.tiers, component: name, capacity: None };
    let row = sizing.memory(outlook.planning).ok_or_else(|| Reason {
        code: Code::TierRow,
        message: format!("the table has no memory for `{name}`"),
    })?;
    Ok(Need { sizing, row, used: observed_use(known, name, in_force) })
}

fn decided(
    known: &Known<'_>,
    name: &str,
    limit: Bytes,
    need: &Need<'_>,
    outlook: &Outlook<'_>,
) -> Decision {
    // Redis keeps no more than `maxmemory` lets it: what holds that is not taken from under it
    let held = series(known, &SeriesKey::of(name, Signal::RedisMax)).ok();
    let held = held.and_then(History::newest_value).unwrap_or(0.0) / MAXMEMORY_SHARE;
    let (by_load, held) = (need.at(outlook.lowering.load), Bytes::at_least(held, STEP));
    let enough = if held > by_load {
        Enough::new(held.0, "Redis holds it by `maxmemory`: lower that first")
    } else {
        Enough::by_load(by_load.0, &outlook.lowering)
    };
    // where the use is not known it may be anything
    let in_use = need.used.as_ref().map(|_| ()).map_err(Clone::clone);
    let settled = settled(known, name, Setting::Memory);
    let lowering = outlook.lowering.clone().and(in_use).and(watched(known, name)).and(settled);
    let wanted = need.at(outlook.planning).0;
    decide(limit.0, wanted, enough, &lowering, known.policy.max_step, Unit::BYTES)
}

/// Whether the use of memory, and what would show that there is too little of it, was seen throughout.
fn watched(known: &Known<'_>, name: &str) -> Result<(), Reason> {
    let key = |signal| SeriesKey::of(name, signal);
    let used = used_by(known, name);
    long_and_whole(known, &used)?;
    long_and_whole(known, &key(Signal::OomKills))?;
    // a container without Redis evicts nothing
    if used.signal == Signal::RedisUsed {
        whole(known, &key(Signal::RedisEvictions))?;
        whole(known, &key(Signal::RedisMax))?;
    }
    // where its container is scraped at all, it must have been seen
    if !history::absent(known.history.get(&key(Signal::Memory))) {
        long_and_whole(known, &key(Signal::Memory))?;
    }
    not_killed(known, name)
}

/// What tells the memory in use: Redis itself, or where there is none its container.
fn used_by(known: &Known<'_>, name: &str) -> SeriesKey {
    let redis = SeriesKey::of(name, Signal::RedisUsed);
    let container = SeriesKey::of(name, Signal::Memory);
    let no_redis = history::absent(known.history.get(&redis));
    let only_container = no_redis && series(known, &container).is_ok();
    if only_container { container } else { redis }
}

fn observed_use(known: &Known<'_>, name: &str, limit: Option<Bytes>) -> Result<Use, Reason> {
    let used = series(known, &used_by(known, name))?;
    let load = series(known, &SeriesKey::service(Signal::Load))?;
    let peak =
        history::peak(used.last(Period::WEEK)).filter(|peak| *peak > 0.0).ok_or_else(|| {
            Reason {
                code: Code::NoSamples,
                message: format!("`{name}` has no sample of used memory above 0 in the last week"),
            }
        })?;
    let (daily_load, daily_use) = (load.peaks(Period::DAY), used.peaks(Period::DAY));
    let days: Vec<(f64, f64)> = (0..daily_load.values.len())
        .filter_map(|i| Some((daily_load.values[i], value_at(&daily_use, daily_load.time(i))?)))
        .filter(|(load, used)| load.is_finite() && used.is_finite())
        .collect();
    let working_set = evidence(known.history, &SeriesKey::of(name, Signal::Memory)).ok();
    let container = working_set
        .and_then(|set| history::peak(&set.values))
        .map_or(0.0, |set| set * requests::MARGIN);
    Ok(Use { peak, line: Line::fit(&days), container, pressed: pressed(known, name, limit) })
}

fn value_at(history: &History, at: jiff::Timestamp) -> Option<f64> {
    (history.start <= at)
        .then(|| history.values.get(history.span(history.start, at).end).copied())
        .flatten()
}

/// The floor that evictions or kills in the last week set, above the limit under which they happened.
fn pressed(known: &Known<'_>, name: &str, limit: Option<Bytes>) -> Option<(f64, Reason)> {
    let floor =
        |signal| Some(limit_under(known, name, signal, limit, Period::WEEK)? * PRESSURE_MARGIN);
    let killed = "a container was killed for memory in the last week";
    let evicted = "keys were evicted in the last week: the need is higher than the use";
    let reason = |code, message: &str| Reason { code, message: message.to_owned() };
    let killed = floor(Signal::OomKills).map(|floor| (floor, reason(Code::OomKilled, killed)));
    let evicted =
        floor(Signal::RedisEvictions).map(|floor| (floor, reason(Code::RedisMaxmemory, evicted)));
    [killed, evicted].into_iter().flatten().max_by(|a, b| a.0.total_cmp(&b.0))
}

/// The memory limit that was in force, in bytes, when `pressure` was last above zero within `period`;
/// today's where its history is not known. Taking today's always would add the margin anew at each run.
#[expect(clippy::cast_precision_loss, reason = "memory limits lie far below 2^53")]
pub fn limit_under(
    known: &Known<'_>,
    name: &str,
    pressure: Signal,
    today: Option<Bytes>,
    period: Period,
) -> Option<f64> {
    // what happened has happened, however old the newest sample is
    let history = evidence(known.history, &SeriesKey::of(name, pressure)).ok()?;
    let recent = history.values.len() - history.last(period).len();
    let last = (recent..history.values.len()).rev().find(|i| history.values[*i] > 0.0)?;
    let limits = series(known, &SeriesKey::of(name, Signal::MemoryLimit)).ok();
    let then = limits
        .and_then(|limits| value_at(limits, history.time(last)))
        .filter(|limit| limit.is_finite());
    then.or(today.map(|limit| limit.0 as f64))
}

fn reasons(
    known: &Known<'_>,
    row: Bytes,
    outlook: &Outlook<'_>,
    used: Result<&Use, &Reason>,
    decision: Decision,
) -> Vec<Reason> {
    let tier = known.service.tiers.row(outlook.planning);
    let message = format!(
        "{:.1} rps at {} risk is {} ({}): {row}",
        outlook.planning,
        known.policy.risk,
        tier.name,
        tier.range()
    );
    let mut reasons = vec![Reason { code: Code::TierRow, message }];
    match used {
        Ok(used) => {
            let message = format!(
                "{:.0}Mi used at {:.1} rps; {:.0}Mi was the last week's peak",
                used.at(outlook.planning) / 1_048_576.0,
                outlook.planning,
                used.peak / 1_048_576.0
            );
            reasons.push(Reason { code: Code::RedisMaxmemory, message });
            reasons.extend(used.pressed.as_ref().map(|(_, reason)| reason.clone()));
        }
        Err(missing) => reasons.push(Reason {
            code: missing.code,
            message: format!("{}; checked against the table only", missing.message),
        }),
    }
    match decision.reason {
        Some(reason) if decision.action == Action::Keep => reasons.insert(0, reason),
        Some(reason) => reasons.push(reason),
        None => {}
    }
    reasons
}
