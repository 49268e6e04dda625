//! Commands that another user runs in the folder of a server: root's files belong to the server, and other users are
//! refused. A server that cannot read the ring reports it. A server as in a container, with a read-only root file system.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::support::binary::{Binary, TestFolder, finish, is_root};
use crate::support::skip::skip;
use crate::support::wait_until;

/// The user of the server.
const SERVER: u32 = 10_001;

async fn jwks_has(server: &Binary, kid: &str) -> bool {
    server.get("/.well-known/jwks.json").await.is(200).text.contains(kid)
}

#[track_caller]
fn assert_all_belong_to_the_server(folder: &TestFolder, after: &str) {
    for (path, owner) in folder.owners() {
        assert_eq!(owner, SERVER, "{path} after {after}");
    }
}

#[tokio::test]
async fn a_server_sees_what_root_changes() {
    if !is_root() {
        return;
    }
    let folder = TestFolder::new();
    folder.write("new", "a passphrase of some length");
    folder.give_to(SERVER);
    let server = folder.serve_as(SERVER).await;
    let stolen = folder.kid("ES256", "active");
    folder.run(&["keys", "revoke", &stolen, "--yes"]).is(0);
    wait_until("the revocation applies", async || !jwks_has(&server, &stolen).await).await;
    let rotated = folder.run(&["keys", "rotate"]).is(0).to_owned();
    for kid in rotated.lines() {
        wait_until("the server publishes the new key", async || jwks_has(&server, kid).await).await;
    }
    folder.create("anna");
    server.token("anna").await;
    for command in [
        &["keys", "list"] as &[&str],
        &["keys", "prune"],
        &["settings", "set", "registration.open", "false"],
        &["backup", "copy"],
        &["keys", "passphrase", "--new-file", "new"],
        &["keys", "passphrase", "--remove"],
    ] {
        let mut command = folder.command(command);
        command.env("COUNTERSIGN_KEYS__PASSPHRASE", "a passphrase of some length");
        finish(command, "").is(0);
    }
    assert_all_belong_to_the_server(&folder, "the commands");
    drop(server);
    folder.serve_as(SERVER).await.token("anna").await;
}

#[tokio::test]
async fn root_may_make_the_first_keys_and_the_database_of_a_server() {
    if !is_root() {
        return;
    }
    for commands in [
        &[&["keys", "rotate"] as &[&str], &["settings", "set", "registration.open", "true"]],
        &[&["settings", "set", "registration.open", "true"] as &[&str], &["keys", "rotate"]],
    ] {
        let folder = TestFolder::empty();
        folder.give_to(SERVER);
        for command in commands {
            folder.run(command).is(0);
            assert_all_belong_to_the_server(&folder, &command.join(" "));
        }
        folder.serve_as(SERVER).await;
    }
    // A restore by root into the folder of a server.
    let source = TestFolder::new();
    source.create("anna");
    source.run(&["backup", "copy"]).is(0);
    let folder = TestFolder::empty();
    folder.give_to(SERVER);
    folder.run(&["restore", source.path("copy").to_str().unwrap()]).is(0);
    assert_all_belong_to_the_server(&folder, "restore");
    folder.serve_as(SERVER).await.token("anna").await;
}

#[test]
fn another_user_is_refused() {
    if !is_root() {
        return;
    }
    let folder = TestFolder::new();
    folder.give_to(SERVER);
    let kid = folder.kid("ES256", "active");
    for path in [".", "keys"] {
        fs::set_permissions(folder.path(path), Permissions::from_mode(0o777)).unwrap();
    }
    let before = folder.owners();
    for command in [&["keys", "rotate"] as &[&str], &["keys", "revoke", &kid], &["keys", "prune"]] {
        let output = finish(folder.command_as(10_002, command), "");
        output.fails(1, &["keys"]);
    }
    fs::set_permissions(folder.path("keys"), Permissions::from_mode(0o700)).unwrap();
    finish(folder.command_as(10_002, &["keys", "rotate"]), "")
        .fails(1, &["user id 10001 owns", "as user id 10001 or as root"]);
    assert_eq!(folder.owners(), before);

    // In an empty folder that others may write to, another user does not create keys either.
    let folder = TestFolder::empty();
    fs::create_dir(folder.path("keys")).unwrap();
    folder.give_to(SERVER);
    fs::set_permissions(folder.path("."), Permissions::from_mode(0o777)).unwrap();
    fs::set_permissions(folder.path("keys"), Permissions::from_mode(0o777)).unwrap();
    let output = finish(folder.command_as(10_002, &["keys", "rotate"]), "");
    output.fails(1, &["cannot change keys, because user id 10001 owns it and this process runs as user id 10002"]);
}

