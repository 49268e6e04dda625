//! A complete HTTP response, with assertions that print all of it when they fail.

use reqwest::header::HeaderMap;
use serde_json::Value;

/// A response with its complete body.
#[derive(Clone, Debug)]
pub struct ServerResponse {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl ServerResponse {
    /// Sends a request and reads the response.
    pub async fn send(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        Self { status, headers, text: response.text().await.unwrap() }
    }

    /// Asserts the status and returns the response.
    #[track_caller]
    pub fn is(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{self:#?}");
        self
    }

    /// Asserts the status and the error code of the body, and returns the response.
    #[track_caller]
    pub fn refuses(&self, status: u16, code: &str) -> &Self {
        self.is(status);
        let body = self.json();
        assert_eq!((&body["status"], &body["code"]), (&"ERROR".into(), &code.into()), "{self:#?}");
        self
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {self:#?}"))
    }

    /// The value of a header, or an empty string.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The status, headers and body without the headers that differ in every response (the request id and the date), to
    /// compare two responses.
    pub fn bytes(&self) -> (u16, Vec<(String, String)>, String) {
        let varying = ["x-request-id", "date"];
        let headers = self.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
        (self.status, headers.filter(|(name, _)| !varying.contains(&name.as_str())).collect(), self.text.clone())
    }
}
