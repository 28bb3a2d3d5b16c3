//! What must hold for the one task that a WebSocket's session runs in.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use http::{HeaderMap, Uri};
use tokio::io::{DuplexStream, Join, ReadHalf, WriteHalf};

use super::*;
use crate::registry::{Backend, Budgets, Connection, Handshake, Peer, Registry};
use crate::session::{Liveness, Manner, QueueLimits};

type Client = WebSocketStream<DuplexStream>;

/// Our end of a connection, where it is counted how often it is asked for bytes.
type Ours = Join<Counted, WriteHalf<DuplexStream>>;

struct Counted {
    stream: ReadHalf<DuplexStream>,
    asked: Arc<AtomicUsize>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

/// A session that talks to `backend`, with queues for so many `messages`, and the browser's end of its WebSocket.
async fn open(
    mode: Mode,
    messages: usize,
    backend: impl Backend,
) -> (Running<LargeReads<Ours>>, Client) {
    let (running, client, _) = open_counted(mode, messages, backend).await;
    (running, client)
}

/// The same, and how often its socket was asked for bytes.
async fn open_counted(
    mode: Mode,
    messages: usize,
    backend: impl Backend,
) -> (Running<LargeReads<Ours>>, Client, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let transport = TransportConfig::default();
    let few = QueueLimits {
        bytes: 1 << 20,
        messages,
    };
    let session = SessionConfig {
        inbound: few,
        outbound: few,
        ..SessionConfig::default()
    };
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let config = websocket_config(&transport, &session);
    let budgets = Budgets::new(10, 1 << 20);
    let registry = Registry::new("/p".into(), session, Arc::new(backend), budgets);
    let handshake = || Handshake {
        uri: Uri::from_static("/p/000/a/websocket"),
        prefix: "/p".into(),
        headers: HeaderMap::new(),
        peer: Peer {
            address: None,
            scheme: None,
            host: None,
            trusted: false,
        },
        transport: "websocket",
        identity: None,
    };
    let (handle, driver) = registry
        .open_unnamed(
            mode == Mode::Raw,
            &crate::identity::Caller::default(),
            None,
            handshake,
            None,
        )
        .expect("there is room");
    let receiver = Receiver::attach(handle, Manner::new(Liveness::Pong), None)
        .await
        .expect("attached");
    let (stream, writer) = tokio::io::split(ours);
    let counted = Counted {
        stream,
        asked: Arc::clone(&asked),
    };
    let socket = accepted(tokio::io::join(counted, writer), config).await;
    let pong_timeout = Duration::from_secs(10);
    let running = Running::new(socket, receiver, driver, mode, &transport, pong_timeout);
    let client = WebSocketStream::from_raw_socket(theirs, Role::Client, None).await;
    (running, client, asked)
}

async fn echo(mut connection: Connection) {
    while let Some(message) = connection.recv().await {
        if connection.send(message).await.is_err() {
            break;
        }
    }
}

/// The next message; heartbeats that come when a test takes long are none.
async fn next_text(client: &mut Client) -> String {
    loop {
        match client.next().await.expect("not over").expect("no error") {
            WsMessage::Ping(_) => {}
            message => return message.into_text().expect("text").to_string(),
        }
    }
}

/// Counts its wake-ups.
#[derive(Default)]
struct Task(AtomicUsize);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// What comes in one segment is answered in the poll that reads it, in one frame, and the task has no reason to be polled
/// again.
#[tokio::test]
async fn echo_takes_one_poll() {
    for mode in [Mode::Sockjs, Mode::Raw] {
        let (mut running, mut client) = open(mode, 100, echo).await;
        let task = Arc::new(Task::default());
        let waker = Waker::from(Arc::clone(&task));
        let mut context = Context::from_waker(&waker);
        assert!(running.poll_unpin(&mut context).is_pending());
        if mode == Mode::Sockjs {
            assert_eq!(next_text(&mut client).await, "o");
        }
        for count in [1, 16] {
            for number in 0..count {
                let text = match mode {
                    Mode::Sockjs => format!("[\"{number}\"]"),
                    Mode::Raw => number.to_string(),
                };
                client
                    .feed(WsMessage::Text(text.into()))
                    .await
                    .expect("open");
            }
            client.flush().await.expect("open");
            task.0.store(0, Ordering::Relaxed);
            assert!(running.poll_unpin(&mut context).is_pending());
            assert_eq!(task.0.load(Ordering::Relaxed), 0, "it woke itself");
            let numbers = (0..count).map(|number| number.to_string());
            match mode {
                Mode::Sockjs => {
                    let messages: Vec<_> = numbers.map(|number| format!("\"{number}\"")).collect();
                    let frame = format!("a[{}]", messages.join(","));
                    assert_eq!(next_text(&mut client).await, frame);
                }
                Mode::Raw => {
                    for number in numbers {
                        assert_eq!(next_text(&mut client).await, number);
                    }
                }
            }
        }
    }
}

/// A frame is written without a look for what the browser may have sent, and a look that is due is not forgotten over it.
#[tokio::test]
async fn socket_is_looked_at_when_it_calls() {
    let (tell, mut told) = tokio::sync::mpsc::channel(1);
    let hand_out = move |connection: Connection| {
        let sender = connection.sender();
        let _ = tell.try_send(sender);
        echo(connection)
    };
    let (mut running, mut client, asked) = open_counted(Mode::Raw, 100, hand_out).await;
    let task = Arc::new(Task::default());
    let waker = Waker::from(Arc::clone(&task));
    let mut context = Context::from_waker(&waker);
    assert!(running.poll_unpin(&mut context).is_pending());
    let sender = told.recv().await.expect("the backend runs");
    for round in 0..3 {
        asked.store(0, Ordering::Relaxed);
        task.0.store(0, Ordering::Relaxed);
        sender.try_send("frame").expect("there is room");
        assert!(
            task.0.load(Ordering::Relaxed) > 0,
            "it is woken for a frame"
        );
        assert!(running.poll_unpin(&mut context).is_pending());
        assert_eq!(next_text(&mut client).await, "frame");
        assert_eq!(asked.load(Ordering::Relaxed), 0, "in round {round}");

        task.0.store(0, Ordering::Relaxed);
        sender.try_send("frame").expect("there is room");
        let message = WsMessage::Text("message".into());
        client.send(message).await.expect("open");
        assert!(
            task.0.load(Ordering::Relaxed) > 0,
            "it is woken by the socket"
        );
        assert!(running.poll_unpin(&mut context).is_pending());
        let mut texts = [next_text(&mut client).await, next_text(&mut client).await];
        texts.sort();
        assert_eq!(texts, ["frame", "message"]);
    }
}

/// Sends numbers, more at a time than the queues hold, and expects them back in order.
async fn converse(backend: impl Backend) {
    const COUNT: usize = 20_000;
    const IN_FLIGHT: usize = 7;
    let (running, mut client) = open(Mode::Raw, 3, backend).await;
    let running = tokio::spawn(running);
    let mut sent = 0;
    for received in 0..COUNT {
        while sent < COUNT.min(received + IN_FLIGHT) {
            let message = WsMessage::Text(sent.to_string().into());
            client.send(message).await.expect("open");
            sent += 1;
        }
        let next = tokio::time::timeout(Duration::from_secs(20), next_text(&mut client));
        let text = next.await.expect("a wake-up was lost");
        assert_eq!(text, received.to_string());
    }
    client.close(None).await.expect("open");
    while client.next().await.is_some() {}
    running.await.expect("no panic");
}

/// A backend that moves its connection to a task of its own, on another thread, sends and receives at any moment of a turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn wake_ups_between_threads_are_not_lost() {
    converse(|connection: Connection| async move {
        tokio::spawn(echo(connection));
    })
    .await;
}

