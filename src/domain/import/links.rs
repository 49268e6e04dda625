//! The verified addresses and the provider accounts of a Django project: those of django-allauth, python-social-auth and
//! django-rest-social-jwt-auth. Each kind is recognised by its fields, in a table or in a dump.

use std::collections::HashMap;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::super::social::{ProviderName, SOCIAL_ID_MAX};
use super::super::time::Timestamp;
use super::value::{FieldReader, bare, flag, text};

/// The names of the three built-in providers in other systems.
const ALIASES: [(&str, &[&str]); 3] = [
    ("google", &["google-oauth2", "google-openidconnect", "google-plus", "googleplus", "goo"]),
    ("github", &["github-org", "github-team", "gh"]),
    ("facebook", &["facebook-app", "facebook-limited", "fb"]),
];

/// A kind of table or model with data about the sign-ins of users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// Addresses: `account_emailaddress` of django-allauth.
    Addresses,
    /// Provider accounts: `socialaccount_socialaccount` of django-allauth, `social_auth_usersocialauth` of
    /// python-social-auth.
    Accounts,
    /// Provider accounts: `SocialUser` of django-rest-social-jwt-auth.
    SocialUsers,
}

impl LinkKind {
    /// Recognises the kind by its fields. The reference to the user is `user` in a dump, and `user_id` in a table.
    pub fn of<'a>(fields: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let fields: Vec<&str> = fields.into_iter().collect();
        let has = |all: &[&str]| all.iter().all(|field| fields.contains(field));
        if !(has(&["user"]) || has(&["user_id"])) {
            None
        } else if has(&["email", "verified", "primary"]) {
            Some(Self::Addresses)
        } else if has(&["provider", "uid"]) {
            Some(Self::Accounts)
        } else if has(&["social_organisation", "social_id"]) {
            Some(Self::SocialUsers)
        } else {
            None
        }
    }
}

/// An account at a provider, without tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedAccount {
    /// The provider.
    pub provider: ProviderName,
    /// The id of the user at the provider.
    pub social_id: String,
    /// When the account was linked; `None` if unknown.
    pub linked_at: Option<Timestamp>,
    /// The last sign-in with it; `None` if unknown.
    pub last_login: Option<Timestamp>,
}

/// What a source knows about the sign-ins of one user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserLinks {
    /// The addresses that the other system verified. The primary address is the first.
    pub verified: Vec<String>,
    /// The accounts at providers.
    pub accounts: Vec<ImportedAccount>,
    /// The number of accounts whose provider or id has no valid form.
    pub invalid_accounts: usize,
}

/// The links of all users of a source, by the user's key.
#[derive(Debug, Default)]
pub struct LinkIndex(HashMap<String, UserLinks>);

impl LinkIndex {
    /// Adds a row or an object of this kind.
    pub fn add(&mut self, kind: LinkKind, fields: &Map<String, Value>) {
        let Some(user) = fields.get("user_id").or_else(|| fields.get("user")).and_then(reference) else { return };
        let links = self.0.entry(user).or_default();
        let is_set = |name: &str| fields.get(name).is_some_and(|value| flag(value) == Ok(Some(true)));
        match kind {
            LinkKind::Addresses => {
                if let Some(email) = member(fields, "email").filter(|_| is_set("verified")) {
                    let at = if is_set("primary") { 0 } else { links.verified.len() };
                    links.verified.insert(at, email);
                }
            }
            LinkKind::Accounts => links.add_account("provider", "uid", fields),
            LinkKind::SocialUsers => links.add_account("social_organisation", "social_id", fields),
        }
    }

    /// Removes and returns the links of a user. A dump may refer to users by their natural keys: their user names or
    /// addresses.
    pub fn take(&mut self, key: &Value, natural_keys: [Option<&str>; 2]) -> UserLinks {
        let natural = natural_keys.into_iter().flatten().map(natural_reference);
        let mut references = reference(key).into_iter().chain(natural);
        references.find_map(|user| self.0.remove(&user)).unwrap_or_default()
    }
}

impl UserLinks {
    /// Adds the account whose provider and id are in these fields.
    fn add_account(&mut self, provider: &str, id: &str, fields: &Map<String, Value>) {
        // Without an id there is no account: a `SocialUser` may exist for a user who never signed in with a provider.
        let Some(id) = member(fields, id) else { return };
        let provider = member(fields, provider).as_deref().and_then(provider_name);
        // python-social-auth uses the address as Google's id by default. Google vouched for it.
        if provider.as_ref().is_some_and(|provider| provider.as_str() == "google") && id.contains('@') {
            self.verified.push(id);
            return;
        }
        let is_valid = id.chars().count() <= SOCIAL_ID_MAX && !id.chars().any(char::is_control);
        let Some(provider) = provider.filter(|_| is_valid) else {
            self.invalid_accounts += 1;
            return;
        };
        let mut dates = FieldReader::new(fields, Vec::new());
        let linked_at = dates.date("date_joined").or_else(|| dates.date("created"));
        let last_login = dates.date("last_login");
        self.accounts.push(ImportedAccount { provider, social_id: id, linked_at, last_login });
    }
}

