//! The composition root: configuration in, issuer out; then a router and jobs around it.

use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::backup::serving;
use crate::clock::Clock;
use crate::config::{Config, DatabaseUrl, SmtpConfig, SmtpSecurity, TlsConfig};
use crate::crypto::admin::AdminKeys;
use crate::crypto::aead::Aead;
use crate::crypto::certificate;
use crate::crypto::derive::{DerivedKeys, Use};
use crate::crypto::key_dir::{KeyDir, KeyDirOptions};
use crate::crypto::password_hash::{HashCost, Hasher};
use crate::crypto::refresh_token::RefreshTokens;
use crate::crypto::reset_hash::ResetHasher;
use crate::domain::key::KeyPolicy;
use crate::domain::password::{Password, PasswordPolicy};
use crate::domain::setting::Settings;
use crate::http::metrics::MetricsOptions;
use crate::http::pages::Pages;
use crate::http::server::tls::Tls;
use crate::http::server::{Server, fd_limit};
use crate::http::{self, Http, HttpOptions};
use crate::issuer::admin::health::MaintenanceState;
use crate::issuer::first_superuser::{self, FirstAccount, FirstSuperuserError};
use crate::issuer::signers::Signers;
use crate::issuer::stats::Uptime;
use crate::issuer::{Issuer, IssuerPolicy, Refusal, settings};
use crate::jobs;
use crate::mail::{Mailer, MailerOptions, Smtp, SmtpOptions, Transport, TransportSecurity};
use crate::random::Random;
use crate::store::sqlite::Database;
use crate::store::{Store, StoreError};
use crate::telemetry::counters::Counters;
use crate::telemetry::jwks_clients::JwksClients;
use crate::throttle::Throttle;

mod metrics;
mod social;

