//! Encrypts a provider's tokens for storage. The associated data contains the provider, the account and the kind of
//! token, so that a token copied to another row cannot be decrypted.

use crate::domain::secret::SecretText;
use crate::domain::social::{ProviderName, SealedToken, SocialAccount, SocialIdentity, SocialTokens};
use crate::domain::time::Timestamp;
use crate::issuer::context::Issuer;

/// The kind of a provider's token.
#[derive(Clone, Copy, Debug)]
pub enum ProviderTokenKind {
    Access,
    Refresh,
}

/// The sealed tokens of a provider.
#[derive(Clone, Debug)]
pub struct SealedTokens {
    pub access: SealedToken,
    pub refresh: Option<SealedToken>,
    pub expires_at: Option<Timestamp>,
}

/// Seals the tokens of an identity.
pub fn seal_identity(issuer: &Issuer, identity: &SocialIdentity) -> SealedTokens {
    seal(issuer, &identity.provider, &identity.social_id, &identity.tokens)
}

/// Seals a provider's tokens for an account.
pub fn seal(issuer: &Issuer, provider: &ProviderName, social_id: &str, tokens: &SocialTokens) -> SealedTokens {
    let seal_one = |kind, token: &SecretText| {
        let plain = token.expose().as_bytes();
        SealedToken(issuer.provider_seal.seal(&purpose(kind, provider, social_id), plain, &issuer.random))
    };
    SealedTokens {
        access: seal_one(ProviderTokenKind::Access, &tokens.access),
        refresh: tokens.refresh.as_ref().map(|token| seal_one(ProviderTokenKind::Refresh, token)),
        expires_at: tokens.expires_at,
    }
}

/// Opens a sealed token of an account. If it was sealed with another `keys/secret`, the failure is logged, and `None`
/// is returned as for a missing token.
///
/// The next sign-in stores a new access token. It stores a new refresh token only if the provider issues one at each
/// sign-in; Google issues it only at the first consent.
pub fn open(issuer: &Issuer, account: &SocialAccount, kind: ProviderTokenKind) -> Option<SecretText> {
    let sealed = match kind {
        ProviderTokenKind::Access => account.access.as_ref(),
        ProviderTokenKind::Refresh => account.refresh.as_ref(),
    };
    let opened = issuer.provider_seal.open(&purpose(kind, &account.provider, &account.social_id), &sealed?.0);
    match opened {
        Ok(plain) => String::from_utf8(plain.expose().to_vec()).ok().map(SecretText::new),
        Err(error) => {
            tracing::warn!(user = %account.user, provider = %account.provider, %error, "provider token not decrypted");
            None
        }
    }
}

/// Returns the associated data of a token. A provider's name contains no NUL, so the associated data of two accounts
/// always differs.
pub(in crate::issuer) fn purpose(kind: ProviderTokenKind, provider: &ProviderName, social_id: &str) -> Vec<u8> {
    let kind = match kind {
        ProviderTokenKind::Access => "access",
        ProviderTokenKind::Refresh => "refresh",
    };
    [kind, provider.as_str(), social_id].join("\0").into_bytes()
}
