//! The weekly review as one HTML page and as Markdown.
//!
//! First the answer, then what to change, then what to decide; evidence follows as questions, each of which
//! starts with its answer; provenance is last. `title`, `verdict`, `ahead`, `since`, `evidence`, `runway`,
//! `hindsight` and `trust` hold the words that both forms share.

mod ahead;
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

use crate::Assessment;
use crate::advise::plan::Plan;

/// Everything that a review shows.
#[derive(Debug, Clone)]
pub struct Page<'a> {
    /// The services in the plan's order, each with the text of its `values-capacity.yaml`, empty where it has none.
    pub services: Vec<(&'a Assessment, String)>,
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

#[cfg(test)]
mod tests;
