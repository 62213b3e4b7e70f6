//! The last step of a build: makes `dist/` safe to put on any host, and to replace there file by file.
//!
//! What can change keeps its name (`index.html`, `unmask.js`, `sw.js`, ...) and points to folders named by digests of
//! what is in them (`page/...`, `engine/...`), so that no cache can pair files of two builds. The page's policy
//! learns its inline scripts, and the service worker the files to keep.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::build::IMPORTER;
use crate::compress::{compress, is_copy};
use crate::files::{address, content_hash, entries, files_in, walk};

/// What `public/unmask.js` and `public/sw.js` call the engine's folder.
const ENGINE_PLACEHOLDER: &str = "engine/dev/";
/// Where `public/sw.js` takes the list of the site's files.
const SITE_PLACEHOLDER: &str = r#"{ version: "dev", files: [], artifacts: {} }"#;
/// How `index.html` and `embed.js` name the client.
const CLIENT_PLACEHOLDER: &str = r#""unmask.js""#;
/// Where the page's policy says what may run.
const SCRIPTS_PLACEHOLDER: &str = "script-src 'self'";

/// Models up to this size are kept for offline use before anybody asks for them.
const SMALL_MODEL: u64 = 2 << 20;

/// Moves everything that Trunk has written beside `index.html` to a folder named by its digest.
///
/// # Errors
/// A file cannot be read or moved.
pub fn gather_page(site: &Path) -> Result<()> {
    let staging = site.join("page/staging");
    fs::create_dir_all(&staging)?;
    let mut names = Vec::new();
    for path in entries(site)? {
        let name = path.file_name().context("an entry without a name")?;
        let name = name.to_string_lossy().into_owned();
        if !matches!(name.as_str(), "index.html" | "page") {
            fs::rename(&path, staging.join(&name)).with_context(|| format!("moving {name}"))?;
            names.push(name);
        }
    }
    let hash = content_hash(&staging)?;
    fs::rename(&staging, site.join("page").join(&hash)).context("naming the page's folder")?;
    rewrite(&site.join("index.html"), |html| {
        Ok(names.iter().fold(html, |html, name| {
            html.replace(&format!("./{name}"), &format!("./page/{hash}/{name}"))
        }))
    })
}

