//! The forge's HTTP API: find, open and update one pull request. GitHub's REST API (2022-11-28) and GitLab's (v4).
//!
//! The token goes to the address of the settings and nowhere else: no redirect is followed.

use std::fmt;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{RequestBuilder, StatusCode, Url};
use serde_json::{Value, json};

use super::error::{ForgeError, plain};

/// The most bytes that are read of an answer.
const BODY_MAX: usize = 8 << 20;
/// How often what does no harm twice is tried.
const TRIES: usize = 3;

/// A forge by its API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// GitHub and GitHub Enterprise.
    GitHub,
    /// GitLab.
    GitLab,
}

/// A secret that is never printed.
#[derive(Clone)]
pub struct Token(pub String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// How to reach a forge.
#[derive(Debug, Clone)]
pub struct Access {
    /// Which API.
    pub kind: Kind,
    /// Its base address; `None`: the public one.
    pub url: Option<String>,
    /// `owner/name`.
    pub repository: String,
    /// The token.
    pub token: Token,
    /// Time that one request may take.
    pub timeout: Duration,
    /// Time that is waited where the forge is busy or not well.
    pub patience: Duration,
}

/// An open pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// Its number.
    pub number: u64,
    /// Its page.
    pub url: String,
    /// Its text.
    pub body: String,
}

/// A pull request as it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// One line.
    pub title: String,
    /// Markdown.
    pub body: String,
}

/// A connection to one repository of a forge.
pub struct Client {
    http: reqwest::Client,
    access: Access,
    /// The collection of pull requests.
    pulls: Url,
    shown: String,
}

