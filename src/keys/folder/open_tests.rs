//! Starting and opening: what the first start creates, what is rejected, and the error messages.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::error::{KeyFolderError, KeyFolderWarning};
use super::key_folder::SECRET;
use super::{files, ring_file};
use crate::crypto::key_pair::KeyPair;
use crate::crypto::key_ring::KeyRing;
use crate::crypto::pem;
use crate::crypto::ring_contents::RingContents;
use crate::crypto::testing::{NOW, openssl};
use crate::domain::algorithm::Algorithm;
use crate::domain::key::{KeyState, Kid};
use crate::keys::error::KeySourceError;
use crate::keys::testing::TestKeyFolder;
use crate::random::Random;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

/// The `kid` of the key that signs with `alg`.
fn active(ring: &KeyRing, alg: Algorithm) -> Kid {
    ring.signing_key(alg, NOW).unwrap().kid().clone()
}

/// The error message of opening the folder, which must fail.
fn open_error(folder: &TestKeyFolder, passphrase: &str) -> String {
    folder.keys(passphrase).open().unwrap_err().to_string()
}

#[test]
fn a_first_start_creates_one_private_active_key_per_algorithm() {
    let folder = TestKeyFolder::new();
    fs::write(folder.path().join("README.md"), "shipped").unwrap();
    fs::write(folder.path().join(".gitignore"), "*").unwrap();
    set_mode(folder.path(), 0o755);
    let ring = folder.keys("").start().unwrap();
    let states: Vec<_> = ring.schedule().keys().iter().map(|key| (key.alg, key.state(NOW))).collect();
    assert_eq!(states, Algorithm::ALL.map(|alg| (alg, KeyState::Active)));
    assert_eq!((ring.warnings(), ring.next_change()), (&[][..], None));
    assert_eq!(mode(folder.path()), 0o700);
    assert_eq!(folder.names().len(), 6, "{:?}", folder.names());
    for name in folder.names().iter().filter(|name| *name != "README.md" && *name != ".gitignore") {
        assert_eq!(mode(&folder.path().join(name)), 0o600, "{name}");
    }
    let secret = fs::read(folder.path().join(SECRET)).unwrap();
    let again = folder.keys("").start().unwrap();
    assert_eq!(again.schedule(), ring.schedule());
    assert_eq!(again.jwks(), ring.jwks());
    assert_eq!(fs::read(folder.path().join(SECRET)).unwrap(), secret);
    assert_eq!(again.version(), ring.version());
}

#[test]
fn a_first_start_creates_the_folder() {
    let folder = TestKeyFolder::new();
    let mut keys = folder.keys("");
    keys.options.path = folder.path().join("deep/keys");
    assert!(matches!(keys.open(), Err(KeyFolderError::Empty(_))));
    keys.start().unwrap();
    assert_eq!(mode(keys.path()), 0o700);
}

#[test]
fn a_first_start_interrupted_at_any_point_is_resumed() {
    let complete = TestKeyFolder::new();
    complete.keys("").start().unwrap();
    let pem = complete.names().into_iter().find(|name| files::key_name(name).is_some()).unwrap();
    let states: [&[&str]; 4] = [&[], &["ring.json"], &["ring.json", SECRET], &["ring.json", SECRET, &pem]];
    for present in states {
        let folder = TestKeyFolder::new();
        set_mode(folder.path(), 0o700);
        for name in present {
            let content = if *name == SECRET { vec![9; 32] } else { fs::read(complete.path().join(name)).unwrap() };
            files::replace(folder.path(), name, &content).unwrap();
        }
        if present.contains(&"ring.json") {
            ring_file::write(folder.path(), &RingContents::default()).unwrap();
        }
        fs::write(folder.path().join(".countersign-unfinished-x.pem"), "cut off").unwrap();
        assert!(matches!(folder.keys("").open(), Err(KeyFolderError::Empty(_))));
        let ring = folder.keys("").start().unwrap();
        assert!(Algorithm::ALL.into_iter().all(|alg| ring.signing_key(alg, NOW).is_some()));
        let orphans = usize::from(present.contains(&pem.as_str()));
        assert_eq!(ring.warnings().len(), orphans, "{:?}", ring.warnings());
        assert_eq!(
            fs::read(folder.path().join(SECRET)).unwrap() == [9; 32],
            present.contains(&SECRET),
            "an existing secret is never replaced"
        );
        assert_eq!(folder.names().len(), 4 + orphans, "{:?}", folder.names());
    }
}

