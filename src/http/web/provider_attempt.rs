//! The cookies of attempts to sign in with a provider or to link an account. Each attempt has its own encrypted cookie,
//! which is valid for 10 min. The response to the callback deletes it.
//!
//! Each cookie has its own name, so that neither an attempt in a second tab nor a callback with the state of another
//! attempt affects it. The prefix `__Host-` requires the path `/`, so the browser sends the cookies with every request.
//! Their number is therefore limited to [`MAX_ATTEMPTS`].
//!
//! The cookie binds the callback to the browser that started the attempt. An attacker's page may send the browser of a
//! user to a callback with the attacker's code (login CSRF), but this browser has no matching cookie.

use axum::http::HeaderMap;
use axum::response::Response;

use crate::crypto::browser::BrowserKeys;
use crate::crypto::sign_in_attempt::{has_state, open_attempt, seal_attempt, short_state_hash};
use crate::domain::secret::SecretText;
use crate::domain::social::{ATTEMPT_LIFETIME, ProviderName, SignInAttempt};
use crate::domain::time::Timestamp;
use crate::http::context::{Http, HttpOptions};
use crate::http::extract::cookies::{self, CookieAttributes};

/// The maximum number of attempts in a browser, over all providers. The browser sends their cookies in every request
/// head, whose size is limited.
const MAX_ATTEMPTS: usize = 6;

/// Sets the cookie of an attempt, and deletes expired cookies and the oldest cookies above [`MAX_ATTEMPTS`].
pub fn with_attempt(mut response: Response, http: &Http, headers: &HeaderMap, attempt: &SignInAttempt) -> Response {
    let keys = &http.issuer.browser_keys;
    let options = &http.options;
    for name in evicted_names(keys, headers, prefix(options), http.issuer.clock.now()) {
        CookieAttributes::of_site(options).remove(&mut response, &name);
    }
    let value = seal_attempt(keys, attempt, &http.issuer.random);
    let name = name(options, &attempt.provider, &attempt.state);
    CookieAttributes::of_site(options).set(&mut response, &name, &value, ATTEMPT_LIFETIME);
    response
}

/// Returns the attempt of this provider and state from the cookies. `None` if the browser has no such attempt. The
/// caller must still check the expiry.
pub fn find(http: &Http, headers: &HeaderMap, provider: &ProviderName, state: &SecretText) -> Option<SignInAttempt> {
    let sealed = cookies::values(headers, &name(&http.options, provider, state));
    // The name of the cookie contains only a short hash of the state.
    let mut opened = sealed.into_iter().filter_map(|sealed| open_attempt(&http.issuer.browser_keys, provider, sealed));
    opened.find(|attempt| has_state(attempt, state))
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
fn evicted_names(keys: &BrowserKeys, headers: &HeaderMap, prefix: &str, now: Timestamp) -> Vec<String> {
    let attempt = |(name, value): (&str, &str)| {
        let (provider, _) = name.strip_prefix(prefix)?.split_once('_')?;
        let attempt = open_attempt(keys, &ProviderName::parse(provider).ok()?, value);
        let started_at = attempt.filter(|attempt| attempt.is_live(now)).map(|attempt| attempt.started_at);
        Some((started_at, name.to_owned()))
    };
    let mut all: Vec<_> = cookies::named(headers, prefix).filter_map(attempt).collect();
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

/// Returns the cookie name of an attempt.
fn name(options: &HttpOptions, provider: &ProviderName, state: &SecretText) -> String {
    format!("{}{provider}_{:08x}", prefix(options), short_state_hash(state))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::crypto::derive::DerivedKeys;
    use crate::domain::social::AttemptPurpose;
    use crate::random::Random;

    #[test]
    fn expired_attempts_are_evicted_first_and_then_the_oldest() {
        let keys = BrowserKeys::new(&DerivedKeys::new(&[1; 32]));
        let started = |at: i64| {
            let secret = |text: &str| SecretText::new(text.to_owned());
            let attempt = SignInAttempt {
                provider: ProviderName::parse("google").unwrap(),
                state: secret("the-state"),
                nonce: secret("the-nonce"),
                verifier: secret("the-verifier"),
                started_at: Timestamp::from_unix(at),
                purpose: AttemptPurpose::SignIn,
            };
            format!("social_google_{at}={}", seal_attempt(&keys, &attempt, &Random::seeded(1)))
        };
        let others = "jwt_token=x; social_google=x; social_=x; social_No_1=x".to_owned();
        let evicted = |cookies: &[String]| {
            let mut headers = HeaderMap::new();
            headers.insert("cookie", cookies.join("; ").parse().unwrap());
            evicted_names(&keys, &headers, "social_", Timestamp::from_unix(2000))
        };
        let five: Vec<String> = [1900, 1700, 1500, 1800, 1600].map(started).into();
        assert_eq!(evicted(&[five.clone(), vec![others]].concat()), [""; 0]);
        let seven = [five, vec![started(1501), started(1999)]].concat();
        assert_eq!(evicted(&seven), ["social_google_1500", "social_google_1501"]);
        let with_expired = [started(1400), started(1950), "social_github_1=x".to_owned()];
        assert_eq!(evicted(&with_expired), ["social_github_1", "social_google_1400"]);
    }
}
