//! The audit log: a page of filtered entries, and the export of all matching entries.

use std::net::IpAddr;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use minijinja::context;
use minijinja::value::Value;

use super::audit_export::{self, ExportFormat};
use crate::domain::audit::{Action, AuditLine};
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;
use crate::http::admin::zone::Superuser;
use crate::http::context::Http;
use crate::http::extract::query::{Query, link};
use crate::http::format::date_time;
use crate::http::pages::{Page, Pages};
use crate::http::web::page_error::{PageError, PageResult};
use crate::http::web::section::Section;
use crate::issuer::admin::audit::{self, AuditExport};
use crate::issuer::{Issuer, Refusal, users};
use crate::store::{AuditCursor, AuditQuery};

const PATH: &str = "/admin/audit";
const EXPORT: &str = "/admin/audit/export";
/// Entries per page.
const PER_PAGE: u32 = 50;
const DAY_SECONDS: i64 = 86_400;

/// The section.
pub const SECTION: Section =
    Section { title: "Audit log", path: PATH, routes, render_samples: Pages::render_framed_samples::<AuditLogPage> };

/// The routes of the page and of the export.
fn routes() -> Router<Http> {
    Router::new().route(PATH, get(page)).route(EXPORT, get(export))
}

async fn page(State(http): State<Http>, query: Query, superuser: Superuser) -> PageResult {
    let filter = AuditFilter::of(&query);
    let mut page = AuditLogPage { filter, ..AuditLogPage::default() };
    let status = match page.filter.query(&http.issuer).await? {
        Ok(filtered) => {
            let after = query.number("at").zip(query.number("id"));
            let after = after.map(|(at, id)| AuditCursor { at: Timestamp::from_unix(at), id });
            let entries = audit::page(&http.issuer, AuditQuery { after, limit: PER_PAGE, ..filtered }).await?;
            (page.lines, page.next, page.is_first) = (entries.lines, entries.next, after.is_none());
            StatusCode::OK
        }
        Err(problem) => {
            page.problem = Some(problem);
            StatusCode::BAD_REQUEST
        }
    };
    Ok(superuser.show(&http, status, &page))
}

async fn export(State(http): State<Http>, query: Query, _: Superuser) -> PageResult {
    let Some(format) = ExportFormat::from_name(query.text("format")) else { return Err(PageError::NOT_FOUND) };
    match AuditFilter::of(&query).query(&http.issuer).await? {
        Ok(query) => Ok(audit_export::file(&http, format, AuditExport::new(query)).await?),
        Err(problem) => Err(PageError::page(StatusCode::BAD_REQUEST, "The filter is invalid", problem)),
    }
}

/// The filter as the operator typed it. An empty field does not filter.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    user: String,
    by: String,
    action: String,
    address: String,
    from: String,
    until: String,
}

impl AuditFilter {
    fn of(query: &Query) -> Self {
        let text = |name: &str| query.text(name).to_owned();
        Self {
            user: text("user"),
            by: text("by"),
            action: text("action"),
            address: text("address"),
            from: text("from"),
            until: text("until"),
        }
    }

    fn pairs(&self) -> [(&str, &str); 6] {
        let Self { user, by, action, address, from, until } = self;
        [("user", user), ("by", by), ("action", action), ("address", address), ("from", from), ("until", until)]
    }

    fn is_empty(&self) -> bool {
        self.pairs().iter().all(|(_, value)| value.is_empty())
    }

    /// A link to `path` with this filter and the further parameters `more`.
    fn link(&self, path: &str, more: &[(&str, &str)]) -> String {
        link(path, &[&self.pairs()[..], more].concat())
    }

    /// Builds the query for the store. The inner error is a sentence for the operator about an invalid field.
    async fn query(&self, issuer: &Issuer) -> Result<Result<AuditQuery, String>, Refusal> {
        let user = find_named_user(issuer, &self.user).await?;
        let actor = find_named_user(issuer, &self.by).await?;
        Ok(self.to_query(user, actor))
    }

    fn to_query(&self, user: NamedUser, actor: NamedUser) -> Result<AuditQuery, String> {
        let action = match self.action.as_str() {
            "" => None,
            name => Some(Action::from_name(name).ok_or("This action does not exist. Choose one from the list.")?),
        };
        let until = date("The last day", &self.until)?.map(|at| Timestamp::from_unix(at.unix() + DAY_SECONDS));
        Ok(AuditQuery {
            user: user.id(&self.user)?,
            action,
            actor: actor.id(&self.by)?,
            from: date("The first day", &self.from)?,
            until,
            address: address(&self.address)?,
            ..AuditQuery::default()
        })
    }
}

/// The user that a filter field names.
enum NamedUser {
    Unfiltered,
    User(UserId),
    Unknown,
}

impl NamedUser {
    fn id(self, text: &str) -> Result<Option<UserId>, String> {
        match self {
            Self::Unfiltered => Ok(None),
            Self::User(id) => Ok(Some(id)),
            Self::Unknown => Err(format!("No user matches {text}. Enter a complete user name, e-mail address or id.")),
        }
    }
}

/// Finds a user by user name, e-mail address or id. Any number is accepted as an id, because the log keeps the entries
/// of deleted users.
async fn find_named_user(issuer: &Issuer, text: &str) -> Result<NamedUser, Refusal> {
    if text.is_empty() {
        return Ok(NamedUser::Unfiltered);
    }
    let id = users::find(issuer, text).await?.map(|user| user.id).or_else(|| text.parse().ok().map(UserId));
    Ok(id.map_or(NamedUser::Unknown, NamedUser::User))
}

