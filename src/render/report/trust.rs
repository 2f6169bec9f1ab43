//! Whether the data can be trusted, what was skipped, and how it was computed: in words and rows.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::advise::plan::Action;
use crate::forecast::{Forecast, MemberWeight, Score};
use crate::history::{Evidence, History, Mark, MarkKind, SeriesKey, Signal};
use crate::render::chart::{series, small};
use crate::render::wording as w;
use crate::{Assessment, WeekScore};

use super::Page;
use super::verdict;

/// Series of one owner with the same days, the same coverage and the same newest sample: one row of the page.
#[derive(Debug, Clone, PartialEq)]
pub struct Coverage {
    /// Whose they are.
    pub name: String,
    /// Stable names of the series.
    pub signals: Vec<&'static str>,
    /// Share of each local day that was seen.
    pub days: Vec<f64>,
    /// The share in words, or the kind of absence.
    pub share: String,
    /// The newest sample, or that there was none.
    pub newest: String,
    /// Masked and censored spans.
    pub marks: Vec<Mark>,
}

/// The first moment that any series has.
#[must_use]
pub fn start(a: &Assessment) -> Timestamp {
    histories(a).map(|(_, history)| history.start).min().unwrap_or(a.at)
}

fn histories(a: &Assessment) -> impl Iterator<Item = (&SeriesKey, &History)> {
    a.history.iter().filter_map(|(key, evidence)| match evidence {
        Evidence::Series(history) => Some((key, history)),
        _ => None,
    })
}

/// Every series asked for, those of one owner that look the same together; the service's own first.
#[must_use]
pub fn coverage(a: &Assessment) -> Vec<Coverage> {
    let days = small::days(a, start(a));
    let mut rows: Vec<Coverage> = Vec::new();
    for (key, evidence) in &a.history {
        // that there is no HPA is an answer, and no gap in the data
        if *evidence == Evidence::NoSeries && key.signal.of_hpa() {
            continue;
        }
        let row = row(a, key, evidence, &days);
        let same = |known: &&mut Coverage| {
            key.subject.is_some()
                && known.name == row.name
                && known.days == row.days
                && known.share == row.share
                && known.newest == row.newest
        };
        match rows.iter_mut().find(same) {
            Some(known) => known.signals.extend(row.signals),
            None => rows.push(row),
        }
    }
    rows
}

fn row(
    a: &Assessment,
    key: &SeriesKey,
    evidence: &Evidence<History>,
    days: &[(Timestamp, Timestamp)],
) -> Coverage {
    let name = key.subject.as_deref().map_or_else(|| spoken(key.signal).to_owned(), w::component);
    let absent = |share: &str| Coverage {
        name: name.clone(),
        signals: vec![key.signal.name()],
        days: vec![0.0; days.len()],
        share: share.to_owned(),
        newest: "never".to_owned(),
        marks: Vec::new(),
    };
    let of_demand = |mark: &&Mark| matches!(mark.kind, MarkKind::Masked | MarkKind::Censored);
    match evidence {
        Evidence::NoSeries => absent("no series"),
        Evidence::NoSamples => absent("no samples"),
        Evidence::Failed(_) => absent("failed"),
        Evidence::Series(history) => {
            let shares: Vec<f64> =
                days.iter().map(|(from, to)| share(history, *from, *to)).collect();
            let span = (start(a), a.at);
            Coverage {
                days: shares,
                share: w::percent(share(history, span.0, span.1)),
                newest: newest(a, history.newest),
                marks: history.marks.iter().filter(of_demand).cloned().collect(),
                ..absent("")
            }
        }
    }
}

/// Share of the steps inside `[from, to)` that have a value.
#[expect(clippy::cast_precision_loss, reason = "steps of some weeks")]
fn share(history: &History, from: Timestamp, to: Timestamp) -> f64 {
    let expected = (to.as_second() - from.as_second()) / history.step.0;
    if expected <= 0 {
        return 0.0;
    }
    let seen = series::steps(history, from.as_second(), to.as_second()).count();
    (seen as f64 / expected as f64).min(1.0)
}

/// The time of the newest sample, with its day where that is not today.
fn newest(a: &Assessment, at: Timestamp) -> String {
    let zone = &a.calendar.zone;
    let (then, now) = (at.to_zoned(zone.clone()), a.at.to_zoned(zone.clone()));
    if then.date() == now.date() { then.strftime("%H:%M").to_string() } else { w::moment(a, at) }
}

/// A signal of the service as people say it.
fn spoken(signal: Signal) -> &'static str {
    match signal {
        Signal::Load => "Load",
        Signal::ErrorRate => "Errors",
        Signal::P99 => "P99 latency",
        Signal::Reporting => "Targets that report",
        other => other.name(),
    }
}

