//! Prometheus, and whatever speaks its HTTP API: which queries a service needs ([`presets`]), how
//! they are asked ([`client`]), and how the answers become columns ([`decode`]).
//!
//! Built on the crate `prometheus-http-query`, which knows the endpoints; its answer types are left
//! aside, because they hold every sample as a number and a string of its own: see [`decode`].

pub mod access;
pub mod client;
pub mod decode;
pub mod error;
pub mod kubernetes;
pub mod presets;
pub mod promql;
mod retry;

pub use access::Access;
pub use client::{Client, Range, Vector};
pub use decode::RangeAnswer;
pub use error::PrometheusError;
pub use presets::{Choice, PresetError, SignalQuery, queries};
