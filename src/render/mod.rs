//! Assessment -> what people and machines read: pages, charts, tables, overlays. Pure.

pub mod chart;
pub mod need;
pub mod report;
pub mod wording;

#[cfg(test)]
pub(crate) mod fixture;
