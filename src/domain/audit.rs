//! Entries of the audit log: who did what, when and from which address. An entry never contains a secret or the length
//! of a password.

use std::net::IpAddr;

use serde::Serialize;

use super::closed_set::closed_set;
use super::id::UserId;
use super::time::Timestamp;
use super::user::Username;

closed_set! {
    /// An action that the audit log records.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
    #[serde(rename_all = "snake_case")]
    pub enum Action {
        /// An account was created.
        Registered = "registered",
        /// A session was opened, in a dialect or in the admin zone.
        SignedIn = "signed_in",
        /// A sign-in with a password failed, or several did, which the detail counts.
        SignInFailed = "sign_in_failed",
        /// A session was opened from a network without an earlier sign-in. Recorded only if its notice is enabled.
        NewNetwork = "new_network",
        /// A user signed out, from a session or from the admin zone.
        SignedOut = "signed_out",
        /// An invalidated refresh token was presented, and its session ended.
        RefreshReused = "refresh_reused",
        /// The previous refresh token was presented within the grace period by another network than the one that rotated
        /// it, and was answered.
        RefreshRepeatedElsewhere = "refresh_repeated_elsewhere",
        /// An authentic refresh token of a generation that its session has not reached was presented.
        RefreshAhead = "refresh_ahead",
        /// The user changed the password.
        PasswordChanged = "password_changed",
        /// The user requested another e-mail address, or withdrew such a request.
        EmailChangeRequested = "email_change_requested",
        /// An e-mail with a link was queued to confirm the user's address.
        EmailConfirmationSent = "email_confirmation_sent",
        /// The e-mail address was verified: by the link in an e-mail, or by an operator.
        EmailVerified = "email_verified",
        /// The e-mail address was changed.
        EmailChanged = "email_changed",
        /// The user name was changed.
        UsernameChanged = "username_changed",
        /// A caller requested a reset e-mail for the account, or an operator sent one.
        ResetRequested = "reset_requested",
        /// The password was reset.
        PasswordReset = "password_reset",
        /// An account at a provider was linked, by the user or at a first sign-in.
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
        /// An operator imported users. One entry covers many users.
        Imported = "imported",
        /// An upgrade found another user with the same name or address. Both can still sign in.
        DuplicateFound = "duplicate_found",
        /// An operator changed a runtime setting.
        SettingChanged = "setting_changed",
        /// An operator minted a token.
        TokenMinted = "token_minted",
        /// An operator changed a first or last name.
        NamesChanged = "names_changed",
        /// An operator granted or removed staff or superuser rights.
        RightsChanged = "rights_changed",
        /// An operator ended one session or all sessions of a user.
        SessionsEnded = "sessions_ended",
        /// A new signing key was created, by an operator or by `keys.rotate_every`.
        KeyRotated = "key_rotated",
        /// An operator revoked a signing key.
        KeyRevoked = "key_revoked",
        /// A key that is no longer needed was removed from the ring.
        KeyPruned = "key_pruned",
        /// An operator changed or removed the passphrase of the private keys and the secret.
        PassphraseChanged = "passphrase_changed",
        /// An operator renewed the secret, which ended all sessions and links.
        SecretRenewed = "secret_renewed",
        /// An operator sent a test e-mail.
        MailTested = "mail_tested",
        /// An operator requested an immediate retry of a waiting e-mail.
        MailRetried = "mail_retried",
    }
}

impl Action {
    /// The action with this stored name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }
}

/// An operator: the actor of changes to users, sessions, settings and keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operator {
    /// The operator who runs the program on the server's machine.
    CommandLine,
    /// The operator who set `keys.rotate_every`, by which the server rotates keys.
    RotateEvery,
    /// The operator who started a server that found no keys.
    FirstStart,
    /// A superuser in the admin zone.
    Superuser {
        /// The superuser's id.
        id: UserId,
        /// The superuser's name.
        username: Username,
        /// The address the superuser calls from.
        address: IpAddr,
    },
}

impl Operator {
    /// An audit entry for an action of this operator. `user` is the affected account, if there is one.
    pub fn entry(&self, at: Timestamp, action: Action, user: Option<UserId>, detail: String) -> AuditEntry {
        let (actor, address) = match self {
            Self::CommandLine | Self::RotateEvery | Self::FirstStart => (None, None),
            Self::Superuser { id, address, .. } => (Some(*id), Some(*address)),
        };
        AuditEntry { at, action, user, actor, address, detail }
    }

    /// The name in log lines, which is also stored with a changed setting.
    pub fn name(&self) -> &str {
        match self {
            Self::CommandLine => "the command line",
            Self::RotateEvery => "keys.rotate_every",
            Self::FirstStart => "the first start",
            Self::Superuser { username, .. } => username.as_str(),
        }
    }
}

/// An entry to be written to the audit log, in the same transaction as the action it records. Actions outside the
/// database, such as changes of keys, cannot be part of a transaction: their entries are written in a separate one.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    /// When the action happened.
    pub at: Timestamp,
    /// The action.
    pub action: Action,
    /// The affected account. `None` if no account is affected or none was found.
    pub user: Option<UserId>,
    /// The superuser who acted. `None` if the user, the command line or `keys.rotate_every` acted.
    pub actor: Option<UserId>,
    /// The address of the actor. `None` for the command line and `keys.rotate_every`.
    pub address: Option<IpAddr>,
    /// Further details as a short text.
    pub detail: String,
}

impl AuditEntry {
    /// An entry for an action of a user, or of a caller who names no existing account. [`Operator::entry`] makes the
    /// entries for actions of operators. `user` is the affected account, `address` that of the caller.
    pub fn by_user(
        at: Timestamp,
        action: Action,
        user: impl Into<Option<UserId>>,
        address: impl Into<Option<IpAddr>>,
        detail: impl Into<String>,
    ) -> Self {
        Self { at, action, user: user.into(), actor: None, address: address.into(), detail: detail.into() }
    }
}

/// An audit entry as the store returns it.
#[derive(Clone, Debug, Serialize)]
pub struct AuditLine {
    /// When the action happened.
    pub at: Timestamp,
    /// The stored name of the action.
    pub action: String,
    /// The id of the affected account.
    pub user_id: Option<UserId>,
    /// The name that the affected account had at that time.
    pub username: Option<String>,
    /// The id of the superuser who acted. `None` if the user, the command line or `keys.rotate_every` acted.
    pub actor_id: Option<UserId>,
    /// The name that the superuser had at that time.
    pub actor: Option<String>,
    /// The address of the actor.
    pub address: Option<IpAddr>,
    /// Further details.
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
