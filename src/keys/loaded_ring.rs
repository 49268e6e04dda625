//! What a start loads.

use crate::crypto::derive::DerivedKeys;
use crate::crypto::key_ring::KeyRing;

/// The stored keys of an issuer, opened and tested.
#[derive(Debug)]
pub struct LoadedRing {
    /// The signing keys.
    pub ring: KeyRing,
    /// The source of all symmetric keys, which is stored beside the ring.
    pub derived_keys: DerivedKeys,
}
