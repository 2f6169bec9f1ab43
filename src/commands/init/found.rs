//! What a cluster runs, as the components of a first `plimsoll.yaml`: one to begin with, and the others as
//! comments, since only the team knows what its table gives to each.

use crate::render::yaml::quoted;
use crate::service::live::{Hpa, ScaledObject, Scaler, Workload};
use crate::service::{Component, Target, pod};

/// Keys that a row of the table has for itself.
const OF_A_ROW: [&str; 3] = ["name", "below", "from"];
/// Characters of a component's name, as of every label of Kubernetes; an object's may have 253.
const NAME_MAX: usize = 63;

/// The names that objects have in the table, none of them twice or of those that are taken.
#[must_use]
pub fn names(service: &str, found: &[(Target, Workload)], taken: &[String]) -> Vec<String> {
    let mut names = taken.to_vec();
    for (target, _) in found {
        let free = |name: &String| !names.contains(name) && !OF_A_ROW.contains(&name.as_str());
        let name = candidates(service, target).find(free);
        names.extend(name);
    }
    names.split_off(taken.len())
}

/// What an object may be called, the best first: its name without the service's in front, the whole, and that counted.
fn candidates(service: &str, target: &Target) -> impl Iterator<Item = String> {
    let own = target.name.strip_prefix(service).and_then(|rest| rest.strip_prefix('-'));
    let own = own.map(|own| label(own.trim_start_matches('-'), NAME_MAX));
    let whole = label(&target.name, NAME_MAX);
    let room_for_a_count = label(&target.name, NAME_MAX - "-4294967295".len());
    let counted = (2_u32..).map(move |n| format!("{room_for_a_count}-{n}"));
    own.filter(|own| !own.is_empty()).into_iter().chain([whole]).chain(counted)
}

fn label(name: &str, max: usize) -> String {
    let name: String = name.chars().take(max).collect();
    name.replace('.', "-").trim_end_matches('-').to_owned()
}

/// The first component, and behind it the others.
#[must_use]
pub fn components(service: &str, found: &[(Target, Workload)]) -> String {
    let lines = lines(service, found, &[]);
    let Some((first, others)) = lines.split_first() else { return String::new() };
    let first = first.replace('\n', "\n  # ");
    format!("{first}\n{}", commented(others))
}

/// What runs beside the components of a runbook.
#[must_use]
pub fn beside(service: &str, found: &[(Target, Workload)], components: &[Component]) -> String {
    let is_one = |target: &Target| components.iter().any(|component| component.target == *target);
    let others: Vec<_> = found.iter().filter(|(target, _)| !is_one(target)).cloned().collect();
    let taken: Vec<String> = components.iter().map(|component| component.name.clone()).collect();
    commented(&lines(service, &others, &taken))
}

/// Components that wait for their column.
fn commented(components: &[String]) -> String {
    if components.is_empty() {
        return String::new();
    }
    let lines = components.iter().flat_map(|component| component.lines());
    let lines: String = lines.map(|line| format!("  # {line}\n")).collect();
    format!(
        "  # It runs these too. Give each that grows with the load a column in the table, and take its `#` away:\n{lines}"
    )
}

/// What runs there too, and is of kinds that are not sized.
#[must_use]
pub fn others(others: &[String]) -> String {
    if others.is_empty() {
        return String::new();
    }
    // a name from elsewhere ends no line
    let line = |one: &String| format!("  #   {}\n", one.replace(char::is_control, ""));
    let lines: String = others.iter().map(line).collect();
    format!("  # Only Deployments and StatefulSets are sized; these are not:\n{lines}")
}

fn lines(service: &str, found: &[(Target, Workload)], taken: &[String]) -> Vec<String> {
    let names = names(service, found, taken);
    let lines = names.iter().zip(found);
    lines.map(|(name, (target, workload))| line(name, target, workload)).collect()
}

/// A component, and what is to be set in it.
fn line(name: &str, target: &Target, workload: &Workload) -> String {
    let of = name;
    let name = quoted(name);
    let told = workload.container.as_ref().map(|container| container.name.as_str());
    let container = told.filter(|told| *told != target.name);
    let container = container.map(|container| format!(", container: {}", quoted(container)));
    let line = format!(
        "{name}: {{target: {target}{}, helm: {name}}}   # {}",
        container.unwrap_or_default(),
        scaling(workload)
    );
    // a name from elsewhere ends no line
    let plain = |line: String| line.replace(char::is_control, "");
    let line = plain(line);
    match unsettled(workload) {
        Some(names) => {
            let names = names.join(" | ");
            let which =
                format!("  container: {names}   # set one in the braces of {of}: it is sized");
            format!("{line}\n{}", plain(which))
        }
        None => line,
    }
}

