//! What is applied is watched: a rollout that fails is taken back, and in a Severity 2 what was lowered. On a real API server
//! with its controllers, and a real Prometheus that scrapes an exporter of the test's own; a thread stands in for the kubelet.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, missing_docs)]

#[path = "support/cluster.rs"]
mod cluster;
#[path = "support/fake.rs"]
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

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use cluster::{Cluster, available, controllers_available};
use harbour::{Desk, JARVIS, Told, quiet, told};
use jiff::Timestamp;
use kubelet::{Kubelet, controlled};
use metrics::Metrics;
use plimsoll::history::Signal;
use serde_json::{Value, json};
use wire::Wire;

const HPA: &str = "hpa/front-scaler";
const API: &str = "deployment/jarvis-api";
const WORKER: &str = "deployment/jarvis-worker";
const REDIS: &str = "statefulset/jarvis-redis-master";

/// JARVIS in a namespace.
struct Berth {
    cluster: Arc<Cluster>,
    namespace: &'static str,
    desk: Desk,
}

fn now() -> Timestamp {
    let now = Timestamp::now().as_second();
    Timestamp::from_second(now - now % 300).unwrap()
}

fn as_it_was(_: Signal, value: f64) -> f64 {
    value
}

impl Berth {
    fn of(
        cluster: Arc<Cluster>,
        namespace: &'static str,
        made: impl Fn(Signal, f64) -> f64,
    ) -> Self {
        cluster.namespace(namespace);
        let desk = Desk::with(&[namespace], now(), made);
        desk.edit("version: 1\n", "version: 1\napply: {takeOver: [kubectl-client-side-apply]}\n");
        Self { cluster, namespace, desk }
    }

    /// With controllers, and all pods ready.
    fn run_by_controllers(namespace: &'static str, made: impl Fn(Signal, f64) -> f64) -> Self {
        let berth = Self::of(controlled(), namespace, made);
        kubelet::at_rest(&berth.cluster, namespace);
        berth
    }

    /// Without: the statuses are written by hand, and nothing follows.
    fn by_hand(namespace: &'static str) -> Self {
        let berth = Self::of(Cluster::shared(), namespace, as_it_was);
        berth.cluster.apply(namespace, JARVIS);
        for object in [API, WORKER, REDIS] {
            let live = berth.get(object);
            let count = live["spec"]["replicas"].as_u64().unwrap_or(1);
            let status = json!({"status": {
                "observedGeneration": live["metadata"]["generation"], "replicas": count,
                "updatedReplicas": count, "readyReplicas": count, "availableReplicas": count,
            }});
            let patch = status.to_string();
            berth.kubectl(&["patch", object, "--subresource=status", "--type=merge", "-p", &patch]);
        }
        berth
    }

