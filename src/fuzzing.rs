//! The targets of the fuzzer: functions that take any bytes from outside.
//!
//! Each must not panic, and checks what has to hold for the result.
//!
//! They are built for `cargo fuzz` (`fuzz/`), and for a unit test that replays the bytes in
//! `fuzz/corpus/`. They are not a part of the public interface.

use crate::{Profile, build_id as elf_notes, record};
use heaptide_profile::{leak, report};

/// A profile file, and everything that is done with one.
pub fn profile(bytes: &[u8]) {
    let profile = match Profile::read(bytes) {
        Ok(profile) => profile,
        Err(error) => {
            assert!(error.is_malformed() || error.is_too_large(), "{error}");
            return;
        }
    };
    let mut written = Vec::new();
    assert!(
        profile.write(&mut written).is_ok(),
        "what was read can be written"
    );
    match Profile::read(&written) {
        Ok(again) => assert!(again == profile, "and comes back"),
        Err(error) => assert!(error.is_too_large(), "{error}"),
    }
    let text = report::Text::default();
    for sample_type in profile.each_sample_type() {
        is_printable(&report::Top::new(sample_type).text(&text));
        is_printable(&report::Traces::new(sample_type).text(&text));
        let (view, source) = (report::View::default(), |file: &str| Ok(file.repeat(9)));
        let listing = report::Listing::new(sample_type, &view, |_| true, source);
        is_printable(&listing.text(&text));
        if let Ok(graph) = report::CallGraph::new(sample_type) {
            is_printable(&graph.text(&text));
        }
        if let Ok(diff) = report::Diff::new(&profile, sample_type) {
            assert_eq!((diff.grown(), diff.shrunk()), (0, 0), "of itself");
            is_printable(&diff.text(&text));
        }
        if let Ok(folded) = report::folded(sample_type) {
            is_printable(&folded.to_string());
        }
    }
    if let Ok(verdict) = leak::find(&[profile.clone(), profile]) {
        is_printable(&verdict.to_string());
    }
}

/// Checks that no byte of a file reaches a terminal as a control sequence.
fn is_printable(text: &str) {
    let odd = text.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(odd, None, "{text:?}");
}

/// The environment variable `HEAPTIDE_SAMPLE_INTERVAL`.
pub fn interval(bytes: &[u8]) {
    let read = record::parse_size(bytes);
    if let Some(interval) = read {
        let again = record::parse_size(interval.to_string().as_bytes());
        assert_eq!(again, read);
    }
}

/// The notes of a loaded module; the first byte is their alignment.
pub fn build_id(bytes: &[u8]) {
    let Some((align, notes)) = bytes.split_first() else {
        return;
    };
    if let Some(id) = elf_notes::find(notes, u64::from(*align)) {
        let hex = elf_notes::hex(id);
        assert!(!id.is_empty() && hex.len() == 2 * id.len());
        assert!(hex.bytes().all(|digit| digit.is_ascii_hexdigit()));
    }
}

/// A request to the HTTP endpoints: method, path and query in the first line, then headers, an
/// empty line, and the body. Every reply has to have certain headers.
#[cfg(feature = "http")]
pub fn http_request(bytes: &[u8]) {
    use ::http::{Method, Request, header};
    use std::sync::LazyLock;

    static ENDPOINTS: LazyLock<crate::http::Endpoints> = LazyLock::new(|| {
        let builder = crate::http::Endpoints::builder().command_line().control();
        // Requests for a time span must not wait.
        builder.longest_delta(std::time::Duration::ZERO).build()
    });
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let (method, target) = lines
        .next()
        .and_then(|line| line.split_once(' '))
        .unwrap_or(("GET", ""));
    let mut request = Request::builder().method(method).uri(target);
    for line in lines {
        if let Some((name, value)) = line.split_once(": ") {
            request = request.header(name, value);
        }
    }
    // The server never passes on what is not a request.
    let Ok(request) = request.body(body.to_owned().into()) else {
        return;
    };
    let reply = ENDPOINTS.respond(&request);
    let status = reply.status();
    assert!(status.as_u16() >= 200, "{status}");
    let has = |name| reply.headers().contains_key(name);
    assert_eq!(status == 405, has(header::ALLOW), "{status}");
    // Status 304 has no body and no address.
    if status != 304 {
        assert!(has(header::CONTENT_TYPE) && has(header::X_CONTENT_TYPE_OPTIONS));
        assert_eq!(status.is_redirection(), has(header::LOCATION), "{status}");
    }
    assert!(request.method() != Method::HEAD || reply.body().is_empty());
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    /// Passes every file of a corpus to its target. Returns the number of files.
    fn replay(target: fn(&[u8]), corpus: &str) -> usize {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fuzz/corpus")
            .join(corpus);
        let files = fs::read_dir(folder).unwrap();
        files
            .map(|file| target(&fs::read(file.unwrap().path()).unwrap()))
            .count()
    }

    #[test]
    fn the_corpus_breaks_nothing() {
        assert!(replay(super::profile, "profile") >= 5);
        assert!(replay(super::interval, "interval") >= 5);
        assert!(replay(super::build_id, "build_id") >= 5);
        #[cfg(feature = "http")]
        assert!(replay(super::http_request, "http_request") >= 5);
    }
}
