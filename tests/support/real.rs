//! A real Prometheus, loaded with blocks that `promtool` makes from `OpenMetrics` text.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A running Prometheus; it ends with this value.
pub struct Prometheus {
    process: Child,
    pub url: String,
    port: u16,
    more: Vec<String>,
    data: TempDir,
}

/// Samples in the text format that `promtool` reads.
#[derive(Default)]
pub struct OpenMetrics(String);

impl OpenMetrics {
    pub fn sample(&mut self, series: &str, value: f64, at: i64) {
        writeln!(self.0, "{series} {value} {at}").unwrap();
    }

    /// A sample every `every` seconds from `from` to `to`, both inclusive.
    pub fn series(
        &mut self,
        series: &str,
        from: i64,
        to: i64,
        every: i64,
        value: impl Fn(i64) -> f64,
    ) {
        let mut at = from;
        while at <= to {
            self.sample(series, value(at), at);
            at += every;
        }
    }
}

/// Whether Prometheus can be run here. Where it cannot, that is said loudly, and in CI it is a failure.
pub fn available(test: &str) -> bool {
    let there = ["prometheus", "promtool"].iter().all(|program| {
        let ran = Command::new(program)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        ran.is_ok_and(|status| status.success())
    });
    if !there {
        let ci = std::env::var("CI").is_ok_and(|value| value == "true");
        assert!(!ci, "`prometheus` and `promtool` are missing, and CI skips nothing");
        eprintln!(
            "SKIPPED: {test}: `prometheus` and `promtool` are not there (Debian package `prometheus`)"
        );
    }
    there
}

impl Prometheus {
    /// Starts one with `metrics` in it and nothing to scrape.
    pub fn with(metrics: &OpenMetrics) -> Self {
        let data = tempfile::tempdir().unwrap();
        load(data.path(), metrics);
        Self::start(data, "global: {}\n", &[]).ready()
    }

    /// Starts an empty one that scrapes `target` (`host:port`) every second.
    #[allow(dead_code)]
    pub fn scraping(target: &str) -> Self {
        let config = format!(
            "scrape_configs: [{{job_name: test, scrape_interval: 1s, scrape_timeout: 1s, static_configs: [{{targets: ['{target}']}}]}}]\n"
        );
        Self::start(tempfile::tempdir().unwrap(), &config, &[]).ready()
    }

    fn ready(self) -> Self {
        self.wait(is_ready);
        self
    }

    /// Starts an empty one with the web configuration `web` and its API under `prefix`.
    #[allow(dead_code)]
    pub fn behind(web: &Path, prefix: &str) -> Self {
        let data = tempfile::tempdir().unwrap();
        let web = format!("--web.config.file={}", web.display());
        let prometheus =
            Self::start(data, "global: {}\n", &[&web, &format!("--web.route-prefix={prefix}")]);
        prometheus.wait(|port| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        // it listens before it is ready
        std::thread::sleep(Duration::from_secs(1));
        prometheus
    }

    fn start(data: TempDir, settings: &str, more: &[&str]) -> Self {
        std::fs::write(data.path().join("prometheus.yml"), settings).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let more: Vec<String> = more.iter().map(|one| (*one).to_owned()).collect();
        let process = Self::process(data.path(), port, &more);
        Self { process, url: format!("http://127.0.0.1:{port}"), port, more, data }
    }

    /// Ends it as a node that is lost would.
    #[allow(dead_code)]
    pub fn stop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Starts it where it was, with what it had.
    #[allow(dead_code)]
    pub fn start_again(&mut self) {
        self.process = Self::process(self.data.path(), self.port, &self.more);
        self.wait(is_ready);
    }

    fn process(data: &Path, port: u16, more: &[String]) -> Child {
        Command::new("prometheus")
            .arg(format!("--config.file={}", data.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", data.join("tsdb").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            // blocks of the past stay, and an instant query does not see the sample of a step ago
            .args([
                "--storage.tsdb.retention.time=50y",
                "--query.lookback-delta=4m",
                "--log.level=error",
            ])
            .args(more)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    fn wait(&self, ready: impl Fn(u16) -> bool) {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(30) {
            if ready(self.port) {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("prometheus is not ready after 30 s");
    }
}

fn is_ready(port: u16) -> bool {
    let answer = crate::fake::get(port, "/-/ready");
    answer.is_some_and(|answer| answer.starts_with(b"HTTP/1.1 200"))
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.stop();
    }
}

fn load(folder: &Path, metrics: &OpenMetrics) {
    let text = folder.join("metrics.txt");
    std::fs::write(&text, format!("{}# EOF\n", metrics.0)).unwrap();
    let made = Command::new("promtool")
        // blocks of weeks: with those of two hours promtool reads the text once for each
        .args(["tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=2000h", "-q"])
        .args([&text, &folder.join("tsdb")])
        .output()
        .unwrap();
    assert!(made.status.success(), "promtool: {}", String::from_utf8_lossy(&made.stderr));
}
