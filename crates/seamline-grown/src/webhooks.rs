//! Says to programs elsewhere that a job ended: one signed POST, only to hosts that the operator listed.

use crate::address::AddressError;
use hmac::{Hmac, Mac};
use reqwest::{Client, Url, redirect};
use seamline_core::grown::{Herald, HeraldError};
use sha2::Sha256;
use std::time::{Duration, SystemTime};
use tokio::runtime::Runtime;

/// How long a listener may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a secret, at least: fewer could be guessed (RFC 2104 section 3 wants as many as the hash has; a sentence of
/// words may have less entropy a byte, and more bytes).
const SECRET: usize = 32;
/// Bytes of an address, at most.
const URL: usize = 2_048;

/// Hosts that may be told, and the secret that says it is us.
pub struct Webhooks {
    hosts: Vec<(String, Option<u16>)>,
    secret: Vec<u8>,
    client: Client,
    runtime: Runtime,
}

impl Webhooks {
    /// `hosts`: `NAME` or `NAME:PORT`; without a port, the one that is usual.
    pub fn new(hosts: &[String], secret: &str) -> Result<Self, AddressError> {
        if secret.len() < SECRET {
            return Err(AddressError::new(format!(
                "the secret that signs callbacks has fewer than {SECRET} bytes"
            )));
        }
        let hosts = hosts.iter().map(|h| host(h)).collect::<Result<_, _>>()?;
        // One provider for the whole process; that another was chosen before is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let failed = |e: &dyn std::fmt::Display| AddressError::new(e.to_string());
        let client = Client::builder()
            // A listed host must not hand what it is told on to another, nor a proxy hear it.
            .redirect(redirect::Policy::none())
            .no_proxy()
            .timeout(PATIENCE)
            .user_agent(concat!("seamline/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| failed(&e))?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| failed(&e))?;
        Ok(Self { hosts, secret: secret.as_bytes().to_vec(), client, runtime })
    }

    fn parse(&self, url: &str) -> Result<Url, String> {
        if url.len() > URL {
            return Err(format!("longer than {URL} bytes"));
        }
        let url = Url::parse(url).map_err(|e| e.to_string())?;
        let Some(name) = url.host_str() else { return Err("no host".into()) };
        let here = name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|a| a.is_loopback());
        match url.scheme() {
            "https" => {}
            "http" if here => {}
            other => return Err(format!("{other}: only https is spoken to others than this machine")),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a name or password in it".into());
        }
        let usual = if url.scheme() == "https" { 443 } else { 80 };
        let port = url.port().unwrap_or(usual);
        let listed = self.hosts.iter().any(|(n, p)| n == name && p.unwrap_or(usual) == port);
        if listed { Ok(url) } else { Err(format!("{name}:{port} is not among the hosts that may be told")) }
    }

    /// `t=SECONDS,v1=HEX`: an HMAC-SHA256 (RFC 2104) of `SECONDS.BODY`, so that what was heard cannot be said again later.
    fn sign(&self, seconds: u64, body: &[u8]) -> String {
        // A key of any length will do.
        let Ok(mut mac) = <Hmac<Sha256> as Mac>::new_from_slice(&self.secret) else { return String::new() };
        mac.update(format!("{seconds}.").as_bytes());
        mac.update(body);
        let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
        format!("t={seconds},v1={hex}")
    }
}

fn host(text: &str) -> Result<(String, Option<u16>), AddressError> {
    let odd = || AddressError::new(format!("{text}: expected NAME or NAME:PORT"));
    // As a URL has it: lower case, and in the form that names are looked up in.
    let url = Url::parse(&format!("https://{text}/")).map_err(|_| odd())?;
    let plain =
        url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    let name = url.host_str().filter(|_| plain).ok_or_else(odd)?;
    let port =
        text.rsplit_once(':').filter(|(_, p)| p.bytes().all(|b| b.is_ascii_digit())).map(|(_, p)| p.parse());
    Ok((name.to_owned(), port.transpose().map_err(|_| odd())?))
}

impl Herald for Webhooks {
    fn allows(&self, url: &str) -> Result<(), String> {
        self.parse(url).map(|_| ())
    }

    fn tell(&self, url: &str, body: &[u8]) -> Result<(), HeraldError> {
        let url = self.parse(url).map_err(HeraldError::Refused)?;
        let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let request = self
            .client
            .post(url)
            .header("content-type", "application/json")
            .header("seamline-signature", self.sign(seconds, body))
            .body(body.to_vec());
        // Within the runtime, where the clock of its patience is to be found.
        let answer = self
            .runtime
            .block_on(async { request.send().await })
            .map_err(|e| HeraldError::Away(e.without_url().to_string()))?;
        let status = answer.status();
        let may_heal = status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429);
        match status {
            s if s.is_success() => Ok(()),
            s if may_heal => Err(HeraldError::Away(s.to_string())),
            s => Err(HeraldError::Refused(s.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hooks(hosts: &[&str]) -> Webhooks {
        let hosts: Vec<String> = hosts.iter().map(|h| (*h).to_owned()).collect();
        Webhooks::new(&hosts, &"s".repeat(SECRET)).unwrap()
    }

    #[test]
    fn only_listed_hosts_are_spoken_to_and_only_by_https() {
        let h = hooks(&["desk.example.org", "127.0.0.1:9000", "Other.example:8443"]);
        for good in [
            "https://desk.example.org/a?b=c",
            "https://DESK.example.org:443/",
            "http://127.0.0.1:9000/x",
            "https://other.example:8443/",
        ] {
            assert_eq!(h.allows(good), Ok(()), "{good}");
        }
        for bad in [
            "http://desk.example.org/",
            "https://desk.example.org:8443/",
            "https://desk.example.org.evil.example/",
            "https://me@desk.example.org/",
            "https://other.example/",
            "http://127.0.0.1:9001/",
            "http://127.0.0.1/",
            "http://169.254.169.254/latest",
            "file:///etc/passwd",
            "desk.example.org",
            "",
        ] {
            assert!(h.allows(bad).is_err(), "{bad}");
        }
        assert!(matches!(h.tell("https://elsewhere.example/", b""), Err(HeraldError::Refused(_))));
        assert!(Webhooks::new(&["a/b".into()], &"s".repeat(SECRET)).is_err());
        assert!(Webhooks::new(&[], "short").is_err());
    }

    #[test]
    fn a_signature_is_the_hmac_of_time_and_body() {
        // By Python: hmac.new(b"s" * 32, b"1700000000.{}", hashlib.sha256).hexdigest()
        let want = "t=1700000000,v1=73b0c93d610ddd03ce2b853c7b6263d71114d7f83e5a29ed052cbd2a0fbddebc";
        assert_eq!(hooks(&["a"]).sign(1_700_000_000, b"{}"), want);
    }
}
