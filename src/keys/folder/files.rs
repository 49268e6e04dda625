//! Files that only their owner can read and that are replaced atomically, and the lock for changes.
//!
//! Only the owner of the folder and root change it. What root creates belongs to the owner of the folder.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::error::{KeyFolderError, io};
use crate::crypto::key_ring::RingVersion;
use crate::domain::key::Kid;
use crate::domain::secret::SecretBytes;
use crate::private_files::{self, FILE_MODE, FOLDER_MODE};

/// The setgid bit of a folder, and the permissions of its group and of other users.
const SETGID: u32 = 0o2000;
const GROUP: u32 = 0o070;
const OTHERS: u32 = 0o007;

/// The prefix of a file's name while it is written. No other program uses the prefix, so such a file may be removed.
const UNFINISHED_PREFIX: &str = ".countersign-unfinished-";

/// A process waits 10 s for the lock: 200 attempts, one every 50 ms. Most changes hold the lock for less than 1 s, so
/// a process that holds it for 10 s probably hangs.
const LOCK_ATTEMPTS: u32 = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// Identifies the version of a file by its metadata, without reading its content. The time of the last change of the
/// metadata (ctime) also changes with the owner and the mode, which may make the file unreadable.
pub(super) fn ring_version(path: &Path) -> Result<RingVersion, KeyFolderError> {
    let entry = fs::metadata(path).map_err(io("read the metadata of", path))?;
    let facts = [entry.ino(), entry.size(), entry.ctime().cast_unsigned(), entry.ctime_nsec().cast_unsigned()];
    let mut version = [0; RingVersion::LENGTH];
    for (bytes, fact) in version.chunks_exact_mut(8).zip(facts) {
        bytes.copy_from_slice(&fact.to_be_bytes());
    }
    Ok(RingVersion::new(version))
}

/// Replaces the error of a missing file with the error that `missing` returns.
pub(super) fn map_not_found(error: KeyFolderError, missing: impl FnOnce() -> KeyFolderError) -> KeyFolderError {
    match error {
        KeyFolderError::Io { cause, .. } if cause.kind() == ErrorKind::NotFound => missing(),
        other => other,
    }
}

/// Reads a file. Rejects a file that other users can access, unless the modes are not checked.
pub(super) fn read(path: &Path, check_modes: bool) -> Result<SecretBytes, KeyFolderError> {
    let mut file = File::open(path).map_err(io("open", path))?;
    let entry = file.metadata().map_err(io("read the metadata of", path))?;
    if check_modes {
        check_mode(path, entry.mode(), FILE_MODE)?;
    }
    // The buffer has its full size from the start, because a growing buffer leaves copies in memory.
    let mut bytes = Vec::with_capacity(usize::try_from(entry.size()).unwrap_or(0) + 1);
    let outcome = file.read_to_end(&mut bytes);
    let bytes = SecretBytes::new(bytes);
    outcome.map(|_| bytes).map_err(io("read", path))
}

/// Rejects a folder that other users can access.
pub(super) fn check_folder(path: &Path) -> Result<(), KeyFolderError> {
    let entry = fs::metadata(path).map_err(io("read the metadata of", path))?;
    check_mode(path, entry.mode(), FOLDER_MODE)
}

fn check_mode(path: &Path, mode: u32, allowed: u32) -> Result<(), KeyFolderError> {
    let mode = mode & 0o777;
    if mode & !allowed == 0 { Ok(()) } else { Err(KeyFolderError::Mode { path: path.to_owned(), mode, allowed }) }
}

/// Removes the group's access from a folder with the setgid bit and from its files. Kubernetes sets both each time that it
/// mounts a volume with `fsGroup`. What also admits users outside of the group is not changed, and so rejected later.
pub(super) fn remove_group_access(folder: &Path) -> Result<(), KeyFolderError> {
    let entry = fs::metadata(folder).map_err(io("read the metadata of", folder))?;
    if entry.mode() & SETGID == 0 || entry.mode() & OTHERS != 0 || !private_files::is_ours(&entry) {
        return Ok(());
    }
    let mut has_changed = false;
    let files = names(folder)?.into_iter().map(|name| folder.join(name));
    for path in files.chain([folder.to_owned()]) {
        let Ok(entry) = fs::symlink_metadata(&path) else { continue };
        let is_plain = entry.is_file() || path == folder;
        if is_plain && entry.mode() & GROUP != 0 && entry.mode() & OTHERS == 0 && private_files::is_ours(&entry) {
            // If this fails, for example on a read-only file system, the mode is rejected later.
            let mode = fs::Permissions::from_mode(entry.mode() & 0o7777 & !GROUP);
            has_changed |= fs::set_permissions(&path, mode).is_ok();
        }
    }
    if has_changed {
        tracing::warn!(
            folder = %folder.display(),
            "access of the group to the key folder removed; the setgid bit shows that Kubernetes gave it (fsGroup)"
        );
    }
    Ok(())
}

