//! All that is under watch: the rollout of what was changed and the objectives of its service are read, and what fails is
//! taken back, by the way of `rollback`. What cannot be told is said, and is no reason.

use std::collections::BTreeSet;

use anyhow::Result;
use indicatif::ProgressBar;
use jiff::Timestamp;
use serde_json::Value;

use super::gauge::{Gauge, Health, gauge};
use crate::apply::audit::{self, Changed, Happened, Line};
use crate::apply::server::Place;
use crate::apply::watch::{Act, Cause, Rollout, Streak, rollout, taken_back};
use crate::commands::apply::session::{Outcome, Session, kind_and_name, plain};
use crate::commands::{Talk, rollback};
use crate::config::Settings;
use crate::service::rules::Rules;
use crate::units::Period;

/// How long a Severity 2, or a pod that finds no place, must last: longer than the four minutes that the rates of a scrape a minute
/// look back over, so that a burst between two scrapes has left them, and than a new node takes to come.
const HOLD: Period = Period(300);

/// A change under watch.
pub(super) struct Watched {
    pub act: Act,
    pub until: Timestamp,
    state: Rollout,
    /// Pods of its workload that are ready; `None`: not told.
    ready: Option<u64>,
    /// Two readings in a row are enough.
    failed: Streak,
    held: Streak,
}

/// All changes under watch, by rollout and by objectives.
pub(in crate::commands) struct Watches {
    pub(super) under: Vec<Watched>,
    pub(super) gauges: Vec<Gauge>,
    hold: Period,
    /// Whether all that is over went well.
    pub well: bool,
    /// Objects that were taken back.
    pub taken_back: u64,
    /// Whether it was said that no objectives are told.
    blind: bool,
    bar: ProgressBar,
}

impl Watches {
    pub(in crate::commands) fn new(bar: ProgressBar) -> Self {
        let (under, gauges) = (Vec::new(), Vec::new());
        Self { under, gauges, hold: HOLD, well: true, taken_back: 0, blind: false, bar }
    }

    pub(in crate::commands) fn is_empty(&self) -> bool {
        self.under.is_empty()
    }

    pub(in crate::commands) fn len(&self) -> usize {
        self.under.len()
    }

    /// When the last of them is over.
    pub(in crate::commands) fn until(&self) -> Option<Timestamp> {
        self.under.iter().map(|one| one.until).max()
    }

    /// Whether an object, or anything else of its workload, is under watch.
    pub(in crate::commands) fn holds(&self, namespace: &str, workload: &str) -> bool {
        let mut lines = self.under.iter().map(|one| &one.act.line);
        lines.any(|line| line.namespace == namespace && line.workload == workload)
    }

    /// Whether this very change is under watch.
    pub(in crate::commands) fn has(&self, line: &Line) -> bool {
        self.under.iter().any(|one| audit::same(&one.act.line, line))
    }

    /// Takes changes under a watch of this length, each with its end, and says so in the record.
    pub(in crate::commands) fn add(
        &mut self,
        session: &mut Session<'_>,
        length: Period,
        acts: impl Iterator<Item = (Act, Timestamp)>,
    ) -> Result<()> {
        self.hold = hold(length);
        for (act, until) in acts {
            let open = audit::unwatched(&session.lines);
            if !open.iter().any(|line| audit::same(line, &act.line)) {
                let said = vec![format!("until {until:.0}")];
                session.record(Line { said, ..act.line.clone() }, Happened::Watching)?;
            }
            let state = Rollout::Unknown("nothing seen yet".to_owned());
            let (failed, held) = (Streak::default(), Streak::default());
            self.under.push(Watched { act, until, state, ready: None, failed, held });
        }
        Ok(())
    }

