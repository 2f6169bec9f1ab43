//! The real binary writes to a real API server: where it may, and nowhere else. After every refusal the object is the
//! very same, by its `resourceVersion`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, missing_docs)]

#[path = "support/cluster.rs"]
mod cluster;
#[path = "support/harbour.rs"]
mod harbour;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use cluster::{Cluster, available, controllers_available, operators_available};
use harbour::{AT_LEISURE, Desk, JARVIS, Told};
use jiff::{SignedDuration, Timestamp};
use plimsoll::history::Signal;
use serde_json::{Value, json};

const HPA: &str = "hpa/front-scaler";
const API: &str = "deployment/jarvis-api";
const WORKER: &str = "deployment/jarvis-worker";
const REDIS: &str = "statefulset/jarvis-redis-master";
const OBJECTS: [&str; 4] = [HPA, API, WORKER, REDIS];

/// A namespace with JARVIS at rest in it, and a desk whose history ends now.
struct Berth {
    cluster: Arc<Cluster>,
    namespace: &'static str,
    desk: Desk,
}

impl Berth {
    /// Everything that was made with `kubectl apply` may be taken over.
    fn at(namespace: &'static str) -> Self {
        let berth = Self::of(Cluster::shared(), namespace, |_, value| value);
        berth.take_over("kubectl-client-side-apply");
        berth
    }

    fn of(
        cluster: Arc<Cluster>,
        namespace: &'static str,
        made: impl Fn(Signal, f64) -> f64,
    ) -> Self {
        cluster.apply(namespace, JARVIS);
        let desk = Desk::with(&[namespace], now(), made);
        let berth = Self { cluster, namespace, desk };
        berth.at_rest();
        berth
    }

    fn take_over(&self, manager: &str) {
        // most have no controllers, and would watch for what never comes
        let with = format!("version: 1\napply: {{watch: 0, takeOver: [{manager}]}}\n");
        self.desk.edit("version: 1\n", &with);
    }

    fn take_over_also(&self, manager: &str) {
        self.desk.edit("takeOver: [", &format!("takeOver: [{manager}, "));
    }

    /// What the loop does to the autoscaler: what we own already, the floor, and its note.
    fn hold_floor(&self, base: u32, floor: u32) {
        let mut notes = self.get(HPA)["metadata"]["annotations"].clone();
        let note = json!({"base": base, "set": floor, "at": Timestamp::now()}).to_string();
        notes["plimsoll.dev/floor"] = json!(note);
        notes.as_object_mut().unwrap().retain(|key, _| key.starts_with("plimsoll.dev/"));
        // `kubectl` gives a manager also what it applied itself: the whole of it is said
        let mut raised = json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "front-scaler", "annotations": notes}, "spec": self.spec(HPA),
        });
        raised["spec"]["minReplicas"] = json!(floor);
        self.cluster.apply_as(self.namespace, "plimsoll", &raised.to_string());
    }

    fn kubectl(&self, args: &[&str]) -> String {
        let said = self.cluster.kubectl(&[&["-n", self.namespace], args].concat());
        assert!(said.status.success(), "{args:?}: {}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8(said.stdout).unwrap()
    }

    /// No controller runs here: its work is done by hand.
    fn at_rest(&self) {
        for object in [API, WORKER, REDIS] {
            let live = self.get(object);
            let count = live["spec"]["replicas"].as_u64().unwrap_or(1);
            let status = json!({"status": {
                "observedGeneration": live["metadata"]["generation"], "replicas": count,
                "updatedReplicas": count, "readyReplicas": count, "availableReplicas": count,
            }});
            self.status(object, &status);
        }
    }

    /// Marks pods ready, for no kubelet does it, until the controllers say that nothing is in progress.
    fn wait_at_rest(&self) {
        let ready = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
        let ready = ready.to_string();
        self.cluster.wait("controllers at rest", || {
            let pods = self.kubectl(&["get", "pods", "-o", "name"]);
            for pod in pods.lines() {
                // one that ends meanwhile is nobody's loss
                let args = [
                    "patch",
                    pod,
                    "-n",
                    self.namespace,
                    "--subresource=status",
                    "--type=merge",
                    "-p",
                    &ready,
                ];
                self.cluster.kubectl(&args);
            }
            [API, WORKER, REDIS].iter().all(|object| {
                let live = self.get(object);
                let (spec, status) = (&live["spec"], &live["status"]);
                status["observedGeneration"] == live["metadata"]["generation"]
                    && status["updatedReplicas"] == spec["replicas"]
                    && status["readyReplicas"] == spec["replicas"]
                    && status["replicas"] == spec["replicas"]
            })
        });
    }

    fn status(&self, object: &str, status: &Value) {
        let patch = status.to_string();
        self.kubectl(&["patch", object, "--subresource=status", "--type=merge", "-p", &patch]);
    }

    fn patch(&self, object: &str, patch: &Value) {
        self.kubectl(&["patch", object, "--type=merge", "-p", &patch.to_string()]);
    }

    fn get(&self, object: &str) -> Value {
        serde_json::from_str(&self.kubectl(&["get", object, "--show-managed-fields", "-o", "json"]))
            .unwrap()
    }

    fn spec(&self, object: &str) -> Value {
        self.get(object)["spec"].clone()
    }

    /// What is asked for everywhere: min, max, workers, Redis.
    fn asked(&self) -> Value {
        let (hpa, worker, redis) = (self.spec(HPA), self.spec(WORKER), self.spec(REDIS));
        let limits = &redis["template"]["spec"]["containers"][0]["resources"]["limits"];
        json!([hpa["minReplicas"], hpa["maxReplicas"], worker["replicas"], limits["memory"]])
    }

    fn versions(&self) -> Vec<Value> {
        OBJECTS.iter().map(|one| self.get(one)["metadata"]["resourceVersion"].clone()).collect()
    }

    fn run(&self, args: &[&str]) -> Told {
        self.run_as("admin", args)
    }

    fn run_as(&self, user: &str, args: &[&str]) -> Told {
        self.desk.say(&self.cluster, user, args)
    }

    /// Writes `plan.json` as it is now.
    fn plan(&self) -> Value {
        let told = self.run(&["plan", "-o", "json"]);
        let plan: Value = serde_json::from_str(&told.stdout).unwrap();
        self.write_plan(&plan);
        plan
    }

    fn write_plan(&self, plan: &Value) {
        std::fs::write(self.desk.path("plan.json"), plan.to_string()).unwrap();
    }

    /// `apply --yes` is refused with this code and these words, by every object that is named so, and changes nothing.
    fn refuses(&self, args: &[&str], words: &[&str]) -> Told {
        let before = self.versions();
        let told = self.run(&[&["apply", "--yes"], args].concat());
        told.says(3, words);
        assert_eq!(self.versions(), before, "{}{}", told.stdout, told.stderr);
        told
    }

    fn audit(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.desk.path(".plimsoll/audit.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn happened(&self) -> Vec<String> {
        let one = |line: &Value| {
            format!("{} {}", line["happened"].as_str().unwrap(), line["object"].as_str().unwrap())
        };
        self.audit().iter().map(one).collect()
    }
}

fn now() -> Timestamp {
    let now = Timestamp::now().as_second();
    Timestamp::from_second(now - now % 300).unwrap()
}

fn ago(minutes: i64) -> String {
    (Timestamp::now() - SignedDuration::from_mins(minutes)).to_string()
}

const BEFORE: fn() -> Value = || json!([3, 5, 3, "512Mi"]);

#[test]
fn apply_changes_what_is_advised_and_nothing_else_and_twice_is_once() {
    if !available("apply_changes_what_is_advised_and_nothing_else") {
        return;
    }
    let berth = Berth::at("applied");
    let (before, specs) = (berth.versions(), OBJECTS.map(|one| berth.spec(one)));
    // a dry run shows it, and does nothing
    let told = berth.run(&["apply"]);
    told.says(3, &["-  minReplicas: 3", "+  minReplicas: 5", "would change", "a dry run: `--yes`"]);
    assert_eq!((berth.versions(), berth.asked()), (before, BEFORE()));
    assert!(!berth.desk.path(".plimsoll/audit.jsonl").exists());
    let told = berth.run(&["apply", "--yes"]);
    told.says(3, &["+  minReplicas: 5", "4 objects changed"]);
    let after = berth.asked();
    assert_eq!(after, json!([5, 10, 4, "1Gi"]), "{}{}", told.stdout, told.stderr);
    // and nothing else
    let mut expected = specs;
    let server = &mut expected[1]["template"]["spec"]["containers"][0];
    server["resources"]["requests"]["memory"] = json!("352Mi");
    expected[0]["minReplicas"] = json!(5);
    expected[0]["maxReplicas"] = json!(10);
    expected[2]["replicas"] = json!(4);
    expected[3]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"] =
        json!("1Gi");
    assert_eq!(OBJECTS.map(|one| berth.spec(one)), expected);
    // who, when, what from, what to, why, which guards
    let lines = berth.audit();
    assert_eq!(lines.len(), 9);
    assert_eq!(lines[0]["happened"], "Intent");
    assert_eq!(lines[1]["happened"], "Done");
    assert_eq!(lines[1]["changes"][0]["from"], 5);
    assert_eq!(lines[1]["changes"][0]["to"], 10);
    assert_eq!(lines[1]["changes"][0]["tookOver"], json!(["kubectl-client-side-apply"]));
    assert!(lines[1]["who"].as_str().unwrap().starts_with("admin"));
    assert_eq!(lines[1]["guards"].as_array().unwrap().len(), 20);
    assert_eq!((&lines[8]["happened"], &lines[8]["object"]), (&json!("Ended"), &json!("")));
    let events = berth.kubectl(&["get", "events", "-o", "json"]);
    let events: Value = serde_json::from_str(&events).unwrap();
    assert_eq!(events["items"].as_array().unwrap().len(), 4);
    assert!(events.to_string().contains("minReplicas 3 -> 5 (TIER_ROW"), "{events}");
    // twice is once
    berth.at_rest();
    let before = berth.versions();
    let told = berth.run(&["apply", "--yes"]);
    told.says(3, &["nothing changed"]);
    assert_eq!((berth.versions(), berth.audit().len()), (before, 9), "{}", told.stdout);
}

/// The recommendation on a setting of a plan.
fn of<'a>(plan: &'a mut Value, component: &str, setting: &str) -> &'a mut Value {
    let all = plan["services"][0]["recommendations"].as_array_mut().unwrap();
    let wanted = |one: &&mut Value| one["component"] == component && one["setting"] == setting;
    all.iter_mut().find(wanted).unwrap()
}

/// A plan in which somebody wrote a target of their own.
fn forged(plan: &Value, component: &str, setting: &str, action: &str, target: Value) -> Value {
    let mut plan = plan.clone();
    let one = of(&mut plan, component, setting);
    one["action"] = json!(action);
    one["target"] = target;
    plan
}

/// The same plan with nothing in it but one setting.
fn only(mut plan: Value, component: &str, settings: &[&str]) -> Value {
    let all = plan["services"][0]["recommendations"].as_array_mut().unwrap();
    all.retain(|one| {
        one["component"] == component && settings.iter().any(|setting| one["setting"] == *setting)
    });
    plan["skipped"] = json!(0);
    plan
}

const FROM_FILE: [&str; 2] = ["--plan", "plan.json"];

#[test]
fn a_plan_is_refused_when_it_is_old_to_come_or_of_other_settings() {
    if !available("a_plan_is_refused_when_it_is_old_to_come_or_of_other_settings") {
        return;
    }
    let berth = Berth::at("aged");
    let plan = berth.plan();
    for (at, words) in [(ago(61), "old, 1h is allowed"), (ago(-10), "which is yet to come")] {
        let mut aged = plan.clone();
        aged["at"] = json!(at);
        berth.write_plan(&aged);
        berth.refuses(&FROM_FILE, &["PLAN_AGE", words]);
    }
}

#[test]
fn case_63_a_plan_of_other_settings_is_refused() {
    if !available("case_63_a_plan_of_other_settings_is_refused") {
        return;
    }
    let berth = Berth::at("changed");
    berth.plan();
    berth.desk.edit("worker: 3-5", "worker: 3-6");
    berth.refuses(&FROM_FILE, &["SETTINGS", "the plan was made with settings"]);
}

