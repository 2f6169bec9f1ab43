//! `plimsoll run` on a real API server: floors that go up ahead of the load and come back, faults that move nothing, a
//! day of turns, two replicas of which one acts, and what it answers over HTTP.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, clippy::float_cmp, missing_docs)]

#[path = "support/cluster.rs"]
mod cluster;
#[path = "support/day.rs"]
mod day;
#[path = "support/fake.rs"]
#[allow(dead_code)]
mod fake;
#[path = "support/harbour.rs"]
mod harbour;
#[path = "support/kubelet.rs"]
mod kubelet;
#[path = "support/metrics.rs"]
mod metrics;
#[path = "support/real.rs"]
#[allow(dead_code)]
mod real;
#[path = "support/wire.rs"]
mod wire;

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cluster::{
    Cluster, available, available_with, controllers_available, operators_available, program,
};
use day::load;
use fake::Fake;
use harbour::{Desk, JARVIS, quiet};
use jiff::{SignedDuration, Timestamp};
use kubelet::{Kubelet, at_rest, controlled};
use metrics::Metrics;
use plimsoll::cli::{ClusterArgs, LoopArgs};
use plimsoll::commands::Talk;
use plimsoll::commands::run::{Memory, Turned, turn};
use plimsoll::history::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use wire::Wire;

const HPA: &str = "hpa/front-scaler";
const API: &str = "deployment/jarvis-api";
const KEDA: &str = "scaledobject/by-load";
const STEP: i64 = 300;
const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;
/// What stands in the manifest.
const BASE: u64 = 3;

/// A namespace with JARVIS at rest in it, and a folder with settings.
struct Berth {
    cluster: Arc<Cluster>,
    namespace: &'static str,
    folder: TempDir,
}

impl Berth {
    /// `history` is what stands under that key of the settings, `query` what the service's signals are asked by.
    fn at(cluster: Arc<Cluster>, namespace: &'static str, history: &str, load: &str) -> Self {
        cluster.apply(namespace, JARVIS);
        let folder = tempfile::tempdir().unwrap();
        let settings = format!(
            "version: 1
history: {{{history}, step: 5m, lookback: 9d, store: history}}
apply: {{takeOver: [kubectl-client-side-apply, kubectl-patch]}}
run: {{every: 10s, hold: 30m}}
services:
  - name: {namespace}
    namespace: {namespace}
{load}    tiers:
      - {{name: Low,    below: 10,  api: 2}}
      - {{name: Medium, below: 50,  api: 3-5}}
      - {{name: High,   below: 200, api: 5-10}}
      - {{name: Peak,               api: 10-20}}
    components:
      api: {{target: Deployment/jarvis-api, startUp: 15m}}
"
        );
        std::fs::write(folder.path().join("plimsoll.yaml"), settings).unwrap();
        let berth = Self { cluster, namespace, folder };
        berth.patch(HPA, &json!({"spec": {"maxReplicas": 12}}));
        let live = berth.get(API);
        let count = live["spec"]["replicas"].as_u64().unwrap_or(1);
        let status = json!({"status": {
            "observedGeneration": live["metadata"]["generation"], "replicas": count,
            "updatedReplicas": count, "readyReplicas": count, "availableReplicas": count,
        }});
        let status = status.to_string();
        berth.kubectl(&["patch", API, "--subresource=status", "--type=merge", "-p", &status]);
        berth
    }

    /// With a file of eight days of load, the same every hour, that ends at `now`; the last hour is `last`.
    fn with_file(cluster: Arc<Cluster>, namespace: &'static str, now: i64, last: f64) -> Self {
        let berth = Self::at(cluster, namespace, "files: [history.csv]", "");
        berth.write_file(now, last);
        berth
    }

    fn write_file(&self, now: i64, last: f64) {
        let mut text = "timestamp,series,value\n".to_owned();
        for at in (now - 8 * DAY..=now).step_by(300) {
            let load = if at > now - HOUR { last } else { 9.0 };
            for (series, value) in [("load", load), ("errorRate", 0.001), ("p99", 0.3)] {
                writeln!(text, "{at},{series},{value}").unwrap();
            }
        }
        std::fs::write(self.folder.path().join("history.csv"), text).unwrap();
    }

    fn edit(&self, old: &str, new: &str) {
        let path = self.folder.path().join("plimsoll.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(old), "{old}");
        std::fs::write(path, text.replace(old, new)).unwrap();
    }

    fn kubectl(&self, args: &[&str]) -> String {
        let said = self.cluster.kubectl(&[&["-n", self.namespace], args].concat());
        assert!(said.status.success(), "{args:?}: {}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8(said.stdout).unwrap()
    }

    fn patch(&self, object: &str, patch: &Value) {
        self.kubectl(&["patch", object, "--type=merge", "-p", &patch.to_string()]);
    }

    fn get(&self, object: &str) -> Value {
        serde_json::from_str(&self.kubectl(&["get", object, "-o", "json"])).unwrap()
    }

    fn floor(&self) -> u64 {
        self.get(HPA)["spec"]["minReplicas"].as_u64().unwrap()
    }

    fn args(&self) -> LoopArgs {
        LoopArgs {
            on: ClusterArgs {
                file: self.folder.path().join("plimsoll.yaml"),
                namespace: None,
                context: Some("admin".to_owned()),
                kubeconfig: Some(self.cluster.path("admin.kubeconfig")),
                yes: true,
            },
            prometheus_url: None,
            once: false,
            listen: "127.0.0.1:0".parse().unwrap(),
            lease: format!("{}/plimsoll", self.namespace),
        }
    }

    /// The binary in this folder.
    fn command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
        command
            .args(["run", "--listen", "127.0.0.1:0", "--context", "admin", "--kubeconfig"])
            .arg(self.cluster.path("admin.kubeconfig"))
            .arg("--lease")
            .arg(format!("{}/plimsoll", self.namespace))
            .args(more)
            .current_dir(&self.folder);
        command
    }

    fn audit(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join(".plimsoll/audit.jsonl"));
        text.unwrap_or_default().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Turns, one after the other, each at its own time.
struct Turns {
    runtime: tokio::runtime::Runtime,
    memory: Memory,
    said: String,
}

impl Turns {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { runtime, memory: Memory::default(), said: String::new() }
    }

    fn take(&mut self, args: &LoopArgs, at: i64) -> Result<Turned, String> {
        let at = Timestamp::from_second(at).unwrap();
        let mut out = Vec::new();
        let quiet = Talk::silent();
        let turned = self.runtime.block_on(turn(args, at, &mut self.memory, &quiet, &mut out));
        self.said = String::from_utf8(out).unwrap();
        turned.map_err(|error| format!("{error:#}"))
    }
}

#[test]
fn a_floor_goes_up_with_the_load_and_back_to_its_base_and_no_further() {
    if !available("a_floor_goes_up_with_the_load_and_back_to_its_base_and_no_further") {
        return;
    }
    let now = Timestamp::now().as_second() / STEP * STEP;
    let berth = Berth::with_file(Cluster::shared(), "loop-up", now, 150.0);
    let (args, mut turns) = (berth.args(), Turns::new());
    let mut dry = args.clone();
    dry.on.yes = false;
    let turned = turns.take(&dry, now).unwrap();
    assert_eq!((turned.raised, berth.floor()), (1, BASE), "{}", turns.said);
    assert!(
        turns
            .said
            .contains("would    HorizontalPodAutoscaler/front-scaler in loop-up: 3 -> 6, base 3"),
        "{}",
        turns.said
    );
    assert_eq!(berth.audit(), Vec::<Value>::new());
    // what the loop applied of the plan two minutes ago makes no floor wait
    let ago = Timestamp::from_second(now - 120).unwrap();
    let applied = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {
        "name": "front-scaler", "annotations": {"plimsoll.dev/applied-at": ago.to_string()}}});
    let ours = ["apply", "--server-side", "--field-manager=plimsoll", "-n", "loop-up"];
    berth.cluster.send(&ours, &applied.to_string());
    // twice three, then what is asked for: 150 rps is five to ten pods and two thirds of the way, and more by surprise
    turns.take(&args, now).unwrap();
    assert_eq!(berth.floor(), 6, "{}", turns.said);
    turns.take(&args, now).unwrap();
    let high = berth.floor();
    assert!((9..=12).contains(&high), "{high} {}", turns.said);
    let note: Value = serde_json::from_str(
        berth.get(HPA)["metadata"]["annotations"]["plimsoll.dev/floor"].as_str().unwrap(),
    )
    .unwrap();
    assert_eq!((note["base"].as_u64(), note["set"].as_u64()), (Some(BASE), Some(high)));
    // once more changes nothing, and says nothing
    let version = berth.get(HPA)["metadata"]["resourceVersion"].clone();
    turns.take(&args, now).unwrap();
    assert_eq!(berth.get(HPA)["metadata"]["resourceVersion"], version);
    assert_eq!(turns.said, "");
    let verbs: Vec<Value> = berth.audit().iter().map(|line| line["verb"].clone()).collect();
    assert_eq!(verbs, ["Floor"; 4]);

    // the load falls: within the hold time nothing happens, then it goes back in steps
    let later = now + 4 * HOUR;
    berth.write_file(later, 9.0);
    turns.take(&args, now + 600).unwrap();
    assert_eq!(berth.floor(), high);
    for turn in 0..4 {
        turns.take(&args, later + turn * 1_800).unwrap();
        berth.write_file(later + (turn + 1) * 1_800, 9.0);
    }
    assert_eq!(berth.floor(), BASE, "{}", turns.said);
    assert_eq!(berth.get(HPA)["metadata"]["annotations"]["plimsoll.dev/floor"], Value::Null);

    // what a person set is the base from then on, and never taken back
    berth.patch(HPA, &json!({"spec": {"minReplicas": 7}}));
    turns.take(&args, later + 6 * 1_800).unwrap();
    assert_eq!(berth.floor(), 7);
}

