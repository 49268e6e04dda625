//! Cryptography: keys, signatures, seals and hashes.
//!
//! It owns every use of the crypto library. It must not wait, ask what time it is, or know who calls it: dates and
//! chance are handed in. (The key folder has a clock of its own, for a change takes the time under its lock, and the hashing
//! pool one to measure itself.)

pub mod admin;
pub mod aead;
pub mod algorithm;
pub mod app_secret_proof;
pub mod certificate;
pub mod derive;
pub mod foreign_hash;
pub mod foreign_keys;
mod hash_memory;
mod hash_queue;
pub mod jwk;
pub mod key_dir;
pub mod key_pair;
pub mod key_ring;
pub mod password_hash;
pub mod pem;
pub mod refresh_token;
pub mod reset_hash;
pub mod sign;
mod stored_hash;
pub mod token;
mod uuid_cipher;
pub mod verify;

#[cfg(test)]
pub(crate) mod testing;
