//! The quantities that Plimsoll reads and writes, as Kubernetes and Prometheus spell them.
//!
//! Inside the program every quantity is a whole number of its smallest unit (bytes, millicores,
//! seconds) or a plain `f64` named for what it is; the spelling (`512Mi`, `600m`, `5m`, `5%`) exists
//! only here, at the door.
//!
//! Sources: Kubernetes `k8s.io/apimachinery/pkg/api/resource` (quantity grammar and canonical form),
//! Prometheus `model.ParseDuration` (units in falling order, each at most once).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text is not the quantity it should be; the message is lower case and names the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct UnitError {
    /// The text as it was written.
    pub text: String,
    /// What was expected, with an example: "a memory quantity such as `512Mi`".
    pub expected: &'static str,
}

impl UnitError {
    fn new(text: &str, expected: &'static str) -> Self {
        Self { text: text.to_owned(), expected }
    }

    /// What to write instead.
    #[must_use]
    pub fn hint(&self) -> String {
        match respelled(&self.text, self.expected) {
            Some(spelling) => format!("write `{spelling}`"),
            None => format!("write {}", self.expected),
        }
    }
}

const A_MEMORY: &str = "a memory quantity such as `512Mi`";
const A_CPU: &str = "a CPU quantity such as `600m`";
const A_SHARE: &str = "a share such as `5%` or `0.05`";
const A_DURATION: &str = "a duration such as `5m`, `36h` or `8w`";
const A_DURATION_ABOVE_ZERO: &str = "a duration above zero, such as `5m`";
const A_LATENCY: &str = "a latency such as `800ms`, `2s` or `1.5s`";

/// The spelling that was probably meant: `512Mi` for `512 MB`, `5m` for `5 min`.
fn respelled(text: &str, expected: &str) -> Option<String> {
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let digits = compact.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
    let (number, unit) = compact.split_at(digits);
    let unit = unit.to_ascii_lowercase();
    let spelling = match expected {
        A_MEMORY => {
            let prefix = unit.strip_suffix("ib").or(unit.strip_suffix('b')).unwrap_or(&unit);
            let prefix = prefix.strip_suffix('i').unwrap_or(prefix);
            format!("{number}{}i", prefix.to_ascii_uppercase())
        }
        A_DURATION => format!("{number}{}", unit.chars().next()?),
        _ => format!("{number}{unit}"),
    };
    let reads = match expected {
        A_MEMORY => spelling.parse::<Bytes>().is_ok(),
        A_CPU => spelling.parse::<Millicores>().is_ok(),
        A_SHARE => spelling.parse::<Ratio>().is_ok(),
        A_LATENCY => spelling.parse::<Latency>().is_ok(),
        _ => spelling.parse::<Period>().is_ok(),
    };
    (reads && spelling != text).then_some(spelling)
}

/// A time that a request takes, in seconds: finite, above zero.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Latency(pub f64);

impl FromStr for Latency {
    type Err = UnitError;

    /// A number with `us`, `ms`, `s` or `m`; unlike a [`Period`] it may have a fraction.
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let scale = match unit {
            "us" => Some(1e-6),
            "ms" => Some(1e-3),
            "s" => Some(1.0),
            "m" => Some(60.0),
            _ => None,
        };
        number
            .parse::<f64>()
            .ok()
            .zip(scale)
            .map(|(number, scale)| number * scale)
            .filter(|seconds| *seconds > 0.0 && seconds.is_finite())
            .map(Self)
            .ok_or_else(|| UnitError::new(text, A_LATENCY))
    }
}

/// An amount of memory or storage, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub u64);

/// An amount of CPU, in thousandths of a core.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millicores(pub u64);

/// A length of time, in whole seconds, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period(pub i64);

/// A share of one: `5%` and `0.05` are the same.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Ratio(pub f64);

/// Binary suffixes, largest first, as Kubernetes prints them.
const BINARY: [(&str, u64); 6] = [
    ("Ei", 1 << 60),
    ("Pi", 1 << 50),
    ("Ti", 1 << 40),
    ("Gi", 1 << 30),
    ("Mi", 1 << 20),
    ("Ki", 1 << 10),
];

