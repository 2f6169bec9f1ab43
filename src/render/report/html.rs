//! The review as one self-contained HTML page: no script, no request, charts and CSS inline.
//!
//! Light and dark by the reader's system, a phone gets stacks instead of tables (ARIA roles keep them
//! tables), paper gets A4. Markup is escaped by construction (maud); only our own SVG and CSS is not.

use maud::{DOCTYPE, Markup, PreEscaped, html as markup};

use super::{Page, Reviewed, ahead, sections, title};
use crate::render::chart::paint;
use crate::render::chart::palette;
use crate::render::wording as w;

/// The page's own rules; colours and chart rules come from the palette.
const CSS: &str = include_str!("page.css");

/// Styles of our own and the empty icon; nothing else is let in.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// The whole page: one article a service, with an index where there are several.
#[must_use]
pub fn html(page: &Page) -> String {
    let title = match page.services.as_slice() {
        [Reviewed { assessment: only, .. }] => {
            format!("{}: weekly capacity review, {}", only.service.name, w::date(only, only.at))
        }
        _ => format!("Weekly capacity review of {}", w::counted(page.services.len(), "service")),
    };
    let css = format!("{}{}{}{}", palette::variables(), CSS, palette::translation(), paint::RULES);
    let document = markup! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width,initial-scale=1";
                meta name="color-scheme" content="light dark";
                // the browser holds the promise: no script runs, and nobody is asked for anything
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { (title) }
                // an empty icon, so that a browser does not ask a server for one
                link rel="icon" href="data:,";
                style { (PreEscaped(css)) }
            }
            body {
                (masthead(page))
                main {
                    @if page.services.len() > 1 { (index(page)) }
                    @for (number, reviewed) in page.services.iter().enumerate() {
                        (article(page, reviewed, number))
                    }
                }
                (footer(page))
            }
        }
    };
    document.into_string()
}

fn masthead(page: &Page) -> Markup {
    markup! {
        header.mast {
            svg viewBox="0 0 30 20" aria-hidden="true" {
                circle cx="15" cy="10" r="7.5" fill="none" stroke="currentColor" stroke-width="2.4" {}
                rect y="8.8" width="30" height="2.4" fill="currentColor" {}
            }
            span { b { "Plimsoll" } " weekly capacity review" }
            @if let [Reviewed { assessment: only, .. }] = page.services.as_slice() { span { "service " b { (only.service.name) } } }
            @if page.synthetic { span { "synthetic data" } }
            @if let Some(first) = page.services.first().map(|one| one.assessment) {
                time datetime=(page.plan.at) { (w::stamp(first)) }
            }
        }
    }
}

/// Several services: the verdicts as links.
fn index(page: &Page) -> Markup {
    markup! {
        nav.index aria-label="Services" {
            ol { @for (number, one) in page.services.iter().enumerate() {
                li { a href={ "#service-" (number) } { (title::title(one.assessment)) } }
            } }
        }
    }
}

fn article(page: &Page, reviewed: &Reviewed, number: usize) -> Markup {
    let Reviewed { assessment: a, overlay, policies } = reviewed;
    // one service keeps short anchors that people can link to
    let prefix = if page.services.len() > 1 { format!("s{number}-") } else { String::new() };
    let view = sections::View { page, a, policies, prefix: &prefix };
    markup! {
        article id={ "service-" (number) } {
            h1 { (title::title(a)) }
            p.lead { (rich(&title::lead(a))) }
            @if let Some(event) = ahead::lead(a) { p { (rich(&event)) } }
            (view.first_screen())
            (view.change(overlay))
            (view.load())
            (view.pods())
            (view.memory())
            (view.runway())
            (view.score())
            (view.table())
            (view.data())
            (view.skipped())
            (view.method())
        }
    }
}

fn footer(page: &Page) -> Markup {
    markup! {
        footer {
            @if page.synthetic {
                p { b { "Synthetic data." } " No real service was measured: the history is made from a seed, with growth, weekends, a campaign, a roll-out and a gap." }
            } @else {
                p { "Written by " (page.plan.version) ". Plimsoll advises; it has changed nothing." }
            }
        }
    }
}

/// A sentence with its `` `code` `` and `**bold**` as elements.
pub fn rich(text: &str) -> Markup {
    markup! {
        @for (code, part) in text.split('`').enumerate().map(|(i, part)| (i % 2 == 1, part)) {
            @if code { code { (part) } } @else {
                @for (bold, part) in part.split("**").enumerate().map(|(i, part)| (i % 2 == 1, part)) {
                    @if bold { b { (part) } } @else { (part) }
                }
            }
        }
    }
}
