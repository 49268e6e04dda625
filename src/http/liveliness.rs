//! Health routes: whether the process runs, and whether it can serve requests.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde_json::{Map, Value, json};

use super::context::Http;
use super::openapi::model::{Access, JSON, Operation, RouteGroup};
use super::reply;
use crate::domain::duration::in_all_units;
use crate::issuer::stats;

/// Returns the health routes. `/liveliness` reads only memory; `/ready` queries the store.
pub fn routes() -> Router<Http> {
    Router::new()
        .route("/liveliness", get(liveliness))
        .route("/liveliness/", get(liveliness))
        .route("/ready", get(ready))
        .route("/ready/", get(ready))
}

/// The OpenAPI description of the health routes.
pub const ROUTE_GROUP: RouteGroup = RouteGroup {
    name: "health",
    description: "Health checks for load balancers and monitoring.",
    media: JSON,
    operations: &[
        Operation {
            method: "get",
            path: "/liveliness",
            summary: "Return the uptime, the number of starts, and the share of time in which the process ran; does not access the disk",
            access: Access::Open,
            query: &[],
            request_examples: &[],
            responses: &[(
                200,
                "The process is running; times are in UTC, uptime is in seconds, availability is a ratio from 0 to 1",
                r#"{"status": "OK", "time": "2026-01-01T00:00:00Z", "uptime": 60, "uptime_human": "1m", "started_at": "2026-01-01T00:00:00Z", "version": "0.1.0", "starts": 1, "availability": {"1d": 1.0, "7d": 1.0, "30d": 1.0, "all": 1.0}}"#,
            )],
        },
        Operation {
            method: "get",
            path: "/ready",
            summary: "Check that the database responds and that every profile has an active key",
            access: Access::Open,
            query: &[],
            request_examples: &[],
            responses: &[
                (200, "The server can handle requests", r#"{"status": "OK"}"#),
                (
                    503,
                    "The server cannot handle requests; the message gives the reason",
                    r#"{"status": "ERROR", "code": "not_ready", "message": "no active key"}"#,
                ),
            ],
        },
    ],
};

async fn liveliness(State(http): State<Http>) -> Response {
    let life = http.issuer.uptime.liveliness(&http.issuer.clock);
    let rounded = |share: f64| Value::from((share * 1e6).round() / 1e6);
    let availability: Map<String, Value> =
        life.availability.into_iter().map(|(window, share)| (window.to_owned(), rounded(share))).collect();
    let body = json!({
        "status": "OK",
        "time": life.now,
        "uptime": life.uptime.as_secs(),
        "uptime_human": in_all_units(life.uptime),
        "started_at": life.started_at,
        "version": env!("CARGO_PKG_VERSION"),
        "starts": life.starts,
        "availability": availability,
    });
    reply::json(StatusCode::OK, &body)
}

async fn ready(State(http): State<Http>) -> Response {
    match stats::readiness(&http.issuer).await {
        Ok(()) => reply::json(StatusCode::OK, &json!({"status": "OK"})),
        Err(reason) => reply::error(StatusCode::SERVICE_UNAVAILABLE, "not_ready", reason),
    }
}
