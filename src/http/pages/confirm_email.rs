//! The page behind a confirmation link, which confirms an e-mail address.

use minijinja::context;
use minijinja::value::Value;

use super::{Page, PageSet, Pages};

/// The template and the samples of the page.
pub const PAGES: PageSet = PageSet {
    templates: &[(
        "confirm_email.html",
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/pages/confirm_email.html")),
    )],
    render_samples: Pages::render_samples::<ConfirmEmailPage>,
};

/// The views of the page: `page.view` in the template. The type has no `Debug`, because it contains the token of the
/// link.
pub enum ConfirmEmailPage {
    /// The form with the button. It is shown for every well-formed token, which is verified when the form is sent.
    Form {
        /// The path to which the form is posted. It has no query: the browser sends the token in the body, so that the
        /// URL in the log of a proxy does not contain it.
        action: String,
        /// The token of the link.
        token: String,
    },
    /// The address was confirmed.
    Done {
        /// The address.
        email: String,
        /// The user name of the account.
        username: String,
    },
    /// Nothing was changed.
    Refused {
        /// The reason, in one or two sentences.
        problem: String,
    },
}

impl Page for ConfirmEmailPage {
    const TEMPLATE: &'static str = "confirm_email.html";

    fn context(&self) -> Value {
        match self {
            Self::Form { action, token } => context! { view => "form", action, token },
            Self::Done { email, username } => context! { view => "done", email, username },
            Self::Refused { problem } => context! { view => "refused", problem },
        }
    }

    fn samples() -> Vec<Self> {
        vec![
            Self::Form { action: "/confirm-email".to_owned(), token: "<b>sample</b>".to_owned() },
            Self::Done { email: "\"<b>\"@example.com".to_owned(), username: "<b>anna".to_owned() },
            Self::Refused { problem: "The link has expired.".to_owned() },
        ]
    }
}
