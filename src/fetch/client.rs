//! The HTTP client. It follows no redirects, uses no proxy, accepts no compressed responses, limits the time and the
//! size of a response, and logs neither requests nor responses.
//!
//! Each request has its own connection, because requests to the same server are rare.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io, iter};

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper_util::client::legacy;
use rustls::pki_types::InvalidDnsNameError;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::time::timeout;
use url::Url;

use super::endpoint::{DisplayUrl, is_safe};

/// The `User-Agent` header. GitHub rejects requests without one.
const USER_AGENT: &str = concat!("countersign/", env!("CARGO_PKG_VERSION"));

/// The limits of a request.
#[derive(Clone, Copy, Debug)]
pub struct FetchLimits {
    /// The maximum time to connect, including the TLS handshake.
    pub connect: Duration,
    /// The maximum time of a request, from connecting to the last byte of the response.
    pub total: Duration,
    /// The maximum size of a response body in bytes.
    pub body: usize,
}

impl Default for FetchLimits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), total: Duration::from_secs(10), body: 256 * 1024 }
    }
}

/// Why a request got no usable response. The message names the endpoint; it contains no query, header or body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// A later request may succeed.
    #[error("{0}")]
    Transient(String),
    /// A later request would fail too.
    #[error("{0}")]
    Permanent(String),
}

/// The HTTP client. It is cheap to share and to call concurrently.
pub struct HttpClient {
    client: reqwest::Client,
    limits: FetchLimits,
}

impl HttpClient {
    /// Builds a client that trusts the root certificates of the operating system. If the system has none, as in a
    /// minimal container, it trusts the built-in Mozilla root certificates.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(limits: FetchLimits) -> Result<Self, FetchError> {
        let tls = tls_config().map_err(|error| FetchError::Permanent(error.to_string()))?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(USER_AGENT)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .pool_max_idle_per_host(0)
            .connect_timeout(limits.connect)
            .build()
            .map_err(|error| FetchError::Permanent(error.to_string()))?;
        Ok(Self { client, limits })
    }

    /// Sends a request and returns a response of status 2xx, or 4xx except 429.
    ///
    /// # Errors
    /// The URL is neither `https` nor `http` to a loopback host, the server did not send a complete response within the
    /// limits, or the response has another status.
    pub async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Bytes>, FetchError> {
        let url = Url::parse(&request.uri().to_string()).map_err(|error| FetchError::Permanent(error.to_string()))?;
        if !is_safe(&url) {
            let at = DisplayUrl(&url);
            return Err(FetchError::Permanent(format!("{at} is neither https nor a loopback URL")));
        }
        let total = self.limits.total;
        let response = timeout(total, self.exchange(url.clone(), request)).await;
        let response =
            response.unwrap_or_else(|_| Err(FetchError::Transient(format!("no complete response within {total:?}"))));
        let at = DisplayUrl(&url);
        let response = response.map_err(|error| match error {
            FetchError::Transient(what) => FetchError::Transient(format!("{at}: {what}")),
            FetchError::Permanent(what) => FetchError::Permanent(format!("{at}: {what}")),
        })?;
        let status = response.status();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            Err(FetchError::Transient(format!("{at} responded with {status}")))
        } else if status.is_success() || status.is_client_error() {
            Ok(response)
        } else {
            Err(FetchError::Permanent(format!("{at} responded with {status}; redirects are not followed")))
        }
    }

    async fn exchange(&self, url: Url, request: Request<Vec<u8>>) -> Result<Response<Bytes>, FetchError> {
        let (head, body) = request.into_parts();
        let mut request = reqwest::Request::new(head.method, url);
        *request.headers_mut() = head.headers;
        request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        *request.body_mut() = Some(body.into());
        let response = self.client.execute(request).await.map_err(|error| self.failure(&error))?;
        let (head, body) = Response::<reqwest::Body>::from(response).into_parts();
        let body = Limited::new(body, self.limits.body).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                FetchError::Permanent(format!("the response body has more than {} bytes", self.limits.body))
            } else {
                FetchError::Transient(protocol_error(&*error))
            }
        })?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }

    /// Describes an error of the library by its cause. The outer errors only name the step, and may contain the URL with
    /// its query.
    fn failure(&self, error: &reqwest::Error) -> FetchError {
        if !error.is_connect() {
            return FetchError::Transient(protocol_error(error));
        }
        if error.is_timeout() {
            return FetchError::Transient(format!("no connection within {:?}", self.limits.connect));
        }
        let mut causes = causes(error).skip_while(|cause| !cause.is::<legacy::Error>()).skip(1);
        let first = causes.next();
        let message = causes.last().or(first).map(ToString::to_string).unwrap_or_default();
        match first {
            Some(cause) if cause.is::<InvalidDnsNameError>() => FetchError::Permanent("invalid host name".to_owned()),
            // An error of TCP or of the name resolution is not an `io::Error` itself, but has one as its cause.
            Some(cause) if cause.is::<io::Error>() => FetchError::Transient(format!("TLS handshake: {message}")),
            _ => FetchError::Transient(format!("connecting: {message}")),
        }
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// The trusted root certificates, and the one crypto library.
fn tls_config() -> Result<ClientConfig, rustls::Error> {
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
    Ok(config.with_no_client_auth())
}

/// The error itself and its causes.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

/// What violated HTTP or ended the connection.
fn protocol_error(error: &(dyn Error + 'static)) -> String {
    let cause = causes(error).find(|cause| cause.is::<hyper::Error>()).or_else(|| causes(error).last());
    cause.map(ToString::to_string).unwrap_or_default()
}
