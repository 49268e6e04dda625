//! The line in front of the hashing pool, bounded by time: whoever would wait too long is told so when they come, not after
//! they have waited. It knows how long a hash takes by measuring each one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::clock::Clock;

/// The longest wait that anybody is let in for. A longer line serves nobody sooner, it only makes all of them wait: this is
/// enough to take up a crowd that comes at once, and leaves a sign-in far below what clients and proxies have patience for.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// What a hash is taken to cost before the first was measured, in nanoseconds per KiB and pass; what it is on a slow core.
const GUESS: u64 = 1_000;
/// How much of the estimate each measurement replaces: an eighth, so that it follows a slower machine within a few hashes.
const SHARE: u64 = 8;

/// How many are in the pool and before it, and how long each takes.
#[derive(Debug)]
pub(super) struct HashQueue {
    clock: Clock,
    threads: usize,
    /// Those who wait and those whose hash is being made.
    inside: AtomicUsize,
    /// A job's running average, in nanoseconds.
    cost: AtomicU64,
}

/// A place in the line; given back when dropped.
#[derive(Debug)]
pub(super) struct QueueSlot(Arc<HashQueue>);

impl HashQueue {
    /// An empty line before `threads` threads, whose hashes fill `memory_kib` so many times.
    pub(super) fn new(threads: usize, memory_kib: u32, iterations: u32, clock: Clock) -> Arc<Self> {
        let guess = u64::from(memory_kib) * u64::from(iterations) * GUESS;
        Arc::new(Self { clock, threads: threads.max(1), inside: AtomicUsize::new(0), cost: AtomicU64::new(guess) })
    }

    /// Takes a place at the end, unless that is too far away: then, how long the line as it is needs, in whole seconds.
    pub(super) fn enter(self: &Arc<Self>) -> Result<QueueSlot, Duration> {
        let ahead = self.inside.fetch_add(1, Ordering::Relaxed);
        let slot = QueueSlot(Arc::clone(self));
        self.admit(ahead).map(|()| slot)
    }

    /// Whether [`HashQueue::enter`] would find a place now; the refusal is the same.
    pub(super) fn check_capacity(&self) -> Result<(), Duration> {
        self.admit(self.inside.load(Ordering::Relaxed))
    }

    /// Where a thread is free there is no wait, however long a hash takes.
    fn admit(&self, ahead: usize) -> Result<(), Duration> {
        let before_a_thread_is_free = (ahead + 1).saturating_sub(self.threads);
        if self.span(before_a_thread_is_free) <= LONGEST_WAIT { Ok(()) } else { Err(self.retry_after(ahead)) }
    }

    /// When those who are inside now will have been served, in whole seconds, at least one.
    pub(super) fn until_empty(&self) -> Duration {
        self.retry_after(self.inside.load(Ordering::Relaxed))
    }

    /// How many have no thread yet.
    pub(super) fn waiting(&self) -> usize {
        self.inside.load(Ordering::Relaxed).saturating_sub(self.threads)
    }

    fn retry_after(&self, inside: usize) -> Duration {
        let span = self.span(inside);
        Duration::from_secs(span.as_secs() + u64::from(span.subsec_nanos() > 0)).max(Duration::from_secs(1))
    }

    /// How long all threads together need for so many jobs.
    fn span(&self, jobs: usize) -> Duration {
        let nanos = self.cost.load(Ordering::Relaxed).saturating_mul(jobs as u64) / self.threads as u64;
        Duration::from_nanos(nanos)
    }
}

impl QueueSlot {
    /// Does the work and remembers how long it took.
    pub(super) fn timed<T>(&self, work: impl FnOnce() -> T) -> T {
        let HashQueue { clock, cost, .. } = &*self.0;
        let begun = clock.monotonic();
        let done = work();
        let took = u64::try_from(clock.monotonic().saturating_sub(begun).as_nanos()).unwrap_or(u64::MAX);
        // Two threads may forget each other's measurement: the next one makes up for it.
        let old = cost.load(Ordering::Relaxed);
        cost.store(old - old / SHARE + took / SHARE, Ordering::Relaxed);
        done
    }
}

impl Drop for QueueSlot {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;

    /// A line whose hashes are guessed to take 10 ms.
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
                "one whose hash begins at once, and those who wait three seconds at most"
            );
            assert_eq!(retry_after, Duration::from_secs(4), "what is inside needs a little over three seconds");
            assert_eq!(queue.check_capacity(), Err(retry_after), "who only asks hears the same");
            slots.pop();
            assert!(queue.check_capacity().is_ok(), "whoever has been served makes room");
            assert!(queue.enter().is_ok());
        }
    }

    #[test]
    fn the_predicted_wait_follows_measured_durations() {
        let (queue, clock) = queue(2);
        for _ in 0..100 {
            let slot = queue.enter().expect("nobody is there");
            slot.timed(|| clock.advance(Duration::from_secs(1)));
        }
        let (slots, retry_after) = fill(&queue);
        assert_eq!(slots.len(), 8, "two whose hash begins at once, and six who wait for two threads");
        assert_eq!(retry_after, Duration::from_secs(4));
    }

    #[test]
    fn a_job_is_admitted_while_a_thread_is_free() {
        let (queue, clock) = queue(2);
        for _ in 0..100 {
            queue.enter().expect("nobody is there").timed(|| clock.advance(Duration::from_mins(1)));
        }
        let (slots, retry_after) = fill(&queue);
        assert_eq!((slots.len(), retry_after), (2, Duration::from_mins(1)));
    }
}
