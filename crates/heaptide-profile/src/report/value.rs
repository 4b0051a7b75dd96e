//! A number of a profile in its own unit: bytes, counts, times or others.

use super::unit::Unit;
use crate::{
    ValueType,
    text::printable::printable,
    text::units::{Bytes, Count, Nanos, signed},
};
use std::fmt::{self, Display, Formatter};

/// A value of a profile in its unit. Bytes, counts and nanoseconds are written as in `units`, other
/// units behind a plain number.
#[derive(Clone, Copy, Debug)]
pub(super) struct ShownValue<'a> {
    /// The number.
    pub(super) value: i64,
    /// What is counted.
    pub(super) value_type: &'a ValueType,
    /// The unit of bytes.
    pub(super) unit: Unit,
}

impl Display for ShownValue<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &*self.value_type.unit {
            "bytes" => match self.unit.fixed() {
                None => Bytes(self.value).fmt(f),
                Some((name, 1)) => signed(
                    f,
                    self.value.signum(),
                    &format!("{} {name}", self.value.unsigned_abs()),
                ),
                Some((name, bytes)) => {
                    let scaled = self.value.unsigned_abs() as f64 / bytes as f64;
                    signed(f, self.value.signum(), &format!("{scaled:.2} {name}"))
                }
            },
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
        let show_in = |unit, value, of_bytes| {
            let value_type = ValueType::new("kind", unit);
            ShownValue {
                value,
                value_type: &value_type,
                unit: of_bytes,
            }
            .to_string()
        };
        let show = |unit, value| show_in(unit, value, Unit::Fitting);
        assert_eq!(show("bytes", 2048), "2.00 KiB");
        assert_eq!(show("count", 2048), "2,048");
        assert_eq!(show("nanoseconds", 2048), "2.05us");
        assert_eq!(show("pages", -2048), "-2048 pages");
        assert_eq!(show_in("bytes", -1536, Unit::KibiBytes), "-1.50 KiB");
        assert_eq!(show_in("bytes", 1536, Unit::MebiBytes), "0.00 MiB");
        assert_eq!(show_in("bytes", 1536, Unit::Bytes), "1536 B");
        assert_eq!(show_in("count", 1536, Unit::MebiBytes), "1,536");
    }
}
