//! The dialects: each translates one documented API to the use cases and back, and does nothing else.

use std::collections::BTreeSet;

use axum::Router;

use super::Http;
use crate::domain::dialect::Dialect;

mod jwt_issuer;

/// The routes of the dialects that are spoken.
pub fn routes(spoken: &BTreeSet<Dialect>) -> Router<Http> {
    let mut router = Router::new();
    for dialect in spoken {
        router = match dialect {
            Dialect::JwtIssuer => router.merge(jwt_issuer::routes()),
            Dialect::RestJwt | Dialect::RestSocial | Dialect::DrfPyjwt | Dialect::Simplejwt => router,
        };
    }
    router
}
