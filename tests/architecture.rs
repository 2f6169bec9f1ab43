//! The direction rules, held against the source: what is pure stays pure, a stage knows only earlier ones,
//! edges never import each other, and heavy crates stay where they belong.
//!
//! The rules are read off the text. Comments, strings and `#[cfg(test)]` modules do not count; a path
//! counts wherever it is written, in a `use` or in the code.

#![allow(clippy::unwrap_used, missing_docs)]

use std::path::{Path, PathBuf};

/// The pure stages in the order of the pipeline: each may know itself and those before it.
const STAGES: [&str; 9] =
    ["units", "tiers", "service", "history", "forecast", "capacity", "advise", "replay", "render"];

/// What joins the stages: the pipeline now and at past moments, as pure as they are.
const PIPELINE: [&str; 2] = ["lib", "past"];

/// The edges: each knows stages, but no other edge.
const EDGES: [&str; 5] = ["source", "store", "config", "apply", "forge"];

/// What joins them.
const VERBS: [&str; 2] = ["commands", "cli"];

/// What a pure stage may not name: IO, asynchrony, environment, clock, unseeded randomness.
const IMPURE: [&str; 27] = [
    "tokio",
    "kube",
    "k8s_openapi",
    "reqwest",
    "hyper",
    "rustls",
    "prometheus_http_query",
    "clap",
    "indicatif",
    "tempfile",
    "polars",
    "std::fs",
    "std::env",
    "std::net",
    "std::io",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "rand::rng",
    "thread_rng",
    "from_os_rng",
    "from_entropy",
    "getrandom",
    "TimeZone::system",
];

/// What has one home: its name, and the files below `src` that may name it. The last five are what it takes to write to
/// a cluster: advice never does.
const HOMES: [(&str, &[&str]); 9] = [
    ("polars", &["store", "source/file", "fleet"]),
    ("plotters", &["render/chart"]),
    ("kube", &["source/kubernetes", "apply"]),
    ("prometheus_http_query", &["source/prometheus"]),
    ("PostParams", &["apply"]),
    ("PatchParams", &["apply"]),
    ("DeleteParams", &["apply"]),
    ("EvictParams", &["apply"]),
    ("Method", &["apply"]),
];

/// Soft limits of a file's and a function's length, tests not counted; past twice that it is a broken rule.
const FILE_LINES: usize = 400;
/// See [`FILE_LINES`].
const FUNCTION_LINES: usize = 45;

/// A line that breaks a rule.
type Breach = String;

/// The breaches of one file, `path` relative to `src`.
fn breaches(path: &str, source: &str) -> Vec<Breach> {
    let code = code_only(source);
    let module = module(path);
    let stage = STAGES.iter().position(|stage| *stage == module);
    let mut found = Vec::new();
    for (number, line) in joined(&code).iter().enumerate() {
        let mut breach = |what: String| {
            found.push(format!("src/{path}:{}: {what}: `{}`", number + 1, line.trim()));
        };
        if stage.is_some() || PIPELINE.contains(&module) {
            let impure = IMPURE.iter().filter(|name| names(line, name));
            impure.for_each(|name| breach(format!("`{name}` in a pure stage")));
        }
        if let Some(stage) = stage {
            for known in siblings(line) {
                let allowed = STAGES[..=stage].contains(&known.as_str())
                    // the renderers read the whole assessment, which lib.rs defines
                    || module == "render" && ["Assessment", "WeekScore"].contains(&known.as_str());
                if !allowed {
                    breach(format!("`{module}` knows `{known}`, which is not an earlier stage"));
                }
            }
        }
        if EDGES.contains(&module) {
            let others = EDGES.iter().chain(&VERBS).filter(|other| **other != module);
            let known: Vec<String> = siblings(line).collect();
            others.filter(|other| known.iter().any(|known| known == *other)).for_each(|other| {
                breach(format!("the edge `{module}` knows `{other}`"));
            });
        }
        for (name, homes) in HOMES {
            let home = homes
                .iter()
                .any(|home| path == format!("{home}.rs") || path.starts_with(&format!("{home}/")));
            if !home && names(line, name) {
                breach(format!("`{name}` away from {}", homes.join(", ")));
            }
        }
    }
    found
}

/// The module at the top that a file belongs to: `forecast` for `forecast/peak.rs`.
fn module(path: &str) -> &str {
    path.split('/').next().unwrap_or(path).trim_end_matches(".rs")
}

/// The modules of this crate that a line names: behind `crate::`, also in a list of a `use`.
fn siblings(line: &str) -> impl Iterator<Item = String> + '_ {
    let word = |text: &str| {
        text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>()
    };
    line.match_indices("crate::").flat_map(move |(at, _)| {
        let rest = &line[at + "crate::".len()..];
        let items = rest.strip_prefix('{').map_or_else(|| vec![rest], outer_items);
        items.into_iter().map(word).filter(|item| !item.is_empty()).collect::<Vec<_>>()
    })
}

/// The items of a list whose opening brace is gone, lists inside them not split.
fn outer_items(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut items) = (0, 0, Vec::new());
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            ',' | '}' if depth == 0 => {
                items.push(&list[start..at]);
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    items
}

