//! Plan -> YAML, and the small writer behind the overlay and the patches.
//!
//! [`Tree`] holds keys and scalars, so that no name can end its line or change the structure: what is
//! not plainly a word is written as a double-quoted scalar (YAML 1.2, 7.3.1), of which a JSON string is
//! a case.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::advise::plan::{Amount, Plan};
use crate::render::text::{visible, width};

/// The plan as YAML: the same keys and order as in JSON.
///
/// # Errors
///
/// None in practice, as for JSON.
pub fn yaml(plan: &Plan) -> Result<String, YamlError> {
    let mut value = serde_json::to_value(plan)?;
    value.sort_all_objects();
    Ok(serde_saphyr::to_string(&value)?)
}

/// Why a plan could not be written as YAML.
#[derive(Debug, thiserror::Error)]
pub enum YamlError {
    /// Its values do not fit.
    #[error(transparent)]
    Value(#[from] serde_json::Error),
    /// The writer failed.
    #[error(transparent)]
    Write(#[from] serde_saphyr::ser::Error),
}

/// A scalar of an overlay or a patch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scalar {
    /// A whole number.
    Int(u32),
    /// A text: never read back as anything else.
    Text(String),
}

impl From<Amount> for Scalar {
    fn from(amount: Amount) -> Self {
        match amount {
            Amount::Count(count) => Self::Int(count),
            Amount::Bytes(_) | Amount::Cpu(_) => Self::Text(amount.to_string()),
        }
    }
}

impl From<&str> for Scalar {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl std::fmt::Display for Scalar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Int(value) => write!(f, "{value}"),
            Self::Text(text) => f.write_str(&quoted(text)),
        }
    }
}

/// A mapping with sorted keys; a leaf may carry a comment in columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tree {
    /// A mapping.
    Map(BTreeMap<String, Tree>),
    /// A list of mappings.
    List(Vec<Tree>),
    /// Whatever an object holds, as JSON on one line.
    Json(serde_json::Value),
    /// A value and what is said of it: the columns of its comment.
    Leaf(Scalar, Vec<String>),
}

impl Default for Tree {
    fn default() -> Self {
        Self::Map(BTreeMap::new())
    }
}

impl Tree {
    /// A mapping of these keys.
    #[must_use]
    pub fn map<const N: usize>(entries: [(&str, Tree); N]) -> Self {
        Self::Map(entries.into_iter().map(|(key, tree)| (key.to_owned(), tree)).collect())
    }

    /// A value without comment.
    #[must_use]
    pub fn leaf(value: impl Into<Scalar>) -> Self {
        Self::Leaf(value.into(), Vec::new())
    }

    /// Puts a value at a path, making the mappings on the way. A path through a value that is already
    /// there is left alone: the first one stands.
    pub fn put(&mut self, path: &[&str], value: Tree) {
        let (Self::Map(entries), Some((key, rest))) = (self, path.split_first()) else { return };
        if rest.is_empty() {
            entries.entry((*key).to_owned()).or_insert(value);
        } else {
            entries.entry((*key).to_owned()).or_default().put(rest, value);
        }
    }

    /// What stands at a path.
    #[must_use]
    pub fn get(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |tree, key| match tree {
            Self::Map(entries) => entries.get(*key),
            _ => None,
        })
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Map(entries) if entries.is_empty())
    }

    /// The document, comments aligned; `{}` where nothing is in it.
    #[must_use]
    pub fn write(&self) -> String {
        if self.is_empty() {
            return "{}\n".to_owned();
        }
        let mut lines = Vec::new();
        self.lines("", "", &mut lines);
        let widest =
            lines.iter().filter(|(_, notes)| !notes.is_empty()).map(|(text, _)| width(text)).max();
        let columns = widest.unwrap_or(0) + 4;
        let padding = note_widths(lines.iter().map(|(_, notes)| *notes));
        let mut out = String::new();
        for (text, notes) in &lines {
            let _ = writeln!(out, "{}", annotated(text, columns, notes, &padding));
        }
        out
    }

    /// Lines with their comments; `dash` opens the first line of a list's item.
    fn lines<'a>(&'a self, indent: &str, dash: &str, out: &mut Vec<(String, &'a [String])>) {
        let Self::Map(entries) = self else { return };
        for (at, (key, tree)) in entries.iter().enumerate() {
            let lead =
                if at == 0 && !dash.is_empty() { dash.to_owned() } else { indent.to_owned() };
            let key = quoted(key);
            match tree {
                Self::Json(value) => {
                    out.push((format!("{lead}{key}: {}", ascii(&value.to_string())), &[]));
                }
                Self::Leaf(value, notes) => out.push((format!("{lead}{key}: {value}"), notes)),
                Self::Map(inner) if inner.is_empty() => {
                    out.push((format!("{lead}{key}: {{}}"), &[]));
                }
                Self::Map(_) => {
                    out.push((format!("{lead}{key}:"), &[]));
                    tree.lines(&format!("{indent}  "), "", out);
                }
                Self::List(items) => {
                    out.push((format!("{lead}{key}:"), &[]));
                    for item in items {
                        item.lines(&format!("{indent}    "), &format!("{indent}  - "), out);
                    }
                }
            }
        }
    }
}

