//! The use cases behind the admin zone: each change, its audit line, and the refusals.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use countersign::domain::audit::{Action, AuditLine, Operator};
use countersign::domain::dialect::Dialect;
use countersign::domain::id::UserId;
use countersign::domain::key::KeyState;
use countersign::domain::password::Password;
use countersign::domain::reset_code::Delivery;
use countersign::domain::user::{Email, Login, RealName, User, Username};
use countersign::issuer::admin::users::{FindUsers, details};
use countersign::issuer::admin::{audit, health, outbox, sessions};
use countersign::issuer::keys::{self, KeyContext};
use countersign::issuer::register::Register;
use countersign::issuer::request_reset::SendReset;
use countersign::issuer::settings::{self, ResetSetting, SetSetting};
use countersign::issuer::sign_in::SignIn;
use countersign::issuer::users::{SetTemporaryPassword, UserChange, UserNames, find};
use countersign::issuer::{Caller, CredentialsProblem, Denied, OperatorRule, Refusal};
use countersign::store::{AuditQuery, MailState, SessionQuery, UserSearch};
use tokio::task::JoinSet;

use crate::support::{PASSWORD, TestServer, wait_until};

const ADDRESS: &str = "198.51.100.7";

/// A server with a user `anna` and a superuser `root`.
async fn server() -> (TestServer, Operator) {
    let server = TestServer::with_anna().await;
    let root = superuser(&server, "root").await;
    let by = Operator::Superuser { id: root.id, username: root.username, address: ADDRESS.parse().unwrap() };
    (server, by)
}

async fn superuser(server: &TestServer, name: &str) -> User {
    let username = Username::parse(name).unwrap();
    let password = Password::new(PASSWORD.to_owned());
    let register = Register { username, password, email: None, from: None, is_superuser: true };
    register.run(&server.issuer).await.unwrap()
}

async fn id(server: &TestServer, name: &str) -> UserId {
    find(&server.issuer, name).await.unwrap().unwrap().id
}

async fn newest(server: &TestServer) -> AuditLine {
    audit::page(&server.issuer, AuditQuery { limit: 1, ..AuditQuery::default() }).await.unwrap().lines.remove(0)
}

fn edit(user: &User) -> UserNames {
    UserNames {
        username: user.username.clone(),
        email: user.email.clone(),
        email_verified: false,
        first_name: RealName::parse(&user.first_name).unwrap(),
        last_name: RealName::parse(&user.last_name).unwrap(),
    }
}

#[tokio::test]
async fn each_user_change_is_audited_with_its_actor() {
    let (server, by) = server().await;
    let issuer = &server.issuer;
    let anna = id(&server, "anna").await;
    let token = server.token("anna").await;
    let user = find(issuer, "anna").await.unwrap().unwrap();
    let renamed = UserNames {
        username: Username::parse("Anna").unwrap(),
        email: Some(Email::parse("anna@example.org").unwrap()),
        first_name: RealName::parse("Anna").unwrap(),
        ..edit(&user)
    };
    let staff = || UserChange::SetRights { is_staff: true, is_superuser: false };
    UserChange::Edit(Box::new(renamed.clone())).run_as(&by, anna, issuer).await.unwrap();
    staff().run_as(&by, anna, issuer).await.unwrap();
    UserChange::Edit(Box::new(renamed)).run_as(&by, anna, issuer).await.unwrap();
    staff().run_as(&by, anna, issuer).await.unwrap();
    assert!(find(issuer, "anna").await.unwrap().unwrap().is_staff, "an edit must not change the rights");
    let query = AuditQuery { actor: Some(id(&server, "root").await), limit: 9, ..AuditQuery::default() };
    let lines = audit::page(issuer, query).await.unwrap().lines;
    let changes: Vec<_> = lines.iter().map(|line| (line.action.as_str(), line.detail.as_str())).collect();
    let expected = [
        ("rights_changed", "superuser: no, staff: yes"),
        ("names_changed", "Anna"),
        ("username_changed", "Anna"),
        ("email_changed", "anna@example.org"),
    ];
    assert_eq!(changes, expected, "a change without effect is not audited");
    assert!(lines.iter().all(|line| line.actor.as_deref() == Some("root")
        && line.address == ADDRESS.parse().ok()
        && line.user_id == Some(anna)));
    UserChange::EndSessions.run_as(&by, anna, issuer).await.unwrap();
    assert!(!server.accepts(&token).await);
    assert_eq!(newest(&server).await.detail, "sessions ended: 1");
    UserChange::Delete.run_as(&by, anna, issuer).await.unwrap();
    let line = newest(&server).await;
    assert_eq!((line.action.as_str(), line.username, line.actor.as_deref()), ("deleted", None, Some("root")));
    let gone = UserChange::Enable.run_as(&by, anna, issuer).await;
    assert!(matches!(gone, Err(Denied::Rule(OperatorRule::NoUser))), "{gone:?}");
    let renamed = UserChange::Edit(Box::new(UserNames { username: Username::parse("ROOT").unwrap(), ..edit(&user) }));
    server.register("bob").await;
    let renamed = renamed.run_as(&by, id(&server, "bob").await, issuer).await;
    assert!(matches!(renamed, Err(Denied::Refused(Refusal::Taken(_)))), "{renamed:?}");
    assert!(find(issuer, "bob@example.com").await.unwrap().is_some(), "the rejected edit changed the user");
}

