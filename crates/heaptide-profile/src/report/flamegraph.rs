//! Flame graphs as SVG, drawn by inferno from folded stacks.
//!
//! It is separate from the other reports because it needs the feature `flamegraph`. `folded` names
//! the frames.

use std::{collections::BTreeMap, io::Write};

use inferno::flamegraph::color::{BasicPalette, Palette};
use inferno::flamegraph::{Options, from_lines};

use super::folded::{Folded, folded};
use crate::SampleType;
use crate::ValueType;
use crate::text::printable::printable;
use crate::{Error, Profile, Result};

/// Draws the values of a sample type as a flame graph and writes it as SVG.
///
/// Colors depend on the names only.
///
/// # Errors
///
/// A mismatch if there is nothing to draw, a negative value (as in the difference of two profiles),
/// or a sum beyond 64 bits; an I/O error if writing fails.
pub fn write_flamegraph(sample_type: SampleType<'_>, writer: impl Write) -> Result<()> {
    let (kind, folded) = stacks(sample_type)?;
    let lines: Vec<String> = folded
        .iter()
        .map(|(stack, value)| format!("{stack} {value}"))
        .collect();
    draw(&lines, kind, printable(&kind.kind), writer)
}

/// Draws the values of `new` as [`write_flamegraph`] does, in colors that show the change since
/// `base`.
///
/// Red frames have grown, blue ones have shrunk, and white ones are the same. The depth of the
/// color shows how much. Frames that only the base has are not drawn.
///
/// # Errors
///
/// Those of [`write_flamegraph`] for each profile, and a mismatch if the two sample types differ.
///
/// # Examples
///
/// ```
/// use heaptide_profile::{Profile, ValueType, report::write_diff_flamegraph};
///
/// let empty = Profile { sample_types: vec![ValueType::default()], ..Profile::default() };
/// let drawn = write_diff_flamegraph(&empty, empty.sample_type("")?, std::io::sink());
/// // There is nothing to draw.
/// assert!(drawn.unwrap_err().is_mismatch());
/// # Ok::<(), heaptide_profile::Error>(())
/// ```
pub fn write_diff_flamegraph(
    base: &Profile,
    new: SampleType<'_>,
    writer: impl Write,
) -> Result<()> {
    let (kind, now) = stacks(new)?;
    let (base_kind, before) = stacks(base.sample_type_at(new.index())?)?;
    if kind != base_kind {
        return Err(Error::mismatch(format!(
            "the profiles count different things: {}/{} and {}/{}",
            base_kind.kind, base_kind.unit, kind.kind, kind.unit
        )));
    }
    let before: BTreeMap<&str, i64> = before.iter().collect();
    let lines: Vec<String> = now
        .iter()
        .map(|(stack, value)| {
            let before = before.get(stack).copied().unwrap_or(0);
            format!("{stack} {before} {value}")
        })
        .collect();
    let title = format!("{}: red has grown, blue has shrunk", printable(&kind.kind));
    draw(&lines, kind, title, writer)
}

/// The stacks, if they can be drawn: no value is negative, and the sum fits into 64 bits.
fn stacks(sample_type: SampleType<'_>) -> Result<(&ValueType, Folded)> {
    let kind = sample_type.value_type();
    let folded = folded(sample_type)?;
    if let Some((stack, value)) = folded.iter().find(|(_, value)| *value < 0) {
        return Err(Error::mismatch(format!(
            "a flame graph cannot show the negative {} {value} of `{stack}`: draw the two profiles \
             of a difference apart",
            kind.kind
        )));
    }
    // Inferno adds them up without a check for overflow.
    let sum = folded
        .iter()
        .try_fold(0_i64, |sum, (_, value)| sum.checked_add(value));
    if sum.is_none() {
        return Err(Error::mismatch(format!(
            "a flame graph cannot show the {} of the profile: they add up to more than 64 bits \
             hold",
            kind.kind
        )));
    }
    Ok((kind, folded))
}

