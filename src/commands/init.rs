//! `plimsoll init`: a commented first `plimsoll.yaml`, with what a cluster runs where one is named.

mod found;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};

use crate::cli::InitArgs;
use crate::commands::{Exit, Hinted, Talk, tiers};
use crate::config;
use crate::files;
use crate::render::yaml;
use crate::service::live::{Gap, Workload};
use crate::service::{Component, Target};
use crate::source::kubernetes::{self, ClusterOptions, Discovered};

/// What is known of the service when its settings are first written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Starter {
    /// The service's name.
    pub service: String,
    /// The namespace it runs in.
    pub namespace: String,
    /// Address of the Prometheus.
    pub prometheus_url: String,
    /// The runbook that holds its scaling table.
    pub runbook: Option<PathBuf>,
    /// What the cluster runs there, those that scale first; empty where none was asked.
    pub found: Vec<(Target, Workload)>,
    /// What else runs there, of kinds that are not sized.
    pub others: Vec<String>,
}

impl From<&InitArgs> for Starter {
    fn from(args: &InitArgs) -> Self {
        let asked = cluster(args);
        let asks = asked.is_some();
        let usual = || {
            let options = asked.filter(|_| args.service.is_none())?;
            kubernetes::namespace_of_the_pod()
                .filter(|_| options.is_the_pods())
                .or_else(|| kubernetes::namespace(&options))
        };
        let namespace = args.namespace.clone().or_else(usual);
        // whoever asks for a namespace of a cluster need not name the service
        let service = args.service.clone().or_else(|| namespace.clone().filter(|_| asks));
        let service = service.unwrap_or_else(|| "my-service".to_owned());
        Self {
            namespace: namespace.unwrap_or_else(|| service.clone()),
            service,
            prometheus_url: args.prometheus_url.clone(),
            runbook: args.tiers.clone(),
            found: Vec::new(),
            others: Vec::new(),
        }
    }
}

/// The cluster that the flags name, else the one whose pod this runs in; `None`: nobody is to be asked.
fn cluster(args: &InitArgs) -> Option<ClusterOptions> {
    let named = args.context.is_some() || args.kubeconfig.is_some();
    (named || !args.no_cluster && kubernetes::in_a_pod()).then(|| ClusterOptions {
        context: args.context.clone(),
        kubeconfig: args.kubeconfig.clone(),
    })
}

/// Asks the cluster that the flags name, or that of the pod, if there is one, and writes the settings. What may be sized and
/// was not told is missing in them, and the exit code shows it.
///
/// # Errors
///
/// As [`run`]; where the cluster cannot be asked, or runs nothing in that namespace.
pub async fn command(args: &InitArgs, talk: &Talk, out: &mut dyn Write) -> Result<Exit> {
    let mut starter = Starter::from(args);
    let mut whole = true;
    match cluster(args) {
        Some(options) => {
            let here = discovered(&options, &starter.namespace, talk).await?;
            (starter.found, starter.others, whole) = (here.found, here.others, here.whole);
        }
        None if !args.no_cluster && kubernetes::of_a_pod() == Some(false) => talk.say(&format!(
            "warning: no cluster was asked: this pod mounts no token at `{}`\nhint: let it mount one (`automountServiceAccountToken`), or name a cluster with `--context NAME`",
            kubernetes::POD_ACCOUNT
        )),
        None => {}
    }
    let components = run(&args.file, &starter, args.force, out)?;
    for warning in found::waiting(&starter.service, &starter.found, &components) {
        talk.say(&warning);
    }
    Ok(if whole { Exit::Done } else { Exit::Skipped })
}

async fn discovered(
    options: &ClusterOptions,
    namespace: &str,
    talk: &Talk,
) -> Result<Discovered, Hinted> {
    let here = kubernetes::discover(namespace, options).await;
    let here = here.map_err(|error| Hinted::because(&error, &error.hint_by(options)))?;
    if here.found.is_empty() {
        let hint = "name the namespace with `--namespace`".to_owned();
        let mut nothing = format!("no Deployment or StatefulSet in namespace `{namespace}`");
        if !here.others.is_empty() {
            nothing += &format!(", and nothing else is sized: {}", here.others.join("; "));
        }
        let mut denied = here.gaps.into_iter().filter(|gap| gap.of_settings);
        let denied = denied.next().map(|gap| (gap.message, gap.hint));
        let (message, mut hint) = denied.unwrap_or((nothing, hint));
        if options.is_the_pods() {
            hint += "; `--no-cluster` leaves the cluster of this pod alone";
        }
        return Err(Hinted { message, hint });
    }
    for warning in Gap::warnings(&here.gaps.iter().collect::<Vec<_>>()) {
        talk.say(&warning);
    }
    if !here.others.is_empty() {
        talk.say(&format!(
            "warning: only Deployments and StatefulSets are sized, and there are others: {}",
            here.others.join("; ")
        ));
    }
    Ok(here)
}

