//! What `apply` is allowed: `policy.freeze`, `policy.cooldown`, `policy.maxPlanAge` and `apply`; and what `run`
//! does: `run`.

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;

use super::error::nearest;
use super::raw::{self, Text};
use super::read::{Reader, at};
use crate::service::rules::{Freeze, Rounds, Rules, Watch, When};
use crate::units::Period;

const DAYS: [(&str, Weekday); 7] = [
    ("Mon", Weekday::Monday),
    ("Tue", Weekday::Tuesday),
    ("Wed", Weekday::Wednesday),
    ("Thu", Weekday::Thursday),
    ("Fri", Weekday::Friday),
    ("Sat", Weekday::Saturday),
    ("Sun", Weekday::Sunday),
];

impl Reader<'_> {
    pub(super) fn rules(
        &mut self,
        policy: Option<&raw::Policy>,
        apply: Option<&raw::Apply>,
        zone: &TimeZone,
    ) -> Rules {
        let usual = Rules::default();
        let spans = (Period(60), Period(365 * Period::DAY.0));
        let cooldown = policy.and_then(|policy| policy.cooldown.as_ref());
        let age = policy.and_then(|policy| policy.max_plan_age.as_ref());
        let windows = policy.and_then(|policy| policy.freeze.as_deref()).unwrap_or_default();
        let mut freeze = Vec::new();
        for (index, window) in windows.iter().enumerate() {
            freeze.extend(self.freeze(&format!("policy.freeze[{index}]"), window, zone));
        }
        Rules {
            take_over: self.take_over(apply),
            freeze,
            cooldown: self.period("policy.cooldown", cooldown, spans).unwrap_or(usual.cooldown),
            watch: self.watch(apply).unwrap_or(usual.watch),
            max_plan_age: self
                .period("policy.maxPlanAge", age, spans)
                .unwrap_or(usual.max_plan_age),
        }
    }

    fn watch(&mut self, apply: Option<&raw::Apply>) -> Option<Watch> {
        let raw = apply.and_then(|apply| apply.watch.as_ref());
        let watch = self.unit::<Watch>("apply.watch", raw)?;
        if watch.0.is_none_or(|length| length <= Period(Period::DAY.0)) {
            return Some(watch);
        }
        let line = raw.map_or(0, |raw| raw.line);
        self.problem(line, "`apply.watch` is out of range", "write `0`, or a duration up to `1d`");
        None
    }

    pub(super) fn rounds(&mut self, raw: Option<&raw::Run>) -> Rounds {
        let usual = Rounds::default();
        let Some(raw) = raw else { return usual };
        let (short, long) = (Period(10), Period::DAY);
        Rounds {
            every: self
                .period("run.every", raw.every.as_ref(), (short, Period::HOUR))
                .unwrap_or(usual.every),
            hold: self
                .period("run.hold", raw.hold.as_ref(), (Period(60), long))
                .unwrap_or(usual.hold),
            apply: self.flag("run.apply", raw.apply.as_ref()).unwrap_or(usual.apply),
        }
    }

    fn take_over(&mut self, apply: Option<&raw::Apply>) -> Vec<String> {
        let named = apply.and_then(|apply| apply.take_over.as_deref()).unwrap_or_default();
        let mut managers = Vec::new();
        for manager in named {
            let usable = !manager.value.trim().is_empty()
                && manager.value.len() <= 128
                && !manager.value.contains(['*', '?'])
                && !manager.value.chars().any(crate::units::acts);
            if usable {
                managers.push(manager.value.clone());
            } else {
                let message =
                    format!("`apply.takeOver`: `{}` is not a manager's name", manager.value);
                let hint = "write one manager as `kubectl get OBJECT -o yaml --show-managed-fields` names it, such as `helm`";
                self.problem(manager.line, message, hint);
            }
        }
        managers
    }

    fn freeze(&mut self, path: &str, raw: &raw::Freeze, zone: &TimeZone) -> Option<Freeze> {
        let name = match &raw.name {
            Some(name) => self.title(&at(path, "name"), name)?,
            None => format!("{} to {}", raw.from.value, raw.to.value),
        };
        let when = match raw.days.as_deref() {
            None => self.once(path, raw, zone)?,
            Some(days) => self.weekly(path, raw, days)?,
        };
        Some(Freeze { name, when })
    }

    fn once(&mut self, path: &str, raw: &raw::Freeze, zone: &TimeZone) -> Option<When> {
        let from = self.moment(&at(path, "from"), &raw.from, zone);
        let to = self.moment(&at(path, "to"), &raw.to, zone);
        let (from, to) = (from?, to?);
        if from < to {
            return Some(When::Once { from, to });
        }
        let message =
            format!("`{path}`: `from` ({}) is not before `to` ({})", raw.from.value, raw.to.value);
        self.problem(raw.to.line, message, "`to` is the first moment after the freeze");
        None
    }

    fn weekly(&mut self, path: &str, raw: &raw::Freeze, days: &[Text]) -> Option<When> {
        let from = self.clock(&at(path, "from"), &raw.from)?;
        let to = self.clock(&at(path, "to"), &raw.to)?;
        let Some(from) = from else {
            let message = format!("`{path}.from`: `24:00` is where a day ends");
            self.problem(raw.from.line, message, "write `00:00`");
            return None;
        };
        let mut on = Vec::new();
        for day in days {
            on.push(self.day(&at(path, "days"), day)?);
        }
        if on.is_empty() {
            let message = format!("`{path}.days` is empty");
            self.problem(raw.from.line, message, "name the days, such as `[Fri, Sat]`");
            return None;
        }
        Some(When::Weekly { days: on, from, to })
    }

    fn day(&mut self, path: &str, raw: &Text) -> Option<Weekday> {
        let found = DAYS.iter().find(|(name, _)| *name == raw.value);
        if found.is_none() {
            let hint = match nearest(&raw.value, DAYS.iter().map(|(name, _)| *name)) {
                Some(name) => format!("did you mean `{name}`?"),
                None => "write `Mon`, `Tue`, `Wed`, `Thu`, `Fri`, `Sat` or `Sun`".to_owned(),
            };
            self.problem(raw.line, format!("`{path}`: `{}` is not a day", raw.value), hint);
        }
        found.map(|(_, day)| *day)
    }

    /// A time of the day; `Some(None)` is `24:00`.
    #[expect(clippy::option_option, reason = "wrong, or the end of the day")]
    fn clock(&mut self, path: &str, raw: &Text) -> Option<Option<Time>> {
        if raw.value == "24:00" {
            return Some(None);
        }
        let shaped = raw.value.len() == "18:00".len() && raw.value.is_ascii();
        let time = raw.value.split_once(':').filter(|_| shaped).and_then(|(hour, minute)| {
            Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
        });
        if time.is_none() {
            let message = format!("`{path}`: `{}` is not a time of the day", raw.value);
            self.problem(raw.line, message, "write it in quotes, such as `\"18:00\"`");
        }
        time.map(Some)
    }
}
