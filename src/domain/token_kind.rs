//! The kinds of tokens that the issuer signs. One table row per kind says how its tokens differ from those of every other
//! kind, so that no token is accepted as another (RFC 8725 §3.11, §3.12).

use super::closed_set::closed_set;

closed_set! {
    /// The `typ` header of a token (RFC 7519 §5.1), which states the purpose of the token.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Typ {
        /// Any JWT. Every verifier accepts this value.
        Jwt = "JWT",
        /// An access token according to RFC 9068 §2.1. Some verifiers accept it only if they are configured to.
        AtJwt = "at+jwt",
        /// A refresh token, which only the issuer accepts.
        RefreshJwt = "refresh+jwt",
    }
}

closed_set! {
    /// A kind of token.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum TokenKind {
        /// A token that resource servers accept.
        Access,
        /// An access token that can be exchanged for a newer one until its `refresh_exp`.
        Sliding,
        /// A refresh token in the form of a signed JWT.
        RefreshJwt,
    }
}

/// The `aud` of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The audience that the settings name for resource servers.
    ResourceServers,
    /// The refresh routes of the issuer, so that no resource server accepts the token.
    RefreshRoutes,
}

/// The row of a kind of token.
#[derive(Debug)]
pub struct TokenKindRow {
    /// The `token_type` claim.
    pub token_type: &'static str,
    /// The `typ` headers that a token of this kind may have.
    pub typs: &'static [Typ],
    /// Whether a token without a `typ` header is accepted too.
    pub typ_is_optional: bool,
    /// The `aud` claim.
    pub audience: Audience,
    /// Whether a token is accepted only while its key is published. Countersign accepts an access token only then,
    /// because resource servers do the same. A refresh token, which only Countersign accepts, may outlive the
    /// publication of its key.
    pub by_published_key: bool,
}

impl TokenKind {
    /// The row of this kind.
    pub const fn row(self) -> &'static TokenKindRow {
        match self {
            Self::Access => &TokenKindRow {
                token_type: "access",
                typs: &[Typ::Jwt, Typ::AtJwt],
                typ_is_optional: true,
                audience: Audience::ResourceServers,
                by_published_key: true,
            },
            Self::Sliding => &TokenKindRow {
                token_type: "sliding",
                typs: &[Typ::Jwt, Typ::AtJwt],
                typ_is_optional: true,
                audience: Audience::ResourceServers,
                by_published_key: true,
            },
            Self::RefreshJwt => &TokenKindRow {
                token_type: "refresh",
                typs: &[Typ::RefreshJwt],
                typ_is_optional: false,
                audience: Audience::RefreshRoutes,
                by_published_key: false,
            },
        }
    }

    /// Whether a token of this kind may have this `typ` header, in lower case; empty if there is none.
    pub fn accepts_typ(self, typ: &str) -> bool {
        let row = self.row();
        if typ.is_empty() {
            row.typ_is_optional
        } else {
            row.typs.iter().any(|known| known.name().eq_ignore_ascii_case(typ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_own_token_type() {
        for kind in TokenKind::ALL {
            let same = TokenKind::ALL.into_iter().filter(|other| other.row().token_type == kind.row().token_type);
            assert_eq!(same.collect::<Vec<_>>(), [kind]);
        }
    }

    #[test]
    fn a_kind_accepts_its_own_typs_only() {
        for (typ, kinds) in [
            ("", &[TokenKind::Access, TokenKind::Sliding][..]),
            ("jwt", &[TokenKind::Access, TokenKind::Sliding]),
            ("at+jwt", &[TokenKind::Access, TokenKind::Sliding]),
            ("refresh+jwt", &[TokenKind::RefreshJwt]),
            ("id+jwt", &[]),
        ] {
            let accepting = TokenKind::ALL.into_iter().filter(|kind| kind.accepts_typ(typ));
            assert_eq!(accepting.collect::<Vec<_>>(), kinds, "{typ}");
        }
    }
}
