//! The fewest pods that a count may be lowered to: what a disruption budget, the zones and the volume claims of pods keep, or may
//! keep where nobody told of them.

use std::collections::BTreeSet;

use super::{Budget, Live, Share, Workload};
use crate::service::placing::is_meant_for;

/// The fewest pods, and what keeps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Least {
    /// Pods, at most those of now.
    pub pods: u32,
    /// What keeps them.
    pub kept_by: Keeper,
}

/// What keeps pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeper {
    /// Their volume claims, which would be deleted with them.
    Claims,
    /// A disruption budget, which would let none be evicted of fewer.
    Budget,
    /// A zone, which would be left without one.
    Zone,
    /// Disruption budgets, which nobody told of.
    HiddenBudgets,
    /// Zones, which nobody told of.
    HiddenZones,
}

impl Least {
    /// The pods that are kept for certain: where nobody told, all may go.
    #[must_use]
    pub fn certain(self) -> u32 {
        match self.kept_by {
            Keeper::HiddenBudgets | Keeper::HiddenZones => 0,
            Keeper::Claims | Keeper::Budget | Keeper::Zone => self.pods,
        }
    }
}

impl Keeper {
    /// Why fewer would not do, and what to do about it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Claims => {
                "the volume claims of pods that end would be deleted with them (`whenScaled: Delete`): set it to `Retain` first"
            }
            Self::Budget => {
                "with fewer a disruption budget would let no node be drained: lower the budget first"
            }
            Self::Zone => {
                "fewer would leave a zone without a pod: lower it by hand, if that is meant"
            }
            Self::HiddenBudgets => {
                "whether a disruption budget holds it cannot be read: allow `list` on poddisruptionbudgets"
            }
            Self::HiddenZones => {
                "whether a zone would be left without a pod cannot be read: allow `list` on nodes"
            }
        }
    }
}

impl Live {
    /// The zones of the nodes to which a workload's pods may come; `None`: not told.
    #[must_use]
    pub fn zones(&self, of: &Workload) -> Option<u32> {
        let nodes = self.nodes.as_ref()?.iter().filter(|node| is_meant_for(&of.pod, node));
        let zones: BTreeSet<&str> = nodes.filter_map(|node| node.zone.as_deref()).collect();
        u32::try_from(zones.len()).ok()
    }
}

impl Workload {
    /// The fewest pods that `now` may be lowered to; `None`: nothing keeps any.
    #[must_use]
    pub fn least(&self, now: u32, zones: Option<u32>) -> Option<Least> {
        let by_budget = |budgets: &Vec<Budget>| {
            let drained = |to: u32| budgets.iter().any(|one| one.is_drained(now.into(), to.into()));
            (1..now).find(|to| !drained(*to)).unwrap_or(now)
        };
        let hidden = |keeper| (keeper, now);
        let budgets = self.budgets.as_ref();
        let all = [
            zones.map_or(hidden(Keeper::HiddenZones), |zones| (Keeper::Zone, zones.min(now))),
            budgets.map_or(hidden(Keeper::HiddenBudgets), |all| (Keeper::Budget, by_budget(all))),
            (Keeper::Claims, if self.claims_go { now } else { 0 }),
        ];
        let (kept_by, pods) = all.into_iter().max_by_key(|(_, pods)| *pods)?;
        (pods > 1).then_some(Least { pods, kept_by })
    }
}

impl Budget {
    /// Whether, of fewer pods, it would let none be evicted. Where it let none be before, a share is no reason.
    #[must_use]
    pub fn is_drained(&self, from: u64, to: u64) -> bool {
        let was = matches!(self.min_available, Some(Share::Percent(_))) && self.allows(from) == 0;
        self.min_available.is_some() && self.allows(to) == 0 && !was
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;
    use crate::service::live::{Amounts, Node};

    fn least(workload: &Workload, now: u32, zones: u32) -> Option<(u32, Keeper)> {
        workload.least(now, Some(zones)).map(|least| (least.pods, least.kept_by))
    }

    #[test]
    fn a_count_goes_no_lower_than_the_most_that_keeps_it() {
        let budget = |min_available, max_unavailable| Workload {
            budgets: Some(vec![Budget { name: "b".to_owned(), min_available, max_unavailable }]),
            ..Workload::default()
        };
        let free = Workload { budgets: Some(Vec::new()), ..Workload::default() };
        assert_eq!([free.least(9, Some(0)), free.least(9, Some(1))], [None; 2]);
        // what nobody told of may keep all of them
        let keeper = |workload: &Workload, zones| {
            workload.least(9, zones).map(|one| (one.pods, one.kept_by))
        };
        assert_eq!(keeper(&free, None), Some((9, Keeper::HiddenZones)));
        let hidden = Workload::default();
        assert_eq!(keeper(&hidden, Some(3)), Some((9, Keeper::HiddenBudgets)));
        assert_eq!(least(&free, 9, 3), Some((3, Keeper::Zone)));
        // what is there already is no reason to have more
        assert_eq!(least(&free, 2, 3), Some((2, Keeper::Zone)));
        let four = budget(Some(Share::Pods(4)), None);
        assert_eq!(least(&four, 9, 3), Some((5, Keeper::Budget)));
        assert_eq!(least(&four, 4, 3), Some((4, Keeper::Budget)));
        assert_eq!(least(&budget(Some(Share::Percent(75)), None), 9, 3), Some((4, Keeper::Budget)));
        // of which none could be evicted before
        assert_eq!(least(&budget(Some(Share::Percent(100)), None), 9, 0), None);
        assert_eq!(least(&budget(None, Some(Share::Pods(1))), 9, 0), None);
        let claims = Workload { claims_go: true, ..four };
        assert_eq!(least(&claims, 9, 3), Some((9, Keeper::Claims)));
    }

    #[test]
    fn a_zone_counts_where_a_pod_may_come_whether_or_not_its_nodes_take_any_now() {
        let node = |zone: &str, taints: Vec<Value>, schedulable: bool| Node {
            name: zone.to_owned(),
            allocatable: Amounts::default(),
            pods: None,
            zone: Some(zone.to_owned()),
            labels: BTreeMap::new(),
            taints,
            schedulable,
        };
        let control =
            json!({"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"});
        let nodes = vec![
            node("a", Vec::new(), true),
            node("b", Vec::new(), false),
            node("c", vec![control], true),
        ];
        let live = Live { nodes: Some(nodes), ..Live::default() };
        assert_eq!(live.zones(&Workload::default()), Some(2));
        let pod = json!({"tolerations": [{"operator": "Exists"}]});
        assert_eq!(live.zones(&Workload { pod, ..Workload::default() }), Some(3));
        assert_eq!(Live::default().zones(&Workload::default()), None);
    }
}
