//! When the process has no descriptors left it waits instead of spinning, and those who are served go on.
#![cfg(target_os = "linux")]

use std::thread;
use std::time::Duration;

use crate::fixture::{OPEN, service};
use crate::support::{ANSWER_DEADLINE, Server, Session, now};

/// Far more connections than descriptors: an open stream goes on, the processor idles, and service comes back when they leave.
#[test]
fn exhausted_descriptors_do_not_stop_the_server_nor_make_it_spin() {
    let config = service("/echo", "echo:", "");
    let server = Server::with_config_and_open_files(&config, 40);
    let session = Session::new(&server, "/echo");
    let mut stream = session.open_xhr_streaming();
    stream.assert_chunk(OPEN);
    let mut sender = server.connect();
    let send = crate::support::Request::post(session.url("/xhr_send")).body("[\"x\"]");
    sender.send(&send);
    assert_eq!(sender.read_head().status, 204);
    stream.assert_chunk("a[\"x\"]\n");

    let crowd: Vec<_> = (0..80).map(|_| server.connect()).collect();
    thread::sleep(Duration::from_millis(200));
    let (time, used) = (now(), server.processor_time());
    thread::sleep(Duration::from_millis(1000));
    let used = server.processor_time().saturating_sub(used);
    assert!(
        used < time.elapsed() / 10,
        "{used:?} of processor in a second of waiting"
    );

    sender.send(&send);
    assert_eq!(sender.read_head().status, 204);
    stream.assert_chunk("a[\"x\"]\n");

    drop(crowd);
    let start = now();
    assert_eq!(server.get("/echo").head.status, 200);
    assert!(
        start.elapsed() < Duration::from_secs(3),
        "back after {:?}",
        start.elapsed()
    );
}

/// Connections that were answered are given back: far more in turn than there are descriptors.
#[test]
fn descriptors_are_given_back() {
    let config = service("/echo", "echo:", "");
    let server = Server::with_config_and_open_files(&config, 40);
    for _ in 0..300 {
        let session = Session::new(&server, "/echo");
        let mut stream = session.open_xhr_streaming();
        stream.assert_chunk(OPEN);
    }
    let start = now();
    server.get("/echo").assert_is(200, "Welcome to SockJS!\n");
    assert!(start.elapsed() < ANSWER_DEADLINE);
}
