//! The OpenAPI description of the dialect `drf_pyjwt`, with the examples of the original's documentation.

use crate::http::openapi::model::{Access, JSON_OR_FORM, Operation, ResponseExample, RouteGroup};

const INVALID: ResponseExample = (
    400,
    "Fields are missing or invalid, or another user has this user name or e-mail address; each field has a list of errors",
    r#"{"email": ["Enter a valid email address."]}"#,
);
const NOT_SIGNED_IN: ResponseExample = (
    401,
    "The token is missing, invalid or expired, or its session has ended",
    r#"{"detail": "Token is invalid or expired."}"#,
);
const CLOSED: ResponseExample =
    (403, "Registration is closed (setting registration.open)", r#"{"detail": "Registration is closed."}"#);
const CHANGE_REFUSED: ResponseExample = (
    403,
    "A change of the e-mail address needs current_password or a sign-in in the last 5 minutes; the address of a superuser is changed by operators only",
    r#"{"detail": "This change needs your current password; send it as current_password, or sign in again and retry within 5 minutes."}"#,
);
const NOT_CONFIRMED: ResponseExample = (
    403,
    "The password is correct, but the e-mail address must be confirmed first (setting registration.verify_email)",
    r#"{"detail": "Confirm your email address first, with the link that was sent to it. For another link, sign in again in 5 minutes."}"#,
);
const TOO_MANY: ResponseExample = (
    429,
    "Too many attempts; see Retry-After",
    r#"{"detail": "Request was throttled. Expected available in 60 seconds."}"#,
);
const PAIR: &str =
    r#"{"access_token": "eyJhbGciOiJFUzI1NiIs…", "refresh_token": "d952527b-caef-452c-8c93-1100214f82e5"}"#;
const NEXT_PAIR: &str =
    r#"{"access_token": "eyJhbGciOiJFUzI1NiIs…", "refresh_token": "eb0464c2-ed6e-4346-a709-042c33946154"}"#;
const NAMED: &str = r#"{"id": 1, "username": "John Smith", "email": "user@example.com"}"#;

/// The routes of the dialect.
pub const ROUTE_GROUP: RouteGroup = RouteGroup {
    name: "drf_pyjwt",
    description: "Short-lived access tokens, and a UUID as refresh token, which is replaced at every refresh.",
    media: JSON_OR_FORM,
    operations: &[
        Operation {
            method: "post",
            path: "/api/register/",
            summary: "Create an account; without username, the user name is empty until /api/me/ sets it",
            access: Access::Open,
            query: &[],
            request_examples: &[r#"{"password": "password", "email": "user@example.com"}"#],
            responses: &[
                (201, "The account is created", r#"{"id": 1, "email": "user@example.com"}"#),
                INVALID,
                CLOSED,
                TOO_MANY,
            ],
        },
        Operation {
            method: "post",
            path: "/api/login/",
            summary: "Sign in; email may also be the user name",
            access: Access::Open,
            query: &[],
            request_examples: &[r#"{"email": "user@example.com", "password": "password"}"#],
            responses: &[
                (200, "An access token and a refresh token", PAIR),
                (400, "A field is missing or invalid", r#"{"password": ["This field is required."]}"#),
                (
                    401,
                    "The e-mail address or the password is wrong",
                    r#"{"detail": "Incorrect authentication credentials."}"#,
                ),
                NOT_CONFIRMED,
                TOO_MANY,
            ],
        },
        Operation {
            method: "post",
            path: "/api/refresh/",
            summary: "Exchange a refresh token for a new pair; the refresh token is spent, and both lifetimes restart",
            access: Access::Open,
            query: &[],
            request_examples: &[r#"{"refresh_token": "d952527b-caef-452c-8c93-1100214f82e5"}"#],
            responses: &[
                (200, "The new access token and refresh token", NEXT_PAIR),
                (400, "The field is missing or invalid", r#"{"refresh_token": ["This field is required."]}"#),
                NOT_SIGNED_IN,
            ],
        },
        Operation {
            method: "get",
            path: "/api/me/",
            summary: "Return the user of the access token",
            access: Access::Bearer,
            query: &[],
            request_examples: &[],
            responses: &[(200, "The user", r#"{"id": 1, "username": "", "email": "user@example.com"}"#), NOT_SIGNED_IN],
        },
        Operation {
            method: "put",
            path: "/api/me/",
            summary: "Change the user name, the e-mail address or both; for the address send current_password unless the sign-in is less than 5 minutes old; a new address takes effect when its owner has opened the link that is sent to it",
            access: Access::Bearer,
            query: &[],
            request_examples: &[r#"{"username": "John Smith"}"#],
            responses: &[(200, "The changed user", NAMED), INVALID, NOT_SIGNED_IN, CHANGE_REFUSED, TOO_MANY],
        },
        Operation {
            method: "patch",
            path: "/api/me/",
            summary: "Change the user name, the e-mail address or both; the body may be an empty object",
            access: Access::Bearer,
            query: &[],
            request_examples: &[
                r#"{"email": "user@example.com"}"#,
                r#"{"email": "user@example.org", "current_password": "password"}"#,
            ],
            responses: &[
                (200, "The changed user; a new e-mail address takes effect when it is confirmed", NAMED),
                INVALID,
                NOT_SIGNED_IN,
                CHANGE_REFUSED,
                TOO_MANY,
            ],
        },
        Operation {
            method: "post",
            path: "/api/logout/",
            summary: "Sign out: end the session of the refresh token",
            access: Access::Open,
            query: &[],
            request_examples: &[r#"{"refresh_token": "eb0464c2-ed6e-4346-a709-042c33946154"}"#],
            responses: &[
                (200, "The session has ended", r#"{"success": "User logged out."}"#),
                (400, "The field is missing or invalid", r#"{"refresh_token": ["This field is required."]}"#),
                NOT_SIGNED_IN,
            ],
        },
    ],
};
