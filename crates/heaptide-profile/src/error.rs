//! The one error type: opaque, with a message for people and the source kept.

use std::{error, fmt, io};

/// The reason why something could not be done.
///
/// The message is for people. It is in lower case without a full stop, and names the thing, the
/// place and the way out. Code that has to tell causes apart uses the predicates. There are few of
/// them, because each one is a promise.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: Box<str>,
    source: Option<Box<dyn error::Error + Send + Sync>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ErrorKind {
    NotInstalled,
    Unsupported,
    Malformed,
    TooLarge,
    Mismatch,
    Busy,
    Io,
    Setting,
    Inert,
}

/// A result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Nothing has ever been allocated through `heaptide::SamplingAllocator`.
    #[must_use]
    pub fn is_not_installed(&self) -> bool {
        self.kind == ErrorKind::NotInstalled
    }

    /// Recording is not implemented for this target, so `heaptide::SamplingAllocator`
    /// only forwards. Reading, comparing and reporting profiles works.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        self.kind == ErrorKind::Unsupported
    }

    /// The input is not a profile, or it is a damaged one.
    #[must_use]
    pub fn is_malformed(&self) -> bool {
        self.kind == ErrorKind::Malformed
    }

    /// The input would need more memory than the stated limit.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        self.kind == ErrorKind::TooLarge
    }

    /// Two inputs do not fit together, or a name asks for something that the input does not have.
    #[must_use]
    pub fn is_mismatch(&self) -> bool {
        self.kind == ErrorKind::Mismatch
    }

    /// A table stayed locked for too long, a fork was under way, or something that may exist only
    /// once exists already. It is worth another try.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.kind == ErrorKind::Busy
    }

    /// Reading or writing failed; [`source`](error::Error::source) is the [`io::Error`].
    #[must_use]
    pub fn is_io(&self) -> bool {
        self.kind == ErrorKind::Io
    }

    /// A setting is missing, or its value is not accepted. The message says which values are
    /// accepted.
    #[must_use]
    pub fn is_setting(&self) -> bool {
        self.kind == ErrorKind::Setting
    }

    /// The call has no effect in this process: its object belongs to the process that this one was
    /// forked from.
    #[must_use]
    pub fn is_inert(&self) -> bool {
        self.kind == ErrorKind::Inert
    }
}

/// For the packages of heaptide. It may change in any release.
#[doc(hidden)]
impl Error {
    #[cold]
    #[must_use]
    pub fn not_installed(message: impl Into<Box<str>>) -> Self {
        Self::new(ErrorKind::NotInstalled, message)
    }

    #[cold]
    #[must_use]
    pub fn unsupported(message: impl Into<Box<str>>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    #[cold]
    #[must_use]
    pub fn malformed(message: impl Into<Box<str>>) -> Self {
        Self::new(ErrorKind::Malformed, message)
    }

    #[cold]
    #[must_use]
    pub fn too_large(message: impl Into<Box<str>>) -> Self {
        Self::new(ErrorKind::TooLarge, message)
    }

    #[cold]
    #[must_use]
    pub fn mismatch(message: impl Into<Box<str>>) -> Self {
        Self::new(ErrorKind::Mismatch, message)
    }

    #[cold]
    #[must_use]
    pub fn busy(message: impl Into<Box<str>>) -> Self {
        Self::new(ErrorKind::Busy, message)
    }

    #[cold]
    #[must_use]
    pub fn setting(message: impl Into<Box<str>>) -> Self {
        Self::new(ErrorKind::Setting, message)
    }

    #[cold]
    #[must_use]
    pub fn inert(message: impl Into<Box<str>>) -> Self {
        Self::new(ErrorKind::Inert, message)
    }

    /// `doing` completes "could not …", for example "write the profile".
    #[cold]
    #[must_use]
    pub fn io(doing: &str, source: io::Error) -> Self {
        Self::new(ErrorKind::Io, format!("could not {doing}")).caused_by(source)
    }

    /// Keeps the error behind this one; its message follows this one's after a colon.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same error, with the place where it happened before its message.
    #[must_use]
    pub fn within(mut self, place: &str) -> Self {
        self.message = format!("{place}: {}", self.message).into();
        self
    }

    fn new(kind: ErrorKind, message: impl Into<Box<str>>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
