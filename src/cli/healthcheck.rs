//! `countersign healthcheck`: asks the server at the configured address whether it is ready. For images without a shell
//! or an HTTP client.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use clap::Args;

use super::print;
use super::runtime::block_on;
use crate::config::Config;
use crate::fetch::readiness::check_ready;

/// The maximum duration of one request. Docker's default for a whole check is 30 s.
const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub struct HealthcheckArgs {
    /// Ask this address instead of server.listen, if `serve` was started with --listen
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
}

impl HealthcheckArgs {
    /// Returns the settings that the flags of this command set.
    pub fn flags(&self) -> Option<(String, String)> {
        self.listen.clone().map(|address| ("server.listen".to_owned(), address))
    }

    pub fn run(config: &Config) -> Result<ExitCode> {
        let listen = config.server.listen;
        if listen.port() == 0 {
            bail!("server.listen has port 0, so the port of the server is unknown; set it, or use --listen");
        }
        let is_tls = config.tls.is_some();
        let scheme = if is_tls { "https" } else { "http" };
        let mut problems = Vec::new();
        for address in reachable(listen) {
            match block_on(async { Ok(check_ready(address, is_tls, TIMEOUT).await) })? {
                Ok(()) => {
                    print::message(format!("{scheme}://{address}/ready: the server is ready."));
                    return Ok(ExitCode::SUCCESS);
                }
                Err(problem) => problems.push(format!("{scheme}://{address}/ready: {problem}")),
            }
        }
        Err(anyhow!(problems.join("; ")))
    }
}

/// The addresses at which a server that listens on `listen` answers on this machine. `[::]` also accepts IPv4, and the
/// machine may have no IPv6 loopback address.
fn reachable(listen: SocketAddr) -> Vec<SocketAddr> {
    let at = |ip: IpAddr| SocketAddr::new(ip, listen.port());
    match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => vec![at(Ipv4Addr::LOCALHOST.into())],
        IpAddr::V6(ip) if ip.is_unspecified() => vec![at(Ipv6Addr::LOCALHOST.into()), at(Ipv4Addr::LOCALHOST.into())],
        _ => vec![listen],
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_every_address_is_reached_over_loopback() {
        for (listen, expected) in [
            ("127.0.0.1:8080", &["127.0.0.1:8080"][..]),
            ("192.0.2.7:80", &["192.0.2.7:80"]),
            ("0.0.0.0:8080", &["127.0.0.1:8080"]),
            ("[::]:8443", &["[::1]:8443", "127.0.0.1:8443"]),
            ("[::1]:8443", &["[::1]:8443"]),
            ("[2001:db8::1]:1", &["[2001:db8::1]:1"]),
        ] {
            let found: Vec<_> = reachable(listen.parse().unwrap()).iter().map(ToString::to_string).collect();
            assert_eq!(found, expected, "{listen}");
        }
    }
}
