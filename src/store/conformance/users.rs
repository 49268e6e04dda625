//! Users are created, found, changed, listed and deleted.

use super::retrying_store::RetryingStore;
use super::{at, email, hash, insert, ip, name, new_user, open, read, session, sid, stored_session, write};
use crate::domain::audit::{Action, AuditEntry};
use crate::domain::claims::Claims;
use crate::domain::field::Field;
use crate::domain::id::UserId;
use crate::domain::user::{Email, Login, NewUser};
use crate::store::{CodeHash, StoreError, UserQuery};

pub(crate) async fn a_user_is_read_as_inserted(store: &RetryingStore) {
    let made = NewUser { is_superuser: true, ..new_user("Ann") };
    let sub = made.sub;
    let id = insert(store, made).await;
    let [by_id, by_name, by_address, by_email] = read(store, move |tx| {
        Ok([
            tx.user(id)?,
            tx.user_by_login(&Login::new("aNN"))?,
            tx.user_by_login(&Login::new("ann@EXAMPLE.com"))?,
            tx.user_by_email(&email("ANN@example.com"))?,
        ])
    })
    .await;
    for user in [by_id, by_name, by_address, by_email].map(|found| found.expect("Ann is found")) {
        assert_eq!((user.id, user.sub, user.username.as_str()), (id, sub, "Ann"));
        assert_eq!(user.email.as_ref().map(Email::as_str), Some("Ann@example.com"));
        assert_eq!((user.password, user.claims), (Some(hash("first")), Claims::default()));
        assert_eq!((user.date_joined, user.last_login), (at(100), None));
        assert_eq!((user.is_active, user.is_superuser, user.is_staff), (true, true, false));
        assert_eq!((user.email_verified, user.temporary_since.is_some()), (false, false));
    }
    let missing = read(store, move |tx| {
        Ok(tx.user(UserId(id.0 + 1))?.is_some() || tx.user_by_login(&Login::new("bob"))?.is_some())
    });
    assert!(!missing.await);
}

pub(crate) async fn names_and_addresses_are_unique_across_each_other(store: &RetryingStore) {
    insert(store, new_user("ann")).await;
    let bob = insert(store, new_user("bob")).await;
    for (username, address, taken) in [
        ("ANN", "new@example.com", Field::Username),
        ("new", "Ann@Example.com", Field::Email),
        ("ann@example.COM", "new@example.com", Field::Username),
    ] {
        let made = NewUser { username: name(username), email: Some(email(address)), ..new_user("new") };
        let result = store.write(move |tx| tx.insert_user(&made)).await;
        assert_eq!(result, Err(StoreError::Taken(taken)), "{username} {address}");
    }
    let renamed = move |to: &'static str| store.write(move |tx| tx.set_username(bob, &name(to)));
    assert_eq!(renamed("Ann").await, Err(StoreError::Taken(Field::Username)));
    assert_eq!(renamed("ann@example.com").await, Err(StoreError::Taken(Field::Username)));
    assert_eq!(renamed("Bob").await, Ok(()), "the user's own name in another spelling");
    assert_eq!(renamed("bob@example.com").await, Ok(()), "the user's own address");
    let readdressed = move |to: &'static str| store.write(move |tx| tx.set_email(bob, &email(to)));
    assert_eq!(readdressed("ANN@example.com").await, Err(StoreError::Taken(Field::Email)));
    insert(store, NewUser { username: name("carl@example.org"), email: None, ..new_user("carl") }).await;
    assert_eq!(readdressed("carl@example.org").await, Err(StoreError::Taken(Field::Email)), "another user's name");
    assert_eq!(readdressed("Bob@example.com").await, Ok(()));
    let without_email = NewUser { email: None, ..new_user("dora") };
    insert(store, without_email).await;
    let without_email = NewUser { email: None, ..new_user("emil") };
    insert(store, without_email).await;
}

