//! Forty stack frames of forty functions, as a request has them in a service.
//!
//! The bench of the crate includes this file too.

/// Runs `work` below forty frames.
///
/// Each frame is a function of its own, never inlined. It does some work after its call, so that
/// the call does not become a jump.
pub fn under_forty(work: &mut dyn FnMut() -> u64) -> u64 {
    f00(work)
}

macro_rules! chain {
    ($last:ident) => {
        #[inline(never)]
        fn $last(work: &mut dyn FnMut() -> u64) -> u64 {
            std::hint::black_box(work())
        }
    };
    ($this:ident $next:ident $($rest:ident)*) => {
        #[inline(never)]
        fn $this(work: &mut dyn FnMut() -> u64) -> u64 {
            std::hint::black_box($next(work))
        }
        chain!($next $($rest)*);
    };
}

chain!(f00 f01 f02 f03 f04 f05 f06 f07 f08 f09 f10 f11 f12 f13 f14 f15 f16 f17 f18 f19
       f20 f21 f22 f23 f24 f25 f26 f27 f28 f29 f30 f31 f32 f33 f34 f35 f36 f37 f38 f39);
