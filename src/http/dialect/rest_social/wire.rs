//! The dialect's request and response bodies.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::refusal::RestSocialErrorBody;
use crate::domain::field::Field;
use crate::domain::password::Password;
use crate::domain::secret::SecretText;
use crate::domain::social::{ProviderName, SocialAccount};
use crate::http::extract::body::JsonBody;
use crate::http::reply;
use crate::issuer::Refusal;

/// Returns a response whose body contains only a message, as in most responses of this dialect.
pub fn status(status: StatusCode, message: &str) -> Response {
    reply::json(status, &json!({"status": message}))
}

/// Returns a token of the provider in the member `name`. As in the original (the system that this dialect replaces),
/// the body repeats the status as a number. `None` results in a 404; some providers issue no refresh token.
pub fn token_response(name: &str, token: Option<&SecretText>) -> Response {
    match token {
        Some(token) => named(StatusCode::OK, name, token.expose().into()),
        None => no_token_response(name, StatusCode::NOT_FOUND),
    }
}

/// Returns the response of [`token_response`] with `null` instead of a token.
pub fn no_token_response(name: &str, status: StatusCode) -> Response {
    named(status, name, Value::Null)
}

fn named(status: StatusCode, name: &str, token: Value) -> Response {
    let mut body = json!({});
    body[name] = token;
    body["status"] = status.as_u16().into();
    reply::json(status, &body)
}

/// Returns the provider with which the user signed in, or `false` for a sign-in with a password.
pub fn session_provider(provider: Option<&ProviderName>) -> Response {
    let provider = provider.map_or(Value::Bool(false), |name| name.as_str().into());
    reply::json(StatusCode::OK, &json!({"provider": provider}))
}

/// Returns the response of [`session_provider`] with `null`, for an error such as a caller that is not signed in.
pub fn no_session_provider(status: StatusCode) -> Response {
    reply::json(status, &json!({"provider": null}))
}

/// Returns the linked provider accounts, without their ids at the providers.
pub fn accounts(accounts: &[SocialAccount]) -> Response {
    let items = accounts.iter().map(|account| {
        json!({
            "provider": account.provider,
            "linked_at": account.linked_at,
            "last_login": account.last_login,
        })
    });
    reply::json(StatusCode::OK, &json!({"accounts": items.collect::<Vec<_>>()}))
}

/// Reads the current password, which a change of the linked accounts needs after the sign-in is no longer recent. `None`
/// if it was not sent.
pub fn current_password(body: &mut JsonBody) -> Result<Option<Password>, Refusal> {
    let sent = body.text(Field::CurrentPassword);
    let sent = sent.map_err(|problem| Refusal::invalid(Field::CurrentPassword, problem))?;
    Ok(sent.map(Password::new))
}

/// Reads the provider to unlink.
pub fn provider(body: &mut JsonBody) -> Result<ProviderName, RestSocialErrorBody> {
    let provider = body.text_named("provider").ok().flatten().and_then(|name| ProviderName::parse(&name).ok());
    provider.ok_or_else(|| {
        RestSocialErrorBody::new(StatusCode::BAD_REQUEST, "provider must be the name of a provider, such as google")
    })
}
