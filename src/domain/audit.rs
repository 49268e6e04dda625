//! What the audit log says: who did what, when and from where. Never a secret, never a password's length.

use std::net::IpAddr;

use serde::Serialize;

use super::id::UserId;
use super::time::Timestamp;
use super::user::Username;

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
    /// The e-mail address was changed.
    EmailChanged,
    /// The user name was changed.
    UsernameChanged,
    /// A reset mail was asked for, or sent by an operator.
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
    /// An operator changed a first or last name.
    NamesChanged,
    /// An operator gave or took the rights of staff or of a superuser.
    RightsChanged,
    /// An operator ended sessions, one or all of a user's.
    SessionsEnded,
    /// An operator made a new signing key.
    KeyRotated,
    /// An operator revoked a signing key.
    KeyRevoked,
    /// An operator had a waiting mail tried at once.
    MailRetried,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 23] = [
        Self::Registered,
        Self::SignedIn,
        Self::SignedOut,
        Self::RefreshReused,
        Self::PasswordChanged,
        Self::EmailChanged,
        Self::UsernameChanged,
        Self::ResetRequested,
        Self::PasswordReset,
        Self::Disabled,
        Self::Enabled,
        Self::PasswordSet,
        Self::ClaimsSet,
        Self::Deleted,
        Self::Imported,
        Self::SettingChanged,
        Self::TokenMinted,
        Self::NamesChanged,
        Self::RightsChanged,
        Self::SessionsEnded,
        Self::KeyRotated,
        Self::KeyRevoked,
        Self::MailRetried,
    ];

    /// The action of that stored name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }

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
            Self::NamesChanged => "names_changed",
            Self::RightsChanged => "rights_changed",
            Self::SessionsEnded => "sessions_ended",
            Self::KeyRotated => "key_rotated",
            Self::KeyRevoked => "key_revoked",
            Self::MailRetried => "mail_retried",
        }
    }
}

/// Who changes what is not theirs alone: users, sessions, settings, keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operator {
    /// Whoever may run the program on its machine.
    CommandLine,
    /// A superuser in the admin zone.
    Superuser {
        /// By id.
        id: UserId,
        /// By name.
        username: Username,
        /// From where.
        address: IpAddr,
    },
}

impl Operator {
    /// A line about what the operator did to a user's account, or to nobody's.
    pub fn entry(&self, at: Timestamp, action: Action, user: Option<UserId>, detail: String) -> AuditEntry {
        let (actor, address) = match self {
            Self::CommandLine => (None, None),
            Self::Superuser { id, address, .. } => (Some(*id), Some(*address)),
        };
        AuditEntry { at, action, user, actor, address, detail }
    }

    /// As whom a change is remembered beside what was changed.
    pub fn name(&self) -> &str {
        match self {
            Self::CommandLine => "the command line",
            Self::Superuser { username, .. } => username.as_str(),
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
    /// The superuser who did it; None for the account's owner and for the command line.
    pub actor: Option<UserId>,
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
    /// The superuser who did it, by id; None for the account's owner and for the command line.
    pub actor_id: Option<UserId>,
    /// The superuser who did it, by the name they had then.
    pub actor: Option<String>,
    /// From where.
    pub address: Option<IpAddr>,
    /// Anything else.
    pub detail: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_stored_under_the_name_it_is_shown_by() {
        for action in Action::ALL {
            assert_eq!(serde_json::to_value(action).ok(), Some(action.name().into()));
            assert_eq!(Action::from_name(action.name()), Some(action));
        }
    }
}
