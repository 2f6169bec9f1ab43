//! Plan -> Markdown for a pull request or a chat.
//!
//! GitHub's dialect (GFM). Names and messages are text: they cannot open a tag, a link or a column. Only
//! the code spans that our own sentences hold are kept.

use std::fmt::Write;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::advise::plan::{Action, Amount, Plan, Recommendation, ServicePlan, Severity, Status};
use crate::render::table::{action, in_reading_order, window};
use crate::render::text::visible;

/// The plan as Markdown; the moment is dated in `zone`.
#[must_use]
pub fn markdown(plan: &Plan, zone: &TimeZone) -> String {
    let mut out = String::new();
    let moment = plan.at.to_zoned(zone.clone()).strftime("%a %-d %b %Y %H:%M %Z").to_string();
    for service in &plan.services {
        let _ = write!(out, "## {}: {}\n\n", inline(&service.name), standing(service));
        out += &section(service, plan.at.to_zoned(zone.clone()).date());
    }
    let plural = if plan.changes == 1 { "" } else { "s" };
    let _ = writeln!(
        out,
        "{} change{plural}, {} skipped; nothing applied. {}, settings `{}`, {}.",
        plan.changes,
        plan.skipped,
        inline(&plan.version),
        plan.settings,
        inline(&moment),
    );
    out
}

fn standing(service: &ServicePlan) -> String {
    match (&service.tier, service.status) {
        (None, Status::Skipped) => "skipped".to_owned(),
        (Some(tier), status) => format!(
            "{} now, {} planned{}",
            inline(&tier.current),
            inline(&tier.planning),
            if status == Status::Skipped { "; nothing could be judged" } else { "" }
        ),
        (None, _) => "load unknown".to_owned(),
    }
}

fn section(service: &ServicePlan, today: Date) -> String {
    let mut out = String::new();
    if let Some(load) = &service.load {
        let _ = write!(
            out,
            "{:.1} rps now, {:.1} last week's peak, **{:.1} planned** ({}, {} % risk).\n\n",
            load.current,
            load.observed_peak,
            load.planning,
            inline(&window(&load.horizon)),
            (load.risk * 1000.0).round() / 10.0
        );
    }
    let reasons: String =
        service.reasons.iter().map(|one| line(&one.code.name(), &one.message)).collect();
    out += &block(&reasons);
    if !service.recommendations.is_empty() {
        out += "| Component | Setting | Today | To | Action | Until (1 in 10) | Why |\n";
        out += "| --- | --- | ---: | ---: | --- | --- | --- |\n";
        let rows: String = in_reading_order(&service.recommendations)
            .into_iter()
            .map(|one| row(one, today))
            .collect();
        out += &block(&rows);
    }
    let findings: String = service
        .findings
        .iter()
        .map(|one| {
            let remedy =
                if one.remedy.is_empty() { String::new() } else { format!("; {}", one.remedy) };
            let word = match one.severity {
                Severity::Critical => "critical",
                Severity::Warning => "warning",
                Severity::Info => "info",
            };
            line(&one.code.name(), &format!("{word}: {}{remedy}", one.message))
        })
        .collect();
    out + &block(&findings)
}

/// Lines and the empty line behind them; nothing for nothing.
fn block(lines: &str) -> String {
    if lines.is_empty() { String::new() } else { format!("{lines}\n") }
}

fn line(code: &str, message: &str) -> String {
    format!("* `{code}`: {}\n", inline(message))
}

fn row(one: &Recommendation, today: Date) -> String {
    let amount =
        |amount: Option<Amount>| amount.map_or_else(|| "-".to_owned(), |amount| amount.to_string());
    let changes = matches!(one.action, Action::Raise | Action::Lower);
    let target = if changes { format!("**{}**", amount(one.target)) } else { amount(one.target) };
    let day = |date: Date| date.strftime("%a %-d %b").to_string();
    let until = match one.lasts_until {
        Some(until) if until.p50.is_some_and(|even| even <= today) => "today already".to_owned(),
        until => until.and_then(|until| until.p90).map(day).unwrap_or_default(),
    };
    let reasons = one
        .reasons
        .iter()
        .map(|reason| format!("`{}` {}", reason.code.name(), inline(&reason.message)));
    let reasons: Vec<String> = reasons.collect();
    let cells = [
        inline(&one.component),
        format!("`{}`", one.setting.name()),
        amount(one.current),
        target,
        action(one.action).to_owned(),
        until,
        reasons.join("<br>"),
    ];
    format!("| {} |\n", cells.join(" | "))
}

