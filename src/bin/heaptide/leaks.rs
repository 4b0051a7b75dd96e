//! `heaptide leaks`: what keeps growing.

use heaptide::{Profile, leak};
use regex::{Captures, Regex};

use crate::{answer::Answer, args, failure::Failure, input, style};

pub(crate) fn run(arguments: &args::Leaks, is_colored: bool) -> Result<Answer, Failure> {
    input::check_standard_input(&arguments.files)?;
    let inputs = input::series(&arguments.files)?;
    let (names, profiles): (Vec<String>, Vec<Profile>) = inputs
        .into_iter()
        .map(|input| (input.name, input.profile))
        .unzip();
    let verdict = leak::find(&profiles)
        .map_err(|error| Failure::of("leaks", with_names(&error.to_string(), &names)))?;
    let mut text = if arguments.whole_stacks {
        format!("{verdict:#}")
    } else {
        verdict.to_string()
    };
    if is_colored {
        text = style::verdict(&text);
    }
    let is_found = match arguments.fail_on {
        Some(args::FailOn::Leak) => !verdict.suspects.is_empty(),
        None => false,
    };
    Ok(Answer {
        text,
        remarks: Vec::new(),
        is_found,
    })
}

/// The library numbers the profiles it was given, from 1; a user has named them.
fn with_names(reason: &str, names: &[String]) -> String {
    let Ok(number) = Regex::new(r"\bprofile (\d+)\b") else {
        return reason.to_owned();
    };
    let named = |found: &Captures<'_>| {
        let at = found
            .get(1)
            .and_then(|number| number.as_str().parse::<usize>().ok());
        let name = at.and_then(|at| names.get(at.checked_sub(1)?));
        name.map_or_else(|| found[0].to_owned(), |name| format!("profile {name}"))
    };
    number.replace_all(reason, named).into_owned()
}
