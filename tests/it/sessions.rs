//! Refreshing: one generation after the other, retries, reuse, and many at once; by the use case, as every dialect
//! with refresh tokens will ask it.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use countersign::domain::dialect::Dialect;
use countersign::domain::id::SessionId;
use countersign::domain::password::Password;
use countersign::domain::session::Session;
use countersign::domain::user::Login;
use countersign::issuer::refresh::Refresh;
use countersign::issuer::refresh_token::Opened;
use countersign::issuer::sign_in::SignIn;
use countersign::issuer::users::Change;
use countersign::issuer::{Caller, Issuer, Refusal, SignedIn, Unproven};
use countersign::store::StoreError;

use crate::support::{PASSWORD, TestServer};

const HOME: Caller = Caller { address: IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 5)) };

/// Opens a session; its first refresh token.
async fn sign_in(issuer: &Issuer, dialect: Dialect) -> String {
    let sign_in =
        SignIn { login: Login::new("anna"), password: Password::new(PASSWORD.to_owned()), dialect, from: HOME };
    token_of(issuer, sign_in.run(issuer).await.unwrap().session())
}

fn token_of(issuer: &Issuer, session: &Session) -> String {
    issuer.refresh_tokens.make(session.id, session.generation).expose().to_owned()
}

/// What is done with a refresh token: read, presented, answered with the next one.
async fn refresh(issuer: &Issuer, token: &str) -> Result<String, Unproven> {
    let (session, generation) = issuer.refresh_tokens.read(token).unwrap();
    match present(issuer, session, generation).await {
        Ok(who) => Ok(token_of(issuer, who.session())),
        Err(Refusal::NotSignedIn(why)) => Err(why),
        Err(other) => panic!("{other:?}"),
    }
}

async fn present(issuer: &Issuer, session: SessionId, generation: u32) -> Result<SignedIn, Refusal> {
    Refresh { token: Opened { session, generation }.into(), from: HOME }.run(issuer).await
}

async fn live(issuer: &Issuer, token: &str) -> bool {
    let (id, _) = issuer.refresh_tokens.read(token).unwrap();
    let found: Result<_, StoreError> = issuer.store.read(move |tx| tx.session(id)).await;
    found.unwrap().is_some_and(|(session, _)| session.is_live(issuer.clock.now()))
}

#[tokio::test]
async fn each_refresh_gives_another_token_of_one_session() {
    let server = TestServer::with_anna().await;
    let issuer = &server.issuer;
    let mut token = sign_in(issuer, Dialect::DrfPyjwt).await;
    for generation in 1..=5 {
        let next = refresh(issuer, &token).await.unwrap();
        let (before, after) = (issuer.refresh_tokens.read(&token), issuer.refresh_tokens.read(&next).unwrap());
        assert_eq!((before.unwrap().0, generation), after);
        token = next;
    }
}

#[tokio::test]
async fn a_retry_gets_the_same_answer_as_before() {
    let server = TestServer::with_anna().await;
    let issuer = &server.issuer;
    let first = sign_in(issuer, Dialect::DrfPyjwt).await;
    let second = refresh(issuer, &first).await.unwrap();
    for _ in 0..3 {
        assert_eq!(refresh(issuer, &first).await.as_ref(), Ok(&second));
    }
    server.clock.advance(Duration::from_secs(10));
    assert_eq!(refresh(issuer, &first).await.as_ref(), Ok(&second), "ten seconds of grace");
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(refresh(issuer, &first).await, Err(Unproven::Reused));
    assert_eq!(refresh(issuer, &second).await, Err(Unproven::SessionEnded));
}

#[tokio::test]
async fn reuse_ends_that_session_alone_and_the_log_says_so() {
    let server = TestServer::with_anna().await;
    let issuer = &server.issuer;
    let (mine, other) = (sign_in(issuer, Dialect::DrfPyjwt).await, sign_in(issuer, Dialect::DrfPyjwt).await);
    let web = server.token("anna").await;
    let second = refresh(issuer, &mine).await.unwrap();
    let third = refresh(issuer, &second).await.unwrap();
    // Two generations back: no grace holds there.
    assert_eq!(refresh(issuer, &mine).await, Err(Unproven::Reused));
    assert_eq!(refresh(issuer, &third).await, Err(Unproven::SessionEnded));
    assert!(!live(issuer, &mine).await);
    assert!(live(issuer, &other).await && server.opens(&web).await);
    let lines: Result<_, StoreError> = issuer.store.read(|tx| tx.audit_lines(None, 100)).await;
    let reused: Vec<_> = lines.unwrap().into_iter().filter(|line| line.action == "refresh_reused").collect();
    let [line] = reused.as_slice() else { panic!("not one line: {reused:?}") };
    assert_eq!((line.username.as_deref(), line.address), (Some("anna"), Some(HOME.address)));
    let (session, _) = issuer.refresh_tokens.read(&mine).unwrap();
    assert_eq!(line.detail, format!("generation 0 of session {session} (now 2)"));
}

