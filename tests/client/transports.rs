//! What holds on every transport, against the library's own server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use sockjs_gateway::client::{Event, Transport};
use sockjs_gateway::{Connection, Message, ServiceConfig};
use tokio::sync::mpsc;

use super::support::{SOCKJS, builder, end, message, open, serve, serve_with, within};

async fn echo(mut connection: Connection) {
    while let Some(message) = connection.recv().await {
        if connection.send(message).await.is_err() {
            break;
        }
    }
}

#[tokio::test]
async fn messages_arrive_unchanged_and_in_order() {
    let url = serve(echo);
    let large = "ä%0a\"<😀".repeat(20_000);
    let hard = [
        "",
        "plain",
        "line\r\nends\n",
        "nul\0 and \u{1}\u{7f}",
        "ünïcödé 😀 \u{2028}\u{200d}\u{fff0}\u{ffff}\u{feff}",
        "100% %41 %25 %0A",
        "a[\"x\"]",
        "</script>",
        "\\u0041 \\\" \\",
        &large,
    ];
    for transport in Transport::ALL {
        let mut client = open(&url, transport).await;
        assert_eq!(client.transport(), transport);
        for text in hard {
            client.send(text).await.unwrap();
        }
        for text in hard {
            assert_eq!(message(&mut client).await, text, "{transport}");
        }
        client.close(1000, "").await.unwrap();
    }
}

/// Both at once: sending does not wait for receiving, in two tasks.
#[tokio::test]
async fn halves_work_in_two_tasks() {
    let url = serve(echo);
    for transport in Transport::ALL {
        let (mut sender, mut receiver) = open(&url, transport).await.split();
        let sending = tokio::spawn(async move {
            for number in 0..200 {
                sender.send(number.to_string()).await.unwrap();
            }
            sender
        });
        for number in 0..200 {
            let event = within("a message", receiver.recv()).await;
            let expected = Event::Message(number.to_string().into());
            assert_eq!(event, Some(expected), "{transport}");
        }
        sending.await.unwrap();
    }
}

/// One array carries them all.
#[tokio::test]
async fn messages_sent_together_arrive_in_order() {
    let url = serve(echo);
    for transport in Transport::ALL {
        let mut client = open(&url, transport).await;
        let messages = (0..100).map(|number: usize| Message::from(number.to_string()));
        client.send_all(messages).await.unwrap();
        for number in 0..100 {
            assert_eq!(
                message(&mut client).await,
                number.to_string(),
                "{transport}"
            );
        }
    }
}

/// A backend may end a session with any code; the client gets it as the wire has it.
#[tokio::test]
async fn closes_have_their_code_and_reason() {
    let url = serve(|mut connection: Connection| async move {
        let _ = connection.recv().await;
        let _ = connection.send("last words").await;
        connection.close(4321, "that is enough – ünïcödé");
        connection.closed().await;
    });
    for transport in Transport::ALL {
        let mut client = open(&url, transport).await;
        client.send("go").await.unwrap();
        assert_eq!(message(&mut client).await, "last words", "{transport}");
        let expected = (4321, "that is enough – ünïcödé".to_owned());
        assert_eq!(end(&mut client).await, expected, "{transport}");
        let error = client.send("too late").await.unwrap_err();
        assert!(error.is_closed());
        assert_eq!(error.close_reason().unwrap().code, 4321);
        assert_eq!(within("the end again", client.recv()).await, None);
    }
}

/// RFC 6455 §7: on a WebSocket the backend sees our code. HTTP transports have no frame for it, but the server notices.
#[tokio::test]
async fn our_close_reaches_the_server() {
    let (sender, mut ends) = mpsc::channel(10);
    let mut service = ServiceConfig::new("/s");
    service.session.disconnect_delay = Duration::from_millis(500);
    let url = serve_with(service, move |mut connection: Connection| {
        let sender = sender.clone();
        async move {
            while connection.recv().await.is_some() {}
            let _ = sender.send(connection.closed().await.reason).await;
        }
    });
    for transport in Transport::ALL {
        let mut client = open(&url, transport).await;
        client.send("proof that we are here").await.unwrap();
        client.close(3333, "bye").await.unwrap();
        assert_eq!(
            end(&mut client).await,
            (3333, "bye".to_owned()),
            "{transport}"
        );
        if transport.is_websocket() {
            let seen = within("the end of the session", ends.recv()).await.unwrap();
            assert_eq!((seen.code, &*seen.reason), (3333, "bye"), "{transport}");
        } else {
            drop(client);
            within("the end of the session", ends.recv()).await.unwrap();
        }
    }
}

/// As in browsers.
#[tokio::test]
async fn reserved_close_codes_are_refused() {
    let url = serve(echo);
    let mut client = open(&url, Transport::Websocket).await;
    for code in [0, 1001, 1006, 2999, 5000] {
        assert!(
            client.close(code, "").await.unwrap_err().is_setting(),
            "{code}"
        );
    }
    assert!(
        client
            .close(3000, &"x".repeat(124))
            .await
            .unwrap_err()
            .is_setting()
    );
    client.send("alive").await.unwrap();
    assert_eq!(message(&mut client).await, "alive");
}

