//! Sessions in SQL. The frequent operations are one look-up by key and one conditional update by key.

use rusqlite::{Row, params};
use uuid::Uuid;

use super::error::unreadable;
use super::tx::{Columns, Tx, address_text, date};
use super::users::{user_columns, user_of};
use crate::domain::amr::Amr;
use crate::domain::id::{SessionId, SessionPrefix, UserId};
use crate::domain::network::CallerNetwork;
use crate::domain::origin::Origin;
use crate::domain::refresh_key::RefreshKey;
use crate::domain::session::{EndReason, Repeats, Session};
use crate::domain::social::ProviderName;
use crate::domain::time::Timestamp;
use crate::domain::user::User;
use crate::store::error::StoreError;
use crate::store::paging::collect_page;
use crate::store::refresh_step::{RefreshStep, SessionKey};
use crate::store::sessions::{
    ReadSessions, SeenSession, SessionAdvance, SessionCursor, SessionPage, SessionQuery, WriteSessions,
};

/// The maximum number of listed sessions of one user.
const LISTED: u32 = 1000;
/// The maximum number of sessions of one user that one write ends or removes. Users have fewer, except in databases from
/// before the limit.
const CHANGED_MAX: u32 = 1000;

/// The columns of a session, in the order in which [`session`] reads them.
macro_rules! session_columns {
    () => {
        "s.id, s.user_id, s.opened_by, s.generation, s.good_from, s.opened_at, s.auth_time, s.amr, s.rotated_at,
           s.expires_at, s.ended_at, s.end_reason, s.temporary_since, s.address, s.provider, s.refresh_key,
           s.refresh_key_from, s.rotated_network, s.repeats, s.repeats_elsewhere, s.used_at"
    };
}

/// A query for the columns of sessions, each followed by the columns of its user.
macro_rules! with_user {
    ($which:literal) => {
        concat!(
            "SELECT ",
            session_columns!(),
            ", ",
            user_columns!(),
            ", s.epoch < u.session_epoch FROM sessions s JOIN users u ON u.id = s.user_id WHERE ",
            $which
        )
    };
}
pub(super) const WITH_USER: &str = with_user!("s.id = ?1");
pub(super) const BY_PREFIX: &str = with_user!("s.id BETWEEN ?1 AND ?2 LIMIT 1");

macro_rules! advance {
    ($also:literal, $if:literal) => {
        concat!(
            "UPDATE sessions SET generation = ?3, good_from = CASE WHEN ?6 THEN ?3 ELSE good_from END,
               rotated_at = CASE ?3 WHEN ?2 THEN rotated_at ELSE ?4 END, used_at = ?4, expires_at = ?5,
               rotated_network = CASE ?3 WHEN ?2 THEN rotated_network ELSE ?8 END,
               repeats = CASE ?3 WHEN ?2 THEN repeats ELSE 0 END",
            $also,
            " WHERE id = ?1 AND generation = ?2 AND ended_at IS NULL",
            $if
        )
    };
}
pub(super) const OF_USER: &str = concat!(
    "SELECT ",
    session_columns!(),
    " FROM sessions s WHERE user_id = ?1 AND ended_at IS NULL AND expires_at > ?2
       AND epoch = (SELECT session_epoch FROM users WHERE id = ?1) ORDER BY opened_at DESC LIMIT ?3"
);
pub(super) const OLDEST_LIVE: &str = "SELECT opened_at FROM sessions
   WHERE opened_by = ?1 AND ended_at IS NULL AND expires_at > ?2 ORDER BY opened_at LIMIT 1";
/// A refresh that leaves the session's expiry date on the same day, as most do. It does not change `expires_day`, and
/// so changes no index. If another refresh has moved the day meanwhile, this statement finds no row, and
/// [`ADVANCE_DAY`] sets the day.
pub(super) const ADVANCE: &str = advance!("", " AND expires_day = ?7");
pub(super) const ADVANCE_DAY: &str = advance!(", expires_day = ?7", "");
/// The refresh with which a session that was opened before sessions had keys gets its key.
pub(super) const ADVANCE_WITH_KEY: &str = advance!(", expires_day = ?7, refresh_key = ?9, refresh_key_from = ?3", "");
pub(super) const COUNT_REPEAT: &str =
    "UPDATE sessions SET repeats = repeats + ?5, repeats_elsewhere = repeats_elsewhere + ?6
   WHERE id = ?1 AND generation = ?2 AND repeats = ?3 AND repeats_elsewhere = ?4 AND ended_at IS NULL";