/// Whether the load's data can be trusted, and which series are not there.
#[must_use]
pub fn answer(a: &Assessment, rows: &[Coverage]) -> String {
    let load = match a.history.get(&SeriesKey::service(Signal::Load)) {
        Some(Evidence::Series(history)) => {
            let complete = share(history, start(a), a.at);
            let age = a.at.as_second() - history.newest.as_second();
            let fresh = age <= a.policy.max_age.0;
            let verdict =
                if complete >= a.policy.min_coverage.0 && fresh { "yes" } else { "not fully" };
            let age = if fresh { "current".to_owned() } else { format!("{} old", w::span(age)) };
            format!("For load, {verdict}: {} complete and {age}.", w::percent(complete))
        }
        Some(Evidence::NoSamples) => {
            "For load, no: its series has no sample in the window.".to_owned()
        }
        Some(Evidence::Failed(why)) => format!("For load, no: {why}."),
        Some(Evidence::NoSeries) | None => {
            "For load, no: no series matches. No series is not zero.".to_owned()
        }
    };
    let absent: Vec<String> = rows
        .iter()
        .filter(|row| row.newest == "never" && row.signals != ["load"])
        .map(|row| format!("{} ({}) has {}", row.name, row.signals.join(", "), absence(&row.share)))
        .collect();
    if absent.is_empty() { load } else { format!("{load} {}.", w::list(&absent)) }
}

fn absence(share: &str) -> &str {
    if share == "failed" { "no usable answer" } else { share }
}

/// Spans that are not plain demand, by kind, each with the series that have them.
#[must_use]
pub fn spans(a: &Assessment) -> Vec<(&'static str, Vec<String>)> {
    let mut found: BTreeMap<(MarkKind, i64, i64), (String, Vec<String>)> = BTreeMap::new();
    for (key, history) in histories(a) {
        for mark in history.marks.iter().filter(|mark| mark.to.as_second() > start(a).as_second()) {
            let place = (mark.kind, mark.from.as_second(), mark.to.as_second());
            let (_, owners) = found.entry(place).or_insert_with(|| (mark.why.clone(), Vec::new()));
            let owner =
                key.subject.as_deref().map_or_else(|| spoken(key.signal).to_owned(), w::component);
            if !owners.contains(&owner) {
                owners.push(owner);
            }
        }
    }
    let total = a
        .history
        .keys()
        .map(|key| key.subject.clone())
        .collect::<std::collections::BTreeSet<_>>()
        .len();
    let kinds = [
        (MarkKind::Gap, "Missing"),
        (MarkKind::Masked, "Masked"),
        (MarkKind::Censored, "Censored"),
        (MarkKind::Changed, "Changed"),
    ];
    kinds
        .into_iter()
        .map(|(kind, word)| (word, sentences(a, &found, kind, total)))
        .filter(|(_, spans)| !spans.is_empty())
        .collect()
}

type Found = BTreeMap<(MarkKind, i64, i64), (String, Vec<String>)>;

/// A member with a smaller share is only counted.
const MEMBER_MIN: f64 = 0.01;
/// Shares inside the 80 % band from which on the band is called too wide or too narrow.
const WIDE: f64 = 0.9;
const NARROW: f64 = 0.7;

/// At most this many spans of a kind are written out, longest first; the rest is counted.
const SPANS: usize = 5;

fn sentences(a: &Assessment, found: &Found, kind: MarkKind, owners: usize) -> Vec<String> {
    let mut spans: Vec<_> = found.iter().filter(|((k, ..), _)| *k == kind).collect();
    spans.sort_by_key(|((_, from, to), _)| (from - to, *from));
    let rest = spans.len().saturating_sub(SPANS);
    spans.truncate(SPANS);
    spans.sort_by_key(|((_, from, _), _)| *from);
    let mut text: Vec<String> = spans
        .into_iter()
        .filter_map(|((_, from, to), (why, who))| {
            let (from, to) =
                (Timestamp::from_second(*from).ok()?, Timestamp::from_second(*to).ok()?);
            let place = w::between(a, from, to);
            Some(match kind {
                MarkKind::Changed => format!("{}: {}", w::moment(a, from), w::spoken(a, why)),
                MarkKind::Gap if who.len() >= owners => format!("{place}, all signals"),
                MarkKind::Gap => format!("{place}, {}", w::list(who)),
                _ => format!("{place}: {}", w::spoken(a, why)),
            })
        })
        .collect();
    if rest > 0 {
        let since = start(a).to_zoned(a.calendar.zone.clone()).date();
        text.push(format!("and {} shorter, all since {}", w::counted(rest, "span"), w::day(since)));
    }
    text
}

/// Something that got no advice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skip {
    /// What it is.
    pub item: String,
    /// The reason's code.
    pub code: String,
    /// What is missing.
    pub missing: String,
}

