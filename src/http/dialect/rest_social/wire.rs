//! The dialect's bodies: what comes in, and what goes out.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::refusal::RestSocialErrorBody;
use crate::domain::secret::SecretText;
use crate::domain::social::{ProviderName, SocialAccount};
use crate::http::body::JsonBody;
use crate::http::reply;

/// The body of most answers, which only says how it went.
pub fn status(status: StatusCode, said: &str) -> Response {
    reply::json(status, &json!({"status": said}))
}

/// A provider's token by its name, with the status as a number in the body, too, as the original's helpers say it. Where
/// there is none it is a 404, which for some providers is as it should be.
pub fn token_response(name: &str, token: Option<&SecretText>) -> Response {
    match token {
        Some(token) => named(StatusCode::OK, name, token.expose().into()),
        None => no_token_response(name, StatusCode::NOT_FOUND),
    }
}

/// The same for whoever is not told.
pub fn no_token_response(name: &str, status: StatusCode) -> Response {
    named(status, name, Value::Null)
}

fn named(status: StatusCode, name: &str, token: Value) -> Response {
    let mut body = json!({});
    body[name] = token;
    body["status"] = status.as_u16().into();
    reply::json(status, &body)
}

/// The provider whose word opened the session; false where a password did.
pub fn opened_by(provider: Option<&ProviderName>) -> Response {
    let provider = provider.map_or(Value::Bool(false), |name| name.as_str().into());
    reply::json(StatusCode::OK, &json!({"provider": provider}))
}

/// The same for somebody who is in no session.
pub fn opened_by_unknown(status: StatusCode) -> Response {
    reply::json(status, &json!({"provider": null}))
}

/// The accounts at providers, without what the providers call them.
pub fn accounts(accounts: &[SocialAccount]) -> Response {
    let listed = accounts.iter().map(|account| {
        json!({
            "provider": account.provider,
            "linked_at": account.linked_at,
            "last_login": account.last_login,
        })
    });
    reply::json(StatusCode::OK, &json!({"accounts": listed.collect::<Vec<_>>()}))
}

/// Which provider is to be unlinked.
pub fn provider(mut body: JsonBody) -> Result<ProviderName, RestSocialErrorBody> {
    let named = body.text_named("provider").ok().flatten().and_then(|name| ProviderName::parse(&name).ok());
    named.ok_or_else(|| RestSocialErrorBody::new(StatusCode::BAD_REQUEST, "provider must be the name of a provider"))
}