#[test]
fn case_79_a_freeze_or_a_kill_switch_stops_everything() {
    if !available("case_79_a_freeze_or_a_kill_switch_stops_everything") {
        return;
    }
    let berth = Berth::at("frozen");
    // on what the HPA scales: its own object is let through by nothing else
    let pause = json!({"metadata": {"annotations": {"plimsoll.dev/pause": "true"}}});
    let free = json!({"metadata": {"annotations": {"plimsoll.dev/pause": null}}});
    for (object, what) in [(HPA, "the object"), (API, "what it scales")] {
        berth.patch(object, &pause);
        let told = berth.run(&["apply"]);
        told.says(3, &[&format!("PAUSED the kill switch is set on {what}")]);
        assert!(!told.stdout.contains("+  minReplicas"), "{}", told.stdout);
        berth.patch(object, &free);
        berth.at_rest();
    }
    let on = |value| {
        let made = format!("plimsoll.dev/pause{value}");
        let said =
            berth.cluster.kubectl(&["annotate", "--overwrite", "namespace", "frozen", &made]);
        assert!(said.status.success());
    };
    on("=yes");
    berth.refuses(&[], &["PAUSED", "the kill switch is set on its namespace"]);
    on("-");
    let (from, to) = (ago(60), ago(-60));
    let window = format!(
        "policy: {{freeze: [{{name: year's end, from: \"{from}\", to: \"{to}\"}}]}}\nservices:"
    );
    berth.desk.edit("services:", &window);
    berth.refuses(&[], &["FREEZE changes are frozen: year's end"]);
}

#[test]
fn within_the_cool_down_an_object_is_left_alone() {
    if !available("within_the_cool_down_an_object_is_left_alone") {
        return;
    }
    let berth = Berth::at("cooling");
    berth.run(&["apply", "--yes"]).says(3, &["4 objects changed"]);
    // somebody puts it back: we do not quarrel
    berth.patch(HPA, &json!({"spec": {"minReplicas": 3}}));
    berth.at_rest();
    berth.take_over_also("kubectl-patch");
    berth.refuses(&[], &["COOLDOWN it was changed by us at", "left alone for 30m"]);
    // also where the record is lost, and where the note on the object is
    std::fs::remove_file(berth.desk.path(".plimsoll/audit.jsonl")).unwrap();
    berth.refuses(&[], &["COOLDOWN"]);
    berth.patch(HPA, &json!({"metadata": {"annotations": {"plimsoll.dev/applied-at": "soon"}}}));
    berth.refuses(&[], &["COOLDOWN", "is no time"]);
}

#[test]
fn case_65_an_object_that_is_gone_since_the_plan_is_not_made_again() {
    if !available("case_65_an_object_that_is_gone_since_the_plan_is_not_made_again") {
        return;
    }
    let berth = Berth::at("vanished");
    let plan = only(berth.plan(), "worker", &["replicas"]);
    berth.write_plan(&plan);
    berth.patch(WORKER, &json!({"metadata": {"finalizers": ["example.com/held"]}}));
    berth.kubectl(&["delete", WORKER, "--wait=false"]);
    let told = berth.run(&["apply", "--yes", "--plan", "plan.json"]);
    told.says(3, &["GONE it is being deleted"]);
    berth.patch(WORKER, &json!({"metadata": {"finalizers": null}}));
    let told = berth.run(&["apply", "--yes", "--plan", "plan.json"]);
    told.says(3, &["GONE it is not there any more"]);
    assert!(!berth.kubectl(&["get", "deployments", "-o", "name"]).contains("worker"));
}

#[test]
fn case_74_what_a_person_edited_since_the_plan_is_not_overwritten() {
    if !available("case_74_what_a_person_edited_since_the_plan_is_not_overwritten") {
        return;
    }
    let berth = Berth::at("edited");
    berth.take_over_also("kubectl-patch");
    let plan = berth.plan();
    // the value itself
    let worker = only(plan.clone(), "worker", &["replicas"]);
    berth.write_plan(&worker);
    berth.patch(WORKER, &json!({"spec": {"replicas": 5}}));
    berth.at_rest();
    berth.refuses(&FROM_FILE, &["LIVE_CHANGED `spec.replicas` is 5, the plan saw 3"]);
    // something else of the object
    berth.write_plan(&only(plan.clone(), "api", &["minReplicas", "maxReplicas"]));
    let slow = json!({"spec": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 900}}}});
    berth.patch(HPA, &slow);
    berth.refuses(&FROM_FILE, &["LIVE_CHANGED its `spec` was changed since the plan"]);
    // another object of the same name
    berth.write_plan(&only(plan.clone(), "redis", &["memory"]));
    berth.kubectl(&["delete", REDIS]);
    berth.cluster.apply("edited", JARVIS);
    berth.at_rest();
    berth.refuses(&FROM_FILE, &["LIVE_CHANGED it was deleted and made again since the plan"]);
    // a plan that saw no cluster
    let mut blind = berth.plan();
    blind["services"][0].as_object_mut().unwrap().remove("objects");
    berth.write_plan(&blind);
    berth.refuses(&FROM_FILE, &["LIVE_CHANGED the plan did not see this object"]);
}

#[test]
fn a_status_that_moved_is_no_edit() {
    if !available("a_status_that_moved_is_no_edit") {
        return;
    }
    let berth = Berth::at("moved");
    berth.plan();
    berth.status(HPA, &json!({"status": {"currentReplicas": 4, "desiredReplicas": 4}}));
    berth.status(WORKER, &json!({"status": {"collisionCount": 1}}));
    let told = berth.run(&["apply", "--yes", "--plan", "plan.json"]);
    told.says(3, &["4 objects changed"]);
    assert_eq!(berth.asked(), json!([5, 10, 4, "1Gi"]));
}

#[test]
fn a_floor_that_the_loop_moved_since_the_plan_is_no_edit() {
    if !available("a_floor_that_the_loop_moved_since_the_plan_is_no_edit") {
        return;
    }
    let berth = Berth::at("floor-moved");
    berth.plan();
    berth.hold_floor(3, 4);
    berth.run(&["apply", "--plan", "plan.json"]).says(3, &["4 objects would change"]);
    // nor is one that it moved again after a plan that saw one
    berth.plan();
    berth.hold_floor(3, 5);
    berth.run(&["apply", "--yes", "--plan", "plan.json"]).says(3, &["4 objects changed"]);
    assert_eq!(berth.asked(), json!([5, 10, 4, "1Gi"]));
}

#[test]
fn a_field_of_another_manager_is_refused_by_name_until_a_person_names_it() {
    if !available("a_field_of_another_manager_is_refused_by_name_until_a_person_names_it") {
        return;
    }
    let berth = Berth::of(Cluster::shared(), "owned", |_, value| value);
    berth.refuses(
        &[],
        &[
            "OWNED `spec.maxReplicas` belongs to `kubectl-client-side-apply`",
            "for a pull request, or `apply: {takeOver: [kubectl-client-side-apply]}`",
        ],
    );
    berth.take_over("kubectl-client-side-apply");
    // helm owns one field more, and is not named
    berth.cluster.apply_as("owned", "helm", "
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: front-scaler, annotations: {meta.helm.sh/release-name: jarvis}}
spec: {minReplicas: 3, maxReplicas: 5, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: jarvis-api}}
");
    let before = berth.get(HPA);
    let told = berth.run(&["apply", "--yes"]);
    told.says(3, &["OWNED `spec.maxReplicas` belongs to `helm`, and Helm release `jarvis` keeps"]);
    assert_eq!(berth.get(HPA), before);
    // by a person's word only the advised fields are taken
    berth.take_over_also("helm");
    berth.at_rest();
    berth.run(&["apply", "--yes"]).says(3, &["taken `spec.maxReplicas` from"]);
    let hpa = berth.get(HPA);
    let owner = |name: &str| {
        let entries = hpa["metadata"]["managedFields"].as_array().unwrap();
        entries.iter().find(|one| one["manager"] == name).unwrap()["fieldsV1"].clone()
    };
    assert_eq!(owner("plimsoll")["f:spec"], json!({"f:maxReplicas": {}, "f:minReplicas": {}}));
    assert!(owner("helm")["f:spec"]["f:scaleTargetRef"].is_object());
    assert_eq!(owner("helm")["f:spec"]["f:minReplicas"], Value::Null);
    let taken = berth
        .audit()
        .into_iter()
        .filter(|line| line["changes"][0]["tookOver"].to_string().contains("helm"));
    assert_eq!(taken.count(), 2);
}

#[test]
fn what_we_applied_before_stays_when_the_next_change_is_another() {
    if !available("what_we_applied_before_stays_when_the_next_change_is_another") {
        return;
    }
    let berth = Berth::at("kept");
    let plan = berth.plan();
    berth.write_plan(&only(plan.clone(), "api", &["minReplicas"]));
    berth.run(&["apply", "--yes", "--plan", "plan.json"]).says(0, &["1 object changed"]);
    assert_eq!(berth.asked(), json!([5, 5, 3, "512Mi"]));
    // long ago: whose patch says so must be named, since its note is taken with the field
    berth.take_over_also("kubectl-patch");
    std::fs::remove_file(berth.desk.path(".plimsoll/audit.jsonl")).unwrap();
    let long_ago = json!({"metadata": {"annotations": {"plimsoll.dev/applied-at": ago(60)}}});
    berth.patch(HPA, &long_ago);
    let plan = only(berth.plan(), "api", &["maxReplicas"]);
    berth.write_plan(&plan);
    let told = berth.run(&["apply", "--yes", "--plan", "plan.json"]);
    // `minReplicas` is ours alone: left out of what is sent, it would have fallen to 1
    assert_eq!(berth.asked(), json!([5, 10, 3, "512Mi"]), "{}{}", told.stdout, told.stderr);
}

#[test]
fn case_66_an_autoscaler_that_sleeps_or_belongs_to_somebody_is_left_and_a_count_beside_one_never_set()
 {
    if !available("case_66_an_autoscaler_that_sleeps_or_belongs_to_somebody") {
        return;
    }
    let berth = Berth::at("scalers");
    let plan = berth.plan();
    let worker = only(plan.clone(), "worker", &["replicas"]);
    // an HPA came since the plan: the count is its own now
    berth.write_plan(&worker);
    berth.kubectl(&["autoscale", WORKER, "--min=2", "--max=9"]);
    berth.refuses(
        &FROM_FILE,
        &["SCALER who scales the component is not known, or not what the plan saw"],
    );
    berth.kubectl(&["delete", "hpa/jarvis-worker"]);
    // asleep
    berth.write_plan(&only(plan.clone(), "api", &["minReplicas", "maxReplicas"]));
    berth.kubectl(&["scale", API, "--replicas=0"]);
    berth.at_rest();
    berth.refuses(&FROM_FILE, &["SCALER it is scaled to zero"]);
    berth.kubectl(&["scale", API, "--replicas=4"]);
    berth.at_rest();
    berth.status(HPA, &json!({"status": {"currentReplicas": 0, "desiredReplicas": 0, "conditions": [
        {"type": "ScalingActive", "status": "False", "reason": "ScalingDisabled", "lastTransitionTime": ago(5)}]}}));
    berth.refuses(&FROM_FILE, &["SCALER it is paused: `ScalingActive` is `False`"]);
    // somebody else's
    let uid = berth.get(API)["metadata"]["uid"].clone();
    let owner =
        json!([{"apiVersion": "example.com/v1", "kind": "Tortoise", "name": "slow", "uid": uid}]);
    berth.patch(HPA, &json!({"metadata": {"ownerReferences": owner}}));
    berth.refuses(&FROM_FILE, &["SCALER it belongs to `Tortoise/slow`"]);
}

