//! The files of the page, inside the binary: no folder to install, no other host to ask.
//!
//! They are served below a name that is the hash of them all, so a browser may keep them for ever, and gets new
//! ones with a new version. Compressed once, at first use.

use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher},
    io::Write,
    sync::OnceLock,
};

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

/// What the page says where its files are; the hash takes its place.
const FOLDER: &str = "ui/web/";

const SCRIPT: &str = "text/javascript; charset=utf-8";
const PAGE: &str = include_str!("web/index.html");
const FILES: [(&str, &str, &str); 9] = [
    (
        "style.css",
        "text/css; charset=utf-8",
        include_str!("web/style.css"),
    ),
    ("app.js", SCRIPT, include_str!("web/app.js")),
    ("model.js", SCRIPT, include_str!("web/model.js")),
    ("units.js", SCRIPT, include_str!("web/units.js")),
    ("graph.js", SCRIPT, include_str!("web/graph.js")),
    ("table.js", SCRIPT, include_str!("web/table.js")),
    ("detail.js", SCRIPT, include_str!("web/detail.js")),
    ("flamegraph.js", SCRIPT, include_str!("web/flamegraph.js")),
    (
        "licenses.txt",
        "text/plain; charset=utf-8",
        include_str!("web/licenses.txt"),
    ),
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
        let page = Asset::new(String::new(), "text/html; charset=utf-8", page.into());
        let files = FILES.iter().map(|(name, content_type, text)| {
            Asset::new(
                format!("{version}/{name}"),
                content_type,
                Bytes::from_static(text.as_bytes()),
            )
        });
        [page].into_iter().chain(files).collect()
    })
}

impl Asset {
    fn new(path: String, content_type: &'static str, plain: Bytes) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        let written = encoder.write_all(&plain);
        let gzip = written
            .and_then(|()| encoder.finish())
            .ok()
            .map(Bytes::from);
        let etag = format!("\"{}\"", hash(&plain));
        Self {
            path,
            content_type,
            plain,
            gzip,
            etag,
        }
    }

    /// Whether its path changes with its content.
    pub(super) fn is_immutable(&self) -> bool {
        !self.path.is_empty()
    }
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
    fn all_of_the_page_is_small() {
        let gzip = |asset: &Asset| asset.gzip.as_ref().expect("writing to memory").len();
        let compressed: usize = all().iter().map(gzip).sum();
        assert!(compressed < 150_000, "{compressed}");
        // As it is said in docs/page.md.
        assert!(compressed < 60_000, "{compressed}");
    }

    /// What a text refers to by a quoted path that ends in a file's name.
    fn referred(text: &str) -> Vec<String> {
        let names = FILES.iter().map(|(name, ..)| *name);
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
            let (_, _, text) = FILES.iter().find(|(file, ..)| file == name).unwrap();
            for next in referred(text) {
                if !reached.contains(&next) {
                    reached.push(next);
                }
            }
            at += 1;
        }
        reached.sort();
        let mut files: Vec<String> = FILES.iter().map(|(name, ..)| name.to_string()).collect();
        files.sort();
        assert_eq!(reached, files);
    }

    #[test]
    fn what_the_page_refers_to_is_served() {
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

    /// Nothing is fetched from another host: no address stands in what a browser runs, but for names that are
    /// never fetched.
    #[test]
    fn no_other_host_is_named() {
        const NAMESPACES: [&str; 5] = [
            "http://www.w3.org/2000/svg",
            "http://www.w3.org/1999/xhtml",
            "http://www.w3.org/1999/xlink",
            "http://www.w3.org/XML/1998/namespace",
            "http://www.w3.org/2000/xmlns/",
        ];
        let texts = FILES.iter().filter(|(name, ..)| *name != "licenses.txt");
        let texts = texts.map(|(name, _, text)| (*name, *text));
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
    fn styles_and_scripts_are_in_files_of_their_own() {
        for forbidden in ["<style", " style=", "<script>", " onclick=", "javascript:"] {
            assert!(
                !PAGE.contains(forbidden),
                "{forbidden}: the security policy forbids it"
            );
        }
    }
}
