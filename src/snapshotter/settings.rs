//! The text form of the settings: `dir=/dumps,every=60s,keep=48,growth=64MiB,limit=0.8:0.9`.
//!
//! This file only parses. The builder checks the values, so that code and text follow one rule.

use super::{SnapshotterBuilder, signal_name};
use crate::{Error, Result, record::parse_size};
use std::{str::FromStr, time::Duration};

const KEYS: &str =
    "dir, every, growth, peak, limit, signal, exit, panic, keep, keep_bytes and symbolize";

/// Parses settings: `key=value`, separated by commas.
///
/// | key | value | method of the builder |
/// |---|---|---|
/// | `dir` | a folder; its path must not contain a comma | [`dir`](SnapshotterBuilder::dir) |
/// | `every` | a time such as `500ms`, `30s`, `5m`, `1h` | [`every`](SnapshotterBuilder::every) |
/// | `growth` | `64MiB`, a factor `1.5x`, or both `64MiB:1.5x` | [`growth`], [`growth_factor`] |
/// | `peak` | none | [`peak`](SnapshotterBuilder::peak) |
/// | `limit` | shares such as `0.8:0.9:0.95` | [`limit`](SnapshotterBuilder::limit) |
/// | `signal` | `HUP`, `USR1` or `USR2` | [`signal`](SnapshotterBuilder::signal) |
/// | `exit`, `panic` | none | [`at_exit`](SnapshotterBuilder::at_exit), [`on_panic`] |
/// | `keep`, `keep_bytes` | files, bytes | [`keep`](SnapshotterBuilder::keep), [`keep_bytes`] |
/// | `symbolize` | none | [`symbolize`](SnapshotterBuilder::symbolize) |
///
/// [`growth`]: SnapshotterBuilder::growth
/// [`growth_factor`]: SnapshotterBuilder::growth_factor
/// [`on_panic`]: SnapshotterBuilder::on_panic
/// [`keep_bytes`]: SnapshotterBuilder::keep_bytes
///
/// ```
/// use heaptide::SnapshotterBuilder;
///
/// let settings: SnapshotterBuilder = "dir=/dumps,every=60s,limit=0.8:0.9".parse()?;
/// # let _ = settings;
/// let error = "dir=/dumps,every=soon".parse::<SnapshotterBuilder>().unwrap_err();
/// assert!(error.is_setting());
/// assert_eq!(error.to_string(), "every=soon: not a time such as 500ms, 30s, 5m or 1h");
/// # Ok::<(), heaptide::Error>(())
/// ```
impl FromStr for SnapshotterBuilder {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut builder = Self::default();
        let mut seen: Vec<&str> = Vec::new();
        for setting in text.split(',').map(str::trim) {
            let (key, value) = match setting.split_once('=') {
                Some((key, value)) => (key.trim(), Some(value.trim())),
                None => (setting, None),
            };
            if seen.contains(&key) {
                return Err(Error::setting(format!("{key}: given twice")));
            }
            seen.push(key);
            builder = apply(builder, key, value)?;
        }
        let times = [
            "every", "growth", "peak", "limit", "signal", "exit", "panic",
        ];
        if !seen.iter().any(|key| times.contains(key)) {
            return Err(Error::setting(format!(
                "no setting says when to take a snapshot: add one of {}",
                times.join(", ")
            )));
        }
        builder.check()?;
        Ok(builder)
    }
}

fn apply(
    builder: SnapshotterBuilder,
    key: &str,
    value: Option<&str>,
) -> Result<SnapshotterBuilder> {
    let refuse = |accepted: &str| {
        let value = value.map(|value| format!("={value}")).unwrap_or_default();
        Error::setting(format!("{key}{value}: {accepted}"))
    };
    // Flags take no value; all other keys need one.
    let flag = || match value {
        None => Ok(()),
        Some(_) => Err(refuse("takes no value")),
    };
    let text = value.unwrap_or_default();
    Ok(match key {
        "dir" if text.is_empty() => return Err(refuse("not a folder such as /dumps")),
        "dir" => builder.dir(text),
        "every" => builder.every(
            duration(text).ok_or_else(|| refuse("not a time such as 500ms, 30s, 5m or 1h"))?,
        ),
        "growth" => growth(builder, text).ok_or_else(|| {
            refuse("not a number of bytes such as 64MiB, a factor such as 1.5x, or 64MiB:1.5x")
        })?,
        "peak" => flag().map(|()| builder.peak())?,
        "limit" => {
            let shares: Option<Vec<f64>> = text.split(':').map(|part| part.parse().ok()).collect();
            builder.limit(
                shares.ok_or_else(|| refuse("not shares of the limit such as 0.8:0.9:0.95"))?,
            )
        }
        "signal" => builder.signal(
            signal_name::parse(text).ok_or_else(|| refuse("not one of HUP, USR1 and USR2"))?,
        ),
        "exit" => flag().map(|()| builder.at_exit())?,
        "panic" => flag().map(|()| builder.on_panic())?,
        "keep" => builder.keep(
            text.parse()
                .map_err(|_no_number| refuse("not a number of files such as 48"))?,
        ),
        "keep_bytes" => builder.keep_bytes(
            parse_size(text.as_bytes())
                .ok_or_else(|| refuse("not a number of bytes such as 512MiB"))?,
        ),
        "symbolize" => flag().map(|()| builder.symbolize())?,
        _ => return Err(refuse(&format!("no such setting; there are {KEYS}"))),
    })
}

