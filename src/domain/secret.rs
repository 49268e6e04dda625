//! Types for secrets. They are wiped when dropped, and their content appears neither in `Debug` output nor in errors.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// A secret text, such as a passphrase, a client secret or an SMTP password.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, Deserialize)]
#[serde(transparent)]
pub struct SecretText(String);

impl SecretText {
    /// Wraps a text. The caller must not keep a copy.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret text. The caller must not log it or put it into an error message.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(…)")
    }
}

/// Serialises as `"…"`, because the effective settings are printed.
impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("…")
    }
}

/// Secret bytes, such as key material or decrypted files.
#[derive(Clone, Default)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Wraps bytes. The caller must not keep a copy.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The secret bytes. The caller must not log them or put them into an error message.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretBytes({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_hides_secrets() {
        let text = SecretText::new("hunter2".to_owned());
        assert_eq!(format!("{text:?}"), "SecretText(…)");
        assert_eq!(serde_json::to_string(&text).unwrap_or_default(), "\"…\"");
        assert_eq!(format!("{:?}", SecretBytes::new(vec![7; 3])), "SecretBytes(3 bytes)");
    }
}
