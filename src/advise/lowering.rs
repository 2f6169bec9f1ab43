//! Whether anything may be lowered: only by evidence that is complete, fresh, uncensored and healthy.
//!
//! What would have forbidden it must have been looked for: a signal that is absent, stale or young forbids as
//! much as one that says no.

use jiff::{SignedDuration, Timestamp};

use crate::advise::plan::{Code, Reason, Setting};
use crate::advise::{BOUND_LEVELS, Known, evidence, pods, reporting, series};
use crate::forecast::Forecast;
use crate::history::{self, Evidence, History, MarkKind, SeriesKey, Signal};
use crate::service::{Component, Current, Event, Policy};
use crate::units::{Bytes, Period, Ratio, counted};

/// Whether anything may be lowered, and what must still be served then.
#[derive(Debug, Clone, PartialEq)]
pub struct Lowering {
    /// The load that a lowered setting must still do for, in rps: the larger of what may still come and
    /// what was observed over the dwell time plus the hysteresis.
    pub load: f64,
    /// What asks for that load, after "less would do by the forecast, but"; `None`: what was observed, or the horizon.
    pub held_by: Option<String>,
    /// Why nothing may be lowered; `None` when it may.
    pub forbidden: Option<Reason>,
}

impl Lowering {
    /// What the load's history allows, where `ahead` rps may still come.
    #[must_use]
    pub fn from(known: &Known<'_>, load: &History, ahead: f64) -> Self {
        let observed = history::peak(load.last(known.policy.dwell)).unwrap_or(f64::INFINITY);
        let load_kept = ahead.max(observed / (1.0 - known.policy.hysteresis.0));
        Self { load: load_kept, held_by: None, forbidden: forbidden(known, load).err() }
    }

    /// The same with room for what is declared: what is lowered now stands for a dwell time at least, and must then do
    /// for another horizon. An event that begins in it leaves no time to lower and raise again.
    #[must_use]
    pub fn with_room_for_events(mut self, known: &Known<'_>, forecast: &Forecast) -> Self {
        let after = |at: Timestamp, period: Period| at + SignedDuration::from_secs(period.0);
        let from = after(known.at, known.policy.horizon);
        let to = after(from, known.policy.dwell);
        let ahead = self.load;
        let events = known.calendar.events.iter().filter(|event| event.multiply > 1.0);
        for event in events.filter(|event| event.from < to && event.to > from) {
            let peak = brought(event, from, forecast, ahead);
            if peak > self.load {
                let day = event.from.to_zoned(known.calendar.zone.clone()).strftime("%a %-d %b");
                self.load = peak;
                self.held_by = Some(format!("{} from {day} may bring {peak:.1} rps", event.name));
            }
        }
        self
    }

    /// The same, forbidden too where `evidence` is not there.
    #[must_use]
    pub fn and(self, evidence: Result<(), Reason>) -> Self {
        Self { forbidden: self.forbidden.or(evidence.err()), ..self }
    }
}

/// The load that an event may bring from `from` on, in rps: by the forecast, and where that ends before it shows a day of
/// it, as its factor on the load `ahead`.
fn brought(event: &Event, from: Timestamp, forecast: &Forecast, ahead: f64) -> f64 {
    let step = |at: Timestamp| {
        let seconds = at.duration_since(forecast.start).as_secs().max(0);
        usize::try_from(seconds.div_euclid(forecast.step.0)).unwrap_or_default()
    };
    let (first, end) = (step(event.from.max(from)), step(event.to) + 1);
    let shown = forecast.quantiles.len().saturating_sub(first);
    let by_factor = if shown < Period::DAY.steps(forecast.step).min(end - first) {
        ahead * event.multiply
    } else {
        0.0
    };
    // an empty window has no peak, which is no number
    by_factor.max(forecast.peak(first..end).quantile(BOUND_LEVELS.1))
}