pub(crate) async fn updates_change_only_their_column(store: &RetryingStore) {
    let ann = insert(store, NewUser { has_username: false, ..new_user("ann") }).await;
    let bob = insert(store, NewUser { has_username: false, ..new_user("bob") }).await;
    let claims = Claims::parse(r#"{"roles":["editor"]}"#).expect("claims");
    let set = claims.clone();
    let found = write(store, move |tx| {
        for id in [ann, UserId(999)] {
            tx.set_password(id, &hash("second"), Some(at(900)))?;
            tx.set_username(id, &name(if id == ann { "Anna" } else { "missing" }))?;
            tx.set_has_username(id)?;
            tx.set_email(id, &email(if id == ann { "anna@example.com" } else { "missing@example.com" }))?;
            tx.set_active(id, false)?;
            tx.set_claims(id, &set)?;
            tx.record_sign_in(id, at(500), Some(ip("192.0.2.7")))?;
            tx.record_address(id, at(600), ip("192.0.2.8"))?;
        }
        Ok(tx.user(ann)?.zip(tx.user(bob)?))
    });
    let (ann, bob) = found.await.expect("both users are stored");
    assert_eq!((ann.username.as_str(), ann.email), ("Anna", Some(email("anna@example.com"))));
    assert_eq!((ann.password, ann.temporary_since), (Some(hash("second")), Some(at(900))));
    assert_eq!((ann.is_active, ann.claims, ann.last_login), (false, claims, Some(at(500))));
    assert_eq!((ann.has_username, bob.has_username), (true, false));
    assert_eq!((bob.username.as_str(), bob.password), ("bob", Some(hash("first"))));
    assert_eq!((bob.is_active, bob.temporary_since.is_some(), bob.last_login), (true, false, None));
}

pub(crate) async fn an_address_is_verified_until_it_changes(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    let bob = insert(store, new_user("bob")).await;
    let verify = move |id| write(store, move |tx| tx.verify_email(id));
    assert!(verify(ann).await);
    assert!(!verify(ann).await, "it was verified before");
    assert!(!verify(UserId(999)).await, "no such user");
    let without_email = insert(store, NewUser { email: None, ..new_user("cat") }).await;
    assert!(!verify(without_email).await, "no address");
    let verified = move |id| read(store, move |tx| Ok(tx.user(id)?.map(|user| user.email_verified)));
    assert_eq!((verified(ann).await, verified(bob).await), (Some(true), Some(false)));
    write(store, move |tx| tx.set_email(ann, &email("ann@example.org"))).await;
    assert_eq!(verified(ann).await, Some(false), "another address");
}

pub(crate) async fn a_hash_is_upgraded_unless_the_password_changed(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    let upgrade = move |old: &'static str| {
        write(store, move |tx| {
            tx.upgrade_hash(ann, &hash(old), &hash("upgraded"))?;
            Ok(tx.user(ann)?.and_then(|user| user.password))
        })
    };
    assert_eq!(upgrade("another").await, Some(hash("first")));
    assert_eq!(upgrade("first").await, Some(hash("upgraded")));
}

/// The system from which users are imported may have allowed a user to take another user's address as a user name. The
/// user with that address is then rejected by the import.
pub(crate) async fn an_address_takes_precedence_over_a_name(store: &RetryingStore) {
    let squatter = NewUser { username: name("ann@example.com"), email: None, ..new_user("squatter") };
    let squatter = insert(store, squatter).await;
    let found = read(store, |tx| tx.user_by_login(&Login::new("Ann@Example.com"))).await;
    assert_eq!(found.map(|user| user.id), Some(squatter), "a user name may look like an address");
    let taken = store.write(|tx| tx.insert_user(&new_user("ann"))).await;
    assert_eq!(taken, Err(StoreError::Taken(Field::Email)));
}

