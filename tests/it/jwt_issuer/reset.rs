//! `POST /request_password_reset` and `/reset_password`: the e-mail, the code, and what a redeemed code changes.

use std::time::Duration;

use countersign::domain::social::{ProviderName, SocialAccount};
use countersign::issuer::users::UserChange;
use countersign::store::StoreError;
use reqwest::Method;
use serde_json::json;

use crate::support::{PASSWORD, ServerResponse, TestServer, token, wait_until};

const NEW: &str = "another valid password";

/// Requests a reset e-mail for `name`, waits for it, and returns the code.
async fn code(server: &TestServer, name: &str) -> String {
    let before = server.emails().len();
    request(server, &format!("{name}@example.com")).await.is(200);
    wait_until("an e-mail is sent", async || server.emails().len() > before).await;
    server.emails().last().unwrap().code().to_owned()
}

async fn request(server: &TestServer, email: &str) -> ServerResponse {
    server.post("/request_password_reset", &json!({"email": email})).await
}

async fn redeem(server: &TestServer, code: &str) -> ServerResponse {
    server.post("/reset_password", &json!({"reset_code": code})).await
}

#[tokio::test]
async fn the_reset_email_names_user_code_and_site() {
    let server = TestServer::with("server.public_url = 'https://id.example.com'").await;
    server.register("anna").await;
    let code = code(&server, "anna").await;
    let emails = server.emails();
    let mail = &emails[0];
    assert_eq!(mail.header("To"), "anna@example.com");
    assert_eq!(mail.header("From"), "countersign@id.example.com");
    assert_eq!(mail.header("Subject"), "Your code to reset your password at id.example.com");
    for part in ["anna\n", "https://id.example.com", "15 minutes", code.as_str()] {
        assert!(mail.source.contains(part), "{part:?} is missing in\n{}", mail.source);
    }
    assert!(!mail.source.contains("127.0.0.1"), "links must come from the public URL only");
}

#[tokio::test]
async fn a_forged_host_reaches_no_email() {
    let server = TestServer::with_anna().await;
    let request = server.posting("/request_password_reset", &json!({"email": "anna@example.com"}));
    let forged = request.header("host", "evil.example").header("x-forwarded-host", "evil.example");
    ServerResponse::send(forged).await.is(200);
    wait_until("an e-mail is sent", async || server.emails().len() == 1).await;
    assert!(!server.emails()[0].source.contains("evil"));
}

