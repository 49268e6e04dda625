//! Users, and the rules for their names.

use std::time::Duration;

use super::characters::{is_ignorable, is_unprintable};
use super::claims::Claims;
use super::email::is_address_key;
pub use super::email::{EMAIL_MAX, Email};
use super::field::FieldProblem;
use super::id::{Subject, UserId};
use super::look_up_key::{compared_by_key, former_key, look_up_key};
use super::password::PasswordHash;
use super::time::Timestamp;

/// The maximum length of a user name in characters.
pub const USERNAME_MAX: usize = 150;

/// The maximum length, in characters, of the key by which a sign-in looks up a user.
const LOGIN_MAX: usize = 2 * EMAIL_MAX;

/// A user as stored in the database.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent properties of a user")]
pub struct User {
    /// The integer id, which other systems store.
    pub id: UserId,
    /// The UUID in tokens.
    pub sub: Subject,
    /// The user name.
    pub username: Username,
    /// False if the user registered without a user name and has not chosen one. `username` is then the address.
    pub has_username: bool,
    /// The e-mail address. The user can also sign in with it.
    pub email: Option<Email>,
    /// Whether the user has proved ownership of the address.
    pub email_verified: bool,
    /// Given name; may be empty.
    pub first_name: String,
    /// Family name; may be empty.
    pub last_name: String,
    /// The password hash. `None` if the user has no password, for example because a sign-in with a provider created the
    /// account.
    pub password: Option<PasswordHash>,
    /// When the temporary password was set. `None` if the password is not temporary.
    pub temporary_since: Option<Timestamp>,
    /// False for a disabled user, who can neither sign in nor refresh.
    pub is_active: bool,
    /// Django's flag, kept for migrated projects. Countersign does not use it.
    pub is_staff: bool,
    /// Whether the user may use the admin zone.
    pub is_superuser: bool,
    /// The user's own claims, which are added to the user's tokens.
    pub claims: Claims,
    /// When the account was created.
    pub date_joined: Timestamp,
    /// When the last session was opened.
    pub last_login: Option<Timestamp>,
}

impl User {
    /// Whether the password is temporary, so that the user must change it.
    pub fn must_change_password(&self) -> bool {
        self.temporary_since.is_some()
    }

    /// Whether the password is a temporary one that has expired. It is then a wrong password.
    pub fn has_expired_password(&self, now: Timestamp, temporary_lifetime: Duration) -> bool {
        self.temporary_since.is_some_and(|since| now >= since + temporary_lifetime)
    }

    /// The user name in tokens and API responses. Empty if the user has none.
    pub fn shown_username(&self) -> &str {
        if self.has_username { self.username.as_str() } else { "" }
    }
}

/// A user to be created. [`NewUser::new`] sets the defaults.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent properties of a user")]
pub struct NewUser {
    /// The id from an import. `None` means the next free id.
    pub id: Option<UserId>,
    /// The UUID in tokens.
    pub sub: Subject,
    /// The user name.
    pub username: Username,
    /// See [`User::has_username`].
    pub has_username: bool,
    /// The e-mail address.
    pub email: Option<Email>,
    /// See [`User::email_verified`].
    pub email_verified: bool,
    /// See [`User::first_name`].
    pub first_name: String,
    /// See [`User::last_name`].
    pub last_name: String,
    /// See [`User::password`].
    pub password: Option<PasswordHash>,
    /// See [`User::temporary_since`].
    pub temporary_since: Option<Timestamp>,
    /// See [`User::is_active`].
    pub is_active: bool,
    /// See [`User::is_staff`].
    pub is_staff: bool,
    /// Whether the user may use the admin zone.
    pub is_superuser: bool,
    /// See [`User::claims`].
    pub claims: Claims,
    /// When the account was created.
    pub date_joined: Timestamp,
    /// See [`User::last_login`].
    pub last_login: Option<Timestamp>,
}

impl NewUser {
    /// An active user who joined at `date_joined`, without address, password, claims and rights.
    pub fn new(sub: Subject, username: Username, date_joined: Timestamp) -> Self {
        Self {
            id: None,
            sub,
            username,
            has_username: true,
            email: None,
            email_verified: false,
            first_name: String::new(),
            last_name: String::new(),
            password: None,
            temporary_since: None,
            is_active: true,
            is_staff: false,
            is_superuser: false,
            claims: Claims::default(),
            date_joined,
            last_login: None,
        }
    }
}

/// A user name: 1 to [`USERNAME_MAX`] characters, without control characters and invisible characters. Names are equal if
/// their [`Username::key`] is equal.
#[derive(Clone, Debug)]
pub struct Username(String);
compared_by_key!(Username);

