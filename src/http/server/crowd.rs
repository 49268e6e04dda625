//! How many are connected, against how many may be, and when to speak of it: once, and again only after it was better.

use std::io;

/// Counts, and decides whether anyone may come in.
#[derive(Debug)]
pub(super) struct Crowd {
    most: usize,
    /// How many were connected when trouble was told last, until there are half as many: so it is not told at each step
    /// over the line and back.
    told_at: Option<usize>,
}

impl Crowd {
    /// Room for `most`.
    pub(super) fn new(most: usize) -> Self {
        Self { most: most.max(1), told_at: None }
    }

    /// Whether one more than `connected` may come in.
    pub(super) fn has_room(&mut self, connected: usize) -> bool {
        if self.told_at.is_some_and(|at| connected <= at / 2) {
            self.told_at = None;
            tracing::info!(connected, "there is room for connections again");
        }
        connected < self.most
    }

    /// Someone comes in to those `connected`. Whether it is the last who can, so that the idle must make room.
    pub(super) fn enters(&mut self, connected: usize) -> bool {
        let full = connected + 1 >= self.most;
        if full && self.first_word(connected + 1) {
            tracing::warn!(connected, "server.max_connections are connected: those who are idle or slow are sent away");
        }
        full
    }

    /// The system could not give a connection.
    pub(super) fn failed(&mut self, connected: usize, error: &io::Error) {
        if self.first_word(connected) {
            tracing::error!(connected, %error, "no connection can be accepted: those who are idle or slow are sent away");
        }
    }

    fn first_word(&mut self, connected: usize) -> bool {
        let first = self.told_at.is_none();
        self.told_at.get_or_insert(connected);
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_place_is_the_last_and_is_told_once() {
        let mut crowd = Crowd::new(3);
        let told: Vec<_> = (0..3).map(|connected| (crowd.has_room(connected), crowd.enters(connected))).collect();
        assert_eq!(told, [(true, false), (true, false), (true, true)]);
        assert!(!crowd.has_room(3));
        assert!(!crowd.first_word(3), "it was told");
        assert!(crowd.has_room(2) && !crowd.first_word(3), "one who left makes no news");
        assert!(crowd.has_room(1) && crowd.first_word(3), "two who left do");
    }

    #[test]
    fn there_is_always_room_for_one() {
        assert!(Crowd::new(0).has_room(0));
    }
}
