//! The note that the loop leaves on an autoscaler whose floor it raised: what was there before, what it put there, when.
//!
//! It holds only as long as the object has what was put there. Where somebody changed the floor since, the floor is
//! theirs, and the new base.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::service::live::FLOOR_NOTE;
use crate::service::object::{self, Path};
use crate::service::owner;

/// A floor that the loop raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Raised {
    /// What was in force before: no lower does the loop go.
    pub base: u32,
    /// What the loop put there.
    pub set: u32,
    /// When.
    pub at: Timestamp,
    /// Whether that was once more, after somebody had put back what was set a moment before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
}

impl Raised {
    /// The note on an object, where both it and the floor at `path` are ours alone: what somebody else set is theirs,
    /// whatever its value. `None`: the floor is not ours.
    ///
    /// # Errors
    ///
    /// Where the annotation holds something else: whose the floor is is not known then.
    pub fn noted(object: &Value, path: &Path) -> Result<Option<Self>, String> {
        let value = &object["metadata"]["annotations"][FLOOR_NOTE];
        let Some(text) = value.as_str() else { return Ok(None) };
        let note = Path::keys(&["metadata", "annotations", FLOOR_NOTE]);
        if [path, &note].iter().any(|path| !owner::others(object, path).is_empty()) {
            return Ok(None);
        }
        let note: Self = serde_json::from_str(text)
            .map_err(|_| format!("`{FLOOR_NOTE}: {text}` is no note of ours"))?;
        // who applies a manifest with the same value becomes no owner of it
        let said = object::last_applied(object).and_then(|said| object::at(&said, path)?.as_u64());
        let confirmed = note.set > note.base
            && said == Some(note.set.into())
            && owner::applied_since(object, note.at);
        Ok(((1..=note.set).contains(&note.base) && !confirmed).then_some(note))
    }

    /// Whether sending `to` asks once more for what the server did not do: it made `now` of what was sent.
    #[must_use]
    pub fn is_vain(&self, now: u32, to: u32) -> bool {
        (self.set > now) == (to > now)
            && to.abs_diff(now) >= self.set.abs_diff(now)
            && self.set != now
    }

    /// As the annotation holds it.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The `spec` of an autoscaler as it is without a floor of the loop, which comes and goes with the load: `key` holds its base.
#[must_use]
pub fn lowered(object: &Value, key: &str) -> Value {
    let mut spec = object["spec"].clone();
    if let Ok(Some(note)) = Raised::noted(object, &Path::keys(&["spec", key]))
        && spec[key] == note.set
    {
        spec[key] = note.base.into();
    }
    spec
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn a_spec_is_the_same_whether_the_loop_holds_a_floor_or_not() {
        let at = "2026-11-23T01:00:00Z".parse().unwrap();
        let note = Raised { base: 3, set: 6, at, again: false }.text();
        let held = |floor: u32| {
            json!({"metadata": {"annotations": {FLOOR_NOTE: note}},
                "spec": {"maxReplicas": 9, "minReplicas": floor}})
        };
        let bare = json!({"spec": {"maxReplicas": 9, "minReplicas": 3}});
        assert_eq!(lowered(&held(6), "minReplicas"), bare["spec"]);
        assert_eq!(lowered(&bare, "minReplicas"), bare["spec"]);
        // what somebody changed is theirs
        assert_eq!(lowered(&held(5), "minReplicas")["minReplicas"], 5);
    }
}
