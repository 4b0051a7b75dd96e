//! Reports: remarks, filters, source files, and the command of `pprof`.

use std::{fs, process::Output};

use heaptide_profile::testing::example;

use crate::{AFTER, BEFORE, folder, heaptide, run, text, urls::server};

#[test]
fn diff_remarks_on_two_builds() {
    let folder = folder();
    let mut other = example::profile(AFTER, 0);
    other.mappings[0].build_id = "0b".into();
    let file = fs::File::create(folder.path().join("other.pb.gz")).expect("a new file");
    other.write(file).expect("a valid profile");
    let same = run(folder.path(), "diff before.pb.gz after.pb.gz");
    assert_eq!(text(&same.stderr), "");
    let before = &other.mappings[0].file;
    let output = run(folder.path(), "diff before.pb.gz other.pb.gz");
    assert_eq!(output.status.code(), Some(0));
    let told = text(&output.stderr);
    let start = format!("heaptide: the profiles are of two builds, {before} with build id ");
    let end = format!(" and {before} with 0b: what was renamed is gone and new\n");
    assert!(told.starts_with(&start) && told.ends_with(&end), "{told}");
}

#[test]
fn diff_remarks_on_two_processes_even_if_a_filter_hides_the_drop() {
    let folder = folder();
    let mut diffs = Vec::new();
    for start in ["1700000000.12", "1700000000.13"] {
        let mut profiles = [example::profile(BEFORE, 0), example::profile(AFTER, 0)];
        for (profile, start) in profiles.iter_mut().zip(["1700000000.12", start]) {
            let comment = format!("#heaptide process: pid=1 start={start}");
            profile.comments.push(comment.into());
        }
        for (name, profile) in ["first.pb.gz", "second.pb.gz"].into_iter().zip(profiles) {
            let file = fs::File::create(folder.path().join(name)).expect("a new file");
            profile.write(file).expect("a valid profile");
        }
        let output = run(folder.path(), "diff --focus cache first.pb.gz second.pb.gz");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        diffs.push((
            text(&output.stdout).to_owned(),
            text(&output.stderr).to_owned(),
        ));
    }
    let [(same, ""), (other, remark)] = [&diffs[0], &diffs[1]].map(|(out, err)| (out, &**err))
    else {
        panic!("{diffs:?}");
    };
    assert!(remark.contains("of two different processes"), "{remark}");
    assert_ne!(same, other, "the errors are larger");
}

#[test]
fn a_filter_that_matches_nothing_is_reported() {
    let folder = folder();
    let cases = [
        (
            "top --focus nobody before.pb.gz",
            "heaptide: --focus matched nothing\n",
        ),
        // It matches in one of the two.
        ("diff --ignore server::log before.pb.gz after.pb.gz", ""),
        (
            "diff --hide nobody --tagignore tenant=red before.pb.gz after.pb.gz",
            "heaptide: --hide matched nothing\nheaptide: --tagignore matched nothing\n",
        ),
        (
            "traces --focus nobody before.pb.gz",
            "heaptide: --focus matched nothing\n",
        ),
        ("top --focus= before.pb.gz", ""),
    ];
    for (command_line, remarks) in cases {
        let output = run(folder.path(), command_line);
        assert_eq!(text(&output.stderr), remarks, "heaptide {command_line}");
        assert_eq!(output.status.code(), Some(0), "heaptide {command_line}");
    }
}

