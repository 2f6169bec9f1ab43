//! The file that holds a patch: its name, how it is sent, and who wrote it.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::{Names, Patch, Way, whole};
use crate::advise::plan::Plan;
use crate::render::helm::shell;
use crate::render::yaml::{Tree, comment};

/// How a file is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `kubectl patch`.
    Patch,
    /// `kubectl apply --server-side`.
    Manifest,
    /// By the `kustomization.yaml` beside it.
    Kustomize,
}

/// What stands in a file.
pub(super) struct File<'a> {
    pub kind: Names,
    pub name: &'a str,
    pub namespace: &'a str,
    pub way: Way,
    pub spec: Tree,
    /// What `kubectl patch` is told of the patch's type.
    pub patch_type: &'static str,
    pub notes: Vec<String>,
}

impl File<'_> {
    pub fn write(&self, plan: &Plan, form: Form) -> Patch {
        let (version, kind, short) = self.kind;
        let (namespace, name) = stem(self.namespace, self.name, short);
        let file_name = match (form, self.way) {
            (Form::Kustomize, _) => format!("{namespace}/{name}.yaml"),
            (Form::Manifest, Way::Forward) => format!("{namespace}.{name}.ssa.yaml"),
            // whoever sends a folder of manifests does not send the folders in it
            (Form::Manifest, Way::Undo) => format!("{UNDO}/{namespace}.{name}.ssa.yaml"),
            (Form::Patch, Way::Forward) => format!("{namespace}.{name}.yaml"),
            (Form::Patch, Way::Undo) => format!("{namespace}.{name}.undo.yaml"),
        };
        let metadata =
            Tree::map([("name", Tree::leaf(self.name)), ("namespace", Tree::leaf(self.namespace))]);
        let document = Tree::map([
            ("apiVersion", Tree::leaf(version)),
            ("kind", Tree::leaf(kind)),
            ("metadata", metadata),
            ("spec", self.spec.clone()),
        ]);
        let mut content = head(plan, self.way);
        for line in self.commands(form, &file_name) {
            content += &comment(&line);
        }
        for note in &self.notes {
            content += &comment(note);
        }
        let _ = write!(content, "{}", document.write());
        let object = (self.namespace.to_owned(), self.name.to_owned());
        Patch { file_name, kind: self.kind, object, way: self.way, content }
    }

    /// The line to paste, and what to know before.
    fn commands(&self, form: Form, file_name: &str) -> Vec<String> {
        let short = self.kind.2;
        match form {
            Form::Kustomize => Vec::new(),
            Form::Patch => vec![format!(
                "kubectl patch {short} {} -n {} --patch-file {file_name}{}",
                shell(self.name),
                shell(self.namespace),
                self.patch_type
            )],
            Form::Manifest => {
                let send = format!(
                    "kubectl apply --server-side --field-manager={} -f {file_name}",
                    whole::MANAGER
                );
                let notes = match self.way {
                    Way::Forward => vec![
                        "a conflict names who holds a field; `--force-conflicts` takes it away from them".to_owned(),
                        format!(
                            "`plimsoll apply` then leaves these fields to you, or takes them by `takeOver: [{}]`",
                            whole::MANAGER
                        ),
                    ],
                    Way::Undo => vec![format!(
                        "after the manifest that it undoes; the fields stay with `{}`",
                        whole::MANAGER
                    )],
                };
                [vec![send], notes].concat()
            }
        }
    }
}

/// The folder of the manifests that bring back what stood before others.
pub const UNDO: &str = "undo";

/// What the comment of a value begins with that a file brings back: what stood there in between follows.
pub(super) const UNDOES: &str = "undoes ";

/// Who wrote a file, and from what: by this line [`is_ours`] knows it again.
pub(super) fn head(plan: &Plan, way: Way) -> String {
    let what = if way == Way::Undo { "undoes" } else { "set by" };
    comment(&format!("{what} {} at {}, settings {}", plan.version, plan.at, plan.settings))
}

/// Whether a file that begins with this text was written here, by any version: nobody else begins one so.
#[must_use]
pub fn is_ours(text: &str) -> bool {
    is_signed(text, &["# set by ", "# undoes "])
}

/// Whether a text begins with one of these words and what wrote it, when, and by which settings.
pub(in crate::render) fn is_signed(text: &str, words: &[&str]) -> bool {
    let said = |line: &str| {
        let line = words.iter().find_map(|word| line.strip_prefix(word))?;
        let (version, rest) = line.strip_prefix("plimsoll ")?.split_once(" at ")?;
        let (at, hash) = rest.split_once(", settings ")?;
        let plain = !version.contains(' ') && hash.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (plain && at.parse::<jiff::Timestamp>().is_ok()).then_some(())
    };
    text.lines().next().is_some_and(|line| said(line).is_some())
}

/// Bytes of a file's name without its endings, `-cron.undo.yaml` the longest of them: the usual file systems take 255, and
/// an object's name alone may have 253.
const STEM_BYTES_MAX: usize = 240;

/// What the names of an object's files begin with: its namespace, and its name and kind, cut short where they are too long
/// and then told apart by the hash of the name.
pub(super) fn stem(namespace: &str, name: &str, short: &str) -> (String, String) {
    let (namespace, part) = (file_part(namespace), file_part(name));
    let around = namespace.len() + short.len() + 2;
    if around + part.len() <= STEM_BYTES_MAX {
        return (namespace, format!("{part}.{short}"));
    }
    let hash: String =
        Sha256::digest(name).iter().take(5).map(|byte| format!("{byte:02x}")).collect();
    let room = STEM_BYTES_MAX.saturating_sub(around + 1 + hash.len()).min(part.len());
    (namespace, format!("{}-{hash}.{short}", &part[..room]))
}

/// The text as part of a file's name: no separator, no dot in front, nothing that a shell would read.
pub(super) fn file_part(text: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '.') { c } else { '_' };
    let name: String = text.chars().map(safe).collect();
    if name.starts_with(['.', '-']) || name.is_empty() { format!("_{name}") } else { name }
}
