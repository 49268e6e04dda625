//! What the tests of keys share: a folder of them, and the `openssl` program as a second opinion.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tempfile::TempDir;

use crate::clock::Clock;
use crate::crypto::key_dir::{KeyDir, KeyDirOptions};
use crate::crypto::key_pair::KeyPair;
use crate::domain::algorithm::Algorithm;
use crate::domain::key::{KeyPolicy, Kid};
use crate::domain::secret::SecretText;
use crate::domain::time::Timestamp;
use crate::random::Random;
use crate::skip::skip;

/// Runs `openssl` with `input` on its standard input. Skips the test and returns None where the program is missing.
///
/// # Panics
/// If it refuses: then what we wrote is not what we think it is.
#[expect(clippy::unwrap_used, reason = "tests")]
pub(super) fn openssl(arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let mut command = Command::new("openssl");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        skip("openssl is not installed");
        return None;
    };
    // It may have refused before it read.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Some(output.stdout)
}

/// 2023-11-14T22:13:20Z, when the tests' clocks stand.
pub(crate) const NOW: Timestamp = Timestamp::from_unix(1_700_000_000);

/// A folder of keys in a temporary place, with a clock in the test's hand.
pub(crate) struct TestKeyFolder {
    pub(crate) place: TempDir,
    pub(crate) clock: Clock,
}

impl TestKeyFolder {
    /// An empty one.
    #[expect(clippy::unwrap_used, reason = "tests")]
    pub(crate) fn new() -> Self {
        Self { place: tempfile::tempdir().unwrap(), clock: Clock::manual(NOW) }
    }

    /// The folder's keys, under `passphrase` if it is not empty.
    pub(crate) fn keys(&self, passphrase: &str) -> KeyDir {
        let options = KeyDirOptions {
            path: self.path().to_owned(),
            passphrase: (!passphrase.is_empty()).then(|| SecretText::new(passphrase.to_owned())),
            rsa_bits: 2048,
            certificate_name: "issuer.example".to_owned(),
            default_algorithm: Algorithm::Es256,
        };
        KeyDir::new(options, self.clock.clone(), Random::seeded(7))
    }

    pub(crate) fn path(&self) -> &Path {
        self.place.path()
    }

    /// Every name in the folder that is not the lock's.
    #[expect(clippy::unwrap_used, reason = "tests")]
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path()).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name != ".lock");
        names.sort();
        names
    }

    pub(crate) fn pem(&self, kid: &Kid) -> PathBuf {
        self.path().join(format!("{kid}.pem"))
    }
}

/// An hour ahead; tokens live five minutes.
pub(crate) fn policy() -> KeyPolicy {
    KeyPolicy {
        publish_ahead: Duration::from_hours(1),
        jwks_max_age: Duration::from_mins(5),
        longest_access: Duration::from_mins(5),
        leeway: Duration::from_secs(5),
        promised_until: None,
    }
}

/// A token such as another issuer may send: any header, any claims, truly signed.
#[expect(clippy::unwrap_used, reason = "tests")]
pub(crate) fn foreign_token(pair: &KeyPair, header: &Value, claims: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let mut token = format!("{}.{}", encode(header), encode(claims));
    let mut signature = Vec::new();
    pair.sign(token.as_bytes(), &mut signature).unwrap();
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    token
}
