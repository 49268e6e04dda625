//! Helpers of tests: a date, tokens of other issuers, and the `openssl` program as an independent check.

use std::io::Write;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::crypto::key_pair::KeyPair;
use crate::domain::time::Timestamp;
use crate::skip::skip;

/// Runs `openssl` with `input` on its standard input. If the program is not installed, records a skipped test and
/// returns `None`.
///
/// # Panics
/// If `openssl` fails, because then the input is invalid.
#[expect(clippy::unwrap_used, reason = "tests")]
pub(crate) fn openssl(arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
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
