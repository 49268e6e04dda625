//! Coming in, going out, and giving the password once more.

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use minijinja::context;
use minijinja::value::Value;
use url::form_urlencoded;

use super::super::Http;
use super::super::body::JsonBody;
use super::super::pages::Page;
use super::cookies::{self, SESSION, VISIT};
use super::guard::{Checked, Superuser, Visit, nobody_yet};
use super::path::Within;
use super::trouble::{Trouble, problem};
use super::{Answer, frame};
use crate::domain::admin_session::{AdminToken, LONGEST};
use crate::domain::password::Password;
use crate::domain::user::Login;
use crate::issuer::admin::door::{Enter, Prove, SignInAdmin, SignOutAdmin};
use crate::issuer::{Caller, Refusal, welcome};

/// The door's table of contents.
pub fn routes() -> Router<Http> {
    Router::new()
        .route("/admin/login", get(login_page).post(login))
        .route("/admin/logout", post(logout))
        .route("/admin/prove", get(prove_page).post(prove))
}

/// A field of a form; empty where it is missing.
pub fn text(form: &mut JsonBody, name: &str) -> String {
    form.text_named(name).ok().flatten().unwrap_or_default()
}

/// What a link or a form of GET asks for by that name; empty where it is missing.
pub fn asked(query: Option<&str>, name: &str) -> String {
    let mut pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs.find(|(found, _)| found == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// Where the query says to go on to.
fn next_of(query: Option<&str>) -> Within {
    Within::parse_or_first(Some(&asked(query, "next")))
}

/// Lets somebody in: the session's cookie, and no more of what binds the forms at the door.
pub fn admitted(http: &Http, mut response: Response, token: &AdminToken) -> Response {
    let seconds = i64::try_from(LONGEST.as_secs()).unwrap_or(i64::MAX);
    cookies::set(&mut response, http, SESSION, token.text().expose(), seconds);
    cookies::remove(&mut response, http, VISIT);
    response
}

fn shown_token(headers: &HeaderMap) -> Option<AdminToken> {
    cookies::read(headers, SESSION).and_then(AdminToken::parse)
}

async fn login_page(State(http): State<Http>, RawQuery(query): RawQuery, headers: HeaderMap) -> Answer {
    let next = next_of(query.as_deref());
    let entered = match shown_token(&headers) {
        Some(token) => Enter { token }.run(&http.issuer).await?,
        None => None,
    };
    if entered.is_some() {
        return Err(Trouble::Go(next.as_str().to_owned()));
    }
    if !welcome::has_superuser(&http.issuer).await? {
        return Err(nobody_yet());
    }
    let page = LoginPage { next, login: String::new(), problem: None };
    Ok(Visit::begin(&headers, &http).show(&http, StatusCode::OK, &page))
}

async fn login(
    State(http): State<Http>,
    from: Caller,
    headers: HeaderMap,
    Checked { who: visit, mut form }: Checked<Visit>,
) -> Answer {
    let (login, next) = (text(&mut form, "login"), Within::parse_or_first(Some(&text(&mut form, "next"))));
    let sign_in = SignInAdmin {
        login: Login::new(&login),
        password: Password::new(text(&mut form, "password")),
        instead_of: shown_token(&headers),
        from,
    };
    match sign_in.run(&http.issuer).await {
        Ok(token) => {
            let response = Trouble::Go(next.as_str().to_owned()).answer(&http);
            Ok(admitted(&http, response, &token))
        }
        Err(refusal @ Refusal::WrongCredentials) => {
            let page = LoginPage { next, login, problem: problem(&refusal) };
            Ok(visit.show(&http, StatusCode::FORBIDDEN, &page))
        }
        Err(refusal) => Err(refusal.into()),
    }
}

async fn logout(State(http): State<Http>, from: Caller, Checked { who, .. }: Checked<Superuser>) -> Answer {
    SignOutAdmin { from }.run(who.entered(), &http.issuer).await?;
    let mut response = Trouble::Go("/admin/login".to_owned()).answer(&http);
    cookies::remove(&mut response, &http, SESSION);
    Ok(response)
}

async fn prove_page(State(http): State<Http>, RawQuery(query): RawQuery, who: Superuser) -> Response {
    who.show(&http, StatusCode::OK, &ProvePage { next: next_of(query.as_deref()), problem: None })
}

async fn prove(State(http): State<Http>, from: Caller, Checked { who, mut form }: Checked<Superuser>) -> Answer {
    let next = Within::parse_or_first(Some(&text(&mut form, "next")));
    let password = Password::new(text(&mut form, "password"));
    match (Prove { password, from }).run(who.entered(), &http.issuer).await {
        Ok(()) => {
            Ok(frame::done(&http, &next, "Thank you. Now do it once more: your password counts for five minutes."))
        }
        Err(Refusal::WrongCredentials) => {
            let problem = Some("The password is wrong.".to_owned());
            Ok(who.show(&http, StatusCode::FORBIDDEN, &ProvePage { next, problem }))
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// The form to sign in with.
pub struct LoginPage {
    /// Where to go then.
    pub next: Within,
    /// The name that was tried.
    pub login: String,
    /// What was wrong with the last try.
    pub problem: Option<String>,
}

impl Page for LoginPage {
    const TEMPLATE: &'static str = "admin/login.html";

    fn told(&self) -> Value {
        let Self { next, login, problem } = self;
        context! { next => next.as_str(), login, problem }
    }

    fn samples() -> Vec<Self> {
        let page = |login: &str, problem: Option<&str>| Self {
            next: Within::first(),
            login: login.to_owned(),
            problem: problem.map(str::to_owned),
        };
        vec![page("", None), page("<b>anna", Some("The name or the password is wrong."))]
    }
}

/// The form to give the password once more.
pub struct ProvePage {
    /// Where to go then.
    pub next: Within,
    /// What was wrong with the last try.
    pub problem: Option<String>,
}

impl Page for ProvePage {
    const TEMPLATE: &'static str = "admin/prove.html";

    fn told(&self) -> Value {
        let Self { next, problem } = self;
        context! { next => next.as_str(), problem }
    }

    fn samples() -> Vec<Self> {
        let page = |problem: Option<&str>| Self { next: Within::first(), problem: problem.map(str::to_owned) };
        vec![page(None), page(Some("The password is wrong."))]
    }
}
