//! `/healthz`, `/readyz` and `/metrics` over HTTP/1.1, and nothing else: one request a connection, `GET` only, bounded in
//! size, time and number. Who comes is never kept waiting by who is there: of too many the oldest is let go.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use super::metrics::Shared;

/// The longest head of a request, in bytes.
const HEAD_MAX: usize = 8 << 10;
/// The most connections at once. A probe asks at once and is answered within milliseconds: the oldest is no probe.
const CONNECTIONS: usize = 32;
/// What one connection may take.
const TIME: Duration = Duration::from_secs(5);

/// Answers until it is aborted.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut open: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // out of descriptors, most likely: some will be given back
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        open.retain(|one| !one.is_finished());
        if open.len() >= CONNECTIONS {
            open.pop_front().inspect(AbortHandle::abort);
        }
        let shared = Arc::clone(&shared);
        let answered =
            async move { drop(tokio::time::timeout(TIME, answer(stream, &shared)).await) };
        open.push_back(tokio::spawn(answered).abort_handle());
    }
}

async fn answer(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut head = Vec::with_capacity(1 << 10);
    let mut piece = [0; 1 << 10];
    let response = loop {
        let count = stream.read(&mut piece).await?;
        if count == 0 {
            return Ok(());
        }
        head.extend_from_slice(&piece[..count]);
        if head.windows(4).any(|end| end == b"\r\n\r\n") {
            break respond(&head, shared);
        }
        if head.len() > HEAD_MAX {
            break response("431 Request Header Fields Too Large", "too long\n");
        }
    };
    stream.write_all(response.as_bytes()).await?;
    stream.shutdown().await
}

fn respond(head: &[u8], shared: &Shared) -> String {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let mut words = line.split(' ');
    let (verb, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if !words.next().is_some_and(|version| version.starts_with("HTTP/1.")) {
        return response("400 Bad Request", "no HTTP/1.1\n");
    }
    if verb != "GET" {
        return response("405 Method Not Allowed", "GET only\n");
    }
    let told = |well: Result<(), String>| match well {
        Ok(()) => response("200 OK", "ok\n"),
        Err(why) => response("503 Service Unavailable", &format!("{why}\n")),
    };
    match target.split('?').next().unwrap_or_default() {
        "/healthz" => told(shared.healthy()),
        "/readyz" => told(shared.ready()),
        "/metrics" => response("200 OK", &shared.text()),
        _ => response("404 Not Found", "/healthz, /readyz, /metrics\n"),
    }
}

fn response(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_get_of_what_there_is_is_answered() {
        let shared = Shared::default();
        for (request, status) in [
            ("GET /healthz HTTP/1.1\r\n\r\n", "200"),
            ("GET /metrics?x=1 HTTP/1.1\r\n\r\n", "200"),
            ("GET /readyz HTTP/1.1\r\n\r\n", "503"),
            ("GET / HTTP/1.1\r\n\r\n", "404"),
            ("POST /metrics HTTP/1.1\r\n\r\n", "405"),
            ("GET /metrics\r\n\r\n", "400"),
            ("\u{0}\u{1}\r\n\r\n", "400"),
        ] {
            let said = respond(request.as_bytes(), &shared);
            assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?}: {said}");
        }
    }
}
