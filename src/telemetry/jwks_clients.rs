//! The clients that fetch the JWKS, so that an operator can check which verifiers have a new key before it signs.
//!
//! The list is in memory and bounded. A fetch by a listed client costs a look-up in a snapshot, two relaxed stores and
//! one relaxed addition, without a lock. A new client costs a copy of the snapshot.
//!
//! A caller with unlimited agents or addresses cannot displace regular clients: each network has at most
//! `MAX_CLIENTS_PER_NETWORK` entries. If these or the list are full, a new client replaces only a client whose
//! latest fetch is less than 5 min after its first or at least 24 h ago, and at most one client is replaced per second.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::domain::time::Timestamp;

/// The maximum number of listed clients.
const MAX_CLIENTS: usize = 512;
/// The maximum number of clients per network. They differ in their agent, or in their address within an IPv6 /64.
const MAX_CLIENTS_PER_NETWORK: usize = 8;
/// How many characters of a `User-Agent` are stored.
const AGENT_KEPT: usize = 120;
/// A client that fetches again at least this long after its first fetch is considered a verifier that refreshes its
/// copy of the JWKS.
const ESTABLISHED_AFTER: Duration = Duration::from_mins(5);
/// A client that has not fetched the JWKS for this long can be replaced.
const EVICTABLE_AFTER: Duration = Duration::from_hours(24);

/// One fetch of the JWKS.
#[derive(Clone, Copy, Debug)]
pub struct JwksFetch<'a> {
    /// The caller as the throttle counts it: one IPv4 address or one IPv6 /64.
    pub network: IpAddr,
    /// The full address.
    pub address: IpAddr,
    /// The `User-Agent`; empty if it is missing or contains anything but visible ASCII.
    pub agent: &'a str,
    /// The version of the JWKS that the response contained.
    pub jwks_id: u64,
    /// The time of the fetch.
    pub at: Timestamp,
}

/// A listed client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedJwksClient {
    /// The address; behind trusted proxies, the address that they forwarded.
    pub address: IpAddr,
    /// The `User-Agent`, cut to 120 characters.
    pub agent: String,
    /// The time of the first fetch.
    pub first: Timestamp,
    /// The time of the latest fetch.
    pub last: Timestamp,
    /// The number of fetches.
    pub fetches: u64,
    /// The version of the JWKS last fetched; compare it with the version in the key ring.
    pub jwks_id: u64,
}

#[derive(Debug)]
struct JwksClient {
    address: IpAddr,
    agent: Box<str>,
    first: Timestamp,
    last: AtomicI64,
    fetches: AtomicU64,
    jwks_id: AtomicU64,
}

impl JwksClient {
    fn new(fetch: &JwksFetch<'_>) -> Self {
        Self {
            address: fetch.address,
            agent: truncated_agent(fetch.agent).into(),
            first: fetch.at,
            last: AtomicI64::new(fetch.at.unix()),
            fetches: AtomicU64::new(1),
            jwks_id: AtomicU64::new(fetch.jwks_id),
        }
    }

    fn is_same_client(&self, fetch: &JwksFetch<'_>) -> bool {
        self.address == fetch.address && *self.agent == *truncated_agent(fetch.agent)
    }

    fn update(&self, fetch: &JwksFetch<'_>) {
        self.last.store(fetch.at.unix(), Relaxed);
        self.jwks_id.store(fetch.jwks_id, Relaxed);
        self.fetches.fetch_add(1, Relaxed);
    }

    fn last(&self) -> Timestamp {
        Timestamp::from_unix(self.last.load(Relaxed))
    }

    /// Whether the client's entry is protected: its latest fetch is at least [`ESTABLISHED_AFTER`] after its first, and
    /// less than [`EVICTABLE_AFTER`] ago.
    fn is_established(&self, now: Timestamp) -> bool {
        self.last().since(self.first) >= ESTABLISHED_AFTER && now.since(self.last()) < EVICTABLE_AFTER
    }

    fn listed(&self) -> ListedJwksClient {
        ListedJwksClient {
            address: self.address,
            agent: self.agent.to_string(),
            first: self.first,
            last: self.last(),
            fetches: self.fetches.load(Relaxed),
            jwks_id: self.jwks_id.load(Relaxed),
        }
    }
}

