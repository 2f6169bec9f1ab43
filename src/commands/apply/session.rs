//! What `apply`, `rollback` and `run` share: the connection, the record, and the way of one object from rehearsal to outcome.

mod settle;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use jiff::Timestamp;
use serde_json::Value;

use crate::apply::audit::{Audit, Changed, Happened, Line, Verb};
use crate::apply::error::{AuditError, CallError};
use crate::apply::field;
use crate::apply::guard::{Booked, Refusal};
use crate::apply::manifest::{Note, diff, manifest, only_ours};
use crate::apply::server::{Mode, Place, Server};
use crate::apply::{Found, Write};
use crate::commands::{Hinted, Talk};
use crate::render::objects::Kind;
use crate::service::rules::Watch;
use crate::source::kubernetes::{self, ClusterOptions, Proxy};
use crate::units::acts;

/// One run of `apply` or `rollback`, or one turn of the loop.
pub(in crate::commands) struct Session<'a> {
    pub server: Server,
    /// The record, held; `None` in a dry run.
    audit: Option<Audit>,
    /// What the record held when the run began.
    pub lines: Vec<Line>,
    who: String,
    pub now: Timestamp,
    /// The lines of the record that are none of ours, or torn.
    pub damage: Vec<AuditError>,
    /// The codes that each object was refused with before, for who comes again and again; empty at first.
    pub refused: BTreeMap<String, String>,
    /// Where nobody looks on: how long what is changed is watched by the loop, and what is as it should be is not said.
    pub unattended: Option<Watch>,
    /// What was changed in this run, as quotas will count it.
    pub booked: Vec<Booked>,
    /// Whether the server did something else than it had rehearsed.
    pub amiss: bool,
    /// The run's name: its time.
    pub run: String,
    /// The run that this one goes on with.
    whole: Option<String>,
    /// Whether that one ended before it was through.
    resumes: bool,
    pub talk: &'a Talk,
    pub out: &'a mut dyn std::io::Write,
}

/// How an object ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::commands) enum Outcome {
    /// It is as it should be.
    Same,
    /// It was changed, or would be.
    Changed,
    /// It is left as it is.
    Refused,
    /// It changed in between: to be read and judged again.
    Again,
}

/// An object that passed its guards.
pub(in crate::commands) struct Passed<'a> {
    pub place: Place<'a>,
    pub object: &'a Value,
    pub writes: &'a [Write],
    pub note: Note<'a>,
    pub line: Line,
}

impl<'a> Session<'a> {
    /// Connects, and with `yes` opens the record, which keeps other runs out; one with a line of somebody else's ends it,
    /// and a torn line is named.
    pub async fn open(
        options: &ClusterOptions,
        record: &Path,
        moment: (Timestamp, bool),
        talk: &'a Talk,
        out: &'a mut dyn std::io::Write,
    ) -> Result<Self> {
        let mut session = Self::open_around(options, record, moment, talk, out).await?;
        for damage in std::mem::take(&mut session.damage) {
            if !damage.is_torn() {
                return Err(unrecorded(damage).into());
            }
            talk.say(&format!("warning: {damage}\nhint: {}", damage.hint()));
        }
        Ok(session)
    }

    /// The same around lines of the record that are none of ours, or torn.
    pub async fn open_around(
        options: &ClusterOptions,
        record: &Path,
        (now, yes): (Timestamp, bool),
        talk: &'a Talk,
        out: &'a mut dyn std::io::Write,
    ) -> Result<Self> {
        let client = kubernetes::connect(options).await;
        let client =
            client.map_err(|error| Hinted::because(&error, &error.hint_to_act(options)))?;
        let server = Server::new(client);
        let (lines, audit, damage) = if yes {
            let (audit, damage) = Audit::open_around(record).map_err(unrecorded)?;
            (audit.lines.clone(), Some(audit), damage)
        } else {
            let (lines, damage) = Audit::read(record).map_err(unrecorded)?;
            (lines, None, damage)
        };
        let user = server.who().await;
        let user = user.map_err(|error| called_through(kubernetes::proxy(options), error))?;
        let local = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
        let who = match (user, local) {
            (Some(user), Some(local)) if user != local => format!("{user} ({local})"),
            (Some(user), _) => user,
            (None, local) => local.unwrap_or_else(|| "unknown".to_owned()),
        };
        // to the millisecond: no two runs that hold the record begin in the same
        let clock = if yes { Timestamp::now() } else { now };
        let run = format!("{clock:.3}");
        let (refused, unattended, amiss, whole) = (BTreeMap::new(), None, false, None);
        Ok(Self {
            server,
            audit,
            lines,
            who,
            now,
            damage,
            refused,
            unattended,
            booked: Vec::new(),
            resumes: false,
            amiss,
            run,
            whole,
            talk,
            out,
        })
    }

