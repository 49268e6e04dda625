//! The form for a new user.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use minijinja::value::Value;

use super::forms::{FormField, NameForm};
use super::temporary_password::TemporaryPasswordPage;
use crate::http::admin::zone::Superuser;
use crate::http::context::Http;
use crate::http::pages::Page;
use crate::http::web::checked::Checked;
use crate::http::web::page_error::PageResult;
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
