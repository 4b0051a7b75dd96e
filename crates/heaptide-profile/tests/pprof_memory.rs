//! Reading takes at most the memory that `Profile::read` promises, for any bytes.
//!
//! A counting allocator measures it over the inputs that grow the most. It is one test, because
//! the count is of the whole process.
#![expect(
    unsafe_code,
    reason = "a counting allocator is the only true measure of a peak"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use flate2::Compression;
use flate2::write::GzEncoder;
use heaptide_profile::Profile;

/// The promise in the documentation of `Profile::read`.
const MEMORY_RATIO: usize = 24;
const MEMORY_FIXED: usize = 128 << 10;

/// Without gzip there is neither a second buffer nor a fixed part, so the limit is lower. The
/// entries of a profile come to 20 times the input. Any table that grows beside them would exceed
/// this.
const PLAIN_RATIO: usize = 21;
const PLAIN_FIXED: usize = 4 << 10;
const GZIP_RATIO: usize = 160;

/// Just above a power of two, where doubling wastes the most.
const MANY: usize = (1 << 14) + 1;

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// `realloc` and `alloc_zeroed` are the trait's own, through these two. So a growing vector counts
// with both its old and its new room.
//
// SAFETY: each method passes its arguments to `System` unchanged and returns what it returns.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(live, Relaxed);
        // SAFETY: the caller promises a layout that is not empty, as `System` wants.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller promises that `block` came from `alloc` above, so from `System`, with
        // this layout.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Reads `bytes`. Returns how much more was live at the worst moment than before, and the result.
fn peak_of_reading(bytes: &[u8]) -> (usize, heaptide_profile::Result<Profile>) {
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    let result = Profile::read(bytes);
    (PEAK.load(Relaxed) - before, result)
}

