//! The OpenAPI description of the dialect `simplejwt`.

use crate::http::openapi::model::{Access, JSON_OR_FORM, Operation, ResponseExample, RouteGroup};

const NO_ACCOUNT: ResponseExample = (
    401,
    "The user name or the password is wrong",
    r#"{"detail": "No active account found with the given credentials", "code": "no_active_account"}"#,
);
const NOT_VALID: ResponseExample = (
    401,
    "The token is invalid or expired, or its session has ended",
    r#"{"detail": "Token is invalid", "code": "token_not_valid"}"#,
);
const NO_PASSWORD: ResponseExample = (
    400,
    "Fields are missing or invalid; each field has a list of errors",
    r#"{"password": ["This field is required."]}"#,
);
const NO_REFRESH: ResponseExample =
    (400, "The field is missing or invalid", r#"{"refresh": ["This field is required."]}"#);
const NO_TOKEN: ResponseExample = (400, "The field is missing or invalid", r#"{"token": ["This field is required."]}"#);
const NOT_CONFIRMED: ResponseExample = (
    403,
    "The password is correct, but the e-mail address must be confirmed first (setting registration.verify_email)",
    r#"{"detail": "Confirm your email address first, with the link that was sent to it. For another link, sign in again in 5 minutes.", "code": "email_not_confirmed"}"#,
);
const TOO_MANY: ResponseExample = (
    429,
    "Too many attempts; see Retry-After",
    r#"{"detail": "Request was throttled. Expected available in 60 seconds."}"#,
);
const CREDENTIALS: &str = r#"{"username": "user@example.com", "password": "password"}"#;
const REFRESH: &str = r#"{"refresh": "eyJhbGciOiJFUzI1NiIs…"}"#;
const TOKEN: &str = r#"{"token": "eyJhbGciOiJFUzI1NiIs…"}"#;

/// The routes of the dialect.
pub const ROUTE_GROUP: RouteGroup = RouteGroup {
    name: "simplejwt",
    description: "The views of djangorestframework-simplejwt: an access token with a signed refresh token, or a sliding token.",
    media: JSON_OR_FORM,
    operations: &[
        Operation {
            method: "post",
            path: "/api/token/",
            summary: "Sign in; username may also be the e-mail address",
            access: Access::Open,
            query: &[],
            request_examples: &[CREDENTIALS],
            responses: &[
                (
                    200,
                    "A refresh token and an access token",
                    r#"{"refresh": "eyJhbGciOiJFUzI1NiIs…", "access": "eyJhbGciOiJFUzI1NiIs…"}"#,
                ),
                NO_PASSWORD,
                NO_ACCOUNT,
                NOT_CONFIRMED,
                TOO_MANY,
            ],
        },
        Operation {
            method: "post",
            path: "/api/token/refresh/",
            summary: "Exchange a refresh token for an access token; with rotate_refresh_tokens, also for a new refresh token",
            access: Access::Open,
            query: &[],
            request_examples: &[REFRESH],
            responses: &[
                (200, "The new access token", r#"{"access": "eyJhbGciOiJFUzI1NiIs…"}"#),
                NO_REFRESH,
                NOT_VALID,
            ],
        },
        Operation {
            method: "post",
            path: "/api/token/verify/",
            summary: "Check whether an access, refresh or sliding token is valid",
            access: Access::Open,
            query: &[],
            request_examples: &[TOKEN],
            responses: &[(200, "The token is valid", "{}"), NO_TOKEN, NOT_VALID],
        },
        Operation {
            method: "post",
            path: "/api/token/blacklist/",
            summary: "Sign out: end the session of the refresh token",
            access: Access::Open,
            query: &[],
            request_examples: &[REFRESH],
            responses: &[(200, "The session has ended", "{}"), NO_REFRESH, NOT_VALID],
        },
        Operation {
            method: "post",
            path: "/api/token/sliding/",
            summary: "Sign in and return a sliding token, which is both access and refresh token and can be exchanged until its refresh_exp",
            access: Access::Open,
            query: &[],
            request_examples: &[CREDENTIALS],
            responses: &[(200, "The sliding token", TOKEN), NO_PASSWORD, NO_ACCOUNT, NOT_CONFIRMED, TOO_MANY],
        },
        Operation {
            method: "post",
            path: "/api/token/sliding/refresh/",
            summary: "Exchange a sliding token for a new one before its refresh_exp, which stays the same",
            access: Access::Open,
            query: &[],
            request_examples: &[TOKEN],
            responses: &[(200, "The new sliding token", TOKEN), NO_TOKEN, NOT_VALID],
        },
    ],
};
