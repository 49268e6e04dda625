//! What can be wrong with a value someone sent, in terms a dialect turns into its own words.

/// A field a caller fills in, named as on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// The name to sign in with.
    Username,
    /// The e-mail address.
    Email,
    /// A password, at sign-in or as a new one.
    Password,
    /// The new password of a reset.
    NewPassword,
    /// The code a reset mail carried.
    ResetCode,
}

impl Field {
    /// The field's usual name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Username => "username",
            Self::Email => "email",
            Self::Password => "password",
            Self::NewPassword => "new_password",
            Self::ResetCode => "reset_code",
        }
    }
}

/// Why a field's value is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldProblem {
    /// Not sent at all.
    #[error("is required")]
    Missing,
    /// Sent as something other than a text.
    #[error("must be a text")]
    NotText,
    /// Sent empty, or as nothing but white space.
    #[error("must not be empty")]
    Blank,
    /// Shorter than it may be.
    #[error("must have at least {min} bytes")]
    TooShort {
        /// The least number of bytes.
        min: usize,
    },
    /// Longer than it may be.
    #[error("must have at most {max} characters")]
    TooLong {
        /// The greatest number of characters.
        max: usize,
    },
    /// Longer than it may be, in bytes: a password's characters are nobody's business.
    #[error("must have at most {max} bytes")]
    TooManyBytes {
        /// The greatest number of bytes.
        max: usize,
    },
    /// Holds control characters, characters without a shape, or white space at its ends.
    #[error("must have no control characters and no spaces at its ends")]
    Unprintable,
    /// A user name that is an e-mail address other than the user's own.
    #[error("may be an e-mail address only if it is your own")]
    AnothersEmail,
    /// Not an e-mail address.
    #[error("must be an e-mail address")]
    NotAnEmail,
    /// A password that is among the first anyone would guess.
    #[error("is too common: choose one that is harder to guess")]
    Common,
    /// A new password that is the temporary one it should replace.
    #[error("must be another than the one you have")]
    Unchanged,
}
