//! Finishes the provider flow: finds or creates the user and opens a session, or links the account at the provider.

use std::net::IpAddr;

use super::link::{self, new_account};
use super::provider::{other_issuer, provider, provider_refusal};
use super::refusal::{SocialError, SocialRefusal};
use super::tokens::{SealedTokens, seal_identity};
use crate::domain::account_change::AccountChange;
use crate::domain::audit::{Action, AuditEntry};
use crate::domain::count::Count;
use crate::domain::dialect::Dialect;
use crate::domain::failure_log::SignInPlace;
use crate::domain::id::{Subject, UserId};
use crate::domain::limit::Limit;
use crate::domain::session::Session;
use crate::domain::setting::snapshot::Settings;
use crate::domain::social::link_decision::{IdentityMatches, LinkDecision, decide_link};
use crate::domain::social::username::usernames;
use crate::domain::social::{AttemptPurpose, ProviderName, SignInAttempt, SocialAccount, SocialIdentity};
use crate::domain::time::Timestamp;
use crate::domain::user::{Email, Login, NewUser, User};
use crate::issuer::authenticate_password::admit_success;
use crate::issuer::context::{Caller, Issuer};
use crate::issuer::must_confirm;
use crate::issuer::notices::Notices;
use crate::issuer::register;
use crate::issuer::sign_in;
use crate::issuer::signed_in::SignedIn;
use crate::social::{Callback, Provider, ProviderError};
use crate::store::{Read, StoreError, Write};
use crate::throttle::{Attempt, AttemptKey, prefix};

/// The maximum number of transactions. If the first finds that a rate limit applies, of registrations or of sign-ins of
/// the user, the limit is checked, and the decision is repeated in another transaction.
const ATTEMPTS: usize = 4;

/// Sign-ins with providers belong to this dialect.
const PLACE: SignInPlace = SignInPlace::Dialect(Dialect::RestSocial);

/// A browser's return from a provider.
#[derive(Debug)]
pub struct FinishFlow {
    /// The provider of the route, which must be the provider of the attempt.
    pub provider: ProviderName,
    /// The attempt in the browser's cookie, if there is one. The caller has compared its state with the returned state.
    pub attempt: Option<SignInAttempt>,
    /// The parameters of the callback. `None` if they contain neither a code nor an error.
    pub callback: Option<Callback>,
    /// The caller.
    pub from: Caller,
}

/// The result of the flow.
#[derive(Debug)]
pub enum FlowResult {
    /// The user is signed in.
    SignedIn(Box<SignedIn>),
    /// The account at the provider is linked to the signed-in user.
    Linked,
}

impl FinishFlow {
    /// Gets the identity from the provider, then makes all changes or none.
    pub async fn run(self, issuer: &Issuer) -> Result<FlowResult, SocialError> {
        let Self { provider: name, attempt, callback, from } = self;
        let provider = provider(issuer, &name)?;
        let attempt = attempt.ok_or(SocialRefusal::NotStarted)?;
        let callback = callback.ok_or(SocialRefusal::NoCode)?;
        if attempt.provider != name || !attempt.is_live(issuer.clock.now()) {
            return Err(SocialRefusal::NotStarted.into());
        }
        let identity = identify(issuer, provider, &attempt, &callback, from);
        match attempt.purpose {
            AttemptPurpose::SignIn => {
                let signed_in = SignInWithProvider::new(issuer, identity.await?, from).run(issuer).await?;
                Ok(FlowResult::SignedIn(Box::new(signed_in)))
            }
            AttemptPurpose::Link { sub, session } => {
                // If the session has ended, no request is sent to the provider. `link` checks the session again.
                let signed_in = link::still_signed_in(issuer, sub, session).await?;
                link::link(issuer, &signed_in, identity.await?, from).await?;
                Ok(FlowResult::Linked)
            }
        }
    }
}

/// Gets the identity from the provider. A code that the provider refuses, a response without a token and a response that
/// cannot be trusted count as a failed sign-in of the caller. An outage, a malformed response, or an error in the
/// callback, such as a sign-in that the user cancelled, does not count.
async fn identify(
    issuer: &Issuer,
    provider: &Provider,
    attempt: &SignInAttempt,
    callback: &Callback,
    from: Caller,
) -> Result<SocialIdentity, SocialError> {
    let admitted = issuer.throttle.admit(Limit::SignInCaller, AttemptKey::caller(from.address)).await?;
    let identity = provider.identify(callback, attempt, issuer.clock.now()).await;
    identity.map_err(|error| {
        if !matches!(
            error,
            ProviderError::Unreachable(_)
                | ProviderError::Busy(_)
                | ProviderError::InvalidResponse(_)
                | ProviderError::CallbackError(_)
        ) {
            admitted.count();
            issuer.record_failed_sign_in(None, PLACE, from);
        }
        provider_refusal(provider.name(), "signing in", &error).into()
    })
}

