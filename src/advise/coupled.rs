//! Settings that cannot change alone: a request and its limit, Redis' memory and its `maxmemory`, a request and
//! the share of it that an HPA aims at.

use crate::advise::memory::MAXMEMORY_SHARE;
use crate::advise::plan::{
    Action, Amount, Code, Finding, Reason, Recommendation, Setting, Severity,
};
use crate::advise::{Known, requests, series, skipped};
use crate::history::{self, SeriesKey, Signal};
use crate::service::live::Ranges;
use crate::service::{Current, Doubt};
use crate::units::{Bytes, Millicores};

/// Holds a memory request at or under its limit, as the API server demands. A limit is lowered to the request at most,
/// and not at all where that is not known. A request that equals its limit stays equal: apart, a pod whose other requests do
/// so too would lose its quality-of-service class; only of one that is known to be `guaranteed` is that said.
pub fn request_within_limit(
    request: &mut Recommendation,
    limit: &mut Recommendation,
    guaranteed: bool,
) {
    let Some(mut ceiling) = limit.target else {
        within_unknown(request, limit.current);
        return;
    };
    if limit.action == Action::Lower {
        let floor = request.target.or(request.current);
        let (held_at, message) = floor.map_or_else(
            || (limit.current.unwrap_or(ceiling), "its request is not known".to_owned()),
            |floor| (floor, format!("not below its request of {floor}")),
        );
        if held_at.figure() > ceiling.figure() {
            set(limit, held_at, Reason { code: Code::Coupled, message });
            ceiling = held_at;
        }
    }
    let today = request.current.filter(|today| today.figure() <= ceiling.figure());
    if request.current.is_some() && request.current == limit.current {
        let class = if guaranteed { " (QoS Guaranteed)" } else { "" };
        let message = format!("equal to its limit today{class}: moves with it");
        *request = Recommendation { setting: request.setting, ..limit.clone() };
        request.reasons.insert(0, Reason { code: Code::Coupled, message });
    } else if today.is_some()
        && request.target.is_some_and(|asked| asked.figure() > ceiling.figure())
    {
        let message = format!("not above its limit of {ceiling}");
        set(request, ceiling, Reason { code: Code::Coupled, message });
    }
}

/// A request may equal its limit, so that one that nobody knows may not be left behind, and not be passed.
fn within_unknown(request: &mut Recommendation, limit: Option<Amount>) {
    let coupled = |message: String| Reason { code: Code::Coupled, message };
    match (request.action, request.current, request.target, limit) {
        (Action::Lower, Some(today), ..) => {
            set(request, today, coupled("its limit is not known".to_owned()));
        }
        (Action::Raise, Some(today), Some(asked), Some(limit))
            if asked.figure() > limit.figure() =>
        {
            let most = if limit.figure() < today.figure() { today } else { limit };
            set(request, most, coupled(format!("not above its limit of {limit}")));
        }
        (Action::Raise, _, Some(asked), None) => {
            let reason =
                coupled(format!("{asked} by use; its limit is not known, and may be lower"));
            let (component, object) = (request.component.clone(), request.object.clone());
            let (current, uncapped_target) = (request.current, request.uncapped_target);
            let bare = skipped(&component, object, request.setting, reason);
            *request = Recommendation { current, uncapped_target, ..bare };
        }
        _ => {}
    }
}

/// Holds a request at or under a limit that is not advised, where one is known: what the container states, or what a limit range
/// gives it.
pub fn within_limit(request: &mut Recommendation, stated: Option<Amount>, given: Option<Amount>) {
    let Some(limit) = stated.or(given) else { return };
    let above = |amount: Option<Amount>| amount.is_some_and(|one| one.figure() > limit.figure());
    if above(request.target) && !above(request.current) {
        let whose = if stated.is_some() {
            "its limit of"
        } else {
            "the limit that a limit range gives it,"
        };
        let message = format!("not above {whose} {limit}");
        set(request, limit, Reason { code: Code::Coupled, message });
    }
}

/// Ends what is lowered at the least that a limit range allows: the server makes no smaller pod.
pub fn within_ranges(all: &mut [Recommendation], Ranges { least, .. }: Ranges) {
    for one in all.iter_mut().filter(|one| one.action == Action::Lower) {
        let least = match one.setting {
            Setting::CpuRequest => least.cpu.map(Amount::Cpu),
            Setting::MemoryRequest | Setting::MemoryLimit | Setting::Memory => {
                least.memory.map(Amount::Bytes)
            }
            _ => None,
        };
        let Some((today, target)) = one.current.zip(one.target) else { continue };
        if let Some(least) = least.filter(|least| least.figure() > target.figure()) {
            let message = format!("less would do, but a limit range wants {least} at least");
            let held = if least.figure() < today.figure() { least } else { today };
            set(one, held, Reason { code: Code::Room, message });
        }
    }
}

