//! What `rollback` undoes: the last run that changed something here, by the record; where that knows of none, by the objects themselves.

use anyhow::Result;

use super::notes;
use crate::apply::audit::{self, Happened, Line, Stands, Verb};
use crate::apply::guard::Refusal;
use crate::commands::Talk;
use crate::commands::apply::session::Session;
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
    for whole in audit::wholes(&lines) {
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
        return Ok(asked(whole.left));
    }
    by_notes(session, (settings, options), &lines, told).await
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
