//! The OpenAPI 3.1 description of the routes, built from tables next to the handlers, one table per group of routes. It
//! contains the enabled dialects and the routes that belong to no dialect, without the admin zone and `/metrics`.
//!
//! The paths of the dialects are spelled as in the documentation of the systems that they replace. The schemas are
//! derived from the values in the examples, and a test sends every example to a real server. This module uses only the
//! tables of the other modules, not their handlers.

use std::collections::BTreeSet;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::get;
use serde_json::{Map, Value, json};

use super::context::Http;
use super::pages::api_doc::ApiDocPage;
use super::{dialect, liveliness, wellknown};
use crate::domain::dialect::Dialect;

/// The description of a route.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// The method, in lower case.
    pub method: &'static str,
    /// The path, spelled as in the documentation of the system that the dialect replaces.
    pub path: &'static str,
    /// What the route does: one sentence that starts with an imperative, without a full stop.
    pub summary: &'static str,
    /// The authentication that the route requires.
    pub access: Access,
    /// The query parameters.
    pub query: &'static [Parameter],
    /// One JSON example for each kind of request body. Empty if the route needs no body.
    pub request_examples: &'static [&'static str],
    /// The responses. The first one is the success.
    pub responses: &'static [ResponseExample],
}

impl Operation {
    /// Returns the unique operation id, made of letters, digits and underscores.
    pub fn id(&self) -> String {
        let path = self.path.trim_matches('/').replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        format!("{}_{path}", self.method)
    }
}

/// A query parameter.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// The name.
    pub name: &'static str,
    /// The description, without a full stop.
    pub meaning: &'static str,
    /// An example. Empty if there is no value that every server accepts.
    pub example: &'static str,
    /// Whether the parameter is required.
    pub required: bool,
}

/// The authentication that a route requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// No authentication.
    Open,
    /// An access token in the `Authorization` header.
    Bearer,
    /// An access token in the `Authorization` header or in the cookie `jwt_token`.
    BearerOrCookie,
}

/// The description of a response: status, meaning without a full stop, and a JSON example of the body (empty for none).
pub type ResponseExample = (u16, &'static str, &'static str);

/// A group of routes, which becomes an OpenAPI tag.
#[derive(Clone, Copy, Debug)]
pub struct RouteGroup {
    /// The name of the tag.
    pub name: &'static str,
    /// The description of the tag, in full sentences.
    pub description: &'static str,
    /// The media types of the request bodies.
    pub media: &'static [&'static str],
    /// The routes, in an order in which the examples can be sent one after another.
    pub operations: &'static [Operation],
}

/// Bodies are JSON.
pub const JSON: &[&str] = &["application/json"];
/// Bodies are JSON, or a form with the same fields.
pub const JSON_OR_FORM: &[&str] = &["application/json", "application/x-www-form-urlencoded", "multipart/form-data"];

/// Responses that every route may return in addition to those in its own table: status, meaning, and whether only
/// routes with a request body return it. The body is the error body of the route's dialect.
pub const COMMON_RESPONSES: [(u16, &str, bool); 6] = [
    (400, "The request body is malformed", true),
    (408, "The request body was not received within 30 s", true),
    (413, "The request body is larger than server.max_body", true),
    (415, "The route does not accept the content type, content encoding or charset of the request body", true),
    (500, "Internal error; the body contains only the request id, which the log repeats with the cause", false),
    (503, "The server is busy or the database is unavailable; see Retry-After", false),
];

/// The description of the documentation routes.
const ROUTE_GROUP: RouteGroup = RouteGroup {
    name: "documentation",
    description: "This documentation, as OpenAPI and as a page.",
    media: JSON,
    operations: &[
        Operation {
            method: "get",
            path: "/openapi.json",
            summary: "Return the description of every route as an OpenAPI 3.1 document",
            access: Access::Open,
            query: &[],
            request_examples: &[],
            responses: &[(200, "The OpenAPI document, as JSON", "")],
        },
        Operation {
            method: "get",
            path: "/api-doc/",
            summary: "Show the description of every route as an HTML page",
            access: Access::Open,
            query: &[],
            request_examples: &[],
            responses: &[(200, "The HTML page", "")],
        },
    ],
};

/// Returns the routes of the documentation: `/openapi.json` and the page `/api-doc/`.
pub fn routes() -> Router<Http> {
    Router::new()
        .route("/openapi.json", get(document_route))
        .route("/api-doc", get(page_route))
        .route("/api-doc/", get(page_route))
}

async fn document_route(State(http): State<Http>) -> Response {
    let document = document(&http.options.dialects, http.options.public_url.as_str());
    let mut response = Response::new(Body::from(document.to_string()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

async fn page_route(State(http): State<Http>) -> Response {
    let page =
        ApiDocPage { route_groups: route_groups(&http.options.dialects), public_url: http.options.public_url.clone() };
    http.pages.show(StatusCode::OK, &page, &http.issuer.random)
}

/// Returns the route groups of the enabled dialects and of the routes that belong to no dialect.
pub fn route_groups(enabled: &BTreeSet<Dialect>) -> Vec<RouteGroup> {
    let mut route_groups: Vec<RouteGroup> = enabled.iter().map(|dialect| dialect::route_group(*dialect)).collect();
    route_groups.extend([wellknown::ROUTE_GROUP, liveliness::ROUTE_GROUP, ROUTE_GROUP]);
    route_groups
}

/// Returns the OpenAPI document for the enabled dialects. `server` is the public URL.
pub fn document(enabled: &BTreeSet<Dialect>, server: &str) -> Value {
    let route_groups = route_groups(enabled);
    let mut paths = Map::new();
    for route_group in &route_groups {
        for operation in route_group.operations {
            let path = paths.entry(operation.path).or_insert_with(|| json!({}));
            path[operation.method] = operation_object(route_group, operation);
        }
    }
    let shared: Map<String, Value> = COMMON_RESPONSES
        .iter()
        .map(|(status, meaning, _)| (status.to_string(), json!({"description": meaning})))
        .collect();
    let tags = route_groups
        .iter()
        .map(|route_group| json!({"name": route_group.name, "description": route_group.description}));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Countersign",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "An asymmetric-key token issuer",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": server}],
        "tags": tags.collect::<Vec<_>>(),
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": super::extract::bearer::COOKIE_NAME},
            },
            "responses": shared,
        },
    })
}

