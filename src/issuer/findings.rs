//! What is unsafe in production, as far as the database shows it: runtime settings and users.

use crate::domain::finding::Finding;
use crate::domain::setting::snapshot::Settings;
use crate::issuer::context::Issuer;
use crate::issuer::refusal::Refusal;
use crate::store::{Read, StoreError, UserSearch};

/// The facts of a database. The default is that of a database that does not exist yet.
#[derive(Clone, Debug)]
pub struct DatabaseFacts {
    is_registration_open: bool,
    has_superuser: bool,
}

impl Default for DatabaseFacts {
    fn default() -> Self {
        Self { is_registration_open: Settings::default().is_registration_open(), has_superuser: false }
    }
}

impl DatabaseFacts {
    /// Reads the facts.
    pub fn read(tx: &dyn Read) -> Result<Self, StoreError> {
        let search = UserSearch { active: Some(true), superuser: Some(true), limit: 1, ..UserSearch::default() };
        Ok(Self {
            is_registration_open: Settings::new(&tx.stored_settings()?).is_registration_open(),
            has_superuser: !tx.user_page(&search)?.users.is_empty(),
        })
    }

    /// What is unsafe. `creates_superuser`: the next start creates the first superuser (`[admin]`).
    pub fn findings(&self, creates_superuser: bool) -> Vec<Finding> {
        let mut found = Vec::new();
        if self.is_registration_open {
            found.push(Finding::new(
                "registration.open",
                "anyone may register",
                "strangers can create accounts, and resource servers accept their tokens",
                "run `countersign settings set registration.open false`, unless registration is meant to be open",
            ));
        }
        if !self.has_superuser && !creates_superuser {
            found.push(Finding::new(
                "admin.username",
                "there is no active superuser",
                "the admin zone cannot be used, and a reader of the server's output can create the first superuser",
                "run `countersign users create NAME --email ADDRESS --superuser`, or set [admin]",
            ));
        }
        found
    }
}

/// What is unsafe in the database of a running server.
pub async fn database_findings(issuer: &Issuer) -> Result<Vec<Finding>, Refusal> {
    let facts: Result<DatabaseFacts, StoreError> = issuer.store.read(|tx| DatabaseFacts::read(tx)).await;
    Ok(facts?.findings(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unsafe_fact_has_its_own_finding() {
        for (is_registration_open, has_superuser, creates_superuser, expected) in [
            (false, true, false, &[] as &[&str]),
            (false, false, true, &[]),
            (true, true, false, &["registration.open"]),
            (false, false, false, &["admin.username"]),
            (true, false, false, &["registration.open", "admin.username"]),
        ] {
            let facts = DatabaseFacts { is_registration_open, has_superuser };
            let found: Vec<String> =
                facts.findings(creates_superuser).into_iter().map(|finding| finding.setting).collect();
            assert_eq!(found, expected);
        }
    }
}