async fn page(store: &RetryingStore, text: Option<&str>, after: Option<UserId>, limit: u32) -> Vec<String> {
    let query = UserQuery { text: text.map(str::to_owned), after, limit };
    let users = read(store, move |tx| tx.users(&query)).await;
    users.iter().map(|user| user.username.to_string()).collect()
}

pub(crate) async fn pages_of_users_are_consecutive(store: &RetryingStore) {
    for text in ["eve", "dan", "cid", "bob", "ann"] {
        insert(store, new_user(text)).await;
    }
    let cid = read(store, |tx| tx.user_by_login(&Login::new("cid"))).await.map(|user| user.id);
    assert_eq!(page(store, None, None, 3).await, ["eve", "dan", "cid"]);
    assert_eq!(page(store, None, cid, 3).await, ["bob", "ann"]);
    assert_eq!(page(store, None, None, 0).await, [""; 0]);
}

pub(crate) async fn a_text_matches_any_part_of_names_and_addresses(store: &RetryingStore) {
    for (username, address) in [("Anton", "z@example.com"), ("zoe", "ANNA@example.com"), ("a%b", "b@example.com")] {
        insert(store, NewUser { username: name(username), email: Some(email(address)), ..new_user(username) }).await;
    }
    assert_eq!(page(store, Some("aN"), None, 9).await, ["Anton", "zoe"]);
    assert_eq!(page(store, Some("aN"), None, 1).await, ["Anton"]);
    assert_eq!(page(store, Some("NNA@exa"), None, 9).await, ["zoe"]);
    assert_eq!(page(store, Some("Z"), None, 9).await, ["Anton", "zoe"], "each user only once");
    assert_eq!(page(store, Some("%"), None, 9).await, ["a%b"], "the text is not a LIKE pattern");
    assert_eq!(page(store, Some("n%"), None, 9).await, [""; 0]);
}

pub(crate) async fn only_the_newest_addresses_are_kept(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    let bob = insert(store, new_user("bob")).await;
    write(store, move |tx| {
        tx.record_sign_in(bob, at(1), Some(ip("192.0.2.0")))?;
        for number in 0..25 {
            tx.record_sign_in(ann, at(1000 + number), Some(ip(&format!("192.0.2.{number}"))))?;
            tx.record_sign_in(ann, at(1000 + number), Some(ip("2001:db8::1")))?;
        }
        tx.record_sign_in(ann, at(5000), None)
    })
    .await;
    let known = move |id, text: &'static str| read(store, move |tx| tx.knows_address(id, ip(text)));
    for (address, expected) in
        [("192.0.2.24", true), ("192.0.2.6", true), ("192.0.2.5", false), ("2001:db8::1", true), ("192.0.2.99", false)]
    {
        assert_eq!(known(ann, address).await, expected, "{address}");
    }
    assert!(known(ann, "::ffff:192.0.2.24").await, "the same address from an IPv6 socket");
    assert!(known(bob, "192.0.2.0").await, "other users' addresses are kept");
}

pub(crate) async fn deleting_a_user_leaves_only_audit_lines(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    open(store, session(1, ann)).await;
    let deleted = write(store, move |tx| {
        tx.put_reset_code(ann, CodeHash([1; 32]), at(9999))?;
        tx.record_sign_in(ann, at(1), Some(ip("192.0.2.1")))?;
        let action = Action::Registered;
        let address = None;
        let detail = String::new();
        tx.record(&AuditEntry { at: at(1), action, user: Some(ann), actor: None, address, detail })?;
        Ok((tx.delete_user(ann)?, tx.delete_user(ann)?))
    });
    assert_eq!(deleted.await, (true, false));
    assert_eq!(stored_session(store, sid(1)).await, None);
    let left = read(store, move |tx| {
        let found = tx.user(ann)?.is_some() || tx.user_by_email(&email("ann@example.com"))?.is_some();
        let code = tx.reset_code_owner(CodeHash([1; 32]), at(1))?.is_some();
        Ok((found, code, tx.knows_address(ann, ip("192.0.2.1"))?, tx.audit_lines(Some(ann), 9)?))
    });
    let (found, code, address, lines) = left.await;
    assert_eq!((found, code, address), (false, false, false));
    assert_eq!((lines.len(), lines[0].user_id, lines[0].username.as_deref()), (1, Some(ann), None));
}

