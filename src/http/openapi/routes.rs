//! The routes of the documentation: `/openapi.json` and the page `/api-doc/`. Both are built at the first request only,
//! because this takes milliseconds, and a flood of requests would use up the processor.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::State;
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use axum::routing::get;

use super::document::document;
use super::model::{Access, JSON, Operation, RouteGroup};
use crate::http::context::Http;
use crate::http::pages::api_doc::ApiDocPage;
use crate::http::reply;
use crate::http::static_document::StaticDocument;

/// The description of the documentation routes.
pub const ROUTE_GROUP: RouteGroup = RouteGroup {
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

/// Returns the routes of the documentation. `route_groups` are the groups that it describes.
pub fn routes(route_groups: Vec<RouteGroup>) -> Router<Http> {
    let documents = Arc::new(Documents { route_groups, openapi: OnceLock::new(), page: OnceLock::new() });
    let for_page = documents.clone();
    let document =
        move |State(http): State<Http>, headers: HeaderMap| async move { documents.openapi(&http, &headers) };
    let page = move |State(http): State<Http>, headers: HeaderMap| async move { for_page.page(&http, &headers) };
    Router::new()
        .route("/openapi.json", get(document))
        .route("/api-doc", get(page.clone()))
        .route("/api-doc/", get(page))
}

/// The documents, and the groups of routes that they describe.
struct Documents {
    route_groups: Vec<RouteGroup>,
    openapi: OnceLock<StaticDocument>,
    page: OnceLock<StaticDocument>,
}

impl Documents {
    fn openapi(&self, http: &Http, request_headers: &HeaderMap) -> Response {
        let build = || {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            let body = document(&self.route_groups, http.options.public_url.as_str());
            StaticDocument::new(headers, body.to_string())
        };
        self.openapi.get_or_init(build).response(request_headers)
    }

    fn page(&self, http: &Http, request_headers: &HeaderMap) -> Response {
        if let Some(page) = self.page.get() {
            return page.response(request_headers);
        }
        let page = ApiDocPage { route_groups: self.route_groups.clone(), public_url: http.options.public_url.clone() };
        match http.pages.document(&page, &http.issuer.random) {
            Ok(page) => self.page.get_or_init(|| page).response(request_headers),
            Err(fault) => reply::fault(fault, reply::internal_error),
        }
    }
}
