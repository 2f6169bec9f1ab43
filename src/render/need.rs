//! How many replicas a load needs, for drawing and for sentences: by measured capacity where there is
//! one, else by the position in the table's row.

use crate::Assessment;
use crate::capacity::{Unmeasured, unmeasured};
use crate::history::Signal;
use crate::render::wording as w;
use crate::tiers::{Size, TierTable};

/// Why the table alone says what `component` needs: a clause that begins small; `None` where a limit was measured.
#[must_use]
pub fn why_table(a: &Assessment, component: &str) -> Option<String> {
    if let Some(capacity) = a.capacity.get(component) {
        return (!capacity.saturated).then(|| {
            format!(
                "P99 never passed the objective, at up to {} rps a pod",
                w::rps(capacity.per_replica)
            )
        });
    }
    let found = a.service.components.iter().find(|known| known.name == component)?;
    Some(match unmeasured(found, &a.service, &a.history)? {
        Unmeasured::NoSeries(key) if key.signal == Signal::Cpu => {
            format!("without `{key}` it is not known to serve the load")
        }
        Unmeasured::NoSeries(key) => format!("it takes `{key}`, which has no series"),
        Unmeasured::FewSteps { have, need } => format!(
            "{} of the {} steps it takes have load, replicas and P99 together",
            w::thousands(have),
            w::thousands(need)
        ),
        Unmeasured::Missed => {
            "P99 was over the objective at every load, so none is known to be sustained".to_owned()
        }
    })
}

/// How the need of a component is known.
#[derive(Debug, Clone)]
pub enum Need<'a> {
    /// Measured load per replica, in rps.
    Measured(f64),
    /// What the table asks.
    Table(&'a TierTable, &'a str),
}

impl<'a> Need<'a> {
    /// How the need of `component` is known; `None` where it is not sized in replicas.
    pub fn of(a: &'a Assessment, component: &'a str) -> Option<Self> {
        let table = &a.service.tiers;
        let in_pods = matches!(table.size(0, component), Some(Size::Replicas { .. }));
        match a.capacity.get(component) {
            // a pod that was never at its limit may sustain more: its highest load is no need
            Some(capacity) if capacity.saturated && capacity.per_replica > 0.0 => {
                Some(Self::Measured(capacity.per_replica))
            }
            _ => in_pods.then_some(Self::Table(table, component)),
        }
    }

    /// Replicas for `load` rps, at least one; `None` past what is known: inside the open last row without a
    /// measurement.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped first")]
    pub fn at(&self, load: f64) -> Option<u32> {
        let needed = match self {
            Self::Measured(per_replica) => load / per_replica,
            Self::Table(table, component) => {
                let row = &table.rows[table.index(load)];
                let Some(Size::Replicas { min, max }) = row.size(component) else {
                    return None;
                };
                let share = (load - row.from) / (row.below? - row.from);
                f64::from(min) + share.clamp(0.0, 1.0) * f64::from(max - min)
            }
        };
        needed.is_finite().then(|| (needed - 1e-9).ceil().clamp(1.0, 1e6) as u32)
    }
}
