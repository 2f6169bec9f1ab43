//! The overlay in the hands of the real `helm template`: a chart with the keys of the real one, rendered
//! with and without it, and compared manifest by manifest.

#![allow(clippy::needless_pass_by_value, clippy::unwrap_used, clippy::print_stderr, missing_docs)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use plimsoll::advise::plan::{Action, Plan, Recommendation, Setting};
use plimsoll::service::live::Live;
use plimsoll::{config, render};
use serde_json::{Value, json};

/// Manifests as `Kind/name/pointer` and value, leaf by leaf.
type Leaves = BTreeMap<String, Value>;

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/charts/jarvis");

/// `helm` from the path, or from the folder where `tests/run` builds it. Without one the test is skipped
/// out loud, and in CI it fails.
fn helm() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| std::env::home_dir().map(|home| home.join(".cache")));
    let built = cache.map(|cache| cache.join("plimsoll/bin/helm"));
    let runs = |path: &PathBuf| {
        Command::new(path).arg("version").output().is_ok_and(|out| out.status.success())
    };
    let found = [Some(PathBuf::from("helm")), built].into_iter().flatten().find(runs);
    if found.is_none() {
        assert!(std::env::var("CI").is_err(), "`helm` is missing, and CI skips nothing");
        eprintln!("SKIPPED: `helm` is not there; `tests/run` builds it");
    }
    found
}

/// What the chart renders, with `overlay` passed last where there is one.
fn rendered(helm: &Path, overlay: Option<&Path>) -> Leaves {
    let mut command = Command::new(helm);
    command.args(["template", "jarvis", CHART, "--namespace", "jarvis"]);
    if let Some(overlay) = overlay {
        command.arg("--values").arg(overlay);
    }
    let out = command.output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let manifests: Vec<Value> =
        serde_saphyr::from_multiple(std::str::from_utf8(&out.stdout).unwrap()).unwrap();
    let mut leaves = Leaves::new();
    for manifest in &manifests {
        let name =
            |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
        flatten(&format!("{}/{}", name("/kind"), name("/metadata/name")), manifest, &mut leaves);
    }
    leaves
}

fn flatten(path: &str, value: &Value, leaves: &mut Leaves) {
    match value {
        Value::Object(entries) => {
            entries
                .iter()
                .for_each(|(key, value)| flatten(&format!("{path}/{key}"), value, leaves));
        }
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.for_each(|(at, value)| flatten(&format!("{path}/{at}"), value, leaves));
        }
        value => {
            leaves.insert(path.to_owned(), value.clone());
        }
    }
}

/// The leaves that differ, with their value in `after`; null where they are gone.
fn changed(before: &Leaves, after: &Leaves) -> Leaves {
    let keys = before.keys().chain(after.keys());
    let differ = keys.filter(|key| before.get(*key) != after.get(*key));
    differ.map(|key| (key.clone(), after.get(key).cloned().unwrap_or(Value::Null))).collect()
}

fn overlaid(helm: &Path, overlay: &str) -> Leaves {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, overlay.as_bytes()).unwrap();
    changed(&rendered(helm, None), &rendered(helm, Some(file.path())))
}

fn recommendation(
    component: &str,
    object: &str,
    setting: &str,
    current: impl Into<Value>,
    target: impl Into<Value>,
) -> Value {
    let (current, target) = (current.into(), target.into());
    let row = json!({"code": "TIER_ROW", "message": "High"});
    json!({"component": component, "object": object, "setting": setting, "current": current, "target": target,
           "uncappedTarget": target, "lowerBound": null, "upperBound": null, "action": "Raise", "reasons": [row]})
}

/// A plan of these recommendations for the service of `data/plimsoll.yaml`.
fn plan(recommendations: &[Value]) -> Plan {
    let service = json!({"name": "jarvis", "namespace": "jarvis", "status": "Advised", "load": null, "tier": null,
                         "crossings": [], "recommendations": recommendations, "findings": []});
    let plan = json!({"schemaVersion": 1, "version": "plimsoll", "at": "2026-11-23T01:00:00Z", "settings": "",
                      "services": [service], "skipped": 0, "changes": recommendations.len()});
    serde_json::from_value(plan).unwrap()
}

