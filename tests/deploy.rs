//! `deploy/`: the chart in the hands of the real `helm`, what it renders in those of a real API server, its alert in
//! those of the real `promtool`, and the program as a pod runs it: as the chart says, with the rights that it gives.
//! No image is built here; the pod's root is a folder with what the image holds.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, missing_docs)]

#[path = "support/chart.rs"]
mod chart;
#[path = "support/cluster.rs"]
mod cluster;
#[path = "support/pod.rs"]
mod pod;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use chart::{CHART, EVERYTHING, objects, only, only_of, rendered, strings};
use cluster::{Cluster, available_with, operators_available, program, there};
use jiff::{SignedDuration, Timestamp};
use plimsoll::config;
use pod::{ACCOUNT, KEPT, Pod, token, way_in};
use serde_json::{Value, json};
use tempfile::TempDir;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const JARVIS: &str = include_str!("manifests/jarvis.yaml");
const AROUND: &str = include_str!("manifests/around.yaml");
const METRICS: &str = include_str!("manifests/metrics.yaml");
const PROMETHEUS_RULE: &str = include_str!("manifests/prometheus-rule.yaml");

/// A service with every kind of object that is asked for, and a day of history.
const SETTINGS: &str = "version: 1
timezone: Asia/Tokyo
history: {files: [history.csv], step: 5m, lookback: 4w}
services:
  - name: jarvis
    namespace: my-service
    tiers: [{name: Low, below: 10, api: 2, redis: 256Mi}, {name: High, api: 3-5, redis: 512Mi}]
    components:
      api:   {target: Deployment/jarvis-api, container: server}
      redis: {target: StatefulSet/jarvis-redis-master, container: redis, memory: true}
    volumes: [data-jarvis-postgresql-0]
";

/// A cluster with the operators' kinds, what runs in `my-service`, and a place for a release.
fn inhabited(release: &str) -> Arc<Cluster> {
    // two tests that make the same object at once would see each other's
    static MAKING: Mutex<()> = Mutex::new(());
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let cluster = Cluster::shared();
    cluster.apply("my-service", JARVIS);
    cluster.apply("my-service", AROUND);
    cluster.operators();
    cluster.apply("my-service", METRICS);
    cluster.apply("my-service", PROMETHEUS_RULE);
    cluster.namespace("second");
    cluster.namespace(release);
    restrict(&cluster, release);
    let kinds = "scaledobjects.keda.sh,verticalpodautoscalers.autoscaling.k8s.io,pods.metrics.k8s.io,prometheusrules.monitoring.coreos.com,servicemonitors.monitoring.coreos.com";
    cluster.wait("custom resources", || {
        cluster.kubectl(&["get", kinds, "-n", "my-service"]).status.success()
    });
    cluster
}

/// Has what the strictest of the pod security standards forbids warned of, and refused to pods.
fn restrict(cluster: &Cluster, namespace: &str) {
    let strict =
        ["enforce", "warn"].map(|mode| format!("pod-security.kubernetes.io/{mode}=restricted"));
    let labels = ["label", "namespace", namespace, "--overwrite", &strict[0], &strict[1]];
    assert!(cluster.kubectl(&labels).status.success());
}

/// A folder with [`SETTINGS`] and their history, which ends now.
fn desk() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let now = Timestamp::now();
    let rows = (0..288).rev().map(|step| {
        let at = now - SignedDuration::from_mins(5 * step);
        format!("{at:.0},load,20\n")
    });
    let history = format!("timestamp,series,value\n{}", rows.collect::<String>());
    std::fs::write(folder.path().join("plimsoll.yaml"), SETTINGS).unwrap();
    std::fs::write(folder.path().join("history.csv"), history).unwrap();
    folder
}

/// What the chart renders with that folder's files.
fn rendered_with(release: &str, desk: &TempDir) -> String {
    let settings = format!("settings={}", desk.path().join("plimsoll.yaml").display());
    let history = format!("files.history\\.csv={}", desk.path().join("history.csv").display());
    rendered(release, &["--set-file", &settings, "--set-file", &history]).unwrap()
}

/// Waits until somebody may list these: an API server hears of what is bound a moment later.
fn wait_for_rights(cluster: &Cluster, user: &str, resources: &[&str]) {
    for resource in resources {
        let asked = ["auth", "can-i", "list", resource, "-n", "my-service", "--as", user];
        cluster.wait("a right", || cluster.kubectl(&asked).status.success());
    }
}

#[test]
fn helm_finds_nothing_to_say_against_the_chart() {
    if !there("helm_finds_nothing_to_say_against_the_chart", &["helm"]) {
        return;
    }
    for more in [&[][..], &["--values", EVERYTHING]] {
        let linted = program("helm").args(["lint", "--strict", CHART]).args(more).output().unwrap();
        let said = String::from_utf8_lossy(&linted.stdout).into_owned();
        assert!(linted.status.success(), "{said}");
        assert!(!said.contains("[WARNING]") && !said.contains("[ERROR]"), "{said}");
    }
    let chart = std::fs::read_to_string(format!("{CHART}/Chart.yaml")).unwrap();
    let chart: Value = serde_saphyr::from_str(&chart).unwrap();
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}

/// The plain files: the name of each, what helm is told for it (all that is told before it, and more), and what it is for.
const PLAIN: [(&str, &str, &str); 3] = [
    (
        "plimsoll.yaml",
        "",
        "# for who has no helm. Set the image, the settings, and the namespace of the RoleBinding, which is the service's.",
    ),
    (
        "loop.yaml",
        "--set apply.enabled=true,apply.namespaces={my-service},loop.enabled=true",
        "# and of it what plimsoll.yaml has not: an account that may change what was advised, and the loop, which says what\n\
         # it would do and acts with `--yes` among its `args`. Set the image and the namespaces of the RoleBindings.",
    ),
    (
        "monitoring.yaml",
        "--set apply.enabled=true,apply.namespaces={my-service},loop.enabled=true,alert.enabled=true,loop.serviceMonitor.enabled=true,loop.dashboard.enabled=true",
        "# and of it what the other two have not: alerts for the Prometheus operator, and a dashboard for Grafana's sidecar.",
    ),
];