/// The same lines, but each `use` on its first line as a whole.
fn joined(code: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut open: Option<usize> = None;
    for line in code.lines() {
        match open {
            Some(first) => {
                lines[first] = format!("{} {}", lines[first], line.trim());
                lines.push(String::new());
            }
            None => lines.push(line.to_owned()),
        }
        let first = open.unwrap_or(lines.len() - 1);
        let text = lines[first].trim_start();
        let imports = text.starts_with("use ") || text.starts_with("pub") && text.contains(" use ");
        open = (imports && !text.contains(';')).then_some(first);
    }
    lines
}

/// Whether a line names a crate or path: as a whole word, so that `kube` is not found in `kubernetes`.
fn names(line: &str, name: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(name).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + name.len()..].chars().next();
        // `self.clap` and `polars:` of a struct are no paths; a crate's name is followed by `::` or `;`
        let path = name.contains("::") || name.chars().next().is_some_and(char::is_uppercase);
        let follows = path
            || line[at + name.len()..].starts_with("::")
            || line.trim_start().starts_with("use ");
        !before.is_some_and(|c| part(c) || c == '.' || (c == ':' && !path))
            && !after.is_some_and(part)
            && follows
    })
}

/// The source without comments, without the content of strings, and without its test modules; every line
/// stays in its place.
fn code_only(source: &str) -> String {
    let mut out = String::new();
    let mut skip_depth: Option<i64> = None;
    let mut pending = false;
    let mut depth = 0i64;
    for line in blanked(source).lines() {
        if line.trim() == "#[cfg(test)]" {
            pending = true;
        }
        if pending && skip_depth.is_none() && line.contains('{') {
            skip_depth = Some(depth);
            pending = false;
        } else if pending && line.trim_end().ends_with(';') {
            pending = false;
            out.push('\n');
            continue;
        }
        depth += balance(line);
        if skip_depth.is_none() && !pending {
            out.push_str(line);
        }
        out.push('\n');
        if skip_depth.is_some_and(|start| depth <= start) {
            skip_depth = None;
        }
    }
    out
}

fn balance(line: &str) -> i64 {
    line.chars().map(|c| i64::from(c == '{') - i64::from(c == '}')).sum()
}

/// The source with comments, strings and characters blanked out, so that braces and names in them do not count.
fn blanked(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut out = String::new();
    let mut at = 0;
    while at < chars.len() {
        let end = match (chars[at], chars.get(at + 1)) {
            ('/', Some('/')) => until(&chars, at, |c| c == '\n'),
            ('r', Some('"' | '#')) if !out.ends_with(|c: char| c.is_alphanumeric() || c == '_') => {
                raw_end(&chars, at)
            }
            ('"', _) => string_end(&chars, at),
            ('\'', Some('\\')) => until(&chars, at + 3, |c| c == '\'') + 1,
            ('\'', Some(_)) if chars.get(at + 2) == Some(&'\'') => at + 3,
            _ => at,
        };
        if end == at {
            out.push(chars[at]);
            at += 1;
        } else {
            out.extend(
                chars[at..end.min(chars.len())].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }),
            );
            at = end;
        }
    }
    out
}

fn until(chars: &[char], from: usize, stop: impl Fn(char) -> bool) -> usize {
    (from..chars.len()).find(|at| stop(chars[*at])).unwrap_or(chars.len())
}

