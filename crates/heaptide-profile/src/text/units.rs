//! Numbers as people read them: bytes, counts, shares, times.
//!
//! Each kind of number is a type whose `Display` chooses the unit. `{:+}` shows the sign of
//! positive numbers too. Width and alignment work as for strings. Programs get plain integers, and
//! need nothing from here.

use std::fmt::{self, Display, Formatter};

/// A number of bytes, in the largest binary unit that it fills: `0 B`, `1023 B`, `1.50 KiB`,
/// `-3.00 GiB`.
///
/// # Examples
///
/// ```
/// use heaptide_profile::internal::units::Bytes;
///
/// assert_eq!(Bytes(1536).to_string(), "1.50 KiB");
/// assert_eq!(format!("{:+}", Bytes(1 << 30)), "+1.00 GiB");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub i64);

impl Bytes {
    /// An estimate, rounded to the nearest byte.
    #[must_use]
    pub fn nearest(estimate: f64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "rounded, and saturating beyond the range"
        )]
        let bytes = estimate.round() as i64;
        Self(bytes)
    }
}

impl Display for Bytes {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        let size = self.0.unsigned_abs();
        // A value that would be shown as 1024.00 of a unit is shown as 1.00 of the next.
        let rounds_up = |value: f64| value >= 1023.995;
        let mut text = format!("{size} B");
        let mut scaled = size as f64;
        for unit in UNITS {
            if size < 1024 || (scaled < 1024.0 && !rounds_up(scaled)) {
                break;
            }
            scaled /= 1024.0;
            text = format!("{scaled:.2} {unit}");
        }
        signed(f, self.0.signum(), &text)
    }
}

/// An estimate of bytes with its standard error, both in the unit of the larger: `8.71 ± 0.69 MiB`.
///
/// # Examples
///
/// ```
/// use heaptide_profile::internal::units::PlusMinus;
///
/// let growth = PlusMinus { bytes: 8.0 * 1024.0 * 1024.0, error: 300.0 * 1024.0 };
/// assert_eq!(growth.to_string(), "8.00 ± 0.29 MiB");
/// assert_eq!(format!("{growth:+}"), "+8.00 ± 0.29 MiB");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlusMinus {
    /// The estimate.
    pub bytes: f64,
    /// Its standard error; not negative.
    pub error: f64,
}

impl Display for PlusMinus {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        let larger = self.bytes.abs().max(self.error);
        let mut scale = 1.0;
        let mut unit = "B";
        for next in UNITS.into_iter().skip(1) {
            // As for `Bytes`: nothing is shown as 1024.00 of a unit.
            if larger / scale < 1023.995 {
                break;
            }
            scale *= 1024.0;
            unit = next;
        }
        let decimals = if unit == "B" { 0 } else { 2 };
        let sign = match self.bytes {
            bytes if bytes < 0.0 => "-",
            bytes if bytes > 0.0 && f.sign_plus() => "+",
            _ => "",
        };
        let (bytes, error) = (self.bytes.abs() / scale, self.error / scale);
        f.pad(&format!(
            "{sign}{bytes:.decimals$} ± {error:.decimals$} {unit}"
        ))
    }
}

/// A number of things, with thousands separators: `12,345`.
///
/// # Examples
///
/// ```
/// use heaptide_profile::internal::units::Count;
///
/// assert_eq!(Count(-12_345).to_string(), "-12,345");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Count(pub i64);

impl Display for Count {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let digits = self.0.unsigned_abs().to_string();
        let mut text = String::with_capacity(digits.len() * 4 / 3);
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        signed(f, self.0.signum(), &text)
    }
}

/// A part of a total in percent, with the part's sign: `42.86%`. A part below a hundredth of a
/// percent is `<0.01%`, whatever its sign. A part of a total of 0 is `-`.
///
/// # Examples
///
/// ```
/// use heaptide_profile::internal::units::Share;
///
/// assert_eq!(Share { part: 3, total: 7 }.to_string(), "42.86%");
/// assert_eq!(Share { part: 1, total: 1_000_000 }.to_string(), "<0.01%");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Share {
    /// The part.
    pub part: i64,
    /// What 100 percent is; its sign does not matter.
    pub total: i64,
}

impl Display for Share {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.part == 0 {
            return f.pad("0%");
        }
        if self.total == 0 {
            return f.pad("-");
        }
        let percent = self.part.unsigned_abs() as f64 / self.total.unsigned_abs() as f64 * 100.0;
        if percent < 0.01 {
            return f.pad("<0.01%");
        }
        signed(f, self.part.signum(), &format!("{percent:.2}%"))
    }
}

/// A length of time in its two largest units: `1h 5m`, `2.50s`, `10.00ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nanos(pub i64);

impl Display for Nanos {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let nanos = self.0.unsigned_abs();
        let seconds = nanos.saturating_add(500_000_000) / 1_000_000_000;
        // As for `Bytes`: nothing is shown as 1000.00 of a unit, or as 60 of one.
        let text = match nanos {
            0..1_000 => format!("{nanos}ns"),
            1_000..999_995 => format!("{:.2}us", nanos as f64 / 1e3),
            999_995..999_995_000 => format!("{:.2}ms", nanos as f64 / 1e6),
            999_995_000..59_995_000_000 => format!("{:.2}s", nanos as f64 / 1e9),
            _ if seconds < 3_600 => format!("{}m {}s", seconds / 60, seconds % 60),
            _ if seconds < 86_400 => format!("{}h {}m", seconds / 3_600, seconds % 3_600 / 60),
            _ => format!("{}d {}h", seconds / 86_400, seconds % 86_400 / 3_600),
        };
        signed(f, self.0.signum(), &text)
    }
}

