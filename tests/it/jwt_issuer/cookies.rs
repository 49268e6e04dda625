//! The cookies `jwt_token` and `__Host-jwt_token`: how they are read among the cookies of other applications, which of
//! several counts, and how they are set and deleted.

use std::time::Duration;

use countersign::issuer::users::UserChange;
use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::json;

use crate::support::{PASSWORD, ServerResponse, TestServer, token};

const HTTPS: &str = "server.public_url = 'https://id.example.org'";

/// Sends a request with these `Cookie` header lines.
async fn send(server: &TestServer, method: Method, path: &str, lines: &[Vec<u8>]) -> ServerResponse {
    let mut request = server.request(method, path);
    for line in lines {
        request = request.header("cookie", HeaderValue::from_bytes(line).unwrap());
    }
    ServerResponse::send(request).await
}

/// Renews the token in the cookies. Returns the `sub` of the new token, or the status if it is not 200.
async fn renew(server: &TestServer, lines: &[Vec<u8>]) -> Result<serde_json::Value, u16> {
    let response = send(server, Method::POST, "/renew_token", lines).await;
    match response.status {
        200 => Ok(token::claims(response.json()["token"].as_str().unwrap())["sub"].clone()),
        status => Err(status),
    }
}

fn line(pairs: &[(&str, &str)]) -> Vec<u8> {
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ").into_bytes()
}

/// The values of the cookies that the response sets, by name. An empty value deletes the cookie.
fn set_cookies(response: &ServerResponse) -> Vec<(String, String)> {
    let lines = response.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap());
    let pairs = lines.map(|line| line.split(';').next().unwrap().split_once('=').unwrap());
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[tokio::test]
async fn cookies_of_other_applications_may_contain_any_bytes() {
    let server = TestServer::with_anna().await;
    let token = server.token("anna").await;
    let own = line(&[("jwt_token", &token)]);
    let mut any: Vec<u8> = b"name=".to_vec();
    any.extend((0x20..=0xff_u8).filter(|byte| *byte != 0x7f && *byte != b';'));
    for other in ["name=Jürgen".as_bytes(), b"name=J\xfcrgen", b"\xff\xfe", b"=", b"", b"a=\"b; c=d\"", &any] {
        for lines in [
            vec![[other, b"; ", &own].concat()],
            vec![[&own, b";".as_slice(), other].concat()],
            vec![other.to_vec(), own.clone()],
            vec![own.clone(), other.to_vec()],
        ] {
            assert!(renew(&server, &lines).await.is_ok(), "{:?}", String::from_utf8_lossy(&lines.concat()));
        }
    }
}

/// Every token that a browser may still have, and that no longer works.
#[tokio::test]
async fn the_first_valid_cookie_counts() {
    let server = TestServer::with_anna().await;
    server.register("ben").await;
    let foreign = TestServer::with_anna().await.token("anna").await;
    let expired = server.token("anna").await;
    server.clock.advance(Duration::from_hours(25));
    let signed_out = server.token("anna").await;
    send(&server, Method::GET, "/social_logout/", &[line(&[("jwt_token", &signed_out)])]).await.is(302);
    let disabled = server.token("ben").await;
    server.change("ben", UserChange::Disable).await;
    let body = json!({"username": "anna", "password": PASSWORD});
    let pair = server.post("/api/token/", &body).await.is(200).json();
    let valid = server.token("anna").await;
    let unsigned = format!("{}.AAAA", valid.rsplit_once('.').unwrap().0);
    for other in [
        "x",
        "\"quoted\"",
        "é",
        &unsigned,
        &expired,
        &signed_out,
        &disabled,
        &foreign,
        pair["refresh"].as_str().unwrap(),
        pair["access"].as_str().unwrap(),
    ] {
        for lines in [
            vec![line(&[("jwt_token", other), ("jwt_token", &valid)])],
            vec![line(&[("jwt_token", &valid), ("jwt_token", other)])],
            vec![line(&[("jwt_token", other)]), line(&[("jwt_token", &valid)])],
            vec![line(&[("jwt_token", other), ("jwt_token", other), ("a", "b"), ("jwt_token", &valid)])],
        ] {
            assert!(renew(&server, &lines).await.is_ok(), "{other}: {lines:?}");
        }
        let alone = renew(&server, &[line(&[("jwt_token", other), ("jwt_token", "y")])]).await;
        assert_eq!(alone, Err(401), "{other}");
    }
}

#[tokio::test]
async fn valid_cookies_of_two_users_are_refused() {
    let server = TestServer::with_anna().await;
    server.register("ben").await;
    let [anna, ben, again] = [server.token("anna").await, server.token("ben").await, server.token("anna").await];
    let routes = [
        (Method::POST, "/renew_token"),
        (Method::POST, "/update_profile"),
        (Method::GET, "/social/accounts/"),
        (Method::GET, "/social/token/"),
        (Method::GET, "/social/provider/"),
        (Method::POST, "/social/unlink/"),
        (Method::GET, "/github_refresh/"),
    ];
    for lines in [
        vec![line(&[("jwt_token", &ben), ("jwt_token", &anna)])],
        vec![line(&[("jwt_token", &anna), ("jwt_token", &ben)])],
        vec![line(&[("jwt_token", &anna)]), line(&[("jwt_token", &ben)])],
        vec![line(&[("jwt_token", &anna), ("jwt_token", "x"), ("jwt_token", &again), ("jwt_token", &ben)])],
    ] {
        for (method, path) in &routes {
            send(&server, method.clone(), path, &lines).await.is(401);
        }
    }
    let sessions_of_one_user = line(&[("jwt_token", &again), ("jwt_token", &anna)]);
    assert!(renew(&server, &[sessions_of_one_user]).await.is_ok());
    let by_header = server.request(Method::POST, "/renew_token").bearer_auth(&anna);
    let by_header = by_header.header("cookie", line(&[("jwt_token", &ben), ("jwt_token", &anna)]));
    ServerResponse::send(by_header).await.is(200);
}

