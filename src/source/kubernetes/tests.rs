//! Against a real HTTP server that speaks the API server's JSON for the few paths that are asked.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::*;
use crate::render::example::{component, service_of};
use crate::service::live::{Keeper, Least};
use crate::service::{Current, Doubt, Resources};
use crate::units::{Bytes, Millicores};

/// Path and query, status, body; what is not listed is 404, as on the API server.
type Answers = Vec<(&'static str, u16, Value)>;

/// An API server on a port of its own, and the requests it saw.
struct Server {
    kubeconfig: tempfile::NamedTempFile,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn answering(answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                answer(&stream.unwrap(), &answers, &log);
            }
        });
        Self { kubeconfig: kubeconfig(&format!("http://{address}")), seen }
    }

    fn options(&self) -> ClusterOptions {
        ClusterOptions { context: None, kubeconfig: Some(self.kubeconfig.path().to_owned()) }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

fn kubeconfig(server: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(
        file,
        "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
         clusters: [{{name: test, cluster: {{server: '{server}'}}}}]\n\
         users: [{{name: test, user: {{token: abc}}}}]\n\
         contexts: [{{name: test, context: {{cluster: test, user: test}}}}]\n"
    )
    .unwrap();
    file
}

fn answer(stream: &TcpStream, answers: &Answers, log: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let request = lines.next().unwrap_or_default();
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    log.lock().unwrap().push(request.trim_end_matches(" HTTP/1.1").to_owned());
    let path = request.split(' ').nth(1).unwrap_or_default();
    let missing = (path, 404, status(404, "NotFound", "not found"));
    let known = answers.iter().find(|(known, ..)| *known == path).cloned();
    let (_, code, body) = known.unwrap_or(missing);
    let body = body.to_string();
    let head = format!("HTTP/1.1 {code} x\r\ncontent-type: application/json\r\nconnection: close");
    let mut stream = stream;
    let _ = write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
}

fn status(code: u16, reason: &str, message: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
           "message": message, "reason": reason, "code": code})
}

const API: &str = "/apis/apps/v1/namespaces/jarvis/deployments?&limit=500";
const HPAS: &str = "/apis/autoscaling/v2/namespaces/jarvis/horizontalpodautoscalers?&limit=500";

fn deployments(replicas: u32) -> Value {
    let resources = json!({"requests": {"cpu": "250m", "memory": "256Mi"}, "limits": {"cpu": "1500m", "memory": "1Gi"}});
    let pod = json!({"containers": [{"name": "sidecar"}, {"name": "jarvis-api", "resources": resources}]});
    let one = json!({"metadata": {"name": "jarvis-api"}, "spec": {
        "replicas": replicas, "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": pod}}});
    json!({"kind": "DeploymentList", "apiVersion": "apps/v1", "metadata": {}, "items": [one]})
}

