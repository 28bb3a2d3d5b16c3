//! A report: what a page or the terminal measured, as JSON. Fields that are not known are ignored, absent ones are `None`
//! or empty. Times are milliseconds since the beginning of the connection or request they belong to. Lists and texts are
//! bounded when a report is read, and numbers are then from 0 to 10 million.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

/// Hexadecimal digits of a run's name.
pub const RUN_LENGTH: usize = 16;

/// Most entries of a list: of tests, each with a result of its own, and of anything else.
const MAX_TESTS: usize = 32;
const MAX_LIST: usize = 256;
/// Characters kept of a text.
const MAX_TEXT: usize = 512;
/// Nearly three hours in milliseconds, and more bytes than are ever sent.
const MAX_NUMBER: u64 = 10_000_000;

/// Header fields of an answer, names in lower case.
pub type Headers = BTreeMap<String, String>;

/// What was measured in one run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// Shape of this document; 1.
    pub schema: u32,
    /// 16 hexadecimal digits, the server segment of the run's session URLs.
    pub run: String,
    /// `page` or `terminal`.
    pub agent: String,
    /// As the browser names itself.
    pub user_agent: Option<String>,
    /// URL of the service that was tested.
    pub url: Option<String>,
    /// Site of the page that would use the service, where it was told another one than the service's own.
    pub origin: Option<String>,
    /// The forward proxy that the terminal went through.
    pub proxy: Option<String>,
    /// Milliseconds of the whole run.
    pub took_ms: Option<f64>,
    /// The page was in the background: its timers are slow.
    pub background: bool,
    /// Names of tests that the user skipped.
    pub skipped: Vec<String>,
    /// Names of tests that could not be done, because the service does not send back what it gets.
    pub untested: Vec<String>,
    /// `GET …/info`.
    pub info: Option<Info>,
    /// Two streamed answers.
    pub stream: Option<Stream>,
    /// Each transport.
    pub transports: Vec<Tested>,
    /// Large messages from the browser.
    pub upload: Vec<Upload>,
    /// Large messages to the browser.
    pub download: Vec<Download>,
    /// Sessions that were silent.
    pub idle: Vec<Idle>,
    /// A WebSocket that was kept busy.
    pub busy: Option<Busy>,
    /// Cookies of a page, and of a frame in it.
    pub cookies: Option<Cookies>,
}

/// `GET …/info`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Info {
    /// Milliseconds of each request.
    pub round_trips_ms: Vec<f64>,
    /// Why there is no answer.
    pub error: Option<String>,
    /// What kind of failure `error` is, where that is known.
    pub cause: Option<Cause>,
    /// Where an answer with a status of 3xx sends to.
    pub location: Option<String>,
    /// Its status.
    pub status: Option<u16>,
    /// Whether it offers WebSocket.
    pub websocket: Option<bool>,
    /// HTTP version between the browser and whatever is nearest to it: `http/1.1`, `h2`, `h3`.
    pub http_version: Option<String>,
    /// The same random number came twice.
    pub cached: bool,
    /// `ok`, `missing` or `duplicate`.
    pub cors: Option<String>,
}

/// Why a request got no answer that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The server's certificate was not accepted.
    Certificate,
    /// TLS could not be agreed on, for another reason.
    Tls,
    /// Something answered, and it is not SockJS.
    NotSockjs,
    /// What answered to plain http speaks TLS.
    Https,
    /// The gateway refused the page as one of another site.
    Origin,
    /// A word this version does not know.
    #[serde(other)]
    Other,
}

/// Two streamed answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stream {
    /// 32 chunks of 1024 bytes, one each 50 ms.
    pub drip: Option<Drip>,
    /// 6 KiB, then 2 s nothing, then the end.
    pub tail: Option<Tail>,
}

/// Arrivals of the drip, and the answer's fields.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Drip {
    /// Milliseconds, and bytes that had come by then.
    pub arrivals: Vec<(f64, f64)>,
    /// Those that a browser may read.
    pub headers: Headers,
    /// What went wrong.
    pub error: Option<String>,
    /// Its status.
    pub status: Option<u16>,
}

/// Arrivals of the tail.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tail {
    /// Milliseconds, and bytes that had come by then.
    pub arrivals: Vec<(f64, f64)>,
    /// What went wrong.
    pub error: Option<String>,
}

/// How a transport did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Opened, and every message came.
    Works,
    /// Answered with something else.
    Refused,
    /// Not open within the limit.
    Timeout,
    /// Opened, then ended.
    Dies,
    /// Opened, then nothing came.
    Stalls,
    /// This browser cannot.
    Unsupported,
    /// Not tested, or a word this version does not know.
    #[default]
    #[serde(other)]
    Skipped,
}

