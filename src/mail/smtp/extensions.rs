//! The extensions that a mail server offers in its reply to EHLO (RFC 5321 §4.1.1.1).
//!
//! Keywords are compared without regard to case (RFC 5321 §2.4). This module decides nothing: the session does.

use std::fmt;

/// The offered extensions.
#[derive(Debug, Default)]
pub(super) struct SmtpExtensions {
    /// Keyword in upper case, and its parameters as sent.
    offers: Vec<(String, Vec<String>)>,
}

impl SmtpExtensions {
    /// Reads the lines of the reply after the first, which contains only the name of the server. A keyword ends at a
    /// space or at `=`: servers before RFC 2554 sent `AUTH=LOGIN PLAIN`, and some still do for old clients.
    pub(super) fn parse<'a>(lines: impl Iterator<Item = &'a str>) -> Self {
        let offers = lines.filter_map(|line| {
            let mut words = line.split(|c: char| c.is_whitespace() || c == '=').filter(|word| !word.is_empty());
            Some((words.next()?.to_ascii_uppercase(), words.map(str::to_owned).collect()))
        });
        Self { offers: offers.collect() }
    }

    /// Whether the server offers an extension. `keyword` must be in upper case.
    pub(super) fn has(&self, keyword: &str) -> bool {
        self.offers.iter().any(|(offered, _)| offered == keyword)
    }

    /// Whether the server offers an authentication mechanism. `mechanism` must be in upper case.
    pub(super) fn has_mechanism(&self, mechanism: &str) -> bool {
        self.parameters("AUTH").any(|offered| offered.eq_ignore_ascii_case(mechanism))
    }

    /// The maximum size of a message in bytes (RFC 1870 §4). `None`: not offered, or without a limit.
    pub(super) fn size_limit(&self) -> Option<u64> {
        self.parameters("SIZE").find_map(|limit| limit.parse().ok()).filter(|limit| *limit > 0)
    }

    fn parameters<'a>(&'a self, keyword: &'a str) -> impl Iterator<Item = &'a str> {
        let offers = self.offers.iter().filter(move |(offered, _)| offered == keyword);
        offers.flat_map(|(_, parameters)| parameters.iter().map(String::as_str))
    }
}

/// Lists the extensions for an error message.
impl fmt::Display for SmtpExtensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.offers.is_empty() {
            return f.write_str("no extensions");
        }
        for (number, (keyword, parameters)) in self.offers.iter().enumerate() {
            if number > 0 {
                f.write_str(", ")?;
            }
            f.write_str(keyword)?;
            for parameter in parameters {
                write!(f, " {parameter}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_matched_without_regard_to_case() {
        for lines in [
            ["SIZE 1000", "8BITMIME", "SMTPUTF8", "STARTTLS", "PIPELINING", "AUTH PLAIN LOGIN"],
            ["size 1000", "8bitmime", "smtputf8", "starttls", "pipelining", "auth plain login"],
            ["Size 1000", "8BitMime", "SmtpUtf8", "StartTls", "Pipelining", "Auth Plain Login"],
            ["SIZE=1000", "8BITMIME ", "SMTPUTF8\t", " STARTTLS", "PIPELINING", "AUTH=PLAIN LOGIN"],
            ["SIZE  1000", "8bitMIME", "smtpUTF8", "StartTLS", "PIPELINING", "auth= login  PLAIN"],
            ["sIZE 1000", "8BITmime", "SMTPutf8", "STARTtls", "pipelining x", "AUTH CRAM-MD5 LOGIN plain"],
        ] {
            let offered = SmtpExtensions::parse(lines.into_iter());
            for keyword in ["8BITMIME", "SMTPUTF8", "STARTTLS", "PIPELINING", "SIZE", "AUTH"] {
                assert!(offered.has(keyword), "{keyword} in {lines:?}");
            }
            assert!(offered.has_mechanism("PLAIN") && offered.has_mechanism("LOGIN"), "{lines:?}");
            assert!(!offered.has_mechanism("XOAUTH2") && !offered.has("DSN"), "{lines:?}");
            assert_eq!(offered.size_limit(), Some(1000), "{lines:?}");
        }
    }

    #[test]
    fn both_forms_of_auth_count_together() {
        let offered = SmtpExtensions::parse(["AUTH CRAM-MD5", "AUTH=LOGIN", ""].into_iter());
        assert!(offered.has_mechanism("LOGIN") && offered.has_mechanism("CRAM-MD5") && !offered.has_mechanism("PLAIN"));
        assert_eq!(offered.to_string(), "AUTH CRAM-MD5, AUTH LOGIN");
        let none = SmtpExtensions::parse(std::iter::empty());
        assert_eq!((none.to_string(), none.size_limit()), ("no extensions".to_owned(), None));
        assert!(!none.has("AUTH") && !SmtpExtensions::parse(["AUTHX PLAIN"].into_iter()).has_mechanism("PLAIN"));
    }

    #[test]
    fn a_size_of_zero_is_no_limit() {
        for (line, limit) in [("SIZE", None), ("SIZE 0", None), ("SIZE x", None), ("size 35882577", Some(35_882_577))] {
            assert_eq!(SmtpExtensions::parse([line].into_iter()).size_limit(), limit, "{line}");
        }
    }
}
