//! What `plan`, `report`, `values`, `patch` and `explain` share: settings, history, live state, advice.

use std::collections::BTreeMap;

use anyhow::Result;
use jiff::Timestamp;

use crate::Assessment;
use crate::advise::plan::{Action, Plan};
use crate::commands::Exit;
use crate::config::Settings;
use crate::history::{Evidence, Observed, Window};
use crate::service::Current;

/// The settings in force by service and component.
pub type Live = BTreeMap<(String, String), Current>;

/// One run over all services.
#[derive(Debug)]
pub struct Run {
    /// The settings it ran by.
    pub settings: Settings,
    /// The moment it ran for.
    pub at: Timestamp,
    /// Every service, by name.
    pub assessments: Vec<Assessment>,
    /// The advice.
    pub plan: Plan,
    /// How many samples it rests on.
    pub samples: usize,
    /// First 12 hex digits of the SHA-256 over those samples.
    pub history_hash: String,
    /// How many queries were sent; `None` where nobody was asked.
    pub queries: Option<usize>,
}

impl Run {
    /// Assesses every service of `settings` from what `observe` has of it.
    ///
    /// # Errors
    ///
    /// Whatever `observe` fails with.
    pub fn over(
        settings: Settings,
        at: Timestamp,
        live: &Live,
        queries: Option<usize>,
        mut observe: impl FnMut(&crate::service::Service) -> Result<Observed>,
    ) -> Result<Self> {
        let window = Window {
            at,
            lookback: settings.history.lookback,
            step: settings.history.step,
        };
        let mut assessments = Vec::with_capacity(settings.services.len());
        let mut evidence = Fingerprint::default();
        for service in &settings.services {
            let observed = observe(service)?;
            evidence.take(&service.name, &observed);
            let mine = |(key, current): (&(String, String), &Current)| {
                (key.0 == service.name).then(|| (key.1.clone(), *current))
            };
            let live = live.iter().filter_map(mine).collect();
            assessments.push(crate::assess(
                service,
                &settings.calendar,
                &settings.policy,
                &window,
                &observed,
                &live,
            ));
        }
        let plan = crate::plan(at, &settings.hash, &assessments);
        let (samples, history_hash) = evidence.finish();
        Ok(Self {
            settings,
            at,
            assessments,
            plan,
            samples,
            history_hash,
            queries,
        })
    }

    /// How the run ended: skipped before changed, since what is missing is the worse surprise.
    #[must_use]
    pub fn exit(&self, exit_code: bool) -> Exit {
        let lowered_or_raised = |action| matches!(action, Action::Raise | Action::Lower);
        let changed = self
            .plan
            .services
            .iter()
            .flat_map(|one| &one.recommendations)
            .any(|one| lowered_or_raised(one.action));
        match self.plan.skipped {
            0 if exit_code && changed => Exit::Changes,
            0 => Exit::Done,
            _ => Exit::Skipped,
        }
    }
}

/// The samples of a run, counted and hashed, so that a report names what it was made from.
#[derive(Default)]
struct Fingerprint {
    samples: usize,
    hash: sha2::Sha256,
}

impl Fingerprint {
    fn take(&mut self, service: &str, observed: &Observed) {
        use sha2::Digest;
        for (key, evidence) in observed {
            self.hash.update(format!("{service}/{key}\n"));
            if let Evidence::Series(samples) = evidence {
                self.samples += samples.at.len();
                samples
                    .at
                    .iter()
                    .for_each(|at| self.hash.update(at.to_le_bytes()));
                samples
                    .value
                    .iter()
                    .for_each(|value| self.hash.update(value.to_le_bytes()));
            }
        }
    }

    fn finish(self) -> (usize, String) {
        use sha2::Digest;
        let digest = self.hash.finalize();
        let hex: String = digest
            .iter()
            .take(6)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        (self.samples, hex)
    }
}
