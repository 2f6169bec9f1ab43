//! What Prometheus says that pods use, against what the cluster says of this moment: where they are far apart, the query
//! is about other pods, other containers, or another cluster.
//!
//! The two measure over other spans (a peak of a step here, some seconds there), so only what no span explains is called
//! a fault: memory apart by [`MEMORY`] times, CPU by [`CPU`] times, and by more than a pod at rest uses.

use std::fmt::Write as _;
use std::io::Write;

use anyhow::Result;
use jiff::Timestamp;

use super::{COLUMNS, Check};
use crate::config::Settings;
use crate::history::{Evidence, SeriesKey, Signal};
use crate::render::text::wrap;
use crate::service::Service;
use crate::service::live::{Gap, Use};
use crate::source::kubernetes::{self, ClusterOptions, Usage};
use crate::source::prometheus::SignalQuery;
use crate::source::prometheus::decode::Element;
use crate::units::{Bytes, Millicores};

/// Within some minutes the memory of a pod that serves seldom doubles.
const MEMORY: f64 = 2.0;
/// CPU comes in bursts.
const CPU: f64 = 4.0;
/// Bytes that are no matter: one MiB against four is no fault of a query.
const LITTLE_MEMORY: f64 = 67_108_864.0;
/// Cores that are no matter.
const LITTLE_CPU: f64 = 0.1;
/// Steps that a sample may be old, to be of this moment.
const FRESH_STEPS: i64 = 2;

/// What the cluster says of this moment, and whether it could not be asked; empty where none is to be asked, or another
/// moment is looked at.
pub(super) async fn usage(
    settings: &Settings,
    at: i64,
    cluster: Option<&ClusterOptions>,
    out: &mut impl Write,
) -> Result<(Usage, bool)> {
    let Some(options) = cluster else { return Ok((Usage::default(), false)) };
    let (now, allowed) = (Timestamp::now(), settings.policy.max_age);
    if now.as_second() - at > allowed.0 {
        let why = "`--at` is another moment, and the cluster knows this one alone";
        not_compared(out, why, None)?;
        return Ok((Usage::default(), false));
    }
    match kubernetes::usage(&settings.services, (now, allowed), options).await {
        Ok(usage) => {
            for (message, hint) in Gap::told(&usage.gaps.iter().collect::<Vec<_>>()) {
                not_compared(out, message, hint)?;
            }
            Ok((usage, false))
        }
        // what it is there for can be looked at all the same
        Err(error) => {
            not_compared(out, &error.to_string(), Some(&error.hint_by(options)))?;
            Ok((Usage::default(), true))
        }
    }
}

fn not_compared(out: &mut impl Write, why: &str, hint: Option<&str>) -> Result<()> {
    for (at, text) in wrap(&format!("not compared: {why}"), COLUMNS - 12).iter().enumerate() {
        writeln!(out, "{:<12}{text}", if at == 0 { "use now" } else { "" })?;
    }
    if let Some(hint) = hint {
        writeln!(out, "  hint: {hint}")?;
    }
    Ok(())
}

impl Check<'_> {
    /// The two words on what the pods of a service use, side by side; empty where the cluster was not asked or told nothing.
    pub(super) async fn present(
        &mut self,
        service: &Service,
        queries: &[SignalQuery],
        usage: &Usage,
    ) -> Result<String> {
        let (mut rows, mut odd) = (Vec::new(), Vec::new());
        for component in &service.components {
            let of = (service.name.clone(), component.name.clone());
            let Some(seen) = usage.of.get(&of) else { continue };
            for signal in [Signal::CpuMax, Signal::Memory] {
                let key = SeriesKey::of(&component.name, signal);
                let Some(query) = queries.iter().find(|query| query.key == key) else { continue };
                let Some(now) = figure(seen, signal) else { continue };
                let told = self.newest(service, query).await?;
                if told.is_some_and(|told| apart(signal, told, now)) {
                    odd.push(format!(
                        "`{key}` is more than {} times apart: does its query select the pods of `{}` and no others, and all that they are made of? See `components.{}.target`, its `container:`, and your own `queries`",
                        factor(signal), component.target, component.name
                    ));
                }
                rows.push((
                    key.to_string(),
                    told.map(|told| shown(signal, told)),
                    shown(signal, now),
                    seen.pods,
                ));
            }
        }
        self.troubled |= !odd.is_empty();
        Ok(table(&rows, &odd))
    }

    /// The newest value of a series, where it is of this moment.
    async fn newest(&self, service: &Service, query: &SignalQuery) -> Result<Option<f64>> {
        if let (Some(Evidence::Series(samples)), _) = self.known(service, query)?
            && let (Some(at), Some(value)) = (samples.at.last(), samples.value.last())
            && self.at - at <= FRESH_STEPS * self.settings.history.step.0
        {
            return Ok(Some(*value));
        }
        let Some(client) = &self.client else { return Ok(None) };
        // whoever has no answer is named where the series is
        let answer = client.instant(&query.promql, self.at).await.unwrap_or_default();
        Ok(answer.first().map(Element::value).filter(|value| value.is_finite()))
    }
}

fn figure(seen: &Use, signal: Signal) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "an amount of one pod")]
    let figure = |amount: u64| amount as f64;
    match signal {
        Signal::CpuMax => seen.most.cpu.map(|cpu| figure(cpu.0) / 1000.0),
        _ => seen.most.memory.map(|memory| figure(memory.0)),
    }
}

fn factor(signal: Signal) -> f64 {
    if signal == Signal::CpuMax { CPU } else { MEMORY }
}

fn apart(signal: Signal, told: f64, now: f64) -> bool {
    let little = if signal == Signal::CpuMax { LITTLE_CPU } else { LITTLE_MEMORY };
    let (low, high) = (told.min(now), told.max(now));
    high - low > little && high > low * factor(signal)
}

fn shown(signal: Signal, figure: f64) -> String {
    match signal {
        Signal::CpuMax => Millicores::of(figure).to_string(),
        _ => Bytes::at_least(figure, Bytes(1 << 20)).to_string(),
    }
}

/// A row: the series, what Prometheus says, what the cluster says, and of how many pods.
type Row = (String, Option<String>, String, usize);

fn table(rows: &[Row], odd: &[String]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let width = rows.iter().map(|row| row.0.len()).max().unwrap_or(0).max("use now".len());
    let mut text =
        format!("  {:<width$} {:>10} {:>8} {:>5}\n", "use now", "history", "cluster", "pods");
    for (series, told, now, pods) in rows {
        let told = told.as_deref().unwrap_or("not there");
        let _ = writeln!(text, "  {series:<width$} {told:>10} {now:>8} {pods:>5}");
    }
    for odd in odd {
        for (at, line) in wrap(odd, COLUMNS - 4).iter().enumerate() {
            let _ = writeln!(text, "{}{line}", if at == 0 { "    " } else { "      " });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_no_span_of_time_explains_is_apart() {
        let mebi = 1_048_576.0;
        assert!(!apart(Signal::Memory, 300.0 * mebi, 200.0 * mebi));
        assert!(apart(Signal::Memory, 300.0 * mebi, 140.0 * mebi));
        assert!(apart(Signal::Memory, 140.0 * mebi, 300.0 * mebi));
        // four times, and nothing to speak of
        assert!(!apart(Signal::Memory, 8.0 * mebi, 32.0 * mebi));
        assert!(!apart(Signal::CpuMax, 0.3, 0.9));
        assert!(apart(Signal::CpuMax, 0.0, 0.2));
        assert!(!apart(Signal::CpuMax, 0.01, 0.1));
    }
}
