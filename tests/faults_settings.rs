//! Settings and tables that are wrong, odd, or hostile, cases 53 to 64: the real binary. What is wrong is named with its
//! line and what to write; what is odd gives no smaller number; what is hostile stays text.
#![allow(clippy::unwrap_used, clippy::panic, dead_code, missing_docs)]
#![allow(clippy::cast_precision_loss)]

#[path = "support/fake.rs"]
mod fake;
#[path = "support/liar.rs"]
mod liar;

use std::path::Path;

use plimsoll::advise::plan::{Action, Amount, Code, ServicePlan, Setting, Severity};
use plimsoll::config;
use plimsoll::history::{Evidence, SeriesKey, Signal, Window};
use plimsoll::units::{Bytes, Millicores, Period};
use pulldown_cmark::{Event, Tag};

use liar::{
    DAY, Desk, Fault, NOW, STEP, Source, World, advice, assessed, find, finding, load, lowered,
    never_lower, settings, settings_text,
};

const NOWHERE: &str = "http://127.0.0.1:9";

/// `plan` with a part of the settings replaced ends with 1, says each of the words, and asks nobody.
fn refused(old: &str, new: &str, words: &[&str]) {
    let told = Desk::new(NOWHERE).edit(old, new).run(&["plan", "--offline"]);
    told.says(1, words);
    assert_eq!(told.stdout, "");
}

/// The load of a world at a steady value with a little life in it: constant to a ten-thousandth.
fn steady(world: World, rps: f64) -> ServicePlan {
    let mut observed = world.observed();
    load(&mut observed).value.fill(rps);
    advice(&observed)
}

#[test]
fn case_53_a_table_with_gaps_overlaps_disorder_or_inverted_ranges_is_refused_with_its_line() {
    let medium = "{name: Medium, below: 50,  api: 3-5,   worker: 2-3,  redis: 512Mi}";
    let with = |old: &str, new: &str| medium.replacen(old, new, 1);
    refused(
        medium,
        &with("below: 50", "from: 12, below: 50"),
        &[
            "error: no row holds from 10 to 12 rps: there is a gap before `Medium` (`plimsoll.yaml`, line 14)",
            "hint: let `Medium` begin at 10",
        ],
    );
    refused(
        medium,
        &with("below: 50", "from: 8, below: 50"),
        &[
            "error: rows `Low` and `Medium` overlap from 8 to 10 rps",
            "hint: let `Low` end where `Medium` begins",
        ],
    );
    refused(
        medium,
        &with("below: 50", "below: 500"),
        &[
            "error: row `High` ends at 200 rps, but the rows before it reach 500 rps",
            "hint: order the rows from the least load to the most",
        ],
    );
    refused(
        medium,
        &with("3-5", "5-3"),
        &["error: tier `Medium`: `api: 5-3` is inverted", "hint: write `3-5`"],
    );
}

#[test]
fn case_54_a_load_on_a_boundary_belongs_to_the_upper_row() {
    for (rps, row) in
        [(9.999, "Low"), (10.0, "Medium"), (49.999, "Medium"), (50.0, "High"), (200.0, "Peak")]
    {
        let plan = steady(World::Busy, rps);
        assert_eq!(plan.tier.unwrap().current, row, "{rps}");
    }
}

#[test]
fn case_55_a_load_that_swings_round_a_boundary_moves_a_setting_at_most_once() {
    let mut observed = World::Quiet.observed();
    let all = load(&mut observed);
    for (at, value) in all.at.iter().zip(&mut all.value) {
        *value = if at / DAY % 2 == 0 { 9.6 } else { 10.4 };
    }
    let settings = settings();
    let mut in_force = None;
    let mut moves = 0;
    // fourteen reviews, a day apart, each followed
    for days in (0..14).rev() {
        let at = liar::day(days);
        let window =
            Window { at, lookback: settings.history.lookback, step: settings.history.step };
        let mut live = std::collections::BTreeMap::new();
        if let Some(count) = in_force {
            let current =
                plimsoll::service::Current { replicas: Some(count), ..Default::default() };
            live.insert("worker".to_owned(), current);
        }
        let service = &settings.services[0];
        let plan = plimsoll::assess(
            service,
            &settings.calendar,
            &settings.policy,
            &window,
            &observed,
            &live,
        )
        .plan;
        let one = find(&plan, "worker", Setting::Replicas).unwrap();
        let target = u32::try_from(one.target.unwrap().figure()).unwrap();
        moves += usize::from(in_force.is_some_and(|before| before != target));
        assert!(target >= 2, "Medium gives two at least");
        in_force = Some(target);
    }
    // six in force; Medium gives 2 + 0.4 / 40 at the planning load, rounded up three; and from there nowhere
    assert_eq!((moves, in_force), (0, Some(3)));
}

