//! The rate limits of reset e-mails: strangers cannot use up the e-mails of an account's owner.

use std::time::Duration;

use serde_json::json;

use crate::support::{PASSWORD, TestServer};

/// The two routes that send reset e-mails.
const CODE: &str = "/request_password_reset";
const LINK: &str = "/restore";

/// Requests a reset e-mail to anna. The response is the same, whether or not an e-mail is sent.
async fn request(server: &TestServer, route: &str, from: &str) {
    server
        .post_from(from, route, &json!({"email": "anna@example.com", "restoring_email": "anna@example.com"}))
        .await
        .is(200);
}

/// How many e-mails were queued so far.
async fn queued(server: &TestServer) -> usize {
    server
        .audit()
        .await
        .iter()
        .filter(|(action, detail)| action == "reset_requested" && detail == "e-mail queued")
        .count()
}

#[tokio::test]
async fn reset_emails_are_limited_per_account_and_caller() {
    for (callers, expected) in [
        (vec!["198.51.100.66"; 5], 3),
        (vec!["198.51.100.66", "198.51.100.66", "198.51.100.66", "192.0.2.10"], 4),
        // The addresses of an IPv6 /64 are one caller.
        (vec!["2001:db8::1", "2001:db8::2", "2001:db8::ffff:3", "2001:db8::4", "2001:db8::5"], 3),
        (vec!["2001:db8::1", "2001:db8::1", "2001:db8::1", "2001:db8:0:1::1"], 4),
        // An IPv4-mapped address is the IPv4 address.
        (vec!["192.0.2.10", "::ffff:192.0.2.10", "192.0.2.10", "::ffff:192.0.2.10"], 3),
    ] {
        for routes in [[CODE, CODE], [LINK, LINK], [CODE, LINK]] {
            let server = TestServer::with_anna().await;
            for (caller, route) in callers.iter().zip(routes.into_iter().cycle()) {
                request(&server, route, caller).await;
            }
            assert_eq!(queued(&server).await, expected, "{callers:?} {routes:?}");
        }
    }
}

#[tokio::test]
async fn a_caller_that_used_up_its_reset_emails_gets_more_after_an_hour() {
    let server = TestServer::with_anna().await;
    for _ in 0..4 {
        request(&server, CODE, "198.51.100.66").await;
    }
    server.clock.advance(Duration::from_secs(3599));
    request(&server, CODE, "198.51.100.66").await;
    assert_eq!(queued(&server).await, 3);
    server.clock.advance(Duration::from_secs(1));
    request(&server, CODE, "198.51.100.66").await;
    assert_eq!(queued(&server).await, 4);
}

#[tokio::test]
async fn new_callers_share_a_limit_that_known_callers_do_not_have() {
    let server = TestServer::with_anna().await;
    let home = "203.0.113.5";
    server.post_from(home, "/auth", &json!({"username": "anna", "password": PASSWORD})).await.is(200);
    for number in 0..25 {
        request(&server, CODE, &format!("198.51.100.{number}")).await;
    }
    assert_eq!(queued(&server).await, 20);
    for _ in 0..5 {
        request(&server, CODE, home).await;
    }
    assert_eq!(queued(&server).await, 23, "the owner's address has its own limit");
    // The e-mails of the owner do not count towards the limit of new callers, and the other way round.
    server.clock.advance(Duration::from_hours(1));
    request(&server, CODE, "198.51.100.77").await;
    assert_eq!(queued(&server).await, 24);
}

#[tokio::test]
async fn a_rejected_reset_email_does_not_count_towards_the_limit_of_new_callers() {
    let server = TestServer::with_anna().await;
    for _ in 0..20 {
        request(&server, CODE, "198.51.100.66").await;
    }
    for number in 0..20 {
        request(&server, CODE, &format!("192.0.2.{number}")).await;
    }
    assert_eq!(queued(&server).await, 20, "3 of the first caller and 17 of the others");
}
