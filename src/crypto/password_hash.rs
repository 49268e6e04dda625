//! Password hashing on threads of its own: argon2id with memory that is kept, a line in front that is bounded by time.
//!
//! Who could not be served in time is answered `Busy` at once, so that a storm of sign-ins delays nothing else. Every
//! verification costs exactly one hash, whatever is wrong; another system's costs what it costs there, until its owner has
//! signed in once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use argon2::{Algorithm, Argon2, Params, Version};
use subtle::ConstantTimeEq as _;

use super::hash_memory::HashMemory;
use super::hash_queue::HashQueue;
use super::stored_hash::{OUTPUT, OwnArgon2, ParsedHash, phc};
use crate::clock::Clock;
use crate::domain::password::{PASSWORD_MAX, Password, PasswordHash};
use crate::random::Random;

/// How many jobs may wait for each thread, even if all were done in time: each keeps a request in memory.
const QUEUE_PER_THREAD: usize = 1024;
const SALT: usize = 16;
/// After so long without a job the memory goes back to the system: to have it again costs the next hash some milliseconds.
const QUIET: Duration = Duration::from_secs(5);

/// The cost of a new hash (RFC 9106 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashCost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub iterations: u32,
    /// Lanes.
    pub parallelism: u32,
}

/// Why no hash was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// The line is too long to be served in time.
    #[error("too many passwords are being checked")]
    Busy {
        /// When the line as it is will have been served: whole seconds, at least one.
        retry_after: Duration,
    },
    /// The system gives no thread.
    #[error("no thread can be started to hash on")]
    NoThread,
    /// The cost is out of argon2's bounds.
    #[error("argon2 refuses the cost in [passwords]")]
    Cost,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordCheck {
    /// The password is not the hash's, or there was no hash to compare with.
    Wrong,
    /// It is, and the hash is as new ones are.
    Right,
    /// It is; the hash has another cost or comes from another system, and here is a new one.
    Outdated(PasswordHash),
}

/// Whoever asked, and waits for the answer on another thread. If no answer can be given it is dropped untold.
pub trait ResultSink<T>: Send + 'static {
    /// Whether anybody still waits: for one who has left, nothing is hashed.
    fn is_waiting(&self) -> bool;
    /// Gives the answer; called on the pool's thread.
    fn deliver(self, answer: T);
}

type HashJob = Box<dyn FnOnce(&mut HashWorker) + Send>;

/// The pool: clones share its threads, which end with the last of them.
#[derive(Clone, Debug)]
pub struct Hasher {
    jobs: SyncSender<HashJob>,
    queue: Arc<HashQueue>,
}

impl Hasher {
    /// Starts `threads` threads.
    pub fn new(cost: HashCost, threads: usize, random: &Random, clock: &Clock) -> Result<Self, HashError> {
        let params = Params::new(cost.memory_kib, cost.iterations, cost.parallelism, Some(OUTPUT))
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

    /// How many passwords wait for a thread.
    pub fn waiting(&self) -> usize {
        self.queue.waiting()
    }

    /// Whether a job would be taken now, for those who have something dear to do before they ask for one.
    pub fn check_capacity(&self) -> Result<(), HashError> {
        self.queue.check_capacity().map_err(|retry_after| HashError::Busy { retry_after })
    }

    /// Hashes a new password.
    pub fn hash(&self, password: Password, sink: impl ResultSink<PasswordHash>) -> Result<(), HashError> {
        self.push(sink, move |worker| worker.hash(&password))
    }

    /// Compares a password with a hash, or with nothing at the same cost.
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
                && let Some(answer) = slot.timed(|| work(worker))
            {
                drop(slot); // before its owner can ask for the next one
                sink.deliver(answer);
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
            let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(QUIET);
            match next {
                // A job that panics costs its asker the answer, and nobody else the thread.
                Ok(job) => drop(catch_unwind(AssertUnwindSafe(|| job(&mut self)))),
                Err(RecvTimeoutError::Timeout) => self.memory.give_back(),
                Err(RecvTimeoutError::Disconnected) => return, // the last Hasher is gone
            }
        }
    }

    fn hash(&mut self, password: &Password) -> Option<PasswordHash> {
        let salt: [u8; SALT] = self.random.bytes();
        let params = self.params.clone();
        let output = self.argon2id(password, &salt, &params)?;
        phc(&params, &salt, &output).map(PasswordHash::from_stored)
    }

    /// None only where a new hash was due and could not be made. An empty or overlong password is wrong, but only after
    /// the comparison that a possible one would have cost.
    fn check(&mut self, password: &Password, hash: Option<&PasswordHash>) -> Option<PasswordCheck> {
        let found = match hash.and_then(|hash| ParsedHash::read(hash.as_str())) {
            Some(ParsedHash::Own(stored)) => self.check_own(password, &stored),
            Some(ParsedHash::Foreign(foreign)) if foreign.matches(password) => {
                self.hash(password).map(PasswordCheck::Outdated)
            }
            Some(ParsedHash::Foreign(_)) => Some(PasswordCheck::Wrong),
            None => {
                // One hash for those who are nobody, so that they take as long as somebody.
                let params = self.params.clone();
                let _ = self.argon2id(password, &[0; SALT], &params);
                Some(PasswordCheck::Wrong)
            }
        };
        if password.is_plausible() { found } else { Some(PasswordCheck::Wrong) }
    }

