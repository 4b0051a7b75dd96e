//! Reads sizes in bytes from the environment's variables, without allocating.

/// Reads a number of bytes below 2^63. `B`, `KiB`, `MiB` or `GiB` may follow it.
pub(crate) fn parse_size(text: &[u8]) -> Option<u64> {
    let text = core::str::from_utf8(text).ok()?.trim();
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = text.strip_prefix(digits)?.trim();
    let factor = [("", 0), ("B", 0), ("KiB", 10), ("MiB", 20), ("GiB", 30)]
        .into_iter()
        .find(|(name, _)| unit.eq_ignore_ascii_case(name))?;
    let number: u64 = digits.parse().ok()?;
    number
        .checked_mul(1 << factor.1)
        .filter(|bytes| *bytes < 1 << 63)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_units() {
        for (text, bytes) in [
            ("524288", Some(524_288)),
            ("512KiB", Some(524_288)),
            (" 1 mib ", Some(1 << 20)),
            ("2GiB", Some(2 << 30)),
            ("64B", Some(64)),
            ("0", Some(0)),
            ("", None),
            ("KiB", None),
            ("-1", None),
            ("1.5MiB", None),
            ("512KB", None),
            ("99999999999999999999", None),
            ("9223372036854775808", None),
        ] {
            assert_eq!(parse_size(text.as_bytes()), bytes, "{text:?}");
        }
        assert_eq!(parse_size(b"\xff"), None);
    }
}
