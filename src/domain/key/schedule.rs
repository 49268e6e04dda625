//! The dates of all keys of one issuer, and read-only queries on them. The `change` module changes dates.

use super::super::algorithm::Algorithm;
use super::super::time::Timestamp;
use super::change_error::KeyChangeError;
use super::dates::{Key, KeyState};
use super::kid::Kid;

/// The minimum length, in characters, of a prefix that identifies a key.
const SHORTEST_PREFIX: usize = 4;

/// All keys of one issuer. Unrevoked keys of one algorithm form a chain: a key stops signing when its successor begins
/// to sign. So exactly one of them signs at any time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// The keys in the order in which they were added or promoted. A revocation promotes a waiting key to sign
    /// immediately. Of keys with the same `signs_from`, the last one signs.
    pub(super) keys: Vec<Key>,
}

/// Stored keys that no sequence of changes produces, for example because the file was edited manually.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidDates {
    /// Two keys have the same id.
    #[error("key {0} is listed twice")]
    Duplicate(Kid),
    /// The dates of a key contradict each other.
    #[error(
        "key {0}: signs_from, signs_until and published_until must be in ascending order, and signs_until and published_until must be both set or both absent"
    )]
    Order(Kid),
}

impl Schedule {
    /// Builds a schedule from stored keys.
    ///
    /// # Errors
    /// Two keys have the same id, or the dates of a key contradict each other.
    pub fn new(keys: Vec<Key>) -> Result<Self, InvalidDates> {
        for (index, key) in keys.iter().enumerate() {
            if keys[..index].iter().any(|earlier| earlier.kid == key.kid) {
                return Err(InvalidDates::Duplicate(key.kid.clone()));
            }
            let in_order = match (key.signs_until, key.published_until) {
                (None, None) => true,
                (Some(signs), Some(published)) => key.signs_from <= signs && signs <= published,
                _ => false,
            };
            if !in_order {
                return Err(InvalidDates::Order(key.kid.clone()));
            }
        }
        Ok(Self { keys })
    }

    /// Every key, in the order in which the keys were added or promoted.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The key with this id.
    pub fn get(&self, kid: &Kid) -> Option<&Key> {
        self.keys.iter().find(|key| key.kid == *kid)
    }

    /// The only key whose id begins with `prefix`, which must have at least 4 characters.
    pub fn find(&self, prefix: &str) -> Result<&Key, KeyChangeError> {
        if prefix.len() < SHORTEST_PREFIX {
            return Err(KeyChangeError::ShortPrefix(prefix.to_owned()));
        }
        let mut matching = self.keys.iter().filter(|key| key.kid.as_str().starts_with(prefix));
        match (matching.next(), matching.next()) {
            (Some(key), None) => Ok(key),
            (None, _) => Err(KeyChangeError::Unknown(prefix.to_owned())),
            (Some(_), Some(_)) => Err(KeyChangeError::Ambiguous(prefix.to_owned())),
        }
    }