    fn check_own(&mut self, password: &Password, stored: &OwnArgon2) -> Option<PasswordCheck> {
        let output = self.argon2id(password, &stored.salt, &stored.params);
        if !output.is_some_and(|output| bool::from(output.ct_eq(&stored.output))) {
            return Some(PasswordCheck::Wrong);
        }
        let current = &self.params;
        let same = |of: &Params| (of.m_cost(), of.t_cost(), of.p_cost());
        if same(&stored.params) == same(current) {
            return Some(PasswordCheck::Right);
        }
        self.hash(password).map(PasswordCheck::Outdated)
    }

    /// One hash. None where the parameters are out of bounds, which a stored hash's can be.
    fn argon2id(&mut self, password: &Password, salt: &[u8], params: &Params) -> Option<[u8; OUTPUT]> {
        let blocks = params.block_count();
        let mut memory = self.memory.take(blocks);
        let bytes = password.expose();
        let mut output = [0; OUTPUT];
        let hashed = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone()).hash_password_into_with_memory(
            &bytes[..bytes.len().min(PASSWORD_MAX)],
            salt,
            &mut output,
            &mut memory[..blocks],
        );
        self.memory.keep(memory);
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

        fn deliver(self, answer: T) {
            self.send(answer).expect("somebody listens");
        }
    }

    const CHEAP: HashCost = HashCost { memory_kib: 64, iterations: 1, parallelism: 1 };

    fn hasher(cost: HashCost) -> Hasher {
        let clock = Clock::manual(Timestamp::from_unix(0));
        Hasher::new(cost, 1, &Random::seeded(1), &clock).expect("the cost is fine")
    }

    fn password(text: &str) -> Password {
        Password::new(text.to_owned())
    }

    fn hash(hasher: &Hasher, text: &str) -> PasswordHash {
        let (tell, told) = channel();
        hasher.hash(password(text), tell).expect("there is room");
        told.recv().expect("the pool answers")
    }

    fn check(hasher: &Hasher, text: &str, hash: Option<&PasswordHash>) -> PasswordCheck {
        let (tell, told) = channel();
        hasher.check(password(text), hash.cloned(), tell).expect("there is room");
        told.recv().expect("the pool answers")
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
            panic!("it is outdated")
        };
        assert_eq!(check(&hasher, "correct horse", Some(&new)), PasswordCheck::Right);
        assert_eq!(check(&hasher, "wrong", Some(&old)), PasswordCheck::Wrong);
    }

    #[test]
    fn a_foreign_hash_is_upgraded_to_argon2id() {
        // Made by Django 5.2 for the password `correct horse`, with fewer iterations than its own.
        let foreign = "pbkdf2_sha256$1000$salty$DzvaoPDWHNlO+0p5E04mScIUiNVjJ8YpgYitYTNqHo8=";
        let hasher = hasher(CHEAP);
        let old = PasswordHash::from_stored(foreign.to_owned());
        let PasswordCheck::Outdated(new) = check(&hasher, "correct horse", Some(&old)) else {
            panic!("it is outdated")
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
        let phc = Phc::new(stored.as_str()).expect("it is a PHC string");
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
        let (tell, _told) = channel::<()>();
        hasher.push(tell.clone(), move |_| waiting.recv().err().map(|_| ())).expect("there is room");
        let full = (0..=2 * QUEUE_PER_THREAD).find_map(|_| hasher.push(tell.clone(), |_| None).err());
        assert_eq!(full, Some(HashError::Busy { retry_after: Duration::from_secs(1) }));
        drop(gate);
    }

    #[test]
    fn a_job_that_would_wait_too_long_is_rejected() {
        let slow = HashCost { memory_kib: 1 << 20, iterations: 1, parallelism: 1 };
        let hasher = hasher(slow);
        let (gate, waiting) = channel::<()>();
        let (tell, _told) = channel::<()>();
        hasher.push(tell.clone(), move |_| waiting.recv().err().map(|_| ())).expect("the thread is free");
        assert_eq!(hasher.check_capacity(), Ok(()));
        let let_in = (0..10).take_while(|_| hasher.push(tell.clone(), |_| None).is_ok()).count();
        assert_eq!(let_in, 2, "a hash of a GiB is taken to last a second");
        assert_eq!(hasher.check_capacity(), Err(HashError::Busy { retry_after: Duration::from_secs(4) }));
        drop(gate);
    }

    #[test]
    fn a_panicking_job_does_not_end_the_thread() {
        let hasher = hasher(CHEAP);
        let (tell, told) = channel::<()>();
        hasher.push(tell, |_| panic!("on purpose")).expect("there is room");
        assert!(told.recv().is_err(), "its asker is dropped untold");
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
                self.0.send("was told").expect("the test listens");
            }
        }
        let hasher = hasher(CHEAP);
        let (tell, told) = channel();
        hasher.check(password("x"), None, ClosedSink(tell)).expect("there is room");
        assert!(told.recv().is_err());
    }
}
