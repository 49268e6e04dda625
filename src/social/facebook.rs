//! Facebook: OAuth 2.0 without ID tokens. The Graph API returns the user.

use serde_json::{Map, Value};
use url::Url;

use super::common::ProviderCommon;
use super::error::ProviderError;
use super::flow::Endpoints;
use super::person::{Person, email, names, social_id};
use super::urls::{id_issuer, or_default};
use crate::crypto::app_secret_proof::app_secret_proof;
use crate::domain::secret::SecretText;
use crate::domain::social::provider_options::KnownProvider;
use crate::fetch::endpoint::Endpoint;

pub(super) const SCOPES: [&str; 2] = ["public_profile", "email"];

const ISSUER: &str = "https://www.facebook.com";
const FIELDS: &str = "id,name,email,first_name,last_name";

/// The endpoints of Facebook.
#[derive(Debug)]
pub(super) struct Facebook {
    pub(super) endpoints: Endpoints,
    pub(super) issuer: Option<String>,
    /// The issuer to which user ids belong: the origin of the token endpoint.
    pub(super) id_issuer: String,
    me: Url,
}

impl Facebook {
    /// Builds the endpoints. The version of the Graph API is part of each default URL. Facebook supports a version for
    /// at least two years.
    pub(super) fn new(options: &KnownProvider) -> Result<Self, ProviderError> {
        let url = |name, url: &Option<String>, default| or_default("facebook", name, url.as_deref(), default);
        let token = url("token_url", &options.token_url, "https://graph.facebook.com/v26.0/oauth/access_token")?;
        Ok(Self {
            id_issuer: id_issuer(&token),
            endpoints: Endpoints {
                authorize: url("authorize_url", &options.authorize_url, "https://www.facebook.com/v26.0/dialog/oauth")?,
                token: Endpoint::configured(token),
                userinfo: None,
                jwks: None,
                sends_iss: false,
                basic_auth: false,
            },
            issuer: options.issuer_or(ISSUER),
            me: url("userinfo_url", &options.userinfo_url, "https://graph.facebook.com/v26.0/me")?,
        })
    }

    pub(super) async fn person(&self, common: &ProviderCommon, token: &SecretText) -> Result<Person, ProviderError> {
        let step = common.step("fetching the user");
        let mut me = self.me.clone();
        me.query_pairs_mut().append_pair("fields", FIELDS);
        if let Some(secret) = &common.client.secret {
            me.query_pairs_mut().append_pair("appsecret_proof", &app_secret_proof(secret, token));
        }
        let object = common.web.fetch_object(step, &Endpoint::configured(me), Some(token), &[]).await?;
        read_me(&object).ok_or_else(|| step.invalid_response("the response has no valid id"))
    }
}

/// Reads a user. Facebook does not state whether an address is verified, so no address counts as verified.
fn read_me(object: &Map<String, Value>) -> Option<Person> {
    let (first_name, last_name) = names(object, "first_name", "last_name");
    let social_id = social_id(object, "id")?;
    Some(Person { social_id, email: email(object, "email"), first_name, last_name, ..Person::default() })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_facebook_address_is_never_verified() {
        let object = json!({"id": "10158", "name": "Ann Other", "email": "ann@example.com", "first_name": "Ann",
            "last_name": "Other", "email_verified": true, "verified": true});
        let person = read_me(object.as_object().unwrap()).unwrap();
        assert_eq!((person.social_id.as_str(), person.username), ("10158", None));
        assert_eq!(
            (person.email.map(|email| email.to_string()), person.email_verified),
            (Some("ann@example.com".to_owned()), None)
        );
        assert_eq!((person.first_name.as_str(), person.last_name.as_str()), ("Ann", "Other"));
        assert_eq!(read_me(json!({"name": "Ann"}).as_object().unwrap()), None);
    }
}
