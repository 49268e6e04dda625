//! The layers around all routes except the JWKS. From the outside in: request id, log and security headers; CORS,
//! except for the admin zone and the metrics listener; panic handling.

use std::any::Any;
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tracing::{Instrument as _, Span, field, trace_span};

use super::context::Http;
use super::extract::caller;
use super::reply::{self, FaultResponse};
use super::security_headers::set_security_headers;
use crate::domain::count::Count;
use crate::domain::excerpt::excerpt;
use crate::issuer::Fault;
use crate::telemetry::Traces;
use crate::telemetry::trace::traceparent;

/// The header with the id of the request, which the log contains too.
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// How long browsers may use the response to a preflight. Chrome's maximum is 2 h.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_hours(2);

/// Adds the layers to the routes. `without_cors` gets no CORS, because pages of other origins must never read those
/// routes.
pub fn with_layers(routes: Router<Http>, without_cors: Router<Http>, http: &Http) -> Router {
    let routes = routes.layer(CatchPanicLayer::custom(panic_response));
    let routes = if http.options.allowed_origins.is_empty() { routes } else { routes.layer(cors(http)) };
    let routes = routes.merge(without_cors.layer(CatchPanicLayer::custom(panic_response)));
    routes.layer(from_fn_with_state(http.clone(), request_edge)).with_state(http.clone())
}

/// Gives every request an id and logs the response. Replaces a fault with an error body that identifies the fault only
/// by this id.
async fn request_edge(State(http): State<Http>, request: Request, next: Next) -> Response {
    let id = http.issuer.random.uuid().simple().to_string();
    let trace = request.headers().get("traceparent").and_then(|header| header.to_str().ok());
    let trace = trace.and_then(traceparent).map(str::to_owned);
    let span = span(&request, &id);
    let route = http.requests.as_ref().and_then(|_| route(&request).cloned());
    if let Some(trace) = &trace {
        Traces::follow(&span, trace);
    }
    let method = request.method().clone();
    let path = excerpt(request.uri().path()).to_owned();
    let caller = caller::of(request.extensions(), request.headers(), &http.options);
    let started = http.issuer.clock.monotonic();
    let mut response = next.run(request).instrument(span.clone()).await;

    if let Some(FaultResponse { fault, body }) = response.extensions_mut().remove::<FaultResponse>() {
        http.issuer.counters.add(Count::Fault);
        tracing::error!(request = %id, method = %excerpt(method.as_str()), path, error = %fault, trace, "request failed");
        let sent_headers = std::mem::take(response.headers_mut());
        response = body(&id);
        // Headers of the inner layers (CORS) also apply to the error body. Its own headers take precedence.
        for (name, value) in &sent_headers {
            response.headers_mut().entry(name).or_insert_with(|| value.clone());
        }
    }
    let status = response.status();
    if status == StatusCode::TOO_MANY_REQUESTS {
        http.issuer.counters.add(Count::Throttled);
    }
    record_status(&span, status);
    let elapsed = http.issuer.clock.monotonic().saturating_sub(started);
    if let Some(requests) = &http.requests {
        requests.record(route.as_ref().map_or("other", MatchedPath::as_str), status.as_u16(), elapsed);
    }
    let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX); // `tracing` writes a u128 as a JSON string
    if status.is_success() || status.is_redirection() {
        tracing::debug!(request = %id, method = %excerpt(method.as_str()), path, status = status.as_u16(), micros, %caller, trace, "response returned");
    } else {
        tracing::info!(request = %id, method = %excerpt(method.as_str()), path, status = status.as_u16(), micros, %caller, trace, "error response returned");
    }

    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(X_REQUEST_ID, id);
    }
    set_security_headers(headers, http.options.public_url.is_https());
    response
}

/// Returns the template of the matched route. `None` if no route matches.
fn route(request: &Request) -> Option<&MatchedPath> {
    request.extensions().get()
}

/// Creates the trace span of a request, with the attributes of OpenTelemetry's semantic conventions for HTTP servers.
/// It contains no path, because callers choose the path.
fn span(request: &Request, id: &str) -> Span {
    let method = excerpt(request.method().as_str());
    let route = route(request).map(MatchedPath::as_str);
    trace_span!(
        "request",
        otel.kind = "server",
        otel.name = route.map_or_else(|| method.to_string(), |route| format!("{method} {route}")),
        otel.status_code = field::Empty,
        request = id,
        http.request.method = method,
        http.route = route,
        http.response.status_code = field::Empty,
    )
}

fn record_status(span: &Span, status: StatusCode) {
    span.record("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the layer passes it by value")]
fn panic_response(panic: Box<dyn Any + Send>) -> Response {
    let message = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    reply::fault(Fault::new("handling a request (panic)", message.unwrap_or("no message")), reply::internal_error)
}

/// Allows pages of the configured origins to read responses, and to send requests that need a preflight. Requests may
/// carry cookies, so the Fetch standard forbids a wildcard origin. Public documents, such as the discovery documents,
/// set a wildcard themselves, for requests without cookies.
fn cors(http: &Http) -> CorsLayer {
    let names = http.options.allowed_headers.iter().filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok());
    let needed = [AUTHORIZATION, CONTENT_TYPE];
    let others = names.filter(|name| !needed.contains(name));
    let headers: Vec<HeaderName> = needed.iter().cloned().chain(others).collect();
    let http = http.clone();
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin, _| http.options.allows_origin(origin.as_bytes())))
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers(headers)
        .expose_headers([RETRY_AFTER, X_REQUEST_ID])
        .max_age(PREFLIGHT_MAX_AGE)
}