fn overlay(plan: &Plan) -> String {
    let settings = include_str!("../data/plimsoll.yaml");
    let settings = config::parse(settings, "plimsoll.yaml", Path::new(".")).unwrap();
    render::helm::overlay(plan, &settings.services, &Live::default())
}

#[test]
fn helm_renders_the_advised_values_and_nothing_else_changes() {
    let Some(helm) = helm() else { return };
    let plan = plan(&[
        recommendation("api", "Deployment/jarvis-api", "minReplicas", 3, 5),
        recommendation("api", "Deployment/jarvis-api", "maxReplicas", 5, 10),
        recommendation("api", "Deployment/jarvis-api", "cpuRequest", "500m", "2"),
        recommendation("worker", "Deployment/jarvis-worker", "replicas", 3, 4),
        recommendation("redis", "StatefulSet/jarvis-redis-master", "memory", "512Mi", "1Gi"),
    ]);
    let expected = json!({
        "Deployment/jarvis-api/spec/template/spec/containers/0/resources/requests/cpu": "2",
        "Deployment/jarvis-worker/spec/replicas": 4,
        "HorizontalPodAutoscaler/jarvis-api/spec/maxReplicas": 10,
        "HorizontalPodAutoscaler/jarvis-api/spec/minReplicas": 5,
        "StatefulSet/jarvis-redis-master/spec/template/spec/containers/0/resources/limits/memory": "1Gi",
    });
    assert_eq!(serde_json::to_value(overlaid(&helm, &overlay(&plan))).unwrap(), expected);
}

/// A team's own values file: comments, anchors, merges, four spaces beside two, quotes of both kinds.
const TEAM: &str = include_str!("values/team.yaml");

#[test]
fn helm_renders_the_advised_values_from_an_edited_file_and_nothing_else_changes() {
    let plan = plan(&[
        recommendation("api", "Deployment/jarvis-api", "minReplicas", 3, 5),
        recommendation("api", "Deployment/jarvis-api", "maxReplicas", 5, 10),
        recommendation("api", "Deployment/jarvis-api", "cpuRequest", "500m", "2"),
        recommendation("worker", "Deployment/jarvis-worker", "replicas", 3, 4),
        recommendation("worker", "Deployment/jarvis-worker", "memoryRequest", "512Mi", "768Mi"),
        recommendation("redis", "StatefulSet/jarvis-redis-master", "memory", "512Mi", "1Gi"),
    ]);
    let settings = include_str!("../data/plimsoll.yaml");
    let settings = config::parse(settings, "plimsoll.yaml", Path::new(".")).unwrap();
    let wanted = render::helm::wanted(&plan, &settings.services, &Live::default());
    let edited = render::values_file::edit(TEAM, &wanted).unwrap();
    assert_eq!(edited.left, Vec::<String>::new());
    let diff = render::values_file::diff("team.yaml", TEAM, &edited.text);
    let changed_lines: Vec<&str> =
        diff.lines().skip(2).filter(|line| line.starts_with(['-', '+'])).collect();
    let expected_lines = [
        "-        minReplicas: 3    # two zones",
        "-        maxReplicas: 5",
        "+        minReplicas: 5    # two zones",
        "+        maxReplicas: 10",
        "-        requests: {cpu: '500m', memory: 512Mi}   # from load test 7",
        "+        requests: {cpu: '2', memory: 512Mi}   # from load test 7",
        "+    requests:",
        "+      memory: 768Mi",
        "+  replicaCount: 4",
        "-    resources: {}",
        "+    resources:",
        "+      limits:",
        "+        memory: 1Gi",
    ];
    assert_eq!(changed_lines, expected_lines, "{diff}");

    let Some(helm) = helm() else { return };
    let folder = tempfile::tempdir().unwrap();
    let [before, after] =
        [("before.yaml", TEAM), ("after.yaml", &edited.text)].map(|(name, text)| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            rendered(&helm, Some(&path))
        });
    let expected = json!({
        "Deployment/jarvis-api/spec/template/spec/containers/0/resources/requests/cpu": "2",
        "Deployment/jarvis-worker/spec/replicas": 4,
        "Deployment/jarvis-worker/spec/template/spec/containers/0/resources/requests/memory": "768Mi",
        "HorizontalPodAutoscaler/jarvis-api/spec/maxReplicas": 10,
        "HorizontalPodAutoscaler/jarvis-api/spec/minReplicas": 5,
        "StatefulSet/jarvis-redis-master/spec/template/spec/containers/0/resources/limits/memory": "1Gi",
    });
    assert_eq!(serde_json::to_value(changed(&before, &after)).unwrap(), expected);
}

