//! What is unsafe in production, as far as the database shows it: runtime settings and users.

use crate::domain::email_confirmation::VerifyEmail;
use crate::domain::finding::Finding;
use crate::domain::setting::snapshot::Settings;
use crate::issuer::context::Issuer;
use crate::issuer::refusal::Refusal;
use crate::store::{Read, StoreError, UserSearch};

/// The facts of a database. The default is that of a database that does not exist yet.
#[derive(Clone, Debug)]
pub struct DatabaseFacts {
    is_registration_open: bool,
    verify_email: VerifyEmail,
    has_superuser: bool,
}

impl Default for DatabaseFacts {
    fn default() -> Self {
        Self::of(&Settings::default(), false)
    }
}

impl DatabaseFacts {
    /// Reads the facts.
    pub fn read(tx: &dyn Read) -> Result<Self, StoreError> {
        let search = UserSearch { active: Some(true), superuser: Some(true), limit: 1, ..UserSearch::default() };
        Ok(Self::of(&Settings::new(&tx.stored_settings()?), !tx.user_page(&search)?.users.is_empty()))
    }

    fn of(settings: &Settings, has_superuser: bool) -> Self {
        let is_registration_open = settings.is_registration_open();
        Self { is_registration_open, verify_email: settings.verify_email(), has_superuser }
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
        if self.is_registration_open && self.verify_email == VerifyEmail::Off {
            found.push(Finding::new(
                "registration.verify_email",
                "anyone may register with any e-mail address, without a confirmation",
                "strangers can register with the addresses of other people, who then cannot register",
                "run `countersign settings set registration.verify_email require`",
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
        let [off, send, require] = VerifyEmail::ALL;
        for (is_registration_open, verify_email, has_superuser, creates_superuser, expected) in [
            (false, off, true, false, &[] as &[&str]),
            (false, off, false, true, &[]),
            (true, off, true, false, &["registration.open", "registration.verify_email"]),
            (true, send, true, false, &["registration.open"]),
            (true, require, true, false, &["registration.open"]),
            (false, off, false, false, &["admin.username"]),
            (true, send, false, false, &["registration.open", "admin.username"]),
        ] {
            let facts = DatabaseFacts { is_registration_open, verify_email, has_superuser };
            let found: Vec<String> =
                facts.findings(creates_superuser).into_iter().map(|finding| finding.setting).collect();
            assert_eq!(found, expected);
        }
    }
}
