//! The OpenAPI description of the dialect `jwt_issuer`.

use crate::http::openapi::model::{Access, JSON, Operation, ResponseExample, RouteGroup};

const OK: &str = r#"{"status": "OK"}"#;
const NOT_SIGNED_IN: ResponseExample = (
    401,
    "The token is missing, invalid or expired, or its session has ended",
    r#"{"status": "ERROR", "code": "not_signed_in", "message": "missing, invalid or expired token; sign in again"}"#,
);
const INVALID: ResponseExample = (
    400,
    "A field is missing or invalid",
    r#"{"status": "ERROR", "code": "invalid_field", "message": "email must be a valid e-mail address"}"#,
);
const TAKEN: ResponseExample = (
    409,
    "Another user has this user name or e-mail address",
    r#"{"status": "ERROR", "code": "taken", "message": "username is taken"}"#,
);
const CLOSED: ResponseExample = (
    403,
    "Registration is closed (setting registration.open)",
    r#"{"status": "ERROR", "code": "registration_closed", "message": "registration is closed; ask the operator for an account"}"#,
);
const NOT_CONFIRMED: ResponseExample = (
    403,
    "The password is correct, but the e-mail address must be confirmed first (setting registration.verify_email)",
    r#"{"status": "ERROR", "code": "email_not_confirmed", "message": "confirm your e-mail address first, with the link that was sent to it; for another link, sign in again in 5 minutes"}"#,
);
const FOREIGN: ResponseExample = (
    403,
    "A page of an origin that is not allowed sent the request with the cookie and without a bearer token",
    r#"{"status": "ERROR", "code": "foreign_origin", "message": "cookie not accepted from another origin; send the token in the Authorization header"}"#,
);
const CHANGE_REFUSED: ResponseExample = (
    403,
    "The sign-in is more than 5 minutes old and the body has no current_password (proof_required), current_password is wrong (wrong_current_password), the user is a superuser, whose account only operators change (superuser), or a page of an origin that is not allowed sent the request with the cookie and without a bearer token (foreign_origin)",
    r#"{"status": "ERROR", "code": "proof_required", "message": "this change needs your current password; send it as current_password, or sign in again and retry within 5 minutes"}"#,
);
const TOO_MANY: ResponseExample = (
    429,
    "Too many attempts; see Retry-After",
    r#"{"status": "ERROR", "code": "too_many_tries", "message": "too many attempts; retry after the time in Retry-After"}"#,
);

/// The routes of the dialect.
pub const ROUTE_GROUP: RouteGroup = RouteGroup {
    name: "jwt_issuer",
    description: "Access tokens without refresh tokens: a valid access token is exchanged for a new one. The token is returned in the body and in the cookie jwt_token, over https also in the cookie __Host-jwt_token.",
    media: JSON,
    operations: &[
        Operation {
            method: "post",
            path: "/register",
            summary: "Create an account",
            access: Access::Open,
            query: &[],
            request_examples: &[
                r#"{"username": "ann", "password": "correct horse battery", "email": "ann@example.com"}"#,
            ],
            responses: &[(200, "The account is created", OK), INVALID, CLOSED, TAKEN, TOO_MANY],
        },
        Operation {
            method: "post",
            path: "/auth",
            summary: "Sign in; username may also be the e-mail address",
            access: Access::Open,
            query: &[],
            request_examples: &[r#"{"username": "ann", "password": "correct horse battery"}"#],
            responses: &[
                (
                    200,
                    "The access token, in the body and in the cookie; must_change_password is true after a sign-in with a temporary password",
                    r#"{"status": "OK", "jwt": "eyJhbGciOiJFUzI1NiIs…"}"#,
                ),
                (
                    401,
                    "The user name or the password is wrong",
                    r#"{"status": "ERROR", "code": "wrong_credentials", "message": "wrong user name or password"}"#,
                ),
                NOT_CONFIRMED,
                TOO_MANY,
            ],
        },
        Operation {
            method: "post",
            path: "/renew_token",
            summary: "Renew an access token that has not expired and whose session has not ended; the session is extended",
            access: Access::BearerOrCookie,
            query: &[],
            request_examples: &[],
            responses: &[
                (
                    200,
                    "The new access token, in the body and in the cookie",
                    r#"{"status": "OK", "token": "eyJhbGciOiJFUzI1NiIs…"}"#,
                ),
                NOT_SIGNED_IN,
                FOREIGN,
            ],
        },
        Operation {
            method: "post",
            path: "/update_profile",
            summary: "Change the password, the e-mail address or both; send current_password unless the sign-in is less than 5 minutes old; a new password ends all sessions and opens a new one; a new address takes effect when its owner has opened the link that is sent to it",
            access: Access::BearerOrCookie,
            query: &[],
            request_examples: &[
                r#"{"email": "ann@example.org", "password": "another battery staple", "current_password": "correct horse battery"}"#,
            ],
            responses: &[
                (
                    200,
                    "The profile is changed. Only after a change of the password the body has jwt, the access token of the new session, which is also set as cookie; earlier tokens cannot be renewed",
                    r#"{"status": "OK", "jwt": "eyJhbGciOiJFUzI1NiIs…"}"#,
                ),
                INVALID,
                NOT_SIGNED_IN,
                CHANGE_REFUSED,
                TAKEN,
                TOO_MANY,
            ],
        },
        Operation {
            method: "post",
            path: "/request_password_reset",
            summary: "Send an e-mail with the user name and a reset code; the response is the same for unknown addresses",
            access: Access::Open,
            query: &[],
            request_examples: &[r#"{"email": "ann@example.com"}"#],
            responses: &[(200, "An e-mail is sent if an account has this address", OK), INVALID, TOO_MANY],
        },
        Operation {
            method: "post",
            path: "/reset_password",
            summary: "Reset the password with a reset code; without new_password, the server generates a temporary password",
            access: Access::Open,
            query: &[],
            request_examples: &[r#"{"reset_code": "0123-4567-89AB"}"#],
            responses: &[
                (
                    200,
                    "The temporary password, in both reset_code and temporary_password; change it with /update_profile. If new_password was sent, the body contains only the status",
                    r#"{"status": "OK", "reset_code": "q7k2m9x4t1w8c5zr", "temporary_password": "q7k2m9x4t1w8c5zr"}"#,
                ),
                (
                    400,
                    "The reset code is wrong, already used or expired, or a field is invalid",
                    r#"{"status": "ERROR", "code": "wrong_reset_code", "message": "reset_code is wrong, already used or expired; request a new one"}"#,
                ),
                TOO_MANY,
            ],
        },
    ],
};
