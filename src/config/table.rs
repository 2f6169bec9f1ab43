//! The `tiers:` part: rows as they stand in the settings, or the runbook that holds them.

use super::error::{Problem, nearest};
use super::raw::{self, At, Entries, Text, Tiers};
use super::read::{Reader, at};
use super::read_text;
use crate::tiers::TierTable;
use crate::tiers::check::{self, Cell, DraftRow, Level};
use crate::tiers::markdown::{self, MarkdownFault, RunbookTable};

impl Reader<'_> {
    /// The table of a service; `None` where it does not hold.
    pub(super) fn tiers(&mut self, path: &str, service: &raw::Service) -> Option<TierTable> {
        let before = self.problems.len();
        let (drafts, runbook) = match &service.tiers.value {
            Tiers::Rows(rows) => (self.rows(path, rows, service), None),
            Tiers::Markdown(markdown) => {
                let drafts = self.runbook(path, markdown, service)?;
                (drafts, Some(markdown.markdown.value.clone()))
            }
        };
        self.columns_are_components(path, &drafts, service);
        if self.problems.len() > before {
            return None;
        }
        let (table, faults) = check::build(&drafts);
        for fault in faults {
            let line = if fault.line == 0 { service.tiers.line } else { fault.line };
            let problem = Problem {
                file: runbook.clone().unwrap_or_else(|| self.file.to_owned()),
                line: Some(line),
                message: fault.message,
                hint: fault.hint,
            };
            match fault.level {
                Level::Error => self.problems.push(problem),
                Level::Warning => self.warnings.push(problem),
            }
        }
        table
    }

    fn rows(
        &mut self,
        path: &str,
        rows: &[At<Entries<Text>>],
        service: &raw::Service,
    ) -> Vec<DraftRow> {
        let mut drafts = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            drafts.extend(self.row(&format!("{path}[{index}]"), row, service));
        }
        drafts
    }

    /// The rows of a runbook's table, its columns renamed as `columns:` says.
    fn runbook(
        &mut self,
        path: &str,
        raw: &raw::Markdown,
        service: &raw::Service,
    ) -> Option<Vec<DraftRow>> {
        let file = self.path(&at(path, "markdown"), Some(&raw.markdown))?;
        let pick = self.count::<usize>(&at(path, "table"), raw.table.as_ref(), (1, 1000));
        let hint = format!("name the runbook in `{path}.markdown`, relative to the settings file");
        let text = read_text(&file, self.file, Some(raw.markdown.line), &hint)
            .map_err(|problem| self.problems.push(problem))
            .ok()?;
        let table = markdown::read(&text, pick);
        self.runbooks.push(text);
        let fault = |fault: MarkdownFault| Problem {
            file: raw.markdown.value.clone(),
            line: fault.line(),
            message: fault.to_string(),
            hint: fault.hint("table: N"),
        };
        let mut table = table.map_err(|f| self.problems.push(fault(f))).ok()?;
        self.rename_columns(&at(path, "columns"), &mut table, raw.columns.as_ref());
        for cell in table.rows.iter_mut().flat_map(|row| &mut row.cells) {
            cell.memory = is_memory(service, &cell.component);
        }
        Some(table.rows)
    }

    fn rename_columns(
        &mut self,
        path: &str,
        table: &mut RunbookTable,
        columns: Option<&Entries<Text>>,
    ) {
        for (header, component) in columns.map_or(&[][..], |columns| &columns.0) {
            let mut headers = table.columns.iter();
            let Some(index) = headers.position(|column| column.header == header.value) else {
                let headers: Vec<&str> = table.columns.iter().map(|c| c.header.as_str()).collect();
                let message = format!("`{path}`: the table has no column `{}`", header.value);
                let hint = format!("its columns are `{}`", headers.join("`, `"));
                self.problem(header.line, message, hint);
                continue;
            };
            for row in &mut table.rows {
                if let Some(cell) = row.cells.get_mut(index) {
                    cell.component.clone_from(&component.value);
                }
            }
        }
    }

    fn row(
        &mut self,
        path: &str,
        raw: &At<Entries<Text>>,
        service: &raw::Service,
    ) -> Option<DraftRow> {
        let get = |key: &str| {
            raw.value.0.iter().find(|(name, _)| name.value == key).map(|(_, value)| value)
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
        let mut columns: Vec<&Cell> = Vec::new();
        for cell in rows.iter().flat_map(|row| &row.cells) {
            if !columns.iter().any(|column| column.component == cell.component) {
                columns.push(cell);
            }
        }
        for column in &columns {
            if !components.iter().any(|(name, _)| name.value == column.component) {
                self.stray_column(path, column, service);
            }
        }
        for (name, _) in components {
            let sized = columns.iter().any(|column| column.component == name.value);
            if !rows.is_empty() && !sized {
                let message =
                    format!("`components.{}` is not sized by any row of `tiers`", name.value);
                let hint = format!("add `{}:` to each row, or remove the component", name.value);
                self.problem(name.line, message, hint);
            }
        }
    }

    fn stray_column(&mut self, path: &str, column: &Cell, service: &raw::Service) {
        let name = &column.component;
        let components = service.components.value.0.iter().map(|(name, _)| name.value.as_str());
        let from_runbook = matches!(service.tiers.value, Tiers::Markdown(_));
        let keys: &[&str] = if from_runbook { &[] } else { &["name", "below", "from"] };
        let hint = match nearest(name, components.chain(keys.iter().copied())) {
            Some(meant) if from_runbook => format!("map it with `columns: {{HEADER: {meant}}}`"),
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("add it to `components`: `{name}: {{target: Deployment/{name}}}`"),
        };
        let line = if from_runbook { service.tiers.line } else { column.line };
        self.problem(line, format!("`{path}`: `{name}` is not one of `components`"), hint);
    }
}

fn is_memory(service: &raw::Service, component: &str) -> bool {
    let mut components = service.components.value.0.iter();
    components
        .find(|(name, _)| name.value == component)
        .and_then(|(_, component)| component.value.memory.as_ref())
        // a word that is neither is complained of once, not in every row
        .is_some_and(|memory| memory.value != "false")
}