/// Where a source file is found, by its place and the options.
#[test]
fn source_files_are_searched_in_the_named_folders_and_above() {
    let folder = folder();
    let put = "list server::cache::put before.pb.gz";
    let within = folder.path().join("src/deep/deeper");
    fs::create_dir_all(&within).expect("new folders");
    let found = [
        // By its path in the folder, in one above, and in the second of two.
        format!("{put} --source-path src"),
        format!("{put} --source-path src/deep/deeper --trim-path=/src/"),
        format!("{put} --source-path snapshots:src --trim-path /none:/src"),
    ];
    for command_line in &found {
        let output = run(folder.path(), command_line);
        assert!(
            text(&output.stdout).contains("line(670); // of 1.rs\n"),
            "{output:?}"
        );
    }
    let here = heaptide(
        &folder.path().join("src"),
        "list server::cache::put ../before.pb.gz",
    )
    .output();
    let here = here.expect("the command starts");
    assert!(
        text(&here.stdout).contains("line(670); // of 1.rs\n"),
        "{here:?}"
    );
    let folder_name = folder.path().display();
    let not_found = [
        (
            put.to_owned(),
            "there is no /src/1.rs on this machine: name with --trim-path what to take off, and \
             with --source-path the folder to look in"
                .to_owned(),
        ),
        (
            format!("{put} --source-path snapshots --trim-path /src"),
            format!(
                "there is no 1.rs in {folder_name}/snapshots or above it: name its folder with \
                 --source-path"
            ),
        ),
        (
            format!("{put} --source-path snapshots:/none --trim-path /src"),
            format!(
                "there is no 1.rs in any of {folder_name}/snapshots, /none or above them: name its \
                 folder with --source-path"
            ),
        ),
    ];
    for (command_line, reason) in not_found {
        let output = run(folder.path(), &command_line);
        let told = format!("\nSource: {reason}\n");
        assert!(text(&output.stdout).contains(&told), "{output:?}");
        // The numbers are shown without it.
        assert!(text(&output.stdout).contains("  670\n"), "{output:?}");
        assert_eq!(output.status.code(), Some(0), "heaptide {command_line}");
    }
    // A file that has become shorter, and bytes that are not text.
    let main = run(folder.path(), "list ^main$ --source-path src before.pb.gz");
    let told = "\nSource: the source file ends at line 1: it is not the one that the program was \
    built from\n";
    assert!(text(&main.stdout).contains(told), "{main:?}");
    fs::write(folder.path().join("src/1.rs"), b"\xff\x1b[2J\n".repeat(700)).expect("a file");
    let bytes = run(folder.path(), &found[0]);
    assert!(
        text(&bytes.stdout).contains("670  \u{fffd}\\u{1b}[2J\n"),
        "{bytes:?}"
    );
}

/// An option that `pprof` does not have is given in its own terms.
#[test]
fn the_pprof_command_names_the_files_that_are_read() {
    let folder = folder();
    let same = |output: &Output| {
        let line = text(&output.stdout).lines().last().map(str::to_owned);
        line.unwrap_or_else(|| panic!("{output:?}"))
    };
    let start = "The same with pprof: go tool pprof -symbolize=none";
    let cases = [
        ("traces snapshots", "-traces snapshots/b.pb.gz"),
        (
            "peek <.*>::push --base snapshots after.pb.gz before.pb.gz",
            "'-peek=<.*>::push' -base=snapshots/b.pb.gz after.pb.gz before.pb.gz",
        ),
        (
            "list put --unit MiB --ignore walk|inflate before.pb.gz",
            "-list=put -unit=MB '-ignore=walk|inflate' before.pb.gz",
        ),
    ];
    for (command_line, expected) in cases {
        let output = run(folder.path(), command_line);
        assert_eq!(
            same(&output),
            format!("{start} {expected}"),
            "heaptide {command_line}"
        );
    }
    let input = fs::File::open(folder.path().join("after.pb.gz")).expect("just written");
    let output = heaptide(folder.path(), "traces -").stdin(input).output();
    let output = output.expect("the command starts");
    assert_eq!(same(&output), format!("{start} -traces /dev/stdin"));
    let server = server(folder.path());
    let output = run(folder.path(), &format!("traces --lines {}", server.url));
    let url = format!("{}/debug/pprof/heap", server.url);
    assert_eq!(same(&output), format!("{start} -traces -lines {url}"));
}