/// The table that a service starts with where no runbook has one; to be replaced.
const TIERS: &str = "\
tiers:                          # or: {markdown: docs/operations.md}
  - {name: Low,    below: 10,  api: 2}
  - {name: Medium, below: 50,  api: 3-5}
  - {name: High,   below: 200, api: 5-10}
  - {name: Peak,               api: 10-20}
components:                     # set these: the objects as the cluster names them
";

/// The keys of a component that are needed next, after its `target`; `tiers import` shows them too.
pub const MORE_OF_A_COMPONENT: &str = "  # `helm:` is the component's path in your chart's values (`api.replicaCount` is `helm: api`): set it, or
  # remove it, and `plimsoll values` says that it leaves the component out. More keys, each where it is needed:
  #   container: app          # the container, where it is not named like its object
  #   startUp: 90s            # how long a new pod takes until it serves
  #   current: {minReplicas: 2, maxReplicas: 5, cpuRequest: 500m, memoryLimit: 512Mi}   # where no metric tells
";

fn first_component(service: &str) -> String {
    format!("api: {{target: Deployment/{service}, helm: api}}   # set both\n")
}

/// The service's `tiers` and `components`: the runbook's, else a table to be replaced, over what the cluster runs.
fn table(starter: &Starter) -> Result<String> {
    let Starter { service, runbook, found, others, .. } = starter;
    if let Some(runbook) = runbook {
        let targets: Vec<Target> = found.iter().map(|(target, _)| target.clone()).collect();
        let keys = tiers::service_keys(runbook, None, service, &targets)?;
        // what does not hold is refused once it is whole
        let named = config::parse(&starter_text(starter, &keys), "", Path::new(""));
        let named =
            named.map_or_else(|_| Vec::new(), |mut named| named.services.remove(0).components);
        return Ok(keys + &found::beside(service, found, &named) + &found::others(others));
    }
    let (tiers, components) = match found::names(service, found, &[]).first() {
        Some(name) => {
            let column = format!("{}:", yaml::quoted(name));
            (TIERS.replace("api:", &column), found::components(service, found))
        }
        None => (TIERS.to_owned(), first_component(service)),
    };
    let others = found::others(others);
    Ok(format!("{tiers}  {components}{others}{MORE_OF_A_COMPONENT}"))
}

/// Writes the settings to `file` and says what comes next; returns the components that are in force in them.
///
/// # Errors
///
/// Where a file is there already and `force` is not set, where the values given do not make valid
/// settings, or where the file cannot be written.
pub fn run(
    file: &Path,
    starter: &Starter,
    force: bool,
    out: &mut dyn Write,
) -> Result<Vec<Component>> {
    let shown = file.display();
    if !force && file.symlink_metadata().is_ok() {
        return Err(Hinted {
            message: format!("`{shown}` is there already"),
            hint: "write another with `--file FILE`, or overwrite it with `--force`".to_owned(),
        }
        .into());
    }
    let text = starter_text(starter, &table(starter)?);
    // what we write, we can read: a name that Kubernetes would refuse is refused here
    let settings = config::parse(&text, &shown.to_string(), Path::new(""));
    let services = settings.map_err(tiers::hinted)?.services;
    files::write_whole(file, text.as_bytes()).map_err(|error| anyhow!(error))?;
    writeln!(out, "wrote {shown}")?;
    writeln!(out, "next: complete it where it says `set`, then `plimsoll check`")?;
    Ok(services.into_iter().flat_map(|service| service.components).collect())
}

