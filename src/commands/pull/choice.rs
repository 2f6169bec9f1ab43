//! What is found out about a service's load before it is asked for.

use anyhow::Result;

use super::{PullSummary, hinted};
use crate::commands::Hinted;
use crate::service::{LoadSource, Service};
use crate::source::prometheus::decode::Element;
use crate::source::prometheus::presets::{LoadPreset, Needs, PRESETS, USUAL_SCRAPE_S};
use crate::source::prometheus::{Choice, Client, PrometheusError};
use crate::store::Writer;

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
    let known: Option<Choice> = writer
        .store()
        .note(&service.name, CHOICE)
        .map_err(|error| Hinted::because(&error, error.hint()))?;
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

/// Asks which load preset has series for `service`; the first that has is it. Counts its queries.
pub(in crate::commands) async fn discover(
    client: &Client,
    service: &Service,
    at: i64,
    asked: &mut usize,
) -> Result<Option<Choice>, PrometheusError> {
    for preset in candidates(service) {
        // a selector that is no label name is reported where the queries are written
        let Ok(needs) = preset.needs(service) else {
            return Ok(None);
        };
        let Some(scrapes) = scrapes_an_hour(client, &needs, at, asked).await? else {
            continue;
        };
        let mut error_label = None;
        for (label, needs) in preset.failure_needs(service).unwrap_or_default() {
            if scrapes_an_hour(client, &needs, at, asked).await?.is_some() {
                error_label = Some(label.to_owned());
                break;
            }
        }
        return Ok(Some(Choice {
            preset: preset.name.to_owned(),
            error_label,
            scrape_s: scrape_interval(scrapes),
        }));
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
        LoadSource::Preset { name: None, selector } => PRESETS
            .iter()
            .filter(|preset| preset.knows_namespace() || !selector.is_empty())
            .collect(),
    }
}

/// How often the best-scraped of the series was scraped within the last hour; `None` where there is none.
async fn scrapes_an_hour(
    client: &Client,
    needs: &Needs,
    at: i64,
    asked: &mut usize,
) -> Result<Option<f64>, PrometheusError> {
    *asked += 1;
    let Needs { metric, matchers } = needs;
    let answer =
        client.instant(&format!("max(count_over_time({metric}{matchers}[1h]))"), at).await?;
    Ok(answer.first().map(Element::value))
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
