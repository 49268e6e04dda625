//! Spellings of user names and e-mail addresses: which are equal, which are rejected, and which are shown.
#![expect(clippy::unwrap_used, reason = "tests")]

use countersign::domain::user::{Email, RealName, Username};
use countersign::issuer::register::Register;
use countersign::issuer::users::{UserChange, UserNames, find};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{PASSWORD, ServerResponse, TestServer, wait_until};

const UNLIMITED: &str = "throttle.enabled = false";
/// The routes that sign in, and the field with the name or address.
const SIGN_INS: [(&str, &str); 4] =
    [("/auth", "username"), ("/signin", "username"), ("/api/login/", "email"), ("/api/token/", "username")];

/// Registers through each dialect in turn. Returns the status.
async fn register(server: &TestServer, path: &str, name: &str, email: &str) -> u16 {
    server.post(path, &json!({"username": name, "email": email, "password": PASSWORD})).await.status
}

async fn assert_signs_in(server: &TestServer, login: &str) {
    for (path, field) in SIGN_INS {
        server.post(path, &json!({field: login, "password": PASSWORD})).await.is(200);
    }
}

/// Sends a request with a token of `drf_pyjwt`.
async fn patch_me(server: &TestServer, login: &str, body: &Value) -> ServerResponse {
    let pair = server.post("/api/login/", &json!({"email": login, "password": PASSWORD})).await.is(200).json();
    let token = pair["access_token"].as_str().unwrap().to_owned();
    ServerResponse::send(server.request(Method::PATCH, "/api/me/").bearer_auth(token).json(body)).await
}

async fn reset_reaches(server: &TestServer, path: &str, field: &str, email: &str, recipient: &str) {
    let before = server.emails().len();
    server.post(path, &json!({field: email})).await.is(200);
    wait_until("an e-mail is sent", async || server.emails().len() > before).await;
    assert_eq!(server.emails().last().unwrap().header("To"), recipient, "{path} {email:?}");
}

#[tokio::test]
async fn white_space_around_names_and_addresses_is_ignored_slow() {
    let server = TestServer::with(UNLIMITED).await;
    for (number, white) in [" ", "\t\n", "\u{a0}", "\u{3000}", "\u{2028}\u{85}"].into_iter().enumerate() {
        let around = |text: &str| format!("{white}{text}{white}");
        for (at, path) in ["/register", "/signup", "/api/register/"].into_iter().enumerate() {
            let name = format!("ann{number}{at}");
            let email = format!("{name}@example.org");
            let status = register(&server, path, &around(&name), &around(&email)).await;
            assert!(matches!(status, 200 | 201), "{path} {white:?}");
            assert_signs_in(&server, &around(&name)).await;
            assert_signs_in(&server, &around(&email)).await;
            let stored = find(&server.issuer, &name).await.unwrap().unwrap();
            assert_eq!((stored.username.as_str(), stored.email.unwrap().as_str()), (&*name, &*email));
            assert!(register(&server, path, &around(&name), "other@example.org").await >= 400, "{path} {white:?}");
        }
        let email = format!("ann{number}0@example.org");
        reset_reaches(&server, "/request_password_reset", "email", &around(&email), &email).await;
        reset_reaches(&server, "/restore", "restoring_email", &around(&email), &email).await;
        let named = json!({"email": around("only@example.org"), "email_as_name": true, "password": PASSWORD});
        assert_eq!(server.post("/signup", &named).await.status, if number == 0 { 200 } else { 400 }, "{white:?}");
    }
}

#[tokio::test]
async fn a_name_that_folds_into_an_address_is_rejected_everywhere() {
    let server = TestServer::with(UNLIMITED).await;
    server.register("eve").await;
    for occupying in [
        "victim\u{ff20}example.org",
        "victim\u{fe6b}example.org",
        "victim@example\u{ff0e}org",
        "victim@example\u{3002}org",
        "\u{ff56}ictim@\u{ff45}xample.org",
        "victim@example.org",
    ] {
        for path in ["/register", "/signup", "/api/register/"] {
            assert_eq!(register(&server, path, occupying, "new@example.com").await, 400, "{path} {occupying}");
        }
        patch_me(&server, "eve", &json!({"username": occupying})).await.is(400);
        let name = || Username::parse(occupying).unwrap();
        let by_command = Register {
            username: name(),
            password: countersign::domain::password::Password::new(PASSWORD.to_owned()),
            email: Email::parse("new@example.com").ok(),
            from: None,
            is_superuser: false,
        };
        assert!(by_command.run(&server.issuer).await.is_err(), "{occupying}");
        let eve = find(&server.issuer, "eve").await.unwrap().unwrap();
        let names = UserNames {
            username: name(),
            email: eve.email.clone(),
            email_verified: false,
            first_name: RealName::default(),
            last_name: RealName::default(),
        };
        assert!(UserChange::Edit(Box::new(names)).run(&eve, &server.issuer).await.is_err(), "{occupying}");
    }
    assert_eq!(register(&server, "/register", "victim", "victim@example.org").await, 200);
}

