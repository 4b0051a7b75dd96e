//! The machine code that every allocation of a program runs through.
//!
//! It is each of the four methods, from its entry to the inner allocator. One more instruction
//! costs every program, and no other test would show it.
//!
//! `benches/rivals/src/bin/fast-path.rs` has the methods around an inner allocator that is opaque
//! to the compiler. It is built with the optimizer and disassembled. Registers, constants and
//! addresses are left out, so the kinds of instructions and their order are compared.
//!
//! After an intended change, on x86-64 with `binutils` installed:
//!
//! ```text
//! BLESS=1 cargo test --test fast_path -- --ignored
//! ```
//!
//! rewrites `tests/fast_path/x86-64.txt`. Read its difference: new lines are cost.

#![cfg(target_arch = "x86_64")]

use std::{collections::BTreeMap, env, fmt::Write as _, fs, path::Path, process::Command};

/// The methods, and the parts of them that are out of line. Mangled names contain these.
const FUNCTIONS: [&str; 7] = [
    "fast_alloc",
    "fast_alloc_zeroed",
    "fast_dealloc",
    "fast_realloc",
    "15dealloc_aligned",
    "11dealloc_any",
    "11realloc_any",
];
/// Jumps into these lead to the rest of a fast path.
const OUT_OF_LINE: [&str; 3] = ["dealloc_aligned", "dealloc_any", "realloc_any"];

