//! The user name of an account that is created by a sign-in with a provider: derived from the identity, valid and
//! unused.

use super::super::user::{Email, USERNAME_MAX, Username};
use super::SocialIdentity;

/// The greatest number that is tried as a suffix. After it, a random suffix is tried.
const NUMBER_MAX: u32 = 9;
/// The number of characters reserved for a suffix.
const SUFFIX_MAX: usize = 16;
/// The user name if the provider reports nothing that can become a user name.
const FALLBACK_NAME: &str = "user";
/// The characters that NFKC maps to `@`, and so to the part of an address.
const AT_SIGNS: [char; 3] = ['@', '\u{fe6b}', '\u{ff20}'];

/// The names to try for a new account, in order of preference.
///
/// The base is the provider's user name, else the full name, else the part of the address before the `@`, else `user`.
/// A source from which no valid name can be made is skipped. The base comes first, then the base with the numbers 2 to
/// 9, then the base with `random` as suffix, which is almost certainly unused.
pub fn usernames(identity: &SocialIdentity, random: u32) -> Vec<Username> {
    let full_name = format!("{} {}", identity.first_name, identity.last_name);
    let sources = [identity.username.as_deref(), Some(&full_name), identity.email.as_ref().map(Email::as_str)];
    let base = sources.into_iter().flatten().find_map(to_valid_name).unwrap_or_else(|| FALLBACK_NAME.to_owned());
    let suffixes = (2..=NUMBER_MAX).map(|number| format!("-{number}")).chain([format!("-{random:08x}")]);
    let names = std::iter::once(base.clone()).chain(suffixes.map(|suffix| format!("{base}{suffix}")));
    let valid = names.filter_map(|name| Username::parse(&name).ok());
    valid.filter(|name| name.check_against_email(None).is_ok()).collect()
}

/// Makes a valid user name from a text, if possible. Drops everything from the first at sign, because a name must not be
/// an address. Drops characters that no user name may contain. Cuts the name so that a suffix fits.
fn to_valid_name(text: &str) -> Option<String> {
    let before_at = text.split(AT_SIGNS).next().unwrap_or_default();
    let printable = before_at.chars().filter(|c| !is_forbidden(*c)).take(USERNAME_MAX - SUFFIX_MAX).collect::<String>();
    let name = printable.split_whitespace().collect::<Vec<_>>().join(" ");
    // The name must also be valid with a suffix, because its normalised form may be longer than the name.
    Username::parse(&format!("{name}-ffffffff")).ok()?;
    Username::parse(&name).ok().map(|name| name.as_str().to_owned())
}

/// Whether no user name may contain the character.
fn is_forbidden(c: char) -> bool {
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
            (Some("victim\u{ff20}example.com"), "", "", "victim"),
            (Some("\u{fe6b}example.com"), "victim\u{ff20}example\u{ff0e}com", "", "victim"),
            (Some("a\u{0}b\u{202e}c   d "), "", "", "abc d"),
        ] {
            assert_eq!(names(login, first, last)[0], name, "{login:?} {first} {last}");
        }
    }

    #[test]
    fn every_at_sign_is_known() {
        use unicode_normalization::UnicodeNormalization as _;
        let at_signs: Vec<char> = (char::MIN..=char::MAX).filter(|c| c.nfkc().any(|c| c == '@')).collect();
        assert_eq!(at_signs, AT_SIGNS);
    }

    #[test]
    fn a_taken_user_name_gets_a_suffix_within_the_length_limit() {
        let all = names(Some("ann"), "", "");
        assert_eq!(all[..3], ["ann", "ann-2", "ann-3"]);
        assert_eq!((all.len(), all[9].as_str()), (10, "ann-00c0ffee"));
        for long in ["x".repeat(500), "\u{fdfa}".repeat(60)] {
            let all = names(Some(&long), "", "");
            assert_eq!(all.len(), 10, "every candidate is valid: {}", all[0]);
        }
        let nameless = SocialIdentity { email: None, ..identity(false) };
        assert_eq!(usernames(&nameless, 1)[0].as_str(), "user");
    }
}
