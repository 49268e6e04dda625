//! What a start loads.

use crate::crypto::derive::DerivedKeys;
use crate::crypto::key_ring::KeyRing;

/// The keys of an issuer as they are stored.
#[derive(Debug)]
pub struct LoadedKeys {
    /// The signing keys.
    pub ring: KeyRing,
    /// The secret from which all symmetric keys are derived.
    pub secret: DerivedKeys,
}
