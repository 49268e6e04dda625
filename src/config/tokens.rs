//! Keys, tokens, passwords, rate limits and dialects: `[keys]`, `[tokens]`, `[passwords]`, `[throttle]`, `[dialects]`,
//! `[rest_jwt]`.

use std::collections::BTreeSet;
use std::time::Duration;

use super::reader::Reader;
use super::server::web_url;
use crate::domain::algorithm::Algorithm;
use crate::domain::dialect::Dialect;
use crate::domain::limit::{Limit, Rate, Rates};
use crate::domain::public_url::{PUBLIC_URL_MAX, PublicUrl};
use crate::domain::secret::SecretText;

/// `[keys]`
#[derive(Clone, Debug)]
pub struct KeysConfig {
    /// The passphrase that encrypts private keys on disk; `None`: they are not encrypted.
    pub passphrase: Option<SecretText>,
    /// How long a new key is published before it signs: from `jwks_max_age` to 91.25 days.
    pub publish_ahead: Duration,
    /// How long verifiers may cache the JWKS (`Cache-Control: max-age`): 1 s to 24 h.
    pub jwks_max_age: Duration,
    /// The interval at which the server rotates its keys: 10 s to 10 years, and at least `publish_ahead`; `None`: never.
    pub rotate_every: Option<Duration>,
    /// Whether a key folder that other users can access, or that another user owns, is rejected.
    pub check_modes: bool,
    /// The algorithms for which a first start creates a key, in the order of [`Algorithm::ALL`]. The default algorithm
    /// is one of them.
    pub algorithms: Vec<Algorithm>,
    /// The size of new RSA keys: 2048, 3072 or 4096 bits.
    pub rsa_bits: u32,
}

/// `[tokens]`
#[derive(Clone, Debug)]
pub struct TokensConfig {
    /// The algorithm that signs, unless a profile sets another.
    pub algorithm: Algorithm,
    /// `iss` (RFC 7519 §4.1.1); by default the public URL.
    pub issuer: String,
    /// `aud` (RFC 7519 §4.1.3), unless a profile sets another; by default the public URL.
    pub audience: String,
    /// The clock difference that is tolerated when a token is verified: 0 to 120 s.
    pub leeway: Duration,
}

/// `[passwords]`: the parameters of argon2id (RFC 9106 §3.1) and the rules for new passwords.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordsConfig {
    /// Memory in KiB: 8192 (8 MiB) to 1 048 576 (1 GiB). This is always more than the 8 KiB per lane that argon2 needs.
    pub memory_kib: u32,
    /// Passes over the memory: 1 to 20.
    pub iterations: u32,
    /// Lanes: 1 to 16.
    pub parallelism: u32,
    /// The minimum length of a new password in bytes: 8 to 128.
    pub min_length: usize,
    /// Whether common passwords are rejected. Default: unless the public URL is one of this machine alone.
    pub reject_common: bool,
}

/// `[throttle]`
#[derive(Clone, Debug)]
pub struct ThrottleConfig {
    /// Whether rate limits are enabled.
    pub enabled: bool,
    /// The rate of each limit.
    pub rates: Rates,
}

/// `[dialects]`
#[derive(Clone, Debug)]
pub struct DialectsConfig {
    /// The dialects that the server serves.
    pub enabled: BTreeSet<Dialect>,
}

/// `[rest_jwt]`
#[derive(Clone, Debug)]
pub struct RestJwtConfig {
    /// The `role` claim of users whose own claims have no `role`; `None`: an empty string.
    pub role: Option<String>,
    /// The operator's page for restore links; `None`: the built-in page.
    pub restore_url: Option<String>,
}

const YEAR: Duration = Duration::from_hours(365 * 24);

impl KeysConfig {
    pub(super) fn read(r: &mut Reader) -> Self {
        let all = Algorithm::ALL.map(Algorithm::name);
        let config = Self {
            passphrase: r.non_empty_secret("keys.passphrase"),
            publish_ahead: r.duration("keys.publish_ahead", "24h", Duration::from_secs(1)..=YEAR / 4),
            jwks_max_age: r.duration("keys.jwks_max_age", "300s", Duration::from_secs(1)..=Duration::from_hours(24)),
            rotate_every: r.duration_or_never("keys.rotate_every", "90d", Duration::from_secs(10)..=YEAR * 10),
            check_modes: r.flag("keys.check_modes", true),
            algorithms: r
                .list("keys.algorithms", &all, str::parse::<Algorithm>)
                .into_iter()
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect(),
            rsa_bits: r.number("keys.rsa_bits", 2048, 2048..=4096),
        };
        r.require(&["keys.rsa_bits"], config.rsa_bits.is_multiple_of(1024), "must be 2048, 3072 or 4096");
        r.require(
            &["keys.publish_ahead", "keys.jwks_max_age"],
            config.publish_ahead >= config.jwks_max_age,
            "a new key would sign before every cached JWKS contains it; set publish_ahead to at least jwks_max_age",
        );
        r.require(
            &["keys.rotate_every", "keys.publish_ahead"],
            config.rotate_every.is_none_or(|every| every >= config.publish_ahead),
            "a new key would be due before the previous one signs; set rotate_every to at least publish_ahead, or to \
             \"never\"",
        );
        config
    }
}

