//! Chooses one of several access tokens that a browser sent. A browser sends several cookies with one name if another
//! application on the host has left one, or if another host of the same domain has set one. Changes nothing.

use std::collections::BTreeSet;

use super::authenticate::{Authenticate, live_session};
use super::context::Issuer;
use super::refusal::Refusal;
use super::signed_in::SignedIn;
use crate::domain::dialect::RefreshStyle;
use crate::domain::id::SessionId;

/// A request to choose one of several access tokens.
#[derive(Debug)]
pub struct ChooseToken<'a> {
    /// The tokens by the cookie that carries them. The first cookie takes precedence: a later one counts only if no
    /// token in the earlier ones is valid.
    pub cookies: &'a [Vec<&'a str>],
}

impl<'a> ChooseToken<'a> {
    /// Returns the first valid token. A token is valid if its signature is, and if its session is live. `None` if there
    /// is no token, or if tokens of two users are valid in the cookie that counts.
    ///
    /// If no token is valid, or if the store cannot be read, returns a token whose authentication fails for this reason.
    /// Does not read the store if at most one token has a valid signature.
    pub async fn run(self, issuer: &Issuer) -> Option<&'a str> {
        let first = self.cookies.iter().flatten().next().copied();
        if self.distinct() <= 1 {
            return first;
        }
        let cookies: Vec<Vec<(&str, SessionId)>> = self.cookies.iter().map(|tokens| signed(tokens, issuer)).collect();
        let first = cookies.iter().flatten().next().map(|(token, _)| *token).or(first);
        if cookies.iter().flatten().count() <= 1 {
            return first;
        }
        for tokens in cookies {
            match choose(&tokens, issuer).await {
                Choice::None => {}
                Choice::Token(token) => return Some(token),
                Choice::TwoUsers => {
                    tracing::info!("access tokens of two users sent in one cookie; treated as not signed in");
                    return None;
                }
            }
        }
        first
    }

    fn distinct(&self) -> usize {
        self.cookies.iter().flatten().collect::<BTreeSet<_>>().len()
    }
}

/// Returns the tokens with a valid signature, and their sessions.
fn signed<'a>(tokens: &[&'a str], issuer: &Issuer) -> Vec<(&'a str, SessionId)> {
    let session = |token: &&'a str| Authenticate { token: Some(token) }.open(issuer).ok().map(|(session, _)| session);
    tokens.iter().filter_map(|token| Some((*token, session(token)?))).collect()
}

enum Choice<'a> {
    /// No session is live.
    None,
    Token(&'a str),
    TwoUsers,
}

/// Chooses among the tokens of one cookie.
async fn choose<'a>(tokens: &[(&'a str, SessionId)], issuer: &Issuer) -> Choice<'a> {
    let mut live: Vec<(&str, SignedIn)> = Vec::new();
    for (token, session) in tokens {
        match live_session(issuer, *session).await {
            Ok(signed_in) => live.push((token, signed_in)),
            Err(Refusal::NotSignedIn(_)) => {}
            // The store cannot be read. The use case that authenticates the token reports this.
            Err(_) => return Choice::Token(token),
        }
    }
    let Some((first, signed_in)) = live.first() else { return Choice::None };
    if live.iter().any(|(_, other)| other.user().id != signed_in.user().id) {
        return Choice::TwoUsers;
    }
    // The routes that read the cookie accept only tokens of these dialects for changes and renewals.
    let renews = |signed_in: &SignedIn| signed_in.session().opened_by.refresh_style() == RefreshStyle::SelfRenewing;
    Choice::Token(live.iter().find(|(_, signed_in)| renews(signed_in)).map_or(first, |(token, _)| token))
}
