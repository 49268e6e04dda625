//! The Prometheus metrics: `[metrics]`.

use std::net::SocketAddr;

use super::reader::Reader;
use crate::domain::secret::SecretText;

/// The minimum length of the token in bytes. A random token of this length cannot be guessed.
const TOKEN_MIN: usize = 16;

/// `[metrics]`: where `/metrics` is served and how it is protected.
#[derive(Clone, Debug)]
pub struct MetricsConfig {
    /// The separate address and port of `/metrics`; `None`: `server.listen`.
    pub listen: Option<SocketAddr>,
    /// The bearer token that a request needs; `None`: every client that reaches `listen` can read the metrics.
    pub token: Option<SecretText>,
}

impl MetricsConfig {
    /// Reads `[metrics]`. Returns `None` if neither setting is set; `/metrics` is then not served.
    pub(super) fn read(r: &mut Reader) -> Option<Self> {
        let listen = r.optional("metrics.listen", |text| {
            text.parse::<SocketAddr>().map_err(|_| "not an IP address and port; use for example \"127.0.0.1:9090\"")
        });
        let token = r.secret("metrics.token");
        r.require(
            &["metrics.token"],
            token.as_ref().is_none_or(|token| token.expose().len() >= TOKEN_MIN && is_visible(token.expose())),
            "too short, or not visible ASCII; use at least 16 random visible ASCII characters, such as the output of \
             `openssl rand -hex 24`",
        );
        (listen.is_some() || token.is_some()).then_some(Self { listen, token })
    }
}

fn is_visible(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}
