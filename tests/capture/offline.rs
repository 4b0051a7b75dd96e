//! `heaptide symbolize` from files gives the profile that the process itself would have written,
//! line by line. The debug information may be in any place. What is missing is told.
#![cfg(all(feature = "symbolize", target_os = "linux"))]

use std::{
    alloc::System,
    collections::BTreeMap,
    fs,
    hint::black_box,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use heaptide::{Profile, ProfileOptions};
use heaptide_profile::testing::canned_server::{Canned, serve};
use heaptide_profile::{Location, LocationId, Mapping, MappingId, Sample, ValueType};

#[path = "../support/command.rs"]
mod command;

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator<System> =
    heaptide::SamplingAllocator::with_inner(System).sample_interval(1);

#[inline(always)]
fn inlined(map: &mut BTreeMap<u32, String>) {
    for key in 0..100 {
        map.insert(key, format!("value {key}"));
    }
}

#[inline(never)]
fn keep() -> (BTreeMap<u32, String>, Vec<Vec<u8>>) {
    let mut map = BTreeMap::new();
    inlined(&mut map);
    let list = (0..100).map(|byte| black_box(vec![byte | 1; 1234]));
    (map, list.collect())
}

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

fn symbolize(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(command::heaptide());
    command.args(["symbolize", "raw.pb.gz", "-o", "out.pb.gz"]);
    command.args(arguments).current_dir(folder);
    for variable in ["PPROF_BINARY_PATH", "DEBUGINFOD_URLS"] {
        command.env_remove(variable);
    }
    command.output().expect("the command starts")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of text")
}

fn run(tool: &str, arguments: &[&str]) {
    let output = Command::new(tool).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{tool}: {error}"));
    assert!(output.status.success(), "{tool} {arguments:?}: {output:?}");
}

fn read(file: &Path) -> Profile {
    Profile::read(&fs::read(file).expect("the file")).expect("a profile")
}

/// The names, symbols, files and lines of every stack.
fn lines(profile: &Profile) -> Vec<String> {
    let mut lines = Vec::new();
    for sample in &profile.samples {
        lines.push(format!("{:?}", sample.values));
        for frame in profile.frames(sample) {
            let function = frame.function.map(|f| (&f.name, &f.system_name, &f.file));
            let address = frame.location.address;
            lines.push(format!(
                "{address:#x} {function:?}:{} {}",
                frame.line, frame.inlined
            ));
        }
    }
    lines
}

fn same_lines(found: &Profile, expected: &Profile) {
    let (found, expected) = (lines(found), lines(expected));
    assert!(expected.iter().any(|line| line.contains("offline::keep")));
    for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert_eq!(found, expected, "line {at}");
    }
    assert_eq!(found.len(), expected.len());
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

/// A raw profile of one sample with these addresses in a mapping.
fn raw(mapping: Mapping, addresses: &[u64]) -> Profile {
    let location = |&address| Location {
        address,
        mapping: MappingId::new(0),
        ..Location::default()
    };
    Profile {
        sample_types: vec![ValueType::new("inuse_space", "bytes")],
        mappings: vec![mapping],
        locations: addresses.iter().map(location).collect(),
        samples: vec![Sample {
            locations: (0..addresses.len()).filter_map(LocationId::new).collect(),
            values: vec![12_345_678],
            labels: vec![],
        }],
        ..Profile::default()
    }
}

#[test]
fn missing_files_are_reported_and_other_builds_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let save = |profile: &Profile| {
        let file = fs::File::create(folder.path().join("raw.pb.gz")).expect("a new file");
        profile.write(file).expect("a valid profile");
    };
    let mut profile = raw(
        Mapping {
            start: 0x5000,
            limit: 0x9000,
            file: "/srv/bin/app".into(),
            build_id: "abcd01".into(),
            ..Mapping::default()
        },
        &[0x5100, 0x5200],
    );
    save(&profile);
    let told = |arguments: &[&str]| {
        let output = symbolize(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2));
        assert!(
            !folder.path().join("out.pb.gz").exists(),
            "no file is written"
        );
        String::from_utf8(output.stderr).expect("text")
    };
    let missing = "heaptide: /srv/bin/app with build id abcd01 is missing: 1 of 1 sample, 11.77 \
    MiB of \
                   inuse_space, has frames in it; give it with --binary, its debug file as \
                   .build-id/ab/cd01.debug in a --debug-dir, or a --debuginfod\n";
    let end = "heaptide: raw.pb.gz: nothing could be symbolized, and nothing was written\n";
    assert_eq!(told(&[]), format!("{missing}{end}"));

    // This program is another one. It is given by name, and in the place of the right one.
    let program = std::env::current_exe().expect("this program");
    let id = ProfileOptions::new()
        .raw()
        .heap()
        .expect("a profile")
        .mappings[0]
        .build_id
        .clone();
    let unused = format!(
        "heaptide: {} is not used: it has build id {id}, and no mapping of the profile has that\n",
        text(&program)
    );
    assert_eq!(
        told(&["--binary", text(&program)]),
        format!("{unused}{missing}{end}")
    );
    fs::create_dir_all(folder.path().join("symbols/.build-id/ab")).expect("a new folder");
    let place = folder.path().join("symbols/.build-id/ab/cd01.debug");
    fs::copy(&program, &place).expect("a copy");
    fs::write(folder.path().join("symbols/app"), "no program").expect("a new file");
    let looked =
        format!("heaptide:   looked at: symbols/.build-id/ab/cd01.debug has build id {id}\n");
    let odd = "heaptide:   looked at: symbols/app: not an ELF file that can be read: ";
    let all = told(&["--debug-dir", "symbols"]);
    assert!(all.starts_with(&format!("{missing}{looked}{odd}")), "{all}");

    profile.mappings[0].build_id = "".into();
    save(&profile);
    let all = told(&[]);
    assert!(
        all.contains("/srv/bin/app with no build id is missing"),
        "{all}"
    );
    assert!(all.contains("--build-id"), "{all}");

    let output = symbolize(folder.path(), &["--binary", "absent"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(output.stderr, b"heaptide: absent: there is no such file\n");

    profile.mappings.clear();
    profile.locations.iter_mut().for_each(|l| l.mapping = None);
    save(&profile);
    assert_eq!(
        told(&[]),
        "heaptide: raw.pb.gz: its addresses are in no program or library, as far as it says: only \
         the process \
         knew their names\n"
    );
}

#[test]
fn a_symbolized_profile_is_unchanged_unless_forced() {
    let folder = tempfile::tempdir().expect("a folder");
    let kept = keep();
    let mut profile = ProfileOptions::new().heap().expect("a profile");
    drop(kept);
    for mapping in &mut profile.mappings {
        mapping.has_functions = true;
    }
    let function = profile
        .functions
        .iter_mut()
        .find(|f| &*f.name == "offline::keep");
    function.expect("the function").name = "named by hand".into();
    let file = folder.path().join("raw.pb.gz");
    profile
        .write(fs::File::create(&file).expect("a new file"))
        .expect("a valid profile");
    let output = symbolize(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "heaptide: raw.pb.gz: all of it is symbolized already, and is written as it is; --force \
         does it anew\n"
    );
    assert_eq!(read(&folder.path().join("out.pb.gz")), profile);

    let output = symbolize(folder.path(), &["--force"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let forced = read(&folder.path().join("out.pb.gz"));
    let has = |name: &str| forced.functions.iter().any(|f| &*f.name == name);
    assert!(has("offline::keep") && !has("named by hand"));
}

const PROGRAM: &str = "
int sink;
static inline __attribute__((always_inline)) int innermost(int n) { sink += n; return sink * n; }
static inline __attribute__((always_inline)) int middle(int n)
{ return innermost(n) + innermost(n + 1); }
__attribute__((noinline)) int outer(int n) { return middle(n) * 3; }
int main(int argc, char **argv) { return outer(argc); }
";

/// Builds the program. Returns a profile of all addresses of two functions, as if it had been
/// loaded somewhere, and what binutils' `addr2line` prints about them.
fn program_of_c(folder: &Path, flags: &[&str]) -> (Profile, Vec<String>) {
    fs::write(folder.join("app.c"), PROGRAM).expect("a new file");
    let tool = |tool: &str, arguments: &[&str]| {
        let output = Command::new(tool)
            .args(arguments)
            .current_dir(folder)
            .output();
        let output = output.unwrap_or_else(|error| panic!("{tool}: {error}"));
        assert!(output.status.success(), "{tool}: {output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    let mut arguments = vec!["-O1", "-g", "-Wl,--build-id", "app.c", "-o", "app"];
    arguments.extend(flags);
    tool("gcc", &arguments);
    let notes = tool("readelf", &["-n", "app"]);
    let id = notes.split("Build ID: ").nth(1).expect("a build id");
    let id = id.split_whitespace().next().expect("a build id");
    let hex =
        |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).expect("a number");
    // Type, offset, address, physical address, file size, memory size, flags in two words,
    // alignment.
    let headers = tool("readelf", &["-lW", "app"]);
    let mut code = headers
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let code = code.find(|w| w.first() == Some(&"LOAD") && w.contains(&"E"));
    let code = code.expect("a segment with code");
    let (offset, address, size) = (hex(code[1]), hex(code[2]), hex(code[5]));
    let bias = if headers.contains("DYN (") {
        0x5555_5555_4000
    } else {
        0
    };
    let mut own = Vec::new();
    for line in tool("nm", &["-S", "app"]).lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [start, size, _, "outer" | "main"] = words[..] {
            own.extend(hex(start)..hex(start) + hex(size));
        }
    }
    assert!(own.len() > 10);
    let mapping = Mapping {
        start: bias + address - address % 4096,
        limit: bias + (address + size).next_multiple_of(4096),
        file_offset: offset - offset % 4096,
        file: "/srv/app".into(),
        build_id: id.into(),
        ..Mapping::default()
    };
    let addresses: Vec<u64> = own.iter().map(|own| own + bias).collect();
    let hexes: Vec<String> = own.iter().map(|own| format!("{own:x}")).collect();
    // binutils' addr2line does not read split debug information. So the same code is built with
    // whole debug information too.
    let mut whole = vec!["-O1", "-g", "app.c", "-o", "whole"];
    whole.extend(flags.iter().filter(|flag| **flag != "-gsplit-dwarf"));
    tool("gcc", &whole);
    let mut arguments = vec!["-a", "-i", "-f", "-e", "whole"];
    arguments.extend(hexes.iter().map(String::as_str));
    let mut lines = Vec::new();
    for line in tool("addr2line", &arguments).lines() {
        lines.push(
            line.split(" (discriminator")
                .next()
                .unwrap_or(line)
                .to_owned(),
        );
    }
    (raw(mapping, &addresses), lines)
}

/// In the format of `addr2line -a -i -f`.
fn as_addr2line(profile: &Profile, bias: u64) -> Vec<String> {
    let mut lines = Vec::new();
    let mut last = None;
    for frame in profile.frames(&profile.samples[0]) {
        if last != Some(frame.location.address) {
            last = Some(frame.location.address);
            lines.push(format!("0x{:016x}", frame.location.address - bias));
        }
        let function = frame.function.expect("a function");
        lines.push(function.name.to_string());
        lines.push(format!("{}:{}", function.file, frame.line));
    }
    lines
}

#[test]
#[ignore = "needs gcc, and addr2line, nm, readelf, objcopy and dwp (binutils)"]
fn lines_of_all_kinds_of_programs_are_those_of_addr2line() {
    let cases: [(&str, &[&str], bool); 6] = [
        ("position independent", &["-pie", "-fPIE"], false),
        ("at a fixed address", &["-no-pie", "-fno-pie"], false),
        ("compressed", &["-gz=zlib"], false),
        (
            "at a fixed address, its debug file alone",
            &["-no-pie", "-fno-pie"],
            true,
        ),
        (
            "position independent, its debug file alone",
            &["-pie", "-fPIE"],
            true,
        ),
        ("split", &["-gsplit-dwarf", "-gdwarf-5"], false),
    ];
    for (what, flags, is_debug_file) in cases {
        let folder = tempfile::tempdir().expect("a folder");
        let (profile, expected) = program_of_c(folder.path(), flags);
        let path = |name: &str| folder.path().join(name);
        profile
            .write(fs::File::create(path("raw.pb.gz")).expect("a new file"))
            .expect("a profile");
        if is_debug_file {
            run(
                "objcopy",
                &[
                    "--only-keep-debug",
                    text(&path("app")),
                    text(&path("app.debug")),
                ],
            );
            fs::remove_file(path("app")).expect("it can be removed");
        }
        let binary = if is_debug_file { "app.debug" } else { "app" };
        let output = symbolize(folder.path(), &["--binary", binary]);
        assert_eq!(output.status.code(), Some(0), "{what}: {output:?}");
        let bias = profile.mappings[0].start & 0xffff_ffff_0000_0000;
        let bias = if bias == 0 { 0 } else { 0x5555_5555_4000 };
        let found = read(&path("out.pb.gz"));
        assert_eq!(as_addr2line(&found, bias), expected, "{what}");
        assert!(expected.iter().any(|line| line == "innermost"), "{what}");
        assert!(found.mappings[0].has_functions);
    }
}

#[test]
#[ignore = "needs gcc, and addr2line, nm, readelf and dwp (binutils)"]
fn a_dwp_file_is_found_beside_the_program_and_in_a_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    // The version of DWARF that binutils' dwp packs.
    let (profile, expected) = program_of_c(folder.path(), &["-gsplit-dwarf", "-gdwarf-4"]);
    let path = |name: &str| folder.path().join(name);
    profile
        .write(fs::File::create(path("raw.pb.gz")).expect("a new file"))
        .expect("a profile");
    let mut packing = Command::new("dwp");
    packing
        .args(["-e", "app", "-o", "app.dwp"])
        .current_dir(folder.path());
    assert!(packing.status().expect("dwp").success());
    for entry in fs::read_dir(folder.path()).expect("the folder") {
        let entry = entry.expect("an entry").path();
        if entry
            .extension()
            .is_some_and(|extension| extension == "dwo")
        {
            fs::remove_file(entry).expect("it can be removed");
        }
    }
    let check = |arguments: &[&str], is_whole: bool| {
        let output = symbolize(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let has_inlined = read(&path("out.pb.gz"))
            .functions
            .iter()
            .any(|f| &*f.name == "innermost");
        assert_eq!(has_inlined, is_whole, "{arguments:?}");
        if is_whole {
            let found = read(&path("out.pb.gz"));
            assert_eq!(as_addr2line(&found, 0x5555_5555_4000), expected);
        }
    };
    check(&["--binary", "app"], true);
    fs::create_dir(path("symbols")).expect("a new folder");
    fs::rename(path("app.dwp"), path("symbols/app.dwp")).expect("it can be moved");
    check(&["--binary", "app"], false);
    check(&["--binary", "app", "--debug-dir", "symbols"], true);
}

/// Ends the daemon in any case.
struct Daemon(std::process::Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        self.0.kill().expect("it can be ended");
        self.0.wait().expect("it has ended");
    }
}

#[test]
#[ignore = "needs debuginfod (Debian package), gcc, and addr2line, nm and readelf (binutils)"]
fn a_debuginfod_daemon_serves_the_files_of_a_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let (profile, expected) = program_of_c(folder.path(), &["-pie", "-fPIE"]);
    let path = |name: &str| folder.path().join(name);
    let file = fs::File::create(path("raw.pb.gz")).expect("a new file");
    profile.write(file).expect("a profile");
    fs::create_dir(path("served")).expect("a new folder");
    fs::rename(path("app"), path("served/app")).expect("it can be moved");
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = free.local_addr().expect("an address").port().to_string();
    drop(free);
    let daemon = Command::new("debuginfod")
        .args(["-F", "-d", ":memory:", "-p", &port, text(&path("served"))])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn();
    let _daemon = Daemon(daemon.expect("debuginfod starts"));
    let server = format!("http://127.0.0.1:{port}");
    // It listens first, and finds the file some time later.
    let found = (0..1200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        let output = symbolize(folder.path(), &["--debuginfod", &server]);
        output.status.success()
    });
    assert!(found, "the daemon did not serve the file in 2 minutes");
    assert_eq!(
        as_addr2line(&read(&path("out.pb.gz")), 0x5555_5555_4000),
        expected
    );
}

