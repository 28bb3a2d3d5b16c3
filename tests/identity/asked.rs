//! A server that authenticators ask.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

/// Answers every request alike, and tells of each.
pub(crate) struct Asked {
    pub(crate) address: SocketAddr,
    says: Arc<Says>,
    heads: mpsc::Receiver<String>,
}

/// What it says, and when.
#[derive(Default)]
struct Says {
    answer: Mutex<String>,
    /// Whether it keeps everybody waiting.
    is_slow: watch::Sender<bool>,
    /// How many wait.
    waiting: watch::Sender<usize>,
}

impl Asked {
    pub(crate) async fn new(status: &str, fields: &str, body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (told, heads) = mpsc::channel(1000);
        let says = Arc::default();
        tokio::spawn(accept(listener, Arc::clone(&says), told));
        let asked = Self {
            address,
            says,
            heads,
        };
        asked.answers(status, fields, body);
        asked
    }

    pub(crate) fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }

    /// From now on it answers with this.
    pub(crate) fn answers(&self, status: &str, fields: &str, body: &str) {
        let length = body.len();
        *self.says.answer.lock() =
            format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{fields}\r\n{body}");
    }

    /// From now on it keeps everybody waiting, or nobody any more.
    pub(crate) fn is_slow(&self, slow: bool) {
        self.says.is_slow.send_replace(slow);
    }

    /// Waits until so many wait for an answer.
    pub(crate) async fn keeps_waiting(&self, count: usize) {
        let mut waiting = self.says.waiting.subscribe();
        let reached = waiting.wait_for(|waiting| *waiting == count);
        let reached = tokio::time::timeout(Duration::from_secs(10), reached).await;
        let _ = reached.expect("so many wait").expect("it lives");
    }

    /// The head of the next request.
    pub(crate) async fn head(&mut self) -> String {
        let next = tokio::time::timeout(Duration::from_secs(10), self.heads.recv()).await;
        next.expect("it is asked").expect("it lives")
    }

    /// How often it was asked since this was last looked at.
    pub(crate) fn times(&mut self) -> usize {
        std::iter::from_fn(|| self.heads.try_recv().ok()).count()
    }
}

async fn accept(listener: TcpListener, says: Arc<Says>, told: mpsc::Sender<String>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, Arc::clone(&says), told.clone()));
    }
}

async fn serve(mut stream: TcpStream, says: Arc<Says>, told: mpsc::Sender<String>) {
    let mut input = Vec::new();
    while stream.read_buf(&mut input).await.is_ok_and(|read| read > 0) {
        if !input.ends_with(b"\r\n\r\n") {
            continue;
        }
        let head = String::from_utf8_lossy(&std::mem::take(&mut input)).into_owned();
        if told.send(head).await.is_err() {
            return;
        }
        let mut slow = says.is_slow.subscribe();
        if *slow.borrow() {
            says.waiting.send_modify(|waiting| *waiting += 1);
            let given_up = tokio::select! {
                _ = slow.wait_for(|slow| !*slow) => false,
                _ = stream.read_buf(&mut input) => true,
            };
            says.waiting.send_modify(|waiting| *waiting -= 1);
            if given_up {
                return;
            }
        }
        let answer = says.answer.lock().clone();
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}
