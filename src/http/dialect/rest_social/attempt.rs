//! The cookies of attempts to sign in with a provider or to link an account. Each attempt has its own encrypted cookie,
//! which is valid for 10 min. The response to the callback deletes it.
//!
//! Each cookie has its own name, so that neither an attempt in a second tab nor a callback with the state of another
//! attempt affects it. The prefix `__Host-` requires the path `/`, so the browser sends the cookies with every request.
//! Their number is therefore limited to [`MAX_ATTEMPTS`].
//!
//! The cookie binds the callback to the browser that started the attempt. An attacker's page may send the browser of a
//! user to a callback with the attacker's code (login CSRF), but this browser has no matching cookie. The name of the
//! provider is associated data of the encryption, so an attempt that was started with one provider cannot be finished
//! with another (mix-up attack).

use aws_lc_rs::digest::{SHA256, digest};
use axum::http::HeaderMap;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cookie::Cookie;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::crypto::aead::Aead;
use crate::domain::id::{SessionId, Subject};
use crate::domain::secret::SecretText;
use crate::domain::social::{ATTEMPT_LIFETIME, AttemptPurpose, ProviderName, SignInAttempt};
use crate::domain::time::Timestamp;
use crate::http::context::{Http, HttpOptions};
use crate::http::extract::cookies::{self, CookieAttributes};
use crate::random::Random;

/// The maximum number of attempts in a browser, over all providers. The browser sends their cookies in every request
/// head, whose size is limited.
const MAX_ATTEMPTS: usize = 6;

/// Sets the cookie of an attempt, and deletes expired cookies and the oldest cookies above [`MAX_ATTEMPTS`].
pub fn with_attempt(mut response: Response, http: &Http, headers: &HeaderMap, attempt: &SignInAttempt) -> Response {
    let seal = &http.issuer.cookie_seal;
    let options = &http.options;
    for name in evicted_names(seal, headers, prefix(options), http.issuer.clock.now()) {
        CookieAttributes::of_site(options).remove(&mut response, &name);
    }
    let value = seal_attempt(seal, attempt, &http.issuer.random);
    let name = name(options, &attempt.provider, &attempt.state);
    CookieAttributes::of_site(options).set(&mut response, &name, &value, ATTEMPT_LIFETIME);
    response
}

/// Returns the attempt of this provider and state from the cookies. `None` if the browser has no such attempt. The
/// caller must still compare the state, because the cookie name contains only a short hash of it, and check the expiry.
pub fn find(http: &Http, headers: &HeaderMap, provider: &ProviderName, state: &SecretText) -> Option<SignInAttempt> {
    open(&http.issuer.cookie_seal, provider, &cookies::value(headers, &name(&http.options, provider, state))?)
}

/// Deletes the cookie of an attempt after its callback, whether or not the attempt succeeded. Cookies of other attempts
/// stay.
pub fn without_attempt(mut response: Response, http: &Http, attempt: &SignInAttempt) -> Response {
    let name = name(&http.options, &attempt.provider, &attempt.state);
    CookieAttributes::of_site(&http.options).remove(&mut response, &name);
    response
}

/// Returns the names of the cookies to delete before a new attempt is added: invalid and expired attempts, then the
/// oldest ones.
fn evicted_names(seal: &Aead, headers: &HeaderMap, prefix: &str, now: Timestamp) -> Vec<String> {
    let attempt = |cookie: Cookie<'_>| {
        let (provider, _) = cookie.name().strip_prefix(prefix)?.split_once('_')?;
        let attempt = open(seal, &ProviderName::parse(provider).ok()?, cookie.value());
        let started_at = attempt.filter(|attempt| attempt.is_live(now)).map(|attempt| attempt.started_at);
        Some((started_at, cookie.name().to_owned()))
    };
    let mut all: Vec<_> = cookies::all(headers).filter_map(attempt).collect();
    all.sort_unstable();
    let expired = all.iter().take_while(|(started_at, _)| started_at.is_none()).count();
    all.truncate(expired.max((all.len() + 1).saturating_sub(MAX_ATTEMPTS)));
    all.into_iter().map(|(_, name)| name).collect()
}

/// Returns the prefix of the cookie names. Over https it starts with `__Host-`, so that other hosts of the same domain
/// cannot set the cookies (RFC 6265bis §4.1.3.2).
fn prefix(options: &HttpOptions) -> &'static str {
    if options.public_url.is_https() { "__Host-social_" } else { "social_" }
}

/// Returns the cookie name of an attempt. It contains the first 4 bytes of the SHA-256 hash of the state. The state
/// itself is a secret of the browser and the provider.
fn name(options: &HttpOptions, provider: &ProviderName, state: &SecretText) -> String {
    let hash = digest(&SHA256, state.expose().as_bytes());
    let short = hash.as_ref().iter().take(4).fold(0_u32, |short, byte| (short << 8) | u32::from(*byte));
    format!("{}{provider}_{short:08x}", prefix(options))
}

