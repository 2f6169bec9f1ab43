//! Plan -> a table for a terminal: no boxes, never wider than asked, the same words with and without
//! colour.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::advise::plan::{
    Action, Crossing, Finding, Plan, Reason, Recommendation, ServicePlan, Setting, Severity, Status,
};
use crate::render::text::{hanging, left, right, visible, width, wrap};
use crate::units::{Period, counted};

/// How the table is dressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether words are coloured too; the caller knows of terminals and `NO_COLOR`.
    pub color: bool,
    /// Columns that no line exceeds; below 80 counts as 80.
    pub columns: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self { color: false, columns: 100 }
    }
}

/// Longest name of a component or volume on one line.
const COMPONENT_COLUMNS: usize = 16;
/// Spaces between columns.
const GAP: usize = 2;
/// With less room than this beside the figures, the reasons stand below them.
const WHY_COLUMNS: usize = 28;
/// Findings are indented by a severity's longest word: `critical`.
const SEVERITY_COLUMNS: usize = 8;

/// The plan as a table; dates are those of `zone`. What comes next is the same verbs' neighbours with the options that
/// were `typed`: without them they would speak of another run.
#[must_use]
pub fn table(plan: &Plan, zone: &TimeZone, style: Style, typed: &str) -> String {
    let style = Style { columns: style.columns.max(80), ..style };
    let moment = plan.at.to_zoned(zone.clone());
    let page = Page {
        style,
        today: moment.date(),
        moment: moment.strftime("%a %-d %b %Y %H:%M %Z").to_string(),
    };
    let mut lines = Vec::new();
    for service in &plan.services {
        page.service(service, &mut lines);
        lines.push(String::new());
    }
    lines.extend(wrap(&summary(plan), style.columns));
    lines.extend(next(plan, style.columns, typed));
    lines.iter().flat_map(|line| [line.trim_end(), "\n"]).collect()
}

/// What all tables of one run share.
struct Page {
    style: Style,
    today: Date,
    moment: String,
}

impl Page {
    fn service(&self, service: &ServicePlan, lines: &mut Vec<String>) {
        self.heading(service, lines);
        lines.push(String::new());
        let facts = facts(service, self.today);
        self.labelled(&facts, lines);
        if !facts.is_empty() {
            lines.push(String::new());
        }
        if !service.recommendations.is_empty() {
            self.rows(&in_reading_order(&service.recommendations), lines);
            lines.push(String::new());
        }
        if !service.findings.is_empty() {
            service.findings.iter().for_each(|finding| self.finding(finding, lines));
            lines.push(String::new());
        }
        lines.pop();
    }

    /// Name and tiers on the left, the moment on the right; on lines of their own where both do not fit.
    fn heading(&self, service: &ServicePlan, lines: &mut Vec<String>) {
        let name = visible(&service.name);
        let title = self.paint(Ink::Bold, &name);
        let text = format!("{title}   {}", visible(&standing(service)));
        let taken = width(&name) + 3 + width(&standing(service));
        if taken + GAP + width(&self.moment) <= self.style.columns {
            lines.push(format!("{text}{}", right(&self.moment, self.style.columns - taken)));
        } else {
            lines.extend(wrap(
                &format!("{name}   {}", visible(&standing(service))),
                self.style.columns,
            ));
            lines.push(self.moment.clone());
        }
    }

    /// Lines of a label and a text that wraps beside it.
    fn labelled(&self, facts: &[(String, String)], lines: &mut Vec<String>) {
        let label = facts.iter().map(|(label, _)| width(label)).max().unwrap_or(0).min(24);
        for (name, text) in facts {
            let mut names = wrap(&visible(name), label).into_iter();
            for part in wrap(&visible(text), self.style.columns - label - 2 - 2 * GAP) {
                lines.push(format!("  {}  {part}", left(&names.next().unwrap_or_default(), label)));
            }
        }
    }

