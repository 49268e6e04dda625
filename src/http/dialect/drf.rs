//! Code shared by the dialects that replace Django REST Framework systems: reading fields, and the framework's error
//! texts.
//!
//! As with the framework's `CharField`, strings are trimmed and numbers are accepted as strings. Passwords are not
//! trimmed, because a password may start or end with a space. At a sign-in, an empty password is a wrong password and
//! not a missing field: it gets the same response as any wrong password, and the server hashes it too, so that the
//! response takes as long.

use std::marker::PhantomData;
use std::time::Duration;

use axum::extract::{FromRequest, Request};
use axum::handler::Handler;
use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, post};
use serde_json::{Map, Value, json};

use crate::domain::duration::seconds_rounded_up;
use crate::domain::field::{Field, FieldProblem};
use crate::domain::password::Password;
use crate::http::context::Http;
use crate::http::extract::body::JsonOrForm;
use crate::http::format::sentence;
use crate::http::rejection::Rejection;
use crate::http::reply;
use crate::issuer::{Fault, Refusal, Unauthenticated};

/// An error response in the format of Django REST Framework, before a dialect is known.
pub struct DrfErrorBody(Box<Response>);

/// An error response of the dialect `D`.
pub struct DrfDialectErrorBody<D>(DrfErrorBody, PhantomData<D>);

/// A dialect in the format of Django REST Framework. The dialects differ in the bodies of their 401 responses
/// and of one 403 response.
pub trait DrfDialect {
    /// Returns the body of the response to a wrong user name or password.
    fn wrong_credentials() -> Value;

    /// Returns the body of the response to a correct password of a user who must confirm the address first.
    fn email_not_confirmed() -> Value {
        json!({"detail": "Confirm your email address first, with the link that was sent to it. For another link, sign in again in 5 minutes."})
    }

    /// Returns the body of the response to a missing or invalid token.
    fn not_signed_in(reason: Unauthenticated) -> Value;
}

impl<D> IntoResponse for DrfDialectErrorBody<D> {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl<D> From<DrfErrorBody> for DrfDialectErrorBody<D> {
    fn from(error_body: DrfErrorBody) -> Self {
        Self(error_body, PhantomData)
    }
}

impl<D: DrfDialect> From<Refusal> for DrfDialectErrorBody<D> {
    fn from(refusal: Refusal) -> Self {
        DrfErrorBody::refused::<D>(refusal).into()
    }
}

impl IntoResponse for DrfErrorBody {
    fn into_response(self) -> Response {
        *self.0
    }
}

impl DrfErrorBody {
    fn new(response: Response) -> Self {
        Self(Box::new(response))
    }

    /// Returns the body `{"detail":"…"}`.
    fn detail(status: StatusCode, detail: &str) -> Self {
        Self::new(reply::json(status, &json!({"detail": detail})))
    }