fn operation_object(route_group: &RouteGroup, operation: &Operation) -> Value {
    let mut object = json!({
        "tags": [route_group.name],
        "summary": operation.summary,
        "operationId": operation.id(),
        "security": match operation.access {
            Access::Open => json!([]),
            Access::Bearer => json!([{"bearer": []}]),
            Access::BearerOrCookie => json!([{"bearer": []}, {"cookie": []}]),
        },
    });
    if !operation.query.is_empty() {
        object["parameters"] = operation.query.iter().map(parameter).collect();
    }
    let bodies: Vec<Value> = operation.request_examples.iter().filter_map(|body| example(body)).collect();
    if !bodies.is_empty() {
        object["requestBody"] = json!({"required": true, "content": content(route_group.media, &bodies)});
    }
    object["responses"] = Value::Object(responses(operation));
    object
}

fn parameter(parameter: &Parameter) -> Value {
    let Parameter { name, meaning, example, required } = parameter;
    let mut parameter_object = json!({"name": name, "in": "query", "description": meaning, "required": required, "schema": {"type": "string"}});
    if !example.is_empty() {
        parameter_object["example"] = json!(example);
    }
    parameter_object
}

/// Returns the responses in the route's own table and the applicable [`COMMON_RESPONSES`]. The route's own table takes
/// precedence.
fn responses(operation: &Operation) -> Map<String, Value> {
    let mut responses = Map::new();
    for (status, meaning, body) in operation.responses {
        let mut response = json!({"description": meaning});
        if let Some(body) = example(body) {
            response["content"] = content(JSON, &[body]);
        }
        responses.insert(status.to_string(), response);
    }
    for (status, _, with_body) in COMMON_RESPONSES {
        if !with_body || !operation.request_examples.is_empty() {
            let shared = json!({"$ref": format!("#/components/responses/{status}")});
            responses.entry(status.to_string()).or_insert(shared);
        }
    }
    responses
}

/// Parses an example. `None` if the text is empty: a test checks that every other example is valid JSON.
fn example(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

fn content(media: &[&str], bodies: &[Value]) -> Value {
    let mut content = json!({"schema": any_of(bodies)});
    match bodies {
        [body] => content["example"] = body.clone(),
        bodies => {
            let examples = bodies.iter().zip(1..).map(|(body, number)| (format!("{number}"), json!({"value": body})));
            content["examples"] = Value::Object(examples.collect());
        }
    }
    media.iter().map(|kind| ((*kind).to_owned(), content.clone())).collect()
}

/// Returns a schema that accepts each of the examples.
fn any_of(examples: &[Value]) -> Value {
    let mut schemas: Vec<Value> = examples.iter().map(schema).collect();
    schemas.dedup();
    match schemas.as_slice() {
        [] => json!({}),
        [one] => one.clone(),
        _ => json!({"anyOf": schemas}),
    }
}

/// Returns the schema of an example, derived from the types of its members.
fn schema(example: &Value) -> Value {
    match example {
        Value::Null => json!({"type": "null"}),
        Value::Bool(_) => json!({"type": "boolean"}),
        Value::Number(number) if number.is_f64() => json!({"type": "number"}),
        Value::Number(_) => json!({"type": "integer"}),
        Value::String(_) => json!({"type": "string"}),
        Value::Array(items) => json!({"type": "array", "items": any_of(items)}),
        Value::Object(members) => {
            let properties: Map<String, Value> =
                members.iter().map(|(name, value)| (name.clone(), schema(value))).collect();
            json!({"type": "object", "properties": properties})
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_is_json_and_every_operation_is_unique() {
        let all: BTreeSet<Dialect> = Dialect::ALL.into();
        let mut seen = BTreeSet::new();
        for operation in route_groups(&all).iter().flat_map(|route_group| route_group.operations) {
            assert!(
                seen.insert((operation.method, operation.path)),
                "duplicate: {} {}",
                operation.method,
                operation.path
            );
            let bodies =
                operation.responses.iter().map(|(_, _, body)| *body).chain(operation.request_examples.iter().copied());
            for body in bodies.filter(|body| !body.is_empty()) {
                assert!(example(body).is_some(), "{} {}: {body}", operation.method, operation.path);
            }
        }
    }

    #[test]
    fn a_schema_is_derived_from_the_example() {
        let derived = schema(&json!({"id": 1, "tags": ["x"], "ok": true, "none": null}));
        let expected = json!({"type": "object", "properties": {
            "id": {"type": "integer"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "ok": {"type": "boolean"},
            "none": {"type": "null"},
        }});
        assert_eq!(derived, expected);
    }
}
