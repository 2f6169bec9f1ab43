//! A Prometheus that lies: it has the whole history of the built-in JARVIS, serves it over real sockets, and has one
//! fault. What the real binary then says is held against what it says where nothing is wrong.
#![allow(dead_code, unused_imports)]

#[path = "desk.rs"]
mod desk;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use plimsoll::advise::plan::ServicePlan;
use plimsoll::config::{self, Settings};
use plimsoll::history::{Evidence, Observed, Samples, SeriesKey, Signal, Window};
use plimsoll::service::Current;
use plimsoll::source::demo;
use plimsoll::source::prometheus::{Choice, SignalQuery, queries};
use plimsoll::units::Period;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::fake::{self, Request, answer, json};
pub use desk::*;

/// The moment of every run here: a Monday in 2025, 10:00 in Tokyo. No campaign, roll-out or outage is in the eight weeks before.
pub const AT: &str = "2025-11-24T01:00:00Z";
/// The same in Unix seconds.
pub const NOW: i64 = 1_763_946_000;
pub const STEP: i64 = 300;
pub const DAY: i64 = 86_400;
/// What is true of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum World {
    /// A tenth of the load and generous settings: whole data lowers four of them.
    Quiet,
    /// More load than the settings are made for: whole data raises them.
    Busy,
}