#[test]
fn one_turn_says_in_the_end_what_would_move_or_that_nothing_would() {
    if !available("one_turn_says_in_the_end_what_would_move") {
        return;
    }
    let now = Timestamp::now().as_second() / STEP * STEP;
    let berth = Berth::with_file(Cluster::shared(), "loop-once", now, 150.0);
    let once = || {
        let said = berth.command(&["--once"]).output().unwrap();
        let [out, err] = [said.stdout, said.stderr].map(|text| String::from_utf8(text).unwrap());
        assert_eq!(err, "");
        out
    };
    let end = "; a dry run: without `--once`, `--yes` acts\n";
    let up = once();
    assert!(
        up.contains("would    HorizontalPodAutoscaler/front-scaler in loop-once: 3 -> 6"),
        "{up}"
    );
    assert!(up.ends_with(&format!("1 floor would go up{end}")), "{up}");
    berth.patch(HPA, &json!({"spec": {"minReplicas": 12}}));
    let still = once();
    assert!(still.ends_with(&format!("no floor would move{end}")), "{still}");
    assert_eq!(berth.floor(), 12);
}

#[test]
fn a_floor_that_a_person_set_to_what_the_loop_once_set_is_theirs() {
    if !available("a_floor_that_a_person_set_to_what_the_loop_once_set_is_theirs") {
        return;
    }
    let now = Timestamp::now().as_second() / STEP * STEP;
    let berth = Berth::with_file(Cluster::shared(), "loop-theirs", now, 150.0);
    let (args, mut turns) = (berth.args(), Turns::new());
    turns.take(&args, now).unwrap();
    assert_eq!(berth.floor(), 6, "{}", turns.said);
    for floor in [4, 6] {
        berth.patch(HPA, &json!({"spec": {"minReplicas": floor}}));
    }
    let later = now + 4 * HOUR;
    berth.write_file(later, 9.0);
    let turned = turns.take(&args, later).unwrap();
    assert_eq!((berth.floor(), turned.floors[0].base), (6, 6), "{}", turns.said);

    // nor is the note of anybody else believed, or taken with a field that may be taken
    let note = r#"{"base":1,"set":6,"at":"2020-01-01T00:00:00Z"}"#;
    let note = format!("plimsoll.dev/floor={note}");
    let manager = "--field-manager=mallory";
    berth.kubectl(&["annotate", "--overwrite", manager, HPA, &note]);
    turns.take(&args, later).unwrap();
    assert_eq!(berth.floor(), 6, "{}", turns.said);
    berth.write_file(later + 1_800, 150.0);
    turns.take(&args, later + 1_800).unwrap();
    assert_eq!(berth.floor(), 6, "{}", turns.said);
    assert!(
        turns.said.contains("`metadata.annotations.plimsoll.dev/floor` belongs to `mallory`"),
        "{}",
        turns.said
    );
}

#[test]
fn what_is_advised_under_a_floor_of_the_loop_becomes_its_base_and_the_two_do_not_fight() {
    if !available("what_is_advised_under_a_floor_of_the_loop_becomes_its_base") {
        return;
    }
    let now = Timestamp::now().as_second() / STEP * STEP;
    let berth = Berth::with_file(Cluster::shared(), "loop-both", now, 150.0);
    let settings = berth.folder.path().join("plimsoll.yaml");
    let text = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, text.replace("hold: 30m}", "hold: 30m, apply: true}")).unwrap();
    let (args, mut turns) = (berth.args(), Turns::new());
    let (mut high, mut base) = (0, 0);
    // hour after hour, past every cool-down
    for hour in 0..6 {
        let at = now + hour * HOUR;
        berth.write_file(at, 150.0);
        for _ in 0..3 {
            turns.take(&args, at).unwrap();
            let hpa = berth.get(HPA);
            let note = hpa["metadata"]["annotations"]["plimsoll.dev/floor"].as_str().unwrap();
            let note: Value = serde_json::from_str(note).unwrap();
            let now = (berth.floor(), note["base"].as_u64().unwrap());
            assert!(now.0 >= high && now.1 >= base, "{now:?} after {high} {base}: {}", turns.said);
            (high, base) = now;
        }
    }
    // what the row says in steps, and what the next minutes ask for
    assert!(high >= 9 && (5..=high).contains(&base), "{high} {base}: {}", turns.said);
    let applied = berth.audit().into_iter().filter(|line| line["verb"] == "Apply");
    let mut changes = applied.filter(|line| line["happened"] == "Done");
    let all = changes.next().unwrap()["changes"].clone();
    let mut all = all.as_array().unwrap().iter();
    let first = all.find(|one| one["setting"] == "minReplicas").unwrap();
    assert_eq!(first["from"], BASE);
    assert!(first["floor"].as_u64() >= Some(6), "{first}");
}

#[test]
fn a_turn_that_may_read_nothing_has_failed() {
    if !available("a_turn_that_may_read_nothing_has_failed") {
        return;
    }
    let now = Timestamp::now().as_second() / STEP * STEP;
    let berth = Berth::with_file(Cluster::shared(), "loop-blind", now, 150.0);
    let mut args = berth.args();
    args.on.context = Some("stranger".to_owned());
    args.on.kubeconfig = Some(berth.cluster.path("stranger.kubeconfig"));
    let failed = Turns::new().take(&args, now).unwrap_err();
    assert!(failed.starts_with("nothing could be read: cannot list"), "{failed}");
    assert_eq!(berth.floor(), BASE);
}

#[test]
fn a_floor_that_others_keep_putting_back_is_raised_once_more_and_then_left_to_them_for_a_while() {
    if !available("a_floor_that_others_keep_putting_back_is_raised_once_more") {
        return;
    }
    let now = Timestamp::now().as_second() / STEP * STEP;
    let berth = Berth::with_file(Cluster::shared(), "loop-sync", now, 150.0);
    let (args, mut turns) = (berth.args(), Turns::new());
    let mut floors = Vec::new();
    for turn in 0..5 {
        turns.take(&args, now + turn * 60).unwrap();
        floors.push(berth.floor());
        if turn == 2 {
            let words = "`kubectl-patch` put the 6 of";
            assert!(turns.said.contains(words), "{}", turns.said);
        }
        berth.patch(HPA, &json!({"spec": {"minReplicas": 3}}));
    }
    assert_eq!(floors, [6, 6, 3, 3, 3], "{}", turns.said);
    // after the hold time it is tried again, in two steps, and put back after both
    let later = now + HOUR;
    berth.write_file(later, 150.0);
    let mut floors = Vec::new();
    for turn in 0..6 {
        turns.take(&args, later + turn * 60).unwrap();
        floors.push(berth.floor());
        if turn % 2 == 1 {
            berth.patch(HPA, &json!({"spec": {"minReplicas": 3}}));
        }
    }
    assert_eq!(
        (&floors[..1], &floors[2..3], &floors[4..]),
        (&[6][..], &[6][..], &[3, 3][..]),
        "{floors:?}"
    );
    assert!(floors[1] > 6 && floors[3] > 6, "{floors:?}");
}

#[test]
fn a_floor_that_goes_with_its_note_where_others_replace_the_object_is_left_to_them_too() {
    if !available("a_floor_that_goes_with_its_note_where_others_replace_the_object") {
        return;
    }
    let now = Timestamp::now().as_second() / STEP * STEP;
    let berth = Berth::with_file(Cluster::shared(), "loop-replace", now, 150.0);
    berth.edit("kubectl-patch]", "kubectl-patch, kubectl-replace]");
    let mut before = berth.get(HPA);
    before.as_object_mut().unwrap().remove("status");
    before["metadata"] = json!({"name": "front-scaler", "namespace": berth.namespace});
    let manifest = berth.folder.path().join("hpa.json");
    std::fs::write(&manifest, before.to_string()).unwrap();
    let replace = || berth.kubectl(&["replace", "-f", manifest.to_str().unwrap()]);
    let (args, mut turns) = (berth.args(), Turns::new());
    let mut floors = Vec::new();
    for turn in 0..5 {
        turns.take(&args, now + turn * 60).unwrap();
        floors.push(berth.floor());
        if turn == 2 {
            let words = "`kubectl-replace` put the 6 of";
            assert!(turns.said.contains(words), "{}", turns.said);
        }
        replace();
        assert_eq!(berth.get(HPA)["metadata"]["annotations"], Value::Null);
    }
    assert_eq!(floors, [6, 6, 3, 3, 3], "{}", turns.said);
    // after the hold time it is tried again
    let later = now + HOUR;
    berth.write_file(later, 150.0);
    turns.take(&args, later).unwrap();
    assert_eq!(berth.floor(), 6, "{}", turns.said);
}

