//! A database that may become available only after the start. Until it is open, operations fail immediately instead of
//! waiting.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::task::spawn_blocking;

use super::checkpoint::Checkpointer;
use super::pool::Readers;
use super::refusals::Refusals;
use super::writer::Writer;
use super::{connect, migrate};
use crate::store::error::StoreError;
use crate::store::serving;
use crate::store::transaction::Read;

/// Opens a database that could not be opened at the start.
#[derive(Debug)]
pub struct LateOpening(Arc<LazyDatabase>);

impl LateOpening {
    /// Returns `None` if the database is open.
    pub(super) fn of(lazy: &Arc<LazyDatabase>) -> Option<Self> {
        lazy.get().is_none().then(|| Self(Arc::clone(lazy)))
    }

    /// Tries once to open the database, and reads from it with `first`. Other operations can use the database only
    /// after `UnpublishedDatabase::publish`. If `first` fails, the database stays closed.
    pub async fn open<T: Send + 'static>(
        self,
        first: impl Fn(&dyn Read) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<(T, UnpublishedDatabase), StoreError> {
        let opened = spawn_blocking(move || {
            let (value, open) = self.0.open_now(first)?;
            Ok((value, UnpublishedDatabase { lazy: self.0, open }))
        });
        opened.await.unwrap_or_else(|_| Err(StoreError::Fault("opening the database panicked".to_owned())))
    }
}

/// Who opens a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opener {
    /// A command. It must not migrate a database that a server uses.
    Command,
    /// A server. Its start has checked that no other server uses a database that it migrates.
    Server,
}

/// A database that was opened, and that no operation uses yet.
#[derive(Debug)]
pub struct UnpublishedDatabase {
    lazy: Arc<LazyDatabase>,
    open: OpenDatabase,
}

impl UnpublishedDatabase {
    /// Lets all operations use the database.
    pub fn publish(self) {
        self.lazy.publish(self.open);
    }
}

/// The path and options of a database, and its connections once it is open.
#[derive(Debug)]
pub(super) struct LazyDatabase {
    path: PathBuf,
    busy_timeout: Duration,
    queue: usize,
    opener: Opener,
    open: OnceLock<OpenDatabase>,
    /// Why the last attempt to open the database failed.
    why: Mutex<String>,
    refusals: Refusals,
}

/// The connections to a database.
#[derive(Debug)]
pub(super) struct OpenDatabase {
    pub(super) readers: Readers,
    pub(super) writer: Writer,
}

impl LazyDatabase {
    pub(super) fn new(path: &Path, busy_timeout: Duration, queue: usize, opener: Opener) -> Self {
        Self {
            path: path.to_owned(),
            busy_timeout,
            queue,
            opener,
            open: OnceLock::new(),
            why: Mutex::default(),
            refusals: Refusals::default(),
        }
    }

    pub(super) fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// Whether the file exists and is not empty. If not, this is a first start, which must fail if the database cannot
    /// be opened.
    pub(super) fn has_content(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|entry| entry.is_file() && entry.len() > 0)
    }

    /// Returns the connections, if the database is open.
    pub(super) fn get(&self) -> Option<&OpenDatabase> {
        self.open.get()
    }

    /// Returns the connections. If the database is not open, returns the reason as an error and counts it.
    pub(super) fn require(&self) -> Result<&OpenDatabase, StoreError> {
        self.get().ok_or_else(|| {
            let why = self.why.lock().unwrap_or_else(PoisonError::into_inner).clone();
            self.refusals.counting(StoreError::Unavailable(why))
        })
    }

    /// Opens the database, and reads from it with `first`. Blocks the thread meanwhile. The caller publishes the
    /// connections.
    pub(super) fn open_now<T>(
        &self,
        first: impl Fn(&dyn Read) -> Result<T, StoreError>,
    ) -> Result<(T, OpenDatabase), StoreError> {
        let opened = self.connect().and_then(|open| open.readers.read_here(first).map(|value| (value, open)));
        opened.inspect_err(|error| {
            let why = match error {
                StoreError::Unavailable(why) => why.clone(),
                other => other.to_string(),
            };
            *self.why.lock().unwrap_or_else(PoisonError::into_inner) = why;
        })
    }

    /// Lets all operations use the connections. If another thread opened the database first, its connections are used
    /// and these are dropped.
    pub(super) fn publish(&self, open: OpenDatabase) {
        drop(self.open.set(open));
    }

    /// Before a command migrates the database, prevents servers from using it. A server that uses it has an older
    /// version, and would fail or write rows of the old schema.
    fn exclude_servers(&self, connection: &Connection) -> Result<Option<File>, StoreError> {
        let version = migrate::check(connection, &self.path, migrate::STEPS.len())?;
        if self.opener == Opener::Server || version == 0 || version == migrate::STEPS.len() {
            return Ok(None);
        }
        match serving::lock_exclusive(&self.path) {
            Ok(None) => Err(StoreError::Fault(format!(
                "a server of an older version uses {}, and this version would change its schema from {version} to {}; \
                 stop the server first, or use the program of its version",
                self.path.display(),
                migrate::STEPS.len()
            ))),
            Ok(lock) => Ok(lock),
            // Without locks, a server cannot be detected.
            Err(_) => Ok(None),
        }
    }

    fn connect(&self) -> Result<OpenDatabase, StoreError> {
        let _folder_lock = connect::lock_folder(&self.path)?;
        connect::create(&self.path)?;
        let mut connection = connect::writer(&self.path, self.busy_timeout)?;
        let no_server = self.exclude_servers(&connection)?;
        migrate::migrate(&mut connection, &self.path, &migrate::steps())?;
        drop(no_server);
        let readers = Readers::open(&self.path, self.busy_timeout, self.refusals.clone())?;
        let checkpoints = Checkpointer::start(&self.path, self.busy_timeout)?;
        let writer = Writer::start(connection, checkpoints, self.queue, self.refusals.clone())?;
        Ok(OpenDatabase { readers, writer })
    }
}
