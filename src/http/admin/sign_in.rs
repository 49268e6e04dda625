//! Sign-in, sign-out and step-up of superusers.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use minijinja::context;
use minijinja::value::Value;

use super::cookies::{self, ANONYMOUS, SESSION};
use super::guard::{AnonymousBrowser, Checked, Superuser, no_superuser_yet};
use super::page_error::{PageError, problem};
use super::path::AdminPath;
use super::query::Query;
use super::{PageResult, frame};
use crate::domain::admin_session::{AdminToken, MAX_LIFETIME};
use crate::domain::password::Password;
use crate::domain::user::Login;
use crate::http::context::Http;
use crate::http::extract::body::JsonBody;
use crate::http::pages::Page;
use crate::issuer::admin::sign_in::{ResumeAdminSession, SignInAdmin, SignOutAdmin, StepUp};
use crate::issuer::{Caller, Refusal, first_superuser};

/// The routes of sign-in, sign-out and step-up.
pub fn routes() -> Router<Http> {
    Router::new()
        .route("/admin/login", get(sign_in_page).post(sign_in))
        .route("/admin/logout", post(sign_out))
        .route("/admin/prove", get(step_up_page).post(step_up))
}

/// A field of a form. Empty if it is missing.
pub fn text(form: &mut JsonBody, name: &str) -> String {
    form.text_named(name).ok().flatten().unwrap_or_default()
}

/// The path to redirect to, from the query parameter `next`.
fn next_of(query: &Query) -> AdminPath {
    AdminPath::parse_or_first(Some(query.text("next")))
}

/// Sets the session cookie, and removes the cookie that identified the browser before the sign-in.
pub fn with_session(http: &Http, mut response: Response, token: &AdminToken) -> Response {
    let seconds = i64::try_from(MAX_LIFETIME.as_secs()).unwrap_or(i64::MAX);
    cookies::set(&mut response, http, SESSION, token.text().expose(), seconds);
    cookies::remove(&mut response, http, ANONYMOUS);
    response
}

fn presented_token(headers: &HeaderMap) -> Option<AdminToken> {
    cookies::read(headers, SESSION).and_then(AdminToken::parse)
}

async fn sign_in_page(State(http): State<Http>, query: Query, headers: HeaderMap) -> PageResult {
    let next = next_of(&query);
    let session = match presented_token(&headers) {
        Some(token) => ResumeAdminSession { token }.run(&http.issuer).await?,
        None => None,
    };
    if session.is_some() {
        return Err(PageError::Redirect(next.as_str().to_owned()));
    }
    if !first_superuser::has_superuser(&http.issuer).await? {
        return Err(no_superuser_yet());
    }
    let page = SignInPage { next, login: String::new(), problem: None };
    Ok(AnonymousBrowser::begin(&headers, &http).show(&http, StatusCode::OK, &page))
}

async fn sign_in(
    State(http): State<Http>,
    from: Caller,
    headers: HeaderMap,
    Checked { sender: browser, mut form }: Checked<AnonymousBrowser>,
) -> PageResult {
    let login = text(&mut form, "login");
    let next = AdminPath::parse_or_first(Some(&text(&mut form, "next")));
    let sign_in = SignInAdmin {
        login: Login::new(&login),
        password: Password::new(text(&mut form, "password")),
        replaces: presented_token(&headers),
        from,
    };
    match sign_in.run(&http.issuer).await {
        Ok(token) => {
            let response = PageError::Redirect(next.as_str().to_owned()).response(&http);
            Ok(with_session(&http, response, &token))
        }
        Err(refusal @ Refusal::WrongCredentials(_)) => {
            let page = SignInPage { next, login, problem: problem(&refusal) };
            Ok(browser.show(&http, StatusCode::FORBIDDEN, &page))
        }
        Err(refusal) => Err(refusal.into()),
    }
}

async fn sign_out(State(http): State<Http>, from: Caller, Checked { sender, .. }: Checked<Superuser>) -> PageResult {
    SignOutAdmin { from }.run(sender.signed_in(), &http.issuer).await?;
    let mut response = PageError::Redirect("/admin/login".to_owned()).response(&http);
    cookies::remove(&mut response, &http, SESSION);
    Ok(response)
}

async fn step_up_page(State(http): State<Http>, query: Query, superuser: Superuser) -> Response {
    superuser.show(&http, StatusCode::OK, &StepUpPage { next: next_of(&query), problem: None })
}

async fn step_up(
    State(http): State<Http>,
    from: Caller,
    Checked { sender, mut form }: Checked<Superuser>,
) -> PageResult {
    let next = AdminPath::parse_or_first(Some(&text(&mut form, "next")));
    let password = Password::new(text(&mut form, "password"));
    match (StepUp { password, from }).run(sender.signed_in(), &http.issuer).await {
        Ok(()) => Ok(frame::redirect_with_flash(
            &http,
            &next,
            "Your password is confirmed for 5 minutes. Now repeat the action.",
        )),
        Err(Refusal::WrongCredentials(_)) => {
            let problem = Some("The password is wrong.".to_owned());
            Ok(sender.show(&http, StatusCode::FORBIDDEN, &StepUpPage { next, problem }))
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// The sign-in form.
pub struct SignInPage {
    /// Where to redirect after the sign-in.
    pub next: AdminPath,
    /// The login of the last attempt.
    pub login: String,
    /// What was wrong with the last attempt.
    pub problem: Option<String>,
}

impl Page for SignInPage {
    const TEMPLATE: &'static str = "admin/login.html";

    fn context(&self) -> Value {
        let Self { next, login, problem } = self;
        context! { next => next.as_str(), login, problem }
    }

    fn samples() -> Vec<Self> {
        let page = |login: &str, problem: Option<&str>| Self {
            next: AdminPath::first(),
            login: login.to_owned(),
            problem: problem.map(str::to_owned),
        };
        vec![page("", None), page("<b>anna", Some("The user name or the password is wrong."))]
    }
}

/// The step-up form, which asks for the password again.
pub struct StepUpPage {
    /// Where to redirect after the step-up.
    pub next: AdminPath,
    /// What was wrong with the last attempt.
    pub problem: Option<String>,
}

impl Page for StepUpPage {
    const TEMPLATE: &'static str = "admin/prove.html";

    fn context(&self) -> Value {
        let Self { next, problem } = self;
        context! { next => next.as_str(), problem }
    }

    fn samples() -> Vec<Self> {
        let page = |problem: Option<&str>| Self { next: AdminPath::first(), problem: problem.map(str::to_owned) };
        vec![page(None), page(Some("The password is wrong."))]
    }
}
