//! What a user's network does to SockJS: the tests' server side, what the server saw of them, and the verdict.
//!
//! A page (`static/doctor`) or the terminal (`probe`) runs the tests and sends a [`Report`]; [`verdict::judge`] turns it, with
//! what was [seen](Seen) here, into words and advice. The URLs are answered in `http.rs`.

mod backend;
mod http;
mod pages;
mod report;
mod results;
mod runs;
mod seen;
mod stream;
pub mod verdict;

pub use backend::serve;
pub use http::Doctor;
pub use pages::PAGES;
pub use report::{
    Busy, Cause, Close, Cookies, Download, Drip, Headers, Idle, Info, Malformed, Outcome,
    RUN_LENGTH, Report, Stream, Tail, Tested, Upload, is_run,
};
pub use results::KeptResult;
pub use runs::Noted;
pub use seen::{Seen, SeenRequest, ServiceFacts};
pub use verdict::{Advice, Best, Finding, Severity, Verdict};
