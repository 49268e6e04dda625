//! The API documentation at `/api-doc/`, generated from the same tables as `/openapi.json`.
//!
//! The page is rendered on the server, without scripts. The usual viewers of OpenAPI documents, such as Swagger UI, are
//! scripts of more than a megabyte, which would exceed the size limit of the binary. They also need inline styles,
//! which would weaken the content security policy of the pages. Instead of their request forms, the page shows a shell
//! command for each request.

use std::iter;

use minijinja::context;
use minijinja::value::Value;
use serde_json::to_string_pretty;

use super::{Page, PageSet, Pages};
use crate::domain::public_url::PublicUrl;
use crate::http::openapi::model::{Access, COMMON_RESPONSES, JSON, JSON_OR_FORM, Operation, Parameter, RouteGroup};

/// The template and the samples of the page.
pub const PAGES: PageSet = PageSet {
    templates: &[("api_doc.html", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/pages/api_doc.html")))],
    render_samples: Pages::render_samples::<ApiDocPage>,
};

/// The page with every route.
pub struct ApiDocPage {
    /// The groups of routes.
    pub route_groups: Vec<RouteGroup>,
    /// The public URL of the server, for the example commands.
    pub public_url: PublicUrl,
}

impl Page for ApiDocPage {
    const TEMPLATE: &'static str = "api_doc.html";

    fn context(&self) -> Value {
        let common_responses = COMMON_RESPONSES.map(|(status, meaning, _)| context! { status, meaning, body => "" });
        context! {
            openapi => self.public_url.join("/openapi.json"),
            version => env!("CARGO_PKG_VERSION"),
            route_groups => self.route_groups.iter().map(|group| self.route_group(group)).collect::<Value>(),
            common_responses => common_responses.into_iter().collect::<Value>(),
        }
    }

    fn samples() -> Vec<Self> {
        let public_url = "https://auth.example.com/sign".parse();
        let route_groups = vec![SAMPLE_GROUP, RouteGroup { operations: &[SAMPLE_PAGE], media: JSON, ..SAMPLE_GROUP }];
        public_url.ok().map(|public_url| Self { route_groups, public_url }).into_iter().collect()
    }
}

const SAMPLE_PAGE: Operation = Operation {
    method: "get",
    path: "/it",
    summary: "Show <b>it</b>",
    access: Access::Open,
    query: &[],
    request_examples: &[],
    responses: &[(200, "The HTML page", "")],
};

/// A group with every kind of route: with and without parameters, bodies and authentication.
const SAMPLE_GROUP: RouteGroup = RouteGroup {
    name: "sample",
    description: "Routes of a sample.",
    media: JSON_OR_FORM,
    operations: &[
        Operation {
            method: "put",
            access: Access::Bearer,
            query: &[
                Parameter { name: "a", meaning: "The first <b>parameter</b>", example: "1", required: true },
                Parameter { name: "b", meaning: "Another parameter", example: "2", required: false },
                Parameter { name: "c", meaning: "A required parameter", example: "3", required: true },
            ],
            request_examples: &[r#"{"name": "O'Hara"}"#, r#"{"name": "<b>Ann</b>"}"#],
            responses: &[(200, "Done", r#"{"ok": true}"#), (404, "No <b>such</b> thing", "{}")],
            ..SAMPLE_PAGE
        },
        Operation { method: "post", access: Access::BearerOrCookie, ..SAMPLE_PAGE },
    ],
};

impl ApiDocPage {
    fn route_group(&self, route_group: &RouteGroup) -> Value {
        let RouteGroup { name, description, media, operations } = *route_group;
        let media = if operations.iter().any(|operation| !operation.request_examples.is_empty()) { media } else { &[] };
        let media = media.join(", ");
        let operations = operations.iter().map(|operation| self.operation(operation)).collect::<Value>();
        context! { name, description, media, operations }
    }

    fn operation(&self, operation: &Operation) -> Value {
        let Operation { path, summary, query, responses, .. } = *operation;
        let parameters = query.iter().map(|&Parameter { name, meaning, required, .. }| {
            context! { name, meaning, required }
        });
        let bodies = if operation.request_examples.is_empty() { &[""] } else { operation.request_examples };
        let requests =
            bodies.iter().map(|body| context! { body => pretty_json(body), curl => self.curl(operation, body) });
        let responses =
            responses.iter().map(|&(status, meaning, body)| context! { status, meaning, body => pretty_json(body) });
        let access = match operation.access {
            Access::Open => "everyone",
            Access::Bearer => "callers with an access token as Authorization: Bearer",
            Access::BearerOrCookie => {
                "callers with an access token as Authorization: Bearer or in the cookie jwt_token"
            }
        };
        context! {
            anchor => operation.id(),
            method => operation.method.to_ascii_uppercase(),
            path,
            summary,
            access,
            parameters => parameters.collect::<Value>(),
            requests => requests.collect::<Value>(),
            responses => responses.collect::<Value>(),
        }
    }

    /// The request as a shell command, in which `$TOKEN` is an access token.
    fn curl(&self, operation: &Operation, body: &str) -> String {
        let mut url = self.public_url.join(operation.path);
        let separators = iter::once("?").chain(iter::repeat("&"));
        for (parameter, separator) in operation.query.iter().filter(|parameter| parameter.required).zip(separators) {
            url.extend([separator, parameter.name, "=", parameter.example]);
        }
        let mut words = vec!["curl".to_owned()];
        if operation.method != "get" {
            words.push(format!("-X {}", operation.method.to_ascii_uppercase()));
        }
        words.push(shell_quote(&url));
        if operation.access != Access::Open {
            words.push("-H \"Authorization: Bearer $TOKEN\"".to_owned());
        }
        if !body.is_empty() {
            words.push(format!("-H 'Content-Type: application/json' -d {}", shell_quote(body)));
        }
        words.join(" ")
    }
}

/// Quotes a text as one word of a shell command.
fn shell_quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Pretty-prints an example. An example that is not JSON stays as it is.
fn pretty_json(example: &str) -> String {
    let parsed: Option<serde_json::Value> = serde_json::from_str(example).ok();
    parsed.and_then(|value| to_string_pretty(&value).ok()).unwrap_or_else(|| example.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curl_command_contains_the_whole_request() {
        let [page] = &ApiDocPage::samples()[..] else { panic!("one sample") };
        let [put, post] = SAMPLE_GROUP.operations else { panic!("two operations") };
        let expected = r#"curl -X PUT 'https://auth.example.com/sign/it?a=1&c=3' -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{"name": "O'\''Hara"}'"#;
        assert_eq!(page.curl(put, put.request_examples[0]), expected);
        let with_token = "curl -X POST 'https://auth.example.com/sign/it' -H \"Authorization: Bearer $TOKEN\"";
        assert_eq!(page.curl(post, ""), with_token);
        assert_eq!(page.curl(&SAMPLE_PAGE, ""), "curl 'https://auth.example.com/sign/it'");
    }

    #[test]
    fn a_json_example_is_pretty_printed() {
        assert_eq!(pretty_json(SAMPLE_GROUP.operations[0].request_examples[0]), "{\n  \"name\": \"O'Hara\"\n}");
        assert_eq!(pretty_json(""), "");
    }
}
