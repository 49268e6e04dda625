//! The states that a failing disk may leave: truncated files, files whose end was not written, a missing rename.
//!
//! In each state, opening returns the original ring or an error that names the file. It never creates a new ring.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::PathBuf;

use super::files;
use super::key_folder::SECRET;
use crate::crypto::testing::NOW;
use crate::domain::algorithm::Algorithm;
use crate::domain::key::Schedule;
use crate::keys::testing::TestKeyFolder;

const ES: Algorithm = Algorithm::Es256;

/// Opens the folder as a start does, and returns whether that succeeded.
///
/// Asserts that the ring is the expected one or that the error names the file, and that only the lock file has changed.
fn is_intact_or_reported(folder: &TestKeyFolder, expected: &Schedule, file: &str, how: &str) -> bool {
    let before: Vec<_> = folder.names().into_iter().map(|name| (fs::read(folder.path().join(&name)), name)).collect();
    let started = folder.keys("").start();
    let is_same = |(content, name): &(std::io::Result<Vec<u8>>, String)| {
        fs::read(folder.path().join(name)).ok().as_ref() == content.as_ref().ok()
    };
    assert!(before.iter().all(is_same) && folder.names().len() == before.len(), "{file} {how}: something was written");
    match started {
        Ok(ring) => {
            assert_eq!(ring.schedule(), expected, "{file} {how}");
            true
        }
        Err(error) => {
            assert!(error.to_string().contains(file), "{file} {how}: {error}");
            false
        }
    }
}

#[test]
fn a_truncated_file_is_named_in_the_error() {
    let folder = TestKeyFolder::new();
    let ring = folder.keys("").start().unwrap();
    let pem = format!("{}.pem", ring.signing_key(ES, NOW).unwrap().kid());
    // PEM and ring are complete without the last byte, which is a line feed.
    for (name, optional_bytes) in [("ring.json", 1), (pem.as_str(), 1), (SECRET, 0)] {
        let path = folder.path().join(name);
        let complete = fs::read(&path).unwrap();
        let mut intact = Vec::new();
        for length in 0..complete.len() {
            fs::write(&path, &complete[..length]).unwrap();
            if is_intact_or_reported(&folder, ring.schedule(), name, &format!("cut at {length}")) {
                intact.push(length);
            }
        }
        let expected: Vec<usize> = (complete.len() - optional_bytes..complete.len()).collect();
        assert_eq!(intact, expected, "{name}");
        for length in (0..complete.len()).step_by(64) {
            // The disk recorded the length of the file, but not the content of its last blocks.
            let partly_written = [&complete[..length], &vec![0; complete.len() - length][..]].concat();
            fs::write(&path, &partly_written).unwrap();
            let is_intact =
                is_intact_or_reported(&folder, ring.schedule(), name, &format!("partly written up to {length}"));
            // Any 32 bytes are a valid secret.
            assert!(!is_intact || name == SECRET, "{name} partly written up to {length}");
        }
        fs::write(&path, &complete).unwrap();
    }
    assert_eq!(folder.keys("").open().unwrap().schedule(), ring.schedule());
}

#[test]
fn a_missing_rename_leaves_the_previous_ring() {
    let folder = TestKeyFolder::new();
    let keys = folder.keys("");
    let ring = keys.start().unwrap();
    let before = fs::read(folder.path().join("ring.json")).unwrap();
    keys.rotate(Some(ES), false).unwrap();
    let after = fs::read(folder.path().join("ring.json")).unwrap();
    // The new ring was written to its unfinished file and not renamed, so the old ring is in use.
    let unfinished: PathBuf = folder.path().join(".countersign-unfinished-ring.json");
    for written in [&after[..], &after[..after.len() / 2], b""] {
        fs::write(folder.path().join("ring.json"), &before).unwrap();
        fs::write(&unfinished, written).unwrap();
        assert_eq!(keys.open().unwrap().schedule(), ring.schedule());
        assert_eq!(keys.start().unwrap().schedule(), ring.schedule());
        let added = keys.rotate(Some(ES), false).unwrap();
        assert!(!unfinished.exists() && keys.open().unwrap().schedule().get(&added[0].kid).is_some());
    }
}

#[test]
fn missing_files_are_reported() {
    let folder = TestKeyFolder::new();
    let ring = folder.keys("").start().unwrap();
    for name in folder.names() {
        let path = folder.path().join(&name);
        let complete = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(!is_intact_or_reported(&folder, ring.schedule(), &name, "missing"));
        files::replace(folder.path(), &name, &complete).unwrap();
    }
    assert!(folder.keys("").open().is_ok());
}

#[test]
fn a_failed_write_leaves_no_file_and_reports_its_cause_once() {
    let folder = TestKeyFolder::new();
    folder.keys("").start().unwrap();
    // A folder with the same name makes the rename fail, as a failing disk would.
    fs::create_dir(folder.path().join("occupied")).unwrap();
    let error = files::replace(folder.path(), "occupied", b"text").unwrap_err();
    assert!(folder.names().iter().all(|name| !files::is_unfinished(name)), "{:?}", folder.names());
    let message = format!("{:#}", anyhow::Error::from(error));
    assert_eq!(message.matches("(os error").count(), 1, "{message}");
}
