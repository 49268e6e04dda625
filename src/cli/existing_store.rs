//! Opens the database for commands that only read.

use anyhow::Result;

use super::print;
use crate::app;
use crate::config::Config;
use crate::store::Store;

/// Opens the database for a command that only reads. If the database does not exist, prints a hint and returns `None`
/// without creating it.
pub(super) fn existing_store(config: &Config) -> Result<Option<Store>> {
    let store = app::open_existing_store(config)?;
    if store.is_none() {
        print::hint(
            "the database does not exist; create it with `countersign serve`, or name the settings file with --config",
        );
    }
    Ok(store)
}
