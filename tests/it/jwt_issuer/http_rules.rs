//! HTTP rules for every route: methods, media types, malformed bodies, sizes, trailing slashes and headers.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use reqwest::Method;
use serde_json::json;

use crate::support::{PASSWORD, ServerResponse, TestServer};

const ROUTES: [&str; 6] =
    ["/auth", "/register", "/update_profile", "/renew_token", "/request_password_reset", "/reset_password"];
/// Routes that require a JSON body.
const ROUTES_WITH_BODY: [&str; 4] = ["/auth", "/register", "/request_password_reset", "/reset_password"];

#[tokio::test]
async fn a_wrong_method_names_the_allowed_one() {
    let server = TestServer::start().await;
    for route in ROUTES {
        for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH] {
            for slash in ["", "/"] {
                let response = ServerResponse::send(server.request(method.clone(), &format!("{route}{slash}"))).await;
                response.refuses(405, "wrong_method");
                assert_eq!(response.header("allow"), "POST", "{method} {route}");
            }
        }
    }
    for route in ["/liveliness", "/ready/", "/get_public_cert", "/.well-known/openid-configuration"] {
        let response = ServerResponse::send(server.request(Method::POST, route)).await;
        assert_eq!(response.refuses(405, "wrong_method").header("allow"), "GET,HEAD", "{route}");
    }
    let jwks = ServerResponse::send(server.request(Method::POST, "/.well-known/jwks.json")).await;
    assert_eq!((jwks.status, jwks.header("allow")), (405, "GET,HEAD,OPTIONS"));
}

#[tokio::test]
async fn a_trailing_slash_makes_no_difference() {
    let server = TestServer::with_anna().await;
    let token = server.token("anna").await;
    for (route, body, status) in [
        ("/auth", json!({"username": "anna", "password": PASSWORD}), 200),
        ("/register", json!({"username": "ben", "password": PASSWORD, "email": "ben@example.com"}), 200),
        ("/update_profile", json!({"email": "anna@example.org"}), 200),
        ("/renew_token", json!({}), 200),
        ("/request_password_reset", json!({"email": "nobody@example.com"}), 200),
        ("/reset_password", json!({"reset_code": "0"}), 400),
    ] {
        server.post_as(&token, &format!("{route}/"), &body).await.is(status);
    }
    for route in ["/liveliness/", "/ready/", "/get_public_cert/"] {
        server.get(route).await.is(200);
    }
}

