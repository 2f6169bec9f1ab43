//! The first screen in words: figures, what to change, what to decide.

use jiff::civil::Date;

use super::{ahead, title};
use crate::Assessment;
use crate::advise::plan::{Action, Code, Recommendation, Setting, Severity};
use crate::render::wording as w;

/// A figure of the first screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// What it is.
    pub label: String,
    /// The figure itself, large.
    pub value: String,
    /// What is to be known beside it.
    pub note: String,
    /// Whether it is the one that carries our advice.
    pub advice: bool,
}

/// A recommendation as a row of the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The component or volume, as people say it.
    pub component: String,
    /// The setting's name.
    pub setting: &'static str,
    /// Its value today, or "not known".
    pub today: String,
    /// The value advised.
    pub target: String,
    /// What to do.
    pub action: Action,
    /// Codes and sentences.
    pub why: Vec<(String, String)>,
    /// Until when today's value lasts, at 1 in 10 and at even odds; `None`: not known.
    pub lasts: Option<(String, String)>,
}

/// The figures under the load line; empty without a load.
#[must_use]
pub fn figures(a: &Assessment) -> Vec<Figure> {
    let Some(load) = &a.plan.load else {
        return Vec::new();
    };
    let figure = |label: &str, value: String, note: String| Figure {
        label: label.to_owned(),
        value,
        note,
        advice: false,
    };
    let tiers = &a.service.tiers;
    let (raises, lowers) = (acted(a, Action::Raise).len(), acted(a, Action::Lower).len());
    vec![
        figure(
            "Tier now",
            tiers.row(load.current).name.clone(),
            format!(
                "{} rps now, last week’s peak {}",
                w::rps(load.current),
                w::rps(load.observed_peak)
            ),
        ),
        Figure {
            advice: true,
            ..figure(
                &format!("Planning load, {}", w::window(a.policy.horizon.0)),
                format!("{} rps", w::rps(load.planning)),
                format!(
                    "{}; {} risk of a higher peak",
                    tiers.row(load.planning).name,
                    w::percent(a.policy.risk.0)
                ),
            )
        },
        figure("Changes recommended", (raises + lowers).to_string(), change_note(a)),
        next_line(a).unwrap_or_else(|| {
            figure("Next line of the table", "none".to_owned(), "in the last row".to_owned())
        }),
    ]
}

fn change_note(a: &Assessment) -> String {
    let (raises, lowers) = (acted(a, Action::Raise).len(), acted(a, Action::Lower).len());
    let kind = match (raises, lowers) {
        (0, 0) if acted(a, Action::Keep).is_empty() => "nothing could be judged".to_owned(),
        (0, 0) => "what could be judged is enough".to_owned(),
        (1, 0) => "a raise".to_owned(),
        (_, 0) => "all raises".to_owned(),
        (0, _) => "all lower".to_owned(),
        _ => format!("{}, {lowers} lower", w::counted(raises, "raise")),
    };
    match acted(a, Action::Skipped).len() {
        0 => kind,
        skipped => format!("{kind}; {} skipped", w::counted(skipped, "item")),
    }
}

/// When the next line of the table is crossed.
fn next_line(a: &Assessment) -> Option<Figure> {
    let next = a.plan.crossings.first()?;
    let passed = a.plan.load.as_ref().is_some_and(|load| load.observed_peak >= next.boundary);
    let again = if passed { "; passed last week too" } else { "" };
    Some(Figure {
        label: format!("{}, from {} rps", next.tier, w::boundary(next.boundary)),
        value: w::day_or_after(a, next.p90),
        note: format!(
            "1 in 10; even odds {}{}{again}",
            w::day_or_after(a, next.p50),
            next.p50.map_or_else(String::new, |even| ahead::cause(a, even))
        ),
        advice: false,
    })
}

