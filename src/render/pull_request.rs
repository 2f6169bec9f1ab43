//! Plan -> what a pull request says: its title, its text in Markdown, and the message of its commit.
//!
//! Names and messages are text there, as in `markdown_plan`. A line that is not shown names the content that the text speaks
//! of, so that the next run knows whether it still holds.

use std::collections::BTreeMap;
use std::fmt::Write;

use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};
use similar::{ChangeTag, TextDiff};

use crate::advise::plan::{Action, Plan};
use crate::render::markdown_plan::{self, inline};
use crate::render::text::{visible, wrap};
use crate::render::values_file::Edit;
use crate::units::acts;

/// Characters of a title, and of the first line of a commit's message.
const TITLE_MAX: usize = 72;
/// GitHub takes 65536 characters of text: so many for what changes, for what is left, and for these and the plan together.
const EDITS_MAX: usize = 30_000;
/// See [`EDITS_MAX`].
const LEFT_MAX: usize = 6_000;
/// See [`EDITS_MAX`].
const ALL_MAX: usize = 56_000;

/// What is proposed.
#[derive(Debug, Clone, Copy)]
pub struct Proposal<'a> {
    /// The advice.
    pub plan: &'a Plan,
    /// The zone in which moments are shown.
    pub zone: &'a TimeZone,
    /// The file that changes, from the root of the repository.
    pub file: &'a str,
    /// Its keys that change.
    pub edits: &'a [Edit],
    /// Why, by key.
    pub reasons: &'a BTreeMap<String, Vec<String>>,
    /// What is advised and not in it, and why.
    pub left: &'a [String],
    /// How the release goes back, as commands.
    pub undo: &'a [String],
    /// The branch that carries it.
    pub branch: &'a str,
    /// What names the content of the file.
    pub content: &'a str,
}

impl Proposal<'_> {
    /// One line: `capacity: raise api, worker of jarvis`.
    #[must_use]
    pub fn title(&self) -> String {
        let with = |wanted: Action| {
            let all = self.plan.services.iter().flat_map(|one| &one.recommendations);
            let mut names: Vec<&str> =
                all.filter(|one| one.action == wanted).map(|one| one.component.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            names.join(", ")
        };
        let deeds = [("raise", with(Action::Raise)), ("lower", with(Action::Lower))];
        let deeds = deeds.into_iter().filter(|(_, names)| !names.is_empty());
        let deeds: Vec<String> = deeds.map(|(verb, names)| format!("{verb} {names}")).collect();
        let services: Vec<&str> = self.plan.services.iter().map(|one| one.name.as_str()).collect();
        let title = visible(&format!("capacity: {} of {}", deeds.join("; "), services.join(", ")));
        if title.chars().count() <= TITLE_MAX {
            return title;
        }
        title.chars().take(TITLE_MAX - 1).chain(['…']).collect()
    }

    /// The text, in Markdown.
    #[must_use]
    pub fn body(&self) -> String {
        let mut out = format!("Sets what Plimsoll advises in `{}`:\n\n", code(self.file));
        out += "| Key | Was in the file | Now | Why |\n| --- | ---: | ---: | --- |\n";
        let rows: String = self.edits.iter().map(|edit| self.row(edit)).collect();
        out +=
            &cut(&rows, EDITS_MAX, "\nThe rest does not fit here: the change itself holds it.\n");
        if !self.left.is_empty() {
            out += "\nAdvised, and not in this file:\n\n";
            let left: String =
                self.left.iter().map(|left| format!("* {}\n", inline(left))).collect();
            out += &cut(&left, LEFT_MAX, SAYS_IT);
        }
        let plan = markdown_plan::markdown(self.plan, self.zone);
        let plan = cut(&plan, ALL_MAX.saturating_sub(out.chars().count()), SAYS_IT);
        let _ = write!(out, "\n{plan}\n## How to undo\n\n");
        out += "* Before it is merged: close it and delete its branch. Nothing is changed until the values are rolled out.\n";
        out += "* After that: revert this pull request and roll the values out again.";
        for undo in self.undo {
            let _ = write!(out, " Or `{}`.", code(undo));
        }
        let _ = write!(
            out,
            "\n\nThe branch `{}` is rewritten by the next run that advises something else, unless somebody else's commits are on it; \
             this text goes with it.\n\n{}\n",
            code(self.branch),
            advice(self.edits) + "\n" + &marker(self.content)
        );
        out
    }

    /// One key: what it was, what it is, and why.
    fn row(&self, edit: &Edit) -> String {
        let before = edit.before.map_or_else(|| "–".to_owned(), |before| before.to_string());
        let why = self.reasons.get(&edit.path).into_iter().flatten().map(|why| inline(why));
        let why = why.collect::<Vec<_>>().join("<br>");
        format!("| {} | {before} | **{}** | {why} |\n", inline(&edit.path), edit.after)
    }

    /// The message of the commit; `trailer` is its last line.
    #[must_use]
    pub fn message(&self, trailer: &str) -> String {
        let moment =
            format!("{}, as {} advises at {}:", self.file, self.plan.version, self.plan.at);
        let mut out = format!("{}\n\n{}\n\n", self.title(), visible(&moment));
        for edit in self.edits {
            out += &format!("* {}\n", visible(&edit.to_string()));
            for why in self.reasons.get(&edit.path).into_iter().flatten() {
                for line in wrap(&visible(why), 90) {
                    out += &format!("  {line}\n");
                }
            }
        }
        out + "\n" + trailer + "\n"
    }
}

