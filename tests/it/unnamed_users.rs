//! Users who registered at `/api/register/` without a user name: it stays empty in responses and tokens until they choose
//! one, and a conflict is always one of the address.
#![expect(clippy::unwrap_used, reason = "tests")]

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{PASSWORD, ServerResponse, TestServer, token as jwt};

const EMAIL: &str = "anna@example.org";

/// A server with a user who has registered with this address, and without a user name.
async fn with_unnamed(email: &str) -> TestServer {
    let server = TestServer::with("throttle.enabled = false").await;
    let created = server.post("/api/register/", &json!({"email": email, "password": PASSWORD})).await;
    assert_eq!(created.is(201).json(), json!({"id": 1, "email": email}));
    server
}

async fn access(server: &TestServer, email: &str) -> String {
    let pair = server.post("/api/login/", &json!({"email": email, "password": PASSWORD})).await;
    pair.is(200).json()["access_token"].as_str().unwrap().to_owned()
}

async fn me(server: &TestServer, method: Method, body: &Value) -> ServerResponse {
    let token = access(server, EMAIL).await;
    let request = server.request(method.clone(), "/api/me/").bearer_auth(token);
    ServerResponse::send(if method == Method::GET { request } else { request.json(body) }).await
}

/// The user name in `/api/me/`, in the tokens of every dialect with the claim, and in the user object of `rest_jwt`.
async fn usernames(server: &TestServer) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut names = vec![text(&me(server, Method::GET, &Value::Null).await.is(200).json()["username"])];
    names.push(text(&jwt::claims(&access(server, EMAIL).await)["username"]));
    let body = json!({"username": EMAIL, "password": PASSWORD});
    let signed_in = server.post("/auth", &body).await.is(200).json();
    names.push(text(&jwt::claims(signed_in["jwt"].as_str().unwrap())["username"]));
    let renewed = server.post_as(signed_in["jwt"].as_str().unwrap(), "/renew_token", &json!({})).await;
    names.push(text(&jwt::claims(renewed.is(200).json()["token"].as_str().unwrap())["username"]));
    let signed_in = server.post("/signin", &body).await.is(200).json();
    let user = server.post("/get_user_by_jwt", &json!({"token": signed_in["token"]})).await;
    names.push(text(&user.is(200).json()["user"]["username"]));
    names
}

#[tokio::test]
async fn a_user_who_chose_no_name_has_an_empty_one_everywhere() {
    let server = with_unnamed(EMAIL).await;
    assert_eq!(usernames(&server).await, [""; 5]);
    for method in [Method::PATCH, Method::PUT] {
        for body in [json!({"username": ""}), json!({"username": " ", "email": EMAIL})] {
            let changed = me(&server, method.clone(), &body).await;
            assert_eq!(changed.is(200).json(), json!({"id": 1, "username": "", "email": EMAIL}), "{method} {body}");
        }
    }
    me(&server, Method::PATCH, &json!({})).await.is(200);
    me(&server, Method::PUT, &json!({})).await.is(400);
    assert_eq!(usernames(&server).await, [""; 5]);
    let named = me(&server, Method::PATCH, &json!({"username": "John Smith"})).await;
    assert_eq!(named.is(200).json(), json!({"id": 1, "username": "John Smith", "email": EMAIL}));
    assert_eq!(usernames(&server).await, ["John Smith"; 5]);
    let blank = me(&server, Method::PATCH, &json!({"username": ""})).await;
    assert_eq!(blank.is(400).json(), json!({"username": ["This field may not be blank."]}));
}

#[tokio::test]
async fn the_own_address_is_a_name_if_the_user_chose_it() {
    let server = with_unnamed("other@example.org").await;
    for (path, body) in [
        ("/api/register/", json!({"email": EMAIL, "password": PASSWORD, "username": EMAIL})),
        ("/register", json!({"email": "ben@example.org", "password": PASSWORD, "username": "ben@example.org"})),
        ("/signup", json!({"email": "cleo@example.org", "password": PASSWORD, "email_as_name": true})),
    ] {
        let created = server.post(path, &body).await;
        assert!(created.status < 300, "{created:#?}");
        let email = body["email"].as_str().unwrap();
        assert_eq!(jwt::claims(&access(&server, email).await)["username"], email, "{path}");
    }
    assert_eq!(usernames(&server).await, [EMAIL; 5]);
    let server = with_unnamed(EMAIL).await;
    me(&server, Method::PUT, &json!({"username": EMAIL})).await.is(200);
    assert_eq!(usernames(&server).await, [EMAIL; 5]);
}

#[tokio::test]
async fn a_taken_address_is_reported_under_email() {
    let server = with_unnamed(EMAIL).await;
    server.register("ben").await;
    let taken = json!({"email": ["user with this email already exists."]});
    for email in ["ben@example.com", "BEN@example.com"] {
        for body in [
            json!({"email": email, "password": PASSWORD}),
            json!({"email": email, "password": PASSWORD, "username": ""}),
            json!({"email": email, "password": PASSWORD, "username": "new name"}),
            json!({"email": email, "password": PASSWORD, "username": email}),
        ] {
            assert_eq!(server.post("/api/register/", &body).await.is(400).json(), taken, "{body}");
        }
        for method in [Method::PATCH, Method::PUT] {
            for body in [json!({"email": email}), json!({"email": email, "username": "new name"})] {
                assert_eq!(me(&server, method.clone(), &body).await.is(400).json(), taken, "{method} {body}");
            }
        }
    }
    let name = json!({"username": ["A user with that username already exists."]});
    assert_eq!(me(&server, Method::PATCH, &json!({"username": "BEN"})).await.is(400).json(), name);
    assert_eq!(usernames(&server).await, [""; 5], "nothing was changed");
}
