//! Password hashes in other systems' forms: Django's six, and the bare bcrypt and argon2 that many others keep.
//!
//! They are read and compared with, never made: whoever signs in by one gets an argon2id hash in its place. What would
//! cost absurdly much to compare with is refused when it is read, so that no import can make a sign-in a denial of
//! service.

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

/// The most memory a comparison may take, in KiB: 256 MiB.
const MEMORY_MAX: u64 = 1 << 18;
/// The most memory it may walk through in all its passes, in KiB: 2 GiB, about a second of work.
const WALK_MAX: u64 = 2 << 20;
/// The most iterations of PBKDF2: one to two seconds of work.
const ITERATIONS_MAX: u32 = 3_000_000;
/// The greatest cost of bcrypt: 2¹⁴ rounds.
const BCRYPT_MAX: u32 = 14;
/// The fewest bytes of an argon2 hash: nothing but what is left of it tells how many it had.
const OUTPUT_MIN: usize = 16;

/// Why a stored hash is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashProblem {
    /// Its form is none of those known here.
    #[error("its form `{0}` is not one that is known here")]
    Unknown(String),
    /// It begins like a known form, and goes on otherwise.
    #[error("it is no whole {0} hash")]
    Malformed(&'static str),
    /// It takes too much time or memory to compare with.
    #[error("{0} with {1}: a sign-in would cost too much")]
    Costly(&'static str, String),
}

/// A hash of another system, taken apart and found affordable.
pub enum ForeignHash {
    /// `pbkdf2_sha256$iterations$salt$base64`, `pbkdf2_sha1$…`.
    Pbkdf2(Pbkdf2),
    /// `argon2$argon2id$v=19$m=…,t=…,p=…$salt$hash`, or without the first word; argon2i and argon2d too.
    Argon2(ForeignArgon2),
    /// `bcrypt$$2b$12$…`, or without the first word.
    Bcrypt(String),
    /// `bcrypt_sha256$$2b$12$…`: bcrypt of the password's SHA-256 in hex.
    BcryptSha256(String),
    /// `scrypt$N$salt$r$p$base64`.
    Scrypt(Scrypt),
}

/// PBKDF2 (RFC 8018 §5.2).
pub struct Pbkdf2 {
    digest: pbkdf2::Algorithm,
    iterations: NonZeroU32,
    salt: Vec<u8>,
    output: Vec<u8>,
}

/// Argon2 (RFC 9106) of any variety and version.
pub struct ForeignArgon2 {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    salt: Vec<u8>,
    output: Vec<u8>,
}

/// Scrypt (RFC 7914).
pub struct Scrypt {
    params: scrypt::Params,
    salt: Vec<u8>,
    output: Vec<u8>,
}

impl ForeignHash {
    /// Reads a stored hash. Our own argon2id ones are read as well.
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
            // Only the form's name is told: what has no `$` may be a password in clear.
            _ => {
                let name = if form.is_empty() { rest.split('$').next().unwrap_or("") } else { form };
                let nameable = text.contains('$') && name.len() <= 24 && name.is_ascii();
                Err(HashProblem::Unknown(if nameable { name } else { "…" }.to_owned()))
            }
        }
    }

    /// Whether the password is the hash's. Costs what the hash says; takes as long for a wrong one.
    pub fn matches(&self, password: &Password) -> bool {
        let bytes = password.expose();
        match self {
            Self::Pbkdf2(hash) => pbkdf2::verify(hash.digest, hash.iterations, &hash.salt, bytes, &hash.output).is_ok(),
            Self::Argon2(hash) => {
                let mut output = vec![0; hash.output.len()];
                let done = Argon2::new(hash.algorithm, hash.version, hash.params.clone()).hash_password_into(
                    bytes,
                    &hash.salt,
                    &mut output,
                );
                done.is_ok() && bool::from(output.ct_eq(&hash.output))
            }
            // bcrypt knows the first 72 bytes alone, as it did where the hash was made.
            Self::Bcrypt(hash) => bcrypt::verify(bytes, hash).unwrap_or(false),
            Self::BcryptSha256(hash) => bcrypt::verify(hex_sha256(bytes), hash).unwrap_or(false),
            Self::Scrypt(hash) => {
                let mut output = vec![0; hash.output.len()];
                let done = scrypt::scrypt(bytes, &hash.salt, &hash.params, &mut output);
                done.is_ok() && bool::from(output.ct_eq(&hash.output))
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
    let read = || {
        let phc = Phc::new(text).ok()?;
        let algorithm = Algorithm::try_from(phc.algorithm.as_str()).ok()?;
        // What has no version is older than the field.
        let version = phc.version.map_or(Ok(Version::V0x10), Version::try_from).ok()?;
        let output = phc.hash?.as_bytes().to_vec();
        let read = Params::try_from(&phc).ok()?;
        let params = Params::new(read.m_cost(), read.t_cost(), read.p_cost(), Some(output.len())).ok()?;
        let salt = phc.salt?.as_ref().to_vec();
        Some(ForeignArgon2 { algorithm, version, params, salt, output })
    };
    let hash = read().filter(|hash| hash.output.len() >= OUTPUT_MIN).ok_or(HashProblem::Malformed(NAME))?;
    let memory = u64::from(hash.params.m_cost());
    let passes = u64::from(hash.params.t_cost());
    affordable(NAME, memory, memory * passes)?;
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
    // RFC 7914 §6: a block of 128·r bytes is kept N times, and once more for each of p. Asked first: the library's own
    // arithmetic overflows where it is absurd.
    let blocks = n.saturating_add(p.into()).saturating_mul(r.into()) / 8;
    affordable(NAME, blocks, blocks.saturating_mul(p.into()))?;
    let log_n = u8::try_from(n.ilog2()).map_err(|_| malformed())?;
    let params = scrypt::Params::new(log_n, r, p).map_err(|_| malformed())?;
    Ok(ForeignHash::Scrypt(Scrypt { params, salt: salt.as_bytes().to_vec(), output }))
}

/// Refuses what takes or walks through too many KiB.
fn affordable(name: &'static str, memory: u64, walk: u64) -> Result<(), HashProblem> {
    if memory > MEMORY_MAX {
        return Err(HashProblem::Costly(name, format!("{memory} KiB of memory")));
    }
    if walk > WALK_MAX {
        return Err(HashProblem::Costly(name, format!("passes over {walk} KiB of memory")));
    }
    Ok(())
}

/// Exactly `N` parts between dollars.
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

    fn made_by_django() -> Vec<DjangoHashSample> {
        let text = include_str!("../../tests/fixtures/django/hashes.json");
        serde_json::from_str(text).expect("the file is as make.py made it")
    }

    fn is_match(hash: &str, password: &str) -> bool {
        let hash = ForeignHash::parse(hash).unwrap_or_else(|problem| panic!("{hash}: {problem}"));
        hash.matches(&Password::new(password.to_owned()))
    }

    #[test]
    fn django_hashes_match_only_their_password() {
        let all = made_by_django();
        assert_eq!(all.len(), 9);
        for made in all {
            assert!(is_match(&made.hash, &made.password), "{}", made.format);
            assert!(!is_match(&made.hash, &format!("{}x", made.password)), "{}", made.format);
        }
    }

    #[test]
    fn bcrypt_is_recognised_by_each_of_its_prefixes() {
        let bcrypt = made_by_django().into_iter().find(|made| made.format == "bcrypt").expect("it is among them");
        let bare = bcrypt.hash.strip_prefix("bcrypt$").expect("Django names it");
        for name in ["$2a$", "$2b$", "$2y$"] {
            assert!(is_match(&bare.replace("$2b$", name), &bcrypt.password), "{name}");
        }
    }

    #[test]
    fn a_truncated_hash_matches_no_password() {
        for made in made_by_django() {
            for end in 0..made.hash.len() {
                let cut = &made.hash[..end];
                // An argon2 hash depends on its length, so that the beginning of one is the beginning of no other.
                let is_whole = ForeignHash::parse(cut).is_ok_and(|hash| match hash {
                    ForeignHash::Argon2(_) => end + 1 == made.hash.len() && is_match(cut, &made.password),
                    _ => true,
                });
                assert!(!is_whole, "{cut}");
            }
        }
    }

    #[test]
    fn an_excessive_hash_cost_is_rejected() {
        let b64 = |length| STANDARD.encode(vec![0; length]);
        for (hash, words) in [
            (format!("pbkdf2_sha256$3000001$salt${}", b64(32)), "3000001 iterations"),
            ("argon2$argon2id$v=19$m=1048577,t=1,p=1$YSBzYWx0IG9mIHNpeHRlZW4$ntKwbpBpADmPM8nO2Blz4Q".into(), "1048577"),
            ("argon2$argon2i$v=19$m=262144,t=9,p=1$YSBzYWx0IG9mIHNpeHRlZW4$ntKwbpBpADmPM8nO2Blz4Q".into(), "passes"),
            ("bcrypt$$2b$15$A5zN1oHm0GE3SqFE5SlAce0SKgpCOB77SXxim9Z0V3wFTi6zkqWnm".into(), "cost 15"),
            (format!("scrypt$1048576$salt$16$1${}", b64(64)), "KiB of memory"),
            (format!("scrypt$2$salt$8$4294967294${}", b64(64)), "KiB of memory"),
            (format!("scrypt$9223372036854775808$salt$4294967295$1${}", b64(64)), "KiB of memory"),
            (format!("scrypt$131072$salt$8$99${}", b64(64)), "passes"),
        ] {
            let problem = ForeignHash::parse(&hash).err().unwrap_or_else(|| panic!("{hash} is taken"));
            assert!(matches!(problem, HashProblem::Costly(..)) && problem.to_string().contains(words), "{problem}");
        }
    }

    #[test]
    fn unknown_hash_forms_are_named_and_possible_passwords_are_not() {
        for (hash, shown) in [
            ("md5$salt$0123", "`md5`"),
            ("$5$rounds=1000$x", "`5`"),
            ("hunter2", "`…`"),
            ("", "`…`"),
            ("a password that is long and has a $ in it", "`…`"),
        ] {
            let problem = ForeignHash::parse(hash).err().unwrap_or_else(|| panic!("{hash} is taken"));
            assert!(problem.to_string().contains(shown), "{problem}");
        }
        for hash in ["pbkdf2_sha256$0$salt$AA==", "scrypt$3$salt$8$1$AA==", "bcrypt_sha256$x", "argon2$argon2id$"] {
            assert!(matches!(ForeignHash::parse(hash), Err(HashProblem::Malformed(_))), "{hash}");
        }
    }
}
