//! Plan -> CSV: a line per recommendation, quoted as RFC 4180 says, lines ended by a bare newline as
//! other tools of the shell want them.
//!
//! A cell that a spreadsheet would run as a formula gets a `'` in front (OWASP, "CSV Injection").

use jiff::civil::Date;

use crate::advise::plan::{Amount, Plan, Reason, Recommendation, ServicePlan, Status};
use crate::render::text::visible;

const HEAD: [&str; 15] = [
    "service",
    "namespace",
    "component",
    "object",
    "setting",
    "current",
    "target",
    "uncappedTarget",
    "lowerBound",
    "upperBound",
    "action",
    "codes",
    "reasons",
    "lastsUntilP50",
    "lastsUntilP90",
];

/// The plan as CSV. A service about which nothing could be said has one line, with its reasons.
#[must_use]
pub fn csv(plan: &Plan) -> String {
    let mut rows = vec![HEAD.map(str::to_owned)];
    for service in &plan.services {
        rows.extend(service.recommendations.iter().map(|one| row(service, one)));
        if service.status == Status::Skipped && service.recommendations.is_empty() {
            rows.push(bare(service));
        }
    }
    rows.iter().map(|row| row.clone().map(|cell| cell_text(&cell)).join(",") + "\n").collect()
}

fn row(service: &ServicePlan, one: &Recommendation) -> [String; 15] {
    let amount =
        |amount: Option<Amount>| amount.map(|amount| amount.to_string()).unwrap_or_default();
    let day = |date: Option<Date>| date.map(|date| date.to_string()).unwrap_or_default();
    let (codes, reasons) = because(&one.reasons);
    [
        service.name.clone(),
        service.namespace.clone(),
        one.component.clone(),
        one.object.clone(),
        one.setting.name().to_owned(),
        amount(one.current),
        amount(one.target),
        amount(one.uncapped_target),
        amount(one.lower_bound),
        amount(one.upper_bound),
        format!("{:?}", one.action),
        codes,
        reasons,
        day(one.lasts_until.and_then(|until| until.p50)),
        day(one.lasts_until.and_then(|until| until.p90)),
    ]
}

fn bare(service: &ServicePlan) -> [String; 15] {
    let mut row = [const { String::new() }; 15];
    row[0].clone_from(&service.name);
    row[1].clone_from(&service.namespace);
    "Skipped".clone_into(&mut row[10]);
    (row[11], row[12]) = because(&service.reasons);
    row
}

fn because(reasons: &[Reason]) -> (String, String) {
    let codes: Vec<String> = reasons.iter().map(|reason| reason.code.name()).collect();
    let messages: Vec<&str> = reasons.iter().map(|reason| reason.message.as_str()).collect();
    (codes.join(" "), messages.join("; "))
}

fn cell_text(text: &str) -> String {
    let text = visible(text);
    let formula = text.starts_with([
        '=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}', '\u{fffd}',
    ]);
    let text = if formula { format!("'{text}") } else { text };
    if text.contains([',', '"', '\'', ';']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advise::plan::{Code, Setting};
    use crate::render::example::{self, count};

    #[test]
    fn a_recommendation_is_one_line() {
        let text = csv(&example::plan());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 1 + 6);
        assert_eq!(
            lines[1],
            "jarvis,jarvis,api,Deployment/jarvis-api,minReplicas,3,5,5,5,5,Raise,TIER_ROW,High (50-200): 5-10 pods,\
             2026-12-01,2026-11-27"
        );
        assert!(
            lines[4].contains(",512Mi,1Gi,") && lines[4].contains("TIER_ROW REDIS_MAXMEMORY"),
            "{}",
            lines[4]
        );
        assert!(lines[6].contains(",cpuRequest,,,,,,Skipped,NO_SERIES,"), "{}", lines[6]);
    }

    #[test]
    fn commas_quotes_and_line_breaks_stay_inside_their_cell() {
        let why = vec![example::because(Code::TierRow, "say \"5\", then\nmore")];
        let one = example::setting(example::API, Setting::Replicas, count(1), count(2), why);
        let text = csv(&example::plan_of(vec![example::service_plan(vec![one])]));
        assert_eq!(text.lines().count(), 2);
        assert!(text.contains(",\"say \"\"5\"\", then\u{fffd}more\",,\n"), "{text}");
    }

    #[test]
    fn a_name_is_not_run_as_a_formula() {
        for evil in ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "＝1"] {
            let one = example::setting(
                (evil, "Deployment/x"),
                Setting::Replicas,
                count(1),
                count(2),
                Vec::new(),
            );
            let text = csv(&example::plan_of(vec![example::service_plan(vec![one])]));
            assert!(text.contains(&format!(",\"'{}", visible(evil))), "{text}");
        }
    }

    #[test]
    fn a_service_that_was_skipped_is_not_dropped() {
        let mut service = example::service_plan(Vec::new());
        service.status = Status::Skipped;
        service.reasons = vec![example::because(Code::NoSeries, "no series for `load`")];
        let text = csv(&example::plan_of(vec![service]));
        assert!(
            text.ends_with("\njarvis,jarvis,,,,,,,,,Skipped,NO_SERIES,no series for `load`,,\n"),
            "{text}"
        );
    }
}
