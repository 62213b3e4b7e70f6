//! A static file server for one folder on this machine, strict about what it gives out.
//!
//! It does what the page asks of any static host (types, ETag, one range) and, unless told otherwise,
//! sends the headers that let the page use shared memory. It neither lists folders nor compresses.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::net::Ipv4Addr;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use anyhow::{Result, anyhow};
use percent_encoding::percent_decode_str;
use tiny_http::{Header, Method, Request, Response, Server};

/// How many answers are written at once: browsers open six connections to a host, and tests open a few
/// browsers.
const WORKERS: usize = 16;

/// What is served, and how.
pub struct SiteServer {
    /// The folder, without symbolic links in its own path.
    folder: PathBuf,
    /// Begins and ends with a slash.
    prefix: String,
    /// Whether pages are cross-origin isolated.
    isolated: bool,
}

impl SiteServer {
    /// # Errors
    /// The folder doesn't exist.
    pub fn new(folder: &Path, prefix: &str, isolated: bool) -> std::io::Result<Self> {
        let segments = prefix.split('/').filter(|segment| !segment.is_empty());
        Ok(Self {
            folder: folder.canonicalize()?,
            prefix: segments.fold("/".to_owned(), |path, segment| path + segment + "/"),
            isolated,
        })
    }

    /// Starts to answer on 127.0.0.1 and returns the address of the site; `port` 0 takes any free one.
    /// The threads that answer live as long as the process.
    ///
    /// # Errors
    /// The port is taken.
    pub fn start(self, port: u16) -> Result<String> {
        let server = Server::http((Ipv4Addr::LOCALHOST, port)).map_err(|error| {
            anyhow!("port {port} cannot be served: {error}; choose another with --port")
        })?;
        let url = format!("http://{}{}", server.server_addr(), self.prefix);
        let shared = Arc::new((server, self));
        for _ in 0..WORKERS {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || {
                let (server, site) = &*shared;
                for request in server.incoming_requests() {
                    site.answer(request);
                }
            });
        }
        Ok(url)
    }

    fn answer(&self, request: Request) {
        let response = self.response(&request);
        // Fails when the browser has gone away, which is its right.
        let _ = request.respond(response);
    }

    fn response(&self, request: &Request) -> Response<Box<dyn Read + Send>> {
        if !matches!(request.method(), Method::Get | Method::Head) {
            return self.headed(plain(405, "only GET and HEAD are answered"));
        }
        let field = |name: &'static str| {
            let mut headers = request.headers().iter();
            headers
                .find(|header| header.field.equiv(name))
                .map(|header| header.value.as_str())
        };
        let found = match self.resolve(request.url()) {
            Target::File(path) => file(
                &path,
                field("If-None-Match"),
                field("If-Range"),
                field("Range"),
            ),
            Target::Redirect(to) => Ok(plain(301, "moved").with_header(header("Location", &to))),
            Target::Nothing => Ok(plain(404, "there is no such file")),
        };
        self.headed(found.unwrap_or_else(|_| plain(404, "the file cannot be read")))
    }

    fn headed(&self, response: Response<Box<dyn Read + Send>>) -> Response<Box<dyn Read + Send>> {
        let mut response = response
            // Any page may load the client and the models, as on the usual static hosts.
            .with_header(header("Access-Control-Allow-Origin", "*"))
            .with_header(header("Cache-Control", "no-cache"))
            .with_header(header("X-Content-Type-Options", "nosniff"));
        if self.isolated {
            response.add_header(header("Cross-Origin-Opener-Policy", "same-origin"));
            response.add_header(header("Cross-Origin-Embedder-Policy", "require-corp"));
            response.add_header(header("Cross-Origin-Resource-Policy", "cross-origin"));
        }
        // Chunks would hide the length, and with it the progress of a download.
        response.with_chunked_threshold(usize::MAX)
    }

    /// The file that a request's target names, if it lies in the folder.
    fn resolve(&self, url: &str) -> Target {
        let path = url.split(['?', '#']).next().unwrap_or_default();
        let Some(inside) = path.strip_prefix(&self.prefix) else {
            let unclosed = path.strip_suffix('/').unwrap_or(path).to_owned() + "/";
            return if unclosed == self.prefix {
                Target::Redirect(self.prefix.clone())
            } else {
                Target::Nothing
            };
        };
        let Ok(decoded) = percent_decode_str(inside).decode_utf8() else {
            return Target::Nothing;
        };
        let relative = Path::new(decoded.as_ref());
        let ordinary = |part: Component<'_>| matches!(part, Component::Normal(_));
        if decoded.contains(['\\', '\0']) || !relative.components().all(ordinary) {
            return Target::Nothing;
        }
        let Ok(file) = self.folder.join(relative).canonicalize() else {
            return Target::Nothing;
        };
        // A symbolic link may lead out of the folder.
        if !file.starts_with(&self.folder) {
            return Target::Nothing;
        }
        match (file.is_dir(), path.ends_with('/')) {
            (true, true) => Target::File(file.join("index.html")),
            (true, false) => Target::Redirect(format!("{path}/")),
            (false, false) => Target::File(file),
            (false, true) => Target::Nothing,
        }
    }
}

