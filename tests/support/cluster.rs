//! A real Kubernetes control plane: etcd and kube-apiserver, and the controllers where a test asks for them.
//! There are no kubelets, so pods never run; everything that an API server decides is decided for real.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// What a control plane is made of; `openssl` makes the key that its service accounts are signed with.
const PROGRAMS: [&str; 4] = ["etcd", "kube-apiserver", "kubectl", "openssl"];
/// Users by token; who is no member of `system:masters` may do what a test binds to it.
const USERS: [(&str, &str); 3] =
    [("admin", r#""system:masters""#), ("limited", ""), ("stranger", "")];

/// A running control plane; all of it ends with this value, also where a test panics.
pub struct Cluster {
    // stopped in this order
    controllers: Option<Child>,
    server: Child,
    etcd: Child,
    port: u16,
    /// Where etcd listens.
    client: u16,
    folder: TempDir,
}

/// Whether a control plane can be run here. Where it cannot, that is said loudly, and in CI it is a failure.
#[allow(dead_code)]
pub fn available(test: &str) -> bool {
    available_with(test, &[])
}

/// The same with its controllers, which the usual `KUBEBUILDER_ASSETS` are without.
#[allow(dead_code)]
pub fn controllers_available(test: &str) -> bool {
    available_with(test, &["kube-controller-manager"])
}

/// The same with more programs.
pub fn available_with(test: &str, more: &[&str]) -> bool {
    there(test, &[&PROGRAMS[..], more].concat())
}

/// Whether these programs are here.
pub fn there(test: &str, programs: &[&str]) -> bool {
    let missing: Vec<&&str> = programs.iter().filter(|name| found(name).is_none()).collect();
    if !missing.is_empty() {
        let ci = std::env::var("CI").is_ok_and(|value| value == "true");
        assert!(!ci, "{missing:?} are missing, and CI skips nothing");
        eprintln!("SKIPPED: {test}: {missing:?} are not there; `tests/run` builds them");
    }
    missing.is_empty()
}

/// The same with KEDA's and the VPA's own definitions: what then is accepted, their whole schema accepts.
#[allow(dead_code)]
pub fn operators_available(test: &str, more: &[&str]) -> bool {
    let crds = crds();
    let crds: Vec<&str> = crds.iter().map(String::as_str).collect();
    available_with(test, &[&crds[..], more].concat())
}

/// The files that `tests/envtest/crds` names, as `tests/run` calls them.
fn crds() -> Vec<String> {
    let named = include_str!("../envtest/crds").lines().filter(|line| !line.starts_with('#'));
    let name = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        let (version, path) = (words.next().unwrap(), words.next().unwrap());
        format!("{version}_{}", path.rsplit('/').next().unwrap())
    };
    named.map(name).collect()
}

/// A program of `KUBEBUILDER_ASSETS`, else of the path.
pub fn found(name: &str) -> Option<PathBuf> {
    let own = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = own.into_iter().chain(std::env::split_paths(&path));
    folders.map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// A program that is [`there`].
pub fn program(name: &str) -> Command {
    Command::new(found(name).unwrap())
}

impl Cluster {
    /// The one that tests share while any of them runs; each keeps to namespaces of its own.
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap();
        shared.upgrade().unwrap_or_else(|| {
            let cluster = Arc::new(Self::start());
            *shared = Arc::downgrade(&cluster);
            cluster
        })
    }

    /// Starts etcd and an API server, with every user of [`USERS`].
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with more arguments for the API server.
    pub fn start_with(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        make_key(folder.path());
        let tokens: String = (0..)
            .zip(USERS)
            .map(|(uid, (name, groups))| format!("{name}-token,{name},{uid},{groups}\n"))
            .collect();
        std::fs::write(folder.path().join("tokens.csv"), tokens).unwrap();
        let [client, peer, port] = free_ports();
        let etcd = etcd(folder.path(), client, peer);
        let server = api_server(folder.path(), client, port, more);
        let cluster = Self { controllers: None, server, etcd, port, client, folder };
        for (name, _) in USERS {
            cluster.kubeconfig(name, &format!("{name}-token"));
        }
        cluster.wait_for_server();
        cluster
    }

    fn wait_for_server(&self) {
        let kubeconfig = self.path("admin.kubeconfig");
        self.wait("kube-apiserver", || {
            let mut asked = kubectl(&kubeconfig);
            asked.args(["get", "--raw", "/readyz"]).output().unwrap().status.success()
        });
    }

    /// Kills the API server, and starts another one in its place: what was stored is stored.
    #[allow(dead_code)]
    pub fn restart_server(&mut self) {
        end(&mut self.server);
        self.server = api_server(self.folder.path(), self.client, self.port, &[]);
        self.wait_for_server();
    }

    /// The same with the controllers: Deployments get pods, quotas are counted, HPAs are looked after.
    #[allow(dead_code)]
    pub fn with_controllers() -> Self {
        let mut cluster = Self::start();
        let [port] = free_ports();
        let child = program("kube-controller-manager")
            .arg(format!("--kubeconfig={}", cluster.path("admin.kubeconfig").display()))
            .arg(format!("--service-account-private-key-file={}", cluster.path("sa.key").display()))
            .arg(format!("--cert-dir={}", cluster.path("controllers").display()))
            .arg(format!("--secure-port={port}"))
            .args(["--bind-address=127.0.0.1", "--leader-elect=false"])
            // what was missed is seen again within seconds, not within five minutes
            .arg("--resource-quota-sync-period=5s")
            .stdout(Stdio::null())
            .stderr(log(cluster.folder.path(), "controllers"))
            .spawn()
            .unwrap();
        cluster.controllers = Some(child);
        cluster
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes `NAME.kubeconfig`, whose only context is called `NAME`.
    pub fn kubeconfig(&self, name: &str, token: &str) -> PathBuf {
        let path = self.path(&format!("{name}.kubeconfig"));
        let (port, authority) = (self.port, self.path("server/apiserver.crt"));
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: {name}\n\
             clusters: [{{name: test, cluster: {{server: 'https://127.0.0.1:{port}', certificate-authority: '{}'}}}}]\n\
             users: [{{name: {name}, user: {{token: {token}}}}}]\n\
             contexts: [{{name: {name}, context: {{cluster: test, user: {name}}}}}]\n",
            authority.display()
        );
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Where its API server listens on this machine.
    #[allow(dead_code)]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What `kubectl` answers to the administrator.
    pub fn kubectl(&self, args: &[&str]) -> Output {
        self.kubectl_as("admin", args)
    }

    /// What `kubectl` answers to whom a kubeconfig was written for.
    pub fn kubectl_as(&self, user: &str, args: &[&str]) -> Output {
        kubectl(&self.path(&format!("{user}.kubeconfig"))).args(args).output().unwrap()
    }

    /// Creates a namespace, where it is not there yet.
    pub fn namespace(&self, name: &str) {
        let made = self.kubectl(&["create", "namespace", name]);
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success() || said.contains("AlreadyExists"), "{said}");
    }

    /// Creates a namespace and everything in `manifests` in it, as the administrator.
    pub fn apply(&self, namespace: &str, manifests: &str) {
        self.namespace(namespace);
        self.send(&["apply", "-n", namespace], manifests);
    }

    /// The same by `kubectl create`, which notes nothing on the objects.
    #[allow(dead_code)]
    pub fn create(&self, namespace: &str, manifests: &str) {
        self.namespace(namespace);
        self.send(&["create", "-n", namespace], manifests);
    }

    /// Makes KEDA's and the VPA's kinds, where they are [`operators_available`]; their operators do not run.
    #[allow(dead_code)]
    pub fn operators(&self) {
        // two at once would see each other's half
        static MAKING: Mutex<()> = Mutex::new(());
        let _making = MAKING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for file in crds() {
            let crd = std::fs::read_to_string(found(&file).unwrap()).unwrap();
            self.send(&["apply", "--server-side"], &crd);
        }
        let kinds = "scaledobjects.keda.sh,verticalpodautoscalers.autoscaling.k8s.io";
        self.wait("custom resources", || {
            self.kubectl(&["get", kinds, "-n", "default"]).status.success()
        });
    }

    /// Sends manifests, as the administrator: what `kubectl` says of each, and what it warns of.
    pub fn send(&self, args: &[&str], manifests: &str) -> (String, String) {
        let mut child = kubectl(&self.path("admin.kubeconfig"))
            .args(args)
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(manifests.as_bytes()).unwrap();
        let sent = child.wait_with_output().unwrap();
        let [said, warned] =
            [sent.stdout, sent.stderr].map(|text| String::from_utf8(text).unwrap());
        assert!(sent.status.success(), "{warned}");
        (said, warned)
    }

    /// Server-side apply of a manifest under the name of a manager, whoever owned its fields before.
    #[allow(dead_code)]
    pub fn apply_as(&self, namespace: &str, manager: &str, manifest: &str) {
        let file = self.path(&format!("{namespace}-{manager}.yaml"));
        std::fs::write(&file, manifest).unwrap();
        let manager = format!("--field-manager={manager}");
        let args = ["apply", "--server-side", "--force-conflicts", "-n", namespace, &manager, "-f"];
        let applied = self.kubectl(&[&args[..], &[file.to_str().unwrap()]].concat());
        assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    }

    /// The ids of its processes.
    #[allow(dead_code)]
    pub fn processes(&self) -> Vec<u32> {
        let all = self.controllers.iter().chain([&self.server, &self.etcd]);
        all.map(Child::id).collect()
    }

    /// Ends the API server, as a node that is lost would.
    #[allow(dead_code)]
    pub fn stop_server(&mut self) {
        end(&mut self.server);
    }

    /// Freezes the API server: connections are taken and nothing is ever said.
    #[allow(dead_code)]
    pub fn freeze_server(&self) {
        let status = Command::new("kill").args(["-STOP", &self.server.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// Lets it go on.
    #[allow(dead_code)]
    pub fn thaw_server(&self) {
        let status = Command::new("kill").args(["-CONT", &self.server.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// Waits until `ready`; where that does not come, the test ends with what the servers said last.
    pub fn wait(&self, what: &str, ready: impl Fn() -> bool) {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(180) {
            if ready() {
                return;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        let last = ["etcd", "server", "controllers"].map(|name| {
            let said = std::fs::read_to_string(self.path(&format!("{name}.log")));
            let said = said.unwrap_or_default();
            said.lines().rev().take(10).collect::<Vec<_>>().join("\n")
        });
        panic!("{what}: not after 180 s\n{}", last.join("\n--\n"));
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.controllers.iter_mut().for_each(end);
        end(&mut self.server);
        end(&mut self.etcd);
    }
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn kubectl(kubeconfig: &Path) -> Command {
    let mut command = program("kubectl");
    // its cache of discovery is kept with the cluster and ends with it
    command.arg("--kubeconfig").arg(kubeconfig).env("HOME", kubeconfig.parent().unwrap());
    command
}

fn make_key(folder: &Path) {
    let made = program("openssl")
        .args(["genrsa", "-out", "sa.key", "2048"])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// Ports that nobody has: bound all at once, so that none is given twice.
fn free_ports<const N: usize>() -> [u16; N] {
    let bound = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    bound.map(|listener| listener.local_addr().unwrap().port())
}

fn log(folder: &Path, name: &str) -> std::fs::File {
    std::fs::File::create(folder.join(format!("{name}.log"))).unwrap()
}

fn etcd(folder: &Path, client: u16, peer: u16) -> Child {
    let at = |port: u16| format!("http://127.0.0.1:{port}");
    program("etcd")
        .arg(format!("--data-dir={}", folder.join("etcd").display()))
        .arg(format!("--listen-client-urls={}", at(client)))
        .arg(format!("--advertise-client-urls={}", at(client)))
        .arg(format!("--listen-peer-urls={}", at(peer)))
        .arg(format!("--initial-advertise-peer-urls={}", at(peer)))
        .arg(format!("--initial-cluster=default={}", at(peer)))
        // nothing here has to outlive the machine
        .args(["--unsafe-no-fsync", "--log-level=error"])
        .stdout(Stdio::null())
        .stderr(log(folder, "etcd"))
        .spawn()
        .unwrap()
}

fn api_server(folder: &Path, etcd: u16, port: u16, more: &[&str]) -> Child {
    let key = folder.join("sa.key");
    program("kube-apiserver")
        .arg(format!("--etcd-servers=http://127.0.0.1:{etcd}"))
        .arg(format!("--secure-port={port}"))
        .arg(format!("--cert-dir={}", folder.join("server").display()))
        .arg(format!("--token-auth-file={}", folder.join("tokens.csv").display()))
        .arg(format!("--service-account-key-file={}", key.display()))
        .arg(format!("--service-account-signing-key-file={}", key.display()))
        .args([
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.0.0.0/24",
        ])
        .args(more)
        .stdout(Stdio::null())
        .stderr(log(folder, "server"))
        .spawn()
        .unwrap()
}