/// Seals the finished site, whose engine is in the folder `engine` of `engine/`.
///
/// # Errors
/// A file cannot be read or written, or lacks the place for what the build has to say.
pub fn seal(site: &Path, engine: &str) -> Result<()> {
    let folder = format!("engine/{engine}/");
    let client = site.join("unmask.js");
    rewrite(&client, |source| {
        replaced(&source, ENGINE_PLACEHOLDER, &folder)
    })?;
    let version = &digest(&fs::read(&client)?)[..16];
    let address = format!(r#""unmask.js?v={version}""#);
    rewrite(&site.join("embed.js"), |source| {
        replaced(&source, CLIENT_PLACEHOLDER, &address)
    })?;
    rewrite(&site.join("index.html"), |html| {
        let html = replaced(&html, CLIENT_PLACEHOLDER, &address)?;
        let sources =
            inline_scripts(&html).map(|script| format!(" '{}'", integrity(script.as_bytes())));
        let allowed = SCRIPTS_PLACEHOLDER.to_owned() + &sources.collect::<String>();
        replaced(&html, SCRIPTS_PLACEHOLDER, &allowed)
    })?;
    let kept = Kept::of(site, engine)?;
    rewrite(&site.join("sw.js"), |worker| {
        let worker = replaced(&worker, ENGINE_PLACEHOLDER, &folder)?;
        replaced(&worker, SITE_PLACEHOLDER, &kept.to_json(site, version)?)
    })?;
    for file in walk(site)? {
        if !is_copy(&file) {
            compress(&file)?;
        }
    }
    Ok(())
}

/// What the service worker keeps for when there is no network.
pub struct Kept {
    /// Whatever every browser needs.
    pub files: Vec<PathBuf>,
    /// The engine's artifacts by name; a browser needs one of them.
    pub artifacts: BTreeMap<String, Vec<PathBuf>>,
}

impl Kept {
    /// Chooses among the files of a built site.
    ///
    /// # Errors
    /// A folder cannot be listed.
    pub fn of(site: &Path, engine: &str) -> Result<Self> {
        let engine = site.join("engine").join(engine);
        let below = |folder: &str| -> Result<Vec<PathBuf>> {
            let folder = site.join(folder);
            if folder.is_dir() {
                walk(&folder)
            } else {
                Ok(Vec::new())
            }
        };
        let mut files = vec![
            site.join("index.html"),
            site.join("unmask.js"),
            site.join("embed.js"),
            site.join("manifest.webmanifest"),
        ];
        for folder in ["icons", "page", "traces"] {
            files.extend(below(folder)?);
        }
        files.extend(files_in(&engine)?);
        for file in below("models")? {
            if fs::metadata(&file)?.len() <= SMALL_MODEL {
                files.push(file);
            }
        }
        files.retain(|file| !is_copy(file));
        let mut artifacts = BTreeMap::new();
        for path in entries(&engine)?.into_iter().filter(|path| path.is_dir()) {
            let name = path.file_name().context("a folder without a name")?;
            let mut files = walk(&path)?;
            files.retain(|file| !is_copy(file));
            artifacts.insert(name.to_string_lossy().into_owned(), files);
        }
        // No build of the engine, and of no use without a network at first: kept once somebody has imported a model.
        artifacts.remove(IMPORTER);
        Ok(Self { files, artifacts })
    }

    /// As `sw.js` wants it: addresses relative to the site, each with its digest. The client's carries its version,
    /// as in the page.
    fn to_json(&self, site: &Path, client_version: &str) -> Result<String> {
        let list = |files: &[PathBuf]| -> Result<Vec<[String; 2]>> {
            let entry = |file: &PathBuf| {
                let path = address(file, site)?;
                let address = match path.as_str() {
                    "index.html" => String::new(),
                    "unmask.js" => format!("unmask.js?v={client_version}"),
                    _ => path,
                };
                Ok([address, integrity(&fs::read(file)?)])
            };
            files.iter().map(entry).collect()
        };
        let files = list(&self.files)?;
        let artifacts = self.artifacts.iter();
        let artifacts: BTreeMap<_, _> = artifacts
            .map(|(name, files)| Ok((name, list(files)?)))
            .collect::<Result<_>>()?;
        let everything = serde_json::json!({ "files": files, "artifacts": artifacts });
        let version = &digest(everything.to_string().as_bytes())[..16];
        let site =
            serde_json::json!({ "version": version, "files": files, "artifacts": artifacts });
        Ok(site.to_string())
    }
}

/// What stands inside the page's own script elements.
fn inline_scripts(html: &str) -> impl Iterator<Item = &str> {
    html.split("<script").skip(1).filter_map(|rest| {
        let (attributes, rest) = rest.split_once('>')?;
        let (script, _) = rest.split_once("</script>")?;
        (!attributes.contains("src=")).then_some(script)
    })
}

fn rewrite(file: &Path, change: impl FnOnce(String) -> Result<String>) -> Result<()> {
    let named = || file.display().to_string();
    let content = fs::read_to_string(file).with_context(named)?;
    fs::write(file, change(content).with_context(named)?).with_context(named)
}

fn replaced(text: &str, placeholder: &str, by: &str) -> Result<String> {
    ensure!(
        text.contains(placeholder),
        "it doesn't contain `{placeholder}`, which the build replaces"
    );
    Ok(text.replace(placeholder, by))
}

/// A digest as policies and `fetch` take it.
pub fn integrity(content: &[u8]) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(content)))
}

