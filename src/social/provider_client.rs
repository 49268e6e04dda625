//! Requests to a provider: the access token in the header, the error codes in the responses, and errors that name the
//! provider and the step.

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderName, HeaderValue, Request, Response};
use serde_json::{Map, Value};
use tracing::{Instrument as _, trace_span};

use super::error::{ProviderError, ProviderStep};
use crate::domain::secret::SecretText;
use crate::domain::strict_json;
use crate::fetch::client::{FetchError, FetchOptions, HttpClient};
use crate::fetch::endpoint::{DisplayUrl, Endpoint, Reach};

/// The maximum length of a provider's error code in characters.
const ERROR_CODE_MAX: usize = 64;
/// The byte order mark that some servers put before JSON (RFC 8259 §8.1).
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The client for requests to providers.
#[derive(Debug)]
pub(super) struct ProviderClient(HttpClient);

impl ProviderClient {
    pub(super) fn new(options: &FetchOptions) -> Result<Self, FetchError> {
        HttpClient::new(options).map(Self)
    }

    /// Returns the body at the endpoint. The request accepts JSON and has the access token if there is one. `headers` are
    /// added, or replace the default ones. The body is not parsed.
    ///
    /// # Errors
    /// The provider is not available, or the status is not 2xx.
    pub(super) async fn fetch(
        &self,
        step: ProviderStep<'_>,
        at: &Endpoint,
        access_token: Option<&SecretText>,
        headers: &[(HeaderName, &'static str)],
    ) -> Result<Bytes, ProviderError> {
        let mut request = Request::get(at.url().as_str()).header(ACCEPT, "application/json");
        if let Some(token) = access_token {
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))
                .map_err(|_| step.invalid_response("the access token is not a valid header value"))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let mut request = request.body(Vec::new()).map_err(|error| step.invalid_response(error))?;
        for (name, value) in headers {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        let response = self.request(step, request, at.reach()).await?;
        if response.status().is_success() {
            return Ok(response.into_body());
        }
        let object = strict_json::parse_object(response.body()).ok();
        let code =
            object.as_ref().and_then(error_code).unwrap_or_else(|| format!("http_{}", response.status().as_u16()));
        Err(step.refused(&code))
    }

    /// Like [`ProviderClient::fetch`], for one JSON object. An object with an error code is a refusal, even with status
    /// 200.
    pub(super) async fn fetch_object(
        &self,
        step: ProviderStep<'_>,
        at: &Endpoint,
        access_token: Option<&SecretText>,
        headers: &[(HeaderName, &'static str)],
    ) -> Result<Map<String, Value>, ProviderError> {
        let body = self.fetch(step, at, access_token, headers).await?;
        let object = strict_json::parse_object(&body);
        let object = object.map_err(|_| {
            step.invalid_response(format_args!("{} did not return a JSON object", DisplayUrl(at.url())))
        })?;
        match error_code(&object) {
            Some(code) => Err(step.refused(&code)),
            None => Ok(object),
        }
    }

    /// Sends a request and returns a response of status 2xx, or 4xx except 429. Any other status is an error. A byte
    /// order mark at the start of the body is removed.
    pub(super) async fn request(
        &self,
        step: ProviderStep<'_>,
        request: Request<Vec<u8>>,
        reach: Reach,
    ) -> Result<Response<Bytes>, ProviderError> {
        let span = trace_span!("provider.ask", otel.kind = "client", provider = %step.provider, doing = step.operation);
        let response = self.0.send(request, reach).instrument(span).await.map_err(|error| match error {
            FetchError::Transient(what) => step.unreachable(what),
            FetchError::Permanent(what) => step.invalid_response(what),
        })?;
        Ok(response
            .map(|body| if body.starts_with(BYTE_ORDER_MARK) { body.slice(BYTE_ORDER_MARK.len()..) } else { body }))
    }
}

/// Reads the error code of a response (RFC 6749 §5.2), or the error type in Facebook's format. `None` if the object is
/// not an error: it has no `error`, or one that is empty or neither a text nor an object.
pub(super) fn error_code(object: &Map<String, Value>) -> Option<String> {
    let code = match object.get("error")? {
        Value::Object(error) if !error.is_empty() => error.get("type").and_then(Value::as_str).unwrap_or_default(),
        Value::String(error) if !error.trim().is_empty() => error,
        _ => return None,
    };
    Some(plain_code(code).to_owned())
}

/// Returns the error code if it is one ASCII word of at most [`ERROR_CODE_MAX`] characters, otherwise `unspecified`.
pub(super) fn plain_code(code: &str) -> &str {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    let is_plain = !code.is_empty() && code.len() <= ERROR_CODE_MAX && code.bytes().all(is_word);
    if is_plain { code } else { "unspecified" }
}
