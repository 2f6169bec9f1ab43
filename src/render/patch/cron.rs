//! Cron triggers of KEDA: the floor of a `ScaledObject` by the clock, laid down ahead of each ramp of the week.
//!
//! KEDA gives the largest count of all triggers, within the bounds of the object, so a window can only raise. Triggers are
//! one list that a merge patch replaces. The patch is therefore one of JSON (RFC 6902): it begins with tests that the
//! list is still as long as the cluster told, with the same types and names, and ours as they were; it is refused where
//! that is not so, and touches none but ours. A component of Kustomize appends to the list of
//! the base, whatever that holds. A trigger of ours is known by its name, [`PREFIX`] and a number; all others are kept.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Form, Kind, Patch, Way, head, stem};
use crate::advise::plan::Plan;
use crate::advise::windows::{Days, Laid, Window};
use crate::render::helm::shell;
use crate::render::yaml::{ascii, comment};
use crate::service::Service;
use crate::service::live::{Live, ScaledObject, Scaler, Workload};
use crate::units::counted;

/// What the names of our triggers begin with.
pub const PREFIX: &str = "plimsoll-";

/// What a clock is to lay down, by service and component.
pub type Clocks = BTreeMap<(String, String), Laid>;

/// The patches of every `ScaledObject` whose windows change, each followed by its inverse.
#[must_use]
pub fn patches(plan: &Plan, services: &[Service], live: &Live, clocks: &Clocks) -> Vec<Patch> {
    let changed = all(services, live, clocks).into_iter().filter(|one| one.before != one.after);
    let both =
        |one: Triggers<'_>| [Way::Forward, Way::Undo].map(|way| one.file(plan, Form::Patch, way));
    changed.flat_map(both).collect()
}

/// The patches of a Kustomize component: all windows, also those that stay as they are.
#[must_use]
pub fn kustomize(plan: &Plan, services: &[Service], live: &Live, clocks: &Clocks) -> Vec<Patch> {
    let held = all(services, live, clocks).into_iter().filter(|one| one.ours().next().is_some());
    held.map(|one| one.file(plan, Form::Kustomize, Way::Forward)).collect()
}

/// Why no window is written for a `ScaledObject`; `None`: it can be.
#[must_use]
pub fn refusal(keda: &ScaledObject) -> Option<&'static str> {
    match keda {
        ScaledObject { min: Some(0), .. } | ScaledObject { idles: true, .. } => {
            Some("it may scale to nothing, and is let sleep")
        }
        ScaledObject { paused: true, .. } => Some("it is paused"),
        ScaledObject { composed: true, .. } => {
            Some("a formula joins its triggers, so that the largest does not count")
        }
        ScaledObject { triggers, .. } if !triggers.is_array() => Some("its triggers are not known"),
        _ => None,
    }
}

/// The triggers of one object.
struct Triggers<'a> {
    namespace: &'a str,
    name: &'a str,
    laid: &'a Laid,
    before: Vec<Value>,
    after: Vec<Value>,
    /// What is said of each trigger of ours.
    said: Vec<String>,
}

fn all<'a>(services: &'a [Service], live: &'a Live, clocks: &'a Clocks) -> Vec<Triggers<'a>> {
    let components = services
        .iter()
        .flat_map(|service| service.components.iter().map(move |component| (service, component)));
    let one = |(service, component): (&'a Service, &crate::service::Component)| {
        let laid = clocks.get(&(service.name.clone(), component.name.clone()))?;
        match live.workload(&service.name, &component.name)?.scaler.as_ref()? {
            Scaler::Keda(keda) if refusal(keda).is_none() => {
                Some(Triggers::of(&service.namespace, keda, laid))
            }
            _ => None,
        }
    };
    components.filter_map(one).collect()
}

fn is_ours(trigger: &Value) -> bool {
    trigger["type"] == "cron"
        && trigger["name"].as_str().is_some_and(|name| name.starts_with(PREFIX))
}

