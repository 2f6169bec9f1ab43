//! What nobody looked at is read afterwards: the objectives, over the part of a watch that went by unseen. How a rollout
//! went then is not told by anything, so that it is no reason.

use std::collections::BTreeSet;

use anyhow::Result;
use jiff::Timestamp;

use super::every;
use super::gauge::Health;
use super::watches::{Watched, Watches, hold, run_of, shown};
use crate::apply::audit::{self, Happened, Line};
use crate::apply::watch::Cause;
use crate::commands::apply::session::Session;
use crate::service::rules::Rules;
use crate::source::prometheus::Range;
use crate::units::Period;

/// The most steps that are looked back on: a source refuses more than 11,000.
const MOST_STEPS: i64 = 2_000;

impl Watches {
    /// Reads afterwards what the objectives were while nobody looked at these changes, as if somebody had; what then is
    /// over is watched no longer.
    pub(in crate::commands) async fn look_back(
        &mut self,
        session: &mut Session<'_>,
        rules: &Rules,
        lines: &[Line],
    ) -> Result<()> {
        let is_one = |one: &Watched| lines.iter().any(|line| audit::same(&one.act.line, line));
        let runs: BTreeSet<(String, String)> =
            self.under.iter().filter(|one| is_one(one)).map(run_of).collect();
        for run in runs {
            let mine = |one: &Watched| is_one(one) && run_of(one) == run;
            let until = self.under.iter().filter(|one| mine(one)).map(|one| one.until).max();
            let Some((range, length)) = until.and_then(|until| since(&run.1, until)) else {
                continue;
            };
            let gauge = self.gauges.iter_mut().find(|gauge| gauge.service == run.0);
            let (health, said) = match gauge {
                Some(gauge) => gauge.look_back(range, hold(length)).await,
                None => (Health::Unknown, "nobody can be asked how the service fared".to_owned()),
            };
            if health == Health::Severity2 {
                let why = format!("Severity 2 while nobody watched: {said}");
                self.take_back(session, rules, (Cause::Severity2, &why), mine).await?;
            } else if until.is_some_and(|until| until <= Timestamp::now()) {
                self.close(session, &said, health, mine)?;
            }
        }
        Ok(())
    }

    /// Ends the watch of changes whose time went by.
    fn close(
        &mut self,
        session: &mut Session<'_>,
        said: &str,
        health: Health,
        mine: impl Fn(&Watched) -> bool,
    ) -> Result<()> {
        let (over, others) = std::mem::take(&mut self.under).into_iter().partition(mine);
        self.under = others;
        for one in over {
            if health == Health::Unknown {
                self.well = false;
                let what = format!("whether {} fared well is not known", shown(&one.act.line));
                let hint = "hint: look at it; `plimsoll rollback` takes the change back";
                session.talk.say(&format!("warning: {what}: {said}\n{hint}"));
            }
            writeln!(session.out, "watched  {}: {said}", shown(&one.act.line))?;
            let said = vec![said.to_owned()];
            session.record(Line { said, ..one.act.line }, Happened::Watched)?;
        }
        Ok(())
    }
}

/// What of a watch is over, in the steps in which it would have been looked at, and how long the whole of it is.
fn since(run: &str, until: Timestamp) -> Option<(Range, Period)> {
    let made = run.parse::<Timestamp>().ok()?;
    let length = Period(until.duration_since(made).as_secs());
    let step = i64::try_from(every(length).as_secs()).unwrap_or(1).max(length.0 / MOST_STEPS);
    let to = until.min(Timestamp::now()).as_second();
    let range = Range { from: made.as_second(), to, step };
    (range.from < range.to).then_some((range, length))
}
