//! The page behind a restore link, which sets a new password.

use minijinja::context;
use minijinja::value::Value;

use super::{Page, PageSet, Pages};

/// The template and the samples of the page.
pub const PAGES: PageSet = PageSet {
    templates: &[("restore.html", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/pages/restore.html")))],
    render_samples: Pages::render_samples::<RestorePage>,
};

/// The views of the page: `page.view` in the template. The type has no `Debug`, because it contains the token of the
/// link.
pub enum RestorePage {
    /// The form for the new password. It is shown for every well-formed token, which is verified when the form is sent.
    Form {
        /// The path to which the form is posted. It has no query: the browser sends the token in the body, so that the
        /// URL in the log of a proxy does not contain it.
        action: String,
        /// The token of the link.
        token: String,
        /// The minimum length of a password, which the browser checks.
        min_length: usize,
        /// What was wrong with the last attempt.
        problem: Option<String>,
    },
    /// The new password was set.
    Done,
    /// The request was accepted. An e-mail with a link is sent if an account has the address.
    Sent,
    /// No password was changed and no e-mail was requested, and the user cannot retry on this page.
    Refused {
        /// The reason, in one or two sentences.
        problem: String,
    },
}

impl Page for RestorePage {
    const TEMPLATE: &'static str = "restore.html";

    fn context(&self) -> Value {
        match self {
            Self::Form { action, token, min_length, problem } => {
                context! { view => "form", action, token, min_length, problem }
            }
            Self::Done => context! { view => "done" },
            Self::Sent => context! { view => "sent" },
            Self::Refused { problem } => context! { view => "refused", problem },
        }
    }

    fn samples() -> Vec<Self> {
        let form = |problem: Option<&str>| Self::Form {
            action: "/restore".to_owned(),
            token: "<b>sample</b>".to_owned(),
            min_length: 8,
            problem: problem.map(str::to_owned),
        };
        let problem = "The passwords do not match.";
        vec![form(None), form(Some(problem)), Self::Done, Self::Sent, Self::Refused { problem: problem.to_owned() }]
    }
}