    /// The algorithms for which the ring has keys.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        Algorithm::ALL.into_iter().filter(|alg| self.keys.iter().any(|key| key.alg == *alg))
    }

    /// The algorithms of the keys in the JWKS.
    pub fn published_algorithms(&self, now: Timestamp) -> impl Iterator<Item = Algorithm> {
        Algorithm::ALL.into_iter().filter(move |alg| self.of(*alg).any(|key| key.is_published(now)))
    }

    /// The key that signs at `now`: the active key with the newest `signs_from`.
    pub fn active(&self, alg: Algorithm, now: Timestamp) -> Option<&Key> {
        self.of(alg).filter(|key| key.is_signing(now)).max_by_key(|key| key.signs_from)
    }

    /// The key that will sign next. `None` if no key is waiting.
    pub fn waiting(&self, alg: Algorithm, now: Timestamp) -> Option<&Key> {
        self.of(alg).filter(|key| key.state(now) == KeyState::Next).min_by_key(|key| key.signs_from)
    }

    /// The keys of the JWKS, in its order: by algorithm, `preferred` first. Of one algorithm, active, then next, then
    /// retiring; the next key that signs soonest and the retiring key that signed last come first. Some verifiers ignore
    /// `kid`, try the keys in this order, and stop at a key of another type: they need all keys of the algorithm with
    /// which most tokens are signed before all others.
    pub fn published(&self, now: Timestamp, preferred: Algorithm) -> Vec<&Key> {
        let rank = |key: &Key| {
            let (group, distance) = match key.state(now) {
                KeyState::Active => (0, 0),
                KeyState::Next => (1, key.signs_from.unix()),
                KeyState::Retiring => (2, -key.signs_until.unwrap_or(now).unix()),
                KeyState::Retired | KeyState::Revoked => (3, 0),
            };
            (key.alg != preferred, key.alg, group, distance)
        };
        let mut keys: Vec<&Key> = self.keys.iter().filter(|key| key.is_published(now)).collect();
        keys.sort_by_key(|key| rank(key));
        keys
    }

    /// The next date at which the state of a key changes by passage of time.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let unrevoked = self.keys.iter().filter(|key| key.revoked_at.is_none());
        let dates = unrevoked.flat_map(|key| [Some(key.signs_from), key.signs_until, key.published_until]);
        dates.flatten().filter(|date| *date > now).min()
    }

    /// The keys of one algorithm, including revoked keys.
    pub(super) fn of(&self, alg: Algorithm) -> impl Iterator<Item = &Key> {
        self.keys.iter().filter(move |key| key.alg == alg)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(seconds)
    }

    fn key(letter: char, alg: Algorithm, from: i64, until: Option<(i64, i64)>) -> Key {
        Key {
            kid: Kid::parse(&letter.to_string().repeat(43)).unwrap(),
            alg,
            created_at: at(0),
            signs_from: at(from),
            signs_until: until.map(|(signs, _)| at(signs)),
            published_until: until.map(|(_, published)| at(published)),
            revoked_at: None,
        }
    }

    fn letters(keys: &[&Key]) -> String {
        keys.iter().map(|key| &key.kid.as_str()[..1]).collect()
    }

    fn ring() -> Schedule {
        use Algorithm::{Es256, Rs256};
        Schedule::new(vec![
            key('a', Es256, 0, Some((10, 60))),
            key('b', Rs256, 0, Some((100, 160))),
            key('c', Es256, 10, Some((20, 70))),
            key('d', Es256, 20, Some((90, 150))),
            key('e', Es256, 95, None),
            key('f', Es256, 90, Some((95, 155))),
            key('g', Rs256, 100, None),
        ])
        .unwrap()
    }

    #[test]
    fn an_algorithm_without_a_published_key_is_not_listed() {
        use Algorithm::{Es256, Rs256};
        let ring = Schedule::new(vec![key('b', Rs256, 0, Some((100, 160))), key('e', Es256, 0, None)]).unwrap();
        let at_time = |seconds| ring.published_algorithms(at(seconds)).collect::<Vec<_>>();
        assert_eq!((at_time(159), at_time(160)), (vec![Es256, Rs256], vec![Es256]));
    }

    #[test]
    fn the_jwks_is_ordered_by_algorithm_and_then_by_state() {
        assert_eq!(letters(&ring().published(at(30), Algorithm::Es256)), "dfecabg");
        assert_eq!(letters(&ring().published(at(30), Algorithm::Rs256)), "bgdfeca");
        assert_eq!(letters(&ring().published(at(65), Algorithm::Es256)), "dfecbg");
    }

    #[test]
    fn the_newest_started_key_signs() {
        for (now, es256, rs256) in [(0, "a", "b"), (10, "c", "b"), (94, "f", "b"), (100, "e", "g")] {
            assert_eq!(letters(&[ring().active(Algorithm::Es256, at(now)).unwrap()]), es256);
            assert_eq!(letters(&[ring().active(Algorithm::Rs256, at(now)).unwrap()]), rs256);
        }
        assert_eq!(letters(&[ring().waiting(Algorithm::Es256, at(30)).unwrap()]), "f");
        assert_eq!(ring().active(Algorithm::Es256, at(-1)), None);
    }

    #[test]
    fn the_next_change_is_the_next_date_of_a_current_key() {
        let mut ring = ring();
        assert_eq!(ring.next_change(at(20)), Some(at(60)));
        ring.keys[0].revoked_at = Some(at(21));
        assert_eq!(ring.next_change(at(21)), Some(at(70)));
        assert_eq!(ring.next_change(at(160)), None);
    }

    #[test]
    fn a_key_prefix_must_be_long_enough_and_unique() {
        let mut ring = ring();
        ring.keys[1].kid = Kid::parse(&format!("aaaab{}", "b".repeat(38))).unwrap();
        assert_eq!(ring.find("cccc").unwrap().signs_from, at(10));
        assert_eq!(ring.find("aaaab").unwrap().alg, Algorithm::Rs256);
        assert_eq!(ring.find("ccc"), Err(KeyChangeError::ShortPrefix("ccc".to_owned())));
        assert_eq!(ring.find("aaaa"), Err(KeyChangeError::Ambiguous("aaaa".to_owned())));
        assert_eq!(ring.find("zzzz"), Err(KeyChangeError::Unknown("zzzz".to_owned())));
    }

    #[test]
    fn contradictory_key_dates_are_rejected() {
        let valid = key('a', Algorithm::Es256, 10, Some((20, 30)));
        assert_eq!(Schedule::new(vec![valid.clone(), valid.clone()]), Err(InvalidDates::Duplicate(valid.kid.clone())));
        let invalid =
            [(Some(at(9)), Some(at(30))), (Some(at(20)), Some(at(19))), (Some(at(20)), None), (None, Some(at(30)))];
        for (signs_until, published_until) in invalid {
            let key = Key { signs_until, published_until, ..valid.clone() };
            assert_eq!(Schedule::new(vec![key]), Err(InvalidDates::Order(valid.kid.clone())));
        }
    }
}
