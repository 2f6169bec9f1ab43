//! From a table as it is written to a [`TierTable`] that holds, with all that is wrong on the way.
//!
//! An *error* leaves no usable table: a range of load with no row or with two, an inverted range, a
//! size that cannot be read or whose unit was hardly meant. A *warning* leaves one that is odd: a row
//! for more load that gives less. Such a table is loaded, for a team may have its reasons, but
//! `plimsoll tiers check` ends with exit 1 on either.

use super::{Size, Tier, TierTable};
use crate::units::Bytes;

/// A cluster holds at most 150,000 pods (Kubernetes, "Considerations for large clusters").
pub const REPLICAS_MAX: u32 = 150_000;

/// Memory below this is a forgotten unit: a container needs more to start at all.
const MEMORY_MIN: Bytes = Bytes(1 << 20);

/// A row as it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct DraftRow {
    /// Its name.
    pub name: String,
    /// The line it stands on, from 1.
    pub line: usize,
    /// The load at which it begins, in rps, where that is written.
    pub from: Option<f64>,
    /// The load at which it ends, in rps, where that is written.
    pub below: Option<f64>,
    /// Its sizes, in the table's column order.
    pub cells: Vec<Cell>,
}

/// One size as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// The component it sizes.
    pub component: String,
    /// Whether it is memory rather than replicas.
    pub memory: bool,
    /// The size: `3`, `3-5`, `512Mi`.
    pub text: String,
    /// The line it stands on, from 1.
    pub line: usize,
}

/// Whether a fault leaves a usable table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The table cannot be used.
    Error,
    /// The table can be used, but is hardly meant so.
    Warning,
}

/// Something that is wrong with a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Whether the table can be used all the same.
    pub level: Level,
    /// The line it stands on, from 1.
    pub line: usize,
    /// What is wrong, lower case, no full stop.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

impl Fault {
    fn error(line: usize, message: String, hint: impl Into<String>) -> Self {
        Self { level: Level::Error, line, message, hint: hint.into() }
    }
}

/// The table that `rows` describe, if they do, and everything that is wrong with them by line.
///
/// Rows stand from the least load to the most; the first begins at 0 and the last is open.
#[must_use]
pub fn build(rows: &[DraftRow]) -> (Option<TierTable>, Vec<Fault>) {
    let mut faults = Vec::new();
    if rows.is_empty() {
        faults.push(Fault::error(
            0,
            "the table has no row".to_owned(),
            "write at least one: `- {name: Any, api: 2-10}`",
        ));
    }
    let ranges = ranges(rows, &mut faults);
    name_faults(rows, &mut faults);
    let tiers: Vec<Tier> = rows
        .iter()
        .zip(ranges)
        .map(|(row, (from, below))| Tier {
            name: row.name.clone(),
            from,
            below,
            sizes: sizes(row, &mut faults),
        })
        .collect();
    column_faults(rows, &mut faults);
    mixed_units(rows, &mut faults);
    less_for_more(rows, &tiers, &mut faults);
    faults.sort_by_key(|fault| (fault.level, fault.line));
    let sound = faults.iter().all(|fault| fault.level == Level::Warning);
    (sound.then_some(TierTable { rows: tiers }), faults)
}

/// The range of each row, with every gap, overlap and inversion noted.
fn ranges(rows: &[DraftRow], faults: &mut Vec<Fault>) -> Vec<(f64, Option<f64>)> {
    let mut reached = 0.0;
    let mut before: Option<&DraftRow> = None;
    let mut ranges = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let next = rows.get(index + 1);
        let below = row.below.or_else(|| next.and_then(|next| next.from));
        let from = row.from.unwrap_or(reached);
        faults.extend(range_fault(row, before, (from, below), reached));
        faults.extend(end_fault(row, (from, below), next.is_none()));
        ranges.push((from, below));
        reached = below.unwrap_or(reached).max(reached);
        before = Some(row);
    }
    ranges
}

