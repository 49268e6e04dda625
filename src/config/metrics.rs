//! Whether and where numbers are shown to those who watch the service: `[metrics]`.

use std::net::SocketAddr;

use super::reader::Reader;
use crate::domain::secret::SecretText;

/// The shortest token taken, in bytes: one that nobody guesses, if it was drawn by chance.
const TOKEN_MIN: usize = 16;

/// `[metrics]`: how `/metrics` can be had.
#[derive(Clone, Debug)]
pub struct MetricsConfig {
    /// An address and port of its own; None: where everything else is.
    pub listen: Option<SocketAddr>,
    /// The bearer token that must be shown; None: whoever reaches `listen` may read.
    pub token: Option<SecretText>,
}

impl MetricsConfig {
    /// None where neither is set: then there is no `/metrics`.
    pub(super) fn read(r: &mut Reader) -> Option<Self> {
        let listen = r.optional("metrics.listen", |text| {
            text.parse::<SocketAddr>().map_err(|_| "use an IP address and a port, as in \"127.0.0.1:9090\"")
        });
        let token = r.secret("metrics.token");
        r.require(
            &["metrics.token"],
            token.as_ref().is_none_or(|token| token.expose().len() >= TOKEN_MIN && is_visible(token.expose())),
            "use at least 16 visible ASCII characters drawn by chance, as `openssl rand -hex 24` writes them",
        );
        (listen.is_some() || token.is_some()).then_some(Self { listen, token })
    }
}

fn is_visible(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}
