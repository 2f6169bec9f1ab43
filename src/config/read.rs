//! Reading one value: from the text in the file to a checked quantity, or a problem that says where and what to write.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::error::Problem;
use super::place::join;
use super::raw::Text;
use crate::units::{Period, Ratio, UnitError, acts};

/// A cluster holds at most 150,000 pods (Kubernetes, "Considerations for large clusters").
pub(super) const PODS_MAX: u64 = 150_000;

/// The file that is being read, and what was found wrong with it so far.
pub(super) struct Reader<'a> {
    pub(super) file: &'a str,
    pub(super) base: &'a Path,
    pub(super) problems: Vec<Problem>,
    /// What is odd but can be used.
    pub(super) warnings: Vec<Problem>,
    /// The text of each runbook that was read, for the settings' hash.
    pub(super) runbooks: Vec<String>,
    /// Whether history comes from files and from nobody who is asked.
    pub(super) only_files: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: &'a str, base: &'a Path) -> Self {
        Self {
            file,
            base,
            problems: Vec::new(),
            warnings: Vec::new(),
            runbooks: Vec::new(),
            only_files: false,
        }
    }

    /// Notes a problem of this file.
    pub(super) fn problem(
        &mut self,
        line: usize,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.problems.push(Problem {
            file: self.file.to_owned(),
            line: (line > 0).then_some(line),
            message: message.into(),
            hint: hint.into(),
        });
    }

    /// A value of a unit; `None` where it is absent or wrong.
    pub(super) fn unit<T: FromStr<Err = UnitError>>(
        &mut self,
        path: &str,
        raw: Option<&Text>,
    ) -> Option<T> {
        let raw = raw?;
        raw.value.parse().map_err(|error: UnitError| self.wrong_unit(path, raw, &error)).ok()
    }

    fn wrong_unit(&mut self, path: &str, raw: &Text, error: &UnitError) {
        let hint = error.hint();
        self.problem(raw.line, format!("`{path}`: {error}"), hint);
    }

    /// A duration within `least..=most`; `None` where it is absent or wrong.
    pub(super) fn period(
        &mut self,
        path: &str,
        raw: Option<&Text>,
        (least, most): (Period, Period),
    ) -> Option<Period> {
        let period = self.unit::<Period>(path, raw)?;
        if (least..=most).contains(&period) {
            return Some(period);
        }
        let line = raw.map_or(0, |raw| raw.line);
        let message = format!("`{path}`: `{period}` is out of range");
        let hint = format!("write a duration from `{least}` to `{most}`");
        self.problem(line, message, hint);
        None
    }

    /// A share within `least..=most`; `None` where it is absent or wrong.
    pub(super) fn ratio(
        &mut self,
        path: &str,
        raw: Option<&Text>,
        (least, most): (f64, f64),
    ) -> Option<Ratio> {
        let ratio = self.unit::<Ratio>(path, raw)?;
        if (least..=most).contains(&ratio.0) {
            return Some(ratio);
        }
        let line = raw.map_or(0, |raw| raw.line);
        let message = format!("`{path}`: `{ratio}` is out of range");
        let hint = format!("write a share from `{}` to `{}`", Ratio(least), Ratio(most));
        self.problem(line, message, hint);
        None
    }

    /// A plain number within `least..=most`; `None` where it is absent or wrong.
    pub(super) fn number(
        &mut self,
        path: &str,
        raw: Option<&Text>,
        (least, most): (f64, f64),
    ) -> Option<f64> {
        let raw = raw?;
        match plain_number(&raw.value) {
            Some(number) if (least..=most).contains(&number) => Some(number),
            _ => {
                let message = format!("`{path}`: `{}` is not a number in range", raw.value);
                self.problem(raw.line, message, format!("write a number from {least} to {most}"));
                None
            }
        }
    }

    /// A whole number within `least..=most`; `None` where it is absent or wrong.
    pub(super) fn count<T: TryFrom<u64>>(
        &mut self,
        path: &str,
        raw: Option<&Text>,
        (least, most): (u64, u64),
    ) -> Option<T> {
        let raw = raw?;
        let digits = raw.value.bytes().all(|b| b.is_ascii_digit());
        let count = raw.value.parse::<u64>().ok().filter(|_| digits);
        let count = count.filter(|count| (least..=most).contains(count));
        let count = count.and_then(|count| T::try_from(count).ok());
        if count.is_none() {
            let message = format!("`{path}`: `{}` is not a whole number in range", raw.value);
            let hint = format!("write a whole number from {least} to {most}");
            self.problem(raw.line, message, hint);
        }
        count
    }

    /// `true` or `false`, as YAML 1.2 spells them; `None` where it is absent or wrong.
    pub(super) fn flag(&mut self, path: &str, raw: Option<&Text>) -> Option<bool> {
        let raw = raw?;
        match raw.value.as_str() {
            "true" => Some(true),
            "false" => Some(false),
            other => {
                let message = format!("`{path}`: `{other}` is not `true` or `false`");
                self.problem(raw.line, message, "write `true` or `false`");
                None
            }
        }
    }

    /// A file or folder, relative to the settings file; `None` where it is absent or wrong.
    pub(super) fn path(&mut self, path: &str, raw: Option<&Text>) -> Option<PathBuf> {
        let raw = raw?;
        let value = self.literal(path, raw)?;
        if value.is_empty() || value.starts_with('~') {
            let message = format!("`{path}`: `{value}` is not a path");
            let hint =
                "write it out, absolute or relative to the settings file; `~` is not expanded";
            self.problem(raw.line, message, hint);
            return None;
        }
        Some(self.base.join(value))
    }

    /// Text that is taken as it stands; what looks like a variable is refused, since none is expanded.
    pub(super) fn literal<'t>(&mut self, path: &str, raw: &'t Text) -> Option<&'t str> {
        if raw.value.contains("${") || raw.value.contains("$(") || raw.value.contains("$__") {
            let message = format!("`{path}`: `{}` holds a variable", raw.value);
            self.problem(raw.line, message, "write the value out: variables are not expanded");
            return None;
        }
        if raw.value.chars().any(acts) {
            let message = format!("`{path}`: holds a control character");
            self.problem(raw.line, message, "write it on one line, in printable characters");
            return None;
        }
        Some(&raw.value)
    }

    /// A name that Kubernetes takes as a label (RFC 1123: 1 to 63 of `a-z0-9-`).
    pub(super) fn label(&mut self, path: &str, raw: &Text) -> Option<String> {
        self.kubernetes_name(
            path,
            raw,
            is_dns_label,
            "63 of `a-z`, `0-9` and `-`, such as `jarvis-api`",
        )
    }

    /// A name that Kubernetes takes for an object (RFC 1123 subdomain: labels joined by dots, up to 253).
    pub(super) fn object_name(&mut self, path: &str, raw: &Text) -> Option<String> {
        self.kubernetes_name(path, raw, is_dns_subdomain, "253 of `a-z`, `0-9`, `-` and `.`")
    }

    fn kubernetes_name(
        &mut self,
        path: &str,
        raw: &Text,
        fits: fn(&str) -> bool,
        expected: &str,
    ) -> Option<String> {
        if fits(&raw.value) {
            return Some(raw.value.clone());
        }
        let message = format!("`{path}`: `{}` is not a Kubernetes name", printable(&raw.value));
        let hint = format!("write 1 to {expected}, beginning and ending with a letter or digit");
        self.problem(raw.line, message, hint);
        None
    }

    /// A name for people, which ends up in tables, Markdown, HTML and YAML comments.
    pub(super) fn title(&mut self, path: &str, raw: &Text) -> Option<String> {
        let name = raw.value.trim();
        let odd = |c: char| acts(c) || "|`<>\\".contains(c);
        let length = name.chars().count();
        if (1..=80).contains(&length)
            && !name.contains(odd)
            && !name.contains("{{")
            && !name.contains("**")
        {
            return Some(name.to_owned());
        }
        let message = format!("`{path}`: `{}` is not a usable name", printable(&raw.value));
        let hint = "write 1 to 80 characters, without ``|`<>\\``, `{{`, `**` and characters that are not shown";
        self.problem(raw.line, message, hint);
        None
    }

    /// Of several `(name, line)`, notes each that stood before.
    pub(super) fn no_twins<'t>(
        &mut self,
        what: &str,
        names: impl IntoIterator<Item = (&'t str, usize)>,
        hint: &str,
    ) {
        let mut seen = std::collections::BTreeMap::new();
        for (name, line) in names {
            if let Some(first) = seen.insert(name.to_owned(), line) {
                let message = format!("{what} `{name}` stands twice (first on line {first})");
                self.problem(line, message, hint);
            }
        }
    }
}

/// A path, key by key.
pub(super) fn at(path: &str, key: &str) -> String {
    join(path, key)
}

/// A finite number as people write it: digits with at most one point, and an exponent if need be.
fn plain_number(text: &str) -> Option<f64> {
    let plain = |b: u8| b.is_ascii_digit() || b".eE+-".contains(&b);
    let number: f64 = text.parse().ok().filter(|_| text.bytes().all(plain))?;
    number.is_finite().then_some(number)
}

/// Whether `name` is an RFC 1123 label.
pub(super) fn is_dns_label(name: &str) -> bool {
    name.len() <= 63 && is_dns_part(name)
}

/// Whether `name` is an RFC 1123 subdomain. The API server holds the whole of it to a length, and no part.
fn is_dns_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_dns_part)
}

fn is_dns_part(name: &str) -> bool {
    let inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !name.is_empty() && name.bytes().all(inside) && !name.starts_with('-') && !name.ends_with('-')
}

/// Text made safe to print on one line.
pub(super) fn printable(text: &str) -> String {
    text.chars().take(100).flat_map(char::escape_debug).collect()
}
