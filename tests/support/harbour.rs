//! JARVIS on a real cluster: its manifests, a folder with settings and history, and what the binary says in it.

#![allow(dead_code)]

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use jiff::{SignedDuration, Timestamp};
use plimsoll::history::{Evidence, Signal};
use plimsoll::source::demo;
use serde_json::Value;
use tempfile::TempDir;

use crate::cluster::Cluster;

/// A Monday without a campaign, roll-out or outage in the eight weeks before.
pub const AT: &str = "2025-11-24T01:00:00Z";

/// JARVIS, with names that nothing but the objects themselves tells: the HPA, and the container of the API.
pub const JARVIS: &str = include_str!("../manifests/jarvis.yaml");

/// What else has to be watched before anything of the API or the workers is lowered.
pub const AT_LEISURE: [(&str, f64); 8] = [
    ("api.replicas", 3.0),
    ("api.specReplicas", 3.0),
    ("api.hpaMax", 5.0),
    ("api.hpaMin", 3.0),
    ("api.throttled", 0.0),
    ("worker.replicas", 3.0),
    ("worker.specReplicas", 3.0),
    ("worker.throttled", 0.0),
];

/// A folder with settings and eight weeks of history, none of it about what is in force.
pub struct Desk(pub TempDir);

pub struct Told {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

pub fn settings(namespaces: &[&str]) -> String {
    let services = namespaces.iter().map(|namespace| {
        format!(
            "  - name: {namespace}
    namespace: {namespace}
    tiers:
      - {{name: Low,    below: 10,  api: 2,     worker: 1,    redis: 256Mi}}
      - {{name: Medium, below: 50,  api: 3-5,   worker: 2-3,  redis: 512Mi}}
      - {{name: High,   below: 200, api: 5-10,  worker: 3-5,  redis: 1Gi}}
      - {{name: Peak,               api: 10-20, worker: 5-10, redis: 2Gi}}
    components:
      api:    {{target: Deployment/jarvis-api}}
      worker: {{target: Deployment/jarvis-worker}}
      redis:  {{target: StatefulSet/jarvis-redis-master, memory: true}}
    volumes: [data-jarvis-postgresql-0]
"
        )
    });
    let services: String = services.collect();
    format!(
        "version: 1\ntimezone: Asia/Tokyo\nhistory: {{files: [history.csv], step: 5m, lookback: 8w, store: history}}\nservices:\n{services}"
    )
}

impl Desk {
    /// For services that are named like their namespaces, with twice the load of the built-in history.
    pub fn of(namespaces: &[&str]) -> Self {
        Self::with(namespaces, AT.parse().unwrap(), |_, value| value)
    }

    /// The same with a history that ends at `end`, each value of a signal as `made` makes it of the built-in one.
    pub fn with(namespaces: &[&str], end: Timestamp, made: impl Fn(Signal, f64) -> f64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("plimsoll.yaml"), settings(namespaces)).unwrap();
        let history = history(namespaces, end, made);
        std::fs::write(folder.path().join("history.csv"), history).unwrap();
        Self(folder)
    }

    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    /// A file with all the folders above it.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Lets its history say what is in force: each series with its value, throughout.
    pub fn tell(&self, service: &str, series: &[(&str, u64)]) {
        let path = self.path("history.csv");
        let mut text = std::fs::read_to_string(&path).unwrap();
        let end: Timestamp = AT.parse().unwrap();
        for (key, value) in series {
            for hour in 0..8 * 7 * 24 {
                let at = end - jiff::SignedDuration::from_hours(hour);
                writeln!(text, "{at},{service},{key},{value}").unwrap();
            }
        }
        std::fs::write(path, text).unwrap();
    }

    /// Lets its history hold a volume of `size` that fills from one use to another, in gibibytes, over the eight weeks.
    pub fn fills(&self, services: &[&str], volume: &str, [first, last]: [u64; 2], size: u64) {
        const HOURS: u64 = 8 * 7 * 24;
        let path = self.path("history.csv");
        let mut text = std::fs::read_to_string(&path).unwrap();
        let end: Timestamp = AT.parse().unwrap();
        for (service, hour) in
            services.iter().flat_map(|one| (0..HOURS).map(move |hour| (one, hour)))
        {
            let at = end - SignedDuration::from_hours(i64::try_from(hour).unwrap());
            let used = (last << 30) - ((last - first) << 30) / HOURS * hour;
            writeln!(text, "{at},{service},{volume}.volumeUsed,{used}").unwrap();
            writeln!(text, "{at},{service},{volume}.volumeCapacity,{}", size << 30).unwrap();
        }
        std::fs::write(path, text).unwrap();
    }

