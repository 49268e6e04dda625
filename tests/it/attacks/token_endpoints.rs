//! Every endpoint that accepts a token. Add a row here for each new endpoint.

use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::json;

use super::forge::ForgedKind;
use crate::support::{ServerResponse, TestServer};

/// How an endpoint receives its token.
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

/// An endpoint and the kinds of token that it accepts.
#[derive(Clone, Copy, Debug)]
pub struct TokenEndpoint {
    pub method: &'static str,
    pub path: &'static str,
    pub transport: TokenTransport,
    pub accepted_kinds: &'static [ForgedKind],
    /// The status for a valid token.
    pub valid_status: u16,
}

const fn endpoint(
    method: &'static str,
    path: &'static str,
    transport: TokenTransport,
    accepted_kinds: &'static [ForgedKind],
    valid_status: u16,
) -> TokenEndpoint {
    TokenEndpoint { method, path, transport, accepted_kinds, valid_status }
}

use TokenTransport::{Bare, Bearer, Cookie, Form, Json};
const ACCESS: &[ForgedKind] = &[ForgedKind::Long, ForgedKind::Short];
const LONG: &[ForgedKind] = &[ForgedKind::Long];
const SHORT: &[ForgedKind] = &[ForgedKind::Short];
const ANY: &[ForgedKind] = &[ForgedKind::Long, ForgedKind::Short, ForgedKind::Sliding, ForgedKind::Refresh];
/// All endpoints. A valid token gets a 404 from endpoints whose data does not exist in this test.
pub const ENDPOINTS: &[TokenEndpoint] = &[
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
    // These end the session of a valid token. They are last, because the rows are tested in order.
    endpoint("POST", "/social_logout/", Bearer, LONG, 302),
    endpoint("POST", "/api/logout/", Json("refresh_token"), &[ForgedKind::Uuid], 200),
    endpoint("POST", "/api/token/blacklist/", Json("refresh"), &[ForgedKind::Refresh], 200),
];

impl TokenEndpoint {
    /// Whether the endpoint sends the same response to valid and invalid tokens, so that only its effect shows the
    /// difference.
    pub fn has_uniform_response(&self) -> bool {
        self.path == "/social_logout/"
    }

    /// Sends a token to the endpoint. Returns `None` if HTTP cannot carry the token there.
    pub async fn send_token(&self, server: &TestServer, token: &str) -> Option<ServerResponse> {
        let method: Method = self.method.parse().unwrap();
        let request = server.request(method, self.path);
        // The other members that some endpoints require.
        let body = json!({"email": "anna@example.com", "username": "anna", "provider": "google"});
        let header = |text: String| HeaderValue::from_bytes(text.as_bytes()).ok();
        let request = match self.transport {
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
