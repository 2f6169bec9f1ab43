//! What an overlay states though this run does not change it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{key, of_services, path};
use crate::advise::plan::{Action, Amount, Plan, Setting};
use crate::render::changes::{Change, has_hpa};
use crate::render::yaml::{Scalar, Tree};
use crate::service::live::{Amounts, Container, Live};
use crate::service::{Component, Service};

/// A path in the chart's values, and what stands there.
pub(super) type Stated<'a> = (Vec<&'a str>, Tree);

/// What was judged to stay, with the value in force: an overlay that says less or more would move it by itself. Of two
/// settings behind one key the larger comes first. A count of 0 is left to whoever put it there.
pub(super) fn stays<'a>(plan: &'a Plan, services: &'a [Service]) -> Vec<Stated<'a>> {
    let mut all: Vec<(u64, Stated<'a>)> = Vec::new();
    for (service, one) in of_services(plan, services).filter(|(_, one)| one.action == Action::Keep)
    {
        let Some(component) = service.components.iter().find(|known| known.name == one.component)
        else {
            continue;
        };
        let said: Vec<_> = of_services(plan, std::slice::from_ref(service))
            .map(|(_, one)| one)
            .filter(|other| other.component == one.component)
            .collect();
        let counts = one.setting == Setting::Replicas;
        let beside = counts && has_hpa(&said, component);
        let asleep = counts && one.current == Some(Amount::Count(0));
        let current = one.current.filter(|_| !beside && !asleep);
        let place = component.helm.as_deref().zip(key(one.setting));
        if let Some(((base, key), current)) = place.zip(current) {
            let mut codes: Vec<String> = one.reasons.iter().map(|why| why.code.name()).collect();
            codes.dedup();
            let why = vec!["kept".to_owned(), codes.join(", ")];
            all.push((current.figure(), (path(base, key), Tree::Leaf(current.into(), why))));
        }
    }
    all.sort_by_key(|(figure, _)| std::cmp::Reverse(*figure));
    all.into_iter().map(|(_, stated)| stated).collect()
}

/// What an earlier overlay says, where that is more than a raise: somebody wrote it, or it was advised and is not in force yet.
pub(super) fn more(earlier: &Value, path: &[&str], change: &Change<'_>) -> Option<Amount> {
    let said = Amount::read(change.setting, said(earlier, path)?).ok()?;
    let raises = change.current.is_none_or(|current| change.target.figure() > current.figure());
    (raises && said.figure() > change.target.figure()).then_some(said)
}

/// Adds what an earlier overlay holds and the new one does not. What of it `stays` has the value in force; the rest, also what
/// is no component's any more, is as it was.
pub(super) fn carry_on(tree: &mut Tree, earlier: &Value, stays: &[Stated<'_>]) {
    for (path, value) in stays {
        if said(earlier, path).is_some() {
            tree.put(path, value.clone());
        }
    }
    rest(tree, &mut Vec::new(), earlier);
}

/// What an earlier overlay says at a path.
pub(super) fn said<'a>(earlier: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(earlier, |at, name| at.get(name))
}

/// Of what is stated, that which an earlier overlay says in the same words.
pub(super) fn said_already<'a>(all: &[Stated<'a>], earlier: &Value) -> Vec<Stated<'a>> {
    let same = |(path, value): &&Stated<'a>| match (value, said(earlier, path)) {
        (Tree::Leaf(Scalar::Text(value), _), Some(Value::String(said))) => value == said,
        _ => false,
    };
    all.iter().filter(same).cloned().collect()
}

/// States the keys `beside` those of `resources` that are stated.
pub(super) fn complete(tree: &mut Tree, beside: &[Stated<'_>]) {
    for (path, value) in beside {
        if tree.get(&path[..path.len() - 2]).is_some_and(|map| !map.is_empty()) {
            tree.put(path, value.clone());
        }
    }
}

/// The keys of each component's `resources` as they are, with the words of what `stays`.
pub(super) fn beside<'a>(
    plan: &'a Plan,
    services: &'a [Service],
    live: &Live,
    stays: &[Stated<'a>],
) -> Vec<Stated<'a>> {
    let words = |path: &[&str], amount: Amount| match stays.iter().find(|(of, _)| of == path) {
        Some((_, Tree::Leaf(_, why))) => Tree::Leaf(amount.into(), why.clone()),
        _ => Tree::Leaf(amount.into(), vec!["kept".to_owned()]),
    };
    let all = resources(plan, services, live).into_iter();
    let stated = |(path, amount): (Vec<&'a str>, Amount)| {
        let value = words(&path, amount);
        (path, value)
    };
    all.map(stated).collect()
}

