//! The GNU build id among the notes of an ELF file.
//!
//! It is the one parser of such notes: for modules of this process, inside malloc and outside, and
//! for files. It needs no `unsafe`, allocates nothing, and trusts no size that it reads.

/// Type of the note with a build id (`NT_GNU_BUILD_ID` of `elf.h`).
const BUILD_ID: u32 = 3;
/// Name of the note's owner, with its closing zero.
const OWNER: &[u8] = b"GNU\0";

/// The build id among `notes`, the content of a `PT_NOTE` segment.
///
/// `align` is the segment's alignment. 8 pads names and descriptions to 8 bytes, as
/// `.note.gnu.property` needs it. Every other value means 4, as the GNU tools read it.
pub(crate) fn find(mut notes: &[u8], align: u64) -> Option<&[u8]> {
    let align = if align == 8 { 8 } else { 4 };
    loop {
        let (name_size, rest) = word(notes)?;
        let (desc_size, rest) = word(rest)?;
        let (kind, rest) = word(rest)?;
        let header = notes.len().saturating_sub(rest.len());
        // The padding counts from the note's start, which includes the header.
        let desc_at = header
            .checked_add(usize::try_from(name_size).ok()?)?
            .checked_next_multiple_of(align)?;
        let desc_end = desc_at.checked_add(usize::try_from(desc_size).ok()?)?;
        let desc = notes.get(desc_at..desc_end)?;
        if kind == BUILD_ID && rest.get(..usize::try_from(name_size).ok()?)? == OWNER {
            return (!desc.is_empty()).then_some(desc);
        }
        notes = notes.get(desc_end.checked_next_multiple_of(align)?..)?;
    }
}

fn word(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (word, rest) = bytes.split_first_chunk()?;
    Some((u32::from_ne_bytes(*word), rest))
}

/// `id` in lower-case hexadecimal, as `readelf -n` and pprof write it.
pub(crate) fn hex(id: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).map(|&d| char::from(d));
    id.iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .flatten()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(name: &[u8], kind: u32, desc: &[u8], align: usize) -> Vec<u8> {
        let mut bytes = vec![];
        for size in [name.len(), desc.len()] {
            bytes.extend(u32::try_from(size).unwrap().to_ne_bytes());
        }
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(name);
        bytes.resize(bytes.len().next_multiple_of(align), 0);
        bytes.extend(desc);
        bytes.resize(bytes.len().next_multiple_of(align), 0);
        bytes
    }

    #[test]
    fn finds_the_id_behind_other_notes_at_both_alignments() {
        for align in [4, 8] {
            let mut notes = note(b"GNU\0", 5, &[9; 12], align);
            notes.extend(note(b"stapsdt\0", 3, &[8; 5], align));
            notes.extend(note(b"GNU\0", 3, &[0xab, 0x01, 0xf0], align));
            let found = find(&notes, align as u64);
            assert_eq!(found, Some(&[0xab, 0x01, 0xf0][..]), "align {align}");
        }
    }

    #[test]
    fn hex_is_as_readelf_writes_it() {
        assert_eq!(hex(&[0xab, 0x01, 0xf0]), "ab01f0");
        assert_eq!(hex(&[]), "");
    }

    #[test]
    fn no_id_is_none() {
        assert_eq!(find(&[], 4), None);
        assert_eq!(find(&note(b"GNU\0", 1, &[1; 16], 4), 4), None);
        assert_eq!(find(&note(b"XYZ\0", 3, &[1; 20], 4), 4), None);
        assert_eq!(find(&note(b"GNU\0", 3, &[], 4), 4), None);
    }

    #[test]
    fn a_note_that_overruns_its_segment_is_none() {
        let whole = note(b"GNU\0", 3, &[7; 20], 4);
        for len in 0..whole.len() {
            assert_eq!(find(&whole[..len], 4), None, "cut at {len}");
        }
        let mut huge = whole;
        huge[4..8].copy_from_slice(&u32::MAX.to_ne_bytes());
        assert_eq!(find(&huge, 4), None);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_run_on(
            notes in proptest::collection::vec(0_u8..8, 0..200),
            align in 0_u64..10,
        ) {
            if let Some(id) = find(&notes, align) {
                proptest::prop_assert!(!id.is_empty() && id.len() < notes.len());
            }
        }
    }
}