/// One transport.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tested {
    /// `websocket`, `xhr-streaming`, `eventsource`, `htmlfile`, `xhr-polling`, `jsonp-polling`.
    pub name: String,
    /// How it did.
    pub outcome: Outcome,
    /// Until the open frame.
    pub opened_ms: Option<f64>,
    /// Until the first byte, where that can be seen.
    pub first_byte_ms: Option<f64>,
    /// Round trips of messages.
    pub echo_ms: Vec<f64>,
    /// Arrivals of five messages that were sent 300 ms apart.
    pub paced_ms: Vec<f64>,
    /// How it ended, unless the test ended it.
    pub close: Option<Close>,
    /// What went wrong.
    pub error: Option<String>,
    /// The HTTP status that ended it, when visible.
    pub status: Option<u16>,
    /// What kind of failure it was, where that is known.
    pub cause: Option<Cause>,
}

/// The end of a connection: of a WebSocket, or of the session, as the server said it in a frame.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Close {
    /// Close code.
    pub code: Option<u16>,
    /// Close reason.
    pub reason: String,
    /// Ended in order.
    pub clean: bool,
    /// Milliseconds from the connection's start.
    pub after_ms: Option<f64>,
}

/// A large message from the browser.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Upload {
    /// Size of the message.
    pub bytes: f64,
    /// It arrived.
    pub ok: bool,
    /// How long that took.
    pub ms: Option<f64>,
    /// Status of the answer.
    pub status: Option<u16>,
    /// What went wrong.
    pub error: Option<String>,
}

/// A large message to the browser.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Download {
    /// Size of the message.
    pub bytes: f64,
    /// It arrived whole.
    pub ok: bool,
    /// How long that took.
    pub ms: Option<f64>,
    /// What went wrong.
    pub error: Option<String>,
}

/// A session that was silent for 10, 30 and 60 s.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Idle {
    /// Its transport.
    pub transport: String,
    /// The longest silence after which it still worked, in seconds; 0 when none.
    pub survived_s: Option<f64>,
    /// Seconds of silence after which it was lost.
    pub lost_after_s: Option<f64>,
    /// `clean`, `abrupt`, or another word for how.
    pub how: Option<String>,
    /// How the server ended it, if it was that.
    pub close: Option<Close>,
    /// What went wrong.
    pub error: Option<String>,
    /// Status of the request that told.
    pub status: Option<u16>,
}

/// A WebSocket with one message a second.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Busy {
    /// It was still alive after so many seconds.
    pub survived_s: Option<f64>,
    /// It was cut after so many seconds.
    pub lost_after_s: Option<f64>,
    /// What went wrong.
    pub error: Option<String>,
    /// Status of the request that told.
    pub status: Option<u16>,
}

/// Whether the test cookie came back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cookies {
    /// From the page.
    pub first_party: Option<bool>,
    /// From a frame in the page.
    pub iframe: Option<bool>,
}

/// The document is not a report. `Display` says what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Malformed {}

impl Report {
    /// Reads a report.
    ///
    /// # Errors
    /// [`Malformed`] when it is not JSON of this shape, has another `schema`, a `run` that is none, or a list that no test
    /// makes so long.
    pub fn parse(json: &[u8]) -> Result<Self, Malformed> {
        let unreadable =
            |error: serde_json::Error| Malformed(format!("The report cannot be read: {error}."));
        let mut document: Value = serde_json::from_slice(json).map_err(unreadable)?;
        bound(&mut document)?;
        let report: Self = serde_json::from_value(document).map_err(unreadable)?;
        if report.schema != 1 {
            return Err(Malformed(format!(
                "The report has schema {}; this server reads schema 1.",
                report.schema
            )));
        }
        if !is_run(&report.run) {
            return Err(Malformed(format!(
                "The report's run must be {RUN_LENGTH} hexadecimal digits."
            )));
        }
        Ok(report)
    }

    /// The transport of that name, if it was tested.
    pub fn transport(&self, name: &str) -> Option<&Tested> {
        self.transports
            .iter()
            .find(|tested| tested.name == name && tested.outcome != Outcome::Skipped)
    }
}