#[test]
fn a_raise_that_took_effect_does_not_fall_back_with_the_next_overlay() {
    let Some(helm) = helm() else { return };
    let of = |action: &str, now: [Value; 3]| {
        let then = [json!(5), json!(4), json!("1Gi")];
        let [(min, a), (count, b), (memory, c)]: [(Value, Value); 3] =
            now.into_iter().zip(then).collect::<Vec<_>>().try_into().unwrap();
        let mut all = [
            recommendation("api", "Deployment/jarvis-api", "minReplicas", min, a),
            recommendation("worker", "Deployment/jarvis-worker", "replicas", count, b),
            recommendation("redis", "StatefulSet/jarvis-redis-master", "memory", memory, c),
        ];
        for one in &mut all {
            one["action"] = json!(action);
        }
        plan(&all)
    };
    let first = overlay(&of("Raise", [json!(3), json!(3), json!("512Mi")]));
    let rolled_out = overlaid(&helm, &first);
    assert_eq!(rolled_out.len(), 3);
    let settings = include_str!("../data/plimsoll.yaml");
    let settings = config::parse(settings, "plimsoll.yaml", Path::new(".")).unwrap();
    for next in [of("Keep", [json!(5), json!(4), json!("1Gi")]), plan(&[])] {
        let carried =
            render::helm::carried_on(&first, &next, &settings.services, &Live::default()).unwrap();
        assert_eq!(overlaid(&helm, &carried), rolled_out, "{carried}");
    }
}

#[test]
fn an_empty_overlay_changes_nothing() {
    let Some(helm) = helm() else { return };
    assert_eq!(overlaid(&helm, &overlay(&plan(&[]))), Leaves::new());
}

#[test]
fn the_overlay_of_the_demo_renders_exactly_its_plan() {
    let Some(helm) = helm() else { return };
    let out = tempfile::tempdir().unwrap();
    let demo = Command::new(env!("CARGO_BIN_EXE_plimsoll"))
        .arg("demo")
        .arg("--out")
        .arg(out.path())
        .output()
        .unwrap();
    assert!(matches!(demo.status.code(), Some(0 | 3)), "{}", String::from_utf8_lossy(&demo.stderr));
    let read = |name: &str| std::fs::read_to_string(out.path().join(name)).unwrap();
    let plan: Plan = serde_json::from_str(&read("plan.json")).unwrap();
    let all = plan.services.iter().flat_map(|service| &service.recommendations);
    let changes = all.filter(|one| matches!(one.action, Action::Raise | Action::Lower));
    let expected: Leaves = changes.filter_map(leaf).collect();
    assert!(expected.len() >= 3, "the demo changes too little to prove anything: {expected:?}");
    assert_eq!(overlaid(&helm, &read("values-capacity.yaml")), expected);
}

/// Where the chart renders a setting, and the value that the plan wants there; `None` for a volume.
fn leaf(one: &Recommendation) -> Option<(String, Value)> {
    let (kind, name) = one.object.split_once('/')?;
    let container = "spec/template/spec/containers/0/resources";
    let (kind, place) = match one.setting {
        Setting::Replicas => (kind, "spec/replicas".to_owned()),
        Setting::MinReplicas => ("HorizontalPodAutoscaler", "spec/minReplicas".to_owned()),
        Setting::MaxReplicas => ("HorizontalPodAutoscaler", "spec/maxReplicas".to_owned()),
        Setting::TargetUtilization => (
            "HorizontalPodAutoscaler",
            "spec/metrics/0/resource/target/averageUtilization".to_owned(),
        ),
        Setting::CpuRequest => (kind, format!("{container}/requests/cpu")),
        Setting::MemoryRequest => (kind, format!("{container}/requests/memory")),
        Setting::Memory | Setting::MemoryLimit => (kind, format!("{container}/limits/memory")),
        Setting::Storage => return None,
    };
    Some((format!("{kind}/{name}/{place}"), serde_json::to_value(one.target).unwrap()))
}
