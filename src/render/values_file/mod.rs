//! Plan -> a team's own values file with the advised values in it: comments, order, indentation, quotes, blank
//! lines and anchors of everything else stay as they are.
//!
//! Each edit is one splice of bytes, found by the parser's own places; the whole is then read again by another
//! reader and must differ from what was there in the intended values and in nothing else, or the file is
//! refused. What the file says itself is respected: a raise never lowers it, and a lowering neither raises it nor
//! undoes a raise that is not in force yet. Nothing is written that crosses the other bound of a pair in the file.

mod fault;
mod place;
mod proof;
mod splice;
mod switch;
#[cfg(test)]
mod tests;
mod tree;

pub use fault::Fault;
use place::{dotted, in_force, no_tag, place};
use splice::Splice;
use tree::{Id, Kind, Tree};

use std::cmp::Ordering;

use granit_parser::ScalarStyle;
use serde_json::Value;
use similar::TextDiff;

use crate::advise::plan::Amount;
use crate::render::helm;
use crate::units::{Bytes, Millicores};

/// A key that a values file is to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The keys down to it; never empty.
    pub path: Vec<String>,
    /// What the plan saw in force; `None`: not known, and then it is only ever raised.
    pub current: Option<Amount>,
    /// The value advised.
    pub target: Amount,
    /// Whether it stays, and is only stated where a `resources` that the file did not have begins: a chart may take that
    /// for all there is.
    pub kept: bool,
}

/// A values file after its edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// The text; the same as before where `edits` is empty.
    pub text: String,
    /// What was changed, in the order in which it was wanted.
    pub edits: Vec<Edit>,
    /// What was advised and not done, and why: `api.autoscaling.minReplicas 3 -> 5: the file says 7, …`.
    pub left: Vec<String>,
}

/// One value that was changed or added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Its path, keys joined by dots.
    pub path: String,
    /// What the file said; `None`: nothing.
    pub before: Option<Amount>,
    /// What it says now.
    pub after: Amount,
}

impl std::fmt::Display for Edit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.before {
            Some(before) => write!(f, "{} {before} -> {}", self.path, self.after),
            None => write!(f, "{} {}, which the file did not set", self.path, self.after),
        }
    }
}

/// The text with the wanted values in it.
///
/// # Errors
///
/// Where the file cannot be read without doubt, or an edit would change more than it should.
pub fn edit(text: &str, wanted: &[Wanted]) -> Result<Edited, Fault> {
    if wanted.is_empty() {
        return Ok(Edited { text: text.to_owned(), edits: Vec::new(), left: Vec::new() });
    }
    let tree = Tree::read(text)?;
    let before = proof::data(text)?;
    // below an overlay lies what the chart has
    let orders = orders(&tree, wanted, helm::is_ours(text))?;
    let set: Vec<&Order<'_>> =
        orders.iter().filter(|order| order.verdict == Verdict::Set).collect();
    let intended: Vec<&Wanted> = set.iter().map(|order| order.wanted).collect();
    let after = spliced(text, tree, &before, &intended)?;
    let edits = set.iter().map(|order| Edit {
        path: dotted(&order.wanted.path),
        before: order.before,
        after: order.wanted.target,
    });
    Ok(Edited {
        edits: edits.collect(),
        left: orders.iter().filter_map(Order::left).collect(),
        text: after,
    })
}

/// The text with the intended values in it, one splice after the other, and the proof that it has them and no more.
fn spliced(text: &str, tree: Tree, before: &Value, intended: &[&Wanted]) -> Result<String, Fault> {
    let (mut shared, mut odd) = (None, Vec::new());
    // what is to be refused is refused by the lines of the file, before an edit moves them
    for one in intended {
        let place = place(&tree, &one.path)?;
        shared = shared.or_else(|| place.shared.map(|(path, id)| share(&tree, path, id)));
        odd.push(Fault::OddPlace { line: place.line(&tree), path: dotted(&one.path) });
        let (path, amount) = (one.path.as_slice(), one.target);
        if let Some(line) = (Splice { text, tree: &tree, path, place, amount }).open_text() {
            return Err(Fault::OpenText { line, path: dotted(path) });
        }
    }
    let (mut tree, mut after) = (tree, text.to_owned());
    for (one, odd) in intended.iter().zip(&odd) {
        let (path, amount) = (one.path.as_slice(), one.target);
        let place = place(&tree, path)?;
        // an edit that cannot be read again is our fault, and not the file's
        let done = Splice { text: &after, tree: &tree, path, place, amount }.done();
        after = done.map_err(|_| odd.clone())?;
        tree = Tree::read(&after).map_err(|_| odd.clone())?;
    }
    match (proof::astray(before, &after, intended), odd.pop()) {
        (Err(_), Some(odd)) => Err(odd),
        (Err(fault), None) => Err(fault),
        (Ok(None), _) => Ok(after),
        (Ok(Some(also)), _) => Err(match shared {
            Some((line, path, anchor)) => Fault::Shared { line, path, anchor, also },
            None => Fault::Elsewhere { path: also },
        }),
    }
}

