//! Password hashing on dedicated threads: argon2id with reused memory, and a queue that is bounded by waiting time.
//!
//! A job that could not be done in time is rejected with [`HashError::Busy`] at once, so that a burst of sign-ins
//! delays no other request.
//!
//! Every check computes one hash, even if the user or the hash does not exist, so that the response time reveals
//! neither. A check computes a second hash if the password is correct and the stored hash must be replaced. A hash of
//! another system keeps its original cost until the user signs in for the first time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use argon2::{Algorithm, Argon2, Params, Version};
use subtle::ConstantTimeEq as _;

use super::hash_memory::HashMemory;
use super::hash_queue::HashQueue;
use super::stored_hash::{OUTPUT_LENGTH, OwnArgon2, ParsedHash, phc};
use crate::clock::Clock;
use crate::domain::password::{PASSWORD_MAX, Password, PasswordHash};
use crate::random::Random;

/// The maximum number of waiting jobs for each thread, even if all could be done in time: each job keeps a request in
/// memory.
const QUEUE_PER_THREAD: usize = 1024;
/// The length of a salt in bytes.
const SALT_LENGTH: usize = 16;
/// The time without a new job after which unused memory is released. The next hash allocates it again, which takes
/// milliseconds.
const IDLE_TIME: Duration = Duration::from_secs(5);

/// The cost of a new hash (RFC 9106 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashCost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub iterations: u32,
    /// Lanes.
    pub parallelism: u32,
}

/// Why no hash was computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// The queue is full, or the job would wait too long.
    #[error("the password hashing queue is full")]
    Busy {
        /// The predicted time until the present jobs are done, in whole seconds, at least 1 s.
        retry_after: Duration,
    },
    /// The operating system could not start a thread.
    #[error("cannot start a hashing thread")]
    NoThread,
    /// The cost is outside argon2's bounds.
    #[error("argon2 does not accept the cost in [passwords]; use at least one iteration and 8 KiB of memory per lane")]
    Cost,
}

/// The result of a password check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordCheck {
    /// The password does not match the hash, or there is no usable hash.
    Wrong,
    /// The password matches, and the hash has the configured cost.
    Right,
    /// The password matches. The hash has another cost or comes from another system; this is the new hash to store.
    Outdated(PasswordHash),
}

/// The receiver of a result, which waits on another thread. If there is no result, the pool drops the sink without a
/// call.
pub trait ResultSink<T>: Send + 'static {
    /// Whether the receiver still waits. If not, the pool skips the job.
    fn is_waiting(&self) -> bool;
    /// Passes the result to the receiver. The pool calls it on a hashing thread.
    fn deliver(self, result: T);
}

type HashJob = Box<dyn FnOnce(&mut HashWorker) + Send>;

/// The hashing pool. Clones share its threads, which end when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Hasher {
    jobs: SyncSender<HashJob>,
    queue: Arc<HashQueue>,
}

impl Hasher {
    /// Starts a pool of `threads` threads.
    pub fn new(cost: HashCost, threads: usize, random: &Random, clock: &Clock) -> Result<Self, HashError> {
        let params = Params::new(cost.memory_kib, cost.iterations, cost.parallelism, Some(OUTPUT_LENGTH))
            .map_err(|_| HashError::Cost)?;
        let (jobs, receiver) = sync_channel(threads * QUEUE_PER_THREAD);
        let receiver = Arc::new(Mutex::new(receiver));
        let memory = HashMemory::new(params.block_count());
        for number in 0..threads {
            let receiver = Arc::clone(&receiver);
            let worker = HashWorker { params: params.clone(), memory: memory.clone(), random: random.clone() };
            let thread = std::thread::Builder::new().name(format!("hash-{number}"));
            thread.spawn(move || worker.run(&receiver)).map_err(|_| HashError::NoThread)?;
        }
        Ok(Self { jobs, queue: HashQueue::new(threads, cost.memory_kib, cost.iterations, clock.clone()) })
    }

