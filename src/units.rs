//! Bytes and bytes per second as people read them: binary units, three or four digits.
//!
//! It is the bottom layer so that everything that prints an amount prints it alike. It formats and
//! knows nothing of what is measured.

use std::fmt;

/// An amount of bytes: `512 B`, `8.31 MiB`; with `{:+}` a sign is always shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bytes(pub(crate) f64);

/// Bytes per second: `8.31 MiB/s`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate(pub(crate) f64);

const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut amount = self.0;
        let mut unit = "B";
        for larger in UNITS {
            // Compared as it would be printed, or 1023.996 KiB would read `1024.00 KiB`.
            let digits = if unit == "B" { 10.0 } else { 100.0 };
            if (amount.abs() * digits).round() < 1024.0 * digits {
                break;
            }
            amount /= 1024.0;
            unit = larger;
        }
        let decimals = match unit {
            "B" if amount.fract() == 0.0 => 0,
            "B" => 1,
            _ => 2,
        };
        if f.sign_plus() {
            write!(f, "{amount:+.decimals$} {unit}")
        } else {
            write!(f, "{amount:.decimals$} {unit}")
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Bytes(self.0).fmt(f)?;
        f.write_str("/s")
    }
}

#[cfg(test)]
mod tests {
    use super::{Bytes, Rate};

    #[test]
    fn amounts_carry_the_unit_that_keeps_them_short() {
        let cases = [
            (0.0, "0 B"),
            (512.0, "512 B"),
            (0.34, "0.3 B"),
            (1023.96, "1.00 KiB"),
            (1024.0, "1.00 KiB"),
            (1_048_575.0, "1.00 MiB"),
            (8.31 * 1_048_576.0, "8.31 MiB"),
            (-3.0 * 1_073_741_824.0, "-3.00 GiB"),
            (2.5e6 * 1_073_741_824.0, "2.38 PiB"),
        ];
        for (amount, text) in cases {
            assert_eq!(Bytes(amount).to_string(), text);
        }
    }

    #[test]
    fn a_sign_is_shown_when_asked_for() {
        assert_eq!(format!("{:+}", Bytes(2048.0)), "+2.00 KiB");
        assert_eq!(format!("{:+}", Bytes(-2048.0)), "-2.00 KiB");
        assert_eq!(format!("{:+}", Rate(1536.0)), "+1.50 KiB/s");
    }
}
