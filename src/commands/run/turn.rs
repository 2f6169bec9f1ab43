//! One turn: history up to date, what is in force, the advice, and the floors that follow.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use anyhow::Result;
use jiff::Timestamp;

use super::floors::{Wanted, may_sleep, one_floor, scaler};
use super::left::{abandoned, asleep};
use super::watching::Watching;
use crate::Assessment;
use crate::advise::plan::{Code, Reason, Setting};
use crate::apply::server::Place;
use crate::cli::LoopArgs;
use crate::commands::apply::one;
use crate::commands::apply::session::{Outcome, Session};
use crate::commands::gather::{Ask, Run, gather_asking, options};
use crate::commands::{Hinted, Talk, failure};
use crate::past::floor;
use crate::render::objects::{FieldChange, ObjectChange, objects};
use crate::service::Component;
use crate::service::floor::Raised;
use crate::service::live::Workload;
use crate::service::rules::Rounds;

/// What was said before, so that it is said once, a line an object at most; and what is watched.
#[derive(Default)]
pub struct Memory {
    pub(super) said: BTreeMap<String, String>,
    refused: BTreeMap<String, String>,
    /// The floors that this loop sent last: who replaces a whole object takes the note on it away.
    pub(super) sent: BTreeMap<String, Raised>,
    /// The moves of the record whose floors were found to be up no more.
    pub(super) down: BTreeSet<String>,
    pub(super) watching: Watching,
}

/// How a turn ended.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Turned {
    /// The floors as they are now, or in a dry run would be.
    pub floors: Vec<Seen>,
    /// Floors that were raised, or would be.
    pub raised: u64,
    /// Floors that were taken back, or would be.
    pub taken_back: u64,
    /// Objects that a guard refused, and one for all of which the server made something else than it had rehearsed.
    pub refused: u64,
    /// Components of which nothing could be said.
    pub left: u64,
    /// Objects that were changed as advised.
    pub applied: u64,
    /// What the settings say of the turns.
    pub rounds: Rounds,
}

/// A floor after a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The namespace.
    pub namespace: String,
    /// Kind and name of the autoscaler.
    pub object: String,
    /// What was in force before the loop raised it.
    pub base: u32,
    /// What is in force.
    pub floor: u32,
    /// What the next minutes ask for; `None`: not known.
    pub asked: Option<u32>,
}

impl Turned {
    /// What a turn that may not act would do, in a line: each floor has said so itself.
    pub(super) fn words(&self) -> String {
        let floors =
            |count| if count == 1 { "1 floor".to_owned() } else { format!("{count} floors") };
        let mut line = match (self.raised, self.taken_back) {
            (0, 0) => "no floor would move".to_owned(),
            (up, 0) => format!("{} would go up", floors(up)),
            (0, down) => format!("{} would go down", floors(down)),
            (up, down) => format!("{} would go up and {down} down", floors(up)),
        };
        for (count, what) in
            [(self.applied, "changed as advised"), (self.refused, "refused"), (self.left, "left")]
        {
            if count > 0 {
                line += &format!(", {count} {what}");
            }
        }
        line + "; a dry run: without `--once`, `--yes` acts"
    }
}

impl Seen {
    pub(super) fn labels(&self) -> String {
        format!("namespace=\"{}\",object=\"{}\"", self.namespace, self.object)
    }
}

impl Memory {
    /// Others act now: who acts again asks the objects what is watched.
    pub(super) fn leave(&mut self) {
        self.sent.clear();
        self.down.clear();
        let taken_back = self.watching.watches.taken_back;
        self.watching = Watching::default();
        self.watching.watches.taken_back = taken_back;
    }

    /// What was sent as the floor of an object; `None`: it is at its base.
    pub(super) fn remember(&mut self, object: &str, sent: Option<Raised>) {
        match sent {
            Some(sent) => drop(self.sent.insert(object.to_owned(), sent)),
            None => drop(self.sent.remove(object)),
        }
    }

    /// Writes a line where it is another than the last of its subject.
    pub(super) fn say(
        &mut self,
        out: &mut dyn Write,
        subject: &str,
        key: &str,
        line: &str,
    ) -> Result<()> {
        if self.said.get(subject).is_none_or(|said| said != key) {
            self.said.insert(subject.to_owned(), key.to_owned());
            writeln!(out, "{line}")?;
        }
        Ok(())
    }
}

/// Takes one turn at `now`, a dry run unless the flags say `--yes`.
///
/// # Errors
///
/// Whatever the advice fails with, a cluster that is lost, a record that cannot be kept. What was done stays done.
pub async fn turn(
    args: &LoopArgs,
    now: Timestamp,
    memory: &mut Memory,
    talk: &Talk,
    out: &mut dyn Write,
) -> Result<Turned> {
    let quiet = Talk { quiet: true, ..*talk };
    let given = args.run(now);
    let run = gather_asking(&given, &quiet, Ask::Always).await?;
    for odd in &run.settings.warnings {
        memory.say(out, &odd.to_string(), "", &format!("warning: {odd}"))?;
    }
    for gap in &run.live.gaps {
        memory.say(
            out,
            &gap.message,
            "",
            &format!("warning: {}\nhint: {}", gap.message, gap.hint),
        )?;
    }
    memory.said.retain(|subject, key| !key.is_empty() || known(&run, subject));
    let (options, record) = (options(&given), &run.settings.audit);
    let mut session = Session::open_around(&options, record, (now, args.on.yes), talk, out).await?;
    session.refused = std::mem::take(&mut memory.refused);
    session.unattended = Some(run.settings.rules.watch);
    let namespace = args.on.namespace.as_deref();
    let turned = moved(&mut session, &run, namespace, memory).await;
    memory.refused = std::mem::take(&mut session.refused);
    if turned.is_err() {
        memory.watching.doubt();
    }
    turned
}

