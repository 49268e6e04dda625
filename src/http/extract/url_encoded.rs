//! The fields of a query or of an HTML form, percent-encoded (`application/x-www-form-urlencoded`).
//!
//! A name may occur more than once. What that means is the decision of the route, so this module has one function for
//! each meaning.

use std::borrow::Cow;

use url::form_urlencoded;

/// The fields of a query or a form in their order, still encoded. Reading a field decodes it, and allocates only if it
/// contains an encoded character.
#[derive(Clone, Copy)]
pub struct UrlEncoded<'a>(&'a [u8]);

/// The name of a field occurs more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeated;

/// A value is not valid UTF-8, or contains U+FFFD. The decoder replaces invalid UTF-8 with this character, so the two
/// cannot be distinguished afterwards, and different values with invalid UTF-8 would be equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotUtf8;

impl<'a> UrlEncoded<'a> {
    /// Wraps the bytes of a query, without its question mark, or the body of a form.
    pub fn new(encoded: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self(encoded.as_ref())
    }

    /// Returns the names and values. Invalid UTF-8 is replaced with U+FFFD.
    pub fn fields(self) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> {
        form_urlencoded::parse(self.0)
    }

    /// Returns the names and values like [`Self::fields`], with an error for each value that is not valid UTF-8.
    pub fn strict_fields(self) -> impl Iterator<Item = Result<(Cow<'a, str>, Cow<'a, str>), NotUtf8>> {
        self.fields().map(
            |(name, value)| {
                if value.contains(char::REPLACEMENT_CHARACTER) { Err(NotUtf8) } else { Ok((name, value)) }
            },
        )
    }

    /// Returns the first value of a field. `None` if the field is missing.
    pub fn first(self, name: &str) -> Option<Cow<'a, str>> {
        self.fields().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Returns the value of a field that must not be repeated. `None` if the field is missing.
    pub fn single(self, name: &str) -> Result<Option<Cow<'a, str>>, Repeated> {
        let mut values = self.fields().filter(|(key, _)| key == name).map(|(_, value)| value);
        let value = values.next();
        if values.next().is_some() { Err(Repeated) } else { Ok(value) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_decoded_and_a_repeated_one_is_found() {
        let encoded = UrlEncoded::new("a=1+2&b=%C3%A4%2F&a=&c&=x&%64=4");
        assert_eq!(encoded.first("a").as_deref(), Some("1 2"));
        assert_eq!(encoded.first("e"), None);
        assert_eq!(encoded.single("a"), Err(Repeated));
        for (name, value) in [("b", Some("ä/")), ("c", Some("")), ("", Some("x")), ("d", Some("4")), ("e", None)] {
            assert_eq!(encoded.single(name).expect(name).as_deref(), value, "{name}");
        }
        assert_eq!(encoded.fields().count(), 6);
    }

    #[test]
    fn a_value_with_invalid_utf_8_is_an_error() {
        for encoded in ["a=%ff", "a=%ef%bf%bd", "a=x%c3"] {
            assert_eq!(UrlEncoded::new(encoded).strict_fields().collect::<Vec<_>>(), [Err(NotUtf8)], "{encoded}");
        }
        assert!(UrlEncoded::new("%ff=a").strict_fields().all(|field| field.is_ok()));
    }
}