#[test]
fn a_minimum_below_what_the_load_asks_for_is_not_lowered_until_it_asks_for_less() {
    if !available("a_minimum_below_what_the_load_asks_for_is_not_lowered") {
        return;
    }
    let now = Timestamp::now().as_second() / STEP * STEP;
    let berth = Berth::with_file(Cluster::shared(), "loop-waits", now, 120.0);
    berth.edit("lookback: 9d", "lookback: 5w");
    berth.edit("hold: 30m}", "hold: 30m, apply: true}\npolicy: {cooldown: 1m}");
    berth.edit("apply: {takeOver", "apply: {watch: 0, takeOver");
    berth.patch(HPA, &json!({"spec": {"minReplicas": 8}}));
    let write = |end: i64, last: f64| {
        let mut text = "timestamp,series,value\n".to_owned();
        for at in (now - 35 * DAY..=end).step_by(300) {
            let load = if at > now { last } else { 120.0 };
            let values = [("load", load), ("errorRate", 0.001), ("p99", 0.3)];
            let settings = [("hpaMin", 8.0), ("hpaMax", 12.0), ("replicas", 8.0)];
            let pods = [("specReplicas", 8.0), ("throttled", 0.0), ("oomKills", 0.0)];
            for (series, value) in &values {
                writeln!(text, "{at},{series},{value}").unwrap();
            }
            for (series, value) in settings.iter().chain(&pods) {
                writeln!(text, "{at},api.{series},{value}").unwrap();
            }
        }
        std::fs::write(berth.folder.path().join("history.csv"), text).unwrap();
    };
    write(now, 120.0);
    let (args, mut turns) = (berth.args(), Turns::new());
    let turned = turns.take(&args, now).unwrap();
    let asked = turned.floors[0].asked.unwrap();
    assert!((6..=8).contains(&asked), "{asked}: {}", turns.said);
    let object = "HorizontalPodAutoscaler/front-scaler in loop-waits";
    let waits = format!("waits    {object}: minReplicas 5 while the load asks for {asked}");
    assert!(turns.said.contains(&waits), "{}", turns.said);
    // all else that is advised goes on
    let spec = berth.get(HPA)["spec"].clone();
    assert_eq!((&spec["minReplicas"], &spec["maxReplicas"]), (&json!(8), &json!(10)));
    turns.take(&args, now).unwrap();
    assert_eq!((berth.floor(), turns.said.contains("waits")), (8, false), "{}", turns.said);
    // it asks for less
    let later = now + 2 * HOUR;
    write(later, 30.0);
    let turned = turns.take(&args, later).unwrap();
    assert!(turned.floors[0].asked <= Some(5), "{:?}", turned.floors);
    assert_eq!(berth.floor(), 5, "{}", turns.said);
}

#[test]
fn a_floor_whose_component_is_taken_out_of_the_settings_is_named_and_goes_by_rollback() {
    if !available("a_floor_whose_component_is_taken_out_of_the_settings_is_named") {
        return;
    }
    let now = Timestamp::now().as_second() / STEP * STEP;
    let berth = Berth::with_file(Cluster::shared(), "loop-out", now, 150.0);
    let (args, mut turns) = (berth.args(), Turns::new());
    turns.take(&args, now).unwrap();
    assert_eq!(berth.floor(), 6, "{}", turns.said);
    let left = "left     HorizontalPodAutoscaler/front-scaler in loop-out: the settings have no count \
                for it any more, and its floor of 6, base 3, stays: `plimsoll rollback --floors` takes it down";
    // as memory it has no count
    let sizes = [("2}", "256Mi}"), ("3-5}", "512Mi}"), ("5-10}", "1Gi}"), ("10-20}", "2Gi}")];
    let memory = ("startUp: 15m}", "memory: true}");
    sizes.iter().chain([&memory]).for_each(|(count, size)| berth.edit(count, size));
    let mut others = Turns::new();
    others.take(&args, now).unwrap();
    assert!(others.said.contains(left), "{}", others.said);
    sizes.iter().chain([&memory]).for_each(|(count, size)| berth.edit(size, count));
    berth.edit("api:", "worker:");
    berth.edit("jarvis-api", "jarvis-worker");
    let turned = turns.take(&args, now).unwrap();
    assert!(turns.said.contains(left), "{}", turns.said);
    // the workers have no autoscaler
    assert_eq!(turned.left, 2, "{}", turns.said);
    let turned = turns.take(&args, now).unwrap();
    assert_eq!((turned.left, turns.said.as_str()), (2, ""));

    let back = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
        command.args(["rollback", "--floors", "--context", "admin", "--kubeconfig"]);
        command.arg(berth.cluster.path("admin.kubeconfig")).args(more);
        let said = command.current_dir(&berth.folder).env("NO_COLOR", "1").output().unwrap();
        (said.status.code(), String::from_utf8(said.stdout).unwrap())
    };
    // the namesake of an object in another cluster is none of ours
    let record = berth.folder.path().join(".plimsoll/audit.jsonl");
    let whole = std::fs::read_to_string(&record).unwrap();
    let uid = berth.get(HPA)["metadata"]["uid"].as_str().unwrap().to_owned();
    std::fs::write(&record, whole.replace(&uid, "elsewhere")).unwrap();
    let (code, said) = back(&["--yes"]);
    assert_eq!((code, said.as_str()), (Some(0), "nothing to bring back\n"));
    std::fs::write(&record, whole).unwrap();
    let (_, said) = back(&[]);
    assert!(
        said.ends_with("1 object would be brought back; a dry run: `--yes` does it\n"),
        "{said}"
    );
    assert_eq!(berth.floor(), 6);
    let (code, said) = back(&["--yes"]);
    assert_eq!((code, berth.floor()), (Some(0), BASE), "{said}");
    assert_eq!(berth.get(HPA)["metadata"]["annotations"]["plimsoll.dev/floor"], Value::Null);
    let (_, said) = back(&["--yes"]);
    assert_eq!(said, "nothing to bring back\n");
    let turned = turns.take(&args, now).unwrap();
    assert_eq!((turned.left, turns.said.as_str()), (1, ""));
}

#[test]
fn a_floor_whose_autoscaler_scales_something_else_by_now_is_named_and_left() {
    if !available("a_floor_whose_autoscaler_scales_something_else_by_now_is_named_and_left") {
        return;
    }
    let now = Timestamp::now().as_second() / STEP * STEP;
    let berth = Berth::with_file(Cluster::shared(), "loop-away", now, 150.0);
    let (args, mut turns) = (berth.args(), Turns::new());
    turns.take(&args, now).unwrap();
    assert_eq!(berth.floor(), 6, "{}", turns.said);
    berth.kubectl(&["create", "deployment", "other", "--image=example/other"]);
    berth.patch(HPA, &json!({"spec": {"scaleTargetRef": {"name": "other"}}}));
    let turned = turns.take(&args, now).unwrap();
    let left = "left     HorizontalPodAutoscaler/front-scaler in loop-away: it scales `Deployment/other` now, for \
                which the settings have no count, and its floor of 6, base 3, stays: set it by hand";
    assert!(turns.said.contains(left), "{}", turns.said);
    // the API has no autoscaler
    assert_eq!(turned.left, 2, "{}", turns.said);
    let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
    command.args(["rollback", "--floors", "--yes", "--context", "admin", "--kubeconfig"]);
    command.arg(berth.cluster.path("admin.kubeconfig")).current_dir(&berth.folder);
    let told = command.output().unwrap();
    let said = String::from_utf8(told.stdout).unwrap();
    assert_eq!((told.status.code(), berth.floor()), (Some(3), 6), "{said}");
    assert!(said.contains("LIVE_CHANGED  it scales `Deployment/other` now"), "{said}");
}

#[test]
fn a_look_that_fails_says_that_a_watch_goes_on_only_where_there_is_one() {
    if !available("a_look_that_fails_says_that_a_watch_goes_on_only_where_there_is_one") {
        return;
    }
    let now = Timestamp::now().as_second() / STEP * STEP;
    let berth = Berth::with_file(Cluster::shared(), "loop-full", now, 9.0);
    std::fs::write(berth.folder.path().join(".plimsoll"), "no folder").unwrap();
    let replica = Replica::start(berth.command(&["--yes"]));
    let failures = |one: &Replica| one.said().matches("error: cannot keep the record").count();
    replica.until("the turn and the look failed", |one| failures(one) == 2);
    std::thread::sleep(Duration::from_secs(1));
    assert!(!replica.said().contains("the watch goes on"), "{}", replica.said());
}

/// KEDA's object on the API in the place of its HPA, and the HPA that KEDA makes of it.
fn keda(berth: &Berth) {
    let (cluster, namespace) = (&berth.cluster, berth.namespace);
    cluster.operators();
    berth.kubectl(&["delete", HPA]);
    let scaled = "
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: by-load}
spec:
  scaleTargetRef: {name: jarvis-api}
  minReplicaCount: 3
  maxReplicaCount: 12
  triggers: [{type: cpu, metadata: {value: '60'}}, {type: cron, name: plimsoll-1, metadata: {timezone: UTC, start: 0 8 * * *, end: 0 9 * * *, desiredReplicas: '5'}}]
";
    cluster.apply(namespace, scaled);
    let uid = berth.get(KEDA)["metadata"]["uid"].as_str().unwrap().to_owned();
    let made = format!(
        "apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: keda-hpa-by-load
  ownerReferences: [{{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, name: by-load, uid: {uid}, controller: true}}]
spec: {{scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: jarvis-api}}, minReplicas: 3, maxReplicas: 12}}
"
    );
    cluster.apply(namespace, &made);
}

