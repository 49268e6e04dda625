//! What the audit log says: who did what, when and from where. Never a secret, never a password's length.

use std::net::IpAddr;

use serde::Serialize;

use super::closed_set::closed_set;
use super::id::UserId;
use super::time::Timestamp;
use super::user::Username;

closed_set! {
    /// Something worth remembering.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
    #[serde(rename_all = "snake_case")]
    pub enum Action {
        /// An account was made.
        Registered = "registered",
        /// A session was opened.
        SignedIn = "signed_in",
        /// A session was ended by its owner.
        SignedOut = "signed_out",
        /// A spent refresh token was presented and its session ended.
        RefreshReused = "refresh_reused",
        /// The password was changed by its owner.
        PasswordChanged = "password_changed",
        /// The e-mail address was changed.
        EmailChanged = "email_changed",
        /// The user name was changed.
        UsernameChanged = "username_changed",
        /// A reset mail was asked for, or sent by an operator.
        ResetRequested = "reset_requested",
        /// The password was reset.
        PasswordReset = "password_reset",
        /// An account at a provider was linked, by its owner or at a first sign-in.
        SocialLinked = "social_linked",
        /// An account at a provider was unlinked.
        SocialUnlinked = "social_unlinked",
        /// A provider's access token was renewed.
        SocialRefreshed = "social_refreshed",
        /// An operator disabled the user.
        Disabled = "disabled",
        /// An operator enabled the user.
        Enabled = "enabled",
        /// An operator set the password.
        PasswordSet = "password_set",
        /// An operator set the claims.
        ClaimsSet = "claims_set",
        /// An operator deleted the user.
        Deleted = "deleted",
        /// An operator imported users, many in one line.
        Imported = "imported",
        /// An operator changed a runtime setting.
        SettingChanged = "setting_changed",
        /// An operator made a token by hand.
        TokenMinted = "token_minted",
        /// An operator changed a first or last name.
        NamesChanged = "names_changed",
        /// An operator gave or took the rights of staff or of a superuser.
        RightsChanged = "rights_changed",
        /// An operator ended sessions, one or all of a user's.
        SessionsEnded = "sessions_ended",
        /// An operator made a new signing key.
        KeyRotated = "key_rotated",
        /// An operator revoked a signing key.
        KeyRevoked = "key_revoked",
        /// An operator had a waiting mail tried at once.
        MailRetried = "mail_retried",
    }
}

impl Action {
    /// The action of that stored name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
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
    fn every_action_has_the_same_stored_and_displayed_name() {
        for action in Action::ALL {
            assert_eq!(serde_json::to_value(action).ok(), Some(action.name().into()));
            assert_eq!(Action::from_name(action.name()), Some(action));
        }
    }
}
