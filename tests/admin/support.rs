//! A gateway with an admin listener, and requests to it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use sockjs_gateway::client::{Builder, Client, Event, Transport};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

/// Long enough for a slow machine.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(outcome) => outcome,
        Err(_) => panic!("{what} did not happen"),
    }
}

/// Asks until it holds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let asking = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within(what, asking).await;
}

/// A folder that is removed when dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let name = format!("sockjs-gateway-admin-{}", uuid::Uuid::new_v4());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running program; stopped when dropped.
pub(crate) struct Gateway {
    child: Child,
    pub(crate) folder: Folder,
    /// Address of the services.
    pub(crate) public: String,
    /// Address of the admin listener, or its path.
    pub(crate) admin: String,
    log: Arc<Mutex<Vec<Value>>>,
}

/// What a test says of the admin listener on loopback.
pub(crate) const LOOPBACK: &str = "[admin]\nlisten = \"127.0.0.1:0\"\n";

pub(crate) const ECHO: &str = "[[service]]\nprefix = \"/echo\"\nbackend = \"echo:\"\n";

impl Gateway {
    /// With these tables.
    pub(crate) async fn start(tables: &str) -> Self {
        Self::start_in(Folder::new(), tables).await
    }

    pub(crate) async fn start_in(folder: Folder, tables: &str) -> Self {
        let file = write(&folder, tables);
        let mut child = Command::new(env!("CARGO_BIN_EXE_sockjs-gateway"))
            .args(["run", "--config"])
            .arg(&file)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (told, mut listening) = tokio::sync::mpsc::channel(8);
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        // Read to its end: a full pipe would hold the program up.
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                let line: Value = serde_json::from_str(&line).unwrap_or_default();
                let message = line["fields"]["message"].as_str().unwrap_or_default();
                kept.lock().push(line["fields"].clone());
                for start in ["listening on http://", "admin on http://", "admin on unix:"] {
                    if let Some(address) = message.strip_prefix(start) {
                        let _ = told.blocking_send((start, address.to_owned()));
                    }
                }
            }
        });
        let mut next = async || within("an address", listening.recv()).await.unwrap().1;
        let (public, admin) = (next().await, next().await);
        Self {
            child,
            folder,
            public,
            admin,
            log: lines,
        }
    }

    /// What the log says beside the first line with this message, once it is there.
    pub(crate) async fn logged(&self, message: &str) -> Value {
        let found = || {
            let log = self.log.lock();
            log.iter().find(|line| line["message"] == message).cloned()
        };
        until(message, async || found().is_some()).await;
        found().unwrap()
    }

    /// What the log says beside all lines with this message, once there are so many.
    pub(crate) async fn logged_times(&self, message: &str, times: usize) -> Vec<Value> {
        let found = || {
            let log = self.log.lock();
            let lines = log.iter().filter(|line| line["message"] == message);
            lines.cloned().collect::<Vec<_>>()
        };
        until(message, async || found().len() >= times).await;
        found()
    }

    /// Writes its file anew, with these tables.
    pub(crate) fn write(&self, tables: &str) {
        write(&self.folder, tables);
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path("gateway.toml")
    }

    /// A session of `/echo`, open.
    pub(crate) async fn open(&self, transport: Transport) -> Client {
        let url = format!("http://{}/echo", self.public);
        let builder = Builder::new(&url).unwrap().transports([transport]).unwrap();
        within("a session", builder.connect()).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        self.ask("GET", path, "", "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> (u16, Value) {
        let kind = "Content-Type: application/json\r\n";
        self.ask("POST", path, kind, body).await
    }

    /// The answer's status and JSON.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        fields: &str,
        body: &str,
    ) -> (u16, Value) {
        let text = self.text(method, path, fields, body).await;
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head[9..12].parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    /// A connection to the admin listener.
    pub(crate) async fn connect(&self) -> Connection {
        Connection(if self.admin.starts_with('/') {
            Box::new(UnixStream::connect(&self.admin).await.unwrap())
        } else {
            Box::new(TcpStream::connect(&self.admin).await.unwrap())
        })
    }

    /// The answer as it is. A `Host` among the fields takes the place of the listener's own.
    pub(crate) async fn text(&self, method: &str, path: &str, fields: &str, body: &str) -> String {
        let host = if fields.contains("Host: ") {
            String::new()
        } else {
            "Host: localhost\r\n".to_owned()
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\n{host}{fields}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        exchange(self.connect().await.0, &request).await
    }

    /// A request to the listener of the services; its status and body.
    pub(crate) async fn public(&self, path: &str) -> (u16, String) {
        let stream = TcpStream::connect(&self.public).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = exchange(stream, &request).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), body.to_owned())
    }

    /// The id of the only session.
    pub(crate) async fn only_session(&self) -> String {
        let (_, list) = self.get("/api/v1/sessions").await;
        assert_eq!(list["total"], 1, "{list}");
        list["sessions"][0]["id"].as_str().unwrap().to_owned()
    }

    /// Tells it to stop in order.
    pub(crate) fn terminate(&self) {
        let pid = self.child.id().to_string();
        let kill = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(kill.unwrap().success());
    }

    /// Stops it in order, and waits for its end.
    pub(crate) async fn stop(mut self) {
        self.terminate();
        until("the program's end", async || {
            self.child.try_wait().unwrap().is_some()
        })
        .await;
    }

    /// Runs a command with the gateway's file, which does not say what port it was given.
    pub(crate) async fn command(&self, arguments: &[&str]) -> Output {
        let mut arguments = arguments.to_vec();
        let file = self.file();
        arguments.extend(["--config", file.to_str().unwrap()]);
        if !self.admin.starts_with('/') {
            arguments.extend(["--admin", &self.admin]);
        }
        run(&arguments).await
    }
}

