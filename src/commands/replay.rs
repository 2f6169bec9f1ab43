//! `plimsoll replay`: past load under other scaling policies, of one's own services or of a bare trace.

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::cli::{ReplayArgs, ReplayFormat};
use crate::commands::{Exit, Hinted, Talk, backtest, demo, gather, pull};
use crate::config::Settings;
use crate::files;
use crate::history::{History, Observed, Window};
use crate::render::chart;
use crate::render::replay as render;
use crate::replay::{self, Played, Pods, Policy, Replay, Terms};
use crate::service::live::{Live, Workload};
use crate::service::{Calendar, Component, Service};
use crate::source;
use crate::units::Period;

/// Start-up of a bare trace's pods where no flag says it.
const START_UP: Period = Period(120);
/// Longest start-up: a pod that takes a day to serve is no matter of scaling.
const START_UP_MAX: Period = Period::DAY;
/// What a pod may serve, in rps: beyond it the counts of pods are no counts.
const CAPACITY: std::ops::RangeInclusive<f64> = 1e-3..=1e6;
/// The longest step in which a load can be taken to stand still: an autoscaler acts within minutes.
const STEP_MAX: Period = Period(3_600);

/// Replays and prints; with `--emit`, writes too.
///
/// # Errors
///
/// A trace or settings that cannot be read, a figure that cannot be meant, or a folder that cannot be written.
pub async fn run(args: &ReplayArgs, talk: &Talk, out: &mut dyn Write) -> Result<Exit> {
    plausible(args)?;
    if let Some(folder) = &args.emit {
        super::output::prepare(folder)?;
    }
    let (replays, skipped) = match &args.series {
        Some(series) => (vec![of_trace(args, series, *talk)?], Vec::new()),
        None => of_services(args, talk).await?,
    };
    for replay in &replays {
        say_a_shorter_warm_up(args.warm_up, replay, *talk);
        if let Some(folder) = &args.emit {
            let folder = if replays.len() > 1 { folder.join(&replay.name) } else { folder.clone() };
            emit(replay, &folder)?;
        }
    }
    out.write_all(text(&replays, args.output)?.as_bytes())?;
    for why in &skipped {
        talk.say(&format!("skipped: {why}"));
    }
    Ok(if skipped.is_empty() { Exit::Done } else { Exit::Skipped })
}

/// Less is learnt from than was asked for where the load is not twice as long.
fn say_a_shorter_warm_up(asked: Period, replay: &Replay, talk: Talk) {
    let learnt = Period(replay.scored_from.duration_since(replay.load.start).as_secs());
    // a whole number of steps is no shorter than what was asked for
    if learnt.0 + replay.load.step.0 <= asked.0 {
        let name = &replay.name;
        talk.say(&format!(
            "warning: {name}: the first {learnt} are learnt from and not the {asked} of `--warm-up`: at most half of the load is"
        ));
    }
}

fn text(replays: &[Replay], format: ReplayFormat) -> Result<String> {
    let all = |one: fn(&Replay) -> String| replays.iter().map(one).collect::<Vec<_>>().join("\n");
    Ok(match format {
        ReplayFormat::Table => all(render::table),
        ReplayFormat::Markdown => all(render::markdown),
        ReplayFormat::Json => render::json(replays)?,
    })
}

/// Figures that no service has are refused before anything is read.
fn plausible(args: &ReplayArgs) -> Result<(), Hinted> {
    let positive = |flag: &str, value: Option<f64>, example: &str| match value {
        Some(value) if !(value > 0.0 && value.is_finite()) => Err(Hinted {
            message: format!("`{flag} {value}` is not above zero"),
            hint: format!("give a figure such as `{flag} {example}`"),
        }),
        _ => Ok(()),
    };
    positive("--capacity", args.capacity, "50")?;
    if let Some(capacity) = args.capacity.filter(|capacity| !CAPACITY.contains(capacity)) {
        return Err(Hinted {
            message: format!("`--capacity {capacity:e}` is no rps that a pod serves"),
            hint: "give it between 0.001 and 1000000, in rps per pod at 100 %".to_owned(),
        });
    }
    if let Some(start_up) = args.start_up.filter(|start_up| *start_up > START_UP_MAX) {
        return Err(Hinted {
            message: format!("`--start-up {start_up}` is longer than a pod takes"),
            hint: format!("give it up to {START_UP_MAX}"),
        });
    }
    positive("--price", args.price, "0.04")
}

