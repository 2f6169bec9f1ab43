//! Where a values file says less than what is in force and stays: an upgrade by it would lower that.

use serde_json::Value;

use super::kept::said;
use super::{disputed, is_of_keda, is_of_scaler, key, of_services, path};
use crate::advise::plan::{Action, Amount, Plan, Recommendation, Setting};
use crate::render::changes::has_hpa;
use crate::render::values_file;
use crate::service::live::Live;
use crate::service::{Component, Service};

/// Each such key, with what it says and what is in force; for a file that cannot be read, that.
#[must_use]
pub fn behind(text: &str, plan: &Plan, services: &[Service], live: &Live) -> Vec<String> {
    let file = match values_file::data(text) {
        Ok(file) => file,
        Err(fault) => {
            let place = fault.line().map_or_else(String::new, |line| format!(" (line {line})"));
            return vec![format!(
                "whether it says less than what is in force is not known: it cannot be read{place}: {fault}"
            )];
        }
    };
    let disputed = disputed(plan, services);
    let mut all = Vec::new();
    for (service, one) in of_services(plan, services) {
        let component = service.components.iter().find(|known| known.name == one.component);
        let beside = |component: &Component| {
            // of what KEDA scales the chart's values hold no bounds
            is_beside_an_hpa(plan, service, one, component)
                || is_of_scaler(one.setting) && is_of_keda(live, service, &component.name)
        };
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
    use crate::service::live::{ScaledObject, Scaler, Workload};

    #[test]
    fn what_an_upgrade_would_lower_is_named_and_nothing_else() {
        let why = || vec![example::because(Code::TierRow, "High")];
        let plan = |setting, now, then| {
            let one = example::setting(API, setting, count(now), count(then), why());
            example::plan_of(vec![example::service_plan(vec![one])])
        };
        let file = "api: {autoscaling: {minReplicas: 3, maxReplicas: 10}}\n";
        let services = [example::service()];
        let says = |plan: &Plan| behind(file, plan, &services, &Live::default());
        let lower = "`api.autoscaling.minReplicas` says 3, and 5 is in force and stays: an upgrade by this file lowers it, unless you write 5 there";
        assert_eq!(says(&plan(Setting::MinReplicas, 5, 5)), [lower]);
        let none: [&str; 0] = [];
        assert_eq!(says(&plan(Setting::MinReplicas, 3, 3)), none);
        assert_eq!(says(&plan(Setting::MaxReplicas, 9, 9)), none);
        // what is to change is edited
        assert_eq!(says(&plan(Setting::MinReplicas, 5, 6)), none);
        let unread = behind("a: [", &plan(Setting::MinReplicas, 5, 5), &services, &Live::default());
        assert!(unread[0].contains("cannot be read"), "{unread:?}");
        // the bounds of what KEDA scales are none of the chart's
        let keda = ScaledObject::example("api", 5, 10);
        let api = Workload { scaler: Some(Scaler::Keda(keda)), ..Workload::default() };
        let workloads = [(("jarvis".to_owned(), "api".to_owned()), api)].into();
        let live = Live { workloads, ..Live::default() };
        assert_eq!(behind(file, &plan(Setting::MinReplicas, 5, 5), &services, &live), none);
    }
}
