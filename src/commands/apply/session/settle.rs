//! What runs left open that ended without a word: what became of it is said, and a run that was not through is gone on with.

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{Session, called, kind_and_name};
use crate::apply::audit::{self, Changed, Happened, Line, Stands, Verb};
use crate::apply::server::Place;
use crate::apply::{Found, annotation, field, floor};
use crate::render::objects::Kind;
use crate::service::Service;
use crate::service::object::Path as Field;
use crate::service::owner;
use crate::units::Period;

/// How long after its last change a run that ended before it was through is gone on with.
const GOES_ON: SignedDuration = SignedDuration::from_hours(24);

impl Session<'_> {
    /// Looks at what runs left open that ended without a word, and says what became of it.
    pub async fn settle(&mut self) -> Result<()> {
        self.settle_changes().await?;
        self.settle_watches()
    }

    /// What a run left open that ended between its intent and its outcome.
    pub async fn settle_changes(&mut self) -> Result<()> {
        for line in audit::pending(&self.lines) {
            let Some((kind, name)) = kind_and_name(&line.object) else { continue };
            let place = Place { namespace: &line.namespace, kind, name };
            let object = match self.server.find(place, (kind, name)).await {
                Ok(found) => found.object.filter(|object| object["metadata"]["uid"] == *line.uid),
                Err(error) if error.is_of_the_cluster() => return Err(called(error).into()),
                Err(_) => None,
            };
            let open = format!(
                "the run of {} ended while it changed {} in {}",
                line.run, line.object, line.namespace
            );
            // one record may serve several clusters: what is not seen here is left open
            let Some(object) = object else {
                self.talk
                    .say(&format!("{open}: the object is gone, of another cluster, or hidden"));
                continue;
            };
            let (happened, what) = became(&line, kind, &object);
            self.talk.say(&format!("{open}: {what}"));
            let said = vec![format!("found by the run of {}: {what}", self.run)];
            let line = Line { said, ..line };
            if !self.acts() {
                // a dry run goes by what it would write down
                self.lines.push(Line { happened, ..line.clone() });
            }
            self.record(line, happened)?;
        }
        self.reread();
        Ok(())
    }

    /// Goes on with a run that ended between two objects of these services: what both change is one to `rollback`.
    pub async fn go_on(&mut self, services: &[Service]) -> Result<()> {
        let mine = |line: &&Line| {
            line.happened == Happened::Ended
                || services.iter().any(|service| service.namespace == line.namespace)
        };
        let lines: Vec<Line> = self.lines.iter().filter(mine).cloned().collect();
        for whole in audit::wholes(&lines) {
            let open = !whole.ended && !whole.left.is_empty();
            if open && self.stands(&whole.changed).await? == Stands::Here {
                let newest = whole.changed.iter().map(|line| line.at).max();
                if newest.is_some_and(|at| self.now.duration_since(at) > GOES_ON) {
                    self.talk.say(&format!(
                        "the run of {} ended before it was through, and too long ago to go on with it: `plimsoll rollback` first takes back what it changed",
                        whole.name
                    ));
                    return Ok(());
                }
                let who = if self.acts() { "this run" } else { "the next with `--yes`" };
                self.talk.say(&format!(
                    "the run of {} ended before it was through: {who} goes on with it, and `plimsoll rollback` takes back both",
                    whole.name
                ));
                (self.whole, self.resumes) = (Some(whole.name), true);
                return Ok(());
            }
        }
        Ok(())
    }

    /// In the loop goes on with the turns before within the cool-down: an object is changed once in it, so that what they
    /// all change is one to `rollback`.
    pub async fn go_on_with_turns(&mut self, cooldown: Period) -> Result<()> {
        let is_one = |line: &&Line| {
            line.unattended && (line.happened, line.verb) == (Happened::Done, Verb::Apply)
        };
        let Some(last) = self.lines.iter().rfind(is_one).cloned() else { return Ok(()) };
        let Some(first) = last.whole.clone().filter(|_| self.whole.is_none()) else {
            return Ok(());
        };
        let age = first.parse::<Timestamp>().map(|at| self.now.duration_since(at).as_secs());
        let is_young = age.is_ok_and(|age| age < cooldown.0);
        if is_young && self.stands(&[last]).await? == Stands::Here {
            self.whole = Some(first);
        }
        Ok(())
    }

    /// The run is through: says so where it, or the one that it went on with, changed anything.
    pub fn end(&mut self) -> Result<()> {
        let Some(audit) = &self.audit else { return Ok(()) };
        let changed = audit.lines.iter().any(|line| {
            (line.happened, line.verb, &line.run) == (Happened::Done, Verb::Apply, &self.run)
        });
        if !changed && !self.resumes {
            return Ok(());
        }
        let nowhere = Place { namespace: "", kind: Kind::Deployment, name: "" };
        let line = self.line(Verb::Apply, nowhere, String::new());
        self.record(Line { object: String::new(), ..line }, Happened::Ended)
    }

    /// Whether what was changed is of this cluster: one record may serve several.
    pub async fn stands(&self, changed: &[Line]) -> Result<Stands> {
        let mut stands = Stands::Unknown;
        for line in changed {
            let Some((kind, name)) = kind_and_name(&line.object) else { continue };
            let place = Place { namespace: &line.namespace, kind, name };
            match self.server.find(place, (kind, name)).await {
                Ok(Found { object: Some(object), .. }) => match audit::stands(line, &object) {
                    Stands::Here => return Ok(Stands::Here),
                    Stands::Elsewhere => stands = Stands::Elsewhere,
                    Stands::Unknown => {}
                },
                Err(error) if error.is_of_the_cluster() => return Err(called(error).into()),
                _ => {}
            }
        }
        Ok(stands)
    }

    /// What this run wrote is part of the record too.
    fn reread(&mut self) {
        if let Some(audit) = &self.audit {
            self.lines.clone_from(&audit.lines);
        }
    }

    /// What a run left unwatched that ended before its watch. The loop's own goes on, whichever of its replicas acts.
    pub fn settle_watches(&mut self) -> Result<()> {
        self.reread();
        let now = Timestamp::now();
        let over = |line: &Line| line.until.is_none_or(|until| until < now);
        for line in audit::unwatched(&self.lines).into_iter().filter(over) {
            let what = format!(
                "the run of {} ended while it watched {} in {}: how that went is not known",
                line.run, line.object, line.namespace
            );
            self.talk.say(&format!("{what}; `plimsoll rollback` takes it back"));
            let said = vec![format!("found by the run of {}", self.run)];
            self.record(Line { said, ..line }, Happened::Watched)?;
        }
        Ok(())
    }
}