/// A record with lines that are none of ours may hide a change of ours: once it is said, counts are raised and nothing else.
fn damaged(session: &mut Session<'_>, memory: &mut Memory) -> Result<Option<Reason>> {
    // what is cut short was never sent
    let Some(damage) = session.damage.iter().find(|one| !one.is_cut()) else {
        memory.said.remove("the record");
        return Ok(None);
    };
    let message = damage.to_string();
    let line = format!(
        "warning: {message}: floors are raised and not taken back, and nothing else is applied\nhint: {}",
        damage.hint()
    );
    memory.say(session.out, "the record", &message, &line)?;
    Ok(Some(Reason { code: Code::SourceFailed, message }))
}

/// Whether a warning still holds.
fn known(run: &Run, subject: &str) -> bool {
    run.live.gaps.iter().any(|gap| gap.message == subject)
        || run.settings.warnings.iter().any(|odd| odd.to_string() == subject)
}

async fn moved(
    session: &mut Session<'_>,
    run: &Run,
    namespace: Option<&str>,
    memory: &mut Memory,
) -> Result<Turned> {
    session.settle_changes().await?;
    if session.acts() {
        memory.watching.resume(session, &run.settings, &run.live).await?;
    }
    let damage = damaged(session, memory)?;
    let mut turned = Turned { rounds: run.settings.rounds, ..Turned::default() };
    let mut calls = Calls::default();
    for a in &run.assessments {
        for component in a.service.components.iter().filter(|component| !component.memory) {
            match scaler(run, a, component) {
                Ok(change) => {
                    let of = (a, component, change, damage.as_ref());
                    calls.take(scaled(session, run, of, memory, &mut turned).await)?;
                }
                Err(why) => {
                    let subject = format!("{} {}", a.service.name, component.name);
                    let line = format!("left     {subject}: {why}");
                    memory.say(session.out, &subject, &why, &line)?;
                    turned.left += 1;
                }
            }
        }
    }
    told(run, &turned)?;
    let left = abandoned(session, &run.settings, namespace, memory, &mut turned).await;
    calls.take(left)?;
    if run.settings.rounds.apply && damage.is_none() {
        follow(session, run, memory, (&mut turned, &mut calls)).await?;
    }
    turned.refused += u64::from(session.amiss);
    match calls.ended()? {
        None => drop(memory.said.remove("a call")),
        Some(failed) => {
            turned.left += 1;
            // it may have been done all the same
            memory.watching.doubt();
            memory.say(session.out, "a call", &failed, &failed)?;
        }
    }
    Ok(turned)
}

/// One autoscaler: its floor follows the load, but for what may scale to nothing.
async fn scaled(
    session: &mut Session<'_>,
    run: &Run,
    (a, component, change, damage): (&Assessment, &Component, ObjectChange, Option<&Reason>),
    memory: &mut Memory,
    turned: &mut Turned,
) -> Result<()> {
    let mut asked = floor::floor(a, component, run.settings.rounds.hold);
    if let Ok(floor) = &mut asked {
        floor.doubt = floor.doubt.take().or(damage.cloned());
    }
    let wanted = Wanted { change, asked };
    if may_sleep(run, a, component) {
        return asleep(session, run, wanted, memory, turned).await;
    }
    one_floor(session, run, &wanted, memory, turned).await
}

/// A turn that may read nothing is none: who is asked whether all is well must say so.
fn told(run: &Run, turned: &Turned) -> Result<()> {
    let unknown = |workload: &Workload| workload.scaler.is_none();
    let nothing = turned.floors.is_empty() && run.live.workloads.values().all(unknown);
    match run.live.gaps.first().filter(|_| nothing) {
        None => Ok(()),
        Some(gap) => {
            let message = format!("nothing could be read: {}", gap.message);
            Err(Hinted { message, hint: gap.hint.clone() }.into())
        }
    }
}

/// Calls that came to nothing: the other objects are gone on with, until it happens a second time.
#[derive(Default)]
struct Calls {
    failed: Option<anyhow::Error>,
    /// Objects whose calls were answered.
    answered: usize,
}

impl Calls {
    fn take<T>(&mut self, done: Result<T>) -> Result<Option<T>> {
        match (done, self.failed.take()) {
            (Ok(done), before) => {
                self.failed = before;
                self.answered += 1;
                Ok(Some(done))
            }
            (Err(_), Some(before)) => Err(before),
            (Err(error), None) => {
                self.failed = Some(error);
                Ok(None)
            }
        }
    }

