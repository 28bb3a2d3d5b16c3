//! The log on standard error. A thread of its own writes it: whoever does not read it holds up nobody.
//!
//! Lines wait in memory up to a bound, and what comes beyond it is lost, and counted. Not `tracing-appender`: its bound is a number of
//! lines, whatever their length, and its last flush, which has a fixed time, prints on standard output when that is over, which may
//! be the same pipe that nobody reads.

#![allow(
    clippy::disallowed_types,
    reason = "the only lock of the command line, which has no other of its own; nothing under it could poison it"
)]

use std::backtrace::{Backtrace, BacktraceStatus};
use std::borrow::Cow;
use std::ffi::OsStr;
use std::io::{self, IsTerminal as _, Write};
use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::time::Instant;
use tracing::field::display;
use tracing::{error, warn};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Bytes of lines that may wait; as many may be on their way out.
const ROOM: usize = 4 * 1024 * 1024;
/// Bytes that are written at a time: what a pipe takes. (pipe(7))
const PIECE: usize = 64 * 1024;
/// Time in which somebody must take a piece of what is left at the end.
const PATIENCE: Duration = Duration::from_secs(1);
/// Time for all that is left at the end.
const LONGEST: Duration = Duration::from_secs(5);

/// That of the program, once it has begun.
static LOG: OnceLock<Log> = OnceLock::new();

/// Lines on their way out. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Shared>);

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// There are lines.
    came: Condvar,
    /// A piece was written.
    went: Condvar,
    lost: AtomicU64,
}

#[derive(Default)]
struct Queue {
    /// Whole lines that the writer has not taken yet.
    waiting: Vec<u8>,
    /// It writes what it took.
    writing: bool,
    /// Pieces that it has written.
    written: u64,
}

/// Begins: what is logged from now on is written, as `RUST_LOG` says; where that cannot be what was meant, the log says so first.
/// Returns what counts the lines that were lost.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn start() -> io::Result<impl Fn() -> u64 + Send + Sync + use<>> {
    let log = Log::to(io::stderr())?;
    let wanted = std::env::var_os(EnvFilter::DEFAULT_ENV);
    let (filter, complaint) = filter(wanted.as_deref());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(log.clone());
    if io::stderr().is_terminal() {
        builder.with_target(false).init();
    } else {
        builder.json().init();
    }
    let lost = log.clone();
    if LOG.set(log).is_ok() {
        // What the standard library would print goes where nobody may read.
        std::panic::set_hook(Box::new(panicked));
    }
    if let Some(complaint) = complaint {
        unfiltered(|| warn!("{complaint}"));
    }
    Ok(move || lost.lost())
}

/// What is let through, and what is wrong with what was `wanted`.
fn filter(wanted: Option<&OsStr>) -> (EnvFilter, Option<String>) {
    /// Where this program's own lines are.
    const OWN: &str = "sockjs_gateway";
    const WRITE: &str = "write a level, error, warn, info, debug, trace or off, or a level of a part, like sockjs_gateway=debug";
    let usual = || EnvFilter::new("info");
    let shown = wanted.unwrap_or_default().to_string_lossy();
    // Blanks would be part of names, and an empty name that of every part.
    let directives = shown.split(',').map(str::trim);
    let directives: Vec<_> = directives
        .filter(|directive| !directive.is_empty())
        .collect();
    if directives.is_empty() {
        return (usual(), None);
    }
    let read = match &shown {
        Cow::Borrowed(_) => {
            let read = EnvFilter::try_new(directives.join(","));
            read.map_err(|error| error.to_string())
        }
        Cow::Owned(_) => Err("it is not UTF-8".to_owned()),
    };
    match read {
        Ok(filter) => {
            let lets_own = directives.iter().any(|directive| {
                let target = directive.split(['=', '[']).next().unwrap_or_default();
                let below = target.strip_prefix(OWN);
                directive.parse::<LevelFilter>().is_ok()
                    || below.is_some_and(|below| below.is_empty() || below.starts_with("::"))
                    || OWN.starts_with(target)
            });
            let complaint = || {
                format!(
                    "RUST_LOG is {shown:?}: that is about other parts alone, and lets no line of the gateway through; {WRITE}"
                )
            };
            (filter, (!lets_own).then(complaint))
        }
        Err(error) => {
            let complaint = format!(
                "RUST_LOG is {shown:?}, which cannot be read: {error}; the log is as with \"info\"; {WRITE}"
            );
            (usual(), Some(complaint))
        }
    }
}

