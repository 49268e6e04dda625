//! A mail server of another make (aiosmtpd), run for one test.

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

/// A running server; it ends with the value.
pub struct MailServer {
    child: Child,
    accepted: Receiver<Value>,
    /// Where it listens, on the loopback address.
    pub port: u16,
}

impl MailServer {
    /// Starts `tests/smtp/server.py`. None, and a loud word, where the interpreter is not installed.
    pub fn start(arguments: &[&str]) -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = root.join(".test-tools/python");
        if !python.exists() {
            skip(".test-tools/python is missing; run scripts/test-tools");
            return None;
        }
        let mut command = Command::new(python);
        command.arg(root.join("tests/smtp/server.py")).args(arguments);
        // Its complaints about broken handshakes are what some tests are for.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, accepted) = channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).unwrap());
            }
        });
        let hello: Value = accepted
            .recv_timeout(Duration::from_secs(30))
            .expect("tests/smtp/server.py starts: run it by hand to see why not");
        let port = hello["port"].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap();
        Some(Self { child, accepted, port })
    }

    /// The next message it accepted. Waits for it, for the server tells on another path than it answers.
    pub fn next(&self) -> Value {
        self.accepted.recv_timeout(Duration::from_secs(30)).expect("the mail server accepted a message")
    }

    /// Ends the server; what it had accepted and nobody asked for.
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

/// A certificate authority of the test's own, and a certificate it made for `localhost`.
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

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What a client is to trust.
    pub fn ca_file(&self) -> PathBuf {
        self.file("ca")
    }

    /// Starts a server with the certificate, and with further arguments.
    pub fn server(&self, arguments: &[&str]) -> Option<MailServer> {
        let certificate = self.file("certificate");
        let key = self.file("key");
        let mut all = vec!["--certificate", certificate.to_str().unwrap(), "--key", key.to_str().unwrap()];
        all.extend(arguments);
        MailServer::start(&all)
    }
}

/// The port of a server that answers its first message only when asked something else, and refuses those after it.
pub fn start_slow_server() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let messages = Arc::new(AtomicUsize::new(0));
        for stream in listener.incoming().map_while(Result::ok) {
            let messages = Arc::clone(&messages);
            thread::spawn(move || answer_late(&stream, &messages));
        }
    });
    port
}

fn answer_late(mut stream: &TcpStream, messages: &AtomicUsize) -> std::io::Result<()> {
    stream.write_all(b"220 welcome\r\n")?;
    let mut in_message = false;
    let mut owed = "";
    for line in BufReader::new(stream).lines() {
        let line = line?;
        let answer = match line.as_str() {
            "." if in_message && messages.fetch_add(1, Ordering::SeqCst) == 0 => {
                (in_message, owed) = (false, "250 taken\r\n");
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
        stream.write_all(format!("{}{answer}", std::mem::take(&mut owed)).as_bytes())?;
    }
    Ok(())
}