/// Refuses lists that are too long, cuts texts, and takes the nearest number that can have been measured: a page that slept
/// over night has a verdict too. The depth is bounded by the parser.
fn bound(value: &mut Value) -> Result<(), Malformed> {
    match value {
        Value::Array(list) => {
            let of_tests = list.iter().any(Value::is_object);
            let most = if of_tests { MAX_TESTS } else { MAX_LIST };
            if list.len() > most {
                let count = list.len();
                return Err(Malformed(format!(
                    "The report has a list of {count} entries; at most {most} are read."
                )));
            }
            list.iter_mut().try_for_each(bound)
        }
        Value::Object(fields) => {
            if fields.len() > MAX_LIST {
                let count = fields.len();
                return Err(Malformed(format!(
                    "The report has an object of {count} fields; at most {MAX_LIST} are read."
                )));
            }
            fields.values_mut().try_for_each(bound)
        }
        Value::Number(number) => {
            let measured = number.as_f64().unwrap_or_default();
            if measured > MAX_NUMBER as f64 {
                *number = MAX_NUMBER.into();
            } else if measured <= 0.0 {
                *number = Number::from(0);
            }
            Ok(())
        }
        Value::String(text) => {
            if let Some((end, _)) = text.char_indices().nth(MAX_TEXT) {
                text.truncate(end);
            }
            Ok(())
        }
        Value::Null | Value::Bool(_) => Ok(()),
    }
}

/// Whether this is a run's name: 16 lower case hexadecimal digits.
pub fn is_run(text: &str) -> bool {
    text.len() == RUN_LENGTH
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only `schema` and `run` are needed; what is unknown is passed over.
    #[test]
    fn small_and_unknown_reports_are_read() {
        let report = Report::parse(
            br#"{"schema":1,"run":"0123456789abcdef","agent":"page","new":{"a":[1]},
                "transports":[{"name":"websocket","outcome":"new-word","close":null,"extra":1}],
                "stream":{"drip":{"arrivals":[[10,1024]]}},"cookies":null,"busy":null}"#,
        )
        .expect("a report");
        assert_eq!(report.transports[0].outcome, Outcome::Skipped);
        let drip = report.stream.and_then(|stream| stream.drip);
        assert_eq!(drip.map(|drip| drip.arrivals), Some(vec![(10.0, 1024.0)]));
    }

    fn with(field: &str) -> Result<Report, Malformed> {
        let json = format!(r#"{{"schema":1,"run":"0123456789abcdef",{field}}}"#);
        Report::parse(json.as_bytes())
    }

    /// Empty entries are short to send and long to keep.
    #[test]
    fn lists_and_texts_of_a_report_are_bounded() {
        for name in ["transports", "upload", "download", "idle"] {
            let list = |count: usize| format!(r#""{name}":[{}]"#, vec!["{}"; count].join(","));
            assert!(with(&list(MAX_TESTS)).is_ok(), "{name}");
            let refused = with(&list(MAX_TESTS + 1)).expect_err(name);
            assert!(refused.to_string().contains("at most 32"), "{refused}");
        }
        let trips = vec!["1"; MAX_LIST + 1].join(",");
        assert!(with(&format!(r#""info":{{"round_trips_ms":[{trips}]}}"#)).is_err());
        let long = "\u{e4}".repeat(MAX_TEXT + 1);
        let cut = with(&format!(r#""url":"{long}""#)).expect("a report").url;
        assert_eq!(cut.map(|url| url.chars().count()), Some(MAX_TEXT));
    }

    /// Nothing that was measured is negative or takes hours.
    #[test]
    fn numbers_of_a_report_can_have_been_measured() {
        for (given, taken) in [
            ("-5", 0.0),
            ("-0.0", 0.0),
            ("1e308", 1e7),
            ("2e7", 1e7),
            ("2.5", 2.5),
        ] {
            let report = with(&format!(r#""took_ms":{given}"#)).expect("a report");
            assert_eq!(report.took_ms, Some(taken), "{given}");
            assert!(report.took_ms.is_some_and(f64::is_sign_positive), "{given}");
        }
        for none in ["1e400", "NaN", "Infinity"] {
            assert!(with(&format!(r#""took_ms":{none}"#)).is_err(), "{none}");
        }
    }

    /// What is wrong is said.
    #[test]
    fn malformed_reports_are_refused_with_the_reason() {
        for (json, expected) in [
            ("", "cannot be read"),
            ("[]", "schema 0"),
            ("{}", "schema 0"),
            (r#"{"schema":2,"run":"0123456789abcdef"}"#, "schema 2"),
            (r#"{"schema":1,"run":"x"}"#, "16 hexadecimal digits"),
            (
                r#"{"schema":1,"run":"0123456789ABCDEF"}"#,
                "16 hexadecimal digits",
            ),
            (
                r#"{"schema":1,"run":"0123456789abcdef","transports":7}"#,
                "cannot be read",
            ),
        ] {
            let error = Report::parse(json.as_bytes()).expect_err("must be refused");
            assert!(error.to_string().contains(expected), "{json}: {error}");
        }
    }
}
