//! The OpenAPI document is valid, complete and correct: each example is sent to a server, and the response has the
//! shape of the documented one. The page that shows it lists every operation.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use countersign::domain::dialect::Dialect;
use countersign::http;
use countersign::http::openapi::model::{Access, Operation, RouteGroup};
use reqwest::Method;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::support::binary::TestFolder;
use super::support::mail::Mail;
use super::support::{ServerResponse, TestServer, wait_until};

const FORM: &str = "application/x-www-form-urlencoded";
/// The response members that contain an access token.
const ACCESS_TOKENS: [&str; 4] = ["jwt", "token", "access", "access_token"];
/// Fields whose value comes from an earlier response or from an e-mail instead of the example.
const SECRETS: [&str; 7] =
    ["confirming", "token", "refresh", "refresh_token", "reset_code", "restoring", "restoring_token"];

/// Providers that are never called. The server only redirects browsers to them.
const PROVIDERS: &str = "
    social.google = { client_id = 'us', client_secret = 'hush' }
    social.github = { client_id = 'us', client_secret = 'hush' }
    social.facebook = { client_id = 'us', client_secret = 'hush' }
";
/// Documented statuses of the routes for a user who has never signed in with a provider.
const STATUS_WITHOUT_PROVIDER: [(&str, u16); 9] = [
    ("/google/callback/", 400),
    ("/github/callback/", 400),
    ("/facebook/callback/", 400),
    ("/google_refresh/", 404),
    ("/github_refresh/", 404),
    ("/social/token/", 404),
    ("/social/refresh_token/", 404),
    ("/social/accounts/", 200),
    ("/social/unlink/", 404),
];

fn route_groups() -> Vec<RouteGroup> {
    http::route_groups(&Dialect::ALL.into())
}

fn operations() -> impl Iterator<Item = &'static Operation> {
    route_groups().into_iter().flat_map(|route_group| route_group.operations)
}

async fn document(server: &TestServer) -> Value {
    let response = server.get("/openapi.json").await;
    assert_eq!(response.is(200).header("content-type"), "application/json");
    response.json()
}

fn members(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap_or_else(|| panic!("not an object: {value}"))
}

fn assert_described(value: &Value) {
    assert!(value["description"].as_str().is_some_and(|text| !text.is_empty()), "{value}");
}

/// Asserts what the OpenAPI specification (3.1, §4.8) requires of each part of the document.
#[tokio::test]
async fn the_document_is_valid_openapi() {
    let server = TestServer::start().await;
    let document = document(&server).await;
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(document["servers"][0]["url"], server.url.as_str());
    let tags: BTreeSet<&str> =
        document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    let mut ids = BTreeSet::new();
    let mut listed = String::new();
    for (path, methods) in members(&document["paths"]) {
        assert!(path.starts_with('/'), "{path}");
        for (method, operation) in members(methods) {
            assert!(["get", "put", "post", "patch", "delete"].contains(&method.as_str()), "{method} {path}");
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "twice: {operation}");
            assert!(tags.contains(operation["tags"][0].as_str().unwrap()), "{operation}");
            for scheme in operation["security"].as_array().unwrap().iter().flat_map(members) {
                assert_scheme_described(&document, scheme.0);
            }
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                assert_described(parameter);
                assert_eq!((&parameter["in"], &parameter["schema"]["type"]), (&"query".into(), &"string".into()));
            }
            if let Some(body) = operation.get("requestBody") {
                assert_has_examples(&body["content"]);
            }
            let responses = members(&operation["responses"]);
            let succeeds = responses.keys().any(|status| status.starts_with(['2', '3']));
            assert!(succeeds, "{method} {path} never succeeds");
            for (status, response) in responses {
                assert!(status.parse().is_ok_and(|status| (200..600).contains(&status)), "{method} {path}: {status}");
                match response.get("$ref") {
                    Some(to) => {
                        assert_described(document.pointer(to.as_str().unwrap().strip_prefix('#').unwrap()).unwrap());
                    }
                    None => assert_described(response),
                }
                if let Some(content) = response.get("content") {
                    assert_has_examples(content);
                }
            }
            listed += &[method.to_uppercase().as_str(), " ", path, "\n"].concat();
        }
    }
    assert_eq!(ids.len(), operations().count());
    insta::assert_snapshot!(listed);
}

