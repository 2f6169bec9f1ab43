//! `apply`: what the plan says, on the cluster, where every guard lets it pass. A dry run unless `--yes`.

pub(super) mod session;
pub(super) mod watch;

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use self::session::{Outcome, Passed, Session, plain};
use crate::advise::plan::{Plan, SCHEMA_VERSION, ServicePlan};
use crate::apply::audit::{self, Verb};
use crate::apply::guard::{self, Refusal, Situation};
use crate::apply::manifest::Note;
use crate::apply::server::Place;
use crate::apply::watch::Act;
use crate::apply::{Found, writes};
use crate::cli::ApplyArgs;
use crate::commands::gather::{Ask, Run, gather_asking, options};
use crate::commands::{Exit, Hinted, Talk, tiers};
use crate::config;
use crate::render::objects::{ObjectChange, left_out, objects};
use crate::units::counted;

/// How often an object that changes under our hands is read again.
pub(super) const TRIES: usize = 3;

/// Shows what would change, and with `--yes` changes it.
///
/// # Errors
///
/// A plan that cannot be read, whatever the advice fails with, a cluster that is lost, a record that cannot be kept.
pub async fn run(args: &ApplyArgs, talk: &Talk, out: &mut dyn Write) -> Result<Exit> {
    // a bad file fails before the work for it
    let given = args.plan.as_deref().map(read).transpose()?;
    let run = gather_asking(&args.run, talk, Ask::Always).await?;
    let mut plan = given.unwrap_or_else(|| run.plan.clone());
    if let Some(namespace) = &args.run.namespace {
        plan.services.retain(|service| service.namespace == *namespace);
    }
    let changes = objects(&plan, &run.settings.services, &run.live);
    let options = options(&args.run);
    let record = &run.settings.audit;
    let mut session = Session::open(&options, record, (run.at, args.yes), talk, out).await?;
    session.settle().await?;
    session.go_on(&run.settings.services).await?;
    let mut ended = Ended::default();
    let mut acts = Vec::new();
    // what was changed before something failed is watched all the same
    let mut failed = Ok(());
    for change in &changes {
        match one(&mut session, &run, &plan, change, &mut acts).await {
            Ok(outcome) => ended.count(outcome),
            Err(error) => {
                failed = Err(error);
                break;
            }
        }
    }
    if failed.is_ok() {
        failed = session.end();
    } else if acts.is_empty() {
        return failed.map(|()| Exit::Skipped);
    }
    for left in left_out(&plan, &changes) {
        writeln!(session.out, "left     {left}")?;
        ended.left += 1;
    }
    ended.say(&mut session, plan.skipped)?;
    let length = args.watch.unwrap_or(run.settings.rules.watch);
    let well = watch::watch(&mut session, &run.settings, args.run.offline, acts, length).await?;
    failed?;
    let whole = well && !session.amiss && plan.skipped == 0 && !run.live.is_partial();
    Ok(match ended {
        Ended { refused: 0, left: 0, changed, .. } if whole => {
            if args.exit_code && changed > 0 && !args.yes { Exit::Changes } else { Exit::Done }
        }
        _ => Exit::Skipped,
    })
}

/// How the objects of a run ended.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Ended {
    pub changed: usize,
    pub refused: usize,
    pub left: usize,
}

impl Ended {
    pub(super) fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Same => {}
            Outcome::Changed => self.changed += 1,
            Outcome::Refused | Outcome::Again => self.refused += 1,
        }
    }

    fn say(self, session: &mut Session<'_>, skipped: usize) -> Result<()> {
        let Self { changed, refused, left } = self;
        let objects = counted(changed, "object");
        let mut line = match (session.acts(), changed) {
            (_, 0) => "nothing changed".to_owned(),
            (true, _) => format!("{objects} changed"),
            (false, _) => format!("{objects} would change"),
        };
        for (count, what) in
            [(refused, "refused"), (left, "left"), (skipped, "skipped by the plan")]
        {
            if count > 0 {
                line += &format!(", {count} {what}");
            }
        }
        if !session.acts() && changed > 0 {
            line += "; a dry run: `--yes` applies it";
        }
        Ok(writeln!(session.out, "{line}")?)
    }
}