/// What the table of changes says, in a sentence or two.
#[must_use]
pub fn change_answer(a: &Assessment) -> String {
    let (raises, lowers) = (acted(a, Action::Raise), acted(a, Action::Lower));
    let count =
        |n: usize, noun: &str| format!("{} {noun}{}", w::spelled(n), if n == 1 { "" } else { "s" });
    let keep = acted(a, Action::Keep).len();
    match (raises.len(), lowers.len()) {
        (0, 0) if a.plan.recommendations.is_empty() => {
            "There is nothing to recommend on.".to_owned()
        }
        (0, 0) if keep == 0 => "No setting could be judged; all stay as they are.".to_owned(),
        (0, 0) => "Nothing. What could be checked is enough as it is.".to_owned(),
        (n, 0) => {
            let to_row =
                raises.iter().all(|r| r.reasons.iter().any(|reason| reason.code == Code::TierRow));
            let row = a.plan.tier.as_ref().filter(|_| to_row);
            let row = row.map_or_else(String::new, |tier| {
                format!(", {}to the {} row", if n == 1 { "" } else { "all " }, tier.planning)
            });
            format!("{}{row}. Nothing is lowered.", count(n, "raise"))
        }
        (0, n) => format!("{} can be lower. Nothing is raised.", count(n, "setting")),
        (n, m) => {
            format!("{} and {}.", count(n, "raise"), count(m, "setting to lower").to_lowercase())
        }
    }
}

/// Every recommendation that has a target: changes first, then what stays.
#[must_use]
pub fn changes(a: &Assessment) -> Vec<Change> {
    let mut rows: Vec<&Recommendation> =
        a.plan.recommendations.iter().filter(|r| r.action != Action::Skipped).collect();
    rows.sort_by_key(|r| r.action == Action::Keep);
    rows.into_iter().map(|r| change(a, r)).collect()
}

fn change(a: &Assessment, r: &Recommendation) -> Change {
    let percent = if r.setting == Setting::TargetUtilization { "\u{202f}%" } else { "" };
    let say = |amount: Option<crate::advise::plan::Amount>| {
        amount.map_or_else(|| "not known".to_owned(), |amount| format!("{amount}{percent}"))
    };
    Change {
        component: w::component(&r.component),
        setting: r.setting.name(),
        today: say(r.current),
        target: say(r.target),
        action: r.action,
        why: r
            .reasons
            .iter()
            .map(|reason| (reason.code.name(), w::typeset(&reason.message)))
            .collect(),
        lasts: r.lasts_until.map(|dates| w::dates(a, dates)),
    }
}

/// What is put up for decision: a headline and what to do about it, worst first.
#[must_use]
pub fn decisions(a: &Assessment) -> Vec<(String, String)> {
    let mut decisions = Vec::new();
    let raises = acted(a, Action::Raise);
    if let Some(date) = first_need(&raises) {
        let by = w::deadline(a, date);
        let what = if raises.len() == 1 { "the raise" } else { "the raises" };
        let late = title::too_small(a);
        let why = if late.is_empty() {
            let day = w::day_or_after(a, Some(date));
            format!("By {day} today’s values are too small with a chance of 1 in 10.")
        } else {
            format!("Too small today already: {}.", w::list(&late))
        };
        decisions.push((format!("Merge {what} {by}"), why));
    }
    for finding in a.plan.findings.iter().filter(|finding| finding.severity != Severity::Info) {
        decisions.push((w::named(a, &finding.message), stop(&w::named(a, &finding.remedy))));
    }
    decisions
}

/// What else is good to know, as sentences.
#[must_use]
pub fn notes(a: &Assessment) -> Vec<String> {
    let infos = a.plan.findings.iter().filter(|finding| finding.severity == Severity::Info);
    infos
        .map(|f| {
            [stop(&w::named(a, &f.message)), stop(&w::named(a, &f.remedy))]
                .join(" ")
                .trim()
                .to_owned()
        })
        .collect()
}

/// A sentence with its full stop; nothing stays nothing.
#[must_use]
pub fn stop(sentence: &str) -> String {
    match sentence.chars().last() {
        None => String::new(),
        Some('.' | '?' | '!') => sentence.to_owned(),
        Some(_) => format!("{sentence}."),
    }
}

/// Whether anything is raised or lowered, so that there is something to apply.
#[must_use]
pub fn changes_something(a: &Assessment) -> bool {
    !acted(a, Action::Raise).is_empty() || !acted(a, Action::Lower).is_empty()
}

/// The recommendations with an action.
#[must_use]
pub fn acted(a: &Assessment, action: Action) -> Vec<&Recommendation> {
    a.plan.recommendations.iter().filter(|r| r.action == action).collect()
}

/// The first date at which a value of today is too small with a chance of 1 in 10.
pub fn first_need(raises: &[&Recommendation]) -> Option<Date> {
    raises.iter().filter_map(|r| r.lasts_until?.p90).min()
}

/// Names of the components, each once, in their order.
pub fn components(recommendations: &[&Recommendation]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for r in recommendations {
        let name = w::component(&r.component);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}
