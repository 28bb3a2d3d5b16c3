//! Unix sockets, several listeners, and sockets that systemd opened.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Barrier};
use std::thread;

use socket2::{Domain, SockAddr, Socket, Type};
use sockjs_gateway::{BindError, Gateway, ListenAddress, ListenerConfig, Server, ServerConfig};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::Handle;

use super::support::{Folder, ask, free_port, info, mode_of, poll, serve};

fn unix(path: &Path) -> ListenerConfig {
    ListenerConfig::new(ListenAddress::Unix(path.to_owned()))
}

fn empty() -> Gateway {
    Gateway::builder().build().unwrap()
}

fn bind(listeners: &[ListenerConfig]) -> Result<Server, BindError> {
    Server::listen(listeners, empty(), ServerConfig::default())
}

/// A Unix socket is served like a port; who comes over it is believed when that is asked for.
#[tokio::test]
async fn unix_sockets_are_served() {
    let folder = Folder::new();
    for (trusted, expected) in [
        (&[][..], "None None false"),
        (&["unix"], "Some(203.0.113.9) Some(\"https\") true"),
    ] {
        let path = folder.file(&format!("{}.sock", trusted.len()));
        let mut listener = unix(&path);
        listener.mode = 0o600;
        let mut running = serve(listener, trusted);
        assert_eq!(mode_of(&path), 0o600);
        let mut stream = UnixStream::connect(&path).await.unwrap();
        assert!(
            ask(&mut stream, &info(""))
                .await
                .unwrap()
                .starts_with("HTTP/1.1 200")
        );
        let fields = "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\n";
        assert!(
            ask(&mut stream, &poll("unix", fields))
                .await
                .unwrap()
                .ends_with("o\n")
        );
        assert_eq!(running.told().await.as_deref(), Some(expected));
    }
}