/// One object: read, judged, rehearsed, changed. One that changes meanwhile is read and judged again.
pub(super) async fn one(
    session: &mut Session<'_>,
    run: &Run,
    plan: &Plan,
    change: &ObjectChange,
    acts: &mut Vec<Act>,
) -> Result<Outcome> {
    let place = Place { namespace: &change.namespace, kind: change.kind, name: &change.name };
    let (kind, name) = (change.workload.0, change.workload.1.as_str());
    let workload = format!("{}/{name}", kind.name());
    for _ in 0..TRIES {
        let mut line = session.line(Verb::Apply, place, workload.clone());
        line.plan = format!("{} {}", plan.at, plan.settings);
        let Some(found) = session.find(place, (kind, name), &line).await? else {
            return Ok(Outcome::Refused);
        };
        let object = found.object.clone().unwrap_or(Value::Null);
        let writes = writes(change, &object);
        if found.object.is_some() && writes.is_empty() {
            if session.unattended.is_none() {
                let object = plain(&line.object);
                writeln!(session.out, "same     {object} in {} is as advised", line.namespace)?;
            }
            return Ok(Outcome::Same);
        }
        let situation =
            Situation { writes: &writes, ..situation(session, run, plan, change, &found) };
        let ((passed, refusals), books) = (guard::judge(&situation), guard::books(&situation));
        if !refusals.is_empty() {
            return session.refuse(line, &refusals);
        }
        line.guards = passed.into_iter().map(str::to_owned).collect();
        let stamp = session.run.clone();
        let length = session.unattended.and_then(|watch| watch.0);
        let until = length.map(|length| Timestamp::now() + SignedDuration::from_secs(length.0));
        line.until = until;
        let note = Note::Applied(&stamp, until);
        let passed = Passed { place, object: &object, writes: &writes, note, line };
        match session.deliver(passed).await? {
            Outcome::Again => {}
            outcome => {
                session.booked.extend(books.filter(|_| outcome == Outcome::Changed));
                let done = session.done(place).filter(|_| outcome == Outcome::Changed);
                let service = change.service.clone();
                acts.extend(done.map(|line| Act { service, line, before: found }));
                return Ok(outcome);
            }
        }
    }
    let line = session.line(Verb::Apply, place, workload);
    session.refuse(line, &[restless()])
}

pub(super) fn situation<'a>(
    session: &'a Session<'_>,
    run: &'a Run,
    plan: &'a Plan,
    change: &'a ObjectChange,
    found: &'a Found,
) -> Situation<'a> {
    let of = |plan: &'a Plan| -> Option<&'a ServicePlan> {
        plan.services
            .iter()
            .find(|one| (&one.name, &one.namespace) == (&change.service, &change.namespace))
    };
    let watched = run.assessments.iter().find(|one| {
        (&one.service.name, &one.service.namespace) == (&change.service, &change.namespace)
    });
    let object = change.object();
    let seen = of(plan).and_then(|one| one.objects.iter().find(|seen| seen.object == object));
    Situation {
        now: session.now,
        zone: &run.settings.calendar.zone,
        rules: &run.settings.rules,
        policy: &run.settings.policy,
        plan: (plan.at, &plan.settings),
        settings: &run.settings.hash,
        change,
        seen,
        found,
        writes: &[],
        fresh: of(&run.plan),
        watched: watched.map(|one| (&one.service, &one.history)),
        live: &run.live,
        last_change: audit::last_change(
            &session.lines,
            (&change.namespace, &object),
            found.object.as_ref(),
        ),
        booked: &session.booked,
        floor: None,
        unattended: session.unattended.is_some(),
    }
}

/// The refusal of an object that does not stand still.
pub(super) fn restless() -> Refusal {
    Refusal {
        code: "LIVE_CHANGED",
        message: format!("it was changed by somebody while it was judged, {TRIES} times"),
        hint: "run it again".to_owned(),
    }
}

/// Reads a plan that `plimsoll plan -o json` wrote.
fn read(file: &Path) -> Result<Plan> {
    let hint = "write it with `plimsoll plan -o json > plan.json`";
    let name = file.display().to_string();
    let text = config::read_text(file, &name, None, hint)
        .map_err(|problem| tiers::hinted(problem.into()))?;
    let refused = |message: String| Hinted { message, hint: hint.to_owned() };
    let value: Value = serde_json::from_str(&text)
        .map_err(|error| refused(plain(&format!("`{name}` is not JSON: {error}"))))?;
    let version = &value["schemaVersion"];
    if *version != SCHEMA_VERSION {
        let message = format!(
            "`{name}` is no plan of version {SCHEMA_VERSION}: `schemaVersion` is {version}"
        );
        return Err(refused(plain(&message)).into());
    }
    let plan = serde_json::from_value(value);
    Ok(plan.map_err(|error| refused(plain(&format!("`{name}` is no plan: {error}"))))?)
}
