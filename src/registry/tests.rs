//! What must hold for sessions in a registry, on a paused clock.

mod queue_memory;

use std::sync::atomic::Ordering;
use std::time::Duration;

use http::{HeaderMap, Uri};
use tokio::time::Instant;

use super::*;
use crate::identity::Caller;
use crate::protocol::{Frame, Message};
use crate::session::{Deliver, Liveness, Manner, QueueLimits};

fn handshake() -> Handshake {
    Handshake {
        uri: Uri::from_static("/p/000/a/xhr"),
        prefix: "/p".into(),
        headers: HeaderMap::new(),
        peer: Peer {
            address: None,
            scheme: None,
            host: None,
            trusted: false,
        },
        transport: "xhr-polling",
        identity: None,
    }
}

async fn echo(mut connection: Connection) {
    while let Some(message) = connection.recv().await {
        if connection.send(message).await.is_err() {
            break;
        }
    }
}

pub(super) fn registry(backend: impl Backend, budgets: Budgets) -> Arc<Registry> {
    Registry::new(
        "/p".into(),
        SessionConfig::default(),
        Arc::new(backend),
        budgets,
    )
}

fn id(text: &str) -> SessionId {
    text.parse().expect("a valid id")
}

/// Opens a session and runs its driver.
pub(super) fn open(registry: &Registry, text: &str) -> Arc<SessionHandle> {
    match registry.get_or_open(&id(text), &Caller::default(), || None, handshake) {
        Found::Opened(handle, driver) => {
            tokio::spawn(driver);
            handle
        }
        other => panic!("not opened: {other:?}"),
    }
}

async fn attach(handle: &Arc<SessionHandle>) -> Receiver {
    Receiver::attach(Arc::clone(handle), Manner::new(Liveness::Connection), None)
        .await
        .expect("attached")
}

async fn next_frame(receiver: &mut Receiver) -> String {
    let read = |frame: Frame<'_>| match frame {
        Frame::Open => "o".to_owned(),
        Frame::Heartbeat => "h".to_owned(),
        Frame::Messages(messages) => messages
            .iter()
            .filter_map(Message::as_text)
            .collect::<Vec<_>>()
            .join(","),
        Frame::Close(reason) => format!("c{}", reason.code),
    };
    std::future::poll_fn(|context| receiver.poll_frame(context, read)).await
}

/// An expired id is told so for three times `disconnect_delay`; then nothing of it is left.
#[tokio::test(start_paused = true)]
async fn expired_session_leaves_a_tombstone_and_then_nothing() {
    let registry = registry(echo, Budgets::new(10, 1 << 20));
    drop(open(&registry, "a"));
    tokio::time::sleep(Duration::from_millis(5_010)).await;
    assert!(registry.is_empty());
    assert!(matches!(
        registry.get_or_open(&id("a"), &Caller::default(), || None, handshake),
        Found::Ended {
            reason: CloseReason { code: 1002, .. },
            again: false
        }
    ));
    assert_eq!(
        registry.get(&id("a"), &Caller::default()).err(),
        Some(Some(EndCause::Expired))
    );
    tokio::time::sleep(Duration::from_millis(15_010)).await;
    assert!(
        registry.shards.iter().all(|shard| shard.lock().is_empty()),
        "a tombstone was left"
    );
    assert_eq!(registry.get(&id("a"), &Caller::default()).err(), Some(None));
}

/// A session between two polls does not keep the connection that carried its last answer, nor that connection's task, once they
/// are gone.
#[tokio::test(start_paused = true)]
async fn session_lets_a_closed_connection_go() {
    struct Task;
    impl std::task::Wake for Task {
        fn wake(self: Arc<Self>) {}
    }
    let registry = registry(echo, Budgets::new(10, 1 << 20));
    let handle = open(&registry, "a");
    let (wire, task) = (Arc::new(Wire::default()), Arc::new(Task));
    let waker = std::task::Waker::from(Arc::clone(&task));
    wire.register(&std::task::Context::from_waker(&waker));
    let manner = Manner::new(Liveness::Connection);
    let mut receiver = Receiver::attach(Arc::clone(&handle), manner, Some(Arc::clone(&wire)))
        .await
        .expect("attached");
    assert_eq!(next_frame(&mut receiver).await, "o");
    receiver.handed_over(true);
    receiver.finish();
    wire.flushed();
    assert!(handle.wire().is_some(), "it may still break");
    wire.closed(false);
    drop(waker);
    assert!(handle.wire().is_none());
    assert_eq!(Arc::strong_count(&task), 1, "the task's memory was kept");
    assert_eq!(Arc::strong_count(&wire), 1);
}

