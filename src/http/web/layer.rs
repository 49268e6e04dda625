//! The layer around the routes of a zone.

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;

use super::error_page;
use super::headers::{self, Framing};
use super::page_error::PageError;
use super::section::{Section, Sections};
use super::zone::Zone;
use crate::http::context::Http;

/// Adds the layer to the routes of a zone.
pub fn with_layer<Z: Zone>(routes: Router<Http>, http: &Http, sections: &'static [Section]) -> Router<Http> {
    routes.layer(from_fn_with_state((http.clone(), Sections(sections)), finish_response::<Z>))
}

/// Renders the page of a [`PageError`], and adds the security headers to every response.
async fn finish_response<Z: Zone>(
    State((http, sections)): State<(Http, Sections)>,
    mut request: Request,
    next: Next,
) -> Response {
    request.extensions_mut().insert(sections);
    let mut response = next.run(request).await;
    if let Some(error) = response.extensions_mut().remove::<PageError>() {
        let sent_headers = std::mem::take(response.headers_mut());
        response = error_page::render::<Z>(error, &http);
        // Headers that axum has set, such as `Allow`, also apply to the rendered page.
        for (name, value) in &sent_headers {
            response.headers_mut().entry(name).or_insert_with(|| value.clone());
        }
    }
    let framing = response.extensions_mut().remove::<Framing>();
    headers::add(response.headers_mut(), framing);
    response
}
