//! The page of one user, and the forms of the actions that need no confirmation page.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use minijinja::context;
use minijinja::value::Value;

use super::display::{email, real_name};
use super::forms::{ClaimsForm, EditForm};
use super::user_path::UserPath;
use crate::domain::audit::AuditLine;
use crate::domain::email_confirmation::EmailConfirmation;
use crate::domain::id::UserId;
use crate::domain::reset_code::Delivery;
use crate::domain::social::ProviderName;
use crate::domain::time::Timestamp;
use crate::domain::user::{Email, User};
use crate::http::admin::samples;
use crate::http::admin::session_row::session_row;
use crate::http::admin::zone::Superuser;
use crate::http::context::Http;
use crate::http::format::date_time;
use crate::http::pages::Page;
use crate::http::web::checked::Checked;
use crate::http::web::page_error::{PageError, PageResult};
use crate::issuer::admin::users::UserDetails;
use crate::issuer::request_reset::SendReset;
use crate::issuer::users::{UserChange, UserNames};
use crate::issuer::{Caller, Denied};

pub(super) async fn page(State(http): State<Http>, superuser: Superuser, user_path: UserPath) -> PageResult {
    let details = user_path.details(&http).await?;
    Ok(superuser.show(&http, StatusCode::OK, &UserDetailsPage::of(details)))
}

pub(super) async fn edit(
    State(http): State<Http>,
    from: Caller,
    user_path: UserPath,
    Checked { sender, mut form }: Checked<Superuser>,
) -> PageResult {
    let details = user_path.details(&http).await?;
    let mut filled = EditForm::read(&mut form);
    if let Some(edit) = filled.parse() {
        if changes_email(&edit, &details.user) && !sender.is_stepped_up(&http) {
            return Ok(step_up(&sender, &http, &user_path));
        }
        match UserChange::Edit(Box::new(edit)).run_as(&sender.operator(from), user_path.0, &http.issuer).await {
            Ok(()) => return Ok(sender.redirect_with_flash(&http, &user_path.page(), "The user was saved.")),
            Err(Denied::Refused(refusal)) => filled.names.assign_refusal(refusal)?,
            Err(denied) => return Err(denied.into()),
        }
    }
    Ok(sender.show(&http, StatusCode::BAD_REQUEST, &UserDetailsPage { edit: filled, ..UserDetailsPage::of(details) }))
}

fn changes_email(edit: &UserNames, user: &User) -> bool {
    edit.email.as_ref().map(Email::as_str) != user.email.as_ref().map(Email::as_str)
}

/// Redirects to the step-up, which a new e-mail address and new claims need. Password resets are sent to the address,
/// and claims grant rights in other systems.
fn step_up(superuser: &Superuser, http: &Http, user_path: &UserPath) -> Response {
    superuser.redirect_to_step_up(http, &user_path.page())
}

pub(super) async fn set_claims(
    State(http): State<Http>,
    from: Caller,
    user_path: UserPath,
    Checked { sender, mut form }: Checked<Superuser>,
) -> PageResult {
    let details = user_path.details(&http).await?;
    let mut filled = ClaimsForm::read(&mut form);
    let Some(claims) = filled.parse() else {
        let page = UserDetailsPage { claims: filled, ..UserDetailsPage::of(details) };
        return Ok(sender.show(&http, StatusCode::BAD_REQUEST, &page));
    };
    if !sender.is_stepped_up(&http) {
        return Ok(step_up(&sender, &http, &user_path));
    }
    UserChange::SetClaims(claims).run_as(&sender.operator(from), user_path.0, &http.issuer).await?;
    Ok(sender.redirect_with_flash(&http, &user_path.page(), "The claims were saved. New tokens contain them."))
}

pub(super) async fn send_reset(
    State(http): State<Http>,
    from: Caller,
    user_path: UserPath,
    Checked { sender, mut form }: Checked<Superuser>,
) -> PageResult {
    let delivery = match form.text_or_empty("delivery").as_str() {
        "code" => Delivery::Code,
        "link" => Delivery::Link,
        _ => {
            return Err(PageError::page(
                StatusCode::BAD_REQUEST,
                "The input is not valid",
                "The field delivery must be code or link.",
            ));
        }
    };
    SendReset { user: user_path.0, delivery, by: sender.operator(from) }.run(&http.issuer).await?;
    Ok(sender.redirect_with_flash(&http, &user_path.page(), "The e-mail was queued."))
}