#[test]
fn case_56_a_load_above_the_table_is_capped_said_and_shown_uncapped() {
    let plan = steady(World::Busy, 900.0);
    let found = plan.findings.iter().find(|one| one.code == Code::BeyondTable).unwrap();
    assert_eq!(found.severity, Severity::Critical);
    let max = find(&plan, "api", Setting::MaxReplicas).unwrap();
    // High ends with 10 pods at 200 rps: 20 a pod, so 900 rps ask for at least 45; the table ends at 20
    assert!(max.uncapped_target.map(Amount::figure) >= Some(45), "{max:?}");
    assert!(max.reasons.iter().any(|reason| reason.code == Code::BeyondTable), "{max:?}");
    never_lower(World::Busy, &plan);
}

#[test]
fn case_57_unknown_keys_and_units_of_the_other_kind_are_named_with_what_was_meant() {
    refused(
        "  lookback: 8w",
        "  lookbak: 8w",
        &[
            "error: unknown key `history.lookbak` in `plimsoll.yaml`, line 6",
            "hint: did you mean `lookback`?",
        ],
    );
    refused(
        "redis: 512Mi",
        "redis: 512M",
        &["`redis: 512M` is decimal, the other rows are binary", "hint: write `512Mi`"],
    );
    refused(
        "redis: 512Mi",
        "redis: 512mb",
        &["`redis: 512mb` is not a memory quantity", "hint: write `512Mi`"],
    );
    // what Kubernetes reads, as it reads it: k8s.io/apimachinery, resource.ParseQuantity
    for (text, bytes) in [
        ("512M", 512_000_000),
        ("512Mi", 536_870_912),
        ("0.5Gi", 536_870_912),
        ("1e3", 1_000),
        ("129e6", 129_000_000),
        ("128974848", 128_974_848),
        ("100m", 1),
        ("1E", 1_000_000_000_000_000_000),
    ] {
        assert_eq!(text.parse::<Bytes>().unwrap(), Bytes(bytes), "{text}");
    }
    assert_eq!("0.1".parse::<Millicores>().unwrap(), Millicores(100));
    for wrong in ["512 Mi", "512MiB", "512mi", "Mi", "", "-1Mi", "1e", "1.2.3Gi", "0x10", "٣Gi"] {
        assert!(wrong.parse::<Bytes>().is_err(), "{wrong}");
    }
}

#[test]
fn case_58_a_day_and_a_half_is_neither_a_day_nor_two() {
    for (text, seconds) in [
        ("36h", 129_600),
        ("1d12h", 129_600),
        ("90m", 5_400),
        ("8w", 4_838_400),
        ("1y", 31_536_000),
    ] {
        assert_eq!(text.parse::<Period>().unwrap(), Period(seconds), "{text}");
    }
    // what Prometheus refuses: fractions, signs, units out of order or twice
    for wrong in ["1.5d", "-1h", "12h1d", "1h1h", "36", "h", "", "1 h", "999999999999y"] {
        assert!(wrong.parse::<Period>().is_err(), "{wrong}");
    }
    // and what is written is what is asked for: 36 hours of five minutes and both ends
    let source = Source::telling(World::Quiet, Fault::None);
    Desk::new(&source.url).edit("lookback: 8w", "lookback: 36h").run(&["pull"]).says(0, &[]);
    for request in source.ranges() {
        let number = |name| request.param(name).unwrap().parse::<i64>().unwrap();
        assert_eq!((number("end") - number("start")) / STEP, 432);
        assert_eq!(number("end"), NOW);
    }
}

