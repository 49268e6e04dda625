//! What a renewal of the secret ends, and what it stores again.

use super::retrying_store::RetryingStore;
use super::{at, insert, new_user, open, read, session, sid, stored_session, write};
use crate::domain::browser_session::BrowserTokenHash;
use crate::domain::id::UserId;
use crate::domain::mail_item::{NewMail, SealedMail};
use crate::domain::session::{EndReason, Session};
use crate::domain::social::{ProviderName, SealedToken, SocialAccount};
use crate::store::{CodeHash, MailState};

fn provider(name: &str) -> ProviderName {
    name.parse().expect("a provider name")
}

fn account(user: UserId, name: &str) -> SocialAccount {
    SocialAccount {
        provider: provider(name),
        social_id: user.to_string(),
        issuer: None,
        user,
        access: Some(SealedToken(vec![1])),
        refresh: Some(SealedToken(vec![2])),
        expires_at: None,
        linked_at: at(100),
        last_login: None,
    }
}

pub(crate) async fn all_sessions_and_codes_of_all_users_end(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    let bob = insert(store, new_user("bob")).await;
    open(store, session(1, ann)).await;
    open(store, session(2, bob)).await;
    open(store, Session { ended: Some((at(1050), EndReason::SignOut)), ..session(3, bob) }).await;
    write(store, move |tx| tx.put_reset_code(ann, CodeHash([1; 32]), at(2000))).await;
    let ended = write(store, |tx| {
        tx.delete_all_reset_codes()?;
        tx.end_all_admin_sessions()?;
        tx.end_all_sessions(at(1100), EndReason::Operator)
    });
    assert_eq!(ended.await, 2);
    for (number, ended) in [
        (1, (at(1100), EndReason::Operator)),
        (2, (at(1100), EndReason::Operator)),
        (3, (at(1050), EndReason::SignOut)),
    ] {
        assert_eq!(stored_session(store, sid(number)).await.and_then(|session| session.ended), Some(ended), "{number}");
    }
    assert_eq!(read(store, |tx| tx.reset_code_owner(CodeHash([1; 32]), at(1100))).await, None);
    assert!(read(store, |tx| tx.admin_session(BrowserTokenHash([1; 32]))).await.is_none());
}

pub(crate) async fn sealed_data_is_replaced(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    let bob = insert(store, new_user("bob")).await;
    let accounts = [account(ann, "github"), account(ann, "google"), account(bob, "github")];
    for account in accounts.clone() {
        write(store, move |tx| tx.link_social_account(&account)).await;
    }
    let mut after = None;
    for expected in &accounts {
        let start = after.clone();
        let page = read(store, move |tx| tx.social_accounts_after(start.as_ref(), 1)).await;
        assert_eq!(page.as_slice(), std::slice::from_ref(expected));
        after = Some((expected.user, expected.provider.clone()));
    }
    assert!(read(store, move |tx| tx.social_accounts_after(after.as_ref(), 1)).await.is_empty());
    write(store, move |tx| tx.reseal_social_tokens(ann, &provider("google"), Some(&SealedToken(vec![3])), None)).await;
    let resealed = SocialAccount { access: Some(SealedToken(vec![3])), refresh: None, ..accounts[1].clone() };
    let all = read(store, |tx| tx.social_accounts_after(None, 9)).await;
    assert_eq!(all, [accounts[0].clone(), resealed, accounts[2].clone()]);

    let [waiting, sent] = [1, 2].map(|byte| NewMail {
        template: "reset_code",
        sealed: SealedMail(vec![byte]),
        created_at: at(100 + i64::from(byte)),
        expires_at: None,
    });
    let waiting = write(store, move |tx| tx.queue_mail(&waiting)).await;
    let sent = write(store, move |tx| tx.queue_mail(&sent)).await;
    write(store, move |tx| {
        tx.mail_sent(sent, at(200))?;
        tx.reseal_mail(sent, &SealedMail(vec![8]))?;
        tx.reseal_mail(waiting, &SealedMail(vec![9]))
    })
    .await;
    let page = read(store, |tx| tx.mail_page(None, None, 9)).await;
    let sealed: Vec<_> = page.mails.into_iter().map(|mail| (mail.state, mail.sealed)).collect();
    assert_eq!(sealed, [(MailState::Sent, None), (MailState::Waiting, Some(SealedMail(vec![9])))]);
}
