//! What a cluster runs, as the components of a first `plimsoll.yaml`: one to begin with, and the others as
//! comments, since only the team knows what its table gives to each.

use crate::service::Target;
use crate::service::live::{Hpa, ScaledObject, Scaler, Workload};

/// The name that a component has in the table: the object's without the service's in front.
#[must_use]
pub fn name(service: &str, target: &Target) -> String {
    let own = target.name.strip_prefix(service).and_then(|rest| rest.strip_prefix('-'));
    own.filter(|own| !own.is_empty()).unwrap_or(&target.name).replace('.', "-")
}

/// The first component, and behind it the others.
#[must_use]
pub fn components(service: &str, found: &[(Target, Workload)]) -> String {
    let Some(((target, workload), others)) = found.split_first() else { return String::new() };
    line(service, target, workload) + "\n" + &commented(service, others)
}

/// Objects as components that wait for their column.
#[must_use]
pub fn commented(service: &str, found: &[(Target, Workload)]) -> String {
    if found.is_empty() {
        return String::new();
    }
    let lines: String = found
        .iter()
        .map(|(target, workload)| format!("  # {}\n", line(service, target, workload)))
        .collect();
    format!(
        "  # It runs these too. Give each that grows with the load a column in the table, and take its `#` away:\n{lines}"
    )
}

fn line(service: &str, target: &Target, workload: &Workload) -> String {
    let name = name(service, target);
    let told = workload.container.as_ref().map(|container| container.name.as_str());
    let container = told.filter(|told| *told != target.name);
    let container = container.map(|container| format!(", container: {container}"));
    let line = format!(
        "{name}: {{target: {target}{}, helm: {name}}}   # {}",
        container.unwrap_or_default(),
        scaling(workload)
    );
    // a name from elsewhere ends no line
    line.replace(char::is_control, "")
}

/// How it is scaled today.
fn scaling(workload: &Workload) -> String {
    let bounds = |min: Option<u32>, max: Option<u32>| match (min, max) {
        (Some(min), Some(max)) => format!("{min}-{max} pods"),
        _ => "bounds not told".to_owned(),
    };
    let at = |cpu: Option<u32>| cpu.map(|cpu| format!(", CPU at {cpu} %")).unwrap_or_default();
    match &workload.scaler {
        None => "who scales it was not told".to_owned(),
        Some(Scaler::Nobody) => match workload.replicas {
            Some(1) => "1 pod, no HPA".to_owned(),
            Some(count) => format!("{count} pods, no HPA"),
            None => "no HPA".to_owned(),
        },
        Some(Scaler::Hpa(Hpa { name, min, max, target_utilization, .. })) => {
            format!("HPA {name}: {}{}", bounds(*min, *max), at(*target_utilization))
        }
        Some(Scaler::Keda(ScaledObject { name, min, max, target_utilization, .. })) => {
            format!("KEDA {name}: {}{}", bounds(*min, *max), at(*target_utilization))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(name: &str) -> Target {
        Target { kind: "Deployment".to_owned(), name: name.to_owned() }
    }

    #[test]
    fn a_component_is_named_like_its_object_without_the_service() {
        assert_eq!(name("shop", &target("shop-api")), "api");
        assert_eq!(name("shop", &target("shopping")), "shopping");
        assert_eq!(name("shop", &target("shop")), "shop");
        assert_eq!(name("shop", &target("shop.v2")), "shop-v2");
    }

    #[test]
    fn who_was_not_told_is_not_told_that_there_is_no_hpa() {
        let four = Workload { replicas: Some(4), ..Workload::default() };
        assert_eq!(scaling(&four), "who scales it was not told");
        let alone = Workload { scaler: Some(Scaler::Nobody), ..four };
        assert_eq!(scaling(&alone), "4 pods, no HPA");
    }

    #[test]
    fn a_name_ends_no_line() {
        let found = [(target("a\nb: {target: Deployment/c}"), Workload::default())];
        assert_eq!(components("shop", &found).lines().count(), 1);
    }
}
