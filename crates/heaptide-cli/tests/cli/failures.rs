//! Bad input and wrong usage: one clear line, and exit code 2.

use crate::{folder, run, text};

#[test]
fn bad_input_is_one_clear_line() {
    let folder = folder();
    let types = "alloc_objects, alloc_space, inuse_objects, inuse_space";
    let with_units = "alloc_objects/count, alloc_space/bytes, inuse_objects/count";
    let cases = [
        (
            "top missing.pb.gz",
            "missing.pb.gz: No such file or directory (os error 2)".to_owned(),
        ),
        (
            "leaks .",
            "./cut.pb.gz: not a pprof profile: its gzip data is damaged or cut short: incomplete \
             deflate stream".to_owned(),
        ),
        (
            "leaks before.pb.gz before.pb.gz",
            "before.pb.gz and before.pb.gz: both were taken at 2023-11-14 22:13:20 UTC: leave out \
             the copy".to_owned(),
        ),
        (
            "top snapshots/old.pb.gz",
            "snapshots/old.pb.gz: the folder has no *.pb.gz files: name the files, if they end \
             otherwise".to_owned(),
        ),
        (
            "top --focus cache( before.pb.gz",
            "--focus: `cache(` is not a regular expression: unclosed group".to_owned(),
        ),
        (
            "flamegraph --tagignore tenant=[ before.pb.gz",
            "--tagignore: `[` is not a regular expression: unclosed character class".to_owned(),
        ),
        (
            "peek cache( before.pb.gz",
            "peek: `cache(` is not a regular expression: unclosed group".to_owned(),
        ),
        (
            "peek nobody before.pb.gz",
            "before.pb.gz: no function with inuse_space matches `nobody`: `heaptide top -n 0` \
             shows them all, and --sample-index counts something else".to_owned(),
        ),
        // It holds nothing any more.
        (
            "list inflate --sample-index inuse_objects after.pb.gz",
            "after.pb.gz: no function with inuse_objects matches `inflate`: `heaptide top -n 0` \
             shows them all, and --sample-index counts something else".to_owned(),
        ),
        (
            "tree --base cpu.pb.gz before.pb.gz",
            format!(
                "cpu.pb.gz and before.pb.gz: the profiles have different sample types: \
                 [{with_units}, inuse_space/bytes] and [{with_units}, cpu/nanoseconds]"
            ),
        ),
        (
            "traces snapshots/old.pb.gz",
            "snapshots/old.pb.gz: the folder has no *.pb.gz files: name the files, if they end \
             otherwise".to_owned(),
        ),
        (
            "diff before.pb.gz",
            "before.pb.gz: what is it to be compared with? Name a second profile, or a folder of \
             them".to_owned(),
        ),
        (
            "top - before.pb.gz --base -",
            "standard input: only one of the profiles can be read from it".to_owned(),
        ),
        (
            "top before.pb.gz cpu.pb.gz",
            format!(
                "before.pb.gz and cpu.pb.gz: the profiles have different sample types: \
                 [{with_units}, inuse_space/bytes] and [{with_units}, cpu/nanoseconds]"
            ),
        ),
        (
            "flamegraph --base cpu.pb.gz before.pb.gz",
            "cpu.pb.gz and before.pb.gz: the profiles count different things: cpu/nanoseconds and \
             inuse_space/bytes".to_owned(),
        ),
        (
            "flamegraph --focus nobody before.pb.gz",
            "before.pb.gz: there is nothing to draw: all inuse_space of the profile are 0: --focus \
             matched nothing".to_owned(),
        ),
        (
            "flamegraph -o none/heap.svg before.pb.gz",
            "none/heap.svg: No such file or directory (os error 2)".to_owned(),
        ),
        (
            "fetch localhost:6060",
            "localhost:6060: not a URL that can be fetched: it has to begin with \
             http://".to_owned(),
        ),
        (
            "top https://localhost/",
            "https://localhost/: this command has no TLS: use a port forward and http://, or `curl \
             -s URL | heaptide top -`".to_owned(),
        ),
        (
            "top notes.txt",
            "notes.txt: not a pprof profile but text that begins with `heap`: /debug/pprof/heap \
             gives one, without debug=1".to_owned(),
        ),
        (
            "top localhost:6060",
            "localhost:6060: No such file or directory (os error 2): a URL has to begin with \
             http://".to_owned(),
        ),
        (
            "top ftp://localhost/heap.pb.gz",
            "ftp://localhost/heap.pb.gz: No such file or directory (os error 2): a URL has to \
             begin with http://".to_owned(),
        ),
        (
            "top http://localhost:99999/heap",
            "http://localhost:99999/heap: not a URL: ports are 1 to 65535".to_owned(),
        ),
        (
            "top empty",
            "empty: not a pprof profile: there are no bytes".to_owned(),
        ),
        (
            "top -",
            "standard input: not a pprof profile: there are no bytes".to_owned(),
        ),
        ("top cut.pb.gz", "cut.pb.gz: not a pprof profile: its gzip data is damaged or cut short: \
        incomplete deflate stream".to_owned()),
        (
            "top --sample-index inuse_spice before.pb.gz",
            format!("before.pb.gz: the profile has no sample type `inuse_spice`: it has {types}"),
        ),
        (
            "diff before.pb.gz missing.pb.gz",
            "missing.pb.gz: No such file or directory (os error 2)".to_owned(),
        ),
        (
            "diff cut.pb.gz after.pb.gz",
            "cut.pb.gz: not a pprof profile: its gzip data is damaged or cut short: incomplete \
             deflate stream".to_owned(),
        ),
        (
            "diff --sample-index cpu before.pb.gz after.pb.gz",
            format!("after.pb.gz: the profile has no sample type `cpu`: it has {types}"),
        ),
        (
            "diff before.pb.gz cpu.pb.gz",
            format!(
                "before.pb.gz and cpu.pb.gz: the profiles have different sample types: \
                 [{with_units}, cpu/nanoseconds] and [{with_units}, inuse_space/bytes]"
            ),
        ),
        (
            "diff - -",
            "standard input: only one of the profiles can be read from it".to_owned(),
        ),
    ];
    for (command_line, reason) in cases {
        let output = run(folder.path(), command_line);
        assert_eq!(
            text(&output.stderr),
            format!("heaptide: {reason}\n"),
            "heaptide {command_line}"
        );
        assert_eq!(text(&output.stdout), "", "heaptide {command_line}");
        assert_eq!(output.status.code(), Some(2), "heaptide {command_line}");
    }
}

