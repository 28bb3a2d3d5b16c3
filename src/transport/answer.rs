//! The answer to a request: there at once, or a future.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::FutureExt as _;
use http::Response;

use super::body::Body;

/// The answer, or the future of it.
pub enum Answer {
    /// It is there.
    Now(Response<Body>),
    /// It takes its time.
    Later(Pin<Box<dyn Future<Output = Response<Body>> + Send>>),
}

impl Answer {
    /// One that takes its time.
    pub fn later(answer: impl Future<Output = Response<Body>> + Send + 'static) -> Self {
        Self::Later(Box::pin(answer))
    }

    /// The one that `then` gives once `first` is there, whose memory is given back then.
    pub fn after<T>(
        first: impl Future<Output = T> + Send + 'static,
        then: impl FnOnce(T) -> Self + Send + 'static,
    ) -> Self {
        Self::later(After::First(Box::pin(first.map(then))))
    }
}

/// Two futures one after the other, of which only one is kept.
enum After {
    First(Pin<Box<dyn Future<Output = Answer> + Send>>),
    Second(Answer),
}

impl Future for After {
    type Output = Response<Body>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Response<Body>> {
        if let Self::First(first) = &mut *self {
            *self = Self::Second(ready!(first.as_mut().poll(context)));
        }
        match &mut *self {
            Self::First(_) => Poll::Pending,
            Self::Second(answer) => Pin::new(answer).poll(context),
        }
    }
}

impl From<Response<Body>> for Answer {
    fn from(response: Response<Body>) -> Self {
        Self::Now(response)
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now(response) => f.debug_tuple("Now").field(&response.status()).finish(),
            Self::Later(_) => f.write_str("Later"),
        }
    }
}

/// Not to be polled after it was ready.
impl Future for Answer {
    type Output = Response<Body>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Response<Body>> {
        match &mut *self {
            Self::Now(response) => {
                Poll::Ready(std::mem::replace(response, Response::new(Body::empty())))
            }
            Self::Later(answer) => answer.as_mut().poll(context),
        }
    }
}
