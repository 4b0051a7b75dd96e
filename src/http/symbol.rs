//! `symbol`: names for addresses, as `pprof` asks for them when it has a raw profile of a running program.
//!
//! Names leave mangled, since `pprof` demangles; and only the function that is in the symbol table, not what
//! was inlined into it: that is all the answer has room for.

use super::{
    builder::Shared,
    caller::Caller,
    reply::{self, Reply, Result},
};
use crate::{Profile, ProfileOptions, profile::Location};
use ::http::{Method, Request, StatusCode};
use bytes::Bytes;

/// `pprof` asks for all addresses of a mapping at once: some thousands for a large service. Each may cost a
/// look into debug info.
pub(super) const MOST_ADDRESSES: usize = 1 << 16;

pub(super) fn answer(shared: &Shared, request: &Request<Bytes>, caller: &Caller) -> Result<Reply> {
    let asked = if *request.method() == Method::POST {
        String::from_utf8_lossy(request.body())
    } else {
        request.uri().query().unwrap_or_default().into()
    };
    let addresses: Vec<u64> = asked
        .split('+')
        .filter_map(|word| parse_uint(word.trim()))
        .filter(|address| *address != 0)
        .take(MOST_ADDRESSES + 1)
        .collect();
    if addresses.len() > MOST_ADDRESSES {
        return reply::refused(
            StatusCode::PAYLOAD_TOO_LARGE,
            &format!("too many addresses: at most {MOST_ADDRESSES} at a time"),
        );
    }
    // Whatever is asked: a client asks for nothing to see whether there are symbols at all.
    if !cfg!(feature = "symbolize") {
        return reply::refused(
            StatusCode::NOT_IMPLEMENTED,
            "names are not in this program: build heaptide with the feature `symbolize`",
        );
    }
    let mut text = String::from("num_symbols: 1\n");
    if !addresses.is_empty() {
        let turn = shared.turn(caller)?;
        let located = ProfileOptions::locate(&addresses);
        drop(turn);
        for location in &located.locations {
            if let Some(symbol) = symbol(&located, location) {
                text += &format!("{:#x} {symbol}\n", location.address);
            }
        }
    }
    Ok(reply::text(text))
}

/// The outermost line is the function whose code it is.
fn symbol<'a>(profile: &'a Profile, location: &Location) -> Option<&'a str> {
    let line = location.lines.last()?;
    let function = profile.functions.get(line.function.index())?;
    [&function.system_name, &function.name]
        .into_iter()
        .map(|name| &**name)
        .find(|name| !name.is_empty())
}

/// A number as Go's `strconv.ParseUint` reads it with base 0, but for underscores.
fn parse_uint(word: &str) -> Option<u64> {
    let prefixed = |prefixes: [&str; 2]| prefixes.iter().find_map(|p| word.strip_prefix(p));
    let (digits, radix) = if let Some(digits) = prefixed(["0x", "0X"]) {
        (digits, 16)
    } else if let Some(digits) = prefixed(["0b", "0B"]) {
        (digits, 2)
    } else if let Some(digits) = prefixed(["0o", "0O"]) {
        (digits, 8)
    } else if word.len() > 1 && word.starts_with('0') {
        (word, 8)
    } else {
        (word, 10)
    };
    // `from_str_radix` takes a sign, Go does not.
    if digits.starts_with('+') {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_any_base() {
        for (word, number) in [
            ("0x10", Some(16)),
            ("0XfF", Some(255)),
            ("10", Some(10)),
            ("010", Some(8)),
            ("0o10", Some(8)),
            ("0b10", Some(2)),
            ("0", Some(0)),
            ("", None),
            ("0x", None),
            ("0x+1", None),
            ("-1", None),
            ("0x10000000000000000", None),
            ("x", None),
        ] {
            assert_eq!(parse_uint(word), number, "{word:?}");
        }
    }

    /// The test itself, by the address of its code.
    #[cfg(feature = "symbolize")]
    #[test]
    fn a_function_of_this_program_has_its_mangled_name() {
        let address = numbers_are_read_in_any_base as fn() as usize as u64;
        let located = ProfileOptions::locate(&[address, 0x10]);
        let name = symbol(&located, &located.locations[0]).unwrap();
        assert!(name.starts_with("_ZN") || name.starts_with("_R"), "{name}");
        assert!(name.contains("numbers_are_read_in_any_base"), "{name}");
        assert_eq!(symbol(&located, &located.locations[1]), None);
    }
}