fn varint(mut value: u64, into: &mut Vec<u8>) {
    while value >= 0x80 {
        into.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    into.push((value & 0x7f) as u8);
}

fn number(field: u64, value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    varint(field << 3, &mut bytes);
    varint(value, &mut bytes);
    bytes
}

fn message(field: u64, content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    varint(field << 3 | 2, &mut bytes);
    varint(content.len() as u64, &mut bytes);
    bytes.extend(content);
    bytes
}

fn entries(field: u64, content: impl Fn(u64) -> Vec<u8>) -> Vec<u8> {
    let ids = 1..=MANY as u64;
    ids.flat_map(|id| message(field, &content(id))).collect()
}

fn sparse(id: u64) -> u64 {
    id.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The string table `["", "k"]` and `rest`.
fn with_strings(rest: &[&[u8]]) -> Vec<u8> {
    [&message(6, b""), &message(6, b"k"), &rest.concat()[..]].concat()
}

/// Inputs by name, and whether they are valid.
fn inputs() -> Vec<(&'static str, bool, Vec<u8>)> {
    let one_type = message(1, b"");
    let none = |_: u64| Vec::new();
    let few_locations: Vec<u8> = (1..100).flat_map(|id| message(4, &number(1, id))).collect();
    let one_function = message(5, &number(1, 1));
    let label = message(3, &number(1, 1));
    let both = message(3, &[number(1, 1), number(2, 1), number(3, 1)].concat());
    let value = number(2, 0);
    let line = message(4, &number(1, 1));
    let sample = |content: &[&[u8]]| message(2, &content.concat());
    let location = |content: &[&[u8]]| message(4, &content.concat());
    let sample_of =
        |part: &[u8]| with_strings(&[&one_type, &sample(&[&value, &part.repeat(MANY)])]);
    let types_of = |values: &[u8]| {
        let types = one_type.repeat(MANY);
        with_strings(&[&types, &sample(&[values])])
    };
    vec![
        ("empty samples", false, with_strings(&[&entries(2, none)])),
        (
            "empty samples with types",
            false,
            with_strings(&[&one_type, &entries(2, none)]),
        ),
        (
            "least samples",
            true,
            with_strings(&[&one_type, &entries(2, |_| number(2, 0))]),
        ),
        (
            "empty sample types",
            true,
            with_strings(&[&entries(1, none)]),
        ),
        ("empty locations", false, with_strings(&[&entries(4, none)])),
        (
            "least locations",
            true,
            with_strings(&[&entries(4, |id| number(1, id))]),
        ),
        (
            "sparse locations",
            true,
            with_strings(&[&entries(4, |id| number(1, sparse(id)))]),
        ),
        (
            "one id for all locations",
            false,
            with_strings(&[&entries(4, |_| number(1, 1))]),
        ),
        (
            "least functions",
            true,
            with_strings(&[&entries(5, |id| number(1, id))]),
        ),
        (
            "one id for all functions",
            false,
            with_strings(&[&entries(5, |_| number(1, 1))]),
        ),
        (
            "least mappings",
            true,
            with_strings(&[&entries(3, |id| number(1, id))]),
        ),
        (
            "one id for all mappings",
            false,
            with_strings(&[&entries(3, |_| number(1, 1))]),
        ),
        ("empty strings", true, entries(6, none)),
        (
            "short strings",
            true,
            with_strings(&[&entries(6, |_| b"a".to_vec())]),
        ),
        (
            "not UTF-8",
            true,
            with_strings(&[&message(6, &[0xff; MANY])]),
        ),
        (
            "short and not UTF-8",
            true,
            with_strings(&[&entries(6, |_| vec![0xff])]),
        ),
        (
            "packed comments",
            true,
            with_strings(&[&message(13, &[1; MANY])]),
        ),
        (
            "single comments",
            true,
            with_strings(&[&number(13, 1).repeat(MANY)]),
        ),
        (
            "packed stack",
            true,
            with_strings(&[
                &one_type,
                &few_locations,
                &sample(&[&value, &message(1, &[99; MANY])]),
            ]),
        ),
        (
            "stack number by number",
            true,
            with_strings(&[
                &one_type,
                &few_locations,
                &sample(&[&value, &number(1, 7).repeat(MANY)]),
            ]),
        ),
        ("packed values", true, types_of(&message(2, &[1; MANY]))),
        (
            "values number by number",
            true,
            types_of(&number(2, 1).repeat(MANY)),
        ),
        (
            "packed values, one type",
            false,
            with_strings(&[&one_type, &sample(&[&message(2, &[1; MANY])])]),
        ),
        ("empty labels", false, sample_of(&message(3, b""))),
        ("least labels", true, sample_of(&label)),
        ("labels with both values", true, sample_of(&both)),
        (
            "empty lines",
            false,
            with_strings(&[&location(&[&number(1, 1), &message(4, b"").repeat(MANY)])]),
        ),
        (
            "least lines",
            true,
            with_strings(&[
                &one_function,
                &location(&[&number(1, 1), &line.repeat(MANY)]),
            ]),
        ),
        (
            "period types",
            true,
            with_strings(&[&message(11, b"").repeat(MANY)]),
        ),
        (
            "unknown fields",
            true,
            with_strings(&[&message(99, b"").repeat(MANY)]),
        ),
        ("nested groups", false, vec![0x0b; MANY]),
        ("nested messages", false, nested()),
        (
            "a length beyond the end",
            false,
            vec![0x12, 0xff, 0xff, 0xff, 0xff, 0x0f],
        ),
    ]
}

/// Samples within samples. Each is the only content of the one around it.
fn nested() -> Vec<u8> {
    (0..2000).fold(Vec::new(), |inside, _| message(2, &inside))
}

fn gzip(bytes: &[u8], level: Compression) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn check(name: &str, peak: usize, length: usize, (ratio, fixed): (usize, usize)) {
    let bound = length * ratio + fixed;
    let times = peak as f64 / length as f64;
    println!("{name}: {length} bytes, peak {peak}, {times:.1} times");
    assert!(
        peak <= bound,
        "{name}: peak {peak} of {length} bytes ({times:.1} times)"
    );
}

#[test]
fn reading_stays_within_the_stated_multiple_of_its_input() {
    for (name, valid, bytes) in inputs() {
        let (peak, result) = peak_of_reading(&bytes);
        check(name, peak, bytes.len(), (PLAIN_RATIO, PLAIN_FIXED));
        assert_eq!(result.is_ok(), valid, "{name}: {:?}", result.err());

        let stated = (MEMORY_RATIO, MEMORY_FIXED);
        for level in [Compression::fast(), Compression::best()] {
            let packed = gzip(&bytes, level);
            let (peak, result) = peak_of_reading(&packed);
            if bytes.len() > packed.len() * GZIP_RATIO {
                assert!(result.is_err_and(|error| error.is_too_large()), "{name}");
                check(
                    &format!("{name}, refused gzip"),
                    peak,
                    packed.len() * GZIP_RATIO,
                    stated,
                );
            } else {
                assert_eq!(result.is_ok(), valid, "{name}, gzip: {:?}", result.err());
                check(&format!("{name}, gzip"), peak, bytes.len(), stated);
            }
        }
    }

    let bomb = gzip(&vec![0; 8 << 20], Compression::best());
    let (peak, result) = peak_of_reading(&bomb);
    let error = result.unwrap_err();
    assert!(error.is_too_large());
    let limit = bomb.len() * GZIP_RATIO;
    assert!(
        error
            .to_string()
            .contains(&format!("limit of {limit} bytes")),
        "{error}"
    );
    // The buffer doubles, so at most three halves of its last size are live at once.
    assert!(peak <= 3 * limit + MEMORY_FIXED, "a bomb took {peak} bytes");
}
