//! A profile's number in its own unit: what decides between bytes, counts and times.

use crate::{
    printable::printable,
    profile::ValueType,
    units::{Bytes, Count, Nanos, signed},
};
use std::fmt::{self, Display, Formatter};

/// A value of a profile in its unit: bytes, counts and nanoseconds as in `units`, another unit behind a
/// plain number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'a> {
    /// The number.
    pub(super) value: i64,
    /// What it is.
    pub(super) value_type: &'a ValueType,
}

impl Display for Value<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &*self.value_type.unit {
            "bytes" => Bytes(self.value).fmt(f),
            "count" | "" => Count(self.value).fmt(f),
            "nanoseconds" => Nanos(self.value).fmt(f),
            unit => {
                let text = format!("{} {}", self.value.unsigned_abs(), printable(unit));
                signed(f, self.value.signum(), &text)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_follow_their_unit() {
        let show = |unit, value| {
            let value_type = ValueType::new("kind", unit);
            Value {
                value,
                value_type: &value_type,
            }
            .to_string()
        };
        assert_eq!(show("bytes", 2048), "2.00 KiB");
        assert_eq!(show("count", 2048), "2,048");
        assert_eq!(show("nanoseconds", 2048), "2.05us");
        assert_eq!(show("pages", -2048), "-2048 pages");
    }
}
