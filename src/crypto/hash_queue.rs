//! The admission queue of the hashing pool, bounded by waiting time.
//!
//! A job that would wait too long is rejected when it arrives, not after it has waited. The queue measures each job to
//! predict the waiting time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::clock::Clock;
use crate::domain::duration::seconds_rounded_up;

/// The longest predicted wait at which a job is admitted. A longer queue would make every caller wait longer and serve
/// none sooner. 3 s absorb a burst and keep a sign-in far below the usual timeouts of clients and proxies.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// The assumed cost of a hash before the first measurement, in nanoseconds per KiB and pass: the cost on a slow core.
const INITIAL_COST: u64 = 1_000;
/// Each measurement replaces one eighth of the average, so that the average follows 90 % of a change in speed within 18
/// jobs.
const AVERAGE_WEIGHT: u64 = 8;

/// The number of jobs in the queue and on the threads, and the average duration of a job.
#[derive(Debug)]
pub(super) struct HashQueue {
    clock: Clock,
    threads: usize,
    /// Jobs that wait and jobs that run.
    jobs: AtomicUsize,
    /// The moving average of a job's duration, in nanoseconds.
    average_nanos: AtomicU64,
}

/// A slot in the queue; dropping it releases the slot.
#[derive(Debug)]
pub(super) struct QueueSlot(Arc<HashQueue>);

impl HashQueue {
    /// Creates an empty queue for `threads` threads. A hash makes `iterations` passes over `memory_kib` KiB.
    pub(super) fn new(threads: usize, memory_kib: u32, iterations: u32, clock: Clock) -> Arc<Self> {
        let initial = u64::from(memory_kib) * u64::from(iterations) * INITIAL_COST;
        Arc::new(Self {
            clock,
            threads: threads.max(1),
            jobs: AtomicUsize::new(0),
            average_nanos: AtomicU64::new(initial),
        })
    }

    /// Takes a slot at the end of the queue.
    ///
    /// # Errors
    /// If the predicted wait is longer than [`LONGEST_WAIT`]: the predicted time until all present jobs are done, in
    /// whole seconds, at least 1 s.
    pub(super) fn enter(self: &Arc<Self>) -> Result<QueueSlot, Duration> {
        let ahead = self.jobs.fetch_add(1, Ordering::Relaxed);
        let slot = QueueSlot(Arc::clone(self));
        self.admit(ahead).map(|()| slot)
    }

    /// Checks whether [`HashQueue::enter`] would succeed now; the error is the same.
    pub(super) fn check_capacity(&self) -> Result<(), Duration> {
        self.admit(self.jobs.load(Ordering::Relaxed))
    }

    /// Admits a job if its predicted wait is at most [`LONGEST_WAIT`]. While a thread is free, every job is admitted,
    /// because it does not wait.
    fn admit(&self, ahead: usize) -> Result<(), Duration> {
        let jobs_before_a_free_thread = (ahead + 1).saturating_sub(self.threads);
        if self.span(jobs_before_a_free_thread) <= LONGEST_WAIT { Ok(()) } else { Err(self.retry_after(ahead)) }
    }

    /// The predicted time until all present jobs are done, in whole seconds, at least 1 s.
    pub(super) fn until_empty(&self) -> Duration {
        self.retry_after(self.jobs.load(Ordering::Relaxed))
    }

    /// The number of jobs that have no thread yet.
    pub(super) fn waiting(&self) -> usize {
        self.jobs.load(Ordering::Relaxed).saturating_sub(self.threads)
    }

    fn retry_after(&self, jobs: usize) -> Duration {
        Duration::from_secs(seconds_rounded_up(self.span(jobs)))
    }

    /// The time that all threads together need for `jobs` jobs.
    fn span(&self, jobs: usize) -> Duration {
        let nanos = self.average_nanos.load(Ordering::Relaxed).saturating_mul(jobs as u64) / self.threads as u64;
        Duration::from_nanos(nanos)
    }
}

impl QueueSlot {
    /// Runs `work` and adds its duration to the average.
    pub(super) fn timed<T>(&self, work: impl FnOnce() -> T) -> T {
        let HashQueue { clock, average_nanos, .. } = &*self.0;
        let started = clock.monotonic();
        let result = work();
        let duration = u64::try_from(clock.monotonic().saturating_sub(started).as_nanos()).unwrap_or(u64::MAX);
        // Two threads may overwrite each other's measurement. The next measurement corrects the average.
        let old = average_nanos.load(Ordering::Relaxed);
        average_nanos.store(old - old / AVERAGE_WEIGHT + duration / AVERAGE_WEIGHT, Ordering::Relaxed);
        result
    }
}

impl Drop for QueueSlot {
    fn drop(&mut self) {
        self.0.jobs.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;

    /// A queue that assumes 10 ms for each hash.
    fn queue(threads: usize) -> (Arc<HashQueue>, Clock) {
        let clock = Clock::manual(Timestamp::from_unix(0));
        (HashQueue::new(threads, 5_000, 2, clock.clone()), clock)
    }

    fn fill(queue: &Arc<HashQueue>) -> (Vec<QueueSlot>, Duration) {
        let mut slots = Vec::new();
        loop {
            match queue.enter() {
                Ok(slot) => slots.push(slot),
                Err(retry_after) => return (slots, retry_after),
            }
        }
    }

    #[test]
    fn the_queue_admits_as_many_jobs_as_can_be_served_in_time() {
        for threads in [1, 2, 8] {
            let (queue, _) = queue(threads);
            let (mut slots, retry_after) = fill(&queue);
            assert_eq!(
                slots.len(),
                threads * 301,
                "one job per thread starts at once, the others wait at most three seconds"
            );
            assert_eq!(retry_after, Duration::from_secs(4), "the present jobs need a little over three seconds");
            assert_eq!(queue.check_capacity(), Err(retry_after), "check_capacity returns the same error as enter");
            slots.pop();
            assert!(queue.check_capacity().is_ok(), "a finished job releases its slot");
            assert!(queue.enter().is_ok());
        }
    }

    #[test]
    fn the_predicted_wait_follows_measured_durations() {
        let (queue, clock) = queue(2);
        for _ in 0..100 {
            let slot = queue.enter().expect("the queue is empty");
            slot.timed(|| clock.advance(Duration::from_secs(1)));
        }
        let (slots, retry_after) = fill(&queue);
        assert_eq!(slots.len(), 8, "two jobs start at once, six wait for the two threads");
        assert_eq!(retry_after, Duration::from_secs(4));
    }

    #[test]
    fn a_job_is_admitted_while_a_thread_is_free() {
        let (queue, clock) = queue(2);
        for _ in 0..100 {
            queue.enter().expect("the queue is empty").timed(|| clock.advance(Duration::from_mins(1)));
        }
        let (slots, retry_after) = fill(&queue);
        assert_eq!((slots.len(), retry_after), (2, Duration::from_mins(1)));
    }
}
