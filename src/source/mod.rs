//! Where history and live state come from.

pub mod demo;
pub mod file;
pub mod kubernetes;
pub mod prometheus;
pub mod trace;
