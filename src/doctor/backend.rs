//! What the doctor's own sessions talk to: echoes, paced messages, long messages, silence.

use std::time::Duration;

use crate::registry::Connection;

/// Bounds of what a message can ask for.
const MAX_PACED: u32 = 20;
const MAX_GAP: Duration = Duration::from_secs(2);
const MAX_BYTES: usize = 1 << 20;

/// What a message asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    /// Anything that has no meaning of its own, `e:TEXT` among it.
    Echo,
    /// `p:COUNT:GAP_MS`: the first of COUNT messages `p:INDEX` at once, then one each GAP.
    Paced(u32, Duration),
    /// `u:…`: how many bytes arrived, `u:LENGTH`.
    Length(usize),
    /// `d:BYTES`: a message of that length that begins with `d:`.
    Long(usize),
    /// `q`: nothing.
    Quiet,
}

impl Wish {
    fn of(message: &str) -> Self {
        let wish = match message.split_once(':') {
            None if message == "q" => Some(Self::Quiet),
            Some(("p", rest)) => rest.split_once(':').and_then(|(count, gap)| {
                let (count, gap) = (
                    count.parse().ok()?,
                    Duration::from_millis(gap.parse().ok()?),
                );
                (count <= MAX_PACED && gap <= MAX_GAP).then_some(Self::Paced(count, gap))
            }),
            Some(("u", _)) => Some(Self::Length(message.len())),
            Some(("d", bytes)) => bytes
                .parse()
                .ok()
                .filter(|bytes| (2..=MAX_BYTES).contains(bytes))
                .map(Self::Long),
            _ => None,
        };
        wish.unwrap_or(Self::Echo)
    }
}

/// Serves one session.
pub async fn serve(mut connection: Connection) {
    drop(connection.take_handshake());
    while let Some(message) = connection.recv().await {
        let wish = message.as_text().map_or(Wish::Echo, Wish::of);
        let sent = match wish {
            Wish::Echo => connection.send(message).await,
            Wish::Quiet => Ok(()),
            Wish::Length(length) => connection.send(format!("u:{length}")).await,
            Wish::Long(bytes) => {
                let mut long = "x".repeat(bytes);
                long.replace_range(..2, "d:");
                connection.send(long).await
            }
            Wish::Paced(count, gap) => {
                // The browser may send meanwhile; that is answered afterwards.
                tokio::select! {
                    sent = pace(&connection, count, gap) => sent,
                    () = connection.abandoned() => return,
                }
            }
        };
        if sent.is_err() {
            break;
        }
    }
}

async fn pace(
    connection: &Connection,
    count: u32,
    gap: Duration,
) -> Result<(), crate::registry::SendError> {
    for index in 0..count {
        if index > 0 {
            tokio::time::sleep(gap).await;
        }
        connection.send(format!("p:{index}")).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is malformed, or asks for too much, is echoed.
    #[test]
    fn messages_are_understood_within_bounds() {
        let paced = Wish::Paced(5, Duration::from_millis(300));
        for (message, expected) in [
            ("e:hello", Wish::Echo),
            ("p:5:300", paced),
            ("p:21:300", Wish::Echo),
            ("p:5:2001", Wish::Echo),
            ("p:x", Wish::Echo),
            ("u:aé", Wish::Length(5)),
            ("d:65536", Wish::Long(65536)),
            ("d:1", Wish::Echo),
            ("d:1048577", Wish::Echo),
            ("d:-1", Wish::Echo),
            ("q", Wish::Quiet),
            ("q:", Wish::Echo),
            ("", Wish::Echo),
        ] {
            assert_eq!(Wish::of(message), expected, "{message}");
        }
    }
}
