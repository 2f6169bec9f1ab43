//! The scaling-tier table: the team's own policy, one row per load range.
//!
//! A row holds from its lower boundary (inclusive) up to, not including, the next row's: 10.0 rps is
//! Medium where Medium begins at 10. The last row is open. Reading a table, from settings or from a
//! runbook's Markdown, and checking it live in the submodules.

pub mod check;
pub mod markdown;

use crate::units::Bytes;

/// A validated table: at least one row, rows in rising order without gap or overlap, the last one open.
#[derive(Debug, Clone, PartialEq)]
pub struct TierTable {
    /// The rows, from the least load to the most.
    pub rows: Vec<Tier>,
}

/// One row: the sizes that a range of load is to be served with.
#[derive(Debug, Clone, PartialEq)]
pub struct Tier {
    /// The row's name, as the team says it.
    pub name: String,
    /// The load at which the row begins, in rps, inclusive.
    pub from: f64,
    /// The load at which the next row begins, in rps; `None` for the last row.
    pub below: Option<f64>,
    /// What each component is to have in this row: component name and size, in the table's column order.
    pub sizes: Vec<(String, Size)>,
}

/// What a row gives one component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// A number of replicas, from `min` to `max`, both inclusive.
    Replicas {
        /// The fewest replicas in this row.
        min: u32,
        /// The most replicas in this row.
        max: u32,
    },
    /// An amount of memory.
    Memory(Bytes),
}

impl TierTable {
    /// The row that holds for `load` rps. A load below the first boundary belongs to the first row.
    #[must_use]
    pub fn row(&self, load: f64) -> &Tier {
        &self.rows[self.index(load)]
    }

    /// The position of the row that holds for `load`, 0 for the first.
    #[must_use]
    pub fn index(&self, load: f64) -> usize {
        self.rows.iter().rposition(|row| load >= row.from).unwrap_or(0)
    }

    /// The size of `component` in the row at `index`; `None` where the table does not name it.
    #[must_use]
    pub fn size(&self, index: usize, component: &str) -> Option<Size> {
        self.rows[index].size(component)
    }

    /// The boundaries between rows, in rps, rising.
    pub fn boundaries(&self) -> impl Iterator<Item = f64> + '_ {
        self.rows.iter().filter_map(|row| row.below)
    }
}

impl Tier {
    /// The size of `component` in this row; `None` where the table does not name it.
    #[must_use]
    pub fn size(&self, component: &str) -> Option<Size> {
        self.sizes.iter().find(|(name, _)| name == component).map(|(_, size)| *size)
    }

    /// The row's range of load as people write it: `< 10`, `10-50`, `>= 200`.
    #[must_use]
    pub fn range(&self) -> String {
        match (self.from, self.below) {
            (from, Some(below)) if from <= 0.0 => format!("< {below}"),
            (from, Some(below)) => format!("{from}-{below}"),
            (from, None) => format!(">= {from}"),
        }
    }
}

impl std::fmt::Display for Size {
    /// `3`, `3-5`, `512Mi`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Replicas { min, max } if min == max => write!(f, "{min}"),
            Self::Replicas { min, max } => write!(f, "{min}-{max}"),
            Self::Memory(bytes) => write!(f, "{bytes}"),
        }
    }
}
