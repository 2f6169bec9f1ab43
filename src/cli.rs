//! The command line exactly as it is typed. What the flags mean is decided in `commands`.

mod advice;
mod cluster;
mod past;
mod tables;

use std::fmt;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

pub use self::advice::{
    DemoArgs, ExplainArgs, Format, PatchArgs, PatchForm, PlanArgs, PrArgs, ReportArgs, ValuesArgs,
};
pub use self::cluster::{ApplyArgs, ClusterArgs, LoopArgs, RollbackArgs};
pub use self::past::{BacktestArgs, ReplayArgs, ReplayFormat};
pub use self::tables::{InitArgs, SchemaArgs, SchemaOf, TiersArgs, TiersCommand};

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
    /// since is refused, and so is all where a later run changed something that the record does not know. It is a
    /// person's decision: no forecast is asked, and it may lower. Floors of the loop stay; `--floors` takes them down.
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

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Date(date) => date.fmt(f),
            Self::Exact(at) => at.fmt(f),
        }
    }
}

/// Where settings come from and which moment is looked at.
#[derive(Debug, Default, Clone, Args)]
pub struct RunArgs {
    /// The settings file
    #[arg(short, long, value_name = "FILE", default_value = SETTINGS)]
    pub file: PathBuf,
    /// Look at this moment instead of now: a date, or RFC 3339 such as 2026-11-23T01:00:00Z
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub at: Option<Moment>,
    /// Address of the Prometheus, instead of the one in the settings
    #[arg(long, value_name = "URL")]
    pub prometheus_url: Option<String>,
    /// Work on the local history as it is, and ask no Prometheus; nor a cluster, unless one is named
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

/// The settings file where none is named.
const SETTINGS: &str = "plimsoll.yaml";

impl RunArgs {
    /// The options that were typed, each with a space before it, as a shell takes them; for the verbs that have the
    /// same ones. An address with a password in it is not repeated.
    #[must_use]
    pub fn typed(&self) -> String {
        let text = |path: &Path| path.display().to_string();
        let file = (self.file != Path::new(SETTINGS)).then(|| text(&self.file));
        let url = self.prometheus_url.clone().filter(|url| !url.contains('@'));
        let options = [
            ("--file", file),
            ("--at", self.at.map(|at| at.to_string())),
            ("--prometheus-url", url),
            ("--namespace", self.namespace.clone()),
            ("--context", self.context.clone()),
            ("--kubeconfig", self.kubeconfig.as_deref().map(text)),
        ];
        let options = options.into_iter().filter_map(|(flag, value)| Some((flag, quoted(&value?))));
        let flags = [("--offline", self.offline), ("--no-cluster", self.no_cluster)];
        let flags = flags.into_iter().filter(|(_, set)| *set).map(|(flag, _)| format!(" {flag}"));
        options.map(|(flag, value)| format!(" {flag} {value}")).chain(flags).collect()
    }
}

/// A word as a POSIX shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn what_was_typed_is_repeated_and_what_goes_without_saying_is_not() {
        let typed = |words: &str| {
            let words = ["plimsoll", "plan"].into_iter().chain(words.split('|'));
            match Cli::try_parse_from(words.filter(|word| !word.is_empty())).unwrap().command {
                Command::Plan(args) => args.run.typed(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(typed(""), "");
        assert_eq!(typed("-f|plimsoll.yaml|-o|json"), "");
        assert_eq!(
            typed("-n|shop|-f|my ops/it's.yaml|--at|2026-11-23|--offline"),
            r" --file 'my ops/it'\''s.yaml' --at 2026-11-23 --namespace shop --offline"
        );
        assert_eq!(typed("--prometheus-url|http://me:secret@host"), "");
    }
}