/// What is wrong with the source.
#[derive(Debug, Clone)]
pub enum Fault {
    None,
    /// So many requests are answered; of all others the connection is closed without a word.
    DiesAfter(usize),
    /// So many requests are answered; all others with this status and these words.
    Refuses {
        after: usize,
        status: &'static str,
        words: &'static str,
    },
    /// So many ranges are answered with a status and `Retry-After`, until the source is well.
    Busy {
        times: usize,
        status: &'static str,
        retry_after: String,
    },
    /// Ranges are answered 200 with this text.
    Says {
        kind: &'static str,
        text: &'static str,
    },
    /// Ranges are answered with half of the truth, under the length of the whole or of the half.
    Cut {
        honest_length: bool,
    },
    /// Ranges say that they are compressed, and are not.
    CorruptGzip,
    /// The truth about ranges, with a warning.
    Warns(&'static str),
    /// Ranges of more points are refused, with this status and these words.
    Limits {
        points: usize,
        status: &'static str,
        words: &'static str,
    },
    /// Addresses of more bytes are refused as a proxy does.
    LongAddress(usize),
    /// Everybody is sent there.
    Redirects(String),
    /// Ranges never end.
    Endless,
    /// Ranges come a byte at a time.
    Drips,
    /// Samples older than so many seconds are gone.
    Retention(i64),
    /// The samples of these series are others; all series where none is named.
    Rewrites(&'static [&'static str], fn(Vec<Sample>) -> Vec<Sample>),
    /// What counts the requests has another name now.
    Renamed,
    /// These series are not there.
    Loses(&'static [&'static str]),
    /// Every range has this text instead of its list of series.
    Series(&'static str),
    /// What an instant query that holds the first text is answered, as a list of elements.
    Knows(&'static [(&'static str, &'static str)]),
}

/// Time and value as they stand in an answer.
pub type Sample = (f64, String);

/// The settings of the service, with an address and a place for its history.
pub fn settings_text(url: &str) -> String {
    format!(
        r#"version: 1
timezone: Asia/Tokyo
history:
  prometheus: {{url: "{url}", timeout: 1s, patience: 1s}}
  step: 5m
  lookback: 8w
  store: history
services:
  - name: jarvis
    namespace: jarvis
    load: {{selector: {{service: jarvis-api}}}}
    tiers:
      - {{name: Low,    below: 10,  api: 2,     worker: 1,    redis: 256Mi}}
      - {{name: Medium, below: 50,  api: 3-5,   worker: 2-3,  redis: 512Mi}}
      - {{name: High,   below: 200, api: 5-10,  worker: 3-5,  redis: 1Gi}}
      - {{name: Peak,               api: 10-20, worker: 5-10, redis: 2Gi}}
    components:
      api: {{target: Deployment/jarvis-api}}
      worker: {{target: Deployment/jarvis-worker}}
      redis: {{target: StatefulSet/jarvis-redis-master, memory: true}}
    volumes: [data-jarvis-postgresql-0]
"#
    )
}

pub fn settings() -> Settings {
    config::parse(&settings_text("http://localhost"), "test", Path::new(".")).unwrap()
}

impl World {
    /// Everything that is so, up to [`AT`].
    pub fn observed(self) -> Observed {
        let mut observed = demo::observed(AT.parse().unwrap(), demo::SEED);
        let share = if self == Self::Quiet { 0.1 } else { 1.5 };
        for (key, evidence) in &mut observed {
            let follows = matches!(
                key.signal,
                Signal::Load | Signal::Cpu | Signal::CpuMax | Signal::RedisUsed | Signal::Memory
            );
            if let (true, Evidence::Series(samples)) = (follows, evidence) {
                samples.value.iter_mut().for_each(|value| *value *= share);
            }
        }
        let (min, max, replicas) =
            if self == Self::Quiet { (6.0, 12.0, 6.0) } else { (2.0, 4.0, 4.0) };
        flat(&mut observed, "api", Signal::HpaMin, min);
        flat(&mut observed, "api", Signal::HpaMax, max);
        flat(&mut observed, "api", Signal::Replicas, replicas);
        fill(&mut observed, &SeriesKey::service(Signal::Reporting), replicas);
        for signal in [Signal::Replicas, Signal::SpecReplicas] {
            flat(&mut observed, "worker", signal, if self == Self::Quiet { 6.0 } else { 2.0 });
        }
        for signal in [Signal::CpuMax, Signal::Memory] {
            let api = observed[&SeriesKey::of("api", signal)].clone();
            observed.insert(SeriesKey::of("worker", signal), api);
        }
        flat(&mut observed, "worker", Signal::OomKills, 0.0);
        flat(&mut observed, "worker", Signal::CpuRequest, 0.6);
        flat(&mut observed, "worker", Signal::MemoryLimit, f64::from(1 << 30));
        flat(&mut observed, "worker", Signal::MemoryRequest, f64::from(1 << 29));
        flat(&mut observed, "redis", Signal::MemoryRequest, f64::from(1 << 28));
        if self == Self::Quiet {
            fill(&mut observed, &SeriesKey::service(Signal::ErrorRate), 0.001);
            fill(&mut observed, &SeriesKey::service(Signal::P99), 0.3);
            flat(&mut observed, "api", Signal::CpuRequest, 2.0);
            flat(&mut observed, "api", Signal::MemoryLimit, f64::from(1 << 30));
            flat(&mut observed, "redis", Signal::MemoryLimit, f64::from(1 << 30));
        }
        // what is asked for and not there has no series
        let answered = |query: SignalQuery| {
            let evidence = observed.remove(&query.key).unwrap_or(Evidence::NoSeries);
            (query.key, evidence)
        };
        asked().into_iter().map(answered).collect()
    }

    /// The advice where nothing is wrong.
    pub fn whole(self) -> &'static ServicePlan {
        static WHOLE: [OnceLock<ServicePlan>; 2] = [OnceLock::new(), OnceLock::new()];
        WHOLE[usize::from(self == Self::Busy)].get_or_init(|| advice(&self.observed()))
    }
}

/// The advice of the pipeline itself.
pub fn advice(observed: &Observed) -> ServicePlan {
    assessed(&settings(), observed).plan
}

/// The whole assessment of the first service of `settings`.
pub fn assessed(settings: &Settings, observed: &Observed) -> plimsoll::Assessment {
    with_live(settings, observed, &BTreeMap::new())
}