    /// The number of jobs that wait for a thread.
    pub fn waiting(&self) -> usize {
        self.queue.waiting()
    }

    /// Checks whether a job would be accepted now, for callers that do expensive work before they submit one.
    pub fn check_capacity(&self) -> Result<(), HashError> {
        self.queue.check_capacity().map_err(|retry_after| HashError::Busy { retry_after })
    }

    /// Hashes a new password.
    pub fn hash(&self, password: Password, sink: impl ResultSink<PasswordHash>) -> Result<(), HashError> {
        self.push(sink, move |worker| worker.hash(&password))
    }

    /// Checks a password against a hash. Without a usable hash, the check computes a dummy hash at the
    /// configured cost.
    pub fn check(
        &self,
        password: Password,
        hash: Option<PasswordHash>,
        sink: impl ResultSink<PasswordCheck>,
    ) -> Result<(), HashError> {
        self.push(sink, move |worker| worker.check(&password, hash.as_ref()))
    }

    fn push<T>(
        &self,
        sink: impl ResultSink<T>,
        work: impl FnOnce(&mut HashWorker) -> Option<T> + Send + 'static,
    ) -> Result<(), HashError> {
        let slot = self.queue.enter().map_err(|retry_after| HashError::Busy { retry_after })?;
        let job: HashJob = Box::new(move |worker| {
            if sink.is_waiting()
                && let Some(result) = slot.timed(|| work(worker))
            {
                // The slot must be free before the receiver can submit its next job.
                drop(slot);
                sink.deliver(result);
            }
        });
        self.jobs.try_send(job).map_err(|_| HashError::Busy { retry_after: self.queue.until_empty() })
    }
}

struct HashWorker {
    params: Params,
    memory: HashMemory,
    random: Random,
}

impl HashWorker {
    fn run(mut self, jobs: &Mutex<Receiver<HashJob>>) {
        loop {
            let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(IDLE_TIME);
            match next {
                // If a job panics, only its receiver loses the result. The thread continues.
                Ok(job) => drop(catch_unwind(AssertUnwindSafe(|| job(&mut self)))),
                Err(RecvTimeoutError::Timeout) => self.memory.release_all(),
                Err(RecvTimeoutError::Disconnected) => return, // The last `Hasher` was dropped.
            }
        }
    }

    fn hash(&mut self, password: &Password) -> Option<PasswordHash> {
        let salt: [u8; SALT_LENGTH] = self.random.bytes();
        let params = self.params.clone();
        let output = self.argon2id(password, &salt, &params)?;
        phc(&params, &salt, &output).map(PasswordHash::from_stored)
    }

    /// Checks a password against a hash. Returns `None` only if a new hash was needed and could not be computed.
    ///
    /// An empty or overlong password is wrong, but the check costs as much as for any other password.
    fn check(&mut self, password: &Password, hash: Option<&PasswordHash>) -> Option<PasswordCheck> {
        let result = match hash.and_then(|hash| ParsedHash::read(hash.as_str())) {
            Some(ParsedHash::Own(stored)) => self.check_own(password, &stored),
            Some(ParsedHash::Foreign(foreign)) if foreign.matches(password) => {
                self.hash(password).map(PasswordCheck::Outdated)
            }
            Some(ParsedHash::Foreign(_)) => Some(PasswordCheck::Wrong),
            None => {
                // A dummy hash, so that the response time does not reveal whether the user exists.
                let params = self.params.clone();
                let _ = self.argon2id(password, &[0; SALT_LENGTH], &params);
                Some(PasswordCheck::Wrong)
            }
        };
        if password.is_plausible() { result } else { Some(PasswordCheck::Wrong) }
    }

    fn check_own(&mut self, password: &Password, stored: &OwnArgon2) -> Option<PasswordCheck> {
        let output = self.argon2id(password, &stored.salt, &stored.params);
        if !output.is_some_and(|output| bool::from(output.ct_eq(&stored.output))) {
            return Some(PasswordCheck::Wrong);
        }
        let cost = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
        if cost(&stored.params) == cost(&self.params) {
            return Some(PasswordCheck::Right);
        }
        self.hash(password).map(PasswordCheck::Outdated)
    }