/// A heartbeat every 25 s to a receiver that waits, the first one earlier: sessions opened at once beat at different times.
#[tokio::test(start_paused = true)]
async fn parked_receiver_gets_a_heartbeat() {
    let registry = registry(echo, Budgets::new(10, 1 << 20));
    let opened = Instant::now();
    let mut receivers = Vec::new();
    for session in ["a", "b", "c", "d", "e", "f", "g", "h", "i"] {
        let mut receiver = attach(&open(&registry, session)).await;
        assert_eq!(next_frame(&mut receiver).await, "o");
        receivers.push(receiver);
    }
    let beats = receivers.iter_mut().map(|receiver| async move {
        assert_eq!(next_frame(receiver).await, "h");
        let first = opened.elapsed();
        assert_eq!(next_frame(receiver).await, "h");
        (first, opened.elapsed() - first)
    });
    let beats = futures_util::future::join_all(beats).await;
    for (first, next) in &beats {
        assert!(
            (12..=25).contains(&first.as_secs()),
            "the first after {first:?}"
        );
        assert_eq!(next.as_secs(), 25);
    }
    let first = |choose: fn(Duration, Duration) -> Duration| {
        beats
            .iter()
            .map(|beat| beat.0)
            .reduce(choose)
            .unwrap_or_default()
    };
    assert!(
        first(Duration::max) - first(Duration::min) > Duration::from_secs(1),
        "in phase: {beats:?}"
    );
}

/// Over the limit new sessions are refused with a reason; an ended one makes room.
#[tokio::test(start_paused = true)]
async fn sessions_over_the_limit_are_refused_until_one_ends() {
    let process = Budgets::new(3, 1 << 20);
    let registries = [
        registry(echo, process.child(2, 1 << 20)),
        registry(echo, process.child(2, 1 << 20)),
    ];
    let kept = [
        open(&registries[0], "a"),
        open(&registries[0], "b"),
        open(&registries[1], "c"),
    ];
    for registry in &registries {
        let found = registry.get_or_open(&id("x"), &Caller::default(), || None, handshake);
        assert!(
            matches!(found, Found::Refused(CloseReason { code: 1013, .. })),
            "{found:?}"
        );
    }
    drop(kept);
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(matches!(
        registries[1].get_or_open(&id("y"), &Caller::default(), || None, handshake),
        Found::Opened(..)
    ));
}

/// A handler that panics ends its own session with 1011, and nothing else.
#[tokio::test(start_paused = true)]
async fn panicking_backend_ends_its_session_with_1011() {
    let registry = registry(
        |mut connection: Connection| async move {
            connection.recv().await;
            panic!("a bug in a handler");
        },
        Budgets::new(10, 1 << 20),
    );
    let handle = open(&registry, "a");
    let mut receiver = attach(&handle).await;
    assert_eq!(next_frame(&mut receiver).await, "o");
    handle.deliver(&mut vec!["x".into()]).await;
    assert_eq!(next_frame(&mut receiver).await, "c1011");
    let other = open(&registry, "b");
    assert_eq!(next_frame(&mut attach(&other).await).await, "o");
}

