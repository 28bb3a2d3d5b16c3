//! WebSockets that misbehave after their handshake.

use futures_util::{SinkExt as _, StreamExt as _};
use sockjs_gateway::client::{Client, Event, Transport};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::support::{builder, end, message, within};

/// A session over a WebSocket with a server that sends `o`, and then does what `script` says.
async fn session<F>(script: impl FnOnce(WebSocketStream<TcpStream>) -> F + Send + 'static) -> Client
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/s", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        socket.send(Message::text("o")).await.unwrap();
        script(socket).await;
    });
    let builder = builder(&url)
        .info(false)
        .max_frame_size(1000)
        .transports([Transport::Websocket])
        .unwrap();
    within("a session", builder.connect()).await.unwrap()
}

#[tokio::test]
async fn a_connection_that_is_cut_ends_with_1006() {
    let mut client = session(|mut socket| async move {
        socket.send(Message::text("a[\"x\"]")).await.unwrap();
    })
    .await;
    assert_eq!(message(&mut client).await, "x");
    let (code, reason) = end(&mut client).await;
    assert_eq!(code, 1006);
    assert!(
        reason.starts_with("WebSocket connection broken"),
        "{reason}"
    );
}

/// Without a `c` frame the WebSocket's own code counts; without a code, RFC 6455 §7.1.5.
#[tokio::test]
async fn closes_of_the_websocket_itself_have_their_code() {
    let given = CloseFrame {
        code: 4005.into(),
        reason: "bye".into(),
    };
    for (frame, expected) in [(Some(given), (4005, "bye")), (None, (1005, ""))] {
        let mut client = session(|mut socket| async move {
            socket.close(frame).await.unwrap();
            while let Some(Ok(_)) = socket.next().await {}
        })
        .await;
        let (code, reason) = end(&mut client).await;
        assert_eq!((code, &*reason), expected);
    }
}

/// The closing handshake is answered, so that the server does not wait for it. (RFC 6455 §5.5.1)
#[tokio::test]
async fn a_close_frame_is_followed_by_an_answered_handshake() {
    let (sender, answered) = tokio::sync::oneshot::channel();
    let mut client = session(|mut socket| async move {
        socket
            .send(Message::text("c[3000,\"Go away!\"]"))
            .await
            .unwrap();
        socket.close(None).await.unwrap();
        let _ = sender.send(matches!(
            socket.next().await,
            Some(Ok(Message::Close(_))) | None | Some(Err(_))
        ));
    })
    .await;
    assert_eq!(end(&mut client).await, (3000, "Go away!".to_owned()));
    drop(client);
    assert!(within("the end of the handshake", answered).await.unwrap());
}

#[tokio::test]
async fn what_is_not_sockjs_ends_the_session() {
    for (sent, code) in [
        (Message::text("a[\"x"), 1002),
        (Message::text("c[]"), 1002),
        (Message::binary(vec![1, 2, 3]), 1002),
        (Message::text("o"), 1006),
        (Message::text(format!("a[\"{}\"]", "x".repeat(2000))), 1009),
    ] {
        let mut client = session(|mut socket| async move {
            socket.send(sent).await.unwrap();
            while let Some(Ok(_)) = socket.next().await {}
        })
        .await;
        assert_eq!(end(&mut client).await.0, code);
    }
}

/// Empty texts, unknown frames and Pings are nothing to the application; Pings are answered.
#[tokio::test]
async fn what_carries_no_message_is_passed_over() {
    let mut client = session(|mut socket| async move {
        for nothing in [Message::text(""), Message::text("x"), Message::text("h")] {
            socket.send(nothing).await.unwrap();
        }
        socket.send(Message::Ping("p".into())).await.unwrap();
        assert_eq!(
            socket.next().await.unwrap().unwrap(),
            Message::Pong("p".into())
        );
        socket.send(Message::text("a[\"ponged\"]")).await.unwrap();
        while let Some(Ok(_)) = socket.next().await {}
    })
    .await;
    let event = within("a message", client.recv()).await;
    assert_eq!(event, Some(Event::Message("ponged".into())));
}

/// A server that never answers the close frame is not waited for longer than 2 s.
#[tokio::test(start_paused = true)]
async fn a_close_that_is_not_answered_is_over_in_time() {
    let mut client = session(|socket| async move {
        std::future::pending::<()>().await;
        drop(socket);
    })
    .await;
    client.close(3001, "enough").await.unwrap();
    assert_eq!(end(&mut client).await, (3001, "enough".to_owned()));
}
