//! The command line exactly as it is typed. What the flags mean is decided in `commands`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::service::rules::Watch;
use crate::units::{Period, Ratio};

/// Capacity planning and autoscaling advice for services on Kubernetes.
///
/// Plimsoll reads load and resource history from Prometheus, forecasts it, holds it against your
/// scaling-tier table, and says what to change, why, and how sure it is. It changes nothing but by
/// `apply --yes`, `run --yes` and `rollback --yes`; `pr` proposes.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Say nothing on standard error but errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say each query for history on standard error, with its range, samples and time
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub verbose: bool,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Everything at once on built-in synthetic history: no cluster, no network
    Demo(DemoArgs),
    /// Write a starter `plimsoll.yaml`
    Init(InitArgs),
    /// Check settings, connection, which metrics match, and what the queries cost
    Check(RunArgs),
    /// Bring the local history up to date
    Pull(RunArgs),
    /// Advise: what to change, and why
    Plan(PlanArgs),
    /// Write the weekly capacity review
    Report(ReportArgs),
    /// Print a Helm values overlay with the advised settings, or edit a values file
    ///
    /// The overlay holds only the keys that change, and is passed last. With --in the same keys are set in a
    /// values file of your own: comments, order, indentation, quotes and anchors of all else stay as they are,
    /// and a file in which that cannot be done without doubt is refused and left alone. A raise never lowers
    /// what the file says, and a lowering never raises it nor undoes a raise that is not in force yet: such a
    /// change is left, named, and the exit code is 3.
    Values(ValuesArgs),
    /// Propose the advised settings as a pull request, or update the one that is open
    ///
    /// In a clone of the repository that holds the values: the overlay, or with --in a values file of your own, is edited as
    /// the remote's base branch has it, committed with the reasons, and pushed to a branch of plimsoll's own
    /// (`plimsoll/capacity`). Your working tree, index and branches are not touched. With `pullRequest: {forge: github}` in
    /// the settings and a token in `GITHUB_TOKEN` the pull request is opened, or the open one is given the new text; without
    /// it the text is printed. Where nothing changes, nothing is committed, pushed or opened. A branch with somebody else's
    /// commits on it is left alone.
    Pr(PrArgs),
    /// Print patches for HPAs, KEDA's objects, Deployments and StatefulSets
    ///
    /// Where KEDA owns a count, cron triggers lay down the hours of the week that ask for more than its minimum, ahead of
    /// the load; the triggers of others are kept.
    Patch(PatchArgs),
    /// Change the cluster as advised, where every guard lets it pass; a dry run unless --yes
    ///
    /// Every object is read, judged by all guards, sent as a dry run of the server, and shown as a diff. With --yes it
    /// is then noted in the record (`.plimsoll/audit.jsonl`) and sent as a server-side apply under the manager
    /// `plimsoll`, for exactly the object that was judged. A field of another manager is refused, and never taken by
    /// force unless the settings name that manager (`apply: {takeOver: [helm]}`). What is refused is named with a
    /// code and the way out, and the exit code is 3.
    ///
    /// What was changed is watched for a while: a rollout that fails is taken back, and in a Severity 2 what was
    /// lowered; then the exit code is 3 too.
    Apply(ApplyArgs),
    /// Bring back what the last apply replaced; a dry run unless --yes
    ///
    /// By the record, or where that is empty by what the objects say of themselves. An object that somebody changed
    /// since is refused. It is a person's decision: no forecast is asked, and it may lower.
    Rollback(RollbackArgs),
    /// Stay, and move the floors of autoscalers ahead of the load; a dry run unless --yes
    ///
    /// Each turn brings the history up to date, reads what is in force, and sets `minReplicas` of each component's HPA
    /// (`minReplicaCount` of a `ScaledObject`) to what the next minutes ask for, by the nowcast that `replay` plays, where
    /// every guard of `apply` lets it pass. A floor is taken back only on whole, fresh, healthy evidence, after
    /// `run.hold`, and never below what stood there before. With --yes one of several replicas acts: the one that holds
    /// the Lease. `/healthz`, `/readyz` and `/metrics` are answered on --listen.
    Run(LoopArgs),
    /// Show every step from samples to number for one component
    Explain(ExplainArgs),
    /// Show, check or import the scaling-tier table
    Tiers(TiersArgs),
    /// Score the forecast on past origins
    Backtest(BacktestArgs),
    /// Live the past again under other scaling policies: cost against shortfall
    ///
    /// Every policy runs over the load as it came, second by second, with pods that take their time to start
    /// and an HPA that behaves as Kubernetes has it, and decides only from what lay before. Without --series
    /// it is your own service with its settings, and the weekly advice is replayed too; with --series it is
    /// one series of any CSV, and needs neither settings nor a cluster.
    Replay(ReplayArgs),
    /// Print the JSON Schema of `plimsoll.yaml` or of the plan
    Schema(SchemaArgs),
    /// Print a shell completion script
    Completions {
        /// The shell to complete for
        shell: clap_complete::Shell,
    },
}

