//! Asking: one connection, patience shared by all requests, and a bound on every answer.
//!
//! Built on `prometheus-http-query`, whose `*_raw` calls hand over the response unread.

use std::error::Error as _;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use reqwest::header::{AUTHORIZATION, HeaderValue};

use super::access::{Access, address, authorization, causes, http_client, shown};
use super::decode::{self, Element, MAX_BODY, NoAnswer, RangeAnswer};
use super::error::PrometheusError;
use super::retry::retry_after;

/// The steps that a range query asks for: `from`, `from + step`, … up to and including `to`, in Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first step.
    pub from: i64,
    /// The last step.
    pub to: i64,
    /// Distance between steps.
    pub step: i64,
}

impl Range {
    /// How many steps.
    #[must_use]
    pub fn points(self) -> usize {
        usize::try_from((self.to - self.from) / self.step + 1).unwrap_or(0)
    }

    /// Both halves, if there are any.
    #[must_use]
    pub fn halves(self) -> Option<[Self; 2]> {
        let middle = self.from + (self.to - self.from) / self.step / 2 * self.step;
        (middle < self.to)
            .then_some([Self { to: middle, ..self }, Self { from: middle + self.step, ..self }])
    }
}

/// The elements of an instant answer.
pub type Vector = Vec<Element>;

/// A connection to one Prometheus.
pub struct Client {
    api: prometheus_http_query::Client,
    access: Access,
    /// The address as it may be shown: without user and password.
    shown: String,
    /// Time that may still be lost before the next answer.
    patience: Mutex<Duration>,
}

enum Question {
    At(i64),
    Over(Range),
    Version,
}

/// The first wait between two attempts; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The longest wait between two attempts, unless the source asks for more.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Queries up to this many bytes go into the address, where proxies and caches understand them; longer ones
/// would exceed the limits on addresses that proxies have, so they are posted (case 11).
const LONGEST_IN_ADDRESS: usize = 2_000;

/// Thanos and `VictoriaMetrics` answer with what they have unless told that half an answer is none (case 8); and Thanos
/// may take down-sampled data, which knows no peaks, unless told that only raw samples will do (case 18).
const WHOLE: [(&str, &str); 3] = [
    ("partial_response", "false"),
    ("deny_partial_response", "1"),
    ("max_source_resolution", "0s"),
];

impl Client {
    /// Prepares the connection; nothing is sent yet.
    ///
    /// # Errors
    ///
    /// An address, file or header that cannot be used.
    pub fn new(access: &Access) -> Result<Self, PrometheusError> {
        let url = address(&access.url)?;
        let http = http_client(access, &url)?;
        let shown = shown(&url);
        let api = prometheus_http_query::Client::from(http, access.url.trim_end_matches('/'))
            .map_err(|error| PrometheusError::Url { url: shown.clone(), why: error.to_string() })?;
        let patience = Mutex::new(access.patience);
        Ok(Self { api, access: access.clone(), shown, patience })
    }

