//! `plimsoll.yaml` -> validated [`Settings`]. Every key is checked; an unknown one is an error with a
//! suggestion and its line.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::service::{Calendar, Policy, Service};
use crate::units::Period;

/// A whole `plimsoll.yaml`, validated.
#[derive(Debug, Clone)]
pub struct Settings {
    /// First 12 hex digits of the SHA-256 of the file's bytes.
    pub hash: String,
    /// Where history comes from and where it is kept.
    pub history: HistorySettings,
    /// Zone and events.
    pub calendar: Calendar,
    /// Services, by name.
    pub services: Vec<Service>,
    /// Risk, horizon, bounds.
    pub policy: Policy,
}

/// Where history comes from and where it is kept.
#[derive(Debug, Clone)]
pub struct HistorySettings {
    /// The Prometheus to pull from; `None` works from files or the store alone.
    pub prometheus: Option<PrometheusSettings>,
    /// CSV and Parquet files to read beside or instead of it; relative to the settings file.
    pub files: Vec<PathBuf>,
    /// Distance between samples.
    pub step: Period,
    /// How far back history is wanted.
    pub lookback: Period,
    /// The store's folder; relative to the settings file.
    pub store: PathBuf,
}

/// How to reach a Prometheus, or anything that speaks its HTTP API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrometheusSettings {
    /// Base address, with path if there is one: `https://mimir.example/prometheus`.
    pub url: String,
    /// File that holds a bearer token; read anew before each request round, since tokens rotate.
    pub bearer_token_file: Option<PathBuf>,
    /// User name for basic authentication.
    pub username: Option<String>,
    /// File that holds its password; may be empty.
    pub password_file: Option<PathBuf>,
    /// PEM file of the authority that signed the server's certificate.
    pub ca_file: Option<PathBuf>,
    /// PEM files of our own certificate and key, for mutual TLS.
    pub cert_file: Option<PathBuf>,
    /// See `cert_file`.
    pub key_file: Option<PathBuf>,
    /// Headers sent with each request: `X-Scope-OrgID`.
    pub headers: BTreeMap<String, String>,
    /// Highest number of samples that one run may ask for.
    pub max_samples: u64,
    /// How many requests are under way at once.
    pub concurrency: usize,
    /// Time that one request may take, retries not counted.
    pub timeout: Period,
}
