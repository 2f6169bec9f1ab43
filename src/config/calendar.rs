//! Events from iCalendar files (RFC 5545): holidays, campaigns, launches as a team's own calendar has them.

use calcard::common::PartialDateTime;
use calcard::common::timezone::Tz;
use calcard::icalendar::dates::{CalendarEvent, TimeOrDelta};
use calcard::icalendar::timezone::TzResolver;
use calcard::icalendar::{
    ICalendar, ICalendarComponent, ICalendarComponentType, ICalendarFrequency, ICalendarProperty,
    ICalendarStatus, ICalendarValue,
};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::raw;
use super::read::{Reader, at};
use super::read_text;
use crate::service::Event;

/// A calendar of holidays has some dozen entries a year; each is held against every step that is forecast.
const OCCURRENCES_MAX: usize = 2_000;
/// The year to which a rule without an end is read: past every outlook, and short for one that comes once a year.
const RULES_UNTIL: u16 = 2040;

/// An occurrence of an entry, and how long it lasts or when it ends.
type Occurrence =
    CalendarEvent<chrono::DateTime<Tz>, TimeOrDelta<chrono::DateTime<Tz>, chrono::TimeDelta>>;

impl Reader<'_> {
    /// The events of all iCalendar files, recurring ones by occurrence.
    pub(super) fn calendars(&mut self, raw: &[raw::CalendarFile], zone: &TimeZone) -> Vec<Event> {
        let mut events = Vec::new();
        for (index, calendar) in raw.iter().enumerate() {
            events.extend(
                self.calendar(&format!("calendars[{index}]"), calendar, zone).unwrap_or_default(),
            );
        }
        events
    }

    fn calendar(
        &mut self,
        path: &str,
        raw: &raw::CalendarFile,
        zone: &TimeZone,
    ) -> Option<Vec<Event>> {
        let factor = self.factor(&at(path, "multiply"), raw.multiply.as_ref(), &raw.file.value);
        let file = self.path(&at(path, "file"), Some(&raw.file))?;
        let hint =
            format!("name an iCalendar file in `{path}.file`, relative to the settings file");
        let text = read_text(&file, self.file, Some(raw.file.line), &hint)
            .map_err(|problem| self.problems.push(problem))
            .ok()?;
        let (multiply, like) = factor?;
        let read = occurrences(&text, zone)
            .map_err(|why| {
                self.problem(raw.file.line, format!("`{}`: {why}", raw.file.value), hint);
            })
            .ok()?;
        self.runbooks.push(text);
        let event = |(name, from, to)| Event { name, from, to, multiply, like: like.clone() };
        Some(read.into_iter().map(event).collect())
    }
}

/// Name, first moment and end of every occurrence.
fn occurrences(text: &str, zone: &TimeZone) -> Result<Vec<(String, Timestamp, Timestamp)>, String> {
    let mut calendar = ICalendar::parse(text)
        .map_err(|_| "is no iCalendar file (`BEGIN:VCALENDAR`)".to_owned())?;
    if !text.trim_end().to_ascii_uppercase().ends_with("END:VCALENDAR") {
        return Err("is cut off: its last line is not `END:VCALENDAR`".to_owned());
    }
    let zones = calendar.build_owned_tz_resolver();
    // tasks, journals and what was cancelled are no events
    calendar.components.iter_mut().for_each(forget_what_is_none);
    let events = calendar.components.iter_mut();
    let mut events = events.filter(|one| one.component_type == ICalendarComponentType::VEvent);
    let mut count = 0;
    events.try_for_each(|event| {
        count += 1;
        if count > OCCURRENCES_MAX {
            return Err(too_many());
        }
        in_known_zones(event, &zones)?;
        end_rules(event)
    })?;
    let expanded = calendar.expand_dates(Tz::Floating, OCCURRENCES_MAX + 1);
    let name = |one: u32| {
        let entry = calendar.components.get(usize::try_from(one).ok()?)?;
        let text = entry.property(&ICalendarProperty::Summary)?.values.first()?;
        match text {
            ICalendarValue::Text(name) => Some(plain(name)),
            _ => None,
        }
    };
    let name = |one: u32| name(one).filter(|name| !name.is_empty()).unwrap_or("event".to_owned());
    if let Some(error) = expanded.errors.first() {
        return Err(format!("the time of `{}` cannot be read", name(error.comp_id)));
    }
    if expanded.events.len() > OCCURRENCES_MAX {
        return Err(too_many());
    }
    let read = |one: &Occurrence| match span(one, zone) {
        Some((from, to)) if from <= to => Ok((name(one.comp_id), from, to)),
        _ => Err(format!("`{}` ends before it begins, or outside of time", name(one.comp_id))),
    };
    let mut all = expanded.events.iter().map(read).collect::<Result<Vec<_>, String>>()?;
    // a reminder takes no time
    all.retain(|(_, from, to)| from < to);
    Ok(all)
}

