//! Flags of the verbs that live the past again.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Moment, RunArgs};
use crate::units::{Period, Ratio};

/// Flags of `backtest`.
#[derive(Debug, Args)]
pub struct BacktestArgs {
    /// The settings file, to score the load of its services; or a CSV of series: `series,timestamp,value`
    #[arg(short, long, value_name = "FILE", default_value = "plimsoll.yaml")]
    pub file: PathBuf,
    /// Look at this moment instead of now: a date, or RFC 3339 such as 2026-11-23T01:00:00Z
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub at: Option<Moment>,
    /// Work on the local history as it is; ask nobody
    #[arg(long)]
    pub offline: bool,
    /// For a CSV, the origins to forecast from: `series,fold,origin,horizon`; without it, rolling origins
    #[arg(long, value_name = "FILE")]
    pub folds: Option<PathBuf>,
    /// Write every forecast here, as CSV; needs `--folds`
    #[arg(long, value_name = "FILE")]
    pub emit: Option<PathBuf>,
}

impl BacktestArgs {
    /// Settings and moment, as the other verbs take them.
    #[must_use]
    pub fn run(&self) -> RunArgs {
        let (file, at, offline) = (self.file.clone(), self.at, self.offline);
        RunArgs { file, at, offline, ..RunArgs::default() }
    }
}

/// The forms of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReplayFormat {
    /// For people, at most 100 columns
    Table,
    /// For programs
    Json,
    /// For a pull request or a chat
    Markdown,
}

/// Flags of `replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Settings and moment.
    #[command(flatten)]
    pub run: RunArgs,
    /// Replay this series alone; --file is then a CSV with `series,timestamp,value`, in rps
    #[arg(
        long,
        value_name = "NAME",
        requires = "file",
        conflicts_with_all = ["at", "prometheus_url", "offline", "namespace", "context", "kubeconfig", "no_cluster", "component"]
    )]
    pub series: Option<String>,
    /// Replay what `plimsoll demo` speaks of: its built-in settings and history
    #[arg(long, conflicts_with_all = ["series", "file", "prometheus_url", "offline", "namespace", "context", "kubeconfig", "no_cluster"])]
    pub demo: bool,
    /// Replay this component [default: all that have replicas and a measured capacity]
    #[arg(long, value_name = "NAME")]
    pub component: Option<String>,
    /// What one pod serves at 100 %, in rps [default: as measured]
    #[arg(long, value_name = "RPS", allow_hyphen_values = true)]
    pub capacity: Option<f64>,
    /// How long a new pod takes until it serves [default: the component's `startUp`, or 2m]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub start_up: Option<Period>,
    /// How much of the load is learnt from before scores are kept, at most half of it
    #[arg(long, value_name = "TIME", default_value = "7d", allow_hyphen_values = true)]
    pub warm_up: Period,
    /// Recommend the cheapest policy that is short of pods for at most this share of the time
    #[arg(long, value_name = "SHARE", default_value = "0.1%", allow_hyphen_values = true)]
    pub risk: Ratio,
    /// What an hour of a pod costs, in any money
    #[arg(long, value_name = "MONEY", allow_hyphen_values = true)]
    pub price: Option<f64>,
    /// Write one CSV per policy here (`timestamp,load,desired,ready`: the pods at the beginning of each step, where the
    /// scores count every 15 s), and the chart
    #[arg(long, value_name = "DIR")]
    pub emit: Option<PathBuf>,
    /// The form of the result
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub output: ReplayFormat,
}
