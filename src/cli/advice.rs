//! Flags of the verbs that advise, in whatever form, and change nothing.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Moment, RunArgs};

/// Flags of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// The folder to write to
    #[arg(long, value_name = "DIR", default_value = "reports/demo")]
    pub out: PathBuf,
    /// Look at this moment instead of the built-in Monday
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub at: Option<Moment>,
    /// Make another history
    #[arg(long, default_value_t = crate::source::demo::SEED, allow_hyphen_values = true)]
    pub seed: u64,
    /// Write the charts as PNG too
    #[arg(long)]
    pub png: bool,
    /// Exit with 2 when changes are recommended
    #[arg(long)]
    pub exit_code: bool,
}

/// The forms of the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people, at most 100 columns
    Table,
    /// For programs; see `plimsoll schema plan`
    Json,
    /// The same as YAML
    Yaml,
    /// One line a recommendation
    Csv,
    /// For a pull request or a chat
    Markdown,
}

/// Flags of `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Settings and moment.
    #[command(flatten)]
    pub run: RunArgs,
    /// The form of the plan
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub output: Format,
    /// Exit with 2 when changes are recommended (3, as ever, when something was skipped)
    #[arg(long)]
    pub exit_code: bool,
}

/// Flags of `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Settings and moment.
    #[command(flatten)]
    pub run: RunArgs,
    /// The folder to write to [default: `reports/` and the date]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Write the charts as PNG too
    #[arg(long)]
    pub png: bool,
    /// Exit with 0 also where something was skipped: the review says what
    #[arg(long)]
    pub allow_skipped: bool,
}

/// Flags of `values`.
#[derive(Debug, Args)]
pub struct ValuesArgs {
    /// Settings and moment.
    #[command(flatten)]
    pub run: RunArgs,
    /// Write the overlay here instead of printing it; one that is there is carried on
    #[arg(long, value_name = "FILE", conflicts_with = "values_file")]
    pub out: Option<PathBuf>,
    /// Edit this values file, and write no overlay
    #[arg(long = "in", value_name = "FILE")]
    pub values_file: Option<PathBuf>,
    /// With --in, print the edit as a unified diff and write nothing
    #[arg(long, requires = "values_file")]
    pub dry_run: bool,
    /// Exit with 2 when changes are recommended; with --in, when the file changes or would
    #[arg(long)]
    pub exit_code: bool,
}

/// Flags of `pr`.
#[derive(Debug, Args)]
pub struct PrArgs {
    /// Settings and moment.
    #[command(flatten)]
    pub run: RunArgs,
    /// The clone of the repository that holds the values
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub repo: PathBuf,
    /// The overlay to write, relative to --repo; one that is there is edited
    #[arg(
        long,
        value_name = "FILE",
        default_value = "values-capacity.yaml",
        conflicts_with = "values_file"
    )]
    pub out: PathBuf,
    /// The values file to edit instead of an overlay, relative to --repo
    #[arg(long = "in", value_name = "FILE")]
    pub values_file: Option<PathBuf>,
    /// Print the edit as a unified diff and the text of the pull request; send nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Exit with 2 when something is proposed, or would be
    #[arg(long)]
    pub exit_code: bool,
}

/// Forms of `patch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PatchForm {
    /// Patches for `kubectl patch`: what changes, each with its inverse
    Strategic,
    /// Manifests for `kubectl apply --server-side`: what is advised, kept values too
    Ssa,
    /// A Kustomize component for each namespace, kept values too; needs --out
    Kustomize,
}

/// Flags of `patch`.
#[derive(Debug, Args)]
pub struct PatchArgs {
    /// Settings and moment.
    #[command(flatten)]
    pub run: RunArgs,
    /// What is written, and for which tool
    #[arg(long, value_enum, default_value_t = PatchForm::Strategic, value_name = "FORM")]
    pub form: PatchForm,
    /// Write each patch and its inverse to a file in this folder, instead of printing
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Flags of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The component, as the table names it
    pub component: String,
    /// Settings and moment.
    #[command(flatten)]
    pub run: RunArgs,
    /// The service, where several have such a component
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,
    /// Explain what `plimsoll demo` says, from its built-in settings and history
    #[arg(long, conflicts_with_all = ["file", "prometheus_url", "offline", "namespace", "context", "kubeconfig", "no_cluster"])]
    pub demo: bool,
}
