//! Every form of `patch` against a real API server and the real `kubectl kustomize`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, missing_docs)]

#[path = "support/cluster.rs"]
mod cluster;
#[path = "support/harbour.rs"]
mod harbour;

use std::fmt::Write as _;
use std::process::Output;
use std::sync::Arc;

use jiff::Timestamp;
use plimsoll::history::{Evidence, SeriesKey, Signal};
use plimsoll::source::demo;
use serde_json::{Value, json};

use cluster::{Cluster, operators_available};
use harbour::{Desk, JARVIS};

/// What KEDA and a VPA hold beside JARVIS: the worker's count, and the requests of the API.
const OWNERS: &str = "
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: by-queue}
spec:
  scaleTargetRef: {name: jarvis-worker}
  minReplicaCount: 2
  maxReplicaCount: 3
  triggers: [{type: rabbitmq, metadata: {queueName: jobs}}]
---
apiVersion: autoscaling.k8s.io/v1
kind: VerticalPodAutoscaler
metadata: {name: right-size}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: jarvis-api}
  updatePolicy: {updateMode: Initial}
  resourcePolicy:
    containerPolicies:
      - {containerName: mesh, mode: \"Off\"}
      - {containerName: server, controlledResources: [cpu, memory], maxAllowed: {cpu: 100m, memory: 8Gi}}
";

/// How the settings name the API, and how they do with the container of three that is sized.
const API: &str = "Deployment/jarvis-api}";
const API_OF_THREE: &str = "Deployment/jarvis-api, container: server}";

const KINDS: &str = "deployments,statefulsets,hpa,scaledobjects,vpa";

/// JARVIS with an API that is too small and an HPA that is too late, as it stands in a repository.
fn manifests() -> String {
    let jarvis = JARVIS
        .replace("{cpu: 600m,", "{cpu: 400m,")
        .replace(
            "        - name: server\n",
            "        - {name: mesh, image: example/mesh}\n        - name: server\n",
        )
        .replace(
            "{memory: 512Mi}}\n---",
            "{memory: 300Mi}}\n        - {name: logs, image: example/logs}\n---",
        )
        // so that one step is enough, and no second advice follows
        .replace("maxReplicas: 5", "maxReplicas: 6")
        .replace("averageUtilization: 70", "averageUtilization: 180");
    format!("{jarvis}---{OWNERS}")
}

fn berth(namespace: &str) -> (Arc<Cluster>, Desk) {
    made_by(namespace, "apply")
}

/// The same where `kubectl apply` or `kubectl create` made the objects.
fn made_by(namespace: &str, verb: &str) -> (Arc<Cluster>, Desk) {
    let cluster = Cluster::shared();
    cluster.operators();
    cluster.namespace(namespace);
    cluster.send(&[verb, "-n", namespace], &manifests());
    let desk = Desk::of(&[namespace]);
    desk.edit(API, API_OF_THREE);
    measured(&desk, namespace);
    (cluster, desk)
}

/// Adds what the capacity of a pod is measured by, without which no target is advised: twice the pods at twice the load.
fn measured(desk: &Desk, service: &str) {
    let mut text = std::fs::read_to_string(desk.path("history.csv")).unwrap();
    let observed = demo::observed(harbour::AT.parse().unwrap(), demo::SEED);
    for signal in [Signal::Cpu, Signal::Replicas] {
        let key = SeriesKey::of("api", signal);
        let Evidence::Series(samples) = &observed[&key] else { panic!("{key}") };
        for (at, value) in samples.at.iter().zip(&samples.value) {
            let at = Timestamp::from_second(*at).unwrap();
            writeln!(text, "{at},{service},{key},{}", 2.0 * value).unwrap();
        }
    }
    std::fs::write(desk.path("history.csv"), text).unwrap();
}

fn specs(cluster: &Cluster, namespace: &str) -> Vec<(String, Value)> {
    let all = cluster.kubectl(&["get", KINDS, "-n", namespace, "-o", "json"]);
    let all: Value = serde_json::from_slice(&all.stdout).unwrap();
    let items = all["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| {
            let name = item["metadata"]["name"].as_str().unwrap();
            (format!("{}/{name}", item["kind"].as_str().unwrap()), item["spec"].clone())
        })
        .collect()
}

/// The spec of one object among them.
fn spec<'a>(specs: &'a [(String, Value)], object: &str) -> &'a Value {
    &specs.iter().find(|(name, _)| name == object).unwrap_or_else(|| panic!("no {object}")).1
}

fn files(desk: &Desk, folder: &str, end: &str) -> Vec<String> {
    let all = std::fs::read_dir(desk.path(folder)).unwrap();
    let all = all.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut all: Vec<String> = all.filter(|name| name.ends_with(end)).collect();
    all.sort();
    all
}

