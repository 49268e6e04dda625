//! Runtime settings are stored and replaced.

use std::collections::BTreeSet;

use serde_json::json;

use super::retrying_store::RetryingStore;
use super::{at, read, write};
use crate::store::SettingChange;

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

pub(crate) async fn the_author_of_a_setting_is_kept_until_it_is_unset(store: &RetryingStore) {
    write(store, |tx| {
        tx.put_setting("b", &json!(1), at(1), "ann")?;
        tx.put_setting("a", &json!(2), at(2), "bob")?;
        tx.put_setting("b", &json!(3), at(3), "the command line")
    })
    .await;
    let changes = || read(store, |tx| tx.setting_changes());
    let change_of =
        |name: &str, seconds, by: &str| SettingChange { name: name.to_owned(), at: at(seconds), by: by.to_owned() };
    assert_eq!(changes().await, [change_of("a", 2, "bob"), change_of("b", 3, "the command line")]);
    let unset = || write(store, |tx| tx.unset_setting("b"));
    assert_eq!((unset().await, unset().await), (true, false));
    assert_eq!(changes().await, [change_of("a", 2, "bob")]);
    assert_eq!(read(store, |tx| tx.stored_settings()).await, [("a".to_owned(), json!(2))]);
}
