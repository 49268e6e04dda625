//! The secrets of a password reset: codes and temporary passwords, which users type, and tokens in links. All of them
//! are random.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::password::Password;
use super::secret::SecretText;

/// The alphabet of Crockford's base32, which has no I, L, O or U.
const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// The length of a reset code in characters. Each character has 5 bits.
const CODE_LENGTH: usize = 12;
/// The length of a temporary password in characters. Each character has 5 bits.
const TEMPORARY_LENGTH: usize = 16;
/// The length of a link token in bytes. Users do not type it, so it can be long.
const LINK_BYTES: usize = 32;

/// How a reset secret is delivered to the user. The delivery determines its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// A [`ResetCode`], which the user types.
    Code,
    /// A [`LinkToken`] in a link, which the user opens.
    Link,
}

/// The secret of a password reset. The two kinds cannot be confused, because they differ in length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResetSecret {
    /// A code that the user types.
    Code(ResetCode),
    /// A token in a link that the user opens.
    Link(LinkToken),
}

impl ResetSecret {
    /// Parses a secret. Accepts only the form that belongs to `delivery`.
    pub fn parse(delivery: Delivery, text: &str) -> Option<Self> {
        match delivery {
            Delivery::Code => ResetCode::parse(text).map(Self::Code),
            Delivery::Link => LinkToken::parse(text).map(Self::Link),
        }
    }

    /// The canonical form, for hashing.
    pub fn expose(&self) -> &[u8] {
        match self {
            Self::Code(code) => code.expose(),
            Self::Link(token) => token.expose(),
        }
    }
}

/// A reset code: 12 characters of Crockford base32 (60 bits). `Debug` does not print it. Only its hash is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct ResetCode([u8; CODE_LENGTH]);

impl ResetCode {
    /// Creates a code from 12 random bytes. 5 bits of each byte are used, so that all characters are equally likely.
    pub fn from_random(bytes: [u8; CODE_LENGTH]) -> Self {
        Self(bytes.map(|byte| CROCKFORD[usize::from(byte % 32)]))
    }

    /// Parses a code as a user types it. Hyphens, spaces, white space at both ends, and case are ignored. O is read as 0, and I and L as 1.
    pub fn parse(text: &str) -> Option<Self> {
        let mut code = [0; CODE_LENGTH];
        let mut typed = text.trim().bytes().filter(|byte| !matches!(byte, b'-' | b' '));
        for character in &mut code {
            *character = match typed.next()?.to_ascii_uppercase() {
                b'O' => b'0',
                b'I' | b'L' => b'1',
                byte if CROCKFORD.contains(&byte) => byte,
                _ => return None,
            };
        }
        typed.next().is_none().then_some(Self(code))
    }

    /// The canonical form, for hashing.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The form in e-mails: three groups of four characters, separated by hyphens.
    pub fn grouped(&self) -> String {
        self.0
            .chunks(4)
            .map(|group| group.iter().copied().map(char::from).collect::<String>())
            .collect::<Vec<_>>()
            .join("-")
    }
}

impl fmt::Debug for ResetCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResetCode(…)")
    }
}

/// The parameter of a link to the page that sets a new password.
pub const RESTORE_PARAMETER: &str = "restoring";
/// The parameter of a link to the page that confirms an e-mail address.
pub const CONFIRM_PARAMETER: &str = "confirming";

/// The token of a link to set a new password or to confirm an address: 256 random bits in base64url. `Debug` does not print it. Only its hash is stored.
///
/// The token contains neither the user nor the expiry, so nothing in it needs encryption. Both are in the database row
/// that is found by the hash. Single use needs such a row anyway.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkToken([u8; LINK_BYTES]);

impl LinkToken {
    /// Builds a token from 32 random bytes.
    pub fn from_random(bytes: [u8; LINK_BYTES]) -> Self {
        Self(bytes)
    }

    /// Parses 43 characters of base64url. White space around them, for example from copying, is ignored.
    pub fn parse(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text.trim()).ok()?.try_into().ok().map(Self)
    }

    /// The bytes, for hashing.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The link: the URL `page` with the token appended to its query as `parameter`.
    pub fn link(&self, page: &str, parameter: &str) -> SecretText {
        let separator = match page.split_once('?') {
            None => "?",
            Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
            Some(_) => "&",
        };
        SecretText::new(format!("{page}{separator}{parameter}={}", URL_SAFE_NO_PAD.encode(self.0)))
    }
}

impl fmt::Debug for LinkToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkToken(…)")
    }
}

/// Creates a temporary password from 16 random bytes: 16 characters (80 bits) that can be read out without confusion.
pub fn temporary_password(bytes: [u8; TEMPORARY_LENGTH]) -> Password {
    Password::new(bytes.iter().map(|byte| char::from(CROCKFORD[usize::from(byte % 32)].to_ascii_lowercase())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reset_codes_ignore_hyphens_and_case() {
        let code = ResetCode::from_random([0, 1, 2, 31, 32, 255, 10, 11, 12, 13, 14, 15]);
        assert_eq!(code.grouped(), "012Z-0ZAB-CDEF");
        for typed in ["012z-0zab-cdef", "012Z0ZABCDEF", " oI2z 0zab-cdef "] {
            assert_eq!(ResetCode::parse(typed).as_ref(), Some(&code), "{typed}");
        }
        for wrong in ["", "012Z-0ZAB-CDE", "012Z-0ZAB-CDEFG", "012Z-0ZAB-CDEU", "012Z-0ZAB-CDE\u{e9}"] {
            assert_eq!(ResetCode::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_reset_link_appends_its_token_to_the_page_query() {
        let token = LinkToken::from_random([255; 32]);
        let text = "_".repeat(42) + "8";
        for (page, before) in [
            ("https://e.com/restore", "https://e.com/restore?"),
            ("https://e.com/?lang=de", "https://e.com/?lang=de&"),
            ("https://e.com/?", "https://e.com/?"),
            ("https://e.com/?lang=de&", "https://e.com/?lang=de&"),
        ] {
            assert_eq!(token.link(page, RESTORE_PARAMETER).expose(), format!("{before}restoring={text}"));
        }
        assert_eq!(LinkToken::parse(&format!(" {text}\n")), Some(token));
    }

    #[test]
    fn a_reset_secret_is_accepted_only_in_its_delivered_form() {
        let code = "012Z-0ZAB-CDEF";
        let link = "_".repeat(42) + "8";
        for (delivery, accepted, rejected) in [(Delivery::Code, code, link.as_str()), (Delivery::Link, &link, code)] {
            assert!(ResetSecret::parse(delivery, accepted).is_some(), "{accepted}");
            assert_eq!(ResetSecret::parse(delivery, rejected), None, "{rejected}");
        }
        // Not canonical, too short, too long, in another alphabet.
        for wrong in ["_".repeat(43), link[1..].to_owned(), format!("_{link}"), link.replace('_', "/")] {
            assert_eq!(LinkToken::parse(&wrong), None, "{wrong}");
        }
        let shown = format!("{:?}", ResetSecret::parse(Delivery::Link, &link));
        assert_eq!(shown, "Some(Link(LinkToken(…)))");
    }

    #[test]
    fn a_temporary_password_has_sixteen_characters() {
        assert_eq!(temporary_password([255; 16]).expose(), b"zzzzzzzzzzzzzzzz");
    }
}
