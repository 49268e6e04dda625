//! Request and response bodies of each route, compared byte for byte.

use crate::support::{ServerResponse, TestServer};
use reqwest::Method;

/// Route, body, status and response. The rows of a table are sent in order to one server.
type RequestRow = (&'static str, &'static [u8], u16, &'static str);

const OK: &str = r#"{"status":"OK"}"#;
const WRONG: &str = r#"{"status":"ERROR","code":"wrong_credentials","message":"wrong user name or password"}"#;
const UNAUTHENTICATED: &str =
    r#"{"status":"ERROR","code":"not_signed_in","message":"missing, invalid or expired token; sign in again"}"#;
const NO_CODE: &str = r#"{"status":"ERROR","code":"wrong_reset_code","message":"reset_code is wrong, already used or expired; request a new one"}"#;
const NO_EMAIL: &str = r#"{"status":"ERROR","code":"invalid_field","message":"email must be a valid e-mail address"}"#;

const REGISTER: &[RequestRow] = &[
    ("/register", br#"{"username":"ben","password":"long enough","email":"ben@example.com"}"#, 200, OK),
    (
        "/register",
        br#"{"username":"cleo","password":"long enough","email":"cleo@example.com","id":1,"is_superuser":true,"x":[{}]}"#,
        200,
        OK,
    ),
    ("/register", br#"{"username":"eight","password":"12345678","email":"eight@example.com"}"#, 200, OK),
    (
        "/register",
        r#"{"username":"Jürgen Groß","password":"пароль-пароль","email":"j@example.com"}"#.as_bytes(),
        200,
        OK,
    ),
    (
        "/register",
        br#"{"username":"BEN","password":"long enough","email":"other@example.com"}"#,
        409,
        r#"{"status":"ERROR","code":"taken","message":"username is taken"}"#,
    ),
    (
        "/register",
        br#"{"username":"dora","password":"long enough","email":"BEN@example.com"}"#,
        409,
        r#"{"status":"ERROR","code":"taken","message":"email is taken"}"#,
    ),
    (
        "/register",
        br#"{"username":"ben@example.com","password":"long enough","email":"dora@example.com"}"#,
        400,
        r#"{"status":"ERROR","code":"invalid_field","message":"username may be an e-mail address only if it is your own"}"#,
    ),
    (
        "/register",
        br#"{"password":"long enough","email":"dora@example.com"}"#,
        400,
        r#"{"status":"ERROR","code":"invalid_field","message":"username is required"}"#,
    ),
    (
        "/register",
        br#"{"username":"dora","email":"dora@example.com"}"#,
        400,
        r#"{"status":"ERROR","code":"invalid_field","message":"password is required"}"#,
    ),
    (
        "/register",
        br#"{"username":"dora","password":"long enough"}"#,
        400,
        r#"{"status":"ERROR","code":"invalid_field","message":"email is required"}"#,
    ),
    (
        "/register",
        br#"{"username":"dora","password":"long enough","email":null}"#,
        400,
        r#"{"status":"ERROR","code":"invalid_field","message":"email is required"}"#,
    ),
    (
        "/register",
        br#"{"username":"  ","password":"long enough","email":"dora@example.com"}"#,
        400,
        r#"{"status":"ERROR","code":"invalid_field","message":"username must not be empty"}"#,
    ),
    (
        "/register",
        br#"{"username":"do\u3164ra","password":"long enough","email":"dora@example.com"}"#,
        400,
        r#"{"status":"ERROR","code":"invalid_field","message":"username must not contain control characters or invisible characters"}"#,
    ),
    (
        "/register",
        br#"{"username":"do\u0000ra","password":"long enough","email":"dora@example.com"}"#,
        400,
        r#"{"status":"ERROR","code":"invalid_field","message":"username must not contain control characters or invisible characters"}"#,
    ),
    (
        "/register",
        br#"{"username":["dora"],"password":"long enough","email":"dora@example.com"}"#,
        400,
        r#"{"status":"ERROR","code":"invalid_field","message":"username must be a string"}"#,
    ),
    (
        "/register",
        br#"{"username":"dora","password":12345678,"email":"dora@example.com"}"#,
        400,
        r#"{"status":"ERROR","code":"invalid_field","message":"password must be a string"}"#,
    ),
    (
        "/register",
        br#"{"username":"dora","password":"1234567","email":"dora@example.com"}"#,
        400,
        r#"{"status":"ERROR","code":"invalid_field","message":"password must have at least 8 bytes"}"#,
    ),
    (
        "/register",
        br#"{"username":"dora","password":"","email":"dora@example.com"}"#,
        400,
        r#"{"status":"ERROR","code":"invalid_field","message":"password must not be empty"}"#,
    ),
    ("/register", br#"{"username":"dora","password":"long enough","email":"dora"}"#, 400, NO_EMAIL),
    ("/register", br#"{"username":"dora","password":"long enough","email":"Dora <dora@example.com>"}"#, 400, NO_EMAIL),
    (
        "/register",
        br#"{"username":"dora","password":"long enough","email":"dora@example.com\r\nBcc: x@example.com"}"#,
        400,
        NO_EMAIL,
    ),
];

const OTHERS: &[RequestRow] = &[
    ("/auth", br#"{"username":"anna","password":"wrong"}"#, 401, WRONG),
    ("/auth", br#"{"username":"nobody","password":"wrong"}"#, 401, WRONG),
    ("/auth", br#"{"username":"","password":""}"#, 401, WRONG),
    ("/auth", br#"{"username":"anna\u0000","password":"correct horse battery"}"#, 401, WRONG),
    ("/auth", br#"{"username":"' OR 1=1 --","password":"' OR 1=1 --"}"#, 401, WRONG),
    (
        "/auth",
        br#"{"password":"correct horse battery"}"#,
        400,
        r#"{"status":"ERROR","code":"invalid_field","message":"username is required"}"#,
    ),
    (
        "/auth",
        br#"{"username":"anna"}"#,
        400,
        r#"{"status":"ERROR","code":"invalid_field","message":"password is required"}"#,
    ),
    (
        "/auth",
        br#"{"username":"anna","password":{"$ne":null}}"#,
        400,
        r#"{"status":"ERROR","code":"invalid_field","message":"password must be a string"}"#,
    ),
    (
        "/auth",
        br#"{"username":true,"password":"x"}"#,
        400,
        r#"{"status":"ERROR","code":"invalid_field","message":"username must be a string"}"#,
    ),
    ("/update_profile", br#"{"email":"x@example.com"}"#, 401, UNAUTHENTICATED),
    ("/update_profile", b"{}", 401, UNAUTHENTICATED),
    ("/renew_token", b"", 401, UNAUTHENTICATED),
    ("/renew_token", b"{}", 401, UNAUTHENTICATED),
    ("/request_password_reset", br#"{"email":"nobody@example.com"}"#, 200, OK),
    ("/request_password_reset", br#"{"email":"nobody"}"#, 400, NO_EMAIL),
    (
        "/request_password_reset",
        b"{}",
        400,
        r#"{"status":"ERROR","code":"invalid_field","message":"email is required"}"#,
    ),
    (
        "/request_password_reset",
        br#"{"email":7}"#,
        400,
        r#"{"status":"ERROR","code":"invalid_field","message":"email must be a string"}"#,
    ),
    ("/reset_password", br#"{"reset_code":"0000-0000-0000"}"#, 400, NO_CODE),
    ("/reset_password", br#"{"reset_code":""}"#, 400, NO_CODE),
    ("/reset_password", br#"{"reset_code":"UUUU-UUUU-UUUU"}"#, 400, NO_CODE),
    ("/reset_password", b"{}", 400, r#"{"status":"ERROR","code":"invalid_field","message":"reset_code is required"}"#),
    (
        "/reset_password",
        br#"{"reset_code":123412341234}"#,
        400,
        r#"{"status":"ERROR","code":"invalid_field","message":"reset_code must be a string"}"#,
    ),
    (
        "/reset_password",
        br#"{"reset_code":"0000-0000-0000","new_password":1}"#,
        400,
        r#"{"status":"ERROR","code":"invalid_field","message":"new_password must be a string"}"#,
    ),
];

async fn assert_row(server: &TestServer, (path, body, status, expected): RequestRow) {
    let body_text = String::from_utf8_lossy(body);
    let request = server.request(Method::POST, path).header("content-type", "application/json").body(body);
    let response = ServerResponse::send(request).await;
    assert_eq!((response.status, response.text.as_str()), (status, expected), "{path} {body_text}");
    assert_eq!(response.header("content-type"), "application/json", "{path} {body_text}");
    assert_eq!(response.header("cache-control"), "no-store", "{path} {body_text}");
    assert_eq!(response.header("set-cookie"), "", "{path} {body_text}");
    assert_eq!(response.header("www-authenticate"), if status == 401 { "Bearer" } else { "" }, "{path} {body_text}");
}

#[tokio::test]
async fn registration_requests_get_the_documented_responses() {
    let server = TestServer::start().await;
    for row in REGISTER {
        assert_row(&server, *row).await;
    }
    let superuser = server.issuer.store.read(|tx| {
        Ok::<_, countersign::store::StoreError>(
            tx.user_by_login(&countersign::domain::user::Login::new("cleo"))?.unwrap().is_superuser,
        )
    });
    assert!(!superuser.await.unwrap(), "a caller made itself a superuser");
}

#[tokio::test]
async fn other_requests_get_the_documented_responses() {
    let server = TestServer::with_anna().await;
    for row in OTHERS {
        assert_row(&server, *row).await;
    }
    assert_eq!(server.emails().len(), 0);
}

#[tokio::test]
async fn name_and_password_lengths_are_bounded() {
    let server = TestServer::start().await;
    let body = |name: &str, password: &str, email: &str| serde_json::json!({"username": name, "password": password, "email": email});
    for (name, password, email, status, message) in [
        ("é".repeat(150), "p".repeat(1024), "a@example.com".to_owned(), 200, "OK"),
        (
            "é".repeat(151),
            "p".repeat(1024),
            "b@example.com".to_owned(),
            400,
            "username must have at most 150 characters",
        ),
        ("b".to_owned(), "é".repeat(513), "b@example.com".to_owned(), 400, "password must have at most 1024 bytes"),
        ("b".to_owned(), "p".repeat(8), format!("{}@example.com", "b".repeat(64)), 200, "OK"),
        (
            "c".to_owned(),
            "p".repeat(8),
            format!("c@{}.com", "c".repeat(300)),
            400,
            "email must have at most 254 characters",
        ),
    ] {
        let response = server.post("/register", &body(&name, &password, &email)).await;
        response.is(status);
        assert!(response.text.contains(message), "{message:?} is missing in {response:#?}");
    }
    server.token_by(&"É".repeat(150), &"p".repeat(1024)).await;
}

#[tokio::test]
async fn of_concurrent_registrations_of_one_name_one_succeeds() {
    let server = TestServer::start().await;
    let requests = (0..8).map(|number| {
        let body = serde_json::json!({
            "username": if number % 2 == 0 { "anna" } else { "ANNA" },
            "password": "long enough",
            "email": format!("{number}@example.com"),
        });
        tokio::spawn(ServerResponse::send(server.posting("/register", &body)))
    });
    let mut statuses = Vec::new();
    for response in requests.collect::<Vec<_>>() {
        statuses.push(response.await.unwrap().status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409, 409, 409, 409, 409]);
}
