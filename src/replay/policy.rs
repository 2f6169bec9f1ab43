//! The policies that are replayed: who sets the count, by what rule, and what a cluster needs for it.

use super::Change;
use crate::advise::windows::LEVEL;

/// More pods than any replay asks for: where nothing else bounds the count.
pub const COUNT_MAX: u32 = 100_000;

/// A way to run a service's pods.
#[derive(Debug, Clone, PartialEq)]
pub enum Policy {
    /// The settings in force now, all along: do nothing.
    AsToday(Box<Change>),
    /// The settings in force at the start, changed every week as the advice then said.
    Advised(Vec<Change>),
    /// Each week the pods that the highest load of the week before needs.
    LastWeekMax,
    /// An HPA alone, with its default behaviour.
    Hpa {
        /// Target utilisation, 1 is 100 %.
        target: f64,
    },
    /// An HPA beside a Holt-Winters forecast of the next minutes; the higher count is set. This is what
    /// predictive-horizontal-pod-autoscaler does, with its smoothing chosen by past errors rather than by hand.
    HoltWinters {
        /// Target utilisation of both.
        target: f64,
    },
    /// By the clock alone: the highest load of the same hour of the last weeks.
    Schedule,
    /// An HPA whose `minReplicas` is moved every hour to what the day-ahead forecast asks for.
    Floor {
        /// Target utilisation of the HPA.
        target: f64,
        /// Quantile of each hour's forecast peak, 0 to 1.
        level: f64,
    },
    /// An HPA whose `minReplicas` follows what the next minutes may bring: the level now, the errors of the last
    /// hours, and what came at this time of day before.
    Nowcast {
        /// Target utilisation of the HPA.
        target: f64,
        /// Quantile of the next minutes' peak, 0 to 1.
        level: f64,
        /// Added on top, as a share: what may come that has never come before.
        headroom: f64,
    },
}

/// What a policy needs of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// A replica count in the manifest.
    Manifest,
    /// An HPA.
    Hpa,
    /// Something that sets a count by the clock: KEDA's cron trigger, a `CronJob`.
    Clock,
    /// Something that moves `minReplicas` while the service runs.
    Loop,
    /// A predictive autoscaler.
    Predictor,
}

impl Needs {
    /// In a word.
    #[must_use]
    pub fn brief(self) -> &'static str {
        match self {
            Self::Manifest => "nothing",
            Self::Hpa => "HPA",
            Self::Clock => "clock",
            Self::Loop => "loop",
            Self::Predictor => "predictor",
        }
    }

    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Manifest => "nothing",
            Self::Hpa => "an HPA",
            Self::Clock => "a clock that scales, such as KEDA's cron",
            Self::Loop => "a loop that moves `minReplicas`",
            Self::Predictor => "a predictive autoscaler",
        }
    }

    /// Whether any cluster can run it as it is.
    #[must_use]
    pub fn anywhere(self) -> bool {
        matches!(self, Self::Manifest | Self::Hpa)
    }
}

impl Policy {
    /// The quantiles and headrooms at which the nowcast is replayed to draw its front, cheapest first.
    pub const LADDER: [(f64, f64); 10] = [
        (0.3, 0.0),
        (0.5, 0.0),
        (0.7, 0.0),
        (0.85, 0.0),
        (0.93, 0.0),
        (0.97, 0.0),
        (0.99, 0.0),
        (0.999, 0.05),
        (0.999, 0.2),
        (0.999, 0.4),
    ];

    /// The nowcast as it is recommended: 97 % of the next minutes, nothing on top, and an HPA at 90 % behind it.
    pub const NOWCAST: Self = Self::Nowcast { target: 0.9, level: 0.97, headroom: 0.0 };

    /// The policies that need no settings: the baselines of the field, and ours.
    #[must_use]
    pub fn baselines() -> Vec<Self> {
        vec![
            Self::LastWeekMax,
            Self::Schedule,
            Self::Hpa { target: 0.7 },
            Self::HoltWinters { target: 0.8 },
            Self::Floor { target: 0.7, level: LEVEL },
            Self::NOWCAST,
        ]
    }

    /// The policies that stand beside the settings in force and those advised, where people are to choose.
    #[must_use]
    pub fn beside_settings() -> Vec<Self> {
        vec![
            Self::LastWeekMax,
            Self::Schedule,
            Self::Floor { target: 0.7, level: LEVEL },
            Self::NOWCAST,
        ]
    }

