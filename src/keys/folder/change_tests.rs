//! Changes of the key folder: rotation, import, revocation, pruning, passphrases, removal of ended private halves, and
//! interruptions of these changes.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use super::error::{KeyFolderError, KeyFolderWarning};
use super::files;
use crate::crypto::key_pair::KeyPair;
use crate::crypto::key_ring::KeyRing;
use crate::crypto::pem;
use crate::crypto::testing::NOW;
use crate::domain::algorithm::Algorithm;
use crate::domain::key::{Key, KeyChangeError, KeyState, Kid};
use crate::domain::secret::{SecretBytes, SecretText};
use crate::domain::time::Timestamp;
use crate::domain::token_kind::Typ;
use crate::keys::change::RingChange;
use crate::keys::error::KeySourceError;
use crate::keys::testing::{TestKeyFolder, policy};
use crate::random::Random;

const ES: Algorithm = Algorithm::Es256;
const HOUR: Duration = Duration::from_hours(1);
/// How long a key stays published after it stops signing: the longest access-token lifetime (300 s) plus
/// the leeway (5 s).
const RETENTION: Duration = Duration::from_secs(305);

fn secret(text: &str) -> SecretText {
    SecretText::new(text.to_owned())
}

fn kid_of(ring: &KeyRing, alg: Algorithm, now: Timestamp) -> Kid {
    ring.signing_key(alg, now).unwrap().kid().clone()
}

/// A key that Countersign did not generate, in PEM.
fn foreign(alg: Algorithm, passphrase: Option<&SecretText>) -> (Kid, SecretBytes) {
    let pair = KeyPair::generate(alg, 2048).unwrap();
    let text = pem::write(&pair.to_pkcs8_der().unwrap(), passphrase, &Random::seeded(3)).unwrap();
    (pair.public().kid().clone(), SecretBytes::new(text.as_bytes().to_vec()))
}

