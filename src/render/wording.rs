//! The words that charts, page and Markdown share: figures with the digits that say something, dates as
//! people say them, odds as "1 in 10".
//!
//! Sentences may hold `` `code` `` and `**bold**`; the renderers turn these into their own form.

use jiff::Timestamp;
use jiff::civil::Date;

use crate::Assessment;
use crate::advise::plan::Runway;
use crate::units::{Bytes, Ratio};

/// Load for people: one decimal below 100, none above.
#[must_use]
pub fn rps(load: f64) -> String {
    if !load.is_finite() {
        "unknown".to_owned()
    } else if load.abs() >= 99.95 {
        thousands(load.round())
    } else {
        format!("{load:.1}")
    }
}

/// What was seen, or that nothing was.
#[must_use]
pub fn seen(load: f64) -> String {
    if load.is_finite() { rps(load) } else { "no data".to_owned() }
}

/// A boundary of the table as the team wrote it: `50`, `7.5`.
#[must_use]
pub fn boundary(load: f64) -> String {
    format!("{load}")
}

/// A whole figure with commas: `196,086`.
#[must_use]
pub fn thousands(value: impl std::fmt::Display) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share in percent: whole from 10 % up, one decimal below and close to 100 %, so that 99.5 is not "100".
#[must_use]
pub fn percent(share: f64) -> String {
    let value = share * 100.0;
    if !value.is_finite() {
        return "unknown".to_owned();
    }
    let rounded = (value * 10.0).round() / 10.0;
    if rounded.fract() == 0.0 || (10.0..90.0).contains(&rounded) || rounded > 100.0 {
        format!("{value:.0}\u{202f}%")
    } else {
        format!("{rounded:.1}\u{202f}%")
    }
}

/// A chance: whole percent, and words at the ends where sampled futures say no more.
#[must_use]
pub fn chance(p: f64, futures: usize) -> String {
    let finest = 1.0 / f64::from(u32::try_from(futures.max(1)).unwrap_or(u32::MAX));
    if p <= 0.0 {
        format!("under {}", percent(finest.max(0.001)))
    } else if p >= 1.0 {
        "certain".to_owned()
    } else if p < 0.01 {
        percent(p)
    } else {
        format!("{:.0}\u{202f}%", (p * 100.0).min(99.0))
    }
}

/// A risk as odds: `1-in-20`, where that is a whole number, else `7 %`.
#[must_use]
pub fn odds(risk: Ratio) -> String {
    let one_in = 1.0 / risk.0;
    if one_in.is_finite() && (one_in - one_in.round()).abs() < 1e-6 {
        format!("1-in-{one_in:.0}")
    } else {
        percent(risk.0)
    }
}

/// Bytes for people: whole mebibytes below one gibibyte, one decimal of a gibibyte from ten up.
#[must_use]
pub fn bytes(bytes: f64) -> String {
    let exact = Bytes::at_least(bytes, Bytes(1));
    let text = exact.to_string();
    if text.len() <= 6 && text.ends_with('i') {
        return text;
    }
    let (mebi, gibi) = (bytes / 1_048_576.0, bytes / 1_073_741_824.0);
    if gibi >= 10.0 {
        format!("{gibi:.1}Gi")
    } else if gibi >= 1.0 {
        format!("{gibi:.2}Gi")
    } else {
        format!("{mebi:.0}Mi")
    }
}

/// A count and its noun: `1 pod`, `4 pods`.
#[must_use]
pub fn counted(count: impl TryInto<u64>, noun: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", thousands(count))
}

/// A small count in words at the start of a sentence: `Four`.
#[must_use]
pub fn spelled(count: usize) -> String {
    const WORDS: [&str; 10] =
        ["No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine"];
    WORDS.get(count).map_or_else(|| count.to_string(), |word| (*word).to_owned())
}

/// A list as people say it: `a`, `a and b`, `a, b and c`.
#[must_use]
pub fn list(items: &[impl AsRef<str>]) -> String {
    let items: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
    match items.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// A range of counts: `5–10`, or `4` where both ends are one.
#[must_use]
pub fn range(min: u32, max: u32) -> String {
    if min == max { min.to_string() } else { format!("{min}–{max}") }
}

/// A span of time: `3 h 5 min`, `20 min`, `2 d`.
#[must_use]
pub fn span(seconds: i64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds % 86_400 / 3_600, seconds % 3_600 / 60);
    let parts = [(days, "d"), (hours, "h"), (minutes, "min")];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .take(2)
        .map(|(count, unit)| format!("{count} {unit}"))
        .collect();
    if parts.is_empty() { "under 1 min".to_owned() } else { parts.join(" ") }
}

