//! `symbol`: names for addresses, as `pprof` asks for them when it has a raw profile.
//!
//! Names stay mangled, since `pprof` demangles them. Each is the function in the symbol table,
//! without the functions inlined into it: the answer has room for one name.

use super::reply::{self, Reply, ReplyResult};
use super::{limits::MAX_ADDRESSES, state::RequestContext};
use crate::ProfileOptions;
use ::http::{Method, StatusCode};
use heaptide_profile::{Location, Profile};

pub(super) fn answer(context: &RequestContext<'_>) -> ReplyResult<Reply> {
    let request = context.request;
    let list = if *request.method() == Method::POST {
        String::from_utf8_lossy(request.body())
    } else {
        request.uri().query().unwrap_or_default().into()
    };
    let addresses = list.split('+').filter_map(|word| parse_uint(word.trim()));
    let addresses = addresses.filter(|address| *address != 0);
    let addresses: Vec<u64> = addresses.take(MAX_ADDRESSES + 1).collect();
    if addresses.len() > MAX_ADDRESSES {
        let why = format!("too many addresses: at most {MAX_ADDRESSES} at a time");
        return reply::refused(StatusCode::PAYLOAD_TOO_LARGE, &why);
    }
    // Also without an address: that is how a client finds out whether there are names at all.
    if !cfg!(feature = "symbolize") {
        let why = "names are not in this program: build heaptide with the feature `symbolize`";
        return reply::refused(StatusCode::NOT_IMPLEMENTED, why);
    }
    let mut text = String::from("num_symbols: 1\n");
    if !addresses.is_empty() {
        let turn = context.turn()?;
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

/// The name of the outermost line, which is the function that owns the code.
fn symbol<'a>(profile: &'a Profile, location: &Location) -> Option<&'a str> {
    let line = location.lines.last()?;
    let function = profile.functions.get(line.function.index())?;
    let names: [&'a str; 2] = [&function.system_name, &function.name];
    names.into_iter().find(|name| !name.is_empty())
}

/// A number as Go's `strconv.ParseUint` reads it with base 0, but without underscores.
fn parse_uint(word: &str) -> Option<u64> {
    let (digits, radix) = match word.split_at_checked(2) {
        Some(("0x" | "0X", digits)) => (digits, 16),
        Some(("0b" | "0B", digits)) => (digits, 2),
        Some(("0o" | "0O", digits)) => (digits, 8),
        _ if word.len() > 1 && word.starts_with('0') => (word, 8),
        _ => (word, 10),
    };
    // `from_str_radix` takes a sign, Go does not.
    let digits = Some(digits).filter(|digits| !digits.starts_with('+'))?;
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
