//! The answer of a range query, straight into columns.
//!
//! The text of a slice is at most [`MAX_BODY`] bytes, read chunk by chunk and refused beyond that. The
//! decoder walks it once and writes every sample where it stays: no tree of JSON values, no string per
//! sample, no second copy. What does not belong (a second series, a warning, a page of HTML) is named.
//!
//! Source: Prometheus, "HTTP API": format overview, range vectors (`[time, "value"]`, where the value may be
//! `NaN`, `+Inf`, `-Inf`), `warnings` and `infos`. `isPartial` is the word of `VictoriaMetrics` for the first.

mod values;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use self::values::{ValuesSeed, put_in_order};
use crate::history::Samples;

/// The most bytes that one answer may have. A slice of 10,000 points needs less than 400 kB; this is room
/// for twenty times that, and a bound on what a broken source can make us hold.
pub const MAX_BODY: usize = 8 << 20;

/// How many sets of labels are remembered to say in what surplus series differ.
const REMEMBERED_SERIES: usize = 20;

/// A decoded range answer of at most one series.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RangeAnswer {
    /// The samples: times rising, values finite.
    pub samples: Samples,
    /// Whether there was a series at all, with or without usable samples.
    pub series: bool,
    /// Samples left out because they were NaN, infinite, null, or of another time than asked for.
    pub dropped: usize,
    /// Samples that were out of order or there twice; put in order, the larger value kept.
    pub disordered: usize,
}

/// What an answer holds instead of one series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoAnswer {
    /// `status: error`, with its type and text.
    Refused {
        /// `errorType`: `bad_data`, `execution`, `timeout`.
        kind: String,
        /// The source's own words.
        message: String,
    },
    /// Only a part of the data was looked at; the first warning.
    Partial(String),
    /// Several series; the labels in which they differ, with some of their values.
    SeveralSeries(String),
    /// More samples than were asked for.
    TooManySamples,
    /// Not an answer of this API; what is wrong with it.
    Garbled(String),
}

/// Reads a range answer of one series and at most `max_samples` samples.
///
/// # Errors
///
/// [`NoAnswer`] for everything that is not one whole series.
pub fn range(body: &[u8], max_samples: usize) -> Result<RangeAnswer, NoAnswer> {
    let mut matrix = Matrix { max_samples, ..Matrix::default() };
    let envelope = envelope(body, MatrixSeed(&mut matrix));
    if matrix.overflow {
        return Err(NoAnswer::TooManySamples);
    }
    envelope?;
    if matrix.labels.len() > 1 {
        return Err(NoAnswer::SeveralSeries(differing(&matrix.labels)));
    }
    let mut answer = matrix.answer;
    answer.disordered = put_in_order(&mut answer.samples);
    Ok(answer)
}

/// One element of an instant answer.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Element {
    /// Its labels.
    #[serde(default)]
    pub metric: BTreeMap<String, String>,
    /// Its time and value.
    value: (f64, String),
}

impl Element {
    /// The value; NaN where it is no number.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.value.1.parse().unwrap_or(f64::NAN)
    }
}

#[derive(Deserialize)]
struct VectorData {
    result: Vec<Element>,
}

/// Reads the answer of an instant query that gives a vector.
///
/// # Errors
///
/// [`NoAnswer`] where it is none.
pub fn vector(body: &[u8]) -> Result<Vec<Element>, NoAnswer> {
    let mut data = None;
    envelope(body, Whole(&mut data))?;
    let data: Option<VectorData> = data;
    Ok(data.map_or_else(Vec::new, |data| data.result))
}

/// Deserializes into a place, as a seed.
struct Whole<'a, T>(&'a mut Option<T>);

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Whole<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        *self.0 = Option::deserialize(deserializer)?;
        Ok(())
    }
}

/// Everything of an answer but its data.
#[derive(Default)]
struct Envelope {
    status: String,
    kind: String,
    message: String,
    warning: Option<String>,
}

/// Reads the frame that all answers share, and gives `data` to the seed.
fn envelope<'de, S: DeserializeSeed<'de, Value = ()>>(
    body: &'de [u8],
    data: S,
) -> Result<(), NoAnswer> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let garbled = |error: serde_json::Error| NoAnswer::Garbled(error.to_string());
    let envelope = deserializer.deserialize_map(EnvelopeVisitor(data)).map_err(garbled)?;
    deserializer.end().map_err(garbled)?;
    match envelope {
        Envelope { status, warning: Some(warning), .. } if status == "success" => {
            Err(NoAnswer::Partial(warning))
        }
        Envelope { status, .. } if status == "success" => Ok(()),
        Envelope { status, kind, message, .. } if status == "error" => {
            Err(NoAnswer::Refused { kind, message })
        }
        _ => Err(NoAnswer::Garbled("no `status` in the answer".to_owned())),
    }
}

