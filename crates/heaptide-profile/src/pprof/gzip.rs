//! gzip around the bytes of a profile, with a bound on the inflated size.
//!
//! It is separate from the format because it knows nothing of it. Compressing writes no name and no
//! time, so that equal profiles give equal files.

use std::io::{self, Read, Write};

use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};

use crate::{Error, Result};

/// The bytes that one byte of gzip may inflate to.
///
/// Profiles compress about 5 to 20 times, and deflate can reach 1032:1. The bound is the
/// highest ratio of the level that writes profiles. Its codes are fixed: 13 bits (8 for the length,
/// 5 for the distance) stand for at most 258 bytes, which is 158.8:1. So
/// [`Profile::read`](crate::Profile::read) accepts everything that
/// [`Profile::write`](crate::Profile::write) writes.
pub(super) const MAX_RATIO: usize = 160;

/// The first two bytes of every gzip file.
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Room for the first read when inflating. After that the buffer doubles.
const FIRST_BUFFER: usize = 16 << 10;

/// Whether `bytes` begin like a gzip file. No protobuf message does, because 0x1f is not a valid
/// key.
pub(super) fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// A gzip stream into `writer` at Go's level for profiles, the fastest. It must be finished.
pub(super) fn deflate<W: Write>(writer: W) -> GzEncoder<W> {
    GzBuilder::new().write(writer, Compression::fast())
}

/// All members of a gzip file, inflated, in a buffer without spare room.
pub(super) fn inflate(bytes: &[u8]) -> Result<Vec<u8>> {
    let limit = bytes.len().saturating_mul(MAX_RATIO);
    let mut decoder = MultiGzDecoder::new(bytes);
    let mut inflated = Vec::new();
    let mut filled = 0_usize;
    loop {
        if filled == inflated.len() {
            // One byte more than the limit shows that it is passed.
            let room = filled.saturating_mul(2).max(FIRST_BUFFER);
            grow(&mut inflated, room.min(limit.saturating_add(1)))?;
        }
        let spare = inflated.get_mut(filled..).unwrap_or_default();
        let read = match decoder.read(spare) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(damaged(error)),
        };
        filled = filled.saturating_add(read);
        if filled > limit {
            return Err(bomb(bytes.len(), limit));
        }
    }
    inflated.truncate(filled);
    inflated.shrink_to_fit();
    Ok(inflated)
}

fn grow(buffer: &mut Vec<u8>, length: usize) -> Result<()> {
    let more = length.saturating_sub(buffer.len());
    buffer.try_reserve_exact(more).map_err(|error| {
        Error::too_large(format!(
            "no memory for {length} bytes of an inflated profile"
        ))
        .caused_by(error)
    })?;
    buffer.resize(length, 0);
    Ok(())
}

fn damaged(error: io::Error) -> Error {
    Error::malformed("not a pprof profile: its gzip data is damaged or cut short").caused_by(error)
}

#[cold]
fn bomb(compressed: usize, limit: usize) -> Error {
    Error::too_large(format!(
        "{compressed} bytes of gzip inflate to more than the limit of {limit} bytes \
         ({MAX_RATIO}:1; \
         profiles have 5:1 to 20:1): if this is a profile, unpack it with gunzip and read the \
         result"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deflated(bytes: &[u8], level: Compression) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), level);
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn the_most_compressible_bytes_stay_within_the_ratio() {
        for length in [0, 1, 300, 10 << 10, 1 << 20] {
            let bytes = vec![0; length];
            let mut encoder = deflate(Vec::new());
            encoder.write_all(&bytes).unwrap();
            let packed = encoder.finish().unwrap();
            assert_eq!(inflate(&packed).unwrap(), bytes);
        }
    }

    #[test]
    fn a_gzip_bomb_is_refused_with_the_limit_and_advice() {
        let packed = deflated(&vec![0; 1 << 20], Compression::best());
        let error = inflate(&packed).unwrap_err();
        assert!(error.is_too_large());
        let limit = packed.len() * MAX_RATIO;
        let message = error.to_string();
        assert!(
            message.contains(&format!("limit of {limit} bytes (160:1")),
            "{message}"
        );
        assert!(message.contains("gunzip"), "{message}");
    }

    #[test]
    fn members_one_after_another_are_one_file() {
        let mut packed = deflated(b"abc", Compression::none());
        packed.extend(deflated(b"", Compression::best()));
        packed.extend(deflated(b"def", Compression::fast()));
        assert_eq!(inflate(&packed).unwrap(), b"abcdef");
    }

    #[test]
    fn every_cut_and_a_wrong_checksum_are_errors() {
        let packed = deflated(b"heap profile, heap profile", Compression::fast());
        for length in 0..packed.len() {
            let error = inflate(&packed[..length]).map(|_| length);
            assert!(length == 0 || error.unwrap_err().is_malformed());
        }
        let mut wrong = packed.clone();
        let checksum = packed.len() - 8;
        wrong[checksum] ^= 1;
        assert!(inflate(&wrong).unwrap_err().is_malformed());
        let mut garbage_behind = packed;
        garbage_behind.extend(b"garbage");
        assert!(inflate(&garbage_behind).unwrap_err().is_malformed());
    }

    #[test]
    fn the_header_has_neither_time_nor_name() {
        let packed = deflate(Vec::new()).finish().unwrap();
        assert_eq!(
            packed[..10],
            [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255],
            "deflate, no flags, no time, fastest, unknown system"
        );
    }
}
