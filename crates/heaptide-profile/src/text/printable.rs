//! Makes text from a profile safe for a terminal.
//!
//! A profile is foreign input. A line break or an escape sequence in a name must not become a line
//! or a command. Profiles and the fields of reports are for programs, and keep the text as it is.

/// `text` with its control characters escaped.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let escaped = c.is_control().then(|| c.escape_default());
            let kept = (!c.is_control()).then_some(c);
            escaped.into_iter().flatten().chain(kept)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn control_characters_are_escaped_and_nothing_else() {
        assert_eq!(printable("a\nb\u{1b}[2J\u{85}"), "a\\nb\\u{1b}[2J\\u{85}");
        assert_eq!(printable("Vec<\"é\">\\ ±"), "Vec<\"é\">\\ ±");
    }
}
