//! Key ids. A text that is not a thumbprint is never a `Kid`.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

/// The length of a thumbprint in characters: 32 bytes in base64url without padding.
const KID_LENGTH: usize = 43;

/// A key id: the key's RFC 7638 thumbprint (SHA-256, base64url). Its characters are safe in a file name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Kid(String);

/// The text is not an RFC 7638 thumbprint of 43 base64url characters.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a key id (43 characters of base64url)")]
pub struct NotAKid(pub String);

impl Kid {
    /// Parses a thumbprint. Rejects all other texts, so that a `kid` cannot name a file outside the key folder.
    pub fn parse(text: &str) -> Result<Self, NotAKid> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if text.len() == KID_LENGTH && text.bytes().all(is_allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAKid(text.to_owned()))
        }
    }

    /// A placeholder for the id of a key that does not exist yet. No real thumbprint is one repeated letter.
    pub(super) fn placeholder() -> Self {
        Self("A".repeat(KID_LENGTH))
    }

    /// The thumbprint's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for Kid {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<'de> Deserialize<'de> for Kid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn only_a_thumbprint_is_a_kid() {
        let valid = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
        assert_eq!(Kid::parse(valid).unwrap().as_str(), valid);
        for invalid in ["", "short", "../../../../../../etc/passwd..............", &"k".repeat(44), &"é".repeat(22)] {
            assert!(Kid::parse(invalid).is_err(), "{invalid}");
            assert!(serde_json::from_value::<Kid>(invalid.into()).is_err(), "{invalid}");
        }
    }
}