impl<'a> Triggers<'a> {
    fn of(namespace: &'a str, keda: &'a ScaledObject, laid: &'a Laid) -> Self {
        let before = keda.triggers.as_array().cloned().unwrap_or_default();
        let (ours, mut after): (Vec<Value>, Vec<Value>) = before.iter().cloned().partition(is_ours);
        let mut said = Vec::new();
        let mut held: Vec<(Value, String)> = Vec::new();
        for window in &laid.windows {
            held.push((cron(window, &laid.zone), described(window)));
        }
        // what may not be taken away stays beside the new ones, where those do not give as much: the largest counts
        let mut given = Week::new();
        for (metadata, _) in &held {
            given.give(metadata, &laid.zone);
        }
        for one in ours.iter().map(|one| &one["metadata"]).filter(|_| laid.doubt.is_some()) {
            if !given.gives(one, &laid.zone) {
                given.give(one, &laid.zone);
                held.push((one.clone(), "as it is".to_owned()));
            }
        }
        for (number, (metadata, words)) in (1..).zip(held) {
            let name = format!("{PREFIX}{number}");
            after.push(json!({"type": "cron", "name": name, "metadata": metadata}));
            said.push(words);
        }
        let unchanged = after.iter().filter(|one| is_ours(one)).eq(ours.iter());
        let after = if unchanged { before.clone() } else { after };
        Self { namespace, name: &keda.name, laid, before, after, said }
    }

    fn ours(&self) -> impl Iterator<Item = &Value> {
        self.after.iter().filter(|one| is_ours(one))
    }

    fn file(&self, plan: &Plan, form: Form, way: Way) -> Patch {
        let kind = Kind::ScaledObject.names();
        let (namespace, name) = stem(self.namespace, self.name, kind.2);
        let suffix = if way == Way::Undo { ".undo" } else { "" };
        let file_name = match form {
            Form::Kustomize => format!("{namespace}/{name}-cron.yaml"),
            _ => format!("{namespace}.{name}-cron{suffix}.yaml"),
        };
        let mut content = head(plan, way);
        for line in self.notes(form, way, &file_name) {
            content += &comment(&line);
        }
        content += &match (form, way) {
            (Form::Kustomize, _) => self.appended(),
            (_, Way::Forward) => self.replaced(&self.before, &self.after),
            (_, Way::Undo) => self.replaced(&self.after, &self.before),
        };
        let object = (self.namespace.to_owned(), self.name.to_owned());
        Patch { file_name, kind, object, way, content }
    }

    /// The line to paste, and what to know before.
    fn notes(&self, form: Form, way: Way, file_name: &str) -> Vec<String> {
        let mut notes = Vec::new();
        if form == Form::Patch {
            notes.push(format!(
                "kubectl patch {} {} -n {} --patch-file {file_name} --type json",
                Kind::ScaledObject.names().2,
                shell(self.name),
                shell(self.namespace)
            ));
            notes.push("refused where there are other triggers than the cluster told; those of others are not touched".to_owned());
        }
        if way == Way::Forward {
            notes.push(format!(
                "windows in {}, of the week ahead and the last one: make them anew every week",
                self.laid.zone
            ));
            let kept = self.before.iter().any(is_ours);
            if let Some(doubt) = self.laid.doubt.as_ref().filter(|_| kept) {
                notes.push(format!("no earlier window is taken away: {}", doubt.message));
            }
        }
        notes
    }

    /// From one list to the other: what stands there is tested, ours go, and the new ones come to their places. Of those
    /// of others nothing is written but what tells them apart: their metadata may hold what is nobody's business.
    fn replaced(&self, from: &[Value], to: &[Value]) -> String {
        let mut text = as_long(from.len());
        for (place, trigger) in from.iter().enumerate() {
            let at = format!("/spec/triggers/{place}");
            if is_ours(trigger) {
                text += &operation("test", &at, Some(trigger));
                continue;
            }
            for key in ["type", "name"].into_iter().filter(|key| trigger[key].is_string()) {
                text += &operation("test", &format!("{at}/{key}"), Some(&trigger[key]));
            }
        }
        let gone = (0..from.len()).rev().filter(|place| is_ours(&from[*place]));
        for place in gone {
            text += &operation("remove", &format!("/spec/triggers/{place}"), None);
        }
        let forward = std::ptr::eq(to, self.after.as_slice());
        let mut said = self.said.iter().filter(|_| forward);
        for (place, trigger) in to.iter().enumerate().filter(|(_, trigger)| is_ours(trigger)) {
            text += &said.next().map(|words| comment(words)).unwrap_or_default();
            text += &operation("add", &format!("/spec/triggers/{place}"), Some(trigger));
        }
        text
    }

    fn appended(&self) -> String {
        let mut text = String::new();
        for (trigger, words) in self.ours().zip(&self.said) {
            text += &comment(words);
            text += &operation("add", "/spec/triggers/-", Some(trigger));
        }
        text
    }
}

