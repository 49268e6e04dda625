//! Resource servers of other makes (`PyJWT`, `jose`), which know the issuer's URL and keep its key set.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::support::skip::skip;

/// A verifier that runs; it ends with the value.
pub struct Verifier {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    name: &'static str,
}

impl Verifier {
    /// Every make that is installed, started for one issuer. Says loudly which are missing.
    pub fn all(issuer: &str, arguments: &[&str]) -> Vec<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let makes = [
            ("verify.py", root.join(".test-tools/python"), root.join(".test-tools/python")),
            ("verify.mjs", PathBuf::from("node"), root.join(".test-tools/node/node_modules/jose")),
        ];
        let mut verifiers = Vec::new();
        for (name, program, needed) in makes {
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

    /// What it says to a token.
    pub fn ask(&mut self, token: &str) -> Value {
        writeln!(self.stdin, "{token}").unwrap();
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{} said {line:?}: {error}", self.name))
    }

    /// That it takes a token.
    #[track_caller]
    pub fn takes(&mut self, token: &str, what: &str) {
        let answer = self.ask(token);
        assert_eq!(answer["ok"], true, "{} and {what}: {answer}", self.name);
    }

    /// That it refuses a token.
    #[track_caller]
    pub fn refuses(&mut self, token: &str, what: &str) {
        let answer = self.ask(token);
        assert_eq!(answer["ok"], false, "{} and {what}: {answer}", self.name);
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
