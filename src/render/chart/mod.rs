//! Charts of an assessment: drawn once as shapes, written as SVG in the page, as SVG files and as PNG.
//!
//! The grammar: no boxes, no legend inside, few grid lines. Tier boundaries are load lines, thin across
//! the plot and bold on a staff at the right. The planning load, and nothing else, is the Plimsoll disc. A
//! dashed line is a limit or a setting, a solid one a measurement or a median. Gaps break the line and
//! stay visible. Load starts at 0 and is linear; only the load line is logarithmic.

pub(crate) mod axes;
pub(crate) mod capacity;
pub(crate) mod front;
pub(crate) mod load;
pub(crate) mod memory;
pub(crate) mod paint;
pub(crate) mod palette;
pub(crate) mod peaks;
pub(crate) mod pods;
pub(crate) mod series;
pub(crate) mod sketch;
pub(crate) mod small;
pub(crate) mod tier_line;

use crate::Assessment;
use crate::replay::Replay;
use sketch::Sketch;

/// A chart as a file of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chart {
    /// Its name without an ending: `jarvis-load`.
    pub name: String,
    /// A whole SVG document, light and dark, that asks nobody for anything.
    pub svg: String,
}

/// The charts of a service that have data, in the order of the report.
#[must_use]
pub fn charts(a: &Assessment) -> Vec<Chart> {
    sketches(a)
        .into_iter()
        .map(|(name, sketch)| Chart { name, svg: paint::standalone(&sketch) })
        .collect()
}

/// The same charts as PNG images in light colours, at twice the size they are seen at: name and bytes.
///
/// # Errors
///
/// A sentence where the compiled-in font or the encoder fails.
pub fn pngs(a: &Assessment) -> Result<Vec<(String, Vec<u8>)>, String> {
    sketches(a).into_iter().map(|(name, sketch)| Ok((name, paint::png(&sketch)?))).collect()
}

/// The front of a replay: pod-hours against unmet requests.
#[must_use]
pub fn front(replay: &Replay) -> Chart {
    Chart { name: "front".to_owned(), svg: paint::standalone(&front::sketch(replay)) }
}

fn sketches(a: &Assessment) -> Vec<(String, Sketch)> {
    let mut found = vec![
        ("tier-line".to_owned(), tier_line::sketch(a, true)),
        ("load".to_owned(), load::sketch(a, true)),
        ("peaks".to_owned(), peaks::sketch(a)),
    ];
    for component in &a.service.components {
        let name = &component.name;
        found.push(if component.memory {
            (format!("{name}-memory"), memory::sketch(a, name, true))
        } else {
            (format!("{name}-pods"), pods::sketch(a, name, true))
        });
    }
    for component in a.capacity.keys() {
        found.push((format!("{component}-capacity"), capacity::sketch(a, component)));
    }
    found.push(("scorecard".to_owned(), small::scorecard(a)));
    found
        .into_iter()
        .filter_map(|(name, sketch)| Some((format!("{}-{name}", a.service.name), sketch?)))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::palette::Ink;
    use super::*;
    use crate::render::fixture;

    /// The values of an attribute in an SVG.
    fn values<'a>(svg: &'a str, attribute: &str) -> Vec<&'a str> {
        let opening = format!(" {attribute}=\"");
        svg.split(&opening as &str).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
    }

    #[test]
    fn every_colour_in_a_chart_is_a_key_of_the_palette() {
        let known: Vec<String> = Ink::ALL.iter().map(|row| row.0.hex()).collect();
        let charts = charts(&fixture::assessment());
        assert!(charts.len() >= 6, "{}", charts.len());
        for chart in &charts {
            let drawing = chart.svg.split("</style>").nth(1).unwrap();
            let mut colours = values(drawing, "fill");
            colours.extend(values(drawing, "stroke"));
            assert!(colours.len() > 3, "{} draws something", chart.name);
            for colour in colours {
                assert!(
                    colour == "none" || known.iter().any(|k| k == colour),
                    "{}: {colour}",
                    chart.name
                );
            }
        }
    }

    #[test]
    fn a_dashed_line_is_never_in_a_colour_that_css_draws_solid() {
        // what CSS cannot tell apart: solid paths in a colour whose polylines are dashed, and the other way round
        use super::sketch::{Shape, Stroke};
        for (name, sketch) in sketches(&fixture::assessment()) {
            for shape in &sketch.shapes {
                if let Shape::Path(_, _, ink, stroke) = shape {
                    let dashed = matches!(ink, Ink::Plan | Ink::Muted);
                    assert_eq!(*stroke == Stroke::Dashed, dashed, "{name}: {ink:?}");
                }
            }
        }
    }

    #[test]
    fn every_chart_has_a_title_and_a_story_and_stays_on_its_paper() {
        use super::sketch::Shape;
        for (name, sketch) in sketches(&fixture::assessment()) {
            assert!(!sketch.title.is_empty() && !sketch.story.is_empty(), "{name}");
            for shape in &sketch.shapes {
                if let Shape::Rect(x, y, width, height, _) = shape {
                    let inside = *x >= -30
                        && *y >= 0
                        && x + width <= sketch.width + 30
                        && y + height <= sketch.height;
                    assert!(inside, "{name}: {shape:?}");
                }
            }
        }
    }

    #[test]
    fn the_same_assessment_gives_the_same_bytes() {
        let a = fixture::assessment();
        assert_eq!(charts(&a), charts(&a));
        assert_eq!(pngs(&a).unwrap(), pngs(&a).unwrap());
    }

    #[test]
    fn without_data_there_is_no_chart_and_no_panic() {
        assert_eq!(charts(&fixture::empty()), vec![]);
    }

    #[test]
    fn a_png_is_as_large_as_its_sketch() {
        let images = pngs(&fixture::assessment()).unwrap();
        let load = &images.iter().find(|(name, _)| name == "jarvis-load").unwrap().1;
        // PNG, section 11.2.2: width and height are the first two words of IHDR, at byte 16
        let word = |at: usize| u32::from_be_bytes(load[at..at + 4].try_into().unwrap());
        assert_eq!((word(16), word(20)), (1824, 800));
    }
}
