//! Sign-in with identity providers, linking, unlinking, and the providers' tokens.
//!
//! The provider's response proves only an identity at the provider. `domain::social::link_decision` decides which user
//! it signs in. Nothing is written before the provider has answered; then one transaction makes all changes.

pub mod accounts;
pub mod begin;
pub mod finish;
mod link;
mod permission;
mod provider;
pub mod refresh;
pub mod refusal;
pub mod sign_out;
pub(super) mod tokens;
pub mod unlink;

pub use refusal::{SocialError, SocialRefusal};
