//! Sketch -> SVG and PNG, through the back ends of plotters.
//!
//! plotters-svg writes colours as `#RRGGBB`, has no classes, no dashes and no alpha worth keeping, and
//! whole-pixel coordinates. So the sketch is at twice the size in light colours; the page's CSS brings
//! it back to size, draws dashes by colour and element (`polyline` for what is dashed, see [`RULES`]),
//! and translates colours for dark.

use plotters::backend::{BitMapBackend, DrawingBackend, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    FontDesc, FontFamily, FontStyle, RGBColor, ShapeStyle, TextStyle, register_font,
};

use super::palette::{self, Ink};
use super::sketch::{Anchor, Label, Shape, Sketch, Stroke};

/// plotters-svg writes a font size divided by this (0.3.7, `draw_text`).
const SVG_FONT_SCALE: f64 = 1.24;

/// What the drawing needs of CSS beside its colours: dashes, the halo of labels, the page's own font.
pub const RULES: &str = "\
.plot{display:block;width:100%;height:auto;overflow:visible}
.plot text{font-family:inherit;font-variant-numeric:tabular-nums;paint-order:stroke;stroke:var(--paper);stroke-width:7px;stroke-linejoin:round}
.plot.flat text{stroke:none}
.plot polyline[stroke=\"#AD3A0B\"]{stroke-dasharray:14 8}
.plot polyline[stroke=\"#526070\"]{stroke-dasharray:4 6}
";

/// Length of a dash and of the space after it, as [`RULES`] has them, for the back end that has no CSS.
const PLAN_DASH: (f64, f64) = (14.0, 8.0);
const LIMIT_DASH: (f64, f64) = (4.0, 6.0);

/// How wide a chart may be shown, as a class: `w` on desktop and paper, `n` on a phone, neither everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Where there is room.
    Wide,
    /// On a phone.
    Narrow,
    /// Everywhere.
    Always,
}

/// The chart as part of a page: no size of its own, named for assistive technology. `id` must be unique
/// in the page.
#[must_use]
pub fn inline(sketch: &Sketch, id: &str, shown: Shown, flat: bool) -> String {
    let shown = match shown {
        Shown::Wide => " w",
        Shown::Narrow => " n",
        Shown::Always => "",
    };
    let flat = if flat { " flat" } else { "" };
    format!(
        "<svg class=\"plot{shown}{flat}\" viewBox=\"0 0 {} {}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\">\
         <title id=\"{id}-t\">{}</title><desc id=\"{id}-d\">{}</desc>{}</svg>",
        sketch.width,
        sketch.height,
        escape(&sketch.title),
        escape(&sketch.story),
        body(sketch),
    )
}

/// The chart as a file of its own: with its size, its rules, and dark where the reader asks for it.
#[must_use]
pub fn standalone(sketch: &Sketch) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" viewBox=\"0 0 {width} {height}\" width=\"{}\" height=\"{}\" \
         role=\"img\" aria-labelledby=\"t d\"><title id=\"t\">{}</title><desc id=\"d\">{}</desc>\n<style>\n{}{}{}\
         .plot{{font-family:system-ui,sans-serif;width:auto;background:var(--paper)}}\n</style>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"{}\"/>{}</svg>\n",
        sketch.width / 2,
        sketch.height / 2,
        escape(&sketch.title),
        escape(&sketch.story),
        palette::variables(),
        palette::translation(),
        RULES,
        Ink::Paper.hex(),
        body(sketch),
        width = sketch.width,
        height = sketch.height,
    )
}

/// The shapes as plotters writes them, without its frame and without attributes that say nothing.
fn body(sketch: &Sketch) -> String {
    let mut text = String::new();
    {
        let mut backend = SVGBackend::with_string(&mut text, size(sketch));
        // writing into a string cannot fail
        let _ = paint(sketch, &mut backend, Dashes::ByCss);
        let _ = backend.present();
    }
    let start = text.find('>').map_or(0, |end| end + 1);
    let end = text.rfind("</svg>").unwrap_or(text.len());
    text[start..end]
        .replace(" opacity=\"1\"", "")
        .replace(" stroke=\"none\"", "")
        .replace(" font-family=\"sans-serif\"", "")
        .replace(" fill=\"none\" stroke-width=\"1\"", " fill=\"none\"")
        .replace(" \"/>", "\"/>")
        .replace("\n</text>", "</text>")
        .replace('\n', "")
}

/// The chart as a PNG of the sketch's own size, in light colours.
///
/// # Errors
///
/// A sentence where a font or the encoder fails, which the compiled-in font and a buffer in memory do not.
pub fn png(sketch: &Sketch) -> Result<Vec<u8>, String> {
    for (style, bytes) in
        [(FontStyle::Normal, dejavu::sans::regular()), (FontStyle::Bold, dejavu::sans::bold())]
    {
        register_font("sans-serif", style, bytes)
            .map_err(|_| "the font that charts are drawn with is not readable".to_owned())?;
    }
    let (width, height) = size(sketch);
    let mut pixels = vec![0xFF; width as usize * height as usize * 3];
    {
        let mut backend = BitMapBackend::with_buffer(&mut pixels, (width, height));
        paint(sketch, &mut backend, Dashes::BySegments)?;
        backend.present().map_err(|error| error.to_string())?;
    }
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().map_err(|error| error.to_string())?;
    writer.write_image_data(&pixels).map_err(|error| error.to_string())?;
    writer.finish().map_err(|error| error.to_string())?;
    Ok(file)
}