/// The first thing that forbids lowering.
fn forbidden(known: &Known<'_>, load: &History) -> Result<(), Reason> {
    seen_long_enough(known, load)?;
    let dwell = whole(known, &SeriesKey::service(Signal::Load))?.last(known.policy.dwell);
    if history::peak(dwell) <= Some(0.0) {
        let message = format!(
            "`load` was 0 throughout the last {}: a metric that stopped counting looks the same",
            known.policy.dwell
        );
        return Err(Reason { code: Code::Coverage, message });
    }
    no_unusual_silence(known, load)?;
    let from = load.time(load.values.len() - dwell.len());
    if let Some(mark) = load.marked(MarkKind::Censored, from, load.end()).next() {
        return Err(Reason {
            code: Code::Censored,
            message: format!("{}: demand may have been higher", mark.why),
        });
    }
    hardly_masked(known, load, from)?;
    reporting::as_before(known)?;
    for component in known.service.components.iter().filter(|component| !component.memory) {
        limits_were_watched(known, component)?;
    }
    somebody_serves(known)?;
    healthy(known, Signal::ErrorRate, known.service.objectives.error_rate.0)?;
    healthy(known, Signal::P99, known.service.objectives.p99_s)
}

/// Whether events hide no more of the time from `from` on than may be missing: what is left out of what is learnt shows
/// neither what the service needs nor what a pod serves.
fn hardly_masked(known: &Known<'_>, load: &History, from: Timestamp) -> Result<(), Reason> {
    let share = load.masked(from);
    let allowed = 1.0 - known.policy.min_coverage.0;
    if share <= allowed {
        return Ok(());
    }
    let share = Ratio((share * 1000.0).round() / 1000.0);
    let message = format!("events hide {share} of the last {}", known.policy.dwell);
    Err(Reason { code: Code::Event, message })
}

/// Whether the metrics of a service that is alive look alive: latency above zero, and a ready pod wherever a
/// component's are counted.
fn somebody_serves(known: &Known<'_>) -> Result<(), Reason> {
    let latency = whole(known, &SeriesKey::service(Signal::P99))?.last(known.policy.dwell);
    if history::peak(latency) <= Some(0.0) {
        let message = format!(
            "`p99` was 0 throughout the last {}: a metric that stopped counting looks the same",
            known.policy.dwell
        );
        return Err(Reason { code: Code::Coverage, message });
    }
    let replicated = known.service.components.iter().filter(|component| !component.memory);
    for component in replicated {
        let key = SeriesKey::of(&component.name, Signal::Replicas);
        if series(known, &key).is_ok_and(|ready| ready.newest_value() == Some(0.0)) {
            let message = format!("`{key}` is 0: no pod is ready");
            return Err(Reason { code: Code::Objectives, message });
        }
    }
    Ok(())
}

/// Whether it is known that a component's own limits did not shape the load: without their series nothing
/// could have been marked as censored.
fn limits_were_watched(known: &Known<'_>, component: &Component) -> Result<(), Reason> {
    let name = &component.name;
    let of = |signal| SeriesKey::of(name, signal);
    if !has_no_hpa(known, component) {
        whole(known, &of(Signal::HpaMax)).map_err(|reason| no_hpa(known, component, reason))?;
        whole(known, &of(Signal::Replicas))?;
    }
    // what has no limit is not throttled; that there is none is only known where its object is known
    let no_limit = known.history.get(&of(Signal::CpuLimit)) == Some(&Evidence::NoSeries)
        && series(known, &of(Signal::SpecReplicas)).is_ok();
    if no_limit { Ok(()) } else { whole(known, &of(Signal::Throttled)).map(|_| ()) }
}

/// What is missing of an HPA that nobody asked for, with how to say that there is none.
fn no_hpa(known: &Known<'_>, component: &Component, reason: Reason) -> Reason {
    let name = &component.name;
    if known.history.contains_key(&SeriesKey::of(name, Signal::HpaMax)) {
        return reason;
    }
    let message = format!(
        "{}; where no HPA scales `{name}`, `components.{name}.current.replicas` says so",
        reason.message
    );
    Reason { message, ..reason }
}

/// Whether no HPA scales a component: by the metrics, or where they were not asked by the cluster, or by the settings that say
/// a count.
fn has_no_hpa(known: &Known<'_>, component: &Component) -> bool {
    let Current { replicas, .. } = component.current;
    let current = known.current.get(&component.name).copied().unwrap_or_default();
    match known.history.get(&SeriesKey::of(&component.name, Signal::HpaMax)) {
        Some(Evidence::NoSeries) => !current.has_hpa(),
        None => (current.alone || replicas.is_some()) && !current.has_hpa(),
        Some(_) => false,
    }
}