pub(super) const END: &str = "UPDATE sessions SET ended_at = ?2, end_reason = ?3
   WHERE id = ?1 AND ended_at IS NULL AND expires_at > ?2";
pub(super) const END_OF_USER: &str = "UPDATE sessions SET ended_at = ?2, end_reason = ?3
   WHERE id IN (SELECT id FROM sessions INDEXED BY sessions_by_user
     WHERE user_id = ?1 AND id IS NOT ?4 AND ended_at IS NULL AND expires_at > ?2 LIMIT ?5)";
/// Whether a user has more open sessions than a number. Reads only the index.
pub(super) const MORE_OPEN_OF_USER: &str = "SELECT 1 FROM sessions INDEXED BY sessions_by_user
   WHERE user_id = ?1 AND ended_at IS NULL LIMIT 1 OFFSET ?2";
pub(super) const USE_OF_SESSIONS: &str = "SELECT id, expires_at, used_at FROM sessions INDEXED BY sessions_by_user
   WHERE user_id = ?1 AND ended_at IS NULL LIMIT ?2";
const END_ALL: &str = "UPDATE sessions SET ended_at = ?1, end_reason = ?2 WHERE ended_at IS NULL AND expires_at > ?1";
/// Compares `expires_at` as well as `expires_day`, so that a wrong day in a row never removes a live session.
pub(super) const CLEANUP: &str = "DELETE FROM sessions WHERE id IN
   (SELECT id FROM sessions WHERE expires_day < ?1 AND expires_at < ?2 ORDER BY expires_day LIMIT ?3)";

/// A query for the positions of sessions, from a position towards older sessions. It reads only an index.
macro_rules! positions {
    ($index:literal, $which:literal) => {
        concat!(
            "SELECT opened_at, id FROM sessions INDEXED BY ",
            $index,
            " WHERE ",
            $which,
            " AND ended_at IS NULL AND opened_at <= ?1 AND (opened_at < ?1 OR id < ?2)",
            " ORDER BY opened_at DESC, id DESC LIMIT ?3"
        )
    };
}
pub(super) const NEWEST_OF_ORIGIN: &str = positions!("sessions_by_opening", "opened_by = ?4");
pub(super) const NEWEST_OF_USER: &str = positions!("sessions_by_user", "user_id = ?4");

/// The position of a session in the order of all sessions: when it was opened, and its id.
type SessionPosition = (i64, [u8; 16]);
/// A position newer than every session.
const NEWEST_POSITION: SessionPosition = (i64::MAX, [0xff; 16]);

fn session_position(row: &Row<'_>) -> Result<(SessionPosition, ()), StoreError> {
    Ok(((row.get("opened_at")?, row.get("id")?), ()))
}

/// Reads a session from the columns with which [`WITH_USER`] and [`OF_USER`] start.
fn session(columns: &mut Columns<'_, '_>) -> Result<Session, StoreError> {
    Ok(Session {
        id: SessionId(columns.uuid()?),
        user: UserId(columns.take()?),
        opened_by: columns.name("origin", Origin::from_name)?,
        generation: columns.take()?,
        min_generation: columns.take()?,
        opened_at: columns.date()?,
        auth_time: columns.date()?,
        amr: columns.maybe_name("amr", Amr::from_name)?,
        rotated_at: columns.date()?,
        expires_at: columns.date()?,
        ended: columns.maybe_date()?.zip(columns.maybe_name("end reason", EndReason::from_name)?),
        temporary_since: columns.maybe_date()?,
        address: columns.address()?,
        provider: provider(columns.take()?)?,
        refresh_key: refresh_key(columns.take()?, columns.take()?),
        repeats: Repeats {
            rotated_from: columns.network()?,
            from_same_network: columns.take()?,
            from_other_networks: columns.take()?,
        },
        used_at: columns.date()?,
    })
}

fn session_and_user(row: &Row<'_>) -> Result<(Session, User), StoreError> {
    let mut columns = Columns::of(row);
    let mut session = session(&mut columns)?;
    let user = user_of(&mut columns)?;
    let is_of_earlier_epoch: bool = columns.take()?;
    if is_of_earlier_epoch && session.ended.is_none() {
        session.ended = Some((session.used_at, EndReason::AllOfUser));
    }
    Ok((session, user))
}

/// Returns the value of `expires_day`.
fn day(at: Timestamp) -> i64 {
    at.unix().div_euclid(24 * 60 * 60)
}

fn refresh_key(bytes: Option<[u8; RefreshKey::LENGTH]>, from: Option<u32>) -> Option<RefreshKey> {
    bytes.zip(from).map(|(bytes, from)| RefreshKey::new(bytes, from))
}