/// Cuts an agent to [`AGENT_KEPT`] characters. Headers are ASCII, but the cut is correct for other text too.
fn truncated_agent(agent: &str) -> &str {
    agent.char_indices().nth(AGENT_KEPT).map_or(agent, |(end, _)| &agent[..end])
}

/// The clients of each network. Snapshots share the unchanged parts.
type ClientsByNetwork = HashMap<IpAddr, Arc<[Arc<JwksClient>]>>;

/// The clients that fetched the JWKS since the start, unless they were replaced or the list was full.
#[derive(Debug, Default)]
pub struct JwksClients {
    by_network: ArcSwap<ClientsByNetwork>,
    /// The time of the latest eviction. The lock is held while a new client is added.
    last_eviction: Mutex<Option<Timestamp>>,
    rejected_fetches: AtomicU64,
}

impl JwksClients {
    /// Records a fetch.
    pub fn record(&self, fetch: &JwksFetch<'_>) {
        if !record_known(&self.by_network.load(), fetch) {
            self.admit(fetch);
        }
    }

    /// Returns all listed clients, the most recent fetch first.
    pub fn list(&self) -> Vec<ListedJwksClient> {
        let mut all: Vec<ListedJwksClient> =
            self.by_network.load().values().flat_map(|clients| clients.iter().map(|client| client.listed())).collect();
        all.sort_by(|one, other| other.last.cmp(&one.last).then_with(|| one.address.cmp(&other.address)));
        all
    }

    /// Returns the number of fetches that were not recorded because the list was full, or was being changed at that
    /// moment.
    pub fn rejected(&self) -> u64 {
        self.rejected_fetches.load(Relaxed)
    }

    fn admit(&self, fetch: &JwksFetch<'_>) {
        // A request does not wait: if another client is being added, this client is recorded at its next fetch.
        let Ok(mut last_eviction) = self.last_eviction.try_lock() else { return self.count_rejected() };
        let by_network = self.by_network.load();
        if record_known(&by_network, fetch) {
            return;
        }
        let mut next = ClientsByNetwork::clone(&by_network);
        if let Some(networks) = full_networks(&next, fetch) {
            if *last_eviction == Some(fetch.at) || !evict(&mut next, networks, fetch.at) {
                return self.count_rejected();
            }
            *last_eviction = Some(fetch.at);
        }
        let clients = next.get(&fetch.network).map(|clients| clients.to_vec()).unwrap_or_default();
        next.insert(fetch.network, clients.into_iter().chain([Arc::new(JwksClient::new(fetch))]).collect());
        self.by_network.store(Arc::new(next));
    }

    fn count_rejected(&self) {
        self.rejected_fetches.fetch_add(1, Relaxed);
    }
}

fn record_known(by_network: &ClientsByNetwork, fetch: &JwksFetch<'_>) -> bool {
    let listed =
        by_network.get(&fetch.network).and_then(|clients| clients.iter().find(|client| client.is_same_client(fetch)));
    listed.inspect(|client| client.update(fetch)).is_some()
}

/// Returns the networks from which a client must be removed before one more is added; `None` if there is space.
fn full_networks(by_network: &ClientsByNetwork, fetch: &JwksFetch<'_>) -> Option<Vec<IpAddr>> {
    if by_network.get(&fetch.network).is_some_and(|clients| clients.len() >= MAX_CLIENTS_PER_NETWORK) {
        return Some(vec![fetch.network]);
    }
    let all: usize = by_network.values().map(|clients| clients.len()).sum();
    (all >= MAX_CLIENTS).then(|| by_network.keys().copied().collect())
}

