//! The scaling table of a runbook: Markdown in, rows with their lines out.
//!
//! A scaling table is known by its content, not by its title or language: a column whose cells hold
//! load ranges (`Low (< 10 rps)`), and beside it columns of replica counts or memory. All other tables
//! and text are passed over. What was left out of the table itself is said, never dropped in silence.

mod column;
pub mod threshold;

use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use self::column::{column, size_text, speaks_of_sizes};
use self::threshold::{OtherUnit, Threshold, threshold, unit_in};
use super::check::{Cell, DraftRow};
use crate::units::acts;

/// The scaling table of a runbook.
#[derive(Debug, Clone, PartialEq)]
pub struct RunbookTable {
    /// The line of its header, from 1.
    pub line: usize,
    /// Its columns of sizes.
    pub columns: Vec<Column>,
    /// Its rows, from the least load to the most as they stand.
    pub rows: Vec<DraftRow>,
    /// Columns and rows of it that were left out, as text with the line.
    pub left_out: Vec<(String, usize)>,
}

/// A column of sizes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its header as it stands.
    pub header: String,
    /// The component it sizes: from the header, else `column-N`.
    pub component: String,
    /// Whether the header named the component.
    pub named: bool,
    /// Whether it holds memory rather than replicas.
    pub memory: bool,
}

/// Why no one table could be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MarkdownFault {
    /// No table has load ranges and sizes.
    #[error("no scaling table found: {tables} {} looked at", if *tables == 1 { "table" } else { "tables" })]
    NotFound {
        /// How many tables there are at all.
        tables: usize,
    },
    /// Several have.
    #[error("{} scaling tables found, on lines {}", lines.len(), listed(lines))]
    Several {
        /// The lines of their headers.
        lines: Vec<usize>,
    },
    /// There are fewer than asked for.
    #[error("no scaling table number {asked}: there are {}, on lines {}", lines.len(), listed(lines))]
    NoSuch {
        /// The number asked for, from 1.
        asked: usize,
        /// The lines of the headers.
        lines: Vec<usize>,
    },
    /// A row has sizes and no load range that can be read.
    #[error("row `{row}`: no load range can be read in it")]
    NoRange {
        /// The row's first cell.
        row: String,
        /// The line.
        line: usize,
    },
    /// A load range is of something else.
    #[error("row `{row}`: its range is in `{unit}`, not in requests per second")]
    Unit {
        /// The row's first cell.
        row: String,
        /// The unit.
        unit: String,
        /// The line.
        line: usize,
    },
}

fn listed(lines: &[usize]) -> String {
    let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
    lines.join(", ")
}

impl MarkdownFault {
    /// What to change; `table` is how the place that asks spells the choice of a table.
    #[must_use]
    pub fn hint(&self, table: &str) -> String {
        match self {
            Self::NotFound { .. } => "a scaling table has load ranges such as `Low (< 10 rps)` in its first column, and columns headed `… Pods`, `… Replicas` or `… Memory`".to_owned(),
            Self::Several { .. } | Self::NoSuch { .. } => format!("choose one with `{table}`, counted from 1"),
            Self::NoRange { .. } => "write `< 10 rps`, `10-50 rps` or `> 50 rps`, with a point for decimals (`10.5`), or take the row out of the table".to_owned(),
            Self::Unit { .. } => "write the range in `rps`, `req/s`, `rpm` or `req/min`".to_owned(),
        }
    }

    /// The line it is about, where it is one.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::Unit { line, .. } | Self::NoRange { line, .. } => Some(*line),
            Self::Several { lines } | Self::NoSuch { lines, .. } => lines.first().copied(),
            Self::NotFound { .. } => None,
        }
    }
}

/// Reads the scaling table of a runbook: the only one, or the one numbered `pick` from 1.
///
/// # Errors
///
/// Where there is none, where there are several and `pick` does not choose, or where its ranges are not of requests.
pub fn read(text: &str, pick: Option<usize>) -> Result<RunbookTable, MarkdownFault> {
    let tables = tables(text);
    let scaling: Vec<&Table> = tables.iter().filter(|table| table.is_scaling()).collect();
    let lines = || scaling.iter().map(|table| table.line).collect();
    let chosen = match (pick, scaling.as_slice()) {
        (_, []) => {
            return Err(MarkdownFault::NotFound { tables: tables.len() });
        }
        (None, [only]) => only,
        (None, _) => return Err(MarkdownFault::Several { lines: lines() }),
        (Some(asked), _) => asked
            .checked_sub(1)
            .and_then(|index| scaling.get(index))
            .ok_or_else(|| MarkdownFault::NoSuch { asked, lines: lines() })?,
    };
    chosen.read()
}

