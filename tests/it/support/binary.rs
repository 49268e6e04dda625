//! The binary as an operator runs it: in a folder of its own, with no environment, as a process that can be killed.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

use super::skip::skip;
use super::{PASSWORD, QUICK_HASHES, ServerResponse, copy_keys, settle};

/// A folder that commands and servers run in.
pub struct TestFolder {
    folder: TempDir,
}

/// What a command did.
#[derive(Debug)]
pub struct CommandOutput {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl CommandOutput {
    /// What went to stdout, if the command ended with this code.
    #[track_caller]
    pub fn is(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{self:#?}");
        &self.stdout
    }

    /// As [`CommandOutput::is`] with 0, read as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(self.is(0)).unwrap_or_else(|error| panic!("{error} in {self:#?}"))
    }

    /// That the command ended with this code, nothing on stdout and these words on stderr.
    #[track_caller]
    pub fn fails(&self, code: i32, words: &[&str]) {
        assert_eq!((self.code, self.stdout.as_str()), (Some(code), ""), "{self:#?}");
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is missing in {self:#?}");
        }
    }
}

impl TestFolder {
    /// A folder without keys.
    pub fn empty() -> Self {
        let folder = Self { folder: tempfile::tempdir().unwrap() };
        folder.write("countersign.toml", &format!("{QUICK_HASHES}\n"));
        folder
    }

    /// A folder with a ring of one active key of each algorithm.
    pub fn new() -> Self {
        let folder = Self::empty();
        copy_keys(&folder.path("keys"));
        folder
    }

    /// A file or folder in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file into it.
    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Adds to the settings file, above what it has.
    pub fn configure(&self, settings: &str) {
        let known = fs::read_to_string(self.path("countersign.toml")).unwrap();
        self.write("countersign.toml", &format!("{settings}\n{known}"));
    }

    /// `countersign` with arguments, to be run here.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.args(arguments).current_dir(self.folder.path()).env_clear();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> CommandOutput {
        finish(self.command(arguments), "")
    }

    /// Runs a command with something to read.
    pub fn run_with(&self, stdin: &str, arguments: &[&str]) -> CommandOutput {
        finish(self.command(arguments), stdin)
    }

    /// Makes a user with [`PASSWORD`] and an address at `example.com`.
    pub fn create(&self, name: &str) {
        let email = format!("{name}@example.com");
        self.run_with(PASSWORD, &["users", "create", name, "--email", &email, "--password-stdin"]).is(0);
    }

    /// The keys, as `keys list --json` tells them.
    pub fn keys(&self) -> Vec<Value> {
        self.run(&["keys", "list", "--json"]).json().as_array().unwrap().clone()
    }

    /// The `kid` of the one key of an algorithm in a state.
    pub fn kid(&self, alg: &str, state: &str) -> String {
        let keys = self.keys();
        let mut found = keys.iter().filter(|key| key["alg"] == alg && key["state"] == state);
        let (Some(key), None) = (found.next(), found.next()) else { panic!("not one {state} {alg} in {keys:#?}") };
        key["kid"].as_str().unwrap().to_owned()
    }

    /// As [`TestFolder::serve`], by a line of shell that runs `"$0" "$@"`.
    pub async fn serve_by(&self, line: &str) -> Binary {
        self.begin_by(line).await.ready().await
    }

    /// As [`TestFolder::serve_by`], of a server that need not be ready.
    pub async fn begin_by(&self, line: &str) -> Binary {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", line, env!("CARGO_BIN_EXE_countersign"), "serve", "--listen", "127.0.0.1:0"]);
        command.current_dir(self.folder.path()).env_clear();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Binary::start(command).await
    }

    /// Starts a server here and waits until it is ready.
    pub async fn serve(&self) -> Binary {
        self.begin().await.ready().await
    }

    /// Starts a server here that need not be ready.
    pub async fn begin(&self) -> Binary {
        Binary::start(self.command(&["serve", "--listen", "127.0.0.1:0"])).await
    }
}

/// Runs a command of any kind to its end.
pub fn finish(mut command: Command, stdin: &str) -> CommandOutput {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that refuses before it reads is no fault of the writer's.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    CommandOutput { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Runs `openssl` to its end. Skips the test and returns None where it is not installed.
pub fn openssl(folder: &Path, arguments: &[&str]) -> Option<CommandOutput> {
    let mut command = Command::new("openssl");
    command.args(arguments).current_dir(folder);
    if Command::new("openssl").arg("version").output().is_err() {
        skip("openssl is not installed");
        return None;
    }
    Some(finish(command, ""))
}

/// A server in a process of its own. It is killed with the value.
pub struct Binary {
    child: Child,
    /// Where it listens.
    pub url: String,
    /// What it has said so far.
    pub log: Arc<Mutex<String>>,
    client: reqwest::Client,
}

impl Binary {
    async fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let said = child.stderr.take().unwrap();
        let written = Arc::clone(&log);
        thread::spawn(move || {
            for line in BufReader::new(said).lines().map_while(Result::ok) {
                written.lock().unwrap().extend([&line, "\n"]);
            }
        });
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut binary = Self { child, url: String::new(), log, client };
        settle("the address in the server's log", async || {
            binary.url = address(&binary.log.lock().unwrap()).unwrap_or_default();
            let ended = binary.child.try_wait().unwrap();
            assert!(ended.is_none(), "the server ended: {}", binary.log.lock().unwrap());
            !binary.url.is_empty()
        })
        .await;
        binary
    }

    async fn ready(self) -> Self {
        settle("readiness", async || {
            self.client.get(format!("{}/ready", self.url)).send().await.is_ok_and(|answer| answer.status() == 200)
        })
        .await;
        self
    }

    /// A GET's answer.
    pub async fn get(&self, path: &str) -> ServerResponse {
        ServerResponse::send(self.client.get(format!("{}{path}", self.url))).await
    }

    /// The answer to a POST of JSON, by whoever has the token if one is given.
    pub async fn post(&self, path: &str, token: Option<&str>, body: &Value) -> ServerResponse {
        let request = self.client.post(format!("{}{path}", self.url)).json(body);
        ServerResponse::send(if let Some(token) = token { request.bearer_auth(token) } else { request }).await
    }

    /// A token for a user, by a sign-in of its own.
    pub async fn token(&self, name: &str) -> String {
        let answer = self.post("/auth", None, &serde_json::json!({"username": name, "password": PASSWORD})).await;
        answer.is(200).json()["jwt"].as_str().unwrap().to_owned()
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal: `TERM` or `INT`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name]).arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end, however it comes.
    pub async fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        settle("the server's end", async || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        status.unwrap()
    }

    /// `kill -9`.
    pub async fn kill(mut self) {
        self.child.kill().unwrap();
        assert_eq!(self.ended().await.signal(), Some(9));
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn address(log: &str) -> Option<String> {
    // As text, or as JSON. Metrics have a listener, too, but no URL.
    let line = log.split_inclusive('\n').find(|line| line.contains(" url=") || line.contains("\"url\":"))?;
    let said = ["listen=", "\"listen\":\""].into_iter().find_map(|word| line.split_once(word))?.1;
    let address = said.split([' ', '"', '\n']).next().filter(|address| said.len() > address.len())?;
    Some(format!("http://{address}"))
}
