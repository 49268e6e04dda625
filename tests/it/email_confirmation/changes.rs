//! A requested address takes effect when it is confirmed: in every dialect that changes addresses, and whatever happens
//! to the account in between.

use std::time::Duration;

use countersign::domain::password::Password;
use countersign::issuer::users::UserChange;
use reqwest::Method;
use serde_json::json;

use super::{address, confirm, link, links, me, request, user};
use crate::support::{PASSWORD, TestServer, wait_until};

const OLD: &str = "anna@example.com";
const NEW: &str = "anna@example.org";

#[tokio::test]
async fn a_new_address_takes_effect_when_it_is_confirmed() {
    let server = TestServer::with_anna().await;
    request(&server, "anna", NEW).await.is(200);
    assert_eq!(address(&server, "anna").await, (OLD.to_owned(), false));
    let link = link(&server, NEW, 1).await;
    wait_until("the notice is sent", async || server.emails().len() == 2).await;
    let emails = server.emails();
    let notice = emails.iter().find(|mail| mail.header("To") == OLD).unwrap();
    assert!(notice.header("Subject").starts_with("A new e-mail address was requested"), "{notice:?}");
    assert!(notice.source.contains("a***@example.org") && !notice.source.contains(NEW), "{notice:?}");
    assert!(!notice.source.contains("confirming"), "{notice:?}");
    // A mail scanner opens the link.
    server.get(link.strip_prefix(&server.url).unwrap()).await.is(200);
    assert_eq!(address(&server, "anna").await, (OLD.to_owned(), false));

    confirm(&server, &link).await.is(200);
    assert_eq!(address(&server, "anna").await, (NEW.to_owned(), true));
    wait_until("the owner is told", async || server.notices().len() == 1).await;
    assert_eq!(server.notices()[0].header("To"), OLD);
    server.token("anna@example.org").await;
    server.post("/auth", &json!({"username": OLD, "password": PASSWORD})).await.is(401);
    confirm(&server, &link).await.is(400);
    let log = server.audit().await;
    for (action, detail) in [("email_change_requested", NEW), ("email_changed", NEW)] {
        assert!(log.contains(&(action.to_owned(), detail.to_owned())), "{log:?}");
    }
}

#[tokio::test]
async fn every_answer_shows_the_old_address_until_the_confirmation() {
    for method in [Method::PUT, Method::PATCH] {
        let server = TestServer::with_anna().await;
        let changed = me(&server, method.clone(), OLD, &json!({"email": NEW, "username": "Anna B"})).await;
        assert_eq!(changed.is(200).json(), json!({"id": 1, "username": "Anna B", "email": OLD}));
        let shown = me(&server, Method::GET, "Anna B", &json!({})).await;
        assert_eq!(shown.is(200).json()["email"], OLD);
        let token = server.post("/signin", &json!({"username": "Anna B", "password": PASSWORD})).await.json();
        let body = json!({"token": token["token"]});
        assert_eq!(server.post("/get_user_by_jwt", &body).await.is(200).json()["user"]["email"], OLD);

        confirm(&server, &link(&server, NEW, 1).await).await.is(200);
        assert_eq!(me(&server, Method::GET, "Anna B", &json!({})).await.is(200).json()["email"], NEW);
        assert_eq!(server.post("/get_user_by_jwt", &body).await.is(200).json()["user"]["email"], NEW);
    }
}

/// A user name that is the address follows it, and only then: the address may be another person's.
#[tokio::test]
async fn a_user_name_that_is_the_address_changes_with_it() {
    let server = TestServer::start().await;
    server.post("/api/register/", &json!({"email": OLD, "password": PASSWORD})).await.is(201);
    me(&server, Method::PATCH, OLD, &json!({"email": NEW})).await.is(200);
    server.register("ben").await;
    let body = json!({"email": "ben@new.example", "username": "ben@new.example"});
    let both = me(&server, Method::PUT, "ben@example.com", &body);
    assert_eq!(both.await.is(200).json(), json!({"id": 2, "username": "ben", "email": "ben@example.com"}));
    // The requested address is not reserved as a user name either.
    server
        .post("/register", &json!({"username": "cleo", "password": PASSWORD, "email": "cleo@example.com"}))
        .await
        .is(200);
    let foreign = me(&server, Method::PUT, "cleo@example.com", &json!({"username": "ben@new.example"})).await;
    assert_eq!(foreign.is(400).json(), json!({"username": ["This may be an email address only if it is your own."]}));

    confirm(&server, &link(&server, NEW, 1).await).await.is(200);
    assert_eq!(user(&server, NEW).await.username.as_str(), NEW);
    // Another user can register with the released address.
    server.post("/api/register/", &json!({"email": OLD, "password": PASSWORD})).await.is(201);
    confirm(&server, &link(&server, "ben@new.example", 1).await).await.is(200);
    assert_eq!(user(&server, "ben@new.example").await.username.as_str(), "ben@new.example");
}

#[tokio::test]
async fn a_newer_request_replaces_an_older_one() {
    let server = TestServer::with_anna().await;
    request(&server, "anna", "first@example.org").await.is(200);
    let first = link(&server, "first@example.org", 1).await;
    request(&server, "anna", "second@example.org").await.is(200);
    let second = link(&server, "second@example.org", 1).await;
    confirm(&server, &first).await.is(400);
    confirm(&server, &second).await.is(200);
    assert_eq!(address(&server, "anna").await.0, "second@example.org");

    // A request for the present address withdraws a request for another one.
    request(&server, "anna", "third@example.org").await.is(200);
    let third = link(&server, "third@example.org", 1).await;
    request(&server, "anna", "second@example.org").await.is(200);
    confirm(&server, &third).await.is(400);
    assert_eq!(address(&server, "anna").await, ("second@example.org".to_owned(), true));
}

