//! What the loop says of itself: the metrics in the text format of Prometheus, and whether it is well.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::turn::{Seen, Turned};
use crate::units::counted;

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
    /// Components without a floor to move in the last turn, floors without a component, and calls that came to nothing.
    pub left: u64,
    /// Objects of those that are watched now.
    pub watched: u64,
    /// Objects of those that were taken back.
    pub rolled_back: u64,
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
        if !acts {
            // what another replica holds is its to tell
            state.metrics.floors.clear();
            state.metrics.left = 0;
        }
        if elects && !acts {
            (state.metrics.failures, state.metrics.backoff_s) = (0, 0);
        }
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
        metrics.left = turned.left;
        metrics.floors = turned.floors;
    }

    pub(super) fn watched(&self, now: usize, rolled_back: u64) {
        let metrics = &mut self.state().metrics;
        metrics.watched = now as u64;
        metrics.rolled_back = rolled_back;
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
            _ if state.elects && !metrics.leader => Ok(()),
            0 if metrics.turns[0] > 0 => Ok(()),
            0 => Err("no turn has ended yet".to_owned()),
            count => Err(format!("{} failed in a row", counted(count, "turn"))),
        }
    }

    pub(super) fn text(&self) -> String {
        self.state().metrics.text()
    }
}

/// A family of metrics: name, kind, help, and its values by labels.
type Family = (&'static str, &'static str, &'static str, Vec<(String, String)>);

impl Metrics {
    /// In the text format of Prometheus.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (name, kind, help, values) in self.of_turns().into_iter().chain(self.of_floors()) {
            let _ = writeln!(text, "# HELP plimsoll_{name} {help}\n# TYPE plimsoll_{name} {kind}");
            for (labels, value) in values {
                let labels = if labels.is_empty() { labels } else { format!("{{{labels}}}") };
                let _ = writeln!(text, "plimsoll_{name}{labels} {value}");
            }
        }
        text
    }

    fn of_turns(&self) -> Vec<Family> {
        let plain = |value: String| vec![(String::new(), value)];
        let version = format!("version=\"{}\"", env!("CARGO_PKG_VERSION"));
        let help = [
            "The version that runs; always 1.",
            "Whether this replica holds the lease and acts.",
            "Turns taken, by how they ended.",
            "Turns that failed in a row; floors stay meanwhile.",
            "The wait before the next try of a turn that failed; 0 while all is well.",
            "How long the last turn took.",
            "When a turn last ended well; 0 before the first.",
        ];
        let turns = by("outcome", ["done", "failed"], self.turns);
        vec![
            ("build_info", "gauge", help[0], vec![(version, "1".to_owned())]),
            ("leader", "gauge", help[1], plain(u8::from(self.leader).to_string())),
            ("turns_total", "counter", help[2], turns),
            ("consecutive_failures", "gauge", help[3], plain(self.failures.to_string())),
            ("backoff_seconds", "gauge", help[4], plain(self.backoff_s.to_string())),
            ("turn_duration_seconds", "gauge", help[5], plain(self.duration_s.to_string())),
            (
                "last_success_timestamp_seconds",
                "gauge",
                help[6],
                plain(self.succeeded_s.to_string()),
            ),
        ]
    }

    fn of_floors(&self) -> Vec<Family> {
        let plain = |value: u64| vec![(String::new(), value.to_string())];
        let of = |value: fn(&Seen) -> Option<u32>| -> Vec<(String, String)> {
            let one = |seen: &Seen| Some((seen.labels(), value(seen)?.to_string()));
            let all: BTreeMap<String, String> = self.floors.iter().filter_map(one).collect();
            all.into_iter().collect()
        };
        let help = [
            "The floor in force.",
            "What was in force before the loop raised it; it goes no lower.",
            "What the next minutes ask for; absent where that is not known.",
            "Floors moved, by direction.",
            "Objects that a guard refused, counted each turn.",
            "Objects changed as advised, where the settings say `run: {apply: true}`.",
            "Objects of those that are watched now.",
            "Objects of those that were taken back, since they failed.",
            "Components without a floor to move in the last turn, floors without a component, and calls that came to nothing.",
        ];
        let moves = by("direction", ["up", "down"], self.moves);
        vec![
            ("floor_replicas", "gauge", help[0], of(|seen| Some(seen.floor))),
            ("floor_base_replicas", "gauge", help[1], of(|seen| Some(seen.base))),
            ("floor_asked_replicas", "gauge", help[2], of(|seen| seen.asked)),
            ("floor_moves_total", "counter", help[3], moves),
            ("refusals_total", "counter", help[4], plain(self.refused)),
            ("applied_total", "counter", help[5], plain(self.applied)),
            ("watched_objects", "gauge", help[6], plain(self.watched)),
            ("rolled_back_total", "counter", help[7], plain(self.rolled_back)),
            ("left_components", "gauge", help[8], plain(self.left)),
        ]
    }
}

/// Two counts under one name.
fn by(label: &str, names: [&str; 2], counts: [u64; 2]) -> Vec<(String, String)> {
    let one = |(name, count): (&str, u64)| (format!("{label}=\"{name}\""), count.to_string());
    names.into_iter().zip(counts).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_failed_and_then_leaves_it_to_another_replica_is_ready_and_tells_nothing_of_before() {
        let shared = Shared::default();
        let seen = Seen {
            namespace: "shop".to_owned(),
            object: "HorizontalPodAutoscaler/front".to_owned(),
            base: 3,
            floor: 6,
            asked: Some(6),
        };
        let turned = Turned { floors: vec![seen], left: 2, ..Turned::default() };
        shared.leads(true, true);
        assert_eq!(shared.ready(), Err("no turn has ended yet".to_owned()));
        shared.done(turned, Duration::ZERO, Timestamp::UNIX_EPOCH);
        assert_eq!(shared.ready(), Ok(()));
        shared.failed(Duration::ZERO, Duration::from_secs(20));
        let failed = Err("1 turn failed in a row".to_owned());
        assert_eq!(shared.ready(), failed);
        // nobody is known to act: the failure stands, and the floors are nobody's word any more
        shared.leads(false, false);
        assert_eq!(shared.ready(), failed);
        assert!(!shared.text().contains("floor_replicas{"), "{}", shared.text());
        shared.leads(false, true);
        assert_eq!(shared.ready(), Ok(()));
        let text = shared.text();
        for line in ["consecutive_failures 0", "backoff_seconds 0", "left_components 0"] {
            assert!(text.contains(&format!("plimsoll_{line}\n")), "{line}: {text}");
        }
        // what was counted stays counted
        assert!(text.contains("turns_total{outcome=\"failed\"} 1"), "{text}");
        // a turn that ends just then changes nothing of it
        shared.failed(Duration::ZERO, Duration::from_secs(20));
        assert_eq!(shared.ready(), Ok(()));
    }
}
