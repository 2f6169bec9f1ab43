//! A series with a unit is only evidence as long as it keeps it.
//!
//! Milliseconds become seconds, bytes become KiB: an exporter changes, and the same service seems to need a thousandth.
//! Where a series jumps by the factor between two units, and no value of one side is among those of the other, nobody
//! can tell which side is meant (case 31).

use jiff::Timestamp;

use super::{Evidence, History, Signal};

/// Factors by which units differ: ms and s, or millicores and cores; KiB and bytes; and each of them twice.
const FACTORS: [f64; 4] = [1e3, 1024.0, 1e6, 1_048_576.0];
/// Steps on either side of a jump that are compared: a quarter of an hour at five minutes.
const STEPS: usize = 3;
/// How far the levels on both sides may be off the bare factor, as a logarithm: within a quarter of an hour little else happens.
const SLACK: f64 = 0.15;

/// The series, or that it did not keep its unit.
pub(super) fn kept(signal: Signal, evidence: Evidence<History>) -> Evidence<History> {
    let change = match &evidence {
        Evidence::Series(history) if has_unit(signal) => change(history),
        _ => None,
    };
    match change {
        Some((at, factor)) => Evidence::Failed(format!(
            "its values jump by a factor of about {factor} at {at}, as if the unit changed; nothing is read from it"
        )),
        None => evidence,
    }
}

/// Whether a signal is measured in seconds, cores or bytes; counts and shares have no unit to lose.
fn has_unit(signal: Signal) -> bool {
    matches!(
        signal,
        Signal::P99
            | Signal::Cpu
            | Signal::CpuMax
            | Signal::CpuRequest
            | Signal::CpuLimit
            | Signal::Memory
            | Signal::MemoryRequest
            | Signal::MemoryLimit
            | Signal::RedisUsed
            | Signal::RedisMax
            | Signal::VolumeUsed
            | Signal::VolumeCapacity
    )
}

/// When the values jump from one unit to another, and by which factor.
fn change(history: &History) -> Option<(Timestamp, f64)> {
    let positive = |(_, value): &(usize, f64)| *value > 0.0;
    let known: Vec<(usize, f64)> =
        history.values.iter().copied().enumerate().filter(positive).collect();
    let jump = |pair: &[(usize, f64)]| (pair[1].1 / pair[0].1).ln().abs();
    let jumps = known.windows(2).map(jump).enumerate();
    let (last_old, _) = jumps.max_by(|a, b| a.1.total_cmp(&b.1))?;
    let (old, new) = known.split_at(last_old + 1);
    let near_old = &old[old.len().saturating_sub(STEPS)..];
    let near_new = &new[..new.len().min(STEPS)];
    let ratio = (level(near_new) - level(near_old)).abs().exp();
    // 1,000 and 1,024 are near each other
    let off = |factor: &f64| (ratio / factor).ln().abs();
    let factor = FACTORS.into_iter().min_by(|a, b| off(a).total_cmp(&off(b)))?;
    if off(&factor) > SLACK {
        return None;
    }
    let ((old_low, old_high), (new_low, new_high)) = (range(old), range(new));
    let apart = old_high < new_low || new_high < old_low;
    apart.then(|| (history.time(new[0].0), factor))
}

/// Mean of the logarithms.
#[expect(clippy::cast_precision_loss, reason = "three at most")]
fn level(some: &[(usize, f64)]) -> f64 {
    some.iter().map(|(_, value)| value.ln()).sum::<f64>() / some.len() as f64
}

/// Lowest and highest value.
fn range(some: &[(usize, f64)]) -> (f64, f64) {
    let wider =
        |(low, high): (f64, f64), (_, value): &(usize, f64)| (low.min(*value), high.max(*value));
    some.iter().fold((f64::INFINITY, 0.0), wider)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::units::Period;

    fn found(values: &[f64]) -> Option<String> {
        let history = History {
            start: Timestamp::UNIX_EPOCH,
            step: Period(300),
            values: values.to_vec(),
            marks: Vec::new(),
            newest: Timestamp::UNIX_EPOCH,
        };
        match kept(Signal::Memory, Evidence::Series(history)) {
            Evidence::Failed(why) => Some(why),
            _ => None,
        }
    }

    #[test]
    fn a_change_of_unit_is_found_and_a_steep_rise_is_none() {
        // 300, 310, 320 MiB in bytes; from the seventh step on in KiB
        let mut values: Vec<f64> =
            (0..12).map(|i| f64::from(300 + 10 * (i % 3)) * 1_048_576.0).collect();
        assert_eq!(found(&values), None);
        values[6..].iter_mut().for_each(|value| *value /= 1024.0);
        let why = found(&values).unwrap();
        assert!(why.contains("a factor of about 1024 at 1970-01-01T00:30:00Z"), "{why}");
        // a thousandfold change to where it has been before is the service's own
        values[0] = values[7];
        assert_eq!(found(&values), None);
        // and so is one by another factor
        values[0] = values[1];
        values[6..].iter_mut().for_each(|value| *value *= 4.0);
        assert_eq!(found(&values), None);
    }

    #[test]
    fn a_series_of_one_value_or_none_keeps_its_unit() {
        assert_eq!(found(&[]), None);
        assert_eq!(found(&[0.0, 0.0]), None);
        assert_eq!(found(&[f64::NAN, 5.0]), None);
    }
}
