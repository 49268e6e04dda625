//! A browser in which no user is signed in.

use std::marker::PhantomData;
use std::time::Duration;

use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::cookies;
use super::form_sender::FormSender;
use super::frame::PageFrame;
use super::not_admitted::NotAdmitted;
use super::page_error::PageError;
use super::zone::Zone;
use crate::domain::time::Timestamp;
use crate::http::context::Http;
use crate::http::extract::cookies::values;
use crate::http::pages::Page;

/// The lifetime of the value of the cookie. It is the maximum lifetime of a form for users who are not
/// signed in.
const ANONYMOUS_LIFETIME: Duration = Duration::from_mins(30);

/// A browser in which no user is signed in. An encrypted cookie, valid for 30 minutes, identifies the browser.
#[derive(Clone, Debug)]
pub struct AnonymousBrowser<Z> {
    sealed: String,
    zone: PhantomData<Z>,
}

impl<Z: Zone> AnonymousBrowser<Z> {
    /// Reads the cookie if it is valid for more than another 15 minutes, and otherwise creates a new one.
    pub fn begin(headers: &HeaderMap, http: &Http) -> Self {
        Self::read_cookie(headers, http, ANONYMOUS_LIFETIME / 2).unwrap_or_else(|| {
            let until = (http.issuer.clock.now() + ANONYMOUS_LIFETIME).unix();
            let name = Z::POLICY.anonymous_cookie;
            let sealed = http.issuer.browser_keys.seal_cookie(name, &until.to_be_bytes(), &http.issuer.random);
            Self { sealed, zone: PhantomData }
        })
    }

    /// Reads the cookie. `None` if it is missing, not authentic, or expires within `margin`. Of several cookies, the one
    /// that expires last counts, so that a form is checked against the cookie with which its page was rendered.
    fn read_cookie(headers: &HeaderMap, http: &Http, margin: Duration) -> Option<Self> {
        let name = Z::POLICY.anonymous_cookie;
        let opened = values(headers, name).into_iter().filter_map(|sealed| {
            let plain = http.issuer.browser_keys.open_cookie(name, sealed)?;
            let until = plain.expose().try_into().map(i64::from_be_bytes).ok()?;
            Some((Timestamp::from_unix(until), sealed))
        });
        let (_, sealed) = opened.filter(|(until, _)| http.issuer.clock.now() + margin < *until).max()?;
        Some(Self { sealed: sealed.to_owned(), zone: PhantomData })
    }

    /// Renders a page and sets the cookie.
    pub fn show<P: Page>(&self, http: &Http, status: StatusCode, page: &P) -> Response {
        let csrf = http.issuer.browser_keys.csrf_token(&self.csrf_binding());
        let mut response = PageFrame { csrf, ..PageFrame::without_user(&Z::POLICY, http) }.show(http, status, page);
        cookies::set(&mut response, http, &Z::POLICY, Z::POLICY.anonymous_cookie, &self.sealed, ANONYMOUS_LIFETIME);
        response
    }
}

impl<Z: Zone> FormSender for AnonymousBrowser<Z> {
    async fn find(parts: &Parts, http: &Http) -> Result<Self, NotAdmitted> {
        Self::read_cookie(&parts.headers, http, Duration::ZERO).ok_or_else(|| PageError::forged().into())
    }

    fn csrf_binding(&self) -> Vec<u8> {
        [b"visit ".as_slice(), self.sealed.as_bytes()].concat()
    }
}