/// Creates the folder if it does not exist.
pub(super) fn make_folder(path: &Path) -> Result<(), KeyFolderError> {
    private_files::create_folder(path).map_err(io("create the folder", path))
}

/// Sets the mode of a folder so that only its owner can access it.
pub(super) fn make_private(path: &Path) -> Result<(), KeyFolderError> {
    private_files::make_private(path).map_err(io("set the mode of", path))
}

/// Rejects a process that may not change the folder. A server would not be able to read files of another user.
pub(super) fn check_owner(folder: &Path) -> Result<(), KeyFolderError> {
    let entry = fs::metadata(folder).map_err(io("read the metadata of", folder))?;
    if private_files::is_ours(&entry) {
        return Ok(());
    }
    let user = private_files::effective_user();
    Err(KeyFolderError::NotOwner { folder: folder.to_owned(), owner: entry.uid(), user })
}

/// Writes a file and atomically replaces the file of the same name: at every moment the complete old file or the
/// complete new file exists. The caller must hold the write lock if other processes may use the folder.
pub(super) fn replace(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), KeyFolderError> {
    let unfinished = folder.join(format!("{UNFINISHED_PREFIX}{name}"));
    let mut options = OpenOptions::new();
    let mut file =
        options.write(true).create_new(true).mode(FILE_MODE).open(&unfinished).map_err(io("create", &unfinished))?;
    let path = folder.join(name);
    let given = private_files::give_to_owner_of(folder, &file).map_err(io("change the owner of", &unfinished));
    let written =
        given.and_then(|()| file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io("write", &unfinished)));
    let replaced = written.and_then(|()| fs::rename(&unfinished, &path).map_err(io("replace", &path)));
    if replaced.is_err() {
        // On a full disk, other files need the space. If the removal fails, the next writer tries it again.
        let _ = fs::remove_file(&unfinished);
    }
    replaced?;
    sync(folder)
}

/// Renames a file, and so atomically replaces the file of the other name.
pub(super) fn rename(folder: &Path, from: &str, to: &str) -> Result<(), KeyFolderError> {
    let path = folder.join(to);
    fs::rename(folder.join(from), &path).map_err(io("replace", &path))?;
    sync(folder)
}

/// Removes a file. Returns whether it existed. The caller must call [`sync`] after the last removal.
pub(super) fn remove(path: &Path) -> Result<bool, KeyFolderError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(io("remove", path)(error)),
    }
}

/// Writes the folder's entries to disk (fsync).
pub(super) fn sync(folder: &Path) -> Result<(), KeyFolderError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io("sync", folder))
}

/// The sorted names of the entries in the folder.
pub(super) fn names(folder: &Path) -> Result<Vec<String>, KeyFolderError> {
    let entries = fs::read_dir(folder).map_err(io("list", folder))?;
    let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let names: Result<Vec<String>, _> = entries.map(|entry| entry.map(name)).collect();
    let mut names = names.map_err(io("list", folder))?;
    names.sort();
    Ok(names)
}

/// The kind of lock: how many processes may hold it at the same time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum LockMode {
    /// Any number of readers, and no writer.
    Read,
    /// One writer, and no reader.
    Write,
}

/// Takes the lock of the folder. The operating system releases it when the process ends, even if the process is killed.
///
/// A writer removes unfinished files, because their writer was interrupted. A read-only file system has no writer and
/// needs no lock; a reader gets `None` there.
pub(super) fn lock(folder: &Path, mode: LockMode) -> Result<Option<File>, KeyFolderError> {
    let path = folder.join(".lock");
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE);
    let file = match options.open(&path) {
        Err(error) if mode == LockMode::Read && error.kind() == ErrorKind::ReadOnlyFilesystem => return Ok(None),
        opened => opened.map_err(io("open", &path))?,
    };
    private_files::give_to_owner_of(folder, &file).map_err(io("change the owner of", &path))?;
    for attempt in 1.. {
        let outcome = match mode {
            LockMode::Read => file.try_lock_shared(),
            LockMode::Write => file.try_lock(),
        };
        match outcome {
            Ok(()) => break,
            Err(TryLockError::Error(error)) => return Err(io("lock", &path)(error)),
            Err(TryLockError::WouldBlock) if attempt == LOCK_ATTEMPTS => return Err(KeyFolderError::Locked(path)),
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
        }
    }
    if mode == LockMode::Write {
        for name in names(folder)?.iter().filter(|name| is_unfinished(name)) {
            remove(&folder.join(name))?;
        }
    }
    Ok(Some(file))
}

/// Whether the name belongs to a file that is being written or whose writer was interrupted.
pub(super) fn is_unfinished(name: &str) -> bool {
    name.starts_with(UNFINISHED_PREFIX)
}

/// The name of the file with the private half of a key.
pub(super) fn key_file(kid: &Kid) -> String {
    format!("{kid}.pem")
}

/// The `kid` in the name of a private half's file, or `None` for another name.
pub(super) fn key_name(file: &str) -> Option<&str> {
    file.strip_suffix(".pem")
}
