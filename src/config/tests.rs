#![allow(clippy::unwrap_used)]
use super::*;
use crate::service::LoadSource;
use crate::tiers::Size;
use crate::units::{Bytes, Period, Ratio};

const JARVIS: &str = include_str!("../../tests/cmd/settings/sound.yaml");

fn read(text: &str) -> Result<Settings, ConfigError> {
    parse(text, "plimsoll.yaml", Path::new("data"))
}

/// The example with one change, which must be refused: the message, then the hint.
fn complaint(from: &str, to: &str) -> String {
    assert!(JARVIS.contains(from), "the example holds {from}");
    let error = read(&JARVIS.replacen(from, to, 1)).unwrap_err();
    format!("{error}\n{}", error.hint())
}

/// Each change of the example gives exactly this message and this hint.
fn complains(cases: &[(&str, &str, &str)]) {
    for (from, to, expected) in cases {
        assert_eq!(complaint(from, to), *expected, "{from} -> {to}");
    }
}

#[test]
fn the_example_is_read_in_full() {
    let settings = read(JARVIS).unwrap();
    assert_eq!(settings.calendar.zone.iana_name(), Some("Asia/Tokyo"));
    // midnight in Tokyo is 15:00 UTC of the day before
    let launch = &settings.calendar.events[0];
    assert_eq!(launch.from.to_string(), "2026-11-30T15:00:00Z");
    assert_eq!(launch.to.to_string(), "2026-12-02T15:00:00Z");
    assert_eq!(settings.history.step, Period(300));
    assert_eq!(settings.history.store, Path::new("data/.plimsoll/history"));
    let prometheus = settings.history.prometheus.unwrap();
    assert_eq!(prometheus.url, "http://prometheus.monitoring:9090");
    assert_eq!(prometheus.bearer_token_file.as_deref(), Some(Path::new("/var/run/token")));
    let service = &settings.services[0];
    assert!(matches!(&service.load, LoadSource::Preset { name: Some(name), selector }
        if name == "http_requests_total" && selector["service"] == "jarvis-api"));
    assert_eq!(service.objectives.error_rate, Ratio(0.01));
    assert_eq!(service.objectives.severity2_p99_s.to_string(), "5");
    let names: Vec<&str> = service.components.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["api", "worker", "redis"]);
    assert_eq!(service.components[0].current.max_replicas, Some(5));
    assert_eq!(service.components[2].current.memory_limit, Some(Bytes(512 << 20)));
    assert_eq!(service.components[2].target.to_string(), "StatefulSet/jarvis-redis-master");
    assert!(settings.warnings.is_empty());
}

#[test]
fn the_settings_of_the_demo_hold() {
    let settings = load(Path::new("data/plimsoll.yaml")).unwrap();
    assert_eq!(settings.services[0].name, "jarvis");
    assert!(settings.warnings.is_empty());
}

#[test]
fn load_on_a_boundary_belongs_to_the_upper_row() {
    let settings = read(JARVIS).unwrap();
    let tiers = &settings.services[0].tiers;
    let row = |load: f64| tiers.row(load).name.as_str();
    assert_eq!([9.999, 10.0, 49.999].map(row), ["Low", "Medium", "Medium"]);
    assert_eq!([50.0, 199.999, 200.0, 1e9].map(row), ["High", "High", "Peak", "Peak"]);
    assert_eq!(tiers.size(1, "api"), Some(Size::Replicas { min: 3, max: 5 }));
}

#[test]
fn the_runbook_gives_the_same_table_as_the_rows() {
    let rows = read(JARVIS).unwrap();
    let start = JARVIS.find("    tiers:").unwrap();
    let end = JARVIS.find("    components:").unwrap();
    let text =
        format!("{}    tiers: {{markdown: operations.md}}\n{}", &JARVIS[..start], &JARVIS[end..]);
    let runbook = read(&text).unwrap();
    assert_eq!(runbook.services[0].tiers, rows.services[0].tiers);
}

