//! The sections of the page, each a question with its answer first. A section without data says so in a
//! sentence, or is left out where there is nothing to ask.

#![expect(clippy::format_push_string, reason = "a few short texts, written once")]

use std::collections::BTreeMap;

use maud::{Markup, PreEscaped, html};

use super::html::rich;
use super::parts::{
    Swatch, candidate_table, cell, chance_table, change_table, event_table, head, key,
    overlay_lines,
};
use super::verdict;
use super::{Page, ahead, evidence, runway, since};
use crate::Assessment;
use crate::render::chart::paint::{Shown, inline};
use crate::render::chart::palette::Ink;
use crate::render::chart::sketch::Sketch;
use crate::render::chart::{load, memory, peaks, pods, small, tier_line};
use crate::render::helm;
use crate::render::wording as w;
use crate::replay::Replay;

/// What the sections read.
pub struct View<'a> {
    /// The page.
    pub page: &'a Page<'a>,
    /// The service.
    pub a: &'a Assessment,
    /// Other ways to run it, by component.
    pub policies: &'a BTreeMap<String, Replay>,
    /// What stands before every id, so that ids are unique in the page.
    pub prefix: &'a str,
}

impl View<'_> {
    /// Load line, figures, and links to the sections.
    pub fn first_screen(&self) -> Markup {
        let figures = verdict::figures(self.a);
        html! {
            @if let Some(charts) = self.twice("line", true, |wide| tier_line::sketch(self.a, wide)) {
                figure.line {
                    (charts)
                    figcaption.vh { "Load in requests per second on a logarithmic scale, with the lines of the tier table." }
                }
            }
            @if !figures.is_empty() {
                dl.fig { @for figure in &figures {
                    div.p[figure.advice] { dt { (figure.label) } dd.v { (figure.value) } dd.s { (figure.note) } }
                } }
            }
            @let changed = since::since(self.a);
            @if !changed.is_empty() { div.since {
                p { "Since " (w::day(since::last_review(self.a).to_zoned(self.a.calendar.zone.clone()).date())) }
                ul { @for line in &changed { li { (rich(line)) } } }
            } }
            nav aria-label="Sections" {
                @for (id, name) in self.contents() { a href={ "#" (self.prefix) (id) } { (name) } }
            }
        }
    }

    fn contents(&self) -> Vec<(&'static str, &'static str)> {
        let has = |memory: bool| self.a.service.components.iter().any(|c| c.memory == memory);
        [
            ("change", "Change", true),
            ("load", "Load", true),
            ("pods", "Pods", has(false)),
            ("memory", "Memory", has(true)),
            ("runway", "Runway", true),
            ("score", "Scorecard", true),
            ("table", "Table", has(false)),
            ("data", "Data", true),
            ("skipped", "Skipped", true),
            ("method", "Method", true),
        ]
        .into_iter()
        .filter(|entry| entry.2)
        .map(|(id, name, _)| (id, name))
        .collect()
    }

    pub(super) fn section(&self, id: &str, title: &str, answer: &str, body: &Markup) -> Markup {
        html! {
            section id={ (self.prefix) (id) } aria-labelledby={ (self.prefix) "h-" (id) } {
                h2 id={ (self.prefix) "h-" (id) } { (title) }
                @if !answer.is_empty() { p.answer { (rich(answer)) } }
                (body)
            }
        }
    }

    /// A chart in both layouts; CSS shows one.
    fn twice(&self, id: &str, flat: bool, draw: impl Fn(bool) -> Option<Sketch>) -> Option<Markup> {
        let (wide, narrow) = (draw(true)?, draw(false)?);
        let id = |layout: &str| format!("{}{id}-{layout}", self.prefix);
        Some(html! {
            (PreEscaped(inline(&wide, &id("w"), Shown::Wide, flat)))
            (PreEscaped(inline(&narrow, &id("n"), Shown::Narrow, flat)))
        })
    }

    pub(super) fn once(&self, id: &str, sketch: &Sketch) -> Markup {
        PreEscaped(inline(sketch, &format!("{}{id}", self.prefix), Shown::Always, false))
    }

    /// The changes, how to apply them, and what is to be decided.
    pub fn change(&self, overlay: &str) -> Markup {
        let (changes, decisions, notes) =
            (verdict::changes(self.a), verdict::decisions(self.a), verdict::notes(self.a));
        let body = html! {
            @if !changes.is_empty() { (change_table(&changes)) }
            @if verdict::changes_something(self.a) {
                @if helm::is_empty(overlay) { (Self::no_overlay(overlay)) } @else { (self.apply(overlay)) }
            }
            @if !decisions.is_empty() {
                h3 { "To decide today" }
                ol.decide { @for (what, how) in &decisions {
                    li { b { (rich(&verdict::stop(what))) } " " (rich(how)) }
                } }
            }
            @if !notes.is_empty() {
                h3 { "Good to know" }
                ul.notes { @for note in &notes { li { (rich(note)) } } }
            }
        };
        self.section("change", "What to change", &verdict::change_answer(self.a), &body)
    }

    /// An overlay that holds none of the changes is shown for its reasons; there is no command to run with it.
    fn no_overlay(overlay: &str) -> Markup {
        html! {
            h3 { "How to apply it" }
            p { "The Helm overlay holds none of these changes, for the reasons in it. As patches they are in " code { "patches/" } "." }
            pre tabindex="0" role="region" aria-label="values-capacity.yaml" { code { (overlay_lines(overlay)) } }
        }
    }

    fn apply(&self, overlay: &str) -> Markup {
        let (name, namespace) = (&self.a.service.name, &self.a.service.namespace);
        html! {
            h3 { "How to apply it" }
            p { "Commit the overlay beside the chart’s values and let GitOps deliver it, or run, with your chart for " code { "CHART" } ":" }
            pre tabindex="0" role="region" aria-label="Command" {
                code { "helm upgrade " (name) " CHART -n " (namespace) " -f values.yaml -f values-capacity.yaml" }
            }
            pre tabindex="0" role="region" aria-label="values-capacity.yaml" { code { (overlay_lines(overlay)) } }
            p.note {
                "To undo: " code { "helm rollback " (name) " -n " (namespace) } ", which goes back one revision. "
                "The same changes as patches are in " code { "patches/" } ". Plimsoll itself has changed nothing."
            }
        }
    }

    /// Where the load is going.
    pub fn load(&self) -> Markup {
        let chart = self.twice("load", false, |wide| load::sketch(self.a, wide));
        let ahead = peaks::sketch(self.a);
        let chances = evidence::chances(self.a);
        let body = html! {
            @if let Some(chart) = chart {
                figure {
                    (key(&[
                        (Swatch::Line(Ink::Load), "load"),
                        (Swatch::Line(Ink::Median), "forecast, median"),
                        (Swatch::Box(Ink::Fan80), "80\u{202f}% of outcomes"),
                        (Swatch::Box(Ink::Fan95), "95\u{202f}%"),
                        (Swatch::Disc, "planning load"),
                    ]))
                    (chart)
                    figcaption { (self.load_caption()) }
                }
            }
            div.two {
                @if let Some(ahead) = ahead {
                    figure {
                        (self.once("peaks", &ahead))
                        (key(&[
                            (Swatch::Bar(Ink::Median), "median"),
                            (Swatch::Box(Ink::Fan80), "80\u{202f}%"),
                            (Swatch::Box(Ink::Fan95), "95\u{202f}%"),
                            (Swatch::Disc, "planning load"),
                        ]))
                        figcaption { "Expected peak of each day." }
                    }
                }
                @if !chances.is_empty() { (chance_table(&chances, &w::window(self.a.policy.horizon.0))) }
            }
            @let events = ahead::events(self.a);
            @if !events.is_empty() { (event_table(&events)) }
        };
        self.section("load", "Where the load is going", &evidence::load_answer(self.a), &body)
    }

    fn load_caption(&self) -> String {
        let mut caption =
            "Requests per second; each point is the highest step of its hour.".to_owned();
        if self.a.plan.load.is_some() {
            let futures = 1.0 / self.a.policy.risk.0;
            let share = if (futures - futures.round()).abs() < 1e-6 {
                format!("{:.0} of {futures:.0}", futures - 1.0)
            } else {
                w::percent(1.0 - self.a.policy.risk.0)
            };
            caption += &format!(
                " The planning load is the level that the peak of the whole {} stays under in {share} sampled futures; the fan is drawn hour by hour.",
                w::window(self.a.policy.horizon.0)
            );
        }
        caption
    }

    /// Are there enough pods?
    pub fn pods(&self) -> Markup {
        let components: Vec<&str> = self
            .a
            .service
            .components
            .iter()
            .filter(|c| !c.memory)
            .map(|c| c.name.as_str())
            .collect();
        if components.is_empty() {
            return html! {};
        }
        let many = components.len() > 1;
        let body = html! {
            @for component in components {
                @let answer = evidence::pods_answer(self.a, component);
                @if many { h3 { (w::component(component)) } }
                p.answer { (rich(answer.as_deref().unwrap_or("Not known: neither its replicas nor its need can be told."))) }
                @if let Some(chart) = self.twice(&format!("pods-{component}"), false, |wide| pods::sketch(self.a, component, wide)) {
                    figure {
                        (key(&[
                            (Swatch::Bar(Ink::Text), "ready pods"),
                            (Swatch::Box(Ink::Fan80), "needed (future: median)"),
                            (Swatch::Box(Ink::Fan95), "needed at 95\u{202f}% of that hour"),
                            (Swatch::Line(Ink::Median), "needed at the planning load"),
                            (Swatch::Line(Ink::Plan), "recommended"),
                            (Swatch::Line(Ink::Muted), "today’s setting"),
                        ]))
                        (chart)
                        figcaption { (rich(&evidence::need_note(self.a, component))) }
                    }
                }
                @if let Some(replay) = self.policies.get(component) { (candidate_table(self.a, replay)) }
            }
        };
        self.section("pods", "Are there enough pods?", "", &body)
    }

    /// Is there enough memory?
    pub fn memory(&self) -> Markup {
        let components: Vec<&str> = self
            .a
            .service
            .components
            .iter()
            .filter(|c| c.memory)
            .map(|c| c.name.as_str())
            .collect();
        if components.is_empty() {
            return html! {};
        }
        let body = html! {
            @for component in components {
                @let answer = evidence::memory_answer(self.a, component);
                p.answer { (rich(&answer.unwrap_or_else(|| format!("{}: its use has no series; no series is not zero.", w::component(component))))) }
                @if let Some(chart) = self.twice(&format!("memory-{component}"), false, |wide| memory::sketch(self.a, component, wide)) {
                    figure {
                        (key(&[
                            (Swatch::Line(Ink::Load), "used"),
                            (Swatch::Line(Ink::Muted), "today’s limits"),
                            (Swatch::Line(Ink::Plan), "recommended limit"),
                        ]))
                        (chart)
                        figcaption { "Memory of " (w::component(component)) "; each point is the highest step of its hour." }
                    }
                }
            }
        };
        self.section("memory", "Is there enough memory?", "", &body)
    }

    /// When does it run out?
    pub fn runway(&self) -> Markup {
        let limits = runway::limits(self.a);
        let from = self.a.at.to_zoned(self.a.calendar.zone.clone()).strftime("%-d %b").to_string();
        let body = html! { @if !limits.is_empty() {
            figure {
                (key(&self.runway_key()))
                table.stack.run role="table" {
                    caption.vh { "Dates at which limits are reached" }
                    (head(&[("Limit", false), (&format!("{from} to {}", w::outlook_end(self.a)), false), ("1 in 10", false), ("Even odds", false)]))
                    tbody role="rowgroup" { @for (number, limit) in limits.iter().enumerate() { tr role="row" {
                        th scope="row" role="rowheader" { (limit.name) span.sub { (limit.note) } }
                        td.wide role="cell" {
                            @if let Some(bar) = small::runway(self.a, &limit.name, limit.dates) { (self.once(&format!("run{number}"), &bar)) }
                        }
                        @let (early, even) = w::dates(self.a, limit.dates);
                        (cell("1 in 10", "nw", html! { (early) }))
                        (cell("Even odds", "nw", html! { (even) }))
                    } } }
                    @if let Some(axis) = small::runway_axis(self.a) {
                        tfoot role="rowgroup" { tr role="row" { td role="cell" {} td.wide role="cell" { (self.once("run-axis", &axis)) } td role="cell" {} td role="cell" {} } }
                    }
                }
                figcaption {
                    "“1 in 10” is the day by which one sampled future in ten has reached the limit. “"
                    (w::capital(&w::after(self.a))) "” means not inside the outlook of " (w::window(self.a.policy.outlook.0)) "."
                }
            }
        } };
        self.section("runway", "When does it run out?", &runway::answer(self.a, &limits), &body)
    }

    fn runway_key(&self) -> Vec<(Swatch, &str)> {
        let mut key = vec![
            (Swatch::Box(Ink::Fan95), "before the 1-in-10 date"),
            (Swatch::Box(Ink::Load), "between 1 in 10 and even odds"),
            (Swatch::Tick(Ink::Text), "even odds"),
        ];
        for event in self.a.calendar.events.iter().filter(|event| event.from >= self.a.at) {
            key.push((Swatch::Box(Ink::MaskWash), &event.name));
        }
        key
    }
}
