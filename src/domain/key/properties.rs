//! Property tests of the key ring. A simulation applies random events (rotations, revocations, prunings, servers that
//! load changes late, verifiers that cache) and checks every token until it expires.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use proptest::prelude::*;

use super::super::algorithm::Algorithm;
use super::super::time::Timestamp;
use super::{Key, KeyPolicy, KeyState, Kid, Schedule};

const START: Timestamp = Timestamp::from_unix(1_700_000_000);

/// How late a running server may load a changed ring, in seconds: 2 s, which may touch three whole seconds.
const STALE: u64 = 3;

#[derive(Clone, Copy, Debug)]
enum SimulatedEvent {
    /// Time passes, in seconds.
    Wait(u64),
    /// A rotation: published ahead, or signing immediately.
    Rotate { alg: Algorithm, at_once: bool },
    /// Revocation of the key at this index (modulo the number of keys).
    Revoke(usize),
    /// Removal of keys that no session needs.
    Prune,
    /// A new session with a signed refresh token and an access token. `percent` is the share of the longest lifetime
    /// that the access token gets. `stale` is how late the signing server is, in seconds.
    SignIn { alg: Algorithm, percent: u32, stale: u64 },
    /// The oldest session ends.
    SignOut,
}

struct SimulatedToken {
    kid: Kid,
    signed_at: Timestamp,
    exp: Timestamp,
}

struct Simulation {
    now: Timestamp,
    policy: KeyPolicy,
    ring: Schedule,
    /// Every state of the ring, with the time of the change.
    history: Vec<(Timestamp, Schedule)>,
    tokens: Vec<SimulatedToken>,
    /// The opening time of each session, and the key that signed its refresh token.
    sessions: Vec<(Timestamp, Kid)>,
    revoked: Vec<Kid>,
    created: usize,
}

impl Simulation {
    fn new(policy: KeyPolicy) -> Self {
        let history = Vec::new();
        let tokens = Vec::new();
        let sessions = Vec::new();
        let revoked = Vec::new();
        let ring = Schedule::default();
        let mut simulation = Self { now: START, policy, ring, history, tokens, sessions, revoked, created: 0 };
        for alg in Algorithm::ALL {
            simulation.rotate(alg, false);
        }
        simulation.history = vec![(START, simulation.ring.clone())];
        simulation
    }

    fn new_kid(&mut self) -> Kid {
        self.created += 1;
        Kid::parse(&format!("{:043}", self.created)).unwrap()
    }

    fn ring_at(&self, time: Timestamp) -> &Schedule {
        let since = self.history.iter().rev().find(|(since, _)| *since <= time);
        &since.unwrap_or(&self.history[0]).1
    }

    fn rotate(&mut self, alg: Algorithm, at_once: bool) {
        let plan = self.ring.plan_rotation(alg, at_once);
        let kid = self.new_kid();
        self.ring.rotate(&plan, kid, self.now, &self.policy).unwrap();
    }

    fn revoke(&mut self, index: usize) {
        let kid = self.ring.keys()[index % self.ring.keys().len()].kid.clone();
        if let Ok(plan) = self.ring.plan_revocation(kid.as_str(), self.now) {
            let replacement = plan.replacement.map(|_| self.new_kid());
            self.ring.revoke(&plan, replacement, self.now, &self.policy).unwrap();
            self.revoked.push(kid);
        }
    }

    fn sign_in(&mut self, alg: Algorithm, percent: u32, stale: u64) {
        let key = self.ring_at(self.now - Duration::from_secs(stale)).active(alg, self.now).unwrap().clone();
        let exp = self.now + self.policy.longest_access * percent / 100;
        let exp = key.published_until.map_or(exp, |cut| exp.min(cut));
        self.tokens.push(SimulatedToken { kid: key.kid.clone(), signed_at: self.now, exp });
        self.sessions.push((self.now, key.kid));
    }

    fn apply(&mut self, event: SimulatedEvent) {
        match event {
            SimulatedEvent::Wait(seconds) => self.now = self.now + Duration::from_secs(seconds),
            SimulatedEvent::Rotate { alg, at_once } => self.rotate(alg, at_once),
            SimulatedEvent::Revoke(index) => self.revoke(index),
            SimulatedEvent::Prune => {
                drop(self.ring.prune(self.now, self.sessions.iter().map(|(opened, _)| *opened).min()));
            }
            SimulatedEvent::SignIn { alg, percent, stale } => self.sign_in(alg, percent, stale),
            SimulatedEvent::SignOut if !self.sessions.is_empty() => drop(self.sessions.remove(0)),
            SimulatedEvent::SignOut => {}
        }
        self.history.push((self.now, self.ring.clone()));
    }

