//! Uses every feature of the real binary at the highest log level, then searches for every secret that was used or
//! generated: in the log, in the database and all other files of the data folder, and in every error response. E-mails
//! that are written to `data/mail/` because no mail server is configured are not searched.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::social::provider::IdentityProvider;
use crate::support::binary::{Binary, TestFolder};
use crate::support::{ServerResponse, mail, wait_until};

mod admin;
mod providers;

const CLIENT_SECRET: &str = "client-secret-4711-of-google";
const SMTP_PASSWORD: &str = "smtp-password-0815-of-the-post";
const PASSPHRASE: &str = "passphrase 1234 of all keys";

/// The secrets that were used or generated, and the error responses that must not contain them.
#[derive(Default)]
struct SecretWatch {
    secrets: Vec<(String, Vec<u8>)>,
    refusals: Vec<String>,
}

impl SecretWatch {
    fn add(&mut self, name: &str, secret: &str) -> String {
        assert!(secret.len() >= 8, "{name} is too short to be searched for: {secret}");
        self.secrets.push((name.to_owned(), secret.as_bytes().to_vec()));
        secret.to_owned()
    }

    /// Records a token: the whole token, its signature, and the raw bytes of a UUID.
    fn add_token(&mut self, name: &str, token: &Value) -> String {
        let token = token.as_str().unwrap_or_else(|| panic!("{name} is missing"));
        self.add(&format!("{name}'s signature"), token.rsplit('.').next().unwrap());
        if let Ok(uuid) = uuid::Uuid::try_parse(token) {
            self.secrets.push((format!("{name}, raw"), uuid.as_bytes().to_vec()));
        }
        self.add(name, token)
    }

    /// Records an error response, which must not contain a secret.
    fn add_refusal(&mut self, response: &ServerResponse) {
        assert!(response.status >= 400, "{response:#?}");
        self.refusals.push(format!("{response:?}"));
    }

    /// Returns a message for each secret that `bytes` contains. `location` names the origin of `bytes`.
    fn find_secrets(&self, location: &str, bytes: &[u8]) -> Vec<String> {
        let contains = |secret: &[u8]| bytes.windows(secret.len()).any(|window| window == secret);
        let found = self.secrets.iter().filter(|(_, secret)| contains(secret));
        found.map(|(name, _)| format!("{name} is in {location}")).collect()
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            all.extend(files(&entry.path()));
        } else {
            all.push(entry.path());
        }
    }
    all
}

/// Records the secrets in the keys folder: the lines of each private key, and `keys/secret` in raw and hexadecimal
/// form.
fn watch_keys(folder: &TestFolder, watch: &mut SecretWatch) {
    for path in files(&folder.path("keys")) {
        if path.extension().is_some_and(|kind| kind == "pem") {
            for line in
                fs::read_to_string(&path).unwrap().lines().filter(|line| line.len() >= 40 && !line.starts_with('-'))
            {
                watch.add("a private key's line", line);
            }
        }
    }
    let secret = fs::read(folder.path("keys/secret")).unwrap();
    let hex = secret.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    watch.add("keys/secret in hex", &hex);
    watch.secrets.push(("keys/secret".to_owned(), secret));
}

async fn passwords(server: &Binary, watch: &mut SecretWatch) {
    let first = watch.add("a password", "first password of anna's");
    let body = json!({"username": "anna", "password": first, "email": "anna@example.com"});
    server.post("/register", None, &body).await.is(200);
    watch.add_refusal(&server.post("/register", None, &body).await);
    let wrong = watch.add("a wrong password", "wrong password of anna's");
    for (path, field, login) in [
        ("/auth", "username", "anna"),
        ("/signin", "username", "anna"),
        ("/api/login/", "email", "anna@example.com"),
        ("/api/token/", "username", "anna"),
    ] {
        watch.add_refusal(&server.post(path, None, &json!({field: login, "password": wrong})).await);
        watch.add_refusal(&server.post(path, None, &json!({field: [login], "password": [wrong]})).await);
    }
    // Some users type their password into the name field.
    watch.add_refusal(&server.post("/auth", None, &json!({"username": first, "password": wrong})).await);
    let sign_in = server.post("/auth", None, &json!({"username": "anna", "password": first})).await.is(200).json();
    let token = watch.add_token("an access token", &sign_in["jwt"]);
    let renewed = server.post("/renew_token", Some(&token), &json!({})).await.is(200).json();
    let token = watch.add_token("a renewed token", &renewed["token"]);
    let second = watch.add("a new password", "second password of anna's");
    let changed = server.post("/update_profile", Some(&token), &json!({"password": second})).await.is(200).json();
    let token = watch.add_token("the token after a new password", &changed["jwt"]);
    let short = json!({"password": "short", "email": first});
    watch.add_refusal(&server.post("/update_profile", Some(&token), &short).await);
    watch.add_refusal(&server.post("/renew_token", Some(&format!("{token}x")), &json!({})).await);
    // Some clients put members of the body into the query string.
    watch
        .add_refusal(&server.get(&format!("/auth?username=anna&password={}&token={token}", "second%20password")).await);
    watch.add_refusal(&server.get(&format!("/nowhere/?restoring={token}")).await);
}

