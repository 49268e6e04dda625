//! Passwords in clear text, which are kept in memory as briefly as possible, and password hashes, which are stored.

use std::fmt;

use super::common_password::is_common;
use super::field::FieldProblem;
use super::secret::SecretText;

/// The maximum length of a password in bytes. Hashing longer passwords would only help attackers to cause load.
pub const PASSWORD_MAX: usize = 1024;

/// A password in clear text. `Debug` does not print it, and it is wiped when dropped.
#[derive(Clone, Debug)]
pub struct Password(SecretText);

impl Password {
    /// Wraps a password in clear text.
    pub fn new(text: String) -> Self {
        Self(SecretText::new(text))
    }

    /// The bytes of the password, only for hashing.
    pub fn expose(&self) -> &[u8] {
        self.0.expose().as_bytes()
    }

    /// Whether the length is 1 to [`PASSWORD_MAX`] bytes. A password of another length is wrong for every account.
    pub fn is_plausible(&self) -> bool {
        (1..=PASSWORD_MAX).contains(&self.expose().len())
    }
}

/// A password hash as a PHC string, or in the format of the system from which it was imported.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Wraps a hash from a hasher or from the database.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The stored form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// The rules for new passwords.
#[derive(Clone, Copy, Debug)]
pub struct PasswordPolicy {
    /// The minimum length in bytes, at least 8.
    pub min_length: usize,
    /// Whether common passwords are rejected.
    pub reject_common: bool,
}

impl PasswordPolicy {
    /// Checks a new password. `user_data` is the known data of the user, such as name and address. If `reject_common`
    /// is set, a password that consists of a word of this data counts as common.
    pub fn check(&self, password: &Password, user_data: &[&str]) -> Result<(), FieldProblem> {
        let text = password.0.expose();
        if text.is_empty() {
            return Err(FieldProblem::Blank);
        }
        if text.len() < self.min_length {
            return Err(FieldProblem::TooShort { min: self.min_length });
        }
        if text.len() > PASSWORD_MAX {
            return Err(FieldProblem::TooManyBytes { max: PASSWORD_MAX });
        }
        if self.reject_common && is_common(text, user_data) {
            return Err(FieldProblem::Common);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: PasswordPolicy = PasswordPolicy { min_length: 8, reject_common: true };

    fn check(policy: PasswordPolicy, text: &str) -> Result<(), FieldProblem> {
        policy.check(&Password::new(text.to_owned()), &["annabella"])
    }

    #[test]
    fn new_passwords_have_length_bounds() {
        let policy = PasswordPolicy { reject_common: false, ..STRICT };
        assert_eq!(check(policy, ""), Err(FieldProblem::Blank));
        assert_eq!(check(policy, "1234567"), Err(FieldProblem::TooShort { min: 8 }));
        assert_eq!(check(policy, "12345678"), Ok(()));
        assert_eq!(check(policy, &"é".repeat(512)), Ok(()));
        assert_eq!(check(policy, &"é".repeat(513)), Err(FieldProblem::TooManyBytes { max: PASSWORD_MAX }));
    }

    #[test]
    fn common_passwords_are_rejected_when_enabled() {
        for common in ["password", "12345678", "qwertyuiop", "Password1", "annabella"] {
            assert_eq!(check(STRICT, common), Err(FieldProblem::Common), "{common}");
        }
        assert_eq!(check(STRICT, "correct horse battery staple"), Ok(()));
    }

    #[test]
    fn debug_output_hides_password_and_hash() {
        let shown =
            format!("{:?} {:?}", Password::new("hunter2".into()), PasswordHash::from_stored("$argon2id$x".into()));
        assert!(!shown.contains("hunter2") && !shown.contains("argon2id"), "{shown}");
    }
}
