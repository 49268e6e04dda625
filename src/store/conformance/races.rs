//! Writers race for one value. Each closure checks before it changes, as the use cases do, and one writer wins.

use super::retrying_store::RetryingStore;
use super::{at, email, insert, name, new_user, read};
use crate::domain::field::Field;
use crate::domain::id::UserId;
use crate::domain::social::{ProviderName, SocialAccount};
use crate::domain::user::NewUser;
use crate::store::{StoreError, Write};

/// The number of concurrent writers.
const WRITERS: u8 = 16;

/// Runs one write for each number at the same time, and returns the results in order.
async fn race<T: Send + 'static>(
    store: &RetryingStore,
    job: impl Fn(&dyn Write, u8) -> Result<T, StoreError> + Copy + Send + Sync + 'static,
) -> Vec<Result<T, StoreError>> {
    let writes: Vec<_> = (0..WRITERS)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { store.write(move |tx| job(tx, number)).await })
        })
        .collect();
    let mut results = Vec::new();
    for write in writes {
        results.push(write.await.expect("no panic"));
    }
    results
}

pub(crate) async fn one_of_concurrent_registrations_gets_the_name(store: &RetryingStore) {
    let registered = race(store, |tx, number| {
        let unique = new_user(&format!("user{number}"));
        tx.insert_user(&NewUser {
            username: name("ann"),
            email: Some(email(&format!("{number}@example.com"))),
            ..unique
        })
    });
    let registered = registered.await;
    assert_eq!(registered.iter().filter(|result| result.is_ok()).count(), 1, "{registered:?}");
    let refused: Vec<_> = registered.into_iter().filter_map(Result::err).collect();
    assert!(refused.iter().all(|error| *error == StoreError::Taken(Field::Username)), "{refused:?}");
}

fn account(user: UserId) -> SocialAccount {
    SocialAccount {
        provider: ProviderName::parse("google").expect("a provider name"),
        social_id: "1".to_owned(),
        issuer: None,
        user,
        access: None,
        refresh: None,
        expires_at: None,
        linked_at: at(100),
        last_login: None,
    }
}

pub(crate) async fn one_of_concurrent_links_gets_the_account(store: &RetryingStore) {
    for number in 0..WRITERS {
        insert(store, new_user(&format!("user{number}"))).await;
    }
    let linked = race(store, |tx, number| {
        let user = tx.user_by_email(&email(&format!("user{number}@example.com")))?.expect("the user is stored");
        let account = account(user.id);
        if tx.social_account(&account.provider, &account.social_id)?.is_some() {
            return Ok(None);
        }
        tx.link_social_account(&account).map(|()| Some(user.id))
    });
    let linked: Vec<UserId> = linked.await.into_iter().filter_map(|result| result.expect("no failure")).collect();
    let account = account(UserId(0));
    let stored = read(store, move |tx| tx.social_account(&account.provider, &account.social_id)).await;
    assert_eq!(linked, stored.map(|account| account.user).into_iter().collect::<Vec<_>>());
}

pub(crate) async fn concurrent_demotions_leave_a_superuser(store: &RetryingStore) {
    for number in 0..WRITERS {
        insert(store, NewUser { is_superuser: true, ..new_user(&format!("user{number}")) }).await;
    }
    let demoted = race(store, |tx, number| {
        let user = tx.user_by_email(&email(&format!("user{number}@example.com")))?.expect("the user is stored");
        let may_leave = tx.other_superuser(user.id)?;
        if may_leave {
            tx.set_rights(user.id, false, false)?;
        }
        Ok(may_leave)
    });
    let demoted = demoted.await.into_iter().filter(|result| *result == Ok(true)).count();
    assert_eq!(demoted, usize::from(WRITERS) - 1);
    assert!(read(store, |tx| tx.any_superuser()).await);
}