impl TokensConfig {
    pub(super) fn read(r: &mut Reader, public_url: &PublicUrl, keys: &KeysConfig) -> Self {
        let algorithms = Algorithm::ALL.map(|algorithm| (algorithm.name(), algorithm));
        let config = Self {
            algorithm: r.choice("tokens.algorithm", Algorithm::Es256.name(), &algorithms),
            issuer: r.text("tokens.issuer", public_url.as_str(), string_or_uri),
            audience: r.text("tokens.audience", public_url.as_str(), string_or_uri),
            leeway: r.duration("tokens.leeway", "5s", Duration::ZERO..=Duration::from_mins(2)),
        };
        r.require(
            &["keys.algorithms", "tokens.algorithm"],
            keys.algorithms.contains(&config.algorithm),
            "the first start would create no key of the default algorithm; add it to keys.algorithms",
        );
        config
    }
}

impl PasswordsConfig {
    pub(super) fn read(r: &mut Reader, public_url: &PublicUrl) -> Self {
        Self {
            memory_kib: r.number("passwords.memory_kib", 19_456, 8192..=1_048_576),
            iterations: r.number("passwords.iterations", 2, 1..=20),
            parallelism: r.number("passwords.parallelism", 1, 1..=16),
            min_length: r.number("passwords.min_length", 8, 8..=128),
            reject_common: r.flag("passwords.reject_common", !public_url.is_loopback()),
        }
    }
}

impl ThrottleConfig {
    pub(super) fn read(r: &mut Reader) -> Self {
        let enabled = r.flag("throttle.enabled", true);
        let rates = Rates::from_fn(|limit: Limit| {
            r.text(&format!("throttle.{}", limit.key()), &limit.default_rate().to_string(), str::parse::<Rate>)
        });
        Self { enabled, rates }
    }
}

impl DialectsConfig {
    pub(super) fn read(r: &mut Reader) -> Self {
        let all = Dialect::ALL.map(Dialect::name);
        let enabled: BTreeSet<Dialect> = r.list("dialects.enabled", &all, str::parse::<Dialect>).into_iter().collect();
        r.require(
            &["dialects.enabled"],
            !enabled.is_empty(),
            "the server would serve no API; name at least one dialect, or remove the setting to serve all of them",
        );
        Self { enabled }
    }
}

impl RestJwtConfig {
    pub(super) fn read(r: &mut Reader) -> Self {
        Self {
            role: r.optional("rest_jwt.role", string_or_uri),
            restore_url: r.optional("rest_jwt.restore_url", web_url),
        }
    }
}

