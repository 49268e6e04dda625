//! Builds the issuer for commands that sign nothing. They open no private key, so they need no passphrase, and they
//! create no keys.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Result;

use super::{IssuerKeys, assemble, database, key_folder};
use crate::clock::Clock;
use crate::config::Config;
use crate::crypto::key_ring::{KeyRing, RingParts, RingVersion};
use crate::crypto::ring_contents::RingContents;
use crate::issuer::Issuer;
use crate::keys::KeySource;
use crate::random::Random;

/// Builds the issuer for commands that change users. It has no keys, and can prepare e-mails only if the secret can be
/// opened.
pub async fn build_for_users(config: &Config, clock: Clock, random: Random) -> Result<Arc<Issuer>> {
    let source = KeySource::Folder(key_folder(config, clock.clone(), random.clone()));
    let ring = KeyRing::new(
        RingParts {
            contents: RingContents::default(),
            loaded: HashMap::new(),
            version: RingVersion::new([0; RingVersion::LENGTH]),
            warnings: Vec::new(),
            default_algorithm: config.tokens.algorithm,
        },
        clock.now(),
    );
    let derived = source.derived_keys()?;
    let store = database::open_store(config)?;
    assemble(config, store, IssuerKeys { source, ring, derived }, clock, random).await
}

/// Builds the issuer for commands that verify tokens. It has the public keys.
pub async fn build_verifier(config: &Config, clock: Clock, random: Random) -> Result<Arc<Issuer>> {
    let source = KeySource::Folder(key_folder(config, clock.clone(), random.clone()));
    let ring = source.load_public()?;
    let store = database::open_when_possible(config)?;
    assemble(config, store, IssuerKeys { source, ring, derived: None }, clock, random).await
}
