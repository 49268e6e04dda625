//! What resource servers ask for: the key set, one key or certificate, and the discovery documents.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE,
    CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, USER_AGENT,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;
use serde_json::json;

use super::openapi::{Access, Chapter, JSON, Operation, Parameter};
use super::{Http, caller, reply};
use crate::crypto::key_ring::Verifier;
use crate::domain::algorithm::Algorithm;
use crate::domain::count::Count;
use crate::telemetry::jwks_clients::JwksFetch;
use crate::throttle::prefix;

/// The JWKS (RFC 7517 §5), which has no layer around it.
pub fn jwks_route() -> Router<Http> {
    Router::new().route("/.well-known/jwks.json", get(jwks).options(preflight))
}

/// The other documents.
pub fn routes() -> Router<Http> {
    Router::new()
        .route("/get_public_cert", get(public_cert))
        .route("/get_public_cert/", get(public_cert))
        .route("/.well-known/openid-configuration", get(discovery))
        .route("/.well-known/oauth-authorization-server", get(discovery))
}

const DISCOVERED: &str = r#"{"issuer": "https://id.example.com", "jwks_uri": "https://id.example.com/.well-known/jwks.json", "id_token_signing_alg_values_supported": ["ES256", "RS256"], "subject_types_supported": ["public"], "response_types_supported": [], "grant_types_supported": [], "claims_supported": ["iss", "sub", "aud", "iat", "nbf", "exp", "jti", "sid", "token_type"]}"#;

/// What resource servers ask for, described.
pub const CHAPTER: Chapter = Chapter {
    name: "keys",
    about: "What a resource server needs to verify tokens offline.",
    media: JSON,
    operations: &[
        Operation {
            method: "get",
            path: "/.well-known/jwks.json",
            summary: "The public keys (RFC 7517): active ones first, then those to come, then those that have signed",
            access: Access::Open,
            query: &[],
            takes: &[],
            answers: &[
                (
                    200,
                    "The key set",
                    r#"{"keys": [{"kty": "EC", "use": "sig", "alg": "ES256", "kid": "…", "crv": "P-256", "x": "…", "y": "…"}, {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "…", "n": "…", "e": "AQAB"}]}"#,
                ),
                (304, "It is as If-None-Match says", ""),
            ],
        },
        Operation {
            method: "get",
            path: "/get_public_cert",
            summary: "One public key and its certificate: the default signer's, or the one that is asked for",
            access: Access::Open,
            query: &[
                Parameter { name: "alg", meaning: "Its algorithm", example: "ES256", required: false },
                Parameter { name: "kid", meaning: "Its kid", example: "", required: false },
                Parameter {
                    name: "format",
                    meaning: "json, or pem for the bare key",
                    example: "json",
                    required: false,
                },
            ],
            takes: &[],
            answers: &[
                (
                    200,
                    "The key",
                    r#"{"status": "OK", "public_key": "-----BEGIN PUBLIC KEY-----…", "certificate": "-----BEGIN CERTIFICATE-----…", "kid": "…", "alg": "ES256"}"#,
                ),
                (
                    404,
                    "No published key is like that",
                    r#"{"status": "ERROR", "code": "unknown_key", "message": "no published key is like that: see /.well-known/jwks.json"}"#,
                ),
            ],
        },
        Operation {
            method: "get",
            path: "/.well-known/openid-configuration",
            summary: "The issuer's name and where its keys are (OpenID Connect Discovery)",
            access: Access::Open,
            query: &[],
            takes: &[],
            answers: &[(200, "The document", DISCOVERED)],
        },
        Operation {
            method: "get",
            path: "/.well-known/oauth-authorization-server",
            summary: "The same by its OAuth name (RFC 8414)",
            access: Access::Open,
            query: &[],
            takes: &[],
            answers: &[(200, "The document", DISCOVERED)],
        },
    ],
};

/// The key set's `Cache-Control`: a verifier may go on with an old set for a day if the issuer is down.
pub fn cache_control(max_age: Duration) -> HeaderValue {
    let text = format!("public, max-age={}, stale-if-error=86400", max_age.as_secs());
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("no-cache"))
}

