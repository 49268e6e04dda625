//! The keys and hashes behind the cookies, forms and links of pages with a browser session.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::aead::Aead;
use super::derive::{DerivedKeys, Use, hmac_parts};
use crate::domain::browser_session::{BrowserToken, BrowserTokenHash};
use crate::domain::secret::SecretBytes;
use crate::random::Random;

/// Creates and verifies CSRF tokens, sealed cookies and sealed links. Only this issuer can create them.
pub struct BrowserKeys {
    csrf: hmac::Key,
    cookies: Aead,
    links: Aead,
}

impl BrowserKeys {
    /// Derives the keys.
    pub fn new(keys: &DerivedKeys) -> Self {
        Self {
            csrf: keys.mac_key(Use::Csrf),
            cookies: Aead::new(keys, Use::CookieEncryption),
            links: Aead::new(keys, Use::LinkEncryption),
        }
    }

    /// The CSRF token of a form. It proves that the server rendered the form for `binding`: the browser's session or
    /// cookie.
    pub fn csrf_token(&self, binding: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(hmac_parts(&self.csrf, &[binding]))
    }

    /// Whether a form's token is the CSRF token for `binding`. The comparison takes constant time.
    pub fn is_csrf_token(&self, binding: &[u8], presented: &str) -> bool {
        URL_SAFE_NO_PAD.decode(presented).is_ok_and(|tag| hmac::verify(&self.csrf, binding, &tag).is_ok())
    }

    /// Seals the value of a cookie and encodes it as base64url.
    pub fn seal_cookie(&self, purpose: &str, plain: &[u8], random: &Random) -> String {
        self.cookies.seal_text(purpose.as_bytes(), plain, random)
    }

    /// Opens a value that [`BrowserKeys::seal_cookie`] sealed for the same purpose. Returns `None` for any other value.
    pub fn open_cookie(&self, purpose: &str, sealed: &str) -> Option<SecretBytes> {
        self.cookies.open_text(purpose.as_bytes(), sealed)
    }

    /// Seals the data of a link and encodes it as base64url.
    pub fn seal_link(&self, purpose: &str, plain: &[u8], random: &Random) -> String {
        self.links.seal_text(purpose.as_bytes(), plain, random)
    }

    /// Opens data that [`BrowserKeys::seal_link`] sealed for the same purpose, or returns `None` for any other data.
    pub fn open_link(&self, purpose: &str, sealed: &str) -> Option<SecretBytes> {
        self.links.open_text(purpose.as_bytes(), sealed)
    }
}

impl fmt::Debug for BrowserKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BrowserKeys(…)")
    }
}

/// The hash of a session token, by which the store finds the session. A plain hash is enough: the token has 256 random
/// bits, which an attacker cannot guess.
pub fn hash(token: &BrowserToken) -> BrowserTokenHash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, token.expose()).as_ref());
    BrowserTokenHash(hash)
}

/// A fingerprint of the bytes: 128 bits of their SHA-256, as base64url.
pub fn fingerprint(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(&digest(&SHA256, bytes).as_ref()[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_csrf_token_is_valid_only_for_its_binding() {
        let keys = BrowserKeys::new(&DerivedKeys::new(&[1; 32]));
        let other = BrowserKeys::new(&DerivedKeys::new(&[2; 32]));
        let token = keys.csrf_token(b"session one");
        assert!(keys.is_csrf_token(b"session one", &token));
        assert!(!keys.is_csrf_token(b"session two", &token) && !other.is_csrf_token(b"session one", &token));
        for wrong in ["", "AAAA", &token[..42], &format!("{token}A"), &token.to_lowercase()] {
            assert!(!keys.is_csrf_token(b"session one", wrong), "{wrong}");
        }
    }

    #[test]
    fn a_sealed_cookie_opens_only_for_its_purpose() {
        let keys = BrowserKeys::new(&DerivedKeys::new(&[1; 32]));
        let random = Random::seeded(1);
        let cookie = keys.seal_cookie("one", b"plain", &random);
        let opened = keys.open_cookie("one", &cookie).map(|plain| plain.expose().to_vec());
        assert_eq!(opened, Some(b"plain".to_vec()));
        assert!(keys.open_cookie("two", &cookie).is_none() && keys.open_link("one", &cookie).is_none());
        assert!(keys.open_link("one", &keys.seal_link("one", b"plain", &random)).is_some());
    }
}
