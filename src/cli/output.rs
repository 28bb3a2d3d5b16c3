//! What commands print on standard output.

use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;

use super::log::say;

/// Prints a text, and leaves in order when nobody reads it to its end.
pub(super) fn print(text: &str) -> ExitCode {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            say(&format!("cannot write: {error}"));
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}
