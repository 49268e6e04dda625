//! Who fetches the key set: an operator wants to know which verifiers have a new key before it signs.
//!
//! Kept in memory and bounded. A visitor that is known costs a look-up in a snapshot and three relaxed stores, no lock;
//! a new one costs a copy of the snapshot. Whoever calls with endless names or from endless addresses finds little room:
//! a network has few places, and newcomers take each other's, one a second, never that of one who came back and still
//! comes.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::domain::time::Timestamp;

/// How many visitors are remembered.
const PLACES: usize = 512;
/// How many of them one network may have: agents, or addresses of an IPv6 network.
const PLACES_PER_NETWORK: usize = 8;
/// How much of a `User-Agent` is kept, in characters.
const AGENT_KEPT: usize = 120;
/// Who comes again after this long is a verifier that keeps the set and renews it.
const COMES_BACK: Duration = Duration::from_mins(5);
/// Who has not come for so long has no claim to a place.
const STAYS_AWAY: Duration = Duration::from_hours(24);

/// One fetch of the key set.
#[derive(Clone, Copy, Debug)]
pub struct JwksFetch<'a> {
    /// The part of the caller's address that is one caller, as the throttle sees it.
    pub network: IpAddr,
    /// The whole address.
    pub address: IpAddr,
    /// Its `User-Agent`; what is no visible ASCII counts as none.
    pub agent: &'a str,
    /// Which set it has now.
    pub set: u64,
    /// When.
    pub at: Timestamp,
}

/// What is known of a visitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedJwksClient {
    /// Its address, behind trusted proxies the one they forwarded.
    pub address: IpAddr,
    /// What it called itself, cut to 120 characters.
    pub agent: String,
    /// When it first came.
    pub first: Timestamp,
    /// When it last came.
    pub last: Timestamp,
    /// How often it came.
    pub fetches: u64,
    /// The set it last got; compare with the ring's.
    pub set: u64,
}

#[derive(Debug)]
struct JwksClient {
    address: IpAddr,
    agent: Box<str>,
    first: Timestamp,
    last: AtomicI64,
    fetches: AtomicU64,
    set: AtomicU64,
}

impl JwksClient {
    fn new(visit: &JwksFetch<'_>) -> Self {
        Self {
            address: visit.address,
            agent: truncated_agent(visit.agent).into(),
            first: visit.at,
            last: AtomicI64::new(visit.at.unix()),
            fetches: AtomicU64::new(1),
            set: AtomicU64::new(visit.set),
        }
    }

    fn is(&self, visit: &JwksFetch<'_>) -> bool {
        self.address == visit.address && *self.agent == *truncated_agent(visit.agent)
    }

    fn update(&self, visit: &JwksFetch<'_>) {
        self.last.store(visit.at.unix(), Relaxed);
        self.set.store(visit.set, Relaxed);
        self.fetches.fetch_add(1, Relaxed);
    }

    fn last(&self) -> Timestamp {
        Timestamp::from_unix(self.last.load(Relaxed))
    }

    /// Whether its place is its own: it came back, and not too long ago.
    fn is_established(&self, now: Timestamp) -> bool {
        self.last().since(self.first) >= COMES_BACK && now.since(self.last()) < STAYS_AWAY
    }

    fn listed(&self) -> ListedJwksClient {
        ListedJwksClient {
            address: self.address,
            agent: self.agent.to_string(),
            first: self.first,
            last: self.last(),
            fetches: self.fetches.load(Relaxed),
            set: self.set.load(Relaxed),
        }
    }
}

/// The characters are ASCII where they come from a header that was read as text; a cut elsewhere keeps whole ones.
fn truncated_agent(agent: &str) -> &str {
    agent.char_indices().nth(AGENT_KEPT).map_or(agent, |(end, _)| &agent[..end])
}

/// The visitors of each network. A snapshot's parts are shared with the next.
type ClientsByNetwork = HashMap<IpAddr, Arc<[Arc<JwksClient>]>>;

