//! One turn: history up to date, what is in force, the advice, and the floors that follow.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Result;
use jiff::Timestamp;
use serde_json::Value;

use super::watching::Watching;
use crate::Assessment;
use crate::advise::plan::{Amount, Code, Reason, Setting};
use crate::apply::audit::Verb;
use crate::apply::floor::{Moved, Raised};
use crate::apply::guard::{self, Situation};
use crate::apply::manifest::Note;
use crate::apply::server::Place;
use crate::apply::{Found, Write as FieldWrite, bounds as places, field, owner};
use crate::cli::LoopArgs;
use crate::commands::Talk;
use crate::commands::apply::session::{Outcome, Passed, Session, called, refused};
use crate::commands::apply::{TRIES, one, restless, situation};
use crate::commands::gather::{Ask, Run, gather_asking, options};
use crate::past::floor::{self, Bounds, Floor};
use crate::render::objects::{FieldChange, Kind, ObjectChange, Path, objects};
use crate::service::Component;
use crate::service::live::Scaler;
use crate::service::rules::Rounds;

/// What was said before, so that it is said once, a line an object at most; and what is watched.
#[derive(Default)]
pub struct Memory {
    said: BTreeMap<String, String>,
    refused: BTreeMap<String, String>,
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
    /// Objects that a guard refused.
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

impl Seen {
    pub(super) fn labels(&self) -> String {
        format!("namespace=\"{}\",object=\"{}\"", self.namespace, self.object)
    }
}

impl Memory {
    /// Others act now: who acts again asks the objects what is watched.
    pub(super) fn leave(&mut self) {
        let taken_back = self.watching.watches.taken_back;
        self.watching = Watching::default();
        self.watching.watches.taken_back = taken_back;
    }