    pub fn acts(&self) -> bool {
        self.audit.is_some()
    }

    /// Reads an object and what is around it; `None`: it may not be read, which is refused with `line`.
    pub async fn find(
        &mut self,
        place: Place<'_>,
        workload: (Kind, &str),
        line: &Line,
    ) -> Result<Option<Found>> {
        match self.server.find(place, workload).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_of_the_cluster() => Err(called(error).into()),
            Err(error) => self.refuse(line.clone(), &[refused(&error)]).map(|_| None),
        }
    }

    /// A line of the record for an object, as an intent.
    pub fn line(&self, verb: Verb, place: Place<'_>, workload: String) -> Line {
        Line {
            at: self.now,
            happened: Happened::Intent,
            verb,
            run: self.run.clone(),
            whole: (verb == Verb::Apply)
                .then(|| self.whole.clone().unwrap_or_else(|| self.run.clone())),
            undoes: None,
            unattended: self.unattended.is_some(),
            who: self.who.clone(),
            namespace: place.namespace.to_owned(),
            object: format!("{}/{}", place.kind.name(), place.name),
            uid: String::new(),
            workload,
            changes: Vec::new(),
            until: None,
            plan: String::new(),
            guards: Vec::new(),
            said: Vec::new(),
        }
    }

    /// What the record says that this run did to an object.
    pub fn done(&self, place: Place<'_>) -> Option<Line> {
        let lines = self.audit.as_ref()?.lines.iter().rev();
        let object = format!("{}/{}", place.kind.name(), place.name);
        let is_it = |line: &&Line| {
            line.happened == Happened::Done
                && (&line.run, line.namespace.as_str()) == (&self.run, place.namespace)
                && line.object == object
        };
        lines.into_iter().find(is_it).cloned()
    }

    /// What follows is another run, with a name of its own.
    pub fn begin_anew(&mut self) {
        self.run = format!("{:.3}", Timestamp::now());
    }

    /// Says why an object is left, and records it.
    pub fn refuse(&mut self, mut line: Line, refusals: &[Refusal]) -> Result<Outcome> {
        let codes: Vec<&str> = refusals.iter().map(|one| one.code).collect();
        let place = format!("{}/{}", line.namespace, line.object);
        let codes = codes.join(" ");
        // the same is said once
        if self.refused.insert(place, codes.clone()) == Some(codes) {
            return Ok(Outcome::Refused);
        }
        writeln!(self.out, "refused  {} in {}", line.object, line.namespace)?;
        for Refusal { code, message, hint } in refusals {
            let text = format!("         {code}  {message}");
            writeln!(self.out, "{}\n           hint: {}", plain(&text), plain(hint))?;
        }
        line.said = refusals.iter().map(|one| format!("{}: {}", one.code, one.message)).collect();
        self.record(line, Happened::Refused)?;
        Ok(Outcome::Refused)
    }

    pub fn record(&mut self, line: Line, happened: Happened) -> Result<()> {
        let Some(audit) = &mut self.audit else { return Ok(()) };
        let at = Timestamp::now();
        let object = format!("{} in {}", line.object, line.namespace);
        Ok(audit.write(Line { at, happened, ..line }).map_err(|error| match happened {
            Happened::Intent | Happened::Refused => unrecorded(error),
            Happened::Done => changed_unrecorded(&object, &error),
            _ => Hinted { hint: UNSAID.to_owned(), ..unrecorded(error) },
        })?)
    }

    /// Rehearses a change on the server, shows it, and with `--yes` records and makes it.
    pub async fn deliver(&mut self, passed: Passed<'_>) -> Result<Outcome> {
        self.deliver_saying(passed, &[]).await
    }

    /// The same with what is to be said of it: of what the server refuses, nothing is.
    pub async fn deliver_saying(
        &mut self,
        passed: Passed<'_>,
        words: &[String],
    ) -> Result<Outcome> {
        let Passed { place, object, writes, note, mut line } = passed;
        line.uid = object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        line.changes = writes.iter().map(Changed::of).collect();
        // only what a person named is taken, and only where somebody has it: the guard has seen to that
        let force = writes.iter().any(|write| !write.took_over.is_empty());
        let sent = manifest(place.kind, object, writes, note);
        let rehearsed = self.server.apply(place, &sent, Mode::DryRun, force).await;
        let after = match as_rehearsed(rehearsed, object, (writes, &sent)) {
            Ok(Some(after)) => after,
            Ok(None) => return Ok(Outcome::Again),
            Err(Unfit::Cluster(error)) => return Err(called(error).into()),
            Err(Unfit::Refused(refusal)) => return self.refuse(line, &[refusal]),
        };
        self.refused.remove(&format!("{}/{}", line.namespace, line.object));
        self.show(&line, (object, &after), writes, words)?;
        if !self.acts() {
            return Ok(Outcome::Changed);
        }
        self.record(line.clone(), Happened::Intent)?;
        match self.server.apply(place, &sent, Mode::Real, force).await {
            Ok(after) => {
                let otherwise =
                    as_answered(&mut line, place.kind, (object, &after), (writes, &sent));
                let recorded = self.record(line.clone(), Happened::Done);
                self.tell(place, &after, &line).await;
                self.say_what_is_amiss(&line, otherwise)?;
                recorded.map(|()| Outcome::Changed)
            }
            Err(CallError::Conflict { .. }) => {
                self.record(line, Happened::NotSent)?;
                Ok(Outcome::Again)
            }
            // it may have been done: the intent stays open, and the next run looks
            Err(error @ CallError::Lost { .. }) => Err(called(error).into()),
            Err(error) => {
                line.said = vec![error.to_string()];
                self.record(line.clone(), Happened::Failed)?;
                if error.is_of_the_cluster() {
                    return Err(called(error).into());
                }
                self.refuse(line, &[refused(&error)])
            }
        }
    }

    /// What is about to be done, as it was rehearsed.
    fn show(
        &mut self,
        line: &Line,
        (before, after): (&Value, &Value),
        writes: &[Write],
        words: &[String],
    ) -> Result<()> {
        for word in words {
            writeln!(self.out, "{word}")?;
        }
        let title = format!("{} in {}", line.object, line.namespace);
        self.out.write_all(diff(&title, before, after).as_bytes())?;
        for write in writes.iter().filter(|write| !write.took_over.is_empty()) {
            let from = write.took_over.join("`, `");
            writeln!(self.out, "taken    `{}` from `{}`", write.path, plain(&from))?;
        }
        // a floor is nobody's setting: it goes back by itself
        let is_setting = line.verb == Verb::Apply;
        if is_setting && writes.iter().any(|write| !write.took_over.is_empty()) {
            let hint = "hint: who still says otherwise puts it back at the next upgrade or sync: `plimsoll values` or `patch` writes it there";
            writeln!(self.out, "           {hint}")?;
        }
        Ok(())
    }

    /// A policy may do to the change what it did not do to its rehearsal: that is known only when it is done.
    fn say_what_is_amiss(&mut self, line: &Line, otherwise: Option<String>) -> Result<()> {
        let Some(otherwise) = otherwise else { return Ok(()) };
        self.amiss = true;
        writeln!(self.out, "amiss    {} in {}", plain(&line.object), line.namespace)?;
        let hint = "see which webhook does that: `plimsoll rollback` takes back what was advised, and nothing else";
        let text = format!("         ANSWER  {otherwise}");
        Ok(writeln!(self.out, "{}\n           hint: {hint}", plain(&text))?)
    }

    /// The Event on the object. Without it the change stands, and is in the record.
    async fn tell(&self, place: Place<'_>, object: &Value, line: &Line) {
        let bare = |value: &Value| value.as_str().map_or(value.to_string(), str::to_owned);
        let one = |of: &Changed| {
            let why = if of.reasons.is_empty() {
                String::new()
            } else {
                format!(" ({})", of.reasons.join(", "))
            };
            format!("{} {} -> {}{why}", of.setting.name(), bare(&of.from), bare(&of.to))
        };
        let changes: Vec<String> = line.changes.iter().map(one).collect();
        let message = format!("{}, by {}", changes.join("; "), line.who);
        let reason = match line.verb {
            Verb::Apply => "CapacityApplied",
            Verb::Rollback => "CapacityRolledBack",
            Verb::Floor => "CapacityFloorMoved",
        };
        let sent = self.server.event(place, object, (reason, &message), Timestamp::now()).await;
        if let Err(error) = sent {
            self.talk.say(&format!("warning: no Event: {}", plain(&error.to_string())));
        }
    }
}

