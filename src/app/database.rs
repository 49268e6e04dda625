//! Opens the database that the configuration names.

use std::fs::File;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::data_folder;
use crate::config::Config;
use crate::config::deploy::unsafe_for_production;
use crate::domain::finding::Finding;
use crate::issuer::findings::DatabaseFacts;
use crate::private_files::create_folder;
use crate::store::sqlite::Database;
use crate::store::{DatabaseFile, Store, StoreError, serving};

/// Opens the database for a command that needs an existing one. Returns `None` if there is none; does not create one.
pub fn open_existing_store(config: &Config) -> Result<Option<Store>> {
    let path = config.database.sqlite_path();
    path.exists().then(|| open_store(config)).transpose()
}

/// Returns the database of the configuration as backups see it. Opens no file.
pub fn database_file(config: &Config) -> DatabaseFile {
    DatabaseFile::new(config.database.sqlite_path())
}

/// Opens the database. Creates its folder if necessary.
pub fn open_store(config: &Config) -> Result<Store> {
    open_by(config, Database::open)
}

/// Opens the database as [`open_store`] does, or leaves it closed if it is unusable at the moment.
pub(super) fn open_when_possible(config: &Config) -> Result<Store> {
    open_by(config, Database::open_when_possible)
}

fn open_by(config: &Config, open: fn(&Path) -> Result<Database, StoreError>) -> Result<Store> {
    let path = config.database.sqlite_path();
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        create_folder(folder).with_context(|| format!("creating the folder {} for the database", folder.display()))?;
    }
    data_folder::make_private(config)?;
    let database = open(path).with_context(|| format!("opening the database {}", path.display()))?;
    Ok(Store::Sqlite(database))
}

/// Checks an existing database. Changes nothing.
pub(super) fn check(config: &Config) -> Result<()> {
    let path = config.database.sqlite_path();
    data_folder::wide_entries(config)?;
    if path.exists() {
        Database::check(path).with_context(|| format!("checking the database {}", path.display()))?;
    }
    Ok(())
}

/// What is unsafe in production in the boot settings and the files.
pub(super) fn boot_findings(config: &Config) -> Result<Vec<Finding>> {
    let mut found = unsafe_for_production(config);
    found.extend(data_folder::findings(config)?);
    Ok(found)
}

/// What is unsafe in production: in the boot settings, the runtime settings and the users. Also returns whether the
/// database could be checked: one that has to be migrated first may not be readable.
pub fn deploy_findings(config: &Config) -> Result<(Vec<Finding>, bool)> {
    let path = config.database.sqlite_path();
    let facts = if path.exists() {
        let facts = Database::inspect(path, DatabaseFacts::read);
        facts.with_context(|| format!("checking the database {}", path.display()))?
    } else {
        Some(DatabaseFacts::default())
    };
    let mut found = boot_findings(config)?;
    let is_complete = facts.is_some();
    found.extend(facts.into_iter().flat_map(|facts| facts.findings(config.admin.is_some())));
    Ok((found, is_complete))
}

/// Prevents servers from using the database until the returned value is dropped. Returns an error if a server uses it.
pub fn exclude_servers(config: &Config) -> Result<File> {
    let path = config.database.sqlite_path();
    let lock = serving::lock_exclusive(path);
    let lock = lock.with_context(|| format!("cannot lock {}", serving::lock_path(path).display()))?;
    lock.with_context(|| format!("a server uses {}; stop the server first", path.display()))
}

/// Takes the shared lock that shows that a server uses the database, so that `countersign restore` and
/// `countersign keys renew-secret` refuse to run. Waits until such a command ends. If taking the lock fails, the server
/// starts without it.
///
/// # Errors
/// The database has an older schema, and a server uses it: a migration would break that server.
pub fn mark_serving(config: &Config) -> Result<Option<File>> {
    let path = config.database.sqlite_path();
    refuse_migration_under_server(config)?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        // If this fails, taking the lock fails too.
        let _ = create_folder(folder);
    }
    let lock = serving::lock_shared(path);
    let lock = lock.inspect_err(|error| {
        tracing::warn!(%error, "database not marked as in use; restore and renew-secret cannot detect this server");
    });
    Ok(lock.ok())
}

/// Returns an error if opening the database would migrate it while another server, of an older version, uses it.
pub fn refuse_migration_under_server(config: &Config) -> Result<()> {
    let path = config.database.sqlite_path();
    // A database that cannot be read is reported when it is opened.
    let needs_migration = path.exists() && Database::needs_migration(path).unwrap_or(false);
    if needs_migration && matches!(serving::lock_exclusive(path), Ok(None)) {
        bail!(
            "a server of an older version uses {}, and this version would change its schema; stop that server first",
            path.display()
        );
    }
    Ok(())
}
