//! The parts that sections are put together from: tables, cells, legends, the overlay.

use maud::{Markup, PreEscaped, html};

use super::ahead::Ahead;
use super::candidates;
use super::hindsight::RowCheck;
use super::html::rich;
use super::verdict::Change;
use crate::Assessment;
use crate::advise::plan::Action;
use crate::capacity::Capacity;
use crate::render::chart::palette::Ink;
use crate::render::wording as w;
use crate::replay::Replay;

pub fn share(value: f64) -> String {
    if value.is_finite() { format!("{:.0}\u{202f}%", value * 100.0) } else { "–".to_owned() }
}

pub fn change_table(changes: &[Change]) -> Markup {
    let headings = [
        ("Component", false),
        ("Setting", false),
        ("Today", false),
        ("Recommended", false),
        ("Why", false),
        ("Today’s value lasts until", false),
    ];
    html! { table.stack.chg role="table" {
        caption.vh { "Recommended changes" }
        (head(&headings))
        tbody role="rowgroup" { @for change in changes {
            tr.keep[change.action == Action::Keep] role="row" {
                th scope="row" role="rowheader" { (change.component) }
                (cell("Setting", "plain", html! { code { (change.setting) } }))
                (cell("Today", "nw plain was", html! { (change.today) }))
                (cell("Recommended", if change.action == Action::Keep { "plain nw" } else { "to plain" }, html! {
                    @match change.action {
                        Action::Raise => { "▲ " (change.target) },
                        Action::Lower => { "▼ " (change.target) },
                        _ => "keep",
                    }
                }))
                (cell("Why", "full", html! { @for (code, message) in &change.why {
                    span.why { code.rc { (code) } " " (rich(message)) }
                } }))
                @let late = change.lasts.as_ref().is_some_and(|(early, even)| early == even && early == "already");
                @let place = match (&change.lasts, late) { (None, _) => "full none", (_, true) => "full", _ => "full last" };
                (cell("Today’s value lasts", place, html! {
                    @match &change.lasts {
                        _ if late => "too small today already",
                        Some((early, even)) => { span.nw { "1 in 10: " (early) } br; span.nw { "even odds: " (even) } },
                        None => "–",
                    }
                }))
            }
        } }
    } }
}

pub fn chance_table(chances: &[(String, String, String)], window: &str) -> Markup {
    html! { table.stack.odds role="table" {
        caption { "Chance that the peak of the next " (window) " reaches" }
        (head(&[("Load", false), ("Which is", false), ("Chance", true)]))
        tbody role="rowgroup" { @for (load, what, chance) in chances { tr role="row" {
            th.nw scope="row" role="rowheader" { (load) }
            (cell("Which is", "plain", html! { (what) }))
            (cell("Chance", "num plain", html! { (chance) }))
        } } }
    } }
}

/// The events ahead and whether the recommended values hold through them.
pub fn event_table(events: &[Ahead]) -> Markup {
    html! { table.stack role="table" {
        caption { "Events ahead, in rps. The planning load covers its own window only; an event after it counts when it comes inside." }
        (head(&[("Event", false), ("Expected peak", true), ("95\u{202f}% stay under", true), ("What is recommended, at that load", false)]))
        tbody role="rowgroup" { @for event in events { tr role="row" {
            th scope="row" role="rowheader" { (event.name) span.sub { (event.when) } }
            (cell("Expected peak", "num", html! { (event.expected) }))
            (cell("95 % stay under", "num", html! { (event.high) }))
            (cell("Recommended", "full", html! { (rich(&event.holds)) }))
        } } }
    } }
}

/// Other ways to run a component, cheapest first.
pub fn candidate_table(a: &Assessment, replay: &Replay) -> Markup {
    let decision = candidates::decision(a, replay);
    html! {
    table.stack.cand role="table" {
        caption { (candidates::caption(a, replay)) }
        (head(&[("Policy", false), ("Pod-hours", true), ("Against today", true), ("Short", true), ("Note", false)]))
        tbody role="rowgroup" { @for one in candidates::rows(a, replay) { tr.now[one.advised] role="row" {
            th scope="row" role="rowheader" { (one.policy) }
            (cell("Pod-hours", "num", html! { (one.hours) }))
            (cell("Against today", "num", html! { (one.against) }))
            (cell("Short", "num", html! { (one.short) }))
            (cell("Note", if one.note.is_empty() { "full none" } else { "full" }, rich(one.note)))
        } } }
    }
    @if !decision.is_empty() { p.note { (rich(&decision)) } }
    }
}

