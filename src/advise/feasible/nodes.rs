//! Whether the nodes of today hold the most pods, if nothing else runs there: of one component, and of all together.

use super::{Advised, warning};
use crate::advise::plan::Finding;
use crate::service::live::{Amounts, Node};
use crate::service::placing::may_come_to;
use crate::units::{Bytes, Millicores, counted};

/// Nodes that could not hold the most pods of a component.
pub(super) fn too_few(advised: &Advised<'_>, nodes: &[Node]) -> Option<Finding> {
    // with no node to look at, nodes are made on demand
    nodes.iter().find(|node| node.schedulable)?;
    let takes = |node: &&Node| may_come_to(&advised.pod, node);
    let taking: Vec<&Node> = nodes.iter().filter(takes).collect();
    let fits = taking.iter().map(|node| holds(node, advised)).fold(0, u64::saturating_add);
    let apart = if advised.apart { ", one on each" } else { "" };
    (fits < advised.most).then(|| {
        warning(
            format!(
                "{}: {} pods of this size are advised at most, and the {} of today that take them hold {fits}{apart}, if nothing else runs there",
                advised.name,
                advised.most,
                counted(taking.len(), "node")
            ),
            "add nodes, or let a cluster autoscaler do it",
        )
    })
}

/// How many pods of a component a node holds.
fn holds(node: &Node, advised: &Advised<'_>) -> u64 {
    let times = |all: Option<u64>, each: Option<u64>| match (all, each) {
        (Some(all), Some(each)) if each > 0 => all / each,
        _ => u64::MAX,
    };
    let (all, each) = (node.allocatable, advised.requests);
    times(all.cpu.map(|cpu| cpu.0), each.cpu.map(|cpu| cpu.0))
        .min(times(all.memory.map(|of| of.0), each.memory.map(|of| of.0)))
        .min(node.pods.map_or(u64::MAX, u64::from))
        .min(if advised.apart { 1 } else { u64::MAX })
}

/// Nodes that hold the most pods of each component, and not those of all: their sum is more than all of the nodes have.
pub(super) fn too_few_for_all(all: &[&Advised<'_>], nodes: &[Node]) -> Option<Finding> {
    let takes = |node: &&Node| all.iter().any(|one| may_come_to(&one.pod, node));
    let taking: Vec<&Node> = nodes.iter().filter(takes).collect();
    if all.len() < 2 || taking.is_empty() || all.iter().any(|one| too_few(one, nodes).is_some()) {
        return None;
    }
    let asked = |of: fn(Amounts) -> Option<u64>| {
        let each = all.iter().map(|one| of(one.requests).unwrap_or(0).saturating_mul(one.most));
        each.fold(0, u64::saturating_add)
    };
    // a node that does not tell what it has may hold any
    let have = |of: fn(Amounts) -> Option<u64>| {
        let each = taking.iter().map(|node| of(node.allocatable).unwrap_or(u64::MAX));
        each.fold(0, u64::saturating_add)
    };
    let cpu: fn(Amounts) -> Option<u64> = |of| of.cpu.map(|cpu| cpu.0);
    let memory: fn(Amounts) -> Option<u64> = |of| of.memory.map(|of| of.0);
    let (asked, have) = if asked(cpu) > have(cpu) {
        let [asked, have] = [asked(cpu), have(cpu)].map(|of| Millicores(of).to_string());
        (format!("{asked} of CPU"), have)
    } else if asked(memory) > have(memory) {
        let [asked, have] = [asked(memory), have(memory)].map(|of| Bytes(of).to_string());
        (format!("{asked} of memory"), have)
    } else {
        return None;
    };
    let names: Vec<String> =
        all.iter().map(|one| format!("{}/{} {}", one.service, one.name, one.most)).collect();
    Some(warning(
        format!(
            "with the most pods that are advised of all ({}) they request {asked} together, and the {} of today that take them have {have}",
            names.join(", "),
            counted(taking.len(), "node")
        ),
        "add nodes, or let a cluster autoscaler do it",
    ))
}
