//! Getting in: the kubeconfig, or the account of the pod that this runs in.

use std::path::PathBuf;
use std::time::Duration;

use kube::config::{Cluster, Context, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

use super::error::KubernetesError;
use super::plugin::Plugin;
use super::proxy::Proxy;
use super::{CONNECT, ClusterOptions, PATIENCE, READ};

/// Where to find kubeconfigs, as every client of Kubernetes looks for it.
const FILES: &str = "KUBECONFIG";

/// A connection to the cluster that the options name.
///
/// # Errors
///
/// Where no usable way to it is configured; nobody is asked yet, but for the kubeconfig's own plugin.
pub async fn connect(options: &ClusterOptions) -> Result<Client, KubernetesError> {
    connect_within(options, PATIENCE).await
}

/// The same with a patience of one's own.
pub(super) async fn connect_within(
    options: &ClusterOptions,
    patience: Duration,
) -> Result<Client, KubernetesError> {
    client(Way::of(options).await?, options, patience).await
}

/// The same for what is not worth asking twice: a server that is busy, or not there, is not waited for.
pub(super) async fn connect_once(options: &ClusterOptions) -> Result<Client, KubernetesError> {
    let mut way = Way::of(options).await?;
    way.config.default_retry = false;
    client(way, options, PATIENCE).await
}

/// The proxy that requests to the cluster go through, where there is one; for those who cannot get through.
#[must_use]
pub fn proxy(options: &ClusterOptions) -> Option<Proxy> {
    if options.is_the_pods() {
        return None;
    }
    Proxy::to(&chosen(&kubeconfig(options).ok()?, options)?)
}

/// The namespace of the context that is chosen, as `kubectl` takes it.
#[must_use]
pub fn namespace(options: &ClusterOptions) -> Option<String> {
    let file = kubeconfig(options).ok()?;
    let context = context(&file, options)?;
    Some(context.namespace.filter(|name| !name.is_empty()).unwrap_or_else(|| "default".to_owned()))
}

/// How a cluster is reached.
struct Way {
    config: Config,
    /// What says who we are.
    plugin: Option<Plugin>,
}

impl Way {
    async fn of(options: &ClusterOptions) -> Result<Self, KubernetesError> {
        if options.is_the_pods() {
            let config = Config::incluster().map_err(|error| KubernetesError::account(&error))?;
            return Ok(Self { config, plugin: None });
        }
        let unusable = |error| KubernetesError::kubeconfig(&error);
        let file = kubeconfig(options).map_err(unusable)?;
        let cluster = chosen(&file, options);
        let context = options.context.clone().or(file.current_context.clone());
        let choice = KubeConfigOptions { context: options.context.clone(), ..Default::default() };
        // the client itself holds `NO_PROXY` against the proxy's own address, and names no variable that it cannot read
        let proxy = cluster.and_then(|cluster| Proxy::to(&cluster));
        let proxy_url = proxy.map(|proxy| proxy.url()).transpose()?;
        let mut config = Config::from_custom_kubeconfig(file, &choice).await.map_err(unusable)?;
        config.proxy_url = proxy_url;
        let plugin = Plugin::of(&mut config.auth_info, context.unwrap_or_default());
        Ok(Self { config, plugin })
    }
}

/// The kubeconfig that the options name, else those of the environment that are there, else the usual one.
fn kubeconfig(options: &ClusterOptions) -> Result<Kubeconfig, KubeconfigError> {
    if let Some(path) = &options.kubeconfig {
        return Kubeconfig::read_from(path);
    }
    let named = std::env::var_os(FILES).unwrap_or_default();
    merged(std::env::split_paths(&named)).unwrap_or_else(Kubeconfig::read)
}

/// Those of several kubeconfigs that are there, the first word on each matter counting; `None`: none is there.
pub(super) fn merged(
    paths: impl Iterator<Item = PathBuf>,
) -> Option<Result<Kubeconfig, KubeconfigError>> {
    let there = paths.filter(|path| path.exists()).map(Kubeconfig::read_from);
    there.reduce(|merged, next| merged?.merge(next?))
}

/// The cluster of the context that is chosen.
fn chosen(file: &Kubeconfig, options: &ClusterOptions) -> Option<Cluster> {
    let context = context(file, options)?;
    file.clusters.iter().find(|one| one.name == context.cluster)?.cluster.clone()
}

/// The context that is chosen.
fn context(file: &Kubeconfig, options: &ClusterOptions) -> Option<Context> {
    let name = options.context.as_ref().or(file.current_context.as_ref())?;
    file.contexts.iter().find(|one| one.name == *name)?.context.clone()
}

/// A client, within the patience for the plugin that says who we are, which answers when it likes.
async fn client(
    way: Way,
    options: &ClusterOptions,
    patience: Duration,
) -> Result<Client, KubernetesError> {
    let Way { mut config, plugin } = way;
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(READ);
    let Some(plugin) = plugin else {
        return Client::try_from(config).map_err(|error| {
            if options.is_the_pods() {
                KubernetesError::account(&error)
            } else {
                KubernetesError::kubeconfig(&error)
            }
        });
    };
    let (done, made) = tokio::sync::oneshot::channel();
    let runtime = tokio::runtime::Handle::current();
    // a thread of the runtime would keep the process until the plugin ends
    std::thread::spawn(move || {
        let _inside = runtime.enter();
        let _ = done.send(Client::try_from(config));
    });
    match tokio::time::timeout(patience, made).await {
        Ok(Ok(made)) => made.map_err(|error| plugin.failed(&error)),
        Ok(Err(_)) => Err(plugin.error("it cannot be run".to_owned())),
        Err(_) => Err(plugin.error(format!("not done after {} s", patience.as_secs()))),
    }
}
