//! The composition root: builds the issuer from the configuration, then starts the router and the jobs.

use std::collections::HashMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use arc_swap::ArcSwap;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::config::{Config, TlsConfig};
use crate::crypto::aead::Aead;
use crate::crypto::browser::BrowserKeys;
use crate::crypto::certificate;
use crate::crypto::derive::{DerivedKeys, Use};
use crate::crypto::key_ring::{KeyRing, RingParts, RingVersion};
use crate::crypto::name_hash::NameHasher;
use crate::crypto::password_hash::{HashCost, Hasher};
use crate::crypto::refresh_token::RefreshTokens;
use crate::crypto::reset_hash::ResetHasher;
use crate::crypto::ring_contents::RingContents;
use crate::domain::password::PasswordPolicy;
use crate::domain::setting::snapshot::Settings;
use crate::domain::token_spec::{TokenDefaults, refresh_audience};
use crate::http;
use crate::http::context::{Http, HttpOptions, MetricsOptions};
use crate::http::pages::Pages;
use crate::http::server::caller_limit::CallerLimit;
use crate::http::server::tls::Tls;
use crate::http::server::{Server, fd_limit};
use crate::issuer::admin::maintenance::MaintenanceState;
use crate::issuer::current_settings::CurrentSettings;
use crate::issuer::failed_sign_ins::FailedSignIns;
use crate::issuer::keys::record_first_keys;
use crate::issuer::uptime::Uptime;
use crate::issuer::welcome_link::WelcomeLinks;
use crate::issuer::{Issuer, IssuerPolicy, NoticePolicy, settings};
use crate::jobs;
use crate::keys::shared_ring::SharedRing;
use crate::keys::signer::SigningQueue;
use crate::keys::{KeySource, LoadedRing};
use crate::random::Random;
use crate::store::Store;
use crate::telemetry::counters::Counters;
use crate::telemetry::jwks_clients::JwksClients;
use crate::throttle::Throttle;

mod data_folder;
mod database;
mod first_superuser;
mod keep_alive;
mod key_folder;
mod listen;
mod mailer;
mod metrics;
mod social;

pub use self::database::{
    database_file, deploy_findings, exclude_servers, mark_serving, open_existing_store, open_store,
    refuse_migration_under_server,
};
pub use self::first_superuser::{FirstSuperuser, first_superuser};
pub use self::key_folder::{key_folder, key_times};
pub use self::listen::listen;
use self::mailer::mailer;
pub use self::mailer::send_test_mail;

/// The maximum duration of a shutdown after the stop signal, including requests in flight. The documented maximum is
/// 10 s; the remaining 0.5 s is for the exit of the process.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(9500);
/// How long jobs may take to return after the last request. Together with the time that [`Server::run`] allows for
/// requests, this is less than [`SHUTDOWN_TIMEOUT`], so that time remains for the last writes.
const JOBS_GRACE: Duration = Duration::from_secs(1);
/// How long the server waits for the start to be recorded before it serves. This is longer than a healthy disk needs,
/// but short enough that callers are not delayed for long.
const START_RECORD_TIMEOUT: Duration = Duration::from_secs(1);
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The keys of an issuer.
struct IssuerKeys {
    source: KeySource,
    ring: KeyRing,
    /// `None` in a command that cannot open the secret.
    derived: Option<DerivedKeys>,
}

/// Builds the issuer from the configuration. Opens the database and the keys, and creates them at the first start.
pub async fn build(config: &Config, clock: Clock, random: Random) -> Result<Arc<Issuer>> {
    let store = database::open_when_possible(config)?;
    let key_source = KeySource::Folder(key_folder(config, clock.clone(), random.clone()));
    // This blocks the thread. That is acceptable, because nothing else can run until the keys are open.
    let first_keys = key_source.create()?;
    record_first_keys(&store, clock.now(), first_keys).await;
    let LoadedRing { ring, derived_keys } = key_source.load()?;
    for warning in ring.warnings() {
        tracing::warn!(%warning, "key ring warning");
    }
    assemble(config, store, IssuerKeys { source: key_source, ring, derived: Some(derived_keys) }, clock, random).await
}

/// Builds the issuer for commands that change users. It has no keys, and can prepare e-mails only if the secret can be
/// opened.
pub async fn build_for_users(config: &Config, clock: Clock, random: Random) -> Result<Arc<Issuer>> {
    let source = KeySource::Folder(key_folder(config, clock.clone(), random.clone()));
    let ring = KeyRing::new(
        RingParts {
            contents: RingContents::default(),
            loaded: HashMap::new(),
            version: RingVersion::new([0; RingVersion::LENGTH]),
            warnings: Vec::new(),
            default_algorithm: config.tokens.algorithm,
        },
        clock.now(),
    );
    let derived = source.derived_keys()?;
    let store = open_store(config)?;
    assemble(config, store, IssuerKeys { source, ring, derived }, clock, random).await
}

