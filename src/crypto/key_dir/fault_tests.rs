//! What a failing disk may leave: files cut short, files whose end was never written, a renaming that never came. Each is
//! an error that names the file, or the right ring; never a new one.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::crypto::testing::{NOW, TestKeyFolder, policy};
use crate::domain::key::Schedule;

const ES: Algorithm = Algorithm::Es256;

/// Opens the folder as a start does. Either the ring is the right one, or the error names the file; and nothing in the
/// folder has changed but the lock.
fn is_intact_or_reported(folder: &TestKeyFolder, right: &Schedule, file: &str, how: &str) -> bool {
    let before: Vec<_> = folder.names().into_iter().map(|name| (fs::read(folder.path().join(&name)), name)).collect();
    let started = folder.keys("").start();
    let same = |(content, name): &(std::io::Result<Vec<u8>>, String)| {
        fs::read(folder.path().join(name)).ok().as_ref() == content.as_ref().ok()
    };
    assert!(before.iter().all(same) && folder.names().len() == before.len(), "{file} {how}: something was written");
    match started {
        Ok(ring) => {
            assert_eq!(ring.schedule(), right, "{file} {how}");
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
    let pem = format!("{}.pem", ring.signer(ES, NOW).unwrap().kid());
    // A PEM that lacks its last line's end is whole; the ring lacks nothing but the file's.
    for (name, good_without) in [("ring.json", 1), (pem.as_str(), 1), (SECRET, 0)] {
        let path = folder.path().join(name);
        let whole = fs::read(&path).unwrap();
        let mut good = Vec::new();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            if is_intact_or_reported(&folder, ring.schedule(), name, &format!("cut at {length}")) {
                good.push(length);
            }
        }
        let expected: Vec<usize> = (whole.len() - good_without..whole.len()).collect();
        assert_eq!(good, expected, "{name}");
        for length in (0..whole.len()).step_by(64) {
            // Its length was recorded, and what was in its last blocks was not.
            let torn = [&whole[..length], &vec![0; whole.len() - length][..]].concat();
            fs::write(&path, &torn).unwrap();
            let right = is_intact_or_reported(&folder, ring.schedule(), name, &format!("torn at {length}"));
            // A secret of 32 bytes is one, whatever they are.
            assert!(!right || name == SECRET, "{name} torn at {length}");
        }
        fs::write(&path, &whole).unwrap();
    }
    assert_eq!(folder.keys("").open().unwrap().schedule(), ring.schedule());
}

#[test]
fn a_missing_rename_leaves_the_previous_ring() {
    let folder = TestKeyFolder::new();
    let keys = folder.keys("");
    let ring = keys.start().unwrap();
    let before = fs::read(folder.path().join("ring.json")).unwrap();
    keys.rotate(Some(ES), false, &policy()).unwrap();
    let after = fs::read(folder.path().join("ring.json")).unwrap();
    // All of the new one is there, under the name it is written by; the old one is the ring.
    let unfinished: PathBuf = folder.path().join(".countersign-unfinished-ring.json");
    for written in [&after[..], &after[..after.len() / 2], b""] {
        fs::write(folder.path().join("ring.json"), &before).unwrap();
        fs::write(&unfinished, written).unwrap();
        assert_eq!(keys.open().unwrap().schedule(), ring.schedule());
        assert_eq!(keys.start().unwrap().schedule(), ring.schedule());
        let made = keys.rotate(Some(ES), false, &policy()).unwrap();
        assert!(!unfinished.exists() && keys.open().unwrap().schedule().get(&made[0].kid).is_some());
    }
}

#[test]
fn missing_files_are_reported() {
    let folder = TestKeyFolder::new();
    let ring = folder.keys("").start().unwrap();
    for name in folder.names() {
        let path = folder.path().join(&name);
        let whole = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(!is_intact_or_reported(&folder, ring.schedule(), &name, "gone"));
        files::replace(folder.path(), &name, &whole).unwrap();
    }
    assert!(folder.keys("").open().is_ok());
}

#[test]
fn a_failed_write_leaves_no_file_and_reports_its_cause_once() {
    let folder = TestKeyFolder::new();
    folder.keys("").start().unwrap();
    // A folder in the way of the name stands for any disk that fails once the file is begun.
    fs::create_dir(folder.path().join("taken")).unwrap();
    let error = files::replace(folder.path(), "taken", b"text").unwrap_err();
    assert!(folder.names().iter().all(|name| !files::is_unfinished(name)), "{:?}", folder.names());
    let message = format!("{:#}", anyhow::Error::from(error));
    assert_eq!(message.matches("(os error").count(), 1, "{message}");
}
