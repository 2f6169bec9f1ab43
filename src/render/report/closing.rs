//! The closing sections: how far this review, the table and the data can be trusted, and how it was computed.

use maud::{Markup, html};

use super::html::rich;
use super::parts::{Swatch, cell, head, key, row_table, share};
use super::sections::View;
use super::{hindsight, trust, verdict};
use crate::render::chart::palette::Ink;
use crate::render::chart::{capacity, small};
use crate::render::wording as w;

impl View<'_> {
    /// Would last week's plan have held?
    pub fn score(&self) -> Markup {
        let body = html! { @if !self.a.scorecard.is_empty() {
            div.two {
                @if let Some(chart) = small::scorecard(self.a) {
                    figure {
                        (self.once("score-chart", &chart))
                        (key(&[(Swatch::Bar(Ink::Plan), "planned at the start of the week"), (Swatch::Dot(Ink::Text), "highest load seen")]))
                        figcaption { (hindsight::BASIS) }
                    }
                }
                (self.score_table())
            }
            @let notes = hindsight::score_notes(self.a);
            @if !notes.is_empty() { p.note { (verdict::stop(&notes.join("; "))) } }
        } };
        self.section(
            "score",
            "Would last week’s plan have held?",
            &hindsight::score_answer(self.a),
            &body,
        )
    }

    fn score_table(&self) -> Markup {
        let zone = &self.a.calendar.zone;
        html! { table.rev role="table" {
            caption { "In rps. “In” is the share of hours inside the band." }
            (head(&[("Week", false), ("Planned", true), ("Seen", true), ("In 80\u{202f}%", true), ("In 95\u{202f}%", true), ("Result", false)]))
            tbody role="rowgroup" { @for week in self.a.scorecard.iter().rev().take(8).rev() {
                tr role="row" {
                    th.nw scope="row" role="rowheader" { (week.from.to_zoned(zone.clone()).strftime("%-d %b").to_string()) }
                    (cell("Planned", "num", html! { (w::rps(week.planned)) }))
                    (cell("Seen", "num", html! { (w::seen(week.seen)) }))
                    (cell("In 80 %", "num", html! { (share(week.inside80)) }))
                    (cell("In 95 %", "num", html! { (share(week.inside95)) }))
                    @let result = hindsight::result(self.a, week);
                    (cell("Result", "", html! {
                        @match hindsight::held(week) {
                            Some(true) => { "✓ " (result) },
                            Some(false) => b { "✕ " (result) },
                            None => (result),
                        }
                    }))
                }
            } }
        } }
    }

    /// Is the table still true?
    pub fn table(&self) -> Markup {
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
        let answers: Vec<String> =
            components.iter().map(|component| hindsight::table_answer(self.a, component)).collect();
        let body = html! {
            @for component in &components {
                @let checks = hindsight::row_checks(self.a, component);
                @if let (false, Some(capacity)) = (checks.is_empty(), self.a.capacity.get(*component)) {
                    div.two {
                        (self.capacity_chart(component))
                        (row_table(component, capacity, &checks))
                    }
                }
            }
            p.note { "The table is policy: Plimsoll does not change it. Where a row is too small, the larger number is taken." }
        };
        self.section("table", "Is the table still true?", &answers.join(" "), &body)
    }

    fn capacity_chart(&self, component: &str) -> Markup {
        html! { @if let Some(chart) = capacity::sketch(self.a, component) { figure {
            (self.once(&format!("capacity-{component}"), &chart))
            (key(&[
                (Swatch::Dot(Ink::Load), "median, with 5–95\u{202f}% of steps"),
                (Swatch::Line(Ink::Median), "fit"),
                (Swatch::Box(Ink::Fan95), "capacity, 95\u{202f}% interval"),
                (Swatch::Line(Ink::Muted), "objective"),
            ]))
            figcaption { "P99 latency against load per " (w::component(component)) " pod. A vertical line is what a row of the table asks of each pod." }
        } } }
    }

    /// Can the data be trusted?
    pub fn data(&self) -> Markup {
        let rows = trust::coverage(self.a);
        let start = trust::start(self.a);
        let zone = &self.a.calendar.zone;
        let day = |at: jiff::Timestamp| at.to_zoned(zone.clone()).strftime("%-d %b").to_string();
        let body = html! {
            @if !rows.is_empty() { figure {
                (key(&[
                    (Swatch::Box(Ink::Load), "seen; height = share of the day"),
                    (Swatch::Box(Ink::Gap), "missing"),
                    (Swatch::Bar(Ink::Mask), "masked"),
                    (Swatch::Bar(Ink::Censored), "censored"),
                ]))
                table.stack.cov role="table" {
                    caption.vh { "Coverage of each signal" }
                    (head(&[("Signal", false), (&format!("{} to {}, one cell a day", day(start), day(self.a.at)), false), ("Coverage", true), ("Newest sample", true)]))
                    tbody role="rowgroup" { @for (number, row) in rows.iter().enumerate() { tr role="row" {
                        th scope="row" role="rowheader" { (row.name) span.sub { @for (place, signal) in row.signals.iter().enumerate() { @if place > 0 { ", " } code { (signal) } } } }
                        td.wide role="cell" {
                            (self.once(&format!("cov{number}"), &small::coverage(&row.name, &row.share, &row.days, &row.marks, (start, self.a.at))))
                        }
                        (cell("Coverage", "num plain", html! { (row.share) }))
                        (cell("Newest sample", "num plain", html! { (row.newest) }))
                    } } }
                }
            } }
            @let spans = trust::spans(self.a);
            @if !spans.is_empty() { dl.kv { @for (kind, spans) in &spans {
                dt { (kind) } dd { (rich(&verdict::stop(&spans.join("; ")))) }
            } } }
        };
        self.section("data", "Can the data be trusted?", &trust::answer(self.a, &rows), &body)
    }

    /// Skipped, and why.
    pub fn skipped(&self) -> Markup {
        let skips = trust::skips(self.a);
        let body = html! { @if !skips.is_empty() {
            table.stack role="table" {
                caption.vh { "Items without advice" }
                (head(&[("Item", false), ("Reason", false), ("What is missing", false)]))
                tbody role="rowgroup" { @for skip in &skips { tr role="row" {
                    th scope="row" role="rowheader" { (skip.item) }
                    (cell("Reason", "full", html! { code.rc { (skip.code) } }))
                    (cell("Missing", "full", html! { (rich(&skip.missing)) }))
                } } }
            }
        } };
        self.section("skipped", "Skipped, and why", &trust::skip_answer(&skips), &body)
    }

    /// How this was computed.
    pub fn method(&self) -> Markup {
        let body = html! {
            pre tabindex="0" role="region" aria-label="Command to reproduce" { code { (self.page.command) } }
            dl.kv { @for (name, values) in trust::method(self.page, self.a) { dt { (name) } dd {
                @if let [value] = values.as_slice() { (rich(value)) }
                @else { ul { @for value in &values { li { (rich(value)) } } } }
            } } }
        };
        self.section(
            "method",
            "How this was computed",
            "The same history, settings, version and time give the same bytes:",
            &body,
        )
    }
}
