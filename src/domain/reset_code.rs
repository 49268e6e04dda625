//! The codes and temporary passwords of a reset: made from chance, typed by people.

use std::fmt;

use super::password::Password;

/// Crockford's base32: no I, L, O or U.
const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Twelve characters of five bits.
const CODE_LENGTH: usize = 12;
const TEMPORARY_LENGTH: usize = 16;

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

/// Makes a temporary password of 16 random bytes: 16 characters a person can read out, 80 bits.
pub fn temporary_password(bytes: [u8; TEMPORARY_LENGTH]) -> Password {
    Password::new(bytes.iter().map(|byte| char::from(CROCKFORD[usize::from(byte % 32)].to_ascii_lowercase())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hyphens_and_case_do_not_matter() {
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
    fn a_temporary_password_has_sixteen_characters() {
        assert_eq!(temporary_password([255; 16]).expose(), b"zzzzzzzzzzzzzzzz");
    }
}
