//! The page that offers the providers, and what it says when a sign-in at one did not work.

use minijinja::context;
use minijinja::value::Value;

use super::Page;

/// What it shows; `page.view` in the template.
#[derive(Debug)]
pub enum SocialPage {
    /// The providers.
    Offered {
        /// The path of each with a slash at its end, and its name for people.
        providers: Vec<(String, String)>,
    },
    /// It did not work.
    Refused {
        /// Why, in a sentence.
        problem: String,
        /// How to go on.
        again: RetryAction,
    },
}

/// How whoever was refused goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RetryAction {
    /// By following a link.
    Link(String),
    /// By sending a form: what it leads to changes the account of whoever is signed in, and no link may do that.
    Form(String),
    /// Not at all; they go back to where they came from.
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
        let refused = |again| Self::Refused { problem: "The provider can't be reached.".to_owned(), again };
        vec![
            Self::Offered { providers: vec![provider("/google/", "Google"), provider("/work/", "<b>Work</b>")] },
            Self::Offered { providers: Vec::new() },
            refused(RetryAction::Link("/google/".to_owned())),
            refused(RetryAction::Form("/google/".to_owned())),
            refused(RetryAction::Back("/welcome".to_owned())),
        ]
    }
}
