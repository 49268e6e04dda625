//! The import of users: from a real Django database, from its dump, and from an export; repeated and interrupted.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use countersign::app;
use countersign::clock::Clock;
use countersign::config::Config;
use countersign::domain::dialect::Dialect;
use countersign::domain::password::Password;
use countersign::domain::user::{Login, User};
use countersign::issuer::sign_in::SignIn;
use countersign::issuer::{Caller, Issuer, Refusal};
use countersign::random::Random;
use countersign::store::{StoreError, UserQuery};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::skip::skip;

/// The working folder of the commands, which also contains the data and the keys.
struct ImportFolder {
    folder: TempDir,
}

impl ImportFolder {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.current_dir(self.folder.path()).env_clear().arg("users").args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).stdin(Stdio::null()).output().unwrap()
    }

    /// The first counts in the last line of the output, and whether the exit code was 0.
    fn import(&self, arguments: &[&str]) -> (String, bool) {
        let output = self.run(&[&["import"], arguments].concat());
        let stderr = String::from_utf8(output.stderr).unwrap();
        let last = stderr.lines().last().unwrap_or_default();
        (last.split(" Verified addresses: ").next().unwrap().to_owned(), output.status.success())
    }

    fn export(&self, arguments: &[&str]) -> String {
        String::from_utf8(self.run(&[&["export"], arguments].concat()).stdout).unwrap()
    }

    async fn issuer(&self) -> Arc<Issuer> {
        let path = |name: &str| self.path(name).display().to_string();
        let toml = format!(
            "data_dir = {:?}\nkeys_dir = {:?}\n[database]\nurl = {:?}\n",
            path("data"),
            path("keys"),
            format!("sqlite:{}", path("data/countersign.db")),
        );
        let config = Config::from_toml(&toml).unwrap();
        app::build(&config, Clock::system(), Random::System).await.unwrap()
    }
}

async fn user(issuer: &Issuer, name: &str) -> User {
    let login = Login::new(name);
    let found: Result<Option<User>, StoreError> = issuer.store.read(move |tx| tx.user_by_login(&login)).await;
    found.unwrap().unwrap()
}

async fn stored_hash(issuer: &Issuer, name: &str) -> String {
    user(issuer, name).await.password.map(|hash| hash.as_str().to_owned()).unwrap_or_default()
}

async fn can_sign_in(issuer: &Issuer, name: &str, password: &str) -> bool {
    let sign_in = SignIn {
        login: Login::new(name),
        password: Password::new(password.to_owned()),
        dialect: Dialect::JwtIssuer,
        from: Caller { address: IpAddr::V4(Ipv4Addr::LOCALHOST) },
    };
    match sign_in.run(issuer).await {
        Ok(_) => true,
        Err(Refusal::WrongCredentials(_)) => false,
        Err(other) => panic!("{other:?}"),
    }
}

