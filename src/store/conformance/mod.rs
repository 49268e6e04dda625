//! The conformance suite of the store: cases that every backend must pass and that use only the traits. A backend's
//! tests call `conformance!(fresh)`. `fresh` returns an empty store and a guard that must live as long as the store.
//!
//! Every closure runs twice: see [`RetryingStore`].

use std::net::IpAddr;

use uuid::Uuid;

use self::retrying_store::RetryingStore;
use super::{Read, SessionAdvance, StoreError, Write};
use crate::domain::dialect::Dialect;
use crate::domain::id::{SessionId, Subject, UserId};
use crate::domain::origin::Origin;
use crate::domain::password::PasswordHash;
use crate::domain::session::{Repeats, Session};
use crate::domain::time::Timestamp;
use crate::domain::user::{Email, NewUser, Username};

pub(crate) mod admin_sessions;
pub(crate) mod audit;
pub(crate) mod counts;
pub(crate) mod email_confirmations;
pub(crate) mod health;
pub(crate) mod kept_names;
pub(crate) mod outbox;
pub(crate) mod races;
pub(crate) mod refresh;
pub(crate) mod reset_codes;
pub(crate) mod retrying_store;
pub(crate) mod runs;
pub(crate) mod secret_renewal;
pub(crate) mod session_limit;
pub(crate) mod sessions;
pub(crate) mod settings;
pub(crate) mod social_accounts;
pub(crate) mod transactions;
pub(crate) mod user_search;
pub(crate) mod users;

/// Defines one test per case.
macro_rules! conformance {
    ($fresh:expr) => {
        conformance! { $fresh;
            users: a_user_is_read_as_inserted, names_and_addresses_are_unique_across_each_other,
                updates_change_only_their_column, an_address_is_verified_until_it_changes,
                a_hash_is_upgraded_unless_the_password_changed,
                an_address_takes_precedence_over_a_name, pages_of_users_are_consecutive,
                a_text_matches_any_part_of_names_and_addresses,
                only_the_newest_addresses_are_kept, deleting_a_user_leaves_only_audit_lines, ids_are_never_reused,
                an_imported_user_keeps_every_field, operator_updates_change_only_their_columns;
            sessions: a_session_is_read_with_its_user, a_session_advances_only_from_the_seen_generation,
                an_ended_session_stays_ended, all_sessions_but_one_end,
                live_sessions_are_listed, the_oldest_live_session_is_found,
                cleanup_removes_expired_sessions,
                a_session_is_found_by_the_prefix_of_its_id,
                live_sessions_are_paged_newest_first;
            refresh: a_refresh_advances_the_session_it_was_shown, a_refresh_gives_a_session_a_key,
                a_refresh_may_change_nothing, repeats_of_a_refresh_are_counted,
                a_refresh_may_run_a_write, one_of_concurrent_refreshes_advances_a_session,
                an_ended_session_is_not_advanced, a_failed_refresh_write_leaves_nothing;
            session_limit: the_least_recently_used_sessions_are_removed,
                the_least_recently_used_admin_sessions_are_removed, many_sessions_are_removed_in_batches,
                more_sessions_than_one_write_ends_are_ended_at_once;
            secret_renewal: all_sessions_and_codes_of_all_users_end, sealed_data_is_replaced;
            social_accounts: an_account_is_read_as_linked, an_account_has_one_user_and_a_user_has_one_per_provider,
                provider_tokens_are_replaced_and_removed, an_unlinked_account_is_not_found,
                accounts_are_deleted_with_their_user;
            admin_sessions: an_admin_session_is_read_with_its_user, all_admin_sessions_but_one_end,
                losing_rights_ends_the_admin_sessions,
                expired_admin_sessions_are_removed, any_superuser_is_reported;
            reset_codes: a_reset_code_is_used_once, account_changes_remove_the_reset_code,
                a_newer_reset_code_replaces_the_previous_one, reset_codes_expire_and_are_removed;
            email_confirmations: a_confirmation_is_read_by_its_link_until_it_expires,
                a_newer_confirmation_replaces_the_previous_one, account_changes_remove_a_requested_address,
                an_obligation_to_confirm_ends_with_the_verification, expired_confirmations_are_removed;
            kept_names: a_released_name_is_kept_from_other_users, kept_names_are_removed;
            outbox: an_email_is_claimed_once, an_email_is_retried_or_given_up, finished_emails_are_removed,
                an_email_being_sent_is_not_retried, an_expired_email_is_listed_as_expired,
                an_expired_lease_is_due, emails_are_listed_with_their_state, a_waiting_email_can_be_retried_now;
            settings: settings_are_stored, every_change_of_a_setting_changes_the_revision,
                the_author_of_a_setting_is_kept_until_it_is_unset;
            audit: audit_lines_are_read_newest_first, old_audit_lines_are_removed, audit_lines_name_their_actor,
                audit_lines_are_filtered_and_paged;
            runs: runs_are_recorded;
            counts: counts_are_added_per_hour, old_counts_are_removed;
            user_search: users_are_found_by_any_part_of_a_name_or_address, a_changed_name_is_found, pages_of_users_go_both_ways, users_are_filtered_by_kind;
            health: the_store_reports_its_size;
            races: one_of_concurrent_registrations_gets_the_name, one_of_concurrent_links_gets_the_account,
                concurrent_demotions_leave_a_superuser;
            transactions: a_failed_write_leaves_nothing, a_panicking_write_affects_no_other,
                writes_of_one_batch_fail_independently,
                a_write_sees_what_it_wrote, a_read_sees_one_snapshot, an_acknowledged_write_is_read;
        }
    };
    ($fresh:expr; $($module:ident: $($case:ident),*;)*) => {$($(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            let (store, _guard) = $fresh();
            conformance::$module::$case(&RetryingStore::new(store)).await;
        }
    )*)*};
}
pub(crate) use conformance;

