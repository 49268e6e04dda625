//! A user who entered the password recently (step-up).

use axum::http::request::Parts;

use super::form_sender::FormSender;
use super::not_admitted::NotAdmitted;
use super::return_path::ReturnPath;
use super::signed_in_user::SignedInUser;
use super::zone::Zone;
use crate::http::context::Http;

/// A user who entered the password recently, for forms that an attacker with the session must not be able to send.
/// Other users are redirected to a page that asks for the password, and from there back to the page with the form.
#[derive(Clone, Debug)]
pub struct SteppedUpUser<Z: Zone>(SignedInUser<Z>);

impl<Z: Zone> SteppedUpUser<Z> {
    /// The user.
    pub fn signed_in(&self) -> &SignedInUser<Z> {
        &self.0
    }
}

impl<Z: Zone> FormSender for SteppedUpUser<Z> {
    async fn find(parts: &Parts, http: &Http) -> Result<Self, NotAdmitted> {
        let user = SignedInUser::<Z>::find(parts, http).await?;
        if user.is_stepped_up(http) {
            return Ok(Self(user));
        }
        let next = ReturnPath::of_referer(&parts.headers, http);
        Err(NotAdmitted::Redirect(Box::new(user.redirect_to_step_up(http, &next))))
    }

    fn csrf_binding(&self) -> Vec<u8> {
        self.0.csrf_binding()
    }
}
