//! To which nodes a pod may come (Kubernetes: "Assigning Pods to Nodes", "Taints and Tolerations").

use serde_json::Value;

use crate::service::live::Node;

/// Whether such a pod may come to a node at all; what it would rather do, and what the state of a node keeps away for now, is
/// no matter.
#[must_use]
pub fn may_come_to(pod: &Value, node: &Node) -> bool {
    node.schedulable && is_meant_for(pod, node)
}

/// The same, whether or not the node takes pods at the moment.
#[must_use]
pub fn is_meant_for(pod: &Value, node: &Node) -> bool {
    is_tolerated(pod, node) && is_selected(pod, node)
}

fn is_tolerated(pod: &Value, node: &Node) -> bool {
    let tolerations = || all(&pod["tolerations"]);
    let tolerates = |taint: &Value, of: &Value| {
        let key = of["key"].is_null() || of["key"] == "" || of["key"] == taint["key"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let value = of["operator"] == "Exists" || text(&of["value"]) == text(&taint["value"]);
        let effect =
            of["effect"].is_null() || of["effect"] == "" || of["effect"] == taint["effect"];
        key && value && effect
    };
    let keeps_away = |taint: &&Value| {
        let key = taint["key"].as_str().unwrap_or_default();
        taint["effect"] != "PreferNoSchedule" && !key.starts_with("node.kubernetes.io/")
    };
    let mut taints = node.taints.iter().filter(keeps_away);
    taints.all(|taint| tolerations().any(|of| tolerates(taint, of)))
}

/// Whether it has the labels that are asked for, and what one of the terms of the affinity asks for.
fn is_selected(pod: &Value, node: &Node) -> bool {
    let label = |key: &str| node.labels.get(key).map(String::as_str);
    let mut labels = pod["nodeSelector"].as_object().into_iter().flatten();
    if !labels.all(|(key, value)| label(key) == value.as_str()) {
        return false;
    }
    let key = |of: &Value| of["key"].as_str().unwrap_or_default().to_owned();
    let required =
        &pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    let field = |key: &str| (key == "metadata.name").then_some(node.name.as_str());
    let holds = |term: &Value| {
        let of_labels = || all(&term["matchExpressions"]);
        let of_fields = || all(&term["matchFields"]);
        // one that asks for nothing selects nothing
        (of_labels().next().is_some() || of_fields().next().is_some())
            && of_labels().all(|of| fits(of, label(&key(of))))
            && of_fields().all(|of| fits(of, field(&key(of))))
    };
    required.is_null() || all(&required["nodeSelectorTerms"]).any(holds)
}

/// Whether what is there is what a requirement asks for; one of a kind that is not known is taken to be met.
fn fits(requirement: &Value, there: Option<&str>) -> bool {
    let is_one = || all(&requirement["values"]).any(|one| one.as_str() == there);
    let number = |text: Option<&str>| text?.parse::<i64>().ok();
    let numbers = || number(there).zip(number(requirement["values"][0].as_str()));
    match requirement["operator"].as_str() {
        Some("In") => there.is_some() && is_one(),
        Some("NotIn") => there.is_none() || !is_one(),
        Some("Exists") => there.is_some(),
        Some("DoesNotExist") => there.is_none(),
        Some("Gt") => numbers().is_some_and(|(there, bound)| there > bound),
        Some("Lt") => numbers().is_some_and(|(there, bound)| there < bound),
        _ => true,
    }
}

fn all(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::service::live::Amounts;

    fn node(labels: &[(&str, &str)], taints: Vec<Value>) -> Node {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Node {
            name: "n".to_owned(),
            allocatable: Amounts::default(),
            pods: None,
            zone: None,
            labels: labels.collect(),
            taints,
            schedulable: true,
        }
    }

    #[test]
    fn a_pod_comes_to_a_node_whose_taints_it_tolerates() {
        let comes = |taint: Value, tolerations: Value| {
            may_come_to(&json!({"tolerations": tolerations}), &node(&[], vec![taint]))
        };
        let gpu = || json!({"key": "gpu", "value": "a100", "effect": "NoSchedule"});
        assert!(!comes(gpu(), Value::Null));
        assert!(comes(json!({"key": "gpu", "effect": "PreferNoSchedule"}), Value::Null));
        let passing = json!({"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"});
        assert!(comes(passing, Value::Null));
        for (toleration, comes_there) in [
            (json!({"operator": "Exists"}), true),
            (json!({"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}), true),
            (json!({"key": "gpu", "value": "a100"}), true),
            (json!({"key": "gpu", "value": "t4"}), false),
            (json!({"key": "gpu", "operator": "Exists", "effect": "NoExecute"}), false),
        ] {
            assert_eq!(comes(gpu(), json!([toleration])), comes_there, "{toleration}");
        }
    }

    #[test]
    fn a_pod_comes_to_a_node_that_it_selects() {
        let comes =
            |pod: Value| may_come_to(&pod, &node(&[("pool", "gpu"), ("cores", "8")], Vec::new()));
        assert!(comes(json!({})) && comes(json!({"nodeSelector": {"pool": "gpu"}})));
        assert!(!comes(json!({"nodeSelector": {"pool": "general"}})));
        assert!(!comes(json!({"nodeSelector": {"pool": "gpu", "disk": "ssd"}})));
        let terms = |terms: Value| {
            let required = json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}});
            comes(json!({"affinity": {"nodeAffinity": required}}))
        };
        let of = |key: &str, operator: &str, values: &[&str]| json!({"key": key, "operator": operator, "values": values});
        for (requirement, comes_there) in [
            (of("pool", "In", &["gpu", "tpu"]), true),
            (of("pool", "In", &["general"]), false),
            (of("disk", "In", &["ssd"]), false),
            (of("pool", "NotIn", &["gpu"]), false),
            (of("pool", "NotIn", &["general"]), true),
            (of("disk", "NotIn", &["ssd"]), true),
            (of("pool", "Exists", &[]), true),
            (of("disk", "Exists", &[]), false),
            (of("pool", "DoesNotExist", &[]), false),
            (of("disk", "DoesNotExist", &[]), true),
            (of("cores", "Gt", &["7"]), true),
            (of("cores", "Gt", &["8"]), false),
            (of("cores", "Lt", &["9"]), true),
            (of("cores", "Lt", &["8"]), false),
            (of("pool", "Gt", &["1"]), false),
            (of("disk", "Near", &["1"]), true),
        ] {
            assert_eq!(
                terms(json!([{"matchExpressions": [requirement]}])),
                comes_there,
                "{requirement}"
            );
        }
        let [gpu, slow] = [of("pool", "In", &["gpu"]), of("cores", "Lt", &["4"])];
        // all that a term asks for, and any of the terms
        assert!(!terms(json!([{"matchExpressions": [gpu, slow]}])));
        assert!(terms(json!([{"matchExpressions": [slow]}, {"matchExpressions": [gpu]}])));
        assert!(!terms(json!([{}])) && !terms(json!([])));
        let named = |name: &str| json!([{"matchFields": [of("metadata.name", "In", &[name])]}]);
        assert!(terms(named("n")) && !terms(named("m")));
    }
}
