//! A place in an object of the API, as JSON, and what stands there.

use std::fmt;

use serde_json::Value;

use crate::service::live::LAST_APPLIED;

/// A place in an object: keys, and the container by its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(pub Vec<Part>);

/// A step into an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// A key of a mapping.
    Key(String),
    /// The item of a list with this `name`.
    Named(String),
}

impl Path {
    /// The keys one after the other.
    #[must_use]
    pub fn keys(keys: &[&str]) -> Self {
        Self(keys.iter().map(|key| Part::Key((*key).to_owned())).collect())
    }

    /// The path that [`std::fmt::Display`] wrote; keys hold no `.`, and names of containers no `[`.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut parts = Vec::new();
        for key in text.split('.') {
            let (key, named) = key
                .split_once('[')
                .map_or((key, None), |(key, rest)| (key, rest.strip_suffix(']')));
            parts.push(Part::Key(key.to_owned()));
            parts.extend(named.map(|name| Part::Named(name.to_owned())));
        }
        Self(parts)
    }
}

impl fmt::Display for Path {
    /// `spec.template.spec.containers[server].resources.limits.memory`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, part) in self.0.iter().enumerate() {
            match part {
                Part::Key(key) if i == 0 => write!(f, "{key}")?,
                Part::Key(key) => write!(f, ".{key}")?,
                Part::Named(name) => write!(f, "[{name}]")?,
            }
        }
        Ok(())
    }
}

/// The value at a place; `None`: not set.
#[must_use]
pub fn at<'a>(object: &'a Value, path: &Path) -> Option<&'a Value> {
    path.0.iter().try_fold(object, |value, part| match part {
        Part::Key(key) => value.get(key),
        Part::Named(name) => value.as_array()?.iter().find(|item| item["name"] == name.as_str()),
    })
}

/// The manifest of the last `kubectl apply`; `None`: there was none that can be read.
#[must_use]
pub fn last_applied(object: &Value) -> Option<Value> {
    serde_json::from_str(object["metadata"]["annotations"][LAST_APPLIED].as_str()?).ok()
}
