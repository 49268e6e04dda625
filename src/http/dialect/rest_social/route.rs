//! The provider of a route. Its name is part of the path.

use axum::extract::{FromRequestParts, MatchedPath};
use axum::http::request::Parts;

use super::refusal::RestSocialErrorBody;
use crate::domain::social::ProviderName;
use crate::http::context::Http;
use crate::issuer::social::{SocialError, SocialRefusal};

/// The provider in the first segment of the route.
pub struct ProviderPath(pub ProviderName);

impl FromRequestParts<Http> for ProviderPath {
    type Rejection = RestSocialErrorBody;

    async fn from_request_parts(parts: &mut Parts, _: &Http) -> Result<Self, RestSocialErrorBody> {
        let route = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
        of(route).map(Self).ok_or_else(|| SocialError::from(SocialRefusal::NotConfigured).into())
    }
}

/// Returns the provider of a route. Provider names contain no underscore, so the text before `_refresh` is a whole
/// name.
fn of(route: &str) -> Option<ProviderName> {
    let first = route.trim_start_matches('/').split('/').next()?;
    ProviderName::parse(first.strip_suffix("_refresh").unwrap_or(first)).ok()
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn a_route_contains_its_provider_name() {
        for (route, name) in [
            ("/google", Some("google")),
            ("/google/", Some("google")),
            ("/google/callback/", Some("google")),
            ("/work-2_refresh/", Some("work-2")),
            ("/", None),
            ("/social_logout", None),
        ] {
            assert_eq!(of(route).map(|name| name.to_string()).as_deref(), name, "{route}");
        }
    }
}