fn assert_scheme_described(document: &Value, name: &str) {
    let scheme = &document["components"]["securitySchemes"][name];
    assert!(["http", "apiKey"].contains(&scheme["type"].as_str().unwrap()), "{name}");
}

fn assert_has_examples(content: &Value) {
    for (kind, content) in members(content) {
        assert!(kind.contains('/'), "{kind}");
        let schema = &content["schema"];
        assert!(schema.get("type").is_some() || schema.get("anyOf").is_some(), "{content}");
        assert!(content.get("example").is_some() != content.get("examples").is_some(), "{content}");
    }
}

/// Sends the examples one after the other, in the order of the tables.
struct ExampleRunner {
    server: TestServer,
    use_forms: bool,
    values: BTreeMap<String, String>,
    access: String,
}

impl ExampleRunner {
    async fn new(use_forms: bool) -> Self {
        let values = BTreeMap::new();
        let access = String::new();
        Self { server: TestServer::with(PROVIDERS).await, use_forms, values, access }
    }

    /// Sends each example of an operation and compares the response with the documented one.
    async fn run_examples(&mut self, operation: &Operation, media: &[&str]) {
        let bodies = if operation.request_examples.is_empty() { &[""] } else { operation.request_examples };
        for body in bodies {
            let response = self.send(operation, body, media).await;
            let context = format!("{} {} {body}: {response:#?}", operation.method, operation.path);
            let expected =
                STATUS_WITHOUT_PROVIDER.iter().find(|(path, _)| *path == operation.path).map(|(_, status)| *status);
            let expected = expected.unwrap_or(operation.responses[0].0);
            let (status, _, example) = operation.responses.iter().find(|(status, ..)| *status == expected).unwrap();
            assert_eq!(response.status, *status, "{context}");
            if example.is_empty() {
                let is_redirect = (300..400).contains(status) && !response.header("location").is_empty();
                assert!(is_redirect || !response.text.is_empty(), "{context}");
                continue;
            }
            assert_eq!(response.header("content-type"), "application/json", "{context}");
            assert_same_shape(&serde_json::from_str(example).unwrap(), &response.json(), &context);
            self.store_values(&response.json());
        }
    }

    async fn send(&mut self, operation: &Operation, body: &str, media: &[&str]) -> ServerResponse {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for parameter in operation.query.iter().filter(|parameter| parameter.required || !parameter.example.is_empty())
        {
            query.append_pair(parameter.name, &self.value(parameter.name, parameter.example).await);
        }
        let path = format!("{}?{}", operation.path, query.finish());
        let method: Method = operation.method.to_uppercase().parse().unwrap();
        let mut request = self.server.request(method, path.trim_end_matches('?'));
        if operation.access != Access::Open {
            request = request.bearer_auth(&self.access);
        }
        if !body.is_empty() {
            let mut fields: Map<String, Value> = serde_json::from_str(body).unwrap();
            for (name, example) in &mut fields {
                *example = self.value(name, example.as_str().unwrap()).await.into();
            }
            request = if self.use_forms && media.contains(&FORM) {
                let pairs = fields.iter().map(|(name, value)| (name, value.as_str().unwrap()));
                let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
                request.header("content-type", FORM).body(form)
            } else {
                request.json(&fields)
            };
        }
        ServerResponse::send(request).await
    }