    fn rows(&self, recommendations: &[&Recommendation], lines: &mut Vec<String>) {
        let heads = ["COMPONENT", "SETTING", "TODAY", "TARGET", "ACTION"].map(str::to_owned);
        let rows: Vec<[String; 5]> = recommendations.iter().map(|one| cells(one)).collect();
        let widest = |column: usize| {
            let cells = rows.iter().chain([&heads]).map(|row| width(&row[column]));
            cells.max().unwrap_or(0)
        };
        let mut widths: [usize; 5] = std::array::from_fn(widest);
        widths[0] = widths[0].min(COMPONENT_COLUMNS);
        let why = 2 + widths.iter().map(|width| width + GAP).sum::<usize>();
        let beside = self.style.columns.saturating_sub(why) >= WHY_COLUMNS;
        let head = columns(&heads, &widths);
        lines.push(if beside { format!("  {head}  WHY") } else { format!("  {head}") });
        for (one, cells) in recommendations.iter().zip(&rows) {
            let row = self.row(one.action, cells, &widths);
            if beside {
                lines.extend(side_by_side(
                    &row,
                    why,
                    &self.reasons(&one.reasons, self.style.columns - why),
                ));
            } else {
                lines.extend(row);
                let reasons = self.reasons(&one.reasons, self.style.columns - 6);
                lines.extend(reasons.iter().map(|reason| format!("      {reason}")));
            }
        }
    }

    /// The cells of one recommendation; more lines where the component's name is long.
    fn row(&self, what: Action, cells: &[String; 5], widths: &[usize; 5]) -> Vec<String> {
        let names = wrap(&cells[0], widths[0]);
        let mut cells = cells.clone();
        cells[0].clone_from(&names[0]);
        let first = format!("  {}", self.colored(columns(&cells, widths), what, &cells[4]));
        std::iter::once(first).chain(names[1..].iter().map(|name| format!("  {name}"))).collect()
    }

    /// One reason a line: its code, its sentence, and more lines where it is long.
    fn reasons(&self, reasons: &[Reason], columns: usize) -> Vec<String> {
        let mut lines = Vec::new();
        for reason in reasons {
            let code = reason.code.name();
            let mut parts = hanging(&code, &visible(&reason.message), columns);
            parts[0] = parts[0].replacen(&code, &self.paint(Ink::Faint, &code), 1);
            lines.append(&mut parts);
        }
        lines
    }

    fn finding(&self, finding: &Finding, lines: &mut Vec<String>) {
        let (word, ink) = match finding.severity {
            Severity::Critical => ("critical", Ink::Red),
            Severity::Warning => ("warning", Ink::Yellow),
            Severity::Info => ("info", Ink::Blue),
        };
        let indent = 2 + SEVERITY_COLUMNS + GAP;
        let columns = self.style.columns - indent;
        let mut text = hanging(&finding.code.name(), &visible(&finding.message), columns);
        if !finding.remedy.is_empty() {
            text.extend(wrap(&visible(&finding.remedy), columns));
        }
        let head = format!("  {}  ", self.paint(ink, &left(word, SEVERITY_COLUMNS)));
        lines.extend(side_by_side(&[head], indent, &text));
    }

    /// The row with its action in colour; the word is in the last column.
    fn colored(&self, row: String, action: Action, word: &str) -> String {
        let ink = match action {
            Action::Raise => Ink::Yellow,
            Action::Lower => Ink::Blue,
            Action::Keep => Ink::Faint,
            Action::Skipped => Ink::Red,
        };
        match row.rfind(word).filter(|_| !word.is_empty()) {
            Some(at) => {
                format!("{}{}{}", &row[..at], self.paint(ink, word), &row[at + word.len()..])
            }
            None => row,
        }
    }

    fn paint(&self, ink: Ink, text: &str) -> String {
        if self.style.color {
            format!("\u{1b}[{}m{text}\u{1b}[0m", ink as u8)
        } else {
            text.to_owned()
        }
    }
}

/// Two texts in columns, the right one from column `at`.
fn side_by_side(first: &[String], at: usize, second: &[String]) -> Vec<String> {
    let line = |index: usize| {
        let text = first.get(index).map_or("", String::as_str);
        let gap = " ".repeat(at.saturating_sub(shown(text)));
        format!("{text}{gap}{}", second.get(index).map_or("", String::as_str))
    };
    (0..first.len().max(second.len())).map(line).collect()
}

