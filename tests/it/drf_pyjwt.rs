//! The dialect `drf_pyjwt`, compared with the documentation of the system that it replaces.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use super::dialects_support::{ApiResponse, ApiServer, PASSWORD, claims, header, text};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data; boundary=b";
const INVALID: &str = "Token is invalid or expired.";

async fn server() -> ApiServer {
    let server = ApiServer::start().await;
    let body = json!({"email": "anna@example.com", "password": PASSWORD});
    assert_eq!(server.post("/api/register/", &body).await.is(201), json!({"id": 1, "email": "anna@example.com"}));
    server
}

async fn login(server: &ApiServer) -> Value {
    server.post("/api/login/", &json!({"email": "anna@example.com", "password": PASSWORD})).await.is(200)
}

async fn refresh(server: &ApiServer, token: &str) -> ApiResponse {
    server.post("/api/refresh/", &json!({"refresh_token": token})).await
}

async fn me(server: &ApiServer, method: &str, token: Option<&str>, body: &str) -> ApiResponse {
    server.send(method, "/api/me/", JSON, token, body).await
}

#[tokio::test]
async fn registration_responses_match_the_framework() {
    let server = server().await;
    let required = "This field is required.";
    let blank = "This field may not be blank.";
    let not_null = "This field may not be null.";
    let no_text = "Not a valid string.";
    let short = "This password is too short. It must contain at least 8 characters.";
    let rows = [
        (
            JSON,
            r#"{"email":"bob@example.com","password":"correct horse battery","username":""}"#,
            201,
            json!({"id": 2, "email": "bob@example.com"}),
        ),
        (
            FORM,
            "email=cy%40example.com&password=correct+horse+battery&username=Cy",
            201,
            json!({"id": 3, "email": "cy@example.com"}),
        ),
        (JSON, "{}", 400, json!({"email": [required], "password": [required]})),
        (JSON, "", 400, json!({"email": [required], "password": [required]})),
        (
            JSON,
            r#"{"email":null,"password":null,"username":null}"#,
            400,
            json!({"email": [not_null], "password": [not_null], "username": [not_null]}),
        ),
        (JSON, r#"{"email":" ","password":"x"}"#, 400, json!({"email": [blank], "password": [short]})),
        (
            JSON,
            r#"{"email":["x"],"password":{},"username":true}"#,
            400,
            json!({"email": [no_text], "password": [no_text], "username": [no_text]}),
        ),
        (
            JSON,
            r#"{"email":"no","password":"correct horse battery"}"#,
            400,
            json!({"email": ["Enter a valid email address."]}),
        ),
        (
            JSON,
            r#"{"email":5,"password":"correct horse battery"}"#,
            400,
            json!({"email": ["Enter a valid email address."]}),
        ),
        (
            JSON,
            r#"{"email":"no","password":""}"#,
            400,
            json!({"email": ["Enter a valid email address."], "password": [blank]}),
        ),
    ];
    server.assert_responses("/api/register/", &rows).await;
}

#[tokio::test]
async fn a_registration_needs_a_free_name_and_valid_fields() {
    let server = server().await;
    server.register("cy").await;
    let required = "This field is required.";
    let rows = [
        (
            JSON,
            r#"{"email":"d@example.com","password":"short"}"#,
            400,
            json!({"password": ["This password is too short. It must contain at least 8 characters."]}),
        ),
        (
            JSON,
            r#"{"email":"ANNA@example.com","password":"correct horse battery"}"#,
            400,
            json!({"email": ["user with this email already exists."]}),
        ),
        (
            JSON,
            r#"{"email":"d@example.com","username":"cy","password":"correct horse battery"}"#,
            400,
            json!({"username": ["A user with that username already exists."]}),
        ),
    ];
    server.assert_responses("/api/register/", &rows).await;
    let long = json!({"email": format!("d@{}.com", ["a".repeat(60), "b".repeat(60), "c".repeat(60)].join(".")), "password": PASSWORD});
    let too_long = "an address that is too long for a name needs a name";
    assert_eq!(server.post("/api/register/", &long).await.is(400), json!({"username": [required]}), "{too_long}");
    server.set("registration.open", "false").await;
    let closed = [(
        JSON,
        r#"{"email":"e@example.com","password":"correct horse battery"}"#,
        403,
        json!({"detail": "Registration is closed."}),
    )];
    server.assert_responses("/api/register/", &closed).await;
}

#[tokio::test]
async fn a_body_that_is_no_object_is_rejected() {
    let server = server().await;
    let rows = [
        (JSON, "[1]", 400, json!({"non_field_errors": ["Invalid data. Expected a dictionary, but got list."]})),
        (JSON, "null", 400, json!({"non_field_errors": ["No data provided"]})),
        (JSON, "{bad", 400, json!({"detail": "JSON parse error - key must be a string at line 1 column 2"})),
        ("text/plain", "hello", 415, json!({"detail": "Unsupported media type \"text/plain\" in request."})),
        (
            "application/vnd.x+json",
            "{}",
            415,
            json!({"detail": "Unsupported media type \"application/vnd.x+json\" in request."}),
        ),
    ];
    for path in ["/api/register/", "/api/login/", "/api/refresh/", "/api/logout/"] {
        server.assert_responses(path, &rows).await;
    }
}

#[tokio::test]
async fn the_store_contains_no_refresh_token() {
    let server = server().await;
    let uuid: Uuid = text(&login(&server).await, "refresh_token").parse().unwrap();
    let stored: Vec<u8> = ["", "-wal"]
        .iter()
        .flat_map(|end| std::fs::read(server.path(&format!("data/countersign.db{end}"))).unwrap())
        .collect();
    let contains = |bytes: &[u8]| stored.windows(bytes.len()).any(|window| window == bytes);
    let session = server.issuer.refresh_tokens.parse_refresh_uuid(uuid).unwrap().session();
    assert!(contains(&session.0), "the session id is not in the database files");
    assert!(!contains(uuid.as_bytes()) && !contains(uuid.to_string().as_bytes()));
}

#[tokio::test]
async fn a_sign_in_returns_an_access_token_and_a_refresh_uuid() {
    let server = server().await;
    let pair = login(&server).await;
    assert_eq!(pair.as_object().unwrap().keys().collect::<Vec<_>>(), ["access_token", "refresh_token"]);
    let uuid: Uuid = text(&pair, "refresh_token").parse().unwrap();
    assert_eq!(uuid.get_version_num(), 4);
    let access = text(&pair, "access_token");
    let claims = claims(&access);
    assert_eq!(
        (&claims["user_id"], &claims["username"], &claims["token_type"]),
        (&json!(1), &json!(""), &json!("access"))
    );
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 30);
    assert_eq!(header(&access)["typ"], "JWT");
    assert_eq!(
        me(&server, "GET", Some(&access), "").await.is(200),
        json!({"id": 1, "username": "", "email": "anna@example.com"})
    );
    let form =
        server.send("POST", "/api/login", FORM, None, "email=Anna%40Example.com&password=correct+horse+battery").await;
    assert_ne!(form.is(200)["refresh_token"], pair["refresh_token"]);
    server.clock.advance(Duration::from_secs(36));
    assert_eq!(me(&server, "GET", Some(&access), "").await.is(401), json!({"detail": INVALID}));
}

