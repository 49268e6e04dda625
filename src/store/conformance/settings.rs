//! Runtime settings are stored and replaced.

use std::collections::BTreeSet;

use serde_json::json;

use super::retrying_store::RetryingStore;
use super::{at, read, write};

pub(crate) async fn settings_are_stored(store: &RetryingStore) {
    let stored = move || read(store, |tx| tx.stored_settings());
    assert_eq!(stored().await, []);
    let values = [("b", json!(30)), ("a", json!(null)), ("c", json!("no 'quotes' \"lost\"")), ("b", json!(60))];
    write(store, move |tx| values.iter().try_for_each(|(name, value)| tx.put_setting(name, value, at(1), "ann"))).await;
    let expected =
        [("a", json!(null)), ("b", json!(60)), ("c", json!("no 'quotes' \"lost\""))].map(|(n, v)| (n.to_owned(), v));
    assert_eq!(stored().await, expected);
}

pub(crate) async fn every_change_of_a_setting_changes_the_revision(store: &RetryingStore) {
    let revision = move || read(store, |tx| tx.settings_revision());
    let new = revision().await;
    write(store, |tx| tx.put_setting("a", &json!(1), at(1), "ann")).await;
    let set = revision().await;
    write(store, |tx| tx.put_setting("a", &json!(2), at(1), "ann")).await;
    let replaced = revision().await;
    assert!(write(store, |tx| tx.unset_setting("a")).await);
    let unset = revision().await;
    let revisions = BTreeSet::from([new, set, replaced, unset]);
    assert_eq!(revisions.len(), 4, "{revisions:?}");
    assert!(!write(store, |tx| tx.unset_setting("a")).await);
    assert_eq!(revision().await, unset, "nothing was changed");
    assert_eq!(read(store, |tx| Ok((tx.stored_settings()?, tx.setting_changes()?))).await, (vec![], vec![]));
}
