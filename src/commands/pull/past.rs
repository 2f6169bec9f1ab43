//! History for an advice: the store, brought up to date, and the files of the settings beside it.

use std::collections::BTreeMap;

use anyhow::Result;
use jiff::Timestamp;

use super::{CHOICE, PullSummary, bring_up_to_date, open};
use crate::advise::plan::{Code, Finding, Severity};
use crate::commands::{Hinted, Talk};
use crate::config::Settings;
use crate::history::{Evidence, Observed, Samples, SeriesKey, Signal};
use crate::service::{LoadSource, Service};
use crate::source::file::{self, Dispute};
use crate::source::prometheus::{Choice, queries};
use crate::store::Store;
use crate::units::{Period, counted};

/// Unix seconds before and after every sample: the years that a calendar can write.
const EVER: (i64, i64) = (-62_135_596_800, 253_370_764_800);

/// History from everywhere: the store, the files of the settings, and what failed on the way.
#[derive(Debug)]
pub struct Past {
    store: Store,
    files: file::Found,
    at: Timestamp,
    from: i64,
    step: Period,
    /// The oldest that a series may be which could not be brought up to date just now.
    max_age_s: i64,
    /// What the pull before it did; `None` where nobody was asked.
    pub pull: Option<PullSummary>,
}

/// History for all services at `at`: from the store, brought up to date first unless `offline`, and from files.
///
/// # Errors
///
/// Whatever [`bring_up_to_date`] fails with, or a file that cannot be read.
pub async fn gather(settings: &Settings, at: Timestamp, offline: bool, talk: Talk) -> Result<Past> {
    let pull = match settings.history.prometheus {
        Some(_) if !offline => Some(bring_up_to_date(settings, at, talk).await?),
        _ => None,
    };
    Ok(Past {
        store: open(settings)?,
        files: found(settings)?,
        at,
        from: at.as_second() - settings.history.lookback.0 - settings.history.step.0,
        step: settings.history.step,
        max_age_s: settings.policy.max_age.0,
        pull,
    })
}

/// What the files of the settings say, by service.
///
/// # Errors
///
/// A file that cannot be read.
pub fn files(settings: &Settings) -> Result<BTreeMap<String, Observed>> {
    Ok(found(settings)?.observed)
}

fn found(settings: &Settings) -> Result<file::Found> {
    let mut files = file::Found::default();
    for path in &settings.history.files {
        let found = file::read(path, &settings.services, &settings.elsewhere)
            .map_err(|error| Hinted::because(&error, error.hint()))?;
        files.add(found);
    }
    Ok(files)
}

impl Past {
    /// Everything known of `service`; a file's word on a series stands before the store's.
    ///
    /// # Errors
    ///
    /// A file of the store that cannot be read; the error names it.
    pub fn of(&self, service: &Service) -> Result<Observed> {
        let at = self.at.as_second();
        let observed = self.store.observe(service, self.from, at);
        let mut observed = observed.map_err(|error| Hinted::because(&error, error.hint()))?;
        self.leave_out_other_queries(service, &mut observed)?;
        let failures = self.pull.iter().flat_map(|pull| &pull.failures);
        for failure in failures.filter(|failure| failure.service == service.name) {
            let fresh = matches!(observed.get(&failure.key), Some(Evidence::Series(Samples { at: times, .. })) if times.last() >= Some(&(at - self.max_age_s)));
            if !fresh {
                observed.insert(failure.key.clone(), Evidence::Failed(failure.message.clone()));
            }
        }
        if let Some(files) = self.files.observed.get(&service.name) {
            observed.extend(files.clone());
        }
        Ok(observed)
    }

    /// What is doubtful about the files' word on `service`.
    #[must_use]
    pub fn doubts(&self, service: &Service) -> Vec<Finding> {
        let disputes = self.files.disputes.get(&service.name).into_iter().flatten();
        disputes.map(disputed).collect()
    }

    /// First and last sample of the load of all `services` together, if none of them has one in the window that is looked
    /// at; `None` where one has, where nobody has any, or where a damaged file of the store may hold some.
    #[must_use]
    pub fn beside_the_window(&self, services: &[Service]) -> Option<(Timestamp, Timestamp)> {
        let window = (self.from, self.at.as_second());
        if self.loads(services, window).next().is_some() {
            return None;
        }
        let mut ends = (i64::MAX, i64::MIN);
        for load in self.loads(services, EVER) {
            let (first, last) = load?;
            ends = (ends.0.min(first), ends.1.max(last));
        }
        let moment = |at| Timestamp::from_second(at).ok();
        moment(ends.0).zip(moment(ends.1)).filter(|(first, last)| first <= last)
    }

    /// First and last sample of each load from one second to another; a `None` where that cannot be read.
    fn loads<'a>(
        &'a self,
        services: &'a [Service],
        (from, to): (i64, i64),
    ) -> impl Iterator<Item = Option<(i64, i64)>> + 'a {
        let load = SeriesKey::service(Signal::Load);
        let ends = |samples: &Samples| Some((*samples.at.first()?, *samples.at.last()?));
        services.iter().filter_map(move |service| {
            let files = self.files.observed.get(&service.name).and_then(|known| known.get(&load));
            match files {
                Some(Evidence::Series(samples)) => ends(&samples.within(from, to)).map(Some),
                Some(_) => None,
                None => match self.store.scan(&service.name, &load, from, to) {
                    Ok(Some(Evidence::Series(samples))) => ends(&samples).map(Some),
                    Ok(_) => None,
                    Err(_) => Some(None),
                },
            }
        })
    }

    /// What was kept for another query than that of today's settings is no answer to it (case 63).
    fn leave_out_other_queries(&self, service: &Service, observed: &mut Observed) -> Result<()> {
        let pulled = self.pull.as_ref().and_then(|pull| pull.choices.get(&service.name).cloned());
        let noted = || self.store.note(&service.name, CHOICE).ok().flatten();
        let choice: Option<Choice> = pulled.or_else(noted);
        // which query a preset asks is known only where something was found for it
        if choice.is_none() && matches!(service.load, LoadSource::Preset { .. }) {
            return Ok(());
        }
        let wanted = queries(service, self.step, choice.as_ref());
        for query in wanted.map_err(|error| Hinted::because(&error, &error.hint()))? {
            let kept = self.store.manifest(&service.name, &query.key).ok().flatten();
            let other = kept.is_some_and(|kept| kept.query != query.promql);
            if let (true, Some(evidence)) = (other, observed.get_mut(&query.key)) {
                let why = "what is kept answers another query than that of these settings: run `plimsoll pull`";
                *evidence = Evidence::Failed(why.to_owned());
            }
        }
        Ok(())
    }

    /// How many queries were sent; `None` where nobody was asked.
    #[must_use]
    pub fn queries(&self) -> Option<usize> {
        self.pull.as_ref().map(|pull| pull.queries)
    }
}

/// What people are told of rows that contradict each other.
fn disputed(dispute: &Dispute) -> Finding {
    let Dispute { path, key, times, at, values: (least, most) } = dispute;
    let at = Timestamp::from_second(*at).unwrap_or_default();
    Finding {
        severity: Severity::Warning,
        code: Code::Coverage,
        message: format!(
            "`{}` contradicts itself on `{key}` at {}, first at {at}: {least} and {most}; the largest value counts",
            path.display(),
            counted(*times, "time")
        ),
        remedy: "leave one row for each time of a series".to_owned(),
    }
}