/// The same with what a cluster tells of the components.
pub fn with_live(
    settings: &Settings,
    observed: &Observed,
    live: &BTreeMap<String, Current>,
) -> plimsoll::Assessment {
    let window = Window {
        at: AT.parse().unwrap(),
        lookback: settings.history.lookback,
        step: settings.history.step,
    };
    let service = &settings.services[0];
    plimsoll::assess(service, &settings.calendar, &settings.policy, &window, observed, live)
}

fn flat(observed: &mut Observed, subject: &str, signal: Signal, value: f64) {
    let steps = NOW - 56 * DAY..=NOW;
    let at: Vec<i64> = steps.step_by(usize::try_from(STEP).unwrap()).collect();
    let samples = Samples { value: vec![value; at.len()], at };
    observed.insert(SeriesKey::of(subject, signal), Evidence::Series(samples));
}

fn fill(observed: &mut Observed, key: &SeriesKey, value: f64) {
    samples(observed, key).value.fill(value);
}

/// The samples of a series, to be changed.
pub fn samples<'a>(observed: &'a mut Observed, key: &SeriesKey) -> &'a mut Samples {
    match observed.get_mut(key) {
        Some(Evidence::Series(samples)) => samples,
        other => panic!("{key}: {other:?}"),
    }
}

/// The load's samples, to be changed.
pub fn load(observed: &mut Observed) -> &mut Samples {
    samples(observed, &SeriesKey::service(Signal::Load))
}

/// A running source; it lives as long as the process.
pub struct Source {
    pub url: String,
    requests: Arc<Mutex<Vec<Request>>>,
    longest: Arc<AtomicUsize>,
}

/// What a source answers from.
struct Tale {
    known: Vec<(SignalQuery, Evidence<Samples>)>,
    fault: Fault,
    ranges: AtomicUsize,
}

impl Source {
    /// The truth about a world, but for one fault.
    pub fn telling(world: World, fault: Fault) -> Self {
        Self::start(Tale::of(world, fault), None)
    }

    /// The same over TLS, with the certificate `server.pem` and its key in `folder`.
    pub fn telling_over_tls(world: World, fault: Fault, folder: &Path) -> Self {
        use rustls::pki_types::pem::PemObject;
        use rustls::pki_types::{CertificateDer, PrivateKeyDer};
        let _ = rustls::crypto::ring::default_provider().install_default();
        let certificate = CertificateDer::from_pem_file(folder.join("server.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).unwrap();
        let config = ServerConfig::builder().with_no_client_auth();
        let config = config.with_single_cert(vec![certificate], key).unwrap();
        Self::start(Tale::of(world, fault), Some(Arc::new(config)))
    }

    fn start(tale: Tale, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let (requests, longest) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let (seen, most, tale) = (Arc::clone(&requests), Arc::clone(&longest), Arc::new(tale));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, most, tale) = (Arc::clone(&seen), Arc::clone(&most), Arc::clone(&tale));
                let tls = tls.clone();
                std::thread::spawn(move || match tls {
                    Some(config) => {
                        let connection = ServerConnection::new(config).unwrap();
                        serve(StreamOwned::new(connection, stream), &tale, &seen, &most);
                    }
                    None => serve(stream, &tale, &seen, &most),
                });
            }
        });
        Self { url, requests, longest }
    }

    /// What was asked so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// What was asked by range.
    pub fn ranges(&self) -> Vec<Request> {
        let all = self.requests().into_iter();
        all.filter(|request| request.path().ends_with("query_range")).collect()
    }

    /// The most bytes that anybody took of one answer.
    pub fn longest_answer(&self) -> usize {
        self.longest.load(Ordering::SeqCst)
    }
}

/// One request and its answer; an answer that nobody wants to the end is no failure.
fn serve(
    mut stream: impl Read + Write,
    tale: &Tale,
    seen: &Mutex<Vec<Request>>,
    most: &AtomicUsize,
) {
    let Some(request) = fake::read(&mut stream) else { return };
    let number = {
        let mut seen = seen.lock().unwrap();
        seen.push(request.clone());
        seen.len() - 1
    };
    let mut counted = Counted { stream, count: 0 };
    let _ = tale.tell(&request, number, &mut counted);
    let _ = counted.stream.flush();
    most.fetch_max(counted.count, Ordering::SeqCst);
}

