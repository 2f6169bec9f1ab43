//! Objectives that a test sets, as a real Prometheus scrapes them.

#![allow(dead_code)]

use std::sync::{Arc, Mutex};

use crate::cluster::Cluster;
use crate::fake::{self, Fake};
use crate::harbour::Desk;
use crate::real::Prometheus;

/// An exporter, and the Prometheus that scrapes it every second.
pub struct Metrics {
    /// Error rate and P99; `None`: it answers with an error.
    pub tells: Arc<Mutex<Option<[f64; 2]>>>,
    pub prometheus: Prometheus,
}

impl Metrics {
    pub fn telling(first: [f64; 2]) -> Self {
        let tells = Arc::new(Mutex::new(Some(first)));
        let told = Arc::clone(&tells);
        let exporter = Fake::serve(move |_, _| match *told.lock().unwrap() {
            Some([errors, p99]) => fake::answer(
                "200 OK",
                &["Content-Type: text/plain; version=0.0.4"],
                &format!("error_rate {errors}\np99 {p99}\n"),
            ),
            None => fake::answer("500 Internal Server Error", &[], ""),
        });
        let prometheus = Prometheus::scraping(exporter.url.trim_start_matches("http://"));
        Self { tells, prometheus }
    }

    /// The desk asks it for its objectives, and its files for all else.
    pub fn of(&self, desk: &Desk) {
        let files = "history: {files: [history.csv]";
        desk.edit(files, &format!("{files}, prometheus: {{url: '{}'}}", self.prometheus.url));
        let asked =
            "    load: {query: load}\n    queries: {errorRate: error_rate, p99: p99}\n    tiers:\n";
        desk.edit("    tiers:\n", asked);
    }

    pub fn wait(&self, cluster: &Cluster, has: bool) {
        let port = self.prometheus.url.rsplit(':').next().unwrap().parse().unwrap();
        cluster.wait("a scrape", || {
            let answer = fake::get(port, "/api/v1/query?query=p99").unwrap_or_default();
            let answer = String::from_utf8_lossy(&answer).into_owned();
            answer.contains("\"success\"") && answer.contains("\"value\"") == has
        });
    }
}
