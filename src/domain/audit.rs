//! What the audit log says: who did what, when and from where. Never a secret, never a password's length.

use std::net::IpAddr;

use serde::Serialize;

use super::id::UserId;
use super::time::Timestamp;

/// Something worth remembering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// An account was made.
    Registered,
    /// A session was opened.
    SignedIn,
    /// A session was ended by its owner.
    SignedOut,
    /// A spent refresh token was presented and its session ended.
    RefreshReused,
    /// The password was changed by its owner.
    PasswordChanged,
    /// The e-mail address was changed by its owner.
    EmailChanged,
    /// The user name was changed by its owner.
    UsernameChanged,
    /// A reset mail was asked for.
    ResetRequested,
    /// The password was reset.
    PasswordReset,
    /// An account at a provider was linked, by its owner or at a first sign-in.
    SocialLinked,
    /// An account at a provider was unlinked.
    SocialUnlinked,
    /// A provider's access token was renewed.
    SocialRefreshed,
    /// An operator disabled the user.
    Disabled,
    /// An operator enabled the user.
    Enabled,
    /// An operator set the password.
    PasswordSet,
    /// An operator set the claims.
    ClaimsSet,
    /// An operator deleted the user.
    Deleted,
    /// An operator imported users, many in one line.
    Imported,
    /// An operator changed a runtime setting.
    SettingChanged,
    /// An operator made a token by hand.
    TokenMinted,
}

impl Action {
    /// The stored name, in snake case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::SignedIn => "signed_in",
            Self::SignedOut => "signed_out",
            Self::RefreshReused => "refresh_reused",
            Self::PasswordChanged => "password_changed",
            Self::EmailChanged => "email_changed",
            Self::UsernameChanged => "username_changed",
            Self::ResetRequested => "reset_requested",
            Self::PasswordReset => "password_reset",
            Self::SocialLinked => "social_linked",
            Self::SocialUnlinked => "social_unlinked",
            Self::SocialRefreshed => "social_refreshed",
            Self::Disabled => "disabled",
            Self::Enabled => "enabled",
            Self::PasswordSet => "password_set",
            Self::ClaimsSet => "claims_set",
            Self::Deleted => "deleted",
            Self::Imported => "imported",
            Self::SettingChanged => "setting_changed",
            Self::TokenMinted => "token_minted",
        }
    }
}

/// A line to be written to the log, in the transaction of what it tells.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// What.
    pub action: Action,
    /// Whose account; None where nobody's was found.
    pub user: Option<UserId>,
    /// From where; None for the command line.
    pub address: Option<IpAddr>,
    /// Anything else a reader would ask, in a few words.
    pub detail: String,
}

/// A line as it is read back.
#[derive(Clone, Debug, Serialize)]
pub struct AuditLine {
    /// When.
    pub at: Timestamp,
    /// The action's stored name.
    pub action: String,
    /// Whose account, by id.
    pub user_id: Option<UserId>,
    /// Whose account, by the name it had then.
    pub username: Option<String>,
    /// From where.
    pub address: Option<IpAddr>,
    /// Anything else.
    pub detail: String,
}