#[test]
fn only_an_empty_folder_triggers_a_first_start() {
    let folder = TestKeyFolder::new();
    folder.keys("").start().unwrap();
    fs::remove_file(folder.path().join("ring.json")).unwrap();
    for name in folder.names() {
        let before = folder.names();
        let error = folder.keys("").start().unwrap_err();
        assert!(matches!(error, KeySourceError::Folder(KeyFolderError::RingMissing { .. })), "{error}");
        assert!(error.to_string().contains("restore ring.json from a backup"), "{error}");
        assert_eq!(folder.names(), before);
        fs::remove_file(folder.path().join(name)).unwrap();
    }

    let foreign = TestKeyFolder::new();
    fs::write(foreign.path().join("thesis.tex"), "").unwrap();
    let error = foreign.keys("").start().unwrap_err().to_string();
    assert!(error.contains("thesis.tex and is not a key folder"), "{error}");
    assert!(!foreign.path().join(".lock").exists());
}

#[test]
fn a_ring_without_its_secret_is_rejected() {
    let folder = TestKeyFolder::new();
    folder.keys("").start().unwrap();
    let secret = folder.path().join(SECRET);
    fs::write(&secret, [0; 31]).unwrap();
    assert!(open_error(&folder, "").contains("has 31 bytes instead of 32"));
    fs::remove_file(&secret).unwrap();
    let error = folder.keys("").start().unwrap_err();
    assert!(matches!(error, KeySourceError::Folder(KeyFolderError::SecretMissing(_))), "{error}");
    assert!(!secret.exists());
}

#[test]
fn files_readable_by_others_are_rejected_with_the_command_that_fixes_them() {
    let folder = TestKeyFolder::new();
    let ring = folder.keys("").start().unwrap();
    let pem = folder.pem(&active(&ring, Algorithm::Es256));
    for (path, wide, allowed) in [
        (pem.as_path(), 0o640, "600"),
        (&folder.path().join(SECRET), 0o644, "600"),
        (&folder.path().join("ring.json"), 0o664, "600"),
        (folder.path(), 0o750, "700"),
    ] {
        let before = mode(path);
        set_mode(path, wide);
        let expected = format!("(mode {wide:04o}); run `chmod {allowed} {}`", path.display());
        assert!(open_error(&folder, "").contains(&expected), "{}", open_error(&folder, ""));
        set_mode(path, before);
    }
    folder.keys("").open().unwrap();
}

#[test]
fn an_unreadable_private_key_is_named_in_the_error() {
    let folder = TestKeyFolder::new();
    let ring = folder.keys("").start().unwrap();
    let es = active(&ring, Algorithm::Es256);
    let rs = active(&ring, Algorithm::Rs256);
    let path = folder.pem(&rs);
    let valid = fs::read(folder.pem(&rs)).unwrap();
    let assert_error = |content: &[u8], expected: &str| {
        fs::write(&path, content).unwrap();
        let error = open_error(&folder, "");
        assert!(error.contains(&path.display().to_string()) && error.contains(expected), "{error}");
        assert!(error.contains("restore it from a backup"), "{error}");
    };
    assert_error(&valid[..valid.len() / 2], "the file is damaged");
    assert_error(b"", "the file is not PEM");
    assert_error(&fs::read(folder.pem(&es)).unwrap(), &format!("the file contains the key {es}"));
    fs::remove_file(&path).unwrap();
    assert!(open_error(&folder, "").contains("the file is missing"));
}