/// Everything that got no advice, with its reason.
#[must_use]
pub fn skips(a: &Assessment) -> Vec<Skip> {
    let of_service = a.plan.reasons.iter().map(|reason| (a.service.name.clone(), reason));
    let of_settings = verdict::acted(a, Action::Skipped).into_iter().flat_map(|r| {
        r.reasons.iter().map(move |reason| {
            (format!("{}, {}", w::component(&r.component), r.setting.name()), reason)
        })
    });
    of_service
        .chain(of_settings)
        .map(|(item, reason)| Skip {
            item,
            code: reason.code.name(),
            missing: w::sentence(&w::typeset(&reason.message)),
        })
        .collect()
}

/// What the table of skipped items says.
#[must_use]
pub fn skip_answer(skips: &[Skip]) -> String {
    match skips.len() {
        0 => "Nothing: every setting that was asked for got its advice.".to_owned(),
        1 => "One item got no advice. Its setting stays as it is.".to_owned(),
        n => format!("{} items got no advice. Their settings stay as they are.", w::spelled(n)),
    }
}

/// How it was computed: names and values.
#[must_use]
pub fn method(page: &Page, a: &Assessment) -> Vec<(&'static str, Vec<String>)> {
    let mut rows = Vec::new();
    match &a.forecast {
        Ok(forecast) => {
            rows.push(("Forecast", members(forecast)));
            rows.push(("On its own past", own_past(a, &forecast.score)));
        }
        Err(why) => rows.push(("Forecast", vec![format!("none: {}", why.message)])),
    }
    rows.extend(provenance(page, a).into_iter().map(|(name, value)| (name, vec![value])));
    rows
}

/// What the forecast is combined from, an item a line.
fn members(forecast: &Forecast) -> Vec<String> {
    let said = |m: &&MemberWeight| m.weight >= MEMBER_MIN;
    let mut lines: Vec<String> = forecast
        .members
        .iter()
        .filter(said)
        .map(|m| format!("{:.0}\u{202f}% {}", m.weight * 100.0, m.means))
        .collect();
    let rest = forecast.members.iter().filter(|m| !said(m) && m.weight > 0.0).count();
    if rest > 0 {
        lines.push(format!("under 1\u{202f}% each of {}", w::counted(rest, "other")));
    }
    lines.push(format!(
        "{} sampled futures; the planning load is a quantile of their peaks",
        w::thousands(forecast.paths.len())
    ));
    lines
}

/// How the forecast did on its own past, and what that says of its bands.
fn own_past(a: &Assessment, score: &Score) -> Vec<String> {
    let against = if score.mase > 1.0 { ": last week itself did better" } else { "" };
    let mut lines = vec![
        format!("tried at {} of the last weeks", w::counted(score.origins, "moment")),
        format!("error {:.2} of that of repeating last week{against}", score.mase),
        format!(
            "bands from the older half of these, held against the newer: {} of hours inside the 80\u{202f}%, {} inside the 95\u{202f}%{}",
            w::percent(score.inside80),
            w::percent(score.inside95),
            bands(score.inside80)
        ),
    ];
    let weeks: Vec<&WeekScore> =
        a.scorecard.iter().filter(|week| week.inside80.is_finite()).collect();
    if !weeks.is_empty() {
        let mean = |of: fn(&WeekScore) -> f64| {
            weeks.iter().map(|week| of(week)).sum::<f64>()
                / f64::from(u32::try_from(weeks.len()).unwrap_or(1))
        };
        let inside80 = mean(|week| week.inside80);
        lines.push(format!(
            "over the {} of the scorecard, each forecast from its own start: {} and {}{}",
            w::counted(weeks.len(), "week"),
            w::percent(inside80),
            w::percent(mean(|week| week.inside95)),
            bands(inside80)
        ));
    }
    lines
}

/// What a share inside the 80 % band says of it.
fn bands(inside80: f64) -> &'static str {
    match inside80 {
        inside if inside > WIDE => ", so the bands were too wide there",
        inside if inside < NARROW => ", so the bands were too narrow there",
        _ => "",
    }
}

/// What the review was made from.
fn provenance(page: &Page, a: &Assessment) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    let step = histories(a).map(|(_, history)| history.step).min();
    let step = step.map_or_else(String::new, |step| format!(", step {step}"));
    rows.push((
        "Policy",
        format!(
            "risk {}, horizon {}, outlook {}, time zone {}{step}",
            w::percent(a.policy.risk.0),
            w::window(a.policy.horizon.0),
            w::window(a.policy.outlook.0),
            a.calendar.zone.iana_name().unwrap_or("without a name")
        ),
    ));
    rows.push(("Version", page.plan.version.clone()));
    rows.push(("At", format!("`{}`", page.plan.at)));
    rows.push(("Settings", format!("sha256 `{}`", page.plan.settings)));
    rows.push((
        "History",
        format!("{} samples, sha256 `{}`", w::thousands(page.samples), page.history),
    ));
    if let Some(queries) = page.queries {
        rows.push(("Queries sent", w::thousands(queries)));
    }
    rows
}
