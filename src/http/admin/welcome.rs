//! The page that creates the first superuser. If no superuser exists and `[admin]` is not set, the server prints a link
//! to this page at its start.

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use minijinja::context;
use minijinja::value::Value;

use crate::domain::field::{Field, FieldProblem};
use crate::domain::password::Password;
use crate::domain::user::{Email, Username};
use crate::http::admin::zone::{AdminPath, AdminZone, POLICY};
use crate::http::context::Http;
use crate::http::extract::url_encoded::UrlEncoded;
use crate::http::pages::Page;
use crate::http::web::anonymous_browser::AnonymousBrowser;
use crate::http::web::checked::Checked;
use crate::http::web::form_problem::form_problem;
use crate::http::web::page_error::{PageError, PageResult};
use crate::http::web::{flash, session_cookie};
use crate::issuer::first_superuser::{CreateFirstSuperuser, FirstAccount, FirstSuperuserError, check_link};
use crate::issuer::{Caller, Refusal};

/// The routes of the page and of its form.
pub fn routes() -> Router<Http> {
    Router::new().route("/admin/welcome", get(page).post(create))
}

async fn page(State(http): State<Http>, RawQuery(query): RawQuery, headers: HeaderMap) -> PageResult {
    let query = query.unwrap_or_default();
    let token = UrlEncoded::new(&query).first("token").unwrap_or_default().into_owned();
    check_link(&http.issuer, &token).await?;
    let page = WelcomePage { token, min_length: min_length(&http), ..WelcomePage::default() };
    Ok(AnonymousBrowser::<AdminZone>::begin(&headers, &http).show(&http, StatusCode::OK, &page))
}

async fn create(
    State(http): State<Http>,
    from: Caller,
    Checked { sender: browser, mut form }: Checked<AnonymousBrowser<AdminZone>>,
) -> PageResult {
    let token = form.text_or_empty("token");
    let username = form.text_or_empty("username");
    let email = form.text_or_empty("email");
    let result = match account(&username, &email, Password::new(form.text_or_empty("password"))) {
        Ok(account) => CreateFirstSuperuser { token: &token, account, from }.run(&http.issuer).await,
        Err((field, problem)) => Err(FirstSuperuserError::Refused(Refusal::invalid(field, problem))),
    };
    let refusal = match result {
        Ok(session) => {
            let message = "Your account was created. You are the first superuser.";
            let mut response = flash::redirect(&http, &AdminPath::home(), message);
            session_cookie::set(&mut response, &http, &POLICY, &session.text());
            return Ok(response);
        }
        Err(FirstSuperuserError::Refused(refusal)) => refusal,
        Err(error) => return Err(error.into()),
    };
    let Some(problem) = form_problem(&refusal) else { return Err(refusal.into()) };
    let page = WelcomePage { token, username, email, min_length: min_length(&http), problem: Some(problem) };
    Ok(browser.show(&http, StatusCode::BAD_REQUEST, &page))
}

fn account(username: &str, email: &str, password: Password) -> Result<FirstAccount, (Field, FieldProblem)> {
    let username = Username::parse(username).map_err(|problem| (Field::Username, problem))?;
    let email = Email::parse(email).map_err(|problem| (Field::Email, problem))?;
    Ok(FirstAccount { username, email, password })
}

fn min_length(http: &Http) -> usize {
    http.issuer.policy.passwords.min_length
}

impl From<FirstSuperuserError> for PageError {
    fn from(error: FirstSuperuserError) -> Self {
        let forbidden = |message: &str| Self::page(StatusCode::FORBIDDEN, "This link is not valid", message);
        match error {
            FirstSuperuserError::InvalidLink => {
                forbidden("The link is incomplete or was changed. Open the link exactly as the server printed it.")
            }
            FirstSuperuserError::ExpiredLink => {
                forbidden("The link was valid for 24 hours and has expired. Restart the server to print a new link.")
            }
            FirstSuperuserError::SpentLink => forbidden(
                "The link was used, or an earlier start of the server printed it. Restart the server to print a new link.",
            ),
            FirstSuperuserError::NotNeeded => forbidden("A superuser already exists. Sign in as a superuser."),
            FirstSuperuserError::Refused(refusal) => refusal.into(),
        }
    }
}

/// The form for the first superuser. It has no `Debug`, because it contains the token of the link.
#[derive(Default)]
pub struct WelcomePage {
    /// The token of the link.
    pub token: String,
    /// The user name of the last attempt.
    pub username: String,
    /// The e-mail address of the last attempt.
    pub email: String,
    /// The minimum length of a password in bytes.
    pub min_length: usize,
    /// What was wrong with the last attempt.
    pub problem: Option<String>,
}

impl Page for WelcomePage {
    const TEMPLATE: &'static str = "admin/welcome.html";

    fn context(&self) -> Value {
        let Self { token, username, email, min_length, problem } = self;
        context! { token, username, email, min_length, problem }
    }

    fn samples() -> Vec<Self> {
        let token = "t0ken".to_owned();
        let rejected = Self {
            token: token.clone(),
            username: "<b>anna".to_owned(),
            email: "anna@example.com".to_owned(),
            min_length: 8,
            problem: Some("The user name is taken.".to_owned()),
        };
        vec![Self { token, min_length: 8, ..Self::default() }, rejected]
    }
}
