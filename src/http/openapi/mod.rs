//! The description of every route (OpenAPI 3.1): built from one table per dialect, which stands beside its handlers.
//!
//! The examples are the documentation of the systems the dialects replace; their types make the schemas, and a test
//! sends each of them to a real server. Owns the document; knows no handler.

use std::collections::BTreeSet;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::get;
use serde_json::{Map, Value, json};

use super::pages::api_doc::ApiDocPage;
use super::{Http, dialect, liveliness, wellknown};
use crate::domain::dialect::Dialect;

/// A route's description.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// The method, in lower case.
    pub method: &'static str,
    /// The path, as the original documented it.
    pub path: &'static str,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// Who may call it.
    pub access: Access,
    /// What its query may hold.
    pub query: &'static [Parameter],
    /// An example of each kind of body it takes, as JSON; none if it takes none.
    pub takes: &'static [&'static str],
    /// What it answers.
    pub answers: &'static [ResponseExample],
}

impl Operation {
    /// Its name among all operations, of letters, digits and underscores.
    pub fn id(&self) -> String {
        let path = self.path.trim_matches('/').replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        format!("{}_{path}", self.method)
    }
}

/// A parameter of a route's query.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub meaning: &'static str,
    /// An example; empty where only the server knows one.
    pub example: &'static str,
    /// Whether it must be there.
    pub required: bool,
}

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Open,
    /// Whoever sends an access token.
    Bearer,
    /// Whoever sends an access token, in the header or in the cookie `jwt_token`.
    BearerOrCookie,
}

/// An answer's description: status, meaning, and an example of its body as JSON (empty for none).
pub type ResponseExample = (u16, &'static str, &'static str);

/// A group of routes with a name and a word on them.
#[derive(Clone, Copy, Debug)]
pub struct Chapter {
    /// The tag.
    pub name: &'static str,
    /// What the routes have in common.
    pub about: &'static str,
    /// The media types that its bodies may have.
    pub media: &'static [&'static str],
    /// The routes, in an order in which the examples can be tried one after another.
    pub operations: &'static [Operation],
}

/// Bodies as JSON alone.
pub const JSON: &[&str] = &["application/json"];
/// Bodies as JSON, or as a form of the same fields.
pub const JSON_OR_FORM: &[&str] = &["application/json", "application/x-www-form-urlencoded", "multipart/form-data"];

/// What any route may answer besides what its own table says, in its dialect's words; `true` where only one that takes
/// a body does.
pub const ANYWHERE: [(u16, &str, bool); 6] = [
    (400, "The body is malformed", true),
    (408, "The body took too long to come", true),
    (413, "The body is too large", true),
    (415, "The body has another media type than the route takes", true),
    (500, "Something broke; the answer holds the request's id and no more", false),
    (503, "The server is busy or its database is not there; see Retry-After", false),
];

/// The description itself, described.
const CHAPTER: Chapter = Chapter {
    name: "documentation",
    about: "What you are reading.",
    media: JSON,
    operations: &[
        Operation {
            method: "get",
            path: "/openapi.json",
            summary: "Every route, as OpenAPI 3.1",
            access: Access::Open,
            query: &[],
            takes: &[],
            answers: &[(200, "The document", "")],
        },
        Operation {
            method: "get",
            path: "/api-doc/",
            summary: "Every route, as a page to be read",
            access: Access::Open,
            query: &[],
            takes: &[],
            answers: &[(200, "The page", "")],
        },
    ],
};

/// `/openapi.json`, and the same to be read at `/api-doc/`.
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
    let page = ApiDocPage { chapters: chapters(&http.options.dialects), public_url: http.options.public_url.clone() };
    http.pages.show(StatusCode::OK, &page, &http.issuer.random)
}

/// The chapters of what is served: the dialects that are spoken, and what belongs to none.
pub fn chapters(spoken: &BTreeSet<Dialect>) -> Vec<Chapter> {
    let mut chapters: Vec<Chapter> = spoken.iter().map(|dialect| dialect::chapter(*dialect)).collect();
    chapters.extend([wellknown::CHAPTER, liveliness::CHAPTER, CHAPTER]);
    chapters
}

