//! Stopping under load: everybody is told, and nothing is lost that was taken.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sockjs_gateway::client::{Builder, Event, Transport};
use sockjs_gateway::{CloseReason, Connection, Gateway, Server, ServerConfig, ServiceConfig};
use tokio::sync::oneshot;

use super::support::within;

/// What the backend saw of a session, by its name: numbers that came, and how many messages of its own were taken.
#[derive(Default)]
struct Seen {
    came: Vec<u32>,
    sent: u32,
}

type All = Arc<Mutex<HashMap<String, Seen>>>;

/// Notes what comes, and sends a number back for each: the first message is the session's name.
async fn count(mut connection: Connection, all: All) {
    let Some(name) = connection.recv().await else {
        return;
    };
    let name = name.as_text().unwrap().to_owned();
    while let Some(message) = connection.recv().await {
        let number = message.as_text().unwrap().parse().unwrap();
        let sent = {
            let mut all = all.lock();
            let seen = all.entry(name.clone()).or_default();
            seen.came.push(number);
            seen.sent
        };
        if connection.send(sent.to_string()).await.is_ok() {
            all.lock().entry(name.clone()).or_default().sent += 1;
        }
    }
}

/// What a browser saw.
struct Browser {
    name: String,
    transport: Transport,
    /// Messages whose sending was acknowledged, which WebSockets do not.
    acknowledged: Option<u32>,
    received: u32,
    closed: CloseReason,
}

/// Sends numbers one after another, and takes what comes, until the session ends. As in a browser, neither waits for the other.
async fn browse(url: String, transport: Transport, name: String) -> Browser {
    let builder = Builder::new(&url).unwrap().timeout(Duration::from_secs(30));
    let client = builder
        .transports([transport])
        .unwrap()
        .connect()
        .await
        .unwrap();
    let (mut sender, mut receiver) = client.split();
    let own = name.clone();
    let sending = tokio::spawn(async move {
        sender.send(own.as_str()).await.unwrap();
        let mut acknowledged = 0_u32;
        while sender.send(acknowledged.to_string()).await.is_ok() {
            acknowledged += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        acknowledged
    });
    let mut received = 0_u32;
    while let Some(event) = receiver.recv().await {
        if let Event::Message(message) = event {
            assert_eq!(
                message.as_text(),
                Some(received.to_string().as_str()),
                "in order"
            );
            received += 1;
        }
    }
    let is_http = !matches!(transport, Transport::Websocket | Transport::RawWebsocket);
    let acknowledged = within("the end of sending", sending).await.unwrap();
    Browser {
        name,
        transport,
        acknowledged: is_http.then_some(acknowledged),
        received,
        closed: receiver.closed().unwrap(),
    }
}

/// A thousand sessions on all transports are ended while their messages are on the way: each is told the code, each message that
/// was acknowledged has reached the backend, and each that the backend's session took has reached the browser.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn draining_a_thousand_busy_sessions_loses_nothing() {
    let all = All::default();
    let seen = Arc::clone(&all);
    let backend = move |connection: Connection| count(connection, Arc::clone(&seen));
    let gateway = Gateway::builder()
        .service(ServiceConfig::new("/s"), backend)
        .build()
        .unwrap();
    let config = ServerConfig {
        drain_window: Duration::from_secs(1),
        drain_reason: CloseReason::new(4012, "moving"),
        shutdown_grace: Duration::from_secs(30),
        // A thousand browsers on a slow machine take their time.
        close_grace: Duration::from_secs(30),
        ..ServerConfig::default()
    };
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), gateway.clone(), config).unwrap();
    let url = format!("http://{}/s", server.local_address().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve(async {
        let _ = stopped.await;
    }));
    let browsers: Vec<_> = (0..1000)
        .map(|number| {
            let transport = Transport::ALL[number % Transport::ALL.len()];
            tokio::spawn(browse(url.clone(), transport, format!("session {number}")))
        })
        .collect();
    let busy = async {
        while all.lock().values().filter(|seen| seen.sent > 2).count() < 1000 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within("a thousand busy sessions", busy).await;
    stop.send(()).unwrap();
    let mut told = Vec::new();
    for browser in browsers {
        told.push(within("the end of a session", browser).await.unwrap());
    }
    within("the end of the server", serving).await.unwrap();
    assert_eq!(gateway.sessions(), 0);
    let all = all.lock();
    for browser in told {
        let Browser {
            name, transport, ..
        } = &browser;
        assert_eq!(
            browser.closed,
            CloseReason::new(4012, "moving"),
            "{transport}"
        );
        let seen = &all[name];
        let came = u32::try_from(seen.came.len()).unwrap();
        assert!(
            seen.came.iter().copied().eq(0..came),
            "{transport}: in order, once"
        );
        assert_eq!(
            browser.received, seen.sent,
            "{transport}: what the backend sent"
        );
        if let Some(acknowledged) = browser.acknowledged {
            assert!(
                came >= acknowledged,
                "{transport}: {came} of {acknowledged} that were acknowledged"
            );
        }
    }
}

/// A window is as long as there is somebody to end: without sessions the program does not wait for its end.
#[tokio::test]
async fn windows_end_with_the_last_session() {
    let gateway = Gateway::builder()
        .service(ServiceConfig::new("/s"), async |connection: Connection| {
            connection.closed().await;
        })
        .build()
        .unwrap();
    let config = ServerConfig {
        drain_window: Duration::from_secs(3600),
        ..ServerConfig::default()
    };
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), gateway, config).unwrap();
    let url = format!("http://{}/s", server.local_address().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve(async {
        let _ = stopped.await;
    }));
    let open = async || Builder::new(&url).unwrap().connect().await.unwrap();
    let clients = [open().await, open().await, open().await];
    stop.send(()).unwrap();
    drop(clients);
    within("the end of the server", serving).await.unwrap();
}
