//! What `plan`, `report`, `values`, `patch` and `explain` share: settings, history, live state, advice.

use anyhow::Result;
use jiff::Timestamp;

use crate::Assessment;
use crate::advise::plan::{Action, Finding, Plan};
use crate::advise::{feasible, findings};
use crate::cli::RunArgs;
use crate::commands::{Exit, Hinted, Talk, pull, tiers};
use crate::config::{self, Settings};
use crate::history::{Evidence, Observed, Window};
use crate::service::live::{Gap, Live};
use crate::source::kubernetes::{self, ClusterOptions, KubernetesError};

/// One run over all services.
#[derive(Debug)]
pub struct Run {
    /// The settings it ran by.
    pub settings: Settings,
    /// The moment it ran for.
    pub at: Timestamp,
    /// Every service, by name.
    pub assessments: Vec<Assessment>,
    /// The cluster's word, which the advice goes by.
    pub live: Live,
    /// The advice.
    pub plan: Plan,
    /// How many samples it rests on.
    pub samples: usize,
    /// First 12 hex digits of the SHA-256 over those samples.
    pub history_hash: String,
    /// How many queries were sent; `None` where nobody was asked.
    pub queries: Option<usize>,
}

/// Settings, history and live state as the flags say, and the advice over them.
///
/// # Errors
///
/// Wrong settings, a source that cannot be reached or refuses us, a store or file that cannot be read.
pub async fn gather(args: &RunArgs, talk: &Talk) -> Result<Run> {
    gather_asking(args, talk, Ask::WhereNamed).await
}

/// When a cluster is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// Where a flag names it.
    WhereNamed,
    /// Always: without a flag the one that `kubectl` would ask.
    Always,
}

pub(super) async fn gather_asking(args: &RunArgs, talk: &Talk, ask: Ask) -> Result<Run> {
    let settings = settings(args)?;
    for odd in &settings.warnings {
        talk.say(&format!("warning: {odd}\nhint: {}", odd.hint));
    }
    let at = moment(args, &settings);
    let live = match ask {
        Ask::WhereNamed => live(&settings, args, talk).await?,
        Ask::Always if args.no_cluster => {
            return Err(Hinted {
                message: "`--no-cluster` leaves nothing to apply to".to_owned(),
                hint: "leave it away, or look with `plimsoll plan --no-cluster`".to_owned(),
            }
            .into());
        }
        Ask::Always => live_of(&settings, &options(args), ask, talk).await?,
    };
    let past = pull::gather(&settings, at, args.offline, *talk).await?;
    let damaged = past.pull.iter().flat_map(|pull| &pull.set_aside);
    damaged.for_each(|damaged| talk.say(&format!("warning: {damaged}")));
    let queries = past.queries();
    reached(args, &settings, at, &past)?;
    Run::over(settings, at, live, queries, |service| Ok((past.of(service)?, past.doubts(service))))
}

/// Refuses a moment that was typed and that no history reaches: a page of skips would not say how far it is.
///
/// # Errors
///
/// That, with the span of the history.
pub(super) fn reached(
    args: &RunArgs,
    settings: &Settings,
    at: Timestamp,
    past: &pull::Past,
) -> Result<()> {
    // where a source was asked just now, that it has nothing is an answer
    let typed = args.at.is_some() && past.pull.is_none();
    let beside = if typed { past.beside_the_window(&settings.services) } else { None };
    let Some((first, last)) = beside else { return Ok(()) };
    let lookback = settings.history.lookback;
    Err(Hinted {
        message: format!(
            "no sample of `load` in the {lookback} before {at}: the history goes from {first} to {last}"
        ),
        hint: "name a moment of it with `--at`".to_owned(),
    }
    .into())
}

/// The moment that the flags name, or now, to the second: no sample is finer.
#[must_use]
pub fn moment(args: &RunArgs, settings: &Settings) -> Timestamp {
    let named = args.at.map(|at| at.within(&settings.calendar.zone));
    named.unwrap_or_else(|| {
        let now = Timestamp::now();
        Timestamp::from_second(now.as_second()).unwrap_or(now)
    })
}

/// The settings file, with the flags that override it.
///
/// # Errors
///
/// Where the file cannot be read or is wrong, or where `--namespace` leaves no service.
pub fn settings(args: &RunArgs) -> Result<Settings> {
    let mut settings = config::load(&args.file).map_err(tiers::hinted)?;
    if let Some(url) = &args.prometheus_url {
        settings.set_prometheus_url(url).map_err(tiers::hinted)?;
    }
    if let Some(namespace) = &args.namespace {
        settings.choose(namespace);
        if settings.services.is_empty() {
            let message = format!(
                "no service of `{}` is in the namespace `{namespace}`",
                args.file.display()
            );
            return Err(Hinted {
                message,
                hint: "see `services[].namespace`, or leave `--namespace` away".to_owned(),
            }
            .into());
        }
    }
    Ok(settings)
}