#[tokio::test]
async fn binary_is_for_raw_websockets() {
    let url = serve(echo);
    let bytes = Message::from(Bytes::from_static(&[0, 255, 1]));
    for transport in SOCKJS {
        let mut client = open(&url, transport).await;
        let error = client.send(bytes.clone()).await.unwrap_err();
        assert!(error.is_binary(), "{error}");
        client.send("alive").await.unwrap();
        assert_eq!(message(&mut client).await, "alive", "{transport}");
    }
    let mut client = open(&url, Transport::RawWebsocket).await;
    client.send(bytes.clone()).await.unwrap();
    let event = within("a message", client.recv()).await;
    assert_eq!(event, Some(Event::Message(bytes)));
}

/// Who does not receive stops the server from sending; nothing is lost.
#[tokio::test]
async fn a_client_that_does_not_read_holds_the_server_back() {
    const COUNT: usize = 400;
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let url = serve(move |connection: Connection| {
        let counter = Arc::clone(&counter);
        async move {
            for number in 0..COUNT {
                let text = format!("{number:08}{}", "x".repeat(64 * 1024));
                if connection.send(text).await.is_err() {
                    return;
                }
                counter.fetch_add(1, Ordering::SeqCst);
            }
            connection.closed().await;
        }
    });
    for transport in Transport::ALL {
        sent.store(0, Ordering::SeqCst);
        let mut client = open(&url, transport).await;
        for number in 0..COUNT {
            // What the server is ahead fits in its queue and in the buffers of two sockets.
            let ahead = sent.load(Ordering::SeqCst).saturating_sub(number);
            assert!(ahead < 300, "{transport}: {ahead} messages of 64 KiB ahead");
            let text = message(&mut client).await;
            assert!(text.starts_with(&format!("{number:08}")), "{transport}");
        }
    }
}

/// Dropping a `recv` that waits loses nothing.
#[tokio::test]
async fn recv_can_be_cancelled() {
    let url = serve(echo);
    for transport in Transport::ALL {
        let (mut sender, mut receiver) = open(&url, transport).await.split();
        let sending = tokio::spawn(async move {
            for number in 0..50 {
                sender.send(number.to_string()).await.unwrap();
            }
            sender
        });
        let mut expected = 0;
        while expected < 50 {
            tokio::select! {
                biased;
                // Dropped after one poll, most of the time.
                event = receiver.recv() => {
                    assert_eq!(event, Some(Event::Message(expected.to_string().into())));
                    expected += 1;
                }
                () = tokio::task::yield_now() => {}
            }
        }
        sending.await.unwrap();
    }
}

/// Headers, the query and cookies of the server go with every request. (sockjs-protocol, `JsessionidCookie`)
#[tokio::test]
async fn backends_see_headers_query_and_cookies() {
    let mut service = ServiceConfig::new("/s");
    service.cookie_needed = true;
    let url = serve_with(service, |mut connection: Connection| async move {
        let seen = connection.take_handshake().unwrap();
        let field = |name| {
            let value = seen.headers.get(name);
            value
                .map_or("-", |value| value.to_str().unwrap())
                .to_owned()
        };
        let query = seen.uri.query().unwrap_or_default();
        let text = format!("{} {} {query}", field("x-mine"), field("cookie"));
        let _ = connection.send(text).await;
        connection.closed().await;
    });
    for transport in Transport::ALL {
        let builder = builder(&format!("{url}/?token=x%20y"))
            .header("X-Mine", "1")
            .unwrap()
            .header("Cookie", "own=2")
            .unwrap()
            .transports([transport])
            .unwrap();
        let mut client = builder.connect().await.unwrap();
        let seen = message(&mut client).await;
        assert_eq!(seen, "1 own=2 token=x%20y", "{transport}");
    }
}

/// A load generator chooses ids, and does without `/info`.
#[tokio::test]
async fn sessions_have_the_chosen_id_and_timings() {
    let url = serve(|mut connection: Connection| async move {
        let path = connection.take_handshake().unwrap().uri.path().to_owned();
        let _ = connection.send(path).await;
        connection.closed().await;
    });
    for (transport, segment) in [
        (Transport::Websocket, "websocket"),
        (Transport::XhrStreaming, "xhr_streaming"),
        (Transport::EventSource, "eventsource"),
        (Transport::XhrPolling, "xhr"),
    ] {
        let session = format!("chosen-{segment}");
        let builder = builder(&url)
            .info(false)
            .session("007", &session)
            .unwrap()
            .transports([transport])
            .unwrap();
        let mut client = builder.connect().await.unwrap();
        assert_eq!(
            message(&mut client).await,
            format!("/s/007/{session}/{segment}")
        );
        let opened = client.opened();
        assert_eq!((opened.transport, opened.round_trip), (transport, None));
        assert!(opened.attempt <= opened.total);
    }
}