#[test]
fn the_plain_yaml_is_the_chart_step_by_step() {
    if !there("the_plain_yaml_is_the_chart_step_by_step", &["helm"]) {
        return;
    }
    let mut before: Vec<String> = Vec::new();
    for (name, set, what) in PLAIN {
        let told: Vec<&str> = set.split_whitespace().collect();
        let text = rendered("plimsoll", &told).unwrap();
        let all = text.split("---\n").map(str::trim_end).filter(|one| !one.is_empty());
        let added: Vec<String> =
            all.map(|one| format!("---\n{one}\n")).filter(|one| !before.contains(one)).collect();
        let expected = format!(
            "# `helm template plimsoll deploy/chart/plimsoll --namespace plimsoll {set}`,\n{what}\n{}",
            added.concat()
        )
        .replace("plimsoll `,", "plimsoll`,");
        let path = Path::new(ROOT).join("deploy/plain").join(name);
        if std::env::var_os("PLIMSOLL_BLESS").is_some() {
            std::fs::write(&path, &expected).unwrap();
        }
        let plain = std::fs::read_to_string(path).unwrap();
        assert!(
            plain == expected,
            "`PLIMSOLL_BLESS=1 cargo test --test deploy` writes {name} anew"
        );
        before.extend(added);
    }
}

#[test]
fn two_releases_of_one_name_do_not_meet_outside_their_namespaces() {
    if !there("two_releases_of_one_name_do_not_meet_outside_their_namespaces", &["helm"]) {
        return;
    }
    let abroad = |namespace: &str| -> BTreeSet<String> {
        let told = ["--values", EVERYTHING, "--namespace", namespace];
        let all = objects(&rendered("plimsoll", &told).unwrap());
        let names = all.iter().filter_map(|object| {
            let metadata = &object["metadata"];
            let outside = metadata["namespace"].as_str().is_none_or(|of| of != namespace);
            outside.then(|| {
                format!("{} {} {}", object["kind"], metadata["namespace"], metadata["name"])
            })
        });
        names.collect()
    };
    let [one, other] = ["team-a", "team-b"].map(abroad);
    assert!(one.len() > 3 && one.len() == other.len(), "{one:?}");
    assert!(one.is_disjoint(&other), "{one:?}");
}

#[test]
fn values_that_could_not_work_are_refused_by_name() {
    if !there("values_that_could_not_work_are_refused_by_name", &["helm"]) {
        return;
    }
    for (values, words) in [
        ("report.shedule=x", "shedule is not allowed"),
        ("loop.shedule=x", "shedule is not allowed"),
        ("settings=a: [", "settings: no YAML"),
        (
            "settings=history: {store: /data}",
            "`history.store` is \"/data\", which is not on the volume",
        ),
        ("settings=history: {store: ../x}", "write `store: .plimsoll/history`"),
        ("settings=history: {store: /var/lib/plimsoll/../x}", "which is not on the volume"),
    ] {
        let error = rendered("plimsoll", &["--set-literal", values]).unwrap_err();
        assert!(error.contains(words), "{values}: {error}");
    }
    for fine in ["history: {store: /var/lib/plimsoll/x}", "history:", "history: {store: kept}"] {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), fine).unwrap();
        rendered("plimsoll", &["--set-file", &format!("settings={}", file.path().display())])
            .unwrap();
    }
}

/// The first value under a name's key, however deep, that is no text.
fn no_text(value: &Value) -> Option<String> {
    const NAMES: [&str; 8] = [
        "name",
        "namespace",
        "serviceAccountName",
        "claimName",
        "secretName",
        "storageClassName",
        "severity",
        "app.kubernetes.io/instance",
    ];
    match value {
        Value::Object(entries) => entries.iter().find_map(|(key, value)| {
            let odd = NAMES.contains(&key.as_str()) && !value.is_string();
            if odd { Some(format!("{key}: {value}")) } else { no_text(value) }
        }),
        Value::Array(all) => all.iter().find_map(no_text),
        _ => None,
    }
}

#[test]
fn a_name_that_yaml_would_read_as_a_number_stays_a_name() {
    if !there("a_name_that_yaml_would_read_as_a_number_stays_a_name", &["helm"]) {
        return;
    }
    let numbers = "cluster.namespaces={1234},apply.namespaces={1234},prometheus.secret=1234,volume.storageClassName=1234,alert.severity=1234";
    let owned = format!("{numbers},volume.existingClaim=1234");
    for values in [numbers, &owned] {
        let text = rendered("1234", &["--values", EVERYTHING, "--set-string", values]).unwrap();
        for object in objects(&text) {
            assert_eq!(no_text(&object), None, "{object}");
        }
        // and to readers of YAML 1.1, as the API server's, a word is none
        let text = rendered("on", &["--values", EVERYTHING, "--set-string", values]).unwrap();
        let bare =
            |line: &str| line.ends_with(": on") || line.contains(": on,") || line.contains(": on}");
        assert_eq!(text.lines().find(|line| bare(line)), None);
    }
}

#[test]
fn the_settings_of_the_chart_are_settings() {
    if !there("the_settings_of_the_chart_are_settings", &["helm"]) {
        return;
    }
    let text = rendered("plimsoll", &["--values", EVERYTHING]).unwrap();
    let data = &only(&text, "ConfigMap")["data"];
    let settings = config::parse(data["plimsoll.yaml"].as_str().unwrap(), "test", Path::new("/x"));
    let settings = settings.unwrap();
    assert_eq!(settings.warnings.len(), 0);
    assert_eq!(settings.history.store, Path::new("/x/.plimsoll/history"));
    assert_eq!(data["notes.txt"], "  indented\nnot\n");
    // what the settings say is not said a second time
    let desk = desk();
    let text = rendered_with("plimsoll", &desk);
    assert_eq!(only(&text, "ConfigMap")["data"]["plimsoll.yaml"], SETTINGS);
    assert_eq!(only(&text, "CronJob")["spec"]["timeZone"], "Asia/Tokyo");
    assert_eq!(only(&text, "RoleBinding")["metadata"]["namespace"], "my-service");
}

