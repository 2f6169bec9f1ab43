//! What the cluster tells of the objects that the settings name, before a plan has to do without: a namespace, a target or
//! a container that is not there, and a right that is missing.

use std::collections::BTreeSet;
use std::io::Write;

use anyhow::Result;

use super::COLUMNS;
use crate::config::Settings;
use crate::render::text::wrap;
use crate::service::Service;
use crate::service::live::Gap;
use crate::source::kubernetes::{self, ClusterOptions, KubernetesError};
use crate::units::counted;

/// Says what hides what is in force, each with what to do about it; whether anything does.
pub(super) async fn told(
    settings: &Settings,
    options: &ClusterOptions,
    out: &mut impl Write,
) -> Result<bool> {
    let gaps = match gaps(&settings.services, options).await {
        Ok(gaps) => gaps,
        Err(error) => {
            vec![Gap {
                message: error.to_string(),
                hint: error.hint_by(options),
                of_settings: true,
                namespace: None,
            }]
        }
    };
    let hides = gaps.iter().any(|gap| gap.of_settings);
    if !hides {
        let parts: usize = settings.services.iter().map(|one| one.components.len()).sum();
        let of = counted(parts, "component");
        say(out, &format!("tells what is in force for {of}"), None)?;
    }
    for (message, hint) in Gap::told(&gaps.iter().collect::<Vec<_>>()) {
        say(out, message, hint)?;
    }
    Ok(hides)
}

/// What is asked for and not told, of the namespaces that are there: one that is not has nothing to list.
async fn gaps(services: &[Service], options: &ClusterOptions) -> Result<Vec<Gap>, KubernetesError> {
    let named: BTreeSet<&str> = services.iter().map(|one| one.namespace.as_str()).collect();
    let missing = kubernetes::missing_namespaces(&named, options).await?;
    let gone = |name: &String| Gap {
        message: format!("namespace `{name}` does not exist"),
        hint:
            "correct `services[].namespace`, or ask the cluster that has it with `--context NAME`"
                .to_owned(),
        of_settings: true,
        namespace: None,
    };
    let mut gaps: Vec<Gap> = missing.iter().map(gone).collect();
    let there: Vec<Service> =
        services.iter().filter(|one| !missing.contains(&one.namespace)).cloned().collect();
    if !there.is_empty() {
        gaps.extend(kubernetes::live_state(&there, options).await?.gaps);
    }
    Ok(gaps)
}

fn say(out: &mut impl Write, text: &str, hint: Option<&str>) -> Result<()> {
    for (at, line) in wrap(text, COLUMNS - 12).iter().enumerate() {
        writeln!(out, "{:<12}{line}", if at == 0 { "cluster" } else { "" })?;
    }
    if let Some(hint) = hint {
        writeln!(out, "  hint: {hint}")?;
    }
    Ok(())
}
