//! `sockjs-gateway doctor URL`: arguments, run, output, exit code.

use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use ::http::HeaderMap;
use clap::Args;

use crate::arguments::header_field;
use crate::outward::Tls;

use super::address::Address;
use super::dial::Way;
use super::show::{Progress, Style, report};
use super::tls::Trust;
use super::{Target, examine};

const EXAMPLES: &str = "\
Examples:
  sockjs-gateway doctor https://app.example.com/chat
      What the network between here and there does to SockJS.
  sockjs-gateway doctor https://app.example.com/chat --no-idle
      Without the 100 seconds of silence.
  sockjs-gateway doctor https://app.example.com/chat --proxy http://proxy.example:3128
      Through a proxy; otherwise HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY say which.
  sockjs-gateway doctor https://app.example.com/chat --header 'Authorization: Bearer TOKEN'
      A service with `auth`; `--header 'Cookie: NAME=VALUE'` where the token is in a cookie.

A service of a gateway with `doctor = true` is tested in full. Of another service it is tested what can be: it gets one
text message, and when that does not come back, only opening and silence are tested.

Exit codes: 0 messages get through somehow, 1 nothing works, or the gateway itself ends the sessions, 64 wrong arguments.";

/// Silences of the idle test.
const SILENCES: [u64; 3] = [10, 30, 60];

/// What `sockjs-gateway doctor` is told.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DoctorArguments {
    /// Address of a SockJS service, like https://app.example.com/chat
    #[arg(value_name = "URL")]
    url: String,
    /// Print {report, seen, verdict, code} as JSON
    #[arg(long)]
    json: bool,
    /// Do not test silence, which takes 100 seconds
    #[arg(long, conflicts_with = "idle")]
    no_idle: bool,
    /// Longest silence to test, in seconds: shorter ones before it [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    idle: Option<u64>,
    /// Forward proxy to go through, like http://proxy.example:3128 [default: as the environment says]
    #[arg(long, value_name = "URL")]
    proxy: Option<String>,
    /// Site of the page that would use the service [default: the service's own]
    #[arg(long, value_name = "ORIGIN")]
    origin: Option<String>,
    /// Header field that goes with every request, like 'Authorization: Bearer x'; may be repeated
    #[arg(long, value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// File of PEM certificates to trust instead of the system's
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    ca: Option<PathBuf>,
    /// Do not check the certificate
    #[arg(long)]
    insecure: bool,
}

impl DoctorArguments {
    fn target(&self) -> Result<Target, String> {
        let mut address = Address::parse(&self.url)?;
        if let Some(origin) = &self.origin {
            let parsed = Address::parse(origin).map_err(|error| format!("--origin: {error}"))?;
            if parsed.url != parsed.origin {
                return Err(format!(
                    "--origin: {origin:?} has a path; an origin is like https://app.example.com"
                ));
            }
            address.origin = parsed.origin;
        }
        let fields: Result<HeaderMap, _> = self.header.iter().map(|it| header_field(it)).collect();
        let trust = match &self.ca {
            _ if self.insecure => Trust::Anything,
            None => Trust::System,
            Some(file) => {
                let checked = Tls::new(Some(file.clone())).check();
                checked.map_err(|error| format!("--ca: {error}"))?;
                Trust::File(file.clone())
            }
        };
        let way =
            Way::new(self.proxy.as_deref(), trust).map_err(|error| format!("--proxy: {error}"))?;
        let longest = match self.idle {
            _ if self.no_idle => 0,
            given => given.unwrap_or(SILENCES[2]),
        };
        let shorter = SILENCES.into_iter().filter(|silence| *silence < longest);
        let silences = shorter.chain((longest > 0).then_some(longest));
        Ok(Target {
            address,
            fields: fields?,
            way,
            silences: silences.map(Duration::from_secs).collect(),
        })
    }
}

/// Examines, prints, and gives the exit code: 0 when messages get through somehow, 1 when nothing works.
///
/// # Errors
/// What is wrong with the arguments; nothing was sent.
pub(crate) fn run(arguments: &DoctorArguments) -> Result<ExitCode, String> {
    let target = arguments.target()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "sockjs-gateway: cannot start: {error}");
            return Ok(ExitCode::FAILURE);
        }
    };
    let progress = Progress::new();
    let done = runtime.block_on(examine(&target, &progress));
    runtime.shutdown_background();
    let text = if arguments.json {
        let json = serde_json::to_string_pretty(&done);
        let json = json.unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"));
        // JSON leaves some control characters as they are, and this may be a terminal.
        escaped(&json) + "\n"
    } else {
        report(&done, Style::of_stdout())
    };
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Who reads it may stop early.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            let _ = writeln!(
                std::io::stderr(),
                "sockjs-gateway: cannot write the report: {error}"
            );
            return Ok(ExitCode::FAILURE);
        }
        _ => {}
    }
    Ok(if done.verdict.works {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// As JSON escapes other control characters: DEL and those above it.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if matches!(character, '\u{7f}'..='\u{9f}') {
            let _ = write!(text, "\\u{:04x}", u32::from(character));
        } else {
            text.push(character);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(url: &str) -> DoctorArguments {
        DoctorArguments {
            url: url.to_owned(),
            json: false,
            no_idle: false,
            idle: None,
            proxy: None,
            origin: None,
            header: Vec::new(),
            ca: None,
            insecure: false,
        }
    }

    fn silences(arguments: &DoctorArguments) -> Vec<u64> {
        let target = arguments.target().expect("valid arguments");
        target.silences.iter().map(Duration::as_secs).collect()
    }

    /// The longest silence is the one asked for, shorter ones come before it.
    #[test]
    fn silences_follow_the_arguments() {
        let mut given = arguments("http://a.example/echo");
        assert_eq!(silences(&given), [10, 30, 60]);
        for (longest, expected) in [
            (5, vec![5]),
            (10, vec![10]),
            (45, vec![10, 30, 45]),
            (90, vec![10, 30, 60, 90]),
        ] {
            given.idle = Some(longest);
            assert_eq!(silences(&given), expected);
        }
        given.no_idle = true;
        assert_eq!(silences(&given), [0_u64; 0]);
    }

    /// Every control character in a string of the output is escaped.
    #[test]
    fn output_as_json_does_not_move_the_cursor() {
        let value = serde_json::json!({"a": "\u{1b}\u{7f}\u{9b}31m\u{e4}"});
        let text = escaped(&value.to_string());
        assert!(!text.contains(char::is_control), "{text:?}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).ok(),
            Some(value)
        );
    }

    /// A wrong argument is named.
    #[test]
    fn wrong_arguments_are_named() {
        let mut given = arguments("http://a.example/echo");
        given.origin = Some("https://a.example/page".to_owned());
        assert!(
            given
                .target()
                .expect_err("a path")
                .starts_with("--origin: ")
        );
        given.origin = None;
        given.proxy = Some("socks5://127.0.0.1".to_owned());
        assert!(
            given
                .target()
                .expect_err("no http")
                .starts_with("--proxy: ")
        );
        given.proxy = None;
        for wrong in ["secret", "host: b", "a b: c"] {
            given.header = vec![wrong.to_owned()];
            let error = given.target().expect_err(wrong);
            assert!(error.starts_with("--header: "), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
        given.header.clear();
        given.ca = Some("/nowhere/ca.pem".into());
        let error = given.target().expect_err("no file");
        assert!(error.starts_with("--ca: "), "{error}");
    }
}
