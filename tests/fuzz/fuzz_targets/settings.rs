//! `plimsoll.yaml`: any text is either settings or an error with a hint; what was read serialises into a schema's world.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match plimsoll::config::parse(text, "plimsoll.yaml", Path::new("/nowhere")) {
        Ok(settings) => {
            for service in &settings.services {
                // rows rise, and the last one is open: everything after relies on it
                let rows = &service.tiers.rows;
                assert!(rows.is_sorted_by(|a, b| a.from < b.from));
                assert!(rows.last().is_none_or(|row| row.below.is_none()));
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
