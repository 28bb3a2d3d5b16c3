//! The PROXY protocol on listeners: believed from trusted proxies, and from nobody else.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::program::Program;
use super::support::{
    Authority, Folder, ask, connector, free_port, info, poll, serve, shake_hands, tls, within,
};

const HEADER: &[u8] = b"PROXY TCP4 203.0.113.7 127.0.0.1 40000 443\r\n";

/// The address in the header is the browser's, for everything behind it.
#[tokio::test]
async fn peer_is_who_the_header_says() {
    let mut listener = free_port();
    listener.proxy_protocol = true;
    let mut running = serve(listener, &["127.0.0.1"]);
    let binary = [
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x14".as_slice(),
        &[203, 0, 113, 8, 127, 0, 0, 1, 0, 1, 0, 2],
        // Values: TLS, of a browser that came over it.
        &[0x20, 0, 5, 1, 0, 0, 0, 0],
    ]
    .concat();
    for (header, expected) in [
        (HEADER, "Some(203.0.113.7) None false"),
        (&binary, "Some(203.0.113.8) Some(\"https\") false"),
        (b"PROXY UNKNOWN\r\n", "None None false"),
    ] {
        let mut stream = running.connect().await;
        stream.write_all(header).await.unwrap();
        let session = expected.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        // Of the browser's own; nobody whose word counts has added it.
        let forwarded = "X-Forwarded-For: 198.51.100.1\r\n";
        let answer = ask(&mut stream, &poll(&session, forwarded)).await.unwrap();
        assert!(answer.ends_with("o\n"), "{answer}");
        assert_eq!(running.told().await.as_deref(), Some(expected));
    }
}

/// A browser behind a trusted proxy behind another: both are believed.
#[tokio::test]
async fn forwarded_fields_of_a_trusted_source_are_believed() {
    let mut listener = free_port();
    listener.proxy_protocol = true;
    let mut running = serve(listener, &["127.0.0.1", "203.0.113.0/24"]);
    let mut stream = running.connect().await;
    stream.write_all(HEADER).await.unwrap();
    let fields = "X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-Proto: https\r\n";
    ask(&mut stream, &poll("behind", fields)).await.unwrap();
    let told = running.told().await;
    assert_eq!(
        told.as_deref(),
        Some("Some(198.51.100.1) Some(\"https\") true")
    );
}

/// Without a header, or from somebody else, nothing is answered.
#[tokio::test]
async fn others_are_refused() {
    for (trusted, begins) in [
        (&["127.0.0.1"][..], &b""[..]),
        (&["127.0.0.1"], b"PROXY nonsense\r\n"),
        (&["10.0.0.0/8"], HEADER),
        (&[], HEADER),
    ] {
        let mut listener = free_port();
        listener.proxy_protocol = true;
        let running = serve(listener, trusted);
        let mut stream = running.connect().await;
        // The other end may be gone before all is written.
        let _ = stream
            .write_all(&[begins, info("").as_bytes()].concat())
            .await;
        let mut answer = Vec::new();
        let _ = within("the end", stream.read_to_end(&mut answer)).await;
        assert!(answer.is_empty(), "{trusted:?} {begins:?}: {answer:?}");
    }
}

/// What a proxy is told wrong is told to the operator, once for a crowd: a header that a listener does not expect, and one that it
/// misses. Who connects and goes, as health checks do, is not.
#[tokio::test]
async fn proxies_that_do_not_fit_their_listener_are_told() {
    let folder = Folder::new();
    let service = "[[service]]\nprefix = \"/s\"\nbackend = \"echo:\"\n";
    let speaks = |yes: bool| {
        let listener = format!("[[listener]]\naddress = \"127.0.0.1:0\"\nproxy_protocol = {yes}\n");
        let text = format!("trusted_proxies = [\"127.0.0.1\"]\n{listener}{service}");
        folder.write(&format!("{yes}.toml"), &text)
    };
    let binary = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    for (expects, begins, expected) in [
        (
            false,
            HEADER,
            "write proxy_protocol = true into its [[listener]]",
        ),
        (
            false,
            &binary[..],
            "write proxy_protocol = true into its [[listener]]",
        ),
        (
            true,
            b"",
            "proxy_protocol = true of its listener expects a PROXY header",
        ),
    ] {
        let mut program = Program::start(&speaks(expects));
        let port = program.port();
        let connect = async || TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        drop(connect().await);
        for _ in 0..3 {
            let mut stream = connect().await;
            let request = [begins, info("").as_bytes()].concat();
            let _ = stream.write_all(&request).await;
            let _ = within("the end", stream.read_to_end(&mut Vec::new())).await;
        }
        program.signal("TERM");
        let said = program.rest();
        assert_eq!(said.matches(expected).count(), 1, "{said}");
        let told = said.lines().find(|line| line.contains(expected)).unwrap();
        assert!(
            told.contains("WARN") && told.contains("127.0.0.1:"),
            "{told}"
        );
    }
}

/// The header comes before TLS.
#[tokio::test]
async fn header_stands_in_front_of_tls() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let mut listener = free_port();
    listener.proxy_protocol = true;
    listener.tls = Some(tls(vec![
        authority.sign(&["localhost"]).write(&folder, "own"),
    ]));
    let mut running = serve(listener, &["127.0.0.1"]);
    let mut stream = running.connect().await;
    stream.write_all(HEADER).await.unwrap();
    let connector = connector(authority.der(), None);
    let mut stream = shake_hands(stream, &connector, "localhost").await.unwrap();
    ask(&mut stream, &poll("tls", "")).await.unwrap();
    assert_eq!(
        running.told().await.as_deref(),
        Some("Some(203.0.113.7) Some(\"https\") false")
    );
}