fn rest<'a>(tree: &mut Tree, path: &mut Vec<&'a str>, earlier: &'a Value) {
    let why = || vec!["kept".to_owned(), "as it was here".to_owned()];
    let leaf = match earlier {
        Value::Object(entries) if !entries.is_empty() => {
            for (name, value) in entries {
                path.push(name);
                rest(tree, path, value);
                path.pop();
            }
            return;
        }
        Value::Number(number) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
        _ => None,
    };
    let leaf = match (leaf, earlier) {
        (Some(count), _) => Tree::Leaf(Scalar::Int(count), why()),
        (None, Value::String(text)) => Tree::Leaf(Scalar::from(text.as_str()), why()),
        (None, other) => Tree::Json(other.clone()),
    };
    tree.put(path, leaf);
}

/// What a component's `resources` hold today. A chart may take a `resources` that is set for all there is, in place of a
/// preset of its own, so where one key of it is stated the others are stated too, as far as they are known.
pub(super) fn resources<'a>(
    plan: &'a Plan,
    services: &'a [Service],
    live: &Live,
) -> BTreeMap<Vec<&'a str>, Amount> {
    let mut all: BTreeMap<Vec<&str>, BTreeSet<u64>> = BTreeMap::new();
    let mut known = BTreeMap::new();
    for (service, component) in components(services) {
        let Some(base) = component.helm.as_deref() else { continue };
        let mine = std::slice::from_ref(service);
        let said: Vec<_> = of_services(plan, mine)
            .map(|(_, one)| one)
            .filter(|one| one.component == component.name)
            .collect();
        let told = container(live, service, component);
        let cpu = told.and_then(|one| one.requests.cpu).map(Amount::Cpu);
        let memory =
            |of: fn(&Container) -> &Amounts| told.and_then(|one| of(one).memory).map(Amount::Bytes);
        let settings = [
            (&[Setting::CpuRequest][..], cpu),
            (&[Setting::MemoryRequest], memory(|one| &one.requests)),
            (&[Setting::MemoryLimit, Setting::Memory], memory(|one| &one.limits)),
        ];
        for (settings, told) in settings {
            let said = said.iter().filter(|one| settings.contains(&one.setting));
            let said = said.filter_map(|one| one.current).max_by_key(|amount| amount.figure());
            let place = settings.first().and_then(|setting| key(*setting));
            if let Some((key, amount)) = place.zip(said.or(told)) {
                all.entry(path(base, key)).or_default().insert(amount.figure());
                known.insert(path(base, key), amount);
            }
        }
    }
    // of two components behind one key neither's is the other's
    known.retain(|path, _| all[path].len() == 1);
    known
}

/// The limits of CPU that the cluster told beside a `resources` that the overlay states. They are not ours to state.
pub(super) fn not_ours(tree: &Tree, services: &[Service], live: &Live) -> Vec<String> {
    let one = |(service, component): (&Service, &Component)| {
        let limit = container(live, service, component)?.limits.cpu?;
        let place = path(component.helm.as_deref()?, &["resources"]);
        let stated = tree.get(&place).is_some_and(|map| map.get(&["limits", "cpu"]).is_none());
        let place = place.join(".");
        stated.then(|| {
            format!(
                "not ours: `{place}.limits.cpu`, {limit}; a chart that has it by a preset loses it"
            )
        })
    };
    components(services).filter_map(one).collect()
}

fn components(services: &[Service]) -> impl Iterator<Item = (&Service, &Component)> {
    services.iter().flat_map(|service| service.components.iter().map(move |one| (service, one)))
}

fn container<'a>(
    live: &'a Live,
    service: &Service,
    component: &Component,
) -> Option<&'a Container> {
    live.workload(&service.name, &component.name)?.container.as_ref()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::advise::plan::Code;
    use crate::render::example::{self, API, REDIS, WORKER, count, mebibytes};
    use crate::render::helm::{carried_on, is_empty, overlay};
    use crate::service::live::Workload;

    const EARLIER: &str = "\
# written by plimsoll 0.1.0 at 2026-11-16T01:00:00Z, settings 0353b09d2456
api:
  autoscaling:
    maxReplicas: 10    # was 5      TIER_ROW
    minReplicas: 5     # was 3      TIER_ROW
