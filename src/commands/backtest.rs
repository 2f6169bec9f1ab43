//! `plimsoll backtest`: the forecast scored at past origins of one's own load; or forecasts of a CSV's series,
//! written for a scorer or scored here.
//!
//! A fold sees only what lies before its origin: the series is cut there, at most eight weeks long,
//! before the forecast is made. Nothing of what came reaches the code that forecasts.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use jiff::tz::TimeZone;

use super::{Hinted, Talk, gather, pull};
use crate::advise;
use crate::cli::RunArgs;
use crate::files;
use crate::forecast::{Backtest, Forecast, ModelScore, backtest, forecast};
use crate::history::{self, History, SeriesKey, Signal, Window};
use crate::service::Calendar;
use crate::source::trace;
use crate::units::{Period, counted};

/// The most history a forecast is given.
const LOOKBACK: Period = Period(8 * Period::WEEK.0);
/// Rolling origins where no folds are given.
const ORIGINS: usize = 8;
/// Horizon of rolling origins: as far as is planned for by default.
const HORIZON: Period = Period::WEEK;
/// One seed for all: a backtest gives the same bytes twice.
const SEED: u64 = 1;
/// A series' error counts at most this much in the mean, so that a series that stood still until the origin does
/// not speak for all.
const MASE_MAX: f64 = 10.0;
/// Why a series has no origin to forecast from.
const TOO_SHORT: &str = "too short for one origin with a week after it";
/// What the columns of the table say.
const LEGEND: &str = "
error       against a week that repeats the one before, within the history known at the origin: 1.00 is as
            wrong as that, 10.00 is 10 or more
bias        mean of forecast less seen, as a share of the load
inside 80%  share of steps inside the central 80 % band; 80 % is right; likewise 95 %
peaks 95%   share of days whose highest step stayed under the 95 % quantile of the day's peak
The first line is the weighted mean that the advice uses, the others are what it is made of, best first.
";
const HEADER: &str = "series,fold,step,mean,q0.025,q0.1,q0.5,q0.9,q0.95,q0.975,q0.99";

/// A point in one series from which a forecast is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fold {
    series: String,
    name: String,
    /// Steps before the first one to forecast.
    origin: usize,
    /// Steps to forecast.
    horizon: usize,
}

/// What a backtest did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What is to be printed; empty where the forecasts went to a file.
    pub text: String,
    /// Series and folds without a forecast, each with its reason.
    pub skipped: Vec<String>,
}

/// Scores the forecast of each service's load as it is made for the advice: hourly peaks, a week ahead.
///
/// # Errors
///
/// Wrong settings, a source that cannot be reached or refuses us, a store or file that cannot be read.
pub async fn own_history(args: &RunArgs, talk: &Talk) -> Result<Outcome> {
    let settings = gather::settings(args)?;
    let at = gather::moment(args, &settings);
    let past = pull::gather(&settings, at, args.offline, *talk).await?;
    gather::reached(args, &settings, at, &past)?;
    let window = Window { at, lookback: settings.history.lookback, step: settings.history.step };
    let mut outcome = Outcome::default();
    for service in &settings.services {
        let observed = past.of(service)?;
        let history = history::clean(&observed, service, &settings.calendar, &window);
        let load = match advise::evidence(&history, &SeriesKey::service(Signal::Load)) {
            Ok(load) => load.tempered().peaks(Period::HOUR),
            Err(why) => {
                outcome.skipped.push(format!("{}: {}", service.name, why.message));
                continue;
            }
        };
        let scored = rolling(&BTreeMap::from([(service.name.clone(), load)]), &settings.calendar);
        outcome.skipped.extend(scored.skipped);
        if !scored.text.is_empty() {
            let gap = if outcome.text.is_empty() { "" } else { "\n" };
            let _ = write!(outcome.text, "{gap}{}: {}", service.name, scored.text);
        }
    }
    Ok(outcome)
}

