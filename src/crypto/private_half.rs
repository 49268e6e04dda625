//! Private keys in the parsed form of the crypto library. Only `key_pair` signs with them.

use aws_lc_rs::signature::{EcdsaKeyPair, RsaKeyPair};

/// A private key in the parsed form of the crypto library. The RSA key is boxed because it is much larger.
pub(super) enum PrivateHalf {
    Ec(EcdsaKeyPair),
    Rsa(Box<RsaKeyPair>),
}