const DRF_PYJWT: Origin = Origin::Dialect(Dialect::DrfPyjwt);
const SIMPLEJWT: Origin = Origin::Dialect(Dialect::Simplejwt);

/// Runs a read that must succeed.
async fn read<T: Send + 'static>(
    store: &RetryingStore,
    job: impl Fn(&dyn Read) -> Result<T, StoreError> + Send + Sync + 'static,
) -> T {
    store.read(job).await.expect("the read succeeds")
}

/// Runs a write that must succeed.
async fn write<T: Send + 'static>(
    store: &RetryingStore,
    job: impl Fn(&dyn Write) -> Result<T, StoreError> + Send + Sync + 'static,
) -> T {
    store.write(job).await.expect("the write succeeds")
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

/// Returns a change that sets the generation at `now` and the expiry, and invalidates the earlier generations.
fn advance(to: u32, now: i64, expires_at: i64) -> SessionAdvance {
    SessionAdvance {
        to,
        now: at(now),
        from: None,
        expires_at: at(expires_at),
        invalidates_earlier: true,
        new_refresh_key: None,
    }
}

/// Returns a user with this user name, an address that starts with it, and a `sub` derived from it.
fn new_user(text: &str) -> NewUser {
    let mut sub = [0; 16];
    sub.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
    NewUser {
        email: Some(email(&format!("{text}@example.com"))),
        password: Some(hash("first")),
        ..NewUser::new(Subject(Uuid::from_bytes(sub)), name(text), at(100))
    }
}

async fn insert(store: &RetryingStore, user: NewUser) -> UserId {
    write(store, move |tx| tx.insert_user(&user)).await
}

fn sid(number: u128) -> SessionId {
    SessionId(Uuid::from_u128(number))
}

/// Returns a session that was opened at 1000 and expires at 2000.
fn session(number: u128, user: UserId) -> Session {
    Session {
        id: sid(number),
        user,
        opened_by: DRF_PYJWT,
        generation: 0,
        opened_at: at(1000),
        auth_time: at(1000),
        amr: None,
        min_generation: 0,
        rotated_at: at(1000),
        used_at: at(1000),
        expires_at: at(2000),
        ended: None,
        temporary_since: None,
        address: Some(ip("192.0.2.1")),
        provider: None,
        refresh_key: None,
        repeats: Repeats::default(),
    }
}

async fn open(store: &RetryingStore, session: Session) -> Session {
    write(store, move |tx| tx.open_session(&session).map(|()| session.clone())).await
}

/// Returns the stored state of a session.
async fn stored_session(store: &RetryingStore, id: SessionId) -> Option<Session> {
    read(store, move |tx| tx.session(id)).await.map(|(session, _)| session)
}