    /// Returns the value to send for a field: the example, or a value that this server has issued if the field is a
    /// secret.
    async fn value(&mut self, name: &str, example: &str) -> String {
        if !SECRETS.contains(&name) {
            return example.to_owned();
        }
        match name {
            "reset_code" => {
                self.find_in_mail(|mail| mail.source.contains("code").then(|| mail.code().to_owned())).await
            }
            "restoring" | "restoring_token" => self.find_in_mail(|mail| token_of_link(mail, "restoring")).await,
            "confirming" => {
                // The last address that the examples request. A reset of the password has withdrawn the earlier one.
                let to_last = |mail: &Mail| {
                    let token = token_of_link(mail, "confirming");
                    token.filter(|_| mail.header("To") == "user@example.org")
                };
                self.find_in_mail(to_last).await
            }
            other => self.values.get(other).unwrap_or_else(|| panic!("no response has returned {other} yet")).clone(),
        }
    }

    /// Returns the result of `find` for the newest e-mail for which it is not `None`.
    async fn find_in_mail(&self, find: fn(&Mail) -> Option<String>) -> String {
        let mut value = None;
        wait_until("an e-mail is sent", async || {
            value = self.server.emails().iter().rev().find_map(find);
            value.is_some()
        })
        .await;
        value.unwrap()
    }

    fn store_values(&mut self, body: &Value) {
        for (name, value) in members(body) {
            let Some(text) = value.as_str() else { continue };
            self.values.insert(name.clone(), text.to_owned());
            if ACCESS_TOKENS.contains(&name.as_str()) {
                text.clone_into(&mut self.access);
                self.values.insert("token".to_owned(), text.to_owned());
            }
        }
    }
}

/// The token in the link of an e-mail.
fn token_of_link(mail: &Mail, parameter: &str) -> Option<String> {
    Some(mail.link(parameter)?.split_once('=')?.1.to_owned())
}

/// Asserts that the response has the same members of the same types as the example. An item of a list may match any
/// item of the example's list.
#[track_caller]
fn assert_same_shape(example: &Value, actual: &Value, context: &str) {
    assert!(has_shape(example, actual), "the response differs in shape from {example}: {context}");
}

fn has_shape(example: &Value, actual: &Value) -> bool {
    match (example, actual) {
        (Value::Object(example), Value::Object(actual)) => {
            example.len() == actual.len()
                && example.iter().all(|(name, value)| actual.get(name).is_some_and(|actual| has_shape(value, actual)))
        }
        (Value::Array(examples), Value::Array(actual)) => {
            actual.iter().all(|actual| examples.iter().any(|example| has_shape(example, actual)))
        }
        (Value::Number(example), Value::Number(actual)) => example.is_f64() || !actual.is_f64(),
        (Value::String(_), Value::String(_)) | (Value::Bool(_), Value::Bool(_)) | (Value::Null, Value::Null) => true,
        _ => false,
    }
}

async fn every_example_works(use_forms: bool) {
    let mut runner = ExampleRunner::new(use_forms).await;
    for route_group in route_groups() {
        if route_group.name == Dialect::RestSocial.name() {
            // The routes of this group need a signed-in user, and none of them signs in with a password. The examples
            // of earlier groups have reset the password of their user, so another user signs in.
            runner.server.register("visitor").await;
            runner.access = runner.server.token("visitor").await;
        }
        for operation in route_group.operations {
            runner.run_examples(operation, route_group.media).await;
        }
    }
}

#[tokio::test]
async fn every_example_works_and_gets_the_documented_response() {
    every_example_works(false).await;
}

#[tokio::test]
async fn every_example_works_as_a_form_where_forms_are_accepted() {
    every_example_works(true).await;
}

#[tokio::test]
async fn every_operation_is_documented() {
    let server = TestServer::with(PROVIDERS).await;
    for operation in operations() {
        for path in [operation.path, operation.path.trim_end_matches('/')] {
            let method: Method = operation.method.to_uppercase().parse().unwrap();
            let response = ServerResponse::send(server.request(method, path)).await;
            assert!(![404, 405].contains(&response.status), "{} {path}: {response:#?}", operation.method);
        }
    }
}

