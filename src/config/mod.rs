//! The boot configuration: settings that are read and checked once, at the start of a process.
//!
//! Each source overrides the previous one: defaults, `countersign.toml`, environment, command line. An error names the
//! key, the source and the allowed values, and also the value unless it may be a secret. All invalid settings are
//! reported at once. Only a source that cannot be read, such as a file that is not TOML, ends the check immediately.
//!
//! Every key that a section reads is a setting; there is no separate list of keys. Runtime settings, which change while
//! the server runs, are stored in the database.

mod accounts;
mod admin;
mod cors;
pub mod deploy;
mod email;
mod environment;
mod metrics;
mod problem;
mod reader;
mod secret_source;
mod server;
mod social;
mod source;
mod tokens;
mod traces;
mod unknown_key;
mod value;

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub use accounts::AccountsConfig;
pub use admin::AdminConfig;
pub use cors::CorsConfig;
pub use email::{EmailConfig, SmtpConfig, SmtpLogin, SmtpSecurity};
pub use environment::EnvironmentConfig;
pub use metrics::MetricsConfig;
pub use problem::{ConfigError, ConfigProblem};
pub use reader::BootSetting;
pub use server::{DatabaseConfig, DatabaseUrl, LogConfig, LogFormat, ServerConfig, TlsConfig};
pub use social::SocialConfig;
pub use source::SettingSource;
pub use tokens::{DialectsConfig, KeysConfig, PasswordsConfig, RestJwtConfig, ThrottleConfig, TokensConfig};
pub use traces::TracesConfig;

use crate::domain::finding::Finding;
use crate::domain::public_url::local_url;
use reader::Reader;
use source::SourcedValues;

/// The settings file in the working directory. It is read if it exists and no other file is named.
pub const DEFAULT_FILE: &str = "countersign.toml";

/// The checked settings of a process.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder of the database unless `database.url` is set, and of e-mails if no mail server is set.
    pub data_dir: PathBuf,
    /// The folder of the key ring.
    pub keys_dir: PathBuf,
    /// The folder of templates that replace the built-in ones; `None`: only built-in templates.
    pub templates_dir: Option<PathBuf>,
    /// `[server]`
    pub server: ServerConfig,
    /// `[tls]`; `None`: plain HTTP.
    pub tls: Option<TlsConfig>,
    /// `[keys]`
    pub keys: KeysConfig,
    /// `[tokens]`
    pub tokens: TokensConfig,
    /// `[passwords]`
    pub passwords: PasswordsConfig,
    /// `[accounts]`
    pub accounts: AccountsConfig,
    /// `[email]`
    pub email: EmailConfig,
    /// `[admin]`; `None`: a one-time link or a command creates the first superuser.
    pub admin: Option<AdminConfig>,
    /// `[throttle]`
    pub throttle: ThrottleConfig,
    /// `[cors]`
    pub cors: CorsConfig,
    /// `[dialects]`
    pub dialects: DialectsConfig,
    /// `[rest_jwt]`
    pub rest_jwt: RestJwtConfig,
    /// `[social]`
    pub social: SocialConfig,
    /// `[database]`
    pub database: DatabaseConfig,
    /// `[log]`
    pub log: LogConfig,
    /// `[metrics]`; `None`: no metrics.
    pub metrics: Option<MetricsConfig>,
    /// `[traces]`; `None`: no traces.
    pub traces: Option<TracesConfig>,
    /// What the environment says about connections to other servers.
    pub environment: EnvironmentConfig,
    /// Every setting with its key, its value in force and its source, for display. Includes settings that are not set.
    pub settings: Vec<BootSetting>,
    /// What is suspicious about the sources of the secrets. Each start warns about it, and `check --deploy` lists it.
    pub warnings: Vec<Finding>,
}

/// The sources of the settings.
#[derive(Clone, Debug, Default)]
pub struct ConfigSources<E> {
    /// The settings file, which must exist; `None`: [`DEFAULT_FILE`], which may be missing.
    pub file: Option<PathBuf>,
    /// The environment variables. Only names that start with `COUNTERSIGN_`, and those of [`EnvironmentConfig`], are
    /// read.
    pub environment: E,
    /// The settings of the command line: dotted key and value.
    pub flags: Vec<(String, String)>,
}

impl Config {
    /// Reads and checks every setting, from the settings file, the environment, the flags, and the files that `…_FILE`
    /// variables name.
    ///
    /// # Errors
    /// Every error in the settings. If the settings file cannot be read or is not TOML, only this error.
    pub fn load<E: IntoIterator<Item = (String, String)>>(from: ConfigSources<E>) -> Result<Self, ConfigError> {
        Self::load_beside(Path::new(DEFAULT_FILE), from)
    }