#[test]
fn case_66_a_scaled_object_is_bounded_on_its_own_and_a_vpa_keeps_its_sizes() {
    let test = "case_66_a_scaled_object_is_bounded_on_its_own_and_a_vpa_keeps_its_sizes";
    if !operators_available(test, &[]) {
        return;
    }
    let cluster = Arc::new(Cluster::start());
    cluster.operators();
    cluster.namespace("keda");
    cluster.apply("keda", include_str!("manifests/scaled.yaml"));
    let berth = Berth::of(cluster, "keda", |_, value| value);
    berth.take_over("kubectl-client-side-apply, kubectl-patch");
    let scaled = "scaledobject/by-queue";
    let before = berth.get(scaled);
    let told = berth.run(&["apply", "--yes"]);
    told.says(
        3,
        &["SCALER it is paused: `autoscaling.keda.sh/paused", "VPA VPA `right-size` sets its size"],
    );
    assert_eq!(berth.get(scaled), before);
    berth
        .patch(scaled, &json!({"metadata": {"annotations": {"autoscaling.keda.sh/paused": null}}}));
    let told = berth.run(&["apply", "--yes"]);
    let spec = berth.spec(scaled);
    assert_eq!(spec["maxReplicaCount"], 5, "{}{}", told.stdout, told.stderr);
    assert_eq!(spec["scaleTargetRef"]["name"], "jarvis-worker");
    assert_eq!(berth.spec(WORKER)["replicas"], 3);
    // and back
    berth.run(&["rollback", "--yes"]).says(0, &["1 object brought back"]);
    assert_eq!(berth.spec(scaled), before["spec"]);
    // what may scale to nothing is let sleep, as the loop does
    berth.patch(scaled, &json!({"spec": {"minReplicaCount": null}}));
    let sleeps = "a minimum of 0 lets it scale to nothing, and it is let sleep";
    berth.run(&["plan"]).says(3, &["NOT_IN_FORCE", sleeps]);
    let told = berth.run(&["apply"]);
    assert!(!told.stdout.contains("+  minReplicaCount"), "{}", told.stdout);
}

#[test]
fn case_78_a_rollout_in_progress_or_a_crashing_pod_stops_a_change() {
    if !available("case_78_a_rollout_in_progress_or_a_crashing_pod_stops_a_change") {
        return;
    }
    let berth = Berth::at("rolling");
    berth.write_plan(&only(berth.plan(), "api", &["minReplicas", "maxReplicas"]));
    berth.status(API, &json!({"status": {"updatedReplicas": 2}}));
    berth.refuses(&FROM_FILE, &["ROLLOUT a rollout is in progress: 2 of 4 pods"]);
    berth.status(API, &json!({"status": {"updatedReplicas": 4, "observedGeneration": 0}}));
    berth.refuses(&FROM_FILE, &["ROLLOUT"]);
    berth.status(API, &json!({"status": {"observedGeneration": null}}));
    berth.refuses(&FROM_FILE, &["ROLLOUT whether a rollout is in progress cannot be read"]);
    berth.at_rest();
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}});
    berth.cluster.apply("rolling", &account.to_string());
    berth.cluster.apply(
        "rolling",
        "
apiVersion: v1
kind: Pod
metadata: {name: jarvis-api-1, labels: {app: api}}
spec: {automountServiceAccountToken: false, containers: [{name: server, image: example/api}]}
",
    );
    let waiting = json!({"status": {"containerStatuses": [{"name": "server", "image": "example/api", "imageID": "",
        "ready": false, "restartCount": 7, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}});
    berth.status("pod/jarvis-api-1", &waiting);
    berth.refuses(&FROM_FILE, &["PODS pod `jarvis-api-1` is in `CrashLoopBackOff`"]);
    // what starts pods anew waits until all of them are ready
    let plan = only(berth.plan(), "redis", &["memory"]);
    berth.write_plan(&plan);
    berth.status(REDIS, &json!({"status": {"readyReplicas": 0, "availableReplicas": 0}}));
    berth.refuses(&FROM_FILE, &["PODS 0 of 1 pods are ready"]);
}

#[test]
fn in_a_severity_2_counts_are_raised_within_the_cool_down_and_nothing_else_is_touched() {
    if !available("in_a_severity_2_counts_are_raised_within_the_cool_down") {
        return;
    }
    let failing = |signal, value| if signal == Signal::ErrorRate { 0.2 } else { value };
    let berth = Berth::of(Cluster::shared(), "burning", failing);
    berth.take_over("kubectl-client-side-apply, kubectl-patch");
    let just_now = json!({"metadata": {"annotations": {"plimsoll.dev/applied-at": ago(2)}}});
    berth.patch(HPA, &just_now);
    let told = berth.run(&["apply", "--yes"]);
    told.says(3, &["OBJECTIVES", "of requests fail", "only counts are raised while this holds"]);
    assert_eq!(berth.asked(), json!([5, 10, 4, "512Mi"]), "{}{}", told.stdout, told.stderr);
    let api = &berth.spec(API)["template"]["spec"]["containers"][0]["resources"]["requests"];
    assert_eq!(api["memory"], "256Mi");
}

#[test]
fn nothing_is_started_anew_in_an_outage_that_began_just_now_or_has_a_good_sample_or_a_gap_in_it() {
    if !available("nothing_is_started_anew_in_an_outage") {
        return;
    }
    let berth = Berth::at("outage");
    let whole = std::fs::read_to_string(berth.desk.path("history.csv")).unwrap();
    let moments = whole.lines().filter_map(|row| row.split(',').next()?.parse().ok());
    let end: Timestamp = moments.max().unwrap();
    // of the minutes before the end: since when requests fail, when they did not, and when nobody knows
    for (since, well, gap) in [(5, 15, 15), (120, 5, 15), (120, 15, 5), (120, 15, 0)] {
        let rows = whole.lines().filter_map(|row| {
            let (at, rest) = row.split_once(',')?;
            let Ok(at) = at.parse::<Timestamp>() else { return Some(row.to_owned()) };
            let minutes = end.duration_since(at).as_mins();
            if !rest.contains(",errorRate,") || minutes > since || minutes == well {
                return Some(row.to_owned());
            }
            (minutes != gap).then(|| format!("{at},outage,errorRate,0.4"))
        });
        let rows: Vec<String> = rows.collect();
        std::fs::write(berth.desk.path("history.csv"), rows.join("\n") + "\n").unwrap();
        berth.write_plan(&only(berth.plan(), "redis", &["memory"]));
        berth.refuses(&FROM_FILE, &["OBJECTIVES", "the error rate is 40%, 1% is the objective"]);
    }
    let told = berth.run(&["apply", "--yes"]);
    told.says(3, &["OBJECTIVES"]);
    assert_eq!(berth.asked(), json!([5, 10, 4, "512Mi"]), "{}{}", told.stdout, told.stderr);
}

#[test]
fn case_71_a_plan_that_lowers_what_today_s_evidence_does_not_is_refused() {
    if !available("case_71_a_plan_that_lowers_what_today_s_evidence_does_not_is_refused") {
        return;
    }
    let berth = Berth::at("lowered");
    let plan = berth.plan();
    for (component, setting, target) in [
        ("redis", "memory", json!("256Mi")),
        ("worker", "replicas", json!(2)),
        ("api", "minReplicas", json!(2)),
        ("api", "memoryLimit", json!("300Mi")),
    ] {
        let forged = forged(&plan, component, setting, "Lower", target);
        berth.write_plan(&only(forged, component, &[setting]));
        let words = ["EVIDENCE", "what is observed now does not allow it"];
        berth.refuses(&FROM_FILE, &words);
        // whatever it calls itself
        let mut called = forged_as_raise(&berth, component, setting);
        called["skipped"] = json!(0);
        berth.write_plan(&called);
        berth.refuses(&FROM_FILE, &words);
    }
    assert_eq!(berth.asked(), BEFORE());
}

/// The plan on the desk, in which a lowering says that it raises.
fn forged_as_raise(berth: &Berth, component: &str, setting: &str) -> Value {
    let text = std::fs::read_to_string(berth.desk.path("plan.json")).unwrap();
    let mut plan: Value = serde_json::from_str(&text).unwrap();
    of(&mut plan, component, setting)["action"] = json!("Raise");
    plan
}

#[test]
fn case_72_a_volume_is_never_applied() {
    if !available("case_72_a_volume_is_never_applied") {
        return;
    }
    let berth = Berth::at("volumes");
    let mut plan = berth.plan();
    let all = plan["services"][0]["recommendations"].as_array_mut().unwrap();
    all.retain(|one| one["setting"] == "storage");
    all[0]["current"] = json!("50Gi");
    all[0]["target"] = json!("20Gi");
    all[0]["action"] = json!("Lower");
    berth.write_plan(&plan);
    berth.refuses(
        &FROM_FILE,
        &["left PersistentVolumeClaim/data-jarvis-postgresql-0 storage 20Gi: not a field"],
    );
}

#[test]
fn case_73_redis_is_not_lowered_towards_its_maxmemory() {
    if !available("case_73_redis_is_not_lowered_towards_its_maxmemory") {
        return;
    }
    // it uses half a GiB: 512Mi would be below what is in use with its fork
    let used = |signal, value| if signal == Signal::RedisUsed { 540_000_000.0 } else { value };
    let berth = Berth::of(Cluster::shared(), "redis", used);
    berth.take_over("kubectl-client-side-apply, kubectl-patch");
    let limit = json!([{"op": "replace", "value": "1Gi",
        "path": "/spec/template/spec/containers/0/resources/limits/memory"}]);
    berth.kubectl(&["patch", REDIS, "--type=json", "-p", &limit.to_string()]);
    berth.at_rest();
    let plan = forged(&berth.plan(), "redis", "memory", "Lower", json!("512Mi"));
    berth.write_plan(&only(plan, "redis", &["memory"]));
    berth.refuses(&FROM_FILE, &["EVIDENCE"]);
}

#[test]
fn a_request_that_an_autoscaler_counts_by_is_left_to_a_person() {
    if !available("a_request_that_an_autoscaler_counts_by_is_left_to_a_person") {
        return;
    }
    let berth = Berth::at("coupled");
    // at 1,200m the same use is half the share of it: the HPA would end pods
    let plan = forged(&berth.plan(), "api", "cpuRequest", "Raise", json!("1200m"));
    berth.write_plan(&only(plan, "api", &["cpuRequest"]));
    berth.refuses(
        &FROM_FILE,
        &["COUPLED `HorizontalPodAutoscaler/front-scaler` counts pods by 70 % of the request"],
    );
}

#[test]
fn a_size_is_left_alone_where_nobody_knows_whether_the_service_is_well() {
    if !available("a_size_is_left_alone_where_nobody_knows_whether_the_service_is_well") {
        return;
    }
    let unseen = |signal, value| if signal == Signal::P99 { f64::NAN } else { value };
    let berth = Berth::of(Cluster::shared(), "unseen", unseen);
    berth.take_over("kubectl-client-side-apply");
    let told = berth.run(&["apply", "--yes"]);
    told.says(3, &["OBJECTIVES `p99`"]);
    // more replicas harm nobody
    assert_eq!(berth.asked(), json!([5, 10, 4, "512Mi"]), "{}{}", told.stdout, told.stderr);
}

#[test]
fn an_object_that_does_not_tell_its_owners_is_nobody_s_to_take() {
    if !available("an_object_that_does_not_tell_its_owners_is_nobody_s_to_take") {
        return;
    }
    let berth = Berth::at("ownerless");
    let emptied = r#"[{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}]"#;
    berth.kubectl(&["patch", HPA, "--type=json", "-p", emptied]);
    berth.write_plan(&only(berth.plan(), "api", &["minReplicas", "maxReplicas"]));
    berth.refuses(&FROM_FILE, &["OWNED whose its fields are is not told"]);
}

#[test]
fn a_note_of_ours_that_somebody_wrote_over_is_refused_and_said_to_be_theirs() {
    if !available("a_note_of_ours_that_somebody_wrote_over_is_refused") {
        return;
    }
    let berth = Berth::at("noted");
    berth.write_plan(&only(berth.plan(), "api", &["minReplicas", "maxReplicas"]));
    berth.run(&["apply", "--yes", "--plan", "plan.json"]).says(0, &["1 object changed"]);
    std::fs::remove_file(berth.desk.path(".plimsoll/audit.jsonl")).unwrap();
    let old = json!({"metadata": {"annotations": {"plimsoll.dev/applied-at": ago(60)}}});
    berth.patch(HPA, &old);
    // the field is ours alone, so nothing is forced, and the note is not
    let plan = forged(&berth.plan(), "api", "maxReplicas", "Raise", json!(12));
    berth.write_plan(&only(plan, "api", &["maxReplicas"]));
    berth.refuses(
        &FROM_FILE,
        &["SERVER", "conflict with \"kubectl-patch\"", "plimsoll.dev/applied-at"],
    );
}

#[test]
fn no_field_moves_further_than_a_step() {
    if !available("no_field_moves_further_than_a_step") {
        return;
    }
    let berth = Berth::at("stepped");
    let plan = forged(&berth.plan(), "api", "maxReplicas", "Raise", json!(11));
    berth.write_plan(&only(plan, "api", &["maxReplicas"]));
    berth.refuses(
        &FROM_FILE,
        &["STEP `spec.maxReplicas` would move from 5 to 11, further than 2 times"],
    );
}

#[test]
fn case_67_bounds_that_would_cross_are_refused() {
    if !available("case_67_bounds_that_would_cross_are_refused") {
        return;
    }
    let berth = Berth::at("crossed");
    let plan = forged(&berth.plan(), "api", "minReplicas", "Raise", json!(6));
    berth.write_plan(&only(plan, "api", &["minReplicas"]));
    berth.refuses(&FROM_FILE, &["BOUNDS `minReplicas` 6 would be above `maxReplicas` 5"]);
    let plan = forged(&berth.plan(), "worker", "replicas", "Lower", json!(0));
    berth.write_plan(&only(plan, "worker", &["replicas"]));
    berth.refuses(&FROM_FILE, &["BOUNDS `spec.replicas` would be nothing at all"]);
}

#[test]
fn case_70_a_request_above_its_limit_or_another_class_of_service_is_refused() {
    if !available("case_70_a_request_above_its_limit_or_another_class_of_service") {
        return;
    }
    let berth = Berth::at("classes");
    berth.take_over_also("kubectl-patch");
    let plan = forged(&berth.plan(), "api", "memoryRequest", "Raise", json!("513Mi"));
    berth.write_plan(&only(plan, "api", &["memoryRequest"]));
    berth.refuses(&FROM_FILE, &["BOUNDS container `server` would request more than its limit"]);
    // request and limit are one, and only the limit would move
    let same = json!({"cpu": "100m", "memory": "512Mi"});
    let one = json!([{"op": "replace", "path": "/spec/template/spec/containers/0/resources",
        "value": {"limits": same, "requests": same}}]);
    berth.kubectl(&["patch", REDIS, "--type=json", "-p", &one.to_string()]);
    berth.at_rest();
    berth.write_plan(&only(berth.plan(), "redis", &["memory"]));
    berth.refuses(&FROM_FILE, &["BOUNDS its pods would become Burstable from Guaranteed"]);
}

#[test]
fn case_68_a_count_is_not_lowered_to_where_no_node_can_be_drained() {
    if !available("case_68_a_count_is_not_lowered_to_where_no_node_can_be_drained") {
        return;
    }
    let berth = Berth::at("drained");
    berth.cluster.apply(
        "drained",
        "
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: workers}
spec: {minAvailable: 2, selector: {matchLabels: {app: worker}}}
",
    );
    let plan = forged(&berth.plan(), "worker", "replicas", "Lower", json!(2));
    berth.write_plan(&only(plan, "worker", &["replicas"]));
    berth.refuses(&FROM_FILE, &["DISRUPTION budget `workers` wants 2 pods at all times"]);
    // of three pods one may go, of two none: the share is rounded up
    let share = json!({"spec": {"minAvailable": "51%"}});
    berth.patch("poddisruptionbudget/workers", &share);
    berth.refuses(&FROM_FILE, &["DISRUPTION budget `workers` wants 51 % of its pods at all times"]);
    // four run: with at most three of them one would end
    let plan = forged(&berth.plan(), "api", "maxReplicas", "Lower", json!(3));
    berth.write_plan(&only(plan, "api", &["maxReplicas"]));
    berth.refuses(&FROM_FILE, &["DISRUPTION `spec.maxReplicas` 3 would end pods that run now"]);
}

