//! The name of an account that is made on a provider's word: what the provider tells, made to fit and to be free.

use super::super::user::{Email, USERNAME_MAX, Username};
use super::SocialIdentity;

/// How many numbered names are tried before one that is all but surely free.
const NUMBERED: u32 = 9;
/// Room for what makes a taken name another.
const SUFFIX_MAX: usize = 16;
/// The name of somebody of whom the provider tells nothing that could be one.
const NAMELESS: &str = "user";

/// The names to try for a new account, best first: the provider's login, else the person's name, else what stands before
/// the `@`; then the same with a number; and last with `chance`, which nobody has.
pub fn usernames(identity: &SocialIdentity, random: u32) -> Vec<Username> {
    let full_name = format!("{} {}", identity.first_name, identity.last_name);
    let told = [identity.username.as_deref(), Some(&full_name), identity.email.as_ref().map(Email::as_str)];
    let base = told.into_iter().flatten().find_map(made_valid).unwrap_or_else(|| NAMELESS.to_owned());
    let suffixes = (2..=NUMBERED).map(|number| format!("-{number}")).chain([format!("-{random:08x}")]);
    let names = std::iter::once(base.clone()).chain(suffixes.map(|suffix| format!("{base}{suffix}")));
    names.filter_map(|name| Username::parse(&name).ok()).collect()
}

/// What can be a user name of a text from elsewhere: no more than stands before an `@` (a name must not be an address),
/// without what has no shape, short enough for a suffix.
fn made_valid(text: &str) -> Option<String> {
    let before_at = text.split('@').next().unwrap_or_default();
    let printable = before_at.chars().filter(|c| !is_odd(*c)).take(USERNAME_MAX - SUFFIX_MAX).collect::<String>();
    let name = printable.split_whitespace().collect::<Vec<_>>().join(" ");
    // With a suffix it must be a name too: its folded form may be longer than it is.
    Username::parse(&format!("{name}-ffffffff")).ok()?;
    Username::parse(&name).ok().map(|name| name.as_str().to_owned())
}

/// Whether no user name may hold it.
fn is_odd(c: char) -> bool {
    !c.is_whitespace() && Username::parse(&format!("a{c}a")).is_err()
}

#[cfg(test)]
mod tests {
    use super::super::tests::identity;
    use super::*;

    fn names(login: Option<&str>, first: &str, last: &str) -> Vec<String> {
        let username = login.map(str::to_owned);
        let first_name = first.to_owned();
        let last_name = last.to_owned();
        let identity = SocialIdentity { username, first_name, last_name, ..identity(false) };
        usernames(&identity, 0x00c0_ffee).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn user_names_are_derived_from_the_provider_identity() {
        for (login, first, last, name) in [
            (Some("octo-ann"), "Ann", "Lee", "octo-ann"),
            (None, "Ann", "Lee", "Ann Lee"),
            (None, "", "Lee", "Lee"),
            (None, "", "", "ann"),
            (Some(" \u{200b}\n "), "", "", "ann"),
            (Some("bob@example.com"), "", "", "bob"),
            (Some("@example.com"), "Ann", "", "Ann"),
            (Some("a\u{0}b\u{202e}c   d "), "", "", "abc d"),
        ] {
            assert_eq!(names(login, first, last)[0], name, "{login:?} {first} {last}");
        }
    }

    #[test]
    fn a_taken_user_name_gets_a_suffix_within_the_length_limit() {
        let all = names(Some("ann"), "", "");
        assert_eq!(all[..3], ["ann", "ann-2", "ann-3"]);
        assert_eq!((all.len(), all[9].as_str()), (10, "ann-00c0ffee"));
        for long in ["x".repeat(500), "\u{fdfa}".repeat(60)] {
            let all = names(Some(&long), "", "");
            assert_eq!(all.len(), 10, "every one of them is a name: {}", all[0]);
        }
        let nameless = SocialIdentity { email: None, ..identity(false) };
        assert_eq!(usernames(&nameless, 1)[0].as_str(), "user");
    }
}
