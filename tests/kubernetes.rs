//! The real binary against a real API server: what it reads, what it says of what it may not read, and whether
//! the API server takes what it writes.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, missing_docs)]

#[path = "support/cluster.rs"]
mod cluster;
#[path = "support/fake.rs"]
#[allow(dead_code)]
mod fake;
#[path = "support/harbour.rs"]
mod harbour;
#[path = "support/tunnel.rs"]
mod tunnel;

use std::path::Path;

use cluster::{Cluster, available, controllers_available, operators_available};
use fake::Fake;
use harbour::{AT, Desk, JARVIS, allow, settings};
use jiff::{SignedDuration, Timestamp};
use plimsoll::history::Signal;
use plimsoll::service::live::{Budget, Claim, Counted, Live, Scaler, Share, Taken};
use plimsoll::service::needs::Needs;
use plimsoll::source::kubernetes::{ClusterOptions, live_state};
use plimsoll::units::{Bytes, Millicores};
use plimsoll::{config, service};
use serde_json::{Value, json};
use tunnel::Tunnel;

/// What a change must fit into. The last budget is about other pods.
const AROUND: &str = include_str!("manifests/around.yaml");

const EVERYTHING: &str = "deployments.apps,statefulsets.apps,horizontalpodautoscalers.autoscaling,\
    poddisruptionbudgets.policy,resourcequotas,limitranges,persistentvolumeclaims";

#[test]
fn what_is_in_force_is_read_from_the_cluster_without_a_word_in_the_settings() {
    if !available("what_is_in_force_is_read_from_the_cluster_without_a_word_in_the_settings") {
        return;
    }
    let cluster = Cluster::shared();
    cluster.apply("whole", JARVIS);
    let told = Desk::of(&["whole"]).plan(&cluster, "admin");
    let current = |component, setting| told.setting("whole", component, setting)[0].clone();
    assert_eq!(current("api", "minReplicas"), 3);
    assert_eq!(current("api", "maxReplicas"), 5);
    assert_eq!(current("api", "cpuRequest"), "600m");
    assert_eq!(current("api", "memoryLimit"), "512Mi");
    assert_eq!(current("worker", "replicas"), 3);
    assert_eq!(current("worker", "memoryLimit"), "1Gi");
    assert_eq!(current("redis", "memory"), "512Mi");
    assert_eq!(told.setting("whole", "api", "minReplicas")[2], "Raise");
    assert_eq!(told.setting("whole", "redis", "memory")[2], "Raise");
    assert!(!told.stderr.contains("warning"), "{}", told.stderr);
}

#[test]
fn what_a_change_must_fit_into_is_read_too() {
    if !controllers_available("what_a_change_must_fit_into_is_read_too") {
        return;
    }
    let cluster = Cluster::with_controllers();
    let says = |kind: &str, path: &str, value: &[u8]| {
        let path = format!("jsonpath={path}");
        cluster.kubectl(&["get", kind, "-n", "around", "-o", &path]).stdout == value
    };
    // pods that come before what they need are refused, and tried again ever more seldom
    cluster.apply("around", AROUND);
    cluster.wait("an account for pods", || says("sa/default", "{.metadata.name}", b"default"));
    cluster.wait("a quota in force", || says("quota/share", "{.status.hard.pods}", b"20"));
    // the controllers make pods, and count them: 4 of the API, 3 workers, 1 Redis
    cluster.apply("around", JARVIS);
    let counted = || says("quota/share", "{.status.used.pods}", b"8");
    cluster.wait("a quota that counts eight pods", counted);
    let live = read(&cluster, "around");
    assert_eq!(live.gaps, []);
    let budgets = |component| live.workload("around", component).unwrap().budgets.clone().unwrap();
    let front = Budget {
        name: "front".to_owned(),
        min_available: Some(Share::Percent(50)),
        max_unavailable: None,
    };
    assert_eq!(budgets("api"), [front]);
    assert_eq!(budgets("worker")[0].max_unavailable, Some(Share::Pods(1)));
    assert_eq!(budgets("redis"), []);
    let around = &live.namespaces["around"];
    let [quota] = around.quotas.as_deref().unwrap() else { panic!("{around:?}") };
    assert_eq!(quota.counts[&Counted::Pods], Taken { hard: 20, used: 8 });
    // 4 x 600m, 3 x 500m and the 100m by default of their mesh, 100m of Redis
    let used = 2400 + 1800 + 100;
    assert_eq!(quota.counts[&Counted::CpuRequests], Taken { hard: 8000, used });
    let [limits] = around.limits.as_deref().unwrap() else { panic!("{around:?}") };
    assert_eq!((limits.max.memory, limits.min.cpu), (Some(Bytes(2 << 30)), Some(Millicores(50))));
    let claim = Claim {
        request: Some(Bytes(50 << 30)),
        capacity: None,
        class: Some("growing".to_owned()),
        expandable: Some(true),
        has_class: Some(true),
    };
    let claims = around.claims.clone().unwrap();
    assert_eq!(claims, [("data-jarvis-postgresql-0".to_owned(), claim)].into());
    let [node] = live.nodes.as_deref().unwrap() else { panic!("{:?}", live.nodes) };
    assert_eq!(node.allocatable.cpu, Some(Millicores(3920)));
    assert_eq!((node.pods, node.zone.as_deref(), node.schedulable), (Some(110), Some("a"), false));

    // and the advice says what does not fit: ten pods of 600m, four of 600m and Redis in 6 cores
    let less = r#"{"spec": {"hard": {"requests.cpu": "6"}}}"#;
    let patch = ["patch", "quota/share", "-n", "around", "--type=merge", "-p", less];
    assert!(cluster.kubectl(&patch).status.success());
    cluster.wait("the new quota", || says("quota/share", "{.status.hard.requests\\.cpu}", b"6"));
    let enough = "api, worker, redis: with 10, 4, 1 pods at most they ask for 8500m together, and CPU requests of quota `share` leave them 6";
    Desk::of(&["around"]).plan(&cluster, "admin").says(3, &["ROOM", enough]);
}

