//! Query plans: the listed statements on growing tables use an index, and none sorts.
#![expect(clippy::unwrap_used, reason = "tests")]

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;

/// The statements on tables that grow, with their purpose. Statements that must count a whole index, simple statements
/// by primary key, and statements on small tables are left out.
const STATEMENTS: &[(&str, &str)] = &[
    ("a user by id", users::BY_ID),
    ("a user by sub", users::BY_SUB),
    ("a sign-in by name", users::BY_NAME),
    ("a sign-in by address", users::BY_EMAIL),
    ("whether a name is unused", users::NAME_OR_ADDRESS_IN_USE),
    ("whether an address is known", users::SIGNED_IN_FROM),
    ("whether a superuser is the last", users::OTHER_SUPERUSER),
    ("a deletion", users::DELETE),
    ("a deletion's user names in the audit log", users::CLEAR_NAME),
    ("a deletion's actor names in the audit log", users::CLEAR_ACTOR),
    ("a deletion's addresses", "DELETE FROM sign_in_addresses WHERE user_id = 1"),
    ("a session and its user", sessions::WITH_USER),
    ("a user's sessions", sessions::OF_USER),
    ("the oldest session", sessions::OLDEST_LIVE),
    ("a session by the prefix of its id", sessions::BY_PREFIX),
    ("a refresh", sessions::ADVANCE),
    ("a refresh with an end on another day", sessions::ADVANCE_DAY),
    ("a refresh that sets the key", sessions::ADVANCE_WITH_KEY),
    ("a repeat of a refresh", sessions::COUNT_REPEAT),
    ("a sign-out", sessions::END),
    ("ending all of a user's sessions", sessions::END_OF_USER),
    ("whether a user has too many sessions", sessions::MORE_OPEN_OF_USER),
    ("the least recently used sessions of a user", sessions::USE_OF_SESSIONS),
    ("the newest sessions of an origin", sessions::NEWEST_OF_ORIGIN),
    ("the newest sessions of a user", sessions::NEWEST_OF_USER),
    ("the cleanup of sessions", sessions::CLEANUP),
    ("the number of open sessions", health::OPEN_SESSIONS),
    ("an account at a provider", social_accounts::BY_ID),
    ("a user's accounts at providers", social_accounts::OF_USER),
    ("a user's account at a provider", social_accounts::ONE_OF_USER),
    ("the deletion of provider access tokens", social_accounts::DELETE_ACCESS_TOKEN),
    ("an admin session", admin_sessions::WITH_USER),
    ("the cleanup of admin sessions", admin_sessions::CLEANUP),
    ("a reset code", reset_codes::OWNER_OF_CODE),
    ("the cleanup of reset codes", reset_codes::CLEANUP),
    ("a confirmation link", email_confirmations::BY_LINK),
    ("a user's confirmation", email_confirmations::OF_USER),
    ("the cleanup of confirmations", email_confirmations::CLEANUP),
    ("whether a name is kept", kept_names::IS_KEPT),
    ("the cleanup of kept names", kept_names::CLEANUP),
    ("the due e-mails", outbox::CLAIM),
    ("the waiting e-mails", outbox::LIST_WAITING),
    ("the finished e-mails", outbox::LIST_DONE),
    ("the e-mails given up", outbox::LIST_FAILED),
    ("the oldest waiting e-mail", outbox::OLDEST_WAITING),
    ("retrying an e-mail now", outbox::RETRY_NOW),
    ("the cleanup of e-mails", outbox::CLEANUP),
    ("the audit log", audit::PAGE),
    ("the audit log of a user", audit::PAGE_OF_USER),
    ("the audit log of a superuser's actions", audit::PAGE_OF_ACTOR),
    ("the audit log of an action", audit::PAGE_OF_ACTION),
    ("an audit line", audit::INSERT_ENTRY),
    ("the cleanup of the audit log", audit::CLEANUP),
];

fn plan(connection: &Connection, sql: &str) -> Vec<String> {
    let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    for number in 1..=plan.parameter_count() {
        plan.raw_bind_parameter(number, 1).unwrap();
    }
    let mut rows = plan.raw_query();
    let mut steps = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        steps.push(row.get::<_, String>("detail").unwrap());
    }
    steps
}

#[tokio::test]
async fn no_statement_scans_or_sorts_a_table() {
    let folder = TempDir::new().unwrap();
    let database = Database::open(&folder.path().join("test.db")).unwrap();
    let plans = database.lazy.get().unwrap().readers.on_connection(|connection| {
        Ok::<_, StoreError>(STATEMENTS.iter().map(|(name, sql)| (*name, plan(connection, sql))).collect::<Vec<_>>())
    });
    for (name, steps) in plans.await.unwrap() {
        let scans = steps.iter().any(|step| step.starts_with("SCAN"));
        let sorts = steps.iter().any(|step| step.contains("TEMP B-TREE FOR ORDER"));
        assert!(!scans && !sorts, "{name}\n{steps:#?}");
    }
}

/// A page that starts at a position must start its index search there, not before it.
#[tokio::test]
async fn a_page_query_starts_within_its_index() {
    let folder = TempDir::new().unwrap();
    let database = Database::open(&folder.path().join("test.db")).unwrap();
    let plans = database.lazy.get().unwrap().readers.on_connection(|connection| {
        let entered = [
            (audit::PAGE, "audit_by_time (at>? AND at<?)"),
            (audit::PAGE_OF_USER, "audit_by_user (user_id=? AND at>? AND at<?)"),
            (audit::PAGE_OF_ACTION, "audit_by_action (action=? AND at>? AND at<?)"),
            (sessions::NEWEST_OF_ORIGIN, "sessions_by_opening (opened_by=? AND opened_at<?)"),
            (sessions::NEWEST_OF_USER, "sessions_by_user (user_id=? AND ended_at=? AND opened_at<?)"),
            (sessions::MORE_OPEN_OF_USER, "COVERING INDEX sessions_by_user (user_id=? AND ended_at=?)"),
            (outbox::LIST_DONE, "outbox_done (created_at<?)"),
            (user_search::AFTER, "COVERING INDEX users_search (username_key>?)"),
            (user_search::BEFORE, "COVERING INDEX users_search (username_key<?)"),
        ];
        Ok::<_, StoreError>(entered.map(|(sql, index)| (plan(connection, sql), index)))
    });
    for (steps, index) in plans.await.unwrap() {
        assert!(steps.iter().any(|step| step.contains(index)), "{index}\n{steps:#?}");
    }
}
