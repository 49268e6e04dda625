//! Which links to the page for the first superuser are valid: those of this start of the server, until one is used.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::random::Random;

/// A random value that identifies a start of the server. It is only in memory and in the links.
pub type StartId = [u8; 16];

/// The state of the links of this start.
#[derive(Debug)]
pub struct WelcomeLinks {
    start: StartId,
    is_used: AtomicBool,
}

impl WelcomeLinks {
    /// The state at the start of the server.
    pub fn new(random: &Random) -> Self {
        Self { start: random.bytes(), is_used: AtomicBool::new(false) }
    }

    /// The id of this start, which its links contain.
    pub fn start(&self) -> StartId {
        self.start
    }

    /// Whether a link has created a superuser since the start.
    pub fn is_used(&self) -> bool {
        self.is_used.load(Ordering::Relaxed)
    }

    /// Makes all links of this start invalid. Otherwise a link would work again after the last superuser was deleted.
    pub fn set_used(&self) {
        self.is_used.store(true, Ordering::Relaxed);
    }
}
