//! The HTTP client for requests to providers. It follows no redirects, accepts no compressed responses, limits the time
//! and the size of a response, and logs neither requests nor responses.
//!
//! Each request has its own connection. A sign-in needs only a few requests, so connections are not reused. `hyper` is
//! enough for this and is already a dependency.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONNECTION, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use serde_json::{Map, Value};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tracing::{Instrument as _, trace_span};
use url::{Host, Url};

use super::error::{ProviderError, ProviderStep};
use super::options::WebLimits;
use crate::domain::public_url::is_loopback;
use crate::domain::secret::SecretText;
use crate::domain::strict_json;

/// The `User-Agent` header. GitHub rejects requests without one.
const USER_AGENT_VALUE: &str = concat!("countersign/", env!("CARGO_PKG_VERSION"));
/// The maximum size of a response head in bytes.
const HEAD_MAX: usize = 64 * 1024;
/// The maximum length of a provider's error code in characters.
const ERROR_CODE_MAX: usize = 64;

/// The HTTP client.
pub(super) struct WebClient {
    tls: TlsConnector,
    limits: WebLimits,
}

/// Why a request got no complete response.
enum FetchError {
    /// A later request may succeed.
    Transient(String),
    /// A later request would fail too.
    Permanent(String),
}

impl WebClient {
    /// Builds a client that trusts the root certificates of the operating system. If the system has none, as in a
    /// minimal container, it trusts the built-in Mozilla root certificates.
    pub(super) fn new(limits: WebLimits) -> Result<Self, rustls::Error> {
        let begin = || {
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()
        };
        let config = if let Ok(config) = begin()?.with_platform_verifier() {
            config
        } else {
            let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
            begin()?.with_root_certificates(roots)
        };
        Ok(Self { tls: TlsConnector::from(Arc::new(config.with_no_client_auth())), limits })
    }

    /// Returns the body at `url`. The request accepts JSON and has the access token if there is one. `headers` are
    /// added, or replace the default ones. The body is not parsed.
    ///
    /// # Errors
    /// The provider is not available, or the status is not 2xx.
    pub(super) async fn fetch(
        &self,
        step: ProviderStep<'_>,
        url: &Url,
        access_token: Option<&SecretText>,
        headers: &[(HeaderName, &'static str)],
    ) -> Result<Bytes, ProviderError> {
        let mut request = Request::get(url.as_str()).header(ACCEPT, "application/json");
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
        let response = self.request(step, request).await?;
        if response.status().is_success() {
            return Ok(response.into_body());
        }
        let object = strict_json::parse_object(response.body()).ok();
        let code =
            object.as_ref().and_then(error_code).unwrap_or_else(|| format!("http_{}", response.status().as_u16()));
        Err(step.refused(&code))
    }

    /// Like [`WebClient::fetch`], for one JSON object. An object with an error code is a refusal, even with status 200.
    pub(super) async fn fetch_object(
        &self,
        step: ProviderStep<'_>,
        url: &Url,
        access_token: Option<&SecretText>,
        headers: &[(HeaderName, &'static str)],
    ) -> Result<Map<String, Value>, ProviderError> {
        let body = self.fetch(step, url, access_token, headers).await?;
        let object = strict_json::parse_object(&body);
        let object = object
            .map_err(|_| step.invalid_response(format_args!("{} did not return a JSON object", DisplayUrl(url))))?;
        match error_code(&object) {
            Some(code) => Err(step.refused(&code)),
            None => Ok(object),
        }
    }

    /// Sends a request and returns a response of status 2xx, or 4xx except 429. Any other status is an error.
    pub(super) async fn request(
        &self,
        step: ProviderStep<'_>,
        request: Request<Vec<u8>>,
    ) -> Result<Response<Bytes>, ProviderError> {
        let url = Url::parse(&request.uri().to_string()).map_err(|error| step.invalid_response(error))?;
        let at = DisplayUrl(&url);
        if !is_safe(&url) {
            return Err(step.invalid_response(format_args!("{at} is neither https nor a loopback URL")));
        }
        let total = self.limits.total;
        let span = trace_span!("provider.ask", otel.kind = "client", provider = %step.provider, doing = step.operation);
        let response = timeout(total, self.exchange(&url, request)).instrument(span).await;
        let response =
            response.unwrap_or_else(|_| Err(FetchError::Transient(format!("no complete response within {total:?}"))));
        let response = response.map_err(|error| match error {
            FetchError::Transient(what) => step.unreachable(format_args!("{at}: {what}")),
            FetchError::Permanent(what) => step.invalid_response(format_args!("{at}: {what}")),
        })?;
        let status = response.status();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            Err(step.unreachable(format_args!("{at} responded with {status}")))
        } else if status.is_success() || status.is_client_error() {
            Ok(response)
        } else {
            Err(step.invalid_response(format_args!("{at} responded with {status}; redirects are not followed")))
        }
    }

    async fn exchange(&self, url: &Url, request: Request<Vec<u8>>) -> Result<Response<Bytes>, FetchError> {
        let connect = self.limits.connect;
        let slow = move |_| FetchError::Transient(format!("no connection within {connect:?}"));
        let host = host(url)?;
        let port = url.port_or_known_default().unwrap_or(443);
        let tcp = async {
            let tcp = TcpStream::connect((host.as_str(), port)).await;
            tcp.map_err(|error| FetchError::Transient(format!("connecting: {error}")))
        };
        let request = in_origin_form(url, request)?;
        if url.scheme() == "http" {
            let stream = timeout(connect, tcp).await.map_err(slow)??;
            return self.send_request(stream, request).await;
        }
        let name =
            ServerName::try_from(host.clone()).map_err(|_| FetchError::Permanent("invalid host name".to_owned()))?;
        let tls = async {
            let tls = self.tls.connect(name, tcp.await?).await;
            tls.map_err(|error| FetchError::Transient(format!("TLS handshake: {error}")))
        };
        let stream = timeout(connect, tls).await.map_err(slow)??;
        self.send_request(stream, request).await
    }

    async fn send_request(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, FetchError> {
        let broken = |error: hyper::Error| FetchError::Transient(error.to_string());
        let (mut sender, connection) =
            http1::Builder::new().max_buf_size(HEAD_MAX).handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let response = async {
            let (head, body) = sender.send_request(request).await.map_err(broken)?.into_parts();
            let body = Limited::new(body, self.limits.body).collect().await.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    FetchError::Permanent(format!("the response body has more than {} bytes", self.limits.body))
                } else {
                    FetchError::Transient(error.to_string())
                }
            })?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        let mut response = pin!(response);
        // The connection must be polled so that the response arrives. If the connection ends first, data that has
        // arrived may still be read.
        tokio::select! {
            biased;
            response = &mut response => return response,
            _ = connection => {}
        }
        response.await
    }
}

impl fmt::Debug for WebClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebClient").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// Formats a URL for error messages: origin and path, without the query, which may contain secrets.
pub(super) struct DisplayUrl<'a>(pub(super) &'a Url);

impl fmt::Display for DisplayUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.0.origin().ascii_serialization(), self.0.path())
    }
}

