//! What holds whatever happens to a ring: a world is played through (rotations, revocations, prunings, servers that
//! are a moment behind, verifiers that cache), and every token in it is followed to its end.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use proptest::prelude::*;

use super::super::algorithm::Algorithm;
use super::super::time::Timestamp;
use super::{Key, KeyPolicy, KeyState, Kid, Schedule};

const START: Timestamp = Timestamp::from_unix(1_700_000_000);

/// How far a running server may be behind the folder: two seconds, which may be parts of three by their count.
const STALE: u64 = 3;

#[derive(Clone, Copy, Debug)]
enum SimulatedEvent {
    /// Seconds go by.
    Wait(u64),
    /// A rotation, published ahead or at once.
    Rotate { alg: Algorithm, at_once: bool },
    /// The key at that place (modulo their number) is revoked.
    Revoke(usize),
    /// What no session needs is forgotten.
    Prune,
    /// A session opens: an access token of that share of the longest lifetime, and a signed refresh token, by a server
    /// that is so many seconds behind.
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
    /// Every ring there was, with the time since when.
    history: Vec<(Timestamp, Schedule)>,
    tokens: Vec<SimulatedToken>,
    /// When it was opened, and what signed its refresh token.
    sessions: Vec<(Timestamp, Kid)>,
    revoked: Vec<Kid>,
    made: usize,
}

impl Simulation {
    fn new(policy: KeyPolicy) -> Self {
        let history = Vec::new();
        let tokens = Vec::new();
        let sessions = Vec::new();
        let revoked = Vec::new();
        let ring = Schedule::default();
        let mut world = Self { now: START, policy, ring, history, tokens, sessions, revoked, made: 0 };
        for alg in Algorithm::ALL {
            world.rotate(alg, false);
        }
        world.history = vec![(START, world.ring.clone())];
        world
    }

    fn name(&mut self) -> Kid {
        self.made += 1;
        Kid::parse(&format!("{:043}", self.made)).unwrap()
    }

    fn ring_at(&self, time: Timestamp) -> &Schedule {
        let since = self.history.iter().rev().find(|(since, _)| *since <= time);
        &since.unwrap_or(&self.history[0]).1
    }

    fn rotate(&mut self, alg: Algorithm, at_once: bool) {
        let plan = self.ring.plan_rotation(alg, at_once);
        let kid = self.name();
        self.ring.rotate(&plan, kid, self.now, &self.policy).unwrap();
    }

