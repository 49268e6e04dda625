//! Password hashes in the formats of other systems: six formats of Django, and plain bcrypt and argon2, which many
//! other systems store.
//!
//! This module verifies foreign hashes and never creates one: at the first sign-in an argon2id hash replaces it. When
//! it parses a hash, it rejects one that is too expensive to verify. Otherwise each sign-in with an imported hash could
//! be a denial of service.

use std::num::NonZeroU32;

use argon2::password_hash::phc::PasswordHash as Phc;
use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::pbkdf2::{self, PBKDF2_HMAC_SHA1, PBKDF2_HMAC_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::domain::password::Password;

/// The maximum memory of a verification, in KiB: 256 MiB.
const MEMORY_MAX: u64 = 1 << 18;
/// The maximum memory traffic of all passes of a verification, in KiB: 2 GiB, about one second of work.
const TRAFFIC_MAX: u64 = 2 << 20;
/// The maximum number of PBKDF2 iterations: one to two seconds of work.
const ITERATIONS_MAX: u32 = 3_000_000;
/// The maximum cost of bcrypt: 2¹⁴ rounds.
const BCRYPT_MAX: u32 = 14;
/// The minimum length of an argon2 output in bytes. The format does not state the length, so a truncated hash would
/// otherwise be accepted as a short one.
const OUTPUT_MIN: usize = 16;

/// The formats of other systems that are named in an error. Anything else may be a part of a password in plaintext.
const NAMED_FORMATS: [&str; 24] = [
    "md5",
    "unsalted_md5",
    "sha1",
    "unsalted_sha1",
    "sha256",
    "sha512",
    "crypt",
    "pbkdf2",
    "pbkdf2_sha512",
    "bcrypt_sha512",
    "pbkdf2-sha256",
    "pbkdf2-sha512",
    "scram-sha-256",
    "yescrypt",
    "1",
    "5",
    "6",
    "7",
    "y",
    "gy",
    "P",
    "H",
    "apr1",
    "sha1crypt",
];

/// Why a stored hash is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashProblem {
    /// The format is unknown.
    #[error("unknown hash format `{0}`")]
    Unknown(&'static str),
    /// The hash begins like a known format, but the rest is invalid.
    #[error("malformed {0} hash")]
    Malformed(&'static str),
    /// The hash takes too much time or memory to verify.
    #[error("the {0} hash is too expensive to verify ({1})")]
    Costly(&'static str, String),
}

/// A parsed hash of another system, with an acceptable cost.
pub enum ForeignHash {
    /// `pbkdf2_sha256$iterations$salt$base64`, `pbkdf2_sha1$…`.
    Pbkdf2(Pbkdf2),
    /// `argon2$argon2id$v=19$m=…,t=…,p=…$salt$hash`, with or without the prefix `argon2`. Also argon2i and argon2d.
    Argon2(ForeignArgon2),
    /// `bcrypt$$2b$12$…`, with or without the prefix `bcrypt$`.
    Bcrypt(String),
    /// `bcrypt_sha256$$2b$12$…`: bcrypt of the password's SHA-256 in hexadecimal digits.
    BcryptSha256(String),
    /// `scrypt$N$salt$r$p$base64`.
    Scrypt(Scrypt),
}

/// A PBKDF2 hash (RFC 8018 §5.2).
pub struct Pbkdf2 {
    digest: pbkdf2::Algorithm,
    iterations: NonZeroU32,
    salt: Vec<u8>,
    output: Vec<u8>,
}

/// An Argon2 hash (RFC 9106) of any variant and version.
pub struct ForeignArgon2 {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    salt: Vec<u8>,
    output: Vec<u8>,
}

/// A scrypt hash (RFC 7914).
pub struct Scrypt {
    params: scrypt::Params,
    salt: Vec<u8>,
    output: Vec<u8>,
}

impl ForeignHash {
    /// Reads a stored hash. The argon2id hashes of Countersign are read as well.
    pub fn parse(text: &str) -> Result<Self, HashProblem> {
        let (form, rest) = text.split_once('$').unwrap_or((text, ""));
        match form {
            "pbkdf2_sha256" => pbkdf2(rest, PBKDF2_HMAC_SHA256, 32, "PBKDF2"),
            "pbkdf2_sha1" => pbkdf2(rest, PBKDF2_HMAC_SHA1, 20, "PBKDF2"),
            "argon2" => argon2(&format!("${rest}")),
            "bcrypt" => bcrypt(rest).map(Self::Bcrypt),
            "bcrypt_sha256" => bcrypt(rest).map(Self::BcryptSha256),
            "scrypt" => scrypt(rest),
            "" if rest.starts_with("argon2") => argon2(text),
            "" if rest.starts_with('2') => bcrypt(text).map(Self::Bcrypt),
            // The text may be a password in plaintext, so the error shows only the name of a known format.
            _ => {
                let name = if form.is_empty() { rest.split('$').next().unwrap_or("") } else { form };
                let known = NAMED_FORMATS.iter().find(|known| **known == name && text.contains('$'));
                Err(HashProblem::Unknown(known.copied().unwrap_or("…")))
            }
        }
    }

    /// Whether the password matches the hash. The cost depends on the hash and is the same for a wrong password.
    pub fn matches(&self, password: &Password) -> bool {
        let bytes = password.expose();
        match self {
            Self::Pbkdf2(hash) => pbkdf2::verify(hash.digest, hash.iterations, &hash.salt, bytes, &hash.output).is_ok(),
            Self::Argon2(hash) => {
                let mut output = vec![0; hash.output.len()];
                let hashed = Argon2::new(hash.algorithm, hash.version, hash.params.clone()).hash_password_into(
                    bytes,
                    &hash.salt,
                    &mut output,
                );
                hashed.is_ok() && bool::from(output.ct_eq(&hash.output))
            }
            // bcrypt uses only the first 72 bytes of a password, as in the system that created the hash.
            Self::Bcrypt(hash) => bcrypt::verify(bytes, hash).unwrap_or(false),
            Self::BcryptSha256(hash) => bcrypt::verify(hex_sha256(bytes), hash).unwrap_or(false),
            Self::Scrypt(hash) => {
                let mut output = vec![0; hash.output.len()];
                let hashed = scrypt::scrypt(bytes, &hash.salt, &hash.params, &mut output);
                hashed.is_ok() && bool::from(output.ct_eq(&hash.output))
            }
        }
    }
}

fn hex_sha256(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = |byte: &u8| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    Zeroizing::new(digest(&SHA256, bytes).as_ref().iter().flat_map(digits).collect())
}

fn pbkdf2(
    rest: &str,
    digest: pbkdf2::Algorithm,
    length: usize,
    name: &'static str,
) -> Result<ForeignHash, HashProblem> {
    let malformed = || HashProblem::Malformed(name);
    let [iterations, salt, output] = parts(rest).ok_or_else(malformed)?;
    let iterations: NonZeroU32 = iterations.parse().map_err(|_| malformed())?;
    let output = STANDARD.decode(output).ok().filter(|output| output.len() == length).ok_or_else(malformed)?;
    if iterations.get() > ITERATIONS_MAX {
        return Err(HashProblem::Costly(name, format!("{iterations} iterations")));
    }
    Ok(ForeignHash::Pbkdf2(Pbkdf2 { digest, iterations, salt: salt.as_bytes().to_vec(), output }))
}

fn argon2(text: &str) -> Result<ForeignHash, HashProblem> {
    const NAME: &str = "argon2";
    let parse = || {
        let phc = Phc::new(text).ok()?;
        let algorithm = Algorithm::try_from(phc.algorithm.as_str()).ok()?;
        // A hash without a version is older than the version field.
        let version = phc.version.map_or(Ok(Version::V0x10), Version::try_from).ok()?;
        let output = phc.hash?.as_bytes().to_vec();
        let stored = Params::try_from(&phc).ok()?;
        let params = Params::new(stored.m_cost(), stored.t_cost(), stored.p_cost(), Some(output.len())).ok()?;
        let salt = phc.salt?.as_ref().to_vec();
        Some(ForeignArgon2 { algorithm, version, params, salt, output })
    };
    let hash = parse().filter(|hash| hash.output.len() >= OUTPUT_MIN).ok_or(HashProblem::Malformed(NAME))?;
    let memory = u64::from(hash.params.m_cost());
    let passes = u64::from(hash.params.t_cost());
    check_cost(NAME, memory, memory * passes)?;
    Ok(ForeignHash::Argon2(hash))
}

fn bcrypt(text: &str) -> Result<String, HashProblem> {
    const NAME: &str = "bcrypt";
    let parts: bcrypt::HashParts = text.parse().map_err(|_| HashProblem::Malformed(NAME))?;
    match parts.get_cost() {
        4..=BCRYPT_MAX => Ok(text.to_owned()),
        0..4 | 32.. => Err(HashProblem::Malformed(NAME)),
        cost => Err(HashProblem::Costly(NAME, format!("cost {cost}"))),
    }
}

fn scrypt(rest: &str) -> Result<ForeignHash, HashProblem> {
    const NAME: &str = "scrypt";
    let malformed = || HashProblem::Malformed(NAME);
    let [n, salt, r, p, output] = parts(rest).ok_or_else(malformed)?;
    let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number > 0).ok_or_else(malformed);
    let n: u64 = n.parse().map_err(|_| malformed())?;
    let r = number(r)?;
    let p = number(p)?;
    let output = STANDARD.decode(output).ok().filter(|output| output.len() == 64);
    let output = output.ok_or_else(malformed)?;
    if n < 2 || !n.is_power_of_two() {
        return Err(malformed());
    }
    // RFC 7914 §6: scrypt stores N + p blocks of 128·r bytes. The cost is checked before the library is called, because
    // the library's arithmetic overflows for extreme parameters.
    let blocks = n.saturating_add(p.into()).saturating_mul(r.into()) / 8;
    check_cost(NAME, blocks, blocks.saturating_mul(p.into()))?;
    let log_n = u8::try_from(n.ilog2()).map_err(|_| malformed())?;
    let params = scrypt::Params::new(log_n, r, p).map_err(|_| malformed())?;
    Ok(ForeignHash::Scrypt(Scrypt { params, salt: salt.as_bytes().to_vec(), output }))
}

/// Rejects a hash that needs too much memory or too much memory traffic, both in KiB.
fn check_cost(name: &'static str, memory: u64, traffic: u64) -> Result<(), HashProblem> {
    if memory > MEMORY_MAX {
        return Err(HashProblem::Costly(name, format!("{memory} KiB of memory")));
    }
    if traffic > TRAFFIC_MAX {
        return Err(HashProblem::Costly(name, format!("passes over {traffic} KiB of memory")));
    }
    Ok(())
}

/// Splits a text at `$` into exactly `N` parts.
fn parts<const N: usize>(text: &str) -> Option<[&str; N]> {
    text.split('$').collect::<Vec<_>>().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct DjangoHashSample {
        format: String,
        password: String,
        hash: String,
    }

    fn django_samples() -> Vec<DjangoHashSample> {
        let text = include_str!("../../tests/fixtures/django/hashes.json");
        serde_json::from_str(text).expect("make.py wrote the file")
    }

    fn is_match(hash: &str, password: &str) -> bool {
        let hash = ForeignHash::parse(hash).unwrap_or_else(|problem| panic!("{hash}: {problem}"));
        hash.matches(&Password::new(password.to_owned()))
    }

    #[test]
    fn django_hashes_match_only_their_password() {
        let samples = django_samples();
        assert_eq!(samples.len(), 9);
        for sample in samples {
            assert!(is_match(&sample.hash, &sample.password), "{}", sample.format);
            assert!(!is_match(&sample.hash, &format!("{}x", sample.password)), "{}", sample.format);
        }
    }

    #[test]
    fn bcrypt_is_recognised_by_each_of_its_prefixes() {
        let bcrypt = django_samples().into_iter().find(|sample| sample.format == "bcrypt").expect("a bcrypt sample");
        let bare = bcrypt.hash.strip_prefix("bcrypt$").expect("Django's prefix");
        for name in ["$2a$", "$2b$", "$2y$"] {
            assert!(is_match(&bare.replace("$2b$", name), &bcrypt.password), "{name}");
        }
    }

    #[test]
    fn a_truncated_hash_matches_no_password() {
        for sample in django_samples() {
            for end in 0..sample.hash.len() {
                let cut = &sample.hash[..end];
                // A truncated argon2 hash may parse. It must not match, because argon2's output depends on its length.
                let is_accepted = ForeignHash::parse(cut).is_ok_and(|hash| match hash {
                    ForeignHash::Argon2(_) => end + 1 == sample.hash.len() && is_match(cut, &sample.password),
                    _ => true,
                });
                assert!(!is_accepted, "{cut}");
            }
        }
    }

    #[test]
    fn an_excessive_hash_cost_is_rejected() {
        let b64 = |length| STANDARD.encode(vec![0; length]);
        for (hash, expected) in [
            (format!("pbkdf2_sha256$3000001$salt${}", b64(32)), "3000001 iterations"),
            ("argon2$argon2id$v=19$m=1048577,t=1,p=1$YSBzYWx0IG9mIHNpeHRlZW4$ntKwbpBpADmPM8nO2Blz4Q".into(), "1048577"),
            ("argon2$argon2i$v=19$m=262144,t=9,p=1$YSBzYWx0IG9mIHNpeHRlZW4$ntKwbpBpADmPM8nO2Blz4Q".into(), "passes"),
            ("bcrypt$$2b$15$A5zN1oHm0GE3SqFE5SlAce0SKgpCOB77SXxim9Z0V3wFTi6zkqWnm".into(), "cost 15"),
            (format!("scrypt$1048576$salt$16$1${}", b64(64)), "KiB of memory"),
            (format!("scrypt$2$salt$8$4294967294${}", b64(64)), "KiB of memory"),
            (format!("scrypt$9223372036854775808$salt$4294967295$1${}", b64(64)), "KiB of memory"),
            (format!("scrypt$131072$salt$8$99${}", b64(64)), "passes"),
        ] {
            let problem = ForeignHash::parse(&hash).err().unwrap_or_else(|| panic!("{hash} is accepted"));
            assert!(matches!(problem, HashProblem::Costly(..)) && problem.to_string().contains(expected), "{problem}");
        }
    }

    #[test]
    fn unknown_hash_forms_are_named_and_possible_passwords_are_not() {
        for (hash, expected) in [
            ("md5$salt$0123", "`md5`"),
            ("$5$rounds=1000$x", "`5`"),
            ("hunter2", "`…`"),
            ("md5", "`…`"),
            ("S3cret!pass$1", "`…`"),
            ("$S3cret!pass$1", "`…`"),
            ("secret$", "`…`"),
            ("pa$$word", "`…`"),
            ("$ecret", "`…`"),
            ("MD5$x", "`…`"),
            ("", "`…`"),
            ("a password that is long and has a $ in it", "`…`"),
        ] {
            let problem = ForeignHash::parse(hash).err().unwrap_or_else(|| panic!("{hash} is accepted"));
            assert!(problem.to_string().contains(expected), "{problem}");
        }
        for hash in ["pbkdf2_sha256$0$salt$AA==", "scrypt$3$salt$8$1$AA==", "bcrypt_sha256$x", "argon2$argon2id$"] {
            assert!(matches!(ForeignHash::parse(hash), Err(HashProblem::Malformed(_))), "{hash}");
        }
    }
}
