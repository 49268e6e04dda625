//! Sample values that several pages use.

use uuid::Uuid;

use crate::domain::claims::Claims;
use crate::domain::dialect::Dialect;
use crate::domain::id::{SessionId, Subject, UserId};
use crate::domain::origin::Origin;
use crate::domain::session::{Repeats, Session};
use crate::domain::time::Timestamp;
use crate::domain::user::{Email, User, Username};

/// A sample user with markup in every field that may contain it.
pub fn user() -> User {
    User {
        id: UserId(7),
        sub: Subject(Uuid::nil()),
        username: Username::from_stored("<b>anna</b>".to_owned()),
        has_username: true,
        email: Some(Email::from_stored("\"<b>\"@example.com".to_owned())),
        email_verified: true,
        first_name: "<b>Anna".to_owned(),
        last_name: "</b>".to_owned(),
        password: None,
        temporary_since: Some(Timestamp::from_unix(1_700_000_000)),
        is_active: true,
        is_staff: true,
        is_superuser: true,
        claims: Claims::default(),
        date_joined: Timestamp::from_unix(1_700_000_000),
        last_login: None,
    }
}

/// A sample session.
pub fn session() -> Session {
    Session {
        id: SessionId(Uuid::nil()),
        user: UserId(7),
        opened_by: Origin::Dialect(Dialect::Simplejwt),
        generation: 0,
        min_generation: 0,
        opened_at: Timestamp::from_unix(1_700_000_000),
        auth_time: Timestamp::from_unix(1_700_000_000),
        amr: None,
        rotated_at: Timestamp::from_unix(1_700_000_000),
        used_at: Timestamp::from_unix(1_700_000_000),
        expires_at: Timestamp::from_unix(1_800_000_000),
        ended: None,
        temporary_since: None,
        address: None,
        provider: None,
        refresh_key: None,
        repeats: Repeats::default(),
    }
}
