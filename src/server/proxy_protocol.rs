//! The PROXY protocol: who the browser is, told by a proxy in front of the first byte. Versions 1 and 2.
//!
//! Source: "The PROXY protocol", <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>.

use std::io;
use std::net::SocketAddr;
use std::sync::LazyLock;

use ppp::{v1, v2};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tracing::warn;

use crate::registry::Throttle;

/// How a header of version 2 begins.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// How one of version 1 begins.
const PREFIX: &[u8; 6] = b"PROXY ";
/// Its longest line, in bytes. (§2.1)
const LONGEST_LINE: usize = 107;
/// Bytes behind the signature and in front of the addresses: version and command, family, length. (§2.2)
const FIXED: usize = 4;
/// Most bytes of addresses and further values that are read.
const LONGEST: usize = 4096;
/// Kind of the value that says that the browser came over TLS, and the bit that does. (§2.2.6)
const TLS: u8 = 0x20;
const TLS_BIT: u8 = 0x01;

/// What a proxy says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// The browser's address; `None` when the proxy speaks for itself, or does not know.
    pub(super) source: Option<SocketAddr>,
    /// The browser came over TLS.
    pub(super) secure: bool,
}

/// Tells, at most once in ten seconds, that a connection begins with such a header where none is expected. One for the process:
/// connections do not know their listener.
pub(super) fn warn_if_unexpected(input: &[u8], peer: Option<SocketAddr>) {
    static TOLD: LazyLock<Throttle> = LazyLock::new(Throttle::default);
    // Empty lines in front of a request are taken off, and the signature begins with two.
    let is_header = [&PREFIX[..], &SIGNATURE[..], &SIGNATURE[4..]]
        .iter()
        .any(|begin| input.starts_with(begin));
    if !is_header {
        return;
    }
    if let Some(held_back) = TOLD.admit() {
        warn!(
            peer = peer.map(display),
            held_back,
            "a connection begins with a PROXY header, which its listener does not expect: write proxy_protocol = true into its [[listener]], or have the proxy send none"
        );
    }
}

/// Reads the header, and nothing behind it.
///
/// # Errors
/// `InvalidData` for anything that is not such a header, and what reading gives.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Told> {
    let mut header = vec![0; SIGNATURE.len()];
    stream.read_exact(&mut header).await?;
    if header.starts_with(SIGNATURE) {
        read_binary(stream, header).await
    } else if header.starts_with(PREFIX) {
        read_line(stream, header).await
    } else {
        Err(invalid("the connection does not begin with a PROXY header"))
    }
}

async fn read_binary(
    stream: &mut (impl AsyncRead + Unpin),
    mut header: Vec<u8>,
) -> io::Result<Told> {
    let mut fixed = [0; FIXED];
    stream.read_exact(&mut fixed).await?;
    let length = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
    if length > LONGEST {
        return Err(invalid("the PROXY header is too long"));
    }
    header.extend_from_slice(&fixed);
    let begin = header.len();
    header.resize(begin + length, 0);
    stream.read_exact(&mut header[begin..]).await?;
    let parsed = v2::Header::try_from(&header[..]).map_err(|error| invalid(error.to_string()))?;
    if parsed.command == v2::Command::Local {
        // A health check of the proxy's own.
        return Ok(Told::default());
    }
    let source: Option<SocketAddr> = match parsed.addresses {
        v2::Addresses::IPv4(ip) => Some((ip.source_address, ip.source_port).into()),
        v2::Addresses::IPv6(ip) => Some((ip.source_address, ip.source_port).into()),
        v2::Addresses::Unspecified | v2::Addresses::Unix(_) => None,
    };
    let mut tls = parsed.tlvs().flatten().filter(|value| value.kind == TLS);
    let secure = tls.any(|value| value.value.first().is_some_and(|bits| bits & TLS_BIT != 0));
    Ok(Told {
        source: source.map(canonical),
        secure,
    })
}

/// An IPv4 address that is written as an IPv6 one is the IPv4 address. (RFC 4291 §2.5.5.2)
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

async fn read_line(stream: &mut (impl AsyncRead + Unpin), mut header: Vec<u8>) -> io::Result<Told> {
    // What comes behind the line is not the header's.
    while !header.ends_with(b"\r\n") {
        if header.len() == LONGEST_LINE {
            return Err(invalid("the line of the PROXY header is too long"));
        }
        header.push(stream.read_u8().await?);
    }
    let parsed = v1::Header::try_from(&header[..]).map_err(|error| invalid(error.to_string()))?;
    let source: Option<SocketAddr> = match parsed.addresses {
        v1::Addresses::Tcp4(ip) => Some((ip.source_address, ip.source_port).into()),
        v1::Addresses::Tcp6(ip) => Some((ip.source_address, ip.source_port).into()),
        v1::Addresses::Unknown => None,
    };
    // `u16` reads a sign, which is not one of the digits of §2.1.
    if source.is_some() && header.contains(&b'+') {
        return Err(invalid("a port of the PROXY header is not a number"));
    }
    Ok(Told {
        source: source.map(canonical),
        secure: false,
    })
}