#[tokio::test]
async fn what_reuse_ended_stays_ended_after_a_restart() {
    let server = TestServer::with_anna().await;
    let first = sign_in(&server.issuer, Dialect::DrfPyjwt).await;
    let kept = sign_in(&server.issuer, Dialect::DrfPyjwt).await;
    let second = refresh(&server.issuer, &first).await.unwrap();
    refresh(&server.issuer, &second).await.unwrap();
    assert_eq!(refresh(&server.issuer, &first).await, Err(Unproven::Reused));
    let server = server.restart(Duration::ZERO).await;
    assert_eq!(refresh(&server.issuer, &second).await, Err(Unproven::SessionEnded));
    refresh(&server.issuer, &kept).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_at_once_have_one_successor() {
    let server = TestServer::with_anna().await;
    let mut token = sign_in(&server.issuer, Dialect::DrfPyjwt).await;
    for _ in 0..5 {
        let tries = (0..64).map(|_| {
            let (issuer, token) = (Arc::clone(&server.issuer), token.clone());
            tokio::spawn(async move { refresh(&issuer, &token).await })
        });
        let mut successors = std::collections::BTreeSet::new();
        for made in tries.collect::<Vec<_>>() {
            successors.insert(made.await.unwrap().unwrap());
        }
        assert_eq!(successors.len(), 1, "{successors:?}");
        token = successors.pop_first().unwrap();
    }
}

#[tokio::test]
async fn a_generation_that_never_was_ends_nothing() {
    let server = TestServer::with_anna().await;
    let issuer = &server.issuer;
    let token = sign_in(issuer, Dialect::DrfPyjwt).await;
    let (session, _) = issuer.refresh_tokens.read(&token).unwrap();
    for generation in [1, 7, u32::MAX] {
        assert!(matches!(
            present(issuer, session, generation).await,
            Err(Refusal::NotSignedIn(Unproven::SessionEnded))
        ));
    }
    refresh(issuer, &token).await.unwrap();
}

#[tokio::test]
async fn a_changed_refresh_token_is_none() {
    let server = TestServer::with_anna().await;
    let tokens = &server.issuer.refresh_tokens;
    let token = sign_in(&server.issuer, Dialect::DrfPyjwt).await;
    assert!(token.starts_with("csr_") && tokens.read(&token).is_some());
    for place in 4..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
        assert_eq!(tokens.read(std::str::from_utf8(&changed).unwrap()), None, "{place}");
    }
    for other in ["", "csr_", &token[4..], &format!("{token}="), &format!("{token}A"), &token.to_lowercase()] {
        assert_eq!(tokens.read(other), None, "{other}");
    }
}

#[tokio::test]
async fn without_rotation_the_token_stays_and_the_session_slides() {
    let server = TestServer::with_anna().await;
    let issuer = &server.issuer;
    let token = sign_in(issuer, Dialect::Simplejwt).await;
    for _ in 0..3 {
        server.clock.advance(Duration::from_hours(23));
        assert_eq!(refresh(issuer, &token).await.as_ref(), Ok(&token));
    }
    server.clock.advance(Duration::from_hours(24));
    assert_eq!(refresh(issuer, &token).await, Err(Unproven::SessionEnded));
}

#[tokio::test]
async fn no_refresh_goes_past_the_greatest_age() {
    let server = TestServer::with_anna().await;
    let issuer = &server.issuer;
    server.set("sessions.max_age", "1h").await;
    let mut token = sign_in(issuer, Dialect::DrfPyjwt).await;
    for _ in 0..3 {
        server.clock.advance(Duration::from_mins(19));
        token = refresh(issuer, &token).await.unwrap();
    }
    server.clock.advance(Duration::from_mins(3));
    assert_eq!(refresh(issuer, &token).await, Err(Unproven::SessionEnded));
}

#[tokio::test]
async fn the_grace_is_a_setting_and_may_be_none() {
    let server = TestServer::with_anna().await;
    let issuer = &server.issuer;
    server.set("sessions.reuse_grace", "0").await;
    let first = sign_in(issuer, Dialect::DrfPyjwt).await;
    refresh(issuer, &first).await.unwrap();
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(refresh(issuer, &first).await, Err(Unproven::Reused));
}

#[tokio::test]
async fn a_disabled_user_does_not_refresh() {
    let server = TestServer::with_anna().await;
    let issuer = &server.issuer;
    let token = sign_in(issuer, Dialect::DrfPyjwt).await;
    server.change("anna", Change::Disable).await;
    assert_eq!(refresh(issuer, &token).await, Err(Unproven::SessionEnded));
    server.change("anna", Change::Enable).await;
    assert_eq!(refresh(issuer, &token).await, Err(Unproven::SessionEnded), "what has ended stays ended");
}
