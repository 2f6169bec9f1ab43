//! `plimsoll tiers`: show, check and import the scaling-tier table.

use std::io::Write;
use std::path::Path;

use anyhow::Result;

use crate::commands::Hinted;
use crate::commands::init::MORE_OF_A_COMPONENT;
use crate::config::{self, ConfigError, Problem};
use crate::service::{Service, Target};
use crate::tiers::TierTable;
use crate::tiers::check::{self, Fault};
use crate::tiers::markdown::{self, MarkdownFault, RunbookTable};
use crate::units::acts;

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
pub fn check(file: &Path, table: Option<usize>, out: &mut dyn Write) -> Result<()> {
    let (tables, odd) = if is_markdown(file) {
        let runbook = read_runbook(file, table)?;
        let (table, odd) = build(file, &runbook)?;
        (vec![(file.display().to_string(), table)], odd)
    } else {
        let settings = config::load(file).map_err(hinted)?;
        let services = settings.services.into_iter();
        let tables = services.map(|service| (service.name, service.tiers));
        (tables.collect(), settings.warnings)
    };
    if let Some(odd) = ConfigError::of(odd) {
        return Err(hinted(odd).into());
    }
    for (name, table) in &tables {
        writeln!(out, "{}", verdict(name, table))?;
    }
    Ok(())
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
    let (tiers, odd) = build(file, &runbook)?;
    let source = plain(&file.display().to_string());
    let line = runbook.line;
    writeln!(out, "# plimsoll.yaml from the scaling table of {source}, line {line}")?;
    for (what, line) in &runbook.left_out {
        writeln!(out, "# line {line}, left out: {}", plain(what))?;
    }
    for problem in &odd {
        writeln!(out, "# odd: {}", plain(&problem.to_string()))?;
    }
    let keys = rows(&tiers) + &components(&runbook, UNNAMED, &[]);
    write!(
        out,
        "\
version: 1
history:
  prometheus: {{url: \"http://localhost:9090\"}}   # set this: your Prometheus
  # files: [history.csv]          # or files: `timestamp,series,value`, see the README
services:
  - name: {UNNAMED}             # set this: the service's name
    namespace: {UNNAMED}        # set this: where it runs
    load: {{selector: {{service: {UNNAMED}}}}}   # set this: the labels of its metrics
"
    )?;
    for line in keys.lines() {
        writeln!(out, "    {line}")?;
    }
    Ok(())
}

/// The table of a runbook as the `tiers` and `components` of a service named `service`, ready to be indented.
///
/// # Errors
///
/// As [`import`].
pub fn service_keys(
    file: &Path,
    table: Option<usize>,
    service: &str,
    found: &[Target],
) -> Result<String> {
    let runbook = read_runbook(file, table)?;
    let (tiers, _) = build(file, &runbook)?;
    Ok(rows(&tiers) + &components(&runbook, service, found))
}

/// The error with every problem in it, as `error:` and `hint:` lines are printed.
#[must_use]
#[expect(clippy::needless_pass_by_value, reason = "stands in `map_err`")]
pub fn hinted(error: ConfigError) -> Hinted {
    let problems = error.problems();
    let messages: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let hints = problems.iter().map(|problem| problem.hint.as_str());
    let mut message = String::new();
    // the last hint is printed by whoever prints the message
    for (text, hint) in messages.iter().zip(hints).take(messages.len() - 1) {
        message.extend([text, "\nhint: ", hint, "\nerror: "]);
    }
    message.extend(messages.last().map(String::as_str));
    Hinted {
        message,
        hint: error.problems().last().map(|problem| problem.hint.clone()).unwrap_or_default(),
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

/// The table, with what is odd about it.
fn build(file: &Path, runbook: &RunbookTable) -> Result<(TierTable, Vec<Problem>)> {
    let problem = |fault: Fault| Problem {
        file: file.display().to_string(),
        line: Some(if fault.line == 0 { runbook.line } else { fault.line }),
        message: fault.message,
        hint: fault.hint,
    };
    let (table, faults) = check::build(&runbook.rows);
    let problems: Vec<Problem> = faults.into_iter().map(problem).collect();
    match (table, ConfigError::of(problems.clone())) {
        (Some(table), _) => Ok((table, problems)),
        (None, Some(error)) => Err(hinted(error).into()),
        (None, None) => anyhow::bail!("no table in `{}`", file.display()),
    }
}

/// `jarvis: 4 rows, 3 components: no gap, no overlap, and no row gives less than the one before it`.
fn verdict(name: &str, table: &TierTable) -> String {
    let components = table.rows.first().map_or(0, |row| row.sizes.len());
    let plural =
        |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    let size = format!("{}, {}", plural(table.rows.len(), "row"), plural(components, "component"));
    format!("{name}: {size}: no gap, no overlap, and no row gives less than the one before it")
}

fn table_text(service: &Service) -> String {
    let components = service.components.iter().map(|component| component.name.as_str());
    let header = ["TIER", "RPS"].into_iter().chain(components).map(str::to_owned);
    let mut lines: Vec<Vec<String>> = vec![header.collect()];
    for row in &service.tiers.rows {
        let sizes = row.sizes.iter().map(|(_, size)| size.to_string());
        lines.push([row.name.clone(), row.range()].into_iter().chain(sizes).collect());
    }
    let width = |column: usize| {
        let cells = lines.iter().map(|line| line[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..lines[0].len()).map(width).collect();
    let padded = lines.iter().map(|line| {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("  {cell:<width$}"));
        cells.collect::<Vec<_>>().concat().trim_end().to_owned()
    });
    let body: Vec<String> = padded.collect();
    format!("{}\n{}\n", service.name, body.join("\n"))
}

/// `tiers:` as YAML, one row a line.
fn rows(table: &TierTable) -> String {
    let mut lines = vec!["tiers:\n".to_owned()];
    for row in &table.rows {
        let mut keys = vec![format!("name: {}", scalar(&row.name))];
        keys.extend(row.below.map(|below| format!("below: {below}")));
        let sizes = row.sizes.iter();
        keys.extend(sizes.map(|(name, size)| format!("{}: {size}", scalar(name))));
        lines.push(format!("  - {{{}}}\n", keys.join(", ")));
    }
    lines.concat()
}

/// `components:` as YAML; what the runbook cannot know is to be set.
fn components(runbook: &RunbookTable, service: &str, found: &[Target]) -> String {
    let mut lines = vec![
        "components:                     # set these: the objects as the cluster names them, and their paths in the chart\n"
            .to_owned(),
    ];
    for column in &runbook.columns {
        let name = &column.component;
        let (kind, memory) =
            if column.memory { ("StatefulSet", ", memory: true") } else { ("Deployment", "") };
        let set = if column.named { "" } else { "set the name, here and above: " };
        let header = plain(&column.header);
        let key = scalar(name);
        let (target, gone) = match running(found, service, name) {
            Some(target) => (target.to_string(), ""),
            None if found.is_empty() => (format!("{kind}/{service}-{name}"), ""),
            None => (
                format!("{kind}/{service}-{name}"),
                "set the target, nothing here runs it by that name: ",
            ),
        };
        lines.push(format!(
            "  {key}: {{target: {target}{memory}, helm: {key}}}   # {gone}{set}column {header}\n"
        ));
    }
    lines.push(MORE_OF_A_COMPONENT.to_owned());
    lines.concat()
}

/// The object that a column is about: the one called so behind the service's name or alone, else the only one whose name ends so.
fn running<'a>(found: &'a [Target], service: &str, name: &str) -> Option<&'a Target> {
    let called = |wanted: &str| found.iter().find(|target| target.name == wanted);
    let ends = || {
        let end = format!("-{name}");
        let mut all = found.iter().filter(|target| target.name.ends_with(&end));
        all.next().filter(|_| all.next().is_none())
    };
    called(&format!("{service}-{name}")).or_else(|| called(name)).or_else(ends)
}

/// Text as a YAML value: bare where that can be read in one way only, else quoted.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || " _-".contains(c);
    let word =
        text.starts_with(char::is_alphabetic) && text.chars().all(plain) && !text.ends_with(' ');
    let keyword = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "inf", "nan"];
    if word && !keyword.contains(&text.to_lowercase().as_str()) {
        text.to_owned()
    } else {
        serde_json::Value::from(text).to_string()
    }
}

/// Text for a comment: on one line, whatever it holds.
fn plain(text: &str) -> String {
    text.replace(acts, " ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_column_is_about_what_runs_by_its_name() {
        let found = ["Deployment/shop-api", "Deployment/worker", "StatefulSet/cache-redis"];
        let target =
            |(kind, name): (&str, &str)| Target { kind: kind.to_owned(), name: name.to_owned() };
        let found: Vec<Target> =
            found.into_iter().filter_map(|one| one.split_once('/')).map(target).collect();
        let of = |name| running(&found, "shop", name).map(ToString::to_string);
        assert_eq!(of("api").as_deref(), Some("Deployment/shop-api"));
        assert_eq!(of("worker").as_deref(), Some("Deployment/worker"));
        assert_eq!(of("redis").as_deref(), Some("StatefulSet/cache-redis"));
        assert_eq!(of("db"), None);
        let twice = [&found[..], &found[2..]].concat();
        assert_eq!(running(&twice, "shop", "redis"), None);
    }

    const RUNBOOK: &str = "data/operations.md";
    const SETTINGS: &str = "tests/cmd/settings/sound.yaml";

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
        let error = check(&path, None, &mut Vec::new()).unwrap_err();
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
history:
  prometheus: {url: \"http://localhost:9090\"}   # set this: your Prometheus
  # files: [history.csv]          # or files: `timestamp,series,value`, see the README
services:
  - name: my-service             # set this: the service's name
    namespace: my-service        # set this: where it runs
    load: {selector: {service: my-service}}   # set this: the labels of its metrics
    tiers:
      - {name: Low, below: 10, api: 2, worker: 1, redis: 256Mi}
      - {name: Medium, below: 50, api: 3-5, worker: 2-3, redis: 512Mi}
      - {name: High, below: 200, api: 5-10, worker: 3-5, redis: 1Gi}
      - {name: Peak, api: 10-20, worker: 5-10, redis: 2Gi}
    components:                     # set these: the objects as the cluster names them, and their paths in the chart
      api: {target: Deployment/my-service-api, helm: api}   # column API Pods
      worker: {target: Deployment/my-service-worker, helm: worker}   # column Worker Pods
      redis: {target: StatefulSet/my-service-redis, memory: true, helm: redis}   # column Redis Memory
      # `helm:` is the component's path in your chart's values (`api.replicaCount` is `helm: api`): set it, or
      # remove it, and `plimsoll values` says that it leaves the component out. More keys, each where it is needed:
      #   container: app          # the container, where it is not named like its object
      #   startUp: 90s            # how long a new pod takes until it serves
      #   current: {minReplicas: 2, maxReplicas: 5, cpuRequest: 500m, memoryLimit: 512Mi}   # where no metric tells
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
        let names: Vec<&str> = rows[0].sizes.iter().map(|(name, _)| name.as_str()).collect();
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
  Peak    >= 200  10-20  5-10    2Gi
"
        );
    }

    #[test]
    fn a_sound_table_is_said_to_hold() {
        let holds = ": 4 rows, 3 components: no gap, no overlap, and no row gives less than the one before it\n";
        assert_eq!(printed(|out| check(Path::new(SETTINGS), None, out)), format!("jarvis{holds}"));
        assert_eq!(
            printed(|out| check(Path::new(RUNBOOK), None, out)),
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
    fn a_falling_row_is_imported_with_a_remark() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.md");
        let text = "| L | API Pods |\n|-|-|\n| Low (< 10 rps) | 4 |\n| High (> 10 rps) | 2 |\n";
        std::fs::write(&path, text).unwrap();
        let yaml = printed(|out| import(&path, None, out));
        assert!(
            yaml.contains("# odd: tier `High` gives `api` 2, less than `Low` with 4"),
            "{yaml}"
        );
        assert_eq!(config::parse(&yaml, "x.yaml", Path::new("")).unwrap().warnings.len(), 1);
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
