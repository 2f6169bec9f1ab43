//! The credential plugin of a kubeconfig: a program that prints who we are, which is nothing to show to anybody
//! (Kubernetes, "client-go credential plugins").

use std::io::IsTerminal as _;
use std::process::Output;

use kube::client::AuthError;
use kube::config::{AuthInfo, ExecInteractiveMode};

use super::error::KubernetesError;

/// Who runs for a credential, and in whose name.
pub(super) struct Plugin {
    command: String,
    context: String,
    /// What its kubeconfig says to whom it is missing.
    install: Option<String>,
}

impl Plugin {
    /// That of a user of the kubeconfig, where there is one. Where nobody sits at a terminal, it is told so, as `kubectl` does;
    /// what it says then is not left to be read from the terminal alone.
    pub fn of(user: &mut AuthInfo, context: String) -> Option<Self> {
        if let Some(exec) = &mut user.exec {
            let asks = exec.interactive_mode == Some(ExecInteractiveMode::Always);
            if !asks && !std::io::stdin().is_terminal() {
                exec.interactive_mode = Some(ExecInteractiveMode::Never);
            }
            let install = exec.install_hint.clone();
            return Some(Self { command: exec.command.clone()?, context, install });
        }
        let command = user.auth_provider.as_ref()?.config.get("cmd-path")?.clone();
        Some(Self { command, context, install: None })
    }

    /// Why no client came of it.
    pub fn failed(&self, error: &kube::Error) -> KubernetesError {
        let plugins = |error: &AuthError| match error {
            AuthError::AuthExecStart(why) => {
                Some(self.missing(why.kind() == std::io::ErrorKind::NotFound, why))
            }
            error => words(error).map(|why| self.error(why)),
        };
        let of_it = match error {
            kube::Error::Auth(error) => plugins(error),
            _ => None,
        };
        of_it.unwrap_or_else(|| KubernetesError::kubeconfig(error))
    }

    fn missing(&self, is_gone: bool, why: &std::io::Error) -> KubernetesError {
        let install = self.install.clone().filter(|_| is_gone);
        let (command, context) = (self.command.clone(), self.context.clone());
        let why = if is_gone { "there is no such program".to_owned() } else { why.to_string() };
        KubernetesError::Plugin { command, context, why, install }
    }

    pub fn error(&self, why: String) -> KubernetesError {
        let (command, context) = (self.command.clone(), self.context.clone());
        KubernetesError::Plugin { command, context, why, install: None }
    }
}

/// What went wrong with a plugin, without a word of what it printed for us alone; `None`: it is no matter of a plugin.
pub(super) fn words(error: &AuthError) -> Option<String> {
    Some(match error {
        AuthError::AuthExecStart(why) => why.to_string(),
        AuthError::AuthExecRun { out, .. } => ended(out),
        AuthError::ExecPluginFailed => "what it printed has no `status`".to_owned(),
        AuthError::AuthExecParse(_) | AuthError::ParseTokenKey(_) => {
            "what it printed is no credential".to_owned()
        }
        AuthError::MalformedTokenExpirationDate(_) => {
            "what it printed as the end of its credential is no time".to_owned()
        }
        AuthError::UnrefreshableTokenResponse => {
            "its second credential is of another kind".to_owned()
        }
        _ => return None,
    })
}

/// How it ended, and the last that it said to people.
fn ended(out: &Output) -> String {
    let how = match out.status.code() {
        Some(code) => format!("it ended with exit code {code}"),
        None => format!("it ended by {}", out.status),
    };
    let said = String::from_utf8_lossy(&out.stderr);
    let last = said.lines().map(str::trim).rfind(|line| !line.is_empty());
    let last = last.map(|line| line.chars().filter(|one| !one.is_control()).collect::<String>());
    last.map_or_else(|| how.clone(), |last| format!("{how}: {last}"))
}