#[test]
fn the_hash_follows_the_runbook_as_well_as_the_settings() {
    let folder = tempfile::tempdir().unwrap();
    let runbook = include_str!("../../data/operations.md");
    let start = JARVIS.find("    tiers:").unwrap();
    let end = JARVIS.find("    components:").unwrap();
    let text = format!("{}    tiers: {{markdown: run.md}}\n{}", &JARVIS[..start], &JARVIS[end..]);
    let hash = |runbook: &str| {
        std::fs::write(folder.path().join("run.md"), runbook).unwrap();
        parse(&text, "plimsoll.yaml", folder.path()).unwrap().hash
    };
    let before = hash(runbook);
    assert_eq!(before.len(), 12);
    assert_eq!(hash(runbook), before);
    assert_ne!(hash(&runbook.replace("256Mi", "257Mi")), before);
}

#[test]
fn the_least_that_is_needed_is_enough() {
    let settings = read(
        "version: 1\nservices:\n  - name: a\n    namespace: b\n    load: {query: rps}\n    tiers: [{name: Any, api: 2-4}]\n    components: {api: {target: Deployment/a}}\n",
    )
    .unwrap();
    assert_eq!(settings.history.lookback, Period(8 * Period::WEEK.0));
    assert_eq!(settings.policy, Policy::default());
    assert_eq!(settings.services[0].objectives.p99_s.to_string(), "2");
    assert_eq!(settings.calendar.zone, jiff::tz::TimeZone::UTC);
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_key_that_was_meant() {
    complains(&[
        (
            "services:",
            "serivces:",
            "unknown key `serivces` in `plimsoll.yaml`, line 16\ndid you mean `services`?",
        ),
        (
            "namespace: jarvis",
            "namespac: jarvis",
            "unknown key `services[0].namespac` in `plimsoll.yaml`, line 18\ndid you mean `namespace`?",
        ),
        (
            "horizon: 7d",
            "xyz: 7d",
            "unknown key `policy.xyz` in `plimsoll.yaml`, line 51\nknown here: `risk`, `horizon`, `outlook`, `hysteresis`, `dwell`, `maxStep`, `minCoverage`, `minHistory`, `maxAge`, `maxPlanAge`, `cooldown`, `freeze`",
        ),
        (
            "bearerTokenFile: /var/run/token",
            "token: abc",
            "unknown key `history.prometheus.token` in `plimsoll.yaml`, line 10\nsecrets never stand in settings: put it in a file and name that in `bearerTokenFile:`",
        ),
    ]);
}

#[test]
fn a_missing_or_doubled_key_is_named_with_its_path() {
    complains(&[
        (
            "    namespace: jarvis\n",
            "",
            "missing key `services[0].namespace` in `plimsoll.yaml`, line 17\nadd `namespace:`",
        ),
        (
            "        target: Deployment/jarvis-api\n",
            "",
            "missing key `services[0].components.api.target` in `plimsoll.yaml`, line 30\nadd `target:`",
        ),
        (
            "    url: http://prometheus.monitoring:9090\n",
            "",
            "missing key `history.prometheus.url` in `plimsoll.yaml`, line 8\nadd `url:`",
        ),
        ("version: 1\n", "", "missing key `version` in `plimsoll.yaml`, line 1\nadd `version:`"),
        (
            "tiers:  ",
            "tiers: {table: 1}\n    x: ",
            "missing key `services[0].tiers.markdown` in `plimsoll.yaml`, line 24\nadd `markdown:`",
        ),
        (
            "from: 2026-12-01, ",
            "",
            "missing key `events[0].from` in `plimsoll.yaml`, line 56\nadd `from:`",
        ),
        (
            "step: 5m",
            "step: 5m\n  step: 5m",
            "key `history.step` stands twice in `plimsoll.yaml`, line 13\nkeep one of them",
        ),
        (
            "name: Low,",
            "",
            "`services[0].tiers[0]` has no `name` (`plimsoll.yaml`, line 25)\nadd the row's name: `name: Low`",
        ),
    ]);
}

#[test]
fn a_key_missing_from_the_first_service_is_not_blamed_on_the_second() {
    let second = "    load: {query: rps}\n    tiers: [{name: Any, api: 2}]\n    components: {api: {target: Deployment/b}}\n";
    let text = format!(
        "version: 1\nservices:\n  - name: a\n{second}  - name: b\n    namespace: b\n{second}"
    );
    let error = read(&text).unwrap_err();
    assert_eq!(error.to_string(), "missing key `services[0].namespace` in `plimsoll.yaml`, line 3");
}

#[test]
fn a_value_of_the_wrong_kind_is_named_with_the_kind_it_should_have() {
    complains(&[
        (
            "step: 5m",
            "step: [5m]",
            "`history.step` is not a single value (`plimsoll.yaml`, line 12)\n`plimsoll schema` prints the shape of every key",
        ),
        (
            "load: {preset: http_requests_total, selector: {service: jarvis-api}}",
            "load: rps",
            "`services[0].load` is not a mapping of keys and values (`plimsoll.yaml`, line 20)\n`plimsoll schema` prints the shape of every key",
        ),
        (
            "target: Deployment/jarvis-worker",
            "target: null",
            "`services[0].components.worker.target` has no value (`plimsoll.yaml`, line 37)\nwrite a value, or remove the key",
        ),
        (
            "memory: true ",
            "memory: yes ",
            "`services[0].components.redis.memory`: `yes` is not `true` or `false` (`plimsoll.yaml`, line 43)\nwrite `true` or `false`",
        ),
        (
            "minReplicas: 3",
            "minReplicas: 3.5",
            "`services[0].components.api.current.minReplicas`: `3.5` is not a whole number in range (`plimsoll.yaml`, line 35)\nwrite a whole number from 1 to 150000",
        ),
        (
            "version: 1",
            "version: 2",
            "`version`: `2` is not known (`plimsoll.yaml`, line 3)\nwrite `version: 1`",
        ),
    ]);
}

#[test]
fn text_that_is_no_yaml_is_an_error_with_a_line() {
    for text in [
        "",
        "# x",
        "[]",
        "hello",
        "a: *x",
        "a: &x [*x]",
        "{{{",
        "\u{0}",
        "- - - :",
        "a: [1\nb: 2",
        "\tx: 1",
        "a: .nan",
        "1: 2",
        "? [a]: b",
    ] {
        let error = read(text).unwrap_err();
        let problem = &error.problems()[0];
        assert!(!problem.message.is_empty() && !problem.hint.is_empty(), "{text:?}: {problem}");
    }
    let broken = complaint("version: 1", "version: [1");
    assert!(broken.starts_with("not YAML: ") && broken.contains("line "), "{broken}");
}

#[test]
fn units_are_judged_as_they_are_spelled() {
    complains(&[
        (
            "step: 5m",
            "step: 5 min",
            "`history.step`: `5 min` is not a duration such as `5m`, `36h` or `8w` (`plimsoll.yaml`, line 12)\nwrite `5m`",
        ),
        (
            "step: 5m",
            "step: 7m",
            "`history.step`: `7m` does not divide an hour (`plimsoll.yaml`, line 12)\nwrite a step such as `1m`, `5m` or `15m`",
        ),
        (
            "step: 5m",
            "step: 0s",
            "`history.step`: `0s` is not a duration above zero, such as `5m` (`plimsoll.yaml`, line 12)\nwrite a duration above zero, such as `5m`",
        ),
        (
            "risk: 5%",
            "risk: 5",
            "`policy.risk`: `5` is not a share such as `5%` or `0.05` (`plimsoll.yaml`, line 50)\nwrite a share such as `5%` or `0.05`",
        ),
        (
            "risk: 5%",
            "risk: 0",
            "`policy.risk`: `0%` is out of range (`plimsoll.yaml`, line 50)\nwrite a share from `0.1%` to `50%`",
        ),
        (
            "redis: 512Mi",
            "redis: 512M",
            "tier `Medium`: `redis: 512M` is decimal, the other rows are binary (`plimsoll.yaml`, line 26)\nwrite `512Mi`",
        ),
        (
            "redis: 512Mi",
            "redis: 512MB",
            "tier `Medium`: `redis: 512MB` is not a memory quantity (`plimsoll.yaml`, line 26)\nwrite `512Mi`",
        ),
        (
            "redis: 512Mi",
            "redis: 512",
            "tier `Medium`: `redis: 512` is less than 1Mi (`plimsoll.yaml`, line 26)\nwrite `512Mi`",
        ),
        (
            "redis: 512Mi",
            "redis: 1e99",
            "tier `Medium`: `redis: 1e99` is not a memory quantity (`plimsoll.yaml`, line 26)\nwrite a memory quantity such as `512Mi`",
        ),
        (
            "p99: 2s,",
            "p99: 2,",
            "`services[0].objectives.p99`: `2` is not a latency such as `800ms`, `2s` or `1.5s` (`plimsoll.yaml`, line 22)\nwrite a latency such as `800ms`, `2s` or `1.5s`",
        ),
        (
            "multiply: 1.8",
            "multiply: -1",
            "`events[0].multiply`: `-1` is not a number in range (`plimsoll.yaml`, line 56)\nwrite a number from 0.01 to 100, or `last`",
        ),
        (
            "multiply: 1.8",
            "multiply: .nan",
            "`events[0].multiply`: `.nan` is not a number in range (`plimsoll.yaml`, line 56)\nwrite a number from 0.01 to 100, or `last`",
        ),
    ]);
    // 36 hours stay 36 hours
    let settings = read(&JARVIS.replacen("horizon: 7d", "horizon: 36h", 1)).unwrap();
    assert_eq!(settings.policy.horizon, Period(129_600));
    let settings = read(&JARVIS.replacen("risk: 5%", "risk: 0.05", 1)).unwrap();
    assert_eq!(settings.policy.risk, Ratio(0.05));
}

#[test]
fn a_table_that_does_not_hold_is_refused_with_the_row() {
    complains(&[
        (
            "api: 3-5",
            "api: 5-3",
            "tier `Medium`: `api: 5-3` is inverted (`plimsoll.yaml`, line 26)\nwrite `3-5`",
        ),
        (
            "api: 3-5",
            "api: 0-5",
            "tier `Medium`: `api: 0-5` gives no replica (`plimsoll.yaml`, line 26)\nwrite at least 1",
        ),
        (
            "api: 3-5",
            "api: 3-5000000000",
            "tier `Medium`: `api: 3-5000000000` is not a number of replicas (`plimsoll.yaml`, line 26)\nwrite a whole number or a range such as `3-5`, up to 150000",
        ),
        (
            "api: 3-5,  ",
            "",
            "tier `Medium` does not size `api` (`plimsoll.yaml`, line 26)\nadd its size: `api: 2`",
        ),
        (
            "below: 50,",
            "from: 12, below: 50,",
            "no row holds from 10 to 12 rps: there is a gap before `Medium` (`plimsoll.yaml`, line 26)\nlet `Medium` begin at 10",
        ),
        (
            "below: 50,",
            "from: 8, below: 50,",
            "rows `Low` and `Medium` overlap from 8 to 10 rps (`plimsoll.yaml`, line 26)\nlet `Low` end where `Medium` begins",
        ),
        (
            "below: 50,",
            "below: 500,",
            "row `High` ends at 200 rps, but the rows before it reach 500 rps (`plimsoll.yaml`, line 27)\norder the rows from the least load to the most: `High` before `Medium`",
        ),
        (
            "below: 50,",
            "",
            "row `Medium` is not the last and does not say where it ends (`plimsoll.yaml`, line 26)\nadd `below:` with the load at which the next row begins",
        ),
        (
            "name: Peak, ",
            "name: Peak, below: 900, ",
            "no row holds from 900 rps up: the last row `Peak` ends there (`plimsoll.yaml`, line 28)\nleave the last row open: `> 200`, or no `below:`",
        ),
        (
            "name: Peak",
            "name: High",
            "row `High` stands twice (first on line 27) (`plimsoll.yaml`, line 28)\ngive each row a name of its own",
        ),
        (
            "below: 10,",
            "below: 0,",
            "row `Low`: its range 0-0 rps is inverted or empty (`plimsoll.yaml`, line 25)\nlet it end above its begin",
        ),
        (
            "below: 50,",
            "below: nan,",
            "`services[0].tiers[1].below`: `nan` is not a number in range (`plimsoll.yaml`, line 26)\nwrite a number from 0 to 1000000000",
        ),
    ]);
}

#[test]
fn columns_and_components_are_the_same() {
    complains(&[
        (
            "api: 10-20",
            "apo: 10-20",
            "`services[0].tiers`: `apo` is not one of `components` (`plimsoll.yaml`, line 28)\ndid you mean `api`?",
        ),
        (
            "      worker:\n",
            "      woker:\n",
            "`services[0].tiers`: `worker` is not one of `components` (`plimsoll.yaml`, line 25) (and 1 more problem)\ndid you mean `woker`?",
        ),
        (
            "target: Deployment/jarvis-worker",
            "target: Deployment/jarvis-api",
            "target `Deployment/jarvis-api in jarvis` stands twice (first on line 31) (`plimsoll.yaml`, line 37)\nlet one component size one object: two would contradict each other",
        ),
    ]);
}

#[test]
fn a_row_that_gives_less_is_a_warning_and_the_table_still_loads() {
    let settings = read(&JARVIS.replacen("redis: 1Gi", "redis: 256Mi", 1)).unwrap();
    let warning = &settings.warnings[0];
    assert_eq!(
        warning.to_string(),
        "tier `High` gives `redis` 256Mi, less than `Medium` with 512Mi (`plimsoll.yaml`, line 27)"
    );
    assert_eq!(settings.services[0].tiers.rows.len(), 4);
}

#[test]
fn what_could_reach_promql_yaml_or_html_as_code_is_refused() {
    for (from, to) in [
        ("- name: jarvis", "- name: 'a|b'"),
        ("- name: jarvis", "- name: \"jar\\nvis\""),
        ("- name: jarvis", "- name: ../etc"),
        ("namespace: jarvis", "namespace: 'jarvis\"}'"),
        ("selector: {service: jarvis-api}", "selector: {service: 'a\"} or up{x=\"'}"),
        ("selector: {service: jarvis-api}", "selector: {'a=\"b\",x': c}"),
        ("selector: {service: jarvis-api}", "selector: {}"),
        ("preset: http_requests_total", "preset: 'up or vector(0)'"),
        ("helm: redis.master", "helm: 'redis: {x}'"),
        ("container: redis", "container: 'a b'"),
        ("name: Low", "name: 'Low | <script>'"),
        ("name: Low", "name: '{{ .Values }}'"),
        ("name: product launch", "name: '`rm`'"),
        ("data-jarvis-postgresql-0", "'../x'"),
        ("      api:\n", "      'a b':\n"),
        ("store: .plimsoll/history", "store: ~/history"),
        ("store: .plimsoll/history", "store: '${HOME}/history'"),
        ("X-Scope-OrgID: jarvis", "Authorization: Bearer x"),
        ("X-Scope-OrgID: jarvis", "\"X-A\\r\\nB\": c"),
        ("X-Scope-OrgID: jarvis", "X-A: \"b\\r\\nc: d\""),
        ("http://prometheus", "http://me:secret@prometheus"),
        ("http://prometheus.monitoring:9090", "ftp://prometheus"),
        ("http://prometheus.monitoring:9090", "'http://prometheus:9090/?x=y'"),
        ("http://prometheus.monitoring:9090", "'http://'"),
        ("timezone: Asia/Tokyo", "timezone: ../../etc/passwd"),
    ] {
        complaint(from, to);
    }
    let secret = complaint("http://prometheus", "http://me:hunter2@prometheus");
    assert!(!secret.contains("hunter2"), "{secret}");
}

#[test]
fn names_and_times_are_checked_against_what_they_name() {
    complains(&[
        (
            "timezone: Asia/Tokyo",
            "timezone: Asia/Tokio",
            "`timezone`: `Asia/Tokio` is not known (`plimsoll.yaml`, line 4)\ndid you mean `Asia/Tokyo`?",
        ),
        (
            "to: 2026-12-03",
            "to: 2026-12-01",
            "`events[0]`: `from` (2026-12-01) is not before `to` (2026-12-01) (`plimsoll.yaml`, line 56)\n`to` is the first moment after the event: for one day, write the next day",
        ),
        (
            "from: 2026-12-01",
            "from: 2026-13-01",
            "`events[0].from`: `2026-13-01` is not a date or time (`plimsoll.yaml`, line 56)\nwrite a date such as `2026-12-01`, or RFC 3339 such as `2026-12-01T09:00:00+09:00`",
        ),
        (
            "url: http://prometheus",
            "url: prometheus",
            "`history.prometheus.url`: `prometheus.monitoring:9090` has no `http://` or `https://` (`plimsoll.yaml`, line 9)\nwrite `http://prometheus.monitoring:9090`",
        ),
        (
            "target: Deployment/jarvis-worker",
            "target: deployment/jarvis-worker",
            "`services[0].components.worker.target`: kind `deployment` is not known (`plimsoll.yaml`, line 37)\ndid you mean `Deployment/jarvis-worker`?",
        ),
        (
            "target: Deployment/jarvis-worker",
            "target: jarvis-worker",
            "`services[0].components.worker.target`: `jarvis-worker` does not say its kind (`plimsoll.yaml`, line 37)\nwrite `Deployment/jarvis-worker`",
        ),
        (
            "minReplicas: 3",
            "minReplicas: 9",
            "`services[0].components.api.current`: `minReplicas` (9) is above `maxReplicas` (5) (`plimsoll.yaml`, line 35)\nwrite what `kubectl get hpa` shows",
        ),
        (
            "    volumes:",
            "    queries: {api.cpx: up}\n    volumes:",
            "`services[0].queries`: `api.cpx` names no signal (`plimsoll.yaml`, line 47)\ndid you mean `cpu`?",
        ),
        (
            "    volumes:",
            "    queries: {cpu: up}\n    volumes:",
            "`services[0].queries`: `cpu` does not say whose signal it is (`plimsoll.yaml`, line 47)\nwrite `COMPONENT.cpu`, such as `api.cpu`",
        ),
    ]);
    let timed = JARVIS.replacen("from: 2026-12-01", "from: 2026-12-01T09:00:00+09:00", 1);
    let from = read(&timed).unwrap().calendar.events[0].from;
    assert_eq!(from.to_string(), "2026-12-01T00:00:00Z");
}

#[test]
fn every_problem_is_listed_by_line() {
    let text = JARVIS.replacen("risk: 5%", "risk: 500%", 1).replacen("step: 5m", "step: never", 1);
    let error = read(&text).unwrap_err();
    let lines: Vec<_> = error.problems().iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [Some(12), Some(50)]);
    assert!(error.to_string().ends_with("(and 1 more problem)"));
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    let error = load(Path::new("no/such/plimsoll.yaml")).unwrap_err();
    assert_eq!(error.to_string(), "cannot read `no/such/plimsoll.yaml`: there is no such file");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latin.yaml");
    std::fs::write(&path, b"version: 1\n# caf\xe9\n").unwrap();
    let error = load(&path).unwrap_err();
    assert!(error.to_string().contains("not UTF-8 at line 2"), "{error}");
}

