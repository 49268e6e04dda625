//! What every use case receives: the state and services of the issuer, and the caller of a request. The methods are
//! steps that several use cases share; a use case itself is in a file of its own.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Mutex, oneshot};
use tracing::{Instrument as _, trace_span};

use super::admin::maintenance::MaintenanceState;
use super::current_settings::CurrentSettings;
use super::failed_sign_ins::FailedSignIns;
use super::refusal::{Fault, Refusal, Unauthenticated};
use super::uptime::Uptime;
use super::welcome_link::WelcomeLinks;
use crate::clock::Clock;
use crate::crypto::aead::Aead;
use crate::crypto::browser::BrowserKeys;
use crate::crypto::key_ring::KeyRing;
use crate::crypto::name_hash::NameHasher;
use crate::crypto::password_hash::{HashError, Hasher, PasswordCheck, ResultSink};
use crate::crypto::refresh_token::RefreshTokens;
use crate::crypto::reset_hash::ResetHasher;
use crate::crypto::token::TokenFault;
use crate::crypto::verify::{ExpectedClaims, VerifiedToken, verify};
use crate::domain::count::Count;
use crate::domain::failure_log::{FailedSignIn, SignInPlace};
use crate::domain::id::UserId;
use crate::domain::key::KeyTimes;
use crate::domain::mail_item::NewMail;
use crate::domain::mail_name::MailRecipient;
use crate::domain::origin::Origin;
use crate::domain::password::{Password, PasswordHash, PasswordPolicy};
use crate::domain::reset_code::ResetSecret;
use crate::domain::setting::snapshot::Settings;
use crate::domain::token_kind::{Audience, TokenKind};
use crate::domain::token_spec::TokenDefaults;
use crate::keys::KeySource;
use crate::keys::shared_ring::SharedRing;
use crate::keys::signer::SigningQueue;
use crate::mail::{Mail, Mailer};
use crate::random::Random;
use crate::social::Providers;
use crate::store::{CodeHash, Store, StoreError};
use crate::telemetry::counters::Counters;
use crate::telemetry::jwks_clients::JwksClients;
use crate::throttle::Throttle;

/// The caller of a request, as far as the network identifies it.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// The address; behind trusted proxies, the address that they forwarded.
    pub address: IpAddr,
}

/// The boot settings that the use cases need.
#[derive(Clone, Debug)]
pub struct IssuerPolicy {
    /// The URL of the page that reset links open.
    pub restore_url: String,
    /// The URL of the page that confirmation links open.
    pub confirm_url: String,
    /// The boot settings for tokens.
    pub tokens: TokenDefaults,
    /// How far the clocks of two machines may differ when a token is verified.
    pub leeway: Duration,
    /// The rules for a new password.
    pub passwords: PasswordPolicy,
    /// The time spans from which rotations are planned. [`policy`](super::keys::policy) adds the lifetimes of the
    /// runtime settings.
    pub keys: KeyTimes,
    /// How often the server rotates the keys; `None` for never.
    pub rotate_every: Option<Duration>,
    /// Whether a token alone permits ordinary users to change the password, the address and the linked accounts.
    pub bare_changes: bool,
    /// The e-mails about changes of accounts.
    pub notices: NoticePolicy,
}

/// The boot settings of the e-mails about changes of accounts.
#[derive(Clone, Debug)]
pub struct NoticePolicy {
    /// Whom the owner contacts; `None`: the operator of the public host.
    pub contact: Option<String>,
    /// Whether a sign-in from a new network is notified.
    pub new_network: bool,
}

/// Receives a result of the hashing pool. If the caller has disconnected, the pool skips its job.
struct CallerSink<T>(oneshot::Sender<T>);

impl<T: Send + 'static> ResultSink<T> for CallerSink<T> {
    fn is_waiting(&self) -> bool {
        !self.0.is_closed()
    }

    fn deliver(self, result: T) {
        // The receiver is dropped if the caller has disconnected.
        let _ = self.0.send(result);
    }
}