/// The line, which no page shows, that names the content that a text speaks of.
#[must_use]
pub fn marker(content: &str) -> String {
    format!("<!-- plimsoll content {content} -->")
}

/// The line, which no page shows, that names what is advised, whatever else the file holds: by it a person's no is known again.
#[must_use]
pub fn advice(edits: &[Edit]) -> String {
    let all: String = edits.iter().map(|edit| format!("{}={}\n", edit.path, edit.after)).collect();
    let digest = Sha256::digest(all);
    let hex: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("<!-- plimsoll advice {hex} -->")
}

/// Text inside of a code span.
fn code(text: &str) -> String {
    text.chars().filter(|c| !acts(*c) && *c != '`').collect()
}

/// Where the rest of the advice stands.
const SAYS_IT: &str = "\nThe rest does not fit here: `plimsoll plan` says it.\n";

/// A text as far as a forge takes it, cut after a line, and then where the rest is.
fn cut(text: &str, most: usize, rest: &str) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut left = most;
    for line in text.split_inclusive('\n') {
        let length = line.chars().count();
        if length > left {
            break;
        }
        left -= length;
        kept += line;
    }
    kept + rest
}

/// An overlay that is there already after its edit: the moment in its head is that of this run, and a line that was changed
/// no longer says what it was before.
#[must_use]
pub fn overlay_again(before: &str, after: &str, head: &str) -> String {
    let diff = TextDiff::from_lines(before, after);
    let mut out = String::new();
    for change in diff.iter_all_changes().filter(|change| change.tag() != ChangeTag::Delete) {
        let line = change.value();
        let ending = &line[line.trim_end_matches(['\r', '\n']).len()..];
        if out.is_empty() && is_head(line) {
            out += &format!("{head}{ending}");
        } else if let (ChangeTag::Insert, Some(at)) = (change.tag(), line.find(" # was ")) {
            out += &format!("{}{ending}", line[..at].trim_end());
        } else {
            out += line;
        }
    }
    out
}

/// Whether two texts of a file are the same but for the moment in their heads.
#[must_use]
pub fn same(one: &str, other: &str) -> bool {
    let body = |text: &str| match text.split_once('\n') {
        Some((first, rest)) if is_head(first) => rest.to_owned(),
        _ => text.to_owned(),
    };
    body(one) == body(other)
}

