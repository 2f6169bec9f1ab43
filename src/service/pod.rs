//! What a pod asks for, and which rules of its namespace hold for it, as the API server counts (Kubernetes: "Resource
//! sharing within containers", "Pod Quality of Service Classes", "Limit Ranges", "Resource Quotas").
//!
//! A pod is the `spec` of its template, as it stands; null, where nobody told.

use serde_json::Value;

use crate::service::live::{Amounts, Counted, LimitRange, Quota, Scope};
use crate::units::{Bytes, Millicores};

/// Its containers, without those that only prepare it.
pub fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    pod["containers"].as_array().into_iter().flatten()
}

/// Requests and limits of a container; what is not requested is requested as much as it is limited.
#[must_use]
pub fn amounts(container: &Value) -> (Amounts, Amounts) {
    let (requests, limits) = stated(container);
    (or(requests, limits), limits)
}

/// Requests and limits as they stand, of a container or of the pod as a whole.
fn stated(of: &Value) -> (Amounts, Amounts) {
    (figures(&of["resources"]["requests"]), figures(&of["resources"]["limits"]))
}

fn figures(group: &Value) -> Amounts {
    let cpu = group["cpu"].as_str().and_then(|cpu| cpu.parse::<Millicores>().ok());
    let memory = group["memory"].as_str().and_then(|memory| memory.parse::<Bytes>().ok());
    Amounts { cpu, memory }
}

/// A quantity of a container as it is spelt: `requests` or `limits`, and `cpu` or `memory`.
#[must_use]
pub fn spelt<'a>(pod: &'a Value, container: &str, [group, key]: [&str; 2]) -> Option<&'a str> {
    containers(pod).find(|one| one["name"] == container)?["resources"][group][key].as_str()
}

/// The class of service of its pods.
#[must_use]
pub fn class(pod: &Value) -> &'static str {
    class_under(pod, &[])
}

/// The same once the limit ranges gave what is not stated, as they do before a quota counts.
fn class_under(pod: &Value, ranges: &[LimitRange]) -> &'static str {
    let given = |container| given(container, ranges);
    // what is asked for as a whole is all that counts
    let of_all = stated(pod) != <(Amounts, Amounts)>::default();
    let all: Vec<(Amounts, Amounts)> = if of_all {
        vec![asks(pod, ranges)]
    } else {
        containers(pod).chain(first(pod)).map(given).collect()
    };
    let whole = |(requests, limits): &(Amounts, Amounts)| {
        limits.cpu.is_some() && limits.memory.is_some() && requests == limits
    };
    if all.is_empty() || all.iter().all(|(requests, _)| *requests == Amounts::default()) {
        "BestEffort"
    } else if all.iter().all(whole) {
        "Guaranteed"
    } else {
        "Burstable"
    }
}

/// What the whole pod requests and may not exceed, once the limit ranges have given it what it does not state, and with what
/// its sandbox takes (Kubernetes: "Resource sharing within containers", "Pod-level resources", "Pod Overhead").
#[must_use]
pub fn asks(pod: &Value, ranges: &[LimitRange]) -> (Amounts, Amounts) {
    let sum = together(pod, ranges);
    let whole = stated(pod);
    // what is asked for as a whole stands for what its containers come to
    let requests = or(or(whole.0, sum.0), whole.1);
    let limits = or(whole.1, sum.1);
    let sandbox = figures(&pod["overhead"]);
    // what has no limit has none with it either
    let beyond =
        Amounts { cpu: limits.cpu.and(sandbox.cpu), memory: limits.memory.and(sandbox.memory) };
    (add(requests, sandbox), add(limits, beyond))
}

/// What its containers come to: the sum of those that stay, and at least what any that prepares it needs beside those that
/// were started before it and stay.
fn together(pod: &Value, ranges: &[LimitRange]) -> (Amounts, Amounts) {
    let both = |join: fn(Amounts, Amounts) -> Amounts| {
        move |a: (Amounts, Amounts), b: (Amounts, Amounts)| (join(a.0, b.0), join(a.1, b.1))
    };
    let mut stay = (Amounts::default(), Amounts::default());
    let mut largest = stay;
    for container in first(pod) {
        let beside = both(add)(stay, given(container, ranges));
        largest = both(most)(largest, beside);
        if stays(container) {
            stay = beside;
        }
    }
    let all = containers(pod).map(|container| given(container, ranges));
    both(most)(all.fold(stay, both(add)), largest)
}

/// Whether a container that prepares the pod stays beside the others (Kubernetes, "Sidecar Containers").
fn stays(container: &Value) -> bool {
    container["restartPolicy"] == "Always"
}