#[test]
fn the_schema_knows_every_key_of_the_example_and_refuses_others() {
    let schema = serde_json::to_value(schema()).unwrap();
    let service = &schema["$defs"]["Service"];
    assert_eq!(service["additionalProperties"], false);
    for key in ["name", "namespace", "load", "tiers", "components", "volumes", "objectives"] {
        assert!(service["properties"][key].is_object(), "{key}");
    }
    let required: Vec<&str> =
        service["required"].as_array().unwrap().iter().filter_map(|key| key.as_str()).collect();
    assert_eq!(required, ["name", "namespace", "tiers", "components"]);
}

#[test]
fn deep_and_wide_yaml_is_refused_in_bounded_time() {
    let deep = format!("a: {}{}", "[".repeat(20_000), "]".repeat(20_000));
    let mut laughs = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (name, before) in ["b", "c", "d", "e", "f", "g", "h", "i"]
        .iter()
        .zip(["a", "b", "c", "d", "e", "f", "g", "h"])
    {
        let items = vec![format!("*{before}"); 9].join(", ");
        laughs.extend([name, ": &", name, " [", &items, "]\n"]);
    }
    for text in [deep, "{a: ".repeat(900), laughs] {
        assert!(read(&text).is_err());
    }
}

proptest::proptest! {
    #[test]
    fn no_change_of_the_example_makes_it_panic(
        at in 0..JARVIS.len(),
        length in 0..40usize,
        text in "[-a-z0-9:{}\\[\\],&*!|>'\"%@`#. \n]{0,12}|\\PC{0,6}",
    ) {
        let end = (at + length).min(JARVIS.len());
        if JARVIS.is_char_boundary(at) && JARVIS.is_char_boundary(end) {
            let changed = format!("{}{text}{}", &JARVIS[..at], &JARVIS[end..]);
            if let Err(error) = read(&changed) {
                for problem in error.problems() {
                    proptest::prop_assert!(!problem.hint.is_empty());
                    proptest::prop_assert!(!problem.to_string().contains('\n'), "{problem}");
                }
            }
        }
    }
}

