//! What pages for browsers share, whatever routes they belong to.

pub mod provider_attempt;