/// Parses the text of a claim (`StringOrURI`, RFC 7519 §2). Verifiers compare it byte by byte, so it must not contain
/// white space or control characters, which an operator may not notice.
fn string_or_uri(text: &str) -> Result<String, &'static str> {
    let is_forbidden = |c: char| c.is_whitespace() || c.is_control();
    if text.is_empty() || text.len() > PUBLIC_URL_MAX || text.contains(is_forbidden) {
        return Err("not a name or a URL; use 1 to 512 bytes without spaces or control characters");
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::config::Config;

    fn problem(toml: &str) -> String {
        Config::from_toml(toml).unwrap_err().to_string()
    }

    #[test]
    fn every_bound_is_inclusive() {
        for (key, min, max) in [
            ("passwords.memory_kib", "8192", "1048576"),
            ("passwords.iterations", "1", "20"),
            ("passwords.parallelism", "1", "16"),
            ("passwords.min_length", "8", "128"),
            ("email.port", "1", "65535"),
            ("server.max_body", "1024", "16777216"),
            ("server.max_connections", "16", "1000000"),
            ("server.max_connections_per_caller", "1", "1000000"),
        ] {
            let low: i64 = min.parse().unwrap();
            let high: i64 = max.parse().unwrap();
            for valid in [low, high] {
                Config::from_toml(&format!("{key} = {valid}")).unwrap();
            }
            for invalid in [low - 1, high + 1, i64::MAX, i64::MIN] {
                let error = problem(&format!("{key} = {invalid}"));
                let expected = format!("test.toml:1: {key} = {invalid}: must be a whole number from {min} to {max}");
                assert_eq!(error, format!("configuration error: {expected}"));
            }
            assert!(problem(&format!("{key} = '{min}'")).contains(&format!("{key} = \"{min}\"")));
            assert!(problem(&format!("{key} = 9.5")).contains("= 9.5: "));
        }
    }

    #[test]
    fn durations_out_of_bounds_are_rejected() {
        for (toml, is_valid) in [
            ("tokens.leeway = '0s'", true),
            ("tokens.leeway = '120s'", true),
            ("tokens.leeway = '121s'", false),
            ("keys.jwks_max_age = '0s'", false),
            ("keys.jwks_max_age = '1s'", true),
            ("keys.jwks_max_age = '24h'", true),
            ("keys.jwks_max_age = '24h'\nkeys.publish_ahead = '23h'", false),
            ("keys.jwks_max_age = '25h'\nkeys.publish_ahead = '26h'", false),
            ("keys.publish_ahead = '300s'", true),
            ("keys.publish_ahead = '299s'", false),
            ("keys.jwks_max_age = '10s'\nkeys.publish_ahead = '10s'", true),
            ("keys.jwks_max_age = '10s'\nkeys.publish_ahead = '9s'", false),
            ("keys.jwks_max_age = '1s'\nkeys.publish_ahead = '1s'", true),
            ("keys.jwks_max_age = '1s'\nkeys.publish_ahead = '0s'", false),
            ("keys.rotate_every = '90d'", true),
            ("keys.rotate_every = ''", true),
            ("keys.rotate_every = 'never'", true),
            ("keys.rotate_every = 'Never'", false),
            ("keys.rotate_every = false", false),
            ("keys.rotate_every = '24h'", true),
            ("keys.rotate_every = '86399s'", false),
            ("keys.rotate_every = '1h'\nkeys.publish_ahead = '1h'", true),
            ("keys.rotate_every = '3650d'", true),
            ("keys.rotate_every = '3651d'", false),
            ("keys.rotate_every = '10s'\nkeys.publish_ahead = '10s'\nkeys.jwks_max_age = '10s'", true),
            ("keys.rotate_every = '9s'\nkeys.publish_ahead = '5s'\nkeys.jwks_max_age = '5s'", false),
            ("keys.publish_ahead = '91d'", false),
            ("keys.publish_ahead = '91d'\nkeys.rotate_every = 'never'", true),
        ] {
            assert_eq!(Config::from_toml(toml).is_ok(), is_valid, "{toml}");
        }
    }

    #[test]
    fn a_duration_without_a_unit_suggests_one() {
        for value in ["300", "'300'"] {
            let error = problem(&format!("keys.publish_ahead = {value}"));
            assert!(error.contains("a duration needs a unit; write \"300s\""), "{error}");
        }
    }

    #[test]
    fn publish_ahead_is_at_least_the_jwks_max_age() {
        assert_eq!(
            problem("[keys]\npublish_ahead = '60s'"),
            "configuration error: keys.publish_ahead = \"60s\" (test.toml:2), keys.jwks_max_age = \"300s\" (default): \
             a new key would sign before every cached JWKS contains it; set publish_ahead to at least jwks_max_age"
        );
    }

    #[test]
    fn keys_rotate_every_90_days_unless_never() {
        let every = |toml: &str| Config::from_toml(toml).unwrap().keys.rotate_every;
        let days = |days: u64| Some(Duration::from_hours(24 * days));
        assert_eq!((every(""), every("keys.rotate_every = ''")), (days(90), days(90)));
        assert_eq!((every("keys.rotate_every = 'never'"), every("keys.rotate_every = '30d'")), (None, days(30)));
        let shown = Config::from_toml("keys.rotate_every = 'never'").unwrap().in_force();
        assert!(shown.contains("rotate_every = \"never\"  # test.toml:1"), "{shown}");
        assert_eq!(
            problem("keys.rotate_every = '1h'"),
            "configuration error: keys.rotate_every = \"1h\" (test.toml:1), keys.publish_ahead = \"24h\" (default): \
             a new key would be due before the previous one signs; set rotate_every to at least publish_ahead, or to \
             \"never\""
        );
        assert!(problem("keys.rotate_every = 'sometimes'").contains("or \"never\""));
    }

    #[test]
    fn only_three_rsa_sizes_are_accepted() {
        for bits in [2048, 3072, 4096] {
            assert_eq!(Config::from_toml(&format!("keys.rsa_bits = {bits}")).unwrap().keys.rsa_bits, bits);
        }
        for bits in [1024, 2047, 2560, 4097, 8192] {
            assert!(problem(&format!("keys.rsa_bits = {bits}")).contains("keys.rsa_bits = "), "{bits}");
        }
    }

    #[test]
    fn a_first_start_creates_a_key_of_the_default_algorithm() {
        let algorithms = |toml: &str| Config::from_toml(toml).unwrap().keys.algorithms;
        assert_eq!(algorithms(""), Algorithm::ALL);
        assert_eq!(algorithms("keys.algorithms = ['RS256', 'ES256', 'RS256']"), Algorithm::ALL);
        assert_eq!(algorithms("keys.algorithms = ['RS256']\ntokens.algorithm = 'RS256'"), [Algorithm::Rs256]);
        for list in ["[]", "[\"RS256\"]"] {
            assert_eq!(
                problem(&format!("keys.algorithms = {list}")),
                format!(
                    "configuration error: keys.algorithms = {list} (test.toml:1), tokens.algorithm = \"ES256\" \
                     (default): the first start would create no key of the default algorithm; add it to keys.algorithms"
                )
            );
        }
        assert!(problem("keys.algorithms = ['HS256']").contains("unknown algorithm `HS256`"));
    }

    #[test]
    fn unknown_algorithms_and_dialects_are_rejected() {
        assert_eq!(Config::from_toml("tokens.algorithm = 'RS256'").unwrap().tokens.algorithm, Algorithm::Rs256);
        assert!(problem("tokens.algorithm = 'HS256'").contains("must be \"ES256\" or \"RS256\""));
        let two = Config::from_toml("dialects.enabled = ['simplejwt', 'jwt_issuer', 'simplejwt']").unwrap();
        assert_eq!(two.dialects.enabled, BTreeSet::from([Dialect::JwtIssuer, Dialect::Simplejwt]));
        assert_eq!(
            problem("dialects.enabled = []"),
            "configuration error: dialects.enabled = [] (test.toml:1): the server would serve no API; name at least one \
             dialect, or remove the setting to serve all of them"
        );
        assert!(problem("dialects.enabled = ['simple_jwt']").contains("unknown dialect `simple_jwt`"));
        assert!(problem("dialects.enabled = 'simplejwt'").contains("must be a list"));
    }

    #[test]
    fn common_passwords_are_rejected_unless_only_this_machine_calls() {
        for (url, expected) in [
            ("http://127.0.0.1:8080", false),
            ("http://127.8.9.10", false),
            ("https://localhost", false),
            ("http://id.localhost:8080", false),
            ("http://[::1]:8080", false),
            ("https://id.example.com", true),
            ("http://id.example.com", true),
            ("http://10.0.0.1:8080", true),
            ("http://192.168.1.2", true),
            ("http://[fd00::1]", true),
            ("https://localhost.example.com", true),
        ] {
            let url = format!("server.public_url = '{url}'");
            assert_eq!(Config::from_toml(&url).unwrap().passwords.reject_common, expected, "{url}");
            for explicit in [true, false] {
                let toml = format!("{url}\npasswords.reject_common = {explicit}");
                assert_eq!(Config::from_toml(&toml).unwrap().passwords.reject_common, explicit, "{toml}");
            }
        }
        let listening = |listen: &str| Config::from_toml(&format!("server.listen = '{listen}'")).unwrap();
        assert!(
            !listening("127.0.0.1:9000").passwords.reject_common && listening("10.0.0.1:9000").passwords.reject_common
        );
        assert!(!listening("0.0.0.0:9000").passwords.reject_common, "its default URL is one of this machine");
    }

    #[test]
    fn issuer_and_audience_follow_the_public_url() {
        let moved = Config::from_toml("server.public_url = 'https://id.example.com/'").unwrap();
        assert_eq!(
            (moved.tokens.issuer.as_str(), moved.tokens.audience.as_str()),
            ("https://id.example.com", "https://id.example.com")
        );
        let own = Config::from_toml("tokens.audience = 'shop'").unwrap();
        assert_eq!((own.tokens.issuer.as_str(), own.tokens.audience.as_str()), ("http://127.0.0.1:8080", "shop"));
        let long = format!("https://id.example.com/{}", "a".repeat(PUBLIC_URL_MAX));
        assert!(problem(&format!("server.public_url = '{long}'")).contains("at most 512 bytes"));
        assert!(problem("tokens.issuer = ''").contains("not a name or a URL"));
        assert!(problem("tokens.audience = 'a b'").contains("without spaces"));
    }

    #[test]
    fn rate_limits_are_read_from_the_throttle_section() {
        let config = Config::from_toml("[throttle]\nenabled = false\nregister_per_caller = '7/2h'").unwrap();
        assert!(!config.throttle.enabled);
        assert_eq!(config.throttle.rates[Limit::RegisterCaller].to_string(), "7/2h");
        assert_eq!(config.throttle.rates[Limit::SignInAccount], Limit::SignInAccount.default_rate());
        assert!(problem("throttle.register_per_caller = '10'").contains("as in \"10/5m\""));
    }
}