/// The settings as text; `table` holds the service's `tiers` and `components`.
#[must_use]
pub fn starter_text(starter: &Starter, table: &str) -> String {
    let Starter { service, namespace, prometheus_url, .. } = starter;
    let [service, namespace, url] = [service, namespace, prometheus_url].map(|text| quoted(text));
    let table: Vec<String> = table.lines().map(|line| format!("    {line}\n")).collect();
    let table = table.concat();
    format!(
        "\
# Settings of Plimsoll. Every key: `plimsoll schema`. Try them: `plimsoll check`.
version: 1
timezone: UTC                       # set your own: days begin and reports are dated in it

history:
  prometheus:
    url: {url}
    # Nothing secret stands in this file: name the files that hold it.
    # bearerTokenFile: /var/run/secrets/prometheus/token
    # username: plimsoll
    # passwordFile: /var/run/secrets/prometheus/password
    # caFile: /etc/ssl/prometheus-ca.pem
    # headers: {{X-Scope-OrgID: my-tenant}}
    # timeout: 30s                  # for one request
    # patience: 1m                  # lost to a source that is away or busy before it is given up
  # files: [history.csv]            # beside a Prometheus or without one: `timestamp,series,value`, see the README
  step: 5m                          # distance between samples; divides an hour
  lookback: 8w                      # four weeks are the least that a weekly rhythm shows in
  store: .plimsoll/history          # kept here, beyond the retention of Prometheus

services:
  - name: {service}
    namespace: {namespace}
    # Load in requests per second. Set the labels that select this service,
    # or `query:` with PromQL that gives one series.
    load: {{selector: {{service: {service}}}}}   # set
    # Inside these it is healthy; past `severity2` nothing is lowered.
    objectives: {{errorRate: 1%, p99: 2s, severity2: {{errorRate: 5%, p99: 5s}}}}
    # The team's own scaling table: set your numbers. A row begins where the one before it ends,
    # and load at a boundary belongs to the upper row.
{table}    # volumes: [data-postgresql-0]  # volume claims to watch

policy:
  risk: 5%                          # chance that the window's peak exceeds what is planned for
  horizon: 7d                       # the window that is planned for
  outlook: 28d                      # how far ahead crossings are looked for
  # For `plimsoll apply`: when nothing is changed, and how long an object is left alone after a change.
  # freeze: [{{days: [Fri, Sat], from: '18:00', to: '24:00'}}]
  # cooldown: 30m

# Whose fields `plimsoll apply` may take over, as `managedFields` names them; nobody's unless named.
# After a change rollout and objectives are watched, and what fails is taken back; `watch: 0` does not watch.
# apply: {{takeOver: [helm], watch: 10m}}

# For `plimsoll pr`: the forge that opens the pull request, with the token of `GITHUB_TOKEN` (`GITLAB_TOKEN`).
# pullRequest: {{forge: github}}

# For `plimsoll run`: how often it looks, and how long a floor that it raised is kept.
# run: {{every: 1m, hold: 30m}}

# What is known to change the load; `to` is the first moment after it, a date is its midnight.
# events:
#   - {{name: product launch, from: 2026-12-01, to: 2026-12-03, multiply: 1.8}}
"
    )
}