#[test]
#[ignore = "needs gcc, and addr2line, nm, objcopy and readelf (binutils)"]
fn all_folder_layouts_are_found_and_checksums_are_checked() {
    let folder = tempfile::tempdir().expect("a folder");
    let (profile, expected) = program_of_c(folder.path(), &["-pie", "-fPIE"]);
    let path = |name: &str| folder.path().join(name);
    let file = fs::File::create(path("raw.pb.gz")).expect("a new file");
    profile.write(file).expect("a profile");
    let (app, debug) = (path("app"), path("app.debug"));
    run("objcopy", &["--only-keep-debug", text(&app), text(&debug)]);
    let link = format!("--add-gnu-debuglink={}", text(&debug));
    run("objcopy", &["--strip-all", &link, text(&app)]);
    let check = |arguments: &[&str], is_found: bool| {
        let output = symbolize(folder.path(), arguments);
        if is_found {
            assert_eq!(output.status.code(), Some(0), "{output:?}");
            let found = read(&path("out.pb.gz"));
            assert_eq!(as_addr2line(&found, 0x5555_5555_4000), expected);
        } else {
            assert_eq!(output.status.code(), Some(2), "{output:?}");
        }
        String::from_utf8(output.stderr).expect("text")
    };
    assert_eq!(check(&["--binary", "app"], true), "");
    let whole = fs::read(&debug).expect("the debug file");
    fs::write(&debug, [&whole[..], b"!"].concat()).expect("a new file");
    let told = check(&["--binary", "app"], false);
    assert!(
        told.contains("app.debug has another check sum than .gnu_debuglink has\n"),
        "{told}"
    );
    for part in [
        "heaptide: /srv/app with build id ",
        " is stripped, as app has it: 1 of 1 sample, ",
        "; its debug file is missing: give it with --binary, as .build-id/",
    ] {
        assert!(told.contains(part), "{told}");
    }
    fs::remove_file(&debug).expect("it can be removed");

    let id = &profile.mappings[0].build_id;
    let (first, rest) = id.split_at(2);
    for layout in [
        format!(".build-id/{first}/{rest}.debug"),
        format!("{first}/{rest}.debug"),
        format!("{id}/app"),
        "app".to_owned(),
        "srv/app".to_owned(),
        format!("{id}/debuginfo"),
        format!("buildid/{id}/debuginfo"),
    ] {
        let place = path("symbols").join(&layout);
        fs::create_dir_all(place.parent().expect("a folder")).expect("a new folder");
        fs::write(&place, &whole).expect("a new file");
        let option = if layout.ends_with("debuginfo") {
            "--debuginfod"
        } else {
            "--debug-dir"
        };
        check(&[option, "symbols"], true);
        fs::remove_file(&place).expect("it can be removed");
        check(&[option, "symbols"], false);
    }
}