#[tokio::test]
async fn quoted_and_overlong_addresses_get_400_from_every_route() {
    let server = TestServer::with(UNLIMITED).await;
    server.register("anna").await;
    let token = server.token("anna").await;
    let expanding = format!("ann@{}.example", "\u{fdfa}".repeat(40));
    let long_label = format!("ann@{}.example", "\u{fc}".repeat(80));
    for email in [
        "\"odd name\"@example.com",
        "\"ann\"@example.com",
        "\"a@b\"@example.com",
        "a.\"b\"@x.org",
        &expanding,
        &long_label,
    ] {
        for path in ["/register", "/signup", "/api/register/"] {
            assert_eq!(register(&server, path, "new", email).await, 400, "{path} {email}");
        }
        server.post("/signup", &json!({"email": email, "password": PASSWORD, "email_as_name": true})).await.is(400);
        server.post_as(&token, "/update_profile", &json!({"email": email})).await.is(400);
        patch_me(&server, "anna", &json!({"email": email})).await.is(400);
        if email.starts_with('"') {
            server.post("/request_password_reset", &json!({"email": email})).await.is(400);
            server.post("/restore", &json!({"restoring_email": email})).await.is(400);
        }
    }
    for (path, field) in SIGN_INS {
        let body = json!({field: "a".repeat(10_000) + "@" + &"\u{fc}".repeat(10_000), "password": PASSWORD});
        server.post(path, &body).await.is(401);
    }
}

#[tokio::test]
async fn an_internationalised_domain_is_one_domain_in_every_spelling() {
    let server = TestServer::with(UNLIMITED).await;
    for (number, (owner, others, recipient)) in [
        (
            "Ann@München.example",
            &["ann@xn--mnchen-3ya.example", "ANN@MÜNCHEN.EXAMPLE", "ann@mu\u{308}nchen\u{3002}example"] as &[&str],
            "Ann@xn--mnchen-3ya.example",
        ),
        ("li@例子.测试", &["LI@XN--FSQU00A.XN--0ZWM56D", "li@例子\u{ff0e}测试"], "li@xn--fsqu00a.xn--0zwm56d"),
        ("a@пример.рф", &["A@ПРИМЕР.РФ"], "a@xn--e1afmkfd.xn--p1ai"),
        ("b@xn--bcher-kva.example", &["b@bücher.example"], "b@xn--bcher-kva.example"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("user{number}");
        assert_eq!(register(&server, "/register", &name, owner).await, 200, "{owner}");
        let other = format!("other{number}");
        server.register(&other).await;
        for spelling in others {
            for path in ["/register", "/signup", "/api/register/"] {
                assert!(register(&server, path, "someone", spelling).await >= 400, "{path} {spelling}");
            }
            patch_me(&server, &other, &json!({"email": spelling})).await.is(400);
            patch_me(&server, &other, &json!({"username": spelling})).await.is(400);
            assert_signs_in(&server, spelling).await;
            reset_reaches(&server, "/request_password_reset", "email", spelling, recipient).await;
        }
        assert_eq!(patch_me(&server, owner, &json!({})).await.is(200).json()["email"], owner);
    }
}

#[tokio::test]
async fn a_final_sigma_is_a_sigma() {
    let server = TestServer::with(UNLIMITED).await;
    assert_eq!(register(&server, "/register", "νίκος", "n@example.org").await, 200);
    assert_eq!(register(&server, "/register", "ΣΟΦΟΣ ΣΑΟΥΛ", "s@example.org").await, 200);
    for login in ["ΝΊΚΟΣ", "Νίκος", "νίκοσ"] {
        assert_signs_in(&server, login).await;
        assert_eq!(register(&server, "/register", login, "other@example.org").await, 409, "{login}");
    }
    assert_signs_in(&server, "σοφος σαουλ").await;
    assert_eq!(register(&server, "/register", "third", "δημος@example.org").await, 200);
    assert_signs_in(&server, "ΔΗΜΟΣ@example.org").await;
}
