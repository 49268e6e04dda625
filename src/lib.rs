//! Countersign: an asymmetric-key token issuer.
//!
//! A **dialect** turns a request into a **use case**; the use case asks the **store**, the **key ring** and the
//! **clock**, and returns a value or a **refusal**; the dialect turns that into its own words.

pub mod app;
pub mod chance;
pub mod cli;
pub mod clock;
pub mod config;
pub mod crypto;
pub mod domain;
pub mod http;
pub mod issuer;
pub mod jobs;
pub mod mail;
pub mod store;
pub mod telemetry;
pub mod template;
pub mod throttle;
