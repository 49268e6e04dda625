//! Keeps the data folder private: the database and e-mails in files belong to the user of the server alone.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::config::Config;
use crate::domain::finding::Finding;
use crate::private_files::{FILE_MODE, FOLDER_MODE, effective_user, excess, is_ours};

/// The bits that are no permissions, such as the setgid bit.
const SPECIAL: u32 = 0o7000;
/// The sticky bit: a folder that many users share, such as `/tmp`.
const STICKY: u32 = 0o1000;

/// A folder or file that other users can access, and that this user may change.
#[derive(Debug)]
pub(super) struct WideEntry {
    path: PathBuf,
    mode: u32,
    allowed: u32,
}

/// The entries of the data folder that other users can access: the folder, the database with its companions, and e-mails
/// in files.
///
/// # Errors
/// An entry belongs to another user, the folder is shared by many users, or `mail` is a symbolic link, which could lead
/// e-mails elsewhere.
pub(super) fn wide_entries(config: &Config) -> Result<Vec<WideEntry>> {
    let mut wide = Vec::new();
    if !config.keys.check_modes {
        return Ok(wide);
    }
    add(&mut wide, &config.data_dir, FOLDER_MODE)?;
    for file in database_files(config.database.sqlite_path()) {
        add(&mut wide, &file, FILE_MODE)?;
    }
    let mail = config.data_dir.join("mail");
    if fs::symlink_metadata(&mail).is_ok_and(|entry| entry.is_symlink()) {
        bail!("{} is a symbolic link, which could lead e-mails elsewhere; replace it by a folder", mail.display());
    }
    add(&mut wide, &mail, FOLDER_MODE)?;
    for file in entries(&mail) {
        add(&mut wide, &file, FILE_MODE)?;
    }
    Ok(wide)
}

/// Removes the access of other users.
pub(super) fn make_private(config: &Config) -> Result<()> {
    let wide = wide_entries(config)?;
    let Some(WideEntry { path, mode, .. }) = wide.first() else { return Ok(()) };
    for WideEntry { path, mode, allowed } in &wide {
        let changed = fs::set_permissions(path, fs::Permissions::from_mode(mode & (SPECIAL | allowed)));
        match changed {
            Err(error) if error.kind() == ErrorKind::ReadOnlyFilesystem => {}
            changed => changed.with_context(|| format!("removing the access of other users to {}", path.display()))?,
        }
    }
    let path = path.display();
    let entries = wide.len();
    tracing::warn!(
        entries,
        "access of other users to the data folder removed, for example to {path} (mode {mode:04o})"
    );
    Ok(())
}

/// What the next start will change, as findings.
pub(super) fn findings(config: &Config) -> Result<Vec<Finding>> {
    let finding = |WideEntry { path, mode, allowed }: WideEntry| {
        Finding::new(
            "data_dir",
            format!("{} is accessible to other users (mode {mode:04o})", path.display()),
            "every user of the machine whom the mode admits can read or change users and sessions",
            format!("run `chmod {allowed:o} {}`; the next start does so too", path.display()),
        )
    };
    Ok(wide_entries(config)?.into_iter().map(finding).collect())
}

/// Adds a folder or file if other users can access it. Ignores what does not exist and, in a folder, what is neither a
/// folder nor a file.
fn add(wide: &mut Vec<WideEntry>, path: &Path, allowed: u32) -> Result<()> {
    let Ok(entry) = fs::metadata(path) else { return Ok(()) };
    let is_expected = if allowed == FOLDER_MODE { entry.is_dir() } else { entry.is_file() };
    if !is_expected || excess(&entry, allowed) == 0 {
        return Ok(());
    }
    let mode = entry.mode() & 0o7777;
    let shown = path.display();
    let user = effective_user();
    if !is_ours(&entry) {
        bail!(
            "{shown} is accessible to other users (mode {mode:04o}), and user id {} owns it; give it to user id {user} \
             and run `chmod {allowed:o} {shown}`, or set data_dir to a folder of user id {user}",
            entry.uid()
        );
    }
    if mode & STICKY != 0 || path == Path::new("/") {
        bail!("{shown} is a folder of many users (mode {mode:04o}); set data_dir to a folder of its own");
    }
    wide.push(WideEntry { path: path.to_owned(), mode, allowed });
    Ok(())
}

/// The database and the files beside it whose names begin with its name, and the lock of servers.
fn database_files(database: &Path) -> Vec<PathBuf> {
    let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Some(name) = database.file_name().map(|name| name.to_string_lossy().into_owned()) else { return Vec::new() };
    let is_of_database = |path: &PathBuf| {
        path.file_name().is_some_and(|file| {
            let file = file.to_string_lossy();
            let end = file.strip_prefix(&name);
            end.is_some_and(|end| end.is_empty() || end.starts_with(['-', '.'])) || file == ".countersign-serving"
        })
    };
    entries(folder).into_iter().filter(is_of_database).collect()
}

/// The paths in a folder; none if it cannot be read: what opens the database or writes the e-mail then says why.
fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path()).collect()
}
