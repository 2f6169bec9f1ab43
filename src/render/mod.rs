//! Advice -> text: one file per form, all pure.
pub mod explain;