/// Builds the issuer for commands that verify tokens. It has the public keys.
pub async fn build_verifier(config: &Config, clock: Clock, random: Random) -> Result<Arc<Issuer>> {
    let source = KeySource::Folder(key_folder(config, clock.clone(), random.clone()));
    let ring = source.load_public()?;
    refuse_migration_under_server(config)?;
    let store = database::open_when_possible(config)?;
    assemble(config, store, IssuerKeys { source, ring, derived: None }, clock, random).await
}

async fn assemble(
    config: &Config,
    store: Store,
    keys: IssuerKeys,
    clock: Clock,
    random: Random,
) -> Result<Arc<Issuer>> {
    let (settings, revision) = if store.is_open() {
        settings::load(&store).await.context("reading the runtime settings")?
    } else {
        tracing::error!(
            "database not available yet; publishing keys and verifying tokens, other requests get 503 until it opens"
        );
        (Settings::default(), 0)
    };
    let mailer = mailer(config, keys.derived.as_ref())?;
    // A command that cannot open the secret uses nothing that is made with it, except the mailer.
    let derived_keys = keys.derived.unwrap_or_else(|| {
        let mut secret = [0; DerivedKeys::SECRET_LENGTH];
        random.fill(&mut secret);
        DerivedKeys::new(&secret)
    });
    let cost = HashCost {
        memory_kib: config.passwords.memory_kib,
        iterations: config.passwords.iterations,
        parallelism: config.passwords.parallelism,
    };
    let policy = policy(config);
    let current_settings = CurrentSettings::new(settings, revision, &policy.tokens);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Ok(Arc::new(Issuer {
        store,
        key_source: Arc::new(keys.source),
        counters: Counters::default(),
        failed_sign_ins: FailedSignIns::default(),
        jwks_clients: JwksClients::default(),
        throttle: Throttle::new(config.throttle.enabled, config.throttle.rates, clock.clone()),
        hasher: Hasher::new(cost, threads, &random, &clock)?,
        signing_queue: SigningQueue::new(threads),
        mailer,
        refresh_tokens: Arc::new(RefreshTokens::new(&derived_keys)),
        reset_hasher: ResetHasher::new(&derived_keys),
        name_hasher: NameHasher::new(&derived_keys),
        providers: social::providers(config, &clock)?,
        provider_seal: Aead::new(&derived_keys, Use::ProviderTokens),
        browser_keys: BrowserKeys::new(&derived_keys),
        uptime: Uptime::new(&clock),
        welcome_links: WelcomeLinks::new(&random),
        vitals: MaintenanceState::default(),
        clock,
        random,
        policy,
        ring: SharedRing::new(keys.ring),
        current_settings: ArcSwap::from_pointee(current_settings),
        settings_reload: Mutex::default(),
    }))
}

fn policy(config: &Config) -> IssuerPolicy {
    let accounts = &config.accounts;
    IssuerPolicy {
        restore_url: config.rest_jwt.restore_url.clone().unwrap_or_else(|| config.server.public_url.join("/restore")),
        confirm_url: config.server.public_url.join(http::CONFIRM_EMAIL_PATH),
        tokens: TokenDefaults {
            issuer: config.tokens.issuer.clone(),
            audience: config.tokens.audience.clone(),
            refresh_audience: refresh_audience(&config.tokens.issuer),
            algorithm: config.tokens.algorithm,
            role: config.rest_jwt.role.clone().unwrap_or_default(),
        },
        leeway: config.tokens.leeway,
        passwords: PasswordPolicy {
            min_length: config.passwords.min_length,
            reject_common: config.passwords.reject_common,
        },
        keys: key_times(config),
        rotate_every: config.keys.rotate_every,
        bare_changes: accounts.bare_changes,
        notices: NoticePolicy { contact: accounts.contact.clone(), new_network: accounts.notify_new_network },
    }
}

/// Checks what the server reads at startup in addition to the configuration and the keys: templates, provider settings,
/// certificates, the database. Writes nothing.
pub fn check(config: &Config) -> Result<()> {
    mailer(config, None)?;
    pages(config)?;
    social::providers(config, &Clock::system())?;
    tls(config)?;
    database::check(config)
}

/// Serves until `stop` is signalled, then shuts down: waits up to 8 s for requests in progress, and returns within
/// 9.5 s of the signal.
pub async fn serve(
    config: &Config,
    issuer: Arc<Issuer>,
    listener: TcpListener,
    stop: watch::Receiver<bool>,
) -> Result<()> {
    let tls = tls(config)?;
    let http = Http::new(Arc::clone(&issuer), http_options(config), pages(config)?);
    metrics::serve(config, &http, stop.clone())?;
    record_start(&issuer).await;
    let (end_jobs, jobs_end) = watch::channel(false);
    let jobs = jobs::start(&issuer, &jobs_end);

    let max_connections = fd_limit::raise(config.server.max_connections);
    let is_https = config.server.public_url.is_https();
    let keep_alive = keep_alive::of(&config.server);
    let caller_limit = caller_limit(config, max_connections);
    let server = Server { router: http::router(&http), tls, max_connections, caller_limit, keep_alive, is_https };
    tracing::info!(
        url = %config.server.public_url,
        listen = %config.server.listen,
        data = %config.data_dir.display(),
        keys = %config.keys_dir.display(),
        version = env!("CARGO_PKG_VERSION"),
        "serving"
    );
    let mut stop_signal = stop.clone();
    let run = async {
        server.run(listener, stop).await.context("serving")?;
        end_jobs.send_replace(true);
        shutdown(&issuer, jobs).await;
        Ok(())
    };
    let deadline = async {
        jobs::periodic::stopped(&mut stop_signal).await;
        tokio::time::sleep(SHUTDOWN_TIMEOUT).await;
    };
    tokio::select! {
        biased;
        outcome = run => outcome,
        () = deadline => {
            tracing::warn!("shutdown timed out; the last heartbeat and counts may be lost");
            Ok(())
        }
    }
}