/// The cluster's word on what is in force; empty where there is none to ask. What a cluster will not
/// tell is said, and left to the metrics and the settings: it is never read as "there is none".
pub(super) async fn live(settings: &Settings, args: &RunArgs, talk: &Talk) -> Result<Live> {
    match cluster(args) {
        Some(options) => live_of(settings, &options, Ask::WhereNamed, talk).await,
        None => Ok(Live::default()),
    }
}

/// The word of the cluster that the options name.
pub(super) async fn live_of(
    settings: &Settings,
    options: &ClusterOptions,
    ask: Ask,
    talk: &Talk,
) -> Result<Live> {
    let live = kubernetes::live_state(&settings.services, options).await;
    let hint = |error: &KubernetesError| match ask {
        Ask::WhereNamed => error.hint_by(options),
        Ask::Always => error.hint_to_act(options),
    };
    let live = live.map_err(|error| Hinted::because(&error, &hint(&error)))?;
    let gaps: Vec<&Gap> = live.gaps.iter().collect();
    for warning in Gap::warnings(&gaps) {
        talk.say(&warning);
    }
    if ask == Ask::WhereNamed && options.is_the_pods() && !live.gaps.is_empty() {
        talk.say(
            "hint: the cluster that this pod runs in was asked; `--no-cluster` leaves it alone",
        );
    }
    Ok(live)
}

/// The cluster that the flags name, else the one whose pod this runs in; `None`: nobody is to be asked.
pub(super) fn cluster(args: &RunArgs) -> Option<ClusterOptions> {
    let named = args.context.is_some() || args.kubeconfig.is_some();
    let alone = args.offline || args.no_cluster;
    (named || !alone && kubernetes::in_a_pod()).then(|| options(args))
}

/// The cluster that the flags name, or the one that goes without saying.
pub(super) fn options(args: &RunArgs) -> ClusterOptions {
    ClusterOptions { context: args.context.clone(), kubeconfig: args.kubeconfig.clone() }
}

impl Run {
    /// Assesses every service of `settings` from what `observe` has of it, and what is to be said of that.
    ///
    /// # Errors
    ///
    /// Whatever `observe` fails with.
    pub fn over(
        settings: Settings,
        at: Timestamp,
        live: Live,
        queries: Option<usize>,
        mut observe: impl FnMut(&crate::service::Service) -> Result<(Observed, Vec<Finding>)>,
    ) -> Result<Self> {
        let window =
            Window { at, lookback: settings.history.lookback, step: settings.history.step };
        let mut assessments = Vec::with_capacity(settings.services.len());
        let mut evidence = Fingerprint::default();
        for service in &settings.services {
            let (observed, doubts) = observe(service)?;
            evidence.take(&service.name, &observed);
            let mut assessment = crate::assess(
                service,
                &settings.calendar,
                &settings.policy,
                &window,
                &observed,
                &live.current(service),
            );
            findings::add(&mut assessment.plan, doubts);
            assessments.push(assessment);
        }
        let plans = assessments.iter_mut().zip(&settings.services);
        let mut plans: Vec<_> = plans.map(|(one, service)| (&mut one.plan, service)).collect();
        for (plan, service) in &mut plans {
            plan.objects = live.objects(service);
        }
        feasible::add(&mut plans, &live);
        let plan = crate::plan(at, &settings.hash, &assessments);
        let (samples, history_hash) = evidence.finish();
        Ok(Self { settings, at, assessments, live, plan, samples, history_hash, queries })
    }

    /// How the run ended: skipped before changed, since what is missing is the worse surprise. A
    /// cluster that would not tell what is in force is something missing.
    #[must_use]
    pub fn exit(&self, exit_code: bool) -> Exit {
        let lowered_or_raised = |action| matches!(action, Action::Raise | Action::Lower);
        let changed = self
            .plan
            .services
            .iter()
            .flat_map(|one| &one.recommendations)
            .any(|one| lowered_or_raised(one.action));
        // what is not set on purpose is said, and is nothing missing
        let unset = self.plan.services.iter().flat_map(|one| &one.recommendations);
        let unset = unset.filter(|one| one.is_not_in_force()).count();
        match self.plan.skipped - unset {
            0 if self.live.is_partial() => Exit::Skipped,
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
                samples.at.iter().for_each(|at| self.hash.update(at.to_le_bytes()));
                samples.value.iter().for_each(|value| self.hash.update(value.to_le_bytes()));
            }
        }
    }

    fn finish(self) -> (usize, String) {
        use sha2::Digest;
        let digest = self.hash.finalize();
        let hex: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        (self.samples, hex)
    }
}
