//! Sign-in at providers that do well and at some that don't: the client's secret, codes, states, tokens and cookies.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use url::Url;

use super::SecretWatch;
use crate::social::browser::{Browser, location};
use crate::social::provider::IdentityProvider;
use crate::support::ServerResponse;
use crate::support::binary::Binary;

/// Goes to a provider and comes back: by which URL, and what is said to it.
async fn follow_callback(
    server: &Binary,
    browser: &Browser,
    name: &str,
    watch: &mut SecretWatch,
) -> (String, ServerResponse) {
    let start = browser.get(&format!("{}/{name}/", server.url)).await;
    for (cookie, value) in browser.cookies(&server.url) {
        watch.add(&format!("the cookie {cookie} of an attempt"), &value);
    }
    let callback = browser.sign_in_at_provider(&start, &server.url, &format!("berta-{name}")).await;
    for (key, value) in Url::parse(&callback).unwrap().query_pairs().filter(|(key, _)| key == "code" || key == "state")
    {
        watch.add(&format!("a {key} of {name}'s"), &value);
    }
    let answer = browser.get(&callback).await;
    (callback, answer)
}

async fn sign_in(server: &Binary, name: &str, watch: &mut SecretWatch) {
    let browser = Browser::new();
    let (callback, answer) = follow_callback(server, &browser, name, watch).await;
    assert_eq!(location(&answer), "/welcome?from=here", "{name}: {answer:#?}");
    watch.add_token("the cookie's token", &json!(browser.cookies(&server.url)["jwt_token"]));
    watch.refused(&browser.get(&callback).await);
    let page = |path: &str| format!("{}{path}", server.url);
    let told = browser.get(&page("/social/token/")).await.is(200).json();
    watch.add_token("a provider's access token", &told["token"]);
    browser.get(&page("/google_refresh/")).await;
    browser.get(&page("/github_refresh/")).await;
    browser.get(&page("/social/refresh_token/")).await;
    location(&browser.get(&page("/social_logout/")).await);
    watch.refused(&browser.get(&page("/social/token/")).await);
}

/// What a provider is told and tells, whether it does well or not.
pub async fn use_provider(server: &Binary, provider: &IdentityProvider, watch: &mut SecretWatch) {
    watch.add("the client's secret", &provider.secret);
    // As a form has it, and as a header has that.
    let encoded: String = url::form_urlencoded::byte_serialize(provider.secret.as_bytes()).collect();
    watch.add("the client's secret in a form", &encoded);
    for client in ["countersign", "countersign-es256", "countersign-post"] {
        watch.add("the client's secret in a header", &STANDARD.encode(format!("{client}:{encoded}")));
    }
    for name in ["google", "github", "facebook", "corp", "public"] {
        sign_in(server, name, watch).await;
    }
    // The one whose client shows its secret in the form.
    provider.fault("discovery:post-only").await;
    sign_in(server, "post", watch).await;
    for fault in [
        "token:refused",
        "token:broken",
        "token:html",
        "token:no-access-token",
        "token:close",
        "userinfo:broken",
        "userinfo:html",
        "userinfo:other-sub",
        "id_token:expired",
        "id_token:nonce",
    ] {
        provider.fault(fault).await;
        for name in ["google", "github", "facebook", "corp"] {
            let (_, answer) = follow_callback(server, &Browser::new(), name, watch).await;
            if answer.status >= 400 {
                watch.refused(&answer);
            }
        }
    }
    provider.fault("").await;
    for given in provider.issued_secrets().await {
        watch.add_token("what a provider gave", &json!(given));
    }
}
