//! The hash of a public document, from which its `ETag` follows.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The SHA-256 hash of the bytes of a public document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    /// Hashes a document.
    pub fn of(body: &[u8]) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, body).as_ref());
        Self(hash)
    }

    /// The strong `ETag` with its quotation marks (RFC 9110 §8.8.3): the first 128 bits of the hash.
    pub fn etag(&self) -> String {
        format!("\"{}\"", URL_SAFE_NO_PAD.encode(&self.0[..16]))
    }

    /// The first 64 bits of the hash, to compare two versions of a document.
    pub fn version(&self) -> u64 {
        self.0[..8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_etag_and_the_version_follow_the_bytes() {
        let [one, other] = [b"one".as_slice(), b"other"].map(ContentHash::of);
        assert_eq!((one.etag(), one.version()), (ContentHash::of(b"one").etag(), ContentHash::of(b"one").version()));
        assert_ne!((one.etag(), one.version()), (other.etag(), other.version()));
        assert_eq!(one.etag(), "\"dpLDrTVAu4A8Ags67mbNiA\"");
    }
}