/// The history behind `key` if it is fresh and covers the whole dwell time: nothing is lowered by less.
///
/// # Errors
///
/// The kind of its absence, or how much of it there is.
pub fn whole<'a>(known: &Known<'a>, key: &SeriesKey) -> Result<&'a History, Reason> {
    let history = series(known, key)?;
    let Policy { dwell, min_coverage, .. } = known.policy;
    let steps = dwell.steps(history.step);
    let seen = history.last(*dwell).iter().filter(|value| value.is_finite()).count();
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    let share = seen as f64 / steps.max(1) as f64;
    if share >= min_coverage.0 {
        hours_seen(history, key, *dwell)?;
        return days_seen(known, history, key).map(|()| history);
    }
    let share = Ratio((share * 1000.0).floor() / 1000.0);
    let message =
        format!("lowering needs {min_coverage} of the last {dwell} of `{key}`, {share} is there");
    Err(Reason { code: Code::Coverage, message })
}

/// Whether every hour of the day was seen on half of the days or more: a daily gap may hide the daily peak.
fn hours_seen(history: &History, key: &SeriesKey, dwell: Period) -> Result<(), Reason> {
    let steps = history.last(dwell);
    let first = history.values.len() - steps.len();
    let mut hours = [(0, 0); 24];
    for (i, value) in steps.iter().enumerate() {
        let second = history.time(first + i).as_second().rem_euclid(Period::DAY.0);
        let hour = usize::try_from(second / Period::HOUR.0).unwrap_or_default();
        hours[hour].0 += 1;
        hours[hour].1 += usize::from(value.is_finite());
    }
    match hours.iter().position(|(all, seen)| 2 * seen < *all) {
        None => Ok(()),
        Some(hour) => {
            let message = format!(
                "lowering needs every hour of the day, and `{key}` is mostly missing at {hour:02}:00 UTC in the last {dwell}"
            );
            Err(Reason { code: Code::Coverage, message })
        }
    }
}

/// What may be missing of any day: more may have held its peak, and the other days do not tell it.
const MISSING_OF_A_DAY: Period = Period(4 * 3_600);

/// Whether every day of the dwell time was mostly seen, wherever it is taken to begin.
fn days_seen(known: &Known<'_>, history: &History, key: &SeriesKey) -> Result<(), Reason> {
    let dwell = history.last(known.policy.dwell);
    let first = history.values.len() - dwell.len();
    let day = Period::DAY.steps(history.step).clamp(1, dwell.len().max(1));
    let allowed = MISSING_OF_A_DAY.steps(history.step);
    let mut missing = 0;
    for (i, value) in dwell.iter().enumerate() {
        missing += usize::from(value.is_nan());
        missing -= usize::from(i >= day && dwell[i - day].is_nan());
        if missing > allowed {
            let on = super::local_date(known, history.time(first + i));
            let message = format!(
                "lowering needs every day of the last {}, and over {MISSING_OF_A_DAY} of `{key}` are missing in the day up to {on}",
                known.policy.dwell
            );
            return Err(Reason { code: Code::Coverage, message });
        }
    }
    Ok(())
}

/// Whether a load of nothing lasted no longer than it does: a service that sleeps on Sundays did so before, and one
/// whose requests are no longer counted did not.
fn no_unusual_silence(known: &Known<'_>, load: &History) -> Result<(), Reason> {
    /// How much longer than ever before is still the same: a long weekend is half as long again as a usual one.
    const LONGER: f64 = 1.5;
    let first = load.values.len() - load.last(known.policy.dwell).len();
    let (mut lately, mut before, mut start) = (0_u32, 0_u32, 0);
    // a gap in a silence does not end it, and one that reaches into the dwell time is of it as a whole
    for run in load.values.split(|value| *value > 0.0) {
        let zeros = run.iter().filter(|value| **value <= 0.0).fold(0, |zeros, _| zeros + 1);
        let longest = if start + run.len() > first { &mut lately } else { &mut before };
        *longest = zeros.max(*longest);
        start += run.len() + 1;
    }
    let (lately, before) = (f64::from(lately), f64::from(before));
    #[expect(clippy::cast_precision_loss, reason = "some thousand steps")]
    let day = Period::DAY.steps(load.step) as f64;
    if lately < day || lately <= LONGER * before {
        return Ok(());
    }
    #[expect(clippy::cast_possible_truncation, reason = "some thousand steps")]
    let hours = (lately as i64 * load.step.0).div_euclid(3_600);
    let message = format!(
        "`load` was 0 for {hours} h that reach into the last {}, longer than ever before: a metric that stopped counting looks the same",
        known.policy.dwell
    );
    Err(Reason { code: Code::Coverage, message })
}