fn provider(name: Option<String>) -> Result<Option<ProviderName>, StoreError> {
    name.map(|name| name.parse().map_err(|problem| unreadable("provider", problem))).transpose()
}

impl ReadSessions for Tx<'_> {
    fn any_session(&self, opened_by: Origin) -> Result<bool, StoreError> {
        self.exists("SELECT 1 FROM sessions WHERE opened_by = ?1", [opened_by.name()])
    }

    fn session(&self, id: SessionId) -> Result<Option<(Session, User)>, StoreError> {
        self.one(WITH_USER, [id.0.as_bytes()], session_and_user)
    }

    fn session_by_prefix(&self, prefix: SessionPrefix) -> Result<Option<(Session, User)>, StoreError> {
        self.one(BY_PREFIX, prefix.range(), session_and_user)
    }

    fn sessions_of(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>, StoreError> {
        self.all(OF_USER, params![user.0, now.unix(), LISTED], |row| session(&mut Columns::of(row)))
    }

    fn session_page(&self, query: &SessionQuery, now: Timestamp) -> Result<SessionPage, StoreError> {
        let start = query.after.map(|cursor| (cursor.opened_at.unix(), cursor.id.0.into_bytes()));
        let slices = |start: Option<&SessionPosition>, slice: u32| {
            let (at, id) = start.copied().unwrap_or(NEWEST_POSITION);
            if let Some(UserId(user)) = query.user {
                return Ok(vec![self.all(NEWEST_OF_USER, params![at, id, slice, user], session_position)?]);
            }
            let origins = Origin::all().filter(|origin| query.opened_by.is_none_or(|only| only == *origin));
            let newest =
                |origin: Origin| self.all(NEWEST_OF_ORIGIN, params![at, id, slice, origin.name()], session_position);
            origins.map(newest).collect()
        };
        // The slices come from an index only. The full row of each session is read afterwards, and only then are
        // expired sessions recognised and left out.
        let mut page = SessionPage::default();
        let positions = collect_page(query.limit, start, slices, |_, ()| true)?;
        for ((_, id), ()) in positions.rows {
            let session = self.session(SessionId(Uuid::from_bytes(id)))?;
            let of_origin = |session: &Session| query.opened_by.is_none_or(|only| only == session.opened_by);
            page.sessions.extend(session.filter(|(session, _)| session.is_unexpired(now) && of_origin(session)));
        }
        page.next = positions
            .next
            .map(|(at, id)| SessionCursor { opened_at: Timestamp::from_unix(at), id: SessionId(Uuid::from_bytes(id)) });
        Ok(page)
    }

    fn oldest_live_session_opened_at(
        &self,
        opened_by: Origin,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        self.one(OLDEST_LIVE, params![opened_by.name(), now.unix()], |row| date(row, "opened_at"))
    }
}

impl Tx<'_> {
    /// Finds a session, decides, and makes the change: see [`Store::refresh_session`](crate::store::Store). Nothing can
    /// change the session between the look-up and the update, because both are in one transaction of the one writer.
    pub(super) fn refresh_session<T>(
        &self,
        key: SessionKey,
        decide: impl Fn(Option<(Session, User)>) -> RefreshStep<T>,
    ) -> Result<T, StoreError> {
        let found = key.find(self)?;
        let seen = found.as_ref().map(|(session, _)| SeenSession::from(session));
        match decide(found) {
            RefreshStep::Advance(advance, value) => {
                let advanced = seen.map_or(Ok(false), |seen| self.advance_session(seen, advance))?;
                let ended = || StoreError::Unavailable("the session to refresh has ended".to_owned());
                advanced.then_some(value).ok_or_else(ended)
            }
            RefreshStep::Unchanged(value) => Ok(value),
            RefreshStep::Write(job) => job(self),
        }
    }
}

