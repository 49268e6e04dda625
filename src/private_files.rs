//! Folders and files that only their owner can use, and who the owner is.
//!
//! A command that root runs in the folder of a service must not leave files there that the service cannot read. What
//! root creates therefore gets the owner of the folder in which it is, as SQLite does it with the files of a database.
//! Nothing here reads or writes the content of a file.

use std::fs::{self, DirBuilder, File, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, chown, fchown};
use std::path::Path;

/// The maximum permissions of a private file.
pub const FILE_MODE: u32 = 0o600;
/// The maximum permissions of a private folder.
pub const FOLDER_MODE: u32 = 0o700;

/// Root's user id.
const ROOT: u32 = 0;

/// The effective user id of this process.
pub fn effective_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Whether this process may act as the owner of a file or folder: it is the owner, or it is root.
pub fn is_ours(entry: &Metadata) -> bool {
    acts_as(effective_user(), entry.uid())
}

fn acts_as(user: u32, owner: u32) -> bool {
    user == owner || user == ROOT
}

/// Creates a folder and its missing parents with mode 0700. If root creates them, they get the owner of the nearest
/// folder that exists.
///
/// # Errors
/// A folder cannot be created, or cannot be given to the owner.
pub fn create_folder(path: &Path) -> io::Result<()> {
    let mut missing = Vec::new();
    let mut existing = path;
    while fs::metadata(existing).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        missing.push(existing);
        match existing.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => existing = parent,
            _ => {
                existing = Path::new(".");
                break;
            }
        }
    }
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)?;
    if effective_user() != ROOT {
        return Ok(());
    }
    let owner = fs::metadata(existing)?;
    missing.into_iter().rev().try_for_each(|folder| match fs::symlink_metadata(folder)? {
        entry if entry.uid() == owner.uid() => Ok(()),
        _ => chown(folder, Some(owner.uid()), Some(owner.gid())),
    })
}

/// Gives an open file in `folder` to the owner of the folder, if root runs this process. Call it before the file gets
/// its final name.
///
/// # Errors
/// The owner cannot be read, or cannot be changed.
pub fn give_to_owner_of(folder: &Path, file: &File) -> io::Result<()> {
    if effective_user() != ROOT {
        return Ok(());
    }
    let owner = fs::metadata(folder)?;
    if file.metadata()?.uid() == owner.uid() {
        return Ok(());
    }
    fchown(file, Some(owner.uid()), Some(owner.gid()))
}

/// Sets the mode of a folder so that only its owner can use it.
///
/// # Errors
/// The mode cannot be changed, for example because another user owns the folder.
pub fn make_private(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(FOLDER_MODE))
}

/// Adds to a denied permission who owns the file or folder, and what to do.
pub fn explain(path: &Path, error: io::Error) -> io::Error {
    if error.kind() != io::ErrorKind::PermissionDenied {
        return error;
    }
    let nearest = path.ancestors().find_map(|path| Some((path, fs::symlink_metadata(path).ok()?.uid())));
    let Some((nearest, owner)) = nearest else { return error };
    let user = effective_user();
    if owner == user {
        return error;
    }
    let parent = nearest.parent().and_then(|parent| fs::metadata(parent).ok());
    let is_in_own_folder = parent.is_some_and(|parent| parent.uid() == user);
    let shown = nearest.display();
    let advice = if is_in_own_folder {
        format!("run `chown {user} {shown}` as root")
    } else {
        format!("run the command as user id {owner} or as root")
    };
    let kind = error.kind();
    io::Error::new(
        kind,
        format!("{error}; user id {owner} owns {shown}, and this process runs as user id {user}; {advice}"),
    )
}

/// The permissions of an entry that are wider than `allowed`.
pub fn excess(entry: &Metadata, allowed: u32) -> u32 {
    entry.mode() & 0o777 & !allowed
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::skip::skip;

    #[test]
    fn root_and_the_owner_act_as_the_owner() {
        for (user, owner, expected) in [(0, 10_001, true), (10_001, 10_001, true), (10_001, 0, false), (7, 8, false)] {
            assert_eq!(acts_as(user, owner), expected, "{user} in a folder of {owner}");
        }
    }

    #[test]
    fn what_root_creates_gets_the_owner_of_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        if effective_user() != ROOT {
            return skip("only root can give files away");
        }
        chown(folder.path(), Some(10_001), Some(10_002)).unwrap();
        let inner = folder.path().join("a/b");
        create_folder(&inner).unwrap();
        let file = File::create(inner.join("file")).unwrap();
        give_to_owner_of(&inner, &file).unwrap();
        for name in ["a", "a/b", "a/b/file"] {
            let entry = fs::metadata(folder.path().join(name)).unwrap();
            assert_eq!((entry.uid(), entry.gid()), (10_001, 10_002), "{name}");
        }
        // An existing folder keeps its owner.
        chown(&inner, Some(10_003), None).unwrap();
        create_folder(&inner).unwrap();
        assert_eq!(fs::metadata(&inner).unwrap().uid(), 10_003);
    }
}