#[tokio::test]
async fn the_response_is_the_same_for_known_and_unknown_addresses() {
    let server = TestServer::with_anna().await;
    server.register("disabled").await;
    server.change("disabled", UserChange::Disable).await;
    let known = request(&server, "anna@example.com").await.bytes();
    assert_eq!((known.0, known.2.as_str()), (200, r#"{"status":"OK"}"#));
    for address in ["nobody@example.com", "disabled@example.com"] {
        assert_eq!(request(&server, address).await.bytes(), known, "{address}");
    }
    let code = code(&server, "anna").await;
    wait_until("both e-mails to anna are sent", async || server.emails().len() == 2).await;
    assert!(!code.is_empty());
    assert!(server.emails().iter().all(|mail| mail.header("To") == "anna@example.com"));
}

#[tokio::test]
async fn the_email_goes_to_the_stored_address() {
    let server = TestServer::with_anna().await;
    request(&server, "ANNA@EXAMPLE.COM").await.is(200);
    wait_until("an e-mail is sent", async || server.emails().len() == 1).await;
    assert_eq!(server.emails()[0].header("To"), "anna@example.com");
}

#[tokio::test]
async fn a_code_gives_a_temporary_password_that_must_be_changed() {
    let server = TestServer::with_anna().await;
    let before = server.token("anna").await;
    let response = redeem(&server, &code(&server, "anna").await).await;
    let body = response.is(200).json();
    let temporary = body["temporary_password"].as_str().unwrap();
    assert_eq!(body, json!({"status": "OK", "reset_code": temporary, "temporary_password": temporary}));
    assert_eq!((temporary.len(), response.header("cache-control")), (16, "no-store"));
    assert!(!server.accepts(&before).await, "a reset ends every session");
    server.post("/auth", &json!({"username": "anna", "password": PASSWORD})).await.is(401);

    let sign_in = server.post("/auth", &json!({"username": "anna", "password": temporary})).await;
    let body = sign_in.is(200).json();
    assert_eq!(body["must_change_password"], true);
    let token = body["jwt"].as_str().unwrap();
    assert_eq!(token::claims(token)["must_change_password"], true);
    let renewed = server.post_as(token, "/renew_token", &json!({})).await.is(200).json();
    assert_eq!(token::claims(renewed["token"].as_str().unwrap())["must_change_password"], true);

    let same = server.post_as(token, "/update_profile", &json!({"password": temporary})).await;
    same.refuses(400, "invalid_field");
    assert_eq!(same.json()["message"], "password must differ from the current password");
    let changed = server.post_as(token, "/update_profile", &json!({"password": NEW})).await.is(200).json();
    assert_eq!(changed.get("must_change_password"), None);
    let token = changed["jwt"].as_str().unwrap();
    assert_eq!(token::claims(token).get("must_change_password"), None);
    let renewed = server.post_as(token, "/renew_token", &json!({})).await.is(200).json();
    assert_eq!(token::claims(renewed["token"].as_str().unwrap()).get("must_change_password"), None);
    let sign_in = server.post("/auth", &json!({"username": "anna", "password": NEW})).await;
    assert_eq!(sign_in.is(200).json().get("must_change_password"), None);
}

#[tokio::test]
async fn a_code_may_be_redeemed_with_a_new_password() {
    let server = TestServer::with_anna().await;
    let before = server.token("anna").await;
    let code = code(&server, "anna").await;
    let redeem_with =
        async |new: &str| server.post("/reset_password", &json!({"reset_code": code, "new_password": new})).await;
    for (password, message) in
        [("short", "new_password must have at least 8 bytes"), ("", "new_password must not be empty")]
    {
        let response = redeem_with(password).await;
        response.refuses(400, "invalid_field");
        assert_eq!(response.json()["message"], message);
    }
    assert!(server.accepts(&before).await, "the rejected requests ended the session");
    let response = redeem_with(NEW).await;
    insta::assert_snapshot!(response.is(200).text, @r#"{"status":"OK"}"#);
    assert!(!server.accepts(&before).await);
    let sign_in = server.post("/auth", &json!({"username": "anna", "password": NEW})).await;
    assert_eq!(sign_in.is(200).json().get("must_change_password"), None);
}

#[tokio::test]
async fn a_code_is_accepted_in_any_spelling_and_works_once() {
    let server = TestServer::with_anna().await;
    let spellings: [fn(&str) -> String; 4] = [
        str::to_lowercase,
        |code| code.replace('-', ""),
        |code| format!(" {} ", code.replace('-', " - ")),
        |code| code.replace('0', "o").replace('1', "l"),
    ];
    for spell in spellings {
        let code = code(&server, "anna").await;
        redeem(&server, &spell(&code)).await.is(200);
        redeem(&server, &code).await.refuses(400, "wrong_reset_code");
        server.clock.advance(Duration::from_hours(1));
    }
}

#[tokio::test]
async fn concurrent_redemptions_use_a_code_once() {
    let server = TestServer::with_anna().await;
    let code = code(&server, "anna").await;
    let responses = tokio::join!(redeem(&server, &code), redeem(&server, &code), redeem(&server, &code));
    let mut statuses = [responses.0.status, responses.1.status, responses.2.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400, 400]);
}

#[tokio::test]
async fn a_newer_code_replaces_the_previous_one() {
    let server = TestServer::with_anna().await;
    let first = code(&server, "anna").await;
    let second = code(&server, "anna").await;
    assert_ne!(first, second);
    redeem(&server, &first).await.refuses(400, "wrong_reset_code");
    redeem(&server, &second).await.is(200);
}

#[tokio::test]
async fn a_code_expires() {
    let server = TestServer::with_anna().await;
    let first = code(&server, "anna").await;
    server.clock.advance(Duration::from_secs(15 * 60 - 1));
    redeem(&server, &first).await.is(200);
    let second = code(&server, "anna").await;
    server.clock.advance(Duration::from_mins(15));
    redeem(&server, &second).await.refuses(400, "wrong_reset_code");
    server.set("passwords.reset_timeout", "60").await;
    let third = code(&server, "anna").await;
    assert!(server.emails().last().unwrap().source.contains("1 minute"));
    server.clock.advance(Duration::from_mins(1));
    redeem(&server, &third).await.refuses(400, "wrong_reset_code");
}

#[tokio::test]
async fn a_code_of_a_disabled_user_is_rejected() {
    let server = TestServer::with_anna().await;
    let code = code(&server, "anna").await;
    server.change("anna", UserChange::Disable).await;
    server.post("/reset_password", &json!({"reset_code": code, "new_password": NEW})).await;
    server.post("/auth", &json!({"username": "anna", "password": NEW})).await.is(401);
}

#[tokio::test]
async fn the_database_contains_no_code_or_password() {
    let server = TestServer::with_anna().await;
    let code = code(&server, "anna").await;
    let response = redeem(&server, &code).await;
    let temporary = response.json()["temporary_password"].as_str().unwrap().to_owned();
    let files = ["countersign.db", "countersign.db-wal"].map(|name| server.path(&format!("data/{name}")));
    let bytes: Vec<u8> = files.iter().flat_map(|file| std::fs::read(file).unwrap_or_default()).collect();
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("anna@example.com"), "the files are not the database");
    for secret in [&code, &code.replace('-', ""), &temporary, PASSWORD] {
        assert!(!text.contains(secret), "{secret}");
    }
}

/// Links a provider account to a user.
async fn link(server: &TestServer, name: &str) {
    let user = countersign::issuer::users::find(&server.issuer, name).await.unwrap().unwrap().id;
    let account = SocialAccount {
        provider: ProviderName::parse("google").unwrap(),
        social_id: name.to_owned(),
        issuer: None,
        user,
        access: None,
        refresh: None,
        expires_at: None,
        linked_at: server.clock.now(),
        last_login: None,
    };
    let linked: Result<(), StoreError> = server.issuer.store.write(move |tx| tx.link_social_account(&account)).await;
    linked.unwrap();
}

async fn linked_count(server: &TestServer, name: &str) -> usize {
    let token = server.token_by(name, NEW).await;
    let accounts = ServerResponse::send(server.request(Method::GET, "/social/accounts/").bearer_auth(token)).await;
    accounts.is(200).json()["accounts"].as_array().unwrap().len()
}

/// An attacker may register with the address of another person and link a provider account. When the owner of the
/// address resets the password by e-mail, the attacker must lose access. Links made after the address was verified
/// stay.
#[tokio::test]
async fn a_reset_verifies_the_address_and_ends_sessions_and_links() {
    let server = TestServer::with_anna().await;
    link(&server, "anna").await;
    for (round, remaining) in [(1, 0), (2, 1)] {
        let code = code(&server, "anna").await;
        let body = json!({"reset_code": code, "new_password": NEW});
        server.post("/reset_password", &body).await.is(200);
        let user = countersign::issuer::users::find(&server.issuer, "anna").await.unwrap().unwrap();
        assert!(user.email_verified, "round {round}");
        assert_eq!(linked_count(&server, "anna").await, remaining, "round {round}");
        if round == 1 {
            let lines = server.audit().await;
            let expected = ("social_unlinked".to_owned(), "google: linked before the address was verified".to_owned());
            assert!(lines.contains(&expected), "{lines:?}");
            link(&server, "anna").await;
        }
    }
}
