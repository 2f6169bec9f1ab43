//! `run`: turn after turn, the floors of autoscalers ahead of the load. A dry run unless `--yes`.
//!
//! Nothing of what it decides is kept here: the load tells the floor anew each turn, and the object itself holds what
//! was there before. So a restart, or another replica that takes over, changes nothing.

mod election;
mod floors;
mod http;
mod left;
mod metrics;
mod turn;
mod watching;

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::watch;

use self::election::Leading;
pub use self::metrics::Metrics;
use self::metrics::Shared;
pub use self::turn::{Memory, Seen, Turned, turn};
pub use self::watching::look;
use crate::cli::LoopArgs;
use crate::commands::apply::watch::Watches;
use crate::commands::{Exit, Hinted, Talk, failure, gather};
use crate::units::Period;

/// How long a turn that is under way when the end is asked for may take to get there.
const GRACE: Duration = Duration::from_secs(20);
/// The shortest wait between two looks at what is watched.
const NAP: Duration = Duration::from_secs(1);
/// The wait after a look that failed.
const AGAIN: Duration = Duration::from_secs(15);
/// The longest wait between two tries of a turn that fails.
const LONGEST: Period = Period(600);

/// Takes turns until it is told to end.
///
/// # Errors
///
/// Settings that are wrong at the start, an address that is taken, no way to a cluster. What fails later is said, shown
/// in the metrics, and tried again.
pub async fn run(args: &LoopArgs, talk: &Talk, out: &mut dyn Write) -> Result<Exit> {
    let mut memory = Memory::default();
    if args.once {
        let turned = turn(args, now(), &mut memory, talk, out).await?;
        writeln!(out, "{}", turned.words())?;
        return Ok(if turned.refused == 0 && turned.left == 0 {
            Exit::Done
        } else {
            Exit::Skipped
        });
    }
    let every = gather::settings(&args.run(now()))?.rounds.every;
    let listener = TcpListener::bind(args.listen).await.map_err(|error| Hinted {
        message: format!("cannot listen on `{}`: {error}", args.listen),
        hint: "choose another address with `--listen`".to_owned(),
    })?;
    let address = listener.local_addr()?;
    let shared = Arc::new(Shared::default());
    let (stop, told) = watch::channel(false);
    let ends = tokio::spawn(ended(stop));
    let answers = tokio::spawn(http::serve(listener, Arc::clone(&shared)));
    let leading = if args.on.yes {
        Leading::elected(args, Arc::clone(&shared), *talk).await?
    } else {
        Leading::alone()
    };
    let does =
        if args.on.yes { "acts while it holds the lease" } else { "a dry run: `--yes` acts" };
    talk.say(&format!("run: a turn every {every}, {does}; answers on {address}"));
    let mut rounds =
        Rounds { args, talk, shared: &shared, leading, told, failures: 0, every, looked: None };
    let ended = rounds.turns(&mut memory, out).await;
    rounds.leading.end().await;
    answers.abort();
    ends.abort();
    if let Some(until) = memory.watching.watches.until() {
        let what = "what was applied is watched on by whoever acts next";
        talk.say(&format!("run: {what}, until {until:.0}"));
    }
    talk.say("run: ended as it was told");
    ended.map(|()| Exit::Done)
}

/// The moment, to the second: no sample is finer.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

/// Waits for the word to end, from the system or a person.
async fn ended(stop: watch::Sender<bool>) {
    use tokio::signal::unix::{SignalKind, signal};
    let (term, int) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    let (Ok(mut term), Ok(mut int)) = (term, int) else { return stop.closed().await };
    tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
    let _ = stop.send(true);
    stop.closed().await;
}

/// What the turns go by.
struct Rounds<'a> {
    args: &'a LoopArgs,
    talk: &'a Talk,
    shared: &'a Shared,
    leading: Leading,
    told: watch::Receiver<bool>,
    failures: u32,
    every: Period,
    /// When was last looked at what is watched, and whether that failed.
    looked: Option<(Instant, bool)>,
}

/// How a wait ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// The next turn is due, or others act.
    Over,
    /// The end was asked for.
    End,
}