/// The state and services of the use cases; shared by all requests and jobs.
#[derive(Debug)]
pub struct Issuer {
    /// The database.
    pub store: Store,
    /// The storage of the keys.
    pub key_source: Arc<KeySource>,
    /// The event counters.
    pub counters: Counters,
    /// The failed sign-ins that were not recorded yet.
    pub failed_sign_ins: FailedSignIns,
    /// The clients that fetch the JWKS.
    pub jwks_clients: JwksClients,
    /// The rate limits.
    pub throttle: Throttle,
    /// The pool that hashes passwords.
    pub hasher: Hasher,
    /// Signs tokens, RSA signatures from a queue.
    pub signing_queue: SigningQueue,
    /// Prepares and sends e-mails.
    pub mailer: Mailer,
    /// Makes and parses refresh UUIDs, and derives the `jti` of signed refresh tokens.
    pub refresh_tokens: Arc<RefreshTokens>,
    /// Hashes reset codes and link tokens. The store finds a code or token by its hash.
    pub reset_hasher: ResetHasher,
    /// Hashes unknown user names for the rate limits.
    pub name_hasher: NameHasher,
    /// The identity providers.
    pub providers: Providers,
    /// Encrypts the providers' tokens for storage.
    pub provider_seal: Aead,
    /// The keys for the cookies, forms and links of pages: of the admin zone, and of the sign-in with a provider.
    pub browser_keys: BrowserKeys,
    /// Which links to the page for the first superuser are valid.
    pub welcome_links: WelcomeLinks,
    /// The clock.
    pub clock: Clock,
    /// The source of random bytes.
    pub random: Random,
    /// The boot settings that the use cases need.
    pub policy: IssuerPolicy,
    /// The uptime and the history of runs.
    pub uptime: Uptime,
    /// The last row counts and the time of the last cleanup.
    pub vitals: MaintenanceState,
    /// The current key ring; replaced as a whole.
    pub ring: SharedRing,
    /// The current runtime settings; replaced as a whole.
    pub current_settings: ArcSwap<CurrentSettings>,
    /// Locked while the settings are reloaded, so that a reload that began earlier does not replace newer settings.
    pub settings_reload: Mutex<()>,
}

impl Issuer {
    /// Returns the current key ring.
    pub fn ring(&self) -> Arc<KeyRing> {
        self.ring.load_full()
    }

