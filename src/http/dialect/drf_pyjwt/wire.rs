//! The dialect's request bodies, parsed field by field, and its response bodies.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;
use uuid::Uuid;

use crate::domain::field::{Field, FieldProblem};
use crate::domain::password::{Password, PasswordPolicy};
use crate::domain::user::{Email, Login, User, Username};
use crate::http::dialect::drf::{BodyFields, DrfErrorBody};
use crate::http::reply;
use crate::issuer::Refusal;
use crate::issuer::issue::AccessToken;

pub struct Registration {
    pub username: Username,
    pub password: Password,
    pub email: Email,
    /// Whether the caller sent a user name.
    pub has_username: bool,
}

pub struct Credentials {
    pub login: Login,
    pub password: Password,
}

pub struct ProfileChange {
    pub username: Option<Username>,
    pub email: Option<Email>,
    pub current_password: Option<Password>,
}

/// Reads a registration. The user name may be missing or empty, as in the original; the address is then stored as the
/// user name. The password is checked against the rules here, before the use case, so that the response contains all errors
/// at once.
pub fn registration(mut body: BodyFields, rules: &PasswordPolicy) -> Result<Registration, DrfErrorBody> {
    let email = body.text("email");
    let email = body.parsed(Field::Email, email.as_deref(), Email::parse);
    let password = body.password();
    let chosen = body.blank_or("username");
    let has_username = chosen.is_some();
    let username = match (&chosen, &email) {
        (None, Some(email)) if Username::parse(email.as_str()).is_err() => body.text("username"),
        (None, Some(email)) => Some(email.as_str().to_owned()),
        (chosen, _) => chosen.clone(),
    };
    let username = body.parsed(Field::Username, username.as_deref(), Username::parse);
    let user_texts: Vec<&str> =
        username.as_ref().map(Username::as_str).into_iter().chain(email.as_ref().map(Email::as_str)).collect();
    if let Some(Err(problem)) = password.as_ref().map(|password| rules.check(password, &user_texts)) {
        body.add_error(Field::Password, problem);
    }
    body.check()?;
    let (Some(email), Some(password), Some(username)) = (email, password, username) else {
        return Err(body.field_errors());
    };
    Ok(Registration { username, password, email, has_username })
}

/// Reports a conflict of the user name as a conflict of the address if the user name is the address.
pub fn report_conflict(refusal: Refusal, is_address: bool) -> Refusal {
    match refusal {
        Refusal::Taken(Field::Username) if is_address => Refusal::Taken(Field::Email),
        other => other,
    }
}

pub fn credentials(mut body: BodyFields) -> Result<Credentials, DrfErrorBody> {
    let login = body.text("email");
    let password = body.password();
    let (Some(login), Some(password)) = (login, password) else { return Err(body.field_errors()) };
    Ok(Credentials { login: Login::new(&login), password })
}

pub fn refresh_token(mut body: BodyFields) -> Result<String, DrfErrorBody> {
    body.text("refresh_token").ok_or_else(|| body.field_errors())
}

/// Reads the body of a PATCH. Missing fields stay unchanged.
pub fn change(mut body: BodyFields, has_username: bool) -> Result<ProfileChange, DrfErrorBody> {
    let username = if has_username { body.optional("username") } else { body.blank_or("username") };
    let username = body.parsed(Field::Username, username.as_deref(), Username::parse);
    let email = body.optional("email");
    let email = body.parsed(Field::Email, email.as_deref(), Email::parse);
    let current_password = body.current_password();
    body.check()?;
    Ok(ProfileChange { username, email, current_password })
}

/// Reads the body of a PUT. At least one field is required.
pub fn replacement(body: BodyFields, has_username: bool) -> Result<ProfileChange, DrfErrorBody> {
    let has_empty_name = !has_username && body.has("username");
    let change = change(body, has_username)?;
    if change.username.is_none() && change.email.is_none() && !has_empty_name {
        return Err(DrfErrorBody::invalid(&[(Field::Username, FieldProblem::Missing)]));
    }
    Ok(change)
}

pub fn registered(user: &User) -> Response {
    let email = user.email.as_ref().map_or("", Email::as_str);
    reply::json(StatusCode::CREATED, &json!({"id": user.id, "email": email}))
}

pub fn pair(access: &AccessToken, refresh: Uuid) -> Response {
    reply::json(StatusCode::OK, &json!({"access_token": access.text.expose(), "refresh_token": refresh}))
}

pub fn logged_out() -> Response {
    reply::json(StatusCode::OK, &json!({"success": "User logged out."}))
}

pub fn profile(user: &User) -> Response {
    let email = user.email.as_ref().map_or("", Email::as_str);
    reply::json(StatusCode::OK, &json!({"id": user.id, "username": user.shown_username(), "email": email}))
}