/// The backend is told of messages that never left, once, and why the session ended.
#[tokio::test(start_paused = true)]
async fn backend_learns_what_was_not_delivered() {
    let (report, told) = tokio::sync::oneshot::channel();
    let report = Mutex::new(Some(report));
    let registry = registry(
        move |connection: Connection| {
            let report = report.lock().take().expect("one session");
            async move {
                connection.send("a").await.expect("room");
                connection.send("b").await.expect("room");
                let end = connection.closed().await;
                let _ = report.send((
                    end.cause,
                    connection.take_undelivered(),
                    connection.take_undelivered().len(),
                ));
            }
        },
        Budgets::new(10, 1 << 20),
    );
    let mut receiver = attach(&open(&registry, "a")).await;
    assert_eq!(next_frame(&mut receiver).await, "o");
    assert_eq!(next_frame(&mut receiver).await, "a,b");
    drop(receiver);
    let told = told.await.expect("the backend finished");
    assert_eq!(
        told,
        (EndCause::Interrupted, vec!["a".into(), "b".into()], 0)
    );
}

/// Stopping ends every session with the reason, refuses new ones, and is over when the last is gone.
#[tokio::test(start_paused = true)]
async fn stopped_registry_ends_all_sessions_and_opens_no_more() {
    let registry = registry(echo, Budgets::new(10, 1 << 20));
    let mut receiver = attach(&open(&registry, "a")).await;
    assert_eq!(next_frame(&mut receiver).await, "o");
    registry.stop(&CloseReason::SERVICE_RESTART);
    assert_eq!(next_frame(&mut receiver).await, "c1012");
    receiver.finish();
    registry.emptied().await;
    assert!(matches!(
        registry.get_or_open(&id("b"), &Caller::default(), || None, handshake),
        Found::Refused(CloseReason { code: 1012, .. })
    ));
}

/// A browser that does not read makes its sender wait, and the wait ends when it reads.
#[tokio::test(start_paused = true)]
async fn full_outbound_queue_makes_the_sender_wait() {
    let config = SessionConfig {
        outbound: QueueLimits {
            bytes: 10,
            messages: 100,
        },
        ..SessionConfig::default()
    };
    let sends = |connection: Connection| async move {
        for number in 0..5 {
            connection
                .send(format!("message {number}"))
                .await
                .expect("the session lives");
        }
        connection.close(3000, "done");
    };
    let registry = Registry::new(
        "/p".into(),
        config,
        Arc::new(sends),
        Budgets::new(10, 1 << 20),
    );
    let mut receiver = attach(&open(&registry, "a")).await;
    assert_eq!(next_frame(&mut receiver).await, "o");
    for number in 0..5 {
        assert_eq!(next_frame(&mut receiver).await, format!("message {number}"));
        receiver.left();
    }
    assert_eq!(next_frame(&mut receiver).await, "c3000");
}

/// Several tasks may wait for the end of one session.
#[tokio::test(start_paused = true)]
async fn everybody_who_waits_for_the_end_is_told() {
    let (report, told) = tokio::sync::oneshot::channel();
    let report = Mutex::new(Some(report));
    let registry = registry(
        move |connection: Connection| {
            let report = report.lock().take().expect("one session");
            async move {
                let connection = Arc::new(connection);
                let waiting = [(); 3].map(|()| {
                    let connection = Arc::clone(&connection);
                    tokio::spawn(async move { connection.closed().await.cause })
                });
                let _ = report.send(waiting);
                connection.closed().await;
            }
        },
        Budgets::new(10, 1 << 20),
    );
    let receiver = attach(&open(&registry, "a")).await;
    let waiting = told.await.expect("the backend started");
    tokio::task::yield_now().await;
    drop(receiver);
    for waiter in waiting {
        assert_eq!(waiter.await.expect("no panic"), EndCause::Interrupted);
    }
}

