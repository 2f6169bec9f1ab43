//! The program as a pod runs it: in a root that holds what the image holds and what the chart mounts, as no root, with
//! the token of an account. No kubelet and no image are needed for that, and nothing is written outside of a folder.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::chart::strings;
use crate::cluster::{Cluster, found, program};

/// The root of a pod as a folder: what the image holds, and what the chart mounts.
pub struct Pod {
    root: TempDir,
    /// The words of the `CronJob`.
    pub args: Vec<String>,
    /// Where it is told that the API server listens.
    pub port: u16,
}

/// Where a pod has what its account is.
pub const ACCOUNT: &str = "var/run/secrets/kubernetes.io/serviceaccount";
/// Where the volume is mounted.
pub const KEPT: &str = "var/lib/plimsoll";
/// What goes to the working directory there: all in the root that is not the image's.
const ENTERING: &str = "env";
/// The user of the image.
const NONROOT: u32 = 65532;
/// What `distroless/cc` has of the libraries that a Rust program links.
const LIBRARIES: [&str; 5] =
    ["libc.so.6", "libm.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"];

impl Pod {
    /// What the image holds, and an empty volume: all that is the user's. `None` where this machine lets nobody enter
    /// it, which is said loudly and fails in CI.
    pub fn bare(test: &str) -> Option<Self> {
        let pod = Self { root: tempfile::tempdir().unwrap(), args: Vec::new(), port: 0 };
        image(pod.root.path());
        std::fs::create_dir_all(pod.path(KEPT)).unwrap();
        if is_root() {
            chown(pod.path(KEPT), Some(NONROOT), Some(NONROOT)).unwrap();
        }
        let (code, said) = pod.run(&["--version"]);
        if code == Some(0) {
            return Some(pod);
        }
        let ci = std::env::var("CI").is_ok_and(|value| value == "true");
        assert!(!ci, "no folder can be entered as the root of a pod, and CI skips nothing: {said}");
        eprintln!("SKIPPED: {test}: this user may not enter a folder as a root: {said}");
        None
    }

    /// As the API server has `CronJob` and `ConfigMap` of a release, with a token of its account.
    pub fn furnished(self, cluster: &Cluster, release: &str) -> Self {
        let got = |kind: &str, name: &str| -> Value {
            let got = cluster.kubectl(&["get", kind, name, "-n", release, "-o", "json"]);
            serde_json::from_slice(&got.stdout).unwrap()
        };
        let spec = got("cronjob", &format!("{release}-report"));
        let spec = &spec["spec"]["jobTemplate"]["spec"]["template"]["spec"];
        let container = &spec["containers"][0];
        assert_eq!(container["workingDir"], format!("/{KEPT}"));
        let data = got("configmap", release);
        for mount in container["volumeMounts"].as_array().unwrap() {
            let place = mount["mountPath"].as_str().unwrap().trim_start_matches('/');
            let place = self.path(place);
            match mount["subPath"].as_str() {
                Some(key) => {
                    std::fs::write(&place, data["data"][key].as_str().unwrap()).unwrap();
                }
                None => std::fs::create_dir_all(place).unwrap(),
            }
        }
        let account = self.path(ACCOUNT);
        std::fs::create_dir_all(&account).unwrap();
        std::fs::write(account.join("token"), token(cluster, release)).unwrap();
        std::fs::write(account.join("namespace"), release).unwrap();
        std::fs::copy(cluster.path("server/apiserver.crt"), account.join("ca.crt")).unwrap();
        let args = strings(&container["args"]).iter().map(ToString::to_string).collect();
        Self { args, port: cluster.port(), ..self }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// What the program says in it, with the environment that a pod has.
    pub fn run(&self, args: &[impl AsRef<std::ffi::OsStr>]) -> (Option<i32>, String) {
        // a container's root may change its root but unshare nothing; elsewhere it is the other way round
        let mut command = program(way_in());
        if is_root() {
            command.arg(format!("--userspec={NONROOT}:{NONROOT}"));
        } else {
            command.args(["--map-root-user", "--root"]);
        }
        let output = command
            .arg(self.root.path())
            .args([&format!("/{ENTERING}"), &format!("--chdir=/{KEPT}"), "/usr/local/bin/plimsoll"])
            .args(args)
            .env_clear()
            .envs([("KUBERNETES_SERVICE_HOST", "127.0.0.1"), ("NO_COLOR", "1")])
            .env("KUBERNETES_SERVICE_PORT", self.port.to_string())
            .output()
            .unwrap();
        let [stdout, stderr] =
            [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        (output.status.code(), stdout + &stderr)
    }
}

/// The program that enters a folder as its root.
pub fn way_in() -> &'static str {
    if is_root() { "chroot" } else { "unshare" }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// The program and the libraries that it is linked with, each of which the image has.
fn image(root: &Path) {
    let binary = env!("CARGO_BIN_EXE_plimsoll");
    std::fs::create_dir_all(root.join("usr/local/bin")).unwrap();
    let place = root.join("usr/local/bin/plimsoll");
    // it is large, and mostly on the same disk
    std::fs::hard_link(binary, &place)
        .or_else(|_| std::fs::copy(binary, &place).map(drop))
        .unwrap();
    let linked = program("ldd").arg(binary).output().unwrap();
    let linked = String::from_utf8(linked.stdout).unwrap();
    let libraries: Vec<&str> =
        linked.split_whitespace().filter(|word| word.starts_with('/')).collect();
    assert!(libraries.len() >= 2, "{linked}");
    for library in libraries {
        let name = library.rsplit('/').next().unwrap();
        assert!(LIBRARIES.contains(&name), "{name} is not in the image of deploy/Dockerfile");
        let place = root.join(library.trim_start_matches('/'));
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::copy(library, place).unwrap();
    }
    std::fs::copy(found("env").unwrap(), root.join(ENTERING)).unwrap();
    // a temporary folder is for its maker only
    std::fs::set_permissions(root, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// A token of the account of a release.
pub fn token(cluster: &Cluster, release: &str) -> String {
    let made = cluster.kubectl(&["create", "token", release, "-n", release]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}