#[test]
fn usage_errors_are_reported_and_exit_with_2() {
    let folder = folder();
    let cases = [
        ("", "Usage: heaptide [OPTIONS] <COMMAND>"),
        ("top", "<PROFILE>..."),
        ("diff", "<BASE>"),
        (
            "top --colour before.pb.gz",
            "unexpected argument '--colour'",
        ),
        (
            "top --unit ell before.pb.gz",
            "use auto, B, KiB, MiB, GiB or TiB",
        ),
        ("top --lines --stacks before.pb.gz", "cannot be used with"),
        ("tree --nodefraction 5 before.pb.gz", "from 0 to 1"),
        ("tree --granularity stacks before.pb.gz", "functions, lines"),
        ("peek before.pb.gz", "<PROFILE>..."),
        ("leaks --fail-on growth snapshots", "possible values: leak"),
        ("fetch --seconds 0 http://localhost", "not in 1..=86400"),
        ("top -n many before.pb.gz", "a whole number, or 0 for all"),
        ("watch -n 1.5 snapshots", "a whole number, or 0 for all"),
        ("flop before.pb.gz", "unrecognized subcommand 'flop'"),
    ];
    for (command_line, part) in cases {
        let output = run(folder.path(), command_line);
        assert!(
            text(&output.stderr).contains(part),
            "{}",
            text(&output.stderr)
        );
        assert_eq!(text(&output.stdout), "", "heaptide {command_line}");
        assert_eq!(output.status.code(), Some(2), "heaptide {command_line}");
    }
}
