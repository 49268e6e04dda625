//! The limit of open connections. Reaching the limit is logged once, and not again until the number of connections has
//! fallen to half of the logged number or less.

use std::io;

/// Decides whether a further connection is accepted.
#[derive(Debug)]
pub(super) struct ConnectionLimit {
    max: usize,
    /// The number of connections when a problem was last logged. It is reset when at most half as many connections
    /// are open, so that a number that varies around the limit does not fill the log.
    logged_at: Option<usize>,
}

impl ConnectionLimit {
    /// Allows `max` connections, at least 1.
    pub(super) fn new(max: usize) -> Self {
        Self { max: max.max(1), logged_at: None }
    }

    /// Whether a further connection may be accepted when `connected` are open.
    pub(super) fn has_capacity(&mut self, connected: usize) -> bool {
        if self.logged_at.is_some_and(|at| connected <= at / 2) {
            self.logged_at = None;
            tracing::info!(connections = connected, "connections available again");
        }
        connected < self.max
    }

    /// Notes that a connection was accepted in addition to the `connected` open ones. Returns whether the limit is now
    /// reached, so that idle and slow connections must be closed.
    pub(super) fn admit(&mut self, connected: usize) -> bool {
        let full = connected + 1 >= self.max;
        if full && self.should_log(connected + 1) {
            tracing::warn!(connections = connected + 1, "connection limit reached; closing idle and slow connections");
        }
        full
    }

    /// Logs that the operating system could not accept a connection, unless a problem is already logged.
    pub(super) fn log_accept_failure(&mut self, connected: usize, error: &io::Error) {
        if self.should_log(connected) {
            tracing::error!(connections = connected, %error, "accept failed; closing idle and slow connections");
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
        assert!(!connection_limit.should_log(3), "already logged");
        assert!(
            connection_limit.has_capacity(2) && !connection_limit.should_log(3),
            "one closed connection is not enough"
        );
        assert!(connection_limit.has_capacity(1) && connection_limit.should_log(3), "half as many are");
    }

    #[test]
    fn the_connection_limit_is_at_least_one() {
        assert!(ConnectionLimit::new(0).has_capacity(0));
    }
}