/// A moment as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// A date: its midnight in the settings' `timezone`.
    Date(Date),
    /// RFC 3339.
    Exact(Timestamp),
}

impl std::str::FromStr for Moment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // lengths tell them apart, for a date's own parser would drop a time after it
        let parsed = if text.len() == "2026-11-23".len() {
            text.parse().ok().map(Self::Date)
        } else {
            text.parse().ok().map(Self::Exact)
        };
        let parsed: Self = parsed
            .ok_or("write a date such as 2026-11-23, or RFC 3339 such as 2026-11-23T01:00:00Z")?;
        let year = match parsed {
            Self::Date(date) => date.year(),
            Self::Exact(at) => at.to_zoned(TimeZone::UTC).year(),
        };
        // histories and outlooks reach years to both sides, and a calendar ends
        (1970..=9000).contains(&year).then_some(parsed).ok_or("write a year from 1970 to 9000")
    }
}

impl Moment {
    /// The instant that is meant, where days begin in `zone`.
    #[must_use]
    pub fn within(self, zone: &TimeZone) -> Timestamp {
        match self {
            Self::Exact(at) => at,
            // no zone lacks a midnight for longer than a few hours: the first moment after it is taken
            Self::Date(date) => {
                date.to_zoned(zone.clone()).map_or(Timestamp::MAX, |midnight| midnight.timestamp())
            }
        }
    }
}

/// Where settings come from and which moment is looked at.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// The settings file
    #[arg(short, long, value_name = "FILE", default_value = "plimsoll.yaml")]
    pub file: PathBuf,
    /// Look at this moment instead of now: a date, or RFC 3339 such as 2026-11-23T01:00:00Z
    #[arg(long, value_name = "TIME")]
    pub at: Option<Moment>,
    /// Address of the Prometheus, instead of the one in the settings
    #[arg(long, value_name = "URL")]
    pub prometheus_url: Option<String>,
    /// Work on the local history as it is; ask nobody
    #[arg(long)]
    pub offline: bool,
    /// Only services in this namespace
    #[arg(short, long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// Read what is in force from the cluster of this kubeconfig context [default: inside a pod, its cluster]
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// The kubeconfig file to reach the cluster by
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Inside a pod, do not ask its cluster; --offline does not either
    #[arg(long, conflicts_with_all = ["context", "kubeconfig"])]
    pub no_cluster: bool,
}

/// Flags of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// The folder to write to
    #[arg(long, value_name = "DIR", default_value = "reports/demo")]
    pub out: PathBuf,
    /// Look at this moment instead of the built-in Monday
    #[arg(long, value_name = "TIME")]
    pub at: Option<Moment>,
    /// Make another history
    #[arg(long, default_value_t = crate::source::demo::SEED)]
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
    /// Write the overlay here instead of printing it
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
    #[arg(long, value_name = "DURATION")]
    pub watch: Option<Watch>,
    /// In a dry run, exit with 2 when something would change
    #[arg(long)]
    pub exit_code: bool,
}

/// Flags of `run`.
#[derive(Debug, Clone, Args)]
pub struct LoopArgs {
    /// The settings file, read anew each turn
    #[arg(short, long, value_name = "FILE", default_value = "plimsoll.yaml")]
    pub file: PathBuf,
    /// Address of the Prometheus, instead of the one in the settings
    #[arg(long, value_name = "URL")]
    pub prometheus_url: Option<String>,
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
        RunArgs {
            file: self.file.clone(),
            at: Some(Moment::Exact(at)),
            prometheus_url: self.prometheus_url.clone(),
            offline: false,
            namespace: self.namespace.clone(),
            context: self.context.clone(),
            kubeconfig: self.kubeconfig.clone(),
            no_cluster: false,
        }
    }
}