    /// Writes a line where it is another than the last of its subject.
    fn say(&mut self, out: &mut dyn Write, subject: &str, key: &str, line: &str) -> Result<()> {
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
    let mut session = Session::open_around(&options, record, (now, args.yes), talk, out).await?;
    session.refused = std::mem::take(&mut memory.refused);
    session.unattended = Some(run.settings.rules.watch);
    let turned = moved(&mut session, &run, memory).await;
    memory.refused = std::mem::take(&mut session.refused);
    if turned.is_err() {
        memory.watching.doubt();
    }
    turned
}

/// A record with lines that are none of ours may hide a change of ours: once it is said, counts are raised and nothing else.
fn damaged(session: &mut Session<'_>, memory: &mut Memory) -> Result<Option<Reason>> {
    let Some(damage) = &session.damage else {
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

async fn moved(session: &mut Session<'_>, run: &Run, memory: &mut Memory) -> Result<Turned> {
    session.settle_changes().await?;
    if session.acts() {
        memory.watching.resume(session, &run.settings, &run.live).await?;
    }
    let damage = damaged(session, memory)?;
    let mut turned = Turned { rounds: run.settings.rounds, ..Turned::default() };
    for a in &run.assessments {
        for component in a.service.components.iter().filter(|component| !component.memory) {
            match scaler(run, a, component) {
                Ok(change) => {
                    let mut asked = floor::floor(a, component, run.settings.rounds.hold);
                    if let Ok(floor) = &mut asked {
                        floor.doubt = floor.doubt.take().or(damage.clone());
                    }
                    let floor = &Wanted { change, asked };
                    one_floor(session, run, floor, memory, &mut turned).await?;
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
    if run.settings.rounds.apply && damage.is_none() {
        follow(session, run, memory, &mut turned).await?;
    }
    Ok(turned)
}

/// Applies the plan, but for what is watched still: its rollout is waited for.
async fn follow(
    session: &mut Session<'_>,
    run: &Run,
    memory: &mut Memory,
    turned: &mut Turned,
) -> Result<()> {
    let mut acts = Vec::new();
    let mut changes = objects(&run.plan, &run.settings.services, &run.live);
    changes.retain(|change| {
        let workload = format!("{}/{}", change.workload.0.name(), change.workload.1);
        !memory.watching.watches.holds(&change.namespace, &workload)
    });
    let mut ended = Ok(());
    for change in &changes {
        let subject = format!("{} in {} as advised", change.object(), change.namespace);
        let fields = format!("{:?}", change.fields);
        if !session.acts() && memory.said.get(&subject) == Some(&fields) {
            turned.applied += 1;
            continue;
        }
        match one(session, run, &run.plan, change, &mut acts).await {
            Ok(Outcome::Changed) => turned.applied += 1,
            Ok(Outcome::Refused | Outcome::Again) => turned.refused += 1,
            Ok(Outcome::Same) => {}
            Err(error) => {
                ended = Err(error);
                break;
            }
        }
        memory.said.insert(subject, fields);
    }
    memory.watching.begin(session, &run.settings, acts)?;
    ended
}

/// An autoscaler, and what the next minutes ask of it.
struct Wanted {
    change: ObjectChange,
    asked: Result<Floor, Reason>,
}

/// The autoscaler of a component, as something that changes; its fields come later.
fn scaler(run: &Run, a: &Assessment, component: &Component) -> Result<ObjectChange, String> {
    let workload = run.live.workload(&a.service.name, &component.name);
    let (kind, name) = match workload.and_then(|workload| workload.scaler.as_ref()) {
        None => return Err("who scales it is not known".to_owned()),
        Some(Scaler::Nobody) => return Err("no autoscaler has a floor to be raised".to_owned()),
        Some(Scaler::Hpa(hpa)) => (Kind::HorizontalPodAutoscaler, &hpa.name),
        Some(Scaler::Keda(keda)) if keda.min.unwrap_or(0) == 0 => {
            return Err(format!(
                "`ScaledObject/{}` may scale to nothing, and is let sleep",
                keda.name
            ));
        }
        Some(Scaler::Keda(keda)) => (Kind::ScaledObject, &keda.name),
    };
    let target = Kind::of(&component.target.kind).ok_or("it is of no kind that is scaled")?;
    Ok(ObjectChange {
        service: a.service.name.clone(),
        component: component.name.clone(),
        namespace: a.service.namespace.clone(),
        kind,
        name: name.clone(),
        workload: (target, component.target.name.clone()),
        fields: Vec::new(),
    })
}

/// One floor: read, decided, judged, rehearsed, moved. One that changes meanwhile is read and decided again.
async fn one_floor(
    session: &mut Session<'_>,
    run: &Run,
    wanted: &Wanted,
    memory: &mut Memory,
    turned: &mut Turned,
) -> Result<()> {
    let change = &wanted.change;
    let place = Place { namespace: &change.namespace, kind: change.kind, name: &change.name };
    let workload = format!("{}/{}", change.workload.0.name(), change.workload.1);
    for _ in 0..TRIES {
        let found = session.server.find(place, (change.workload.0, &change.workload.1)).await;
        let found = match found {
            Ok(found) => found,
            Err(error) if error.is_of_the_cluster() => return Err(called(error).into()),
            Err(error) => {
                let line = session.line(Verb::Floor, place, workload);
                session.refuse(line, &[refused(&error)])?;
                turned.refused += 1;
                return Ok(());
            }
        };
        match stepped(session, run, wanted, &found, memory).await? {
            (Outcome::Again, _) => {}
            (outcome, seen) => {
                turned.count(outcome, seen.as_ref());
                turned.floors.extend(seen.map(|(seen, _)| seen));
                return Ok(());
            }
        }
    }
    let line = session.line(Verb::Floor, place, workload);
    session.refuse(line, &[restless()])?;
    turned.refused += 1;
    Ok(())
}

impl Turned {
    fn count(&mut self, outcome: Outcome, seen: Option<&(Seen, bool)>) {
        match (outcome, seen) {
            (Outcome::Changed, Some((_, true))) => self.raised += 1,
            (Outcome::Changed, _) => self.taken_back += 1,
            (Outcome::Refused, _) => self.refused += 1,
            _ => {}
        }
    }
}

/// Decides one floor of what was found, and moves it. What is seen then, and whether it went up.
async fn stepped(
    session: &mut Session<'_>,
    run: &Run,
    wanted: &Wanted,
    found: &Found,
    memory: &mut Memory,
) -> Result<(Outcome, Option<(Seen, bool)>)> {
    let change = &wanted.change;
    let subject = format!("{} in {}", change.object(), change.namespace);
    let (bounds, raised) = match found.object.as_ref().map(|object| bounds(change.kind, object)) {
        Some(Ok(known)) => known,
        Some(Err(why)) => {
            memory.say(session.out, &subject, &why, &format!("left     {subject}: {why}"))?;
            return Ok((Outcome::Refused, None));
        }
        None => (Bounds { base: 0, floor: 0, ceiling: 0 }, None),
    };
    let mut seen = Seen {
        namespace: change.namespace.clone(),
        object: change.object(),
        base: bounds.base,
        floor: bounds.floor,
        asked: wanted.asked.as_ref().ok().map(|floor| floor.asked),
    };
    let (to, doubt) = match &wanted.asked {
        Ok(floor) => {
            (floor::next(floor, bounds, run.settings.policy.max_step), floor.doubt.as_ref())
        }
        Err(why) => (bounds.floor, Some(why)),
    };
    if to == bounds.floor && found.object.is_some() {
        held(session, memory, &subject, bounds, (seen.asked, doubt))?;
        return Ok((Outcome::Same, Some((seen, false))));
    }
    let why = format!("{} -> {to}, base {}", bounds.floor, bounds.base);
    if !session.acts() && memory.said.get(&subject) == Some(&why) {
        return Ok((Outcome::Changed, Some((seen, to > bounds.floor))));
    }
    let outcome = delivered(session, run, wanted, found, (bounds, raised, to)).await?;
    if outcome == Outcome::Changed {
        let would = if session.acts() { "floor   " } else { "would   " };
        memory.say(session.out, &subject, &why, &format!("{would} {subject}: {why}"))?;
        if session.acts() {
            seen.floor = to;
        }
    }
    Ok((outcome, Some((seen, to > bounds.floor))))
}

/// Says once why a floor is not raised further or not taken back, or why nothing can be said of one.
fn held(
    session: &mut Session<'_>,
    memory: &mut Memory,
    subject: &str,
    bounds: Bounds,
    (asked, doubt): (Option<u32>, Option<&Reason>),
) -> Result<()> {
    if asked.is_some_and(|asked| asked > bounds.ceiling) {
        let (asked, ceiling) = (asked.unwrap_or_default(), bounds.ceiling);
        let line = format!("held     {subject} at its maximum of {ceiling}: {asked} are asked for");
        return memory.say(session.out, subject, "its maximum", &line);
    }
    if let Some(doubt) = doubt {
        let Bounds { base, floor, .. } = bounds;
        let line = format!("held     {subject} at {floor}, base {base}: {}", doubt.message);
        return memory.say(session.out, subject, &doubt.code.name(), &line);
    }
    memory.said.remove(subject);
    Ok(())
}

/// The bounds that stand in an object, and our note on it.
fn bounds(kind: Kind, object: &Value) -> Result<(Bounds, Option<Raised>), String> {
    let count = |setting, path: &Path| match field::amount(object, kind, setting, path) {
        Some(Amount::Count(count)) => Ok(count),
        _ => Err(format!("`{path}` cannot be read")),
    };
    let [least, most] = places(kind);
    let floor = count(Setting::MinReplicas, &least)?;
    let ceiling = count(Setting::MaxReplicas, &most)?;
    let raised = Raised::ours(object, &least, floor)?;
    let base = raised.map_or(floor, |raised| raised.base);
    Ok((Bounds { base, floor, ceiling }, raised))
}

/// Asks the guards, and moves the floor where all let it pass.
async fn delivered(
    session: &mut Session<'_>,
    run: &Run,
    wanted: &Wanted,
    found: &Found,
    (bounds, raised, to): (Bounds, Option<Raised>, u32),
) -> Result<Outcome> {
    let object = found.object.clone().unwrap_or(Value::Null);
    let [path, _] = places(wanted.change.kind);
    let (from, to_amount) = (Amount::Count(bounds.floor), Amount::Count(to));
    let setting = Setting::MinReplicas;
    let field =
        FieldChange { setting, path: path.clone(), from, to: to_amount, reasons: Vec::new() };
    let change = ObjectChange { fields: vec![field], ..wanted.change.clone() };
    let code = if to > bounds.floor { "NOWCAST" } else { "NOWCAST_OVER" };
    let took_over = owner::others(&object, &path);
    let reasons = vec![code.to_owned()];
    let writes = [FieldWrite { setting, path, from, to: to_amount, reasons, took_over }];
    let doubt = match &wanted.asked {
        Ok(floor) => floor.doubt.as_ref(),
        Err(why) => Some(why),
    };
    let floor = Moved {
        base: bounds.base,
        last: raised.map(|raised| raised.at),
        hold: run.settings.rounds.hold,
        doubt: doubt.map(|doubt| doubt.message.clone()),
    };
    let (passed, refusals) = guard::judge(&Situation {
        writes: &writes,
        floor: Some(&floor),
        ..situation(session, run, &run.plan, &change, found)
    });
    let place = Place { namespace: &change.namespace, kind: change.kind, name: &change.name };
    let workload = format!("{}/{}", change.workload.0.name(), change.workload.1);
    let mut line = session.line(Verb::Floor, place, workload);
    line.plan = format!("{} {}", run.plan.at, run.plan.settings);
    if !refusals.is_empty() {
        return session.refuse(line, &refusals);
    }
    line.guards = passed.into_iter().map(str::to_owned).collect();
    line.said = vec![format!("base {}", bounds.base)];
    let base = bounds.base;
    let note = Note::Floor((to > base).then_some(Raised { base, set: to, at: session.now }));
    session.deliver(Passed { place, object: &object, writes: &writes, note, line }).await
}