#[test]
fn a_pod_and_its_claims_are_counted_as_the_quotas_of_the_cluster_count_them() {
    if !controllers_available("a_pod_and_its_claims_are_counted_as_the_quotas_count_them") {
        return;
    }
    let cluster = Cluster::with_controllers();
    cluster.apply("summed", SUMMED);
    let used = || {
        let path = "jsonpath={.status.used}";
        let told = cluster.kubectl(&["get", "quota/all", "-n", "summed", "-o", path]);
        serde_json::from_slice::<Value>(&told.stdout).unwrap_or_default()
    };
    cluster.wait("a quota in force", || used()["pods"] == "0");
    let limits = |cpu: &str, memory: &str| json!({"limits": {"cpu": cpu, "memory": memory}});
    let of = |name: &str, memory: &str| json!({"name": name, "image": "example/x", "resources": limits("100m", memory)});
    let stays = |name: &str, memory: &str| {
        let mut one = of(name, memory);
        one["restartPolicy"] = json!("Always");
        one
    };
    let app = [of("app", "512Mi"), of("log", "64Mi")];
    let mut needs = Needs::default();
    for (name, first, whole) in [
        ("before", vec![stays("mesh", "1Gi"), of("copies", "2Gi")], json!({})),
        ("after", vec![of("copies", "2Gi"), stays("mesh", "1Gi")], json!({})),
        ("whole", vec![stays("mesh", "1Gi")], limits("2", "4Gi")),
    ] {
        let spec = json!({"initContainers": first, "containers": app, "resources": whole});
        let pod =
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec});
        cluster.create("summed", &pod.to_string());
        needs = needs.and(&Needs::of_pod(&spec, &[]));
    }
    let claimed = || used()["persistentvolumeclaims"] == "2";
    cluster.create("summed", WITH_CLAIMS);
    cluster.wait("two claims", claimed);
    let live = read(&cluster, "summed");
    let redis = live.workload("summed", "redis").unwrap();
    assert_eq!(redis.claims[0].class.as_deref(), Some("usual"), "{:?}", redis.claims);
    // its pods are counted in the end, those of the claims with the claims
    cluster.wait("all pods", || used()["pods"] == "5");
    let two = Needs::of_pod(&redis.pod, &[]).and(&Needs::of_claims(&redis.claims)).times(2);
    needs = needs.and(&two);
    let live = read(&cluster, "summed");
    let [quota] = live.namespaces["summed"].quotas.as_deref().unwrap() else { panic!("{live:?}") };
    assert_eq!(quota.counts.len(), 9, "{quota:?}");
    for (what, taken) in &quota.counts {
        assert_eq!(taken.used, needs.of(what), "{what}: {}", used());
    }
}

/// A quota on all that is counted, and the class of claims that name none.
const SUMMED: &str = "
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: usual, annotations: {storageclass.kubernetes.io/is-default-class: 'true'}}
provisioner: example.com/disk
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: all}
spec:
  hard:
    pods: '50'
    requests.cpu: '50'
    requests.memory: 50Gi
    limits.cpu: '50'
    limits.memory: 50Gi
    persistentvolumeclaims: '50'
    requests.storage: 50Gi
    usual.storageclass.storage.k8s.io/persistentvolumeclaims: '50'
    usual.storageclass.storage.k8s.io/requests.storage: 50Gi
";

const WITH_CLAIMS: &str = "
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: jarvis-redis-master}
spec:
  replicas: 2
  podManagementPolicy: Parallel
  serviceName: jarvis-redis
  selector: {matchLabels: {app: redis}}
  template:
    metadata: {labels: {app: redis}}
    spec: {containers: [{name: redis, image: example/redis, resources: {limits: {cpu: 100m, memory: 512Mi}}}]}
  volumeClaimTemplates:
    - {metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 2Gi}}}}
";

const CLASSES: &str = "
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: grows}
provisioner: example.com/disk
allowVolumeExpansion: true
";

/// The claim of the volume in the settings.
fn claim(class: &str, size: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {{name: data-jarvis-postgresql-0}}, spec: {{\
         accessModes: [ReadWriteOnce], storageClassName: {class}, resources: {{requests: {{storage: {size}}}}}}}}}"
    )
}

#[test]
fn a_volume_is_advised_on_as_its_claim_is_in_the_cluster() {
    if !available("a_volume_is_advised_on_as_its_claim_is_in_the_cluster") {
        return;
    }
    let cluster = Cluster::shared();
    let all = ["claim-none", "claim-usual", "claim-large", "claim-odd"];
    let quota = "{apiVersion: v1, kind: ResourceQuota, metadata: {name: team}, spec: {hard: {requests.storage: 20Gi}}}";
    cluster.apply("claim-none", JARVIS);
    cluster.apply("claim-usual", &[JARVIS, CLASSES, &claim("grows", "50Gi")].join("---\n"));
    cluster.apply("claim-usual", quota);
    cluster.apply("claim-large", &[JARVIS, &claim("grows", "200Gi")].join("---\n"));
    cluster.apply("claim-odd", &[JARVIS, &claim("no-such-class", "50Gi")].join("---\n"));
    let desk = Desk::of(&all);
    desk.fills(&all, "data-jarvis-postgresql-0", [20, 45], 50);
    let told = desk.plan(&cluster, "admin");
    let storage = |namespace| told.setting(namespace, "data-jarvis-postgresql-0", "storage");
    assert_eq!(storage("claim-none"), [Value::Null, Value::Null, json!("Skipped")]);
    let [now, then, action] = storage("claim-usual");
    assert_eq!((now, action), (json!("50Gi"), json!("Raise")));
    assert_eq!(storage("claim-large"), [json!("200Gi"), json!("200Gi"), json!("Keep")]);
    assert_eq!(storage("claim-odd"), [json!("50Gi"), json!("50Gi"), json!("Keep")]);
    let then: Bytes = then.as_str().unwrap().parse().unwrap();
    let more = Bytes(then.0 - (50 << 30));
    let short = format!("{more} more is advised, and storage requests of quota `team` leave 20Gi");
    let gone = "it is of storage class `no-such-class`, which the cluster does not have";
    told.says(3, &["has no such claim in namespace `claim-none`", &short, gone]);
}