/// A sign-in with a provider's identity, and everything that is prepared before the transaction.
#[derive(Clone)]
struct SignInWithProvider {
    identity: SocialIdentity,
    tokens: SealedTokens,
    /// The session to open. Its user is set in the transaction.
    session: Session,
    sub: Subject,
    /// Makes the last of the candidate user names unique.
    random: u32,
    address: IpAddr,
    notices: Notices,
}

/// The result of one transaction.
enum SignInStep {
    /// The session is open. Other sessions of the user have ended: their number.
    SignedIn(Box<SignedIn>, usize),
    /// The identity belongs to this user, whose successful sign-ins were not checked yet. Nothing was changed.
    NotAdmittedYet(UserId),
    /// The user is disabled. Nothing was changed.
    Disabled(Option<UserId>),
    /// A new user is needed, but whether registration is allowed has not been checked yet.
    NotAllowedYet,
    /// The user must confirm the address before a sign-in. Nothing was changed.
    NotConfirmed(Box<User>),
    /// The account was linked under another issuer of the provider. Nothing was changed.
    OtherIssuer(Box<SocialAccount>),
}

impl SignInWithProvider {
    fn new(issuer: &Issuer, identity: SocialIdentity, from: Caller) -> Self {
        let session = sign_in::begin(issuer, UserId(0), Dialect::RestSocial, Some(from.address));
        let session = Session { provider: Some(identity.provider.clone()), ..session };
        let tokens = seal_identity(issuer, &identity);
        let sub = Subject(issuer.random.uuid());
        let random = u32::from_be_bytes(issuer.random.bytes());
        Self { identity, tokens, session, sub, random, address: from.address, notices: Notices::new(issuer) }
    }

