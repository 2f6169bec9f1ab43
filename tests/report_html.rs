//! The weekly review in a real headless Chromium: charts are seen, nothing is asked for, nothing scrolls
//! sideways, light and dark.
//!
//! A copy of the page gets one script that measures the laid-out document and writes what it found into it;
//! Chromium dumps the result. Without Chromium the tests say so and pass, except where `CI` is `true`.

#![allow(clippy::needless_for_each, clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use plimsoll::history::Window;
use plimsoll::render::report::{Page, Reviewed, html};
use plimsoll::service::live::Live;
use plimsoll::source::demo;
use plimsoll::{Assessment, config, render};

/// What the script found.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Probe {
    /// Width of the window, in CSS pixels.
    width: f64,
    /// Width that the document needs.
    needed: f64,
    /// Uncaught errors, failed loads, and what the page's own policy refused.
    errors: Vec<String>,
    /// What was fetched beside the page.
    resources: Vec<String>,
    /// Ids that stand twice.
    duplicates: Vec<String>,
    /// Background of the page.
    ground: String,
    charts: Vec<Chart>,
}

/// A drawing with `role="img"`.
#[derive(Debug, serde::Deserialize)]
struct Chart {
    /// Its title.
    title: String,
    /// Its story.
    story: String,
    /// Whether it is drawn for a wide page (`w`), a narrow one (`n`) or both (empty).
    layout: String,
    /// Its box as laid out.
    width: f64,
    height: f64,
    /// How many of its shapes are laid out with a size.
    shapes: usize,
    /// Height of its smallest label, 0 without labels.
    smallest: f64,
    /// The right edge of what reaches furthest.
    right: f64,
    /// Computed colour of its first label.
    ink: String,
}

impl Chart {
    fn is_visible(&self) -> bool {
        self.width > 50.0 && self.height > 5.0
    }
}

const SCRIPT: &str = r"<script>
const errors = [];
addEventListener('error', e => errors.push(String(e.message || e.target.outerHTML)), true);
addEventListener('unhandledrejection', e => errors.push(String(e.reason)));
addEventListener('securitypolicyviolation', e => errors.push(e.violatedDirective + ' ' + e.blockedURI));
addEventListener('load', () => {
  const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
  const charts = [...document.querySelectorAll('svg[role=img]')].map(svg => {
    const box = svg.getBoundingClientRect();
    const shapes = [...svg.querySelectorAll('rect,line,polyline,polygon,circle')].map(e => e.getBoundingClientRect());
    const labels = [...svg.querySelectorAll('text')];
    const boxes = labels.map(e => e.getBoundingClientRect()).filter(b => b.width > 0);
    return {
      title: svg.querySelector('title').textContent,
      story: svg.querySelector('desc').textContent,
      layout: svg.classList.contains('w') ? 'w' : svg.classList.contains('n') ? 'n' : '',
      width: box.width, height: box.height,
      shapes: shapes.filter(b => b.width > 0 || b.height > 0).length,
      smallest: boxes.length ? Math.min(...boxes.map(b => b.height)) : 0,
      right: Math.max(0, ...shapes.concat(boxes).map(b => b.right)),
      ink: labels.length ? getComputedStyle(labels[0]).fill : '',
    };
  });
  const found = {
    width: innerWidth, needed: document.documentElement.scrollWidth, errors,
    resources: performance.getEntriesByType('resource').map(e => e.name),
    duplicates: ids.filter((id, i) => ids.indexOf(id) !== i),
    ground: getComputedStyle(document.body).backgroundColor, charts,
  };
  const out = document.createElement('pre');
  out.id = 'probe';
  out.textContent = encodeURIComponent(JSON.stringify(found));
  document.body.append(out);
});
</script>";

/// The window around the page: a headless Chromium's own window is never narrower than 500 pixels.
fn window(width: u32) -> String {
    format!(
        "<!doctype html><html><head><meta name=\"color-scheme\" content=\"light dark\"></head><body style=\"margin:0\">\
         <iframe src=\"report.html\" style=\"border:0;width:{width}px;height:2000px\"></iframe><script>\
         addEventListener('load', () => document.body.append(\
         document.querySelector('iframe').contentDocument.getElementById('probe')));</script></body></html>"
    )
}

