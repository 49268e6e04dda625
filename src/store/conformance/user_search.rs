//! Users are searched by any part of a name or an address, in pages.

use super::retrying_store::RetryingStore;
use super::{email, insert, name, new_user, read, write};
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
/// than 100 users, there is more than one page.
async fn insert_many(store: &RetryingStore, count: usize) {
    write(store, move |tx| {
        (0..count).try_for_each(|number| {
            let address = Some(email(&format!("z{:03}@example.com", count - number)));
            tx.insert_user(&NewUser { email: address, ..new_user(&format!("u{number:03}")) }).map(drop)
        })
    })
    .await;
}

pub(crate) async fn users_are_found_by_any_part_of_a_name_or_address(store: &RetryingStore) {
    insert(store, new_user("ann")).await;
    let zoe = NewUser { first_name: "Kenji".to_owned(), last_name: "TANAKA".to_owned(), ..new_user("Zoe") };
    insert(store, NewUser { email: Some(email("anna@München.example")), ..zoe }).await;
    insert(store, NewUser { email: None, ..new_user("kenji.tanaka") }).await;
    insert(store, new_user("ΝΊΚΟΣ")).await;
    let found = |text: &str| users(store, UserSearch { text: text.to_owned(), limit: 9, ..UserSearch::default() });
    for (text, expected) in [
        ("An", &["ann", "kenji.tanaka", "Zoe"] as &[&str]),
        ("", &["ann", "kenji.tanaka", "Zoe", "ΝΊΚΟΣ"]),
        ("Tanaka", &["kenji.tanaka", "Zoe"]),
        ("kenji tanaka", &["Zoe"]),
        ("  tanaka   KENJI ", &["Zoe"]),
        ("nna@mün", &["Zoe"]),
        ("mnchen-3ya", &["Zoe"]),
        ("ίκος", &["ΝΊΚΟΣ"]),
        ("_", &[]),
        ("example.com\nx", &[]),
    ] {
        let page = found(text).await;
        assert_eq!(
            (names(&page).as_slice(), page.total),
            (&expected.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()[..], expected.len() as u64),
            "{text}"
        );
    }
}

pub(crate) async fn a_changed_name_is_found(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    let total = |text: &'static str| async move {
        users(store, UserSearch { text: text.to_owned(), limit: 9, ..UserSearch::default() }).await.total
    };
    write(store, move |tx| {
        tx.set_username(ann, &name("bob"))?;
        tx.set_email(ann, &email("cid@example.org"))?;
        tx.set_names(ann, "Dan", "Eve")
    })
    .await;
    let mut totals = Vec::new();
    for text in ["ann", "bob", "cid@", "dan eve"] {
        totals.push(total(text).await);
    }
    assert_eq!(totals, [0, 1, 1, 1]);
    write(store, move |tx| tx.remove_email(ann)).await;
    assert_eq!((total("cid").await, total("bob").await), (0, 1));
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
        assert_eq!((first.total, last.total), (240, 240));
        let back = users(store, search(PagePosition::Before(last.previous.clone().expect("there were more")))).await;
        assert_eq!(names(&back), names(&second));
        let back = users(store, search(PagePosition::Before(back.previous.expect("there were more")))).await;
        assert_eq!((names(&back), back.previous), (names(&first), None));
        let mut all = [names(&first), names(&second), names(&last)].concat();
        assert!(all.is_sorted());
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
