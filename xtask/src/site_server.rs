//! One folder as a static host, strict about what it gives out.
//!
//! It does what the page asks of any static host (types, ETag, one range) and, unless told otherwise,
//! sends the headers that let the page use shared memory. It neither lists folders nor compresses.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result};
use percent_encoding::percent_decode_str;

use crate::http::{Request, Response, listen};

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
    ///
    /// # Errors
    /// The port is taken.
    pub fn start(self, port: u16) -> Result<String> {
        let prefix = self.prefix.clone();
        let port = listen(port, move |request| self.response(request))
            .with_context(|| format!("port {port} cannot be served; choose another with --port"))?;
        Ok(format!("http://127.0.0.1:{port}{prefix}"))
    }

    fn response(&self, request: &Request) -> Response {
        let response = match self.resolve(&request.target) {
            _ if !matches!(request.method.as_str(), "GET" | "HEAD") => {
                Response::plain("405 Method Not Allowed", "only GET and HEAD are answered")
            }
            Target::File(path) => file(&path, request)
                .unwrap_or_else(|_| Response::plain("404 Not Found", "the file cannot be read")),
            Target::Redirect(to) => {
                Response::plain("301 Moved Permanently", "moved").with("Location", to)
            }
            Target::Nothing => Response::plain("404 Not Found", "there is no such file"),
        };
        let response = response
            // Any page may load the client and the models, as on the usual static hosts.
            .with("Access-Control-Allow-Origin", "*")
            .with("Cache-Control", "no-cache")
            .with("X-Content-Type-Options", "nosniff");
        if !self.isolated {
            return response;
        }
        response
            .with("Cross-Origin-Opener-Policy", "same-origin")
            .with("Cross-Origin-Embedder-Policy", "require-corp")
            .with("Cross-Origin-Resource-Policy", "cross-origin")
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
fn file(path: &Path, request: &Request) -> std::io::Result<Response> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    let length = metadata.len();
    let modified = metadata.modified()?;
    let age = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    let etag = format!("\"{length:x}-{:x}\"", age.as_nanos());

    let names_it = |tags: &str| {
        let mut tags = tags
            .split(',')
            .map(|tag| tag.trim().trim_start_matches("W/"));
        tags.any(|tag| tag == "*" || tag == etag)
    };
    if request.header("If-None-Match").is_some_and(names_it) {
        let unchanged = Response::new("304 Not Modified", std::io::empty(), 0);
        return Ok(unchanged.with("ETag", etag));
    }
    // A range of a file that has changed since would be glued to the wrong beginning.
    let same_file = request.header("If-Range").is_none_or(|tag| tag == etag);
    let range = match request.header("Range").filter(|_| same_file) {
        Some(text) => byte_range(text, length),
        None => ByteRange::Everything,
    };
    let response = match range {
        ByteRange::Everything => Response::new("200 OK", file, length),
        ByteRange::Part { first, last } => {
            file.seek(SeekFrom::Start(first))?;
            Response::new("206 Partial Content", file, last - first + 1)
                .with("Content-Range", format!("bytes {first}-{last}/{length}"))
        }
        ByteRange::Unsatisfiable => {
            let refusal = "the file is shorter than that";
            let refusal = Response::plain("416 Range Not Satisfiable", refusal);
            return Ok(refusal.with("Content-Range", format!("bytes */{length}")));
        }
    };
    Ok(response
        .with("ETag", etag)
        .with("Accept-Ranges", "bytes")
        .with("Content-Type", media_type(path)))
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
    use std::io::{Read, Write};
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
    fn open_connections_hold_nobody_up() {
        let fixture = Fixture::new("idle");
        let url = fixture.server().start(0).unwrap();
        let address = url.trim_start_matches("http://").split('/').next().unwrap();
        let idle: Vec<_> = (0..64)
            .map(|_| TcpStream::connect(address).unwrap())
            .collect();
        let (_, body) = exchange(&url, "/a/b/", "");
        assert_eq!(body, "<p>page");
        drop(idle);
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
