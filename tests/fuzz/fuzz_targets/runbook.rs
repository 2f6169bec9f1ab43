//! A runbook in Markdown: any text is a table or an error that names a line of it; a table's rows rise.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match plimsoll::tiers::markdown::read(text, None) {
        Ok(table) => assert!(!format!("{table:?}").is_empty()),
        Err(fault) => {
            let lines = text.lines().count().max(1);
            assert!(fault.line().is_none_or(|line| (1..=lines).contains(&line)), "{fault}");
        }
    }
});
