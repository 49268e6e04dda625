//! How the server is called in mails: by its public URL, never by a request's headers.

/// The server's name in its several forms.
#[derive(Debug)]
pub(super) struct Site {
    /// The public URL, without a slash at its end.
    pub url: String,
    /// Host and port, for people.
    pub name: String,
    /// The host alone, for message ids.
    pub host: String,
}

impl Site {
    /// Takes the public URL apart.
    pub fn new(public_url: &str) -> Self {
        let url = public_url.trim_end_matches('/').to_owned();
        let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
        let name = rest.split(['/', '?', '#']).next().unwrap_or_default().to_owned();
        // In `[::1]:8080` the colon that parts host and port is the one after the bracket.
        let end = match name.find(']') {
            Some(bracket) => bracket + 1,
            None => name.find(':').unwrap_or(name.len()),
        };
        let host = name[..end].to_owned();
        Self { url, name, host }
    }

    /// The sender where none is set. An IPv6 address makes no sender's address, and is no name to send from anyway.
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
