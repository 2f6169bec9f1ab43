//! What a cluster with controllers but no nodes is without: a thread that stands in for the kubelet.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::harbour::JARVIS;

/// Does to pods what nothing else here does: it runs them, or has those of a name crash.
pub struct Kubelet {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// The cluster with controllers that the tests share while one of them runs.
pub fn controlled() -> Arc<Cluster> {
    static SHARED: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap();
    shared.upgrade().unwrap_or_else(|| {
        let cluster = Arc::new(Cluster::with_controllers());
        *shared = Arc::downgrade(&cluster);
        cluster
    })
}

impl Kubelet {
    pub fn of(cluster: &Arc<Cluster>, namespace: &'static str, crashes: &'static str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (cluster, ended) = (Arc::clone(cluster), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                tend(&cluster, namespace, crashes);
                std::thread::sleep(Duration::from_millis(300));
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().unwrap().join();
    }
}

/// Gives every pod that has no state yet its state.
fn tend(cluster: &Cluster, namespace: &str, crashes: &str) {
    let listed = cluster.kubectl(&["get", "pods", "-n", namespace, "-o", "json"]);
    let Ok(pods) = serde_json::from_slice::<Value>(&listed.stdout) else { return };
    for pod in pods["items"].as_array().into_iter().flatten() {
        let name = pod["metadata"]["name"].as_str().unwrap();
        if !pod["status"]["containerStatuses"].is_null() || pod["status"]["phase"] == "Running" {
            continue;
        }
        let container = &pod["spec"]["containers"][0]["name"];
        let status = if !crashes.is_empty() && name.starts_with(crashes) {
            json!({"containerStatuses": [{"name": container, "image": "i", "imageID": "", "ready": false,
                "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]})
        } else {
            json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]})
        };
        let patch = json!({"status": status}).to_string();
        // one that ends meanwhile is nobody's loss
        cluster.kubectl(&[
            "patch",
            "pod",
            name,
            "-n",
            namespace,
            "--subresource=status",
            "--type=merge",
            "-p",
            &patch,
        ]);
    }
}

/// JARVIS in a namespace, with all of its pods ready.
pub fn at_rest(cluster: &Arc<Cluster>, namespace: &'static str) {
    cluster.wait("an account for pods", || {
        cluster.kubectl(&["get", "sa/default", "-n", namespace]).status.success()
    });
    cluster.apply(namespace, JARVIS);
    let kubelet = Kubelet::of(cluster, namespace, "");
    let workloads =
        ["deployment/jarvis-api", "deployment/jarvis-worker", "statefulset/jarvis-redis-master"];
    cluster.wait("controllers at rest", || {
        workloads.iter().all(|object| {
            let said = cluster.kubectl(&["get", object, "-n", namespace, "-o", "json"]);
            let live: Value = serde_json::from_slice(&said.stdout).unwrap_or_default();
            let (spec, status) = (&live["spec"], &live["status"]);
            status["observedGeneration"] == live["metadata"]["generation"]
                && status["updatedReplicas"] == spec["replicas"]
                && status["readyReplicas"] == spec["replicas"]
                && status["replicas"] == spec["replicas"]
        })
    });
    drop(kubelet);
}