#[test]
fn the_api_server_takes_everything_and_the_pod_is_as_restricted_as_can_be() {
    if !operators_available("the_api_server_takes_everything", &["helm"]) {
        return;
    }
    let cluster = inhabited("taken");
    for more in [&[][..], &["--values", EVERYTHING]] {
        let text = rendered("taken", more).unwrap();
        let (said, warned) = cluster.send(&["apply", "--dry-run=server"], &text);
        assert_eq!(said.matches("(server dry run)").count(), objects(&text).len(), "{said}");
        assert_eq!(warned, "");
        // a CronJob is warned about, a pod is refused: this one needs the account to be there
        cluster.send(&["apply"], &only_of(&text, "ServiceAccount", "taken").to_string());
        let cron_job = only(&text, "CronJob");
        let spec = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"].clone();
        assert_eq!(spec["containers"][0]["securityContext"]["readOnlyRootFilesystem"], true);
        let metadata = json!({"name": "review", "namespace": "taken"});
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec});
        let (_, warned) = cluster.send(&["apply", "--dry-run=server"], &pod.to_string());
        assert_eq!(warned, "");
        if !more.is_empty() {
            // nor is the loop
            let account = only_of(&text, "ServiceAccount", "taken-apply");
            cluster.send(&["apply"], &account.to_string());
            let spec = only(&text, "Deployment")["spec"]["template"]["spec"].clone();
            assert_eq!(spec["containers"][0]["securityContext"]["readOnlyRootFilesystem"], true);
            let metadata = json!({"name": "loop", "namespace": "taken"});
            let pod =
                json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec});
            let (_, warned) = cluster.send(&["apply", "--dry-run=server"], &pod.to_string());
            assert_eq!(warned, "");
        }
        // nor what is applied without helm
        for (name, ..) in PLAIN {
            let plain = std::fs::read_to_string(format!("{ROOT}/deploy/plain/{name}")).unwrap();
            let plain = plain.replace("namespace: \"plimsoll\"\n", "namespace: taken\n");
            let (said, warned) = cluster.send(&["apply", "--dry-run=server"], &plain);
            assert_eq!(said.matches("(server dry run)").count(), objects(&plain).len(), "{said}");
            assert_eq!(warned, "");
        }
        // who fetches the reviews is no less restricted
        let reader = std::fs::read_to_string(format!("{ROOT}/deploy/reader.yaml")).unwrap();
        let default =
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}});
        cluster.apply("taken", &default.to_string());
        let (_, warned) = cluster.send(&["apply", "-n", "taken", "--dry-run=server"], &reader);
        assert_eq!(warned, "");
        // the first review of the notes
        cluster.send(&["apply"], &cron_job.to_string());
        let first = ["create", "job", "first", "-n", "taken", "--from=cronjob/taken-report"];
        let first = cluster.kubectl(&[&first[..], &["--dry-run=server"]].concat());
        assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    }
}

