//! Why a query has no answer, as far as the source can tell: no such metric, no such label, another value.

use crate::source::prometheus::kubernetes::HASH;
use crate::source::prometheus::presets::Needs;
use crate::source::prometheus::promql::{Match, Matchers};
use crate::source::prometheus::{Client, PrometheusError, SignalQuery};

/// How many existing values of a label are shown where the one asked for is none of them.
const SHOWN_VALUES: usize = 5;

/// Why `needs` has no series: no such metric, or the label that selects nothing and the values that there are.
pub(super) async fn of_preset(
    client: &Client,
    needs: &Needs,
    at: i64,
) -> Result<Option<String>, PrometheusError> {
    if exists(client, needs, at).await? {
        return Ok(None);
    }
    let metric = &needs.metric;
    let everything = Needs { metric: metric.clone(), matchers: Matchers::new() };
    if !exists(client, &everything, at).await? {
        if let Some(native) = native_histogram(client, metric, at).await? {
            return Ok(Some(native));
        }
        return Ok(Some(format!("no series of `{metric}`{}", exporter(metric))));
    }
    let absent = labels_nowhere(client, needs, at).await?;
    if !absent.is_empty() {
        return Ok(Some(format!(
            "the series of `{metric}` have no label {}: another exporter may call it otherwise (`pod_name` for `pod`), write your own `queries`",
            absent.join(" and no label ")
        )));
    }
    for label in needs.matchers.labels() {
        let without = needs.matchers.without(label);
        let found = client
            .instant(&format!("count by ({label}) (last_over_time({metric}{without}[1h]))"), at)
            .await?;
        if found.is_empty() {
            continue;
        }
        let mut values: Vec<&str> = found
            .iter()
            .map(|element| element.metric.get(label).map_or("none", String::as_str))
            .collect();
        values.sort_unstable();
        let more = if values.len() > SHOWN_VALUES { ", …" } else { "" };
        values.truncate(SHOWN_VALUES);
        let wanted = readable(&needs.matchers.only(label));
        return Ok(Some(format!(
            "`{metric}` has no series with {wanted}; there is {}{more}",
            values.join(", ")
        )));
    }
    Ok(Some(format!("`{metric}` has series, but none with {}", readable(&needs.matchers))))
}

/// The labels of the conditions that no series of the metric has (case 29).
async fn labels_nowhere(
    client: &Client,
    needs: &Needs,
    at: i64,
) -> Result<Vec<String>, PrometheusError> {
    let mut absent: Vec<String> = Vec::new();
    for label in needs.matchers.labels() {
        let matchers = Matchers::new().and(label, Match::NotEqual, "");
        let any = Needs { metric: needs.metric.clone(), matchers };
        let name = format!("`{label}`");
        if !absent.contains(&name) && !exists(client, &any, at).await? {
            absent.push(name);
        }
    }
    Ok(absent)
}

/// A classic histogram that became a native one lost its buckets, and with them its name (case 30).
async fn native_histogram(
    client: &Client,
    metric: &str,
    at: i64,
) -> Result<Option<String>, PrometheusError> {
    let Some(name) = metric.strip_suffix("_bucket") else { return Ok(None) };
    let native = Needs { metric: name.to_owned(), matchers: Matchers::new() };
    let there = exists(client, &native, at).await?;
    Ok(there.then(|| format!("no series of `{metric}`, but there is the native histogram `{name}`: write your own `queries.p99`, such as `histogram_quantile(0.99, sum(rate({name}{{…}}[5m])))`")))
}

/// Conditions for people: the letters that a hash is made of say nothing to them.
fn readable(matchers: &Matchers) -> String {
    let text = matchers.to_string();
    if text.contains(HASH) {
        format!("{} (H is one of {})", text.replace(HASH, "H"), HASH.trim_matches(['[', ']']))
    } else {
        text
    }
}

/// What a user's own query gives now.
pub(super) async fn of_own_query(
    client: &Client,
    query: &SignalQuery,
    at: i64,
) -> Result<Option<String>, PrometheusError> {
    let found = client.instant(&query.promql, at).await?;
    Ok(match found.len() {
        0 => Some(format!("its own query gives nothing now: `{}`", query.promql)),
        1 => None,
        several => Some(format!(
            "its own query gives {several} series where one is needed; aggregate it, for example with `sum(…)`"
        )),
    })
}

/// Whether there is such a series now.
pub(super) async fn exists(
    client: &Client,
    needs: &Needs,
    at: i64,
) -> Result<bool, PrometheusError> {
    let Needs { metric, matchers } = needs;
    let found =
        client.instant(&format!("count(last_over_time({metric}{matchers}[1h]))"), at).await?;
    Ok(!found.is_empty())
}

/// Who would deliver a metric.
fn exporter(metric: &str) -> &'static str {
    let known = [
        ("kube_", ": is kube-state-metrics scraped?"),
        ("container_", ": is cAdvisor (the kubelet's `/metrics/cadvisor`) scraped?"),
        ("kubelet_", ": is the kubelet scraped?"),
        ("redis_", ": is redis_exporter running beside Redis, and scraped?"),
    ];
    known.iter().find(|(prefix, _)| metric.starts_with(prefix)).map_or("", |(_, question)| question)
}
