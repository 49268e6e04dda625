//! The query parameters of a page by name. A missing parameter is empty, and unknown parameters are ignored.

use std::collections::BTreeMap;
use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use url::form_urlencoded;

use super::url_encoded::UrlEncoded;
use crate::http::context::Http;

/// The parameters of a query. If a name occurs more than once, the last value counts.
#[derive(Clone, Debug, Default)]
pub struct Query(BTreeMap<String, String>);

impl Query {
    /// Parses a percent-encoded query.
    pub fn parse(query: &str) -> Self {
        let pairs = UrlEncoded::new(query).fields();
        Self(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// A parameter without surrounding white space. Empty if it is missing.
    pub fn text(&self, name: &str) -> &str {
        self.untrimmed(name).trim()
    }

    /// A parameter as it was sent. Empty if it is missing.
    pub fn untrimmed(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }

    /// A parameter as a number. `None` if it is missing or not a number.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.text(name).parse().ok()
    }
}

/// A link to a path with a query. Pairs with an empty value are omitted.
pub fn link(path: &str, pairs: &[(&str, &str)]) -> String {
    let present = pairs.iter().filter(|(_, value)| !value.is_empty());
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(present).finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

impl FromRequestParts<Http> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Http) -> Result<Self, Infallible> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_omits_empty_parameters() {
        assert_eq!(link("/admin/audit", &[("user", ""), ("action", "")]), "/admin/audit");
        assert_eq!(link("/admin/audit", &[("user", "a&b=c"), ("from", "")]), "/admin/audit?user=a%26b%3Dc");
    }
}
