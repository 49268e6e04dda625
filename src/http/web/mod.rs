//! Pages for browsers: the session cookie, forms with a CSRF token, the frame, flash messages and the step-up.
//!
//! A zone (see [`zone::Zone`]) supplies its policy and its sections; this module knows no zone. A page handler takes a
//! [`signed_in_user::SignedInUser`], and a form handler a [`checked::Checked`] sender, so that a handler cannot omit a
//! check.

pub mod anonymous_browser;
pub mod checked;
pub mod cookies;
pub mod error_page;
pub mod flash;
pub mod form_problem;
pub mod form_sender;
pub mod frame;
pub mod headers;
pub mod layer;
pub mod not_admitted;
pub mod page_error;
pub mod provider_attempt;
pub mod redirect;
pub mod return_path;
pub mod section;
pub mod session_cookie;
pub mod signed_in_user;
pub mod stepped_up_user;
pub mod zone;
