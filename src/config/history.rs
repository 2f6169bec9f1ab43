//! The `history:` part: the Prometheus, the files, the store.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::raw::{self, Entries, Text};
use super::read::{Reader, at};
use super::{HistorySettings, PrometheusSettings};
use crate::units::Period;

/// Points that a series may have: ten years of five-minute steps.
const POINTS_MAX: i64 = 1_051_200;

/// Headers that carry secrets, lower case.
const SECRET_HEADERS: [&str; 5] =
    ["authorization", "proxy-authorization", "cookie", "x-api-key", "x-auth-token"];

impl Reader<'_> {
    pub(super) fn history(&mut self, raw: Option<&raw::History>) -> HistorySettings {
        let none = raw::History::default();
        let raw = raw.unwrap_or(&none);
        let step = self.step(raw.step.as_ref());
        HistorySettings {
            prometheus: raw.prometheus.as_ref().and_then(|p| self.prometheus(p)),
            files: self.files(raw.files.as_deref().unwrap_or_default()),
            step,
            lookback: self.lookback(raw.lookback.as_ref(), step),
            store: self
                .path("history.store", raw.store.as_ref())
                .unwrap_or_else(|| self.base.join(".plimsoll/history")),
        }
    }

    fn files(&mut self, files: &[Text]) -> Vec<PathBuf> {
        let mut paths = Vec::new();
        for (index, file) in files.iter().enumerate() {
            paths.extend(self.path(&format!("history.files[{index}]"), Some(file)));
        }
        paths
    }

    /// The step divides an hour, the grain of forecasts.
    fn step(&mut self, raw: Option<&Text>) -> Period {
        let path = "history.step";
        let step = self.period(path, raw, (Period(1), Period::HOUR));
        let step = step.unwrap_or(Period(300));
        if Period::HOUR.0 % step.0 != 0 {
            let line = raw.map_or(0, |raw| raw.line);
            let message = format!("`{path}`: `{step}` does not divide an hour");
            self.problem(line, message, "write a step such as `1m`, `5m` or `15m`");
        }
        step
    }

    fn lookback(&mut self, raw: Option<&Text>, step: Period) -> Period {
        let range = (Period::DAY, Period(step.0 * POINTS_MAX));
        self.period("history.lookback", raw, range).unwrap_or(Period(8 * Period::WEEK.0))
    }

    pub(super) fn prometheus(&mut self, raw: &raw::Prometheus) -> Option<PrometheusSettings> {
        let here = |key: &str| at("history.prometheus", key);
        self.one_login(raw);
        let url = self.url(&here("url"), &raw.url);
        let settings = PrometheusSettings {
            url: url.clone().unwrap_or_default(),
            bearer_token_file: self.path(&here("bearerTokenFile"), raw.bearer_token_file.as_ref()),
            username: self.plain(&here("username"), raw.username.as_ref()),
            password_file: self.path(&here("passwordFile"), raw.password_file.as_ref()),
            ca_file: self.path(&here("caFile"), raw.ca_file.as_ref()),
            cert_file: self.path(&here("certFile"), raw.cert_file.as_ref()),
            key_file: self.path(&here("keyFile"), raw.key_file.as_ref()),
            headers: self.headers(raw.headers.as_ref()),
            max_samples: self
                .count(&here("maxSamples"), raw.max_samples.as_ref(), (1, 10_000_000_000))
                .unwrap_or(10_000_000),
            concurrency: self
                .count(&here("concurrency"), raw.concurrency.as_ref(), (1, 32))
                .unwrap_or(4),
            timeout: self
                .period(&here("timeout"), raw.timeout.as_ref(), (Period(1), Period::HOUR))
                .unwrap_or(Period(30)),
            patience: self
                .period(&here("patience"), raw.patience.as_ref(), (Period(1), Period::HOUR))
                .unwrap_or(Period(60)),
        };
        url.map(|_| settings)
    }

    fn plain(&mut self, path: &str, raw: Option<&Text>) -> Option<String> {
        raw.and_then(|raw| self.literal(path, raw)).map(str::to_owned)
    }

    /// Keys that need or exclude each other.
    fn one_login(&mut self, raw: &raw::Prometheus) {
        let mut needs = |has: Option<&Text>, other: Option<&Text>, key: &str, needed: &str| {
            if let (Some(has), None) = (has, other) {
                let message = format!("`history.prometheus.{key}` stands without `{needed}`");
                self.problem(has.line, message, format!("add `{needed}:`, or remove `{key}:`"));
            }
        };
        let (cert, key) = (raw.cert_file.as_ref(), raw.key_file.as_ref());
        needs(cert, key, "certFile", "keyFile");
        needs(key, cert, "keyFile", "certFile");
        needs(raw.password_file.as_ref(), raw.username.as_ref(), "passwordFile", "username");
        if let (Some(user), Some(_)) = (&raw.username, &raw.bearer_token_file) {
            let message =
                "`history.prometheus`: `username` and `bearerTokenFile` exclude each other";
            self.problem(user.line, message, "keep the one that your Prometheus asks for");
        }
    }

    /// The address without its trailing slash; nothing secret in it, and nothing that a path would be joined to wrongly.
    pub(super) fn url(&mut self, path: &str, raw: &Text) -> Option<String> {
        let text = self.literal(path, raw)?;
        let shown = without_secrets(text);
        let has_scheme = text.starts_with("http://") || text.starts_with("https://");
        if !has_scheme {
            let rest = shown.split_once("://").map_or(shown.as_str(), |(_, rest)| rest);
            let message = format!("`{path}`: `{shown}` has no `http://` or `https://`");
            self.problem(raw.line, message, format!("write `http://{rest}`"));
            return None;
        }
        let Ok(url) = reqwest::Url::parse(text) else {
            let message = format!("`{path}`: `{shown}` is not a URL");
            self.problem(raw.line, message, "write it as `http://prometheus.monitoring:9090`");
            return None;
        };
        if !url.username().is_empty() || url.password().is_some() {
            let message = format!("`{path}` holds a login");
            let hint = "secrets never stand in settings: use `username:` and `passwordFile:`";
            self.problem(raw.line, message, hint);
            return None;
        }
        if url.query().is_some() || url.fragment().is_some() || text.contains(char::is_whitespace) {
            let message = format!("`{path}`: `{shown}` is not a base address");
            let hint = "leave out everything from `?` or `#` on, and blanks";
            self.problem(raw.line, message, hint);
            return None;
        }
        Some(text.trim_end_matches('/').to_owned())
    }

    fn headers(&mut self, raw: Option<&Entries<Text>>) -> BTreeMap<String, String> {
        let mut headers = BTreeMap::new();
        for (name, value) in raw.map_or(&[][..], |entries| &entries.0) {
            let path = at("history.prometheus.headers", &name.value);
            if SECRET_HEADERS.contains(&name.value.to_ascii_lowercase().as_str()) {
                let message = format!("`{path}` holds a secret");
                let hint = "secrets never stand in settings: use `bearerTokenFile:`, or `username:` and `passwordFile:`";
                self.problem(name.line, message, hint);
            } else if !is_header_name(&name.value) {
                let message = format!("`{path}` is not a header's name");
                self.problem(name.line, message, "write a name such as `X-Scope-OrgID`");
            } else if !value.value.bytes().all(|b| (0x20..0x7f).contains(&b)) {
                let message = format!("`{path}`: the value is not printable ASCII");
                self.problem(value.line, message, "write it in printable ASCII, on one line");
            } else if let Some(value) = self.literal(&path, value) {
                headers.insert(name.value.clone(), value.to_owned());
            }
        }
        headers
    }
}

