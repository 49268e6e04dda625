//! Makes and restores backups: the database and the keys together, in a new folder with a manifest of checksums.
//!
//! A backup is verified before it is reported as complete. The database is copied before the key ring, so that the copy
//! contains the keys of all copied sessions. The manifest is written last; a folder without it is an incomplete backup.
//! This module contains no SQL and does not parse key files.

mod error;
mod make;
mod manifest;
mod restore;
mod source;

pub use error::BackupError;
pub use manifest::{BackupFile, Manifest};
pub use source::BackupSource;