/// What a process that died left behind is replaced; what is in use, or is something else, is not touched.
#[tokio::test]
async fn only_sockets_that_nobody_serves_are_replaced() {
    let folder = Folder::new();
    let path = folder.file("gateway.sock");
    drop(StdUnixListener::bind(&path).unwrap());
    assert!(path.exists(), "it is left over");
    let server = bind(&[unix(&path)]).unwrap();
    let error = bind(&[unix(&path)]).unwrap_err().to_string();
    assert!(error.contains("another process listens there"), "{error}");
    assert!(
        UnixStream::connect(&path).await.is_ok(),
        "the first one is still there"
    );
    drop(server);
    assert!(!path.exists(), "it goes with its server");
    let server = bind(&[unix(&path)]).unwrap();
    fs::remove_file(&path).unwrap();
    let successor = StdUnixListener::bind(&path).unwrap();
    drop(server);
    assert!(path.exists(), "another's stays");
    drop(successor);
    fs::remove_file(&path).unwrap();
    fs::write(&path, "a letter").unwrap();
    let error = bind(&[unix(&path)]).unwrap_err().to_string();
    assert!(error.contains("a file that is not a socket"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "a letter");
}

/// A process whose queue is full is one that listens: that is told at once, instead of waiting for it to accept.
#[tokio::test]
async fn sockets_that_are_too_busy_to_answer_are_in_use() {
    let folder = Folder::new();
    let path = folder.file("busy.sock");
    let address = SockAddr::unix(&path).unwrap();
    let socket = || Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    let busy = socket();
    busy.bind(&address).unwrap();
    busy.listen(0).unwrap();
    let mut waiting = Vec::new();
    loop {
        let client = socket();
        client.set_nonblocking(true).unwrap();
        let connected = client.connect(&address);
        waiting.push(client);
        if connected.is_err() {
            break;
        }
    }
    let error = bind(&[unix(&path)]).unwrap_err().to_string();
    assert!(error.contains("another process listens there"), "{error}");
}

/// A gateway that has made its socket and does not listen yet has it: another that starts meanwhile waits, and is told.
#[tokio::test]
async fn sockets_of_gateways_that_start_are_not_taken() {
    let folder = Folder::new();
    let path = folder.file("gateway.sock");
    let starting = File::open(path.parent().unwrap()).unwrap();
    starting.lock().unwrap();
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    socket.bind(&SockAddr::unix(&path).unwrap()).unwrap();
    let other = {
        let path = path.clone();
        let runtime = Handle::current();
        thread::spawn(move || {
            let _inside = runtime.enter();
            bind(&[unix(&path)]).map(drop)
        })
    };
    socket.listen(1).unwrap();
    drop(starting);
    let error = other.join().unwrap().unwrap_err().to_string();
    assert!(error.contains("another process listens there"), "{error}");
    assert!(UnixStream::connect(&path).await.is_ok());
}

/// Of gateways that start together on what a process left behind, one has the socket, and is reached.
#[tokio::test]
async fn one_of_many_has_the_socket() {
    const MANY: usize = 8;
    let folder = Folder::new();
    let path = folder.file("gateway.sock");
    for _ in 0..10 {
        drop(StdUnixListener::bind(&path).unwrap());
        let start = Arc::new(Barrier::new(MANY));
        let starting = (0..MANY).map(|_| {
            let (start, path, runtime) = (Arc::clone(&start), path.clone(), Handle::current());
            thread::spawn(move || {
                let _inside = runtime.enter();
                start.wait();
                bind(&[unix(&path)])
            })
        });
        let starting: Vec<_> = starting.collect();
        let outcomes: Vec<_> = starting
            .into_iter()
            .map(|one| one.join().unwrap())
            .collect();
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        assert!(UnixStream::connect(&path).await.is_ok());
        drop(outcomes);
        assert!(!path.exists());
    }
}

/// What is wrong with a path is said in words.
#[tokio::test]
async fn paths_that_cannot_be_are_told() {
    let folder = Folder::new();
    for (path, expected) in [
        (
            folder.file("missing").join("gateway.sock"),
            "the folder does not exist",
        ),
        (folder.file(&"x".repeat(200)), "the path is too long"),
    ] {
        let error = bind(&[unix(&path)]).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

/// All listeners are open, or none.
#[tokio::test]
async fn several_listeners_open_together() {
    let folder = Folder::new();
    let path = folder.file("gateway.sock");
    let server = bind(&[free_port(), unix(&path), free_port()]).unwrap();
    let addresses = server.local_addresses().unwrap();
    assert_eq!(addresses.len(), 3);
    let taken = ListenerConfig::new(addresses[0].0.clone());
    let other = folder.file("other.sock");
    let error = bind(&[unix(&other), taken]).unwrap_err().to_string();
    assert!(
        error.contains(&format!("cannot listen on {}", addresses[0].0)),
        "{error}"
    );
    assert!(!other.exists());
}

/// With `reuse_port`, two servers share a port.
#[tokio::test]
async fn ports_are_shared_when_asked_for() {
    let config = ServerConfig {
        reuse_port: true,
        ..ServerConfig::default()
    };
    let first = Server::listen(&[free_port()], empty(), config.clone()).unwrap();
    let address = ListenAddress::Tcp(first.local_address().unwrap());
    assert!(Server::listen(&[ListenerConfig::new(address)], empty(), config).is_ok());
}

/// The program, started by a shell as systemd starts it: sockets from descriptor 3 on, told by variables. (sd_listen_fds(3))
fn activated(sockets: Vec<OwnedFd>, names: &str, listen: &[&str]) -> Activated {
    let mut sockets = sockets.into_iter();
    let gateway = env!("CARGO_BIN_EXE_sockjs-gateway");
    let count = sockets.len();
    let listen: String = listen
        .iter()
        .map(|address| format!(" --listen {address}"))
        .collect();
    // The shell becomes the program, so that its id is right.
    let script = format!(
        "exec 3<&0 4<&1 LISTEN_PID=$$ LISTEN_FDS={count} LISTEN_FDNAMES={names}; export LISTEN_PID LISTEN_FDS LISTEN_FDNAMES; exec {gateway} --to echo:{listen} </dev/null >/dev/null"
    )
    .replacen("exec 3<&0 4<&1 LISTEN", "exec 3<&0 4<&1; LISTEN", 1);
    let child = Command::new("sh")
        .args(["-c", &script])
        .stdin(sockets.next().map_or_else(Stdio::null, Stdio::from))
        .stdout(sockets.next().map_or_else(Stdio::null, Stdio::from))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    Activated(child)
}

struct Activated(Child);

impl Activated {
    /// What it logs, up to the line that has `expected`.
    fn says(&mut self, expected: &str) {
        let log = BufReader::new(self.0.stderr.as_mut().unwrap());
        let mut said = String::new();
        for line in log.lines().map_while(Result::ok) {
            said.push_str(&line);
            said.push('\n');
            if line.contains(expected) {
                return;
            }
        }
        panic!("{expected:?} is missing in {said}");
    }
}

impl Drop for Activated {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sockets that systemd opened are served, by name and in order, of either kind.
#[tokio::test]
async fn sockets_of_systemd_are_served() {
    let folder = Folder::new();
    let path = folder.file("systemd.sock");
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap();
    let local = StdUnixListener::bind(&path).unwrap();
    let sockets = vec![OwnedFd::from(tcp), OwnedFd::from(local)];
    let mut gateway = activated(sockets, "web:local", &["systemd:local", "systemd:web"]);
    gateway.says(&format!("listening on http://{address}"));
    let request = info("").replace("/s/", "/sockjs/");
    let mut stream = TcpStream::connect(address).await.unwrap();
    assert!(
        ask(&mut stream, &request)
            .await
            .unwrap()
            .starts_with("HTTP/1.1 200")
    );
    let mut stream = UnixStream::connect(&path).await.unwrap();
    assert!(
        ask(&mut stream, &request)
            .await
            .unwrap()
            .starts_with("HTTP/1.1 200")
    );
}

/// A socket that systemd did not open is named.
#[test]
fn missing_sockets_of_systemd_are_named() {
    let socket = || {
        vec![OwnedFd::from(
            std::net::TcpListener::bind("127.0.0.1:0").unwrap(),
        )]
    };
    for (sockets, listen, expected) in [
        (
            Vec::new(),
            &["systemd"][..],
            "systemd opened no socket for this process",
        ),
        (
            socket(),
            &["systemd:other"],
            "there are web, and FileDescriptorName=",
        ),
        (
            socket(),
            &["systemd", "systemd"],
            "all 1 sockets that systemd opened are taken",
        ),
    ] {
        activated(sockets, "web", listen).says(expected);
    }
}