/// A value given on the command line, as YAML that can only be read as text.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-./:".contains(c);
    let word = text.starts_with(|c: char| c.is_ascii_alphabetic()) && !text.ends_with(':');
    let keyword = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    if word && text.chars().all(plain) && !keyword.contains(&text) {
        text.to_owned()
    } else {
        serde_json::Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::service::live::{Amounts, Container};

    fn starter(service: &str) -> Starter {
        Starter {
            service: service.to_owned(),
            namespace: "shop".to_owned(),
            prometheus_url: "http://localhost:9090".to_owned(),
            runbook: None,
            found: Vec::new(),
            others: vec!["DaemonSet/logs".to_owned()],
        }
    }

    fn hint(error: &anyhow::Error) -> String {
        error.downcast_ref::<Hinted>().unwrap().hint.clone()
    }

    #[test]
    fn the_starter_is_valid_and_says_what_it_was_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plimsoll.yaml");
        run(&file, &starter("checkout"), false, &mut Vec::new()).unwrap();
        let settings = config::load(&file).unwrap();
        let service = &settings.services[0];
        assert_eq!((service.name.as_str(), service.namespace.as_str()), ("checkout", "shop"));
        assert_eq!(settings.history.prometheus.unwrap().url, "http://localhost:9090");
        assert_eq!(service.tiers.rows.len(), 4);
    }

    #[test]
    fn the_starter_takes_the_table_of_a_runbook() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plimsoll.yaml");
        let runbook = Some(PathBuf::from("data/operations.md"));
        run(&file, &Starter { runbook, ..starter("jarvis") }, false, &mut Vec::new()).unwrap();
        let settings = config::load(&file).unwrap();
        let example = config::load(Path::new("data/plimsoll.yaml")).unwrap();
        assert_eq!(settings.services[0].tiers, example.services[0].tiers);
        assert_eq!(
            settings.services[0].components[2].target.to_string(),
            "StatefulSet/jarvis-redis"
        );
    }

    /// Settings with each line of the comments that is a component as one, and a column for it.
    fn uncommented(text: &str) -> String {
        let is_one =
            |line: &&str| line.trim_start().starts_with("# ") && line.contains(": {target: ");
        let of_comments: Vec<&str> = text.lines().filter(is_one).collect();
        let columns = of_comments.iter().map(|line| {
            let (name, _) = line.trim_start()[2..].split_once(": {").unwrap();
            format!(", {name}: 1")
        });
        let columns: String = columns.collect();
        let line = |line: &str| match line.strip_suffix('}') {
            Some(row) if row.contains("- {name: ") => format!("{row}{columns}}}\n"),
            _ if of_comments.contains(&line) => format!("{}\n", line.replacen("# ", "", 1)),
            _ => format!("{line}\n"),
        };
        text.lines().map(line).collect()
    }

    #[test]
    fn whatever_a_cluster_runs_is_named_so_that_the_settings_hold_with_and_without_their_comments()
    {
        let long = format!("shop2-{}.{}", "a".repeat(60), "b".repeat(60));
        let names = [
            "shop2-name",
            "shop2-below",
            "from",
            "api",
            "shop2-api",
            "null",
            "true",
            "no",
            "1234",
            "shop2--x",
            &long,
        ];
        let of = |name: &str| {
            let [requests, limits] = [Amounts::default(); 2];
            let container = Some(Container { name: "on".to_owned(), requests, limits });
            (
                Target { kind: "Deployment".to_owned(), name: name.to_owned() },
                Workload { container, ..Workload::default() },
            )
        };
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plimsoll.yaml");
        let written = |first: usize, runbook: Option<&str>| {
            let mut found: Vec<_> = names.iter().map(|name| of(name)).collect();
            found.rotate_left(first);
            let runbook = runbook.map(PathBuf::from);
            run(&file, &Starter { runbook, found, ..starter("shop2") }, true, &mut Vec::new())
                .unwrap();
            std::fs::read_to_string(&file).unwrap()
        };
        let components = |text: &str| {
            let settings = config::parse(text, "x.yaml", Path::new("")).unwrap();
            settings.services.into_iter().next().unwrap().components
        };
        for (first, name) in names.iter().enumerate() {
            let text = written(first, None);
            assert_eq!(components(&text)[0].target.name, *name);
            let all = components(&uncommented(&text));
            assert_eq!(all.len(), names.len(), "{text}");
            assert!(all.iter().all(|one| one.container.as_deref() == Some("on")), "{text}");
        }
        // what a runbook names already is not named again
        let text = written(0, Some("data/operations.md"));
        let (own, all) = (components(&text), components(&uncommented(&text)));
        assert!(own.iter().any(|one| one.target.name == "shop2-api"), "{text}");
        assert_eq!(all.len(), own.len() + names.len() - 1, "{text}");
    }

    #[test]
    fn a_file_that_is_there_is_kept_unless_forced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plimsoll.yaml");
        std::fs::write(&file, "mine").unwrap();
        let error = run(&file, &starter("a"), false, &mut Vec::new()).unwrap_err();
        assert_eq!(
            hint(&error),
            "write another with `--file FILE`, or overwrite it with `--force`"
        );
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
        run(&file, &starter("a"), true, &mut Vec::new()).unwrap();
        assert!(config::load(&file).is_ok());
    }

    #[test]
    fn values_that_are_no_settings_write_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plimsoll.yaml");
        for service in ["My Service", "a: b", "x\n- y", "", "\"", "a\\b"] {
            assert!(run(&file, &starter(service), false, &mut Vec::new()).is_err(), "{service}");
            assert!(!file.exists());
        }
        let url = Starter { prometheus_url: "prometheus:9090".to_owned(), ..starter("a") };
        let error = run(&file, &url, false, &mut Vec::new()).unwrap_err();
        assert_eq!(hint(&error), "write `http://prometheus:9090`");
    }

    #[test]
    fn names_that_yaml_would_read_otherwise_stay_names() {
        for name in ["true", "null", "no", "123", "1e3"] {
            let text = starter_text(&starter(name), &table(&starter("x")).unwrap());
            let settings = config::parse(&text, "x.yaml", Path::new("")).unwrap();
            assert_eq!(settings.services[0].name, name);
        }
    }
}
