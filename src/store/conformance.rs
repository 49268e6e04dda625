//! What every backend must do: cases that know the traits alone. A backend's tests say `conformance!(fresh)`, where
//! `fresh` makes a store nobody has used and a guard that lives as long as it.

use std::net::IpAddr;

use uuid::Uuid;

use super::{Read, Store, StoreError, Write};
use crate::domain::dialect::Dialect;
use crate::domain::id::{SessionId, Subject, UserId};
use crate::domain::password::PasswordHash;
use crate::domain::session::Session;
use crate::domain::time::Timestamp;
use crate::domain::user::{Email, NewUser, Username};

pub(crate) mod admin;
pub(crate) mod admin_sessions;
pub(crate) mod sessions;
pub(crate) mod social_accounts;
pub(crate) mod transactions;
pub(crate) mod trifles;
pub(crate) mod users;

/// Makes a test of each case.
macro_rules! conformance {
    ($fresh:expr) => {
        conformance! { $fresh;
            users: a_user_is_found_as_it_was_made, names_and_addresses_are_unique_across_each_other,
                changes_change_what_they_name_alone, an_address_is_verified_until_it_changes,
                a_hash_is_upgraded_unless_the_password_changed,
                an_address_stands_before_a_name, pages_follow_each_other, a_prefix_finds_names_and_addresses,
                the_newest_addresses_are_kept, who_is_deleted_leaves_only_the_log, ids_are_never_given_again,
                all_that_is_known_of_a_user_comes_along;
            sessions: a_session_comes_with_its_user, a_session_moves_on_from_what_was_seen,
                one_of_many_moves_a_session_on, what_has_ended_stays_ended, all_but_one_end,
                live_sessions_are_listed, the_oldest_opening_is_of_a_live_session, the_sweep_takes_what_expired,
                a_session_is_found_by_what_its_id_begins_with,
                a_temporary_password_is_forgotten;
            social_accounts: an_account_is_found_as_it_was_linked, an_account_is_one_users_and_a_user_has_one_of_a_provider,
                tokens_are_replaced_and_forgotten, what_is_unlinked_opens_nothing, accounts_go_with_their_user;
            admin_sessions: an_admin_session_comes_with_its_user, all_but_one_admin_session_end, who_loses_the_right_is_out,
                admin_sessions_are_swept, a_superuser_is_known_to_be_there;
            trifles: a_code_is_used_once, a_code_does_not_outlive_a_change, a_newer_code_replaces_it, codes_expire_and_are_swept, a_mail_is_sent_once,
                a_mail_is_tried_again_or_given_up, mails_are_swept_when_done, a_lease_that_ran_out_is_due,
                settings_are_kept, the_log_is_read_newest_first, the_log_is_swept, runs_are_recorded,
                what_is_counted_adds_up, counts_are_swept;
            admin: users_are_found_by_name_or_address, pages_of_users_go_both_ways, users_are_narrowed_by_what_they_are,
                an_operator_changes_what_they_name_alone, live_sessions_are_paged_newest_first,
                mails_are_listed_with_what_became_of_them, a_mail_that_waits_can_be_hastened,
                who_set_a_setting_is_known_until_it_is_unset, the_log_knows_who_did_it, the_log_is_narrowed_and_paged,
                the_store_tells_its_size;
            transactions: what_failed_left_nothing, a_panic_hurts_nobody_else, neighbours_do_not_share_a_fate,
                a_write_sees_what_it_wrote, a_read_sees_one_moment, what_was_acknowledged_is_read;
        }
    };
    ($fresh:expr; $($module:ident: $($case:ident),*;)*) => {$($(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            let (store, _guard) = $fresh();
            conformance::$module::$case(&store).await;
        }
    )*)*};
}
pub(crate) use conformance;

/// Asks; nothing goes wrong.
async fn ask<T: Send + 'static>(
    store: &Store,
    job: impl FnOnce(&dyn Read) -> Result<T, StoreError> + Send + 'static,
) -> T {
    store.read(job).await.expect("the read is done")
}

/// Changes; nothing goes wrong.
async fn change<T: Send + 'static>(
    store: &Store,
    job: impl FnOnce(&dyn Write) -> Result<T, StoreError> + Send + 'static,
) -> T {
    store.write(job).await.expect("the write is done")
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(seconds)
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn name(text: &str) -> Username {
    Username::parse(text).expect("a user name")
}

fn email(text: &str) -> Email {
    Email::parse(text).expect("an e-mail address")
}

fn hash(text: &str) -> PasswordHash {
    PasswordHash::from_stored(text.to_owned())
}

/// A user of that name, with an address of that name; its UUID follows from it.
fn someone(text: &str) -> NewUser {
    let mut sub = [0; 16];
    sub.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
    NewUser {
        email: Some(email(&format!("{text}@example.com"))),
        password: Some(hash("first")),
        ..NewUser::new(Subject(Uuid::from_bytes(sub)), name(text), at(100))
    }
}

async fn insert(store: &Store, user: NewUser) -> UserId {
    change(store, move |tx| tx.insert_user(&user)).await
}

fn sid(number: u128) -> SessionId {
    SessionId(Uuid::from_u128(number))
}

/// A session opened at 1000 that lives until 2000.
fn session(number: u128, user: UserId) -> Session {
    Session {
        id: sid(number),
        user,
        dialect: Dialect::DrfPyjwt,
        generation: 0,
        opened_at: at(1000),
        good_from: 0,
        rotated_at: at(1000),
        expires_at: at(2000),
        ended: None,
        must_change_password: false,
        address: Some(ip("192.0.2.1")),
        provider: None,
    }
}

async fn open(store: &Store, session: Session) -> Session {
    change(store, move |tx| tx.open_session(&session).map(|()| session)).await
}

/// What is stored of a session now.
async fn seen(store: &Store, id: SessionId) -> Option<Session> {
    ask(store, move |tx| tx.session(id)).await.map(|(session, _)| session)
}
