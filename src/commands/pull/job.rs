//! One series to bring up to date: what is missing, asked slice by slice, and kept.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use indicatif::ProgressBar;
use jiff::Timestamp;

use super::Failure;
use crate::commands::{Hinted, Talk};
use crate::config::Settings;
use crate::history::Samples;
use crate::service::Service;
use crate::source::prometheus::{Client, PrometheusError, Range, RangeAnswer, SignalQuery};
use crate::store::{Answer, Store, StoreError, Writer};
use crate::units::Period;

/// Points of one slice. Prometheus refuses more than 11,000; others count a little differently.
pub const SLICE_POINTS: i64 = 10_000;
/// A slice of this many points is not halved again: if that is too much, the query itself is.
const SMALLEST_SLICE: usize = 64;
/// Samples younger than this may still change, because a scrape under way belongs to them: they are kept
/// for now and asked for once more next time.
const SETTLE_S: i64 = 60;
/// How long missing samples at the end are still hoped for: agents that write remotely, and Thanos, deliver late.
const LATE_S: i64 = 3_600;
/// What all jobs share.
pub(super) struct Shared {
    pub(super) client: Client,
    pub(super) writer: Writer,
    pub(super) at: i64,
    pub(super) talk: Talk,
}

/// One series to bring up to date.
pub(super) struct Job {
    service: String,
    query: SignalQuery,
    step: i64,
    slices: Vec<Range>,
}

/// What became of a job.
pub(super) struct Outcome {
    pub(super) queries: usize,
    pub(super) samples: usize,
    pub(super) dropped: usize,
    pub(super) failure: Option<Failure>,
}

impl Job {
    /// Finds out what is missing in the store, without changing it.
    pub(super) fn plan(
        store: &Store,
        service: &Service,
        query: SignalQuery,
        settings: &Settings,
        at: i64,
    ) -> Result<Self> {
        let step = settings.history.step.0;
        let to = at.div_euclid(step) * step;
        let from = to - settings.history.lookback.0.div_euclid(step) * step;
        let manifest = match store.manifest(&service.name, &query.key) {
            // a pull sets it aside first; whoever only counts takes it for none
            Err(StoreError::Damaged { .. }) => None,
            known => known.map_err(|error| Hinted::because(&error, error.hint()))?,
        };
        let missing = match manifest {
            Some(manifest) if manifest.query == query.promql && manifest.step_s == step => {
                manifest.asked.missing(from, to, step)
            }
            _ => vec![(from, to)],
        };
        let slices = missing.into_iter().flat_map(|(from, to)| sliced(from, to, step)).collect();
        Ok(Self { service: service.name.clone(), query, step, slices })
    }

    /// How many points it will ask for.
    pub(super) fn points(&self) -> u64 {
        self.slices.iter().map(|slice| slice.points() as u64).sum()
    }

    /// Asks slice by slice and keeps what came, even when a later slice fails.
    pub(super) async fn run(self, shared: Arc<Shared>, progress: ProgressBar) -> Result<Outcome> {
        let mut outcome = Outcome { queries: 0, samples: 0, dropped: 0, failure: None };
        let mut answers = Vec::new();
        // the last slice is on top
        let mut rest: Vec<Range> = self.slices.iter().rev().copied().collect();
        while let Some(slice) = rest.pop() {
            outcome.queries += 1;
            let asked = Instant::now();
            let answer = shared.client.range(&self.query.promql, slice).await;
            if shared.talk.verbose {
                shared.talk.say(&self.told(slice, &answer, asked.elapsed()));
            }
            match answer {
                Ok(answer) => {
                    progress.inc(slice.points() as u64);
                    outcome.samples += answer.samples.at.len();
                    outcome.dropped += answer.dropped;
                    answers.push((slice, answer));
                }
                Err(error) => {
                    let divisible = error.is_too_expensive() && slice.points() > SMALLEST_SLICE;
                    let Some([first, second]) = slice.halves().filter(|_| divisible) else {
                        outcome.failure = Some(self.failure(&error));
                        break;
                    };
                    rest.extend([second, first]);
                }
            }
        }
        let kept = tokio::task::spawn_blocking(move || self.keep(&shared, &answers));
        kept.await.context("the store's thread ended early")??;
        Ok(outcome)
    }

