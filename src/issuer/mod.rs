//! The use cases: what can be done with users, sessions, tokens and keys, whoever asks and in whatever words.
//!
//! A use case is a value with `run`: its fields are the question, its result the answer or a [`Refusal`]. It reads the
//! clock once, asks the store in closures, and never hashes or signs inside one. It knows no request and no page.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::oneshot;
use tracing::{Instrument as _, trace_span};

use crate::clock::Clock;
use crate::crypto::admin::AdminKeys;
use crate::crypto::aead::Aead;
use crate::crypto::key_dir::KeyDir;
use crate::crypto::key_ring::KeyRing;
use crate::crypto::password_hash::{HashError, Hasher, PasswordCheck, ResultSink};
use crate::crypto::refresh_token::RefreshTokens;
use crate::crypto::reset_hash::ResetHasher;
use crate::crypto::token::TokenFault;
use crate::crypto::verify::{ACCESS, ExpectedClaims, REFRESH, TokenKind, VerifiedToken, verify};
use crate::domain::algorithm::Algorithm;
use crate::domain::count::Count;
use crate::domain::dialect::Dialect;
use crate::domain::key::KeyPolicy;
use crate::domain::mail_item::NewMail;
use crate::domain::password::{Password, PasswordHash, PasswordPolicy};
use crate::domain::reset_code::ResetSecret;
use crate::domain::setting::Settings;
use crate::domain::user::Email;
use crate::mail::{Mail, Mailer};
use crate::random::Random;
use crate::social::Providers;
use crate::store::{CodeHash, Store, StoreError};
use crate::telemetry::counters::Counters;
use crate::telemetry::jwks_clients::JwksClients;
use crate::throttle::Throttle;

pub mod admin;
pub mod authenticate;
mod authenticate_password;
pub mod denied;
pub mod first_superuser;
pub mod import_users;
pub mod issue;
pub mod keys;
pub mod mint;
pub mod redeem_reset;
pub mod refresh;
pub mod refresh_token;
pub mod refusal;
pub mod register;
pub mod renew;
pub mod request_reset;
pub mod settings;
pub mod sign_in;
pub mod sign_out;
pub mod signed_in;
pub mod signers;
pub mod sliding;
pub mod social;
pub mod stats;
pub mod update_profile;
pub mod users;
pub mod verify_token;

pub use denied::{Denied, OperatorRule};
pub use refusal::{Fault, Refusal, Unauthenticated};
pub use signed_in::SignedIn;
use signers::Signers;

/// Who asks, as far as the network tells.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// The address, behind trusted proxies the one they forwarded.
    pub address: IpAddr,
}

/// What the configuration says about tokens and people.
#[derive(Clone, Debug)]
pub struct IssuerPolicy {
    /// The page that links to restore a password lead to.
    pub restore_url: String,
    /// The `iss` of every token.
    pub issuer: String,
    /// The `aud` where a profile names none.
    pub audience: String,
    /// By how much clocks may differ, when verifying.
    pub leeway: Duration,
    /// The signer where a profile names none.
    pub algorithm: Algorithm,
    /// What a new password must be.
    pub passwords: PasswordPolicy,
    /// The `role` claim of the dialects that have one.
    pub role: String,
    /// The spans a rotation is planned with; the longest access lifetime is the settings' to say.
    pub keys: KeyPolicy,
    /// How often keys are rotated without being asked; None for never.
    pub rotate_every: Option<Duration>,
}

/// A task that waits for the hashing pool. One whose caller has hung up is dropped, and waits no more.
struct CallerSink<T>(oneshot::Sender<T>);

impl<T: Send + 'static> ResultSink<T> for CallerSink<T> {
    fn is_waiting(&self) -> bool {
        !self.0.is_closed()
    }

    fn deliver(self, answer: T) {
        // One who has left in the meantime is not told.
        let _ = self.0.send(answer);
    }
}

/// Everything the use cases need; shared by all requests and jobs.
#[derive(Debug)]
pub struct Issuer {
    /// What is remembered.
    pub store: Store,
    /// The folder the keys are in.
    pub key_dir: KeyDir,
    /// What happened, in numbers.
    pub counters: Counters,
    /// Who fetches the key set.
    pub jwks_clients: JwksClients,
    /// The limits on tries.
    pub throttle: Throttle,
    /// The pool that hashes passwords.
    pub hasher: Hasher,
    /// Who makes the signatures that take long.
    pub signers: Signers,
    /// The writer and sender of mails.
    pub mailer: Mailer,
    /// The maker and reader of refresh tokens.
    pub refresh_tokens: Arc<RefreshTokens>,
    /// What the secrets of resets are kept as.
    pub reset_hasher: ResetHasher,
    /// The providers to sign in at.
    pub providers: Providers,
    /// The seal on what they gave us.
    pub provider_seal: Aead,
    /// The seal on what browsers keep for us.
    pub cookie_seal: Aead,
    /// What the admin zone's cookies, forms and links are made of.
    pub admin: AdminKeys,
    /// What time it is.
    pub clock: Clock,
    /// What nobody can guess.
    pub random: Random,
    /// What the configuration says.
    pub policy: IssuerPolicy,
    /// When the process ran.
    pub uptime: stats::Uptime,
    /// What was last counted and swept.
    pub vitals: admin::health::MaintenanceState,
    /// The keys at this moment; swapped whole.
    pub ring: ArcSwap<KeyRing>,
    /// The runtime settings at this moment; swapped whole.
    pub runtime: ArcSwap<Settings>,
}

