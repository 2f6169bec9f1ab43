//! Where history and live state come from.

pub mod demo;
pub mod file;
pub mod prometheus;