#[test]
fn the_floor_of_a_scaled_object_goes_up_and_back_and_what_keda_made_of_it_is_left() {
    if !operators_available("the_floor_of_a_scaled_object_goes_up_and_back", &[]) {
        return;
    }
    let now = Timestamp::now().as_second() / STEP * STEP;
    let berth = Berth::with_file(Cluster::shared(), "loop-keda", now, 150.0);
    keda(&berth);
    let (args, mut turns) = (berth.args(), Turns::new());
    let before = (berth.get(KEDA)["spec"].clone(), berth.get("hpa/keda-hpa-by-load"));
    let floor = || berth.get(KEDA)["spec"]["minReplicaCount"].as_u64().unwrap();
    let turned = turns.take(&args, now).unwrap();
    assert_eq!((turned.raised, floor()), (1, 6), "{}", turns.said);
    assert!(
        turns.said.contains("floor    ScaledObject/by-load in loop-keda: 3 -> 6, base 3"),
        "{}",
        turns.said
    );
    turns.take(&args, now).unwrap();
    let high = floor();
    assert!((9..=12).contains(&high), "{high} {}", turns.said);
    let note = berth.get(KEDA)["metadata"]["annotations"]["plimsoll.dev/floor"].clone();
    let note: Value = serde_json::from_str(note.as_str().unwrap()).unwrap();
    assert_eq!((note["base"].as_u64(), note["set"].as_u64()), (Some(BASE), Some(high)));
    // the floor and nothing else: triggers and maximum stand, and the HPA is KEDA's to move
    let mut expected = before.0.clone();
    expected["minReplicaCount"] = json!(high);
    assert_eq!(
        (berth.get(KEDA)["spec"].clone(), berth.get("hpa/keda-hpa-by-load")),
        (expected, before.1)
    );

    // the load falls: within the hold time nothing happens, then it is given back and the note is gone
    let later = now + 4 * HOUR;
    berth.write_file(later, 9.0);
    turns.take(&args, now + 600).unwrap();
    assert_eq!(floor(), high);
    for turn in 0..4 {
        turns.take(&args, later + turn * 1_800).unwrap();
        berth.write_file(later + (turn + 1) * 1_800, 9.0);
    }
    let after = berth.get(KEDA);
    assert_eq!(after["spec"], before.0, "{}", turns.said);
    assert_eq!(after["metadata"]["annotations"]["plimsoll.dev/floor"], Value::Null);
    let verbs: Vec<Value> = berth.audit().iter().map(|line| line["verb"].clone()).collect();
    assert!(verbs.len() >= 6 && verbs.iter().all(|verb| verb == "Floor"), "{verbs:?}");
}

#[test]
fn a_scaled_object_that_is_paused_or_may_sleep_is_left_and_named() {
    if !operators_available("a_scaled_object_that_is_paused_or_may_sleep_is_left_and_named", &[]) {
        return;
    }
    let now = Timestamp::now().as_second() / STEP * STEP;
    let berth = Berth::with_file(Cluster::shared(), "loop-sleeps", now, 150.0);
    keda(&berth);
    berth.kubectl(&["annotate", KEDA, "autoscaling.keda.sh/paused=true"]);
    let (args, mut turns) = (berth.args(), Turns::new());
    assert_eq!(turns.take(&args, now).unwrap().refused, 1);
    assert!(turns.said.contains("SCALER") && turns.said.contains("paused"), "{}", turns.said);
    berth.kubectl(&["annotate", KEDA, "autoscaling.keda.sh/paused-"]);
    berth.patch(KEDA, &json!({"spec": {"minReplicaCount": 0}}));
    let turned = turns.take(&args, now).unwrap();
    assert_eq!((turned.left, turned.raised), (1, 0), "{}", turns.said);
    assert!(turns.said.contains("`ScaledObject/by-load` may scale to nothing"), "{}", turns.said);
    assert_eq!(berth.get(KEDA)["spec"]["minReplicaCount"], 0);
}

#[test]
fn the_floor_of_what_may_sleep_by_now_goes_to_its_base_once_the_load_asks_for_no_more() {
    if !operators_available("the_floor_of_what_may_sleep_by_now_goes_to_its_base", &[]) {
        return;
    }
    let now = Timestamp::now().as_second() / STEP * STEP;
    let berth = Berth::with_file(Cluster::shared(), "loop-idles", now, 150.0);
    keda(&berth);
    let (args, mut turns) = (berth.args(), Turns::new());
    turns.take(&args, now).unwrap();
    let floor = || berth.get(KEDA)["spec"]["minReplicaCount"].as_u64().unwrap();
    assert_eq!(floor(), 6, "{}", turns.said);
    berth.patch(KEDA, &json!({"spec": {"idleReplicaCount": 0}}));
    let turned = turns.take(&args, now).unwrap();
    assert_eq!((floor(), turned.left, turned.raised), (6, 1, 0), "{}", turns.said);
    let words = "its floor of 6 goes back to its base of 3 once no more is asked for";
    assert!(turns.said.contains(words), "{}", turns.said);
    // a load of nothing may be one that nobody counts any more
    let later = now + 4 * HOUR;
    berth.write_file(later, 0.0);
    let turned = turns.take(&args, later).unwrap();
    assert_eq!((floor(), turned.taken_back), (6, 0), "{}", turns.said);
    assert!(turns.said.contains("`load` was 0 throughout"), "{}", turns.said);
    // where it sleeps by then, too
    berth.patch(API, &json!({"spec": {"replicas": 0}}));
    let none = json!({"status": {
        "observedGeneration": berth.get(API)["metadata"]["generation"],
        "replicas": 0, "updatedReplicas": 0, "readyReplicas": 0, "availableReplicas": 0,
    }});
    let none = none.to_string();
    berth.kubectl(&["patch", API, "--subresource=status", "--type=merge", "-p", &none]);
    berth.write_file(later, 9.0);
    let turned = turns.take(&args, later).unwrap();
    assert_eq!((floor(), turned.taken_back), (BASE, 1), "{}", turns.said);
    let live = berth.get(KEDA);
    assert_eq!(live["metadata"]["annotations"]["plimsoll.dev/floor"], Value::Null);
    assert_eq!(live["spec"]["idleReplicaCount"], 0);
    let turned = turns.take(&args, later).unwrap();
    assert_eq!((floor(), turned.left, turned.taken_back), (BASE, 1, 0), "{}", turns.said);
    assert!(turns.said.ends_with("may scale to nothing, and is let sleep\n"), "{}", turns.said);
}

#[test]
fn a_webhook_that_is_down_in_one_namespace_leaves_the_floors_of_the_others_to_the_loop() {
    if !available("a_webhook_that_is_down_in_one_namespace_leaves_the_floors_of_the_others") {
        return;
    }
    let now = Timestamp::now().as_second() / STEP * STEP;
    let down = Berth::with_file(Cluster::shared(), "hook-down", now, 150.0);
    let well = Berth::with_file(Cluster::shared(), "hook-well", now, 150.0);
    // both by the loop of the first
    let read =
        |berth: &Berth, name| std::fs::read_to_string(berth.folder.path().join(name)).unwrap();
    let services = read(&well, "plimsoll.yaml").split("services:\n").nth(1).unwrap().to_owned();
    let settings = read(&down, "plimsoll.yaml") + &services;
    let rows = read(&down, "history.csv");
    let mut history = "timestamp,service,series,value\n".to_owned();
    for service in ["hook-down", "hook-well"] {
        for row in rows.lines().skip(1) {
            let (at, rest) = row.split_once(',').unwrap();
            writeln!(history, "{at},{service},{rest}").unwrap();
        }
    }
    for (name, text) in [("plimsoll.yaml", settings), ("history.csv", history)] {
        std::fs::write(down.folder.path().join(name), text).unwrap();
    }
    harbour::webhook_that_is_down(&down.cluster, "hook-down");
    let mut turns = Turns::new();
    let turned = turns.take(&down.args(), now).unwrap();
    assert_eq!((turned.refused, turned.raised), (1, 1), "{}", turns.said);
    assert!(turns.said.contains("failed calling webhook"), "{}", turns.said);
    assert_eq!((down.floor(), well.floor()), (BASE, 6), "{}", turns.said);
}