#[test]
fn a_cluster_behind_a_proxy_is_asked_through_it_as_kubectl_asks() {
    if !available("a_cluster_behind_a_proxy_is_asked_through_it_as_kubectl_asks") {
        return;
    }
    let cluster = Cluster::shared();
    cluster.apply("behind", JARVIS);
    let desk = Desk::of(&["behind"]);
    let tunnel = Tunnel::to(cluster.port());
    let told = |kubeconfig: &str, set: &[(&str, &str)]| {
        let mut command = desk.command("admin", &cluster.path(kubeconfig), &["plan", "--at", AT]);
        for name in ["HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"] {
            command.env_remove(name);
        }
        harbour::told(command.envs(set.iter().copied()).output().unwrap())
    };
    let text = std::fs::read_to_string(cluster.path("admin.kubeconfig")).unwrap();
    let here = format!("https://127.0.0.1:{}", cluster.port());
    let write = |name: &str, old: &str, new: &str| {
        assert!(text.contains(old));
        std::fs::write(cluster.path(name), text.replace(old, new)).unwrap();
    };
    let own = format!("cluster: {{proxy-url: '{}', ", tunnel.url);
    write("own.kubeconfig", "cluster: {", &own);
    told("own.kubeconfig", &[("NO_PROXY", "*")]).says(3, &["minReplicas"]);
    assert_eq!(tunnel.asked(), [here.trim_start_matches("https://")]);
    // a name that the server's certificate has, and that only the proxy knows
    write("far.kubeconfig", &here, "https://kubernetes.default.svc:6443");
    let set = ("HTTPS_PROXY", tunnel.url.as_str());
    told("far.kubeconfig", &[set]).says(3, &["minReplicas"]);
    assert_eq!(tunnel.asked(), ["kubernetes.default.svc:6443"]);
    let direct = told("far.kubeconfig", &[set, ("NO_PROXY", "10.0.0.0/8,.svc")]);
    direct.says(1, &["error: the cluster cannot be reached", "hint: check `kubectl version`"]);
    assert_eq!(tunnel.asked(), Vec::<String>::new());
    // nor is one asked for this machine
    let gone = ("HTTPS_PROXY", "http://me:secret@127.0.0.1:1");
    told("admin.kubeconfig", &[gone]).says(3, &["minReplicas"]);
    let lost = told("far.kubeconfig", &[gone]);
    let hint = "hint: requests go through the proxy `http://127.0.0.1:1` of `HTTPS_PROXY`";
    lost.says(1, &["error: the cluster cannot be reached", hint, "`NO_PROXY`"]);
    assert!(!lost.stderr.contains("secret"), "{}", lost.stderr);
    let garbled = told("far.kubeconfig", &[("HTTPS_PROXY", "::::")]);
    garbled.says(1, &["error: ", "of `HTTPS_PROXY`", "hint: "]);
}

