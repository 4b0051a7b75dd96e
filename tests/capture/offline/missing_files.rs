//! Messages about files that are missing, or that belong to another build.

use crate::{raw, symbolize, text};
use heaptide::{Profile, ProfileOptions};
use heaptide_profile::Mapping;
use std::fs;

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