/// Text that is only text: markup is escaped, but for code spans that are opened and closed. Two ticks in a row open
/// another kind of span, which our sentences do not have.
pub(super) fn inline(text: &str) -> String {
    let text = visible(text);
    let parts: Vec<&str> = text.split('`').collect();
    let spans = parts.len() % 2 == 1 && !text.contains("``");
    let part = |(at, part): (usize, &&str)| match (spans, at % 2) {
        (true, 1) if !part.is_empty() => format!("`{}`", part.replace('|', "\\|")),
        _ => escaped(part),
    };
    let parts: Vec<String> = parts.iter().enumerate().map(part).collect();
    parts.join(if spans { "" } else { "\\`" })
}

pub(super) fn escaped(text: &str) -> String {
    let mut out = String::new();
    let mut left = text.chars();
    while let Some(c) = left.next() {
        match c {
            // an address is no link: forges make one of it without any markup
            ':' if left.as_str().starts_with("//") => out.push_str(":\u{2060}"),
            '.' if ends_in_www(&out) => out.push_str("\u{2060}."),
            '#' => out.push_str("\\#\u{2060}"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // a name is no mention: the joiner is not seen, and GitHub finds no user behind it
            '@' => out.push_str("@\u{2060}"),
            '|' | '*' | '_' | '[' | ']' | '\\' | '~' | '!' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

fn ends_in_www(text: &str) -> bool {
    text.len() >= 3 && text.as_bytes()[text.len() - 3..].eq_ignore_ascii_case(b"www")
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::advise::plan::{Code, Setting};
    use crate::render::example::{self, count};

    #[test]
    fn the_plan_is_a_heading_a_table_and_its_findings() {
        let text = markdown(&example::plan(), &example::tokyo());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "## jarvis: Medium now, High planned");
        assert_eq!(
            lines[2],
            "31.4 rps now, 47.9 last week's peak, **58.2 planned** (7 days, 5 % risk)."
        );
        assert_eq!(
            lines[6],
            "| api | `minReplicas` | 3 | **5** | raise | Fri 27 Nov | `TIER_ROW` High (50-200): 5-10 pods |"
        );
        assert!(lines.contains(
            &"* `TABLE_ROW_TOO_SMALL`: warning: api, High: 10 pods sustain 114 rps, not 200; see `plimsoll tiers fit`"
        ));
        assert!(text.ends_with(
            "\n4 changes, 1 skipped; nothing applied. plimsoll 0.1.0, settings `0353b09d2456`, Mon 23 Nov 2026 10:00 JST.\n"
        ));
    }

    #[test]
    fn names_open_no_column_tag_link_or_mention() {
        let evil = "a|b <img src=x> [x](http://e) @all *b* `|`";
        let why = vec![example::because(Code::TierRow, "one ` tick | and\n| a row")];
        let one =
            example::setting((evil, "Deployment/x"), Setting::Replicas, count(1), count(2), why);
        let text =
            markdown(&example::plan_of(vec![example::service_plan(vec![one])]), &TimeZone::UTC);
        let row = text.lines().find(|line| line.contains("raise")).unwrap_or_default();
        assert!(
            row.starts_with("| a\\|b &lt;img src=x&gt; \\[x\\](http:\u{2060}//e) @\u{2060}all \\*b\\* `\\|` | `replicas`"),
            "{row}"
        );
        assert!(row.ends_with("one \\` tick \\| and\u{fffd}\\| a row |"), "{row}");
    }
}