/// What the library reads for the service of a namespace, as the administrator.
fn read(cluster: &Cluster, namespace: &str) -> Live {
    let services: Vec<service::Service> =
        config::parse(&settings(&[namespace]), "test", Path::new(".")).unwrap().services;
    let options =
        ClusterOptions { context: None, kubeconfig: Some(cluster.path("admin.kubeconfig")) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(live_state(&services, &options)).unwrap()
}

#[test]
fn case_80_hpas_that_one_namespace_denies_leave_its_counts_alone_and_the_other_advised() {
    if !available("case_80_hpas_that_one_namespace_denies_leave_its_counts_alone") {
        return;
    }
    let cluster = Cluster::shared();
    for namespace in ["open", "shut"] {
        cluster.apply(namespace, JARVIS);
    }
    allow(&cluster, "limited", "open", EVERYTHING);
    let but_hpas = EVERYTHING.replace("horizontalpodautoscalers.autoscaling,", "");
    allow(&cluster, "limited", "shut", &but_hpas);
    let desk = Desk::of(&["open", "shut"]);
    let told = desk.plan(&cluster, "limited");
    told.says(
        3,
        &[
            "the cluster does not tell who sets the count",
            "cannot list horizontalpodautoscalers in namespace `shut`",
            r#"User "limited" cannot list resource "horizontalpodautoscalers""#,
            "kubectl create role plimsoll-read -n shut --verb=list --resource=horizontalpodautoscalers.autoscaling",
            "cannot list nodes",
        ],
    );
    assert!(!told.stderr.contains("in namespace `open`"), "{}", told.stderr);
    assert_eq!(told.setting("open", "api", "minReplicas"), [json!(3), json!(5), json!("Raise")]);
    let unknown = [Value::Null, Value::Null, json!("Skipped")];
    assert_eq!(told.setting("shut", "api", "replicas"), unknown);
    assert_eq!(told.setting("shut", "worker", "replicas"), unknown);
    // what does not hang on the HPAs is advised there too
    assert_eq!(told.setting("shut", "redis", "memory")[2], "Raise");
    // nor does a metric that knows the bounds make them ours: they stay as they are
    desk.tell("shut", &[("api.hpaMin", 3), ("api.hpaMax", 4), ("api.specReplicas", 4)]);
    let told = desk.plan(&cluster, "limited");
    assert_eq!(told.setting("shut", "api", "replicas"), unknown);
    let patches = desk.run(&cluster, "limited", &["patch"]).stdout;
    assert!(!patches.contains("shut.jarvis-api.hpa.yaml"), "{patches}");
    // nor does a person's word on the count make an unseen HPA go away
    desk.edit("Deployment/jarvis-api}", "Deployment/jarvis-api, current: {replicas: 4}}");
    let told = desk.plan(&cluster, "limited");
    assert_eq!(told.setting("shut", "api", "replicas"), unknown);
    assert_eq!(told.setting("open", "api", "minReplicas")[0], 3);
}

#[test]
fn case_65_what_the_cluster_has_not_is_not_taken_from_history() {
    if !available("case_65_what_the_cluster_has_not_is_not_taken_from_history") {
        return;
    }
    let cluster = Cluster::shared();
    // neither a CPU request nor a memory limit
    let bare = JARVIS.replace(
        "{requests: {cpu: 600m, memory: 256Mi}, limits: {memory: 512Mi}}",
        "{requests: {memory: 256Mi}}",
    );
    assert_ne!(bare, JARVIS);
    cluster.create("bare", &bare);
    let desk = Desk::of(&["bare"]);
    // what was there once, and would be raised
    desk.tell("bare", &[("api.memoryLimit", 200 << 20), ("api.cpuRequest", 1)]);
    let told = desk.plan(&cluster, "admin");
    told.says(3, &["NOT_IN_FORCE", "its container sets none, and none is introduced"]);
    let left = [Value::Null, Value::Null, json!("Skipped")];
    assert_eq!(told.setting("bare", "api", "memoryLimit"), left);
    assert_eq!(told.setting("bare", "api", "cpuRequest"), left);
    // what is not set is no gap: where nothing else is missing, the run is whole
    let gaps = [
        ("worker.cpuMax", 0.4),
        ("worker.memory", 8e8),
        ("data-jarvis-postgresql-0.volumeUsed", 1e9),
        ("data-jarvis-postgresql-0.volumeCapacity", 8e9),
    ];
    cluster.apply("bare", &claim("grows", "8Gi"));
    let whole = Desk::of(&["bare"]);
    whole.watched("bare", AT.parse().unwrap(), &gaps);
    whole.plan(&cluster, "admin").says(0, &["NOT_IN_FORCE"]);
    // the peak is 286Mi, and no limit holds the request
    let [now, _, action] = told.setting("bare", "api", "memoryRequest");
    assert_eq!((now, action), (json!("256Mi"), json!("Raise")));
    for form in ["strategic", "ssa"] {
        let told = desk.run(&cluster, "admin", &["patch", "--form", form]);
        assert!(told.stdout.contains("front-scaler"), "{}", told.stdout);
        let mut files = told.stdout.split("---\n");
        let api = files.find(|file| file.contains("kind: Deployment") && file.contains("server"));
        let api = api.unwrap_or_else(|| panic!("{}", told.stdout));
        assert!(
            api.contains("requests:") && !api.contains("limits") && !api.contains("cpu"),
            "{api}"
        );
    }
}

#[test]
fn case_65_a_container_that_its_pod_has_not_is_left_alone() {
    if !available("case_65_a_container_that_its_pod_has_not_is_left_alone") {
        return;
    }
    let cluster = Cluster::shared();
    cluster.create("unnamed", JARVIS);
    let desk = Desk::of(&["unnamed"]);
    let wrong = "Deployment/jarvis-api, container: jarvis-web}";
    desk.edit("Deployment/jarvis-api}", wrong);
    desk.tell("unnamed", &[("api.memoryLimit", 200 << 20), ("api.memoryRequest", 100 << 20)]);
    let told = desk.plan(&cluster, "admin");
    told.says(3, &["no container `jarvis-web`", "see `components.api.container`"]);
    let left = [Value::Null, Value::Null, json!("Skipped")];
    assert_eq!(told.setting("unnamed", "api", "memoryLimit"), left);
    assert_eq!(told.setting("unnamed", "api", "memoryRequest"), left);
    for form in ["strategic", "ssa"] {
        let told = desk.run(&cluster, "admin", &["patch", "--form", form]);
        assert!(told.stdout.contains("front-scaler"), "{}", told.stdout);
        assert!(!told.stdout.contains("jarvis-web"), "{}", told.stdout);
    }
}

#[test]
fn case_66_counts_under_two_autoscalers_or_scaled_to_nothing_stay_as_they_are() {
    if !available("case_66_counts_under_two_autoscalers_or_scaled_to_nothing_stay") {
        return;
    }
    let cluster = Cluster::shared();
    cluster.create("twofold", JARVIS);
    let hpa = |kind, name| {
        format!(
            "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{name: {name}}}\nspec: {{scaleTargetRef: {{apiVersion: apps/v1, kind: {kind}, name: jarvis-api}}, minReplicas: 4, maxReplicas: 12}}\n"
        )
    };
    cluster.apply("twofold", &hpa("Deployment", "another"));
    let asleep = ["scale", "deployment/jarvis-worker", "-n", "twofold", "--replicas=0"];
    assert!(cluster.kubectl(&asleep).status.success());
    let desk = Desk::of(&["twofold"]);
    let bounds = [("api.hpaMin", 3), ("api.hpaMax", 4), ("worker.specReplicas", 2)];
    desk.tell("twofold", &bounds);
    let told = desk.plan(&cluster, "admin");
    told.says(
        3,
        &[
            "is scaled by several HPAs: another, front-scaler",
            "several are not one",
            "NOT_IN_FORCE",
            "it is scaled to 0, and whoever did that wakes it",
        ],
    );
    let unknown = [Value::Null, Value::Null, json!("Skipped")];
    assert_eq!(told.setting("twofold", "api", "replicas"), unknown);
    assert_eq!(
        told.setting("twofold", "worker", "replicas"),
        [json!(0), Value::Null, json!("Skipped")]
    );
    for form in ["strategic", "ssa"] {
        let told = desk.run(&cluster, "admin", &["patch", "--form", form]);
        assert!(told.stdout.contains("jarvis-redis-master"), "{}", told.stdout);
        for word in ["HorizontalPodAutoscaler", "eplicas"] {
            assert!(!told.stdout.contains(word), "{}", told.stdout);
        }
    }
}

#[test]
fn case_65_an_object_that_was_deleted_or_renamed_is_named_and_nothing_is_advised_on_it() {
    if !available("case_65_an_object_that_was_deleted_or_renamed") {
        return;
    }
    let cluster = Cluster::shared();
    cluster.apply("gone", JARVIS);
    let desk = Desk::of(&["gone"]);
    // the settings still believe in it
    desk.edit("Deployment/jarvis-worker}", "Deployment/jarvis-worker, current: {replicas: 2}}");
    assert_eq!(desk.plan(&cluster, "admin").setting("gone", "worker", "replicas")[0], 3);
    assert!(
        cluster.kubectl(&["delete", "deployment", "jarvis-worker", "-n", "gone"]).status.success()
    );
    cluster.apply("gone", &JARVIS.replace("name: jarvis-worker", "name: jarvis-worker-v2"));
    let told = desk.plan(&cluster, "admin");
    told.says(
        3,
        &[
            "`Deployment/jarvis-worker` in namespace `gone` does not exist",
            "components.<name>.target",
            "the cluster has no such object",
        ],
    );
    let unknown = [Value::Null, Value::Null, json!("Skipped")];
    assert_eq!(told.setting("gone", "worker", "replicas"), unknown);
    let told = desk.run(&cluster, "admin", &["patch"]);
    assert!(!told.stdout.contains("jarvis-worker"), "{}", told.stdout);
    assert!(told.stdout.contains("front-scaler"), "{}", told.stdout);
}

const SCALED: &str = include_str!("manifests/scaled.yaml");

#[test]
fn case_66_a_count_that_keda_owns_is_keda_s_and_an_hpa_on_other_metrics_has_no_cpu_target() {
    if !operators_available("case_66_a_count_that_keda_owns_is_keda_s", &[]) {
        return;
    }
    // of its own: what it serves is asked of the whole cluster
    let cluster = Cluster::start();
    let requests = "{type: Pods, pods: {metric: {name: rps}, target: {type: AverageValue, averageValue: \"10\"}}}";
    let cpu = "{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}";
    cluster.apply("keda", &JARVIS.replace(cpu, requests));
    assert_eq!(
        read(&cluster, "keda").workload("keda", "worker").unwrap().scaler,
        Some(Scaler::Nobody)
    );
    cluster.operators();
    cluster.apply("keda", SCALED);
    let live = read(&cluster, "keda");
    assert_eq!(live.gaps, []);
    let Some(Scaler::Keda(scaled)) = &live.workload("keda", "worker").unwrap().scaler else {
        panic!("{live:?}")
    };
    assert_eq!((scaled.name.as_str(), scaled.min, scaled.max), ("by-queue", Some(2), Some(3)));
    assert!(scaled.paused);
    let api = live.workload("keda", "api").unwrap();
    let vpas = api.vpas.as_deref().unwrap();
    assert_eq!((vpas[0].name.as_str(), vpas[0].mode.as_str()), ("right-size", "Initial"));
    assert_eq!((api.current().max_replicas, api.current().target_utilization), (Some(5), None));
    // and its bounds are patched where they are kept
    let desk = Desk::of(&["keda"]);
    assert_eq!(desk.plan(&cluster, "admin").setting("keda", "worker", "minReplicas")[0], 2);
    let sent = send_patches(&cluster, &desk, "keda");
    assert!(sent.contains(&"keda.by-queue.scaledobject.yaml".to_owned()), "{sent:?}");
    // who may not see the ScaledObjects does not know whose the count is
    allow(&cluster, "limited", "keda", EVERYTHING);
    let told = desk.plan(&cluster, "limited");
    told.says(3, &["cannot list scaledobjects in namespace `keda`"]);
    assert_eq!(told.setting("keda", "worker", "replicas")[0], Value::Null);
}

#[test]
fn every_patch_is_taken_by_the_api_server_and_its_inverse_brings_everything_back() {
    if !available("every_patch_is_taken_by_the_api_server") {
        return;
    }
    let cluster = Cluster::shared();
    // less than the API uses: its own object is patched too, request and limit in one container
    let small = JARVIS
        .replace("{cpu: 600m,", "{cpu: 300m,")
        .replace("{memory: 512Mi}}\n---", "{memory: 300Mi}}\n---");
    cluster.apply("patched", &small);
    let desk = Desk::of(&["patched"]);
    let sent = send_patches(&cluster, &desk, "patched");
    let expected = [
        "patched.front-scaler.hpa.yaml",
        "patched.jarvis-api.deployment.yaml",
        "patched.jarvis-redis-master.statefulset.yaml",
        "patched.jarvis-worker.deployment.yaml",
    ];
    assert_eq!(sent, expected);
}

/// Writes the patches and sends each by the command in its head: first as a dry run of the server, then for
/// real, and then its inverse in the same way. Every object is as it was after that. The forward patches by name.
fn send_patches(cluster: &Cluster, desk: &Desk, namespace: &str) -> Vec<String> {
    let written = desk.run(cluster, "admin", &["patch", "--out", "patches"]);
    assert!(matches!(written.code, Some(0 | 3)), "{}", written.stderr);
    let files = std::fs::read_dir(desk.path("patches")).unwrap();
    let mut files: Vec<String> =
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    files.retain(|name| !name.contains(".undo."));
    files.sort();
    let keda = files.iter().any(|file| file.contains("scaledobject"));
    let kinds = if keda {
        "deployments,statefulsets,hpa,scaledobjects,verticalpodautoscalers"
    } else {
        "deployments,statefulsets,hpa"
    };
    let specs = || {
        let all = cluster.kubectl(&["get", kinds, "-n", namespace, "-o", "json"]);
        let all: Value = serde_json::from_slice(&all.stdout).unwrap();
        let items = all["items"].as_array().unwrap();
        items.iter().map(|item| item["spec"].clone()).collect::<Vec<_>>()
    };
    for file in &files {
        let before = specs();
        for (name, dry) in [(file.clone(), true), (file.clone(), false)] {
            send(cluster, desk, &name, dry);
        }
        assert!(specs() != before, "{file} changes nothing");
        let undo = file.replace(".yaml", ".undo.yaml");
        send(cluster, desk, &undo, true);
        send(cluster, desk, &undo, false);
        assert_eq!(specs(), before, "{file}");
    }
    // all of them together are the plan: with them in force there is nothing left to change
    for file in &files {
        send(cluster, desk, file, false);
    }
    let plan: Value = serde_json::from_str(&desk.plan(cluster, "admin").stdout).unwrap();
    assert_eq!(plan["changes"], 0, "{plan:#}");
    files
}

fn send(cluster: &Cluster, desk: &Desk, file: &str, dry: bool) {
    let path = desk.path("patches").join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains("taken to be"), "{text}");
    let command = text.lines().find_map(|line| line.strip_prefix("# kubectl ")).unwrap();
    let mut args: Vec<&str> = command.split(' ').collect();
    let place = args.iter().position(|arg| *arg == file).unwrap();
    args[place] = path.to_str().unwrap();
    if dry {
        args.push("--dry-run=server");
    }
    let sent = cluster.kubectl(&args);
    assert!(sent.status.success(), "{text}\n{}", String::from_utf8_lossy(&sent.stderr));
}

