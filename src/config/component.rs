//! The `components:` part: which object each column of the table sizes, and what it has today.

use super::error::nearest;
use super::raw::{self, At, Entries, Text};
use super::read::{PODS_MAX, Reader, at};
use crate::service::{Component, Current, Target};
use crate::units::Period;

/// Kinds of objects that Plimsoll can size.
const KINDS: [&str; 2] = ["Deployment", "StatefulSet"];

/// Characters of a path in the chart's values: YAML's simple keys end at 1024, and no chart has longer ones than this.
const HELM_PATH_MAX: usize = 253;

impl Reader<'_> {
    pub(super) fn components(
        &mut self,
        path: &str,
        raw: &At<Entries<At<raw::Component>>>,
    ) -> Vec<Component> {
        let mut components = Vec::new();
        for (name, component) in &raw.value.0 {
            let path = at(path, &name.value);
            let name = self.label(&path, name);
            let component = self.component(&path, &component.value);
            components.extend(name.zip(component).map(|(name, c)| Component { name, ..c }));
        }
        components
    }

    fn component(&mut self, path: &str, raw: &raw::Component) -> Option<Component> {
        let target = self.target(&at(path, "target"), &raw.target);
        let container = raw.container.as_ref();
        let start_up = (Period(1), Period::DAY);
        let component = Component {
            name: String::new(),
            memory: self.flag(&at(path, "memory"), raw.memory.as_ref()).unwrap_or(false),
            helm: raw.helm.as_ref().and_then(|helm| self.helm(&at(path, "helm"), helm)),
            container: container.and_then(|name| self.label(&at(path, "container"), name)),
            current: self.current(&at(path, "current"), raw.current.as_ref()),
            start_up: self
                .period(&at(path, "startUp"), raw.start_up.as_ref(), start_up)
                .unwrap_or(Period(60)),
            target: target?,
        };
        Some(component)
    }

    fn target(&mut self, path: &str, raw: &Text) -> Option<Target> {
        let Some((kind, name)) = raw.value.split_once('/') else {
            let message = format!("`{path}`: `{}` does not say its kind", raw.value);
            self.problem(raw.line, message, format!("write `Deployment/{}`", raw.value));
            return None;
        };
        if !KINDS.contains(&kind) {
            let hint = match nearest(kind, KINDS) {
                Some(kind) => format!("did you mean `{kind}/{name}`?"),
                None => "write `Deployment/NAME` or `StatefulSet/NAME`".to_owned(),
            };
            self.problem(raw.line, format!("`{path}`: kind `{kind}` is not known"), hint);
            return None;
        }
        let name = At { value: name.to_owned(), line: raw.line };
        let name = self.object_name(path, &name)?;
        Some(Target { kind: kind.to_owned(), name })
    }

    /// A path of keys in the chart's values, `.` where they stand at its root; what `--set` would need to escape is refused.
    fn helm(&mut self, path: &str, raw: &Text) -> Option<String> {
        let key = |key: &str| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
            !key.is_empty() && key.bytes().all(plain)
        };
        let is_path = raw.value == "." || raw.value.split('.').all(key);
        if raw.value.len() <= HELM_PATH_MAX && is_path {
            return Some(raw.value.clone());
        }
        let message = format!("`{path}`: `{:.80}` is not a path of keys", raw.value);
        self.problem(
            raw.line,
            message,
            "write the keys in the chart's values, such as `redis.master`, or `.` for their root",
        );
        None
    }

    fn current(&mut self, path: &str, raw: Option<&raw::Current>) -> Current {
        let Some(raw) = raw else {
            return Current::default();
        };
        let here = |key: &str| at(path, key);
        let pods = (1, PODS_MAX);
        let current = Current {
            replicas: self.count(&here("replicas"), raw.replicas.as_ref(), pods),
            min_replicas: self.count(&here("minReplicas"), raw.min_replicas.as_ref(), pods),
            max_replicas: self.count(&here("maxReplicas"), raw.max_replicas.as_ref(), pods),
            target_utilization: self.count(
                &here("targetUtilization"),
                raw.target_utilization.as_ref(),
                (1, 1000),
            ),
            cpu_request: self.unit(&here("cpuRequest"), raw.cpu_request.as_ref()),
            cpu_limit: self.unit(&here("cpuLimit"), raw.cpu_limit.as_ref()),
            memory_request: self.unit(&here("memoryRequest"), raw.memory_request.as_ref()),
            memory_limit: self
                .unit(&here("memoryLimit"), raw.memory_limit.as_ref())
                .or(self.unit(&here("memory"), raw.memory.as_ref())),
            ..Current::default()
        };
        self.current_agrees(path, raw, &current);
        current
    }

    fn current_agrees(&mut self, path: &str, raw: &raw::Current, current: &Current) {
        if let (Some(memory), Some(_)) = (&raw.memory, &raw.memory_limit) {
            let message = format!("`{path}`: `memory` and `memoryLimit` say the same thing");
            self.problem(memory.line, message, "keep one of them");
        }
        if let (Some(alone), None) | (None, Some(alone)) = (&raw.min_replicas, &raw.max_replicas) {
            let message = format!("`{path}`: an HPA has both `minReplicas` and `maxReplicas`");
            self.problem(
                alone.line,
                message,
                "add the other, or write `replicas:` where there is no HPA",
            );
        }
        if let (Some(min), Some(max)) = (current.min_replicas, current.max_replicas)
            && min > max
        {
            let line = raw.min_replicas.as_ref().map_or(0, |raw| raw.line);
            let message = format!("`{path}`: `minReplicas` ({min}) is above `maxReplicas` ({max})");
            self.problem(line, message, "write what `kubectl get hpa` shows");
        }
        self.not_above(
            path,
            ("memoryRequest", &raw.memory_request),
            current.memory_request,
            current.memory_limit,
        );
        self.not_above(
            path,
            ("cpuRequest", &raw.cpu_request),
            current.cpu_request,
            current.cpu_limit,
        );
    }

    /// A request is at most its limit, as the API server demands.
    fn not_above<T: PartialOrd + std::fmt::Display>(
        &mut self,
        path: &str,
        (key, raw): (&str, &Option<Text>),
        request: Option<T>,
        limit: Option<T>,
    ) {
        if let (Some(request), Some(limit)) = (request, limit)
            && request > limit
        {
            let line = raw.as_ref().map_or(0, |raw| raw.line);
            let message = format!("`{path}`: `{key}` ({request}) is above the limit ({limit})");
            self.problem(line, message, "write what the pod's spec shows");
        }
    }
}