/// After an abort the id is told so until `disconnect_delay` has passed, whatever else is remembered longer.
#[tokio::test(start_paused = true)]
async fn aborted_id_opens_afresh_after_disconnect_delay() {
    let registry = registry(echo, Budgets::new(100, 1 << 20));
    for number in 0..50 {
        drop(open(&registry, &format!("expires{number}")));
    }
    tokio::time::sleep(Duration::from_millis(5_500)).await;
    let names: Vec<String> = (0..50).map(|number| format!("aborted{number}")).collect();
    for name in &names {
        let mut receiver = attach(&open(&registry, name)).await;
        assert_eq!(next_frame(&mut receiver).await, "o");
    }
    tokio::time::sleep(Duration::from_millis(4_900)).await;
    for name in &names {
        assert!(
            matches!(
                registry.get_or_open(&id(name), &Caller::default(), || None, handshake),
                Found::Ended { .. }
            ),
            "forgotten too early"
        );
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    for name in &names {
        assert!(
            matches!(
                registry.get_or_open(&id(name), &Caller::default(), || None, handshake),
                Found::Opened(..)
            ),
            "remembered too long"
        );
    }
}

/// Whoever opens a session and says nothing is told so and ends, at the time and not when somebody else does something; one message is
/// enough.
#[tokio::test(start_paused = true)]
async fn silent_sessions_end_after_first_message_timeout() {
    let config = SessionConfig {
        first_message_timeout: Some(Duration::from_secs(10)),
        heartbeat_delay: None,
        ..SessionConfig::default()
    };
    let budgets = Budgets::new(10, 1 << 20);
    let registry = Registry::new("/p".into(), config, Arc::new(echo), budgets);
    let begun = Instant::now();
    let (silent, speaking) = (open(&registry, "a"), open(&registry, "b"));
    let mut receiver = attach(&silent).await;
    let mut other = attach(&speaking).await;
    assert_eq!(next_frame(&mut other).await, "o");
    speaking.deliver(&mut vec!["hello".into()]).await;
    assert_eq!(next_frame(&mut receiver).await, "o");
    assert_eq!(next_frame(&mut receiver).await, "c1008");
    assert_eq!(begun.elapsed(), Duration::from_secs(10));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(speaking.ended().is_none());
    let timeouts = &registry.counts().first_message_timeouts;
    assert_eq!(timeouts.load(Ordering::Relaxed), 1);
}

/// A backend that waits for a browser that takes nothing sees the session end after `slow_consumer_timeout`, without sending
/// again, and it is counted.
#[tokio::test(start_paused = true)]
async fn slow_consumer_is_closed_by_a_timer() {
    let config = SessionConfig {
        outbound: QueueLimits {
            bytes: 10,
            messages: 100,
        },
        slow_consumer: crate::session::SlowConsumer::Close,
        slow_consumer_timeout: Duration::from_secs(3),
        ..SessionConfig::default()
    };
    let sends = |connection: Connection| async move {
        connection.send("fills the queue").await.expect("room");
        assert!(connection.send("waits").await.is_err(), "it was taken");
    };
    let registry = Registry::new(
        "/p".into(),
        config,
        Arc::new(sends),
        Budgets::new(10, 1 << 20),
    );
    let begun = Instant::now();
    let mut receiver = attach(&open(&registry, "a")).await;
    assert_eq!(next_frame(&mut receiver).await, "o");
    // Taken, and not known to have left.
    assert_eq!(next_frame(&mut receiver).await, "fills the queue");
    assert_eq!(next_frame(&mut receiver).await, "c1013");
    assert_eq!(begun.elapsed().as_secs(), 3);
    let counts = registry.counts();
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    assert_eq!(
        (count(&counts.slow_consumers_closed), count(&counts.blocked)),
        (1, 1)
    );
}

/// Takes all that a session's receiver can have and says so.
async fn drain_frames(receiver: &mut Receiver, until: &str) {
    while next_frame(receiver).await != until {
        receiver.handed_over(true);
    }
    receiver.handed_over(true);
}

/// While sessions open, talk and end, what is counted never goes down, and no session is in it twice or not at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn census_is_exact_while_sessions_come_and_go() {
    const SESSIONS: u64 = 400;
    let registry = registry(echo, Budgets::new(1000, 1 << 20));
    let talking = Arc::clone(&registry);
    let talking = tokio::spawn(async move {
        for number in 0..SESSIONS {
            let handle = open(&talking, &format!("s{number}"));
            let mut receiver = attach(&handle).await;
            assert_eq!(next_frame(&mut receiver).await, "o");
            receiver.handed_over(true);
            handle.deliver(&mut vec![Message::from("12345")]).await;
            drain_frames(&mut receiver, "12345").await;
            handle.browser_closed(CloseReason::NORMAL);
        }
    });
    let of_all = |census: &Census| {
        let transports = census.transports.first();
        transports.map_or_else(Default::default, |of| (of.opened, of.traffic))
    };
    let mut before = of_all(&registry.census());
    while !talking.is_finished() {
        let now = of_all(&registry.census());
        let ((opened, traffic), (opened_before, traffic_before)) = (now, before);
        assert!(opened >= opened_before, "{now:?} after {before:?}");
        assert!(
            traffic.messages_in >= traffic_before.messages_in,
            "{now:?} after {before:?}"
        );
        assert!(
            traffic.messages_out >= traffic_before.messages_out,
            "{now:?} after {before:?}"
        );
        assert!(traffic.bytes_in <= 5 * SESSIONS && traffic.bytes_out <= 5 * SESSIONS);
        before = now;
        tokio::task::yield_now().await;
    }
    talking.await.expect("no panic");
    registry.emptied().await;
    let census = registry.census();
    let (opened, traffic) = of_all(&census);
    assert_eq!(opened, SESSIONS);
    assert_eq!(
        (traffic.messages_in, traffic.messages_out),
        (SESSIONS, SESSIONS)
    );
    assert_eq!(
        (traffic.bytes_in, traffic.bytes_out),
        (5 * SESSIONS, 5 * SESSIONS)
    );
    let of = &census.transports[0];
    assert_eq!(of.closed[EndCause::Browser as usize], SESSIONS);
    assert_eq!(of.closed.iter().sum::<u64>(), SESSIONS);
    assert_eq!(of.living, [0; 4]);
    assert!(census.codes.contains(&(Some(1000), SESSIONS)));
}

