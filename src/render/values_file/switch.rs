//! What the file itself switches: beside an HPA that it turns off nothing renders the HPA's keys, and beside one that it
//! turns on nothing renders the count, as `helm create` writes charts.

use granit_parser::ScalarStyle;

use super::place::{dotted, in_force};
use super::tree::{Kind, Tree};

/// Why nothing would render a value at this path; `None` where the file does not say so.
pub(super) fn idle(tree: &Tree, path: &[String]) -> Option<String> {
    let names: Vec<&str> = path.iter().map(String::as_str).collect();
    let (base, wants_hpa) = match names.as_slice() {
        [base @ .., "autoscaling", _] => (base.len(), true),
        [base @ .., "replicaCount"] => (base.len(), false),
        _ => return None,
    };
    let switch = ["autoscaling", "enabled"].map(str::to_owned);
    let switch: Vec<String> = path[..base].iter().cloned().chain(switch).collect();
    // what stands in the way is said where the value itself is looked for
    let id = in_force(tree, &switch).ok()??;
    let Kind::Scalar { value, style: ScalarStyle::Plain } = &tree.nodes[id].kind else {
        return None;
    };
    let on = match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => true,
        "false" | "no" | "off" => false,
        _ => return None,
    };
    let why = if on { "an HPA has the count" } else { "nothing renders it" };
    (on != wants_hpa).then(|| format!("`{}` is {value} in the file: {why}", dotted(&switch)))
}
