#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::units::{Bytes, Millicores};

fn path(keys: &str) -> Vec<String> {
    keys.split('.').map(str::to_owned).collect()
}

fn count(keys: &str, current: u32, target: u32) -> Wanted {
    let [current, target] = [current, target].map(Amount::Count);
    Wanted { path: path(keys), current: Some(current), target, kept: false }
}

fn memory(keys: &str, current: u64, target: u64) -> Wanted {
    let [current, target] =
        [current, target].map(|mebibytes| Amount::Bytes(Bytes(mebibytes << 20)));
    Wanted { path: path(keys), current: Some(current), target, kept: false }
}

fn cpu(keys: &str, current: u64, target: u64) -> Wanted {
    let [current, target] = [current, target].map(|millis| Amount::Cpu(Millicores(millis)));
    Wanted { path: path(keys), current: Some(current), target, kept: false }
}

fn min() -> Wanted {
    count("api.autoscaling.minReplicas", 3, 5)
}

fn read(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

/// The text after an edit, and that a second one finds nothing to do.
fn edited(text: &str, wanted: &[Wanted]) -> String {
    let first = edit(text, wanted).unwrap_or_else(|fault| panic!("{fault}\n{text}"));
    let again = edit(&first.text, wanted).unwrap();
    assert_eq!((again.text.as_str(), again.edits.as_slice()), (first.text.as_str(), &[][..]));
    first.text
}

#[track_caller]
fn becomes(before: &str, wanted: &[Wanted], after: &str) {
    assert_eq!(edited(before, wanted), after);
}

#[track_caller]
fn refused(text: &str, wanted: &[Wanted], line: usize, message: &str) {
    let fault = edit(text, wanted).unwrap_err();
    assert_eq!((fault.line(), fault.to_string().as_str()), (Some(line), message));
    assert!(!fault.hint().is_empty());
}

#[test]
fn a_value_is_replaced_where_it_stands() {
    let api =
        |scalar: &str| format!("# top\napi:\n    # floor\n    replicaCount: {scalar}\n\n\nb: 1\n");
    let cases = [
        ("3", "5"),
        ("3   # was agreed", "5   # was agreed"),
        ("\"3\"", "5"),
        ("'3'  # text once", "5  # text once"),
        ("~", "5"),
        ("null # none", "5 # none"),
        ("&n 3", "&n 5"),
        // an empty text says nothing, as charts write it
        ("\"\"", "5"),
        ("''  # the chart's own", "5  # the chart's own"),
    ];
    for (before, after) in cases {
        becomes(&api(before), &[count("api.replicaCount", 3, 5)], &api(after));
    }
    becomes(
        "api: {a: 1, replicaCount: 3, c: 3} # x\n",
        &[count("api.replicaCount", 3, 5)],
        "api: {a: 1, replicaCount: 5, c: 3} # x\n",
    );
    becomes(
        "api: {\"replicaCount\":3}\n",
        &[count("api.replicaCount", 3, 5)],
        "api: {\"replicaCount\":5}\n",
    );
    becomes(
        "\"api\":\t{ 'replicaCount':\t3 }\n",
        &[count("api.replicaCount", 3, 5)],
        "\"api\":\t{ 'replicaCount':\t5 }\n",
    );
    // a key without a value, in all the ways of it
    becomes(
        "api:\n  replicaCount:   # soon\n  b: 1\n",
        &[count("api.replicaCount", 3, 5)],
        "api:\n  replicaCount: 5   # soon\n  b: 1\n",
    );
    becomes(
        "api: {replicaCount: , b: 1}\n",
        &[count("api.replicaCount", 3, 5)],
        "api: {replicaCount: 5 , b: 1}\n",
    );
    becomes(
        "api: {replicaCount, b: 1}\n",
        &[count("api.replicaCount", 3, 5)],
        "api: {replicaCount: 5, b: 1}\n",
    );
}

#[test]
fn a_quantity_keeps_its_quotes_and_gets_them_where_it_reads_as_a_number() {
    let limit = |scalar: &str| format!("redis: {{memory: {scalar}}}\n");
    for (before, after) in [
        ("512Mi", "1Gi"),
        ("\"512Mi\"", "\"1Gi\""),
        ("'512Mi'", "'1Gi'"),
        ("536870912", "1Gi"),
        ("\"\"", "\"1Gi\""),
    ] {
        becomes(&limit(before), &[memory("redis.memory", 512, 1024)], &limit(after));
    }
    let request = |scalar: &str| format!("api:\n  cpu: {scalar}\n");
    for (before, after) in
        [("500m", "\"2\""), ("\"1\"", "\"2\""), ("'1'", "'2'"), ("0.5", "\"2\""), ("1", "\"2\"")]
    {
        becomes(&request(before), &[cpu("api.cpu", 500, 2000)], &request(after));
    }
    // the same amount in another spelling is left as it is spelt
    for same in ["1024Mi", "\"1Gi\"", "1073741824"] {
        becomes(&limit(same), &[memory("redis.memory", 512, 1024)], &limit(same));
    }
}

#[test]
fn what_is_missing_is_written_as_the_file_writes_its_own() {
    let both = [min(), count("api.autoscaling.maxReplicas", 5, 10)];
    let cases = [
        // after the last of the mapping, before what follows it, by the file's own four spaces
        (
            "api:\n    image: a   # tag\n    # the end\n\nworker:\n    b: 1\n",
            "api:\n    image: a   # tag\n    autoscaling:\n        minReplicas: 5\n        maxReplicas: 10\n    # the end\n\nworker:\n    b: 1\n",
        ),
        (
            "api:\n  autoscaling:\n    enabled: true\n",
            "api:\n  autoscaling:\n    enabled: true\n    minReplicas: 5\n    maxReplicas: 10\n",
        ),
        ("", "api:\n  autoscaling:\n    minReplicas: 5\n    maxReplicas: 10\n"),
        (
            "# nothing yet\n",
            "# nothing yet\napi:\n  autoscaling:\n    minReplicas: 5\n    maxReplicas: 10\n",
        ),
        (
            "# nothing yet",
            "# nothing yet\napi:\n  autoscaling:\n    minReplicas: 5\n    maxReplicas: 10",
        ),
        ("---\n", "---\napi:\n  autoscaling:\n    minReplicas: 5\n    maxReplicas: 10\n"),
        ("# top\n{}\n", "# top\napi:\n  autoscaling:\n    minReplicas: 5\n    maxReplicas: 10\n"),
        ("{}", "api:\n  autoscaling:\n    minReplicas: 5\n    maxReplicas: 10"),
        ("--- {}\n", "--- {api: {autoscaling: {minReplicas: 5, maxReplicas: 10}}}\n"),
        ("~\n", "api:\n  autoscaling:\n    minReplicas: 5\n    maxReplicas: 10\n"),
        ("a: 1", "a: 1\napi:\n  autoscaling:\n    minReplicas: 5\n    maxReplicas: 10"),
        // nothing under a key, in all the ways of it
        (
            "api:\n  autoscaling:\n",
            "api:\n  autoscaling:\n    minReplicas: 5\n    maxReplicas: 10\n",
        ),
        ("api:\n  autoscaling:", "api:\n  autoscaling:\n    minReplicas: 5\n    maxReplicas: 10"),
        (
            "api:   # none\nb: 1\n",
            "api:   # none\n  autoscaling:\n    minReplicas: 5\n    maxReplicas: 10\nb: 1\n",
        ),
        (
            "api: {}  # none\n  # more\nb: 1\n",
            "api:  # none\n  autoscaling:\n    minReplicas: 5\n    maxReplicas: 10\n  # more\nb: 1\n",
        ),
        (
            "api: null\nb: 1\n",
            "api:\n  autoscaling:\n    minReplicas: 5\n    maxReplicas: 10\nb: 1\n",
        ),
        ("api:\n  {}\n", "api:\n  {autoscaling: {minReplicas: 5, maxReplicas: 10}}\n"),
        (
            "api: { # none\n  }\n",
            "api: {autoscaling: {minReplicas: 5, maxReplicas: 10} # none\n  }\n",
        ),
        // after a comment that stands further in, which speaks of what is above it
        (
            "api:\n  node: {}\n    # x: y\n    # z\n  # the end\nb: 1\n",
            "api:\n  node: {}\n    # x: y\n    # z\n  autoscaling:\n    minReplicas: 5\n    maxReplicas: 10\n  # the end\nb: 1\n",
        ),
        (
            "a: 1\n  # x",
            "a: 1\n  # x\napi:\n  autoscaling:\n    minReplicas: 5\n    maxReplicas: 10",
        ),
        // in braces stays in braces
        ("api: { a: 1 }\n", "api: { a: 1, autoscaling: {minReplicas: 5, maxReplicas: 10} }\n"),
        ("api: {autoscaling: {}}\n", "api: {autoscaling: {minReplicas: 5, maxReplicas: 10}}\n"),
        ("api: {autoscaling: }\n", "api: {autoscaling: {minReplicas: 5, maxReplicas: 10} }\n"),
        ("{api: {autoscaling}}\n", "{api: {autoscaling: {minReplicas: 5, maxReplicas: 10}}}\n"),
        (
            "api: {\n  a: 1,  # one\n  b: 2   # two\n}\n",
            "api: {\n  a: 1,  # one\n  b: 2, autoscaling: {minReplicas: 5, maxReplicas: 10}   # two\n}\n",
        ),
        ("api: {a: 1,}\n", "api: {a: 1, autoscaling: {minReplicas: 5, maxReplicas: 10},}\n"),
        // after a list, a block of text, a text over lines
        (
            "api:\n  args:\n  - a\n  -\n\nb: 1\n",
            "api:\n  args:\n  - a\n  -\n  autoscaling:\n    minReplicas: 5\n    maxReplicas: 10\n\nb: 1\n",
        ),
        (
            "api:\n  run: |\n    x\n    # no comment\n\n\nb: 1\n",
            "api:\n  run: |\n    x\n    # no comment\n  autoscaling:\n    minReplicas: 5\n    maxReplicas: 10\n\n\nb: 1\n",
        ),
        (
            "api:\n  run: |+\n    x\n\nb: 1\n",
            "api:\n  run: |+\n    x\n\n  autoscaling:\n    minReplicas: 5\n    maxReplicas: 10\nb: 1\n",
        ),
        (
            "api:\n  say: \"a\n    b\"\nb: 1\n",
            "api:\n  say: \"a\n    b\"\n  autoscaling:\n    minReplicas: 5\n    maxReplicas: 10\nb: 1\n",
        ),
        // the ends of the lines, and a byte order mark
        (
            "api:\r\n  a: 1 # x\r\n",
            "api:\r\n  a: 1 # x\r\n  autoscaling:\r\n    minReplicas: 5\r\n    maxReplicas: 10\r\n",
        ),
        (
            "x: 1\r\napi:\r\n  a: 1",
            "x: 1\r\napi:\r\n  a: 1\r\n  autoscaling:\r\n    minReplicas: 5\r\n    maxReplicas: 10",
        ),
        (
            "\u{feff}api:\n  a: 1\n",
            "\u{feff}api:\n  a: 1\n  autoscaling:\n    minReplicas: 5\n    maxReplicas: 10\n",
        ),
        ("\u{feff}", "\u{feff}api:\n  autoscaling:\n    minReplicas: 5\n    maxReplicas: 10\n"),
    ];
    for (before, after) in cases {
        becomes(before, &both, after);
    }
}

#[test]
fn a_merged_value_is_overridden_in_its_own_mapping_and_the_shared_one_stays() {
    becomes(
        "base: &base\n  replicaCount: 3\n  image: a\napi:\n  <<: *base   # as all\nworker: *base\n",
        &[count("api.replicaCount", 3, 5)],
        "base: &base\n  replicaCount: 3\n  image: a\napi:\n  <<: *base   # as all\n  replicaCount: 5\nworker: *base\n",
    );
    becomes(
        "base: &base {replicaCount: 3}\napi: {<<: [*base, {replicaCount: 9}]}\n",
        &[count("api.replicaCount", 3, 5)],
        "base: &base {replicaCount: 3}\napi: {<<: [*base, {replicaCount: 9}], replicaCount: 5}\n",
    );
    // an alias as the value itself: this one is written out
    becomes(
        "n: &n 3\napi:\n  replicaCount: *n  # all\n",
        &[count("api.replicaCount", 3, 5)],
        "n: &n 3\napi:\n  replicaCount: 5  # all\n",
    );
    // an anchored mapping that is merged elsewhere, where the other has a value of its own
    becomes(
        "api: &api\n  replicaCount: 3\nworker:\n  <<: *api\n  replicaCount: 1\n",
        &[count("api.replicaCount", 3, 5)],
        "api: &api\n  replicaCount: 5\nworker:\n  <<: *api\n  replicaCount: 1\n",
    );
}

#[test]
fn what_others_share_is_refused_by_name_and_line() {
    refused(
        "small: &small\n  limits: {memory: 512Mi}\napi:\n  resources: *small\n",
        &[memory("api.resources.limits.memory", 512, 1024)],
        4,
        "`api.resources` is `*small`, an alias of line 1: a change there is one for all who use it",
    );
    refused(
        "api:\n  resources: &small\n    limits: {memory: 512Mi}\nworker:\n  resources: *small\n",
        &[memory("api.resources.limits.memory", 512, 1024)],
        3,
        "`api.resources` is `&small`, and `worker.resources.limits.memory` would change with it",
    );
    refused(
        "api:\n  replicaCount: &n 3\nworker:\n  replicaCount: *n\n",
        &[count("api.replicaCount", 3, 5)],
        2,
        "`api.replicaCount` is `&n`, and `worker.replicaCount` would change with it",
    );
    refused(
        "base: &base\n  autoscaling: {enabled: true, minReplicas: 3, maxReplicas: 9}\napi:\n  <<: *base\n",
        &[min()],
        4,
        "`api.autoscaling` is merged in: one of its own would hide the merged `enabled`, `maxReplicas`",
    );
}

#[test]
fn what_leaves_a_doubt_is_refused_by_name_and_line() {
    let one = [count("api.replicaCount", 3, 5)];
    let cases = [
        (
            "api:\n  replicaCount: 3\n  replicaCount: 4\n",
            3,
            "`replicaCount` stands a second time, after line 2",
        ),
        ("a: {b: 1, b: 2}\n", 1, "`b` stands a second time, after line 1"),
        (
            "b: &b {min: 12}\napi:\n  min: 3\n  <<: *b\n",
            4,
            "`<<` merges in `min`, which stands before it, on line 3",
        ),
        (
            "b: &b {min: 12}\nc: &c {<<: *b}\napi: {min: 3, <<: [{}, *c]}\n",
            3,
            "`<<` merges in `min`, which stands before it, on line 3",
        ),
        (
            "api:\n  replicaCount: 3\n---\napi: {}\n",
            3,
            "a second document begins, and Helm reads one",
        ),
        (
            "api:\n  replicaCount: {{ .Values.n }}\n",
            2,
            "the braces `{{ }}` of a template stand outside of quotes",
        ),
        (
            "{{- if .Values.x }}\napi: 1\n{{- end }}\n",
            1,
            "the braces `{{ }}` of a template stand outside of quotes",
        ),
        ("[a]: 1\n", 1, "a key is a list"),
        ("api:\n  replicaCount: !!str 3\n", 2, "`api.replicaCount` has the tag `!!str`"),
        ("api: !mine\n  replicaCount: 3\n", 2, "`api` has the tag `!mine`"),
        ("api: small\n", 1, "`api` is a single value where a mapping is needed"),
        ("api: [1]\n", 1, "`api` is a list where a mapping is needed"),
        ("- 1\n", 1, "`the file` is a list where a mapping is needed"),
        (
            "api:\n  replicaCount: {a: 1}\n",
            2,
            "`api.replicaCount` is a mapping where one value is needed",
        ),
        (
            "api:\n  replicaCount: >-\n    3\n",
            3,
            "`api.replicaCount` is a block of text where one value is needed",
        ),
        ("api:\n  replicaCount: many\n", 2, "`api.replicaCount`: `many` is not a whole number"),
        (
            "api:\n  replicaCount: \"{{ .Values.n }}\"\n",
            2,
            "`api.replicaCount`: `{{ .Values.n }}` is not a whole number",
        ),
        ("api:\n  replicaCount: 010\n", 2, "`api.replicaCount`: `010` is not a whole number"),
        ("api:\n  replicaCount: 3.0\n", 2, "`api.replicaCount`: `3.0` is not a whole number"),
        ("api:\n  replicaCount: &n\n", 2, "`api.replicaCount` has an anchor and no value"),
        (
            "? api\n: ? replicaCount\n",
            2,
            "the way in which the keys around `api.replicaCount` are written leaves no sure place for an edit",
        ),
    ];
    for (text, line, message) in cases {
        refused(text, &one, line, message);
    }
    // an edit above it moves the lines, and the file's own are named
    let two = [count("a.replicaCount", 3, 5), count("api.replicaCount", 3, 5)];
    refused(
        "a: {}\nb: &b {}\napi: *b\n",
        &two,
        3,
        "`api` is `*b`, an alias of line 2: a change there is one for all who use it",
    );
    // what the edit would break is not called a fault of the file
    refused(
        "---\n...\n",
        &one,
        1,
        "the way in which the keys around `api.replicaCount` are written leaves no sure place for an edit",
    );
    for text in ["a: [\n", "a:\n\tb: 1\n", "a: *nobody\n", "a: 'x\n"] {
        let fault = edit(text, &one).unwrap_err();
        assert!(matches!(fault, Fault::NotYaml { line: Some(_), .. }), "{text}: {fault}");
    }
    let twice = [count("api.replicaCount", 3, 5), count("api.replicaCount", 3, 6)];
    assert!(matches!(edit("", &twice), Err(Fault::Disputed { .. })));
}

#[test]
fn a_block_of_text_that_the_file_ends_in_keeps_its_end() {
    // readers differ on these: a text without a line break at the end of the file has none to Helm, and one to others
    let below = [
        ("b: 1\nrun: |\n  x", 3),
        ("b: 1\nrun: >\n  x\n  y  ", 3),
        ("b: 1\nrun: |+\n  x\n\n  ", 3),
        ("b: 1\nruns:\n- a\n- |\n  x", 5),
        ("api:\n  b: 1\n  run: |2\n     x", 4),
    ];
    for (text, line) in below {
        refused(
            text,
            &[min()],
            line,
            "`api.autoscaling.minReplicas` would stand below a block of text that the file ends in without a line break, and would add one to it",
        );
    }
    let keys = "\napi:\n  autoscaling:\n    minReplicas: 5";
    for (text, end) in [("b: 1\nrun: |-\n  x", ""), ("run: |", ""), ("run: |\n  x\n", "\n")] {
        becomes(text, &[min()], &format!("{}{keys}{end}", text.trim_end()));
    }
    // what stands above it leaves it alone
    let text = |min: u32| format!("api: {{autoscaling: {{minReplicas: {min}}}}}\nrun: |\n  x");
    becomes(&text(3), &[min()], &text(5));
}

#[test]
fn a_file_that_grows_without_end_behind_its_aliases_is_refused() {
    let line = |name: char, of: char| {
        format!("{name}: &{name} [{}]\n", vec![format!("*{of}"); 9].join(","))
    };
    let bomb: String = ('b'..='h').map(|name| line(name, char::from(name as u8 - 1))).collect();
    let fault = edit(&format!("a: &a [x]\n{bomb}"), &[min()]).unwrap_err();
    assert!(matches!(fault, Fault::NotYaml { .. }), "{fault}");
    let ring = edit("a: &a\n  b: *a\n", &[min()]).unwrap_err();
    assert!(matches!(ring, Fault::NotYaml { .. }), "{ring}");
}

#[test]
fn a_raise_never_lowers_what_the_file_says_and_a_lowering_never_raises_it() {
    let api = |count: u32| format!("api: {{replicaCount: {count}}}\n");
    let [up, down] = [count("api.replicaCount", 3, 5), count("api.replicaCount", 10, 5)];
    // the plan saw 3: what is below 5 is raised all the same
    becomes(&api(4), std::slice::from_ref(&up), &api(5));
    becomes(&api(8), std::slice::from_ref(&down), &api(5));
    let left = |wanted: &Wanted, says: u32| {
        let text = api(says);
        let edited = edit(&text, std::slice::from_ref(wanted)).unwrap();
        assert_eq!((edited.text, edited.edits), (text, vec![]));
        edited.left
    };
    assert_eq!(
        left(&up, 7),
        ["api.replicaCount 3 -> 5: the file says 7, and a raise lowers nothing"]
    );
    assert_eq!(
        left(&down, 4),
        ["api.replicaCount 10 -> 5: the file says 4, and a lowering raises nothing"]
    );
    assert_eq!(
        left(&down, 12),
        [
            "api.replicaCount 10 -> 5: the file says 12, more than what is in force: a raise that is on its way is not undone"
        ]
    );
    assert_eq!(left(&up, 5), Vec::<String>::new());
    // where nobody knows what is in force it is only raised
    let unknown = Wanted { current: None, ..up };
    assert_eq!(
        left(&unknown, 7),
        ["api.replicaCount ? -> 5: the file says 7, and a raise lowers nothing"]
    );
    // what is merged in counts as what the file says
    let merged = "b: &b {replicaCount: 7}\napi: {<<: *b}\n";
    assert_eq!(edit(merged, &[count("api.replicaCount", 3, 5)]).unwrap().text, merged);
}

#[test]
fn what_the_api_server_would_refuse_is_left() {
    let hpa = |min: u32, max: u32| {
        format!("api:\n  autoscaling: {{minReplicas: {min}, maxReplicas: {max}}}\n")
    };
    let max = |now, then| count("api.autoscaling.maxReplicas", now, then);
    let left = edit(&hpa(3, 4), &[min()]).unwrap();
    assert_eq!(left.text, hpa(3, 4));
    assert_eq!(
        left.left,
        [
            "api.autoscaling.minReplicas 3 -> 5: `api.autoscaling.maxReplicas` is 4 in the file, below it"
        ]
    );
    becomes(&hpa(3, 4), &[min(), max(4, 10)], &hpa(5, 10));
    let left = edit(&hpa(8, 20), &[max(20, 6)]).unwrap();
    assert_eq!(
        left.left,
        [
            "api.autoscaling.maxReplicas 20 -> 6: `api.autoscaling.minReplicas` is 8 in the file, above it"
        ]
    );
    // the file's maximum stays at 4, and so the minimum stays too
    let both = edit(&hpa(3, 4), &[min(), max(20, 6)]).unwrap();
    assert_eq!((both.text.as_str(), both.left.len()), (hpa(3, 4).as_str(), 2));
    // a request above a limit that only the file knows
    let cores = "api:\n  resources:\n    requests: {cpu: 400m}\n    limits: {cpu: \"0.5\"}\n";
    let left = edit(cores, &[cpu("api.resources.requests.cpu", 400, 600)]).unwrap();
    assert_eq!(
        left.left,
        [
            "api.resources.requests.cpu 400m -> 600m: `api.resources.limits.cpu` is 500m in the file, below it"
        ]
    );
}

#[test]
fn a_lowering_does_not_cross_a_bound_of_the_file_either() {
    let lowered =
        [count("api.autoscaling.minReplicas", 5, 3), count("api.autoscaling.maxReplicas", 10, 5)];
    // a minimum of 3 would be added above it
    let two = "api:\n  autoscaling:\n    maxReplicas: 2\n";
    let left = edit(two, &lowered).unwrap();
    assert_eq!(left.text, two);
    assert_eq!(
        left.left,
        [
            "api.autoscaling.minReplicas 5 -> 3: `api.autoscaling.maxReplicas` is 2 in the file, below it",
            "api.autoscaling.maxReplicas 10 -> 5: the file says 2, and a lowering raises nothing",
        ]
    );
    let crossed = "api:\n  autoscaling:\n    minReplicas: 5\n    maxReplicas: 2\n";
    assert_eq!(edit(crossed, &lowered).unwrap().text, crossed);
    let limits = "api:\n  resources:\n    limits: {memory: 100Mi, cpu: 100m}\n";
    let requests = [
        memory("api.resources.requests.memory", 512, 256),
        cpu("api.resources.requests.cpu", 500, 250),
    ];
    let left = edit(limits, &requests).unwrap();
    assert_eq!((left.text.as_str(), left.left.len()), (limits, 2));
    // what stands there and is no number may be anything
    let odd = "api:\n  autoscaling:\n    maxReplicas: \"{{ .most }}\"\n";
    let left = edit(odd, &lowered[..1]).unwrap();
    assert_eq!(left.text, odd);
    assert!(left.left[0].contains("its other bound is not known: `api.autoscaling.maxReplicas`"));
}

#[test]
fn whatever_a_file_says_no_edit_leaves_its_bounds_crossed() {
    let line = |key: &str, value: u32| match value {
        0 => String::new(),
        value => format!("    {key}: {value}\n"),
    };
    let plans = [(5, 3, 10, 5), (3, 5, 5, 10), (3, 5, 10, 6), (5, 3, 6, 10), (2, 2, 9, 4)];
    for (min, max) in (0..12).flat_map(|min| (0..12).map(move |max| (min, max))) {
        let bounds = line("minReplicas", min) + &line("maxReplicas", max);
        let file = format!("api:\n  autoscaling:\n    enabled: true\n{bounds}");
        for (min_now, min_then, max_now, max_then) in plans {
            let wanted = [
                count("api.autoscaling.minReplicas", min_now, min_then),
                count("api.autoscaling.maxReplicas", max_now, max_then),
            ];
            let done = edit(&file, &wanted).unwrap();
            let after = &read(&done.text)["api"]["autoscaling"];
            let [least, most] = ["minReplicas", "maxReplicas"].map(|key| after[key].as_u64());
            let crossed = least.zip(most).is_some_and(|(least, most)| least > most);
            assert!(done.edits.is_empty() || !crossed, "{file}{wanted:?}\n{}", done.text);
        }
    }
}

#[test]
fn the_proof_sees_whatever_went_astray() {
    let before = read("api: {replicaCount: 3, image: a}\nlist: [1, {x: 2}]\n");
    let wanted = count("api.replicaCount", 3, 5);
    let astray = |after: &str| proof::astray(&before, after, &[&wanted]).unwrap();
    assert_eq!(astray("api: {image: a, replicaCount: 5}\nlist: [1, {x: 2}]\n"), None);
    for (after, path) in [
        ("api: {replicaCount: 3, image: a}\nlist: [1, {x: 2}]\n", "api.replicaCount"),
        ("api: {replicaCount: \"5\", image: a}\nlist: [1, {x: 2}]\n", "api.replicaCount"),
        ("api: {replicaCount: 5}\nlist: [1, {x: 2}]\n", "api.image"),
        ("api: {replicaCount: 5, image: a, y: ~}\nlist: [1, {x: 2}]\n", "api.y"),
        ("api: {replicaCount: 5, image: a}\nlist: [1, {x: 3}]\n", "list[1].x"),
        ("api: {replicaCount: 5, image: a}\nlist: [1]\n", "list"),
    ] {
        assert_eq!(astray(after).as_deref(), Some(path), "{after}");
    }
}

#[test]
fn names_cannot_add_keys() {
    let odd = Wanted { path: vec!["a: {}\nevil".to_owned(), "on".to_owned()], ..min() };
    let text = edited("x: 1\n", std::slice::from_ref(&odd));
    assert_eq!(read(&text), json!({"x": 1, "a: {}\nevil": {"on": 5}}));
    let text = edited("{x: 1}\n", &[odd]);
    assert_eq!(read(&text), json!({"x": 1, "a: {}\nevil": {"on": 5}}));
}

/// A block mapping as people write them, with comments, blank lines, lists and odd spacing, two levels deep.
fn mapping(depth: usize, indent: usize) -> BoxedStrategy<String> {
    let pad = " ".repeat(indent);
    let scalar = prop_oneof![
        Just("3".to_owned()),
        Just("\"4\"".to_owned()),
        Just("'x y'".to_owned()),
        Just("word  # said".to_owned()),
        Just("[1, {a: b}]".to_owned()),
        Just("{}".to_owned()),
        Just("{a: 1, minReplicas: 2}  # in braces".to_owned()),
        Just(String::new()),
        Just("~".to_owned()),
        Just(format!("|\n{pad}  # text")),
        Just(format!(">-\n{pad}  folded\n\n{pad}  text")),
        Just(format!("\n{pad}  - one\n{pad}  - two: 2")),
    ];
    let key = prop_oneof![
        Just("api"),
        Just("worker"),
        Just("autoscaling"),
        Just("minReplicas"),
        Just("image"),
        Just("\"replicaCount\"")
    ];
    let value = if depth == 0 {
        scalar.boxed()
    } else {
        let step = prop_oneof![Just(2usize), Just(4)];
        let inner = step.prop_flat_map(move |step| mapping(depth - 1, indent + step));
        prop_oneof![1 => scalar, 2 => inner.prop_map(|inner| format!("\n{}", inner.trim_end()))]
            .boxed()
    };
    let noise = prop_oneof![Just(""), Just("# a word\n"), Just("\n\n"), Just("      # far in\n")];
    let entry = (noise, key, value);
    proptest::collection::vec(entry, 1..4)
        .prop_map(move |entries| {
            let mut seen = std::collections::BTreeSet::new();
            let own = entries.into_iter().filter(|(_, key, _)| seen.insert(*key));
            own.map(|(noise, key, value)| format!("{noise}{pad}{key}: {value}\n")).collect()
        })
        .boxed()
}

proptest! {
    #[test]
    fn only_the_wanted_values_change(text in mapping(2, 0), crlf: bool, cut: bool) {
        let text = if crlf { text.replace('\n', "\r\n") } else { text };
        let text = if cut { text.trim_end().to_owned() } else { text };
        let wanted = [min(), count("worker.replicaCount", 2, 4), memory("api.image.limits.memory", 512, 1024)];
        let Ok(before) = serde_saphyr::from_str::<Value>(&text) else { return Ok(()) };
        let after = match edit(&text, &wanted) {
            Ok(after) => after,
            Err(fault) => {
                prop_assert!(!matches!(fault, Fault::Elsewhere { .. } | Fault::OddPlace { .. } | Fault::NotYaml { .. }), "{fault}\n{text}");
                return Ok(());
            }
        };
        let mut expected = before;
        for done in &after.edits {
            let mut at = &mut expected;
            for key in done.path.split('.') {
                if at.is_null() { *at = json!({}); }
                at = at.as_object_mut().unwrap().entry(key).or_insert(Value::Null);
            }
            *at = match done.after { Amount::Count(count) => json!(count), other => json!(other.to_string()) };
        }
        prop_assert_eq!(read(&after.text), expected, "{}", after.text);
        // an edit touches at most the line of its own key, and no comment
        let [old, new]: [Vec<&str>; 2] = [&text, &after.text].map(|text| text.lines().collect());
        let diff = similar::TextDiff::from_slices(&old, &new);
        let gone = diff.iter_all_changes().filter(|one| one.tag() == similar::ChangeTag::Delete).count();
        prop_assert!(gone <= after.edits.len(), "{}", after.text);
        prop_assert_eq!(text.matches('#').count(), after.text.matches('#').count());
        let again = edit(&after.text, &wanted).unwrap();
        prop_assert_eq!(again.text, after.text);
    }

    #[test]
    fn any_text_is_refused_or_edited_once_and_for_all(parts in proptest::collection::vec(proptest::sample::select(PARTS.to_vec()), 0..24)) {
        let text = parts.concat();
        let wanted = [
            count("a.b.minReplicas", 3, 5),
            count("a.b.maxReplicas", 20, 10),
            cpu("a.c.requests.cpu", 500, 2_000),
            memory("a.c.limits.memory", 512, 1_024),
            count("d.replicaCount", 3, 4),
        ];
        if let Ok(edited) = edit(&text, &wanted) {
            prop_assert_eq!(edited.text == text, edited.edits.is_empty());
            let again = edit(&edited.text, &wanted).map_err(|fault| TestCaseError::fail(format!("{fault}\n{text:?}")))?;
            prop_assert_eq!(again.text, edited.text, "{:?}", text);
        }
    }
}

/// Signs and words of YAML that a text is shaken together from.
const PARTS: [&str; 48] = [
    "a",
    "b",
    "c",
    "d",
    "a:",
    "\na:\n  ",
    "\n  b: ",
    "\n  c: ",
    "\nd: ",
    "\n    ",
    "\n  ",
    "\n",
    "minReplicas: ",
    "maxReplicas: ",
    "requests: ",
    "limits: ",
    "cpu: ",
    "memory: ",
    "replicaCount: ",
    "3",
    "20",
    "\"3\"",
    "'512Mi'",
    "500m",
    "~",
    "null",
    "{",
    "}",
    "{}",
    "[",
    "]",
    ", ",
    ": ",
    "- ",
    "? ",
    "&x ",
    "*x",
    "<<: *x",
    "|",
    "|+\n",
    ">-",
    " # c",
    "!t ",
    "---\n",
    "...\n",
    "\r\n",
    "\t",
    "\u{feff}",
];

#[test]
fn what_the_file_switches_off_is_left_and_named() {
    let wanted = [min(), count("api.replicaCount", 3, 5)];
    let left = |file: &str| {
        let done = edit(file, &wanted).unwrap();
        assert!(done.left.is_empty() || done.edits.len() == 1, "{done:?}");
        done.left
    };
    let off = "api:\n  autoscaling:\n    enabled: false\n    minReplicas: 5\n";
    let said = "api.autoscaling.minReplicas 3 -> 5: `api.autoscaling.enabled` is false in the file: nothing renders it";
    assert_eq!(edit(off, &wanted[..1]).unwrap().left, [said]);
    assert_eq!(left(off), [said]);
    let on =
        "base: &base {enabled: yes}\napi:\n  autoscaling:\n    <<: *base\n    minReplicas: 2\n";
    let said = "api.replicaCount 3 -> 5: `api.autoscaling.enabled` is yes in the file: an HPA has the count";
    assert_eq!(left(on), [said]);
    // a chart's own value is not known, and a text is true to a template whatever it says
    for file in ["api: {}\n", "api:\n  autoscaling: {enabled: \"false\"}\n"] {
        assert_eq!(edit(file, &wanted[..1]).unwrap().left, Vec::<String>::new(), "{file}");
    }
}

#[test]
fn keys_in_quotes_get_keys_in_quotes_and_json_stays_json() {
    let wanted = [memory("api.resources.limits.memory", 256, 512), min()];
    let files = [
        r#"{"api": {"image": {"tag": "1"}}}"#,
        "{\n  \"api\": {\n    \"resources\": {},\n    \"autoscaling\": null\n  },\n  \"b\": [1]\n}\n",
        r#"{"api": {"resources": {"limits": {"memory": null}}, "autoscaling": {"minReplicas": 3}}}"#,
        r#"{"api": {"resources": {"limits": {"memory": 1000}}}}"#,
        r#"{"api": {}}"#,
    ];
    for file in files {
        let after = edited(file, &wanted);
        let json: Value =
            serde_json::from_str(&after).unwrap_or_else(|error| panic!("{error}: {after}"));
        assert_eq!(json["api"]["resources"]["limits"]["memory"], "512Mi", "{after}");
        assert_eq!(json["api"]["autoscaling"]["minReplicas"], 5, "{after}");
    }
    let limits = r#""resources": {"limits": {"memory": "512Mi"}}"#;
    becomes(
        r#"{"api": {"image": {"tag": "1"}}}"#,
        &wanted[..1],
        &format!(r#"{{"api": {{"image": {{"tag": "1"}}, {limits}}}}}"#),
    );
    becomes(
        "'api':\n  'port': 1\n",
        &[min()],
        "'api':\n  'port': 1\n  'autoscaling':\n    'minReplicas': 5\n",
    );
    // where the file has both, a key is written as anywhere
    becomes(
        "\"api\":\n  'port': 1\n  a: 1\n",
        &[count("api.replicaCount", 3, 5)],
        "\"api\":\n  'port': 1\n  a: 1\n  replicaCount: 5\n",
    );
    // a word that is no JSON stays one
    becomes(
        "{\"api\": {\"resources\": {\"limits\": {\"memory\": 256Mi}}}}",
        &wanted[..1],
        "{\"api\": {\"resources\": {\"limits\": {\"memory\": 512Mi}}}}",
    );
}

#[test]
fn a_file_that_is_larger_than_is_read_is_said_to_be_large_and_not_to_be_wrong() {
    let mut file = "api: {}\nlist:\n".to_owned();
    file.extend(std::iter::repeat_n("  - 1\n", 600_000));
    let fault = edit(&file, &[min()]).unwrap_err();
    assert!(matches!(fault, Fault::TooLarge { .. }), "{fault}");
    assert!(fault.to_string().contains("larger than is read"), "{fault}");
    assert!(!fault.hint().contains("Helm would not"), "{}", fault.hint());
}

#[test]
fn what_the_file_takes_to_nothing_is_left_and_named() {
    let text = "api: {replicaCount: 0}\nweb: {autoscaling: {minReplicas: 0, maxReplicas: 4}}\n";
    let all = [
        count("api.replicaCount", 2, 4),
        count("web.autoscaling.minReplicas", 2, 3),
        count("web.autoscaling.maxReplicas", 4, 5),
    ];
    let done = edit(text, &all).unwrap();
    assert_eq!(done.text, text.replace("maxReplicas: 4", "maxReplicas: 5"));
    let theirs = "the file says 0, and what somebody scaled to nothing is theirs to wake";
    let left = [
        format!("api.replicaCount 2 -> 4: {theirs}"),
        format!("web.autoscaling.minReplicas 2 -> 3: {theirs}"),
    ];
    assert_eq!(done.left, left);
}

#[test]
fn a_diff_ends_a_name_with_blanks_as_gnu_diff_does() {
    let head = |name: &str| diff(name, "a: 1\n", "a: 2\n").lines().take(2).collect::<String>();
    assert_eq!(head("my values.yaml"), "--- my values.yaml\t+++ my values.yaml\t");
    assert_eq!(head("values.yaml"), "--- values.yaml+++ values.yaml");
}
