//! WebSockets on streams. (RFC 8441)

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::super::support::{free_port, serve, within};
use super::client::Client;

async fn next<S>(socket: &mut S) -> Option<Message>
where
    S: futures_util::Stream<Item = Result<Message, Error>> + Unpin,
{
    loop {
        match within("a message", socket.next()).await {
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(message)) => return Some(message),
            Some(Err(_)) | None => return None,
        }
    }
}

/// The answer has what it needs, and none of what only HTTP/1.1 has. (RFC 8441 §5)
#[tokio::test]
async fn handshakes_are_answered_with_200() {
    let running = serve(free_port(), &[]);
    let mut client = Client::connect(&running).await;
    let (answer, _stream) = client.extended_connect("/s/websocket", &[]).await;
    assert_eq!(answer.status(), 200);
    for field in [
        "sec-websocket-accept",
        "upgrade",
        "connection",
        "content-length",
    ] {
        assert!(!answer.headers().contains_key(field), "{field}");
    }
}

#[tokio::test]
async fn sockjs_sessions_open_talk_and_close() {
    let mut running = serve(free_port(), &[]);
    let mut client = Client::connect(&running).await;
    let mut socket = client.websocket("/s/0/a/websocket").await;
    assert_eq!(next(&mut socket).await, Some(Message::text("o")));
    assert!(running.told().await.is_some());
    socket.send(Message::text(r#"["a","b"]"#)).await.unwrap();
    assert_eq!(
        next(&mut socket).await,
        Some(Message::text(r#"a["a","b"]"#))
    );
    socket.close(None).await.unwrap();
    assert!(matches!(next(&mut socket).await, Some(Message::Close(_))));
    assert_eq!(next(&mut socket).await, None, "the stream has ended");
    assert_eq!(running.told().await, None, "and the session");
}

/// Short and long messages, text and binary, in one frame and in many, on several sockets at once.
#[tokio::test]
async fn raw_sockets_carry_messages_of_every_size() {
    let running = serve(free_port(), &[]);
    let mut client = Client::connect(&running).await;
    let mut sockets = Vec::new();
    for _ in 0..3 {
        sockets.push(client.websocket("/s/websocket").await);
    }
    for socket in &mut sockets {
        for length in [0, 1, 1000, 70_000, 128 * 1024] {
            for message in [
                Message::text("x".repeat(length)),
                Message::binary(vec![7; length]),
            ] {
                socket.send(message.clone()).await.unwrap();
                let echo = next(socket).await;
                assert!(echo == Some(message), "{length} bytes");
            }
        }
        let parts = [
            (OpCode::Data(Data::Text), false),
            (OpCode::Data(Data::Continue), false),
        ];
        for (code, last) in parts
            .into_iter()
            .chain([(OpCode::Data(Data::Continue), true)])
        {
            let frame = Frame::message(Bytes::from_static(b"part "), code, last);
            socket.send(Message::Frame(frame)).await.unwrap();
        }
        assert_eq!(next(socket).await, Some(Message::text("part part part ")));
    }
}

/// Codes and reasons go both ways, and violations are named.
#[tokio::test]
async fn close_codes_are_those_of_http11() {
    let running = serve(free_port(), &[]);
    let mut client = Client::connect(&running).await;
    let mut socket = client.websocket("/s/websocket").await;
    let own = CloseFrame {
        code: CloseCode::from(4001),
        reason: "mine".into(),
    };
    socket.close(Some(own.clone())).await.unwrap();
    assert_eq!(next(&mut socket).await, Some(Message::Close(Some(own))));
    for (message, code) in [("x".repeat(5 << 20), 1009), ("not json".into(), 3000)] {
        let mut socket = client.websocket("/s/0/a/websocket").await;
        assert_eq!(next(&mut socket).await, Some(Message::text("o")));
        // The server may end the stream before all is sent.
        let _ = socket.send(Message::text(message)).await;
        match next(&mut socket).await {
            Some(Message::Close(Some(close))) => assert_eq!(u16::from(close.code), code),
            other => panic!("{other:?} instead of {code}"),
        }
    }
}

/// Sub-protocols are chosen as over HTTP/1.1. (RFC 8441 §5)
#[tokio::test]
async fn sub_protocols_are_chosen() {
    let running = serve(free_port(), &[]);
    let mut client = Client::connect(&running).await;
    let offered = [("sec-websocket-protocol", "v12.stomp, v11.stomp")];
    let (answer, _stream) = client.extended_connect("/s/websocket", &offered).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["sec-websocket-protocol"], "v11.stomp");
}

/// A stream that is reset, and a connection that is gone, end the sessions on them.
#[tokio::test]
async fn peers_that_go_away_end_their_sessions() {
    let mut running = serve(free_port(), &[]);
    let mut client = Client::connect(&running).await;
    for path in ["/s/websocket", "/s/0/a/websocket"] {
        let socket = client.websocket(path).await;
        assert!(running.told().await.is_some());
        drop(socket);
        assert_eq!(running.told().await, None, "{path}");
    }
}

/// What is refused over HTTP/1.1 is refused here, and the connection goes on.
#[tokio::test]
async fn refused_handshakes_leave_the_connection_alone() {
    let running = serve(free_port(), &[]);
    let mut client = Client::connect(&running).await;
    let evil = [("origin", "https://evil.example")];
    for (path, fields, status) in [
        ("/s/websocket", &evil[..], 403),
        ("/s/0/a/websocket", &evil, 403),
        ("/s/info", &[], 405),
        ("/s/0/a/xhr", &[], 405),
        ("/nowhere", &[], 404),
        ("/s/websocket", &[("sec-websocket-version", "8")], 426),
        ("/s/websocket", &[], 200),
    ] {
        let (answer, _stream) = if fields
            .first()
            .is_some_and(|(name, _)| name.starts_with("sec"))
        {
            client.extended_connect_version(path, "8").await
        } else {
            client.extended_connect(path, fields).await
        };
        assert_eq!(answer.status(), status, "{path} {fields:?}");
    }
    let plain = http::Request::builder()
        .method("CONNECT")
        .uri("localhost:80");
    let answer = client.ask(plain, "").await.unwrap().whole().await;
    assert_eq!(answer.0, 400);
    assert!(answer.1.contains(":protocol"), "{}", answer.1);
    let get = client.get("/s/websocket").await.whole().await;
    assert_eq!(get.0, 400, "a GET is no handshake in HTTP/2");
}
