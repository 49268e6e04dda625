//! A third-party mail server (aiosmtpd), started for one test.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::Value;

use crate::support::skip::skip;

/// A running mail server. Dropping the value stops it.
pub struct MailServer {
    child: Child,
    accepted: Receiver<Value>,
    /// The port on the loopback address.
    pub port: u16,
}

impl MailServer {
    /// Starts `tests/smtp/server.py`. Reports a skip and returns `None` if the interpreter is not installed.
    pub fn start(arguments: &[&str]) -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = root.join(".test-tools/python");
        if !python.exists() {
            skip(".test-tools/python is missing; run scripts/test-tools");
            return None;
        }
        let mut command = Command::new(python);
        command.arg(root.join("tests/smtp/server.py")).args(arguments);
        // Some tests cause failed handshakes on purpose, and the server reports them here.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, accepted) = channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).unwrap());
            }
        });
        let first_line: Value = accepted
            .recv_timeout(Duration::from_secs(30))
            .expect("tests/smtp/server.py did not start; run it manually to see the error");
        let port = first_line["port"].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap();
        Some(Self { child, accepted, port })
    }

    /// Waits for the next accepted message. The server prints it to its standard output, which may happen after its
    /// SMTP reply.
    pub fn next(&self) -> Value {
        self.accepted.recv_timeout(Duration::from_secs(30)).expect("the mail server accepted no message within 30 s")
    }

    /// Stops the server and returns the accepted messages that no test has read.
    pub fn stop(mut self) -> Vec<Value> {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
        self.accepted.iter().collect()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A certificate authority for a test, and a certificate that it issued for `localhost`.
pub struct TestAuthority {
    folder: tempfile::TempDir,
}

impl TestAuthority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_key = KeyPair::generate().unwrap();
        let ca = params.self_signed(&ca_key).unwrap();
        let issuer = Issuer::from_params(&params, &ca_key);
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        let authority = Self { folder: tempfile::tempdir().unwrap() };
        for (name, pem) in [("ca", ca.pem()), ("certificate", leaf.pem()), ("key", key.serialize_pem())] {
            std::fs::write(authority.file(name), pem).unwrap();
        }
        authority
    }

    /// A certificate for `localhost` that is its own authority.
    pub fn self_signed() -> Self {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        let authority = Self { folder: tempfile::tempdir().unwrap() };
        for (name, pem) in [("ca", &certificate), ("certificate", &certificate), ("key", &key.serialize_pem())] {
            std::fs::write(authority.file(name), pem).unwrap();
        }
        authority
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The file with the trusted CA certificate.
    pub fn ca_file(&self) -> PathBuf {
        self.file("ca")
    }

    /// Starts a mail server with the certificate and further arguments.
    pub fn server(&self, arguments: &[&str]) -> Option<MailServer> {
        let certificate = self.file("certificate");
        let key = self.file("key");
        let mut all = vec!["--certificate", certificate.to_str().unwrap(), "--key", key.to_str().unwrap()];
        all.extend(arguments);
        MailServer::start(&all)
    }
}

/// Starts a mail server that replies to its first message only after the next command, and rejects all later messages.
/// Returns its port.
pub fn start_slow_server() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let messages = Arc::new(AtomicUsize::new(0));
        for stream in listener.incoming().map_while(Result::ok) {
            let messages = Arc::clone(&messages);
            thread::spawn(move || reply_late(&stream, &messages));
        }
    });
    port
}

fn reply_late(mut stream: &TcpStream, messages: &AtomicUsize) -> std::io::Result<()> {
    stream.write_all(b"220 welcome\r\n")?;
    let mut in_message = false;
    let mut pending = "";
    for line in BufReader::new(stream).lines() {
        let line = line?;
        let response = match line.as_str() {
            "." if in_message && messages.fetch_add(1, Ordering::SeqCst) == 0 => {
                (in_message, pending) = (false, "250 accepted\r\n");
                continue;
            }
            "." if in_message => {
                in_message = false;
                "550 refused\r\n"
            }
            _ if in_message => continue,
            "DATA" => {
                in_message = true;
                "354 go on\r\n"
            }
            _ => "250 fine\r\n",
        };
        stream.write_all(format!("{}{response}", std::mem::take(&mut pending)).as_bytes())?;
    }
    Ok(())
}
