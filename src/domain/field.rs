//! The fields a caller sends and the problems they may have. Each dialect translates a problem into its own error text.

/// A field that a caller sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// The user name.
    Username,
    /// The e-mail address.
    Email,
    /// A password, at sign-in or as a new one.
    Password,
    /// The current password, which permits a change of the account.
    CurrentPassword,
    /// The new password of a reset.
    NewPassword,
    /// The code from a reset e-mail.
    ResetCode,
}

impl Field {
    /// The field's usual name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Username => "username",
            Self::Email => "email",
            Self::Password => "password",
            Self::CurrentPassword => "current_password",
            Self::NewPassword => "new_password",
            Self::ResetCode => "reset_code",
        }
    }
}

/// Why a field's value is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldProblem {
    /// The field was not sent.
    #[error("is required")]
    Missing,
    /// The value is not a string.
    #[error("must be a string")]
    NotText,
    /// The value is empty or only white space.
    #[error("must not be empty")]
    Blank,
    /// The password is too short, measured in bytes.
    #[error("must have at least {min} bytes")]
    TooShort {
        /// The minimum number of bytes.
        min: usize,
    },
    /// The value is too long, measured in characters.
    #[error("must have at most {max} characters")]
    TooLong {
        /// The maximum number of characters.
        max: usize,
    },
    /// The password is too long, measured in bytes.
    #[error("must have at most {max} bytes")]
    TooManyBytes {
        /// The maximum number of bytes.
        max: usize,
    },
    /// The value contains control characters or invisible characters.
    #[error("must not contain control characters or invisible characters")]
    Unprintable,
    /// The value is a role name that contains white space, a comma or a control character.
    #[error("must not contain spaces, commas or control characters")]
    NotARoleName,
    /// The value is a user name that is an e-mail address other than the user's own.
    #[error("may be an e-mail address only if it is your own")]
    AnothersEmail,
    /// The value is not an e-mail address.
    #[error("must be a valid e-mail address")]
    NotAnEmail,
    /// The value is a password that attackers guess first.
    #[error("is too common; choose one that is harder to guess")]
    Common,
    /// The new password equals the temporary password that it should replace.
    #[error("must differ from the current password")]
    Unchanged,
}