    pub fn edit(&self, old: &str, new: &str) {
        let text = std::fs::read_to_string(self.path("plimsoll.yaml")).unwrap();
        assert!(text.contains(old), "{old}");
        std::fs::write(self.path("plimsoll.yaml"), text.replace(old, new)).unwrap();
    }

    /// Where the load is [`quiet`]: all that may forbid to lower the workers was watched, and there is one too many.
    pub fn has_a_worker_too_many(&self, service: &str, end: Timestamp) {
        self.watched(service, end, &AT_LEISURE);
        let target = "Deployment/jarvis-worker}";
        self.edit(target, "Deployment/jarvis-worker, current: {replicas: 3}}");
    }

    /// Lets its history hold a value of each series in every step.
    pub fn watched(&self, service: &str, end: Timestamp, series: &[(&str, f64)]) {
        let mut history = std::fs::read_to_string(self.path("history.csv")).unwrap();
        for (series, value) in series {
            for step in 0..8 * 7 * 24 * 12 {
                let at = end - SignedDuration::from_mins(5 * step);
                writeln!(history, "{at},{service},{series},{value}").unwrap();
            }
        }
        std::fs::write(self.path("history.csv"), history).unwrap();
    }

    /// What the binary says for [`AT`], as this user of the cluster.
    pub fn run(&self, cluster: &Cluster, user: &str, args: &[&str]) -> Told {
        self.say(cluster, user, &[args, &["--at", AT]].concat())
    }

    pub fn init(&self, cluster: &Cluster, user: &str, args: &[&str]) -> Told {
        self.say(cluster, user, &[&["init"], args].concat())
    }

    pub fn say(&self, cluster: &Cluster, user: &str, args: &[&str]) -> Told {
        let kubeconfig = cluster.path(&format!("{user}.kubeconfig"));
        told(self.command(user, &kubeconfig, args).output().unwrap())
    }

    /// The binary with these arguments in this folder, to be run as this user of a cluster.
    pub fn command(&self, user: &str, kubeconfig: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
        command
            .args(args)
            .args(["--context", user, "--kubeconfig"])
            .arg(kubeconfig)
            .current_dir(&self.0)
            .env("NO_COLOR", "1");
        command
    }

    pub fn plan(&self, cluster: &Cluster, user: &str) -> Told {
        self.run(cluster, user, &["plan", "-o", "json"])
    }
}

impl Told {
    /// `current`, `target` and `action` of a setting of a service.
    pub fn setting(&self, service: &str, component: &str, setting: &str) -> [Value; 3] {
        let plan: Value = serde_json::from_str(&self.stdout).unwrap();
        let services = plan["services"].as_array().unwrap();
        let of = services.iter().find(|one| one["name"] == service).unwrap();
        let mut all = of["recommendations"].as_array().unwrap().iter();
        let one = all.find(|one| one["component"] == component && one["setting"] == setting);
        let one = one.unwrap_or_else(|| panic!("no {component} {setting} in {}", self.stdout));
        ["current", "target", "action"].map(|key| one[key].clone())
    }

    pub fn says(&self, code: i32, words: &[&str]) {
        let text = format!("{}{}", self.stdout, self.stderr);
        assert_eq!(self.code, Some(code), "{text}");
        let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let said = flat(&text);
        for word in words {
            assert!(said.contains(&flat(word)), "`{word}` is not in\n{text}");
        }
        assert!(!text.contains("panicked"), "{text}");
    }
}

/// A history of a healthy service with little to do.
pub fn quiet(signal: Signal, value: f64) -> f64 {
    match signal {
        Signal::Load => value * 0.05,
        Signal::ErrorRate => 0.001,
        Signal::P99 => 0.3,
        _ => value,
    }
}

