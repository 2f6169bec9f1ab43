//! How many replicas, or how much memory, a load asks for: by the table, and by measured capacity.
//!
//! Both are rising in load. Inside a row the count is interpolated by position and rounded up; the open
//! last row is positioned by measured capacity, else by the load per replica of the row below. Where the
//! measured capacity asks for more than the row, the larger number wins.

use crate::capacity::Capacity;
use crate::tiers::{Size, TierTable};
use crate::units::Bytes;

/// What a load asks of a component that the table counts in replicas.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Asked {
    /// The fewest replicas of the row.
    pub row_min: u32,
    /// The most replicas of the row.
    pub row_max: u32,
    /// The count by position inside the row, not yet rounded up.
    pub by_row: f64,
    /// The count by measured capacity, where a limit was measured.
    pub by_capacity: Option<f64>,
    /// The larger of both, rounded up.
    pub need: u32,
    /// The most replicas that any row gives: the table's word on how far to go.
    pub ceiling: u32,
}

impl Asked {
    /// The need inside the table.
    #[must_use]
    pub fn capped(&self) -> u32 {
        self.need.min(self.ceiling)
    }
}

/// The sizes of one component over all loads.
#[derive(Debug, Clone, Copy)]
pub struct Sizing<'a> {
    /// The table.
    pub table: &'a TierTable,
    /// The component's name in it.
    pub component: &'a str,
    /// Its measured capacity, where there is one.
    pub capacity: Option<&'a Capacity>,
}

impl Sizing<'_> {
    /// The replicas asked for at `load` rps; `None` where the table gives the component none.
    #[must_use]
    pub fn replicas(&self, load: f64) -> Option<Asked> {
        let index = self.table.index(load);
        let (row_min, row_max) = self.range(index)?;
        let ceiling = (0..self.table.rows.len())
            .filter_map(|row| self.range(row))
            .map(|(_, max)| max)
            .max()?;
        let by_row = self.position(index, load, row_min, row_max);
        let by_capacity = self
            .capacity
            .filter(|capacity| capacity.saturated)
            .map(|capacity| load / capacity.per_replica);
        let need = whole(by_row.max(by_capacity.unwrap_or(0.0)));
        Some(Asked { row_min, row_max, by_row, by_capacity, need, ceiling })
    }

    /// The memory asked for at `load` rps; `None` where the table gives the component none.
    #[must_use]
    pub fn memory(&self, load: f64) -> Option<Bytes> {
        let rows = &self.table.rows[..=self.table.index(load)];
        rows.iter().filter_map(|row| memory(row.size(self.component)?)).max()
    }

    /// The highest load, in rps, at which `fits` still holds, for a rising size; `None`: at every load
    /// that the table can speak of.
    #[must_use]
    pub fn lasts_to(&self, fits: impl Fn(f64) -> bool) -> Option<f64> {
        // ten times the last boundary is far outside any table; 2^-50 of it is below any load's precision
        let mut high = self.table.rows.last()?.from.max(1.0) * 10.0;
        if fits(high) {
            return None;
        }
        let mut low = 0.0;
        for _ in 0..50 {
            let middle = f64::midpoint(low, high);
            if fits(middle) { low = middle } else { high = middle }
        }
        Some(high)
    }

    /// The row's range; never less than a row below it gives, so that more load never asks for fewer.
    fn range(&self, index: usize) -> Option<(u32, u32)> {
        let ranges =
            self.table.rows[..=index].iter().filter_map(|row| range(row.size(self.component)?));
        ranges.reduce(|below, row| (below.0.max(row.0), below.1.max(row.1)))
    }

    /// The count at `load` inside the row at `index`.
    fn position(&self, index: usize, load: f64, min: u32, max: u32) -> f64 {
        let row = &self.table.rows[index];
        let (min, max) = (f64::from(min), f64::from(max));
        if let Some(below) = row.below {
            return min + (max - min) * ((load - row.from) / (below - row.from)).clamp(0.0, 1.0);
        }
        let per_replica =
            index.checked_sub(1).and_then(|under| Some(row.from / f64::from(self.range(under)?.1)));
        // a measured capacity speaks for itself in `replicas`; without any, the first row is all there is
        per_replica
            .filter(|_| !self.capacity.is_some_and(|capacity| capacity.saturated))
            .map_or(min, |load_each| (load / load_each).max(min))
    }
}