/// What a request's target stands for.
#[derive(Debug, PartialEq)]
enum Target {
    File(PathBuf),
    Redirect(String),
    Nothing,
}

/// Answers with the file, a range of it, or with the word that the browser's copy is still good.
fn file(
    path: &Path,
    if_none_match: Option<&str>,
    if_range: Option<&str>,
    range: Option<&str>,
) -> std::io::Result<Response<Box<dyn Read + Send>>> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    let length = metadata.len();
    let modified = metadata
        .modified()?
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let etag = format!("\"{length:x}-{:x}\"", modified.as_nanos());

    let named = |tags: &str| {
        tags.split(',')
            .any(|tag| tag.trim().trim_start_matches("W/") == etag)
    };
    if if_none_match.is_some_and(|tags| tags.trim() == "*" || named(tags)) {
        let nothing: Box<dyn Read + Send> = Box::new(std::io::empty());
        let headers = vec![header("ETag", &etag)];
        return Ok(Response::new(304.into(), headers, nothing, Some(0), None));
    }
    // A range of a file that has changed since would be glued to the wrong beginning.
    let range = match range.filter(|_| if_range.is_none_or(|tag| tag == etag)) {
        Some(text) => byte_range(text, length),
        None => ByteRange::Everything,
    };
    let mut headers = vec![
        header("ETag", &etag),
        header("Accept-Ranges", "bytes"),
        header("Content-Type", media_type(path)),
    ];
    let (status, size) = match range {
        ByteRange::Everything => (200, length),
        ByteRange::Part { first, last } => {
            file.seek(SeekFrom::Start(first))?;
            let place = format!("bytes {first}-{last}/{length}");
            headers.push(header("Content-Range", &place));
            (206, last - first + 1)
        }
        ByteRange::Unsatisfiable => {
            let refused = plain(416, "the file is shorter than that");
            return Ok(refused.with_header(header("Content-Range", &format!("bytes */{length}"))));
        }
    };
    let body: Box<dyn Read + Send> = Box::new(file.take(size));
    let size = usize::try_from(size).ok();
    Ok(Response::new(status.into(), headers, body, size, None))
}

/// What a Range header asks for.
#[derive(Debug, PartialEq)]
enum ByteRange {
    Everything,
    /// Both ends included.
    Part {
        first: u64,
        last: u64,
    },
    Unsatisfiable,
}

