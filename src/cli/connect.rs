//! `connect`: a SockJS session for people and scripts. Lines in, lines out.

use std::io::{BufRead as _, ErrorKind, Read as _, Write as _};
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use base64::Engine as _;
use clap::Args;
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::log::say;
use super::signals::stop_signal;
use crate::arguments::{ServiceArguments, parse_time, transport_parser};
use crate::client::{self, Backoff, Builder, Event, Opened, Receiver, Sender, Transport};
use crate::closes::{Meaning, meaning};
use crate::protocol::{CloseReason, Message};

const EXAMPLES: &str = "\
Examples:
  sockjs-gateway connect http://127.0.0.1:8081/echo
      Type lines; Ctrl-D or Ctrl-C ends the session.
  echo hello | sockjs-gateway connect http://127.0.0.1:8081/echo --stay=1s
      Send a line, and print what comes for a second more.
  sockjs-gateway connect https://app.example.com/chat --transport xhr-polling --stay --json | jq .text
      Listen, on one transport, to what can be read by programs.

With --json every line of output is an object with a field \"event\":
  open, reconnected  transport, round_trip_ms, attempt_ms, total_ms, failed: [{transport, code, reason}]
  message            text, or base64 for the bytes of a raw WebSocket
  lost               code, reason; a new session is being opened
  close              code, reason; the last line
and every line of input is a JSON string, in which \\n is a line break.

Exit codes: 0 closed in order (1000, or 3000 to 4999), 1 could not connect, lost the session, or could not send a line,
64 wrong arguments.";

/// Bytes of one line of input. A server takes less.
const MAX_LINE: u64 = 16 << 20;
/// Lines that are read ahead.
const LINES: usize = 16;
/// Time for the closing handshake.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Wait before a line is sent again, when there was no session to send it to.
const RETRY: Duration = Duration::from_millis(50);

/// Open a session: lines of input are sent, messages are printed as lines
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(flatten)]
    service: ServiceArguments,
    /// Transport to use; several are tried in this order [default: as a browser does, without websocket-raw]
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = transport_parser())]
    transport: Vec<Transport>,
    /// Print an object per event, and take JSON strings as input
    #[arg(long)]
    json: bool,
    /// Open a new session when one is lost
    #[arg(long)]
    reconnect: bool,
    /// Silence after which the connection is taken for dead; servers send a heartbeat every 25 s unless told otherwise
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    silence: Option<Duration>,
    /// Time that each transport has to open [default: from the time that /info takes]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    timeout: Option<Duration>,
    /// Go on printing after the input has ended: until the server closes, or for this long
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, value_parser = parse_time)]
    #[allow(
        clippy::option_option,
        reason = "clap's way to say: with or without a value"
    )]
    stay: Option<Option<Duration>>,
    /// Do not tell on standard error how the session opens and ends
    #[arg(long, short)]
    quiet: bool,
}

impl Arguments {
    fn builder(&self) -> Result<Builder, String> {
        let mut builder = self.service.builder()?;
        if !self.transport.is_empty() {
            builder = builder
                .transports(self.transport.iter().copied())
                .map_err(|error| error.to_string())?;
        }
        if let Some(silence) = self.silence {
            builder = builder.silence(silence);
        }
        if self.reconnect {
            builder = builder.reconnect(Backoff::default());
        }
        Ok(builder.timeout(self.timeout.unwrap_or_default()))
    }
}

/// Opens a session, and stays until it is over.
///
/// # Errors
/// What is wrong with the arguments; nothing was sent.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    let builder = arguments.builder()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            say(&format!("cannot start: {error}"));
            return Ok(ExitCode::FAILURE);
        }
    };
    let code = runtime.block_on(talk(arguments, &builder));
    // A name that is being looked up must not hold up the exit.
    runtime.shutdown_background();
    Ok(code)
}