/// Runs a backtest over the series in `file`.
///
/// With `folds`, every fold is forecast and written to `emit`, or returned as text. Without, each series
/// is scored at rolling origins over a week, and a table of all models is returned. Days begin in `zone`.
///
/// # Errors
///
/// A file that cannot be read or written, a line that does not parse, or a fold of an unknown series.
pub fn run(
    file: &Path,
    folds: Option<&Path>,
    emit: Option<&Path>,
    zone: &TimeZone,
) -> Result<Outcome> {
    let series = series(file, NAME_FILES)?;
    let calendar = Calendar { zone: zone.clone(), events: Vec::new() };
    let Some(folds) = folds else {
        if emit.is_some() {
            return Err(Hinted {
                message: "`--emit` writes the forecasts of folds, and there are none".to_owned(),
                hint: "name them with `--folds FILE`".to_owned(),
            }
            .into());
        }
        return Ok(rolling(&series, &calendar));
    };
    let folds = read_folds(folds, &series)?;
    // tried before the work, so that a bad path fails at once
    emit.map(files::try_place).transpose()?;
    let forecasts =
        in_parallel(&folds, |fold| forecast_fold(&series[&fold.series], fold, &calendar));
    let (text, skipped) = as_csv(&folds, forecasts);
    let Some(path) = emit else { return Ok(Outcome { text, skipped }) };
    files::write_whole(path, text.as_bytes())?;
    Ok(Outcome { text: String::new(), skipped })
}

/// The forecast of one fold, from what lies before its origin and nothing else.
fn forecast_fold(series: &History, fold: &Fold, calendar: &Calendar) -> Result<Forecast, String> {
    let before = series.until(series.time(fold.origin));
    let before = tail(&before, LOOKBACK.steps(series.step));
    forecast(&before, calendar, fold.horizon, SEED)
        .map_err(|error| format!("{} fold {}: {error}", fold.series, fold.name))
}

fn tail(history: &History, steps: usize) -> History {
    let from = history.values.len().saturating_sub(steps);
    History {
        start: history.time(from),
        values: history.values[from..].to_vec(),
        ..history.clone()
    }
}

fn as_csv(folds: &[Fold], forecasts: Vec<Result<Forecast, String>>) -> (String, Vec<String>) {
    let mut text = format!("{HEADER}\n");
    let mut skipped = Vec::new();
    for (fold, forecast) in folds.iter().zip(forecasts) {
        match forecast {
            Ok(forecast) => {
                for (step, (mean, row)) in forecast.mean.iter().zip(&forecast.quantiles).enumerate()
                {
                    let _ = write!(text, "{},{},{},{mean}", fold.series, fold.name, step + 1);
                    for quantile in row {
                        let _ = write!(text, ",{quantile}");
                    }
                    text.push('\n');
                }
            }
            Err(reason) => skipped.push(reason),
        }
    }
    (text, skipped)
}

/// `work` on every item, on all cores, results in the order of the items.
fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let share = items.len().div_ceil(cores).max(1);
    std::thread::scope(|scope| {
        let threads: Vec<_> = items
            .chunks(share)
            .map(|chunk| scope.spawn(|| chunk.iter().map(&work).collect::<Vec<R>>()))
            .collect();
        // a panic of a worker goes on here
        threads
            .into_iter()
            .flat_map(|thread| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    })
}

/// Every series at rolling origins, in one table: the mean over the series, best first below the ensemble.
fn rolling(series: &BTreeMap<String, History>, calendar: &Calendar) -> Outcome {
    let named: Vec<(&String, &History)> = series.iter().collect();
    let results = in_parallel(&named, |(name, load)| {
        let steps = HORIZON.steps(load.step);
        match backtest(load, calendar, steps, ORIGINS, SEED) {
            // a table of zeros over no origin at all would be a lie
            Ok(tested) if tested.origins.is_empty() => Err(format!("{name}: {TOO_SHORT}")),
            Ok(tested) => Ok(tested),
            Err(error) => Err(format!("{name}: {error}")),
        }
    });
    let mut skipped = Vec::new();
    let mut done: Vec<Backtest> = Vec::new();
    for result in results {
        match result {
            Ok(backtest) => done.push(backtest),
            Err(reason) => skipped.push(reason),
        }
    }
    let text = if done.is_empty() { String::new() } else { table(&done) };
    Outcome { text, skipped }
}

/// A readable table of `backtests`, one line per model.
#[must_use]
pub fn table(backtests: &[Backtest]) -> String {
    let origins: usize = backtests.iter().map(|backtest| backtest.origins.len()).sum();
    let mut text = format!(
        "{} in {} series, each a week ahead, from what was known then\n\n",
        counted(origins, "origin"),
        backtests.len()
    );
    let _ = writeln!(
        text,
        "{:<22} {:>6} {:>7} {:>10} {:>10} {:>10}",
        "model", "error", "bias", "inside 80%", "inside 95%", "peaks 95%"
    );
    let mut models = means(backtests);
    if let Some((_, members)) = models.split_first_mut() {
        members.sort_by(|a, b| a.mase.total_cmp(&b.mase));
    }
    for ModelScore { name, mase, bias, inside80, inside95, peaks_inside95 } in models {
        let percent = |share: f64| format!("{:.1}%", 100.0 * share);
        let _ = writeln!(
            text,
            "{name:<22} {mase:>6.2} {:>7} {:>10} {:>10} {:>10}",
            format!("{:+.1}%", 100.0 * bias),
            percent(inside80),
            percent(inside95),
            percent(peaks_inside95)
        );
    }
    text.push_str(LEGEND);
    text
}