fn digest(content: &[u8]) -> String {
    format!("{:x}", Sha256::digest(content))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &str = r#"<meta content="script-src 'self'; style-src 'self'">
        <link rel="modulepreload" id="client" href="unmask.js" /><link href="./page.css">
        <script type="module" src="./site.js"></script><script type="module">import './unmask-0.js';</script>"#;

    /// A site as it is before it is sealed, with one artifact and two models.
    struct Fixture(PathBuf);

    impl Fixture {
        fn new(name: &str) -> Self {
            let site =
                std::env::temp_dir().join(format!("unmask-seal-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&site);
            let files: [(&str, &str); 4] = [
                ("index.html", INDEX),
                ("page.css", "p {}"),
                ("site.js", "site"),
                ("unmask-0.js", "page"),
            ];
            fs::create_dir_all(&site).unwrap();
            for (name, content) in files {
                fs::write(site.join(name), content).unwrap();
            }
            gather_page(&site).unwrap();
            let worker =
                format!("import './engine/dev/artifacts.js';\nconst SITE = {SITE_PLACEHOLDER};");
            for (name, content) in [
                ("unmask.js", "new URL('engine/dev/worker.js', here)"),
                ("sw.js", worker.as_str()),
                ("embed.js", r#"import("unmask.js")"#),
                ("manifest.webmanifest", "{}"),
                ("engine/0a1b/worker.js", "worker"),
                ("engine/0a1b/simd128/engine.wasm", "wasm"),
                ("engine/0a1b/importer/importer.wasm", "wasm"),
                ("models/small.gguf", "weights"),
            ] {
                let file = site.join(name);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, content).unwrap();
            }
            let large = fs::File::create(site.join("models/large.gguf")).unwrap();
            large.set_len(SMALL_MODEL + 1).unwrap();
            seal(&site, "0a1b").unwrap();
            Self(site)
        }

        fn read(&self, name: &str) -> String {
            fs::read_to_string(self.0.join(name)).unwrap()
        }
    }

    impl Drop for Fixture {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_page_points_to_files_that_never_change() {
        let site = Fixture::new("page");
        let page = entries(&site.0.join("page")).unwrap();
        let [folder] = page.as_slice() else {
            panic!("one folder, not {page:?}");
        };
        let name = folder.file_name().unwrap().to_string_lossy();
        let html = site.read("index.html");
        for file in ["page.css", "site.js", "unmask-0.js"] {
            assert!(folder.join(file).is_file());
            assert!(html.contains(&format!("./page/{name}/{file}")), "{html}");
        }
        let client = digest(site.read("unmask.js").as_bytes());
        let address = format!(r#""unmask.js?v={}""#, &client[..16]);
        assert!(html.contains(&address), "{html}");
        assert!(site.read("embed.js").contains(&address));
    }

    #[test]
    fn the_policy_allows_the_inline_script_as_it_stands_in_the_page() {
        let html = Fixture::new("policy").read("index.html");
        let scripts: Vec<_> = inline_scripts(&html).collect();
        let [script] = scripts.as_slice() else {
            panic!("one inline script, not {scripts:?}");
        };
        assert!(script.starts_with("import './page/"));
        assert!(html.contains(&format!(
            "script-src 'self' '{}';",
            integrity(script.as_bytes())
        )));
    }

    #[test]
    fn client_and_service_worker_learn_the_engines_folder() {
        let site = Fixture::new("engine");
        assert!(site.read("unmask.js").contains("engine/0a1b/worker.js"));
        assert!(site.read("sw.js").contains("./engine/0a1b/artifacts.js"));
    }

    #[test]
    fn the_service_worker_keeps_everything_but_large_models() {
        let site = Fixture::new("kept");
        let worker = site.read("sw.js");
        let (_, json) = worker.split_once("SITE = ").unwrap();
        let list: serde_json::Value = serde_json::from_str(json.trim_end_matches(';')).unwrap();
        let files = list["files"].as_array().unwrap();
        let addresses: Vec<_> = files.iter().map(|file| file[0].as_str().unwrap()).collect();
        assert!(addresses.contains(&""));
        assert!(addresses.contains(&"models/small.gguf"));
        assert!(addresses.contains(&"engine/0a1b/worker.js"));
        assert!(!addresses.contains(&"engine/0a1b/importer/importer.wasm"));
        assert_eq!(list["artifacts"].as_object().unwrap().len(), 1);
        for absent in ["models/large.gguf", "sw.js", "unmask.js", "index.html"] {
            assert!(!addresses.contains(&absent), "{absent}");
        }
        let wasm = &list["artifacts"]["simd128"][0];
        assert_eq!(wasm[0], "engine/0a1b/simd128/engine.wasm");
        assert_eq!(wasm[1], integrity(b"wasm"));
        assert!(site.0.join("engine/0a1b/simd128/engine.wasm.br").is_file());
    }

    #[test]
    fn a_file_without_its_placeholder_fails_the_build() {
        let error = replaced(
            "const engine = 'somewhere/';",
            ENGINE_PLACEHOLDER,
            "engine/0a1b/",
        );
        assert!(error.unwrap_err().to_string().contains(ENGINE_PLACEHOLDER));
    }
}