#[tokio::test]
async fn a_server_reports_that_it_cannot_read_the_ring() {
    let folder = TestFolder::new();
    folder.configure("metrics.token = 'a1b2c3d4e5f6a7b8c9d0'");
    let server = folder.serve().await;
    let ring = folder.path("keys/ring.json");
    let intact = fs::read(&ring).unwrap();
    let metrics = async || {
        let client = reqwest::Client::new();
        let request = client.get(format!("{}/metrics", server.url)).bearer_auth("a1b2c3d4e5f6a7b8c9d0");
        let text = request.send().await.unwrap().text().await.unwrap();
        text.lines()
            .find_map(|line| line.strip_prefix("countersign_key_ring_unreadable "))
            .unwrap_or_default()
            .to_owned()
    };
    assert_eq!(metrics().await, "0");
    let damage: [(&str, &dyn Fn()); 4] = [
        ("invalid key ring", &|| fs::write(&ring, "{").unwrap()),
        ("ring.json", &|| fs::remove_file(&ring).unwrap()),
        ("accessible to other users", &|| fs::set_permissions(&ring, Permissions::from_mode(0o644)).unwrap()),
        ("keys", &|| fs::rename(folder.path("keys"), folder.path("moved")).unwrap()),
    ];
    for (reason, damage) in damage {
        damage();
        wait_until("the ring is reported as unreadable", async || metrics().await == "1").await;
        let logged =
            || server.log.lock().unwrap().lines().rev().find(|line| line.contains("job failed")).map(str::to_owned);
        wait_until("the log names the reason", async || logged().is_some_and(|line| line.contains(reason))).await;
        assert!(logged().unwrap().contains("ERROR"), "{reason}");
        server.get("/ready").await.is(200);
        if !folder.path("keys").exists() {
            fs::rename(folder.path("moved"), folder.path("keys")).unwrap();
        }
        fs::write(&ring, &intact).unwrap();
        fs::set_permissions(&ring, Permissions::from_mode(0o600)).unwrap();
        wait_until("the ring is readable again", async || metrics().await == "0").await;
    }
}

#[tokio::test]
async fn a_server_names_the_owner_of_a_ring_that_it_cannot_read() {
    if !is_root() {
        return;
    }
    let folder = TestFolder::new();
    folder.give_to(SERVER);
    let server = folder.serve_as(SERVER).await;
    std::os::unix::fs::chown(folder.path("keys/ring.json"), Some(0), None).unwrap();
    let expected =
        "user id 0 owns keys/ring.json, and this process runs as user id 10001; run `chown 10001 keys/ring.json`";
    wait_until("the log names the owner", async || server.log.lock().unwrap().contains(expected)).await;
}

#[tokio::test]
async fn a_server_runs_on_a_read_only_root_file_system() {
    if !is_root() {
        return;
    }
    if !Command::new("unshare").args(["-m", "true"]).status().is_ok_and(|status| status.success()) {
        return skip("unshare cannot create a mount namespace");
    }
    let folder = TestFolder::empty();
    folder.give_to(SERVER);
    // Everything is read-only except the folder of the server, which is entered again after it is mounted.
    let mount = "mount --make-rprivate / && mount -o remount,bind,ro / && mount --bind \"$PWD\" \"$PWD\" && \
                 mount -o remount,bind,rw \"$PWD\" && cd \"$PWD\" && ! touch /etc/countersign-probe 2>/dev/null";
    let user = format!("setpriv --reuid {SERVER} --regid {SERVER} --clear-groups");
    let shell = format!("exec unshare -m /bin/sh -c '{mount} && exec {user} \"$0\" \"$@\"' \"$0\" \"$@\"");
    let server = folder.serve_with_shell(&shell).await;
    server.get("/.well-known/jwks.json").await.is(200);
    folder.create("anna");
    server.token("anna").await;
    assert_all_belong_to_the_server(&folder, "the first start");
}
