//! The dialect's words for every refusal: `{"status":"…"}`.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::wire;
use crate::http::rejection::Rejection;
use crate::http::reply;
use crate::issuer::social::SocialRefusal;
use crate::issuer::{Fault, Refusal};

/// An answer that says no.
pub struct RestSocialErrorBody {
    /// Its status.
    pub status: StatusCode,
    /// What the caller is told; nothing of use where there is a fault.
    message: String,
    /// When to come again.
    retry_after: Option<Duration>,
    /// What broke, for the log.
    fault: Option<Fault>,
}

impl RestSocialErrorBody {
    /// A status and what to say with it.
    pub fn new(status: StatusCode, message: &str) -> Self {
        Self { status, message: message.to_owned(), retry_after: None, fault: None }
    }

    /// The answer, in a body that is made of the message.
    pub fn response(self, body: impl Fn(StatusCode, &str) -> Response + Send + Sync + 'static) -> Response {
        if let Some(fault) = self.fault {
            let said = move |id: &str| format!("something went wrong here (request {id})");
            return reply::fault(fault, move |id| body(StatusCode::INTERNAL_SERVER_ERROR, &said(id)));
        }
        let response = body(self.status, &self.message);
        match self.retry_after {
            Some(after) => reply::retry_after(response, after),
            None if self.status == StatusCode::UNAUTHORIZED => reply::challenge(response),
            None => response,
        }
    }
}

impl IntoResponse for RestSocialErrorBody {
    fn into_response(self) -> Response {
        self.response(wire::status)
    }
}

impl From<Rejection> for RestSocialErrorBody {
    fn from(rejection: Rejection) -> Self {
        Self::new(rejection.status(), &rejection.to_string())
    }
}

impl From<Refusal> for RestSocialErrorBody {
    fn from(refusal: Refusal) -> Self {
        let no = Self::new;
        match refusal {
            Refusal::Social(why) => no(status(why), &message_of(why)),
            Refusal::Invalid(problems) => {
                let list: Vec<String> =
                    problems.iter().map(|(field, problem)| format!("{} {problem}", field.name())).collect();
                no(StatusCode::BAD_REQUEST, &list.join(" or "))
            }
            Refusal::Taken(field) => no(StatusCode::CONFLICT, &format!("{} is taken", field.name())),
            Refusal::WrongCredentials => no(StatusCode::UNAUTHORIZED, "the username or the password is wrong"),
            Refusal::NotSignedIn(_) => {
                no(StatusCode::UNAUTHORIZED, "send a token that has not expired, of a session that has not ended")
            }
            Refusal::WrongResetCode => no(StatusCode::BAD_REQUEST, "the code is wrong, used up or too old"),
            Refusal::RegistrationClosed => no(StatusCode::FORBIDDEN, "accounts are made by an operator alone"),
            Refusal::TooMany { retry_after } => {
                let message = "too many tries: wait as long as Retry-After says";
                Self { retry_after: Some(retry_after), ..no(StatusCode::TOO_MANY_REQUESTS, message) }
            }
            Refusal::Busy { retry_after } => {
                let message = "too much to do at the moment: try again soon";
                Self { retry_after: Some(retry_after), ..no(StatusCode::SERVICE_UNAVAILABLE, message) }
            }
            Refusal::Fault(fault) => Self { fault: Some(fault), ..no(StatusCode::INTERNAL_SERVER_ERROR, "") },
        }
    }
}

fn status(why: SocialRefusal) -> StatusCode {
    match why {
        SocialRefusal::NotBegun
        | SocialRefusal::NoCode
        | SocialRefusal::Denied
        | SocialRefusal::Unreachable
        | SocialRefusal::Refused
        | SocialRefusal::NoToken
        | SocialRefusal::Nonsense
        | SocialRefusal::Untrusted => StatusCode::BAD_REQUEST,
        SocialRefusal::Disabled => StatusCode::FORBIDDEN,
        SocialRefusal::NotOffered | SocialRefusal::NotLinked | SocialRefusal::NoRefreshToken => StatusCode::NOT_FOUND,
        SocialRefusal::Anothers | SocialRefusal::HasOne | SocialRefusal::LastWayIn => StatusCode::CONFLICT,
    }
}

/// Of a missing refresh token the original said nothing.
fn message_of(why: SocialRefusal) -> String {
    if why == SocialRefusal::NoRefreshToken { String::new() } else { why.to_string() }
}
