//! The text formats. Source: Prometheus, Exposition formats (text format 0.0.4); OpenMetrics 1.0.0.

use std::fmt::Write as _;
use std::time::Duration;

use crate::registry::Distribution;

use super::format::Format;
use super::reading::Reading;
use super::table::{Family, Read, TABLE, Type};

/// All metrics of a reading.
pub fn render(reading: &Reading, format: Format) -> String {
    let mut page = String::new();
    for family in TABLE {
        let mut samples = Samples {
            page: &mut page,
            family,
            format,
            any: false,
        };
        match family.read {
            Read::Gateway(read) => read(reading, &mut samples),
            Read::Service(read) => {
                let services = reading.services.iter();
                services.for_each(|service| read(service, &mut samples));
            }
        }
    }
    if format == Format::OpenMetrics {
        page.push_str("# EOF\n");
    }
    page
}

/// Writes the samples of one family.
pub(super) struct Samples<'a> {
    page: &'a mut String,
    family: &'static Family,
    format: Format,
    any: bool,
}

/// The value of a sample.
pub(super) enum Value {
    Whole(u64),
    Seconds(Duration),
    Distribution(Distribution),
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Whole(value)
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::Whole(value as u64)
    }
}

impl From<Duration> for Value {
    fn from(value: Duration) -> Self {
        Self::Seconds(value)
    }
}

impl From<Distribution> for Value {
    fn from(value: Distribution) -> Self {
        Self::Distribution(value)
    }
}

impl Samples<'_> {
    /// One sample, with a value for each label of the family.
    pub(super) fn put(&mut self, labels: &[&str], value: impl Into<Value>) {
        debug_assert_eq!(labels.len(), self.family.labels.len());
        if !std::mem::replace(&mut self.any, true) {
            self.begin();
        }
        let suffix = self.family.kind.suffix();
        match value.into() {
            Value::Whole(value) => self.line(suffix, labels, None, &value.to_string()),
            Value::Seconds(value) => self.line(suffix, labels, None, &seconds(value)),
            Value::Distribution(value) => self.distribution(labels, &value),
        }
    }

    /// As [`Self::put`], where there is a value.
    pub(super) fn put_some(&mut self, labels: &[&str], value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.put(labels, value);
        }
    }

    fn begin(&mut self) {
        let Family {
            name,
            kind,
            unit,
            help,
            ..
        } = self.family;
        let word = kind.word(self.format);
        // The family itself is called without the ending in OpenMetrics only.
        let (ending, quote) = match self.format {
            Format::Prometheus => (kind.suffix(), "\""),
            Format::OpenMetrics => ("", "\\\""),
        };
        let help = help.replace('\\', "\\\\").replace('"', quote);
        let _ = writeln!(self.page, "# HELP {name}{ending} {help}");
        let _ = writeln!(self.page, "# TYPE {name}{ending} {word}");
        if self.format == Format::OpenMetrics && !unit.is_empty() {
            let _ = writeln!(self.page, "# UNIT {name} {unit}");
        }
    }

    fn distribution(&mut self, labels: &[&str], value: &Distribution) {
        let mut count = 0;
        for (bound, within) in &value.within {
            count += within;
            self.line(
                "_bucket",
                labels,
                Some(&seconds(*bound)),
                &count.to_string(),
            );
        }
        let all = value.count().to_string();
        self.line("_bucket", labels, Some("+Inf"), &all);
        self.line("_count", labels, None, &all);
        self.line("_sum", labels, None, &seconds(value.sum));
    }

    fn line(&mut self, suffix: &str, labels: &[&str], bound: Option<&str>, value: &str) {
        let _ = write!(self.page, "{}{suffix}", self.family.name);
        let names = self.family.labels.iter().copied();
        let labels = names.zip(labels.iter().copied());
        let mut before = '{';
        for (name, value) in labels.chain(bound.map(|bound| ("le", bound))) {
            let _ = write!(self.page, "{before}{name}=\"{}\"", escaped(value));
            before = ',';
        }
        if before == ',' {
            self.page.push('}');
        }
        let _ = writeln!(self.page, " {value}");
    }
}

/// `1.0`, `0.005`: the same text in both formats, since bounds are compared as texts.
fn seconds(duration: Duration) -> String {
    format!("{:?}", duration.as_secs_f64())
}

/// A label's value between quotes.
fn escaped(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for character in value.chars() {
        match character {
            '\\' => escaped.push_str("\\\\"),
            '"' => escaped.push_str("\\\""),
            '\n' => escaped.push_str("\\n"),
            other => escaped.push(other),
        }
    }
    escaped
}

impl Type {
    const fn suffix(self) -> &'static str {
        match self {
            Self::Counter => "_total",
            Self::Info => "_info",
            Self::Gauge | Self::Histogram => "",
        }
    }

    const fn word(self, format: Format) -> &'static str {
        match (self, format) {
            (Self::Info, Format::Prometheus) | (Self::Gauge, _) => "gauge",
            (Self::Info, Format::OpenMetrics) => "info",
            (Self::Counter, _) => "counter",
            (Self::Histogram, _) => "histogram",
        }
    }

    /// For people.
    pub(super) const fn name(self) -> &'static str {
        self.word(Format::OpenMetrics)
    }

    /// The name of a family's samples.
    pub(super) fn sample(self, name: &str) -> String {
        format!("{name}{}", self.suffix())
    }
}
