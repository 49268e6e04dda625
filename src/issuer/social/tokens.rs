//! A provider's tokens at rest: each sealed for one account at one provider and one kind of token, so that no row's
//! token opens in another row's place.

use crate::domain::secret::SecretText;
use crate::domain::social::{ProviderName, SealedToken, SocialAccount, SocialIdentity, SocialTokens};
use crate::domain::time::Timestamp;
use crate::issuer::Issuer;

/// Which of the two.
#[derive(Clone, Copy, Debug)]
pub enum ProviderTokenKind {
    Access,
    Refresh,
}

/// What a provider gave, sealed.
#[derive(Clone, Debug)]
pub struct SealedTokens {
    pub access: SealedToken,
    pub refresh: Option<SealedToken>,
    pub expires_at: Option<Timestamp>,
}

/// Seals what came with an identity.
pub fn seal_identity(issuer: &Issuer, identity: &SocialIdentity) -> SealedTokens {
    seal(issuer, &identity.provider, &identity.social_id, &identity.tokens)
}

/// Seals what a provider gave for an account.
pub fn seal(issuer: &Issuer, provider: &ProviderName, social_id: &str, tokens: &SocialTokens) -> SealedTokens {
    let one = |kind, token: &SecretText| {
        let plain = token.expose().as_bytes();
        SealedToken(issuer.provider_seal.seal(&purpose(kind, provider, social_id), plain, &issuer.random))
    };
    SealedTokens {
        access: one(ProviderTokenKind::Access, &tokens.access),
        refresh: tokens.refresh.as_ref().map(|token| one(ProviderTokenKind::Refresh, token)),
        expires_at: tokens.expires_at,
    }
}

/// Opens a token of an account. One that does not open (sealed under another `keys/secret`) is as good as none, and the
/// operator is told. The next sign-in brings another access token; another refresh token comes only where the provider
/// gives one each time. Google gives it at the first consent alone.
pub fn open(issuer: &Issuer, account: &SocialAccount, kind: ProviderTokenKind) -> Option<SecretText> {
    let sealed = match kind {
        ProviderTokenKind::Access => account.access.as_ref(),
        ProviderTokenKind::Refresh => account.refresh.as_ref(),
    };
    let opened = issuer.provider_seal.open(&purpose(kind, &account.provider, &account.social_id), &sealed?.0);
    match opened {
        Ok(plain) => String::from_utf8(plain.expose().to_vec()).ok().map(SecretText::new),
        Err(error) => {
            tracing::warn!(user = %account.user, provider = %account.provider, %error, "a provider's token can't be opened");
            None
        }
    }
}

/// What is authenticated with a token. A provider's name holds no NUL: no two accounts share a purpose.
fn purpose(kind: ProviderTokenKind, provider: &ProviderName, social_id: &str) -> Vec<u8> {
    let kind = match kind {
        ProviderTokenKind::Access => "access",
        ProviderTokenKind::Refresh => "refresh",
    };
    [kind, provider.as_str(), social_id].join("\0").into_bytes()
}
