//! How a user authenticated, as OpenID Connect reports it.

use super::closed_set::closed_set;

closed_set! {
    /// The combination of methods by which this server authenticated a user: the `amr` values of RFC 8176 §2, separated
    /// by spaces.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Amr {
        /// A password.
        Password = "pwd",
    }
}

impl Amr {
    /// The combination with this stored text. `None` for an unknown text.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|amr| amr.name() == name)
    }
}