    /// Computes one hash. Returns `None` if the parameters are out of bounds, which is possible for a stored hash.
    fn argon2id(&mut self, password: &Password, salt: &[u8], params: &Params) -> Option<[u8; OUTPUT_LENGTH]> {
        let blocks = params.block_count();
        let mut memory = self.memory.take(blocks);
        let bytes = password.expose();
        let mut output = [0; OUTPUT_LENGTH];
        let hashed = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone()).hash_password_into_with_memory(
            &bytes[..bytes.len().min(PASSWORD_MAX)],
            salt,
            &mut output,
            &mut memory[..blocks],
        );
        self.memory.put_back(memory);
        hashed.ok().map(|()| output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;
    use std::sync::mpsc::{Sender, channel};

    impl<T: Send + 'static> ResultSink<T> for Sender<T> {
        fn is_waiting(&self) -> bool {
            true
        }

        fn deliver(self, result: T) {
            self.send(result).expect("the receiver exists");
        }
    }

    const CHEAP: HashCost = HashCost { memory_kib: 64, iterations: 1, parallelism: 1 };

    fn hasher(cost: HashCost) -> Hasher {
        let clock = Clock::manual(Timestamp::from_unix(0));
        Hasher::new(cost, 1, &Random::seeded(1), &clock).expect("the cost is valid")
    }

    fn password(text: &str) -> Password {
        Password::new(text.to_owned())
    }

    fn hash(hasher: &Hasher, text: &str) -> PasswordHash {
        let (sender, receiver) = channel();
        hasher.hash(password(text), sender).expect("the queue has capacity");
        receiver.recv().expect("the pool returns a result")
    }

    fn check(hasher: &Hasher, text: &str, hash: Option<&PasswordHash>) -> PasswordCheck {
        let (sender, receiver) = channel();
        hasher.check(password(text), hash.cloned(), sender).expect("the queue has capacity");
        receiver.recv().expect("the pool returns a result")
    }

