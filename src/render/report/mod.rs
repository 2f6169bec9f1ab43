//! The weekly review as one HTML page and as Markdown.
//!
//! First the answer, then what to change, then what to decide; evidence follows as questions, each of which
//! starts with its answer; provenance is last. `title`, `verdict`, `ahead`, `since`, `evidence`, `runway`,
//! `hindsight` and `trust` hold the words that both forms share.

mod ahead;
mod candidates;
mod closing;
mod evidence;
mod hindsight;
mod html;
mod markdown;
mod parts;
mod runway;
mod sections;
mod since;
mod title;
mod trust;
mod verdict;

pub use html::html;
pub use markdown::markdown;

use std::collections::BTreeMap;

use crate::Assessment;
use crate::advise::plan::Plan;
use crate::replay::Replay;

/// Everything that a review shows.
#[derive(Debug, Clone)]
pub struct Page<'a> {
    /// The services in the plan's order.
    pub services: Vec<Reviewed<'a>>,
    /// The advice of the run.
    pub plan: &'a Plan,
    /// First 12 hex digits of the SHA-256 of the history that was looked at.
    pub history: String,
    /// How many samples that history has.
    pub samples: usize,
    /// How many queries were sent; `None` where no source was asked.
    pub queries: Option<usize>,
    /// The command line that gives the same bytes again.
    pub command: String,
    /// Whether the history was made rather than measured.
    pub synthetic: bool,
}

/// One service of the review.
#[derive(Debug, Clone)]
pub struct Reviewed<'a> {
    /// What is known and advised.
    pub assessment: &'a Assessment,
    /// The text of its `values-capacity.yaml`, empty where it has none.
    pub overlay: String,
    /// Its recent past under other ways to scale, by component; empty where it cannot be lived again.
    pub policies: BTreeMap<String, Replay>,
}

#[cfg(test)]
mod tests;
