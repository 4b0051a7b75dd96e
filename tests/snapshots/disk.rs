//! Problems with the disk cost snapshots, but not the process.

use crate::common::{command, reasons, run, said, set_soft_limit, start};
use crate::paths;
use std::{fs, path::PathBuf, process::Command};

pub(crate) fn lose_a_snapshot_to_the_file_size() {
    let snapshots = start();
    snapshots.take("before").unwrap();
    set_soft_limit(libc::RLIMIT_FSIZE, Some(100));
    let error = snapshots.take("during").unwrap_err();
    assert!(
        error.is_io() && error.to_string().contains("too large"),
        "{error}"
    );
    assert!(snapshots.take("again").unwrap_err().is_io());
    set_soft_limit(libc::RLIMIT_FSIZE, None);
    snapshots.take("after").unwrap();
    let counts = snapshots.counts();
    assert_eq!((counts.taken, counts.failed), (2, 2));
}

/// Runs with a folder that is a volume of 64 KiB.
pub(crate) fn lose_a_snapshot_to_a_full_disk() {
    let folder = PathBuf::from(std::env::var_os("FOLDER").unwrap());
    let snapshots = start();
    // So many stacks that a profile is larger than a page.
    let mut kept = Vec::new();
    for path in 0..500 {
        paths::walk(path, 10, &mut || kept.push(paths::Small::new()));
    }
    let first = snapshots.take("before").unwrap();
    let whole = fs::read(&first).unwrap();
    // Leaves only the page that every file takes.
    let filler = folder.join("filler");
    let free = (64 << 10) - whole.len().next_multiple_of(4096) - 4096;
    fs::write(&filler, vec![0; free]).unwrap();
    assert!(whole.len() > 4096, "a snapshot does not fit into one page");
    for reason in ["full", "again"] {
        let error = snapshots.take(reason).unwrap_err();
        assert!(error.to_string().contains("No space left"), "{error}");
    }
    let names: Vec<_> = fs::read_dir(&folder).unwrap().collect();
    assert_eq!(names.len(), 2, "no unfinished file: {names:?}");
    assert_eq!(fs::read(&first).unwrap(), whole);
    fs::remove_file(&filler).unwrap();
    snapshots.take("after").unwrap();

    let remount = |options: &str| {
        let mut mount = Command::new("mount");
        let status = mount.args(["-o", options]).arg(&folder).status();
        assert!(status.expect("mount is there").success());
    };
    remount("remount,ro");
    let error = snapshots.take("read-only").unwrap_err();
    assert!(error.to_string().contains("Read-only"), "{error}");
    remount("remount,rw");
    snapshots.take("writable").unwrap();
    let counts = snapshots.counts();
    assert_eq!((counts.taken, counts.failed), (3, 3));
}

pub(crate) fn lose_snapshots_with_their_folder() {
    let folder = PathBuf::from(std::env::var_os("FOLDER").unwrap());
    let snapshots = start();
    snapshots.take("there").unwrap();
    fs::remove_dir_all(&folder).unwrap();
    for _ in 0..5 {
        assert!(snapshots.take("gone").unwrap_err().is_io());
    }
    assert!(!folder.exists(), "the folder is not created again");
    fs::create_dir(&folder).unwrap();
    snapshots.take("back").unwrap();
    fs::remove_dir_all(&folder).unwrap();
    assert!(snapshots.take("gone").unwrap_err().is_io());
    fs::create_dir(&folder).unwrap();
    assert_eq!(snapshots.counts().failed, 6);
}

pub(crate) fn a_limit_on_file_sizes_costs_only_the_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let settings = format!("dir={},every=1h", folder.path().display());
    let output = run(command("file-size", &settings));
    assert_eq!(reasons(folder.path()), ["before", "after"]);
    assert_eq!(said(&output).len(), 1, "{output:?}");
}

pub(crate) fn a_full_and_a_read_only_disk_cost_only_the_snapshots() {
    let folder = tempfile::tempdir().unwrap();
    let settings = format!("dir={},every=1h", folder.path().display());
    let inner = command("full", &settings);
    let mut outer = Command::new("unshare");
    let script = r#"mount -t tmpfs -o size=64k tmpfs "$FOLDER" && exec "$@""#;
    outer.args([
        "--user",
        "--map-root-user",
        "--mount",
        "--",
        "sh",
        "-c",
        script,
        "sh",
    ]);
    outer.arg(inner.get_program()).args(inner.get_args());
    for (key, value) in inner.get_envs() {
        match value {
            Some(value) => outer.env(key, value),
            None => outer.env_remove(key),
        };
    }
    outer.env("FOLDER", folder.path());
    outer.env("HEAPTIDE_SAMPLE_INTERVAL", "1");
    let output = run(outer);
    let said = said(&output);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("No space left") && said[1].contains("Read-only"));
}

pub(crate) fn a_folder_that_vanishes_costs_only_the_snapshots() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("dumps");
    let settings = format!("dir={},every=1h", folder.display());
    let mut command = command("vanished", &settings);
    command.env("FOLDER", &folder);
    let said = said(&run(command));
    assert_eq!(said.len(), 2, "one warning for each absence: {said:?}");
    assert!(said[0].contains("could not write the snapshot"), "{said:?}");
}
