//! The page that offers the providers, and the page for a failed sign-in with a provider.

use minijinja::context;
use minijinja::value::Value;

use super::Page;

/// The views of the page: `page.view` in the template.
#[derive(Debug)]
pub enum SocialPage {
    /// The list of providers.
    Offered {
        /// The path of each provider with a trailing slash, and its display name.
        providers: Vec<(String, String)>,
    },
    /// The sign-in failed.
    Refused {
        /// The reason, in one sentence.
        problem: String,
        /// How the user can continue.
        again: RetryAction,
    },
}

/// How the user continues after a failed sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RetryAction {
    /// With a link, to the same provider or to the list of providers.
    Link(String),
    /// With a form. Linking a provider changes the account of the signed-in user, which a link must not be able to do.
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
            Self::Refused { problem, again } => {
                let (way, again) = match again {
                    RetryAction::Link(to) => ("link", to),
                    RetryAction::Form(to) => ("form", to),
                    RetryAction::Back(to) => ("back", to),
                };
                context! { view => "refused", problem, way, again }
            }
        }
    }

    fn has_cross_site_form(&self) -> bool {
        matches!(self, Self::Refused { again: RetryAction::Form(_), .. })
    }

    fn samples() -> Vec<Self> {
        let provider = |path: &str, label: &str| (path.to_owned(), label.to_owned());
        let refused = |again| Self::Refused { problem: "The provider cannot be reached.".to_owned(), again };
        vec![
            Self::Offered { providers: vec![provider("/google/", "Google"), provider("/work/", "<b>Work</b>")] },
            Self::Offered { providers: Vec::new() },
            refused(RetryAction::Link("/google/".to_owned())),
            refused(RetryAction::Form("/google/".to_owned())),
            refused(RetryAction::Back("/welcome".to_owned())),
        ]
    }
}
