//! Small programs in C, whose lines are compared with those of binutils' `addr2line`.

use crate::{raw, read, run, symbolize, text};
use heaptide::Profile;
use heaptide_profile::Mapping;
use std::{fs, path::Path, process::Command};

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