#[test]
fn case_69_what_quota_or_limit_range_have_no_room_for_is_refused() {
    if !available("case_69_what_quota_or_limit_range_have_no_room_for_is_refused") {
        return;
    }
    let berth = Berth::at("full");
    berth.cluster.apply(
        "full",
        "
apiVersion: v1
kind: ResourceQuota
metadata: {name: share}
spec: {hard: {requests.cpu: \"4\", pods: \"20\"}}
---
apiVersion: v1
kind: LimitRange
metadata: {name: sizes}
spec: {limits: [{type: Container, max: {memory: 900Mi}}]}
",
    );
    let counted = json!({"status": {"hard": {"requests.cpu": "4", "pods": "20"},
        "used": {"requests.cpu": "3800m", "pods": "8"}}});
    berth.status("resourcequota/share", &counted);
    berth.write_plan(&berth.plan());
    // a fifth API pod wants 600m, a fourth worker 500m
    let told =
        berth.refuses(&FROM_FILE, &["ROOM quota `share` has no room for that: CPU requests"]);
    told.says(3, &["ROOM container `redis` would be outside of limit range `sizes`"]);
}

#[test]
fn case_69_a_limit_range_of_pods_and_a_quota_of_a_scope_hold_a_size_too() {
    if !available("case_69_a_limit_range_of_pods_and_a_quota_of_a_scope_hold_a_size_too") {
        return;
    }
    let berth = Berth::at("narrow");
    berth.cluster.apply(
        "narrow",
        "
apiVersion: v1
kind: LimitRange
metadata: {name: pods}
spec: {limits: [{type: Pod, max: {memory: 768Mi}}]}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: lasting}
spec: {hard: {limits.memory: 5700Mi}, scopes: [NotTerminating]}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: passing}
spec: {hard: {limits.memory: 1Mi}, scopes: [Terminating]}
",
    );
    let counted = json!({"status": {"hard": {"limits.memory": "5700Mi"}, "used": {"limits.memory": "5632Mi"}}});
    berth.status("resourcequota/lasting", &counted);
    let plan = berth.plan();
    assert!(plan.to_string().contains("redis: its advised size is outside of limit range `pods`"));
    berth.write_plan(&only(plan, "redis", &["memory"]));
    let outside =
        "ROOM its pod, as the sum of all containers, would be outside of limit range `pods`";
    berth.refuses(&FROM_FILE, &[outside]);
    berth.kubectl(&["delete", "limitrange/pods"]);
    berth.write_plan(&only(berth.plan(), "redis", &["memory"]));
    let full = "ROOM quota `lasting` has no room for that: memory limits";
    berth.refuses(&FROM_FILE, &[full]);
    berth.kubectl(&["delete", "quota/lasting"]);
    berth.write_plan(&only(berth.plan(), "redis", &["memory"]));
    berth.run(&["apply", "--plan", "plan.json"]).says(0, &["1 object would change"]);
}

#[test]
fn case_75_what_argo_cd_puts_back_is_not_put_there_again_and_again() {
    if !available("case_75_what_argo_cd_puts_back_is_not_put_there_again_and_again") {
        return;
    }
    let berth = Berth::at("argo");
    let synced = "
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: front-scaler, annotations: {argocd.argoproj.io/tracking-id: \"jarvis:autoscaling/HorizontalPodAutoscaler:argo/front-scaler\"}}
spec: {minReplicas: 3, maxReplicas: 5, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: jarvis-api}}
";
    berth.cluster.apply_as("argo", "argocd-controller", synced);
    berth.write_plan(&only(berth.plan(), "api", &["minReplicas", "maxReplicas"]));
    berth.refuses(
        &FROM_FILE,
        &["OWNED `spec.maxReplicas` belongs to `argocd-controller`, and Argo CD application `jarvis"],
    );
    berth.take_over_also("argocd-controller");
    berth.write_plan(&only(berth.plan(), "api", &["minReplicas", "maxReplicas"]));
    berth.run(&["apply", "--yes", "--plan", "plan.json"]).says(0, &["1 object changed"]);
    assert_eq!(berth.asked(), json!([5, 10, 3, "512Mi"]));
    berth.cluster.apply_as("argo", "argocd-controller", synced);
    berth.write_plan(&only(berth.plan(), "api", &["minReplicas", "maxReplicas"]));
    berth.refuses(&FROM_FILE, &["COOLDOWN it was changed by us at"]);
    assert_eq!(berth.asked(), BEFORE());
}