#[test]
fn what_could_not_run_is_tried_again_and_what_skipped_something_is_not() {
    let test = "what_could_not_run_is_tried_again_and_what_skipped_something_is_not";
    if !available_with(test, &["helm", "kube-controller-manager"]) {
        return;
    }
    let cluster = Cluster::with_controllers();
    cluster.namespace("my-service");
    cluster.namespace("tried");
    restrict(&cluster, "tried");
    cluster.send(&["apply"], &rendered("tried", &[]).unwrap());
    let told = |args: &[&str]| {
        let told = cluster.kubectl(&[args, &["-n", "tried"]].concat());
        String::from_utf8(told.stdout).unwrap()
    };
    let pods = |job: &str| {
        let of_job = format!("job-name={job}");
        let names = ["get", "pods", "-l", &of_job, "-o", "jsonpath={.items[*].metadata.name}"];
        told(&names).split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let failed = |job: &str| {
        let reason = "jsonpath={.status.conditions[?(@.type==\"Failed\")].reason}";
        told(&["get", "job", job, "-o", reason])
    };
    for (job, code) in [("could-not", 1), ("skipped", 3)] {
        let made = told(&["create", "job", job, "--from=cronjob/tried-report"]);
        assert!(made.contains("created"), "{made}");
        cluster.wait("a pod of the job", || pods(job).len() == 1);
        // there is no kubelet: how its container ended is written where one would write it
        let state = json!({"terminated": {"exitCode": code}});
        let container = json!({"name": "plimsoll", "image": "", "imageID": "", "ready": false,
                               "restartCount": 0, "state": state});
        let status = json!({"status": {"phase": "Failed", "containerStatuses": [container]}});
        let ended = ["patch", "pod", &pods(job)[0], "--subresource=status", "-p"];
        let ended = told(&[&ended[..], &[&status.to_string()]].concat());
        assert!(ended.contains("patched"), "{ended}");
    }
    cluster.wait("the end of the one that skipped", || failed("skipped") == "PodFailurePolicy");
    cluster.wait("another pod of the one that could not", || pods("could-not").len() == 2);
    assert_eq!((pods("skipped").len(), failed("could-not")), (1, String::new()));
}

/// Every right of the roles of these names, as `VERB RESOURCE.GROUP`.
fn rights(manifests: &str, names: &[&str]) -> BTreeSet<String> {
    let mut rights = BTreeSet::new();
    let all = objects(manifests);
    let roles = all.iter().filter(|object| {
        ["Role", "ClusterRole"].contains(&object["kind"].as_str().unwrap())
            && names.contains(&object["metadata"]["name"].as_str().unwrap())
    });
    for rule in roles.flat_map(|role| role["rules"].as_array().unwrap()) {
        for group in strings(&rule["apiGroups"]) {
            let dot = if group.is_empty() { "" } else { "." };
            for resource in strings(&rule["resources"]) {
                let verbs = strings(&rule["verbs"]);
                rights.extend(verbs.iter().map(|verb| format!("{verb} {resource}{dot}{group}")));
            }
        }
    }
    rights
}

#[test]
fn the_role_of_the_advice_is_exactly_what_the_program_asks_for() {
    if !operators_available(
        "the_role_of_the_advice_is_exactly_what_the_program_asks_for",
        &["helm"],
    ) {
        return;
    }
    let cluster = inhabited("asked");
    let desk = desk();
    // who may nothing is told of each right that is missing; what hangs on one of them is told once it is given
    let mut asked = BTreeSet::new();
    loop {
        let told = ["plan", "check"].map(|verb| {
            let told = Command::new(env!("CARGO_BIN_EXE_plimsoll"))
                .args([verb, "--context", "limited", "--kubeconfig"])
                .arg(cluster.path("limited.kubeconfig"))
                .current_dir(&desk)
                .output()
                .unwrap();
            String::from_utf8([told.stdout, told.stderr].concat()).unwrap()
        });
        let told = told.concat();
        let missing: BTreeSet<&str> = told
            .split("--verb=list --resource=")
            .skip(1)
            .flat_map(|rest| rest.split([' ', '`']).next().unwrap().split(','))
            .collect();
        if missing.is_empty() {
            break;
        }
        for resource in &missing {
            assert!(asked.insert(format!("list {resource}")), "{resource} is given: {told}");
            let name = format!("asked-{resource}");
            let user = ["--clusterrole", &name, "--user", "limited"];
            let role = ["create", "clusterrole", &name, "--verb=list", "--resource", resource];
            let bound = [&["create", "clusterrolebinding", &name][..], &user].concat();
            for args in [&role[..], &bound] {
                let made = cluster.kubectl(args);
                assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
            }
        }
        wait_for_rights(&cluster, "limited", &Vec::from_iter(missing));
    }
    let text = rendered("plimsoll", &["--values", EVERYTHING]).unwrap();
    assert_eq!(
        asked,
        rights(&text, &["plimsoll-advice.plimsoll", "plimsoll-advice-wide.plimsoll"])
    );
    // what may be changed is written here a second time, so that no right comes along unseen
    let four = "deployments.apps statefulsets.apps horizontalpodautoscalers.autoscaling scaledobjects.keda.sh";
    let four = four.split(' ').flat_map(|kind| [format!("get {kind}"), format!("patch {kind}")]);
    let more = ["get namespaces", "list pods", "create events"].map(str::to_owned);
    let lease =
        ["get", "update", "create"].map(|verb| format!("{verb} leases.coordination.k8s.io"));
    let expected = four.chain(more).chain(lease);
    let roles = ["plimsoll-apply", "plimsoll-apply.plimsoll"];
    assert_eq!(rights(&text, &roles), expected.collect());
    // and by default nobody is given them
    assert_eq!(rights(&rendered("plimsoll", &[]).unwrap(), &roles), BTreeSet::new());
}

/// A release with [`SETTINGS`], and a pod of it; `None` where that cannot be, which is said loudly and fails in CI.
fn installed(test: &str, release: &str) -> Option<(Arc<Cluster>, Pod)> {
    if !operators_available(test, &["helm", "env", "ldd", way_in()]) {
        return None;
    }
    let cluster = inhabited(release);
    cluster.send(&["apply", "--server-side"], &rendered_with(release, &desk()));
    let account = format!("system:serviceaccount:{release}:{release}");
    wait_for_rights(&cluster, &account, &["deployments.apps", "nodes"]);
    let pod = Pod::bare(test)?.furnished(&cluster, release);
    Some((cluster, pod))
}

/// What the plan says is in force of Redis; nothing but the cluster tells it.
fn memory(said: &str) -> Value {
    let plan: Value = serde_json::from_str(said).unwrap_or_else(|error| panic!("{error}: {said}"));
    let mut all = plan["services"][0]["recommendations"].as_array().unwrap().iter();
    all.find(|one| one["setting"] == "memory").unwrap()["current"].clone()
}

#[test]
fn a_pod_asks_its_own_cluster_unless_told_not_to() {
    let Some((_cluster, pod)) = installed("a_pod_asks_its_own_cluster", "aboard") else { return };
    // the CronJob's own words: what is skipped for want of history is in the review, and no failure
    let (code, said) = pod.run(&pod.args);
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("warning") && said.contains("wrote reports/"), "{said}");
    assert_eq!(std::fs::read_dir(pod.path(KEPT).join("reports")).unwrap().count(), 1);
    let (code, said) = pod.run(&["report"]);
    assert_eq!(code, Some(3), "{said}");
    let plan = |args: &[&str]| pod.run(&[&["plan", "-o", "json"], args].concat());
    let (code, said) = plan(&[]);
    assert_eq!((code, memory(&said)), (Some(3), json!("512Mi")), "{said}");
    for unasked in ["--no-cluster", "--offline"] {
        assert_eq!(memory(&plan(&[unasked]).1), Value::Null, "{unasked}");
    }
    let (code, said) = plan(&["--no-cluster", "--context", "x"]);
    assert!(code == Some(1) && said.contains("cannot be used with"), "{said}");
    // a pod that mounts no token asks nobody either
    std::fs::remove_file(pod.path(ACCOUNT).join("token")).unwrap();
    assert_eq!(memory(&plan(&[]).1), Value::Null);
}