    /// Returns the current runtime settings.
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(self.current_settings.load().settings())
    }

    /// Applies runtime settings of a revision from now on.
    pub(super) fn apply_settings(&self, settings: Settings, revision: u64) {
        self.current_settings.store(Arc::new(CurrentSettings::new(settings, revision, &self.policy.tokens)));
    }

    /// Verifies a token of this issuer. A token for resource servers is accepted for any current or former audience.
    /// Does not read the store.
    pub fn verify(&self, token: &str, kind: TokenKind) -> Result<VerifiedToken, TokenFault> {
        let issuer = self.policy.tokens.issuer.as_str();
        let settings = self.settings();
        let now = self.clock.now();
        let leeway = self.policy.leeway;
        let mut audiences = Vec::new();
        match kind.row().audience {
            // Builds from before 0.1.0 issued refresh tokens for the issuer itself. They are accepted until they expire.
            Audience::RefreshRoutes => audiences.extend([self.policy.tokens.refresh_audience.as_str(), issuer]),
            Audience::ResourceServers => {
                audiences.push(self.policy.tokens.audience.as_str());
                audiences.extend(Origin::all().filter_map(|origin| settings.profile(origin).audience.as_deref()));
                let former = settings.former_audiences().iter().filter(|(_, until)| now < **until + leeway);
                audiences.extend(former.map(|(audience, _)| audience.as_str()));
            }
        }
        verify(token, &self.ring(), &ExpectedClaims { issuer, audiences: &audiences, kind, now, leeway })
    }

    /// Converts a token's fault to a refusal. Before the database is open, a wrong audience becomes the refusal for an
    /// unavailable store, because some audiences are runtime settings.
    pub(super) fn unauthenticated(&self, fault: TokenFault) -> Refusal {
        if fault == TokenFault::Audience && !self.store.is_open() {
            return StoreError::Unavailable("the audiences of the settings are not loaded yet".to_owned()).into();
        }
        fault.into()
    }

    /// Hashes a new password on the pool.
    pub(super) async fn hash_password(&self, password: Password) -> Result<PasswordHash, Refusal> {
        let (sender, receiver) = oneshot::channel();
        self.check_queue(self.hasher.hash(password, CallerSink(sender)))?;
        let hash = receiver.instrument(trace_span!("password.hash")).await;
        hash.map_err(|_| Fault::new("hashing a password", "the hashing pool has stopped").into())
    }

    /// Checks a password against a hash, on the pool. Without a hash it takes the same time, and the result is wrong.
    pub(super) async fn check_password(
        &self,
        password: Password,
        hash: Option<PasswordHash>,
    ) -> Result<PasswordCheck, Refusal> {
        let (sender, receiver) = oneshot::channel();
        self.check_queue(self.hasher.check(password, hash, CallerSink(sender)))?;
        let check = receiver.instrument(trace_span!("password.check")).await;
        check.map_err(|_| Fault::new("checking a password", "the hashing pool has stopped").into())
    }

    pub(super) fn check_queue(&self, queued: Result<(), HashError>) -> Result<(), Refusal> {
        if matches!(queued, Err(HashError::Busy { .. })) {
            self.counters.add(Count::HashingFull);
        }
        Ok(queued?)
    }

    /// Counts the result of a refresh or renewal.
    pub(super) fn counted_refresh<T>(&self, outcome: Result<T, Refusal>) -> Result<T, Refusal> {
        match &outcome {
            Ok(_) => self.counters.add(Count::Refreshed),
            Err(refusal) => self.count_refused(refusal),
        }
        outcome
    }

    /// Counts a refresh, renewal or sign-out that was refused because of its token. A token that fails
    /// [`verify_token`](super::verify_token) as a sliding or refresh token counts too. After reuse, also counts the ended
    /// session. Logs a token that is ahead of its session.
    pub(super) fn count_refused(&self, refusal: &Refusal) {
        let Refusal::NotSignedIn(why) = refusal else { return };
        self.counters.add(Count::RefreshRefused);
        if *why == Unauthenticated::Reused {
            self.counters.add(Count::RefreshReused);
            self.counters.add(Count::SessionEnded);
        }
        if let Unauthenticated::Ahead { session, generation, current } = *why {
            tracing::warn!(
                %session,
                generation,
                current,
                "refresh token rejected; its session has not reached its generation"
            );
        }
    }

    pub(super) fn counted_ended(&self, sessions: usize) {
        self.counters.add_many(Count::SessionEnded, sessions.try_into().unwrap_or(u64::MAX));
    }

    /// Counts a failed sign-in, and adds it to those that a job records in the audit log.
    pub(super) fn record_failed_sign_in(&self, user: Option<UserId>, place: SignInPlace, from: Caller) {
        self.counters.add(Count::SignInFailed);
        self.failed_sign_ins.add(FailedSignIn { user, address: from.address, place, at: self.clock.now() });
    }

    pub(super) fn hash_reset(&self, secret: &ResetSecret) -> CodeHash {
        CodeHash(self.reset_hasher.hash(secret))
    }

    pub(super) fn prepare_mail(&self, mail: &Mail, to: &MailRecipient) -> Result<NewMail, Fault> {
        let prepared = self.mailer.prepare(mail, to, self.clock.now(), &self.random);
        prepared.map_err(|error| Fault::new("preparing an e-mail", &error))
    }
}