gone: {replicaCount: 7, on: true, list: [1, a]}
redis:
  master:
    resources:
      limits:
        memory: 1Gi    # was 512Mi  TIER_ROW
worker:
  replicaCount: 4      # was 3      TIER_ROW
";

    fn why() -> Vec<crate::advise::plan::Reason> {
        vec![example::because(Code::TierRow, "High")]
    }

    #[test]
    fn what_took_effect_stays_and_what_is_judged_has_the_value_in_force() {
        // the minimum is kept at 6, more than the file says; of the worker nothing is known, of redis nothing is said
        let plan = example::plan_of(vec![example::service_plan(vec![
            example::setting(API, Setting::MinReplicas, count(6), count(6), why()),
            example::setting(API, Setting::MaxReplicas, count(10), count(12), why()),
            example::setting(WORKER, Setting::Replicas, count(3), None, why()),
        ])]);
        let text = carried_on(EARLIER, &plan, &[example::service()], &Live::default()).unwrap();
        let expected = "\
# written by plimsoll 0.1.0 at 2026-11-23T01:00:00Z, settings 0353b09d2456
# pass it last; it holds only the keys that plimsoll owns
# `kept`: set by an earlier run; without it the release falls back
# undo: helm rollback jarvis -n jarvis
api:
  autoscaling:
    maxReplicas: 12    # was 10  TIER_ROW
    minReplicas: 6     # kept    TIER_ROW
gone:
  list: [1,\"a\"]
  \"on\": true
  replicaCount: 7      # kept    as it was here
redis:
  master:
    resources:
      limits:
        memory: 1Gi    # kept    as it was here
worker:
  replicaCount: 4      # kept    as it was here
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_raise_lowers_nothing_that_the_overlay_says_already() {
        let one =
            |setting, now, then| example::setting(API, setting, count(now), count(then), why());
        let of = |least, most| {
            let plan = example::plan_of(vec![example::service_plan(vec![
                one(Setting::MinReplicas, least, 4),
                one(Setting::MaxReplicas, most, 9),
            ])]);
            carried_on(EARLIER, &plan, &[example::service()], &Live::default()).unwrap()
        };
        let text = of(3, 5);
        assert!(text.contains("    maxReplicas: 10    # kept  as it was here"), "{text}");
        assert!(text.contains("    minReplicas: 5     # kept  as it was here"), "{text}");
        let said =
            "# `api.autoscaling.maxReplicas` says 10, and 9 is advised: a raise lowers nothing";
        assert!(text.contains(said), "{text}");
        // what is lowered from what is in force is
        let text = of(5, 10);
        assert!(text.contains("maxReplicas: 9 ") && text.contains("minReplicas: 4 "), "{text}");
    }

    #[test]
    fn absent_data_takes_nothing_out_of_an_overlay_and_twice_is_once() {
        let mut plan = example::plan();
        plan.services[0].recommendations.clear();
        let services = [example::service()];
        let once = carried_on(EARLIER, &plan, &services, &Live::default()).unwrap();
        let data = |text: &str| crate::render::values_file::data(text).unwrap();
        assert_eq!(data(&once), data(EARLIER));
        assert!(!once.contains("undo") && !is_empty(&once), "{once}");
        let twice = carried_on(&once, &plan, &services, &Live::default()).unwrap();
        assert_eq!(once, twice);
        // over an empty one, the overlay is what it is where none is there
        let fresh = overlay(&plan, &services, &Live::default());
        assert_eq!(carried_on(&fresh, &plan, &services, &Live::default()).unwrap(), fresh);
    }

    #[test]
    fn of_two_settings_behind_one_key_the_larger_stays() {
        let of =
            |setting, now| example::setting(REDIS, setting, mebibytes(now), mebibytes(now), why());
        let plan = example::plan_of(vec![example::service_plan(vec![
            of(Setting::Memory, 512),
            of(Setting::MemoryLimit, 2048),
        ])]);
        let text = carried_on(EARLIER, &plan, &[example::service()], &Live::default()).unwrap();
        let data = crate::render::values_file::data(&text).unwrap();
        assert_eq!(data["redis"]["master"]["resources"], json!({"limits": {"memory": "2Gi"}}));
    }

    #[test]
    fn where_one_key_of_resources_is_stated_the_others_are_stated_as_they_are() {
        let of = |setting, now, then| {
            example::setting(REDIS, setting, mebibytes(now), mebibytes(then), why())
        };
        let plan = example::plan_of(vec![example::service_plan(vec![
            of(Setting::Memory, 768, 1024),
            of(Setting::MemoryRequest, 512, 512),
        ])]);
        let cpu = |millicores| Some(crate::units::Millicores(millicores));
        let container = Container {
            name: "redis".to_owned(),
            requests: Amounts { cpu: cpu(500), memory: None },
            limits: Amounts { cpu: cpu(750), memory: None },
        };
        let redis = Workload { container: Some(container), ..Workload::default() };
        let workloads = [(("jarvis".to_owned(), "redis".to_owned()), redis)].into();
        let live = Live { workloads, ..Live::default() };
        let services = [example::service()];
        let text = overlay(&plan, &services, &live);
        let expected = "\
# not ours: `redis.master.resources.limits.cpu`, 750m; a chart that has it by a preset loses it
redis:
  master:
    resources:
      limits:
        memory: 1Gi      # was 768Mi  TIER_ROW
      requests:
        cpu: 500m        # kept
        memory: 512Mi    # kept       TIER_ROW
";
        assert!(text.ends_with(expected), "{text}");
        // what is stated to complete it was set by no earlier run
        assert_eq!(carried_on(&text, &plan, &services, &live).unwrap(), text);
        // nothing of it where no key of them changes
        let count = example::setting(WORKER, Setting::Replicas, count(2), count(3), why());
        let plan = example::plan_of(vec![example::service_plan(vec![
            count,
            of(Setting::Memory, 512, 512),
        ])]);
        let text = overlay(&plan, &services, &live);
        assert!(text.ends_with("\nworker:\n  replicaCount: 3    # was 2  TIER_ROW\n"), "{text}");
    }

    #[test]
    fn a_values_file_without_resources_gets_all_that_is_known_of_them() {
        let of = |setting, now, then| {
            example::setting(REDIS, setting, mebibytes(now), mebibytes(then), why())
        };
        let plan = example::plan_of(vec![example::service_plan(vec![
            of(Setting::Memory, 768, 1024),
            of(Setting::MemoryRequest, 512, 512),
        ])]);
        let wanted = crate::render::helm::wanted(&plan, &[example::service()], &Live::default());
        let edited = |text: &str| {
            let done = crate::render::values_file::edit(text, &wanted).unwrap();
            assert_eq!(done.left, Vec::<String>::new());
            done.text
        };
        let limits = "      limits:\n        memory: 1Gi\n";
        let both = format!(
            "redis:\n  master:\n    resources:\n{limits}      requests:\n        memory: 512Mi\n"
        );
        assert_eq!(edited("redis:\n  master:\n    resources: {}\n"), both);
        // what the file has is merged with by Helm, unless it is an overlay
        let own = "redis:\n  master:\n    resources:\n      limits:\n        cpu: 1\n";
        assert_eq!(edited(own), format!("{own}        memory: 1Gi\n"));
        let head = "# written by plimsoll 0.1.0 at 2026-11-16T01:00:00Z, settings 0353b09d2456\n";
        let again = edited(&format!("{head}{own}"));
        assert!(
            again.ends_with("        memory: 1Gi\n      requests:\n        memory: 512Mi\n"),
            "{again}"
        );
    }

    #[test]
    fn a_count_that_sleeps_or_that_an_hpa_has_is_not_taken_for_the_file() {
        let keeps = |of, setting, now| example::setting(of, setting, count(now), count(now), why());
        let plan = example::plan_of(vec![example::service_plan(vec![
            keeps(WORKER, Setting::Replicas, 0),
            keeps(API, Setting::Replicas, 9),
            keeps(API, Setting::MaxReplicas, 10),
        ])]);
        let earlier = format!("{EARLIER}extra: 1\n").replace("api:\n", "api:\n  replicaCount: 2\n");
        let text = carried_on(&earlier, &plan, &[example::service()], &Live::default()).unwrap();
        let data = crate::render::values_file::data(&text).unwrap();
        assert_eq!(data["worker"]["replicaCount"], 4);
        assert_eq!(data["api"]["replicaCount"], 2);
    }
}
