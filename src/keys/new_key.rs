//! Keys that are not in the ring yet: generated or imported, tested, and with their certificate.

use crate::crypto::certificate::self_signed;
use crate::crypto::key_error::KeyError;
use crate::crypto::key_pair::KeyPair;
use crate::crypto::ring_contents::PublicHalf;
use crate::domain::algorithm::Algorithm;
use crate::domain::key::Kid;
use crate::domain::time::Timestamp;

/// How new keys are made.
#[derive(Clone, Debug)]
pub struct NewKeyOptions {
    /// The algorithms for which a first start creates a key (`keys.algorithms`).
    pub algorithms: Vec<Algorithm>,
    /// The size of new RSA keys in bits: 2048, 3072 or 4096 (`keys.rsa_bits`).
    pub rsa_bits: u32,
    /// The name in new certificates: the host of the issuer.
    pub certificate_name: String,
}

/// A generated or imported key that is not in the ring yet.
pub(super) struct NewKey {
    /// The key pair.
    pub(super) pair: KeyPair,
    /// The public half with the certificate.
    pub(super) public: PublicHalf,
}

impl NewKey {
    /// Generates a key. An RSA key takes 20–1000 ms.
    pub(super) fn generate(alg: Algorithm, options: &NewKeyOptions, now: Timestamp) -> Result<Self, KeyError> {
        Self::new(KeyPair::generate(alg, options.rsa_bits)?, options, now)
    }

    /// Tests a key pair and makes its certificate.
    pub(super) fn new(pair: KeyPair, options: &NewKeyOptions, now: Timestamp) -> Result<Self, KeyError> {
        pair.self_test()?;
        let certificate = self_signed(&pair, &options.certificate_name, now)?;
        let public = PublicHalf::new(pair.public().clone(), certificate)?;
        Ok(Self { pair, public })
    }

    /// The `kid` of the key.
    pub(super) fn kid(&self) -> &Kid {
        self.pair.public().kid()
    }
}
