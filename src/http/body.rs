//! Bodies: read within a size and a time, as an object of named fields. What a field may hold is asked for one by one,
//! so that a wrong one can be named.

use std::fmt;

use axum::BoxError;
use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::{Map, Value};
use url::form_urlencoded;
use zeroize::{Zeroize as _, Zeroizing};

use super::rejection::Rejection;
use super::{Http, multipart};
use crate::domain::field::{Field, FieldProblem};
use crate::domain::strict_json;

/// A JSON object, or why it was rejected, for handlers that reject in the words of their API.
pub type JsonBodyResult = Result<JsonBody, Rejection>;

/// The fields of a JSON object; unknown ones are ignored. An empty body has none. `Debug` shows their names alone, and
/// the texts that nobody took are wiped when it is dropped: a password may be among them.
#[derive(Default)]
pub struct JsonBody(Map<String, Value>);

impl fmt::Debug for JsonBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Drop for JsonBody {
    fn drop(&mut self) {
        self.0.values_mut().for_each(wipe);
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

impl JsonBody {
    /// Reads a JSON object: no member twice, and nothing after it.
    pub fn from_json(body: &[u8]) -> Result<Self, Rejection> {
        let parsed = strict_json::parse_object(body);
        parsed.map(Self).map_err(|error| Rejection::MalformedBody(format!("invalid JSON, {error}")))
    }

    /// Reads a form as strictly as the JSON: no field twice, and nothing that is not UTF-8 (the parser would put U+FFFD
    /// in its place, and a password would be another than was sent).
    pub fn from_form(body: &[u8]) -> Result<Self, Rejection> {
        let mut fields = Self::default();
        for (name, value) in form_urlencoded::parse(body) {
            if value.contains(char::REPLACEMENT_CHARACTER) {
                return Err(not_utf8());
            }
            if fields.0.insert(name.into_owned(), Value::String(value.into_owned())).is_some() {
                return Err(Rejection::MalformedBody("the form has a field twice".to_owned()));
            }
        }
        Ok(fields)
    }

    /// A field by its own name.
    pub fn text(&mut self, field: Field) -> Result<Option<String>, FieldProblem> {
        self.text_named(field.name())
    }

    /// A field by a name on the wire: None where it is missing or null.
    pub fn text_named(&mut self, name: &str) -> Result<Option<String>, FieldProblem> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(FieldProblem::NotText),
        }
    }

    /// A yes or no by a name on the wire: false where it is missing or null.
    pub fn flag_named(&mut self, name: &str) -> Result<bool, Rejection> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(Rejection::MalformedBody(format!("{name} must be true or false"))),
        }
    }
}

impl FromRequest<Http> for JsonBody {
    type Rejection = Rejection;

    async fn from_request(request: Request, http: &Http) -> Result<Self, Rejection> {
        let is_json = is_json(request.headers());
        let body = read(request, http).await?;
        match (is_json, body.is_empty()) {
            (_, true) => Ok(Self::default()),
            (false, false) => Err(Rejection::WrongContentType("a JSON object as application/json, in UTF-8")),
            (true, false) => Self::from_json(&body),
        }
    }
}

/// What a program or a page sent, for routes that answer each in its own way.
#[derive(Debug)]
pub enum SubmittedBody {
    /// What a program sent.
    Json(JsonBody),
    /// What a page sent, as `application/x-www-form-urlencoded`. Every field is a text.
    Form(JsonBody),
}

impl FromRequest<Http> for SubmittedBody {
    type Rejection = Rejection;

    async fn from_request(request: Request, http: &Http) -> Result<Self, Rejection> {
        let is_json = is_json(request.headers());
        let is_form = is_form(request.headers());
        let body = read(request, http).await?;
        match (is_json, is_form, body.is_empty()) {
            (_, true, _) => JsonBody::from_form(&body).map(Self::Form),
            (_, false, true) => Ok(Self::Json(JsonBody::default())),
            (true, false, false) => JsonBody::from_json(&body).map(Self::Json),
            (false, false, false) => Err(Rejection::WrongContentType(
                "a JSON object as application/json, or a form as application/x-www-form-urlencoded, in UTF-8",
            )),
        }
    }
}

/// A JSON value, or the fields of a form (of a name that comes twice, the last one). What is no object, each dialect
/// refuses in its own words. An empty body is an object without fields.
pub struct JsonOrForm(pub Value);

impl FromRequest<Http> for JsonOrForm {
    type Rejection = Rejection;

