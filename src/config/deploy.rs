//! Finds settings that are valid but unsafe in production. The check uses only the settings, not files or the network.

use std::collections::BTreeSet;

use super::email::sender;
use super::{Config, SmtpSecurity, TlsConfig};
use crate::domain::finding::Finding;

/// Returns all unsafe boot settings, grouped by subject: network, keys, passwords, accounts, e-mail, providers, log.
pub fn unsafe_for_production(config: &Config) -> Vec<Finding> {
    let findings = [
        network(config),
        keys(config),
        passwords(config),
        accounts(config),
        mail(config),
        social(config),
        other_sections(config),
    ];
    findings.into_iter().flatten().chain(config.warnings.iter().cloned()).collect()
}

fn network(config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    let url = &config.server.public_url;
    if !url.is_https() {
        let problem = if url.is_loopback() { "not https, and only this machine can reach it" } else { "not https" };
        found.push(Finding::new(
            "server.public_url",
            format!("the public URL {url} is {problem}"),
            "attackers on the network can read passwords and tokens, and cookies are not Secure",
            "set server.public_url = \"https://…\", and set [tls] or use a proxy that terminates TLS",
        ));
    }
    let open = config.tls.is_none() && config.server.trusted_proxies.is_empty();
    if open && config.server.listen.ip().is_unspecified() {
        found.push(Finding::new(
            "server.listen",
            format!("the server listens on every address ({}) without TLS or a trusted proxy", config.server.listen),
            "other hosts on the network can reach the server over plain HTTP, and behind a proxy all callers share one \
             rate limit",
            "set [tls], or server.trusted_proxies to the proxy's address, or server.listen = \"127.0.0.1:8080\"",
        ));
    }
    if open && !config.server.listen.ip().is_unspecified() && url.is_https() {
        found.push(Finding::new(
            "server.trusted_proxies",
            format!("{url} needs a proxy that terminates TLS, but no proxy is trusted"),
            "all callers share one rate limit, so the failed attempts of one attacker block every user",
            "set server.trusted_proxies to the proxy's address (on this machine: [\"127.0.0.1\", \"::1\"]), or [tls]",
        ));
    }
    if config.tls == Some(TlsConfig::SelfSigned) {
        found.push(Finding::new(
            "tls.self_signed",
            "the certificate is self-signed",
            "callers cannot distinguish this server from an attacker's server with another self-signed certificate",
            "set tls.certificate and tls.key, or use a proxy that terminates TLS",
        ));
    }
    let tokenless = config.metrics.as_ref().filter(|metrics| metrics.token.is_none());
    if let Some(listen) = tokenless.and_then(|metrics| metrics.listen).filter(|listen| !listen.ip().is_loopback()) {
        found.push(Finding::new(
            "metrics.listen",
            format!("every client that reaches {listen} can read the metrics"),
            "the metrics show the numbers of sign-ins and failures, the keys, and the load of the machine",
            "set metrics.token, or set metrics.listen = \"127.0.0.1:9090\"",
        ));
    }
    if !config.tokens.issuer.starts_with("https://") {
        found.push(Finding::new(
            "tokens.issuer",
            format!("the issuer {} is not an https URL", config.tokens.issuer),
            "verifiers that derive the JWKS URL from the issuer fetch keys that an attacker on the network can replace",
            "set tokens.issuer = \"https://…\", or set server.public_url, which is its default",
        ));
    }
    found
}

fn keys(config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    if config.keys.passphrase.is_none() {
        found.push(Finding::new(
            "keys.passphrase",
            "private keys are not encrypted on disk",
            "anyone with a copy of the folder, for example a backup, can sign tokens",
            "encrypt them with `countersign keys passphrase --new-file FILE`, then set COUNTERSIGN_KEYS__PASSPHRASE_FILE",
        ));
    }
    if !config.keys.check_modes {
        found.push(Finding::new(
            "keys.check_modes",
            "the modes of the key folder are not checked",
            "other users of the machine or the volume may be able to sign tokens",
            "set keys.check_modes = true, unless the volume has no modes",
        ));
    }
    if config.keys.rotate_every.is_none() {
        found.push(Finding::new(
            "keys.rotate_every",
            "the server does not rotate its keys",
            "unless a timer does, a key signs for years, and a copy of it stays useful to a thief as long",
            "set keys.rotate_every = \"90d\", or make sure that a timer runs `countersign keys rotate`",
        ));
    }
    found
}

