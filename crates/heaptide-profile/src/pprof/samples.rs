//! The samples of a file, which are nearly all of its bytes.
//!
//! It is separate from `decode`, which reads the other tables through prost. Samples are read by
//! hand, so that their numbers go straight to their final place. The rules for files are the same.

use prost::Message;

use super::counts::messages;
use super::decode::{TablePart, damaged};
use super::proto::{self, tag};
use super::tables::{Ids, Strings, with_room};
use super::wire::{WireFields, WireValue};
use crate::model::check::{check_label_key, check_values};
use crate::{Error, Result};
use crate::{Label, LabelValue, LocationId, Sample};

/// Field numbers of the `Sample` message, as in [`proto::SampleMessage`].
const LOCATION_IDS: u32 = 1;
const VALUES: u32 = 2;
const LABELS: u32 = 3;

pub(super) fn read_samples(
    (bytes, count): TablePart<'_>,
    types: usize,
    strings: &Strings,
    location_ids: &Ids<LocationId>,
) -> Result<Vec<Sample>> {
    let mut table = with_room(count, "sample")?;
    let mut messages_of_labels = Vec::new();
    for (at, encoded) in messages(bytes, tag::SAMPLE) {
        table.push(read_sample(
            (at, encoded?),
            types,
            strings,
            location_ids,
            &mut messages_of_labels,
        )?);
    }
    Ok(table)
}

/// One sample. Only its labels go through prost. Nearly all of a profile is the numbers of its
/// samples, and prost would hold them in memory twice.
fn read_sample(
    (at, encoded): (usize, &[u8]),
    types: usize,
    strings: &Strings,
    location_ids: &Ids<LocationId>,
    messages_of_labels: &mut Vec<proto::LabelMessage>,
) -> Result<Sample> {
    let is_damaged = |cause| damaged(&format!("sample {at}"), cause);
    let (mut frames, mut numbers, mut labels) = (0_usize, 0_usize, 0_usize);
    for field in WireFields::new(encoded) {
        let field = field.map_err(|damage| is_damaged(damage.cause))?;
        let (count, more) = match (field.tag, field.value) {
            (LOCATION_IDS, value) => (&mut frames, value.count_numbers()),
            (VALUES, value) => (&mut numbers, value.count_numbers()),
            (LABELS, WireValue::Bytes(_)) => (&mut labels, Some(1)),
            (LABELS, _) => (&mut labels, None),
            _ => continue,
        };
        *count = count.saturating_add(more.ok_or_else(|| {
            let tag = field.tag;
            Error::malformed(format!(
                "sample {at} is damaged: its field {tag} is not what profile.proto says it is"
            ))
        })?);
    }
    // Checked before room is allocated.
    check_values(at, numbers, types)?;
    let mut locations = with_room(frames, "frame")?;
    let mut values = with_room(numbers, "value")?;
    messages_of_labels.clear();
    messages_of_labels.reserve_exact(labels);
    for field in WireFields::new(encoded).map_while(std::result::Result::ok) {
        match (field.tag, field.value) {
            (LOCATION_IDS, ids) => {
                for id in ids.numbers() {
                    let place = format_args!("frame {} of sample {at}", locations.len());
                    locations.push(location_ids.find(id.map_err(is_damaged)?, place)?);
                }
            }
            (VALUES, numbers) => {
                for number in numbers.numbers() {
                    values.push(number.map_err(is_damaged)?.cast_signed());
                }
            }
            (LABELS, WireValue::Bytes(label)) => {
                messages_of_labels.push(proto::LabelMessage::decode(label).map_err(is_damaged)?);
            }
            _ => {}
        }
    }
    Ok(Sample {
        locations,
        values,
        labels: read_labels(at, messages_of_labels, strings)?,
    })
}

/// The labels of the sample at `at`. A message with a text and a number, which the format forbids,
/// becomes two labels. So nothing is lost, and what is written again is valid.
fn read_labels(
    at: usize,
    messages: &[proto::LabelMessage],
    strings: &Strings,
) -> Result<Vec<Label>> {
    // Checked before room is allocated: a label without a key may be as short as 2 bytes.
    if let Some(nth) = messages.iter().position(|label| label.key == 0) {
        check_label_key(at, nth, "")?;
    }
    let has_number = |label: &proto::LabelMessage| label.number != 0 || label.unit != 0;
    let both = messages.iter().filter(|m| m.text != 0 && has_number(m));
    let count = messages.len().saturating_add(both.count());
    let mut labels = with_room(count, "label")?;
    for (nth, message) in messages.iter().enumerate() {
        let text =
            |index, field| strings.get(index, field, format_args!("label {nth} of sample {at}"));
        let key = text(message.key, "key")?;
        check_label_key(at, nth, &key)?;
        if message.text != 0 {
            labels.push(Label {
                key: key.clone(),
                value: LabelValue::Text(text(message.text, "text")?),
            });
        }
        if message.text == 0 || has_number(message) {
            let value = LabelValue::Number {
                value: message.number,
                unit: text(message.unit, "unit")?,
            };
            labels.push(Label { key, value });
        }
    }
    Ok(labels)
}
