//! What is wrong with a settings file, or with a runbook it names: every problem with its line and remedy.

use std::fmt;

use crate::units::acts;

/// A file that cannot be used, with all that is wrong with it; shown by its first problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// What is wrong, in the order of the lines; never empty.
    problems: Vec<Problem>,
}

/// One thing that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, as it was named to us.
    pub file: String,
    /// The line it stands on, from 1; `None` where the whole file is meant.
    pub line: Option<usize>,
    /// What is wrong: the key path in backticks, lower case, no full stop.
    pub message: String,
    /// What to change.
    pub hint: String,
}

impl fmt::Display for Problem {
    /// ``unknown key `serivces` in `plimsoll.yaml`, line 7``, or, after a sentence of its own,
    /// ``… (`plimsoll.yaml`, line 16)``.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.line.map(|line| format!(", line {line}")).unwrap_or_default();
        let about_a_key = ["unknown key", "missing key", "key"]
            .iter()
            .any(|start| self.message.starts_with(start));
        if self.line.is_none() && self.message.contains(&self.file) {
            f.write_str(&self.message)
        } else if about_a_key {
            write!(f, "{} in `{}`{line}", self.message, self.file)
        } else {
            write!(f, "{} (`{}`{line})", self.message, self.file)
        }
    }
}

impl Problem {
    /// What a file says is shown in messages: a line break or a terminal's escape in it must do nothing there.
    fn on_one_line(self) -> Self {
        let plain = |text: String| text.replace(acts, " ");
        Self {
            file: plain(self.file),
            message: plain(self.message),
            hint: plain(self.hint),
            ..self
        }
    }
}

impl ConfigError {
    /// An error of these problems, put in the order of their lines; `None` where there are none.
    #[must_use]
    pub fn of(problems: Vec<Problem>) -> Option<Self> {
        let mut problems: Vec<Problem> = problems.into_iter().map(Problem::on_one_line).collect();
        problems.sort_by_key(|problem| problem.line);
        (!problems.is_empty()).then_some(Self { problems })
    }

    /// What to change to be rid of the first problem.
    #[must_use]
    pub fn hint(&self) -> &str {
        self.problems.first().map_or("", |problem| &problem.hint)
    }

    /// Everything that is wrong, in the order of the lines; never empty.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem.on_one_line()] }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = self.problems.first() else {
            return Ok(());
        };
        write!(f, "{first}")?;
        match self.problems.len() {
            1 => Ok(()),
            2 => f.write_str(" (and 1 more problem)"),
            many => write!(f, " (and {} more problems)", many - 1),
        }
    }
}

impl std::error::Error for ConfigError {}

/// The known word nearest to `word`, if one is near enough to be meant.
///
/// Damerau-Levenshtein distance of at most a third of the word's length, so that `serivces` finds
/// `services` and `xyz` finds nothing.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let far = word.chars().count().div_ceil(3);
    known
        .into_iter()
        .map(|other| {
            let distance = strsim::damerau_levenshtein(&word.to_lowercase(), &other.to_lowercase());
            (distance, other)
        })
        .filter(|(distance, _)| *distance <= far)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_says_cannot_break_the_line_of_a_message() {
        let problem = Problem {
            file: "a.yaml".to_owned(),
            line: Some(3),
            message: "`x\u{1b}[31m\ny` is odd".to_owned(),
            hint: "write\r`z`".to_owned(),
        };
        let error = ConfigError::from(problem);
        assert_eq!(error.to_string(), "`x [31m y` is odd (`a.yaml`, line 3)");
        assert_eq!(error.hint(), "write `z`");
    }

    #[test]
    fn a_slip_finds_its_word_and_nonsense_finds_none() {
        let known = ["services", "history", "policy"];
        assert_eq!(nearest("serivces", known), Some("services"));
        assert_eq!(nearest("Policy", known), Some("policy"));
        assert_eq!(nearest("xyz", known), None);
    }
}
