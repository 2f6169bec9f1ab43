//! After the act: the rollout of what was changed and the objectives of its service are watched for a while, and what
//! fails is taken back, by the way of `rollback`. What cannot be told is said, and is no reason.

mod gauge;

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use indicatif::ProgressBar;
use jiff::{SignedDuration, Timestamp};

use self::gauge::{Gauge, Health, gauges};
use super::session::{Outcome, Session, kind_and_name, plain};
use crate::apply::audit::{Changed, Happened, Line};
use crate::apply::server::Place;
use crate::apply::watch::{Act, Cause, Rollout, Streak, rollout, taken_back};
use crate::commands::{Talk, rollback};
use crate::config::Settings;
use crate::service::rules::Watch;
use crate::units::Period;

/// How often is looked, at most.
const EVERY: Period = Period(15);
/// How long a Severity 2, or a pod that finds no place, must last: longer than the four minutes that the rates of a scrape a minute
/// look back over, so that a burst between two scrapes has left them, and than a new node takes to come.
const HOLD: Period = Period(300);

/// A change under watch.
struct Watched {
    act: Act,
    state: Rollout,
    /// Two readings in a row are enough.
    failed: Streak,
    held: Streak,
}

/// All changes under watch, by rollout and by objectives.
struct Watches<'a> {
    settings: &'a Settings,
    under: Vec<Watched>,
    gauges: Vec<Gauge>,
    hold: Period,
    until: Timestamp,
    /// Whether all of it went well.
    well: bool,
    bar: ProgressBar,
    talk: Talk,
}

/// Watches what was changed; whether all of it went well. Where nothing is to be watched, it did.
pub(super) async fn watch(
    session: &mut Session<'_>,
    settings: &Settings,
    offline: bool,
    acts: Vec<Act>,
    length: Watch,
) -> Result<bool> {
    let Some(length) = length.0.filter(|_| !acts.is_empty()) else { return Ok(true) };
    let talk = *session.talk;
    let stop = stopped();
    tokio::pin!(stop);
    let until = Timestamp::now() + SignedDuration::from_secs(length.0);
    for act in &acts {
        let said = vec![format!("until {until:.0}")];
        session.record(Line { said, ..act.line.clone() }, Happened::Watching)?;
    }
    talk.say(&format!("watching for {length}; what was applied stays if this is stopped"));
    let services: BTreeSet<String> = acts.iter().map(|act| act.service.clone()).collect();
    let gauges = tokio::select! {
        gauges = gauges(settings, &services, offline, talk) => gauges,
        () = &mut stop => Vec::new(),
    };
    let start = |act| Watched {
        act,
        state: Rollout::Going("nothing seen yet".to_owned()),
        failed: Streak::default(),
        held: Streak::default(),
    };
    let mut watches = Watches {
        settings,
        under: acts.into_iter().map(start).collect(),
        gauges,
        hold: Period(HOLD.0.min(length.0 / 2)),
        until,
        well: true,
        bar: bar(talk),
        talk,
    };
    let every = Duration::from_secs((length.0 / 20).clamp(1, EVERY.0).unsigned_abs());
    loop {
        // what is asked may be broken off; what is taken back may not
        tokio::select! {
            () = watches.look(session) => {}
            () = &mut stop => return watches.stop(session),
        }
        watches.decide(session).await?;
        if watches.is_over() {
            return watches.end(session);
        }
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = &mut stop => return watches.stop(session),
        }
    }
}

/// Until somebody wants the run to end; from this call on a signal no longer ends it.
#[cfg(unix)]
fn stopped() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let [mut interrupt, mut terminate] =
        [SignalKind::interrupt(), SignalKind::terminate()].map(|kind| signal(kind).ok());
    async move {
        match (&mut interrupt, &mut terminate) {
            (Some(interrupt), Some(terminate)) => {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            }
            _ => std::future::pending().await,
        }
    }
}

/// Until somebody wants the run to end.
#[cfg(not(unix))]
async fn stopped() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn bar(talk: Talk) -> ProgressBar {
    if talk.quiet || talk.verbose {
        return ProgressBar::hidden();
    }
    ProgressBar::new_spinner()
}

fn shown(line: &Line) -> String {
    plain(&format!("{} in {}", line.object, line.namespace))
}

