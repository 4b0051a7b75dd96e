//! Profiles as bytes: `profile.proto`, the format of Go and `pprof`, with gzip around it.
//!
//! Only this room knows the file format. `model` has the data that it reads and writes. Nothing
//! here opens a file or decides what a profile says.

mod counts;
mod decode;
mod encode;
mod gzip;
mod proto;
mod samples;
mod tables;
mod wire;

use std::borrow::Cow;
use std::io::Write;

use crate::{Error, Profile, Result};

impl Profile {
    /// Reads a profile in the format of [`profile.proto`], with gzip around it or without: the
    /// first two bytes tell. It does not read the older text forms of `pprof` and other formats.
    ///
    /// A profile that [`write`](Self::write) wrote is read back equal. In files of other programs:
    ///
    /// - Ids may be any numbers but 0, in any order. They become positions. A mapping id of 0 means
    ///   no mapping. A line without a function is an error.
    /// - A label with both a text and a number, which the format forbids, becomes two labels. One
    ///   with neither is the number 0.
    /// - In strings that are not UTF-8, U+FFFD replaces the invalid bytes.
    /// - Unknown fields are skipped, and not written again.
    ///
    /// # Memory
    ///
    /// Reading never takes more than 24 times the uncompressed profile plus 128 KiB, whatever the
    /// bytes are: a sample of 4 bytes becomes an entry of 80, and no table grows by doubling. gzip
    /// may inflate to at most 160 times its size. Real profiles have 5 to 20.
    ///
    /// # Errors
    ///
    /// - [Malformed](Error::is_malformed) if the bytes are not a profile, or a damaged one: a
    ///   reference to a string or id that the file does not have, an id given twice, a sample with
    ///   too few or too many values. The message names the entry, counted from 0 in the order of
    ///   the file.
    /// - [Too large](Error::is_too_large) if gzip would inflate beyond its limit, or if there is no
    ///   memory for what the file holds.
    ///
    /// ```
    /// use heaptide_profile::Profile;
    ///
    /// let mut file = Vec::new();
    /// Profile::default().write(&mut file)?;
    /// assert_eq!(Profile::read(&file)?, Profile::default());
    ///
    /// let error = Profile::read(b"heap profile: 1: 16 [1: 16] @ heap/1048576\n").unwrap_err();
    /// assert!(error.to_string().starts_with("not a pprof profile: "));
    /// # Ok::<(), heaptide_profile::Error>(())
    /// ```
    ///
    /// [`profile.proto`]: https://github.com/google/pprof/blob/main/proto/profile.proto
    pub fn read(bytes: &[u8]) -> Result<Self> {
        if bytes.is_empty() {
            return Err(Error::malformed("not a pprof profile: there are no bytes"));
        }
        let plain = if gzip::is_gzip(bytes) {
            Cow::Owned(gzip::inflate(bytes)?)
        } else {
            Cow::Borrowed(bytes)
        };
        decode::decode(&plain)
    }

    /// Writes this profile in the format of [`profile.proto`], compressed with gzip at its fastest
    /// level, and flushes `writer`.
    ///
    /// Equal profiles give equal bytes. Ids are numbered from 1, strings in the order of their
    /// first use, and the gzip header has no time and no name. The profile is encoded entry by
    /// entry, so writing takes little more memory than a table of its strings.
    ///
    /// `pprof` itself drops a label whose number is 0 and that has no unit.
    ///
    /// # Errors
    ///
    /// - Those of [`check`](Self::check), before anything is written.
    /// - [Io](Error::is_io) if `writer` fails, up to its last flush.
    ///
    /// [`profile.proto`]: https://github.com/google/pprof/blob/main/proto/profile.proto
    pub fn write(&self, writer: impl Write) -> Result<()> {
        self.check()?;
        let mut encoder = gzip::deflate(writer);
        encode::encode(self, &mut encoder)?;
        let finished = encoder.finish().and_then(|mut writer| writer.flush());
        finished.map_err(|source| Error::io("write the profile", source))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;
    use crate::{Label, LabelValue, Sample, ValueType, testing::arbitrary};

    fn plain(profile: &Profile) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode::encode(profile, &mut bytes).unwrap();
        bytes
    }