#[test]
fn a_policy_of_the_cluster_that_says_no_is_named_and_the_other_objects_go_on() {
    if !available("a_policy_of_the_cluster_that_says_no_is_named") {
        return;
    }
    let berth = Berth::at("policed");
    berth.cluster.apply("policed", "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: few-workers}
spec:
  matchConstraints: {resourceRules: [{apiGroups: [apps], apiVersions: [v1], operations: [UPDATE], resources: [deployments]}]}
  matchConditions: [{name: here, expression: \"object.metadata.namespace == 'policed'\"}]
  validations: [{expression: \"object.spec.replicas != 4 || object.metadata.name != 'jarvis-worker'\", message: four is an unlucky number}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: few-workers}
spec: {policyName: few-workers, validationActions: [Deny]}
");
    // it comes into force a little later
    berth.cluster.wait("a policy in force", || {
        let said = berth.cluster.kubectl(&[
            "scale",
            "-n",
            "policed",
            WORKER,
            "--replicas=4",
            "--dry-run=server",
        ]);
        let patched = berth.cluster.kubectl(&[
            "patch",
            "-n",
            "policed",
            WORKER,
            "--dry-run=server",
            "-p",
            r#"{"spec":{"replicas":4}}"#,
        ]);
        !said.status.success() || !patched.status.success()
    });
    let told = berth.run(&["apply", "--yes"]);
    told.says(3, &["SERVER", "four is an unlucky number", "1 refused"]);
    assert_eq!(berth.asked(), json!([5, 10, 3, "1Gi"]), "{}{}", told.stdout, told.stderr);
}

#[test]
fn a_webhook_that_is_down_stops_its_objects_and_no_others() {
    if !available("a_webhook_that_is_down_stops_its_objects_and_no_others") {
        return;
    }
    let berth = Berth::at("hooked");
    harbour::webhook_that_is_down(&berth.cluster, "hooked");
    let told = berth.run(&["apply", "--yes"]);
    let words = ["SERVER", "failed calling webhook", "3 objects changed, 1 refused"];
    told.says(3, &words);
    assert_eq!(berth.asked(), json!([3, 5, 4, "1Gi"]), "{}{}", told.stdout, told.stderr);
    // the run is through: the next one goes on with nothing
    let told = berth.run(&["apply"]);
    assert!(!told.stderr.contains("before it was through"), "{}", told.stderr);
}

#[test]
fn pods_are_said_to_end_only_where_the_server_would_have_it() {
    if !available("pods_are_said_to_end_only_where_the_server_would_have_it") {
        return;
    }
    let berth = Berth::at("hooked-since");
    berth.run(&["apply", "--yes"]).says(3, &["4 objects changed"]);
    harbour::webhook_that_is_down(&berth.cluster, "hooked-since");
    berth.status(API, &json!({"status": {"replicas": 9}}));
    let told = berth.run(&["rollback", "--yes"]);
    told.says(3, &["SERVER", "failed calling webhook", "3 objects brought back, 1 refused"]);
    assert!(!told.stdout.contains("will be ended"), "{}", told.stdout);
}

#[test]
fn a_workload_that_may_not_be_read_is_not_taken_for_gone() {
    if !available("a_workload_that_may_not_be_read_is_not_taken_for_gone") {
        return;
    }
    let berth = Berth::at("half-rights");
    let kinds = "deployments.apps,statefulsets.apps,horizontalpodautoscalers.autoscaling,pods";
    harbour::allow(&berth.cluster, "limited", "half-rights", kinds);
    let role = ["create", "role", "hpas", "-n", "half-rights", "--verb=get,patch"];
    let role = [&role[..], &["--resource", "horizontalpodautoscalers.autoscaling"]].concat();
    let bound = ["create", "rolebinding", "hpas", "-n", "half-rights", "--role", "hpas"];
    let bound = [&bound[..], &["--user", "limited"]].concat();
    for args in [role, bound] {
        assert!(berth.cluster.kubectl(&args).status.success());
    }
    let told = berth.run_as("limited", &["apply"]);
    let hpa = "refused HorizontalPodAutoscaler/front-scaler in half-rights SERVER";
    told.says(3, &[&format!("{hpa} may not get `Deployment/jarvis-api` in namespace")]);
    assert!(!told.stdout.contains("GONE"), "{}", told.stdout);
}

#[test]
fn rollback_brings_back_what_was_there_once_and_overwrites_nobody() {
    if !available("rollback_brings_back_what_was_there_once_and_overwrites_nobody") {
        return;
    }
    let berth = Berth::at("back");
    let specs = || OBJECTS.map(|one| berth.spec(one));
    berth.run(&["rollback", "--yes"]).says(0, &["nothing to bring back"]);
    let before = specs();
    berth.run(&["apply", "--yes"]).says(3, &["4 objects changed"]);
    // a dry run
    berth.status(API, &json!({"status": {"replicas": 9}}));
    let ends = "ends HorizontalPodAutoscaler/front-scaler in back: 9 run now: 4 will be ended";
    let words = ["+  minReplicas: 3", ends, "4 objects would be brought back"];
    berth.run(&["rollback"]).says(0, &words);
    // somebody changed the workers since
    berth.patch(WORKER, &json!({"spec": {"replicas": 7}}));
    let told = berth.run(&["rollback", "--yes"]);
    told.says(
        3,
        &["LIVE_CHANGED `spec.replicas` is 7, we put 4 there", "3 objects brought back, 1 refused"],
    );
    let mut expected = before.clone();
    expected[2]["replicas"] = json!(7);
    assert_eq!(specs(), expected);
    // beside whom a count would be set is asked for a count, and was not for the others
    let back = berth.audit().into_iter().filter(|line| line["happened"] == "Done");
    let back: Vec<Value> = back.filter(|line| line["verb"] == "Rollback").collect();
    assert_eq!(back.len(), 3);
    assert!(back.iter().all(|line| !line["guards"].to_string().contains("SCALER")), "{back:?}");
    // twice is once, and they are done when they are as they were
    berth.patch(WORKER, &json!({"spec": {"replicas": 3}}));
    let versions = berth.versions();
    berth.run(&["rollback", "--yes"]).says(0, &["nothing to bring back"]);
    assert_eq!(berth.versions(), versions);
    assert_eq!(specs(), before);
    // an object of the same name is not the one that was changed
    berth.kubectl(&["delete", WORKER]);
    berth.cluster.apply("back", JARVIS);
    let unchanged = berth.get(WORKER);
    berth
        .run(&["rollback", "--yes"])
        .says(3, &["LIVE_CHANGED it was made again since, or is of another cluster"]);
    assert_eq!(berth.get(WORKER), unchanged);
    // and the next apply does not undo it at once
    berth.at_rest();
    berth.refuses(&[], &["COOLDOWN"]);
}

#[test]
fn rollback_under_a_floor_that_the_loop_raised_brings_all_else_back_and_the_base() {
    if !available("rollback_under_a_floor_that_the_loop_raised") {
        return;
    }
    let berth = Berth::at("back-floor");
    let specs = || OBJECTS.map(|one| berth.spec(one));
    let before = specs();
    berth.run(&["apply", "--yes"]).says(3, &["4 objects changed"]);
    berth.hold_floor(5, 8);
    assert_eq!(berth.spec(HPA)["minReplicas"], 8);
    let told = berth.run(&["rollback", "--yes"]);
    // eight do not fit under the old maximum of five
    told.says(0, &["its base is 3 again", "4 objects brought back"]);
    let mut expected = before;
    let hpa = OBJECTS.iter().position(|one| *one == HPA).unwrap();
    expected[hpa]["minReplicas"] = json!(5);
    assert_eq!(specs(), expected);
    let note = berth.get(HPA)["metadata"]["annotations"]["plimsoll.dev/floor"].clone();
    let note: Value = serde_json::from_str(note.as_str().unwrap()).unwrap();
    assert_eq!((&note["base"], &note["set"]), (&json!(3), &json!(5)));
    berth.run(&["rollback", "--yes"]).says(0, &["nothing to bring back"]);
}

#[test]
fn rollback_of_what_was_applied_over_a_floor_of_the_loop_leaves_the_floor_to_the_loop() {
    if !available("rollback_of_what_was_applied_over_a_floor_of_the_loop") {
        return;
    }
    for (namespace, is_lost) in [("over-floor", false), ("over-floor-lost", true)] {
        let berth = Berth::at(namespace);
        let floor = || {
            let note = &berth.get(HPA)["metadata"]["annotations"]["plimsoll.dev/floor"];
            let note = note.as_str().map(|text| serde_json::from_str::<Value>(text).unwrap());
            let note = note.map(|note| [note["base"].clone(), note["set"].clone()]);
            (berth.spec(HPA)["minReplicas"].clone(), note)
        };
        let held = (json!(4), Some([json!(3), json!(4)]));
        berth.hold_floor(3, 4);
        assert_eq!(floor(), held);
        let before = OBJECTS.map(|one| berth.spec(one));
        berth.run(&["apply", "--yes"]).says(3, &["4 objects changed"]);
        assert_eq!(floor(), (json!(5), None));
        if is_lost {
            std::fs::remove_dir_all(berth.desk.path(".plimsoll")).unwrap();
        }
        let told = berth.run(&["rollback", "--yes"]);
        told.says(0, &["the loop keeps 4", "its base is 3 again", "4 objects brought back"]);
        assert_eq!(OBJECTS.map(|one| berth.spec(one)), before);
        assert_eq!(floor(), held);
        berth.run(&["rollback", "--yes"]).says(0, &["nothing to bring back"]);
    }
}

#[test]
fn what_is_advised_below_a_floor_of_the_loop_is_its_base_and_the_floor_stays() {
    if !available("what_is_advised_below_a_floor_of_the_loop_is_its_base_and_the_floor_stays") {
        return;
    }
    let berth = Berth::at("under-floor");
    berth.take_over_also("kubectl-patch");
    berth.patch(HPA, &json!({"spec": {"maxReplicas": 8}}));
    berth.hold_floor(3, 7);
    let floor = || {
        let note = berth.get(HPA)["metadata"]["annotations"]["plimsoll.dev/floor"].clone();
        let note: Value = serde_json::from_str(note.as_str().unwrap()).unwrap();
        (berth.spec(HPA)["minReplicas"].clone(), note["base"].clone(), note["set"].clone())
    };
    let before = berth.spec(HPA);
    let mut planned = berth.plan();
    let one = of(&mut planned, "api", "minReplicas");
    assert_eq!((&one["current"], &one["target"]), (&json!(3), &json!(5)), "{one}");
    berth.run(&["apply", "--yes"]).says(3, &["4 objects changed"]);
    assert_eq!(floor(), (json!(7), json!(5), json!(7)));
    // it is as advised
    berth.run(&["apply"]).says(3, &["nothing changed"]);
    berth.run(&["rollback", "--yes"]).says(0, &["its base is 3 again", "4 objects brought back"]);
    assert_eq!(berth.spec(HPA), before);
    assert_eq!(floor(), (json!(7), json!(3), json!(7)));
    // whoever takes the loop away takes its floors down
    let words = ["the loop holds 7, its base is 3", "nothing to bring back"];
    berth.run(&["rollback", "--yes"]).says(0, &words);
    berth.run(&["rollback", "--floors"]).says(0, &["+  minReplicas: 3", "a dry run"]);
    assert_eq!(floor(), (json!(7), json!(3), json!(7)));
    berth.run(&["rollback", "--floors", "--yes"]).says(0, &["1 object brought back"]);
    let hpa = berth.get(HPA);
    assert_eq!(hpa["spec"]["minReplicas"], 3);
    assert_eq!(hpa["metadata"]["annotations"]["plimsoll.dev/floor"], Value::Null);
    berth.run(&["rollback", "--floors", "--yes"]).says(0, &["nothing to bring back"]);
}

#[test]
fn rollback_by_a_record_that_is_not_the_last_is_refused() {
    if !available("rollback_by_a_record_that_is_not_the_last_is_refused") {
        return;
    }
    let berth = Berth::at("older-record");
    berth.run(&["apply", "--yes"]).says(3, &["4 objects changed"]);
    // as if this record were of another hour, and a colleague's held the run that the objects know
    let record = berth.desk.path(".plimsoll/audit.jsonl");
    let text = std::fs::read_to_string(&record).unwrap();
    let run = berth.audit()[0]["run"].as_str().unwrap().to_owned();
    std::fs::write(&record, text.replace(&run, "2026-01-01T00:00:00.000Z")).unwrap();
    let versions = berth.versions();
    let later =
        format!("a later run, of {run}, which `.plimsoll/audit.jsonl` does not know, changed");
    let told = berth.run(&["rollback", "--yes"]);
    told.says(1, &[&later, "or move this record away"]);
    assert_eq!(berth.versions(), versions);
    std::fs::remove_file(&record).unwrap();
    berth.run(&["rollback", "--yes"]).says(0, &["4 objects brought back"]);
}

#[test]
fn whoever_stops_reading_stops_no_run() {
    if !available("whoever_stops_reading_stops_no_run") {
        return;
    }
    let berth = Berth::at("unread");
    let unread = |args: &[&str]| {
        let kubeconfig = berth.cluster.path("admin.kubeconfig");
        let mut command = berth.desk.command("admin", &kubeconfig, args);
        let mut child = command
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let told = child.wait_with_output().unwrap();
        (told.status.code(), String::from_utf8(told.stderr).unwrap())
    };
    let (code, said) = unread(&["apply", "--yes"]);
    assert_eq!(code, Some(3), "{said}");
    assert_eq!(said.matches("nobody reads the output any more").count(), 1, "{said}");
    assert_eq!(berth.asked(), json!([5, 10, 4, "1Gi"]), "{said}");
    let (code, said) = unread(&["rollback", "--yes"]);
    assert_eq!((code, berth.asked()), (Some(0), BEFORE()), "{said}");
    // where nothing is done, nothing is left undone
    assert_eq!(unread(&["apply"]), (Some(0), String::new()));
}

#[test]
fn rollback_leaves_what_a_manifest_says_by_now() {
    if !available("rollback_leaves_what_a_manifest_says_by_now") {
        return;
    }
    let berth = Berth::at("merged");
    berth.run(&["apply", "--yes"]).says(3, &["4 objects changed"]);
    // the pull request with the same values is merged: nobody but us owns them, as before
    let merged = JARVIS
        .replace("minReplicas: 3", "minReplicas: 5")
        .replace("maxReplicas: 5", "maxReplicas: 10");
    assert_ne!(merged, JARVIS);
    let versions = berth.get(HPA)["metadata"]["managedFields"].clone();
    let documents = merged.split("---").filter(|one| one.contains("HorizontalPodAutoscaler"));
    documents.for_each(|one| berth.cluster.apply(berth.namespace, one));
    assert_eq!(berth.get(HPA)["metadata"]["managedFields"][0]["manager"], versions[0]["manager"]);
    let told = berth.run(&["rollback", "--yes"]);
    let words =
        "LIVE_CHANGED `spec.maxReplicas` is 10 by the manifest of the last `kubectl apply` too";
    told.says(3, &[words, "3 objects brought back, 1 refused"]);
    assert_eq!(berth.asked(), json!([5, 10, 3, "512Mi"]));
}

#[test]
fn rollback_leaves_what_a_manager_says_by_now_whose_fields_may_be_taken() {
    if !available("rollback_leaves_what_a_manager_says_by_now") {
        return;
    }
    let berth = Berth::at("merged-there");
    berth.take_over_also("gitops");
    let said = |least: u64, most: u64| {
        let mut said = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "front-scaler"}, "spec": berth.spec(HPA)});
        (said["spec"]["minReplicas"], said["spec"]["maxReplicas"]) = (json!(least), json!(most));
        berth.cluster.apply_as("merged-there", "gitops", &said.to_string());
    };
    said(3, 5);
    let taken = "taken `spec.minReplicas` from `gitops`";
    berth.run(&["apply", "--yes"]).says(3, &[taken, "4 objects changed"]);
    // the pull request with the same values is merged: it owns them beside us
    said(5, 10);
    let told = berth.run(&["rollback", "--yes"]);
    let words = "LIVE_CHANGED `spec.maxReplicas` is 10 by `gitops` too";
    told.says(3, &[words, "3 objects brought back, 1 refused"]);
    assert_eq!(berth.asked(), json!([5, 10, 3, "512Mi"]));
}

#[test]
fn rollback_leaves_an_autoscaler_that_scales_something_else_by_now() {
    if !available("rollback_leaves_an_autoscaler_that_scales_something_else_by_now") {
        return;
    }
    let berth = Berth::at("pointed-away");
    berth.run(&["apply", "--yes"]).says(3, &["4 objects changed"]);
    // whose kill switch and pods nobody looked at
    berth.kubectl(&["create", "deployment", "other", "--image=example/other"]);
    berth.patch(HPA, &json!({"spec": {"scaleTargetRef": {"name": "other"}}}));
    let told = berth.run(&["rollback", "--yes"]);
    let words = "LIVE_CHANGED it scales `Deployment/other` now, and not `Deployment/jarvis-api`";
    told.says(3, &[words, "3 objects brought back, 1 refused"]);
    assert_eq!(berth.asked(), json!([5, 10, 3, "512Mi"]));
    berth.patch(HPA, &json!({"spec": {"scaleTargetRef": {"name": "jarvis-api"}}}));
    berth.run(&["rollback", "--yes"]).says(0, &["1 object brought back"]);
    assert_eq!(berth.asked(), BEFORE());
}

#[test]
fn rollback_finds_its_way_by_the_objects_where_the_record_is_lost() {
    if !available("rollback_finds_its_way_by_the_objects_where_the_record_is_lost") {
        return;
    }
    // what somebody wrote into the note is no way to write elsewhere, nor anything to go by
    let berth = Berth::at("odd-notes");
    berth.run(&["apply", "--yes"]).says(3, &["4 objects changed"]);
    std::fs::remove_dir_all(berth.desk.path(".plimsoll")).unwrap();
    let theirs = "`plimsoll.dev/previous` was written by `kubectl-patch`: it may be a copy";
    for (field, from) in [("spec.revisionHistoryLimit", 0), ("spec.replicas", 0)] {
        let odd =
            json!([{"setting": "replicas", "field": field, "from": from, "to": 4}]).to_string();
        berth.patch(WORKER, &json!({"metadata": {"annotations": {"plimsoll.dev/previous": odd}}}));
        let versions = berth.versions();
        let told = berth.run(&["rollback"]);
        told.says(3, &["LIVE_CHANGED", theirs, "1 refused"]);
        assert_eq!(berth.versions(), versions);
    }
    let berth = Berth::at("lost-record");
    let before = OBJECTS.map(|one| berth.spec(one));
    berth.run(&["apply", "--yes"]).says(3, &["4 objects changed"]);
    std::fs::remove_dir_all(berth.desk.path(".plimsoll")).unwrap();
    // the kill switch on what the HPA scales holds as it does with a record
    berth.patch(API, &json!({"metadata": {"annotations": {"plimsoll.dev/pause": "true"}}}));
    let told = berth.run(&["rollback"]);
    told.says(3, &["PAUSED the kill switch is set on what it scales", "2 refused"]);
    assert!(!told.stdout.contains("+  minReplicas"), "{}", told.stdout);
    berth.patch(API, &json!({"metadata": {"annotations": {"plimsoll.dev/pause": null}}}));
    let told = berth.run(&["rollback", "--yes"]);
    told.says(0, &["the record is empty", "4 objects brought back"]);
    assert_eq!(OBJECTS.map(|one| berth.spec(one)), before);
    std::fs::remove_dir_all(berth.desk.path(".plimsoll")).unwrap();
    berth.run(&["rollback", "--yes"]).says(0, &["nothing to bring back"]);
}

#[test]
fn rollback_without_a_record_goes_on_with_what_it_left() {
    if !available("rollback_without_a_record_goes_on_with_what_it_left") {
        return;
    }
    let berth = Berth::at("lost-half");
    berth.run(&["apply", "--yes"]).says(3, &["4 objects changed"]);
    std::fs::remove_dir_all(berth.desk.path(".plimsoll")).unwrap();
    let paused = |on: Value| json!({"metadata": {"annotations": {"plimsoll.dev/pause": on}}});
    berth.patch(WORKER, &paused(json!("true")));
    berth.run(&["rollback", "--yes"]).says(3, &["PAUSED", "3 objects brought back, 1 refused"]);
    assert_eq!(berth.asked(), json!([3, 5, 4, "512Mi"]));
    berth.patch(WORKER, &paused(Value::Null));
    let told = berth.run(&["rollback", "--yes"]);
    told.says(0, &["what the objects say of themselves is taken", "1 object brought back"]);
    assert_eq!(berth.asked(), BEFORE());
    // what an earlier run changed stays: a note that is older than what was undone
    let earlier = json!([{"setting": "replicas", "field": "spec.replicas", "from": 2, "to": 3}]);
    let notes = json!({"plimsoll.dev/applied-at": "2026-01-01T00:00:00.000Z",
        "plimsoll.dev/previous": earlier.to_string()});
    let of_earlier = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "jarvis-worker", "annotations": notes},
        "spec": {"replicas": 3}});
    berth.cluster.apply_as("lost-half", "plimsoll", &of_earlier.to_string());
    berth.run(&["rollback", "--yes"]).says(0, &["nothing to bring back"]);
    assert_eq!(berth.asked(), BEFORE());
}