async fn sessions(server: &Binary, watch: &mut SecretWatch) {
    let password = "second password of anna's";
    let login = json!({"email": "anna@example.com", "password": password});
    let mut refresh = String::new();
    for path in ["/api/login/", "/api/refresh/"] {
        let body = if refresh.is_empty() { login.clone() } else { json!({"refresh_token": refresh}) };
        let pair = server.post(path, None, &body).await.is(200).json();
        watch.add_token("a short token", &pair["access_token"]);
        refresh = watch.add_token("a refresh UUID", &pair["refresh_token"]);
    }
    server.post("/api/logout/", None, &json!({"refresh_token": refresh})).await.is(200);
    watch.add_refusal(&server.post("/api/refresh/", None, &json!({"refresh_token": refresh})).await);
    let login = json!({"username": "anna", "password": password});
    let pair = server.post("/api/token/", None, &login).await.is(200).json();
    watch.add_token("an access token of a pair", &pair["access"]);
    let refresh = watch.add_token("a signed refresh token", &pair["refresh"]);
    let refreshed = server.post("/api/token/refresh/", None, &json!({"refresh": refresh})).await.is(200).json();
    let access = watch.add_token("a refreshed token", &refreshed["access"]);
    server.post("/api/token/verify/", None, &json!({"token": access})).await.is(200);
    server.post("/api/token/blacklist/", None, &json!({"refresh": refresh})).await.is(200);
    watch.add_refusal(&server.post("/api/token/refresh/", None, &json!({"refresh": refresh})).await);
    let sliding = server.post("/api/token/sliding/", None, &login).await.is(200).json();
    let sliding = watch.add_token("a sliding token", &sliding["token"]);
    let renewed = server.post("/api/token/sliding/refresh/", None, &json!({"token": sliding})).await.is(200).json();
    watch.add_token("a renewed sliding token", &renewed["token"]);
    watch.add_refusal(&server.post("/api/token/sliding/refresh/", None, &json!({"token": access})).await);
}

async fn resets(server: &Binary, folder: &TestFolder, watch: &mut SecretWatch) {
    let emails = || mail::all(&folder.path("data/mail"));
    server.post("/request_password_reset", None, &json!({"email": "anna@example.com"})).await.is(200);
    wait_until("the e-mail with a code is sent", async || emails().len() == 1).await;
    let code = watch.add("a reset code", emails()[0].code());
    watch.add("a reset code without hyphens", &code.replace('-', ""));
    let reset = server.post("/reset_password", None, &json!({"reset_code": code})).await.is(200).json();
    let temporary = watch.add("a temporary password", reset["temporary_password"].as_str().unwrap());
    watch.add_refusal(&server.post("/reset_password", None, &json!({"reset_code": code})).await);
    server.post("/auth", None, &json!({"username": "anna", "password": temporary})).await.is(200);
    server.post("/restore", None, &json!({"restoring_email": "anna@example.com"})).await.is(200);
    wait_until("the e-mail with a link is sent", async || emails().len() == 2).await;
    let source = emails()[1].source.replace("=\n", "").replace("=3D", "=");
    let token = source.split("restoring=").nth(1).unwrap();
    let token: String = token.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
    watch.add("a link's token", &token);
    server.get(&format!("/restore?restoring={token}")).await.is(200);
    let third = watch.add("a restored password", "third password of anna's");
    let body = json!({"restoring_token": token, "restoring_password": third});
    server.post("/restore", None, &body).await.is(200);
    watch.add_refusal(&server.post("/restore", None, &body).await);
}

