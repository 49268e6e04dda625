//! The OpenAPI description of the dialect `rest_jwt`.

use crate::http::openapi::model::{Access, JSON, Operation, Parameter, ResponseExample, RouteGroup};

const INVALID: ResponseExample = (
    400,
    "A field is missing or invalid, or another user has this user name or e-mail address",
    r#"{"status": 400, "error": {"message": "email must be a valid e-mail address"}}"#,
);
const NOT_SIGNED_IN: ResponseExample = (
    401,
    "The token is missing, invalid or expired, or its session has ended",
    r#"{"status": 401, "error": {"message": "missing, invalid or expired token; sign in again"}}"#,
);
const CLOSED: ResponseExample = (
    403,
    "Registration is closed (setting registration.open)",
    r#"{"status": 403, "error": {"message": "registration is closed; ask the operator for an account"}}"#,
);
const NOT_CONFIRMED: ResponseExample = (
    403,
    "The password is correct, but the e-mail address must be confirmed first (setting registration.verify_email)",
    r#"{"status": 403, "error": {"message": "confirm your e-mail address first, with the link that was sent to it; for another link, sign in again in 5 minutes"}}"#,
);
const TOO_MANY: ResponseExample = (
    429,
    "Too many attempts; see Retry-After",
    r#"{"status": 429, "error": {"message": "too many attempts; retry in 60 s"}}"#,
);
const TOKEN: &str = r#"{"token": "eyJhbGciOiJFUzI1NiIs…", "status": 200}"#;
const NEW_USER: &str = r#"{"user": {"id": 2, "last_login": null, "is_superuser": false, "username": "ben", "first_name": "", "last_name": "", "email": "ben@example.com", "is_staff": false, "is_active": true, "date_joined": "2026-01-31T12:00:00Z"}, "status": 200}"#;
const USER: &str = r#"{"user": {"id": 2, "last_login": "2026-01-31T12:00:00Z", "is_superuser": false, "username": "ben", "first_name": "", "last_name": "", "email": "ben@example.com", "is_staff": false, "is_active": true, "date_joined": "2026-01-31T12:00:00Z"}, "status": 200}"#;

/// The routes of the dialect.
pub const ROUTE_GROUP: RouteGroup = RouteGroup {
    name: "rest_jwt",
    description: "Access tokens without refresh tokens: a valid access token is exchanged for a new one. Passwords are reset with a link in an e-mail.",
    media: JSON,
    operations: &[
        Operation {
            method: "post",
            path: "/signup",
            summary: "Create an account; with email_as_name: true instead of username, the e-mail address becomes the user name",
            access: Access::Open,
            query: &[],
            request_examples: &[
                r#"{"username": "ben", "password": "correct horse battery", "email": "ben@example.com"}"#,
            ],
            responses: &[(200, "The new user", NEW_USER), INVALID, CLOSED, TOO_MANY],
        },
        Operation {
            method: "post",
            path: "/signin",
            summary: "Sign in; username may also be the e-mail address",
            access: Access::Open,
            query: &[],
            request_examples: &[r#"{"username": "ben", "password": "correct horse battery"}"#],
            responses: &[
                (200, "An access token", TOKEN),
                (
                    401,
                    "The user name or the password is wrong",
                    r#"{"status": 401, "error": {"message": "wrong user name or password"}}"#,
                ),
                NOT_CONFIRMED,
                TOO_MANY,
            ],
        },
        Operation {
            method: "post",
            path: "/refresh",
            summary: "Renew an access token that has not expired and whose session has not ended; the header may contain the token without Bearer",
            access: Access::Bearer,
            query: &[],
            request_examples: &[],
            responses: &[(200, "The new access token", TOKEN), NOT_SIGNED_IN],
        },
        Operation {
            method: "post",
            path: "/validation",
            summary: "Check whether an access token is valid, and return its expiry",
            access: Access::Open,
            query: &[],
            request_examples: &[r#"{"token": "eyJhbGciOiJFUzI1NiIs…"}"#],
            responses: &[
                (
                    200,
                    "The token is valid; the message contains its expiry in UTC",
                    r#"{"message": "Token will expire 2026-01-31T12:00:00Z", "status": 200}"#,
                ),
                NOT_SIGNED_IN,
            ],
        },
        Operation {
            method: "post",
            path: "/get_user_by_jwt",
            summary: "Return the user of an access token",
            access: Access::Open,
            query: &[],
            request_examples: &[r#"{"token": "eyJhbGciOiJFUzI1NiIs…"}"#],
            responses: &[(200, "The user", USER), NOT_SIGNED_IN],
        },
        Operation {
            method: "post",
            path: "/restore",
            summary: "Reset a password. With restoring_email: send an e-mail with a link; the response is the same for unknown addresses. With restoring_token (from the link) and restoring_password: set the password and end all sessions. The body may be JSON or a form",
            access: Access::Open,
            query: &[],
            request_examples: &[
                r#"{"restoring_email": "ben@example.com"}"#,
                r#"{"restoring_token": "b2s7Vn0…", "restoring_password": "staple battery horse"}"#,
            ],
            responses: &[
                (
                    200,
                    "An e-mail is sent if an account has this address, or the password is set",
                    r#"{"message": "if an account has this address, an e-mail with a link was sent to it", "status": 200}"#,
                ),
                (
                    400,
                    "The link is invalid, already used or expired, or a field is invalid",
                    r#"{"status": 400, "error": {"message": "the link is invalid, already used or expired; request a new one"}}"#,
                ),
                TOO_MANY,
            ],
        },
        Operation {
            method: "get",
            path: "/restore",
            summary: "Show the form for the new password; the link in the e-mail opens this page, and opening it does not use up the link",
            access: Access::Open,
            query: &[Parameter {
                name: "restoring",
                meaning: "The token in the link",
                example: "b2s7Vn0…",
                required: true,
            }],
            request_examples: &[],
            responses: &[(200, "The HTML page", ""), (400, "An HTML page with the error: the link is incomplete", "")],
        },
    ],
};
