//! What the browser keeps of a sign-in that was begun: a sealed cookie for each provider, good for ten minutes and for
//! one callback.
//!
//! It binds the callback to the browser that began: a page that sends somebody else's browser to a callback with a code
//! of its own (login CSRF) finds no cookie there that fits. The provider's name is authenticated with it, so that what
//! was begun at one provider can't be finished at another (mix-up).

use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cookie::{Cookie, SameSite};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::super::super::bearer::cookie;
use super::super::super::{Http, HttpOptions};
use crate::chance::Chance;
use crate::crypto::seal::Seal;
use crate::domain::id::{SessionId, Subject};
use crate::domain::secret::SecretText;
use crate::domain::social::{ATTEMPT_LIFETIME, ProviderName, Purpose, SignInAttempt};
use crate::domain::time::Timestamp;

/// Gives the browser the attempt to keep.
pub fn kept(response: Response, http: &Http, attempt: &SignInAttempt) -> Response {
    let value = sealed(&http.issuer.cookie_seal, attempt, &http.issuer.chance);
    let seconds = cookie::time::Duration::seconds(ATTEMPT_LIFETIME.as_secs().try_into().unwrap_or(i64::MAX));
    set(response, &http.options, &attempt.provider, value, seconds)
}

/// The attempt the browser kept, if it keeps one of that provider.
pub fn found(http: &Http, headers: &HeaderMap, provider: &ProviderName) -> Option<SignInAttempt> {
    opened(&http.issuer.cookie_seal, provider, &cookie(headers, &name(&http.options, provider))?)
}

/// Takes the attempt away from the browser: however it came out, it was one try.
pub fn forgotten(response: Response, http: &Http, provider: &ProviderName) -> Response {
    set(response, &http.options, provider, String::new(), cookie::time::Duration::ZERO)
}

/// Over https the prefix keeps neighbouring hosts from setting it (RFC 6265bis §4.1.3.2).
fn name(options: &HttpOptions, provider: &ProviderName) -> String {
    let prefix = if options.public_url.is_https() { "__Host-" } else { "" };
    format!("{prefix}social_{provider}")
}

fn set(
    mut response: Response,
    options: &HttpOptions,
    provider: &ProviderName,
    value: String,
    max_age: cookie::time::Duration,
) -> Response {
    let cookie = Cookie::build((name(options, provider), value))
        .http_only(true)
        .same_site(SameSite::Lax)
        .path("/")
        .max_age(max_age)
        .secure(options.public_url.is_https());
    if let Ok(value) = HeaderValue::from_str(&cookie.to_string()) {
        response.headers_mut().append(SET_COOKIE, value);
    }
    response
}

/// One thing a line; none of them can hold a line break.
fn sealed(seal: &Seal, attempt: &SignInAttempt, chance: &Chance) -> String {
    let purpose = match attempt.purpose {
        Purpose::SignIn => String::new(),
        Purpose::Link { sub, session } => format!("{sub} {session}"),
    };
    let begun_at = attempt.begun_at.unix().to_string();
    let lines = [attempt.state.expose(), attempt.nonce.expose(), attempt.verifier.expose(), &begun_at, &purpose];
    let text = Zeroizing::new(lines.join("\n"));
    URL_SAFE_NO_PAD.encode(seal.seal(&authenticated(&attempt.provider), text.as_bytes(), chance))
}

fn opened(seal: &Seal, provider: &ProviderName, value: &str) -> Option<SignInAttempt> {
    let plain = seal.open(&authenticated(provider), &URL_SAFE_NO_PAD.decode(value).ok()?).ok()?;
    let text = std::str::from_utf8(plain.expose()).ok()?;
    let [state, nonce, verifier, begun_at, purpose] = *text.split('\n').collect::<Vec<_>>() else { return None };
    let secret = |text: &str| SecretText::new(text.to_owned());
    Some(SignInAttempt {
        provider: provider.clone(),
        state: secret(state),
        nonce: secret(nonce),
        verifier: secret(verifier),
        begun_at: Timestamp::from_unix(begun_at.parse().ok()?),
        purpose: purpose_of(purpose)?,
    })
}

fn purpose_of(text: &str) -> Option<Purpose> {
    if text.is_empty() {
        return Some(Purpose::SignIn);
    }
    let (sub, session) = text.split_once(' ')?;
    let (sub, session) = (Uuid::try_parse(sub).ok()?, Uuid::try_parse(session).ok()?);
    Some(Purpose::Link { sub: Subject(sub), session: SessionId(session) })
}

fn authenticated(provider: &ProviderName) -> Vec<u8> {
    format!("social attempt {provider}").into_bytes()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::crypto::derive::{DerivedKeys, Use};

    fn attempt(purpose: Purpose) -> SignInAttempt {
        let secret = |text: &str| SecretText::new(text.to_owned());
        SignInAttempt {
            provider: ProviderName::parse("google").unwrap(),
            state: secret("the-state"),
            nonce: secret("the-nonce"),
            verifier: secret("the-verifier"),
            begun_at: Timestamp::from_unix(1000),
            purpose,
        }
    }

    #[test]
    fn a_browser_brings_back_what_it_was_given_to_the_same_provider_alone() {
        let seal = Seal::new(&DerivedKeys::new(&[1; 32]), Use::CookieSeal);
        let link = Purpose::Link { sub: Subject(Uuid::from_u128(1)), session: SessionId(Uuid::from_u128(2)) };
        for purpose in [Purpose::SignIn, link] {
            let attempt = attempt(purpose);
            let value = sealed(&seal, &attempt, &Chance::seeded(1));
            assert_eq!(opened(&seal, &attempt.provider, &value), Some(attempt));
            assert_eq!(opened(&seal, &ProviderName::parse("github").unwrap(), &value), None, "another provider's");
            assert!(!value.contains("the-state"));
        }
    }

    #[test]
    fn what_was_not_sealed_here_is_none() {
        let seal = Seal::new(&DerivedKeys::new(&[1; 32]), Use::CookieSeal);
        let others = Seal::new(&DerivedKeys::new(&[2; 32]), Use::CookieSeal);
        let attempt = attempt(Purpose::SignIn);
        let foreign = sealed(&others, &attempt, &Chance::seeded(1));
        let short = URL_SAFE_NO_PAD.encode(seal.seal(&authenticated(&attempt.provider), b"a\nb", &Chance::seeded(1)));
        for value in ["", "x", "not base64!", &foreign, &short] {
            assert_eq!(opened(&seal, &attempt.provider, value), None, "{value}");
        }
    }
}
