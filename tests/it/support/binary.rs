//! Runs the binary as an operator does: in its own folder, with an empty environment, as a process that can be killed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

use super::skip::skip;
use super::{PASSWORD, QUICK_HASHES, ServerResponse, copy_keys, wait_until};
use crate::support::client;

/// A folder in which commands and servers run.
pub struct TestFolder {
    folder: TempDir,
}

/// The output and exit code of a command.
#[derive(Debug)]
pub struct CommandOutput {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl CommandOutput {
    /// Asserts the exit code and returns the standard output.
    #[track_caller]
    pub fn is(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{self:#?}");
        &self.stdout
    }

    /// Asserts the exit code 0 and parses the standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(self.is(0)).unwrap_or_else(|error| panic!("{error} in {self:#?}"))
    }

    /// Asserts the exit code, an empty standard output, and that the standard error contains each of these texts.
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

    /// A folder with a key ring of one active key for each algorithm.
    pub fn new() -> Self {
        let folder = Self::empty();
        copy_keys(&folder.path("keys"));
        folder
    }

    /// The path of a file or folder in this folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file in this folder.
    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Prepends settings to the settings file.
    pub fn configure(&self, settings: &str) {
        let existing = fs::read_to_string(self.path("countersign.toml")).unwrap();
        self.write("countersign.toml", &format!("{settings}\n{existing}"));
    }

    /// A `countersign` command to run in this folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.args(arguments).current_dir(self.folder.path()).env_clear();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a command and waits for its end.
    pub fn run(&self, arguments: &[&str]) -> CommandOutput {
        finish(self.command(arguments), "")
    }

    /// Runs a command with this standard input.
    pub fn run_with(&self, stdin: &str, arguments: &[&str]) -> CommandOutput {
        finish(self.command(arguments), stdin)
    }

    /// A command to run in this folder as another user. Only root can run it.
    pub fn command_as(&self, user: u32, arguments: &[&str]) -> Command {
        let mut command = self.command(arguments);
        command.uid(user).gid(user);
        command
    }

    /// Gives the folder and everything in it to another user. Only root can do so.
    pub fn give_to(&self, user: u32) {
        let status = Command::new("chown").args(["-R", &format!("{user}:{user}")]).arg(self.folder.path()).status();
        assert!(status.unwrap().success());
    }

    /// The owner of every file and folder in this folder.
    pub fn owners(&self) -> BTreeMap<String, u32> {
        fn add(path: &Path, owners: &mut BTreeMap<String, u32>) {
            owners.insert(path.display().to_string(), fs::symlink_metadata(path).unwrap().uid());
            for entry in fs::read_dir(path).into_iter().flatten() {
                add(&entry.unwrap().path(), owners);
            }
        }
        let mut owners = BTreeMap::new();
        add(self.folder.path(), &mut owners);
        owners
    }

    /// Starts a server in this folder as another user, and waits until it is ready.
    pub async fn serve_as(&self, user: u32) -> Binary {
        Binary::start(self.command_as(user, &["serve", "--listen", "127.0.0.1:0"])).await.ready().await
    }

    /// Creates a user with [`PASSWORD`] and the address `<name>@example.com`.
    pub fn create(&self, name: &str) {
        let email = format!("{name}@example.com");
        self.run_with(PASSWORD, &["users", "create", name, "--email", &email, "--password-stdin"]).is(0);
    }

    /// The keys that `keys list --json` prints.
    pub fn keys(&self) -> Vec<Value> {
        self.run(&["keys", "list", "--json"]).json().as_array().unwrap().clone()
    }

    /// The `kid` of the only key of an algorithm in a state.
    pub fn kid(&self, alg: &str, state: &str) -> String {
        let keys = self.keys();
        let mut found = keys.iter().filter(|key| key["alg"] == alg && key["state"] == state);
        let (Some(key), None) = (found.next(), found.next()) else {
            panic!("not exactly one {state} {alg} key in {keys:#?}")
        };
        key["kid"].as_str().unwrap().to_owned()
    }

    /// Like [`TestFolder::serve`], but starts the server through a shell command, which must run `"$0" "$@"`.
    pub async fn serve_with_shell(&self, shell_command: &str) -> Binary {
        self.spawn_with_shell(shell_command).await.ready().await
    }

