//! What can go wrong at the Prometheus edge. Every variant names its address, file or query, and says
//! in [`PrometheusError::hint`] what to change.

use std::path::PathBuf;
use std::time::Duration;

/// Why a Prometheus could not be asked, or gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum PrometheusError {
    /// The address is none.
    #[error("`{url}` is not an address: {why}")]
    Url {
        /// As it stands in the settings.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file with a token, password, certificate or key cannot be read.
    #[error("{what} `{path}` cannot be read")]
    File {
        /// "the bearer token file".
        what: &'static str,
        /// Its path.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file was read, but is not what it should be.
    #[error("{what} `{path}` cannot be used: {why}")]
    FileContent {
        /// "the CA file".
        what: &'static str,
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A header cannot be sent.
    #[error("header `{name}` cannot be sent: {why}")]
    Header {
        /// Its name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// No connection, or it was lost.
    #[error("`{url}` cannot be reached: {why}")]
    Unreachable {
        /// The address.
        url: String,
        /// The innermost cause.
        why: String,
    },
    /// It was away or busy for longer than we wait.
    #[error("`{url}` was given up after {}s without an answer", after.as_secs_f64())]
    GivenUp {
        /// The address.
        url: String,
        /// The patience that was lost.
        after: Duration,
    },
    /// The server's certificate was not accepted, or it did not accept ours.
    #[error("no trusted connection to `{url}`: {why}")]
    Tls {
        /// The address.
        url: String,
        /// The innermost cause.
        why: String,
    },
    /// It was asked in the clear, and speaks TLS.
    #[error("`{url}` speaks https there, and not http")]
    SpeaksTls {
        /// The address.
        url: String,
    },
    /// No whole answer in time.
    #[error("`{url}` gave no whole answer within {}s", after.as_secs_f64())]
    TimedOut {
        /// The address.
        url: String,
        /// The time it was given.
        after: Duration,
    },
    /// 401 or 403.
    #[error("`{url}` refuses us with {status}{}", said(message))]
    Denied {
        /// The address.
        url: String,
        /// 401 or 403.
        status: u16,
        /// The server's words, if it had any.
        message: String,
    },
    /// It sends us to another host.
    #[error("`{url}` redirects to `{to}`, which is another host")]
    Redirected {
        /// The address.
        url: String,
        /// Where to.
        to: String,
    },
    /// 429, 502, 503, 504.
    #[error("`{url}` is overloaded or not ready: it answers {status}{}", said(message))]
    Overloaded {
        /// The address.
        url: String,
        /// The status.
        status: u16,
        /// How long it asks us to wait.
        retry_after: Option<Duration>,
        /// The server's words, if it had any.
        message: String,
    },
    /// Something answers that is no Prometheus.
    #[error("`{url}` answers {status} with something that is not the Prometheus API: {start}")]
    NotPrometheus {
        /// The address.
        url: String,
        /// The status.
        status: u16,
        /// How the answer begins.
        start: String,
    },
    /// The query touches more than the server allows, or more than one answer may hold.
    #[error("too much for one query: {message}")]
    TooExpensive {
        /// The server's words, or ours.
        message: String,
    },
    /// The server does not accept the query.
    #[error("the query was refused ({kind}): {message}; it was `{query}`")]
    Refused {
        /// The query.
        query: String,
        /// `bad_data`, `execution`, or the HTTP status.
        kind: String,
        /// The server's words.
        message: String,
    },
    /// Only a part of the data was looked at.
    #[error("the answer is partial: {warning}")]
    Partial {
        /// The first warning.
        warning: String,
    },
    /// Several series where one is needed.
    #[error("the query gives several series; they differ in {labels}; it was `{query}`")]
    SeveralSeries {
        /// The query.
        query: String,
        /// The labels and some values.
        labels: String,
    },
    /// The answer is cut off or not as specified.
    #[error("the answer cannot be read: {why}")]
    Garbled {
        /// What is wrong with it.
        why: String,
    },
}

fn said(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

impl PrometheusError {
    /// Whether a smaller question may have an answer.
    #[must_use]
    pub fn is_too_expensive(&self) -> bool {
        matches!(self, Self::TooExpensive { .. } | Self::TimedOut { .. })
    }

    /// Whether the source is away or busy, so that the same question may have an answer later.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::GivenUp { .. }
                | Self::TimedOut { .. }
                | Self::Overloaded { .. }
        )
    }

    /// Whether every other query would fail in the same way.
    #[must_use]
    pub fn is_of_the_connection(&self) -> bool {
        match self {
            Self::Url { .. }
            | Self::File { .. }
            | Self::FileContent { .. }
            | Self::Header { .. }
            | Self::Unreachable { .. }
            | Self::GivenUp { .. }
            | Self::Tls { .. }
            | Self::SpeaksTls { .. }
            | Self::TimedOut { .. }
            | Self::Denied { .. }
            | Self::Redirected { .. }
            | Self::Overloaded { .. }
            | Self::NotPrometheus { .. } => true,
            Self::TooExpensive { .. }
            | Self::Refused { .. }
            | Self::Partial { .. }
            | Self::SeveralSeries { .. }
            | Self::Garbled { .. } => false,
        }
    }

    /// What to change: the flag, key or file.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Url { .. } => {
                "write `history.prometheus.url` or `--prometheus-url` like `http://prometheus.monitoring:9090`, with the base path if there is one"
            }
            Self::File { .. } | Self::FileContent { .. } => {
                "correct the path under `history.prometheus`, or the file"
            }
            Self::Header { .. } => "correct `history.prometheus.headers`",
            Self::Unreachable { .. } => {
                "check `history.prometheus.url` (or `--prometheus-url`), and that it can be reached from here; `--offline` works on the local history alone"
            }
            Self::GivenUp { .. } => {
                "run again when it is back: what came is kept and not asked for again; `history.prometheus.patience` is how long we wait"
            }
            Self::Tls { why, .. } if why.contains("Expired") => {
                "the server's certificate is too old: renew it there; or the clock of this machine is wrong"
            }
            Self::Tls { .. } => {
                "`history.prometheus.caFile` names the authority that signed the server's certificate; `certFile` and `keyFile` are our own"
            }
            Self::SpeaksTls { .. } => {
                "write `https://` in `history.prometheus.url` or `--prometheus-url`; `history.prometheus.caFile` names the authority, where it is your own"
            }
            Self::TimedOut { .. } => {
                "raise `history.prometheus.timeout`, or lower `history.lookback` for a first pull"
            }
            Self::Denied { status: 403, .. } => {
                "the credentials are known but not allowed to read: ask for read access to this Prometheus (and this tenant)"
            }
            Self::Denied { .. } => {
                "set `bearerTokenFile`, or `username` and `passwordFile`, under `history.prometheus`; a token may have expired"
            }
            Self::Redirected { .. } => {
                "set `history.prometheus.url` to the final address: credentials are never sent on to another host"
            }
            Self::Overloaded { .. } => "try again later, or lower `history.prometheus.concurrency`",
            Self::NotPrometheus { .. } => {
                "check the base path in `history.prometheus.url`; a page of HTML is often the login of a proxy in front of it"
            }
            Self::TooExpensive { .. } => {
                "raise `history.step`, select less in `load.selector`, or record the query as a rule in Prometheus and use the rule's name as your own query"
            }
            Self::Refused { .. } => {
                "correct the query under `queries` or `load.query`; without one, please report the preset"
            }
            Self::Partial { .. } => {
                "a store behind the source is away: run again when it is back; nothing partial was kept"
            }
            Self::SeveralSeries { .. } => {
                "aggregate the query to one series, for example with `sum(…)` or `max(…)`"
            }
            Self::Garbled { .. } => {
                "run again; if it stays, a proxy in between may cut or change answers"
            }
        }
    }
}