/// Whether data sent to the URL is protected in transit: `https`, or `http` to a loopback host.
fn is_safe(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))
}

/// Parses and checks the URL of an endpoint.
pub(super) fn endpoint(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "is not a URL")?;
    if !is_safe(&url) {
        return Err("must begin with https:// (http:// is allowed only for loopback hosts)");
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err("must contain neither a user nor a fragment (#)");
    }
    Ok(url)
}

fn host(url: &Url) -> Result<String, FetchError> {
    match url.host() {
        Some(Host::Domain(name)) => Ok(name.to_owned()),
        Some(Host::Ipv4(address)) => Ok(address.to_string()),
        Some(Host::Ipv6(address)) => Ok(address.to_string()),
        None => Err(FetchError::Permanent("the URL has no host".to_owned())),
    }
}

/// The request in origin form: the target is only path and query, and the host is in the `Host` header (RFC 9112
/// §3.2.1).
fn in_origin_form(url: &Url, request: Request<Vec<u8>>) -> Result<Request<Full<Bytes>>, FetchError> {
    let (mut head, body) = request.into_parts();
    let wrong = |error: http::Error| FetchError::Permanent(error.to_string());
    head.uri = url[url::Position::BeforePath..url::Position::AfterQuery]
        .parse()
        .map_err(|error: http::uri::InvalidUri| wrong(error.into()))?;
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let host = HeaderValue::from_str(host).map_err(|error| wrong(error.into()))?;
    let more: [(HeaderName, HeaderValue); 3] = [
        (HOST, host),
        (USER_AGENT, HeaderValue::from_static(USER_AGENT_VALUE)),
        (CONNECTION, HeaderValue::from_static("close")),
    ];
    head.headers.extend(HeaderMap::from_iter(more));
    Ok(Request::from_parts(head, Full::new(Bytes::from(body))))
}

/// Reads the error code of a response (RFC 6749 §5.2), or the error type in Facebook's format. `None` if the object is
/// not an error.
pub(super) fn error_code(object: &Map<String, Value>) -> Option<String> {
    let code = match object.get("error")? {
        Value::Null => return None,
        Value::Object(error) => error.get("type").and_then(Value::as_str),
        error => error.as_str(),
    };
    Some(plain_code(code.unwrap_or_default()).to_owned())
}

/// Returns the error code if it is one ASCII word of at most [`ERROR_CODE_MAX`] characters, otherwise `unspecified`.
pub(super) fn plain_code(code: &str) -> &str {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    let is_plain = !code.is_empty() && code.len() <= ERROR_CODE_MAX && code.bytes().all(is_word);
    if is_plain { code } else { "unspecified" }
}