/// Runs the line to paste in the head of a file.
fn paste(cluster: &Cluster, desk: &Desk, file: &str, more: &[&str]) -> Output {
    let path = desk.path("out").join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let command = text.lines().find_map(|line| line.strip_prefix("# kubectl ")).unwrap();
    let mut args: Vec<&str> = command.split(' ').collect();
    let place = args.iter().position(|arg| *arg == file).unwrap();
    args[place] = path.to_str().unwrap();
    cluster.kubectl(&[&args[..], more].concat())
}

fn taken(output: &Output, file: &str) {
    assert!(output.status.success(), "{file}: {}", String::from_utf8_lossy(&output.stderr));
}

/// What the advice comes to on the objects, whichever way it went there.
fn is_advised(after: &[(String, Value)], plan: &Value) {
    let advised = |component: &str, setting: &str| {
        let all = plan["services"][0]["recommendations"].as_array().unwrap();
        let one = all.iter().find(|one| one["component"] == component && one["setting"] == setting);
        one.unwrap_or_else(|| panic!("no {component} {setting} in {plan:#}"))["target"].clone()
    };
    let hpa = spec(after, "HorizontalPodAutoscaler/front-scaler");
    let target = advised("api", "targetUtilization");
    assert!(target.as_u64().unwrap() < 180, "{target}");
    let metrics = json!([{"type": "Resource", "resource": {"name": "cpu",
        "target": {"type": "Utilization", "averageUtilization": target}}}]);
    assert_eq!(hpa["metrics"], metrics);
    assert_eq!(hpa["minReplicas"], advised("api", "minReplicas"));
    assert_eq!(hpa["scaleTargetRef"]["name"], "jarvis-api");
    let keda = spec(after, "ScaledObject/by-queue");
    assert_eq!(keda["maxReplicaCount"], advised("worker", "maxReplicas"));
    assert_eq!(keda["triggers"][0]["metadata"]["queueName"], "jobs");
    let policies =
        spec(after, "VerticalPodAutoscaler/right-size")["resourcePolicy"]["containerPolicies"]
            .as_array()
            .unwrap();
    assert_eq!(policies[0], json!({"containerName": "mesh", "mode": "Off"}));
    assert_eq!(policies[1]["containerName"], "server");
    assert_eq!(policies[1]["controlledResources"], json!(["cpu", "memory"]));
    let cpu = advised("api", "cpuRequest");
    assert_eq!(policies[1]["minAllowed"]["cpu"], cpu);
    // it stood below what is asked for now
    assert_eq!(policies[1]["maxAllowed"]["cpu"], cpu);
    assert_eq!(policies[1]["minAllowed"]["memory"], advised("api", "memoryRequest"));
    // and this above: who set it is not lowered
    assert_eq!(policies[1]["maxAllowed"]["memory"], "8Gi");
    let containers = &spec(after, "Deployment/jarvis-api")["template"]["spec"]["containers"];
    // the kubelet starts them in their order
    assert_eq!(names(containers), ["mesh", "server", "logs"]);
    assert_eq!(containers[1]["image"], "example/api");
    assert_eq!(containers[1]["resources"]["requests"]["cpu"], cpu);
}

fn names(containers: &Value) -> Vec<&str> {
    let all = containers.as_array().into_iter().flatten();
    all.map(|one| one["name"].as_str().unwrap()).collect()
}

#[test]
fn the_target_of_an_hpa_and_the_bounds_of_a_vpa_are_patches_that_go_and_come_back() {
    if !operators_available("the_target_of_an_hpa_and_the_bounds_of_a_vpa_are_patches", &[]) {
        return;
    }
    let (cluster, desk) = berth("strategic");
    let plan: Value = serde_json::from_str(&desk.plan(&cluster, "admin").stdout).unwrap();
    let told = desk.run(&cluster, "admin", &["patch", "--out", "out"]);
    assert!(!told.stderr.contains("not here"), "{}", told.stderr);
    let forward = files(&desk, "out", "yaml");
    let forward: Vec<&String> = forward.iter().filter(|name| !name.contains(".undo.")).collect();
    assert!(
        forward.contains(&&"strategic.right-size.verticalpodautoscaler.yaml".to_owned()),
        "{forward:?}"
    );
    let before = specs(&cluster, "strategic");
    for file in &forward {
        taken(&paste(&cluster, &desk, file, &["--dry-run=server"]), file);
        taken(&paste(&cluster, &desk, file, &[]), file);
    }
    is_advised(&specs(&cluster, "strategic"), &plan);
    // what is in force is no advice any more, and the way back from it stays as it was, however often that is asked
    let back = files(&desk, "out", ".undo.yaml");
    let text = |file: &String| std::fs::read_to_string(desk.path("out").join(file)).unwrap();
    let said: Vec<String> = back.iter().map(text).collect();
    for _ in 0..2 {
        let again = desk.run(&cluster, "admin", &["patch", "--out", "out"]);
        assert_eq!(files(&desk, "out", "yaml"), back, "{}", again.stderr);
        for file in &back {
            let kept = format!("kept `out/{file}`: the way back from what an earlier run changed");
            assert!(again.stderr.contains(&kept), "{}", again.stderr);
        }
        assert_eq!(back.iter().map(text).collect::<Vec<_>>(), said);
    }
    for file in &forward {
        let undo = file.replace(".yaml", ".undo.yaml");
        taken(&paste(&cluster, &desk, &undo, &["--dry-run=server"]), &undo);
        taken(&paste(&cluster, &desk, &undo, &[]), &undo);
    }
    assert_eq!(specs(&cluster, "strategic"), before);
}

