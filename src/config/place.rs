//! The key path of a place in a YAML file: line 9, column 5 is `services[0].load.preset`.
//!
//! The YAML reader knows where it stopped, not under which keys; people think in keys.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

/// A file's keys and list items with their places, and nothing of its values.
enum Node {
    Leaf,
    List(Vec<Spanned<Node>>),
    Map(Vec<(Spanned<String>, Spanned<Node>)>),
}

/// The path of the last key or list item that begins at or before `place`; empty where there is none.
pub(super) fn path_at(text: &str, place: Location) -> String {
    // Keys may repeat here: that is what the error to be described may be about.
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::LastWins
    };
    let Ok(root) = serde_saphyr::from_str_with_options::<Spanned<Node>>(text, options) else {
        return String::new();
    };
    let mut found = String::new();
    descend(&root.value, "", (place.line(), place.column()), &mut found);
    found
}

fn descend(node: &Node, path: &str, place: (u64, u64), found: &mut String) {
    let begins_in_time = |at: Location| (at.line(), at.column()) <= place;
    match node {
        Node::Leaf => {}
        Node::List(items) => {
            for (index, item) in items.iter().enumerate() {
                if begins_in_time(item.referenced) {
                    *found = format!("{path}[{index}]");
                    descend(&item.value, &found.clone(), place, found);
                }
            }
        }
        Node::Map(entries) => {
            for (key, value) in entries {
                if begins_in_time(key.referenced) {
                    *found = join(path, &key.value);
                    descend(&value.value, &found.clone(), place, found);
                }
            }
        }
    }
}

/// `services[0]` and `load` are `services[0].load`.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
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