#[tokio::test]
async fn only_the_command_line_can_remove_the_last_superuser() {
    let (server, by) = server().await;
    let issuer = &server.issuer;
    let root = find(issuer, "root").await.unwrap().unwrap();
    let demoted = || UserChange::SetRights { is_staff: root.is_staff, is_superuser: false };
    for change in [UserChange::Disable, UserChange::Delete, demoted()] {
        let denied = change.run_as(&by, root.id, issuer).await;
        assert!(matches!(denied, Err(Denied::Rule(OperatorRule::LastSuperuser))), "{denied:?}");
    }
    assert!(details(issuer, root.id).await.unwrap().unwrap().is_last_superuser);
    let other = superuser(&server, "toor").await;
    UserChange::Disable.run_as(&by, other.id, issuer).await.unwrap();
    let denied = demoted().run_as(&by, root.id, issuer).await;
    assert!(
        matches!(denied, Err(Denied::Rule(OperatorRule::LastSuperuser))),
        "a disabled superuser does not count: {denied:?}"
    );
    UserChange::Enable.run_as(&by, other.id, issuer).await.unwrap();
    demoted().run_as(&by, root.id, issuer).await.unwrap();
    assert!(!find(issuer, "root").await.unwrap().unwrap().is_superuser);
    UserChange::Disable.run(&other, issuer).await.unwrap();
}

#[tokio::test]
async fn a_sign_in_with_a_temporary_password_is_marked() {
    let (server, by) = server().await;
    let token = server.token("anna").await;
    let set = SetTemporaryPassword { user: id(&server, "anna").await, by };
    let password = set.run(&server.issuer).await.unwrap();
    let password = String::from_utf8(password.expose().to_vec()).unwrap();
    assert!(!server.accepts(&token).await);
    server.token_by("anna", &password).await;
    assert!(find(&server.issuer, "anna").await.unwrap().unwrap().must_change_password());
    let lines = server.audit().await;
    assert!(
        lines.contains(&("password_set".to_owned(), "temporary password; sessions ended: 1".to_owned())),
        "{lines:?}"
    );
    assert!(!format!("{lines:?}").contains(&password));
}

#[tokio::test]
async fn an_operator_reset_ignores_rate_limits() {
    let (server, by) = server().await;
    let issuer = &server.issuer;
    let anna = id(&server, "anna").await;
    let send = |user| SendReset { user, delivery: Delivery::Code, by: by.clone() };
    for _ in 0..6 {
        send(anna).run(issuer).await.unwrap();
    }
    let outbox = outbox::outbox(issuer, None, None, 3).await.unwrap();
    assert_eq!((outbox.mails.len(), outbox.mails[0].0.template.as_str()), (3, "reset_code"));
    assert_eq!(newest(&server).await.actor.as_deref(), Some("root"));
    let no_email = send(id(&server, "root").await).run(issuer).await;
    assert!(matches!(no_email, Err(Denied::Rule(OperatorRule::NoEmail))), "{no_email:?}");
    UserChange::Disable.run_as(&by, anna, issuer).await.unwrap();
    let disabled = send(anna).run(issuer).await;
    assert!(matches!(disabled, Err(Denied::Rule(OperatorRule::Disabled))), "{disabled:?}");
    let unknown = send(UserId(999)).run(issuer).await;
    assert!(matches!(unknown, Err(Denied::Rule(OperatorRule::NoUser))), "{unknown:?}");
}

