//! The dialect's routes, described.

use crate::http::openapi::{Access, Chapter, JSON, Operation, ResponseExample};

const OK: &str = r#"{"status": "OK"}"#;
const NOT_SIGNED_IN: ResponseExample = (
    401,
    "No token, or none that opens anything any more",
    r#"{"status": "ERROR", "code": "not_signed_in", "message": "send a token that has not expired, of a session that has not ended"}"#,
);
const INVALID: ResponseExample = (
    400,
    "A field is missing or wrong",
    r#"{"status": "ERROR", "code": "invalid_field", "message": "email must be an e-mail address"}"#,
);
const TAKEN: ResponseExample = (
    409,
    "Somebody has that name or address",
    r#"{"status": "ERROR", "code": "taken", "message": "username is taken"}"#,
);
const CLOSED: ResponseExample = (
    403,
    "Accounts are made by an operator alone (registration.open)",
    r#"{"status": "ERROR", "code": "registration_closed", "message": "accounts are made by an operator alone"}"#,
);
const FOREIGN: ResponseExample = (
    403,
    "The cookie alone came, from a page of another origin",
    r#"{"status": "ERROR", "code": "foreign_origin", "message": "this request came from another origin: send the token in the Authorization header instead"}"#,
);
const TOO_MANY: ResponseExample = (
    429,
    "Too many tries; see Retry-After",
    r#"{"status": "ERROR", "code": "too_many_tries", "message": "too many tries: wait as long as Retry-After says"}"#,
);

/// Everything the dialect answers.
pub const CHAPTER: Chapter = Chapter {
    name: "jwt_issuer",
    about: "A token that renews itself, in the body and as the cookie jwt_token.",
    media: JSON,
    operations: &[
        Operation {
            method: "post",
            path: "/register",
            summary: "Make an account",
            access: Access::Open,
            query: &[],
            takes: &[r#"{"username": "ann", "password": "correct horse battery", "email": "ann@example.com"}"#],
            answers: &[(200, "The account is made", OK), INVALID, CLOSED, TAKEN, TOO_MANY],
        },
        Operation {
            method: "post",
            path: "/auth",
            summary: "Sign in; username may be the e-mail address",
            access: Access::Open,
            query: &[],
            takes: &[r#"{"username": "ann", "password": "correct horse battery"}"#],
            answers: &[
                (
                    200,
                    "An access token, in the body and as a cookie",
                    r#"{"status": "OK", "jwt": "eyJhbGciOiJFUzI1NiIs…"}"#,
                ),
                (
                    401,
                    "The username or the password is wrong",
                    r#"{"status": "ERROR", "code": "wrong_credentials", "message": "the username or the password is wrong"}"#,
                ),
                TOO_MANY,
            ],
        },
        Operation {
            method: "post",
            path: "/renew_token",
            summary: "A newer token for one that has not expired, while its session lives",
            access: Access::BearerOrCookie,
            query: &[],
            takes: &[],
            answers: &[
                (200, "The new token", r#"{"status": "OK", "token": "eyJhbGciOiJFUzI1NiIs…"}"#),
                NOT_SIGNED_IN,
                FOREIGN,
            ],
        },
        Operation {
            method: "post",
            path: "/update_profile",
            summary: "Change the password (which ends all other sessions), the address, or both",
            access: Access::BearerOrCookie,
            query: &[],
            takes: &[r#"{"email": "ann@example.org"}"#],
            answers: &[(200, "It is changed", OK), INVALID, NOT_SIGNED_IN, FOREIGN, TAKEN],
        },
        Operation {
            method: "post",
            path: "/request_password_reset",
            summary: "Send a mail with the username and a reset code; the answer is the same for unknown addresses",
            access: Access::Open,
            query: &[],
            takes: &[r#"{"email": "ann@example.org"}"#],
            answers: &[(200, "A mail is on its way, if anybody has the address", OK), INVALID, TOO_MANY],
        },
        Operation {
            method: "post",
            path: "/reset_password",
            summary: "Use a reset code for a temporary password, or to set new_password",
            access: Access::Open,
            query: &[],
            takes: &[r#"{"reset_code": "0123-4567-89AB"}"#],
            answers: &[
                (
                    200,
                    "A temporary password (under both names), to be changed by /update_profile",
                    r#"{"status": "OK", "reset_code": "q7k2m9x4t1w8c5zr", "temporary_password": "q7k2m9x4t1w8c5zr"}"#,
                ),
                (
                    400,
                    "The code is wrong, used up or too old",
                    r#"{"status": "ERROR", "code": "wrong_reset_code", "message": "reset_code is wrong, used up or too old"}"#,
                ),
                TOO_MANY,
            ],
        },
    ],
};