#[test]
fn what_an_earlier_run_left_in_a_folder_is_removed_and_nobody_else_s() {
    // no cluster: the settings say what is in force
    let (desk, alone) = (Desk::of(&["stale", "other"]), Desk::of(&["stale"]));
    let [all, components, both] =
        ["all", "components", "both"].map(|name| desk.path(name).display().to_string());
    let told = |now: &str| {
        let api =
            format!("Deployment/jarvis-api, current: {{minReplicas: {now}, maxReplicas: 10}}}}");
        let run = |desk: &Desk, args: &[&str]| {
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_plimsoll"));
            command.args(args).args(["--at", harbour::AT]).current_dir(&desk.0);
            let told = harbour::told(command.env("NO_COLOR", "1").output().unwrap());
            assert!(matches!(told.code, Some(0 | 3)), "{}", told.stderr);
            told.stderr + &told.stdout
        };
        for one in [&desk, &alone] {
            one.edit("Deployment/jarvis-api}", &api);
        }
        // both at first, and then the one alone
        let of = if now == "3" { &desk } else { &alone };
        run(of, &["patch", "--form", "kustomize", "--out", &components]);
        let said = [
            run(&alone, &["patch", "--out", &all, "--namespace", "stale"]),
            run(&desk, &["patch", "--out", "po"]),
            run(&desk, &["report", "--out", "review"]),
            run(&alone, &["patch", "--out", &both]),
        ];
        run(&desk, &["patch", "--out", &both]);
        for one in [&desk, &alone] {
            one.edit(&api, "Deployment/jarvis-api}");
        }
        said
    };
    let names = |folder: &str| {
        let all = std::fs::read_dir(desk.path(folder)).unwrap();
        let mut all: Vec<String> =
            all.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        all.sort();
        all
    };
    let inverse = "for `kubectl`, each with its inverse";
    assert!(told("3")[2].contains(inverse));
    let hpas = ["hpa.undo.yaml", "hpa.yaml"];
    let of = |name: &str| hpas.map(|end| format!("{name}.jarvis-api.{end}"));
    assert_eq!(names("po"), [of("other"), of("stale")].concat());
    assert_eq!(names("review/patches"), names("po"));
    assert_eq!(names("components"), ["other", "stale"]);
    desk.write("components/mine/kustomization.yaml", "kind: Component\n");
    // what is not ours by its first line, and what is another namespace's where one alone is looked at
    for foreign in ["mine.hpa.yaml", "stale.jarvis-api.hpa.md"] {
        desk.write(&format!("po/{foreign}"), "# set by hand\n");
    }
    let of_other = std::fs::read_to_string(desk.path("po/other.jarvis-api.hpa.yaml")).unwrap();
    desk.write("all/other.jarvis-api.hpa.yaml", &of_other);
    // what was advised is in force: what brings it back stays, until something else is
    let back = ["other", "stale"].map(|of| format!("{of}.jarvis-api.hpa.undo.yaml"));
    for said in [told("5"), told("5")] {
        assert_eq!(names("review/patches"), back);
        assert_eq!(names("both"), back);
        let kept = "kept `po/stale.jarvis-api.hpa.undo.yaml`: the way back from what an earlier run changed";
        assert!(said[1].contains(kept), "{}", said[1]);
    }
    desk.write("po/stale.jarvis-api.hpa.yaml", &of_other.replace("other", "stale"));
    desk.write("both/stale.jarvis-api.hpa.yaml", &of_other.replace("other", "stale"));
    let said = told("6");
    let left = ["mine.hpa.yaml", "stale.jarvis-api.hpa.md"];
    assert_eq!(names("po"), left);
    assert_eq!(names("all"), ["other.jarvis-api.hpa.yaml"]);
    assert_eq!(
        names("components"),
        ["mine", "other", "stale"],
        "settings that do not name it leave it"
    );
    assert_eq!(names("review/patches"), Vec::<String>::new());
    assert!(!said[2].contains(inverse), "{}", said[2]);
    // settings that name one of two namespaces leave the other's files, and say so
    assert_eq!(names("both"), Vec::<String>::new());
    let left =
        format!("left in `{both}` what is of namespaces that this run did not look at: `other`");
    assert!(said[3].contains(&left), "{}", said[3]);
    assert!(
        said[3].contains(&format!("removed `{both}/stale.jarvis-api.hpa.yaml`")),
        "{}",
        said[3]
    );
    assert!(
        said[1].contains("removed `po/stale.jarvis-api.hpa.yaml`: of an earlier run"),
        "{}",
        said[1]
    );
    assert!(
        said[2].contains("removed `review/patches/other.jarvis-api.hpa.undo.yaml`"),
        "{}",
        said[2]
    );
}

