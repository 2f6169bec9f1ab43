//! From text to the raw settings: faults of YAML and of shape, in our words.

use serde_saphyr::Error;

use super::error::{Problem, nearest};
use super::place::{self, join, line_of, path_at};
use super::raw::File;

/// Key words that ask for a secret, lower case; a file's name is what belongs there.
const SECRETS: [(&str, &str); 7] = [
    ("token", "bearerTokenFile"),
    ("bearertoken", "bearerTokenFile"),
    ("bearer", "bearerTokenFile"),
    ("apikey", "bearerTokenFile"),
    ("password", "passwordFile"),
    ("secret", "passwordFile"),
    ("key", "keyFile"),
];

/// The file's keys and shapes, all known and none missing.
///
/// # Errors
///
/// The first place where the text is not YAML, or not of these keys and shapes.
pub(super) fn parse(text: &str, name: &str) -> Result<File, Problem> {
    let options = serde_saphyr::options! {
        // our own message names the line, and shows no value that might be a secret
        with_snippet: false,
        strict_booleans: true,
    };
    let problem = |error: &Error| shape(text, name, error);
    // YAML first: only in a whole tree can a fault of shape be given its path
    place::check(text).map_err(|error| problem(&error))?;
    serde_saphyr::from_str_with_options(text, options).map_err(|error| problem(&error))
}

/// A problem of the file's shape in our words.
fn shape(text: &str, name: &str, error: &Error) -> Problem {
    let place = error.location();
    let path = place.map(|place| path_at(text, place)).unwrap_or_default();
    let mut line = place.and_then(|place| usize::try_from(place.line()).ok());
    let (message, hint) = match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            (format!("unknown key `{}`", leaf(&path, field)), known_keys(field, expected))
        }
        Error::SerdeMissingField { field, .. } => {
            // the reader stops at the end of the mapping: the place to name is its begin
            let parent = leading(&path, depth(&path, field));
            line = line_of(text, parent).or(Some(1));
            (format!("missing key `{}`", join(parent, field)), format!("add `{field}:`"))
        }
        Error::DuplicateMappingKey { .. } => {
            (format!("key `{path}` stands twice"), "keep one of them".to_owned())
        }
        Error::NullIntoString { .. } | Error::Eof { .. } => (
            format!("{} has no value", subject(&path)),
            "write a value, or remove the key".to_owned(),
        ),
        Error::Unexpected { expected, .. } => {
            (format!("{} is not {}", subject(&path), kind(expected)), SEE_SCHEMA.to_owned())
        }
        Error::SerdeInvalidType { unexpected, expected, .. } => {
            (format!("{} is {unexpected}, not {expected}", subject(&path)), SEE_SCHEMA.to_owned())
        }
        // values are text here: what is left is about YAML itself
        other => (
            format!("not YAML: {}", without_place(&other.to_string())),
            "check indentation, quotes and brackets from this line upwards".to_owned(),
        ),
    };
    Problem { file: name.to_owned(), line, message, hint }
}

const SEE_SCHEMA: &str = "`plimsoll schema` prints the shape of every key";

fn subject(path: &str) -> String {
    if path.is_empty() { "the file".to_owned() } else { format!("`{path}`") }
}

/// The reader's words for what it wanted to see, in ours.
fn kind(expected: &str) -> &str {
    match expected {
        "string scalar" | "scalar" => "a single value",
        "mapping start" | "mapping" => "a mapping of keys and values",
        "sequence start" | "sequence" => "a list",
        other => other,
    }
}

fn without_place(message: &str) -> String {
    let end = message.find(" at line ").unwrap_or(message.len());
    message[..end].lines().next().unwrap_or_default().to_lowercase()
}

/// How many keys deep the mapping lies that needs `field`.
fn depth(path: &str, field: &str) -> usize {
    match field {
        "from" | "to" if path.starts_with("policy.") => 2,
        "version" | "services" => 0,
        "url" | "markdown" => 2,
        "target" => 3,
        _ => 1,
    }
}

/// The first `depth` keys of a path.
fn leading(path: &str, depth: usize) -> &str {
    let end = path.match_indices('.').nth(depth.wrapping_sub(1)).map(|(end, _)| end);
    match (depth, end) {
        (0, _) => "",
        (_, Some(end)) => &path[..end],
        (_, None) => path,
    }
}

/// `path` where it ends in `field`, else `path` and `field`.
fn leaf(path: &str, field: &str) -> String {
    let ends = path == field || path.ends_with(&format!(".{field}"));
    if ends { path.to_owned() } else { join(path, field) }
}

fn known_keys(field: &str, expected: &[&'static str]) -> String {
    let secret = SECRETS.iter().find(|(word, _)| field.to_lowercase() == *word);
    if let Some((_, file)) = secret.filter(|_| expected.contains(&"bearerTokenFile")) {
        return format!(
            "secrets never stand in settings: put it in a file and name that in `{file}:`"
        );
    }
    match nearest(field, expected.iter().copied()) {
        Some(key) => format!("did you mean `{key}`?"),
        None => format!("known here: `{}`", expected.join("`, `")),
    }
}
