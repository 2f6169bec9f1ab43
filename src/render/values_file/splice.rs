//! One value into a text: the bytes of a scalar replaced, or the missing keys written as the file writes its own.

use std::ops::Range;

use granit_parser::ScalarStyle;
use serde_json::Value;

use super::fault::Fault;
use super::place::{Place, dotted};
use super::tree::{Id, Kind, Node, Tree};
use crate::advise::plan::Amount;
use crate::render::yaml::{Scalar, quoted};

/// A text with its tree, and what is to be written at a place in it.
pub(super) struct Splice<'a> {
    pub text: &'a str,
    pub tree: &'a Tree,
    pub path: &'a [String],
    pub place: Place<'a>,
    pub amount: Amount,
}

/// Spaces by which a file indents whose own habit cannot be seen.
const STEP: usize = 2;

impl Splice<'_> {
    /// The text with the value in it.
    ///
    /// # Errors
    ///
    /// Where the keys are written in a way that leaves no sure place.
    pub fn done(&self) -> Result<String, Fault> {
        let Some(id) = self.place.node else { return Ok(self.appended()) };
        let node = &self.tree.nodes[id];
        if self.place.rest.is_empty() {
            return self.set(node);
        }
        match &node.kind {
            Kind::Map { flow: false, .. } => self.below_block(id),
            Kind::Map { entries, .. } if !entries.is_empty() => Ok(self.below_flow(id, node)),
            _ => self.opened(id, node),
        }
    }

    /// The line of the block of text that the file ends in without a line break, where the missing keys would stand below
    /// it: to Helm's reader it has none at its end, to ours one, so that the proof of the edit would not see the new one.
    pub fn open_text(&self) -> Option<usize> {
        let map = self.place.node.filter(|id| !self.place.rest.is_empty() && !self.is_flow(*id))?;
        let node = &self.tree.nodes[self.last(map)];
        let Kind::Scalar { style: ScalarStyle::Literal | ScalarStyle::Folded, value } = &node.kind
        else {
            return None;
        };
        // with `-` it ends in no line break, whatever follows
        let open = value.ends_with('\n') && self.line_end(self.end(map)) == self.text.len();
        open.then_some(node.line)
    }

    /// A value where one stands: its bytes are replaced, and a quantity keeps its quotes.
    fn set(&self, node: &Node) -> Result<String, Fault> {
        let value = self.value();
        let value = match (&node.kind, self.amount) {
            (_, Amount::Count(_)) => value,
            (Kind::Scalar { style: ScalarStyle::SingleQuoted, .. }, amount) => {
                format!("'{amount}'")
            }
            (Kind::Scalar { style: ScalarStyle::DoubleQuoted, .. }, amount) => {
                format!("\"{amount}\"")
            }
            // a word is no JSON, and a file that has one is none
            (Kind::Scalar { value: word, .. }, _)
                if !node.is_null() && word.parse::<f64>().is_err() =>
            {
                Scalar::from(self.amount).to_string()
            }
            _ => value,
        };
        if node.span.is_empty() {
            return self.filled(&value);
        }
        Ok(self.with(node.span.clone(), &value))
    }

    /// The missing keys below a block mapping, after the line of its last value.
    fn below_block(&self, map: Id) -> Result<String, Fault> {
        let indent = self.indent(map).ok_or_else(|| self.odd(map))?;
        let end = self.after_comments(self.line_end(self.end(map)), indent.len());
        let eol = self.line_break(end);
        let lines = self.lines(&indent, eol, self.step(map));
        Ok(self.with(end..end, &format!("{eol}{lines}")))
    }

    /// The missing keys in braces, after the last value.
    fn below_flow(&self, map: Id, node: &Node) -> String {
        let entry = self.in_braces();
        match self.tree.entries(map).last() {
            Some((_, value)) => {
                let end = self.end(*value);
                self.with(end..end, &format!(", {entry}"))
            }
            None => self.with(node.span.start + 1..node.span.start + 1, &entry),
        }
    }

    /// The missing keys where nothing is, or `{}`: as a block where blocks are, else in braces.
    fn opened(&self, id: Id, node: &Node) -> Result<String, Fault> {
        let span = node.span.clone();
        let bare =
            self.text[span.clone()].strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let bare = bare.is_none_or(|between| between.trim().is_empty());
        match (self.place.map, self.place.key) {
            (Some(map), Some(key)) if bare && !self.is_flow(map) => {
                if let Some(text) = self.as_block(map, key, &span) {
                    return Ok(text);
                }
            }
            (None, _) if span.is_empty() => return Ok(self.appended()),
            (None, _)
                if bare && self.before(span.start).trim_start_matches(BOM).trim().is_empty() =>
            {
                let indent = self.before(span.start).trim_start_matches(BOM);
                let lines = self.lines(indent, self.line_break(span.end), STEP);
                return Ok(self.with(span, lines.trim_start()));
            }
            _ => {}
        }
        match &node.kind {
            Kind::Map { .. } => Ok(self.below_flow(id, node)),
            _ if span.is_empty() => self.filled(&format!("{{{}}}", self.in_braces())),
            _ => Ok(self.with(span, &format!("{{{}}}", self.in_braces()))),
        }
    }

    /// `key: {}  # why` as `key:  # why` with the missing keys on the lines below; `None` where it is spread out.
    fn as_block(&self, map: Id, key: Id, value: &Range<usize>) -> Option<String> {
        let colon = self.after_colon(key)?;
        let value = if value.is_empty() { colon..colon } else { value.clone() };
        let end = self.line_end(value.end);
        let between = self.text.get(colon..value.start)?;
        let rest = &self.text[value.end..end];
        let spread = !between.chars().all(|c| matches!(c, ' ' | '\t'));
        if spread || !(rest.trim().is_empty() || rest.trim_start().starts_with('#')) {
            return None;
        }
        let rest = if rest.trim().is_empty() { "" } else { rest };
        let (eol, step) = (self.line_break(end), self.step(map));
        let indent = format!("{}{}", self.indent(map)?, " ".repeat(step));
        Some(self.with(colon..end, &format!("{rest}{eol}{}", self.lines(&indent, eol, step))))
    }

    /// All keys at the end of a text that holds none.
    fn appended(&self) -> String {
        let eol = self.line_break(self.text.len());
        let lines = self.lines("", eol, STEP);
        match self.text.trim_start_matches(BOM) {
            "" => format!("{}{lines}{eol}", self.text),
            text if text.ends_with(['\n', '\r']) => format!("{}{lines}{eol}", self.text),
            _ => format!("{}{eol}{lines}", self.text),
        }
    }

    /// A value after a key that has none.
    fn filled(&self, value: &str) -> Result<String, Fault> {
        let odd = || Fault::OddPlace { line: self.place.line(self.tree), path: dotted(self.path) };
        let (map, key) = self.place.map.zip(self.place.key).ok_or_else(odd)?;
        match self.after_colon(key) {
            Some(at) => Ok(self.with(at..at, &format!(" {value}"))),
            None if self.is_flow(map) => {
                let at = self.tree.nodes[key].span.end;
                Ok(self.with(at..at, &format!(": {value}")))
            }
            None => Err(odd()),
        }
    }

    fn odd(&self, id: Id) -> Fault {
        Fault::OddPlace { line: self.tree.nodes[id].line, path: dotted(self.path) }
    }

    fn is_flow(&self, map: Id) -> bool {
        matches!(self.tree.nodes[map].kind, Kind::Map { flow: true, .. })
    }

    /// The value as a scalar that needs no quotes, or has them; a text has them where the keys have those of JSON.
    fn value(&self) -> String {
        match (Scalar::from(self.amount), self.quotes()) {
            (Scalar::Text(text), Some('"')) => Value::from(text).to_string(),
            (value, _) => value.to_string(),
        }
    }

    /// A missing key, in the quotes of its neighbours.
    fn name(&self, name: &str) -> String {
        match self.quotes() {
            Some('"') => Value::from(name).to_string(),
            Some(_) if !name.contains(char::is_control) => {
                format!("'{}'", name.replace('\'', "''"))
            }
            _ => quoted(name),
        }
    }

    /// The quotes of the keys where a missing one is to stand, or of the key above, where all are in the same.
    fn quotes(&self) -> Option<char> {
        let beside = self.place.node.map_or(&[][..], |id| self.tree.entries(id));
        let keys: Vec<Id> = beside.iter().map(|(key, _)| *key).collect();
        let keys = if keys.is_empty() { self.place.key.into_iter().collect() } else { keys };
        let mut all = keys.into_iter().map(|key| match self.tree.nodes[key].kind {
            Kind::Scalar { style: ScalarStyle::DoubleQuoted, .. } => Some('"'),
            Kind::Scalar { style: ScalarStyle::SingleQuoted, .. } => Some('\''),
            _ => None,
        });
        let first = all.next()??;
        all.all(|other| other == Some(first)).then_some(first)
    }

    /// The missing keys as lines of a block, without the last line's end.
    fn lines(&self, indent: &str, eol: &str, step: usize) -> String {
        let last = self.place.rest.len() - 1;
        let line = |(depth, name): (usize, &String)| {
            let value = if depth == last { format!(" {}", self.value()) } else { String::new() };
            format!("{indent}{}{}:{value}", " ".repeat(depth * step), self.name(name))
        };
        let lines: Vec<String> = self.place.rest.iter().enumerate().map(line).collect();
        lines.join(eol)
    }

    /// The missing keys as an entry of a flow mapping: `limits: {memory: 1Gi}`.
    fn in_braces(&self) -> String {
        let mut names = self.place.rest.iter().rev();
        let last = names.next().map(|name| format!("{}: {}", self.name(name), self.value()));
        names.fold(last.unwrap_or_default(), |inner, name| {
            format!("{}: {{{inner}}}", self.name(name))
        })
    }

    /// The text with other bytes in a range.
    fn with(&self, range: Range<usize>, new: &str) -> String {
        format!("{}{new}{}", &self.text[..range.start], &self.text[range.end..])
    }

    /// Where the last of what is written in a node ends.
    fn end(&self, id: Id) -> usize {
        let node = &self.tree.nodes[self.last(id)];
        match &node.kind {
            // its bytes run to the next token: the blank lines at its end are its own only with `+`
            Kind::Scalar { style: ScalarStyle::Literal | ScalarStyle::Folded, value } => {
                let whole = &self.text[..node.span.end];
                let kept = value.ends_with("\n\n");
                let text = if kept { without_break(whole) } else { whole.trim_end() };
                text.len()
            }
            _ => node.span.end,
        }
    }

    /// The last of what is written in a node; a flow collection ends in its own bracket.
    fn last(&self, id: Id) -> Id {
        let last = match &self.tree.nodes[id].kind {
            Kind::List { flow: false, items } => items.last(),
            Kind::Map { flow: false, entries } => entries.last().map(|(_, value)| value),
            _ => None,
        };
        last.map_or(id, |last| self.last(*last))
    }

    /// The place behind the colon of a key on its own line.
    fn after_colon(&self, key: Id) -> Option<usize> {
        let end = self.tree.nodes[key].span.end;
        let rest = &self.text[end..];
        let blank = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        rest[blank..].starts_with(':').then_some(end + blank + 1)
    }

    /// What stands before a place in its line.
    fn before(&self, at: usize) -> &str {
        let begin = self.text[..at].rfind(['\n', '\r']).map_or(0, |end| end + 1);
        &self.text[begin..at]
    }

    /// The end of the line that a place is in, without its break.
    fn line_end(&self, at: usize) -> usize {
        self.text[at..].find(['\n', '\r']).map_or(self.text.len(), |length| at + length)
    }

    /// The end of the comments right below a line that stand further in than its key: they speak of it.
    fn after_comments(&self, line_end: usize, indent: usize) -> usize {
        let mut end = line_end;
        loop {
            let next = end + self.line_break(end).len();
            let Some(rest) = self.text.get(next..) else { return end };
            let spaces = rest.len() - rest.trim_start_matches(' ').len();
            if spaces <= indent || !rest[spaces..].starts_with('#') {
                return end;
            }
            end = self.line_end(next);
        }
    }

    /// How lines end there: as this one does, or the one before where it is the last.
    fn line_break(&self, at: usize) -> &'static str {
        let here = &self.text[at..];
        let last = self.text.trim_end_matches(|c| !matches!(c, '\n' | '\r'));
        let is = |end: &str| here.starts_with(end) || here.is_empty() && last.ends_with(end);
        match () {
            () if is("\r\n") => "\r\n",
            () if is("\r") => "\r",
            () => "\n",
        }
    }

    /// The spaces before the keys of a block mapping; `None` where every key has something else before it.
    fn indent(&self, map: Id) -> Option<String> {
        let keys = self.tree.entries(map).iter().map(|(key, _)| self.tree.nodes[*key].span.start);
        let mut before = keys.map(|at| self.before(at).trim_start_matches(BOM));
        before.find(|text| text.chars().all(|c| c == ' ')).map(str::to_owned)
    }

    /// By how many spaces the file indents, seen from a mapping: as its own values, else as the first that does.
    fn step(&self, map: Id) -> usize {
        let nodes = &self.tree.nodes;
        let within = |id: Id| {
            let values = self.tree.entries(id).iter().map(|(_, value)| &nodes[*value]);
            let blocks = values.filter(|node| matches!(node.kind, Kind::Map { flow: false, .. }));
            let steps = blocks.filter_map(move |node| node.column.checked_sub(nodes[id].column));
            steps.into_iter().find(|step| *step > 0)
        };
        let blocks = (0..nodes.len()).filter(|id| !self.is_flow(*id));
        within(map).or_else(|| blocks.into_iter().find_map(within)).unwrap_or(STEP)
    }
}

/// A byte order mark, which may open a file.
const BOM: char = '\u{feff}';

fn without_break(text: &str) -> &str {
    text.strip_suffix("\r\n").or_else(|| text.strip_suffix(['\n', '\r'])).unwrap_or(text)
}
