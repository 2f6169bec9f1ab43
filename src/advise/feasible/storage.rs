//! Whether the quotas of a namespace are enough for the volume claims that are to grow.

use super::{Advised, warning};
use crate::advise::plan::{Action, Amount, Finding, Recommendation, ServicePlan, Setting};
use crate::service::Service;
use crate::service::live::{Counted, Namespace, Taken};

/// A claim that is to grow.
struct Growing<'a> {
    service: &'a str,
    name: String,
    class: Option<String>,
    /// How much more it asks for than today, in bytes.
    more: u64,
}

/// A quota that ends before all claims have grown: one finding for each thing that it counts, and the service that it is
/// told to. `pods` are those of the namespace, some of which come with claims of their own.
pub(super) fn over<'a>(
    plans: &[(&mut ServicePlan, &'a Service)],
    (name, namespace): (&str, &Namespace),
    pods: &[&Advised<'_>],
) -> Vec<(&'a str, Finding)> {
    let here = plans.iter().filter(|(_, service)| service.namespace == name);
    let growing: Vec<Growing<'a>> =
        here.flat_map(|(plan, service)| growing(plan, service, namespace)).collect();
    // what has scopes counts pods
    let quotas = namespace.quotas.iter().flatten().filter(|quota| quota.scopes.is_empty());
    let counts = quotas.flat_map(|quota| quota.counts.iter().map(move |one| (&quota.name, one)));
    counts.filter_map(|(quota, counted)| short(&growing, pods, counted, quota)).collect()
}

fn growing<'a>(
    plan: &ServicePlan,
    service: &'a Service,
    namespace: &Namespace,
) -> Vec<Growing<'a>> {
    let raised = plan.recommendations.iter().filter(|one| one.action == Action::Raise);
    let claims = namespace.claims.as_ref();
    let of = |one: &Recommendation| {
        let claim = claims?.get(&one.component)?;
        let target = one.target.map(Amount::figure)?;
        let more = target.saturating_sub(claim.request?.0);
        let (service, name, class) = (&service.name, one.component.clone(), claim.class.clone());
        Some(Growing { service, name, class, more })
    };
    raised.filter(|one| one.setting == Setting::Storage).filter_map(of).collect()
}

/// What a quota leaves to the claims that it counts, where that is less than they grow by.
fn short<'a>(
    growing: &[Growing<'a>],
    pods: &[&Advised<'_>],
    (what, taken): (&Counted, &Taken),
    quota: &str,
) -> Option<(&'a str, Finding)> {
    let Counted::Storage(class) = what else { return None };
    let counted = |one: &&Growing<'_>| class.is_none() || one.class == *class;
    let ours: Vec<&Growing<'a>> = growing.iter().filter(counted).collect();
    let more = ours.iter().map(|one| one.more).fold(0, u64::saturating_add);
    let of_pods = |one: &&Advised<'_>| {
        one.then.of(what).saturating_mul(one.most).saturating_sub(one.held.of(what))
    };
    let of_pods = pods.iter().map(of_pods).fold(0, u64::saturating_add);
    let left = taken.hard.saturating_sub(taken.used).saturating_sub(of_pods);
    let names: Vec<&str> = ours.iter().map(|one| one.name.as_str()).collect();
    let message = format!(
        "{}: {} more is advised, and {what} of quota `{quota}` leave {}",
        names.join(", "),
        what.amount(more),
        what.amount(left)
    );
    let remedy = "raise the quota in the same change: the server refuses a larger claim";
    (more > left).then_some((ours.first()?.service, warning(message, remedy)))
}
