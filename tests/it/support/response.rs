//! What a server answered, whole, with assertions that show all of it when they fail.

use reqwest::header::HeaderMap;
use serde_json::Value;

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct ServerResponse {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl ServerResponse {
    /// Sends a request and reads the answer.
    pub async fn send(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        Self { status, headers, text: response.text().await.unwrap() }
    }

    /// The answer, if it has this status.
    #[track_caller]
    pub fn is(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{self:#?}");
        self
    }

    /// The answer, if it has this status and the body of an error with this code.
    #[track_caller]
    pub fn refuses(&self, status: u16, code: &str) -> &Self {
        self.is(status);
        let body = self.json();
        assert_eq!((&body["status"], &body["code"]), (&"ERROR".into(), &code.into()), "{self:#?}");
        self
    }

    /// The body.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {self:#?}"))
    }

    /// A header; empty where it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// What is the same in two answers that must not differ: all but the request's id and the date.
    pub fn bytes(&self) -> (u16, Vec<(String, String)>, String) {
        let varying = ["x-request-id", "date"];
        let headers = self.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
        (self.status, headers.filter(|(name, _)| !varying.contains(&name.as_str())).collect(), self.text.clone())
    }
}
