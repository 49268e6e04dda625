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
        /// Where to begin again.
        again: String,
    },
}

impl Page for SocialPage {
    const TEMPLATE: &'static str = "social.html";

    fn told(&self) -> Value {
        match self {
            Self::Offered { providers } => {
                let told = providers.iter().map(|(path, label)| context! { path, label }).collect::<Vec<_>>();
                context! { view => "offered", providers => told }
            }
            Self::Refused { problem, again } => context! { view => "refused", problem, again },
        }
    }

    fn samples() -> Vec<Self> {
        let provider = |path: &str, label: &str| (path.to_owned(), label.to_owned());
        vec![
            Self::Offered { providers: vec![provider("/google/", "Google"), provider("/work/", "<b>Work</b>")] },
            Self::Offered { providers: Vec::new() },
            Self::Refused { problem: "The provider can't be reached.".to_owned(), again: "/google/".to_owned() },
        ]
    }
}
