//! Common passwords: rejected by default on a public URL, in every way to set a password.

use serde_json::{Value, json};

use crate::support::binary::{Binary, TestFolder};
use crate::support::{PASSWORD, mail, wait_until};

const COMMON: &str = "password1";
const PUBLIC: &str = "server.public_url = 'https://id.example.com'";

fn folder(settings: &str) -> TestFolder {
    let folder = TestFolder::new();
    folder.configure(settings);
    folder.create("anna");
    folder
}

/// Whether a registration in each dialect with the password succeeds.
async fn registrations(server: &Binary, password: &str) -> Vec<bool> {
    let mut accepted = Vec::new();
    for (at, path) in ["/register", "/signup", "/api/register/"].into_iter().enumerate() {
        let name = format!("user{at}");
        let body = json!({"username": name, "email": format!("{name}@example.com"), "password": password});
        accepted.push((200..300).contains(&server.post(path, None, &body).await.status));
    }
    accepted
}

#[tokio::test]
async fn common_passwords_are_rejected_in_every_way_to_set_one() {
    let folder = folder(PUBLIC);
    let server = folder.serve().await;
    assert_eq!(registrations(&server, COMMON).await, [false; 3]);

    // Changes by the owner, right after a sign-in.
    let token = server.token("anna").await;
    server.post("/update_profile", Some(&token), &json!({"password": COMMON})).await.is(400);
    server.token("anna").await;

    // A reset.
    let reset = json!({"email": "anna@example.com"});
    server.post("/request_password_reset", None, &reset).await.is(200);
    wait_until("the e-mail is written", async || mail::all(&folder.path("data/mail")).len() == 1).await;
    server.token("anna").await;

    // The command line, and the superuser of [admin].
    let words = ["common"];
    folder.run_with(COMMON, &["users", "set-password", "anna", "--password-stdin"]).fails(1, &words);
    let create = ["users", "create", "bob", "--email", "bob@example.com", "--password-stdin"];
    folder.run_with(COMMON, &create).fails(1, &words);
    drop(server);
    let admin = "admin = { username = 'root', email = 'root@example.com', password = 'password1' }";
    folder.configure(admin);
    folder.run(&["serve", "--listen", "127.0.0.1:0"]).fails(1, &words);
}

#[tokio::test]
async fn common_passwords_are_accepted_on_this_machine_or_if_the_operator_says_so() {
    for (settings, reject_common) in
        [("", ""), ("server.public_url = 'http://localhost:8080'", ""), (PUBLIC, "--set=passwords.reject_common=false")]
    {
        let folder = folder(settings);
        let serve = ["serve", "--listen", "127.0.0.1:0", reject_common];
        let serve = serve.iter().copied().filter(|argument| !argument.is_empty()).collect::<Vec<_>>();
        let server = Binary::start(folder.command(&serve)).await.ready().await;
        let body = json!({"username": "bob", "email": "bob@example.com", "password": "password"});
        let registered: Value = server.post("/register", None, &body).await.is(200).json();
        assert_eq!(registered["status"], "OK", "{settings}");
        let set = ["users", "set-password", "anna", "--password-stdin", reject_common];
        let set = set.iter().copied().filter(|argument| !argument.is_empty()).collect::<Vec<_>>();
        folder.run_with(COMMON, &set).is(0);
    }
    let folder = folder("");
    let serve = ["serve", "--listen", "127.0.0.1:0", "--set=passwords.reject_common=true"];
    let server = Binary::start(folder.command(&serve)).await.ready().await;
    assert_eq!(registrations(&server, COMMON).await, [false; 3]);
    assert_eq!(registrations(&server, PASSWORD).await, [true; 3]);
}
