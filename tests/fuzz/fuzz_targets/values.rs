//! A values file: any text is an error with a hint, or a text that differs as data in the wanted values alone, and
//! that a second edit leaves as it is.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use plimsoll::advise::plan::Amount;
use plimsoll::render::values_file::{Fault, Wanted, edit};
use plimsoll::units::{Bytes, Millicores};
use serde_json::Value;

fn wanted(path: &str, current: Amount, target: Amount) -> Wanted {
    let path = path.split('.').map(str::to_owned).collect();
    Wanted { path, current: Some(current), target, kept: false }
}

/// A raise, a lowering, a count and a quantity of each kind, short names so that they are found.
static WANTED: LazyLock<[Wanted; 5]> = LazyLock::new(|| {
    let bytes = |mebibytes: u64| Amount::Bytes(Bytes(mebibytes << 20));
    let cpu = |millis| Amount::Cpu(Millicores(millis));
    [
        wanted("a.b.minReplicas", Amount::Count(3), Amount::Count(5)),
        wanted("a.b.maxReplicas", Amount::Count(20), Amount::Count(10)),
        wanted("a.c.requests.cpu", cpu(500), cpu(2_000)),
        wanted("a.c.limits.memory", bytes(512), bytes(1_024)),
        wanted("d.replicaCount", Amount::Count(3), Amount::Count(4)),
    ]
});

/// The text as data. What is no number to JSON is read as null before and after alike.
fn data(text: &str) -> Value {
    let options = serde_saphyr::options! {
        non_finite_float_policy: serde_saphyr::NonFiniteFloatPolicy::PassThrough,
    };
    serde_saphyr::from_str_with_options(text, options)
        .expect("what was edited, and its edit, can be read")
}

fn put(at: &mut Value, path: &str, amount: Amount) {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    if at.is_null() {
        *at = serde_json::json!({});
    }
    let entries = at.as_object_mut().expect("an edit goes through mappings");
    let value = entries.entry(name).or_insert(Value::Null);
    match (rest, amount) {
        (Some(rest), _) => put(value, rest, amount),
        (None, Amount::Count(count)) => *value = count.into(),
        (None, quantity) => *value = quantity.to_string().into(),
    }
}

fuzz_target!(|text: &str| {
    match edit(text, &*WANTED) {
        Ok(edited) => {
            let mut expected = data(text);
            for one in &edited.edits {
                put(&mut expected, &one.path, one.after);
                let wanted = WANTED.iter().find(|wanted| wanted.path.join(".") == one.path);
                let wanted = wanted.expect("nothing else is edited");
                assert_eq!(one.after, wanted.target);
                // a raise never lowers, a lowering never raises
                let rises =
                    wanted.current.is_some_and(|current| current.figure() < one.after.figure());
                let rose = one.before.is_none_or(|before| before.figure() < one.after.figure());
                assert!(one.before.is_none() || rises == rose, "{one}");
            }
            assert_eq!(data(&edited.text), expected, "{}", edited.text);
            assert_eq!(edited.text == text, edited.edits.is_empty());
            let again = edit(&edited.text, &*WANTED).expect("what was edited can be edited");
            assert_eq!(again.text, edited.text);
            assert!(again.edits.is_empty());
        }
        Err(fault) => {
            assert!(!fault.hint().is_empty() && !fault.to_string().is_empty());
            let lines = text.split(['\n', '\r']).count() + 1;
            assert!(fault.line().is_none_or(|line| (1..=lines).contains(&line)), "{fault}");
            assert!(!matches!(fault, Fault::Disputed { .. }), "{fault}");
        }
    }
});
