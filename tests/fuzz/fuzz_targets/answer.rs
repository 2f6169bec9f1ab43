//! A Prometheus's answer: any bytes are samples in rising order without anything that is no number, or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll::source::prometheus::decode;

/// As many samples as a small question would ask for.
const ASKED: usize = 64;

fuzz_target!(|body: &[u8]| {
    if let Ok(answer) = decode::range(body, ASKED) {
        let samples = &answer.samples;
        assert_eq!(samples.at.len(), samples.value.len());
        assert!(samples.at.len() <= ASKED);
        assert!(samples.at.is_sorted_by(|a, b| a < b));
        assert!(samples.value.iter().all(|value| value.is_finite()));
        // samples mean a series: absence keeps its kind
        assert!(answer.series || samples.at.is_empty());
    }
    let _ = decode::vector(body);
});
