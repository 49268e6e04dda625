//! CORS: only pages of the origins in `[cors] allowed_origins` may read the responses of the API. Public documents such
//! as the JWKS are readable by every origin (`tests/it/wellknown.rs`).
#![expect(clippy::unwrap_used, reason = "tests")]

use countersign::http::openapi::model::Access;
use reqwest::Method;
use serde_json::json;

use super::support::{ServerResponse, TestServer};

const SETTINGS: &str = "cors.allowed_origins = ['https://app.example.com', 'https://other.example.com:8443']";
/// Origins, and whether they are allowed. Scheme, host and port must all match.
const ORIGINS: [(&str, bool); 8] = [
    ("https://app.example.com", true),
    ("https://other.example.com:8443", true),
    ("http://app.example.com", false),
    ("https://app.example.com:8443", false),
    ("https://app.example.com.evil.example", false),
    ("https://evil.example", false),
    ("https://other.example.com", false),
    ("null", false),
];

fn words(header: &str) -> Vec<String> {
    header.split(',').map(|word| word.trim().to_lowercase()).collect()
}

#[track_caller]
fn assert_cors_headers(response: &ServerResponse, origin: &str, is_allowed: bool) {
    let expected = if is_allowed { (origin, "true") } else { ("", "true") };
    assert_eq!(response.header("access-control-allow-origin"), expected.0, "{origin}: {response:#?}");
    if is_allowed {
        assert_eq!(response.header("access-control-allow-credentials"), expected.1, "{origin}: {response:#?}");
    }
    // Without `Vary`, a cache would send the response for one origin to another.
    assert!(words(response.header("vary")).contains(&"origin".to_owned()), "{origin}: {response:#?}");
}

#[tokio::test]
async fn a_preflight_allows_configured_origins() {
    let server = TestServer::with(SETTINGS).await;
    for (origin, is_allowed) in ORIGINS {
        for path in ["/signin", "/refresh/", "/restore", "/auth"] {
            let request = server
                .request(Method::OPTIONS, path)
                .header("origin", origin)
                .header("access-control-request-method", "POST")
                .header("access-control-request-headers", "authorization,content-type");
            let response = ServerResponse::send(request).await;
            assert_cors_headers(response.is(200), origin, is_allowed);
            if is_allowed {
                assert!(
                    words(response.header("access-control-allow-methods")).contains(&"post".to_owned()),
                    "{response:#?}"
                );
                let headers = words(response.header("access-control-allow-headers"));
                assert!(headers.iter().any(|name| name == "authorization"), "{response:#?}");
                assert!(headers.iter().any(|name| name == "content-type"), "{response:#?}");
            }
        }
    }
}

/// Sends a preflight with these request headers. Returns the headers that the response allows.
async fn allowed_headers(server: &TestServer, path: &str, headers: &str) -> ServerResponse {
    let request = server
        .request(Method::OPTIONS, path)
        .header("origin", "https://app.example.com")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", headers);
    ServerResponse::send(request).await
}

#[tokio::test]
async fn a_preflight_allows_headers_that_libraries_add() {
    let server = TestServer::with(SETTINGS).await;
    for names in [
        "content-type,x-csrftoken",
        "x-requested-with",
        "x-xsrf-token,x-csrf-token",
        "accept,accept-encoding,authorization,content-type,dnt,origin,user-agent",
        "cache-control,pragma,expires,if-none-match,if-match,if-modified-since",
        "x-request-id,x-correlation-id,idempotency-key",
        "traceparent,tracestate,baggage,sentry-trace,b3,x-b3-traceid",
        "x-datadog-trace-id,x-datadog-parent-id,x-datadog-origin,x-datadog-sampling-priority",
        "request-id,request-context,newrelic,x-amzn-trace-id",
    ] {
        for path in ["/api/token/", "/auth", "/api/me/"] {
            let response = allowed_headers(&server, path, names).await;
            let allowed = words(response.is(200).header("access-control-allow-headers"));
            for name in words(names) {
                assert!(allowed.contains(&name), "{name}: {response:#?}");
            }
            assert_eq!(response.header("access-control-max-age"), "7200");
        }
    }
}

#[tokio::test]
async fn the_setting_replaces_the_optional_headers() {
    let server = TestServer::with(&format!("{SETTINGS}\ncors.allowed_headers = ['X-Shop']")).await;
    let response = allowed_headers(&server, "/auth", "x-shop").await;
    let mut allowed = words(response.header("access-control-allow-headers"));
    allowed.sort_unstable();
    assert_eq!(allowed, ["authorization", "content-type", "x-shop"]);
}