/// What became of a change whose outcome nobody wrote down.
fn became(line: &Line, kind: Kind, object: &Value) -> (Happened, &'static str) {
    // advice goes by what people set, all else by what is there
    let held = if line.verb == Verb::Apply { floor::in_force } else { field::amount };
    let holds = |wanted: fn(&Changed) -> &Value| {
        line.changes.iter().all(|one| {
            let is = held(object, kind, one.setting, &Field::read(&one.field));
            is.is_some_and(|is| field::json(is) == *wanted(one))
        })
    };
    // somebody may have set the same meanwhile
    let ours = match line.verb {
        Verb::Apply => object["metadata"]["annotations"][annotation::APPLIED_AT] == *line.run,
        Verb::Rollback => {
            object["metadata"]["annotations"][annotation::ROLLED_BACK_AT] == *line.run
        }
        Verb::Floor => line
            .changes
            .iter()
            .all(|one| owner::others(object, &Field::read(&one.field)).is_empty()),
    };
    if ours && holds(|one| &one.to) {
        (Happened::Done, "it was done, and this run goes on")
    } else if holds(|one| &one.from) {
        (Happened::NotSent, "it was not done, and this run decides anew")
    } else {
        (Happened::Overtaken, "somebody changed it since, and it is left to them")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::advise::plan::Setting;

    #[test]
    fn what_a_person_set_meanwhile_was_not_done_by_us() {
        let change = Changed {
            setting: Setting::Replicas,
            field: "spec.replicas".to_owned(),
            from: json!(3),
            floor: None,
            to: json!(4),
            sent: None,
            reasons: Vec::new(),
            took_over: Vec::new(),
        };
        let line = Line::example("2026-11-23T01:00:00.000Z", vec![change]);
        let found = |count: u32, noted: Value| {
            let notes = json!({annotation::APPLIED_AT: noted});
            let object = json!({"metadata": {"annotations": notes}, "spec": {"replicas": count}});
            became(&line, Kind::Deployment, &object).0
        };
        assert_eq!(found(4, json!(line.run)), Happened::Done);
        for noted in [Value::Null, json!("2026-11-22T01:00:00.000Z")] {
            assert_eq!(found(4, noted.clone()), Happened::Overtaken);
            assert_eq!(found(3, noted), Happened::NotSent);
        }
    }
}
