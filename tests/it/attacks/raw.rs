//! HTTP as no client speaks it: bytes over a socket.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// Longer than anything waited for here takes; nothing is asserted about it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Sends the bytes and reads until the server hangs up.
pub fn send_raw(url: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // Whoever is refused early may be hung up on while still talking.
    let _ = stream.write_all(bytes);
    let mut heard = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(read) = stream.read(&mut buffer) {
        if read == 0 {
            break;
        }
        heard.extend(&buffer[..read]);
    }
    let _ = stream.shutdown(Shutdown::Both);
    String::from_utf8_lossy(&heard).into_owned()
}

/// The statuses of the answers in what was heard.
pub fn statuses(heard: &str) -> Vec<u16> {
    heard.split("HTTP/1.1 ").skip(1).map(|answer| answer[..3].parse().unwrap()).collect()
}
