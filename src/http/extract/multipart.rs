//! Parser for `multipart/form-data` (RFC 7578). It parses a complete body. Files are skipped, because no route accepts
//! files.
//!
//! axum's multipart (the crate multer) would change responses: its error messages differ, and it rejects forms that are
//! accepted here, such as a part whose other header lines are invalid.

/// Why a body is not a valid `multipart/form-data` form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MultipartError {
    /// The content type has no `boundary` parameter, or the parameter is empty.
    #[error("the content type has no boundary")]
    NoBoundary,
    /// A boundary is missing, usually the closing one.
    #[error("the form does not end with its boundary")]
    Unterminated,
    /// A part has no headers, no `Content-Disposition` header, or no name in that header.
    #[error("a part has no name")]
    UnnamedPart,
    /// A field is not valid UTF-8. A lossy conversion would make different invalid passwords equal.
    #[error("a field is not UTF-8")]
    NotUtf8,
}

/// Returns the fields of a body in their order. `content_type` is the `Content-Type` header, which contains the
/// boundary.
pub fn fields(content_type: &str, body: &[u8]) -> Result<Vec<(String, String)>, MultipartError> {
    let boundary = parameter(content_type, "boundary").filter(|boundary| !boundary.is_empty());
    let delimiter = format!("\r\n--{}", boundary.ok_or(MultipartError::NoBoundary)?).into_bytes();
    // At the start of the body, the first delimiter has no CRLF before it.
    let mut rest = match body.strip_prefix(&delimiter[2..]) {
        Some(rest) => rest,
        None => split(body, &delimiter).ok_or(MultipartError::Unterminated)?.1,
    };
    let mut fields = Vec::new();
    while !rest.starts_with(b"--") {
        let (part, after) = split(rest, &delimiter).ok_or(MultipartError::Unterminated)?;
        let (head, content) = split(part, b"\r\n\r\n").ok_or(MultipartError::UnnamedPart)?;
        let head = String::from_utf8_lossy(head);
        let mut lines = head.lines().filter_map(|line| line.split_once(':'));
        let disposition = lines.find(|(name, _)| name.trim().eq_ignore_ascii_case("content-disposition"));
        let (_, disposition) = disposition.ok_or(MultipartError::UnnamedPart)?;
        let name = parameter(disposition, "name").ok_or(MultipartError::UnnamedPart)?;
        if parameter(disposition, "filename").is_none() {
            let content = std::str::from_utf8(content).map_err(|_| MultipartError::NotUtf8)?;
            fields.push((name, content.to_owned()));
        }
        rest = after;
    }
    Ok(fields)
}

/// Returns the text before and after the first separator. `None` if the text does not contain the separator.
fn split<'a>(text: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let start = text.windows(separator.len()).position(|window| window == separator)?;
    Some((&text[..start], &text[start + separator.len()..]))
}

/// Returns a parameter of a header; its value may be in quotation marks. A quoted value contains no quotation mark,
/// because clients encode it as `%22`.
fn parameter(header: &str, wanted: &str) -> Option<String> {
    let mut rest = header.split_once(';')?.1;
    loop {
        let (name, after) = rest.split_once('=')?;
        let (value, next) = if let Some(quoted) = after.strip_prefix('"') {
            quoted.split_once('"')?
        } else {
            let (value, next) = after.split_at(after.find(';').unwrap_or(after.len()));
            (value.trim_end(), next)
        };
        if name.trim_matches([' ', ';']).eq_ignore_ascii_case(wanted) {
            return Some(value.to_owned());
        }
        rest = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: &str = "multipart/form-data; charset=utf-8; boundary=XyZ";

    fn pairs(kind: &str, body: &str) -> Result<Vec<(String, String)>, MultipartError> {
        fields(kind, body.as_bytes())
    }

    #[test]
    fn fields_are_read_and_files_are_ignored() {
        let body = "before\r\n--XyZ\r\nContent-Disposition: form-data; name=\"a;b\"\r\n\r\n1\r\n--2\r\n\r\n--XyZ \r\n\
                    content-type: text/plain\r\ncontent-disposition: form-data; name=c\r\n\r\n\r\n--XyZ\r\n\
                    Content-Disposition: form-data; name=\"f\"; filename=\"x\"\r\n\r\nfile\r\n--XyZ--\r\nafter";
        let expected = [("a;b", "1\r\n--2\r\n"), ("c", "")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(pairs(KIND, body), Ok(expected.to_vec()));
        let first = body.strip_prefix("before\r\n").unwrap_or_default();
        assert_eq!(pairs("multipart/form-data; boundary=\"XyZ\"", first), Ok(expected.to_vec()));
        assert_eq!(pairs(KIND, "--XyZ--\r\n"), Ok(Vec::new()));
    }

    #[test]
    fn an_invalid_multipart_form_is_rejected() {
        let valid = "--XyZ\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--XyZ--";
        assert!(pairs(KIND, valid).is_ok());
        for length in 0..valid.len() {
            assert!(pairs(KIND, &valid[..length]).is_err(), "{}", &valid[..length]);
        }
        for kind in ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=\"XyZ"] {
            assert_eq!(pairs(kind, valid), Err(MultipartError::NoBoundary), "{kind}");
        }
        for part in ["", "\r\n\r\n", "\r\nContent-Disposition: form-data\r\n\r\n1", "\r\nname: \"a\"\r\n\r\n1"] {
            assert_eq!(pairs(KIND, &format!("--XyZ{part}\r\n--XyZ--")), Err(MultipartError::UnnamedPart), "{part}");
        }
    }
}
