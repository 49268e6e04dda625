//! The list of users, with search and filter.

use axum::extract::State;
use axum::http::StatusCode;
use minijinja::context;
use minijinja::value::Value;

use super::display::{email, real_name};
use crate::domain::user::User;
use crate::http::admin::samples;
use crate::http::admin::zone::Superuser;
use crate::http::context::Http;
use crate::http::extract::query::{Query, link};
use crate::http::format::date_time;
use crate::http::pages::Page;
use crate::http::web::page_error::PageResult;
use crate::issuer::admin::users::{FindUsers, FoundUsers};
use crate::store::{PagePosition, UserPage, UserSearch};

/// Users per page.
const PER_PAGE: u32 = 25;
/// The filters of the list: the name in the query, and the label.
const KINDS: [(&str, &str); 4] =
    [("", "All users"), ("active", "Active users"), ("disabled", "Disabled users"), ("superusers", "Superusers")];

/// The search, the filter and the position in the list.
#[derive(Clone, Debug, Default)]
struct UsersQuery {
    text: String,
    kind: &'static str,
    position: PagePosition,
}

impl UsersQuery {
    fn read(query: &Query) -> Self {
        let requested = query.text("kind");
        let kind = KINDS.iter().find(|(name, _)| *name == requested).map_or("", |(name, _)| name);
        let position = match (query.untrimmed("after"), query.untrimmed("before")) {
            (after, _) if !after.is_empty() => PagePosition::After(after.to_owned()),
            (_, before) if !before.is_empty() => PagePosition::Before(before.to_owned()),
            _ => PagePosition::Start,
        };
        Self { text: query.text("q").to_owned(), kind, position }
    }

    fn search(&self) -> UserSearch {
        let active = match self.kind {
            "active" => Some(true),
            "disabled" => Some(false),
            _ => None,
        };
        let superuser = (self.kind == "superusers").then_some(true);
        UserSearch { text: self.text.clone(), active, superuser, position: self.position.clone(), limit: PER_PAGE }
    }

    /// A link with the same search and filter, and `key` as the position in the parameter `name`. Empty without a key.
    fn link(&self, name: &str, key: Option<&str>) -> String {
        let Some(key) = key else { return String::new() };
        link("/admin/users", &[("q", self.text.as_str()), ("kind", self.kind), (name, key)])
    }
}

pub(super) async fn page(State(http): State<Http>, query: Query, superuser: Superuser) -> PageResult {
    let query = UsersQuery::read(&query);
    let found = FindUsers { search: query.search() }.run(&http.issuer).await?;
    Ok(superuser.show(&http, StatusCode::OK, &UsersPage { query, found }))
}

/// A page of users.
pub struct UsersPage {
    query: UsersQuery,
    found: FoundUsers,
}

impl Page for UsersPage {
    const TEMPLATE: &'static str = "admin/users.html";

    fn context(&self) -> Value {
        let FoundUsers { exact, page } = &self.found;
        let others = page.users.iter().filter(|user| exact.as_ref().is_none_or(|exact| exact.id != user.id));
        let rows = exact.iter().chain(others).map(row).collect::<Value>();
        context! {
            text => &self.query.text,
            kind => self.query.kind,
            kinds => KINDS.to_vec(),
            rows,
            total => page.total.max(u64::from(exact.is_some())),
            before => self.query.link("before", page.previous.as_deref()),
            after => self.query.link("after", page.next.as_deref()),
        }
    }

    fn samples() -> Vec<Self> {
        let query = UsersQuery { text: "<b>".to_owned(), kind: "active", position: PagePosition::Start };
        let page = |users, next| UserPage { users, previous: None, next, total: 1 };
        let found =
            FoundUsers { exact: Some(samples::user()), page: page(vec![samples::user()], Some("<b>&".to_owned())) };
        let none = FoundUsers { exact: None, page: UserPage::default() };
        vec![Self { query, found }, Self { query: UsersQuery::default(), found: none }]
    }
}

fn row(user: &User) -> Value {
    context! {
        id => user.id.0,
        username => user.username.as_str(),
        email => email(user),
        name => real_name(user),
        is_active => user.is_active,
        is_superuser => user.is_superuser,
        joined => date_time(user.date_joined),
        last_login => user.last_login.map(date_time).unwrap_or_default(),
    }
}
