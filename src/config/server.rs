//! Listener, public URL, TLS, database and log: `[server]`, `[tls]`, `[database]`, `[log]`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing_subscriber::filter::Targets;
use url::Url;

use super::reader::Reader;
use crate::domain::network::Network;
use crate::domain::public_url::{PublicUrl, local_url};

/// The default idle timeout of connections from trusted proxies. The load balancers of cloud providers keep connections
/// for up to 600 s.
const KEEP_ALIVE_OF_PROXIES: Duration = Duration::from_secs(620);

/// `[server]`
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The address and port to listen on. With port 0 the system chooses a free port.
    pub listen: SocketAddr,
    /// The URL at which callers reach the server. Default: derived from `listen` and `[tls]`.
    pub public_url: PublicUrl,
    /// The proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<Network>,
    /// The maximum size of a request body in bytes: 1 KiB to 16 MiB (inclusive).
    pub max_body: usize,
    /// The maximum number of simultaneous connections: 16 to 1 000 000 (inclusive). The file-descriptor limit may lower
    /// it.
    pub max_connections: usize,
    /// The maximum number of simultaneous connections of one caller (one IPv4 address, or one IPv6 /64): 1 to 1 000 000
    /// (inclusive). Loopback addresses and trusted proxies have no such limit. Default: a quarter of `max_connections`.
    pub max_connections_per_caller: usize,
    /// How long an idle connection is kept: 1 s to 1 h (inclusive).
    pub keep_alive: Duration,
    /// How long an idle connection from `trusted_proxies` is kept. It is `keep_alive` if this is set.
    pub keep_alive_of_proxies: Duration,
}

/// `[tls]`: how the server terminates TLS. Without this section it serves plain HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsConfig {
    /// A self-signed certificate that the server creates at the start. Callers must be configured to trust it.
    SelfSigned,
    /// PEM files: a certificate chain and its private key.
    Files {
        /// The server's certificate, followed by the intermediate certificates.
        certificate: PathBuf,
        /// The private key of the certificate.
        key: PathBuf,
    },
}

/// `[database]`
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// The database.
    pub url: DatabaseUrl,
}

/// A database. Only SQLite is supported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// The path of an SQLite file.
    Sqlite(PathBuf),
}

/// `[log]`
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// A level, or comma-separated directives, such as `info,countersign=debug`. Span filters are not accepted.
    pub level: String,
    /// The format of log lines.
    pub format: LogFormat,
}

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Human-readable text.
    Text,
    /// One JSON object per line.
    Json,
}

impl ServerConfig {
    /// Reads `[server]` and `[tls]`. Both determine the default of `server.public_url`.
    pub(super) fn read(r: &mut Reader) -> (Self, Option<TlsConfig>) {
        let listen = r.text("server.listen", "127.0.0.1:8080", |text| {
            text.parse::<SocketAddr>().map_err(
                |_| "not an IP address and port; use \"127.0.0.1:8080\", or \"0.0.0.0:8080\" for every IPv4 address",
            )
        });
        let trusted_proxies = r.list("server.trusted_proxies", &[], str::parse::<Network>);
        let max_body = r.number("server.max_body", 65_536, 1024..=16 * 1024 * 1024);
        let max_connections = r.number("server.max_connections", 10_000, 16..=1_000_000);
        let max_connections_per_caller =
            r.number("server.max_connections_per_caller", max_connections / 4, 1..=1_000_000);
        let keep_alive = r.duration("server.keep_alive", "75s", Duration::from_secs(1)..=Duration::from_hours(1));
        let keep_alive_of_proxies = if r.is_given("server.keep_alive") { keep_alive } else { KEEP_ALIVE_OF_PROXIES };
        let tls = TlsConfig::read(r);
        let public_url = r.text("server.public_url", &local_url(listen, tls.is_some()), str::parse);
        let server = Self {
            listen,
            public_url,
            trusted_proxies,
            max_body,
            max_connections,
            max_connections_per_caller,
            keep_alive,
            keep_alive_of_proxies,
        };
        (server, tls)
    }
}

impl TlsConfig {
    fn read(r: &mut Reader) -> Option<Self> {
        let certificate = r.optional("tls.certificate", path);
        let key = r.secret_path("tls.key", path);
        let self_signed = r.flag("tls.self_signed", false);
        r.require(
            &["tls.certificate", "tls.key"],
            certificate.is_some() == key.is_some(),
            "the server cannot terminate TLS with only one of tls.certificate and tls.key; set both or neither",
        );
        r.require(
            &["tls.self_signed", "tls.certificate", "tls.key"],
            !(self_signed && (certificate.is_some() || key.is_some())),
            "the server cannot use both a self-signed certificate and certificate files; remove tls.self_signed, or \
             remove tls.certificate and tls.key",
        );
        match certificate.zip(key) {
            Some((certificate, key)) => Some(Self::Files { certificate, key }),
            None => self_signed.then_some(Self::SelfSigned),
        }
    }
}

