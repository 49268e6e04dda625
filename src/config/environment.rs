//! The variables of the environment that many programs read, about connections to other servers. They are not settings of
//! Countersign.

use crate::domain::secret::SecretText;

/// The names of the variables. The second name of a pair is used if the first one is not set, as in other programs.
const HTTPS_PROXY: [&str; 2] = ["HTTPS_PROXY", "https_proxy"];
const NO_PROXY: [&str; 2] = ["NO_PROXY", "no_proxy"];
const ROOTS: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// What the environment says about connections to other servers.
#[derive(Clone, Debug, Default)]
pub struct EnvironmentConfig {
    /// The proxy for `https` URLs, which may have a password. `None`: no proxy.
    pub https_proxy: Option<SecretText>,
    /// The hosts that are requested without the proxy.
    pub no_proxy: String,
    /// Whether the operator chose the trusted root certificates (`SSL_CERT_FILE`, `SSL_CERT_DIR`).
    pub has_roots: bool,
}

impl EnvironmentConfig {
    /// Whether this type reads the variable.
    pub(super) fn is_read(name: &str) -> bool {
        [HTTPS_PROXY, NO_PROXY, ROOTS].concat().contains(&name)
    }

    /// Reads the variables. An empty variable counts as not set.
    pub(super) fn read(variables: &[(String, String)]) -> Self {
        let value = |name: &str| {
            let mut found = variables.iter().filter(|(found, value)| found == name && !value.is_empty());
            found.next().map(|(_, value)| value.clone())
        };
        let first_of = |names: [&str; 2]| names.into_iter().find_map(value);
        Self {
            https_proxy: first_of(HTTPS_PROXY).map(SecretText::new),
            no_proxy: first_of(NO_PROXY).unwrap_or_default(),
            has_roots: first_of(ROOTS).is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> (Option<String>, String, bool) {
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let found = EnvironmentConfig::read(&variables);
        (found.https_proxy.map(|proxy| proxy.expose().to_owned()), found.no_proxy, found.has_roots)
    }

    #[test]
    fn proxies_and_roots_are_read_in_both_spellings() {
        let none = (None, String::new(), false);
        for unset in
            [&[][..], &[("HTTPS_PROXY", ""), ("SSL_CERT_FILE", "")], &[("HTTP_PROXY", "http://p"), ("ALL_PROXY", "p")]]
        {
            assert_eq!(read(unset), none, "{unset:?}");
        }
        for upper in [["HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE"], ["https_proxy", "no_proxy", "SSL_CERT_DIR"]] {
            let all = [(upper[0], "http://p:1"), (upper[1], "a,b"), (upper[2], "/etc/ca.pem")];
            assert_eq!(read(&all), (Some("http://p:1".to_owned()), "a,b".to_owned(), true), "{upper:?}");
            assert!(upper.into_iter().all(EnvironmentConfig::is_read));
        }
        let both = [("https_proxy", "http://lower"), ("HTTPS_PROXY", "http://upper")];
        assert_eq!(read(&both).0.as_deref(), Some("http://upper"));
    }
}