fn string_end(chars: &[char], from: usize) -> usize {
    let mut at = from + 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// The end of a raw string that begins at `from`, or `from` where none does (`r#type`).
fn raw_end(chars: &[char], from: usize) -> usize {
    let hashes = chars[from + 1..].iter().take_while(|c| **c == '#').count();
    if chars.get(from + 1 + hashes) != Some(&'"') {
        return from;
    }
    let closing = |at: &usize| {
        chars[*at] == '"'
            && chars[at + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes
    };
    (from + 2 + hashes..chars.len()).find(closing).map_or(chars.len(), |at| at + 1 + hashes)
}

/// Lines of the functions in a file, by their first line.
fn functions(code: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = code.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let Some(name) =
            line.split_once("fn ").filter(|(before, _)| declares(before)).map(|(_, name)| name)
        else {
            continue;
        };
        let mut depth = 0;
        let mut opened = false;
        for (end, line) in lines.iter().enumerate().skip(start) {
            opened |= line.contains('{');
            depth += balance(line);
            if opened && depth <= 0 {
                found.push((
                    name.chars().take_while(|c| *c != '(' && *c != '<').collect(),
                    end - start + 1,
                ));
                break;
            }
            if !opened && line.trim_end().ends_with(';') {
                break;
            }
        }
    }
    found
}

fn declares(before: &str) -> bool {
    before
        .split_whitespace()
        .all(|word| matches!(word, "const" | "async") || word.starts_with("pub"))
}

fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
                files.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

/// Files that only `#[cfg(test)] mod` brings in: by their name.
fn of_tests(path: &str) -> bool {
    ["/tests.rs", "/fixture.rs", "/example.rs"].iter().any(|name| path.ends_with(name))
        || path.contains("/tests/")
}

#[test]
fn the_direction_of_the_pipeline_holds() {
    let files = sources();
    assert!(files.len() > 20, "the sources were not found");
    let code = files.iter().filter(|(path, _)| !of_tests(path));
    let found: Vec<Breach> = code.flat_map(|(path, source)| breaches(path, source)).collect();
    assert!(found.is_empty(), "{} broken:\n{}", found.len(), found.join("\n"));
}

#[test]
fn every_module_at_the_top_has_its_place() {
    let joined = ["main", "files"];
    for (path, _) in sources() {
        let module = module(&path);
        let known = [&STAGES[..], &PIPELINE, &EDGES, &VERBS, &joined]
            .iter()
            .any(|group| group.contains(&module));
        assert!(
            known,
            "`{module}` is neither stage nor edge nor verb: give it a place in tests/architecture.rs"
        );
    }
}

#[test]
fn files_and_functions_stay_short() {
    let mut found = Vec::new();
    for (path, source) in sources().iter().filter(|(path, _)| !of_tests(path)) {
        let code = code_only(source);
        let lines = code.trim_end().lines().count();
        if lines > 2 * FILE_LINES {
            found.push(format!("src/{path}: {lines} lines"));
        }
        let long = functions(&code).into_iter().filter(|(_, lines)| *lines > 2 * FUNCTION_LINES);
        found.extend(long.map(|(name, lines)| format!("src/{path}: `{name}` has {lines} lines")));
    }
    assert!(found.is_empty(), "split these:\n{}", found.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for() {
    for (path, source) in sources().iter().filter(|(path, _)| !of_tests(path)) {
        assert!(source.starts_with("//! "), "src/{path} does not open with `//!`");
    }
}

#[test]
fn the_checker_sees_what_it_should() {
    let cases = [
        ("advise/mod.rs", "use tokio::time;", "`tokio` in a pure stage"),
        ("history.rs", "let now = jiff::Timestamp::now();", "`Timestamp::now` in a pure stage"),
        ("units.rs", "let home = std::env::var(\"HOME\");", "`std::env` in a pure stage"),
        ("forecast/mod.rs", "use crate::advise::plan::Plan;", "`forecast` knows `advise`"),
        ("capacity.rs", "fn f(s: &crate::config::Settings) {}", "`capacity` knows `config`"),
        ("tiers.rs", "use crate::{units::Bytes, render};", "`tiers` knows `render`"),
        (
            "tiers.rs",
            "use crate::{\n    units::Bytes,\n    history,\n};",
            "`tiers` knows `history`",
        ),
        ("store/mod.rs", "use crate::source::demo;", "the edge `store` knows `source`"),
        ("source/file.rs", "use crate::commands::Exit;", "the edge `source` knows `commands`"),
        ("commands/plan.rs", "use polars::prelude::*;", "`polars` away from store"),
        (
            "render/table.rs",
            "let root = plotters::prelude::SVGBackend::new();",
            "`plotters` away from",
        ),
        ("commands/plan.rs", "let client = kube::Client::try_default();", "`kube` away from"),
        (
            "source/kubernetes/read.rs",
            "api.patch(name, &PatchParams::apply(\"plimsoll\"), &patch)",
            "`PatchParams` away from apply",
        ),
    ];
    for (path, source, expected) in cases {
        let found = breaches(path, source);
        assert!(
            found.iter().any(|breach| breach.contains(expected)),
            "{path}: {source}\n{found:?}"
        );
    }
}

#[test]
fn the_checker_is_not_misled() {
    let fine = [
        ("advise/mod.rs", "// tokio::spawn would be wrong here"),
        ("advise/mod.rs", "let hint = \"see std::env::var and crate::config\";"),
        ("advise/mod.rs", "let text = r#\"use tokio::time; \"quoted\" std::fs\"#;"),
        (
            "advise/mod.rs",
            "#[cfg(test)]\nmod tests {\n    use crate::config;\n    fn f() { std::fs::read(\"x\"); }\n}",
        ),
        ("advise/mod.rs", "use crate::{forecast::Forecast, units::{Bytes, Ratio}};"),
        ("render/chart/mod.rs", "use plotters::prelude::*;"),
        ("source/mod.rs", "pub mod kubernetes;"),
        ("store/mod.rs", "use polars::prelude::DataFrame;\nuse crate::history::Samples;"),
    ];
    for (path, source) in fine {
        assert_eq!(breaches(path, source), Vec::<String>::new(), "{path}: {source}");
    }
    // behind a test module the rules hold again
    let after = "#[cfg(test)]\nmod tests {\n    fn f() {}\n}\nuse tokio::time;";
    assert_eq!(breaches("advise/mod.rs", after).len(), 1);
}

#[test]
fn lines_of_a_function_are_counted_from_its_head_to_its_brace() {
    let code = code_only("pub fn one() {\n    if true {\n    }\n}\n\nfn two(a: u8) -> u8 { a }\n");
    assert_eq!(functions(&code), [("one".to_owned(), 4), ("two".to_owned(), 1)]);
}
