//! A folder with settings, what the real binary says in it, and how that is held against what whole data would say.

use std::process::Command;

use plimsoll::advise::plan::{Action, Amount, Finding, Plan, Recommendation, ServicePlan, Setting};
use tempfile::TempDir;

use super::{AT, Fault, Source, World, settings_text};

/// What stands in the file `token` of every folder.
const TOKEN: &str = "open sesame";

/// What the binary said.
pub struct Told {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Told {
    /// Everything that it said.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// The advice, where there is any.
    pub fn plan(&self) -> Option<ServicePlan> {
        let mut plan: Plan = serde_json::from_str(&self.stdout).ok()?;
        Some(plan.services.swap_remove(0))
    }

    /// Everything that it said, if all of it is there: the exit code, and each of the words, however they are wrapped.
    pub fn says(&self, code: i32, words: &[&str]) {
        let text = self.text();
        assert_eq!(self.code, Some(code), "{text}");
        let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let said = flat(&text);
        for word in words {
            assert!(said.contains(&flat(word)), "`{word}` is not in\n{text}");
        }
        assert!(!text.contains("panicked"), "{text}");
    }
}

/// A folder with settings, and what the binary says in it.
pub struct Desk(pub TempDir);

impl Desk {
    /// Settings for a source, and nothing kept yet.
    pub fn new(url: &str) -> Self {
        Self::with(&settings_text(url))
    }

    pub fn with(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("plimsoll.yaml"), settings).unwrap();
        std::fs::write(folder.path().join("token"), TOKEN).unwrap();
        Self(folder)
    }

    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    /// The settings with `old` replaced by `new`.
    pub fn edit(self, old: &str, new: &str) -> Self {
        let path = self.path("plimsoll.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(old), "{old}");
        std::fs::write(&path, text.replace(old, new)).unwrap();
        self
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
        command
            .args(args)
            .current_dir(&self.0)
            .env("NO_COLOR", "1")
            .env("KUBECONFIG", "/nonexistent")
            .env_remove("KUBERNETES_SERVICE_HOST");
        command
    }

    /// Runs the binary for [`AT`].
    pub fn run(&self, args: &[&str]) -> Told {
        self.run_at(AT, args)
    }

    pub fn run_at(&self, at: &str, args: &[&str]) -> Told {
        told(self.command(args).args(["--at", at]))
    }

    /// `plan -o json`.
    pub fn plan(&self) -> Told {
        self.run(&["plan", "-o", "json"])
    }
}

pub fn told(command: &mut Command) -> Told {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Told { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// `plan -o json` against a world with one fault, in an empty folder.
pub fn plan(world: World, fault: Fault) -> Told {
    Desk::new(&Source::telling(world, fault).url).plan()
}

/// `plan -o json` against both worlds with one fault: each ends with `code`, says the words, and lowers nothing
/// below what whole data says.
pub fn held(fault: &Fault, code: i32, words: &[&str]) {
    for world in [World::Quiet, World::Busy] {
        let told = plan(world, fault.clone());
        told.says(code, words);
        if let Some(plan) = told.plan() {
            never_lower(world, &plan);
        }
    }
}

/// Nothing in `plan` is lower than with whole data.
pub fn never_lower(world: World, plan: &ServicePlan) {
    let lower = lower_than_whole(world.whole(), plan);
    assert!(lower.is_empty(), "{world:?}: {lower:#?}");
}

/// The settings that `plan` would leave lower than `whole` would: a target under that of whole data, or one that lowers
/// what whole data leaves alone. To abstain leaves what is in force, which is no lower than what whole data lowers it
/// to; where whole data raises, abstaining is said (exit 3) and not counted here.
pub fn lower_than_whole(whole: &ServicePlan, plan: &ServicePlan) -> Vec<String> {
    let mut lower = Vec::new();
    for one in &plan.recommendations {
        let target = one.target.map(Amount::figure);
        let Some(target) = target else {
            assert_eq!(one.action, Action::Skipped, "{one:?}");
            continue;
        };
        let with_whole = find(whole, &one.component, one.setting).and_then(|whole| whole.target);
        let floor = with_whole.or(one.current).map(Amount::figure);
        if floor.is_none_or(|floor| target < floor) {
            lower.push(format!(
                "{} {:?}: {target}, {floor:?} with whole data",
                one.component, one.setting
            ));
        }
    }
    lower
}

/// The recommendation on a setting.
pub fn find<'a>(
    plan: &'a ServicePlan,
    component: &str,
    setting: Setting,
) -> Option<&'a Recommendation> {
    plan.recommendations.iter().find(|one| one.component == component && one.setting == setting)
}

/// How many settings `plan` lowers.
pub fn lowered(plan: &ServicePlan) -> usize {
    plan.recommendations.iter().filter(|one| one.action == Action::Lower).count()
}

/// How many settings `plan` raises.
pub fn raised(plan: &ServicePlan) -> usize {
    plan.recommendations.iter().filter(|one| one.action == Action::Raise).count()
}

/// The first finding whose message has this word.
pub fn finding<'a>(plan: &'a ServicePlan, word: &str) -> Option<&'a Finding> {
    plan.findings.iter().find(|finding| finding.message.contains(word))
}
