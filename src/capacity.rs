//! What one replica sustains inside the objectives, and whether the table is still true.

/// Load that one replica of a component sustains inside the objectives, as it was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Capacity {
    /// The estimate, in rps per replica.
    pub per_replica: f64,
    /// Its 95 % interval, in rps per replica.
    pub low: f64,
    /// Its 95 % interval, in rps per replica.
    pub high: f64,
    /// How many steps it rests on.
    pub steps: usize,
    /// Whether the objectives were ever reached; if not, the true capacity may be higher.
    pub saturated: bool,
}

/// One row of the table against the measurement, for one component.
#[derive(Debug, Clone, PartialEq)]
pub struct RowVerdict {
    /// The row's name.
    pub tier: String,
    /// The most replicas it gives.
    pub replicas: u32,
    /// The load at its top, in rps; `None` for the open last row.
    pub promised: Option<f64>,
    /// What its replicas sustain by the measurement, in rps.
    pub sustained: f64,
}
