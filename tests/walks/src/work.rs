//! Work that allocates on deep and varied stacks.
//!
//! It has parsers, a regex compiler, sorting with callbacks, a thread pool, an async service,
//! formatting, and panics that unwind through destructors.

use regex::{Captures, Regex};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashMap},
    ffi::{c_int, c_void},
    fmt::Write,
    hint::black_box,
    thread,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
};

pub fn everything(seed: usize) {
    parse_json(seed);
    parse_rust(seed);
    search(seed);
    sort(seed);
    sort_by_the_c_library(seed);
    recurse(seed % 110 + 1, &mut BTreeMap::new());
    iterate(seed);
    pool(seed);
    #[cfg(panic = "unwind")]
    unwinding::unwind_and_catch(seed);
    thread::scope(|scope| {
        scope.spawn(|| recurse(seed % 7 + 1, &mut BTreeMap::new()));
        scope.spawn(|| iterate(seed + 1));
    });
    thread::spawn(move || sort(seed)).join().expect("sorts");
}

fn parse_json(seed: usize) {
    fn nested(depth: usize, seed: usize) -> Value {
        if depth == 0 {
            return json!({"name": format!("leaf {seed}"), "at": [seed, null, 0.5]});
        }
        let inner = nested(depth - 1, seed / 2);
        json!({"depth": depth, "inner": [inner, "text\nwith \
        \"escapes\""], (format!("key{seed}")): true})
    }
    let value = nested(seed % 30, seed);
    let text = serde_json::to_string_pretty(&value).expect("prints");
    let read: Value = serde_json::from_str(&text).expect("parses");
    assert_eq!(read, value);

    let typed = r#"{"a": [[1, "one"], [2, "two"]], "b": [], "c": [[3, null]]}"#;
    type Typed = HashMap<String, Vec<(u32, Option<String>)>>;
    let typed: Typed = serde_json::from_str(typed).expect("parses");
    assert_eq!(typed.len(), 3);
    let wrong: Result<Typed, _> = serde_json::from_str(r#"{"a": [[1, {}]]}"#);
    assert!(wrong.expect_err("is wrong").to_string().contains("map"));
}

fn parse_rust(seed: usize) {
    // A few items at a time: the whole file at once would make up most of all allocations.
    let items: Vec<&str> = include_str!("work.rs").split_inclusive("\n}\n").collect();
    let text = items[seed % items.len()];
    assert!(syn::parse_file(text).is_ok(), "{text}");
}

fn search(seed: usize) {
    let words = ["alpha", "beta", "gamma", "delta", "epsilon"];
    let [one, two] = [words[seed % 5], words[seed / 5 % 5]];
    let pattern = format!(
        r"(?i)(?P<word>{one}|{two}+)[-\s]*(\d{{1,{}}})?",
        seed % 7 + 1
    );
    let regex = Regex::new(&pattern).expect("a pattern");
    let text = "Alpha-12 beta 7 gamma3 deltaa-9 EPSILON 1000000".repeat(seed % 3 + 1);
    let replaced = regex.replace_all(&text, |captures: &Captures<'_>| {
        format!("<{}>", captures["word"].to_uppercase())
    });
    assert!(replaced.contains(&format!("<{}", one.to_uppercase())));
    assert!(Regex::new(&format!("{one}(")).is_err());
}

fn sort(seed: usize) {
    let mut words: Vec<_> = (0..40).map(|i| (i * 7919 + seed) % 101).collect();
    words.sort_by(|a, b| {
        let by_text = format!("{a:?}").len().cmp(&b.to_string().len());
        by_text.then(b.cmp(a))
    });
    words.sort_by_cached_key(|word| format!("{word:?}"));
    words.sort_unstable_by_key(|word| vec![*word % 10, *word]);
    assert!(words.is_sorted_by_key(|word| (word % 10, *word)));
}

fn sort_by_the_c_library(seed: usize) {
    extern "C" fn compare(a: *const c_void, b: *const c_void) -> c_int {
        // SAFETY: `qsort` calls this only with elements of the array below.
        let [a, b] = [a, b].map(|number| unsafe { *number.cast::<u64>() });
        let [a, b] = [a, b].map(|number| format!("{number:05}"));
        a.cmp(&b) as c_int
    }
    let mut numbers: Vec<u64> = (0..20).map(|i| (i * 7919 + seed as u64) % 1009).collect();
    // SAFETY: the vector's elements, their count and their size.
    unsafe { libc::qsort(numbers.as_mut_ptr().cast(), numbers.len(), 8, Some(compare)) };
    assert!(numbers.is_sorted());
}