/// A backend whose futures have wakers of their own: it is polled when one of them is woken.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn wake_ups_of_nested_wakers_are_not_lost() {
    converse(|mut connection: Connection| async move {
        let (into, mut from) = tokio::sync::mpsc::channel(3);
        let sender = connection.sender();
        let mut halves = FuturesUnordered::<BoxFuture<'_, ()>>::new();
        halves.push(Box::pin(async move {
            while let Some(message) = connection.recv().await {
                into.send(message).await.expect("the other half lives");
            }
        }));
        halves.push(Box::pin(async move {
            while let Some(message) = from.recv().await {
                let _ = sender.send(message).await;
            }
        }));
        while halves.next().await.is_some() {}
    })
    .await;
}

/// A backend in the task of its socket.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn wake_ups_within_the_task_are_not_lost() {
    converse(echo).await;
}

/// A browser that does not answer the first Ping gets its `o` when the patience for it is over, though nothing else wakes the
/// task.
#[tokio::test(start_paused = true)]
async fn open_frame_comes_without_a_pong() {
    let (mut running, mut client) = open(Mode::Sockjs, 100, echo).await;
    if let Some(pump) = &mut running.pump {
        pump.proof = Proving::Due(Duration::from_millis(100));
    }
    tokio::spawn(running);
    assert!(matches!(client.next().await, Some(Ok(WsMessage::Ping(_)))));
    // Below the client, which would answer.
    let mut bytes = [0; 3];
    let read = tokio::io::AsyncReadExt::read_exact(client.get_mut(), &mut bytes);
    let read = tokio::time::timeout(Duration::from_secs(1), read).await;
    assert!(read.is_ok(), "no frame came");
    assert_eq!(&bytes, b"\x81\x01o");
}