#[test]
fn check_names_what_a_plan_would_have_to_do_without_and_its_remedy() {
    if !available("check_names_what_a_plan_would_have_to_do_without") {
        return;
    }
    let cluster = Cluster::shared();
    cluster.apply("checked", JARVIS);
    let check = |desk: &Desk, user: &str| desk.say(&cluster, user, &["check"]);
    let desk = Desk::of(&["checked"]);
    check(&desk, "admin").says(0, &["cluster tells what is in force for 3 components"]);
    check(&desk, "stranger").says(
        3,
        &[
            "cannot list deployments in namespace `checked`",
            "cannot list horizontalpodautoscalers in namespace `checked`",
            "hint: denied is not taken for none; allow it with `kubectl create role",
        ],
    );
    desk.edit("Deployment/jarvis-worker", "Deployment/jarvis-wroker");
    check(&desk, "admin").says(
        3,
        &[
            "`Deployment/jarvis-wroker` in namespace `checked` does not exist",
            "hint: set `components.<name>.target`",
        ],
    );
    let elsewhere = Desk::of(&["nowhere"]);
    let told = check(&elsewhere, "admin");
    told.says(3, &["namespace `nowhere` does not exist", "hint: correct `services[].namespace`"]);
    assert!(!told.stdout.contains("in force for"), "{}", told.stdout);
}

