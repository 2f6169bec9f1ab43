//! What an overlay does not hold, and why.

use super::{disputed, held, is_of_keda, is_of_scaler, key, of_services, placed};
use crate::advise::plan::{Action, Plan, Recommendation};
use crate::render::changes::ComponentChanges;
use crate::service::Service;
use crate::service::live::Live;

/// An advised change that the overlay does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// What, the reason, and what to do about it; with its service where there are several.
    pub text: String,
    /// Whether somebody should see to it. A component without a path in the chart is left out on purpose, and a volume is
    /// nothing of a chart.
    pub is_open: bool,
}

impl std::fmt::Display for LeftOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// Every advised change that the overlay does not hold.
#[must_use]
pub fn left_out(plan: &Plan, services: &[Service], live: &Live) -> Vec<LeftOut> {
    let all = held(plan, services, live);
    let disputed = disputed(plan, services);
    let mut missing = Vec::new();
    for (service, one) in of_services(plan, services) {
        let advised = matches!(one.action, Action::Raise | Action::Lower);
        let Some(target) = one.target.filter(|target| advised && one.current != Some(*target))
        else {
            continue;
        };
        let mine = |of: &&ComponentChanges<'_>| {
            (&of.service.namespace, &of.service.name) == (&service.namespace, &service.name)
                && of.component.name == one.component
        };
        let of = all.iter().find(mine);
        let held =
            of.is_some_and(|of| of.changes.iter().any(|change| change.setting == one.setting));
        let key = of
            .into_iter()
            .flat_map(placed)
            .find(|(path, change)| change.setting == one.setting && disputed.contains(path));
        let why = key.map(|(path, _)| {
            let why = format!(
                "another component has `{}` too; give each its own `helm:`, or write one namespace at a time (`-n`)",
                path.join(".")
            );
            (why, true)
        });
        if let Some((why, is_open)) = why.or_else(|| why_left_out(service, one, live, held)) {
            let today = one.current.map_or_else(|| "?".to_owned(), |current| current.to_string());
            let (of, setting) = (of_several(service, services), one.setting.name());
            let text = format!("{of}{} {setting} {today} -> {target}: {why}", one.component);
            missing.push(LeftOut { text, is_open });
        }
    }
    missing
}

/// The service before a component's name, where there are several.
fn of_several(service: &Service, services: &[Service]) -> String {
    let alike = services.iter().filter(|other| other.name == service.name).count();
    match (services.len(), alike) {
        (0 | 1, _) => String::new(),
        (_, 0 | 1) => format!("{} ", service.name),
        _ => format!("{}/{} ", service.namespace, service.name),
    }
}

/// Why a change is not in the overlay, and whether somebody should see to it; `None` where it is.
fn why_left_out(
    service: &Service,
    one: &Recommendation,
    live: &Live,
    held: bool,
) -> Option<(String, bool)> {
    let name = &one.component;
    let on_purpose = |why: &str| Some((why.to_owned(), false));
    let Some(component) = service.components.iter().find(|known| known.name == *name) else {
        return on_purpose("a volume's size is in no values of a chart; edit the claim itself");
    };
    if component.helm.is_none() {
        return on_purpose(&format!(
            "`components.{name}` has no `helm:`, its path in the chart's values"
        ));
    }
    if key(one.setting).is_none() {
        return on_purpose("no key of the chart holds it");
    }
    if held {
        return None;
    }
    if is_of_scaler(one.setting) && is_of_keda(live, service, name) {
        let why = "KEDA has the bounds, and no key of the chart is known to hold them; `plimsoll patch` holds them";
        return Some((why.to_owned(), true));
    }
    on_purpose("an HPA owns the count, and a fixed one beside it would fight it")
}
