//! Whether the quotas of a namespace are enough for the most pods of everything in it together.

use super::{Advised, warning};
use crate::advise::plan::Finding;
use crate::service::live::{Counted, LimitRange, Quota, Taken};
use crate::service::pod::{is_counted, unstated};

/// A quota that ends before the most pods of all are there: one finding for each thing that it counts, and the service
/// that it is told to.
pub(super) fn over<'a>(
    all: &[&Advised<'a>],
    quota: &Quota,
    ranges: &[LimitRange],
) -> Vec<(&'a str, Finding)> {
    let counts = |one: &&&Advised<'_>| is_counted(&one.pod, &quota.scopes, ranges);
    let mine: Vec<&Advised<'_>> = all.iter().filter(counts).copied().collect();
    let found = quota.counts.iter().filter_map(|(what, taken)| {
        let ours = mine.iter().filter(|one| one.then.of(what) > 0).copied();
        let ours: Vec<&Advised<'_>> = ours.collect();
        let message = short(&ours, what, *taken, &quota.name)?;
        let remedy =
            "raise the quota before the pods are needed: the server refuses them one by one";
        Some((ours.first()?.service, warning(message, remedy)))
    });
    found.collect()
}

/// What a quota leaves of one thing to those who need it, where that is less than they ask for.
fn short(ours: &[&Advised<'_>], what: &Counted, taken: Taken, quota: &str) -> Option<String> {
    let sum = |each: &dyn Fn(&Advised<'_>) -> u64| {
        ours.iter().map(|one| each(one)).fold(0, u64::saturating_add)
    };
    let asked = sum(&|one| one.then.of(what).saturating_mul(one.most));
    // what others take of it; our pods of today give theirs back
    let others = taken.used.saturating_sub(sum(&|one| one.held.of(what)));
    let room = taken.hard.saturating_sub(others);
    if asked <= room {
        return None;
    }
    if let [one] = ours {
        let fit = room / one.then.of(what);
        return Some(format!(
            "{}: {} pods are advised at most, and {what} of quota `{quota}` are enough for {fit}",
            one.name, one.most
        ));
    }
    let of_one = ours.iter().all(|one| one.service == ours[0].service);
    let name = |one: &&Advised<'_>| {
        if of_one { one.name.to_owned() } else { format!("{}/{}", one.service, one.name) }
    };
    let names: Vec<String> = ours.iter().map(name).collect();
    let pods: Vec<String> = ours.iter().map(|one| one.most.to_string()).collect();
    Some(format!(
        "{}: with {} pods at most they ask for {} together, and {what} of quota `{quota}` leave them {}",
        names.join(", "),
        pods.join(", "),
        what.amount(asked),
        what.amount(room)
    ))
}

/// A quota that counts what a container does not state.
pub(super) fn not_counted(
    advised: &Advised<'_>,
    quota: &Quota,
    ranges: &[LimitRange],
) -> Option<Finding> {
    if !is_counted(&advised.pod, &quota.scopes, ranges) {
        return None;
    }
    let (container, what) = unstated(&advised.pod, quota, ranges)?;
    Some(warning(
        format!(
            "{}: quota `{}` counts {what}, and container `{container}` states none: the server makes no new pod",
            advised.name, quota.name
        ),
        "state it for every container, or give a limit range a default",
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;
    use crate::service::live::{Amounts, PodClaim};
    use crate::service::needs::Needs;
    use crate::units::Bytes;

    fn advised<'a>((service, name): (&'a str, &'a str), [running, most]: [u64; 2]) -> Advised<'a> {
        let one = Needs::of_pod(&Value::Null, &[]);
        Advised {
            service,
            name,
            least: running,
            most,
            pod: json!({}),
            apart: false,
            requests: Amounts::default(),
            held: one.clone().times(running),
            then: one,
        }
    }

    fn said(all: &[&Advised<'_>], what: Counted, hard: u64, used: u64) -> Vec<(String, String)> {
        let counts = [(what, Taken { hard, used })].into();
        let quota = Quota { name: "team".to_owned(), scopes: Vec::new(), counts };
        let found = over(all, &quota, &[]).into_iter();
        found.map(|(service, one)| (service.to_owned(), one.message)).collect()
    }

    #[test]
    fn what_fits_alone_and_not_together_is_named_once() {
        let (api, worker) =
            (advised(("shop", "api"), [3, 10]), advised(("shop", "worker"), [3, 4]));
        // of seven pods one is of somebody else
        let together = "api, worker: with 10, 4 pods at most they ask for 14 together, and pods of quota `team` leave them 13";
        let all = said(&[&api, &worker], Counted::Pods, 14, 7);
        assert_eq!(all, [("shop".to_owned(), together.to_owned())]);
        assert_eq!(said(&[&api], Counted::Pods, 14, 7), []);
        assert_eq!(said(&[&worker], Counted::Pods, 14, 7), []);
        assert_eq!(said(&[&api, &worker], Counted::Pods, 15, 7), []);
        let other = advised(("mail", "api"), [3, 4]);
        let (service, message) = said(&[&api, &other], Counted::Pods, 13, 7).pop().unwrap();
        assert_eq!(service, "shop");
        assert!(message.starts_with("shop/api, mail/api: with 10, 4 pods"), "{message}");
    }

    #[test]
    fn a_pod_that_comes_with_claims_needs_their_number_and_their_storage() {
        let class = Some("fast".to_owned());
        let claim =
            PodClaim { name: "data".to_owned(), request: Bytes(1 << 30), class: class.clone() };
        let claims = Needs::of_claims(&[claim]);
        let mut redis = advised(("shop", "redis"), [4, 7]);
        redis.held = redis.held.and(&claims.clone().times(4));
        redis.then = redis.then.and(&claims);
        let says =
            |what, hard, used| said(&[&redis], what, hard, used).pop().map(|(_, message)| message);
        let enough =
            "redis: 7 pods are advised at most, and volume claims of quota `team` are enough for 4";
        assert_eq!(says(Counted::Claims(None), 4, 4).as_deref(), Some(enough));
        assert_eq!(says(Counted::Claims(None), 7, 4), None);
        let enough = "redis: 7 pods are advised at most, and storage requests of class `fast` of quota `team` are enough for 5";
        assert_eq!(says(Counted::Storage(class), 6 << 30, 5 << 30).as_deref(), Some(enough));
        assert_eq!(says(Counted::Storage(Some("slow".to_owned())), 0, 0), None);
        assert!(says(Counted::Storage(None), 4 << 30, 4 << 30).is_some());
    }
}
