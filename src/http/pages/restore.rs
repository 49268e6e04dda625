//! The page a restore link leads to.

use minijinja::context;
use minijinja::value::Value;

use super::Page;

/// What it shows; `page.view` in the template. It holds the link's token: there is no `Debug`.
pub enum RestorePage {
    /// A form for the new password. Shown for any token of the right shape: whether it is good is told when it is used.
    Form {
        /// The path the form is posted to: without a query, so that no log on the way sees the token.
        action: String,
        /// What the link carried.
        token: String,
        /// The least number of characters in a password, for the browser to ask for.
        min_length: usize,
        /// What was wrong with the last try.
        problem: Option<String>,
    },
    /// The password is set.
    Done,
    /// A mail with a link is on its way, if anybody has the address.
    Sent,
    /// It did not work, and this page can't help.
    Refused {
        /// Why, in a sentence or two.
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
        let wrong = "The passwords are not the same.";
        vec![form(None), form(Some(wrong)), Self::Done, Self::Sent, Self::Refused { problem: wrong.to_owned() }]
    }
}