fn passwords(config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    let p = &config.passwords;
    if u64::from(p.memory_kib) * u64::from(p.iterations) < 19_456 * 2 {
        found.push(Finding::new(
            "passwords.memory_kib",
            format!("argon2id with {} KiB and {} iterations is weak", p.memory_kib, p.iterations),
            "an attacker who steals the hashes can guess their passwords quickly",
            "set passwords.memory_kib = 19456 and passwords.iterations = 2, or more",
        ));
    }
    if !p.reject_common {
        found.push(Finding::new(
            "passwords.reject_common",
            "common passwords are accepted",
            "attackers can guess a common password in a few attempts",
            "set passwords.reject_common = true",
        ));
    }
    if !config.throttle.enabled {
        found.push(Finding::new(
            "throttle.enabled",
            "rate limits are disabled",
            "attackers can guess passwords and reset codes without limit",
            "set throttle.enabled = true",
        ));
    }
    found
}

fn accounts(config: &Config) -> Vec<Finding> {
    if !config.accounts.bare_changes {
        return Vec::new();
    }
    vec![Finding::new(
        "accounts.bare_changes",
        "an access token alone changes the password and the e-mail address of its user",
        "anyone who sees an access token, such as every resource server, can take over the account",
        "set accounts.bare_changes = false; clients then send current_password, or change accounts within 5 minutes of a \
         sign-in",
    )]
}

fn mail(config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    let Some(smtp) = &config.email.smtp else {
        found.push(Finding::new(
            "email.host",
            "no mail server is set",
            "e-mails are written to files under data_dir, so users receive no reset codes",
            "set email.host and email.from",
        ));
        return found;
    };
    if smtp.security == SmtpSecurity::None {
        found.push(Finding::new(
            "email.security",
            format!("e-mails are sent to {} without TLS", smtp.host),
            "attackers on the network can read reset codes and the password of the mail server",
            "set email.security = \"starttls\" or \"tls\"",
        ));
    }
    if config.is_default("email.from") && sender(&config.server.public_url).ends_with("@localhost") {
        found.push(Finding::new(
            "email.from",
            format!("the sender of e-mails is {}", config.email.from),
            "mail servers may reject e-mails from a sender at localhost",
            "set email.from = \"…@…\"",
        ));
    }
    found
}

fn social(config: &Config) -> Vec<Finding> {
    let social = &config.social;
    let known = [&social.google, &social.github, &social.facebook];
    let offered = known.into_iter().any(Option::is_some) || !social.oidc.is_empty();
    if !offered || !config.is_default("social.authed_url") {
        return Vec::new();
    }
    vec![Finding::new(
        "social.authed_url",
        "after a sign-in with a provider the browser is redirected to /",
        "the server has no page at /, so users see a 404 and no application receives a token",
        "set social.authed_url to the page that fetches the token, and set social.logout_url",
    )]
}