/// How long everything may take after the word to stop, requests included: of the 10 s that are promised half of one is for
/// the process's own end.
const STOP: Duration = Duration::from_millis(9500);
/// How long jobs may take to end once requests have: with what [`Server::run`] gives those it leaves something of [`STOP`]
/// for the last writes.
const JOBS_GRACE: Duration = Duration::from_secs(1);
/// How long callers wait for the start to be recorded: longer than a healthy disk takes, shorter than anyone minds.
const START_RECORD_TIMEOUT: Duration = Duration::from_secs(1);
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Builds the issuer from the configuration: opens the database and the keys, making them at a first start.
pub async fn build(config: &Config, clock: Clock, random: Random) -> Result<Arc<Issuer>> {
    let store = open_by(config, Database::open_when_possible)?;
    let settings = if store.is_open() {
        settings::load(&store).await.context("reading the runtime settings")?
    } else {
        tracing::error!(
            "the database can't be opened yet: without it keys are published and tokens verified, and all else is \
             answered 503 until it is there"
        );
        Settings::default()
    };
    let key_dir = key_dir(config, clock.clone(), random.clone());
    // Blocks this thread, which has nothing else to do yet: nothing is served before the keys are open.
    let ring = key_dir.start()?;
    for warning in ring.warnings() {
        tracing::warn!("{warning}");
    }
    let keys = DerivedKeys::new(ring.secret().expose());
    let cost = HashCost {
        memory_kib: config.passwords.memory_kib,
        iterations: config.passwords.iterations,
        parallelism: config.passwords.parallelism,
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Ok(Arc::new(Issuer {
        store,
        key_dir,
        counters: Counters::default(),
        jwks_clients: JwksClients::default(),
        throttle: Throttle::new(config.throttle.enabled, config.throttle.rates, clock.clone()),
        hasher: Hasher::new(cost, threads, &random, &clock)?,
        signers: Signers::new(threads),
        mailer: mailer(config, &keys)?,
        refresh_tokens: Arc::new(RefreshTokens::new(&keys)),
        reset_hasher: ResetHasher::new(&keys),
        providers: social::providers(config, &clock)?,
        provider_seal: Aead::new(&keys, Use::ProviderTokens),
        cookie_seal: Aead::new(&keys, Use::CookieSeal),
        admin: AdminKeys::new(&keys),
        uptime: Uptime::new(&clock),
        vitals: MaintenanceState::default(),
        clock,
        random,
        policy: policy(config),
        ring: ArcSwap::from_pointee(ring),
        runtime: ArcSwap::from_pointee(settings),
    }))
}

/// What a start did about the first superuser.
#[derive(Debug)]
pub enum FirstSuperuser {
    /// There is one.
    There,
    /// There is one, and `[admin]` was not looked at.
    Ignored,
    /// It was made as `[admin]` says, under this name.
    Made(String),
    /// There is none: this link, good for a day, is how to make one.
    Link(String),
    /// Nobody knows, for the database can't be asked or written to at the moment: to be tried again.
    Later,
}

/// Makes the first superuser as `[admin]` says, or a link to make one by, while there is none.
pub async fn first_superuser(config: &Config, issuer: &Issuer) -> Result<FirstSuperuser> {
    let Some(admin) = &config.admin else {
        let token = match first_superuser::link_token(issuer).await {
            Err(StoreError::Unavailable(_)) => return Ok(FirstSuperuser::Later),
            asked => asked.context("looking for a superuser")?,
        };
        let link = |token| config.server.public_url.join(&format!("/admin/welcome?token={token}"));
        return Ok(token.map_or(FirstSuperuser::There, |token| FirstSuperuser::Link(link(token))));
    };
    let account = FirstAccount {
        username: admin.username.clone(),
        email: admin.email.clone(),
        password: Password::new(admin.password.expose().to_owned()),
    };
    match account.run(issuer).await {
        Ok(()) => Ok(FirstSuperuser::Made(admin.username.to_string())),
        Err(FirstSuperuserError::NotNeeded) => Ok(FirstSuperuser::Ignored),
        Err(FirstSuperuserError::Refused(Refusal::Busy { .. })) => Ok(FirstSuperuser::Later),
        Err(error) => Err(error).context("making the superuser of [admin]"),
    }
}

/// The folder the keys are in, as the configuration describes it. Opens nothing.
pub fn key_dir(config: &Config, clock: Clock, random: Random) -> KeyDir {
    let options = KeyDirOptions {
        path: config.keys_dir.clone(),
        passphrase: config.keys.passphrase.clone(),
        rsa_bits: config.keys.rsa_bits,
        default_algorithm: config.tokens.algorithm,
        certificate_name: config.server.public_url.host().to_owned(),
    };
    KeyDir::new(options, clock, random)
}

/// The spans a rotation is planned with.
pub fn key_policy(config: &Config, settings: &Settings) -> KeyPolicy {
    KeyPolicy {
        publish_ahead: config.keys.publish_ahead,
        jwks_max_age: config.keys.jwks_max_age,
        longest_access: settings.longest_access_lifetime(),
        promised_until: settings.promised_until(),
        leeway: config.tokens.leeway,
    }
}

/// Opens the database for a command that only reads: where there is none, none is made.
pub fn open_existing_store(config: &Config) -> Result<Option<Store>> {
    let DatabaseUrl::Sqlite(path) = &config.database.url;
    path.exists().then(|| open_store(config)).transpose()
}

/// Opens the database, making its folder if need be.
pub fn open_store(config: &Config) -> Result<Store> {
    open_by(config, Database::open)
}

fn open_by(config: &Config, open: fn(&Path) -> Result<Database, StoreError>) -> Result<Store> {
    let DatabaseUrl::Sqlite(path) = &config.database.url;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        make_private_folder(folder)
            .with_context(|| format!("making the folder {} for the database", folder.display()))?;
    }
    let database = open(path).with_context(|| format!("opening the database {}", path.display()))?;
    Ok(Store::Sqlite(database))
}