    /// Finds out how the objectives of the services are asked for, where that is not known yet.
    pub(in crate::commands) async fn see(
        &mut self,
        settings: &Settings,
        offline: bool,
        talk: Talk,
    ) {
        let services: BTreeSet<&str> =
            self.under.iter().map(|one| one.act.service.as_str()).collect();
        self.gauges.retain(|gauge| services.contains(gauge.service.as_str()) && gauge.asks());
        let Some(prometheus) = settings.history.prometheus.as_ref().filter(|_| !offline) else {
            if !std::mem::replace(&mut self.blind, true) {
                talk.say("no Prometheus is asked, so nothing tells how the service fares: only the rollout is watched");
            }
            return;
        };
        for service in &settings.services {
            let known = self.gauges.iter().any(|gauge| gauge.service == service.name);
            if known || !services.contains(service.name.as_str()) {
                continue;
            }
            match gauge(settings, prometheus, service).await {
                Ok(gauge) => self.gauges.push(gauge),
                Err(error) => talk.say(&format!("the objectives cannot be watched: {error}")),
            }
        }
    }

    /// A line that the bar does not write over.
    fn say(&self, talk: Talk, text: &str) {
        self.bar.suspend(|| talk.say(text));
    }

    /// One reading of everything.
    pub(in crate::commands) async fn look(&mut self, session: &Session<'_>) {
        let talk = *session.talk;
        for i in 0..self.under.len() {
            let act = &self.under[i].act;
            let (state, ready) = state(session, act).await;
            let at = Timestamp::now();
            if state != self.under[i].state {
                self.say(talk, &format!("{}: {}", shown(&act.line), told(&state)));
            }
            let one = &mut self.under[i];
            one.failed.take(matches!(state, Rollout::Failed(_)), at);
            one.held.take(matches!(state, Rollout::Held(_)), at);
            (one.state, one.ready) = (state, ready);
        }
        for i in 0..self.gauges.len() {
            let said = self.gauges[i].read().await;
            if let Some(said) = said {
                self.say(talk, &said);
            }
        }
        let left = self.until().map_or(0, |until| until.duration_since(Timestamp::now()).as_secs());
        let done = self.under.iter().filter(|one| one.state == Rollout::Done).count();
        let all = self.under.len();
        let left = left.max(0);
        self.bar.set_message(format!("watching: {done} of {all} rolled out, {left} s left"));
        self.bar.tick();
    }

    /// Takes back what failed long enough.
    pub(in crate::commands) async fn decide(
        &mut self,
        session: &mut Session<'_>,
        rules: &Rules,
    ) -> Result<()> {
        let now = Timestamp::now();
        for i in 0..self.gauges.len() {
            let gauge = &self.gauges[i];
            if gauge.handled || !gauge.severe.lasts(now, self.hold) {
                continue;
            }
            let (service, why) = (gauge.service.clone(), format!("Severity 2: {}", gauge.words()));
            let mine = |one: &Watched| one.act.service == service;
            self.take_back(session, rules, (Cause::Severity2, &why), mine).await?;
            self.gauges[i].handled = true;
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
            self.take_back(session, rules, (Cause::Rollout, &why), mine).await?;
        }
        Ok(())
    }

    /// Takes back what may be, of those changes that are concerned, and no longer watches them. What a cluster that is
    /// lost leaves undone stays under watch.
    pub(super) async fn take_back(
        &mut self,
        session: &mut Session<'_>,
        rules: &Rules,
        (cause, why): (Cause, &str),
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
        // in the order opposite to that in which they were made
        while let Some(i) = self.under.iter().rposition(&mine) {
            let one = &self.under[i];
            let severe = self
                .gauges
                .iter()
                .any(|gauge| gauge.service == one.act.service && gauge.severe.is_open());
            let half =
                matches!(one.state, Rollout::Going(_) | Rollout::Held(_) | Rollout::Failed(_));
            let line = one.act.line.clone();
            let severe = severe || cause == Cause::Severity2;
            let (back, kept) = taken_back(&line.changes, severe, half, one.ready);
            for change in &kept {
                writeln!(session.out, "{}", keeping(&line, change, severe))?;
            }
            let mut said = vec![why.to_owned()];
            if !back.is_empty() {
                let undone = Line { changes: back, ..line.clone() };
                let outcome =
                    rollback::one(session, &undone, rules, (cause.code(), Some(why))).await?;
                self.taken_back += u64::from(outcome == Outcome::Changed);
                said.push(outcome_of(outcome).to_owned());
            }
            session.record(Line { said, ..line }, Happened::Watched)?;
            self.under.remove(i);
        }
        Ok(())
    }