struct Counted<S> {
    stream: S,
    count: usize,
}

impl<S: Write> Write for Counted<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.stream.write(bytes)?;
        self.count += taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Every query of the service, once its load was found.
fn asked() -> Vec<SignalQuery> {
    let choice = Choice {
        preset: "http_requests_total".to_owned(),
        error_label: Some("code".to_owned()),
        scrape_s: 60,
    };
    queries(&settings().services[0], Period(STEP), Some(&choice)).unwrap()
}

impl Tale {
    fn of(world: World, fault: Fault) -> Self {
        let mut observed = world.observed();
        let lost = |key: &SeriesKey| match &fault {
            Fault::Loses(keys) => keys.contains(&key.to_string().as_str()),
            Fault::Renamed => key.subject.is_none(),
            _ => false,
        };
        let known = asked()
            .into_iter()
            .filter(|query| !lost(&query.key))
            .map(|query| {
                let evidence = observed.remove(&query.key).unwrap_or(Evidence::NoSeries);
                (query, evidence)
            })
            .collect();
        Self { known, fault, ranges: AtomicUsize::new(0) }
    }

    fn tell(&self, request: &Request, number: usize, out: &mut impl Write) -> io::Result<()> {
        let range = request.path().ends_with("query_range");
        match &self.fault {
            Fault::DiesAfter(answers) if number >= *answers => return Ok(()),
            Fault::Refuses { after, status, words } if number >= *after => {
                return out.write_all(&answer(status, &["Content-Type: text/plain"], words));
            }
            Fault::Redirects(to) => {
                let location = format!("Location: {to}{}", request.target);
                return out.write_all(&answer("302 Found", &[&location], ""));
            }
            Fault::LongAddress(bytes) if request.target.len() > *bytes => {
                return out.write_all(&answer(
                    "414 URI Too Long",
                    &[],
                    "<h1>414 URI Too Long</h1>",
                ));
            }
            _ => {}
        }
        if !request.path().contains("/query") {
            return out
                .write_all(&json("200 OK", r#"{"status":"success","data":{"version":"2.42.0"}}"#));
        }
        if range {
            let count = self.ranges.fetch_add(1, Ordering::SeqCst);
            return self.range(request, count, out);
        }
        let result = self.instant(&request.param("query").unwrap());
        let body = format!(
            r#"{{"status":"success","data":{{"resultType":"vector","result":[{result}]}}}}"#
        );
        out.write_all(&json("200 OK", &body))
    }

    fn range(&self, request: &Request, count: usize, out: &mut impl Write) -> io::Result<()> {
        let number = |name| request.param(name).unwrap().parse::<i64>().unwrap();
        let (from, to) = (number("start"), number("end"));
        let points = usize::try_from((to - from) / number("step") + 1).unwrap();
        let truth = self.matrix(&request.param("query").unwrap(), from, to);
        let whole = json("200 OK", &truth);
        match &self.fault {
            Fault::Busy { times, status, retry_after } if count < *times => {
                out.write_all(&answer(status, &[&format!("Retry-After: {retry_after}")], "busy"))
            }
            Fault::Says { kind, text } => {
                out.write_all(&answer("200 OK", &[&format!("Content-Type: {kind}")], text))
            }
            Fault::Cut { honest_length: true } => {
                out.write_all(&json("200 OK", &truth[..truth.len() / 2]))
            }
            Fault::Cut { .. } => out.write_all(&whole[..whole.len() / 2]),
            Fault::CorruptGzip => {
                let headers = ["Content-Type: application/json", "Content-Encoding: gzip"];
                out.write_all(&answer("200 OK", &headers, &truth))
            }
            Fault::Warns(words) => {
                let warned = format!(r#"{},"warnings":["{words}"]}}"#, &truth[..truth.len() - 1]);
                out.write_all(&json("200 OK", &warned))
            }
            Fault::Limits { points: most, status, words } if points > *most => {
                let body =
                    format!(r#"{{"status":"error","errorType":"bad_data","error":"{words}"}}"#);
                out.write_all(&json(status, &body))
            }
            Fault::Endless => endless(out),
            Fault::Drips => drip(out),
            _ => out.write_all(&whole),
        }
    }

    /// The answer to a range, as the fault leaves it.
    fn matrix(&self, query: &str, from: i64, to: i64) -> String {
        let known = self.known.iter().find(|(known, _)| known.promql == query);
        let result = match (&self.fault, known) {
            (Fault::Series(text), _) => (*text).to_owned(),
            (_, Some((query, Evidence::Series(samples)))) => {
                let oldest = if let Fault::Retention(seconds) = self.fault {
                    NOW - seconds
                } else {
                    i64::MIN
                };
                let samples = samples.within(from.max(oldest), to);
                let pairs = samples.at.iter().zip(&samples.value);
                #[allow(clippy::cast_precision_loss)]
                let mut pairs: Vec<Sample> =
                    pairs.map(|(at, value)| (*at as f64, value.to_string())).collect();
                if let Fault::Rewrites(keys, how) = &self.fault
                    && (keys.is_empty() || keys.contains(&query.key.to_string().as_str()))
                {
                    pairs = how(pairs);
                }
                list(&pairs)
            }
            _ => String::new(),
        };
        format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{result}]}}}}"#)
    }

    /// The answer to a question about now: what there is, is scraped once a minute.
    fn instant(&self, query: &str) -> String {
        let element = |labels: &str, value: &str| {
            format!(r#"{{"metric":{{{labels}}},"value":[{NOW},"{value}"]}}"#)
        };
        if let Fault::Knows(list) = &self.fault
            && let Some((_, elements)) = list.iter().find(|(part, _)| query.contains(part))
        {
            return (*elements).to_owned();
        }
        let needed = |query: &SignalQuery| {
            query.needs.as_ref().map(|needs| format!("{}{}", needs.metric, needs.matchers))
        };
        let there = self.known.iter().any(|(known, evidence)| {
            let one = |text: String| {
                query.contains(&text) || query.contains(&text.replace('}', r#",code!=""}"#))
            };
            matches!(evidence, Evidence::Series(_)) && needed(known).is_some_and(one)
        });
        match query {
            "vector(1)" => element("", "1"),
            _ if matches!(self.fault, Fault::Renamed) && query.contains("(response_total{") => {
                element("", "60")
            }
            _ if there => element("", "60"),
            _ => String::new(),
        }
    }
}

fn list(pairs: &[Sample]) -> String {
    let mut text = r#"{"metric":{},"values":["#.to_owned();
    for (i, (at, value)) in pairs.iter().enumerate() {
        let comma = if i == 0 { "" } else { "," };
        // what is no text stands bare, as nobody should write it
        let quote = if value == "null" { "" } else { "\"" };
        write!(text, "{comma}[{at},{quote}{value}{quote}]").unwrap();
    }
    text + "]}"
}

fn endless(out: &mut impl Write) -> io::Result<()> {
    out.write_all(
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n{",
    )?;
    // 8 GiB is without end
    let blanks = [b' '; 1 << 14];
    (0..8 << 16).try_for_each(|_| out.write_all(&blanks))
}

fn drip(out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{")?;
    (0..1000).try_for_each(|_| {
        std::thread::sleep(Duration::from_millis(20));
        out.write_all(b" ").and_then(|()| out.flush())
    })
}

/// The moment of a number of days before [`AT`], in Unix seconds.
pub fn days_ago(days: i64) -> i64 {
    NOW - days * DAY
}

/// The same as a time.
pub fn day(days: i64) -> Timestamp {
    Timestamp::from_second(days_ago(days)).unwrap()
}
