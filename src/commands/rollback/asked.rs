//! What `rollback` undoes: the last run that changed something here, by the record; where that knows of none, by the objects themselves.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;

use super::notes;
use crate::apply::audit::{self, Happened, Line, Stands, Verb, Whole};
use crate::apply::guard::Refusal;
use crate::commands::Talk;
use crate::commands::apply::session::{Session, plain};
use crate::config::Settings;
use crate::service::floor::Raised;
use crate::source::kubernetes::ClusterOptions;

/// What is to be undone, and what cannot be.
pub(super) struct Asked {
    pub lines: Vec<Line>,
    /// Whose notes nobody can read, and why.
    pub odd: Vec<(Line, Refusal)>,
    /// The floors that the loop holds up.
    pub floors: Vec<(Line, Raised)>,
    /// Whether everything could be asked: what is hidden may hold a note too.
    pub complete: bool,
}

/// The last run that changed something here, by the record; where that knows of none, by the objects themselves.
///
/// # Errors
///
/// A cluster that is lost, a later run than the record knows, and where nothing could be read.
pub(super) async fn asked(
    session: &Session<'_>,
    settings: &Settings,
    options: &ClusterOptions,
) -> Result<Asked> {
    let talk = *session.talk;
    let mine = |line: &&Line| {
        line.happened == Happened::Ended
            || settings.services.iter().any(|one| one.namespace == line.namespace)
    };
    let lines: Vec<Line> = session.lines.iter().filter(mine).cloned().collect();
    // what the objects say of themselves is no more than a second word where there is a record
    let quiet = Talk { quiet: true, ..talk };
    let told = notes::told(session, settings, options, quiet).await.ok();
    let floors = told.as_ref().map(|told| told.floors.clone()).unwrap_or_default();
    let asked = |lines| Asked { lines, odd: Vec::new(), floors: floors.clone(), complete: true };
    let mut wholes = audit::wholes(&lines).into_iter();
    while let Some(whole) = wholes.next() {
        let run = &whole.name;
        if session.stands(&whole.changed).await? == Stands::Elsewhere {
            talk.say(&format!(
                "the run of {run} was in another cluster: what came before is taken"
            ));
            continue;
        }
        if let Some(told) = &told {
            notes::is_the_last(told, &lines, &settings.audit)?;
        }
        if !whole.ended && !whole.left.is_empty() {
            let what = "ended before it was through: what it changed is taken back";
            talk.say(&format!("the run of {run} {what}"));
        }
        if whole.left.is_empty() {
            say_what_stands(session, (&lines, wholes.as_slice()), &settings.audit).await?;
        }
        return Ok(asked(whole.left));
    }
    by_notes(session, (settings, options), &lines, told).await
}

/// Where the last run is undone: names the one before it that changed what stands still, and how to bring that back.
async fn say_what_stands(
    session: &Session<'_>,
    (lines, earlier): (&[Line], &[Whole]),
    record: &Path,
) -> Result<()> {
    for whole in earlier.iter().filter(|whole| !whole.left.is_empty()) {
        if session.stands(&whole.left).await? != Stands::Here {
            continue;
        }
        let ways = alone(lines, whole).into_iter();
        let ways: Vec<String> =
            ways.map(|namespace| format!("`plimsoll rollback -n {namespace}`")).collect();
        let way = if ways.is_empty() {
            let says = format!("`{}` says what it replaced", record.display());
            format!("no more than the last run is undone; {says}, to be set by hand")
        } else {
            format!("brought back by {}", ways.join(" and "))
        };
        let what = format!("what the run of {} changed before stands still", whole.name);
        session.talk.say(&plain(&format!("{what}: {way}")));
        return Ok(());
    }
    Ok(())
}