impl DatabaseConfig {
    pub(super) fn read(r: &mut Reader, data_dir: &std::path::Path) -> Self {
        let file = data_dir.join("countersign.db");
        // A path that begins with two slashes would lose them when the URL is read.
        let slashes = if file.display().to_string().starts_with("//") { "//" } else { "" };
        let shown = format!("sqlite:{slashes}{}", file.display());
        Self { url: r.derived("database.url", DatabaseUrl::Sqlite(file), &shown, database_url) }
    }
}

impl LogConfig {
    pub(super) fn read(r: &mut Reader) -> Self {
        Self {
            level: r.text("log.level", "info", directives),
            format: r.choice("log.format", "text", &[("text", LogFormat::Text), ("json", LogFormat::Json)]),
        }
    }
}

/// Parses a path. A path that does not start with a slash is relative to the working directory.
pub(super) fn path(text: &str) -> Result<PathBuf, &'static str> {
    if text.is_empty() || text.contains('\0') {
        Err("must be a path that is not empty and contains no NUL character")
    } else {
        Ok(PathBuf::from(text))
    }
}

impl DatabaseConfig {
    /// Returns the file of the SQLite database.
    pub fn sqlite_path(&self) -> &Path {
        let DatabaseUrl::Sqlite(path) = &self.url;
        path
    }
}

/// Parses `sqlite:` and a path. `sqlite://` before the path means the same, so `sqlite:///var/c.db` is `/var/c.db`.
fn database_url(text: &str) -> Result<DatabaseUrl, &'static str> {
    let file = text.strip_prefix("sqlite:").ok_or("not an SQLite URL; use \"sqlite:\" and the path of a file")?;
    match file.strip_prefix("//").unwrap_or(file) {
        "" => Err("the file name is missing; use \"sqlite:\" and the path of a file"),
        ":memory:" => Err("a database in memory is lost when the process ends; use \"sqlite:\" and the path of a file"),
        query if query.contains('?') => {
            Err("options after the path are not supported; remove the \"?\" and everything after it")
        }
        file => Ok(DatabaseUrl::Sqlite(path(file)?)),
    }
}

/// Parses log directives. The parser of `Targets` reads any word without `=`, for example `verbose`, as the name of a
/// module, so a mistyped level would silently disable the log. Here such a word must be a level.
fn directives(text: &str) -> Result<String, String> {
    let text = text.replace(' ', "");
    // The parser would read a span filter, such as `[request]`, as the name of a module, which matches nothing.
    if text.contains('[') {
        return Err("span filters are not supported; use modules, such as \"info,countersign=debug\"".to_owned());
    }
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    for bare in text.split(',').filter(|directive| !directive.contains('=')) {
        if !levels.contains(&bare.to_lowercase().as_str()) {
            let levels = levels[1..].join(", ");
            return Err(format!(
                "{bare:?} is not a level; use {levels}, or directives as in \"info,countersign=debug\""
            ));
        }
    }
    text.parse::<Targets>().map_err(|e| e.to_string()).map(|_| text)
}

