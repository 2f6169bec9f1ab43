//! The windows of a component over the week: what a clock can lay down ahead of its ramps, and whether what it laid down
//! before may go.
//!
//! Windows only raise. What was laid down earlier gives way to them only where the last week shows that less will do: it
//! was whole, nobody's limit, and healthy.

use super::floor;
use crate::Assessment;
use crate::advise::plan::{Amount, Code, Reason, Setting};
use crate::advise::sizing::Sizing;
use crate::advise::windows::{Ahead, Laid, windows};
use crate::service::Component;
use crate::units::Period;

/// The windows of a component whose autoscaler stands at these bounds, within what is advised of them.
///
/// # Errors
///
/// The reason why nothing can be said: then what is there stays.
pub fn laid(a: &Assessment, component: &Component, (min, max): (u32, u32)) -> Result<Laid, Reason> {
    let load = floor::load(a)?;
    let forecast = a.forecast.as_ref().map_err(Clone::clone)?;
    let zone = a.calendar.zone.iana_name().map(str::to_owned).ok_or_else(|| Reason {
        code: Code::CurrentUnknown,
        message: "the time zone of the settings has no name that a clock knows".to_owned(),
    })?;
    let advised = |setting| {
        let mut all = a.plan.recommendations.iter();
        let one = all.find(|one| one.component == component.name && one.setting == setting);
        match one.and_then(|one| one.target) {
            Some(Amount::Count(count)) => Some(count),
            _ => None,
        }
    };
    let capacity = a.capacity.get(&component.name);
    let sizing = Sizing { table: &a.service.tiers, component: &component.name, capacity };
    let ceiling = advised(Setting::MaxReplicas).unwrap_or(max);
    let floor = advised(Setting::MinReplicas).unwrap_or(min).max(min).min(ceiling);
    let windows = windows(&Ahead {
        forecast,
        load,
        sizing,
        zone: &a.calendar.zone,
        bounds: (floor, ceiling),
        start_up: component.start_up,
    });
    let doubt = floor::doubt(a, load, a.policy.dwell.min(Period::WEEK)).err();
    Ok(Laid { windows, zone, doubt })
}
