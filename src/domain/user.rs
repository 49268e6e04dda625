//! Who can sign in.

use std::fmt;

use email_address::{EmailAddress, Options};
use unicode_normalization::UnicodeNormalization;

use super::claims::Claims;
use super::field::FieldProblem;
use super::id::{Subject, UserId};
use super::password::PasswordHash;
use super::time::Timestamp;

/// The greatest number of characters in a user name.
pub const USERNAME_MAX: usize = 150;
/// The greatest number of characters in an e-mail address (RFC 5321 §4.5.3.1.3, less the brackets).
pub const EMAIL_MAX: usize = 254;

/// The greatest number of characters in what is looked up at a sign-in.
const LOGIN_MAX: usize = 2 * EMAIL_MAX;

/// A user as the database knows it.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "four independent facts about a person")]
pub struct User {
    /// The integer id other systems hold.
    pub id: UserId,
    /// The UUID tokens carry.
    pub sub: Subject,
    /// The name to sign in with.
    pub username: Username,
    /// Where mails go, and another name to sign in with.
    pub email: Option<Email>,
    /// Whether somebody proved that the address is theirs.
    pub email_verified: bool,
    /// Given name; may be empty.
    pub first_name: String,
    /// Family name; may be empty.
    pub last_name: String,
    /// None: no password opens this account (one made by a provider's sign-in).
    pub password: Option<PasswordHash>,
    /// Set while the password is a temporary one.
    pub must_change_password: bool,
    /// A user that is not active can neither sign in nor refresh.
    pub is_active: bool,
    /// Django's flag, kept for those who move over; it means nothing here.
    pub is_staff: bool,
    /// May enter the admin zone.
    pub is_superuser: bool,
    /// What the user's tokens carry besides.
    pub claims: Claims,
    /// When the account was made.
    pub date_joined: Timestamp,
    /// When the last session was opened.
    pub last_login: Option<Timestamp>,
}

/// A user about to be made; the database gives the id unless one is wanted. [`NewUser::new`] has the usual rest.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about a person")]
pub struct NewUser {
    /// A particular id (an import's); None for the next free one.
    pub id: Option<UserId>,
    /// The UUID tokens will carry.
    pub sub: Subject,
    /// The name to sign in with.
    pub username: Username,
    /// Where mails go.
    pub email: Option<Email>,
    /// See [`User::email_verified`].
    pub email_verified: bool,
    /// See [`User::first_name`].
    pub first_name: String,
    /// See [`User::last_name`].
    pub last_name: String,
    /// See [`User::password`].
    pub password: Option<PasswordHash>,
    /// See [`User::must_change_password`].
    pub must_change_password: bool,
    /// See [`User::is_active`].
    pub is_active: bool,
    /// See [`User::is_staff`].
    pub is_staff: bool,
    /// May enter the admin zone.
    pub is_superuser: bool,
    /// See [`User::claims`].
    pub claims: Claims,
    /// When the account was made.
    pub date_joined: Timestamp,
    /// See [`User::last_login`].
    pub last_login: Option<Timestamp>,
}

impl NewUser {
    /// An active user who joined at that time, without address, password, claims or rights.
    pub fn new(sub: Subject, username: Username, date_joined: Timestamp) -> Self {
        Self {
            id: None,
            sub,
            username,
            email: None,
            email_verified: false,
            first_name: String::new(),
            last_name: String::new(),
            password: None,
            must_change_password: false,
            is_active: true,
            is_staff: false,
            is_superuser: false,
            claims: Claims::default(),
            date_joined,
            last_login: None,
        }
    }
}

/// A user name: 1 to [`USERNAME_MAX`] characters, no control characters, no space at its ends. Equality is that of [`Username::key`].
#[derive(Clone, Debug)]
pub struct Username(String);

impl Username {
    /// Checks a name somebody chose.
    pub fn parse(text: &str) -> Result<Self, FieldProblem> {
        if text.trim().is_empty() {
            return Err(FieldProblem::Blank);
        }
        // Its key may be longer than it is, and is what it is looked up by.
        if text.chars().count() > USERNAME_MAX || normalise(text).chars().count() > LOGIN_MAX {
            return Err(FieldProblem::TooLong { max: USERNAME_MAX });
        }
        if text.trim() != text || text.chars().any(is_unprintable) {
            return Err(FieldProblem::Unprintable);
        }
        Ok(Self(text.to_owned()))
    }

    /// Wraps what the store kept: what was once let in stays readable, whatever the rules become.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// Refuses a name that is an address of somebody else's: its owner could not have it as theirs any more.
    pub fn check_against_email(&self, email: Option<&Email>) -> Result<(), FieldProblem> {
        let own = email.is_some_and(|email| email.key() == self.key());
        if own || Email::parse(&self.0).is_err() { Ok(()) } else { Err(FieldProblem::AnothersEmail) }
    }

    /// The name as its owner wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What must be unique.
    pub fn key(&self) -> String {
        normalise(&self.0)
    }
}

/// A given or family name, which may be empty: at most [`USERNAME_MAX`] characters, of none that can't be seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RealName(String);

