//! Every door that takes a token. A new route that takes one is a new row here.

use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::json;

use super::forge::Kind;
use crate::support::{Answer, TestServer};

/// Where a door looks for its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carry {
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
pub struct Door {
    pub method: &'static str,
    pub path: &'static str,
    pub carry: Carry,
    pub takes: &'static [Kind],
    /// The status for a good token.
    pub good: u16,
}

const fn door(method: &'static str, path: &'static str, carry: Carry, takes: &'static [Kind], good: u16) -> Door {
    Door { method, path, carry, takes, good }
}

use Carry::{Bare, Bearer, Cookie, Form, Json};
const ACCESS: &[Kind] = &[Kind::Long, Kind::Short];
const LONG: &[Kind] = &[Kind::Long];
const SHORT: &[Kind] = &[Kind::Short];
const ANY: &[Kind] = &[Kind::Long, Kind::Short, Kind::Sliding, Kind::Refresh];
/// Every row; where there is nothing to tell or to take away, a good token gets a 404.
pub const DOORS: &[Door] = &[
    // jwt_issuer
    door("POST", "/update_profile", Bearer, LONG, 200),
    door("POST", "/update_profile", Cookie, LONG, 200),
    door("POST", "/renew_token", Bearer, LONG, 200),
    door("POST", "/renew_token", Cookie, LONG, 200),
    // rest_jwt
    door("POST", "/refresh", Bearer, LONG, 200),
    door("POST", "/refresh", Bare, LONG, 200),
    door("POST", "/validation", Json("token"), ACCESS, 200),
    door("POST", "/get_user_by_jwt", Json("token"), ACCESS, 200),
    // drf_pyjwt
    door("GET", "/api/me/", Bearer, ACCESS, 200),
    door("PUT", "/api/me/", Bearer, SHORT, 200),
    door("PATCH", "/api/me/", Bearer, SHORT, 200),
    door("POST", "/api/refresh/", Json("refresh_token"), &[Kind::Uuid], 200),
    door("POST", "/api/refresh/", Form("refresh_token"), &[Kind::Uuid], 200),
    // simplejwt
    door("POST", "/api/token/verify/", Json("token"), ANY, 200),
    door("POST", "/api/token/verify/", Form("token"), ANY, 200),
    door("POST", "/api/token/refresh/", Json("refresh"), &[Kind::Refresh], 200),
    door("POST", "/api/token/refresh/", Form("refresh"), &[Kind::Refresh], 200),
    door("POST", "/api/token/sliding/refresh/", Json("token"), &[Kind::Sliding], 200),
    // rest_social
    door("GET", "/social/token/", Bearer, ACCESS, 404),
    door("GET", "/social/refresh_token/", Cookie, ACCESS, 404),
    door("GET", "/social/provider/", Bearer, ACCESS, 200),
    door("GET", "/social/accounts/", Bearer, ACCESS, 200),
    door("POST", "/social/unlink/", Cookie, LONG, 404),
    door("GET", "/google_refresh/", Bearer, LONG, 404),
    door("POST", "/github_refresh/", Cookie, LONG, 404),
    door("POST", "/github/", Bearer, LONG, 303),
    // Those that end the session of a good token; last, for the table walks in this order.
    door("POST", "/social_logout/", Bearer, LONG, 302),
    door("POST", "/api/logout/", Json("refresh_token"), &[Kind::Uuid], 200),
    door("POST", "/api/token/blacklist/", Json("refresh"), &[Kind::Refresh], 200),
];

impl Door {
    /// Whether it answers everyone alike, so that only what it does tells.
    pub fn is_blind(&self) -> bool {
        self.path == "/social_logout/"
    }

    /// Shows it a token; None where HTTP can't carry it there.
    pub async fn shown(&self, server: &TestServer, token: &str) -> Option<Answer> {
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
        Some(Answer::to(request).await)
    }
}