#[tokio::test]
async fn only_enabled_dialects_are_documented() {
    let server = TestServer::with("dialects.enabled = ['simplejwt']").await;
    let document = document(&server).await;
    assert!(document["paths"].get("/api/token/").is_some() && document["paths"].get("/auth").is_none());
    let page = unescaped(&server.get("/api-doc/").await.is(200).text);
    assert!(page.contains("/api/token/") && !page.contains("/auth"), "{page}");
}

#[tokio::test]
async fn the_command_prints_the_same_document() {
    let server = TestServer::start().await;
    let folder = TestFolder::empty();
    let setting = format!("server.public_url={}", server.url);
    assert_eq!(folder.run(&["--set", &setting, "openapi"]).json(), document(&server).await);
}

#[tokio::test]
async fn the_documentation_is_built_once_and_not_sent_again() {
    let server = TestServer::start().await;
    for path in ["/openapi.json", "/api-doc/", "/api-doc"] {
        let first = server.get(path).await;
        let etag = first.is(200).header("etag").to_owned();
        assert!(etag.starts_with('"') && etag.len() == 24, "{path}: {etag}");
        assert_eq!((first.header("cache-control"), first.bytes()), ("no-cache", server.get(path).await.bytes()));
        for (known, status) in
            [(etag.clone(), 304), (format!("W/{etag}, \"x\""), 304), ("*".to_owned(), 304), ("\"x\"".to_owned(), 200)]
        {
            let request = server.request(reqwest::Method::GET, path).header("if-none-match", &known);
            let response = ServerResponse::send(request).await;
            let expected = if status == 304 { "" } else { &first.text };
            assert_eq!(
                (response.is(status).text.as_str(), response.header("etag")),
                (expected, etag.as_str()),
                "{known}"
            );
            assert_eq!(response.header("x-content-type-options"), "nosniff");
        }
        let head = ServerResponse::send(server.request(reqwest::Method::HEAD, path)).await;
        for name in ["etag", "content-length", "content-type", "content-security-policy"] {
            assert_eq!(head.is(200).header(name), first.header(name), "{path}: {name}");
        }
    }
    let other = TestServer::with("dialects.enabled = ['simplejwt']").await;
    let [one, other] = [&server, &other].map(|server| server.get("/openapi.json"));
    assert_ne!(one.await.header("etag"), other.await.header("etag"), "another document");
}

#[tokio::test]
async fn the_page_lists_every_operation_and_runs_no_script() {
    let server = TestServer::start().await;
    let page = server.get("/api-doc/").await;
    assert_eq!(page.is(200).header("content-type"), "text/html; charset=utf-8");
    let policy = page.header("content-security-policy");
    let (before, rest) = policy.split_once("'nonce-").unwrap();
    let (nonce, after) = rest.split_once('\'').unwrap();
    assert_eq!(before, "default-src 'none'; style-src ");
    assert_eq!(after, "; form-action 'self'; frame-ancestors 'none'; base-uri 'none'");
    assert!(page.text.contains(&format!("<style nonce=\"{nonce}\">")) && !page.text.contains("<script"));
    assert_eq!(page.header("x-content-type-options"), "nosniff");

    let text = unescaped(&page.text);
    for operation in operations() {
        let heading = format!("<h3 id=\"{}\">", operation.id());
        let link = format!("<a href=\"#{}\">", operation.id());
        let address = format!("'{}{}", server.url, operation.path);
        for part in [heading.as_str(), &link, operation.path, operation.summary, &address] {
            assert!(text.contains(part), "{part} is missing");
        }
    }
    assert!(text.contains(&format!("<a href=\"{}/openapi.json\">", server.url)));
}

/// Reverses the escaping of the templates.
fn unescaped(text: &str) -> String {
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#x27;", "'"), ("&#x2f;", "/"), ("&amp;", "&")];
    entities.iter().fold(text.to_owned(), |text, (entity, character)| text.replace(entity, character))
}