#[test]
fn rollback_without_a_record_takes_one_namespace_after_the_other() {
    if !available("rollback_without_a_record_takes_one_namespace_after_the_other") {
        return;
    }
    let there = Berth::at("lost-there");
    let mut here = Berth::at("lost-here");
    here.desk = Desk::with(&["lost-here", "lost-there"], now(), |_, value| value);
    here.take_over("kubectl-client-side-apply");
    here.run(&["apply", "--yes"]).says(3, &["8 objects changed"]);
    std::fs::remove_dir_all(here.desk.path(".plimsoll")).unwrap();
    here.run(&["rollback", "-n", "lost-here", "--yes"]).says(0, &["4 objects brought back"]);
    assert_eq!((here.asked(), there.asked()), (BEFORE(), json!([5, 10, 4, "1Gi"])));
    here.run(&["rollback", "--yes"]).says(0, &["4 objects brought back"]);
    assert_eq!(there.asked(), BEFORE());
    here.run(&["rollback", "--yes"]).says(0, &["nothing to bring back"]);
}

#[test]
fn rollback_undoes_the_last_run_of_its_namespaces_and_its_cluster() {
    if !available("rollback_undoes_the_last_run_of_its_namespaces_and_its_cluster") {
        return;
    }
    let berth = Berth::at("back-here");
    let before = OBJECTS.map(|one| berth.spec(one));
    berth.run(&["apply", "--yes"]).says(3, &["4 objects changed"]);
    // runs of another namespace, and of another cluster with objects of the same names, came later
    let later = (Timestamp::now() + SignedDuration::from_secs(5)).to_string();
    let record = berth.desk.path(".plimsoll/audit.jsonl");
    let mut text = std::fs::read_to_string(&record).unwrap();
    for (key, value) in [("namespace", "back-there"), ("uid", "of-staging")] {
        for mut line in berth.audit() {
            (line["at"], line["run"]) = (json!(later), json!(format!("of {value}")));
            (line["whole"], line[key]) = (line["run"].clone(), json!(value));
            text += &format!("{line}\n");
        }
    }
    std::fs::write(&record, text).unwrap();
    let told = berth.run(&["rollback", "--yes"]);
    let skipped = "the run of of of-staging was in another cluster: what came before is taken";
    told.says(0, &[skipped, "4 objects brought back"]);
    assert_eq!(OBJECTS.map(|one| berth.spec(one)), before);
    berth.run(&["rollback", "--yes"]).says(0, &["nothing to bring back"]);
}

#[test]
fn rollback_says_which_earlier_run_stands_still() {
    if !available("rollback_says_which_earlier_run_stands_still") {
        return;
    }
    let berth = Berth::at("stands-still");
    berth.run(&["apply", "--yes"]).says(3, &["4 objects changed"]);
    berth.run(&["rollback", "--yes"]).says(0, &["4 objects brought back"]);
    let told = berth.run(&["rollback", "--yes"]);
    assert!(!told.stderr.contains("stands still"), "{}", told.stderr);
    // as if one of the day before had changed the same
    let record = berth.desk.path(".plimsoll/audit.jsonl");
    let text = std::fs::read_to_string(&record).unwrap();
    let run = berth.audit()[0]["run"].as_str().unwrap().to_owned();
    let applied: Vec<&str> = text.lines().filter(|line| !line.contains("undoes")).collect();
    let earlier = applied.join("\n").replace(&run, "2026-01-01T00:00:00.000Z");
    std::fs::write(&record, earlier + "\n" + &text).unwrap();
    let stands = "what the run of 2026-01-01T00:00:00.000Z changed before stands still";
    let way = "`.plimsoll/audit.jsonl` says what it replaced, to be set by hand";
    berth.run(&["rollback", "--yes"]).says(0, &["nothing to bring back", stands, way]);
}

#[test]
fn rollback_without_a_record_says_what_it_may_not_read() {
    if !available("rollback_without_a_record_says_what_it_may_not_read") {
        return;
    }
    let berth = Berth::at("lost-rights");
    berth.run(&["apply", "--yes"]).says(3, &["4 objects changed"]);
    std::fs::remove_dir_all(berth.desk.path(".plimsoll")).unwrap();
    let versions = berth.versions();
    for args in [&["rollback"][..], &["rollback", "--yes"]] {
        berth.desk.say(&berth.cluster, "stranger", args).says(
            1,
            &[
                "error: nothing could be read: cannot list",
                "in namespace `lost-rights`",
                "hint: denied is not taken for none",
            ],
        );
    }
    // who sees a part of them is told of the rest
    let but_hpas = "deployments.apps,statefulsets.apps";
    harbour::allow(&berth.cluster, "limited", "lost-rights", but_hpas);
    let rights = ["--verb=get,patch", "--resource=deployments.apps,statefulsets.apps"];
    let role = [&["create", "role", "reads-one", "-n", "lost-rights"][..], &rights].concat();
    assert!(berth.cluster.kubectl(&role).status.success());
    let bound = ["create", "rolebinding", "reads-one", "-n", "lost-rights"];
    let bound = [&bound[..], &["--role", "reads-one", "--user", "limited"]].concat();
    assert!(berth.cluster.kubectl(&bound).status.success());
    let told = berth.desk.say(&berth.cluster, "limited", &["rollback"]);
    told.says(3, &["cannot list horizontalpodautoscalers in namespace `lost-rights`"]);
    assert_eq!(berth.versions(), versions);
}

#[test]
fn a_change_whose_outcome_finds_no_room_in_the_record_is_said_to_be_made() {
    if !available("a_change_whose_outcome_finds_no_room_in_the_record") {
        return;
    }
    // what a line of it is long, by the same change elsewhere
    let other = Berth::at("is-room");
    other.run(&["apply", "--yes"]).says(3, &["4 objects changed"]);
    let lines = std::fs::read_to_string(other.desk.path(".plimsoll/audit.jsonl")).unwrap();
    let line = lines.lines().next().unwrap().len();
    let berth = Berth::at("no-room");
    berth.desk.write(".plimsoll/audit.jsonl", "");
    let record = berth.desk.path(".plimsoll/audit.jsonl");
    // room for the intent and half of its outcome: what is larger than anything else that is written
    let blocks = 16 * 1024;
    std::fs::write(&record, " ".repeat(blocks * 512 - line * 3 / 2 - 1) + "\n").unwrap();
    let kubeconfig = berth.cluster.path("admin.kubeconfig");
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_plimsoll"), "apply", "--yes"]);
    command.args(["--context", "admin", "--kubeconfig"]).arg(&kubeconfig);
    let command = command.current_dir(&berth.desk.0).env("NO_COLOR", "1");
    let told = harbour::told(command.output().unwrap());
    told.says(
        1,
        &[
            "error: HorizontalPodAutoscaler/front-scaler in no-room was changed, and that could not be recorded",
            "hint: make room for the record, and run it again",
        ],
    );
    assert!(!told.stderr.contains("nothing is changed"), "{}", told.stderr);
    assert_eq!(berth.spec(HPA)["minReplicas"], 5);
    // there is room again; what was cut off is no line
    let text = std::fs::read_to_string(&record).unwrap();
    std::fs::write(&record, text.trim_start()).unwrap();
    berth.run(&["apply", "--yes"]).says(3, &["it was done, and this run goes on"]);
}

