//! The review as Markdown: what a pull request or a wiki shows.

#![expect(clippy::format_push_string, reason = "a page of text, written once")]

use std::collections::BTreeMap;

use super::verdict::{self, Change};
use super::{
    Page, Reviewed, ahead, candidates, evidence, hindsight, runway as ends, since, title, trust,
};
use crate::Assessment;
use crate::advise::plan::Action;
use crate::render::helm;
use crate::render::markdown_plan::escaped;
use crate::render::wording as w;
use crate::replay::Replay;

/// The whole review, one part a service.
#[must_use]
pub fn markdown(page: &Page) -> String {
    let parts = page.services.iter().map(|one| service(page, one));
    parts.collect::<Vec<_>>().join("\n---\n\n")
}

fn service(page: &Page, reviewed: &Reviewed) -> String {
    let Reviewed { assessment: a, overlay, policies } = reviewed;
    let mut out = Text::default();
    let title = title::title(a);
    out.heading(1, title.trim_end_matches('.'));
    let synthetic = if page.synthetic { " **Synthetic data.**" } else { "" };
    out.line(&format!("Weekly capacity review of {}, {}.{synthetic}", a.service.name, w::stamp(a)));
    out.line(&title::lead(a));
    out.line(&ahead::lead(a).unwrap_or_default());
    let figures = verdict::figures(a)
        .into_iter()
        .map(|f| format!("**{}:** {} ({})", f.label, f.value, f.note));
    out.list(&figures.collect::<Vec<_>>());
    let changed = since::since(a);
    if !changed.is_empty() {
        let day = since::last_review(a).to_zoned(a.calendar.zone.clone()).date();
        out.line(&format!("Since {}:", w::day(day)));
        out.list(&changed);
    }
    change(&mut out, a, overlay);
    load(&mut out, a);
    components(&mut out, a, policies);
    runway(&mut out, a);
    score(&mut out, a);
    table(&mut out, a);
    data(&mut out, a);
    out.heading(2, "How this was computed");
    for (name, values) in trust::method(page, a) {
        if let [value] = values.as_slice() {
            out.item(0, &format!("{name}: {value}"));
        } else {
            out.item(0, &format!("{name}:"));
            for value in &values {
                out.item(1, value);
            }
        }
    }
    out.0.push('\n');
    out.fenced("sh", &page.command);
    out.0.replace(['\u{202f}', '\u{a0}'], " ")
}

/// Text in which names open no tag, link, mention or column; our own bold and code stay.
fn safe(text: &str) -> String {
    let plain = |text: &str| text.split("**").map(escaped).collect::<Vec<_>>().join("**");
    let parts = text.split('`').enumerate();
    let parts =
        parts.map(|(index, part)| if index % 2 == 1 { part.to_owned() } else { plain(part) });
    parts.collect::<Vec<_>>().join("`").replace('\n', " ")
}

/// Markdown under construction.
#[derive(Default)]
struct Text(String);

impl Text {
    fn heading(&mut self, depth: usize, text: &str) {
        self.0 += &format!("{} {}\n\n", "#".repeat(depth), safe(text));
    }

    fn line(&mut self, text: &str) {
        if !text.is_empty() {
            self.0 += &format!("{}\n\n", safe(text));
        }
    }

    fn list(&mut self, items: &[String]) {
        for item in items {
            self.item(0, item);
        }
        if !items.is_empty() {
            self.0.push('\n');
        }
    }

    fn item(&mut self, depth: usize, text: &str) {
        self.0 += &format!("{}* {}\n", "  ".repeat(depth), safe(text));
    }

    fn fenced(&mut self, language: &str, text: &str) {
        self.0 += &format!("```{language}\n{}\n```\n\n", text.trim_end());
    }

