//! The first superuser of an unattended installation: `[admin]`.

use super::reader::Reader;
use crate::domain::secret::SecretText;
use crate::domain::user::{Email, Username};

/// `[admin]`: the superuser that a start creates if there is no superuser.
#[derive(Clone, Debug)]
pub struct AdminConfig {
    /// The user name.
    pub username: Username,
    /// The e-mail address.
    pub email: Email,
    /// The password.
    pub password: SecretText,
}

impl AdminConfig {
    pub(super) fn read(r: &mut Reader) -> Option<Self> {
        let username = r.optional("admin.username", Username::parse);
        let email = r.optional("admin.email", Email::parse);
        let password = r.secret("admin.password");
        let set = [username.is_some(), email.is_some(), password.is_some()];
        r.require(
            &["admin.username", "admin.email", "admin.password"],
            set == [true; 3] || set == [false; 3],
            "the first superuser needs a user name, an e-mail address and a password; set all of admin.username, \
             admin.email and admin.password, or none of them",
        );
        Some(Self { username: username?, email: email?, password: password? })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use crate::config::Config;

    fn admin(toml: &str) -> Result<Option<super::AdminConfig>, String> {
        Config::from_toml(&format!("[admin]\n{toml}")).map(|config| config.admin).map_err(|error| error.to_string())
    }

    #[test]
    fn admin_credentials_are_complete_or_absent() {
        let whole = "username = 'root'\nemail = 'root@example.com'\npassword = 'hunter2hunter2'";
        let account = admin(whole).unwrap().unwrap();
        assert_eq!((account.username.as_str(), account.email.as_str()), ("root", "root@example.com"));
        assert_eq!(account.password.expose(), "hunter2hunter2");
        assert!(admin("").unwrap().is_none());
        for part in whole.lines() {
            let error = admin(part).unwrap_err();
            assert!(error.contains("set all of admin.username, admin.email and admin.password"), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert!(admin("username = ' '").unwrap_err().contains("must not be empty"));
    }
}