fn growth(builder: SnapshotterBuilder, text: &str) -> Option<SnapshotterBuilder> {
    let mut parts = text.split(':');
    let mut builder = builder;
    let (first, second) = (parts.next()?, parts.next());
    if parts.next().is_some() {
        return None;
    }
    let is_factor = |part: &str| part.ends_with('x');
    if second.is_some_and(|second| is_factor(first) == is_factor(second)) {
        return None;
    }
    for part in [Some(first), second].into_iter().flatten() {
        builder = match part.strip_suffix('x') {
            Some(factor) => builder.growth_factor(factor.parse().ok()?),
            None => builder.growth(parse_size(part.as_bytes())?),
        };
    }
    Some(builder)
}

fn duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let millis = match text.strip_prefix(digits)? {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    let number: u64 = digits.parse().ok()?;
    number.checked_mul(millis).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message_of(text: &str) -> String {
        let error = text.parse::<SnapshotterBuilder>().unwrap_err();
        assert!(error.is_setting(), "{error}");
        error.to_string()
    }

    #[test]
    fn text_and_builder_give_the_same_settings() {
        let text = "dir=/dumps, every=60s,keep=48,growth=64MiB:1.5x,limit=0.8:0.9:0.95,peak,\
                    signal=USR2,exit,panic,keep_bytes=1GiB,symbolize";
        let built = SnapshotterBuilder::default()
            .dir("/dumps")
            .every(Duration::from_secs(60))
            .keep(48)
            .growth(64 << 20)
            .growth_factor(1.5)
            .limit([0.95, 0.8, 0.9])
            .peak()
            .signal(signal_hook::consts::SIGUSR2)
            .at_exit()
            .on_panic()
            .keep_bytes(1 << 30)
            .symbolize();
        let read: SnapshotterBuilder = text.parse().unwrap();
        assert_eq!(format!("{read:?}"), format!("{built:?}"));
    }

    #[test]
    fn an_error_names_the_key_the_value_and_the_accepted_values() {
        for (setting, accepted) in [
            ("every=0s", "not a time above 0"),
            ("every=5parsecs", "not a time such as 500ms, 30s, 5m or 1h"),
            ("every", "not a time such as 500ms, 30s, 5m or 1h"),
            ("growth=x", "not a number of bytes such as 64MiB"),
            ("growth=1MiB:2MiB", "not a number of bytes such as 64MiB"),
            ("growth=1x", "not a factor above 1"),
            ("growth=0", "not a number of bytes above 0"),
            ("limit=80%", "not shares of the limit such as 0.8:0.9:0.95"),
            ("limit=0.8:1.2", "not a share above 0 and at most 1"),
            ("limit=nan", "not a share above 0 and at most 1"),
            ("signal=TERM", "not one of HUP, USR1 and USR2"),
            ("peak=yes", "takes no value"),
            ("every=1s,keep=0", "not a number of files above 0"),
            ("every=1s,keep=-1", "not a number of files such as 48"),
            (
                "every=1s,keep_bytes=1GB",
                "not a number of bytes such as 512MiB",
            ),
            ("colour=red", "no such setting; there are dir, every,"),
        ] {
            let message = message_of(&format!("dir=/d,{setting}"));
            let last = setting.rsplit(',').next().unwrap();
            let key = last.split_once('=').map_or(last, |(key, _)| key);
            assert!(message.starts_with(key), "{setting}: {message}");
            assert!(message.contains(accepted), "{setting}: {message}");
        }
        assert_eq!(message_of("dir=/d,peak,peak"), "peak: given twice");
        assert!(message_of("every=1s").starts_with("dir: "));
        assert!(message_of("dir=,every=1s").starts_with("dir=: "));
        assert!(message_of("dir=/d").starts_with("no setting says when"));
        assert!(message_of("").starts_with(": no such setting"));
    }

    #[test]
    fn times_are_parsed_with_their_units() {
        for (text, millis) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
        ] {
            assert_eq!(duration(text), Some(Duration::from_millis(millis)));
        }
        for text in [
            "",
            "5",
            "s",
            "1.5s",
            "-1s",
            "99999999999999999999s",
            "99999999999999999h",
        ] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