#[tokio::test]
async fn bodies_that_are_no_json_object_are_rejected() {
    let server = TestServer::start().await;
    let deep = format!(r#"{{"username":{}{}}}"#, "[".repeat(5000), "]".repeat(5000));
    let rows: [(&str, &[u8]); 12] = [
        ("truncated", br#"{"username":"anna""#),
        ("an array", br#"["anna"]"#),
        ("a text", br#""anna""#),
        ("null", b"null"),
        ("a number", b"7"),
        ("trailing data", br#"{"username":"anna"} {}"#),
        ("a duplicate member", br#"{"username":"anna","password":"x","username":"ben"}"#),
        ("a duplicate in an unknown member", br#"{"x":{"a":1,"a":2}}"#),
        ("invalid UTF-8", b"{\"username\":\"\xff\"}"),
        ("a lone surrogate", br#"{"username":"\ud800"}"#),
        ("a form", b"username=anna&password=x"),
        ("too deep", deep.as_bytes()),
    ];
    for route in ROUTES_WITH_BODY {
        for (case, body) in rows {
            let request = server.request(Method::POST, route).header("content-type", "application/json");
            let response = ServerResponse::send(request.body(body.to_vec())).await;
            assert_eq!(response.status, 400, "{route}, {case}: {response:#?}");
            response.refuses(400, "malformed_body");
        }
    }
}

#[tokio::test]
async fn only_json_with_a_json_content_type_is_accepted() {
    let server = TestServer::start().await;
    let body = r#"{"username":"anna","password":"x"}"#;
    let rows = [
        ("application/json", 401),
        ("application/json; charset=utf-8", 401),
        ("Application/JSON", 401),
        ("application/vnd.api+json", 401),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("application/jsonp", 415),
        ("", 415),
    ];
    for (kind, status) in rows {
        let request = server.request(Method::POST, "/auth").header("content-type", kind).body(body);
        assert_eq!(ServerResponse::send(request).await.status, status, "{kind}");
    }
    let without = ServerResponse::send(server.request(Method::POST, "/auth").body(body)).await;
    without.refuses(415, "wrong_content_type");
    assert!(without.text.contains("application/json"), "the message does not name the accepted type: {}", without.text);
}

#[tokio::test]
async fn an_empty_body_lacks_every_field_whatever_its_content_type() {
    let server = TestServer::start().await;
    for request in [
        server.request(Method::POST, "/auth"),
        server.request(Method::POST, "/auth").header("content-type", "application/json"),
        server.request(Method::POST, "/auth").header("content-type", "text/plain"),
    ] {
        let response = ServerResponse::send(request).await;
        response.refuses(400, "invalid_field");
        assert!(response.text.contains("username is required"), "{response:#?}");
    }
}

#[tokio::test]
async fn a_body_over_64_kib_is_rejected() {
    let server = TestServer::start().await;
    let body = |bytes: usize| {
        let empty = json!({"username": "anna", "password": ""}).to_string().len();
        json!({"username": "anna", "password": "x".repeat(bytes - empty)}).to_string()
    };
    let send =
        |body: String| server.request(Method::POST, "/auth").header("content-type", "application/json").body(body);
    ServerResponse::send(send(body(65_536))).await.refuses(401, "wrong_credentials");
    ServerResponse::send(send(body(65_537))).await.refuses(413, "body_too_large");

    // A chunked body has no length that the server could check in advance.
    let mut stream = TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
    let response = tokio::task::spawn_blocking(move || {
        let head =
            "POST /auth HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
        // The server may close the connection before the test has sent everything.
        let _ = (0..20).try_for_each(|_| stream.write_all(chunk.as_bytes()));
        let mut response = [0; 12];
        stream.read_exact(&mut response).unwrap();
        String::from_utf8(response.to_vec()).unwrap()
    });
    assert_eq!(response.await.unwrap(), "HTTP/1.1 413");
}

#[tokio::test]
async fn every_response_has_a_server_generated_request_id() {
    let server = TestServer::start().await;
    let mut ids = std::collections::BTreeSet::new();
    for path in ["/auth", "/nowhere", "/liveliness", "/ready", "/auth", "/.well-known/openid-configuration"] {
        let response = ServerResponse::send(server.request(Method::GET, path).header("x-request-id", "mine")).await;
        let id = response.header("x-request-id").to_owned();
        assert!(id.len() == 32 && id.bytes().all(|c| c.is_ascii_hexdigit()), "{path}: {id:?}");
        assert_eq!(response.header("x-content-type-options"), "nosniff", "{path}");
        assert!(ids.insert(id), "{path}: duplicate request id");
    }
}

#[tokio::test]
async fn a_fault_response_contains_only_the_request_id() {
    let server = TestServer::with_anna().await;
    let database = rusqlite::Connection::open(server.path("data/countersign.db")).unwrap();
    database.execute_batch("ALTER TABLE users RENAME TO gone").unwrap();
    let response = server.post("/auth", &json!({"username": "anna", "password": PASSWORD})).await;
    response.refuses(500, "internal");
    let message = format!("internal error (request {})", response.header("x-request-id"));
    assert_eq!(response.json()["message"], message);
    assert_eq!(response.header("cache-control"), "no-store");
    database.execute_batch("ALTER TABLE gone RENAME TO users").unwrap();
    server.token("anna").await;
}

#[tokio::test]
async fn an_unknown_route_is_not_found() {
    let server = TestServer::start().await;
    for path in ["/", "/auth/x", "//auth", "/AUTH", "/admin.php", "/../keys/secret", "/%2e%2e/keys/secret"] {
        server.get(path).await.refuses(404, "not_found");
    }
}

#[tokio::test]
async fn only_allowed_origins_may_read_responses() {
    let server = TestServer::with("cors.allowed_origins = ['https://app.example.com']").await;
    let post_from =
        |origin: &'static str| ServerResponse::send(server.request(Method::POST, "/auth").header("origin", origin));
    let allowed = post_from("https://app.example.com").await;
    assert_eq!(allowed.header("access-control-allow-origin"), "https://app.example.com");
    assert_eq!(allowed.header("access-control-allow-credentials"), "true");
    for foreign in ["https://evil.example", "null", "https://app.example.com.evil.example"] {
        assert_eq!(post_from(foreign).await.header("access-control-allow-origin"), "", "{foreign}");
    }
    let preflight = server
        .request(Method::OPTIONS, "/renew_token")
        .header("origin", "https://app.example.com")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization");
    let preflight = ServerResponse::send(preflight).await;
    let headers = preflight.is(200).header("access-control-allow-headers");
    assert!(headers.starts_with("authorization,content-type,"), "{headers}");
}
