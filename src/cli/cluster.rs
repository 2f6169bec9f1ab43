//! Flags of the verbs that write to a cluster.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;

use super::{Moment, RunArgs};
use crate::service::rules::Watch;

/// Flags of `apply`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// Settings and moment.
    #[command(flatten)]
    pub run: RunArgs,
    /// Apply this plan, which `plimsoll plan -o json` wrote, instead of making one now
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// Act: without it, nothing is changed
    #[arg(long, conflicts_with = "at")]
    pub yes: bool,
    /// How long to watch what was changed, and take it back where it fails; 0 does not [default:
    /// `apply.watch`, or 10m]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub watch: Option<Watch>,
    /// In a dry run, exit with 2 when something would change
    #[arg(long)]
    pub exit_code: bool,
}

/// The settings and the cluster of a verb that writes to one.
#[derive(Debug, Clone, Args)]
pub struct ClusterArgs {
    /// The settings file
    #[arg(short, long, value_name = "FILE", default_value = "plimsoll.yaml")]
    pub file: PathBuf,
    /// Only services in this namespace
    #[arg(short, long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// The cluster of this kubeconfig context [default: inside a pod, its cluster]
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// The kubeconfig file to reach the cluster by
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Act: without it, nothing is changed
    #[arg(long)]
    pub yes: bool,
}

/// The flags of `rollback`.
#[derive(Debug, Clone, Args)]
pub struct RollbackArgs {
    /// The settings and the cluster.
    #[command(flatten)]
    pub on: ClusterArgs,
    /// Take the floors that the loop holds up down to their bases, and nothing else
    #[arg(long)]
    pub floors: bool,
}

impl ClusterArgs {
    /// As the other verbs take them.
    #[must_use]
    pub fn run(&self) -> RunArgs {
        RunArgs {
            file: self.file.clone(),
            namespace: self.namespace.clone(),
            context: self.context.clone(),
            kubeconfig: self.kubeconfig.clone(),
            ..RunArgs::default()
        }
    }
}

/// Flags of `run`.
#[derive(Debug, Clone, Args)]
pub struct LoopArgs {
    /// Settings and cluster; both are read anew each turn.
    #[command(flatten)]
    pub on: ClusterArgs,
    /// Address of the Prometheus, instead of the one in the settings
    #[arg(long, value_name = "URL")]
    pub prometheus_url: Option<String>,
    /// One turn as a dry run, and end
    #[arg(long, conflicts_with = "yes")]
    pub once: bool,
    /// Where `/healthz`, `/readyz` and `/metrics` are answered
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    pub listen: std::net::SocketAddr,
    /// The Lease whose holder acts: its name, or NAMESPACE/NAME [default namespace: the pod's]
    #[arg(long, value_name = "NAME", default_value = "plimsoll")]
    pub lease: String,
}

impl LoopArgs {
    /// Settings and cluster at a moment, as the other verbs take them.
    #[must_use]
    pub fn run(&self, at: Timestamp) -> RunArgs {
        let (at, prometheus_url) = (Some(Moment::Exact(at)), self.prometheus_url.clone());
        RunArgs { at, prometheus_url, ..self.on.run() }
    }
}