/// The width of each column of the comments.
fn note_widths<'a>(lines: impl Iterator<Item = &'a [String]>) -> Vec<usize> {
    let mut widths = Vec::new();
    for notes in lines {
        for (at, note) in notes.iter().enumerate() {
            if at == widths.len() {
                widths.push(0);
            }
            widths[at] = widths[at].max(width(&visible(note)));
        }
    }
    widths
}

fn annotated(text: &str, columns: usize, notes: &[String], padding: &[usize]) -> String {
    if notes.is_empty() {
        return text.to_owned();
    }
    let notes = notes
        .iter()
        .zip(padding)
        .map(|(note, columns)| super::text::left(&visible(note), *columns));
    let notes: Vec<String> = notes.collect();
    format!("{}# {}", super::text::left(text, columns), notes.join("  ")).trim_end().to_owned()
}

/// A comment of its own, whatever is in the text.
#[must_use]
pub fn comment(text: &str) -> String {
    format!("# {}\n", visible(text))
}

/// The text as a key or a string scalar: plain where it is plainly a word, else in double quotes.
#[must_use]
pub fn quoted(text: &str) -> String {
    if plain(text) { text.to_owned() } else { escaped(text) }
}

/// Whether every YAML reader takes the text for a string: a letter first, no sign of structure in it,
/// and none of the words that YAML 1.1 reads as boolean or null. A quantity (`512Mi`) is plain too.
fn plain(text: &str) -> bool {
    const READ_OTHERWISE: [&str; 11] =
        ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "inf", "nan"];
    let word =
        text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'/' | b'.'));
    let quantity = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let quantity =
        quantity != text && matches!(quantity, "Ki" | "Mi" | "Gi" | "Ti" | "Pi" | "Ei" | "m");
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic());
    quantity || word && begins && !READ_OTHERWISE.contains(&text.to_ascii_lowercase().as_str())
}

/// JSON that every YAML reader takes: signs that are not plain stand only in its texts, and are escaped there.
pub(super) fn ascii(json: &str) -> String {
    let mut out = String::new();
    for c in json.chars() {
        match c {
            ' '..='~' => out.push(c),
            c => {
                let _ = write!(out, "\\U{:08X}", u32::from(c));
            }
        }
    }
    out
}

/// A double-quoted scalar; everything outside printable ASCII but letters is written as an escape.
fn escaped(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            c if c.is_alphanumeric() => out.push(c),
            c => {
                let _ = write!(out, "\\U{:08X}", u32::from(c));
            }
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::render::example;

    #[test]
    fn the_plan_reads_back_the_same_as_from_json() {
        let mut plan = example::plan();
        // texts that YAML would gladly read as something else
        for (one, text) in plan.services[0].recommendations.iter_mut().zip([
            "0x1F",
            "1e3",
            "null",
            "2026-11-27",
            "yes",
            "12",
        ]) {
            one.component = text.to_owned();
            one.reasons[0].message = format!("{text}: #{text}\n- \"{text}'");
        }
        plan.services[0].name = "on".to_owned();
        let text = yaml(&plan).unwrap();
        let read: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(read, serde_json::to_value(&plan).unwrap(), "{text}");
        assert!(text.starts_with("at: "), "{text}");
    }

    #[test]
    fn words_that_yaml_1_1_reads_otherwise_are_quoted() {
        for word in [
            "yes", "No", "on", "~", "null", "1", "1e3", "0x10", "-", "a: b", "a #b", "", " a",
            "12:30",
        ] {
            assert!(quoted(word).starts_with('"'), "{word} -> {}", quoted(word));
        }
        for word in ["api", "redis-master", "512Mi", "600m", "apps/v1", "replicaCount"] {
            assert_eq!(quoted(word), word);
        }
    }

    #[test]
    fn what_an_object_holds_reads_back_as_it_was() {
        let held = serde_json::json!([{"a": "x: #y\n\u{85}\u{2028}\u{7f}\"'ü", "b": null, "0x1": [1.5, "no"]}, {}]);
        let tree = Tree::map([("list", Tree::Json(held.clone()))]);
        let read: serde_json::Value = serde_saphyr::from_str(&tree.write()).unwrap();
        assert_eq!(read, serde_json::json!({"list": held}));
    }

    proptest! {
        #[test]
        fn whatever_a_key_value_or_comment_holds_reads_back_as_it_was(key in ".{1,12}", value in ".{0,12}", note in ".*") {
            let mut tree = Tree::default();
            tree.put(&["top", &key], Tree::Leaf(Scalar::Text(value.clone()), vec![note]));
            let read: serde_json::Value = serde_saphyr::from_str(&tree.write()).unwrap();
            prop_assert_eq!(read, serde_json::json!({"top": {key: value}}));
        }
    }
}
