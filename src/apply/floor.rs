//! The note that the loop leaves on an autoscaler whose floor it raised: what was there before, what it put there, when.
//!
//! It holds only as long as the object has what was put there. Where somebody changed the floor since, the floor is
//! theirs, and the new base.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::apply::{annotation, owner};
use crate::render::objects::Path;

/// A floor that the loop raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Raised {
    /// What was in force before: no lower does the loop go.
    pub base: u32,
    /// What the loop put there.
    pub set: u32,
    /// When.
    pub at: Timestamp,
}

impl Raised {
    /// The note on an object whose floor is `now`; `None`: the floor is not ours.
    ///
    /// # Errors
    ///
    /// Where the annotation holds something else: whose the floor is is not known then.
    pub fn of(object: &Value, now: u32) -> Result<Option<Self>, String> {
        let value = &object["metadata"]["annotations"][annotation::FLOOR];
        let Some(text) = value.as_str() else { return Ok(None) };
        let note: Self = serde_json::from_str(text)
            .map_err(|_| format!("`{}: {text}` is no note of ours", annotation::FLOOR))?;
        Ok((note.set == now && (1..=now).contains(&note.base)).then_some(note))
    }

    /// The same where both the floor at `path` and the note are ours alone: what somebody else set is theirs, whatever
    /// its value.
    ///
    /// # Errors
    ///
    /// As [`Raised::of`].
    pub fn ours(object: &Value, path: &Path, now: u32) -> Result<Option<Self>, String> {
        let note = Path::keys(&["metadata", "annotations", annotation::FLOOR]);
        let theirs = [path, &note].iter().any(|path| !owner::others(object, path).is_empty());
        if theirs { Ok(None) } else { Self::of(object, now) }
    }

    /// As the annotation holds it.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// A move of a floor, as the guards are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// No lower does the loop go.
    pub base: u32,
    /// When the loop moved it last; `None`: the floor is not the loop's.
    pub last: Option<Timestamp>,
    /// How long a floor must have stood before it is taken back.
    pub hold: crate::units::Period,
    /// What forbids to take it back.
    pub doubt: Option<String>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn a_floor_that_somebody_changed_is_theirs() {
        let at = "2026-11-23T01:00:00Z".parse().unwrap();
        let note = Raised { base: 3, set: 6, at };
        let object = json!({"metadata": {"annotations": {annotation::FLOOR: note.text()}}});
        assert_eq!(Raised::of(&object, 6), Ok(Some(note)));
        assert_eq!(Raised::of(&object, 5), Ok(None));
        assert_eq!(Raised::of(&json!({}), 6), Ok(None));
        let odd = json!({"metadata": {"annotations": {annotation::FLOOR: "6"}}});
        assert!(Raised::of(&odd, 6).is_err());
    }
}