/// A duration in the policy as people say it: `7 days`, `4 weeks`, `36 hours`.
#[must_use]
pub fn window(seconds: i64) -> String {
    let (count, noun) = match seconds {
        s if s % 86_400 == 0 => (s / 86_400, "day"),
        s if s % 3_600 == 0 => (s / 3_600, "hour"),
        s => (s / 60, "minute"),
    };
    counted(count, noun)
}

/// The name of a component as people say it: `API`, `Worker`; a name with digits or dashes stays as it is.
#[must_use]
pub fn component(name: &str) -> String {
    const SHORT: [&str; 10] = ["api", "bff", "cdn", "db", "gpu", "llm", "mq", "ui", "ml", "web"];
    if name != "web" && SHORT.contains(&name) {
        return name.to_uppercase();
    }
    if !name.chars().all(|c| c.is_ascii_lowercase()) {
        return name.to_owned();
    }
    capital(name)
}

/// The text with its first letter large.
#[must_use]
pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// A message as a sentence: first letter large, and without a full stop of its own. A word in backticks or with
/// a large letter inside (`maxReplicas`) keeps its form.
#[must_use]
pub fn sentence(message: &str) -> String {
    let message = message.trim().trim_end_matches('.');
    let first = message.split_whitespace().next().unwrap_or("");
    if first.chars().skip(1).any(char::is_uppercase) {
        message.to_owned()
    } else {
        capital(message)
    }
}

/// A message of the plan as a page sets it: `5-10` with a dash, `5%` with its space, round apostrophes, days and long
/// figures as people say them. Code keeps its form.
#[must_use]
pub fn typeset(message: &str) -> String {
    let set = |text: &str| {
        let words = text.split(' ').map(typeset_word);
        words.collect::<Vec<_>>().join(" ").replace(" %", "\u{202f}%")
    };
    let parts = message.split('`').enumerate();
    let parts = parts.map(|(at, part)| if at % 2 == 1 { part.to_owned() } else { set(part) });
    parts.collect::<Vec<_>>().join("`")
}

fn typeset_word(word: &str) -> String {
    let core = word.trim_matches(|c| "(),;:.".contains(c));
    let is_number =
        |text: &str| text.starts_with(|c: char| c.is_ascii_digit()) && text.parse::<f64>().is_ok();
    let is_date = core.len() == 10 && core.contains('-');
    let set = if core.is_empty() {
        return word.to_owned();
    } else if let Some(date) = core.parse::<Date>().ok().filter(|_| is_date) {
        day(date)
    } else if let Some(number) = core.strip_suffix('%').filter(|number| is_number(number)) {
        format!("{number}\u{202f}%")
    } else if let Some((from, to)) =
        core.split_once('-').filter(|(from, to)| is_number(from) && is_number(to))
    {
        format!("{from}–{to}")
    } else if core.len() > 4 && core.bytes().all(|byte| byte.is_ascii_digit()) {
        thousands(core)
    } else {
        core.replace('\'', "’")
    };
    word.replacen(core, &set, 1)
}

/// A message as a sentence; one that begins with a component says its name as people do.
#[must_use]
pub fn named(a: &Assessment, message: &str) -> String {
    sentence(&spoken(a, message))
}

/// A message inside a sentence; a component that it begins with by the name that people say.
#[must_use]
pub fn spoken(a: &Assessment, message: &str) -> String {
    let message = &typeset(message);
    let first = message.split([' ', ':', ',']).next().unwrap_or("");
    match a.service.components.iter().find(|known| known.name == first) {
        Some(known) => {
            format!("{}{}", component(&known.name), message[first.len()..].trim_end_matches('.'))
        }
        None => message.trim().trim_end_matches('.').to_owned(),
    }
}

/// A local day as the review says it: `Fri 27 Nov`.
#[must_use]
pub fn day(date: Date) -> String {
    date.strftime("%a %-d %b").to_string()
}

/// The local day of a moment, with its year: `27 November 2026`.
#[must_use]
pub fn date(a: &Assessment, moment: Timestamp) -> String {
    moment.to_zoned(a.calendar.zone.clone()).strftime("%-d %B %Y").to_string()
}

/// The local day and time of a moment: `Fri 27 Nov 09:10`.
#[must_use]
pub fn moment(a: &Assessment, moment: Timestamp) -> String {
    moment.to_zoned(a.calendar.zone.clone()).strftime("%a %-d %b %H:%M").to_string()
}

/// The review's own moment: `Monday 23 November 2026, 10:00 JST`.
#[must_use]
pub fn stamp(a: &Assessment) -> String {
    a.at.to_zoned(a.calendar.zone.clone()).strftime("%A %-d %B %Y, %H:%M %Z").to_string()
}