/// What no server makes a pod of: a container that requests more than its limit, be it one that a limit range gives it, or
/// containers that come to more than the pod as a whole.
#[must_use]
pub fn contradiction(pod: &Value, ranges: &[LimitRange]) -> Option<String> {
    let over = |one: Amounts, most: Amounts| {
        let above = |one: Option<u64>, most: Option<u64>| one.zip(most).is_some_and(|(a, b)| a > b);
        above(one.cpu.map(|cpu| cpu.0), most.cpu.map(|cpu| cpu.0))
            || above(one.memory.map(|of| of.0), most.memory.map(|of| of.0))
    };
    let (requests, limits) = stated(pod);
    let as_a_whole = (requests, limits) != <(Amounts, Amounts)>::default();
    // the server fills in what the pod does not request before the limit ranges give its containers anything
    let filled = or(requests, if as_a_whole { together(pod, &[]).0 } else { limits });
    if over(together(pod, ranges).0, or(filled, limits)) {
        return Some("its containers would request more than its pod as a whole".to_owned());
    }
    containers(pod).chain(first(pod)).find_map(|container| {
        let name = container["name"].as_str().unwrap_or_default();
        let (requests, most) = given(container, ranges);
        if over(requests, most) {
            return Some(format!("container `{name}` would request more than its limit"));
        }
        over(amounts(container).1, limits)
            .then(|| format!("container `{name}` would be limited to more than its pod as a whole"))
    })
}

/// The limit range that would keep such a pod out, and which part of the pod it minds.
#[must_use]
pub fn outside<'a>(pod: &Value, ranges: &'a [LimitRange]) -> Option<(&'a LimitRange, String)> {
    if pod.is_null() {
        return None;
    }
    for range in ranges {
        if range.of == "Pod" && refuses(range, asks(pod, ranges)) {
            return Some((range, "its pod, as the sum of all containers,".to_owned()));
        }
        let minded = |container: &&Value| refuses(range, given(container, ranges));
        let found = containers(pod).chain(first(pod)).find(minded);
        if let Some(container) = found.filter(|_| range.of == "Container") {
            let name = container["name"].as_str().unwrap_or_default();
            return Some((range, format!("container `{name}`")));
        }
    }
    None
}

/// A container that states nothing of what a quota counts, and what that is: the server makes no such pod. Where the pod as a
/// whole says what it asks for, its containers need not.
#[must_use]
pub fn unstated(
    pod: &Value,
    quota: &Quota,
    ranges: &[LimitRange],
) -> Option<(String, &'static str)> {
    let whole = &pod["resources"];
    let states = |key: &str| whole[key].as_object().is_some_and(|all| !all.is_empty());
    if states("requests") || states("limits") {
        return None;
    }
    containers(pod).chain(first(pod)).find_map(|container| {
        let (requests, limits) = given(container, ranges);
        let all = [
            (Counted::CpuRequests, requests.cpu.is_some(), "CPU requests"),
            (Counted::MemoryRequests, requests.memory.is_some(), "memory requests"),
            (Counted::CpuLimits, limits.cpu.is_some(), "CPU limits"),
            (Counted::MemoryLimits, limits.memory.is_some(), "memory limits"),
        ];
        let lacks = |(counted, states, _): &(Counted, bool, _)| {
            !states && quota.counts.contains_key(counted)
        };
        let (_, _, what) = all.into_iter().find(lacks)?;
        Some((container["name"].as_str().unwrap_or_default().to_owned(), what))
    })
}

/// Whether a quota of these scopes counts such a pod; one of which that is not known does.
#[must_use]
pub fn is_counted(pod: &Value, scopes: &[Scope], ranges: &[LimitRange]) -> bool {
    scopes.iter().all(|scope| match scope {
        Scope::Terminating(is) => pod["activeDeadlineSeconds"].is_number() == *is,
        Scope::BestEffort(is) => (class_under(pod, ranges) == "BestEffort") == *is,
        Scope::Priority(classes) => {
            // who names none may be given one by the cluster
            let named = pod["priorityClassName"].as_str();
            named.is_none_or(|named| classes.iter().any(|class| class == named))
        }
        Scope::Affinity => {
            ["podAffinity", "podAntiAffinity"].iter().any(|key| reaches(&pod["affinity"][key]))
        }
        Scope::Other => true,
    })
}

/// Whether a term of an affinity looks at pods of other namespaces.
fn reaches(affinity: &Value) -> bool {
    let terms = ["required", "preferred"]
        .map(|how| affinity[format!("{how}DuringSchedulingIgnoredDuringExecution")].as_array());
    terms.into_iter().flatten().flatten().any(|term| {
        let term = term.get("podAffinityTerm").unwrap_or(term);
        ["namespaces", "namespaceSelector"].iter().any(|key| !term[key].is_null())
    })
}

