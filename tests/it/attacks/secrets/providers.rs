//! Sign-in with working and faulty providers: the client secret, codes, states, tokens and cookies.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use url::Url;

use super::SecretWatch;
use crate::social::browser::{Browser, location};
use crate::social::provider::IdentityProvider;
use crate::support::ServerResponse;
use crate::support::binary::Binary;

/// Signs in with a provider. Returns the callback URL and the server's response to it.
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
    let response = browser.get(&callback).await;
    (callback, response)
}

async fn sign_in(server: &Binary, name: &str, watch: &mut SecretWatch) {
    let browser = Browser::new();
    let (callback, response) = follow_callback(server, &browser, name, watch).await;
    assert_eq!(location(&response), "/welcome?from=here", "{name}: {response:#?}");
    watch.add_token("the cookie's token", &json!(browser.cookies(&server.url)["jwt_token"]));
    watch.add_refusal(&browser.get(&callback).await);
    let page = |path: &str| format!("{}{path}", server.url);
    let response = browser.get(&page("/social/token/")).await.is(200).json();
    watch.add_token("a provider's access token", &response["token"]);
    browser.get(&page("/google_refresh/")).await;
    browser.get(&page("/github_refresh/")).await;
    browser.get(&page("/social/refresh_token/")).await;
    location(&browser.get(&page("/social_logout/")).await);
    watch.add_refusal(&browser.get(&page("/social/token/")).await);
}

/// Uses every provider, working and faulty, and records every secret that is exchanged with it.
pub async fn use_provider(server: &Binary, provider: &IdentityProvider, watch: &mut SecretWatch) {
    watch.add("the client's secret", &provider.secret);
    // The secret as encoded in a form and in a header.
    let encoded: String = url::form_urlencoded::byte_serialize(provider.secret.as_bytes()).collect();
    watch.add("the client's secret in a form", &encoded);
    for client in ["countersign", "countersign-es256", "countersign-post"] {
        watch.add("the client's secret in a header", &STANDARD.encode(format!("{client}:{encoded}")));
    }
    for name in ["google", "github", "facebook", "corp", "public"] {
        sign_in(server, name, watch).await;
    }
    // The client `post` sends its secret in the form.
    provider.set_fault("discovery:post-only").await;
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
        provider.set_fault(fault).await;
        for name in ["google", "github", "facebook", "corp"] {
            let (_, response) = follow_callback(server, &Browser::new(), name, watch).await;
            if response.status >= 400 {
                watch.add_refusal(&response);
            }
        }
    }
    provider.set_fault("").await;
    for secret in provider.issued_secrets().await {
        watch.add_token("a secret of a provider", &json!(secret));
    }
}