#[tokio::test]
async fn origins_of_apps_are_allowed() {
    let origins =
        ["capacitor://localhost", "ionic://localhost", "app://.", "chrome-extension://abcdef", "tauri://localhost"];
    let server = TestServer::with(&format!("cors.allowed_origins = {origins:?}")).await;
    server.register("anna").await;
    let token = server.token("anna").await;
    for origin in origins {
        let body = json!({"username": "anna", "password": super::support::PASSWORD});
        let response = ServerResponse::send(server.posting("/signin", &body).header("origin", origin)).await;
        assert_cors_headers(response.is(200), origin, true);
        let by_cookie = server.posting("/renew_token", &json!({})).header("cookie", format!("jwt_token={token}"));
        ServerResponse::send(by_cookie.header("origin", origin)).await.is(200);
    }
    for origin in ["capacitor://other", "http://localhost", "app://..", "null"] {
        let by_cookie = server.posting("/renew_token", &json!({})).header("cookie", format!("jwt_token={token}"));
        let response = ServerResponse::send(by_cookie.header("origin", origin)).await;
        assert_cors_headers(response.is(403), origin, false);
    }
}

#[tokio::test]
async fn responses_are_readable_by_allowed_origins_whatever_the_status() {
    let server = TestServer::with(SETTINGS).await;
    server.register("anna").await;
    let valid = json!({"username": "anna", "password": super::support::PASSWORD});
    for (origin, is_allowed) in ORIGINS {
        for (path, body, status) in [
            ("/signin", &valid, 200),
            ("/signin", &json!({"username": "anna", "password": "wrong"}), 401),
            ("/signin/", &json!({}), 400),
            ("/validation", &json!({"token": "x"}), 401),
        ] {
            let response = ServerResponse::send(server.posting(path, body).header("origin", origin)).await;
            assert_cors_headers(response.is(status), origin, is_allowed);
            assert_eq!(
                words(response.header("access-control-expose-headers")),
                ["retry-after", "x-request-id"],
                "{response:#?}"
            );
        }
    }
}

#[tokio::test]
async fn a_fault_is_readable_by_allowed_origins() {
    let server = TestServer::with(SETTINGS).await;
    server.register("anna").await;
    let database = rusqlite::Connection::open(server.path("data/countersign.db")).unwrap();
    database.execute_batch("ALTER TABLE sessions RENAME TO gone").unwrap();
    let body = json!({"username": "anna", "password": super::support::PASSWORD});
    for (origin, is_allowed) in ORIGINS {
        let response = ServerResponse::send(server.posting("/signin", &body).header("origin", origin)).await;
        assert_cors_headers(response.is(500), origin, is_allowed);
        let id = response.header("x-request-id");
        let message = format!("{}", response.json()["error"]["message"]);
        assert_eq!(message, format!("\"internal error (request {id})\""));
    }
}

#[tokio::test]
async fn without_settings_no_origin_is_allowed() {
    let server = TestServer::start().await;
    for (origin, _) in ORIGINS {
        let response = ServerResponse::send(server.posting("/signin", &json!({})).header("origin", origin)).await;
        assert_eq!(response.is(400).header("access-control-allow-origin"), "", "{response:#?}");
    }
}

/// A browser sends the cookie with a form of any page.
#[tokio::test]
async fn every_route_that_reads_the_cookie_refuses_foreign_origins_and_documents_it() {
    let server = TestServer::with_anna().await;
    let token = server.token("anna").await;
    let groups = countersign::http::route_groups(&countersign::domain::dialect::Dialect::ALL.into());
    let operations = groups.into_iter().flat_map(|group| group.operations);
    let mut seen = 0;
    for operation in operations.filter(|operation| operation.access == Access::BearerOrCookie) {
        let is_documented = operation.responses.iter().any(|(status, _, _)| *status == 403);
        assert_eq!(is_documented, operation.method != "get", "{} {}", operation.method, operation.path);
        if operation.method != "get" {
            let method: Method = operation.method.to_uppercase().parse().unwrap();
            let request = server.request(method, operation.path).header("cookie", format!("jwt_token={token}"));
            let response = ServerResponse::send(request.header("origin", "https://evil.example")).await;
            response.is(403);
            seen += 1;
        }
    }
    assert!(seen >= 8, "{seen}");
}
