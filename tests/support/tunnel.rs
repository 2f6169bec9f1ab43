//! A proxy that hands everything on to one API server, and remembers what it was asked for.

use std::io::{BufRead, BufReader, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// The proxy; it lives as long as the process.
pub struct Tunnel {
    /// Where it listens.
    pub url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Tunnel {
    /// One that `CONNECT`s to the server at this port of this machine, whatever is asked for.
    pub fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let told = Arc::clone(&told);
                std::thread::spawn(move || through(stream.unwrap(), server, &told));
            }
        });
        Self { url, asked }
    }

    /// The hosts that were asked for since the last time.
    pub fn asked(&self) -> Vec<String> {
        let mut asked = std::mem::take(&mut *self.asked.lock().unwrap());
        asked.dedup();
        asked
    }
}

fn through(mut here: TcpStream, server: u16, asked: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(here.try_clone().unwrap()).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    let Some(host) = first.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()) else {
        return;
    };
    asked.lock().unwrap().push(host.to_owned());
    // whoever asks says no more until there is an answer
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    let mut there = TcpStream::connect(("127.0.0.1", server)).unwrap();
    here.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
    let (mut back, mut forth) = (there.try_clone().unwrap(), here.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut back, &mut forth);
        let _ = forth.shutdown(Shutdown::Both);
    });
    let _ = std::io::copy(&mut here, &mut there);
    let _ = there.shutdown(Shutdown::Both);
}