/// Everyone who fetched the key set of late.
#[derive(Debug, Default)]
pub struct JwksClients {
    known: ArcSwap<ClientsByNetwork>,
    /// When somebody last had to go. Held by the one who lets somebody in.
    last_eviction: Mutex<Option<Timestamp>>,
    rejected_fetches: AtomicU64,
}

impl JwksClients {
    /// Somebody fetched the key set.
    pub fn record(&self, visit: &JwksFetch<'_>) {
        if !record_known(&self.known.load(), visit) {
            self.admit(visit);
        }
    }

    /// Everyone who is known, those who came last first.
    pub fn list(&self) -> Vec<ListedJwksClient> {
        let mut all: Vec<ListedJwksClient> =
            self.known.load().values().flat_map(|of| of.iter().map(|who| who.listed())).collect();
        all.sort_by(|one, other| other.last.cmp(&one.last).then_with(|| one.address.cmp(&other.address)));
        all
    }

    /// How many visits were not noted for want of a place.
    pub fn rejected(&self) -> u64 {
        self.rejected_fetches.load(Relaxed)
    }

    fn admit(&self, visit: &JwksFetch<'_>) {
        // Nobody waits: while somebody else is let in, this one's next visit will do.
        let Ok(mut last_sent_off) = self.last_eviction.try_lock() else { return self.count_rejected() };
        let known = self.known.load();
        if record_known(&known, visit) {
            return;
        }
        let mut next = ClientsByNetwork::clone(&known);
        if let Some(crowd) = full_networks(&next, visit) {
            if *last_sent_off == Some(visit.at) || !evict(&mut next, crowd, visit.at) {
                return self.count_rejected();
            }
            *last_sent_off = Some(visit.at);
        }
        let neighbours = next.get(&visit.network).map(|of| of.to_vec()).unwrap_or_default();
        next.insert(visit.network, neighbours.into_iter().chain([Arc::new(JwksClient::new(visit))]).collect());
        self.known.store(Arc::new(next));
    }

    fn count_rejected(&self) {
        self.rejected_fetches.fetch_add(1, Relaxed);
    }
}

fn record_known(known: &ClientsByNetwork, visit: &JwksFetch<'_>) -> bool {
    let found = known.get(&visit.network).and_then(|of| of.iter().find(|who| who.is(visit)));
    found.inspect(|who| who.update(visit)).is_some()
}

/// Who must make room for one more, if anybody: the networks to look in.
fn full_networks(known: &ClientsByNetwork, visit: &JwksFetch<'_>) -> Option<Vec<IpAddr>> {
    if known.get(&visit.network).is_some_and(|of| of.len() >= PLACES_PER_NETWORK) {
        return Some(vec![visit.network]);
    }
    let all: usize = known.values().map(|of| of.len()).sum();
    (all >= PLACES).then(|| known.keys().copied().collect())
}