impl Rounds<'_> {
    async fn turns(&mut self, memory: &mut Memory, out: &mut dyn Write) -> Result<()> {
        let mut told = self.told.clone();
        loop {
            // it may have been lost between two turns, with no rest in which that is seen
            if !self.leading.acts() {
                self.leave(memory);
            }
            tokio::select! {
                biased;
                () = asked(&mut told) => return Ok(()),
                () = self.leading.gained() => {}
            }
            let begun = Instant::now();
            self.shared.begin(begun);
            let turn = Box::pin(turn(self.args, now(), memory, self.talk, out));
            let turned = unless_ended(&self.leading, &mut told, turn).await;
            self.shared.end();
            let Some(turned) = turned else {
                self.leave(memory);
                self.talk
                    .say("run: the turn was left off; what it had begun is looked at next time");
                if *told.borrow() {
                    return Ok(());
                }
                continue;
            };
            self.take(turned, begun)?;
            // a turn looks back on what nobody saw, and may take it back
            let watches = &memory.watching.watches;
            self.shared.watched(watches.len(), watches.taken_back);
            out.flush()?;
            let next = begun + wait(self.every, self.failures);
            if self.rest(next, memory, out).await? == Rest::End {
                return Ok(());
            }
        }
    }

    /// Waits for the next turn, and looks meanwhile at what is watched.
    async fn rest(
        &mut self,
        next: Instant,
        memory: &mut Memory,
        out: &mut dyn Write,
    ) -> Result<Rest> {
        let mut told = self.told.clone();
        loop {
            let failed = self.looked.is_some_and(|(_, failed)| failed);
            let every = memory.watching.every.max(if failed { AGAIN } else { NAP });
            let due = self.looked.is_none_or(|(at, _)| at.elapsed() >= every);
            if due && self.args.on.yes && memory.watching.is_open() {
                let look = Box::pin(look(self.args, memory, self.talk, out));
                let Some(looked) = unless_ended(&self.leading, &mut told, look).await else {
                    self.leave(memory);
                    return Ok(if *told.borrow() { Rest::End } else { Rest::Over });
                };
                self.seen(looked, &memory.watching.watches)?;
                out.flush()?;
            }
            let left = next.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Rest::Over);
            }
            let nap = if memory.watching.is_open() { left.min(every) } else { left };
            tokio::select! {
                biased;
                () = asked(&mut told) => return Ok(Rest::End),
                () = self.leading.lost() => {
                    self.leave(memory);
                    return Ok(Rest::Over);
                }
                () = tokio::time::sleep(nap) => {}
            }
        }
    }

    /// Others act now, or nobody.
    fn leave(&mut self, memory: &mut Memory) {
        memory.leave();
        if self.leading.is_anothers() {
            // how its turns end is another's word from now on
            self.failures = 0;
        }
        self.shared.watched(0, memory.watching.watches.taken_back);
    }

    /// Says once that what is watched cannot be looked at.
    fn seen(&mut self, looked: Result<()>, watches: &Watches) -> Result<()> {
        let failed = self.looked.is_some_and(|(_, failed)| failed);
        self.looked = Some((Instant::now(), looked.is_err()));
        self.shared.watched(watches.len(), watches.taken_back);
        match looked {
            Err(error) if error.downcast_ref::<std::io::Error>().is_some() => return Err(error),
            Err(error) if !failed => {
                let text = failure(&error);
                let goes_on =
                    if watches.is_empty() { "" } else { "\nrun: the watch goes on when it can" };
                self.talk.say(&format!("{}{goes_on}", text.trim_end()));
            }
            _ => {}
        }
        Ok(())
    }

    /// Says how a turn ended where that is news: a failure once, and that it is over.
    fn take(&mut self, turned: Result<Turned>, begun: Instant) -> Result<()> {
        match turned {
            Ok(turned) => {
                if self.failures > 0 {
                    self.talk.say(&format!("run: well again after {} failed turns", self.failures));
                }
                self.failures = 0;
                self.every = turned.rounds.every;
                self.shared.done(turned, begun.elapsed(), Timestamp::now());
            }
            // nobody hears us any more: this is no failure of a source
            Err(error) if error.downcast_ref::<std::io::Error>().is_some() => return Err(error),
            Err(error) => {
                if self.failures == 0 {
                    let text = failure(&error);
                    self.talk.say(&format!(
                        "{}\nrun: floors stay; it is tried again, and said once",
                        text.trim_end()
                    ));
                }
                self.failures = self.failures.saturating_add(1);
                self.shared.failed(begun.elapsed(), wait(self.every, self.failures));
            }
        }
        Ok(())
    }
}

/// Some work; `None`: it was left off, for others act now, or the end has waited long enough.
async fn unless_ended<T>(
    leading: &Leading,
    told: &mut watch::Receiver<bool>,
    work: impl Future<Output = T>,
) -> Option<T> {
    tokio::pin!(work);
    tokio::select! {
        biased;
        () = leading.lost() => None,
        done = &mut work => Some(done),
        () = asked(told) => tokio::select! {
            biased;
            () = leading.lost() => None,
            done = &mut work => Some(done),
            () = tokio::time::sleep(GRACE) => None,
        },
    }
}

async fn asked(told: &mut watch::Receiver<bool>) {
    // a channel whose sender is gone says nothing any more
    if told.wait_for(|told| *told).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// From the begin of a turn to that of the next: twice as long after each failure in a row, up to ten minutes.
fn wait(every: Period, failures: u32) -> Duration {
    let usual = every.0.max(1);
    let longer = usual.saturating_mul(1 << failures.min(16)).min(LONGEST.0.max(usual));
    Duration::from_secs(longer.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fails_waits_twice_as_long_each_time_up_to_ten_minutes() {
        let waits = [0, 1, 2, 4, 99].map(|failures| wait(Period(60), failures).as_secs());
        assert_eq!(waits, [60, 120, 240, 600, 600]);
        assert_eq!(wait(Period::HOUR, 3).as_secs(), 3_600);
    }
}