    fn kubectl(&self, args: &[&str]) -> String {
        let said = self.cluster.kubectl(&[&["-n", self.namespace], args].concat());
        assert!(said.status.success(), "{args:?}: {}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8(said.stdout).unwrap()
    }

    fn get(&self, object: &str) -> Value {
        serde_json::from_str(&self.kubectl(&["get", object, "-o", "json"])).unwrap()
    }

    fn spec(&self, object: &str) -> Value {
        self.get(object)["spec"].clone()
    }

    /// Min, max, workers, Redis, and the memory that the API asks for.
    fn asked(&self) -> Value {
        let (hpa, worker, redis) = (self.spec(HPA), self.spec(WORKER), self.spec(REDIS));
        let resources = |of: &Value| of["template"]["spec"]["containers"][0]["resources"].clone();
        json!([
            hpa["minReplicas"],
            hpa["maxReplicas"],
            worker["replicas"],
            resources(&redis)["limits"]["memory"],
            resources(&self.spec(API))["requests"]["memory"]
        ])
    }

    fn run(&self, args: &[&str]) -> Told {
        self.desk.say(&self.cluster, "admin", args)
    }

    fn start(&self, args: &[&str]) -> Child {
        let kubeconfig = self.cluster.path("admin.kubeconfig");
        let mut command = self.desk.command("admin", &kubeconfig, args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Writes `plan.json` with these settings of these components only.
    fn plan(&self, wanted: &[(&str, &str)]) {
        let told = self.run(&["plan", "-o", "json"]);
        let mut plan: Value = serde_json::from_str(&told.stdout).unwrap();
        let all = plan["services"][0]["recommendations"].as_array_mut().unwrap();
        all.retain(|one| {
            wanted.iter().any(|(component, setting)| {
                one["component"] == *component && one["setting"] == *setting
            })
        });
        plan["skipped"] = json!(0);
        std::fs::write(self.desk.path("plan.json"), plan.to_string()).unwrap();
    }

    fn lines(&self) -> Vec<Value> {
        let text =
            std::fs::read_to_string(self.desk.path(".plimsoll/audit.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn count(&self, verb: &str, happened: &str) -> usize {
        let is = |line: &&Value| line["verb"] == verb && line["happened"] == happened;
        self.lines().iter().filter(is).count()
    }

    fn events(&self) -> String {
        self.kubectl(&["get", "events", "-o", "json"])
    }
}

const YES: [&str; 5] = ["apply", "--yes", "--plan", "plan.json", "--watch"];

fn apply(berth: &Berth, watch: &str) -> Told {
    berth.run(&[&YES[..], &[watch]].concat())
}

#[test]
fn a_rollout_that_crashes_is_taken_back_with_all_of_its_component_and_nothing_else() {
    if !controllers_available("a_rollout_that_crashes_is_taken_back") {
        return;
    }
    let berth = Berth::run_by_controllers("crashing", as_it_was);
    let api = ["minReplicas", "maxReplicas", "memoryRequest"].map(|setting| ("api", setting));
    berth.plan(&[&api[..], &[("worker", "replicas")]].concat());
    let before = berth.asked();
    let kubelet = Kubelet::of(&berth.cluster, berth.namespace, "jarvis-api");
    let told = apply(&berth, "5m");
    drop(kubelet);
    told.says(
        3,
        &[
            "only the rollout is watched",
            "3 objects changed",
            "ROLLOUT_FAILED",
            "is in `CrashLoopBackOff`",
            "watched Deployment/jarvis-worker in crashing: rolled out",
        ],
    );
    // the workers came up, and stay
    assert_eq!(before, json!([3, 5, 3, "512Mi", "256Mi"]));
    assert_eq!(berth.asked(), json!([3, 5, 4, "512Mi", "256Mi"]), "{}", told.stdout);
    assert_eq!(berth.count("Rollback", "Done"), 2);
    let back = berth.lines().into_iter().find(|line| line["verb"] == "Rollback").unwrap();
    assert!(back["said"].to_string().contains("CrashLoopBackOff"), "{back}");
    assert_eq!(back["changes"][0]["reasons"], json!(["ROLLOUT_FAILED"]));
    let events = berth.events();
    assert!(events.contains("CapacityRolledBack") && events.contains("ROLLOUT_FAILED"), "{events}");
    assert_eq!(berth.count("Apply", "Watching"), berth.count("Apply", "Watched"));
    // what is left to take back is what was kept
    berth.run(&["rollback"]).says(0, &["-  replicas: 4", "1 object would be brought back"]);
}

#[test]
fn a_pod_of_a_stateful_set_that_may_not_be_made_again_is_brought_back_as_it_was() {
    if !controllers_available("a_pod_of_a_stateful_set_that_may_not_be_made_again") {
        return;
    }
    let berth = Berth::run_by_controllers("kept-out", as_it_was);
    berth.cluster.apply("kept-out", "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: small}
spec:
  matchConstraints: {resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}]}
  matchConditions: [{name: here, expression: \"request.namespace == 'kept-out'\"}]
  validations: [{expression: \"object.spec.containers.all(one, one.resources.?limits.?memory.orValue('') != '1Gi')\"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: small}
spec: {policyName: small, validationActions: [Deny]}
");
    let large = r#"{"spec": {"containers": [{"name": "a", "image": "a", "resources": {"limits": {"memory": "1Gi"}}}]}}"#;
    let make =
        ["run", "a", "--image=a", "-n", "kept-out", "--dry-run=server", "--overrides", large];
    berth.cluster.wait("a policy in force", || !berth.cluster.kubectl(&make).status.success());
    berth.plan(&[("redis", "memory")]);
    let kubelet = Kubelet::of(&berth.cluster, berth.namespace, "");
    let told = apply(&berth, "40s");
    told.says(
        3,
        &["ROLLOUT_FAILED", "pod `jarvis-redis-master-0` is not there", "+ memory: 512Mi"],
    );
    assert_eq!(berth.asked()[3], "512Mi", "{}", told.stdout);
    berth.cluster.wait("Redis is back", || berth.get(REDIS)["status"]["readyReplicas"] == 1);
    drop(kubelet);
    assert_eq!(berth.count("Rollback", "Done"), 1);
}

#[test]
fn a_rollout_that_comes_up_is_watched_and_stays() {
    if !controllers_available("a_rollout_that_comes_up_is_watched_and_stays") {
        return;
    }
    let berth = Berth::run_by_controllers("sound", as_it_was);
    berth.plan(&[("api", "memoryRequest"), ("worker", "replicas")]);
    let kubelet = Kubelet::of(&berth.cluster, berth.namespace, "");
    let told = apply(&berth, "10m");
    drop(kubelet);
    told.says(0, &["2 objects changed", "watched Deployment/jarvis-api in sound: rolled out"]);
    assert_eq!(berth.asked(), json!([3, 5, 4, "512Mi", "352Mi"]));
    assert_eq!((berth.count("Apply", "Watching"), berth.count("Apply", "Watched")), (2, 2));
}

#[test]
fn in_a_severity_2_what_was_raised_stays_and_is_said() {
    if !controllers_available("in_a_severity_2_what_was_raised_stays_and_is_said")
        || !real::available("in_a_severity_2_what_was_raised_stays_and_is_said")
    {
        return;
    }
    let berth = Berth::run_by_controllers("burning", as_it_was);
    let metrics = Metrics::telling([0.2, 0.3]);
    metrics.of(&berth.desk);
    metrics.wait(&berth.cluster, true);
    berth.plan(&[("api", "minReplicas"), ("api", "maxReplicas"), ("worker", "replicas")]);
    let kubelet = Kubelet::of(&berth.cluster, berth.namespace, "");
    let told = apply(&berth, "30s");
    drop(kubelet);
    told.says(
        3,
        &[
            "SEVERITY2 Severity 2: 20% of requests fail (5% is a Severity 2), P99 is 0.30 s",
            "kept HorizontalPodAutoscaler/front-scaler in burning minReplicas 5: it was raised",
            "kept Deployment/jarvis-worker in burning replicas 4",
        ],
    );
    assert_eq!(berth.asked(), json!([5, 10, 4, "512Mi", "256Mi"]), "{}", told.stdout);
    assert_eq!(berth.count("Rollback", "Done"), 0);
    // by a person's word it is
    berth.run(&["rollback"]).says(0, &["2 objects would be brought back"]);
}

#[test]
fn in_a_severity_2_what_was_lowered_is_raised_again() {
    if !controllers_available("in_a_severity_2_what_was_lowered_is_raised_again")
        || !real::available("in_a_severity_2_what_was_lowered_is_raised_again")
    {
        return;
    }
    let berth = Berth::run_by_controllers("lowered", quiet);
    berth.desk.has_a_worker_too_many("lowered", now());
    let metrics = Metrics::telling([0.001, 6.0]);
    metrics.of(&berth.desk);
    metrics.wait(&berth.cluster, true);
    berth.plan(&[("worker", "replicas")]);
    let kubelet = Kubelet::of(&berth.cluster, berth.namespace, "");
    let told = apply(&berth, "30s");
    drop(kubelet);
    told.says(
        3,
        &["-  replicas: 3", "+  replicas: 2", "SEVERITY2", "P99 is 6.00 s", "+  replicas: 3"],
    );
    assert_eq!(berth.spec(WORKER)["replicas"], 3, "{}", told.stdout);
    let back = berth.lines().into_iter().rfind(|line| line["verb"] == "Rollback").unwrap();
    assert_eq!((&back["happened"], &back["changes"][0]["to"]), (&json!("Done"), &json!(3)));
    assert!(back["said"].to_string().contains("P99 is 6.00 s"), "{back}");
    // and is left alone for a while
    berth.run(&["apply"]).says(3, &["COOLDOWN"]);
}

#[test]
fn objectives_that_are_not_told_are_said_and_are_no_severity_2() {
    if !controllers_available("objectives_that_are_not_told_are_said_and_are_no_severity_2")
        || !real::available("objectives_that_are_not_told_are_said_and_are_no_severity_2")
    {
        return;
    }
    let berth = Berth::run_by_controllers("blind", as_it_was);
    // it was slow when it was last seen
    let metrics = Metrics::telling([0.3, 9.0]);
    metrics.of(&berth.desk);
    metrics.wait(&berth.cluster, true);
    *metrics.tells.lock().unwrap() = None;
    metrics.wait(&berth.cluster, false);
    berth.plan(&[("worker", "replicas")]);
    let kubelet = Kubelet::of(&berth.cluster, berth.namespace, "");
    let told = apply(&berth, "1m");
    drop(kubelet);
    told.says(0, &["the error rate is not known: no samples, P99 is not known: no samples"]);
    assert!(!told.stdout.contains("SEVERITY2"), "{}", told.stdout);
    assert_eq!(berth.spec(WORKER)["replicas"], 4);
}

#[test]
fn a_watch_that_is_stopped_leaves_what_is_applied_and_one_that_is_killed_is_seen_by_the_next_run() {
    if !available("a_watch_that_is_stopped_leaves_what_is_applied") {
        return;
    }
    for (namespace, signal) in [("stopped", "-INT"), ("ended", "-TERM"), ("killed", "-KILL")] {
        let berth = Berth::by_hand(namespace);
        berth.plan(&[("worker", "replicas")]);
        let child = berth.start(&[&YES[..], &["10m"]].concat());
        berth.cluster.wait("a watch", || {
            berth.desk.path(".plimsoll/audit.jsonl").exists()
                && berth.count("Apply", "Watching") == 1
        });
        let sent = Command::new("kill").args([signal, &child.id().to_string()]).status();
        assert!(sent.unwrap().success());
        let told = told(child.wait_with_output().unwrap());
        assert_eq!(berth.spec(WORKER)["replicas"], 4);
        let next = berth.run(&["apply"]);
        let seen = next.stderr.contains("ended while it watched Deployment/jarvis-worker");
        if signal == "-KILL" {
            assert!(seen, "{}", next.stderr);
            // it is said until somebody acts, and the record is whole
            let told = berth.run(&["rollback", "--yes"]);
            told.says(0, &["ended while it watched", "1 object brought back"]);
            let next = berth.run(&["rollback", "--yes"]);
            assert!(!next.stderr.contains("ended while it watched"), "{}", next.stderr);
        } else {
            told.says(3, &["1 object changed", "stopped: what was applied stays"]);
            assert!(!seen, "{}", next.stderr);
        }
        assert_eq!(berth.count("Apply", "Watched"), 1);
    }
}

#[test]
fn a_cluster_that_is_lost_while_a_change_is_taken_back_leaves_the_watch_to_the_next_run() {
    if !available("a_cluster_that_is_lost_while_a_change_is_taken_back") {
        return;
    }
    let berth = Berth::by_hand("lost-back");
    berth.plan(&[("worker", "replicas")]);
    let wire = Wire::to(berth.cluster.port());
    let file = wire.kubeconfig(&berth.cluster, berth.desk.path("slow.kubeconfig"));
    let mut command = berth.desk.command("admin", &file, &[&YES[..], &["2m"]].concat());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    berth.cluster.wait("a watch", || berth.count("Apply", "Watching") == 1);
    let late = json!({"status": {"conditions": [{"type": "Progressing", "status": "False",
        "reason": "ProgressDeadlineExceeded", "message": "late"}]}});
    let late = late.to_string();
    berth.kubectl(&["patch", WORKER, "--subresource=status", "--type=merge", "-p", &late]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("ROLLOUT_FAILED")));
    wire.cut();
    let ended = told(child.wait_with_output().unwrap());
    ended.says(1, &["error: the cluster cannot be reached"]);
    assert_eq!(
        (berth.spec(WORKER)["replicas"].clone(), berth.count("Rollback", "Done")),
        (json!(4), 0)
    );
    assert_eq!(berth.count("Apply", "Watched"), 0);

    let next = berth.run(&["rollback", "--yes"]);
    next.says(0, &["ended while it watched Deployment/jarvis-worker", "1 object brought back"]);
    assert_eq!(berth.spec(WORKER)["replicas"], 3);
    assert_eq!(berth.count("Apply", "Watched"), 1);
}
