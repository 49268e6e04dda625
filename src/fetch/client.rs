//! The HTTP client. It follows no redirects, accepts no compressed responses, limits the time and the size of a response,
//! and logs neither requests nor responses.
//!
//! Each request has its own connection, because requests to the same server are rare.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, fs};

use bytes::Bytes;
use http::header::{CONNECTION, HOST, USER_AGENT};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::{Host, Position, Url};

use super::connect::{ByteStream, NotPublic, connect};
use super::endpoint::{DisplayUrl, Reach, is_safe, may_be_public};
use super::proxy::ProxyRules;
use crate::crypto::ca_certificates::read_ca_certificates;
use crate::crypto::server_certificate::{client_config, has_system_roots};
use crate::crypto::tls_error::{TlsSettingNames, describe_tls_error};
use crate::domain::secret::SecretText;

/// The `User-Agent` header. GitHub rejects requests without one.
const PRODUCT: &str = concat!("countersign/", env!("CARGO_PKG_VERSION"));
/// The maximum size of a response head in bytes.
const HEAD_MAX: usize = 64 * 1024;

/// What an operator can change if TLS with a provider fails.
const TLS_SETTINGS: TlsSettingNames = TlsSettingNames {
    ca_file: "social.ca_file",
    host: "the host in the URL of the provider",
    security: "the URL of the provider",
};

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

/// The options of the client.
#[derive(Clone, Debug, Default)]
pub struct FetchOptions {
    /// The limits of each request.
    pub limits: FetchLimits,
    /// A PEM file with trusted certificates, in addition to those of the system.
    pub ca_file: Option<PathBuf>,
    /// Whether the operator chose the root certificates of the system (`SSL_CERT_FILE`). The built-in ones are not used
    /// instead then.
    pub needs_system_roots: bool,
    /// The value of `HTTPS_PROXY`, which may have a password: the URL of the proxy for `https` URLs.
    pub https_proxy: Option<SecretText>,
    /// The value of `NO_PROXY`: the hosts that are requested without the proxy.
    pub no_proxy: String,
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
    proxies: ProxyRules,
    limits: FetchLimits,
}

impl HttpClient {
    /// Builds a client. It trusts the root certificates of the system, or the built-in ones if the system has none, and
    /// those of [`FetchOptions::ca_file`].
    ///
    /// # Errors
    /// The file of certificates or the proxy cannot be used, or TLS cannot be set up.
    pub fn new(options: &FetchOptions) -> Result<Self, FetchError> {
        let unusable = |path: &Path, problem: &dyn fmt::Display| {
            FetchError::Permanent(format!("cannot use social.ca_file {}: {problem}", path.display()))
        };
        let trusted = match &options.ca_file {
            None => Vec::new(),
            Some(path) => {
                let bytes = fs::read(path).map_err(|error| unusable(path, &error))?;
                read_ca_certificates(&bytes).map_err(|problem| unusable(path, &problem))?
            }
        };
        if options.needs_system_roots && !has_system_roots() {
            let problem = "SSL_CERT_FILE or SSL_CERT_DIR is set, but no root certificate can be read there";
            return Err(FetchError::Permanent(problem.to_owned()));
        }
        let tls =
            client_config(trusted).map_err(|error| FetchError::Permanent(format!("cannot set up TLS: {error}")))?;
        let proxies = ProxyRules::new(options.https_proxy.as_ref(), &options.no_proxy);
        let proxies = proxies.map_err(|problem| FetchError::Permanent(problem.to_owned()))?;
        Ok(Self { tls: Arc::new(tls), proxies, limits: options.limits })
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

    /// Connects to the server of the URL, through a proxy if the rules name one, and performs the TLS handshake for
    /// `https`.
    async fn open(&self, url: &Url, reach: Reach) -> Result<Box<dyn ByteStream>, FetchError> {
        let name = server_name(url)?;
        if url.scheme() != "https" {
            return connect_to(url, reach).await;
        }
        let Some(proxy) = self.proxies.proxy_for(url) else {
            return self.encrypt(connect_to(url, reach).await?, name).await;
        };
        // The proxy resolves the host, so only an address in the URL can be checked.
        if reach == Reach::Public && !may_be_public(url) {
            return Err(FetchError::Permanent("the host must not be this host or in a private network".to_owned()));
        }
        let failed = |what: &dyn fmt::Display| FetchError::Transient(format!("HTTPS_PROXY: {what}"));
        let at = proxy.url().map_err(|error| failed(&error))?;
        let mut stream = connect_to(&at, Reach::Any).await.map_err(|error| failed(&error))?;
        if at.scheme() == "https" {
            stream = self.encrypt(stream, server_name(&at)?).await.map_err(|error| failed(&error))?;
        }
        let authority =
            format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(443));
        let tunnel = proxy.tunnel(stream, &authority).await.map_err(|what| failed(&what))?;
        self.encrypt(tunnel, name).await
    }

    async fn encrypt(
        &self,
        stream: Box<dyn ByteStream>,
        name: ServerName<'static>,
    ) -> Result<Box<dyn ByteStream>, FetchError> {
        let encrypted = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await;
        let encrypted = encrypted.map_err(|error| {
            let in_words = error.get_ref().and_then(|cause| cause.downcast_ref()).map(describe);
            FetchError::Transient(format!("TLS handshake: {}", in_words.unwrap_or_else(|| error.to_string())))
        })?;
        Ok(Box::new(encrypted))
    }
}

fn describe(error: &rustls::Error) -> String {
    describe_tls_error(error, &TLS_SETTINGS)
}

/// The host of a URL, without the brackets of an IPv6 address.
fn host_of(url: &Url) -> String {
    match url.host() {
        Some(Host::Domain(name)) => name.to_owned(),
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => address.to_string(),
        None => String::new(),
    }
}

/// The name that the certificate of the URL's server must have.
fn server_name(url: &Url) -> Result<ServerName<'static>, FetchError> {
    ServerName::try_from(host_of(url)).map_err(|_| FetchError::Permanent("invalid host name".to_owned()))
}

async fn connect_to(url: &Url, reach: Reach) -> Result<Box<dyn ByteStream>, FetchError> {
    let port = url.port_or_known_default().unwrap_or_default();
    match connect(&host_of(url), port, reach).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) if NotPublic::is_cause_of(&error) => Err(FetchError::Permanent(error.to_string())),
        Err(error) => Err(FetchError::Transient(format!("connecting: {error}"))),
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