#[test]
fn passphrases_are_required_and_verified() {
    let folder = TestKeyFolder::new();
    let ring = folder.keys("right").start().unwrap();
    assert!(ring.warnings().is_empty());
    let text = fs::read(folder.pem(&active(&ring, Algorithm::Rs256))).unwrap();
    assert!(text.starts_with(b"-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    openssl(&["pkey", "-noout", "-passin", "pass:right"], &text);
    let error = open_error(&folder, "secret guess");
    assert!(error.contains("the passphrase is wrong") && error.contains("check `keys.passphrase`"), "{error}");
    assert!(open_error(&folder, "").contains("the key is encrypted and no passphrase was given"));
    assert!(!error.contains("secret guess") && !format!("{:?}", folder.keys("right")).contains("right"));
}

#[test]
fn an_unencrypted_key_and_an_orphan_file_cause_warnings() {
    let folder = TestKeyFolder::new();
    let ring = folder.keys("").start().unwrap();
    let orphan = KeyPair::generate(Algorithm::Es256, 0).unwrap();
    let text = pem::write(&orphan.to_pkcs8_der().unwrap(), None, &Random::seeded(1)).unwrap();
    fs::write(folder.pem(orphan.public().kid()), &*text).unwrap();
    let plain = Algorithm::ALL.map(|alg| KeyFolderWarning::Plain(folder.pem(&active(&ring, alg))).to_string());
    let orphan = KeyFolderWarning::Orphan(folder.pem(orphan.public().kid())).to_string();
    let secret = KeyFolderWarning::Plain(folder.path().join(SECRET)).to_string();
    assert_eq!(folder.keys("set").open().unwrap().warnings(), [&[secret], &plain[..], &[orphan]].concat());
}

#[test]
fn an_inconsistent_ring_file_is_rejected_by_name() {
    let folder = TestKeyFolder::new();
    folder.keys("").start().unwrap();
    let path = folder.path().join("ring.json");
    let valid: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(valid["version"], 1);
    let with = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut json = valid.clone();
        change(&mut json);
        json.to_string()
    };
    for (text, expected) in [
        ("{".to_owned(), "invalid key ring"),
        (with(&|json| json["version"] = 2.into()), "format version 2 is not supported, only version 1"),
        (with(&|json| json["keys"][1] = json["keys"][0].clone()), "is listed twice"),
        (with(&|json| json["keys"][0]["jwk"] = json["keys"][1]["jwk"].clone()), "is invalid"),
        (with(&|json| json["keys"][0]["jwk"]["x"] = json["keys"][0]["jwk"]["y"].clone()), "is invalid"),
        (with(&|json| json["keys"][0]["kid"] = "../../etc/passwd".into()), "is not a key id"),
        (
            with(&|json| json["keys"][0]["signs_until"] = "2030-01-01T00:00:00Z".into()),
            "must be both set or both absent",
        ),
    ] {
        fs::write(&path, text).unwrap();
        let error = open_error(&folder, "");
        assert!(error.starts_with(&path.display().to_string()) && error.contains(expected), "{error}");
    }
}

#[test]
fn a_restore_replaces_an_interrupted_first_start() {
    let (original, copy, folder) = (TestKeyFolder::new(), TestKeyFolder::new(), TestKeyFolder::new());
    let ring = original.keys("").start().unwrap();
    let names = original.keys("").copy_to(copy.path()).unwrap();
    folder.keys("").start().unwrap();
    let kid = ring.schedule().keys()[0].kid.clone();
    assert!(folder.keys("").check_restorable(&copy.keys("")).is_err(), "the keys of a complete start are kept");
    super::ring_file::write(folder.path(), &RingContents::default()).unwrap();
    assert_eq!(folder.names().iter().filter(|name| files::key_name(name).is_some()).count(), 2);
    folder.keys("").restore(&copy.keys("")).unwrap();
    assert_eq!(folder.names().len(), names.len(), "the private keys of the first start are removed");
    assert!(folder.keys("").open().unwrap().schedule().get(&kid).is_some());
}
