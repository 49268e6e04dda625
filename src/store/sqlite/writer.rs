//! The writer thread. It runs the waiting writes, at most 512, in one transaction and sends the results when the
//! transaction is on disk. Many writes share one sync, and no write waits for a batch to fill.
//!
//! A write normally has its own savepoint, so that a failed write is undone without the others. Writes submitted with
//! [`Store::refresh_session`](crate::store::Store::refresh_session) have none, because SQLite copies every page that
//! is changed after a savepoint.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread;

use rusqlite::Connection;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use super::checkpoint::Checkpointer;
use super::refusals::Refusals;
use super::tx::Tx;
use crate::store::error::StoreError;

/// The maximum number of writes in a transaction. With more, the first write would wait too long for the commit.
const BATCH: usize = 512;

/// A queued write. Its caller receives exactly one result.
trait WriteJob: Send {
    /// Whether the write has its own savepoint, so that it is undone without the others if it fails.
    fn has_savepoint(&self) -> bool;
    /// Runs the write. Returns true if it succeeded, so that its changes must be kept.
    fn run(&mut self, tx: &Tx<'_>) -> bool;
    /// Sends the result to the caller: the result of the job, or the error in `kept` if its changes were lost.
    fn reply(self: Box<Self>, kept: Result<(), StoreError>);
}

struct WriteRequest<F, T, E> {
    job: F,
    has_savepoint: bool,
    result: Option<Result<T, E>>,
    /// Whether the write failed because the database was unavailable.
    unavailable: bool,
    refusals: Refusals,
    caller: oneshot::Sender<Result<T, E>>,
}

impl<F, T, E> WriteJob for WriteRequest<F, T, E>
where
    F: Fn(&Tx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<StoreError> + Send,
{
    fn has_savepoint(&self) -> bool {
        self.has_savepoint
    }

    fn run(&mut self, tx: &Tx<'_>) -> bool {
        let result = catch_unwind(AssertUnwindSafe(|| (self.job)(tx)))
            .unwrap_or_else(|_| Err(StoreError::Fault("a write panicked".to_owned()).into()));
        self.unavailable = result.is_err() && tx.was_unavailable();
        self.result.insert(result).is_ok()
    }

    fn reply(self: Box<Self>, kept: Result<(), StoreError>) {
        if self.unavailable {
            self.refusals.add();
        }
        let result = match (self.result, kept) {
            (Some(Err(error)), _) => Err(error),
            (_, Err(error)) => Err(self.refusals.counting(error)),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(StoreError::Fault("a write was not run".to_owned()).into()),
        };
        // If the caller has dropped its future, the result is discarded and the write is still kept.
        let _ = self.caller.send(result);
    }
}

enum WriterMessage {
    Job(Box<dyn WriteJob>),
    Close(oneshot::Sender<()>),
}

/// Whether the writer thread must end, and why.
enum WriterShutdown {
    NotYet,
    /// A caller of [`Writer::close`] requested the end and waits for it.
    Requested(oneshot::Sender<()>),
    /// All handles were dropped, so no further write can arrive.
    Abandoned,
}

/// A handle to the writer thread. When the last handle is dropped, the thread ends after the queued writes.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    queue: SyncSender<WriterMessage>,
    refusals: Refusals,
}

impl Writer {
    /// Starts the thread on a connection, with a queue of `capacity` writes. `refusals` counts the writes that fail
    /// with [`StoreError::Unavailable`]. Turns off SQLite's automatic checkpoints, because [`Checkpointer`] replaces
    /// them.
    pub(super) fn start(
        connection: Connection,
        checkpoints: Checkpointer,
        capacity: usize,
        refusals: Refusals,
    ) -> Result<Self, StoreError> {
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        let (queue, messages) = sync_channel(capacity);
        thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || serve(connection, checkpoints, &messages))
            .map_err(|error| StoreError::Unavailable(format!("cannot start the writer thread: {error}")))?;
        Ok(Self { queue, refusals })
    }

    /// Queues a write and waits for its result. `has_savepoint`: see [`WriteJob::has_savepoint`].
    pub(super) async fn write<T, E>(
        &self,
        has_savepoint: bool,
        job: impl Fn(&Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (caller, result) = oneshot::channel();
        let refusals = self.refusals.clone();
        let job = Box::new(WriteRequest { job, has_savepoint, result: None, unavailable: false, refusals, caller });
        let queued = self.queue.try_send(WriterMessage::Job(job)).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Unavailable("too many writes are waiting; retry later".to_owned()),
            TrySendError::Disconnected(_) => closed(),
        });
        queued.map_err(|error| self.refusals.counting::<E>(error))?;
        result.await.unwrap_or_else(|_| Err(self.refusals.counting(closed())))
    }

    /// Finishes the queued writes, then ends the thread. A call after the end returns immediately.
    pub(super) async fn close(&self) {
        let (done, ended) = oneshot::channel();
        let queue = self.queue.clone();
        // Waits if the queue is full. An error means that the thread has already ended.
        let _ = spawn_blocking(move || queue.send(WriterMessage::Close(done))).await;
        let _ = ended.await;
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".to_owned())
}

