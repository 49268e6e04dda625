//! The page with the list of providers, and the page for a failed sign-in or link with a provider.

use minijinja::context;
use minijinja::value::Value;

use super::{Page, PageSet, Pages};

/// The template and the samples of the page.
pub const PAGES: PageSet = PageSet {
    templates: &[("social.html", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/pages/social.html")))],
    render_samples: Pages::render_samples::<SocialPage>,
};

/// The views of the page: `page.view` in the template.
#[derive(Debug)]
pub enum SocialPage {
    /// The list of providers.
    Offered {
        /// The path of each provider with a trailing slash, and its display name.
        providers: Vec<(String, String)>,
    },
    /// The sign-in or the link failed.
    Refused {
        /// The reason, in one sentence.
        problem: String,
        /// How the user can continue.
        retry: RetryAction,
    },
}

/// How the user continues after a failed sign-in or link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RetryAction {
    /// The user follows a link to the same provider or to the list of providers.
    Link(String),
    /// The user sends a form, which starts linking a provider account to the signed-in user. A hyperlink must not do
    /// this, because a page of another origin could contain it.
    Form(String),
    /// A retry is not possible. A link leads back to the application.
    Back(String),
}

impl Page for SocialPage {
    const TEMPLATE: &'static str = "social.html";

    fn context(&self) -> Value {
        match self {
            Self::Offered { providers } => {
                let offered = providers.iter().map(|(path, label)| context! { path, label }).collect::<Vec<_>>();
                context! { view => "offered", providers => offered }
            }
            Self::Refused { problem, retry } => {
                let (action, url) = match retry {
                    RetryAction::Link(url) => ("link", url),
                    RetryAction::Form(url) => ("form", url),
                    RetryAction::Back(url) => ("back", url),
                };
                context! { view => "refused", problem, action, url }
            }
        }
    }

    fn has_cross_site_form(&self) -> bool {
        matches!(self, Self::Refused { retry: RetryAction::Form(_), .. })
    }

    fn samples() -> Vec<Self> {
        let provider = |path: &str, label: &str| (path.to_owned(), label.to_owned());
        let refused = |retry| Self::Refused { problem: "The provider cannot be reached.".to_owned(), retry };
        vec![
            Self::Offered { providers: vec![provider("/google/", "Google"), provider("/work/", "<b>Work</b>")] },
            Self::Offered { providers: Vec::new() },
            refused(RetryAction::Link("/google/".to_owned())),
            refused(RetryAction::Form("/google/".to_owned())),
            refused(RetryAction::Back("/welcome".to_owned())),
        ]
    }
}
