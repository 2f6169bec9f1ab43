//! Between the turns: what the loop changed as advised is watched as `apply` watches, for `apply.watch`.
//!
//! Each object says itself until when (`plimsoll.dev/watched-until`), so that another replica, or this one after a
//! start, goes on with it. Of pods it knows then only when they were made.

use std::io::Write;
use std::time::Duration;

use anyhow::Result;
use indicatif::ProgressBar;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::Memory;
use crate::apply::audit::{self, Happened, Line, Verb};
use crate::apply::server::Place;
use crate::apply::watch::Act;
use crate::apply::{Found, annotation, changes, noted, scaled};
use crate::cli::LoopArgs;
use crate::commands::Talk;
use crate::commands::apply::session::{Session, called, kind_and_name};
use crate::commands::apply::watch::{Watches, every};
use crate::commands::gather::{Ask, live_of, options, settings};
use crate::config::Settings;
use crate::render::objects::Kind;
use crate::service::Service;
use crate::service::live::Live;
use crate::service::object::Path;
use crate::service::owner;

/// How long after its end a watch is looked back on by who did not see it to its end: no object says who did.
const LOOKS_BACK: SignedDuration = SignedDuration::from_hours(24);

/// What of the watch is kept from one look to the next.
pub(super) struct Watching {
    pub watches: Watches,
    /// Whether the objects were asked what is watched still.
    known: bool,
    pub every: Duration,
}

impl Default for Watching {
    fn default() -> Self {
        let watches = Watches::new(ProgressBar::hidden());
        Self { watches, known: false, every: Duration::ZERO }
    }
}

impl Watching {
    /// Whether there is anything to look at.
    pub fn is_open(&self) -> bool {
        !self.known || !self.watches.is_empty()
    }

    /// A call that may have been done or not came in between: the objects are asked again.
    pub fn doubt(&mut self) {
        self.known = false;
    }

    /// Takes what was just changed under watch.
    pub fn begin(
        &mut self,
        session: &mut Session<'_>,
        settings: &Settings,
        acts: Vec<Act>,
    ) -> Result<()> {
        let ends = acts.into_iter().filter_map(|act| act.line.until.map(|until| (act, until)));
        self.take(session, settings, ends.collect())
    }

    fn take(
        &mut self,
        session: &mut Session<'_>,
        settings: &Settings,
        acts: Vec<(Act, Timestamp)>,
    ) -> Result<()> {
        let Some(length) = settings.rules.watch.0 else { return Ok(()) };
        self.every = every(length);
        self.watches.add(session, length, acts.into_iter())
    }

    /// Goes on with what the objects say is watched still, looks back on the time in which nobody may have watched, and
    /// names what the record says was left unwatched.
    pub async fn resume(
        &mut self,
        session: &mut Session<'_>,
        settings: &Settings,
        live: &Live,
    ) -> Result<()> {
        if self.known {
            return Ok(());
        }
        let mut open = Vec::new();
        for service in &settings.services {
            for seen in live.objects(service) {
                let Some(act) = still_watched(session, service, &seen.object).await? else {
                    continue;
                };
                let closed = |line: &Line| {
                    line.happened == Happened::Watched && audit::same(line, &act.0.line)
                };
                if self.watches.has(&act.0.line) || session.lines.iter().any(closed) {
                    continue;
                }
                let object = format!("{} in {}", act.0.line.object, act.0.line.namespace);
                let what = if act.1 > Timestamp::now() {
                    format!("watching {object} on, until {:.0}", act.1)
                } else {
                    format!("the watch of {object} ended {:.0}, before this replica acted", act.1)
                };
                session.talk.say(&what);
                open.push(act);
            }
        }
        let lines: Vec<Line> = open.iter().map(|(act, _)| act.line.clone()).collect();
        if !lines.is_empty() {
            self.take(session, settings, open)?;
            self.watches.see(settings, false, *session.talk).await;
            // how far the rollout is says what may be taken back
            self.watches.look(session).await;
            self.watches.look_back(session, &settings.rules, &lines).await?;
        }
        session.settle_watches()?;
        self.known = true;
        Ok(())
    }
}