#[tokio::test]
async fn a_waiting_email_shows_its_recipient_and_a_finished_one_is_not_retried() {
    // No server listens on this port, so the e-mail stays in the outbox.
    let server = TestServer::with("email.host = '127.0.0.1'\nemail.port = 1\nemail.security = 'none'").await;
    server.register("anna").await;
    let root = superuser(&server, "root").await;
    let by = Operator::Superuser { id: root.id, username: root.username, address: ADDRESS.parse().unwrap() };
    let issuer = &server.issuer;
    let user = id(&server, "anna").await;
    SendReset { user, delivery: Delivery::Link, by: by.clone() }.run(issuer).await.unwrap();
    let list = async || outbox::outbox(issuer, Some(MailState::Waiting), None, 9).await.unwrap();
    // An e-mail that is being sent is not retried.
    wait_until("the first attempt failed", async || list().await.mails[0].0.attempts == 1).await;
    let waiting = list().await;
    let (mail, to) = &waiting.mails[0];
    assert_eq!((waiting.waiting, to.as_deref()), (1, Some("a***@example.com")));
    assert!(mail.sealed.is_none());
    outbox::RetryMail { id: mail.id, by: by.clone() }.run(issuer).await.unwrap();
    assert_eq!(newest(&server).await.action, "mail_retried");
    let gone = mail.id;
    let given_up = issuer.store.write(move |tx| tx.mail_failed(gone, None, "no")).await;
    given_up.map_err(|error: countersign::store::StoreError| error).unwrap();
    let denied = outbox::RetryMail { id: mail.id, by }.run(issuer).await;
    assert!(matches!(denied, Err(Denied::Rule(OperatorRule::NotWaiting))), "{denied:?}");
    assert_eq!(outbox::previews(issuer).unwrap().len(), 6);
}

#[tokio::test]
async fn users_are_found_by_name_id_and_sub() {
    let (server, _) = server().await;
    let anna = find(&server.issuer, "anna").await.unwrap().unwrap();
    let found = async |text: &str| {
        let search = UserSearch { text: text.to_owned(), limit: 9, ..UserSearch::default() };
        let found = FindUsers { search }.run(&server.issuer).await.unwrap();
        (found.exact.map(|user| user.id), found.page.users.len())
    };
    assert_eq!(found(" AN ").await, (None, 1));
    assert_eq!(found(&anna.id.to_string()).await, (Some(anna.id), 0));
    assert_eq!(found(&anna.sub.to_string()).await, (Some(anna.id), 0));
    assert_eq!(found("nobody").await, (None, 0));
    let token = server.token("anna").await;
    let known = details(&server.issuer, anna.id).await.unwrap().unwrap();
    assert_eq!((known.sessions.len(), known.addresses.len(), known.is_last_superuser), (1, 1, false));
    assert_eq!(known.lines[0].action, "signed_in");
    assert!(server.accepts(&token).await);
}

#[tokio::test]
async fn one_session_is_ended_and_the_others_stay_live() {
    let (server, by) = server().await;
    let first = server.token("anna").await;
    let second = server.token("anna").await;
    let query = SessionQuery { limit: 9, ..SessionQuery::default() };
    let page = sessions::page(&server.issuer, query).await.unwrap();
    assert_eq!(page.sessions.len(), 2);
    let ended = page.sessions[0].0.id;
    sessions::EndSession { id: ended, by: by.clone() }.run(&server.issuer).await.unwrap();
    assert_eq!([server.accepts(&first).await, server.accepts(&second).await].iter().filter(|opens| **opens).count(), 1);
    let line = newest(&server).await;
    assert_eq!((line.detail, line.actor.as_deref()), (ended.to_string(), Some("root")));
    let again = sessions::EndSession { id: ended, by }.run(&server.issuer).await;
    assert!(matches!(again, Err(Denied::Rule(OperatorRule::NoSession))), "{again:?}");
}

