//! A relay between the suite, which speaks HTTP/1.1, and a server that is spoken to in HTTP/2.
//!
//! It changes no more than it must, so that what the tests see is what the server did: a chunk is a DATA frame, the end of a
//! client's connection is a stream that is reset, and the reverse. All requests are streams of one connection, with prior
//! knowledge (RFC 9113 §3.3).

mod answer;
mod exchange;
mod request;
mod tunnel;

use std::thread::{self, JoinHandle};

use bytes::Bytes;
use h2::Ping;
use h2::client::SendRequest;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::super::deadline::START_DEADLINE;
use super::super::server::Address;

/// Runs for as long as this value lives.
#[derive(Debug)]
pub(in super::super) struct Relay {
    /// Where it listens, in place of the server.
    pub(in super::super) address: Address,
    /// Dropped, it stops the thread.
    running: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// A relay to the server at `server`.
    #[track_caller]
    pub(in super::super) fn start(server: &Address) -> Self {
        // One thread: its tasks run in turn, see `exchange::ends_first`.
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be built");
        let authority = runtime
            .block_on(async { timeout(START_DEADLINE, begin(&server.authority)).await })
            .expect("the server shakes hands in HTTP/2 in time");
        let (running, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            // The end of `running` is all that comes.
            let _ = runtime.block_on(stopped);
        });
        Self {
            address: Address {
                authority,
                ..server.clone()
            },
            running: Some(running),
            thread: Some(thread),
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.running = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Connects to the server and listens; where.
async fn begin(server: &str) -> String {
    let requests = connect(server).await;
    let listener = TcpListener::bind(("127.0.0.1", 0))
        .await
        .expect("a port is free");
    let address = listener
        .local_addr()
        .expect("a listener knows its address")
        .to_string();
    tokio::spawn(accept(listener, requests));
    address
}

async fn connect(server: &str) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(server)
        .await
        .expect("the server accepts connections");
    stream
        .set_nodelay(true)
        .expect("a socket takes TCP_NODELAY");
    let (requests, mut connection) = h2::client::handshake(stream)
        .await
        .expect("a preface can be sent");
    let mut pings = connection.ping_pong().expect("nobody else has taken it");
    tokio::spawn(async {
        if let Err(error) = connection.await {
            panic!("the connection of HTTP/2 broke: {error}");
        }
    });
    // The server's settings have come when this is answered.
    pings
        .ping(Ping::opaque())
        .await
        .expect("the server speaks HTTP/2");
    requests
}

async fn accept(listener: TcpListener, requests: SendRequest<Bytes>) {
    while let Ok((client, _)) = listener.accept().await {
        client
            .set_nodelay(true)
            .expect("a socket takes TCP_NODELAY");
        tokio::spawn(exchange::serve(client, requests.clone()));
    }
}
