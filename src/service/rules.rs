//! When an advised change may be made: what a team allows `apply`, beyond the advice itself.

use jiff::Timestamp;
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;

use crate::units::{Period, UnitError};

/// What a team allows `apply`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Managers whose fields may be taken over, by a person's word: exactly as `managedFields` names them.
    pub take_over: Vec<String>,
    /// When nothing is changed.
    pub freeze: Vec<Freeze>,
    /// How long an object is left alone after a change of ours.
    pub cooldown: Period,
    /// The oldest that a plan may be.
    pub max_plan_age: Period,
    /// How long a change is watched.
    pub watch: Watch,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            take_over: Vec::new(),
            freeze: Vec::new(),
            cooldown: Period(1_800),
            max_plan_age: Period::HOUR,
            watch: Watch(Some(Period(600))),
        }
    }
}

/// How long a change is watched; `None`, written `0`: not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch(pub Option<Period>);

impl std::str::FromStr for Watch {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        if text == "0" || text == "0s" {
            return Ok(Self(None));
        }
        text.parse().map(|length| Self(Some(length)))
    }
}

/// What the loop does, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rounds {
    /// From the begin of one turn to that of the next.
    pub every: Period,
    /// How long less must have done, and a floor have stood, before it is taken back.
    pub hold: Period,
    /// Whether the whole plan is applied too.
    pub apply: bool,
}

impl Default for Rounds {
    fn default() -> Self {
        Self { every: Period(60), hold: Period(1_800), apply: false }
    }
}

/// A time in which nothing is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freeze {
    /// What people call it, or its times.
    pub name: String,
    /// When it is.
    pub when: When,
}

/// Once, or every week by the local clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// From a moment to the first moment after it.
    Once {
        /// Its first moment.
        from: Timestamp,
        /// The first moment after it.
        to: Timestamp,
    },
    /// On some days of the week.
    Weekly {
        /// The days on which it begins.
        days: Vec<Weekday>,
        /// When it begins.
        from: Time,
        /// When it ends: on the day after, where that is not later than `from`; `None` is midnight.
        to: Option<Time>,
    },
}

impl When {
    /// Whether `at` lies in it, by the clock of `zone`.
    #[must_use]
    pub fn holds(&self, at: Timestamp, zone: &TimeZone) -> bool {
        match self {
            Self::Once { from, to } => (*from..*to).contains(&at),
            Self::Weekly { days, from, to } => {
                let local = at.to_zoned(zone.clone());
                let (today, now) = (local.weekday(), local.time());
                let over_midnight = to.is_some_and(|to| to <= *from);
                let before_its_end = to.is_none_or(|to| now < to);
                let begun =
                    days.contains(&today) && now >= *from && (over_midnight || before_its_end);
                let since_yesterday =
                    over_midnight && days.contains(&today.previous()) && before_its_end;
                begun || since_yesterday
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use jiff::civil::time;

    use super::*;

    #[test]
    fn a_weekly_freeze_follows_the_local_clock_and_may_pass_midnight() {
        let tokyo = TimeZone::get("Asia/Tokyo").unwrap();
        let holds = |when: &When, at: &str| when.holds(at.parse().unwrap(), &tokyo);
        let days = vec![Weekday::Friday, Weekday::Saturday];
        let evening = When::Weekly { days: days.clone(), from: time(18, 0, 0, 0), to: None };
        // 2026-11-27 is a Friday; 18:00 in Tokyo is 09:00 UTC
        assert!(!holds(&evening, "2026-11-27T08:59:59Z"));
        assert!(holds(&evening, "2026-11-27T09:00:00Z"));
        assert!(holds(&evening, "2026-11-27T14:59:59Z"));
        assert!(!holds(&evening, "2026-11-27T15:00:00Z"));
        let night = When::Weekly { days, from: time(22, 0, 0, 0), to: Some(time(6, 0, 0, 0)) };
        // Sunday 05:59 belongs to the night that began on Saturday, Friday 05:59 to none
        assert!(holds(&night, "2026-11-28T20:59:00Z"));
        assert!(!holds(&night, "2026-11-28T21:00:00Z"));
        assert!(!holds(&night, "2026-11-26T20:59:00Z"));
    }

    #[test]
    fn a_freeze_that_is_once_ends_with_its_last_moment() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let once = When::Once { from: at("2026-12-24T00:00:00Z"), to: at("2026-12-27T00:00:00Z") };
        let holds = |text: &str| once.holds(at(text), &TimeZone::UTC);
        assert!(holds("2026-12-24T00:00:00Z") && holds("2026-12-26T23:59:59Z"));
        assert!(!holds("2026-12-23T23:59:59Z") && !holds("2026-12-27T00:00:00Z"));
    }
}