#[tokio::test]
async fn a_setting_shows_who_set_it_and_can_be_reset() {
    const NAME: &str = "profiles.jwt_issuer.access_lifetime";
    let (server, by) = server().await;
    let issuer = &server.issuer;
    let now = server.clock.now();
    server.token("anna").await;
    let listed = async || {
        let all = settings::list(issuer).await.unwrap();
        all.into_iter().find(|listed| listed.row.definition.name == NAME).unwrap()
    };
    assert_eq!(listed().await.changed, None);
    let set = SetSetting { name: NAME.to_owned(), value: "30d".to_owned(), by: by.clone() };
    set.run(issuer).await.unwrap();
    assert_eq!(issuer.settings().longest_access_lifetime(), Duration::from_hours(30 * 24));
    let changed = listed().await;
    assert_eq!(changed.changed.map(|change| (change.by, change.at)), Some(("root".to_owned(), now)));
    assert!(
        changed.row.definition.description.contains("access token")
            && changed.row.definition.allowed().contains("seconds")
    );
    ResetSetting { name: NAME.to_owned(), by }.run(issuer).await.unwrap();
    let reset = listed().await;
    assert_eq!((reset.changed, reset.row.value), (None, reset.row.definition.default_value()));
    let promised = issuer.settings().promised_until();
    assert!(
        promised >= Some(now + Duration::from_hours(30 * 24)),
        "tokens issued before the lifetime was lowered count"
    );
    let line = newest(&server).await;
    assert_eq!((line.action.as_str(), line.actor.as_deref()), ("setting_changed", Some("root")));
    assert_eq!(line.detail, format!("{NAME} = 86400 (the default) by root"));
}

/// The page for a busy server says that nothing was changed, so it must not follow a change that is stored.
#[tokio::test]
async fn a_stored_setting_is_no_error_if_the_reload_fails() {
    const NAME: &str = "profiles.jwt_issuer.access_lifetime";
    let (server, by) = server().await;
    let issuer = &server.issuer;
    let database = rusqlite::Connection::open(server.path("data/countersign.db")).unwrap();
    let unreadable = "UPDATE settings SET value = '\"x\"' WHERE name = 'settings.revision'";
    database.execute_batch(&format!("CREATE TRIGGER damage AFTER INSERT ON audit BEGIN {unreadable}; END")).unwrap();
    let set = SetSetting { name: NAME.to_owned(), value: "30d".to_owned(), by };
    set.run(issuer).await.unwrap();
    assert!(settings::reload(issuer).await.is_err());
    database.execute_batch("UPDATE settings SET value = '7' WHERE name = 'settings.revision'").unwrap();
    settings::reload_if_changed(issuer).await.unwrap();
    assert_eq!(issuer.settings().longest_access_lifetime(), Duration::from_hours(30 * 24));
}

