//! One keep-alive HTTP/1.1 connection that sends requests and reads responses as bytes.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// The timeout for connecting, writing and reading.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A connection that reconnects after an error or after a response with `Connection: close`.
pub struct Connection {
    server: SocketAddr,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

/// A response.
pub struct Response {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Response {
    /// Returns the value of a header. Names are compared without regard to case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }
}

impl Connection {
    pub fn open(server: SocketAddr) -> io::Result<Self> {
        let mut connection = Self { server, stream: None, buffer: Vec::with_capacity(16 * 1024) };
        connection.stream()?;
        Ok(connection)
    }

    /// Sends a complete request and reads its complete response. After an error or a response with `Connection: close`,
    /// the next call opens a new connection.
    pub fn exchange(&mut self, request: &[u8]) -> io::Result<Response> {
        let response = self.stream()?.write_all(request).and_then(|()| self.read_response());
        let ends = |response: &Response| {
            response.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
        };
        if response.as_ref().map_or(true, ends) {
            self.stream = None;
            self.buffer.clear();
        }
        response
    }

    fn stream(&mut self) -> io::Result<&mut TcpStream> {
        if self.stream.is_none() {
            let stream = TcpStream::connect_timeout(&self.server, TIMEOUT)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(TIMEOUT))?;
            stream.set_write_timeout(Some(TIMEOUT))?;
            self.stream = Some(stream);
        }
        self.stream.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn read_response(&mut self) -> io::Result<Response> {
        let end = loop {
            match self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                Some(end) => break end + 4,
                None => self.fill_buffer()?,
            }
        };
        let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        self.buffer.drain(..end);
        let status =
            head.get(9..12).and_then(|digits| digits.parse().ok()).ok_or_else(|| invalid_data("no status line"))?;
        let mut response = Response { status, head, body: Vec::new() };
        let bodiless = matches!(status, 100..=199 | 204 | 304);
        if !bodiless {
            response.body = match response.header("content-length").map(str::parse) {
                Some(length) => self.take(length.map_err(|_| invalid_data("invalid Content-Length"))?)?,
                None if response
                    .header("transfer-encoding")
                    .is_some_and(|value| value.eq_ignore_ascii_case("chunked")) =>
                {
                    self.chunks()?
                }
                None => return Err(invalid_data("neither Content-Length nor chunked")),
            };
        }
        Ok(response)
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let end = loop {
                match self.buffer.windows(2).position(|window| window == b"\r\n") {
                    Some(end) => break end,
                    None => self.fill_buffer()?,
                }
            };
            let line = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
            let length = usize::from_str_radix(line.split(';').next().unwrap_or("").trim(), 16)
                .map_err(|_| invalid_data("invalid chunk size"))?;
            self.take(end + 2)?;
            body.extend(self.take(length + 2)?.into_iter().take(length));
            if length == 0 {
                return Ok(body);
            }
        }
    }

    fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < length {
            self.fill_buffer()?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    fn fill_buffer(&mut self) -> io::Result<()> {
        let mut part = [0; 16 * 1024];
        let read = self.stream()?.read(&mut part)?;
        self.buffer.extend_from_slice(&part[..read]);
        if read == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

fn invalid_data(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