/// The text as data, aliases and merges followed; `null` where it holds nothing.
///
/// # Errors
///
/// Where it cannot be read without doubt.
pub fn data(text: &str) -> Result<Value, Fault> {
    Tree::read(text)?;
    proof::data(text)
}

/// What an edit changes, as a unified diff that `patch -p0` takes; empty where it changes nothing.
#[must_use]
pub fn diff(name: &str, before: &str, after: &str) -> String {
    let diff = TextDiff::from_lines(before, after);
    // by a tab `patch` knows where a name with blanks ends, as GNU diff writes it
    let name = if name.contains(' ') { format!("{name}\t") } else { name.to_owned() };
    diff.unified_diff().header(&name, &name).to_string()
}

/// The line, path and anchor of a value that others use.
fn share(tree: &Tree, path: &[String], id: Id) -> (usize, String, String) {
    let anchor = tree.nodes[id].anchor.and_then(|number| tree.anchors.get(&number));
    let name = anchor.map(|anchor| anchor.name.clone());
    (tree.nodes[id].line, dotted(path), name.unwrap_or_default())
}

/// A wanted value held against what the file says.
struct Order<'a> {
    wanted: &'a Wanted,
    before: Option<Amount>,
    verdict: Verdict,
}

#[derive(PartialEq, Eq)]
enum Verdict {
    Set,
    Same,
    Left(String),
}

impl Order<'_> {
    fn rises(&self) -> bool {
        self.wanted.current.is_none_or(|current| current.figure() <= self.wanted.target.figure())
    }

    /// What the file says once this is done.
    fn outcome(&self) -> Option<Amount> {
        if self.verdict == Verdict::Set { Some(self.wanted.target) } else { self.before }
    }

    fn left(&self) -> Option<String> {
        let Verdict::Left(why) = &self.verdict else { return None };
        let today =
            self.wanted.current.map_or_else(|| "?".to_owned(), |current| current.to_string());
        Some(format!("{} {today} -> {}: {why}", dotted(&self.wanted.path), self.wanted.target))
    }
}

fn orders<'a>(
    tree: &Tree,
    wanted: &'a [Wanted],
    is_overlay: bool,
) -> Result<Vec<Order<'a>>, Fault> {
    let mut orders: Vec<Order<'_>> = Vec::with_capacity(wanted.len());
    for one in wanted.iter().filter(|one| !one.kept) {
        if orders.iter().any(|order| order.wanted.path == one.path) {
            return Err(Fault::Disputed { path: dotted(&one.path) });
        }
        let before = amount_at(tree, one)?;
        let mut order = Order { wanted: one, before, verdict: Verdict::Set };
        let left = |why: &str| Verdict::Left(format!("the file says {}, {why}", said(before)));
        let file = before.map(Amount::figure);
        if let Some(why) = switch::idle(tree, &one.path) {
            order.verdict = Verdict::Left(why);
            orders.push(order);
            continue;
        }
        order.verdict = match file.map(|file| file.cmp(&one.target.figure())) {
            Some(Ordering::Equal) => Verdict::Same,
            Some(Ordering::Less) if sleeps(one, before) => {
                left("and what somebody scaled to nothing is theirs to wake")
            }
            Some(Ordering::Greater) if order.rises() => left("and a raise lowers nothing"),
            Some(Ordering::Less) if !order.rises() => left("and a lowering raises nothing"),
            Some(Ordering::Greater) if file > one.current.map(Amount::figure) => {
                left("more than what is in force: a raise that is on its way is not undone")
            }
            _ => Verdict::Set,
        };
        orders.push(order);
    }
    while cross(tree, &mut orders) {}
    let kept = wanted.iter().filter(|one| one.kept && begins(tree, one, &orders, is_overlay));
    let kept: Vec<Order<'_>> =
        kept.map(|wanted| Order { wanted, before: None, verdict: Verdict::Set }).collect();
    orders.extend(kept);
    while cross(tree, &mut orders) {}
    Ok(orders)
}

/// Whether the file says that nothing is to run, or may: that is no count that grew too small.
fn sleeps(wanted: &Wanted, before: Option<Amount>) -> bool {
    let count = ["replicaCount", "minReplicas"];
    before == Some(Amount::Count(0))
        && wanted.path.last().is_some_and(|key| count.contains(&key.as_str()))
}

