//! What differs between the zones of the site: the cookies, the paths, and which users may sign in.

use std::fmt;

use cookie::SameSite;

use super::page_error::PageError;
use crate::domain::browser_session::SessionLifetime;
use crate::domain::time::Timestamp;
use crate::domain::user::User;
use crate::issuer::{Issuer, Refusal};

/// The cookies, paths and templates of a zone. Paths do not contain the path of the public URL.
#[derive(Clone, Copy, Debug)]
pub struct ZonePolicy {
    /// The path of the zone, without a slash at the end. Browsers send the cookies only to this path and to paths below
    /// it.
    pub path: &'static str,
    /// The path of the first page.
    pub home: &'static str,
    /// The path of the sign-in page.
    pub sign_in: &'static str,
    /// The path of the page that asks for the password again.
    pub step_up: &'static str,
    /// The cookie with the token of a session.
    pub session_cookie: &'static str,
    /// The cookie that identifies a browser in which no user is signed in. The CSRF tokens of its forms are bound to
    /// it.
    pub anonymous_cookie: &'static str,
    /// The cookie with the flash message: the result of a form, which the next page shows.
    pub flash_cookie: &'static str,
    /// Whether browsers send the cookies with requests that another site causes.
    pub same_site: SameSite,
    /// When a session ends. The session cookie has the maximum lifetime.
    pub lifetime: SessionLifetime,
    /// The template of an error page.
    pub error_template: &'static str,
}

/// A zone: the pages below one path, with their own sessions and sign-in page.
pub trait Zone: Clone + fmt::Debug + Send + Sync + 'static {
    /// The cookies, paths and templates.
    const POLICY: ZonePolicy;
    /// A user in a live session of the zone.
    type Session: ZoneSession;

    /// Finds the session whose token is in the session cookie. `None` if it has ended, or if the zone no longer admits
    /// its user.
    fn resume(token: &str, issuer: &Issuer) -> impl Future<Output = Result<Option<Self::Session>, Refusal>> + Send;

    /// Checks whether any user can sign in. The error is a page that explains how to create such a user.
    fn check_sign_in(issuer: &Issuer) -> impl Future<Output = Result<(), PageError>> + Send;
}

/// A user in a live session of a zone.
pub trait ZoneSession: Clone + fmt::Debug + Send + Sync {
    /// The user.
    fn user(&self) -> &User;

    /// The hash of the token, to which the CSRF tokens are bound.
    fn token_hash(&self) -> &[u8; 32];

    /// Whether the user entered the password recently enough for dangerous actions.
    fn is_stepped_up(&self, now: Timestamp) -> bool;
}
