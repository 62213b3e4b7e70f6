//! Just enough HTTP/1.1 for files on this machine: GET and HEAD, connections that stay open, a thread each.

use std::io::{BufRead, BufReader, Cursor, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;

/// The longest request head that is read; a browser's has a few hundred bytes.
const MAX_HEAD: usize = 32 * 1024;

/// A request without its body, which GET and HEAD don't have.
pub struct Request {
    /// `GET`, `HEAD`, or what is refused.
    pub method: String,
    /// Path and query, as they were sent.
    pub target: String,
    headers: Vec<(String, String)>,
}

impl Request {
    /// The value of a header; `name` in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Parses a head that ends with an empty line.
    fn parse(head: &[u8]) -> Option<Self> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut headers);
        if !request.parse(head).ok()?.is_complete() {
            return None;
        }
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let headers = request.headers.iter();
        Some(Self {
            method: request.method?.to_owned(),
            target: request.path?.to_owned(),
            headers: headers
                .map(|header| (header.name.to_owned(), text(header.value)))
                .collect(),
        })
    }
}

/// What a request gets.
pub struct Response {
    /// Such as `200 OK`.
    pub status: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Box<dyn Read>,
    length: u64,
}

impl Response {
    /// A response whose body is the first `length` bytes of `body`.
    pub fn new(status: &'static str, body: impl Read + 'static, length: u64) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Box::new(body.take(length)),
            length,
        }
    }

    /// A sentence for people.
    pub fn plain(status: &'static str, text: &'static str) -> Self {
        Self::new(status, Cursor::new(text), text.len() as u64)
            .with("Content-Type", "text/plain; charset=utf-8")
    }

    /// The response with one more header. What no header can hold is left out of its value.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        let mut value = value.into();
        value.retain(|c| (' '..='~').contains(&c));
        self.headers.push((name, value));
        self
    }

    fn write(mut self, stream: &mut impl Write, with_body: bool) -> std::io::Result<()> {
        let mut head = format!("HTTP/1.1 {}\r\n", self.status);
        // A 304 has no body of its own; a length would speak of the file it stands for.
        if !self.status.starts_with("304") {
            head += &format!("Content-Length: {}\r\n", self.length);
        }
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        stream.write_all((head + "\r\n").as_bytes())?;
        if with_body {
            let written = std::io::copy(&mut self.body, stream)?;
            if written < self.length {
                // The file has shrunk meanwhile: only a closed connection tells the client.
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
        stream.flush()
    }
}

/// Answers on 127.0.0.1 with `answer` for as long as the process lives, and returns the port; `port` 0 takes
/// any free one.
///
/// # Errors
/// The port is taken.
pub fn listen(
    port: u16,
    answer: impl Fn(&Request) -> Response + Send + Sync + 'static,
) -> std::io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let port = listener.local_addr()?.port();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            // An error means that the client has gone away, which is its right.
            std::thread::spawn(move || serve_connection(&stream, &*answer));
        }
    });
    Ok(port)
}

fn serve_connection(
    stream: &TcpStream,
    answer: &dyn Fn(&Request) -> Response,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut input = BufReader::new(stream);
    let mut output = stream;
    while let Some(head) = read_head(&mut input)? {
        let Some(request) = Request::parse(&head) else {
            let refusal = Response::plain("400 Bad Request", "this is not a request");
            return refusal.with("Connection", "close").write(&mut output, true);
        };
        let get = request.method == "GET";
        // Whatever else has a body, which isn't read: the connection cannot go on.
        let last = !(get || request.method == "HEAD")
            || request
                .header("Connection")
                .is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let mut response = answer(&request);
        if last {
            response = response.with("Connection", "close");
        }
        response.write(&mut output, get || last)?;
        if last {
            break;
        }
    }
    Ok(())
}

/// Reads up to the empty line after a request's headers; `None` where the client has closed the connection.
fn read_head(input: &mut impl BufRead) -> std::io::Result<Option<Vec<u8>>> {
    let mut head = Vec::new();
    loop {
        let before = head.len();
        let room = (MAX_HEAD - before) as u64;
        let read = input.by_ref().take(room).read_until(b'\n', &mut head)?;
        if read == 0 {
            return Ok(None);
        }
        if matches!(&head[before..], b"\r\n" | b"\n") {
            return Ok(Some(head));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_one_by_one_and_never_without_end() {
        let mut input = Cursor::new(
            b"GET /a HTTP/1.1\r\nRange: bytes=0-\r\n\r\nHEAD /b HTTP/1.1\r\n\r\n".to_vec(),
        );
        let first = Request::parse(&read_head(&mut input).unwrap().unwrap()).unwrap();
        assert_eq!(
            (first.method.as_str(), first.target.as_str()),
            ("GET", "/a")
        );
        assert_eq!(first.header("range"), Some("bytes=0-"));
        let second = Request::parse(&read_head(&mut input).unwrap().unwrap()).unwrap();
        assert_eq!(second.method, "HEAD");
        assert!(read_head(&mut input).unwrap().is_none());

        let mut endless = BufReader::new(std::io::repeat(b'x'));
        assert!(read_head(&mut endless).unwrap().is_none());
        assert!(Request::parse(b"nonsense\r\n\r\n").is_none());
    }

    #[test]
    fn no_value_can_add_a_header() {
        let mut written = Vec::new();
        let response = Response::plain("301 Moved Permanently", "moved");
        let response = response.with("Location", "/a\r\nSet-Cookie: b");
        response.write(&mut written, false).unwrap();
        let written = String::from_utf8(written).unwrap();
        assert!(
            written.contains("Location: /aSet-Cookie: b\r\n"),
            "{written}"
        );
        assert!(written.ends_with("\r\n\r\n"));
    }
}
