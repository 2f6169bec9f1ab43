//! The samples of the one series, each straight to its place.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, SeqAccess, Visitor};

use super::Matrix;
use crate::history::Samples;

pub(super) struct ValuesSeed<'a>(pub(super) &'a mut Matrix);
struct SampleSeed;
struct ValueSeed;

impl<'de> DeserializeSeed<'de> for ValuesSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for ValuesSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of samples")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Matrix { answer, max_samples, overflow, .. } = self.0;
        while let Some((at, value)) = seq.next_element_seed(SampleSeed)? {
            if answer.samples.at.len() + answer.dropped >= *max_samples {
                *overflow = true;
                return Err(A::Error::custom("more samples than asked for"));
            }
            if value.is_finite() {
                answer.samples.at.push(at);
                answer.samples.value.push(value);
            } else {
                answer.dropped += 1;
            }
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for SampleSeed {
    type Value = (i64, f64);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(i64, f64), D::Error> {
        deserializer.deserialize_tuple(2, self)
    }
}

impl<'de> Visitor<'de> for SampleSeed {
    type Value = (i64, f64);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a pair of time and value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(i64, f64), A::Error> {
        let at: f64 = seq.next_element()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
        let value =
            seq.next_element_seed(ValueSeed)?.ok_or_else(|| A::Error::invalid_length(1, &self))?;
        Ok((
            seconds(at).ok_or_else(|| A::Error::custom(format_args!("`{at}` is not a time")))?,
            value,
        ))
    }
}

/// Whole Unix seconds, within the range of a timestamp.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked first")]
fn seconds(at: f64) -> Option<i64> {
    (at.abs() < 2.5e11).then_some(at.floor() as i64)
}

impl<'de> DeserializeSeed<'de> for ValueSeed {
    type Value = f64;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<f64, D::Error> {
        // a string by the specification; numbers and null are seen in the wild
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for ValueSeed {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<f64, E> {
        text.parse().map_err(|_| E::custom(format_args!("`{text}` is not a value")))
    }

    fn visit_f64<E>(self, value: f64) -> Result<f64, E> {
        Ok(value)
    }

    #[expect(clippy::cast_precision_loss, reason = "a count of samples or bytes")]
    fn visit_u64<E>(self, value: u64) -> Result<f64, E> {
        Ok(value as f64)
    }

    #[expect(clippy::cast_precision_loss, reason = "a count of samples or bytes")]
    fn visit_i64<E>(self, value: i64) -> Result<f64, E> {
        Ok(value as f64)
    }

    fn visit_unit<E>(self) -> Result<f64, E> {
        Ok(f64::NAN)
    }
}

/// Sorts by time and keeps the larger of two samples of one time; returns how many were not in place.
pub(super) fn put_in_order(samples: &mut Samples) -> usize {
    let disordered = samples.at.windows(2).filter(|pair| pair[1] <= pair[0]).count();
    if disordered == 0 {
        return 0;
    }
    let mut pairs: BTreeMap<i64, f64> = BTreeMap::new();
    for (at, value) in samples.at.iter().zip(&samples.value) {
        let kept = pairs.entry(*at).or_insert(*value);
        *kept = kept.max(*value);
    }
    (samples.at, samples.value) = pairs.into_iter().unzip();
    disordered
}