impl Username {
    /// Parses and checks a user name. White space at both ends is dropped.
    pub fn parse(text: &str) -> Result<Self, FieldProblem> {
        let text = text.trim();
        if text.is_empty() {
            return Err(FieldProblem::Blank);
        }
        // The key, by which the name is looked up, may be longer than the name.
        if text.chars().count() > USERNAME_MAX || look_up_key(text).chars().count() > LOGIN_MAX {
            return Err(FieldProblem::TooLong { max: USERNAME_MAX });
        }
        if text.chars().any(|c| is_unprintable(c) || is_ignorable(c)) {
            return Err(FieldProblem::Unprintable);
        }
        Ok(Self(text.to_owned()))
    }

    /// Wraps a stored value. The rules are not applied, so that values accepted under earlier rules stay readable.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// Rejects a name that is an e-mail address other than the user's own, or has the key of one. Otherwise the owner of
    /// that address could no longer register it.
    pub fn check_against_email(&self, email: Option<&Email>) -> Result<(), FieldProblem> {
        let key = self.key();
        let is_own = email.is_some_and(|email| email.key() == key);
        if is_own || !is_address_key(&key) { Ok(()) } else { Err(FieldProblem::AnothersEmail) }
    }

    /// The name as the user wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The normalised form, which must be unique.
    pub fn key(&self) -> String {
        look_up_key(&self.0)
    }

    /// See [`former_key`].
    pub fn former_key(&self) -> Option<String> {
        former_key(&self.0)
    }
}

/// A given or family name: 0 to [`USERNAME_MAX`] characters, without control characters and invisible characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RealName(String);

impl RealName {
    /// Parses and checks a name. Leading and trailing white space is dropped.
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

/// The user name or e-mail address that a caller entered at a sign-in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Login {
    key: String,
    former_key: Option<String>,
}

impl Login {
    /// Accepts any text. White space at both ends is ignored.
    pub fn new(text: &str) -> Self {
        // No user name has a longer key, so a longer text matches no user name. Cutting it limits the size of the keys
        // that are compared and counted.
        let cut = |key: String| key.chars().take(LOGIN_MAX).collect();
        Self { key: cut(look_up_key(text)), former_key: former_key(text).map(cut) }
    }

    /// The normalised form, by which user names and addresses are looked up.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// See [`former_key`].
    pub fn former_key(&self) -> Option<&str> {
        self.former_key.as_deref()
    }

    /// Whether the text is looked up among e-mail addresses before user names. If it were not, a user could choose
    /// another user's address as user name, and the sign-ins with this address would find the wrong user.
    pub fn looks_like_email(&self) -> bool {
        self.key.contains('@')
    }
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
        for invisible in ["\u{200b}", "\u{3164}", "\u{fe0f}", "\u{34f}", "\u{e0100}"] {
            assert_eq!(Username::parse(&format!("ann{invisible}")), Err(FieldProblem::Unprintable), "{invisible:?}");
        }
        assert!(Username::parse(&"é".repeat(150)).is_ok());
        assert_eq!(
            Username::parse(&"\u{fdfa}".repeat(60)),
            Err(FieldProblem::TooLong { max: 150 }),
            "the key has 1080 characters"
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
    fn a_name_must_not_occupy_the_address_of_another_user() {
        let own = Email::parse("own@example.org").expect("a valid address");
        for occupying in [
            "victim@example.org",
            "VICTIM@example.ORG",
            "victim\u{ff20}example.org",
            "victim\u{fe6b}example.org",
            "victim@example\u{ff0e}org",
            "victim@example\u{3002}org",
            "victim@ex\u{ff41}mple.org",
            "vi\u{ff43}tim@example.org",
            "victim@m\u{fc}nchen.example",
            "victim\u{ff20}xn--mnchen-3ya.example",
            "νίκος@example.org",
            &format!("{}@example.org", "\u{130}".repeat(32)),
            &format!("v@{}.example", "\u{fc}".repeat(50)),
        ] {
            let name = Username::parse(occupying).expect("a valid name");
            assert_eq!(name.check_against_email(Some(&own)), Err(FieldProblem::AnothersEmail), "{occupying}");
            assert_eq!(name.check_against_email(None), Err(FieldProblem::AnothersEmail), "{occupying}");
        }
        for allowed in
            ["ann", "ann@home", "@ann", "own@example.org", "OWN\u{ff20}example.org", "a b@c.d", "ann@", "a@b..c"]
        {
            let name = Username::parse(allowed).expect("a valid name");
            assert_eq!(name.check_against_email(Some(&own)), Ok(()), "{allowed}");
        }
    }

    #[test]
    fn white_space_around_a_login_is_ignored() {
        for white in [" ", "\t", "\u{a0}", "\u{3000}", "\u{2028}"] {
            assert_eq!(Login::new(&format!("{white}Ann{white}")), Login::new("ann"), "{white:?}");
            let name = Username::parse(&format!("{white}Ann{white}"));
            assert_eq!(name.as_ref().map(Username::as_str), Ok("Ann"), "{white:?}");
        }
        assert_eq!(Login::new(" Ann@München.example ").key(), "ann@xn--mnchen-3ya.example");
    }
}