/// The columns of a text that may hold colours, which take none.
fn shown(text: &str) -> usize {
    let mut parts = text.split('\u{1b}');
    let plain = parts.next().map_or(0, width);
    plain + parts.map(|part| part.split_once('m').map_or(0, |(_, rest)| width(rest))).sum::<usize>()
}

/// Colours of the terminal's own palette (ECMA-48, Select Graphic Rendition).
#[derive(Clone, Copy)]
enum Ink {
    Bold = 1,
    Faint = 2,
    Red = 31,
    Yellow = 33,
    Blue = 34,
}

/// Today's row and the planned one: `Medium now, High planned`.
fn standing(service: &ServicePlan) -> String {
    match (&service.tier, service.status) {
        (None, Status::Skipped) => "skipped".to_owned(),
        (Some(tier), Status::Skipped) => {
            format!("{} now, {} planned; nothing could be judged", tier.current, tier.planning)
        }
        (Some(tier), _) if tier.current == tier.planning => {
            format!("{} now and planned", tier.current)
        }
        (Some(tier), _) => format!("{} now, {} planned", tier.current, tier.planning),
        (None, _) => "load unknown".to_owned(),
    }
}

/// What is known of the load, line by line, and why the service was skipped where it was.
fn facts(service: &ServicePlan, today: Date) -> Vec<(String, String)> {
    let mut facts: Vec<(String, String)> =
        service.reasons.iter().map(|reason| (reason.code.name(), reason.message.clone())).collect();
    if let Some(load) = &service.load {
        let window = window(&load.horizon);
        let (now, peak, planned) = (rps(load.current), rps(load.observed_peak), rps(load.planning));
        let risk = (load.risk * 1000.0).round() / 10.0;
        let text = format!(
            "{now} rps now, {peak} last week's peak, {planned} planned ({window}, {risk} % risk)"
        );
        facts.push(("load".to_owned(), text));
    }
    let dated = |one: &&Crossing| one.p50.is_some() || one.p90.is_some();
    let ahead = service.crossings.iter().filter(dated).count().max(1);
    facts.extend(service.crossings.iter().take(ahead).map(|one| crossing(one, today)));
    facts
}

fn crossing(crossing: &Crossing, today: Date) -> (String, String) {
    let odds =
        |date: Option<Date>, odds: &str| date.map(|date| format!("{odds} by {}", day(date, today)));
    let dates: Vec<String> = [odds(crossing.p90, "1 in 10"), odds(crossing.p50, "even odds")]
        .into_iter()
        .flatten()
        .collect();
    let when = if crossing.p50.is_some_and(|even| even <= today) {
        "today, at even odds".to_owned()
    } else if dates.is_empty() {
        "not inside the outlook".to_owned()
    } else {
        dates.join(", ")
    };
    (format!("{} rps", crossing.boundary), format!("into {}: {when}", crossing.tier))
}

/// Load with one decimal, two significant digits below one, none above a thousand.
fn rps(load: f64) -> String {
    match load.abs() {
        size if size >= 1000.0 => format!("{load:.0}"),
        size if size >= 0.95 || size == 0.0 => format!("{load:.1}"),
        _ => format!("{load:.2}"),
    }
}

/// A day of this year: `Fri 27 Nov`; of another: `Fri 8 Jan 2027`.
fn day(date: Date, today: Date) -> String {
    let form = if date.year() == today.year() { "%a %-d %b" } else { "%a %-d %b %Y" };
    date.strftime(form).to_string()
}