/// Why a rehearsal is followed by nothing.
enum Unfit {
    /// Nothing else of this cluster can be done either.
    Cluster(CallError),
    Refused(Refusal),
}

/// What the server would make of a change; `None`: the object is another one by now.
fn as_rehearsed(
    answer: Result<Value, CallError>,
    object: &Value,
    (writes, sent): (&[Write], &Value),
) -> Result<Option<Value>, Unfit> {
    let after = match answer {
        Ok(after) => after,
        // a field that somebody else got meanwhile; any other conflict is a new version of the object
        Err(CallError::Conflict { message, .. }) if !message.contains("conflict with") => {
            return Ok(None);
        }
        Err(error) if error.is_of_the_cluster() => return Err(Unfit::Cluster(error)),
        Err(error) => return Err(Unfit::Refused(refused(&error))),
    };
    only_ours(object, &after, writes, sent).map_err(|places| {
        Unfit::Refused(Refusal {
            code: "ANSWER",
            message: format!("the server would change something else: {}", places.join(", ")),
            hint: "see which webhook does that, or who owns the field".to_owned(),
        })
    })?;
    Ok(Some(after))
}

/// Has a line say what the server made of a change, where that is not what it had rehearsed; what is to be said of it.
fn as_answered(
    line: &mut Line,
    kind: Kind,
    (before, after): (&Value, &Value),
    (writes, sent): (&[Write], &Value),
) -> Option<String> {
    let places = only_ours(before, after, writes, sent).err()?.join(", ");
    for (changed, write) in line.changes.iter_mut().zip(writes) {
        // what is not there is no value: the one that was sent stays, and whoever compares finds it gone
        let is = field::amount(after, kind, write.setting, &write.path);
        if let Some(is) = is.filter(|is| *is != write.sent()) {
            changed.sent = Some(std::mem::replace(&mut changed.to, field::json(is)));
        }
    }
    let otherwise = format!("the server did something else than it had rehearsed: {places}");
    line.said.push(otherwise.clone());
    Some(otherwise)
}

