//! Whether the process lives, and whether it can serve.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde_json::{Map, Value, json};

use super::{Http, reply};
use crate::issuer::stats;

/// `/liveliness` asks nobody; `/ready` asks the store.
pub fn routes() -> Router<Http> {
    Router::new()
        .route("/liveliness", get(liveliness))
        .route("/liveliness/", get(liveliness))
        .route("/ready", get(ready))
        .route("/ready/", get(ready))
}

async fn liveliness(State(http): State<Http>) -> Response {
    let life = http.issuer.uptime.liveliness(&http.issuer.clock);
    let rounded = |share: f64| Value::from((share * 1e6).round() / 1e6);
    let availability: Map<String, Value> =
        life.availability.into_iter().map(|(window, share)| (window.to_owned(), rounded(share))).collect();
    let body = json!({
        "status": "OK",
        "time": life.now,
        "uptime": life.uptime.as_secs(),
        "uptime_human": humantime::format_duration(std::time::Duration::from_secs(life.uptime.as_secs())).to_string(),
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