fn write(folder: &Folder, tables: &str) -> PathBuf {
    folder.write(
        "gateway.toml",
        &format!("listen = \"127.0.0.1:0\"\n{tables}"),
    )
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection to the admin listener.
pub(crate) struct Connection(Box<dyn Way>);

pub(crate) trait Way: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Way for T {}

impl Connection {
    pub(crate) async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Sends a request; its answer, which has JSON on one line.
    pub(crate) async fn ask(&mut self, request: &str) -> String {
        self.send(request).await;
        let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
        while !answer.ends_with(b"}\n") {
            let length = within("an answer", self.0.read(&mut piece)).await.unwrap();
            assert!(length > 0, "the connection has ended");
            answer.extend_from_slice(&piece[..length]);
        }
        String::from_utf8(answer).unwrap()
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) {
        let ended = within("the connection's end", self.0.read(&mut [0; 64])).await;
        assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    }
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    within("an answer", stream.read_to_end(&mut answer))
        .await
        .unwrap();
    String::from_utf8(answer).unwrap()
}

/// Runs the program to its end.
pub(crate) async fn run(arguments: &[&str]) -> Output {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_sockjs-gateway"));
    let command = command
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    within("the command's end", command.output()).await.unwrap()
}

pub(crate) fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Sends `text` and waits for the echo.
pub(crate) async fn echo(client: &mut Client, text: &str) {
    client.send(text).await.unwrap();
    match within("the echo", client.recv()).await {
        Some(Event::Message(message)) => assert_eq!(message.as_text(), Some(text)),
        other => panic!("{other:?} instead of the echo"),
    }
}

/// Reads whatever comes, so that the end is answered at once.
pub(crate) fn drive(mut client: Client) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move { while client.recv().await.is_some() {} })
}

/// The code and reason that the session ended with.
pub(crate) async fn end(client: &mut Client) -> (u16, String) {
    while within("the end", client.recv()).await.is_some() {}
    let reason = client.closed().unwrap();
    (reason.code, reason.reason.to_string())
}

pub(crate) fn mode_of(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}