/// `Deployment/jarvis-api` as kind and name.
pub(in crate::commands) fn kind_and_name(object: &str) -> Option<(Kind, &str)> {
    let (kind, name) = object.split_once('/')?;
    let kind = match kind {
        "HorizontalPodAutoscaler" => Kind::HorizontalPodAutoscaler,
        "ScaledObject" => Kind::ScaledObject,
        other => Kind::of(other)?,
    };
    Some((kind, name))
}

/// The refusal that an answer of the server is.
fn refused(error: &CallError) -> Refusal {
    Refusal { code: "SERVER", message: error.to_string(), hint: error.hint().to_owned() }
}

/// A call that ends the run.
#[expect(clippy::needless_pass_by_value, reason = "as `map_err` hands it over")]
pub(in crate::commands) fn called(error: CallError) -> Hinted {
    let hint = error.hint().to_owned();
    Hinted { message: plain(&error.to_string()), hint }
}

/// The first call, where a proxy may be what is in the way.
fn called_through(proxy: Option<Proxy>, error: CallError) -> Hinted {
    let lost = matches!(error, CallError::Lost { .. });
    let called = called(error);
    match proxy.filter(|_| lost) {
        Some(proxy) => Hinted { hint: proxy.hint(), ..called },
        None => called,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` hands it over")]
fn unrecorded(error: AuditError) -> Hinted {
    Hinted { message: error.to_string(), hint: error.hint().to_owned() }
}

/// Where what became of a change finds no room.
const UNSAID: &str = "make room for the record, and run it again: what was changed is changed, and the next run says what became of it";

/// The change was made and its outcome is not in the record: the intent that is there says enough to the next run.
fn changed_unrecorded(object: &str, error: &AuditError) -> Hinted {
    Hinted {
        message: plain(&format!("{object} was changed, and that could not be recorded: {error}")),
        hint: "make room for the record, and run it again: it finds what was changed, records it and goes on; `plimsoll rollback` takes it back".to_owned(),
    }
}

/// What a cluster says must do nothing to the terminal that shows it.
pub(in crate::commands) fn plain(text: &str) -> String {
    text.replace(acts, " ")
}
