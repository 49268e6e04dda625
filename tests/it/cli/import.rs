//! `countersign keys import`: keys in every format that `openssl` writes, and the formats that are rejected.

use crate::support::binary::{TestFolder, finish, openssl};

const ENCRYPTION: [&str; 4] = ["-v2", "aes-256-cbc", "-passout", "pass:opensesame"];

/// Runs `openssl` to create a file. Returns `false` if `openssl` is not installed.
fn create_with_openssl(folder: &TestFolder, arguments: &[&str]) -> bool {
    openssl(&folder.path("."), arguments).map(|output| output.is(0).len()).is_some()
}

/// Creates a folder with an RSA and a P-256 key in every supported format. `None` if `openssl` is not installed.
fn key_files() -> Option<TestFolder> {
    let folder = TestFolder::new();
    folder.write("passphrase", "opensesame\n");
    for arguments in [
        &["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "rsa8.pem"] as &[&str],
        &["rsa", "-in", "rsa8.pem", "-traditional", "-out", "rsa1.pem"],
        &["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "ec8.pem"],
        &["ec", "-in", "ec8.pem", "-out", "sec1.pem"],
        &["ecparam", "-name", "prime256v1", "-genkey", "-out", "ecparam.pem"],
        &[&["pkcs8", "-topk8", "-in", "ec8.pem", "-out", "ec-encrypted.pem"] as &[&str], &ENCRYPTION].concat(),
        &[&["pkcs8", "-topk8", "-in", "rsa8.pem", "-out", "rsa-encrypted.pem"] as &[&str], &ENCRYPTION].concat(),
        &["pkcs8", "-topk8", "-in", "ec8.pem", "-out", "scrypt.pem", "-scrypt", "-passout", "pass:opensesame"],
    ] {
        if !create_with_openssl(&folder, arguments) {
            return None;
        }
    }
    Some(folder)
}

#[test]
fn a_private_key_is_imported_in_every_supported_format() {
    let Some(folder) = key_files() else { return };
    for (file, alg) in [
        ("rsa8.pem", "RS256"),
        ("rsa1.pem", "RS256"),
        ("ec8.pem", "ES256"),
        ("sec1.pem", "ES256"),
        ("ecparam.pem", "ES256"),
        ("ec-encrypted.pem", "ES256"),
        ("rsa-encrypted.pem", "RS256"),
        ("scrypt.pem", "ES256"),
    ] {
        let fresh = TestFolder::new();
        std::fs::copy(folder.path(file), fresh.path(file)).unwrap();
        fresh.write("passphrase", "opensesame\n");
        let encrypted = file.contains("encrypted") || file.contains("scrypt");
        let mut arguments = vec!["keys", "import", file];
        if encrypted {
            arguments.extend(["--passphrase-file", "passphrase"]);
        }
        let output = fresh.run(&arguments);
        let kid = output.is(0).trim_end().to_owned();
        assert_eq!(fresh.kid(alg, "next"), kid, "{file}: the imported key is scheduled like a rotation");
        assert!(output.stderr.contains("It signs from"), "{file}: {output:?}");

        let public = fresh.run(&["keys", "export", &kid]).is(0).to_owned();
        let read = ["pkey", "-in", file, "-passin", "pass:opensesame", "-pubout"];
        assert_eq!(openssl(&fresh.path("."), &read).unwrap().is(0), public, "{file}");
        fresh.run(&arguments).fails(1, &["is already in the key ring"]);
    }
}

#[test]
fn a_key_imported_with_now_signs_immediately() {
    let Some(folder) = key_files() else { return };
    folder.create("anna");
    let kid = folder.run(&["keys", "import", "sec1.pem", "--now"]).is(0).trim_end().to_owned();
    assert_eq!(folder.kid("ES256", "active"), kid);
    let token = folder.run(&["token", "mint", "--user", "anna"]).is(0).trim_end().to_owned();
    assert_eq!(crate::support::token::header(&token)["kid"], kid.as_str());
    folder.run(&["token", "verify", &token]).is(0);
}

#[test]
fn the_first_key_may_be_imported() {
    let Some(folder) = key_files() else { return };
    let fresh = TestFolder::empty();
    std::fs::copy(folder.path("ec8.pem"), fresh.path("ec8.pem")).unwrap();
    let kid = fresh.run(&["keys", "import", "ec8.pem", "--now"]).is(0).trim_end().to_owned();
    assert_eq!(fresh.kid("ES256", "active"), kid);
}

#[test]
fn an_unsupported_key_is_rejected_with_a_reason() {
    let Some(folder) = key_files() else { return };
    for arguments in [
        &["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024", "-out", "small.pem"] as &[&str],
        &["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out", "p384.pem"],
        &["genpkey", "-algorithm", "ed25519", "-out", "ed25519.pem"],
        &["pkey", "-in", "ec8.pem", "-pubout", "-out", "public.pem"],
        &["pkey", "-in", "ec8.pem", "-outform", "DER", "-out", "der"],
        &["rsa", "-in", "rsa8.pem", "-traditional", "-aes256", "-passout", "pass:opensesame", "-out", "legacy.pem"],
    ] {
        assert!(create_with_openssl(&folder, arguments), "{arguments:?}");
    }
    folder.write("wrong", "nonsense");
    folder.write("text", "nonsense");
    let before = folder.keys();
    for (file, passphrase, message) in [
        ("small.pem", None, "1024"),
        ("p384.pem", None, "P-256"),
        ("ed25519.pem", None, "ed25519.pem"),
        ("public.pem", None, "the file has no private key"),
        ("der", None, "the file is not PEM"),
        ("text", None, "the file is not PEM"),
        ("legacy.pem", Some("passphrase"), "legacy PEM encryption"),
        ("ec-encrypted.pem", None, "--passphrase-file"),
        ("ec-encrypted.pem", Some("wrong"), "the passphrase is wrong"),
        ("nowhere.pem", None, "nowhere.pem"),
        (".", None, "cannot import ."),
    ] {
        let mut command = folder.command(&["keys", "import", file]);
        command.args(passphrase.into_iter().flat_map(|path| ["--passphrase-file", path]));
        let output = finish(command, "");
        output.fails(1, &[&format!("cannot import {file}"), message][usize::from(message == "--passphrase-file")..]);
        assert!(!output.stderr.contains("opensesame") && !output.stderr.contains("PRIVATE KEY-----\nM"), "{output:?}");
    }
    assert_eq!(folder.keys(), before);
}