/// Removes the client with the oldest fetch among the unprotected clients of these networks. Returns false if all are
/// protected.
fn evict(by_network: &mut ClientsByNetwork, networks: Vec<IpAddr>, now: Timestamp) -> bool {
    let all = networks.into_iter().flat_map(|network| {
        let clients = by_network.get(&network).into_iter().flat_map(|clients| clients.iter());
        clients.map(move |client| (network, Arc::clone(client)))
    });
    let Some((network, evicted)) =
        all.filter(|(_, client)| !client.is_established(now)).min_by_key(|(_, client)| client.last())
    else {
        return false;
    };
    let remaining: Arc<[_]> =
        by_network[&network].iter().filter(|client| !Arc::ptr_eq(client, &evicted)).map(Arc::clone).collect();
    if remaining.is_empty() {
        by_network.remove(&network)
    } else {
        by_network.insert(network, remaining)
    };
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERIFIER: &str = "PyJWT/2.15";

    fn fetch(address: u32, agent: &str, at: i64) -> JwksFetch<'_> {
        let address = IpAddr::V4(address.into());
        JwksFetch { network: address, address, agent, jwks_id: 1, at: Timestamp::from_unix(at) }
    }

    fn is_listed(clients: &JwksClients, address: u32, agent: &str) -> bool {
        let address = IpAddr::V4(address.into());
        clients.list().iter().any(|listed| listed.address == address && listed.agent == agent)
    }

    #[test]
    fn a_jwks_client_is_identified_by_address_and_agent() {
        let clients = JwksClients::default();
        clients.record(&fetch(1, VERIFIER, 100));
        clients.record(&JwksFetch { jwks_id: 2, ..fetch(1, VERIFIER, 400) });
        clients.record(&fetch(1, "curl/8", 200));
        let listed = clients.list();
        assert_eq!(listed.len(), 2);
        let first = Timestamp::from_unix(100);
        let last = Timestamp::from_unix(400);
        let address = IpAddr::V4(1.into());
        assert_eq!(
            listed[0],
            ListedJwksClient { address, agent: VERIFIER.to_owned(), first, last, fetches: 2, jwks_id: 2 }
        );
        assert_eq!(listed[1].agent, "curl/8");
    }

    #[test]
    fn a_long_agent_is_truncated_and_still_one_client() {
        let clients = JwksClients::default();
        let long = "x".repeat(500);
        clients.record(&fetch(1, &long, 100));
        clients.record(&fetch(1, &long[..200], 101));
        let listed = clients.list();
        assert_eq!((listed.len(), listed[0].agent.len(), listed[0].fetches), (1, 120, 2));
        assert_eq!(truncated_agent(&"é".repeat(200)), "é".repeat(120));
    }

    #[test]
    fn many_agents_of_one_network_evict_no_other_network() {
        let clients = JwksClients::default();
        clients.record(&fetch(1, VERIFIER, 0));
        clients.record(&fetch(1, VERIFIER, 300));
        clients.record(&fetch(2, "once", 0));
        for number in 0..1000 {
            clients.record(&fetch(1, &format!("agent {number}"), 301 + number));
        }
        assert!(is_listed(&clients, 1, VERIFIER) && is_listed(&clients, 2, "once"));
        assert_eq!(clients.list().len(), MAX_CLIENTS_PER_NETWORK + 1);
    }

    #[test]
    fn many_addresses_replace_each_other_at_one_per_second() {
        let clients = JwksClients::default();
        clients.record(&fetch(1, VERIFIER, 0));
        clients.record(&fetch(1, VERIFIER, 300));
        for address in 2..10_002 {
            clients.record(&fetch(address, "flood", 301));
        }
        assert_eq!((clients.list().len(), clients.rejected()), (MAX_CLIENTS, 10_000 - 511 - 1));
        assert!(is_listed(&clients, 1, VERIFIER));
        clients.record(&fetch(20_000, "a new verifier", 302));
        assert!(is_listed(&clients, 20_000, "a new verifier"), "a flood does not block new clients for long");
    }

    #[test]
    fn a_returning_client_keeps_its_entry_and_an_absent_one_loses_it() {
        let clients = JwksClients::default();
        for address in 0..512 {
            clients.record(&fetch(address, VERIFIER, 0));
            clients.record(&fetch(address, VERIFIER, 300));
        }
        clients.record(&fetch(600, VERIFIER, 301));
        assert!(!is_listed(&clients, 600, VERIFIER), "all entries are protected");
        let day_later = 300 + 24 * 3600;
        clients.record(&fetch(0, VERIFIER, day_later));
        clients.record(&fetch(600, VERIFIER, day_later));
        assert!(is_listed(&clients, 600, VERIFIER) && is_listed(&clients, 0, VERIFIER));
        assert_eq!(clients.list().len(), MAX_CLIENTS);
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let clients = JwksClients::default();
        let network = IpAddr::V6("2001:db8::".parse().expect("the text is an IPv6 address"));
        for number in 0..100_u128 {
            let address = IpAddr::V6((0x2001_0db8_u128 << 96 | number).into());
            clients.record(&JwksFetch { network, address, ..fetch(0, VERIFIER, 0) });
        }
        assert_eq!(clients.list().len(), MAX_CLIENTS_PER_NETWORK);
    }
}
