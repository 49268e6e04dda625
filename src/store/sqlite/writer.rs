//! The one thread that changes: it runs all writes that wait in one transaction, and answers them when that is on the
//! disk. Many share the cost of one wait for it; none waits for a batch to fill.
//!
//! A write has a savepoint of its own, so that one that fails is undone alone. What is frequent goes without: for a
//! savepoint SQLite keeps a copy of every page that is changed after it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread;

use rusqlite::Connection;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use super::checkpoint::Checkpointer;
use super::refusals::Refusals;
use super::tx::Tx;
use crate::store::StoreError;

/// The most writes that share a transaction: beyond this the first of them would wait for the last too long.
const BATCH: usize = 512;

/// A write on its way: run at most once, answered exactly once.
trait WriteJob: Send {
    /// Whether it is undone alone if it fails.
    fn has_savepoint(&self) -> bool;
    /// Runs it. Whether what it did is to be kept.
    fn run(&mut self, tx: &Tx<'_>) -> bool;
    /// Tells the caller: what the job returned, or why nothing of it was kept.
    fn reply(self: Box<Self>, kept: Result<(), StoreError>);
}

struct WriteRequest<F, T, E> {
    job: Option<F>,
    has_savepoint: bool,
    result: Option<Result<T, E>>,
    /// Whether it failed because the database was unavailable.
    unavailable: bool,
    refusals: Refusals,
    caller: oneshot::Sender<Result<T, E>>,
}

impl<F, T, E> WriteJob for WriteRequest<F, T, E>
where
    F: FnOnce(&Tx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<StoreError> + Send,
{
    fn has_savepoint(&self) -> bool {
        self.has_savepoint
    }

    fn run(&mut self, tx: &Tx<'_>) -> bool {
        let Some(job) = self.job.take() else { return false };
        let result = catch_unwind(AssertUnwindSafe(|| job(tx)))
            .unwrap_or_else(|_| Err(StoreError::Fault("a write panicked".to_owned()).into()));
        self.unavailable = result.is_err() && tx.was_unavailable();
        self.result.insert(result).is_ok()
    }

    fn reply(self: Box<Self>, kept: Result<(), StoreError>) {
        if self.unavailable {
            self.refusals.add();
        }
        let answer = match (self.result, kept) {
            (Some(Err(error)), _) => Err(error),
            (_, Err(error)) => Err(self.refusals.counting(error)),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(StoreError::Fault("a write was not run".to_owned()).into()),
        };
        // A caller that has gone away is not told; what it asked for is done all the same.
        let _ = self.caller.send(answer);
    }
}

enum WriterMessage {
    Job(Box<dyn WriteJob>),
    Close(oneshot::Sender<()>),
}

/// Whether the thread is to end.
enum WriterShutdown {
    NotYet,
    /// Somebody asked for it and waits.
    Asked(oneshot::Sender<()>),
    /// Nobody can ask for anything any more.
    Abandoned,
}

/// The way to the thread. When the last one is dropped the thread ends, after what is queued.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    queue: SyncSender<WriterMessage>,
    refusals: Refusals,
}

impl Writer {
    /// Starts the thread on a connection; at most `capacity` writes wait for it. Counts what it refuses. From then on the log
    /// is folded into the file by the checkpoints alone.
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
            .map_err(|error| StoreError::Unavailable(format!("can't start the thread that writes: {error}")))?;
        Ok(Self { queue, refusals })
    }

    /// Runs a write; `has_savepoint` as [`WriteJob::has_savepoint`] says.
    pub(super) async fn write<T, E>(
        &self,
        alone: bool,
        job: impl FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (caller, answer) = oneshot::channel();
        let refusals = self.refusals.clone();
        let job = Box::new(WriteRequest {
            job: Some(job),
            has_savepoint: alone,
            result: None,
            unavailable: false,
            refusals,
            caller,
        });
        let queued = self.queue.try_send(WriterMessage::Job(job)).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Unavailable("too many writes wait: try again later".to_owned()),
            TrySendError::Disconnected(_) => closed(),
        });
        queued.map_err(|error| self.refusals.counting::<E>(error))?;
        answer.await.unwrap_or_else(|_| Err(self.refusals.counting(closed())))
    }

    /// Does what is queued, then ends the thread. A second call finds it ended.
    pub(super) async fn close(&self) {
        let (done, ended) = oneshot::channel();
        let queue = self.queue.clone();
        // Waits where the queue is full; an end that is not heard of is one that has come.
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
                Ok(WriterMessage::Close(done)) => closing = WriterShutdown::Asked(done),
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
            Ok(()) => {} // what is left is folded below
            Err(stranded) => refuse(stranded, messages, &mut closing),
        }
    }
    checkpoints.stop();
    finish(connection);
    if let WriterShutdown::Asked(done) = closing {
        let _ = done.send(());
    }
}

/// Jobs for which no transaction could begin, and why.
struct UnstartedJobs {
    jobs: Vec<Box<dyn WriteJob>>,
    error: StoreError,
}

/// Answers the stranded, and those who waited behind them: they have waited as long, and would only wait as long
/// again. They are taken from the queue before anyone is answered, so that whoever asks after an answer is not among
/// them.
fn refuse(stranded: UnstartedJobs, messages: &Receiver<WriterMessage>, closing: &mut WriterShutdown) {
    let UnstartedJobs { mut jobs, error } = stranded;
    while let Ok(message) = messages.try_recv() {
        match message {
            WriterMessage::Job(job) => jobs.push(job),
            WriterMessage::Close(done) => *closing = WriterShutdown::Asked(done),
        }
    }
    for job in jobs {
        job.reply(Err(error.clone()));
    }
}

/// Folds the log into the file as far as no other process is in the way.
fn finish(connection: Connection) {
    let folded = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
    let closed = connection.close().map_err(|(_, error)| error);
    if let Err(error) = folded.and(closed) {
        tracing::warn!(%error, "the database was closed with its log still beside it; the next start takes it up");
    }
}

/// Runs all jobs in one transaction and answers them. SQLite may undo a transaction by itself (the disk is full, the
/// disk fails): then those that have run are answered so, and the others get another one. Where
/// none can begin, those that have not run come back unanswered.
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
            tracing::error!(%error, writes = ran.len(), "a transaction was not committed");
            rollback(connection);
        }
        for job in ran {
            job.reply(kept.clone());
        }
    }
    Ok(())
}

/// Takes the lock for writing. A transaction that could not be ended is ended first.
fn begin(connection: &Connection) -> Result<(), StoreError> {
    if !connection.is_autocommit() {
        execute(connection, "ROLLBACK")?;
    }
    execute(connection, "BEGIN IMMEDIATE")
}

/// Gives the lock back. Where even that fails, the next transaction tries it again.
fn rollback(connection: &Connection) {
    if !connection.is_autocommit()
        && let Err(error) = execute(connection, "ROLLBACK")
    {
        tracing::error!(%error, "a transaction could not be undone");
    }
}

/// Runs a job. An error is one of the whole transaction: nothing in it can be kept.
fn run_one(connection: &Connection, job: &mut dyn WriteJob) -> Result<(), StoreError> {
    let alone = job.has_savepoint();
    let before = connection.total_changes();
    if alone {
        execute(connection, "SAVEPOINT job")?;
    }
    let keep = job.run(&Tx::new(connection));
    if connection.is_autocommit() {
        return Err(StoreError::Unavailable("the disk is full or failing, and the transaction was undone".to_owned()));
    }
    match (alone, keep) {
        (false, false) if connection.total_changes() != before => {
            Err(StoreError::Unavailable("a write failed halfway, and its transaction was undone".to_owned()))
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
