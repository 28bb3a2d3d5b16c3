//! The floor with a task for each connection, on the gateway's runtime. What it costs more than the loop is the runtime's:
//! reactor, tasks and wakers.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use super::{Floor, Socket};

thread_local! {
    /// What a thread reads into; as large as the loop's.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; 256 * 1024]);
}

/// A socket that only the connection's own task writes to.
struct Written {
    half: OwnedWriteHalf,
    task: Waker,
}

impl Socket for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut context = Context::from_waker(&self.task);
        match Pin::new(&mut self.half).poll_write(&mut context, bytes) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => Err(ErrorKind::WouldBlock.into()),
        }
    }

    fn wake(&self) -> bool {
        self.task.wake_by_ref();
        true
    }
}

/// One lock for all: it is held for the bytes of one read, and what they call for on their own connection.
type Shared = Arc<Mutex<Floor<Written>>>;

/// Serves on `address` for ever, after it has told `bound` where.
pub(crate) async fn serve(address: SocketAddr, bound: impl FnOnce(SocketAddr)) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    bound(listener.local_addr()?);
    let floor = Shared::new(Mutex::new(Floor::new()));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(attend(stream, Arc::clone(&floor)));
    }
}

async fn attend(stream: TcpStream, floor: Shared) {
    let (mut reading, half) = stream.into_split();
    let task = poll_fn(|context| Poll::Ready(context.waker().clone())).await;
    let at = {
        let mut floor = floor.lock();
        let at = floor.place();
        floor.open_at(at, Written { half, task });
        at
    };
    poll_fn(|context| {
        BUFFER.with_borrow_mut(|buffer| turn(at, &mut reading, &floor, buffer, context))
    })
    .await;
}

/// Reads what is there, and writes what that calls for and what others have left here. Ready at the connection's end.
fn turn(
    at: usize,
    reading: &mut OwnedReadHalf,
    floor: &Mutex<Floor<Written>>,
    buffer: &mut [u8],
    context: &mut Context<'_>,
) -> Poll<()> {
    let mut has_written = false;
    loop {
        let mut read = ReadBuf::new(buffer);
        // After a short read this does not ask the socket again, but waits for it.
        let outcome = Pin::new(&mut *reading).poll_read(context, &mut read);
        if outcome.is_pending() && has_written {
            return Poll::Pending;
        }
        let mut floor = floor.lock();
        match &outcome {
            Poll::Pending => floor.flush(at),
            Poll::Ready(Ok(())) if !read.filled().is_empty() => floor.take(at, read.filled()),
            Poll::Ready(Err(error)) if error.kind() == ErrorKind::Interrupted => continue,
            Poll::Ready(_) => floor.close(at),
        }
        if floor.connections[at].is_none() {
            return Poll::Ready(());
        }
        if outcome.is_pending() {
            return Poll::Pending;
        }
        has_written = true;
    }
}