#[test]
fn forms_that_share_a_folder_leave_each_other_alone() {
    let desk = Desk::of(&["shared"]);
    desk.edit(API, "Deployment/jarvis-api, current: {minReplicas: 3, maxReplicas: 10}}");
    let run = |form: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_plimsoll"));
        command.args(["patch", "--out", "mix", "--form", form, "--at", harbour::AT]);
        command.current_dir(&desk.0).env("KUBECONFIG", "/nonexistent");
        harbour::told(command.output().unwrap()).stderr
    };
    let held = || ["mix", "mix/undo", "mix/shared"].map(|folder| files(&desk, folder, ".yaml"));
    let forms = ["ssa", "strategic", "kustomize"];
    for form in forms {
        run(form);
    }
    let all = held();
    assert_eq!(all.each_ref().map(Vec::len), [3, 1, 2], "{all:?}");
    for form in forms {
        let said = run(form);
        assert!(!said.contains("removed") && !said.contains("kept"), "{said}");
        assert_eq!(held(), all);
    }
}

#[test]
fn what_could_not_be_judged_stays_in_a_folder_and_is_named() {
    let desk = Desk::of(&["kept"]);
    let api = "Deployment/jarvis-api, current: {minReplicas: 3, maxReplicas: 10}}";
    desk.edit("Deployment/jarvis-api}", api);
    let run = |args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_plimsoll"));
        command.args(args).args(["--at", harbour::AT]).current_dir(&desk.0);
        harbour::told(command.env("KUBECONFIG", "/nonexistent").output().unwrap())
    };
    let all = || {
        let said = run(&["patch", "--out", "po"]).stderr;
        let whole = ["ssa", "kustomize"].map(|form| run(&["patch", "--form", form, "--out", form]));
        run(&["report", "--out", "review"]);
        [said, whole[1].stderr.clone()]
    };
    let held = || {
        let folders = ["po", "ssa", "kustomize/kept", "review/patches"];
        folders.map(|folder| files(&desk, folder, ".yaml"))
    };
    all();
    let before = held();
    assert!(before.iter().all(|files| !files.is_empty()), "{before:?}");
    // nobody tells any more what is in force, and then there is no load either
    desk.edit(api, "Deployment/jarvis-api}");
    for absent in ["what is in force", "the load"] {
        let [patches, components] = all();
        assert_eq!(held(), before, "{absent}");
        let kept = "kept `po/kept.jarvis-api.hpa.yaml`: of an earlier run";
        assert!(patches.contains(kept), "{absent}: {patches}");
        assert!(components.contains("kept `kustomize/kept/jarvis-api.hpa.yaml`"), "{components}");
        let listed =
            std::fs::read_to_string(desk.path("kustomize/kept/kustomization.yaml")).unwrap();
        assert!(listed.contains("- path: jarvis-api.hpa.yaml\n"), "{listed}");
        assert!(
            listed.contains("kind: HorizontalPodAutoscaler\n      name: jarvis-api\n"),
            "{listed}"
        );
        desk.write("history.csv", "timestamp,service,series,value\n");
    }
}