/// Each model's mean over the series.
#[expect(clippy::cast_precision_loss, reason = "a number of series")]
fn means(backtests: &[Backtest]) -> Vec<ModelScore> {
    let n = backtests.len() as f64;
    let models = backtests.first().map_or(&[][..], |backtest| &backtest.models);
    let mean = |i: usize, of: fn(&ModelScore) -> f64| {
        backtests.iter().map(|b| of(&b.models[i])).sum::<f64>() / n
    };
    models
        .iter()
        .enumerate()
        .map(|(i, model)| ModelScore {
            name: model.name,
            mase: mean(i, |m| m.mase.min(MASE_MAX)),
            bias: mean(i, |m| m.bias),
            inside80: mean(i, |m| m.inside80),
            inside95: mean(i, |m| m.inside95),
            peaks_inside95: mean(i, |m| m.peaks_inside95),
        })
        .collect()
}

/// A CSV's cells by the names asked for, line by line, with the line's number.
fn cells<'a, const N: usize>(
    text: &'a str,
    path: &Path,
    names: [&str; N],
) -> Result<Vec<(usize, [&'a str; N])>> {
    let mut lines = text.lines().enumerate().map(|(i, line)| (i + 1, line.trim_end_matches('\r')));
    let header: Vec<&str> = lines.next().map_or(Vec::new(), |(_, line)| line.split(',').collect());
    let mut places = [0; N];
    for (place, name) in places.iter_mut().zip(names) {
        let Some(found) = header.iter().position(|column| column == &name) else {
            return Err(Hinted {
                message: format!("`{}` has no column `{name}`", path.display()),
                hint: format!("it needs the columns `{}`", names.join(",")),
            }
            .into());
        };
        *place = found;
    }
    lines
        .filter(|(_, line)| !line.is_empty())
        .map(|(number, line)| {
            let row: Vec<&str> = line.split(',').collect();
            if row.len() != header.len() {
                bail!(
                    "`{}` line {number} has {} cells, the header {}",
                    path.display(),
                    row.len(),
                    header.len()
                );
            }
            Ok((number, places.map(|place| row[place])))
        })
        .collect()
}

/// What to do where a file of a backtest cannot be read.
const NAME_FILES: &str =
    "name a CSV with `--file` and `--folds`, or settings (`.yaml`) with `--file`";

/// The series of a trace file; `hint` says what to do where there is no such file.
pub(super) fn series(path: &Path, hint: &str) -> Result<BTreeMap<String, History>, Hinted> {
    trace::read(path).map_err(|error| {
        let hint = if error.is_unreadable() { hint } else { error.hint() };
        Hinted::because(&error, hint)
    })
}

fn text_of(path: &Path, hint: &str) -> Result<String> {
    let named = |error: std::io::Error| Hinted {
        message: format!("cannot read `{}`: {error}", path.display()),
        hint: hint.to_owned(),
    };
    let mut text = String::new();
    files::open(path).and_then(|mut file| file.read_to_string(&mut text)).map_err(named)?;
    Ok(text)
}

fn read_folds(path: &Path, series: &BTreeMap<String, History>) -> Result<Vec<Fold>> {
    let text = text_of(path, NAME_FILES)?;
    let number = |line: usize, text: &str| -> Result<usize> {
        text.parse().with_context(|| {
            format!("`{}` line {line}: `{text}` is not a number of steps", path.display())
        })
    };
    cells(&text, path, ["series", "fold", "origin", "horizon"])?
        .into_iter()
        .map(|(line, [name, fold, origin, horizon])| {
            if !series.contains_key(name) {
                bail!("`{}` line {line}: there is no series `{name}`", path.display());
            }
            Ok(Fold {
                series: name.to_owned(),
                name: fold.to_owned(),
                origin: number(line, origin)?,
                horizon: number(line, horizon)?,
            })
        })
        .collect()
}
