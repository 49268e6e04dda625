//! The normalised form by which a user name or an e-mail address is looked up. All spellings that count as equal have
//! the same form.

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};
use unicode_normalization::UnicodeNormalization;

/// The maximum size, in bytes, of a domain that is converted to A-labels. A longer domain is never valid.
const DOMAIN_BYTES_MAX: usize = 4 * 254;

/// Returns the key of a user name, an address, or a text that may be either.
///
/// White space at both ends is dropped. The text is normalised with NFKC, and lower-cased. A final sigma counts as a
/// sigma, because both have one capital letter. If an at sign precedes a domain, the domain is converted to A-labels
/// (RFC 5890 §2.3.2.1), so that a user name has the same key as the address that it imitates.
pub fn look_up_key(text: &str) -> String {
    let composed: String = text.trim().nfkc().collect();
    let address = composed.rsplit_once('@');
    match address.and_then(|(local, domain)| Some((local, any_ascii_domain(domain)?))) {
        Some((local, domain)) => format!("{}@{domain}", fold(local)),
        None => fold(&composed),
    }
}

/// Returns the key under the rules of schema 11 and earlier, which distinguished the two sigmas and did not use
/// A-labels. `None` if it equals the current key.
///
/// A user keeps this key if another user already has the current one. It is therefore looked up first.
pub fn former_key(text: &str) -> Option<String> {
    if text.is_ascii() {
        return None;
    }
    let former = lower_case(text.trim());
    (former != look_up_key(text)).then_some(former)
}

/// Returns the form in which texts are searched: normalised like a key, but with domains as written. Each run of white
/// space is one space.
pub fn search_form(text: &str) -> String {
    fold(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Converts a domain to A-labels in lower case. `None` if the domain is not valid: it has a character that no domain may
/// contain, an invalid A-label, or a label or a total length beyond the limits of DNS (RFC 1035 §2.3.4).
pub fn ascii_domain(domain: &str) -> Option<String> {
    if domain.len() > DOMAIN_BYTES_MAX {
        return None;
    }
    let ascii = Uts46::new().to_ascii(domain.as_bytes(), AsciiDenyList::URL, Hyphens::Allow, DnsLength::Verify);
    ascii.ok().map(std::borrow::Cow::into_owned)
}

/// Like [`ascii_domain`], but accepts every ASCII domain, because its key needs no conversion.
fn any_ascii_domain(domain: &str) -> Option<String> {
    if domain.is_ascii() { Some(domain.to_ascii_lowercase()) } else { ascii_domain(domain) }
}

fn fold(text: &str) -> String {
    lower_case(text).replace('\u{3c2}', "\u{3c3}")
}

fn lower_case(text: &str) -> String {
    text.nfkc().flat_map(char::to_lowercase).nfkc().collect()
}

/// Compares and displays a type with the methods `key` and `as_str`.
macro_rules! compared_by_key {
    ($($name:ty),*) => {$(
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.key() == other.key()
            }
        }
        impl Eq for $name {}
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    )*};
}
pub(super) use compared_by_key;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_spellings_have_one_key() {
        for (key, spellings) in [
            ("ann", &["Ann", " ann\u{3000}", "\u{a0}\u{ff21}nn\t\u{2028}"] as &[&str]),
            ("\u{3bd}\u{3af}\u{3ba}\u{3bf}\u{3c3}", &["ΝΊΚΟΣ", "νίκος", "νίκοσ", "Νίκος"]),
            ("σοφοσ σαουλ", &["ΣΟΦΟΣ ΣΑΟΥΛ", "σοφος σαουλ", "ςοφος ςαουλ", "\u{3f9}οφο\u{3f2} σαουλ"]),
            (
                "ann@xn--mnchen-3ya.example",
                &[
                    "ann@münchen.example",
                    "ANN@MÜNCHEN.EXAMPLE",
                    "ann@mu\u{308}nchen.example",
                    "ann@XN--MNCHEN-3YA.example",
                    "ann@münchen\u{3002}example",
                    "ann\u{ff20}münchen.example",
                    "\u{ff41}nn\u{fe6b}m\u{fc}nchen\u{ff0e}ex\u{ff41}mple",
                ],
            ),
            ("li@xn--fsqu00a.xn--0zwm56d", &["li@例子.测试", "LI@例子。测试"]),
            ("νικοσ@example.org", &["νικος@example.org", "ΝΙΚΟΣ@EXAMPLE.ORG"]),
            ("a@xn--e1afmkfd.xn--p1ai", &["a@пример.рф", "A@ПРИМЕР.РФ"]),
            ("a@b\u{fffd}.c", &["A@b\u{fffd}.C"]),
        ] {
            for spelling in spellings {
                assert_eq!(look_up_key(spelling), key, "{spelling:?}");
            }
            assert_eq!(look_up_key(key), key, "the key of a key");
        }
        assert_ne!(look_up_key("a@straße.example"), look_up_key("a@strasse.example"), "two domains in DNS");
    }

    #[test]
    fn the_former_key_exists_only_if_it_differs() {
        for (text, former) in [
            ("Ann@Example.org", None),
            ("zoë", None),
            ("ΝΊΚΟΣ", None),
            ("Νίκος", Some("νίκος")),
            ("Ann@München.example", Some("ann@münchen.example")),
        ] {
            assert_eq!(former_key(text).as_deref(), former, "{text}");
        }
    }

    #[test]
    fn a_domain_is_converted_or_rejected() {
        let label = |length: usize| "ü".repeat(length);
        for (domain, ascii) in [
            ("Example.ORG", Some("example.org")),
            ("münchen.example", Some("xn--mnchen-3ya.example")),
            ("exa_mple.org", Some("exa_mple.org")),
            ("ab--cd.example", Some("ab--cd.example")),
            ("xn--\u{fc}.example", None),
            ("xn--a.example", None),
            ("exa mple.org", None),
            ("example..org", None),
            ("example.org.", None),
            ("", None),
            ("[192.0.2.1]", None),
            (&format!("{}.example", label(70)), None),
            (&"a".repeat(5000), None),
        ] {
            assert_eq!(ascii_domain(domain).as_deref(), ascii, "{domain}");
        }
    }
}
