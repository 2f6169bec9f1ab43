//! The chart of `deploy/`, rendered by the real `helm`.

use serde_json::Value;

use crate::cluster::program;

/// The oldest Kubernetes that the chart is for; `helm` takes one that was built from source to be older.
const KUBERNETES: &str = "1.27";
pub const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/chart/plimsoll");
/// Values that switch on every part and change every value that is rendered.
pub const EVERYTHING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/values/deploy.yaml");

/// What `helm template` writes for a release in the namespace of its name, or what it refuses.
pub fn rendered(release: &str, more: &[&str]) -> Result<String, String> {
    let output = program("helm")
        .args(["template", release, CHART, "--namespace", release])
        .args(["--kube-version", KUBERNETES])
        .args(more)
        .output()
        .unwrap();
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    if output.status.success() { Ok(stdout) } else { Err(stderr) }
}

/// The objects of a stream of manifests.
pub fn objects(manifests: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(manifests).unwrap()
}

/// The only object of a kind.
pub fn only(manifests: &str, kind: &str) -> Value {
    let mut all = objects(manifests);
    all.retain(|object| object["kind"] == kind);
    assert_eq!(all.len(), 1, "{kind}");
    all.remove(0)
}

/// The object of a kind and name.
pub fn only_of(manifests: &str, kind: &str, name: &str) -> Value {
    let mut all = objects(manifests).into_iter();
    let found = all.find(|object| object["kind"] == kind && object["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("no {kind} {name}"))
}

/// The strings of a list.
pub fn strings(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect()
}
