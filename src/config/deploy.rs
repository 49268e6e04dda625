//! What is allowed, and handy on a desk, but unsafe in production. Pure: looks at the settings alone.

use std::collections::BTreeSet;

use super::email::sender;
use super::{Config, SmtpSecurity, TlsConfig};

/// One thing to mend before strangers may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The setting's dotted key.
    pub setting: &'static str,
    /// What is the case.
    pub condition: String,
    /// What may come of it.
    pub consequence: &'static str,
    /// What to set.
    pub fix: &'static str,
}

impl Finding {
    fn new(setting: &'static str, what: impl Into<String>, why: &'static str, mend: &'static str) -> Self {
        Self { setting, condition: what.into(), consequence: why, fix: mend }
    }
}

/// Everything unsafe in these settings, in the order of the settings. Whether registration is open is not seen here.
pub fn unsafe_for_production(config: &Config) -> Vec<Finding> {
    let found =
        [network(config), keys(config), passwords(config), mail(config), social(config), other_sections(config)];
    found.into_iter().flatten().collect()
}

fn network(config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    let url = &config.server.public_url;
    if !url.is_https() {
        let whose = if url.is_loopback() { "not https, and only this machine can call it" } else { "not https" };
        found.push(Finding::new(
            "server.public_url",
            format!("the public URL {url} is {whose}"),
            "passwords and tokens would cross the network readable, and cookies are not Secure",
            "server.public_url = \"https://…\", with [tls] or a proxy that ends TLS",
        ));
    }
    let open = config.tls.is_none() && config.server.trusted_proxies.is_empty();
    if open && config.server.listen.ip().is_unspecified() {
        found.push(Finding::new(
            "server.listen",
            format!("listening on every address ({}) without TLS and without a trusted proxy", config.server.listen),
            "anybody near can call in plain HTTP, and behind a proxy all callers would share one throttle",
            "[tls], or server.trusted_proxies with the proxy's address, or server.listen = \"127.0.0.1:8080\"",
        ));
    }
    if open && !config.server.listen.ip().is_unspecified() && url.is_https() {
        found.push(Finding::new(
            "server.trusted_proxies",
            format!("something in front must end the TLS of {url}, and no proxy is trusted"),
            "all callers would be one, who share one throttle: a stranger's failures would keep everybody out",
            "server.trusted_proxies with the proxy's address (one on this machine: [\"127.0.0.1\", \"::1\"]), or [tls]",
        ));
    }
    if config.tls == Some(TlsConfig::SelfSigned) {
        found.push(Finding::new(
            "tls.self_signed",
            "the certificate is self-signed",
            "callers can't tell this server from another that signed its own",
            "tls.certificate and tls.key, or a proxy that ends TLS",
        ));
    }
    let anyone = config.metrics.as_ref().filter(|metrics| metrics.token.is_none()).and_then(|metrics| metrics.listen);
    if let Some(listen) = anyone.filter(|listen| !listen.ip().is_loopback()) {
        found.push(Finding::new(
            "metrics.listen",
            format!("metrics are shown to whoever reaches {listen}"),
            "they tell how many sign in and fail, which keys there are, and how busy the machine is",
            "metrics.token, or metrics.listen = \"127.0.0.1:9090\"",
        ));
    }
    if !config.tokens.issuer.starts_with("https://") {
        found.push(Finding::new(
            "tokens.issuer",
            format!("the issuer {} is no https URL", config.tokens.issuer),
            "verifiers that find the keys by the issuer would fetch them over a way anybody can change",
            "tokens.issuer = \"https://…\", or server.public_url, which it follows",
        ));
    }
    found
}

fn keys(config: &Config) -> Vec<Finding> {
    if config.keys.passphrase.is_some() {
        return Vec::new();
    }
    vec![Finding::new(
        "keys.passphrase",
        "private keys are not encrypted on disk",
        "whoever gets a copy of the folder, a backup for one, can sign tokens",
        "COUNTERSIGN_KEYS__PASSPHRASE_FILE, once `countersign keys passphrase` has encrypted them",
    )]
}

fn passwords(config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    let p = &config.passwords;
    if u64::from(p.memory_kib) * u64::from(p.iterations) < 19_456 * 2 {
        found.push(Finding::new(
            "passwords.memory_kib",
            format!("argon2id with {} KiB and {} passes is weak", p.memory_kib, p.iterations),
            "stolen hashes could be guessed too quickly",
            "passwords.memory_kib = 19456 and passwords.iterations = 2, or more",
        ));
    }
    if !p.reject_common {
        found.push(Finding::new(
            "passwords.reject_common",
            "common passwords are accepted",
            "the first guesses of every attacker would open accounts",
            "passwords.reject_common = true",
        ));
    }
    if !config.throttle.enabled {
        found.push(Finding::new(
            "throttle.enabled",
            "tries are not limited",
            "passwords and reset codes could be guessed without end",
            "throttle.enabled = true",
        ));
    }
    found
}

fn mail(config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    let Some(smtp) = &config.email.smtp else {
        found.push(Finding::new(
            "email.host",
            "no mail server is set",
            "mails become files under the data folder: nobody gets a reset code",
            "email.host and email.from",
        ));
        return found;
    };
    if smtp.security == SmtpSecurity::None {
        found.push(Finding::new(
            "email.security",
            format!("mail goes to {} without TLS", smtp.host),
            "reset codes, and the mail server's password, would cross the network readable",
            "email.security = \"starttls\" or \"tls\"",
        ));
    }
    if config.is_default("email.from") && sender(&config.server.public_url).ends_with("@localhost") {
        found.push(Finding::new(
            "email.from",
            format!("mails come from {}", config.email.from),
            "mail servers refuse a sender that nobody can answer",
            "email.from = \"…@…\"",
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
        "whoever has signed in at a provider is sent to /",
        "there is nothing at it: they see a 404, and no application gets a token",
        "social.authed_url, the page that gets the token, and social.logout_url",
    )]
}

fn other_sections(config: &Config) -> Vec<Finding> {
    let loud: BTreeSet<_> = ["debug", "trace"].into();
    let level = config.log.level.to_lowercase();
    if !level.split([',', '=']).any(|word| loud.contains(word.trim())) {
        return Vec::new();
    }
    vec![Finding::new(
        "log.level",
        format!("the log says everything ({})", config.log.level),
        "it grows fast and tells who did what to whoever can read it",
        "log.level = \"info\"",
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

    fn found(toml: &str) -> Vec<&'static str> {
        unsafe_for_production(&Config::from_toml(toml).unwrap()).iter().map(|finding| finding.setting).collect()
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
            ("reject_common = true", "", "passwords.reject_common"),
            ("reject_common = true", "reject_common = true\nmemory_kib = 9728", "passwords.memory_kib"),
            ("reject_common = true", "reject_common = true\niterations = 1", "passwords.memory_kib"),
            ("[email]", "[throttle]\nenabled = false\n[email]", "throttle.enabled"),
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
            assert_eq!(found(&SAFE.replace("[email]", &social)), [""; 0], "a proxy may have something at /");
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
