//! Users are searched by the start of a name or an address, in pages.

use super::retrying_store::RetryingStore;
use super::{email, insert, new_user, read, write};
use crate::domain::id::UserId;
use crate::domain::user::NewUser;
use crate::store::{PagePosition, UserPage, UserSearch};

fn names(page: &UserPage) -> Vec<String> {
    page.users.iter().map(|user| user.username.to_string()).collect()
}

async fn users(store: &RetryingStore, search: UserSearch) -> UserPage {
    read(store, move |tx| tx.user_page(&search)).await
}

/// Inserts `count` users: `u000` has the last address in the alphabet, `u001` the previous one, and so on. With more
/// than 100 users, one slice does not contain a whole stream.
async fn insert_many(store: &RetryingStore, count: usize) {
    write(store, move |tx| {
        (0..count).try_for_each(|number| {
            let address = Some(email(&format!("z{:03}@example.com", count - number)));
            tx.insert_user(&NewUser { email: address, ..new_user(&format!("u{number:03}")) }).map(drop)
        })
    })
    .await;
}

pub(crate) async fn users_are_found_by_name_or_address(store: &RetryingStore) {
    insert(store, new_user("ann")).await;
    insert(store, NewUser { email: Some(email("anna@example.org")), ..new_user("Zoe") }).await;
    insert(store, NewUser { email: None, ..new_user("ANTON") }).await;
    insert(store, new_user("bob")).await;
    let found = |text: &str| users(store, UserSearch { text: text.to_owned(), limit: 9, ..UserSearch::default() });
    assert_eq!(names(&found("An").await), ["ann", "Zoe", "ANTON"], "each user once, ordered by the matched key");
    assert_eq!(names(&found("").await), ["ann", "ANTON", "bob", "Zoe"]);
    assert_eq!(names(&found("anna@").await), ["Zoe"]);
    assert!(found("x").await.users.is_empty());
}

pub(crate) async fn pages_of_users_go_both_ways(store: &RetryingStore) {
    insert_many(store, 240).await;
    for text in ["", "u", "z"] {
        let search = |position| UserSearch { text: text.to_owned(), position, limit: 100, ..UserSearch::default() };
        let first = users(store, search(PagePosition::Start)).await;
        let second = users(store, search(PagePosition::After(first.next.clone().expect("there are more")))).await;
        let last = users(store, search(PagePosition::After(second.next.clone().expect("there are more")))).await;
        assert_eq!((first.users.len(), second.users.len(), last.users.len()), (100, 100, 40), "{text}");
        assert_eq!((first.previous.as_ref(), last.next.as_ref()), (None, None));
        let back = users(store, search(PagePosition::Before(last.previous.clone().expect("there were more")))).await;
        assert_eq!(names(&back), names(&second));
        let back = users(store, search(PagePosition::Before(back.previous.expect("there were more")))).await;
        assert_eq!((names(&back), back.previous), (names(&first), None));
        let mut all = [names(&first), names(&second), names(&last)].concat();
        assert!(if text == "z" { all.is_sorted_by(|a, b| a > b) } else { all.is_sorted() });
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 240);
    }
}

pub(crate) async fn users_are_filtered_by_kind(store: &RetryingStore) {
    insert_many(store, 150).await;
    let root = insert(store, NewUser { is_superuser: true, ..new_user("root") }).await;
    insert(store, NewUser { is_active: false, email: Some(email("u@example.com")), ..new_user("gone") }).await;
    let filtered = |text: &str, active, superuser| {
        users(store, UserSearch { text: text.to_owned(), active, superuser, limit: 9, ..UserSearch::default() })
    };
    assert_eq!(names(&filtered("", None, Some(true)).await), ["root"]);
    assert_eq!(names(&filtered("", Some(false), None).await), ["gone"]);
    assert_eq!(names(&filtered("u@", Some(false), None).await), ["gone"], "also by address");
    assert!(filtered("u0", Some(false), None).await.users.is_empty());
    assert!(filtered("", Some(false), Some(true)).await.users.is_empty());
    assert_eq!(names(&filtered("root", Some(true), Some(false)).await), [""; 0]);
    assert_eq!(names(&filtered("u14", Some(true), Some(false)).await).len(), 9);
    let others = |id| read(store, move |tx| tx.other_superuser(id));
    assert_eq!((others(root).await, others(UserId(root.0 - 1)).await), (false, true));
    write(store, move |tx| tx.set_active(root, false)).await;
    assert!(!others(UserId(root.0 - 1)).await, "a disabled superuser does not count");
}