/// Whether a `resources` begins with what is set in it, and lacks what is wanted there.
fn begins(tree: &Tree, wanted: &Wanted, orders: &[Order<'_>], is_overlay: bool) -> bool {
    let whole = &wanted.path[..wanted.path.len().saturating_sub(2)];
    let at = |path: &[String]| in_force(tree, path).ok().flatten();
    let is_bare = at(whole).is_none_or(|id| tree.names(id).is_empty());
    let set = |order: &Order<'_>| order.verdict == Verdict::Set;
    at(&wanted.path).is_none()
        && (is_bare || is_overlay)
        && orders.iter().any(|order| set(order) && order.wanted.path.starts_with(whole))
}

/// Leaves what would end on the wrong side of its other bound in the file as it will be: the API server refuses an HPA
/// whose `minReplicas` is above its `maxReplicas`, and a request above its limit. A lowering can cross too, where the
/// file says less than what is in force, or nothing. True where one was left, for another may then cross it.
fn cross(tree: &Tree, orders: &mut [Order<'_>]) -> bool {
    let crossing = |order: &Order<'_>| {
        let (partner, is_floor) = partner(&order.wanted.path)?;
        let wanted = orders.iter().find(|other| other.wanted.path == partner);
        let (path, target) = (partner.clone(), order.wanted.target);
        let like = Wanted { path, current: None, target, kept: false };
        let bound = match wanted.map_or_else(|| amount_at(tree, &like), |other| Ok(other.outcome()))
        {
            Ok(bound) => bound?,
            // what cannot be read there may lie on either side
            Err(fault) => return Some(format!("its other bound is not known: {fault}")),
        };
        let (mine, other) = (order.wanted.target.figure(), bound.figure());
        let (crosses, side) =
            if is_floor { (mine > other, "below") } else { (mine < other, "above") };
        crosses.then(|| format!("`{}` is {bound} in the file, {side} it", dotted(&partner)))
    };
    let set = |order: &Order<'_>| order.verdict == Verdict::Set;
    let mut left = orders.iter().enumerate().filter(|(_, order)| set(order));
    let found = left.find_map(|(at, order)| Some((at, crossing(order)?)));
    let Some((at, why)) = found else { return false };
    orders[at].verdict = Verdict::Left(why);
    true
}

/// The key that bounds another one, and whether that other one is the floor of the two.
fn partner(path: &[String]) -> Option<(Vec<String>, bool)> {
    let swapped = |back: usize, name: &str| {
        let mut path = path.to_vec();
        let at = path.len() - back;
        path[at] = name.to_owned();
        path
    };
    let names: Vec<&str> = path.iter().map(String::as_str).collect();
    match names.as_slice() {
        [.., "minReplicas"] => Some((swapped(1, "maxReplicas"), true)),
        [.., "maxReplicas"] => Some((swapped(1, "minReplicas"), false)),
        [.., "requests", _] => Some((swapped(2, "limits"), true)),
        [.., "limits", _] => Some((swapped(2, "requests"), false)),
        _ => None,
    }
}

fn said(amount: Option<Amount>) -> String {
    amount.map(|amount| amount.to_string()).unwrap_or_default()
}

/// What the file says at a path, of the kind that is wanted there; `None`: nothing, or an empty text.
fn amount_at(tree: &Tree, wanted: &Wanted) -> Result<Option<Amount>, Fault> {
    let Some(id) = in_force(tree, &wanted.path)? else { return Ok(None) };
    no_tag(tree, id, &wanted.path)?;
    let (node, path) = (&tree.nodes[id], dotted(&wanted.path));
    let line = node.line;
    let Kind::Scalar { value, style } = &node.kind else {
        return Err(Fault::NotAValue { line, path, what: node.what() });
    };
    if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
        return Err(Fault::NotAValue { line, path, what: "a block of text" });
    }
    // as charts write what is not set; templates take it for nothing
    if value.is_empty() {
        return Ok(None);
    }
    let (amount, expected) = match wanted.target {
        Amount::Count(_) => (value.parse().ok().map(Amount::Count), "a whole number"),
        Amount::Bytes(_) => {
            (value.parse::<Bytes>().ok().map(Amount::Bytes), "a quantity such as `512Mi`")
        }
        Amount::Cpu(_) => {
            (value.parse::<Millicores>().ok().map(Amount::Cpu), "a quantity such as `600m`")
        }
    };
    // `010` is 8 to one reader of YAML and 10 to another
    let doubtful =
        value.len() > 1 && value.starts_with('0') && value.as_bytes()[1].is_ascii_digit();
    let amount = amount.filter(|_| !doubtful && !value.starts_with('+'));
    amount.map(Some).ok_or_else(|| Fault::NotAnAmount { line, path, text: value.clone(), expected })
}
