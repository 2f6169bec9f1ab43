//! After the act: what a rollout says of itself, when a reading counts, and what of a change is taken back.
//!
//! Pure: what was read is an argument, and so is the time. One reading is no reason: a pod that fails must do so twice in
//! a row, and a Severity 2, or a pod that finds no place, must last.

use jiff::Timestamp;
use serde_json::Value;

use crate::advise::plan::{Amount, Setting};
use crate::apply::Found;
use crate::apply::audit::{Changed, Line};
use crate::apply::guard::object::STUCK;
use crate::service::owner;
use crate::units::Period;

/// An object that a run changed.
#[derive(Debug, Clone)]
pub struct Act {
    /// The service.
    pub service: String,
    /// What the record says of it.
    pub line: Line,
    /// What was found before.
    pub before: Found,
}

/// How far a change has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rollout {
    /// All pods are as they should be.
    Done,
    /// It goes on.
    Going(String),
    /// Something holds it that may pass by itself: a node may come.
    Held(String),
    /// It will not come by itself.
    Failed(String),
    /// It cannot be told.
    Unknown(String),
}

/// How far the rollout is that a change began, by what was found before it and now.
#[must_use]
pub fn rollout(act: &Act, now: &Found) -> Rollout {
    let (Some(object), Some(workload)) = (&now.object, &now.workload) else {
        return Rollout::Unknown("it is not there any more, or may not be read".to_owned());
    };
    if object["metadata"]["uid"] != *act.line.uid {
        return Rollout::Unknown("it was deleted and made again".to_owned());
    }
    // what its pods do then says nothing of what we changed
    if let Some(manager) = owner::rewritten(workload, begun(&act.line)) {
        return Rollout::Unknown(format!("`{manager}` wrote its pods' template since"));
    }
    let Some(pods) = &now.pods else {
        return Rollout::Unknown("its pods may not be listed".to_owned());
    };
    let known = |pod: &Value| {
        let before = act.before.pods.iter().flatten();
        before.into_iter().any(|other| other["metadata"]["uid"] == pod["metadata"]["uid"])
    };
    let new: Vec<&Value> = pods.iter().filter(|pod| !known(pod)).collect();
    if let Some(why) = new.iter().find_map(|pod| broken(pod)).or_else(|| overdue(workload)) {
        return Rollout::Failed(why);
    }
    let in_order = act.line.workload.starts_with("StatefulSet/");
    let held = new
        .iter()
        .find_map(|pod| homeless(pod))
        .or_else(|| not_made(workload))
        .or_else(|| missing(workload, pods).filter(|_| in_order));
    if let Some(why) = held.or_else(|| lamed(act.before.object.as_ref(), object)) {
        return Rollout::Held(why);
    }
    going(workload, &act.line.changes).map_or(Rollout::Done, Rollout::Going)
}

/// When the run began that made a change: its name, also where only the object tells of it.
fn begun(line: &Line) -> Timestamp {
    line.run.parse().unwrap_or(line.at)
}

fn name(pod: &Value) -> &str {
    pod["metadata"]["name"].as_str().unwrap_or_default()
}

/// A pod that does not come up, or was killed for its memory.
fn broken(pod: &Value) -> Option<String> {
    let statuses = ["initContainerStatuses", "containerStatuses"];
    let mut containers =
        statuses.into_iter().flat_map(|key| pod["status"][key].as_array().into_iter().flatten());
    containers.find_map(|container| {
        let why = container["state"]["waiting"]["reason"].as_str().unwrap_or_default();
        if STUCK.contains(&why) {
            return Some(format!("pod `{}` is in `{why}`", name(pod)));
        }
        let killed = [&container["state"], &container["lastState"]]
            .iter()
            .any(|state| state["terminated"]["reason"] == "OOMKilled");
        killed.then(|| format!("pod `{}` was killed for its memory (`OOMKilled`)", name(pod)))
    })
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let mut all = object["status"]["conditions"].as_array()?.iter();
    all.find(|one| one["type"] == kind)
}

