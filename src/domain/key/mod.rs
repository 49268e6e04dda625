//! The lifecycle of signing keys: the dates of a key, the states computed from them, and the rules by which a key ring
//! changes (`schedule`, `change`). The key material itself belongs to `crypto`. This file only assembles the module.

mod change;
mod change_error;
mod dates;
mod kid;
mod policy;
#[cfg(test)]
mod properties;
mod rotation_preview;
mod schedule;

pub use change::{RevocationPlan, RotationPlan};
pub use change_error::KeyChangeError;
pub use dates::{Key, KeyState, ListedKey};
pub use kid::{Kid, NotAKid};
pub use policy::{KeyPolicy, KeyTimes};
pub use rotation_preview::{NextRotation, RevocationPreview, RotationPreview, Successor};
pub use schedule::{InvalidDates, Schedule};
