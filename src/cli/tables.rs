//! Flags of the verbs that write settings, read tables and print schemas.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Flags of `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Where to write the settings
    #[arg(short, long, value_name = "FILE", default_value = "plimsoll.yaml")]
    pub file: PathBuf,
    /// The service's name [default: my-service, or the namespace where a cluster is asked]
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,
    /// The namespace it runs in [default: the service's name, or the context's or pod's own where a cluster is asked]
    #[arg(short, long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// Take the components from the cluster of this kubeconfig context; inside a pod its own is asked without a flag
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// The kubeconfig file to reach the cluster by
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Ask no cluster, also inside a pod
    #[arg(long, conflicts_with_all = ["context", "kubeconfig"])]
    pub no_cluster: bool,
    /// Address of the Prometheus
    #[arg(long, value_name = "URL", default_value = "http://localhost:9090")]
    pub prometheus_url: String,
    /// Take the scaling-tier table from this Markdown runbook
    #[arg(long, value_name = "FILE")]
    pub tiers: Option<PathBuf>,
    /// Overwrite the file if it is there
    #[arg(long)]
    pub force: bool,
}

/// The verbs of `tiers`.
#[derive(Debug, Args)]
pub struct TiersArgs {
    /// What to do with the table.
    #[command(subcommand)]
    pub command: TiersCommand,
}

/// What to do with the table.
#[derive(Debug, Subcommand)]
pub enum TiersCommand {
    /// Print the table as Plimsoll reads it
    Show {
        /// The settings file
        #[arg(short, long, value_name = "FILE", default_value = "plimsoll.yaml")]
        file: PathBuf,
    },
    /// Find gaps, overlaps, inverted ranges, falling rows and unknown units
    Check {
        /// The settings file, or a Markdown runbook
        #[arg(short, long, value_name = "FILE", default_value = "plimsoll.yaml")]
        file: PathBuf,
        /// Which table of the runbook, counted from 1, where several look like one
        #[arg(long, value_name = "N", allow_hyphen_values = true)]
        table: Option<usize>,
    },
    /// Read the table from a Markdown runbook and print it as YAML
    Import {
        /// The runbook
        file: PathBuf,
        /// Which table, counted from 1, where several look like one
        #[arg(long, value_name = "N", allow_hyphen_values = true)]
        table: Option<usize>,
    },
}

/// Flags of `schema`.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// Which schema
    #[arg(default_value = "config")]
    pub of: SchemaOf,
}

/// The documents that have a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// `plimsoll.yaml`
    Config,
    /// `plan -o json`
    Plan,
}
