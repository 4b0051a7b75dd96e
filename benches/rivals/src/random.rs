//! The random numbers of the workloads: fixed seeds, and cheap enough not to hide the allocator.
//!
//! The bench of the crate includes this file too.

/// Marsaglia's xorshift64.
pub struct Random(u64);

impl Random {
    /// Different streams for different seeds, 0 among them.
    pub fn new(seed: u64) -> Self {
        Self(88_172_645_463_325_252 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// The next 64 bits.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `limit`, from the lower half of the bits.
    #[inline]
    pub fn below(&mut self, limit: usize) -> usize {
        (self.bits() & 0xffff_ffff) as usize % limit
    }
}
