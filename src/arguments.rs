//! Arguments that `connect` and `bench` share: which service, and how it is reached.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use http::{HeaderName, HeaderValue};

use crate::client::{Builder, Transport};

/// A SockJS service, from outside.
#[derive(Debug, Args)]
pub(crate) struct ServiceArguments {
    /// Address of a SockJS service, like http://127.0.0.1:8081/echo
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    /// Header field that goes with every request, like 'Authorization: Bearer x'; may be repeated
    #[arg(long, value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// Site of the page that would use the service, like https://app.example.com [default: none is told]
    #[arg(long, value_name = "ORIGIN")]
    origin: Option<String>,
    /// File of PEM certificates to trust instead of the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

impl ServiceArguments {
    /// A client for it.
    ///
    /// # Errors
    /// What is wrong with the arguments, and what to write instead.
    pub(crate) fn builder(&self) -> Result<Builder, String> {
        let mut builder = Builder::new(&self.url).map_err(|error| error.to_string())?;
        for field in &self.header {
            let (name, value) = split_field(field)?;
            builder = builder
                .header(name, value)
                .map_err(|error| format!("--header: {error}"))?;
        }
        if let Some(origin) = &self.origin {
            builder = builder
                .header("origin", origin)
                .map_err(|error| format!("--origin: {error}"))?;
        }
        if let Some(file) = &self.ca {
            // It is read with the first connection; a wrong path should not wait for that.
            std::fs::File::open(file)
                .map_err(|error| format!("--ca: cannot read {}: {error}", file.display()))?;
            builder = builder.ca_file(file);
        }
        Ok(builder)
    }
}

fn split_field(field: &str) -> Result<(&str, &str), String> {
    let (name, value) = field.split_once(':').ok_or_else(|| {
        // It may be a secret in the wrong place.
        "--header: there is no colon; a field is like 'Name: value'".to_owned()
    })?;
    Ok((name.trim(), value.trim()))
}

/// The field that `--header` names, like `Authorization: Bearer x`.
///
/// # Errors
/// What to write instead.
pub(crate) fn header_field(field: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = split_field(field)?;
    Builder::field(name, value).map_err(|error| format!("--header: {error}"))
}

/// Takes the names of transports.
pub(crate) fn transport_parser() -> impl TypedValueParser<Value = Transport> {
    PossibleValuesParser::new(Transport::ALL.map(Transport::name))
        .try_map(|name| name.parse::<Transport>())
}

/// `90s`, `1m 30s`, `500ms`; a number alone means seconds.
///
/// # Errors
/// What to write instead.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok();
    let time = match seconds {
        Some(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        None => humantime::parse_duration(text).ok(),
    };
    time.ok_or_else(|| format!("{text:?} is not a time, like \"10s\" or \"500ms\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_or_say_what_they_are() {
        for (text, milliseconds) in [
            ("5", 5000),
            ("0.25", 250),
            ("10s", 10_000),
            ("500ms", 500),
            ("1m 30s", 90_000),
        ] {
            assert_eq!(parse_time(text), Ok(Duration::from_millis(milliseconds)));
        }
        for wrong in ["", "x", "-1", "5 parsecs", "inf", "NaN"] {
            assert!(parse_time(wrong).unwrap_err().contains("10s"), "{wrong}");
        }
    }

    fn arguments(header: &str, origin: Option<&str>) -> ServiceArguments {
        ServiceArguments {
            url: "http://a/echo".to_owned(),
            header: vec![header.to_owned()],
            origin: origin.map(ToOwned::to_owned),
            ca: None,
        }
    }

    #[test]
    fn wrong_fields_are_named_by_their_argument() {
        let told = |header, origin| arguments(header, origin).builder().unwrap_err();
        assert!(told("nonsense", None).starts_with("--header: "));
        assert!(told("host: b", None).starts_with("--header: "));
        assert!(told("a: b", Some("a\nb")).starts_with("--origin: "));
        assert!(arguments("a:b:c", Some("https://b")).builder().is_ok());
    }
}
