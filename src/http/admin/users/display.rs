//! The texts in which the pages show a user.

use crate::domain::user::{Email, User};

/// The e-mail address of a user. Empty if there is none.
pub fn email(user: &User) -> String {
    user.email.as_ref().map(Email::to_string).unwrap_or_default()
}

/// First and last name of a user. Empty if there is neither.
pub fn real_name(user: &User) -> String {
    format!("{} {}", user.first_name, user.last_name).trim().to_owned()
}
