#![allow(clippy::unwrap_used)]
use super::*;

const JARVIS: &str = include_str!("../../data/plimsoll.yaml");

fn read(text: &str) -> Result<Settings, ConfigError> {
    parse(text, "plimsoll.yaml", Path::new("/etc/plimsoll"))
}

/// What a change of the example makes of it: the message and the hint.
fn complaint(from: &str, to: &str) -> String {
    assert!(JARVIS.contains(from), "the example holds {from}");
    let error = read(&JARVIS.replacen(from, to, 1)).unwrap_err();
    format!("{error}\n{}", error.hint())
}

#[test]
fn probe() {
    read(JARVIS).unwrap();
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
        "version: 1\n---\nversion: 1\n",
    ] {
        let e = read(text).unwrap_err();
        println!("--- {text:?}\n{e}\n{}", e.hint());
    }
    for (from, to) in [
        ("services:", "serivces:"),
        ("namespace: jarvis", "namespac: jarvis"),
        ("    namespace: jarvis\n", ""),
        ("bearerTokenFile: /var/run/token", "token: abc"),
        ("step: 5m", "step: 5m\n  step: 5m"),
        ("step: 5m", "step: [5m]"),
        ("step: 5m", "step: 5 min"),
        (
            "load: {preset: http_requests_total, selector: {service: jarvis-api}}",
            "load: rps",
        ),
        ("horizon: 7d", "horizon: 7d\n  horizont: 8d"),
        ("redis: 512Mi", "redis: 512M"),
        ("redis: 512Mi", "redis: 512MB"),
        ("redis: 512Mi", "redis: 512"),
        ("api: 3-5", "api: 5-3"),
        ("api: 3-5", "api: 3..5"),
        ("below: 50,", "below: 500,"),
        ("below: 50,", "from: 12, below: 50,"),
        ("below: 50,", "from: 8, below: 50,"),
        ("below: 50,", ""),
        ("below: 50,", "below: nan,"),
        ("api: 10-20", "apo: 10-20"),
        ("timezone: Asia/Tokyo ", "timezone: Asia/Tokio "),
        ("to: 2026-12-03", "to: 2026-12-01"),
        ("from: 2026-12-01", "from: 2026-13-01"),
        ("version: 1", "version: 2"),
        ("version: 1", "version: 1\n  x"),
        ("version: 1", "version: [1"),
        (
            "target: Deployment/jarvis-worker",
            "target: Deployment/jarvis-api",
        ),
        (
            "target: Deployment/jarvis-worker",
            "target: deployment/jarvis-worker",
        ),
        ("target: Deployment/jarvis-worker", "target: null"),
        ("url: http://p", "url: p"),
        ("tiers:  ", "tiers: 5\n    x: "),
        ("- name: jarvis", "- &a\n    name: *b"),
        ("- name: jarvis", "- name: \"jar\\nvis\""),
        ("        target: Deployment/jarvis-api\n", ""),
        ("    url: http://prometheus.monitoring:9090\n", ""),
        ("services:", "sorvices: 5\n\tx:"),
        ("version: 1\n", ""),
        ("volumes: [", "volumes: [~, "),
        ("tiers:  ", "tiers: {table: 1}\n    x: "),
        ("from: 2026-12-01, ", ""),
        ("    load: {", "    loud: {"),
        ("name: Low,", "nome: Low,"),
        ("name: Low,", ""),
    ] {
        println!("--- {to}\n{}", complaint(from, to));
    }
}
