//! Routes for resource servers: the JWKS, a single key with its certificate, and the discovery documents.

use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE,
    CACHE_CONTROL, CONTENT_TYPE, ETAG, USER_AGENT,
};
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::Response;
use axum::routing::get;
use serde_json::json;

use super::context::Http;
use super::etag;
use super::extract::caller;
use super::extract::url_encoded::UrlEncoded;
use super::openapi::model::{Access, JSON, Operation, Parameter, RouteGroup};
use super::reply;
use super::security_headers::set_security_headers;
use crate::crypto::key_ring::Verifier;
use crate::domain::algorithm::Algorithm;
use crate::domain::count::Count;
use crate::domain::public_url::PublicUrl;
use crate::telemetry::jwks_clients::JwksFetch;
use crate::throttle::prefix;

/// Returns the route of the JWKS (RFC 7517 §5). Unlike the other routes, it has none of the layers.
pub fn jwks_route() -> Router<Http> {
    Router::new().route("/.well-known/jwks.json", get(jwks).options(preflight))
}

/// The paths of the metadata, in OpenID Connect and in OAuth.
const DISCOVERY_PATHS: [&str; 2] = ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"];

/// Returns the routes of the other documents.
pub fn routes() -> Router<Http> {
    let mut routes =
        Router::new().route("/get_public_cert", get(public_cert)).route("/get_public_cert/", get(public_cert));
    for path in DISCOVERY_PATHS {
        routes = routes.route(path, get(discovery)).route(&format!("{path}/{{*path}}"), get(discovery_of_path));
    }
    routes
}

const DISCOVERY_EXAMPLE: &str = r#"{"issuer": "https://id.example.com", "jwks_uri": "https://id.example.com/.well-known/jwks.json", "id_token_signing_alg_values_supported": ["ES256", "RS256"], "subject_types_supported": ["public"], "response_types_supported": [], "grant_types_supported": [], "claims_supported": ["iss", "sub", "aud", "iat", "nbf", "exp", "jti", "sid", "token_type"]}"#;

/// The OpenAPI description of these routes.
pub const ROUTE_GROUP: RouteGroup = RouteGroup {
    name: "keys",
    description: "Public keys and discovery documents, with which a resource server verifies tokens offline.",
    media: JSON,
    operations: &[
        Operation {
            method: "get",
            path: "/.well-known/jwks.json",
            summary: "Return the published public keys as a JWKS (RFC 7517): by algorithm, the default one first; of each, active keys, then next keys, then retiring keys",
            access: Access::Open,
            query: &[],
            request_examples: &[],
            responses: &[
                (
                    200,
                    "The JWKS",
                    r#"{"keys": [{"kty": "EC", "use": "sig", "alg": "ES256", "kid": "…", "crv": "P-256", "x": "…", "y": "…"}, {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "…", "n": "…", "e": "AQAB"}]}"#,
                ),
                (304, "Not modified: the ETag in If-None-Match is current", ""),
            ],
        },
        Operation {
            method: "get",
            path: "/get_public_cert",
            summary: "Return one published public key and its certificate; without parameters, the active key of the default algorithm",
            access: Access::Open,
            query: &[
                Parameter {
                    name: "alg",
                    meaning: "The algorithm of the key: ES256 or RS256",
                    example: "ES256",
                    required: false,
                },
                Parameter { name: "kid", meaning: "The key id, as in the JWKS", example: "", required: false },
                Parameter {
                    name: "format",
                    meaning: "The format of the response: json (the default), or pem for the public key alone",
                    example: "json",
                    required: false,
                },
            ],
            request_examples: &[],
            responses: &[
                (
                    200,
                    "The key and its certificate, both in PEM",
                    r#"{"status": "OK", "public_key": "-----BEGIN PUBLIC KEY-----…", "certificate": "-----BEGIN CERTIFICATE-----…", "kid": "…", "alg": "ES256"}"#,
                ),
                (
                    404,
                    "No published key matches the parameters, or a parameter is invalid",
                    r#"{"status": "ERROR", "code": "unknown_key", "message": "no published key matches; see /.well-known/jwks.json"}"#,
                ),
            ],
        },
        Operation {
            method: "get",
            path: "/.well-known/openid-configuration",
            summary: "Return the issuer, the URL of the JWKS and the supported algorithms (OpenID Connect Discovery)",
            access: Access::Open,
            query: &[],
            request_examples: &[],
            responses: &[(200, "The document", DISCOVERY_EXAMPLE)],
        },
        Operation {
            method: "get",
            path: "/.well-known/oauth-authorization-server",
            summary: "Return the same document under the path of OAuth 2.0 authorization server metadata (RFC 8414); the path of the issuer, if it has one, may follow",
            access: Access::Open,
            query: &[],
            request_examples: &[],
            responses: &[(200, "The document", DISCOVERY_EXAMPLE)],
        },
    ],
};