#[expect(clippy::cast_sign_loss, reason = "sketches have a positive size")]
fn size(sketch: &Sketch) -> (u32, u32) {
    (sketch.width as u32, sketch.height as u32)
}

/// Who makes a dashed line dashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dashes {
    /// The page's CSS.
    ByCss,
    /// We, in pieces.
    BySegments,
}

fn paint<B: DrawingBackend>(
    sketch: &Sketch,
    backend: &mut B,
    dashes: Dashes,
) -> Result<(), String> {
    for shape in &sketch.shapes {
        draw(shape, backend, dashes)?;
    }
    Ok(())
}

fn draw<B: DrawingBackend>(shape: &Shape, backend: &mut B, dashes: Dashes) -> Result<(), String> {
    let drawn = match shape {
        Shape::Rect(x, y, width, height, ink) => {
            backend.draw_rect((*x, *y), (x + width, y + height), &style(*ink, 1), true)
        }
        Shape::Line(from, to, width, ink) => backend.draw_line(*from, *to, &style(*ink, *width)),
        Shape::Path(points, width, ink, Stroke::Dashed) if dashes == Dashes::BySegments => {
            for piece in pieces(points, *ink) {
                backend
                    .draw_path(piece, &style(*ink, *width))
                    .map_err(|error| error.to_string())?;
            }
            Ok(())
        }
        Shape::Path(points, width, ink, _) => {
            backend.draw_path(points.iter().copied(), &style(*ink, *width))
        }
        Shape::Area(points, ink) => backend.fill_polygon(points.iter().copied(), &style(*ink, 1)),
        Shape::Disc(at, radius, ink) => backend.draw_circle(*at, *radius, &style(*ink, 1), true),
        Shape::Ring(at, radius, width, ink) => {
            backend.draw_circle(*at, *radius, &style(*ink, *width), false)
        }
        Shape::Text(label) => return write(label, backend, dashes),
    };
    drawn.map_err(|error| error.to_string())
}

fn write<B: DrawingBackend>(label: &Label, backend: &mut B, dashes: Dashes) -> Result<(), String> {
    let horizontal = match label.anchor {
        Anchor::Start => HPos::Left,
        Anchor::Middle => HPos::Center,
        Anchor::End => HPos::Right,
    };
    let weight = if label.bold { FontStyle::Bold } else { FontStyle::Normal };
    // a pixel font of the same number looks larger than CSS type by the same factor that SVG takes out
    let size = match dashes {
        Dashes::ByCss => f64::from(label.size) * SVG_FONT_SCALE,
        Dashes::BySegments => f64::from(label.size) * 1.16,
    };
    // built whole: `style` on a font that is there keeps the face it was made with
    let font = FontDesc::new(FontFamily::SansSerif, size, weight);
    let text = |ink: Ink| {
        let mut style = TextStyle::from(font.clone()).pos(Pos::new(horizontal, VPos::Center));
        style.color = plotters::style::Color::to_backend_color(&colour(ink));
        style
    };
    if dashes == Dashes::ByCss {
        return backend
            .draw_text(&label.text, &text(label.ink), label.at)
            .map_err(|error| error.to_string());
    }
    // plotters centres the line box of a pixel font (0.3.7, `ab_glyph.rs`), CSS the letters: a quarter lower
    let at = (label.at.0, label.at.1 + label.size / 4);
    // the halo that CSS draws with `paint-order`, then the text
    let halo = [(-3, 0), (3, 0), (0, -3), (0, 3), (-2, -2), (2, -2), (-2, 2), (2, 2)];
    let strokes = halo.map(|place| (place, Ink::Paper)).into_iter().chain([((0, 0), label.ink)]);
    for ((x, y), ink) in strokes {
        backend
            .draw_text(&label.text, &text(ink), (at.0 + x, at.1 + y))
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// The dashes of a line through points.
#[expect(clippy::cast_possible_truncation, reason = "coordinates of a chart are small")]
fn pieces(points: &[(i32, i32)], ink: Ink) -> Vec<Vec<(i32, i32)>> {
    let (dash, space) = if ink == Ink::Plan { PLAN_DASH } else { LIMIT_DASH };
    let mut pieces = Vec::new();
    for pair in points.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let (dx, dy) = (f64::from(to.0 - from.0), f64::from(to.1 - from.1));
        let length = dx.hypot(dy);
        let point = |along: f64| {
            let share = (along / length).min(1.0);
            (from.0 + (dx * share).round() as i32, from.1 + (dy * share).round() as i32)
        };
        let mut along = 0.0;
        while along < length {
            pieces.push(vec![point(along), point(along + dash)]);
            along += dash + space;
        }
    }
    pieces
}

fn colour(ink: Ink) -> RGBColor {
    let (red, green, blue) = ink.rgb();
    RGBColor(red, green, blue)
}

fn style(ink: Ink, width: u32) -> ShapeStyle {
    ShapeStyle { color: colour(ink).into(), filled: true, stroke_width: width }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