#[test]
fn the_rights_that_are_missing_are_given_as_the_hints_say() {
    if !available("the_rights_that_are_missing_are_given_as_the_hints_say") {
        return;
    }
    let cluster = Cluster::start();
    cluster.apply("pasted", JARVIS);
    let desk = Desk::of(&["pasted"]);
    let check = || desk.say(&cluster, "stranger", &["check"]);
    // some now and the rest later, since roles grow; all of it twice
    let roles = ["deployments.apps,statefulsets.apps", "nodes"];
    for (kind, resources) in ["role", "clusterrole"].into_iter().zip(roles) {
        let made = ["create", kind, "plimsoll-read", "-n", "pasted", "--verb=list", "--resource"];
        assert!(cluster.kubectl(&[&made[..], &[resources]].concat()).status.success());
    }
    let told = check();
    told.says(3, &["cannot list deployments in namespace `pasted`"]);
    let hints = told.stdout.lines().filter(|line| line.contains("denied is not taken for none"));
    let commands = hints.flat_map(|line| line.split('`').skip(1).step_by(2));
    let commands: Vec<&str> = commands.filter(|one| one.starts_with("kubectl")).collect();
    // a role and its binding for the namespace, and for the cluster
    assert_eq!(commands.len(), 4, "{}", told.stdout);
    let kubectl = cluster::found("kubectl").unwrap();
    let path = format!("{}:/usr/bin:/bin", kubectl.parent().unwrap().display());
    for command in commands.iter().chain(&commands) {
        let mut shell = std::process::Command::new("sh");
        let pasted = shell.args(["-ec", command]).env("PATH", &path).env("HOME", cluster.path(""));
        let pasted = pasted.env("KUBECONFIG", cluster.path("admin.kubeconfig")).output().unwrap();
        let said = String::from_utf8_lossy(&pasted.stderr);
        assert!(pasted.status.success() && !said.contains("rror"), "{command}\n{said}");
    }
    let told = check();
    assert!(!told.stdout.contains("cannot list"), "{}", told.stdout);
    told.says(0, &["cluster tells what is in force for 3 components"]);
}

#[test]
fn who_is_not_known_or_may_nothing_is_told_so() {
    if !available("who_is_not_known_or_may_nothing_is_told_so") {
        return;
    }
    let cluster = Cluster::shared();
    cluster.apply("known", JARVIS);
    let desk = Desk::of(&["known"]);
    cluster.kubeconfig("expired", "a-token-of-last-year");
    desk.plan(&cluster, "expired").says(
        1,
        &["error: the cluster refuses our credentials: Unauthorized", "hint: log in again"],
    );
    // a name of nobody: the file has another context
    std::fs::copy(cluster.path("admin.kubeconfig"), cluster.path("nobody.kubeconfig")).unwrap();
    desk.plan(&cluster, "nobody")
        .says(1, &["error: no cluster to ask", "nobody", "`--context NAME`"]);
    // who may nothing is told of each kind, and no number is made up
    let told = desk.plan(&cluster, "stranger");
    told.says(3, &["cannot list deployments", "cannot list statefulsets", "cannot list nodes"]);
    for (component, setting) in [("api", "replicas"), ("worker", "replicas"), ("redis", "memory")] {
        assert_eq!(told.setting("known", component, setting)[0], Value::Null, "{component}");
    }
}

#[test]
fn a_cluster_that_is_silent_or_gone_ends_the_run_in_time_and_says_so() {
    if !available("a_cluster_that_is_silent_or_gone_ends_the_run_in_time_and_says_so") {
        return;
    }
    let mut cluster = Cluster::start();
    cluster.apply("lost", JARVIS);
    let desk = Desk::of(&["lost"]);
    cluster.freeze_server();
    let started = std::time::Instant::now();
    desk.plan(&cluster, "admin")
        .says(1, &["error: the cluster cannot be reached", "`kubectl version`"]);
    assert!(started.elapsed().as_secs() < 40, "{:?}", started.elapsed());
    cluster.stop_server();
    desk.plan(&cluster, "admin")
        .says(1, &["error: the cluster cannot be reached", "refused", "`current:`"]);
}

#[test]
fn nothing_of_a_control_plane_outlives_a_test_that_panics() {
    if !controllers_available("nothing_of_a_control_plane_outlives_a_test_that_panics") {
        return;
    }
    let cluster = Cluster::with_controllers();
    let processes = cluster.processes();
    let alive = |id: &u32| Path::new(&format!("/proc/{id}")).exists();
    assert!(
        processes.len() == 3 && (!Path::new("/proc/self").exists() || processes.iter().all(alive))
    );
    let panicked = std::panic::catch_unwind(move || {
        let _cluster = cluster;
        panic!("as a failed assertion would");
    });
    assert!(panicked.is_err());
    assert!(!processes.iter().any(alive), "{processes:?}");
}

