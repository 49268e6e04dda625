//! Helpers of the key tests: a temporary key folder, and the `openssl` program as an independent check.

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

/// Runs `openssl` with `input` on its standard input. If the program is not installed, records a skipped test and
/// returns `None`.
///
/// # Panics
/// If `openssl` fails, because then the input is invalid.
#[expect(clippy::unwrap_used, reason = "tests")]
pub(super) fn openssl(arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let mut command = Command::new("openssl");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        skip("openssl is not installed");
        return None;
    };
    // A failed write is ignored: the program may have failed before it read its input.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Some(output.stdout)
}

/// 2023-11-14T22:13:20Z, the initial time of the test clocks.
pub(crate) const NOW: Timestamp = Timestamp::from_unix(1_700_000_000);

/// A temporary key folder, with a clock that the test controls.
pub(crate) struct TestKeyFolder {
    pub(crate) dir: TempDir,
    pub(crate) clock: Clock,
}

impl TestKeyFolder {
    /// Creates an empty folder.
    #[expect(clippy::unwrap_used, reason = "tests")]
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), clock: Clock::manual(NOW) }
    }

    /// The key folder, with `passphrase` unless it is empty.
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
        self.dir.path()
    }

    /// The sorted names in the folder, without the lock file.
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

/// A policy that publishes keys one hour ahead. Access tokens are valid for five minutes.
pub(crate) fn policy() -> KeyPolicy {
    KeyPolicy {
        publish_ahead: Duration::from_hours(1),
        jwks_max_age: Duration::from_mins(5),
        longest_access: Duration::from_mins(5),
        leeway: Duration::from_secs(5),
        promised_until: None,
    }
}

/// A token of another issuer, with any header and claims and a valid signature.
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