    async fn from_request(request: Request, http: &Http) -> Result<Self, Rejection> {
        let header = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("").to_owned();
        let kind = content_type(request.headers());
        let body = read(request, http).await?;
        if body.is_empty() {
            return Ok(Self(Value::Object(Map::new())));
        }
        match kind.as_deref() {
            Some("application/json") => {
                let parsed = strict_json::parse(&body);
                parsed.map(Self).map_err(|error| Rejection::MalformedBody(format!("JSON parse error - {error}")))
            }
            Some("application/x-www-form-urlencoded") => {
                let fields = form_urlencoded::parse(&body).map(|(name, value)| {
                    if value.contains(char::REPLACEMENT_CHARACTER) { Err(not_utf8()) } else { Ok((name, value)) }
                });
                let fields = fields.map(|field| field.map(|(name, value)| (name.into_owned(), Value::from(value))));
                fields.collect::<Result<_, _>>().map(Self)
            }
            Some("multipart/form-data") => match multipart::fields(&header, &body) {
                Ok(fields) => Ok(Self(fields.into_iter().map(|(name, value)| (name, Value::from(value))).collect())),
                Err(error) => Err(Rejection::MalformedBody(format!("Multipart form parse error - {error}"))),
            },
            _ => Err(Rejection::WrongContentType("JSON as application/json, or a form, in UTF-8")),
        }
    }
}

/// A parser that goes on would put U+FFFD in the place of what it can't read: all such passwords would be one.
fn not_utf8() -> Rejection {
    Rejection::MalformedBody("the form is not UTF-8".to_owned())
}

fn is_json(headers: &HeaderMap) -> bool {
    content_type(headers)
        .is_some_and(|kind| kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json")))
}

fn is_form(headers: &HeaderMap) -> bool {
    content_type(headers).is_some_and(|kind| kind == "application/x-www-form-urlencoded")
}

/// The media type, in lower case and without parameters. None where one of those says that the body is not in UTF-8: it
/// would be read as what it is not.
fn content_type(headers: &HeaderMap) -> Option<String> {
    let mut parts = headers.get(CONTENT_TYPE)?.to_str().ok()?.split(';');
    let kind = parts.next().map(|kind| kind.trim().to_ascii_lowercase());
    kind.filter(|_| parts.all(is_no_foreign_charset))
}

/// Whether a parameter is no `charset` but that of UTF-8, which some write without its hyphen, or one that some libraries
/// name by default. What those send is ASCII; anything else is read as UTF-8, and refused where it is none.
fn is_no_foreign_charset(parameter: &str) -> bool {
    let (name, value) = parameter.split_once('=').unwrap_or_default();
    let value = value.trim().trim_matches('"');
    !name.trim().eq_ignore_ascii_case("charset")
        || ["utf-8", "utf8", "us-ascii", "iso-8859-1"].iter().any(|ours| value.eq_ignore_ascii_case(ours))
}

/// Whether the body is compressed, or in another coding. `identity` is none.
fn is_encoded(headers: &HeaderMap) -> bool {
    let codings = headers.get_all(CONTENT_ENCODING).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let is_none = |coding: &[u8]| coding.is_empty() || coding.eq_ignore_ascii_case(b"identity");
    !codings.map(<[u8]>::trim_ascii).all(is_none)
}

/// The whole body, within `server.max_body` bytes and the time a body may take. Wiped when it was read.
async fn read(request: Request, http: &Http) -> Result<Zeroizing<Vec<u8>>, Rejection> {
    let max = http.options.max_body;
    let announced =
        request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > max) {
        return Err(Rejection::TooLarge(max));
    }
    let encoded = is_encoded(request.headers());
    let body = Limited::new(request.into_body(), max);
    let whole = gather(body, announced.unwrap_or(0));
    match tokio::time::timeout(http.options.body_timeout, whole).await {
        Err(_) => Err(Rejection::TooSlow),
        Ok(Ok(body)) if encoded && !body.is_empty() => Err(Rejection::WrongContentEncoding),
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Rejection::TooLarge(max)),
        Ok(Err(error)) => Err(Rejection::MalformedBody(error.to_string())),
    }
}

/// Room for all that was announced: a buffer that grows leaves copies behind. Of a body in chunks some may stay.
async fn gather(mut body: Limited<Body>, announced: usize) -> Result<Zeroizing<Vec<u8>>, BoxError> {
    let mut whole = Zeroizing::new(Vec::with_capacity(announced));
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            whole.extend_from_slice(&data);
        }
    }
    Ok(whole)
}
