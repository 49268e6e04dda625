//! All users, page by page, and those that are looked for.

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use minijinja::context;
use minijinja::value::Value;
use url::form_urlencoded::Serializer;

use super::super::super::Http;
use super::super::super::pages::Page;
use super::super::Answer;
use super::super::dashboard::day;
use super::super::door::asked;
use super::super::guard::Superuser;
use super::{email, real_name, sample};
use crate::domain::user::User;
use crate::issuer::admin::users::{FindUsers, FoundUsers};
use crate::store::{Place, UserPage, UserSearch};

/// How many users a page has.
const PER_PAGE: u32 = 25;
/// How the list can be narrowed: by its name in the address, and in words.
const KINDS: [(&str, &str); 4] =
    [("", "All users"), ("active", "Active ones"), ("disabled", "Disabled ones"), ("superusers", "Superusers")];

/// What is asked for.
#[derive(Clone, Debug, Default)]
struct Asked {
    text: String,
    kind: &'static str,
    place: Place,
}

impl Asked {
    fn read(query: Option<&str>) -> Self {
        let wanted = asked(query, "kind");
        let kind = KINDS.iter().find(|(name, _)| *name == wanted).map_or("", |(name, _)| name);
        let place = match (asked(query, "after"), asked(query, "before")) {
            (after, _) if !after.is_empty() => Place::After(after),
            (_, before) if !before.is_empty() => Place::Before(before),
            _ => Place::Start,
        };
        Self { text: asked(query, "q").trim().to_owned(), kind, place }
    }

    fn search(&self) -> UserSearch {
        let active = match self.kind {
            "active" => Some(true),
            "disabled" => Some(false),
            _ => None,
        };
        let superuser = (self.kind == "superusers").then_some(true);
        UserSearch { text: self.text.clone(), active, superuser, place: self.place.clone(), limit: PER_PAGE }
    }

    /// The same from another place on.
    fn link(&self, name: &str, key: Option<&str>) -> String {
        let Some(key) = key else { return String::new() };
        let pairs = [("q", self.text.as_str()), ("kind", self.kind), (name, key)];
        let pairs = pairs.iter().filter(|(_, value)| !value.is_empty());
        format!("/admin/users?{}", Serializer::new(String::new()).extend_pairs(pairs).finish())
    }
}

pub(super) async fn page(State(http): State<Http>, RawQuery(query): RawQuery, who: Superuser) -> Answer {
    let asked = Asked::read(query.as_deref());
    let found = FindUsers { search: asked.search() }.run(&http.issuer).await?;
    Ok(who.show(&http, StatusCode::OK, &UsersPage { asked, found }))
}

/// A page of users.
pub struct UsersPage {
    asked: Asked,
    found: FoundUsers,
}

impl Page for UsersPage {
    const TEMPLATE: &'static str = "admin/users.html";

    fn told(&self) -> Value {
        let FoundUsers { exact, page } = &self.found;
        let others = page.users.iter().filter(|user| exact.as_ref().is_none_or(|exact| exact.id != user.id));
        let rows = exact.iter().chain(others).map(row).collect::<Value>();
        context! {
            text => &self.asked.text,
            kind => self.asked.kind,
            kinds => KINDS.to_vec(),
            rows,
            before => self.asked.link("before", page.previous.as_deref()),
            after => self.asked.link("after", page.next.as_deref()),
        }
    }

    fn samples() -> Vec<Self> {
        let asked = Asked { text: "<b>".to_owned(), kind: "active", place: Place::Start };
        let page = |users, next| UserPage { users, previous: None, next };
        let found = FoundUsers { exact: Some(sample()), page: page(vec![sample()], Some("<b>&".to_owned())) };
        let nobody = FoundUsers { exact: None, page: UserPage::default() };
        vec![Self { asked, found }, Self { asked: Asked::default(), found: nobody }]
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
        joined => day(user.date_joined),
        last_login => user.last_login.map(day).unwrap_or_default(),
    }
}