impl Watches<'_> {
    /// A line that the bar does not write over.
    fn say(&self, text: &str) {
        self.bar.suspend(|| self.talk.say(text));
    }

    /// One reading of everything.
    async fn look(&mut self, session: &Session<'_>) {
        for i in 0..self.under.len() {
            let act = &self.under[i].act;
            let state = self.state(session, act).await;
            let at = Timestamp::now();
            if state != self.under[i].state {
                self.say(&format!("{}: {}", shown(&act.line), told(&state)));
            }
            let one = &mut self.under[i];
            one.failed.take(matches!(state, Rollout::Failed(_)), at);
            one.held.take(matches!(state, Rollout::Held(_)), at);
            one.state = state;
        }
        for i in 0..self.gauges.len() {
            let said = self.gauges[i].read().await;
            if let Some(said) = said {
                self.say(&said);
            }
        }
        let left = self.until.duration_since(Timestamp::now()).as_secs().max(0);
        let done = self.under.iter().filter(|one| one.state == Rollout::Done).count();
        let all = self.under.len();
        self.bar.set_message(format!("watching: {done} of {all} rolled out, {left} s left"));
        self.bar.tick();
    }

    async fn state(&self, session: &Session<'_>, act: &Act) -> Rollout {
        let (Some((kind, name)), Some(workload)) =
            (kind_and_name(&act.line.object), kind_and_name(&act.line.workload))
        else {
            return Rollout::Unknown("its kind is not known".to_owned());
        };
        let place = Place { namespace: &act.line.namespace, kind, name };
        match session.server.find(place, workload).await {
            Ok(found) => rollout(act, &found),
            Err(error) => Rollout::Unknown(plain(&error.to_string())),
        }
    }

    /// Takes back what failed long enough.
    async fn decide(&mut self, session: &mut Session<'_>) -> Result<()> {
        let now = Timestamp::now();
        for i in 0..self.gauges.len() {
            let gauge = &mut self.gauges[i];
            if gauge.handled || !gauge.severe.lasts(now, self.hold) {
                continue;
            }
            gauge.handled = true;
            let (service, why) = (gauge.service.clone(), format!("Severity 2: {}", gauge.words()));
            let mine = |one: &Watched| one.act.service == service;
            self.take_back(session, Cause::Severity2, &why, mine).await?;
        }
        while let Some(one) = self
            .under
            .iter()
            .find(|one| one.failed.lasts(now, Period(0)) || one.held.lasts(now, self.hold))
        {
            let why = format!("{}: {}", shown(&one.act.line), told(&one.state));
            let of = (one.act.line.namespace.clone(), one.act.line.workload.clone());
            let mine =
                |one: &Watched| (&one.act.line.namespace, &one.act.line.workload) == (&of.0, &of.1);
            self.take_back(session, Cause::Rollout, &why, mine).await?;
        }
        Ok(())
    }

    /// Takes back what may be, of those changes that are concerned, and no longer watches them.
    async fn take_back(
        &mut self,
        session: &mut Session<'_>,
        cause: Cause,
        why: &str,
        mine: impl Fn(&Watched) -> bool,
    ) -> Result<()> {
        self.well = false;
        self.bar.finish_and_clear();
        writeln!(session.out, "{}  {}", cause.code(), plain(why))?;
        if cause == Cause::Rollout && why.starts_with("StatefulSet") {
            let hint = "hint: a StatefulSet waits for its broken pod: delete that pod where it stays broken";
            writeln!(session.out, "{hint}")?;
        }
        session.begin_anew();
        let (concerned, others) = std::mem::take(&mut self.under).into_iter().partition(mine);
        self.under = others;
        // in the order opposite to that in which they were made
        for one in concerned.into_iter().rev() {
            let severe = self
                .gauges
                .iter()
                .any(|gauge| gauge.service == one.act.service && gauge.severe.is_open());
            let rolled_out = one.state == Rollout::Done;
            let changes = &one.act.line.changes;
            let (back, kept) = taken_back(changes, severe || cause == Cause::Severity2, rolled_out);
            for change in &kept {
                writeln!(session.out, "{}", keeping(&one.act.line, change))?;
            }
            let mut said = vec![why.to_owned()];
            if !back.is_empty() {
                let undone = Line { changes: back, ..one.act.line.clone() };
                let reason = (cause.code(), Some(why));
                let outcome = rollback::one(session, &undone, self.settings, reason).await?;
                said.push(outcome_of(outcome).to_owned());
            }
            session.record(Line { said, ..one.act.line }, Happened::Watched)?;
        }
        Ok(())
    }

    /// Whether the time is over, or nothing more can come. What is not decided yet is watched until it is.
    fn is_over(&self) -> bool {
        let severe = self.gauges.iter().any(|gauge| gauge.severe.is_open() && !gauge.handled);
        let open = |one: &Watched| one.failed.is_open() || one.held.is_open();
        if severe || self.under.iter().any(open) {
            return false;
        }
        let all = self.under.iter().all(|one| one.state == Rollout::Done);
        self.under.is_empty() || Timestamp::now() >= self.until || (all && self.gauges.is_empty())
    }

    fn stop(&mut self, session: &mut Session<'_>) -> Result<bool> {
        self.well = false;
        self.bar.finish_and_clear();
        self.talk.say("stopped: what was applied stays; `plimsoll rollback` takes it back");
        for one in std::mem::take(&mut self.under) {
            let said = vec!["stopped before its end".to_owned()];
            session.record(Line { said, ..one.act.line }, Happened::Watched)?;
        }
        Ok(false)
    }

    fn end(&mut self, session: &mut Session<'_>) -> Result<bool> {
        self.bar.finish_and_clear();
        for one in std::mem::take(&mut self.under) {
            let said = told(&one.state);
            writeln!(session.out, "watched  {}: {said}", shown(&one.act.line))?;
            self.well &= one.state == Rollout::Done;
            session.record(Line { said: vec![said], ..one.act.line }, Happened::Watched)?;
        }
        for gauge in &self.gauges {
            writeln!(session.out, "watched  {}: {}", gauge.service, gauge.words())?;
            self.well &= gauge.health() != Health::Severity2;
        }
        Ok(self.well)
    }
}

fn told(state: &Rollout) -> String {
    match state {
        Rollout::Done => "rolled out".to_owned(),
        Rollout::Going(what) => format!("not rolled out yet: {}", plain(what)),
        Rollout::Held(what) | Rollout::Failed(what) => plain(what),
        Rollout::Unknown(what) => {
            format!("whether it is rolled out cannot be told: {}", plain(what))
        }
    }
}

fn keeping(line: &Line, change: &Changed) -> String {
    format!(
        "kept     {} {} {}: it was raised, and in a Severity 2 nothing is lowered; `plimsoll rollback` does, by your word",
        shown(line),
        change.setting.name(),
        plain(&change.to.to_string()),
    )
}

fn outcome_of(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Changed => "taken back",
        Outcome::Same => "it was as before already",
        Outcome::Refused | Outcome::Again => "taking it back was refused",
    }
}