fn hpa(name: &str, target: &str, min: Option<u32>, max: u32) -> Value {
    let cpu = json!({"type": "Resource", "resource": {
        "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}});
    json!({"metadata": {"name": name}, "spec": {"minReplicas": min, "maxReplicas": max, "metrics": [cpu],
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target}}})
}

fn hpas(items: &[Value], token: &str) -> Value {
    json!({"kind": "HorizontalPodAutoscalerList", "apiVersion": "autoscaling/v2",
           "metadata": {"continue": token}, "items": items})
}

/// A cluster without operators.
fn serving(mut answers: Answers) -> Server {
    let groups = json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": []});
    answers.push(("/apis", 200, groups));
    Server::answering(answers)
}

fn services() -> Vec<Service> {
    vec![service_of(vec![component("api", "Deployment/jarvis-api", None)])]
}

/// The component as it was read, and what hides something that is in force.
async fn read(cluster: &Server) -> (Current, Vec<String>) {
    let live = live_state(&services(), &cluster.options()).await.unwrap();
    let gaps = live.gaps.iter().filter(|gap| gap.of_settings).map(|gap| gap.message.clone());
    (live.current(&services()[0])["api"], gaps.collect())
}

#[tokio::test]
async fn a_component_is_read_with_its_hpa_and_its_container() {
    let other = hpa("other", "somebody-else", Some(1), 99);
    let items = [other, hpa("front", "jarvis-api", Some(3), 5)];
    let cluster = serving(vec![(API, 200, deployments(4)), (HPAS, 200, hpas(&items, ""))]);
    let expected = Current {
        replicas: Some(4),
        min_replicas: Some(3),
        max_replicas: Some(5),
        target_utilization: Some(70),
        cpu_request: Some(Millicores(250)),
        cpu_limit: Some(Millicores(1500)),
        memory_request: Some(Bytes(256 << 20)),
        memory_limit: Some(Bytes(1 << 30)),
        resources: Some(Resources::Told),
        // its budgets are not served
        least: Some(Least { pods: 3, kept_by: Keeper::HiddenBudgets }),
        ..Current::default()
    };
    assert_eq!(read(&cluster).await, (expected, vec![]));
    let live = live_state(&services(), &cluster.options()).await.unwrap();
    let scaler = &live.workload("jarvis", "api").unwrap().scaler;
    assert!(matches!(scaler, Some(Scaler::Hpa(hpa)) if hpa.name == "front"), "{scaler:?}");
}

#[tokio::test]
async fn the_defaults_of_the_api_are_known() {
    let hpas = hpas(&[hpa("jarvis-api", "jarvis-api", None, 5)], "");
    let cluster = serving(vec![(API, 200, deployments(4)), (HPAS, 200, hpas)]);
    assert_eq!(read(&cluster).await.0.min_replicas, Some(1));
}

#[tokio::test]
async fn an_hpa_on_the_second_page_is_found() {
    const NEXT: &str =
        "/apis/autoscaling/v2/namespaces/jarvis/horizontalpodautoscalers?&limit=500&continue=more";
    let cluster = serving(vec![
        (API, 200, deployments(4)),
        (HPAS, 200, hpas(&[hpa("other", "somebody-else", Some(1), 99)], "more")),
        (NEXT, 200, hpas(&[hpa("jarvis-api", "jarvis-api", Some(3), 5)], "")),
    ]);
    assert_eq!(read(&cluster).await.0.max_replicas, Some(5));
}

#[tokio::test]
async fn hpas_that_could_not_be_listed_are_not_taken_for_none() {
    for (code, reason) in [(403, "Forbidden"), (500, "InternalError"), (404, "NotFound")] {
        let refusal = status(code, reason, "no");
        let cluster = serving(vec![(API, 200, deployments(4)), (HPAS, code, refusal)]);
        let (current, gaps) = read(&cluster).await;
        assert_eq!(gaps, ["cannot list horizontalpodautoscalers in namespace `jarvis`: no"]);
        // the count may be an HPA's: it is not ours to give
        assert_eq!((current.replicas, current.doubt), (None, Some(Doubt::Count)));
        assert_eq!(current.memory_limit, Some(Bytes(1 << 30)));
    }
}

/// KEDA's kind is served, and these are its objects.
fn with_keda(hpa: &Value, code: u16, scaled: Value) -> Server {
    const KEDA: &str = "/apis/keda.sh/v1alpha1/namespaces/jarvis/scaledobjects?&limit=500";
    let version = json!({"groupVersion": "keda.sh/v1alpha1", "version": "v1alpha1"});
    let groups = json!({"kind": "APIGroupList", "apiVersion": "v1",
        "groups": [{"name": "keda.sh", "versions": [version]}]});
    let hpas = hpas(hpa.as_array().unwrap(), "");
    Server::answering(vec![
        ("/apis", 200, groups),
        (API, 200, deployments(4)),
        (HPAS, 200, hpas),
        (KEDA, code, scaled),
    ])
}

#[tokio::test]
async fn an_hpa_beside_a_scaled_object_that_does_not_own_it_is_a_second_hand_on_the_count() {
    let one = json!({"metadata": {"name": "by-queue"}, "spec": {
        "scaleTargetRef": {"name": "jarvis-api"}, "minReplicaCount": 2, "maxReplicaCount": 4}});
    let scaled = json!({"kind": "ScaledObjectList", "apiVersion": "keda.sh/v1alpha1",
        "metadata": {}, "items": [one]});
    let mut theirs = hpa("front", "jarvis-api", Some(3), 9);
    let (current, gaps) = read(&with_keda(&json!([theirs]), 200, scaled.clone())).await;
    let what = "`Deployment/jarvis-api` in namespace `jarvis` is scaled by several autoscalers";
    let names = "HorizontalPodAutoscaler/front, ScaledObject/by-queue";
    assert_eq!(gaps, [format!("{what}: {names}")]);
    assert_eq!((current.max_replicas, current.doubt), (None, Some(Doubt::Count)));
    theirs["metadata"]["ownerReferences"] = json!([{"apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject", "name": "by-queue", "uid": "1"}]);
    let (current, gaps) = read(&with_keda(&json!([theirs]), 200, scaled)).await;
    assert_eq!((current.max_replicas, gaps), (Some(4), Vec::new()));
}

#[tokio::test]
async fn scaled_objects_that_could_not_be_listed_are_not_taken_for_none() {
    let cluster = with_keda(&json!([]), 403, status(403, "Forbidden", "no"));
    let (current, gaps) = read(&cluster).await;
    assert_eq!(gaps, ["cannot list scaledobjects in namespace `jarvis`: no"]);
    assert_eq!((current.replicas, current.doubt), (None, Some(Doubt::Count)));
}

#[tokio::test]
async fn an_object_that_is_not_there_is_a_gap_and_not_zero_replicas() {
    let none =
        json!({"kind": "DeploymentList", "apiVersion": "apps/v1", "metadata": {}, "items": []});
    let cluster = serving(vec![(API, 200, none), (HPAS, 200, hpas(&[], ""))]);
    let (current, gaps) = read(&cluster).await;
    assert_eq!(current, Current { doubt: Some(Doubt::Object), ..Current::default() });
    assert_eq!(gaps, ["`Deployment/jarvis-api` in namespace `jarvis` does not exist"]);
}

#[tokio::test]
async fn two_hpas_on_one_object_are_a_gap() {
    let items = [hpa("a", "jarvis-api", Some(1), 5), hpa("b", "jarvis-api", Some(2), 9)];
    let cluster = serving(vec![(API, 200, deployments(4)), (HPAS, 200, hpas(&items, ""))]);
    let (current, gaps) = read(&cluster).await;
    let what = "`Deployment/jarvis-api` in namespace `jarvis`";
    assert_eq!(gaps, [format!("{what} is scaled by several HPAs: a, b")]);
    assert_eq!((current.replicas, current.max_replicas), (None, None));
}

#[tokio::test]
async fn a_container_that_prepares_the_pod_is_told_from_one_that_is_not_there() {
    let mut deployments = deployments(4);
    let pod = &mut deployments["items"][0]["spec"]["template"]["spec"];
    pod["initContainers"] = json!([{"name": "mesh", "restartPolicy": "Always"}]);
    let cluster = serving(vec![(API, 200, deployments), (HPAS, 200, hpas(&[], ""))]);
    let says = async |container: &str| {
        let mut api = component("api", "Deployment/jarvis-api", None);
        api.container = Some(container.to_owned());
        let live = live_state(&[service_of(vec![api])], &cluster.options()).await.unwrap();
        live.gaps.into_iter().find(|gap| gap.message.contains(container)).unwrap()
    };
    let mesh = says("mesh").await;
    assert_eq!(
        mesh.message,
        "`mesh` of component `api` is an init container, which is not sized; its containers are sidecar, jarvis-api"
    );
    assert_eq!(mesh.hint, "set `components.api.container`");
    let none = says("log").await.message;
    assert_eq!(none, "component `api` has no container `log`, only sidecar, jarvis-api");
}

#[tokio::test]
async fn each_kind_is_listed_once_a_namespace_and_nothing_is_written() {
    let cluster = serving(vec![(API, 200, deployments(4)), (HPAS, 200, hpas(&[], ""))]);
    let api = || component("api", "Deployment/jarvis-api", None);
    let services = [service_of(vec![api(), api()]), service_of(vec![api()])];
    live_state(&services, &cluster.options()).await.unwrap();
    let mut seen = cluster.seen();
    assert!(seen.iter().all(|request| request.starts_with("GET ")), "{seen:?}");
    let asked = seen.len();
    seen.sort();
    seen.dedup();
    // HPAs, Deployments, groups, budgets, quotas, limit ranges, nodes
    assert_eq!((asked, seen.len()), (7, 7), "{seen:?}");
}

#[tokio::test]
async fn a_cluster_that_is_not_there_ends_it() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let file = kubeconfig(&format!("http://{closed}"));
    let options = ClusterOptions { context: None, kubeconfig: Some(file.path().to_owned()) };
    let error = live_state(&services(), &options).await.unwrap_err();
    assert!(
        matches!(&error, KubernetesError::Unreachable { why, .. } if why.contains("refused")),
        "{error}"
    );
}

#[test]
fn who_changes_a_cluster_is_not_told_to_leave_it_out() {
    let (what, why) = ("HPAs".to_owned(), "refused".to_owned());
    let lost = KubernetesError::Unreachable { what, why };
    let options = ClusterOptions { context: Some("prod".to_owned()), ..ClusterOptions::default() };
    let advice = lost.hint_by(&options);
    assert!(advice.contains("leave out `--context`"), "{advice}");
    let hint = lost.hint_to_act(&options);
    assert!(hint.contains("API server") && hint.contains("`kubectl version`"), "{hint}");
    let account = KubernetesError::Account { why: "no token".to_owned() }.hint_to_act(&options);
    for hint in [hint, account] {
        let remedies = ["--context", "--no-cluster", "current:"];
        assert!(!remedies.iter().any(|words| hint.contains(words)), "{hint}");
    }
}

#[tokio::test]
async fn refused_credentials_end_it() {
    let cluster = serving(vec![(HPAS, 401, status(401, "Unauthorized", "Unauthorized"))]);
    let error = live_state(&services(), &cluster.options()).await.unwrap_err();
    assert_eq!(error, KubernetesError::Unauthenticated { message: "Unauthorized".to_owned() });
}

#[tokio::test]
async fn an_unknown_context_is_named() {
    let cluster = serving(Vec::new());
    let options = ClusterOptions { context: Some("prod".to_owned()), ..cluster.options() };
    let error = live_state(&[], &options).await.unwrap_err();
    assert!(error.to_string().contains("prod"), "{error}");
    assert!(error.hint().contains("--context"));
}

/// A program in a folder of its own.
#[cfg(unix)]
fn program(text: &str) -> (tempfile::TempDir, String) {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("who-we-are");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let command = path.to_str().unwrap().to_owned();
    (folder, command)
}

/// A kubeconfig whose context `test` gets its credential from a plugin.
fn by_plugin(server: &str, command: &str) -> tempfile::NamedTempFile {
    let mut file = kubeconfig(server);
    let text = std::fs::read_to_string(file.path()).unwrap();
    let exec = format!(
        "exec: {{apiVersion: client.authentication.k8s.io/v1, command: '{command}', interactiveMode: Never, \
         installHint: 'get it from example.com'}}"
    );
    file.as_file().set_len(0).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    file.write_all(text.replace("token: abc", &exec).as_bytes()).unwrap();
    file
}

#[cfg(unix)]
#[tokio::test]
async fn a_plugin_that_hangs_ends_the_run_by_its_name() {
    let (_folder, command) = program("exec sleep 20");
    let file = by_plugin("http://127.0.0.1:9", &command);
    let options = ClusterOptions { context: None, kubeconfig: Some(file.path().to_owned()) };
    let began = std::time::Instant::now();
    let patience = Duration::from_millis(300);
    let error = access::connect_within(&options, patience).await.err().unwrap();
    assert!(began.elapsed().as_secs() < 10);
    let says = format!(
        "`{command}`, which context `test` is to get its credential from, gives none: not done after"
    );
    assert!(error.to_string().starts_with(&says), "{error}");
    assert!(error.is_of_the_cluster());
}

#[cfg(unix)]
#[tokio::test]
async fn what_a_plugin_printed_is_never_shown() {
    for (text, why) in [
        (
            "echo '{\"status\": {\"token\": \"s3cret\"}}'; echo Sorry, log in >&2; exit 3",
            "exit code 3: Sorry, log in",
        ),
        ("echo 's3cret: ['", "what it printed is no credential"),
        ("echo s3cret", "what it printed is no credential"),
        ("echo '{\"kind\": \"s3cret\"}'", "what it printed has no `status`"),
        (
            "echo '{\"status\": {\"token\": \"s3cret\", \"expirationTimestamp\": \"s3cret\"}}'",
            "what it printed as the end of its credential is no time",
        ),
    ] {
        let (_folder, command) = program(text);
        let file = by_plugin("http://127.0.0.1:9", &command);
        let options = ClusterOptions { context: None, kubeconfig: Some(file.path().to_owned()) };
        let error = live_state(&services(), &options).await.unwrap_err();
        let said = format!("{error} {} {error:?}", error.hint());
        assert!(said.contains(why) && !said.contains("s3cret"), "{said}");
    }
    // one that is asked again, when its first credential is about to end
    let (folder, command) = program(
        "test -e $0.asked && { echo s3cret; exit 3; }; touch $0.asked
echo '{\"status\": {\"token\": \"s3cret\", \"expirationTimestamp\": \"2020-01-01T00:00:00Z\"}}'",
    );
    let file = by_plugin("http://127.0.0.1:9", &command);
    let options = ClusterOptions { context: None, kubeconfig: Some(file.path().to_owned()) };
    let error = live_state(&services(), &options).await.unwrap_err().to_string();
    let says = "the kubeconfig's plugin gives no credential: it ended with exit code 3";
    assert!(error.ends_with(says), "{error}");
    drop(folder);
}

#[tokio::test]
async fn a_plugin_that_is_not_there_is_named_with_where_to_get_it() {
    let file = by_plugin("http://127.0.0.1:9", "no-such-plugin");
    let options = ClusterOptions { context: None, kubeconfig: Some(file.path().to_owned()) };
    let error = live_state(&services(), &options).await.unwrap_err();
    let says = "`no-such-plugin`, which context `test` is to get its credential from, gives none: there is no such program";
    assert_eq!(error.to_string(), says);
    assert_eq!(error.hint(), "get it from example.com");
}

#[tokio::test]
async fn of_several_kubeconfigs_those_that_are_not_there_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (kubeconfig("http://first"), kubeconfig("http://second"));
    let gone = folder.path().join("gone");
    let all = [gone.clone(), first.path().to_owned(), second.path().to_owned()];
    let merged = access::merged(all.into_iter()).unwrap().unwrap();
    let server = merged.clusters[0].cluster.as_ref().unwrap().server.clone();
    assert_eq!((merged.clusters.len(), server.as_deref()), (1, Some("http://first")));
    assert!(access::merged([gone].into_iter()).is_none());
}

