//! How many are connected, against how many may be, and when to speak of it: once, and again only after it was better.

use std::io;

/// Counts, and decides whether anyone may come in.
#[derive(Debug)]
pub(super) struct ConnectionLimit {
    max: usize,
    /// How many were connected when trouble was told last, until there are half as many: so it is not told at each step
    /// over the line and back.
    logged_at: Option<usize>,
}

impl ConnectionLimit {
    /// Room for `most`.
    pub(super) fn new(most: usize) -> Self {
        Self { max: most.max(1), logged_at: None }
    }

    /// Whether one more than `connected` may come in.
    pub(super) fn has_capacity(&mut self, connected: usize) -> bool {
        if self.logged_at.is_some_and(|at| connected <= at / 2) {
            self.logged_at = None;
            tracing::info!(connected, "there is room for connections again");
        }
        connected < self.max
    }

    /// Someone comes in to those `connected`. Whether it is the last who can, so that the idle must make room.
    pub(super) fn admit(&mut self, connected: usize) -> bool {
        let full = connected + 1 >= self.max;
        if full && self.should_log(connected + 1) {
            tracing::warn!(connected, "server.max_connections are connected: those who are idle or slow are sent away");
        }
        full
    }

    /// The system could not give a connection.
    pub(super) fn failed(&mut self, connected: usize, error: &io::Error) {
        if self.should_log(connected) {
            tracing::error!(connected, %error, "no connection can be accepted: those who are idle or slow are sent away");
        }
    }

    fn should_log(&mut self, connected: usize) -> bool {
        let first = self.logged_at.is_none();
        self.logged_at.get_or_insert(connected);
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reaching_the_connection_limit_is_logged_once() {
        let mut connection_limit = ConnectionLimit::new(3);
        let logged: Vec<_> = (0..3)
            .map(|connected| (connection_limit.has_capacity(connected), connection_limit.admit(connected)))
            .collect();
        assert_eq!(logged, [(true, false), (true, false), (true, true)]);
        assert!(!connection_limit.has_capacity(3));
        assert!(!connection_limit.should_log(3), "it was told");
        assert!(connection_limit.has_capacity(2) && !connection_limit.should_log(3), "one who left makes no news");
        assert!(connection_limit.has_capacity(1) && connection_limit.should_log(3), "two who left do");
    }

    #[test]
    fn the_connection_limit_is_at_least_one() {
        assert!(ConnectionLimit::new(0).has_capacity(0));
    }
}
