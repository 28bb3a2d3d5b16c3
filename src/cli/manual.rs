//! `completion` and `man`: what shells and their users are told of the command line.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{Args, Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;

use super::output::print;

const COMPLETION_EXAMPLES: &str = "\
Examples:
  sockjs-gateway completion bash > /etc/bash_completion.d/sockjs-gateway
  sockjs-gateway completion zsh > \"${fpath[1]}/_sockjs-gateway\"
  sockjs-gateway completion fish > ~/.config/fish/completions/sockjs-gateway.fish";

const MAN_EXAMPLES: &str = "\
Examples:
  sockjs-gateway man | man -l -
      The manual page.
  sockjs-gateway man config-show | man -l -
      That of a command.
  sockjs-gateway man --write /usr/local/share/man/man1
      All of them, as files.";

/// Print completions for a shell
#[derive(Debug, Args)]
#[command(after_help = COMPLETION_EXAMPLES)]
pub(super) struct CompletionArguments {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Print a manual page
#[derive(Debug, Args)]
#[command(after_help = MAN_EXAMPLES)]
pub(super) struct ManArguments {
    /// Command to print the page of, like check, config-show or config show [default: the program's own]
    #[arg(value_name = "COMMAND", num_args = 0..=2, conflicts_with = "write")]
    command: Vec<String>,
    /// Write all pages into this folder instead
    #[arg(long, value_name = "FOLDER")]
    write: Option<PathBuf>,
}

/// The command line, with everything that clap adds to it.
fn whole() -> Command {
    let mut command = pages();
    command.build();
    command
}

/// Without `help`, which has no page of its own.
fn pages() -> Command {
    super::Arguments::command().disable_help_subcommand(true)
}

pub(super) fn complete(arguments: &CompletionArguments) -> ExitCode {
    let mut script = Vec::new();
    let mut command = super::Arguments::command().mut_subcommand("man", |man| {
        man.mut_arg("command", |names| {
            names.value_parser(PossibleValuesParser::new(pages_by_name()))
        })
    });
    clap_complete::generate(arguments.shell, &mut command, "sockjs-gateway", &mut script);
    let script = String::from_utf8_lossy(&script);
    // clap_complete 4.6 writes the steps between commands as if the dash in the name parted two of them, and the cases that they
    // lead to as if it did not.
    let mut script = script.replace("sockjs__gateway__subcmd", "sockjs__subcmd__gateway__subcmd");
    if arguments.shell == Shell::Fish {
        script.push_str(&positional_values_for_fish(&command));
    }
    print(&script)
}

/// What `man` has a page of, as it is asked for.
fn pages_by_name() -> Vec<String> {
    let commands = pages();
    let commands = commands.get_subcommands();
    let names = commands.flat_map(|command| {
        let name = command.get_name().to_owned();
        let inner = command
            .get_subcommands()
            .map(|inner| format!("{name}-{}", inner.get_name()));
        let inner: Vec<_> = inner.collect();
        std::iter::once(name.clone()).chain(inner)
    });
    names.collect()
}

/// clap_complete 4.6 tells fish the values of options, and none of what stands without one.
fn positional_values_for_fish(command: &Command) -> String {
    let mut lines = String::new();
    for command in command.get_subcommands() {
        let values = command
            .get_positionals()
            .flat_map(|argument| argument.get_possible_values());
        let values = values.filter(|value| !value.is_hide_set());
        for value in values {
            let _ = writeln!(
                lines,
                "complete -c sockjs-gateway -n \"__fish_seen_subcommand_from {}\" -f -a \"{}\"",
                command.get_name(),
                value.get_name()
            );
        }
    }
    lines
}

pub(super) fn man(arguments: &ManArguments) -> Result<ExitCode, String> {
    if let Some(folder) = &arguments.write {
        return write_all(folder).map_err(|error| {
            format!("cannot write manual pages to {}: {error}", folder.display())
        });
    }
    let command = whole();
    let path = arguments.command.join("-");
    let path = Some(path.as_str()).filter(|path| !path.is_empty());
    let found = match path {
        None => Some(command),
        // `proxy-config` has the dash in its name, `config-show` between two.
        Some(path) => {
            let direct = command.find_subcommand(path);
            let nested = || {
                let (outer, inner) = path.split_once('-')?;
                command.find_subcommand(outer)?.find_subcommand(inner)
            };
            direct.or_else(nested).cloned()
        }
    };
    let path = path.unwrap_or_default();
    let names = whole()
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect::<Vec<_>>();
    let command = found.ok_or_else(|| {
        format!(
            "there is no command {path:?}; there are {}",
            names.join(", ")
        )
    })?;
    let mut page = Vec::new();
    page_of(command)
        .render(&mut page)
        .map_err(|error| format!("cannot make the manual page: {error}"))?;
    Ok(print(&String::from_utf8_lossy(&page)))
}

fn write_all(folder: &Path) -> std::io::Result<ExitCode> {
    std::fs::create_dir_all(folder)?;
    write_with_inner(whole(), folder)?;
    Ok(ExitCode::SUCCESS)
}

fn write_with_inner(command: Command, folder: &Path) -> std::io::Result<()> {
    for inner in command
        .get_subcommands()
        .filter(|inner| !inner.is_hide_set())
    {
        write_with_inner(inner.clone(), folder)?;
    }
    page_of(command).generate_to(folder).map(|_| ())
}

/// The page of a command. Its foot says of what program it is, and of which version; clap_mangen takes the command for that.
fn page_of(command: Command) -> Man {
    let version = env!("CARGO_PKG_VERSION");
    Man::new(command).source(format!("sockjs-gateway {version}"))
}
