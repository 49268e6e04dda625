//! What the dialects share that came from Django REST Framework: how it reads fields, and its words for what is wrong.
//!
//! A text is trimmed and a number is one, as its `CharField` has it. Passwords are not touched: one may begin with a
//! space, and an empty one is wrong, not missing, after the same hash as any other.

use std::time::Duration;

use axum::extract::{FromRequest, Request};
use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::domain::field::{Field, FieldProblem};
use crate::domain::password::Password;
use crate::http::body::JsonOrForm;
use crate::http::rejection::Rejection;
use crate::http::{Http, reply};
use crate::issuer::Fault;

/// An answer that says no.
pub struct DrfErrorBody(Box<Response>);

impl IntoResponse for DrfErrorBody {
    fn into_response(self) -> Response {
        *self.0
    }
}

impl DrfErrorBody {
    fn new(response: Response) -> Self {
        Self(Box::new(response))
    }

    /// `{"detail":"…"}`.
    pub fn detail(status: StatusCode, detail: &str) -> Self {
        Self::new(reply::json(status, &json!({"detail": detail})))
    }

    /// A 401, with the challenge that must come with one (RFC 6750 §3).
    pub fn unauthorized(body: &Value) -> Self {
        let mut response = reply::json(StatusCode::UNAUTHORIZED, body);
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"api\""));
        Self::new(response)
    }

    /// `{"email":["…"],…}`: each field with what is wrong with it.
    pub fn fields<'a>(wrong: impl IntoIterator<Item = (&'a str, String)>) -> Self {
        let body: Map<String, Value> = wrong.into_iter().map(|(name, text)| (name.to_owned(), json!([text]))).collect();
        Self::new(reply::json(StatusCode::BAD_REQUEST, &body))
    }

    /// Fields a use case refused.
    pub fn invalid(problems: &[(Field, FieldProblem)]) -> Self {
        Self::fields(problems.iter().map(|(field, problem)| (field.name(), message(*problem))))
    }

    /// A name or an address that somebody else has.
    pub fn taken(field: Field) -> Self {
        let text = match field {
            Field::Username => "A user with that username already exists.",
            _ => "user with this email already exists.",
        };
        Self::fields([(field.name(), text.to_owned())])
    }

    /// A 429.
    pub fn throttled(after: Duration) -> Self {
        let seconds = (after.as_secs() + u64::from(after.subsec_nanos() > 0)).max(1);
        let unit = if seconds == 1 { "second" } else { "seconds" };
        let text = format!("Request was throttled. Expected available in {seconds} {unit}.");
        let error_body = Self::detail(StatusCode::TOO_MANY_REQUESTS, &text);
        Self::new(reply::retry_after(error_body.into_response(), after))
    }

    /// A 503 that may be over soon.
    pub fn busy(after: Duration) -> Self {
        let text = Self::detail(StatusCode::SERVICE_UNAVAILABLE, "Service temporarily unavailable, try again later.");
        Self::new(reply::retry_after(text.into_response(), after))
    }

    /// A 500, which says nothing but the request's id.
    pub fn fault(fault: Fault) -> Self {
        let error_body = |id: &str| {
            let text = format!("A server error occurred (request {id}).");
            Self::detail(StatusCode::INTERNAL_SERVER_ERROR, &text).into_response()
        };
        Self::new(reply::fault(fault, error_body))
    }

    fn rejected(rejection: &Rejection, content_type: &str) -> Self {
        let text = match rejection {
            Rejection::MalformedBody(why) => why.clone(),
            Rejection::WrongContentType(_) => format!("Unsupported media type \"{content_type}\" in request."),
            Rejection::WrongContentEncoding
            | Rejection::TooLarge(_)
            | Rejection::TooSlow
            | Rejection::WrongMethod
            | Rejection::ForeignOrigin => rejection.to_string(),
        };
        Self::detail(rejection.status(), &text)
    }
}

/// The answer of a route that has other methods. axum adds the `Allow` header.
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
        FieldProblem::Unprintable => "Enter a valid value: no control characters, no spaces at its ends.".to_owned(),
        FieldProblem::AnothersEmail => "This may be an email address only if it is your own.".to_owned(),
        FieldProblem::NotAnEmail => "Enter a valid email address.".to_owned(),
        FieldProblem::Common => "This password is too common.".to_owned(),
        FieldProblem::Unchanged => "This password is the one you have.".to_owned(),
    }
}

/// The fields of a body, and what was found wrong with those that were asked for, in the order they were asked for.
pub struct BodyFields {
    sent: Map<String, Value>,
    wrong: Vec<(&'static str, String)>,
}

impl FromRequest<Http> for BodyFields {
    type Rejection = DrfErrorBody;

    async fn from_request(request: Request, http: &Http) -> Result<Self, DrfErrorBody> {
        let content_type =
            request.headers().get(CONTENT_TYPE).map(|kind| String::from_utf8_lossy(kind.as_bytes()).into_owned());
        let kind = match JsonOrForm::from_request(request, http).await {
            Ok(JsonOrForm(Value::Object(sent))) => return Ok(Self { sent, wrong: Vec::new() }),
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
    /// A text that must be there.
    pub fn text(&mut self, name: &'static str) -> Option<String> {
        if !self.sent.contains_key(name) {
            self.wrong.push((name, message(FieldProblem::Missing)));
        }
        self.optional(name)
    }

    /// A text that may be missing.
    pub fn optional(&mut self, name: &'static str) -> Option<String> {
        let text = self.raw(name)?;
        let trimmed = text.trim();
        let wrong = if text.contains('\0') {
            "Null characters are not allowed.".to_owned()
        } else if trimmed.is_empty() {
            message(FieldProblem::Blank)
        } else {
            return Some(trimmed.to_owned());
        };
        self.wrong.push((name, wrong));
        None
    }

    /// A text that may be missing, and is if it is blank.
    pub fn blank_or(&mut self, name: &'static str) -> Option<String> {
        let blank = self.sent.get(name).and_then(Value::as_str).is_some_and(|text| text.trim().is_empty());
        if blank { None } else { self.optional(name) }
    }

    /// A password that must be there; any text may be one.
    pub fn password(&mut self) -> Option<Password> {
        let name = Field::Password.name();
        if !self.sent.contains_key(name) {
            self.wrong.push((name, message(FieldProblem::Missing)));
        }
        self.raw(name).map(Password::new)
    }

    /// What a text means.
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

    /// Something is wrong with a field.
    pub fn add_error(&mut self, field: Field, problem: FieldProblem) {
        self.wrong.push((field.name(), message(problem)));
    }

    /// Refuses the body if anything was found wrong.
    pub fn check(&self) -> Result<(), DrfErrorBody> {
        if self.wrong.is_empty() { Ok(()) } else { Err(self.field_errors()) }
    }

    /// The refusal of a body of which something was found wrong.
    pub fn field_errors(&self) -> DrfErrorBody {
        DrfErrorBody::fields(self.wrong.iter().map(|(name, text)| (*name, text.clone())))
    }

    fn raw(&mut self, name: &'static str) -> Option<String> {
        let wrong = match self.sent.get(name)? {
            Value::String(text) => return Some(text.clone()),
            Value::Number(number) => return Some(number.to_string()),
            Value::Null => "This field may not be null.".to_owned(),
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => message(FieldProblem::NotText),
        };
        self.wrong.push((name, wrong));
        None
    }
}
