//! The section on sessions: a list of the open sessions, and a form that ends a session.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use minijinja::context;
use minijinja::value::Value;
use url::form_urlencoded::Serializer;
use uuid::Uuid;

use super::dashboard::day;
use super::guard::{Checked, Superuser};
use super::page_error::PageError;
use super::path::AdminPath;
use super::query::Query;
use super::sign_in::text;
use super::{PageResult, frame};
use crate::domain::dialect::Dialect;
use crate::domain::id::{SessionId, UserId};
use crate::domain::origin::Origin;
use crate::domain::session::Session;
use crate::domain::time::Timestamp;
use crate::domain::user::User;
use crate::http::context::Http;
use crate::http::pages::Page;
use crate::issuer::admin::sessions::{self, EndSession};
use crate::issuer::{Caller, users};
use crate::store::{SessionCursor, SessionPage, SessionQuery};

/// The path of the list.
const PATH: &str = "/admin/sessions";
/// Sessions per page.
const PER_PAGE: u32 = 25;

/// The list, and the form that ends a session.
pub fn routes() -> Router<Http> {
    Router::new().route(PATH, get(page)).route("/admin/sessions/end", post(end))
}

/// The filter and the position in the list.
#[derive(Clone, Debug, Default)]
struct SessionsQuery {
    user: String,
    dialect: Option<Dialect>,
    after: Option<SessionCursor>,
}

impl SessionsQuery {
    fn read(query: &Query) -> Self {
        Self {
            user: query.text("user").to_owned(),
            dialect: query.text("dialect").parse().ok(),
            after: cursor(query.text("after")),
        }
    }

    /// A link with the same filter and another position.
    fn link(&self, after: Option<SessionCursor>) -> String {
        let after = after.map(|after| format!("{}.{}", after.opened_at.unix(), after.id)).unwrap_or_default();
        let dialect = self.dialect.map_or("", Dialect::name);
        let pairs = [("user", self.user.as_str()), ("dialect", dialect), ("after", after.as_str())];
        let query = Serializer::new(String::new()).extend_pairs(pairs.iter().filter(|(_, v)| !v.is_empty())).finish();
        if query.is_empty() { PATH.to_owned() } else { format!("{PATH}?{query}") }
    }
}

/// Parses the position in the list from a link, as in `1700000000.0d1f…`. `None` if it is not valid.
fn cursor(text: &str) -> Option<SessionCursor> {
    let (opened_at, id) = text.split_once('.')?;
    let opened_at = Timestamp::from_unix(opened_at.parse().ok()?);
    Some(SessionCursor { opened_at, id: SessionId(Uuid::try_parse(id).ok()?) })
}

async fn page(State(http): State<Http>, query: Query, superuser: Superuser) -> PageResult {
    let query = SessionsQuery::read(&query);
    let user = find_user(&http, &query.user).await?;
    let found = match (&user, query.user.is_empty()) {
        (None, false) => None,
        (user, _) => {
            let user = user.as_ref().map(|user| user.id);
            let opened_by = query.dialect.map(Origin::Dialect);
            let after = query.after;
            Some(sessions::page(&http.issuer, SessionQuery { user, opened_by, after, limit: PER_PAGE }).await?)
        }
    };
    Ok(superuser.show(&http, StatusCode::OK, &SessionsPage { query, found }))
}

/// Finds a user by name, e-mail address or id.
async fn find_user(http: &Http, text: &str) -> Result<Option<User>, PageError> {
    if text.is_empty() {
        return Ok(None);
    }
    let by_name = users::find(&http.issuer, text).await?;
    let Some(id) = text.parse().ok().map(UserId).filter(|_| by_name.is_none()) else { return Ok(by_name) };
    Ok(http.issuer.store.read(move |tx| tx.user(id)).await?)
}

async fn end(State(http): State<Http>, from: Caller, Checked { sender, mut form }: Checked<Superuser>) -> PageResult {
    let id = Uuid::try_parse(&text(&mut form, "session")).map_err(|_| PageError::NOT_FOUND)?;
    let next = AdminPath::parse(&text(&mut form, "next")).or_else(|| AdminPath::parse(PATH));
    EndSession { id: SessionId(id), by: sender.operator(from) }.run(&http.issuer).await?;
    Ok(frame::redirect_with_flash(&http, &next.unwrap_or_else(AdminPath::first), "The session was ended."))
}

/// The template context of a session in a table.
pub fn session_row(session: &Session, user: Option<&User>) -> Value {
    context! {
        id => session.id.to_string(),
        user_id => session.user.0,
        username => user.map(|user| user.username.as_str()).unwrap_or_default(),
        dialect => session.opened_by.name(),
        opened => day(session.opened_at),
        refreshed => day(session.rotated_at),
        expires => day(session.expires_at),
        address => session.address.map(|address| address.to_string()).unwrap_or_default(),
        provider => session.provider.as_ref().map(ToString::to_string).unwrap_or_default(),
    }
}

/// A sample session.
pub fn sample() -> Session {
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
        expires_at: Timestamp::from_unix(1_800_000_000),
        ended: None,
        must_change_password: false,
        address: None,
        provider: None,
    }
}

/// A page of sessions.
pub struct SessionsPage {
    query: SessionsQuery,
    /// `None` if the filter names a user who does not exist.
    found: Option<SessionPage>,
}

impl Page for SessionsPage {
    const TEMPLATE: &'static str = "admin/sessions.html";

    fn context(&self) -> Value {
        let sessions = self.found.iter().flat_map(|found| &found.sessions);
        let next = self.found.as_ref().and_then(|found| found.next);
        let dialects = Dialect::ALL.map(|dialect| (dialect.name(), dialect.name()));
        context! {
            user => &self.query.user,
            dialect => self.query.dialect.map_or("", Dialect::name),
            dialects => [("", "All dialects")].into_iter().chain(dialects).collect::<Vec<_>>(),
            is_unknown => self.found.is_none(),
            sessions => sessions.map(|(session, user)| session_row(session, Some(user))).collect::<Value>(),
            here => self.query.link(self.query.after),
            first => if self.query.after.is_some() { self.query.link(None) } else { String::new() },
            after => next.map(|next| self.query.link(Some(next))).unwrap_or_default(),
        }
    }

    fn samples() -> Vec<Self> {
        let query = SessionsQuery { user: "<b>".to_owned(), dialect: Some(Dialect::DrfPyjwt), after: cursor(CURSOR) };
        let sessions = vec![(sample(), super::users::sample())];
        let found = Some(SessionPage { sessions, next: cursor(CURSOR) });
        let empty = Some(SessionPage::default());
        vec![
            Self { query: query.clone(), found },
            Self { query, found: None },
            Self { query: SessionsQuery::default(), found: empty },
        ]
    }
}

const CURSOR: &str = "1700000000.00000000-0000-0000-0000-000000000000";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_cursor_is_parsed_or_ignored() {
        let query = SessionsQuery { user: "a&b".to_owned(), dialect: Some(Dialect::RestJwt), after: cursor(CURSOR) };
        let link = query.link(query.after);
        let read = SessionsQuery::read(&Query::parse(link.split_once('?').map_or("", |(_, query)| query)));
        assert_eq!((read.user, read.dialect, read.after), (query.user, query.dialect, query.after));
        for invalid in ["", "1700000000", "x.00000000-0000-0000-0000-000000000000", "1700000000.x", "."] {
            assert_eq!(cursor(invalid), None, "{invalid}");
        }
    }
}