#[tokio::test]
async fn over_https_a_host_cookie_is_set_too_and_read_first() {
    let server = TestServer::with(HTTPS).await;
    server.register("anna").await;
    server.register("ben").await;
    let response = server.post("/auth", &json!({"username": "anna", "password": PASSWORD})).await;
    let anna = response.is(200).json()["jwt"].as_str().unwrap().to_owned();
    let both = [("__Host-jwt_token".to_owned(), anna.clone()), ("jwt_token".to_owned(), anna.clone())];
    assert_eq!(set_cookies(&response), both);
    for cookie in response.headers.get_all("set-cookie") {
        let cookie = cookie.to_str().unwrap();
        assert!(cookie.contains("; Secure") && cookie.contains("; Path=/;") && !cookie.contains("Domain"), "{cookie}");
    }
    let ben = server.token("ben").await;
    let sub = |token: &str| Ok(token::claims(token)["sub"].clone());
    for (pairs, expected) in [
        (&[("jwt_token", ben.as_str()), ("__Host-jwt_token", &anna)][..], sub(&anna)),
        (&[("__Host-jwt_token", &anna), ("jwt_token", &ben), ("jwt_token", &anna)], sub(&anna)),
        (&[("__Host-jwt_token", "x"), ("jwt_token", &ben)], sub(&ben)),
        (&[("jwt_token", &ben)], sub(&ben)),
        (&[("__Host-jwt_token", &anna), ("__Host-jwt_token", &ben)], Err(401)),
        (&[("__Host-jwt_token", "x"), ("jwt_token", &ben), ("jwt_token", &anna)], Err(401)),
        // Browsers that do not know the name as one with the prefix accept it from any host.
        (&[("__host-jwt_token", &ben), ("jwt_token", &anna)], sub(&anna)),
        (&[("\u{2003}__Host-jwt_token", &ben), ("jwt_token", &anna)], sub(&anna)),
    ] {
        assert_eq!(renew(&server, &[line(pairs)]).await, expected, "{pairs:?}");
    }
    let renewed = send(&server, Method::POST, "/renew_token", &[line(&[("jwt_token", &ben)])]).await;
    assert_eq!(set_cookies(&renewed).len(), 2, "{renewed:#?}");
    for method in [Method::GET, Method::POST] {
        let lines = [line(&[("__Host-jwt_token", &anna), ("jwt_token", &anna)])];
        let response = send(&server, method, "/social_logout/", &lines).await;
        let deleted = [("__Host-jwt_token".to_owned(), String::new()), ("jwt_token".to_owned(), String::new())];
        assert_eq!(set_cookies(response.is(302)), deleted);
    }
    assert!(!server.accepts(&anna).await, "signed out");
}

#[tokio::test]
async fn over_http_there_is_no_host_cookie() {
    let server = TestServer::with_anna().await;
    let response = server.post("/auth", &json!({"username": "anna", "password": PASSWORD})).await;
    let token = response.json()["jwt"].as_str().unwrap().to_owned();
    assert_eq!(set_cookies(&response), [("jwt_token".to_owned(), token.clone())]);
    assert_eq!(renew(&server, &[line(&[("__Host-jwt_token", &token)])]).await, Err(401));
}

/// Browsers ignore a cookie whose name and value have more than 4096 bytes.
#[tokio::test]
async fn a_token_that_is_too_large_for_a_cookie_is_returned_only_in_the_body() {
    for settings in ["", HTTPS] {
        let server = TestServer::with(&format!("tokens.algorithm = 'RS256'\n{settings}")).await;
        let user = "\u{1f600}".repeat(150);
        let account = json!({"username": user, "password": PASSWORD, "email": "anna@example.com"});
        server.post("/register", &account).await.is(200);
        let name = if settings.is_empty() { "jwt_token" } else { "__Host-jwt_token" };
        let body = json!({"username": "anna@example.com", "password": PASSWORD});
        let mut sizes = Vec::new();
        for length in (0..2000).step_by(100) {
            let claims = json!({"team": "x".repeat(length)}).to_string();
            let claims = countersign::domain::claims::Claims::parse(&claims).unwrap();
            server.change(&user, UserChange::SetClaims(claims)).await;
            let response = server.post("/auth", &body).await;
            let token = response.is(200).json()["jwt"].as_str().unwrap().to_owned();
            let size = name.len() + token.len();
            assert_eq!(set_cookies(&response).is_empty(), size > 4096, "{size}");
            let renewed = server.post_as(&token, "/renew_token", &json!({})).await;
            assert_eq!(set_cookies(renewed.is(200)).is_empty(), size > 4096, "{size}");
            sizes.push(size);
        }
        assert!(sizes.iter().any(|size| *size <= 4096) && sizes.iter().any(|size| *size > 4096), "{sizes:?}");
    }
}
