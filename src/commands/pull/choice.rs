//! What is found out about a service's load before it is asked for.

use anyhow::Result;
use jiff::Timestamp;

use super::{Failure, PullSummary, hinted};
use crate::commands::Hinted;
use crate::config::Settings;
use crate::history::{Evidence, SeriesKey, Signal};
use crate::service::{LoadSource, Service};
use crate::source::prometheus::decode::Element;
use crate::source::prometheus::presets::{LoadPreset, Needs, PRESETS, USUAL_SCRAPE_S};
use crate::source::prometheus::{Choice, Client, PrometheusError};
use crate::store::{Store, Writer};

/// The note in the store that holds a service's [`Choice`].
pub(in crate::commands) const CHOICE: &str = "choice";

/// What is known of the load of `service`, found out if it is not: which preset has series, which label holds
/// the status, how often is scraped. It is found out once, so that the queries stay the same from run to run.
pub(super) async fn choose(
    client: &Client,
    writer: &Writer,
    service: &Service,
    at: i64,
    summary: &mut PullSummary,
) -> Result<Option<Choice>> {
    let LoadSource::Preset { name, .. } = &service.load else {
        return Ok(None);
    };
    let (known, damaged) = writer
        .note_or_set_aside::<Choice>(&service.name, CHOICE)
        .map_err(|error| Hinted::because(&error, error.hint()))?;
    summary.set_aside.extend(damaged);
    let stands = |choice: &Choice| {
        name.as_deref().is_none_or(|name| {
            LoadPreset::named(name).is_some_and(|preset| preset.name == choice.preset)
        })
    };
    if let Some(known) = known.filter(stands) {
        return Ok(Some(known));
    }
    let found = discover(client, service, at, &mut summary.queries)
        .await
        .map_err(|error| hinted(&error))?;
    if let Some(Discovery { clusters, .. }) = &found
        && clusters.len() > 1
    {
        summary.failures.push(added_up(service, clusters));
        return Ok(None);
    }
    let found = found.map(|found| found.choice);
    match &found {
        // without a status label it is looked for again next time: the first failure may bring it
        Some(choice) if choice.error_label.is_some() => {
            writer
                .set_note(&service.name, CHOICE, choice)
                .map_err(|error| Hinted::because(&error, error.hint()))?;
        }
        Some(_) => {}
        None => summary.unmatched.push(service.name.clone()),
    }
    Ok(found)
}

/// What a source has on the load of a service.
pub(in crate::commands) struct Discovery {
    pub choice: Choice,
    /// The values of the label `cluster` among its series, where they have one.
    pub clusters: Vec<String>,
}

/// Two clusters behind one store are one load to a query that does not tell them apart (cases 33 and 34).
fn added_up(service: &Service, clusters: &[String]) -> Failure {
    Failure {
        service: service.name.clone(),
        key: SeriesKey::service(Signal::Load),
        message: format!(
            "{} clusters have series for it ({}): their loads would be added up",
            clusters.len(),
            clusters.join(", ")
        ),
        hint: format!("name one in `load.selector`, such as `cluster: {}`", clusters[0]),
    }
}

/// Tells where the metric of a load went silent and another one that we know has samples: it may have been renamed (case 30).
pub(super) async fn notice_silence(
    client: &Client,
    store: &Store,
    settings: &Settings,
    service: &Service,
    at: i64,
    summary: &mut PullSummary,
) -> Result<()> {
    let choice = summary.choices.get(&service.name);
    let Some(preset) = choice.and_then(|choice| LoadPreset::named(&choice.preset)) else {
        return Ok(());
    };
    let failed = |one: &Failure| one.service == service.name && one.key.signal == Signal::Load;
    let Some(newest) = silent_since(store, settings, service, at)? else {
        return Ok(());
    };
    if summary.failures.iter().any(failed) {
        return Ok(());
    }
    for other in plausible(service).filter(|other| other.name != preset.name) {
        let Ok(needs) = other.needs(service) else { return Ok(()) };
        // a source that fails now has said so where it was asked for the load itself
        let there = scrapes_an_hour(client, &needs, at, &mut summary.queries).await;
        if let Ok(Some(_)) = there {
            summary.failures.push(renamed(service, preset, other, newest));
            return Ok(());
        }
    }
    Ok(())
}