#[test]
#[ignore = "needs objdump (Debian package binutils)"]
fn fast_paths_are_the_reviewed_ones() {
    let listing = disassemble();
    let mut shape = String::new();
    for (function, code) in FUNCTIONS.iter().flat_map(|name| functions(&listing, name)) {
        let mut paths = Vec::new();
        walk(&code, 0, &mut Vec::new(), &mut paths);
        assert!(
            !paths.is_empty(),
            "no path from `{function}` to the inner allocator:\n{code:#?}"
        );
        paths.sort_by_key(|path| (path.len(), path.clone()));
        for path in paths {
            writeln!(shape, "{function}: {} instructions", path.len()).unwrap();
            for instruction in path {
                writeln!(shape, "    {instruction}").unwrap();
            }
        }
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fast_path/x86-64.txt");
    if env::var_os("BLESS").is_some() {
        fs::write(&file, &shape).unwrap();
    }
    let reviewed = fs::read_to_string(&file).unwrap();
    assert!(
        shape == reviewed,
        "the fast path is no longer what was reviewed. It was:\n{reviewed}\nand is now:\n{shape}\n\
         If it must be so, say why in the commit and renew the file:\n    \
         BLESS=1 cargo test --test fast_path -- --ignored\nthen read its difference."
    );
}

/// objdump's listing of the optimized program.
fn disassemble() -> String {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/rivals");
    let folder = package.join("target/heaptide");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(&package).env_remove("RUSTFLAGS");
    cargo.args([
        "build",
        "--quiet",
        "--release",
        "--locked",
        "--features",
        "heaptide",
    ]);
    cargo
        .args(["--bin", "fast-path", "--target-dir"])
        .arg(&folder);
    assert!(cargo.status().expect("cargo runs").success());

    let mut objdump = Command::new("objdump");
    objdump.args([
        "--disassemble",
        "--no-show-raw-insn",
        "--disassembler-options=intel",
    ]);
    let output = objdump.arg(folder.join("release/fast-path")).output();
    let output = output.expect("objdump runs: it is in the Debian package binutils");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// One instruction of a function, and the next instructions in that function.
#[derive(Debug)]
struct Instruction {
    /// Its kind: mnemonic and kinds of operands.
    kind: String,
    /// The index of the instruction that it may jump to.
    jump: Option<usize>,
    end: End,
}

/// Whether control goes on after an instruction.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    No,
    /// Control continues at `jump` only.
    Jumps,
    /// The inner allocator is reached.
    Inner,
    /// Another function, which is cold, or a return.
    Cold,
}

/// Every path from an instruction to the inner allocator, without repeating loops.
fn walk(code: &[Instruction], at: usize, before: &mut Vec<usize>, paths: &mut Vec<Vec<String>>) {
    let Some(instruction) = code.get(at) else {
        return;
    };
    if before.contains(&at) {
        return;
    }
    before.push(at);
    match instruction.end {
        End::Inner => {
            let kinds = before.iter().map(|&at| code[at].kind.clone());
            paths.push(kinds.collect());
        }
        End::Cold => {}
        End::Jumps => walk(code, instruction.jump.unwrap(), before, paths),
        End::No => {
            walk(code, at + 1, before, paths);
            if let Some(jump) = instruction.jump {
                walk(code, jump, before, paths);
            }
        }
    }
    before.pop();
}

/// The functions of the listing with this name, or with the name in theirs if it begins with a
/// length as mangled names do. Their order does not depend on addresses.
fn functions(listing: &str, name: &str) -> Vec<(String, Vec<Instruction>)> {
    let is_mangled = name.starts_with(|c: char| c.is_ascii_digit());
    let plain = name.trim_start_matches(|c: char| c.is_ascii_digit());
    let mut found: Vec<_> = listing
        .split("\n\n")
        .filter_map(|function| {
            let (heading, body) = function.trim_start().split_once(">:\n")?;
            let (_, heading) = heading.split_once('<')?;
            let is_it = heading == name || is_mangled && heading.contains(name);
            is_it.then(|| (plain.to_owned(), instructions(body)))
        })
        .collect();
    assert!(!found.is_empty(), "`{name}` is not in the program");
    found.sort_by_key(|(_, code)| code.len());
    found
}

/// The instructions of a function.
fn instructions(body: &str) -> Vec<Instruction> {
    let lines = body.lines().filter_map(|line| line.split_once(":\t"));
    let lines: Vec<(&str, &str)> = lines.map(|(at, text)| (at.trim(), text)).collect();
    let places: BTreeMap<&str, usize> = lines
        .iter()
        .enumerate()
        .map(|(index, (at, _))| (*at, index))
        .collect();
    let inside = |target: &str| places.get(target).copied();
    lines
        .iter()
        .map(|(_, text)| instruction(text, inside))
        .collect()
}

fn instruction(text: &str, inside: impl Fn(&str) -> Option<usize>) -> Instruction {
    let text = text.split('#').next().unwrap_or(text).trim();
    let (mnemonic, operands) = text.split_once(' ').unwrap_or((text, ""));
    let operands = operands.trim();
    let jump = inside(operands.split(' ').next().unwrap_or_default());
    // Through the table of imports, or by name. All other calls are direct, to functions of
    // heaptide.
    let is_inner = operands.contains("[rip") || operands.contains("<inner_");
    let is_rest = OUT_OF_LINE.iter().any(|name| operands.contains(name));
    let (kind, end) = match (mnemonic, jump) {
        ("jmp", Some(_)) => ("jump".to_owned(), End::Jumps),
        ("jmp", None) if is_rest => ("jump to the rest of it, out of line".to_owned(), End::Inner),
        ("jmp", None) if is_inner => ("jump to the inner allocator".to_owned(), End::Inner),
        ("call", _) if is_inner => (
            "call of the inner allocator, and what follows".to_owned(),
            End::Inner,
        ),
        ("jmp" | "call" | "ret" | "ud2" | "int3", _) => (mnemonic.to_owned(), End::Cold),
        // A branch in this function, or a tail call of another one.
        (_, Some(_)) => ("branch".to_owned(), End::No),
        _ if mnemonic.starts_with('j') => ("branch".to_owned(), End::No),
        _ => (kind(mnemonic, operands), End::No),
    };
    Instruction { kind, jump, end }
}

/// The kind of an instruction: `sub QWORD PTR fs:[rax],rdi` is a `sub thread-local, register`.
fn kind(mnemonic: &str, operands: &str) -> String {
    let operands = operands.split(',').map(|operand| match operand {
        "" => "",
        _ if operand.contains("fs:") => "thread-local",
        _ if operand.contains('[') => "memory",
        _ if operand.starts_with("0x") || operand.starts_with(|c: char| c.is_ascii_digit()) => {
            "constant"
        }
        _ => "register",
    });
    let operands: Vec<&str> = operands.collect();
    let text = format!("{mnemonic} {}", operands.join(", "));
    text.trim_end().to_owned()
}
