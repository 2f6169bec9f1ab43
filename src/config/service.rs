//! The `services:` part: where load is measured, objectives, components.

use std::collections::{BTreeMap, BTreeSet};

use super::error::nearest;
use super::raw::{self, At, Entries, Text};
use super::read::{Reader, at};
use crate::history::Signal;
use crate::service::{Component, LoadSource, Objectives, Service};
use crate::units::{Latency, Ratio};

impl Reader<'_> {
    /// The services, by name.
    pub(super) fn services(&mut self, raw: &At<Vec<raw::Service>>) -> Vec<Service> {
        if raw.value.is_empty() {
            self.problem(raw.line, "`services` is empty", "add a service: `- name: …`");
        }
        let names = raw.value.iter().map(|s| (s.name.value.as_str(), s.name.line));
        self.no_twins("service", names, "give each service a name of its own");
        let targets: Vec<(String, usize)> = raw.value.iter().flat_map(targets).collect();
        let targets = targets.iter().map(|(target, line)| (target.as_str(), *line));
        let hint = "let one component size one object: two would contradict each other";
        self.no_twins("target", targets, hint);
        let mut services = Vec::new();
        for (index, service) in raw.value.iter().enumerate() {
            services.extend(self.service(&format!("services[{index}]"), service));
        }
        services.sort_by(|a, b| a.name.cmp(&b.name));
        services
    }

    fn service(&mut self, path: &str, raw: &raw::Service) -> Option<Service> {
        let name = self.label(&at(path, "name"), &raw.name);
        let namespace = self.label(&at(path, "namespace"), &raw.namespace);
        let load = match &raw.load {
            Some(load) => self.load(&at(path, "load"), load),
            // nobody is asked, so there is nothing to select
            None if self.only_files => {
                Some(LoadSource::Preset { name: None, selector: BTreeMap::new() })
            }
            None => {
                let message = format!("missing key `{}`", at(path, "load"));
                let hint = "add `load: {selector: {service: NAME}}`, or `query:` with your own PromQL; only history from `history.files` alone needs none";
                self.problem(raw.name.line, message, hint);
                None
            }
        };
        let objectives = self.objectives(&at(path, "objectives"), raw.objectives.as_ref());
        let volumes =
            self.volumes(&at(path, "volumes"), raw.volumes.as_deref().unwrap_or_default());
        let queries = self.queries(&at(path, "queries"), raw);
        let mut components = self.components(&at(path, "components"), &raw.components);
        let tiers = self.tiers(&at(path, "tiers"), raw);
        let tiers = tiers?;
        let column = |component: &Component| {
            let mut columns = tiers.rows[0].sizes.iter();
            columns.position(|(name, _)| *name == component.name)
        };
        components.sort_by_key(column);
        Some(Service {
            name: name?,
            namespace: namespace?,
            load: load?,
            queries,
            objectives,
            tiers,
            components,
            volumes,
        })
    }

    fn load(&mut self, path: &str, raw: &At<raw::Load>) -> Option<LoadSource> {
        let raw::Load { preset, selector, query } = &raw.value;
        match (query, preset, selector) {
            (Some(query), None, None) => {
                self.query(&at(path, "query"), query).map(LoadSource::Query)
            }
            (Some(query), ..) => {
                let message = format!("`{path}`: `query` excludes `preset` and `selector`");
                self.problem(query.line, message, "keep `query:`, or remove it");
                None
            }
            (None, preset, Some(selector)) if !selector.0.is_empty() => Some(LoadSource::Preset {
                name: match preset {
                    Some(preset) => Some(self.preset(&at(path, "preset"), preset)?),
                    None => None,
                },
                selector: self.selector(&at(path, "selector"), selector),
            }),
            _ => {
                let message = format!("`{path}` does not say which series are this service's");
                let hint = "add `selector: {service: NAME}`, or `query:` with your own PromQL";
                self.problem(raw.line, message, hint);
                None
            }
        }
    }

    /// PromQL is sent as it stands; only what cannot be meant is refused here.
    fn query(&mut self, path: &str, raw: &Text) -> Option<String> {
        let text = raw.value.trim();
        if text.is_empty() || text.contains("$__") || text.contains("${") {
            let message = format!("`{path}` is empty or holds a variable");
            let hint = "write plain PromQL, with ranges such as `[5m]`: variables are not expanded";
            self.problem(raw.line, message, hint);
            return None;
        }
        Some(text.to_owned())
    }

    fn preset(&mut self, path: &str, raw: &Text) -> Option<String> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"_:.-".contains(&b);
        if !raw.value.is_empty() && raw.value.bytes().all(plain) {
            return Some(raw.value.clone());
        }
        let message = format!("`{path}`: `{}` is not a preset's name", raw.value);
        self.problem(
            raw.line,
            message,
            "name a preset such as `http_requests_total`, or use `query:`",
        );
        None
    }

    /// Label names by the Prometheus data model; values that no quoting could get wrong.
    fn selector(&mut self, path: &str, raw: &Entries<Text>) -> BTreeMap<String, String> {
        let mut selector = BTreeMap::new();
        for (label, value) in &raw.0 {
            let path = at(path, &label.value);
            let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
            let starts = !label.value.starts_with(|c: char| c.is_ascii_digit());
            if label.value.is_empty() || !starts || !label.value.bytes().all(plain) {
                let message = format!("`{path}` is not a label of Prometheus");
                self.problem(label.line, message, "write a label such as `service` or `job`");
            } else if value.value.is_empty() || value.value.contains(['"', '\\']) {
                let message = format!("`{path}`: the value is empty, or holds `\"` or `\\`");
                self.problem(value.line, message, "write the label's exact value, or use `query:`");
            } else if let Some(value) = self.literal(&path, value) {
                selector.insert(label.value.clone(), value.to_owned());
            }
        }
        selector
    }

    /// Own queries by signal: `p99` of the service, `api.cpu` of a component or volume.
    fn queries(&mut self, path: &str, raw: &raw::Service) -> BTreeMap<String, String> {
        let components = raw.components.value.0.iter().map(|(name, _)| name.value.as_str());
        let volumes = raw.volumes.iter().flatten().map(|volume| volume.value.as_str());
        let subjects: BTreeSet<&str> = components.chain(volumes).collect();
        let mut queries = BTreeMap::new();
        for (key, query) in raw.queries.as_ref().map_or(&[][..], |entries| &entries.0) {
            if let Some((what, hint)) = signal_fault(&key.value, &subjects) {
                self.problem(key.line, format!("`{path}`: `{}` {what}", key.value), hint);
            } else {
                let query = self.query(&at(path, &key.value), query);
                queries.extend(query.map(|query| (key.value.clone(), query)));
            }
        }
        queries
    }

    fn objectives(&mut self, path: &str, raw: Option<&raw::Objectives>) -> Objectives {
        let none = raw::Objectives::default();
        let raw = raw.unwrap_or(&none);
        let worst = raw.severity2.as_ref();
        let share = (0.0, 1.0);
        let error_rate = self.ratio(&at(path, "errorRate"), raw.error_rate.as_ref(), share);
        let error_rate = error_rate.unwrap_or(Ratio(0.01));
        let p99 = self.unit::<Latency>(&at(path, "p99"), raw.p99.as_ref());
        let p99_s = p99.map_or(2.0, |latency| latency.0);
        let path2 = at(path, "severity2");
        let raw_rate2 = worst.and_then(|worst| worst.error_rate.as_ref());
        let raw_p99_2 = worst.and_then(|worst| worst.p99.as_ref());
        let rate2 = self.ratio(&at(&path2, "errorRate"), raw_rate2, share);
        let p99_2 = self.unit::<Latency>(&at(&path2, "p99"), raw_p99_2);
        let objectives = Objectives {
            error_rate,
            p99_s,
            severity2_error_rate: rate2.unwrap_or(Ratio((5.0 * error_rate.0).min(1.0))),
            severity2_p99_s: p99_2.map_or(2.5 * p99_s, |latency| latency.0),
        };
        if objectives.severity2_error_rate < error_rate {
            let message = format!("`{path2}.errorRate` is below `{path}.errorRate`");
            self.problem(
                raw_rate2.map_or(0, |raw| raw.line),
                message,
                "a Severity 2 is worse than unhealthy: write more",
            );
        }
        if objectives.severity2_p99_s < p99_s {
            let message = format!("`{path2}.p99` is below `{path}.p99`");
            self.problem(
                raw_p99_2.map_or(0, |raw| raw.line),
                message,
                "a Severity 2 is worse than unhealthy: write more",
            );
        }
        objectives
    }

    fn volumes(&mut self, path: &str, raw: &[Text]) -> Vec<String> {
        let names = raw.iter().map(|volume| (volume.value.as_str(), volume.line));
        self.no_twins("volume", names, "name each volume once");
        let mut volumes = Vec::new();
        for (index, volume) in raw.iter().enumerate() {
            volumes.extend(self.object_name(&format!("{path}[{index}]"), volume));
        }
        volumes
    }
}

