//! `config`: the configuration as a thing to read.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::output::print;
use super::settings::Settings;
use crate::config::{default_file, reference, schema};

/// Print the defaults, what is in force, or what there is to set
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// A file with every key, its default and what it means, to start from
    Default,
    /// What is in force, and where each value comes from; secrets are hidden
    Show(Box<Show>),
    /// Every key, its default and what it means, in Markdown
    Reference,
    /// A JSON Schema of the file, for editors
    Schema,
}

#[derive(Debug, Args)]
struct Show {
    #[command(flatten)]
    settings: Settings,
    /// Only what is not the default
    #[arg(long)]
    changed: bool,
    /// Print a list of {key, value, origin} as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    let text = match &arguments.command {
        Command::Default => default_file(),
        Command::Reference => reference(),
        Command::Schema => format!("{:#}\n", schema()),
        Command::Show(show) => {
            let config = show.settings.load(None)?;
            if show.json {
                format!("{:#}\n", config.show_json(show.changed))
            } else {
                config.show(show.changed)
            }
        }
    };
    Ok(print(&text))
}
