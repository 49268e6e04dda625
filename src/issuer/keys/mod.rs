//! The use cases on signing keys. The command line, the admin zone and the rotation job change keys only here. Each
//! change follows the policy of the settings, and rotations and revocations are recorded in the audit log.
//!
//! This file only assembles the module.

mod context;
mod error;
mod first_keys;
mod import;
mod list;
mod maintain;
mod outcome;
mod policy;
mod prune;
mod record;
mod reload;
mod renew_secret;
mod revoke;
mod rotate;
mod set_passphrase;
mod timeline;

pub use context::{KeyContext, KeyStore};
pub use error::KeysError;
pub use first_keys::record_first_keys;
pub use import::Import;
pub use list::List;
pub use maintain::maintain;
pub use outcome::{AddedKeys, Revocation};
pub use policy::policy;
pub use prune::Prune;
pub use renew_secret::{RenewSecret, RenewedSecret};
pub use revoke::Revoke;
pub use rotate::Rotate;
pub use set_passphrase::{ChangedPassphrase, SetPassphrase};
pub use timeline::{AlgorithmTimeline, KeyTimeline, TimelineKey, next_rotations, timeline};