/// The span of a mark, the second day only where it differs: `Tue 10 Nov 13:10–19:40`.
#[must_use]
pub fn between(a: &Assessment, from: Timestamp, to: Timestamp) -> String {
    let end = to.to_zoned(a.calendar.zone.clone());
    if from.to_zoned(a.calendar.zone.clone()).date() == end.date() {
        format!("{}–{}", moment(a, from), end.strftime("%H:%M"))
    } else {
        format!("{} to {}", moment(a, from), moment(a, to))
    }
}

/// The last day of the outlook: `21 Dec`.
#[must_use]
pub fn outlook_end(a: &Assessment) -> String {
    let end = Timestamp::from_second(a.at.as_second() + a.policy.outlook.0).unwrap_or(a.at);
    end.to_zoned(a.calendar.zone.clone()).strftime("%-d %b").to_string()
}

/// What stands for a date that is not inside the outlook: `after 21 Dec`.
#[must_use]
pub fn after(a: &Assessment) -> String {
    format!("after {}", outlook_end(a))
}

/// The local day of the review.
#[must_use]
pub fn today(a: &Assessment) -> Date {
    a.at.to_zoned(a.calendar.zone.clone()).date()
}

/// A date, `today`, or that it is not inside the outlook.
#[must_use]
pub fn day_or_after(a: &Assessment, date: Option<Date>) -> String {
    match date {
        None => after(a),
        Some(date) if date <= today(a) => "today".to_owned(),
        Some(date) => day(date),
    }
}

/// Whether a limit is reached today at even odds already: then its dates are no news.
#[must_use]
pub fn already(a: &Assessment, dates: Runway) -> bool {
    dates.p50.is_some_and(|even| even <= today(a))
}

/// When a limit is reached, at 1 in 10 and at even odds.
#[must_use]
pub fn dates(a: &Assessment, dates: Runway) -> (String, String) {
    if already(a, dates) {
        return ("already".to_owned(), "already".to_owned());
    }
    (day_or_after(a, dates.p90), day_or_after(a, dates.p50))
}

/// By when something must be done: `today`, `before Friday` inside a week, else `before 4 December`.
#[must_use]
pub fn deadline(a: &Assessment, date: Date) -> String {
    let days = today(a).until(date).map_or(i32::MAX, |span| span.get_days());
    match days {
        ..=0 => "today".to_owned(),
        1..=6 => format!("before {}", date.strftime("%A")),
        _ => format!("before {}", date.strftime("%-d %B")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_the_digits_that_say_something() {
        assert_eq!(rps(58.24), "58.2");
        assert_eq!(rps(12_345.6), "12,346");
        assert_eq!(rps(f64::NAN), "unknown");
        assert_eq!(thousands(196_086), "196,086");
        assert_eq!(percent(0.995), "99.5\u{202f}%");
        assert_eq!(percent(0.41), "41\u{202f}%");
        assert_eq!(percent(1.0), "100\u{202f}%");
        // 99.96 % is not complete, and must not read as if it were
        assert_eq!(percent(0.9994), "99.9\u{202f}%");
        assert_eq!(bytes(512.0 * 1_048_576.0), "512Mi");
        assert_eq!(bytes(33.6 * 1_073_741_824.0), "33.6Gi");
        assert_eq!(span(11_100), "3 h 5 min");
    }

    #[test]
    fn a_message_is_set_like_the_page_around_it_but_for_its_code() {
        assert_eq!(
            typeset("58.6 rps at 5% risk is High (50-200): 5-10 pods"),
            "58.6 rps at 5\u{202f}% risk is High (50–200): 5–10 pods"
        );
        assert_eq!(
            typeset("78 of 16129 steps; enough on 2026-11-28"),
            "78 of 16,129 steps; enough on Sat 28 Nov"
        );
        assert_eq!(typeset("the last week's peak"), "the last week’s peak");
        // a name is no range, and code is left alone
        assert_eq!(typeset("qdrant-0 and `a-1 2-3 'x'`"), "qdrant-0 and `a-1 2-3 'x'`");
    }

    #[test]
    fn chances_at_the_ends_are_words_not_zeros() {
        assert_eq!(chance(0.0, 2000), "under 0.1\u{202f}%");
        assert_eq!(chance(0.0, 100), "under 1\u{202f}%");
        assert_eq!(chance(0.9999, 2000), "99\u{202f}%");
        assert_eq!(chance(1.0, 2000), "certain");
        assert_eq!(odds(Ratio(0.05)), "1-in-20");
        assert_eq!(odds(Ratio(0.07)), "7\u{202f}%");
    }

    #[test]
    fn a_message_becomes_a_sentence_without_bending_its_names() {
        assert_eq!(sentence("the row ends at 10 pods"), "The row ends at 10 pods");
        assert_eq!(sentence("maxReplicas is too low."), "maxReplicas is too low");
        assert_eq!(component("api"), "API");
        assert_eq!(component("data-0"), "data-0");
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
    }
}
