//! The two streamed answers that show what a proxy holds back.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{Stream, unfold};

/// Which answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// 32 chunks of 1024 bytes, one each 50 ms.
    Drip,
    /// 6 KiB at once, then 2 s nothing, then the end.
    Tail,
}

const CHUNKS: usize = 32;
const CHUNK: usize = 1024;
const GAP: Duration = Duration::from_millis(50);
const TAIL: usize = 6 * 1024;
const SILENCE: Duration = Duration::from_secs(2);

impl Kind {
    /// From the query `kind=drip`.
    pub(super) fn from_query(query: Option<&str>) -> Option<Self> {
        match parameter(query, "kind")?.as_str() {
            "drip" => Some(Self::Drip),
            "tail" => Some(Self::Tail),
            _ => None,
        }
    }

    /// The chunks, each when it is due.
    pub(super) fn chunks(self) -> impl Stream<Item = Bytes> + Send + 'static {
        let (count, size, gap, rest) = match self {
            Self::Drip => (CHUNKS, CHUNK, GAP, Duration::ZERO),
            Self::Tail => (1, TAIL, Duration::ZERO, SILENCE),
        };
        unfold(0, move |index| async move {
            if index == count {
                tokio::time::sleep(rest).await;
                return None;
            }
            if index > 0 {
                tokio::time::sleep(gap).await;
            }
            Some((filling(size), index + 1))
        })
    }
}

/// Lines of text, as compressible as messages are.
fn filling(size: usize) -> Bytes {
    const LINE: &[u8] =
        b"what a proxy holds back, the browser gets late; this is line after line.\n";
    let mut text: Vec<u8> = LINE.iter().copied().cycle().take(size - 1).collect();
    text.push(b'\n');
    text.into()
}

/// The first value of a query's parameter.
pub(super) fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    form_urlencoded::parse(query?.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;
    use tokio::time::Instant;

    use super::*;

    /// 32 KiB in 1.55 s.
    #[tokio::test(start_paused = true)]
    async fn drip_comes_chunk_by_chunk() {
        let began = Instant::now();
        let sizes: Vec<_> = Kind::Drip.chunks().map(|chunk| chunk.len()).collect().await;
        assert_eq!(sizes, [CHUNK; CHUNKS]);
        assert_eq!(began.elapsed(), GAP * 31);
    }

    /// Everything at once, and the end 2 s later.
    #[tokio::test(start_paused = true)]
    async fn tail_ends_after_a_silence() {
        let began = Instant::now();
        let mut chunks = Box::pin(Kind::Tail.chunks());
        assert_eq!(chunks.next().await.map(|chunk| chunk.len()), Some(TAIL));
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert_eq!(chunks.next().await, None);
        assert_eq!(began.elapsed(), SILENCE);
    }
}