/// An operation of a JSON patch.
fn operation(op: &str, path: &str, value: Option<&Value>) -> String {
    let value = value.map(|value| format!("  value: {}\n", ascii(&value.to_string())));
    format!("- op: {op}\n  path: {path}\n{}", value.unwrap_or_default())
}

/// Whether the list of triggers is the one that an inverse was made for: it tests all that is ours.
pub(super) fn is_undone_by(workload: &Workload, back: &Value) -> bool {
    let Some(Scaler::Keda(keda)) = &workload.scaler else { return false };
    let now = keda.triggers.as_array().map(Vec::as_slice).unwrap_or_default();
    let all = back.as_array().map(Vec::as_slice).unwrap_or_default();
    let ours: Vec<&Value> = now.iter().filter(|one| is_ours(one)).collect();
    let of = |op: &str| {
        let values = all.iter().filter(|one| one["op"] == op).map(|one| &one["value"]);
        values.filter(|value| is_ours(value)).collect::<Vec<_>>()
    };
    of("test") == ours && of("add") != ours
}

/// A test that the list is so long. RFC 6902 has none for that: of a copy so many are removed, and nothing may be left.
fn as_long(count: usize) -> String {
    let copy = "/spec/plimsollCopy";
    let mut text = format!("- op: copy\n  from: /spec/triggers\n  path: {copy}\n");
    for _ in 0..count {
        text += &operation("remove", &format!("{copy}/0"), None);
    }
    text += &operation("test", copy, Some(&json!([])));
    text + &operation("remove", copy, None)
}

/// A window as KEDA's clock is told it.
fn cron(window: &Window, zone: &str) -> Value {
    let at = |minute: i64| {
        let (day, minute) = (minute.div_euclid(24 * 60), minute.rem_euclid(24 * 60));
        format!("{} {} * * {}", minute % 60, minute / 60, of_week(window.days.later(day)))
    };
    json!({
        "timezone": zone,
        "start": at(window.from),
        "end": at(window.to),
        "desiredReplicas": window.pods.to_string(),
    })
}

/// Days as the last field of a cron expression, in which Sunday is 0.
fn of_week(days: Days) -> String {
    if days == Days::ALL {
        return "*".to_owned();
    }
    let mut all: Vec<usize> = days.each().map(|day| (day + 1) % 7).collect();
    all.sort_unstable();
    let runs = all.chunk_by(|a, b| a + 1 == *b);
    let runs = runs.map(|run| match run {
        [first, _, .., last] => format!("{first}-{last}"),
        few => few.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
    });
    runs.collect::<Vec<_>>().join(",")
}

/// The pods that triggers of ours give at every minute of a week, from Sunday on.
struct Week(Vec<u64>);

impl Week {
    fn new() -> Self {
        Self(vec![0; 7 * DAY])
    }

    fn give(&mut self, metadata: &Value, zone: &str) {
        let Some((minutes, pods)) = minutes(metadata, zone) else { return };
        minutes.for_each(|minute| self.0[minute] = self.0[minute].max(pods));
    }

    /// Whether that is as much as another one gives; not so where that cannot be read.
    fn gives(&self, metadata: &Value, zone: &str) -> bool {
        let other = minutes(metadata, zone);
        other.is_some_and(|(mut minutes, pods)| minutes.all(|minute| self.0[minute] >= pods))
    }
}

const DAY: usize = 24 * 60;

/// The minutes of the week in which a trigger that [`cron`] made holds, and its pods.
fn minutes(metadata: &Value, zone: &str) -> Option<(impl Iterator<Item = usize>, u64)> {
    let text = |key: &str| metadata[key].as_str();
    let time = |key: &str| {
        let fields: Vec<&str> = text(key)?.split(' ').collect();
        let [minute, hour, "*", "*", days] = fields[..] else { return None };
        let minute: usize = minute.parse().ok()?;
        Some((hour.parse::<usize>().ok()?.min(23) * 60 + minute.min(59), days.to_owned()))
    };
    let ((from, days), (to, _)) = (time("start")?, time("end")?);
    let mut on = Vec::new();
    for part in days.replace('*', "0-6").split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        on.extend(first.parse::<usize>().ok()?..=last.parse::<usize>().ok()?.min(6));
    }
    let pods = text("desiredReplicas")?.parse().ok().filter(|_| text("timezone") == Some(zone))?;
    let long = (to + DAY - from) % DAY;
    let spans = on.into_iter().map(move |day| day * DAY + from);
    Some((spans.flat_map(move |from| from..from + long).map(|minute| minute % (7 * DAY)), pods))
}

