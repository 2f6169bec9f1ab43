//! The proxy on the way to a cluster, as `kubectl` goes by it: the kubeconfig's `proxy-url`, else that of the environment
//! for a server that `NO_PROXY` does not name (Go, `golang.org/x/net/http/httpproxy`).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use kube::config::Cluster;
use reqwest::Url;

use super::error::KubernetesError;

/// A proxy, and where it is set.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// A password may stand in it: it is never shown as it is.
    url: String,
    /// The variable; `None`: the kubeconfig itself.
    variable: Option<&'static str>,
}

/// The schemes of proxies that are spoken with.
const SCHEMES: [&str; 3] = ["http", "https", "socks5"];

impl Proxy {
    /// The one on the way to a cluster.
    pub(super) fn to(cluster: &Cluster) -> Option<Self> {
        Self::by(cluster, |name| std::env::var(name).ok())
    }

    fn by(cluster: &Cluster, set: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let told = |url: Option<String>| url.filter(|url| !url.is_empty());
        if let Some(url) = told(cluster.proxy_url.clone()) {
            return Some(Self { url: whole(&url), variable: None });
        }
        let server = Url::parse(cluster.server.as_ref()?).ok()?;
        let names = match server.scheme() {
            "https" => ["HTTPS_PROXY", "https_proxy"],
            _ => ["HTTP_PROXY", "http_proxy"],
        };
        let (name, url) = names.into_iter().find_map(|name| Some((name, told(set(name))?)))?;
        let except = ["NO_PROXY", "no_proxy"].into_iter().find_map(|name| told(set(name)));
        let host = server.host_str()?.trim_matches(['[', ']']);
        let direct = is_of_this_machine(host)
            || is_named(&except.unwrap_or_default(), host, server.port_or_known_default());
        (!direct).then(|| Self { url: whole(&url), variable: Some(name) })
    }

    /// Its address as a client takes it.
    pub(super) fn url<T: FromStr>(&self) -> Result<T, KubernetesError> {
        let unusable =
            |why: &str| KubernetesError::Proxy { proxy: self.clone(), why: why.to_owned() };
        let scheme = self.url.split("://").next().unwrap_or_default();
        if !SCHEMES.contains(&scheme) {
            return Err(unusable("its scheme is none of `http`, `https` and `socks5`"));
        }
        self.url.parse().map_err(|_| unusable("that is no address"))
    }

    /// What to change where nobody comes through.
    #[must_use]
    pub fn hint(&self) -> String {
        let out = match self.variable {
            Some(_) => "name the server in `NO_PROXY`",
            None => "take it out there",
        };
        format!(
            "requests go through the proxy {self}: see whether it is there and lets them through, or {out}"
        )
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.url.split_once("://").unwrap_or_default();
        let shown = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        match self.variable {
            Some(name) => write!(f, "`{scheme}://{shown}` of `{name}`"),
            None => write!(f, "`{scheme}://{shown}` of `proxy-url` of the kubeconfig"),
        }
    }
}

/// With a scheme, by the names that a client knows them by.
fn whole(url: &str) -> String {
    match url.split_once("://") {
        None => format!("http://{url}"),
        Some(("socks5h", rest)) => format!("socks5://{rest}"),
        Some((scheme, rest)) => format!("{}://{rest}", scheme.to_lowercase()),
    }
}

