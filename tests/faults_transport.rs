//! Faults of the source and the way to it, cases 1 to 18: the real binary against a Prometheus that has the whole history
//! of the built-in service and one fault. Retried within a budget, named, or failed; never a smaller number.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, dead_code, missing_docs)]

#[path = "support/fake.rs"]
mod fake;
#[path = "support/liar.rs"]
mod liar;
#[path = "support/real.rs"]
mod real;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use plimsoll::advise::plan::Status;

use liar::{DAY, Desk, Fault, NOW, Source, World, held, lowered, never_lower, plan, raised};
use real::{OpenMetrics, Prometheus, available};

#[test]
fn whole_data_lowers_in_one_world_and_raises_in_the_other_or_the_tests_below_prove_nothing() {
    for world in [World::Quiet, World::Busy] {
        let told = plan(world, Fault::None);
        told.says(0, &[]);
        let whole = told.plan().unwrap();
        // over the wire it is the advice of the pipeline itself
        assert_eq!(&whole, world.whole());
        if world == World::Quiet {
            assert!(lowered(&whole) >= 4 && raised(&whole) == 0, "{:#?}", whole.recommendations);
        } else {
            assert!(raised(&whole) >= 4 && lowered(&whole) == 0, "{:#?}", whole.recommendations);
        }
    }
}

#[test]
fn case_01_a_refused_connection_ends_the_run_and_says_what_to_check() {
    // port 9 is `discard`, which nobody runs
    let told = Desk::new("http://127.0.0.1:9").plan();
    told.says(
        1,
        &[
            "error: `http://127.0.0.1:9` cannot be reached: Connection refused",
            "\nhint: check `history.prometheus.url` (or `--prometheus-url`)",
            "`--offline` works on the local history alone",
        ],
    );
    assert_eq!(told.stdout, "");
}

#[test]
fn case_02_a_source_that_dies_midway_leaves_skips_and_lowers_nothing() {
    let started = Instant::now();
    held(&Fault::DiesAfter(12), 3, &["SOURCE_FAILED"]);
    // a second of patience, twice, and all the rest
    assert!(started.elapsed() < Duration::from_secs(40));
    // and what the person at the terminal is told
    let source = Source::telling(World::Quiet, Fault::DiesAfter(12));
    Desk::new(&source.url).run(&["pull"]).says(3, &[
        "` failed: `http://127.0.0.1:",
        "was given up after 1s without an answer\n  hint: run again when it is back: what came is kept",
    ]);
}

#[test]
fn case_03_a_token_that_expires_during_the_run_is_told_from_one_that_may_not_read() {
    let expired = Fault::Refuses { after: 12, status: "401 Unauthorized", words: "token expired" };
    held(&expired, 3, &["SOURCE_FAILED", "refuses us with 401"]);
    let forbidden = Fault::Refuses { after: 0, status: "403 Forbidden", words: "no" };
    held(
        &forbidden,
        1,
        &["refuses us with 403", "hint: the credentials are known but not allowed"],
    );
    let unknown = Fault::Refuses { after: 0, status: "401 Unauthorized", words: "who" };
    held(&unknown, 1, &["refuses us with 401", "hint: set `bearerTokenFile`"]);
}

#[test]
fn case_04_a_source_that_asks_for_patience_gets_it_and_one_that_asks_too_much_is_left() {
    // in seconds; a date in the past is "now"
    for (status, retry_after) in [
        ("429 Too Many Requests", "0"),
        ("503 Service Unavailable", "Wed, 21 Oct 2015 07:28:00 GMT"),
    ] {
        let busy = Fault::Busy { times: 1, status, retry_after: retry_after.to_owned() };
        let told = plan(World::Quiet, busy);
        told.says(0, &[]);
        assert_eq!(&told.plan().unwrap(), World::Quiet.whole());
    }
    let status = "503 Service Unavailable";
    for retry_after in ["3600", "Fri, 21 Oct 2140 07:28:00 GMT"] {
        let busy = Fault::Busy { times: usize::MAX, status, retry_after: retry_after.to_owned() };
        let started = Instant::now();
        held(&busy, 3, &["SOURCE_FAILED", "answers 503: busy"]);
        assert!(started.elapsed() < Duration::from_secs(30), "nobody waits for hours");
    }
}

#[test]
fn case_05_a_login_page_is_not_a_history() {
    let page = "<!doctype html>\n<title>Sign in</title>";
    let says = "answers 200 with something that is not the Prometheus API: <!doctype html> <title>Sign in</title>";
    held(&Fault::Says { kind: "text/html", text: page }, 3, &[says]);
}

#[test]
fn case_06_an_answer_that_was_cut_or_is_not_compressed_as_it_says_keeps_nothing() {
    held(&Fault::Cut { honest_length: true }, 3, &["SOURCE_FAILED", "the answer cannot be read: "]);
    held(&Fault::Cut { honest_length: false }, 3, &["SOURCE_FAILED"]);
    held(&Fault::CorruptGzip, 3, &["the answer cannot be read: it is not compressed as it says"]);
}

