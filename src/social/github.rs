//! GitHub: OAuth 2.0 without ID tokens. The REST API returns the user and the e-mail addresses.

use http::HeaderName;
use http::header::ACCEPT;
use serde_json::{Map, Value};

use super::common::ProviderCommon;
use super::error::ProviderError;
use super::flow::Endpoints;
use super::person::{Person, email, names, social_id, username};
use super::urls::{id_issuer, or_default};
use crate::domain::secret::SecretText;
use crate::domain::social::provider_options::KnownProvider;
use crate::domain::strict_json;
use crate::domain::user::Email;
use crate::fetch::endpoint::Endpoint;

/// Read access to the user's profile and to the e-mail addresses, including private ones.
pub(super) const SCOPES: [&str; 2] = ["read:user", "user:email"];

const ISSUER: &str = "https://github.com/login/oauth";
/// The recommended media type, and an API version that both github.com and GitHub Enterprise servers support.
const HEADERS: [(HeaderName, &str); 2] =
    [(ACCEPT, "application/vnd.github+json"), (HeaderName::from_static("x-github-api-version"), "2022-11-28")];

/// The endpoints of GitHub.
#[derive(Debug)]
pub(super) struct GitHub {
    pub(super) endpoints: Endpoints,
    pub(super) issuer: Option<String>,
    /// The issuer to which user ids belong: the origin of the token endpoint.
    pub(super) id_issuer: String,
    user: Endpoint,
    emails: Endpoint,
}

impl GitHub {
    pub(super) fn new(options: &KnownProvider) -> Result<Self, ProviderError> {
        let url = |name, url: &Option<String>, default| or_default("github", name, url.as_deref(), default);
        let token = url("token_url", &options.token_url, "https://github.com/login/oauth/access_token")?;
        Ok(Self {
            id_issuer: id_issuer(&token),
            endpoints: Endpoints {
                authorize: url("authorize_url", &options.authorize_url, "https://github.com/login/oauth/authorize")?,
                token: Endpoint::configured(token),
                userinfo: None,
                jwks: None,
                sends_iss: false,
                basic_auth: false,
            },
            issuer: options.issuer_or(ISSUER),
            user: Endpoint::configured(url("userinfo_url", &options.userinfo_url, "https://api.github.com/user")?),
            emails: Endpoint::configured(url("emails_url", &options.emails_url, "https://api.github.com/user/emails")?),
        })
    }

    pub(super) async fn person(&self, common: &ProviderCommon, token: &SecretText) -> Result<Person, ProviderError> {
        let step = common.step("fetching the user");
        let user = common.web.fetch_object(step, &self.user, Some(token), &HEADERS).await?;
        let person = read_user(&user).ok_or_else(|| step.invalid_response("the response has no valid id"))?;
        let step = common.step("fetching the e-mail addresses");
        let emails = match common.web.fetch(step, &self.emails, Some(token), &HEADERS).await {
            Ok(body) => {
                strict_json::parse(&body).map_err(|_| step.invalid_response("the response is not valid JSON"))?
            }
            // A user who did not grant access to the addresses is still identified, without a verified address.
            Err(ProviderError::Refused(_)) => Value::Null,
            Err(error) => return Err(error),
        };
        Ok(match verified_email(&emails) {
            Some(email) => Person { email: Some(email), email_verified: Some(true), ..person },
            None => person,
        })
    }
}

fn read_user(user: &Map<String, Value>) -> Option<Person> {
    // GitHub has no given and family names, so the full name is split.
    let (first_name, last_name) = names(user, "", "");
    Some(Person {
        social_id: social_id(user, "id")?,
        username: username(user, "login"),
        email: email(user, "email"),
        email_verified: Some(false),
        first_name,
        last_name,
    })
}

/// Returns the primary address if it is verified.
fn verified_email(emails: &Value) -> Option<Email> {
    let is = |entry: &Map<String, Value>, name: &str| entry.get(name) == Some(&Value::Bool(true));
    let entries = emails.as_array()?.iter().filter_map(Value::as_object);
    let primary = entries.into_iter().find(|entry| is(entry, "primary") && is(entry, "verified"))?;
    email(primary, "email")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_github_user_is_parsed() {
        let user = json!({"login": "octocat", "id": 583_231, "name": "The Octocat", "email": null, "bio": "…"});
        let person = read_user(user.as_object().unwrap()).unwrap();
        assert_eq!((person.social_id.as_str(), person.username.as_deref()), ("583231", Some("octocat")));
        assert_eq!((person.first_name.as_str(), person.last_name.as_str(), person.email), ("The", "Octocat", None));
        for id in [json!(null), json!(-1), json!(1.5), json!(""), json!({})] {
            assert_eq!(read_user(json!({"login": "octocat", "id": id}).as_object().unwrap()), None, "{id}");
        }
    }

    #[test]
    fn only_the_primary_verified_address_is_used() {
        let entry = |email: &str, primary: bool, verified: bool| json!({"email": email, "primary": primary, "verified": verified});
        let verified = |emails: Value| verified_email(&emails).map(|email| email.as_str().to_owned());
        let others = [entry("a@example.com", false, true), entry("b@example.com", true, false)];
        assert_eq!(verified(json!(others)), None);
        assert_eq!(verified(json!([others[0], entry("c@example.com", true, true)])).as_deref(), Some("c@example.com"));
        for invalid in
            [json!(null), json!({}), json!([7]), json!([{"email": "a@example.com", "primary": 1, "verified": "true"}])]
        {
            assert_eq!(verified(invalid.clone()), None, "{invalid}");
        }
        assert_eq!(verified(json!([entry("nobody", true, true)])), None);
    }
}
