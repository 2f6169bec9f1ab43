//! The record of what was changed: JSON lines, appended and on the disk before anything is sent.
//!
//! An `Intent` goes before every change and an outcome after it, so that a run which ended in between is seen by the
//! next one. A line that was cut off is named and is no line: nothing was sent for it.

mod wholes;

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::wholes::{Whole, wholes};
use crate::advise::plan::{Amount, Setting};
use crate::apply::Write;
use crate::apply::error::AuditError;
use crate::apply::field;
use crate::files;

/// What a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Happened {
    /// It is about to be sent.
    Intent,
    /// It was done.
    Done,
    /// The server said no.
    Failed,
    /// A run ended before it was sent, or the server never got it.
    NotSent,
    /// A run ended in between, and somebody else changed the object since.
    Overtaken,
    /// A guard refused it.
    Refused,
    /// It was done, and is watched from now on.
    Watching,
    /// Nobody watches it any more.
    Watched,
    /// The run went through all of its objects: a line of none of them.
    Ended,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verb {
    /// The plan was followed.
    Apply,
    /// What an apply replaced was brought back.
    Rollback,
    /// The loop moved a floor.
    Floor,
}

/// One line of the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// When.
    pub at: Timestamp,
    /// What it says.
    pub happened: Happened,
    /// What was done.
    pub verb: Verb,
    /// The run: its time, which is also in the objects' annotation.
    pub run: String,
    /// Of what the run is a part, by the name of its first: of itself, or of one that ended between two objects and that it
    /// goes on with. Who says this says in the end that it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<String>,
    /// For a rollback: the run that it undoes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<String>,
    /// Whether the loop did it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unattended: bool,
    /// Who, as the cluster knows them, and on which machine.
    pub who: String,
    /// The namespace.
    pub namespace: String,
    /// Kind and name.
    pub object: String,
    /// `metadata.uid`.
    #[serde(default)]
    pub uid: String,
    /// What runs the component: kind and name.
    pub workload: String,
    /// What from, what to, and why.
    pub changes: Vec<Changed>,
    /// Until when the loop watches it, whichever of its replicas acts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The moment and the settings of the plan.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub plan: String,
    /// The codes of the guards that let it pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guards: Vec<String>,
    /// Why not, or what was found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub said: Vec<String>,
}

/// One field of a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Changed {
    /// The setting.
    pub setting: Setting,
    /// Its place: `spec.minReplicas`.
    pub field: String,
    /// What it was.
    pub from: Value,
    /// The floor that the loop held above `from`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<u32>,
    /// What it is to be; once it was done, what the server made of it.
    pub to: Value,
    /// What was sent, where the server made something else of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<Value>,
    /// The codes of the reasons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// Whose it was, where a person's word took it over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub took_over: Vec<String>,
}

impl Changed {
    /// A write as it is recorded.
    #[must_use]
    pub fn of(write: &Write) -> Self {
        Self {
            setting: write.setting,
            field: write.path.to_string(),
            from: field::json(write.from),
            floor: write.over.map(|raised| raised.set),
            to: field::json(write.to),
            sent: None,
            reasons: write.reasons.clone(),
            took_over: write.took_over.clone(),
        }
    }

    /// The two amounts.
    ///
    /// # Errors
    ///
    /// Where one of them is none of its setting.
    pub fn amounts(&self) -> Result<(Amount, Amount), String> {
        Ok((Amount::read(self.setting, &self.from)?, Amount::read(self.setting, &self.to)?))
    }
}

/// The record, held by this run alone.
#[derive(Debug)]
pub struct Audit {
    path: PathBuf,
    file: File,
    /// Everything in it, oldest first.
    pub lines: Vec<Line>,
}

impl Audit {
    /// Opens the record for writing, or makes it, and keeps other runs out until this value ends.
    ///
    /// # Errors
    ///
    /// Where another run has it, or it cannot be written or read.
    pub fn open(path: &Path) -> Result<Self, AuditError> {
        let (audit, damage) = Self::open_around(path)?;
        damage.into_iter().find(|one| !one.is_torn()).map_or(Ok(audit), Err)
    }