#[inline(never)]
fn recurse(depth: usize, seen: &mut BTreeMap<String, Box<dyn Fn() -> String>>) {
    seen.insert(
        format!("{depth:08}"),
        Box::new(move || format!("[{depth}]")),
    );
    if depth > 0 {
        recurse(depth - 1, seen);
    }
    let mut text = String::new();
    let first = seen.values().next().map(|show| show());
    write!(text, "{first:#?}").expect("strings take all");
    black_box(text);
}

fn iterate(seed: usize) {
    let texts: Vec<String> = (seed..seed + 30)
        .flat_map(|i| (0..3).map(move |j| vec![i, j]))
        .filter(|pair| pair.iter().sum::<usize>() % 2 == 0)
        .map(|pair| format!("{pair:?}"))
        .collect();
    let mut dynamic: Box<dyn Iterator<Item = String>> = Box::new(texts.into_iter());
    for i in 0..seed % 11 {
        dynamic = Box::new(dynamic.map(move |text| format!("{text}{i}")));
    }
    black_box(dynamic.collect::<Vec<_>>().join(","));
}

fn pool(seed: usize) {
    use rayon::prelude::*;
    fn split(low: usize, high: usize) -> Vec<String> {
        if high - low < 3 {
            return (low..high).map(|i| i.to_string()).collect();
        }
        let middle = low.midpoint(high);
        let (mut left, right) = rayon::join(|| split(low, middle), || split(middle, high));
        left.extend(right);
        left
    }
    assert_eq!(split(seed, seed + 40).len(), 40);
    let squares: BTreeMap<usize, String> = (0..60usize)
        .into_par_iter()
        .filter(|i| i % 3 != seed % 3)
        .map(|i| (i, format!("{}", i * i)))
        .collect();
    assert_eq!(squares.len(), 40);
    let mut words: Vec<String> = (0..100).map(|i| format!("{:x}", i * seed)).collect();
    words.par_sort_by_key(|word| word.chars().rev().collect::<String>());
    black_box(words);
}

#[cfg(panic = "unwind")]
mod unwinding {
    use std::{backtrace::Backtrace, hint::black_box, panic, sync::Once};

    /// Allocates while a panic unwinds through it.
    struct AllocatesAsItDrops(usize);

    impl Drop for AllocatesAsItDrops {
        fn drop(&mut self) {
            black_box(vec![format!("{}", self.0); self.0 % 5 + 1]);
            if self.0 == 3 {
                // A panic inside of the unwinding of another one.
                let inner = panic::catch_unwind(|| panic!("inner {}", black_box(7)));
                assert!(inner.is_err());
            }
        }
    }

    #[inline(never)]
    fn fall(depth: usize) {
        let _guard = AllocatesAsItDrops(depth);
        if depth == 0 {
            panic!("bottom {}", black_box(1));
        }
        fall(black_box(depth - 1));
    }

    pub(super) fn unwind_and_catch(seed: usize) {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            panic::set_hook(Box::new(|panic| {
                drop(black_box((panic.to_string(), Backtrace::force_capture())));
            }));
        });
        let fallen = panic::catch_unwind(|| fall(seed % 20));
        let message = fallen.expect_err("has fallen");
        assert_eq!(
            message.downcast_ref::<String>().expect("a text"),
            "bottom 1"
        );
    }
}

/// A service and its clients, over loopback.
pub fn serve(clients: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream));
            }
        });
        let (sender, mut receiver) = mpsc::channel(4);
        let mut tasks = JoinSet::new();
        for client in 0..clients {
            let sender = sender.clone();
            tasks.spawn(async move {
                let answers = ask(address, client).await;
                sender.send(answers).await.expect("is received");
            });
        }
        drop(sender);
        let mut answers = 0;
        while let Some(lines) = receiver.recv().await {
            answers += lines.len();
        }
        assert_eq!(answers, clients * 10);
        while let Some(task) = tasks.join_next().await {
            task.expect("ends well");
        }
        server.abort();
    });
}

async fn answer(stream: TcpStream) {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let work = move || {
            let value: Value = serde_json::from_str(&line).expect("parses");
            format!("{}\n", json!({"echo": value, "upper": line.to_uppercase()}))
        };
        let text = tokio::task::spawn_blocking(work).await.expect("is done");
        if writer.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn ask(address: std::net::SocketAddr, client: usize) -> Vec<String> {
    let stream = TcpStream::connect(address).await.expect("connects");
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    let mut answers = Vec::new();
    for request in 0..10 {
        let text = format!("{}\n", json!({"client": client, "request": [request]}));
        writer.write_all(text.as_bytes()).await.expect("sends");
        let answer = lines.next_line().await.expect("answers").expect("a line");
        assert!(answer.contains("echo"));
        answers.push(answer);
    }
    answers
}