/// The rows of the table against what one pod of `component` sustains.
pub fn row_table(component: &str, capacity: &Capacity, checks: &[RowCheck]) -> Markup {
    html! { table.stack role="table" {
        caption {
            "One " (w::component(component))
            @if capacity.saturated {
                " pod sustains " (w::rps(capacity.per_replica)) " rps inside the objectives (95\u{202f}%: " (w::rps(capacity.low)) "–" (w::rps(capacity.high)) ", "
            } @else {
                " pod served " (w::rps(capacity.per_replica)) " rps at most, and was never at its limit ("
            }
            (w::thousands(capacity.steps)) " steps)."
        }
        (head(&[(&format!("{} row", w::component(component)), false), ("Asks of a pod", true), (&format!("Against {} measured", w::rps(capacity.per_replica)), false)]))
        tbody role="rowgroup" { @for check in checks { tr role="row" {
            th.nw scope="row" role="rowheader" { (check.row) }
            (cell("Asks of a pod", "num", html! { (check.asks) }))
            (cell("Measured", "two2", html! { @match check.holds {
                Some(true) => { "✓ " (check.against) }
                Some(false) => { b { "✕ " (check.against) } }
                None => { (check.against) }
            } }))
        } } }
    } }
}

/// A heading row; `true` is right-aligned.
pub fn head(columns: &[(&str, bool)]) -> Markup {
    html! { thead role="rowgroup" { tr role="row" { @for (name, right) in columns {
        th.num[*right] scope="col" role="columnheader" { (name) }
    } } } }
}

/// A cell that carries its heading for the phone's stack.
#[expect(clippy::needless_pass_by_value, reason = "markup is made where it is passed")]
pub fn cell(heading: &str, class: &str, body: Markup) -> Markup {
    html! { td class=[(!class.is_empty()).then_some(class)] role="cell" data-th=(heading) { span { (body) } } }
}

/// Comments muted, changed values in our colour.
pub fn overlay_lines(overlay: &str) -> Markup {
    html! { @for line in overlay.trim_end().lines() {
        @let (code, comment) = line.find('#').map_or((line, ""), |at| line.split_at(at));
        @match (code.split_once(": "), comment.is_empty()) {
            (Some((key, value)), false) => {
                @let text = value.trim_end();
                (key) ": " b { (text) } (value[text.len()..])
            },
            _ => (code),
        }
        @if !comment.is_empty() { i { (comment) } }
        "\n"
    } }
}

/// The mark beside a word of a legend.
#[derive(Debug, Clone, Copy)]
pub enum Swatch {
    Line(Ink),
    Bar(Ink),
    Box(Ink),
    Dot(Ink),
    Tick(Ink),
    Disc,
}

pub fn key(entries: &[(Swatch, &str)]) -> Markup {
    html! { ul.key { @for (swatch, word) in entries { li { (PreEscaped(mark(*swatch))) (word) } } } }
}

fn mark(swatch: Swatch) -> String {
    let shape = match swatch {
        Swatch::Line(ink) => format!(
            "<polyline fill=\"none\" stroke=\"{}\" stroke-width=\"3\" points=\"0,6 26,6\"/>",
            ink.hex()
        ),
        Swatch::Bar(ink) => {
            format!("<rect y=\"4\" width=\"26\" height=\"4\" fill=\"{}\"/>", ink.hex())
        }
        Swatch::Box(ink) => format!("<rect width=\"26\" height=\"12\" fill=\"{}\"/>", ink.hex()),
        Swatch::Dot(ink) => {
            format!("<circle cx=\"13\" cy=\"6\" r=\"4.5\" fill=\"{}\"/>", ink.hex())
        }
        Swatch::Tick(ink) => {
            format!("<rect x=\"12\" width=\"3\" height=\"12\" fill=\"{}\"/>", ink.hex())
        }
        Swatch::Disc => format!(
            "<circle cx=\"13\" cy=\"6\" r=\"4.6\" fill=\"none\" stroke=\"{0}\" stroke-width=\"2\"/><rect x=\"3\" y=\"5\" width=\"20\" height=\"2\" fill=\"{0}\"/>",
            Ink::Plan.hex()
        ),
    };
    format!(
        "<svg class=\"plot\" style=\"display:inline-block\" viewBox=\"0 0 26 12\" aria-hidden=\"true\">{shape}</svg>"
    )
}
