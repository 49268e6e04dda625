//! The page that shows a temporary password, after a user was created and after an operator set the password.

use minijinja::context;
use minijinja::value::Value;

use crate::domain::id::UserId;
use crate::domain::password::Password;
use crate::http::pages::Page;

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