/// What a run of the binary said.
pub fn told(output: Output) -> Told {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Told { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn history(services: &[&str], end: Timestamp, made: impl Fn(Signal, f64) -> f64) -> String {
    let shift = end.duration_since(AT.parse().unwrap());
    let mut text = "timestamp,service,series,value\n".to_owned();
    for (key, evidence) in demo::observed(AT.parse().unwrap(), demo::SEED) {
        let wanted = match key.signal {
            Signal::Load | Signal::ErrorRate | Signal::P99 | Signal::RedisUsed => true,
            Signal::CpuMax | Signal::Memory => key.subject.as_deref() == Some("api"),
            _ => false,
        };
        let Evidence::Series(samples) = evidence else { continue };
        if !wanted {
            continue;
        }
        let twice = if key.signal == Signal::Load { 2.0 } else { 1.0 };
        for service in services {
            for (at, value) in samples.at.iter().zip(&samples.value) {
                let at = Timestamp::from_second(*at).unwrap() + shift;
                let value = made(key.signal, value * twice);
                writeln!(text, "{at},{service},{key},{value}").unwrap();
            }
        }
    }
    text
}

/// Lets a user list these kinds in a namespace.
pub fn allow(cluster: &Cluster, user: &str, namespace: &str, resources: &str) {
    let name = format!("{user}-reads");
    let role = ["create", "role", &name, "-n", namespace, "--verb=list", "--resource", resources];
    let bound = ["create", "rolebinding", &name, "-n", namespace, "--role", &name, "--user", user];
    for args in [&role[..], &bound[..]] {
        let made = cluster.kubectl(args);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
}

/// A webhook on the HPAs of a namespace, which nobody answers for.
pub fn webhook_that_is_down(cluster: &Cluster, name: &str) {
    let patch = r#"{"spec":{"maxReplicas":6}}"#;
    let down = serde_json::json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name}, "webhooks": [{
            "name": "down.example.com", "clientConfig": {"url": "https://127.0.0.1:9/"},
            "failurePolicy": "Fail", "sideEffects": "None", "timeoutSeconds": 2,
            "admissionReviewVersions": ["v1"],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}},
            "rules": [{"apiGroups": ["autoscaling"], "apiVersions": ["*"], "operations": ["UPDATE"],
                "resources": ["horizontalpodautoscalers"]}]}]});
    cluster.apply(name, &down.to_string());
    // it comes into force a little later
    cluster.wait("a webhook in force", || {
        let args = [
            "patch",
            "-n",
            name,
            "hpa/front-scaler",
            "--dry-run=server",
            "--type=merge",
            "-p",
            patch,
        ];
        !cluster.kubectl(&args).status.success()
    });
}

/// What a server needs to change what it is sent by a policy of its own.
#[allow(dead_code)]
pub const MUTATING: [&str; 2] = [
    "--feature-gates=MutatingAdmissionPolicy=true",
    "--runtime-config=admissionregistration.k8s.io/v1beta1=true",
];

/// Has the server write `spec` into each autoscaler that is stored as `when` says, but not into a dry run.
#[allow(dead_code)]
pub fn policy_that_spares_rehearsals(cluster: &Cluster, when: &str, spec: &str) {
    let policy = format!(
        "
apiVersion: admissionregistration.k8s.io/v1beta1
kind: MutatingAdmissionPolicy
metadata: {{name: real}}
spec:
  matchConstraints: {{resourceRules: [{{apiGroups: [autoscaling], apiVersions: [v2], operations: [UPDATE], resources: [horizontalpodautoscalers]}}]}}
  matchConditions:
    - {{name: which, expression: \"{when}\"}}
    - {{name: real, expression: \"!(has(request.dryRun) && request.dryRun)\"}}
  failurePolicy: Fail
  reinvocationPolicy: Never
  mutations:
    - patchType: ApplyConfiguration
      applyConfiguration: {{expression: \"Object{{spec: Object.spec{{{spec}}}}}\"}}
---
apiVersion: admissionregistration.k8s.io/v1beta1
kind: MutatingAdmissionPolicyBinding
metadata: {{name: real}}
spec: {{policyName: real}}
"
    );
    cluster.apply("default", &policy);
}
