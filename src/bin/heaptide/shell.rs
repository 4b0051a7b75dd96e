//! `heaptide completions` and `heaptide man`: what the shell and `man` know, from the table that the help
//! is from.

use std::io;

use clap::CommandFactory;

use crate::{answer::Answer, args::Arguments, failure::Failure, more_args::Completions};

pub(crate) fn completions(arguments: &Completions) -> Result<Answer, Failure> {
    let mut script = Vec::new();
    let mut command = Arguments::command();
    clap_complete::generate(arguments.shell, &mut command, "heaptide", &mut script);
    answer(script)
}

/// One page with all commands: `man heaptide-top` would have to be installed file by file.
pub(crate) fn manual() -> Result<Answer, Failure> {
    let mut page = Vec::new();
    let mut command = Arguments::command();
    command.build();
    write_manual(&command, &mut page).map_err(Failure::output)?;
    answer(page)
}

fn write_manual(command: &clap::Command, page: &mut Vec<u8>) -> io::Result<()> {
    clap_mangen::Man::new(command.clone()).render(page)?;
    for subcommand in command.get_subcommands() {
        if subcommand.get_name() == "help" {
            continue;
        }
        let title = format!(
            ".SH \"HEAPTIDE {}\"\n",
            subcommand.get_name().to_uppercase()
        );
        page.extend(title.as_bytes());
        let about = subcommand.get_about().map(ToString::to_string);
        page.extend(escape(&about.unwrap_or_default()).as_bytes());
        page.extend(b".SS SYNOPSIS\n");
        let man = clap_mangen::Man::new(subcommand.clone());
        let mut part = Vec::new();
        man.render_synopsis_section(&mut part)?;
        man.render_options_section(&mut part)?;
        man.render_extra_section(&mut part)?;
        let part = String::from_utf8_lossy(&part);
        let part = part.replacen(".SH SYNOPSIS\n", "", 1);
        page.extend(part.replace(".SH ", ".SS ").as_bytes());
    }
    Ok(())
}

/// A line of text that is no request of roff's.
fn escape(line: &str) -> String {
    format!("{}.\n", line.replace('\\', "\\\\").replace('-', "\\-"))
}

fn answer(text: Vec<u8>) -> Result<Answer, Failure> {
    let text = String::from_utf8(text).map_err(|error| Failure::of("standard output", error))?;
    Ok(Answer::new(text, Vec::new()))
}