#[test]
fn what_apply_is_allowed_is_read() {
    use crate::service::rules::{Rules, Watch, When};
    assert_eq!(read(JARVIS).unwrap().rules, Rules::default());
    let more = "apply: {takeOver: [helm, argocd-controller], audit: log/audit.jsonl, watch: 20m}\npolicy:\n  cooldown: 2h\n  maxPlanAge: 15m\n  freeze:\n    - {days: [Fri, Sat], from: \"18:00\", to: \"24:00\"}\n    - {name: year's end, from: 2026-12-24, to: 2027-01-04}\n";
    let settings = read(&JARVIS.replacen("policy:\n", more, 1)).unwrap();
    let rules = settings.rules;
    assert_eq!(rules.take_over, ["helm", "argocd-controller"]);
    assert_eq!((rules.cooldown, rules.max_plan_age), (Period(7_200), Period(900)));
    assert_eq!(rules.watch, Watch(Some(Period(1_200))));
    let never = JARVIS.replacen("policy:\n", "apply: {watch: 0}\npolicy:\n", 1);
    assert_eq!(read(&never).unwrap().rules.watch, Watch(None));
    assert_eq!(settings.audit, Path::new("data/log/audit.jsonl"));
    assert_eq!(rules.freeze[0].name, "18:00 to 24:00");
    // midnight in Tokyo
    let from = "2026-12-23T15:00:00Z".parse().unwrap();
    let to = "2027-01-03T15:00:00Z".parse().unwrap();
    assert_eq!(rules.freeze[1].when, When::Once { from, to });
}

