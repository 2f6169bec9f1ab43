//! Where a values file says less than what is in force and stays: an upgrade by it would lower that.

use serde_json::Value;

use super::kept::said;
use super::{disputed, key, of_services, path};
use crate::advise::plan::{Action, Amount, Plan, Recommendation, Setting};
use crate::render::changes::has_hpa;
use crate::render::values_file;
use crate::service::{Component, Service};

/// Each such key, with what it says and what is in force; empty for a file that cannot be read, which is said elsewhere.
#[must_use]
pub fn behind(text: &str, plan: &Plan, services: &[Service]) -> Vec<String> {
    let file = values_file::data(text).unwrap_or_default();
    let disputed = disputed(plan, services);
    let mut all = Vec::new();
    for (service, one) in of_services(plan, services) {
        let component = service.components.iter().find(|known| known.name == one.component);
        let beside = |component: &Component| is_beside_an_hpa(plan, service, one, component);
        let component = component.filter(|component| !beside(component));
        let place = component.and_then(|component| component.helm.as_deref().zip(key(one.setting)));
        let place =
            place.map(|(base, key)| path(base, key)).filter(|path| !disputed.contains(path));
        let words = place.and_then(|path| less(&file, &path, one));
        all.extend(words.filter(|words| !all.contains(words)));
    }
    all
}

/// A count that an HPA has is nothing of the file.
fn is_beside_an_hpa(
    plan: &Plan,
    service: &Service,
    one: &Recommendation,
    component: &Component,
) -> bool {
    let mine = of_services(plan, std::slice::from_ref(service)).map(|(_, one)| one);
    let mine: Vec<_> = mine.filter(|other| other.component == component.name).collect();
    one.setting == Setting::Replicas && has_hpa(&mine, component)
}

/// That the file says less than what stays in force. A lower CPU target asks for more pods, not for fewer.
fn less(file: &Value, path: &[&str], one: &Recommendation) -> Option<String> {
    let stays = one.action == Action::Keep && one.setting != Setting::TargetUtilization;
    let now = one.current.filter(|_| stays)?;
    let said = Amount::read(one.setting, said(file, path)?).ok()?;
    (said.figure() < now.figure()).then(|| {
        format!(
            "`{}` says {said}, and {now} is in force and stays: an upgrade by this file lowers it, unless you write {now} there",
            path.join(".")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advise::plan::Code;
    use crate::render::example::{self, API, count};

    #[test]
    fn what_an_upgrade_would_lower_is_named_and_nothing_else() {
        let why = || vec![example::because(Code::TierRow, "High")];
        let plan = |setting, now, then| {
            let one = example::setting(API, setting, count(now), count(then), why());
            example::plan_of(vec![example::service_plan(vec![one])])
        };
        let file = "api: {autoscaling: {minReplicas: 3, maxReplicas: 10}}\n";
        let says = |plan: &Plan| behind(file, plan, &[example::service()]);
        let lower = "`api.autoscaling.minReplicas` says 3, and 5 is in force and stays: an upgrade by this file lowers it, unless you write 5 there";
        assert_eq!(says(&plan(Setting::MinReplicas, 5, 5)), [lower]);
        let none: [&str; 0] = [];
        assert_eq!(says(&plan(Setting::MinReplicas, 3, 3)), none);
        assert_eq!(says(&plan(Setting::MaxReplicas, 9, 9)), none);
        // what is to change is edited
        assert_eq!(says(&plan(Setting::MinReplicas, 5, 6)), none);
        assert_eq!(behind("a: [", &plan(Setting::MinReplicas, 5, 5), &[example::service()]), none);
    }
}