    /// What is to be said of the one that failed, where others were answered: the turn counts as done.
    fn ended(self) -> Result<Option<String>> {
        match self.failed {
            Some(error) if self.answered == 0 => Err(error),
            failed => Ok(failed.map(|error| failure(&error).trim_end().to_owned())),
        }
    }
}

/// Applies the plan, but for what is watched still: its rollout is waited for.
async fn follow(
    session: &mut Session<'_>,
    run: &Run,
    memory: &mut Memory,
    (turned, calls): (&mut Turned, &mut Calls),
) -> Result<()> {
    if session.acts() {
        session.go_on(&run.settings.services).await?;
        session.go_on_with_turns(run.settings.rules.cooldown).await?;
    }
    let before = calls.failed.is_some();
    let mut acts = Vec::new();
    let mut ended = Ok(());
    for change in &due(session, run, memory, &turned.floors)? {
        let subject = format!("{} in {} as advised", change.object(), change.namespace);
        let fields = format!("{:?}", change.fields);
        if !session.acts() && memory.said.get(&subject) == Some(&fields) {
            turned.applied += 1;
            continue;
        }
        match calls.take(one(session, run, &run.plan, change, &mut acts).await) {
            Ok(Some(Outcome::Changed)) => turned.applied += 1,
            Ok(Some(Outcome::Refused | Outcome::Again)) => turned.refused += 1,
            Ok(Some(Outcome::Same)) => {}
            Ok(None) => continue,
            Err(error) => {
                ended = Err(error);
                break;
            }
        }
        memory.said.insert(subject, fields);
    }
    // a floor that failed before is no object of this run, which is through
    if ended.is_ok() && calls.failed.is_some() == before {
        ended = session.end();
    }
    memory.watching.begin(session, &run.settings, acts)?;
    ended
}

/// What of the plan is to be applied in this turn.
fn due(
    session: &mut Session<'_>,
    run: &Run,
    memory: &mut Memory,
    floors: &[Seen],
) -> Result<Vec<ObjectChange>> {
    let mut changes = objects(&run.plan, &run.settings.services, &run.live);
    changes.retain(|change| {
        let workload = format!("{}/{}", change.workload.0.name(), change.workload.1);
        let place = Place { namespace: &change.namespace, kind: change.kind, name: &change.name };
        // whose floor this turn moved is not what the plan saw: the next turn sees it
        session.done(place).is_none()
            && !memory.watching.watches.holds(&change.namespace, &workload)
    });
    for change in &mut changes {
        let object = format!("{} in {}", change.object(), change.namespace);
        let subject = format!("{object} waits");
        match kept_for_the_load(change, floors) {
            None => drop(memory.said.remove(&subject)),
            Some((least, asked)) => {
                let line = format!(
                    "waits    {object}: minReplicas {least} while the load asks for {asked}"
                );
                memory.say(session.out, &subject, &least.to_string(), &line)?;
            }
        }
    }
    changes.retain(|change| !change.fields.is_empty());
    Ok(changes)
}

/// Takes a minimum out of a change that lies below what this turn's load asks for, and a maximum below the one that stays:
/// the next turn would raise it again. What it was to be, and what is asked for; `None`: nothing waits.
fn kept_for_the_load(change: &mut ObjectChange, floors: &[Seen]) -> Option<(u64, u32)> {
    let object = change.object();
    let is_it = |seen: &&Seen| (&seen.namespace, &seen.object) == (&change.namespace, &object);
    // a floor of the loop stays above whatever its base becomes
    let seen = floors.iter().find(is_it).filter(|seen| seen.floor == seen.base)?;
    let of_least = |field: &&FieldChange| field.setting == Setting::MinReplicas;
    let least = change.fields.iter().find(of_least)?;
    let (from, to) = (least.from.figure(), least.to.figure());
    let asked = seen.asked.filter(|asked| to < from && u64::from(*asked) > to)?;
    change.fields.retain(|field| match field.setting {
        Setting::MinReplicas => false,
        Setting::MaxReplicas => field.to.figure() >= from,
        _ => true,
    });
    Some((to, asked))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_object_that_fails_keeps_no_other_waiting_and_a_second_one_ends_the_turn() {
        let fails = |why: &'static str| Err::<(), _>(anyhow::anyhow!(why));
        let mut calls = Calls::default();
        assert_eq!(calls.take(fails("first")).unwrap(), None);
        assert_eq!(calls.take(Ok(7)).unwrap(), Some(7));
        assert_eq!(calls.take(fails("second")).unwrap_err().to_string(), "first");
        // the only one of all is the turn; among others it is said
        let ended = |others: usize| {
            let mut calls = Calls::default();
            calls.take(fails("first")).unwrap();
            (0..others).for_each(|_| assert!(calls.take(Ok(())).unwrap().is_some()));
            calls.ended().map_err(|error| error.to_string())
        };
        assert_eq!(ended(0), Err("first".to_owned()));
        assert_eq!(ended(1), Ok(Some("error: first".to_owned())));
        assert_eq!(Calls::default().ended().unwrap(), None);
    }
}
