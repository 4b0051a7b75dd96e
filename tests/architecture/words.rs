//! Words that have a plain replacement, and lines that are too long to read.

use crate::sources::{TextFile, assert_none, files, root, sources};
use std::fs;

/// Each stands for itself as a whole word, in sources and documents.
const REPLACED_WORDS: &[&str] = &[
    "Acquitted",
    "PendingFree",
    "Suspect",
    "UNTABLED",
    "World 1",
    "World 2",
    "count_in",
    "count_out",
    "no_matter",
    "nobody_listens",
    "patience",
    "planted",
    "plumbing",
    "prepaid",
    "put aside",
    "world 1",
    "world 2",
];

/// Names that a file may not have.
const REPLACED_FILES: &[&str] = &[
    "answer",
    "aside",
    "asked",
    "blame",
    "caller",
    "candidates",
    "cold",
    "elsewhere",
    "evidence",
    "forward",
    "measure",
    "moments",
    "no_signal",
    "ordinary",
    "origin",
    "patience",
    "plumbing",
    "prepaid",
    "resolve",
    "room",
    "run",
    "subject",
    "trouble",
    "turn",
];

const MOST_COLUMNS: usize = 100;

#[test]
fn replaced_words_do_not_return() {
    let mut broken = Vec::new();
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let texts = sources()
        .into_iter()
        .chain(files("docs", "md"))
        .chain([readme()]);
    for TextFile { path, text } in texts {
        for word in REPLACED_WORDS {
            let found = text.match_indices(word).any(|(at, _)| {
                let (before, after) = (&text[..at], &text[at + word.len()..]);
                !before.ends_with(is_part) && !after.starts_with(is_part)
            });
            if found {
                broken.push(format!("{}: the word `{word}`", path.display()));
            }
        }
    }
    for file in sources() {
        let name = file.path.file_stem().unwrap().to_str().unwrap();
        let place = file.path.display();
        if REPLACED_FILES.contains(&name) {
            broken.push(format!("{place}: a name that was replaced"));
        }
    }
    assert_none(&broken);
}

#[test]
fn lines_are_short_enough_to_read() {
    let mut broken = Vec::new();
    for file in files("", "rs").into_iter().chain(files("", "md")) {
        let is_document = file
            .path
            .extension()
            .is_some_and(|extension| extension == "md");
        let mut is_output = false;
        for (at, line) in file.text.lines().enumerate() {
            // What a program prints stands as it is.
            is_output ^= is_document && line.trim_start().starts_with("```");
            let text = line.trim_start().trim_start_matches(['/', '!', ' ']);
            let is_table = is_output || text.starts_with('|');
            let is_link = line.contains("://") || (is_document && line.contains("]("));
            let fits = line.chars().count() <= MOST_COLUMNS || is_table || is_link;
            if !fits {
                broken.push(format!("{}:{}: too long", file.path.display(), at + 1));
            }
        }
    }
    assert_none(&broken);
}

#[test]
fn documents_keep_to_their_length() {
    for (document, most) in [("README.md", 1_500), ("docs/design.md", 3_000)] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        let words = text.split_whitespace().count();
        assert!(
            words <= most,
            "{document}: {words} words, and {most} at most"
        );
    }
}

fn readme() -> TextFile {
    TextFile {
        path: "README.md".into(),
        text: fs::read_to_string(root().join("README.md")).unwrap(),
    }
}