fn first(pod: &Value) -> impl Iterator<Item = &Value> {
    pod["initContainers"].as_array().into_iter().flatten()
}

/// What a container has once the limit ranges gave it what it does not state.
fn given(container: &Value, ranges: &[LimitRange]) -> (Amounts, Amounts) {
    let (requests, limits) = amounts(container);
    let usual = ranges.iter().filter(|range| range.of == "Container");
    usual.fold((requests, limits), |(requests, limits), range| {
        (or(requests, range.default_request), or(limits, range.default))
    })
}

/// Whether a rule keeps out what has these requests and limits: where it has a maximum it wants a limit, where it has a
/// minimum, a request, and where it has a ratio, both.
fn refuses(range: &LimitRange, (requests, limits): (Amounts, Amounts)) -> bool {
    let figures = |of: Amounts| [of.cpu.map(|cpu| cpu.0), of.memory.map(|memory| memory.0)];
    let (most, least) = (figures(range.max), figures(range.min));
    let (requests, limits) = (figures(requests), figures(limits));
    (0..2).any(|i| {
        let above = |of: Option<u64>| of.zip(most[i]).is_some_and(|(of, most)| of > most);
        let below = |of: Option<u64>| of.zip(least[i]).is_some_and(|(of, least)| of < least);
        let open = most[i].is_some() && limits[i].is_none();
        let unsaid = least[i].is_some() && requests[i].is_none();
        let wide = range.max_ratio[i].is_some_and(|most| match (requests[i], limits[i]) {
            (Some(request), Some(limit)) if request > 0 && limit > 0 => {
                u128::from(limit) * 1000 > u128::from(most) * u128::from(request)
            }
            _ => true,
        });
        open || unsaid
            || wide
            || above(limits[i])
            || above(requests[i])
            || below(requests[i])
            || below(limits[i])
    })
}

fn or(one: Amounts, other: Amounts) -> Amounts {
    Amounts { cpu: one.cpu.or(other.cpu), memory: one.memory.or(other.memory) }
}

/// The two by `join`, where both are stated; else the one that is.
fn joined(one: Amounts, other: Amounts, join: fn(u64, u64) -> u64) -> Amounts {
    let both = |one: Option<u64>, other: Option<u64>| match (one, other) {
        (Some(one), Some(other)) => Some(join(one, other)),
        (one, other) => one.or(other),
    };
    Amounts {
        cpu: both(one.cpu.map(|cpu| cpu.0), other.cpu.map(|cpu| cpu.0)).map(Millicores),
        memory: both(one.memory.map(|of| of.0), other.memory.map(|of| of.0)).map(Bytes),
    }
}

fn add(one: Amounts, other: Amounts) -> Amounts {
    joined(one, other, u64::saturating_add)
}