    #[test]
    fn a_password_matches_only_its_own_hash() {
        let hasher = hasher(CHEAP);
        let stored = hash(&hasher, "correct horse");
        assert!(stored.as_str().starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{}", stored.as_str());
        assert_eq!(check(&hasher, "correct horse", Some(&stored)), PasswordCheck::Right);
        assert_eq!(check(&hasher, "correct horsE", Some(&stored)), PasswordCheck::Wrong);
        assert_eq!(check(&hasher, "correct horse", None), PasswordCheck::Wrong);
        assert_eq!(check(&hasher, "", Some(&stored)), PasswordCheck::Wrong);
        assert_ne!(hash(&hasher, "correct horse"), stored, "each hash has its own salt");
    }

    #[test]
    fn a_hash_with_another_cost_is_upgraded() {
        let old = hash(&hasher(HashCost { memory_kib: 128, ..CHEAP }), "correct horse");
        let hasher = hasher(CHEAP);
        let PasswordCheck::Outdated(new) = check(&hasher, "correct horse", Some(&old)) else {
            panic!("the hash is outdated")
        };
        assert_eq!(check(&hasher, "correct horse", Some(&new)), PasswordCheck::Right);
        assert_eq!(check(&hasher, "wrong", Some(&old)), PasswordCheck::Wrong);
    }

    #[test]
    fn a_foreign_hash_is_upgraded_to_argon2id() {
        // Django 5.2 created this hash of the password `correct horse`, with fewer iterations than its default.
        let foreign = "pbkdf2_sha256$1000$salty$DzvaoPDWHNlO+0p5E04mScIUiNVjJ8YpgYitYTNqHo8=";
        let hasher = hasher(CHEAP);
        let old = PasswordHash::from_stored(foreign.to_owned());
        let PasswordCheck::Outdated(new) = check(&hasher, "correct horse", Some(&old)) else {
            panic!("the hash is outdated")
        };
        assert!(new.as_str().starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{}", new.as_str());
        assert_eq!(check(&hasher, "correct horse", Some(&new)), PasswordCheck::Right);
        assert_eq!(check(&hasher, "wrong", Some(&old)), PasswordCheck::Wrong);
        assert_eq!(check(&hasher, "", Some(&old)), PasswordCheck::Wrong);
        let unknown = PasswordHash::from_stored("md5$salty$0123".to_owned());
        assert_eq!(check(&hasher, "correct horse", Some(&unknown)), PasswordCheck::Wrong);
    }

    #[test]
    fn the_library_itself_accepts_our_hashes() {
        use argon2::password_hash::PasswordVerifier as _;
        use argon2::password_hash::phc::PasswordHash as Phc;
        let stored = hash(&hasher(CHEAP), "correct horse");
        let phc = Phc::new(stored.as_str()).expect("the hash is a PHC string");
        assert!(Argon2::default().verify_password(b"correct horse", &phc).is_ok());
    }

    #[test]
    fn an_overlong_password_is_wrong_even_if_its_prefix_matches() {
        let hasher = hasher(CHEAP);
        let stored = hash(&hasher, &"x".repeat(PASSWORD_MAX));
        assert_eq!(check(&hasher, &"x".repeat(PASSWORD_MAX), Some(&stored)), PasswordCheck::Right);
        assert_eq!(check(&hasher, &"x".repeat(PASSWORD_MAX + 1), Some(&stored)), PasswordCheck::Wrong);
    }

    #[test]
    fn a_full_queue_rejects_immediately() {
        let hasher = hasher(CHEAP);
        let (gate, waiting) = channel::<()>();
        let (sender, _receiver) = channel::<()>();
        hasher.push(sender.clone(), move |_| waiting.recv().err().map(|_| ())).expect("the queue has capacity");
        let full = (0..=2 * QUEUE_PER_THREAD).find_map(|_| hasher.push(sender.clone(), |_| None).err());
        assert_eq!(full, Some(HashError::Busy { retry_after: Duration::from_secs(1) }));
        drop(gate);
    }

    #[test]
    fn a_job_that_would_wait_too_long_is_rejected() {
        let slow = HashCost { memory_kib: 1 << 20, iterations: 1, parallelism: 1 };
        let hasher = hasher(slow);
        let (gate, waiting) = channel::<()>();
        let (sender, _receiver) = channel::<()>();
        hasher.push(sender.clone(), move |_| waiting.recv().err().map(|_| ())).expect("the thread is free");
        assert_eq!(hasher.check_capacity(), Ok(()));
        let admitted = (0..10).take_while(|_| hasher.push(sender.clone(), |_| None).is_ok()).count();
        assert_eq!(admitted, 2, "the assumed duration of a hash with 1 GiB is one second");
        assert_eq!(hasher.check_capacity(), Err(HashError::Busy { retry_after: Duration::from_secs(4) }));
        drop(gate);
    }

    #[test]
    fn a_panicking_job_does_not_end_the_thread() {
        let hasher = hasher(CHEAP);
        let (sender, receiver) = channel::<()>();
        hasher.push(sender, |_| panic!("on purpose")).expect("the queue has capacity");
        assert!(receiver.recv().is_err(), "the sink is dropped without a result");
        assert!(hash(&hasher, "correct horse").as_str().starts_with("$argon2id$"));
    }

    #[test]
    fn a_job_of_a_disconnected_caller_is_skipped() {
        struct ClosedSink(Sender<&'static str>);
        impl ResultSink<PasswordCheck> for ClosedSink {
            fn is_waiting(&self) -> bool {
                false
            }

            fn deliver(self, _: PasswordCheck) {
                self.0.send("delivered").expect("the receiver exists");
            }
        }
        let hasher = hasher(CHEAP);
        let (sender, receiver) = channel();
        hasher.check(password("x"), None, ClosedSink(sender)).expect("the queue has capacity");
        assert!(receiver.recv().is_err());
    }
}
