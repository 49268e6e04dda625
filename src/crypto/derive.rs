//! The keys derived from the ring's secret. Each use has its own key.
//!
//! This module owns the labels. It returns keys only to other modules of `crypto/`: no derived key leaves `crypto/`.

use std::fmt;

use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use crate::domain::closed_set::closed_set;

closed_set! {
    /// The use of a derived key.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Use {
        /// The keyed hash of reset codes and of the tokens of reset links.
        ResetCode,
        /// Encryption of e-mails in the outbox.
        MailEncryption,
        /// Encryption of cookies.
        CookieEncryption,
        /// Encryption of data in links.
        LinkEncryption,
        /// Encryption of the tokens that sign-in providers issued.
        ProviderTokens,
        /// The cipher of the refresh UUIDs of `drf_pyjwt`.
        RefreshUuid,
        /// The cipher of the generation in the refresh UUIDs of sessions with a key.
        RefreshGeneration,
        /// The `jti` of signed refresh tokens.
        RefreshJti,
        /// Tokens against cross-site request forgery (CSRF).
        Csrf,
        /// The keyed hash by which the rate limits count user names that no user has.
        UnknownName,
    }
}

impl Use {
    /// The HKDF `info` (RFC 5869 §3.2). A changed label invalidates all data that its key has encrypted or
    /// authenticated, so labels stay even if a variant is renamed.
    const fn label(self) -> &'static str {
        match self {
            Self::ResetCode => "countersign/v1/reset-code",
            Self::MailEncryption => "countersign/v1/mail-seal",
            Self::CookieEncryption => "countersign/v1/cookie-seal",
            Self::LinkEncryption => "countersign/v1/link-seal",
            Self::ProviderTokens => "countersign/v1/provider-tokens",
            Self::RefreshUuid => "countersign/v1/refresh-uuid-cipher",
            Self::RefreshGeneration => "countersign/v1/refresh-uuid-generation",
            Self::RefreshJti => "countersign/v1/refresh-uuid",
            Self::Csrf => "countersign/v1/csrf",
            Self::UnknownName => "countersign/v1/unknown-name",
        }
    }
}

/// The source of all derived keys: the 32 bytes of `keys/secret`. They are wiped when dropped.
#[derive(Clone)]
pub struct DerivedKeys(Zeroizing<[u8; 32]>);

impl DerivedKeys {
    /// The length of the secret in bytes.
    pub const SECRET_LENGTH: usize = 32;

    /// Copies the secret.
    pub fn new(secret: &[u8; Self::SECRET_LENGTH]) -> Self {
        Self(Zeroizing::new(*secret))
    }

    /// The key for one use: HKDF-SHA256 (RFC 5869). No salt is needed, because the secret is uniformly random.
    pub(super) fn key(&self, purpose: Use) -> Zeroizing<[u8; 32]> {
        self.expand(&[purpose.label().as_bytes()])
    }

    /// The identifier of the key of one use. It is public and reveals nothing about the key.
    pub(super) fn key_id(&self, purpose: Use) -> [u8; 4] {
        let id = self.expand(&[purpose.label().as_bytes(), b"/id"]);
        [id[0], id[1], id[2], id[3]]
    }

    /// The HMAC-SHA256 key for one use.
    pub(super) fn mac_key(&self, purpose: Use) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &*self.key(purpose))
    }

    fn expand(&self, info: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        Salt::new(HKDF_SHA256, &[])
            .extract(&*self.0)
            .expand(info, HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut *key))
            .expect("HKDF-SHA256 can output 32 bytes");
        key
    }
}

impl fmt::Debug for DerivedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DerivedKeys(…)")
    }
}

/// HMAC-SHA256 of the concatenated parts.
pub(super) fn hmac_parts(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.sign().as_ref());
    out
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_use_has_its_own_stable_key() {
        let keys = DerivedKeys::new(&[7; 32]);
        let all: HashSet<[u8; 32]> = Use::ALL.iter().map(|purpose| *keys.key(*purpose)).collect();
        let ids: HashSet<[u8; 4]> = Use::ALL.iter().map(|purpose| keys.key_id(*purpose)).collect();
        assert_eq!((all.len(), ids.len()), (Use::ALL.len(), Use::ALL.len()));
        assert_eq!(keys.key(Use::Csrf), DerivedKeys::new(&[7; 32]).key(Use::Csrf));
        assert_ne!(keys.key(Use::Csrf), DerivedKeys::new(&[8; 32]).key(Use::Csrf));
    }

    /// Computes HKDF with plain HMACs (RFC 5869 §2). Data that is sealed today must be readable in every later version.
    #[test]
    fn a_key_is_hkdf_of_the_secret_and_the_label() {
        let sign = |key: &[u8], data: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data);
        let extracted = sign(&[0; 32], &[7; 32]);
        let expected = sign(extracted.as_ref(), b"countersign/v1/reset-code\x01");
        assert_eq!(&*DerivedKeys::new(&[7; 32]).key(Use::ResetCode), expected.as_ref());
    }

    #[test]
    fn debug_output_hides_the_secret() {
        assert_eq!(format!("{:?}", DerivedKeys::new(&[7; 32])), "DerivedKeys(…)");
    }
}