/// A window for people: `Mon Tue Wed Thu Fri 07:58-18:00: 9 pods for up to 79.0 rps`.
fn described(window: &Window) -> String {
    const NAMES: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let days: Vec<&str> = window.days.each().map(|day| NAMES[day]).collect();
    let days = if days.len() == NAMES.len() { "every day".to_owned() } else { days.join(" ") };
    let time = |minute: i64| format!("{:02}:{:02}", minute / 60 % 24, minute % 60);
    let (from, to) = (time(window.from), time(window.to));
    let Window { pods, asked, load, .. } = window;
    let capped = if asked > pods { format!(", of {asked} asked for") } else { String::new() };
    let pods = counted(*pods, "pod");
    format!("{days} {from}-{to}: {pods}{capped} for up to {load:.1} rps")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::advise::plan::{Code, Reason};
    use crate::render::example::{self, API};

    fn window(pods: u32) -> Window {
        Window {
            days: Days::of([0, 1, 2, 3, 4]),
            from: 478,
            to: 1080,
            pods,
            asked: pods,
            load: 79.0,
        }
    }

    fn laid(windows: Vec<Window>, doubt: bool) -> Laid {
        let doubt =
            doubt.then(|| Reason { code: Code::Coverage, message: "half of it".to_owned() });
        Laid { windows, zone: "Asia/Tokyo".to_owned(), doubt }
    }

    fn keda(triggers: Value) -> ScaledObject {
        ScaledObject { triggers, ..ScaledObject::example("by-queue", 3, 10) }
    }

    fn written(triggers: Value, laid: Laid) -> [Vec<Patch>; 2] {
        let of = (example::service().name, API.0.to_owned());
        let scaler = Some(Scaler::Keda(keda(triggers)));
        let live = Live {
            workloads: [(of.clone(), Workload { scaler, ..Workload::default() })].into(),
            ..Live::default()
        };
        let (plan, services, clocks) = (example::plan(), [example::service()], [(of, laid)].into());
        [patches(&plan, &services, &live, &clocks), kustomize(&plan, &services, &live, &clocks)]
    }

    fn read(patch: &Patch) -> Value {
        serde_saphyr::from_str(&patch.content).unwrap()
    }

    /// A list after a patch; `None`: it is refused.
    fn applied(file: &Patch, list: &Value) -> Option<Value> {
        let mut object = json!({"spec": {"triggers": list}});
        for one in read(file).as_array().unwrap() {
            let path = one["path"].as_str().unwrap();
            let (parent, key) = path.rsplit_once('/').unwrap();
            let (op, value) = (one["op"].as_str().unwrap(), one["value"].clone());
            let copied = one["from"].as_str().map(|from| object.pointer(from).cloned());
            let parent = match (op, object.pointer_mut(parent)?) {
                ("test", parent) => {
                    let at = key.parse::<usize>().ok();
                    let is = at.map_or_else(|| parent.get(key), |at| parent.get(at));
                    if is != Some(&value) {
                        return None;
                    }
                    continue;
                }
                (_, parent) => parent,
            };
            match (op, parent) {
                ("copy", Value::Object(map)) => drop(map.insert(key.to_owned(), copied??)),
                ("remove", Value::Object(map)) => drop(map.remove(key)?),
                ("remove", Value::Array(list)) => {
                    let at = key.parse().ok().filter(|at| *at < list.len())?;
                    list.remove(at);
                }
                ("add", Value::Array(list)) => {
                    let at = key.parse().ok().filter(|at| *at <= list.len())?;
                    list.insert(at, value);
                }
                _ => panic!("{one}"),
            }
        }
        let spec = object["spec"].as_object().unwrap();
        assert_eq!(spec.len(), 1, "{spec:?}");
        Some(object["spec"]["triggers"].clone())
    }

    fn after(patch: &Patch, list: &Value) -> Value {
        applied(patch, list).unwrap_or_else(|| panic!("refused: {}", patch.content))
    }

    #[test]
    fn nothing_of_others_is_written_and_a_list_that_changed_is_refused() {
        let theirs = |name: &str, key: &str| json!({"type": "rabbitmq", "name": name, "metadata": {"host": key}});
        let there =
            json!([theirs("a", "amqp://me:secret@mq"), clock(1, 9), theirs("b", "amqp://b")]);
        let [patches, _] = written(there.clone(), laid(vec![window(6), window(8)], false));
        let [forward, undo] = patches.try_into().unwrap();
        for patch in [&forward, &undo] {
            let text = &patch.content;
            assert!(!text.contains("secret") && !text.contains("amqp"), "{text}");
        }
        let new = after(&forward, &there);
        assert_eq!(new, json!([there[0], there[2], clock(1, 6), clock(2, 8)]));
        assert_eq!(after(&undo, &new), there);
        // what they changed inside of their own stays theirs
        let rotated = json!([theirs("a", "amqp://me:other@mq"), there[1], there[2]]);
        assert_eq!(after(&forward, &rotated)[0], rotated[0]);
        // sent twice, longer, shorter, in another order, of another name, ours by another hand
        for list in [
            new,
            json!([there[0], there[1], there[2], {"type": "cpu"}]),
            json!([there[0], there[1]]),
            json!([there[2], there[1], there[0]]),
            json!([theirs("c", "amqp://me:secret@mq"), there[1], there[2]]),
            json!([there[0], clock(1, 7), there[2]]),
            json!([]),
        ] {
            assert_eq!(applied(&forward, &list), None, "{list}");
        }
    }

    fn clock(number: u32, pods: u32) -> Value {
        json!({"type": "cron", "name": format!("plimsoll-{number}"), "metadata": {"timezone": "Asia/Tokyo",
            "start": "58 7 * * 1-5", "end": "0 18 * * 1-5", "desiredReplicas": pods.to_string()}})
    }

    #[test]
    fn the_triggers_of_others_are_kept_and_come_back_alone() {
        let theirs = json!([{"type": "rabbitmq", "metadata": {"queueName": "jobs: #1\u{2028}"}}]);
        let [patches, kustomize] = written(theirs.clone(), laid(vec![window(9)], false));
        let [forward, undo] = patches.try_into().unwrap();
        let new = after(&forward, &theirs);
        assert_eq!(new, json!([theirs[0], clock(1, 9)]));
        assert_eq!(after(&undo, &new), theirs);
        assert_eq!(undo.file_name, "jarvis.by-queue.scaledobject-cron.undo.yaml");
        assert!(
            forward
                .content
                .contains("# Mon Tue Wed Thu Fri 07:58-18:00: 9 pods for up to 79.0 rps")
        );
        let [kustomize] = kustomize.try_into().unwrap();
        let add = json!([{"op": "add", "path": "/spec/triggers/-", "value": clock(1, 9)}]);
        assert_eq!(read(&kustomize), add);
    }

    #[test]
    fn windows_that_stand_there_are_stated_again_by_kustomize_alone() {
        let [patches, kustomize] =
            written(json!([clock(1, 9), {"type": "cpu"}]), laid(vec![window(9)], false));
        assert_eq!((patches.len(), kustomize.len()), (0, 1));
    }

    #[test]
    fn an_earlier_window_goes_only_where_nothing_forbids_it() {
        let there = json!([clock(1, 9)]);
        let [sure, _] = written(there.clone(), laid(vec![window(6)], false));
        assert_eq!(after(&sure[0], &there), json!([clock(1, 6)]));
        let [doubtful, _] = written(there.clone(), laid(vec![window(6)], true));
        assert_eq!(after(&doubtful[0], &there), json!([clock(1, 6), clock(2, 9)]));
        assert!(doubtful[0].content.contains("no earlier window is taken away: half of it"));
        // one that the new ones give as much as anyway is no loss
        let more = Window { from: 470, ..window(10) };
        let [covered, _] = written(there.clone(), laid(vec![more], true));
        assert_eq!(after(&covered[0], &there).as_array().unwrap().len(), 1);
        let shorter = Window { from: 479, ..window(10) };
        let [beside, _] = written(there.clone(), laid(vec![shorter], true));
        assert_eq!(after(&beside[0], &there).as_array().unwrap().len(), 2);
        let [none, _] = written(there.clone(), laid(Vec::new(), false));
        assert_eq!(after(&none[0], &there), json!([]));
        let [still, kustomize] = written(there, laid(Vec::new(), true));
        assert_eq!((still.len(), kustomize.len()), (0, 1));
    }

    #[test]
    fn what_sleeps_is_paused_or_goes_by_a_formula_is_left() {
        let list = || json!([]);
        assert_eq!(refusal(&keda(list())), None);
        for left in [
            ScaledObject { min: Some(0), ..keda(list()) },
            ScaledObject { idles: true, ..keda(list()) },
            ScaledObject { paused: true, ..keda(list()) },
            ScaledObject { composed: true, ..keda(list()) },
            keda(Value::Null),
        ] {
            assert!(refusal(&left).is_some(), "{left:?}");
        }
    }

    #[test]
    fn what_a_trigger_holds_is_read_as_it_was_written() {
        let late = Window { days: Days::of([5]), from: 1410, to: 1440 + 90, ..window(9) };
        let mut theirs = cron(&late, "UTC");
        let (minutes, pods) = minutes(&theirs, "UTC").unwrap();
        let minutes: Vec<usize> = minutes.collect();
        // Saturday 23:30, the last day of this week, until Sunday 01:00
        assert_eq!((minutes.len(), minutes[0], minutes[119], pods), (120, 7 * DAY - 30, 89, 9));
        assert!(super::minutes(&theirs, "Asia/Tokyo").is_none());
        theirs["start"] = json!("@daily");
        assert!(super::minutes(&theirs, "UTC").is_none() && !Week::new().gives(&theirs, "UTC"));
    }

    /// The minutes of a week, from Sunday on, that a cron expression of ours names.
    fn ticks(expression: &Value) -> Vec<usize> {
        let fields: Vec<&str> = expression.as_str().unwrap().split(' ').collect();
        let [minute, hour, "*", "*", days] = fields[..] else { panic!("{fields:?}") };
        let at = hour.parse::<usize>().unwrap() * 60 + minute.parse::<usize>().unwrap();
        let named = |day: &usize| {
            days == "*"
                || days.split(',').any(|part| {
                    let (from, to) = part.split_once('-').unwrap_or((part, part));
                    (from.parse().unwrap()..=to.parse().unwrap()).contains(day)
                })
        };
        (0..7).filter(named).map(|day| day * DAY + at).collect()
    }

    /// KEDA's rule (`cron_scaler.go`): by the next start and the next end after now.
    fn is_active(cron: &Value, now: usize) -> bool {
        let wait = |key: &str| {
            let of = |at: usize| (at + 7 * DAY - now - 1) % (7 * DAY) + 1;
            ticks(&cron[key]).into_iter().map(of).min().unwrap()
        };
        wait("end") <= wait("start")
    }

    #[test]
    fn keda_s_clock_holds_every_window_at_its_minutes_and_at_no_other() {
        let whole = |from, to| Window { days: Days::ALL, from, to, ..window(9) };
        let on = |days: &[usize], from, to| Window {
            days: Days::of(days.iter().copied()),
            from,
            to,
            ..window(9)
        };
        for window in [
            window(9),
            on(&[6], 1410, 1800),
            on(&[5], 1439, 2160),
            on(&[0, 1, 2, 3, 6], 1439, 2160),
            on(&[0, 1, 2, 3, 4], 720, 1440),
            on(&[1, 3, 5], 0, 720),
            whole(1439, 2160),
            whole(720, 1440),
            whole(478, 1080),
        ] {
            let cron = cron(&window, "UTC");
            let length = usize::try_from(window.to - window.from).unwrap();
            let from = usize::try_from(window.from).unwrap();
            let opens = window.days.each().map(|day| (day + 1) % 7 * DAY + from);
            let mut meant: Vec<usize> =
                opens.flat_map(|from| from..from + length).map(|at| at % (7 * DAY)).collect();
            meant.sort_unstable();
            let held: Vec<usize> = (0..7 * DAY).filter(|now| is_active(&cron, *now)).collect();
            assert_eq!(held, meant, "{window:?} {cron}");
        }
    }

    #[test]
    fn a_window_past_midnight_ends_on_the_next_day() {
        let late = Window { days: Days::of([4, 5, 6]), from: 1410, to: 1440 + 90, ..window(9) };
        let cron = cron(&late, "UTC");
        // Friday, Saturday and Sunday, and the days after them
        assert_eq!(
            (&cron["start"], &cron["end"]),
            (&json!("30 23 * * 0,5,6"), &json!("30 1 * * 0,1,6"))
        );
        let always = Window { days: Days::ALL, from: 0, to: 720, ..window(9) };
        assert_eq!(super::cron(&always, "UTC")["end"], "0 12 * * *");
    }
}