fn make_private_folder(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn policy(config: &Config) -> IssuerPolicy {
    IssuerPolicy {
        restore_url: config.rest_jwt.restore_url.clone().unwrap_or_else(|| config.server.public_url.join("/restore")),
        issuer: config.tokens.issuer.clone(),
        audience: config.tokens.audience.clone(),
        leeway: config.tokens.leeway,
        algorithm: config.tokens.algorithm,
        passwords: PasswordPolicy {
            min_length: config.passwords.min_length,
            reject_common: config.passwords.reject_common,
        },
        role: config.rest_jwt.role.clone().unwrap_or_default(),
        keys: key_policy(config, &Settings::default()),
        rotate_every: config.keys.rotate_every,
    }
}

fn mailer(config: &Config, keys: &DerivedKeys) -> Result<Mailer> {
    let transport = if let Some(smtp) = &config.email.smtp {
        Transport::Smtp(Smtp::new(smtp_options(smtp)).context("setting up [email]")?)
    } else {
        let folder = config.data_dir.join("mail");
        tracing::info!(folder = %folder.display(), "no SMTP server is set: mails are written as files");
        Transport::Files(folder)
    };
    let options = MailerOptions {
        public_url: config.server.public_url.to_string(),
        from: Some(config.email.from.to_string()),
        templates_dir: config.templates_dir.clone(),
        transport,
    };
    Mailer::new(options, keys).context("setting up mails")
}

fn smtp_options(smtp: &SmtpConfig) -> SmtpOptions {
    SmtpOptions {
        host: smtp.host.clone(),
        port: smtp.port,
        username: smtp.login.as_ref().map(|login| login.username.clone()),
        password: smtp.login.as_ref().map(|login| login.password.clone()),
        security: match smtp.security {
            SmtpSecurity::StartTls => TransportSecurity::StartTls,
            SmtpSecurity::Tls => TransportSecurity::Tls,
            SmtpSecurity::None => TransportSecurity::None,
        },
        ca_file: smtp.ca_file.clone(),
        timeout: SmtpOptions::TIMEOUT,
    }
}

/// What else a start would read: templates, certificates, the database. Makes and changes nothing.
pub fn check(config: &Config) -> Result<()> {
    let keys = DerivedKeys::new(&[0; 32]);
    mailer(config, &keys)?;
    pages(config)?;
    social::providers(config, &Clock::system())?;
    tls(config)?;
    let DatabaseUrl::Sqlite(path) = &config.database.url;
    if path.exists() {
        Database::check(path).with_context(|| format!("looking at the database {}", path.display()))?;
    }
    Ok(())
}

/// Serves until `stop` says so; then lets what is in flight finish, 10 s at most.
pub async fn serve(
    config: &Config,
    issuer: Arc<Issuer>,
    listener: TcpListener,
    stop: watch::Receiver<bool>,
) -> Result<()> {
    let tls = tls(config)?;
    let http = Http::new(Arc::clone(&issuer), http_options(config), pages(config)?);
    metrics::serve(config, &http, stop.clone())?;
    let _serving = mark_serving(config);
    record_start(&issuer).await;
    let (end_jobs, jobs_end) = watch::channel(false);
    let jobs = jobs::start(&issuer, &jobs_end);

    let max_connections = fd_limit::raise(config.server.max_connections);
    let server = Server { router: http::router(&http), tls, max_connections };
    tracing::info!(
        url = %config.server.public_url,
        listen = %config.server.listen,
        data = %config.data_dir.display(),
        keys = %config.keys_dir.display(),
        version = env!("CARGO_PKG_VERSION"),
        "serving"
    );
    let mut stop_signal = stop.clone();
    let whole = async {
        server.run(listener, stop).await.context("serving")?;
        end_jobs.send_replace(true);
        shutdown(&issuer, jobs).await;
        Ok(())
    };
    let too_long = async {
        jobs::stopped(&mut stop_signal).await;
        tokio::time::sleep(STOP).await;
    };
    tokio::select! {
        biased;
        outcome = whole => outcome,
        () = too_long => {
            tracing::warn!("the stop took too long: what was still to be recorded of this run is lost");
            Ok(())
        }
    }
}

/// Ends what is left once requests have ended. May be cut off at any time.
async fn shutdown(issuer: &Arc<Issuer>, mut jobs: JoinSet<()>) {
    // A job may be waiting for a mail server: its mail is tried again at the next start.
    let ended = tokio::time::timeout(JOBS_GRACE, async { while jobs.join_next().await.is_some() {} }).await;
    if ended.is_err() {
        jobs.shutdown().await;
    }
    // At once, so that both wait for a locked database together.
    let (beat, counted) = tokio::join!(jobs::heartbeat::tick(Arc::clone(issuer)), jobs::counts::flush(issuer));
    if let Err(error) = beat {
        tracing::warn!(%error, "the last sign of life could not be recorded");
    }
    if let Err(error) = counted {
        tracing::warn!(%error, "the last counts could not be recorded");
    }
    issuer.mailer.close_idle().await;
    issuer.store.close().await;
}

/// Records the start. A store that can't be written to is no reason not to serve what needs no writing: keys are
/// published, tokens verified, and the heartbeat records the start when it can.
async fn record_start(issuer: &Arc<Issuer>) {
    // A task of its own, for it goes on where nobody waits any more; the heartbeat waits for it.
    let recording = tokio::spawn(jobs::heartbeat::tick(Arc::clone(issuer)));
    let later = "the start could not be recorded yet; what writes may be refused until it can";
    match tokio::time::timeout(START_RECORD_TIMEOUT, recording).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(error))) => tracing::warn!(%error, "{later}"),
        Ok(Err(error)) => tracing::warn!(%error, "{later}"),
        Err(_) => tracing::warn!("{later}: the database does not answer"),
    }
}