/// Lets lines through whatever `RUST_LOG` says, in the format of the others.
fn unfiltered(tell: impl FnOnce()) {
    let Some(log) = LOG.get() else { return };
    let builder = tracing_subscriber::fmt().with_writer(log.clone());
    if io::stderr().is_terminal() {
        tracing::subscriber::with_default(builder.with_target(false).finish(), tell);
    } else {
        tracing::subscriber::with_default(builder.json().finish(), tell);
    }
}

/// Waits until what was logged is written; a short time, when nobody reads it. Without effect before the log has begun.
pub(super) fn flush() {
    if let Some(log) = LOG.get() {
        log.flush();
    }
}

/// Tells the operator something that ends the program, or is the answer to a command: as a line of the log once that has begun.
pub(super) fn say(message: &str) {
    match LOG.get() {
        Some(_) => unfiltered(|| error!("{message}")),
        None => {
            let lines = message.lines();
            let lines: String = lines
                .map(|line| format!("sockjs-gateway: {line}\n"))
                .collect();
            let _ = io::stderr().write_all(lines.as_bytes());
        }
    }
}

fn panicked(panic: &PanicHookInfo<'_>) {
    let what = panic.payload_as_str().unwrap_or_default();
    let place = panic.location().map(ToString::to_string);
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| display(backtrace));
    error!(place, backtrace, "panicked: {what}");
}

impl Log {
    /// One that is written to `out`.
    fn to(out: impl Write + Send + 'static) -> io::Result<Self> {
        let log = Self::default();
        let writer = log.clone();
        let thread = thread::Builder::new().name("log".to_owned());
        thread.spawn(move || writer.write_out(out))?;
        Ok(log)
    }