fn assessment(blind: bool) -> Assessment {
    let at = demo::AT.parse().unwrap();
    let settings =
        config::parse(include_str!("../data/plimsoll.yaml"), "plimsoll.yaml", Path::new("."))
            .unwrap();
    let window = Window { at, lookback: settings.history.lookback, step: settings.history.step };
    let mut observed = demo::observed(at, demo::SEED);
    if blind {
        observed.values_mut().for_each(|series| *series = plimsoll::history::Evidence::NoSeries);
    }
    plimsoll::assess(
        &settings.services[0],
        &settings.calendar,
        &settings.policy,
        &window,
        &observed,
        &BTreeMap::new(),
    )
}

fn page(assessments: &[Assessment]) -> String {
    let plan = plimsoll::plan(assessments[0].at, "0353b09d2456", assessments);
    let services: Vec<_> = assessments.iter().map(|a| a.service.clone()).collect();
    html(&Page {
        services: assessments
            .iter()
            .map(|a| Reviewed {
                assessment: a,
                overlay: render::helm::overlay(&plan, &services, &Live::default()),
                policies: plimsoll::past::candidates(a),
            })
            .collect(),
        plan: &plan,
        history: "6a82dd207118".to_owned(),
        samples: 196_086,
        queries: Some(9),
        command: "plimsoll demo".to_owned(),
        synthetic: true,
    })
}

/// The review of the built-in service; made once, since the forecast takes a while without optimisation.
static REVIEW: LazyLock<String> = LazyLock::new(|| page(&[assessment(false)]));

fn chromium() -> Option<PathBuf> {
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let usual = ["chromium", "chromium-browser", "google-chrome"];
    let found = named
        .into_iter()
        .chain(usual.iter().map(|name| Path::new("/usr/bin").join(name)))
        .find(|path| path.exists());
    if found.is_none() {
        let message = "SKIPPED: no Chromium; `apt-get install chromium`, or name one in CHROMIUM";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{message}");
        eprintln!("{message}");
    }
    found
}

/// Lays the page out in a window of that width and gives what the script found; `None` without Chromium.
fn probe(page: &str, width: u32, dark: bool) -> Option<Probe> {
    let chromium = chromium()?;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.html");
    // the copy may run our script, and still nothing else
    let copy =
        page.replacen("default-src 'none';", "default-src 'none'; script-src 'unsafe-inline';", 1);
    assert_ne!(copy, page, "the page has a policy that lets nothing in");
    std::fs::write(&file, copy.replacen("<head>", &format!("<head>{SCRIPT}"), 1)).unwrap();
    let around = folder.path().join("window.html");
    std::fs::write(&around, window(width)).unwrap();
    let mut command = Command::new(chromium);
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--hide-scrollbars",
    ]);
    command.args([
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--dump-dom",
    ]);
    command.arg(format!("--user-data-dir={}", folder.path().join("profile").display()));
    // for the window to read what the page found: two files are strangers to each other otherwise
    command.args(["--allow-file-access-from-files", "--window-size=1400,2000"]);
    if dark {
        command.arg("--blink-settings=preferredColorScheme=0");
    }
    let output = command.arg(format!("file://{}", around.display())).output().unwrap();
    let document = String::from_utf8(output.stdout).unwrap();
    let found =
        document.split("<pre id=\"probe\">").nth(1).and_then(|rest| rest.split("</pre>").next());
    let found = found.unwrap_or_else(|| {
        panic!("Chromium laid nothing out: {}", String::from_utf8_lossy(&output.stderr))
    });
    Some(serde_json::from_str(&percent_decoded(found)).unwrap())
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            plain => plain,
        });
    }
    String::from_utf8(bytes).unwrap()
}

