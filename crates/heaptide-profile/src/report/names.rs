//! Short function names.
//!
//! They are for showing only. Two functions may have the same short name, so nothing may be counted
//! by it.

/// Shortens a function name: generic arguments and leading modules go, the type and the function
/// stay.
///
/// A Rust name keeps the last two parts of its path, not counting closures. A Go name keeps what
/// follows the last `/`.
///
/// # Examples
///
/// ```
/// use heaptide_profile::report::shorten;
///
/// assert_eq!(shorten("alloc::vec::Vec<T,A>::push"), "Vec::push");
/// let name = "<alloc::vec::Vec<T> as core::ops::drop::Drop>::drop";
/// assert_eq!(shorten(name), "<Vec as Drop>::drop");
/// assert_eq!(shorten("github.com/some/where/cache.(*LRU).Add"), "cache.(*LRU).Add");
/// ```
#[must_use]
pub fn shorten(name: &str) -> String {
    if !name.contains("::") {
        return after_last_slash(name).to_owned();
    }
    let mut parts: Vec<String> = Vec::new();
    for part in split(name, "::") {
        // `path::<T>::name` and `path::name::<T>` are generic arguments, `<T as Trait>::name` is
        // not.
        let is_argument = part.starts_with('<') && !part.starts_with("<impl ") && !parts.is_empty();
        if !is_argument && !is_hash(part) {
            parts.push(shorten_part(part));
        }
    }
    let is_name = |part: &String| !part.starts_with('{');
    let names = parts
        .iter()
        .rev()
        .enumerate()
        .filter(|(_, part)| is_name(part));
    let kept = names.map(|(at, _)| at + 1).nth(1).unwrap_or(parts.len());
    parts.split_off(parts.len() - kept).join("::")
}

fn shorten_part(part: &str) -> String {
    let Some(inner) = part
        .strip_prefix('<')
        .and_then(|part| part.strip_suffix('>'))
    else {
        let end = part.find('<').unwrap_or(part.len());
        return part.get(..end).unwrap_or(part).to_owned();
    };
    let types: Vec<String> = split(inner, " as ").into_iter().map(type_name).collect();
    match &types[..] {
        [alone] => alone.clone(),
        _ => format!("<{}>", types.join(" as ")),
    }
}

/// The last part of a type's path.
fn type_name(path: &str) -> String {
    // `Fn(A) -> B`: arguments and results are not part of the path.
    let end = path.find('(').filter(|&end| end > 0).unwrap_or(path.len());
    let path = path.get(..end).unwrap_or(path);
    let parts = split(path, "::");
    let last = parts.iter().rev().find(|part| !part.starts_with('<'));
    let last = last.copied().unwrap_or(path);
    let end = last.find('<').filter(|&end| end > 0).unwrap_or(last.len());
    last.get(..end).unwrap_or(last).to_owned()
}

/// The parts between separators that stand outside of all brackets.
fn split<'a>(text: &'a str, separator: &str) -> Vec<&'a str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        let is_separator = text
            .get(at..)
            .is_some_and(|rest| rest.starts_with(separator));
        if depth == 0 && at >= start && is_separator {
            parts.extend(text.get(start..at));
            start = at + separator.len();
        }
        match c {
            '<' | '(' | '[' | '{' => depth += 1,
            '>' if before == '-' => {} // the arrow of a function type
            '>' | ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        before = c;
    }
    parts.extend(text.get(start..));
    parts
}

/// The hash that ends a legacy Rust symbol: `h` and 16 hexadecimal digits.
fn is_hash(part: &str) -> bool {
    part.strip_prefix('h')
        .is_some_and(|hex| hex.len() == 16 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// A slash within brackets belongs to a type argument.
fn after_last_slash(name: &str) -> &str {
    let path = name.find(['(', '[']).unwrap_or(name.len());
    let slash = name.get(..path).and_then(|path| path.rfind('/'));
    slash.and_then(|at| name.get(at + 1..)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_type_and_function() {
        let cases = [
            ("main", "main"),
            ("server::main", "server::main"),
            ("server::db::pool::Pool<M>::get", "Pool::get"),
            (
                "core::ptr::drop_in_place<alloc::string::String>",
                "ptr::drop_in_place",
            ),
            (
                "server::run::{{closure}}::{{closure}}",
                "server::run::{{closure}}::{{closure}}",
            ),
            ("a::b::run::{closure#0}", "b::run::{closure#0}"),
            ("<alloc::vec::Vec<T>>::push", "Vec::push"),
            ("<&mut a::B<C> as d::E<F>>::g::<H>", "<B as E>::g"),
            (
                "<dyn core::ops::Fn(u8) -> a::B as x::Y>::call",
                "<Fn as Y>::call",
            ),
            ("a::b::h0123456789abcdef", "a::b"),
            ("a::b::<impl c::D for e::F>::g", "F::g"),
            (
                "github.com/a/b.F[go.shape.struct { x/y.Z }]",
                "b.F[go.shape.struct { x/y.Z }]",
            ),
            ("0x40 [server]", "0x40 [server]"),
            ("a::b<", "a::b"),
            ("::", "::"),
            (">::<", ">"),
        ];
        for (name, short) in cases {
            assert_eq!(shorten(name), short, "{name}");
        }
    }
}
