//! What a column of a runbook's table holds: replicas or memory, and of which component.

use super::Column;
use super::threshold::plain;
use crate::units::Bytes;

/// Header words that say that a column counts replicas.
const REPLICA_WORDS: [&str; 7] =
    ["pods", "pod", "replicas", "replica", "instances", "instance", "count"];
const REPLICA_WORDS_JA: [&str; 6] =
    ["レプリカ数", "レプリカ", "ポッド数", "ポッド", "インスタンス数", "台数"];
/// Header words that say that a column holds memory.
const MEMORY_WORDS: [&str; 3] = ["memory", "mem", "ram"];
const MEMORY_WORDS_JA: [&str; 3] = ["メモリー", "メモリ", "記憶容量"];
/// Header words of columns that are numbers, but not sizes.
const OTHER_WORDS: [&str; 9] =
    ["cpu", "vcpu", "core", "cores", "cost", "latency", "p99", "rps", "コスト"];
/// What components are called in Japanese.
const COMPONENTS_JA: [(&str, &str); 5] = [
    ("ワーカー", " worker "),
    ("キャッシュ", " cache "),
    ("ウェブ", " web "),
    ("データベース", " database "),
    ("フロントエンド", " frontend "),
];

/// What a column of sizes is of; `None` where it is no column of sizes.
pub(super) fn column(header: &str, position: usize, cells: &[String]) -> Option<Column> {
    let mut text = plain(header);
    let is_other = OTHER_WORDS.iter().any(|word| words(&text).any(|w| w == *word));
    let mut take = |japanese: &[&str], ascii: &[&str]| {
        let before = text.clone();
        for word in japanese {
            text = text.replace(word, " ");
        }
        let kept: Vec<&str> = words(&text).filter(|word| !ascii.contains(word)).collect();
        let kept = kept.join(" ");
        let found = kept.len() < words(&before).collect::<Vec<_>>().join(" ").len();
        text = kept;
        found
    };
    let says_memory = take(&MEMORY_WORDS_JA, &MEMORY_WORDS);
    let says_replicas = take(&REPLICA_WORDS_JA, &REPLICA_WORDS);
    let all = |fits: fn(&str) -> bool| !cells.is_empty() && cells.iter().all(|cell| fits(cell));
    let memory = match (says_memory, says_replicas) {
        (true, false) => true,
        (false, true) => false,
        _ if is_other => return None,
        _ if all(is_memory) => true,
        _ if all(is_replicas) => false,
        _ => return None,
    };
    for (japanese, name) in COMPONENTS_JA {
        text = text.replace(japanese, name);
    }
    let name = slug(&text);
    Some(Column {
        header: header.trim().to_owned(),
        named: name.is_some(),
        component: name.unwrap_or_else(|| format!("column-{}", position + 1)),
        memory,
    })
}

pub(super) fn speaks_of_sizes(header: &str) -> bool {
    let text = plain(header);
    let ascii =
        words(&text).any(|word| REPLICA_WORDS.contains(&word) || MEMORY_WORDS.contains(&word));
    let mut japanese = REPLICA_WORDS_JA.iter().chain(&MEMORY_WORDS_JA);
    ascii || japanese.any(|word| text.contains(word))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// A name that Kubernetes takes; `None` where the text has letters that it cannot hold.
fn slug(text: &str) -> Option<String> {
    let name = words(text).collect::<Vec<_>>().join("-");
    (name.is_ascii() && (1..=63).contains(&name.len())).then_some(name)
}

/// A size as it is written in settings: `３〜５ 台` is `3-5`, `512 Mi` is `512Mi`.
pub(super) fn size_text(cell: &str) -> String {
    let narrow = cell.chars().map(|c| match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '\u{301c}' | '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        c => c,
    });
    let text: String = narrow.filter(|c| !c.is_whitespace() && *c != ',').collect();
    let text = text.replace(['~', '→'], "-").replace("..", "-").replace("から", "-");
    let text = text.trim_end_matches(['台', '個', '本']);
    let lower = text.to_ascii_lowercase();
    let noun = REPLICA_WORDS.iter().find(|noun| lower.ends_with(*noun));
    let text = &text[..text.len() - noun.map_or(0, |noun| noun.len())];
    if text.bytes().all(|b| b.is_ascii_digit() || b"to".contains(&b)) {
        return text.replacen("to", "-", 1);
    }
    text.to_owned()
}

fn is_replicas(text: &str) -> bool {
    let (min, max) = text.split_once('-').unwrap_or((text, text));
    min.parse::<u32>().is_ok() && max.parse::<u32>().is_ok()
}

fn is_memory(text: &str) -> bool {
    text.ends_with(|c: char| "ikMGTPE".contains(c)) && text.parse::<Bytes>().is_ok()
}
