//! `plimsoll tiers`: show, check and import the scaling-tier table.

use std::io::Write;
use std::path::Path;

use anyhow::Result;

use crate::commands::Hinted;
use crate::config::{self, ConfigError, Problem, Settings};
use crate::service::Service;
use crate::tiers::TierTable;
use crate::tiers::check::{self, Fault};
use crate::tiers::markdown::{self, MarkdownFault, RunbookTable};

/// The name that an imported table's service has until it is given its own.
const UNNAMED: &str = "my-service";

/// Prints each service's table as Plimsoll reads it.
///
/// # Errors
///
/// Where the settings do not hold, or nothing can be written.
pub fn show(file: &Path, out: &mut dyn Write) -> Result<()> {
    let settings = config::load(file).map_err(hinted)?;
    for service in &settings.services {
        out.write_all(table_text(service).as_bytes())?;
    }
    Ok(())
}

/// Checks the table of a settings file, or of a runbook (`.md`), and says that it holds.
///
/// # Errors
///
/// Everything that is wrong or odd with it, each with file, line and remedy.
pub fn check(file: &Path, out: &mut dyn Write) -> Result<()> {
    if is_markdown(file) {
        let runbook = read_runbook(file, None)?;
        let table = sound(file, &runbook)?;
        writeln!(out, "{}", verdict(&file.display().to_string(), &table))?;
        return Ok(());
    }
    let Settings {
        services, warnings, ..
    } = config::load(file).map_err(hinted)?;
    match ConfigError::of(warnings) {
        Some(odd) => Err(hinted(odd).into()),
        None => {
            for service in &services {
                writeln!(out, "{}", verdict(&service.name, &service.tiers))?;
            }
            Ok(())
        }
    }
}

/// Reads the table of a runbook and prints it as settings, to be completed where they say so.
///
/// `table` chooses one of several, from 1.
///
/// # Errors
///
/// Where the runbook holds no table, several without a choice, or one that does not hold.
pub fn import(file: &Path, table: Option<usize>, out: &mut dyn Write) -> Result<()> {
    let runbook = read_runbook(file, table)?;
    let tiers = sound(file, &runbook)?;
    let source = file.display().to_string();
    let mut text = format!(
        "# plimsoll.yaml from the scaling table of {}, line {}\n",
        plain(&source),
        runbook.line
    );
    for (what, line) in &runbook.left_out {
        text.push_str(&format!("# line {line}, left out: {}\n", plain(what)));
    }
    text.push_str("version: 1\nservices:\n");
    text.push_str(&format!(
        "  - name: {UNNAMED}             # set this: the service's name\n"
    ));
    text.push_str(&format!(
        "    namespace: {UNNAMED}        # set this: where it runs\n"
    ));
    text.push_str(&format!(
        "    load: {{selector: {{service: {UNNAMED}}}}}   # set this: the labels of its metrics\n"
    ));
    text.push_str(&indented(&rows(&tiers), 4));
    text.push_str(&indented(&components(&runbook, UNNAMED), 4));
    out.write_all(text.as_bytes())?;
    Ok(())
}

/// The table of a runbook as the `tiers` and `components` of a service named `service`, ready to be indented.
///
/// # Errors
///
/// As [`import`].
pub fn service_keys(file: &Path, table: Option<usize>, service: &str) -> Result<String> {
    let runbook = read_runbook(file, table)?;
    let tiers = sound(file, &runbook)?;
    Ok(rows(&tiers) + &components(&runbook, service))
}

/// The error with every problem in it, as `error:` and `hint:` lines are printed.
#[must_use]
pub fn hinted(error: ConfigError) -> Hinted {
    let mut message = String::new();
    let problems = error.problems();
    for (index, problem) in problems.iter().enumerate() {
        message.push_str(&problem.to_string());
        if index + 1 < problems.len() {
            message.push_str(&format!("\nhint: {}\nerror: ", problem.hint));
        }
    }
    Hinted {
        message,
        hint: problems
            .last()
            .map(|problem| problem.hint.clone())
            .unwrap_or_default(),
    }
}

fn is_markdown(file: &Path) -> bool {
    file.extension().is_some_and(|extension| {
        extension.eq_ignore_ascii_case("md") || extension.eq_ignore_ascii_case("markdown")
    })
}

fn read_runbook(file: &Path, table: Option<usize>) -> Result<RunbookTable> {
    let name = file.display().to_string();
    let text = config::read_text(file, &name, None, "name a Markdown file");
    let text = text.map_err(|problem| hinted(problem.into()))?;
    let problem = |fault: MarkdownFault| Problem {
        file: name.clone(),
        line: fault.line(),
        message: fault.to_string(),
        hint: fault.hint("--table N"),
    };
    let runbook = markdown::read(&text, table).map_err(|fault| hinted(problem(fault).into()))?;
    Ok(runbook)
}

