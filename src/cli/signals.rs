//! SIGHUP, SIGTERM and SIGINT.

use std::pin::Pin;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tracing::warn;

/// What the program does with signals, from its first moments on: before, they would end it.
pub(super) struct Signals {
    pub(super) hang_up: Signal,
    /// Tells that the terminal is gone.
    pub(super) terminal_gone: oneshot::Sender<()>,
    pub(super) stop: Pin<Box<dyn Future<Output = ()> + Send>>,
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
            hang_up: signal(SignalKind::hangup())?,
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
            std::process::exit(1);
        });
    })
}