    /// Returns a 401 with the challenge that RFC 6750 §3 requires.
    fn unauthorized(body: &Value) -> Self {
        let mut response = reply::json(StatusCode::UNAUTHORIZED, body);
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"api\""));
        Self::new(response)
    }

    /// Returns a 400 with `{"email":["…"],…}`: each invalid field with its error.
    fn fields<'a>(errors: impl IntoIterator<Item = (&'a str, String)>) -> Self {
        let body: Map<String, Value> =
            errors.into_iter().map(|(name, text)| (name.to_owned(), json!([text]))).collect();
        Self::new(reply::json(StatusCode::BAD_REQUEST, &body))
    }

    fn refused<D: DrfDialect>(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Invalid(problems) => Self::invalid(&problems),
            Refusal::Taken(field) => Self::taken(field),
            Refusal::WrongCredentials(_) => Self::unauthorized(&D::wrong_credentials()),
            Refusal::NotSignedIn(reason) => Self::unauthorized(&D::not_signed_in(reason)),
            Refusal::ChangeRefused(problem) => Self::detail(StatusCode::FORBIDDEN, &sentence(&problem.to_string())),
            Refusal::EmailNotConfirmed => Self::new(reply::json(StatusCode::FORBIDDEN, &D::email_not_confirmed())),
            Refusal::RegistrationClosed => Self::detail(StatusCode::FORBIDDEN, "Registration is closed."),
            Refusal::RateLimited { retry_after } => Self::throttled(retry_after),
            Refusal::Busy(busy) => Self::busy(busy.log()),
            Refusal::Fault(fault) => Self::fault(fault),
        }
    }

    /// Returns a 400 for the fields that a use case refused.
    pub fn invalid(problems: &[(Field, FieldProblem)]) -> Self {
        Self::fields(problems.iter().map(|(field, problem)| (field.name(), message(*problem))))
    }

    /// Returns a 400 for a user name or an e-mail address that is already in use.
    fn taken(field: Field) -> Self {
        let text = match field {
            Field::Username => "A user with that username already exists.",
            _ => "user with this email already exists.",
        };
        Self::fields([(field.name(), text.to_owned())])
    }

    /// Returns a 429 with `Retry-After`.
    fn throttled(after: Duration) -> Self {
        let seconds = seconds_rounded_up(after);
        let unit = if seconds == 1 { "second" } else { "seconds" };
        let text = format!("Request was throttled. Expected available in {seconds} {unit}.");
        let error_body = Self::detail(StatusCode::TOO_MANY_REQUESTS, &text);
        Self::new(reply::retry_after(error_body.into_response(), after))
    }

    /// Returns a 503 with `Retry-After`.
    fn busy(after: Duration) -> Self {
        let error_body =
            Self::detail(StatusCode::SERVICE_UNAVAILABLE, "Service temporarily unavailable, try again later.");
        Self::new(reply::retry_after(error_body.into_response(), after))
    }

    /// Returns a 500 that contains only the request id.
    fn fault(fault: Fault) -> Self {
        let error_body = |id: &str| {
            let text = format!("A server error occurred (request {id}).");
            Self::detail(StatusCode::INTERNAL_SERVER_ERROR, &text).into_response()
        };
        Self::new(reply::fault(fault, error_body))
    }

    fn rejected(rejection: &Rejection, content_type: &str) -> Self {
        let text = match rejection {
            Rejection::MalformedBody(problem) => problem.clone(),
            Rejection::WrongContentType(_) => format!("Unsupported media type \"{content_type}\" in request."),
            Rejection::WrongContentEncoding
            | Rejection::TooLarge(_)
            | Rejection::TooSlow(_)
            | Rejection::WrongMethod
            | Rejection::ForeignOrigin => rejection.to_string(),
        };
        Self::detail(rejection.status(), &text)
    }
}

/// Returns the route of a handler for POST, with the framework's response for other methods.
pub fn post_only<H: Handler<T, Http>, T: 'static>(handler: H) -> MethodRouter<Http> {
    post(handler).fallback(wrong_method)
}

/// Returns the response for an unsupported method. axum adds the `Allow` header.
pub async fn wrong_method(method: Method) -> DrfErrorBody {
    DrfErrorBody::detail(StatusCode::METHOD_NOT_ALLOWED, &format!("Method \"{method}\" not allowed."))
}

fn message(problem: FieldProblem) -> String {
    match problem {
        FieldProblem::Missing => "This field is required.".to_owned(),
        FieldProblem::NotText => "Not a valid string.".to_owned(),
        FieldProblem::Blank => "This field may not be blank.".to_owned(),
        FieldProblem::TooShort { min } => {
            format!("This password is too short. It must contain at least {min} characters.")
        }
        FieldProblem::TooLong { max } => format!("Ensure this field has no more than {max} characters."),
        FieldProblem::TooManyBytes { max } => format!("Ensure this field has no more than {max} bytes."),
        FieldProblem::Unprintable => "Enter a value without control characters and invisible characters.".to_owned(),
        FieldProblem::NotARoleName => "Enter a name without spaces, commas and control characters.".to_owned(),
        FieldProblem::AnothersEmail => "This may be an email address only if it is your own.".to_owned(),
        FieldProblem::NotAnEmail => "Enter a valid email address.".to_owned(),
        FieldProblem::Common => "This password is too common.".to_owned(),
        FieldProblem::Unchanged => "This password is the current one. Choose a different one.".to_owned(),
    }
}

/// The fields of a body, and the errors found in the fields that were read so far, in the order of reading.
pub struct BodyFields {
    sent: Map<String, Value>,
    errors: Vec<(&'static str, String)>,
}

impl FromRequest<Http> for BodyFields {
    type Rejection = DrfErrorBody;

