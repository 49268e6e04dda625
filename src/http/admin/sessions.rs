//! The section on sessions: a list of the open sessions, and a form that ends a session.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use minijinja::context;
use minijinja::value::Value;
use uuid::Uuid;

use super::session_row::session_row;
use crate::domain::dialect::Dialect;
use crate::domain::id::SessionId;
use crate::domain::origin::Origin;
use crate::domain::time::Timestamp;
use crate::http::admin::samples;
use crate::http::admin::zone::{AdminPath, Superuser};
use crate::http::context::Http;
use crate::http::extract::query::{Query, link};
use crate::http::pages::{Page, Pages};
use crate::http::web::checked::Checked;
use crate::http::web::page_error::{PageError, PageResult};
use crate::http::web::section::Section;
use crate::issuer::Caller;
use crate::issuer::admin::sessions::{self, EndSession};
use crate::issuer::admin::users::find_by_name_or_id;
use crate::store::{SessionCursor, SessionPage, SessionQuery};

/// The path of the list.
const PATH: &str = "/admin/sessions";
const PAGE: AdminPath = AdminPath::fixed(PATH);
/// Sessions per page.
const PER_PAGE: u32 = 25;

/// The section.
pub const SECTION: Section =
    Section { title: "Sessions", path: PATH, routes, render_samples: Pages::render_framed_samples::<SessionsPage> };

/// The list, and the form that ends a session.
fn routes() -> Router<Http> {
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
        link(PATH, &pairs)
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
    let user = match query.user.as_str() {
        "" => None,
        text => find_by_name_or_id(&http.issuer, text).await?.map(|user| user.id),
    };
    let found = if user.is_none() && !query.user.is_empty() {
        None
    } else {
        let opened_by = query.dialect.map(Origin::Dialect);
        let after = query.after;
        Some(sessions::page(&http.issuer, SessionQuery { user, opened_by, after, limit: PER_PAGE }).await?)
    };
    Ok(superuser.show(&http, StatusCode::OK, &SessionsPage { query, found }))
}

async fn end(State(http): State<Http>, from: Caller, Checked { sender, mut form }: Checked<Superuser>) -> PageResult {
    let id = Uuid::try_parse(&form.text_or_empty("session")).map_err(|_| PageError::NOT_FOUND)?;
    let next = AdminPath::parse(&form.text_or_empty("next")).unwrap_or(PAGE);
    EndSession { id: SessionId(id), by: sender.operator(from) }.run(&http.issuer).await?;
    Ok(sender.redirect_with_flash(&http, &next, "The session was ended."))
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
        let sessions = vec![(samples::session(), samples::user())];
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