/// An instant in nanoseconds since the Unix epoch, to the second: `2023-11-14 22:13:20 UTC`.
///
/// # Examples
///
/// ```
/// use heaptide_profile::internal::units::Instant;
///
/// assert_eq!(Instant(1_700_000_000_000_000_000).to_string(), "2023-11-14 22:13:20 UTC");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub i64);

impl Display for Instant {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let seconds = self.0.div_euclid(1_000_000_000);
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        f.pad(&format!(
            "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC"
        ))
    }
}

/// The nearest number that fits into 64 bits.
#[must_use]
pub fn clamp(value: i128) -> i64 {
    let limits = (i128::from(i64::MIN), i128::from(i64::MAX));
    i64::try_from(value.clamp(limits.0, limits.1)).unwrap_or_default()
}

/// Adds the sign and the requested padding to a number without its sign.
pub(crate) fn signed(f: &mut Formatter<'_>, sign: i64, text: &str) -> fmt::Result {
    let sign = match sign {
        -1 => "-",
        1 if f.sign_plus() => "+",
        _ => "",
    };
    f.pad(&format!("{sign}{text}"))
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar.
///
/// Howard Hinnant,
/// [chrono-compatible low-level date algorithms](https://howardhinnant.github.io/date_algorithms.html#civil_from_days):
/// years begin in March, so that the leap day is their last; 719,468 days lie between 0000-03-01
/// and 1970-01-01, and an era is 400 years of 146,097 days in all.
#[must_use]
pub fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// The inverse of [`civil`], by the same source. The values of year, month and day are not checked.
#[must_use]
pub fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let march_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * march_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_change_unit_where_they_fill_it() {
        let cases = [
            (0, "0 B"),
            (1, "1 B"),
            (1023, "1023 B"),
            (1024, "1.00 KiB"),
            (-1536, "-1.50 KiB"),
            ((1 << 20) - 1, "1.00 MiB"),
            ((1 << 20) - 1024, "1023.00 KiB"),
            (1 << 20, "1.00 MiB"),
            (1 << 40, "1.00 TiB"),
            (i64::MAX, "8.00 EiB"),
            (i64::MIN, "-8.00 EiB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(Bytes(bytes).to_string(), text);
        }
        assert_eq!(format!("{:+}", Bytes(0)), "0 B");
        assert_eq!(format!("[{:>+9}]", Bytes(5)), "[     +5 B]");
    }

    #[test]
    fn an_estimate_and_its_error_share_a_unit() {
        let cases = [
            (0.0, 0.0, "0 ± 0 B"),
            (700.4, 12.0, "700 ± 12 B"),
            (-1536.0, 512.0, "-1.50 ± 0.50 KiB"),
            (1.0, 2048.0, "0.00 ± 2.00 KiB"),
            (1_048_575.0, 0.0, "1.00 ± 0.00 MiB"),
        ];
        for (bytes, error, text) in cases {
            assert_eq!(PlusMinus { bytes, error }.to_string(), text);
        }
    }

    #[test]
    fn counts_are_grouped() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (-123_456, "-123,456"),
            (1_234_567, "1,234,567"),
            (i64::MIN, "-9,223,372,036,854,775,808"),
        ];
        for (count, text) in cases {
            assert_eq!(Count(count).to_string(), text);
        }
    }

    #[test]
    fn shares_keep_the_sign_and_never_hide_a_part() {
        let cases = [
            ((0, 0), "0%"),
            ((1, 0), "-"),
            ((-1, 3), "-33.33%"),
            ((1, -3), "33.33%"),
            ((1, 10_000), "0.01%"),
            ((-1, 10_001), "<0.01%"),
            ((5, 2), "250.00%"),
            ((i64::MIN, i64::MIN), "-100.00%"),
        ];
        for ((part, total), text) in cases {
            assert_eq!(Share { part, total }.to_string(), text);
        }
    }

    #[test]
    fn spans_show_two_units() {
        let cases = [
            (7, "7ns"),
            (1_500, "1.50us"),
            (999_994, "999.99us"),
            (999_995, "1.00ms"),
            (10_000_000, "10.00ms"),
            (999_999_999, "1.00s"),
            (59_999_999_999, "1m 0s"),
            (3_599_600_000_000, "1h 0m"),
            (2_500_000_000, "2.50s"),
            (3_900 * 1_000_000_000, "1h 5m"),
            (-61 * 1_000_000_000, "-1m 1s"),
            (90_000 * 1_000_000_000, "1d 1h"),
        ];
        for (nanos, text) in cases {
            assert_eq!(Nanos(nanos).to_string(), text);
        }
    }

    #[test]
    fn instants_follow_the_calendar() {
        let cases = [
            (0, "1970-01-01 00:00:00 UTC"),
            (-1, "1969-12-31 23:59:59 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_709_251_199, "2024-02-29 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ];
        for (seconds, text) in cases {
            assert_eq!(Instant(seconds * 1_000_000_000).to_string(), text);
        }
    }
}
