//! The random bytes in a session's row from which its refresh UUIDs are derived. No token shows them.

use std::fmt;

/// The key of a session's refresh UUIDs. Without it, neither `keys/secret` nor the session's id helps to make one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RefreshKey {
    bytes: [u8; Self::LENGTH],
    from: u32,
}

impl RefreshKey {
    /// The length of the key in bytes.
    pub const LENGTH: usize = 16;

    /// A key that consists of random bytes. `from` is the first generation whose refresh UUID is derived with it: 0,
    /// unless the session was opened before sessions had keys.
    pub const fn new(bytes: [u8; Self::LENGTH], from: u32) -> Self {
        Self { bytes, from }
    }

    /// The random bytes. The caller must not log them or put them into an error message.
    pub fn expose(&self) -> &[u8; Self::LENGTH] {
        &self.bytes
    }

    /// The first generation whose refresh UUID is derived with the key.
    pub fn from(&self) -> u32 {
        self.from
    }
}

impl fmt::Debug for RefreshKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RefreshKey(from: {})", self.from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_hides_the_key() {
        assert_eq!(format!("{:?}", RefreshKey::new([7; 16], 3)), "RefreshKey(from: 3)");
    }
}
