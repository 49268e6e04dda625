//! The page that the one-time link of a new server leads to: the first superuser.

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use minijinja::context;
use minijinja::value::Value;
use url::form_urlencoded;

use super::guard::{AnonymousBrowser, Checked};
use super::page_error::{PageError, problem};
use super::path::AdminPath;
use super::sign_in::{text, with_session};
use super::{PageResult, frame};
use crate::domain::field::{Field, FieldProblem};
use crate::domain::password::Password;
use crate::domain::user::{Email, Username};
use crate::http::Http;
use crate::http::pages::Page;
use crate::issuer::first_superuser::{CreateFirstSuperuser, FirstAccount, FirstSuperuserError, check_link};
use crate::issuer::{Caller, Refusal};

/// One page.
pub fn routes() -> Router<Http> {
    Router::new().route("/admin/welcome", get(page).post(make))
}

async fn page(State(http): State<Http>, RawQuery(query): RawQuery, headers: HeaderMap) -> PageResult {
    let query = query.unwrap_or_default();
    let token = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "token");
    let token = token.map(|(_, token)| token.into_owned()).unwrap_or_default();
    check_link(&http.issuer, &token).await?;
    let page = WelcomePage { token, min_length: least(&http), ..WelcomePage::default() };
    Ok(AnonymousBrowser::begin(&headers, &http).show(&http, StatusCode::OK, &page))
}

async fn make(
    State(http): State<Http>,
    from: Caller,
    Checked { who: visit, mut form }: Checked<AnonymousBrowser>,
) -> PageResult {
    let token = text(&mut form, "token");
    let username = text(&mut form, "username");
    let email = text(&mut form, "email");
    let made = match account(&username, &email, Password::new(text(&mut form, "password"))) {
        Ok(account) => CreateFirstSuperuser { token: &token, account, from }.run(&http.issuer).await,
        Err((field, problem)) => Err(FirstSuperuserError::Refused(Refusal::invalid(field, problem))),
    };
    let refusal = match made {
        Ok(session) => {
            let word = "You are the first superuser. Welcome.";
            return Ok(with_session(&http, frame::redirect_with_flash(&http, &AdminPath::first(), word), &session));
        }
        Err(FirstSuperuserError::Refused(refusal)) => refusal,
        Err(no) => return Err(no.into()),
    };
    let Some(problem) = problem(&refusal) else { return Err(refusal.into()) };
    let page = WelcomePage { token, username, email, min_length: least(&http), problem: Some(problem) };
    Ok(visit.show(&http, StatusCode::BAD_REQUEST, &page))
}

fn account(username: &str, email: &str, password: Password) -> Result<FirstAccount, (Field, FieldProblem)> {
    let username = Username::parse(username).map_err(|problem| (Field::Username, problem))?;
    let email = Email::parse(email).map_err(|problem| (Field::Email, problem))?;
    Ok(FirstAccount { username, email, password })
}

fn least(http: &Http) -> usize {
    http.issuer.policy.passwords.min_length
}

impl From<FirstSuperuserError> for PageError {
    fn from(no: FirstSuperuserError) -> Self {
        let forbidden = |message: &str| Self::page(StatusCode::FORBIDDEN, "This link opens nothing", message);
        match no {
            FirstSuperuserError::WrongLink => forbidden("It is not whole. Open it as the server printed it."),
            FirstSuperuserError::OldLink => {
                forbidden("It is over a day old. Start the server once more: it prints a new one.")
            }
            FirstSuperuserError::NotNeeded => forbidden("There is a superuser: sign in as one."),
            FirstSuperuserError::Refused(refusal) => refusal.into(),
        }
    }
}

/// The form for the first superuser. It holds the link's token: there is no `Debug`.
#[derive(Default)]
pub struct WelcomePage {
    /// What the link carried.
    pub token: String,
    /// The name of the last try.
    pub username: String,
    /// The address of the last try.
    pub email: String,
    /// The least number of characters in a password.
    pub min_length: usize,
    /// What was wrong with the last try.
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
        let tried = Self {
            token: token.clone(),
            username: "<b>anna".to_owned(),
            email: "anna@example.com".to_owned(),
            min_length: 8,
            problem: Some("The name is taken.".to_owned()),
        };
        vec![Self { token, min_length: 8, ..Self::default() }, tried]
    }
}
