//! The names of the server in e-mails. They come from its public URL, never from the headers of a request, which an
//! attacker could set.

/// The URL, name and host of the server.
#[derive(Debug)]
pub(super) struct Site {
    /// The public URL, without a trailing slash.
    pub url: String,
    /// Host and port, to be displayed.
    pub name: String,
    /// The host without the port, for message ids and the default sender.
    pub host: String,
}

impl Site {
    /// Parses the public URL.
    pub fn new(public_url: &str) -> Self {
        let url = public_url.trim_end_matches('/').to_owned();
        let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
        let name = rest.split(['/', '?', '#']).next().unwrap_or_default().to_owned();
        // In `[::1]:8080` the port follows the colon after the bracket.
        let end = match name.find(']') {
            Some(bracket) => bracket + 1,
            None => name.find(':').unwrap_or(name.len()),
        };
        let host = name[..end].to_owned();
        Self { url, name, host }
    }

    /// Returns the sender if none is configured. For an IPv6 host it is `no-reply@localhost`, because a host in
    /// brackets is not valid in an address: RFC 5321 §4.1.3 requires the prefix `IPv6:`.
    pub fn default_sender(&self) -> String {
        format!("no-reply@{}", if self.host.starts_with('[') { "localhost" } else { &self.host })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_has_a_name_and_a_host() {
        for (url, name, host) in [
            ("https://auth.example.com/", "auth.example.com", "auth.example.com"),
            ("https://example.com/sign/in", "example.com", "example.com"),
            ("http://127.0.0.1:8080", "127.0.0.1:8080", "127.0.0.1"),
            ("http://[::1]:8080/x", "[::1]:8080", "[::1]"),
        ] {
            let site = Site::new(url);
            assert_eq!((site.name.as_str(), site.host.as_str()), (name, host), "{url}");
        }
    }

    #[test]
    fn every_host_yields_a_default_sender() {
        for url in ["https://auth.example.com", "http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080"] {
            let sender = Site::new(url).default_sender();
            assert!(sender.parse::<lettre::message::Mailbox>().is_ok(), "{sender}");
        }
    }
}