    /// The address as it may be shown: without user and password.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.shown
    }

    /// The samples of the one series that `query` gives over `range`.
    ///
    /// # Errors
    ///
    /// No usable answer within the time and patience given.
    pub async fn range(&self, query: &str, range: Range) -> Result<RangeAnswer, PrometheusError> {
        let body = self.ask(query, &Question::Over(range)).await?;
        let answer = decode::range(&body, range.points());
        answer.map(|answer| inside(answer, range)).map_err(|error| self.no_answer(error, query))
    }

    /// What `query` gives at the moment `at`, in Unix seconds.
    ///
    /// # Errors
    ///
    /// No usable answer within the time and patience given.
    pub async fn instant(&self, query: &str, at: i64) -> Result<Vector, PrometheusError> {
        let body = self.ask(query, &Question::At(at)).await?;
        decode::vector(&body).map_err(|error| self.no_answer(error, query))
    }

    /// The first question of a run, asked without patience: a wrong address or token is said at once.
    ///
    /// # Errors
    ///
    /// No connection, no permission, or no Prometheus.
    pub async fn greet(&self, at: i64) -> Result<(), PrometheusError> {
        self.look("vector(1)", at).await.map(drop)
    }

    /// What `query` gives at the moment `at`, asked once: who watches asks again soon, and has no patience to lose.
    ///
    /// # Errors
    ///
    /// No usable answer to this one question.
    pub async fn look(&self, query: &str, at: i64) -> Result<Vector, PrometheusError> {
        let body = self.once(query, &Question::At(at)).await?;
        decode::vector(&body).map_err(|error| self.no_answer(error, query))
    }

    /// The version that the source says it has; `None` where it does not say.
    pub async fn version(&self) -> Option<String> {
        let body = self.once("", &Question::Version).await.ok()?;
        let value: serde_json::Value = serde_json::from_slice(&body).ok()?;
        value["data"]["version"].as_str().map(str::to_owned)
    }

    /// Asks until there is an answer, a refusal, or no patience left.
    async fn ask(&self, query: &str, question: &Question) -> Result<Vec<u8>, PrometheusError> {
        let mut wait = FIRST_WAIT;
        loop {
            if self.patience().is_zero() {
                return Err(PrometheusError::GivenUp {
                    url: self.shown.clone(),
                    after: self.access.patience,
                });
            }
            let started = Instant::now();
            let error = match self.once(query, question).await {
                Ok(body) => {
                    self.restore_patience();
                    return Ok(body);
                }
                Err(error) => error,
            };
            if !error.is_unavailable() {
                return Err(error);
            }
            let pause = match &error {
                PrometheusError::Overloaded { retry_after: Some(asked), .. } => wait.max(*asked),
                _ => wait,
            };
            let left = self.spend(started.elapsed() + pause);
            // what takes too long now takes too long again: a smaller question is the answer to that
            if left.is_zero() || error.is_too_expensive() {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    fn patience(&self) -> Duration {
        *self.patience.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// An answer shows that the source is there.
    fn restore_patience(&self) {
        *self.patience.lock().unwrap_or_else(std::sync::PoisonError::into_inner) =
            self.access.patience;
    }

    /// Takes `time` from the patience that all requests share; returns what is left.
    fn spend(&self, time: Duration) -> Duration {
        let mut patience = self.patience.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *patience = patience.saturating_sub(time);
        *patience
    }

    /// One attempt: the whole text of a successful answer.
    async fn once(&self, query: &str, question: &Question) -> Result<Vec<u8>, PrometheusError> {
        let in_address = query.len() <= LONGEST_IN_ADDRESS;
        let mut response = self.send(query, question, in_address).await?;
        // a proxy in between may allow less than we think is short
        if in_address && response.status() == StatusCode::URI_TOO_LONG {
            response = self.send(query, question, false).await?;
        }
        let status = response.status();
        let retry_after = retry_after(response.headers());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.transport(&error))? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(PrometheusError::TooExpensive {
                    message: format!(
                        "the answer has more than {} MiB; does the query give one series?",
                        MAX_BODY >> 20
                    ),
                });
            }
            body.extend_from_slice(&chunk);
        }
        if status.is_success() && body.trim_ascii_start().starts_with(b"{") {
            return Ok(body);
        }
        Err(self.refusal(status, retry_after, &body, query))
    }

    async fn send(
        &self,
        query: &str,
        question: &Question,
        in_address: bool,
    ) -> Result<reqwest::Response, PrometheusError> {
        let authorization = authorization(&self.access)?;
        let sent = match question {
            Question::At(at) => {
                let mut builder = self.api.query(query).at(*at);
                for (name, value) in WHOLE {
                    builder = builder.query(name, value);
                }
                if let Some(value) = authorization {
                    builder = builder.header(AUTHORIZATION, value);
                }
                if in_address { builder.get_raw().await } else { builder.post_raw().await }
            }
            Question::Over(Range { from, to, step }) => {
                #[expect(clippy::cast_precision_loss, reason = "a step is far below 2^53 seconds")]
                let mut builder = self.api.query_range(query, *from, *to, *step as f64);
                for (name, value) in WHOLE {
                    builder = builder.query(name, value);
                }
                if let Some(value) = authorization {
                    builder = builder.header(AUTHORIZATION, value);
                }
                if in_address { builder.get_raw().await } else { builder.post_raw().await }
            }
            Question::Version => return self.send_version(authorization).await,
        };
        sent.map_err(|error| {
            match error.source().and_then(|source| source.downcast_ref::<reqwest::Error>()) {
                Some(cause) => self.transport(cause),
                None => {
                    PrometheusError::Unreachable { url: self.shown.clone(), why: error.to_string() }
                }
            }
        })
    }

    /// The crate's own call for this takes no header.
    async fn send_version(
        &self,
        authorization: Option<HeaderValue>,
    ) -> Result<reqwest::Response, PrometheusError> {
        let mut url = self.api.base_url().clone();
        url.set_path(&format!("{}/api/v1/status/buildinfo", url.path().trim_end_matches('/')));
        let mut request = self.api.inner().get(url);
        if let Some(value) = authorization {
            request = request.header(AUTHORIZATION, value);
        }
        request.send().await.map_err(|error| self.transport(&error))
    }

    /// What a failed transport was.
    fn transport(&self, error: &reqwest::Error) -> PrometheusError {
        let url = self.shown.clone();
        if error.is_timeout() {
            return PrometheusError::TimedOut { url, after: self.access.timeout };
        }
        let causes = causes(error);
        let why = causes.last().cloned().unwrap_or_else(|| error.to_string());
        if error.is_redirect() {
            return PrometheusError::Redirected { url, to: why };
        }
        // it came, but is not compressed as it says: the same question will not help. A connection that was lost fails
        // in the decoder too, and there it will
        let compression = |cause: &String| cause.contains("gzip") || cause.contains("deflate");
        if error.is_decode() && causes.iter().any(compression) {
            return PrometheusError::Garbled {
                why: format!("it is not compressed as it says: {why}"),
            };
        }
        // rustls has its say inside an `io::Error`, whose type is not kept through all the layers
        if causes
            .iter()
            .any(|cause| cause.contains("certificate") || cause.contains("received fatal alert"))
        {
            return PrometheusError::Tls { url, why };
        }
        PrometheusError::Unreachable { url, why }
    }

    /// What an answer without success, or without JSON, says.
    fn refusal(
        &self,
        status: StatusCode,
        retry_after: Option<Duration>,
        body: &[u8],
        query: &str,
    ) -> PrometheusError {
        let url = self.shown.clone();
        let (kind, message) = match decode::vector(body) {
            Err(NoAnswer::Refused { kind, message }) => (kind, message),
            _ => (String::new(), start_of(body)),
        };
        match status.as_u16() {
            400 if speaks_tls(body) => PrometheusError::SpeaksTls { url },
            code @ (401 | 403) => PrometheusError::Denied {
                url,
                status: code,
                message: if kind.is_empty() { String::new() } else { message },
            },
            // Prometheus itself: the evaluation took longer than `--query.timeout`
            503 if kind == "timeout" => PrometheusError::TooExpensive { message },
            code @ (429 | 502 | 503 | 504) => {
                PrometheusError::Overloaded { url, status: code, retry_after, message }
            }
            413 => PrometheusError::TooExpensive { message },
            400 | 422 if speaks_of_limits(&message) => PrometheusError::TooExpensive { message },
            400 | 422 if !body.trim_ascii_start().starts_with(b"<") => {
                let kind = if kind.is_empty() { status.as_u16().to_string() } else { kind };
                PrometheusError::Refused { query: query.to_owned(), kind, message }
            }
            code @ 300..=399 => PrometheusError::NotPrometheus {
                url,
                status: code,
                start: "a redirect without an address".to_owned(),
            },
            _ if !kind.is_empty() => {
                PrometheusError::Refused { query: query.to_owned(), kind, message }
            }
            code => PrometheusError::NotPrometheus { url, status: code, start: message },
        }
    }

    /// What an answer that was read says instead of samples.
    fn no_answer(&self, error: NoAnswer, query: &str) -> PrometheusError {
        let query = query.to_owned();
        match error {
            NoAnswer::Refused { message, .. } if speaks_of_limits(&message) => {
                PrometheusError::TooExpensive { message }
            }
            NoAnswer::Refused { kind, message } if kind == "timeout" => {
                PrometheusError::TooExpensive { message: format!("{}: {message}", self.shown) }
            }
            NoAnswer::Refused { kind, message } => {
                PrometheusError::Refused { query, kind, message }
            }
            NoAnswer::Partial(warning) => PrometheusError::Partial { warning },
            NoAnswer::SeveralSeries(labels) => PrometheusError::SeveralSeries { query, labels },
            NoAnswer::TooManySamples => PrometheusError::Garbled {
                why: "it has more samples than were asked for".to_owned(),
            },
            NoAnswer::Garbled(why) => PrometheusError::Garbled { why },
        }
    }
}