/// Decimal suffixes with their power of ten.
const DECIMAL: [(&str, i32); 9] = [
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];

/// Units of a Prometheus duration, in seconds, in the order they must be written.
const DURATION: [(&str, i64); 6] =
    [("y", 31_536_000), ("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

/// A Kubernetes quantity in thousandths (`milli`) or whole units, rounded up as Kubernetes rounds, by its grammar
/// `<digits>(.<digits>)?(<binary>|<decimal>|(e|E)<exponent>)?`; `None` where it does not fit or is past 2^63.
///
/// In whole numbers throughout: an `f64` would lose bytes above 2^53 and make `0.1Gi` a matter of luck.
fn quantity(text: &str, milli: bool) -> Option<u64> {
    let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let (mantissa, fraction) = mantissa(number)?;
    let (binary, power) = scale(suffix)?;
    let power = power.checked_sub(fraction)? + if milli { 3 } else { 0 };
    let scaled = mantissa.checked_mul(u128::from(binary))?;
    let ten = 10u128.checked_pow(power.unsigned_abs());
    let value = match ten {
        Some(ten) if power >= 0 => scaled.checked_mul(ten)?,
        Some(ten) => scaled.div_ceil(ten),
        // past 10^38: nothing stays nothing, and any tiny amount rounds up to one
        None if power < 0 || scaled == 0 => scaled.min(1),
        None => return None,
    };
    u64::try_from(value).ok().filter(|value| i64::try_from(*value).is_ok())
}

/// `1.50` is 15 with one digit after the point; 18 digits at most, which keeps every product within `u128`.
fn mantissa(number: &str) -> Option<(u128, i32)> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let fraction = fraction.trim_end_matches('0');
    let digits = format!("{whole}{fraction}");
    if number.matches('.').count() > 1 || number.trim_matches('.').is_empty() || digits.len() > 19 {
        return None;
    }
    let mantissa = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    Some((mantissa, i32::try_from(fraction.len()).ok()?))
}

/// A suffix as a binary factor and a power of ten. `E` alone is exa, `E3` is an exponent, `Ei` is binary.
fn scale(suffix: &str) -> Option<(u64, i32)> {
    if suffix.is_empty() {
        return Some((1, 0));
    }
    if let Some((_, factor)) = BINARY.iter().find(|(unit, _)| *unit == suffix) {
        return Some((*factor, 0));
    }
    if let Some((_, power)) = DECIMAL.iter().find(|(unit, _)| *unit == suffix) {
        return Some((1, *power));
    }
    let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    (-1000..=1000).contains(&exponent).then_some((1, exponent))
}

impl FromStr for Bytes {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError::new(text, A_MEMORY);
        quantity(text, false).map(Self).ok_or_else(error)
    }
}

impl FromStr for Millicores {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError::new(text, A_CPU);
        quantity(text, true).map(Self).ok_or_else(error)
    }
}

impl FromStr for Ratio {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let value = match text.strip_suffix('%') {
            Some(percent) => percent.trim_end().parse::<f64>().map(|p| p / 100.0),
            None => text.parse(),
        };
        match value {
            Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(Self(ratio)),
            _ => Err(UnitError::new(text, A_SHARE)),
        }
    }
}

impl FromStr for Period {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        match duration(text) {
            Some(seconds @ 1..) => Ok(Self(seconds)),
            Some(_) => Err(UnitError::new(text, A_DURATION_ABOVE_ZERO)),
            None => Err(UnitError::new(text, A_DURATION)),
        }
    }
}

/// Prometheus counts in an int64 of nanoseconds: 292 years.
const DURATION_MAX: i64 = i64::MAX / 1_000_000_000;

/// Seconds of a Prometheus duration; `None` where it does not parse or overflows.
fn duration(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut units = DURATION.iter();
    let mut total = 0i64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at(digits);
        let (unit, seconds) = units.find(|(unit, _)| tail.starts_with(unit))?;
        total = total.checked_add(number.parse::<i64>().ok()?.checked_mul(*seconds)?)?;
        rest = &tail[unit.len()..];
    }
    (!text.is_empty() && total <= DURATION_MAX).then_some(total)
}