#[test]
fn a_target_that_is_not_the_only_metric_is_left_alone_and_named() {
    if !operators_available("a_target_that_is_not_the_only_metric_is_left_alone_and_named", &[]) {
        return;
    }
    let (cluster, desk) = berth("two-wishes");
    let second = json!({"spec": {"metrics": [
        {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 180}}},
        {"type": "Pods", "pods": {"metric": {"name": "rps"}, "target": {"type": "AverageValue", "averageValue": "50"}}},
    ]}});
    let text = second.to_string();
    let patched = ["patch", "hpa", "front-scaler", "-n", "two-wishes", "--type=merge", "-p", &text];
    taken(&cluster.kubectl(&patched), "the second metric");
    for form in ["strategic", "ssa"] {
        let told = desk.run(&cluster, "admin", &["patch", "--form", form]);
        assert!(!told.stdout.contains("metrics"), "{}", told.stdout);
        let named = "not here: Deployment/jarvis-api targetUtilization";
        assert!(told.stderr.contains(named), "{}", told.stderr);
    }
}

#[test]
fn a_manifest_for_server_side_apply_holds_our_fields_and_takes_none_unasked() {
    if !operators_available("a_manifest_for_server_side_apply_holds_our_fields", &[]) {
        return;
    }
    let (cluster, desk) = made_by("manifests", "create");
    let plan: Value = serde_json::from_str(&desk.plan(&cluster, "admin").stdout).unwrap();
    let before = specs(&cluster, "manifests");
    let told = desk.run(&cluster, "admin", &["patch", "--form", "ssa", "--out", "out"]);
    assert!(!told.stderr.contains("not here"), "{}", told.stderr);
    assert!(
        told.stderr.contains("no cron windows here: the triggers are one list"),
        "{}",
        told.stderr
    );
    let all = files(&desk, "out", ".ssa.yaml");
    assert_eq!(all, files(&desk, "out", "yaml"));
    // the very objects that the component of Kustomize holds, but for the list of triggers
    desk.run(&cluster, "admin", &["patch", "--form", "kustomize", "--out", "kustomize"]);
    let names = files(&desk, "kustomize/manifests", ".yaml");
    let names =
        names.iter().filter(|name| !name.contains("-cron.") && *name != "kustomization.yaml");
    let names: Vec<String> =
        names.map(|name| format!("manifests.{}", name.replace(".yaml", ".ssa.yaml"))).collect();
    assert_eq!(all, names);
    // what `apply` and the loop note is theirs, and stays
    let note = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: front-scaler, annotations: {plimsoll.dev/floor: theirs}}\n";
    cluster.apply_as("manifests", "plimsoll", note);
    for file in &all {
        // whoever created the objects holds the fields that change, and is named
        let refused = paste(&cluster, &desk, file, &["--dry-run=server"]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        let text = std::fs::read_to_string(desk.path("out").join(file)).unwrap();
        let changes = text.contains("# was") || file.contains("verticalpodautoscaler");
        assert_eq!(refused.status.success(), !changes, "{file} {said}\n{text}");
        let holders = ["\"kubectl-create\"", "conflicts with \"plimsoll\""];
        let refuses_by_name = holders.iter().any(|holder| said.contains(holder));
        assert!(refused.status.success() || refuses_by_name, "{said}");
        taken(&paste(&cluster, &desk, file, &["--dry-run=server", "--force-conflicts"]), file);
        taken(&paste(&cluster, &desk, file, &["--force-conflicts"]), file);
    }
    is_advised(&specs(&cluster, "manifests"), &plan);
    // each ships with its inverse, in a folder that `kubectl apply -f out` does not send
    let back = files(&desk, "out/undo", ".ssa.yaml");
    assert!(back.len() > 2, "{back:?}");
    for file in &back {
        let file = format!("undo/{file}");
        taken(&paste(&cluster, &desk, &file, &[]), &file);
    }
    assert_eq!(specs(&cluster, "manifests"), before);
    for file in &all {
        taken(&paste(&cluster, &desk, file, &[]), file);
    }
    is_advised(&specs(&cluster, "manifests"), &plan);
    let hpa = cluster.kubectl(&["get", "hpa", "front-scaler", "-n", "manifests", "-o", "json"]);
    let hpa: Value = serde_json::from_slice(&hpa.stdout).unwrap();
    assert_eq!(hpa["metadata"]["annotations"]["plimsoll.dev/floor"], "theirs");
    // what it owns now stays in the next manifest though it changes no more, and nothing falls back to a default
    let told = desk.run(&cluster, "admin", &["patch", "--form", "ssa"]);
    assert!(told.stdout.contains("# kept") && !told.stdout.contains("# was"), "{}", told.stdout);
    let less =
        ["patch", "hpa", "front-scaler", "-n", "manifests", "-p", r#"{"spec":{"minReplicas":2}}"#];
    taken(&cluster.kubectl(&less), "one bound moved");
    let again = desk.run(&cluster, "admin", &["patch", "--form", "ssa"]).stdout;
    for kept in ["maxReplicas", "averageUtilization", "# kept"] {
        assert!(again.contains(kept), "{again}");
    }
    // a policy that was not there before goes with a manifest that states none
    let vpa = |spec: &str| {
        format!(
            "apiVersion: autoscaling.k8s.io/v1\nkind: VerticalPodAutoscaler\nmetadata: {{name: bare}}\nspec: {spec}\n"
        )
    };
    let target = "{targetRef: {apiVersion: apps/v1, kind: Deployment, name: jarvis-worker}}";
    cluster.send(&["create", "-n", "manifests"], &vpa(target));
    let policy = "{resourcePolicy: {containerPolicies: [{containerName: worker, maxAllowed: {memory: 1Gi}}]}}";
    for (stated, there) in [(policy, false), ("{}", true)] {
        cluster.apply_as("manifests", "plimsoll-patch", &vpa(stated));
        let specs = specs(&cluster, "manifests");
        let policy = &spec(&specs, "VerticalPodAutoscaler/bare")["resourcePolicy"];
        assert_eq!(policy["containerPolicies"].is_null(), there, "{policy}");
    }
}

#[test]
fn of_two_namespaces_with_the_same_objects_each_is_changed_by_its_own_component() {
    if !operators_available("of_two_namespaces_with_the_same_objects_each", &[]) {
        return;
    }
    let (cluster, one) = berth("twin-a");
    berth("twin-b");
    let desk = Desk::of(&["twin-a", "twin-b"]);
    desk.edit(API, API_OF_THREE);
    measured(&desk, "twin-a");
    let args = ["patch", "--form", "kustomize", "--out", "plimsoll"];
    desk.run(&cluster, "admin", &args);
    one.run(&cluster, "admin", &args);
    let build = |folder: &str| cluster.kubectl(&["kustomize", desk.path(folder).to_str().unwrap()]);
    desk.write("base/all.yaml", &manifests());
    desk.write("base/kustomization.yaml", "resources: [all.yaml]\n");
    for name in ["twin-a", "twin-b"] {
        let overlay = format!("namespace: {name}\nresources: [../base]\n");
        desk.write(&format!("{name}/kustomization.yaml"), &overlay);
    }
    let both = "resources: [../twin-a, ../twin-b]\n";
    desk.write("bare/kustomization.yaml", both);
    desk.write("both/kustomization.yaml", &format!("{both}components: [../plimsoll/twin-a]\n"));
    let specs = |folder: &str, namespace: &str| -> Vec<Value> {
        let output = build(folder);
        taken(&output, folder);
        let text = String::from_utf8(output.stdout).unwrap();
        let all: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
        let mine = all.iter().filter(|one| one["metadata"]["namespace"] == namespace);
        mine.map(|one| one["spec"].clone()).collect()
    };
    assert_ne!(specs("both", "twin-a"), specs("bare", "twin-a"));
    assert_eq!(specs("both", "twin-b"), specs("bare", "twin-b"));
    // where the resources have no namespace yet, it is refused and not passed over
    let early = "namespace: twin-a\nresources: [../base]\ncomponents: [../plimsoll/twin-a]\n";
    desk.write("early/kustomization.yaml", early);
    let refused = build("early");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("no matches for Id"), "{said}");
    // and where no other has these names, the overlay names it for all
    one.write("base/all.yaml", &manifests());
    one.write("base/kustomization.yaml", "resources: [all.yaml]\n");
    one.write("early/kustomization.yaml", early);
    taken(&cluster.kubectl(&["kustomize", one.path("early").to_str().unwrap()]), "early");
}