#[tokio::test]
async fn a_link_is_valid_for_a_day() {
    let day = Duration::from_hours(24);
    for (elapsed, status) in [(day.saturating_sub(Duration::from_secs(1)), 200), (day, 400)] {
        let server = TestServer::with_anna().await;
        request(&server, "anna", NEW).await.is(200);
        let link = link(&server, NEW, 1).await;
        server.clock.advance(elapsed);
        confirm(&server, &link).await.is(status);
    }
}

#[tokio::test]
async fn the_first_of_two_users_who_confirms_gets_the_address() {
    let server = TestServer::with_anna().await;
    server.register("ben").await;
    request(&server, "anna", "shared@example.org").await.is(200);
    let of_anna = link(&server, "shared@example.org", 1).await;
    request(&server, "ben", "SHARED@example.org").await.is(200);
    let of_ben = link(&server, "SHARED@example.org", 1).await;
    confirm(&server, &of_ben).await.is(200);
    let late = confirm(&server, &of_anna).await;
    assert!(late.is(409).text.contains("Another account has this address"), "{late:#?}");
    assert_eq!(address(&server, "anna").await, (OLD.to_owned(), false));
    assert_eq!(address(&server, "ben").await, ("SHARED@example.org".to_owned(), true));
    // A registration may take a requested address, too.
    request(&server, "anna", "cleo@example.com").await.is(200);
    let link = link(&server, "cleo@example.com", 1).await;
    server.register("cleo").await;
    confirm(&server, &link).await.is(409);
    request(&server, "anna", "cleo@example.com").await.refuses(409, "taken");
}

/// An attacker may have requested the address: a new password, a disabled account, ended sessions and new superuser
/// rights withdraw the request.
#[tokio::test]
async fn changes_of_the_account_withdraw_a_requested_address() {
    let set = UserChange::SetPassword(Password::new("set by an operator".to_owned()));
    let promote = UserChange::SetRights { is_staff: false, is_superuser: true };
    for change in [set, promote, UserChange::Disable, UserChange::EndSessions] {
        let server = TestServer::with_anna().await;
        request(&server, "anna", NEW).await.is(200);
        let link = link(&server, NEW, 1).await;
        let name = format!("{change:?}");
        server.change("anna", change).await;
        confirm(&server, &link).await.is(400);
        server.change("anna", UserChange::Enable).await;
        confirm(&server, &link).await.is(400);
        assert_eq!(address(&server, "anna").await.0, OLD, "{name}");
    }
}

#[tokio::test]
async fn a_password_change_or_reset_by_the_owner_withdraws_a_requested_address() {
    for by_reset in [false, true] {
        let server = TestServer::with_anna().await;
        request(&server, "anna", NEW).await.is(200);
        let link = link(&server, NEW, 1).await;
        let new = json!("another battery horse");
        if by_reset {
            server.post("/request_password_reset", &json!({"email": OLD})).await.is(200);
            let code =
                || server.emails().iter().find(|mail| mail.source.contains("code")).map(|mail| mail.code().to_owned());
            wait_until("the code is sent", async || code().is_some()).await;
            server.post("/reset_password", &json!({"reset_code": code().unwrap(), "new_password": new})).await.is(200);
        } else {
            let token = server.token("anna").await;
            server.post_as(&token, "/update_profile", &json!({"password": new})).await.is(200);
        }
        confirm(&server, &link).await.is(400);
        assert_eq!(address(&server, "anna").await.0, OLD);
    }
}

#[tokio::test]
async fn a_password_and_an_address_are_changed_in_one_request() {
    let server = TestServer::with_anna().await;
    let token = server.token("anna").await;
    let body = json!({"password": "another battery horse", "email": NEW});
    server.post_as(&token, "/update_profile", &body).await.is(200);
    server.token_by("anna", "another battery horse").await;
    confirm(&server, &link(&server, NEW, 1).await).await.is(200);
    assert_eq!(address(&server, "anna").await, (NEW.to_owned(), true));
}

#[tokio::test]
async fn a_deleted_user_confirms_nothing() {
    let server = TestServer::with_anna().await;
    request(&server, "anna", NEW).await.is(200);
    let link = link(&server, NEW, 1).await;
    server.change("anna", UserChange::Delete).await;
    confirm(&server, &link).await.is(400);
}

#[tokio::test]
async fn an_invalid_or_taken_address_changes_nothing() {
    let server = TestServer::with_anna().await;
    server.register("ben").await;
    request(&server, "anna", NEW).await.is(200);
    let link = link(&server, NEW, 1).await;
    request(&server, "anna", "BEN@example.com").await.refuses(409, "taken");
    request(&server, "anna", "no address").await.refuses(400, "invalid_field");
    confirm(&server, &link).await.is(200);
    assert_eq!(links(&server, "BEN@example.com").len(), 0);
}

#[tokio::test]
async fn requests_count_towards_the_limit_of_e_mails() {
    let server = TestServer::with_anna().await;
    server.register("ben").await;
    for number in 0..3 {
        // A refused request sends no e-mail and does not count.
        request(&server, "anna", "ben@example.com").await.refuses(409, "taken");
        request(&server, "anna", &format!("anna{number}@example.org")).await.is(200);
    }
    let refused = request(&server, "anna", NEW).await;
    assert!(!refused.refuses(429, "too_many_tries").header("retry-after").is_empty());
    // The present address is no change, and is never refused.
    request(&server, "anna", OLD).await.is(200);
    server.clock.advance(Duration::from_hours(1));
    request(&server, "anna", NEW).await.is(200);
    link(&server, NEW, 1).await;
}