/// Holds memory that an HPA counts pods by: of a smaller request the same use is a larger share, and more pods do not make it less.
pub fn counted_by_memory(one: &mut Recommendation, current: Current) {
    // a limit without a request is its request too
    let follows = |request| Some(request) == current.memory_limit;
    let moves = one.setting == Setting::MemoryRequest || current.memory_request.is_none_or(follows);
    let Some(percent) = current.memory_utilization.filter(|_| moves) else { return };
    if let Some(today) = one.current.filter(|_| one.action == Action::Lower) {
        let message = format!(
            "less would do, but its HPA aims at {percent} % of the request, and would ask for more pods"
        );
        set(one, today, Reason { code: Code::Coupled, message });
    }
}

/// Leaves a request that would grow where nobody knows who scales: an HPA that goes by it asks for fewer pods then.
pub fn request_in_doubt(all: &mut [Recommendation], current: Current) {
    let in_doubt = current.doubt == Some(Doubt::Count);
    let requests = [Setting::CpuRequest, Setting::MemoryRequest];
    let mine = |one: &&mut Recommendation| {
        in_doubt && one.action == Action::Raise && requests.contains(&one.setting)
    };
    for one in all.iter_mut().filter(mine) {
        let asked = one.target.map(|target| target.to_string()).unwrap_or_default();
        let message = format!(
            "{asked} by use; whether an HPA counts pods by it is not known: it would ask for fewer then"
        );
        let reason = Reason { code: Code::Coupled, message };
        let bare = skipped(&one.component, one.object.clone(), one.setting, reason);
        *one =
            Recommendation { current: one.current, uncapped_target: one.uncapped_target, ..bare };
    }
}

/// Holds the maximum of an HPA at or over its minimum, whatever held that one: the API server refuses bounds that cross, and of
/// the two ways out this one takes nothing away.
pub fn bounds_in_order(all: &mut [Recommendation]) {
    let after = |one: &Recommendation| one.target.or(one.current);
    let least = all.iter().find(|one| one.setting == Setting::MinReplicas).map(after);
    let most = all.iter_mut().find(|one| one.setting == Setting::MaxReplicas);
    let Some((least, most)) = least.zip(most) else { return };
    let Some((today, target)) = most.current.zip(after(most)) else { return };
    let (held, message) = match least {
        Some(least) => (least, format!("not below its minimum of {least}")),
        None => (today, "its minimum is not known".to_owned()),
    };
    if held.figure() > target.figure() {
        set(most, held, Reason { code: Code::Coupled, message });
    }
}

/// Holds sizes where fewer pods may do: what a pod uses was seen with the pods of today, and of fewer each has more to do.
pub fn counts_before_sizes(all: &mut [Recommendation]) {
    let sizes = [Setting::CpuRequest, Setting::MemoryRequest, Setting::MemoryLimit];
    for one in all.iter_mut().filter(|one| sizes.contains(&one.setting)) {
        if let Some(today) = one.current.filter(|_| one.action == Action::Lower) {
            let message = "less would do, but fewer pods may do too, and each has more to do then: counts go first".to_owned();
            set(one, today, Reason { code: Code::CountsFirst, message });
        }
    }
}

/// Holds a CPU request where a smaller one would have its HPA ask for more pods than it may have: the smaller the request, the
/// more pods the same use is at the target.
pub fn request_within_bounds(
    known: &Known<'_>,
    current: Current,
    growth: f64,
    all: &mut [Recommendation],
) {
    let target = |setting| {
        let one = all.iter().find(|one: &&Recommendation| one.setting == setting)?;
        one.target.or(one.current).map(Amount::figure)
    };
    let most = target(Setting::MaxReplicas);
    let Some((percent, most)) = current.target_utilization.zip(most) else { return };
    let request = all.iter_mut().find(|one| one.setting == Setting::CpuRequest);
    let Some(request) = request.filter(|one| one.action == Action::Lower) else { return };
    let (Some(today), Some(Amount::Cpu(then))) = (request.current, request.target) else { return };
    let used = series(known, &SeriesKey::of(&request.component, Signal::Cpu)).ok();
    let used = used.and_then(|used| history::peak(used.last(known.policy.dwell)));
    let (held, why) = match used {
        None => (today, "what all of its pods use together is not known".to_owned()),
        Some(cores) => {
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "millicores of a few thousand pods; a float above u64 saturates"
            )]
            let least =
                (cores * growth * 100_000.0 / (f64::from(percent) * most as f64)).ceil() as u64;
            let least = Millicores(requests::cpu_step(least));
            if least <= then {
                return;
            }
            let held = Amount::Cpu(least.min(Millicores(today.figure())));
            (
                held,
                format!(
                    "at {percent} % of {then} its HPA would ask for more pods than its maximum of {most}"
                ),
            )
        }
    };
    set(
        request,
        held,
        Reason { code: Code::Coupled, message: format!("less would do, but {why}") },
    );
}