#[test]
fn case_07_an_error_under_http_200_is_an_error() {
    let text =
        r#"{"status":"error","errorType":"execution","error":"a shard is gone","data":null}"#;
    held(
        &Fault::Says { kind: "application/json", text },
        3,
        &["the query was refused (execution): a shard is gone"],
    );
    // and so is an answer with nothing in it, which KEDA takes for zero
    held(&Fault::Says { kind: "application/json", text: "{}" }, 3, &["no `status` in the answer"]);
}

#[test]
fn case_08_a_warning_makes_the_whole_answer_none() {
    held(&Fault::Warns("store 3 is away"), 3, &["the answer is partial: store 3 is away"]);
}

#[test]
fn case_09_nobody_is_asked_for_more_points_than_prometheus_allows() {
    let words = "exceeded maximum resolution of 11,000 points per timeseries";
    let limits = Fault::Limits { points: 11_000, status: "400 Bad Request", words };
    // eight weeks of five minutes are 16,129
    held(&limits, 0, &[]);
}

#[test]
fn a_port_that_speaks_https_is_told_from_a_query_that_is_wrong() {
    for words in [
        "Client sent an HTTP request to an HTTPS server.",
        "<html><h1>400 Bad Request</h1>The plain HTTP request was sent to HTTPS port</html>",
    ] {
        let clear = Fault::Refuses { after: 0, status: "400 Bad Request", words };
        let source = Source::telling(World::Quiet, clear);
        let told = Desk::new(&source.url).run(&["check"]);
        told.says(1, &["speaks https there, and not http", "hint: write `https://` in"]);
    }
}

#[test]
fn case_10_a_limit_on_samples_is_met_with_smaller_questions() {
    let words = "query processing would load too many samples into memory in query execution";
    let status = "422 Unprocessable Entity";
    let source = Source::telling(World::Quiet, Fault::Limits { points: 3_000, status, words });
    let told = Desk::new(&source.url).plan();
    told.says(0, &[]);
    assert_eq!(&told.plan().unwrap(), World::Quiet.whole());
    // where no question is small enough, that is said, with what to do
    let source = Source::telling(World::Quiet, Fault::Limits { points: 1, status, words });
    Desk::new(&source.url).run(&["pull"]).says(
        3,
        &[
            "` failed: too much for one query: query processing would load too many samples",
            "hint: raise `history.step`, select less in `load.selector`, or record the query",
        ],
    );
}

#[test]
fn case_11_what_a_proxy_finds_too_long_for_an_address_is_posted() {
    let source = Source::telling(World::Quiet, Fault::LongAddress(600));
    let told = Desk::new(&source.url).plan();
    told.says(0, &[]);
    assert_eq!(&told.plan().unwrap(), World::Quiet.whole());
    let posted = source.ranges().iter().filter(|request| request.method == "POST").count();
    assert!(posted > 0, "the test has no long query");
}

#[test]
fn case_12_a_redirect_to_another_host_ends_the_run_and_the_token_does_not_follow() {
    let other = Source::telling(World::Quiet, Fault::None);
    // another host by name, though it is this machine
    let to = other.url.replace("127.0.0.1", "localhost");
    let source = Source::telling(World::Quiet, Fault::Redirects(to.clone()));
    let desk = Desk::new(&source.url).edit("timeout: 1s", "timeout: 1s, bearerTokenFile: token");
    let told = desk.plan();
    told.says(
        1,
        &[
            &format!("redirects to `{to}/api/v1/query`, which is another host"),
            "hint: set `history.prometheus.url` to the final address",
        ],
    );
    assert_eq!(source.requests()[0].header("authorization"), Some("Bearer open sesame"));
    assert_eq!(other.requests().len(), 0);
    assert!(!told.text().contains("sesame"));
}

/// An authority and its certificate for `127.0.0.1`, good from a day ago for so many days.
fn certificate(folder: &Path, days: &str) {
    let script = "
set -e
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=authority -keyout ca.key -out ca.pem
openssl req -newkey rsa:2048 -nodes -subj /CN=server -keyout server.key -out server.csr
printf 'subjectAltName=IP:127.0.0.1\\n' > ext
openssl x509 -req -days $0 -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile ext -out server.pem";
    let made = Command::new("sh").args(["-c", script, days]).current_dir(folder).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[test]
fn case_13_a_certificate_that_nobody_signed_or_that_is_too_old_is_not_trusted() {
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path(), "30");
    let source = Source::telling_over_tls(World::Quiet, Fault::None, folder.path());
    let trusted = |url: &str| {
        let key = format!("timeout: 1s, caFile: {}/ca.pem", folder.path().display());
        Desk::new(url).edit("timeout: 1s", &key)
    };
    let told = trusted(&source.url).plan();
    told.says(0, &[]);
    assert_eq!(&told.plan().unwrap(), World::Quiet.whole());
    // by nobody that the machine knows
    Desk::new(&source.url).plan().says(
        1,
        &[
            "no trusted connection to `https://127.0.0.1:",
            "hint: `history.prometheus.caFile` names the authority",
        ],
    );
    // signed by the right authority, for a time that is over
    certificate(folder.path(), "-1");
    let source = Source::telling_over_tls(World::Quiet, Fault::None, folder.path());
    trusted(&source.url).plan().says(
        1,
        &[
            "no trusted connection to",
            "invalid peer certificate: Expired",
            "hint: the server's certificate is too old",
        ],
    );
}

