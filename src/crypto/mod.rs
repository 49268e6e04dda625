//! Cryptography: keys, signatures, encryption and hashes.
//!
//! It owns key pairs, the key ring, signing and verification, encryption, password hashing and the only token parser.
//!
//! It must not read the time or depend on its callers: times and random values are passed in. There are two
//! exceptions. The hashing pool has a clock to measure its jobs. The crypto library uses its own random source to
//! generate keys and to sign.

pub mod aead;
pub mod algorithm;
pub mod app_secret_proof;
pub mod browser;
pub mod ca_certificates;
pub mod certificate;
pub mod content_hash;
pub mod derive;
pub mod foreign_hash;
pub mod foreign_keys;
mod hash_memory;
mod hash_queue;
pub mod jwk;
pub mod key_error;
pub mod key_pair;
pub mod key_ring;
pub mod name_hash;
pub mod password_hash;
pub mod pem;
pub mod pem_file;
#[cfg(test)]
mod pem_tests;
mod private_half;
pub mod refresh_token;
pub mod reset_hash;
pub mod ring_contents;
pub mod secret_file;
pub mod server_certificate;
pub mod sign;
pub mod sign_in_attempt;
mod stored_hash;
pub mod tls_error;
pub mod token;
mod uuid_cipher;
pub mod verify;

#[cfg(test)]
pub(crate) mod testing;
