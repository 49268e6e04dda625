//! The API documentation at `/api-doc/`, generated from the same tables as `/openapi.json`.
//!
//! It is rendered on the server, without scripts. The usual viewers of OpenAPI documents, such as Swagger UI, are
//! scripts of a megabyte and more, which would exceed the size limit of the binary. They also need inline styles, which
//! would weaken the content security policy of the pages. In place of their request forms, the page shows a shell
//! command for each route.

use std::iter;

use minijinja::context;
use minijinja::value::Value;
use serde_json::to_string_pretty;

use super::Page;
use crate::domain::public_url::PublicUrl;
use crate::http::openapi::{self, ANYWHERE, Access, Chapter, Operation, Parameter};

/// The page with every route.
pub struct ApiDocPage {
    /// The groups of routes.
    pub chapters: Vec<Chapter>,
    /// The public URL of the server, for the example commands.
    pub public_url: PublicUrl,
}

impl Page for ApiDocPage {
    const TEMPLATE: &'static str = "api_doc.html";

    fn context(&self) -> Value {
        let anywhere = ANYWHERE.map(|(status, meaning, _)| context! { status, meaning, body => "" });
        context! {
            openapi => self.public_url.join("/openapi.json"),
            version => env!("CARGO_PKG_VERSION"),
            chapters => self.chapters.iter().map(|chapter| self.chapter(chapter)).collect::<Value>(),
            anywhere => anywhere.into_iter().collect::<Value>(),
        }
    }

    fn samples() -> Vec<Self> {
        let public_url = "https://auth.example.com/sign".parse();
        let all = openapi::chapters(&crate::domain::dialect::Dialect::ALL.into());
        public_url.ok().map(|public_url| Self { chapters: all, public_url }).into_iter().collect()
    }
}

impl ApiDocPage {
    fn chapter(&self, chapter: &Chapter) -> Value {
        let Chapter { name, about, media, operations } = *chapter;
        let media = if operations.iter().any(|operation| !operation.takes.is_empty()) { media } else { &[] };
        let media = media.join(", ");
        let operations = operations.iter().map(|operation| self.operation(operation)).collect::<Value>();
        context! { name, about, media, operations }
    }

    fn operation(&self, operation: &Operation) -> Value {
        let Operation { path, summary, query, answers, .. } = *operation;
        let parameters = query.iter().map(|&Parameter { name, meaning, required, .. }| {
            context! { name, meaning, required }
        });
        let bodies = if operation.takes.is_empty() { &[""] } else { operation.takes };
        let requests = bodies.iter().map(|body| context! { body => pretty(body), curl => self.curl(operation, body) });
        let answers = answers.iter().map(|&(status, meaning, body)| context! { status, meaning, body => pretty(body) });
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
            answers => answers.collect::<Value>(),
        }
    }

    /// The request as a shell command, in which `$TOKEN` is an access token.
    fn curl(&self, operation: &Operation, body: &str) -> String {
        let mut url = self.public_url.join(operation.path);
        let joints = iter::once("?").chain(iter::repeat("&"));
        for (parameter, joint) in operation.query.iter().filter(|parameter| parameter.required).zip(joints) {
            url.extend([joint, parameter.name, "=", parameter.example]);
        }
        let mut words = vec!["curl".to_owned()];
        if operation.method != "get" {
            words.push(format!("-X {}", operation.method.to_ascii_uppercase()));
        }
        words.push(quoted(&url));
        if operation.access != Access::Open {
            words.push("-H \"Authorization: Bearer $TOKEN\"".to_owned());
        }
        if !body.is_empty() {
            words.push(format!("-H 'Content-Type: application/json' -d {}", quoted(body)));
        }
        words.join(" ")
    }
}

/// Quotes a text as one word of a shell command.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Pretty-prints an example. An example that is not JSON stays as it is.
fn pretty(example: &str) -> String {
    let parsed: Option<serde_json::Value> = serde_json::from_str(example).ok();
    parsed.and_then(|value| to_string_pretty(&value).ok()).unwrap_or_else(|| example.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTE: Operation = Operation {
        method: "put",
        path: "/it",
        summary: "",
        access: Access::Bearer,
        query: &[
            Parameter { name: "a", meaning: "", example: "1", required: true },
            Parameter { name: "b", meaning: "", example: "2", required: false },
            Parameter { name: "c", meaning: "", example: "3", required: true },
        ],
        takes: &[r#"{"name": "O'Hara"}"#],
        answers: &[],
    };

    #[test]
    fn the_curl_command_contains_the_whole_request() {
        for page in ApiDocPage::samples() {
            let expected = r#"curl -X PUT 'https://auth.example.com/sign/it?a=1&c=3' -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{"name": "O'\''Hara"}'"#;
            assert_eq!(page.curl(&ROUTE, ROUTE.takes[0]), expected);
            let plain = Operation { method: "get", access: Access::Open, query: &[], takes: &[], ..ROUTE };
            assert_eq!(page.curl(&plain, ""), "curl 'https://auth.example.com/sign/it'");
        }
        assert_eq!(ApiDocPage::samples().len(), 1);
    }

    #[test]
    fn a_json_example_is_pretty_printed() {
        assert_eq!(pretty(ROUTE.takes[0]), "{\n  \"name\": \"O'Hara\"\n}");
        assert_eq!(pretty(""), "");
    }
}