#[test]
fn a_floor_that_the_server_keeps_changing_is_named_and_not_sent_each_turn() {
    if !available("a_floor_that_the_server_keeps_changing_is_named") {
        return;
    }
    let now = Timestamp::now().as_second() / STEP * STEP;
    let cluster = Arc::new(Cluster::start_with(&harbour::MUTATING));
    let berth = Berth::with_file(cluster, "loop-vain", now, 150.0);
    let at_least = |floor: u64| berth.patch(HPA, &json!({"spec": {"minReplicas": floor}}));
    harbour::policy_that_spares_rehearsals(
        &berth.cluster,
        "object.spec.minReplicas > 4",
        "minReplicas: 4",
    );
    berth.cluster.wait("a policy in force", || {
        at_least(5);
        berth.floor() == 4
    });
    at_least(BASE);
    let (args, mut turns) = (berth.args(), Turns::new());
    let turned = turns.take(&args, now).unwrap();
    assert_eq!((berth.floor(), turned.raised, turned.refused), (4, 1, 1), "{}", turns.said);
    assert_eq!((turned.floors[0].floor, turned.floors[0].base), (4, 3), "{}", turns.said);
    assert!(turns.said.contains("amiss    HorizontalPodAutoscaler/front-scaler"), "{}", turns.said);
    let version = |berth: &Berth| berth.get(HPA)["metadata"]["resourceVersion"].clone();
    let (before, lines) = (version(&berth), berth.audit().len());
    let turned = turns.take(&args, now + 60).unwrap();
    assert_eq!((turned.raised, turned.refused), (0, 1), "{}", turns.said);
    let held = "held     HorizontalPodAutoscaler/front-scaler in loop-vain at 4, base 3: the server made that of the 6 sent";
    assert!(turns.said.contains(held), "{}", turns.said);
    assert_eq!((turns.take(&args, now + 120).unwrap().refused, turns.said.as_str()), (1, ""));
    assert_eq!((version(&berth), berth.audit().len()), (before, lines));
    // when it has stood as long as any floor it is tried again, by another replica too
    berth.kubectl(&["delete", "mutatingadmissionpolicy/real"]);
    let other = ["deployment/jarvis-worker", "--name=other", "--min=3", "--max=9"];
    berth.kubectl(&[&["autoscale"][..], &other].concat());
    berth.cluster.wait("no policy in force", || {
        berth.patch("hpa/other", &json!({"spec": {"minReplicas": 3}}));
        berth.patch("hpa/other", &json!({"spec": {"minReplicas": 5}}));
        berth.get("hpa/other")["spec"]["minReplicas"] == 5
    });
    berth.write_file(now + 1_800, 150.0);
    let turned = Turns::new().take(&args, now + 1_800).unwrap();
    assert_eq!((berth.floor(), turned.floors[0].base, turned.raised), (8, 3, 1));
}

#[test]
fn a_floor_that_a_guard_forbids_stays_and_is_named_once() {
    if !available("a_floor_that_a_guard_forbids_stays_and_is_named_once") {
        return;
    }
    let now = Timestamp::now().as_second() / STEP * STEP;
    let berth = Berth::with_file(Cluster::shared(), "loop-paused", now, 150.0);
    berth.kubectl(&["annotate", HPA, "plimsoll.dev/pause=true"]);
    let (args, mut turns) = (berth.args(), Turns::new());
    assert_eq!(turns.take(&args, now).unwrap().refused, 1);
    assert!(turns.said.contains("PAUSED"), "{}", turns.said);
    assert_eq!(turns.take(&args, now).unwrap().refused, 1);
    assert_eq!((turns.said.as_str(), berth.floor(), berth.audit().len()), ("", BASE, 1));
}

/// What is wrong with the Prometheus.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// The load has no series.
    Absent,
    /// Nothing newer than this.
    Stale(i64),
    /// From this moment on every second sample of the load is missing.
    Half(i64),
    /// 503.
    Away,
}