fn message(condition: &Value) -> String {
    let text = |key: &str| condition[key].as_str().unwrap_or_default().to_owned();
    format!("`{}`: {}", text("reason"), text("message"))
}

fn overdue(workload: &Value) -> Option<String> {
    let progressing = condition(workload, "Progressing").filter(|one| one["status"] == "False")?;
    Some(format!("it does not get on: {}", message(progressing)))
}

/// A pod that no node takes.
fn homeless(pod: &Value) -> Option<String> {
    let scheduled = condition(pod, "PodScheduled").filter(|one| one["status"] == "False")?;
    Some(format!("pod `{}` finds no node: {}", name(pod), message(scheduled)))
}

/// Pods that a quota or an admission does not let in.
fn not_made(workload: &Value) -> Option<String> {
    let failure = condition(workload, "ReplicaFailure").filter(|one| one["status"] == "True")?;
    Some(format!("its pods cannot be made: {}", message(failure)))
}

/// A pod of a StatefulSet that is not there although nothing that it waits for is missing: its controller says only in
/// Events that it may not make one.
fn missing(workload: &Value, pods: &[Value]) -> Option<String> {
    let spec = &workload["spec"];
    let count = |value: &Value, default| value.as_u64().unwrap_or(default);
    let of = workload["metadata"]["name"].as_str().unwrap_or_default();
    let first = count(&spec["ordinals"]["start"], 0);
    let available = count(&workload["status"]["availableReplicas"], 0);
    let names = (first..first + count(&spec["replicas"], 1)).map(|i| format!("{of}-{i}"));
    for (earlier, wanted) in (0..).zip(names) {
        let Some(pod) = pods.iter().find(|pod| name(pod) == wanted) else {
            // one after the other, each when those before it have been ready for long enough
            let is_due = spec["podManagementPolicy"] == "Parallel"
                || spec["minReadySeconds"].as_u64().is_none_or(|least| least == 0)
                || available >= earlier;
            let why = "a quota, a limit range or an admission may keep it out";
            return is_due.then(|| format!("pod `{wanted}` is not there: {why}"));
        };
        let ready = condition(pod, "Ready").is_some_and(|one| one["status"] == "True");
        let goes = !pod["metadata"]["deletionTimestamp"].is_null();
        if spec["podManagementPolicy"] != "Parallel" && (!ready || goes) {
            return None;
        }
    }
    None
}

/// An autoscaler that could act before, and cannot now.
fn lamed(before: Option<&Value>, now: &Value) -> Option<String> {
    ["AbleToScale", "ScalingActive"].into_iter().find_map(|kind| {
        let could = condition(before?, kind).is_some_and(|one| one["status"] == "True");
        let cannot = condition(now, kind).filter(|one| one["status"] == "False")?;
        could.then(|| format!("the autoscaler cannot act: {}", message(cannot)))
    })
}

/// What is still to come; `None`: nothing.
fn going(workload: &Value, changes: &[Changed]) -> Option<String> {
    let (spec, status) = (&workload["spec"], &workload["status"]);
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    let wanted = spec["replicas"].as_u64().unwrap_or(1);
    for change in changes {
        let to = change.to.as_u64().unwrap_or(0);
        let waits = match change.setting {
            Setting::MinReplicas => wanted < to,
            Setting::MaxReplicas => wanted > to,
            _ => false,
        };
        if waits {
            return Some(format!("{wanted} pods are asked for, `{}` is {to}", change.field));
        }
    }
    if count(&status["observedGeneration"]) < count(&workload["metadata"]["generation"]) {
        return Some("its controller has not seen it yet".to_owned());
    }
    let revisions = (&status["currentRevision"], &status["updateRevision"]);
    let [all, updated, ready] =
        ["replicas", "updatedReplicas", "readyReplicas"].map(|key| count(&status[key]));
    let done = all == wanted && updated >= wanted && ready >= wanted && revisions.0 == revisions.1;
    (!done).then(|| format!("{updated} of {wanted} pods are new, {ready} are ready"))
}

/// Something that was read again and again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Streak {
    since: Option<Timestamp>,
    readings: usize,
}

