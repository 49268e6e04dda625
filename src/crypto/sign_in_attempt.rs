//! Sealing of an attempt to sign in with a provider, which a cookie of the browser carries to the callback.
//!
//! The name of the provider is associated data of the encryption, so an attempt that was started with one provider
//! cannot be finished with another (mix-up attack).

use aws_lc_rs::digest::{SHA256, digest};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::browser::BrowserKeys;
use crate::domain::id::{SessionId, Subject};
use crate::domain::secret::SecretText;
use crate::domain::social::{AttemptPurpose, ProviderName, SignInAttempt};
use crate::domain::time::Timestamp;
use crate::random::Random;

/// Returns the first 4 bytes of the SHA-256 hash of a state. The state itself is a secret of the browser and the
/// provider.
pub fn short_state_hash(state: &SecretText) -> u32 {
    let hash = digest(&SHA256, state.expose().as_bytes());
    hash.as_ref().iter().take(4).fold(0, |short, byte| (short << 8) | u32::from(*byte))
}

/// Whether a callback has the state of the attempt. The comparison takes constant time.
pub fn has_state(attempt: &SignInAttempt, state: &SecretText) -> bool {
    attempt.state.expose().as_bytes().ct_eq(state.expose().as_bytes()).into()
}

/// Seals an attempt as the value of a cookie. The plaintext has one value per line; no value contains a line break.
pub fn seal_attempt(keys: &BrowserKeys, attempt: &SignInAttempt, random: &Random) -> String {
    let purpose = match attempt.purpose {
        AttemptPurpose::SignIn => String::new(),
        AttemptPurpose::Link { sub, session } => format!("{sub} {session}"),
    };
    let started_at = attempt.started_at.unix().to_string();
    let lines = [attempt.state.expose(), attempt.nonce.expose(), attempt.verifier.expose(), &started_at, &purpose];
    let text = Zeroizing::new(lines.join("\n"));
    keys.seal_cookie(&purpose_of(&attempt.provider), text.as_bytes(), random)
}

/// Opens a sealed attempt. Returns `None` if the value was not sealed by this issuer for this provider.
pub fn open_attempt(keys: &BrowserKeys, provider: &ProviderName, value: &str) -> Option<SignInAttempt> {
    let plain = keys.open_cookie(&purpose_of(provider), value)?;
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

fn purpose_of(provider: &ProviderName) -> String {
    format!("social attempt {provider}")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::crypto::derive::DerivedKeys;

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
    fn a_sealed_attempt_is_valid_only_for_its_provider() {
        let keys = BrowserKeys::new(&DerivedKeys::new(&[1; 32]));
        let link = AttemptPurpose::Link { sub: Subject(Uuid::from_u128(1)), session: SessionId(Uuid::from_u128(2)) };
        for purpose in [AttemptPurpose::SignIn, link] {
            let attempt = attempt(purpose);
            let value = seal_attempt(&keys, &attempt, &Random::seeded(1));
            assert_eq!(open_attempt(&keys, &attempt.provider, &value), Some(attempt));
            assert_eq!(open_attempt(&keys, &ProviderName::parse("github").unwrap(), &value), None, "another provider");
            assert!(!value.contains("the-state"));
        }
    }

    #[test]
    fn a_foreign_attempt_is_not_opened() {
        let keys = BrowserKeys::new(&DerivedKeys::new(&[1; 32]));
        let others = BrowserKeys::new(&DerivedKeys::new(&[2; 32]));
        let attempt = attempt(AttemptPurpose::SignIn);
        let foreign = seal_attempt(&others, &attempt, &Random::seeded(1));
        let short = keys.seal_cookie(&purpose_of(&attempt.provider), b"a\nb", &Random::seeded(1));
        for value in ["", "x", "not base64!", &foreign, &short] {
            assert_eq!(open_attempt(&keys, &attempt.provider, value), None, "{value}");
        }
    }

    #[test]
    fn only_the_whole_state_matches() {
        let attempt = attempt(AttemptPurpose::SignIn);
        for (state, matches) in [("the-state", true), ("the-stat", false), ("the-statE", false), ("", false)] {
            assert_eq!(has_state(&attempt, &SecretText::new(state.to_owned())), matches, "{state}");
        }
    }
}
