//! Every HTTP transport, on streams.

use super::super::support::{
    Authority, Folder, connector_for, free_port, serve, shake_hands, tls, within,
};
use super::client::Client;

/// Opens a session on each transport, sends, receives, and ends it.
async fn use_all_transports(mut client: Client) {
    let info = client.get("/s/info").await;
    assert!(info.head.headers().contains_key("date"));
    assert!(info.whole().await.1.contains("websocket"));

    assert_eq!(
        client.post("/s/0/p/xhr", "").await,
        (200.try_into().unwrap(), "o\n".into())
    );
    assert_eq!(client.post("/s/0/p/xhr_send", r#"["a"]"#).await.0, 204);
    assert_eq!(client.post("/s/0/p/xhr", "").await.1, "a[\"a\"]\n");

    let big = "x".repeat(100_000);
    for (name, path, end) in [
        ("xhr-streaming", "xhr_streaming", "\n"),
        ("eventsource", "eventsource", "\r\n\r\n"),
        ("htmlfile", "htmlfile?c=callback", "</script>\r\n"),
    ] {
        let method = if path == "xhr_streaming" {
            "POST"
        } else {
            "GET"
        };
        let request = client.builder(method, &format!("/s/0/{name}/{path}"));
        let mut stream = client.ask(request, "").await.unwrap();
        assert_eq!(stream.head.status(), 200, "{name}");
        let open = match path {
            "xhr_streaming" => stream.until("o\n").await,
            "eventsource" => stream.until("data: o").await,
            _ => stream.until("p(\"o\");").await,
        };
        assert!(open.contains('o'), "{name}");
        for message in ["b", &big] {
            let sent = client
                .post(
                    &format!("/s/0/{name}/xhr_send"),
                    &format!("[\"{message}\"]"),
                )
                .await;
            assert_eq!(sent.0, 204, "{name}");
            let echo = stream.until(message).await;
            assert!(echo.contains("a["), "{name}: {} bytes", echo.len());
        }
        stream.until(end).await;
    }

    let jsonp = client.get("/s/0/j/jsonp?c=call").await.whole().await;
    assert!(jsonp.1.contains("call(\"o\")"), "{jsonp:?}");
    let form = client
        .builder("POST", "/s/0/j/jsonp_send")
        .header("content-type", "application/x-www-form-urlencoded");
    let sent = client.ask(form, "d=%5B%22c%22%5D").await.unwrap();
    assert_eq!(sent.whole().await, (200.try_into().unwrap(), "ok".into()));
    let jsonp = client.get("/s/0/j/jsonp?c=call").await.whole().await;
    assert!(jsonp.1.contains(r#"a[\"c\"]"#), "{jsonp:?}");
}

#[tokio::test]
async fn every_transport_works_with_prior_knowledge() {
    let running = serve(free_port(), &[]);
    use_all_transports(Client::connect(&running).await).await;
}

/// TLS negotiates it, before HTTP/1.1. (RFC 7301)
#[tokio::test]
async fn every_transport_works_over_tls() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let mut listener = free_port();
    listener.tls = Some(tls(vec![
        authority.sign(&["localhost"]).write(&folder, "own"),
    ]));
    let running = serve(listener, &[]);
    let connector = connector_for(authority.der(), None, &["h2", "http/1.1"]);
    let stream = shake_hands(running.connect().await, &connector, "localhost")
        .await
        .unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    use_all_transports(Client::over(stream, "localhost").await).await;
}

/// A thousand receivers wait on one connection, and a message for one of them is there at once.
#[tokio::test]
async fn a_thousand_polls_wait_on_one_connection() {
    let running = serve(free_port(), &[]);
    let mut client = Client::connect(&running).await;
    let mut waiting = Vec::new();
    for number in 0..1000 {
        let path = format!("/s/0/{number}/xhr");
        assert_eq!(client.post(&path, "").await.1, "o\n");
        let poll = client.builder("POST", &path);
        waiting.push(client.send(poll, "").await.0);
    }
    for number in [0, 500, 999] {
        let sent = client
            .post(&format!("/s/0/{number}/xhr_send"), r#"["now"]"#)
            .await;
        assert_eq!(sent.0, 204);
        let answer = within("the message", &mut waiting[number]).await.unwrap();
        let mut body = answer.into_body();
        let data = within("the message", body.data()).await.unwrap().unwrap();
        assert_eq!(data, "a[\"now\"]\n");
    }
}

/// A receiver whose stream is reset is gone, as one whose connection is cut: its session ends. (sockjs-protocol,
/// `HandlingClose.test_abort_xhr_polling`)
#[tokio::test]
async fn reset_streams_are_aborts() {
    let mut running = serve(free_port(), &[]);
    let mut client = Client::connect(&running).await;
    for path in ["/s/0/a/xhr", "/s/0/b/xhr"] {
        assert_eq!(client.post(path, "").await.1, "o\n");
        assert!(running.told().await.is_some());
        let poll = client.builder("POST", path);
        let (answer, mut stream) = client.send(poll, "").await;
        // What is asked on the same connection comes behind the poll.
        client.get("/s/info").await.whole().await;
        stream.send_reset(h2::Reason::CANCEL);
        drop(answer);
        assert_eq!(running.told().await, None, "the session is over");
        let after = client.post(path, "").await.1;
        assert!(after.starts_with("c[1002"), "{after}");
    }
}

/// While a receiver waits, another one on the same connection is refused, and the first goes on.
#[tokio::test]
async fn second_receivers_are_refused() {
    let running = serve(free_port(), &[]);
    let mut client = Client::connect(&running).await;
    assert_eq!(client.post("/s/0/a/xhr", "").await.1, "o\n");
    let poll = client.builder("POST", "/s/0/a/xhr");
    let (waiting, _stream) = client.send(poll, "").await;
    let second = client.post("/s/0/a/xhr", "").await.1;
    assert!(second.starts_with("c[2010"), "{second}");
    client.post("/s/0/a/xhr_send", r#"["x"]"#).await;
    let answer = within("the message", waiting).await.unwrap();
    let data = within("the message", answer.into_body().data()).await;
    assert_eq!(data.unwrap().unwrap(), "a[\"x\"]\n");
}

/// Requests that HTTP/1.1 does not have, or that are wrong, are told what is.
#[tokio::test]
async fn bad_requests_are_told_what_is_wrong() {
    let running = serve(free_port(), &[]);
    let mut client = Client::connect(&running).await;
    let other_host = client.builder("GET", "/s/info").header("host", "other");
    let answer = client.ask(other_host, "").await.unwrap().whole().await;
    assert_eq!(answer.0, 400);
    assert!(answer.1.contains("host"), "{}", answer.1);
    let many = (0..200).fold(client.builder("GET", "/s/info"), |request, number| {
        request.header(format!("x-{number}"), "y")
    });
    assert_eq!(client.ask(many, "").await.unwrap().whole().await.0, 431);
    let large = (0..5).fold(client.builder("GET", "/s/info"), |request, number| {
        request.header(format!("x-{number}"), "y".repeat(8000))
    });
    let (status, what) = client.ask(large, "").await.unwrap().whole().await;
    assert_eq!(
        (status.as_u16(), &what[..]),
        (431, "The header fields are too large.")
    );
    for (why, times) in [
        ("max_headers", 1),
        ("max_header_size", 1),
        ("malformed", 1),
        ("target", 0),
        ("version", 0),
    ] {
        let counted = running.counted("sockjs_heads_refused_total", why);
        assert_eq!(counted, times, "{why}");
    }
    let refused = client
        .builder("GET", "/s/info")
        .header("origin", "https://evil.example");
    assert_eq!(client.ask(refused, "").await.unwrap().whole().await.0, 403);
    assert_eq!(client.post("/s/0/a/xhr", "").await.1, "o\n");
    let too_large = "x".repeat(5 << 20);
    assert_eq!(client.post("/s/0/a/xhr_send", &too_large).await.0, 413);
    assert_eq!(running.counted("sockjs_limit_hits_total", "max_size"), 1);
    assert_eq!(client.get("/s/info").await.head.status(), 200);
}
