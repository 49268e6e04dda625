//! Opens the listening sockets that the configuration names, and says why one cannot be opened.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

use anyhow::{Result, anyhow};

/// Listens on the address. `setting` is the setting that names it, such as `server.listen`.
///
/// # Errors
/// What is wrong with the address, and how to choose another.
pub fn listen(address: SocketAddr, setting: &str) -> Result<TcpListener> {
    TcpListener::bind(address).map_err(|error| {
        let problem = match error.kind() {
            ErrorKind::AddrInUse => {
                "the address is in use, perhaps by another Countersign; stop that process, or".to_owned()
            }
            ErrorKind::AddrNotAvailable => "this machine has no such address;".to_owned(),
            ErrorKind::PermissionDenied => {
                "the user of the server may not use this port; grant CAP_NET_BIND_SERVICE for a port below 1024, or"
                    .to_owned()
            }
            _ => format!("{error};"),
        };
        anyhow!("cannot listen on {address}: {problem} choose another address with {setting}")
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_reason_and_the_setting_are_named() {
        let used = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = used.local_addr().unwrap();
        for (address, expected) in [(address, "in use"), ("192.0.2.1:80".parse().unwrap(), "no such address")] {
            let error = listen(address, "metrics.listen").unwrap_err().to_string();
            assert!(error.contains(&address.to_string()) && error.contains(expected), "{error}");
            assert!(error.contains("with metrics.listen"), "{error}");
        }
    }
}