pub(super) async fn enable(
    State(http): State<Http>,
    from: Caller,
    user_path: UserPath,
    Checked { sender, .. }: Checked<Superuser>,
) -> PageResult {
    UserChange::Enable.run_as(&sender.operator(from), user_path.0, &http.issuer).await?;
    Ok(sender.redirect_with_flash(&http, &user_path.page(), "The user was enabled and can sign in again."))
}

/// The page of a user.
pub struct UserDetailsPage {
    details: UserDetails,
    edit: EditForm,
    claims: ClaimsForm,
}

impl UserDetailsPage {
    fn of(details: UserDetails) -> Self {
        let edit = EditForm::of(&details.user);
        let claims = ClaimsForm::of(&details.user);
        Self { details, edit, claims }
    }
}

impl Page for UserDetailsPage {
    const TEMPLATE: &'static str = "admin/user.html";

    fn context(&self) -> Value {
        let UserDetails { user, sessions, addresses, linked, lines, confirmation, is_last_superuser } = &self.details;
        let addresses =
            addresses.iter().map(|(address, at)| context! { address => address.to_string(), at => date_time(*at) });
        context! {
            id => user.id.0,
            sub => user.sub.to_string(),
            username => user.username.as_str(),
            name => real_name(user),
            email => email(user),
            email_verified => user.email_verified,
            confirmation => confirmation.as_ref().map(|confirmation| confirmation_context(confirmation, user)),
            is_active => user.is_active,
            is_superuser => user.is_superuser,
            is_staff => user.is_staff,
            is_last_superuser,
            password => password_state(user),
            joined => date_time(user.date_joined),
            last_login => user.last_login.map(date_time).unwrap_or_default(),
            edit => self.edit.context(),
            claims => self.claims.context(),
            sessions => sessions.iter().map(|session| session_row(session, None)).collect::<Value>(),
            addresses => addresses.collect::<Value>(),
            linked => linked.iter().map(ToString::to_string).collect::<Vec<_>>(),
            lines => lines.iter().map(line).collect::<Value>(),
        }
    }

    fn samples() -> Vec<Self> {
        let details = |user, sessions, lines| UserDetails {
            user,
            sessions,
            addresses: vec![(std::net::Ipv4Addr::LOCALHOST.into(), Timestamp::from_unix(1))],
            linked: ProviderName::parse("github").into_iter().collect(),
            lines,
            confirmation: Some(EmailConfirmation::requested(
                UserId(7),
                Email::from_stored("<b>".to_owned()),
                false,
                Timestamp::from_unix(1),
            )),
            is_last_superuser: true,
        };
        let line = AuditLine {
            at: Timestamp::from_unix(1),
            action: "signed_in".to_owned(),
            user_id: None,
            username: None,
            actor_id: None,
            actor: Some("<b>".to_owned()),
            address: None,
            detail: "<b>".to_owned(),
        };
        let plain = User { email: None, is_active: false, is_superuser: false, is_staff: false, ..samples::user() };
        let mut invalid = Self::of(UserDetails { confirmation: None, ..details(plain, vec![], vec![]) });
        "<b>invalid".clone_into(&mut invalid.edit.names.email.error);
        "<b>invalid".clone_into(&mut invalid.claims.rest.error);
        vec![Self::of(details(samples::user(), vec![samples::session()], vec![line])), invalid]
    }
}

/// The requested address, or the current one, and until when its link is valid.
fn confirmation_context(confirmation: &EmailConfirmation, user: &User) -> Value {
    context! {
        email => confirmation.email.as_str(),
        until => date_time(confirmation.expires_at),
        is_change => confirmation.is_change(user),
    }
}

fn password_state(user: &User) -> &'static str {
    match (&user.password, user.must_change_password()) {
        (None, _) => "not set",
        (Some(_), true) => "temporary",
        (Some(_), false) => "set",
    }
}

fn line(line: &AuditLine) -> Value {
    context! {
        at => date_time(line.at),
        action => line.action.replace('_', " "),
        actor => line.actor.as_deref().unwrap_or_default(),
        address => line.address.map(|address| address.to_string()).unwrap_or_default(),
        detail => &line.detail,
    }
}