#[test]
fn init_begins_with_what_scales_and_names_the_rest() {
    if !available("init_begins_with_what_scales_and_names_the_rest") {
        return;
    }
    let cluster = Cluster::shared();
    cluster.apply("jarvis", &format!("{JARVIS}---\n{SCALED_BY_NOBODY}"));
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk(folder);
    let told = desk.init(&cluster, "admin", &["-n", "jarvis"]);
    told.says(0, &["wrote plimsoll.yaml"]);
    let text = std::fs::read_to_string(desk.path("plimsoll.yaml")).unwrap();
    for line in [
        "      api: {target: Deployment/jarvis-api, container: server, helm: api}   # HPA front-scaler: 3-5 pods, CPU at 70 %",
        "      # worker: {target: Deployment/jarvis-worker, helm: worker}   # 3 pods, no HPA",
        "      # redis-master: {target: StatefulSet/jarvis-redis-master, container: redis, helm: redis-master}   # 1 pod, no HPA",
        "      # several: {target: Deployment/several, helm: several}   # 1 pod, no HPA",
        "      #   container: a | b   # set one in the braces of several: it is sized",
    ] {
        assert!(text.contains(&format!("{line}\n")), "`{line}` is not in\n{text}");
    }
    told.says(0, &["warning: component `several` has no container `several`, only a, b"]);
    // it holds as it is, and with a column more once its `#` is gone
    let more = text.replace("      # worker:", "      worker:");
    let more = ["2}", "3-5}", "5-10}", "10-20}"].iter().fold(more, |text, cell| {
        text.replace(
            &format!("api: {cell}"),
            &format!("api: {}, worker: 1}}", &cell[..cell.len() - 1]),
        )
    });
    for (text, components) in [(text, 1), (more, 2)] {
        let settings = config::parse(&text, "plimsoll.yaml", Path::new(".")).unwrap();
        assert_eq!(settings.services[0].name, "jarvis");
        assert_eq!(settings.services[0].components.len(), components);
    }
    // nothing is there, or nothing may be seen: no file is written on a guess
    let none = Desk(tempfile::tempdir().unwrap());
    none.init(&cluster, "admin", &["-n", "empty"])
        .says(1, &["error: no Deployment or StatefulSet in namespace `empty`", "`--namespace`"]);
    none.init(&cluster, "stranger", &["-n", "jarvis"])
        .says(1, &["error: cannot list", "denied is not taken for none"]);
    assert!(!none.path("plimsoll.yaml").exists());
}

#[test]
fn init_names_what_it_cannot_size_and_what_it_may_not_see_shows_in_the_exit_code() {
    if !available("init_names_what_it_cannot_size_and_what_it_may_not_see") {
        return;
    }
    let cluster = Cluster::shared();
    let hpa = |name: &str, kind: &str, target: &str| {
        format!(
            "---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{name: {name}}}\nspec: {{scaleTargetRef: {{apiVersion: apps/v1, kind: {kind}, name: {target}}}, maxReplicas: 12}}\n"
        )
    };
    let more = hpa("front", "Rollout", "checkout") + &hpa("third", "Deployment", "jarvis-api");
    cluster.apply("mixed", &format!("{JARVIS}{more}---\n{NOT_SIZED}"));
    let desk = Desk(tempfile::tempdir().unwrap());
    let written = || std::fs::read_to_string(desk.path("plimsoll.yaml")).unwrap();
    let told = desk.init(&cluster, "admin", &["-n", "mixed"]);
    let others = ["Rollout/checkout, scaled by HPA front", "DaemonSet/logs", "CronJob/nightly"];
    let all = others.join("; ");
    told.says(
        0,
        &[&format!("only Deployments and StatefulSets are sized, and there are others: {all}")],
    );
    let text = written();
    for line in others {
        assert!(text.contains(&format!("      #   {line}\n")), "{text}");
    }
    let torn = "several pull at it, and undo each other: front-scaler, third";
    assert!(text.contains(torn), "{text}");
    config::parse(&text, "plimsoll.yaml", Path::new(".")).unwrap();
    // what may be sized and may not be seen is missing in the file
    let but_deployments = EVERYTHING.replace("deployments.apps,", "");
    allow(&cluster, "limited", "mixed", &but_deployments);
    let told = desk.init(&cluster, "limited", &["-n", "mixed", "--force"]);
    told.says(3, &["warning: cannot list deployments in namespace `mixed`", "wrote plimsoll.yaml"]);
    assert!(written().contains("StatefulSet/jarvis-redis-master"));
}

/// What runs and does not grow with any load.
const NOT_SIZED: &str = "
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: logs}
spec:
  selector: {matchLabels: {app: logs}}
  template:
    metadata: {labels: {app: logs}}
    spec: {containers: [{name: logs, image: example/logs}]}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: '0 3 * * *'
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: nightly, image: example/nightly}]}}}}
";

/// Two containers, and neither is named like the object.
const SCALED_BY_NOBODY: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: several}
spec:
  selector: {matchLabels: {app: several}}
  template:
    metadata: {labels: {app: several}}
    spec: {containers: [{name: a, image: example/a}, {name: b, image: example/b}]}
";

/// The API of the metrics server, with any content.
const METRICS: &str = include_str!("manifests/metrics.yaml");

/// A metrics server that is not there.
const BROKEN_METRICS: &str = "
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta1.metrics.k8s.io}
spec:
  group: metrics.k8s.io
  version: v1beta1
  service: {name: metrics-server, namespace: used}
  insecureSkipTLSVerify: true
  groupPriorityMinimum: 100
  versionPriority: 100
";

