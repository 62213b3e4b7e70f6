//! `cargo xtask portable`: the whole site in one HTML file, which runs when it is opened from a disk or a stick.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::build;
use crate::compress::{copy_of, is_copy, shrinks};
use crate::files::{address, is_among, walk};
use crate::process::say;
use crate::seal::integrity;
use crate::workspace::{dist, root};

/// What the file carries of the site; folders end with a slash.
const PARTS: [&str; 5] = ["unmask.js", "engine/", "page/", "models/", "traces/"];

/// Finds the embedded files and starts the page.
const BOOT: &str = include_str!("portable/boot.js");

/// Builds the site unless `--no-build` is given, and writes `portable/unmask.html`.
///
/// # Errors
/// An argument is unknown, the build fails, or there is nothing built.
pub fn run(mut args: pico_args::Arguments) -> Result<()> {
    let build = !args.contains("--no-build");
    crate::finish(args)?;
    if build {
        build::site()?;
    }
    say("Writing the site to one file");
    let html = one_file(&dist()).context("dist/ is not whole; run `cargo xtask build`")?;
    let folder = root().join("portable");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("unmask.html"), &html)?;
    say(&format!(
        "{} has {} bytes; a browser opens it from wherever it lies",
        folder.join("unmask.html").display(),
        html.len()
    ));
    Ok(())
}

/// The page's body, its styles, and every other file as base64, compressed where it shrinks.
fn one_file(site: &Path) -> Result<String> {
    let index = fs::read_to_string(site.join("index.html"))?;
    let between = |start: &str, end: &str| {
        let (_, rest) = index.split_once(start)?;
        Some(rest.split_once(end)?.0)
    };
    let title = between("<title>", "</title>").context("the page has no title")?;
    let body = between("<body>", "</body>").context("the page has no body")?;
    let mut styles = String::new();
    for rest in index.split("href=\"./page/").skip(1) {
        let (name, _) = rest.split_once('"').unwrap_or_default();
        if name.ends_with(".css") {
            styles += &fs::read_to_string(site.join("page").join(name))?;
        }
    }
    // The file may not even ask the network.
    let policy = format!(
        "default-src 'none'; script-src '{}' blob: data: 'wasm-unsafe-eval'; style-src '{}'; worker-src blob:; \
         img-src data: blob:; base-uri 'none'; form-action 'none'",
        integrity(BOOT.as_bytes()),
        integrity(styles.as_bytes()),
    );
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>{styles}</style></head><body>{body}\n"
    );
    for file in walk(site)? {
        let path = address(&file, site)?;
        // Opened from a disk, a page may not share memory, nor keep models.
        let unusable = ["/threads/", "/importer"]
            .iter()
            .any(|part| path.starts_with("engine/") && path.contains(part));
        if !is_among(&PARTS, &path) || is_copy(&file) || path.ends_with(".css") || unusable {
            continue;
        }
        let (content, compressed) = match shrinks(&file) {
            true => (fs::read(copy_of(&file, "gz"))?, " data-gzip"),
            false => (fs::read(&file)?, ""),
        };
        html += &format!("<script type=\"text/plain\" data-path=\"{path}\"{compressed}>");
        STANDARD.encode_string(content, &mut html);
        html += "</script>\n";
    }
    html += &format!("<script type=\"module\">{BOOT}</script>\n</body></html>\n");
    Ok(html)
}