fn too_many() -> String {
    format!("has more than {OCCURRENCES_MAX} occurrences; end its rules by `UNTIL`")
}

/// Refuses a zone that nobody knows: a time in it would be taken for one of the settings' zone.
fn in_known_zones(event: &ICalendarComponent, zones: &TzResolver<String>) -> Result<(), String> {
    let named = event.entries.iter().filter_map(|entry| entry.tz_id());
    let unknown = |id: &&str| zones.resolve(id).is_none();
    match named.into_iter().find(unknown) {
        None => Ok(()),
        Some(id) => Err(format!(
            "names the time zone `{}`, which is not known; write it as `Europe/Berlin`, or its times in UTC",
            plain(id)
        )),
    }
}

fn forget_what_is_none(component: &mut ICalendarComponent) {
    let cancelled = component.entries.iter().any(|entry| {
        matches!(entry.values.first(), Some(ICalendarValue::Status(ICalendarStatus::Cancelled)))
    });
    let other = component.component_type.has_time_ranges()
        && component.component_type != ICalendarComponentType::VEvent;
    if cancelled || other {
        component.component_type = ICalendarComponentType::Other("X-NONE".to_owned());
    }
}

/// Ends every rule that has no end, and refuses what recurs within a day: no load is planned by the minute.
fn end_rules(component: &mut ICalendarComponent) -> Result<(), String> {
    let values = component.entries.iter_mut().flat_map(|entry| &mut entry.values);
    for value in values {
        let ICalendarValue::RecurrenceRule(rule) = value else { continue };
        if rule.freq > ICalendarFrequency::Daily
            || !(rule.byhour.is_empty() && rule.byminute.is_empty() && rule.bysecond.is_empty())
        {
            return Err("holds a rule that recurs within a day".to_owned());
        }
        if rule.until.is_none() && rule.count.is_none() {
            rule.until = Some(PartialDateTime {
                year: Some(RULES_UNTIL),
                month: Some(1),
                day: Some(1),
                ..PartialDateTime::default()
            });
        }
    }
    Ok(())
}

/// The moments between which an occurrence lies. A time without a zone, such as a whole day, is one of `zone`.
fn span(one: &Occurrence, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
    let end = match &one.end {
        TimeOrDelta::Time(end) => *end,
        TimeOrDelta::Delta(length) => one.start.checked_add_signed(*length)?,
    };
    Some((moment(&one.start, zone)?, moment(&end, zone)?))
}

fn moment(at: &chrono::DateTime<Tz>, zone: &TimeZone) -> Option<Timestamp> {
    if !matches!(at.timezone(), Tz::Floating) {
        return Timestamp::from_second(at.timestamp()).ok();
    }
    // a floating time counts its seconds as if it were in UTC
    let local = Timestamp::from_second(at.naive_local().and_utc().timestamp()).ok()?;
    let local: DateTime = local.to_zoned(TimeZone::UTC).datetime();
    local.to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp())
}

