//! The secrets of a reset: codes and temporary passwords that people type, and tokens that links carry. Made from chance.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::password::Password;
use super::secret::SecretText;

/// Crockford's base32: no I, L, O or U.
const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Twelve characters of five bits.
const CODE_LENGTH: usize = 12;
const TEMPORARY_LENGTH: usize = 16;
/// 256 bits: nobody types it, so it may be too long to be guessed at all.
const LINK_BYTES: usize = 32;

/// How a reset's secret comes to its owner, and so what it looks like when it comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// A [`ResetCode`], to be typed.
    Code,
    /// A [`LinkToken`], in a link to be followed.
    Link,
}

/// The secret of a reset. Neither kind can be taken for the other: they differ in length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResetSecret {
    /// To be typed.
    Code(ResetCode),
    /// To be followed.
    Link(LinkToken),
}

impl ResetSecret {
    /// Reads a secret in the form it was delivered in, and in no other.
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

/// A reset code: 12 characters of Crockford base32 (60 bits). `Debug` does not show it; only its hash is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct ResetCode([u8; CODE_LENGTH]);

impl ResetCode {
    /// Makes a code of 12 random bytes (five bits of each are used, so every character is as likely as any).
    pub fn from_random(bytes: [u8; CODE_LENGTH]) -> Self {
        Self(bytes.map(|byte| CROCKFORD[usize::from(byte % 32)]))
    }

    /// Reads a code as a person types it: hyphens, spaces and case don't matter, and O, I and L are read as 0, 1 and 1.
    pub fn parse(text: &str) -> Option<Self> {
        let mut code = [0; CODE_LENGTH];
        let mut typed = text.bytes().filter(|byte| !matches!(byte, b'-' | b' '));
        for place in &mut code {
            *place = match typed.next()?.to_ascii_uppercase() {
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

    /// The form a mail shows: three groups of four.
    pub fn for_people(&self) -> String {
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

/// What a restore link carries: 256 random bits in base64url. `Debug` does not show it; only its hash is kept.
///
/// It says nothing about whose it is or how long it is good for, so there is nothing to seal in it: that stands in the
/// row its hash is found by, which single use needs anyway.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkToken([u8; LINK_BYTES]);

impl LinkToken {
    /// Takes 32 random bytes.
    pub fn from_random(bytes: [u8; LINK_BYTES]) -> Self {
        Self(bytes)
    }

    /// Reads 43 characters of base64url, perhaps with blanks around them from copying.
    pub fn parse(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text.trim()).ok()?.try_into().ok().map(Self)
    }

    /// The bytes, for hashing.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The link that carries it: `page` with a query `restoring=…`, after any query the page has.
    pub fn link(&self, page: &str) -> SecretText {
        let joint = match page.split_once('?') {
            None => "?",
            Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
            Some(_) => "&",
        };
        SecretText::new(format!("{page}{joint}restoring={}", URL_SAFE_NO_PAD.encode(self.0)))
    }
}

impl fmt::Debug for LinkToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkToken(…)")
    }
}

/// Makes a temporary password of 16 random bytes: 16 characters a person can read out, 80 bits.
pub fn temporary_password(bytes: [u8; TEMPORARY_LENGTH]) -> Password {
    Password::new(bytes.iter().map(|byte| char::from(CROCKFORD[usize::from(byte % 32)].to_ascii_lowercase())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reset_codes_ignore_hyphens_and_case() {
        let code = ResetCode::from_random([0, 1, 2, 31, 32, 255, 10, 11, 12, 13, 14, 15]);
        assert_eq!(code.for_people(), "012Z-0ZAB-CDEF");
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
            assert_eq!(token.link(page).expose(), format!("{before}restoring={text}"));
        }
        assert_eq!(LinkToken::parse(&format!(" {text}\n")), Some(token));
    }

    #[test]
    fn a_reset_secret_is_accepted_only_in_its_delivered_form() {
        let code = "012Z-0ZAB-CDEF";
        let link = "_".repeat(42) + "8";
        for (delivery, good, bad) in [(Delivery::Code, code, link.as_str()), (Delivery::Link, &link, code)] {
            assert!(ResetSecret::parse(delivery, good).is_some(), "{good}");
            assert_eq!(ResetSecret::parse(delivery, bad), None, "{bad}");
        }
        // Not canonical, too short, too long, of another alphabet.
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
