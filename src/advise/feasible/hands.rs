//! Who else has a hand in what is advised: a VPA, an HPA that counts by memory, the loop, a person who paused it.

use super::{Advised, of_component, warning};
use crate::advise::plan::{Code, Finding, ServicePlan, Setting, Severity};
use crate::service::live::{Scaler, Workload};

/// What there is to say of them.
pub(super) fn on(plan: &ServicePlan, advised: &Advised<'_>, workload: &Workload) -> Vec<Finding> {
    let found = [
        sized_by_vpas(plan, advised, workload),
        counted_by_memory(plan, advised, workload),
        raised_by_the_loop(advised, workload),
        paused_rollout(plan, advised, workload),
        paused_scaler(plan, advised, workload),
    ];
    found.into_iter().flatten().collect()
}

fn coupled(message: String, remedy: &str) -> Finding {
    Finding { code: Code::Coupled, ..warning(message, remedy) }
}

/// Whether one of these settings of a component is to become another.
fn changes(plan: &ServicePlan, name: &str, these: fn(Setting) -> bool) -> bool {
    let mut mine = of_component(plan, name).filter(|one| these(one.setting));
    mine.any(|one| one.target.is_some() && one.target != one.current)
}

/// The VPAs that set what is advised here too.
fn sized_by_vpas(
    plan: &ServicePlan,
    advised: &Advised<'_>,
    workload: &Workload,
) -> Option<Finding> {
    let act = workload.vpas.iter().flatten().filter(|vpa| vpa.mode != "Off");
    let named: Vec<String> =
        act.map(|vpa| format!("VPA `{}` (mode `{}`)", vpa.name, vpa.mode)).collect();
    let sets = if named.len() == 1 { "sets" } else { "set" };
    (!named.is_empty() && changes(plan, advised.name, Setting::is_size)).then(|| {
        coupled(
            format!(
                "{}: {} {sets} the size of its pods: what the object says is where it begins",
                advised.name,
                named.join(" and ")
            ),
            "let one do it: `plimsoll patch` gives a VPA that is alone the advised sizes as bounds; `apply` leaves the size to it",
        )
    })
}

/// A rollout that somebody paused.
fn paused_rollout(
    plan: &ServicePlan,
    advised: &Advised<'_>,
    workload: &Workload,
) -> Option<Finding> {
    (workload.paused && changes(plan, advised.name, Setting::is_size)).then(|| {
        coupled(
            format!("{}: its rollout is paused: pods keep the size that they have", advised.name),
            "`kubectl rollout resume` it; `apply` leaves it alone until then",
        )
    })
}

/// An autoscaler that somebody paused.
fn paused_scaler(
    plan: &ServicePlan,
    advised: &Advised<'_>,
    workload: &Workload,
) -> Option<Finding> {
    let Some(Scaler::Keda(keda)) = &workload.scaler else { return None };
    let bounds = |setting| matches!(setting, Setting::MinReplicas | Setting::MaxReplicas);
    (keda.paused && changes(plan, advised.name, bounds)).then(|| {
        coupled(
            format!(
                "{}: `ScaledObject/{}` is paused: its bounds do nothing meanwhile",
                advised.name, keda.name
            ),
            "remove its pause annotation; `apply` leaves it alone until then",
        )
    })
}

/// An HPA that counts pods by the memory request that changes.
fn counted_by_memory(
    plan: &ServicePlan,
    advised: &Advised<'_>,
    workload: &Workload,
) -> Option<Finding> {
    let percent = workload.scaler.as_ref()?.targets().memory?;
    let follows = workload.requests_its_memory_limit();
    let request = of_component(plan, advised.name).find(|one| {
        one.setting == Setting::MemoryRequest || follows && one.setting.is_memory_limit()
    })?;
    let (today, target) = request.current.zip(request.target)?;
    (today != target).then(|| {
        coupled(
            format!(
                "{}: the HPA's memory target of {percent} % is a share of the request, which goes from {today} to {target}",
                advised.name
            ),
            "change the target with it: of a larger request the same use is a smaller share, and fewer pods are asked for",
        )
    })
}