#[test]
fn case_14_an_answer_of_many_gigabytes_is_cut_off_after_a_few_megabytes() {
    let source = Source::telling(World::Quiet, Fault::Endless);
    let told = Desk::new(&source.url).plan();
    told.says(3, &["too much for one query: the answer has more than 8 MiB"]);
    never_lower(World::Quiet, &told.plan().unwrap());
    // eight that were read, and what lay in the buffers between us, which some machines make large
    assert!(source.longest_answer() < 64 << 20, "{}", source.longest_answer());
}

#[test]
fn case_15_a_slow_drip_costs_the_patience_of_the_run_and_no_more() {
    let started = Instant::now();
    held(&Fault::Drips, 3, &["SOURCE_FAILED"]);
    assert!(started.elapsed() < Duration::from_secs(40), "{:?}", started.elapsed());
}

#[test]
fn case_16_a_retention_shorter_than_the_window_is_said_and_lowers_nothing() {
    // fifteen days are what a Prometheus keeps unless told otherwise
    let told = plan(World::Quiet, Fault::Retention(15 * DAY));
    told.says(0, &["asked for from Mon 29 Sep, the first sample is of Sun 9 Nov"]);
    let short = told.plan().unwrap();
    never_lower(World::Quiet, &short);
    assert_eq!(lowered(&short), 0, "two weeks have not shown what eight would");
    assert_eq!(short.status, Status::Advised);
    let told = plan(World::Busy, Fault::Retention(15 * DAY));
    never_lower(World::Busy, &told.plan().unwrap());
    let source = Source::telling(World::Quiet, Fault::Retention(15 * DAY));
    let desk = Desk::new(&source.url);
    desk.run(&["pull"]).says(0, &[]);
    desk.run(&["check"]).says(3, &[
        "wanted from 2025-09-29 01:00 UTC, the first sample is of 2025-11-09 01:00 UTC: the source keeps less (its retention), or the service is younger",
    ]);
    // three days carry no weekly rhythm at all
    held(&Fault::Retention(3 * DAY), 3, &["TOO_LITTLE_HISTORY"]);
}

/// One pod at 7 rps for eight days, as two replicas of a Prometheus scrape it, all behind one store.
fn seen_twice() -> OpenMetrics {
    let mut metrics = OpenMetrics::default();
    let from = NOW - 8 * DAY;
    for (replica, late) in [("a", 0), ("b", 7)] {
        let name = format!(
            r#"http_requests_total{{namespace="jarvis",service="jarvis-api",pod="x",code="200",prometheus_replica="{replica}"}}"#
        );
        #[allow(clippy::cast_precision_loss)]
        metrics.series(&name, from + late, NOW, 60, |at| 7.0 * (at - from) as f64);
    }
    metrics
}

#[test]
fn case_17_two_replicas_of_a_prometheus_are_one_load() {
    if !available("case_17_two_replicas_of_a_prometheus_are_one_load") {
        return;
    }
    let prometheus = Prometheus::with(&seen_twice());
    let told = Desk::new(&prometheus.url).plan();
    let load = told.plan().unwrap().load.unwrap();
    assert!((load.current - 7.0).abs() < 0.1, "{load:?}");
    assert!((load.observed_peak - 7.0).abs() < 0.1, "{load:?}");
}

#[test]
fn case_18_down_sampled_data_is_not_asked_for_and_carries_no_advice() {
    let source = Source::telling(World::Quiet, Fault::None);
    Desk::new(&source.url).run(&["pull"]).says(0, &[]);
    let raw =
        |request: &fake::Request| request.param("max_source_resolution").as_deref() == Some("0s");
    assert!(source.ranges().iter().all(raw), "Thanos is told to use raw samples alone");
    // one step in twelve, as a rate over what was thinned to an hour
    let hourly = |samples: Vec<liar::Sample>| {
        samples.into_iter().filter(|(at, _)| at % 3600.0 == 0.0).collect()
    };
    held(
        &Fault::Rewrites(&[], hourly),
        3,
        &["8.3% of the last 7d of `load` is there, 50% is needed"],
    );
}

#[test]
fn check_says_that_a_source_without_anything_may_be_of_another_tenant() {
    let source = Source::telling(World::Quiet, Fault::Knows(&[("", "")]));
    let told = Desk::new(&source.url).run(&["check"]);
    told.says(3, &[
        "the source shows nothing at all, not even `up`: is `X-Scope-OrgID` (or what names the tenant) right in `history.prometheus.headers`?",
    ]);
}
