//! Browsers that do not read cost a bounded amount of memory.
//!
//! The peers grew by 70 to 215 MB in such cases.
#![cfg(target_os = "linux")]

use std::thread;
use std::time::Duration;

use crate::carriers::CARRIERS;
use crate::fixture::{OPEN, echo_server, opened, service};
use crate::raw_socket::{CONTINUATION, FIN, RawSocket, TEXT, frame};
use crate::support::{Request, Server, Session, now};

/// Resident memory once it has stopped growing, in KiB.
fn settled_memory(server: &Server) -> u64 {
    let start = now();
    let mut highest = server.resident_kib();
    let mut highest_since = now();
    while highest_since.elapsed() < Duration::from_millis(400)
        && start.elapsed() < Duration::from_secs(20)
    {
        thread::sleep(Duration::from_millis(20));
        let current = server.resident_kib();
        if current > highest + 64 {
            (highest, highest_since) = (current, now());
        }
    }
    highest
}

#[track_caller]
fn assert_grew_less_than(server: &Server, before: u64, limit_mib: u64) {
    let grown = settled_memory(server).saturating_sub(before) / 1024;
    assert!(grown < limit_mib, "grew by {grown} MiB");
}

/// Streams that are not read: the backend has 250 MB for each ten of them, and is stopped after a queue's worth.
#[test]
fn streams_that_are_not_read_are_bounded() {
    for carrier in CARRIERS.iter().filter(|carrier| !carrier.polls) {
        let server = Server::with_config(&service("/big", "amplify:", "response_limit = \"1GiB\""));
        opened(&server, "/big");
        let before = server.resident_kib();
        let mut open = Vec::new();
        for _ in 0..10 {
            let session = Session::new(&server, "/big");
            let mut connection = server.connect();
            connection.shrink_receive_buffer();
            connection.send(&carrier.request(&session));
            assert_eq!(connection.read_head().status, 200);
            // Prelude and `o`: the session is there.
            connection.read_chunk(Duration::from_secs(5));
            connection.read_chunk(Duration::from_secs(5));
            session.send(&format!("[{}]", vec!["\"19\""; 50].join(",")));
            open.push(connection);
        }
        assert_grew_less_than(&server, before, 60);
    }
}

/// The same on WebSockets, SockJS and raw.
#[test]
fn websockets_that_are_not_read_are_bounded() {
    for path in ["/big/000/ws/websocket", "/big/websocket"] {
        let server = Server::with_config(&service("/big", "amplify:", ""));
        opened(&server, "/big");
        let before = server.resident_kib();
        let mut open = Vec::new();
        for _ in 0..10 {
            let mut socket = RawSocket::open(&server, path);
            socket.connection.shrink_receive_buffer();
            socket.connection.limit_writes(Duration::from_millis(200));
            for _ in 0..50 {
                // A server that is stopped by us stops reading us.
                let text = if path.ends_with("/ws/websocket") {
                    "[\"19\"]"
                } else {
                    "19"
                };
                if !socket
                    .connection
                    .try_send_raw(&frame(FIN | TEXT, text.as_bytes(), true))
                {
                    break;
                }
            }
            open.push(socket);
        }
        assert_grew_less_than(&server, before, 60);
    }
}

/// A listener nobody polls costs its queue and no more: 32 MB are sent to it.
#[test]
fn unpolled_listeners_are_bounded() {
    let server = Server::with_config(&service(
        "/room",
        "broadcast:",
        "disconnect_delay = \"30s\"",
    ));
    let quiet: Vec<_> = (0..4).map(|_| opened(&server, "/room")).collect();
    let mut speaker = RawSocket::open_sockjs(&server, "/room");
    let message = format!("[\"{}\"]", "x".repeat(64 * 1024));
    let before = server.resident_kib();
    for _ in 0..500 {
        speaker.send_text(&message);
        speaker.assert_text(&format!("a{message}"));
    }
    assert_grew_less_than(&server, before, 24);
    drop(quiet);
}

/// Requests to a session whose backend is stopped wait outside memory: their bodies are bounded together.
#[test]
fn sends_that_wait_are_bounded() {
    let options = "outbound_bytes = \"4KiB\"\ninbound_bytes = \"4KiB\"\ndeliver_timeout = \"1s\"";
    let service = service("/echo", "echo:", options);
    let server = Server::with_config(&format!("queue_memory = \"8MiB\"\n{service}"));
    let session = opened(&server, "/echo");
    let before = server.resident_kib();
    let message = format!("[\"{}\"]", "x".repeat(1 << 20));
    let mut waiting = Vec::new();
    for _ in 0..40 {
        let mut connection = server.connect();
        connection.limit_writes(Duration::from_millis(500));
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
            session.url("/xhr_send"),
            message.len()
        );
        connection.send_raw(head.as_bytes());
        connection.try_send_raw(message.as_bytes());
        waiting.push(connection);
    }
    assert_grew_less_than(&server, before, 30);
}

/// A million items are refused without a million messages.
#[test]
fn million_items_are_bounded() {
    let server = echo_server("");
    let session = opened(&server, "/echo");
    let before = server.resident_kib();
    for item in ["\"\"", "\"a\"", "1"] {
        let body = format!("[{}]", vec![item; 1_000_000].join(","));
        let start = now();
        let status = session.post("/xhr_send", body).head.status;
        assert!(matches!(status, 413 | 500), "{status}");
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "{:?}",
            start.elapsed()
        );
    }
    assert_grew_less_than(&server, before, 40);
    server.assert_alive();
}

/// Very many tiny fragments cost nothing each. (CVE-2026-48779)
#[test]
fn tiny_fragments_are_bounded() {
    let server = echo_server("");
    let mut socket = RawSocket::open_sockjs(&server, "/echo");
    let before = server.resident_kib();
    socket.send(TEXT, b"");
    let batch = frame(CONTINUATION, b" ", true).repeat(1000);
    for _ in 0..100 {
        socket.connection.send_raw(&batch);
    }
    socket.send(FIN | CONTINUATION, b"[\"x\"]");
    socket.assert_text("a[\"x\"]");
    assert_grew_less_than(&server, before, 8);
}

/// Pings are answered, but a peer that only pings and never reads cannot fill memory with Pongs.
#[test]
fn unread_pongs_are_bounded() {
    let server = echo_server("");
    let mut socket = RawSocket::open_sockjs(&server, "/echo");
    socket.connection.shrink_receive_buffer();
    socket.connection.limit_writes(Duration::from_millis(300));
    let before = server.resident_kib();
    let batch = frame(FIN | crate::raw_socket::PING, &[b'p'; 125], true).repeat(1000);
    for _ in 0..300 {
        if !socket.connection.try_send_raw(&batch) {
            break;
        }
    }
    assert_grew_less_than(&server, before, 16);
}

/// Sessions that come and go leave nothing behind but their short memory.
#[test]
fn sessions_that_come_and_go_leave_little() {
    let server = echo_server("disconnect_delay = \"50ms\"");
    let mut connection = server.connect();
    let mut open_and_forget = |count: usize| {
        for _ in 0..count {
            let session = Session::new(&server, "/echo");
            let response = connection.exchange(&Request::post(session.url("/xhr")));
            assert_eq!(response.body, OPEN.as_bytes());
        }
    };
    open_and_forget(2000);
    let before = server.resident_kib();
    open_and_forget(6000);
    assert_grew_less_than(&server, before, 8);
}