fn range(size: Size) -> Option<(u32, u32)> {
    match size {
        Size::Replicas { min, max } => Some((min, max)),
        Size::Memory(_) => None,
    }
}

fn memory(size: Size) -> Option<Bytes> {
    match size {
        Size::Memory(bytes) => Some(bytes),
        Size::Replicas { .. } => None,
    }
}

/// Rounded up, with a billionth of slack so that 5.000000001 from arithmetic stays 5.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the range of u32"
)]
fn whole(count: f64) -> u32 {
    (count - 1e-9).ceil().clamp(1.0, f64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::tiers::Tier;

    fn row(name: &str, from: f64, below: Option<f64>, min: u32, max: u32, mebi: u64) -> Tier {
        let sizes = vec![
            ("api".to_owned(), Size::Replicas { min, max }),
            ("redis".to_owned(), Size::Memory(Bytes(mebi << 20))),
        ];
        Tier { name: name.to_owned(), from, below, sizes }
    }

    fn table() -> TierTable {
        TierTable {
            rows: vec![
                row("Low", 0.0, Some(10.0), 2, 2, 256),
                row("Medium", 10.0, Some(50.0), 3, 5, 512),
                row("High", 50.0, Some(200.0), 5, 10, 1024),
                row("Peak", 200.0, None, 10, 20, 2048),
            ],
        }
    }

    fn capacity(per_replica: f64, saturated: bool) -> Capacity {
        Capacity { per_replica, low: per_replica, high: per_replica, steps: 1000, saturated }
    }

    fn asked(load: f64, capacity: Option<&Capacity>) -> Asked {
        Sizing { table: &table(), component: "api", capacity }.replicas(load).unwrap()
    }

    #[test]
    fn a_boundary_belongs_to_the_upper_row() {
        assert_eq!((asked(9.99, None).row_min, asked(10.0, None).row_min), (2, 3));
        assert_eq!((asked(49.99, None).row_max, asked(50.0, None).row_max), (5, 10));
        assert_eq!(asked(200.0, None).row_max, 20);
    }

    #[test]
    fn inside_a_row_the_count_is_interpolated_and_rounded_up() {
        // 58.2 is 8.2 / 150 = 5.5 % into High: 5 + 0.055 * 5 = 5.27, so 6
        let at = asked(58.2, None);
        assert!((at.by_row - 5.273).abs() < 1e-3);
        assert_eq!(at.need, 6);
    }

    #[test]
    fn measured_capacity_wins_where_it_asks_for_more_and_only_then() {
        // 114 rps at 9.5 a pod are 12, the row gives 5 + 64 / 150 * 5 = 7.1
        assert_eq!(asked(114.0, Some(&capacity(9.5, true))).need, 12);
        assert_eq!(asked(114.0, Some(&capacity(95.0, true))).need, 8);
        // a service never seen at its limit tells nothing of what it cannot do
        assert_eq!(asked(114.0, Some(&capacity(9.5, false))).need, 8);
    }

    #[test]
    fn the_open_row_goes_on_at_the_load_per_replica_of_the_row_below() {
        // High ends with 10 pods at 200 rps: 20 a pod, so 300 rps are 15 and 500 rps 25, past the table's 20
        assert_eq!(asked(300.0, None).need, 15);
        assert_eq!((asked(500.0, None).need, asked(500.0, None).capped()), (25, 20));
    }

    #[test]
    fn more_load_never_asks_for_less() {
        let measured = capacity(11.4, true);
        for capacity in [None, Some(&measured)] {
            let needs: Vec<u32> =
                (0..4000).map(|i| asked(f64::from(i) * 0.1, capacity).need).collect();
            assert!(needs.is_sorted());
        }
    }

    #[test]
    fn a_setting_lasts_to_the_load_at_which_more_is_asked() {
        let table = table();
        let sizing = Sizing { table: &table, component: "api", capacity: None };
        let to = sizing.lasts_to(|load| sizing.replicas(load).unwrap().row_min <= 3).unwrap();
        assert!((to - 50.0).abs() < 1e-6, "{to}");
        assert_eq!(sizing.lasts_to(|_| true), None);
        let redis = Sizing { table: &table, component: "redis", capacity: None };
        assert_eq!(redis.memory(58.2), Some(Bytes(1 << 30)));
    }
}
