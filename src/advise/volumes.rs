//! Volumes: when they are full, and by how much to expand them. Never shrunk.
//!
//! Growth is a robust line through daily peaks, so that a sawtooth (retention, vacuum) counts by its
//! crests. "1 in 10" uses the upper end of the slope's interval.

use jiff::{SignedDuration, Timestamp};

use crate::advise::plan::{Action, Amount, Code, Reason, Recommendation, Runway, Setting};
use crate::advise::trend::Line;
use crate::advise::{Known, local_date, series, skipped};
use crate::history::{History, SeriesKey, Signal};
use crate::service::{Current, Doubt};
use crate::units::{Bytes, Period};

/// Days of use that a growth estimate needs.
const DAYS_MIN: usize = 14;
/// Share of a volume that should not be passed.
const FULL: f64 = 0.8;
/// How long an expansion is to last: volumes are expanded rarely.
const EXPANSION_DAYS: f64 = 90.0;
/// Past this many days a straight line says nothing any more.
const DAYS_SAID_MAX: f64 = 365.0;
/// Volumes are expanded in whole gibibytes.
const STEP: Bytes = Bytes(1 << 30);
/// Share of a claim that its file system keeps for itself at most: where samples say less, they are older than the claim.
const OVERHEAD: f64 = 0.1;
/// One gibibyte, for prose.
const GI: f64 = 1_073_741_824.0;

/// The size of one persistent volume claim.
pub fn storage(known: &Known<'_>, volume: &str) -> Recommendation {
    let object = format!("PersistentVolumeClaim/{volume}");
    let claim = known.current.get(volume).copied().unwrap_or_default();
    match grown(known, volume, claim) {
        Ok(growth) => advised(known, (volume, object), &growth, claim),
        Err(reason) => skipped(volume, object, Setting::Storage, reason),
    }
}

/// What is known of a volume's growth, in bytes and days from now.
struct Growth {
    size: f64,
    used: f64,
    line: Line,
}

impl Growth {
    /// What there is to fill, without what the file system keeps for itself: bytes of it are no size that anybody asked for.
    fn room(&self) -> Bytes {
        Bytes(Bytes::of(self.size).0.next_multiple_of(1 << 20))
    }
}

fn grown(known: &Known<'_>, volume: &str, claim: Current) -> Result<Growth, Reason> {
    if claim.doubt == Some(Doubt::Object) {
        let message = format!(
            "the cluster has no such claim in namespace `{}`; see `volumes` of the service",
            known.service.namespace
        );
        return Err(Reason { code: Code::CurrentUnknown, message });
    }
    let used = series(known, &SeriesKey::of(volume, Signal::VolumeUsed))?;
    let capacity = series(known, &SeriesKey::of(volume, Signal::VolumeCapacity))?;
    let newest = |history: &History| history.newest_value().unwrap_or_default();
    let daily = used.peaks(Period::DAY);
    let day = |at: Timestamp| at.duration_since(known.at).as_secs_f64() / 86_400.0;
    let points: Vec<(f64, f64)> = (0..daily.values.len())
        .map(|i| (day(daily.time(i)), daily.values[i]))
        .filter(|(_, used)| used.is_finite())
        .collect();
    let too_little = || too_little(known, points.len());
    if points.len() < DAYS_MIN {
        return Err(too_little());
    }
    let line = Line::fit(&points).ok_or_else(too_little)?;
    Ok(Growth { size: room(newest(capacity), claim.capacity)?, used: newest(used), line })
}

/// What there is to fill: what samples say, unless the claim was expanded since.
#[expect(clippy::cast_precision_loss, reason = "volumes lie far below 2^53")]
fn room(seen: f64, has: Option<Bytes>) -> Result<f64, Reason> {
    let Some(has) = has else { return Ok(seen) };
    let whole = has.0 as f64;
    if seen > whole * (1.0 + OVERHEAD) {
        let message = format!(
            "its claim has {has} and its samples say {:.1}Gi: they are of a disk that others fill too, or of another claim",
            seen / GI
        );
        return Err(Reason { code: Code::Coverage, message });
    }
    Ok(if seen < whole * (1.0 - OVERHEAD) { whole } else { seen })
}