#[test]
fn init_in_a_pod_begins_with_what_its_cluster_runs() {
    let pod = installed("init_in_a_pod_begins_with_what_its_cluster_runs", "begun");
    let Some((_cluster, pod)) = pod else { return };
    let init = |file: &str, args: &[&str]| {
        let (code, said) = pod.run(&[&["init", "--file", file], args].concat());
        (code, said, std::fs::read_to_string(pod.path(KEPT).join(file)).ok())
    };
    let (code, said, text) = init("found.yaml", &["-n", "my-service"]);
    assert_eq!(code, Some(0), "{said}");
    let text = text.unwrap();
    assert!(text.contains("name: my-service") && text.contains("HPA front-scaler"), "{text}");
    // without a word it is the pod's own namespace, in which this account may list nothing
    let (code, said, text) = init("own.yaml", &[]);
    assert_eq!((code, text), (Some(1), None), "{said}");
    for words in ["in namespace `begun`", "denied is not taken for none", "`--no-cluster`"] {
        assert!(said.contains(words), "{said}");
    }
    let (code, said, text) = init("alone.yaml", &["--no-cluster"]);
    assert!(code == Some(0) && text.unwrap().contains("name: my-service"), "{said}");
    // a pod that mounts no token is told so: by what can do without a cluster, and by what cannot
    std::fs::remove_file(pod.path(ACCOUNT).join("token")).unwrap();
    let (code, said, text) = init("tokenless.yaml", &["-n", "my-service"]);
    assert!(code == Some(0) && !text.unwrap().contains("front-scaler"), "{said}");
    for words in ["no cluster was asked: this pod mounts no token", "`--context NAME`"] {
        assert!(said.contains(words), "{said}");
    }
    let (code, said) = pod.run(&["apply"]);
    assert_eq!(code, Some(1), "{said}");
    for words in [
        "error: no cluster to ask",
        "nor does this pod mount a token",
        "automountServiceAccountToken",
    ] {
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn the_program_needs_nothing_of_a_machine_that_the_image_does_not_hold() {
    let test = "the_program_needs_nothing_of_a_machine_that_the_image_does_not_hold";
    if !there(test, &["env", "ldd", way_in()]) {
        return;
    }
    let Some(pod) = Pod::bare(test) else { return };
    // no fonts, no time zones, no shell, no /proc, and nothing to write to but the volume
    let (code, said) = pod.run(&["demo", "--png"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("Mon 23 Nov 2026 10:00 JST"), "{said}");
    let chart = pod.path(KEPT).join("reports/demo/charts/jarvis-load.png");
    assert!(std::fs::read(chart).unwrap().starts_with(b"\x89PNG"));
}

#[test]
fn what_a_pod_is_told_when_its_account_is_of_no_use() {
    let test = "what_a_pod_is_told_when_its_account_is_of_no_use";
    let Some((cluster, mut pod)) = installed(test, "useless") else { return };
    let says = |pod: &Pod, words: [&str; 2]| {
        let (code, said) = pod.run(&["plan"]);
        assert!(code == Some(1) && words.iter().all(|word| said.contains(word)), "{said}");
        assert!(said.contains("`--no-cluster`"), "{said}");
    };
    let unbound = ["delete", "rolebinding", "useless-advice.useless", "-n", "my-service"];
    assert!(cluster.kubectl(&unbound).status.success());
    cluster.wait("the right to be gone", || {
        pod.run(&["plan"]).1.contains("cannot list deployments in namespace `my-service`")
    });
    assert!(pod.run(&["plan"]).1.contains("hint: the cluster that this pod runs in was asked"));
    std::fs::write(pod.path(ACCOUNT).join("token"), "of-another-cluster").unwrap();
    says(&pod, ["the cluster refuses our credentials", "give the pod a token of this cluster"]);
    pod.port = 1;
    says(&pod, ["the cluster cannot be reached", "see its NetworkPolicy"]);
    for damaged in ["", "-----BEGIN"] {
        std::fs::write(pod.path(ACCOUNT).join("ca.crt"), damaged).unwrap();
        says(&pod, ["the cluster of this pod cannot be asked", "see what is mounted at"]);
    }
}

#[test]
fn the_account_of_the_advice_lists_in_its_namespaces_and_does_nothing_else() {
    let test = "the_account_of_the_advice_lists_in_its_namespaces_and_does_nothing_else";
    if !operators_available(test, &["helm"]) {
        return;
    }
    let cluster = inhabited("advice");
    cluster.send(&["apply", "--server-side"], &rendered_with("advice", &desk()));
    cluster.kubeconfig("account", &token(&cluster, "advice"));
    let asked = |args: &[&str]| {
        let asked = cluster.kubectl_as("account", &[&["auth", "can-i"], args].concat());
        String::from_utf8(asked.stdout).unwrap()
    };
    wait_for_rights(
        &cluster,
        "system:serviceaccount:advice:advice",
        &["deployments.apps", "nodes"],
    );
    // all that the API server lets it do: what is not about itself, and is no address of the server's own
    let all = asked(&["--list", "-n", "my-service", "--no-headers"]);
    let of_objects = all.lines().filter(|line| !line.starts_with("self") && !line.starts_with(' '));
    let of_objects: Vec<&str> = of_objects.collect();
    assert_eq!(of_objects.len(), 12, "{all}");
    assert!(of_objects.iter().all(|line| line.ends_with(" [list]")), "{all}");
    for verb in ["patch", "update", "create", "delete", "get", "watch"] {
        let said = asked(&[verb, "deployments.apps", "-n", "my-service"]);
        assert_eq!(said.trim(), "no", "{verb}");
    }
    let patched = ["patch", "deployment", "jarvis-api", "-n", "my-service", "-p", "{}"];
    let patched = cluster.kubectl_as("account", &patched);
    assert!(String::from_utf8_lossy(&patched.stderr).contains("Forbidden"));
    assert_eq!(asked(&["list", "deployments.apps", "-n", "second"]).trim(), "no");
}

#[test]
fn the_account_that_applies_is_another_and_changes_only_where_it_is_told() {
    let test = "the_account_that_applies_is_another_and_changes_only_where_it_is_told";
    if !operators_available(test, &["helm"]) {
        return;
    }
    let cluster = inhabited("applied");
    let apply = ["--set", "apply.enabled=true", "--set", "apply.namespaces={my-service}"];
    cluster.send(&["apply"], &rendered("applied", &apply).unwrap());
    let account = |name: &str| format!("system:serviceaccount:applied:{name}");
    let [advice, apply] = [account("applied"), account("applied-apply")];
    wait_for_rights(&cluster, &apply, &["deployments.apps", "nodes"]);
    wait_for_rights(&cluster, &advice, &["deployments.apps", "nodes"]);
    for (user, verb, resource, namespace, expected) in [
        (&apply, "patch", "horizontalpodautoscalers.autoscaling", "my-service", "yes"),
        (&apply, "patch", "horizontalpodautoscalers.autoscaling", "second", "no"),
        (&apply, "update", "horizontalpodautoscalers.autoscaling", "my-service", "no"),
        (&apply, "delete", "deployments.apps", "my-service", "no"),
        (&apply, "get", "namespaces", "my-service", "yes"),
        (&apply, "get", "secrets", "my-service", "no"),
        // its own lease, and nobody else's
        (&apply, "create", "leases.coordination.k8s.io", "applied", "yes"),
        (&apply, "update", "leases.coordination.k8s.io/applied", "applied", "yes"),
        (&apply, "get", "leases.coordination.k8s.io/other", "applied", "no"),
        (&apply, "update", "leases.coordination.k8s.io/other", "applied", "no"),
        (&apply, "update", "leases.coordination.k8s.io/applied", "my-service", "no"),
        (&advice, "patch", "horizontalpodautoscalers.autoscaling", "my-service", "no"),
        (&advice, "update", "leases.coordination.k8s.io/applied", "applied", "no"),
    ] {
        let asked = ["auth", "can-i", verb, resource, "-n", namespace, "--as", user.as_str()];
        let said = String::from_utf8(cluster.kubectl(&asked).stdout).unwrap();
        assert_eq!(said.trim(), expected, "{asked:?}");
    }
}

/// Flags of `helm` that switch the loop on.
const LOOP: [&str; 6] = [
    "--set",
    "apply.enabled=true",
    "--set",
    "apply.namespaces={my-service}",
    "--set",
    "loop.enabled=true,loop.act=true",
];

#[test]
fn the_loop_needs_the_account_of_apply_and_is_not_there_unless_asked_for() {
    if !there("the_loop_needs_the_account_of_apply", &["helm"]) {
        return;
    }
    let refused = rendered("plimsoll", &["--set", "loop.enabled=true"]).unwrap_err();
    assert!(refused.contains("set `apply.enabled: true`"), "{refused}");
    let nowhere = rendered("plimsoll", &["--set", "loop.enabled=true,apply.enabled=true"]);
    let nowhere = nowhere.unwrap_err();
    assert!(nowhere.contains("`apply.namespaces` alone, and that names none"), "{nowhere}");
    let plain = rendered("plimsoll", &[]).unwrap();
    assert!(objects(&plain).iter().all(|object| object["kind"] != "Deployment"));
    let text = rendered("plimsoll", &LOOP).unwrap();
    let spec = &only(&text, "Deployment")["spec"];
    assert_eq!(spec["replicas"], 2);
    let pod = &spec["template"]["spec"];
    assert_eq!(pod["serviceAccountName"], "plimsoll-apply");
    let args = strings(&pod["containers"][0]["args"]);
    assert_eq!(args, ["run", "--listen=0.0.0.0:8080", "--lease=plimsoll", "--yes"]);
    // the program takes them as they stand
    let told = Command::new(env!("CARGO_BIN_EXE_plimsoll")).args(args).arg("--file=/none").output();
    let told = String::from_utf8(told.unwrap().stderr).unwrap();
    assert!(told.contains("cannot read `/none`"), "{told}");
}

#[test]
fn the_loop_is_served_under_a_name_that_the_api_server_takes_whatever_the_release() {
    if !available_with("the_loop_is_served_under_a_name_that_the_api_server_takes", &["helm"]) {
        return;
    }
    let cluster = Cluster::shared();
    cluster.namespace("served");
    let long = format!("{}.b", "a".repeat(39));
    for (release, name) in [
        ("plimsoll", "plimsoll-loop"),
        ("my.rel", "my-rel-loop"),
        ("1rel", "plimsoll-1rel-loop"),
        (&long, &format!("{}-loop", "a".repeat(39))),
    ] {
        let text = rendered(release, &LOOP).unwrap();
        for kind in ["Service", "Deployment"] {
            let mut object = only(&text, kind);
            object["metadata"]["namespace"] = json!("served");
            cluster.send(&["create", "--dry-run=server"], &object.to_string());
        }
        assert_eq!(only(&text, "Service")["metadata"]["name"], name);
        let text = rendered(release, &["--values", EVERYTHING]).unwrap();
        let rules = only_of(
            &text,
            "PrometheusRule",
            only(&text, "Deployment")["metadata"]["name"].as_str().unwrap(),
        );
        assert!(rules.to_string().contains(&format!("service=\\\"{name}\\\"")), "{rules}");
    }
}

#[test]
fn the_account_of_the_loop_holds_the_lease_and_reads_all_that_a_turn_reads() {
    let test = "the_account_of_the_loop_holds_the_lease_and_reads_all_that_a_turn_reads";
    if !operators_available(test, &["helm"]) {
        return;
    }
    let cluster = inhabited("looped");
    cluster.send(&["apply"], &rendered("looped", &LOOP).unwrap());
    let account = "system:serviceaccount:looped:looped-apply";
    wait_for_rights(&cluster, account, &["deployments.apps", "nodes", "pods"]);
    let token = cluster.kubectl(&["create", "token", "looped-apply", "-n", "looped"]);
    cluster.kubeconfig("looper", String::from_utf8(token.stdout).unwrap().trim());
    let desk = desk();
    let said = std::fs::File::create(desk.path().join("said")).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_plimsoll"))
        .args(["run", "--yes", "--listen", "127.0.0.1:0", "--lease", "looped/looped"])
        .args(["--context", "looper", "--kubeconfig"])
        .arg(cluster.path("looper.kubeconfig"))
        .current_dir(&desk)
        .stdout(said.try_clone().unwrap())
        .stderr(said)
        .spawn()
        .unwrap();
    // nobody gave it the fields of the HPA: that guard speaks, and none that could not read something
    cluster.wait("a turn", || {
        std::fs::read_to_string(desk.path().join("said")).unwrap().contains("OWNED")
    });
    let lease = cluster.kubectl(&["get", "lease", "looped", "-n", "looped", "-o", "json"]);
    let lease: Value = serde_json::from_slice(&lease.stdout).unwrap();
    let ended = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(ended.success() && child.wait().unwrap().success());
    let said = std::fs::read_to_string(desk.path().join("said")).unwrap();
    let holder = lease["spec"]["holderIdentity"].as_str().unwrap();
    assert!(holder.contains(&child.id().to_string()), "{holder}\n{said}");
    // `PAUSED`, `PODS`, `DISRUPTION` and `ROOM` would be what it may not read
    for word in ["SERVER", "cannot list", "may not", "error:", "PAUSED", "PODS", "ROOM"] {
        assert!(!said.contains(word), "{said}");
    }
}

#[test]
fn the_alert_of_the_loop_speaks_when_it_stands_still_and_only_then() {
    let test = "the_alert_of_the_loop_speaks_when_it_stands_still_and_only_then";
    if !there(test, &["helm", "promtool"]) {
        return;
    }
    let with = |values: &str| rendered("plimsoll", &[&LOOP[..], &["--set", values]].concat());
    // nobody is scraped without a monitor
    let unseen = with("alert.enabled=true").unwrap_err();
    assert!(unseen.contains("set `loop.serviceMonitor.enabled: true`"), "{unseen}");
    let chart = with("alert.enabled=true,loop.serviceMonitor.enabled=true").unwrap();
    let rule = only_of(&chart, "PrometheusRule", "plimsoll-loop");
    let labels = r#"namespace="plimsoll",service="plimsoll-loop""#;
    let series = |pod: &str, values: &str| {
        let name = format!(r#"plimsoll_last_success_timestamp_seconds{{{labels},pod="{pod}"}}"#);
        json!({"series": name, "values": values})
    };
    let annotations = &rule["spec"]["groups"][0]["rules"][0]["annotations"];
    let expected = json!({"severity": "warning"});
    let back = |pod: &str, values: &str| {
        let name = format!(r#"plimsoll_rolled_back_total{{{labels},pod="{pod}"}}"#);
        json!({"series": name, "values": values})
    };
    let rolled_back = |input: Value, asked: &[(&str, &[&str])]| {
        let annotations = &rule["spec"]["groups"][0]["rules"][1]["annotations"];
        let alerts = asked.iter().map(|(at, pods)| {
            let of = |pod: &&str| {
                let labels = json!({"severity": "warning", "namespace": "plimsoll",
                    "service": "plimsoll-loop", "pod": pod});
                json!({"exp_labels": labels, "exp_annotations": annotations})
            };
            json!({"eval_time": at, "alertname": "PlimsollLoopRolledBack",
                   "exp_alerts": pods.iter().map(of).collect::<Vec<_>>()})
        });
        json!({"interval": "1m", "input_series": input, "alert_rule_test": alerts.collect::<Vec<_>>()})
    };
    let case = |input: Value, asked: &[(&str, bool)]| {
        let alerts = asked.iter().map(|(at, fires)| {
            let speaks = json!([{"exp_labels": expected, "exp_annotations": annotations}]);
            json!({"eval_time": at, "alertname": "PlimsollLoopStopped",
                   "exp_alerts": if *fires { speaks } else { json!([]) }})
        });
        json!({"interval": "1m", "input_series": input, "alert_rule_test": alerts.collect::<Vec<_>>()})
    };
    let tests = json!({"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [
        // well for an hour, then it stands still; the other waits and never turned
        case(json!([series("a", "0+60x60 3600x60"), series("b", "0x120")]), &[("60m", false), ("74m", false), ("82m", true)]),
        // killed, and the other goes on
        case(json!([series("a", "0+60x60 _x60"), series("b", "0x60 3660+60x60")]), &[("110m", false)]),
        case(json!([]), &[("10m", true)]),
        // one of two takes something back after half an hour, and is quiet again an hour later
        rolled_back(json!([back("a", "0x30 1x120"), back("b", "0x150")]), &[("29m", &[]), ("32m", &["a"]), ("95m", &[])]),
        // one that has done so by the first scrape after its start
        rolled_back(json!([back("a", "0x150"), back("c", "_x60 1x90")]), &[("59m", &[]), ("63m", &["c"]), ("125m", &[])]),
    ]});
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rules.yaml"), rule["spec"].to_string()).unwrap();
    std::fs::write(folder.path().join("tests.yaml"), tests.to_string()).unwrap();
    for args in [["check", "rules", "rules.yaml"], ["test", "rules", "tests.yaml"]] {
        let ran = program("promtool").args(args).current_dir(&folder).output().unwrap();
        let said = [ran.stdout, ran.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        assert!(ran.status.success(), "{}", said.concat());
    }
}

#[test]
fn the_dashboard_asks_in_promql_and_for_documented_metrics_only() {
    let test = "the_dashboard_asks_in_promql_and_for_documented_metrics_only";
    if !there(test, &["helm", "promtool"]) {
        return;
    }
    let args = [&LOOP[..], &["--set", "loop.dashboard.enabled=true"]].concat();
    let chart = rendered("plimsoll", &args).unwrap();
    let map = only_of(&chart, "ConfigMap", "plimsoll-dashboard");
    assert_eq!(map["metadata"]["labels"]["grafana_dashboard"], "1");
    let dashboard: Value =
        serde_json::from_str(map["data"]["plimsoll-loop.json"].as_str().unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let asked: Vec<String> =
        targets.map(|target| target["expr"].as_str().unwrap().replace("$object", ".*")).collect();
    assert!(asked.len() >= panels.len() && panels.len() >= 8, "{asked:?}");
    for shown in ["plimsoll_watched_objects", "plimsoll_rolled_back_total"] {
        assert!(asked.iter().any(|one| one.contains(shown)), "{shown}");
    }
    let readme = std::fs::read_to_string("README.md").unwrap();
    for word in asked.iter().flat_map(|one| one.split(|c: char| !c.is_alphanumeric() && c != '_')) {
        assert!(!word.starts_with("plimsoll_") || readme.contains(&format!("`{word}")), "{word}");
    }
    let rules = asked
        .iter()
        .zip(0..)
        .map(|(expr, i)| json!({"record": format!("panel:{i}"), "expr": expr}));
    let rules = json!({"groups": [{"name": "panels", "rules": rules.collect::<Vec<_>>()}]});
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rules.yaml"), rules.to_string()).unwrap();
    let ran = program("promtool")
        .args(["check", "rules", "rules.yaml"])
        .current_dir(&folder)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

#[test]
fn the_alert_speaks_when_a_review_is_missing_and_only_then() {
    if !there("the_alert_speaks_when_a_review_is_missing_and_only_then", &["helm", "promtool"]) {
        return;
    }
    let text = rendered("plimsoll", &["--set", "alert.enabled=true"]).unwrap();
    let rule = only(&text, "PrometheusRule");
    let cron_job = only(&text, "CronJob")["metadata"]["name"].clone();
    let labels = json!({"namespace": "plimsoll", "cronjob": cron_job, "instance": "ksm"});
    let series =
        |name: &str| format!(r#"{name}{{namespace="plimsoll",cronjob={cron_job},instance="ksm"}}"#);
    // a step is five minutes, as far as promtool looks back: twelve are an hour, and 120 those until the first success
    let created = json!({"series": series("kube_cronjob_created"), "values": "0x6000"});
    let succeeded = |values: &str| json!({"series": series("kube_cronjob_status_last_successful_time"), "values": values});
    let mut expected = labels;
    expected["severity"] = json!("warning");
    let annotations = &rule["spec"]["groups"][0]["rules"][0]["annotations"];
    let speaks = json!([{"exp_labels": expected, "exp_annotations": annotations}]);
    let case = |input: Value, asked: &[(&str, bool)]| {
        let alerts = asked.iter().map(|(at, fires)| {
            json!({"eval_time": at, "alertname": "PlimsollReviewMissing",
                   "exp_alerts": if *fires { speaks.clone() } else { json!([]) }})
        });
        json!({"interval": "5m", "input_series": input, "alert_rule_test": alerts.collect::<Vec<_>>()})
    };
    let tests = json!({"rule_files": ["rules.yaml"], "evaluation_interval": "15m", "tests": [
        case(json!([created]), &[("191h", false), ("193h", true)]),
        // 36000 s are ten hours: due 192 hours later
        case(json!([created, succeeded("_x120 36000x4800")]), &[("193h", false), ("201h", false), ("203h", true)]),
        case(json!([created, succeeded("_x120 36000x2015 640800x3600")]), &[("203h", false), ("360h", false), ("371h", true)]),
        case(json!([]), &[("300h", false)]),
    ]});
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rules.yaml"), rule["spec"].to_string()).unwrap();
    std::fs::write(folder.path().join("tests.yaml"), tests.to_string()).unwrap();
    for args in [["check", "rules", "rules.yaml"], ["test", "rules", "tests.yaml"]] {
        let ran = program("promtool").args(args).current_dir(&folder).output().unwrap();
        let said = [ran.stdout, ran.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        assert!(ran.status.success(), "{}", said.concat());
    }
}

#[test]
fn the_image_is_given_all_that_the_build_reads() {
    let read = |name: &str| std::fs::read_to_string(Path::new(ROOT).join(name)).unwrap();
    let dockerfile = read("deploy/Dockerfile");
    let copied: Vec<&str> = dockerfile
        .lines()
        .filter_map(|line| line.strip_prefix("COPY ").filter(|rest| !rest.starts_with("--from")))
        .flat_map(|rest| rest.rsplit_once(' ').unwrap().0.split(' '))
        .collect();
    let let_in = read(".dockerignore");
    let let_in: Vec<&str> = let_in.lines().filter_map(|line| line.strip_prefix('!')).collect();
    assert_eq!(copied, let_in);
    assert!(copied.iter().all(|name| Path::new(ROOT).join(name).exists()), "{copied:?}");
    // git is in the one image that is asked for by name, and no image is root's
    let stages: Vec<&str> = dockerfile.split("\nFROM ").skip(1).collect();
    let [_, with_git, last] = stages[..] else { panic!("{stages:?}") };
    assert!(
        with_git.lines().next().unwrap().ends_with(" AS with-git") && with_git.contains(" git ")
    );
    assert!(last.starts_with("gcr.io/distroless/") && !last.contains("RUN"), "{last}");
    for stage in [with_git, last] {
        assert!(stage.contains("\nUSER 65532:65532\n"), "{stage}");
        assert!(stage.contains("\nENTRYPOINT [\"/usr/local/bin/plimsoll\"]\n"), "{stage}");
    }
    // what is compiled into the program lies in them
    let mut folders = vec![Path::new(ROOT).join("src")];
    let mut compiled_in = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.ends_with("tests.rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for name in
                text.split("include_str!(\"").skip(1).map(|rest| rest.split('"').next().unwrap())
            {
                let file = folder.join(name).canonicalize().unwrap();
                let within = copied.iter().any(|name| file.starts_with(Path::new(ROOT).join(name)));
                assert!(within, "{} is not copied", file.display());
                compiled_in += 1;
            }
        }
    }
    assert!(compiled_in >= 2);
}