/// Checks the `http` or `https` URL of another server, and returns it unchanged.
pub(super) fn web_url(text: &str) -> Result<String, &'static str> {
    let shape = "not a full URL; use for example \"https://accounts.example.com/authorize\"";
    if text.contains('#') {
        return Err(
            "must not contain a fragment (#), because parameters are appended to its query; use a path instead",
        );
    }
    let (base, _) = text.split_once('?').unwrap_or((text, ""));
    base.parse::<PublicUrl>().map_err(|_| shape)?;
    Url::parse(text).map(|_| text.to_owned()).map_err(|_| shape)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::config::Config;

    fn problem(toml: &str) -> String {
        Config::from_toml(toml).unwrap_err().to_string()
    }

    #[test]
    fn the_public_url_follows_listen_and_tls() {
        let url = |toml| Config::from_toml(toml).unwrap().server.public_url.to_string();
        assert_eq!(url(""), "http://127.0.0.1:8080");
        assert_eq!(url("server.listen = '0.0.0.0:9000'"), "http://127.0.0.1:9000");
        assert_eq!(url("tls.self_signed = true"), "https://127.0.0.1:8080");
        assert_eq!(url("server.public_url = 'https://ID.example.com/'"), "https://id.example.com");
    }

    #[test]
    fn server_listen_must_be_an_address() {
        for listen in ["localhost:8080", ":8080", "8080", "127.0.0.1", "127.0.0.1:99999"] {
            let error = problem(&format!("[server]\nlisten = '{listen}'"));
            assert!(
                error.contains(&format!("test.toml:2: server.listen = \"{listen}\": not an IP address and port; use")),
                "{error}"
            );
        }
    }

    #[test]
    fn proxies_and_bodies_have_bounds() {
        let config = Config::from_toml("server.trusted_proxies = ['10.0.0.0/8', '::1']").unwrap();
        assert!(config.server.trusted_proxies[0].contains([10, 1, 2, 3].into()));
        assert!(problem("server.trusted_proxies = ['10.0.0.0/8', '*']").contains("\"*\": not an IP address"));
        assert!(problem("server.max_body = 1023").contains("from 1024 to 16777216"));
        assert_eq!(Config::from_toml("server.max_body = 16_777_216").unwrap().server.max_body, 16 << 20);
    }

    #[test]
    fn proxies_keep_connections_longer_unless_the_setting_is_given() {
        let read = |toml| {
            let server = Config::from_toml(toml).unwrap().server;
            [server.keep_alive, server.keep_alive_of_proxies].map(|timeout| timeout.as_secs())
        };
        assert_eq!(read(""), [75, 620]);
        assert_eq!(read("server.trusted_proxies = ['10.0.0.0/8']"), [75, 620]);
        assert_eq!(read("server.keep_alive = '75s'"), [75, 75]);
        assert_eq!(read("server.keep_alive = '1s'"), [1, 1]);
        assert_eq!(read("server.keep_alive = '1h'"), [3600, 3600]);
        for invalid in ["'0s'", "'3601s'", "'75'", "75", "''", "'never'"] {
            assert!(problem(&format!("server.keep_alive = {invalid}")).contains("server.keep_alive = "), "{invalid}");
        }
    }

    #[test]
    fn tls_files_are_configured_or_self_signed() {
        let files = TlsConfig::Files { certificate: "c.pem".into(), key: "k.pem".into() };
        assert_eq!(Config::from_toml("tls.certificate = 'c.pem'\ntls.key = 'k.pem'").unwrap().tls, Some(files));
        assert_eq!(Config::from_toml("tls.self_signed = true").unwrap().tls, Some(TlsConfig::SelfSigned));
        assert_eq!(Config::from_toml("[tls]").unwrap().tls, None);
        assert!(problem("tls.key = 'k.pem'").contains("set both or neither"));
        let both = problem("tls.certificate = 'c.pem'\ntls.key = 'k.pem'\ntls.self_signed = true");
        assert!(both.contains("remove tls.self_signed"), "{both}");
    }

    #[test]
    fn the_database_url_must_be_an_sqlite_file() {
        let file = |path: &str| Ok(DatabaseUrl::Sqlite(path.into()));
        assert_eq!(database_url("sqlite:data/c.db"), file("data/c.db"));
        assert_eq!(database_url("sqlite:/var/c.db"), file("/var/c.db"));
        assert_eq!(database_url("sqlite:///var/c.db"), file("/var/c.db"));
        for text in ["sqlite:", "sqlite://", "sqlite::memory:", "sqlite:c.db?mode=ro", "c.db", ""] {
            assert!(database_url(text).is_err(), "{text}");
        }
        let error = problem("database.url = 'postgres://me:hunter2@db/countersign'");
        assert!(error.contains("postgres://…@db") && !error.contains("hunter2"), "{error}");
        for folder in
            ["/srv/c", "what?", "a?b=c", "//srv/c", "///srv", ":memory:", "a b", "sqlite:", "%20", "#", "é", "/"]
        {
            let moved = Config::from_toml(&format!("data_dir = '{folder}'")).unwrap();
            assert_eq!(moved.database.sqlite_path(), Path::new(folder).join("countersign.db"), "{folder}");
            let shown = moved.settings.iter().find(|setting| setting.key == "database.url").unwrap().value.clone();
            let shown = shown.unwrap().trim_matches('"').to_owned();
            if !folder.contains('?') {
                assert_eq!(database_url(&shown), Ok(moved.database.url), "{shown}");
            }
        }
    }

    #[test]
    fn an_invalid_log_level_is_rejected() {
        for text in ["info", "WARN", "info,countersign=debug", "countersign::http=trace"] {
            assert_eq!(directives(text), Ok(text.to_owned()));
        }
        assert_eq!(directives("info, hyper = warn"), Ok("info,hyper=warn".to_owned()));
        for text in ["", "verbose", "info,hyper", "countersign=loud", "warn,[request{id}]=debug"] {
            assert!(directives(text).is_err(), "{text}");
        }
        assert!(problem("log.format = 'xml'").contains(r#"test.toml:1: log.format = "xml": must be "text" or "json""#));
    }

    #[test]
    fn external_urls_must_be_absolute() {
        for text in ["https://accounts.example.com/o/authorize", "http://127.0.0.1:9/x?prompt=consent"] {
            assert_eq!(web_url(text), Ok(text.to_owned()));
        }
        for text in [
            "",
            "/authorize",
            "javascript:alert(1)",
            "https://a:b@example.com/",
            "https://example.com/#x",
            "https://e.com/?a#b",
        ] {
            assert!(web_url(text).is_err(), "{text}");
        }
    }
}
