//! One floor: read, decided, judged, rehearsed, moved.

use anyhow::Result;
use jiff::Timestamp;
use serde_json::Value;

use super::turn::{Memory, Seen, Turned};
use crate::Assessment;
use crate::advise::plan::{Amount, Reason, Setting};
use crate::apply::audit::Verb;
use crate::apply::floor::{Moved, put_back};
use crate::apply::guard::{self, Situation};
use crate::apply::manifest::Note;
use crate::apply::server::Place;
use crate::apply::{Found, Write as FieldWrite, bounds as places, field};
use crate::commands::apply::session::{Outcome, Passed, Session};
use crate::commands::apply::{TRIES, restless, situation};
use crate::commands::gather::Run;
use crate::past::floor::{self, Bounds, Floor};
use crate::render::objects::{FieldChange, Kind, ObjectChange};
use crate::service::Component;
use crate::service::floor::Raised;
use crate::service::live::Scaler;
use crate::service::object::Path;
use crate::service::owner;

/// An autoscaler, and what the next minutes ask of it.
pub(super) struct Wanted {
    pub change: ObjectChange,
    pub asked: Result<Floor, Reason>,
}

/// The autoscaler of a component, as something that changes; its fields come later.
pub(super) fn scaler(
    run: &Run,
    a: &Assessment,
    component: &Component,
) -> Result<ObjectChange, String> {
    let workload = run.live.workload(&a.service.name, &component.name);
    let (kind, name) = match workload.and_then(|workload| workload.scaler.as_ref()) {
        None => return Err("who scales it is not known".to_owned()),
        Some(Scaler::Nobody) => return Err("no autoscaler has a floor to be raised".to_owned()),
        Some(Scaler::Hpa(hpa)) => (Kind::HorizontalPodAutoscaler, &hpa.name),
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

/// Whether its autoscaler may take a component to nothing.
pub(super) fn may_sleep(run: &Run, a: &Assessment, component: &Component) -> bool {
    let workload = run.live.workload(&a.service.name, &component.name);
    match workload.and_then(|workload| workload.scaler.as_ref()) {
        Some(Scaler::Keda(keda)) => keda.idles || keda.min.unwrap_or(0) == 0,
        _ => false,
    }
}

/// One floor: read, decided, judged, rehearsed, moved. One that changes meanwhile is read and decided again.
pub(super) async fn one_floor(
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
        let line = session.line(Verb::Floor, place, workload.clone());
        let behind = (change.workload.0, change.workload.1.as_str());
        let Some(found) = session.find(place, behind, &line).await? else {
            turned.refused += 1;
            return Ok(());
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
    let (bounds, note) = match found.object.as_ref().map(|object| bounds(change.kind, object)) {
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
    let sent = memory.sent.get(&subject).copied();
    let back = found.object.as_ref().and_then(|object| put_back(object, change.kind, sent));
    let vain = in_vain(session, run, (bounds, note), to);
    if let Some(vain) = vain.or_else(|| put_back_twice(session, run, back.as_ref(), bounds)) {
        memory.say(session.out, &subject, "in vain", &format!("held     {subject} {vain}"))?;
        return Ok((Outcome::Refused, Some((seen, false))));
    }
    let why = format!("{} -> {to}, base {}", bounds.floor, bounds.base);
    if !session.acts() && memory.said.get(&subject) == Some(&why) {
        return Ok((Outcome::Changed, Some((seen, to > bounds.floor))));
    }
    let step = Step::of(session, run, (bounds, note, to), back.map(|(note, _)| note));
    let outcome = delivered(session, run, wanted, found, &step).await?;
    if outcome == Outcome::Changed {
        memory.remember(&subject, step.raised.filter(|_| session.acts()));
        let would = if session.acts() { "floor   " } else { "would   " };
        memory.say(session.out, &subject, &why, &format!("{would} {subject}: {why}"))?;
        seen.floor = made(session, change).unwrap_or(seen.floor);
    }
    Ok((outcome, Some((seen, to > bounds.floor))))
}

/// What the server made of a floor that this turn moved.
fn made(session: &Session<'_>, change: &ObjectChange) -> Option<u32> {
    let place = Place { namespace: &change.namespace, kind: change.kind, name: &change.name };
    match session.done(place)?.changes.first()?.amounts() {
        Ok((_, Amount::Count(floor))) => Some(floor),
        _ => None,
    }
}

/// Why a floor is not sent: the server did not do it a moment ago.
fn in_vain(
    session: &Session<'_>,
    run: &Run,
    (Bounds { base, floor, .. }, note): (Bounds, Option<Raised>),
    to: u32,
) -> Option<String> {
    let Raised { set, at, .. } = note.filter(|note| note.is_vain(floor, to))?;
    let hold = run.settings.rounds.hold;
    lately(session, run, at).then(|| {
        format!("at {floor}, base {base}: the server made that of the {set} sent at {at:.0}; it is tried again {hold} later")
    })
}

/// Why a floor is not sent: it was put back a moment ago, and once more after it was raised again.
fn put_back_twice(
    session: &Session<'_>,
    run: &Run,
    put_back: Option<&(Raised, String)>,
    Bounds { floor, .. }: Bounds,
) -> Option<String> {
    let (note, who) = put_back.filter(|(note, _)| note.again)?;
    let hold = run.settings.rounds.hold;
    lately(session, run, note.at).then(|| {
        format!("at {floor}: `{who}` put the {} of {:.0} back, and the one before it; it is tried again {hold} later", note.set, note.at)
    })
}

/// Whether a floor was moved within the hold time.
fn lately(session: &Session<'_>, run: &Run, at: Timestamp) -> bool {
    (0..run.settings.rounds.hold.0).contains(&session.now.duration_since(at).as_secs())
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

/// The bounds that stand in an object, and our note on it: the floor is still what was put there, or what the server
/// made of it.
fn bounds(kind: Kind, object: &Value) -> Result<(Bounds, Option<Raised>), String> {
    let count = |setting, path: &Path| match field::amount(object, kind, setting, path) {
        Some(Amount::Count(count)) => Ok(count),
        _ => Err(format!("`{path}` cannot be read")),
    };
    let [least, most] = places(kind);
    let floor = count(Setting::MinReplicas, &least)?;
    let ceiling = count(Setting::MaxReplicas, &most)?;
    let note = Raised::noted(object, &least)?;
    let base = note.map_or(floor, |note| note.base);
    Ok((Bounds { base, floor, ceiling }, note))
}

/// A write as a change of its object.
fn field(write: &FieldWrite) -> FieldChange {
    let FieldWrite { setting, ref path, from, to, .. } = *write;
    FieldChange { setting, path: path.clone(), from, to, reasons: Vec::new() }
}

/// A floor that is to move.
struct Step {
    bounds: Bounds,
    /// When the loop moved it last; `None`: it is not the loop's.
    last: Option<Timestamp>,
    to: u32,
    /// The note that goes with it; `None`: it goes back to its base.
    raised: Option<Raised>,
}

impl Step {
    /// `back` is what was put back a moment ago.
    fn of(
        session: &Session<'_>,
        run: &Run,
        (bounds, note, to): (Bounds, Option<Raised>, u32),
        back: Option<Raised>,
    ) -> Self {
        let back = back.or(note.filter(|note| note.again));
        let again = to > bounds.floor && back.is_some_and(|note| lately(session, run, note.at));
        let raised = Raised { base: bounds.base, set: to, at: session.now, again };
        let raised = Some(raised).filter(|raised| raised.set > raised.base);
        Self { bounds, last: note.map(|note| note.at), to, raised }
    }
}

/// Asks the guards, and moves the floor where all let it pass.
async fn delivered(
    session: &mut Session<'_>,
    run: &Run,
    wanted: &Wanted,
    found: &Found,
    Step { bounds, last, to, raised }: &Step,
) -> Result<Outcome> {
    let object = found.object.clone().unwrap_or(Value::Null);
    let [path, _] = places(wanted.change.kind);
    let code = if *to > bounds.floor { "NOWCAST" } else { "NOWCAST_OVER" };
    let amounts = (Amount::Count(bounds.floor), Amount::Count(*to));
    let writes = [FieldWrite {
        took_over: owner::others(&object, &path),
        reasons: vec![code.to_owned()],
        ..FieldWrite::new(Setting::MinReplicas, path, amounts)
    }];
    let change =
        ObjectChange { fields: writes.each_ref().map(field).into(), ..wanted.change.clone() };
    let doubt = match &wanted.asked {
        Ok(floor) => floor.doubt.as_ref(),
        Err(why) => Some(why),
    };
    let floor = Moved {
        base: bounds.base,
        last: *last,
        hold: run.settings.rounds.hold,
        doubt: doubt.map(|doubt| doubt.message.clone()),
    };
    let situation = Situation {
        writes: &writes,
        floor: Some(&floor),
        ..situation(session, run, &run.plan, &change, found)
    };
    let ((passed, refusals), books) = (guard::judge(&situation), guard::books(&situation));
    let place = Place { namespace: &change.namespace, kind: change.kind, name: &change.name };
    let workload = format!("{}/{}", change.workload.0.name(), change.workload.1);
    let mut line = session.line(Verb::Floor, place, workload);
    line.plan = format!("{} {}", run.plan.at, run.plan.settings);
    if !refusals.is_empty() {
        return session.refuse(line, &refusals);
    }
    line.guards = passed.into_iter().map(str::to_owned).collect();
    line.said = vec![format!("base {}", bounds.base)];
    let note = Note::Floor(*raised);
    let passed = Passed { place, object: &object, writes: &writes, note, line };
    let outcome = session.deliver(passed).await?;
    session.booked.extend(books.filter(|_| outcome == Outcome::Changed));
    Ok(outcome)
}