/// The `kid`s in the JWKS, in order.
fn published(ring: &KeyRing) -> Vec<String> {
    let set: serde_json::Value = serde_json::from_slice(&ring.jwks().body).unwrap();
    set["keys"].as_array().unwrap().iter().map(|jwk| jwk["kid"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_change_without_ring_json_names_the_lost_file() {
    let folder = TestKeyFolder::new();
    let keys = folder.keys("");
    keys.start().unwrap();
    fs::remove_file(folder.path().join("ring.json")).unwrap();
    let failures = [keys.prune(None).err(), keys.revoke("a").err(), keys.rotate(None, true).err()];
    for error in failures {
        let error = error.unwrap();
        assert!(matches!(error, KeySourceError::Folder(KeyFolderError::RingMissing { .. })), "{error}");
    }
}

#[test]
fn a_reloaded_ring_follows_a_rotation_through_all_states() {
    let folder = TestKeyFolder::new();
    let keys = folder.keys("pw");
    let ring = keys.start().unwrap();
    let old = kid_of(&ring, ES, NOW);
    let rs = kid_of(&ring, Algorithm::Rs256, NOW);
    let new = folder.keys("pw").rotate(Some(ES), false).unwrap().remove(0);
    assert_eq!((new.created_at, new.signs_from), (NOW, NOW + HOUR));
    assert_ne!(keys.version().unwrap(), ring.version());
    let reloaded = keys.reload(&ring).unwrap();
    assert_eq!(published(&reloaded), [old.as_str(), new.kid.as_str(), rs.as_str()]);
    let loaded = |ring: &KeyRing, kid: &Kid| ring.loaded_keys().find(|(loaded_kid, _)| loaded_kid == kid).unwrap().1;
    assert!(Arc::ptr_eq(&loaded(&ring, &old), &loaded(&reloaded, &old)), "a loaded key is not opened again");
    assert_eq!(reloaded.signing_key(ES, NOW).unwrap().published_until(), Some(NOW + HOUR + RETENTION));

    assert_eq!(kid_of(&reloaded, ES, NOW + HOUR - Duration::from_secs(1)), old);
    assert_eq!(kid_of(&reloaded, ES, NOW + HOUR), new.kid, "no new snapshot is needed to sign on time");
    assert_eq!(reloaded.next_change(), Some(NOW + HOUR));
    assert!(reloaded.rebuild(NOW).is_none());
    assert!(keys.delete_ended(&reloaded).unwrap().is_empty());

    folder.clock.advance(HOUR);
    let rebuilt = reloaded.rebuild(NOW + HOUR).unwrap();
    assert_eq!(published(&rebuilt), [new.kid.as_str(), old.as_str(), rs.as_str()]);
    assert_ne!(rebuilt.jwks().etag, reloaded.jwks().etag);
    assert!(rebuilt.loaded_keys().all(|(kid, _)| kid != old), "the new snapshot drops the ended private half");
    assert_eq!(keys.delete_ended(&rebuilt).unwrap(), std::slice::from_ref(&old));
    assert!(!folder.pem(&old).exists() && folder.pem(&new.kid).exists());
    assert!(keys.delete_ended(&rebuilt).unwrap().is_empty());

    let late = NOW + HOUR + RETENTION;
    let last = rebuilt.rebuild(late).unwrap();
    assert_eq!(published(&last), [new.kid.as_str(), rs.as_str()]);
    assert!(!last.verifier(old.as_str(), late).unwrap().is_published(late));
    assert_eq!(folder.keys("pw").open().unwrap().schedule(), last.schedule());
}

#[test]
fn tokens_are_verified_with_the_public_key_of_their_signer() {
    let folder = TestKeyFolder::new();
    let ring = folder.keys("").start().unwrap();
    for alg in Algorithm::ALL {
        let signer = ring.signing_key(alg, NOW).unwrap();
        for typ in Typ::ALL {
            let header = jsonwebtoken::decode_header(format!("{}.e30.", signer.header(typ))).unwrap();
            assert_eq!(header.typ.as_deref(), Some(typ.name()));
            assert_eq!(header.kid.as_deref(), Some(signer.kid().as_str()));
            assert_eq!(format!("{:?}", header.alg), alg.name());
        }
        let mut signature = Vec::new();
        signer.sign(b"input", &mut signature).unwrap();
        let verifier = ring.verifier(signer.kid().as_str(), NOW).unwrap();
        assert_eq!((verifier.alg(), verifier.verify(b"input", &signature).is_ok()), (alg, true));
        assert_eq!(ring.active(alg, NOW).unwrap().key().kid, *signer.kid());
    }
    assert!(ring.verifier("unknown", NOW).is_none());
}

#[test]
fn an_immediate_rotation_covers_every_algorithm() {
    let folder = TestKeyFolder::new();
    let keys = folder.keys("");
    let old = keys.start().unwrap();
    let new = keys.rotate(None, true).unwrap();
    assert_eq!(
        new.iter().map(|key| (key.alg, key.signs_from)).collect::<Vec<_>>(),
        Algorithm::ALL.map(|alg| (alg, NOW))
    );
    let ring = keys.reload(&old).unwrap();
    for key in &new {
        assert_eq!(kid_of(&ring, key.alg, NOW), key.kid);
        assert!(!folder.pem(&kid_of(&old, key.alg, NOW)).exists());
    }
    assert_eq!(published(&ring).len(), 4);
}

#[test]
fn an_own_key_is_imported_once() {
    let folder = TestKeyFolder::new();
    let keys = folder.keys("ours");
    keys.start().unwrap();
    let theirs = secret("theirs");
    let (kid, pem) = foreign(ES, Some(&theirs));
    let error = keys.import(&pem, None, false).unwrap_err().to_string();
    assert_eq!(error, "the key is encrypted and no passphrase was given");
    let key = keys.import(&pem, Some(&theirs), false).unwrap();
    assert_eq!((&key.kid, key.signs_from), (&kid, NOW + HOUR));
    let again = keys.import(&pem, Some(&theirs), true).unwrap_err();
    assert!(matches!(again, KeySourceError::RejectedChange(KeyChangeError::AlreadyPresent(_))), "{again}");
    keys.open().unwrap();
    keys.revoke(kid.as_str()).unwrap();
    let again = keys.import(&pem, Some(&theirs), true).unwrap_err();
    assert!(matches!(again, KeySourceError::RejectedChange(KeyChangeError::Revoked(_))), "{again}");
    assert!(!folder.pem(&kid).exists());
}

#[test]
fn a_revoked_key_leaves_the_jwks_at_once_and_another_signs() {
    let folder = TestKeyFolder::new();
    let keys = folder.keys("");
    let ring = keys.start().unwrap();
    let old = kid_of(&ring, ES, NOW);
    let revoked = keys.revoke(&old.as_str()[..6]).unwrap();
    let new = revoked.successor.unwrap().kid;
    assert_eq!((revoked.key.kid.clone(), revoked.key.revoked_at), (old.clone(), Some(NOW)));
    let ring = keys.reload(&ring).unwrap();
    assert_eq!(kid_of(&ring, ES, NOW), new);
    assert!(ring.verifier(old.as_str(), NOW).is_none() && !published(&ring).contains(&old.as_str().to_owned()));
    assert!(ring.schedule().keys().iter().any(|key| key.kid == old), "the dates of a revoked key are kept");
    assert_eq!(ring.find(&old.as_str()[..6]).unwrap().key().kid, old, "`keys export` still finds the revoked key");
    assert!(!folder.pem(&old).exists() && folder.pem(&new).exists());
    assert!(matches!(keys.revoke(old.as_str()), Err(KeySourceError::RejectedChange(KeyChangeError::Revoked(_)))));
    assert!(matches!(keys.revoke("zzzz"), Err(KeySourceError::RejectedChange(KeyChangeError::Unknown(_)))));
    assert_eq!(keys.prune(Some(NOW)).unwrap().iter().map(|key| &key.kid).collect::<Vec<_>>(), [&old]);
    assert!(keys.prune(None).unwrap().is_empty());
    assert_eq!(keys.open().unwrap().schedule().keys().len(), 2);
}

#[test]
fn a_key_with_a_lost_file_can_be_revoked() {
    let folder = TestKeyFolder::new();
    let keys = folder.keys("pw");
    let ring = keys.start().unwrap();
    for alg in Algorithm::ALL {
        fs::remove_file(folder.pem(&kid_of(&ring, alg, NOW))).unwrap();
    }
    assert!(keys.open().is_err());
    for alg in Algorithm::ALL {
        keys.revoke(kid_of(&ring, alg, NOW).as_str()).unwrap();
    }
    keys.open().unwrap();
}

#[test]
fn a_planned_rotation_happens_exactly_once() {
    let folder = TestKeyFolder::new();
    let keys = folder.keys("");
    let ring = keys.start().unwrap();
    let plan = |alg| ring.schedule().plan_rotation(alg, false);
    let rotate = || RingChange::RotateAsPlanned { plans: Algorithm::ALL.map(plan).to_vec(), policy: policy() };
    assert_eq!(keys.apply(rotate()).unwrap().added.len(), 2);
    let again = keys.apply(rotate()).unwrap_err();
    assert!(matches!(again, KeySourceError::RejectedChange(KeyChangeError::RingChanged)), "{again}");
    assert_eq!(keys.open().unwrap().schedule().keys().len(), 4);
}

#[test]
fn an_interrupted_passphrase_change_can_be_repeated() {
    let folder = TestKeyFolder::new();
    let keys = folder.keys("old");
    let ring = keys.start().unwrap();
    let es = folder.pem(&kid_of(&ring, ES, NOW));
    let rs = folder.pem(&kid_of(&ring, Algorithm::Rs256, NOW));
    let before = (fs::read(&es).unwrap(), fs::read(&rs).unwrap());
    let error = folder.keys("wrong").set_passphrase(Some(&secret("new"))).unwrap_err();
    assert!(matches!(error, KeySourceError::Folder(KeyFolderError::PrivateKey { .. })), "{error}");
    assert_eq!((fs::read(&es).unwrap(), fs::read(&rs).unwrap()), before);

    assert_eq!(keys.set_passphrase(Some(&secret("new"))).unwrap(), 2);
    folder.keys("new").open().unwrap();
    fs::write(&es, &before.0).unwrap();
    assert!(
        folder.keys("new").open().is_err() && folder.keys("old").open().is_err(),
        "the change was interrupted between two files"
    );
    assert_eq!(folder.keys("old").set_passphrase(Some(&secret("new"))).unwrap(), 1);
    folder.keys("new").open().unwrap();
    assert_eq!(folder.keys("new").set_passphrase(None).unwrap(), 2);
    assert!(folder.keys("").open().unwrap().warnings().is_empty());
}

#[test]
fn a_server_with_the_old_passphrase_signs_and_adds_no_keys() {
    let folder = TestKeyFolder::new();
    let server = folder.keys("old");
    let ring = server.start().unwrap();
    folder.keys("old").set_passphrase(Some(&secret("new"))).unwrap();
    let cli = folder.keys("new");
    let error = server.rotate(Some(ES), false).unwrap_err();
    assert!(matches!(error, KeySourceError::Folder(KeyFolderError::OtherPassphrase(_))), "{error}");
    let new = cli.rotate(Some(ES), false).unwrap().remove(0);
    let reloaded = server.reload(&ring).unwrap();
    assert!(
        matches!(reloaded.warnings(), [one] if one.starts_with("this server cannot sign with a new key")),
        "{:?}",
        reloaded.warnings()
    );
    assert_eq!(kid_of(&reloaded, ES, NOW), kid_of(&ring, ES, NOW));
    assert!(published(&reloaded).contains(&new.kid.as_str().to_owned()));
    // The new key is active now, but this server cannot sign with it. The previous key continues to sign.
    cli.rotate(Some(ES), true).unwrap();
    let outdated = server.reload(&reloaded).unwrap();
    assert_eq!(kid_of(&outdated, ES, NOW), kid_of(&ring, ES, NOW));
    let signer = outdated.signing_key(ES, NOW).unwrap();
    assert!(signer.published_until().is_some(), "the key's tokens expire with the key");
}

#[test]
fn an_interrupted_change_leaves_a_working_ring() {
    let folder = TestKeyFolder::new();
    let keys = folder.keys("");
    let ring = keys.start().unwrap();
    // Interrupted after the private half and before the ring: the file is an orphan, and the import can be repeated.
    let (kid, pem) = foreign(ES, None);
    files::replace(folder.path(), &files::key_file(&kid), pem.expose()).unwrap();
    assert_eq!(keys.open().unwrap().warnings(), [KeyFolderWarning::Orphan(folder.pem(&kid)).to_string()]);
    keys.import(&pem, None, true).unwrap();
    assert!(keys.open().unwrap().warnings().is_empty());
    // Interrupted while a file is written: the file is never read, and the next change removes it.
    let unfinished = folder.path().join(".countersign-unfinished-ring.json");
    fs::write(&unfinished, "{").unwrap();
    keys.open().unwrap();
    keys.prune(None).unwrap();
    assert!(!unfinished.exists());
    // Interrupted after the ring and before the removal: `delete_ended` removes the private half.
    let ended = kid_of(&ring, ES, NOW);
    fs::write(folder.pem(&ended), "late").unwrap();
    assert_eq!(keys.delete_ended(&keys.open().unwrap()).unwrap(), [ended]);
}

#[test]
fn concurrent_changes_are_all_applied() {
    let folder = TestKeyFolder::new();
    folder.keys("").start().unwrap();
    let rotations: usize = std::thread::scope(|scope| {
        let change = || (0..5).filter(|_| folder.keys("").rotate(Some(ES), true).is_ok()).count();
        let read = || (0..20).for_each(|_| drop(folder.keys("").open().unwrap()));
        let writers = [scope.spawn(change), scope.spawn(change)];
        scope.spawn(read);
        writers.into_iter().map(|writer| writer.join().unwrap()).sum()
    });
    let ring = folder.keys("").open().unwrap();
    let active = |key: &&Key| key.alg == ES && key.state(NOW) == KeyState::Active;
    assert_eq!(ring.schedule().keys().len(), 2 + rotations);
    assert_eq!(ring.schedule().keys().iter().filter(active).count(), 1);
    assert!(rotations >= 5 && ring.warnings().is_empty(), "{rotations} {:?}", ring.warnings());
}

#[test]
fn a_clock_set_back_before_a_rotation_leaves_a_signer() {
    let folder = TestKeyFolder::new();
    let keys = folder.keys("");
    keys.start().unwrap();
    let new = keys.rotate(Some(ES), false).unwrap().remove(0);
    folder.clock.advance(HOUR);
    let ring = keys.open().unwrap();
    assert_eq!(ring.next_change(), Some(NOW + HOUR + RETENTION));
    assert_eq!(kid_of(&ring.rebuild(NOW).unwrap(), ES, NOW), new.kid);
}