/// A horizon as people say it: `7 days` for `1w`.
#[must_use]
pub fn window(horizon: &str) -> String {
    let Ok(period) = horizon.parse::<Period>() else { return horizon.to_owned() };
    let (count, noun) = match period.0 {
        s if s % 86_400 == 0 => (s / 86_400, "day"),
        s if s % 3_600 == 0 => (s / 3_600, "hour"),
        _ => return period.to_string(),
    };
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// What changes first, then what was kept, then what was skipped; `minReplicas` before `maxReplicas`. The
/// plan's own order, by component and setting, is for programs.
#[must_use]
pub fn in_reading_order(all: &[Recommendation]) -> Vec<&Recommendation> {
    let rank = |action| match action {
        Action::Raise | Action::Lower => 0,
        Action::Keep => 1,
        Action::Skipped => 2,
    };
    let place = |setting| match setting {
        Setting::MinReplicas => 0,
        Setting::MaxReplicas => 1,
        Setting::Replicas => 2,
        Setting::Memory => 3,
        _ => 4,
    };
    let mut sorted: Vec<&Recommendation> = all.iter().collect();
    sorted.sort_by_key(|one| {
        (rank(one.action), one.component.as_str(), place(one.setting), one.setting)
    });
    sorted
}

fn cells(one: &Recommendation) -> [String; 5] {
    let amount =
        |amount: Option<_>| amount.map_or_else(|| "-".to_owned(), |amount| format!("{amount}"));
    let current = amount(one.current);
    let target = amount(one.target);
    [
        visible(&one.component),
        one.setting.name().to_owned(),
        current,
        target,
        action(one.action).to_owned(),
    ]
}

/// The action as the table says it.
#[must_use]
pub fn action(action: Action) -> &'static str {
    match action {
        Action::Raise => "raise",
        Action::Lower => "lower",
        Action::Keep => "keep",
        Action::Skipped => "skip",
    }
}

/// Cells side by side; amounts are flush right.
fn columns(cells: &[String; 5], widths: &[usize; 5]) -> String {
    let aligned = |at: usize| match at {
        2 | 3 => right(&cells[at], widths[at]),
        _ => left(&cells[at], widths[at]),
    };
    let cells: [String; 5] = std::array::from_fn(aligned);
    cells.join("  ")
}

/// How the run ended: `4 changes, 1 kept, 2 skipped; nothing applied`.
fn summary(plan: &Plan) -> String {
    let all = plan.services.iter().flat_map(|service| &service.recommendations);
    let kept = all.filter(|one| one.action == Action::Keep).count();
    format!(
        "{}, {kept} kept, {} skipped; nothing applied",
        counted(plan.changes, "change"),
        plan.skipped
    )
}