/// The table, if nothing about it is wrong or odd.
fn sound(file: &Path, runbook: &RunbookTable) -> Result<TierTable> {
    let name = file.display().to_string();
    let problem = |fault: Fault| Problem {
        file: name.clone(),
        line: Some(fault.line)
            .filter(|line| *line > 0)
            .or(Some(runbook.line)),
        message: fault.message,
        hint: fault.hint,
    };
    match check::build(&runbook.rows) {
        (Some(table), faults) if faults.is_empty() => Ok(table),
        (_, faults) => {
            let problems = faults.into_iter().map(problem).collect();
            Err(ConfigError::of(problems)
                .map(hinted)
                .unwrap_or(Hinted {
                    message: String::new(),
                    hint: String::new(),
                })
                .into())
        }
    }
}

/// `jarvis: 4 rows, 3 components: no gap, no overlap, and no row gives less than the one before it`.
fn verdict(name: &str, table: &TierTable) -> String {
    let components = table.rows.first().map_or(0, |row| row.sizes.len());
    let plural =
        |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    let size = format!(
        "{}, {}",
        plural(table.rows.len(), "row"),
        plural(components, "component")
    );
    format!("{name}: {size}: no gap, no overlap, and no row gives less than the one before it")
}

fn table_text(service: &Service) -> String {
    let mut lines: Vec<Vec<String>> = Vec::new();
    let components = service
        .components
        .iter()
        .map(|component| component.name.clone());
    lines.push(
        ["TIER".to_owned(), "RPS".to_owned()]
            .into_iter()
            .chain(components)
            .collect(),
    );
    for row in &service.tiers.rows {
        let sizes = row.sizes.iter().map(|(_, size)| size.to_string());
        lines.push(
            [row.name.clone(), row.range()]
                .into_iter()
                .chain(sizes)
                .collect(),
        );
    }
    let width = |column: usize| {
        lines
            .iter()
            .map(|line| line[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..lines[0].len()).map(width).collect();
    let mut text = format!("{}\n", service.name);
    for line in &lines {
        let mut padded = String::new();
        for (cell, width) in line.iter().zip(&widths) {
            padded.push_str(&format!("  {cell:<width$}"));
        }
        text.push_str(padded.trim_end());
        text.push('\n');
    }
    text
}

/// `tiers:` as YAML, one row a line, columns aligned.
fn rows(table: &TierTable) -> String {
    let mut text = "tiers:\n".to_owned();
    for row in &table.rows {
        let below = row
            .below
            .map(|below| format!(", below: {below}"))
            .unwrap_or_default();
        let sizes = row
            .sizes
            .iter()
            .map(|(name, size)| format!(", {}: {size}", scalar(name)));
        let sizes: String = sizes.collect();
        text.push_str(&format!(
            "  - {{name: {}{below}{sizes}}}\n",
            scalar(&row.name)
        ));
    }
    text
}

fn components(runbook: &RunbookTable, service: &str) -> String {
    let mut text =
        "components:                     # set these: the objects as the cluster names them\n"
            .to_owned();
    for column in &runbook.columns {
        let name = &column.component;
        let kind = if column.memory {
            "StatefulSet"
        } else {
            "Deployment"
        };
        let memory = if column.memory { ", memory: true" } else { "" };
        let header = plain(&column.header);
        let note = if column.named {
            format!("column {header}")
        } else {
            format!("set the name, here and above: column {header}")
        };
        text.push_str(&format!(
            "  {}: {{target: {kind}/{service}-{name}{memory}}}   # {note}\n",
            scalar(name)
        ));
    }
    text
}

/// Text as a YAML value: bare where that can be read in one way only, else quoted.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || " _-".contains(c);
    let word =
        text.starts_with(char::is_alphabetic) && text.chars().all(plain) && !text.ends_with(' ');
    let keyword = [
        "true", "false", "null", "yes", "no", "on", "off", "y", "n", "inf", "nan",
    ];
    if word && !keyword.contains(&text.to_lowercase().as_str()) {
        text.to_owned()
    } else {
        serde_json::Value::from(text).to_string()
    }
}

/// Text for a comment: on one line, whatever it holds.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn indented(text: &str, by: usize) -> String {
    text.lines()
        .map(|line| format!("{:by$}{line}\n", ""))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const RUNBOOK: &str = "data/operations.md";
    const SETTINGS: &str = "data/plimsoll.yaml";

    fn printed(run: impl FnOnce(&mut dyn Write) -> Result<()>) -> String {
        let mut out = Vec::new();
        run(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// The failure of `check` on a file of that name and text, without the folder's name.
    fn refused(name: &str, text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let error = check(&path, &mut Vec::new()).unwrap_err();
        let hinted = error.downcast::<Hinted>().unwrap();
        let shown = format!("error: {}\nhint: {}\n", hinted.message, hinted.hint);
        shown.replace(&format!("{}/", folder.path().display()), "")
    }

    #[test]
    fn the_runbook_of_jarvis_comes_out_as_settings() {
        assert_eq!(
            printed(|out| import(Path::new(RUNBOOK), None, out)),
            "\
# plimsoll.yaml from the scaling table of data/operations.md, line 192
version: 1
services:
  - name: my-service             # set this: the service's name
    namespace: my-service        # set this: where it runs
    load: {selector: {service: my-service}}   # set this: the labels of its metrics
    tiers:
      - {name: Low, below: 10, api: 2, worker: 1, redis: 256Mi}
      - {name: Medium, below: 50, api: 3-5, worker: 2-3, redis: 512Mi}
      - {name: High, below: 200, api: 5-10, worker: 3-5, redis: 1Gi}
      - {name: Peak, api: 10-20, worker: 5-10, redis: 2Gi}
    components:                     # set these: the objects as the cluster names them
      api: {target: Deployment/my-service-api}   # column API Pods
      worker: {target: Deployment/my-service-worker}   # column Worker Pods
      redis: {target: StatefulSet/my-service-redis, memory: true}   # column Redis Memory
"
        );
    }

    #[test]
    fn what_import_prints_is_read_back_as_the_same_table() {
        let text = printed(|out| import(Path::new(RUNBOOK), None, out));
        let imported = config::parse(&text, "imported.yaml", Path::new("")).unwrap();
        let example = config::load(Path::new(SETTINGS)).unwrap();
        assert_eq!(imported.services[0].tiers, example.services[0].tiers);
    }

    #[test]
    fn odd_names_survive_the_round_trip() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.md");
        let text = "| L | ワーカー台数 | 謎の台数 | Note |\n|-|-|-|-|\n| no (< 10 rps) | 1 | 2 | x |\n| 高: 'a' #b (≥ 10 rps) | 2 | 3 | y |\n";
        std::fs::write(&path, text).unwrap();
        let yaml = printed(|out| import(&path, None, out));
        let settings = config::parse(&yaml, "x.yaml", Path::new("")).unwrap();
        let rows = &settings.services[0].tiers.rows;
        assert_eq!(rows[0].name, "no");
        assert_eq!(rows[1].name, "高");
        let names: Vec<&str> = rows[0]
            .sizes
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(names, ["worker", "column-3"]);
        assert!(yaml.contains("left out: column `Note`"), "{yaml}");
    }

    #[test]
    fn the_table_is_shown_in_columns() {
        assert_eq!(
            printed(|out| show(Path::new(SETTINGS), out)),
            "\
jarvis
  TIER    RPS     api    worker  redis
  Low     < 10    2      1       256Mi
  Medium  10-50   3-5    2-3     512Mi
  High    50-200  5-10   3-5     1Gi
  Peak    > 200   10-20  5-10    2Gi
"
        );
    }

    #[test]
    fn a_sound_table_is_said_to_hold() {
        let holds = ": 4 rows, 3 components: no gap, no overlap, and no row gives less than the one before it\n";
        assert_eq!(
            printed(|out| check(Path::new(SETTINGS), out)),
            format!("jarvis{holds}")
        );
        assert_eq!(
            printed(|out| check(Path::new(RUNBOOK), out)),
            format!("{RUNBOOK}{holds}")
        );
    }

    #[test]
    fn everything_wrong_with_a_runbook_is_listed_with_its_line() {
        let text = "# Run\n\n| Load | API Pods | Redis Memory |\n|-|-|-|\n| Low (< 10 rps) | 2 | 1Gi |\n| Mid (10-50 rps) | 5-3 | 512MB |\n| High (60-90 rps) | 5-10 | 256Mi |\n";
        assert_eq!(
            refused("run.md", text),
            "\
error: tier `Mid`: `api: 5-3` is inverted (`run.md`, line 6)
hint: write `3-5`
error: tier `Mid`: `redis: 512MB` is not a memory quantity (`run.md`, line 6)
hint: write `512Mi`
error: no row holds from 50 to 60 rps: there is a gap before `High` (`run.md`, line 7)
hint: let `High` begin at 50
error: no row holds from 90 rps up: the last row `High` ends there (`run.md`, line 7)
hint: leave the last row open: `> 60`, or no `below:`
"
        );
    }

    #[test]
    fn a_falling_row_fails_the_check_though_the_table_loads() {
        let text = std::fs::read_to_string(SETTINGS).unwrap();
        assert_eq!(
            refused("plimsoll.yaml", &text.replace("api: 5-10,", "api: 3-4,")),
            "\
error: tier `High` gives `api` 3-4, less than `Medium` with 3-5 (`plimsoll.yaml`, line 27)
hint: let `api` never shrink as the load grows
"
        );
    }

    #[test]
    fn a_runbook_without_a_table_or_with_several_says_what_to_do() {
        let none = refused("run.md", "# Run\n\n| a | b |\n|-|-|\n| c | d |\n");
        assert!(none.starts_with("error: no scaling table found: 1 table looked at (`run.md`)\nhint: a scaling table has"), "{none}");
        let table =
            "| Load | API Pods |\n|-|-|\n| Low (< 10 rps) | 2 |\n| High (> 10 rps) | 4 |\n\n";
        let two = refused("run.md", &table.repeat(2));
        assert_eq!(
            two,
            "error: 2 scaling tables found, on lines 1, 6 (`run.md`, line 1)\nhint: choose one with `--table N`, counted from 1\n"
        );
    }
}