/// The load range of a row: found, absent, or of something else.
type RowRange = Result<Option<Threshold>, OtherUnit>;

/// Any table, as plain text with lines.
#[derive(Debug, Default)]
struct Table {
    line: usize,
    header: Vec<String>,
    rows: Vec<(usize, Vec<String>)>,
}

/// Every table of a Markdown text, by CommonMark and GitHub's tables.
fn tables(text: &str) -> Vec<Table> {
    let line_of = |range: &Range<usize>| text[..range.start].matches('\n').count() + 1;
    let mut tables: Vec<Table> = Vec::new();
    let mut inside = false;
    let mut row = (0, Vec::new());
    for (event, range) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
        match event {
            Event::Start(Tag::Table(_)) => {
                inside = true;
                tables.push(Table { line: line_of(&range), ..Table::default() });
            }
            Event::End(TagEnd::Table) => inside = false,
            Event::Start(Tag::TableHead | Tag::TableRow) => row = (line_of(&range), Vec::new()),
            Event::End(TagEnd::TableHead) => {
                tables
                    .iter_mut()
                    .last()
                    .into_iter()
                    .for_each(|table| table.header = std::mem::take(&mut row.1));
            }
            Event::End(TagEnd::TableRow) => {
                tables
                    .iter_mut()
                    .last()
                    .into_iter()
                    .for_each(|table| table.rows.push(std::mem::take(&mut row)));
            }
            Event::Start(Tag::TableCell) => row.1.push(String::new()),
            Event::Text(piece) | Event::Code(piece) if inside => {
                row.1.iter_mut().last().into_iter().for_each(|cell| cell.push_str(&piece));
            }
            Event::InlineHtml(_) | Event::SoftBreak | Event::HardBreak if inside => {
                row.1.iter_mut().last().into_iter().for_each(|cell| cell.push(' '));
            }
            _ => {}
        }
    }
    tables
}

impl Table {
    /// Whether it has load ranges and sizes.
    fn is_scaling(&self) -> bool {
        let Some((column, ranges)) = self.ranges() else {
            return false;
        };
        // ranges of something else are worth a complaint only where the header speaks of sizes
        let of_load = ranges.iter().any(|range| matches!(range, Ok(Some(_))));
        let headed = self.header.iter().any(|header| speaks_of_sizes(header));
        (of_load || headed) && !self.sizes(column).is_empty()
    }

    /// The column of load ranges, the first or the second, and the range of each row.
    fn ranges(&self) -> Option<(usize, Vec<RowRange>)> {
        (0..2).find_map(|column| {
            let ranges: Vec<_> = self
                .rows
                .iter()
                .map(|(_, cells)| threshold(cells.get(column).map_or("", |cell| cell)))
                .collect();
            let found = ranges.iter().filter(|range| !matches!(range, Ok(None))).count();
            // one range alone is a remark, unless it is the whole table
            (found >= 2 || found == self.rows.len() && found > 0).then_some((column, ranges))
        })
    }

    /// The columns of sizes, with their position.
    fn sizes(&self, ranges: usize) -> Vec<(usize, Column)> {
        let mut columns = Vec::new();
        for (position, header) in self.header.iter().enumerate().skip(ranges + 1) {
            let cells: Vec<String> = self
                .rows
                .iter()
                .filter_map(|(_, cells)| cells.get(position))
                .map(|cell| size_text(cell))
                .filter(|cell| !cell.is_empty())
                .collect();
            columns.extend(column(header, position, &cells).map(|column| (position, column)));
        }
        columns
    }

    /// Whether the header of the ranges names a unit other than rps, and the row names none.
    fn in_another_unit(&self, ranges: usize, cells: &[String]) -> bool {
        let named = |cells: &[String]| unit_in(cells.get(ranges).map_or("", |cell| cell));
        named(&self.header).is_some_and(|divisor| divisor > 1.0) && named(cells).is_none()
    }