/// A floor of the loop, which is in force for now and is not what a person set.
fn raised_by_the_loop(advised: &Advised<'_>, workload: &Workload) -> Option<Finding> {
    let (base, floor) = workload.scaler.as_ref()?.raised()?;
    Some(Finding {
        severity: Severity::Info,
        code: Code::Room,
        message: format!(
            "{}: `minReplicas` is {floor} while the load asks for it: the loop raised it from {base}, and takes it back",
            advised.name
        ),
        remedy: format!(
            "what is advised goes by the {base}; `plimsoll apply` keeps the floor above it"
        ),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::Value;

    use super::super::tests::of;
    use super::*;
    use crate::advise::plan::Amount;
    use crate::render::example;
    use crate::service::live::{Hpa, ScaledObject, Targets, Vpa};

    fn hpa(base: Option<u32>, memory_utilization: Option<u32>) -> Scaler {
        let (min, max) = (Some(7), Some(9));
        let (name, only_cpu) = ("api".to_owned(), false);
        let targets = Targets { memory: memory_utilization, ..Targets::default() };
        Scaler::Hpa(Hpa { name, min, base, max, targets, only_cpu })
    }

    fn paused_by_keda() -> Scaler {
        Scaler::Keda(ScaledObject { paused: true, ..ScaledObject::example("api", 3, 5) })
    }

    #[test]
    fn who_else_has_a_hand_in_a_size_or_a_count_is_named() {
        let why = || vec![example::because(Code::Usage, "peak")];
        let [now, then] = [256, 512].map(example::mebibytes);
        let larger = || {
            let one = example::setting(example::API, Setting::MemoryRequest, now, then, why());
            example::service_plan(vec![one])
        };
        let says = |change: &dyn Fn(&mut Workload)| {
            let findings = of(larger(), |_, workload| change(workload)).findings;
            findings.into_iter().map(|one| one.message).collect::<Vec<_>>().join("\n")
        };
        let vpa = |mode: &str| {
            let vpa = Vpa { name: "v".to_owned(), mode: mode.to_owned(), policy: Value::Null };
            says(&|workload| workload.vpas = Some(vec![vpa.clone()]))
        };
        assert!(vpa("Auto").starts_with("api: VPA `v` (mode `Auto`) sets the size of its pods"));
        assert_eq!(vpa("Off"), "");
        let vpas = ["v", "w"].map(|name| Vpa {
            name: name.to_owned(),
            mode: "Auto".to_owned(),
            policy: Value::Null,
        });
        let both = says(&|workload| workload.vpas = Some(vpas.to_vec()));
        assert!(
            both.starts_with("api: VPA `v` (mode `Auto`) and VPA `w` (mode `Auto`) set the"),
            "{both}"
        );
        let still = "api: its rollout is paused: pods keep the size that they have";
        assert_eq!(says(&|workload| workload.paused = true), still);
        let by_memory = says(&|workload| workload.scaler = Some(hpa(None, Some(80))));
        let share = "api: the HPA's memory target of 80 % is a share of the request, which goes from 256Mi to 512Mi";
        assert_eq!(by_memory, share);
        let bounds = || {
            let [least, most] = [Setting::MinReplicas, Setting::MaxReplicas];
            let count = |setting, now, then| {
                let [now, then] = [now, then].map(|count| Some(Amount::Count(count)));
                example::setting(example::API, setting, now, then, why())
            };
            example::service_plan(vec![count(least, 3, 5), count(most, 5, 10)])
        };
        let paused = of(bounds(), |_, workload| workload.scaler = Some(paused_by_keda()));
        let told = "api: `ScaledObject/api` is paused: its bounds do nothing meanwhile";
        assert!(paused.findings.iter().any(|one| one.message == told), "{:?}", paused.findings);
        let raised = says(&|workload| workload.scaler = Some(hpa(Some(3), None)));
        assert!(
            raised.contains(
                "`minReplicas` is 7 while the load asks for it: the loop raised it from 3"
            ),
            "{raised}"
        );
    }
}