impl Issuer {
    /// The keys at this moment.
    pub fn ring(&self) -> Arc<KeyRing> {
        self.ring.load_full()
    }

    /// The runtime settings at this moment.
    pub fn settings(&self) -> Arc<Settings> {
        self.runtime.load_full()
    }

    /// Verifies an access token of ours, for whatever audience of ours it was minted, now or before. The store is not asked.
    pub fn verify_access(&self, token: &str) -> Result<VerifiedToken, TokenFault> {
        self.verify_for_servers(token, ACCESS)
    }

    /// What a token's fault is to its bearer. Some audiences are among the runtime settings, so before the database is open
    /// nobody can say that one is wrong.
    fn unauthenticated(&self, fault: TokenFault) -> Refusal {
        if fault == TokenFault::Audience && !self.store.is_open() {
            return StoreError::Unavailable("the settings, and so the audiences, are not read yet".to_owned()).into();
        }
        fault.into()
    }

    /// Verifies a refresh token of ours that is a signed JWT, and for whom nobody but the issuer is the audience. The store
    /// is not asked.
    fn verify_refresh(&self, token: &str) -> Result<VerifiedToken, TokenFault> {
        let issuer = self.policy.issuer.as_str();
        let now = self.clock.now();
        let leeway = self.policy.leeway;
        verify(token, &self.ring(), &ExpectedClaims { issuer, audiences: &[issuer], kind: REFRESH, now, leeway })
    }

    /// Verifies a token of a kind that resource servers take.
    fn verify_for_servers(&self, token: &str, kind: TokenKind) -> Result<VerifiedToken, TokenFault> {
        let settings = self.settings();
        let mut audiences = vec![self.policy.audience.as_str()];
        audiences.extend(Dialect::ALL.iter().filter_map(|dialect| settings.profile(*dialect).audience.as_deref()));
        let now = self.clock.now();
        let leeway = self.policy.leeway;
        let former = settings.former_audiences().iter().filter(|(_, until)| now < **until + leeway);
        audiences.extend(former.map(|(audience, _)| audience.as_str()));
        verify(
            token,
            &self.ring(),
            &ExpectedClaims { issuer: &self.policy.issuer, audiences: &audiences, kind, now, leeway },
        )
    }

    /// Hashes a new password on the pool.
    async fn hash_password(&self, password: Password) -> Result<PasswordHash, Refusal> {
        let (tell, told) = oneshot::channel();
        self.check_queue(self.hasher.hash(password, CallerSink(tell)))?;
        let told = told.instrument(trace_span!("password.hash")).await;
        told.map_err(|_| Fault::new("hashing a password", "the pool has stopped").into())
    }

    /// Compares a password with a hash on the pool; with None at the same cost.
    async fn check_password(&self, password: Password, hash: Option<PasswordHash>) -> Result<PasswordCheck, Refusal> {
        let (tell, told) = oneshot::channel();
        self.check_queue(self.hasher.check(password, hash, CallerSink(tell)))?;
        let told = told.instrument(trace_span!("password.check")).await;
        told.map_err(|_| Fault::new("checking a password", "the pool has stopped").into())
    }

    fn check_queue(&self, asked: Result<(), HashError>) -> Result<(), Refusal> {
        if matches!(asked, Err(HashError::Busy { .. })) {
            self.counters.add(Count::HashingFull);
        }
        Ok(asked?)
    }

    /// Counts what became of a token to refresh or renew by.
    fn counted_refresh<T>(&self, outcome: Result<T, Refusal>) -> Result<T, Refusal> {
        match &outcome {
            Ok(_) => self.counters.add(Count::Refreshed),
            Err(refusal) => self.counted_refused(refusal),
        }
        outcome
    }

    /// Counts a token to refresh or renew by that was refused for what it is, and the session that a spent one ended.
    fn counted_refused(&self, refusal: &Refusal) {
        let Refusal::NotSignedIn(why) = refusal else { return };
        self.counters.add(Count::RefreshRefused);
        if *why == Unauthenticated::Reused {
            self.counters.add(Count::RefreshReused);
            self.counters.add(Count::SessionEnded);
        }
    }

    fn counted_ended(&self, sessions: usize) {
        self.counters.add_many(Count::SessionEnded, sessions.try_into().unwrap_or(u64::MAX));
    }

    fn hash_reset(&self, secret: &ResetSecret) -> CodeHash {
        CodeHash(self.reset_hasher.hash(secret))
    }

    fn prepare_mail(&self, mail: &Mail, to: &Email) -> Result<NewMail, Fault> {
        let prepared = self.mailer.prepare(mail, to, self.clock.now(), &self.random);
        prepared.map_err(|error| Fault::new("writing a mail", &error))
    }
}
