//! Reads a user's data from a provider's response. Only the id is required: other values of a wrong type or size are
//! ignored. The caller has verified that the response comes from the provider.

use serde_json::{Map, Value};

use crate::domain::social::SOCIAL_ID_MAX;
use crate::domain::strict_json::present;
use crate::domain::user::{Email, USERNAME_MAX};

/// The maximum length of a given, family or full name in characters.
const NAME_MAX: usize = 150;

/// The data of a user at a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) social_id: String,
    pub(super) username: Option<String>,
    pub(super) email: Option<Email>,
    /// `None`: the response does not state it.
    pub(super) email_verified: Option<bool>,
    pub(super) first_name: String,
    pub(super) last_name: String,
}

/// Reads a string of 1 to `max` characters without control characters. Removes white space at both ends.
pub(super) fn text(object: &Map<String, Value>, name: &str, max: usize) -> Option<String> {
    let text = object.get(name)?.as_str()?.trim();
    let is_valid = !text.is_empty() && text.chars().count() <= max && !text.chars().any(char::is_control);
    is_valid.then(|| text.to_owned())
}

/// Reads the provider's user id, unchanged: a string of 1 to 255 characters without control characters, or a non-negative
/// integer. Spaces are part of the id (OpenID Connect Core 1.0 §2), as in a distinguished name.
pub(super) fn social_id(object: &Map<String, Value>, name: &str) -> Option<String> {
    match object.get(name)? {
        Value::Number(number) => number.as_u64().map(|number| number.to_string()),
        Value::String(text) => {
            let is_valid =
                !text.is_empty() && text.chars().count() <= SOCIAL_ID_MAX && !text.contains(char::is_control);
            is_valid.then(|| text.clone())
        }
        _ => None,
    }
}

/// Reads an e-mail address. `None` if it is missing or invalid.
pub(super) fn email(object: &Map<String, Value>, name: &str) -> Option<Email> {
    Email::parse(object.get(name)?.as_str()?).ok()
}

/// Reads a user name. It may already be used by another user.
pub(super) fn username(object: &Map<String, Value>, name: &str) -> Option<String> {
    text(object, name, USERNAME_MAX)
}

/// Reads the given and the family name. If both are missing, splits the full name (`name`) after the first word.
pub(super) fn names(object: &Map<String, Value>, given: &str, family: &str) -> (String, String) {
    let read = |name: &str| text(object, name, NAME_MAX).unwrap_or_default();
    let first = read(given);
    let last = read(family);
    if !first.is_empty() || !last.is_empty() {
        return (first, last);
    }
    let full_name = read("name");
    let (first, last) = full_name.split_once(char::is_whitespace).unwrap_or((&full_name, ""));
    (first.to_owned(), last.trim_start().to_owned())
}

impl Person {
    /// Reads the standard claims (OpenID Connect Core 1.0 §5.1) of an ID token or a userinfo response. `None` if there
    /// is no valid `sub`.
    pub(super) fn from_claims(claims: &Map<String, Value>) -> Option<Self> {
        let (first_name, last_name) = names(claims, "given_name", "family_name");
        let email = email(claims, "email");
        Some(Self {
            social_id: social_id(claims, "sub")?,
            username: username(claims, "preferred_username"),
            // Some providers send the boolean as a string. It says nothing about an address that was not accepted.
            email_verified: present(claims, "email_verified")
                .filter(|_| email.is_some() || present(claims, "email").is_none())
                .map(|value| *value == true || *value == "true"),
            email,
            first_name,
            last_name,
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    fn person(claims: &Value) -> Option<Person> {
        Person::from_claims(claims.as_object().unwrap())
    }

    #[test]
    fn the_standard_claims_are_parsed() {
        let object = json!({"sub": "a-1", "email": "ann@example.com", "email_verified": true, "given_name": "Ann",
            "family_name": "Other", "preferred_username": "ann", "picture": "https://e.com/a.png"});
        let ann = person(&object).unwrap();
        assert_eq!((ann.social_id.as_str(), ann.username.as_deref()), ("a-1", Some("ann")));
        assert_eq!((ann.email.as_ref().map(Email::as_str), ann.email_verified), (Some("ann@example.com"), Some(true)));
        assert_eq!((ann.first_name.as_str(), ann.last_name.as_str()), ("Ann", "Other"));
        let bare = person(&json!({"sub": "1"})).unwrap();
        assert_eq!(bare, Person { social_id: "1".to_owned(), ..Person::default() });
    }

    #[test]
    fn a_provider_id_is_kept_exactly_or_rejected() {
        for (sub, kept) in [
            (json!("Ünï|c:1"), Some("Ünï|c:1".to_owned())),
            (json!(583_231), Some("583231".to_owned())),
            (json!("é".repeat(255)), Some("é".repeat(255))),
            (json!("e".repeat(256)), None),
            (json!(""), None),
            (json!("CN=Ann Other,OU=x"), Some("CN=Ann Other,OU=x".to_owned())),
            (json!("  two  spaces  "), Some("  two  spaces  ".to_owned())),
            (json!(" "), Some(" ".to_owned())),
            (json!(" ".repeat(255)), Some(" ".repeat(255))),
            (json!(" ".repeat(256)), None),
            (json!("a\tb"), None),
            (json!("a\n"), None),
            (json!("1\u{0}"), None),
            (json!(1.5), None),
            (json!(-1), None),
            (json!(["1"]), None),
            (json!({"id": 1}), None),
            (Value::Null, None),
        ] {
            assert_eq!(person(&json!({"sub": sub})).map(|person| person.social_id), kept, "{sub}");
        }
        assert_eq!(person(&json!({})), None);
    }

    #[test]
    fn invalid_optional_claims_are_ignored() {
        let rows = [
            json!({"email": 7, "email_verified": true}),
            json!({"email": "nobody", "email_verified": true}),
            json!({"email": format!("{}@example.com", "a".repeat(300)), "email_verified": true}),
            json!({"email": ["a@example.com"], "email_verified": [true]}),
            json!({"preferred_username": "a".repeat(151), "given_name": {"a": 1}, "name": 7}),
            json!({"preferred_username": "a\u{7}b", "given_name": "a".repeat(1000), "family_name": "\u{0}"}),
        ];
        for mut object in rows {
            object["sub"] = json!("1");
            let person = person(&object).unwrap();
            assert_eq!(person, Person { social_id: "1".to_owned(), ..Person::default() }, "{object}");
        }
        for (verified, expected) in [
            (json!(true), Some(true)),
            (json!("true"), Some(true)),
            (json!("TRUE"), Some(false)),
            (json!(1), Some(false)),
            (json!(false), Some(false)),
            (json!(null), None),
        ] {
            let object = json!({"sub": "1", "email": "ann@example.com", "email_verified": verified});
            assert_eq!(person(&object).unwrap().email_verified, expected, "{verified}");
            let alone = json!({"sub": "1", "email_verified": verified});
            assert_eq!(person(&alone).unwrap().email_verified, expected, "{verified}");
        }
    }

    #[test]
    fn a_full_name_is_split() {
        for (whole, parts) in [
            ("Ann Other", ("Ann", "Other")),
            ("Ann", ("Ann", "")),
            ("Ann van  Other", ("Ann", "van  Other")),
            ("", ("", "")),
        ] {
            let person = person(&json!({"sub": "1", "name": whole})).unwrap();
            assert_eq!((person.first_name.as_str(), person.last_name.as_str()), parts);
        }
    }
}
