//! What was asked for one series, and how: the small JSON file beside its samples.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::StoreError;

/// The file's name.
pub(super) const FILE: &str = "manifest.json";

/// What was asked for one series, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The query that its samples answer.
    pub query: String,
    /// Distance between samples, in seconds.
    pub step_s: i64,
    /// Whether there ever was a series, with or without samples.
    pub series: bool,
    /// The spans that need not be asked for again.
    pub asked: Spans,
}

impl Manifest {
    /// For a series that was never asked for.
    #[must_use]
    pub fn new(query: &str, step_s: i64) -> Self {
        Self { query: query.to_owned(), step_s, series: false, asked: Spans::default() }
    }

    /// Whether an answer was ever kept whole: a run that was killed may have left a manifest, and samples, without one.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.series || self.asked.bounds().is_some()
    }
}

/// Spans of steps, both ends inclusive, in Unix seconds; rising, with at least one step between two.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spans(Vec<(i64, i64)>);

impl Spans {
    /// Adds the steps from `from` to `to`, and joins what touches.
    pub fn add(&mut self, from: i64, to: i64, step: i64) {
        if to < from {
            return;
        }
        self.0.push((from, to));
        self.0.sort_unstable();
        let mut joined: Vec<(i64, i64)> = Vec::with_capacity(self.0.len());
        for &(from, to) in &self.0 {
            match joined.last_mut() {
                Some(last) if from <= last.1 + step => last.1 = last.1.max(to),
                _ => joined.push((from, to)),
            }
        }
        self.0 = joined;
    }

    /// Takes out the steps from `from` to `to`: they are to be asked for again.
    pub fn remove(&mut self, from: i64, to: i64, step: i64) {
        let parts = |&(start, end): &(i64, i64)| {
            // the last step before `from`, and the first after `to`, of a grid that begins at `start`
            let before = start + (from - start - 1).div_euclid(step) * step;
            let after = start + ((to - start).div_euclid(step) + 1) * step;
            [(start, end.min(before)), (start.max(after), end)]
        };
        let rest = self.0.iter().flat_map(parts).filter(|(start, end)| start <= end);
        self.0 = rest.collect();
    }

    /// The steps from `from` to `to` that are in no span.
    #[must_use]
    pub fn missing(&self, from: i64, to: i64, step: i64) -> Vec<(i64, i64)> {
        let mut missing = Vec::new();
        let mut next = from;
        for &(start, end) in &self.0 {
            if end < next || start > to {
                continue;
            }
            if start > next {
                missing.push((next, start - step));
            }
            next = end + step;
        }
        if next <= to {
            missing.push((next, to));
        }
        missing
    }

    /// First and last step of all spans together.
    #[must_use]
    pub fn bounds(&self) -> Option<(i64, i64)> {
        Some((self.0.first()?.0, self.0.last()?.1))
    }
}

/// The manifest in `folder`; `None` where there is none.
pub(super) fn read(folder: &Path) -> Result<Option<Manifest>, StoreError> {
    read_json(&folder.join(FILE))
}

/// The JSON document at `path`; `None` where there is none.
pub(super) fn read_json<T: serde::de::DeserializeOwned>(
    path: &Path,
) -> Result<Option<T>, StoreError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(StoreError::Io { what: "read", path: path.to_owned(), source });
        }
    };
    let damaged = |error: serde_json::Error| StoreError::Damaged {
        path: path.to_owned(),
        why: error.to_string(),
    };
    serde_json::from_slice(&bytes).map(Some).map_err(damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_that_touch_become_one() {
        let mut spans = Spans::default();
        spans.add(0, 600, 300);
        spans.add(1500, 1800, 300);
        assert_eq!(spans.0, [(0, 600), (1500, 1800)]);
        spans.add(900, 1200, 300);
        assert_eq!(spans.0, [(0, 1800)]);
        spans.add(300, 600, 300);
        assert_eq!(spans.bounds(), Some((0, 1800)));
    }

    #[test]
    fn only_steps_outside_all_spans_are_missing() {
        let mut spans = Spans::default();
        assert_eq!(spans.missing(0, 900, 300), [(0, 900)]);
        spans.add(600, 900, 300);
        spans.add(1800, 2100, 300);
        assert_eq!(spans.missing(0, 3000, 300), [(0, 300), (1200, 1500), (2400, 3000)]);
        assert_eq!(spans.missing(600, 900, 300), []);
        assert_eq!(spans.missing(900, 1200, 300), [(1200, 1200)]);
        assert_eq!(spans.missing(3000, 3300, 300), [(3000, 3300)]);
    }

    #[test]
    fn what_is_taken_out_is_missing_again_and_nothing_else() {
        let mut spans = Spans::default();
        spans.add(0, 3000, 300);
        spans.add(6000, 6600, 300);
        spans.remove(600, 1199, 300);
        assert_eq!(spans.0, [(0, 300), (1200, 3000), (6000, 6600)]);
        assert_eq!(spans.missing(0, 3000, 300), [(600, 900)]);
        spans.remove(-500, 100, 300);
        spans.remove(2999, 6001, 300);
        assert_eq!(spans.0, [(300, 300), (1200, 2700), (6300, 6600)]);
        spans.remove(0, 9000, 300);
        assert_eq!(spans, Spans::default());
    }

    #[test]
    fn a_span_that_ends_before_it_begins_adds_nothing() {
        let mut spans = Spans::default();
        spans.add(600, 300, 300);
        assert_eq!(spans, Spans::default());
    }
}
