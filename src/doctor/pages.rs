//! The page's files, as they are served: name below `/doctor/` (the page itself has none), type, content.

/// A file of `static/doctor`.
macro_rules! file {
    ($name:literal, $kind:ident) => {
        (
            $name,
            $kind,
            include_str!(concat!("../../static/doctor/", $name)),
        )
    };
}

const HTML: &str = "text/html; charset=UTF-8";
const CSS: &str = "text/css; charset=UTF-8";
const SCRIPT: &str = "text/javascript; charset=UTF-8";

/// Every file; `sockjs.js` and `common.css` are the demo's too.
pub static PAGES: &[(&str, &str, &str)] = &[
    ("", HTML, include_str!("../../static/doctor/index.html")),
    ("common.css", CSS, include_str!("../../static/common.css")),
    ("sockjs.js", SCRIPT, include_str!("../../static/sockjs.js")),
    file!("conversation.js", SCRIPT),
    file!("doctor.css", CSS),
    file!("doctor.js", SCRIPT),
    file!("elements.js", SCRIPT),
    file!("frame.html", HTML),
    file!("frame.js", SCRIPT),
    file!("http-tests.js", SCRIPT),
    file!("idle-test.js", SCRIPT),
    file!("measurements-view.js", SCRIPT),
    file!("run.js", SCRIPT),
    file!("text.js", SCRIPT),
    file!("timing.js", SCRIPT),
    file!("transport-tests.js", SCRIPT),
    file!("verdict-view.js", SCRIPT),
];
