//! How long a busy source asks to be left alone.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

/// How long the source asks us to wait: in seconds, or until a date of its own clock (RFC 9110, section 10.2.3).
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok();
    let asked = text(RETRY_AFTER)?;
    if let Ok(seconds) = asked.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text: &str| DateTimeParser::new().parse_timestamp(text).ok();
    // its own clock, where it tells it: ours may be another
    let now = text(DATE).and_then(date).unwrap_or_else(Timestamp::now);
    Some(date(asked)?.duration_since(now).try_into().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn case_04_a_date_to_retry_after_counts_from_the_clock_of_the_source() {
        let wait = |pairs: &[(_, &'static str)]| {
            let pairs = pairs.iter().map(|(name, value)| (name, HeaderValue::from_static(value)));
            retry_after(&pairs.map(|(name, value)| (HeaderName::clone(name), value)).collect())
        };
        let date = (DATE, "Wed, 21 Oct 2015 07:28:00 GMT");
        assert_eq!(wait(&[(RETRY_AFTER, "90")]), Some(Duration::from_secs(90)));
        let later = (RETRY_AFTER, "Wed, 21 Oct 2015 07:28:07 GMT");
        assert_eq!(wait(&[date.clone(), later.clone()]), Some(Duration::from_secs(7)));
        // by our own clock that date is long past
        assert_eq!(wait(&[later]), Some(Duration::ZERO));
        assert_eq!(wait(&[(RETRY_AFTER, "soon")]), None);
        assert_eq!(wait(&[date]), None);
    }
}
