//! The actions on a user that have serious consequences. A confirmation page shows the consequences, and its form needs
//! a step-up.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use minijinja::context;
use minijinja::value::Value;

use super::temporary_password::TemporaryPasswordPage;
use super::user_path::UserPath;
use crate::domain::duration::rounded_down;
use crate::domain::social::ProviderName;
use crate::domain::user::User;
use crate::http::admin::samples;
use crate::http::admin::zone::{AdminPath, SteppedUp, Superuser};
use crate::http::context::Http;
use crate::http::pages::Page;
use crate::http::web::checked::Checked;
use crate::http::web::page_error::{PageError, PageResult};
use crate::issuer::admin::users::UserDetails;
use crate::issuer::users::{SetTemporaryPassword, UserChange};
use crate::issuer::{Caller, Issuer, keys};

/// An action on a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UserAction {
    Disable,
    EndSessions,
    SetPassword,
    SetRights,
    Unlink,
    Delete,
}

impl UserAction {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Disable, "disable"),
        (Self::EndSessions, "end-sessions"),
        (Self::SetPassword, "password"),
        (Self::SetRights, "rights"),
        (Self::Unlink, "unlink"),
        (Self::Delete, "delete"),
    ];

    /// The action that the last segment of the path names.
    fn of(uri: &Uri) -> Result<Self, PageError> {
        let name = uri.path().rsplit('/').next().unwrap_or_default();
        Self::ALL.iter().find(|(_, segment)| *segment == name).map(|(action, _)| *action).ok_or(PageError::NOT_FOUND)
    }

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(action, _)| *action == self).map_or("", |(_, name)| name)
    }

    /// The beginning of the page's title, which the user name follows, and the label of the button.
    fn title_and_button(self) -> [&'static str; 2] {
        match self {
            Self::Disable => ["Disable", "Disable this user"],
            Self::EndSessions => ["End all sessions of", "End all sessions"],
            Self::SetPassword => ["Set a temporary password for", "Set a temporary password"],
            Self::SetRights => ["Rights of", "Save the rights"],
            Self::Unlink => ["Unlink the provider accounts of", "Unlink all provider accounts"],
            Self::Delete => ["Delete", "Delete this user permanently"],
        }
    }

    /// The consequences, one sentence each.
    fn consequences(self, issuer: &Issuer, details: &UserDetails, is_self: bool) -> Vec<String> {
        let sessions = match details.sessions.len() {
            0 => "No session is open.".to_owned(),
            1 => "1 session ends now. Its refresh token becomes invalid.".to_owned(),
            n => format!("{n} sessions end now. Their refresh tokens become invalid."),
        };
        let access = format!(
            "Access tokens that were already issued cannot be revoked. The last of them expires within {}.",
            rounded_down(keys::policy(issuer).longest_access)
        );
        let linked: Vec<&str> = details.linked.iter().map(ProviderName::as_str).collect();
        let linked = match linked.as_slice() {
            [] => "No account at a provider is linked.".to_owned(),
            names => format!("Linked accounts: {}.", names.join(", ")),
        };
        let sentences: &[&str] = match self {
            Self::Disable => &[
                "The user can no longer sign in with a password or a provider until an operator enables the account.",
                &sessions,
                &access,
            ],
            Self::EndSessions => {
                &[&sessions, &access, "The user can sign in again immediately. To prevent this, disable the user."]
            }
            Self::SetPassword => &[
                "The current password becomes invalid.",
                "The temporary password is shown to you once. Tokens issued after a sign-in with it state that the password must be changed.",
                &sessions,
                &access,
            ],
            Self::SetRights => &[
                "A superuser can change every user (including you), every setting and every key in the admin zone.",
                "Staff is a flag of Django. It has no effect in Countersign.",
                "Tokens and sessions of applications do not change.",
            ],
            Self::Unlink => &[
                &linked,
                "They no longer open this account. If the user has no password, only a reset by e-mail opens it.",
                "Sessions that were opened with a provider stay open. To end them, end all sessions.",
            ],
            Self::Delete => &[
                "The account, its sessions, known addresses and linked providers are deleted. This cannot be undone.",
                &access,
                "Other systems keep the data that they store under the user's id or `sub` claim. The audit log keeps its entries.",
                "To lock the user out temporarily, disable the user instead.",
            ],
        };
        let warning =
            is_self.then_some("This is your own account. You may have to sign in again, or you may lose access.");
        sentences.iter().copied().chain(warning).map(str::to_owned).collect()
    }

    /// Whether the action could remove the last active superuser.
    fn is_last_superuser(self, details: &UserDetails) -> bool {
        details.is_last_superuser && matches!(self, Self::Disable | Self::Delete | Self::SetRights)
    }
}

