//! Why a values file is left alone: what stands where, and what to do about it.

/// A values file that is not edited. Its text is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "`line` is from 1, `path` are keys with dots, the rest is in the messages"
)]
pub enum Fault {
    /// It cannot be read.
    #[error("it is not YAML: {why}")]
    NotYaml { line: Option<usize>, why: String },
    /// It is more than the reader takes.
    #[error("it is larger than is read here, its aliases followed")]
    TooLarge { line: Option<usize> },
    /// It is a template of values.
    #[error("the braces `{{{{ }}}}` of a template stand outside of quotes")]
    Template { line: usize },
    /// It holds more than one document.
    #[error("a second document begins, and Helm reads one")]
    SeveralDocuments { line: usize },
    /// A key stands twice in one mapping.
    #[error("`{key}` stands a second time, after line {first}")]
    Twice { line: usize, key: String, first: usize },
    /// What is merged in below a key has it too.
    #[error("`<<` merges in `{key}`, which stands before it, on line {first}")]
    MergedOver { line: usize, key: String, first: usize },
    /// A key is a list or a mapping.
    #[error("a key is {what}")]
    OddKey { line: usize, what: &'static str },
    /// Two components want different things of one key.
    #[error("`{path}` is wanted by two components")]
    Disputed { path: String },
    /// The path runs through an alias.
    #[error(
        "`{path}` is `*{anchor}`, an alias of line {defined}: a change there is one for all who use it"
    )]
    Alias { line: usize, path: String, anchor: String, defined: usize },
    /// The path runs through an anchored value that others use.
    #[error("`{path}` is `&{anchor}`, and `{also}` would change with it")]
    Shared { line: usize, path: String, anchor: String, also: String },
    /// The mapping is merged in, and one's own would hide the rest of it.
    #[error("`{path}` is merged in: one of its own would hide the merged {hidden}")]
    Hidden { line: usize, path: String, hidden: String },
    /// A tag says how to read a value.
    #[error("`{path}` has the tag `{tag}`")]
    Tagged { line: usize, path: String, tag: String },
    /// An anchor on nothing.
    #[error("`{path}` has an anchor and no value")]
    Anchored { line: usize, path: String },
    /// A path runs through something without keys.
    #[error("`{path}` is {what} where a mapping is needed")]
    NotAMapping { line: usize, path: String, what: &'static str },
    /// Something stands where a value is needed.
    #[error("`{path}` is {what} where one value is needed")]
    NotAValue { line: usize, path: String, what: &'static str },
    /// A value that is not of its kind.
    #[error("`{path}`: `{text}` is not {expected}")]
    NotAnAmount { line: usize, path: String, text: String, expected: &'static str },
    /// Written in a way that no edit is sure of.
    #[error(
        "the way in which the keys around `{path}` are written leaves no sure place for an edit"
    )]
    OddPlace { line: usize, path: String },
    /// Keys below a block of text that is not ended would change it.
    #[error(
        "`{path}` would stand below a block of text that the file ends in without a line break, and would add one to it"
    )]
    OpenText { line: usize, path: String },
    /// The proof did not hold.
    #[error("an edit would change `{path}` too")]
    Elsewhere { path: String },
}

impl Fault {
    /// The line that it is about, from 1; `None` where the whole file is meant.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::NotYaml { line, .. } | Self::TooLarge { line } => *line,
            Self::Disputed { .. } | Self::Elsewhere { .. } => None,
            Self::Template { line }
            | Self::SeveralDocuments { line }
            | Self::Twice { line, .. }
            | Self::MergedOver { line, .. }
            | Self::OddKey { line, .. }
            | Self::Alias { line, .. }
            | Self::Shared { line, .. }
            | Self::Hidden { line, .. }
            | Self::Tagged { line, .. }
            | Self::Anchored { line, .. }
            | Self::NotAMapping { line, .. }
            | Self::NotAValue { line, .. }
            | Self::NotAnAmount { line, .. }
            | Self::OddPlace { line, .. }
            | Self::OpenText { line, .. } => Some(*line),
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::NotYaml { .. } => "mend the file first: Helm would not read it either".to_owned(),
            Self::TooLarge { .. } => format!("name a smaller file, with the values of these components; {OVERLAY}"),
            Self::Template { .. } => {
                "values are no template: put the braces in quotes, or name the file that is rendered from this one"
                    .to_owned()
            }
            Self::SeveralDocuments { .. } => {
                "put each document into a file of its own, and name the one that is meant".to_owned()
            }
            Self::Twice { key, .. } => format!("remove one `{key}`: readers differ on which one counts"),
            Self::MergedOver { .. } => {
                "move `<<` to the top of its mapping: below a key it counts more to Helm, and less to other readers"
                    .to_owned()
            }
            Self::OddKey { .. } => "a key of Helm's values is a text".to_owned(),
            Self::Disputed { .. } => {
                "a values file is one release's: `--namespace` leaves the services of one namespace, and `helm:` in the settings tells components apart".to_owned()
            }
            Self::Alias { path, anchor, .. } => {
                format!("write `{path}` out, or as `<<: *{anchor}` with keys of its own below it; {OVERLAY}")
            }
            Self::Shared { path, anchor, .. } => {
                format!("give those who use `*{anchor}` a value of their own, or `{path}` one without the anchor; {OVERLAY}")
            }
            Self::Hidden { path, .. } => format!("write `{path}` out with all of its keys; {OVERLAY}"),
            Self::Tagged { .. } => format!("remove the tag; {OVERLAY}"),
            Self::Anchored { .. } => format!("give it a value, or remove the anchor; {OVERLAY}"),
            Self::NotAMapping { .. } => {
                format!("see `helm:` in the settings, which names the component's path in the chart's values; {OVERLAY}")
            }
            Self::NotAValue { .. } | Self::NotAnAmount { .. } => {
                format!("write the value that is meant on the key's own line; {OVERLAY}")
            }
            Self::OddPlace { .. } => format!("write each key on a line of its own as `key: value`; {OVERLAY}"),
            Self::OpenText { .. } => {
                format!("end the file with a line break, or open the text with `|-` where it is to have none; {OVERLAY}")
            }
            Self::Elsewhere { .. } => format!("the file is as it was; {OVERLAY}"),
        }
    }
}

/// The way out that always is there.
const OVERLAY: &str =
    "or pass an overlay after this file, from `plimsoll values > values-capacity.yaml`";