/// Another target, with the reason for it first and the bounds around it.
fn set(one: &mut Recommendation, target: Amount, why: Reason) {
    let figure = target.figure();
    one.action = match one.current.map(|current| current.figure().cmp(&figure)) {
        Some(std::cmp::Ordering::Less) => Action::Raise,
        Some(std::cmp::Ordering::Greater) => Action::Lower,
        _ => Action::Keep,
    };
    one.target = Some(target);
    one.uncapped_target = one.uncapped_target.or(Some(target));
    let least = one.lower_bound.filter(|bound| bound.figure() <= figure);
    let most = one.upper_bound.filter(|bound| bound.figure() >= figure);
    (one.lower_bound, one.upper_bound) = (least.or(Some(target)), most.or(Some(target)));
    one.reasons.insert(0, why);
}

/// What must change beside a setting that changes, where no recommendation holds it.
pub fn finding(known: &Known<'_>, one: &Recommendation) -> Option<Finding> {
    match (one.setting, one.current?, one.target?) {
        (Setting::Memory, _, Amount::Bytes(target)) if one.action == Action::Raise => {
            maxmemory(known, &one.component, target)
        }
        (Setting::CpuRequest, Amount::Cpu(today), Amount::Cpu(target)) if today != target => {
            utilization(known, &one.component, today, target)
        }
        _ => None,
    }
}

/// New memory that Redis would not use until its own limit follows.
fn maxmemory(known: &Known<'_>, component: &str, target: Bytes) -> Option<Finding> {
    let maximum =
        series(known, &SeriesKey::of(component, Signal::RedisMax)).ok()?.newest_value()?;
    #[expect(clippy::cast_precision_loss, reason = "memory limits lie far below 2^53")]
    let next = target.0 as f64 * MAXMEMORY_SHARE;
    let mebi = |bytes: f64| Bytes::at_least(bytes, Bytes(1)).mebibytes();
    (maximum > 0.0 && maximum < next).then(|| Finding {
        severity: Severity::Warning,
        code: Code::Coupled,
        message: format!(
            "{component}: raise `maxmemory` from {:.0}mb to {:.0}mb in the same change",
            mebi(maximum),
            mebi(next)
        ),
        remedy: format!(
            "until then Redis does not use the new memory. No file written here holds it: set `maxmemory {:.0}mb` in the configuration of Redis, and `redis-cli config set maxmemory {:.0}mb` where it runs",
            mebi(next),
            mebi(next)
        ),
    })
}