struct EnvelopeVisitor<S>(S);

impl<'de, S: DeserializeSeed<'de, Value = ()>> Visitor<'de> for EnvelopeVisitor<S> {
    type Value = Envelope;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an answer of the Prometheus API")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Envelope, A::Error> {
        let mut envelope = Envelope::default();
        let mut data = Some(self.0);
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match &*key {
                "status" => envelope.status = map.next_value()?,
                "errorType" => envelope.kind = map.next_value()?,
                "error" => envelope.message = map.next_value()?,
                "warnings" => {
                    let warnings = map.next_value::<Option<Vec<String>>>()?;
                    let first = warnings.and_then(|all| all.into_iter().next());
                    envelope.warning = envelope.warning.or(first);
                }
                "isPartial" => {
                    let partial = map.next_value::<bool>()?;
                    let word = partial.then(|| "`isPartial` is set".to_owned());
                    envelope.warning = envelope.warning.or(word);
                }
                "data" => match data.take() {
                    Some(seed) => map.next_value_seed(seed)?,
                    None => return Err(A::Error::custom("`data` is there twice")),
                },
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(envelope)
    }
}

/// A matrix while it is read: the first series in full, of all others the labels.
#[derive(Default)]
struct Matrix {
    answer: RangeAnswer,
    labels: Vec<BTreeMap<String, String>>,
    max_samples: usize,
    overflow: bool,
}

struct MatrixSeed<'a>(&'a mut Matrix);
struct SeriesListSeed<'a>(&'a mut Matrix);
struct SeriesSeed<'a>(&'a mut Matrix);

impl<'de> DeserializeSeed<'de> for MatrixSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        // an error has `data: null`, or none
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for MatrixSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a matrix")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match &*key {
                "resultType" => {
                    let kind = map.next_value::<Cow<'de, str>>()?;
                    if kind != "matrix" {
                        return Err(A::Error::custom(format_args!(
                            "a `{kind}` where a `matrix` was asked for"
                        )));
                    }
                }
                "result" => map.next_value_seed(SeriesListSeed(self.0))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for SeriesListSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for SeriesListSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of series")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(SeriesSeed(self.0))?.is_some() {}
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for SeriesSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for SeriesSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a series")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let first = !self.0.answer.series;
        self.0.answer.series = true;
        let mut labels = BTreeMap::new();
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match &*key {
                "metric" => labels = map.next_value()?,
                "values" if first => map.next_value_seed(ValuesSeed(self.0))?,
                "histograms" => {
                    {
                        map.next_value::<IgnoredAny>()?;
                    };
                    return Err(A::Error::custom("native histograms where numbers were asked for"));
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if self.0.labels.len() < REMEMBERED_SERIES {
            self.0.labels.push(labels);
        }
        Ok(())
    }
}

