//! SIGHUP, SIGTERM and SIGINT.

use std::io::IsTerminal as _;
use std::pin::Pin;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tracing::warn;

use super::log;

/// What the program does with signals, from its first moments on: before, they would end it.
pub(super) struct Signals {
    pub(super) hang_up: HangUp,
    /// Tells that the terminal is gone.
    pub(super) terminal_gone: oneshot::Sender<()>,
    pub(super) stop: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// SIGHUP: the configuration is to be read again, or the terminal is gone.
pub(super) struct HangUp {
    signal: Signal,
    /// The program was started in a terminal.
    in_terminal: bool,
}

impl HangUp {
    fn install() -> std::io::Result<Self> {
        Ok(Self {
            signal: signal(SignalKind::hangup())?,
            // Looked at now: later it may be gone already.
            in_terminal: std::io::stderr().is_terminal(),
        })
    }

    /// Done at the next one; whether the terminal is gone. Cancel safe.
    pub(super) async fn recv(&mut self) -> bool {
        if self.signal.recv().await.is_none() {
            // There will be no more.
            return std::future::pending().await;
        }
        self.in_terminal && !std::io::stderr().is_terminal()
    }
}

impl Signals {
    /// Must be called in a runtime.
    pub(super) fn install() -> std::io::Result<Self> {
        let (terminal_gone, gone) = oneshot::channel();
        let gone = async {
            if gone.await.is_err() {
                std::future::pending().await
            }
        };
        Ok(Self {
            hang_up: HangUp::install()?,
            terminal_gone,
            stop: Box::pin(stop_signal_or(gone)?),
        })
    }
}

/// Done at SIGTERM or SIGINT; a second one ends the process at once. Must be called in a runtime.
pub(super) fn stop_signal() -> std::io::Result<impl Future<Output = ()> + Send> {
    stop_signal_or(std::future::pending())
}

/// Done at SIGTERM, SIGINT or with `otherwise`; a signal after that ends the process at once.
fn stop_signal_or(
    otherwise: impl Future<Output = ()> + Send,
) -> std::io::Result<impl Future<Output = ()> + Send> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut next = async move || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    Ok(async move {
        tokio::select! {
            () = next() => {}
            () = otherwise => {}
        }
        tokio::spawn(async move {
            next().await;
            warn!("second signal: leaving at once");
            log::flush();
            std::process::exit(1);
        });
    })
}