    fn check(&self, before: &[(Kid, KeyState)]) {
        assert_eq!(Schedule::new(self.ring.keys().to_vec()).as_ref(), Ok(&self.ring), "the dates are consistent");
        for alg in Algorithm::ALL {
            let mut active = self.ring.keys().iter().filter(|key| key.alg == alg && key.is_signing(self.now));
            assert_eq!(active.next(), self.ring.active(alg, self.now));
            assert_eq!(active.next(), None, "two keys sign with {alg}");
            assert!(self.ring.active(alg, self.now).is_some(), "no key signs with {alg}");
        }
        for (kid, state) in before {
            match self.ring.get(kid).map(|key| key.state(self.now)) {
                Some(current) => assert!(current >= *state, "{kid} went from {state} back to {current}"),
                None => assert!(*state >= KeyState::Retired, "{kid} was removed in state {state}"),
            }
        }
        let is_unrevoked = |kid: &&Kid| !self.revoked.contains(kid);
        for token in self.tokens.iter().filter(|token| token.exp > self.now && is_unrevoked(&&token.kid)) {
            let key = self.ring.get(&token.kid).unwrap();
            assert!(key.is_published(self.now), "{} left the JWKS before its token expired", token.kid);
            assert!(key.published_until.is_none_or(|until| token.exp <= until), "a token outlives {}", token.kid);
        }
        for kid in self.sessions.iter().map(|(_, kid)| kid).filter(is_unrevoked) {
            assert!(self.ring.get(kid).is_some(), "{kid} was removed but a session needs it");
        }
    }

    fn states(&self) -> Vec<(Kid, KeyState)> {
        self.ring.keys().iter().map(|key: &Key| (key.kid.clone(), key.state(self.now))).collect()
    }
}

fn algorithm() -> impl Strategy<Value = Algorithm> {
    prop::sample::select(Algorithm::ALL.to_vec())
}

/// Generates the bound in half of the cases, because errors are most likely there.
fn bound_or<T: Clone + std::fmt::Debug>(bound: T, any: impl Strategy<Value = T>) -> impl Strategy<Value = T> {
    prop_oneof![Just(bound), any]
}

fn wait() -> impl Strategy<Value = SimulatedEvent> {
    prop_oneof![bound_or(STALE - 1, 0..=5_u64), 0..4_000_u64, 0..200_000_u64].prop_map(SimulatedEvent::Wait)
}

fn sign_in(stale: u64) -> impl Strategy<Value = SimulatedEvent> {
    (algorithm(), bound_or(100, 1..=100_u32), bound_or(stale, 0..=stale))
        .prop_map(|(alg, percent, stale)| SimulatedEvent::SignIn { alg, percent, stale })
}

fn planned_event() -> impl Strategy<Value = SimulatedEvent> {
    prop_oneof![
        3 => wait(),
        2 => algorithm().prop_map(|alg| SimulatedEvent::Rotate { alg, at_once: false }),
        4 => sign_in(STALE),
        1 => Just(SimulatedEvent::Prune),
        1 => Just(SimulatedEvent::SignOut),
    ]
}

fn any_event() -> impl Strategy<Value = SimulatedEvent> {
    prop_oneof![
        6 => planned_event(),
        1 => (0..100_usize).prop_map(SimulatedEvent::Revoke),
        2 => algorithm().prop_map(|alg| SimulatedEvent::Rotate { alg, at_once: true }),
    ]
}

fn policy() -> impl Strategy<Value = KeyPolicy> {
    let seconds = Duration::from_secs;
    (bound_or(0, 0..100_000_u64), 30..700_000_u64, bound_or(0, 0..=120_u64)).prop_map(
        move |(ahead, longest, leeway)| KeyPolicy {
            publish_ahead: seconds(ahead),
            jwks_max_age: seconds(300),
            longest_access: seconds(longest),
            leeway: seconds(leeway),
            promised_until: None,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_key_signs_at_any_time_and_no_token_outlives_its_key(
        policy in policy(),
        events in prop::collection::vec(any_event(), 1..60),
    ) {
        let mut simulation = Simulation::new(policy);
        for event in events {
            let before = simulation.states();
            simulation.apply(event);
            simulation.check(&before);
        }
    }

    /// All three parameters are thousandths. `cache` is how long the verifier caches the JWKS without a refetch, from
    /// its `max-age` to the whole lead time. `age` is the age of the verifier's copy. `moment` is the time of the
    /// verification within the token's lifetime.
    #[test]
    fn with_planned_rotations_a_caching_verifier_knows_every_key(
        policy in policy(),
        events in prop::collection::vec(planned_event(), 1..60),
        (cache, age, moment) in (bound_or(1000, 0..=1000_u32), bound_or(1000, 0..=1000_u32), bound_or(0, 0..1000_u32)),
    ) {
        let mut simulation = Simulation::new(policy);
        for event in events {
            simulation.apply(event);
        }
        let share = |span: Duration, thousandths: u32| Duration::from_secs((span * thousandths / 1000).as_secs());
        let cache = policy.jwks_max_age + share(policy.lead_time().saturating_sub(policy.jwks_max_age), cache);
        for token in &simulation.tokens {
            let verified_at = token.signed_at + share(token.exp.since(token.signed_at), moment);
            let fetched_at = (verified_at - share(cache, age)).max(START);
            let known = simulation.ring_at(fetched_at).get(&token.kid).is_some_and(|key| key.is_published(fetched_at));
            prop_assert!(
                known || verified_at >= token.exp,
                "{} is unknown at {verified_at} in the JWKS of {fetched_at}",
                token.kid
            );
        }
    }
}
