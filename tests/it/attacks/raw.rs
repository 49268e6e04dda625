//! Sends raw bytes over a socket, for requests that an HTTP client library would not send.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// A safety limit, much longer than any response takes. No test depends on it.
const READ_TIMEOUT: Duration = Duration::from_secs(20);

/// Sends the bytes and reads until the server closes the connection. Returns the received text.
pub fn send_raw(url: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(READ_TIMEOUT)).unwrap();
    // The server may reject a request early and close the connection while the client is still sending.
    let _ = stream.write_all(bytes);
    let mut received = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(read) = stream.read(&mut buffer) {
        if read == 0 {
            break;
        }
        received.extend(&buffer[..read]);
    }
    let _ = stream.shutdown(Shutdown::Both);
    String::from_utf8_lossy(&received).into_owned()
}

/// Returns the statuses of all HTTP/1.1 responses in the received text.
pub fn statuses(received: &str) -> Vec<u16> {
    received.split("HTTP/1.1 ").skip(1).map(|response| response[..3].parse().unwrap()).collect()
}