/// Whether a component's setting is known to have stood still over the dwell time: a time in which somebody moved it,
/// ourselves or a person, does not show what it should be. This is the cool-down between two steps down, too.
///
/// # Errors
///
/// When it was changed, or the kind of absence of what would have shown it.
pub fn settled(known: &Known<'_>, name: &str, setting: Setting) -> Result<(), Reason> {
    let mut components = known.service.components.iter();
    let current = known.current.get(name).copied().unwrap_or_default();
    let is_counted = components.any(|component| component.name == name && !component.memory);
    let counted = is_counted && !current.has_hpa();
    let told = !history::absent(known.history.get(&SeriesKey::of(name, Signal::MemoryLimit)));
    let signals: &[Signal] = match setting {
        Setting::MinReplicas => &[Signal::HpaMin],
        Setting::MaxReplicas => &[Signal::HpaMax],
        // how few pods do depends on what each may use, where something tells that
        Setting::Replicas if current.memory_limit.is_some() && told => {
            &[Signal::SpecReplicas, Signal::MemoryLimit]
        }
        Setting::Replicas => &[Signal::SpecReplicas],
        // what a pod uses depends on how many of them there are
        Setting::CpuRequest if current.has_hpa() => &[Signal::CpuRequest, Signal::HpaMin],
        Setting::CpuRequest => &[Signal::CpuRequest, Signal::SpecReplicas],
        // of an HPA's bounds the loop moves one every day
        Setting::MemoryLimit if counted => &[Signal::MemoryLimit, Signal::SpecReplicas],
        Setting::MemoryRequest if counted => &[Signal::MemoryRequest, Signal::SpecReplicas],
        Setting::Memory | Setting::MemoryLimit => &[Signal::MemoryLimit],
        Setting::MemoryRequest => &[Signal::MemoryRequest],
        Setting::TargetUtilization => &[Signal::HpaTarget],
        Setting::Storage => &[],
    };
    signals.iter().try_for_each(|signal| {
        let key = SeriesKey::of(name, *signal);
        stood_still(known, &key)?;
        as_seen(known, &key, in_force(current, *signal))
    })?;
    if setting.is_size() && current.has_hpa() {
        pods::no_fewer(known, name, current)
    } else {
        Ok(())
    }
}

/// What is in force of a setting, in the unit of the signal that tells of it.
#[expect(clippy::cast_precision_loss, reason = "counts, bytes and millicores lie far below 2^53")]
fn in_force(current: Current, signal: Signal) -> Option<f64> {
    let bytes = |of: Option<Bytes>| of.map(|of| of.0 as f64);
    match signal {
        Signal::HpaMin => current.min_replicas.map(f64::from),
        Signal::HpaMax => current.max_replicas.map(f64::from),
        Signal::SpecReplicas => current.replicas.map(f64::from),
        Signal::HpaTarget => current.target_utilization.map(f64::from),
        Signal::CpuRequest => current.cpu_request.map(|cpu| cpu.0 as f64 / 1000.0),
        Signal::MemoryRequest => bytes(current.memory_request),
        Signal::MemoryLimit => bytes(current.memory_limit),
        _ => None,
    }
}

/// Whether what is in force is what its own metric says: else somebody changed it since the newest sample, and no mark tells of
/// it yet. A minimum may be lower than its metric, which has a floor of the loop.
fn as_seen(known: &Known<'_>, key: &SeriesKey, now: Option<f64>) -> Result<(), Reason> {
    /// Quantities are rounded up, to a thousandth of a core or a byte.
    const ROUNDING: f64 = 0.02;
    let newest = series(known, key)?.newest_value();
    let Some((now, newest)) = now.zip(newest) else { return Ok(()) };
    let raised = now > newest * (1.0 + ROUNDING);
    let lowered = now < newest * (1.0 - ROUNDING) && key.signal != Signal::HpaMin;
    if !(raised || lowered) {
        return Ok(());
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive; a float above u64 saturates"
    )]
    let show = |value: f64| match key.signal {
        Signal::MemoryRequest | Signal::MemoryLimit => Bytes(value as u64).to_string(),
        _ => value.to_string(),
    };
    let (now, newest) = (show(now), show(newest));
    let message = format!(
        "{now} is in force and the newest sample of `{key}` says {newest}: it was changed since, or that is of something else"
    );
    Err(Reason { code: Code::Changed, message })
}