/// Flags of `rollback`.
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// The settings file
    #[arg(short, long, value_name = "FILE", default_value = "plimsoll.yaml")]
    pub file: PathBuf,
    /// Only objects in this namespace
    #[arg(short, long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// The cluster of this kubeconfig context
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// The kubeconfig file to reach the cluster by
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Act: without it, nothing is changed
    #[arg(long)]
    pub yes: bool,
}

impl RollbackArgs {
    /// Settings and cluster, as the other verbs take them.
    #[must_use]
    pub fn run(&self) -> RunArgs {
        RunArgs {
            file: self.file.clone(),
            at: None,
            prometheus_url: None,
            offline: true,
            namespace: self.namespace.clone(),
            context: self.context.clone(),
            kubeconfig: self.kubeconfig.clone(),
            no_cluster: false,
        }
    }
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

/// Flags of `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Where to write the settings
    #[arg(short, long, value_name = "FILE", default_value = "plimsoll.yaml")]
    pub file: PathBuf,
    /// The service's name [default: my-service, or the namespace where a cluster is asked]
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,
    /// The namespace it runs in [default: the service's name, or the pod's own inside one]
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
        #[arg(long, value_name = "N")]
        table: Option<usize>,
    },
    /// Read the table from a Markdown runbook and print it as YAML
    Import {
        /// The runbook
        file: PathBuf,
        /// Which table, counted from 1, where several look like one
        #[arg(long, value_name = "N")]
        table: Option<usize>,
    },
}

/// Flags of `backtest`.
#[derive(Debug, Args)]
pub struct BacktestArgs {
    /// The settings file, to score the load of its services; or a CSV of series: `series,timestamp,value`
    #[arg(short, long, value_name = "FILE", default_value = "plimsoll.yaml")]
    pub file: PathBuf,
    /// Look at this moment instead of now: a date, or RFC 3339 such as 2026-11-23T01:00:00Z
    #[arg(long, value_name = "TIME")]
    pub at: Option<Moment>,
    /// Work on the local history as it is; ask nobody
    #[arg(long)]
    pub offline: bool,
    /// For a CSV, the origins to forecast from: `series,fold,origin,horizon`; without it, rolling origins
    #[arg(long, value_name = "FILE")]
    pub folds: Option<PathBuf>,
    /// Write every forecast here, as CSV
    #[arg(long, value_name = "FILE")]
    pub emit: Option<PathBuf>,
}

impl BacktestArgs {
    /// Settings and moment, as the other verbs take them.
    #[must_use]
    pub fn run(&self) -> RunArgs {
        RunArgs {
            file: self.file.clone(),
            at: self.at,
            prometheus_url: None,
            offline: self.offline,
            namespace: None,
            context: None,
            kubeconfig: None,
            no_cluster: false,
        }
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
    #[arg(long, value_name = "NAME")]
    pub series: Option<String>,
    /// Replay this component [default: all that have replicas and a measured capacity]
    #[arg(long, value_name = "NAME")]
    pub component: Option<String>,
    /// What one pod serves at 100 %, in rps [default: as measured]
    #[arg(long, value_name = "RPS")]
    pub capacity: Option<f64>,
    /// How long a new pod takes until it serves [default: the component's `startUp`, or 2m]
    #[arg(long, value_name = "TIME")]
    pub start_up: Option<Period>,
    /// How much of the load is learnt from before scores are kept, at most half of it
    #[arg(long, value_name = "TIME", default_value = "7d")]
    pub warm_up: Period,
    /// Recommend the cheapest policy that is short of pods for at most this share of the time
    #[arg(long, value_name = "SHARE", default_value = "0.1%")]
    pub risk: Ratio,
    /// What an hour of a pod costs, in any money
    #[arg(long, value_name = "MONEY")]
    pub price: Option<f64>,
    /// Write one CSV per policy here (`timestamp,load,desired,ready`), and the chart
    #[arg(long, value_name = "DIR")]
    pub emit: Option<PathBuf>,
    /// The form of the result
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub output: ReplayFormat,
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