#[test]
fn case_59_zero_negative_and_huge_numbers_are_refused_or_stay_in_bounds() {
    refused("api: 3-5", "api: 0-5", &["`api: 0-5` gives no replica", "hint: write at least 1"]);
    refused("api: 3-5", "api: -3", &["`api: -3`"]);
    refused("api: 3-5", "api: 3-5000000000", &["is not a number of replicas", "up to 150000"]);
    refused("below: 10,", "below: 0,", &["row `Low`: its range 0-0 rps is inverted or empty"]);
    refused("below: 10,", "below: -10,", &["is not a number in range"]);
    refused("below: 10,", "below: 1e400,", &["is not a number in range"]);
    refused("redis: 512Mi", "redis: 99999999999Ei", &["is not a memory quantity"]);
    refused("lookback: 8w", "lookback: 0s", &["`history.lookback`: `0s` is not a duration"]);
    refused("lookback: 8w", "lookback: 900y", &["`history.lookback`"]);
    refused("timeout: 1s", "timeout: 0s", &["`history.prometheus.timeout`"]);
    refused(
        "patience: 1s",
        "patience: 9h",
        &[
            "`history.prometheus.patience`: `9h` is out of range",
            "hint: write a duration from `1s` to `1h`",
        ],
    );
    // a load that no table was made for: whole numbers of replicas inside it, and no overflow
    let huge = steady(World::Busy, 4e9);
    for one in &huge.recommendations {
        assert!(one.target.map(Amount::figure) <= Some(1 << 40), "{one:?}");
    }
    never_lower(World::Busy, &huge);
}

#[test]
fn case_60_a_component_without_metrics_is_skipped_with_the_reason_and_shows_in_the_exit_code() {
    let lost = Fault::Loses(&[
        "worker.replicas",
        "worker.specReplicas",
        "worker.cpuMax",
        "worker.memory",
        "worker.cpuRequest",
        "worker.memoryLimit",
    ]);
    let told = liar::plan(World::Quiet, lost);
    told.says(
        3,
        &[
            "what is in force is not known: set `components.worker.current`",
            "no series for `worker.cpuMax`; this is not zero",
        ],
    );
    let plan = told.plan().unwrap();
    let one = find(&plan, "worker", Setting::Replicas).unwrap();
    assert_eq!((one.action, one.target), (Action::Skipped, None));
    assert!(one.uncapped_target.is_some());
    never_lower(World::Quiet, &plan);
    // the others are advised all the same; whether the worker held the load back is not known, so nothing is lowered
    let action = |component, setting| find(&plan, component, setting).unwrap().action;
    assert_eq!(action("api", Setting::MinReplicas), Action::Keep);
    assert_eq!(action("redis", Setting::Memory), Action::Keep);
}

#[test]
fn case_61_a_row_that_gives_less_for_more_load_never_gives_less() {
    let odd = settings_text("http://localhost").replace("redis: 1Gi", "redis: 256Mi");
    let odd = config::parse(&odd, "test", Path::new(".")).unwrap();
    assert!(
        odd.warnings[0]
            .to_string()
            .contains("tier `High` gives `redis` 256Mi, less than `Medium` with 512Mi")
    );
    let mut observed = World::Busy.observed();
    load(&mut observed).value.fill(100.0);
    let plan = assessed(&odd, &observed).plan;
    let memory = find(&plan, "redis", Setting::Memory).unwrap();
    assert!(memory.uncapped_target.map(Amount::figure) >= Some(512 << 20), "{memory:?}");
    // and whoever runs it is told
    let desk = Desk::new(NOWHERE).edit("redis: 1Gi", "redis: 256Mi");
    desk.run(&["plan", "--offline"])
        .says(3, &["warning: tier `High` gives `redis` 256Mi, less than `Medium`"]);
}

#[test]
fn case_62_two_rules_for_one_workload_are_refused() {
    refused(
        "Deployment/jarvis-worker",
        "Deployment/jarvis-api",
        &[
            "error: target `Deployment/jarvis-api in jarvis` stands twice",
            "hint: let one component size one object: two would contradict each other",
        ],
    );
}

