//! Imported users return to their accounts when they sign in with a provider.

use countersign::domain::user_record::SourceUser;
use countersign::issuer::import_users::{ImportRow, ImportUsers};
use countersign::issuer::users::UserChange;
use countersign::store::sqlite::django::DjangoUsers;
use serde_json::json;

use super::SocialFixture;
use super::browser::Browser;
use crate::support::token::claims;

/// The user tables of a Django project, with the links of one package.
const USERS: &str = "CREATE TABLE auth_user (id INTEGER PRIMARY KEY, username TEXT, password TEXT, email TEXT);
    INSERT INTO auth_user VALUES (70, 'bert', '!', 'bert@example.net'), (71, 'other', '!', 'other@example.net');";

impl SocialFixture {
    /// Imports a Django database with these tables. Returns how many accounts were linked.
    async fn import(&self, name: &str, tables: &str, addresses_verified: bool) -> usize {
        let path = self.server.path(name);
        rusqlite::Connection::open(&path).unwrap().execute_batch(&format!("{USERS} {tables}")).unwrap();
        let mut users: Vec<SourceUser> = Vec::new();
        DjangoUsers::open(&path, None)
            .unwrap()
            .each(|user| {
                users.push(user);
                true
            })
            .unwrap();
        let rows = (1..).zip(users).map(|(number, user)| ImportRow { number, user: Ok(user) }).collect();
        let import = ImportUsers { rows, from: name.to_owned(), addresses_verified };
        let imported = import.run(&self.server.issuer).await.unwrap();
        assert_eq!(imported.imported, 2);
        imported.accounts
    }

    /// Signs in with the provider and returns the id of the user.
    async fn id_at_sign_in(&self, provider: &str) -> String {
        let token = self.sign_in(&Browser::new(), provider, "bert").await;
        claims(&token)["userid"].as_str().unwrap().to_owned()
    }

    async fn delete_users(&self) {
        for name in ["bert", "other"] {
            self.server.change(name, UserChange::Delete).await;
        }
    }
}

#[tokio::test]
async fn an_imported_provider_account_opens_the_imported_user() {
    let Some(fixture) = SocialFixture::start().await else { return };
    fixture.sign_in(&Browser::new(), "github", "bert").await;
    let id: String = fixture.query("SELECT social_id FROM social_accounts");
    fixture.server.change("bert", UserChange::Delete).await;
    for (number, (table, columns, provider)) in [
        ("socialaccount_socialaccount", "provider, uid", "github"),
        ("social_auth_usersocialauth", "provider, uid", "github"),
        ("app_socialuser", "social_organisation, social_id", "GitHub"),
    ]
    .into_iter()
    .enumerate()
    {
        let tables = format!(
            "CREATE TABLE {table} (user_id INTEGER REFERENCES auth_user (id), {columns});
             INSERT INTO {table} VALUES (70, '{provider}', '{id}');"
        );
        assert_eq!(fixture.import(&format!("{number}.sqlite3"), &tables, false).await, 1, "{table}");
        assert_eq!(fixture.id_at_sign_in("github").await, "70", "{table}");
        fixture.delete_users().await;
    }
}

#[tokio::test]
async fn an_imported_verified_address_opens_the_imported_user() {
    let Some(fixture) = SocialFixture::start().await else { return };
    fixture.provider.set_user("bert", &json!({"email": "bert@example.net", "email_verified": true})).await;
    let emails = |verified: i32| {
        format!(
            "CREATE TABLE account_emailaddress (user_id INTEGER, email TEXT, verified BOOL, \"primary\" BOOL);
             INSERT INTO account_emailaddress VALUES (70, 'Bert@example.net', {verified}, 1);"
        )
    };
    for (number, (tables, all_verified, is_found)) in
        [(emails(1), false, true), (emails(0), true, true), (emails(0), false, false), (String::new(), false, false)]
            .into_iter()
            .enumerate()
    {
        fixture.import(&format!("{number}.sqlite3"), &tables, all_verified).await;
        let id = fixture.id_at_sign_in("corp").await;
        assert_eq!(id == "70", is_found, "{number}");
        fixture.delete_users().await;
        if !is_found {
            let name: String = fixture.query("SELECT username FROM users");
            fixture.server.change(&name, UserChange::Delete).await;
        }
    }
}
