//! Injection: names, addresses, paths and queries that would be executed as code, rendered as markup or sent as a
//! header if the server did not escape or reject them.

use reqwest::Method;
use serde_json::json;

use crate::support::{PASSWORD, ServerResponse, TestServer, wait_until};

/// User names that a template, a page or a spreadsheet would execute if they were not escaped.
const NAMES: [&str; 9] = [
    "{{ 7191 * 7 }}",
    "{% for x in range(9) %}zq{% endfor %}",
    "{{ self.__class__ }}",
    "${7191*7}",
    "#{7191*7}",
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "'; DROP TABLE users; --",
    "=cmd|' /C calc'!A0",
];

#[tokio::test]
async fn markup_in_a_user_name_is_escaped_in_emails() {
    let server = TestServer::start().await;
    for (number, name) in NAMES.iter().enumerate() {
        let email = format!("user{number}@example.com");
        server.post("/register", &json!({"username": name, "password": PASSWORD, "email": email})).await.is(200);
        let path = if number % 2 == 0 { "/request_password_reset" } else { "/restore" };
        server.post(path, &json!({"email": email})).await.is(200);
        server.post("/auth", &json!({"username": name, "password": PASSWORD})).await.is(200);
    }
    wait_until("all e-mails are sent", async || server.emails().len() == NAMES.len()).await;
    for mail in server.emails() {
        let text = mail.source.replace("=\n", "");
        assert!(!text.contains("50337") && !text.contains("zqzq"), "a template in a user name was evaluated:\n{text}");
        let html = text.split("text/html").nth(1).unwrap();
        assert!(!html.contains("<script") && !html.contains("<img"), "a name became markup:\n{text}");
        let (head, _) = text.split_once("\n\n").unwrap();
        for line in head.lines().filter(|line| !line.starts_with([' ', '\t'])) {
            let name = line.split(':').next().unwrap().to_lowercase();
            let allowed =
                ["from", "to", "subject", "date", "message-id", "mime-version", "content-type", "auto-submitted"];
            assert!(allowed.contains(&name.as_str()), "injected header: {line}");
        }
    }
}

#[tokio::test]
async fn names_and_addresses_contain_no_line_breaks() {
    let server = TestServer::start().await;
    for end in ["\r\n", "\n", "\r", "\0", "\u{2028}", "\u{85}", "\x0b"] {
        let name = format!("anna{end}Bcc: evil@example.com");
        let body = json!({"username": name, "password": PASSWORD, "email": "anna@example.com"});
        server.post("/register", &body).await.is(400);
        for email in [format!("anna@example.com{end}Bcc: evil@example.com"), format!("\"anna{end}\"@example.com")] {
            let body = json!({"username": "anna", "password": PASSWORD, "email": email});
            server.post("/register", &body).await.is(400);
            let response = server.post("/request_password_reset", &json!({"email": email})).await;
            assert!(matches!(response.status, 200 | 400), "{response:#?}");
        }
    }
    for addresses in
        ["anna@example.com,evil@example.com", "anna@example.com evil@example.com", "<anna@example.com>", "a@b@c"]
    {
        let body = json!({"username": "anna", "password": PASSWORD, "email": addresses});
        server.post("/register", &body).await.is(400);
    }
    assert!(server.emails().is_empty());
}

#[tokio::test]
async fn request_content_is_never_returned_as_markup() {
    let server = TestServer::with_anna().await;
    let markup = "<script>alert(1)</script>";
    let encoded = "%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    let mut responses = Vec::new();
    for path in ["/", "/restore", "/social/", "/google/", "/google/callback/", "/get_public_cert", "/api-doc/"] {
        for query in ["restoring", "error", "error_description", "state", "code", "alg", "kid", "next"] {
            responses.push(server.get(&format!("{path}?{query}={encoded}")).await);
        }
        responses.push(server.get(&format!("{path}{encoded}")).await);
    }
    let form = [
        format!("restoring_email={encoded}"),
        format!("restoring_token={encoded}&restoring_password={encoded}"),
        format!("{encoded}={encoded}"),
    ];
    for body in form {
        let kind = "application/x-www-form-urlencoded";
        let request =
            server.request(Method::POST, "/restore").header("content-type", kind).header("accept", "text/html");
        responses.push(ServerResponse::send(request.body(body)).await);
    }
    for path in ["/auth", "/signin", "/signup", "/register", "/api/login/", "/api/token/", "/api/register/", "/restore"]
    {
        let body = json!({"username": markup, "password": markup, "email": markup, markup: markup, "token": markup});
        responses.push(server.post(path, &body).await);
    }
    for response in responses {
        assert!(!response.text.contains(markup), "{response:#?}");
        assert!(response.status < 500, "{response:#?}");
        assert_eq!(response.header("x-content-type-options"), "nosniff", "{response:#?}");
        if response.header("content-type").starts_with("text/html") {
            let policy = response.header("content-security-policy");
            assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{response:#?}");
        }
    }
}

#[tokio::test]
async fn query_and_host_never_reach_headers_or_links() {
    let server = TestServer::with_anna().await;
    for path in
        ["/restore", "/social/", "/google/", "/google/callback/", "/social_logout/", "/get_public_cert", "/api-doc"]
    {
        for query in [
            "next=https://evil.example",
            "redirect_uri=//evil.example",
            "x=%0d%0aset-cookie:%20evil=1",
            "state=%0a%0devil",
        ] {
            let request = server.request(Method::GET, &format!("{path}?{query}"));
            let request = request.header("host", "evil.example").header("x-forwarded-host", "evil.example");
            let request =
                request.header("forwarded", "host=evil.example;proto=https").header("x-forwarded-proto", "evil");
            let response = ServerResponse::send(request).await;
            let headers = format!("{:?}", response.headers);
            assert!(!headers.contains("evil"), "{path}?{query}: {response:#?}");
            assert!(response.status < 500, "{response:#?}");
        }
    }
    for path in ["/request_password_reset", "/restore"] {
        let request = server.posting(path, &json!({"email": "anna@example.com"})).header("host", "evil.example");
        let request = request.header("x-forwarded-host", "evil.example").header("referer", "https://evil.example/");
        ServerResponse::send(request).await.is(200);
    }
    wait_until("both e-mails are sent", async || server.emails().len() == 2).await;
    assert!(server.emails().iter().all(|mail| !mail.source.contains("evil")));
}
