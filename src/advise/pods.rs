//! Whether as many pods may run now as ran while their use was seen: of fewer each has more to do, and what each used says
//! nothing of that yet.
//!
//! An HPA sets the number between its bounds, and the loop moves the lower one every day; so each day is asked for the fewest
//! that it let there be, and the whole time for the most that ran.

use crate::advise::lowering::whole;
use crate::advise::plan::{Code, Reason};
use crate::advise::{Known, series};
use crate::history::{self, History, SeriesKey, Signal};
use crate::service::Current;
use crate::units::Period;

/// Whether the bounds in force of a component's HPA let there be no fewer pods than in the dwell time.
///
/// # Errors
///
/// That they do, or the kind of absence of what would have shown it.
pub(super) fn no_fewer(known: &Known<'_>, name: &str, current: Current) -> Result<(), Reason> {
    let changed = |message: String| Reason { code: Code::Changed, message };
    let dwell = known.policy.dwell;
    if let Some(least) = current.min_replicas.map(|least| f64::from(least.max(1))) {
        // the day before them too: the one in which it changed had few pods for a part of it
        let days = Period(dwell.0 + Period::DAY.0);
        let of_days = fewest_of_days(whole(known, &minimum(known, name))?, days);
        if of_days > least {
            return Err(changed(format!(
                "{least} pods may run by now, and on a day of the last {days} there might never be fewer than {of_days}: of fewer each has more to do"
            )));
        }
    }
    let ran = series(known, &SeriesKey::of(name, Signal::SpecReplicas)).ok();
    let ran = ran.and_then(|ran| history::peak(ran.last(dwell)));
    match ran.zip(current.max_replicas.map(f64::from)) {
        Some((ran, most)) if ran > most => Err(changed(format!(
            "{most} pods may run at most by now, and {ran} did in the last {dwell}: of fewer each has more to do"
        ))),
        _ => Ok(()),
    }
}

/// What tells how few pods there may be: the bound itself, else how many there were.
fn minimum(known: &Known<'_>, name: &str) -> SeriesKey {
    let keys = [Signal::HpaMin, Signal::SpecReplicas].map(|signal| SeriesKey::of(name, signal));
    let [bound, asked] = keys;
    if history::absent(known.history.get(&bound)) { asked } else { bound }
}

/// The largest of the smallest values of each day of a time, the newest day first.
fn fewest_of_days(history: &History, days: Period) -> f64 {
    let day = Period::DAY.steps(history.step).max(1);
    let finite =
        |day: &[f64]| day.iter().copied().filter(|value| value.is_finite()).reduce(f64::min);
    history.last(days).rchunks(day).filter_map(finite).fold(0.0, f64::max)
}
