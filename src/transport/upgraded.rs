//! A connection that is HTTP no more.

use std::fmt::Debug;

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::request::{Request, RequestBody};

/// A stream of bytes in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Debug + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Debug + Send + Unpin> Duplex for T {}

/// The bytes behind the answer 101 (RFC 9110 §7.8), or behind the 200 of HTTP/2 (RFC 8441 §5).
pub type Upgraded = Box<dyn Duplex>;

/// The connection of `request` once its answer is written; `None` when it ended before. From [`crate::Server`], or from hyper.
pub(super) fn upgraded(
    request: &mut Request,
) -> impl Future<Output = Option<Upgraded>> + Send + use<> {
    let body = std::mem::replace(&mut request.body, RequestBody::empty());
    let ours = match body {
        RequestBody::Upgrade(connection) => Ok(connection),
        _ => Err(request.hyper.take()),
    };
    async {
        match ours {
            Ok(connection) => connection.await.ok(),
            Err(hyper) => Some(Box::new(TokioIo::new(hyper?.await.ok()?)) as Upgraded),
        }
    }
}
