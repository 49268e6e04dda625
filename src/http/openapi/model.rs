//! The tables that describe routes. Each module with routes has one table, a [`RouteGroup`], next to its handlers. This
//! module imports no handler and does not know which groups exist.

/// The description of a route.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// The method, in lower case.
    pub method: &'static str,
    /// The path, spelled as in the documentation of the system that the dialect replaces.
    pub path: &'static str,
    /// What the route does: one sentence that starts with an imperative, without a full stop.
    pub summary: &'static str,
    /// The authentication that the route requires.
    pub access: Access,
    /// The query parameters.
    pub query: &'static [Parameter],
    /// One JSON example for each kind of request body. Empty if the route needs no body.
    pub request_examples: &'static [&'static str],
    /// The responses. The first one is the success.
    pub responses: &'static [ResponseExample],
}

impl Operation {
    /// Returns the unique operation id, made of letters, digits and underscores.
    pub fn id(&self) -> String {
        let path = self.path.trim_matches('/').replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        format!("{}_{path}", self.method)
    }
}

/// A query parameter.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// The name.
    pub name: &'static str,
    /// The description, without a full stop.
    pub meaning: &'static str,
    /// An example. Empty if there is no value that every server accepts.
    pub example: &'static str,
    /// Whether the parameter is required.
    pub required: bool,
}

/// The authentication that a route requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// No authentication.
    Open,
    /// An access token in the `Authorization` header.
    Bearer,
    /// An access token in the `Authorization` header or in the cookie `jwt_token`.
    BearerOrCookie,
}

/// The description of a response: status, meaning without a full stop, and a JSON example of the body (empty for none).
pub type ResponseExample = (u16, &'static str, &'static str);

/// A group of routes, which becomes an OpenAPI tag.
#[derive(Clone, Copy, Debug)]
pub struct RouteGroup {
    /// The name of the tag.
    pub name: &'static str,
    /// The description of the tag, in full sentences.
    pub description: &'static str,
    /// The media types of the request bodies.
    pub media: &'static [&'static str],
    /// The routes, in an order in which the examples can be sent one after another.
    pub operations: &'static [Operation],
}

/// Bodies are JSON.
pub const JSON: &[&str] = &["application/json"];
/// Bodies are JSON, or a form with the same fields.
pub const JSON_OR_FORM: &[&str] = &["application/json", "application/x-www-form-urlencoded", "multipart/form-data"];

/// Responses that every route may return in addition to those in its own table: status, meaning, and whether only
/// routes with a request body return it. The body is the error body of the route's dialect.
pub const COMMON_RESPONSES: [(u16, &str, bool); 6] = [
    (400, "The request body is malformed", true),
    (408, "The request body was not received within 30 s", true),
    (413, "The request body is larger than server.max_body", true),
    (415, "The route does not accept the content type, content encoding or charset of the request body", true),
    (500, "Internal error; the body contains only the request id, which the log repeats with the cause", false),
    (503, "The server is busy or the database is unavailable; see Retry-After", false),
];
