//! Whether this replica acts: the lease, held by a task of its own, so that a long turn does not lose it.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::metrics::Shared;
use crate::apply::lease::{ACTS, Lease, RENEWAL};
use crate::cli::LoopArgs;
use crate::commands::gather::options;
use crate::commands::{Hinted, Talk};
use crate::source::kubernetes;

/// Until when this replica acts.
pub(super) struct Leading {
    /// `None`: another does, or nobody knows.
    until: watch::Receiver<Option<Instant>>,
    quit: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
}

impl Leading {
    /// Nobody is asked: a dry run writes nothing, a lease neither.
    pub(super) fn alone() -> Self {
        let (quit, _) = watch::channel(false);
        Self { until: watch::channel(None).1, quit, task: None }
    }

    /// By the lease that the flags name.
    pub(super) async fn elected(args: &LoopArgs, shared: Arc<Shared>, talk: Talk) -> Result<Self> {
        let options = options(&args.run(Timestamp::now()));
        let client = kubernetes::connect(&options).await;
        let client =
            client.map_err(|error| Hinted::because(&error, &error.hint_to_act(&options)))?;
        let (namespace, name) = match args.lease.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, args.lease.as_str()),
        };
        let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "plimsoll".to_owned());
        let me = format!("{host}_{}_{}", std::process::id(), Timestamp::now().as_millisecond());
        let lease = Lease::new(client, namespace, name, me);
        let (until_of, until) = watch::channel(None);
        let (quit, told) = watch::channel(false);
        let election = tokio::spawn(held(lease, until_of, told, shared, talk));
        Ok(Self { until, quit, task: Some(election) })
    }

    /// Waits until this replica acts.
    pub(super) async fn gained(&mut self) {
        if self.task.is_none() {
            return;
        }
        if self.until.wait_for(|until| is_ahead(*until)).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until it does not any more: another has the lease, or it could not be renewed for too long.
    pub(super) async fn lost(&self) {
        if self.task.is_none() {
            std::future::pending::<()>().await;
        }
        let mut renewed = self.until.clone();
        loop {
            let Some(until) = *renewed.borrow_and_update() else { return };
            tokio::select! {
                changed = renewed.changed() => if changed.is_err() { return },
                () = tokio::time::sleep_until(until.into()) => return,
            }
        }
    }

    /// Whether this replica acts at this moment.
    pub(super) fn acts(&self) -> bool {
        self.task.is_none() || is_ahead(*self.until.borrow())
    }

    /// Whether another replica is known to act.
    pub(super) fn is_anothers(&self) -> bool {
        self.task.is_some() && self.until.borrow().is_none()
    }

    /// Gives the lease up and waits until that is done.
    pub(super) async fn end(&mut self) {
        let _ = self.quit.send(true);
        if let Some(task) = self.task.take() {
            let _ = task.await;
        }
    }
}

fn is_ahead(until: Option<Instant>) -> bool {
    until.is_some_and(|until| Instant::now() < until)
}

/// Holds the lease until told to quit, then releases it.
async fn held(
    mut lease: Lease,
    until: watch::Sender<Option<Instant>>,
    mut told: watch::Receiver<bool>,
    shared: Arc<Shared>,
    talk: Talk,
) {
    let (mut was, mut silent) = (None, false);
    while !*told.borrow() {
        let begun = Instant::now();
        let tried = tokio::time::timeout(ACTS, lease.hold((Timestamp::now(), begun))).await;
        let held = match tried {
            Ok(Ok(held)) => Some(held),
            Ok(Err(error)) if !silent => {
                talk.say(&format!("lease: {error}\nhint: {}", error.hint()));
                None
            }
            _ => None,
        };
        silent = held.is_none();
        match held {
            Some(true) => drop(until.send(Some(begun + ACTS))),
            Some(false) => drop(until.send(None)),
            // an older renewal counts until it is too old
            None => {}
        }
        let acts = is_ahead(*until.borrow());
        shared.leads(acts, held.is_some());
        if was != Some(acts) && (held.is_some() || was == Some(true)) {
            let place = lease.place();
            let what =
                if acts { "ours, this replica acts" } else { "not ours, this replica waits" };
            talk.say(&format!("lease: `{place}` is {what}"));
            was = Some(acts);
        }
        tokio::select! {
            _ = told.wait_for(|told| *told) => {}
            () = tokio::time::sleep(RENEWAL) => {}
        }
    }
    let acted = until.borrow().is_some();
    let _ = until.send(None);
    if acted {
        // where this fails it runs out by itself
        let _ = tokio::time::timeout(RENEWAL, lease.release()).await;
    }
}
