//! A values file as a tree whose nodes know their bytes: enough to say what stands under a key, and where.
//!
//! Read off the parser's events (YAML 1.2), with merge keys as Helm's reader takes them (`<<`, YAML 1.1).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StructureStyle, Tag, options};

use super::fault::Fault;

/// A node's place in [`Tree::nodes`].
pub(super) type Id = usize;

/// One node, with where it is written; anchor and tag stand before `span`.
#[derive(Debug)]
pub(super) struct Node {
    pub kind: Kind,
    /// Its bytes; empty where nothing is written (`key:`). A block collection's are those of its first key or dash.
    pub span: Range<usize>,
    /// From 1.
    pub line: usize,
    /// In characters, from 0.
    pub column: usize,
    /// The parser's number of its anchor.
    pub anchor: Option<usize>,
    pub tag: Option<String>,
}

/// What a node is.
#[derive(Debug)]
pub(super) enum Kind {
    Scalar { value: String, style: ScalarStyle },
    List { flow: bool, items: Vec<Id> },
    Map { flow: bool, entries: Vec<(Id, Id)> },
    Alias(usize),
}

/// An anchor that was defined.
#[derive(Debug)]
pub(super) struct Anchor {
    pub name: String,
    pub line: usize,
    pub node: Id,
    /// Whether an alias follows it.
    pub used: bool,
}

/// A file of one document.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub nodes: Vec<Node>,
    /// `None`: the file holds comments at most.
    pub root: Option<Id>,
    pub anchors: BTreeMap<usize, Anchor>,
    documents: usize,
}

impl Node {
    /// Whether it is the absence of a value, written or not.
    pub fn is_null(&self) -> bool {
        let plain = |value: &str| matches!(value, "" | "~" | "null" | "Null" | "NULL");
        self.tag.is_none()
            && matches!(&self.kind, Kind::Scalar { value, style: ScalarStyle::Plain } if plain(value))
    }

    /// What it is called in a message.
    pub fn what(&self) -> &'static str {
        match self.kind {
            Kind::Scalar { .. } => "a single value",
            Kind::List { .. } => "a list",
            Kind::Map { .. } => "a mapping",
            Kind::Alias(_) => "an alias",
        }
    }
}

impl Tree {
    /// The tree of `text`.
    ///
    /// # Errors
    ///
    /// Where it is not YAML, holds several documents, repeats a key, or has a key that is no text.
    pub fn read(text: &str) -> Result<Self, Fault> {
        let mut tree = Self::default();
        let mut open = Vec::new();
        // comments need no reading, and a long one must not be too long
        let options = options! { emit_anchor_events: true, emit_comments: false };
        for next in Parser::new_from_str_with_options(text, options) {
            let (event, span) = next.map_err(|error| not_yaml(text, &error))?;
            tree.take(text, event, &span, &mut open)?;
        }
        Ok(tree)
    }