    /// `shop api.cpu: 2016 samples in 35 ms, 2026-11-16T01:00:00Z to 2026-11-23T01:00:00Z every 5m: sum(…)`.
    fn told(
        &self,
        slice: Range,
        answer: &Result<RangeAnswer, PrometheusError>,
        took: Duration,
    ) -> String {
        let moment = |at: i64| Timestamp::from_second(at).unwrap_or_default();
        let came = match answer {
            Ok(answer) => format!("{} samples", answer.samples.at.len()),
            Err(error) => format!("failed ({error})"),
        };
        format!(
            "{} {}: {came} in {} ms, {} to {} every {}: {}",
            self.service,
            self.query.key,
            took.as_millis(),
            moment(slice.from),
            moment(slice.to),
            Period(slice.step),
            self.query.promql
        )
    }

    fn failure(&self, error: &PrometheusError) -> Failure {
        Failure {
            service: self.service.clone(),
            key: self.query.key.clone(),
            message: error.to_string(),
            hint: error.hint().to_owned(),
        }
    }

    /// Writes all answers at once: neighbouring slices share a month, which is then written once.
    fn keep(&self, shared: &Shared, answers: &[(Range, RangeAnswer)]) -> Result<()> {
        let failed = |error: StoreError| anyhow::Error::from(Hinted::because(&error, error.hint()));
        if answers.is_empty() {
            return Ok(());
        }
        let mut manifest = shared
            .writer
            .begin(&self.service, &self.query.key, &self.query.promql, self.step)
            .map_err(failed)?;
        let mut samples = Samples::default();
        for (slice, answer) in answers {
            samples.at.extend_from_slice(&answer.samples.at);
            samples.value.extend_from_slice(&answer.samples.value);
            let (from, to) = settled(*slice, answer.samples.at.last().copied(), shared.at);
            manifest.asked.add(from, to, self.step);
        }
        let series = answers.iter().any(|(_, answer)| answer.series);
        // the spans are in the manifest already, which is written after the samples
        let nothing_more = (0, -1);
        let answer = Answer { samples: &samples, series, settled: nothing_more };
        shared.writer.append(&self.service, &self.query.key, &mut manifest, answer).map_err(failed)
    }
}

/// A span of steps in slices under the limit.
fn sliced(from: i64, to: i64, step: i64) -> impl Iterator<Item = Range> {
    let length = (SLICE_POINTS - 1) * step;
    std::iter::successors(Some(from), move |start| Some(start + length + step))
        .take_while(move |start| *start <= to)
        .map(move |start| Range { from: start, to: to.min(start + length), step })
}

/// The steps of an answered slice that need not be asked for again: not those that may still change, and
/// not a missing end that may still come.
fn settled(slice: Range, newest: Option<i64>, at: i64) -> (i64, i64) {
    let grid = |second: i64| second.div_euclid(slice.step) * slice.step;
    let final_to = slice.to.min(grid(at - SETTLE_S));
    let given_up = final_to.min(grid(at - LATE_S));
    let newest = newest.map_or(i64::MIN, grid);
    (slice.from, final_to.min(given_up.max(newest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_09_slices_stay_under_the_limit_and_cover_every_step_once() {
        let slices: Vec<Range> = sliced(0, 25_000 * 300, 300).collect();
        assert!(slices.iter().all(|slice| slice.points() <= 10_000));
        assert_eq!(slices.iter().map(|slice| slice.points()).sum::<usize>(), 25_001);
        assert!(slices.windows(2).all(|pair| pair[0].to + 300 == pair[1].from));
        assert_eq!(sliced(300, 0, 300).count(), 0);
        assert_eq!(sliced(300, 300, 300).count(), 1);
    }

    #[test]
    fn the_newest_step_is_asked_for_again_while_it_may_change() {
        let slice = Range { from: 0, to: 36_000, step: 300 };
        // 30 s after the step: its last scrape may be under way
        assert_eq!(settled(slice, Some(36_000), 36_030), (0, 35_700));
        // 60 s after it
        assert_eq!(settled(slice, Some(36_000), 36_060), (0, 36_000));
    }

    #[test]
    fn a_missing_end_is_hoped_for_for_an_hour() {
        let slice = Range { from: 0, to: 36_000, step: 300 };
        // the last 20 minutes are missing
        assert_eq!(settled(slice, Some(34_800), 36_100), (0, 34_800));
        // the last three hours are missing: two are given up (36,100 - 3,600 on the grid is 32,400)
        assert_eq!(settled(slice, Some(25_200), 36_100), (0, 32_400));
        assert_eq!(settled(slice, None, 36_100), (0, 32_400));
        // a day later all of it is
        assert_eq!(settled(slice, None, 122_400), (0, 36_000));
        // nothing at all yet
        let new = Range { from: 35_700, to: 36_000, step: 300 };
        assert!(settled(new, None, 36_100).1 < new.from);
    }
}
