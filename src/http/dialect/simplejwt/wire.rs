//! The dialect's request bodies, parsed field by field, and its response bodies.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use crate::domain::password::Password;
use crate::domain::secret::SecretText;
use crate::domain::user::Login;
use crate::http::dialect::drf::{BodyFields, DrfErrorBody};
use crate::http::reply;
use crate::issuer::issue::AccessToken;

pub struct Credentials {
    pub login: Login,
    pub password: Password,
}

pub fn credentials(mut body: BodyFields) -> Result<Credentials, DrfErrorBody> {
    let login = body.text("username");
    let password = body.password();
    let (Some(login), Some(password)) = (login, password) else { return Err(body.field_errors()) };
    Ok(Credentials { login: Login::new(&login), password })
}

pub fn token(mut body: BodyFields, name: &'static str) -> Result<String, DrfErrorBody> {
    body.text(name).ok_or_else(|| body.field_errors())
}

pub fn pair(refresh: &SecretText, access: &AccessToken) -> Response {
    reply::json(StatusCode::OK, &json!({"refresh": refresh.expose(), "access": access.text.expose()}))
}

/// Returns the new access token, and the new refresh token if it was rotated.
pub fn refresh_response(access: &AccessToken, successor: Option<&SecretText>) -> Response {
    let mut body = json!({"access": access.text.expose()});
    if let Some(refresh) = successor {
        body["refresh"] = refresh.expose().into();
    }
    reply::json(StatusCode::OK, &body)
}

pub fn sliding_response(token: &AccessToken) -> Response {
    reply::json(StatusCode::OK, &json!({"token": token.text.expose()}))
}

pub fn empty_object() -> Response {
    reply::json(StatusCode::OK, &json!({}))
}
