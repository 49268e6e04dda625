//! The changes of an account of which its owner is notified by e-mail.

use std::fmt;

use super::audit::Action;
use super::social::ProviderName;

/// A change of an account. `Display` writes the sentence for the e-mail, which contains nothing that a caller chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountChange {
    /// The password was changed, reset or set.
    Password,
    /// The e-mail address was changed or removed.
    Email,
    /// The user name was changed.
    Username,
    /// An account at the provider was linked.
    Linked(ProviderName),
    /// An account at the provider was unlinked.
    Unlinked(ProviderName),
    /// The user became a superuser.
    SuperuserGranted,
    /// The user is no longer a superuser.
    SuperuserRemoved,
    /// The user signed in from a network without an earlier sign-in.
    NewNetwork,
}

impl AccountChange {
    /// The actions by which the audit log records changes of this kind.
    pub const fn actions(&self) -> &'static [Action] {
        match self {
            Self::Password => &[Action::PasswordChanged, Action::PasswordSet, Action::PasswordReset],
            Self::Email => &[Action::EmailChanged],
            Self::Username => &[Action::UsernameChanged],
            Self::Linked(_) => &[Action::SocialLinked],
            Self::Unlinked(_) => &[Action::SocialUnlinked],
            Self::SuperuserGranted | Self::SuperuserRemoved => &[Action::RightsChanged],
            Self::NewNetwork => &[Action::NewNetwork],
        }
    }
}

impl fmt::Display for AccountChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password => f.write_str("The password was changed."),
            Self::Email => f.write_str("The e-mail address was changed. This e-mail goes to the previous address."),
            Self::Username => f.write_str("The user name was changed."),
            Self::Linked(provider) => write!(f, "An account at {provider} was linked, so that it opens this account."),
            Self::Unlinked(provider) => write!(f, "The account at {provider} was unlinked."),
            Self::SuperuserGranted => f.write_str("The account was given superuser rights."),
            Self::SuperuserRemoved => f.write_str("The superuser rights of the account were removed."),
            Self::NewNetwork => f.write_str("There was a sign-in from a new network."),
        }
    }
}
