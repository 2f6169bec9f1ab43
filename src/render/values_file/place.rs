//! From a path of keys to the place in the file where its value stands, or is to stand.

use super::fault::Fault;
use super::tree::{Id, Kind, Tree};
use crate::render::text::visible;

/// How far a path is there.
#[derive(Debug)]
pub(super) struct Place<'p> {
    /// The mapping that the last key found stands in; `None` at the root.
    pub map: Option<Id>,
    /// The last key found.
    pub key: Option<Id>,
    /// Its value, or the root; `None`: the file holds comments at most.
    pub node: Option<Id>,
    /// The keys that are not there; none where `node` is the value itself.
    pub rest: &'p [String],
    /// The first value on the way whose anchor others use: the path down to it, and its node.
    pub shared: Option<(&'p [String], Id)>,
}

impl Place<'_> {
    /// Its line, from 1, for a message.
    pub fn line(&self, tree: &Tree) -> usize {
        self.key.or(self.node).map_or(1, |id| tree.nodes[id].line)
    }
}

/// Follows `path` by what is written in the file itself, through no alias and no merge.
///
/// # Errors
///
/// Where something on the way is no mapping of this file's own, or the last value is no scalar.
pub(super) fn place<'p>(tree: &Tree, path: &'p [String]) -> Result<Place<'p>, Fault> {
    let mut place = Place { map: None, key: None, node: tree.root, rest: path, shared: None };
    while let Some(id) = place.node {
        let node = &tree.nodes[id];
        let so_far = &path[..path.len() - place.rest.len()];
        no_tag(tree, id, so_far)?;
        let anchor = node.anchor.and_then(|number| tree.anchors.get(&number));
        if place.shared.is_none() && anchor.is_some_and(|anchor| anchor.used) {
            place.shared = Some((so_far, id));
        }
        if anchor.is_some() && node.span.is_empty() && node.is_null() {
            return Err(Fault::Anchored { line: node.line, path: dotted(so_far) });
        }
        let Some((name, below)) = place.rest.split_first() else { break };
        match &node.kind {
            _ if node.is_null() => break,
            Kind::Alias(number) => return Err(through(tree, *number, node.line, so_far)),
            Kind::Map { .. } => {
                let Some((key, value)) = tree.own(id, name) else {
                    hides_nothing(tree, id, name, below, so_far)?;
                    break;
                };
                place.map = Some(id);
                place.key = Some(key);
                place.node = Some(value);
                place.rest = below;
            }
            _ => {
                let (line, what) = (node.line, node.what());
                return Err(Fault::NotAMapping { line, path: dotted(so_far), what });
            }
        }
    }
    Ok(place)
}

/// The value in force at `path`, through aliases and merges, as Helm would find it; `None` where there is none.
///
/// # Errors
///
/// Where something on the way is no mapping.
pub(super) fn in_force(tree: &Tree, path: &[String]) -> Result<Option<Id>, Fault> {
    let mut at = tree.root;
    for (depth, name) in path.iter().enumerate() {
        let Some(id) = at.map(|id| tree.resolved(id)).filter(|id| !tree.nodes[*id].is_null())
        else {
            return Ok(None);
        };
        let node = &tree.nodes[id];
        no_tag(tree, id, &path[..depth])?;
        if !matches!(node.kind, Kind::Map { .. }) {
            let (line, what) = (node.line, node.what());
            return Err(Fault::NotAMapping { line, path: dotted(&path[..depth]), what });
        }
        at = tree.value(id, name);
    }
    Ok(at.map(|id| tree.resolved(id)).filter(|id| !tree.nodes[*id].is_null()))
}

/// A path as people write it.
pub(super) fn dotted(path: &[String]) -> String {
    if path.is_empty() { "the file".to_owned() } else { visible(&path.join(".")) }
}

/// A tag says how a value is to be read, and an edit must not guess what it would make of another one.
pub(super) fn no_tag(tree: &Tree, id: Id, path: &[String]) -> Result<(), Fault> {
    let node = &tree.nodes[id];
    match &node.tag {
        Some(tag) => Err(Fault::Tagged { line: node.line, path: dotted(path), tag: tag.clone() }),
        None => Ok(()),
    }
}

fn through(tree: &Tree, number: usize, line: usize, path: &[String]) -> Fault {
    let anchor = tree.anchors.get(&number);
    let (name, defined) =
        anchor.map_or((String::new(), line), |anchor| (anchor.name.clone(), anchor.line));
    Fault::Alias { line, path: dotted(path), anchor: name, defined }
}

/// A merge is one level deep: a mapping of one's own stands in place of the whole merged one.
fn hides_nothing(
    tree: &Tree,
    map: Id,
    name: &str,
    below: &[String],
    so_far: &[String],
) -> Result<(), Fault> {
    let Some(merged) = tree.value(map, name).map(|id| tree.resolved(id)) else { return Ok(()) };
    let mut hidden = tree.names(merged);
    if let [only] = below {
        hidden.remove(only.as_str());
    }
    if below.is_empty() || hidden.is_empty() {
        return Ok(());
    }
    let path: Vec<String> = so_far.iter().cloned().chain([name.to_owned()]).collect();
    let names: Vec<String> = hidden.iter().map(|name| format!("`{name}`")).collect();
    let line = tree.nodes[map].line;
    Err(Fault::Hidden { line, path: dotted(&path), hidden: names.join(", ") })
}
