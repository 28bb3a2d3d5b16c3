//! Results that are kept under a code, so that a user can read it to the operator over the phone.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use rand::Rng as _;
use serde::Serialize;
use tokio::time::Instant;

use super::{Report, Seen, Verdict};

/// Without 0 O, 1 I L, 5 S, 8 B, U V: nobody has to spell them.
const ALPHABET: &[u8] = b"2346789ACDEFGHJKMNPQRTWXYZ";
const LENGTH: usize = 8;
/// Time after which a result is gone.
const EXPIRY: Duration = Duration::from_secs(24 * 60 * 60);

/// Longest result in bytes, as JSON. What is in it has bounds that are far below, unless somebody tries.
const MAX_SIZE: usize = 200 * 1024;

/// A result that takes more memory than the operator was told.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

/// A result as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct KeptResult {
    /// What was measured.
    pub report: Report,
    /// What the server saw.
    pub seen: Seen,
    /// What it means.
    pub verdict: Verdict,
    /// When, like `2026-11-23T21:38:35Z`.
    pub at: String,
}

/// The kept results, the oldest first.
#[derive(Debug)]
pub(super) struct Results {
    most: usize,
    kept: VecDeque<Kept>,
}

#[derive(Debug)]
struct Kept {
    code: String,
    since: Instant,
    /// As it is sent: one allocation instead of thousands of small ones.
    json: Box<str>,
}

impl Results {
    /// Keeps at most `most`; the oldest goes first.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            kept: VecDeque::new(),
        }
    }

    /// Keeps a result and gives its code, like `K7QM-29XF`; `None` when none are kept.
    ///
    /// # Errors
    /// [`TooLarge`]; the results that are kept stay.
    pub(super) fn keep(
        &mut self,
        now: Instant,
        result: &KeptResult,
    ) -> Result<Option<String>, TooLarge> {
        if self.most == 0 {
            return Ok(None);
        }
        self.expire(now);
        let Ok(json) = serde_json::to_string(result) else {
            return Ok(None);
        };
        if json.len() > MAX_SIZE {
            return Err(TooLarge);
        }
        if self.kept.len() == self.most {
            self.kept.pop_front();
        }
        let code = new_code();
        self.kept.push_back(Kept {
            code: code.clone(),
            since: now,
            json: json.into_boxed_str(),
        });
        Ok(Some(code))
    }

    /// The result as JSON. A code may be written in lower case, and without its dash.
    pub(super) fn get(&mut self, now: Instant, code: &str) -> Option<String> {
        self.expire(now);
        let asked = letters(code);
        let kept = self.kept.iter().find(|kept| letters(&kept.code) == asked)?;
        Some(kept.json.to_string())
    }

    fn expire(&mut self, now: Instant) {
        while self
            .kept
            .front()
            .is_some_and(|oldest| now.duration_since(oldest.since) >= EXPIRY)
        {
            self.kept.pop_front();
        }
    }
}

fn letters(code: &str) -> String {
    code.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_uppercase())
        .take(LENGTH + 1)
        .collect()
}

/// From the thread's generator, which is cryptographically secure and seeded by the system.
fn new_code() -> String {
    let mut random = rand::rng();
    let mut code: String = (0..LENGTH)
        .map(|_| char::from(ALPHABET[random.random_range(..ALPHABET.len())]))
        .collect();
    code.insert(LENGTH / 2, '-');
    code
}

/// The calendar date and time, in UTC.
#[allow(
    clippy::disallowed_methods,
    reason = "people want to know when a result was measured"
)]
pub(super) fn now_as_text() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(at: &str) -> KeptResult {
        KeptResult {
            report: Report::default(),
            seen: Seen::default(),
            verdict: Verdict::default(),
            at: at.to_owned(),
        }
    }

    fn keep(results: &mut Results, now: Instant, at: &str) -> Option<String> {
        results.keep(now, &result(at)).expect("is small")
    }

    /// `doctor_results` times this is what the operator agreed to.
    #[tokio::test]
    async fn large_results_are_not_kept() {
        let now = Instant::now();
        let mut results = Results::new(1);
        let code = keep(&mut results, now, "first").expect("is kept");
        let large = "x".repeat(MAX_SIZE);
        assert_eq!(results.keep(now, &result(&large)), Err(TooLarge));
        assert!(results.get(now, &code).is_some());
    }

    /// A code can be read aloud, and is found however it is typed.
    #[tokio::test]
    async fn kept_results_are_found_by_their_code() {
        let now = Instant::now();
        let mut results = Results::new(2);
        let code = keep(&mut results, now, "first").expect("is kept");
        assert_eq!(code.len(), 9, "{code}");
        let typed = code.to_lowercase().replace('-', " ");
        let found = results.get(now, &typed).expect("is found");
        assert!(found.contains("\"at\":\"first\""), "{found}");
        for wrong in ["", "-", &code[..8], &format!("{code}A"), "2222-2222"] {
            assert_eq!(results.get(now, wrong), None, "{wrong}");
        }
    }

    /// At most as many as the operator allows, for a day; none by default.
    #[tokio::test]
    async fn kept_results_are_bounded_and_expire() {
        let now = Instant::now();
        assert_eq!(keep(&mut Results::new(0), now, ""), None);
        let mut results = Results::new(2);
        let codes: Vec<_> = (0..3).filter_map(|_| keep(&mut results, now, "")).collect();
        assert_eq!(codes.len(), 3);
        assert_eq!(results.get(now, &codes[0]), None, "the oldest is gone");
        assert!(results.get(now, &codes[1]).is_some());
        assert_eq!(results.get(now + EXPIRY, &codes[2]), None);
    }
}