async fn jwks(State(http): State<Http>, request: Request) -> Response {
    let ring = http.issuer.ring.load();
    let jwks = ring.jwks();
    let unchanged = etag::is_current(request.headers(), &jwks.etag);
    http.issuer.counters.add(if unchanged { Count::JwksUnchanged } else { Count::JwksSent });
    record_fetch(&http, &request, jwks.version);
    let mut response = Response::new(if unchanged { Body::empty() } else { Body::from(jwks.body.clone()) });
    if unchanged {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let response_headers = response.headers_mut();
    if !unchanged {
        response_headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    response_headers.insert(CACHE_CONTROL, http.jwks_cache_control.clone());
    if let Ok(etag) = HeaderValue::from_maybe_shared(jwks.etag.clone()) {
        response_headers.insert(ETAG, etag);
    }
    response_headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    set_security_headers(response_headers, http.options.public_url.is_https());
    response
}

/// Records the client that fetched the JWKS, so that the operator sees which verifiers have the current JWKS.
fn record_fetch(http: &Http, request: &Request, jwks_id: u64) {
    let address = caller::of(request.extensions(), request.headers(), &http.options);
    let agent = request.headers().get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let network = prefix(address);
    let at = http.issuer.clock.now();
    http.issuer.jwks_clients.record(&JwksFetch { network, address, agent, jwks_id, at });
}

/// Handles the CORS preflight, which browsers send before a request with a header such as `If-None-Match`. Pages of
/// every origin may read the JWKS.
async fn preflight(State(http): State<Http>) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let response_headers = response.headers_mut();
    response_headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response_headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD"));
    response_headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*"));
    response_headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    set_security_headers(response_headers, http.options.public_url.is_https());
    response
}

/// Handles an unsupported method on the route of the JWKS, which has none of the layers.
pub async fn wrong_jwks_method(State(http): State<Http>) -> Response {
    let mut response = reply::wrong_method().await;
    set_security_headers(response.headers_mut(), http.options.public_url.is_https());
    response
}

async fn public_cert(State(http): State<Http>, RawQuery(query): RawQuery) -> Response {
    let ring = http.issuer.ring();
    let now = http.issuer.clock.now();
    let query = query.unwrap_or_default();
    let query = UrlEncoded::new(&query);
    let (Ok(alg), Ok(kid), Ok(format)) = (query.single("alg"), query.single("kid"), query.single("format")) else {
        return no_such_key();
    };
    let algorithm = match alg.as_deref().map(str::parse::<Algorithm>) {
        Some(Err(_)) => return no_such_key(),
        Some(Ok(named)) => Some(named),
        None => None,
    };
    let key: Option<&Verifier> = match &kid {
        Some(kid) => {
            ring.verifier(kid, now).filter(|key| key.is_published(now) && algorithm.is_none_or(|alg| key.alg() == alg))
        }
        None => ring.active(algorithm.unwrap_or(http.issuer.policy.tokens.algorithm), now),
    };
    let response = match (key, format.as_deref()) {
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
    with_public_cache(response, &http)
}

fn no_such_key() -> Response {
    reply::error(StatusCode::NOT_FOUND, "unknown_key", "no published key matches; see /.well-known/jwks.json")
}

/// Returns the metadata for a resource server that knows only the issuer URL (RFC 8414 §2, OpenID Connect Discovery 1.0
/// §3).
async fn discovery(State(http): State<Http>) -> Response {
    let ring = http.issuer.ring();
    let algorithms = ring.schedule().published_algorithms(http.issuer.clock.now());
    let algorithms: Vec<&str> = algorithms.map(Algorithm::name).collect();
    let document = json!({
        "issuer": http.issuer.policy.tokens.issuer,
        "jwks_uri": http.options.public_url.join("/.well-known/jwks.json"),
        "id_token_signing_alg_values_supported": algorithms,
        "subject_types_supported": ["public"],
        "response_types_supported": [],
        "grant_types_supported": [],
        "claims_supported": ["iss", "sub", "aud", "iat", "nbf", "exp", "jti", "sid", "token_type"],
    });
    with_public_cache(reply::json(StatusCode::OK, &document), &http)
}

/// Returns the same metadata for an issuer with a path, such as `https://example.org/auth`. RFC 8414 §3.1 puts its
/// metadata at `https://example.org/.well-known/oauth-authorization-server/auth`, outside the path of the issuer. A proxy
/// must forward this location.
async fn discovery_of_path(State(http): State<Http>, uri: Uri) -> Response {
    let requested = DISCOVERY_PATHS.iter().find_map(|well_known| uri.path().strip_prefix(well_known));
    let issuer = http.issuer.policy.tokens.issuer.parse::<PublicUrl>();
    if issuer.is_ok_and(|issuer| !issuer.path().is_empty() && requested == Some(issuer.path())) {
        discovery(State(http)).await
    } else {
        reply::not_found().await
    }
}

/// Makes a response public: any origin may read it, and caches may store it for as long as the JWKS.
fn with_public_cache(mut response: Response, http: &Http) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, http.jwks_cache_control.clone());
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}
