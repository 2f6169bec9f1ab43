//! Plan -> a Helm values overlay with the keys that `helm create` knows: small, sorted, and every line
//! says what it was and why.

mod behind;
mod kept;
mod left_out;

pub use behind::behind;
pub use left_out::{LeftOut, left_out};

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::advise::plan::{Action, Amount, Plan, Recommendation, Setting};
use crate::render::changes::{Change, ComponentChanges, changes};
use crate::render::patch::is_signed;
use crate::render::text::wrap;
use crate::render::values_file::{self, Fault, Wanted};
use crate::render::yaml::{Tree, comment};
use crate::service::Service;
use crate::service::live::{Live, Scaler};

/// The overlay: only keys that Plimsoll owns, and of these only the changed ones, under each component's
/// path in the chart. An advised change that has no place in it is named above it, with the reason.
#[must_use]
pub fn overlay(plan: &Plan, services: &[Service], live: &Live) -> String {
    over(&Value::Null, plan, services, live)
}

/// The overlay that takes the place of an earlier one: a release whose raise took effect has it from there, and would fall
/// back to the chart's own values without it. What this run judged to stay has the value in force, and what it says
/// nothing of is as it was.
///
/// # Errors
///
/// Where the earlier one cannot be read.
pub fn carried_on(
    earlier: &str,
    plan: &Plan,
    services: &[Service],
    live: &Live,
) -> Result<String, Fault> {
    Ok(over(&values_file::data(earlier)?, plan, services, live))
}

fn over(earlier: &Value, plan: &Plan, services: &[Service], live: &Live) -> String {
    let all = held(plan, services, live);
    let mut tree = Tree::default();
    let disputed = disputed(plan, services);
    let mut more = Vec::new();
    for (path, change) in all.iter().flat_map(placed).filter(|(path, _)| !disputed.contains(path)) {
        if let Some(said) = kept::more(earlier, &path, change) {
            let (place, target) = (path.join("."), change.target);
            more.push(format!(
                "`{place}` says {said}, and {target} is advised: a raise lowers nothing"
            ));
            continue;
        }
        let why = vec![change.was(), change.codes()];
        tree.put(&path, Tree::Leaf(change.target.into(), why));
    }
    let changes_something = !tree.is_empty();
    let undisputed = |(path, _): &kept::Stated<'_>| !disputed.contains(path);
    let stays: Vec<_> = kept::stays(plan, services).into_iter().filter(undisputed).collect();
    let beside = kept::beside(plan, services, live, &stays).into_iter();
    let beside: Vec<_> = beside.filter(undisputed).collect();
    let mut alone = tree.clone();
    kept::complete(&mut alone, &beside);
    kept::carry_on(&mut tree, earlier, &[stays, kept::said_already(&beside, earlier)].concat());
    kept::complete(&mut tree, &beside);
    let carries_on = tree != alone;
    let mut out = head(plan) + "\n";
    let left_out = left_out(plan, services, live);
    if tree.is_empty() {
        out += &comment(why_empty(plan, services, left_out.is_empty()));
    } else {
        out += &comment("pass it last; it holds only the keys that plimsoll owns");
    }
    if carries_on {
        out += &comment("`kept`: set by an earlier run; without it the release falls back");
    }
    if changes_something {
        let without = if carries_on { "" } else { ", or upgrade without this file" };
        out += &comment(&format!("undo: {}{without}", commands(&all).join("; ")));
    }
    for line in left_out.iter().flat_map(|one| wrap(&format!("not here: {one}"), COLUMNS)) {
        out += &comment(&line);
    }
    let not_ours = kept::not_ours(&tree, services, live);
    for line in more.iter().chain(&not_ours).flat_map(|text| wrap(text, COLUMNS)) {
        out += &comment(&line);
    }
    out + &tree.write()
}

/// Columns of a comment, without its sign.
const COLUMNS: usize = 98;

/// Whether an overlay sets no key at all.
#[must_use]
pub fn is_empty(overlay: &str) -> bool {
    overlay.trim_end().ends_with("\n{}")
}