impl Streak {
    /// Takes a reading; one that does not say it, or says nothing, ends the streak.
    pub fn take(&mut self, is_so: bool, at: Timestamp) {
        *self = match (is_so, self.since) {
            (false, _) => Self::default(),
            (true, since) => {
                Self { since: since.or(Some(at)), readings: self.readings.saturating_add(1) }
            }
        };
    }

    /// Whether every reading for at least `hold` said it, and at least two did.
    #[must_use]
    pub fn lasts(self, at: Timestamp, hold: Period) -> bool {
        let since = self.since.is_some_and(|since| at.duration_since(since).as_secs() >= hold.0);
        since && self.readings >= 2
    }

    /// Whether the last reading said it.
    #[must_use]
    pub fn is_open(self) -> bool {
        self.since.is_some()
    }
}

/// Whether, at some moment of readings in their order, every one for at least `hold` had said it.
#[must_use]
pub fn lasted(readings: impl IntoIterator<Item = (Timestamp, bool)>, hold: Period) -> bool {
    let mut streak = Streak::default();
    readings.into_iter().any(|(at, is_so)| {
        streak.take(is_so, at);
        streak.lasts(at, hold)
    })
}

/// Why something is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The service is in a Severity 2.
    Severity2,
    /// The rollout failed.
    Rollout,
}

impl Cause {
    /// The code in the record and in Events.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Severity2 => "SEVERITY2",
            Self::Rollout => "ROLLOUT_FAILED",
        }
    }
}

