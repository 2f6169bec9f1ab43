//! Plan -> the changes that an overlay or a patch may hold, component by component.
//!
//! Two rules stand here once for all forms: a count is never set beside an HPA, and `minReplicas` is
//! never above `maxReplicas`.

use crate::advise::plan::{Action, Amount, Plan, Reason, Recommendation, ServicePlan, Setting};
use crate::service::{Component, Service};

/// The changes of one component.
#[derive(Debug, Clone)]
pub struct ComponentChanges<'a> {
    /// The service it belongs to.
    pub service: &'a Service,
    /// The component.
    pub component: &'a Component,
    /// What changes, by setting; never empty.
    pub changes: Vec<Change<'a>>,
}

/// One setting with a new value.
#[derive(Debug, Clone)]
pub struct Change<'a> {
    /// The setting.
    pub setting: Setting,
    /// Its value today; `None`: not known.
    pub current: Option<Amount>,
    /// The new value: never the same as today's, but where a form states again what stays.
    pub target: Amount,
    /// Why.
    pub reasons: &'a [Reason],
}

impl Change<'_> {
    /// The codes of its reasons: `TIER_ROW, CAPACITY`.
    #[must_use]
    pub fn codes(&self) -> String {
        let mut codes: Vec<String> = self.reasons.iter().map(|reason| reason.code.name()).collect();
        codes.dedup();
        codes.join(", ")
    }

    /// Today's value: `was 3`, or `kept`.
    #[must_use]
    pub fn was(&self) -> String {
        if self.current == Some(self.target) {
            return "kept".to_owned();
        }
        self.current.map_or_else(|| "was not known".to_owned(), |current| format!("was {current}"))
    }
}

/// All changes of the plan, in the order of its services and their components. A service that the
/// settings do not name, and a volume, are not here.
#[must_use]
pub fn changes<'a>(plan: &'a Plan, services: &'a [Service]) -> Vec<ComponentChanges<'a>> {
    let mut all = Vec::new();
    for advised in &plan.services {
        let known = |service: &&Service| {
            service.name == advised.name && service.namespace == advised.namespace
        };
        let Some(service) = services.iter().find(known) else { continue };
        for component in &service.components {
            let changes = of_component(advised, component);
            if !changes.is_empty() {
                all.push(ComponentChanges { service, component, changes });
            }
        }
    }
    all
}

fn of_component<'a>(advised: &'a ServicePlan, component: &Component) -> Vec<Change<'a>> {
    let of = of(advised, component);
    let has_hpa = has_hpa(&of, component);
    let wanted = of.iter().filter(|one| matches!(one.action, Action::Raise | Action::Lower));
    let mut changes: Vec<Change<'a>> = wanted
        .filter(|one| !(has_hpa && one.setting == Setting::Replicas))
        .filter_map(|one| change(one, one.target?))
        .collect();
    changes.sort_by_key(|change| change.setting);
    changes
}

/// What is said of a component.
pub(super) fn of<'a>(advised: &'a ServicePlan, component: &Component) -> Vec<&'a Recommendation> {
    advised.recommendations.iter().filter(|one| one.component == component.name).collect()
}

/// Whether an HPA, or what stands for one, has the count.
pub(super) fn has_hpa(of: &[&Recommendation], component: &Component) -> bool {
    let bounds =
        |one: &&Recommendation| matches!(one.setting, Setting::MinReplicas | Setting::MaxReplicas);
    component.current.has_hpa() || of.iter().any(bounds)
}

fn change(one: &Recommendation, target: Amount) -> Option<Change<'_>> {
    (one.current != Some(target)).then_some(Change {
        setting: one.setting,
        current: one.current,
        target,
        reasons: &one.reasons,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advise::plan::Code;
    use crate::render::example::{self, API, WORKER, count};

    fn targets(one: Vec<Recommendation>) -> Vec<(Setting, String)> {
        let plan = example::plan_of(vec![example::service_plan(one)]);
        let services = [example::service()];
        let all = changes(&plan, &services).into_iter().flat_map(|component| component.changes);
        all.map(|change| (change.setting, change.target.to_string())).collect()
    }

    fn because() -> Vec<Reason> {
        vec![example::because(Code::TierRow, "High")]
    }

    #[test]
    fn only_what_is_raised_or_lowered_is_a_change() {
        let one = |setting, now, then| example::setting(WORKER, setting, now, then, because());
        assert_eq!(targets(vec![one(Setting::Replicas, count(3), count(3))]), []);
        assert_eq!(targets(vec![one(Setting::Replicas, count(3), None)]), []);
        let lowered = targets(vec![one(Setting::Replicas, count(3), count(2))]);
        assert_eq!(lowered, [(Setting::Replicas, "2".to_owned())]);
    }

    #[test]
    fn a_count_is_never_set_beside_an_hpa() {
        let one =
            |setting, now, then| example::setting(API, setting, count(now), count(then), because());
        let both = vec![one(Setting::Replicas, 3, 8), one(Setting::MaxReplicas, 10, 10)];
        assert_eq!(targets(both), []);
    }

    #[test]
    fn a_service_of_the_same_name_in_another_namespace_is_left_alone() {
        let plan = example::plan();
        let mut other = example::service();
        other.namespace = "staging".to_owned();
        assert!(changes(&plan, &[other]).is_empty());
    }
}
