//! The page's files, inside the binary: there is no folder to install and no other host to ask.
//!
//! Their folder is named by the hash of them all. So a browser may keep them forever, and a new
//! version has new names. Each file is compressed once, at the first use.

use std::hash::{Hash, Hasher};
use std::{collections::hash_map::DefaultHasher, io::Write, sync::OnceLock};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};

/// A file of the page.
#[derive(Debug)]
pub(super) struct Asset {
    /// Its path below `ui/`; empty for the page itself.
    pub(super) path: String,
    pub(super) content_type: &'static str,
    pub(super) plain: Bytes,
    /// `None` if it could not be compressed.
    pub(super) gzip: Option<Bytes>,
    pub(super) etag: String,
}

/// The folder in the page's links; the hash replaces it.
const FOLDER: &str = "ui/web/";

const PAGE: &str = include_str!("web/index.html");
const FILES: [(&str, &str); 9] = [
    ("style.css", include_str!("web/style.css")),
    ("app.js", include_str!("web/app.js")),
    ("model.js", include_str!("web/model.js")),
    ("units.js", include_str!("web/units.js")),
    ("graph.js", include_str!("web/graph.js")),
    ("table.js", include_str!("web/table.js")),
    ("detail.js", include_str!("web/detail.js")),
    ("flamegraph.js", include_str!("web/flamegraph.js")),
    ("licenses.txt", include_str!("web/licenses.txt")),
];

/// The asset at a path below `ui/`.
pub(super) fn find(path: &str) -> Option<&'static Asset> {
    all().iter().find(|asset| asset.path == path)
}

fn all() -> &'static [Asset] {
    static ALL: OnceLock<Vec<Asset>> = OnceLock::new();
    ALL.get_or_init(|| {
        let version = hash(&(PAGE, FILES));
        let page = PAGE.replace(FOLDER, &format!("ui/{version}/"));
        let files = FILES.iter().map(|(name, text)| {
            let text = Bytes::from_static(text.as_bytes());
            Asset::new(format!("{version}/{name}"), text)
        });
        let page = [Asset::new(String::new(), page.into())];
        page.into_iter().chain(files).collect()
    })
}

impl Asset {
    fn new(path: String, plain: Bytes) -> Self {
        let content_type = match path.rsplit_once('.') {
            Some((_, "css")) => "text/css; charset=utf-8",
            Some((_, "js")) => "text/javascript; charset=utf-8",
            Some(_) => "text/plain; charset=utf-8",
            None => "text/html; charset=utf-8",
        };
        Self {
            path,
            content_type,
            gzip: gzip(&plain, Compression::best()),
            etag: format!("\"{}\"", hash(&plain)),
            plain,
        }
    }

    /// Whether its path changes with its content.
    pub(super) fn is_immutable(&self) -> bool {
        !self.path.is_empty()
    }
}

pub(super) fn gzip(plain: &[u8], level: Compression) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(plain).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

/// The same for the same build of this crate, which is all that a browser's cache needs.
fn hash(content: &impl Hash) -> String {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_page_is_small() {
        let gzip = |asset: &Asset| asset.gzip.as_ref().expect("writing to memory").len();
        let compressed: usize = all().iter().map(gzip).sum();
        assert!(compressed < 150_000, "{compressed}");
        // The size that docs/page.md states.
        assert!(compressed < 60_000, "{compressed}");
    }

    /// The files that a text refers to by a quoted path.
    fn referred(text: &str) -> Vec<String> {
        let names = FILES.iter().map(|(name, _)| *name);
        let quotes = text.split(['"', '\'']);
        let quoted: Vec<&str> = quotes.collect();
        names
            .filter(|name| {
                quoted
                    .iter()
                    .any(|q| q.rsplit('/').next() == Some(name) && q.contains('/'))
            })
            .map(String::from)
            .collect()
    }

    #[test]
    fn every_file_is_reached_from_the_page() {
        let mut reached = referred(PAGE);
        let mut at = 0;
        while let Some(name) = reached.get(at) {
            let (_, text) = FILES.iter().find(|(file, _)| file == name).unwrap();
            for next in referred(text) {
                if !reached.contains(&next) {
                    reached.push(next);
                }
            }
            at += 1;
        }
        reached.sort();
        let mut files: Vec<String> = FILES.iter().map(|(name, _)| name.to_string()).collect();
        files.sort();
        assert_eq!(reached, files);
    }

    #[test]
    fn every_reference_of_the_page_is_served() {
        let page = find("").unwrap();
        let text = std::str::from_utf8(&page.plain).unwrap();
        assert!(!text.contains(FOLDER));
        let places: Vec<&str> = text
            .split('"')
            .filter(|part| part.starts_with("ui/"))
            .collect();
        assert!(places.len() >= 4, "{places:?}");
        for place in places {
            let path = place.strip_prefix("ui/").unwrap();
            let asset = find(path).unwrap_or_else(|| panic!("{place} is not served"));
            assert!(asset.is_immutable());
        }
        assert!(find("app.js").is_none() && !page.is_immutable());
    }

    /// The page fetches nothing from another host. A browser never fetches these namespaces.
    #[test]
    fn the_page_names_no_other_host() {
        const NAMESPACES: [&str; 5] = [
            "http://www.w3.org/2000/svg",
            "http://www.w3.org/1999/xhtml",
            "http://www.w3.org/1999/xlink",
            "http://www.w3.org/XML/1998/namespace",
            "http://www.w3.org/2000/xmlns/",
        ];
        let texts = FILES.iter().filter(|(name, _)| *name != "licenses.txt");
        let texts = texts.map(|(name, text)| (*name, *text));
        for (name, text) in texts.chain([("index.html", PAGE)]) {
            let mut text = text.to_owned();
            for namespace in NAMESPACES {
                text = text.replace(namespace, "");
            }
            assert!(
                !text.contains("http://") && !text.contains("https://"),
                "{name}"
            );
        }
    }

    #[test]
    fn styles_and_scripts_are_separate_files() {
        for forbidden in ["<style", " style=", "<script>", " onclick=", "javascript:"] {
            assert!(
                !PAGE.contains(forbidden),
                "{forbidden}: the security policy forbids it"
            );
        }
    }
}
