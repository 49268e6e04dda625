//! The form for a new user, and the page that shows a temporary password.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use minijinja::context;
use minijinja::value::Value;

use super::forms::{FormField, NameForm};
use crate::domain::id::UserId;
use crate::domain::password::Password;
use crate::http::admin::PageResult;
use crate::http::admin::guard::{Checked, Superuser};
use crate::http::context::Http;
use crate::http::pages::Page;
use crate::issuer::Caller;
use crate::issuer::admin::users::CreateUser;

pub(super) async fn page(State(http): State<Http>, superuser: Superuser) -> Response {
    superuser.show(&http, StatusCode::OK, &NewUserPage { form: NameForm::default() })
}

pub(super) async fn create(
    State(http): State<Http>,
    from: Caller,
    Checked { sender, mut form }: Checked<Superuser>,
) -> PageResult {
    let mut form = NameForm::read(&mut form);
    if let Some((username, email)) = form.parse() {
        let name = username.to_string();
        match (CreateUser { username, email, by: sender.operator(from) }).run(&http.issuer).await {
            Ok((id, password)) => {
                return Ok(sender.show(
                    &http,
                    StatusCode::OK,
                    &TemporaryPasswordPage { id, name, password, is_new: true },
                ));
            }
            Err(refusal) => form.assign_refusal(refusal)?,
        }
    }
    Ok(sender.show(&http, StatusCode::BAD_REQUEST, &NewUserPage { form }))
}

/// The form for a new user.
pub struct NewUserPage {
    form: NameForm,
}

impl Page for NewUserPage {
    const TEMPLATE: &'static str = "admin/user_new.html";

    fn context(&self) -> Value {
        self.form.context()
    }

    fn samples() -> Vec<Self> {
        let invalid = FormField { value: "<b>".to_owned(), error: "The user name is <b>taken</b>.".to_owned() };
        vec![Self { form: NameForm::default() }, Self { form: NameForm { username: invalid.clone(), email: invalid } }]
    }
}

/// The page that shows a temporary password once. It is the direct response to the form. A redirect would have to store
/// the password, for example in the cookie of the flash message.
pub struct TemporaryPasswordPage {
    /// The user.
    pub id: UserId,
    /// The user name.
    pub name: String,
    /// The temporary password.
    pub password: Password,
    /// Whether the account is new. Otherwise, the password replaced the password of an existing account.
    pub is_new: bool,
}

impl Page for TemporaryPasswordPage {
    const TEMPLATE: &'static str = "admin/user_password.html";

    fn context(&self) -> Value {
        let password = String::from_utf8_lossy(self.password.expose());
        context! { id => self.id.0, name => &self.name, password, is_new => self.is_new }
    }

    fn samples() -> Vec<Self> {
        let page = |is_new| Self {
            id: UserId(7),
            name: "<b>anna</b>".to_owned(),
            password: Password::new("0123456789abcdef".to_owned()),
            is_new,
        };
        vec![page(true), page(false)]
    }
}
