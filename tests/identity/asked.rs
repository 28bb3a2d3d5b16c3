//! A server that authenticators ask.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// Answers every request alike, and tells of each.
pub(crate) struct Asked {
    pub(crate) address: SocketAddr,
    answer: Arc<Mutex<String>>,
    heads: mpsc::Receiver<String>,
}

impl Asked {
    pub(crate) async fn new(status: &str, fields: &str, body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (told, heads) = mpsc::channel(1000);
        let answer = Arc::default();
        tokio::spawn(accept(listener, Arc::clone(&answer), told));
        let asked = Self {
            address,
            answer,
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
        *self.answer.lock() =
            format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{fields}\r\n{body}");
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

async fn accept(listener: TcpListener, answer: Arc<Mutex<String>>, told: mpsc::Sender<String>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, Arc::clone(&answer), told.clone()));
    }
}

async fn serve(mut stream: TcpStream, answer: Arc<Mutex<String>>, told: mpsc::Sender<String>) {
    let mut input = Vec::new();
    while stream.read_buf(&mut input).await.is_ok_and(|read| read > 0) {
        if input.ends_with(b"\r\n\r\n") {
            let head = String::from_utf8(std::mem::take(&mut input)).expect("text");
            let answer = answer.lock().clone();
            if told.send(head).await.is_err() || stream.write_all(answer.as_bytes()).await.is_err()
            {
                return;
            }
        }
    }
}