    /// Ends the watch of those changes whose time is over, or of which nothing more can come. What is not decided yet is
    /// watched until it is, and with it what the same run changed of the service.
    pub(in crate::commands) fn finish(&mut self, session: &mut Session<'_>) -> Result<()> {
        let runs: BTreeSet<(String, String)> = self.under.iter().map(run_of).collect();
        for run in runs {
            let mine = |one: &Watched| run_of(one) == run;
            if !self.under.iter().filter(|one| mine(one)).all(|one| self.is_over(one)) {
                continue;
            }
            self.bar.finish_and_clear();
            let (over, others) = std::mem::take(&mut self.under).into_iter().partition(mine);
            self.under = others;
            for one in over {
                let said = told(&one.state);
                writeln!(session.out, "watched  {}: {said}", shown(&one.act.line))?;
                self.well &= one.state == Rollout::Done;
                session.record(Line { said: vec![said], ..one.act.line }, Happened::Watched)?;
            }
            for gauge in self.gauges.iter().filter(|gauge| gauge.service == run.0) {
                writeln!(session.out, "watched  {}: {}", gauge.service, gauge.words())?;
                self.well &= gauge.health() != Health::Severity2;
            }
        }
        let under = &self.under;
        self.gauges.retain(|gauge| under.iter().any(|one| one.act.service == gauge.service));
        Ok(())
    }

    fn is_over(&self, one: &Watched) -> bool {
        let mut gauges = self.gauges.iter().filter(|gauge| gauge.service == one.act.service);
        let severe = gauges.clone().any(|gauge| gauge.severe.is_open() && !gauge.handled);
        if severe || one.failed.is_open() || one.held.is_open() {
            return false;
        }
        let nothing_more = one.state == Rollout::Done && gauges.next().is_none();
        nothing_more || Timestamp::now() >= one.until
    }

    /// Ends all of it before its time.
    pub(in crate::commands) fn stop(&mut self, session: &mut Session<'_>, why: &str) -> Result<()> {
        self.bar.finish_and_clear();
        for one in std::mem::take(&mut self.under) {
            let said = vec![why.to_owned()];
            session.record(Line { said, ..one.act.line }, Happened::Watched)?;
        }
        Ok(())
    }
}

/// How long what may pass must last, in a watch of this length.
pub(super) fn hold(length: Period) -> Period {
    Period(HOLD.0.min(length.0 / 2))
}

/// The service and the run of a change.
pub(super) fn run_of(one: &Watched) -> (String, String) {
    (one.act.service.clone(), one.act.line.run.clone())
}

/// How far a rollout is, and how many pods are ready.
async fn state(session: &Session<'_>, act: &Act) -> (Rollout, Option<u64>) {
    let (Some((kind, name)), Some(workload)) =
        (kind_and_name(&act.line.object), kind_and_name(&act.line.workload))
    else {
        return (Rollout::Unknown("its kind is not known".to_owned()), None);
    };
    let place = Place { namespace: &act.line.namespace, kind, name };
    match session.server.find(place, workload).await {
        Ok(found) => {
            let workload = found.workload.as_ref();
            // where none is ready the server leaves the count out
            let ready = |of: &Value| of["status"]["readyReplicas"].as_u64().unwrap_or(0);
            (rollout(act, &found), workload.map(ready))
        }
        Err(error) => (Rollout::Unknown(plain(&error.to_string())), None),
    }
}

pub(super) fn shown(line: &Line) -> String {
    plain(&format!("{} in {}", line.object, line.namespace))
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

fn keeping(line: &Line, change: &Changed, severe: bool) -> String {
    let why = if severe {
        "it was raised, and in a Severity 2 nothing is lowered"
    } else {
        "more pods than before may be ready, and those that serve would end"
    };
    format!(
        "kept     {} {} {}: {why}; `plimsoll rollback` does, by your word",
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
