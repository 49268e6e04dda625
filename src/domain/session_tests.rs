//! Tests of the decision about a presented refresh token.

use std::time::Duration;

use super::dialect::Dialect;
use super::id::{SessionId, UserId};
use super::network::CallerNetwork;
use super::origin::Origin;
use super::session::{EndReason, RefreshOutcome, RefreshPolicy, Repeat, Repeats, Session};
use super::time::Timestamp;
use proptest::prelude::*;
use uuid::Uuid;

const POLICY: RefreshPolicy = RefreshPolicy {
    lifetime: Duration::from_secs(1000),
    max_age: None,
    temporary_lifetime: Duration::from_secs(700),
    rotate: true,
    reuse_grace: Duration::from_secs(10),
    earlier_tokens_stay_valid: false,
};

const SAME_NETWORK: RefreshOutcome = RefreshOutcome::Repeat(Repeat::SameNetwork);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(seconds)
}

fn session(generation: u32, rotated_at: i64) -> Session {
    Session {
        id: SessionId(Uuid::nil()),
        user: UserId(1),
        opened_by: Origin::Dialect(Dialect::DrfPyjwt),
        generation,
        min_generation: generation,
        opened_at: at(0),
        auth_time: at(0),
        amr: None,
        rotated_at: at(rotated_at),
        used_at: at(rotated_at),
        expires_at: at(1000),
        ended: None,
        temporary_since: None,
        address: None,
        provider: None,
        refresh_key: None,
        repeats: Repeats::default(),
    }
}

#[test]
fn the_current_refresh_token_advances_the_session() {
    let advance = RefreshOutcome::Advance { to: 4, expires_at: at(1500), invalidates_earlier: true };
    assert_eq!(session(3, 400).evaluate_refresh(3, None, at(500), &POLICY), advance);
    let unrotated = RefreshOutcome::Advance { to: 3, expires_at: at(1500), invalidates_earlier: false };
    assert_eq!(
        session(3, 400).evaluate_refresh(3, None, at(500), &RefreshPolicy { rotate: false, ..POLICY }),
        unrotated
    );
}

#[test]
fn the_previous_refresh_token_repeats_within_the_grace_period_and_is_reuse_after_it() {
    assert_eq!(session(3, 490).evaluate_refresh(2, None, at(500), &POLICY), SAME_NETWORK);
    assert_eq!(session(3, 489).evaluate_refresh(2, None, at(500), &POLICY), RefreshOutcome::Reuse);
    assert_eq!(session(3, 499).evaluate_refresh(1, None, at(500), &POLICY), RefreshOutcome::Reuse);
    let without_grace = RefreshPolicy { reuse_grace: Duration::ZERO, ..POLICY };
    assert_eq!(session(3, 500).evaluate_refresh(2, None, at(500), &without_grace), RefreshOutcome::Reuse);
}

#[test]
fn without_blacklist_earlier_refresh_tokens_advance_the_session() {
    let policy = RefreshPolicy { earlier_tokens_stay_valid: true, ..POLICY };
    let advance = RefreshOutcome::Advance { to: 4, expires_at: at(1500), invalidates_earlier: false };
    let lenient = Session { min_generation: 0, ..session(3, 489) };
    for generation in [0, 2, 3] {
        assert_eq!(lenient.evaluate_refresh(generation, None, at(500), &policy), advance, "{generation}");
    }
    assert_eq!(
        session(3, 490).evaluate_refresh(2, None, at(500), &policy),
        SAME_NETWORK,
        "two concurrent refreshes have one successor"
    );
    assert_eq!(session(3, 489).evaluate_refresh(4, None, at(500), &policy), RefreshOutcome::Ahead);
    let ended = Session { ended: Some((at(400), EndReason::SignOut)), ..session(3, 0) };
    assert_eq!(ended.evaluate_refresh(1, None, at(500), &policy), RefreshOutcome::Rejected);
}

#[test]
fn changing_the_refresh_policy_neither_invalidates_nor_revives_tokens() {
    let lenient = Session { min_generation: 1, ..session(3, 400) };
    let earlier_valid = RefreshPolicy { earlier_tokens_stay_valid: true, ..POLICY };
    let unrotated = RefreshPolicy { rotate: false, ..POLICY };
    let advance = |to, invalidates_earlier| RefreshOutcome::Advance { to, expires_at: at(1500), invalidates_earlier };
    for (policy, expected) in
        [(POLICY, advance(4, true)), (earlier_valid, advance(4, false)), (unrotated, advance(3, false))]
    {
        assert_eq!(lenient.evaluate_refresh(1, None, at(500), &policy), expected);
        assert_eq!(lenient.evaluate_refresh(0, None, at(500), &policy), RefreshOutcome::Reuse);
    }
}

#[test]
fn an_ended_session_or_unknown_generation_changes_nothing() {
    assert_eq!(session(3, 0).evaluate_refresh(4, None, at(500), &POLICY), RefreshOutcome::Ahead);
    assert_eq!(session(3, 0).evaluate_refresh(4, None, at(1000), &POLICY), RefreshOutcome::Rejected);
    assert_eq!(session(3, 0).evaluate_refresh(3, None, at(1000), &POLICY), RefreshOutcome::Rejected);
    let ended = Session { ended: Some((at(400), EndReason::SignOut)), ..session(3, 0) };
    assert_eq!(ended.evaluate_refresh(3, None, at(500), &POLICY), RefreshOutcome::Rejected);
    assert_eq!(session(u32::MAX, 0).evaluate_refresh(u32::MAX, None, at(5), &POLICY), RefreshOutcome::Rejected);
}