/// Reads a Range header for a file of `length` bytes. Several ranges, other units and nonsense get the
/// whole file, as RFC 9110 allows.
fn byte_range(text: &str, length: u64) -> ByteRange {
    let ends = text
        .trim()
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'));
    let Some((first, last)) = ends else {
        return ByteRange::Everything;
    };
    let (first, last) = (first.trim(), last.trim());
    let (first, last) = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => (first, last),
        (Ok(first), Err(_)) if last.is_empty() => (first, u64::MAX),
        (Err(_), Ok(0)) if first.is_empty() => return ByteRange::Unsatisfiable,
        (Err(_), Ok(suffix)) if first.is_empty() => (length.saturating_sub(suffix), u64::MAX),
        _ => return ByteRange::Everything,
    };
    if first >= length {
        return ByteRange::Unsatisfiable;
    }
    let last = last.min(length - 1);
    ByteRange::Part { first, last }
}

fn plain(status: u16, text: &'static str) -> Response<Box<dyn Read + Send>> {
    let headers = vec![header("Content-Type", "text/plain; charset=utf-8")];
    let body: Box<dyn Read + Send> = Box::new(text.as_bytes());
    Response::new(status.into(), headers, body, Some(text.len()), None)
}

fn header(name: &str, value: &str) -> Header {
    let ascii: String = value.chars().filter(|c| (' '..='~').contains(c)).collect();
    Header::from_bytes(name, ascii).expect("printable ASCII makes a header")
}