#[test]
fn what_kubectl_apply_keeps_and_a_count_that_an_hpa_has_now_get_no_manifest() {
    if !operators_available("what_kubectl_apply_keeps_gets_no_manifest", &[]) {
        return;
    }
    let ssa = |cluster: &Cluster, desk: &Desk| {
        desk.run(cluster, "admin", &["patch", "--form", "ssa", "--out", "out"]).stderr
    };
    let (cluster, desk) = berth("applied");
    let said = ssa(&cluster, &desk);
    let kept = "Deployment/jarvis-api in namespace `applied`: it is kept by `kubectl apply`";
    assert!(said.contains(kept) && files(&desk, ".", ".ssa.yaml").is_empty(), "{said}");
    // what an earlier manifest of ours says alone is not left out of the next one
    let (cluster, desk) = made_by("counted", "create");
    let api = ["deployment/jarvis-api", "-n", "counted", "-o", "json"];
    let count = || {
        let api: Value =
            serde_json::from_slice(&cluster.kubectl(&[&["get"][..], &api].concat()).stdout)
                .unwrap();
        api["spec"]["replicas"].clone()
    };
    let manifest = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: jarvis-api}\nspec: {replicas: 6}\n";
    cluster.apply_as("counted", "plimsoll-patch", manifest);
    let said = ssa(&cluster, &desk);
    let falls = "holds its count, and without it the count falls to 1";
    assert!(said.contains(falls), "{said}");
    assert_eq!(count(), 6);
    // it does: this is what is refused
    let without = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: jarvis-api}\n";
    cluster.apply_as("counted", "plimsoll-patch", without);
    assert_eq!(count(), 1);
}

