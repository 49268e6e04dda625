//! The OpenAPI 3.1 document, built from the tables of the routes. The schemas are derived from the values in the
//! examples, and a test sends every example to a real server.

use serde_json::{Map, Value, json};

use super::model::{Access, COMMON_RESPONSES, JSON, Operation, Parameter, RouteGroup};
use crate::http::extract::bearer::COOKIE_NAME;

/// Returns the OpenAPI document of the routes. `server` is the public URL.
pub fn document(route_groups: &[RouteGroup], server: &str) -> Value {
    let mut paths = Map::new();
    for route_group in route_groups {
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
                "cookie": {"type": "apiKey", "in": "cookie", "name": COOKIE_NAME},
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
