//! Writes the content of an open database into a new file. A copy and the file kept before a migration are made this way.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::Connection;

use super::connect::folder;
use crate::private_files::give_to_owner_of;
use crate::store::error::StoreError;

/// Writes the database as this connection sees it into a new file with mode 0600, and syncs the file to disk. An
/// existing file is replaced.
pub(super) fn write(connection: &Connection, to: &Path) -> Result<(), Box<dyn std::error::Error>> {
    make_private(to)?;
    connection.execute("VACUUM INTO ?1", [to.to_string_lossy()]).map_err(StoreError::from)?;
    Ok(File::open(to)?.sync_all()?)
}

/// Creates an empty file with mode 0600 and removes an existing one first. SQLite writes into such a file and keeps its
/// mode and its owner.
fn make_private(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    give_to_owner_of(&folder(file), &created)
}