fn too_little(known: &Known<'_>, days: usize) -> Reason {
    let missing = i64::try_from(DAYS_MIN.saturating_sub(days)).unwrap_or_default();
    let enough = local_date(known, known.at + SignedDuration::from_hours(24 * missing));
    Reason {
        code: Code::TooLittleHistory,
        message: format!("{days} of {DAYS_MIN} days; enough on {enough}"),
    }
}

fn advised(
    known: &Known<'_>,
    (volume, object): (&str, String),
    growth: &Growth,
    claim: Current,
) -> Recommendation {
    let runway = |share| Runway {
        p50: full_on(known, growth, growth.line.slope, share),
        p90: full_on(known, growth, growth.line.slope_at(0.9), share),
    };
    let to_full = runway(FULL);
    let size = claim.storage.unwrap_or_else(|| growth.room());
    let grown = growth.used + growth.line.slope.max(0.0) * EXPANSION_DAYS;
    // within the outlook at even odds: late enough not to cry wolf, early enough for a change window
    let target =
        if to_full.p50.is_some() { Bytes::at_least(grown / FULL, STEP).max(size) } else { size };
    let reasons = reasons(known, growth, claim.capacity, (size, target));
    let bare = skipped(volume, object, Setting::Storage, reasons[0].clone());
    Recommendation {
        reasons,
        current: Some(Amount::Bytes(size)),
        target: Some(Amount::Bytes(target)),
        uncapped_target: Some(Amount::Bytes(target)),
        lower_bound: Some(Amount::Bytes(size)),
        upper_bound: Some(Amount::Bytes(Bytes::at_least(grown / FULL, STEP).max(target))),
        action: if target > size { Action::Raise } else { Action::Keep },
        lasts_until: Some(to_full),
        ..bare
    }
}

fn reasons(
    known: &Known<'_>,
    growth: &Growth,
    has: Option<Bytes>,
    (size, target): (Bytes, Bytes),
) -> Vec<Reason> {
    let mut said = vec![format!(
        "{:.1}Gi of {} used, {:+.2}Gi a day; 80 % {}, 100 % {}",
        growth.used / GI,
        growth.room(),
        growth.line.slope / GI,
        when(known, growth, FULL),
        when(known, growth, 1.0),
    )];
    if let Some(has) = has.filter(|has| *has < size) {
        said.push(format!("its claim asks for {size} and has {has}: it is not expanded yet"));
    }
    if target > size {
        said.push(format!(
            "{target} holds {EXPANSION_DAYS} days of this growth under 80 %. A volume never shrinks again, and no file written here holds the change: edit the claim"
        ));
    }
    said.into_iter().map(|message| Reason { code: Code::Runway, message }).collect()
}

/// The local date at which `share` of the volume is used, growing by `slope` bytes a day; `None`: not
/// inside the outlook.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "clamped to the outlook first"
)]
fn full_on(
    known: &Known<'_>,
    growth: &Growth,
    slope: f64,
    share: f64,
) -> Option<jiff::civil::Date> {
    let days = days_to(growth, slope, share);
    let outlook = known.policy.outlook.0 as f64 / 86_400.0;
    let inside = (0.0..=outlook).contains(&days);
    inside
        .then(|| local_date(known, known.at + SignedDuration::from_secs((days * 86_400.0) as i64)))
}

/// Days until `share` of the volume is used, growing by `slope` bytes a day; 0 where it is, infinite or negative
/// where it never will be.
fn days_to(growth: &Growth, slope: f64, share: f64) -> f64 {
    let missing = (share * growth.size - growth.used).max(0.0);
    if missing > 0.0 { missing / slope } else { 0.0 }
}

