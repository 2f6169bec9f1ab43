//! The way to an API server, which a test cuts.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::cluster::Cluster;

/// A way to the API server that is slow, and can be cut.
pub struct Wire {
    port: u16,
    is_cut: Arc<AtomicBool>,
}

impl Wire {
    pub fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let is_cut = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_cut);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(here), Ok(there)) = (stream, TcpStream::connect(("127.0.0.1", server)))
                else {
                    continue;
                };
                let (back, forth) = (here.try_clone().unwrap(), there.try_clone().unwrap());
                for (mut from, mut to) in [(here, there), (forth, back)] {
                    let cut = Arc::clone(&told);
                    std::thread::spawn(move || {
                        let mut bytes = [0; 1 << 14];
                        while let Ok(count @ 1..) = from.read(&mut bytes) {
                            std::thread::sleep(Duration::from_millis(40));
                            if cut.load(Ordering::SeqCst) || to.write_all(&bytes[..count]).is_err()
                            {
                                break;
                            }
                        }
                        let _ = from.shutdown(Shutdown::Both);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        Self { port, is_cut }
    }

    /// Whoever is under way, and whoever comes, is let go.
    pub fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
    }

    #[allow(dead_code)]
    pub fn mend(&self) {
        self.is_cut.store(false, Ordering::SeqCst);
    }

    /// Writes the administrator's kubeconfig for this way.
    pub fn kubeconfig(&self, cluster: &Cluster, file: PathBuf) -> PathBuf {
        let text = std::fs::read_to_string(cluster.path("admin.kubeconfig")).unwrap();
        let [direct, slow] = [cluster.port(), self.port].map(|port| format!("127.0.0.1:{port}"));
        std::fs::write(&file, text.replace(&direct, &slow)).unwrap();
        file
    }
}