/// An HPA aims at a share of the CPU request: a new request moves the load at which it adds a pod.
fn utilization(
    known: &Known<'_>,
    component: &str,
    today: Millicores,
    target: Millicores,
) -> Option<Finding> {
    let current = known.current.get(component).filter(|current| current.has_hpa())?;
    // a cluster that told of the object told of its autoscaler: that one goes by something else
    if current.target_utilization.is_none() && current.resources.is_some() {
        return None;
    }
    let message = format!(
        "{component}: the HPA's CPU target is a share of the request, which goes from {today} to {target}"
    );
    let remedy = current.target_utilization.map_or_else(
        || "multiply the HPA's target by the old request over the new one to add pods where it does today".to_owned(),
        |percent| {
            let [today, target] = [today, target].map(|one| one.0 + current.cpu_beside.0);
            let aim = u64::from(percent) * today;
            format!(
                "{percent} % of it was {} of CPU a pod and becomes {}; a target of {} % would add pods where it does today",
                Millicores(aim / 100),
                Millicores(u64::from(percent) * target / 100),
                (aim / target.max(1)).max(1)
            )
        },
    );
    Some(Finding { severity: Severity::Warning, code: Code::Coupled, message, remedy })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::live::Amounts;

    fn memory(setting: Setting, mebi: (u64, u64), action: Action) -> Recommendation {
        let amount = |mebi: u64| Some(Amount::Bytes(Bytes(mebi << 20)));
        Recommendation {
            component: "api".to_owned(),
            object: "Deployment/api".to_owned(),
            setting,
            current: amount(mebi.0),
            target: amount(mebi.1),
            uncapped_target: amount(mebi.1),
            lower_bound: amount(mebi.1),
            upper_bound: amount(mebi.1),
            action,
            reasons: Vec::new(),
            lasts_until: None,
        }
    }

    /// The targets of request and limit in Mi, with what is done to them.
    fn coupled(
        request: ((u64, u64), Action),
        limit: ((u64, u64), Action),
    ) -> [(Option<u64>, Action); 2] {
        let mut request = memory(Setting::MemoryRequest, request.0, request.1);
        let mut limit = memory(Setting::MemoryLimit, limit.0, limit.1);
        request_within_limit(&mut request, &mut limit, false);
        [request, limit].map(|one| (one.target.map(|target| target.figure() >> 20), one.action))
    }

    #[test]
    fn a_maximum_ends_at_its_minimum_and_stays_where_nobody_knows_that_one() {
        let bounds = |min: [Option<u32>; 2], max: [Option<u32>; 2]| {
            let reason = || Reason { code: Code::TierRow, message: String::new() };
            let of = |setting, [current, target]: [Option<u32>; 2]| {
                let bare = skipped("api", "Deployment/api".to_owned(), setting, reason());
                let [current, target] = [current, target].map(|count| count.map(Amount::Count));
                Recommendation { current, target, ..bare }
            };
            let mut all = [of(Setting::MinReplicas, min), of(Setting::MaxReplicas, max)];
            bounds_in_order(&mut all);
            all[1].target.map(Amount::figure)
        };
        // a minimum is raised past a maximum that is kept
        assert_eq!(bounds([Some(3), Some(8)], [Some(5), Some(5)]), Some(8));
        // a maximum is lowered past a minimum that is kept, or not judged
        assert_eq!(bounds([Some(3), Some(3)], [Some(5), Some(2)]), Some(3));
        assert_eq!(bounds([Some(3), None], [Some(5), Some(2)]), Some(3));
        assert_eq!(bounds([None, None], [Some(5), Some(2)]), Some(5));
        assert_eq!(bounds([None, None], [Some(5), Some(7)]), Some(7));
        assert_eq!(bounds([Some(3), Some(2)], [Some(5), Some(2)]), Some(2));
        assert_eq!(bounds([Some(3), Some(3)], [None, None]), None);
    }

    #[test]
    fn what_is_lowered_ends_at_the_least_that_a_limit_range_allows() {
        let least = Amounts { cpu: None, memory: Some(Bytes(300 << 20)) };
        let ended = |mebi, action| {
            let mut all = [memory(Setting::MemoryRequest, mebi, action)];
            within_ranges(&mut all, Ranges { least, ..Ranges::default() });
            (all[0].target.map(|target| target.figure() >> 20), all[0].action)
        };
        assert_eq!(ended((512, 288), Action::Lower), (Some(300), Action::Lower));
        assert_eq!(ended((512, 320), Action::Lower), (Some(320), Action::Lower));
        // what is there already is somebody's mistake, and no reason to raise it
        assert_eq!(ended((256, 128), Action::Lower), (Some(256), Action::Keep));
        assert_eq!(ended((128, 256), Action::Raise), (Some(256), Action::Raise));
    }

    #[test]
    fn memory_that_an_hpa_counts_pods_by_is_not_lowered() {
        let with = |setting, request: Option<u64>, limit: u64, percent| {
            let mut one = memory(setting, (1024, 512), Action::Lower);
            let current = Current {
                memory_utilization: percent,
                memory_request: request.map(|mebi| Bytes(mebi << 20)),
                memory_limit: Some(Bytes(limit << 20)),
                ..Current::default()
            };
            counted_by_memory(&mut one, current);
            one.action
        };
        let held = |setting, limit, percent| with(setting, Some(1024), limit, percent);
        assert_eq!(with(Setting::MemoryLimit, None, 1024, Some(30)), Action::Keep);
        assert_eq!(held(Setting::MemoryRequest, 2048, Some(30)), Action::Keep);
        assert_eq!(held(Setting::MemoryRequest, 2048, None), Action::Lower);
        // a limit matters where the request moves with it
        assert_eq!(held(Setting::MemoryLimit, 2048, Some(30)), Action::Lower);
        assert_eq!(held(Setting::MemoryLimit, 1024, Some(30)), Action::Keep);
    }

    #[test]
    fn a_request_grows_only_where_it_is_known_who_scales() {
        let left = |doubt, action| {
            let current = Current { doubt, ..Current::default() };
            let mut all = [memory(Setting::MemoryRequest, (512, 1024), action)];
            request_in_doubt(&mut all, current);
            (all[0].action, all[0].target.is_none(), all[0].uncapped_target.is_some())
        };
        let count = Some(Doubt::Count);
        assert_eq!(left(count, Action::Raise), (Action::Skipped, true, true));
        assert_eq!(left(None, Action::Raise), (Action::Raise, false, true));
        assert_eq!(left(count, Action::Keep), (Action::Keep, false, true));
    }

    #[test]
    fn a_request_stays_under_its_limit_and_pushes_no_limit_below_itself() {
        use Action::{Keep, Lower, Raise};
        let apart = coupled(((200, 352), Raise), ((512, 512), Keep));
        assert_eq!(apart, [(Some(352), Raise), (Some(512), Keep)]);
        let capped = coupled(((200, 352), Raise), ((300, 300), Keep));
        assert_eq!(capped, [(Some(300), Raise), (Some(300), Keep)]);
        let held = coupled(((600, 600), Keep), ((1000, 512), Lower));
        assert_eq!(held, [(Some(600), Keep), (Some(600), Lower)]);
    }

    #[test]
    fn a_request_is_not_lowered_while_nobody_knows_its_limit() {
        let mut request = memory(Setting::MemoryRequest, (1000, 512), Action::Lower);
        let mut limit = memory(Setting::MemoryLimit, (0, 0), Action::Skipped);
        (limit.current, limit.target) = (None, None);
        request_within_limit(&mut request, &mut limit, false);
        assert_eq!((request.action, request.target), (Action::Keep, request.current));
    }

    #[test]
    fn a_limit_is_not_lowered_past_a_request_that_nobody_knows() {
        let mut request = memory(Setting::MemoryRequest, (0, 0), Action::Skipped);
        (request.current, request.target) = (None, None);
        let mut limit = memory(Setting::MemoryLimit, (1000, 512), Action::Lower);
        request_within_limit(&mut request, &mut limit, false);
        assert_eq!((limit.action, limit.target), (Action::Keep, limit.current));
        assert_eq!(request.target, None);
    }

    #[test]
    fn a_request_that_equals_its_limit_moves_with_it() {
        use Action::{Keep, Lower, Raise};
        let both = coupled(((512, 512), Keep), ((512, 640), Raise));
        assert_eq!(both, [(Some(640), Raise), (Some(640), Raise)]);
        let lowered = coupled(((512, 256), Lower), ((512, 320), Lower));
        assert_eq!(lowered, [(Some(320), Lower), (Some(320), Lower)]);
        let held = coupled(((512, 512), Keep), ((512, 320), Lower));
        assert_eq!(held, [(Some(512), Keep), (Some(512), Keep)]);
    }

    #[test]
    fn only_of_pods_that_are_guaranteed_it_is_said() {
        let says = |guaranteed| {
            let mut request = memory(Setting::MemoryRequest, (512, 512), Action::Keep);
            let mut limit = memory(Setting::MemoryLimit, (512, 640), Action::Raise);
            request_within_limit(&mut request, &mut limit, guaranteed);
            request.reasons.remove(0).message
        };
        assert_eq!(says(true), "equal to its limit today (QoS Guaranteed): moves with it");
        assert_eq!(says(false), "equal to its limit today: moves with it");
    }

    #[test]
    fn a_cpu_request_rises_to_its_limit_at_most_and_one_above_it_is_left_alone() {
        let held = |today, asked, limit: Option<u64>| {
            let reason = Reason { code: Code::Usage, message: String::new() };
            let object = "Deployment/jarvis-api".to_owned();
            let [current, target] =
                [today, asked].map(|cores| Some(Amount::Cpu(Millicores(cores))));
            let bare = skipped("api", object, Setting::CpuRequest, reason);
            let mut one = Recommendation { current, target, action: Action::Raise, ..bare };
            within_limit(&mut one, limit.map(|limit| Amount::Cpu(Millicores(limit))), None);
            (one.action, one.target.map(Amount::figure), one.reasons[0].code)
        };
        let of = |cores: u64| Some(Amount::Cpu(Millicores(cores)).figure());
        assert_eq!(held(500, 1200, Some(1000)), (Action::Raise, of(1000), Code::Coupled));
        assert_eq!(held(1000, 1200, Some(1000)), (Action::Keep, of(1000), Code::Coupled));
        assert_eq!(held(500, 1200, None), (Action::Raise, of(1200), Code::Usage));
        // the API server took it as it is: a pod that asks for more than its limit is somebody's mistake, not ours
        assert_eq!(held(1100, 1200, Some(1000)), (Action::Raise, of(1200), Code::Usage));
    }
}