/// What one would want to see after this: the changes as files, or what stands behind the first number. Where the
/// commands do not fit on one line each has its own, to be taken over whole.
fn next(plan: &Plan, columns: usize, typed: &str) -> Vec<String> {
    let all = || plan.services.iter().flat_map(|service| &service.recommendations);
    let changed = all().find(|one| matches!(one.action, Action::Raise | Action::Lower));
    let mut verbs = Vec::new();
    if changed.is_some() {
        verbs.push("values".to_owned());
    }
    verbs.push(if all().next().is_none() { "check" } else { "report" }.to_owned());
    if let Some(one) = changed.or_else(|| all().next()) {
        verbs.push(format!("explain {}", visible(&one.component)));
    }
    let command = |verb: &String| format!("`plimsoll {verb}{}`", visible(typed));
    let commands: Vec<String> = verbs.iter().map(command).collect();
    let line = format!("next: {}", commands.join(", "));
    if typed.is_empty() || width(&line) <= columns {
        return wrap(&line, columns);
    }
    let heads = std::iter::once("next: ").chain(std::iter::repeat("      "));
    heads.zip(&commands).map(|(head, command)| format!("{head}{command}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::advise::plan::Code;
    use crate::render::example;

    const EXPECTED: &str = "\
jarvis   Medium now, High planned                                          Mon 23 Nov 2026 10:00 JST

  load    31.4 rps now, 47.9 last week's peak, 58.2 planned (7 days, 5 % risk)
  50 rps  into High: 1 in 10 by Fri 27 Nov, even odds by Tue 1 Dec

  COMPONENT         SETTING      TODAY  TARGET  ACTION  WHY
  api               minReplicas      3       5  raise   TIER_ROW  High (50-200): 5-10 pods
  api               maxReplicas      5      10  raise   TIER_ROW  High ends at 10 pods
                                                        CAPACITY  6 needed at 11.4 rps a pod
  redis             memory       512Mi     1Gi  raise   TIER_ROW  High: 1Gi
                                                        REDIS_MAXMEMORY  381Mi of 384Mi at 58.2 rps
  worker            replicas         3       4  raise   TIER_ROW  High: 3-5, 3.11 rounded up
  data-jarvis-      storage       50Gi    50Gi  keep    RUNWAY  80 % after 21 Dec
  postgresql-0
  worker            cpuRequest       -       -  skip    NO_SERIES  no series for `worker.cpu`; this
                                                        is not zero

  warning   TABLE_ROW_TOO_SMALL  api, High: 10 pods sustain 114 rps, not 200
            see `plimsoll tiers fit`

4 changes, 1 kept, 1 skipped; nothing applied
next: `plimsoll values`, `plimsoll report`, `plimsoll explain api`
";

    #[test]
    fn the_plan_reads_as_it_should() {
        assert_eq!(table(&example::plan(), &example::tokyo(), Style::default(), ""), EXPECTED);
    }

    #[test]
    fn what_comes_next_carries_what_was_typed() {
        let next = |typed| {
            let text = table(&example::plan(), &example::tokyo(), Style::default(), typed);
            text[text.find("next: ").unwrap()..].to_owned()
        };
        let short =
            "next: `plimsoll values -n a`, `plimsoll report -n a`, `plimsoll explain api -n a`\n";
        assert_eq!(next(" -n a"), short);
        let long = " --file ops/plimsoll.yaml --at 2026-11-23T01:00:00Z";
        assert_eq!(
            next(long),
            format!(
                "next: `plimsoll values{long}`\n      `plimsoll report{long}`\n      `plimsoll explain api{long}`\n"
            )
        );
    }

    #[test]
    fn colour_adds_no_word_and_takes_none() {
        let style = Style { color: true, ..Style::default() };
        let mut colored = table(&example::plan(), &example::tokyo(), style, "");
        assert!(colored.contains("\u{1b}[33mraise\u{1b}[0m"));
        for code in ["[0m", "[1m", "[2m", "[31m", "[33m", "[34m"] {
            colored = colored.replace(&format!("\u{1b}{code}"), "");
        }
        assert_eq!(colored, EXPECTED);
    }

    #[test]
    fn no_line_is_wider_than_asked_whatever_the_names() {
        let mut plan = example::plan();
        plan.services[0].name = "高負荷".repeat(30);
        plan.services[0].recommendations[0].component = "a".repeat(63);
        plan.services[0].recommendations[0].reasons[0].message = "x".repeat(300);
        plan.services[0].findings[0].message = "word ".repeat(80);
        for columns in [80, 100, 140] {
            let text = table(&plan, &example::tokyo(), Style { color: false, columns }, "");
            // but for a command to paste
            let is_command = |line: &&str| line.trim().starts_with('`') && line.ends_with('`');
            let widest = text.lines().filter(|line| !is_command(line)).map(width).max().unwrap();
            assert!(widest <= columns, "{widest} > {columns}\n{text}");
        }
    }

    #[test]
    fn a_skipped_service_says_why_and_stands_beside_the_others() {
        let mut skipped = example::service_plan(Vec::new());
        skipped.name = "friday".to_owned();
        skipped.status = Status::Skipped;
        skipped.reasons =
            vec![example::because(Code::NoSeries, "no series for `load`; this is not zero")];
        (skipped.load, skipped.tier) = (None, None);
        skipped.crossings.clear();
        skipped.findings.clear();
        let advised = example::service_plan(example::recommendations());
        let text =
            table(&example::plan_of(vec![skipped, advised]), &TimeZone::UTC, Style::default(), "");
        assert!(text.starts_with("friday   skipped"), "{text}");
        assert!(
            text.contains("\n  NO_SERIES  no series for `load`; this is not zero\n\njarvis   "),
            "{text}"
        );
    }

    #[test]
    fn a_name_cannot_draw_on_the_terminal() {
        let evil = ("api\u{1b}]0;owned\u{7}", "Deployment/api");
        let reasons = vec![example::because(Code::TierRow, "two\nlines\u{1b}[2J")];
        let one = example::setting(
            evil,
            Setting::Replicas,
            example::count(1),
            example::count(2),
            reasons,
        );
        let plan = example::plan_of(vec![example::service_plan(vec![one])]);
        let text = table(&plan, &TimeZone::UTC, Style::default(), "");
        assert!(!text.contains(['\u{1b}', '\u{7}']), "{text:?}");
    }
}
