//! Request bodies: read with a size limit and a timeout, as an object of named fields. Handlers read and check each
//! field separately, so that an error names the field.

use std::fmt;

use axum::BoxError;
use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::{Map, Value};
use zeroize::{Zeroize as _, Zeroizing};

use super::multipart;
use super::url_encoded::{NotUtf8, UrlEncoded};
use crate::domain::field::{Field, FieldProblem};
use crate::domain::strict_json;
use crate::http::context::Http;
use crate::http::rejection::Rejection;

/// A JSON object, or the rejection, which the handler converts into the error body of its dialect.
pub type JsonBodyResult = Result<JsonBody, Rejection>;

/// The fields of a JSON object or of a form. Unknown fields are ignored; an empty body has no fields.
///
/// The values may contain a password. `Debug` therefore shows only the names, and `Drop` zeroes the strings that no
/// handler has read.
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
    /// Parses a JSON object. Duplicate members and trailing data are errors.
    pub fn from_json(body: &[u8]) -> Result<Self, Rejection> {
        let parsed = strict_json::parse_object(body);
        parsed.map(Self).map_err(|error| Rejection::MalformedBody(format!("invalid JSON ({error})")))
    }

    /// Parses a URL-encoded form. Duplicate fields are errors, as in JSON, and so are values with invalid UTF-8.
    pub fn from_form(body: &[u8]) -> Result<Self, Rejection> {
        let mut fields = Self::default();
        for field in UrlEncoded::new(body).strict_fields() {
            let (name, value) = field?;
            if fields.0.insert(name.into_owned(), Value::String(value.into_owned())).is_some() {
                return Err(Rejection::MalformedBody("the form contains a field twice".to_owned()));
            }
        }
        Ok(fields)
    }

    /// Takes the text of a field, by the name that [`Field::name`] returns. `None` if the field is missing or null.
    pub fn text(&mut self, field: Field) -> Result<Option<String>, FieldProblem> {
        self.text_named(field.name())
    }

    /// Takes the text of a field, by its name on the wire. `None` if the field is missing or null.
    pub fn text_named(&mut self, name: &str) -> Result<Option<String>, FieldProblem> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(FieldProblem::NotText),
        }
    }

    /// Takes the text of a form field, by its name on the wire. Empty if the field is missing or not text.
    pub fn text_or_empty(&mut self, name: &str) -> String {
        self.text_named(name).ok().flatten().unwrap_or_default()
    }

    /// Takes a boolean field, by its name on the wire. `false` if the field is missing or null.
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
            (false, false) => Err(Rejection::WrongContentType("a JSON object as application/json in UTF-8")),
            (true, false) => Self::from_json(&body),
        }
    }
}

/// A body from a program or from an HTML form, for routes that accept both.
#[derive(Debug)]
pub enum SubmittedBody {
    /// A JSON object, sent by a program.
    Json(JsonBody),
    /// An HTML form, sent as `application/x-www-form-urlencoded`. Every field is a string.
    Form(JsonBody),
}

impl SubmittedBody {
    /// Returns the fields of the JSON object or of the form.
    pub fn into_fields(self) -> JsonBody {
        let (Self::Json(fields) | Self::Form(fields)) = self;
        fields
    }
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
                "a JSON object as application/json or a form as application/x-www-form-urlencoded, in UTF-8",
            )),
        }
    }
}

/// Any JSON value, or the fields of a form as an object. If a form repeats a field, the last value is used. An empty
/// body is an empty object. The extractor that uses this type rejects a JSON value that is not an object.
pub struct JsonOrForm(pub Value);

