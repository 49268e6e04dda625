//! The dialect's routes, described.

use crate::http::openapi::{Access, Chapter, JSON_OR_FORM, Operation, Parameter, ResponseExample};

const SENT: ResponseExample = (302, "To the provider, with a cookie that binds the sign-in to this browser", "");
const NOT_OFFERED: ResponseExample =
    (404, "The provider is not configured", r#"{"status": "this provider is not offered here"}"#);
const LINKING: ResponseExample = (303, "To the provider", "");
const ALREADY: ResponseExample = (
    409,
    "The account at the provider is somebody else's, or the caller has another one there; told at the callback",
    r#"{"status": "that account of the provider's opens another account here"}"#,
);
const BACK: ResponseExample =
    (302, "To social.authed_url, with the cookie jwt_token; after linking without a new one", "");
const NOT_BACK: ResponseExample = (
    400,
    "Not begun in this browser, refused at the provider, or the provider is down; a page where the Accept header names text/html",
    r#"{"status": "this sign-in was not begun in this browser, or too long ago: begin again"}"#,
);
const CLOSED: ResponseExample = (
    403,
    "The account is disabled, or accounts are made by an operator alone (registration.open)",
    r#"{"status": "accounts are made by an operator alone"}"#,
);
const TOO_MANY: ResponseExample =
    (429, "Too many tries; see Retry-After", r#"{"status": "too many tries: wait as long as Retry-After says"}"#);
const NOT_SIGNED_IN: ResponseExample = (
    401,
    "No token, or none that opens anything any more",
    r#"{"status": "send a token that has not expired, of a session that has not ended"}"#,
);
const FOREIGN: ResponseExample = (
    403,
    "The cookie alone came, from a page of another origin",
    r#"{"status": "this request came from another origin: send the token in the Authorization header instead"}"#,
);
const REFRESHED: &[ResponseExample] = &[
    (200, "A newer access token is kept", r#"{"status": "refreshed"}"#),
    (400, "The provider gave none, or is down", r#"{"status": "No access token provided"}"#),
    (401, "Not signed in", r#"{"status": ""}"#),
    (404, "The provider gave no refresh token, which for some is as it should be", r#"{"status": ""}"#),
];
const LEFT: &[ResponseExample] = &[(302, "To social.logout_url, signed in or not; the cookie is cleared", "")];
const RETURNED: &[Parameter] = &[
    Parameter { name: "code", meaning: "What the provider gives for tokens", example: "", required: false },
    Parameter { name: "state", meaning: "What was sent to the provider", example: "", required: false },
    Parameter { name: "iss", meaning: "The provider's issuer (RFC 9207)", example: "", required: false },
    Parameter { name: "error", meaning: "Why the provider refused", example: "", required: false },
];

const ROUTE: Operation =
    Operation { method: "get", path: "", summary: "", access: Access::Open, query: &[], takes: &[], answers: &[] };

const fn begin(path: &'static str, summary: &'static str) -> Operation {
    Operation { path, summary, answers: &[SENT, NOT_OFFERED], ..ROUTE }
}

const fn link(path: &'static str, summary: &'static str) -> Operation {
    let answers = &[LINKING, NOT_SIGNED_IN, FOREIGN, NOT_OFFERED];
    Operation { method: "post", path, summary, access: Access::BearerOrCookie, answers, ..ROUTE }
}

const fn callback(path: &'static str, summary: &'static str) -> Operation {
    let answers = &[BACK, NOT_BACK, CLOSED, NOT_OFFERED, ALREADY, TOO_MANY];
    Operation { path, summary, query: RETURNED, answers, ..ROUTE }
}

const fn refresh(method: &'static str, path: &'static str, summary: &'static str) -> Operation {
    Operation { method, path, summary, access: Access::BearerOrCookie, answers: REFRESHED, ..ROUTE }
}

const fn helper(path: &'static str, summary: &'static str, answers: &'static [ResponseExample]) -> Operation {
    Operation { path, summary, access: Access::BearerOrCookie, answers, ..ROUTE }
}

/// Everything the dialect answers.
pub const CHAPTER: Chapter = Chapter {
    name: "rest_social",
    about: "Sign-in at providers. Each [social.oidc.NAME] has the routes of google under /NAME/ and /NAME_refresh/.",
    media: JSON_OR_FORM,
    operations: &[
        Operation {
            path: "/social/",
            summary: "A page with a way to each provider",
            answers: &[(200, "The page", "")],
            ..ROUTE
        },
        begin("/google/", "Sign in at Google"),
        begin("/github/", "Sign in at GitHub"),
        begin("/facebook/", "Sign in at Facebook"),
        link("/google/", "Link an account at Google to the caller's"),
        link("/github/", "Link an account at GitHub to the caller's"),
        link("/facebook/", "Link an account at Facebook to the caller's"),
        callback("/google/callback/", "Back from Google"),
        callback("/github/callback/", "Back from GitHub"),
        callback("/facebook/callback/", "Back from Facebook"),
        refresh("get", "/google_refresh/", "Renew the access token Google gave"),
        refresh("post", "/google_refresh/", "Renew the access token Google gave"),
        refresh("get", "/github_refresh/", "Renew the access token GitHub gave"),
        refresh("post", "/github_refresh/", "Renew the access token GitHub gave"),
        helper(
            "/social/token/",
            "The access token that the provider of this session gave",
            &[
                (200, "The token", r#"{"token": "ya29.a0AfB…", "status": 200}"#),
                (401, "Not signed in", r#"{"token": null, "status": 401}"#),
                (404, "There is none", r#"{"token": null, "status": 404}"#),
            ],
        ),
        helper(
            "/social/refresh_token/",
            "The refresh token that the provider of this session gave",
            &[
                (200, "The token", r#"{"refresh_token": "1//0eXy…", "status": 200}"#),
                (401, "Not signed in", r#"{"refresh_token": null, "status": 401}"#),
                (404, "There is none", r#"{"refresh_token": null, "status": 404}"#),
            ],
        ),
        helper(
            "/social/provider/",
            "The provider whose word opened this session; false where a password did",
            &[(200, "Its name, or false", r#"{"provider": false}"#), (401, "Not signed in", r#"{"provider": null}"#)],
        ),
        helper(
            "/social/accounts/",
            "The accounts at providers that open the caller's account",
            &[
                (
                    200,
                    "All of them",
                    r#"{"accounts": [{"provider": "google", "linked_at": "2026-01-31T12:00:00Z", "last_login": null}]}"#,
                ),
                NOT_SIGNED_IN,
            ],
        ),
        Operation {
            method: "post",
            path: "/social/unlink/",
            summary: "Take a way in away",
            access: Access::BearerOrCookie,
            takes: &[r#"{"provider": "google"}"#],
            answers: &[
                (200, "It opens the account no more", r#"{"status": "unlinked"}"#),
                NOT_SIGNED_IN,
                FOREIGN,
                (404, "There is none of that provider", r#"{"status": "your account has none of this provider"}"#),
                (
                    409,
                    "Nothing else opens the account",
                    r#"{"status": "nothing else opens your account: set a password first"}"#,
                ),
            ],
            ..ROUTE
        },
        Operation {
            path: "/social_logout/",
            summary: "Sign out: the session ends, and the provider's access token is forgotten",
            access: Access::BearerOrCookie,
            answers: LEFT,
            ..ROUTE
        },
        Operation {
            method: "post",
            path: "/social_logout/",
            summary: "Sign out",
            access: Access::BearerOrCookie,
            answers: LEFT,
            ..ROUTE
        },
    ],
};
