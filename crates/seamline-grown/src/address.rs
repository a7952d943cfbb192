//! Where the broker and the shared media are, as a command line says it. Passwords are never shown.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Why an address cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AddressError(String);

impl AddressError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

fn wrong<T>(message: impl Into<String>) -> Result<T, AddressError> {
    Err(AddressError(message.into()))
}

/// A broker: `nats://HOST:PORT` or `tls://HOST:PORT`, several with commas, and options after `?`.
#[derive(Clone, PartialEq, Eq)]
pub struct NatsAt {
    /// Servers, each with scheme; may hold passwords.
    pub(crate) servers: Vec<String>,
    /// `name`: tells installations that share a broker apart.
    pub name: String,
    /// `max`: jobs that the broker holds at most; the rest waits in the store.
    pub max: i64,
    /// `deliver`: times that a job is handed out without an answer before it is a dead letter.
    pub deliver: i64,
    /// `replicas`: servers of a cluster that keep each message.
    pub replicas: usize,
    /// `creds`: a file with a user's token and key.
    pub creds: Option<PathBuf>,
}

impl NatsAt {
    /// Default of [`NatsAt::max`]: more than the clips that a handful of machines judge at once, and few enough that what
    /// is urgent does not wait behind much.
    pub const MAX: i64 = 256;
    /// Default of [`NatsAt::deliver`].
    pub const DELIVER: i64 = 5;
}

impl FromStr for NatsAt {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (hosts, options) = text.split_once('?').unwrap_or((text, ""));
        let Some((scheme @ ("nats" | "tls"), hosts)) = hosts.split_once("://") else {
            return wrong("expected nats://HOST:PORT or tls://HOST:PORT");
        };
        let mut at = Self {
            servers: Vec::new(),
            name: "SEAMLINE".into(),
            max: Self::MAX,
            deliver: Self::DELIVER,
            replicas: 1,
            creds: None,
        };
        for host in hosts.split(',') {
            if host.trim_matches('/').is_empty() {
                return wrong("a host is missing after ://");
            }
            at.servers.push(format!("{scheme}://{}", host.trim_end_matches('/')));
        }
        for option in options.split('&').filter(|o| !o.is_empty()) {
            let (key, value) = option.split_once('=').unwrap_or((option, ""));
            let number = |most: i64| match value.parse::<i64>() {
                Ok(n) if (1..=most).contains(&n) => Ok(n),
                _ => wrong(format!("{key}={value}: a number from 1 to {most}")),
            };
            match key {
                "name"
                    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') =>
                {
                    at.name = value.to_ascii_uppercase();
                }
                "name" => return wrong("name: letters, digits and _ only"),
                "max" => at.max = number(100_000)?,
                "deliver" => at.deliver = number(1_000)?,
                "replicas" => at.replicas = usize::try_from(number(5)?).unwrap_or(1),
                "creds" => at.creds = Some(value.into()),
                other => {
                    return wrong(format!(
                        "no option is called {other}; name, max, deliver, replicas, creds"
                    ));
                }
            }
        }
        Ok(at)
    }
}

impl fmt::Display for NatsAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = |server: &String| {
            let (scheme, rest) = server.split_once("://").unwrap_or(("nats", server));
            format!("{scheme}://{}", rest.rsplit('@').next().unwrap_or_default())
        };
        f.write_str(&self.servers.iter().map(bare).collect::<Vec<_>>().join(","))
    }
}

impl fmt::Debug for NatsAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} ({})", self.name)
    }
}

/// Where the bytes of clips are for every machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaAt {
    /// `paths`: every machine sees the files under the paths that they were handed in with.
    Paths,
    /// `file://DIR`: a folder that every machine mounts.
    Folder(PathBuf),
    /// `s3://BUCKET/PREFIX`.
    S3 {
        /// The bucket.
        bucket: String,
        /// What names in it begin with; may be empty.
        prefix: String,
    },
}

impl FromStr for MediaAt {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text == "paths" {
            return Ok(Self::Paths);
        }
        match text.split_once("://") {
            Some(("file", dir)) if dir.starts_with('/') => Ok(Self::Folder(dir.into())),
            Some(("s3", rest)) => {
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                if bucket.is_empty() {
                    return wrong("a bucket is missing after s3://");
                }
                Ok(Self::S3 { bucket: bucket.into(), prefix: prefix.trim_matches('/').into() })
            }
            _ => wrong("expected s3://BUCKET/PREFIX, file:///DIR or paths"),
        }
    }
}

impl fmt::Display for MediaAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Paths => f.write_str("paths"),
            Self::Folder(dir) => write!(f, "file://{}", dir.display()),
            Self::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_is_read_with_its_options_and_shown_without_its_password() {
        let at: NatsAt = "nats://me:s3cret@a:4222,b:4222?max=50&deliver=3&name=desk_2".parse().unwrap();
        assert_eq!((at.max, at.deliver, at.name.as_str()), (50, 3, "DESK_2"));
        assert_eq!(at.servers, ["nats://me:s3cret@a:4222", "nats://b:4222"]);
        assert_eq!(at.to_string(), "nats://a:4222,nats://b:4222");
        assert!(!format!("{at:?}").contains("s3cret"));
        for bad in ["http://a", "nats://", "nats://a?max=0", "nats://a?maximum=3", "nats://a?name=a.b"] {
            assert!(bad.parse::<NatsAt>().is_err(), "{bad}");
        }
    }

    #[test]
    fn media_are_read() {
        assert_eq!("paths".parse(), Ok(MediaAt::Paths));
        assert_eq!("file:///srv/media".parse(), Ok(MediaAt::Folder("/srv/media".into())));
        let s3 = MediaAt::S3 { bucket: "clips".into(), prefix: "desk/in".into() };
        assert_eq!("s3://clips/desk/in/".parse(), Ok(s3));
        for bad in ["", "media", "file://media", "s3://", "http://x/y"] {
            assert!(bad.parse::<MediaAt>().is_err(), "{bad}");
        }
    }
}
