//! The `tiers:` part: rows as they stand in the settings, or the runbook that holds them.

use super::error::nearest;
use super::raw::{self, At, Entries, Text, Tiers};
use super::read::{Reader, at};
use crate::tiers::TierTable;
use crate::tiers::check::{self, Cell, DraftRow, Level};

impl Reader<'_> {
    /// The table of a service; `None` where it does not hold.
    pub(super) fn tiers(&mut self, path: &str, service: &raw::Service) -> Option<TierTable> {
        match &service.tiers.value {
            Tiers::Rows(rows) => {
                let before = self.problems.len();
                let drafts: Vec<DraftRow> = rows
                    .iter()
                    .enumerate()
                    .filter_map(|(index, row)| self.row(&format!("{path}[{index}]"), row, service))
                    .collect();
                self.columns_are_components(path, &drafts, service);
                if self.problems.len() > before {
                    return None;
                }
                let (table, faults) = check::build(&drafts);
                for fault in faults {
                    if fault.level == Level::Error {
                        let line = if fault.line == 0 {
                            service.tiers.line
                        } else {
                            fault.line
                        };
                        self.problem(line, fault.message, fault.hint);
                    }
                }
                table
            }
            Tiers::Markdown(_) => None,
        }
    }

    fn row(
        &mut self,
        path: &str,
        raw: &At<Entries<Text>>,
        service: &raw::Service,
    ) -> Option<DraftRow> {
        let get = |key: &str| {
            raw.value
                .0
                .iter()
                .find(|(name, _)| name.value == key)
                .map(|(_, value)| value)
        };
        let Some(name) = get("name") else {
            let message = format!("`{path}` has no `name`");
            self.problem(raw.line, message, "add the row's name: `name: Low`");
            return None;
        };
        let load = (0.0, 1e9);
        let cells = raw.value.0.iter();
        let cells =
            cells.filter(|(key, _)| !["name", "below", "from"].contains(&key.value.as_str()));
        Some(DraftRow {
            name: self.title(&at(path, "name"), name)?,
            line: raw.line,
            from: self.number(&at(path, "from"), get("from"), load),
            below: self.number(&at(path, "below"), get("below"), load),
            cells: cells
                .map(|(key, value)| Cell {
                    component: key.value.clone(),
                    memory: is_memory(service, &key.value),
                    text: value.value.clone(),
                    line: value.line,
                })
                .collect(),
        })
    }

    /// Every column is a component, and every component a column.
    fn columns_are_components(&mut self, path: &str, rows: &[DraftRow], service: &raw::Service) {
        let components = &service.components.value.0;
        let known = || components.iter().map(|(name, _)| name.value.as_str());
        let mut columns: Vec<&Cell> = Vec::new();
        for cell in rows.iter().flat_map(|row| &row.cells) {
            if !columns
                .iter()
                .any(|column| column.component == cell.component)
            {
                columns.push(cell);
            }
        }
        for column in &columns {
            let name = &column.component;
            if !known().any(|component| component == name) {
                let hint = match nearest(name, known().chain(["name", "below", "from"])) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => {
                        format!("add it to `components`: `{name}: {{target: Deployment/{name}}}`")
                    }
                };
                let message = format!("`{path}`: `{name}` is not one of `components`");
                self.problem(column.line, message, hint);
            }
        }
        for (name, _) in components {
            if !rows.is_empty() && !columns.iter().any(|column| column.component == name.value) {
                let message = format!(
                    "`components.{}` is not sized by any row of `tiers`",
                    name.value
                );
                let hint = format!("add `{}:` to each row, or remove the component", name.value);
                self.problem(name.line, message, hint);
            }
        }
    }
}

fn is_memory(service: &raw::Service, component: &str) -> bool {
    let mut components = service.components.value.0.iter();
    components
        .find(|(name, _)| name.value == component)
        .and_then(|(_, component)| component.value.memory.as_ref())
        .is_some_and(|memory| memory.value == "true")
}
