//! What an import skips, and why.

use crate::crypto::foreign_hash::HashProblem;
use crate::domain::field::FieldProblem;
use crate::domain::id::UserId;
use crate::domain::import::value::UnreadableField;
use crate::domain::social::ProviderName;
use crate::domain::user_record::InvalidRecord;

/// A skipped record, or a skipped part of one.
#[derive(Debug, PartialEq, Eq)]
pub struct ImportNote {
    /// The number of the line or row.
    pub number: u64,
    /// The id in the record; `None` if it has none or cannot be read.
    pub id: Option<UserId>,
    /// The user name in the record, else the name that the user got; `None` if the record cannot be read.
    pub username: Option<String>,
    /// What was skipped, and why.
    pub reason: SkipReason,
}

/// What was skipped, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SkipReason {
    /// The whole record: it cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// The whole record: it breaks a rule.
    #[error("{0}")]
    InvalidRecord(#[from] InvalidRecord),
    /// The whole record: another user has its id.
    #[error("the user {0} has this id")]
    Id(String),
    /// The whole record: another user has its UUID.
    #[error("the user {0} has this sub")]
    Sub(String),
    /// The whole record: the user exists with another UUID, which is the `sub` of the user's tokens.
    #[error("the user {0} exists with another sub")]
    OtherSub(String),
    /// The whole record: its user name and its address are already the user name or the e-mail address of another user.
    #[error("this user name is already the user name or the e-mail address of another user")]
    Name,
    /// The user name. The user was imported with another one.
    #[error("imported with the user name {name}: {problem}")]
    Renamed {
        /// The name that the user got.
        name: String,
        /// Why the user could not keep the name.
        problem: NameProblem,
    },
    /// A field: it cannot be read. The user was imported without it.
    #[error("imported without {}: {}", .0.name, .0.problem)]
    Field(UnreadableField),
    /// The address: it is invalid. The user was imported without it.
    #[error("imported without e-mail address: it {0}")]
    WrongEmail(FieldProblem),
    /// The address: another user has it. The user was imported without it.
    #[error("imported without e-mail address: it is already the user name or the e-mail address of another user")]
    TakenEmail,
    /// The hash. The user was imported without a password, and can set one with a password reset.
    #[error("imported without password: {0}")]
    Hash(HashProblem),
    /// An account at a provider. The user was imported without it.
    #[error("imported without the account at {provider}: {problem}")]
    Account {
        /// The provider.
        provider: ProviderName,
        /// Why it was skipped.
        problem: AccountProblem,
    },
    /// Accounts at providers whose names or ids have no valid form. The user was imported without them.
    #[error("imported without {0} provider accounts: the name of the provider or the id is not valid")]
    InvalidAccounts(usize),
}

/// Why an imported user could not keep the user name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameProblem {
    /// There is no user name and no usable e-mail address.
    #[error("it has neither a user name nor a usable e-mail address")]
    Missing,
    /// The user name breaks a rule.
    #[error("the user name {0}")]
    Invalid(FieldProblem),
    /// Another user has the name.
    #[error("the user name is already the user name or the e-mail address of another user")]
    Taken,
}

/// Why an account at a provider was not imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountProblem {
    /// It is linked to another user.
    #[error("it belongs to another user")]
    OfOther,
    /// The user has another account at the same provider.
    #[error("the user has another account there")]
    Second,
}

impl SkipReason {
    /// Whether the user was not imported at all.
    pub fn is_whole_record(&self) -> bool {
        match self {
            Self::Unreadable(_)
            | Self::InvalidRecord(_)
            | Self::Id(_)
            | Self::Sub(_)
            | Self::OtherSub(_)
            | Self::Name => true,
            Self::Renamed { .. }
            | Self::Field(_)
            | Self::WrongEmail(_)
            | Self::TakenEmail
            | Self::Hash(_)
            | Self::Account { .. }
            | Self::InvalidAccounts(_) => false,
        }
    }

    /// Whether the user was imported without the address.
    pub fn is_address(&self) -> bool {
        match self {
            Self::WrongEmail(_) | Self::TakenEmail => true,
            Self::Field(field) => field.name == "email",
            _ => false,
        }
    }

    /// How many accounts at providers were skipped.
    pub fn accounts(&self) -> usize {
        match self {
            Self::Account { .. } => 1,
            Self::InvalidAccounts(count) => *count,
            _ => 0,
        }
    }
}
