//! Changes that users make to their own accounts: `[accounts]`.

use super::reader::Reader;

/// `[accounts]`
#[derive(Clone, Debug)]
pub struct AccountsConfig {
    /// Whether ordinary users change the password, the address and the linked accounts with an access token alone. If
    /// not, they also need the current password or a sign-in in the last 5 minutes. Superusers never use it.
    pub bare_changes: bool,
}

impl AccountsConfig {
    pub(super) fn read(r: &mut Reader) -> Self {
        Self { bare_changes: r.flag("accounts.bare_changes", false) }
    }
}