impl RealName {
    /// Checks a name somebody gave; white space at its ends is dropped.
    pub fn parse(text: &str) -> Result<Self, FieldProblem> {
        let text = text.trim();
        if text.chars().count() > USERNAME_MAX {
            return Err(FieldProblem::TooLong { max: USERNAME_MAX });
        }
        if text.chars().any(is_unprintable) { Err(FieldProblem::Unprintable) } else { Ok(Self(text.to_owned())) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An e-mail address (RFC 5321 mailbox, no display name, no domain literal). Equality is that of [`Email::key`].
#[derive(Clone, Debug)]
pub struct Email(String);

impl Email {
    /// Checks an address somebody gave.
    pub fn parse(text: &str) -> Result<Self, FieldProblem> {
        if text.trim().is_empty() {
            return Err(FieldProblem::Blank);
        }
        if text.chars().count() > EMAIL_MAX {
            return Err(FieldProblem::TooLong { max: EMAIL_MAX });
        }
        let options = Options::default().without_display_text().without_domain_literal().with_required_tld();
        if text.chars().any(char::is_control) || EmailAddress::parse_with_options(text, options).is_err() {
            return Err(FieldProblem::NotAnEmail);
        }
        Ok(Self(text.to_owned()))
    }

    /// Wraps what the store kept: what was once let in stays readable, whatever the rules become.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The address as its owner wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What must be unique.
    pub fn key(&self) -> String {
        normalise(&self.0)
    }
}

macro_rules! compared_by_key {
    ($($name:ty),*) => {$(
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.key() == other.key()
            }
        }
        impl Eq for $name {}
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    )*};
}
compared_by_key!(Username, Email);

/// What somebody typed to say who they are: a user name or an e-mail address, not yet known to be either.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Login {
    key: String,
}

impl Login {
    /// Takes anything: what names nobody finds nobody.
    pub fn new(text: &str) -> Self {
        // A name longer than any stored one finds nobody; cutting it bounds what is compared and counted.
        Self { key: normalise(text).chars().take(LOGIN_MAX).collect() }
    }

    /// The spelling-independent form that user names and addresses are looked up by.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Whether it is looked up among the addresses first, so that nobody can stand in front of an address's owner by
    /// taking it as a user name.
    pub fn looks_like_email(&self) -> bool {
        self.key.contains('@')
    }
}

/// Control characters, and those of no shape that make two names look the same (Unicode's `Cf` as far as it is used so).
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// One form for all spellings: NFKC, lower case.
fn normalise(text: &str) -> String {
    text.nfkc().flat_map(char::to_lowercase).nfkc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_are_unique_ignoring_case() {
        assert_eq!(Username::parse("Ann"), Username::parse("aNN"));
        assert_eq!(Username::parse("ﬁne"), Username::parse("FINE"));
        assert_ne!(Username::parse("Ann"), Username::parse("Anne"));
        assert_eq!(Username::parse("John Smith").map(|name| name.to_string()), Ok("John Smith".to_owned()));
    }

    #[test]
    fn invalid_names_are_rejected() {
        assert_eq!(Username::parse(" "), Err(FieldProblem::Blank));
        assert_eq!(Username::parse("a\nb"), Err(FieldProblem::Unprintable));
        assert_eq!(Username::parse(" ann"), Err(FieldProblem::Unprintable));
        assert_eq!(Username::parse("ann\u{200b}"), Err(FieldProblem::Unprintable));
        assert!(Username::parse(&"é".repeat(150)).is_ok());
        assert_eq!(
            Username::parse(&"\u{fdfa}".repeat(60)),
            Err(FieldProblem::TooLong { max: 150 }),
            "its key is 1080 long"
        );
        assert_eq!(Username::parse(&"é".repeat(151)), Err(FieldProblem::TooLong { max: 150 }));
    }

    #[test]
    fn real_names_may_be_empty_and_of_any_script() {
        for (given, kept) in [("", ""), (" Ann ", "Ann"), ("O'Hara-Łęcka", "O'Hara-Łęcka"), ("李", "李")] {
            assert_eq!(RealName::parse(given).map(|name| name.0), Ok(kept.to_owned()));
        }
        assert_eq!(RealName::parse("a\u{202e}b"), Err(FieldProblem::Unprintable));
        assert_eq!(RealName::parse(&"é".repeat(151)), Err(FieldProblem::TooLong { max: 150 }));
    }

    #[test]
    fn email_addresses_are_validated_by_a_parser() {
        for good in ["ann@example.com", "a.b+c@sub.example.org", "\"odd name\"@example.com"] {
            assert!(Email::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "ann",
            "ann@",
            "@example.com",
            "a b@example.com",
            "Ann <ann@example.com>",
            "a@b@c.com",
            "ann@example.com\r\nBcc: x@y.z",
        ] {
            assert_eq!(Email::parse(bad), Err(FieldProblem::NotAnEmail), "{bad}");
        }
        assert_eq!(Email::parse("ANN@example.COM"), Email::parse("ann@example.com"));
    }
}