fn terms(args: &ReplayArgs) -> Terms {
    let ReplayArgs { capacity, start_up, warm_up, risk, price, .. } = *args;
    Terms { capacity, start_up, warm_up, risk, price }
}

/// One series of a CSV.
fn of_trace(args: &ReplayArgs, series: &str, talk: Talk) -> Result<Replay> {
    let Some(capacity) = args.capacity else {
        return Err(Hinted {
            message: "a bare trace does not say what a pod serves".to_owned(),
            hint: "give `--capacity`, in rps per pod at 100 %".to_owned(),
        }
        .into());
    };
    let mut all = backtest::series(&args.run.file, COLUMNS)?;
    let Some(load) = all.remove(series) else {
        let names: Vec<&str> = all.keys().map(String::as_str).collect();
        return Err(unknown_series(series, &args.run.file, &names).into());
    };
    long_enough(series, &load)?;
    let start_up = args.start_up.unwrap_or(START_UP);
    let first = load.values.iter().copied().find(|value| value.is_finite()).unwrap_or_default();
    let pods = Pods::at_ease(capacity, start_up, first);
    let calendar = Calendar { zone: TimeZone::UTC, events: Vec::new() };
    let bar = progress(Policy::for_all().len(), talk);
    let done = |_: &Policy| bar.inc(1);
    let replay = replay::of_trace(series, &load, &calendar, pods, &terms(args), done);
    bar.finish_and_clear();
    Ok(replay)
}

/// What a trace has to look like.
const COLUMNS: &str =
    "with `--series`, `--file` is a CSV with the columns `series,timestamp,value`";

fn unknown_series(series: &str, file: &Path, names: &[&str]) -> Hinted {
    /// Names listed at most: a file may hold thousands.
    const LISTED: usize = 8;
    let listed: Vec<String> = names.iter().take(LISTED).map(|name| format!("`{name}`")).collect();
    let more = if names.len() > LISTED { ", …" } else { "" };
    let hint = format!("`--series` is one of {}{more}", listed.join(", "));
    Hinted { message: format!("`{}` has no series `{series}`", file.display()), hint }
}

fn long_enough(series: &str, load: &History) -> Result<(), Hinted> {
    let refused = |message: String, hint: &str| Err(Hinted { message, hint: hint.to_owned() });
    if load.step > STEP_MAX {
        let message = format!("`{series}` has a value every {}", load.step);
        return refused(message, "give a series with a value every hour or finer");
    }
    if load.values.iter().all(|value| value.is_nan()) {
        let message = format!("`{series}` has no value that is a load");
        return refused(message, "give it numbers of zero or more, in rps");
    }
    let length = Period(load.end().duration_since(load.start).as_secs());
    if length.0 < 2 * Period::DAY.0 {
        let message = format!("`{series}` is {length} long");
        return refused(message, "give a series of at least two days");
    }
    Ok(())
}

/// The replicated components of the settings' services, over their own history.
async fn of_services(args: &ReplayArgs, talk: &Talk) -> Result<(Vec<Replay>, Vec<String>)> {
    if args.demo {
        let settings = demo::settings()?;
        let at = demo::moment(args.run.at, &settings)?;
        let observed = |_: &Service| Ok(source::demo::observed(at, source::demo::SEED));
        return over(args, *talk, &settings, at, &Live::default(), observed);
    }
    let settings = gather::settings(&args.run)?;
    let at = gather::moment(&args.run, &settings);
    let live = gather::live(&settings, &args.run, talk).await?;
    let past = pull::gather(&settings, at, args.run.offline, *talk).await?;
    gather::reached(&args.run, &settings, at, &past)?;
    over(args, *talk, &settings, at, &live, |service| past.of(service))
}

