//! Everything known -> recommendations. Pure, and the only place where a number is decided.

pub mod plan;