/// Forgets the one of these networks' visitors who came last the longest ago, of those whose place is not their own.
/// False where there is none.
fn evict(known: &mut ClientsByNetwork, networks: Vec<IpAddr>, now: Timestamp) -> bool {
    let all = networks.into_iter().flat_map(|network| {
        let of = known.get(&network).into_iter().flat_map(|of| of.iter());
        of.map(move |who| (network, Arc::clone(who)))
    });
    let Some((network, gone)) = all.filter(|(_, who)| !who.is_established(now)).min_by_key(|(_, who)| who.last())
    else {
        return false;
    };
    let stay: Arc<[_]> = known[&network].iter().filter(|who| !Arc::ptr_eq(who, &gone)).map(Arc::clone).collect();
    if stay.is_empty() {
        known.remove(&network)
    } else {
        known.insert(network, stay)
    };
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERIFIER: &str = "PyJWT/2.15";

    fn fetch(address: u32, agent: &str, at: i64) -> JwksFetch<'_> {
        let address = IpAddr::V4(address.into());
        JwksFetch { network: address, address, agent, set: 1, at: Timestamp::from_unix(at) }
    }

    fn has(visitors: &JwksClients, address: u32, agent: &str) -> bool {
        let address = IpAddr::V4(address.into());
        visitors.list().iter().any(|seen| seen.address == address && seen.agent == agent)
    }

    #[test]
    fn a_jwks_client_is_identified_by_address_and_agent() {
        let visitors = JwksClients::default();
        visitors.record(&fetch(1, VERIFIER, 100));
        visitors.record(&JwksFetch { set: 2, ..fetch(1, VERIFIER, 400) });
        visitors.record(&fetch(1, "curl/8", 200));
        let seen = visitors.list();
        assert_eq!(seen.len(), 2);
        let first = Timestamp::from_unix(100);
        let last = Timestamp::from_unix(400);
        let address = IpAddr::V4(1.into());
        assert_eq!(seen[0], ListedJwksClient { address, agent: VERIFIER.to_owned(), first, last, fetches: 2, set: 2 });
        assert_eq!(seen[1].agent, "curl/8");
    }

    #[test]
    fn a_long_agent_is_truncated_and_still_one_client() {
        let visitors = JwksClients::default();
        let long = "x".repeat(500);
        visitors.record(&fetch(1, &long, 100));
        visitors.record(&fetch(1, &long[..200], 101));
        let seen = visitors.list();
        assert_eq!((seen.len(), seen[0].agent.len(), seen[0].fetches), (1, 120, 2));
        assert_eq!(truncated_agent(&"é".repeat(200)), "é".repeat(120));
    }

    #[test]
    fn many_agents_of_one_network_evict_no_other_network() {
        let visitors = JwksClients::default();
        visitors.record(&fetch(1, VERIFIER, 0));
        visitors.record(&fetch(1, VERIFIER, 300));
        visitors.record(&fetch(2, "once", 0));
        for number in 0..1000 {
            visitors.record(&fetch(1, &format!("agent {number}"), 301 + number));
        }
        assert!(has(&visitors, 1, VERIFIER) && has(&visitors, 2, "once"));
        assert_eq!(visitors.list().len(), PLACES_PER_NETWORK + 1);
    }

    #[test]
    fn many_addresses_replace_each_other_at_one_per_second() {
        let visitors = JwksClients::default();
        visitors.record(&fetch(1, VERIFIER, 0));
        visitors.record(&fetch(1, VERIFIER, 300));
        for address in 2..10_002 {
            visitors.record(&fetch(address, "flood", 301));
        }
        assert_eq!((visitors.list().len(), visitors.rejected()), (PLACES, 10_000 - 511 - 1));
        assert!(has(&visitors, 1, VERIFIER));
        visitors.record(&fetch(20_000, "a new verifier", 302));
        assert!(has(&visitors, 20_000, "a new verifier"), "a flood keeps nobody out for long");
    }

    #[test]
    fn a_returning_client_keeps_its_entry_and_an_absent_one_loses_it() {
        let visitors = JwksClients::default();
        for address in 0..512 {
            visitors.record(&fetch(address, VERIFIER, 0));
            visitors.record(&fetch(address, VERIFIER, 300));
        }
        visitors.record(&fetch(600, VERIFIER, 301));
        assert!(!has(&visitors, 600, VERIFIER), "each place is somebody's");
        let day_later = 300 + 24 * 3600;
        visitors.record(&fetch(0, VERIFIER, day_later));
        visitors.record(&fetch(600, VERIFIER, day_later));
        assert!(has(&visitors, 600, VERIFIER) && has(&visitors, 0, VERIFIER));
        assert_eq!(visitors.list().len(), PLACES);
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let visitors = JwksClients::default();
        let network = IpAddr::V6("2001:db8::".parse().expect("an address"));
        for number in 0..100_u128 {
            let address = IpAddr::V6((0x2001_0db8_u128 << 96 | number).into());
            visitors.record(&JwksFetch { network, address, ..fetch(0, VERIFIER, 0) });
        }
        assert_eq!(visitors.list().len(), PLACES_PER_NETWORK);
    }
}
