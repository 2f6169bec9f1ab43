//! The CPU target of an HPA: what is left of a pod above it is the room for the time in which the next pod starts.
//!
//! How much room is needed is not guessed: the component's own recent past, lifted to peak at the planning load, is
//! lived again under the bounds that are advised and each target in turn, from today's downwards, and the highest
//! under which it is served is taken. A lower target gives more pods. A higher one is never advised, only put up for decision: a past that went well says
//! nothing of the load that nobody has seen yet.

use crate::advise::plan::{
    Action, Amount, Code, Finding, Reason, Recommendation, Setting, Severity,
};
use crate::advise::{Known, Outlook};
use crate::service::{Component, Current};
use crate::units::{Period, Ratio};

/// The targets that are tried beside today's, in percent. An HPA leaves a count alone within 10 % of its target, so
/// finer ones would do the same.
const TRIED: [u32; 13] = [30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 90];
/// Pod-hours that a higher target must save before people are asked to decide, as a share.
const WORTH_SAYING: f64 = 0.05;

/// How a component's recent past would have gone under some settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trial {
    /// How much of the past was lived again.
    pub span: Period,
    /// Hours of pods.
    pub pod_hours: f64,
    /// Share of the time in which there were too few.
    pub short: Ratio,
    /// Share of the requests that came then and were too many.
    pub unmet: Ratio,
}

/// Lives a component's recent past again under the settings given, lifted to a peak in rps; `None` where nobody can:
/// nothing has measured what a pod serves, or what CPU that takes.
#[derive(Clone, Copy)]
pub struct Rehearsal<'a>(pub &'a dyn Fn(&Component, Current, f64) -> Option<Trial>);

impl std::fmt::Debug for Rehearsal<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rehearsal")
    }
}

/// The target of a component's HPA under the bounds that `advised` gives it, and what there is to decide; `None`
/// where it has none on CPU. One that cannot be tried out stays.
#[must_use]
pub fn of_hpa(
    known: &Known<'_>,
    outlook: &Outlook<'_>,
    component: &Component,
    advised: &[Recommendation],
) -> Option<(Recommendation, Option<Finding>)> {
    let current = *known.current.get(&component.name)?;
    let today = current.target_utilization.filter(|percent| *percent > 0)?;
    let stage = as_advised(current, component, advised).map(|settings| Stage {
        known,
        component,
        settings,
        peak: outlook.planning,
    });
    let tried = stage.and_then(|stage| Some((stage.trial(today)?, stage)));
    let Some((as_today, stage)) = tried else { return Some((untried(component, today), None)) };
    let wanted = if stage.served(&as_today) {
        Some(today)
    } else {
        let mut lower = TRIED.into_iter().rev().filter(|percent| *percent < today);
        lower.find(|percent| stage.trial(*percent).is_some_and(|trial| stage.served(&trial)))
    };
    let finding = match wanted {
        None => Some(stage.too_slow(today, &as_today)),
        Some(wanted) if wanted == today && outlook.lowering.forbidden.is_none() => {
            stage.saving(today, &as_today)
        }
        Some(_) => None,
    };
    // what no target serves is left as it is: the finding says what would
    let wanted = wanted.unwrap_or(today);
    let target = wanted.max(halved(today, known.policy.max_step));
    let mut reasons = vec![stage.reason(today, &as_today)];
    if target > wanted {
        let message = format!(
            "{wanted} % asked for; one step goes from {today} % to {target} % at most (`policy.maxStep`)"
        );
        reasons.push(Reason { code: Code::StepLimit, message });
    }
    let percent = |percent| Some(Amount::Count(percent));
    let recommendation = Recommendation {
        component: component.name.clone(),
        object: component.target.to_string(),
        setting: Setting::TargetUtilization,
        current: percent(today),
        target: percent(target),
        uncapped_target: percent(wanted),
        lower_bound: percent(wanted),
        upper_bound: percent(target),
        action: if target < today { Action::Lower } else { Action::Keep },
        reasons,
        lasts_until: None,
    };
    Some((recommendation, finding))
}

/// A target that stays, for nobody knows how another would do.
fn untried(component: &Component, today: u32) -> Recommendation {
    let message = "not tried out: what a pod serves, or what CPU that takes, was never measured";
    let percent = Some(Amount::Count(today));
    Recommendation {
        component: component.name.clone(),
        object: component.target.to_string(),
        setting: Setting::TargetUtilization,
        current: percent,
        target: percent,
        uncapped_target: percent,
        lower_bound: percent,
        upper_bound: percent,
        action: Action::Keep,
        reasons: vec![Reason { code: Code::Capacity, message: message.to_owned() }],
        lasts_until: None,
    }
}