/// What holds at every width.
fn holds(found: &Probe, width: f64) {
    assert!((found.width - width).abs() < 0.5, "the window is as wide as asked: {}", found.width);
    assert_eq!(found.errors, Vec::<String>::new(), "no console error");
    assert_eq!(found.resources, Vec::<String>::new(), "no request to anywhere");
    assert_eq!(found.duplicates, Vec::<String>::new(), "every id once");
    assert!(
        found.needed <= found.width,
        "nothing scrolls sideways: {} in {}",
        found.needed,
        found.width
    );
    for chart in found.charts.iter().filter(|chart| chart.is_visible()) {
        assert!(!chart.title.is_empty() && !chart.story.is_empty(), "{chart:?} tells its story");
        assert!(chart.shapes > 0, "{chart:?} draws something");
        assert!(chart.right <= width + 1.0, "{chart:?} stays inside the window");
        assert!(chart.smallest.abs() < 0.1 || chart.smallest >= 9.0, "{chart:?} can be read");
    }
}

fn shown<'a>(found: &'a Probe, title: &str) -> Vec<&'a Chart> {
    found
        .charts
        .iter()
        .filter(|chart| chart.is_visible() && chart.title.starts_with(title))
        .collect()
}

/// The charts that the built-in service must show, by the start of their title.
const CHARTS: [&str; 6] = [
    "Where jarvis stands on its table",
    "Load of jarvis over the rows of its table",
    "Expected peak of each day",
    "API pods against need",
    "Memory of Redis",
    "Planned and highest load of each past week",
];

#[test]
fn on_a_desktop_every_chart_is_seen_once_and_nobody_is_asked_for_anything() {
    let Some(found) = probe(&REVIEW, 1200, false) else { return };
    holds(&found, 1200.0);
    for title in CHARTS {
        let charts = shown(&found, title);
        assert_eq!(charts.len(), 1, "{title}: {charts:?}");
        assert_ne!(charts[0].layout, "n", "{title}");
    }
    let load = shown(&found, CHARTS[1])[0];
    assert!((load.width - 912.0).abs() < 1.0 && load.shapes > 20, "{load:?}");
}

#[test]
fn on_a_phone_the_narrow_charts_are_seen_and_nothing_scrolls_sideways() {
    let Some(found) = probe(&REVIEW, 400, false) else { return };
    holds(&found, 400.0);
    for title in CHARTS {
        let charts = shown(&found, title);
        assert_eq!(charts.len(), 1, "{title}: {charts:?}");
        assert_ne!(charts[0].layout, "w", "{title}");
    }
}

#[test]
fn in_the_dark_the_charts_follow_the_page() {
    let Some(found) = probe(&REVIEW, 1200, true) else { return };
    holds(&found, 1200.0);
    assert_eq!(found.ground, "rgb(15, 22, 29)");
    // drawn with #526070 or #16202B, shown in their dark forms
    let ink = &shown(&found, CHARTS[1])[0].ink;
    assert!(["rgb(166, 180, 194)", "rgb(233, 238, 243)"].contains(&ink.as_str()), "{ink}");
}

#[test]
fn a_service_of_which_nothing_is_known_is_a_page_too() {
    let blind = assessment(true);
    let Some(found) = probe(&page(std::slice::from_ref(&blind)), 400, false) else { return };
    holds(&found, 400.0);
    assert!(shown(&found, "Load of").is_empty(), "no chart is invented");
    // beside a second service every id is still unique
    let Some(found) = probe(&page(&[blind.clone(), blind]), 1200, false) else { return };
    holds(&found, 1200.0);
}

#[test]
fn the_probe_sees_what_it_is_there_to_see() {
    let bad = "<img src=\"http://example.invalid/x.png\"><p style=\"width:900px\" id=\"method\">wide</p></main>";
    let Some(found) = probe(&REVIEW.replacen("</main>", bad, 1), 400, false) else { return };
    assert!(
        found.errors.iter().any(|error| error.contains("example.invalid")),
        "{:?}",
        found.errors
    );
    assert!(found.needed > found.width);
    assert_eq!(found.duplicates, ["method"]);
}

#[test]
fn the_page_names_no_other_place() {
    let page = &*REVIEW;
    for reference in ["<script", "src=", "url(", "@import", "<link rel=\"stylesheet", "href=\"http"]
    {
        assert!(!page.contains(reference), "{reference}");
    }
    assert!(page.len() < 250_000, "{} bytes", page.len());
}
