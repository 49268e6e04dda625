//! Users brought along: from a real Django, from its dump, from an export; repeated, and interrupted.
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

/// A folder in which the command is typed, and which the settings point to.
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

    /// What `users import` says last, and whether it left with 0.
    fn import(&self, arguments: &[&str]) -> (String, bool) {
        let done = self.run(&[&["import"], arguments].concat());
        let said = String::from_utf8(done.stderr).unwrap();
        let last = said.lines().last().unwrap_or_default();
        (last.split(", in ").next().unwrap().to_owned(), done.status.success())
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
        Err(Refusal::WrongCredentials) => false,
        Err(other) => panic!("{other:?}"),
    }
}

/// A database that a real Django made. None, and a loud word, where there is no Django.
fn made_by_django(house: &ImportFolder) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join(".test-tools/python");
    let path = house.path("django.sqlite3");
    let made = Command::new(python).arg(root.join("tests/fixtures/django/make.py")).arg("database").arg(&path).output();
    let why = match made {
        Ok(made) if made.status.success() => return Some(path),
        Ok(made) => {
            let said = String::from_utf8_lossy(&made.stderr).into_owned();
            assert!(said.contains("ModuleNotFoundError"), "{said}");
            "Django is not in .test-tools"
        }
        Err(_) => ".test-tools/python is missing",
    };
    skip(&format!("{why}; run scripts/test-tools"));
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn users_of_a_real_django_database_can_sign_in_slow() {
    let house = ImportFolder::new();
    let Some(database) = made_by_django(&house) else { return };
    let database = database.to_str().unwrap();
    let (said, whole) = house.import(&["--from-django", database, "--report", "report.jsonl"]);
    let came = "13 users came along (2 lost their address, 2 have no password and need a reset), 0 were here already, 2 could not come";
    assert_eq!((said.as_str(), whole), (came, false));
    let report = std::fs::read_to_string(house.path("report.jsonl")).unwrap();
    let report: Vec<Value> = report.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> =
        report.iter().map(|line| (line["id"].as_i64().unwrap(), line["came"].as_bool().unwrap())).collect();
    assert_eq!(told, [(44, true), (45, true), (46, true), (47, false), (48, false)]);

    let issuer = house.issuer().await;
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
    for name in ["left", "unusable", "old"] {
        assert!(!can_sign_in(&issuer, name, &format!("password of {name}")).await, "{name}");
    }

    let before = house.export(&["--with-password-hashes"]);
    let (said, _) = house.import(&["--from-django", database]);
    let again = "0 users came along (0 lost their address, 0 have no password and need a reset), 13 were here already, 2 could not come";
    assert_eq!(said, again);
    assert_eq!(house.export(&["--with-password-hashes"]), before, "who is here already is left as they are here");
}

#[test]
fn exported_users_are_imported_unchanged() {
    let first = ImportFolder::new();
    let second = ImportFolder::new();
    let dump = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/django/dump.json");
    assert!(first.import(&["--from-django", dump]).0.starts_with("13 users came along (2 lost their address"));
    let claims = r#"{"roles":["editor"]}"#;
    assert!(first.run(&["set-claims", "root", claims]).status.success());
    let exported = first.export(&["--with-password-hashes"]);
    assert!(exported.lines().count() == 13 && exported.contains("pbkdf2_sha256$") && exported.contains(claims));

    second.write("users.jsonl", &exported);
    let whole = "13 users came along (0 lost their address, 2 have no password and need a reset), 0 were here already, 0 could not come";
    assert_eq!(second.import(&["users.jsonl"]), (whole.to_owned(), true));
    assert_eq!(second.export(&["--with-password-hashes"]), exported);
    assert!(second.import(&["users.jsonl"]).0.contains("0 users came along"));

    let bare = first.export(&[]);
    assert!(bare.lines().count() == 13 && !bare.contains("password_hash") && !bare.contains("pbkdf2_sha256$"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_import_can_be_repeated() {
    let house = ImportFolder::new();
    let line = |number: usize| format!("{{\"id\":{number},\"username\":\"user{number}\"}}\n");
    let mut child = house
        .command(&["import", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    // More than two batches, and no end: what was read of the third is never written.
    input.write_all((1..=2500).map(line).collect::<String>().as_bytes()).unwrap();
    let issuer = house.issuer().await;
    let count = || async {
        let all = UserQuery { limit: 9999, ..UserQuery::default() };
        let users: Result<Vec<User>, StoreError> = issuer.store.read(move |tx| tx.users(&all)).await;
        users.unwrap().len()
    };
    while count().await < 2000 {
        assert_eq!(child.try_wait().unwrap(), None, "it goes on until it is killed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(count().await, 2000);

    house.write("users.jsonl", &(1..=2600).map(line).collect::<String>());
    let rest = "600 users came along (0 lost their address, 600 have no password and need a reset), 2000 were here already, 0 could not come";
    assert_eq!(house.import(&["users.jsonl"]), (rest.to_owned(), true));
    assert_eq!(count().await, 2600);
}