fn most(one: Amounts, other: Amounts) -> Amounts {
    joined(one, other, u64::max)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::service::live::Taken;

    fn memory(mebibytes: u64) -> Amounts {
        Amounts { cpu: None, memory: Some(Bytes(mebibytes << 20)) }
    }

    fn range(of: &str, max: Amounts, default: Amounts) -> LimitRange {
        LimitRange {
            name: "sizes".to_owned(),
            of: of.to_owned(),
            min: Amounts::default(),
            max,
            max_ratio: [None; 2],
            default,
            default_request: default,
        }
    }

    /// A container of its limit in mebibytes.
    fn of(name: &str, limit: u64) -> Value {
        json!({"name": name, "resources": {"limits": {"memory": format!("{limit}Mi")}}})
    }

    #[test]
    fn a_limit_range_of_pods_minds_the_sum_of_all_containers() {
        let none = Amounts::default();
        let pod = json!({"containers": [of("redis", 512), of("exporter", 128)]});
        let said = |pod: &Value, ranges: &[LimitRange]| outside(pod, ranges).map(|(_, what)| what);
        assert_eq!(said(&pod, &[range("Pod", memory(640), none)]), None);
        let what = said(&pod, &[range("Pod", memory(639), none)]).unwrap();
        assert!(what.starts_with("its pod"), "{what}");
        assert_eq!(said(&pod, &[range("Container", memory(639), none)]), None);
        let what = said(&pod, &[range("Container", memory(500), none)]).unwrap();
        assert_eq!(what, "container `redis`");
        // what prepares the pod is gone before the others begin, what stays beside them is not
        let with = |first: Value| {
            let mut pod = pod.clone();
            pod["initContainers"] = json!([first]);
            asks(&pod, &[]).1
        };
        assert_eq!(with(of("copies", 600)), memory(640));
        assert_eq!(with(of("copies", 700)), memory(700));
        let mut mesh = of("mesh", 60);
        mesh["restartPolicy"] = json!("Always");
        assert_eq!(with(mesh), memory(700));
    }

    #[test]
    fn what_no_server_makes_a_pod_of_is_named() {
        let asks_for = |cpu: &str, limit: Value| json!({"name": "api", "resources": {"requests": {"cpu": cpu}, "limits": limit}});
        let said = |pod: &Value, ranges: &[LimitRange]| contradiction(pod, ranges);
        let one = |cpu: &str, limit: Value| json!({"containers": [asks_for(cpu, limit)]});
        let none = Amounts::default();
        let usual = Amounts { cpu: Some(Millicores(800)), memory: None };
        let ranges = [range("Container", none, usual)];
        let over = Some("container `api` would request more than its limit".to_owned());
        assert_eq!(said(&one("1200m", Value::Null), &[]), None);
        assert_eq!(said(&one("1200m", json!({"cpu": "1"})), &[]), over);
        // a limit that a limit range gives is one
        assert_eq!(said(&one("1200m", Value::Null), &ranges), over);
        assert_eq!(said(&one("1200m", json!({"cpu": "2"})), &ranges), None);
        assert_eq!(said(&one("800m", Value::Null), &ranges), None);
        let mut whole = one("1200m", Value::Null);
        whole["resources"] = json!({"requests": {"cpu": "1"}, "limits": {"cpu": "2"}});
        assert!(said(&whole, &[]).unwrap().contains("its pod as a whole"));
        whole["resources"]["requests"]["cpu"] = json!("1200m");
        assert_eq!(said(&whole, &[]), None);
        // what the pod does not request is what its containers state, before a limit range gives any of them more
        let memory = json!({"name": "api", "resources": {"requests": {"memory": "256Mi"}}});
        let mut beside = json!({"containers": [memory, {"name": "mesh"}]});
        let gives = range("Container", none, Amounts { cpu: None, memory: Some(Bytes(300 << 20)) });
        assert_eq!(said(&beside, std::slice::from_ref(&gives)), None);
        beside["resources"] = json!({"limits": {"cpu": "6"}});
        assert_eq!(said(&beside, &[]), None);
        assert!(said(&beside, &[gives]).unwrap().contains("its pod as a whole"));
        let mut limited = one("1", json!({"cpu": "3"}));
        limited["resources"] = whole["resources"].clone();
        assert!(said(&limited, &[]).unwrap().contains("limited to more"));
    }

    #[test]
    fn what_prepares_a_pod_needs_its_room_beside_what_was_started_before_it_and_stays() {
        let mut mesh = of("mesh", 1024);
        mesh["restartPolicy"] = json!("Always");
        let limit = |first: Value| {
            let pod =
                json!({"initContainers": first, "containers": [of("app", 512), of("log", 64)]});
            asks(&pod, &[]).1
        };
        // 1Gi stays, 2Gi copies beside it; then 1Gi, 512Mi and 64Mi run
        assert_eq!(limit(json!([mesh, of("copies", 2048)])), memory(3072));
        // what starts after the copying is not there yet
        assert_eq!(limit(json!([of("copies", 2048), mesh])), memory(2048));
        assert_eq!(limit(json!([mesh, of("copies", 64)])), memory(1600));
        assert_eq!(limit(json!([mesh, of("copies", 64), mesh, of("moves", 128)])), memory(2624));
    }

    #[test]
    fn what_is_asked_for_as_a_whole_stands_for_the_sum_and_a_sandbox_comes_on_top() {
        let mut pod = json!({"containers": [of("app", 512), of("log", 64)]});
        pod["resources"] = json!({"limits": {"memory": "1Gi"}});
        // requests that are not stated are those of the containers
        assert_eq!(asks(&pod, &[]), (memory(576), memory(1024)));
        assert_eq!(class(&pod), "Burstable");
        pod["resources"] = json!({"requests": {"memory": "2Gi"}});
        assert_eq!(asks(&pod, &[]).0, memory(2048));
        let whole = json!({"cpu": "1", "memory": "1Gi"});
        pod["resources"] = json!({"requests": whole, "limits": whole});
        assert_eq!(class(&pod), "Guaranteed");
        let bare = json!({"containers": [{"name": "app"}], "resources": {"limits": {"memory": "1Gi"}},
            "overhead": {"cpu": "250m", "memory": "120Mi"}});
        let cpu = Some(Millicores(250));
        assert_eq!(asks(&bare, &[]), (Amounts { cpu, ..memory(1144) }, memory(1144)));
    }

    #[test]
    fn a_container_without_a_limit_gets_the_usual_one_and_is_kept_out_where_there_is_none() {
        let none = Amounts::default();
        let pod = json!({"containers": [of("redis", 512), {"name": "exporter"}]});
        let ranges = |usual| [range("Container", none, usual), range("Pod", memory(600), none)];
        assert_eq!(asks(&pod, &ranges(memory(100))).1, memory(612));
        assert!(outside(&pod, &ranges(memory(100))).is_some());
        assert_eq!(outside(&pod, &ranges(memory(80))), None);
        assert!(outside(&pod, &[range("Container", memory(600), none)]).is_some());
        assert_eq!(outside(&Value::Null, &ranges(memory(100))), None);
    }

    #[test]
    fn a_quota_wants_of_every_container_what_it_counts() {
        let counts = [(Counted::MemoryLimits, Taken { hard: 9000, used: 9000 })].into();
        let quota = Quota { name: "team".to_owned(), scopes: Vec::new(), counts };
        let mut pod = json!({"containers": [of("redis", 512), {"name": "exporter"}]});
        let said = |pod: &Value, ranges: &[LimitRange]| unstated(pod, &quota, ranges);
        assert_eq!(said(&pod, &[]), Some(("exporter".to_owned(), "memory limits")));
        assert_eq!(said(&pod, &[range("Container", Amounts::default(), memory(64))]), None);
        pod["resources"] = json!({"limits": {"memory": "1Gi"}});
        assert_eq!(said(&pod, &[]), None);
        assert_eq!(said(&json!({"containers": [of("redis", 512)]}), &[]), None);
    }

    #[test]
    fn a_limit_may_be_so_many_times_its_request_and_both_must_be_stated() {
        let kept_out = |resources: Value, ratio| {
            let rule = LimitRange {
                max_ratio: [None, ratio],
                ..range("Container", Amounts::default(), Amounts::default())
            };
            let pod = json!({"containers": [{"name": "redis", "resources": resources}]});
            outside(&pod, &[rule]).is_some()
        };
        let of =
            |request: &str| json!({"requests": {"memory": request}, "limits": {"memory": "300Mi"}});
        assert_eq!(
            ["150Mi", "200Mi", "100Mi"].map(|request| kept_out(of(request), Some(2000))),
            [false, false, true]
        );
        assert!(kept_out(of("150Mi"), Some(1500)) && !kept_out(of("200Mi"), Some(1500)));
        // who states no request asks for the limit; who states no limit may take anything
        assert!(!kept_out(json!({"limits": {"memory": "300Mi"}}), Some(1000)));
        assert!(kept_out(json!({"requests": {"memory": "300Mi"}}), Some(1000)));
        assert!(!kept_out(json!({}), None));
    }

    #[test]
    fn a_scope_counts_the_pods_that_are_in_it_and_those_of_which_that_is_not_known() {
        let mut pod = json!({"containers": [of("redis", 512)]});
        let counted = |pod: &Value, scope: Scope| is_counted(pod, &[scope], &[]);
        assert!(is_counted(&pod, &[], &[]) && counted(&pod, Scope::Other));
        for is in [true, false] {
            assert_eq!(counted(&pod, Scope::Terminating(is)), !is);
            assert_eq!(counted(&pod, Scope::BestEffort(is)), !is);
        }
        assert!(!is_counted(&pod, &[Scope::Terminating(false), Scope::BestEffort(true)], &[]));
        // what a limit range gives is given before a quota counts
        let bare = json!({"containers": [{"name": "redis"}]});
        let usual = [range("Container", Amounts::default(), memory(100))];
        assert!(counted(&bare, Scope::BestEffort(true)));
        assert!(is_counted(&bare, &[Scope::BestEffort(false)], &usual));
        let high = || Scope::Priority(vec!["high".to_owned()]);
        assert!(counted(&pod, high()) && !counted(&pod, Scope::Affinity));
        pod["priorityClassName"] = json!("low");
        let term = |namespaces: Value| json!({"topologyKey": "zone", "namespaces": namespaces});
        let apart = |term| json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}});
        pod["affinity"] = apart(term(Value::Null));
        assert!(!counted(&pod, Scope::Affinity), "only of its own namespace");
        pod["affinity"] = apart(term(json!(["other"])));
        pod["activeDeadlineSeconds"] = json!(60);
        assert!(!counted(&pod, high()) && counted(&pod, Scope::Affinity));
        assert!(counted(&pod, Scope::Terminating(true)));
    }
}