/// A reload that began before a change must not finish after it with the previous settings.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_stays_applied_while_the_settings_are_reloaded() {
    const NAME: &str = "profiles.jwt_issuer.access_lifetime";
    let (server, by) = server().await;
    let issuer = &server.issuer;
    let mut reloads = JoinSet::new();
    for _ in 0..4 {
        let issuer = Arc::clone(issuer);
        reloads.spawn(async move {
            loop {
                settings::reload(&issuer).await.unwrap();
            }
        });
    }
    for days in 2..=80 {
        let set = SetSetting { name: NAME.to_owned(), value: format!("{days}d"), by: by.clone() };
        set.run(issuer).await.unwrap();
        for _ in 0..20 {
            assert_eq!(issuer.settings().longest_access_lifetime(), Duration::from_hours(days * 24));
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn keys_are_rotated_and_revoked_as_previewed() {
    let (server, by) = server().await;
    let issuer = &server.issuer;
    let line = keys::timeline(issuer).algorithms.remove(0);
    let alg = line.alg;
    let preview = line.rotation.unwrap();
    let context = KeyContext::of_server(issuer);
    let rotate = keys::Rotate { alg: Some(alg), at_once: false, by: by.clone() };
    let new_keys = rotate.run(&context).await.unwrap().keys;
    assert_eq!((new_keys.len(), new_keys[0].signs_from), (1, preview.signs_from));
    let line = keys::timeline(issuer).algorithms.remove(0);
    assert_eq!(line.next.map(|next| next.signs_from), Some(preview.signs_from));
    let active = line.keys.iter().find(|shown| shown.state == KeyState::Active).unwrap();
    assert_eq!(active.key.published_until, preview.previous.map(|(_, until)| until));
    assert_eq!(active.revocation.as_ref().unwrap().tokens.unwrap().0, active.key.signs_from);
    let revoke = || keys::Revoke { kid: active.key.kid.to_string(), by: by.clone(), on_default_settings: None };
    let done = revoke().run(&context).await.unwrap().revoked;
    assert_eq!(done.successor.map(|key| key.kid), Some(new_keys[0].kid.clone()));
    assert_eq!(
        issuer.ring().active(alg, server.clock.now()).unwrap().key().kid,
        new_keys[0].kid,
        "the rotation must apply at once"
    );
    let again = revoke().run(&context).await.map_err(Denied::from);
    assert!(matches!(again, Err(Denied::Rule(OperatorRule::Key(_)))), "{again:?}");
    let query = AuditQuery { action: Some(Action::KeyRevoked), limit: 9, ..AuditQuery::default() };
    let lines = audit::page(issuer, query).await.unwrap().lines;
    assert_eq!((lines.len(), lines[0].actor.as_deref()), (1, Some("root")));
    assert!(lines[0].detail.contains(active.key.kid.as_str()), "{}", lines[0].detail);
}

#[tokio::test]
async fn an_export_contains_the_whole_audit_log() {
    let (server, by) = server().await;
    let at = server.clock.now();
    let filled = server.issuer.store.write(move |tx| {
        (0..1200).try_for_each(|n| tx.record(&by.entry(at, Action::SettingChanged, None, n.to_string())))
    });
    filled.await.map_err(|error: countersign::store::StoreError| error).unwrap();
    let query = AuditQuery { action: Some(Action::SettingChanged), ..AuditQuery::default() };
    let mut export = audit::AuditExport::new(query);
    let mut details = Vec::new();
    while let Some(lines) = export.next(&server.issuer).await.unwrap() {
        assert!(lines.len() <= 500);
        details.extend(lines.into_iter().map(|line| line.detail));
    }
    assert_eq!(details, (0..1200).rev().map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn health_counts_rows_periodically() {
    let (server, _) = server().await;
    let first = health::health(&server.issuer).await.unwrap();
    assert_eq!((first.counted.users, first.mails_waiting, first.oldest_waiting_mail), (2, 0, None));
    assert!(first.size.bytes > 0);
    server.register("bob").await;
    assert_eq!(
        health::health(&server.issuer).await.unwrap().counted,
        first.counted,
        "rows are counted at most every five minutes"
    );
    server.clock.advance(Duration::from_mins(5));
    assert_eq!(health::health(&server.issuer).await.unwrap().counted.users, 3);
    server.issuer.vitals.record_cleanup(server.clock.now());
    assert_eq!(health::health(&server.issuer).await.unwrap().last_cleanup, Some(server.clock.now()));
}

/// The callers get the same response in each case, see `attacks::identical_responses`.
#[tokio::test]
async fn a_refused_sign_in_has_its_cause_for_the_operator() {
    let server = TestServer::with_anna().await;
    let cause = async |login: &str, password: &str| {
        let login = Login::new(login);
        let password = Password::new(password.to_owned());
        let from = Caller { address: ADDRESS.parse().unwrap() };
        let refused = SignIn { login, password, dialect: Dialect::JwtIssuer, from }.run(&server.issuer).await;
        match refused.map(drop) {
            Err(Refusal::WrongCredentials(cause)) => cause,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(cause("stranger", PASSWORD).await, CredentialsProblem::UnknownUser);
    assert_eq!(cause("anna", "wrong").await, CredentialsProblem::WrongPassword);
    server.change("anna", UserChange::Disable).await;
    assert_eq!(cause("anna", "wrong").await, CredentialsProblem::WrongPassword);
    assert_eq!(cause("anna", PASSWORD).await, CredentialsProblem::Disabled);
}