    async fn run(self, issuer: &Issuer) -> Result<SignedIn, SocialError> {
        let mut may_register = false;
        let mut success: Option<(UserId, Attempt<'_>)> = None;
        let from = Caller { address: self.address };
        for _ in 0..ATTEMPTS {
            let this = self.clone();
            let admitted = success.as_ref().map(|(user, _)| *user);
            let settings = issuer.settings();
            match issuer.store.write(move |tx| this.open(tx, may_register, admitted, &settings)).await? {
                SignInStep::SignedIn(signed_in, ended) => {
                    if let Some((_, success)) = success {
                        success.count();
                    }
                    issuer.counted_ended(ended);
                    issuer.counters.add(Count::SignedIn);
                    if may_register {
                        issuer.counters.add(Count::Registered);
                    }
                    return Ok(*signed_in);
                }
                SignInStep::NotAdmittedYet(user) => success = Some((user, admit_success(issuer, user).await?)),
                SignInStep::Disabled(user) => {
                    issuer.record_failed_sign_in(user, PLACE, Caller { address: self.address });
                    return Err(SocialRefusal::Disabled.into());
                }
                SignInStep::NotAllowedYet => {
                    register::check_rate_limit(issuer, from).await?;
                    may_register = true;
                }
                SignInStep::NotConfirmed(user) => return Err(must_confirm::refuse(issuer, &user, from).await.into()),
                SignInStep::OtherIssuer(account) => {
                    return Err(other_issuer(&account, &self.identity.issuer).into());
                }
            }
        }
        Err(SocialRefusal::NotStarted.into())
    }

    /// Makes all changes in one transaction, so that no user exists without a link, and no link without its session.
    fn open(
        &self,
        tx: &dyn Write,
        may_register: bool,
        admitted: Option<UserId>,
        settings: &Settings,
    ) -> Result<SignInStep, SocialError> {
        let linked = tx.social_account(&self.identity.provider, &self.identity.social_id)?;
        if let Some(account) = linked.as_ref().filter(|account| !account.is_of(&self.identity.issuer)) {
            return Ok(SignInStep::OtherIssuer(Box::new(account.clone())));
        }
        let (decision, found) = look_up(tx, &self.identity, linked)?;
        let user = match (decision, found) {
            (LinkDecision::Disabled, found) => return Ok(SignInStep::Disabled(found.map(|user| user.id))),
            (LinkDecision::New { .. }, _) if !may_register => return Ok(SignInStep::NotAllowedYet),
            (LinkDecision::New { with_email }, _) => self.register(tx, with_email)?,
            (LinkDecision::Linked | LinkDecision::ByEmail, Some(user)) if Some(user.id) != admitted => {
                return Ok(SignInStep::NotAdmittedYet(user.id));
            }
            (LinkDecision::Linked, Some(user)) if must_confirm::must_confirm(tx, &user, settings)? => {
                return Ok(SignInStep::NotConfirmed(Box::new(user)));
            }
            (LinkDecision::Linked, Some(user)) => {
                self.store_tokens(tx, user.id)?;
                user.id
            }
            (LinkDecision::ByEmail, Some(user)) => {
                self.link(tx, user.id)?;
                self.notices.queue(tx, &user, &[AccountChange::Linked(self.identity.provider.clone())])?;
                user.id
            }
            (LinkDecision::Linked | LinkDecision::ByEmail, None) => return Err(SocialRefusal::NotStarted.into()),
        };
        let session = Session { user, ..self.session.clone() };
        let missing = || StoreError::Fault("the signed-in user is missing".to_owned());
        let ended = sign_in::open_session(tx, &session)?;
        self.notices.sign_in(tx, &tx.user(user)?.ok_or_else(missing)?, Some(self.address))?;
        tx.record_sign_in(user, self.at(), Some(prefix(self.address)))?;
        let detail = format!("{} {} via {}", session.opened_by, session.id, self.identity.provider);
        tx.record(&AuditEntry::by_user(self.at(), Action::SignedIn, user, self.address, detail))?;
        let user = tx.user(user)?.ok_or_else(missing)?;
        Ok(SignInStep::SignedIn(Box::new(SignedIn::authenticated(user, session)), ended))
    }

    fn register(&self, tx: &dyn Write, with_email: bool) -> Result<UserId, StoreError> {
        let identity = &self.identity;
        let is_taken = |name: &str| tx.user_by_login(&Login::new(name)).map(|user| user.is_some());
        let mut username = None;
        for name in usernames(identity, self.random) {
            if !is_taken(name.as_str())? && !tx.is_name_kept(&name, None, self.at())? {
                username = Some(name);
                break;
            }
        }
        let username = username.ok_or_else(|| StoreError::Fault("all candidate user names are taken".to_owned()))?;
        let id = tx.insert_user(&NewUser {
            email: identity.email.clone().filter(|_| with_email),
            email_verified: with_email,
            first_name: identity.first_name.clone(),
            last_name: identity.last_name.clone(),
            ..NewUser::new(self.sub, username.clone(), self.at())
        })?;
        let detail = format!("{username} via {}", identity.provider);
        tx.record(&AuditEntry::by_user(self.at(), Action::Registered, id, self.address, detail))?;
        self.link(tx, id)?;
        Ok(id)
    }

    fn link(&self, tx: &dyn Write, user: UserId) -> Result<(), StoreError> {
        let account = new_account(&self.identity, self.tokens.clone(), user, self.at());
        tx.link_social_account(&SocialAccount { last_login: Some(self.at()), ..account })?;
        let provider = self.identity.provider.to_string();
        tx.record(&AuditEntry::by_user(self.at(), Action::SocialLinked, user, self.address, provider))
    }

    fn store_tokens(&self, tx: &dyn Write, user: UserId) -> Result<(), StoreError> {
        let provider = &self.identity.provider;
        let tokens = &self.tokens;
        tx.store_social_tokens(user, provider, &tokens.access, tokens.refresh.as_ref(), tokens.expires_at)?;
        tx.set_social_issuer(user, provider, &self.identity.issuer)?;
        tx.record_social_sign_in(user, provider, self.at())
    }

    fn at(&self) -> Timestamp {
        self.session.opened_at
    }
}

/// Decides which user the identity signs in, and returns that user if one exists.
fn look_up(
    tx: &dyn Write,
    identity: &SocialIdentity,
    linked: Option<SocialAccount>,
) -> Result<(LinkDecision, Option<User>), StoreError> {
    if let Some(account) = linked {
        let user = tx.user(account.user)?;
        let matches = IdentityMatches {
            linked: user.as_ref(),
            by_email: None,
            has_account_at_provider: true,
            address_claimed: true,
        };
        return Ok((decide_link(identity, matches), user));
    }
    let (by_email, address_claimed) = match &identity.email {
        Some(email) => (tx.user_by_email(email)?, is_claimed(tx, email)?),
        None => (None, false),
    };
    let has_account_at_provider = match &by_email {
        Some(user) => tx.social_account_of(user.id, &identity.provider)?.is_some(),
        None => false,
    };
    let matches =
        IdentityMatches { linked: None, by_email: by_email.as_ref(), has_account_at_provider, address_claimed };
    Ok((decide_link(identity, matches), by_email))
}

fn is_claimed(tx: &dyn Read, email: &Email) -> Result<bool, StoreError> {
    Ok(tx.user_by_login(&Login::new(email.as_str()))?.is_some())
}