    /// A table with its columns aligned; `>` before a heading aligns to the right.
    fn table(&mut self, headings: &[&str], rows: &[Vec<String>]) {
        let names: Vec<String> = headings.iter().map(|h| safe(h.trim_start_matches('>'))).collect();
        let cells: Vec<Vec<String>> =
            rows.iter().map(|row| row.iter().map(|cell| safe(cell)).collect()).collect();
        let width = |column: usize| {
            let cells = cells.iter().map(|row| row[column].chars().count());
            cells.chain([names[column].chars().count(), 3]).max().unwrap_or(3)
        };
        let right = |column: usize| headings[column].starts_with('>');
        let pad = |column: usize, text: &str| {
            let space = " ".repeat(width(column) - text.chars().count());
            if right(column) { format!("{space}{text}") } else { format!("{text}{space}") }
        };
        let line = |row: &[String]| {
            let cells: Vec<String> =
                row.iter().enumerate().map(|(column, text)| pad(column, text)).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        self.0 += &line(&names);
        let rule = (0..names.len()).map(|column| {
            let dashes = "-".repeat(width(column) - usize::from(right(column)));
            if right(column) { format!("{dashes}:") } else { dashes }
        });
        self.0 += &line(&rule.collect::<Vec<_>>());
        for row in &cells {
            self.0 += &line(row);
        }
        self.0.push('\n');
    }
}

fn change(out: &mut Text, a: &Assessment, overlay: &str) {
    out.heading(2, "What to change");
    out.line(&verdict::change_answer(a));
    let changes = verdict::changes(a);
    if !changes.is_empty() {
        let rows: Vec<Vec<String>> = changes.iter().map(change_row).collect();
        out.table(&["Component", "Setting", ">Today", ">To", "Why", "1 in 10", "Even odds"], &rows);
        out.line("The last columns say until when today’s value lasts. The reasons:");
        let reasons = changes
            .iter()
            .flat_map(|c| c.why.iter().map(move |(code, message)| (c, code, message)));
        let reasons = reasons
            .map(|(c, code, message)| format!("{} {}: `{code}` {message}", c.component, c.setting));
        out.list(&reasons.collect::<Vec<_>>());
    }
    if verdict::changes_something(a) && helm::is_empty(overlay) {
        out.line("The Helm overlay holds none of these changes, for the reasons in it. As patches they are in `patches/`.");
        out.fenced("yaml", overlay);
    } else if verdict::changes_something(a) {
        let (name, namespace) = (&a.service.name, &a.service.namespace);
        out.fenced(
            "sh",
            &format!(
                "helm upgrade {name} CHART -n {namespace} -f values.yaml -f values-capacity.yaml"
            ),
        );
        out.fenced("yaml", overlay);
        out.line(&format!(
            "Undo with `helm rollback {name} -n {namespace}`, which goes back one revision."
        ));
    }
    let decisions = verdict::decisions(a);
    if !decisions.is_empty() {
        out.heading(3, "To decide today");
        for (number, (what, how)) in decisions.iter().enumerate() {
            out.0 += format!("{}. **{}** {}", number + 1, safe(&verdict::stop(what)), safe(how))
                .trim_end();
            out.0.push('\n');
        }
        out.0.push('\n');
    }
    out.list(&verdict::notes(a));
}

fn change_row(change: &Change) -> Vec<String> {
    let target = match change.action {
        Action::Keep => "keep".to_owned(),
        _ => format!("**{}**", change.target),
    };
    let codes: Vec<String> = change.why.iter().map(|(code, _)| format!("`{code}`")).collect();
    let (early, even) = change.lasts.clone().unwrap_or_else(|| ("–".to_owned(), "–".to_owned()));
    vec![
        change.component.clone(),
        change.setting.to_owned(),
        change.today.clone(),
        target,
        codes.join(", "),
        early,
        even,
    ]
}

fn load(out: &mut Text, a: &Assessment) {
    out.heading(2, "Where the load is going");
    out.line(&evidence::load_answer(a));
    let chances = evidence::chances(a);
    if !chances.is_empty() {
        let heading = format!("Peak of the next {} reaches", w::window(a.policy.horizon.0));
        let rows: Vec<Vec<String>> =
            chances.into_iter().map(|(load, what, chance)| vec![load, what, chance]).collect();
        out.table(&[&heading, "Which is", ">Chance"], &rows);
    }
    let events = ahead::events(a);
    if !events.is_empty() {
        let rows: Vec<Vec<String>> = events
            .into_iter()
            .map(|e| vec![format!("{}, {}", e.name, e.when), e.expected, e.high, e.holds])
            .collect();
        let heads = [
            "Event ahead",
            ">Expected peak, rps",
            ">95 % stay under",
            "What is recommended, at that load",
        ];
        out.table(&heads, &rows);
    }
}

fn components(out: &mut Text, a: &Assessment, policies: &BTreeMap<String, Replay>) {
    let (in_memory, in_pods): (Vec<_>, Vec<_>) =
        a.service.components.iter().partition(|component| component.memory);
    if !in_pods.is_empty() {
        out.heading(2, "Are there enough pods?");
        for component in in_pods {
            let answer = evidence::pods_answer(a, &component.name);
            let answer = answer.unwrap_or_else(|| {
                "Not known: neither its replicas nor its need can be told.".to_owned()
            });
            out.line(&format!("**{}.** {answer}", w::component(&component.name)));
            if let Some(replay) = policies.get(&component.name) {
                ways(out, a, replay);
            }
        }
    }
    if !in_memory.is_empty() {
        out.heading(2, "Is there enough memory?");
        for component in in_memory {
            let name = w::component(&component.name);
            let answer = evidence::memory_answer(a, &component.name);
            out.line(&answer.unwrap_or_else(|| {
                format!("{name}: its use has no series; no series is not zero.")
            }));
        }
    }
}

/// Other ways to run a component, cheapest first.
fn ways(out: &mut Text, a: &Assessment, replay: &Replay) {
    out.line(&candidates::caption(a, replay));
    let row = |one: candidates::Candidate| {
        let policy = if one.advised { format!("**{}**", one.policy) } else { one.policy };
        vec![policy, one.hours, one.against, one.short, one.note.to_owned()]
    };
    let rows: Vec<Vec<String>> = candidates::rows(a, replay).into_iter().map(row).collect();
    out.table(&["Policy", ">Pod-hours", ">Against today", ">Short", "Note"], &rows);
    out.line(&candidates::decision(a, replay));
}

fn runway(out: &mut Text, a: &Assessment) {
    let limits = ends::limits(a);
    out.heading(2, "When does it run out?");
    out.line(&ends::answer(a, &limits));
    if limits.is_empty() {
        return;
    }
    let row = |l: ends::Limit| {
        let (early, even) = w::dates(a, l.dates);
        vec![l.name, early, even, l.note]
    };
    let rows: Vec<Vec<String>> = limits.into_iter().map(row).collect();
    out.table(&["Limit", "1 in 10", "Even odds", "What it is"], &rows);
    out.line(&format!(
        "“{}” means not inside the outlook of {}.",
        w::capital(&w::after(a)),
        w::window(a.policy.outlook.0)
    ));
}

fn score(out: &mut Text, a: &Assessment) {
    out.heading(2, "Would last week’s plan have held?");
    out.line(&hindsight::score_answer(a));
    if a.scorecard.is_empty() {
        return;
    }
    let share = |value: f64| {
        if value.is_finite() { format!("{:.0} %", value * 100.0) } else { "–".to_owned() }
    };
    let rows = a.scorecard.iter().rev().take(8).rev().map(|week| {
        let result = hindsight::result(a, week);
        let result = match hindsight::held(week) {
            Some(false) => format!("**{result}**"),
            _ => result,
        };
        let date = week.from.to_zoned(a.calendar.zone.clone()).strftime("%-d %b").to_string();
        vec![
            date,
            w::rps(week.planned),
            w::seen(week.seen),
            share(week.inside80),
            share(week.inside95),
            result,
        ]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    out.table(&["Week", ">Planned, rps", ">Seen, rps", ">In 80 %", ">In 95 %", "Result"], &rows);
    out.line(hindsight::BASIS);
    out.list(&hindsight::score_notes(a));
}

fn table(out: &mut Text, a: &Assessment) {
    let components: Vec<&str> =
        a.service.components.iter().filter(|c| !c.memory).map(|c| c.name.as_str()).collect();
    if components.is_empty() {
        return;
    }
    out.heading(2, "Is the table still true?");
    for component in components {
        out.line(&hindsight::table_answer(a, component));
        let checks = hindsight::row_checks(a, component);
        if !checks.is_empty() {
            let rows: Vec<Vec<String>> = checks
                .into_iter()
                .map(|check| vec![check.row, check.asks, check.against])
                .collect();
            out.table(
                &[
                    &format!("{} row", w::component(component)),
                    ">Asks of a pod",
                    "Against the measurement",
                ],
                &rows,
            );
        }
    }
}

fn data(out: &mut Text, a: &Assessment) {
    let rows = trust::coverage(a);
    out.heading(2, "Can the data be trusted?");
    out.line(&trust::answer(a, &rows));
    if !rows.is_empty() {
        let rows: Vec<Vec<String>> = rows
            .iter()
            .map(|row| {
                vec![
                    row.name.clone(),
                    row.signals.join(", "),
                    row.share.clone(),
                    row.newest.clone(),
                ]
            })
            .collect();
        out.table(&["Of", "Signals", ">Coverage", ">Newest sample"], &rows);
    }
    let spans = trust::spans(a)
        .into_iter()
        .map(|(kind, spans)| format!("{kind}: {}", verdict::stop(&spans.join("; "))));
    out.list(&spans.collect::<Vec<_>>());
    let skips = trust::skips(a);
    out.heading(2, "Skipped, and why");
    out.line(&trust::skip_answer(&skips));
    out.list(
        &skips
            .iter()
            .map(|skip| format!("{}: `{}` {}", skip.item, skip.code, verdict::stop(&skip.missing)))
            .collect::<Vec<_>>(),
    );
}
