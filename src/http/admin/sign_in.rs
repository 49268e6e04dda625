//! Sign-in, sign-out and step-up of superusers.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use minijinja::context;
use minijinja::value::Value;

use crate::domain::browser_session::BrowserToken;
use crate::domain::password::Password;
use crate::domain::user::Login;
use crate::http::admin::zone::{AdminPath, AdminZone, POLICY, Superuser};
use crate::http::context::Http;
use crate::http::extract::query::Query;
use crate::http::pages::Page;
use crate::http::web::anonymous_browser::AnonymousBrowser;
use crate::http::web::checked::Checked;
use crate::http::web::form_problem::form_problem;
use crate::http::web::page_error::PageResult;
use crate::http::web::redirect::see_other;
use crate::http::web::session_cookie;
use crate::http::web::zone::Zone as _;
use crate::issuer::admin::sign_in::{SignInAdmin, SignOutAdmin, StepUp};
use crate::issuer::{Caller, Refusal};

/// The routes of sign-in, sign-out and step-up.
pub fn routes() -> Router<Http> {
    Router::new()
        .route("/admin/login", get(sign_in_page).post(sign_in))
        .route("/admin/logout", post(sign_out))
        .route("/admin/prove", get(step_up_page).post(step_up))
}

/// The path to redirect to, from the query parameter `next`.
fn next_of(query: &Query) -> AdminPath {
    AdminPath::parse_or_home(Some(query.text("next")))
}

async fn sign_in_page(State(http): State<Http>, query: Query, headers: HeaderMap) -> PageResult {
    let next = next_of(&query);
    if session_cookie::session::<AdminZone>(&headers, &http).await?.is_some() {
        return Ok(see_other(&http, next.as_str()));
    }
    AdminZone::check_sign_in(&http.issuer).await?;
    let page = SignInPage { next, login: String::new(), problem: None };
    Ok(AnonymousBrowser::<AdminZone>::begin(&headers, &http).show(&http, StatusCode::OK, &page))
}

async fn sign_in(
    State(http): State<Http>,
    from: Caller,
    headers: HeaderMap,
    Checked { sender: browser, mut form }: Checked<AnonymousBrowser<AdminZone>>,
) -> PageResult {
    let login = form.text_or_empty("login");
    let next = AdminPath::parse_or_home(Some(&form.text_or_empty("next")));
    let sign_in = SignInAdmin {
        login: Login::new(&login),
        password: Password::new(form.text_or_empty("password")),
        replaces: session_cookie::tokens(&headers, &POLICY).into_iter().filter_map(BrowserToken::parse).collect(),
        from,
    };
    match sign_in.run(&http.issuer).await {
        Ok(token) => {
            let mut response = see_other(&http, next.as_str());
            session_cookie::set(&mut response, &http, &POLICY, &token.text());
            Ok(response)
        }
        Err(refusal @ Refusal::WrongCredentials(_)) => {
            let page = SignInPage { next, login, problem: form_problem(&refusal) };
            Ok(browser.show(&http, StatusCode::FORBIDDEN, &page))
        }
        Err(refusal) => Err(refusal.into()),
    }
}

async fn sign_out(State(http): State<Http>, from: Caller, Checked { sender, .. }: Checked<Superuser>) -> PageResult {
    SignOutAdmin { from }.run(sender.session(), &http.issuer).await?;
    let mut response = see_other(&http, POLICY.sign_in);
    session_cookie::remove(&mut response, &http, &POLICY);
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
    let next = AdminPath::parse_or_home(Some(&form.text_or_empty("next")));
    let password = Password::new(form.text_or_empty("password"));
    match (StepUp { password, from }).run(sender.session(), &http.issuer).await {
        Ok(()) => Ok(sender.redirect_with_flash(
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
            next: AdminPath::home(),
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
        let page = |problem: Option<&str>| Self { next: AdminPath::home(), problem: problem.map(str::to_owned) };
        vec![page(None), page(Some("The password is wrong."))]
    }
}