#[tokio::test]
async fn every_failed_sign_in_gets_the_same_response() {
    let server = server().await;
    server.register("off").await;
    server.disable("off").await;
    let wrong = json!({"detail": "Incorrect authentication credentials."});
    let overlong = json!({"email": "anna@example.com", "password": "x".repeat(5000)}).to_string();
    let rows = [
        (JSON, r#"{"email":"anna@example.com","password":"wrong"}"#, 401, wrong.clone()),
        (JSON, r#"{"email":"anna@example.com","password":""}"#, 401, wrong.clone()),
        (JSON, overlong.as_str(), 401, wrong.clone()),
        (JSON, r#"{"email":"nobody@example.com","password":"correct horse battery"}"#, 401, wrong.clone()),
        (JSON, r#"{"email":"off@example.com","password":"correct horse battery"}"#, 401, wrong),
        (
            MULTIPART,
            "--b\r\nContent-Disposition: form-data; name=\"email\"\r\n\r\nx\r\n--b--\r\n",
            400,
            json!({"password": ["This field is required."]}),
        ),
        (
            MULTIPART,
            "--b",
            400,
            json!({"detail": "Multipart form parse error - the form does not end with its boundary"}),
        ),
        (JSON, r#"{"password":"x"}"#, 400, json!({"email": ["This field is required."]})),
        (
            FORM,
            "email=",
            400,
            json!({"email": ["This field may not be blank."], "password": ["This field is required."]}),
        ),
        (JSON, r#"{"email":"a\u0000b","password":"x"}"#, 400, json!({"email": ["Null characters are not allowed."]})),
    ];
    server.assert_responses("/api/login/", &rows).await;
    for _ in 0..10 {
        server.post("/api/login/", &json!({"email": "x@example.com", "password": "wrong"})).await;
    }
    let throttled = server.post("/api/login/", &json!({"email": "x@example.com", "password": "wrong"})).await;
    let after = throttled.header("retry-after").to_owned();
    let message = format!("Request was throttled. Expected available in {after} seconds.");
    assert_eq!(throttled.is(429), json!({"detail": message}));
}

#[tokio::test]
async fn a_refresh_returns_a_new_pair_and_a_spent_token_ends_the_session() {
    let server = server().await;
    let first = text(&login(&server).await, "refresh_token");
    let pair = refresh(&server, &first).await.is(200);
    let second = text(&pair, "refresh_token");
    assert_ne!(first, second);
    assert_eq!(me(&server, "GET", Some(&text(&pair, "access_token")), "").await.status, 200);
    let again = refresh(&server, &first.to_uppercase()).await.is(200);
    assert_eq!(text(&again, "refresh_token"), second, "a retry gets the same response");

    server.clock.advance(Duration::from_secs(11));
    let third = text(&refresh(&server, &second).await.is(200), "refresh_token");
    server.clock.advance(Duration::from_secs(5));
    let other = text(&login(&server).await, "refresh_token");
    assert_eq!(refresh(&server, &first).await.is(401), json!({"detail": INVALID}), "two generations old");
    assert_eq!(server.audit_count("refresh_reused").await, 1);
    assert_eq!(refresh(&server, &third).await.status, 401, "the session has ended");
    assert_eq!(refresh(&server, &other).await.status, 200, "the other session is still live");
}

#[tokio::test]
async fn a_refresh_token_expires_after_its_lifetime() {
    let server = server().await;
    let day = Duration::from_hours(24);
    let mut token = text(&login(&server).await, "refresh_token");
    for _ in 0..3 {
        server.clock.advance(day * 29);
        token = text(&refresh(&server, &token).await.is(200), "refresh_token");
    }
    server.clock.advance(day * 30);
    assert_eq!(refresh(&server, &token).await.status, 401);
    server.set("profiles.drf_pyjwt.refresh_lifetime", "60").await;
    server.set("profiles.drf_pyjwt.access_lifetime", "90").await;
    let pair = login(&server).await;
    let claims = claims(&text(&pair, "access_token"));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 90);
    server.clock.advance(Duration::from_mins(1));
    assert_eq!(refresh(&server, &text(&pair, "refresh_token")).await.status, 401);
}

#[tokio::test]
async fn an_invalid_refresh_token_is_rejected() {
    let server = server().await;
    let pair = login(&server).await;
    let access = json!({"refresh_token": pair["access_token"]}).to_string();
    let unknown = json!({"refresh_token": Uuid::from_u128(7)}).to_string();
    let refused = json!({"detail": INVALID});
    let rows = [
        (JSON, access.as_str(), 401, refused.clone()),
        (JSON, unknown.as_str(), 401, refused.clone()),
        (JSON, r#"{"refresh_token":"no uuid"}"#, 401, refused.clone()),
        (JSON, r#"{"refresh_token":5}"#, 401, refused),
        (JSON, "{}", 400, json!({"refresh_token": ["This field is required."]})),
        (JSON, r#"{"refresh_token":null}"#, 400, json!({"refresh_token": ["This field may not be null."]})),
        (JSON, r#"{"refresh_token":""}"#, 400, json!({"refresh_token": ["This field may not be blank."]})),
        (JSON, r#"{"refresh_token":["x"]}"#, 400, json!({"refresh_token": ["Not a valid string."]})),
    ];
    server.assert_responses("/api/refresh/", &rows).await;
    server.assert_responses("/api/logout/", &rows).await;
    server.disable("anna@example.com").await;
    assert_eq!(refresh(&server, &text(&pair, "refresh_token")).await.status, 401);
}

#[tokio::test]
async fn signing_out_ends_the_session() {
    let server = server().await;
    let pair = login(&server).await;
    let other = login(&server).await;
    let access = text(&pair, "access_token");
    let token = text(&pair, "refresh_token");
    let form = format!("refresh_token={token}");
    let row = |status, body| [(FORM, form.as_str(), status, body)];
    server.assert_responses("/api/logout/", &row(200, json!({"success": "User logged out."}))).await;
    server.assert_responses("/api/logout/", &row(401, json!({"detail": INVALID}))).await;
    server.assert_responses("/api/refresh/", &row(401, json!({"detail": INVALID}))).await;
    assert_eq!(me(&server, "GET", Some(&access), "").await.status, 401);
    assert_eq!(me(&server, "GET", Some(&text(&other, "access_token")), "").await.status, 200);
    assert_eq!(server.audit_count("signed_out").await, 1);
}

#[tokio::test]
async fn a_profile_is_read_and_changed() {
    let server = server().await;
    server.register("bob").await;
    let pair = login(&server).await;
    let access = text(&pair, "access_token");
    let anna = |username: &str, email: &str| json!({"id": 1, "username": username, "email": email});
    let rows = [
        ("PUT", r#"{"username":"John Smith"}"#, 200, anna("John Smith", "anna@example.com")),
        ("PATCH", r#"{"email":"john@example.com","unknown":1}"#, 200, anna("John Smith", "anna@example.com")),
        ("PATCH", "{}", 200, anna("John Smith", "anna@example.com")),
        ("PUT", r#"{"username":"JOHN SMITH","email":"anna@example.com"}"#, 200, anna("JOHN SMITH", "anna@example.com")),
        ("PUT", "{}", 400, json!({"username": ["This field is required."]})),
        (
            "PATCH",
            r#"{"username":null,"email":""}"#,
            400,
            json!({"username": ["This field may not be null."], "email": ["This field may not be blank."]}),
        ),
        ("PUT", r#"{"username":"bob"}"#, 400, json!({"username": ["A user with that username already exists."]})),
        ("PUT", r#"{"email":"bob@example.com"}"#, 400, json!({"email": ["user with this email already exists."]})),
        (
            "PUT",
            r#"{"email":"no","username":["x"]}"#,
            400,
            json!({"username": ["Not a valid string."], "email": ["Enter a valid email address."]}),
        ),
        ("PUT", "[]", 400, json!({"non_field_errors": ["Invalid data. Expected a dictionary, but got list."]})),
        ("GET", "", 200, anna("JOHN SMITH", "anna@example.com")),
    ];
    for (method, body, status, expected) in rows {
        assert_eq!(me(&server, method, Some(&access), body).await.is(status), expected, "{method} {body}");
    }
    let long = json!({"username": "x".repeat(151)}).to_string();
    let message = me(&server, "PATCH", Some(&access), &long).await.is(400);
    assert_eq!(message, json!({"username": ["Ensure this field has no more than 150 characters."]}));
    for (token, message) in [
        (None, "Authentication credentials were not provided."),
        (Some("x"), INVALID),
        (Some(text(&pair, "refresh_token").as_str()), INVALID),
    ] {
        for (method, body) in [("GET", ""), ("PUT", "{bad"), ("PATCH", "{}")] {
            let response = me(&server, method, token, body).await;
            assert_eq!(response.is(401), json!({"detail": message}), "{method}: the token is checked before the body");
            assert_eq!(response.header("www-authenticate"), "Bearer realm=\"api\"");
        }
    }
}

#[tokio::test]
async fn other_methods_and_oversized_bodies_are_rejected() {
    let server = server().await;
    for (method, path) in
        [("GET", "/api/login/"), ("PUT", "/api/register"), ("DELETE", "/api/me/"), ("POST", "/api/me")]
    {
        let response = server.send(method, path, "", None, "").await;
        assert_eq!(response.is(405), json!({"detail": format!("Method \"{method}\" not allowed.")}), "{path}");
        assert!(!response.header("allow").is_empty());
    }
    let refused = server.post("/api/login/", &json!({"email": "x".repeat(70_000)})).await;
    assert_eq!(refused.is(413), json!({"detail": "request body is larger than 65536 bytes"}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_refreshes_of_one_token_have_one_successor() {
    let server = Arc::new(server().await);
    let token = text(&login(&server).await, "refresh_token");
    let attempts: Vec<_> = (0..3)
        .map(|_| {
            let server = Arc::clone(&server);
            let token = token.clone();
            tokio::spawn(async move { text(&refresh(&server, &token).await.is(200), "refresh_token") })
        })
        .collect();
    let mut successors = BTreeSet::new();
    for attempt in attempts {
        successors.insert(attempt.await.unwrap());
    }
    assert!(successors.len() == 1 && !successors.contains(&token));
    let successor = successors.pop_first().unwrap();
    assert_eq!(refresh(&server, &successor).await.status, 200);
}
