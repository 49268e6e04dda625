//! Countersign: an asymmetric-key token issuer.
//!
//! A **dialect** turns an HTTP request into a **use case**. The use case reads the **store**, the **key ring** and the
//! **clock**, may change the store, and returns a value or a **refusal**. The dialect turns the result into a response
//! of its API.
//!
//! # Modules
//!
//! | module | owns |
//! |---|---|
//! | `main.rs` | the exit code of the process |
//! | [`cli`] | the commands, one file per noun; `print` writes all output |
//! | [`app`] | the composition root: builds an [`issuer::Issuer`] from the configuration, then router and jobs |
//! | [`http`] | routes, bodies, headers; `wellknown` (JWKS, discovery), `liveliness`, `openapi` (the description of every route), `metrics`, `pages` (HTML pages) |
//! | `http::extract` | what handlers take from a request: body, form, query, cookies, access token, caller |
//! | `http::web` | what pages with a browser session share: session cookie, checked forms, frame, flash message, step-up |
//! | `http::admin` | the admin zone: its policy, its sections and its sign-in page |
//! | `http::dialect` | one folder per documented API: `mod.rs` (routes), `wire.rs` (bodies), `refusal.rs` (error bodies), `doc.rs` (OpenAPI) |
//! | [`jobs`] | periodic work: e-mails, rotation, settings, heartbeat, counts, clean-up, reopening the store; each is one function |
//! | [`issuer`] | the use cases, one verb per file, each a value with `run`; [`issuer::Refusal`]; [`issuer::signed_in`], the proof of authentication without which no token is minted |
//! | [`keys`] | where keys are stored, and who signs with them: the key folder, its changes under a lock, the signing queue |
//! | [`backup`] | copies of database and keys, and how to restore them |
//! | [`store`] | one narrow trait per noun; reads and writes are closures that run in a transaction; one conformance suite; [`store::sqlite`] has all SQL |
//! | [`mail`] | the content of e-mails, and their transport: SMTP, files, memory |
//! | [`social`] | sign-in with identity providers, and the verification of what they return |
//! | [`throttle`] | rate limits by caller and by account |
//! | [`telemetry`] | log, counters, traces, the clients that fetch the JWKS |
//! | [`fetch`] | requests to other HTTP servers, with limits and without redirects |
//! | [`crypto`] | key pairs, the key ring, signing, verification, encryption, hashing; the only token parser |
//! | [`clock`], [`random`] | time and randomness, passed in as values |
//! | [`template`] | the templates of e-mails and pages: built in, or the operator's own |
//! | [`private_files`] | modes and owners of private files and folders |
//! | [`domain`] | rules without I/O: keys, sessions, users, passwords, profiles, settings, limits, secrets |
//! | [`config`] | boot settings, read once at the start; all problems are reported at once |
//!
//! # Dependencies
//!
//! A module uses the modules to its right, never one to its left or in the same braces:
//!
//! ```text
//! main → cli → app → { http, jobs } → { issuer, backup } → keys → { store, mail, social, throttle, telemetry } → fetch → crypto → { clock, random, template, private_files } → domain
//!
//! cli, app → config → domain        (all other modules receive settings as values)
//! ```
//!
//! Only [`http`] and `app` use `axum`, only [`store::sqlite`] uses `rusqlite`, and only [`fetch`] opens connections to
//! other servers. [`domain`] and [`crypto`] are synchronous. Only [`clock`] reads the time, and only [`random`] makes
//! random ids, codes and secrets. `tests/tidy/` enforces all of this.
//!
//! `docs/architecture.md` describes how a sign-in, a refresh, a JWKS request, a key rotation and a setting change travel
//! through these modules, and where a change goes.

pub mod app;
pub mod backup;
pub mod cli;
pub mod clock;
pub mod config;
pub mod crypto;
pub mod domain;
pub mod fetch;
pub mod http;
pub mod issuer;
pub mod jobs;
pub mod keys;
pub mod mail;
pub mod private_files;
pub mod random;
pub mod social;
pub mod store;
pub mod telemetry;
pub mod template;
pub mod throttle;

/// Reports skipped tests; shared with the tests in `tests/`.
#[cfg(test)]
#[path = "../tests/skip.rs"]
mod skip;
