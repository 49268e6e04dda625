//! Every door that takes a token. A new route that takes one is a new row here.

use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::json;

use super::forge::ForgedKind;
use crate::support::{ServerResponse, TestServer};

/// Where a door looks for its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenTransport {
    /// `Authorization: Bearer …`.
    Bearer,
    /// `Authorization: …`.
    Bare,
    /// `Cookie: jwt_token=…`.
    Cookie,
    /// A member of a JSON body.
    Json(&'static str),
    /// A field of a form.
    Form(&'static str),
}

/// A door and what it takes.
#[derive(Clone, Copy, Debug)]
pub struct TokenEndpoint {
    pub method: &'static str,
    pub path: &'static str,
    pub carry: TokenTransport,
    pub takes: &'static [ForgedKind],
    /// The status for a good token.
    pub good: u16,
}

const fn endpoint(
    method: &'static str,
    path: &'static str,
    carry: TokenTransport,
    takes: &'static [ForgedKind],
    good: u16,
) -> TokenEndpoint {
    TokenEndpoint { method, path, carry, takes, good }
}

use TokenTransport::{Bare, Bearer, Cookie, Form, Json};
const ACCESS: &[ForgedKind] = &[ForgedKind::Long, ForgedKind::Short];
const LONG: &[ForgedKind] = &[ForgedKind::Long];
const SHORT: &[ForgedKind] = &[ForgedKind::Short];
const ANY: &[ForgedKind] = &[ForgedKind::Long, ForgedKind::Short, ForgedKind::Sliding, ForgedKind::Refresh];
/// Every row; where there is nothing to tell or to take away, a good token gets a 404.
pub const DOORS: &[TokenEndpoint] = &[
    // jwt_issuer
    endpoint("POST", "/update_profile", Bearer, LONG, 200),
    endpoint("POST", "/update_profile", Cookie, LONG, 200),
    endpoint("POST", "/renew_token", Bearer, LONG, 200),
    endpoint("POST", "/renew_token", Cookie, LONG, 200),
    // rest_jwt
    endpoint("POST", "/refresh", Bearer, LONG, 200),
    endpoint("POST", "/refresh", Bare, LONG, 200),
    endpoint("POST", "/validation", Json("token"), ACCESS, 200),
    endpoint("POST", "/get_user_by_jwt", Json("token"), ACCESS, 200),
    // drf_pyjwt
    endpoint("GET", "/api/me/", Bearer, ACCESS, 200),
    endpoint("PUT", "/api/me/", Bearer, SHORT, 200),
    endpoint("PATCH", "/api/me/", Bearer, SHORT, 200),
    endpoint("POST", "/api/refresh/", Json("refresh_token"), &[ForgedKind::Uuid], 200),
    endpoint("POST", "/api/refresh/", Form("refresh_token"), &[ForgedKind::Uuid], 200),
    // simplejwt
    endpoint("POST", "/api/token/verify/", Json("token"), ANY, 200),
    endpoint("POST", "/api/token/verify/", Form("token"), ANY, 200),
    endpoint("POST", "/api/token/refresh/", Json("refresh"), &[ForgedKind::Refresh], 200),
    endpoint("POST", "/api/token/refresh/", Form("refresh"), &[ForgedKind::Refresh], 200),
    endpoint("POST", "/api/token/sliding/refresh/", Json("token"), &[ForgedKind::Sliding], 200),
    // rest_social
    endpoint("GET", "/social/token/", Bearer, ACCESS, 404),
    endpoint("GET", "/social/refresh_token/", Cookie, ACCESS, 404),
    endpoint("GET", "/social/provider/", Bearer, ACCESS, 200),
    endpoint("GET", "/social/accounts/", Bearer, ACCESS, 200),
    endpoint("POST", "/social/unlink/", Cookie, LONG, 404),
    endpoint("GET", "/google_refresh/", Bearer, LONG, 404),
    endpoint("POST", "/github_refresh/", Cookie, LONG, 404),
    endpoint("POST", "/github/", Bearer, LONG, 303),
    // Those that end the session of a good token; last, for the table walks in this order.
    endpoint("POST", "/social_logout/", Bearer, LONG, 302),
    endpoint("POST", "/api/logout/", Json("refresh_token"), &[ForgedKind::Uuid], 200),
    endpoint("POST", "/api/token/blacklist/", Json("refresh"), &[ForgedKind::Refresh], 200),
];

impl TokenEndpoint {
    /// Whether it answers everyone alike, so that only what it does tells.
    pub fn is_blind(&self) -> bool {
        self.path == "/social_logout/"
    }

    /// Shows it a token; None where HTTP can't carry it there.
    pub async fn present(&self, server: &TestServer, token: &str) -> Option<ServerResponse> {
        let method: Method = self.method.parse().unwrap();
        let request = server.request(method, self.path);
        // What some of them need besides.
        let body = json!({"email": "anna@example.com", "username": "anna", "provider": "google"});
        let header = |text: String| HeaderValue::from_bytes(text.as_bytes()).ok();
        let request = match self.carry {
            Bearer => request.header("authorization", header(format!("Bearer {token}"))?).json(&body),
            Bare => request.header("authorization", header(token.to_owned())?).json(&body),
            Cookie => request.header("cookie", header(format!("jwt_token={token}"))?).json(&body),
            Json(member) => request.json(&json!({member: token})),
            Form(field) => {
                let pair = url::form_urlencoded::Serializer::new(String::new()).append_pair(field, token).finish();
                request.header("content-type", "application/x-www-form-urlencoded").body(pair)
            }
        };
        Some(ServerResponse::send(request).await)
    }
}