/// The same over what `observe` has of each service.
fn over(
    args: &ReplayArgs,
    talk: Talk,
    settings: &Settings,
    at: Timestamp,
    live: &Live,
    observe: impl Fn(&Service) -> Result<Observed>,
) -> Result<(Vec<Replay>, Vec<String>)> {
    let chosen = chosen(settings, args.component.as_deref())?;
    let window = Window { at, lookback: settings.history.lookback, step: settings.history.step };
    // two policies more than a trace has: the settings in force, and those of the weekly advice
    let bar = progress(chosen.len() * (Policy::for_all().len() + 2), talk);
    let (mut replays, mut skipped) = (Vec::new(), Vec::new());
    for (service, component) in chosen {
        let case = crate::Case {
            service,
            component,
            calendar: &settings.calendar,
            policy: &settings.policy,
            window: &window,
            observed: &observe(service)?,
            live: live.workload(&service.name, &component.name).map(Workload::current),
        };
        match crate::replayed(&case, &terms(args), |_| bar.inc(1)) {
            Ok(replay) => replays.push(replay),
            Err(why) => {
                skipped.push(format!("{} {}: {}", service.name, component.name, why.message));
            }
        }
    }
    bar.finish_and_clear();
    Ok((replays, skipped))
}

/// The components that have replicas, or the one of that name.
fn chosen<'a>(
    settings: &'a Settings,
    name: Option<&str>,
) -> Result<Vec<(&'a Service, &'a Component)>, Hinted> {
    let replicated = || {
        let all = settings.services.iter();
        all.flat_map(|service| service.components.iter().map(move |component| (service, component)))
            .filter(|(_, component)| !component.memory)
    };
    let Some(name) = name else { return Ok(replicated().collect()) };
    let chosen: Vec<_> = replicated().filter(|(_, component)| component.name == name).collect();
    if chosen.is_empty() {
        let mut names: Vec<String> =
            replicated().map(|(_, component)| format!("`{}`", component.name)).collect();
        names.sort();
        names.dedup();
        return Err(Hinted {
            message: format!("no service has a component `{name}` with replicas"),
            hint: format!("`--component` is one of {}", names.join(", ")),
        });
    }
    Ok(chosen)
}

fn progress(policies: usize, talk: Talk) -> ProgressBar {
    let hidden = talk.quiet;
    let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let bar = ProgressBar::with_draw_target(Some(policies as u64), target);
    if let Ok(style) =
        ProgressStyle::with_template("replaying {bar:40} {pos} of {len} policies, {eta} left")
    {
        bar.set_style(style);
    }
    bar
}

/// One CSV per policy, and the chart.
fn emit(replay: &Replay, folder: &Path) -> Result<()> {
    super::output::prepare(folder)?;
    for played in &replay.played {
        let file = folder.join(format!("{}.csv", played.policy.name()));
        files::write_whole(&file, rows(&replay.load, played).as_bytes())?;
    }
    files::write_whole(&folder.join("front.svg"), chart::front(replay).svg.as_bytes())?;
    Ok(())
}

/// What a policy had at the beginning of each step of the load: pods asked for, and pods that served.
fn rows(load: &History, played: &Played) -> String {
    let mut text = String::from("timestamp,load,desired,ready\n");
    for (step, (offered, row)) in load.values.iter().zip(&played.course.rows).enumerate() {
        let offered = if offered.is_nan() { String::new() } else { offered.to_string() };
        text.push_str(&format!("{},{offered},{},{}\n", load.time(step), row.desired, row.ready));
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::replay::{Course, Row, Scores};

    #[test]
    fn a_trace_without_a_load_is_no_quiet_service() {
        let start: jiff::Timestamp = "2026-01-05T00:00:00Z".parse().unwrap();
        let of = |value: f64| {
            let values = vec![value; 3 * 288];
            History { start, step: Period(300), values, marks: Vec::new(), newest: start }
        };
        assert!(long_enough("web", &of(0.0)).is_ok());
        let refused = long_enough("web", &of(f64::NAN)).unwrap_err();
        assert_eq!(refused.message, "`web` has no value that is a load");
    }

    #[test]
    fn a_course_is_written_a_line_a_step_and_a_gap_as_nothing() {
        let start: jiff::Timestamp = "2026-01-05T00:00:00Z".parse().unwrap();
        let values = vec![1.5, f64::NAN];
        let load = History { start, step: Period(60), values, marks: Vec::new(), newest: start };
        let rows_of = vec![Row { desired: 3, ready: 2 }, Row { desired: 3, ready: 3 }];
        let course = Course { rows: rows_of, scores: Scores::default() };
        let played = Played { policy: Policy::NOWCAST, course };
        assert_eq!(
            rows(&load, &played),
            "timestamp,load,desired,ready\n2026-01-05T00:00:00Z,1.5,3,2\n2026-01-05T00:01:00Z,,3,3\n"
        );
    }
}