/// The change of an object that is watched still, as it says itself.
async fn still_watched(
    session: &Session<'_>,
    service: &Service,
    object: &str,
) -> Result<Option<(Act, Timestamp)>> {
    let Some((kind, name)) = kind_and_name(object) else { return Ok(None) };
    let place = Place { namespace: &service.namespace, kind, name };
    let mut components = service.components.iter();
    // an autoscaler's workload is told by what it scales
    let target = components.find(|component| component.target.to_string() == object);
    let Some(object) = read(session, place, (kind, name)).await?.object else { return Ok(None) };
    let scaled = || scaled(&object).unwrap_or_default();
    let workload = target.map_or_else(scaled, |component| component.target.to_string());
    let Some((line, until)) = noted_line(session, place, &object, workload) else {
        return Ok(None);
    };
    let Some(behind) = kind_and_name(&line.workload) else { return Ok(None) };
    let found = read(session, place, behind).await?;
    let made = line.run.parse::<Timestamp>().unwrap_or(Timestamp::MAX);
    let pods = found.pods.map(|pods| pods.into_iter().filter(|pod| is_older(pod, made)).collect());
    // whether an autoscaler could act before is not known any more, and no reason
    let before = Found { pods, ..Found::default() };
    Ok(Some((Act { service: service.name.clone(), line, before }, until)))
}

/// What is found at a place; nothing where it may not be read: the loop has not changed it then.
async fn read(session: &Session<'_>, place: Place<'_>, workload: (Kind, &str)) -> Result<Found> {
    match session.server.find(place, workload).await {
        Err(error) if error.is_of_the_cluster() => Err(called(error).into()),
        found => Ok(found.unwrap_or_default()),
    }
}

/// What an object says that the loop changed and watches, where nobody else wrote that.
fn noted_line(
    session: &Session<'_>,
    place: Place<'_>,
    object: &Value,
    workload: String,
) -> Option<(Line, Timestamp)> {
    let until = noted(object, annotation::WATCHED_UNTIL).ok()??;
    let notes = [annotation::WATCHED_UNTIL, annotation::APPLIED_AT, annotation::PREVIOUS];
    let ours = |key: &str| {
        owner::others(object, &Path::keys(&["metadata", "annotations", key])).is_empty()
    };
    if until.duration_since(Timestamp::now()) < -LOOKS_BACK || !notes.into_iter().all(ours) {
        return None;
    }
    let run = object["metadata"]["annotations"][annotation::APPLIED_AT].as_str()?.to_owned();
    let uid = object["metadata"]["uid"].as_str()?.to_owned();
    let line = session.line(Verb::Apply, place, workload);
    let changes = changes(object, annotation::PREVIOUS);
    let line = Line { run, uid, changes, until: Some(until), ..line };
    // where this replica made it, the record knows what the server made of it
    let is_it = |of: &&Line| of.happened == Happened::Done && audit::same(of, &line);
    let made = session.lines.iter().rfind(is_it).map(|made| made.changes.clone());
    Some((Line { changes: made.unwrap_or(line.changes), ..line }, until))
}

/// Whether a pod was there before the change. The server tells it to the second.
fn is_older(pod: &Value, made: Timestamp) -> bool {
    let born = pod["metadata"]["creationTimestamp"].as_str();
    let born = born.and_then(|born| born.parse::<Timestamp>().ok());
    born.is_none_or(|born| born.as_second() < made.as_second())
}

/// Looks at what is watched, and takes back what fails. Where nothing is, nobody is asked.
///
/// # Errors
///
/// Settings that are wrong, a cluster that is lost, a record that cannot be kept: what is watched stays so.
pub async fn look(
    args: &LoopArgs,
    memory: &mut Memory,
    talk: &Talk,
    out: &mut dyn Write,
) -> Result<()> {
    if !args.on.yes || !memory.watching.is_open() {
        return Ok(());
    }
    let now = Timestamp::now();
    let given = args.run(now);
    let settings = settings(&given)?;
    let (options, quiet) = (options(&given), Talk { quiet: true, ..*talk });
    let mut session =
        Session::open_around(&options, &settings.audit, (now, true), talk, out).await?;
    let watching = &mut memory.watching;
    if !watching.known {
        let live = live_of(&settings, &options, Ask::Always, &quiet).await?;
        watching.resume(&mut session, &settings, &live).await?;
    }
    if watching.watches.is_empty() {
        return Ok(());
    }
    watching.watches.see(&settings, false, *talk).await;
    watching.watches.look(&session).await;
    watching.watches.decide(&mut session, &settings.rules).await?;
    watching.watches.finish(&mut session)
}
