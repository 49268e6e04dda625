//! Where the service listens and is reached: `[server]`, `[tls]`, `[cors]`, `[database]`, `[log]`.

use std::net::SocketAddr;
use std::path::PathBuf;

use tracing_subscriber::filter::Targets;
use url::Url;

use super::reader::Reader;
use crate::domain::network::Network;
use crate::domain::public_url::{PublicUrl, reaching};

/// `[server]`
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The address and port to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where callers reach the service; by default where it listens.
    pub public_url: PublicUrl,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// The largest body taken, in bytes: 1 KiB to 16 MiB.
    pub max_body: usize,
    /// How many may be connected at once: 16 to 1 000 000; fewer where the system allows fewer open files.
    pub max_connections: usize,
}

/// `[tls]`: how the service itself ends TLS; without it, it speaks plain HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsConfig {
    /// A certificate made at the start, which callers must be told to trust.
    SelfSigned,
    /// PEM files: a certificate chain and its private key.
    Files {
        /// The certificate, then what signed it.
        certificate: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
}

/// `[cors]`
#[derive(Clone, Debug)]
pub struct CorsConfig {
    /// The origins (RFC 6454 §6.2) whose scripts may read answers, in the form browsers send.
    pub allowed_origins: Vec<String>,
}

/// `[database]`
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// Which database.
    pub url: DatabaseUrl,
}

/// A database. The seam for others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// One SQLite file.
    Sqlite(PathBuf),
}

/// `[log]`
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// A level, or directives as `tracing_subscriber::filter::Targets` takes them.
    pub level: String,
    /// How lines look.
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl ServerConfig {
    /// Reads `[server]` and `[tls]`, of which the default public URL is made.
    pub(super) fn read(r: &mut Reader) -> (Self, Option<TlsConfig>) {
        let listen = r.text("server.listen", "127.0.0.1:8080", |text| {
            text.parse::<SocketAddr>().map_err(
                |_| "use an IP address and a port, as in \"127.0.0.1:8080\", or \"0.0.0.0:8080\" for every address",
            )
        });
        let trusted_proxies = r.list("server.trusted_proxies", &[], str::parse::<Network>);
        let max_body = r.number("server.max_body", 65_536, 1024..=16 * 1024 * 1024);
        let max_connections = r.number("server.max_connections", 10_000, 16..=1_000_000);
        let tls = TlsConfig::read(r);
        let public_url = r.text("server.public_url", &reaching(listen, tls.is_some()), str::parse);
        (Self { listen, public_url, trusted_proxies, max_body, max_connections }, tls)
    }
}

impl TlsConfig {
    fn read(r: &mut Reader) -> Option<Self> {
        let certificate = r.optional("tls.certificate", path);
        let key = r.optional("tls.key", path);
        let self_signed = r.flag("tls.self_signed", false);
        r.require(
            &["tls.certificate", "tls.key"],
            certificate.is_some() == key.is_some(),
            "a certificate and its private key go together: set both tls.certificate and tls.key, or neither",
        );
        r.require(
            &["tls.self_signed", "tls.certificate", "tls.key"],
            !(self_signed && (certificate.is_some() || key.is_some())),
            "either the service signs its own certificate or it is given one: leave out the other",
        );
        match certificate.zip(key) {
            Some((certificate, key)) => Some(Self::Files { certificate, key }),
            None => self_signed.then_some(Self::SelfSigned),
        }
    }
}

impl CorsConfig {
    pub(super) fn read(r: &mut Reader) -> Self {
        Self { allowed_origins: r.list("cors.allowed_origins", &[], origin) }
    }
}

impl DatabaseConfig {
    pub(super) fn read(r: &mut Reader, data_dir: &std::path::Path) -> Self {
        let default = format!("sqlite:{}", data_dir.join("countersign.db").display());
        Self { url: r.text("database.url", &default, database_url) }
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

/// A path, relative to the working directory unless it begins with a slash.
pub(super) fn path(text: &str) -> Result<PathBuf, &'static str> {
    if text.is_empty() || text.contains('\0') { Err("use a path") } else { Ok(PathBuf::from(text)) }
}

fn origin(text: &str) -> Result<String, &'static str> {
    if text.contains('*') {
        return Err("a wildcard would let every site read answers meant for whoever is signed in: name each origin");
    }
    let shape = "use exactly scheme://host or scheme://host:port, as in \"https://app.example.com\"";
    let url: PublicUrl = text.parse().map_err(|_| shape)?;
    if url.path().is_empty() && !text.ends_with('/') { Ok(url.origin()) } else { Err(shape) }
}