/// An address as it may be shown: what stands before an `@` may be a login, and what follows a `?` or `#` a token, also
/// where it is no address at all.
fn without_secrets(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").map_or(("", text), |(scheme, rest)| (scheme, rest));
    let scheme = if scheme.is_empty() { String::new() } else { format!("{scheme}://") };
    let (login, rest) = rest.rsplit_once('@').map_or(("", rest), |(_, rest)| ("…@", rest));
    let end = rest.find(['?', '#']).map(|at| at + 1);
    let more = if end.is_some_and(|end| end < rest.len()) { "…" } else { "" };
    format!("{scheme}{login}{}{more}", &rest[..end.unwrap_or(rest.len())])
}

/// A token of RFC 9110, section 5.6.2.
fn is_header_name(name: &str) -> bool {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !name.is_empty() && name.bytes().all(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_secret_is_not_shown_of_an_address() {
        for (text, shown) in [
            ("http://prometheus:9090", "http://prometheus:9090"),
            ("prometheus:9090", "prometheus:9090"),
            ("https://ann:s3cret@forge/api", "https://…@forge/api"),
            ("https://ann:s3/c#r?e@t@forge:x", "https://…@forge:x"),
            ("ann:s3cret@forge", "…@forge"),
            ("ftp://:s3cret@", "ftp://…@"),
            ("https://s3cret:@x y", "https://…@x y"),
            ("https://forge/?token=s3cret", "https://forge/?…"),
            ("https://forge/#", "https://forge/#"),
        ] {
            assert_eq!(without_secrets(text), shown);
        }
    }
}