/// Whether a server says that it was asked in the clear on a port for TLS: Go's, and so Prometheus itself, nginx, Apache.
fn speaks_tls(body: &[u8]) -> bool {
    let said = String::from_utf8_lossy(body).to_ascii_lowercase();
    [
        "http request to an https server",
        "plain http request was sent to https port",
        "plain http to an ssl-enabled server port",
    ]
    .iter()
    .any(|words| said.contains(words))
}

/// Whether a refusal is about quantity, so that a smaller question helps: Prometheus ("too many samples",
/// "exceeded maximum resolution"), Mimir and Cortex ("exceeded the limit"), `VictoriaMetrics` ("cannot select more than").
fn speaks_of_limits(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["too many samples", "exceed", "limit", "more than", "too long", "timed out"]
        .iter()
        .any(|word| message.contains(word))
}

/// Without samples of another time than was asked for: they would stand in the store as settled (case 26).
fn inside(mut answer: RangeAnswer, range: Range) -> RangeAnswer {
    let all = answer.samples.at.len();
    answer.samples = answer.samples.within(range.from, range.to);
    answer.dropped += all - answer.samples.at.len();
    answer
}

/// The first words of a text, in one line.
fn start_of(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(400)]);
    let mut words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.is_empty() {
        words.push_str("an empty text");
    }
    words.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_range_splits_into_halves_without_losing_a_point() {
        let range = Range { from: 0, to: 1200, step: 300 };
        assert_eq!(range.points(), 5);
        let [left, right] = range.halves().unwrap();
        assert_eq!(left.points() + right.points(), 5);
        assert_eq!(left.to + 300, right.from);
        assert!(Range { from: 0, to: 0, step: 300 }.halves().is_none());
    }
}