pub(super) async fn page(State(http): State<Http>, uri: Uri, superuser: Superuser, user_path: UserPath) -> PageResult {
    let action = UserAction::of(&uri)?;
    let details = user_path.details(&http).await?;
    Ok(superuser.show(&http, StatusCode::OK, &ConfirmUserActionPage::of(action, &http.issuer, details, &superuser)))
}

pub(super) async fn perform(
    State(http): State<Http>,
    from: Caller,
    uri: Uri,
    user_path: UserPath,
    Checked { sender, mut form }: Checked<SteppedUp>,
) -> PageResult {
    let action = UserAction::of(&uri)?;
    let details = user_path.details(&http).await?;
    let superuser = sender.signed_in();
    let by = superuser.operator(from);
    let name = details.user.username.to_string();
    let (change, message) = match action {
        UserAction::SetPassword => {
            let password = SetTemporaryPassword { user: user_path.0, by }.run(&http.issuer).await?;
            let page = TemporaryPasswordPage { id: user_path.0, name, password, is_new: false };
            return Ok(superuser.show(&http, StatusCode::OK, &page));
        }
        UserAction::Delete if form.text_or_empty("name") != name => {
            let error = "The user name does not match. Nothing was deleted.";
            let page =
                ConfirmUserActionPage { error, ..ConfirmUserActionPage::of(action, &http.issuer, details, superuser) };
            return Ok(superuser.show(&http, StatusCode::BAD_REQUEST, &page));
        }
        UserAction::Delete => (UserChange::Delete, format!("The user {name} was deleted.")),
        UserAction::Disable => (UserChange::Disable, "The user was disabled.".to_owned()),
        UserAction::EndSessions => (UserChange::EndSessions, "All sessions were ended.".to_owned()),
        UserAction::Unlink => (UserChange::Unlink(None), "All provider accounts were unlinked.".to_owned()),
        UserAction::SetRights => {
            let mut is_ticked = |name| form.text_or_empty(name) == "on";
            let is_staff = is_ticked("is_staff");
            let is_superuser = is_ticked("is_superuser");
            (UserChange::SetRights { is_staff, is_superuser }, "The rights were saved.".to_owned())
        }
    };
    change.run_as(&by, user_path.0, &http.issuer).await?;
    let next = if action == UserAction::Delete { AdminPath::fixed("/admin/users") } else { user_path.page() };
    Ok(superuser.redirect_with_flash(&http, &next, &message))
}

/// The confirmation page: the consequences, and the form that carries the action out.
pub struct ConfirmUserActionPage {
    action: UserAction,
    user: User,
    consequences: Vec<String>,
    is_last: bool,
    error: &'static str,
}

impl ConfirmUserActionPage {
    fn of(action: UserAction, issuer: &Issuer, details: UserDetails, superuser: &Superuser) -> Self {
        let is_self = superuser.session().user().id == details.user.id;
        let consequences = action.consequences(issuer, &details, is_self);
        Self { action, consequences, is_last: action.is_last_superuser(&details), user: details.user, error: "" }
    }
}

impl Page for ConfirmUserActionPage {
    const TEMPLATE: &'static str = "admin/user_confirm.html";

    fn context(&self) -> Value {
        let Self { action, user, consequences, is_last, error } = self;
        let [title, button] = action.title_and_button();
        context! {
            action => action.name(),
            title,
            button,
            consequences,
            is_last,
            error => *error,
            id => user.id.0,
            username => user.username.as_str(),
            is_staff => user.is_staff,
            is_superuser => user.is_superuser,
        }
    }

    fn samples() -> Vec<Self> {
        let page = |(action, _), is_last| Self {
            action,
            user: samples::user(),
            consequences: vec!["<b>anna</b> is deleted.".to_owned()],
            is_last,
            error: "The user name does not match.",
        };
        UserAction::ALL.into_iter().flat_map(|action| [page(action, true), page(action, false)]).collect()
    }
}
