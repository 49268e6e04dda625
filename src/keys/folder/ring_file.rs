//! `ring.json`: reads and replaces the file. Its content is parsed and written by `crypto::ring_contents`.

use std::path::Path;

use super::error::KeyFolderError;
use super::files;
use crate::crypto::ring_contents::RingContents;

/// The name of the file.
pub(super) const NAME: &str = "ring.json";

/// Reads the ring of a folder. A missing `ring.json` is [`KeyFolderError::Empty`].
pub(super) fn read(folder: &Path, check_modes: bool) -> Result<RingContents, KeyFolderError> {
    let path = folder.join(NAME);
    let empty = || KeyFolderError::Empty(folder.to_owned());
    let bytes = files::read(&path, check_modes).map_err(|error| files::map_not_found(error, empty))?;
    RingContents::parse(bytes.expose()).map_err(|problem| KeyFolderError::Ring { path, problem })
}

/// Replaces the ring of a folder. The caller must hold the write lock.
pub(super) fn write(folder: &Path, contents: &RingContents) -> Result<(), KeyFolderError> {
    let json = contents.to_json().map_err(|problem| KeyFolderError::Ring { path: folder.join(NAME), problem })?;
    files::replace(folder, NAME, &json)
}
