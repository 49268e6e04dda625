//! Connections through an HTTP proxy: which URLs are requested through it, and the tunnel to their server (RFC 9110
//! §9.3.6).

use std::fmt;

use bytes::Bytes;
use http::header::{HOST, PROXY_AUTHORIZATION};
use http::{HeaderValue, Request, Uri};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;
use url::Url;

use super::connect::ByteStream;
use crate::domain::secret::SecretText;

/// The maximum size of the head of the proxy's response in bytes.
const PROXY_HEAD_MAX: usize = 16 * 1024;

/// A proxy, and the hosts that are requested without it.
pub(super) struct ProxyRules(Option<Matcher>);

/// The proxy for a request.
pub(super) struct Proxy {
    uri: Uri,
    authorization: Option<HeaderValue>,
}

impl ProxyRules {
    /// Reads the values of `HTTPS_PROXY` and `NO_PROXY`. The latter has hosts, domains and networks, separated by commas,
    /// or `*`.
    ///
    /// # Errors
    /// `HTTPS_PROXY` is not the URL of an HTTP proxy. The error does not contain it, because it may have a password.
    pub(super) fn new(https_proxy: Option<&SecretText>, no_proxy: &str) -> Result<Self, &'static str> {
        let Some(proxy) = https_proxy.map(SecretText::expose).filter(|proxy| !proxy.is_empty()) else {
            return Ok(Self(None));
        };
        let with_exceptions = |no: &str| Matcher::builder().https(proxy.to_owned()).no(no.to_owned()).build();
        let probe = Uri::from_static("https://example.com/");
        let found = with_exceptions("").intercept(&probe);
        if !found.is_some_and(|found| matches!(found.uri().scheme_str(), Some("http" | "https"))) {
            return Err("HTTPS_PROXY is not the URL of an HTTP proxy; use for example http://proxy.example.com:3128");
        }
        Ok(Self(Some(with_exceptions(no_proxy))))
    }

    /// The proxy for this URL. `None`: the URL is requested directly.
    pub(super) fn proxy_for(&self, url: &Url) -> Option<Proxy> {
        let found = self.0.as_ref()?.intercept(&url.as_str().parse().ok()?)?;
        Some(Proxy { uri: found.uri().clone(), authorization: found.basic_auth().cloned() })
    }
}

impl fmt::Debug for ProxyRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProxyRules({})", if self.0.is_some() { "one proxy" } else { "none" })
    }
}

impl Proxy {
    /// The URL of the proxy, without user and password.
    pub(super) fn url(&self) -> Result<Url, url::ParseError> {
        Url::parse(&self.uri.to_string())
    }

    /// Opens a tunnel to `authority`, a host and a port, through this connection to the proxy.
    ///
    /// # Errors
    /// What went wrong, as the end of a sentence about the proxy.
    pub(super) async fn tunnel(
        &self,
        stream: Box<dyn ByteStream>,
        authority: &str,
    ) -> Result<Box<dyn ByteStream>, String> {
        let mut request = Request::connect(authority).header(HOST, authority);
        if let Some(authorization) = &self.authorization {
            request = request.header(PROXY_AUTHORIZATION, authorization);
        }
        let request = request.body(Empty::<Bytes>::new()).map_err(|error| error.to_string())?;
        let handshake = http1::Builder::new()
            .max_header_size(PROXY_HEAD_MAX)
            .max_buf_size(PROXY_HEAD_MAX)
            .handshake(TokioIo::new(stream))
            .await;
        let (mut sender, connection) = handshake.map_err(|error| error.to_string())?;
        // Dropping the set closes the connection, unless it became the tunnel.
        let mut driver = JoinSet::new();
        driver.spawn(connection.with_upgrades());
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        if !response.status().is_success() {
            return Err(format!("it responded with {}", response.status()));
        }
        let tunnel = hyper::upgrade::on(response).await.map_err(|error| error.to_string())?;
        Ok(Box::new(TokioIo::new(tunnel)))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn proxy(https_proxy: &str, no_proxy: &str, url: &str) -> Option<String> {
        let rules = ProxyRules::new(Some(&SecretText::new(https_proxy.to_owned())), no_proxy).unwrap();
        let proxy = rules.proxy_for(&Url::parse(url).unwrap())?;
        let authorization = proxy.authorization.as_ref().map_or("", |value| value.to_str().unwrap());
        Some(format!("{} {authorization}", proxy.url().unwrap()))
    }

    #[test]
    fn https_urls_are_requested_through_the_proxy_except_listed_hosts() {
        let url = "https://op.example.com:8443/token";
        for (https_proxy, expected) in [
            ("http://proxy.example:3128", "http://proxy.example:3128/ "),
            ("proxy.example:3128", "http://proxy.example:3128/ "),
            ("https://proxy.example", "https://proxy.example/ "),
            ("http://me:p%40ss@proxy.example:3128/", "http://proxy.example:3128/ Basic bWU6cEBzcw=="),
        ] {
            assert_eq!(proxy(https_proxy, "", url).as_deref(), Some(expected), "{https_proxy}");
        }
        let through = |no_proxy: &str, url: &str| proxy("http://proxy.example:3128", no_proxy, url).is_some();
        for no_proxy in
            ["*", "op.example.com", ".example.com", "example.com", "a.example, op.example.com", "EXAMPLE.com"]
        {
            assert!(!through(no_proxy, url), "{no_proxy}");
        }
        for no_proxy in ["", "other.example", "p.example.com", "10.0.0.0/8"] {
            assert!(through(no_proxy, url), "{no_proxy}");
        }
        assert!(!through("10.0.0.0/8", "https://10.1.2.3/"));
        assert!(!through("::1", "https://[::1]:8443/"));
        assert!(!through("", "http://127.0.0.1/"), "only https goes through the proxy");
        assert_eq!(proxy("", "", url), None);
        assert!(ProxyRules::new(None, "").unwrap().proxy_for(&Url::parse(url).unwrap()).is_none());
    }

    #[test]
    fn a_proxy_of_another_kind_is_rejected_without_its_password() {
        for https_proxy in ["socks5://me:hunter2@proxy.example", "ftp://proxy.example", "http://", "a b", "/proxy"] {
            for no_proxy in ["", "*"] {
                let error = ProxyRules::new(Some(&SecretText::new(https_proxy.to_owned())), no_proxy).unwrap_err();
                assert!(error.starts_with("HTTPS_PROXY is not the URL of an HTTP proxy"), "{https_proxy}: {error}");
            }
        }
    }
}