/// A calendar's text as a name: what opens a tag, a column, bold or a template there is nothing in a report.
fn plain(text: &str) -> String {
    let odd = |c: char| crate::units::acts(c) || "|`<>\\{}*".contains(c);
    let clean: String = text.chars().map(|c| if odd(c) { ' ' } else { c }).collect();
    clean.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(events: &str) -> Vec<(String, String, String)> {
        let text = format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{events}END:VCALENDAR\r\n");
        let zone = TimeZone::get("Asia/Tokyo").unwrap();
        let all = occurrences(&text, &zone).unwrap();
        all.into_iter().map(|(name, from, to)| (name, from.to_string(), to.to_string())).collect()
    }

    #[test]
    fn whole_days_are_days_of_the_settings_zone_and_times_are_of_their_own() {
        let day = "BEGIN:VEVENT\r\nUID:1\r\nDTSTART;VALUE=DATE:20261123\r\nDTEND;VALUE=DATE:20261124\r\nSUMMARY:勤労感謝の日\r\nEND:VEVENT\r\n";
        // midnight in Tokyo is 15:00 UTC of the day before
        let expected = ("勤労感謝の日", "2026-11-22T15:00:00Z", "2026-11-23T15:00:00Z");
        let told = |(name, from, to): (&str, &str, &str)| {
            (name.to_owned(), from.to_owned(), to.to_owned())
        };
        assert_eq!(read(day), [told(expected)]);
        let time = "BEGIN:VEVENT\r\nUID:2\r\nDTSTART;TZID=America/New_York:20261201T090000\r\nDURATION:PT2H\r\nSUMMARY:Launch <b>|x\r\nEND:VEVENT\r\n";
        // nine in New York in winter is 14:00 UTC; what could open a tag or a column is gone
        let expected = ("Launch b x", "2026-12-01T14:00:00Z", "2026-12-01T16:00:00Z");
        assert_eq!(read(time), [told(expected)]);
    }

    #[test]
    fn a_day_without_an_end_is_one_day_and_a_rule_is_each_of_its_days() {
        let yearly = "BEGIN:VEVENT\r\nUID:3\r\nDTSTART;VALUE=DATE:20250101\r\nRRULE:FREQ=YEARLY;COUNT=3\r\nSUMMARY:New Year\r\nEND:VEVENT\r\n";
        let all = read(yearly);
        let starts: Vec<&str> = all.iter().map(|one| one.1.as_str()).collect();
        assert_eq!(
            starts,
            ["2024-12-31T15:00:00Z", "2025-12-31T15:00:00Z", "2026-12-31T15:00:00Z"]
        );
        assert!(all.iter().all(|one| one.2.ends_with("01T15:00:00Z")), "{all:?}");
    }

    #[test]
    fn a_rule_without_an_end_is_read_for_some_years_and_what_was_cancelled_is_not() {
        let yearly = "BEGIN:VEVENT\r\nUID:4\r\nDTSTART;VALUE=DATE:20260211\r\nRRULE:FREQ=YEARLY\r\nSUMMARY:建国記念の日\r\nEND:VEVENT\r\n";
        // 2026 to 2039
        assert_eq!(read(yearly).len(), 14);
        let off = "BEGIN:VEVENT\r\nUID:5\r\nDTSTART;VALUE=DATE:20261201\r\nSTATUS:CANCELLED\r\nSUMMARY:off\r\nEND:VEVENT\r\n";
        let task = "BEGIN:VTODO\r\nUID:6\r\nDTSTART;VALUE=DATE:20261201\r\nDUE;VALUE=DATE:20261202\r\nSUMMARY:task\r\nEND:VTODO\r\n";
        assert_eq!(read(&format!("{off}{task}")), []);
    }

    #[test]
    fn what_cannot_be_read_is_refused_and_not_left_out() {
        let zone = TimeZone::UTC;
        assert_eq!(
            occurrences("no calendar", &zone),
            Err("is no iCalendar file (`BEGIN:VCALENDAR`)".to_owned())
        );
        let endless = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20200101\r\nRRULE:FREQ=DAILY\r\nSUMMARY:daily\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        assert!(occurrences(endless, &zone).unwrap_err().contains("more than 2000 occurrences"));
        let adrift = endless
            .replace("DTSTART;VALUE=DATE:20200101", "DTSTART;TZID=Mars/Olympus:20261201T090000");
        let why = occurrences(&adrift, &zone).unwrap_err();
        assert!(why.contains("`Mars/Olympus`, which is not known"), "{why}");
        // Outlook has names of its own
        let windows = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART;TZID=Tokyo Standard Time:20261201T090000\r\nDURATION:PT1H\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        assert_eq!(occurrences(windows, &zone).unwrap()[0].1.to_string(), "2026-12-01T00:00:00Z");
        let cut = endless.split_once("SUMMARY").unwrap().0;
        assert!(occurrences(cut, &zone).unwrap_err().starts_with("is cut off"));
        let often = endless.replace("DAILY", "SECONDLY;BYMONTH=2;BYMONTHDAY=30");
        let why = "holds a rule that recurs within a day".to_owned();
        assert_eq!(occurrences(&often, &zone), Err(why));
        let back = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20260102\r\nDTEND;VALUE=DATE:20260101\r\nSUMMARY:back\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        let why = "`back` ends before it begins, or outside of time".to_owned();
        assert_eq!(occurrences(back, &zone), Err(why));
        let timeless =
            "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:party\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        assert_eq!(
            occurrences(timeless, &zone),
            Err("the time of `party` cannot be read".to_owned())
        );
    }
}
