//! The dialect's routes, described.

use crate::http::openapi::{Access, Chapter, JSON_OR_FORM, Operation, ResponseExample};

const NO_ACCOUNT: ResponseExample = (
    401,
    "The username or the password is wrong",
    r#"{"detail": "No active account found with the given credentials", "code": "no_active_account"}"#,
);
const NOT_VALID: ResponseExample = (
    401,
    "The token opens nothing, or nothing any more",
    r#"{"detail": "Token is invalid", "code": "token_not_valid"}"#,
);
const NO_PASSWORD: ResponseExample =
    (400, "A field is missing or wrong: each with its list", r#"{"password": ["This field is required."]}"#);
const NO_REFRESH: ResponseExample =
    (400, "The field is missing or wrong", r#"{"refresh": ["This field is required."]}"#);
const NO_TOKEN: ResponseExample = (400, "The field is missing or wrong", r#"{"token": ["This field is required."]}"#);
const TOO_MANY: ResponseExample = (
    429,
    "Too many tries; see Retry-After",
    r#"{"detail": "Request was throttled. Expected available in 60 seconds."}"#,
);
const CREDENTIALS: &str = r#"{"username": "user@example.com", "password": "password"}"#;
const REFRESH: &str = r#"{"refresh": "eyJhbGciOiJFUzI1NiIs…"}"#;
const TOKEN: &str = r#"{"token": "eyJhbGciOiJFUzI1NiIs…"}"#;

/// Everything the dialect answers.
pub const CHAPTER: Chapter = Chapter {
    name: "simplejwt",
    about: "The views of djangorestframework-simplejwt: an access token and a signed refresh token, or a sliding one.",
    media: JSON_OR_FORM,
    operations: &[
        Operation {
            method: "post",
            path: "/api/token/",
            summary: "Sign in; username may be the e-mail address",
            access: Access::Open,
            query: &[],
            takes: &[CREDENTIALS],
            answers: &[
                (
                    200,
                    "A refresh token and an access token",
                    r#"{"refresh": "eyJhbGciOiJFUzI1NiIs…", "access": "eyJhbGciOiJFUzI1NiIs…"}"#,
                ),
                NO_PASSWORD,
                NO_ACCOUNT,
                TOO_MANY,
            ],
        },
        Operation {
            method: "post",
            path: "/api/token/refresh/",
            summary: "An access token for a refresh token; with rotate_refresh_tokens a new refresh token, too",
            access: Access::Open,
            query: &[],
            takes: &[REFRESH],
            answers: &[(200, "The new token", r#"{"access": "eyJhbGciOiJFUzI1NiIs…"}"#), NO_REFRESH, NOT_VALID],
        },
        Operation {
            method: "post",
            path: "/api/token/verify/",
            summary: "Whether a token of any kind is good",
            access: Access::Open,
            query: &[],
            takes: &[TOKEN],
            answers: &[(200, "It is good", "{}"), NO_TOKEN, NOT_VALID],
        },
        Operation {
            method: "post",
            path: "/api/token/blacklist/",
            summary: "Sign out: ends the session the refresh token is of",
            access: Access::Open,
            query: &[],
            takes: &[REFRESH],
            answers: &[(200, "The session is ended", "{}"), NO_REFRESH, NOT_VALID],
        },
        Operation {
            method: "post",
            path: "/api/token/sliding/",
            summary: "Sign in for one token that both opens and refreshes, until its refresh_exp",
            access: Access::Open,
            query: &[],
            takes: &[CREDENTIALS],
            answers: &[(200, "The token", TOKEN), NO_PASSWORD, NO_ACCOUNT, TOO_MANY],
        },
        Operation {
            method: "post",
            path: "/api/token/sliding/refresh/",
            summary: "A newer sliding token for one whose refresh_exp has not come",
            access: Access::Open,
            query: &[],
            takes: &[TOKEN],
            answers: &[(200, "The new token", TOKEN), NO_TOKEN, NOT_VALID],
        },
    ],
};
