//! The HTTP client. It follows no redirects, uses no proxy, accepts no compressed responses, limits the time and the
//! size of a response, and logs neither requests nor responses.
//!
//! Each request has its own connection, because requests to the same server are rare.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HOST, USER_AGENT};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::{Host, Position, Url};

use super::connect::{NotPublic, connect};
use super::endpoint::{DisplayUrl, Reach, is_safe};
use crate::crypto::server_certificate::client_config;

/// The `User-Agent` header. GitHub rejects requests without one.
const PRODUCT: &str = concat!("countersign/", env!("CARGO_PKG_VERSION"));
/// The maximum size of a response head in bytes.
const HEAD_MAX: usize = 64 * 1024;

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

impl FetchError {
    /// Puts the endpoint before the message.
    fn at(self, url: &Url) -> Self {
        let at = DisplayUrl(url);
        match self {
            Self::Transient(what) => Self::Transient(format!("{at}: {what}")),
            Self::Permanent(what) => Self::Permanent(format!("{at}: {what}")),
        }
    }
}

/// The HTTP client. It is cheap to share and to call concurrently.
pub struct HttpClient {
    tls: Arc<ClientConfig>,
    limits: FetchLimits,
}

/// A connection before the HTTP protocol.
trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for S {}

impl HttpClient {
    /// Builds a client that trusts the root certificates of the operating system. If the system has none, as in a
    /// minimal container, it trusts the built-in Mozilla root certificates.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(limits: FetchLimits) -> Result<Self, FetchError> {
        let tls = client_config(Vec::new()).map_err(|error| FetchError::Permanent(error.to_string()))?;
        Ok(Self { tls: Arc::new(tls), limits })
    }

    /// Sends a request to an address that `reach` allows, and returns a response of status 2xx, or 4xx except 429.
    ///
    /// # Errors
    /// The URL is neither `https` nor `http` to a loopback host, its host has no allowed address, the server did not
    /// send a complete response within the limits, or the response has another status.
    pub async fn send(&self, request: Request<Vec<u8>>, reach: Reach) -> Result<Response<Bytes>, FetchError> {
        let url = Url::parse(&request.uri().to_string()).map_err(|error| FetchError::Permanent(error.to_string()))?;
        let at = DisplayUrl(&url);
        if !is_safe(&url) {
            return Err(FetchError::Permanent(format!("{at} is neither https nor a loopback URL")));
        }
        let total = self.limits.total;
        let response = timeout(total, self.exchange(&url, request, reach)).await;
        let response =
            response.unwrap_or_else(|_| Err(FetchError::Transient(format!("no complete response within {total:?}"))));
        let response = response.map_err(|error| error.at(&url))?;
        let status = response.status();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            Err(FetchError::Transient(format!("{at} responded with {status}")))
        } else if status.is_success() || status.is_client_error() {
            Ok(response)
        } else if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
            Err(FetchError::Permanent(format!("{at} responded with {status}; redirects are not followed")))
        } else {
            Err(FetchError::Permanent(format!("{at} responded with {status}")))
        }
    }

    async fn exchange(
        &self,
        url: &Url,
        request: Request<Vec<u8>>,
        reach: Reach,
    ) -> Result<Response<Bytes>, FetchError> {
        let request = origin_form(url, request)?;
        let connect = self.limits.connect;
        let stream = timeout(connect, self.open(url, reach)).await;
        let stream =
            stream.unwrap_or_else(|_| Err(FetchError::Transient(format!("no connection within {connect:?}"))))?;
        let failed = |error: hyper::Error| FetchError::Transient(error.to_string());
        let handshake = http1::Builder::new()
            .max_header_size(HEAD_MAX)
            .max_buf_size(HEAD_MAX)
            .handshake(TokioIo::new(stream))
            .await;
        let (mut sender, connection) = handshake.map_err(failed)?;
        // Dropping the set closes the connection.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let (head, body) = sender.send_request(request).await.map_err(failed)?.into_parts();
        let body = Limited::new(body, self.limits.body).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                FetchError::Permanent(format!("the response body has more than {} bytes", self.limits.body))
            } else {
                FetchError::Transient(error.to_string())
            }
        })?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }

    /// Connects to the server of the URL, and performs the TLS handshake for `https`.
    async fn open(&self, url: &Url, reach: Reach) -> Result<Box<dyn ByteStream>, FetchError> {
        let invalid_host = || FetchError::Permanent("invalid host name".to_owned());
        let host = match url.host().ok_or_else(invalid_host)? {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        let port = url.port_or_known_default().ok_or_else(invalid_host)?;
        let name = ServerName::try_from(host.clone()).map_err(|_| invalid_host())?;
        let stream = connect(&host, port, reach).await.map_err(|error| {
            if error.get_ref().is_some_and(|inner| inner.is::<NotPublic>()) {
                FetchError::Permanent(error.to_string())
            } else {
                FetchError::Transient(format!("connecting: {error}"))
            }
        })?;
        if url.scheme() != "https" {
            return Ok(Box::new(stream));
        }
        let encrypted = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await;
        let encrypted = encrypted.map_err(|error| FetchError::Transient(format!("TLS handshake: {error}")))?;
        Ok(Box::new(encrypted))
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// Returns the request as it is sent to the server of the URL: with the path as its target, and with the headers of
/// this client.
fn origin_form(url: &Url, request: Request<Vec<u8>>) -> Result<Request<Full<Bytes>>, FetchError> {
    let invalid = |error: http::Error| FetchError::Permanent(error.to_string());
    let mut request = request.map(|body| Full::new(Bytes::from(body)));
    let target = url[Position::BeforePath..Position::AfterQuery].parse::<Uri>();
    *request.uri_mut() = target.map_err(|error| invalid(error.into()))?;
    let host = HeaderValue::from_str(&url[Position::BeforeHost..Position::AfterPort]);
    let headers = request.headers_mut();
    headers.insert(HOST, host.map_err(|error| invalid(error.into()))?);
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(PRODUCT));
    Ok(request)
}
