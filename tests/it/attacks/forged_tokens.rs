//! Sends every forgery to every endpoint.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use reqwest::Method;
use serde_json::{Value, json};

use super::forge::{ForgedKind, ForgeryTarget};
use super::forgeries;
use super::token_endpoints::{ENDPOINTS, TokenTransport};
use crate::support::{ServerResponse, TestServer};

#[tokio::test]
async fn forged_tokens_are_rejected_by_every_endpoint_slow() {
    let target = ForgeryTarget::new().await;
    // They are used at every endpoint of another kind: a user has only a limited number of sessions.
    let valid_tokens = forgeries::valid_tokens(&target).await;
    let mut forged = HashMap::new();
    let mut attempts = 0;
    let mut accepted = Vec::new();
    for endpoint in ENDPOINTS {
        let kind = endpoint.accepted_kinds[0];
        let valid = target.valid_token(kind).await;
        let forged = match forged.entry(kind) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(forgeries::all(&target, &valid).await),
        };
        let others = valid_tokens.iter().filter(|(kind, _)| !endpoint.accepted_kinds.contains(kind));
        let others = others.map(|(kind, text)| (format!("a valid token of kind {kind:?}"), text.clone()));
        for (name, text) in forged.iter().cloned().chain(others) {
            let Some(response) = endpoint.send_token(&target.server, &text).await else { continue };
            attempts += 1;
            let is_rejected = if endpoint.has_uniform_response() {
                response.status == 302
            } else {
                matches!(response.status, 400 | 401)
            };
            let sets_no_cookie =
                response.header("set-cookie").is_empty() || response.header("set-cookie").contains("Max-Age=0");
            if !is_rejected || !sets_no_cookie {
                accepted.push(format!(
                    "{} {} {:?}, {name}: {} {}",
                    endpoint.method, endpoint.path, endpoint.transport, response.status, response.text
                ));
            }
        }
        // The test is meaningful only if the endpoint accepts the valid token, and still does after all forgeries.
        let response = endpoint.send_token(&target.server, &valid).await.unwrap();
        assert_eq!(response.status, endpoint.valid_status, "the valid token at {endpoint:?}: {response:#?}");
    }
    assert!(
        accepted.is_empty(),
        "{} of {attempts} requests were not rejected correctly:\n{}",
        accepted.len(),
        accepted.join("\n")
    );
    assert!(attempts > 5000, "only {attempts} requests: endpoints or forgeries are missing");
    assert_eq!(target.attacker.visits(), 0, "the server followed a URL in a token");
}

#[tokio::test]
async fn the_endpoint_with_a_uniform_response_ends_no_session_for_a_forgery() {
    let target = ForgeryTarget::new().await;
    let valid = target.valid_token(ForgedKind::Long).await;
    let endpoint = ENDPOINTS.iter().find(|endpoint| endpoint.has_uniform_response()).unwrap();
    for (name, text) in forgeries::all(&target, &valid).await {
        let _ = endpoint.send_token(&target.server, &text).await;
        assert!(target.server.accepts(&valid).await, "{name} ended the session");
    }
}

#[tokio::test]
async fn two_authorization_headers_are_rejected() {
    let target = ForgeryTarget::new().await;
    for endpoint in ENDPOINTS.iter().filter(|endpoint| {
        matches!(endpoint.transport, TokenTransport::Bearer | TokenTransport::Bare) && !endpoint.has_uniform_response()
    }) {
        let valid = target.valid_token(endpoint.accepted_kinds[0]).await;
        let scheme = if endpoint.transport == TokenTransport::Bearer { "Bearer " } else { "" };
        let valid = format!("{scheme}{valid}");
        for pair in [[&valid, "Bearer x"], ["Bearer x", &valid], [&valid, &valid], ["Basic eDp4", &valid]] {
            let mut request = target.server.request(endpoint.method.parse::<Method>().unwrap(), endpoint.path);
            for value in pair {
                request = request.header("authorization", value);
            }
            let response =
                ServerResponse::send(request.json(&json!({"email": "anna@example.com", "provider": "google"}))).await;
            assert_eq!(response.status, 401, "{endpoint:?}: {response:#?}");
        }
    }
}

/// Names of body members that contain a token.
const TOKEN_MEMBERS: [&str; 4] = ["token", "refresh", "refresh_token", "restoring_token"];

/// Whether the body of the operation contains a token.
fn has_token_in_body(operation: &Value) -> bool {
    let Some(content) = operation["requestBody"]["content"].as_object() else { return false };
    content.values().any(|media| {
        let schema = &media["schema"];
        let mut schemas = schema["anyOf"].as_array().map_or(std::slice::from_ref(schema), Vec::as_slice).iter();
        schemas.any(|schema| TOKEN_MEMBERS.iter().any(|name| schema["properties"].get(name).is_some()))
    })
}

/// Every documented route that accepts a token must have a row in [`ENDPOINTS`], because only these are tested.
#[tokio::test]
async fn every_documented_token_endpoint_is_tested() {
    let server = TestServer::start().await;
    let document = server.get("/openapi.json").await.is(200).json();
    let without_slash = |path: &str| path.trim_end_matches('/').to_owned();
    let mut missing = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let needs_token = operation["security"].as_array().is_some_and(|requirements| !requirements.is_empty())
                || has_token_in_body(operation);
            let is_tested = ENDPOINTS.iter().any(|endpoint| {
                without_slash(endpoint.path) == without_slash(path) && endpoint.method.eq_ignore_ascii_case(method)
            });
            // Each provider has the same routes; `ENDPOINTS` contains each of them for one provider.
            let is_covered = ["google", "github", "facebook", "{provider}"].iter().any(|name| path.contains(name))
                || path.contains("social_logout")
                // The token of a reset link is not a JWT. tests/it/rest_jwt/restore.rs tests its forgeries.
                || without_slash(path) == "/restore";
            if needs_token && !is_tested && !is_covered {
                missing.push(format!("{method} {path}"));
            }
        }
    }
    assert!(missing.is_empty(), "no row in ENDPOINTS: {missing:#?}");
}