    fn read(&self) -> Result<RunbookTable, MarkdownFault> {
        let Some((range_column, ranges)) = self.ranges() else {
            return Err(MarkdownFault::NotFound { tables: 1 });
        };
        let columns = self.sizes(range_column);
        let mut left_out = self.passed_over(range_column, &columns);
        let mut rows = Vec::new();
        for ((line, cells), range) in self.rows.iter().zip(ranges) {
            let name = cells.first().map_or("", |cell| cell);
            match range {
                Err(OtherUnit(unit)) => {
                    let row = name.to_owned();
                    return Err(MarkdownFault::Unit { row, unit, line: *line });
                }
                // a row left out would hand its load to its neighbours
                Ok(None) if sized(cells, &columns) => {
                    return Err(MarkdownFault::NoRange { row: name.to_owned(), line: *line });
                }
                Ok(None) => left_out.push((format!("row `{name}`: it sizes nothing"), *line)),
                // a bare number under a header of another unit would be read as rps
                Ok(Some(_)) if self.in_another_unit(range_column, cells) => {
                    let (row, unit) = (name.to_owned(), self.header[range_column].clone());
                    return Err(MarkdownFault::Unit { row, unit, line: *line });
                }
                Ok(Some(range)) => rows.push(draft(*line, cells, range, range_column, &columns)),
            }
        }
        meet_at_whole_numbers(&mut rows);
        Ok(RunbookTable {
            line: self.line,
            columns: columns.into_iter().map(|(_, column)| column).collect(),
            rows,
            left_out,
        })
    }

    fn passed_over(&self, ranges: usize, columns: &[(usize, Column)]) -> Vec<(String, usize)> {
        let sized = |position: &usize| columns.iter().any(|(other, _)| other == position);
        let others = self.header.iter().enumerate().skip(ranges + 1);
        others
            .filter(|(position, _)| !sized(position))
            .map(|(_, header)| {
                (format!("column `{header}`: it holds no replicas and no memory"), self.line)
            })
            .collect()
    }
}

/// Whether a row has a size in any of the columns.
fn sized(cells: &[String], columns: &[(usize, Column)]) -> bool {
    columns.iter().any(|(at, _)| cells.get(*at).is_some_and(|cell| !size_text(cell).is_empty()))
}

/// Rows in whole numbers whose upper end is meant to be included, `1-9` and then `10-49`: each ends where the next
/// begins. Only where every gap in the table is exactly one; any other is a hole, and is complained of.
fn meet_at_whole_numbers(rows: &mut [DraftRow]) {
    let gap = |pair: &[DraftRow]| Some(pair[1].from? - pair[0].below?);
    let gaps: Vec<f64> = rows.windows(2).filter_map(gap).filter(|gap| *gap != 0.0).collect();
    let whole =
        rows.iter().flat_map(|row| [row.from, row.below]).flatten().all(|n| n.fract() == 0.0);
    if gaps.is_empty() || !whole || gaps.iter().any(|gap| (gap - 1.0).abs() > f64::EPSILON) {
        return;
    }
    for at in 1..rows.len() {
        rows[at - 1].below = rows[at].from.or(rows[at - 1].below);
    }
    // `1-9`: what is below one request a second belongs to it as well
    if let Some(first) = rows.first_mut() {
        first.from = first.from.filter(|from| *from > 1.0);
    }
}

fn draft(
    line: usize,
    cells: &[String],
    range: Threshold,
    range_column: usize,
    columns: &[(usize, Column)],
) -> DraftRow {
    let first = cells.first().map_or("", |cell| cell);
    let name = if range_column == 0 { row_name(first) } else { tidy(first) };
    DraftRow {
        name: if name.is_empty() { range_name(range) } else { name },
        line,
        from: range.from,
        below: range.below,
        cells: columns
            .iter()
            .map(|(position, column)| Cell {
                component: column.component.clone(),
                memory: column.memory,
                text: cells.get(*position).map(|cell| size_text(cell)).unwrap_or_default(),
                line,
            })
            .collect(),
    }
}

/// `Low` of `Low (< 10 rps)`, `Low: < 10 rps` and `Low < 10 rps`; empty for `< 10 rps`.
fn row_name(cell: &str) -> String {
    let end = cell.find(['(', '（', ':', '：', '<', '>', '≤', '≥', '＜', '＞']);
    let name = tidy(&cell[..end.unwrap_or(cell.len())]);
    let only_a_range = matches!(threshold(&name), Ok(Some(_)));
    if only_a_range || name.starts_with(|c: char| c.is_numeric()) { String::new() } else { name }
}

