//! Runs as people think of them: one that ended between two objects, and the one that went on with it, are one to undo.

use std::collections::BTreeMap;

use super::{Changed, Happened, Line, Verb};
use crate::advise::plan::Setting;

/// What a run changed, with those that went on with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// The name of the first run.
    pub name: String,
    /// What was changed, a line an object: from what stood there before all of it, under the run that changed it last.
    pub changed: Vec<Line>,
    /// What of it was not undone yet.
    pub left: Vec<Line>,
    /// Whether a run went through all of its objects.
    pub ended: bool,
}

/// The runs that changed something, the newest first.
#[must_use]
pub fn wholes(lines: &[Line]) -> Vec<Whole> {
    let mut all: Vec<Whole> = Vec::new();
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    let is_told = |line: &&Line| {
        matches!(
            (line.happened, line.verb),
            (Happened::Done, Verb::Apply | Verb::Rollback) | (Happened::Ended, _)
        )
    };
    for line in lines.iter().filter(is_told) {
        let undone = line.undoes.as_deref().and_then(|run| names.get(run).copied());
        let name = undone.unwrap_or(line.whole.as_deref().unwrap_or(&line.run));
        let known = all.iter().rposition(|whole| whole.name == name);
        match (line.happened, line.verb, known) {
            (Happened::Done, Verb::Apply, known) => {
                let mut whole = known.map_or_else(|| Whole::new(name), |at| all.remove(at));
                whole.ended = line.whole.is_none();
                add(&mut whole.changed, line);
                add(&mut whole.left, line);
                all.push(whole);
                names.insert(&line.run, name);
            }
            (Happened::Done, Verb::Rollback, Some(at)) => take_off(&mut all[at].left, line),
            (Happened::Ended, _, Some(at)) => all[at].ended = true,
            _ => {}
        }
    }
    all.reverse();
    all
}

impl Whole {
    fn new(name: &str) -> Self {
        let (changed, left) = (Vec::new(), Vec::new());
        Self { name: name.to_owned(), changed, left, ended: false }
    }
}

fn is_of(one: &Line, other: &Line) -> bool {
    (&one.namespace, &one.object, &one.uid) == (&other.namespace, &other.object, &other.uid)
}

fn add(changed: &mut Vec<Line>, line: &Line) {
    match changed.iter_mut().find(|one| is_of(one, line)) {
        Some(first) => *first = one_after_the_other(first, line),
        None => changed.push(line.clone()),
    }
}

/// A rollback by itself may leave a field that was raised.
fn take_off(left: &mut Vec<Line>, undone: &Line) {
    for line in left.iter_mut().filter(|line| is_of(line, undone)) {
        // above a floor of the loop a minimum comes back as its base only; else the old value must be there again
        let back = |one: &Changed, two: &Changed| {
            two.field == one.field && (two.to == one.from || two.setting == Setting::MinReplicas)
        };
        line.changes.retain(|one| !undone.changes.iter().any(|two| back(one, two)));
    }
    left.retain(|line| !line.changes.is_empty());
}

/// Two changes of an object as one.
fn one_after_the_other(first: &Line, then: &Line) -> Line {
    let mut line = then.clone();
    for one in &first.changes {
        match line.changes.iter_mut().find(|other| other.field == one.field) {
            Some(other) if other.from == one.to => {
                other.from.clone_from(&one.from);
                other.floor = other.floor.or(one.floor);
            }
            // somebody set it in between: theirs is what stood there before
            Some(_) => {}
            None => line.changes.push(one.clone()),
        }
    }
    line
}
