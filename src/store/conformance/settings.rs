//! Runtime settings are stored and replaced.

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