    fn take(
        &mut self,
        text: &str,
        event: Event<'_>,
        span: &Span,
        open: &mut Vec<(Id, Option<Id>)>,
    ) -> Result<(), Fault> {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Fault::SeveralDocuments { line: span.start.line() });
                }
            }
            Event::Anchor(number, name) => {
                let node = self.nodes.len().saturating_sub(1);
                let (name, line) = (name.into_owned(), span.start.line());
                self.anchors.insert(number, Anchor { name, line, node, used: false });
            }
            Event::Alias(number) => {
                if let Some(anchor) = self.anchors.get_mut(&number) {
                    anchor.used = true;
                }
                self.add(Kind::Alias(number), span, 0, None, open);
            }
            Event::Scalar(value, style, anchor, tag) => {
                let value = value.into_owned();
                self.add(Kind::Scalar { value, style }, span, anchor, tag.as_deref(), open);
            }
            Event::SequenceStart(style, anchor, tag) => {
                let flow = style == StructureStyle::Flow;
                let kind = Kind::List { flow, items: Vec::new() };
                let list = self.add(kind, span, anchor, tag.as_deref(), open);
                open.push((list, None));
            }
            Event::MappingStart(style, anchor, tag) => {
                let flow = style == StructureStyle::Flow;
                let kind = Kind::Map { flow, entries: Vec::new() };
                let map = self.add(kind, span, anchor, tag.as_deref(), open);
                open.push((map, None));
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some((id, _)) = open.pop() {
                    self.close(id, span);
                    self.check_keys(text, id)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Hangs a node where the parser stands: as the root, an item, a key, or the value of the last key.
    fn add(
        &mut self,
        kind: Kind,
        span: &Span,
        anchor: usize,
        tag: Option<&Tag>,
        open: &mut [(Id, Option<Id>)],
    ) -> Id {
        let id = self.nodes.len();
        self.nodes.push(Node {
            kind,
            span: span.byte_range().unwrap_or_default(),
            line: span.start.line(),
            column: span.start.col(),
            anchor: (anchor != 0).then_some(anchor),
            tag: tag.map(|tag| format!("{}{}", tag.original_handle(), tag.suffix())),
        });
        match open.last_mut() {
            None => self.root = Some(id),
            Some((of, key)) => match (&mut self.nodes[*of].kind, key.take()) {
                (Kind::List { items, .. }, _) => items.push(id),
                (Kind::Map { entries, .. }, Some(key)) => entries.push((key, id)),
                _ => *key = Some(id),
            },
        }
        id
    }

    /// A flow collection reaches to its bracket; a block collection has no bytes of its own at its end.
    fn close(&mut self, id: Id, span: &Span) {
        let node = &mut self.nodes[id];
        if let Kind::List { flow: true, .. } | Kind::Map { flow: true, .. } = node.kind {
            node.span.end = span.byte_range().map_or(node.span.end, |bytes| bytes.end);
        }
    }

    /// Keys are texts, and each stands once, not merged over either: which of two would count differs from reader to reader.
    fn check_keys(&self, text: &str, map: Id) -> Result<(), Fault> {
        let mut lines: BTreeMap<&str, usize> = BTreeMap::new();
        for (key, value) in self.entries(map) {
            let node = &self.nodes[*key];
            let Some(name) = self.text(*key) else {
                let before = node.span.start.saturating_sub(1);
                let braces = text.get(before..).is_some_and(|rest| rest.starts_with("{{"));
                let line = node.line;
                return Err(if braces {
                    Fault::Template { line }
                } else {
                    Fault::OddKey { line, what: node.what() }
                });
            };
            if self.merges(*key) {
                let mut over = self.names(*value).into_iter();
                if let Some((key, first)) = over.find_map(|name| lines.get_key_value(name)) {
                    let (key, first) = ((*key).to_owned(), *first);
                    return Err(Fault::MergedOver { line: node.line, key, first });
                }
            }
            if let Some(first) = lines.insert(name, node.line) {
                return Err(Fault::Twice { line: node.line, key: name.to_owned(), first });
            }
        }
        Ok(())
    }

    /// The keys and values written in a mapping itself.
    pub fn entries(&self, map: Id) -> &[(Id, Id)] {
        match &self.nodes[map].kind {
            Kind::Map { entries, .. } => entries,
            _ => &[],
        }
    }

    /// The text of a scalar, also behind an alias.
    pub fn text(&self, id: Id) -> Option<&str> {
        match &self.nodes[self.resolved(id)].kind {
            Kind::Scalar { value, .. } => Some(value),
            _ => None,
        }
    }

    /// The node that an alias stands for; any other node is itself.
    pub fn resolved(&self, id: Id) -> Id {
        match self.nodes[id].kind {
            Kind::Alias(number) => self.anchors.get(&number).map_or(id, |anchor| anchor.node),
            _ => id,
        }
    }

    /// The key and value that a mapping itself has under a name.
    pub fn own(&self, map: Id, name: &str) -> Option<(Id, Id)> {
        self.entries(map).iter().find(|(key, _)| self.text(*key) == Some(name)).copied()
    }

    /// The value that a mapping has under a name: its own, or else the first that is merged in.
    pub fn value(&self, map: Id, name: &str) -> Option<Id> {
        self.with_merged(map)
            .into_iter()
            .find_map(|map| self.own(map, name))
            .map(|(_, value)| value)
    }

    /// All names that a mapping has, with those that are merged in.
    pub fn names(&self, map: Id) -> BTreeSet<&str> {
        let maps = self.with_merged(map);
        let keys =
            maps.iter().flat_map(|map| self.entries(*map)).filter(|(key, _)| !self.merges(*key));
        keys.filter_map(|(key, _)| self.text(*key)).collect()
    }

    /// A mapping and those merged into it, the one that counts first; each once, so that a ring ends.
    fn with_merged(&self, map: Id) -> Vec<Id> {
        let (mut found, mut seen, mut waiting) = (Vec::new(), BTreeSet::new(), vec![map]);
        while let Some(id) = waiting.pop() {
            let id = self.resolved(id);
            if !seen.insert(id) {
                continue;
            }
            match &self.nodes[id].kind {
                Kind::Map { entries, .. } => {
                    found.push(id);
                    let merged = entries.iter().filter(|(key, _)| self.merges(*key));
                    waiting.extend(merged.map(|(_, value)| *value).rev());
                }
                Kind::List { items, .. } => waiting.extend(items.iter().rev()),
                _ => {}
            }
        }
        found
    }

    fn merges(&self, key: Id) -> bool {
        matches!(&self.nodes[key].kind, Kind::Scalar { value, style: ScalarStyle::Plain } if value == "<<")
    }
}

/// Where and why the text is not YAML; braces of a template are the usual reason in a chart.
fn not_yaml(text: &str, error: &ScanError) -> Fault {
    let line = error.marker().line();
    let there = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    if there.contains("{{") {
        Fault::Template { line }
    } else {
        Fault::NotYaml { line: Some(line), why: error.info() }
    }
}