/// The settings that will be in force once the advice is followed; `None` where a bound of the HPA is not known.
fn as_advised(
    current: Current,
    component: &Component,
    advised: &[Recommendation],
) -> Option<Current> {
    let amount = |setting: Setting| {
        let one =
            advised.iter().find(|one| one.component == component.name && one.setting == setting)?;
        one.target.or(one.current)
    };
    let count = |setting: Setting| match amount(setting)? {
        Amount::Count(count) => Some(count),
        _ => None,
    };
    let (min, max) = (count(Setting::MinReplicas)?, count(Setting::MaxReplicas)?);
    let cpu_request = match amount(Setting::CpuRequest) {
        Some(Amount::Cpu(cpu)) => Some(cpu),
        _ => current.cpu_request,
    };
    Some(Current {
        replicas: None,
        min_replicas: Some(min),
        max_replicas: Some(max.max(min)),
        cpu_request,
        ..current
    })
}

/// The lowest target that one step may go to.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a percentage, divided by more than 1"
)]
fn halved(today: u32, max_step: f64) -> u32 {
    ((f64::from(today) / max_step).ceil() as u32).clamp(1, today)
}

/// One component on trial.
struct Stage<'a> {
    known: &'a Known<'a>,
    component: &'a Component,
    settings: Current,
    /// What its load is lifted to, in rps.
    peak: f64,
}

impl Stage<'_> {
    fn trial(&self, percent: u32) -> Option<Trial> {
        self.with(Current { target_utilization: Some(percent), ..self.settings })
    }

    fn with(&self, settings: Current) -> Option<Trial> {
        (self.known.rehearsal.0)(self.component, settings, self.peak)
    }

    /// Whether that is within the risk that the policy takes, and within the errors that the service allows itself.
    fn served(&self, trial: &Trial) -> bool {
        trial.short <= self.known.policy.risk
            && trial.unmet <= self.known.service.objectives.error_rate
    }

    fn bounds(&self) -> String {
        let bound = |count: Option<u32>| count.unwrap_or_default();
        format!("{}-{}", bound(self.settings.min_replicas), bound(self.settings.max_replicas))
    }

    fn reason(&self, percent: u32, trial: &Trial) -> Reason {
        let message = format!(
            "the last {} again, peaking at {:.1} rps, {} pods at {percent} %: too few {} of the time ({} allowed), {} of requests ({})",
            trial.span,
            self.peak,
            self.bounds(),
            share(trial.short),
            self.known.policy.risk,
            share(trial.unmet),
            self.known.service.objectives.error_rate,
        );
        Reason { code: Code::Replay, message }
    }

    /// No target serves: what else would.
    fn too_slow(&self, today: u32, as_today: &Trial) -> Finding {
        let (lowest, highest) =
            (TRIED[0].min(today), self.settings.max_replicas.unwrap_or_default());
        let with_min = |min: u32| {
            let settings = Current { min_replicas: Some(min), ..self.settings };
            Some((min, self.with(settings).filter(|trial| self.served(trial))?))
        };
        let mins = self.settings.min_replicas.unwrap_or_default() + 1..=highest;
        let floor = mins.clone().find_map(with_min).map_or_else(
            || format!("no `minReplicas` up to {highest} would have served it either"),
            |(min, trial)| {
                format!(
                    "a `minReplicas` of {min} at {today} % would have, for {:.0} pod-hours instead of {:.0}",
                    trial.pod_hours, as_today.pod_hours
                )
            },
        );
        Finding {
            severity: Severity::Warning,
            code: Code::Replay,
            message: format!(
                "{}: no CPU target from {today} % down to {lowest} % would have served the last {}: load rises faster than pods start, or CPU is not what limits them",
                self.component.name, as_today.span
            ),
            remedy: format!("{floor}; `plimsoll replay` holds other ways to scale against it"),
        }
    }

    /// A higher target would have done, for noticeably fewer pods.
    fn saving(&self, today: u32, as_today: &Trial) -> Option<Finding> {
        let higher = TRIED.into_iter().filter(|percent| *percent > today);
        let served = higher.map_while(|percent| {
            self.trial(percent).filter(|trial| self.served(trial)).map(|trial| (percent, trial))
        });
        let (percent, trial) = served.last()?;
        let saved = 1.0 - trial.pod_hours / as_today.pod_hours;
        (saved >= WORTH_SAYING).then(|| Finding {
            severity: Severity::Info,
            code: Code::Replay,
            message: format!(
                "{}: at a CPU target of {percent} % the last {} would have been served within {} too, for {} fewer pod-hours",
                self.component.name,
                as_today.span,
                self.known.policy.risk,
                share(Ratio(saved))
            ),
            remedy: "a higher target is yours to decide: what a replay has not seen it does not know".to_owned(),
        })
    }
}

/// A share to a tenth of a percent.
fn share(share: Ratio) -> Ratio {
    Ratio((share.0 * 1000.0).round() / 1000.0)
}