fn invalid(what: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn told(bytes: &[u8]) -> io::Result<(Told, Vec<u8>)> {
        let mut stream = bytes;
        let told = read(&mut stream).await?;
        Ok((told, stream.to_vec()))
    }

    fn from(address: &str) -> Told {
        Told {
            source: Some(address.parse().expect("an address")),
            secure: false,
        }
    }

    /// A header of version 2: command and family, addresses, values.
    fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).expect("short").to_be_bytes();
        [&SIGNATURE[..], &[0x20 | command, family], &length, rest].concat()
    }

    /// What comes behind the header is left for whom it is for.
    #[tokio::test]
    async fn headers_tell_who_the_browser_is() {
        let tcp4: &[u8] = &[10, 1, 2, 3, 127, 0, 0, 1, 0x1f, 0x90, 0, 80];
        let mut tcp6 = vec![0; 32];
        (tcp6[15], tcp6[31]) = (1, 2);
        tcp6.extend([0x1f, 0x90, 0, 80]);
        let mut mapped = tcp6.clone();
        mapped[10..16].copy_from_slice(&[0xff, 0xff, 10, 1, 2, 3]);
        for (header, expected) in [
            (
                b"PROXY TCP4 10.1.2.3 127.0.0.1 8080 80\r\n".to_vec(),
                from("10.1.2.3:8080"),
            ),
            (
                b"PROXY TCP6 ::1 ::2 8080 80\r\n".to_vec(),
                from("[::1]:8080"),
            ),
            (b"PROXY UNKNOWN\r\n".to_vec(), Told::default()),
            (
                b"PROXY UNKNOWN anything at all\r\n".to_vec(),
                Told::default(),
            ),
            (binary(1, 0x11, tcp4), from("10.1.2.3:8080")),
            (binary(1, 0x21, &tcp6), from("[::1]:8080")),
            (binary(1, 0x21, &mapped), from("10.1.2.3:8080")),
            (binary(0, 0x00, &[]), Told::default()),
            (binary(0, 0x11, tcp4), Told::default()),
            (binary(1, 0x00, &[]), Told::default()),
            (binary(1, 0x31, &[0; 216]), Told::default()),
        ] {
            let (told, behind) = told(&[&header, &b"GET / HTTP/1.1\r\n"[..]].concat())
                .await
                .expect("a header");
            assert_eq!(told, expected, "{header:?}");
            assert_eq!(behind, b"GET / HTTP/1.1\r\n");
        }
    }

    /// A proxy that ended TLS says so.
    #[tokio::test]
    async fn tls_of_the_browser_is_told() {
        for (bits, secure) in [(1, true), (0, false), (3, true)] {
            let addresses = [10, 1, 2, 3, 127, 0, 0, 1, 0x1f, 0x90, 0, 80];
            let value = [TLS, 0, 5, bits, 0, 0, 0, 0];
            let (told, _) = told(&binary(1, 0x11, &[&addresses[..], &value].concat()))
                .await
                .expect("a header");
            assert_eq!(told.secure, secure, "{bits}");
        }
    }

    /// What is not a header, or is cut, is refused, and read no further than it has to be.
    #[tokio::test]
    async fn what_is_no_header_is_refused() {
        let endless = [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 1000]].concat();
        for wrong in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            b"PROXY TCP4 10.1.2.3\r\n",
            b"PROXY TCP4 10.1.2.300 127.0.0.1 8080 80\r\n",
            b"PROXY TCP4 10.1.2.3 127.0.0.1 8080 80",
            b"PROXY TCP4 10.1.2.3 127.0.0.1 99999 80\r\n",
            b"PROXY TCP4 10.1.2.3 127.0.0.1 +1 80\r\n",
            b"PROXY",
            b"",
            &endless,
            &binary(1, 0x11, &[0; 4]),
            &binary(1, 0x11, &[0; 5000]),
            &binary(7, 0x11, &[0; 12]),
            &binary(1, 0x11, &[0; 12])[..20],
        ] {
            assert!(told(wrong).await.is_err(), "{wrong:?}");
        }
    }
}