pub(crate) async fn ids_are_never_reused(store: &RetryingStore) {
    let wanted = insert(store, NewUser { id: Some(UserId(41)), ..new_user("ann") }).await;
    assert_eq!(wanted, UserId(41));
    let next = insert(store, new_user("bob")).await;
    assert_eq!(next, UserId(42));
    assert!(write(store, move |tx| tx.delete_user(next)).await);
    assert_eq!(insert(store, new_user("carl")).await, UserId(43));
    let twice = store.write(|tx| tx.insert_user(&NewUser { id: Some(UserId(41)), ..new_user("dora") })).await;
    assert_eq!(twice, Err(StoreError::InUse("id")));
    let same_sub = NewUser { sub: new_user("ann").sub, ..new_user("emil") };
    let twice = store.write(move |tx| tx.insert_user(&same_sub)).await;
    assert_eq!(twice, Err(StoreError::InUse("sub")));
}

pub(crate) async fn an_imported_user_keeps_every_field(store: &RetryingStore) {
    let made = NewUser {
        id: Some(UserId(7)),
        email_verified: true,
        first_name: "Ann".to_owned(),
        last_name: "Öt".to_owned(),
        temporary_since: Some(at(900)),
        is_active: false,
        is_staff: true,
        claims: Claims::parse(r#"{"roles":["editor"]}"#).expect("claims"),
        last_login: Some(at(-5)),
        ..new_user("ann")
    };
    let wanted = made.clone();
    let sub = made.sub;
    insert(store, made).await;
    let found = read(store, move |tx| Ok((tx.user_by_sub(sub)?, tx.user_by_sub(new_user("bob").sub)?))).await;
    let (Some(user), None) = found else { panic!("only the imported user is found by UUID: {found:?}") };
    assert_eq!((user.id, user.sub, user.username), (UserId(7), wanted.sub, wanted.username));
    assert_eq!((user.email, user.email_verified), (wanted.email, true));
    assert_eq!((user.first_name.as_str(), user.last_name.as_str()), ("Ann", "Öt"));
    assert_eq!((user.password, user.temporary_since.is_some()), (wanted.password, true));
    assert_eq!((user.is_active, user.is_staff, user.is_superuser), (false, true, false));
    assert_eq!((user.claims, user.date_joined, user.last_login), (wanted.claims, at(100), Some(at(-5))));
}

pub(crate) async fn operator_updates_change_only_their_columns(store: &RetryingStore) {
    let ann = insert(store, new_user("ann")).await;
    let bob = insert(store, new_user("bob")).await;
    write(store, move |tx| {
        tx.set_names(ann, "Ann", "O'Hara")?;
        tx.set_rights(ann, true, true)?;
        tx.remove_email(ann)?;
        tx.record_sign_in(ann, at(200), Some(ip("192.0.2.1")))?;
        tx.record_sign_in(ann, at(300), Some(ip("192.0.2.2")))
    })
    .await;
    let (ann, bob, from) = read(store, move |tx| Ok((tx.user(ann)?, tx.user(bob)?, tx.known_addresses(ann)?))).await;
    let ann = ann.expect("ann is stored");
    let bob = bob.expect("bob is stored");
    assert_eq!((ann.first_name.as_str(), ann.last_name.as_str(), ann.email), ("Ann", "O'Hara", None));
    assert_eq!((ann.is_staff, ann.is_superuser, ann.is_active), (true, true, true));
    assert_eq!(from, [(ip("192.0.2.2"), at(300)), (ip("192.0.2.1"), at(200))]);
    assert!(bob.email.is_some() && bob.first_name.is_empty() && !bob.is_superuser);
}