fn prometheus(fault: Arc<Mutex<Fault>>) -> Fake {
    Fake::serve(move |request, _| {
        let fault = *fault.lock().unwrap();
        if fault == Fault::Away {
            return fake::answer("503 Service Unavailable", &[], "away");
        }
        let query = request.param("query").unwrap_or_default();
        if !request.path().ends_with("query_range") {
            let one = if query == "vector(1)" { r#"{"metric":{},"value":[0,"1"]}"# } else { "" };
            let body = format!(
                r#"{{"status":"success","data":{{"resultType":"vector","result":[{one}]}}}}"#
            );
            return fake::json("200 OK", &body);
        }
        let value: Option<fn(i64) -> f64> = match query.as_str() {
            "my_load" if fault != Fault::Absent => Some(load),
            "my_errors" => Some(|_| 0.001),
            "my_latency" => Some(|_| 0.3),
            _ => None,
        };
        let number = |name| request.param(name).unwrap().parse::<f64>().unwrap();
        let mut text = String::new();
        if let Some(value) = value {
            #[allow(clippy::cast_possible_truncation)]
            let (from, to) = (number("start") as i64, number("end") as i64);
            for at in (from..=to).filter(|at| at % STEP == 0) {
                let missing = match fault {
                    Fault::Stale(since) => at > since,
                    Fault::Half(since) => query == "my_load" && at > since && at / STEP % 2 == 0,
                    _ => false,
                };
                if !missing {
                    let comma = if text.is_empty() { "" } else { "," };
                    write!(text, r#"{comma}[{at},"{}"]"#, value(at)).unwrap();
                }
            }
        }
        let series = if text.is_empty() {
            String::new()
        } else {
            format!(r#"{{"metric":{{}},"values":[{text}]}}"#)
        };
        let body = format!(
            r#"{{"status":"success","data":{{"resultType":"matrix","result":[{series}]}}}}"#
        );
        fake::json("200 OK", &body)
    })
}

#[test]
fn a_day_of_turns_is_ahead_of_the_ramp_does_not_flap_and_lowers_nothing_on_a_fault() {
    if !available("a_day_of_turns_is_ahead_of_the_ramp") {
        return;
    }
    let fault = Arc::new(Mutex::new(Fault::None));
    let source = prometheus(Arc::clone(&fault));
    let history = format!("prometheus: {{url: '{}', timeout: 5s, patience: 1s}}", source.url);
    let signals =
        "    load: {query: my_load}\n    queries: {errorRate: my_errors, p99: my_latency}\n";
    let berth = Berth::at(Cluster::shared(), "loop-soak", &history, signals);
    let nowhere = berth.folder.path().join("nowhere.kubeconfig");
    let text = std::fs::read_to_string(berth.cluster.path("admin.kubeconfig")).unwrap();
    let port = format!("127.0.0.1:{}", berth.cluster.port());
    std::fs::write(&nowhere, text.replace(&port, "127.0.0.1:1")).unwrap();

    // a Monday that is over, so that everything of it may be asked for
    let midnight: Timestamp = "2025-11-24T00:00:00Z".parse().unwrap();
    let midnight = midnight.as_second();
    let mut turns = Turns::new();
    let (mut floor, mut moves, mut first, mut held_by_faults) = (BASE, 0, None, 0);
    let mut log = String::new();
    for at in (midnight..midnight + DAY).step_by(300) {
        #[allow(clippy::cast_precision_loss)]
        let hour = (at - midnight) as f64 / HOUR as f64;
        let since = |hour: f64| {
            #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
            let seconds = (hour * HOUR as f64) as i64;
            midnight + seconds
        };
        // each of them while the load is low and the floor is not
        let (now, lost) = match hour {
            h if (12.5..13.5).contains(&h) => (Fault::Absent, false),
            h if (13.5..14.5).contains(&h) => (Fault::Away, false),
            h if (19.0..20.0).contains(&h) => (Fault::Half(since(19.0)), false),
            h if (20.0..21.0).contains(&h) => (Fault::Stale(since(20.0)), false),
            h if (21.0..21.5).contains(&h) => (Fault::None, true),
            _ => (Fault::None, false),
        };
        *fault.lock().unwrap() = now;
        let mut args = berth.args();
        if lost {
            args.on.kubeconfig = Some(nowhere.clone());
        }
        let turned = turns.take(&args, at);
        let faulty = lost || now != Fault::None;
        assert_eq!(turned.is_err(), lost || now == Fault::Away, "{hour} {turned:?}");
        // what the object holds is looked at after every move and fault, and now and then
        let quiet = turned.as_ref().is_ok_and(|turned| turned.raised + turned.taken_back == 0);
        let look = !quiet || faulty || at % (6 * STEP) == 0;
        let before = floor;
        floor = if look { berth.floor() } else { before };
        let _ = writeln!(
            log,
            "{hour:.2} {now:?} load {:.1} floor {before} -> {floor} {turned:?}",
            load(at)
        );
        assert!(floor >= BASE, "below the base\n{log}");
        assert!(floor <= 12, "above the ceiling\n{log}");
        assert!(!(faulty && floor < before), "lowered on a fault\n{log}");
        moves += u32::from(floor != before);
        if floor > BASE && first.is_none() {
            first = Some((hour, load(at)));
        }
        held_by_faults += u32::from(faulty && floor > BASE && load(at) < 20.0);
    }
    // three pods do up to 10 rps by the table, and at 8:15 there are 20: the floor moved while three still did
    let (hour, then) = first.unwrap();
    assert!((7.0..8.25).contains(&hour) && then < 20.0, "{hour} {then}\n{log}");
    assert!(held_by_faults > 30, "the faults met no floor that could have been lowered\n{log}");
    assert_eq!(floor, BASE, "{log}");
    // twice up and down, in steps: no flap
    assert!((4..=24).contains(&moves), "{moves} moves\n{log}");
    let lines = berth.audit().len();
    assert!(lines < 200, "{lines} lines of the record");
}

/// The binary as a process, with what it says on standard error.
struct Replica {
    child: Child,
    said: Arc<Mutex<String>>,
    port: u16,
}

impl Replica {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (into, mut from) = (Arc::clone(&said), child.stderr.take().unwrap());
        std::thread::spawn(move || {
            let mut bytes = [0; 1024];
            while let Ok(count @ 1..) = from.read(&mut bytes) {
                into.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
        let mut replica = Self { child, said, port: 0 };
        let answers = "answers on 127.0.0.1:";
        while !replica.said().contains(answers) {
            let ended = replica.child.try_wait().unwrap();
            assert!(ended.is_none(), "{ended:?} {}", replica.said());
            std::thread::sleep(Duration::from_millis(50));
        }
        let said = replica.said();
        let port = said.split(answers).nth(1).unwrap();
        replica.port = port.split_whitespace().next().unwrap().parse().unwrap();
        replica
    }

    fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    fn get(&self, path: &str) -> String {
        let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", self.port)) else {
            return String::new();
        };
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut text = String::new();
        let _ = stream.read_to_string(&mut text);
        text
    }

    fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics");
        let line = text.lines().find(|line| line.starts_with(&format!("plimsoll_{name} ")));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(f64::NAN)
    }

    fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !holds(self) {
            let waited = begun.elapsed() < Duration::from_secs(180);
            assert!(waited, "{what}: not after 180 s\n{}\n{}", self.said(), self.get("/metrics"));
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn of_two_replicas_one_acts_and_when_it_is_killed_the_other_does() {
    if !available_with("of_two_replicas_one_acts", &["promtool"]) {
        return;
    }
    let now = Timestamp::now().as_second() / STEP * STEP;
    let berth = Berth::with_file(Cluster::shared(), "loop-two", now, 150.0);
    let first = Replica::start(berth.command(&["--yes"]));
    first.until("the first acts", |one| one.metric("leader") == 1.0);
    first.until("it has raised the floor", |_| berth.floor() > 6);
    first.until("it is ready", |one| one.get("/readyz").starts_with("HTTP/1.1 200"));
    assert!(first.get("/healthz").starts_with("HTTP/1.1 200"));

    let mut second = Replica::start(berth.command(&["--yes"]));
    second.until("the second is ready", |one| one.get("/readyz").starts_with("HTTP/1.1 200"));
    assert_eq!((second.metric("leader"), first.metric("leader")), (0.0, 1.0));
    assert!(second.get("/metrics").contains("plimsoll_turns_total{outcome=\"done\"} 0"));

    let metrics = first.get("/metrics");
    let metrics = metrics.split("\r\n\r\n").nth(1).unwrap();
    assert!(metrics.contains("plimsoll_floor_base_replicas{namespace=\"loop-two\",object=\"HorizontalPodAutoscaler/front-scaler\"} 3\n"), "{metrics}");
    let mut checked = program("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    checked.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let checked = checked.wait_with_output().unwrap();
    let said = [checked.stdout, checked.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(checked.status.success() && said.concat().is_empty(), "{said:?}\n{metrics}");

    first.signal("-KILL");
    second.until("the second acts", |one| one.metric("leader") == 1.0);
    second.until("it takes turns", |one| {
        !one.get("/metrics").contains("plimsoll_turns_total{outcome=\"done\"} 0")
    });
    let holder = || {
        let lease = berth.get("lease/plimsoll");
        lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
    };
    assert!(holder().contains(&second.child.id().to_string()), "{}", holder());

    // told to end, it gives the lease up and ends well
    second.signal("-TERM");
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = second.child.try_wait().unwrap() {
            break status;
        }
        assert!(begun.elapsed() < Duration::from_secs(180), "{}", second.said());
        std::thread::sleep(Duration::from_millis(100));
    };
    assert!(status.success(), "{}", second.said());
    assert_eq!(holder(), "");
    assert!(second.said().ends_with("run: ended as it was told\n"), "{}", second.said());
}

#[test]
fn who_cannot_renew_the_lease_stops_acting() {
    if !available("who_cannot_renew_the_lease_stops_acting") {
        return;
    }
    let now = Timestamp::now().as_second() / STEP * STEP;
    let berth = Berth::with_file(Arc::new(Cluster::start()), "loop-frozen", now, 9.0);
    let replica = Replica::start(berth.command(&["--yes"]));
    replica.until("it acts", |one| one.metric("leader") == 1.0);
    berth.cluster.freeze_server();
    replica.until("it acts no more", |one| one.metric("leader") == 0.0);
    replica.until("it says so", |one| one.said().contains("is not ours, this replica waits"));
    assert!(replica.get("/healthz").starts_with("HTTP/1.1 200"));
}

#[test]
fn a_source_that_is_away_is_said_once_and_tried_again_ever_later() {
    if !available("a_source_that_is_away_is_said_once") {
        return;
    }
    let fault = Arc::new(Mutex::new(Fault::Away));
    let source = prometheus(Arc::clone(&fault));
    let history = format!("prometheus: {{url: '{}', timeout: 5s, patience: 1s}}", source.url);
    let signals =
        "    load: {query: my_load}\n    queries: {errorRate: my_errors, p99: my_latency}\n";
    let berth = Berth::at(Cluster::shared(), "loop-away", &history, signals);
    let replica = Replica::start(berth.command(&[]));
    replica.until("two turns failed", |one| one.metric("consecutive_failures") >= 2.0);
    assert_eq!(replica.said().matches("error: ").count(), 1, "{}", replica.said());
    assert!(replica.metric("backoff_seconds") >= 20.0);
    assert!(replica.get("/readyz").starts_with("HTTP/1.1 503"));
    *fault.lock().unwrap() = Fault::None;
    replica.until("it is well again", |one| one.said().contains("well again after"));
    assert!(replica.get("/readyz").starts_with("HTTP/1.1 200"));
    let now = SignedDuration::from_secs(Timestamp::now().as_second());
    #[allow(clippy::cast_precision_loss)]
    let age = now.as_secs() as f64 - replica.metric("last_success_timestamp_seconds");
    assert!(age < 180.0);
}

/// JARVIS at rest under controllers, and a loop that follows the plan for its workers alone: all else is paused.
struct Followed {
    cluster: Arc<Cluster>,
    namespace: &'static str,
    desk: Desk,
}

impl Followed {
    fn at(namespace: &'static str) -> Self {
        let cluster = controlled();
        cluster.namespace(namespace);
        at_rest(&cluster, namespace);
        for object in ["deployment/jarvis-api", "statefulset/jarvis-redis-master"] {
            let pause = "plimsoll.dev/pause=true";
            let paused = cluster.kubectl(&["-n", namespace, "annotate", object, pause]);
            assert!(paused.status.success());
        }
        let desk = Self::desk(namespace);
        Self { cluster, namespace, desk }
    }

    /// The same with a quiet month behind it, after which there is one worker too many, and a Prometheus that tells the
    /// objectives.
    fn quiet(namespace: &'static str) -> (Self, Metrics) {
        let followed = Self::at(namespace);
        let metrics = Metrics::telling([0.001, 0.3]);
        metrics.wait(&followed.cluster, true);
        let desk = Self::quiet_desk(namespace, &metrics);
        (Self { desk, ..followed }, metrics)
    }

    fn quiet_desk(namespace: &'static str, metrics: &Metrics) -> Desk {
        let desk = Self::desk_with(namespace, quiet);
        let now = Timestamp::now().as_second() / STEP * STEP;
        desk.has_a_worker_too_many(namespace, Timestamp::from_second(now).unwrap());
        desk.edit("watch: 2m", "watch: 1m");
        metrics.of(&desk);
        desk
    }

    /// A folder of its own, as a pod of the loop has it.
    fn desk(namespace: &'static str) -> Desk {
        Self::desk_with(namespace, |_, value| value)
    }

    fn desk_with(namespace: &'static str, made: impl Fn(Signal, f64) -> f64) -> Desk {
        let now = Timestamp::now().as_second() / STEP * STEP;
        let desk = Desk::with(&[namespace], Timestamp::from_second(now).unwrap(), made);
        let more = "apply: {takeOver: [kubectl-client-side-apply], watch: 2m}
run: {every: 10s, apply: true}
";
        desk.edit("version: 1\n", &format!("version: 1\n{more}"));
        desk
    }

    fn start(&self, desk: &Desk) -> Replica {
        self.start_by(desk, &self.cluster.path("admin.kubeconfig"))
    }

    fn start_by(&self, desk: &Desk, kubeconfig: &Path) -> Replica {
        let lease = format!("{}/plimsoll", self.namespace);
        let args = ["run", "--yes", "--listen", "127.0.0.1:0", "--lease", &lease];
        Replica::start(desk.command("admin", kubeconfig, &args))
    }

    fn workers(&self) -> Value {
        let args = ["-n", self.namespace, "get", "deployment/jarvis-worker", "-o", "json"];
        let live: Value = serde_json::from_slice(&self.cluster.kubectl(&args).stdout).unwrap();
        live["spec"]["replicas"].clone()
    }
}

/// How many lines of a record say this of this verb.
fn lines(desk: &Desk, verb: &str, happened: &str) -> usize {
    let text = std::fs::read_to_string(desk.path(".plimsoll/audit.jsonl")).unwrap_or_default();
    let all = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    all.filter(|line| line["verb"] == verb && line["happened"] == happened).count()
}

fn turns(replica: &Replica) -> f64 {
    let text = replica.get("/metrics");
    let line = text.lines().find(|line| line.contains("turns_total{outcome=\"done\"}"));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0.0)
}

#[test]
fn what_the_loop_applies_is_watched_until_it_is_rolled_out_and_twice_is_once() {
    if !controllers_available("what_the_loop_applies_is_watched_until_it_is_rolled_out") {
        return;
    }
    let followed = Followed::at("follow-well");
    let replica = followed.start(&followed.desk);
    replica.until("it is watched", |one| one.metric("watched_objects") == 1.0);
    assert_eq!(followed.workers(), 4);
    // while it is watched nothing else is done to it
    let before = turns(&replica);
    replica.until("a turn has passed", |one| turns(one) > before);
    assert_eq!(replica.metric("watched_objects"), 1.0);
    let kubelet = Kubelet::of(&followed.cluster, followed.namespace, "");
    replica.until("its pods are ready", |one| one.metric("watched_objects") == 0.0);
    drop(kubelet);
    let before = turns(&replica);
    replica.until("two turns more", |one| turns(one) > before + 1.0);
    let count = |verb, happened| lines(&followed.desk, verb, happened);
    assert_eq!(
        (count("Apply", "Done"), count("Apply", "Watching"), count("Apply", "Watched")),
        (1, 1, 1)
    );
    assert_eq!((replica.metric("applied_total"), replica.metric("rolled_back_total")), (1.0, 0.0));
    assert_eq!((followed.workers(), count("Rollback", "Done")), (json!(4), 0));
}

#[test]
fn a_rollout_that_fails_is_taken_back_by_the_loop_and_not_tried_again() {
    if !controllers_available("a_rollout_that_fails_is_taken_back_by_the_loop") {
        return;
    }
    let followed = Followed::at("follow-ill");
    let kubelet = Kubelet::of(&followed.cluster, followed.namespace, "jarvis-worker");
    let replica = followed.start(&followed.desk);
    replica.until("it is taken back", |one| one.metric("rolled_back_total") == 1.0);
    assert_eq!(followed.workers(), 3);
    drop(kubelet);
    let text = || std::fs::read_to_string(followed.desk.path(".plimsoll/audit.jsonl")).unwrap();
    replica.until("it is refused", |_| text().contains("TAKEN_BACK"));
    let back = text()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .find(|line| line["verb"] == "Rollback")
        .unwrap();
    assert!(back["said"].to_string().contains("CrashLoopBackOff"), "{back}");
    let before = turns(&replica);
    replica.until("two turns more", |one| turns(one) > before + 1.0);
    let count = |verb, happened| lines(&followed.desk, verb, happened);
    assert_eq!(
        (followed.workers(), count("Apply", "Done"), count("Rollback", "Done")),
        (json!(3), 1, 1)
    );
    // a person waits for the cool-down, and may
    let told = followed.desk.say(&followed.cluster, "admin", &["apply"]);
    assert!(told.stdout.contains("COOLDOWN"), "{}{}", told.stdout, told.stderr);
    assert!(!told.stdout.contains("TAKEN_BACK"), "{}", told.stdout);
}

#[test]
fn who_acts_next_goes_on_with_what_is_watched_and_takes_back_what_fails() {
    if !controllers_available("who_acts_next_goes_on_with_what_is_watched") {
        return;
    }
    let followed = Followed::at("follow-on");
    let first = followed.start(&followed.desk);
    first.until("it is watched", |one| one.metric("watched_objects") == 1.0);
    // told to end, it leaves the watch open, and says so
    first.signal("-TERM");
    first.until("it ends", |one| one.said().contains("run: ended as it was told"));
    assert!(first.said().contains("is watched on by whoever acts next, until"), "{}", first.said());
    assert_eq!(lines(&followed.desk, "Apply", "Watched"), 0);

    // the next has a folder of its own, knows nothing of it but what the object says, and is killed
    let (desk, other) = (Followed::desk(followed.namespace), Followed::desk(followed.namespace));
    let second = followed.start(&desk);
    let on = "watching Deployment/jarvis-worker in follow-on on, until";
    second.until("it goes on", |one| one.said().contains(on));
    second.until("the record has it", |_| lines(&desk, "Apply", "Watching") == 1);
    assert_eq!(lines(&desk, "Apply", "Done"), 0);
    second.signal("-KILL");
    let kubelet = Kubelet::of(&followed.cluster, followed.namespace, "jarvis-worker");
    let third = followed.start(&other);
    third.until("it is taken back", |one| one.metric("rolled_back_total") == 1.0);
    drop(kubelet);
    assert_eq!((followed.workers(), lines(&other, "Rollback", "Done")), (json!(3), 1));
    third.until("nothing is watched", |one| one.metric("watched_objects") == 0.0);
}

/// What the loop took back by itself, as its record has it.
fn back(desk: &Desk) -> Value {
    let text = std::fs::read_to_string(desk.path(".plimsoll/audit.jsonl")).unwrap();
    let mut all = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    all.rfind(|line| line["verb"] == "Rollback" && line["happened"] == "Done").unwrap()
}

#[test]
fn what_the_loop_lowered_is_raised_again_in_a_severity_2() {
    let test = "what_the_loop_lowered_is_raised_again_in_a_severity_2";
    if !controllers_available(test) || !real::available(test) {
        return;
    }
    let (followed, metrics) = Followed::quiet("follow-burning");
    let kubelet = Kubelet::of(&followed.cluster, followed.namespace, "");
    let replica = followed.start(&followed.desk);
    replica.until("it is watched", |one| one.metric("watched_objects") == 1.0);
    assert_eq!(followed.workers(), 2);
    *metrics.tells.lock().unwrap() = Some([0.001, 6.0]);
    replica.until("it is taken back", |one| one.metric("rolled_back_total") == 1.0);
    drop(kubelet);
    assert_eq!(followed.workers(), 3, "{}", replica.said());
    let back = back(&followed.desk);
    assert_eq!(back["changes"][0]["reasons"], json!(["SEVERITY2"]), "{back}");
    assert!(back["said"].to_string().contains("P99 is 6.00 s"), "{back}");
    // and not lowered again
    let before = turns(&replica);
    replica.until("two turns more", |one| turns(one) > before + 1.0);
    assert_eq!((followed.workers(), lines(&followed.desk, "Apply", "Done")), (json!(3), 1));
}

/// Lowers the workers, and is killed as soon as it watches them. When the watch ends.
fn left_alone(followed: &Followed) -> Timestamp {
    let first = followed.start(&followed.desk);
    first.until("it is watched", |one| one.metric("watched_objects") == 1.0);
    assert_eq!(followed.workers(), 2);
    first.signal("-KILL");
    let args = ["-n", followed.namespace, "get", "deployment/jarvis-worker", "-o", "json"];
    let live: Value = serde_json::from_slice(&followed.cluster.kubectl(&args).stdout).unwrap();
    let until = &live["metadata"]["annotations"]["plimsoll.dev/watched-until"];
    until.as_str().unwrap().parse().unwrap()
}

fn sleep_until(at: Timestamp) {
    let left = at.duration_since(Timestamp::now()).as_secs() + 1;
    std::thread::sleep(Duration::from_secs(left.max(0).unsigned_abs()));
}

#[test]
fn a_severity_2_that_no_replica_saw_is_found_by_the_next_that_acts() {
    let test = "a_severity_2_that_no_replica_saw_is_found_by_the_next_that_acts";
    if !controllers_available(test) || !real::available(test) {
        return;
    }
    let (followed, metrics) = Followed::quiet("follow-alone");
    let kubelet = Kubelet::of(&followed.cluster, followed.namespace, "");
    let until = left_alone(&followed);
    *metrics.tells.lock().unwrap() = Some([0.3, 0.3]);
    sleep_until(until);
    // it is over when somebody acts again, in a pod that has no record of it
    *metrics.tells.lock().unwrap() = Some([0.001, 0.3]);
    std::thread::sleep(Duration::from_secs(3));
    let desk = Followed::quiet_desk(followed.namespace, &metrics);
    let second = followed.start(&desk);
    second.until("it is taken back", |one| one.metric("rolled_back_total") == 1.0);
    drop(kubelet);
    let said = second.said();
    assert!(said.contains("ended") && said.contains("before this replica acted"), "{said}");
    assert_eq!(followed.workers(), 3, "{said}");
    let back = back(&desk);
    assert_eq!(back["changes"][0]["reasons"], json!(["SEVERITY2"]), "{back}");
    let why = back["said"].to_string();
    assert!(why.contains("while nobody watched") && why.contains("30% of requests fail"), "{why}");
    assert_eq!(second.metric("watched_objects"), 0.0);
    assert_eq!(lines(&desk, "Apply", "Watched"), 1);
}

/// Leaves this to the loop alone.
fn only(followed: &Followed, object: &str) {
    for other in ["deployment/jarvis-worker", "statefulset/jarvis-redis-master"] {
        let pause = if other == object { "plimsoll.dev/pause-" } else { "plimsoll.dev/pause=true" };
        let args = ["-n", followed.namespace, "annotate", "--overwrite", other, pause];
        assert!(followed.cluster.kubectl(&args).status.success());
    }
}

fn memory_of_redis(followed: &Followed) -> String {
    let path = "jsonpath={.spec.template.spec.containers[0].resources.limits.memory}";
    let args = ["-n", followed.namespace, "get", "statefulset/jarvis-redis-master", "-o", path];
    String::from_utf8(followed.cluster.kubectl(&args).stdout).unwrap()
}

#[test]
fn a_size_that_is_rolled_out_is_kept_by_the_next_that_acts_after_a_severity_2() {
    let test = "a_size_that_is_rolled_out_is_kept_by_the_next_that_acts";
    if !controllers_available(test) || !real::available(test) {
        return;
    }
    let followed = Followed::at("follow-kept");
    only(&followed, "statefulset/jarvis-redis-master");
    let metrics = Metrics::telling([0.001, 0.3]);
    metrics.wait(&followed.cluster, true);
    let kubelet = Kubelet::of(&followed.cluster, followed.namespace, "");
    let replica = |desk: &Desk| {
        metrics.of(desk);
        followed.start(desk)
    };
    let first = replica(&followed.desk);
    let rolled_out = "StatefulSet/jarvis-redis-master in follow-kept: rolled out";
    first.until("it is rolled out", |one| one.said().contains(rolled_out));
    first.signal("-KILL");
    *metrics.tells.lock().unwrap() = Some([0.3, 0.3]);
    std::thread::sleep(Duration::from_secs(80));
    // its pod has the larger size: to take it back would replace it, in trouble, by a smaller one
    let desk = Followed::desk(followed.namespace);
    let second = replica(&desk);
    second.until("it is decided", |_| lines(&desk, "Apply", "Watched") == 1);
    drop(kubelet);
    let record = std::fs::read_to_string(desk.path(".plimsoll/audit.jsonl")).unwrap();
    let watched = record.lines().find(|line| line.contains("\"Watched\"")).unwrap();
    assert!(
        watched.contains("Severity 2") && watched.contains("30% of requests fail"),
        "{watched}"
    );
    assert_eq!(memory_of_redis(&followed), "1Gi", "{}", second.said());
    assert_eq!(second.metric("rolled_back_total"), 0.0);
}

#[test]
fn what_the_loop_applied_over_several_turns_is_one_to_rollback() {
    if !controllers_available("what_the_loop_applied_over_several_turns_is_one_to_rollback") {
        return;
    }
    let followed = Followed::at("follow-turns");
    let kubelet = Kubelet::of(&followed.cluster, followed.namespace, "");
    let replica = followed.start(&followed.desk);
    replica.until("the first is applied", |one| one.metric("applied_total") == 1.0);
    only(&followed, "statefulset/jarvis-redis-master");
    replica.until("the second is applied", |one| one.metric("applied_total") == 2.0);
    replica.until("nothing is watched", |one| one.metric("watched_objects") == 0.0);
    replica.signal("-TERM");
    replica.until("it ends", |one| one.said().contains("run: ended as it was told"));
    drop(kubelet);
    assert_eq!((followed.workers(), memory_of_redis(&followed).as_str()), (json!(4), "1Gi"));
    for object in ["deployment/jarvis-worker", "statefulset/jarvis-redis-master"] {
        let args = ["-n", followed.namespace, "annotate", object, "plimsoll.dev/pause-"];
        assert!(followed.cluster.kubectl(&args).status.success());
    }
    let told = followed.desk.say(&followed.cluster, "admin", &["rollback", "--yes"]);
    told.says(0, &["2 objects brought back"]);
    assert_eq!((followed.workers(), memory_of_redis(&followed).as_str()), (json!(3), "512Mi"));
}

#[test]
fn a_watch_that_no_replica_saw_and_nothing_tells_of_is_said_loudly_and_stays() {
    let test = "a_watch_that_no_replica_saw_and_nothing_tells_of_is_said_loudly";
    if !controllers_available(test) || !real::available(test) {
        return;
    }
    let (followed, metrics) = Followed::quiet("follow-blind");
    let kubelet = Kubelet::of(&followed.cluster, followed.namespace, "");
    let until = left_alone(&followed);
    sleep_until(until);
    // the Prometheus that is there now has nothing of that time
    let other = Metrics::telling([0.001, 0.3]);
    other.wait(&followed.cluster, true);
    let desk = Followed::quiet_desk(followed.namespace, &other);
    let second = followed.start(&desk);
    second.until("it is said", |one| one.said().contains("fared well is not known"));
    second.until("nothing is watched", |one| one.metric("watched_objects") == 0.0);
    drop((kubelet, metrics));
    assert!(second.said().contains("hint: look at it"), "{}", second.said());
    let count = |verb, happened| lines(&desk, verb, happened);
    assert_eq!((followed.workers(), count("Rollback", "Intent")), (json!(2), 0));
    let record = std::fs::read_to_string(desk.path(".plimsoll/audit.jsonl")).unwrap();
    let watched = record.lines().find(|line| line.contains("\"Watched\"")).unwrap();
    assert!(watched.contains("looked back on 0 of"), "{watched}");
}

#[test]
fn clients_that_say_nothing_keep_no_probe_waiting() {
    if !available("clients_that_say_nothing_keep_no_probe_waiting") {
        return;
    }
    let now = Timestamp::now().as_second() / STEP * STEP;
    let berth = Berth::with_file(Cluster::shared(), "loop-slow", now, 9.0);
    let replica = Replica::start(berth.command(&[]));
    // two hundred that never say a whole word, over and over
    let mut idle = Vec::new();
    for round in 0..5 {
        for _ in 0..200 {
            let mut stream = std::net::TcpStream::connect(("127.0.0.1", replica.port)).unwrap();
            let _ = stream.write_all(b"GET /healthz HT");
            idle.push(stream);
        }
        let begun = Instant::now();
        let said = replica.get("/healthz");
        assert!(said.starts_with("HTTP/1.1 200"), "{round}: {said}");
        assert!(begun.elapsed() < Duration::from_secs(1), "{round}: {:?}", begun.elapsed());
    }
}

#[test]
fn a_record_with_a_line_of_somebody_else_s_is_named_and_lowers_nothing() {
    if !available("a_record_with_a_line_of_somebody_else_s_is_named") {
        return;
    }
    let now = Timestamp::now().as_second() / STEP * STEP;
    let berth = Berth::with_file(Cluster::shared(), "loop-garbage", now, 150.0);
    let (args, mut turns) = (berth.args(), Turns::new());
    turns.take(&args, now).unwrap();
    assert_eq!(berth.floor(), 6, "{}", turns.said);
    let record = berth.folder.path().join(".plimsoll/audit.jsonl");
    let whole = std::fs::read_to_string(&record).unwrap();
    std::fs::write(&record, format!("{whole}{{\"not\": \"ours\"}}\n")).unwrap();
    // up as ever, and said once
    turns.take(&args, now).unwrap();
    let high = berth.floor();
    assert!(high > 6, "{}", turns.said);
    let line = format!("line {}, is no line of the record", whole.lines().count() + 1);
    assert!(turns.said.contains(&line) && turns.said.contains("hint: "), "{}", turns.said);
    turns.take(&args, now).unwrap();
    assert!(turns.said.starts_with("held"), "{}", turns.said);
    turns.take(&args, now).unwrap();
    assert_eq!(turns.said, "");
    // and not down
    let later = now + 4 * HOUR;
    berth.write_file(later, 9.0);
    let turned = turns.take(&args, later).unwrap();
    assert_eq!((berth.floor(), turned.taken_back), (high, 0), "{}", turns.said);
    std::fs::write(&record, whole).unwrap();
    turns.take(&args, later).unwrap();
    assert!(berth.floor() < high, "{}", turns.said);
}

#[test]
fn a_floor_whose_note_is_of_a_time_to_come_is_taken_back_after_the_hold_time() {
    if !available("a_floor_whose_note_is_of_a_time_to_come_is_taken_back") {
        return;
    }
    let now = Timestamp::now().as_second() / STEP * STEP;
    let berth = Berth::with_file(Cluster::shared(), "loop-ahead", now, 150.0);
    let (args, mut turns) = (berth.args(), Turns::new());
    // a replica whose clock is a month ahead
    let ahead = now + 30 * DAY;
    berth.write_file(ahead, 150.0);
    turns.take(&args, ahead).unwrap();
    assert_eq!(berth.floor(), 6, "{}", turns.said);
    std::fs::remove_dir_all(berth.folder.path().join("history")).ok();
    // by the others' clock it was raised just now, and is held
    berth.write_file(now + 60, 9.0);
    turns.take(&args, now + 60).unwrap();
    assert_eq!(berth.floor(), 6, "{}", turns.said);
    let later = now + 2 * HOUR;
    berth.write_file(later, 9.0);
    turns.take(&args, later).unwrap();
    assert_eq!(berth.floor(), BASE, "{}", turns.said);
}

#[test]
fn who_loses_the_lease_while_it_watches_goes_on_once_it_has_it_again() {
    if !controllers_available("who_loses_the_lease_while_it_watches_goes_on") {
        return;
    }
    let followed = Followed::at("follow-lost");
    let wire = Wire::to(followed.cluster.port());
    let kubeconfig = wire.kubeconfig(&followed.cluster, followed.desk.path("wire.kubeconfig"));
    let replica = followed.start_by(&followed.desk, &kubeconfig);
    replica.until("it is watched", |one| one.metric("watched_objects") == 1.0);
    wire.cut();
    replica.until("it acts no more", |one| one.metric("leader") == 0.0);
    replica.until("it watches no more", |one| one.metric("watched_objects") == 0.0);
    let kubelet = Kubelet::of(&followed.cluster, followed.namespace, "jarvis-worker");
    // what fails now is not its to take back
    std::thread::sleep(Duration::from_secs(15));
    assert_eq!((followed.workers(), lines(&followed.desk, "Rollback", "Intent")), (json!(4), 0));
    wire.mend();
    replica.until("it is taken back", |one| one.metric("rolled_back_total") == 1.0);
    drop(kubelet);
    assert_eq!(followed.workers(), 3);
    let count = |happened| lines(&followed.desk, "Apply", happened);
    assert_eq!((count("Done"), count("Watching"), count("Watched")), (1, 1, 1));
}
