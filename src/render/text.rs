//! Text in columns: widths as terminals count them, wrapping, and names made harmless.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::units::acts;

/// The text with what a terminal would act on instead of show (escape sequences, line breaks, marks
/// that turn the reading direction) replaced, so that a name cannot rewrite the line it stands in.
#[must_use]
pub fn visible(text: &str) -> String {
    text.chars().map(|c| if acts(c) { '\u{fffd}' } else { c }).collect()
}

/// The columns that a text takes on a terminal: 2 for each of 高負荷.
#[must_use]
pub fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// The text and spaces up to `columns`.
#[must_use]
pub fn left(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// Spaces and the text up to `columns`.
#[must_use]
pub fn right(text: &str, columns: usize) -> String {
    format!("{}{text}", " ".repeat(columns.saturating_sub(width(text))))
}

/// Lines of at most `columns`, broken at spaces; a longer word is broken after `-`, `/`, `_`, `,` or
/// `.`, or else where it must be. What is longer and of several words between backquotes is a command to paste, and is not
/// broken. At least one line, none of them ends in a space.
#[must_use]
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    hanging("", text, columns)
}

/// The same behind a head that two spaces set off: `TIER_ROW  High: 1Gi`. The head is on the first line.
#[must_use]
pub fn hanging(head: &str, text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(2);
    let mut lines = broken(head, columns);
    let mut line = lines.pop().unwrap_or_default();
    let mut gap = if line.is_empty() { 0 } else { 2 };
    for word in words(text, columns) {
        let word = word.as_str();
        if width(&line) + gap + width(word) <= columns {
            line.extend(std::iter::repeat_n(' ', gap));
            line.push_str(word);
        } else {
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            let mut pieces =
                if word.contains(' ') { vec![word.to_owned()] } else { broken(word, columns) };
            line = pieces.pop().unwrap_or_default();
            lines.append(&mut pieces);
        }
        gap = 1;
    }
    lines.push(line);
    lines
}

/// The words of a text; several between backquotes that are longer than a line are one.
fn words(text: &str, columns: usize) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut open: Option<usize> = None;
    for word in text.split_whitespace() {
        words.push(word.to_owned());
        if word.matches('`').count() % 2 == 0 {
            continue;
        }
        let Some(first) = open.replace(words.len() - 1) else { continue };
        open = None;
        let whole = words[first..].join(" ");
        if width(&whole) > columns {
            words.splice(first.., [whole]);
        }
    }
    words
}

/// One word in pieces of at most `columns`.
fn broken(word: &str, columns: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut rest = word;
    while width(rest) > columns {
        let hard = fitting(rest, columns);
        let soft = rest[..hard].rfind(['-', '/', '_', ',', '.']).map(|at| at + 1);
        // a break that leaves less than half a line is worse than one inside a word
        let cut = soft.filter(|at| width(&rest[..*at]) * 2 > columns).unwrap_or(hard);
        pieces.push(rest[..cut].to_owned());
        rest = &rest[cut..];
    }
    pieces.push(rest.to_owned());
    pieces
}

/// How many bytes of the text fit into `columns`: at least one character.
fn fitting(text: &str, columns: usize) -> usize {
    let mut taken = 0;
    for (at, c) in text.char_indices() {
        taken += c.width().unwrap_or(0);
        if taken > columns && at > 0 {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_spaces_and_long_names_after_a_dash() {
        assert_eq!(wrap("10 pods sustain 114 rps", 12), ["10 pods", "sustain 114", "rps"]);
        assert_eq!(
            wrap("qdrant-storage-jarvis-qdrant-0", 20),
            ["qdrant-storage-", "jarvis-qdrant-0"]
        );
        assert_eq!(wrap("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("", 4), [""]);
        assert_eq!(hanging("CODE", "a few words", 10), ["CODE  a", "few words"]);
        assert_eq!(hanging("CODE", "abcdefghij", 10), ["CODE", "abcdefghij"]);
        // a command is pasted as a whole; a short one goes with the other words
        let grant = "run `kubectl create role a --verb=list` as an admin";
        let lines = ["run", "`kubectl create role a --verb=list`", "as an admin"];
        assert_eq!(wrap(grant, 20), lines);
        assert_eq!(wrap("do `a b` or `c", 8), ["do `a b`", "or `c"]);
    }

    #[test]
    fn wide_letters_count_twice() {
        assert_eq!(width("高負荷"), 6);
        assert_eq!(left("高", 4), "高  ");
        assert_eq!(wrap("高負荷", 4), ["高負", "荷"]);
    }

    #[test]
    fn a_name_cannot_move_the_cursor() {
        assert_eq!(visible("api\u{1b}[2J\nworker\u{202e}"), "api\u{fffd}[2J\u{fffd}worker\u{fffd}");
    }
}