    /// Lines that were lost so far.
    fn lost(&self) -> u64 {
        self.0.lost.load(Ordering::Relaxed)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing that may panic is done while it is locked.
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a line, if there is room.
    fn take(&self, line: &[u8]) {
        let mut queue = self.queue();
        if queue.waiting.len() + line.len() > ROOM {
            drop(queue);
            self.0.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        queue.waiting.extend_from_slice(line);
        drop(queue);
        self.0.came.notify_one();
    }

    /// Writes what comes, for ever.
    fn write_out(&self, mut out: impl Write) {
        let mut taken = Vec::new();
        let mut told = 0;
        loop {
            {
                let idle = |queue: &mut Queue| queue.waiting.is_empty();
                let queue = self.0.came.wait_while(self.queue(), idle);
                let mut queue = queue.unwrap_or_else(PoisonError::into_inner);
                std::mem::swap(&mut queue.waiting, &mut taken);
                queue.writing = true;
            }
            let mut is_read = true;
            let mut rest = &taken[..];
            while !rest.is_empty() {
                let (piece, behind) = rest.split_at(rest.len().min(PIECE));
                if out.write_all(piece).is_err() {
                    let lines = rest.iter().filter(|&&byte| byte == b'\n').count();
                    self.0.lost.fetch_add(lines as u64, Ordering::Relaxed);
                    is_read = false;
                    break;
                }
                rest = behind;
                self.queue().written += 1;
                self.0.went.notify_all();
            }
            taken.clear();
            // What a burst took is not kept.
            taken.shrink_to(PIECE);
            let lost = self.lost();
            // A line that is told where none can be written would be lost itself, and told of again.
            if lost > told && is_read {
                told = lost;
                warn!(
                    dropped = lost,
                    "lines of the log were dropped: standard error is not read fast enough"
                );
            }
            self.queue().writing = false;
            self.0.went.notify_all();
        }
    }

    /// Waits until all is written; whether it is. Gives up when nobody takes a piece within [`PATIENCE`], and after [`LONGEST`].
    fn flush(&self) -> bool {
        let end = Instant::now() + LONGEST;
        let mut queue = self.queue();
        loop {
            if queue.waiting.is_empty() && !queue.writing {
                return true;
            }
            let written = queue.written;
            let left = end.saturating_duration_since(Instant::now());
            let stands = |queue: &mut Queue| {
                let busy = queue.writing || !queue.waiting.is_empty();
                busy && queue.written == written
            };
            let waited = self
                .0
                .went
                .wait_timeout_while(queue, PATIENCE.min(left), stands);
            let (after, waited) = waited.unwrap_or_else(PoisonError::into_inner);
            if waited.timed_out() {
                return false;
            }
            queue = after;
        }
    }
}

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.take(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Hands on what is written, when somebody takes it.
    struct Out(mpsc::SyncSender<Vec<u8>>);

    impl Write for Out {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let sent = self.0.send(bytes.to_vec());
            sent.map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn log() -> (Log, mpsc::Receiver<Vec<u8>>) {
        let (sender, receiver) = mpsc::sync_channel(0);
        (Log::to(Out(sender)).expect("a thread"), receiver)
    }

    /// What would leave the log empty without a word, or is not what it seems, is told.
    #[test]
    fn a_filter_that_cannot_be_meant_is_told() {
        let complaint = |wanted: &str| filter(Some(OsStr::new(wanted))).1;
        for fine in [
            "",
            "info",
            "WARN",
            "off",
            "3",
            "sockjs_gateway=debug",
            "h2=trace,info",
            "info,sockjs_gateway::session=warn",
            "sockjs_gateway",
            "sockjs",
            ",,",
        ] {
            assert_eq!(complaint(fine), None, "{fine}");
        }
        // Blanks are no part of names.
        for (blank, meant) in [
            (" info ", "info"),
            ("h2=warn, info", "h2=warn,info"),
            (",", "info"),
        ] {
            let (filter, complaint) = filter(Some(OsStr::new(blank)));
            assert_eq!(complaint, None, "{blank:?}");
            assert_eq!(
                filter.to_string(),
                EnvFilter::new(meant).to_string(),
                "{blank:?}"
            );
        }
        for wrong in [
            "warm",
            "foo[",
            "h2=debug",
            "sockjs_gatewayx=debug",
            "info=warm",
            "sockjs_gateway=loud",
        ] {
            let told = complaint(wrong).unwrap_or_else(|| panic!("{wrong} is taken"));
            assert!(
                told.contains(wrong) && told.contains("write a level"),
                "{told}"
            );
        }
        assert_eq!(filter(None).1, None);
    }

    /// Lines come out whole and in their order, and all of them before the end.
    #[test]
    fn all_lines_are_written_before_the_end() {
        let (log, out) = log();
        let reader = thread::spawn(move || out.iter().take(4).collect::<Vec<_>>().concat());
        let line = [&[b'x'; PIECE - 1][..], b"\n"].concat();
        for _ in 0..4 {
            log.take(&line);
        }
        assert!(log.flush());
        assert_eq!(reader.join().expect("all is read"), line.repeat(4));
        assert_eq!(log.lost(), 0);
    }

    /// Where nobody reads, lines are lost beyond the room that there is, each is counted, and the end does not wait for ever.
    #[test]
    fn nobody_who_reads_is_waited_for_in_vain() {
        let (log, _out) = log();
        let line = [&[b'x'; 1023][..], b"\n"].concat();
        let room = ROOM / line.len();
        // The first may be taken before the others, or with them.
        for _ in 0..2 * room + 10 {
            log.take(&line);
        }
        assert!(
            (10..=room as u64 + 10).contains(&log.lost()),
            "{}",
            log.lost()
        );
        assert!(!log.flush());
    }

    /// Lines that cannot be written are lost, and those behind them are tried.
    #[test]
    fn lines_for_a_reader_that_is_gone_are_counted() {
        let (log, out) = log();
        drop(out);
        log.take(b"one\ntwo\n");
        assert!(log.flush());
        log.take(b"three\n");
        assert!(log.flush());
        assert_eq!(log.lost(), 3);
    }
}