#[test]
fn case_76_a_run_that_ended_between_two_objects_is_taken_up_again() {
    if !available("case_76_a_run_that_ended_between_two_objects_is_taken_up_again") {
        return;
    }
    for (namespace, cut, became) in [
        ("cut-before", Cut::Request, "it was not done, and this run decides anew"),
        ("cut-after", Cut::Answer, "it was done, and this run goes on"),
    ] {
        let berth = Berth::at(namespace);
        // the second object's intent is written, and then the line is dead
        let record = berth.desk.path(".plimsoll/audit.jsonl");
        let kubeconfig = behind_a_line_that_dies(&berth.cluster, record, cut, 2);
        let mut command = berth.desk.command("admin", &kubeconfig, &["apply", "--yes"]);
        let told = harbour::told(command.output().unwrap());
        told.says(1, &["error: the cluster cannot be reached", "run it again"]);
        let half = if cut == Cut::Answer { "Done" } else { "Intent" };
        assert_eq!(berth.happened().len(), 3, "{half}: {:?}", berth.happened());
        // a dry run says what it sees, and writes nothing down
        let goes_on = "ended before it was through: this run goes on with it";
        let by_the_next = "ended before it was through: the next with `--yes` goes on with it";
        berth.run(&["apply"]).says(3, &[became, by_the_next]);
        // and goes by what it saw
        let back = if cut == Cut::Answer { "2 objects would be" } else { "1 object would be" };
        berth.run(&["rollback"]).says(0, &[became, back]);
        assert_eq!(berth.happened().len(), 3);
        berth.at_rest();
        let told = berth.run(&["apply", "--yes"]);
        told.says(3, &[became, goes_on]);
        assert_eq!(berth.asked(), json!([5, 10, 4, "1Gi"]), "{}{}", told.stdout, told.stderr);
        // each object was changed once, and the whole run can be undone
        let done = berth.happened().into_iter().filter(|line| line.starts_with("Done"));
        let mut objects: Vec<String> = done.collect();
        objects.sort();
        objects.dedup();
        assert_eq!(objects.len(), 4, "{:?}", berth.happened());
        let told = berth.run(&["apply", "--yes"]);
        assert!(!told.stderr.contains("ended while it changed"), "{}", told.stderr);
        assert!(!told.stderr.contains(goes_on), "{}", told.stderr);
        berth.run(&["rollback", "--yes"]).says(0, &["4 objects brought back"]);
        assert_eq!(berth.asked(), BEFORE());
    }
}

#[test]
fn case_76_a_run_that_is_killed_is_taken_up_and_what_somebody_changed_since_is_theirs() {
    if !available("case_76_a_run_that_is_killed_is_taken_up") {
        return;
    }
    let berth = Berth::at("killed");
    let record = berth.desk.path(".plimsoll/audit.jsonl");
    let kubeconfig = behind_a_line_that_dies(&berth.cluster, record.clone(), Cut::Silence, 1);
    let mut command = berth.desk.command("admin", &kubeconfig, &["apply", "--yes"]);
    let mut child = command.stdout(std::process::Stdio::null()).spawn().unwrap();
    berth.cluster.wait("an intent", || {
        std::fs::read_to_string(&record).is_ok_and(|text| text.contains("Intent"))
    });
    // while it runs, no other does
    berth.run(&["apply", "--yes"]).says(1, &["error: another run applies right now"]);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(berth.happened(), ["Intent HorizontalPodAutoscaler/front-scaler"]);
    berth.patch(HPA, &json!({"spec": {"minReplicas": 4}}));
    berth.take_over_also("kubectl-patch");
    berth.run(&["apply"]).says(3, &["somebody changed it since, and it is left to them"]);
}

#[test]
fn case_76_a_torn_line_of_the_record_is_named_and_all_others_count() {
    if !available("case_76_a_torn_line_of_the_record_is_named_and_all_others_count") {
        return;
    }
    let berth = Berth::at("torn");
    let before = berth.asked();
    assert_ne!(berth.run(&["apply", "--yes"]).code, Some(1));
    let after = berth.asked();
    assert_ne!(before, after);
    // the last outcome was half written when its run ended, and a block of the disk is gone before it
    let record = berth.desk.path(".plimsoll/audit.jsonl");
    let whole = std::fs::read_to_string(&record).unwrap();
    let mut lines: Vec<String> = whole.lines().map(str::to_owned).collect();
    let last = lines.iter().rposition(|line| line.contains("\"Done\"")).unwrap();
    lines[last].truncate(60);
    lines.insert(last, "\0\0\0\0".to_owned());
    lines.truncate(last + 2);
    std::fs::write(&record, lines.join("\n")).unwrap();
    let garbage = format!("line {}, is no JSON", last + 1);
    let cut = format!("line {}, is cut short", last + 2);
    let hint = "hint: all other lines count";
    // both say so, and nobody refuses
    let told = berth.run(&["apply"]);
    assert_ne!(told.code, Some(1), "{}", told.stderr);
    for word in ["warning: `.plimsoll/audit.jsonl`", &garbage, &cut, hint, "ended while it changed"]
    {
        assert!(told.stderr.contains(word), "{word}\n{}", told.stderr);
    }
    let told = berth.run(&["rollback", "--yes"]);
    told.says(0, &[&garbage, &cut, hint, "brought back"]);
    assert_eq!(berth.asked(), before, "{}{}", told.stdout, told.stderr);
    // what is no line of ours, but says something, is still not written after
    let text = std::fs::read_to_string(&record).unwrap();
    std::fs::write(&record, format!("{text}{{\"not\": \"ours\"}}\n")).unwrap();
    for verb in ["apply", "rollback"] {
        berth.run(&[verb]).says(1, &["is no line of the record", "hint: move the file away"]);
    }
}

#[test]
fn case_76_an_api_server_that_stops_in_the_middle_of_an_apply_is_asked_again_by_the_next_run() {
    if !available("case_76_an_api_server_that_stops_in_the_middle_of_an_apply") {
        return;
    }
    for (namespace, cut, became) in [
        ("stopped-before", Cut::Silence, "it was not done, and this run decides anew"),
        ("stopped-after", Cut::SilentAnswer, "it was done, and this run goes on"),
    ] {
        let mut berth = Berth::of(Arc::new(Cluster::start()), namespace, |_, value| value);
        berth.take_over("kubectl-client-side-apply");
        // the line holds the second object's request, or its answer, until the server is gone
        let record = berth.desk.path(".plimsoll/audit.jsonl");
        let kubeconfig = behind_a_line_that_dies(&berth.cluster, record.clone(), cut, 2);
        let mut command = berth.desk.command("admin", &kubeconfig, &["apply", "--yes"]);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let running = command.spawn().unwrap();
        berth.cluster.wait("the second object", || {
            let text = std::fs::read_to_string(&record).unwrap_or_default();
            let api = &berth.spec(API)["template"]["spec"]["containers"][0]["resources"];
            text.matches("\"Intent\"").count() == 2
                && (cut == Cut::Silence || api["requests"]["memory"] == "352Mi")
        });
        Arc::get_mut(&mut berth.cluster).unwrap().restart_server();
        let told = harbour::told(running.wait_with_output().unwrap());
        told.says(1, &["error: the cluster cannot be reached", "run it again"]);
        assert_eq!(berth.happened().len(), 3, "{:?}", berth.happened());
        berth.at_rest();
        let told = berth.run(&["apply", "--yes"]);
        told.says(3, &["ended while it changed Deployment/jarvis-api", became]);
        assert_eq!(berth.asked(), json!([5, 10, 4, "1Gi"]), "{}{}", told.stdout, told.stderr);
        let done = berth.happened().into_iter().filter(|line| line.starts_with("Done"));
        assert_eq!(done.count(), 4, "{:?}", berth.happened());
    }
}

