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
    // It has the folder open as well, for its lock.
    while times_open(path.parent().unwrap()) < 2 && !other.is_finished() {
        thread::yield_now();
    }
    socket.listen(1).unwrap();
    drop(starting);
    let error = other.join().unwrap().unwrap_err().to_string();
    assert!(error.contains("another process listens there"), "{error}");
    assert!(UnixStream::connect(&path).await.is_ok());
}

/// How often this process has something open. (proc_pid_fd(5))
fn times_open(path: &Path) -> usize {
    let open = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let open = open.filter_map(|entry| fs::read_link(entry.path()).ok());
    open.filter(|open| open == path).count()
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
fn activated(sockets: Vec<OwnedFd>, names: &str, arguments: &[&str]) -> Activated {
    let count = sockets.len().to_string();
    activated_as(&count, sockets, names, arguments)
}

/// The same, with another count of them.
fn activated_as(count: &str, sockets: Vec<OwnedFd>, names: &str, arguments: &[&str]) -> Activated {
    let mut sockets = sockets.into_iter();
    let gateway = env!("CARGO_BIN_EXE_sockjs-gateway");
    let arguments = arguments.join(" ");
    // The shell becomes the program, so that its id is right.
    let script = format!(
        "exec 3<&0 4<&1; LISTEN_PID=$$ LISTEN_FDS={count} LISTEN_FDNAMES={names}; export LISTEN_PID LISTEN_FDS LISTEN_FDNAMES; exec {gateway} --to echo: {arguments} </dev/null >/dev/null"
    );
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
    fn says(&mut self, expected: &str) -> String {
        let log = BufReader::new(self.0.stderr.as_mut().unwrap());
        let mut said = String::new();
        for line in log.lines().map_while(Result::ok) {
            said.push_str(&line);
            said.push('\n');
            if line.contains(expected) {
                return said;
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
    let mut gateway = activated(
        sockets,
        "web:local",
        &["--listen systemd:local", "--listen systemd:web"],
    );
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
            &["--listen systemd"][..],
            "systemd opened no socket for this process",
        ),
        (
            socket(),
            &["--listen systemd:other"],
            "there are web, and FileDescriptorName=",
        ),
        (
            socket(),
            &["--listen systemd", "--listen systemd"],
            "all 1 sockets that systemd opened are taken",
        ),
    ] {
        activated(sockets, "web", listen).says(expected);
    }
}

fn free_tcp() -> std::net::TcpListener {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap()
}

/// Connections to a socket that nobody takes would wait for ever: that is told, with which and what to write.
#[test]
fn sockets_of_systemd_that_nobody_takes_are_told() {
    for listen in ["--listen systemd:web", "--listen 127.0.0.1:0"] {
        let (web, other) = (free_tcp(), free_tcp());
        let address = other.local_addr().unwrap();
        let sockets = vec![OwnedFd::from(web), OwnedFd::from(other)];
        let mut gateway = activated(sockets, "web:other", &[listen]);
        let said = gateway.says("systemd opened sockets that no listener takes");
        let (_, which) = said.rsplit_once("no listener takes").unwrap();
        assert!(which.contains(&format!("{address} (other)")), "{said}");
        assert_eq!(which.contains("(web)"), !listen.contains("web"), "{said}");
    }
}

/// The operators' listener may have one as well as the services.
#[test]
fn sockets_of_systemd_serve_operators_too() {
    let folder = Folder::new();
    let token = folder.write("token", "0123456789abcdef");
    let (web, admin) = (free_tcp(), free_tcp());
    let address = admin.local_addr().unwrap();
    let sockets = vec![OwnedFd::from(web), OwnedFd::from(admin)];
    let token = format!("--set admin.token_file={}", token.display());
    let arguments = [
        "--listen systemd:web",
        "--set admin.listen=systemd:admin",
        &token,
    ];
    let mut gateway = activated(sockets, "web:admin", &arguments);
    let said = gateway.says(&format!("admin on http://{address}"));
    assert!(!said.contains("no listener takes"), "{said}");
}

/// What is no socket to accept on is refused, instead of being served: not open, of another kind, a connection, not listening.
#[test]
fn only_sockets_that_listen_are_taken_from_systemd() {
    let listening = free_tcp();
    let connection = std::net::TcpStream::connect(listening.local_addr().unwrap()).unwrap();
    let silent = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let anywhere: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    silent.bind(&anywhere.into()).unwrap();
    let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let of_another_kind = "descriptor 3 is not open, or no TCP socket";
    for (count, sockets, expected) in [
        ("8", vec![], of_another_kind),
        ("1", vec![OwnedFd::from(datagrams)], of_another_kind),
        (
            "1",
            vec![OwnedFd::from(connection)],
            "descriptor 3 is a connection",
        ),
        (
            "1",
            vec![OwnedFd::from(silent)],
            "descriptor 3 does not listen",
        ),
        ("99999999", vec![], "no number of sockets from 0 to 1024"),
    ] {
        let mut gateway = activated_as(count, sockets, "web", &["--listen systemd"]);
        let said = gateway.says("cannot listen on systemd: ");
        assert!(said.contains(expected), "{expected:?} is missing in {said}");
        assert_eq!(gateway.0.wait().unwrap().code(), Some(1));
    }
}