/// Whether no proxy of the environment is ever asked for it.
fn is_of_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Whether a list like that of `NO_PROXY` names a host: `*`, addresses, networks, and names with all below them, which a
/// dot in front leaves out; each name and address with a port or without.
fn is_named(list: &str, host: &str, port: Option<u16>) -> bool {
    let address: Option<IpAddr> = host.parse().ok();
    let names = |one: &str| {
        if let Ok(network) = one.parse::<IpNet>() {
            return address.is_some_and(|address| network.contains(&address));
        }
        let (name, only) = match one.rsplit_once(':') {
            Some((name, digits)) if one.parse::<IpAddr>().is_err() => (name, digits.parse().ok()),
            _ => (one, None),
        };
        let name = name.trim_matches(['[', ']']);
        let domain = name.strip_prefix('*').unwrap_or(name);
        let is_it = match (address, domain.strip_prefix('.')) {
            (Some(address), _) => name.parse() == Ok(address),
            (None, Some(_)) => host.ends_with(domain),
            (None, None) => host == domain || host.ends_with(&format!(".{domain}")),
        };
        is_it && (only.is_none() || only == port)
    };
    let mut all = list.split(',').map(|one| one.trim().to_lowercase());
    all.any(|one| one == "*" || !one.is_empty() && names(&one))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn cluster(server: &str, proxy_url: Option<&str>) -> Cluster {
        let (server, proxy_url) = (Some(server.to_owned()), proxy_url.map(str::to_owned));
        Cluster { server, proxy_url, ..Cluster::default() }
    }

    #[test]
    fn hosts_suffixes_networks_and_ports_are_named_as_kubectl_reads_them() {
        let named = |list: &str| is_named(list, "api.example.com", Some(6443));
        for list in [
            "*",
            "api.example.com",
            "example.com",
            ".example.com",
            "*.example.com",
            "x, EXAMPLE.com,",
        ] {
            assert!(named(list), "{list}");
        }
        assert!(named("api.example.com:6443") && !named("api.example.com:443"));
        for list in ["", ",", "ample.com", ".api.example.com", "10.0.0.0/8", "api"] {
            assert!(!named(list), "{list}");
        }
        let at = |list: &str, host: &str| is_named(list, host, Some(443));
        assert!(at("10.0.0.0/8", "10.1.2.3") && !at("10.0.0.0/8", "11.1.2.3"));
        assert!(at("10.1.2.3", "10.1.2.3") && at("10.1.2.3:443", "10.1.2.3"));
        assert!(!at("10.1.2.3:80", "10.1.2.3") && !at("2.3", "10.1.2.3"));
        assert!(
            at("fd00::/8", "fd00::1") && at("fd00::1", "fd00::1") && at("[fd00::1]:443", "fd00::1")
        );
    }

    #[test]
    fn the_kubeconfig_goes_before_the_environment_and_is_not_excepted() {
        let by = |cluster: &Cluster, set: &[(&str, &str)]| {
            let set = |name: &str| {
                set.iter().find(|(one, _)| *one == name).map(|(_, value)| (*value).to_owned())
            };
            Proxy::by(cluster, set).map(|proxy| proxy.to_string())
        };
        let api = cluster("https://api.example.com:6443", None);
        let both = [("HTTPS_PROXY", "http://me:secret@proxy:3128"), ("http_proxy", "other:80")];
        assert_eq!(by(&api, &both).unwrap(), "`http://proxy:3128` of `HTTPS_PROXY`");
        let plain = cluster("http://api.example.com", None);
        assert_eq!(by(&plain, &both).unwrap(), "`http://other:80` of `http_proxy`");
        assert_eq!(by(&cluster("https://127.0.0.1:6443", None), &both), None);
        assert_eq!(by(&api, &[]), None);
        let except = [both[0], ("NO_PROXY", ".example.com")];
        assert_eq!(by(&api, &except), None);
        let own = cluster("https://api.example.com", Some("socks5h://bastion:1080"));
        let told = "`socks5://bastion:1080` of `proxy-url` of the kubeconfig";
        assert_eq!(by(&own, &except).unwrap(), told);
    }

    #[test]
    fn a_proxy_that_nobody_speaks_with_is_named_without_its_password() {
        let proxy = Proxy::by(&cluster("", Some("ftp://me:secret@proxy:21")), |_| None).unwrap();
        let error = proxy.url::<String>().unwrap_err();
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        let error = error.to_string();
        assert!(
            error.starts_with("the proxy `ftp://proxy:21` of `proxy-url` of the kubeconfig"),
            "{error}"
        );
    }
}