impl WriteSessions for Tx<'_> {
    fn remove_least_recently_used(&self, user: UserId, keep: u32, now: Timestamp) -> Result<usize, StoreError> {
        if !self.exists(MORE_OPEN_OF_USER, params![user.0, keep])? {
            return Ok(0);
        }
        let mut sessions = self.all(USE_OF_SESSIONS, params![user.0, CHANGED_MAX], |row| {
            let is_live = row.get::<_, i64>("expires_at")? > now.unix();
            Ok((is_live, row.get::<_, i64>("used_at")?, row.get::<_, [u8; 16]>("id")?))
        })?;
        sessions.sort_unstable();
        let surplus = sessions.len().saturating_sub(usize::try_from(keep).unwrap_or(usize::MAX));
        let mut live = 0;
        for (is_live, _, id) in sessions.into_iter().take(surplus) {
            self.execute("DELETE FROM sessions WHERE id = ?1", [id])?;
            live += usize::from(is_live);
        }
        Ok(live)
    }

    fn open_session(&self, session: &Session) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO sessions (id, user_id, opened_by, generation, good_from, opened_at, rotated_at, expires_at,
               expires_day, ended_at, end_reason, temporary_since, address, provider, auth_time, amr, refresh_key,
               refresh_key_from, rotated_network, repeats, repeats_elsewhere, used_at, epoch)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21,
               ?22, ifnull((SELECT session_epoch FROM users WHERE id = ?2), 0))",
            params![
                session.id.0.as_bytes(),
                session.user.0,
                session.opened_by.name(),
                session.generation,
                session.min_generation,
                session.opened_at.unix(),
                session.rotated_at.unix(),
                session.expires_at.unix(),
                day(session.expires_at),
                session.ended.map(|(at, _)| at.unix()),
                session.ended.map(|(_, reason)| reason.name()),
                session.temporary_since.map(Timestamp::unix),
                session.address.map(address_text),
                session.provider.as_ref().map(ProviderName::as_str),
                session.auth_time.unix(),
                session.amr.map(Amr::name),
                session.refresh_key.as_ref().map(RefreshKey::expose),
                session.refresh_key.as_ref().map(RefreshKey::from),
                session.repeats.rotated_from.as_ref().map(CallerNetwork::as_bytes),
                session.repeats.from_same_network,
                session.repeats.from_other_networks,
                session.used_at.unix(),
            ],
        )?;
        Ok(())
    }

    fn advance_session(&self, seen: SeenSession, advance: SessionAdvance) -> Result<bool, StoreError> {
        let SessionAdvance { to, now, from, expires_at, invalidates_earlier, new_refresh_key } = advance;
        let day = day(expires_at);
        let id = seen.id.0.as_bytes();
        let from = from.as_ref().map(CallerNetwork::as_bytes);
        let (now, expires_at) = (now.unix(), expires_at.unix());
        if let Some(key) = new_refresh_key {
            let values =
                params![id, seen.generation, to, now, expires_at, invalidates_earlier, day, from, key.expose()];
            return Ok(self.execute(ADVANCE_WITH_KEY, values)? == 1);
        }
        let advance =
            |sql| self.execute(sql, params![id, seen.generation, to, now, expires_at, invalidates_earlier, day, from]);
        let same_day = day == self::day(seen.expires_at);
        Ok((same_day && advance(ADVANCE)? == 1) || advance(ADVANCE_DAY)? == 1)
    }

    fn count_repeat(&self, seen: &Session, from_other_network: bool) -> Result<bool, StoreError> {
        let Repeats { from_same_network, from_other_networks, .. } = seen.repeats;
        let counts = params![
            seen.id.0.as_bytes(),
            seen.generation,
            from_same_network,
            from_other_networks,
            !from_other_network,
            from_other_network
        ];
        Ok(self.execute(COUNT_REPEAT, counts)? == 1)
    }

    fn end_session(&self, id: SessionId, now: Timestamp, reason: EndReason) -> Result<bool, StoreError> {
        Ok(self.execute(END, params![id.0.as_bytes(), now.unix(), reason.name()])? == 1)
    }

    fn end_sessions_of(
        &self,
        user: UserId,
        except: Option<SessionId>,
        now: Timestamp,
        reason: EndReason,
    ) -> Result<usize, StoreError> {
        let except = except.map(|id| id.0.into_bytes());
        let ended = self.execute(END_OF_USER, params![user.0, now.unix(), reason.name(), except, CHANGED_MAX])?;
        if ended == usize::try_from(CHANGED_MAX).unwrap_or(usize::MAX) {
            self.execute("UPDATE users SET session_epoch = session_epoch + 1 WHERE id = ?1", [user.0])?;
            self.execute(
                "UPDATE sessions SET epoch = (SELECT session_epoch FROM users WHERE id = ?1) WHERE id = ?2",
                params![user.0, except],
            )?;
        }
        Ok(ended)
    }

    fn end_all_sessions(&self, now: Timestamp, reason: EndReason) -> Result<usize, StoreError> {
        self.execute(END_ALL, params![now.unix(), reason.name()])
    }

    fn cleanup_sessions(&self, before: Timestamp, limit: u32) -> Result<usize, StoreError> {
        self.execute(CLEANUP, params![day(before), before.unix(), limit])
    }
}
