//! The proof of an edit: both texts read as data, by another reader than the one that made it, differ in the
//! intended values and in nothing else.

use serde_json::Value;

use super::Wanted;
use super::fault::Fault;
use crate::advise::plan::Amount;

/// The text as data, aliases and merges followed; `null` where it holds nothing.
///
/// # Errors
///
/// Where it cannot be read, or is too large once its aliases are followed.
pub(super) fn data(text: &str) -> Result<Value, Fault> {
    let options = serde_saphyr::options! {
        non_finite_float_policy: serde_saphyr::NonFiniteFloatPolicy::PassThrough,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let line = error.location().and_then(|at| usize::try_from(at.line()).ok());
        if let serde_saphyr::Error::Budget { .. } = error.without_snippet() {
            return Fault::TooLarge { line };
        }
        Fault::NotYaml {
            line,
            why: error.to_string().lines().next().unwrap_or_default().to_owned(),
        }
    })
}

/// The first path at which `after` is not `before` with `set` in it; `None`: the edit did what it should.
///
/// # Errors
///
/// Where `after` cannot be read.
pub(super) fn astray(
    before: &Value,
    after: &str,
    set: &[&Wanted],
) -> Result<Option<String>, Fault> {
    let mut expected = before.clone();
    for one in set {
        put(&mut expected, &one.path, one.target);
    }
    let found = data(after)?;
    Ok(differs(&expected, &found, String::new()))
}

/// Puts an amount at a path, as far as there are mappings or nothing on the way.
fn put(at: &mut Value, path: &[String], amount: Amount) {
    let Some((name, rest)) = path.split_first() else {
        *at = match amount {
            Amount::Count(count) => count.into(),
            quantity => quantity.to_string().into(),
        };
        return;
    };
    if at.is_null() {
        *at = Value::Object(serde_json::Map::new());
    }
    if let Value::Object(entries) = at {
        put(entries.entry(name.clone()).or_insert(Value::Null), rest, amount);
    }
}

fn differs(expected: &Value, found: &Value, path: String) -> Option<String> {
    let below =
        |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match (expected, found) {
        (Value::Object(a), Value::Object(b)) => {
            let names = a.keys().chain(b.keys().filter(|name| !a.contains_key(*name)));
            let null = Value::Null;
            names.into_iter().find_map(|name| match (a.get(name), b.get(name)) {
                (Some(a), Some(b)) => differs(a, b, below(name)),
                (a, b) => differs(a.unwrap_or(&null), b.unwrap_or(&null), below(name))
                    .or_else(|| Some(below(name))),
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let mut pairs = a.iter().zip(b).enumerate();
            pairs.find_map(|(at, (a, b))| differs(a, b, format!("{path}[{at}]")))
        }
        _ => (expected != found).then_some(path),
    }
}
