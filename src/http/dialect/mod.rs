//! The dialects: each translates the requests and responses of one documented API to and from the use cases. "The
//! original" is the existing system that has this API and that the dialect replaces.

use axum::Router;

use crate::domain::dialect::Dialect;
use crate::http::context::Http;
use crate::http::openapi::model::RouteGroup;

mod drf;
mod drf_pyjwt;
mod jwt_issuer;
mod message_error;
mod rest_jwt;
mod rest_social;
mod routing;
mod simplejwt;

/// Returns the OpenAPI description of a dialect.
pub fn route_group(dialect: Dialect) -> RouteGroup {
    match dialect {
        Dialect::JwtIssuer => jwt_issuer::ROUTE_GROUP,
        Dialect::RestJwt => rest_jwt::ROUTE_GROUP,
        Dialect::DrfPyjwt => drf_pyjwt::ROUTE_GROUP,
        Dialect::Simplejwt => simplejwt::ROUTE_GROUP,
        Dialect::RestSocial => rest_social::ROUTE_GROUP,
    }
}

/// Returns the routes of the enabled dialects.
pub fn routes(http: &Http) -> Router<Http> {
    let mut router = Router::new();
    for dialect in &http.options.dialects {
        router = match dialect {
            Dialect::JwtIssuer => router.merge(jwt_issuer::routes()),
            Dialect::RestJwt => router.merge(rest_jwt::routes()),
            Dialect::DrfPyjwt => router.merge(drf_pyjwt::routes()),
            Dialect::Simplejwt => router.merge(simplejwt::routes()),
            Dialect::RestSocial => router.merge(rest_social::routes(&http.issuer.providers)),
        };
    }
    router
}