/// Which components of the settings wait for a container, in words: what runs is named as they name it.
#[must_use]
pub fn waiting(
    service: &str,
    found: &[(Target, Workload)],
    components: &[Component],
) -> Vec<String> {
    let known = |target: &Target| components.iter().find(|one| one.target == *target);
    let others: Vec<_> =
        found.iter().filter(|(target, _)| known(target).is_none()).cloned().collect();
    let taken: Vec<String> = components.iter().map(|component| component.name.clone()).collect();
    let mut others = names(service, &others, &taken).into_iter();
    let named = found.iter().filter_map(|(target, workload)| {
        let name = known(target).map(|one| one.name.clone()).or_else(|| others.next())?;
        Some((name, target, unsettled(workload)?))
    });
    let said = named.map(|(name, target, names)| {
        format!("warning: component `{name}` has no container `{}`, only {}\nhint: set `components.{name}.container`", target.name, names.join(", "))
    });
    said.collect()
}

/// The containers of a pod of which nothing tells the one that is sized.
fn unsettled(workload: &Workload) -> Option<Vec<String>> {
    let names = pod::containers(&workload.pod).filter_map(|one| one["name"].as_str());
    let names: Vec<String> = names.map(quoted).collect();
    (workload.container.is_none() && names.len() > 1).then_some(names)
}

/// How it is scaled today.
fn scaling(workload: &Workload) -> String {
    let bounds = |min: Option<u32>, max: Option<u32>| match (min, max) {
        (Some(min), Some(max)) => format!("{min}-{max} pods"),
        _ => "bounds not told".to_owned(),
    };
    let at = |cpu: Option<u32>| cpu.map(|cpu| format!(", CPU at {cpu} %")).unwrap_or_default();
    match &workload.scaler {
        None if !workload.rivals.is_empty() => {
            format!("several pull at it, and undo each other: {}", workload.rivals.join(", "))
        }
        None => "who scales it was not told".to_owned(),
        Some(Scaler::Nobody) => match workload.replicas {
            Some(1) => "1 pod, no HPA".to_owned(),
            Some(count) => format!("{count} pods, no HPA"),
            None => "no HPA".to_owned(),
        },
        Some(Scaler::Hpa(Hpa { name, min, max, targets, .. })) => {
            format!("HPA {name}: {}{}", bounds(*min, *max), at(targets.cpu))
        }
        Some(Scaler::Keda(ScaledObject { name, min, max, targets, .. })) => {
            format!("KEDA {name}: {}{}", bounds(*min, *max), at(targets.cpu))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(name: &str) -> Target {
        Target { kind: "Deployment".to_owned(), name: name.to_owned() }
    }

    fn found(objects: &[&str]) -> Vec<(Target, Workload)> {
        objects.iter().map(|name| (target(name), Workload::default())).collect()
    }

    #[test]
    fn a_component_is_named_like_its_object_without_the_service() {
        let named = names("shop", &found(&["shop-api", "shopping", "shop", "shop.v2"]), &[]);
        assert_eq!(named, ["api", "shopping", "shop", "shop-v2"]);
    }

    #[test]
    fn a_name_that_is_taken_stands_whole_and_then_counted() {
        let objects = found(&["api", "shop-api", "shop.api", "shop-name", "below", "shop--x"]);
        let named = names("shop", &objects, &[]);
        assert_eq!(named, ["api", "shop-api", "shop-api-2", "shop-name", "below-2", "x"]);
        assert_eq!(names("shop", &objects[1..2], &["api".to_owned()]), ["shop-api"]);
        // 62 letters and a dot: what is cut off there ends in no `-`
        let long = format!("{}.{}", "a".repeat(62), "b".repeat(62));
        let named = names("shop", &found(&[&long, &long]), &[]);
        assert_eq!(named, ["a".repeat(62), format!("{}-2", "a".repeat(52))]);
    }

    #[test]
    fn who_was_not_told_is_not_told_that_there_is_no_hpa() {
        let four = Workload { replicas: Some(4), ..Workload::default() };
        assert_eq!(scaling(&four), "who scales it was not told");
        let rivals = vec!["front".to_owned(), "other".to_owned()];
        let torn = Workload { rivals, ..four.clone() };
        assert_eq!(scaling(&torn), "several pull at it, and undo each other: front, other");
        let alone = Workload { scaler: Some(Scaler::Nobody), ..four };
        assert_eq!(scaling(&alone), "4 pods, no HPA");
    }

    #[test]
    fn of_several_containers_the_sized_one_is_asked_for() {
        let pod = serde_json::json!({"containers": [{"name": "sidecar"}, {"name": "app"}]});
        let mut found = found(&["shop-api", "shop-jobs"]);
        for (_, workload) in &mut found {
            workload.pod = pod.clone();
        }
        let text = components("shop", &found);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 5, "{text}");
        for (line, name) in [(lines[1], "api"), (lines[4], "jobs")] {
            let which = "#   container: sidecar | app   # set one in the braces of";
            assert_eq!(line, format!("  {which} {name}: it is sized"), "{text}");
        }
        let said = waiting("shop", &found, &[]);
        let jobs = "warning: component `jobs` has no container `shop-jobs`, only sidecar, app\nhint: set `components.jobs.container`";
        assert_eq!((said.len(), said[1].as_str()), (2, jobs));
        assert!(lines[3].trim_start().starts_with("# jobs: {target: "), "{text}");
    }

    #[test]
    fn a_name_ends_no_line() {
        let found = found(&["a\nb: {target: Deployment/c}"]);
        assert_eq!(components("shop", &found).lines().count(), 1);
    }
}
