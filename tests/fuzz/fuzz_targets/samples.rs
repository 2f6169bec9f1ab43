//! A CSV file as a source: any bytes are samples in rising order, or an error with a hint.
#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use plimsoll::config::{self, Settings};
use plimsoll::history::Evidence;
use plimsoll::source::file;

const SETTINGS: &str = "
version: 1
history: {files: [load.csv]}
services:
  - name: shop
    namespace: shop
    load: {query: load}
    tiers: [{name: All, api: 2}]
    components: {api: {target: Deployment/shop}}
";

static SHOP: LazyLock<Settings> = LazyLock::new(|| {
    // the hook of libFuzzer ends the process at a panic of polars, which `file::read` survives; one that gets
    // out of it still ends the run
    std::panic::set_hook(Box::new(|_| ()));
    config::parse(SETTINGS, "fuzz", Path::new(".")).expect("the settings are sound")
});

fuzz_target!(|bytes: &[u8]| {
    // a file in memory; one a process, since libFuzzer runs several
    let path = format!("/dev/shm/plimsoll-fuzz-{}.csv", std::process::id());
    std::fs::write(&path, bytes).expect("/dev/shm is writable");
    match file::read(Path::new(&path), &SHOP.services, &[]) {
        Ok(found) => {
            for evidence in found.observed.values().flat_map(|observed| observed.values()) {
                if let Evidence::Series(samples) = evidence {
                    assert_eq!(samples.at.len(), samples.value.len());
                    assert!(samples.at.is_sorted_by(|a, b| a < b));
                }
            }
        }
        Err(error) => assert!(!error.hint().is_empty()),
    }
});
