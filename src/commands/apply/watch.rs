//! After the act: `apply` stays while what it changed is watched. What is applied stays if it is stopped.

mod gauge;
mod look_back;
mod watches;

use std::time::Duration;

use anyhow::Result;
use indicatif::ProgressBar;
use jiff::{SignedDuration, Timestamp};

use super::session::Session;
use crate::apply::watch::Act;
use crate::commands::Talk;
use crate::config::Settings;
use crate::service::rules::Watch;
use crate::units::Period;

pub(in crate::commands) use self::watches::Watches;

/// How often is looked, at most.
const EVERY: Period = Period(15);

/// From one look to the next, in a watch of this length.
pub(in crate::commands) fn every(length: Period) -> Duration {
    Duration::from_secs((length.0 / 20).clamp(1, EVERY.0).unsigned_abs())
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
    let mut watches = Watches::new(bar(talk));
    let until = Timestamp::now() + SignedDuration::from_secs(length.0);
    watches.add(session, length, acts.into_iter().map(|act| (act, until)))?;
    talk.say(&format!("watching for {length}; what was applied stays if this is stopped"));
    tokio::select! {
        () = watches.see(settings, offline, talk) => {}
        () = &mut stop => return stop_watching(watches, session),
    }
    loop {
        // what is asked may be broken off; what is taken back may not
        tokio::select! {
            () = watches.look(session) => {}
            () = &mut stop => return stop_watching(watches, session),
        }
        watches.decide(session, &settings.rules).await?;
        watches.finish(session)?;
        if watches.is_empty() {
            return Ok(watches.well);
        }
        tokio::select! {
            () = tokio::time::sleep(every(length)) => {}
            () = &mut stop => return stop_watching(watches, session),
        }
    }
}

fn stop_watching(mut watches: Watches, session: &mut Session<'_>) -> Result<bool> {
    watches.stop(session, "stopped before its end")?;
    session.talk.say("stopped: what was applied stays; `plimsoll rollback` takes it back");
    Ok(false)
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