#[test]
fn a_kustomize_component_changes_what_was_advised_in_a_base_and_nothing_else() {
    if !operators_available("a_kustomize_component_changes_what_was_advised", &[]) {
        return;
    }
    let (cluster, desk) = berth("overlaid");
    let plan: Value = serde_json::from_str(&desk.plan(&cluster, "admin").stdout).unwrap();
    desk.run(&cluster, "admin", &["patch", "--form", "kustomize"])
        .says(1, &["error: `--form kustomize` makes folders", "hint: ", "`--out DIR`"]);
    desk.run(&cluster, "admin", &["patch", "--form", "kustomize", "--out", "plimsoll"]);
    desk.write("base/all.yaml", &manifests());
    desk.write("base/kustomization.yaml", "resources: [all.yaml]\n");
    let overlay = "namespace: overlaid\nresources: [../base]\n";
    desk.write("plain/kustomization.yaml", overlay);
    desk.write(
        "overlay/kustomization.yaml",
        &format!("{overlay}components: [../plimsoll/overlaid]\n"),
    );
    let built = |folder: &str| {
        let output = cluster.kubectl(&["kustomize", desk.path(folder).to_str().unwrap()]);
        taken(&output, folder);
        String::from_utf8(output.stdout).unwrap()
    };
    let (bare, overlaid) = (built("plain"), built("overlay"));
    let read = |text: &str| -> Vec<(String, Value)> {
        let all: Vec<Value> = serde_saphyr::from_multiple(text).unwrap();
        let named = |one: &Value| {
            assert_eq!(one["metadata"]["namespace"], "overlaid", "{one}");
            format!(
                "{}/{}",
                one["kind"].as_str().unwrap(),
                one["metadata"]["name"].as_str().unwrap()
            )
        };
        all.iter().map(|one| (named(one), one["spec"].clone())).collect()
    };
    let (bare, after) = (read(&bare), read(&overlaid));
    assert_eq!(bare.len(), after.len());
    is_advised(&after, &plan);
    for (object, of) in &after {
        let containers = |of: &Value| of["template"]["spec"]["containers"].clone();
        let (was, is) = (containers(spec(&bare, object)), containers(of));
        assert_eq!(names(&is), names(&was), "{object}");
    }
    // a base that lacks a container that is only named gets one that the server refuses, and the file says what to do
    let sized = desk.path("plimsoll/overlaid/jarvis-api.deployment.yaml");
    let text = std::fs::read_to_string(sized).unwrap();
    assert!(text.contains("take it out where the base does not have it"), "{text}");
    let mesh = "        - {name: mesh, image: example/mesh}\n        - name: server";
    desk.write("base/all.yaml", &manifests().replace(mesh, "        - name: server"));
    let overlay = desk.path("overlay").display().to_string();
    let refused = cluster.kubectl(&["apply", "--dry-run=server", "-k", &overlay]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("image: Required value"), "{said}");
    desk.write("base/all.yaml", &manifests());
    let decoy = "HorizontalPodAutoscaler/jarvis-api";
    assert_eq!(spec(&after, decoy), spec(&bare, decoy));
    cluster.send(&["apply", "--dry-run=server"], &overlaid);
    // once it is in force, the component made anew still holds it: it would fall back to the base without
    cluster.send(&["apply"], &overlaid);
    desk.run(&cluster, "admin", &["patch", "--form", "kustomize", "--out", "plimsoll"]);
    assert_eq!(read(&built("overlay")), after);
}

/// The cron windows among the triggers of the worker's `ScaledObject`, and all that stands beside them.
fn triggers(cluster: &Cluster, namespace: &str) -> (Vec<Value>, Vec<Value>) {
    let specs = specs(cluster, namespace);
    let all = spec(&specs, "ScaledObject/by-queue")["triggers"].as_array().unwrap().clone();
    all.into_iter().partition(|one| one["type"] == "cron")
}

