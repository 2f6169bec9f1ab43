//! Advice -> what people and machines read: one file per form, all pure.

pub mod changes;
pub mod chart;
pub mod csv;
pub mod explain;
pub mod helm;
pub mod json;
pub mod markdown_plan;
pub(crate) mod need;
pub mod objects;
pub mod patch;
pub mod pull_request;
pub mod replay;
pub mod report;
pub mod table;
pub mod text;
pub mod values_file;
pub(crate) mod wording;
pub mod yaml;

#[cfg(test)]
pub(crate) mod example;
#[cfg(test)]
pub(crate) mod fixture;
