//! The routes of the documentation: `/openapi.json` and the page `/api-doc/`.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::get;

use super::document::document;
use super::model::{Access, JSON, Operation, RouteGroup};
use crate::http::context::Http;
use crate::http::pages::api_doc::ApiDocPage;

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
    let document_groups: Arc<[RouteGroup]> = route_groups.into();
    let page_groups = document_groups.clone();
    let document = move |State(http): State<Http>| async move { document_response(&http, &document_groups) };
    let page = move |State(http): State<Http>| async move { page_response(&http, &page_groups) };
    Router::new()
        .route("/openapi.json", get(document))
        .route("/api-doc", get(page.clone()))
        .route("/api-doc/", get(page))
}

fn document_response(http: &Http, route_groups: &[RouteGroup]) -> Response {
    let document = document(route_groups, http.options.public_url.as_str());
    let mut response = Response::new(Body::from(document.to_string()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

fn page_response(http: &Http, route_groups: &[RouteGroup]) -> Response {
    let page = ApiDocPage { route_groups: route_groups.to_vec(), public_url: http.options.public_url.clone() };
    http.pages.show(StatusCode::OK, &page, &http.issuer.random)
}
