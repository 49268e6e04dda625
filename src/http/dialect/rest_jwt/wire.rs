//! The dialect's request bodies, parsed field by field, and its response bodies.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::refusal::{self, RestJwtErrorBody};
use crate::domain::field::{Field, FieldProblem};
use crate::domain::password::Password;
use crate::domain::secret::SecretText;
use crate::domain::time::Timestamp;
use crate::domain::user::{Email, Login, User, Username};
use crate::http::extract::body::JsonBody;
use crate::http::reply;
use crate::issuer::Refusal;
use crate::issuer::issue::AccessToken;

pub struct Registration {
    pub username: Username,
    pub password: Password,
    pub email: Email,
}

pub struct Credentials {
    pub login: Login,
    pub password: Password,
}

/// The two requests that `/restore` accepts.
pub enum Restore {
    /// Send an e-mail with a link.
    RequestLink { email: Email },
    /// Set the new password.
    Redeem { token: SecretText, password: Password },
}

/// Reads a registration. `username` takes precedence over `email_as_name`. An empty `username` counts as missing.
pub fn registration(mut body: JsonBody) -> Result<Registration, RestJwtErrorBody> {
    let email = required(&mut body, Field::Email)?;
    let password = required(&mut body, Field::Password)?;
    let username = text(&mut body, "username", Field::Username)?.filter(|name| !name.is_empty());
    let email_as_name = body.flag_named("email_as_name")?;
    let username = match username {
        Some(name) => name,
        None if email_as_name => email.clone(),
        None => {
            return Err(RestJwtErrorBody::new(
                StatusCode::BAD_REQUEST,
                "username is required unless email_as_name is true",
            ));
        }
    };
    Ok(Registration {
        email: parse_email(&email)?,
        password: Password::new(password),
        username: Username::parse(&username).map_err(|problem| Refusal::invalid(Field::Username, problem))?,
    })
}

/// Reads the credentials. An empty value is not a missing field: it gets the same response as a wrong value, and the
/// server hashes the password too, so that the response takes as long.
pub fn credentials(mut body: JsonBody) -> Result<Credentials, Refusal> {
    let login = required(&mut body, Field::Username)?;
    let password = required(&mut body, Field::Password)?;
    Ok(Credentials { login: Login::new(&login), password: Password::new(password) })
}

/// Reads the field `token`.
pub fn presented_token(mut body: JsonBody) -> Result<SecretText, RestJwtErrorBody> {
    let invalid = |problem: FieldProblem| RestJwtErrorBody::new(StatusCode::BAD_REQUEST, &format!("token {problem}"));
    let token = body.text_named("token").map_err(invalid)?;
    token.map(SecretText::new).ok_or_else(|| invalid(FieldProblem::Missing))
}

/// Reads the fields of `/restore`. The documentation and the code of the original (the system that this dialect
/// replaces) name the fields differently; both names are accepted.
pub fn restore(mut body: JsonBody) -> Result<Restore, RestJwtErrorBody> {
    let email = match text(&mut body, "restoring_email", Field::Email) {
        Ok(Some(email)) => Some((email, refusal::restore_field as fn(Field) -> &'static str)),
        Ok(None) => text(&mut body, "email", Field::Email)?.map(|email| (email, refusal::wire_field as _)),
        Err(refused) => return Err(refusal::error_body(refused, refusal::restore_field)),
    };
    let mut either = |documented, original, field| match text(&mut body, documented, field)? {
        Some(value) => Ok(Some(value)),
        None => text(&mut body, original, field),
    };
    let token = either("restoring_token", "token", Field::ResetCode)?;
    let password = either("restoring_password", "new_password", Field::NewPassword)?;
    match (email, token, password) {
        (Some((email, name)), None, None) => {
            let email = Email::parse_existing(&email).map_err(|problem| Refusal::invalid(Field::Email, problem));
            let email = email.map_err(|refused| refusal::error_body(refused, name))?;
            Ok(Restore::RequestLink { email })
        }
        (None, Some(token), Some(password)) => {
            Ok(Restore::Redeem { token: SecretText::new(token), password: Password::new(password) })
        }
        _ => {
            let message = "send restoring_email, or restoring_token and restoring_password";
            Err(RestJwtErrorBody::new(StatusCode::BAD_REQUEST, message))
        }
    }
}

/// Returns a user in the format of the original: the columns of Django's user table, without the password.
pub fn user(user: &User) -> Response {
    let user_object = json!({
        "id": user.id,
        "last_login": user.last_login,
        "is_superuser": user.is_superuser,
        "username": user.shown_username(),
        "first_name": user.first_name,
        "last_name": user.last_name,
        "email": user.email.as_ref().map_or("", Email::as_str),
        "is_staff": user.is_staff,
        "is_active": user.is_active,
        "date_joined": user.date_joined,
    });
    reply::json(StatusCode::OK, &json!({"user": user_object, "status": 200}))
}

pub fn token(token: &AccessToken) -> Response {
    reply::json(StatusCode::OK, &json!({"token": token.text.expose(), "status": 200}))
}

pub fn valid_until(expires_at: Timestamp) -> Response {
    message(&format!("Token will expire {expires_at}"))
}

pub fn message(text: &str) -> Response {
    reply::json(StatusCode::OK, &json!({"message": text, "status": 200}))
}

fn text(body: &mut JsonBody, name: &str, field: Field) -> Result<Option<String>, Refusal> {
    body.text_named(name).map_err(|problem| Refusal::invalid(field, problem))
}

fn required(body: &mut JsonBody, field: Field) -> Result<String, Refusal> {
    text(body, field.name(), field)?.ok_or_else(|| Refusal::invalid(field, FieldProblem::Missing))
}

fn parse_email(text: &str) -> Result<Email, Refusal> {
    Email::parse(text).map_err(|problem| Refusal::invalid(Field::Email, problem))
}