#[test]
fn a_session_ends_at_its_maximum_age() {
    let with_max_age = RefreshPolicy { max_age: Some(Duration::from_mins(10)), ..POLICY };
    assert_eq!(
        session(0, 0).evaluate_refresh(0, None, at(500), &with_max_age),
        RefreshOutcome::Advance { to: 1, expires_at: at(600), invalidates_earlier: true }
    );
    assert_eq!(session(0, 0).evaluate_refresh(0, None, at(600), &with_max_age), RefreshOutcome::Rejected);
    assert!(session(0, 0).is_live(at(599), &with_max_age) && !session(0, 0).is_live(at(600), &with_max_age));
    assert!(session(0, 0).is_live(at(600), &POLICY), "the maximum age is read at each check");
}

proptest! {
    /// For any sequence of presented tokens and waiting times: a generation has one successor, the generation of a
    /// live session only increases, and a token older than the previous one ends the session.
    #[test]
    fn generations_only_increase(steps in prop::collection::vec((0u32..6, 0i64..30), 1..40)) {
        let mut session = session(0, 0);
        let mut now = at(0);
        for (generations_back, wait) in steps {
            now = now + Duration::from_secs(wait.unsigned_abs());
            let presented = session.generation.saturating_sub(generations_back);
            match session.evaluate_refresh(presented, None, now, &POLICY) {
                RefreshOutcome::Advance { to, expires_at, invalidates_earlier } => {
                    prop_assert_eq!((presented, to), (session.generation, session.generation + 1));
                    prop_assert!(invalidates_earlier && expires_at >= session.expires_at);
                    let rotated_at = now;
                    session = Session { generation: to, min_generation: to, rotated_at, expires_at, ..session };
                }
                RefreshOutcome::Repeat(_) => prop_assert_eq!(presented + 1, session.generation),
                RefreshOutcome::Reuse => {
                    prop_assert!(presented < session.generation);
                    session.ended = Some((now, EndReason::Reuse));
                }
                RefreshOutcome::Ahead => prop_assert!(presented > session.generation),
                RefreshOutcome::Rejected => prop_assert!(!session.is_live(now, &POLICY)),
            }
        }
    }
}

#[test]
fn the_network_that_rotated_repeats_twice_and_other_networks_once_in_a_session() {
    let home = CallerNetwork::V4([192, 0, 2]);
    let same = Some(Repeat::SameNetwork);
    let other = Some(Repeat::OtherNetwork);
    for (rotated_from, from_same_network, from_other_networks, network, expected) in [
        (Some(home), 0, 0, Some(home), same),
        (Some(home), 1, 0, Some(home), same),
        (Some(home), 2, 0, Some(home), None),
        (Some(home), 0, 0, Some(CallerNetwork::V4([192, 0, 3])), other),
        (Some(home), 2, 0, Some(CallerNetwork::V6([7; 8])), other),
        (Some(home), 0, 1, Some(CallerNetwork::V4([192, 0, 3])), None),
        (Some(home), 1, 1, Some(home), same),
        (Some(CallerNetwork::V6([7; 8])), 0, 0, Some(CallerNetwork::V6([8; 8])), other),
        (Some(CallerNetwork::V6([7; 8])), 0, 1, Some(home), None),
        // The session was rotated before networks were stored.
        (None, 0, 0, Some(home), same),
        (None, 2, 0, Some(home), None),
    ] {
        let repeats = Repeats { rotated_from, from_same_network, from_other_networks };
        let outcome = Session { repeats, ..session(3, 495) }.evaluate_refresh(2, network, at(500), &POLICY);
        let expected = expected.map_or(RefreshOutcome::Reuse, RefreshOutcome::Repeat);
        assert_eq!(outcome, expected, "{repeats:?} {network:?}");
    }
}

#[test]
fn a_repeat_of_a_token_that_stays_valid_is_not_counted() {
    let repeats =
        Repeats { rotated_from: Some(CallerNetwork::V4([192, 0, 2])), from_same_network: 2, from_other_networks: 1 };
    let lenient = Session { min_generation: 0, repeats, ..session(3, 495) };
    let policy = RefreshPolicy { earlier_tokens_stay_valid: true, ..POLICY };
    for network in [CallerNetwork::V4([192, 0, 2]), CallerNetwork::V4([192, 0, 3])] {
        let outcome = lenient.evaluate_refresh(2, Some(network), at(500), &policy);
        assert_eq!(outcome, RefreshOutcome::Repeat(Repeat::StillValid));
    }
}

#[test]
fn a_session_opened_with_a_temporary_password_ends_with_it() {
    let temporary = Session { temporary_since: Some(at(-100)), ..session(0, 0) };
    let advance = RefreshOutcome::Advance { to: 1, expires_at: at(600), invalidates_earlier: true };
    assert_eq!(temporary.evaluate_refresh(0, None, at(599), &POLICY), advance);
    assert_eq!(temporary.evaluate_refresh(0, None, at(600), &POLICY), RefreshOutcome::Rejected);
    assert!(temporary.is_live(at(599), &POLICY) && !temporary.is_live(at(600), &POLICY));
    let changed = Session { temporary_since: None, ..temporary };
    assert!(changed.is_live(at(600), &POLICY), "the password was changed");
}
