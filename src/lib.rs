//! Countersign: an asymmetric-key token issuer.
//!
//! A **dialect** turns a request into a **use case**; the use case asks the **store**, the **key ring** and the
//! **clock**, and returns a value or a **refusal**; the dialect turns that into its own words.
//!
//! # The rooms
//!
//! | room | owns |
//! |---|---|
//! | `main.rs` | the process's exit code |
//! | [`cli`] | what was typed, one file per noun; the voice it answers in (`print`) |
//! | [`app`] | the composition root: configuration in, [`issuer::Issuer`] out, then a router and jobs around it |
//! | [`http`] | routes, bodies, headers; `wellknown` (key set, discovery), `liveliness`, `openapi` (the description of every route), `metrics`, `pages` (what people see in a browser) |
//! | `http::admin` | the admin zone: its sections (one table), its door, and the types that guard them |
//! | `http::dialect` | one folder per documented API: `mod.rs` (routes), `wire.rs` (bodies), `refusal.rs` (words for no), `doc.rs` (its description) |
//! | [`jobs`] | what happens by itself: mails, rotation, settings, heartbeat, counts, sweeping; each is one `tick` |
//! | [`issuer`] | the use cases, one verb per file, each a value with `run`; [`issuer::Refusal`]; [`issuer::signed_in`], the one proof that mints |
//! | [`backup`] | copies of database and keys, and the way back |
//! | [`store`] | one narrow trait per noun, read and write closures, one conformance suite; [`store::sqlite`] is the only SQL there is |
//! | [`mail`] | what mails say, letters, and where they go: SMTP, files, memory |
//! | [`social`] | providers: where browsers are sent to sign in, and the proof of who came back |
//! | [`throttle`] | how often something may be tried, by caller and by account |
//! | [`telemetry`] | the log; what is counted and measured, who fetched the key set |
//! | [`crypto`] | key pairs, the folder and the ring of keys, signing, verifying, sealing, hashing; the one parser of tokens |
//! | [`clock`], [`chance`] | time and chance, handed in, never fetched |
//! | [`template`] | templates, built in or an operator's own: what mails and pages are made of |
//! | [`domain`] | the rules, without I/O: keys, sessions, users, passwords, profiles, settings, limits, secrets |
//! | [`config`] | what is read once at the start, every mistake told at once |
//!
//! # The arrows
//!
//! A room may use those to its right, never one to its left or beside it:
//!
//! ```text
//! main → cli → app → { http, jobs } → { issuer, backup } → { store, mail, social, throttle, telemetry } → crypto → { clock, chance, template } → domain
//!          ╲     ╲
//!           ╲     ▶ config → domain            (nobody else reads config: what is needed is handed in as a value)
//!            ▶
//! ```
//!
//! And words have homes: HTTP (`axum`) is spoken in [`http`] and `app` alone, SQL (`rusqlite`) in [`store::sqlite`]
//! alone; [`domain`] and [`crypto`] wait for nobody; the wall clock and chance are asked in [`clock`] and [`chance`]
//! alone. `tests/tidy/` holds all of this.
//!
//! # Three journeys
//!
//! **`POST /auth`**: layers (request id, caller, limits) → `http::dialect::jwt_issuer` → [`issuer::sign_in`] asks the
//! throttle, reads the user, has the password hashed on the hashing pool (a dummy hash where there is no user) and opens
//! a session → [`issuer::signed_in`] → [`issuer::issue`] takes lifetimes from the settings' snapshot and signs with the
//! ring's active key → the dialect's words and cookie.
//!
//! **`GET /.well-known/jwks.json`**: no layer, no lock, no disk: the bytes stand ready in the ring's snapshot.
//!
//! **`countersign keys rotate`**: [`crypto::key_dir`] plans (a pure function of the dates), makes the key, and under the
//! folder's lock checks the plan again, writes the private half and replaces `ring.json`. The running server's
//! [`jobs::rotation`] sees another `ring.json`, builds a new snapshot and swaps it whole.

pub mod app;
pub mod backup;
pub mod cli;
pub mod clock;
pub mod config;
pub mod crypto;
pub mod domain;
pub mod http;
pub mod issuer;
pub mod jobs;
pub mod mail;
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
