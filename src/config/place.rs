//! The key path of a place in a YAML file: line 9, column 5 is `services[0].load.preset`.
//!
//! The YAML reader knows where it stopped, not under which keys; people think in keys.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Error, Location, Spanned};

/// A file's keys and list items with their places, and nothing of its values.
enum Node {
    Leaf,
    List(Vec<Spanned<Node>>),
    Map(Vec<(Spanned<String>, Spanned<Node>)>),
}

/// The path of the last key or list item that begins at or before `place`; empty where there is none.
pub(super) fn path_at(text: &str, place: Location) -> String {
    let begun =
        |(_, at): &(String, Location)| (at.line(), at.column()) <= (place.line(), place.column());
    let last = places(text).into_iter().rfind(begun);
    last.map(|(path, _)| path).unwrap_or_default()
}

/// The line on which the key or list item of that path stands.
pub(super) fn line_of(text: &str, path: &str) -> Option<usize> {
    let found = places(text).into_iter().find(|(other, _)| other == path);
    found.and_then(|(_, at)| usize::try_from(at.line()).ok())
}

/// Whether the text is YAML at all.
///
/// # Errors
///
/// The first place where it is not.
pub(super) fn check(text: &str) -> Result<(), Error> {
    tree(text).map(|_| ())
}

fn tree(text: &str) -> Result<Node, Error> {
    // Keys may repeat here: that is what the error to be described may be about.
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::LastWins,
        non_finite_float_policy: serde_saphyr::NonFiniteFloatPolicy::PassThrough,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options)
}

/// Every key and list item with its path, in the order of the file; none where the text is not YAML.
fn places(text: &str) -> Vec<(String, Location)> {
    let mut found = Vec::new();
    if let Ok(root) = tree(text) {
        descend(&root, "", &mut found);
    }
    found
}

fn descend(node: &Node, path: &str, found: &mut Vec<(String, Location)>) {
    match node {
        Node::Leaf => {}
        Node::List(items) => {
            for (index, item) in items.iter().enumerate() {
                let path = format!("{path}[{index}]");
                found.push((path.clone(), item.referenced));
                descend(&item.value, &path, found);
            }
        }
        Node::Map(entries) => {
            for (key, value) in entries {
                let path = join(path, &key.value);
                found.push((path.clone(), key.referenced));
                descend(&value.value, &path, found);
            }
        }
    }
}

/// `services[0]` and `load` are `services[0].load`.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

/// Every scalar is a leaf.
macro_rules! leaves {
    ($($visit:ident: $scalar:ty),*) => {$(
        fn $visit<E>(self, _: $scalar) -> Result<Node, E> {
            Ok(Node::Leaf)
        }
    )*};
}

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("any YAML")
    }

    leaves!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_i128: i128, visit_u128: u128, visit_f64: f64, visit_str: &str);

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Node::Map(entries))
    }

    fn visit_enum<A: serde::de::EnumAccess<'de>>(self, data: A) -> Result<Node, A::Error> {
        data.variant::<IgnoredAny>()?;
        Ok(Node::Leaf)
    }
}
