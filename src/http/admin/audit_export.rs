//! The audit log as a file. The file is read and sent in batches, so that the memory use does not depend on its size.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::Response;
use hyper::body::Frame;
use tokio::sync::mpsc;

use crate::domain::audit::AuditLine;
use crate::http::context::Http;
use crate::http::web::page_error::PageError;
use crate::issuer::Fault;
use crate::issuer::admin::audit::AuditExport;

/// The maximum number of batches that are buffered for a slow client.
const BUFFERED_BATCHES: usize = 2;
const CSV_HEADER: &str = "at,action,user_id,username,actor_id,actor,address,detail\r\n";

/// The format of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// CSV as in RFC 4180, with a header line.
    Csv,
    /// One JSON object per line.
    JsonLines,
}

impl ExportFormat {
    /// The format with this name in the query.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "csv" => Some(Self::Csv),
            "jsonl" => Some(Self::JsonLines),
            _ => None,
        }
    }

    fn extension_and_media_type(self) -> (&'static str, &'static str) {
        match self {
            Self::Csv => ("csv", "text/csv; charset=utf-8; header=present"),
            Self::JsonLines => ("jsonl", "application/x-ndjson"),
        }
    }

    fn header(self) -> &'static str {
        match self {
            Self::Csv => CSV_HEADER,
            Self::JsonLines => "",
        }
    }

    fn write(self, line: &AuditLine, out: &mut String) -> Result<(), serde_json::Error> {
        match self {
            Self::JsonLines => {
                out.push_str(&serde_json::to_string(line)?);
                out.push('\n');
            }
            Self::Csv => {
                let AuditLine { at, action, user_id, username, actor_id, actor, address, detail } = line;
                let fields = [
                    at.to_string(),
                    action.clone(),
                    user_id.map(|id| id.0.to_string()).unwrap_or_default(),
                    username.clone().unwrap_or_default(),
                    actor_id.map(|id| id.0.to_string()).unwrap_or_default(),
                    actor.clone().unwrap_or_default(),
                    address.map(|address| address.to_string()).unwrap_or_default(),
                    detail.clone(),
                ];
                out.push_str(&fields.map(|field| csv_field(&field)).join(","));
                out.push_str("\r\n");
            }
        }
        Ok(())
    }
}

/// The characters with which a formula may start, according to OWASP's page on CSV injection: also in full width, which
/// some spreadsheets treat alike.
const FORMULA_STARTS: [char; 11] =
    ['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];

/// Escapes a field of the CSV file. Spreadsheets may evaluate a field that starts with one of [`FORMULA_STARTS`] as a
/// formula, and users choose their own user names. A leading apostrophe makes a spreadsheet treat the field as text.
fn csv_field(text: &str) -> String {
    let prefix = if text.starts_with(FORMULA_STARTS) { "'" } else { "" };
    if prefix.is_empty() && !text.contains([',', '"', '\r', '\n', ';', '\'']) {
        return text.to_owned();
    }
    format!("\"{prefix}{}\"", text.replace('"', "\"\""))
}

/// Builds the response. The first batch is read before the response starts, so that a failure to read it becomes an
/// error page.
pub async fn file(http: &Http, format: ExportFormat, mut export: AuditExport) -> Result<Response, PageError> {
    let mut text = format.header().to_owned();
    if let Some(lines) = export.next(&http.issuer).await? {
        write_all(format, &lines, &mut text)?;
    }
    let (send, receive) = mpsc::channel(BUFFERED_BATCHES);
    let issuer = http.issuer.clone();
    tokio::spawn(async move {
        let mut batch = Ok(text);
        loop {
            let failed = batch.is_err();
            if send.send(batch.map(Bytes::from)).await.is_err() || failed {
                return;
            }
            batch = match export.next(&issuer).await {
                Ok(Some(lines)) => {
                    let mut text = String::new();
                    write_all(format, &lines, &mut text).map(|()| text)
                }
                Ok(None) => return,
                Err(refusal) => {
                    tracing::warn!(error = ?refusal, "audit log export aborted");
                    Err(Fault::new("exporting the audit log", "the next batch could not be read"))
                }
            };
        }
    });
    let (extension, media_type) = format.extension_and_media_type();
    let now = http.issuer.clock.now().to_string();
    let disposition = format!("attachment; filename=\"audit-{}.{extension}\"", now.get(..10).unwrap_or_default());
    let mut response = Response::new(Body::new(BatchBody(receive)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    if let Ok(disposition) = HeaderValue::from_str(&disposition) {
        response.headers_mut().insert(CONTENT_DISPOSITION, disposition);
    }
    Ok(response)
}

fn write_all(format: ExportFormat, lines: &[AuditLine], out: &mut String) -> Result<(), Fault> {
    let mut all = lines.iter();
    all.try_for_each(|line| format.write(line, out)).map_err(|error| Fault::new("writing an audit entry", &error))
}

/// A body that is sent in batches. A failure closes the connection before the end of the body, so that the client
/// notices that the file is incomplete.
struct BatchBody(mpsc::Receiver<Result<Bytes, Fault>>);

impl hyper::body::Body for BatchBody {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        self.0.poll_recv(cx).map(|batch| batch.map(|batch| batch.map(Frame::data)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_fields_are_escaped_and_never_formulas() {
        for (text, field) in [
            ("anna", "anna"),
            ("", ""),
            ("=HYPERLINK(\"https://evil.example\")", "\"'=HYPERLINK(\"\"https://evil.example\"\")\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\t=1", "\"'\t=1\""),
            ("\r=1", "\"'\r=1\""),
            ("\n=1", "\"'\n=1\""),
            ("\u{ff1d}1", "\"'\u{ff1d}1\""),
            ("\u{ff0b}1", "\"'\u{ff0b}1\""),
            ("\u{ff0d}1", "\"'\u{ff0d}1\""),
            ("\u{ff20}SUM(A1)", "\"'\u{ff20}SUM(A1)\""),
            ("a\u{ff1d}1", "a\u{ff1d}1"),
            ("a,b", "\"a,b\""),
            ("a\r\n=b", "\"a\r\n=b\""),
            ("a;=b", "\"a;=b\""),
        ] {
            assert_eq!(csv_field(text), field);
        }
    }
}