/// Why an overlay is empty: an absent judgement must not read as "today's values are enough".
fn why_empty(plan: &Plan, services: &[Service], all_held: bool) -> &'static str {
    let advice: Vec<Action> = of_services(plan, services).map(|(_, one)| one.action).collect();
    let judged = advice.iter().filter(|action| **action != Action::Skipped).count();
    match (all_held, judged) {
        (false, _) => "this overlay is empty: the advised changes have no place in it",
        (true, 0) => {
            "nothing could be judged: this overlay is empty, and says nothing of today's values"
        }
        (true, judged) if judged < advice.len() => {
            "of what could be judged nothing is to change: this overlay is empty"
        }
        _ => "nothing to change: this overlay is empty",
    }
}

/// The changes that the chart may hold. Of what KEDA scales, its values hold no bounds: `autoscaling` is that of an HPA,
/// which the chart does not make beside it.
fn held<'a>(plan: &'a Plan, services: &'a [Service], live: &Live) -> Vec<ComponentChanges<'a>> {
    let mut all = changes(plan, services);
    for of in &mut all {
        let is_keda = is_of_keda(live, of.service, &of.component.name);
        of.changes.retain(|change| !(is_keda && is_of_scaler(change.setting)));
    }
    all.retain(|of| !of.changes.is_empty());
    all
}

fn is_of_keda(live: &Live, service: &Service, component: &str) -> bool {
    let workload = live.workload(&service.name, component);
    matches!(workload.and_then(|workload| workload.scaler.as_ref()), Some(Scaler::Keda(_)))
}

fn is_of_scaler(setting: Setting) -> bool {
    matches!(setting, Setting::MinReplicas | Setting::MaxReplicas | Setting::TargetUtilization)
}

fn of_services<'a>(
    plan: &'a Plan,
    services: &'a [Service],
) -> impl Iterator<Item = (&'a Service, &'a Recommendation)> {
    let with_service = |service: &'a Service| {
        let mine = plan
            .services
            .iter()
            .filter(|one| one.name == service.name && one.namespace == service.namespace);
        mine.flat_map(|one| &one.recommendations).map(move |one| (service, one))
    };
    services.iter().flat_map(with_service)
}

/// Keys that two components are to have otherwise, one that keeps its value, or of which none is known, among them: one
/// overlay is passed to both, and would lower the one by the other.
fn disputed<'a>(plan: &'a Plan, services: &'a [Service]) -> BTreeSet<Vec<&'a str>> {
    let mut all: BTreeMap<Vec<&str>, BTreeMap<[&str; 3], Option<u64>>> = BTreeMap::new();
    for (service, one) in of_services(plan, services) {
        let mut components = service.components.iter();
        let component = components.find(|component| component.name == one.component);
        let helm = component.and_then(|component| component.helm.as_deref());
        let Some((base, key)) = helm.zip(key(one.setting)) else { continue };
        let of = [service.namespace.as_str(), &service.name, &one.component];
        let value = one.target.or(one.current).map(Amount::figure);
        let kept = all.entry(path(base, key)).or_default().entry(of).or_insert(value);
        // of two settings behind one key the larger stands
        *kept = (*kept).max(value);
    }
    let is_disputed = |of: &BTreeMap<_, _>| of.values().collect::<BTreeSet<_>>().len() > 1;
    all.into_iter().filter(|(_, of)| is_disputed(of)).map(|(path, _)| path).collect()
}