#[test]
fn case_63_history_kept_for_other_settings_is_no_answer_to_these() {
    let source = Source::telling(World::Quiet, Fault::None);
    let desk = Desk::new(&source.url);
    desk.run(&["pull"]).says(0, &[]);
    let before: serde_json::Value =
        serde_json::from_str(&desk.run(&["plan", "--offline", "-o", "json"]).stdout).unwrap();
    // somebody points the selector at another service, and nobody pulls
    let desk = desk.edit("service: jarvis-api", "service: jarvis-web");
    let told = desk.run(&["plan", "--offline", "-o", "json"]);
    told.says(3, &["`load`: what is kept answers another query than that of these settings: run `plimsoll pull`"]);
    never_lower(World::Quiet, &told.plan().unwrap());
    assert_eq!(lowered(&told.plan().unwrap()), 0);
    // and the plan itself says which settings it was made from
    let after: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
    assert_ne!(before["settings"], after["settings"]);
    assert!(before["settings"].as_str().is_some_and(|hash| hash.len() == 12));
}

/// Text that means something to `PromQL`, YAML, Markdown, HTML, a template or a terminal.
const HOSTILE: [&str; 11] = [
    r#"a"} or vector(9) #"#,
    "a|b",
    "{{ .Values.x }}",
    "`rm`",
    "*/ alert(1)",
    "</script><script>alert(1)</script>",
    "a\\nb: c",
    "${HOME}",
    "\\u001b[31m",
    "'; drop",
    "\\u202egpj.exe",
];

#[test]
fn case_64_hostile_names_are_refused_or_stay_text_in_every_form() {
    for text in HOSTILE {
        let quoted = serde_json::Value::from(text)
            .to_string()
            .replace("\\\\u", "\\u")
            .replace("\\\\n", "\\n");
        // where a name ends up in PromQL alone, it is quoted; everywhere else it is refused
        for (old, new) in [
            ("name: jarvis\n", format!("name: {quoted}\n")),
            ("namespace: jarvis", format!("namespace: {quoted}")),
            ("Deployment/jarvis-api", quoted.clone()),
            ("[data-jarvis-postgresql-0]", format!("[{quoted}]")),
            ("      api: {target", format!("      {quoted}: {{target")),
        ] {
            let told = Desk::new(NOWHERE).edit(old, &new).run(&["plan", "--offline"]);
            told.says(1, &["error: ", "\nhint: "]);
            assert!(!told.text().contains('\u{1b}'), "{:?}", told.text());
        }
    }
    // those that are allowed as the title of a row or an event, in every form that a plan has
    let desk = Desk::new(&Source::telling(World::Busy, Fault::None).url)
        .edit("name: High, ", "name: 'High & \"dry\" $(x) *bold* [a](b) #1 ''q''', ");
    desk.run(&["pull"]);
    for form in ["json", "yaml", "csv", "markdown", "table"] {
        let told = desk.run(&["plan", "--offline", "-o", form]);
        told.says(0, &[]);
        match form {
            "json" => drop(serde_json::from_str::<serde_json::Value>(&told.stdout).unwrap()),
            "yaml" => drop(serde_saphyr::from_str::<serde_json::Value>(&told.stdout).unwrap()),
            _ => {}
        }
    }
    desk.run(&["report", "--offline", "--out", "out"]).says(0, &[]);
    let review = std::fs::read_to_string(desk.path("out/report.md")).unwrap();
    let mut seen = pulldown_cmark::Parser::new(&review);
    assert!(!seen.any(|event| matches!(event, Event::Start(Tag::Link { .. } | Tag::Image { .. }))));
    let page = std::fs::read_to_string(desk.path("out/report.html")).unwrap();
    assert!(page.contains("High &amp; &quot;dry&quot;") || page.contains("High &amp; \"dry\""));
    assert!(!page.contains("<script"));
    let overlay = std::fs::read_to_string(desk.path("out/values-capacity.yaml")).unwrap();
    let values: serde_json::Value = serde_saphyr::from_str(&overlay).unwrap();
    assert!(values.is_object() || values.is_null());
    let _ = (finding, Evidence::<()>::NoSeries, SeriesKey::service(Signal::Load));
}
