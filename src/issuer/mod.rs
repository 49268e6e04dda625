//! The use cases: the operations on users, sessions, tokens and keys, independent of HTTP and the command line.
//!
//! Most use cases are values with `run`: the fields are the input, and `run` returns a result or a [`Refusal`]. A use
//! case accesses the store in closures, and never hashes passwords or signs tokens inside a closure.

pub mod admin;
pub mod authenticate;
mod authenticate_password;
mod change_email;
pub mod change_permit;
pub mod choose_token;
pub mod confirm_email;
pub mod context;
pub mod current_settings;
pub mod denied;
mod email_confirmation;
mod end_sessions;
pub mod failed_sign_ins;
pub mod findings;
pub mod first_superuser;
pub mod import_users;
pub mod issue;
mod kept_names;
pub mod keys;
mod mail_limits;
pub mod mint;
mod must_confirm;
mod notices;
pub mod operator_email;
mod password_guess;
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
pub mod sliding;
pub mod social;
pub mod stats;
pub mod update_profile;
pub mod uptime;
pub mod users;
pub mod verify_token;
pub mod welcome_link;

pub use context::{Caller, Issuer, IssuerPolicy, NoticePolicy};
pub use denied::{Denied, OperatorRule};
pub use refusal::{ChangeProblem, CredentialsProblem, Fault, Refusal, Unauthenticated};
pub use signed_in::SignedIn;