impl JsonOrForm {
    /// Returns the fields; none if the value is not an object.
    pub fn into_fields(self) -> JsonBody {
        match self.0 {
            Value::Object(fields) => JsonBody(fields),
            _ => JsonBody::default(),
        }
    }
}

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
                let fields = UrlEncoded::new(&*body).strict_fields();
                let fields = fields.map(|field| field.map(|(name, value)| (name.into_owned(), Value::from(value))));
                Ok(Self(fields.collect::<Result<_, _>>()?))
            }
            Some("multipart/form-data") => match multipart::fields(&header, &body) {
                Ok(fields) => Ok(Self(fields.into_iter().map(|(name, value)| (name, Value::from(value))).collect())),
                Err(error) => Err(Rejection::MalformedBody(format!("Multipart form parse error - {error}"))),
            },
            _ => Err(Rejection::WrongContentType("JSON as application/json or a form, in UTF-8")),
        }
    }
}

impl From<NotUtf8> for Rejection {
    fn from(NotUtf8: NotUtf8) -> Self {
        Self::MalformedBody("the form contains invalid UTF-8".to_owned())
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    content_type(headers)
        .is_some_and(|kind| kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json")))
}

fn is_form(headers: &HeaderMap) -> bool {
    content_type(headers).is_some_and(|kind| kind == "application/x-www-form-urlencoded")
}

/// Returns the media type in lower case, without parameters. `None` if there is no valid `Content-Type`, or if its
/// `charset` is not compatible with UTF-8, because the server would then decode the body incorrectly.
fn content_type(headers: &HeaderMap) -> Option<String> {
    let mut parts = headers.get(CONTENT_TYPE)?.to_str().ok()?.split(';');
    let kind = parts.next().map(|kind| kind.trim().to_ascii_lowercase());
    kind.filter(|_| parts.all(is_utf8_compatible))
}

/// Whether a parameter of the content type is compatible with a body in UTF-8. `utf8` is a common misspelling. Some
/// libraries send `us-ascii` or `iso-8859-1` by default with bodies in ASCII. Such bodies are read as UTF-8, and
/// rejected if they are not UTF-8.
fn is_utf8_compatible(parameter: &str) -> bool {
    let (name, value) = parameter.split_once('=').unwrap_or_default();
    let value = value.trim().trim_matches('"');
    !name.trim().eq_ignore_ascii_case("charset")
        || ["utf-8", "utf8", "us-ascii", "iso-8859-1"].iter().any(|charset| value.eq_ignore_ascii_case(charset))
}

/// Whether the body has a content coding, such as compression. `identity` does not count.
fn is_encoded(headers: &HeaderMap) -> bool {
    let codings = headers.get_all(CONTENT_ENCODING).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let is_identity = |coding: &[u8]| coding.is_empty() || coding.eq_ignore_ascii_case(b"identity");
    !codings.map(<[u8]>::trim_ascii).all(is_identity)
}

/// Reads the whole body, up to `max_body` bytes and within `body_timeout`. The buffer is zeroed when it is dropped.
async fn read(request: Request, http: &Http) -> Result<Zeroizing<Vec<u8>>, Rejection> {
    let max = http.options.max_body;
    let announced =
        request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > max) {
        return Err(Rejection::TooLarge(max));
    }
    let encoded = is_encoded(request.headers());
    let body = Limited::new(request.into_body(), max);
    let reading = collect(body, announced.unwrap_or(0));
    match tokio::time::timeout(http.options.body_timeout, reading).await {
        Err(_) => Err(Rejection::TooSlow(http.options.body_timeout)),
        Ok(Ok(body)) if encoded && !body.is_empty() => Err(Rejection::WrongContentEncoding),
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Rejection::TooLarge(max)),
        Ok(Err(error)) => Err(Rejection::MalformedBody(error.to_string())),
    }
}

/// Collects the body into a buffer with the capacity given by `Content-Length`, so that the buffer does not grow. A
/// growing buffer leaves copies in memory that are not zeroed. This still happens with a chunked body.
async fn collect(mut body: Limited<Body>, announced: usize) -> Result<Zeroizing<Vec<u8>>, BoxError> {
    let mut buffer = Zeroizing::new(Vec::with_capacity(announced));
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            buffer.extend_from_slice(&data);
        }
    }
    Ok(buffer)
}