fn member(fields: &Map<String, Value>, name: &str) -> Option<String> {
    fields.get(name).and_then(|value| text(value).ok().flatten())
}

/// The name of a provider in Countersign: that of a built-in provider, or the other system's in lower case with hyphens.
fn provider_name(text: &str) -> Option<ProviderName> {
    let name = text.trim().to_lowercase().replace(['_', '.', ' '], "-");
    let built_in = ALIASES.iter().find(|(_, aliases)| aliases.contains(&name.as_str()));
    ProviderName::parse(built_in.map_or(&name, |(name, _)| name)).ok()
}

/// One form of a key, whether it is a number, a text or a UUID in either notation.
fn reference(key: &Value) -> Option<String> {
    match key {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => {
            let text = bare(text);
            Some(Uuid::parse_str(text).map_or_else(|_| text.to_owned(), |uuid| uuid.simple().to_string()))
        }
        Value::Array(natural) => match natural.as_slice() {
            [Value::String(name)] => Some(natural_reference(name)),
            _ => None,
        },
        _ => None,
    }
}

fn natural_reference(name: &str) -> String {
    format!("natural key {}", name.trim())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn index(rows: &[(LinkKind, Value)]) -> LinkIndex {
        let mut index = LinkIndex::default();
        for (kind, row) in rows {
            index.add(*kind, row.as_object().expect("an object"));
        }
        index
    }

    fn accounts(links: &UserLinks) -> Vec<(&str, &str)> {
        links.accounts.iter().map(|account| (account.provider.as_str(), account.social_id.as_str())).collect()
    }

    #[test]
    fn the_kinds_are_recognised_by_their_fields() {
        for (fields, kind) in [
            (&["id", "email", "verified", "primary", "user_id"] as &[&str], Some(LinkKind::Addresses)),
            (&["user", "email", "verified", "primary"], Some(LinkKind::Addresses)),
            (&["id", "provider", "uid", "extra_data", "user_id"], Some(LinkKind::Accounts)),
            (&["user", "social_organisation", "social_id", "token", "refresh_token"], Some(LinkKind::SocialUsers)),
            (&["provider", "uid"], None),
            (&["user_id", "email"], None),
        ] {
            assert_eq!(LinkKind::of(fields.iter().copied()), kind, "{fields:?}");
        }
    }

    #[test]
    fn the_accounts_of_three_packages_are_read() {
        let mut index = index(&[
            (LinkKind::Accounts, json!({"user_id": 7, "provider": "google", "uid": "1", "date_joined": "2019-05-04"})),
            (LinkKind::Accounts, json!({"user": "7", "provider": "github", "uid": 42})),
            (LinkKind::SocialUsers, json!({"user_id": 8, "social_organisation": "Facebook", "social_id": "3"})),
            (LinkKind::SocialUsers, json!({"user_id": 8, "social_organisation": null, "social_id": ""})),
            (LinkKind::Accounts, json!({"user": ["ann"], "provider": "google-oauth2", "uid": "4"})),
            (LinkKind::Accounts, json!({"user": ["ann"], "provider": "azuread_v2.tenant", "uid": "a b"})),
            (LinkKind::Accounts, json!({"user": ["ann"], "provider": "é", "uid": "5"})),
            (LinkKind::Accounts, json!({"user": ["ann"], "provider": "google-oauth2", "uid": "ann@example.org"})),
        ]);
        let seven = index.take(&json!(7), [None, None]);
        assert_eq!(accounts(&seven), [("google", "1"), ("github", "42")]);
        assert_eq!(seven.accounts[0].linked_at, Some(Timestamp::from_unix(1_556_928_000)));
        assert_eq!(accounts(&index.take(&json!("b'8'"), [None, None])), [("facebook", "3")]);
        let ann = index.take(&Value::Null, [Some("ann"), Some("ann@example.org")]);
        assert_eq!(accounts(&ann), [("google", "4"), ("azuread-v2-tenant", "a b")]);
        assert_eq!((ann.verified.as_slice(), ann.invalid_accounts), (&["ann@example.org".to_owned()] as &[_], 1));
        assert_eq!(index.take(&json!(7), [None, None]), UserLinks::default(), "taken before");
    }

    #[test]
    fn only_verified_addresses_are_kept_and_the_primary_one_is_first() {
        let row = |user: Value, email: &str, verified: Value, primary: Value| {
            (LinkKind::Addresses, json!({"user_id": user, "email": email, "verified": verified, "primary": primary}))
        };
        let uuid = Uuid::from_u128(0x1234);
        let mut index = index(&[
            row(json!(1), "second@x.org", json!(1), json!(0)),
            row(json!(1), " first@x.org ", json!("t"), json!(true)),
            row(json!(1), "other@x.org", json!(0), json!(1)),
            row(json!(1), "odd@x.org", json!("maybe"), json!(1)),
            row(json!(uuid.simple().to_string()), "u@x.org", json!(true), json!(true)),
        ]);
        assert_eq!(index.take(&json!(1), [None, None]).verified, ["first@x.org", "second@x.org"]);
        assert_eq!(index.take(&json!(uuid.to_string()), [None, None]).verified, ["u@x.org"]);
    }
}
