//! Plan -> JSON and YAML: keys sorted, one newline at the end, the same bytes for the same plan.

use crate::advise::plan::Plan;

/// The plan as JSON.
///
/// # Errors
///
/// None in practice: a plan has string keys only, and a figure that is not a number becomes null.
pub fn json(plan: &Plan) -> Result<String, serde_json::Error> {
    let mut value = serde_json::to_value(plan)?;
    value.sort_all_objects();
    Ok(serde_json::to_string_pretty(&value)? + "\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::render::example;

    #[test]
    fn it_reads_back_as_the_same_plan() {
        let plan = example::plan();
        assert_eq!(serde_json::from_str::<Plan>(&json(&plan).unwrap()).unwrap(), plan);
    }

    #[test]
    fn keys_are_sorted_and_words_are_those_of_the_contract() {
        let text = json(&example::plan()).unwrap();
        assert!(text.starts_with(
            "{\n  \"at\": \"2026-11-23T01:00:00Z\",\n  \"changes\": 4,\n  \"schemaVersion\": 1,"
        ));
        assert!(text.ends_with("}\n") && !text.ends_with("\n\n"));
        for words in [
            "\"action\": \"Raise\"",
            "\"setting\": \"minReplicas\"",
            "\"code\": \"TIER_ROW\"",
            "\"target\": \"1Gi\"",
            "\"p90\": \"2026-11-27\"",
            "\"status\": \"Partial\"",
            "\"uncappedTarget\": 5",
        ] {
            assert!(text.contains(words), "{words}");
        }
    }

    #[test]
    fn a_figure_that_is_not_a_number_is_null() {
        let mut plan = example::plan();
        plan.services[0].load.as_mut().unwrap().current = f64::NAN;
        assert!(json(&plan).unwrap().contains("\"current\": null,\n        \"horizon\""));
    }
}
