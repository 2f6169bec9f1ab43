//! The parts that hold for all services: version, zone, events, policy.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::error::nearest;
use super::raw::{self, Text};
use super::read::{Reader, at};
use crate::service::{Event, Like, Policy};
use crate::units::Period;

/// The version of the format that this program reads.
const VERSION: &str = "1";
/// The factor of an event that is to be what it was last time.
const AS_LAST_TIME: &str = "last";

impl Reader<'_> {
    pub(super) fn version(&mut self, raw: &Text) {
        if raw.value != VERSION {
            let message = format!("`version`: `{}` is not known", raw.value);
            self.problem(raw.line, message, format!("write `version: {VERSION}`"));
        }
    }

    pub(super) fn zone(&mut self, raw: Option<&Text>) -> TimeZone {
        let Some(raw) = raw else {
            return TimeZone::UTC;
        };
        // Only names of the zone database: a fixed offset or `TZ` text would miss its daylight saving.
        let database = jiff::tz::db();
        if let Ok(zone) = database.get(&raw.value) {
            return zone;
        }
        let names: Vec<String> = database.available().map(|name| name.to_string()).collect();
        let hint = match nearest(&raw.value, names.iter().map(String::as_str)) {
            Some(name) => format!("did you mean `{name}`?"),
            None => "write an IANA name such as `Asia/Tokyo` or `UTC`".to_owned(),
        };
        self.problem(raw.line, format!("`timezone`: `{}` is not known", raw.value), hint);
        TimeZone::UTC
    }

    pub(super) fn events(&mut self, raw: &[raw::Event], zone: &TimeZone) -> Vec<Event> {
        let mut events = Vec::new();
        for (index, event) in raw.iter().enumerate() {
            events.extend(self.event(&format!("events[{index}]"), event, zone));
        }
        events
    }

    /// A factor on the load, or the series whose last event tells it.
    pub(super) fn factor(
        &mut self,
        path: &str,
        raw: Option<&Text>,
        series: &str,
    ) -> Option<(f64, Option<Like>)> {
        if raw.is_some_and(|raw| raw.value == AS_LAST_TIME) {
            let like = Like { series: series.to_owned(), last: None };
            return Some((1.0, Some(like)));
        }
        let said = raw.is_some();
        let factor = self.number(path, raw, (0.01, 100.0));
        if let (true, None, Some(problem)) = (said, factor, self.problems.last_mut()) {
            problem.hint += ", or `last`";
        }
        (factor.is_some() || !said).then_some((factor.unwrap_or(1.0), None))
    }

    fn event(&mut self, path: &str, raw: &raw::Event, zone: &TimeZone) -> Option<Event> {
        let name = self.title(&at(path, "name"), &raw.name);
        let from = self.moment(&at(path, "from"), &raw.from, zone);
        let to = self.moment(&at(path, "to"), &raw.to, zone);
        let factor = self.factor(&at(path, "multiply"), raw.multiply.as_ref(), &raw.name.value);
        let (name, from, to) = (name?, from?, to?);
        if from >= to {
            let message = format!(
                "`{path}`: `from` ({}) is not before `to` ({})",
                raw.from.value, raw.to.value
            );
            let hint = "`to` is the first moment after the event: for one day, write the next day";
            self.problem(raw.to.line, message, hint);
            return None;
        }
        let (multiply, like) = factor?;
        Some(Event { name, from, to, multiply, like })
    }

    /// A local date, meaning its first moment, or an RFC 3339 time.
    pub(super) fn moment(&mut self, path: &str, raw: &Text, zone: &TimeZone) -> Option<Timestamp> {
        // Lengths tell them apart, for a date's own parser would drop a time after it.
        let moment = if raw.value.len() == "2026-12-01".len() {
            let date = raw.value.parse::<Date>().ok();
            date.and_then(|date| date.to_zoned(zone.clone()).ok())
                .map(|midnight| midnight.timestamp())
        } else {
            raw.value.parse::<Timestamp>().ok()
        };
        if moment.is_none() {
            let message = format!("`{path}`: `{}` is not a date or time", raw.value);
            let hint = "write a date such as `2026-12-01`, or RFC 3339 such as `2026-12-01T09:00:00+09:00`";
            self.problem(raw.line, message, hint);
        }
        moment
    }

    pub(super) fn policy(&mut self, raw: Option<&raw::Policy>, step: Period) -> Policy {
        let none = raw::Policy::default();
        let raw = raw.unwrap_or(&none);
        let usual = Policy::default();
        let at = |key: &str| at("policy", key);
        let year = Period(365 * Period::DAY.0);
        let spans = (Period::HOUR, year);
        let policy = Policy {
            risk: self.ratio(&at("risk"), raw.risk.as_ref(), (0.001, 0.5)).unwrap_or(usual.risk),
            horizon: self
                .period(&at("horizon"), raw.horizon.as_ref(), spans)
                .unwrap_or(usual.horizon),
            outlook: self
                .period(&at("outlook"), raw.outlook.as_ref(), spans)
                .unwrap_or(usual.outlook),
            hysteresis: self
                .ratio(&at("hysteresis"), raw.hysteresis.as_ref(), (0.0, 0.9))
                .unwrap_or(usual.hysteresis),
            dwell: self.period(&at("dwell"), raw.dwell.as_ref(), spans).unwrap_or(usual.dwell),
            max_step: self
                .number(&at("maxStep"), raw.max_step.as_ref(), (1.01, 100.0))
                .unwrap_or(usual.max_step),
            min_coverage: self
                .ratio(&at("minCoverage"), raw.min_coverage.as_ref(), (0.01, 1.0))
                .unwrap_or(usual.min_coverage),
            min_history: self
                .period(&at("minHistory"), raw.min_history.as_ref(), spans)
                .unwrap_or(usual.min_history),
            max_age: self
                .period(&at("maxAge"), raw.max_age.as_ref(), (step, year))
                .unwrap_or(usual.max_age),
        };
        self.horizon_in_outlook(raw, &policy);
        policy
    }

    fn horizon_in_outlook(&mut self, raw: &raw::Policy, policy: &Policy) {
        if policy.horizon > policy.outlook {
            let line = raw.horizon.as_ref().or(raw.outlook.as_ref()).map_or(0, |raw| raw.line);
            let message = format!(
                "`policy.horizon` ({}) is longer than `policy.outlook` ({})",
                policy.horizon, policy.outlook
            );
            let hint = format!("write `outlook: {}` or longer", policy.horizon);
            self.problem(line, message, hint);
        }
    }
}