/// Lets a restoring know of us. A folder that can't be written to is no reason not to serve.
fn mark_serving(config: &Config) -> Option<File> {
    let DatabaseUrl::Sqlite(path) = &config.database.url;
    let marked = serving::mark(path);
    marked.inspect_err(|error| tracing::warn!(%error, "`countersign restore` can't tell that a server runs")).ok()
}

/// The pages people see, as the configuration has them.
pub fn pages(config: &Config) -> Result<Pages> {
    Pages::load(config.templates_dir.as_deref(), &config.server.public_url).context("setting up pages")
}

/// The configuration's words on HTTP.
pub fn http_options(config: &Config) -> HttpOptions {
    HttpOptions {
        public_url: config.server.public_url.clone(),
        trusted_proxies: config.server.trusted_proxies.clone(),
        max_body: config.server.max_body,
        body_timeout: BODY_TIMEOUT,
        jwks_max_age: config.keys.jwks_max_age,
        allowed_origins: config.cors.allowed_origins.clone(),
        authed_url: config.social.authed_url.clone(),
        logout_url: config.social.logout_url.clone(),
        dialects: config.dialects.enabled.clone(),
        metrics: config
            .metrics
            .as_ref()
            .map(|metrics| MetricsOptions { token: metrics.token.clone(), own_listener: metrics.listen.is_some() }),
    }
}

/// Reads or makes the certificate.
fn tls(config: &Config) -> Result<Option<Tls>> {
    let tls = match &config.tls {
        None => return Ok(None),
        Some(TlsConfig::SelfSigned) => {
            let made = certificate::for_tls(config.server.public_url.host());
            let (chain, key) = made.context("making a certificate for TLS")?;
            Tls::fixed(chain.as_bytes(), &key)
        }
        Some(TlsConfig::Files { certificate, key }) => Tls::from_files(certificate.clone(), key.clone()),
    };
    tls.map(Some).context("setting up [tls]")
}
