//! The file `secret`: encrypted as long as a passphrase is set, whenever it was set, and in every copy.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;

use super::key_folder::SECRET;
use crate::domain::secret::SecretText;
use crate::keys::testing::TestKeyFolder;

fn content(folder: &TestKeyFolder) -> Vec<u8> {
    fs::read(folder.path().join(SECRET)).unwrap()
}

fn is_encrypted(folder: &TestKeyFolder) -> bool {
    content(folder).starts_with(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
}

fn secret(folder: &TestKeyFolder, passphrase: &str) -> Vec<u8> {
    folder.keys(passphrase).secret_file().unwrap().secret.expose().to_vec()
}

fn text(text: &str) -> SecretText {
    SecretText::new(text.to_owned())
}

#[test]
fn the_secret_has_the_passphrase_of_the_private_keys() {
    let folder = TestKeyFolder::new();
    folder.keys("old").start().unwrap();
    assert!(is_encrypted(&folder));
    let original = secret(&folder, "old");
    for passphrase in ["", "wrong"] {
        let error = folder.keys(passphrase).open().unwrap_err().to_string();
        assert!(error.contains("/secret cannot be used") && error.ends_with("check `keys.passphrase`"), "{error}");
    }

    folder.keys("old").set_passphrase(Some(&text("new"))).unwrap();
    assert!(is_encrypted(&folder) && folder.keys("old").secret_file().is_err());
    assert_eq!(secret(&folder, "new"), original);
    let encrypted = content(&folder);
    folder.keys("new").set_passphrase(Some(&text("new"))).unwrap();
    assert_eq!(content(&folder), encrypted, "a repeated change rewrites nothing");
    assert!(folder.keys("wrong").set_passphrase(None).is_err());
    assert_eq!(content(&folder), encrypted);

    folder.keys("new").set_passphrase(None).unwrap();
    assert_eq!(content(&folder), original);
    folder.keys("").set_passphrase(Some(&text("again"))).unwrap();
    assert_eq!(secret(&folder, "again"), original);
}

#[test]
fn an_interrupted_passphrase_change_of_the_secret_can_be_repeated() {
    let folder = TestKeyFolder::new();
    folder.keys("old").start().unwrap();
    let (before, original) = (content(&folder), secret(&folder, "old"));
    folder.keys("old").set_passphrase(Some(&text("new"))).unwrap();
    fs::write(folder.path().join(SECRET), before).unwrap();
    assert!(folder.keys("new").open().is_err(), "the change was interrupted before the secret was written");
    assert_eq!(folder.keys("old").set_passphrase(Some(&text("new"))).unwrap(), 0);
    folder.keys("new").open().unwrap();
    assert_eq!(secret(&folder, "new"), original);
}

#[test]
fn a_start_encrypts_the_secret_if_the_passphrase_was_set_later() {
    let folder = TestKeyFolder::new();
    folder.keys("").start().unwrap();
    let original = content(&folder);
    let names = folder.names();
    folder.keys("later").start().unwrap();
    assert!(is_encrypted(&folder));
    assert_eq!((secret(&folder, "later"), folder.names()), (original.clone(), names));

    // The private keys were encrypted by a version that did not encrypt the secret.
    let folder = TestKeyFolder::new();
    folder.keys("set").start().unwrap();
    fs::write(folder.path().join(SECRET), &original).unwrap();
    assert!(folder.keys("set").open().unwrap().warnings()[0].contains("/secret is not encrypted although"));
    for passphrase in ["", "wrong"] {
        assert!(folder.keys(passphrase).start().is_err());
        assert_eq!(content(&folder), original, "a wrong passphrase encrypts nothing");
    }
    assert!(folder.keys("set").start().unwrap().warnings().is_empty());
    assert_eq!(secret(&folder, "set"), original);
}

#[test]
fn a_copy_of_the_secret_is_encrypted() {
    let folder = TestKeyFolder::new();
    folder.keys("").start().unwrap();
    let original = content(&folder);
    for (copied_with, restored_with) in [("", ""), ("set", "set"), ("", "set")] {
        let copy = TestKeyFolder::new();
        let restored = TestKeyFolder::new();
        folder.keys(copied_with).copy_to(copy.path()).unwrap();
        assert_eq!(is_encrypted(&copy), copied_with == "set");
        // A restore may be interrupted and repeated.
        for _ in 0..2 {
            restored.keys(restored_with).restore(&copy.keys(restored_with)).unwrap();
        }
        assert_eq!(is_encrypted(&restored), restored_with == "set");
        assert_eq!(secret(&restored, restored_with), original);
        restored.keys(restored_with).open().unwrap();
    }
    let other = TestKeyFolder::new();
    other.keys("").start().unwrap();
    fs::write(other.path().join(SECRET), [9; 32]).unwrap();
    let error = other.keys("").check_restorable(&folder.keys("")).unwrap_err().to_string();
    assert!(error.contains("differs from the backup"), "{error}");
}

#[test]
fn a_renewal_of_the_secret_can_be_interrupted_and_continued() {
    for passphrase in ["", "set"] {
        let folder = TestKeyFolder::new();
        let keys = folder.keys(passphrase);
        keys.start().unwrap();
        let original = secret(&folder, passphrase);
        keys.begin_secret_renewal().unwrap();
        let next = fs::read(folder.path().join("secret.next")).unwrap();
        let copy = TestKeyFolder::new();
        for error in [
            keys.start().unwrap_err().to_string(),
            keys.copy_to(copy.path()).unwrap_err().to_string(),
            keys.set_passphrase(Some(&text("other"))).unwrap_err().to_string(),
        ] {
            assert!(error.ends_with("run `countersign keys renew-secret` again"), "{error}");
        }
        keys.begin_secret_renewal().unwrap();
        assert_eq!(fs::read(folder.path().join("secret.next")).unwrap(), next, "the same secret is the next one");
        assert_eq!(secret(&folder, passphrase), original);
        keys.finish_secret_renewal().unwrap();
        assert_eq!(content(&folder), next);
        assert_ne!(secret(&folder, passphrase), original);
        assert_eq!(is_encrypted(&folder), passphrase == "set");
        assert!(keys.start().unwrap().warnings().is_empty());
    }
    let folder = TestKeyFolder::new();
    folder.keys("set").start().unwrap();
    assert!(folder.keys("wrong").begin_secret_renewal().is_err());
    assert!(!folder.path().join("secret.next").exists());
}