    /// The same policies at other settings: HPAs at 50, 60 and 80 %, and the nowcast at [`Policy::LADDER`].
    #[must_use]
    pub fn variants() -> Vec<Self> {
        let hpas = [0.5, 0.6, 0.8].map(|target| Self::Hpa { target });
        hpas.into_iter()
            .chain(Self::ladder().into_iter().filter(|one| *one != Self::NOWCAST))
            .collect()
    }

    /// All policies that need no settings.
    #[must_use]
    pub fn for_all() -> Vec<Self> {
        let mut all = Self::baselines();
        all.extend(Self::variants());
        all
    }

    /// The nowcast at every rung of [`Policy::LADDER`].
    #[must_use]
    pub fn ladder() -> Vec<Self> {
        let rung = |&(level, headroom): &(f64, f64)| Self::Nowcast { target: 0.9, level, headroom };
        Self::LADDER.iter().map(rung).collect()
    }

    /// Whether it is the nowcast at any of its settings.
    #[must_use]
    pub fn is_nowcast(&self) -> bool {
        matches!(self, Self::Nowcast { .. })
    }

    /// A stable name, for files and programs: `hpa-70`.
    #[must_use]
    pub fn name(&self) -> String {
        let percent = |share: f64| (share * 100.0).round();
        match self {
            Self::AsToday(_) => "as-today".to_owned(),
            Self::Advised(_) => "as-advised".to_owned(),
            Self::LastWeekMax => "last-week-max".to_owned(),
            Self::Hpa { target } => format!("hpa-{}", percent(*target)),
            Self::HoltWinters { target } => format!("holt-winters-{}", percent(*target)),
            Self::Schedule => "schedule".to_owned(),
            Self::Floor { target, .. } => format!("floor-hpa-{}", percent(*target)),
            Self::Nowcast { level, headroom, .. } if *headroom > 0.0 => {
                format!("nowcast-{}-plus-{}", (level * 1000.0).round() / 10.0, percent(*headroom))
            }
            Self::Nowcast { level, .. } => format!("nowcast-{}", (level * 1000.0).round() / 10.0),
        }
    }

    /// For people: `HPA at 70 %`.
    #[must_use]
    pub fn label(&self) -> String {
        let percent = |share: f64| format!("{} %", (share * 1000.0).round() / 10.0);
        match self {
            Self::AsToday(change) => format!("{}, as today", in_force(change)),
            Self::Advised(changes) => match changes.as_slice() {
                [once] => format!("{}, as advised", in_force(once)),
                _ => "settings as advised each week".to_owned(),
            },
            Self::LastWeekMax => "fixed at last week's maximum".to_owned(),
            Self::Hpa { target } => format!("HPA at {}", percent(*target)),
            Self::HoltWinters { target } => format!("Holt-Winters HPA at {}", percent(*target)),
            Self::Schedule => "schedule, last weeks' maxima".to_owned(),
            Self::Floor { target, .. } => format!("HPA at {}, forecast floor", percent(*target)),
            Self::Nowcast { level, headroom, .. } if *headroom > 0.0 => {
                format!("nowcast floor {} + {}", percent(*level), percent(*headroom))
            }
            Self::Nowcast { level, .. } => format!("nowcast floor, {}", percent(*level)),
        }
    }

    /// What it needs of the cluster.
    #[must_use]
    pub fn needs(&self) -> Needs {
        match self {
            Self::AsToday(change) if !change.current.has_hpa() => Needs::Manifest,
            Self::LastWeekMax => Needs::Manifest,
            Self::AsToday(_) | Self::Advised(_) | Self::Hpa { .. } => Needs::Hpa,
            Self::Schedule => Needs::Clock,
            Self::HoltWinters { .. } => Needs::Predictor,
            Self::Floor { .. } | Self::Nowcast { .. } => Needs::Loop,
        }
    }
}

fn in_force(change: &Change) -> String {
    let current = change.current;
    match (current.min_replicas, current.max_replicas, current.replicas) {
        (min, Some(max), _) => {
            let at = current.target_utilization.map(|percent| format!(" at {percent} %"));
            format!("HPA {}-{max}{}", min.unwrap_or(1), at.unwrap_or_default())
        }
        (_, None, Some(count)) => format!("fixed {count}"),
        _ => "unknown".to_owned(),
    }
}