/// A session is told as it stands: before its first receiver, with one, between two, and when its end is not told yet.
#[tokio::test(start_paused = true)]
async fn census_tells_how_sessions_stand() {
    let registry = registry(echo, Budgets::new(10, 1 << 20));
    let living = || registry.census().transports[0].living;
    let handle = open(&registry, "a");
    assert_eq!(living(), [1, 0, 0, 0]);
    let mut receiver = attach(&handle).await;
    assert_eq!(next_frame(&mut receiver).await, "o");
    assert_eq!(living(), [0, 1, 0, 0]);
    receiver.handed_over(true);
    receiver.finish();
    assert_eq!(living(), [0, 0, 1, 0]);
    assert_eq!(registry.census().receiver_waits.count(), 0);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let receiver = attach(&handle).await;
    let waits = registry.census().receiver_waits;
    assert_eq!((waits.count(), waits.sum), (1, Duration::from_millis(300)));
    receiver.finish();
    handle.shut_down(&CloseReason::SERVICE_RESTART);
    assert_eq!(living(), [0, 0, 0, 1]);
    let mut receiver = attach(&handle).await;
    assert_eq!(next_frame(&mut receiver).await, "c1012");
    registry.emptied().await;
    assert_eq!(living(), [0; 4]);
    let closed = registry.census().transports[0].closed;
    assert_eq!(closed[EndCause::Shutdown as usize], 1);
}

/// A session whose driver is dropped, as when a browser leaves before its WebSocket is there, has ended and is counted.
#[tokio::test(start_paused = true)]
async fn session_that_nobody_drives_is_counted_as_ended() {
    let registry = registry(echo, Budgets::new(10, 1 << 20));
    let opened = registry.open_unnamed(false, &Caller::default(), None, handshake, None);
    let (handle, driver) = opened.expect("there is room");
    drop(driver);
    assert!(registry.is_empty());
    assert_eq!(
        handle.ended().map(|end| end.cause),
        Some(EndCause::Interrupted)
    );
    let of = &registry.census().transports[0];
    assert_eq!((of.opened, of.living), (1, [0; 4]));
    assert_eq!(of.closed[EndCause::Interrupted as usize], 1);
}

/// There is one for each session. With its two counters it fits into 512 bytes, above which an allocator's next size is 640; what a limit needs
/// is beside it, and only there where the limit is on.
#[test]
fn handles_stay_small() {
    assert!(size_of::<SessionHandle>() + 2 * size_of::<usize>() <= 512);
}
