//! The policy of the admin zone, and the superusers who are signed in to it.

use axum::http::StatusCode;
use cookie::SameSite;

use crate::domain::audit::Operator;
use crate::domain::browser_session::BrowserToken;
use crate::domain::time::Timestamp;
use crate::domain::user::User;
use crate::http::web::page_error::PageError;
use crate::http::web::return_path::ReturnPath;
use crate::http::web::signed_in_user::SignedInUser;
use crate::http::web::stepped_up_user::SteppedUpUser;
use crate::http::web::zone::{Zone, ZonePolicy, ZoneSession};
use crate::issuer::admin::sign_in::{AdminSignedIn, LIFETIME, ResumeAdminSession};
use crate::issuer::{Caller, Issuer, Refusal, first_superuser};

/// The policy of the admin zone.
pub const POLICY: ZonePolicy = ZonePolicy {
    path: "/admin",
    home: "/admin/",
    sign_in: "/admin/login",
    step_up: "/admin/prove",
    session_cookie: "admin_session",
    anonymous_cookie: "admin_visit",
    flash_cookie: "admin_flash",
    same_site: SameSite::Strict,
    lifetime: LIFETIME,
    error_template: "admin/trouble.html",
};

/// The admin zone. It admits active superusers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdminZone;

/// A superuser who is signed in to the admin zone.
pub type Superuser = SignedInUser<AdminZone>;
/// A superuser who entered the password within the last 5 minutes.
pub type SteppedUp = SteppedUpUser<AdminZone>;
/// A path within the admin zone.
pub type AdminPath = ReturnPath<AdminZone>;

impl Zone for AdminZone {
    const POLICY: ZonePolicy = POLICY;
    type Session = AdminSignedIn;

    async fn resume(token: &str, issuer: &Issuer) -> Result<Option<AdminSignedIn>, Refusal> {
        match BrowserToken::parse(token) {
            Some(token) => ResumeAdminSession { token }.run(issuer).await,
            None => Ok(None),
        }
    }

    async fn check_sign_in(issuer: &Issuer) -> Result<(), PageError> {
        if first_superuser::has_superuser(issuer).await? {
            return Ok(());
        }
        let message = "Restart the server to print a link that creates the first superuser. Or run: countersign users \
                       create NAME --email ADDRESS --superuser";
        Err(PageError::page(StatusCode::FORBIDDEN, "No superuser exists yet", message))
    }
}

impl ZoneSession for AdminSignedIn {
    fn user(&self) -> &User {
        self.user()
    }

    fn token_hash(&self) -> &[u8; 32] {
        &self.hash().0
    }

    fn is_stepped_up(&self, now: Timestamp) -> bool {
        self.session().is_stepped_up(now)
    }
}

impl Superuser {
    /// The operator for the audit log.
    pub fn operator(&self, from: Caller) -> Operator {
        let user = self.session().user();
        Operator::Superuser { id: user.id, username: user.username.clone(), address: from.address }
    }
}
