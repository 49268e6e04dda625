//! The dialect's routes, described.

use crate::http::openapi::{Access, Chapter, JSON, Operation, Parameter, ResponseExample};

const INVALID: ResponseExample = (
    400,
    "A field is missing, wrong or taken",
    r#"{"status": 400, "error": {"message": "email must be an e-mail address"}}"#,
);
const NOT_SIGNED_IN: ResponseExample = (
    401,
    "No token, or none that opens anything any more",
    r#"{"status": 401, "error": {"message": "send a token that has not expired, of a session that has not ended"}}"#,
);
const CLOSED: ResponseExample = (
    403,
    "Accounts are made by an operator alone (registration.open)",
    r#"{"status": 403, "error": {"message": "accounts are made by an operator alone"}}"#,
);
const TOO_MANY: ResponseExample = (
    429,
    "Too many tries; see Retry-After",
    r#"{"status": 429, "error": {"message": "too many tries: wait 60 seconds"}}"#,
);
const TOKEN: &str = r#"{"token": "eyJhbGciOiJFUzI1NiIs…", "status": 200}"#;
const NEW_USER: &str = r#"{"user": {"id": 2, "last_login": null, "is_superuser": false, "username": "ben", "first_name": "", "last_name": "", "email": "ben@example.com", "is_staff": false, "is_active": true, "date_joined": "2026-01-31T12:00:00Z"}, "status": 200}"#;
const USER: &str = r#"{"user": {"id": 2, "last_login": "2026-01-31T12:00:00Z", "is_superuser": false, "username": "ben", "first_name": "", "last_name": "", "email": "ben@example.com", "is_staff": false, "is_active": true, "date_joined": "2026-01-31T12:00:00Z"}, "status": 200}"#;

/// Everything the dialect answers.
pub const CHAPTER: Chapter = Chapter {
    name: "rest_jwt",
    about: "A token that renews itself, and a link by mail to restore a password.",
    media: JSON,
    operations: &[
        Operation {
            method: "post",
            path: "/signup",
            summary: "Make an account; email_as_name: true stands for a username",
            access: Access::Open,
            query: &[],
            takes: &[r#"{"username": "ben", "password": "correct horse battery", "email": "ben@example.com"}"#],
            answers: &[(200, "The new user", NEW_USER), INVALID, CLOSED, TOO_MANY],
        },
        Operation {
            method: "post",
            path: "/signin",
            summary: "Sign in; username may be the e-mail address",
            access: Access::Open,
            query: &[],
            takes: &[r#"{"username": "ben", "password": "correct horse battery"}"#],
            answers: &[
                (200, "An access token", TOKEN),
                (
                    401,
                    "The username or the password is wrong",
                    r#"{"status": 401, "error": {"message": "the username or the password is wrong"}}"#,
                ),
                TOO_MANY,
            ],
        },
        Operation {
            method: "post",
            path: "/refresh",
            summary: "A newer token for one that has not expired, while its session lives; a bare token is taken too",
            access: Access::Bearer,
            query: &[],
            takes: &[],
            answers: &[(200, "The new token", TOKEN), NOT_SIGNED_IN],
        },
        Operation {
            method: "post",
            path: "/validation",
            summary: "Whether a token is good, and until when",
            access: Access::Open,
            query: &[],
            takes: &[r#"{"token": "eyJhbGciOiJFUzI1NiIs…"}"#],
            answers: &[
                (200, "It is good", r#"{"message": "Token will expire 2026-01-31T12:00:00Z", "status": 200}"#),
                NOT_SIGNED_IN,
            ],
        },
        Operation {
            method: "post",
            path: "/get_user_by_jwt",
            summary: "Whose token it is",
            access: Access::Open,
            query: &[],
            takes: &[r#"{"token": "eyJhbGciOiJFUzI1NiIs…"}"#],
            answers: &[(200, "The user", USER), NOT_SIGNED_IN],
        },
        Operation {
            method: "post",
            path: "/restore",
            summary: "With restoring_email: send a link, with the same answer for unknown addresses. With restoring_token (what the link carries) and restoring_password, as JSON or as a form: set the password and end all sessions",
            access: Access::Open,
            query: &[],
            takes: &[
                r#"{"restoring_email": "ben@example.com"}"#,
                r#"{"restoring_token": "b2s7Vn0…", "restoring_password": "staple battery horse"}"#,
            ],
            answers: &[
                (
                    200,
                    "A mail is on its way, if anybody has the address; or the password is set",
                    r#"{"message": "if anybody has that address, a mail with a link is on its way to it", "status": 200}"#,
                ),
                (
                    400,
                    "The link is wrong, used up or too old, or a field is",
                    r#"{"status": 400, "error": {"message": "the link is wrong, used up or too old: ask for a new one"}}"#,
                ),
                TOO_MANY,
            ],
        },
        Operation {
            method: "get",
            path: "/restore",
            summary: "The page a link leads to: a form for the new password; it uses nothing up",
            access: Access::Open,
            query: &[Parameter {
                name: "restoring",
                meaning: "What the link carries",
                example: "b2s7Vn0…",
                required: true,
            }],
            takes: &[],
            answers: &[(200, "The page", ""), (400, "A page that says the link is not whole", "")],
        },
    ],
};
