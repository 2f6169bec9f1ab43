//! Advice -> text: one file per form, all pure.

pub mod changes;
pub mod csv;
pub mod explain;
pub mod helm;
pub mod json;
pub mod markdown_plan;
pub mod patch;
pub mod table;
pub mod text;
pub mod yaml;

#[cfg(test)]
pub(crate) mod example;
