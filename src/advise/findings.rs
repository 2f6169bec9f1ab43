//! What there is to know beside the recommendations, worst first.

use jiff::{SignedDuration, Timestamp};

use crate::advise::plan::{Action, Code, Finding, Recommendation, ServicePlan, Severity};
use crate::advise::{BOUND_LEVELS, Known, Outlook, coupled, reporting, series};
use crate::history::{MarkKind, SeriesKey, Signal};
use crate::service::Like;
use crate::tiers::Size;
use crate::units::{Period, Ratio, counted, sustaining};

/// A row gives much more than is needed when its replicas sustain this multiple of its top.
const GENEROUS: f64 = 2.0;
/// Rows of at most this many replicas are there for availability, not for load.
const AVAILABILITY_REPLICAS: u32 = 2;
/// Newest span that must violate an objective throughout before it counts as violated now.
pub(super) const NOW: Period = Period(900);

/// Everything found, worst first.
pub(super) fn all(
    known: &Known<'_>,
    outlook: Option<&Outlook<'_>>,
    recommendations: &[Recommendation],
    decisions: Vec<Finding>,
) -> Vec<Finding> {
    let mut findings = decisions;
    findings.extend(severity2(known));
    findings.extend(objectives(known));
    findings.extend(missing(known));
    findings.extend(coverage(known));
    findings.extend(silent(known));
    findings.extend(uncounted(known, recommendations));
    findings.extend(begins_late(known));
    findings.extend(censored(known));
    findings.extend(outlier(known));
    findings.extend(hidden(known));
    findings.extend(rows(known));
    findings.extend(recommendations.iter().filter_map(|one| coupled::finding(known, one)));
    if let Some(outlook) = outlook {
        findings.extend(beyond_table(known, outlook));
        findings.extend(uncertain(known, outlook));
        findings.extend(events(known));
    }
    findings.sort_by(order);
    findings
}

/// Adds what else is known to the findings of a plan.
pub fn add(plan: &mut ServicePlan, found: Vec<Finding>) {
    plan.findings.extend(found);
    plan.findings.sort_by(order);
}

/// Worst first, then by code and words.
fn order(a: &Finding, b: &Finding) -> std::cmp::Ordering {
    (a.severity, a.code, &a.message).cmp(&(b.severity, b.code, &b.message))
}

fn finding(severity: Severity, code: Code, message: String, remedy: &str) -> Finding {
    Finding { severity, code, message, remedy: remedy.to_owned() }
}

/// A latency as people write it: `700 ms`, `2 s`, `2.4 s`.
pub(super) fn latency(seconds: f64) -> String {
    if seconds < 1.0 {
        return format!("{:.0} ms", seconds * 1000.0);
    }
    // an objective of 2 s is not 2.0 s, and a measured 2.41 s needs no third digit
    format!("{} s", (seconds * 10.0).round() / 10.0)
}

/// The newest value of a health signal that every one of the last steps violates.
fn violated(known: &Known<'_>, signal: Signal, limit: f64) -> Option<f64> {
    let history = series(known, &SeriesKey::service(signal)).ok()?;
    let steps = NOW.steps(history.step).max(1);
    let newest = &history.values[history.values.len().saturating_sub(steps)..];
    let all = newest.len() == steps && newest.iter().all(|value| *value > limit);
    newest.last().copied().filter(|_| all)
}

/// The runbook's Severity 2 holds now: nothing is lowered, and its emergency size is offered.
fn severity2(known: &Known<'_>) -> Option<Finding> {
    let objectives = &known.service.objectives;
    let errors = violated(known, Signal::ErrorRate, objectives.severity2_error_rate.0)
        .map(|share| format!("{} of requests fail", Ratio(share)));
    let slow = violated(known, Signal::P99, objectives.severity2_p99_s)
        .map(|p99| format!("P99 is {}", latency(p99)));
    let what = errors.or(slow)?;
    let component = known.service.components.iter().find(|component| !component.memory)?;
    let last = known.service.tiers.rows.last()?;
    let Some(Size::Replicas { min: emergency, .. }) = last.size(&component.name) else {
        return None;
    };
    let remedy = format!(
        "the last row begins at {emergency}: scale {} to {emergency}, then find the cause",
        component.target
    );
    Some(finding(Severity::Critical, Code::Severity2, format!("Severity 2: {what}"), &remedy))
}

fn objectives(known: &Known<'_>) -> Vec<Finding> {
    let limits = &known.service.objectives;
    let errors = violated(known, Signal::ErrorRate, limits.error_rate.0).map(|share| {
        format!("{} of requests fail, {} is the objective", Ratio(share), limits.error_rate)
    });
    let slow = violated(known, Signal::P99, limits.p99_s)
        .map(|p99| format!("P99 is {}, {} is the objective", latency(p99), latency(limits.p99_s)));
    let found = errors.into_iter().chain(slow);
    found
        .map(|message| {
            finding(
                Severity::Warning,
                Code::Objectives,
                message,
                "nothing is lowered while this holds",
            )
        })
        .collect()
}