fn stood_still(known: &Known<'_>, key: &SeriesKey) -> Result<(), Reason> {
    let history = whole(known, key)?;
    let dwell = known.policy.dwell;
    let from = history.end() - SignedDuration::from_secs(dwell.0);
    if history.start > from {
        let message =
            format!("`{key}` begins within the last {dwell}: a change before is not seen");
        return Err(Reason { code: Code::TooLittleHistory, message });
    }
    let Some(mark) = history.marked(MarkKind::Changed, from, history.end()).last() else {
        return Ok(());
    };
    let day = |at: Timestamp| super::local_date(known, at);
    let until = mark.from + SignedDuration::from_secs(dwell.0);
    let message = format!(
        "{} on {}: lowering waits until {} (`policy.dwell`)",
        mark.why,
        day(mark.from),
        day(until)
    );
    Err(Reason { code: Code::Changed, message })
}

/// The history behind `key` if it is [`whole`] and as long as the load's must be: what was forgotten lowers nothing.
///
/// # Errors
///
/// As [`whole`], or how little of the past is known.
pub fn long_and_whole<'a>(known: &Known<'a>, key: &SeriesKey) -> Result<&'a History, Reason> {
    let history = whole(known, key)?;
    seen_long_enough(known, history)
        .map_err(|reason| Reason { message: format!("`{key}`: {}", reason.message), ..reason })?;
    Ok(history)
}

/// Whether no container of a component was killed for memory within the dwell time, as far as is known.
///
/// # Errors
///
/// That one was.
pub fn not_killed(known: &Known<'_>, name: &str) -> Result<(), Reason> {
    let kills = evidence(known.history, &SeriesKey::of(name, Signal::OomKills)).ok();
    let killed =
        kills.is_some_and(|kills| history::peak(kills.last(known.policy.dwell)) > Some(0.0));
    let message = format!("a container was killed for memory in the last {}", known.policy.dwell);
    if killed { Err(Reason { code: Code::OomKilled, message }) } else { Ok(()) }
}

/// Whether the load was watched for long enough: a retention of two weeks has forgotten the peak of the month, and a
/// sample of long ago does not fill it.
fn seen_long_enough(known: &Known<'_>, history: &History) -> Result<(), Reason> {
    let least = known.policy.min_history;
    let span = history.end().duration_since(history.start).as_secs();
    let samples = history.values.iter().filter(|value| value.is_finite()).count();
    let seen = Period(i64::try_from(samples).unwrap_or(i64::MAX).saturating_mul(history.step.0));
    #[expect(clippy::cast_precision_loss, reason = "seconds of years")]
    let enough = seen.0 as f64 >= known.policy.min_coverage.0 * least.0 as f64;
    if span >= least.0 && enough {
        return Ok(());
    }
    let seen = seen.0.min(span);
    let days = Period((seen / Period::DAY.0).max(1) * Period::DAY.0);
    let message =
        format!("lowering needs {least} of history, {days} is there (`policy.minHistory`)");
    Err(Reason { code: Code::TooLittleHistory, message })
}

/// Whether a health signal is known and stayed inside its objective over the dwell time but for 1 % of it, none of
/// which is in the last hour: an outage begins with a few bad steps.
fn healthy(known: &Known<'_>, signal: Signal, objective: f64) -> Result<(), Reason> {
    /// Share of steps that may miss an objective: one bad scrape is not an unhealthy week.
    const TOLERATED: f64 = 0.01;
    /// Newest part of the history in which nothing may miss an objective.
    const NOW: Period = Period::HOUR;
    let history = whole(known, &SeriesKey::service(signal))?;
    if history.last(NOW).iter().any(|value| *value > objective) {
        let message = format!("`{}` missed its objective within the last {NOW}", signal.name());
        return Err(Reason { code: Code::Objectives, message });
    }
    let dwell = history.last(known.policy.dwell);
    let misses = dwell.iter().filter(|value| **value > objective).count();
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    let share = misses as f64 / dwell.len().max(1) as f64;
    if share > TOLERATED {
        let message = format!(
            "`{}` missed its objective in {} of the last {}",
            signal.name(),
            counted(misses, "step"),
            known.policy.dwell
        );
        return Err(Reason { code: Code::Objectives, message });
    }
    Ok(())
}