/// When `share` of the volume is used, in words: a date inside the outlook, a number of days behind it.
fn when(known: &Known<'_>, growth: &Growth, share: f64) -> String {
    let days = days_to(growth, growth.line.slope, share);
    if share * growth.size <= growth.used {
        return "already passed".to_owned();
    }
    match full_on(known, growth, growth.line.slope, share) {
        Some(date) => format!("on {}", date.strftime("%a %-d %b")),
        None if (0.0..=DAYS_SAID_MAX).contains(&days) => format!("in about {days:.0} days"),
        None => "not in sight".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::history::Window;
    use crate::render::fixture;
    use crate::service::Policy;
    use crate::service::live::Claim;
    use crate::source::demo;

    #[test]
    fn a_share_that_is_passed_is_passed_and_one_that_shrinks_away_never_comes() {
        // 33 of 50 used, half a gibibyte a day: 7 are missing to 40 (80 %), 17 to 50
        let rising: Vec<(f64, f64)> =
            (-28..=0).map(|d| (f64::from(d), 33.0 + 0.5 * f64::from(d))).collect();
        let mut growth = Growth { size: 50.0, used: 33.0, line: Line::fit(&rising).unwrap() };
        assert!((days_to(&growth, growth.line.slope, FULL) - 14.0).abs() < 1e-6);
        assert!((days_to(&growth, growth.line.slope, 1.0) - 34.0).abs() < 1e-6);
        growth.used = 42.0;
        assert_eq!(days_to(&growth, growth.line.slope, FULL), 0.0);
        assert!(days_to(&growth, -0.5, 1.0) < 0.0);
    }
    /// The volume of the built-in history, 80 % full within six weeks, under what a cluster tells of its claim.
    fn advised_for(claim: Option<&Claim>) -> Recommendation {
        let known = fixture::assessment();
        let window = Window { at: known.at, lookback: Period(8 * 604_800), step: Period(300) };
        let observed = demo::observed(known.at, demo::SEED);
        let live = [(known.service.volumes[0].clone(), Claim::current(claim))].into();
        let (service, calendar) = (&known.service, &known.calendar);
        let policy = Policy { outlook: Period(42 * 86_400), ..known.policy };
        let plan = crate::assess(service, calendar, &policy, &window, &observed, &live).plan;
        plan.recommendations.into_iter().find(|one| one.setting == Setting::Storage).unwrap()
    }

    fn gibibytes(request: u64, capacity: Option<u64>) -> Claim {
        let [request, capacity] = [Some(request), capacity].map(|of| of.map(|of| Bytes(of << 30)));
        Claim { request, capacity, class: None, expandable: None, has_class: None }
    }

    #[test]
    fn a_claim_is_what_the_cluster_says_and_is_never_shrunk() {
        let sizes =
            |one: &Recommendation| (one.current.unwrap().figure(), one.target.unwrap().figure());
        let [small, large] = [50, 200].map(|of| of << 30);
        let seen = advised_for(Some(&gibibytes(50, Some(50))));
        let (now, then) = sizes(&seen);
        assert!(now == small && then > small && then < large, "{seen:?}");
        assert_eq!(sizes(&advised_for(Some(&gibibytes(50, None)))), (now, then));
        // expanded since its samples were taken: a fifth of it is used
        let expanded = advised_for(Some(&gibibytes(200, Some(200))));
        assert_eq!((sizes(&expanded), expanded.action), ((large, large), Action::Keep));
        assert_eq!(expanded.lasts_until.as_ref().unwrap().p50, None);
        assert!(expanded.reasons[0].message.contains("of 200Gi used"), "{expanded:?}");
        // asked for, and not there yet: what there is to fill is still small
        let asked = advised_for(Some(&gibibytes(200, Some(50))));
        assert_eq!((sizes(&asked), asked.action), ((large, large), Action::Keep));
        assert!(asked.reasons[0].message.contains("of 50Gi used"), "{asked:?}");
        assert!(asked.reasons[1].message.contains("asks for 200Gi and has 50Gi"), "{asked:?}");
        assert_eq!(sizes(&advised_for(Some(&gibibytes(50, Some(200))))), (large, large));
    }

    #[test]
    fn a_claim_that_the_cluster_has_not_or_whose_samples_are_of_more_is_skipped() {
        let gone = advised_for(None);
        assert_eq!((gone.action, gone.current, gone.target), (Action::Skipped, None, None));
        assert_eq!(gone.reasons[0].code, Code::CurrentUnknown);
        let says = "the cluster has no such claim in namespace `jarvis`";
        assert!(gone.reasons[0].message.starts_with(says), "{gone:?}");
        // 50Gi of a disk that holds other volumes too
        let shared = advised_for(Some(&gibibytes(10, Some(10))));
        assert_eq!((shared.action, shared.target), (Action::Skipped, None));
        assert!(
            shared.reasons[0].message.contains("has 10Gi and its samples say 50.0Gi"),
            "{shared:?}"
        );
    }
}