/// Parses the date of the filter field `label`. Empty text does not filter.
fn date(label: &str, text: &str) -> Result<Option<Timestamp>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let at = Timestamp::parse(&format!("{text}T00:00:00Z"));
    at.map(Some).ok_or_else(|| format!("{label} must be a date like 2026-01-31."))
}

/// Parses an IP address or the beginning of one. Other text is an error, because it could never match an entry.
fn address(text: &str) -> Result<Option<String>, String> {
    let is_prefix = text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'.' || byte == b':');
    match text.parse::<IpAddr>() {
        _ if text.is_empty() => Ok(None),
        Ok(address) => Ok(Some(address.to_canonical().to_string())),
        Err(_) if is_prefix => Ok(Some(text.to_owned())),
        Err(_) => Err("The address must be an IP address or the beginning of one, like 192.0.2.".to_owned()),
    }
}

/// A page of the audit log.
#[derive(Debug, Default)]
pub struct AuditLogPage {
    /// The filter.
    pub filter: AuditFilter,
    /// What is wrong with the filter, as a sentence.
    pub problem: Option<String>,
    /// The entries, newest first.
    pub lines: Vec<AuditLine>,
    /// The position of the next page, with older entries. `None` on the last page.
    pub next: Option<AuditCursor>,
    /// Whether this is the first page.
    pub is_first: bool,
}

/// An action with spaces instead of underscores.
fn action_label(action: &str) -> String {
    action.replace('_', " ")
}

impl Page for AuditLogPage {
    const TEMPLATE: &'static str = "admin/audit.html";

    fn context(&self) -> Value {
        let lines = self.lines.iter().map(|line| {
            let AuditLine { at, action, user_id, username, actor_id, actor, address, detail } = line;
            let user_label = |id: &Option<UserId>, name: &Option<String>| match (name, id) {
                (Some(name), _) => name.clone(),
                (None, Some(UserId(id))) => format!("{id} (deleted)"),
                (None, None) => String::new(),
            };
            context! {
                at => date_time(*at),
                action => action_label(action),
                user => user_label(user_id, username),
                by => user_label(actor_id, actor),
                address => address.map(|address| address.to_string()),
                detail,
            }
        });
        let actions =
            Action::ALL.iter().map(|action| context! { name => action.name(), label => action_label(action.name()) });
        let AuditFilter { user, by, action, address, from, until } = &self.filter;
        let older = self.next.map(|next| {
            let at = next.at.unix().to_string();
            let id = next.id.to_string();
            self.filter.link(PATH, &[("at", at.as_str()), ("id", id.as_str())])
        });
        context! {
            user,
            by,
            action,
            address,
            from,
            until,
            is_narrowed => !self.filter.is_empty(),
            problem => self.problem.as_deref(),
            actions => actions.collect::<Value>(),
            lines => lines.collect::<Value>(),
            older,
            newest => (!self.is_first).then(|| self.filter.link(PATH, &[])),
            as_csv => self.filter.link(EXPORT, &[("format", "csv")]),
            as_lines => self.filter.link(EXPORT, &[("format", "jsonl")]),
        }
    }

    fn samples() -> Vec<Self> {
        let line = |username: Option<&str>, detail: &str| AuditLine {
            at: Timestamp::from_unix(1_700_000_000),
            action: "signed_in".to_owned(),
            user_id: Some(UserId(7)),
            username: username.map(str::to_owned),
            actor_id: None,
            actor: None,
            address: "192.0.2.1".parse().ok(),
            detail: detail.to_owned(),
        };
        let filter = AuditFilter { user: "<b>".to_owned(), ..AuditFilter::default() };
        let problem = Some("No user matches <b>.".to_owned());
        let next = Some(AuditCursor { at: Timestamp::from_unix(1_700_000_000), id: 7 });
        vec![
            Self { is_first: true, ..Self::default() },
            Self { lines: vec![line(Some("anna"), "<b>jwt_issuer</b>"), line(None, "")], next, ..Self::default() },
            Self { filter, problem, ..Self::default() },
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_audit_filter_is_reported() {
        let parse = |filter: AuditFilter| {
            filter.to_query(NamedUser::Unfiltered, NamedUser::Unfiltered).map(|query| query.address)
        };
        let address = |text: &str| parse(AuditFilter { address: text.to_owned(), ..AuditFilter::default() });
        assert_eq!(address(""), Ok(None));
        assert_eq!(address("192.0."), Ok(Some("192.0.".to_owned())));
        assert_eq!(address("::ffff:192.0.2.1"), Ok(Some("192.0.2.1".to_owned())));
        assert_eq!(address("2001:DB8:0::1"), Ok(Some("2001:db8::1".to_owned())));
        assert!(address("anna").is_err() && address("192.0.2.1'").is_err());
        for invalid in ["2026-02-30", "31.1.2026", "2026-01-31T00:00:00Z", "x"] {
            assert!(parse(AuditFilter { from: invalid.to_owned(), ..AuditFilter::default() }).is_err(), "{invalid}");
        }
        assert!(parse(AuditFilter { action: "signed in".to_owned(), ..AuditFilter::default() }).is_err());
    }

    #[test]
    fn the_last_day_of_a_filter_is_inclusive() {
        let filter =
            AuditFilter { from: "2026-01-31".to_owned(), until: "2026-01-31".to_owned(), ..AuditFilter::default() };
        let query = filter.to_query(NamedUser::Unfiltered, NamedUser::Unfiltered).expect("two dates");
        let span = query.until.zip(query.from).map(|(until, from)| until.since(from).as_secs());
        assert_eq!(span, Some(86_400));
    }
}
