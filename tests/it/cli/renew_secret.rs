//! `countersign keys renew-secret`: ends what was made with the old secret, and keeps provider tokens and e-mails.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use countersign::crypto::aead::Aead;
use countersign::crypto::derive::{DerivedKeys, Use};
use countersign::random::Random;
use rusqlite::Connection;
use serde_json::json;

use crate::support::binary::TestFolder;
use crate::support::{PASSWORD, mail, wait_until};

const TOKEN_DATA: &[u8] = b"access\0google\x00117";

fn secret(folder: &TestFolder) -> Vec<u8> {
    fs::read(folder.path("keys/secret")).unwrap()
}

fn provider_seal(secret: &[u8]) -> Aead {
    Aead::new(&DerivedKeys::new(secret.try_into().unwrap()), Use::ProviderTokens)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_secret_ends_sessions_and_keeps_tokens_and_emails() {
    let folder = TestFolder::new();
    let without_mail_server = fs::read_to_string(folder.path("countersign.toml")).unwrap();
    // Nothing listens on this port, so e-mails wait.
    folder.configure("email = { host = '127.0.0.1', port = 1, security = 'none' }");
    folder.create("anna");
    let mut server = folder.serve().await;
    let access = server.token("anna").await;
    let login = json!({"email": "anna@example.com", "password": PASSWORD});
    let pair = server.post("/api/login/", None, &login).await.is(200).json();
    server.post("/request_password_reset", None, &json!({"email": "anna@example.com"})).await.is(200);
    folder.run(&["keys", "renew-secret", "--yes"]).fails(1, &["stop the server first"]);
    server.signal("TERM");
    server.wait_for_exit().await;

    let old = secret(&folder);
    let database = Connection::open(folder.path("data/countersign.db")).unwrap();
    let sealed = provider_seal(&old).seal(TOKEN_DATA, b"token", &Random::System);
    let insert = "INSERT INTO social_accounts (provider, social_id, user_id, access_token, refresh_token, linked_at)
                  VALUES ('google', '117', 1, ?1, x'00', 0)";
    database.execute(insert, [&sealed]).unwrap();
    // An interrupted renewal: the server does not start, and the command continues it.
    let next = folder.path("keys/secret.next");
    fs::write(&next, [7; 32]).unwrap();
    fs::set_permissions(&next, PermissionsExt::from_mode(0o600)).unwrap();
    folder.run(&["serve", "--listen", "127.0.0.1:0"]).fails(1, &["run `countersign keys renew-secret` again"]);
    let output = folder.run(&["keys", "renew-secret", "--yes"]);
    output.is(0);
    let expected = "Renewed the secret. Ended sessions: 2. Sealed again: 1 provider tokens, 1 e-mails.";
    assert!(output.stderr.contains(expected) && output.stderr.contains("1 provider tokens or e-mails"), "{output:?}");
    assert_eq!(secret(&folder), [7; 32]);
    assert!(!next.exists());

    let stored = "SELECT access_token FROM social_accounts";
    let stored: Vec<u8> = database.query_row(stored, [], |row| row.get(0)).unwrap();
    assert_eq!(provider_seal(&[7; 32]).open(TOKEN_DATA, &stored).unwrap().expose(), b"token");
    let codes: i64 = database.query_row("SELECT count(*) FROM reset_codes", [], |row| row.get(0)).unwrap();
    assert_eq!(codes, 0);
    database.execute("UPDATE outbox SET due_at = 0 WHERE due_at IS NOT NULL", []).unwrap();
    drop(database);
    assert!(folder.run(&["audit"]).is(0).contains("secret_renewed"));

    folder.write("countersign.toml", &without_mail_server);
    let server = folder.serve().await;
    server.post("/renew_token", Some(&access), &json!({})).await.is(401);
    server.post("/api/refresh/", None, &json!({"refresh_token": pair["refresh_token"]})).await.is(401);
    server.post("/api/login/", None, &login).await.is(200);
    wait_until("the e-mail is sent", async || mail::all(&folder.path("data/mail")).len() == 1).await;
}