/// The last sample of the load, in Unix seconds, where that is too old to be of use.
fn silent_since(
    store: &Store,
    settings: &Settings,
    service: &Service,
    at: i64,
) -> Result<Option<i64>> {
    let key = SeriesKey::service(Signal::Load);
    let known = store.scan(&service.name, &key, at - settings.history.lookback.0, at);
    let known = known.map_err(|error| Hinted::because(&error, error.hint()))?;
    let oldest = at - settings.policy.max_age.0 - settings.history.step.0;
    Ok(match known {
        Some(Evidence::Series(samples)) => {
            samples.at.last().copied().filter(|newest| *newest < oldest)
        }
        _ => None,
    })
}

fn renamed(service: &Service, old: &LoadPreset, new: &LoadPreset, newest: i64) -> Failure {
    let since = Timestamp::from_second(newest).unwrap_or_default();
    Failure {
        service: service.name.clone(),
        key: SeriesKey::service(Signal::Load),
        message: format!(
            "`{}` has had no sample since {since}, but `{}` (preset `{}`) has samples now",
            old.requests(),
            new.requests(),
            new.name
        ),
        hint: format!(
            "if the metric was renamed, set `load.preset: {}`: its history begins anew, the old one is set aside; or join both in your own `load.query`",
            new.name
        ),
    }
}

/// Asks which load preset has series for `service`; the first that has is it. Counts its queries.
pub(in crate::commands) async fn discover(
    client: &Client,
    service: &Service,
    at: i64,
    asked: &mut usize,
) -> Result<Option<Discovery>, PrometheusError> {
    for preset in candidates(service) {
        // a selector that is no label name is reported where the queries are written
        let Ok(needs) = preset.needs(service) else {
            return Ok(None);
        };
        let Some((scrapes, clusters)) = scrapes_an_hour(client, &needs, at, asked).await? else {
            continue;
        };
        let mut error_label = None;
        for (label, needs) in preset.failure_needs(service).unwrap_or_default() {
            if scrapes_an_hour(client, &needs, at, asked).await?.is_some() {
                error_label = Some(label.to_owned());
                break;
            }
        }
        let preset = preset.name.to_owned();
        let choice = Choice { preset, error_label, scrape_s: scrape_interval(scrapes) };
        return Ok(Some(Discovery { choice, clusters }));
    }
    Ok(None)
}

/// The presets to try. One that knows no namespace counts the whole cluster unless something selects the service.
fn candidates(service: &Service) -> Vec<&'static LoadPreset> {
    match &service.load {
        LoadSource::Query(_) => Vec::new(),
        LoadSource::Preset { name: Some(name), .. } => {
            LoadPreset::named(name).into_iter().collect()
        }
        LoadSource::Preset { name: None, .. } => plausible(service).collect(),
    }
}

/// The presets that can tell `service` from others.
fn plausible(service: &Service) -> impl Iterator<Item = &'static LoadPreset> {
    let selects =
        matches!(&service.load, LoadSource::Preset { selector, .. } if !selector.is_empty());
    PRESETS.iter().filter(move |preset| preset.knows_namespace() || selects)
}

/// How often the best-scraped of the series was scraped within the last hour, and in which clusters they are; `None`
/// where there is none.
pub(in crate::commands) async fn scrapes_an_hour(
    client: &Client,
    needs: &Needs,
    at: i64,
    asked: &mut usize,
) -> Result<Option<(f64, Vec<String>)>, PrometheusError> {
    *asked += 1;
    let Needs { metric, matchers } = needs;
    let query = format!("max by (cluster) (count_over_time({metric}{matchers}[1h]))");
    let answer = client.instant(&query, at).await?;
    let clusters = answer.iter().filter_map(|element| element.metric.get("cluster").cloned());
    let scrapes = answer.iter().map(Element::value).reduce(f64::max);
    Ok(scrapes.map(|scrapes| (scrapes, clusters.collect())))
}

/// The scrape interval, in seconds, from the number of scrapes an hour: one of a few, so that a lost scrape does not change it.
fn scrape_interval(scrapes: f64) -> i64 {
    const USUAL: [i64; 5] = [USUAL_SCRAPE_S, 120, 300, 600, 900];
    // up to a quarter of the scrapes may have been lost
    let fits = |interval: &&i64| {
        scrapes >= 0.75 * 3_600.0 / f64::from(i32::try_from(**interval).unwrap_or(i32::MAX))
    };
    *USUAL.iter().find(fits).unwrap_or(&1_800)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_scrape_does_not_change_the_interval() {
        // every 15 s, every 60 s, the same with a few lost, every 2, every 5 minutes
        for (scrapes, interval) in [
            (240.0, 60),
            (60.0, 60),
            (46.0, 60),
            (30.0, 120),
            (29.0, 120),
            (12.0, 300),
            (1.0, 1_800),
        ] {
            assert_eq!(scrape_interval(scrapes), interval, "{scrapes}");
        }
    }
}