/// The whole document.
pub fn document(spoken: &BTreeSet<Dialect>, server: &str) -> Value {
    let chapters = chapters(spoken);
    let mut paths = Map::new();
    for chapter in &chapters {
        for operation in chapter.operations {
            let path = paths.entry(operation.path).or_insert_with(|| json!({}));
            path[operation.method] = described(chapter, operation);
        }
    }
    let shared: Map<String, Value> =
        ANYWHERE.iter().map(|(status, meaning, _)| (status.to_string(), json!({"description": meaning}))).collect();
    let tags = chapters.iter().map(|chapter| json!({"name": chapter.name, "description": chapter.about}));
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
                "cookie": {"type": "apiKey", "in": "cookie", "name": super::bearer::COOKIE_NAME},
            },
            "responses": shared,
        },
    })
}

fn described(chapter: &Chapter, operation: &Operation) -> Value {
    let mut described = json!({
        "tags": [chapter.name],
        "summary": operation.summary,
        "operationId": operation.id(),
        "security": match operation.access {
            Access::Open => json!([]),
            Access::Bearer => json!([{"bearer": []}]),
            Access::BearerOrCookie => json!([{"bearer": []}, {"cookie": []}]),
        },
    });
    if !operation.query.is_empty() {
        described["parameters"] = operation.query.iter().map(parameter).collect();
    }
    let bodies: Vec<Value> = operation.takes.iter().filter_map(|body| example(body)).collect();
    if !bodies.is_empty() {
        described["requestBody"] = json!({"required": true, "content": content(chapter.media, &bodies)});
    }
    described["responses"] = Value::Object(responses(operation));
    described
}

fn parameter(parameter: &Parameter) -> Value {
    let Parameter { name, meaning, example, required } = parameter;
    let mut parameter_object = json!({"name": name, "in": "query", "description": meaning, "required": required, "schema": {"type": "string"}});
    if !example.is_empty() {
        parameter_object["example"] = json!(example);
    }
    parameter_object
}

/// The answers of the route's own table, and then what any route may answer.
fn responses(operation: &Operation) -> Map<String, Value> {
    let mut responses = Map::new();
    for (status, meaning, body) in operation.answers {
        let mut answer = json!({"description": meaning});
        if let Some(body) = example(body) {
            answer["content"] = content(JSON, &[body]);
        }
        responses.insert(status.to_string(), answer);
    }
    for (status, _, with_body) in ANYWHERE {
        if !with_body || !operation.takes.is_empty() {
            let shared = json!({"$ref": format!("#/components/responses/{status}")});
            responses.entry(status.to_string()).or_insert(shared);
        }
    }
    responses
}

/// The examples are constants, each parsed by a test: what is no JSON is none.
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

/// The schema of values like these.
fn any_of(examples: &[Value]) -> Value {
    let mut schemas: Vec<Value> = examples.iter().map(schema).collect();
    schemas.dedup();
    match schemas.as_slice() {
        [] => json!({}),
        [one] => one.clone(),
        _ => json!({"anyOf": schemas}),
    }
}

/// The schema that an example has: the types of its members.
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
        for operation in chapters(&all).iter().flat_map(|chapter| chapter.operations) {
            assert!(seen.insert((operation.method, operation.path)), "{} {} twice", operation.method, operation.path);
            let bodies = operation.answers.iter().map(|(_, _, body)| *body).chain(operation.takes.iter().copied());
            for body in bodies.filter(|body| !body.is_empty()) {
                assert!(example(body).is_some(), "{} {}: {body}", operation.method, operation.path);
            }
        }
    }

    #[test]
    fn a_schema_is_derived_from_the_example() {
        let made = schema(&json!({"id": 1, "tags": ["x"], "ok": true, "none": null}));
        let expected = json!({"type": "object", "properties": {
            "id": {"type": "integer"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "ok": {"type": "boolean"},
            "none": {"type": "null"},
        }});
        assert_eq!(made, expected);
    }
}
