#![allow(clippy::unwrap_used)]

use super::*;
use crate::render::fixture;

fn overlay() -> String {
    "# values-capacity.yaml\n# pass it last; it holds only the keys that plimsoll owns\napi:\n  autoscaling:\n    maxReplicas: 10    # was 5      TIER_ROW, CAPACITY\n    minReplicas: 5     # was 3      TIER_ROW\nworker:\n  replicaCount: 4      # was 3      TIER_ROW\n".to_owned()
}

fn page_of<'a>(plan: &'a Plan, services: &[&'a Assessment]) -> Page<'a> {
    Page {
        services: services
            .iter()
            .map(|a| Reviewed {
                assessment: a,
                overlay: overlay(),
                policies: crate::past::candidates(a),
            })
            .collect(),
        plan,
        history: "6a82dd207118".to_owned(),
        samples: 196_086,
        queries: Some(9),
        command: "plimsoll report --offline --at 2026-11-23T01:00:00Z -f plimsoll.yaml".to_owned(),
        synthetic: true,
    }
}

fn edited(edit: impl FnOnce(&mut Assessment)) -> Assessment {
    let mut a = fixture::assessment();
    edit(&mut a);
    a
}

#[test]
fn the_title_is_a_sentence_for_each_kind_of_week() {
    use crate::advise::plan::{Action, Code, Finding, Severity};
    let title = |a: &Assessment| title::title(a);
    assert_eq!(title(&fixture::assessment()), "Move jarvis up to the High row before Friday.");
    assert_eq!(title(&fixture::empty()), "No advice for jarvis: its load is not known.");
    let all =
        |action| edited(|a| a.plan.recommendations.iter_mut().for_each(|r| r.action = action));
    assert_eq!(title(&all(Action::Keep)), "Leave jarvis as it is this week.");
    assert_eq!(title(&all(Action::Skipped)), "No advice for jarvis this week.");
    let lower = edited(|a| {
        a.plan.recommendations.retain(|r| r.component == "redis");
        a.plan.recommendations.iter_mut().for_each(|r| r.action = Action::Lower);
    });
    assert_eq!(title(&lower), "Lower Redis of jarvis.");
    // the same row as last week: the components are what there is to say
    let within = edited(|a| {
        a.plan.recommendations.retain(|r| r.component == "redis");
        a.plan.load.as_mut().unwrap().planning = 49.9;
    });
    assert_eq!(title(&within), "Raise Redis of jarvis before Friday.");
    let beyond = edited(|a| {
        a.plan.findings.push(Finding {
            severity: Severity::Critical,
            code: Code::BeyondTable,
            message: "over".to_owned(),
            remedy: String::new(),
        });
    });
    assert_eq!(title(&beyond), "Extend the table of jarvis: the load goes past its last row.");
}

#[test]
fn the_lead_names_what_the_planning_load_is_over() {
    let a = edited(|a| {
        a.capacity.get_mut("api").unwrap().per_replica = 11.0;
        let load = a.plan.load.as_mut().unwrap();
        (load.planning, load.observed_peak) = (58.2, 47.9);
    });
    // 5 pods x 11.0 rps = 55.0
    assert_eq!(
        title::lead(&a),
        "This week’s peak is planned at **58.2 rps**, with a 1-in-20 chance of more. \
         That is over the 50 rps line into High and the 55.0 rps that today’s maximum of 5 API pods sustains."
    );
    let a = edited(|a| a.plan.load.as_mut().unwrap().planning = 40.0);
    assert!(title::lead(&a).ends_with("That is inside Medium (10–50 rps)."), "{}", title::lead(&a));
}

#[test]
fn the_title_has_the_day_the_row_is_entered_and_the_lead_what_is_too_small_already() {
    use crate::advise::plan::{Runway, Setting};
    let a = edited(|a| {
        let today = Some(crate::render::wording::today(a));
        let all = &mut a.plan.recommendations;
        let min = all.iter_mut().find(|r| r.setting == Setting::MinReplicas).unwrap();
        min.lasts_until = Some(Runway { p50: today, p90: today });
    });
    assert_eq!(title::title(&a), "Move jarvis up to the High row before Friday.");
    assert!(title::lead(&a).ends_with(" API minReplicas of 3 is too small today already."));
    let decisions = verdict::decisions(&a);
    assert_eq!(decisions[0].1, "Too small today already: API minReplicas of 3.");
}

#[test]
fn a_week_under_a_limit_held_only_as_far_as_was_served() {
    let a = fixture::assessment();
    let result = |number: usize| hindsight::result(&a, &a.scorecard[number]);
    // 41.0 planned, 32.9 seen, and no limit bound: 41.0 / 32.9 = 1.25
    assert!(result(0).ends_with("to spare"), "{}", result(0));
    let last = a.scorecard.len() - 1;
    assert!(result(last).starts_with("held, cut off "), "{}", result(last));
    assert!(hindsight::score_answer(&a).starts_with("Not certain. "));
    let much = edited(|a| {
        let first = a.scorecard[0].clone();
        a.scorecard = vec![crate::WeekScore { planned: 2.0 * first.seen, ..first }];
    });
    assert!(hindsight::score_answer(&much).starts_with("Yes, with much to spare. "));
    assert!(hindsight::result(&much, &much.scorecard[0]).contains("100"));
}

#[test]
fn where_no_setting_could_be_judged_today_is_not_called_enough() {
    let a = edited(|a| {
        for r in &mut a.plan.recommendations {
            (r.action, r.target, r.lasts_until) =
                (crate::advise::plan::Action::Skipped, None, None);
        }
    });
    let figures = verdict::figures(&a);
    assert!(figures.iter().any(|f| f.note.starts_with("nothing could be judged; ")), "{figures:?}");
}

#[test]
fn the_highest_load_that_a_pod_served_is_no_limit_where_it_was_never_at_one() {
    let says = |saturated: bool| {
        let a = edited(|a| {
            let api = a.capacity.get_mut("api").unwrap();
            (api.per_replica, api.saturated) = (11.0, saturated);
            let rows = a.rows.get_mut("api").unwrap();
            for row in rows {
                row.sustained = 11.0 * f64::from(row.replicas);
            }
            let load = a.plan.load.as_mut().unwrap();
            (load.planning, load.observed_peak) = (58.2, 47.9);
        });
        let checks = hindsight::row_checks(&a, "api");
        let high = checks.into_iter().find(|check| check.row.starts_with("High")).unwrap();
        (title::lead(&a), hindsight::table_answer(&a, "api"), high)
    };
    // 10 pods x 11.0 rps = 110, not 200
    let (lead, answer, high) = says(true);
    assert!(lead.contains("sustains"), "{lead}");
    assert!(answer.contains("High promises more than its pods can give"), "{answer}");
    assert_eq!(high.holds, Some(false));
    assert_eq!(high.against, "too small above 110 rps; 19 pods would hold");
    let (lead, answer, high) = says(false);
    assert!(!lead.contains("sustain"), "{lead}");
    assert!(answer.contains("Whether High does is not known"), "{answer}");
    assert_eq!(high.holds, None);
    assert_eq!(high.against, "not seen yet: 110 rps by the most that one pod served");
}

#[test]
fn a_capacity_that_is_not_known_says_why() {
    let a = fixture::assessment();
    let said = hindsight::table_answer(&a, "worker");
    assert!(said.contains("without `worker.cpu` it is not known to serve the load"), "{said}");
}

#[test]
fn names_from_outside_are_text_and_never_markup() {
    let hostile = "<script>alert(1)</script>";
    let a = edited(|a| {
        a.service.name = hostile.to_owned();
        a.plan.findings[0].message = format!("{hostile} & more");
        a.calendar.events[1].name = hostile.to_owned();
    });
    let plan = fixture::whole_plan(&[&a]);
    let page = html(&page_of(&plan, &[&a]));
    assert!(!page.contains("<script"));
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    // in Markdown, code is text anyway
    let text = markdown(&page_of(&plan, &[&a]));
    assert!(text.contains("&lt;script&gt;"));
    assert!(!text.lines().any(|line| line.starts_with("# ") && line.contains("<script")), "{text}");
    assert!(!text.contains("**<script"), "{text}");
}

#[test]
fn an_address_or_a_number_in_a_name_is_no_link_in_markdown() {
    let named = edited(|a| a.service.name = "see https://evil www.evil #12 @all".to_owned());
    let plan = crate::plan(named.at, "0", std::slice::from_ref(&named));
    let text = markdown(&page_of(&plan, &[&named]));
    let title = text.lines().next().unwrap();
    let shown = "see https:\u{2060}//evil www\u{2060}.evil \\#\u{2060}12 @\u{2060}all";
    assert!(title.contains(shown), "{title}");
}

#[test]
fn without_data_no_figure_is_invented() {
    let a = fixture::empty();
    let plan = fixture::whole_plan(&[&a]);
    let text = markdown(&page_of(&plan, &[&a]));
    assert!(text.contains("No series is not zero"), "{text}");
    assert!(!text.contains(" rps"), "{text}");
    assert!(!text.contains("NaN") && !text.contains("unknown"), "{text}");
}

#[test]
fn several_services_have_an_index_and_ids_of_their_own() {
    let (full, empty) = (fixture::assessment(), fixture::empty());
    let plan = fixture::whole_plan(&[&full, &empty]);
    let page = html(&page_of(&plan, &[&full, &empty]));
    assert!(page.contains("href=\"#service-1\"") && page.contains("id=\"service-1\""));
    let ids: Vec<&str> =
        page.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let mut once = ids.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), ids.len());
}

#[test]
fn the_same_assessment_gives_the_same_page() {
    let a = fixture::assessment();
    let plan = fixture::whole_plan(&[&a]);
    let page = page_of(&plan, &[&a]);
    assert_eq!(html(&page), html(&page));
    assert_eq!(markdown(&page), markdown(&page));
}

/// Writes the pages of the fixture to look at: `cargo test --lib -- --ignored pages_to_look_at`.
#[test]
#[ignore = "writes files to look at"]
fn pages_to_look_at() {
    let out = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/look");
    std::fs::create_dir_all(&out).unwrap();
    let (full, empty) = (fixture::assessment(), fixture::empty());
    for (name, services) in
        [("page", vec![&full]), ("empty", vec![&empty]), ("two", vec![&full, &empty])]
    {
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
