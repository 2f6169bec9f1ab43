//! The scaling table of a runbook: Markdown in, rows with their lines out.
