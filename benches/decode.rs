//! Decoding a range answer: ours against `prometheus-http-query`'s own types, on the same bytes.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::cast_precision_loss, missing_docs)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use plimsoll::source::prometheus::decode;
use prometheus_http_query::response::PromqlResult;

/// Points of a full slice.
const POINTS: usize = 10_000;

#[derive(serde::Deserialize)]
struct Answer {
    data: PromqlResult,
}

fn main() {
    let body = answer();
    let ours = fastest(|| {
        black_box(decode::range(black_box(&body), POINTS).unwrap());
    });
    let theirs = fastest(|| {
        let answer: Answer = serde_json::from_slice(black_box(&body)).unwrap();
        black_box(answer.data);
    });
    println!(
        "decode: {POINTS} points, {} bytes: ours {ours:?}, prometheus-http-query {theirs:?}",
        body.len()
    );
    println!(
        "ratio decode ours/theirs {:.2} (below 1 is faster)",
        ours.as_secs_f64() / theirs.as_secs_f64()
    );
}

fn answer() -> Vec<u8> {
    let mut text = String::from(
        r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":["#,
    );
    for i in 0..POINTS {
        let comma = if i == 0 { "" } else { "," };
        write!(text, r#"{comma}[{},"{}"]"#, 1_700_000_000 + i * 300, 31.4 + (i as f64).sin())
            .unwrap();
    }
    text.push_str("]}]}}");
    text.into_bytes()
}

/// The fastest of many runs: the one that nothing else disturbed.
fn fastest(mut run: impl FnMut()) -> Duration {
    let time = |run: &mut dyn FnMut()| {
        let started = Instant::now();
        run();
        started.elapsed()
    };
    (0..200).map(|_| time(&mut run)).min().unwrap()
}