    async fn from_request(request: Request, http: &Http) -> Result<Self, DrfErrorBody> {
        let content_type =
            request.headers().get(CONTENT_TYPE).map(|kind| String::from_utf8_lossy(kind.as_bytes()).into_owned());
        let kind = match JsonOrForm::from_request(request, http).await {
            Ok(JsonOrForm(Value::Object(sent))) => return Ok(Self { sent, errors: Vec::new() }),
            Ok(JsonOrForm(Value::Null)) => {
                return Err(DrfErrorBody::fields([("non_field_errors", "No data provided".to_owned())]));
            }
            Err(rejection) => {
                return Err(DrfErrorBody::rejected(&rejection, content_type.as_deref().unwrap_or_default()));
            }
            Ok(JsonOrForm(Value::Array(_))) => "list",
            Ok(JsonOrForm(Value::String(_))) => "str",
            Ok(JsonOrForm(Value::Bool(_))) => "bool",
            Ok(JsonOrForm(Value::Number(number))) => {
                if number.is_f64() {
                    "float"
                } else {
                    "int"
                }
            }
        };
        let text = format!("Invalid data. Expected a dictionary, but got {kind}.");
        Err(DrfErrorBody::fields([("non_field_errors", text)]))
    }
}

impl BodyFields {
    /// Reads a required string. `None` if it is missing or invalid, and the error is recorded.
    pub fn text(&mut self, name: &'static str) -> Option<String> {
        if !self.sent.contains_key(name) {
            self.errors.push((name, message(FieldProblem::Missing)));
        }
        self.optional(name)
    }

    /// Reads an optional string. `None` if it is missing or invalid. The error of an invalid string is recorded.
    pub fn optional(&mut self, name: &'static str) -> Option<String> {
        let text = self.raw(name)?;
        let trimmed = text.trim();
        let error = if text.contains('\0') {
            "Null characters are not allowed.".to_owned()
        } else if trimmed.is_empty() {
            message(FieldProblem::Blank)
        } else {
            return Some(trimmed.to_owned());
        };
        self.errors.push((name, error));
        None
    }

    /// Reads an optional string. A blank string counts as missing.
    pub fn blank_or(&mut self, name: &'static str) -> Option<String> {
        let blank = self.sent.get(name).and_then(Value::as_str).is_some_and(|text| text.trim().is_empty());
        if blank { None } else { self.optional(name) }
    }

    /// Reads the optional current password. Any string is accepted, even an empty one, and a number as its text. `null`
    /// counts as missing.
    pub fn current_password(&mut self) -> Option<Password> {
        let name = Field::CurrentPassword.name();
        if self.sent.get(name) == Some(&Value::Null) {
            return None;
        }
        self.raw(name).map(Password::new)
    }

    /// Whether the body has this field.
    pub fn has(&self, name: &str) -> bool {
        self.sent.contains_key(name)
    }

    /// Reads the required password. Any string is accepted here, even an empty one, and a number as its text.
    pub fn password(&mut self) -> Option<Password> {
        let name = Field::Password.name();
        if !self.sent.contains_key(name) {
            self.errors.push((name, message(FieldProblem::Missing)));
        }
        self.raw(name).map(Password::new)
    }

    /// Parses the text of a field, and records the error if it is invalid.
    pub fn parsed<T>(
        &mut self,
        field: Field,
        text: Option<&str>,
        parse: fn(&str) -> Result<T, FieldProblem>,
    ) -> Option<T> {
        match parse(text?) {
            Ok(parsed) => Some(parsed),
            Err(problem) => {
                self.add_error(field, problem);
                None
            }
        }
    }

    /// Records an error of a field.
    pub fn add_error(&mut self, field: Field, problem: FieldProblem) {
        self.errors.push((field.name(), message(problem)));
    }

    /// Returns an error if any field that was read so far is invalid.
    pub fn check(&self) -> Result<(), DrfErrorBody> {
        if self.errors.is_empty() { Ok(()) } else { Err(self.field_errors()) }
    }

    /// Returns the error response for the invalid fields.
    pub fn field_errors(&self) -> DrfErrorBody {
        DrfErrorBody::fields(self.errors.iter().map(|(name, text)| (*name, text.clone())))
    }

    fn raw(&mut self, name: &'static str) -> Option<String> {
        let error = match self.sent.get(name)? {
            Value::String(text) => return Some(text.clone()),
            Value::Number(number) => return Some(number.to_string()),
            Value::Null => "This field may not be null.".to_owned(),
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => message(FieldProblem::NotText),
        };
        self.errors.push((name, error));
        None
    }
}