/// What of a change is taken back, and what is kept.
///
/// While the last reading is a Severity 2 nothing that serves is taken away: what was lowered is raised again, a count
/// that was raised stays, and so does a size that was raised unless pods are known to wait for it still (`half`), since to take
/// it back would start them anew, smaller. A rollout that failed is taken back where there is no such trouble, but for counts
/// below which more pods are `ready`, or nobody knows: those that serve would end.
#[must_use]
pub fn taken_back(
    changes: &[Changed],
    in_severity2: bool,
    half: bool,
    ready: Option<u64>,
) -> (Vec<Changed>, Vec<Changed>) {
    changes.iter().cloned().partition(|change| {
        // what cannot be read is refused by name where it is to be brought back
        let Ok((from, to)) = change.amounts() else { return !in_severity2 };
        let lowered = to.figure() < from.figure();
        let count = matches!(from, Amount::Count(_));
        let ends_pods = matches!(change.setting, Setting::Replicas | Setting::MaxReplicas)
            && !lowered
            && ready.is_none_or(|ready| ready > from.figure());
        lowered || if in_severity2 { !count && half } else { !ends_pods }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::apply::audit::Happened;

    fn change(setting: Setting, from: Value, to: Value) -> Changed {
        let (reasons, took_over) = (Vec::new(), Vec::new());
        let field = setting.name().to_owned();
        Changed { setting, field, from, floor: None, to, sent: None, reasons, took_over }
    }

    fn act(changes: Vec<Changed>) -> Act {
        let line = Line { happened: Happened::Done, ..Line::example("1", changes) };
        let old = json!({"metadata": {"uid": "old", "name": "old"}});
        let before = Found { pods: Some(vec![old]), ..Found::default() };
        Act { service: "shop".to_owned(), line, before }
    }

    fn found(pod: Value) -> Found {
        let workload = json!({"metadata": {"uid": "u", "generation": 2}, "spec": {"replicas": 3}, "status": {
            "observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3}});
        Found {
            object: Some(workload.clone()),
            workload: Some(workload),
            namespace: None,
            pods: Some(vec![pod]),
        }
    }

    #[test]
    fn a_rollout_is_done_when_all_pods_are_new_and_ready_and_the_autoscaler_has_followed() {
        let of = |change| act(vec![change]);
        let replicas = of(change(Setting::Replicas, json!(2), json!(3)));
        let mut now = found(json!({}));
        assert_eq!(rollout(&replicas, &now), Rollout::Done);
        let scaled = of(change(Setting::MinReplicas, json!(3), json!(5)));
        assert!(matches!(rollout(&scaled, &now), Rollout::Going(_)));
        for (key, value) in [("observedGeneration", 1), ("readyReplicas", 2), ("replicas", 4)] {
            let mut now = now.clone();
            now.workload.as_mut().unwrap()["status"][key] = json!(value);
            assert!(matches!(rollout(&replicas, &now), Rollout::Going(_)), "{key}");
        }
        now.pods = None;
        assert!(matches!(rollout(&replicas, &now), Rollout::Unknown(_)));
        now.workload = None;
        assert!(matches!(rollout(&replicas, &now), Rollout::Unknown(_)));
    }

    #[test]
    fn a_new_pod_that_breaks_is_a_failure_and_an_old_one_is_not() {
        let act = act(vec![change(Setting::Replicas, json!(2), json!(3))]);
        let with = |uid: &str, state: Value| json!({"metadata": {"uid": uid, "name": uid}, "status": {"containerStatuses": [state]}});
        for state in [
            json!({"state": {"waiting": {"reason": "CrashLoopBackOff"}}}),
            json!({"state": {"waiting": {"reason": "ImagePullBackOff"}}}),
            json!({"state": {"running": {}}, "lastState": {"terminated": {"reason": "OOMKilled"}}}),
        ] {
            let new = rollout(&act, &found(with("new", state.clone())));
            assert!(matches!(new, Rollout::Failed(_)), "{state}");
            assert_eq!(rollout(&act, &found(with("old", state))), Rollout::Done);
        }
        // who wrote the template since has the pods that fail; our own write, and an older one, are no reason
        let crash = json!({"state": {"waiting": {"reason": "CrashLoopBackOff"}}});
        for (manager, operation, at, is_theirs) in [
            ("kubectl-set", "Update", "2026-11-23T01:00:01Z", true),
            ("kubectl-set", "Update", "2026-11-23T01:00:00Z", false),
            ("plimsoll", "Apply", "2026-11-23T01:00:01Z", false),
        ] {
            let mut now = found(with("new", crash.clone()));
            now.workload.as_mut().unwrap()["metadata"]["managedFields"] = json!([{"manager": manager,
                "operation": operation, "time": at, "fieldsV1": {"f:spec": {"f:template": {"f:spec": {}}}}}]);
            let theirs =
                Rollout::Unknown("`kubectl-set` wrote its pods' template since".to_owned());
            assert_eq!(rollout(&act, &now) == theirs, is_theirs, "{manager} {at}");
        }
        let homeless = json!({"metadata": {"uid": "new", "name": "new"}, "status": {"conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}});
        assert!(matches!(rollout(&act, &found(homeless)), Rollout::Held(_)));
        let mut late = found(json!({}));
        late.workload.as_mut().unwrap()["status"]["conditions"] =
            json!([{"type": "Progressing", "status": "False"}]);
        assert!(matches!(rollout(&act, &late), Rollout::Failed(_)));
    }

    #[test]
    fn a_pod_of_a_stateful_set_that_is_not_there_is_held_once_nothing_before_it_is_missing() {
        let mut act = act(vec![change(Setting::Memory, json!("512Mi"), json!("1Gi"))]);
        let pod = |name: &str, ready: &str| {
            json!({"metadata": {"uid": name, "name": name}, "status": {"conditions": [
                {"type": "Ready", "status": ready}]}})
        };
        let held = |act: &Act, pods: &[Value], spec: Value| {
            let mut now = found(json!({}));
            let workload = now.workload.as_mut().unwrap();
            workload["metadata"]["name"] = json!("redis");
            workload["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
            workload["status"]["readyReplicas"] = json!(pods.len());
            now.pods = Some(pods.to_vec());
            match rollout(act, &now) {
                Rollout::Held(why) => Some(why),
                _ => None,
            }
        };
        let (first, last) = (pod("redis-0", "True"), pod("redis-2", "True"));
        let gone = [first.clone(), last.clone()];
        assert_eq!(held(&act, &gone, json!({})), None, "a Deployment's pods have other names");
        act.line.workload = "StatefulSet/redis".to_owned();
        let why = held(&act, &gone, json!({})).unwrap();
        assert!(why.starts_with("pod `redis-1` is not there"), "{why}");
        assert!(held(&act, &[], json!({"replicas": 1})).is_some());
        assert_eq!(held(&act, &[first.clone(), pod("redis-1", "False"), last], json!({})), None);
        // it waits for the one before it, unless all are made at once
        let waits = [pod("redis-0", "False")];
        assert_eq!(held(&act, &waits, json!({})), None);
        assert!(held(&act, &waits, json!({"podManagementPolicy": "Parallel"})).is_some());
        let mut goes = first.clone();
        goes["metadata"]["deletionTimestamp"] = json!("2026-11-23T01:00:00Z");
        assert_eq!(held(&act, &[goes], json!({})), None);
        // ready, and not yet for long enough
        assert_eq!(held(&act, &[first], json!({"minReadySeconds": 60})), None);
        assert!(
            held(&act, &[pod("redis-5", "True")], json!({"replicas": 2, "ordinals": {"start": 5}}))
                .unwrap()
                .contains("`redis-6`")
        );
    }

    #[test]
    fn an_autoscaler_that_could_not_act_before_is_no_news() {
        let mut act = act(vec![change(Setting::MaxReplicas, json!(2), json!(3))]);
        let mut now = found(json!({}));
        let status = |is: &str| json!({"conditions": [{"type": "ScalingActive", "status": is}]});
        now.object.as_mut().unwrap()["status"] = status("False");
        for (before, held) in [("True", true), ("False", false)] {
            act.before.object = Some(json!({"status": status(before)}));
            assert_eq!(matches!(rollout(&act, &now), Rollout::Held(_)), held, "{before}");
        }
    }

    #[test]
    fn one_reading_is_no_reason_nor_are_two_with_a_gap_between_them() {
        let at = |seconds: i64| Timestamp::from_second(1_000 + seconds).unwrap();
        let mut streak = Streak::default();
        streak.take(true, at(0));
        assert!(streak.is_open() && !streak.lasts(at(600), Period(0)));
        streak.take(true, at(15));
        assert!(streak.lasts(at(15), Period(0)) && !streak.lasts(at(15), Period(60)));
        streak.take(true, at(60));
        assert!(streak.lasts(at(60), Period(60)));
        // what is not known ends it
        streak.take(false, at(75));
        streak.take(true, at(90));
        assert!(!streak.lasts(at(90), Period(0)));
    }

    #[test]
    fn what_lasted_is_seen_afterwards_and_what_came_and_went_is_not() {
        let read = |is_so: &[bool]| -> Vec<(Timestamp, bool)> {
            let at = |i: i64| Timestamp::from_second(1_000 + 15 * i).unwrap();
            (0..).zip(is_so).map(|(i, is_so)| (at(i), *is_so)).collect()
        };
        let hold = Period(30);
        assert!(lasted(read(&[false, true, true, true, false, false]), hold));
        assert!(!lasted(read(&[true, true, false, true, true, false]), hold));
        assert!(!lasted(read(&[]), hold));
    }

    #[test]
    fn in_a_severity_2_nothing_that_serves_is_taken_away() {
        let all = [
            change(Setting::Replicas, json!(2), json!(3)),
            change(Setting::MinReplicas, json!(3), json!(2)),
            change(Setting::MemoryLimit, json!("1Gi"), json!("512Mi")),
            change(Setting::MemoryRequest, json!("256Mi"), json!("512Mi")),
        ];
        let back = |in_severity2, half| -> Vec<Setting> {
            let (back, kept) = taken_back(&all, in_severity2, half, Some(2));
            assert_eq!(back.len() + kept.len(), all.len());
            back.iter().map(|one| one.setting).collect()
        };
        let lowered = [Setting::MinReplicas, Setting::MemoryLimit];
        assert_eq!(back(true, false), lowered);
        assert_eq!(back(true, true), [&lowered[..], &[Setting::MemoryRequest]].concat());
        assert_eq!(back(false, false).len(), 4);
        // a third pod serves, or may
        for ready in [Some(3), None] {
            assert_eq!(taken_back(&all, false, true, ready).1, all[..1]);
        }
    }
}
