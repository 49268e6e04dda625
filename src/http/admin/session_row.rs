//! The row of a session, in the list of sessions and on the page of a user.

use minijinja::context;
use minijinja::value::Value;

use crate::domain::session::Session;
use crate::domain::user::User;
use crate::http::format::date_time;

/// The template context of a session in a table.
pub fn session_row(session: &Session, user: Option<&User>) -> Value {
    context! {
        id => session.id.to_string(),
        user_id => session.user.0,
        username => user.map(|user| user.username.as_str()).unwrap_or_default(),
        dialect => session.opened_by.name(),
        opened => date_time(session.opened_at),
        refreshed => date_time(session.rotated_at),
        expires => date_time(session.expires_at),
        address => session.address.map(|address| address.to_string()).unwrap_or_default(),
        provider => session.provider.as_ref().map(ToString::to_string).unwrap_or_default(),
    }
}
