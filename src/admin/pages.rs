//! The page and its files.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::service::Page;

/// Nothing from elsewhere, nothing inline, in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const SCRIPT: &str = "text/javascript; charset=UTF-8";
const STYLE: &str = "text/css; charset=UTF-8";

macro_rules! file {
    ($path:literal, $kind:expr, $file:literal) => {
        ($path, $kind, include_str!(concat!("../../static/", $file)))
    };
}

const FILES: &[(&str, &str, &str)] = &[
    file!("/", "text/html; charset=UTF-8", "admin/index.html"),
    file!("/common.css", STYLE, "common.css"),
    file!("/admin.css", STYLE, "admin/admin.css"),
    file!("/admin.js", SCRIPT, "admin/admin.js"),
    file!("/api.js", SCRIPT, "admin/api.js"),
    file!("/charts.js", SCRIPT, "admin/charts.js"),
    file!("/elements.js", SCRIPT, "admin/elements.js"),
    file!("/overview.js", SCRIPT, "admin/overview.js"),
    file!("/session.js", SCRIPT, "admin/session.js"),
    file!("/sessions.js", SCRIPT, "admin/sessions.js"),
    file!("/text.js", SCRIPT, "admin/text.js"),
];

/// The file at a path.
pub(super) fn at(path: &str) -> Option<&'static Page> {
    static PAGES: LazyLock<HashMap<&'static str, Page>> = LazyLock::new(|| {
        let page = |&(path, kind, content)| (path, Page::with_policy(kind, content, POLICY));
        FILES.iter().map(page).collect()
    });
    PAGES.get(path)
}