/// The objects that a service's components size, with the namespace and the line.
fn targets(service: &raw::Service) -> Vec<(String, usize)> {
    let components = service.components.value.0.iter();
    components
        .map(|(_, component)| &component.value.target)
        .map(|target| (format!("{} in {}", target.value, service.namespace.value), target.line))
        .collect()
}

/// What is wrong with the key of an own query, and what to write instead.
fn signal_fault(key: &str, subjects: &BTreeSet<&str>) -> Option<(String, String)> {
    let (subject, name) = match key.rsplit_once('.') {
        Some((subject, name)) => (Some(subject), name),
        None => (None, key),
    };
    let Some(signal) = Signal::from_name(name) else {
        let hint = match nearest(name, Signal::NAMES.iter().map(|(_, name)| *name)) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!(
                "signals are {}",
                Signal::NAMES.map(|(_, name)| format!("`{name}`")).join(", ")
            ),
        };
        return Some(("names no signal".to_owned(), hint));
    };
    match subject {
        None if signal.of_service() => None,
        None => Some((
            "does not say whose signal it is".to_owned(),
            format!(
                "write `COMPONENT.{name}`, such as `{}.{name}`",
                subjects.first().unwrap_or(&"api")
            ),
        )),
        Some(_) if signal.of_service() => {
            Some(("is a signal of the whole service".to_owned(), format!("write `{name}`")))
        }
        Some(subject) if subjects.contains(subject) => None,
        Some(subject) => Some((
            format!("names no component or volume: `{subject}`"),
            match nearest(subject, subjects.iter().copied()) {
                Some(subject) => format!("did you mean `{subject}.{name}`?"),
                None => "name one of `components` or `volumes`".to_owned(),
            },
        )),
    }
}
