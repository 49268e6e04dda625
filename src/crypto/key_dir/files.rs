//! Files that are whole or not there, that only their owner reads, and the lock around changing them.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::error::{KeyDirError, io};
use crate::domain::key::Kid;
use crate::domain::secret::SecretBytes;

/// What files and the folder may be at the widest.
const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

/// What the name of a file begins with while it is being written: nobody else's does, so it may be removed.
const UNFINISHED: &str = ".countersign-unfinished-";

/// How long the lock is waited for: changes hold it for milliseconds, so whoever keeps it longer hangs.
const LOCK_TRIES: u32 = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// Tells one `ring.json` from the next by a single look at the file's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingVersion {
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

/// The stamp of a file.
pub(super) fn ring_version(path: &Path) -> Result<RingVersion, KeyDirError> {
    let entry = fs::metadata(path).map_err(io("look at", path))?;
    Ok(RingVersion { inode: entry.ino(), length: entry.size(), modified: (entry.mtime(), entry.mtime_nsec()) })
}

/// Gives the error of a file that is not there its proper name.
pub(super) fn missing_as(error: KeyDirError, missing: impl FnOnce() -> KeyDirError) -> KeyDirError {
    match error {
        KeyDirError::Io { cause, .. } if cause.kind() == ErrorKind::NotFound => missing(),
        other => other,
    }
}

/// Reads a file that must be closed to all but its owner.
pub(super) fn read(path: &Path) -> Result<SecretBytes, KeyDirError> {
    let mut file = File::open(path).map_err(io("open", path))?;
    let entry = file.metadata().map_err(io("look at", path))?;
    check_mode(path, entry.mode(), FILE_MODE)?;
    // Room for all of it at once: a buffer that grows leaves copies behind.
    let mut bytes = Vec::with_capacity(usize::try_from(entry.size()).unwrap_or(0) + 1);
    let outcome = file.read_to_end(&mut bytes);
    let bytes = SecretBytes::new(bytes);
    outcome.map(|_| bytes).map_err(io("read", path))
}

/// Refuses a folder that others than its owner may look into.
pub(super) fn check_folder(path: &Path) -> Result<(), KeyDirError> {
    let entry = fs::metadata(path).map_err(io("look at", path))?;
    check_mode(path, entry.mode(), FOLDER_MODE)
}

fn check_mode(path: &Path, mode: u32, allowed: u32) -> Result<(), KeyDirError> {
    let mode = mode & 0o777;
    if mode & !allowed == 0 { Ok(()) } else { Err(KeyDirError::Mode { path: path.to_owned(), mode, allowed }) }
}

/// Makes the folder, if need be.
pub(super) fn make_folder(path: &Path) -> Result<(), KeyDirError> {
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path).map_err(io("make the folder", path))
}

/// Closes a folder to all but its owner.
pub(super) fn make_private(path: &Path) -> Result<(), KeyDirError> {
    fs::set_permissions(path, PermissionsExt::from_mode(FOLDER_MODE)).map_err(io("set the mode of", path))
}

/// Puts a file into the folder, in place of the one of that name: at every moment there is the old one or the new one,
/// whole. Call it under the lock.
pub(super) fn replace(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), KeyDirError> {
    let unfinished = folder.join(format!("{UNFINISHED}{name}"));
    let mut options = OpenOptions::new();
    let mut file =
        options.write(true).create_new(true).mode(FILE_MODE).open(&unfinished).map_err(io("make", &unfinished))?;
    let path = folder.join(name);
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io("write", &unfinished));
    let placed = written.and_then(|()| fs::rename(&unfinished, &path).map_err(io("put in place", &path)));
    if placed.is_err() {
        // On a full disk it is what others lack room for. Where it can't be removed the next writer tries again.
        let _ = fs::remove_file(&unfinished);
    }
    placed?;
    sync(folder)
}

/// Removes a file; whether it was there. Call [`sync`] after the last.
pub(super) fn remove(path: &Path) -> Result<bool, KeyDirError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(io("remove", path)(error)),
    }
}

/// Makes the folder's entries last.
pub(super) fn sync(folder: &Path) -> Result<(), KeyDirError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io("write", folder))
}

/// The names in the folder.
pub(super) fn names(folder: &Path) -> Result<Vec<String>, KeyDirError> {
    let entries = fs::read_dir(folder).map_err(io("list", folder))?;
    let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let names: Result<Vec<String>, _> = entries.map(|entry| entry.map(name)).collect();
    let mut names = names.map_err(io("list", folder))?;
    names.sort();
    Ok(names)
}

/// Who may have the lock at once.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum LockMode {
    /// Any number of readers.
    Read,
    /// One writer, and no reader.
    Write,
}

/// Takes the folder's lock, which the system gives back when the process ends, however it ends. A writer finds no
/// unfinished files: their writer was cut off. A folder that is mounted to be read has no writer, and needs no lock.
pub(super) fn lock(folder: &Path, access: LockMode) -> Result<Option<File>, KeyDirError> {
    let path = folder.join(".lock");
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE);
    let file = match options.open(&path) {
        Err(error) if access == LockMode::Read && error.kind() == ErrorKind::ReadOnlyFilesystem => return Ok(None),
        opened => opened.map_err(io("open", &path))?,
    };
    for attempt in 1.. {
        let outcome = match access {
            LockMode::Read => file.try_lock_shared(),
            LockMode::Write => file.try_lock(),
        };
        match outcome {
            Ok(()) => break,
            Err(TryLockError::Error(error)) => return Err(io("lock", &path)(error)),
            Err(TryLockError::WouldBlock) if attempt == LOCK_TRIES => return Err(KeyDirError::Locked(path)),
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
        }
    }
    if access == LockMode::Write {
        for name in names(folder)?.iter().filter(|name| is_unfinished(name)) {
            remove(&folder.join(name))?;
        }
    }
    Ok(Some(file))
}

/// Whether a file of that name was being written when its writer was cut off, or still is.
pub(super) fn is_unfinished(name: &str) -> bool {
    name.starts_with(UNFINISHED)
}

/// The name of a private half's file.
pub(super) fn key_file(kid: &Kid) -> String {
    format!("{kid}.pem")
}

/// Whose private half a file would be by its name.
pub(super) fn key_name(file: &str) -> Option<&str> {
    file.strip_suffix(".pem")
}