/// A database created by a real Django. Reports a skip and returns `None` if Django is not installed.
fn django_database(folder: &ImportFolder) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join(".test-tools/python");
    let path = folder.path("django.sqlite3");
    let output =
        Command::new(python).arg(root.join("tests/fixtures/django/make.py")).arg("database").arg(&path).output();
    let reason = match output {
        Ok(output) if output.status.success() => return Some(path),
        Ok(output) => {
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(stderr.contains("ModuleNotFoundError"), "{stderr}");
            "Django is not in .test-tools"
        }
        Err(_) => ".test-tools/python is missing",
    };
    skip(&format!("{reason}; run scripts/test-tools"));
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn users_of_a_real_django_database_can_sign_in_slow() {
    let folder = ImportFolder::new();
    let Some(database) = django_database(&folder) else { return };
    let database = database.to_str().unwrap();
    let (summary, succeeded) = folder.import(&["--from-django", database, "--report", "report.jsonl"]);
    let expected = "Imported 15 users (2 without e-mail, 2 without password). Already present: 0. Rejected: 0.";
    assert_eq!((summary.as_str(), succeeded), (expected, true));
    let report = std::fs::read_to_string(folder.path("report.jsonl")).unwrap();
    let mut report: Vec<Value> = report.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(report.pop().unwrap()["summary"]["imported"], 15);
    let reported: Vec<_> =
        report.iter().map(|line| (line["id"].as_i64().unwrap(), line["came"].as_bool().unwrap())).collect();
    assert_eq!(reported, [(44, true), (45, true), (46, true), (47, true), (48, true)]);

    let issuer = folder.issuer().await;
    let root = user(&issuer, "root").await;
    assert_eq!((root.id.0, root.first_name.as_str(), root.last_name.as_str()), (3, "Ruth", "Öt"));
    assert_eq!((root.is_staff, root.is_superuser, root.is_active), (true, true, true));
    assert_eq!(root.date_joined.to_string(), "2019-05-04T03:02:01Z");
    assert_eq!(root.last_login.unwrap().to_string(), "2020-06-07T03:02:01Z");
    for (name, form) in [
        ("pbkdf2_sha256", "pbkdf2_sha256$"),
        ("pbkdf2_sha1", "pbkdf2_sha1$"),
        ("argon2", "argon2$argon2id$"),
        ("bcrypt_sha256", "bcrypt_sha256$$2b$"),
        ("bcrypt", "bcrypt$$2b$"),
        ("scrypt", "scrypt$"),
        ("root", "pbkdf2_sha256$"),
        ("no address", "pbkdf2_sha256$"),
        ("twin", "pbkdf2_sha256$"),
        ("local", "pbkdf2_sha256$"),
    ] {
        let password = format!("password of {name}");
        assert!(stored_hash(&issuer, name).await.starts_with(form), "{name}");
        assert!(!can_sign_in(&issuer, name, "password of another").await, "{name}");
        assert!(stored_hash(&issuer, name).await.starts_with(form), "{name}: a wrong password replaces nothing");
        assert!(can_sign_in(&issuer, name, &password).await, "{name}");
        assert!(stored_hash(&issuer, name).await.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{name}");
        assert!(can_sign_in(&issuer, name, &password).await, "{name}, again");
    }
    for (name, password) in [("second@example.com", "password of ROOT"), ("third@example.com", "password of line")] {
        assert!(can_sign_in(&issuer, name, password).await, "{name}: the address is the user name");
        assert_eq!(user(&issuer, name).await.username.as_str(), name);
    }
    for name in ["left", "unusable", "old"] {
        assert!(!can_sign_in(&issuer, name, &format!("password of {name}")).await, "{name}");
    }

    let before = folder.export(&["--with-password-hashes"]);
    let (summary, _) = folder.import(&["--from-django", database]);
    let again = "Imported 0 users (0 without e-mail, 0 without password). Already present: 15. Rejected: 0.";
    assert_eq!(summary, again);
    assert_eq!(folder.export(&["--with-password-hashes"]), before, "a repeated import changes no existing user");
}

#[test]
fn exported_users_are_imported_unchanged() {
    let first = ImportFolder::new();
    let second = ImportFolder::new();
    let dump = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/django/dump.json");
    assert!(first.import(&["--from-django", dump]).0.starts_with("Imported 15 users (2 without e-mail"));
    let claims = r#"{"roles":["editor"]}"#;
    assert!(first.run(&["set-claims", "root", claims]).status.success());
    let exported = first.export(&["--with-password-hashes"]);
    assert!(exported.lines().count() == 15 && exported.contains("pbkdf2_sha256$") && exported.contains(claims));

    second.write("users.jsonl", &exported);
    let expected = "Imported 15 users (0 without e-mail, 2 without password). Already present: 0. Rejected: 0.";
    assert_eq!(second.import(&["users.jsonl"]), (expected.to_owned(), true));
    assert_eq!(second.export(&["--with-password-hashes"]), exported);
    assert!(second.import(&["users.jsonl"]).0.contains("Imported 0 users"));

    let bare = first.export(&[]);
    assert!(bare.lines().count() == 15 && !bare.contains("password_hash") && !bare.contains("pbkdf2_sha256$"));
}

#[test]
fn an_address_that_normalisation_changes_is_not_imported() {
    let folder = ImportFolder::new();
    folder.write("users.jsonl", "{\"username\":\"mike\",\"email\":\"mi\u{212a}e@example.org\"}\n");
    let output = folder.run(&["import", "users.jsonl"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("Imported 1 user (1 without e-mail"), "{stderr}");
    assert!(stderr.contains("must be a valid e-mail address"), "{stderr}");
    let exported: Value = serde_json::from_str(&folder.export(&[])).unwrap();
    assert_eq!((&exported["username"], &exported["email"]), (&Value::from("mike"), &Value::Null));
}

/// Each user has a field that cannot be read as it is. No user is lost.
#[test]
fn a_trivial_field_costs_no_user() {
    let folder = ImportFolder::new();
    let users = [
        r#""pk":1,"fields":{"password":"!x","username":"","email":"n@example.org"#,
        r#""pk":"2","fields":{"password":"!x","username":null,"email":" o@example.org "#,
        r#""pk":3,"fields":{"password":"!x","username":"John Smith","email":"john1@example.org"#,
        r#""pk":4,"fields":{"password":"!x","username":"John Smith","email":"john2@example.org"#,
        r#""pk":5,"fields":{"password":"!x","username":"dates","is_active":"t","date_joined":"04-MAY-19 03.02.01 AM","last_login":"0000-00-00 00:00:00","email":""#,
        r#""pk":6,"fields":{"password":"!x","username":"bad","is_staff":"b'1'","date_joined":"soon","email":""#,
        r#""pk":"seven","fields":{"password":"!x","username":["x"],"email":"seven@example.org"#,
        r#""pk":8,"fields":{"password":"!x","username":"victim＠example.org","email":"eight@example.org"#,
        r#""pk":9,"fields":{"password":"S3cret!pass$1","groups":[1,2],"username":"nine","email":"odd address"#,
    ];
    let objects: Vec<String> = users.iter().map(|user| format!(r#"{{"model":"a.user",{user}"}}}}"#)).collect();
    folder.write("dump.json", &format!("\u{feff}[{}]", objects.join(",")));
    let import = ["import", "--from-django", "dump.json", "--report", "report.jsonl"];
    let output = folder.run(&import);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    for words in [
        "Imported 9 users (1 without e-mail, 9 without password)",
        "object 4 (John Smith): imported with the user name john2@example.org: the user name is already",
        "object 6 (bad): imported without date_joined: it is not a date",
        "object 7 (seven@example.org): imported without primary key",
        "object 8 (victim＠example.org): imported with the user name eight@example.org",
        "object 9 (nine): imported without password: unknown hash format `…`",
        "Not imported: groups (1 user).",
    ] {
        assert!(stderr.contains(words), "{words}\n{stderr}");
    }
    let report = std::fs::read_to_string(folder.path("report.jsonl")).unwrap();
    assert!(!report.contains("S3cret") && !stderr.contains("S3cret"), "{report}{stderr}");
    let summary: Value = serde_json::from_str(report.lines().last().unwrap()).unwrap();
    assert_eq!(summary["summary"]["not_imported"]["fields"]["groups"], 1);
    let exported: Vec<Value> = folder.export(&[]).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let named: Vec<_> =
        exported.iter().map(|user| (user["id"].as_i64().unwrap(), user["username"].as_str().unwrap())).collect();
    let expected = [
        (1, "n@example.org"),
        (2, "o@example.org"),
        (3, "John Smith"),
        (4, "john2@example.org"),
        (5, "dates"),
        (6, "bad"),
        (7, "seven@example.org"),
        (8, "eight@example.org"),
        (9, "nine"),
    ];
    assert_eq!(named, expected);
    assert_eq!(
        (&exported[4]["date_joined"], &exported[5]["is_staff"]),
        (&Value::from("2019-05-04T03:02:01Z"), &Value::from(true))
    );
    let again = String::from_utf8(folder.run(&import).stderr).unwrap();
    assert!(again.contains("Imported 0 users") && again.contains("Already present: 9. Rejected: 0."), "{again}");
    // The address that the name of user 8 imitated is free.
    let create = ["create", "victim", "--email", "victim@example.org", "--password-stdin"];
    let mut child = folder.command(&create).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"correct horse battery\n").unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn addresses_are_verified_on_request() {
    let folder = ImportFolder::new();
    folder.write("users.jsonl", "{\"username\":\"ann\",\"email\":\"ann@example.org\"}\n{\"username\":\"bob\"}\n");
    let output = folder.run(&["import", "users.jsonl", "--addresses-verified"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("Verified addresses: 1. Provider accounts: 0. Time"), "{stderr}");
    assert!(folder.export(&[]).lines().next().unwrap().contains("\"email_verified\":true"));
}

#[test]
fn an_expensive_hash_is_not_imported() {
    let folder = ImportFolder::new();
    let hash =
        |m: &str| format!("$argon2id$v=19${m},p=1$YSBzYWx0IG9mIHNpeHRlZW4$ntKwbpBpADmPM8nO2Blz4ZZZZZZZZZZZZZZZZZZZZZQ");
    let line = |name: &str, m: &str| format!("{{\"username\":\"{name}\",\"password_hash\":\"{}\"}}\n", hash(m));
    folder.write("users.jsonl", &format!("{}{}", line("ann", "m=4194304,t=1"), line("bob", "m=65536,t=4000000")));
    let stderr = String::from_utf8(folder.run(&["import", "users.jsonl"]).stderr).unwrap();
    assert!(
        stderr.contains("Imported 2 users (2 without e-mail, 2 without password)")
            || stderr.contains("(0 without e-mail, 2 without password)"),
        "{stderr}"
    );
    assert_eq!(stderr.matches("too expensive to verify").count(), 2, "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_import_can_be_repeated() {
    let folder = ImportFolder::new();
    let line = |number: usize| format!("{{\"id\":{number},\"username\":\"user{number}\"}}\n");
    let mut child = folder
        .command(&["import", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    // More than two batches without an end of input: the lines of the third batch are never written.
    input.write_all((1..=2500).map(line).collect::<String>().as_bytes()).unwrap();
    let issuer = folder.issuer().await;
    let count = || async {
        let all = UserQuery { limit: 9999, ..UserQuery::default() };
        let users: Result<Vec<User>, StoreError> = issuer.store.read(move |tx| tx.users(&all)).await;
        users.unwrap().len()
    };
    while count().await < 2000 {
        assert_eq!(child.try_wait().unwrap(), None, "the import ended before it was killed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(count().await, 2000);

    folder.write("users.jsonl", &(1..=2600).map(line).collect::<String>());
    let rest = "Imported 600 users (0 without e-mail, 600 without password). Already present: 2000. Rejected: 0.";
    assert_eq!(folder.import(&["users.jsonl"]), (rest.to_owned(), true));
    assert_eq!(count().await, 2600);
}
