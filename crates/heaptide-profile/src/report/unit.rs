//! The unit of bytes that a caller asks for.
//!
//! It is separate from `value`, which chooses a unit for each number by default.

use std::str::FromStr;

use crate::{Error, Result};

/// A unit for bytes. Numbers of other kinds are not scaled by it.
///
/// Text is read as `pprof` reads it, in any case, with or without the `i`: `B`, `KiB` or `kB`,
/// `MiB`, `GiB`, `TiB`. All are powers of 1024.
///
/// # Examples
///
/// ```
/// use heaptide_profile::report::Unit;
///
/// assert_eq!("MB".parse::<Unit>()?, Unit::MebiBytes);
/// assert!("furlongs".parse::<Unit>().is_err());
/// # Ok::<(), heaptide_profile::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unit {
    /// The largest unit that each number fills.
    #[default]
    Fitting,
    /// Bytes.
    Bytes,
    /// 1024 bytes.
    KibiBytes,
    /// 1024 KiB.
    MebiBytes,
    /// 1024 MiB.
    GibiBytes,
    /// 1024 GiB.
    TebiBytes,
}

impl Unit {
    /// The name and the number of bytes; `None` for [`Fitting`](Self::Fitting).
    pub(super) fn fixed(self) -> Option<(&'static str, u64)> {
        match self {
            Self::Fitting => None,
            Self::Bytes => Some(("B", 1)),
            Self::KibiBytes => Some(("KiB", 1 << 10)),
            Self::MebiBytes => Some(("MiB", 1 << 20)),
            Self::GibiBytes => Some(("GiB", 1 << 30)),
            Self::TebiBytes => Some(("TiB", 1 << 40)),
        }
    }
}

impl FromStr for Unit {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.to_ascii_lowercase().as_str() {
            "auto" => Ok(Self::Fitting),
            "b" | "byte" | "bytes" => Ok(Self::Bytes),
            "kb" | "kib" => Ok(Self::KibiBytes),
            "mb" | "mib" => Ok(Self::MebiBytes),
            "gb" | "gib" => Ok(Self::GibiBytes),
            "tb" | "tib" => Ok(Self::TebiBytes),
            _ => Err(Error::mismatch(format!(
                "there is no unit `{text}`: use auto, B, KiB, MiB, GiB or TiB"
            ))),
        }
    }
}