/// Health signals that are not there: without them nothing is ever lowered.
fn missing(known: &Known<'_>) -> Vec<Finding> {
    let absent = |signal: &Signal| series(known, &SeriesKey::service(*signal)).err();
    let found = [Signal::ErrorRate, Signal::P99];
    let reasons = found.iter().filter_map(absent);
    reasons
        .map(|reason| {
            finding(
                Severity::Info,
                reason.code,
                reason.message,
                "`plimsoll check` lists what matches; nothing is lowered without it",
            )
        })
        .collect()
}

fn coverage(known: &Known<'_>) -> Option<Finding> {
    let load = series(known, &SeriesKey::service(Signal::Load)).ok()?;
    let coverage = load.coverage();
    let steps = load.values.iter().filter(|value| value.is_nan()).count();
    // rounded down: what has a step missing is not 100.0 % complete
    let message = format!(
        "`load` is {:.1} % complete: {steps} of {} steps {} missing",
        (coverage * 1000.0).floor() / 10.0,
        load.values.len(),
        if steps == 1 { "is" } else { "are" }
    );
    let severity =
        if coverage < known.policy.min_coverage.0 { Severity::Warning } else { Severity::Info };
    (steps > 0).then(|| finding(severity, Code::Coverage, message, ""))
}

/// Pods that no longer report: their requests are served, and are in no sum.
fn silent(known: &Known<'_>) -> Option<Finding> {
    let message = reporting::lately(known)?;
    let remedy = "load and errors may be higher than what is seen: `up` in Prometheus tells which targets are not scraped";
    Some(finding(Severity::Warning, Code::Coverage, message, remedy))
}

/// Something is lowered, and nobody counts who reports: files and queries of one's own have no count by themselves.
fn uncounted(known: &Known<'_>, recommendations: &[Recommendation]) -> Option<Finding> {
    let key = SeriesKey::service(Signal::Reporting);
    let lowered = recommendations.iter().any(|one| one.action == Action::Lower);
    let message = format!(
        "`{key}` was never asked for: targets that fell silent would look like less load, and something is lowered"
    );
    let remedy = "give a series `reporting`, the number of targets behind `load`; or look at them before you lower";
    (lowered && !known.history.contains_key(&key))
        .then(|| finding(Severity::Warning, Code::Coverage, message, remedy))
}

/// The load's history begins later than it was asked for: a source that keeps less says nothing of it.
fn begins_late(known: &Known<'_>) -> Option<Finding> {
    let load = series(known, &SeriesKey::service(Signal::Load)).ok()?;
    let asked = known.at - SignedDuration::from_secs(known.lookback.0);
    let message = format!(
        "`load` was asked for from {}, the first sample is of {}: less of the past is known than the settings want",
        day(known, asked),
        day(known, load.start)
    );
    let late = load.start.duration_since(asked).as_secs() > Period::DAY.0;
    let remedy = "where the source keeps less than `history.lookback`, the store keeps what is pulled from now on";
    late.then(|| finding(Severity::Info, Code::Coverage, message, remedy))
}

/// The spans of the last week in which demand may have been higher than what was served.
fn censored(known: &Known<'_>) -> Option<Finding> {
    let load = series(known, &SeriesKey::service(Signal::Load)).ok()?;
    let from = known.at - SignedDuration::from_secs(Period::WEEK.0);
    let marks: Vec<_> = load.marked(MarkKind::Censored, from, known.at).collect();
    let first = marks.first()?;
    // by steps, because marks may overlap and may have begun before the week
    let cut_off = |i: &usize| {
        let at = load.time(*i);
        marks.iter().any(|mark| mark.from <= at && at < mark.to)
    };
    let steps = load.span(from, known.at).filter(cut_off).count();
    let seconds = i64::try_from(steps).unwrap_or_default() * load.step.0;
    let mut days: Vec<String> = marks.iter().map(|mark| day(known, mark.from)).collect();
    days.dedup();
    let on = match days.as_slice() {
        [only] => format!("on {only}"),
        [.., last] => format!("on {} days, last on {last}", days.len()),
        [] => return None,
    };
    let message = format!(
        "{} {on}, {} of the last 7 days in all; demand may have been higher than what was served",
        first.why,
        length(seconds)
    );
    Some(finding(Severity::Info, Code::Censored, message, ""))
}