async fn jwks(State(http): State<Http>, request: Request) -> Response {
    let headers = request.headers();
    let ring = http.issuer.ring.load();
    let jwks = ring.jwks();
    let fresh = headers.get(IF_NONE_MATCH).is_some_and(|known| matches(known, &jwks.etag));
    http.issuer.counters.add(if fresh { Count::JwksUnchanged } else { Count::JwksSent });
    record_fetch(&http, &request, jwks.version);
    let mut response = Response::new(if fresh { Body::empty() } else { Body::from(jwks.body.clone()) });
    if fresh {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let answer = response.headers_mut();
    if !fresh {
        answer.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    answer.insert(CACHE_CONTROL, http.jwks_cache_control.clone());
    if let Ok(etag) = HeaderValue::from_maybe_shared(jwks.etag.clone()) {
        answer.insert(ETAG, etag);
    }
    answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

/// So that an operator sees which verifiers have a new key.
fn record_fetch(http: &Http, request: &Request, jwks_id: u64) {
    let address = caller::of(request.extensions(), request.headers(), &http.options);
    let agent = request.headers().get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let network = prefix(address);
    let at = http.issuer.clock.now();
    http.issuer.jwks_clients.record(&JwksFetch { network, address, agent, jwks_id, at });
}

/// Any page may read the keys, with a header like `If-None-Match`, too, before which browsers ask.
async fn preflight() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let answer = response.headers_mut();
    answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    answer.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD"));
    answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*"));
    answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}

/// Whether `If-None-Match` names the tag (RFC 9110 §13.1.2: compared weakly).
fn matches(known: &HeaderValue, etag: &[u8]) -> bool {
    let tags = known.to_str().unwrap_or_default().split(',');
    tags.map(|tag| tag.trim().trim_start_matches("W/")).any(|tag| tag.as_bytes() == etag || tag == "*")
}

#[derive(Debug, Deserialize)]
struct KeyQuery {
    alg: Option<String>,
    kid: Option<String>,
    format: Option<String>,
}

async fn public_cert(
    State(http): State<Http>,
    which: Result<Query<KeyQuery>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let ring = http.issuer.ring();
    let now = http.issuer.clock.now();
    let Ok(Query(KeyQuery { alg, kid, format })) = which else { return no_such_key() };
    let algorithm = match alg.as_deref().map(str::parse::<Algorithm>) {
        Some(Err(_)) => return no_such_key(),
        Some(Ok(named)) => Some(named),
        None => None,
    };
    let found: Option<&Verifier> = match &kid {
        Some(kid) => {
            ring.verifier(kid, now).filter(|key| key.is_published(now) && algorithm.is_none_or(|alg| key.alg() == alg))
        }
        None => ring.active(algorithm.unwrap_or(http.issuer.policy.algorithm), now),
    };
    let response = match (found, format.as_deref()) {
        (Some(key), Some("pem")) => {
            let mut response = Response::new(Body::from(key.spki_pem().to_owned()));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-pem-file"));
            response
        }
        (Some(key), None | Some("json")) => reply::json(
            StatusCode::OK,
            &json!({
                "status": "OK",
                "public_key": key.spki_pem(),
                "certificate": key.certificate_pem(),
                "kid": key.key().kid,
                "alg": key.alg(),
            }),
        ),
        _ => return no_such_key(),
    };
    public(response, &http)
}

fn no_such_key() -> Response {
    reply::error(StatusCode::NOT_FOUND, "unknown_key", "no published key is like that: see /.well-known/jwks.json")
}

/// What a resource server needs to know that has only the issuer's URL (RFC 8414 §2, OpenID Connect Discovery §3).
async fn discovery(State(http): State<Http>) -> Response {
    let algorithms: Vec<&str> = Algorithm::ALL.iter().map(|alg| alg.name()).collect();
    let document = json!({
        "issuer": http.issuer.policy.issuer,
        "jwks_uri": http.options.public_url.join("/.well-known/jwks.json"),
        "id_token_signing_alg_values_supported": algorithms,
        "subject_types_supported": ["public"],
        "response_types_supported": [],
        "grant_types_supported": [],
        "claims_supported": ["iss", "sub", "aud", "iat", "nbf", "exp", "jti", "sid", "token_type"],
    });
    public(reply::json(StatusCode::OK, &document), &http)
}

/// The same for everyone, and as long good as the key set.
fn public(mut response: Response, http: &Http) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, http.jwks_cache_control.clone());
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}
