//! The dialect's routes, described, with the examples of the original's own documentation.

use crate::http::openapi::{Access, Chapter, JSON_OR_FORM, Operation, ResponseExample};

const INVALID: ResponseExample =
    (400, "Fields are missing, wrong or taken: each with its list", r#"{"email": ["Enter a valid email address."]}"#);
const NOT_SIGNED_IN: ResponseExample =
    (401, "No token, or none that opens anything any more", r#"{"detail": "Token is invalid or expired."}"#);
const CLOSED: ResponseExample =
    (403, "Accounts are made by an operator alone (registration.open)", r#"{"detail": "Registration is closed."}"#);
const TOO_MANY: ResponseExample = (
    429,
    "Too many tries; see Retry-After",
    r#"{"detail": "Request was throttled. Expected available in 60 seconds."}"#,
);
const PAIR: &str =
    r#"{"access_token": "eyJhbGciOiJFUzI1NiIs…", "refresh_token": "d952527b-caef-452c-8c93-1100214f82e5"}"#;
const NEXT_PAIR: &str =
    r#"{"access_token": "eyJhbGciOiJFUzI1NiIs…", "refresh_token": "eb0464c2-ed6e-4346-a709-042c33946154"}"#;
const NAMED: &str = r#"{"id": 1, "username": "John Smith", "email": "user@example.com"}"#;

/// Everything the dialect answers.
pub const CHAPTER: Chapter = Chapter {
    name: "drf_pyjwt",
    about: "Short access tokens, and a UUID that refreshes them once.",
    media: JSON_OR_FORM,
    operations: &[
        Operation {
            method: "post",
            path: "/api/register/",
            summary: "Make an account; without a username its address is one",
            access: Access::Open,
            query: &[],
            takes: &[r#"{"password": "password", "email": "user@example.com"}"#],
            answers: &[
                (201, "The account is made", r#"{"id": 1, "email": "user@example.com"}"#),
                INVALID,
                CLOSED,
                TOO_MANY,
            ],
        },
        Operation {
            method: "post",
            path: "/api/login/",
            summary: "Sign in; email may be the username",
            access: Access::Open,
            query: &[],
            takes: &[r#"{"email": "user@example.com", "password": "password"}"#],
            answers: &[
                (200, "An access token, and a refresh token", PAIR),
                (400, "A field is missing or wrong", r#"{"password": ["This field is required."]}"#),
                (401, "The address or the password is wrong", r#"{"detail": "Incorrect authentication credentials."}"#),
                TOO_MANY,
            ],
        },
        Operation {
            method: "post",
            path: "/api/refresh/",
            summary: "A new pair for a refresh token, which is spent by it; lifetimes begin anew",
            access: Access::Open,
            query: &[],
            takes: &[r#"{"refresh_token": "d952527b-caef-452c-8c93-1100214f82e5"}"#],
            answers: &[
                (200, "The new pair", NEXT_PAIR),
                (400, "The field is missing or wrong", r#"{"refresh_token": ["This field is required."]}"#),
                NOT_SIGNED_IN,
            ],
        },
        Operation {
            method: "get",
            path: "/api/me/",
            summary: "Who the caller is",
            access: Access::Bearer,
            query: &[],
            takes: &[],
            answers: &[
                (200, "The caller", r#"{"id": 1, "username": "user@example.com", "email": "user@example.com"}"#),
                NOT_SIGNED_IN,
            ],
        },
        Operation {
            method: "put",
            path: "/api/me/",
            summary: "Change the username, the address, or both",
            access: Access::Bearer,
            query: &[],
            takes: &[r#"{"username": "John Smith"}"#],
            answers: &[(200, "The caller as changed", NAMED), INVALID, NOT_SIGNED_IN],
        },
        Operation {
            method: "patch",
            path: "/api/me/",
            summary: "The same, but nothing need be sent",
            access: Access::Bearer,
            query: &[],
            takes: &[r#"{"email": "user@example.com"}"#],
            answers: &[(200, "The caller as changed", NAMED), INVALID, NOT_SIGNED_IN],
        },
        Operation {
            method: "post",
            path: "/api/logout/",
            summary: "Sign out: ends the session the refresh token is of",
            access: Access::Open,
            query: &[],
            takes: &[r#"{"refresh_token": "eb0464c2-ed6e-4346-a709-042c33946154"}"#],
            answers: &[
                (200, "The session is ended", r#"{"success": "User logged out."}"#),
                (400, "The field is missing or wrong", r#"{"refresh_token": ["This field is required."]}"#),
                NOT_SIGNED_IN,
            ],
        },
    ],
};