/// A length of time as people say it: `23 h 45 min`.
fn length(seconds: i64) -> String {
    match (seconds / 3_600, seconds % 3_600 / 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

/// A spike that does not count in full, with the line that takes it out of the count or back in.
fn outlier(known: &Known<'_>) -> Option<Finding> {
    let load = series(known, &SeriesKey::service(Signal::Load)).ok()?;
    let outlier = load.outlier()?;
    let at = outlier.at.to_zoned(known.calendar.zone.clone());
    let message = format!(
        "`load` reached {:.1} rps on {}, over twice the peak of all other days: it counts as {:.1} rps",
        outlier.seen,
        at.strftime("%a %-d %b %H:%M"),
        outlier.counted
    );
    let remedy = format!(
        "if it was a fault or a load test, mask it: `events: [{{name: outlier, from: {}, to: {}}}]`; if it will come again, plan for it as an event ahead",
        outlier.at,
        outlier.at + SignedDuration::from_secs(Period::HOUR.0)
    );
    Some(finding(Severity::Warning, Code::Outlier, message, &remedy))
}

fn day(known: &Known<'_>, at: Timestamp) -> String {
    at.to_zoned(known.calendar.zone.clone()).strftime("%a %-d %b").to_string()
}

/// Rows that promise more than was measured, or give far more than is needed.
fn rows(known: &Known<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (component, verdicts) in known.rows {
        if !known.capacity.get(component).is_some_and(|capacity| capacity.saturated) {
            continue;
        }
        for row in verdicts {
            let Some(promised) = row.promised else {
                continue;
            };
            let sustained = row.sustained;
            let says = format!(
                "{component}, {}: {} {sustained:.0} rps, the row goes to {promised:.0}",
                row.tier,
                sustaining(row.replicas)
            );
            if sustained < promised {
                found.push(finding(
                    Severity::Warning,
                    Code::TableRowTooSmall,
                    says,
                    "raise the row's upper number, or find what slows a pod",
                ));
            } else if sustained > GENEROUS * promised && row.replicas > AVAILABILITY_REPLICAS {
                found.push(finding(
                    Severity::Info,
                    Code::TableRowGenerous,
                    says,
                    "the table stands; fewer pods would do",
                ));
            }
        }
    }
    found
}

fn beyond_table(known: &Known<'_>, outlook: &Outlook<'_>) -> Vec<Finding> {
    let beyond = |component: &crate::service::Component| {
        let capacity = known.capacity.get(&component.name);
        let sizing = crate::advise::sizing::Sizing {
            table: &known.service.tiers,
            component: &component.name,
            capacity,
        };
        let asked = sizing.replicas(outlook.planning).filter(|asked| asked.need > asked.ceiling)?;
        let message = format!(
            "{}: {:.1} rps ask for {}, the table ends at {}",
            component.name,
            outlook.planning,
            counted(asked.need, "replica"),
            asked.ceiling
        );
        Some(finding(
            Severity::Critical,
            Code::BeyondTable,
            message,
            "add a row, or find what slows a pod",
        ))
    };
    known.service.components.iter().filter_map(beyond).collect()
}

/// The interval of the window's peak spans three rows or more: no row is a safe word.
fn uncertain(known: &Known<'_>, outlook: &Outlook<'_>) -> Option<Finding> {
    let (tiers, peak) = (&known.service.tiers, &outlook.peak);
    let (low, high) = (peak.quantile(1.0 - BOUND_LEVELS.1), peak.quantile(BOUND_LEVELS.1));
    let (first, last) = (tiers.index(low), tiers.index(high));
    let message = format!(
        "the peak may lie anywhere from {low:.1} to {high:.1} rps (98 %): from {} to {}",
        tiers.rows[first].name, tiers.rows[last].name
    );
    (last >= first + 2)
        .then(|| finding(Severity::Warning, Code::Uncertain, message, "more history narrows it"))
}

/// Events that hide much of the recent past: what came in them is not learnt from, and not planned for.
fn hidden(known: &Known<'_>) -> Option<Finding> {
    /// A holiday week in four, and less, is what events are for.
    const MUCH: f64 = 0.25;
    let load = series(known, &SeriesKey::service(Signal::Load)).ok()?;
    let span = known.policy.min_history;
    let share = load.masked(load.end() - SignedDuration::from_secs(span.0));
    let message = format!(
        "events hide {} of the last {span}: what came in them is neither learnt nor planned for",
        Ratio((share * 1000.0).round() / 1000.0)
    );
    let remedy = "keep what happens every day or week out of `events:` and `calendars:`";
    (share > MUCH).then(|| finding(Severity::Warning, Code::Event, message, remedy))
}

/// Events ahead, inside the outlook.
fn events(known: &Known<'_>) -> Vec<Finding> {
    let end = known.at + SignedDuration::from_secs(known.policy.outlook.0);
    let ahead =
        known.calendar.events.iter().filter(|event| event.to > known.at && event.from < end);
    ahead
        .map(|event| {
            let message = format!(
                "{}, from {}: {}",
                event.name,
                day(known, event.from),
                event.effect(&known.calendar.zone)
            );
            match &event.like {
                Some(Like { last: None, .. }) => {
                    let remedy = "write the factor that you expect as `multiply:`";
                    finding(Severity::Warning, Code::Event, message, remedy)
                }
                _ => finding(Severity::Info, Code::Event, message, ""),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_and_lengths_are_written_as_people_write_them() {
        // 700 ms is 0.7000000000000001 s in binary
        assert_eq!(latency(0.700_000_000_000_000_1), "700 ms");
        assert_eq!((latency(2.0), latency(2.41)), ("2 s".to_owned(), "2.4 s".to_owned()));
        assert_eq!((length(85_500), length(600)), ("23 h 45 min".to_owned(), "10 min".to_owned()));
        assert_eq!(length(7_200), "2 h");
    }
}
