//! Shell completions and the manual page.

use std::{fs, process::Command};

use crate::{folder, run_ok, text};

const COMMANDS: [&str; 16] = [
    "top",
    "diff",
    "tree",
    "peek",
    "traces",
    "list",
    "leaks",
    "flamegraph",
    "fetch",
    "watch",
    "info",
    "symbolize",
    "convert",
    "merge",
    "completions",
    "man",
];

#[test]
fn completions_and_manual_name_every_command() {
    let folder = folder();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run_ok(folder.path(), &format!("completions {shell}"));
        for command in COMMANDS {
            assert!(script.contains(command), "{shell}: {command}");
        }
        if shell == "bash" {
            fs::write(folder.path().join("completions"), script).expect("a new file");
            let checked = Command::new("bash")
                .args(["-n", "completions"])
                .current_dir(&folder)
                .output();
            let checked = checked.expect("bash starts");
            assert!(
                checked.status.success() && checked.stderr.is_empty(),
                "{checked:?}"
            );
        }
    }
    let page = run_ok(folder.path(), "man");
    let help = run_ok(folder.path(), "--help");
    for command in COMMANDS {
        let title = format!(".SH \"{}\"\n", command.to_uppercase());
        assert!(page.contains(&title), "{title}");
        assert!(help.contains(&format!("  {command} ")), "{command}");
    }
}

#[test]
#[ignore = "needs groff (Debian groff-base)"]
fn groff_formats_the_manual_without_a_warning() {
    let folder = folder();
    fs::write(
        folder.path().join("heaptide.1"),
        run_ok(folder.path(), "man"),
    )
    .expect("a new file");
    let set = Command::new("groff")
        .args(["-man", "-ww", "-Tutf8", "heaptide.1"])
        .current_dir(&folder)
        .output()
        .expect("groff starts");
    assert!(set.status.success());
    assert_eq!(text(&set.stderr), "");
    let page = text(&set.stdout);
    assert!(page.contains("--ignore '^tokio::' \\\n"), "{page}");
    assert!(
        page.contains("heaptide symbolize raw.pb.gz --binary ./app -o heap.pb.gz"),
        "{page}"
    );
}
