//! Provider accounts are linked, updated and unlinked.

use super::retrying_store::RetryingStore;
use super::{at, insert, new_user, read, write};
use crate::domain::id::UserId;
use crate::domain::social::{ProviderName, SealedToken, SocialAccount};
use crate::store::StoreError;

fn provider(name: &str) -> ProviderName {
    ProviderName::parse(name).expect("a provider name")
}

fn account(name: &str, social_id: &str, user: UserId) -> SocialAccount {
    SocialAccount {
        provider: provider(name),
        social_id: social_id.to_owned(),
        issuer: Some("https://op.example".to_owned()),
        user,
        access: Some(SealedToken(vec![1, 2])),
        refresh: Some(SealedToken(vec![3, 4])),
        expires_at: Some(at(500)),
        linked_at: at(100),
        last_login: Some(at(200)),
    }
}

async fn link(store: &RetryingStore, account: SocialAccount) -> SocialAccount {
    write(store, move |tx| tx.link_social_account(&account).map(|()| account.clone())).await
}

async fn of(store: &RetryingStore, user: UserId) -> Vec<SocialAccount> {
    read(store, move |tx| tx.social_accounts_of(user)).await
}

pub(crate) async fn an_account_is_read_as_linked(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    let full = link(store, account("google", "Abc", ann)).await;
    let bare = SocialAccount {
        issuer: None,
        access: None,
        refresh: None,
        expires_at: None,
        last_login: None,
        ..account("github", "1", ann)
    };
    let bare = link(store, bare).await;
    assert_eq!(of(store, ann).await, [bare.clone(), full.clone()], "ordered by provider name");
    let found = |name: &'static str, id: &'static str| read(store, move |tx| tx.social_account(&provider(name), id));
    assert_eq!(found("google", "Abc").await, Some(full));
    assert_eq!(found("github", "1").await, Some(bare.clone()));
    assert_eq!(found("google", "abc").await, None, "another id");
    assert_eq!(found("google", "1").await, None, "another provider");
    let account_of = |user, name: &'static str| read(store, move |tx| tx.social_account_of(user, &provider(name)));
    assert_eq!((account_of(ann, "github").await, account_of(ann, "facebook").await), (Some(bare), None));
    assert_eq!(account_of(UserId(99), "github").await, None);

    for name in ["google", "github"] {
        write(store, move |tx| tx.set_social_issuer(ann, &provider(name), "https://other.example")).await;
    }
    let issuers: Vec<_> = of(store, ann).await.into_iter().map(|account| account.issuer.unwrap_or_default()).collect();
    assert_eq!(issuers, ["https://other.example", "https://op.example"], "stored only if it was unknown");
}

pub(crate) async fn an_account_has_one_user_and_a_user_has_one_per_provider(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    let bob = insert(store, new_user("bob")).await;
    link(store, account("google", "1", ann)).await;
    for (name, id, user, is_in_use) in
        [("google", "1", bob, true), ("google", "2", ann, true), ("github", "1", UserId(99), false)]
    {
        let refused: Result<(), StoreError> =
            store.write(move |tx| tx.link_social_account(&account(name, id, user))).await;
        let is_expected = match refused {
            Err(StoreError::InUse(_)) => is_in_use,
            Err(StoreError::Fault(_)) => !is_in_use,
            _ => false,
        };
        assert!(is_expected, "{name} {id} {user}: {refused:?}");
    }
    link(store, account("google", "2", bob)).await;
    link(store, account("github", "1", ann)).await;
}

pub(crate) async fn provider_tokens_are_replaced_and_removed(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    let bob = insert(store, new_user("bob")).await;
    let google = link(store, account("google", "1", ann)).await;
    let github = link(store, account("github", "1", ann)).await;
    let bobs = link(store, account("google", "2", bob)).await;

    let store_tokens = |refresh: Option<SealedToken>| {
        write(store, move |tx| {
            let access = SealedToken(vec![9]);
            tx.store_social_tokens(ann, &provider("google"), &access, refresh.as_ref(), None)
        })
    };
    store_tokens(None).await;
    let kept = SocialAccount { access: Some(SealedToken(vec![9])), expires_at: None, ..google };
    assert_eq!(of(store, ann).await, [github.clone(), kept.clone()], "the refresh token stays");
    store_tokens(Some(SealedToken(vec![8]))).await;
    let kept = SocialAccount { refresh: Some(SealedToken(vec![8])), ..kept };
    assert_eq!(of(store, ann).await, [github.clone(), kept.clone()]);

    write(store, move |tx| tx.record_social_sign_in(ann, &provider("google"), at(700))).await;
    let kept = SocialAccount { last_login: Some(at(700)), ..kept };
    assert_eq!(of(store, ann).await, [github.clone(), kept.clone()]);

    write(store, move |tx| tx.delete_social_access_token(ann, Some(&provider("google")))).await;
    let kept = SocialAccount { access: None, ..kept };
    assert_eq!(of(store, ann).await, [github.clone(), kept.clone()]);
    write(store, move |tx| tx.delete_social_access_token(ann, None)).await;
    assert_eq!(of(store, ann).await, [SocialAccount { access: None, expires_at: None, ..github }, kept]);
    assert_eq!(of(store, bob).await, [bobs]);
}

pub(crate) async fn an_unlinked_account_is_not_found(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    let bob = insert(store, new_user("bob")).await;
    link(store, account("google", "1", ann)).await;
    link(store, account("github", "1", ann)).await;
    let unlink = move |user| write(store, move |tx| tx.unlink_social_account(user, &provider("google")));
    assert!(!unlink(bob).await, "not bob's account");
    assert!(unlink(ann).await);
    assert!(!unlink(ann).await, "it is already unlinked");
    assert_eq!(of(store, ann).await, [account("github", "1", ann)]);
    assert_eq!(read(store, |tx| tx.social_account(&provider("google"), "1")).await, None);
    link(store, account("google", "1", bob)).await;
}

pub(crate) async fn accounts_are_deleted_with_their_user(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    link(store, account("google", "1", ann)).await;
    assert!(write(store, move |tx| tx.delete_user(ann)).await);
    assert_eq!(read(store, |tx| tx.social_account(&provider("google"), "1")).await, None);
}