/// A name without the characters that tables, Markdown and HTML use themselves.
fn tidy(name: &str) -> String {
    let kept = |c: &char| !acts(*c) && !"|`<>\\{}*".contains(*c);
    let name: String = name.chars().filter(kept).take(80).collect();
    name.trim_matches(|c: char| c.is_whitespace() || "-–—:".contains(c)).to_owned()
}

fn range_name(range: Threshold) -> String {
    match (range.from, range.below) {
        (Some(from), Some(below)) => format!("{from}-{below} rps"),
        (Some(from), None) => format!("{from} rps and more"),
        (None, Some(below)) => format!("under {below} rps"),
        (None, None) => "any".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::tiers::check;

    const JARVIS: &str = include_str!("../../data/operations.md");

    fn sizes(table: &RunbookTable) -> Vec<String> {
        let row = |row: &DraftRow| {
            let cells: Vec<&str> = row.cells.iter().map(|cell| cell.text.as_str()).collect();
            format!("{} {:?} {:?} {}", row.name, row.from, row.below, cells.join(" "))
        };
        table.rows.iter().map(row).collect()
    }

    #[test]
    fn the_japanese_runbook_is_read_as_it_stands() {
        let table = read(JARVIS, None).unwrap();
        assert_eq!(table.line, 192);
        assert_eq!(table.rows[0].line, 194);
        let columns: Vec<(&str, bool)> =
            table.columns.iter().map(|c| (c.component.as_str(), c.memory)).collect();
        assert_eq!(columns, [("api", false), ("worker", false), ("redis", true)]);
        assert_eq!(
            sizes(&table),
            [
                "Low None Some(10.0) 2 1 256Mi",
                "Medium Some(10.0) Some(50.0) 3-5 2-3 512Mi",
                "High Some(50.0) Some(200.0) 5-10 3-5 1Gi",
                "Peak Some(200.0) None 10-20 5-10 2Gi",
            ]
        );
        assert!(table.left_out.is_empty());
    }

    #[test]
    fn full_width_and_marked_up_cells_are_read() {
        let text = "
> | 負荷 | APIレプリカ数 | Redisメモリ | 備考 |
> |---|---|---|---|
> | **低**（１０ rps 未満） | ２ 台 | `256 Mi` | 夜間 |
> | 中（１０～５０ rps） | ３〜５ 台 | 512&nbsp;Mi | 平日 |
> | 高（50 rps 以上） | 5 to 10 | 1Gi | |
";
        let table = read(text, None).unwrap();
        let columns: Vec<(&str, bool)> =
            table.columns.iter().map(|c| (c.component.as_str(), c.memory)).collect();
        assert_eq!(columns, [("api", false), ("redis", true)]);
        assert_eq!(
            sizes(&table),
            [
                "低 None Some(10.0) 2 256Mi",
                "中 Some(10.0) Some(50.0) 3-5 512Mi",
                "高 Some(50.0) None 5-10 1Gi",
            ]
        );
        assert_eq!(table.left_out.len(), 1);
    }

    #[test]
    fn the_range_may_stand_in_a_column_of_its_own() {
        let text = "| Level | Load | web instances |\n|-|-|-|\n| Calm | < 600 rpm | 2 |\n| Busy | 600 rpm+ | 4 pods |\n";
        let table = read(text, None).unwrap();
        assert_eq!(sizes(&table), ["Calm None Some(10.0) 2", "Busy Some(10.0) None 4"]);
        assert_eq!(table.columns[0].component, "web");
    }

    #[test]
    fn tables_in_code_and_tables_of_other_things_are_passed_over() {
        let table = "| Load | API Pods |\n|-|-|\n| Low (< 10 rps) | 2 |\n| High (> 10 rps) | 4 |\n";
        let text = format!(
            "```\n{table}```\n\n<!--\n{table}-->\n\n| Severity | Wait |\n|-|-|\n| 1 (< 5 s) | 5 |\n\n{table}"
        );
        assert_eq!(read(&text, None).unwrap().line, 19);
    }

    #[test]
    fn a_row_with_sizes_whose_range_cannot_be_read_is_an_error_with_its_line() {
        for cell in ["as agreed", "Low (< 10,5 rps)"] {
            let text = format!(
                "| Load | API Pods |\n|-|-|\n| Low (< 10 rps) | 2 |\n| {cell} | 3 |\n| High (> 10 rps) | 4 |\n"
            );
            let fault = MarkdownFault::NoRange { row: cell.to_owned(), line: 4 };
            assert_eq!(read(&text, None), Err(fault));
        }
    }

    #[test]
    fn a_row_that_sizes_nothing_is_left_out_and_named() {
        let text = "| Load | API Pods |\n|-|-|\n| Low (< 10 rps) | 2 |\n| see below | |\n| High (> 10 rps) | 4 |\n";
        let table = read(text, None).unwrap();
        assert_eq!(table.rows.len(), 2);
        assert_eq!(table.left_out, [("row `see below`: it sizes nothing".to_owned(), 4)]);
    }

    fn boundaries(ranges: [&str; 3]) -> Option<Vec<Option<f64>>> {
        let rows = ranges.map(|range| format!("| {range} rps | 2 |\n")).concat();
        let table = read(&format!("| Load | API Pods |\n|-|-|\n{rows}"), None).unwrap();
        let built = check::build(&table.rows).0?;
        Some(built.rows.iter().map(|row| row.below).collect())
    }

    #[test]
    fn whole_numbers_that_include_their_end_meet_where_the_next_row_begins() {
        let met = Some(vec![Some(10.0), Some(50.0), None]);
        assert_eq!(boundaries(["1-9", "10-49", "50+"]), met);
        assert_eq!(boundaries(["0-9", "10-49", ">= 50"]), met);
        assert_eq!(boundaries(["< 10", "10-49", "50+"]), met);
        // a gap of two, a gap of one that is not between whole numbers, a first row that begins at 2
        assert_eq!(boundaries(["1-9", "10-48", "50+"]), None);
        assert_eq!(boundaries(["0-9.5", "10.5-49.5", "50.5+"]), None);
        assert_eq!(boundaries(["2-9", "10-49", "50+"]), None);
    }

    #[test]
    fn ranges_of_something_else_are_refused_with_their_unit() {
        let text =
            "| Load | API Pods |\n|-|-|\n| Low (< 10 users) | 2 |\n| High (> 10 users) | 4 |\n";
        let header = "Load (requests per minute)";
        let bare = format!("| {header} | API Pods |\n|-|-|\n| < 600 | 2 |\n| > 600 | 4 |\n");
        let unit = header.to_owned();
        let fault = MarkdownFault::Unit { row: "< 600".to_owned(), unit, line: 3 };
        assert_eq!(read(&bare, None), Err(fault));
        let said = read(&bare.replace("600", "600 rpm"), None).unwrap();
        assert_eq!(
            said.rows[0].below,
            read(&bare.replace(header, "Load").replace("600", "10"), None).unwrap().rows[0].below
        );
        assert_eq!(
            read(text, None),
            Err(MarkdownFault::Unit {
                row: "Low (< 10 users)".to_owned(),
                unit: "users".to_owned(),
                line: 3
            })
        );
    }

    #[test]
    fn one_of_several_tables_is_chosen_by_number() {
        let table =
            "| Load | API Pods |\n|-|-|\n| Low (< 10 rps) | 2 |\n| High (> 10 rps) | 4 |\n\n";
        let text = table.repeat(2);
        assert_eq!(read(&text, None), Err(MarkdownFault::Several { lines: vec![1, 6] }));
        assert_eq!(read(&text, Some(2)).unwrap().line, 6);
        assert!(matches!(read(&text, Some(3)), Err(MarkdownFault::NoSuch { asked: 3, .. })));
        assert!(matches!(read(&text, Some(0)), Err(MarkdownFault::NoSuch { asked: 0, .. })));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(cells in proptest::collection::vec("[-|<>(){}0-9a-zk~〜～未満以上から台Mi.,%/ \\\\`*０-９]{0,24}", 4..12)) {
            let rows: Vec<String> = cells.iter().map(|cell| format!("| {cell} (< 5 rps) | {cell} |\n")).collect();
            let rows = rows.concat();
            let text = format!("| a {} | b Pods {} |\n|-|-|\n{rows}", cells[0], cells[1]);
            if let Ok(table) = read(&text, None) {
                let _ = check::build(&table.rows);
            }
            let _ = threshold(&cells.concat());
        }
    }
}