impl fmt::Display for Bytes {
    /// The largest binary suffix that divides the value, as Kubernetes prints `BinarySI`; where only bytes would do,
    /// whole millions or more as `DecimalSI`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MILLIONS: [(&str, u64); 3] =
            [("T", 1_000_000_000_000), ("G", 1_000_000_000), ("M", 1_000_000)];
        let fits = |(_, scale): &&(&str, u64)| self.0 >= *scale && self.0.is_multiple_of(*scale);
        let binary = BINARY.iter().find(|one| one.1 > 1 << 10 && fits(one));
        match binary.or_else(|| MILLIONS.iter().find(fits)).or_else(|| BINARY.iter().find(fits)) {
            Some((unit, scale)) => write!(f, "{}{unit}", self.0 / scale),
            None => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Display for Millicores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(1000) {
            write!(f, "{}", self.0 / 1000)
        } else {
            write!(f, "{}m", self.0)
        }
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", (self.0 * 10_000.0).round() / 100.0)
    }
}

impl fmt::Display for Period {
    /// The largest units first: `8w`, `7d`, `1d12h`, `5m`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        // `y` is left out: 52w reads better than a year of 365 days that no calendar has.
        for (unit, seconds) in &DURATION[1..] {
            // Weeks are written where they are whole and several: ten days are `10d`, and seven `7d`.
            let weeks = *unit == "w" && (rest % seconds != 0 || rest == *seconds);
            let count = if weeks { 0 } else { rest / seconds };
            if count > 0 {
                write!(f, "{count}{unit}")?;
            }
            rest -= count * seconds;
        }
        Ok(())
    }
}

impl Bytes {
    /// Mebibytes for prose and axes: 512Mi is 512.0.
    #[expect(clippy::cast_precision_loss, reason = "a readable figure, not an exact one")]
    #[must_use]
    pub fn mebibytes(self) -> f64 {
        self.0 as f64 / 1_048_576.0
    }

    /// The smallest multiple of `step` that is not below `bytes`; negative and NaN become zero.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to the range of u64"
    )]
    #[must_use]
    pub fn at_least(bytes: f64, step: Self) -> Self {
        let bytes = if bytes > 0.0 { bytes.min(9e18) } else { 0.0 };
        let whole = bytes.ceil() as u64;
        Self(whole.div_ceil(step.0).saturating_mul(step.0))
    }
}

impl Bytes {
    /// What a metric says of a setting in force, at least a byte: the whole mebibytes that were meant where a writer of
    /// six digits (`%g`, as in a CSV of 5.36871e+08 for 512Mi) rounded them, else what it says.
    #[must_use]
    pub fn of(bytes: f64) -> Self {
        /// Half of the last of six digits, as a share of the smallest number that has them.
        const ROUNDED: f64 = 5e-6;
        let mebi = Self(1 << 20);
        let near = Self::at_least(bytes - 0.5 * 1_048_576.0, mebi);
        #[expect(clippy::cast_precision_loss, reason = "memory and volumes lie far below 2^53")]
        let off = (near.0 as f64 - bytes).abs();
        if near.0 > 0 && off <= (ROUNDED * bytes).min(65_536.0) {
            near
        } else {
            Self::at_least(bytes, Self(1))
        }
    }
}

/// A count and its noun: `1 pod`, `4 pods`.
#[must_use]
pub fn counted(count: impl TryInto<u64>, noun: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// `1 pod sustains`, `4 pods sustain`.
#[must_use]
pub fn sustaining(pods: u32) -> String {
    format!("{} sustain{}", counted(pods, "pod"), if pods == 1 { "s" } else { "" })
}

impl Millicores {
    /// What a metric in cores says of a setting in force: the nearest whole number, at least 1.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to the range of u32"
    )]
    #[must_use]
    pub fn of(cores: f64) -> Self {
        Self(u64::from((cores * 1000.0).round().clamp(1.0, f64::from(u32::MAX)) as u32))
    }
}