    /// Like [`TestFolder::serve_with_shell`], but does not wait for readiness.
    pub async fn spawn_with_shell(&self, shell_command: &str) -> Binary {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", shell_command, env!("CARGO_BIN_EXE_countersign"), "serve", "--listen", "127.0.0.1:0"]);
        command.current_dir(self.folder.path()).env_clear();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Binary::start(command).await
    }

    /// Starts a server in this folder and waits until it is ready.
    pub async fn serve(&self) -> Binary {
        self.spawn().await.ready().await
    }

    /// Starts a server in this folder without waiting for readiness.
    pub async fn spawn(&self) -> Binary {
        Binary::start(self.command(&["serve", "--listen", "127.0.0.1:0"])).await
    }
}

/// Runs any command and waits for its end.
pub fn finish(mut command: Command, stdin: &str) -> CommandOutput {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command may fail before it reads its input. Then the write error is ignored and the exit code shows the
    // failure.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    CommandOutput { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Runs `openssl`. Reports the test as skipped and returns `None` if `openssl` is not installed.
pub fn openssl(folder: &Path, arguments: &[&str]) -> Option<CommandOutput> {
    let mut command = Command::new("openssl");
    command.args(arguments).current_dir(folder);
    if Command::new("openssl").arg("version").output().is_err() {
        skip("openssl is not installed");
        return None;
    }
    Some(finish(command, ""))
}

/// Whether this test runs as root. Otherwise reports it as skipped.
pub fn is_root() -> bool {
    let is_root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    if !is_root {
        skip("only root can run commands as another user");
    }
    is_root
}

/// A server in its own process. Dropping the value kills the process.
pub struct Binary {
    child: Child,
    /// The base URL of the server.
    pub url: String,
    /// The log so far.
    pub log: Arc<Mutex<String>>,
    client: reqwest::Client,
}

impl Binary {
    /// Starts a server with this command, and waits until its log has its address.
    pub async fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let stderr = child.stderr.take().unwrap();
        let written = Arc::clone(&log);
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                written.lock().unwrap().extend([&line, "\n"]);
            }
        });
        let client = client::builder().build().unwrap();
        let mut binary = Self { child, url: String::new(), log, client };
        wait_until("the log contains the address", async || {
            binary.url = address(&binary.log.lock().unwrap()).unwrap_or_default();
            let ended = binary.child.try_wait().unwrap();
            assert!(ended.is_none(), "the server ended: {}", binary.log.lock().unwrap());
            !binary.url.is_empty()
        })
        .await;
        binary
    }

    /// Waits until the server is ready.
    pub async fn ready(self) -> Self {
        wait_until("the server is ready", async || {
            self.client.get(format!("{}/ready", self.url)).send().await.is_ok_and(|response| response.status() == 200)
        })
        .await;
        self
    }

    /// Sends a GET request.
    pub async fn get(&self, path: &str) -> ServerResponse {
        ServerResponse::send(self.client.get(format!("{}{path}", self.url))).await
    }

    /// Sends a POST request with a JSON body, and with a bearer token if one is given.
    pub async fn post(&self, path: &str, token: Option<&str>, body: &Value) -> ServerResponse {
        let request = self.client.post(format!("{}{path}", self.url)).json(body);
        ServerResponse::send(if let Some(token) = token { request.bearer_auth(token) } else { request }).await
    }

    /// Signs a user in with [`PASSWORD`] and returns the access token.
    pub async fn token(&self, name: &str) -> String {
        let response = self.post("/auth", None, &serde_json::json!({"username": name, "password": PASSWORD})).await;
        response.is(200).json()["jwt"].as_str().unwrap().to_owned()
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal: `TERM` or `INT`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name]).arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the process to exit for any reason.
    pub async fn wait_for_exit(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the server exits", async || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        status.unwrap()
    }

    /// Sends SIGKILL and waits for the process to exit.
    pub async fn kill(mut self) {
        self.child.kill().unwrap();
        assert_eq!(self.wait_for_exit().await.signal(), Some(9));
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn address(log: &str) -> Option<String> {
    // The log is text or JSON. The line of the metrics listener also contains `listen` but no `url`, so only a line
    // with `url` is used.
    let line = log.split_inclusive('\n').find(|line| line.contains(" url=") || line.contains("\"url\":"))?;
    let rest = ["listen=", "\"listen\":\""].into_iter().find_map(|word| line.split_once(word))?.1;
    let address = rest.split([' ', '"', '\n']).next().filter(|address| rest.len() > address.len())?;
    Some(format!("http://{address}"))
}