/// The namespaces in which a run is the last one, and has left something.
fn alone<'a>(lines: &[Line], whole: &'a Whole) -> BTreeSet<&'a str> {
    let is_last = |namespace: &&str| {
        let here = |line: &&Line| line.happened == Happened::Ended || line.namespace == *namespace;
        let here: Vec<Line> = lines.iter().filter(here).cloned().collect();
        audit::wholes(&here).first().is_some_and(|last| last.name == whole.name)
    };
    whole.left.iter().map(|line| line.namespace.as_str()).filter(is_last).collect()
}

/// What the objects say of themselves. Where that was taken before, the rest of that run or a later one is: what came before
/// it is left.
async fn by_notes(
    session: &Session<'_>,
    (settings, options): (&Settings, &ClusterOptions),
    lines: &[Line],
    told: Option<Asked>,
) -> Result<Asked> {
    let empty = !session.lines.iter().any(|line| line.happened == Happened::Done);
    let says = if empty { "is empty" } else { "knows of no run here" };
    let says = format!("the record {says}: what the objects say of themselves is taken");
    let undone = undone_by_notes(session, lines).await?;
    if undone.is_none() {
        session.talk.say(&says);
    }
    let mut told = match told.filter(|told| told.complete) {
        Some(told) => told,
        // asked again aloud, since something could not be read
        None => notes::told(session, settings, options, *session.talk).await?,
    };
    if let Some(undone) = undone {
        told.lines.retain(|line| line.run >= undone);
        if !told.lines.is_empty() {
            session.talk.say(&says);
        }
    }
    Ok(told)
}

/// The last run that was undone here by what the objects say of themselves: the record does not know it.
async fn undone_by_notes(session: &Session<'_>, lines: &[Line]) -> Result<Option<String>> {
    let done = |line: &Line, verb| (line.happened, line.verb) == (Happened::Done, verb);
    let is_known =
        |run: &String| lines.iter().any(|line| done(line, Verb::Apply) && line.run == *run);
    let by_notes = |line: &&Line| {
        done(line, Verb::Rollback) && line.undoes.as_ref().is_some_and(|run| !is_known(run))
    };
    let mut back: Vec<&Line> = lines.iter().filter(by_notes).collect();
    back.sort_by(|one, other| other.undoes.cmp(&one.undoes));
    for line in back {
        if session.stands(std::slice::from_ref(line)).await? != Stands::Elsewhere {
            return Ok(line.undoes.clone());
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;
    use crate::advise::plan::Setting;
    use crate::apply::audit::Changed;

    fn line(verb: Verb, run: &str, namespace: &str, [from, to]: [u32; 2]) -> Line {
        let change: Value = json!({"setting": Setting::Replicas.name(), "field": "spec.replicas",
            "from": from, "to": to});
        let change: Changed = serde_json::from_value(change).unwrap();
        let example = Line::example(run, vec![change]);
        Line { happened: Happened::Done, verb, namespace: namespace.to_owned(), ..example }
    }

    #[test]
    fn an_earlier_run_is_reached_in_the_namespaces_where_it_is_the_last() {
        let ways = |lines: &[Line]| {
            let wholes = audit::wholes(lines);
            let earlier = wholes.iter().skip(1).find(|whole| !whole.left.is_empty());
            let ways = earlier.map(|whole| alone(lines, whole).into_iter().collect::<Vec<_>>());
            ways.map(|ways| ways.join(" "))
        };
        let first = ["a", "b"].map(|namespace| line(Verb::Apply, "1", namespace, [3, 4]));
        let then = line(Verb::Apply, "2", "b", [4, 5]);
        let back = Line { undoes: Some("2".to_owned()), ..line(Verb::Rollback, "3", "b", [5, 4]) };
        let both = [&first[..], &[then.clone(), back.clone()]].concat();
        assert_eq!(ways(&both).as_deref(), Some("a"));
        // there it is not: the later one was
        assert_eq!(ways(&[first[1].clone(), then.clone(), back.clone()]).as_deref(), Some(""));
        assert_eq!(ways(&[then, back]), None);
    }
}