    /// Like [`Config::load`], with the environment of this process. A variable with the prefix `COUNTERSIGN_` that is
    /// not UTF-8 is an error.
    pub fn from_process(file: Option<PathBuf>, flags: Vec<(String, String)>) -> Result<Self, ConfigError> {
        let mut environment = Vec::new();
        for (name, value) in std::env::vars_os() {
            let is_read = |name: &&str| name.starts_with(source::PREFIX) || EnvironmentConfig::is_read(name);
            let Some(name) = name.to_str().filter(is_read) else { continue };
            let value = match value.into_string() {
                Ok(value) => value,
                // Other programs read this variable too, so it is not an error of this one.
                Err(value) if EnvironmentConfig::is_read(name) => value.to_string_lossy().into_owned(),
                Err(_) => return Err(ConfigProblem::new(name, "is not UTF-8 text").into()),
            };
            environment.push((name.to_owned(), value));
        }
        Self::load(ConfigSources { file, environment, flags })
    }

    /// Reads the settings from this text alone, as from a settings file. For tests and examples.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        let mut given = SourcedValues::new();
        source::read_toml(text, Path::new("test.toml"), &mut given)?;
        Self::read(given)
    }

    fn load_beside<E: IntoIterator<Item = (String, String)>>(
        default_file: &Path,
        from: ConfigSources<E>,
    ) -> Result<Self, ConfigError> {
        let mut given = SourcedValues::new();
        match &from.file {
            Some(file) => source::read_file(file, &mut given)?,
            // Reading reports anything else at this path, such as a folder or a file without read permission.
            None if default_file.symlink_metadata().is_ok() => source::read_file(default_file, &mut given)?,
            None => {}
        }
        let variables: Vec<_> = from.environment.into_iter().collect();
        let environment = EnvironmentConfig::read(&variables);
        source::read_environment(variables, &mut given);
        source::read_flags(from.flags, &mut given);
        Ok(Self { environment, ..Self::read(given)? })
    }

    fn read(given: SourcedValues) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(given);
        let r = &mut reader;
        let data_dir = r.text("data_dir", "data", server::path);
        let keys_dir = r.text("keys_dir", "keys", server::path);
        let templates_dir = r.optional("templates_dir", server::path);
        let (server, tls) = ServerConfig::read(r);
        let keys = KeysConfig::read(r);
        let mut config = Self {
            tls,
            tokens: TokensConfig::read(r, &server.public_url, &keys),
            keys,
            passwords: PasswordsConfig::read(r, &server.public_url),
            accounts: AccountsConfig::read(r),
            email: EmailConfig::read(r, &server.public_url),
            admin: AdminConfig::read(r),
            throttle: ThrottleConfig::read(r),
            cors: CorsConfig::read(r),
            dialects: DialectsConfig::read(r),
            rest_jwt: RestJwtConfig::read(r),
            social: SocialConfig::read(r),
            database: DatabaseConfig::read(r, &data_dir),
            log: LogConfig::read(r),
            metrics: MetricsConfig::read(r),
            traces: TracesConfig::read(r),
            environment: EnvironmentConfig::default(),
            settings: Vec::new(),
            warnings: Vec::new(),
            server,
            data_dir,
            keys_dir,
            templates_dir,
        };
        (config.settings, config.warnings) = reader.finish()?;
        Ok(config)
    }

    /// Replaces `server.listen` with `address`, to which the listener was bound. They differ if the port in the
    /// settings is 0, because the system then chooses one. Also updates `server.public_url`, `tokens.issuer` and
    /// `tokens.audience` if they have their defaults, which are derived from `server.listen`. Does not update
    /// [`Config::settings`].
    #[must_use]
    pub fn listening_on(mut self, address: SocketAddr) -> Self {
        let url = local_url(address, self.tls.is_some());
        self.server.listen = address;
        if let (true, Ok(public_url)) = (self.is_default("server.public_url"), url.parse()) {
            self.server.public_url = public_url;
            let text = self.server.public_url.to_string();
            if self.is_default("tokens.issuer") {
                self.tokens.issuer.clone_from(&text);
            }
            if self.is_default("tokens.audience") {
                self.tokens.audience = text;
            }
        }
        self
    }

    /// Whether this key has its default value because no source sets it.
    pub fn is_default(&self, key: &str) -> bool {
        self.settings.iter().any(|setting| setting.key == key && setting.source == SettingSource::Default)
    }

    /// Returns the settings in force as a settings file with the source of each value. Secrets are shown as `"…"`.
    /// Settings that are not set are comments.
    pub fn in_force(&self) -> String {
        let section =
            |setting: &BootSetting| setting.key.rsplit_once('.').map_or("", |(section, _)| section).to_owned();
        let mut sections: Vec<String> = Vec::new();
        for name in self.settings.iter().map(section) {
            if !sections.contains(&name) {
                sections.push(name);
            }
        }
        let mut out = String::new();
        for name in sections {
            if !name.is_empty() {
                let _ = writeln!(out, "\n[{name}]");
            }
            for setting in self.settings.iter().filter(|setting| section(setting) == name) {
                let key = setting.key.rsplit('.').next().unwrap_or_default();
                let _ = match &setting.value {
                    Some(value) => writeln!(out, "{key} = {value}  # {}", setting.source),
                    None => writeln!(out, "# {key} is not set"),
                };
            }
        }
        out
    }
}

impl Default for Config {
    /// The settings of a process if no source sets anything.
    fn default() -> Self {
        Self::read(SourcedValues::new()).expect("the defaults are valid")
    }
}

#[cfg(test)]
mod secret_tests;
#[cfg(test)]
mod tests;
