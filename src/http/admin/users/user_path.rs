//! The user whose id is in the path of a page.

use std::collections::HashMap;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

use crate::domain::id::UserId;
use crate::http::admin::zone::AdminPath;
use crate::http::context::Http;
use crate::http::web::page_error::PageError;
use crate::issuer::admin::users::{UserDetails, details};

/// The user whose id is in the path.
pub struct UserPath(pub UserId);

impl FromRequestParts<Http> for UserPath {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, http: &Http) -> Result<Self, PageError> {
        let segments = Path::<HashMap<String, String>>::from_request_parts(parts, http).await;
        let id = segments.ok().and_then(|Path(segments)| segments.get("id")?.parse().ok());
        id.map(|id| Self(UserId(id))).ok_or(PageError::NOT_FOUND)
    }
}

impl UserPath {
    /// All details of the user.
    pub async fn details(&self, http: &Http) -> Result<UserDetails, PageError> {
        details(&http.issuer, self.0).await?.ok_or(PageError::NOT_FOUND)
    }

    /// The path of the page of the user.
    pub fn page(&self) -> AdminPath {
        AdminPath::parse_or_home(Some(&format!("/admin/users/{}", self.0)))
    }
}