async fn talk(arguments: &Arguments, builder: &Builder) -> ExitCode {
    let output = Output {
        json: arguments.json,
        told: !arguments.quiet && !arguments.json,
    };
    let stop = match stop_signal() {
        Ok(stop) => stop,
        Err(error) => {
            say(&format!("cannot wait for signals: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let mut stop = pin!(stop);
    let client = tokio::select! {
        client = builder.connect() => client,
        () = &mut stop => {
            say("stopped before a session was open");
            return ExitCode::FAILURE;
        }
    };
    let client = match client {
        Ok(client) => client,
        Err(error) => {
            let advice = advice_on(&error);
            say(&format!("{error}{advice}"));
            if let Some(reason) = error.close_reason() {
                let failed = failures(error.failed_transports());
                let _ = output.event("close", &with(close(&reason), json!({ "failed": failed })));
            }
            return ExitCode::FAILURE;
        }
    };
    let here = output.opened("open", &client.opened()).is_ok();
    let (sender, mut receiver) = client.split();
    let enough = Notify::new();
    if !here {
        enough.notify_one();
    }
    let stopping = async {
        tokio::select! {
            () = stop => {}
            () = enough.notified() => {}
        }
    };
    let feeding = feed(sender, read_lines(arguments.json), arguments.stay, stopping);
    let sent_all = converse(&mut receiver, feeding, &output, &enough).await;
    let reason = receiver.closed().unwrap_or(CloseReason::NORMAL);
    let _ = output.event("close", &close(&reason));
    let in_order = matches!(reason.code, 1000 | 3000..=4999);
    let meant = meaning(reason.code, &reason.reason);
    let shown = shown(&reason);
    match meant {
        Some(Meaning { title, how, .. }) if !in_order => say(&format!(
            "the session was lost ({shown}): {title}; --reconnect opens a new one. {how}"
        )),
        None if !in_order => say(&format!(
            "the session was lost ({shown}); --reconnect opens a new one, and `sockjs-gateway doctor URL` finds out why"
        )),
        Some(Meaning { title, how, .. }) if output.told => {
            say(&format!("closed ({shown}): {title}. {how}"));
        }
        None if output.told => say(&format!("closed ({shown})")),
        _ => {}
    }
    ExitCode::from(u8::from(!(in_order && sent_all)))
}

/// What to do about an error of opening, as the end of a sentence; nothing where the error itself says it.
fn advice_on(error: &client::Error) -> String {
    let failed = error.failed_transports();
    let mut meant = failed
        .iter()
        .filter_map(|(_, reason)| meaning(reason.code, &reason.reason));
    match meant.next() {
        Some(Meaning { title, how, .. }) => format!(": {title}. {how}"),
        None if failed.is_empty() => String::new(),
        None => "; `sockjs-gateway doctor URL` finds out what stands in the way".to_owned(),
    }
}

/// Prints what comes until the session is over, while `feeding` sends. Gives what that gave: whether every line was sent.
async fn converse(
    receiver: &mut Receiver,
    feeding: impl Future<Output = bool>,
    output: &Output,
    enough: &Notify,
) -> bool {
    let mut feeding = pin!(feeding);
    let mut sent_all = None;
    let mut deadline = Instant::now();
    loop {
        let event = tokio::select! {
            biased;
            event = receiver.recv() => event,
            outcome = &mut feeding, if sent_all.is_none() => {
                sent_all = Some(outcome);
                deadline = Instant::now() + CLOSE_TIMEOUT;
                continue;
            }
            // The server does not answer our close frame.
            () = sleep_until(deadline), if sent_all.is_some() => break,
        };
        let printed = match event {
            Some(Event::Message(message)) => output.message(&message),
            Some(Event::Lost(reason)) => output.lost(&reason),
            Some(Event::Reconnected(opened)) => output.opened("reconnected", &opened),
            None => break,
        };
        if printed.is_err() {
            enough.notify_one();
        }
    }
    sent_all.unwrap_or(true)
}

/// Sends the lines, and closes the session after the last one, or when `stopping` is done. Gives whether every line was sent.
async fn feed(
    mut sender: Sender,
    mut lines: mpsc::Receiver<Line>,
    stay: Option<Option<Duration>>,
    stopping: impl Future<Output = ()>,
) -> bool {
    let mut sent_all = true;
    let feeding = async {
        while let Some(line) = lines.recv().await {
            let message = match line {
                Ok(message) => message,
                Err(why) => {
                    say(&why);
                    sent_all = false;
                    continue;
                }
            };
            while let Err(error) = sender.send(message.clone()).await {
                if error.is_reconnecting() {
                    sleep(RETRY).await;
                    continue;
                }
                say(&format!("a line may be lost: {error}"));
                sent_all = false;
                break;
            }
            // The end of the session is told by who receives.
            if sender.closed().is_some() {
                std::future::pending::<()>().await;
            }
        }
        match stay {
            None => {}
            Some(Some(time)) => sleep(time).await,
            Some(None) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = feeding => {}
        () = stopping => {}
    }
    // A server that does not read holds this up.
    let _ = timeout(CLOSE_TIMEOUT, sender.close(1000, "")).await;
    sent_all
}

/// A message to send, or why it cannot be.
type Line = Result<Message, String>;

/// Lines of standard input, read by a thread of their own because that blocks; it ends with the program.
fn read_lines(json: bool) -> mpsc::Receiver<Line> {
    let (lines, receiver) = mpsc::channel(LINES);
    let reading = move || {
        let mut input = std::io::stdin().lock();
        let mut number = 0_u64;
        loop {
            number += 1;
            let mut bytes = Vec::new();
            let read = input.by_ref().take(MAX_LINE).read_until(b'\n', &mut bytes);
            let line = match read {
                Ok(0) => return,
                Ok(_) => message(&bytes, number, json),
                Err(error) => Err(format!("cannot read the input: {error}")),
            };
            let over = bytes.is_empty();
            if lines.blocking_send(line).is_err() || over {
                return;
            }
        }
    };
    let thread = std::thread::Builder::new().name("input".to_owned());
    if let Err(error) = thread.spawn(reading) {
        say(&format!("cannot read the input: {error}"));
    }
    receiver
}

/// The message in line `number`.
fn message(bytes: &[u8], number: u64, json: bool) -> Line {
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    if bytes.len() as u64 == MAX_LINE && line.len() == bytes.len() {
        return Err(format!(
            "line {number} of the input is not sent: it is longer than {MAX_LINE} bytes"
        ));
    }
    if json {
        let text: Result<String, _> = serde_json::from_slice(line);
        return text.map(Message::from).map_err(|_| {
            format!(
                "line {number} of the input is not sent: it is not a JSON string, like \"hello\""
            )
        });
    }
    let text = str::from_utf8(line);
    text.map(Message::from).map_err(|_| {
        format!(
            "line {number} of the input is not sent: it is not UTF-8, and SockJS carries text only"
        )
    })
}

/// Where events go.
struct Output {
    json: bool,
    /// People are told on standard error.
    told: bool,
}

impl Output {
    /// Prints how a session was opened.
    ///
    /// # Errors
    /// When nobody reads any more; so do the others.
    fn opened(&self, event: &str, opened: &Opened) -> std::io::Result<()> {
        if self.told {
            let total = opened.total.as_millis();
            let mut text = format!("connected over {} in {total} ms", opened.transport);
            for (transport, reason) in &opened.failed {
                text += &format!("; {transport} failed ({})", shown(reason));
            }
            say(&text);
        }
        let milliseconds = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
        self.event(
            event,
            &json!({
                "transport": opened.transport.name(),
                "round_trip_ms": opened.round_trip.map(milliseconds),
                "attempt_ms": milliseconds(opened.attempt),
                "total_ms": milliseconds(opened.total),
                "failed": failures(&opened.failed),
            }),
        )
    }

    fn message(&self, message: &Message) -> std::io::Result<()> {
        if self.json {
            let fields = match message {
                Message::Text(text) => json!({ "text": &**text }),
                Message::Binary(bytes) => {
                    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
                    json!({ "base64": text })
                }
            };
            return self.event("message", &fields);
        }
        let bytes = match message {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(bytes) => &**bytes,
        };
        print(&[bytes, b"\n"].concat())
    }

    fn lost(&self, reason: &CloseReason) -> std::io::Result<()> {
        if self.told {
            say(&format!("lost ({}); connecting again", shown(reason)));
        }
        self.event("lost", &close(reason))
    }

    /// Prints an object, where objects are asked for.
    fn event(&self, event: &str, fields: &Value) -> std::io::Result<()> {
        if !self.json {
            return Ok(());
        }
        let line = with(json!({ "event": event }), fields.clone());
        print(format!("{line}\n").as_bytes())
    }
}

fn print(line: &[u8]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let printed = out.write_all(line).and_then(|()| out.flush());
    if let Err(error) = &printed
        // Who reads it may have seen enough.
        && error.kind() != ErrorKind::BrokenPipe
    {
        say(&format!("cannot write: {error}"));
    }
    printed
}

/// Code and reason, for people.
fn shown(reason: &CloseReason) -> String {
    let text = format!("{} {}", reason.code, reason.reason);
    text.trim_end().to_owned()
}

fn close(reason: &CloseReason) -> Value {
    json!({ "code": reason.code, "reason": &*reason.reason })
}

fn failures(failed: &[(Transport, CloseReason)]) -> Vec<Value> {
    let one = |(transport, reason): &(Transport, CloseReason)| {
        with(json!({ "transport": transport.name() }), close(reason))
    };
    failed.iter().map(one).collect()
}

/// Both objects' fields.
fn with(mut one: Value, other: Value) -> Value {
    if let (Value::Object(one), Value::Object(other)) = (&mut one, other) {
        one.extend(other);
    }
    one
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What cannot be sent is named with its line; nothing is sent in part.
    #[test]
    fn lines_are_messages() {
        let text = |line: &str, json| {
            let sent = message(line.as_bytes(), 3, json);
            sent.map(|message| message.as_text().expect("text").to_owned())
        };
        assert_eq!(text("a b\n", false), Ok("a b".to_owned()));
        assert_eq!(text("end", false), Ok("end".to_owned()));
        assert_eq!(text("\n", false), Ok(String::new()));
        assert_eq!(text("\"a\\nb\"\n", true), Ok("a\nb".to_owned()));
        for wrong in ["a\n", "[\"a\"]\n", "\n", "1"] {
            let error = text(wrong, true).unwrap_err();
            assert!(error.starts_with("line 3 "), "{wrong}: {error}");
        }
        assert!(message(b"\xff\n", 3, false).unwrap_err().contains("UTF-8"));
    }
}