/// The path of a key under a component's path.
fn path<'a>(base: &'a str, key: &[&'a str]) -> Vec<&'a str> {
    let base = base.split('.').filter(|part| !part.is_empty());
    base.chain(key.iter().copied()).collect()
}

/// What a team's own values file is to hold: the keys of the overlay, each with what the plan saw in force, and none that
/// two components are to have otherwise.
#[must_use]
pub fn wanted(plan: &Plan, services: &[Service], live: &Live) -> Vec<Wanted> {
    let all = held(plan, services, live);
    let disputed = disputed(plan, services);
    let placed = all.iter().flat_map(placed).filter(|(path, _)| !disputed.contains(path));
    let advised: Vec<(Vec<&str>, &Change<'_>)> = placed.collect();
    let of_resources = |path: &[&str]| {
        advised.iter().any(|(other, _)| other.starts_with(&path[..path.len() - 2]))
            && advised.iter().all(|(other, _)| other != path)
    };
    let stays = kept::resources(plan, services, live);
    let stays = stays
        .into_iter()
        .filter(|(path, _)| of_resources(path) && !disputed.contains(path))
        .map(|(path, amount)| (path, Some(amount), amount, true));
    let wanted =
        advised.iter().map(|(path, change)| (path.clone(), change.current, change.target, false));
    let wanted = wanted.chain(stays).map(|(path, current, target, kept)| Wanted {
        path: path.into_iter().map(str::to_owned).collect(),
        current,
        target,
        kept,
    });
    wanted.collect()
}

/// The same for an overlay: each key once.
#[must_use]
pub fn wanted_of_overlay(plan: &Plan, services: &[Service], live: &Live) -> Vec<Wanted> {
    let mut kept: Vec<Wanted> = Vec::new();
    for one in wanted(plan, services, live) {
        if kept.iter().all(|kept| kept.path != one.path) {
            kept.push(one);
        }
    }
    kept
}

/// Why each key is to change, by its path, keys joined by dots: `TIER_ROW High (50-200): 5-10 pods`.
#[must_use]
pub fn reasons(plan: &Plan, services: &[Service], live: &Live) -> BTreeMap<String, Vec<String>> {
    let mut reasons: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (path, change) in held(plan, services, live).iter().flat_map(placed) {
        let why = change.reasons.iter().map(|one| format!("{} {}", one.code.name(), one.message));
        reasons.entry(path.join(".")).or_default().extend(why);
    }
    for one in wanted(plan, services, live).into_iter().filter(|one| one.kept) {
        let why = "stays: a chart may take a `resources` that is set for all there is";
        reasons.insert(one.path.join("."), vec![why.to_owned()]);
    }
    reasons
}

/// A component's changes with their paths in the chart's values, in the order of the settings; of two behind
/// one key the larger stands.
fn placed<'a, 'b>(of: &'b ComponentChanges<'a>) -> Vec<(Vec<&'b str>, &'b Change<'a>)> {
    let Some(helm) = &of.component.helm else { return Vec::new() };
    let mut placed: Vec<(Vec<&str>, &Change<'_>)> = Vec::new();
    for change in strongest_first(&of.changes) {
        let Some(key) = key(change.setting) else { continue };
        let path = path(helm, key);
        if placed.iter().all(|(other, _)| *other != path) {
            placed.push((path, change));
        }
    }
    placed.sort_by_key(|(_, change)| change.setting);
    placed
}

/// Largest first, so that of two settings behind one key (`memory` and `memoryLimit`) the larger stands.
fn strongest_first<'a, 'b>(changes: &'b [Change<'a>]) -> Vec<&'b Change<'a>> {
    let mut sorted: Vec<&Change<'_>> = changes.iter().collect();
    sorted.sort_by_key(|change| std::cmp::Reverse(change.target.figure()));
    sorted
}

/// Where `helm create` puts a setting; a volume's size is not one of its keys.
fn key(setting: Setting) -> Option<&'static [&'static str]> {
    Some(match setting {
        Setting::Replicas => &["replicaCount"],
        Setting::MinReplicas => &["autoscaling", "minReplicas"],
        Setting::MaxReplicas => &["autoscaling", "maxReplicas"],
        Setting::TargetUtilization => &["autoscaling", "targetCPUUtilizationPercentage"],
        Setting::CpuRequest => &["resources", "requests", "cpu"],
        Setting::MemoryRequest => &["resources", "requests", "memory"],
        Setting::Memory | Setting::MemoryLimit => &["resources", "limits", "memory"],
        Setting::Storage => return None,
    })
}

/// The first line of an overlay: who wrote it, and when.
#[must_use]
pub fn head(plan: &Plan) -> String {
    comment(&format!("written by {} at {}, settings {}", plan.version, plan.at, plan.settings))
        .trim_end()
        .to_owned()
}

/// Whether a file that begins with this text is an overlay that was written here, by any version.
#[must_use]
pub fn is_ours(text: &str) -> bool {
    is_signed(text, &["# written by "])
}

/// The way back for each release that an overlay touches, as commands.
#[must_use]
pub fn rollbacks(plan: &Plan, services: &[Service]) -> Vec<String> {
    commands(&changes(plan, services))
}

fn commands(all: &[ComponentChanges<'_>]) -> Vec<String> {
    let named = all.iter().filter(|of| of.component.helm.is_some());
    let mut commands: Vec<String> = named
        .map(|of| {
            format!("helm rollback {} -n {}", shell(&of.service.name), shell(&of.service.namespace))
        })
        .collect();
    commands.dedup();
    commands
}

/// The text as one word of a POSIX shell.
pub(crate) fn shell(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '/');
    if !text.is_empty() && text.chars().all(safe) && !text.starts_with('-') {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;
    use crate::advise::plan::{Amount, Code, ServicePlan};
    use crate::render::example::{self, API, REDIS, WORKER, mebibytes};
    use crate::service::live::{ScaledObject, Workload};
    use crate::units::{Bytes, Millicores};

    fn read(text: &str) -> Value {
        serde_saphyr::from_str(text).unwrap()
    }

    #[test]
    fn the_overlay_is_sorted_and_says_why() {
        let expected = "\
# written by plimsoll 0.1.0 at 2026-11-23T01:00:00Z, settings 0353b09d2456
# pass it last; it holds only the keys that plimsoll owns
# undo: helm rollback jarvis -n jarvis, or upgrade without this file
api:
  autoscaling:
    maxReplicas: 10    # was 5      TIER_ROW, CAPACITY
    minReplicas: 5     # was 3      TIER_ROW
redis:
  master:
    resources:
      limits:
        memory: 1Gi    # was 512Mi  TIER_ROW, REDIS_MAXMEMORY
worker:
  replicaCount: 4      # was 3      TIER_ROW
";
        assert_eq!(overlay(&example::plan(), &[example::service()], &Live::default()), expected);
    }

    #[test]
    fn with_nothing_to_change_it_is_an_empty_mapping() {
        let mut plan = example::plan();
        plan.services[0].recommendations.iter_mut().for_each(|one| one.action = Action::Keep);
        let text = overlay(&plan, &[example::service()], &Live::default());
        assert!(text.ends_with("# nothing to change: this overlay is empty\n{}\n"), "{text}");
        assert_eq!(read(&text), json!({}));
    }

    #[test]
    fn a_component_without_a_path_stays_out_and_is_named() {
        let mut service = example::service();
        service.components[0].helm = None;
        let text = overlay(&example::plan(), &[service], &Live::default());
        assert!(read(&text).get("api").is_none());
        let why = "`components.api` has no `helm:`, its path in the chart's values";
        assert!(text.contains(&format!("# not here: api minReplicas 3 -> 5: {why}\n")), "{text}");
        assert!(text.contains("# not here: api maxReplicas 5 -> 10: "), "{text}");
        assert!(!is_empty(&text));
    }

    #[test]
    fn an_overlay_that_holds_none_of_the_changes_does_not_say_that_there_are_none() {
        let mut service = example::service();
        service.components.iter_mut().for_each(|one| one.helm = None);
        let text = overlay(&example::plan(), &[service], &Live::default());
        assert!(is_empty(&text) && !text.contains("nothing to change"), "{text}");
        // two of api, one of worker, one of redis
        assert_eq!(text.matches("not here: ").count(), 4, "{text}");
    }

    #[test]
    fn a_key_that_two_components_want_is_written_for_neither_and_named_for_both() {
        let mut service = example::service();
        service.components.iter_mut().for_each(|one| one.helm = Some("app".to_owned()));
        let why = || vec![example::because(Code::TierRow, "High")];
        let count = |count| Some(Amount::Count(count));
        let plan = example::plan_of(vec![example::service_plan(vec![
            example::setting(WORKER, Setting::Replicas, count(2), count(4), why()),
            example::setting(REDIS, Setting::Replicas, count(5), count(3), why()),
            example::setting(REDIS, Setting::Memory, mebibytes(256), mebibytes(512), why()),
        ])]);
        let text = overlay(&plan, &[service], &Live::default());
        let limits = json!({"limits": {"memory": "512Mi"}});
        assert_eq!(read(&text), json!({"app": {"resources": limits}}), "{text}");
        assert_eq!(text.matches("another component has `app.replicaCount`").count(), 2, "{text}");
    }

    #[test]
    fn a_key_that_another_release_keeps_is_not_lowered_by_the_overlay_of_both() {
        let [mut us, eu] = [example::service(), example::service()];
        us.namespace = "us".to_owned();
        let why = || vec![example::because(Code::TierRow, "High")];
        let count = |count| Some(Amount::Count(count));
        let of = |now, then| {
            let max = |now, then| {
                example::setting(API, Setting::MaxReplicas, count(now), count(then), why())
            };
            example::service_plan(vec![max(now, then)])
        };
        let kept = |now, then| ServicePlan { namespace: "us".to_owned(), ..of(now, then) };
        let overlay = |us_has| {
            let plan = example::plan_of(vec![of(5, 10), kept(us_has, us_has)]);
            read(&overlay(&plan, &[eu.clone(), us.clone()], &Live::default()))
        };
        assert_eq!(overlay(14), json!({}));
        // nor by an edit of a values file
        let plan = example::plan_of(vec![of(5, 10), kept(14, 14)]);
        assert_eq!(wanted(&plan, &[eu.clone(), us.clone()], &Live::default()).len(), 0);
        assert_eq!(overlay(10), json!({"api": {"autoscaling": {"maxReplicas": 10}}}));
    }

    #[test]
    fn bounds_that_keda_has_are_no_keys_of_the_chart_and_are_named() {
        let keda = ScaledObject::example("by-queue", 3, 5);
        let api = Workload { scaler: Some(Scaler::Keda(keda)), ..Workload::default() };
        let workloads = [(("jarvis".to_owned(), API.0.to_owned()), api)].into();
        let live = Live { workloads, ..Live::default() };
        let (plan, services) = (example::plan(), [example::service()]);
        let text = overlay(&plan, &services, &live);
        assert!(read(&text).get("api").is_none() && read(&text).get("worker").is_some(), "{text}");
        assert!(text.contains("# not here: api minReplicas 3 -> 5: KEDA has the bounds"), "{text}");
        assert_eq!(wanted(&plan, &services, &live).len(), 2);
        let left = left_out(&plan, &services, &live);
        assert_eq!((left.len(), left.iter().all(|one| one.is_open)), (2, true));
    }

    #[test]
    fn what_is_left_out_names_its_service_where_there_are_several_and_is_open_where_it_can_be_mended()
     {
        let [mut us, eu] = [example::service(), example::service()];
        us.namespace = "us".to_owned();
        let of = |namespace: &str, then: u32| {
            let why = vec![example::because(Code::TierRow, "High")];
            let max = example::setting(
                API,
                Setting::MaxReplicas,
                example::count(5),
                example::count(then),
                why,
            );
            ServicePlan { namespace: namespace.to_owned(), ..example::service_plan(vec![max]) }
        };
        let plan = example::plan_of(vec![of("jarvis", 10), of("us", 12)]);
        let left = left_out(&plan, &[eu.clone(), us.clone()], &Live::default());
        let begin =
            ["jarvis/jarvis api maxReplicas 5 -> 10: ", "us/jarvis api maxReplicas 5 -> 12: "];
        for (one, begin) in left.iter().zip(begin) {
            assert!(one.is_open && one.text.starts_with(begin), "{one}");
        }
        us.name = "america".to_owned();
        us.components[0].helm = None;
        let renamed = ServicePlan { name: "america".to_owned(), ..of("us", 12) };
        let plan = example::plan_of(vec![of("jarvis", 10), renamed]);
        let left = left_out(&plan, &[eu, us], &Live::default());
        let said = "america api maxReplicas 5 -> 12: `components.api` has no `helm:`";
        assert!(left.len() == 1 && left[0].text.starts_with(said) && !left[0].is_open, "{left:?}");
    }

    #[test]
    fn keys_may_stand_at_the_root_of_a_chart() {
        let mut service = example::service();
        service.components.truncate(1);
        service.components[0].helm = Some(".".to_owned());
        let autoscaling = json!({"minReplicas": 5, "maxReplicas": 10});
        let text = overlay(&example::plan(), &[service], &Live::default());
        assert_eq!(read(&text), json!({"autoscaling": autoscaling}), "{text}");
    }

    #[test]
    fn a_volume_that_should_grow_is_named_though_no_chart_holds_it() {
        let why = vec![example::because(Code::Runway, "full soon")];
        let claim = ("data-0", "PersistentVolumeClaim/data-0");
        let growth =
            example::setting(claim, Setting::Storage, mebibytes(1024), mebibytes(2048), why);
        let plan = example::plan_of(vec![example::service_plan(vec![growth])]);
        let text = overlay(&plan, &[example::service()], &Live::default());
        assert!(text.contains("# not here: data-0 storage 1Gi -> 2Gi: a volume's size"), "{text}");
    }

    #[test]
    fn what_could_not_be_judged_is_not_called_enough() {
        let mut plan = example::plan();
        plan.services[0].recommendations.iter_mut().for_each(|one| one.action = Action::Skipped);
        let text = overlay(&plan, &[example::service()], &Live::default());
        assert!(text.contains("# nothing could be judged: "), "{text}");
    }

    #[test]
    fn quantities_stay_texts_and_counts_stay_numbers() {
        let cpu = |cores| Some(Amount::Cpu(Millicores(cores)));
        let why = || vec![example::because(Code::Usage, "P95 of usage")];
        let odd = Some(Amount::Bytes(Bytes(1_000_000_001)));
        let plan = example::plan_of(vec![example::service_plan(vec![
            example::setting(WORKER, Setting::CpuRequest, cpu(500), cpu(2000), why()),
            example::setting(WORKER, Setting::MemoryRequest, mebibytes(1), odd, why()),
        ])]);
        let requests = json!({"cpu": "2", "memory": "1000000001"});
        assert_eq!(
            read(&overlay(&plan, &[example::service()], &Live::default())),
            json!({"worker": {"resources": {"requests": requests}}})
        );
    }

    #[test]
    fn of_two_settings_behind_one_key_the_larger_stands() {
        let why = || vec![example::because(Code::Usage, "peak")];
        let plan = example::plan_of(vec![example::service_plan(vec![
            example::setting(REDIS, Setting::Memory, mebibytes(256), mebibytes(512), why()),
            example::setting(REDIS, Setting::MemoryLimit, mebibytes(256), mebibytes(768), why()),
        ])]);
        let read = read(&overlay(&plan, &[example::service()], &Live::default()));
        assert_eq!(read["redis"]["master"]["resources"]["limits"]["memory"], "768Mi");
    }

    #[test]
    fn a_values_file_is_to_hold_what_the_overlay_holds() {
        let (plan, services) = (example::plan(), [example::service()]);
        let wanted = wanted(&plan, &services, &Live::default());
        let keys: Vec<String> = wanted.iter().map(|one| one.path.join(".")).collect();
        let expected = [
            "api.autoscaling.minReplicas",
            "api.autoscaling.maxReplicas",
            "worker.replicaCount",
            "redis.master.resources.limits.memory",
        ];
        let sorted = |keys: &mut Vec<String>| keys.sort();
        let [mut keys, mut expected] = [keys, expected.map(str::to_owned).to_vec()];
        sorted(&mut keys);
        sorted(&mut expected);
        assert_eq!(keys, expected);
        let edited = crate::render::values_file::edit("", &wanted).unwrap();
        assert_eq!(read(&edited.text), read(&overlay(&plan, &services, &Live::default())));
    }

    #[test]
    fn names_cannot_add_keys_or_commands() {
        let mut plan = example::plan();
        let mut service = example::service();
        service.name = "jarvis; rm -rf ~\nevil: true".to_owned();
        plan.services[0].name.clone_from(&service.name);
        service.components[0].helm = Some("api: {}\nevil.x".to_owned());
        let text = overlay(&plan, &[service], &Live::default());
        let read = read(&text);
        let keys: Vec<&String> = read.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["api: {}\nevil", "redis", "worker"], "{text}");
        assert!(text.contains("helm rollback 'jarvis; rm -rf ~"), "{text}");
    }
}