/// The labels in which series differ, with up to three values each: `pod (a, b, …), instance (x, y)`.
fn differing(series: &[BTreeMap<String, String>]) -> String {
    let names: BTreeSet<&String> = series.iter().flat_map(BTreeMap::keys).collect();
    let mut parts = Vec::new();
    for name in names {
        let values: BTreeSet<&str> =
            series.iter().map(|labels| labels.get(name).map_or("", String::as_str)).collect();
        if values.len() > 1 {
            let mut shown: Vec<_> = values
                .iter()
                .take(3)
                .map(|value| if value.is_empty() { "none" } else { value })
                .collect();
            if values.len() > 3 {
                shown.push("…");
            }
            parts.push(format!("`{name}` ({})", shown.join(", ")));
        }
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn body(result: &str) -> Vec<u8> {
        format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{result}]}}}}"#)
            .into_bytes()
    }

    fn one(values: &str) -> Result<RangeAnswer, NoAnswer> {
        range(&body(&format!(r#"{{"metric":{{}},"values":[{values}]}}"#)), 100)
    }

    #[test]
    fn a_series_becomes_two_columns() {
        let answer = one(r#"[1700000000,"1.5"],[1700000300.25,"2e3"]"#).unwrap();
        assert_eq!(answer.samples.at, [1_700_000_000, 1_700_000_300]);
        assert_eq!(answer.samples.value, [1.5, 2000.0]);
        assert!(answer.series);
    }

    #[test]
    fn case_19_no_series_is_not_the_same_as_a_series_without_samples() {
        assert!(!range(&body(""), 10).unwrap().series);
        let answer = one("").unwrap();
        assert!(answer.series && answer.samples.at.is_empty());
    }

    #[test]
    fn case_21_values_that_are_no_numbers_are_left_out_and_counted() {
        let answer =
            one(r#"[1,"NaN"],[2,"+Inf"],[3,"-Inf"],[4,null],[5,"0"],[6,7],[7,-1.5]"#).unwrap();
        assert_eq!(answer.samples.at, [5, 6, 7]);
        assert_eq!(answer.samples.value, [0.0, 7.0, -1.5]);
        assert_eq!(answer.dropped, 4);
    }

    #[test]
    fn case_24_samples_out_of_order_are_put_in_order_and_the_larger_of_two_is_kept() {
        let answer = one(r#"[3,"3"],[1,"1"],[2,"2"],[2,"5"],[3,"1"]"#).unwrap();
        assert_eq!(answer.samples.at, [1, 2, 3]);
        assert_eq!(answer.samples.value, [1.0, 5.0, 3.0]);
        // 1 after 3, and 2 after 2
        assert_eq!(answer.disordered, 2);
    }

    #[test]
    fn case_27_several_series_are_refused_with_the_labels_that_differ() {
        let series =
            |pod: &str| format!(r#"{{"metric":{{"job":"x","pod":"{pod}"}},"values":[[1,"1"]]}}"#);
        let answer =
            range(&body(&[series("a"), series("b"), series("c"), series("d")].join(",")), 10);
        assert_eq!(answer, Err(NoAnswer::SeveralSeries("`pod` (a, b, c, …)".to_owned())));
    }

    #[test]
    fn case_07_an_error_with_http_200_is_an_error() {
        let body =
            br#"{"status":"error","errorType":"bad_data","error":"parse error","data":null}"#;
        let refused =
            NoAnswer::Refused { kind: "bad_data".to_owned(), message: "parse error".to_owned() };
        assert_eq!(range(body, 10), Err(refused));
    }

    #[test]
    fn case_08_a_partial_answer_is_refused() {
        let warned = br#"{"status":"success","data":{"resultType":"matrix","result":[]},"warnings":["store down"]}"#;
        assert_eq!(range(warned, 10), Err(NoAnswer::Partial("store down".to_owned())));
        let partial =
            br#"{"status":"success","isPartial":true,"warnings":[],"data":{"resultType":"matrix","result":[]}}"#;
        assert!(matches!(range(partial, 10), Err(NoAnswer::Partial(_))));
        let whole = br#"{"status":"success","isPartial":false,"warnings":[],"infos":["x"],"data":{"resultType":"matrix","result":[]}}"#;
        assert!(range(whole, 10).is_ok());
    }

    #[test]
    fn case_06_every_cut_of_an_answer_is_an_error() {
        let whole = body(r#"{"metric":{"a":"b"},"values":[[1,"1"],[2,"2"]]}"#);
        assert!(range(&whole, 10).is_ok());
        for end in 0..whole.len() {
            assert!(matches!(range(&whole[..end], 10), Err(NoAnswer::Garbled(_))), "cut at {end}");
        }
    }

    #[test]
    fn what_is_not_an_answer_is_named() {
        for bad in [
            "{}",
            "[]",
            "null",
            r#"{"status":"ok"}"#,
            r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#,
        ] {
            assert!(matches!(range(bad.as_bytes(), 10), Err(NoAnswer::Garbled(_))), "{bad}");
        }
        for bad in
            [r"[1]", r#"[1,"x"]"#, r#"["1","1"]"#, r#"[1e300,"1"]"#, r#"[1,"1",2]"#, r"[1,{}]"]
        {
            assert!(matches!(one(bad), Err(NoAnswer::Garbled(_))), "{bad}");
        }
    }

    #[test]
    fn more_samples_than_asked_for_are_refused() {
        let values = (0..11).map(|i| format!(r#"[{i},"1"]"#)).collect::<Vec<_>>().join(",");
        let body = body(&format!(r#"{{"metric":{{}},"values":[{values}]}}"#));
        assert_eq!(range(&body, 10), Err(NoAnswer::TooManySamples));
        assert!(range(&body, 11).is_ok());
    }

    #[test]
    fn the_frame_may_come_in_any_order() {
        let body = br#"{"data":{"result":[{"values":[[1,"2"]],"metric":{}}],"resultType":"matrix"},"stats":{"a":[1]},"status":"success"}"#;
        assert_eq!(range(body, 10).unwrap().samples.value, [2.0]);
    }

    #[test]
    fn an_instant_answer_is_labels_and_values() {
        let body = br#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"pod":"a"},"value":[1,"2"]}]}}"#;
        let elements = vector(body).unwrap();
        assert_eq!(elements[0].metric["pod"], "a");
        assert!((elements[0].value() - 2.0).abs() < f64::EPSILON);
    }
}
