//! Decides which user a sign-in with a provider signs in.

use super::super::user::User;
use super::SocialIdentity;

/// The users in the store that match an identity from a provider.
#[derive(Clone, Copy, Debug)]
pub struct IdentityMatches<'a> {
    /// The user to whom the account at the provider is linked.
    pub linked: Option<&'a User>,
    /// The user with the e-mail address that the provider reports.
    pub by_email: Option<&'a User>,
    /// Whether the user in `by_email` already has a linked account at the same provider.
    pub has_account_at_provider: bool,
    /// Whether any user has the address, as an e-mail address or as a user name.
    pub address_claimed: bool,
}

/// The decision on a sign-in with a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkDecision {
    /// Sign in the linked user.
    Linked,
    /// Link the account to the user with the same address, and sign this user in.
    ByEmail,
    /// Create a user.
    New {
        /// Whether the new user gets the address, as a verified one.
        with_email: bool,
    },
    /// Refuse, because the user is disabled.
    Disabled,
}

/// Decides which user an identity signs in.
///
/// An address links a provider account to a user only if both the provider and Countersign have verified it. Otherwise
/// an attacker could enter a victim's address on one side and get access to the victim's account on the other. Both
/// addresses must also belong to one mailbox: the store finds users by the key of an address, which two mailboxes may
/// share. A disabled user must not get a new account in this way. No address opens the account of a superuser, because
/// an attacker who controls a provider could then enter it.
pub fn decide_link(identity: &SocialIdentity, known: IdentityMatches<'_>) -> LinkDecision {
    if let Some(user) = known.linked {
        return if user.is_active { LinkDecision::Linked } else { LinkDecision::Disabled };
    }
    let is_same_mailbox = |user: &User| {
        user.email.as_ref().zip(identity.email.as_ref()).is_some_and(|(ours, theirs)| ours.is_same_mailbox(theirs))
    };
    let are_verified = |user: &User| identity.email_verified && user.email_verified;
    match known.by_email.filter(|user| are_verified(user) && is_same_mailbox(user)) {
        Some(user) if !user.is_active => LinkDecision::Disabled,
        Some(user) if !user.is_superuser && !known.has_account_at_provider => LinkDecision::ByEmail,
        _ => LinkDecision::New {
            with_email: identity.email.is_some() && identity.email_verified && !known.address_claimed,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::claims::Claims;
    use super::super::super::id::{Subject, UserId};
    use super::super::super::time::Timestamp;
    use super::super::super::user::{Email, Username};
    use super::super::tests::identity;
    use super::*;

    fn user(email_verified: bool, is_active: bool) -> User {
        User {
            id: UserId(1),
            sub: Subject(uuid::Uuid::nil()),
            username: Username::from_stored("ann".to_owned()),
            has_username: true,
            email: Email::parse("ann@example.com").ok(),
            email_verified,
            first_name: String::new(),
            last_name: String::new(),
            password: None,
            temporary_since: None,
            is_active,
            is_staff: false,
            is_superuser: false,
            claims: Claims::default(),
            date_joined: Timestamp::from_unix(0),
            last_login: None,
        }
    }

    const NO_MATCH: IdentityMatches<'static> =
        IdentityMatches { linked: None, by_email: None, has_account_at_provider: false, address_claimed: false };

    #[test]
    fn a_linked_account_signs_in_whatever_the_address() {
        let active = user(false, true);
        let disabled = user(true, false);
        let other = user(true, true);
        for verified in [false, true] {
            let known = IdentityMatches { by_email: Some(&other), address_claimed: true, ..NO_MATCH };
            assert_eq!(
                decide_link(&identity(verified), IdentityMatches { linked: Some(&active), ..known }),
                LinkDecision::Linked
            );
            assert_eq!(
                decide_link(&identity(verified), IdentityMatches { linked: Some(&disabled), ..known }),
                LinkDecision::Disabled
            );
        }
    }

    #[test]
    fn an_address_links_only_if_both_sides_verified_it() {
        let without = LinkDecision::New { with_email: false };
        for (theirs, ours, active, has_account_at_provider, expected) in [
            (true, true, true, false, LinkDecision::ByEmail),
            (true, true, true, true, without),
            (true, true, false, false, LinkDecision::Disabled),
            (true, true, false, true, LinkDecision::Disabled),
            (true, false, true, false, without),
            (true, false, false, false, without),
            (false, true, true, false, without),
            (false, true, false, false, without),
            (false, false, true, false, without),
        ] {
            let by_email = user(ours, active);
            let known = IdentityMatches {
                by_email: Some(&by_email),
                has_account_at_provider,
                address_claimed: true,
                ..NO_MATCH
            };
            let case = format!("theirs {theirs}, ours {ours}, active {active}, has one {has_account_at_provider}");
            assert_eq!(decide_link(&identity(theirs), known), expected, "{case}");
        }
    }

    #[test]
    fn an_address_never_opens_the_account_of_a_superuser() {
        let superuser = User { is_superuser: true, ..user(true, true) };
        let known = IdentityMatches { by_email: Some(&superuser), address_claimed: true, ..NO_MATCH };
        assert_eq!(decide_link(&identity(true), known), LinkDecision::New { with_email: false });
        let linked = IdentityMatches { linked: Some(&superuser), ..NO_MATCH };
        assert_eq!(
            decide_link(&identity(true), linked),
            LinkDecision::Linked,
            "the superuser linked the account before"
        );
    }

    #[test]
    fn an_address_links_only_to_the_same_mailbox() {
        let by_email = user(true, true);
        let known = IdentityMatches { by_email: Some(&by_email), address_claimed: true, ..NO_MATCH };
        for (theirs, expected) in [
            ("Ann@EXAMPLE.com", LinkDecision::ByEmail),
            ("ann@ex\u{ff41}mple.com", LinkDecision::ByEmail),
            ("\u{ff41}nn@example.com", LinkDecision::New { with_email: false }),
        ] {
            let email = Some(Email::from_stored(theirs.to_owned()));
            assert_eq!(decide_link(&SocialIdentity { email, ..identity(true) }, known), expected, "{theirs}");
        }
    }

    #[test]
    fn a_new_account_gets_only_a_verified_unused_address() {
        let with_email = |identity: &SocialIdentity, address_claimed| {
            decide_link(identity, IdentityMatches { address_claimed, ..NO_MATCH })
                == LinkDecision::New { with_email: true }
        };
        assert!(with_email(&identity(true), false));
        assert!(!with_email(&identity(true), true), "another user has the address");
        assert!(!with_email(&identity(false), false));
        assert!(!with_email(&SocialIdentity { email: None, ..identity(true) }, false));
    }
}
