//! The origin of a session: the interface through which it was opened.

use std::fmt;

use super::dialect::{Dialect, RefreshStyle};

/// What opened a session. The rules for the session's tokens, refreshes and end follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The API of a dialect, or an operator who minted tokens for users of that dialect.
    Dialect(Dialect),
}

impl Origin {
    /// Every origin.
    pub fn all() -> impl Iterator<Item = Self> {
        Dialect::ALL.into_iter().map(Self::Dialect)
    }

    /// The position in [`Origin::all`].
    pub const fn index(self) -> usize {
        match self {
            Self::Dialect(dialect) => dialect as usize,
        }
    }

    /// The stored name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dialect(dialect) => dialect.name(),
        }
    }

    /// How sessions of this origin get a new access token.
    pub const fn refresh_style(self) -> RefreshStyle {
        match self {
            Self::Dialect(dialect) => dialect.row().refresh,
        }
    }

    /// The origin with this stored name. `None` for an unknown name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::all().find(|origin| origin.name() == name)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_origin_has_a_unique_name_and_index() {
        for (index, origin) in Origin::all().enumerate() {
            assert_eq!((Origin::from_name(origin.name()), origin.index()), (Some(origin), index));
        }
        assert_eq!(Origin::from_name("device"), None);
    }
}
