//! `heaptide completions` and `heaptide man`, made from the same table as the help.

use std::io;

use clap::CommandFactory;

use crate::{
    args::{Arguments, CompletionsArgs},
    failure::Failure,
    outcome::Outcome,
};

pub(crate) fn completions(arguments: &CompletionsArgs) -> Result<Outcome, Failure> {
    let mut script = Vec::new();
    let mut command = Arguments::command();
    clap_complete::generate(arguments.shell, &mut command, "heaptide", &mut script);
    outcome(script)
}

/// One page with all commands. `man heaptide-top` would need a file for each to be installed.
pub(crate) fn manual() -> Result<Outcome, Failure> {
    let mut page = Vec::new();
    let mut command = Arguments::command();
    command.build();
    write_manual(&command, &mut page).map_err(Failure::output)?;
    outcome(page)
}

fn write_manual(command: &clap::Command, page: &mut Vec<u8>) -> io::Result<()> {
    let whole = clap_mangen::Man::new(command.clone());
    whole.render_title(page)?;
    whole.render_name_section(page)?;
    whole.render_synopsis_section(page)?;
    whole.render_options_section(page)?;
    page.extend(examples(command).as_bytes());
    for subcommand in command.get_subcommands() {
        if subcommand.get_name() == "help" {
            continue;
        }
        let name = subcommand.get_name().to_uppercase();
        let about = subcommand.get_about().map(ToString::to_string);
        let about = escape(&about.unwrap_or_default());
        page.extend(format!(".SH \"{name}\"\n{about}.\n").as_bytes());
        let man = clap_mangen::Man::new(subcommand.clone());
        let mut part = Vec::new();
        man.render_synopsis_section(&mut part)?;
        man.render_options_section(&mut part)?;
        let part = String::from_utf8_lossy(&part).replace(".SH ", ".SS ");
        page.extend(part.as_bytes());
        page.extend(examples(subcommand).replace(".SH ", ".SS ").as_bytes());
    }
    Ok(())
}

/// The help text below the options, line by line.
fn examples(command: &clap::Command) -> String {
    let text = command.get_after_help().map(ToString::to_string);
    let text = text.unwrap_or_default();
    let lines: Vec<String> = text.lines().map(escape).collect();
    format!(".SH NOTES\n.nf\n{}\n.fi\n", lines.join("\n"))
}

/// A line of text in which roff finds no request.
fn escape(line: &str) -> String {
    let line = line
        .replace('\\', "\\\\")
        .replace('-', "\\-")
        .replace('\'', "\\(aq");
    match line.starts_with('.') {
        true => format!("\\&{line}"),
        false => line,
    }
}

fn outcome(text: Vec<u8>) -> Result<Outcome, Failure> {
    let text = String::from_utf8(text).map_err(|error| Failure::of("standard output", error))?;
    Ok(Outcome::new(text, Vec::new()))
}