/// Encrypts an attempt. The plaintext has one value per line; no value contains a line break.
fn seal_attempt(seal: &Aead, attempt: &SignInAttempt, random: &Random) -> String {
    let purpose = match attempt.purpose {
        AttemptPurpose::SignIn => String::new(),
        AttemptPurpose::Link { sub, session } => format!("{sub} {session}"),
    };
    let started_at = attempt.started_at.unix().to_string();
    let lines = [attempt.state.expose(), attempt.nonce.expose(), attempt.verifier.expose(), &started_at, &purpose];
    let text = Zeroizing::new(lines.join("\n"));
    URL_SAFE_NO_PAD.encode(seal.seal(&associated_data(&attempt.provider), text.as_bytes(), random))
}

/// Decrypts an attempt. Returns `None` if the cookie was not created by this issuer for this provider.
fn open(seal: &Aead, provider: &ProviderName, value: &str) -> Option<SignInAttempt> {
    let plain = seal.open(&associated_data(provider), &URL_SAFE_NO_PAD.decode(value).ok()?).ok()?;
    let text = std::str::from_utf8(plain.expose()).ok()?;
    let [state, nonce, verifier, started_at, purpose] = *text.split('\n').collect::<Vec<_>>() else { return None };
    let secret = |text: &str| SecretText::new(text.to_owned());
    Some(SignInAttempt {
        provider: provider.clone(),
        state: secret(state),
        nonce: secret(nonce),
        verifier: secret(verifier),
        started_at: Timestamp::from_unix(started_at.parse().ok()?),
        purpose: parse_purpose(purpose)?,
    })
}

fn parse_purpose(text: &str) -> Option<AttemptPurpose> {
    if text.is_empty() {
        return Some(AttemptPurpose::SignIn);
    }
    let (sub, session) = text.split_once(' ')?;
    let sub = Uuid::try_parse(sub).ok()?;
    let session = Uuid::try_parse(session).ok()?;
    Some(AttemptPurpose::Link { sub: Subject(sub), session: SessionId(session) })
}

fn associated_data(provider: &ProviderName) -> Vec<u8> {
    format!("social attempt {provider}").into_bytes()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::crypto::derive::{DerivedKeys, Use};

    fn attempt(purpose: AttemptPurpose) -> SignInAttempt {
        let secret = |text: &str| SecretText::new(text.to_owned());
        SignInAttempt {
            provider: ProviderName::parse("google").unwrap(),
            state: secret("the-state"),
            nonce: secret("the-nonce"),
            verifier: secret("the-verifier"),
            started_at: Timestamp::from_unix(1000),
            purpose,
        }
    }

    #[test]
    fn an_attempt_cookie_is_valid_only_for_its_provider() {
        let seal = Aead::new(&DerivedKeys::new(&[1; 32]), Use::CookieEncryption);
        let link = AttemptPurpose::Link { sub: Subject(Uuid::from_u128(1)), session: SessionId(Uuid::from_u128(2)) };
        for purpose in [AttemptPurpose::SignIn, link] {
            let attempt = attempt(purpose);
            let value = seal_attempt(&seal, &attempt, &Random::seeded(1));
            assert_eq!(open(&seal, &attempt.provider, &value), Some(attempt));
            assert_eq!(open(&seal, &ProviderName::parse("github").unwrap(), &value), None, "another provider");
            assert!(!value.contains("the-state"));
        }
    }

    #[test]
    fn expired_attempts_are_evicted_first_and_then_the_oldest() {
        let seal = Aead::new(&DerivedKeys::new(&[1; 32]), Use::CookieEncryption);
        let started = |at: i64| {
            let attempt = SignInAttempt { started_at: Timestamp::from_unix(at), ..attempt(AttemptPurpose::SignIn) };
            format!("social_google_{at}={}", seal_attempt(&seal, &attempt, &Random::seeded(1)))
        };
        let others = "jwt_token=x; social_google=x; social_=x; social_No_1=x".to_owned();
        let evicted = |cookies: &[String]| {
            let mut headers = HeaderMap::new();
            headers.insert("cookie", cookies.join("; ").parse().unwrap());
            evicted_names(&seal, &headers, "social_", Timestamp::from_unix(2000))
        };
        let five: Vec<String> = [1900, 1700, 1500, 1800, 1600].map(started).into();
        assert_eq!(evicted(&[five.clone(), vec![others]].concat()), [""; 0]);
        let seven = [five, vec![started(1501), started(1999)]].concat();
        assert_eq!(evicted(&seven), ["social_google_1500", "social_google_1501"]);
        let with_expired = [started(1400), started(1950), "social_github_1=x".to_owned()];
        assert_eq!(evicted(&with_expired), ["social_github_1", "social_google_1400"]);
    }

    #[test]
    fn a_foreign_attempt_cookie_is_ignored() {
        let seal = Aead::new(&DerivedKeys::new(&[1; 32]), Use::CookieEncryption);
        let others = Aead::new(&DerivedKeys::new(&[2; 32]), Use::CookieEncryption);
        let attempt = attempt(AttemptPurpose::SignIn);
        let foreign = seal_attempt(&others, &attempt, &Random::seeded(1));
        let short = URL_SAFE_NO_PAD.encode(seal.seal(&associated_data(&attempt.provider), b"a\nb", &Random::seeded(1)));
        for value in ["", "x", "not base64!", &foreign, &short] {
            assert_eq!(open(&seal, &attempt.provider, value), None, "{value}");
        }
    }
}