impl Client {
    /// Prepares the connection; nothing is sent yet.
    ///
    /// # Errors
    ///
    /// An address or a token that cannot be used.
    pub fn new(access: Access) -> Result<Self, ForgeError> {
        let base = access.url.clone().unwrap_or_else(|| match access.kind {
            Kind::GitHub => "https://api.github.com".to_owned(),
            Kind::GitLab => "https://gitlab.com/api/v4".to_owned(),
        });
        let refused = |why: String| ForgeError::Url { url: plain(&base), why };
        let mut pulls = Url::parse(&base).map_err(|error| refused(error.to_string()))?;
        {
            let mut path =
                pulls.path_segments_mut().map_err(|()| refused("it has no path".to_owned()))?;
            path.pop_if_empty();
            match access.kind {
                Kind::GitHub => {
                    path.push("repos").extend(access.repository.split('/')).push("pulls")
                }
                // the slash of the name is part of one segment, and written as %2F
                Kind::GitLab => {
                    path.push("projects").push(&access.repository).push("merge_requests")
                }
            };
        }
        // one provider for the whole process; an error means that it is there already
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("plimsoll/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers(&access)?)
            .timeout(access.timeout)
            .connect_timeout(access.timeout.min(Duration::from_secs(10)))
            .redirect(reqwest::redirect::Policy::none());
        if pulls.scheme() == "http" {
            // without TLS no authority is needed: a container without certificates must work too
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build().map_err(|error| refused(innermost(&error)))?;
        Ok(Self { http, shown: plain(&base), access, pulls })
    }

    /// The open pull request of `branch` into `base`.
    ///
    /// # Errors
    ///
    /// Where the forge does not say.
    pub async fn find(&self, branch: &str, base: &str) -> Result<Option<Open>, ForgeError> {
        let opened = if self.access.kind == Kind::GitHub { "open" } else { "opened" };
        let all = self.list(opened, branch, base).await?;
        all.first().map(|one| self.open_of(one)).transpose()
    }

    /// One of `branch` into `base` that was closed and not merged, and whose text holds `words`.
    ///
    /// # Errors
    ///
    /// Where the forge does not say.
    pub async fn closed(
        &self,
        branch: &str,
        base: &str,
        words: &str,
    ) -> Result<Option<Open>, ForgeError> {
        for one in self.list("closed", branch, base).await? {
            let open = self.open_of(&one)?;
            if one["merged_at"].is_null() && open.body.contains(words) {
                return Ok(Some(open));
            }
        }
        Ok(None)
    }

    /// The newest of `branch` into `base` in a state.
    async fn list(&self, state: &str, branch: &str, base: &str) -> Result<Vec<Value>, ForgeError> {
        let mut url = self.pulls.clone();
        let owner = self.access.repository.split('/').next().unwrap_or_default();
        match self.access.kind {
            Kind::GitHub => url.query_pairs_mut().extend_pairs([
                ("state", state),
                ("head", &format!("{owner}:{branch}")),
                ("base", base),
                ("per_page", "100"),
            ]),
            Kind::GitLab => url.query_pairs_mut().extend_pairs([
                ("state", state),
                ("source_branch", branch),
                ("target_branch", base),
                ("per_page", "100"),
            ]),
        };
        let answer = self.send(self.http.get(url), None, true).await?;
        let Value::Array(all) = answer else { return Err(self.odd(&answer)) };
        // a filter that a forge does not understand is ignored by it, and not by us
        let mine = all.into_iter().filter(|one| match self.access.kind {
            Kind::GitHub => {
                let from = one["head"]["repo"]["full_name"].as_str().unwrap_or_default();
                one["head"]["ref"] == branch
                    && one["base"]["ref"] == base
                    && from.eq_ignore_ascii_case(&self.access.repository)
            }
            Kind::GitLab => {
                one["source_branch"] == branch
                    && one["target_branch"] == base
                    && one["source_project_id"] == one["target_project_id"]
            }
        });
        Ok(mine.collect())
    }

    /// Opens one; where the forge says that it is there already, that one.
    ///
    /// # Errors
    ///
    /// Where the forge does not want it.
    pub async fn create(
        &self,
        branch: &str,
        base: &str,
        draft: &Draft,
    ) -> Result<Open, ForgeError> {
        let Draft { title, body } = draft;
        let wanted = match self.access.kind {
            Kind::GitHub => json!({"title": title, "body": body, "head": branch, "base": base}),
            Kind::GitLab => {
                json!({"title": title, "description": body, "source_branch": branch, "target_branch": base})
            }
        };
        match self.send(self.http.post(self.pulls.clone()), Some(&wanted), false).await {
            Ok(answer) => self.open_of(&answer),
            // two runs at once, or one whose answer was lost
            Err(error @ ForgeError::Refused { status: 409 | 422, .. }) => {
                match self.find(branch, base).await? {
                    Some(open) => self.update(open, draft).await,
                    None => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Gives an open one another title and text.
    ///
    /// # Errors
    ///
    /// Where the forge does not want it.
    pub async fn update(&self, open: Open, draft: &Draft) -> Result<Open, ForgeError> {
        let mut url = self.pulls.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.push(&open.number.to_string());
        }
        let Draft { title, body } = draft;
        let (request, wanted) = match self.access.kind {
            Kind::GitHub => (self.http.patch(url), json!({"title": title, "body": body})),
            Kind::GitLab => (self.http.put(url), json!({"title": title, "description": body})),
        };
        let answer = self.send(request, Some(&wanted), true).await?;
        self.open_of(&answer)
    }

    fn open_of(&self, one: &Value) -> Result<Open, ForgeError> {
        let [number, url, body] = match self.access.kind {
            Kind::GitHub => ["number", "html_url", "body"],
            Kind::GitLab => ["iid", "web_url", "description"],
        };
        let (Some(number), Some(url)) = (one[number].as_u64(), one[url].as_str()) else {
            return Err(self.odd(one));
        };
        Ok(Open {
            number,
            url: plain(url),
            body: one[body].as_str().unwrap_or_default().to_owned(),
        })
    }

    fn odd(&self, answer: &Value) -> ForgeError {
        self.no_forge(answer.to_string().as_bytes())
    }

    fn no_forge(&self, body: &[u8]) -> ForgeError {
        let text: String = self.said(body).chars().take(60).collect();
        ForgeError::NotAForge { url: self.shown.clone(), start: format!("`{}`", plain(&text)) }
    }

    /// What was answered, without the token: a forge or a proxy may say again what it was sent.
    fn said(&self, body: &[u8]) -> String {
        String::from_utf8_lossy(body).replace(&self.access.token.0, "…")
    }

    /// Sends until there is an answer, a refusal, or no patience left. What `harmless` does not say is sent again only where
    /// the forge said that it did nothing.
    async fn send(
        &self,
        request: RequestBuilder,
        body: Option<&Value>,
        harmless: bool,
    ) -> Result<Value, ForgeError> {
        let mut request = request;
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let (mut left, mut tries) = (self.access.patience, TRIES);
        loop {
            let Some(attempt) = request.try_clone() else { return Err(self.odd(&Value::Null)) };
            let error = match self.once(attempt).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            tries -= 1;
            let wait = match &error {
                ForgeError::Busy { wait, .. } => *wait,
                ForgeError::Unwell { .. } if harmless => Duration::from_secs(1),
                _ => return Err(error),
            };
            if tries == 0 || wait > left {
                return Err(error);
            }
            left -= wait;
            tokio::time::sleep(wait).await;
        }
    }

    async fn once(&self, request: RequestBuilder) -> Result<Value, ForgeError> {
        let mut response = request.send().await.map_err(|error| self.transport(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.transport(&error))? {
            if body.len() + chunk.len() > BODY_MAX {
                return Err(self.no_forge(&body));
            }
            body.extend_from_slice(&chunk);
        }
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|_| self.no_forge(&body));
        }
        Err(self.refusal(status, &headers, &body))
    }

    fn transport(&self, error: &reqwest::Error) -> ForgeError {
        let url = self.shown.clone();
        if error.is_timeout() {
            return ForgeError::TimedOut { url, after: self.access.timeout };
        }
        ForgeError::Unreachable { url, why: plain(&innermost(error)) }
    }

    fn refusal(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ForgeError {
        let url = self.shown.clone();
        let said = words(&self.said(body));
        match status.as_u16() {
            300..=399 => {
                let to = headers.get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or("nowhere");
                let to = plain(&self.said(to.split('?').next().unwrap_or_default().as_bytes()));
                ForgeError::Redirected { url, to }
            }
            401 => ForgeError::Unknown { url, said },
            403 | 429 if busy(status, headers).is_some() => {
                ForgeError::Busy { url, wait: busy(status, headers).unwrap_or_default() }
            }
            403 => ForgeError::Forbidden { url, said },
            404 => ForgeError::NotFound { url, repository: self.access.repository.clone() },
            status @ 500.. => ForgeError::Unwell { url, status, said },
            status => ForgeError::Refused { url, status, said },
        }
    }
}

/// How long a forge asks to be left alone; a 403 without a word of it is a refusal.
fn busy(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<i64>().ok();
    if headers.contains_key(RETRY_AFTER) {
        // a date is rare, and a minute is what a forge asks for that says no number
        let seconds = number("retry-after").unwrap_or(60);
        return Some(Duration::from_secs(seconds.unsigned_abs()));
    }
    if number("x-ratelimit-remaining") == Some(0) {
        let now = jiff::Timestamp::now().as_second();
        let seconds = number("x-ratelimit-reset").map_or(60, |at| at.saturating_sub(now).max(1));
        return Some(Duration::from_secs(seconds.unsigned_abs()));
    }
    (status.as_u16() == 429).then_some(Duration::from_secs(60))
}

fn headers(access: &Access) -> Result<HeaderMap, ForgeError> {
    let mut headers = HeaderMap::new();
    let text = match access.kind {
        Kind::GitHub => format!("Bearer {}", access.token.0),
        Kind::GitLab => access.token.0.clone(),
    };
    let why = "it has characters that a header cannot have".to_owned();
    let mut value = HeaderValue::try_from(text).map_err(|_| ForgeError::NoToken { why })?;
    value.set_sensitive(true);
    match access.kind {
        Kind::GitHub => {
            headers.insert(AUTHORIZATION, value);
            headers.insert("accept", HeaderValue::from_static("application/vnd.github+json"));
            headers.insert("x-github-api-version", HeaderValue::from_static("2022-11-28"));
        }
        Kind::GitLab => {
            headers.insert("private-token", value);
        }
    }
    Ok(headers)
}

/// What a refusal says for people: `: Validation Failed, A pull request already exists`.
fn words(body: &str) -> String {
    let Ok(value) = serde_json::from_str::<Value>(body) else { return String::new() };
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Null => None,
        other => Some(other.to_string()),
    };
    let errors = value["errors"].as_array().into_iter().flatten();
    let details = errors.filter_map(|error| {
        text(error).filter(|_| error.is_string()).or_else(|| text(&error["message"]))
    });
    let message = text(&value["message"]).or_else(|| text(&value["error"]));
    let all: Vec<String> = message.into_iter().chain(details).collect();
    if all.is_empty() { String::new() } else { format!(": {}", plain(&all.join(", "))) }
}

fn innermost(error: &reqwest::Error) -> String {
    use std::error::Error as _;
    let mut cause = error.source();
    let mut last = error.to_string();
    while let Some(next) = cause {
        last = next.to_string();
        cause = next.source();
    }
    last
}
