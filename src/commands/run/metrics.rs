//! What the loop says of itself: the metrics in the text format of Prometheus, and whether it is well.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::turn::{Seen, Turned};

/// A turn that takes longer hangs: every call in it has a timeout that is far shorter.
const HANGS: Duration = Duration::from_secs(900);

/// What the loop and its answers share.
#[derive(Default)]
pub(super) struct Shared(Mutex<State>);

#[derive(Default)]
struct State {
    metrics: Metrics,
    /// When the turn that is under way began.
    begun: Option<Instant>,
    /// Whether the cluster answers about the lease.
    elects: bool,
}

/// The figures behind `/metrics`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metrics {
    /// Whether this replica acts.
    pub leader: bool,
    /// Turns that ended well, and that failed.
    pub turns: [u64; 2],
    /// Failed turns in a row.
    pub failures: u64,
    /// How long the last turn took, in seconds.
    pub duration_s: f64,
    /// The wait that follows the last turn where it failed, in seconds.
    pub backoff_s: u64,
    /// When a turn last ended well, in Unix seconds.
    pub succeeded_s: i64,
    /// The floors of the last turn.
    pub floors: Vec<Seen>,
    /// Moves of floors by direction: up, down.
    pub moves: [u64; 2],
    /// Objects that a guard refused, counted each turn.
    pub refused: u64,
    /// Objects that the plan changed, where the settings let it.
    pub applied: u64,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin(&self, at: Instant) {
        self.state().begun = Some(at);
    }

    pub(super) fn end(&self) {
        self.state().begun = None;
    }

    pub(super) fn leads(&self, acts: bool, elects: bool) {
        let mut state = self.state();
        state.metrics.leader = acts;
        state.elects = elects;
    }

    pub(super) fn done(&self, turned: Turned, took: Duration, at: Timestamp) {
        let metrics = &mut self.state().metrics;
        metrics.turns[0] += 1;
        metrics.failures = 0;
        metrics.backoff_s = 0;
        metrics.duration_s = took.as_secs_f64();
        metrics.succeeded_s = at.as_second();
        metrics.moves[0] += turned.raised;
        metrics.moves[1] += turned.taken_back;
        metrics.refused += turned.refused;
        metrics.applied += turned.applied;
        metrics.floors = turned.floors;
    }

    pub(super) fn failed(&self, took: Duration, wait: Duration) {
        let metrics = &mut self.state().metrics;
        metrics.turns[1] += 1;
        metrics.failures += 1;
        metrics.duration_s = took.as_secs_f64();
        metrics.backoff_s = wait.as_secs();
    }

    /// Whether it turns at all.
    pub(super) fn healthy(&self) -> Result<(), String> {
        match self.state().begun.map(|begun| begun.elapsed()) {
            Some(for_) if for_ > HANGS => {
                Err(format!("the turn hangs for {} seconds", for_.as_secs()))
            }
            _ => Ok(()),
        }
    }

    /// Whether it does its work: its last turn ended well, or another replica acts and this one could.
    pub(super) fn ready(&self) -> Result<(), String> {
        let state = self.state();
        let metrics = &state.metrics;
        match metrics.failures {
            0 if metrics.turns[0] > 0 || state.elects && !metrics.leader => Ok(()),
            0 => Err("no turn has ended yet".to_owned()),
            count => Err(format!("{count} turns failed in a row")),
        }
    }

    pub(super) fn text(&self) -> String {
        self.state().metrics.text()
    }
}

impl Metrics {
    /// In the text format of Prometheus.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let version = format!("version=\"{}\"", env!("CARGO_PKG_VERSION"));
        let one = |labels: &str, value: String| vec![(labels.to_owned(), value)];
        let mut family = |name: &str, kind: &str, help: &str, all: Vec<(String, String)>| {
            let _ = writeln!(text, "# HELP plimsoll_{name} {help}\n# TYPE plimsoll_{name} {kind}");
            for (labels, value) in all {
                let labels = if labels.is_empty() { labels } else { format!("{{{labels}}}") };
                let _ = writeln!(text, "plimsoll_{name}{labels} {value}");
            }
        };
        let plain = |value: String| one("", value);
        family(
            "build_info",
            "gauge",
            "The version that runs; always 1.",
            one(&version, "1".into()),
        );
        family(
            "leader",
            "gauge",
            "Whether this replica holds the lease and acts.",
            plain(u8::from(self.leader).to_string()),
        );
        let [well, failed] = self.turns;
        let turns = vec![
            ("outcome=\"done\"".to_owned(), well.to_string()),
            ("outcome=\"failed\"".to_owned(), failed.to_string()),
        ];
        family("turns_total", "counter", "Turns taken, by how they ended.", turns);
        family(
            "consecutive_failures",
            "gauge",
            "Turns that failed in a row; floors stay meanwhile.",
            plain(self.failures.to_string()),
        );
        family(
            "backoff_seconds",
            "gauge",
            "The wait before the next try of a turn that failed; 0 while all is well.",
            plain(self.backoff_s.to_string()),
        );
        family(
            "turn_duration_seconds",
            "gauge",
            "How long the last turn took.",
            plain(self.duration_s.to_string()),
        );
        family(
            "last_success_timestamp_seconds",
            "gauge",
            "When a turn last ended well; 0 before the first.",
            plain(self.succeeded_s.to_string()),
        );
        let of = |value: fn(&Seen) -> Option<u32>| -> Vec<(String, String)> {
            let labels: BTreeMap<String, String> = self
                .floors
                .iter()
                .filter_map(|seen| Some((seen.labels(), value(seen)?.to_string())))
                .collect();
            labels.into_iter().collect()
        };
        family("floor_replicas", "gauge", "The floor in force.", of(|seen| Some(seen.floor)));
        family(
            "floor_base_replicas",
            "gauge",
            "What was in force before the loop raised it; it goes no lower.",
            of(|seen| Some(seen.base)),
        );
        family(
            "floor_asked_replicas",
            "gauge",
            "What the next minutes ask for; absent where that is not known.",
            of(|seen| seen.asked),
        );
        let [up, down] = self.moves;
        let moves = vec![
            ("direction=\"up\"".to_owned(), up.to_string()),
            ("direction=\"down\"".to_owned(), down.to_string()),
        ];
        family("floor_moves_total", "counter", "Floors moved, by direction.", moves);
        family(
            "refusals_total",
            "counter",
            "Objects that a guard refused, counted each turn.",
            plain(self.refused.to_string()),
        );
        family(
            "applied_total",
            "counter",
            "Objects changed as advised, where the settings say `run: {apply: true}`.",
            plain(self.applied.to_string()),
        );
        text
    }
}