/// Only the HPAs of the namespace.
async fn hpas_of(cluster: &Server, patience: Duration) -> (Option<usize>, Vec<Gap>) {
    use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
    let mut asked = Cluster::new(connect(&cluster.options()).await.unwrap());
    asked.patience = patience;
    let listed = asked.list::<HorizontalPodAutoscaler>("jarvis").await.unwrap();
    (listed.map(|all| all.len()), asked.gaps())
}

#[tokio::test]
async fn a_kind_that_the_server_puts_off_is_a_gap_by_its_name() {
    let busy = status(503, "ServiceUnavailable", "later");
    let cluster = serving(vec![(HPAS, 503, busy)]);
    let (listed, gaps) = hpas_of(&cluster, Duration::from_secs(1)).await;
    assert_eq!(listed, None);
    let says = "cannot list horizontalpodautoscalers in namespace `jarvis`: the server puts it off";
    assert!(gaps[0].message.starts_with(says), "{gaps:?}");
    // nor is it waited for to say what it serves: each list answers for itself
    let busy = status(503, "ServiceUnavailable", "later");
    let cluster = Server::answering(vec![("/apis", 503, busy)]);
    let mut asked = Cluster::new(connect(&cluster.options()).await.unwrap());
    asked.patience = Duration::from_secs(1);
    assert_eq!(asked.serves("keda.sh").await.unwrap(), None);
}

#[tokio::test]
async fn a_list_whose_place_was_forgotten_begins_anew_once() {
    const NEXT: &str =
        "/apis/autoscaling/v2/namespaces/jarvis/horizontalpodautoscalers?&limit=500&continue=old";
    let front = || hpa("front", "jarvis-api", Some(3), 5);
    let expired = status(410, "Expired", "too old");
    let cluster = serving(vec![(HPAS, 200, hpas(&[front()], "old")), (NEXT, 410, expired)]);
    let (listed, gaps) = hpas_of(&cluster, Duration::from_secs(9)).await;
    assert_eq!(listed, None);
    assert!(gaps[0].message.contains("too old"), "{gaps:?}");
    let lists =
        |path: &str| cluster.seen().iter().filter(|one| **one == format!("GET {path}")).count();
    assert_eq!((lists(HPAS), lists(NEXT)), (2, 2));
}
