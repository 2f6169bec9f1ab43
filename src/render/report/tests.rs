#![allow(clippy::unwrap_used)]

use super::*;
use crate::render::fixture;

fn overlay() -> String {
    "# values-capacity.yaml\n# pass it last; it holds only the keys that plimsoll owns\napi:\n  autoscaling:\n    maxReplicas: 10    # was 5      TIER_ROW, CAPACITY\n    minReplicas: 5     # was 3      TIER_ROW\nworker:\n  replicaCount: 4      # was 3      TIER_ROW\n".to_owned()
}

fn page_of<'a>(plan: &'a Plan, services: &[&'a Assessment]) -> Page<'a> {
    Page {
        services: services.iter().map(|a| (*a, overlay())).collect(),
        plan,
        history: "6a82dd207118".to_owned(),
        samples: 196_086,
        queries: Some(9),
        command: "plimsoll report --offline --at 2026-11-23T01:00:00Z -f plimsoll.yaml".to_owned(),
        synthetic: true,
    }
}

/// Writes the pages of the fixture to look at: `cargo test --lib -- --ignored pages_to_look_at`.
#[test]
#[ignore = "writes files to look at"]
fn pages_to_look_at() {
    let out = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/look");
    std::fs::create_dir_all(&out).unwrap();
    let (full, empty) = (fixture::assessment(), fixture::empty());
    for (name, services) in [("page", vec![&full]), ("empty", vec![&empty]), ("two", vec![&full, &empty])] {
        let plan = fixture::whole_plan(&services);
        let page = page_of(&plan, &services);
        std::fs::write(out.join(format!("{name}.html")), html(&page)).unwrap();
        std::fs::write(out.join(format!("{name}.md")), markdown(&page)).unwrap();
    }
    for chart in crate::render::chart::charts(&full) {
        std::fs::write(out.join(format!("{}.svg", chart.name)), chart.svg).unwrap();
    }
    for (name, bytes) in crate::render::chart::pngs(&full).unwrap() {
        std::fs::write(out.join(format!("{name}.png")), bytes).unwrap();
    }
}