fn draw(lines: &[String], kind: &ValueType, title: String, writer: impl Write) -> Result<()> {
    if lines.is_empty() {
        return Err(Error::mismatch(format!(
            "there is nothing to draw: all {} of the profile are 0",
            kind.kind
        )));
    }
    let mut options = Options::default();
    options.title = title;
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

    use super::{write_diff_flamegraph, write_flamegraph};
    use crate::report::folded::tests::profile;

    const NAMES: [&str; 5] = ["main", "handle", "store<[u8; 4]>", "outer", "inner"];

    fn draw(samples: &[(&[usize], i64)]) -> crate::Result<String> {
        let mut svg = Vec::new();
        write_flamegraph(profile(&NAMES, samples).sample_type_at(0)?, &mut svg)?;
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
    fn a_difference_is_drawn_as_the_new_profile_colored_by_the_change() {
        let base = profile(
            &NAMES,
            &[(&[1, 0], 3000), (&[2, 0], 500), (&[3, 0], 70), (&[4, 0], 9)],
        );
        let new = profile(&NAMES, &[(&[1, 0], 1000), (&[2, 0], 3500), (&[4, 0], 9)]);
        let mut svg = Vec::new();
        write_diff_flamegraph(&base, new.sample_type_at(0).unwrap(), &mut svg).unwrap();
        let svg = String::from_utf8(svg).unwrap();
        let titles = frames(&svg);
        let find = |name: &str| titles.iter().find(|title| title.starts_with(name)).copied();
        assert_eq!(find("main"), Some("main (4,509 bytes, 100.00%; 0.00%)"));
        assert_eq!(find("outer"), None);
        // The expected color: red above 0, blue below 0, white at 0.
        let color = |name: &str| {
            let (_, rest) = svg.split_once(&format!("<title>{name} ")).unwrap();
            let (_, rest) = rest.split_once("fill=\"rgb(").unwrap();
            let (color, _) = rest.split_once(')').unwrap();
            let parts: Vec<u8> = color.split(',').map(|part| part.parse().unwrap()).collect();
            [parts[0], parts[1], parts[2]]
        };
        let [red, _, blue] = color("store&lt;[u8: 4]&gt;");
        assert!(red > blue, "{red} {blue}");
        let [red, _, blue] = color("handle");
        assert!(red < blue, "{red} {blue}");
        let [red, green, blue] = color("inner");
        assert!(red == blue && red == green, "{red} {green} {blue}");
        assert!(svg.contains(">inuse_space: red has grown, blue has shrunk</text>"));
    }

    #[test]
    fn a_base_that_counts_something_else_is_refused() {
        let mut base = profile(&NAMES, &[(&[0], 5)]);
        base.sample_types[0].unit = "count".into();
        let new = profile(&NAMES, &[(&[0], 5)]);
        let error =
            write_diff_flamegraph(&base, new.sample_type_at(0).unwrap(), io::sink()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the profiles count different things: inuse_space/count and inuse_space/bytes"
        );
        let negative = profile(&NAMES, &[(&[0], -5)]);
        assert!(
            write_diff_flamegraph(&negative, new.sample_type_at(0).unwrap(), io::sink())
                .unwrap_err()
                .is_mismatch()
        );
    }

    #[test]
    fn undrawable_profiles_are_refused() {
        let negative = draw(&[(&[0], 5), (&[1, 0], -3)]).unwrap_err();
        assert!(negative.is_mismatch() && negative.to_string().contains("`main;handle`"));
        assert!(draw(&[(&[0], 0)]).unwrap_err().is_mismatch());
        let overflow = draw(&[(&[0], i64::MAX), (&[1, 0], 1)]).unwrap_err();
        assert!(overflow.is_mismatch() && overflow.to_string().contains("64 bits"));
    }

    #[test]
    fn a_failed_write_is_reported() {
        let full: &mut [u8] = &mut [0; 100];
        let error = write_flamegraph(
            profile(&NAMES, &[(&[0], 5)]).sample_type_at(0).unwrap(),
            full,
        )
        .unwrap_err();
        assert!(error.is_io(), "{error}");
    }
}
