//! The OpenAPI description of the dialect `rest_social`.

use crate::http::openapi::model::{Access, JSON_OR_FORM, Operation, Parameter, ResponseExample, RouteGroup};

const TO_PROVIDER: ResponseExample =
    (302, "Redirect to the provider, with a cookie that binds the sign-in to this browser", "");
const NOT_CONFIGURED: ResponseExample =
    (404, "The provider is not configured", r#"{"status": "this provider is not configured"}"#);
const LINK_TO_PROVIDER: ResponseExample =
    (303, "Redirect to the provider, with a cookie that binds the link to this browser", "");
const ALREADY_LINKED: ResponseExample = (
    409,
    "The provider account is linked to another user, or the user already has another account of this provider",
    r#"{"status": "the account at the provider is linked to another user"}"#,
);
const FINISHED: ResponseExample =
    (302, "Redirect to social.authed_url, with the cookie jwt_token after a sign-in, and without it after linking", "");
const NOT_FINISHED: ResponseExample = (
    400,
    "The sign-in was not started in this browser in the last 10 minutes, the provider refused it, or the provider is unavailable; an HTML page if Accept contains text/html",
    r#"{"status": "the sign-in was not started in this browser, or more than 10 minutes ago; start again"}"#,
);
const CLOSED: ResponseExample = (
    403,
    "The account is disabled, or registration is closed (setting registration.open)",
    r#"{"status": "registration is closed; ask the operator for an account"}"#,
);
const TOO_MANY: ResponseExample = (
    429,
    "Too many attempts; see Retry-After",
    r#"{"status": "too many attempts; retry after the time in Retry-After"}"#,
);
const NOT_SIGNED_IN: ResponseExample = (
    401,
    "The token is missing, invalid or expired, or its session has ended",
    r#"{"status": "missing, invalid or expired token; sign in again"}"#,
);
const CHANGE_REFUSED: ResponseExample = (
    403,
    "The sign-in is more than 5 minutes old and the body has no current_password, current_password is wrong, the user is a superuser, whose account only operators change, or a page of an origin that is not allowed sent the request with the cookie and without a bearer token",
    r#"{"status": "this change needs your current password; send it as current_password, or sign in again and retry within 5 minutes"}"#,
);
const FOREIGN: ResponseExample = (
    403,
    "A page of an origin that is not allowed sent the request with the cookie and without a bearer token",
    r#"{"status": "cookie not accepted from another origin; send the token in the Authorization header"}"#,
);
const REFRESHED: [ResponseExample; 4] = [
    (200, "The new access token of the provider is stored", r#"{"status": "refreshed"}"#),
    (400, "The provider returned no access token, or is unavailable", r#"{"status": "No access token provided"}"#),
    (401, "The caller is not signed in", r#"{"status": ""}"#),
    (
        404,
        "No refresh token is stored (some providers issue none), or the provider is not configured",
        r#"{"status": ""}"#,
    ),
];
const REFRESHED_BY_POST: [ResponseExample; 5] = {
    let [ok, not_done, not_signed_in, none] = REFRESHED;
    [ok, not_done, not_signed_in, FOREIGN, none]
};
const SIGNED_OUT: ResponseExample =
    (302, "Redirect to social.logout_url, whether or not the caller was signed in; the cookies are cleared", "");
const CALLBACK_QUERY: &[Parameter] = &[
    Parameter {
        name: "code",
        meaning: "The authorization code of the provider (RFC 6749, section 4.1.2)",
        example: "",
        required: false,
    },
    Parameter { name: "state", meaning: "The state that was sent to the provider", example: "", required: false },
    Parameter { name: "iss", meaning: "The issuer of the provider (RFC 9207)", example: "", required: false },
    Parameter {
        name: "error",
        meaning: "The error code if the provider refused (RFC 6749, section 4.1.2.1)",
        example: "",
        required: false,
    },
];

const ROUTE: Operation = Operation {
    method: "get",
    path: "",
    summary: "",
    access: Access::Open,
    query: &[],
    request_examples: &[],
    responses: &[],
};

const fn begin(path: &'static str, summary: &'static str) -> Operation {
    Operation { path, summary, responses: &[TO_PROVIDER, NOT_CONFIGURED], ..ROUTE }
}

const fn link(path: &'static str, summary: &'static str) -> Operation {
    let responses = &[LINK_TO_PROVIDER, NOT_SIGNED_IN, CHANGE_REFUSED, NOT_CONFIGURED, TOO_MANY];
    Operation { method: "post", path, summary, access: Access::BearerOrCookie, responses, ..ROUTE }
}

const fn callback(path: &'static str, summary: &'static str) -> Operation {
    let responses = &[FINISHED, NOT_FINISHED, CLOSED, NOT_CONFIGURED, ALREADY_LINKED, TOO_MANY];
    Operation { path, summary, query: CALLBACK_QUERY, responses, ..ROUTE }
}

const fn refresh(path: &'static str, summary: &'static str) -> Operation {
    Operation { path, summary, access: Access::BearerOrCookie, responses: &REFRESHED, ..ROUTE }
}

const fn refresh_by_post(path: &'static str, summary: &'static str) -> Operation {
    Operation { method: "post", responses: &REFRESHED_BY_POST, ..refresh(path, summary) }
}

const fn helper(path: &'static str, summary: &'static str, responses: &'static [ResponseExample]) -> Operation {
    Operation { path, summary, access: Access::BearerOrCookie, responses, ..ROUTE }
}

/// The routes of the dialect.
pub const ROUTE_GROUP: RouteGroup = RouteGroup {
    name: "rest_social",
    description: "Sign-in with identity providers. A provider configured as [social.oidc.NAME] has the same routes as google, under /NAME/ and /NAME_refresh/.",
    media: JSON_OR_FORM,
    operations: &[
        Operation {
            path: "/social/",
            summary: "Show a page with a link to each configured provider",
            responses: &[(200, "The HTML page", "")],
            ..ROUTE
        },
        begin("/google/", "Start a sign-in with Google"),
        begin("/github/", "Start a sign-in with GitHub"),
        begin("/facebook/", "Start a sign-in with Facebook"),
        link("/google/", "Start linking a Google account to the signed-in user"),
        link("/github/", "Start linking a GitHub account to the signed-in user"),
        link("/facebook/", "Start linking a Facebook account to the signed-in user"),
        callback(
            "/google/callback/",
            "Finish the sign-in or linking with Google, which redirects the browser to this route",
        ),
        callback(
            "/github/callback/",
            "Finish the sign-in or linking with GitHub, which redirects the browser to this route",
        ),
        callback(
            "/facebook/callback/",
            "Finish the sign-in or linking with Facebook, which redirects the browser to this route",
        ),
        refresh("/google_refresh/", "Refresh the access token issued by Google"),
        refresh_by_post("/google_refresh/", "Refresh the access token issued by Google"),
        refresh("/github_refresh/", "Refresh the access token issued by GitHub"),
        refresh_by_post("/github_refresh/", "Refresh the access token issued by GitHub"),
        helper(
            "/social/token/",
            "Return the provider's access token, for a session that was opened by a sign-in with a provider",
            &[
                (200, "The token", r#"{"token": "ya29.a0AfB…", "status": 200}"#),
                (401, "The caller is not signed in", r#"{"token": null, "status": 401}"#),
                (404, "No token is stored", r#"{"token": null, "status": 404}"#),
            ],
        ),
        helper(
            "/social/refresh_token/",
            "Return the provider's refresh token, for a session that was opened by a sign-in with a provider",
            &[
                (200, "The token", r#"{"refresh_token": "1//0eXy…", "status": 200}"#),
                (401, "The caller is not signed in", r#"{"refresh_token": null, "status": 401}"#),
                (404, "No token is stored", r#"{"refresh_token": null, "status": 404}"#),
            ],
        ),
        helper(
            "/social/provider/",
            "Return the provider with which the user signed in, or false for a sign-in with a password",
            &[
                (200, "The name of the provider, or false", r#"{"provider": false}"#),
                (401, "The caller is not signed in", r#"{"provider": null}"#),
            ],
        ),
        helper(
            "/social/accounts/",
            "List the provider accounts that are linked to the user",
            &[
                (
                    200,
                    "The linked accounts; times are in UTC",
                    r#"{"accounts": [{"provider": "google", "linked_at": "2026-01-31T12:00:00Z", "last_login": null}]}"#,
                ),
                NOT_SIGNED_IN,
            ],
        ),
        Operation {
            method: "post",
            path: "/social/unlink/",
            summary: "Unlink a provider account, so that it can no longer be used to sign in to this account",
            access: Access::BearerOrCookie,
            request_examples: &[
                r#"{"provider": "google"}"#,
                r#"{"provider": "google", "current_password": "correct horse battery"}"#,
            ],
            responses: &[
                (200, "The provider account is unlinked", r#"{"status": "unlinked"}"#),
                NOT_SIGNED_IN,
                CHANGE_REFUSED,
                TOO_MANY,
                (
                    404,
                    "No account of this provider is linked",
                    r#"{"status": "no account at this provider is linked to your account"}"#,
                ),
                (
                    409,
                    "The provider account is the only way to sign in to the account",
                    r#"{"status": "this is your only way to sign in; set a password first"}"#,
                ),
            ],
            ..ROUTE
        },
        Operation {
            path: "/social_logout/",
            summary: "Sign out: end the session, and delete the provider's access token",
            access: Access::BearerOrCookie,
            responses: &[SIGNED_OUT],
            ..ROUTE
        },
        Operation {
            method: "post",
            path: "/social_logout/",
            summary: "Sign out, as with GET",
            access: Access::BearerOrCookie,
            responses: &[SIGNED_OUT, FOREIGN],
            ..ROUTE
        },
    ],
};