#[test]
fn cron_windows_raise_the_floor_by_day_within_the_bounds_and_keep_the_triggers_of_others() {
    if !operators_available("cron_windows_raise_the_floor_by_day", &[]) {
        return;
    }
    let (cluster, desk) = berth("windows");
    let file = "windows.by-queue.scaledobject-cron.yaml";
    let plan: Value = serde_json::from_str(&desk.plan(&cluster, "admin").stdout).unwrap();
    let told = desk.run(&cluster, "admin", &["patch", "--out", "out"]);
    assert!(told.stderr.contains("wrote out\n  ") && told.stderr.contains(file), "{}", told.stderr);
    // what others keep in their triggers is not ours to write down
    let text = std::fs::read_to_string(desk.path("out").join(file)).unwrap();
    assert!(text.contains("rabbitmq") && !text.contains("jobs"), "{text}");
    taken(&paste(&cluster, &desk, file, &["--dry-run=server"]), file);
    taken(&paste(&cluster, &desk, file, &[]), file);
    let (cron, others) = triggers(&cluster, "windows");
    assert_eq!(others, [json!({"type": "rabbitmq", "metadata": {"queueName": "jobs"}})]);
    assert!((1..=8).contains(&cron.len()), "{cron:#?}");
    let all = plan["services"][0]["recommendations"].as_array().unwrap();
    let advised = |setting: &str| {
        let mut all = all.iter().filter(|one| one["component"] == "worker");
        all.find(|one| one["setting"] == setting).unwrap()["target"].as_u64().unwrap()
    };
    for one in &cron {
        let of = |key: &str| one["metadata"][key].as_str().unwrap();
        let pods: u64 = of("desiredReplicas").parse().unwrap();
        assert!(advised("minReplicas") < pods && pods <= advised("maxReplicas"), "{one}");
        assert_eq!(of("timezone"), "Asia/Tokyo");
        assert_ne!(of("start"), of("end"));
    }
    // what was sent is no change any more, and is refused a second time
    let again = desk.run(&cluster, "admin", &["patch", "--out", "again"]);
    assert!(!desk.path("again").join(file).exists(), "{}", again.stderr);
    let refused = paste(&cluster, &desk, file, &[]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("request is invalid"), "{said}");
    assert_eq!(triggers(&cluster, "windows"), (cron.clone(), others.clone()));
    // a component of Kustomize adds them to the list of the base
    desk.run(&cluster, "admin", &["patch", "--form", "kustomize", "--out", "plimsoll"]);
    desk.write("base/all.yaml", &manifests());
    desk.write("base/kustomization.yaml", "resources: [all.yaml]\n");
    let overlay = "namespace: windows\nresources: [../base]\ncomponents: [../plimsoll/windows]\n";
    desk.write("overlay/kustomization.yaml", overlay);
    let built = cluster.kubectl(&["kustomize", desk.path("overlay").to_str().unwrap()]);
    taken(&built, "kustomize");
    cluster.send(&["apply", "--dry-run=server"], std::str::from_utf8(&built.stdout).unwrap());
    let all: Vec<Value> =
        serde_saphyr::from_multiple(std::str::from_utf8(&built.stdout).unwrap()).unwrap();
    let keda = all.iter().find(|one| one["kind"] == "ScaledObject").unwrap();
    assert_eq!(keda["spec"]["triggers"], json!([&others[..], &cron[..]].concat()));
    // and back; by then a list that somebody else changed is left
    let undo = "windows.by-queue.scaledobject-cron.undo.yaml";
    taken(&paste(&cluster, &desk, undo, &[]), undo);
    assert_eq!(triggers(&cluster, "windows"), (Vec::new(), others));
    let theirs = r#"[{"op":"add","path":"/spec/triggers/-","value":{"type":"cpu","metadata":{"value":"60"}}}]"#;
    let patched =
        ["patch", "scaledobject", "by-queue", "-n", "windows", "--type=json", "-p", theirs];
    taken(&cluster.kubectl(&patched), "a trigger of somebody else");
    assert!(!paste(&cluster, &desk, file, &[]).status.success());
    assert_eq!(triggers(&cluster, "windows").1.len(), 2);
}

#[test]
fn an_object_that_sleeps_gets_no_windows_and_is_named() {
    if !operators_available("an_object_that_sleeps_gets_no_windows_and_is_named", &[]) {
        return;
    }
    let (cluster, desk) = berth("asleep");
    let sleeps = r#"{"spec":{"minReplicaCount":0}}"#;
    let patched =
        ["patch", "scaledobject", "by-queue", "-n", "asleep", "--type=merge", "-p", sleeps];
    taken(&cluster.kubectl(&patched), "a minimum of nothing");
    let told = desk.run(&cluster, "admin", &["patch"]);
    let named = "no cron windows for `ScaledObject/by-queue` in namespace `asleep`: it may scale to nothing";
    assert!(told.stderr.contains(named), "{}", told.stderr);
    assert!(!told.stdout.contains("type: cron"), "{}", told.stdout);
}