#[test]
fn an_answer_in_which_a_policy_of_the_cluster_changed_something_else_is_refused() {
    if !available("an_answer_in_which_a_policy_of_the_cluster_changed_something_else") {
        return;
    }
    let mutating = [
        "--feature-gates=MutatingAdmissionPolicy=true",
        "--runtime-config=admissionregistration.k8s.io/v1beta1=true",
    ];
    let cluster = Arc::new(Cluster::start_with(&mutating));
    let berth = Berth::of(cluster, "mutated", |_, value| value);
    berth.take_over("kubectl-client-side-apply");
    berth.cluster.apply("mutated", "
apiVersion: admissionregistration.k8s.io/v1beta1
kind: MutatingAdmissionPolicy
metadata: {name: short-history}
spec:
  matchConstraints: {resourceRules: [{apiGroups: [apps], apiVersions: [v1], operations: [UPDATE], resources: [deployments]}]}
  matchConditions: [{name: workers, expression: \"object.metadata.name == 'jarvis-worker' && object.spec.replicas == 4\"}]
  failurePolicy: Fail
  reinvocationPolicy: Never
  mutations:
    - patchType: ApplyConfiguration
      applyConfiguration: {expression: \"Object{spec: Object.spec{revisionHistoryLimit: 3}}\"}
---
apiVersion: admissionregistration.k8s.io/v1beta1
kind: MutatingAdmissionPolicyBinding
metadata: {name: short-history}
spec: {policyName: short-history}
");
    let four = r#"{"spec":{"replicas":4}}"#;
    berth.cluster.wait("a policy in force", || {
        berth
            .kubectl(&["patch", WORKER, "--dry-run=server", "-p", four, "-o", "json"])
            .contains("\"revisionHistoryLimit\": 3")
    });
    let before = berth.get(WORKER);
    let told = berth.run(&["apply", "--yes"]);
    told.says(3, &["ANSWER the server would change something else: spec.revisionHistoryLimit"]);
    assert_eq!(berth.get(WORKER), before);
    assert_eq!(berth.asked(), json!([5, 10, 3, "1Gi"]), "{}{}", told.stdout, told.stderr);
}

#[test]
fn a_count_is_not_brought_back_beside_an_hpa_that_came_since() {
    if !available("a_count_is_not_brought_back_beside_an_hpa_that_came_since") {
        return;
    }
    let berth = Berth::at("hpa-since");
    berth.run(&["apply", "--yes"]).says(3, &["4 objects changed"]);
    berth.kubectl(&["autoscale", WORKER, "--min=4", "--max=9"]);
    let has = "SCALER `HorizontalPodAutoscaler/jarvis-worker` has the count by now";
    berth.run(&["rollback", "--yes"]).says(3, &["3 objects brought back, 1 refused", has]);
    assert_eq!(berth.asked(), json!([3, 5, 4, "512Mi"]));
    berth.kubectl(&["delete", "hpa/jarvis-worker"]);
    berth.run(&["rollback", "--yes"]).says(0, &["1 object brought back"]);
    let guards = berth.audit().last().unwrap()["guards"].to_string();
    assert!(guards.contains("SCALER"), "{guards}");
    assert_eq!(berth.asked(), BEFORE());
}

#[test]
fn a_count_is_not_brought_back_beside_a_scaled_object_that_came_since() {
    if !operators_available("a_count_is_not_brought_back_beside_a_scaled_object", &[]) {
        return;
    }
    let cluster = Cluster::start();
    cluster.operators();
    let berth = Berth::of(Arc::new(cluster), "keda-since", |_, value| value);
    berth.take_over("kubectl-client-side-apply");
    berth.run(&["apply", "--yes"]).says(3, &["4 objects changed"]);
    // KEDA has made no HPA of it yet
    let scaled = "{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, metadata: {name: by-jobs}, spec: {\
        scaleTargetRef: {name: jarvis-worker}, triggers: [{type: cpu, metadata: {value: '60'}}]}}";
    berth.cluster.apply("keda-since", scaled);
    let has = "SCALER `ScaledObject/by-jobs` has the count by now";
    berth.run(&["rollback", "--yes"]).says(3, &["3 objects brought back, 1 refused", has]);
    assert_eq!(berth.asked(), json!([3, 5, 4, "512Mi"]));
}

#[test]
fn an_answer_that_is_another_than_the_rehearsal_is_said_and_recorded_as_what_it_is() {
    if !available("an_answer_that_is_another_than_the_rehearsal") {
        return;
    }
    let cluster = Arc::new(Cluster::start_with(&harbour::MUTATING));
    let berth = Berth::of(cluster, "amiss", |_, value| value);
    berth.take_over("kubectl-client-side-apply, kubectl-patch");
    let ten = "object.metadata.name == 'front-scaler' && object.spec.maxReplicas == 10";
    harbour::policy_that_spares_rehearsals(&berth.cluster, ten, "maxReplicas: 8");
    berth.cluster.wait("a policy in force", || {
        berth.patch(HPA, &json!({"spec": {"maxReplicas": 10}}));
        berth.spec(HPA)["maxReplicas"] == 8
    });
    berth.patch(HPA, &json!({"spec": {"maxReplicas": 5}}));
    let told = berth.run(&["apply", "--yes"]);
    let amiss = "ANSWER the server did something else than it had rehearsed: spec.maxReplicas";
    told.says(
        3,
        &["amiss HorizontalPodAutoscaler/front-scaler in amiss", amiss, "4 objects changed"],
    );
    assert_eq!(berth.asked(), json!([5, 8, 4, "1Gi"]), "{}{}", told.stdout, told.stderr);
    let is_hpa = |line: &&Value| line["object"] == "HorizontalPodAutoscaler/front-scaler";
    let done = berth.audit().into_iter().rfind(|line| is_hpa(&line)).unwrap();
    let most = |line: &Value| {
        let all = line["changes"].as_array().unwrap();
        all.iter().find(|one| one["setting"] == "maxReplicas").unwrap()["to"].clone()
    };
    assert_eq!((&done["happened"], most(&done)), (&json!("Done"), json!(8)));
    assert!(done["said"].to_string().contains("spec.maxReplicas"), "{done}");
    // a rollback that the server spoils is no success, and what did not come back is still to undo. Another object tells
    // what is in force: a person's hand on this one would make it theirs
    berth.cluster.apply(
        "amiss",
        "
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: probe}
spec: {maxReplicas: 6, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: nobody}}
",
    );
    let made_of_five = || {
        for most in [6, 5] {
            berth.patch("hpa/probe", &json!({"spec": {"maxReplicas": most}}));
        }
        berth.spec("hpa/probe")["maxReplicas"].clone()
    };
    let policy = "mutatingadmissionpolicy/real";
    let spoil = r#"[{"op": "replace", "path": "/spec/matchConditions/0/expression", "value": "object.metadata.name in ['front-scaler', 'probe'] && object.spec.maxReplicas == 5"}]"#;
    berth.kubectl(&["patch", policy, "--type=json", "-p", spoil]);
    berth.cluster.wait("another policy in force", || made_of_five() == 8);
    let told = berth.run(&["rollback", "--yes"]);
    told.says(
        3,
        &["amiss HorizontalPodAutoscaler/front-scaler in amiss", "4 objects brought back"],
    );
    berth.kubectl(&["delete", policy]);
    berth.cluster.wait("no policy in force", || made_of_five() == 5);
    berth.run(&["rollback", "--yes"]).says(0, &["1 object brought back"]);
    assert_eq!(berth.asked(), BEFORE());
}

#[test]
fn case_69_zones_the_size_of_nodes_and_a_quota_that_may_not_be_read_hold_a_change() {
    if !available("case_69_zones_the_size_of_nodes_and_a_quota_that_may_not_be_read") {
        return;
    }
    let berth = Berth::of(Arc::new(Cluster::start()), "zoned", |_, value| value);
    berth.take_over("kubectl-client-side-apply");
    let node = |zone: &str| {
        json!({"apiVersion": "v1", "kind": "Node",
            "metadata": {"name": zone, "labels": {"topology.kubernetes.io/zone": zone}},
            "status": {"allocatable": {"cpu": "4", "memory": "800Mi", "pods": "20"}}})
    };
    for zone in ["a", "b", "c"] {
        berth.cluster.send(&["create"], &node(zone).to_string());
    }
    let plan = forged(&berth.plan(), "worker", "replicas", "Lower", json!(2));
    berth.write_plan(&only(plan, "worker", &["replicas"]));
    let zones = "DISRUPTION 2 replicas would leave some of the 3 zones without one";
    berth.refuses(&FROM_FILE, &[zones]);
    let plan = berth.plan();
    berth.write_plan(&only(plan, "redis", &["memory"]));
    berth.refuses(&FROM_FILE, &["ROOM its pods would fit on no node"]);
    // who may read all but nodes and quotas
    let kinds = "deployments.apps,statefulsets.apps,horizontalpodautoscalers.autoscaling,poddisruptionbudgets.policy,limitranges,persistentvolumeclaims,pods";
    harbour::allow(&berth.cluster, "limited", "zoned", kinds);
    let allow = |args: &[&str]| assert!(berth.cluster.kubectl(args).status.success(), "{args:?}");
    allow(&["create", "role", "reads", "-n", "zoned", "--verb=get", "--resource", kinds]);
    allow(&["create", "rolebinding", "reads", "-n", "zoned", "--role=reads", "--user=limited"]);
    let told = berth.run_as("limited", &["apply", "--plan", "plan.json"]);
    told.says(3, &["ROOM how large the nodes are cannot be read"]);
    allow(&["create", "clusterrole", "sees-nodes", "--verb=list", "--resource=nodes"]);
    allow(&[
        "create",
        "clusterrolebinding",
        "sees-nodes",
        "--clusterrole=sees-nodes",
        "--user=limited",
    ]);
    for zone in ["a", "b", "c"] {
        let large = json!({"status": {"allocatable": {"memory": "8Gi"}}}).to_string();
        allow(&["patch", "node", zone, "--subresource=status", "--type=merge", "-p", &large]);
    }
    let told = berth.run_as("limited", &["apply", "--plan", "plan.json"]);
    told.says(3, &["ROOM what its quotas leave cannot be read"]);
}

#[test]
fn case_77_two_runs_from_two_machines_change_an_object_once() {
    if !available("case_77_two_runs_from_two_machines_change_an_object_once") {
        return;
    }
    let one = Berth::at("twice");
    let other = Desk::with(&["twice"], now(), |_, value| value);
    other.edit(
        "version: 1\n",
        "version: 1\napply: {watch: 0, takeOver: [kubectl-client-side-apply]}\n",
    );
    let kubeconfig = one.cluster.path("admin.kubeconfig");
    let run = |desk: &Desk| {
        let mut command = desk.command("admin", &kubeconfig, &["apply", "--yes"]);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        command.spawn().unwrap()
    };
    let running = [run(&one.desk), run(&other)];
    let told = running.map(|child| harbour::told(child.wait_with_output().unwrap()));
    assert_eq!(one.asked(), json!([5, 10, 4, "1Gi"]), "{}\n{}", told[0].stdout, told[1].stdout);
    let done = |desk: &Desk| {
        let text = std::fs::read_to_string(desk.path(".plimsoll/audit.jsonl")).unwrap_or_default();
        text.matches("\"Done\"").count()
    };
    assert_eq!(done(&one.desk) + done(&other), 4);
}

#[test]
fn who_is_not_known_or_may_not_write_changes_nothing() {
    if !available("who_is_not_known_or_may_not_write_changes_nothing") {
        return;
    }
    let berth = Berth::at("strangers");
    berth.cluster.kubeconfig("expired", "a-token-of-last-year");
    let before = berth.versions();
    berth
        .run_as("expired", &["apply", "--yes"])
        .says(1, &["error: the cluster refuses our credentials", "hint: log in again"]);
    // who may read everything and write nothing
    let all = "deployments.apps,statefulsets.apps,horizontalpodautoscalers.autoscaling,poddisruptionbudgets.policy,resourcequotas,limitranges,persistentvolumeclaims,pods";
    harbour::allow(&berth.cluster, "limited", "strangers", all);
    let told = berth.run_as("limited", &["apply", "--yes"]);
    told.says(3, &["SERVER may not get", "cannot get resource"]);
    assert_eq!(berth.versions(), before);
}

#[test]
fn what_was_observed_low_for_long_is_lowered_by_one_step_and_not_by_two() {
    if !available("what_was_observed_low_for_long_is_lowered_by_one_step_and_not_by_two") {
        return;
    }
    let quiet = |signal, value| match signal {
        Signal::Load => value * 0.05,
        Signal::ErrorRate => 0.001,
        Signal::P99 => 0.3,
        _ => value,
    };
    let berth = Berth::of(Cluster::shared(), "lowering", quiet);
    berth.take_over("kubectl-client-side-apply");
    // no metric tells that no HPA scales the workers
    berth
        .desk
        .edit("Deployment/jarvis-worker}", "Deployment/jarvis-worker, current: {replicas: 3}}");
    // nothing is lowered while its limits and its settings were not watched
    let told = berth.run(&["apply"]);
    assert!(!told.stdout.contains("Deployment/jarvis-worker"), "{}", told.stdout);
    berth.desk.watched("lowering", now(), &AT_LEISURE);
    // three ran all along and four run now: a maximum of three would end one of them
    let told = berth.run(&["apply", "--yes"]);
    told.says(3, &["DISRUPTION `spec.maxReplicas` 3 would end pods that run now"]);
    // one worker would do; half of three, rounded up, is one step
    assert_eq!(berth.asked(), json!([3, 5, 2, "512Mi"]), "{}{}", told.stdout, told.stderr);
    berth.kubectl(&["scale", API, "--replicas=3"]);
    berth.at_rest();
    let told = berth.run(&["apply", "--yes"]);
    // two workers are in force, and no sample says so yet
    told.says(3, &["1 object changed"]);
    assert_eq!(berth.asked(), json!([2, 3, 2, "512Mi"]), "{}{}", told.stdout, told.stderr);
}

/// With its controllers, which write the statuses that other tests write by hand; only pods are marked ready here, since
/// nothing runs them.
#[test]
fn a_rollout_of_real_controllers_is_waited_for_and_what_is_applied_is_done_by_them() {
    if !controllers_available("a_rollout_of_real_controllers_is_waited_for") {
        return;
    }
    let cluster = Arc::new(Cluster::with_controllers());
    assert!(cluster.kubectl(&["create", "namespace", "real"]).status.success());
    cluster.wait("an account for pods", || {
        cluster.kubectl(&["get", "sa/default", "-n", "real"]).status.success()
    });
    cluster.apply("real", JARVIS);
    let desk = Desk::with(&["real"], now(), |_, value| value);
    let berth = Berth { cluster, namespace: "real", desk };
    berth.take_over("kubectl-client-side-apply");
    berth.wait_at_rest();
    berth.kubectl(&["set", "image", API, "server=example/api:2"]);
    berth.cluster.wait("a rollout that began", || {
        let status = &berth.get(API)["status"];
        status["observedGeneration"] == berth.get(API)["metadata"]["generation"]
            && status["updatedReplicas"].as_u64().unwrap_or(0) < 4
    });
    berth.write_plan(&only(berth.plan(), "api", &["minReplicas", "maxReplicas"]));
    let before = berth.spec(HPA);
    let told = berth.run(&["apply", "--yes", "--plan", "plan.json"]);
    told.says(3, &["ROLLOUT a rollout is in progress"]);
    assert_eq!(berth.spec(HPA), before);
    berth.wait_at_rest();
    berth.write_plan(&only(berth.plan(), "api", &["minReplicas", "maxReplicas"]));
    let told = berth.run(&["apply", "--yes", "--plan", "plan.json"]);
    told.says(0, &["1 object changed"]);
    // the HPA follows its new bounds
    berth.cluster.wait("five pods", || berth.get(API)["spec"]["replicas"] == 5);
}

/// Which way a line dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// What is asked does not arrive.
    Request,
    /// What is answered does not.
    Answer,
    /// Nothing that is asked arrives, and nobody hangs up.
    Silence,
    /// Nothing that is answered does.
    SilentAnswer,
}

/// A kubeconfig that reaches the cluster over a line which dies once the record holds so many intents.
fn behind_a_line_that_dies(
    cluster: &Cluster,
    record: std::path::PathBuf,
    cut: Cut,
    intents: usize,
) -> std::path::PathBuf {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let text = std::fs::read_to_string(cluster.path("admin.kubeconfig")).unwrap();
    let real = text.split("https://").nth(1).unwrap().split('\'').next().unwrap().to_owned();
    let own = listener.local_addr().unwrap().to_string();
    let path = cluster.path(&format!("line-{}.kubeconfig", own.replace(':', "-")));
    std::fs::write(&path, text.replace(&real, &own)).unwrap();
    let dead = move || {
        let text = std::fs::read_to_string(&record).unwrap_or_default();
        text.matches("\"Intent\"").count() >= intents
    };
    let answer = matches!(cut, Cut::Answer | Cut::SilentAnswer);
    std::thread::spawn(move || {
        for client in listener.incoming() {
            // where nobody listens now, somebody does later
            let Ok(server) = TcpStream::connect(&real) else { continue };
            let client = client.unwrap();
            let ways = [
                (client.try_clone().unwrap(), server.try_clone().unwrap(), !answer),
                (server, client, answer),
            ];
            for (mut from, mut to, dies) in ways {
                let dead = dead.clone();
                std::thread::spawn(move || {
                    let mut bytes = vec![0; 65_536];
                    while let Ok(count @ 1..) = from.read(&mut bytes) {
                        if dies && dead() {
                            if matches!(cut, Cut::Silence | Cut::SilentAnswer) {
                                while let Ok(1..) = from.read(&mut bytes) {}
                            }
                            break;
                        }
                        if to.write_all(&bytes[..count]).is_err() {
                            break;
                        }
                    }
                    let _ = from.shutdown(std::net::Shutdown::Both);
                    let _ = to.shutdown(std::net::Shutdown::Both);
                });
            }
        }
    });
    path
}
