//! This program's own profile: symbols from every place are those that the process finds itself.

use crate::{keep, read, run, same_lines, symbolize, text};
use heaptide::{Profile, ProfileOptions};
use heaptide_profile::testing::canned_server::{Canned, serve};
use std::{fs, path::PathBuf, process::Output};

/// This program without its debug information, and its profile, with names and without.
struct Stripped {
    folder: tempfile::TempDir,
    /// As the process itself symbolized it, with the path of the stripped program.
    expected: Profile,
    build_id: String,
}

impl Stripped {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let kept = keep();
        let snapshot = heaptide::snapshot().expect("a snapshot");
        let raw = ProfileOptions::new().raw().heap_of(&snapshot);
        let expected = ProfileOptions::new().heap_of(&snapshot);
        drop(kept);
        let program = std::env::current_exe().expect("this program");
        let stripped = folder.path().join("app");
        run("objcopy", &["--strip-all", text(&program), text(&stripped)]);
        let mut this = Self {
            build_id: raw.mappings[0].build_id.to_string(),
            folder,
            expected,
        };
        assert_eq!(this.build_id.len(), 40);
        this.expected = this.moved(this.expected.clone());
        this.save("raw.pb.gz", &this.moved(raw));
        this
    }

    /// The profile with the stripped program's path.
    fn moved(&self, mut profile: Profile) -> Profile {
        assert!(
            profile.mappings.len() > 1,
            "the C library is a mapping, too"
        );
        profile.mappings[0].file = text(&self.path("app")).into();
        profile
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn save(&self, name: &str, profile: &Profile) {
        let file = fs::File::create(self.path(name)).expect("a new file");
        profile.write(file).expect("a valid profile");
    }

    /// Moves the debug information of this program into a file of its own.
    fn debug_file(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a new folder");
        let program = std::env::current_exe().expect("this program");
        run(
            "objcopy",
            &["--only-keep-debug", text(&program), text(&path)],
        );
        path
    }

    fn symbolize(&self, arguments: &[&str]) -> Output {
        symbolize(self.folder.path(), arguments)
    }

    /// Symbolizes, and compares the result with the process's own.
    fn check(&self, arguments: &[&str]) {
        let output = self.symbolize(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        // The C library may have no debug information on this machine, which is told.
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(
            !told.contains(text(&self.path("app"))),
            "{arguments:?}: {told}"
        );
        let found = read(&self.path("out.pb.gz"));
        same_lines(&found, &self.expected);
        assert_eq!(found, self.expected, "{arguments:?}");
    }
}

#[test]
#[ignore = "needs objcopy (binutils)"]
fn symbols_from_every_place_are_those_of_the_process() {
    let stripped = Stripped::new();
    let program = std::env::current_exe().expect("this program");
    stripped.check(&["--binary", text(&program)]);

    let debug = stripped.debug_file("app.debug");
    stripped.check(&["--binary", "app.debug"]);
    // Only the link leads from the stripped program to the file beside it.
    let missing = stripped.symbolize(&[]);
    assert_eq!(missing.status.code(), Some(0));
    assert_ne!(read(&stripped.path("out.pb.gz")), stripped.expected);
    let link = format!("--add-gnu-debuglink={}", text(&debug));
    run("objcopy", &[&link, text(&stripped.path("app"))]);
    stripped.check(&[]);
    fs::create_dir(stripped.path(".debug")).expect("a new folder");
    fs::rename(&debug, stripped.path(".debug/app.debug")).expect("it can be moved");
    stripped.check(&[]);

    fs::remove_file(stripped.path(".debug/app.debug")).expect("it can be removed");
    let (first, rest) = stripped.build_id.split_at(2);
    let id = &stripped.build_id;
    let path = stripped.debug_file(&format!("symbols/.build-id/{first}/{rest}.debug"));
    stripped.check(&["--debug-dir", "symbols"]);
    fs::remove_file(path).expect("it can be removed");
    let path = stripped.debug_file(&format!("cache/{id}/debuginfo"));
    stripped.check(&["--debuginfod", "cache"]);

    let path_of_server = Box::leak(format!("/buildid/{id}/debuginfo").into_boxed_str());
    let server = serve(vec![Canned {
        path: path_of_server,
        head: "200 OK",
        body: fs::read(path).expect("the debug file"),
    }]);
    // The C library is found in its place. It has no debug information, so the server is asked.
    stripped.symbolize(&["--debuginfod", &server.url]);
    same_lines(&read(&stripped.path("out.pb.gz")), &stripped.expected);
    let asked = server.requests.try_iter();
    assert!(
        asked
            .into_iter()
            .any(|head| head.contains(&stripped.build_id))
    );
}
