//! Who goes, and who is refused, when memory runs short.

use super::*;

/// When all queues together take too much, the session that needs more ends with a named code.
#[tokio::test(start_paused = true)]
async fn queue_memory_over_the_budget_ends_the_session() {
    let config = SessionConfig {
        inbound: QueueLimits {
            bytes: 1 << 20,
            messages: 100,
        },
        ..SessionConfig::default()
    };
    let never_reads = |connection: Connection| async move {
        connection.closed().await;
    };
    let budgets = Budgets::new(10, 100 * 1024);
    let registry = Registry::new("/p".into(), config, Arc::new(never_reads), budgets.clone());
    let handle = open(&registry, "a");
    let message = || vec![Message::from("x".repeat(60 * 1024))];
    assert_eq!(handle.deliver(&mut message()).await, Deliver::Accepted);
    assert_eq!(handle.deliver(&mut message()).await, Deliver::Accepted);
    assert_eq!(handle.ended().map(|end| end.reason.code), Some(1013));
    assert!(budgets.queue_memory.used() <= 100 * 1024);
    let mut receiver = attach(&handle).await;
    assert_eq!(next_frame(&mut receiver).await, "o");
    assert_eq!(next_frame(&mut receiver).await, "c1013");
    drop((receiver, handle));
    registry.emptied().await;
    assert_eq!(budgets.queue_memory.used(), 0, "memory was not given back");
}

/// When queue memory runs short, the session goes whose queue has been large for longest, not the one that asks; and until there is enough again
/// no new one is opened.
#[tokio::test(start_paused = true)]
async fn slowest_session_makes_room_when_queue_memory_runs_short() {
    const KIB: usize = 1024;
    let never_reads = |connection: Connection| async move {
        connection.closed().await;
    };
    let process = Budgets::new(10, 128 * KIB);
    let budgets = process.child(10, 1 << 20);
    let registry = Registry::new(
        "/p".into(),
        SessionConfig::default(),
        Arc::new(never_reads),
        budgets,
    );
    let queue = async |handle: &Arc<SessionHandle>, size: usize| {
        let mut messages = vec![Message::from("x".repeat(size * KIB))];
        assert_eq!(handle.deliver(&mut messages).await, Deliver::Accepted);
    };
    let slow = open(&registry, "slow");
    queue(&slow, 48).await;
    let others = [open(&registry, "b"), open(&registry, "c")];
    tokio::time::sleep(Duration::from_secs(1)).await;
    queue(&others[0], 32).await;
    queue(&others[1], 48).await;
    let found = registry.get_or_open(&id("d"), &Caller::default(), || None, handshake);
    assert!(
        matches!(&found, Found::Refused(reason) if *reason == CloseReason::OUT_OF_BUDGET),
        "{found:?}"
    );
    let ended = async {
        while slow.ended().is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(1), ended)
        .await
        .expect("the slowest is found");
    assert!(others.iter().all(|handle| handle.ended().is_none()));
    drop(slow);
    // It is gone a moment later.
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(process.queue_memory.used(), 80 * KIB);
    open(&registry, "e");
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let counts = registry.counts();
    assert_eq!(count(&counts.ended_for_queue_memory), 1);
    assert_eq!(count(&counts.refused_for_queue_memory), 1);
    assert_eq!(count(&counts.out_of_queue_memory), 0);
}

/// The head that a session keeps for its backend is queue memory: it is given back when the backend takes it, and when memory runs short the
/// session that keeps the largest for longest goes.
#[tokio::test(start_paused = true)]
async fn heads_that_are_kept_are_queue_memory() {
    const KIB: usize = 1024;
    let large = || {
        let mut handshake = handshake();
        let cookie = "x".repeat(30 * KIB).parse().expect("a value");
        handshake.headers.insert(http::header::COOKIE, cookie);
        handshake
    };
    let takes_late = |mut connection: Connection| async move {
        if connection.recv().await.is_some() {
            assert!(connection.take_handshake().is_some());
        }
        connection.closed().await;
    };
    let budgets = Budgets::new(100, 128 * KIB);
    let registry = registry(takes_late, budgets.clone());
    let open =
        |name: &str| match registry.get_or_open(&id(name), &Caller::default(), || None, large) {
            Found::Opened(handle, driver) => {
                tokio::spawn(driver);
                Ok(handle)
            }
            Found::Refused(reason) => Err(reason),
            other => panic!("not opened: {other:?}"),
        };
    let first = open("a").expect("there is room");
    assert!((30 * KIB..31 * KIB).contains(&budgets.queue_memory.used()));
    let mut message = vec![Message::from("a")];
    assert_eq!(first.deliver(&mut message).await, Deliver::Accepted);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(budgets.queue_memory.used(), 0, "its backend took it");
    let many: Vec<_> = (0..4).map(|number| open(&format!("b{number}"))).collect();
    assert!(many.iter().all(Result::is_ok));
    assert_eq!(open("c").err(), Some(CloseReason::OUT_OF_BUDGET));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let ended = many
        .iter()
        .flatten()
        .filter(|handle| handle.ended().is_some());
    assert_eq!(ended.count(), 1, "a quarter is free again");
    drop((first, many));
    registry.stop(&CloseReason::SERVICE_RESTART);
    registry.emptied().await;
    assert_eq!(budgets.queue_memory.used(), 0);
}