fn other_sections(config: &Config) -> Vec<Finding> {
    let verbose: BTreeSet<_> = ["debug", "trace"].into();
    let level = config.log.level.to_lowercase();
    if !level.split([',', '=']).any(|word| verbose.contains(word.trim())) {
        return Vec::new();
    }
    vec![Finding::new(
        "log.level",
        format!("the log level {} includes every request", config.log.level),
        "the log grows fast, and anyone who can read it can see the requests of every user",
        "set log.level = \"info\"",
    )]
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const SAFE: &str = r#"
        [server]
        listen = "0.0.0.0:8443"
        public_url = "https://id.example.com"
        [tls]
        certificate = "c.pem"
        key = "k.pem"
        [keys]
        passphrase = "correct horse"
        [passwords]
        reject_common = true
        [email]
        host = "smtp.example.com"
    "#;

    fn found(toml: &str) -> Vec<String> {
        unsafe_for_production(&Config::from_toml(toml).unwrap()).into_iter().map(|finding| finding.setting).collect()
    }

    #[test]
    fn safe_settings_have_no_findings() {
        assert_eq!(found(SAFE), [""; 0]);
    }

    #[test]
    fn the_defaults_have_findings() {
        assert_eq!(
            found(""),
            ["server.public_url", "tokens.issuer", "keys.passphrase", "passwords.reject_common", "email.host"]
        );
    }

    #[test]
    fn each_unsafe_setting_has_its_own_finding() {
        for (from, to, setting) in [
            ("https://id.example.com\"", "https://id.example.com\"\n[tokens]\nissuer = \"http://i\"", "tokens.issuer"),
            ("certificate = \"c.pem\"\n        key = \"k.pem\"", "self_signed = true", "tls.self_signed"),
            ("certificate = \"c.pem\"\n        key = \"k.pem\"", "", "server.listen"),
            (
                "0.0.0.0:8443\"\n        public_url = \"https://id.example.com\"\n        [tls]\n        certificate = \"c.pem\"\n        key = \"k.pem\"",
                "127.0.0.1:8080\"\n        public_url = \"https://id.example.com\"",
                "server.trusted_proxies",
            ),
            ("passphrase = \"correct horse\"", "", "keys.passphrase"),
            ("correct horse\"", "correct horse\"\ncheck_modes = false", "keys.check_modes"),
            ("correct horse\"", "correct horse\"\nrotate_every = \"never\"", "keys.rotate_every"),
            ("reject_common = true", "reject_common = false", "passwords.reject_common"),
            ("reject_common = true", "reject_common = true\nmemory_kib = 9728", "passwords.memory_kib"),
            ("reject_common = true", "reject_common = true\niterations = 1", "passwords.memory_kib"),
            ("[email]", "[throttle]\nenabled = false\n[email]", "throttle.enabled"),
            ("[email]", "[accounts]\nbare_changes = true\n[email]", "accounts.bare_changes"),
            ("host = \"smtp.example.com\"", "", "email.host"),
            ("host = \"smtp.example.com\"", "host = \"h\"\nsecurity = \"none\"", "email.security"),
            ("[email]", "[metrics]\nlisten = \"0.0.0.0:9090\"\n[email]", "metrics.listen"),
            ("[email]", "[log]\nlevel = \"info,countersign=trace\"\n[email]", "log.level"),
            ("[email]", "[log]\nlevel = \"DEBUG\"\n[email]", "log.level"),
            ("[email]", "[social.github]\nclient_id = \"i\"\nclient_secret = \"s\"\n[email]", "social.authed_url"),
            (
                "[email]",
                "[social.oidc.work]\nissuer = \"https://e.com\"\nclient_id = \"i\"\n[email]",
                "social.authed_url",
            ),
        ] {
            let toml = SAFE.replace(from, to);
            assert_ne!(toml, SAFE, "{from}");
            assert_eq!(found(&toml), [setting], "{to}");
        }
    }

    #[test]
    fn a_trusted_proxy_may_terminate_tls() {
        let tls = "[tls]\n        certificate = \"c.pem\"\n        key = \"k.pem\"";
        assert_eq!(found(&SAFE.replace(tls, "trusted_proxies = [\"10.0.0.1\"]")), [""; 0]);
    }

    #[test]
    fn a_configured_destination_after_sign_in_is_no_finding() {
        let github = "[social.github]\nclient_id = \"i\"\nclient_secret = \"s\"\n[email]";
        for url in ["/", "/welcome", "https://app.example.com/"] {
            let social = format!("[social]\nauthed_url = \"{url}\"\n{github}");
            assert_eq!(found(&SAFE.replace("[email]", &social)), [""; 0], "a proxy may serve a page at /");
        }
    }

    #[test]
    fn the_email_sender_must_be_deliverable() {
        let local = SAFE.replace("https://id.example.com", "https://203.0.113.9");
        assert_eq!(found(&local), ["email.from"]);
        assert_eq!(found(&local.replace("[email]", "[email]\nfrom = \"id@example.com\"")), [""; 0]);
    }

    #[test]
    fn findings_contain_no_secrets() {
        for finding in unsafe_for_production(&Config::from_toml(&SAFE.replace("https:", "http:")).unwrap()) {
            assert!(!format!("{finding:?}").contains("correct horse"));
        }
    }
}
