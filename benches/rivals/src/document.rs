//! The JSON that is parsed and printed: a page of orders, as an API returns it.
//!
//! It is made here, so that the bench reads no file.

use crate::random::Random;
use std::fmt::Write as _;

const WORDS: [&str; 12] = [
    "window", "garden", "river", "stone", "paper", "winter", "copper", "maple", "harbor",
    "lantern", "meadow", "pocket",
];

/// About 12 KiB of compact JSON: 20 orders with customer, lines, tags, numbers, flags and nulls.
pub fn orders(seed: u64) -> String {
    let mut random = Random::new(seed);
    let mut text = String::from(r#"{"page":3,"next":null,"orders":["#);
    for id in 0..20 {
        let comma = if id == 0 { "" } else { "," };
        // A write to a String does not fail.
        let _ = write!(
            text,
            "{comma}{{\"id\":{},\"created\":\"2026-11-{:02}T08:{:02}:17Z\",\"paid\":{},\
             \"customer\":{{\"name\":\"{} {}\",\"email\":\"{}@example.com\",\
             \"address\":{{\"street\":\"{} street {}\",\"city\":\"{}\",\
             \"zip\":\"{:05}\"}}}},\"lines\":[",
            100_000 + random.below(900_000),
            1 + random.below(28),
            random.below(60),
            random.below(2) == 0,
            word(&mut random),
            word(&mut random),
            word(&mut random),
            word(&mut random),
            random.below(200),
            word(&mut random),
            random.below(100_000),
        );
        for line in 0..1 + random.below(5) {
            let comma = if line == 0 { "" } else { "," };
            let _ = write!(
                text,
                r#"{comma}{{"sku":"{}-{}","quantity":{},"price":{}.{:02},"note":{}}}"#,
                word(&mut random),
                random.below(1000),
                1 + random.below(9),
                random.below(300),
                random.below(100),
                if random.below(3) == 0 {
                    r#""gift wrapped \"with care\"\n""#
                } else {
                    "null"
                },
            );
        }
        let _ = write!(
            text,
            r#"],"tags":["{}","{}"],"weight":{:e}}}"#,
            word(&mut random),
            word(&mut random),
            random.below(10_000) as f64 / 7.0,
        );
    }
    text.push_str("]}");
    text
}

fn word(random: &mut Random) -> &'static str {
    WORDS[random.below(WORDS.len())]
}