/// The limit of connections per caller. By default a quarter of all connections, of which the file-descriptor limit may
/// allow fewer than the settings.
fn caller_limit(config: &Config, max_connections: usize) -> CallerLimit {
    let is_default = config.is_default("server.max_connections_per_caller");
    let max = if is_default { max_connections / 4 } else { config.server.max_connections_per_caller };
    CallerLimit::new(max, config.server.trusted_proxies.clone())
}

/// Ends the jobs, records the last heartbeat and counts, and closes the store. May be interrupted at any time.
async fn shutdown(issuer: &Arc<Issuer>, mut jobs: JoinSet<()>) {
    // A job may be waiting for a mail server. Its e-mail is sent again after the next start.
    let ended = tokio::time::timeout(JOBS_GRACE, async { while jobs.join_next().await.is_some() {} }).await;
    if ended.is_err() {
        jobs.shutdown().await;
    }
    // All run concurrently, so that they wait for a locked database only once.
    let (heartbeat, counts, failed_sign_ins) = tokio::join!(
        jobs::heartbeat::tick(Arc::clone(issuer)),
        jobs::counts::flush(issuer),
        jobs::failed_sign_ins::flush(issuer)
    );
    if let Err(error) = failed_sign_ins {
        tracing::warn!(%error, "last failed sign-ins not recorded");
    }
    if let Err(error) = heartbeat {
        tracing::warn!(%error, "last heartbeat not recorded");
    }
    if let Err(error) = counts {
        tracing::warn!(%error, "last counts not recorded");
    }
    issuer.mailer.close_idle().await;
    issuer.store.close().await;
}

/// Records the start. If the store is read-only or unavailable, the server still publishes keys and verifies tokens. A
/// later heartbeat then records the start.
async fn record_start(issuer: &Arc<Issuer>) {
    // A separate task continues after the timeout. The heartbeat job waits for it.
    let recording = tokio::spawn(jobs::heartbeat::tick(Arc::clone(issuer)));
    match tokio::time::timeout(START_RECORD_TIMEOUT, recording).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(error))) => tracing::warn!(%error, "start not recorded yet; writes may be rejected"),
        Ok(Err(error)) => tracing::warn!(%error, "start not recorded yet; writes may be rejected"),
        Err(_) => {
            let error = "the database did not answer within 1 s";
            tracing::warn!(error, "start not recorded yet; writes may be rejected");
        }
    }
}

/// Loads the HTML pages, with the operator's own templates if configured.
pub fn pages(config: &Config) -> Result<Pages> {
    Pages::load(config.templates_dir.as_deref(), &config.server.public_url, http::PAGES).context("setting up pages")
}

/// Returns the HTTP options of the configuration.
pub fn http_options(config: &Config) -> HttpOptions {
    HttpOptions {
        public_url: config.server.public_url.clone(),
        trusted_proxies: config.server.trusted_proxies.clone(),
        max_body: config.server.max_body,
        body_timeout: BODY_TIMEOUT,
        jwks_max_age: config.keys.jwks_max_age,
        allowed_origins: config.cors.allowed_origins.clone(),
        allowed_headers: config.cors.allowed_headers.clone(),
        authed_url: config.social.authed_url.clone(),
        logout_url: config.social.logout_url.clone(),
        dialects: config.dialects.enabled.clone(),
        findings: database::boot_findings(config).unwrap_or_default(),
        metrics: config
            .metrics
            .as_ref()
            .map(|metrics| MetricsOptions { token: metrics.token.clone(), own_listener: metrics.listen.is_some() }),
    }
}

/// Checks what a start needs but opens late: the TLS files, the pages, and the address for metrics. A start calls it
/// first, so that it does not print a link for the first superuser and then fail.
pub fn check_start(config: &Config) -> Result<()> {
    tls(config)?;
    pages(config)?;
    metrics::listener(config).map(drop)
}

/// Reads the TLS certificate, or creates a self-signed one. Returns `None` without `[tls]`.
fn tls(config: &Config) -> Result<Option<Tls>> {
    let tls = match &config.tls {
        None => return Ok(None),
        Some(TlsConfig::SelfSigned) => {
            let generated = certificate::for_tls(config.server.public_url.host());
            let (chain, key) = generated.context("creating a certificate for TLS")?;
            Tls::fixed(chain.as_bytes(), &key)
        }
        Some(TlsConfig::Files { certificate, key }) => Tls::from_files(certificate.clone(), key.clone()),
    };
    tls.map(Some).context("setting up [tls]")
}
