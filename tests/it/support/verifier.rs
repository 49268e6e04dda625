//! Token verifiers of third parties (`PyJWT`, `jose`). Each runs in its own process, knows the issuer's URL and caches
//! its JWKS.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::support::skip::skip;

/// A running verifier process. Dropping the value stops it.
pub struct Verifier {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    name: &'static str,
}

impl Verifier {
    /// Starts every installed verifier for one issuer, and reports the missing ones as skipped.
    pub fn all(issuer: &str, arguments: &[&str]) -> Vec<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let candidates = [
            ("verify.py", root.join(".test-tools/python"), root.join(".test-tools/python")),
            ("verify.mjs", PathBuf::from("node"), root.join(".test-tools/node/node_modules/jose")),
        ];
        let mut verifiers = Vec::new();
        for (name, program, needed) in candidates {
            if !needed.exists() {
                skip(&format!("{name}: {} is missing; run scripts/test-tools", needed.display()));
                continue;
            }
            let mut command = Command::new(program);
            command.arg(root.join("tests/verifiers").join(name)).arg(issuer).args(arguments);
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let stdin = child.stdin.take().unwrap();
            let stdout = BufReader::new(child.stdout.take().unwrap());
            verifiers.push(Self { child, stdin, stdout, name });
        }
        verifiers
    }

    /// The verifier's result for a token.
    pub fn verify(&mut self, token: &str) -> Value {
        writeln!(self.stdin, "{token}").unwrap();
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{} printed {line:?}: {error}", self.name))
    }

    /// Asserts that the verifier accepts a token. `what` describes the token in the failure message.
    #[track_caller]
    pub fn accepts(&mut self, token: &str, what: &str) {
        let response = self.verify(token);
        assert_eq!(response["ok"], true, "{} rejected the token ({what}): {response}", self.name);
    }

    /// Asserts that the verifier rejects a token. `what` describes the token in the failure message.
    #[track_caller]
    pub fn rejects(&mut self, token: &str, what: &str) {
        let response = self.verify(token);
        assert_eq!(response["ok"], false, "{} accepted the token ({what}): {response}", self.name);
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
