//! Getting in: address, certificates, headers, credentials.
//!
//! Secrets come from files that are read anew for every request, because tokens rotate; a redirect to
//! another host is refused, so that no header of ours ever reaches it.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::error::PrometheusError;

/// How to reach a Prometheus, or anything that speaks its HTTP API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Base address, with path if there is one.
    pub url: String,
    /// File that holds a bearer token.
    pub bearer_token_file: Option<PathBuf>,
    /// User name for basic authentication.
    pub username: Option<String>,
    /// File that holds its password; without one the password is empty.
    pub password_file: Option<PathBuf>,
    /// PEM file of the only authority whose certificates are trusted.
    pub ca_file: Option<PathBuf>,
    /// PEM file of our own certificate, for mutual TLS.
    pub cert_file: Option<PathBuf>,
    /// PEM file of its key.
    pub key_file: Option<PathBuf>,
    /// Headers sent with every request.
    pub headers: BTreeMap<String, String>,
    /// Time that one request may take.
    pub timeout: Duration,
    /// Time that all requests together may lose to a source that is away or busy, from one answer to the next,
    /// before it is given up for good.
    pub patience: Duration,
}

impl Access {
    /// Access to `url` without credentials, with the usual limits: 30 s for a request, a minute of patience.
    #[must_use]
    pub fn to(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            bearer_token_file: None,
            username: None,
            password_file: None,
            ca_file: None,
            cert_file: None,
            key_file: None,
            headers: BTreeMap::new(),
            timeout: Duration::from_secs(30),
            patience: Duration::from_secs(60),
        }
    }
}

/// The address, if it is one that we can ask without giving secrets away.
pub(super) fn address(text: &str) -> Result<Url, PrometheusError> {
    let refused = |why: String| PrometheusError::Url { url: text.to_owned(), why };
    let url = Url::parse(text).map_err(|error| refused(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(refused("it must begin with `http://` or `https://`".to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(PrometheusError::Url {
            url: shown(&url),
            why: "user and password belong into `username` and `passwordFile`".to_owned(),
        });
    }
    Ok(url)
}

/// The address as it may be shown: without user and password.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // both fail only for addresses without a host, which `address` has refused
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.as_str().trim_end_matches('/').to_owned()
}

/// The connection pool with its certificates, headers and limits.
pub(super) fn http_client(access: &Access, url: &Url) -> Result<reqwest::Client, PrometheusError> {
    // one provider for the whole process; an error means that it is there already
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("plimsoll/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers(&access.headers)?)
        .timeout(access.timeout)
        .connect_timeout(access.timeout.min(Duration::from_secs(10)))
        .redirect(same_host_only());
    if let Some(path) = &access.ca_file {
        let what = "the CA file";
        let unusable = |why: String| PrometheusError::FileContent { what, path: path.clone(), why };
        let certificates = reqwest::Certificate::from_pem_bundle(&read(what, path)?)
            .map_err(|error| unusable(innermost(&error)))?;
        if certificates.is_empty() {
            return Err(unusable("it holds no certificate in PEM form".to_owned()));
        }
        builder = builder.tls_certs_only(certificates);
    } else if url.scheme() == "http" {
        // without TLS no authority is needed: a container without certificates must work too
        builder = builder.tls_certs_only([]);
    }
    if let (Some(cert), Some(key)) = (&access.cert_file, &access.key_file) {
        let mut pem = read("the certificate file", cert)?;
        pem.push(b'\n');
        pem.extend(read("the key file", key)?);
        let identity =
            reqwest::Identity::from_pem(&pem).map_err(|error| PrometheusError::FileContent {
                what: "the certificate or key file",
                path: cert.clone(),
                why: innermost(&error),
            })?;
        builder = builder.identity(identity);
    }
    builder
        .build()
        .map_err(|error| PrometheusError::Url { url: shown(url), why: innermost(&error) })
}

/// A redirect is followed only to the host and port we came from, and never out of TLS (case 12).
fn same_host_only() -> reqwest::redirect::Policy {
    reqwest::redirect::Policy::custom(|attempt| {
        let from = attempt.previous().first();
        let same = from.is_some_and(|from| {
            from.host() == attempt.url().host()
                && from.port_or_known_default() == attempt.url().port_or_known_default()
                && from.scheme() == attempt.url().scheme()
        });
        if same && attempt.previous().len() <= 5 {
            attempt.follow()
        } else {
            let to = shown(attempt.url());
            // its query holds ours
            let to = to.split('?').next().unwrap_or_default().to_owned();
            attempt.error(to)
        }
    })
}

fn headers(wanted: &BTreeMap<String, String>) -> Result<HeaderMap, PrometheusError> {
    let mut headers = HeaderMap::new();
    for (name, value) in wanted {
        let refused = |why: String| PrometheusError::Header { name: name.clone(), why };
        let key = HeaderName::try_from(name).map_err(|error| refused(error.to_string()))?;
        let mut value = HeaderValue::try_from(value).map_err(|_| {
            refused("its value has characters that a header cannot have".to_owned())
        })?;
        value.set_sensitive(true);
        headers.insert(key, value);
    }
    Ok(headers)
}

/// The `Authorization` of this moment: the files are read for every request, because tokens rotate.
pub(super) fn authorization(access: &Access) -> Result<Option<HeaderValue>, PrometheusError> {
    let (text, path) = if let Some(path) = &access.bearer_token_file {
        (format!("Bearer {}", read_line("the bearer token file", path)?), path.clone())
    } else if let Some(user) = &access.username {
        let path = access.password_file.clone().unwrap_or_default();
        let password = match &access.password_file {
            Some(path) => read_line("the password file", path)?,
            None => String::new(),
        };
        (format!("Basic {}", base64(format!("{user}:{password}").as_bytes())), path)
    } else {
        return Ok(None);
    };
    let mut value = HeaderValue::try_from(text).map_err(|_| PrometheusError::FileContent {
        what: "the credentials file",
        path,
        why: "it has characters that a header cannot have".to_owned(),
    })?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, PrometheusError> {
    std::fs::read(path).map_err(|source| PrometheusError::File {
        what,
        path: path.to_owned(),
        source,
    })
}

/// A file's text without the line break that editors leave at its end.
fn read_line(what: &'static str, path: &Path) -> Result<String, PrometheusError> {
    let text = String::from_utf8(read(what, path)?).map_err(|_| PrometheusError::FileContent {
        what,
        path: path.to_owned(),
        why: "it is not text".to_owned(),
    })?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// What an error rests on, outermost first.
pub(super) fn causes(error: &reqwest::Error) -> Vec<String> {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    causes
}

fn innermost(error: &reqwest::Error) -> String {
    causes(error).pop().unwrap_or_else(|| error.to_string())
}

/// RFC 4648, section 4: the one header that needs it does not deserve a crate.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = [chunk[0], *chunk.get(1).unwrap_or(&0), *chunk.get(2).unwrap_or(&0)];
        let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        for place in 0..4 {
            let digit = (bits >> (18 - 6 * place)) & 63;
            out.push(if place > chunk.len() { '=' } else { char::from(ALPHABET[digit as usize]) });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Client;
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        // RFC 4648, section 10
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn a_password_in_the_address_is_refused_and_not_shown() {
        let error = Client::new(&Access::to("http://me:secret@host:9090/x")).err().unwrap();
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    }

    #[test]
    fn an_address_without_scheme_is_refused() {
        for bad in ["prometheus:9090", "localhost", "ftp://x", "", "http://"] {
            assert!(Client::new(&Access::to(bad)).is_err(), "{bad}");
        }
    }
}