/// Searches all files while the server runs (the WAL is in use), and again after it has stopped.
async fn search(mut server: Binary, folder: &TestFolder, watch: &SecretWatch) {
    assert!(watch.secrets.len() > 4);
    let mut found = Vec::new();
    for ended in [false, true] {
        if ended {
            server.signal("TERM");
            assert!(server.wait_for_exit().await.success());
        }
        for path in files(&folder.path("data")) {
            if !path.starts_with(folder.path("data/mail")) {
                found.extend(watch.find_secrets(&path.display().to_string(), &fs::read(&path).unwrap()));
            }
        }
    }
    let log = server.log.lock().unwrap().clone();
    assert!(log.lines().count() > 10, "the log has at most 10 lines: {log}");
    found.extend(watch.find_secrets("the log", log.as_bytes()));
    for refusal in &watch.refusals {
        found.extend(watch.find_secrets(&format!("the response {refusal}"), refusal.as_bytes()));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_leaves_a_secret_in_logs_or_files_slow() {
    for format in ["text", "json"] {
        let folder = TestFolder::new();
        let mut watch = SecretWatch::default();
        folder.configure(&format!("log = {{ level = 'trace', format = '{format}' }}"));
        watch_keys(&folder, &mut watch);
        let server = folder.serve().await;
        passwords(&server, &mut watch).await;
        sessions(&server, &mut watch).await;
        resets(&server, &folder, &mut watch).await;
        search(server, &folder, &watch).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn provider_admin_and_metrics_requests_leave_no_secret_in_logs_or_files_slow() {
    let Some(provider) = IdentityProvider::start() else { return };
    let folder = TestFolder::new();
    let mut watch = SecretWatch::default();
    let password = admin::PASSWORD;
    let token = admin::METRICS;
    folder.configure(&format!(
        "log = {{ level = 'trace' }}\nmetrics.token = '{token}'\nthrottle.enabled = false\n\
         admin = {{ username = 'root', email = 'root@example.com', password = '{password}' }}"
    ));
    // The settings of the providers are TOML tables, so they must follow the top-level settings.
    let top_level = fs::read_to_string(folder.path("countersign.toml")).unwrap();
    folder.write("countersign.toml", &format!("{top_level}\n{}", provider.settings()));
    watch_keys(&folder, &mut watch);
    let server = folder.serve().await;
    providers::use_provider(&server, &provider, &mut watch).await;
    admin::use_admin_pages(&server, &mut watch).await;
    admin::scrape(&server, &mut watch).await;
    assert_commands_print_no_secret(&folder, &watch);
    search(server, &folder, &watch).await;
}

/// Asserts that the commands that print settings, keys and the audit log print no secret.
fn assert_commands_print_no_secret(folder: &TestFolder, watch: &SecretWatch) {
    for arguments in [&["check"][..], &["check", "--deploy"], &["keys", "list"], &["settings", "list"], &["audit"]] {
        let output = folder.run(arguments);
        let found =
            watch.find_secrets(&format!("{arguments:?}"), format!("{}{}", output.stdout, output.stderr).as_bytes());
        assert!(found.is_empty(), "{found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn secret_settings_are_never_printed() {
    let folder = TestFolder::new();
    let mut watch = SecretWatch::default();
    folder.write("passphrase", PASSPHRASE);
    folder.run(&["keys", "passphrase", "--new-file", "passphrase"]).is(0);
    folder.configure(&format!(
        "log = {{ level = 'trace' }}\nkeys.passphrase = '{PASSPHRASE}'\nsocial.google = {{ client_id = 'id', client_secret = \
         '{CLIENT_SECRET}' }}\nemail = {{ host = '127.0.0.1', port = 9, security = 'none', username = 'post', password = \
         '{SMTP_PASSWORD}' }}"
    ));
    for (name, secret) in
        [("passphrase", PASSPHRASE), ("client secret", CLIENT_SECRET), ("mail password", SMTP_PASSWORD)]
    {
        watch.add(name, secret);
    }
    let server = folder.serve().await;
    passwords(&server, &mut watch).await;
    // The e-mails stay in the encrypted outbox, because no mail server listens on this port.
    server.post("/request_password_reset", None, &json!({"email": "anna@example.com"})).await.is(200);
    let log = std::sync::Arc::clone(&server.log);
    wait_until("a failed attempt to send is logged", async || {
        log.lock().unwrap().contains("127.0.0.1:9") || log.lock().unwrap().contains("mail")
    })
    .await;
    watch.add_refusal(&server.get("/google/callback/?code=a-code-of-google-s&state=wrong-state").await);
    assert_commands_print_no_secret(&folder, &watch);
    search(server, &folder, &watch).await;
}
