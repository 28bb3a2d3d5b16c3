//! The formats, and which one a scraper wants.

/// A format of metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format, version 0.0.4.
    #[default]
    Prometheus,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The value for the answer's `Content-Type`.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// What a request with this `Accept` field wants (several lines of it joined by commas). OpenMetrics where it is named with at
    /// least the weight of text; Prometheus' format in every other case, also where neither is acceptable: a scraper that asks for
    /// something else reads that best, and a person can. (RFC 9110 §12.5.1; OpenMetrics 1.0.0, Protocol Negotiation)
    ///
    /// ```
    /// use sockjs_gateway::metrics::Format;
    ///
    /// let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.1";
    /// assert_eq!(Format::wanted(Some(prometheus)), Format::OpenMetrics);
    /// assert_eq!(Format::wanted(Some("text/html, */*")), Format::Prometheus);
    /// assert_eq!(Format::wanted(None), Format::Prometheus);
    /// ```
    pub fn wanted(accept: Option<&str>) -> Self {
        let (mut open, mut text) = (0, 0);
        for range in accept.unwrap_or_default().split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default();
            let (mut weight, mut known) = (1000, true);
            for parameter in parts {
                let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
                let value = value.trim().trim_matches('"');
                if name.trim().eq_ignore_ascii_case("q") {
                    weight = thousandths(value);
                } else if name.trim().eq_ignore_ascii_case("version") {
                    known = ["1.0.0", "0.0.4"].contains(&value);
                }
            }
            if media.eq_ignore_ascii_case("application/openmetrics-text") && known {
                open = weight.max(open);
            } else if media.eq_ignore_ascii_case("text/plain") && known {
                text = weight.max(text);
            }
        }
        if open > 0 && open >= text {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }
}

/// A weight in thousandths; nothing for what is none. (RFC 9110 §12.4.2)
fn thousandths(weight: &str) -> u32 {
    match weight.parse::<f64>() {
        Ok(weight) if (0.0..=1.0).contains(&weight) => (weight * 1000.0) as u32,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(accept: &str) -> Format {
        Format::wanted(Some(accept))
    }

    /// The weights decide; versions that are not spoken here do not count.
    #[test]
    fn weights_and_versions_decide() {
        for accept in [
            "application/openmetrics-text",
            "Application/OpenMetrics-Text; Version=\"1.0.0\"; Q=0.1",
            "text/plain;q=0.5, application/openmetrics-text;version=0.0.1;q=1, application/openmetrics-text;version=1.0.0;q=0.6",
            "application/openmetrics-text, text/plain",
        ] {
            assert_eq!(wanted(accept), Format::OpenMetrics, "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "text/plain",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;q=x",
            "application/openmetrics-text;q=0.4, text/plain;q=0.5",
            "application/openmetrics-text;version=2.0.0",
            ";;,=,;q=1",
        ] {
            assert_eq!(wanted(accept), Format::Prometheus, "{accept}");
        }
    }
}