/// What is wrong with the range of one row, where the rows before it reach up to `reached` rps.
fn range_fault(
    row: &DraftRow,
    before: Option<&DraftRow>,
    (from, below): (f64, Option<f64>),
    reached: f64,
) -> Option<Fault> {
    let name = &row.name;
    let fault = |message: String, hint: String| Some(Fault::error(row.line, message, hint));
    let sane = |load: f64| load.is_finite() && (0.0..=1e9).contains(&load);
    if !sane(from) || !below.is_none_or(sane) {
        return fault(
            format!("row `{name}`: its boundary is not a load in rps"),
            "write a number from 0 to 1000000000".to_owned(),
        );
    }
    if let Some(below) = below.filter(|below| {
        *below <= reached && before.is_some() && row.from.is_none_or(|from| from < *below)
    }) {
        let before = before.map_or("", |row| &row.name);
        return fault(
            format!("row `{name}` ends at {below} rps, but the rows before it reach {reached} rps"),
            format!("order the rows from the least load to the most: `{name}` before `{before}`"),
        );
    }
    if let Some(below) = below.filter(|below| *below <= from) {
        return fault(
            format!("row `{name}`: its range {from}-{below} rps is inverted or empty"),
            if below < from {
                format!("write `{below}-{from}`")
            } else {
                "let it end above its begin".to_owned()
            },
        );
    }
    if from > reached {
        return fault(
            format!("no row holds from {reached} to {from} rps: there is a gap before `{name}`"),
            format!("let `{name}` begin at {reached}"),
        );
    }
    if from < reached {
        let before = before.map_or("", |row| &row.name);
        return fault(
            format!("rows `{before}` and `{name}` overlap from {from} to {reached} rps"),
            format!("let `{before}` end where `{name}` begins"),
        );
    }
    None
}

/// Every row but the last ends, and the last does not.
fn end_fault(row: &DraftRow, (from, below): (f64, Option<f64>), last: bool) -> Option<Fault> {
    let name = &row.name;
    match (below, last) {
        (None, false) => Some(Fault::error(
            row.line,
            format!("row `{name}` is not the last and does not say where it ends"),
            "add `below:` with the load at which the next row begins",
        )),
        (Some(below), true) => Some(Fault::error(
            row.line,
            format!("no row holds from {below} rps up: the last row `{name}` ends there"),
            format!("leave the last row open: `> {from}`, or no `below:`"),
        )),
        _ => None,
    }
}

fn name_faults(rows: &[DraftRow], faults: &mut Vec<Fault>) {
    for (index, row) in rows.iter().enumerate() {
        if let Some(first) = rows[..index].iter().find(|other| other.name == row.name) {
            faults.push(Fault::error(
                row.line,
                format!("row `{}` stands twice (first on line {})", row.name, first.line),
                "give each row a name of its own",
            ));
        }
    }
}

fn sizes(row: &DraftRow, faults: &mut Vec<Fault>) -> Vec<(String, Size)> {
    let mut sizes = Vec::new();
    for cell in &row.cells {
        let size = if cell.memory { memory(&cell.text) } else { replicas(&cell.text) };
        match size {
            Ok(size) => sizes.push((cell.component.clone(), size)),
            Err((what, hint)) => faults.push(Fault::error(
                cell.line,
                format!("tier `{}`: `{}: {}` {what}", row.name, cell.component, cell.text),
                hint,
            )),
        }
    }
    sizes
}

/// A number of replicas as a cell spells it, else what is wrong and what to write.
fn replicas(text: &str) -> Result<Size, (String, String)> {
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<u32>().ok().filter(|count| digits && *count <= REPLICAS_MAX)
    };
    let (min, max) = text.split_once('-').unwrap_or((text, text));
    match (number(min.trim()), number(max.trim())) {
        (Some(0), _) => Err(("gives no replica".to_owned(), "write at least 1".to_owned())),
        (Some(min), Some(max)) if min <= max => Ok(Size::Replicas { min, max }),
        (Some(min), Some(max)) => Err(("is inverted".to_owned(), format!("write `{max}-{min}`"))),
        _ if text.parse::<Bytes>().is_ok() => Err((
            "is memory, and the component is sized by replicas".to_owned(),
            "write a number such as `3-5`, or set `memory: true` on the component".to_owned(),
        )),
        _ => Err((
            "is not a number of replicas".to_owned(),
            format!("write a whole number or a range such as `3-5`, up to {REPLICAS_MAX}"),
        )),
    }
}

