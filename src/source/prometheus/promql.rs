//! Pieces of `PromQL` that a name cannot break out of.
//!
//! Names of services, components and labels come from settings and clusters. They reach a query only
//! through [`Matchers`], which quotes every value, so that a `"` or `|` in a name stays a character.
//!
//! Sources: Prometheus, "Querying basics" (string literals follow Go's escaping rules; regular
//! expressions are RE2 and fully anchored) and "Data model" (the grammar of label names).

use std::fmt;

/// How a label is held against a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex,
}

/// The braces of a selector: every value quoted, every label name checked by its maker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matchers(Vec<(String, Match, String)>);

impl Matchers {
    /// No condition.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more condition.
    #[must_use]
    pub fn and(mut self, label: &str, how: Match, value: &str) -> Self {
        self.0.push((label.to_owned(), how, value.to_owned()));
        self
    }

    /// With one more `label="value"`.
    #[must_use]
    pub fn equal(self, label: &str, value: &str) -> Self {
        self.and(label, Match::Equal, value)
    }

    /// The labels that are conditioned on, in order.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(label, _, _)| label.as_str())
    }

    /// The conditions on `label` alone.
    #[must_use]
    pub fn only(&self, label: &str) -> Self {
        let mine = self.0.iter().filter(|(name, _, _)| name == label);
        Self(mine.cloned().collect())
    }

    /// Without the conditions on `label`.
    #[must_use]
    pub fn without(&self, label: &str) -> Self {
        let others = self.0.iter().filter(|(name, _, _)| name != label);
        Self(others.cloned().collect())
    }
}

impl fmt::Display for Matchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (i, (label, how, value)) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            let operator = match how {
                Match::Equal => "=",
                Match::NotEqual => "!=",
                Match::Regex => "=~",
            };
            write!(f, "{comma}{label}{operator}{}", quoted(value))?;
        }
        f.write_str("}")
    }
}

/// A `PromQL` string literal that means exactly `text`.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A regular expression that matches exactly `text`.
#[must_use]
pub fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Whether Prometheus takes `name` as a label's name: `[a-zA-Z_][a-zA-Z0-9_]*`.
#[must_use]
pub fn is_label_name(name: &str) -> bool {
    let first = name.chars().next();
    first.is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_64_a_quote_in_a_name_stays_inside_the_string() {
        let matchers = Matchers::new().equal("service", "a\"} or vector(1) #\\\n").and(
            "pod",
            Match::Regex,
            "x|y",
        );
        assert_eq!(matchers.to_string(), r#"{service="a\"} or vector(1) #\\\n",pod=~"x|y"}"#);
    }

    #[test]
    fn a_literal_expression_matches_only_itself() {
        assert_eq!(literal("api.v1|b"), r"api\.v1\|b");
        assert_eq!(
            Matchers::new().and("pod", Match::Regex, &literal("a.b")).to_string(),
            r#"{pod=~"a\\.b"}"#
        );
    }

    #[test]
    fn label_names_are_those_of_prometheus() {
        for good in ["service", "_x", "k8s_app"] {
            assert!(is_label_name(good), "{good}");
        }
        for bad in ["", "1x", "app.kubernetes.io/name", "a-b", "ä"] {
            assert!(!is_label_name(bad), "{bad}");
        }
    }
}