    fn revoke(&mut self, place: usize) {
        let kid = self.ring.keys()[place % self.ring.keys().len()].kid.clone();
        if let Ok(plan) = self.ring.plan_revocation(kid.as_str(), self.now) {
            let replacement = plan.replacement.map(|_| self.name());
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
            SimulatedEvent::Revoke(place) => self.revoke(place),
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
        assert_eq!(Schedule::new(self.ring.keys().to_vec()).as_ref(), Ok(&self.ring), "the dates fit together");
        for alg in Algorithm::ALL {
            let mut active = self.ring.keys().iter().filter(|key| key.alg == alg && key.is_signing(self.now));
            assert_eq!(active.next(), self.ring.active(alg, self.now));
            assert_eq!(active.next(), None, "two sign {alg}");
            assert!(self.ring.active(alg, self.now).is_some(), "none signs {alg}");
        }
        for (kid, state) in before {
            match self.ring.get(kid).map(|key| key.state(self.now)) {
                Some(now) => assert!(now >= *state, "{kid} went from {state} back to {now}"),
                None => assert!(*state >= KeyState::Retired, "{kid} was forgotten when {state}"),
            }
        }
        let lives = |kid: &&Kid| !self.revoked.contains(kid);
        for token in self.tokens.iter().filter(|token| token.exp > self.now && lives(&&token.kid)) {
            let key = self.ring.get(&token.kid).unwrap();
            assert!(key.is_published(self.now), "{} left before its token", token.kid);
            assert!(key.published_until.is_none_or(|until| token.exp <= until), "a token outlives {}", token.kid);
        }
        for kid in self.sessions.iter().map(|(_, kid)| kid).filter(lives) {
            assert!(self.ring.get(kid).is_some(), "{kid} was forgotten, and a session needs it");
        }
    }

    fn states(&self) -> Vec<(Kid, KeyState)> {
        self.ring.keys().iter().map(|key: &Key| (key.kid.clone(), key.state(self.now))).collect()
    }
}

fn algorithm() -> impl Strategy<Value = Algorithm> {
    prop::sample::select(Algorithm::ALL.to_vec())
}

/// Every other time the bound, where things break first.
fn often<T: Clone + std::fmt::Debug>(bound: T, any: impl Strategy<Value = T>) -> impl Strategy<Value = T> {
    prop_oneof![Just(bound), any]
}

fn wait() -> impl Strategy<Value = SimulatedEvent> {
    prop_oneof![often(STALE - 1, 0..=5_u64), 0..4_000_u64, 0..200_000_u64].prop_map(SimulatedEvent::Wait)
}

fn sign_in(stale: u64) -> impl Strategy<Value = SimulatedEvent> {
    (algorithm(), often(100, 1..=100_u32), often(stale, 0..=stale))
        .prop_map(|(alg, percent, stale)| SimulatedEvent::SignIn { alg, percent, stale })
}

fn planned() -> impl Strategy<Value = SimulatedEvent> {
    prop_oneof![
        3 => wait(),
        2 => algorithm().prop_map(|alg| SimulatedEvent::Rotate { alg, at_once: false }),
        4 => sign_in(STALE),
        1 => Just(SimulatedEvent::Prune),
        1 => Just(SimulatedEvent::SignOut),
    ]
}

fn anything() -> impl Strategy<Value = SimulatedEvent> {
    prop_oneof![
        6 => planned(),
        1 => (0..100_usize).prop_map(SimulatedEvent::Revoke),
        2 => algorithm().prop_map(|alg| SimulatedEvent::Rotate { alg, at_once: true }),
    ]
}

fn policy() -> impl Strategy<Value = KeyPolicy> {
    let seconds = Duration::from_secs;
    (often(0, 0..100_000_u64), 30..700_000_u64, often(0, 0..=120_u64)).prop_map(move |(ahead, longest, leeway)| {
        KeyPolicy {
            publish_ahead: seconds(ahead),
            jwks_max_age: seconds(300),
            longest_access: seconds(longest),
            leeway: seconds(leeway),
            promised_until: None,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_key_signs_at_any_time_and_no_token_outlives_its_key(
        policy in policy(),
        events in prop::collection::vec(anything(), 1..60),
    ) {
        let mut world = Simulation::new(policy);
        for event in events {
            let before = world.states();
            world.apply(event);
            world.check(&before);
        }
    }

    /// `cache` is how long the verifier caches (from the JWKS' `max-age` to all of `publish_ahead`, and it never asks
    /// again before that), `age` how old its copy is, `moment` when in the token's life it looks: thousandths all.
    #[test]
    fn with_planned_rotations_a_caching_verifier_knows_every_key(
        policy in policy(),
        events in prop::collection::vec(planned(), 1..60),
        (cache, age, moment) in (often(1000, 0..=1000_u32), often(1000, 0..=1000_u32), often(0, 0..1000_u32)),
    ) {
        let mut world = Simulation::new(policy);
        for event in events {
            world.apply(event);
        }
        let share = |span: Duration, thousandths: u32| Duration::from_secs((span * thousandths / 1000).as_secs());
        let cache = policy.jwks_max_age + share(policy.ahead().saturating_sub(policy.jwks_max_age), cache);
        for token in &world.tokens {
            let looks_at = token.signed_at + share(token.exp.since(token.signed_at), moment);
            let fetched_at = (looks_at - share(cache, age)).max(START);
            let known = world.ring_at(fetched_at).get(&token.kid).is_some_and(|key| key.is_published(fetched_at));
            prop_assert!(looks_at >= token.exp || known, "{} unknown at {looks_at} since {fetched_at}", token.kid);
        }
    }
}