/// What the metrics server says of pods of the API and of one of somebody else, so many mebibytes each.
fn pod_metrics(at: Timestamp, api: &[u32], other: u32) -> String {
    let pod = |name: String, app: &str, mebibytes: u32| {
        format!(
            "apiVersion: metrics.k8s.io/v1beta1
kind: PodMetrics
metadata: {{name: {name}, labels: {{app: {app}}}}}
timestamp: \"{at}\"
window: 15s
containers:
  - {{name: server, usage: {{cpu: 290000000n, memory: {mebibytes}Mi}}}}
  - {{name: mesh, usage: {{cpu: 10m, memory: 1024Ki}}}}
"
        )
    };
    let mut all: Vec<String> = (0..)
        .zip(api)
        .map(|(number, mebibytes)| {
            pod(format!("jarvis-api-7d4b9c8f6d-zzzz{number}"), "api", *mebibytes)
        })
        .collect();
    all.push(pod("nightly".to_owned(), "nightly", other));
    all.join("---\n")
}

#[test]
fn check_holds_the_history_against_what_the_cluster_says_of_this_moment() {
    if !available("check_holds_the_history_against_what_the_cluster_says") {
        return;
    }
    // of its own: what it serves is asked of the whole cluster
    let cluster = Cluster::start();
    cluster.apply("used", JARVIS);
    let now = Timestamp::now();
    let desk = Desk::with(&["used"], now, |signal, value| match signal {
        Signal::Memory => 300.0 * 1_048_576.0,
        Signal::CpuMax => 0.25,
        _ => value,
    });
    let check = |more: &[&str]| desk.say(&cluster, "admin", &[&["check"], more].concat());
    let alone = || {
        let told = check(&[]);
        told.says(0, &["not compared: the cluster serves no `metrics.k8s.io`", "metrics-server"]);
        assert!(!told.stdout.contains("cluster  pods"), "{}", told.stdout);
    };
    alone();
    // one that is registered and does not answer: at first its group is told of, and then no more
    cluster.apply("used", BROKEN_METRICS);
    check(&[]).says(0, &["not compared: ", "metrics.k8s.io"]);
    let gone = ["delete", "apiservice", "v1beta1.metrics.k8s.io"];
    assert!(cluster.kubectl(&gone).status.success());
    // who is not told is not told that nothing is used
    cluster.apply("used", METRICS);
    let list = ["get", "pods.metrics.k8s.io", "-n", "used"];
    cluster.wait("the metrics API", || cluster.kubectl(&list).status.success());
    let told = desk.say(&cluster, "stranger", &["check"]);
    told.says(3, &["not compared: cannot list deployments in namespace `used`"]);
    let told = check(&[]);
    told.says(0, &["prometheus  none in the settings"]);
    assert!(!told.stdout.contains("use now"), "{}", told.stdout);

    // the largest pod, all its containers, and no pod that the object does not select
    cluster.apply("used", &pod_metrics(now, &[180, 279], 4_000));
    let told = check(&[]);
    told.says(
        0,
        &["use now history cluster pods", "api.cpuMax 250m 300m 2", "api.memory 300Mi 280Mi 2"],
    );
    assert!(!told.stdout.contains("worker.memory 300Mi"), "{}", told.stdout);
    cluster.apply("used", &pod_metrics(now, &[119, 60], 4_000));
    check(&[]).says(
        3,
        &[
            "api.memory 300Mi 120Mi 2",
            "`api.memory` is more than 2 times apart",
            "`Deployment/jarvis-api`",
        ],
    );
    // what the settings size is one container
    desk.edit("Deployment/jarvis-api}", "Deployment/jarvis-api, container: mesh}");
    check(&[]).says(
        3,
        &["api.cpuMax 250m 10m 2", "api.memory 300Mi 1Mi 2", "`api.cpuMax` is more than 4"],
    );
    desk.edit(", container: mesh}", "}");
    // another moment, and a metrics server that fell asleep, are compared with nothing
    let week = (now - SignedDuration::from_hours(168)).to_string();
    check(&["--at", &week]).says(0, &["use now not compared: `--at` is another moment"]);
    cluster.apply("used", &pod_metrics(now - SignedDuration::from_hours(2), &[10], 10));
    let stale = pod_metrics(now - SignedDuration::from_hours(2), &[10, 10], 10);
    cluster.apply("used", &stale);
    let told = check(&[]);
    assert!(told.code == Some(0) && !told.stdout.contains("use now"), "{}", told.stdout);
    // a cluster that is lost keeps nothing else from being looked at
    cluster.kubeconfig("expired", "a-token-of-last-year");
    desk.say(&cluster, "expired", &["check"])
        .says(3, &["not compared: the cluster refuses our credentials", "load by a file"]);
}

#[test]
fn check_asks_prometheus_for_this_moment_where_nothing_was_pulled_yet() {
    if !available("check_asks_prometheus_for_this_moment_where_nothing_was_pulled_yet") {
        return;
    }
    let cluster = Cluster::start();
    cluster.apply("fresh", JARVIS);
    cluster.apply("fresh", METRICS);
    let list = ["get", "pods.metrics.k8s.io", "-n", "fresh"];
    cluster.wait("the metrics API", || cluster.kubectl(&list).status.success());
    cluster.apply("fresh", &pod_metrics(Timestamp::now(), &[279], 10));
    // the query is of pods by name, and finds those of another cluster too
    let prometheus = Fake::serve(|request, _| {
        let query = request.param("query").unwrap_or_default();
        let one = if query == "vector(1)" {
            r#"{"metric":{},"value":[0,"1"]}"#
        } else if query.starts_with(
            "max(sum by (pod) (max by (pod, container) (max_over_time(container_memory",
        ) && query.contains("jarvis-api")
        {
            r#"{"metric":{},"value":[0,"3221225472"]}"#
        } else {
            ""
        };
        let body =
            format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{one}]}}}}"#);
        fake::json("200 OK", &body)
    });
    let desk = Desk::of(&["fresh"]);
    desk.edit("files: [history.csv]", &format!("prometheus: {{url: '{}'}}", prometheus.url));
    desk.edit(
        "    namespace: fresh\n",
        "    namespace: fresh\n    load: {selector: {service: api}}\n",
    );
    let told = desk.say(&cluster, "admin", &["check"]);
    told.says(
        3,
        &[
            "api.cpuMax not there 300m 1",
            "api.memory 3Gi 280Mi 1",
            "`api.memory` is more than 2 times apart",
        ],
    );
    assert!(!desk.path("history").exists());
}