    fn packed(profile: &Profile) -> Vec<u8> {
        let mut bytes = Vec::new();
        profile.write(&mut bytes).unwrap();
        bytes
    }

    /// Checks that bytes give an error, or a profile that can be written and read back.
    fn is_sound(bytes: &[u8]) {
        match Profile::read(bytes) {
            Ok(profile) => assert_eq!(Profile::read(&packed(&profile)).unwrap(), profile),
            Err(error) => assert!(error.is_malformed() || error.is_too_large(), "{error}"),
        }
    }

    proptest! {
        #[test]
        fn a_written_profile_is_read_back_equal(profile in arbitrary::profile()) {
            prop_assert_eq!(&Profile::read(&plain(&profile)).unwrap(), &profile);
            let bytes = packed(&profile);
            prop_assert_eq!(&Profile::read(&bytes).unwrap(), &profile);
            // The strings are equal, but at other places in memory. The bytes must not depend on
            // that.
            prop_assert_eq!(packed(&Profile::read(&bytes).unwrap()), bytes);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            is_sound(&bytes);
            is_sound(&[&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255], &bytes[..]].concat());
        }

        #[test]
        fn damaged_profiles_are_read_or_refused(
            profile in arbitrary::profile(),
            changes in proptest::collection::vec((any::<Index>(), any::<u8>()), 0..4),
            (cut, skip) in any::<(Option<Index>, Option<Index>)>(),
            gzip in any::<bool>(),
        ) {
            let mut bytes = if gzip { packed(&profile) } else { plain(&profile) };
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            let from = skip.filter(|_| !bytes.is_empty()).map_or(0, |at| at.index(bytes.len()));
            is_sound(&bytes[from..]);
        }
    }

    fn one_sample(labels: Vec<Label>) -> Profile {
        Profile {
            sample_types: vec![ValueType::new("inuse_space", "bytes")],
            samples: vec![Sample {
                values: vec![1],
                labels,
                ..Sample::default()
            }],
            ..Profile::default()
        }
    }

    #[test]
    fn labels_with_empty_values_are_kept() {
        let label = |value| Label {
            key: "k".into(),
            value,
        };
        let number = |value, unit: &str| LabelValue::Number {
            value,
            unit: unit.into(),
        };
        let profile = one_sample(vec![
            label(LabelValue::Text("".into())),
            label(LabelValue::Text("".into())),
            label(number(0, "")),
            label(number(0, "bytes")),
        ]);
        assert_eq!(Profile::read(&packed(&profile)).unwrap(), profile);
    }

    #[test]
    fn an_invalid_profile_is_refused_before_anything_is_written() {
        let mut profile = one_sample(Vec::new());
        profile.samples[0].values.clear();
        let mut bytes = Vec::new();
        let error = profile.write(&mut bytes).unwrap_err();
        assert_eq!(error.to_string(), profile.check().unwrap_err().to_string());
        assert!(bytes.is_empty());
    }

    /// Takes `room` bytes and then fails, or fails only at the flush.
    struct Failing {
        room: usize,
    }

    impl Write for Failing {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.room = match self.room.checked_sub(bytes.len()) {
                Some(room) => room,
                None => return Err(std::io::Error::other("disk full")),
            };
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Err(std::io::Error::other("flush failed"))
        }
    }

    #[test]
    fn every_error_of_the_writer_is_returned() {
        let mut profile = one_sample(Vec::new());
        profile.comments = (0..4_000).map(|n| format!("{n:x}").into()).collect();
        let length = packed(&profile).len();
        for room in 0..length {
            let error = profile.write(Failing { room }).unwrap_err();
            assert!(error.is_io());
            assert_eq!(error.to_string(), "could not write the profile: disk full");
            if room > 40 && room + 40 < length {
                // Every cut between the header and the trailer is alike, so a few are enough.
                break;
            }
        }
        for room in length - 40..length {
            let error = profile.write(Failing { room }).unwrap_err();
            assert_eq!(error.to_string(), "could not write the profile: disk full");
        }
        let error = profile.write(Failing { room: length }).unwrap_err();
        assert_eq!(
            error.to_string(),
            "could not write the profile: flush failed"
        );
    }
}