fn serve(connection: Connection, checkpoints: Checkpointer, messages: &Receiver<WriterMessage>) {
    let mut closing = WriterShutdown::NotYet;
    while matches!(closing, WriterShutdown::NotYet) {
        let mut batch = Vec::new();
        let mut next = messages.recv().map_err(|_| TryRecvError::Disconnected);
        loop {
            match next {
                Ok(WriterMessage::Job(job)) => batch.push(job),
                Ok(WriterMessage::Close(done)) => closing = WriterShutdown::Requested(done),
                Err(TryRecvError::Disconnected) => closing = WriterShutdown::Abandoned,
                Err(TryRecvError::Empty) => break,
            }
            if !matches!(closing, WriterShutdown::NotYet) || batch.len() == BATCH {
                break;
            }
            next = messages.try_recv();
        }
        let writes = batch.len();
        match run(&connection, batch) {
            Ok(()) if matches!(closing, WriterShutdown::NotYet) => checkpoints.after_commit(&connection, writes),
            Ok(()) => {} // `finish` checkpoints the WAL.
            Err(unstarted) => refuse(unstarted, messages, &mut closing),
        }
    }
    checkpoints.stop();
    finish(connection);
    if let WriterShutdown::Requested(done) = closing {
        let _ = done.send(());
    }
}

/// Jobs that have not run because no transaction could start, and the reason.
struct UnstartedJobs {
    jobs: Vec<Box<dyn WriteJob>>,
    error: StoreError,
}

/// Sends the error to the unstarted jobs and to all queued jobs, which would otherwise wait for the busy timeout once
/// more. The queue is emptied before the first error is sent, so that a write that a caller queues after receiving such
/// an error is not refused by this call.
fn refuse(unstarted: UnstartedJobs, messages: &Receiver<WriterMessage>, closing: &mut WriterShutdown) {
    let UnstartedJobs { mut jobs, error } = unstarted;
    while let Ok(message) = messages.try_recv() {
        match message {
            WriterMessage::Job(job) => jobs.push(job),
            WriterMessage::Close(done) => *closing = WriterShutdown::Requested(done),
        }
    }
    for job in jobs {
        job.reply(Err(error.clone()));
    }
}

/// Checkpoints the WAL as far as open reads and other processes allow, and closes the connection.
fn finish(connection: Connection) {
    let checkpointed = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
    let closed = connection.close().map_err(|(_, error)| error);
    if let Err(error) = checkpointed.and(closed) {
        tracing::warn!(%error, "wal not checkpointed at shutdown; it is recovered at the next start");
    }
}

/// Runs all jobs in one transaction and sends their results. If the transaction is lost, for example because the disk
/// is full, all jobs that have run in it fail, and the remaining jobs run in another transaction. If no transaction can
/// start, returns the jobs that have not run.
fn run(connection: &Connection, batch: Vec<Box<dyn WriteJob>>) -> Result<(), UnstartedJobs> {
    let mut waiting = batch.into_iter();
    while waiting.len() > 0 {
        if let Err(error) = begin(connection) {
            return Err(UnstartedJobs { jobs: waiting.collect(), error });
        }
        let mut ran = Vec::with_capacity(waiting.len());
        let mut kept = Ok(());
        while kept.is_ok()
            && let Some(mut job) = waiting.next()
        {
            kept = run_one(connection, job.as_mut());
            ran.push(job);
        }
        let kept = kept.and_then(|()| execute(connection, "COMMIT"));
        if let Err(error) = &kept {
            tracing::error!(%error, writes = ran.len(), "transaction not committed");
            rollback(connection);
        }
        for job in ran {
            job.reply(kept.clone());
        }
    }
    Ok(())
}

/// Starts a transaction, which takes the write lock. If an earlier rollback failed, its transaction is still open and
/// is rolled back first.
fn begin(connection: &Connection) -> Result<(), StoreError> {
    if !connection.is_autocommit() {
        execute(connection, "ROLLBACK")?;
    }
    execute(connection, "BEGIN IMMEDIATE")
}

/// Rolls back the transaction, unless SQLite has already done so. If the rollback fails, [`begin`] tries again.
fn rollback(connection: &Connection) {
    if !connection.is_autocommit()
        && let Err(error) = execute(connection, "ROLLBACK")
    {
        tracing::error!(%error, "transaction rollback failed");
    }
}

/// Runs a job. Returns an error only if the whole transaction is lost, not if the job alone failed.
fn run_one(connection: &Connection, job: &mut dyn WriteJob) -> Result<(), StoreError> {
    let has_savepoint = job.has_savepoint();
    let changes_before = connection.total_changes();
    if has_savepoint {
        execute(connection, "SAVEPOINT job")?;
    }
    let succeeded = job.run(&Tx::new(connection));
    if connection.is_autocommit() {
        return Err(StoreError::Unavailable(
            "the disk is full or failing, and SQLite undid the transaction".to_owned(),
        ));
    }
    match (has_savepoint, succeeded) {
        (false, false) if connection.total_changes() != changes_before => {
            Err(StoreError::Unavailable("a write failed after a change, and its transaction was undone".to_owned()))
        }
        (false, _) => Ok(()),
        (true, true) => execute(connection, "RELEASE job"),
        (true, false) => execute(connection, "ROLLBACK TO job").and_then(|()| execute(connection, "RELEASE job")),
    }
}

fn execute(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}