fn is_head(line: &str) -> bool {
    line.starts_with("# written by plimsoll ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advise::plan::Amount;
    use crate::render::example;

    fn edits() -> Vec<Edit> {
        vec![Edit {
            path: "api.autoscaling.minReplicas".to_owned(),
            before: None,
            after: Amount::Count(5),
        }]
    }

    fn with(look: &dyn Fn(&Proposal<'_>) -> String) -> String {
        let (plan, zone, edits) = (example::plan(), example::tokyo(), edits());
        let why = vec!["TIER_ROW High (50-200): 5-10 pods, says @all | <b>".to_owned()];
        let reasons = [(edits[0].path.clone(), why)].into();
        let (left, undo) = (
            ["data-0 storage: see http://evil".to_owned()],
            ["helm rollback jarvis -n jarvis".to_owned()],
        );
        look(&Proposal {
            plan: &plan,
            zone: &zone,
            file: "values-capacity.yaml",
            edits: &edits,
            reasons: &reasons,
            left: &left,
            undo: &undo,
            branch: "plimsoll/capacity",
            content: "0123abc",
        })
    }

    #[test]
    fn the_text_holds_the_table_the_plan_and_the_way_back() {
        let text = with(&|one| one.body());
        let row = "| api.autoscaling.minReplicas | – | **5** | TIER\\_ROW High (50-200): 5-10 pods, says @\u{2060}all \\| &lt;b&gt; |";
        assert!(text.contains(row), "{text}");
        assert!(text.contains("## jarvis: Medium now, High planned"), "{text}");
        assert!(text.contains("Or `helm rollback jarvis -n jarvis`."), "{text}");
        assert!(!text.contains("http://evil"), "{text}");
        assert!(text.ends_with("<!-- plimsoll content 0123abc -->\n"), "{text}");
        assert!(text.contains(&advice(&edits())), "{text}");
        assert_ne!(advice(&edits()), advice(&edits()[1..]));
    }

    #[test]
    fn the_message_says_why_and_ends_with_its_trailer() {
        let text = with(&|one| one.message("Plimsoll-Content: 0123abc"));
        let first = "capacity: raise api, redis, worker of jarvis\n\nvalues-capacity.yaml, as plimsoll 0.1.0 advises";
        assert!(text.starts_with(first), "{text}");
        assert!(text.contains("\n  TIER_ROW High (50-200): 5-10 pods"), "{text}");
        assert!(text.ends_with("\n\nPlimsoll-Content: 0123abc\n"), "{text}");
    }

    #[test]
    fn an_overlay_that_is_edited_again_says_nothing_that_is_no_longer_so() {
        let before = "# written by plimsoll 0.1.0 at A\napi:\n  min: 3    # was 2  TIER_ROW\n  max: 5    # was 4  TIER_ROW\n";
        let after = before.replace("min: 3 ", "min: 6 ");
        let again = overlay_again(before, &after, "# written by plimsoll 0.2.0 at B");
        let expected =
            "# written by plimsoll 0.2.0 at B\napi:\n  min: 6\n  max: 5    # was 4  TIER_ROW\n";
        assert_eq!(again, expected);
        assert!(same(expected, &expected.replace("at B", "at C")));
        assert!(!same(expected, &expected.replace("min: 6", "min: 7")));
    }

    #[test]
    fn a_plan_that_is_too_long_is_cut_after_a_line_and_says_so() {
        let line = "x".repeat(999) + "\n";
        let kept = cut(&line.repeat(100), 56_000, SAYS_IT);
        assert_eq!(kept.matches(&line).count(), 56);
        assert!(kept.ends_with("`plimsoll plan` says it.\n"));
        // and so is everything together
        let edits: Vec<Edit> = (0..2_000).flat_map(|_| edits()).collect();
        let plan = example::plan();
        let why: Vec<String> = edits.iter().map(|edit| format!("{}: {line}", edit.path)).collect();
        let (reasons, zone) = (BTreeMap::new(), TimeZone::UTC);
        let proposal = Proposal {
            plan: &plan,
            zone: &zone,
            file: "values.yaml",
            edits: &edits,
            reasons: &reasons,
            left: &why,
            undo: &[],
            branch: "plimsoll/capacity",
            content: "abc",
        };
        let body = proposal.body();
        assert!(body.chars().count() < 65_536, "{}", body.chars().count());
        assert!(body.contains("the change itself holds it") && body.contains("## How to undo"));
    }
}