#[test]
fn what_the_loop_does_is_read_and_bounded() {
    use crate::service::rules::Rounds;
    assert_eq!(read(JARVIS).unwrap().rounds, Rounds::default());
    let with =
        |run: &str| read(&JARVIS.replacen("policy:\n", &format!("run: {run}\npolicy:\n"), 1));
    let rounds = with("{every: 5m, hold: 1h, apply: true}").unwrap().rounds;
    assert_eq!(rounds, Rounds { every: Period(300), hold: Period::HOUR, apply: true });
    for (run, expected) in [
        ("{evry: 5m}", "did you mean `every`?"),
        ("{every: 1s}", "`run.every`"),
        ("{hold: 0s}", "`run.hold`"),
        ("{apply: yes}", "`run.apply`"),
    ] {
        let error = with(run).unwrap_err();
        let said = format!("{error}\n{}", error.hint());
        assert!(said.contains(expected), "{run}\n{said}");
    }
}

#[test]
fn what_apply_is_allowed_is_never_guessed() {
    let with = |more: &str| {
        let error = read(&JARVIS.replacen("policy:\n", more, 1)).unwrap_err();
        format!("{error}\n{}", error.hint())
    };
    for (more, expected) in [
        ("apply: {takeover: [helm]}\npolicy:\n", "did you mean `takeOver`?"),
        ("apply: {takeOver: [\"*\"]}\npolicy:\n", "`*` is not a manager's name"),
        ("apply: {watch: 2d}\npolicy:\n", "`apply.watch` is out of range"),
        ("policy:\n  coolDown: 1h\n", "did you mean `cooldown`?"),
        (
            "policy:\n  freeze: [{days: [Fry], from: \"18:00\", to: \"24:00\"}]\n",
            "did you mean `Fri`?",
        ),
        (
            "policy:\n  freeze: [{days: [], from: \"18:00\", to: \"24:00\"}]\n",
            "`policy.freeze[0].days` is empty",
        ),
        (
            "policy:\n  freeze: [{days: [Fri], from: \"25:00\", to: \"24:00\"}]\n",
            "is not a time of the day",
        ),
        ("policy:\n  freeze: [{from: 2026-12-24, to: 2026-12-24}]\n", "is not before `to`"),
        ("policy:\n  freeze: [{from: 2026-12-24}]\n", "missing key `policy.freeze[0].to`"),
    ] {
        let said = with(more);
        assert!(said.contains(expected), "{more}\n{said}");
    }
}

#[test]
fn a_name_that_would_make_itself_bold_is_refused() {
    let said = complaint("name: product launch", "name: '**free** pods'");
    assert!(said.contains("`**free** pods` is not a usable name"), "{said}");
}
