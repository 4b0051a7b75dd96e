//! Flame graphs as SVG, drawn by inferno from folded stacks.
//!
//! Apart from the other reports because it is behind the feature `flamegraph`. It draws; what a stack
//! is called is for `folded`.

use std::io::Write;

use inferno::flamegraph::color::{BasicPalette, Palette};
use inferno::flamegraph::{Options, from_lines};

use super::folded::folded;
use crate::printable::printable;
use crate::{Error, Profile, Result};

/// Draws the value at `sample_index` (see [`Profile::sample_index`]) as a flame graph and writes it
/// as SVG, with colors that depend on the names only.
///
/// # Errors
///
/// A mismatch if the profile has no such sample type, nothing to draw, a negative value (as in the
/// difference of two profiles), or a sum beyond 64 bits; an I/O error if writing fails.
pub fn write_flamegraph(profile: &Profile, sample_index: usize, writer: impl Write) -> Result<()> {
    let Some(kind) = profile.sample_types.get(sample_index) else {
        return Err(Error::mismatch(format!(
            "there is no sample type {sample_index} to draw: the profile has {}",
            profile.sample_types.len()
        )));
    };
    let folded = folded(profile, sample_index)?;
    if let Some((stack, value)) = folded.iter().find(|(_, value)| *value < 0) {
        return Err(Error::mismatch(format!(
            "a flame graph cannot show the negative {} {value} of `{stack}`: draw the two profiles \
             of a difference apart",
            kind.kind
        )));
    }
    let lines: Vec<String> = folded
        .iter()
        .map(|(stack, value)| format!("{stack} {value}"))
        .collect();
    if lines.is_empty() {
        return Err(Error::mismatch(format!(
            "there is nothing to draw: all {} of the profile are 0",
            kind.kind
        )));
    }
    // The drawing adds up without looking.
    let mut values = folded.iter().map(|(_, value)| value);
    if values.try_fold(0, i64::checked_add).is_none() {
        return Err(Error::mismatch(format!(
            "a flame graph cannot show the {} of the profile: they add up to more than 64 bits hold",
            kind.kind
        )));
    }
    let mut options = Options::default();
    options.title = printable(&kind.kind);
    let count_name = if &*kind.unit == "count" {
        "objects"
    } else {
        &kind.unit
    };
    options.count_name = printable(count_name);
    options.name_type = "Function:".into();
    options.colors = Palette::Basic(BasicPalette::Mem);
    options.deterministic = true;
    from_lines(&mut options, lines.iter().map(String::as_str), writer)
        .map_err(|error| Error::io("write the flame graph", error))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::write_flamegraph;
    use crate::report::folded::tests::profile;

    const NAMES: [&str; 5] = ["main", "handle", "store<[u8; 4]>", "outer", "inner"];

    fn draw(samples: &[(&[usize], i64)]) -> crate::Result<String> {
        let mut svg = Vec::new();
        write_flamegraph(&profile(&NAMES, samples), 0, &mut svg)?;
        Ok(String::from_utf8(svg).unwrap())
    }

    /// The `<title>` texts of the frames: `name (value unit, share%)`.
    fn frames(svg: &str) -> Vec<&str> {
        svg.split("<title>")
            .skip(1)
            .filter_map(|rest| rest.split_once("</title>"))
            .map(|(title, _)| title)
            .collect()
    }

    #[test]
    fn every_function_is_drawn_with_its_sum() {
        let svg = draw(&[(&[2, 1, 0], 3000), (&[5, 0], 1000)]).unwrap();
        let frames = frames(&svg);
        for expected in [
            "all (4,000 bytes, 100%)",
            "main (4,000 bytes, 100.00%)",
            "handle (3,000 bytes, 75.00%)",
            "store&lt;[u8: 4]&gt; (3,000 bytes, 75.00%)",
            "outer (1,000 bytes, 25.00%)",
            "inner (1,000 bytes, 25.00%)",
        ] {
            assert!(
                frames.contains(&expected),
                "{expected} is not among {frames:?}"
            );
        }
        assert!(svg.contains(">inuse_space</text>"), "the title is missing");
        let again = draw(&[(&[5, 0], 1000), (&[2, 1, 0], 3000)]).unwrap();
        assert_eq!(svg, again, "the drawing depends on more than the profile");
    }

    #[test]
    fn what_cannot_be_drawn_is_refused() {
        let negative = draw(&[(&[0], 5), (&[1, 0], -3)]).unwrap_err();
        assert!(negative.is_mismatch() && negative.to_string().contains("`main;handle`"));
        assert!(draw(&[(&[0], 0)]).unwrap_err().is_mismatch());
        let overflow = draw(&[(&[0], i64::MAX), (&[1, 0], 1)]).unwrap_err();
        assert!(overflow.is_mismatch() && overflow.to_string().contains("64 bits"));
        let beyond = write_flamegraph(&profile(&NAMES, &[]), 1, io::sink());
        assert!(beyond.unwrap_err().is_mismatch());
    }

    #[test]
    fn a_failed_write_is_reported() {
        let full: &mut [u8] = &mut [0; 100];
        let error = write_flamegraph(&profile(&NAMES, &[(&[0], 5)]), 0, full).unwrap_err();
        assert!(error.is_io(), "{error}");
    }
}