fn media_type(path: &Path) -> &'static str {
    match path
        .extension()
        .and_then(|end| end.to_str())
        .unwrap_or_default()
    {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "wasm" => "application/wasm",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" | "md" | "ts" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpStream;

    use super::*;

    /// A folder `site` with a few files, beside a file that is nobody's business.
    struct Fixture(PathBuf);

    impl Fixture {
        fn new(name: &str) -> Self {
            let root = std::env::temp_dir().join(format!("unmask-{name}-{}", std::process::id()));
            std::fs::create_dir_all(root.join("site/models")).unwrap();
            std::fs::write(root.join("secret"), "secret").unwrap();
            std::fs::write(root.join("site/index.html"), "<p>page").unwrap();
            std::fs::write(root.join("site/models/tiny model.gguf"), "0123456789").unwrap();
            Self(root)
        }

        fn server(&self) -> SiteServer {
            SiteServer::new(&self.0.join("site"), "/a/b/", true).unwrap()
        }
    }

    impl Drop for Fixture {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_prefix_gets_its_slashes() {
        let fixture = Fixture::new("prefix");
        for (given, used) in [("", "/"), ("/", "/"), ("a/b", "/a/b/"), ("//a//b", "/a/b/")] {
            let server = SiteServer::new(&fixture.0, given, true).unwrap();
            assert_eq!(server.prefix, used);
        }
    }

    #[test]
    fn files_are_found_below_the_prefix_alone() {
        let fixture = Fixture::new("resolve");
        let server = fixture.server();
        let site = fixture.0.join("site").canonicalize().unwrap();
        assert_eq!(
            server.resolve("/a/b/"),
            Target::File(site.join("index.html"))
        );
        assert_eq!(
            server.resolve("/a/b/index.html?x=1"),
            Target::File(site.join("index.html"))
        );
        let model = site.join("models/tiny model.gguf");
        assert_eq!(
            server.resolve("/a/b/models/tiny%20model.gguf"),
            Target::File(model)
        );
        assert_eq!(server.resolve("/a/b"), Target::Redirect("/a/b/".into()));
        assert_eq!(
            server.resolve("/a/b/models"),
            Target::Redirect("/a/b/models/".into())
        );
        for missing in [
            "/",
            "/index.html",
            "/a/",
            "/a/bindex.html",
            "/a/b/none",
            "/a/b/index.html/",
        ] {
            assert_eq!(server.resolve(missing), Target::Nothing, "{missing}");
        }
    }

    #[test]
    fn nothing_outside_the_folder_is_given_out() {
        let fixture = Fixture::new("traversal");
        let server = fixture.server();
        for path in [
            "/a/b/../secret",
            "/a/b/models/../../secret",
            "/a/b/%2e%2e/secret",
            "/a/b/..%2fsecret",
            "/a/b/..%5csecret",
            "/a/b//etc/passwd",
            "/a/b/%2fetc/passwd",
            "/a/b/index.html%00",
            "/a/b/%ff",
        ] {
            assert_eq!(server.resolve(path), Target::Nothing, "{path}");
        }
        #[cfg(unix)]
        {
            let link = fixture.0.join("site/link");
            std::os::unix::fs::symlink(fixture.0.join("secret"), link).unwrap();
            assert_eq!(server.resolve("/a/b/link"), Target::Nothing);
        }
    }

    #[test]
    fn ranges_are_read_as_rfc_9110_has_them() {
        let part = |first, last| ByteRange::Part { first, last };
        for (text, expected) in [
            ("bytes=0-3", part(0, 3)),
            ("bytes=4-", part(4, 9)),
            ("bytes=-2", part(8, 9)),
            ("bytes=-99", part(0, 9)),
            ("bytes=5-99", part(5, 9)),
            ("bytes=10-", ByteRange::Unsatisfiable),
            ("bytes=-0", ByteRange::Unsatisfiable),
            ("bytes=3-1", ByteRange::Everything),
            ("bytes=0-1,4-5", ByteRange::Everything),
            ("bytes=-", ByteRange::Everything),
            ("lines=0-1", ByteRange::Everything),
        ] {
            assert_eq!(byte_range(text, 10), expected, "{text}");
        }
        assert_eq!(byte_range("bytes=0-0", 0), ByteRange::Unsatisfiable);
    }

    /// One request over a real connection: the head and the body of the answer.
    fn exchange(url: &str, path: &str, fields: &str) -> (String, String) {
        let address = url.trim_start_matches("http://").split('/').next().unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{fields}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }

    #[test]
    fn a_client_can_resume_and_revalidate() {
        let fixture = Fixture::new("live");
        let url = fixture.server().start(0).unwrap();
        assert!(url.ends_with("/a/b/"));
        let path = "/a/b/models/tiny%20model.gguf";

        let (head, body) = exchange(&url, path, "");
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert!(head.contains("Content-Type: application/octet-stream"));
        assert!(head.contains("Content-Length: 10"));
        assert!(head.contains("Cross-Origin-Embedder-Policy: require-corp"));
        assert_eq!(body, "0123456789");

        let etag = head
            .lines()
            .find_map(|line| line.strip_prefix("ETag: "))
            .unwrap();
        let (head, body) = exchange(&url, path, &format!("If-None-Match: {etag}\r\n"));
        assert!(head.starts_with("HTTP/1.1 304 "), "{head}");
        assert_eq!(body, "");

        let (head, body) = exchange(
            &url,
            path,
            &format!("Range: bytes=4-\r\nIf-Range: {etag}\r\n"),
        );
        assert!(head.starts_with("HTTP/1.1 206 "), "{head}");
        assert!(head.contains("Content-Range: bytes 4-9/10"));
        assert_eq!(body, "456789");

        let (_, body) = exchange(&url, path, "Range: bytes=4-\r\nIf-Range: \"older\"\r\n");
        assert_eq!(body, "0123456789");

        let (head, _) = exchange(&url, path, "Range: bytes=10-\r\n");
        assert!(head.starts_with("HTTP/1.1 416 "), "{head}");
    }

    #[test]
    fn a_plain_host_sends_no_isolation_headers() {
        let fixture = Fixture::new("plain");
        let server = SiteServer::new(&fixture.0.join("site"), "/", false).unwrap();
        let (head, body) = exchange(&server.start(0).unwrap(), "/", "");
        assert!(!head.contains("Cross-Origin-"), "{head}");
        assert_eq!(body, "<p>page");
    }
}