impl Period {
    /// One hour, the grain of forecasts.
    pub const HOUR: Self = Self(3_600);
    /// One day.
    pub const DAY: Self = Self(86_400);
    /// Seven days.
    pub const WEEK: Self = Self(604_800);

    /// How many whole `step`s fit.
    #[expect(
        clippy::cast_sign_loss,
        clippy::cast_possible_truncation,
        reason = "periods are positive"
    )]
    #[must_use]
    pub fn steps(self, step: Self) -> usize {
        (self.0 / step.0).max(0) as usize
    }
}

/// Serde by the same spelling as `FromStr` and `Display`, so that a quantity reads as it is written.
macro_rules! serde_as_text {
    ($($unit:ty),*) => {$(
        impl Serialize for $unit {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $unit {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
serde_as_text!(Bytes, Millicores, Period, Ratio);

/// Whether a character is acted upon instead of shown: escape sequences, line breaks, marks that turn the reading
/// direction. In a name it could rewrite the line that it stands in.
#[must_use]
pub fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn memory_is_read_as_kubernetes_reads_it() {
        let read = |text: &str| text.parse::<Bytes>().map(|b| b.0).ok();
        assert_eq!(read("512Mi"), Some(512 << 20));
        assert_eq!(read("512M"), Some(512_000_000));
        assert_eq!(read("0.5Gi"), Some(1 << 29));
        assert_eq!(read("1e3"), Some(1000));
        assert_eq!(read("262144k"), Some(262_144_000));
        for bad in ["", "Mi", "512MB", "512 Mi", "-1Mi", "1e99", "NaN", "inf", "1.2.3"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn memory_is_written_with_the_largest_binary_suffix_that_divides_it() {
        assert_eq!(Bytes(1 << 30).to_string(), "1Gi");
        assert_eq!(Bytes(1536 << 20).to_string(), "1536Mi");
        assert_eq!(Bytes(1000).to_string(), "1000");
    }

    #[test]
    fn cpu_is_whole_millicores_rounded_up() {
        let read = |text: &str| text.parse::<Millicores>().map(|c| c.to_string()).ok();
        assert_eq!(read("600m").as_deref(), Some("600m"));
        assert_eq!(read("1.5").as_deref(), Some("1500m"));
        assert_eq!(read("2").as_deref(), Some("2"));
        // 100 microcores are a tenth of a millicore: up, never to zero
        assert_eq!(read("100u").as_deref(), Some("1m"));
    }

    #[test]
    fn durations_are_those_of_prometheus() {
        let read = |text: &str| text.parse::<Period>().map(|p| p.0).ok();
        assert_eq!(read("5m"), Some(300));
        assert_eq!(read("36h"), Some(129_600));
        assert_eq!(read("1d12h"), Some(129_600));
        assert_eq!(read("8w"), Some(4_838_400));
        for bad in ["", "5", "m", "1h1d", "0s", "-5m", "1.5h", "5 m", "99999999999y"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn durations_round_trip() {
        for text in ["5m", "8w", "10d", "1d12h", "1h", "30s"] {
            assert_eq!(text.parse::<Period>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn quantities_are_exact_where_floats_are_not() {
        let read = |text: &str| text.parse::<Bytes>().map(|b| b.0).ok();
        // 2^53 + 1, the first whole number that an f64 cannot hold
        assert_eq!(read("9007199254740993"), Some(9_007_199_254_740_993));
        // 0.1 GiB is 107374182.4 bytes
        assert_eq!(read("0.1Gi"), Some(107_374_183));
        assert_eq!(read("1E"), Some(1_000_000_000_000_000_000));
        assert_eq!(read("1E3"), Some(1000));
        assert_eq!(read("1Ei"), Some(1 << 60));
        assert_eq!(read("8Ei"), None);
        assert_eq!(read("9223372036854775807"), Some(i64::MAX.unsigned_abs()));
        assert_eq!(read("9223372036854775808"), None);
        assert_eq!(read("1e-3"), Some(1));
        assert_eq!(read("0e9"), Some(0));
        assert_eq!(read(".5Gi"), Some(1 << 29));
        for bad in [".", "1e", "1e1.5", "+1", "1mi", "1K", "0x10", "1_000", "１"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_latency_may_have_a_fraction_and_needs_a_unit() {
        let read = |text: &str| text.parse::<Latency>().map(|l| l.0).ok();
        assert_eq!(read("1.5s"), Some(1.5));
        assert_eq!(read("250ms"), Some(0.25));
        for bad in ["2", "0s", "-1s", "NaNs", "infs", "1h", "s", "1e400s"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_near_miss_is_told_its_spelling() {
        let hint = |error: UnitError| error.hint();
        assert_eq!("512 MB".parse::<Bytes>().map_err(hint), Err("write `512Mi`".to_owned()));
        assert_eq!("1gib".parse::<Bytes>().map_err(hint), Err("write `1Gi`".to_owned()));
        assert_eq!("36 hours".parse::<Period>().map_err(hint), Err("write `36h`".to_owned()));
        assert_eq!("5 %".parse::<Ratio>().map_err(hint), Ok(Ratio(0.05)));
        assert_eq!(
            "no".parse::<Bytes>().map_err(hint),
            Err("write a memory quantity such as `512Mi`".to_owned())
        );
    }

    proptest::proptest! {
        #[test]
        fn every_amount_reads_back_as_it_was_written(bytes in 0..=i64::MAX.unsigned_abs(), cpu in 0..=1u64 << 50, seconds in 1..=DURATION_MAX, points in 0..=10_000u32) {
            proptest::prop_assert_eq!(Bytes(bytes).to_string().parse(), Ok(Bytes(bytes)));
            proptest::prop_assert_eq!(Millicores(cpu).to_string().parse(), Ok(Millicores(cpu)));
            proptest::prop_assert_eq!(Period(seconds).to_string().parse(), Ok(Period(seconds)));
            // shares are written to a hundredth of a percent
            let share = Ratio(f64::from(points) / 10_000.0);
            let back: Ratio = share.to_string().parse().unwrap();
            proptest::prop_assert!((back.0 - share.0).abs() < 1e-12);
        }

        #[test]
        fn no_text_makes_a_quantity_panic(text in "[0-9.eEkKMGTPiumnhdwys% +-]{0,40}|\\PC{0,12}") {
            for result in [
                text.parse::<Bytes>().err(),
                text.parse::<Millicores>().err(),
                text.parse::<Period>().err(),
                text.parse::<Ratio>().err(),
                text.parse::<Latency>().err(),
            ] {
                proptest::prop_assert!(result.is_none_or(|error| !error.hint().is_empty()));
            }
        }
    }

    #[test]
    fn a_metric_of_six_digits_says_the_mebibytes_that_were_meant_and_an_odd_size_stays_odd() {
        for (metric, written) in [
            (536_871_000.0, "512Mi"),
            (536_870_912.0, "512Mi"),
            (1.073_74e9, "1Gi"),
            (268_435_000.0, "256Mi"),
            // set in millions, and read exactly
            (512_000_000.0, "512M"),
            (1_500_000_000.0, "1500M"),
            // one mebibyte off is another size
            (535_822_336.0, "511Mi"),
            (1_000.0, "1000"),
            (0.0, "0"),
        ] {
            assert_eq!(Bytes::of(metric).to_string(), written, "{metric}");
        }
    }

    #[test]
    fn one_is_not_several() {
        assert_eq!(
            (counted(1_u32, "pod"), counted(0_u32, "pod")),
            ("1 pod".into(), "0 pods".into())
        );
        assert_eq!(sustaining(1), "1 pod sustains");
        assert_eq!(sustaining(2), "2 pods sustain");
    }

    #[test]
    fn shares_are_percent_or_plain_and_stay_within_one() {
        assert_eq!("5%".parse::<Ratio>().unwrap(), Ratio(0.05));
        assert_eq!("0.05".parse::<Ratio>().unwrap(), Ratio(0.05));
        assert!("120%".parse::<Ratio>().is_err());
        assert!("NaN".parse::<Ratio>().is_err());
    }
}
