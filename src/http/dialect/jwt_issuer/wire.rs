//! The dialect's request bodies, parsed field by field, and its response bodies.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use crate::domain::field::{Field, FieldProblem};
use crate::domain::password::Password;
use crate::domain::secret::SecretText;
use crate::domain::user::{Email, Login, Username};
use crate::http::extract::body::JsonBody;
use crate::http::reply;
use crate::issuer::Refusal;
use crate::issuer::issue::AccessToken;

pub struct Auth {
    pub login: Login,
    pub password: Password,
}

pub struct Registration {
    pub username: Username,
    pub password: Password,
    pub email: Email,
}

pub struct Profile {
    pub password: Option<Password>,
    pub email: Option<Email>,
    pub current_password: Option<Password>,
}

pub struct Reset {
    pub code: SecretText,
    pub new_password: Option<Password>,
}

/// Reads the credentials. `username` may be an e-mail address. If it is missing, `email` is read instead, because some
/// clients send the address there. An empty value is not a missing field: it gets the same response as a wrong value,
/// and the server hashes the password too, so that the response takes as long.
pub fn auth(mut body: JsonBody) -> Result<Auth, Refusal> {
    let login = optional(&mut body, Field::Username)?
        .map_or_else(|| optional(&mut body, Field::Email), |login| Ok(Some(login)))?;
    let login = login.ok_or_else(|| Refusal::invalid(Field::Username, FieldProblem::Missing))?;
    let password = required(&mut body, Field::Password)?;
    Ok(Auth { login: Login::new(&login), password: Password::new(password) })
}

pub fn registration(mut body: JsonBody) -> Result<Registration, Refusal> {
    let username = required(&mut body, Field::Username)?;
    let password = required(&mut body, Field::Password)?;
    let email = required(&mut body, Field::Email)?;
    Ok(Registration {
        username: Username::parse(&username).map_err(|problem| Refusal::invalid(Field::Username, problem))?,
        password: Password::new(password),
        email: parse_email(&email)?,
    })
}

pub fn profile(mut body: JsonBody) -> Result<Profile, Refusal> {
    let password = optional(&mut body, Field::Password)?.map(Password::new);
    let current_password = optional(&mut body, Field::CurrentPassword)?.map(Password::new);
    let email = optional(&mut body, Field::Email)?.map(|email| parse_email(&email)).transpose()?;
    if password.is_none() && email.is_none() {
        return Err(Refusal::Invalid(vec![
            (Field::Password, FieldProblem::Missing),
            (Field::Email, FieldProblem::Missing),
        ]));
    }
    Ok(Profile { password, email, current_password })
}

pub fn reset_request(mut body: JsonBody) -> Result<Email, Refusal> {
    let text = required(&mut body, Field::Email)?;
    Email::parse_existing(&text).map_err(|problem| Refusal::invalid(Field::Email, problem))
}

pub fn reset(mut body: JsonBody) -> Result<Reset, Refusal> {
    let code = SecretText::new(required(&mut body, Field::ResetCode)?);
    let new_password = optional(&mut body, Field::NewPassword)?.map(Password::new);
    Ok(Reset { code, new_password })
}

/// Returns the response of a success without further data.
pub fn ok() -> Response {
    reply::json(StatusCode::OK, &json!({"status": "OK"}))
}

pub fn signed(token: &AccessToken, must_change_password: bool) -> Value {
    let mut body = json!({"status": "OK", "jwt": token.text.expose()});
    if must_change_password {
        body["must_change_password"] = Value::Bool(true);
    }
    body
}

pub fn renewed(token: &AccessToken) -> Value {
    json!({"status": "OK", "token": token.text.expose()})
}

/// Returns the temporary password under two names, because clients of the original read it from `reset_code`.
pub fn temporary(password: &Password) -> Response {
    let text = String::from_utf8_lossy(password.expose());
    reply::json(StatusCode::OK, &json!({"status": "OK", "reset_code": text, "temporary_password": text}))
}

fn optional(body: &mut JsonBody, field: Field) -> Result<Option<String>, Refusal> {
    body.text(field).map_err(|problem| Refusal::invalid(field, problem))
}

fn required(body: &mut JsonBody, field: Field) -> Result<String, Refusal> {
    optional(body, field)?.ok_or_else(|| Refusal::invalid(field, FieldProblem::Missing))
}

fn parse_email(text: &str) -> Result<Email, Refusal> {
    Email::parse(text).map_err(|problem| Refusal::invalid(Field::Email, problem))
}
