//! A working day of load that is made up: what the loop is led through in simulated time.

/// The load, in rps, at a Unix second: a morning, a dip at noon, an afternoon.
#[allow(clippy::cast_precision_loss)]
pub fn load(at: i64) -> f64 {
    let points = [
        (0.0, 8.0),
        (8.0, 8.0),
        (10.0, 100.0),
        (12.0, 100.0),
        (12.5, 15.0),
        (15.0, 15.0),
        (15.5, 100.0),
        (18.0, 100.0),
        (20.0, 8.0),
        (24.0, 8.0),
    ];
    let hour = at.rem_euclid(86_400) as f64 / 3_600.0;
    let next = points.iter().position(|(from, _)| *from > hour).unwrap();
    let ((a, low), (b, high)) = (points[next - 1], points[next]);
    // a wobble that is the same every time, so that no two days are alike
    let wobble = (at / 300 * 7_919 % 101) as f64 / 101.0 - 0.5;
    (low + (high - low) * (hour - a) / (b - a)) * (1.0 + 0.06 * wobble)
}