    /// The same around lines that are none of ours or torn, and those.
    ///
    /// # Errors
    ///
    /// Where another run has it, or it cannot be written or read.
    pub fn open_around(path: &Path) -> Result<(Self, Vec<AuditError>), AuditError> {
        let failed = |source| AuditError::File { path: path.to_owned(), source };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        files::regular(path).map_err(failed)?;
        let mut file =
            File::options().read(true).append(true).create(true).open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(AuditError::InUse { path: path.to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let text = text(&mut file).map_err(failed)?;
        if !text.is_empty() && !text.ends_with('\n') {
            // a line that was cut off stays as it is, and the next one is whole
            file.write_all(b"\n").map_err(failed)?;
        }
        let (lines, damage) = parse(path, &text);
        Ok((Self { lines, path: path.to_owned(), file }, damage))
    }

    /// What the record holds, without keeping anybody out, and its lines that are none of ours or torn; empty where
    /// there is no record.
    ///
    /// # Errors
    ///
    /// Where it cannot be read.
    pub fn read(path: &Path) -> Result<(Vec<Line>, Vec<AuditError>), AuditError> {
        match files::open(path).and_then(|mut file| text(&mut file)) {
            Ok(text) => Ok(parse(path, &text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Ok((Vec::new(), Vec::new()))
            }
            Err(source) => Err(AuditError::File { path: path.to_owned(), source }),
        }
    }

    /// Appends a line and waits until it is on the disk.
    ///
    /// # Errors
    ///
    /// Where that does not succeed: then nothing may be sent.
    pub fn write(&mut self, line: Line) -> Result<(), AuditError> {
        let failed = |source| AuditError::File { path: self.path.clone(), source };
        let text = serde_json::to_string(&line).map_err(|error| failed(error.into()))? + "\n";
        self.file.write_all(text.as_bytes()).map_err(failed)?;
        self.file.sync_data().map_err(failed)?;
        self.lines.push(line);
        Ok(())
    }
}

fn text(file: &mut File) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The lines of a record, and those that are none. One that is cut short came before its run could send anything for it.
fn parse(path: &Path, text: &str) -> (Vec<Line>, Vec<AuditError>) {
    let (mut lines, mut damage) = (Vec::new(), Vec::new());
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match serde_json::from_str(line) {
            Ok(line) => lines.push(line),
            Err(error) => {
                let (path, line) = (path.to_owned(), number + 1);
                damage.push(if error.is_data() {
                    AuditError::Line { path, line, why: error.to_string() }
                } else {
                    AuditError::Torn { path, line, cut: error.is_eof() }
                });
            }
        }
    }
    (lines, damage)
}

/// The intents of which no outcome is known, oldest first.
#[must_use]
pub fn pending(lines: &[Line]) -> Vec<Line> {
    use Happened::{Ended, Refused, Watched, Watching};
    let others = [Ended, Refused, Watching, Watched];
    let mut open: Vec<Line> = Vec::new();
    for line in lines.iter().filter(|line| !others.contains(&line.happened)) {
        open.retain(|other| !same(other, line));
        if line.happened == Happened::Intent {
            open.push(line.clone());
        }
    }
    open
}

/// Whether two lines are of the same run and object.
#[must_use]
pub fn same(one: &Line, other: &Line) -> bool {
    (&one.run, &one.namespace, &one.object) == (&other.run, &other.namespace, &other.object)
}

/// The changes that a run began to watch, and ended without a word.
#[must_use]
pub fn unwatched(lines: &[Line]) -> Vec<Line> {
    let mut open: Vec<Line> = Vec::new();
    for line in lines {
        match line.happened {
            Happened::Watching => open.push(line.clone()),
            Happened::Watched => open.retain(|other| !same(other, line)),
            _ => {}
        }
    }
    open
}

/// The last move of each floor, one an object.
#[must_use]
pub fn floors(lines: &[Line]) -> Vec<Line> {
    let is_one = |line: &&Line| (line.happened, line.verb) == (Happened::Done, Verb::Floor);
    let moves = lines.iter().filter(is_one);
    let last: BTreeMap<_, &Line> =
        moves.map(|line| ((&line.namespace, &line.object, &line.uid), line)).collect();
    last.into_values().cloned().collect()
}

/// Where the object of a line is: one record may serve several clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stands {
    /// In this cluster.
    Here,
    /// In another: here another object stood in its place already.
    Elsewhere,
    /// It is gone, was made again, or is hidden.
    Unknown,
}

/// Where the object of a line is, by what stands in its place here.
#[must_use]
pub fn stands(line: &Line, object: &Value) -> Stands {
    let metadata = &object["metadata"];
    let made = metadata["creationTimestamp"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
    if line.uid.is_empty() || metadata["uid"] == line.uid.as_str() {
        Stands::Here
    // the server tells it to the second
    } else if made.is_some_and(|made| made.as_second() < line.at.as_second()) {
        Stands::Elsewhere
    } else {
        Stands::Unknown
    }
}

/// When an object was last changed by us, as far as the record knows; not its namesake in another cluster. What the loop moves
/// is no reason for others to wait: it has a hold time of its own.
#[must_use]
pub fn last_change(
    lines: &[Line],
    (namespace, object): (&str, &str),
    found: Option<&Value>,
) -> Option<Timestamp> {
    let of_it = lines.iter().filter(|line| line.namespace == namespace && line.object == object);
    let of_it =
        of_it.filter(|line| found.is_none_or(|found| stands(line, found) != Stands::Elsewhere));
    let of_people = of_it.filter(|line| line.verb != Verb::Floor);
    of_people.filter(|line| line.happened == Happened::Done).map(|line| line.at).max()
}

#[cfg(test)]
impl Line {
    /// An intent of a run on `Deployment/a`, to be changed by tests.
    pub(crate) fn example(run: &str, changes: Vec<Changed>) -> Self {
        let text = |text: &str| text.to_owned();
        Self {
            at: "2026-11-23T01:00:00Z".parse().unwrap_or(Timestamp::UNIX_EPOCH),
            happened: Happened::Intent,
            verb: Verb::Apply,
            run: text(run),
            whole: None,
            undoes: None,
            unattended: false,
            who: text("ann"),
            namespace: text("shop"),
            object: text("Deployment/a"),
            uid: text("u"),
            workload: text("Deployment/a"),
            changes,
            until: None,
            plan: String::new(),
            guards: Vec::new(),
            said: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn changed(field: &str) -> Changed {
        Changed {
            setting: Setting::Replicas,
            field: field.to_owned(),
            from: Value::from(2),
            floor: None,
            to: Value::from(3),
            sent: None,
            reasons: Vec::new(),
            took_over: Vec::new(),
        }
    }

    fn line(happened: Happened, verb: Verb, run: &str, object: &str) -> Line {
        let mut change = changed("spec.replicas");
        if verb == Verb::Rollback {
            std::mem::swap(&mut change.from, &mut change.to);
        }
        let undoes = (verb == Verb::Rollback).then(|| "1".to_owned());
        let (uid, object) = (String::new(), object.to_owned());
        let workload = object.clone();
        let example = Line::example(run, vec![change]);
        Line { happened, verb, undoes, object, uid, workload, ..example }
    }

    #[test]
    fn what_did_not_come_back_is_still_to_undo_and_what_a_person_set_is_not_overwritten() {
        use Happened::Done;
        let applied = line(Done, Verb::Apply, "1", "a");
        let mut spoiled = line(Done, Verb::Rollback, "2", "a");
        spoiled.changes[0].to = Value::from(1);
        assert_eq!(to_undo(&[applied.clone(), spoiled]), [applied]);
        // 2 -> 3 by a run that died, 4 by a person, 4 -> 5 by the run that went on
        let of = |run: &str, (from, to): (u64, u64)| {
            let mut one = Line { whole: Some("1".to_owned()), ..line(Done, Verb::Apply, run, "a") };
            (one.changes[0].from, one.changes[0].to) = (Value::from(from), Value::from(to));
            one
        };
        let changes = &to_undo(&[of("1", (2, 3)), of("3", (4, 5))])[0].changes[0];
        assert_eq!([&changes.from, &changes.to], [&Value::from(4), &Value::from(5)]);
    }

    #[test]
    fn an_intent_without_an_outcome_is_pending() {
        use Happened::{Done, Intent, Refused};
        let lines = [
            line(Intent, Verb::Apply, "1", "a"),
            line(Done, Verb::Apply, "1", "a"),
            line(Intent, Verb::Apply, "1", "b"),
            line(Refused, Verb::Apply, "1", "b"),
        ];
        let open = pending(&lines);
        assert_eq!(open.iter().map(|line| line.object.as_str()).collect::<Vec<_>>(), ["b"]);
    }

    /// What the newest run left to undo.
    fn to_undo(lines: &[Line]) -> Vec<Line> {
        wholes(lines).into_iter().next().map(|whole| whole.left).unwrap_or_default()
    }

    #[test]
    fn the_last_run_is_undone_and_only_once() {
        use Happened::Done;
        let applied = [
            line(Done, Verb::Apply, "0", "a"),
            line(Done, Verb::Apply, "1", "a"),
            line(Done, Verb::Apply, "1", "b"),
        ];
        assert_eq!(to_undo(&applied), applied[1..]);
        let half = [&applied[..], &[line(Done, Verb::Rollback, "2", "a")]].concat();
        assert_eq!(to_undo(&half), applied[2..]);
        let whole = [&half[..], &[line(Done, Verb::Rollback, "2", "b")]].concat();
        assert_eq!(to_undo(&whole), []);
        assert_eq!(wholes(&whole)[0].changed, applied[1..]);
    }

    #[test]
    fn a_field_that_a_rollback_left_is_still_to_undo() {
        let mut applied = line(Happened::Done, Verb::Apply, "1", "a");
        applied.changes.push(changed("spec.minReplicas"));
        let half = [applied, line(Happened::Done, Verb::Rollback, "2", "a")];
        assert_eq!(to_undo(&half)[0].changes, [changed("spec.minReplicas")]);
    }

    #[test]
    fn a_run_that_ended_between_two_objects_is_undone_with_the_one_that_went_on_with_it() {
        use Happened::{Done, Ended};
        let of = |happened, run: &str, object| {
            let whole = Some("1".to_owned());
            Line { whole, ..line(happened, Verb::Apply, run, object) }
        };
        let dead = [line(Done, Verb::Apply, "0", "a"), of(Done, "1", "a")];
        let whole = &wholes(&dead)[0];
        assert_eq!((whole.name.as_str(), whole.ended, &whole.left[..]), ("1", false, &dead[1..]));
        // what says nothing of a whole is of before there was one
        assert!(wholes(&dead)[1].ended);
        let on = [&dead[..], &[of(Done, "2", "b"), of(Ended, "2", "")]].concat();
        let whole = &wholes(&on)[0];
        assert_eq!((whole.ended, &whole.left[..]), (true, &on[1..3]));
        assert_eq!(pending(&on), []);
        // 2 -> 3 and then 3 -> 5 is 2 -> 5, and a rollback in between is of what came before it alone
        let mut again = of(Done, "3", "a");
        (again.changes[0].from, again.changes[0].to) = (Value::from(3), Value::from(5));
        let twice = [&dead[..], &[again.clone()]].concat();
        let one = &to_undo(&twice)[0];
        assert_eq!((one.run.as_str(), &one.changes[0].from), ("3", &Value::from(2)));
        assert_eq!(one.changes[0].to, Value::from(5));
        // 2 -> 3 under a floor of the loop, and 3 -> 5: the floor stood over the 2
        let mut over = dead.clone();
        over[1].changes[0].floor = Some(4);
        let over = &to_undo(&[&over[..], &[again.clone()]].concat())[0].changes[0];
        assert_eq!((&over.from, over.floor), (&Value::from(2), Some(4)));
        let back = line(Done, Verb::Rollback, "2", "a");
        let between = [&dead[..], &[back, again.clone()]].concat();
        assert_eq!(to_undo(&between), [again]);
    }

    #[test]
    fn an_object_of_another_cluster_was_not_changed_here() {
        let of = |uid: &str| {
            let uid = uid.to_owned();
            Line { uid, ..line(Happened::Done, Verb::Apply, "1", "a") }
        };
        let prod = |made: &str| serde_json::json!({"metadata": {"uid": "prod", "creationTimestamp": made}});
        let (old, new) = (prod("2026-11-23T00:59:59Z"), prod("2026-11-23T01:00:00Z"));
        let stand = |uid| [&old, &new].map(|object| stands(&of(uid), object));
        assert_eq!(stand("prod"), [Stands::Here, Stands::Here]);
        // what was there when that was changed is another; what came since may be the same, made again
        assert_eq!(stand("staging"), [Stands::Elsewhere, Stands::Unknown]);
        let last = |uid, object| last_change(&[of(uid)], ("shop", "a"), Some(object));
        assert_eq!(last("staging", &old), None);
        for known in [last("staging", &new), last("prod", &old), last("", &old)] {
            assert_eq!(known, Some(of("").at));
        }
    }

    #[test]
    fn of_a_floor_the_last_move_that_was_done_counts() {
        use Happened::{Done, Failed};
        let of = |happened, run, object| line(happened, Verb::Floor, run, object);
        let other = Line { uid: "elsewhere".to_owned(), ..of(Done, "1", "a") };
        let lines = [
            of(Done, "1", "a"),
            other.clone(),
            of(Done, "2", "a"),
            of(Failed, "3", "a"),
            line(Done, Verb::Apply, "4", "b"),
        ];
        assert_eq!(floors(&lines), [lines[2].clone(), other]);
    }

    #[test]
    fn a_watch_that_ended_without_a_word_is_seen_and_is_no_open_change() {
        use Happened::{Done, Watched, Watching};
        let of = |happened, object| line(happened, Verb::Apply, "1", object);
        let lines =
            [of(Done, "a"), of(Watching, "a"), of(Done, "b"), of(Watching, "b"), of(Watched, "a")];
        assert_eq!(unwatched(&lines), lines[3..4]);
        assert_eq!(pending(&lines), []);
    }

    #[test]
    fn a_record_that_is_no_file_is_refused_and_not_read_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("audit.jsonl");
        std::os::unix::fs::symlink("/dev/full", &link).unwrap();
        for refused in [Audit::read(&link).map(drop), Audit::open(&link).map(drop)] {
            let said = refused.unwrap_err().to_string();
            assert!(said.ends_with("it is no file, but a device or a FIFO"), "{said}");
        }
    }

    #[test]
    fn a_line_that_was_cut_off_is_none_and_the_next_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/audit.jsonl");
        let mut audit = Audit::open(&path).unwrap();
        audit.write(line(Happened::Intent, Verb::Apply, "1", "a")).unwrap();
        assert!(matches!(Audit::open(&path), Err(AuditError::InUse { .. })));
        drop(audit);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}{}", &text[..text.len() / 2])).unwrap();
        let mut audit = Audit::open(&path).unwrap();
        assert_eq!(audit.lines.len(), 1);
        audit.write(line(Happened::Done, Verb::Apply, "1", "a")).unwrap();
        drop(audit);
        assert_eq!(Audit::read(&path).unwrap().0.len(), 2);
        // what somebody else wrote there is not read over, and hides nothing from who reads around it
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{{\"at\": 3}}\n{text}")).unwrap();
        assert!(matches!(Audit::open(&path), Err(AuditError::Line { line: 1, .. })));
        let (audit, damage) = Audit::open_around(&path).unwrap();
        assert_eq!(audit.lines.len(), 2);
        let shown: Vec<String> = damage.iter().map(ToString::to_string).collect();
        assert!(shown[0].contains("line 1, is no line of the record"), "{shown:?}");
        assert!(shown[1].ends_with("line 3, is cut short"), "{shown:?}");
        assert_eq!(shown.len(), 2);
    }
}
