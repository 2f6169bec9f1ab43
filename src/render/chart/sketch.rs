//! A chart as a list of shapes: whole pixels at twice the size it is seen at, colours by meaning.
//!
//! What is drawn (here and in the charts) is apart from how it is written (`paint`), so that one
//! drawing gives the SVG of the page, the file on its own, and the PNG.

use super::palette::Ink;

/// Size of chart text: 13 px as seen.
pub const TEXT: i32 = 26;
/// Size of the one label that carries our advice: 14 px as seen.
pub const LOUD: i32 = 28;

/// Where a text stands to its point; vertically the point is always its middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// The text begins at the point.
    Start,
    /// The point is its middle.
    Middle,
    /// The text ends at the point.
    End,
}

/// How a line is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stroke {
    /// A measurement, a median, an axis.
    Solid,
    /// A limit or a setting.
    Dashed,
}

/// One thing to draw. Coordinates grow to the right and down.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// A filled rectangle: left, top, width, height.
    Rect(i32, i32, i32, i32, Ink),
    /// A straight solid line of a width.
    Line((i32, i32), (i32, i32), u32, Ink),
    /// A line through points.
    Path(Vec<(i32, i32)>, u32, Ink, Stroke),
    /// A filled polygon.
    Area(Vec<(i32, i32)>, Ink),
    /// A filled circle: centre and radius.
    Disc((i32, i32), u32, Ink),
    /// A circle's outline: centre, radius and width.
    Ring((i32, i32), u32, u32, Ink),
    /// A label.
    Text(Label),
}

/// A text at its own place.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// What it says.
    pub text: String,
    /// Its point.
    pub at: (i32, i32),
    /// How it stands to the point.
    pub anchor: Anchor,
    /// Its height in pixels.
    pub size: i32,
    /// Its colour.
    pub ink: Ink,
    /// Whether it is bold.
    pub bold: bool,
}

/// A chart before it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Sketch {
    /// Width in pixels, twice that seen.
    pub width: i32,
    /// Height in pixels, twice that seen.
    pub height: i32,
    /// What a person who cannot see it is told first.
    pub title: String,
    /// The chart's story in numbers.
    pub story: String,
    /// The shapes, from the back to the front.
    pub shapes: Vec<Shape>,
}

impl Sketch {
    /// An empty sketch.
    pub fn new(
        width: i32,
        height: i32,
        title: impl Into<String>,
        story: impl Into<String>,
    ) -> Self {
        Self { width, height, title: title.into(), story: story.into(), shapes: Vec::new() }
    }

    /// A filled rectangle between two corners, given in any order; nothing where it has no area.
    pub fn rect(&mut self, a: (i32, i32), b: (i32, i32), ink: Ink) {
        let (left, top) = (a.0.min(b.0), a.1.min(b.1));
        let (width, height) = ((a.0 - b.0).abs(), (a.1 - b.1).abs());
        if width > 0 && height > 0 {
            self.shapes.push(Shape::Rect(left, top, width, height, ink));
        }
    }

    /// A solid straight line.
    pub fn line(&mut self, from: (i32, i32), to: (i32, i32), width: u32, ink: Ink) {
        self.shapes.push(Shape::Line(from, to, width, ink));
    }

    /// A dashed straight line: a limit or a setting.
    pub fn dashed(&mut self, from: (i32, i32), to: (i32, i32), width: u32, ink: Ink) {
        self.shapes.push(Shape::Path(vec![from, to], width, ink, Stroke::Dashed));
    }

    /// A solid line through points; a single point becomes a dot, so that it does not vanish.
    pub fn path(&mut self, points: Vec<(i32, i32)>, width: u32, ink: Ink) {
        match points.as_slice() {
            [] => {}
            [only] => self.disc(*only, width, ink),
            _ => self.shapes.push(Shape::Path(points, width, ink, Stroke::Solid)),
        }
    }

    /// The area between two lines over the same places.
    pub fn between(&mut self, upper: Vec<(i32, i32)>, lower: Vec<(i32, i32)>, ink: Ink) {
        let mut points = upper;
        points.extend(lower.into_iter().rev());
        if points.len() > 2 {
            self.shapes.push(Shape::Area(points, ink));
        }
    }

    /// A filled circle.
    pub fn disc(&mut self, at: (i32, i32), radius: u32, ink: Ink) {
        self.shapes.push(Shape::Disc(at, radius, ink));
    }

    /// The Plimsoll disc, circle and bar: the planning load, and nothing else.
    pub fn plimsoll(&mut self, (x, y): (i32, i32), radius: u32, reach: i32) {
        self.disc((x, y), radius + 3, Ink::Paper);
        self.shapes.push(Shape::Ring((x, y), radius, 5, Ink::Plan));
        self.rect((x - reach, y - 2), (x + reach, y + 3), Ink::Plan);
    }

    /// A quiet label.
    pub fn label(&mut self, text: impl Into<String>, at: (i32, i32), anchor: Anchor, ink: Ink) {
        self.write(text, at, anchor, ink, TEXT, false);
    }

    /// A bold label.
    pub fn bold(&mut self, text: impl Into<String>, at: (i32, i32), anchor: Anchor, ink: Ink) {
        self.write(text, at, anchor, ink, TEXT, true);
    }

    /// The label of our advice: bold, larger, vermilion.
    pub fn advice(&mut self, text: impl Into<String>, at: (i32, i32), anchor: Anchor) {
        self.write(text, at, anchor, Ink::Plan, LOUD, true);
    }

    fn write(
        &mut self,
        text: impl Into<String>,
        at: (i32, i32),
        anchor: Anchor,
        ink: Ink,
        size: i32,
        bold: bool,
    ) {
        self.shapes.push(Shape::Text(Label { text: text.into(), at, anchor, size, ink, bold }));
    }
}

/// The width that a text is reckoned to take, in pixels: a middling advance of 0.6 em (0.66 bold), which
/// is a little more than the usual system fonts need. Good enough to keep labels apart, not to set type.
#[must_use]
pub fn breadth(text: &str, bold: bool) -> i32 {
    let letters = i32::try_from(text.chars().count()).unwrap_or(i32::MAX / 100);
    letters * TEXT * if bold { 66 } else { 60 } / 100
}
