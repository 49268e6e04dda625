//! Endpoints for resource servers (JWKS, one key, discovery) and for monitoring (liveliness, readiness).
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::attacks::raw::send_raw;
use crate::support::{ServerResponse, TestServer, wait_until};

const CACHED: &str = "public, max-age=300, stale-if-error=86400";

fn kids(jwks: &ServerResponse) -> Vec<String> {
    jwks.json()["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_jwks_contains_public_keys_and_public_headers() {
    let server = TestServer::start().await;
    let response = server.get("/.well-known/jwks.json").await;
    let jwks = response.is(200).json();
    insta::assert_json_snapshot!(jwks, { ".keys[].kid" => "[kid]", ".keys[].x" => "[x]", ".keys[].y" => "[y]", ".keys[].n" => "[n]" }, @r#"
    {
      "keys": [
        {
          "kty": "EC",
          "use": "sig",
          "alg": "ES256",
          "kid": "[kid]",
          "crv": "P-256",
          "x": "[x]",
          "y": "[y]"
        },
        {
          "kty": "RSA",
          "use": "sig",
          "alg": "RS256",
          "kid": "[kid]",
          "n": "[n]",
          "e": "AQAB"
        }
      ]
    }
    "#);
    for (name, value) in [
        ("content-type", "application/json"),
        ("cache-control", CACHED),
        ("access-control-allow-origin", "*"),
        ("set-cookie", ""),
    ] {
        assert_eq!(response.header(name), value, "{name}");
    }
    let etag = response.header("etag");
    assert!(etag.len() > 2 && etag.starts_with('"') && etag.ends_with('"'), "not a strong ETag: {etag}");
}

#[tokio::test]
async fn a_current_jwks_is_not_modified() {
    let server = TestServer::start().await;
    let full = server.get("/.well-known/jwks.json").await;
    let etag = full.header("etag").to_owned();
    let fetch = |known: String| {
        ServerResponse::send(server.request(Method::GET, "/.well-known/jwks.json").header("if-none-match", known))
    };
    for known in [etag.clone(), format!("W/{etag}"), format!("\"other\", {etag}"), "*".to_owned()] {
        let response = fetch(known.clone()).await;
        assert_eq!((response.status, response.text.as_str()), (304, ""), "{known}");
        assert_eq!((response.header("etag"), response.header("cache-control")), (etag.as_str(), CACHED), "{known}");
    }
    for unknown in ["\"other\"".to_owned(), etag.trim_matches('"').to_owned(), String::new()] {
        assert_eq!(fetch(unknown).await.bytes(), full.bytes());
    }

    let head = ServerResponse::send(server.request(Method::HEAD, "/.well-known/jwks.json")).await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    for name in ["etag", "cache-control", "content-type", "content-length"] {
        assert_eq!(head.header(name), full.header(name), "{name}");
    }

    crate::support::stored_keys::rotate(&server.issuer, None, false).await;
    wait_until("the JWKS contains the new keys", async || fetch(etag.clone()).await.status == 200).await;
    let newer = server.get("/.well-known/jwks.json").await;
    assert_ne!(newer.header("etag"), etag);
    let newer = kids(&newer);
    assert_eq!([newer[0].clone(), newer[2].clone()], kids(&full)[..], "active keys come before the next key");
    assert_eq!(newer.len(), 4);
}

#[tokio::test]
async fn the_jwks_max_age_is_configurable() {
    let server = TestServer::with("keys.jwks_max_age = '10m'").await;
    let response = server.get("/.well-known/jwks.json").await;
    assert_eq!(response.header("cache-control"), "public, max-age=600, stale-if-error=86400");
}

#[tokio::test]
async fn public_cert_returns_one_key_like_the_original() {
    let server = TestServer::start().await;
    let kids = kids(&server.get("/.well-known/jwks.json").await);
    let response = server.get("/get_public_cert").await;
    let body = response.is(200).json();
    assert_eq!(response.header("cache-control"), CACHED);
    let names: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(names, ["status", "public_key", "certificate", "kid", "alg"]);
    assert_eq!((&body["status"], &body["kid"], &body["alg"]), (&json!("OK"), &json!(kids[0]), &json!("ES256")));
    let public = body["public_key"].as_str().unwrap();
    assert!(public.starts_with("-----BEGIN PUBLIC KEY-----\n"), "{public}");
    assert!(body["certificate"].as_str().unwrap().starts_with("-----BEGIN CERTIFICATE-----\n"));

    let rsa = server.get("/get_public_cert?alg=RS256").await.json();
    assert_eq!(rsa["kid"], kids[1]);
    assert_eq!(server.get(&format!("/get_public_cert?kid={}", kids[1])).await.json(), rsa);
    assert_eq!(server.get(&format!("/get_public_cert?kid={}&alg=RS256", kids[1])).await.json(), rsa);
    let pem = server.get("/get_public_cert?format=pem").await;
    assert_eq!((pem.text.as_str(), pem.header("content-type")), (public, "application/x-pem-file"));
    assert_eq!(server.get("/get_public_cert?format=json").await.json(), body);

    for unknown in [
        "alg=HS256".to_owned(),
        "alg=es256".to_owned(),
        "alg=".to_owned(),
        "kid=unknown".to_owned(),
        format!("kid={}&alg=ES256", kids[1]),
        format!("kid={}x", kids[1]),
        "kid=../secret".to_owned(),
        "format=der".to_owned(),
        "alg=ES256&alg=RS256".to_owned(),
    ] {
        server.get(&format!("/get_public_cert?{unknown}")).await.refuses(404, "unknown_key");
    }
}

#[tokio::test]
async fn public_cert_defaults_to_the_default_signer() {
    let server = TestServer::with("tokens.algorithm = 'RS256'").await;
    assert_eq!(server.get("/get_public_cert").await.json()["alg"], "RS256");
    assert_eq!(server.get("/.well-known/jwks.json").await.json()["keys"][0]["alg"], "RS256");
}

#[tokio::test]
async fn a_resource_server_discovers_everything_from_the_issuer_url() {
    let server = TestServer::start().await;
    for path in ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"] {
        let response = server.get(path).await;
        let document = response.is(200).json();
        assert_eq!(document["issuer"], server.url);
        assert_eq!(document["jwks_uri"], format!("{}/.well-known/jwks.json", server.url));
        assert_eq!(document["id_token_signing_alg_values_supported"], json!(["ES256", "RS256"]));
        assert_eq!((response.header("cache-control"), response.header("access-control-allow-origin")), (CACHED, "*"));
    }
}

/// RFC 8414 §3.1 inserts the well-known part between the host and the path of the issuer.
#[tokio::test]
async fn an_issuer_with_a_path_is_also_discovered_at_the_location_of_rfc_8414() {
    for path in ["/auth", "/a/b-c/d.e", "/%7Eann", "/{x}", "/:x/*y"] {
        let server = TestServer::with(&format!("server.public_url = 'https://example.org{path}/'")).await;
        let expected = server.get("/.well-known/openid-configuration").await;
        let issuer = expected.is(200).json()["issuer"].as_str().unwrap().to_owned();
        let path = issuer.strip_prefix("https://example.org").unwrap();
        for name in ["openid-configuration", "oauth-authorization-server"] {
            let location = format!("/.well-known/{name}{path}");
            let response = server.get(&location).await;
            assert_eq!(response.is(200).text, expected.text, "{location}");
            assert_eq!(response.header("access-control-allow-origin"), "*");
            for other in ["/", "/other", "/auth2", &format!("{path}/"), &format!("{path}/x"), &path.to_uppercase()] {
                server.get(&format!("/.well-known/{name}{other}")).await.refuses(404, "not_found");
            }
        }
    }
    for settings in ["", "server.public_url = 'https://example.org/auth'\ntokens.issuer = 'shop'"] {
        let server = TestServer::with(settings).await;
        for path in ["/", "/auth", "/shop"] {
            let response = server.get(&format!("/.well-known/oauth-authorization-server{path}")).await;
            response.refuses(404, "not_found");
        }
    }
}

#[tokio::test]
async fn urls_come_only_from_the_public_url() {
    let server = TestServer::with("server.public_url = 'https://id.example.com/auth'").await;
    let request = server.request(Method::GET, "/.well-known/openid-configuration");
    let found = ServerResponse::send(request.header("host", "evil.example").header("x-forwarded-host", "evil.example"))
        .await
        .json();
    assert_eq!(found["issuer"], "https://id.example.com/auth");
    assert_eq!(found["jwks_uri"], "https://id.example.com/auth/.well-known/jwks.json");
}

#[tokio::test]
async fn public_documents_are_readable_by_every_origin() {
    let server = TestServer::with("cors.allowed_origins = ['https://app.example.com']").await;
    for path in ["/.well-known/jwks.json", "/.well-known/openid-configuration", "/get_public_cert"] {
        let response =
            ServerResponse::send(server.request(Method::GET, path).header("origin", "https://other.example")).await;
        assert_eq!(response.header("access-control-allow-origin"), "*", "{path}");
    }
    // A page that sends `If-None-Match` triggers a preflight request.
    let request = server
        .request(Method::OPTIONS, "/.well-known/jwks.json")
        .header("origin", "https://other.example")
        .header("access-control-request-method", "GET")
        .header("access-control-request-headers", "if-none-match");
    let response = ServerResponse::send(request).await;
    response.is(204);
    for (name, value) in [("origin", "*"), ("methods", "GET, HEAD"), ("headers", "*")] {
        assert_eq!(response.header(&format!("access-control-allow-{name}")), value, "{response:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_public_document_and_error_has_the_security_headers() {
    const JWKS: &str = "/.well-known/jwks.json";
    for (public_url, hsts) in [("https://id.example.com", "max-age=31536000"), ("http://localhost:1", "")] {
        let server = TestServer::with(&format!("server.public_url = '{public_url}'")).await;
        let jwks = server.get(JWKS).await;
        let current = server.request(Method::GET, JWKS).header("if-none-match", jwks.header("etag"));
        let mut responses = vec![jwks.is(200).clone(), ServerResponse::send(current).await];
        for (method, path, status) in [
            (Method::HEAD, JWKS, 200),
            (Method::OPTIONS, JWKS, 204),
            (Method::POST, JWKS, 405),
            (Method::GET, "/.well-known/openid-configuration", 200),
            (Method::GET, "/.well-known/oauth-authorization-server", 200),
            (Method::GET, "/get_public_cert", 200),
            (Method::GET, "/get_public_cert?kid=x", 404),
            (Method::GET, "/openapi.json", 200),
            (Method::GET, "/api-doc/", 200),
            (Method::GET, "/liveliness", 200),
            (Method::GET, "/ready", 200),
            (Method::GET, "/nowhere", 404),
            (Method::DELETE, "/auth", 405),
        ] {
            let response = ServerResponse::send(server.request(method, path)).await;
            assert_eq!(response.status, status, "{path}");
            responses.push(response);
        }
        for response in &responses {
            assert_eq!(response.header("x-content-type-options"), "nosniff", "{response:#?}");
            assert_eq!(response.header("strict-transport-security"), hsts, "{response:#?}");
        }
        let wrong_method = &responses[4];
        assert!(wrong_method.header("allow").contains("GET"), "{wrong_method:#?}");
        // The listener rejects these before they reach a route.
        for head in ["GET / HTTP/1.1", "POST /auth HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip, chunked"] {
            let received = send_raw(&server.url, format!("{head}\r\n\r\n").as_bytes()).to_lowercase();
            assert!(received.contains("x-content-type-options: nosniff"), "{received}");
            assert_eq!(received.contains("strict-transport-security: max-age"), !hsts.is_empty(), "{received}");
        }
    }
}

async fn availability(server: &TestServer) -> Value {
    server.get("/liveliness").await.is(200).json()["availability"].clone()
}

#[tokio::test]
async fn liveliness_reports_uptime_and_availability() {
    let server = TestServer::start().await;
    let start = server.clock.now();
    server.clock.advance(Duration::from_secs(3700));
    let response = server.get("/liveliness").await;
    assert_eq!(response.header("cache-control"), "no-store");
    assert_eq!(
        response.is(200).json(),
        json!({
            "status": "OK",
            "time": server.clock.now(),
            "uptime": 3700,
            "uptime_human": "1h 1m 40s",
            "started_at": start,
            "version": env!("CARGO_PKG_VERSION"),
            "starts": 1,
            "availability": {"1d": 1.0, "7d": 1.0, "30d": 1.0, "all": 1.0},
        })
    );
}

#[tokio::test]
async fn availability_survives_restarts_and_is_limited_to_its_windows() {
    let hour = Duration::from_hours(1);
    let server = TestServer::start().await;
    server.clock.advance(3 * hour);
    let server = server.restart(hour).await;
    let all = |share: f64| json!({"1d": share, "7d": share, "30d": share, "all": share});
    assert_eq!(availability(&server).await, all(0.75));
    assert_eq!(server.get("/liveliness").await.json()["starts"], 2);
    server.clock.advance(4 * hour);
    assert_eq!(availability(&server).await, all(0.875));
    let server = server.restart(Duration::ZERO).await;
    // 27 h in total: the outage in the fourth hour is at the start of the window of 24 h. One hour later it is outside
    // the window.
    server.clock.advance(19 * hour);
    let found = availability(&server).await;
    assert_eq!((&found["1d"], &found["all"]), (&json!(0.958_333), &json!(0.962_963)));
    server.clock.advance(hour);
    assert_eq!(availability(&server).await["1d"], json!(1.0));
}

#[tokio::test]
async fn ready_requires_a_working_database() {
    let server = TestServer::start().await;
    assert_eq!(server.get("/ready").await.is(200).text, r#"{"status":"OK"}"#);
    let path = server.path("data/countersign.db");
    rusqlite::Connection::open(path).unwrap().execute_batch("DROP TABLE outbox").unwrap();
    let response = server.get("/ready").await;
    insta::assert_snapshot!(response.is(503).text, @r#"{"status":"ERROR","code":"not_ready","message":"the database does not answer"}"#);
    for path in ["/liveliness", "/.well-known/jwks.json", "/get_public_cert"] {
        server.get(path).await.is(200);
    }
}