/// `sqlite:` and a path; `sqlite:///` before an absolute one is understood too.
fn database_url(text: &str) -> Result<DatabaseUrl, &'static str> {
    let file = text.strip_prefix("sqlite:").ok_or("use \"sqlite:\" and the path of a file")?;
    match file.strip_prefix("//").unwrap_or(file) {
        "" => Err("names no file: use \"sqlite:\" and its path"),
        ":memory:" => Err("would forget everything at the end: use \"sqlite:\" and the path of a file"),
        query if query.contains('?') => Err("takes no options after the path: leave out the \"?\" and what follows"),
        file => Ok(DatabaseUrl::Sqlite(path(file)?)),
    }
}

/// The parser takes any bare word for the name of a module, `verbose` too; here it must be a level.
fn directives(text: &str) -> Result<String, String> {
    let text = text.replace(' ', "");
    // The parser takes a filter by span for a module of that name, which there never is.
    if text.contains('[') {
        return Err("name modules, as in \"info,countersign=debug\"; filters by span are not known".to_owned());
    }
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    for bare in text.split(',').filter(|directive| !directive.contains('=')) {
        if !levels.contains(&bare.to_lowercase().as_str()) {
            return Err(format!("use {}, or directives as in \"info,countersign=debug\"", levels[1..].join(", ")));
        }
    }
    text.parse::<Targets>().map_err(|e| e.to_string()).map(|_| text)
}

/// An `http` or `https` URL of somebody else, as it was written.
pub(super) fn web_url(text: &str) -> Result<String, &'static str> {
    let shape = "use a whole URL, as in \"https://accounts.example.com/authorize\"";
    let (base, _) = text.split_once('?').unwrap_or((text, ""));
    base.parse::<PublicUrl>().map_err(|_| shape)?;
    Url::parse(text).ok().filter(|url| url.fragment().is_none()).map(|_| text.to_owned()).ok_or(shape)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::config::Config;

    fn mistake(toml: &str) -> String {
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
            let error = mistake(&format!("[server]\nlisten = '{listen}'"));
            assert!(
                error.contains(&format!(
                    "server.listen = \"{listen}\" (test.toml, line 2): use an IP address and a port"
                )),
                "{error}"
            );
        }
    }

    #[test]
    fn proxies_and_bodies_have_bounds() {
        let config = Config::from_toml("server.trusted_proxies = ['10.0.0.0/8', '::1']").unwrap();
        assert!(config.server.trusted_proxies[0].contains([10, 1, 2, 3].into()));
        assert!(mistake("server.trusted_proxies = ['10.0.0.0/8', '*']").contains("\"*\": not an address"));
        assert!(mistake("server.max_body = 1023").contains("from 1024 to 16777216"));
        assert_eq!(Config::from_toml("server.max_body = 16_777_216").unwrap().server.max_body, 16 << 20);
    }

    #[test]
    fn tls_files_are_configured_or_self_signed() {
        let files = TlsConfig::Files { certificate: "c.pem".into(), key: "k.pem".into() };
        assert_eq!(Config::from_toml("tls.certificate = 'c.pem'\ntls.key = 'k.pem'").unwrap().tls, Some(files));
        assert_eq!(Config::from_toml("tls.self_signed = true").unwrap().tls, Some(TlsConfig::SelfSigned));
        assert_eq!(Config::from_toml("[tls]").unwrap().tls, None);
        assert!(mistake("tls.key = 'k.pem'").contains("set both tls.certificate and tls.key"));
        let both = mistake("tls.certificate = 'c.pem'\ntls.key = 'k.pem'\ntls.self_signed = true");
        assert!(both.contains("leave out the other"), "{both}");
    }

    #[test]
    fn cors_origins_must_be_exact() {
        assert_eq!(origin("https://App.example.com:443"), Ok("https://app.example.com".to_owned()));
        assert_eq!(origin("http://localhost:3000"), Ok("http://localhost:3000".to_owned()));
        for text in ["app.example.com", "https://app.example.com/", "https://app.example.com/a", "null", "https://"] {
            assert!(origin(text).unwrap_err().starts_with("use exactly"), "{text}");
        }
        assert!(mistake("cors.allowed_origins = ['*']").contains("would let every site read"));
        assert!(origin("https://*.example.com").unwrap_err().contains("wildcard"));
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
        let error = mistake("database.url = 'postgres://me:hunter2@db/countersign'");
        assert!(error.contains("postgres://…@db") && !error.contains("hunter2"), "{error}");
        let moved = Config::from_toml("data_dir = '/srv/c'").unwrap();
        assert_eq!(moved.database.url, DatabaseUrl::Sqlite("/srv/c/countersign.db".into()));
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
        assert!(
            mistake("log.format = 'xml'").contains(r#"log.format = "xml" (test.toml, line 1): use "text" or "json""#)
        );
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
