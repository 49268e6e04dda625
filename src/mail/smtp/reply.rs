//! A reply of a mail server (RFC 5321 §4.2), and its reader.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};

/// The maximum length of one line of a reply in bytes. RFC 5321 §4.5.3.1.5 allows 512, but some servers send more.
const LINE_MAX: usize = 4096;
/// The maximum number of lines of a reply.
const LINES_MAX: usize = 200;

/// A complete reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SmtpReply {
    /// The code: 200–599.
    pub(super) code: u16,
    /// The text of each line after the code.
    pub(super) lines: Vec<String>,
}

impl SmtpReply {
    /// Whether the server accepted the command, or awaits more input for it (RFC 5321 §4.2.1).
    pub(super) fn is_positive(&self) -> bool {
        self.code < 400
    }

    /// Whether a retry is expected to fail too.
    pub(super) fn is_permanent(&self) -> bool {
        self.code >= 500
    }

    /// The text of all lines, separated by spaces.
    pub(super) fn text(&self) -> String {
        self.lines.join(" ")
    }
}

/// Reads a reply. The code of the last line counts.
///
/// # Errors
/// The connection failed or ended, or the data is not a reply (`InvalidData`).
pub(super) async fn read_reply(input: &mut (impl AsyncBufRead + Unpin)) -> io::Result<SmtpReply> {
    let invalid = |problem: &str| io::Error::new(io::ErrorKind::InvalidData, problem.to_owned());
    let mut lines = Vec::new();
    let mut buffer = Vec::new();
    while lines.len() < LINES_MAX {
        buffer.clear();
        let limit = u64::try_from(LINE_MAX).unwrap_or(u64::MAX);
        (&mut *input).take(limit).read_until(b'\n', &mut buffer).await?;
        match buffer.last() {
            None => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the mail server closed the connection")),
            Some(b'\n') => {}
            Some(_) if buffer.len() >= LINE_MAX => return Err(invalid("a reply has a line of more than 4096 bytes")),
            Some(_) => {
                let problem = "the mail server closed the connection within a reply";
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, problem));
            }
        }
        let line = String::from_utf8_lossy(&buffer);
        let line = line.trim_end_matches(['\r', '\n']);
        let not_smtp = || invalid("the server's data is not an SMTP reply");
        let code = line.get(..3).filter(|code| code.bytes().all(|byte| byte.is_ascii_digit())).ok_or_else(not_smtp)?;
        let code: u16 = code.parse().map_err(|_| not_smtp())?;
        let (is_last, text) = match line[3..].split_at_checked(1) {
            None if line.len() == 3 => (true, ""),
            Some((" ", text)) => (true, text),
            Some(("-", text)) => (false, text),
            _ => return Err(not_smtp()),
        };
        if !(200..600).contains(&code) {
            return Err(not_smtp());
        }
        lines.push(text.to_owned());
        if is_last {
            return Ok(SmtpReply { code, lines });
        }
    }
    Err(invalid("a reply has more than 200 lines"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    async fn read(bytes: &[u8]) -> io::Result<SmtpReply> {
        read_reply(&mut tokio::io::BufReader::new(bytes)).await
    }

    #[tokio::test]
    async fn replies_of_every_form_are_read() {
        for (bytes, code, lines) in [
            ("250 ok\r\n", 250, vec!["ok"]),
            ("250\r\n", 250, vec![""]),
            ("250 \r\n", 250, vec![""]),
            ("250 ok\n", 250, vec!["ok"]),
            ("250-one\r\n250-two\r\n250 three\r\n250 next\r\n", 250, vec!["one", "two", "three"]),
            ("550-5.1.1 no\r\n550 5.1.1 such user\r\n", 550, vec!["5.1.1 no", "5.1.1 such user"]),
            ("354 go ahead\r\n", 354, vec!["go ahead"]),
        ] {
            assert_eq!(
                read(bytes.as_bytes()).await.unwrap(),
                SmtpReply { code, lines: lines.into_iter().map(str::to_owned).collect() },
                "{bytes:?}"
            );
        }
        assert_eq!(read(b"250 \xff\r\n").await.unwrap().text(), "\u{fffd}");
    }

    #[tokio::test]
    async fn data_that_is_no_reply_is_an_error() {
        let long = format!("250 {}\r\n", "a".repeat(5000));
        let many = "250-x\r\n".repeat(300);
        for bytes in [
            "",
            "25",
            "HTTP/1.1 200 OK\r\n",
            "2\u{e9}0 x\r\n",
            "250x\r\n",
            "150 x\r\n",
            "999 x\r\n",
            "250-a\r\n",
            &long,
            &many,
        ] {
            assert!(read(bytes.as_bytes()).await.is_err(), "{bytes:.20?}");
        }
    }
}