/// An amount of memory as a cell spells it, else what is wrong and what to write.
fn memory(text: &str) -> Result<Size, (String, String)> {
    match text.parse::<Bytes>() {
        Ok(bytes) if bytes >= MEMORY_MIN => Ok(Size::Memory(bytes)),
        Ok(_) => {
            let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
            Err(("is less than 1Mi".to_owned(), format!("write `{digits}Mi`")))
        }
        Err(error) => Err(("is not a memory quantity".to_owned(), error.hint())),
    }
}

/// Every row sizes the same components.
fn column_faults(rows: &[DraftRow], faults: &mut Vec<Fault>) {
    let mut all: Vec<&Cell> = Vec::new();
    for cell in rows.iter().flat_map(|row| &row.cells) {
        if !all.iter().any(|known| known.component == cell.component) {
            all.push(cell);
        }
    }
    if let Some((row, twin)) = rows.iter().find_map(|row| Some((row, twin(row)?))) {
        faults.push(Fault::error(
            row.line,
            format!("`{}` is sized by two columns", twin.component),
            "give each column the name of a component of its own",
        ));
    }
    for row in rows {
        for column in &all {
            let component = &column.component;
            if !row.cells.iter().any(|cell| cell.component == *component) {
                faults.push(Fault::error(
                    row.line,
                    format!("tier `{}` does not size `{component}`", row.name),
                    format!("add its size: `{component}: {}`", column.text),
                ));
            }
        }
    }
}

/// A size whose component an earlier size of the row has already.
fn twin(row: &DraftRow) -> Option<&Cell> {
    let again = |(at, cell): (usize, &Cell)| {
        row.cells[..at].iter().any(|before| before.component == cell.component)
    };
    row.cells.iter().enumerate().find(|(at, cell)| again((*at, cell))).map(|(_, cell)| cell)
}

/// How a memory quantity is spelled.
#[derive(PartialEq, Eq, Clone, Copy)]
enum Base {
    Binary,
    Decimal,
    Plain,
}

fn base(text: &str) -> Base {
    match text.chars().next_back() {
        Some('i') => Base::Binary,
        Some('k' | 'M' | 'G' | 'T' | 'P' | 'E') => Base::Decimal,
        _ => Base::Plain,
    }
}

/// `512M` among `Mi` is hardly meant: 4.6 % less than it looks.
fn mixed_units(rows: &[DraftRow], faults: &mut Vec<Fault>) {
    for row in rows {
        for cell in row.cells.iter().filter(|cell| cell.memory && base(&cell.text) == Base::Decimal)
        {
            let same_column = |other: &&Cell| other.memory && other.component == cell.component;
            let mut others = rows.iter().flat_map(|row| &row.cells).filter(same_column);
            if others.any(|other| base(&other.text) == Base::Binary) {
                faults.push(Fault::error(
                    cell.line,
                    format!(
                        "tier `{}`: `{}: {}` is decimal, the other rows are binary",
                        row.name, cell.component, cell.text
                    ),
                    format!("write `{}i`", cell.text),
                ));
            }
        }
    }
}

/// A row for more load that gives less than the row before it.
fn less_for_more(rows: &[DraftRow], tiers: &[Tier], faults: &mut Vec<Fault>) {
    for (pair, drafts) in tiers.windows(2).zip(rows.windows(2)) {
        for (component, size) in &pair[1].sizes {
            let Some(smaller) = pair[0].size(component) else {
                continue;
            };
            if is_less(*size, smaller) {
                faults.push(Fault {
                    level: Level::Warning,
                    line: drafts[1].line,
                    message: format!(
                        "tier `{}` gives `{component}` {size}, less than `{}` with {smaller}",
                        pair[1].name, pair[0].name
                    ),
                    hint: format!("let `{component}` never shrink as the load grows"),
                });
            }
        }
    }
}

fn is_less(size: Size, than: Size) -> bool {
    match (size, than) {
        (Size::Replicas { min, max }, Size::Replicas { min: least, max: most }) => {
            min < least || max < most
        }
        (Size::Memory(bytes), Size::Memory(least)) => bytes < least,
        _ => false,
    }
}
