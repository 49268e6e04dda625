//! The limit of open connections per caller, so that one caller cannot use all connections of the server. Reaching the
//! limit is logged once for each caller, and not again until all of that caller's connections are closed.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::network::Network;
use crate::throttle::prefix;

/// Counts the open connections of each caller: one IPv4 address, or one IPv6 /64. Loopback addresses and trusted proxies
/// are not counted, because their connections carry the requests of many callers.
#[derive(Clone, Debug)]
pub struct CallerLimit {
    max: usize,
    trusted: Arc<[Network]>,
    open: OpenConnections,
}

type OpenConnections = Arc<Mutex<HashMap<IpAddr, CallerConnections>>>;

/// The open connections of one caller.
#[derive(Debug, Default)]
struct CallerConnections {
    count: usize,
    is_logged: bool,
}

/// An open connection. Dropping the value ends the count of the connection, if it is counted.
#[derive(Debug)]
pub(super) struct AdmittedConnection(Option<(IpAddr, OpenConnections)>);

impl CallerLimit {
    /// Allows each caller `max` connections, at least 1. `trusted` are the trusted proxies.
    pub fn new(max: usize, trusted: Vec<Network>) -> Self {
        Self { max: max.max(1), trusted: trusted.into(), open: Arc::default() }
    }

    /// Counts a connection from this address. `None`: the caller has reached the limit, and the connection must be
    /// closed.
    pub(super) fn admit(&self, peer: IpAddr) -> Option<AdmittedConnection> {
        let peer = peer.to_canonical();
        if peer.is_loopback() || self.trusted.iter().any(|network| network.contains(peer)) {
            return Some(AdmittedConnection(None));
        }
        let caller = prefix(peer);
        let mut open = lock(&self.open);
        let connections = open.entry(caller).or_default();
        if connections.count < self.max {
            connections.count += 1;
            return Some(AdmittedConnection(Some((caller, Arc::clone(&self.open)))));
        }
        if !connections.is_logged {
            connections.is_logged = true;
            tracing::warn!(
                %caller,
                connections = self.max,
                "connection limit of one caller reached; closing its further connections. If it is a proxy, add it to \
                 server.trusted_proxies; otherwise server.max_connections_per_caller may be too low"
            );
        }
        None
    }
}

impl Drop for AdmittedConnection {
    fn drop(&mut self) {
        let Some((caller, open)) = self.0.take() else { return };
        let mut open = lock(&open);
        if let Some(connections) = open.get_mut(&caller) {
            connections.count -= 1;
            if connections.count == 0 {
                open.remove(&caller);
            }
        }
    }
}

fn lock(open: &OpenConnections) -> MutexGuard<'_, HashMap<IpAddr, CallerConnections>> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn limit(max: usize) -> CallerLimit {
        CallerLimit::new(max, vec!["192.0.2.0/24".parse().unwrap(), "2001:db8:1::/48".parse().unwrap()])
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_caller_has_its_own_limit() {
        let limit = limit(2);
        for same in [
            ["198.51.100.1", "198.51.100.1", "::ffff:198.51.100.1"],
            ["2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::3"],
        ] {
            let [first, second, third] = same.map(address);
            let one = limit.admit(first).unwrap();
            let two = limit.admit(second).unwrap();
            assert!(limit.admit(third).is_none(), "{same:?}");
            drop(one);
            let three = limit.admit(third).unwrap();
            assert!(limit.admit(first).is_none(), "{same:?}");
            drop((two, three));
            assert!(lock(&limit.open).is_empty(), "no entry is left for a caller without connections");
        }
        let others = ["198.51.100.1", "198.51.100.2", "2001:db8::1", "2001:db8:0:1::1"];
        let open = others.map(|other| limit.admit(address(other)).expect(other));
        assert_eq!(lock(&limit.open).len(), open.len());
    }

    #[test]
    fn loopback_and_trusted_proxies_are_not_counted() {
        let limit = limit(1);
        let mut open = Vec::new();
        for text in ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1", "192.0.2.7", "2001:db8:1::7"] {
            for _ in 0..3 {
                open.push(limit.admit(address(text)).expect(text));
            }
        }
    }

    #[test]
    fn a_caller_may_always_open_one_connection() {
        assert!(limit(0).admit(address("198.51.100.1")).is_some());
    }
}
